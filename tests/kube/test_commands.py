# SPDX-License-Identifier: Apache-2.0
"""The sub-commands for people, on a real API server: list, status and check, as tables and as JSON."""

import contextlib
import json
import os
import re
import subprocess
import threading

import pytest

import harness
from apiserver import NAMESPACE, POOLS, RESERVATIONS, SLICES, V1ALPHA1
from harness import WHEREABOUTS
from node import CONF_DIR, Node
from proxy import answer, is_request
from wb import Attachment, attachments, network, objects, records

CHANGES = ("POST", "PUT", "PATCH", "DELETE")


def entry(pod, id=None, ifname="net1"):
    """What stands under a key of a pool."""
    return {"id": id or f"c-{pod}", "podref": f"ns1/{pod}", **({"ifname": ifname} if ifname else {})}


def command(node, *argv, **kwargs):
    return harness.run([*node.wrap, WHEREABOUTS, *argv], **kwargs)


def says(done, rc=0):
    assert (done.rc, done.err) == (rc, b""), done
    return done.out.decode()


def document(done, rc=0):
    text = says(done, rc)
    assert text.endswith("}\n") and "\n    " in text
    seen = json.loads(text)
    assert next(iter(seen)) == "version" and seen["version"] == 1
    return seen


def fails(done, *words):
    """An error, in one line."""
    assert (done.rc, done.out) == (1, b""), done
    text = done.err.decode()
    assert text.startswith("whereabouts: ") and text.count("\n") == 1
    for word in words:
        assert word in text, text


@contextlib.contextmanager
def allowed(api, name, *rules):
    """A new account, its token, that may do this much in every namespace: (group, resource, verbs)."""
    roles = "/apis/rbac.authorization.k8s.io/v1/clusterroles"
    token = api.new_account(name)
    api.post(roles, {"metadata": {"name": name}, "rules": [
        {"apiGroups": [g], "resources": [r], "verbs": v} for g, r, v in rules]})
    api.post(f"{roles[:-1]}bindings", {
        "metadata": {"name": name},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": name},
        "subjects": [{"kind": "ServiceAccount", "name": name, "namespace": NAMESPACE}]})
    try:
        yield token
    finally:
        api.delete(f"{roles[:-1]}bindings/{name}")
        api.delete(f"{roles}/{name}")
        api.delete(f"/api/v1/namespaces/{NAMESPACE}/serviceaccounts/{name}")


def until_allowed(api, token, path):
    """Roles count a moment after they are made."""
    client = api.as_account(token)
    harness.eventually(lambda: client.call("GET", path).status == 200, f"GET {path}")
    client.close()


def make_pod(api, name, namespace="ns1"):
    if api.find(f"/api/v1/namespaces/{namespace}") is None:
        api.create_namespace(namespace)
    api.post(f"/api/v1/namespaces/{namespace}/pods", {
        "metadata": {"name": name}, "spec": {"containers": [{"name": "c", "image": "none"}]}})


@pytest.fixture
def pod(api):
    """pod(NAME): makes a pod as an object; it goes with the test."""
    made = []

    def make(name, namespace="ns1"):
        make_pod(api, name, namespace)
        made.append(f"/api/v1/namespaces/{namespace}/pods/{name}")

    yield make
    for path in made:
        api.delete(path, {"gracePeriodSeconds": 0})


# ---- list ----


def test_list_of_nothing(node):
    assert says(command(node, "list")) == "no pools\n"
    assert document(command(node, "list", "--json")) == {"version": 1, "pools": []}


@pytest.fixture
def listed(api, node):
    """Two networks: one as our plugin leaves it, and one that others wrote."""
    for one in attachments(node, network(range="10.1.2.0/28"), 2):
        one.add()
    api.create_pool("fd00:1::/64", {"10": entry("old", ifname=None), "3": entry("x", "c-with-a-long-id")}, "net-a")
    api.create_reservation("fd00:1::3", "ns1/x", "net-a", ifname="net1")
    return node


LISTING = """\
POOL               ADDRESS    POD      CONTAINER         IFNAME  RESERVATION
10.1.2.0-28        10.1.2.1   ns1/p0   c-p0              net1    yes
10.1.2.0-28        10.1.2.2   ns1/p1   c-p1              net1    yes
net-a-fd00-1---64  fd00:1::3  ns1/x    c-with-a-long-id  net1    yes
net-a-fd00-1---64  fd00:1::a  ns1/old  c-old                     no

POOL               RANGE        SIZE                 USED  FREE
10.1.2.0-28        10.1.2.0/28  14                   2     12
net-a-fd00-1---64  fd00:1::/64  9223372036854775807  2     9223372036854775805
"""


def test_list_is_a_table_by_pool_and_address(listed):
    assert says(command(listed, "list")) == LISTING


def test_list_of_named_pools(listed):
    text = says(command(listed, "list", "net-a-fd00-1---64"))
    assert "10.1.2" not in text and "fd00:1::a" in text
    both = ("net-a-fd00-1---64", "10.1.2.0-28", "net-a-fd00-1---64")
    assert [p["name"] for p in document(command(listed, "list", "--json", *both))["pools"]] == [*both[:2]]
    fails(command(listed, "list", "10.1.2.0-28", "nothing"), "no IPPool 'nothing'")


def test_list_as_json(listed):
    def one(address, pod, id, reservation, **ifname):
        return {"address": address, "podRef": f"ns1/{pod}", "containerID": id, **ifname, "reservation": reservation}

    assert document(command(listed, "list", "--json")) == {"version": 1, "pools": [
        {"name": "10.1.2.0-28", "range": "10.1.2.0/28", "used": 2, "size": 14, "free": 12, "entries": [
            one("10.1.2.1", "p0", "c-p0", True, ifname="net1"),
            one("10.1.2.2", "p1", "c-p1", True, ifname="net1")]},
        {"name": "net-a-fd00-1---64", "range": "fd00:1::/64", "used": 2, "size": 2**63 - 1,
         "free": 2**63 - 3, "entries": [
             one("fd00:1::3", "x", "c-with-a-long-id", True, ifname="net1"),
             one("fd00:1::a", "old", "c-old", False)]}]}


def test_a_reservation_of_another_pod_is_not_an_entrys_own(api, node):
    api.create_pool("10.1.2.0/24", {"1": entry("a"), "2": entry("b"), "3": entry("c")})
    api.create_reservation("10.1.2.1", "ns1/b", ifname="net1")
    api.create_reservation("10.1.2.2", "ns1/b", ifname="net2")
    api.create_reservation("10.1.2.3", "ns1/c")  # an old one, without interface
    entries = document(command(node, "list", "--json"))["pools"][0]["entries"]
    assert [e["reservation"] for e in entries] == [False, False, True]


def test_list_tells_of_a_pool_that_cannot_be_read(api, node):
    api._create(POOLS, "IPPool", "broken", NAMESPACE, spec={"range": "nonsense", "allocations": {"1": entry("a")}})
    api.create_pool("10.1.2.0/24", {"1": entry("a"), "what": entry("b"), "-4": entry("c")})
    pools = document(command(node, "list", "--json"))["pools"]
    assert pools[1] == {"name": "broken", "used": 0, "size": 0, "free": 0, "entries": []}
    assert [e["address"] for e in pools[0]["entries"]] == ["10.1.2.1"]


def test_what_a_terminal_would_obey_is_not_printed(api, node):
    api.create_pool("10.1.2.0/24", {"1": entry("a\x1b[2J\x07"), "2\x1b[H": entry("b")})
    api.create_reservation("10.1.2.9", "ns1/\x1b]0;x\x07")
    for argv in (["list"], ["check"]):
        out = command(node, *argv).out
        assert b"ns1/a?[2J?" in out and b"\x1b" not in out and b"\x07" not in out
    assert document(command(node, "list", "--json"))["pools"][0]["entries"][0]["podRef"] == "ns1/a\x1b[2J\x07"


def test_list_looks_into_the_namespace_of_the_kubeconfig(api, node):
    api.create_pool("10.1.2.0/24", namespace="default")
    assert says(command(node, "list")) == "no pools\n"
    node.configure(api, namespace="default")
    assert says(command(node, "list")).splitlines()[1].split() == ["10.1.2.0-24", "10.1.2.0/24", "254", "0", "254"]


# ---- status ----

NEEDED = {
    "ippools": {"get", "create", "patch"},
    "overlappingrangeipreservations": {"get", "list", "create", "patch", "delete"},
    "leases": {"get", "create", "update"},
}
GROUPS = {"leases": "coordination.k8s.io"}


def permissions(seen):
    return {r["name"]: {p["verb"]: p.get("allowed") for p in r["permissions"]} for r in seen["resources"]}


def test_status_of_a_node_that_has_everything(api, node):
    Attachment(network(range="10.1.2.0/28"), node).add()
    seen = document(command(node, "status", "--json"))
    assert seen["ok"] is True and seen["problems"] == []
    assert seen["flatFile"] == node.conf and seen["kubeconfig"] == node.kubeconfig
    assert (seen["server"], seen["namespace"]) == (api.url, NAMESPACE)
    assert (seen["context"], seen["locking"]) == ("whereabouts-context", "lease")
    assert seen["reachable"] is True and 0 <= seen["latencyMilliseconds"] < 15000
    assert {r["name"]: (r["exists"], r["needed"]) for r in seen["resources"]} == {
        "ippools": (True, True), "overlappingrangeipreservations": (True, True),
        "nodeslicepools": (True, False), "leases": (True, True)}
    assert {name: {v for v, yes in verbs.items() if yes} for name, verbs in permissions(seen).items()} == {
        **NEEDED, "ippools": NEEDED["ippools"] | {"list"}, "nodeslicepools": {"get"}}
    assert seen["lease"]["holder"] == "" and 0 <= seen["lease"]["ageMilliseconds"] < 60000
    assert seen["records"] == {"count": 1, "unfinished": []}


def test_status_is_a_table(api, node):
    text = says(command(node, "status"))
    facts = dict(re.split("  +", line, maxsplit=1) for line in text.split("\n\n")[0].splitlines())
    assert re.fullmatch(r"answers in \d+ ms", facts.pop("API server"))
    assert facts == {
        "flat file": node.conf, "kubeconfig": node.kubeconfig, "context": "whereabouts-context",
        "server": api.url, "namespace": NAMESPACE, "locking": "lease", "Lease": "none is there",
        "records": "0, 0 of them unfinished"}
    assert text.split("\n\n")[1] == """\
RESOURCE                        NEEDED      EXISTS  ALLOWED                       FORBIDDEN  UNKNOWN
ippools                         yes         yes     get list create patch
overlappingrangeipreservations  yes         yes     get list create patch delete
nodeslicepools                  for slices  yes     get
leases                          yes         yes     get create update
"""


def test_list_and_status_and_check_change_nothing(api, node, proxy):
    node.configure(api, server=proxy.url)
    api.create_pool("10.1.2.0/24", {"1": entry("a"), "x": entry("b")})
    api.create_reservation("10.1.2.9", "ns1/gone")

    def everything():
        found = [o for plural in (POOLS, RESERVATIONS, SLICES, "leases") for o in api.list(api.path(plural))]
        return [o for o in found if not o["metadata"]["name"].startswith("apiserver-")]

    before = everything()
    for argv, rc in ((["list"], 0), (["status"], 0), (["check"], 1)):
        says(command(node, *argv), rc)
    assert everything() == before
    writes = [r for r in proxy.requests if r.method in CHANGES]
    assert writes and all(r.path.endswith("?dryRun=All") for r in writes)


def test_status_names_the_holder_of_the_lease(api, node):
    api.post(api.path("leases"), {"metadata": {"name": "whereabouts"}, "spec": {
        "holderIdentity": "ns1/pod1", "leaseDurationSeconds": 7, "renewTime": "2026-01-02T03:04:05.678900Z"}})
    seen = document(command(node, "status", "--json"))["lease"]
    assert (seen["holder"], seen["durationSeconds"]) == ("ns1/pod1", 7)
    assert seen["renewTime"] == "2026-01-02T03:04:05.678900Z"
    date = subprocess.run(["date", "+%s%3N"], stdout=subprocess.PIPE, check=True)
    now = int(date.stdout)
    assert 0 <= now - (1767323045678 + seen["ageMilliseconds"]) < 30000
    assert re.search(r"\nLease +held by ns1/pod1 for 7 s, renewed \d+\.\d s ago\n", says(command(node, "status")))


def test_status_without_files():
    with Node("bare") as node:
        seen = document(command(node, "status", "--json"), rc=1)
        assert seen["ok"] is False and seen["reachable"] is False
        assert "flatFile" not in seen and "server" not in seen and "resources" not in seen
        assert seen["records"] == {"count": 0, "unfinished": []}
        assert len(seen["problems"]) == 1 and "config file not found" in seen["problems"][0]
        assert node.conf in seen["problems"][0] and "/k3s/" in seen["problems"][0]
        assert "\nproblem: config file not found: there is none of /etc/" in says(command(node, "status"), rc=1)


@pytest.mark.parametrize("file, text, mode, problem", [
    ("conf", "{", 0o600, "whereabouts.conf"),
    ("conf", "{}", 0o600, "you have not configured the storage engine"),
    ("conf", '{"kubernetes":{"kubeconfig":"/etc/cni/nothing"}}', 0o600, "/etc/cni/nothing"),
    ("conf", '{"kubernetes":{"kubeconfig":"/etc/cni/x"},"locking":"maybe"}', 0o600, "locking"),
    ("conf", None, 0o666, "whereabouts.conf"),
    ("kubeconfig", "users: [", 0o600, "whereabouts.kubeconfig"),
    ("kubeconfig", None, 0o622, "whereabouts.kubeconfig"),
])
def test_status_with_a_file_that_cannot_be_used(node, file, text, mode, problem):
    path = getattr(node, file)
    node.write(path, node.path(path).read_text() if text is None else text, mode)
    seen = document(command(node, "status", "--json"), rc=1)
    assert len(seen["problems"]) == 1 and problem in seen["problems"][0], seen
    for argv in (["list"], ["check"]):
        fails(command(node, *argv), problem)


@pytest.fixture
def away(api, node):
    """A node whose server is not there."""
    node.configure(api, server="https://127.0.0.1:1")
    return node


def test_status_with_the_server_away(away):
    seen = document(command(away, "status", "--json"), rc=1)
    assert seen["reachable"] is False and seen["server"] == "https://127.0.0.1:1"
    assert len(seen["problems"]) == 1 and "127.0.0.1:1" in seen["problems"][0], seen
    assert "resources" not in seen and "lease" not in seen
    text = says(command(away, "status"), rc=1)
    assert re.search(r"\nAPI server +gives no usable answer\n", text) and "\nproblem: " in text


def test_list_and_check_with_the_server_away(away):
    for argv in (["list"], ["check", "--fix"]):
        fails(command(away, *argv), "ippools", "127.0.0.1:1")


def test_credentials_that_do_not_count(api, node):
    node.configure(api, token="nonsense")
    seen = document(command(node, "status", "--json"), rc=1)
    assert seen["reachable"] is False and len(seen["problems"]) == 1
    assert "401" in seen["problems"][0] and "credentials" in seen["problems"][0]
    for argv in (["list"], ["check"]):
        fails(command(node, *argv), "401")


def test_a_server_of_another_authority(api, node, tmp_path):
    node.configure(api, ca=api.pki.other_ca() if hasattr(api.pki, "other_ca") else _other_ca(tmp_path))
    seen = document(command(node, "status", "--json"), rc=1)
    assert seen["reachable"] is False and "certificate" in seen["problems"][0].lower(), seen


def _other_ca(directory):
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                    "-subj", "/CN=other", "-keyout", directory / "key", "-out", directory / "crt"],
                   check=True, stderr=subprocess.DEVNULL)
    return (directory / "crt").read_bytes()


def test_status_without_any_permission(api, node):
    with allowed(api, "nothing") as token:
        node.configure(api, token=token)
        seen = document(command(node, "status", "--json"), rc=1)
        assert seen["reachable"] is True
        assert sorted(seen["problems"]) == sorted(
            f"the account of the kubeconfig may not {verb} {plural} in namespace {NAMESPACE}"
            for plural, verbs in NEEDED.items() for verb in verbs)
        assert all(yes is False for verbs in permissions(seen).values() for yes in verbs.values())
        assert all("exists" not in r for r in seen["resources"])
        for argv in (["list"], ["check"]):
            fails(command(node, *argv), "403", "lacks a permission", "ippools")


@pytest.mark.parametrize("plural, verb", [(p, v) for p in NEEDED for v in sorted(NEEDED[p])])
def test_status_names_the_permission_that_is_missing(api, node, plural, verb):
    rules = [(GROUPS.get(p, "whereabouts.cni.cncf.io"), p, sorted(verbs - ({verb} if p == plural else set())))
             for p, verbs in NEEDED.items()]
    # A path that counts once they do: the last rule is as late as the others.
    with allowed(api, f"no-{verb}-{plural}"[:50], *rules, ("", "nodes", ["list"])) as token:
        until_allowed(api, token, "/api/v1/nodes")
        node.configure(api, token=token)
        seen = document(command(node, "status", "--json"), rc=1)
    assert seen["problems"] == [f"the account of the kubeconfig may not {verb} {plural} in namespace {NAMESPACE}"]
    assert [(p, v) for p, verbs in permissions(seen).items() if p in NEEDED for v, yes in verbs.items()
            if yes is False and v in NEEDED[p]] == [(plural, verb)]
    assert {r["name"]: r["exists"] for r in seen["resources"] if r["name"] in NEEDED} == dict.fromkeys(NEEDED, True)


def test_without_locking_by_lease_no_permission_for_it_is_needed(api, node):
    rules = [("whereabouts.cni.cncf.io", p, sorted(NEEDED[p])) for p in NEEDED if p != "leases"]
    with allowed(api, "no-leases", *rules, ("", "nodes", ["list"])) as token:
        until_allowed(api, token, "/api/v1/nodes")
        node.configure(api, token=token, locking="optimistic")
        seen = document(command(node, "status", "--json"))
    assert seen["ok"] is True and seen["locking"] == "optimistic"
    assert permissions(seen)["leases"] == dict.fromkeys(("get", "create", "update"), False)


@pytest.mark.parametrize("plural", [POOLS, RESERVATIONS, SLICES])
def test_a_kind_of_objects_that_is_missing(api, node, proxy, plural):
    """As the server answers for a path that it does not know."""
    node.configure(api, server=proxy.url)
    proxy.fault(is_request(part=f"/{plural}"), answer(404, body=b"404 page not found\n"), times=None)
    seen = document(command(node, "status", "--json"), rc=0 if plural == SLICES else 1)
    assert {r["name"]: r["exists"] for r in seen["resources"]}[plural] is False
    if plural == SLICES:
        assert seen["problems"] == []
    else:
        assert seen["problems"] == [f"the API server has no {plural}: are the CRDs of whereabouts installed?"]
        fails(command(node, "list"), "are the CRDs installed?")


def test_a_namespace_that_is_missing(api, node):
    node.configure(api, namespace="nowhere")
    seen = document(command(node, "status", "--json"), rc=1)
    assert seen["problems"] == ["there is no namespace nowhere"]


def test_status_with_a_server_that_fails(api, node, proxy):
    node.configure(api, server=proxy.url)
    proxy.fault(is_request("PATCH"), answer(500), times=None)
    seen = document(command(node, "status", "--json"), rc=1)
    assert [p["verb"] for r in seen["resources"] for p in r["permissions"] if "allowed" not in p] == ["patch"] * 2
    assert len(seen["problems"]) == 2 and all("500" in p for p in seen["problems"])


def test_status_tells_what_is_not_finished(api, node):
    for one in attachments(node, network(range="10.1.2.0/28"), 3):
        one.add()
    node.configure(api, server="https://127.0.0.1:1")
    left = Attachment(network(range="10.1.2.0/28"), node, "p1", "c-p1").call("DEL")
    assert left.rc == 0 and left.err
    record, = (f for f in node.path("/var/lib/cni/whereabouts/att").iterdir()
               if f.suffix != ".release" and json.loads(f.read_text())["containerID"] == "c-p2")
    record.write_text(json.dumps({**json.loads(record.read_text()), "state": "adding"}))
    node.configure(api)

    seen = document(command(node, "status", "--json"))
    assert seen["ok"] is True and seen["records"] == {"count": 3, "unfinished": [
        {"network": "mynet", "containerID": "c-p1", "ifname": "net1", "podRef": "ns1/p1", "state": "held",
         "marked": True, "reason": "its addresses have to be released: a DEL could not finish"},
        {"network": "mynet", "containerID": "c-p2", "ifname": "net1", "podRef": "ns1/p2", "state": "adding",
         "marked": False, "reason": "an ADD is under way, or was killed"}]}
    text = says(command(node, "status"))
    assert re.search(r"\nrecords +3, 2 of them unfinished\n", text)
    assert re.search(r"\nmynet +c-p1 +net1 +ns1/p1 +its addresses have to be released", text)
    assert len(records(node)) == 3  # nothing was worked off


# ---- check ----


def findings(done, rc=1):
    return [{k: v for k, v in f.items() if k not in ("text", "podRef", "containerID", "ifname")}
            for f in document(done, rc)["findings"]]


def test_check_of_what_the_plugins_leave(api, node, peer):
    """Ours and the Go program's objects, of every form of name, are as they should be."""
    configs = [network(range="10.1.2.0/28"), network(range="fd00::/64"),
               network(range="10.1.3.0/28", network_name="net-a"), network(range="fd00:1::/64", network_name="net-a")]
    for i, config in enumerate(configs):
        Attachment(config, node, f"p{i}", f"c{i}").add()
        other = node.call("ADD", config, binary=peer, pod=f"q{i}", id=f"d{i}", ifname="net1")
        assert other.rc == 0, other
    assert says(command(node, "check")) == "0 findings in 4 pools and 8 reservations\n"
    assert document(command(node, "check", "--json")) == {
        "version": 1, "fix": False, "pools": 4, "reservations": 8, "findings": []}
    before = objects(api)
    assert says(command(node, "check", "--fix")) == "0 findings in 4 pools and 8 reservations, 0 repaired\n"
    assert objects(api) == before


@pytest.fixture
def wrong(api, node, pod):
    """A finding of every kind, and beside each what is right."""
    api.create_pool("10.1.0.0/24", {
        "1": entry("right"), "2": entry("bare"), "3": entry("old", ifname=None), "4": entry("differs"),
        "5": entry("twin"), "05": entry("twin2"), "x": entry("key")})
    api.create_reservation("10.1.0.1", "ns1/right", ifname="net1")
    api.create_reservation("10.1.0.3", "ns1/old")
    api.create_reservation("10.1.0.4", "ns1/other", ifname="net1")
    api.create_reservation("10.1.0.5", "ns1/twin", ifname="net1")
    api.create_reservation("10.1.0.8", "ns1/gone", ifname="net1")
    api.create_reservation("10.1.0.9", "ns1/right", ifname="net1")
    api.create_reservation("10.1.0.10", "ns1/alive", ifname="net1")
    pod("alive")
    api.create_pool("10.1.0.0/25", {"1": entry("right2")})
    api.create_pool("10.9.0.0/24", {"1": entry("off")})  # overlap checking is off here
    api._create(POOLS, "IPPool", "odd", NAMESPACE, spec={"range": "10.7.0.0/24", "allocations": {}})
    return node


def finding(kind, pool=None, key=None, address=None, repair="by-hand", reason=None, reservation=None):
    row = {"kind": kind, "pool": pool, "key": key, "address": address, "reservation": reservation,
           "repair": repair, "reason": reason}
    return {k: v for k, v in row.items() if v is not None}


NOT_KNOWN = "which of the two is right is not known"
TWICE = "the address is in use twice"
FOUND = [
    finding("bad-key", "10.1.0.0-24", "x", reason="what it stands for is not known"),
    finding("no-reservation", "10.1.0.0-24", "2", "10.1.0.2", repair="possible"),
    finding("no-ifname", "10.1.0.0-24", "3", "10.1.0.3", reason="nothing is known that could be put in its place"),
    finding("wrong-reservation", "10.1.0.0-24", "4", "10.1.0.4", reason=NOT_KNOWN, reservation="10.1.0.4"),
    finding("no-reservation", "10.1.0.0-24", "05", "10.1.0.5", reason=TWICE),
    finding("duplicate", "10.1.0.0-24", "5", "10.1.0.5", reason=NOT_KNOWN),
    finding("duplicate", "10.1.0.0-25", "1", "10.1.0.1", reason=NOT_KNOWN),
    finding("no-reservation", "10.1.0.0-25", "1", "10.1.0.1", reason=TWICE),
    finding("no-reservation", "10.9.0.0-24", "1", "10.9.0.1",
            reason="no entry of this pool has one: overlap checking may be off for it"),
    finding("bad-pool-name", "odd", reason="nobody but its author knows what was meant"),
    finding("orphan-reservation", reservation="10.1.0.10", reason="its pod exists, and may be using the address"),
    finding("orphan-reservation", reservation="10.1.0.8", repair="possible"),
    finding("orphan-reservation", reservation="10.1.0.9", reason="its pod has another address on that interface"),
]


def test_check_finds_every_kind_and_changes_nothing(api, wrong):
    before = objects(api)
    assert findings(command(wrong, "check", "--json")) == FOUND
    text = says(command(wrong, "check"), rc=1)
    lines = [re.split("  +", line) for line in text.splitlines()]
    assert lines[0] == ["OBJECT", "ADDRESS", "POD", "IFNAME", "FINDING", "REPAIR"]
    assert ["10.1.0.0-24", "10.1.0.2", "ns1/bare", "net1", "no reservation; a fault unless overlap checking is off",
            "--fix creates it"] in lines
    assert ["10.1.0.0-24", "10.1.0.4", "ns1/differs", "net1",
            "its reservation 10.1.0.4 is for ns1/other, interface net1", f"by hand: {NOT_KNOWN}"] in lines
    assert ["10.1.0.0-25", "10.1.0.1", "ns1/right2", "net1", "also in pool 10.1.0.0-24 for ns1/right; a fault "
            "unless overlap checking is off", f"by hand: {NOT_KNOWN}"] in lines
    assert ["10.1.0.8", "ns1/gone", "net1", "no pool has an entry for the reservation", "--fix deletes it"] in lines
    assert text.endswith("\n13 findings in 4 pools and 7 reservations\n")
    assert objects(api) == before


def test_a_finding_names_its_owner(wrong):
    seen = document(command(wrong, "check", "--json"), rc=1)["findings"]
    owners = {(f["kind"], f.get("key") or f.get("reservation")): (f.get("podRef"), f.get("containerID"), f.get("ifname"))
              for f in seen}
    assert owners["no-reservation", "2"] == ("ns1/bare", "c-bare", "net1")
    assert owners["orphan-reservation", "10.1.0.8"] == ("ns1/gone", None, "net1")
    assert owners["no-ifname", "3"] == ("ns1/old", "c-old", None)
    assert all(f["text"] for f in seen)


def test_fix_repairs_what_is_certain(api, wrong):
    before = objects(api)
    done = document(command(wrong, "check", "--fix", "--json"), rc=1)
    assert done["fix"] is True
    assert {(f["kind"], f.get("key") or f["reservation"]): f["repair"] for f in done["findings"]
            if f["repair"] != "by-hand"} == {("no-reservation", "2"): "done", ("orphan-reservation", "10.1.0.8"): "done"}
    after = objects(api)
    assert after["pools"] == before["pools"]
    assert after["reservations"].pop("10.1.0.2") == {"podref": "ns1/bare", "ifname": "net1", "containerid": "c-bare"}
    del before["reservations"]["10.1.0.8"]
    assert after["reservations"] == before["reservations"]
    assert api.lease()["holderIdentity"] == ""
    # What it repaired is gone, what is left is the same.
    left = [f for f in FOUND if f["repair"] == "by-hand"]
    assert findings(command(wrong, "check", "--json")) == left


def test_fix_of_everything_is_success(api, node):
    api.create_pool("10.1.0.0/24", {"1": entry("a"), "2": entry("b")}, "net-a")
    api.create_pool("fd00::/64", {"1": entry("a"), "2": entry("b")}, "net-a")
    for address in ("10.1.0.1", "fd00::1"):
        api.create_reservation(address, "ns1/a", "net-a", ifname="net1")
    for i in range(40):  # more than are done under one Lease
        api.create_reservation(f"10.2.0.{i}", f"ns1/gone{i}", ifname="net1")
    done = command(node, "check", "--fix")
    text = says(done)
    assert text.count(" created\n") == 2 and text.count(" deleted\n") == 40
    assert text.endswith("\n42 findings in 2 pools and 42 reservations, 42 repaired\n")
    assert sorted(api.reservations()) == ["net-a-10.1.0.1", "net-a-10.1.0.2", "net-a-fd00--1", "net-a-fd00--2"]
    assert says(command(node, "check")) == "0 findings in 2 pools and 4 reservations\n"


def test_fix_writes_under_the_lease_and_with_tests(api, node, proxy):
    node.configure(api, server=proxy.url)
    api.create_pool("10.1.0.0/24", {"1": entry("a"), "2": entry("b")})
    api.create_reservation("10.1.0.1", "ns1/a", ifname="net1")
    meta = api.create_reservation("10.1.0.9", "ns1/gone")["metadata"]
    says(command(node, "check", "--fix"))
    seen = [r for r in proxy.requests if r.method in CHANGES or "/leases" in r.path]
    writes = [r for r in seen if r.method in CHANGES and "/leases" not in r.path]
    assert sorted((r.method, r.path.rsplit("/", 1)[1]) for r in writes) == [
        ("DELETE", "10.1.0.9"), ("POST", RESERVATIONS)]
    holders = [r.json()["spec"]["holderIdentity"] for r in seen if r.method in CHANGES and "/leases" in r.path]
    first, last = seen.index(writes[0]), seen.index(writes[1])
    assert holders[0].startswith("cni-ipam/") and holders[-1] == ""
    assert all("/leases" in r.path and r.method in CHANGES for r in (seen[first - 1], seen[last + 1]))
    assert next(r for r in writes if r.method == "DELETE").json()["preconditions"] == {
        "uid": meta["uid"], "resourceVersion": meta["resourceVersion"]}
    # The last look, under the Lease, is of the store and not of the server's cache.
    looks = [r for r in proxy.requests if r.method == "GET" and r.path.split("?")[0].endswith((POOLS, RESERVATIONS))]
    assert len(looks) == 6 and not any("resourceVersion=0" in r.path for r in looks[4:])


def test_what_comes_between_the_looks_is_no_finding(api, node, proxy):
    """An ADD of ours makes the reservation first: a look may fall in between."""
    node.configure(api, server=proxy.url)
    api.create_pool("10.1.0.0/24", {"1": entry("a")})
    api.create_reservation("10.1.0.1", "ns1/a", ifname="net1")
    api.create_reservation("10.1.0.2", "ns1/b", ifname="net1")
    process = subprocess.Popen([*node.wrap, WHEREABOUTS, "check", "--fix"], stdin=subprocess.DEVNULL,
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    # Both lists are answered: it sleeps.
    harness.eventually(lambda: sum(r.end is not None for r in proxy.requests) == 2, "the first look")
    api.patch(api.path(POOLS, "10.1.0.0-24"), [{"op": "add", "path": "/spec/allocations/2", "value": entry("b")}])
    done = harness.finish(process)
    assert says(done) == "0 findings in 1 pool and 2 reservations, 0 repaired\n"
    assert sorted(api.reservations()) == ["10.1.0.1", "10.1.0.2"]


@pytest.mark.parametrize("change", ["owner", "entry"])
def test_what_changed_before_the_repair_stays(api, node, proxy, change):
    """Between the looks and the deletion another one takes the reservation over, or its entry comes."""
    node.configure(api, server=proxy.url)
    api.create_pool("10.1.0.0/24")
    api.create_reservation("10.1.0.2", "ns1/b", ifname="net1")

    def act(exchange):
        if change == "owner":
            api.patch(api.path(RESERVATIONS, "10.1.0.2"),
                      [{"op": "add", "path": "/spec/containerid", "value": "c-b"}])
        else:
            api.patch(api.path(POOLS, "10.1.0.0-24"),
                      [{"op": "add", "path": "/spec/allocations/2", "value": entry("b")}])
        return exchange.forward()

    proxy.fault(is_request("DELETE") if change == "owner" else is_request("POST", "/leases"), act)
    seen = findings(command(node, "check", "--fix", "--json"), rc=0)
    assert proxy.unused == 0
    assert [(f["kind"], f["repair"]) for f in seen] == [("orphan-reservation", "gone")]
    assert list(api.reservations()) == ["10.1.0.2"]


def test_fix_waits_for_the_lease_of_a_slice(api, node, proxy):
    """The addresses of a node's slice are given under the Lease of its pool."""
    node.configure(api, server=proxy.url)
    api.create_pool("10.1.0.0/24", {"1": entry("a"), "2": entry("b")}, "net-a", "node7")
    api.create_reservation("10.1.0.1", "ns1/a", "net-a", ifname="net1")
    api.create_reservation("10.1.0.9", "ns1/gone", "net-a", ifname="net1")
    api.create_reservation("10.2.0.9", "ns1/gone2", "net-a", ifname="net1")
    api.post(api.path("leases"), {"metadata": {"name": "net-a-node7-10.1.0.0-24"}, "spec": {
        "holderIdentity": "", "leaseDurationSeconds": 1}})
    says(command(node, "check", "--fix"))
    assert sorted(api.reservations()) == ["net-a-10.1.0.1", "net-a-10.1.0.2"]
    lease, under = None, {}
    for r in proxy.requests:
        if r.method in ("PUT", "POST") and "/leases" in r.path:
            body = r.json()
            lease = body["metadata"]["name"] if body["spec"]["holderIdentity"] else None
        elif r.method == "DELETE":
            under[r.path.rsplit("/", 1)[1]] = lease
        elif r.method == "POST":
            under[r.json()["metadata"]["name"]] = lease
    assert under == {"net-a-10.1.0.2": "net-a-node7-10.1.0.0-24", "net-a-10.1.0.9": "net-a-node7-10.1.0.0-24",
                     "net-a-10.2.0.9": "whereabouts"}


def test_fix_without_the_permission(api, node):
    api.create_pool("10.1.0.0/24")
    api.create_reservation("10.1.0.2", "ns1/gone", ifname="net1")
    rules = [("whereabouts.cni.cncf.io", p, ["get", "list"]) for p in (POOLS, RESERVATIONS)]
    rules += [("coordination.k8s.io", "leases", ["*"]), ("", "pods", ["get"])]
    with allowed(api, "reader", *rules, ("", "nodes", ["list"])) as token:
        until_allowed(api, token, "/api/v1/nodes")
        node.configure(api, token=token)
        seen = findings(command(node, "check", "--fix", "--json"))
    assert [(f["kind"], f["repair"]) for f in seen] == [("orphan-reservation", "failed")]
    assert "403" in seen[0]["reason"] and "delete" in seen[0]["reason"]
    assert list(api.reservations()) == ["10.1.0.2"]


def test_fix_without_a_look_at_pods(api, node):
    """Whoever cannot see whether the pod is gone deletes nothing."""
    api.create_pool("10.1.0.0/24")
    api.create_reservation("10.1.0.2", "ns1/gone", ifname="net1")
    rules = [("whereabouts.cni.cncf.io", p, ["*"]) for p in (POOLS, RESERVATIONS)]
    with allowed(api, "blind", *rules, ("coordination.k8s.io", "leases", ["*"]), ("", "nodes", ["list"])) as token:
        until_allowed(api, token, "/api/v1/nodes")
        node.configure(api, token=token)
        seen = findings(command(node, "check", "--fix", "--json"))
    assert seen == [finding("orphan-reservation", reservation="10.1.0.2",
                            reason="whether its pod exists cannot be seen")]
    assert list(api.reservations()) == ["10.1.0.2"]


def test_fix_beside_adds_and_dels_takes_nothing_from_anybody(api, nodes):
    """While pods come and go, nothing of theirs is repaired."""
    first, second = nodes(2)
    config = network(range="10.1.0.0/24")
    done = threading.Event()
    failures = []

    def churn(node, prefix):
        i = 0
        while not done.is_set():
            one = Attachment(config, node, f"{prefix}{i}", f"c-{prefix}{i}")
            try:
                one.add()
                one.delete()
            except AssertionError as error:
                failures.append(error)
                return
            i += 1

    threads = [threading.Thread(target=churn, args=(n, p)) for n, p in ((first, "a"), (second, "b"))]
    for thread in threads:
        thread.start()
    try:
        for _ in range(2 if not harness.FULL else 20):
            assert findings(command(first, "check", "--fix", "--json"), rc=0) == []
    finally:
        done.set()
        for thread in threads:
            thread.join()
    assert not failures
    assert objects(api) == {"pools": {"10.1.0.0-24": {}}, "reservations": {}}


# ---- files that are named ----


def test_files_of_the_command_line(api, node):
    other = "/etc/cni/elsewhere"
    api.create_pool("10.1.0.0/24", namespace="default")
    api.kubeconfig(node.path("/etc/cni").joinpath("other.kubeconfig"), namespace="default")
    node.write(f"{other}/whereabouts.conf", json.dumps({"kubernetes": {"kubeconfig": "/etc/cni/other.kubeconfig"}}))
    for argv in (["--conf", f"{other}/whereabouts.conf"], ["--conf", other],
                 ["--kubeconfig", "/etc/cni/other.kubeconfig"]):
        assert "10.1.0.0-24" in says(command(node, "list", *argv))
        assert says(command(node, "check", *argv)).endswith(" in 1 pool and 0 reservations\n")
        assert document(command(node, "status", "--json", *argv))["namespace"] == "default"
    assert says(command(node, "list")) == "no pools\n"


def test_a_kubeconfig_is_enough(api):
    with Node("bare") as node:
        api.kubeconfig(node.path("/etc/cni").joinpath("some.kubeconfig"))
        assert says(command(node, "list", "--kubeconfig", "/etc/cni/some.kubeconfig")) == "no pools\n"
        seen = document(command(node, "status", "--json", "--kubeconfig", "/etc/cni/some.kubeconfig"))
        assert seen["kubeconfig"] == "/etc/cni/some.kubeconfig" and "flatFile" not in seen
        fails(command(node, "list", "--conf", "/etc/cni/nothing", "--kubeconfig", "/etc/cni/some.kubeconfig"),
              "config file not found")


def test_a_file_outside_of_the_roots_is_refused_also_there(api, node, tmp_path):
    api.kubeconfig(tmp_path / "kubeconfig")
    fails(command(node, "list", "--kubeconfig", tmp_path / "kubeconfig"), str(tmp_path / "kubeconfig"))
    (tmp_path / "whereabouts.conf").write_text(json.dumps({"kubernetes": {"kubeconfig": node.kubeconfig}}))
    fails(command(node, "list", "--conf", tmp_path / "whereabouts.conf"), str(tmp_path / "whereabouts.conf"))
    fails(command(node, "list", "--conf", "whereabouts.conf"), "whereabouts.conf")
    node.write("/etc/cni-ipam.conf", f"root = {tmp_path}\n", 0o644)
    if all(os.stat(p).st_mode & 0o1022 in (0, 0o1022) for p in tmp_path.parents):
        assert says(command(node, "list", "--kubeconfig", tmp_path / "kubeconfig")) == "no pools\n"


# ---- usage ----


@pytest.mark.parametrize("argv", [
    ["frobnicate"], ["LIST"], ["list", "--fix"], ["list", "--frobnicate"], ["list", "--conf"], ["list", "--json=1"],
    ["list", "-"], ["status", "pool"], ["status", "--fix"], ["status", "--kubeconfig"], ["check", "pool"],
    ["check", "--dry-run"], ["check", "--fi"]], ids=" ".join)
def test_wrong_usage_exits_with_2(argv):
    done = harness.run([WHEREABOUTS, *argv])
    assert (done.rc, done.out) == (2, b"") and done.err.startswith(b"whereabouts")


@pytest.mark.parametrize("argv", [["--help"], ["list", "--help"], ["check", "--fix", "--help"]], ids=" ".join)
def test_help(argv):
    text = says(harness.run([WHEREABOUTS, *argv]))
    for line in ("list [--json] [--conf FILE] [--kubeconfig FILE] [POOL...]",
                 "status [--json] [--conf FILE] [--kubeconfig FILE]",
                 "check [--fix] [--json] [--conf FILE] [--kubeconfig FILE]"):
        assert f"  whereabouts {line}\n" in text


@pytest.mark.parametrize("argv", [["list"], ["status"], ["check"]], ids=" ".join)
def test_output_that_cannot_be_written_is_a_failure(node, argv):
    done = harness.run([*node.wrap, "sh", "-c", 'exec "$@" >/dev/full', "sh", WHEREABOUTS, *argv])
    assert done.rc == 1 and b"no space left on device" in done.err


def test_the_verb_wins_over_arguments(node):
    done = command(node, "list", env={"PATH": harness.PATH, "CNI_COMMAND": "VERSION"})
    assert done.rc == 0 and done.out.startswith(b'{"cniVersion":')
