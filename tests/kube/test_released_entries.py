# SPDX-License-Identifier: Apache-2.0
"""Objects that other releases, other programs and people left: what ours makes of them.

Upstream's plugin rewrites the whole pool from what it can decode, frees by container and interface alone
and trusts the pool over the reservation. Ours touches its own entry, and nothing else.
"""

import pytest

import harness
from apiserver import POOLS, RESERVATIONS, reservation_name
from wb import Attachment, Program, assert_consistent, network, objects

CIDR = "10.0.0.0/24"
POOL = "10.0.0.0-24"
CONFIG = network(range=CIDR)
CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"


def entry(id="c1", podref="ns1/pod1", ifname="net1"):
    return {"id": id, "podref": podref, **({"ifname": ifname} if ifname else {})}


OTHER = entry("x", "ns1/other")


@pytest.fixture
def one(node):
    """The attachment that all of this is about."""
    return Attachment(CONFIG, node)


@pytest.fixture
def two(node):
    """Another pod's."""
    return Attachment(CONFIG, node, pod="pod2", id="c2")


# ---- entries of releases before v0.8.0, which knew no interfaces ----


def test_an_entry_without_interface_is_freed_by_its_containers_end(api, one):
    api.create_pool(CIDR, {"1": entry(ifname=None), "2": OTHER})
    api.create_reservation("10.0.0.1", "ns1/pod1", containerid="c1")
    one.delete()
    assert objects(api) == {"pools": {POOL: {"2": OTHER}}, "reservations": {}}


def test_two_such_entries_of_a_container_cannot_be_told_apart_and_stay(api, one):
    api.create_pool(CIDR, {"1": entry(ifname=None), "2": entry(ifname=None)})
    one.delete()
    assert api.pool(POOL) == {"1": entry(ifname=None), "2": entry(ifname=None)}


def test_such_an_entry_is_not_given_again_and_goes_with_the_new_one(api, one, node):
    api.create_pool(CIDR, {"1": entry(ifname=None)})
    api.create_reservation("10.0.0.1", "ns1/pod1", containerid="c1")
    assert one.add().addresses == ["10.0.0.2"]
    assert api.pool(POOL) == {"1": entry(ifname=None), "2": entry()}
    one.delete()
    assert_consistent(api, [], [node])


def test_such_an_entry_of_the_pods_earlier_container_stays(api, one):
    old = entry("c0", ifname=None)
    api.create_pool(CIDR, {"1": old})
    api.create_reservation("10.0.0.1", "ns1/pod1", containerid="c0")
    one.delete()
    assert api.pool(POOL) == {"1": old} and api.names(RESERVATIONS) == ["10.0.0.1"]


# ---- reservations of other releases ----


@pytest.mark.parametrize("spec", [
    {"ifname": "net1"},  # v0.8.0 and later
    {"containerid": "c0"},  # v0.7.0 and earlier, by an earlier container of the pod
    {"containerid": "c0", "ifname": "net1"},  # ours
])
def test_a_reservation_of_the_same_pod_becomes_the_containers(api, one, node, spec):
    api.create_pool(CIDR, {"1": entry("c0")})
    api.create_reservation("10.0.0.1", "ns1/pod1", **spec)
    assert one.add().addresses == ["10.0.0.1"]
    assert api.pool(POOL) == {"1": entry()}
    said = api.reservations()["10.0.0.1"]
    assert said["podref"] == "ns1/pod1" and said["containerid"] == "c1"
    assert said.get("ifname", "net1") == "net1"
    one.delete()
    assert_consistent(api, [], [node])


def test_an_entry_without_reservation_gets_one(api, one, node):
    api.create_pool(CIDR, {"1": entry()})
    assert one.add().addresses == ["10.0.0.1"]
    assert_consistent(api, [one], [node])


def test_a_reservation_without_entry_of_the_same_container_is_used(api, one, node):
    api.create_reservation("10.0.0.1", "ns1/pod1", ifname="net1", containerid="c1")
    assert one.add().addresses == ["10.0.0.1"]
    assert_consistent(api, [one], [node])


@pytest.mark.parametrize("podref, spec", [
    ("ns1/other", {"ifname": "net1"}), ("ns1/pod1", {"ifname": "net2"}), ("ns2/pod1", {}), ("", {}),
    ("ns1/pod1", {"ifname": "net1", "containerid": "c0"})])  # that one may be about to enter it into the pool
def test_a_reservation_without_entry_of_any_other_container_is_respected(api, one, podref, spec):
    api.create_reservation("10.0.0.1", podref, **spec)
    assert one.add().addresses == ["10.0.0.2"]
    one.delete()
    assert objects(api) == {"pools": {POOL: {}}, "reservations": {"10.0.0.1": {"podref": podref, **spec}}}


def test_a_reservation_without_entry_of_the_same_pod_is_not_given_but_goes_with_it(api, one, node):
    api.create_reservation("10.0.0.1", "ns1/pod1", ifname="net1")  # of whichever container
    assert one.add().addresses == ["10.0.0.2"]
    one.delete()
    assert_consistent(api, [], [node])


def test_a_reservation_whose_entry_is_lost_goes_with_its_container(api, one, node):
    one.add()
    api.patch(api.path(POOLS, POOL), [{"op": "remove", "path": "/spec/allocations/1"}])
    one.delete()
    assert_consistent(api, [], [node])


def test_another_pods_reservation_of_an_address_that_the_pool_gives_us(api, one):
    """Upstream tries for ten seconds and fails, for ever."""
    api.create_pool(CIDR, {"1": entry("c0"), "2": OTHER})
    theirs = {"podref": "ns1/thief", "ifname": "net1"}
    api.create_reservation("10.0.0.1", **theirs)
    assert one.add().addresses == ["10.0.0.3"]
    assert api.pool(POOL) == {"2": OTHER, "3": entry()}
    assert api.reservations() == {"10.0.0.1": theirs, "10.0.0.3": one.reservation}
    one.delete()
    assert objects(api) == {"pools": {POOL: {"2": OTHER}}, "reservations": {"10.0.0.1": theirs}}


def test_the_end_of_a_pod_leaves_another_pods_reservation_of_its_address(api, one):
    one.add()
    api.delete(api.path(RESERVATIONS, "10.0.0.1"))
    theirs = {"podref": "ns1/thief", "ifname": "net1"}
    api.create_reservation("10.0.0.1", **theirs)
    one.delete()
    assert objects(api) == {"pools": {POOL: {}}, "reservations": {"10.0.0.1": theirs}}


# ---- keys that are no plain offsets ----

ODD_KEYS = ["abc", "", "-5", "99999999999999999999", "9223372036854775808", "4294967295", "1.5", "0x7", "7 "]


@pytest.mark.parametrize("cidr, address", [(CIDR, "10.0.0.1"), ("fd00::/64", "fd00::1")])
def test_keys_that_are_no_offsets_stay_and_do_no_harm(api, node, cidr, address):
    odd = {key: entry(f"x{i}", f"ns1/x{i}") for i, key in enumerate(ODD_KEYS)}
    if ":" in cidr:
        del odd["4294967295"]
    name = api.create_pool(cidr, odd)["metadata"]["name"]
    one = Attachment(network(range=cidr), node)
    assert one.add().addresses == [address]
    assert api.pool(name) == {**odd, "1": entry()}
    one.delete()
    assert api.pool(name) == odd and api.reservations() == {}


def test_such_a_key_is_not_freed_although_it_names_the_container(api, one):
    api.create_pool(CIDR, {"abc": entry(), "-5": entry()})
    one.delete()
    assert api.pool(POOL) == {"abc": entry(), "-5": entry()}


@pytest.mark.parametrize("key", ["007", "+7", "0000000000000000000000007"])
def test_another_spelling_of_an_offset_is_the_same_address(api, node, key):
    config = network(range=CIDR, range_start="10.0.0.7")
    api.create_pool(CIDR, {key: OTHER})
    one = Attachment(config, node)
    assert one.add().addresses == ["10.0.0.8"]
    assert api.pool(POOL) == {key: OTHER, "8": entry()}
    one.delete()
    assert api.pool(POOL) == {key: OTHER}


def test_our_own_under_another_spelling_is_given_again_and_freed(api, one):
    api.create_pool(CIDR, {"007": entry("c0")})
    api.create_reservation("10.0.0.7", "ns1/pod1", ifname="net1")
    assert one.add().addresses == ["10.0.0.7"]
    assert api.pool(POOL) == {"007": entry()}
    one.delete()
    assert objects(api) == {"pools": {POOL: {}}, "reservations": {}}


def test_one_address_under_two_keys(api, one):
    api.create_pool(CIDR, {"007": OTHER, "7": entry()})
    api.create_reservation("10.0.0.7", "ns1/other", ifname="net1")
    one.delete()
    assert api.pool(POOL) == {"007": OTHER}
    assert api.reservations() == {"10.0.0.7": {"podref": "ns1/other", "ifname": "net1"}}


# ---- entries without the texts that ours writes ----


@pytest.mark.parametrize("odd", [entry("", ""), entry("", "test", None), entry("c1", ""), entry("c9", "nonsense")])
def test_an_entry_of_nobody_is_a_taken_address(api, one, odd):
    api.create_pool(CIDR, {"1": odd})
    assert one.add().addresses == ["10.0.0.2"]
    assert api.pool(POOL) == {"1": odd, "2": entry()}


# ---- what later releases may add ----


@pytest.fixture
def schema_with_more(api):
    """A member `claim` in entries and reservations, as a later release could bring it."""
    text = {"type": "string"}
    of = "/spec/versions/0/schema/openAPIV3Schema/properties/spec"
    places = {"ippools": f"{of}/properties/allocations/additionalProperties/properties/claim",
              "overlappingrangeipreservations": f"{of}/properties/claim"}
    for plural, path in places.items():
        api.patch(f"{CRDS}/{plural}.whereabouts.cni.cncf.io", [{"op": "add", "path": path, "value": text}])

    def served():
        api.clear()
        api.create_pool(CIDR, {"200": {**OTHER, "claim": "x"}})
        made = api.create_reservation("10.0.0.200", "ns1/other", claim="x")
        return api.pool(POOL)["200"].get("claim") == made["spec"].get("claim") == "x"

    harness.eventually(served, "the schema counts")
    api.clear()
    yield
    for plural, path in places.items():
        api.patch(f"{CRDS}/{plural}.whereabouts.cni.cncf.io", [{"op": "remove", "path": path}])


def test_unknown_members_survive(api, one, two, schema_with_more):
    theirs, ours = {**OTHER, "claim": "a"}, {**entry("c0"), "claim": "b"}
    api.create_pool(CIDR, {"1": theirs, "2": ours})
    api.create_reservation("10.0.0.2", "ns1/pod1", ifname="net1", claim="c")
    assert one.add().addresses == ["10.0.0.2"]
    assert two.add().addresses == ["10.0.0.3"]
    assert api.pool(POOL) == {"1": theirs, "2": {**entry(), "claim": "b"}, "3": two.entry}
    assert api.reservations()["10.0.0.2"] == {**one.reservation, "claim": "c"}
    one.delete()
    two.delete()
    assert objects(api) == {"pools": {POOL: {"1": theirs}}, "reservations": {}}


def test_labels_and_annotations_of_a_pool_survive(api, one):
    api.create_pool(CIDR)
    more = {"labels": {"a": "b"}, "annotations": {"c": "d"}}
    api.patch(api.path(POOLS, POOL), {"metadata": more}, "application/merge-patch+json")
    one.add()
    one.delete()
    metadata = api.get(api.path(POOLS, POOL))["metadata"]
    assert {key: metadata[key] for key in more} == more


# ---- managedFields ----


def test_the_servers_notes_of_who_wrote_what_end_with_our_first_write(api, one, two):
    api.create_pool(CIDR, {"9": OTHER})
    assert api.get(api.path(POOLS, POOL))["metadata"]["managedFields"]
    one.add()
    assert not api.get(api.path(POOLS, POOL))["metadata"].get("managedFields")
    two.add(Program(ours=False))  # nor does a write of the Go program bring them back
    assert not api.get(api.path(POOLS, POOL))["metadata"].get("managedFields")
    two.delete(Program(ours=False))
    one.delete()
    assert api.pool(POOL) == {"9": OTHER}


# ---- pools whose range is not that of their name ----


@pytest.fixture
def pool_with(api):
    """pool_with(RANGE, ENTRIES): under the name of 10.0.0.0/24."""

    def make(text, entries):
        api.post(api.path(POOLS), {"apiVersion": "whereabouts.cni.cncf.io/v1alpha1", "kind": "IPPool",
                                   "metadata": {"name": POOL}, "spec": {"range": text, "allocations": entries}})

    return make


def test_offsets_count_from_the_address_in_the_pools_range(api, node, pool_with):
    pool_with("10.0.0.5/24", {"4": OTHER})  # 10.0.0.9
    one = Attachment(network(range=CIDR, range_start="10.0.0.9"), node)
    assert one.add().addresses == ["10.0.0.10"]
    assert api.pool(POOL) == {"4": OTHER, "5": entry()}
    assert one.add().addresses == ["10.0.0.10"]
    one.delete()
    assert objects(api) == {"pools": {POOL: {"4": OTHER}}, "reservations": {}}


def test_an_address_before_that_one_is_never_given(api, one, two, pool_with):
    """Upstream gives 10.0.0.1 to everybody."""
    pool_with("10.0.0.5/24", {})
    done = one.call("ADD")
    if done.rc == 0:
        assert one.added(done).addresses != two.add().addresses
        assert {e["id"] for e in api.pool(POOL).values()} == {"c1", "c2"}
        assert not {"10.0.0.1", "10.0.0.2", "10.0.0.3", "10.0.0.4"} & {*one.addresses, *two.addresses}
    else:
        assert (done.code, done.msg) == (999, "error at storage engine: IP address 10.0.0.1 lies before the start "
                                              "10.0.0.5 of its pool")
        assert objects(api) == {"pools": {POOL: {}}, "reservations": {}}


@pytest.mark.parametrize("text", ["nonsense", "10.0.0.0", "10.0.0.0/33", ""])
def test_a_pool_whose_range_is_none(api, one, pool_with, text):
    pool_with(text, {"1": OTHER})
    done = one.call("ADD")
    assert (done.rc, done.code) == (1, 999)
    assert done.msg.startswith("error at storage engine: ") and f"invalid CIDR address: {text}" in done.msg
    assert objects(api) == {"pools": {POOL: {"1": OTHER}}, "reservations": {}}
    assert one.call("DEL").rc == 0


def test_a_pool_of_the_other_family(api, one, pool_with):
    pool_with("fd00::/64", {})
    done = one.call("ADD")
    assert (done.rc, done.msg) == (1, "error at storage engine: cannot calculate offset between IPv4 (10.0.0.1) "
                                      "and IPv6 address (fd00::)")
    assert objects(api) == {"pools": {POOL: {}}, "reservations": {}}


# ---- addresses that upstream could not read again ----


@pytest.mark.parametrize("ipam", [
    {"range": "fd00::/48", "range_start": "fd00:0:0:5::7"},
    {"range": "fd00::/64", "range_start": "fd00::8000:0:0:0"},
    {"range": "2001:db8::/30", "exclude": ["2001:db8::/32"]},
])
def test_an_address_that_others_would_misread_is_refused(api, node, ipam):
    done = Program(ours=True).call(node, "ADD", network(**ipam))
    assert (done.rc, done.code) == (1, 999) and "too far from the start" in done.msg, done
    assert not any(api.pools().values()) and api.reservations() == {}


def test_the_last_address_that_others_can_read(api, node):
    one = Attachment(network(range="fd00::/64", range_start="fd00::7fff:ffff:ffff:ffff"), node)
    assert one.add().addresses == ["fd00::7fff:ffff:ffff:ffff"]
    assert api.pool("fd00---64") == {str(2**63 - 1): entry()}
    assert api.names(RESERVATIONS) == [reservation_name("fd00::7fff:ffff:ffff:ffff")]
    one.delete()
    assert_consistent(api, [], [node])
