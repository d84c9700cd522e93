# SPDX-License-Identifier: Apache-2.0
"""Scenarios S1 to S26 of whereabouts: stdout to the byte, and the objects on a real API server.

Each runs against ours and against the Go program v0.8.0, so that an expectation cannot be wrong for both.
Where that release cannot do it, or does it otherwise, the test says so and expects two different things.
"""

import pytest

import harness
from apiserver import pool_name, reservation_name
from node import pod_args
from wb import Attachment, Program, assert_consistent, network, objects, printed, program, records  # noqa: F401

GOOD = network(range="192.168.2.225/28", gateway="192.168.2.1")
POOL = "192.168.2.224-28"


def silent(outcome):
    return (outcome.rc, outcome.out) == (0, b"")


def entry(id="c1", pod="pod1", ifname="net1"):
    return {"id": id, "podref": f"ns1/{pod}", "ifname": ifname}


@pytest.fixture
def spec(program):
    """spec(id, pod, ifname): of a reservation; ours names the container too."""

    def make(id="c1", pod="pod1", ifname="net1"):
        return {"podref": f"ns1/{pod}", "ifname": ifname, **({"containerid": id} if program.ours else {})}

    return make


@pytest.fixture
def call(program, node):
    """call(VERB, CONFIG, ...): with the program of this test, on the node."""

    def do(verb, config, **kwargs):
        return program.call(node, verb, config, **kwargs)

    return do


@pytest.fixture
def add(call):
    """add(CONFIG, N): an ADD that works, of podN in container cN; its addresses with their prefixes."""

    def do(config, number=1, **kwargs):
        done = call("ADD", config, pod=f"pod{number}", id=f"c{number}", **kwargs)
        assert done.rc == 0, done
        return [ip["address"] for ip in done.json()["ips"]]

    return do


def result(*ips, version="1.0.0", **more):
    """The one of 1.x: members in alphabetical order."""
    members = {"cniVersion": version, "ips": list(ips), **more}
    return printed(dict(sorted(members.items())))


def test_s1_the_first_add_makes_pool_reservation_and_lease(api, call, spec):
    done = call("ADD", GOOD)
    assert (done.rc, done.out) == (0, result({"address": "192.168.2.225/28", "gateway": "192.168.2.1"}))
    assert api.pools() == {POOL: {"1": entry()}}
    assert api.get(api.path("ippools", POOL))["spec"]["range"] == "192.168.2.224/28"
    assert api.reservations() == {"192.168.2.225": spec()}
    lease = api.lease()
    assert (lease["holderIdentity"], lease["leaseDurationSeconds"]) == ("", 1)
    assert lease["acquireTime"] and lease["renewTime"]
    assert api.names("leases")[-1] == "whereabouts"


def test_s2_to_s7_the_life_of_a_second_pod(api, call, add, spec):
    add(GOOD)
    second = {"pod": "pod2", "id": "c2"}
    done = call("ADD", GOOD, **second)
    answer = result({"address": "192.168.2.226/28", "gateway": "192.168.2.1"})
    assert (done.rc, done.out) == (0, answer)
    assert api.pool(POOL) == {"1": entry(), "2": entry("c2", "pod2")}
    before = objects(api)

    done = call("ADD", GOOD, **second)  # S3: again
    assert (done.rc, done.out) == (0, answer)
    assert objects(api) == before

    done = call("ADD", GOOD, pod="pod2", id="c3")  # S4: a new sandbox of the same pod
    assert (done.rc, done.out) == (0, answer)
    assert api.pool(POOL) == {"1": entry(), "2": entry("c3", "pod2")}
    assert api.reservations() == {"192.168.2.225": spec(), "192.168.2.226": spec("c3", "pod2")}
    before = objects(api)

    assert silent(call("DEL", GOOD, **second))  # S5: the old sandbox's end comes late
    assert objects(api) == before

    for _ in range(2):  # S6, and S7: again
        assert silent(call("DEL", GOOD, pod="pod2", id="c3"))
        assert objects(api) == {"pools": {POOL: {"1": entry()}}, "reservations": {"192.168.2.225": spec()}}
        assert api.lease()["holderIdentity"] == ""


def test_s8_two_interfaces_of_one_pod(api, program, call, spec):
    config = network(range="10.7.0.0/24")
    assert call("ADD", config).addresses == ["10.7.0.1"]
    assert call("ADD", config, ifname="net2").addresses == ["10.7.0.2"]
    assert api.pool("10.7.0.0-24") == {"1": entry(), "2": entry(ifname="net2")}
    assert api.reservations() == {"10.7.0.1": spec(), "10.7.0.2": spec(ifname="net2")}
    assert silent(call("DEL", config, ifname="net2"))
    if program.ours:
        assert objects(api) == {"pools": {"10.7.0.0-24": {"1": entry()}}, "reservations": {"10.7.0.1": spec()}}
    else:  # v0.8.0 takes any entry of the container, whatever the interface
        assert len(api.pool("10.7.0.0-24")) == 1
    assert silent(call("DEL", config))
    assert objects(api) == {"pools": {"10.7.0.0-24": {}}, "reservations": {}}


def test_s9_excluded_addresses_and_copied_routes(api, call):
    config = network("0.3.1", range="192.168.1.0/24", exclude=["192.168.1.0/28", "192.168.1.16/28"],
                     gateway="192.168.10.1", routes=[{"dst": "0.0.0.0/0"}])
    done = call("ADD", config)
    assert (done.rc, done.out) == (0, printed({
        "cniVersion": "0.3.1",
        "ips": [{"version": "4", "address": "192.168.1.32/24", "gateway": "192.168.10.1"}],
        "routes": [{"dst": "0.0.0.0/0"}], "dns": {}}))
    assert api.pools() == {"192.168.1.0-24": {"32": entry()}}


@pytest.mark.parametrize("cidr, exclude, given, pool, offset", [
    ("2001::1/116", ["2001::0/128", "2001::1/128", "2001::2/128"], "2001::3/116", "2001::/116", 3),  # S10
    ("caa5::0/112", ["caa5::0/113"], "caa5::8000/112", "caa5::/112", 0x8000),  # S11
])
def test_s10_s11_excluded_addresses_of_version_6(api, add, spec, cidr, exclude, given, pool, offset):
    assert add(network(range=cidr, exclude=exclude)) == [given]
    assert api.pools() == {pool_name(pool): {str(offset): entry()}}
    assert api.reservations() == {reservation_name(given.split("/")[0]): spec()}


STATIC = {
    "range": "192.168.1.44/28", "gateway": "192.168.1.1",
    "addresses": [{"address": "10.10.0.1/24", "gateway": "10.10.0.254"},
                  {"address": "3ffe:ffff:0:01ff::1/64", "gateway": "3ffe:ffff:0::1"}],
    "routes": [{"dst": "0.0.0.0/0"}, {"dst": "192.168.0.0/16", "gw": "10.10.5.1"},
               {"dst": "3ffe:ffff:0:01ff::1/64"}],
    "dns": {"nameservers": ["10.10.0.1"], "domain": "example.com", "search": ["example.com"],
            "options": ["ndots:2"]},
}
STATIC_IPS = [{"address": "192.168.1.33/28", "gateway": "192.168.1.1"},
              {"address": "10.10.0.1/24", "gateway": "10.10.0.254"},
              {"address": "3ffe:ffff:0:1ff::1/64", "gateway": "3ffe:ffff::1"}]
STATIC_ROUTES = [{"dst": "0.0.0.0/0"}, {"dst": "192.168.0.0/16", "gw": "10.10.5.1"},
                 {"dst": "3ffe:ffff:0:1ff::1/64"}]


@pytest.mark.parametrize("version", harness.VERSIONS)
def test_s12_static_parameters_in_every_version(api, call, spec, version):
    dns = STATIC["dns"]
    if version < "0.3.0":
        said = {"ip4": {**rename(STATIC_IPS[0]), "routes": STATIC_ROUTES[:2]},
                "ip6": {**rename(STATIC_IPS[2]), "routes": STATIC_ROUTES[2:]}, "dns": dns}
    elif version < "1.0.0":
        said = {"ips": [{"version": "6" if ":" in ip["address"] else "4", **ip} for ip in STATIC_IPS],
                "routes": STATIC_ROUTES, "dns": dns}
    else:
        said = {"dns": dict(sorted(dns.items())), "ips": STATIC_IPS, "routes": STATIC_ROUTES}
    config = network(version, **STATIC)
    if version < "0.3.0":  # these know one address of a family; the range's is not counted
        config["ipam"]["addresses"] = STATIC["addresses"][1:]
    done = call("ADD", config)
    assert (done.rc, done.out) == (0, printed({"cniVersion": version, **said}))
    assert objects(api) == {"pools": {"192.168.1.32-28": {"1": entry()}},
                            "reservations": {"192.168.1.33": spec()}}
    assert silent(call("DEL", config))
    assert objects(api) == {"pools": {"192.168.1.32-28": {}}, "reservations": {}}


def rename(ip):
    return {"ip": ip["address"], "gateway": ip["gateway"]}


V4 = {"range": "192.168.10.1/24"}
V6 = {"range": "abcd::1/64"}
BOTH = {"192.168.10.0-24": {"1": entry()}, "abcd---64": {"1": entry()}}


@pytest.mark.parametrize("ipam, given, pools", [
    ({"ipRanges": [V4]}, ["192.168.10.1/24"], {"192.168.10.0-24": {"1": entry()}}),  # S13
    ({"ipRanges": [V4, V6]}, ["192.168.10.1/24", "abcd::1/64"], BOTH),  # S14
    ({**V6, "ipRanges": [V4]}, ["abcd::1/64", "192.168.10.1/24"], BOTH),  # S15
])
def test_s13_to_s15_several_ranges_are_in_order(api, call, spec, ipam, given, pools):
    done = call("ADD", network(**ipam))
    assert (done.rc, done.out) == (0, result(*({"address": a} for a in given)))
    names = {reservation_name(a.split("/")[0]) for a in given}
    assert objects(api) == {"pools": pools, "reservations": dict.fromkeys(names, spec())}
    assert silent(call("DEL", network(**ipam)))
    assert objects(api) == {"pools": dict.fromkeys(pools, {}), "reservations": {}}


@pytest.mark.parametrize("ipam", [
    {"range": "192.168.1.5-192.168.1.25/24"},  # S16
    {"range": "192.168.1.0/24", "range_start": "192.168.1.5"},  # S17
])
def test_s16_s17_where_a_range_begins(api, add, ipam):
    assert add(network(**ipam)) == ["192.168.1.5/24"]
    assert api.pools() == {"192.168.1.0-24": {"5": entry()}}


def test_s18_a_full_range_says_so(api, program, call, add):
    config = network(range="192.168.1.0/24", range_start="192.168.1.5", range_end="192.168.1.12")
    for i in range(8):
        assert add(config, i) == [f"192.168.1.{5 + i}/24"]
    before = objects(api)
    done = call("ADD", config, pod="pod9", id="c9")
    assert (done.rc, done.out) == (1, harness.error_text(
        999, "error at storage engine: Could not allocate IP in range: ip: 192.168.1.5 / - 192.168.1.12 "
        "/ range: 192.168.1.0/24 / excludeRanges: []"))
    assert objects(api) == before
    assert api.lease()["holderIdentity"] == ""


@pytest.mark.parametrize("cidr, given, pool, offset, name", [
    ("2001:db8:480:603d:0304:0403:000:0000-2001:db8:480:603d:0304:0403:0000:0004/64",
     "2001:db8:480:603d:304:403::/64", "2001:db8:480:603d::/64", 0x0304_0403_0000_0000,
     "2001-db8-480-603d-304-403--0"),
    ("2001:db8:5422:0005::-2001:db8:5422:0005:7fff:ffff:ffff:ffff/64",
     "2001:db8:5422:5::1/64", "2001:db8:5422:5::/64", 1, "2001-db8-5422-5--1"),
    ("fd00:0:0:10:0:0:3:1-fd00:0:0:10:0:0:3:6/64",
     "fd00::10:0:0:3:1/64", "fd00:0:0:10::/64", 0x30001, "fd00--10-0-0-3-1"),
    ("fd::1/116", "fd::1/116", "fd::/116", 1, "fd--1"),
])
def test_s19_addresses_of_version_6_with_zeros(api, add, spec, cidr, given, pool, offset, name):
    assert add(network(range=cidr)) == [given]
    assert objects(api) == {"pools": {pool_name(pool): {str(offset): entry()}}, "reservations": {name: spec()}}


@pytest.mark.parametrize("wide, narrow, given", [
    ("192.168.22.0/24", "192.168.22.0/28", ["192.168.22.1/24", "192.168.22.2/28"]),
    ("2001::2:3:0/124", "2001::2:3:0/126", ["2001::2:3:1/124", "2001::2:3:2/126"]),
])
def test_s20_ranges_that_overlap_share_no_address(api, call, add, wide, narrow, given):
    assert add(network(range=wide)) + add(network(range=narrow), 2) == given
    assert api.pools() == {pool_name(wide): {"1": entry()}, pool_name(narrow): {"2": entry("c2", "pod2")}}
    assert silent(call("DEL", network(range=wide)))
    assert silent(call("DEL", network(range=narrow), pod="pod2", id="c2"))
    assert objects(api) == {"pools": {pool_name(wide): {}, pool_name(narrow): {}}, "reservations": {}}


def test_s21_ranges_that_may_overlap_do(api, call, add):
    wide, narrow = (network(range=f"192.168.33.0/{n}", enable_overlapping_ranges=False) for n in (24, 28))
    assert add(wide) + add(narrow, 2) == ["192.168.33.1/24", "192.168.33.1/28"]
    assert objects(api) == {"pools": {"192.168.33.0-24": {"1": entry()},
                                      "192.168.33.0-28": {"1": entry("c2", "pod2")}}, "reservations": {}}
    assert silent(call("DEL", wide)) and silent(call("DEL", narrow, pod="pod2", id="c2"))
    assert api.pools() == {"192.168.33.0-24": {}, "192.168.33.0-28": {}}


SLICES = [("node-b", "10.0.0.0/22"), ("node-a", "10.0.4.0/22"), ("", "10.0.8.0/22")]


@pytest.mark.parametrize("name, lease, pool, reservation, more", [
    ("nsnet", "node-a-10.0.4.0-22", "node-a-10.0.4.0-22", "10.0.4.1", {}),
    ("tenant-a", "tenant-a-node-a-10.0.4.0-22", "tenant-a-node-a-10.0.4.0-22", "tenant-a-10.0.4.1",
     {"network_name": "tenant-a"}),
])
def test_s22_a_node_takes_from_its_slice(api, node, name, lease, pool, reservation, more):
    ours = Program(ours=True)  # the Go program has this since v0.9.0
    api.create_slices(name, "10.0.0.0/8", "/22", SLICES)
    config = network(name="nsnet", range="10.0.0.0/8", node_slice_size="/22", **more)
    done = ours.call(node, "ADD", config, env={"NODENAME": "node-a"})
    assert (done.rc, done.out) == (0, result({"address": "10.0.4.1/8"}))
    assert objects(api) == {
        "pools": {pool: {"1": entry()}},
        "reservations": {reservation: {"podref": "ns1/pod1", "ifname": "net1", "containerid": "c1"}}}
    assert api.get(api.path("ippools", pool))["spec"]["range"] == "10.0.4.0/22"
    assert api.lease(lease)["holderIdentity"] == ""
    assert api.lease() is None
    assert silent(ours.call(node, "DEL", config, env={"NODENAME": "node-a"}))
    assert objects(api) == {"pools": {pool: {}}, "reservations": {}}


def test_s23_addresses_from_cni_args_are_added(api, call, spec):
    done = call("ADD", network("0.3.1", range="10.0.0.0/24"),
                args=pod_args("pod1") + ";IP=10.9.9.9/24,fd00::9/64;GATEWAY=10.9.9.1")
    assert (done.rc, done.out) == (0, printed({
        "cniVersion": "0.3.1",
        "ips": [{"version": "4", "address": "10.0.0.1/24"},
                {"version": "4", "address": "10.9.9.9/24", "gateway": "10.9.9.1"},
                {"version": "6", "address": "fd00::9/64"}],
        "dns": {}}))
    assert objects(api) == {"pools": {"10.0.0.0-24": {"1": entry()}}, "reservations": {"10.0.0.1": spec()}}


ROUTES = [{"dst": "0.0.0.0/0"}, {"dst": "fd01::/64", "gw": "fd00::99", "mtu": 1400, "priority": 5}]
DNS = {"nameservers": ["10.1.1.1"], "options": ["ndots:2"]}


@pytest.mark.parametrize("version", [None, "", *harness.VERSIONS])
def test_s24_one_result_in_every_version(api, call, version):
    v4, v6 = "10.0.0.1/24", "fd00::1/64"
    gateway = {"gateway": "10.0.0.254"}
    shown = version or "0.1.0"
    if shown < "0.3.0":
        said = {"ip4": {"ip": v4, **gateway, "routes": [{"dst": "0.0.0.0/0"}]},
                "ip6": {"ip": v6, **gateway, "routes": [{"dst": "fd01::/64", "gw": "fd00::99"}]}, "dns": DNS}
    elif shown < "1.0.0":
        said = {"ips": [{"version": "4", "address": v4, **gateway}, {"version": "6", "address": v6, **gateway}],
                "routes": full_routes(), "dns": DNS}
    else:
        said = {"dns": DNS, "ips": [{"address": v4, **gateway}, {"address": v6, **gateway}],
                "routes": full_routes()}
    config = network(version, ipRanges=[{"range": "10.0.0.0/24"}, {"range": "fd00::/64"}], routes=ROUTES,
                     dns=DNS, **gateway)
    done = call("ADD", config)
    assert (done.rc, done.out) == (0, printed({"cniVersion": shown, **said}))
    assert api.pools() == {"10.0.0.0-24": {"1": entry()}, "fd00---64": {"1": entry()}}


def full_routes():
    return [ROUTES[0], dict(sorted(ROUTES[1].items()))]


def test_s25_when_the_second_range_is_full(api, program, call, spec):
    used = {"1": entry("x1", "x1"), "2": entry("x2", "x2")}
    api.create_pool("10.9.0.0/30", used)
    config = network(ipRanges=[{"range": "10.0.0.0/24"}, {"range": "10.9.0.0/30"}])
    done = call("ADD", config)
    assert (done.rc, done.out) == (1, harness.error_text(
        999, "error at storage engine: Could not allocate IP in range: ip: 10.9.0.1 / - 10.9.0.2 "
        "/ range: 10.9.0.0/30 / excludeRanges: []"))
    assert api.pool("10.9.0.0-30") == used
    if program.ours:  # nothing was written
        assert not api.pool("10.0.0.0-24") and api.reservations() == {}
    else:
        assert api.pool("10.0.0.0-24") == {"1": entry()}
        assert api.reservations() == {"10.0.0.1": spec()}
    assert silent(call("DEL", config))
    assert api.pool("10.9.0.0-30") == used
    assert not api.pool("10.0.0.0-24") and api.reservations() == {}


def test_s26_an_entry_of_the_pod_without_a_container_becomes_its(api, call, add, spec):
    api.create_pool("192.168.1.0/24", {"1": entry(""), "2": {"id": "", "podref": "test"}})
    assert add(network(range="192.168.1.0/24")) == ["192.168.1.1/24"]
    assert objects(api) == {"pools": {"192.168.1.0-24": {"1": entry(), "2": {"id": "", "podref": "test"}}},
                            "reservations": {"192.168.1.1": spec()}}


# ---- what ours is meant to do otherwise ----


def test_the_gateway_is_given_to_no_pod_unless_it_may_be(api, program, add):
    config = network(range="10.7.0.0/29", gateway="10.7.0.1")
    assert add(config) == ["10.7.0.2/29" if program.ours else "10.7.0.1/29"]
    assert add({**config, "ipam": {**config["ipam"], "allocate_gateway": True}}, 2) == [
        "10.7.0.1/29" if program.ours else "10.7.0.2/29"]


@pytest.mark.parametrize("range", ["10.60.0.0/23"])
def test_dot_zero_and_dot_255_in_the_middle_are_addresses_like_others(add, range):
    config = network(range=range, range_start="10.60.0.255")
    assert [add(config, i) for i in (1, 2)] == [["10.60.0.255/23"], ["10.60.1.0/23"]]


def test_what_ours_remembers_of_an_attachment(api, node):
    one = Attachment(network(ipRanges=[V4, V6]), node)
    one.add()
    assert_consistent(api, [one], [node])
    record = records(node)["mynet", "c1", "net1"]
    assert record["podref"] == "ns1/pod1" and record["namespace"] == "kube-system"
    assert record["server"] == api.url and record["kubeconfig"] == node.kubeconfig
    assert [i["pool"] for i in record["items"]] == ["192.168.10.0-24", "abcd---64"]
    one.delete()
    assert_consistent(api, [], [node])


def unprinted(one):
    """The outcome of an ADD whose result is lost."""
    return harness.call("ADD", one.config, binary=harness.WHEREABOUTS, id=one.id, ifname=one.ifname,
                        args=pod_args(one.pod), wrap=(*one.node.wrap, "sh", "-c", 'exec "$0" >/dev/full'))


def test_an_add_whose_result_is_lost_is_taken_back(api, node):
    assert unprinted(Attachment(network(range="10.0.0.0/24"), node)).rc != 0
    assert_consistent(api, [], [node])


def test_it_is_not_taken_back_what_an_earlier_add_holds(api, node):
    one = Attachment(network(range="10.0.0.0/24"), node)
    one.add()
    assert unprinted(one).rc != 0
    assert_consistent(api, [one], [node])
    # This version cannot say that there is no address.
    assert Attachment(network("0.2.0"), node).call("ADD").msg == "cannot convert: no valid IP addresses"
    assert_consistent(api, [one], [node])


# ---- how many requests that takes ----

POOL_PATH = f"ippools/{POOL}"
LEASE = "leases/whereabouts"
RESERVATIONS = "overlappingrangeipreservations"


def requests(proxy):
    """What was asked since the last time: (method, plural[/name])."""
    seen = [(r.method, r.path.split("/namespaces/kube-system/")[1].split("?")[0]) for r in proxy.requests]
    proxy.reset()
    return seen


@pytest.fixture
def counted(nodes, proxy):
    """counted(VERB, CONFIG, ...): the requests of a call of ours."""
    node = nodes(1, server=proxy.url)[0]
    ours = Program(ours=True)

    def do(verb, config, **kwargs):
        done = ours.call(node, verb, config, **kwargs)
        assert done.rc == 0, done
        return requests(proxy)

    return do


def test_the_requests_of_a_life(counted):
    assert counted("ADD", GOOD) == [  # the first in a cluster
        ("GET", LEASE), ("POST", "leases"), ("GET", POOL_PATH), ("POST", "ippools"),
        ("POST", RESERVATIONS), ("PATCH", POOL_PATH), ("PUT", LEASE)]
    assert counted("ADD", GOOD, pod="pod2", id="c2") == [
        ("GET", LEASE), ("PUT", LEASE), ("GET", POOL_PATH), ("POST", RESERVATIONS), ("PATCH", POOL_PATH),
        ("PUT", LEASE)]
    one = f"{RESERVATIONS}/192.168.2.226"
    assert counted("ADD", GOOD, pod="pod2", id="c2") == [  # again
        ("GET", LEASE), ("PUT", LEASE), ("GET", POOL_PATH), ("GET", one), ("PUT", LEASE)]
    assert counted("ADD", GOOD, pod="pod2", id="c3") == [  # a new sandbox
        ("GET", LEASE), ("PUT", LEASE), ("GET", POOL_PATH), ("GET", one), ("PATCH", one),
        ("PATCH", POOL_PATH), ("PUT", LEASE)]
    assert counted("DEL", GOOD, pod="pod2", id="c3") == [
        ("GET", LEASE), ("PUT", LEASE), ("GET", POOL_PATH), ("GET", one), ("DELETE", one),
        ("PATCH", POOL_PATH), ("PUT", LEASE)]


def test_without_reservations_there_is_no_lease_and_no_more_than_two_requests(counted, api):
    config = network(range="10.0.0.0/24", enable_overlapping_ranges=False)
    path = "ippools/10.0.0.0-24"
    assert counted("ADD", config) == [("GET", path), ("POST", "ippools"), ("PATCH", path)]
    assert counted("ADD", config, pod="pod2", id="c2") == [("GET", path), ("PATCH", path)]
    assert counted("DEL", config) == [("GET", path), ("PATCH", path)]
    assert api.lease() is None


def test_a_collision_costs_one_list_however_many_there_are(counted, api):
    for i in range(1, 40):
        api.create_reservation(f"10.0.0.{i}", "ns1/other", ifname="net1")
    api.create_pool("10.0.0.0/24")
    seen = counted("ADD", network(range="10.0.0.0/24"))
    assert api.pool("10.0.0.0-24") == {"40": entry()}
    assert seen == [
        ("GET", LEASE), ("POST", "leases"), ("GET", "ippools/10.0.0.0-24"), ("POST", RESERVATIONS),
        ("GET", f"{RESERVATIONS}/10.0.0.1"), ("GET", RESERVATIONS), ("POST", RESERVATIONS),
        ("PATCH", "ippools/10.0.0.0-24"), ("PUT", LEASE)]
