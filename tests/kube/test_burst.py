# SPDX-License-Identifier: Apache-2.0
"""Many calls at once: all get what they ask for, whatever becomes of one of them."""

import contextlib
import os
import signal
import subprocess
import threading
import time

import pytest

import crowd
import harness
from apiserver import POOLS, RESERVATIONS, ApiError, ApiServer
from crowd import Pod, at_once, gone, held, held_by, network, succeeded, until_asked
from node import CONF_DIR, Node, pod_args
from proxy import Proxy, delay, is_request

CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
GROUP = "whereabouts.cni.cncf.io"


LEASE = is_request("GET", "/leases/whereabouts")
PATCH = is_request("PATCH", "/ippools/")


@contextlib.contextmanager
def led(proxy, node, leader, verb="ADD"):
    """The leader has not collected anybody yet: whoever comes now is in its batch. Yields its process."""
    with held(proxy, LEASE):
        process = leader.start(verb)
        until_asked(proxy, LEASE)
        yield process


@pytest.fixture
def through(nodes, proxy):
    """A node that calls through the proxy."""
    return nodes(1, server=proxy.url)[0]


# ---- as many as there are ----


def test_a_hundred_on_one_node(api, proxy, through):
    pods = [Pod(through, f"p{i}", network(range="10.0.0.0/16")) for i in range(100)]
    addresses = succeeded(at_once("ADD", pods))
    assert sorted(addresses) == sorted(held_by(api, pods).values())
    assert sorted(addresses) == sorted(f"10.0.0.{i}" for i in range(1, 101))  # the lowest ones, no gap
    assert sum(map(PATCH, proxy.requests)) < 50, "they were not brought together"
    assert set(crowd.records(through)) == {p.id for p in pods}
    proxy.reset()
    gone(at_once("DEL", pods))
    crowd.empty(api)
    crowd.no_records(through)
    assert sum(map(PATCH, proxy.requests)) < 50, "they were not brought together"
    assert api.lease()["holderIdentity"] == ""


def test_ten_on_each_of_ten_nodes(api, nodes):
    pods = [Pod(node, f"p{i}-{node.name}", network(range="10.0.0.0/24")) for node in nodes(10) for i in range(10)]
    assert sorted(succeeded(at_once("ADD", pods))) == sorted(held_by(api, pods).values())
    gone(at_once("DEL", pods))
    crowd.empty(api)
    crowd.no_records(*{p.node for p in pods})


def test_ten_nodes_without_lease_and_overlap(api, nodes):
    """Only the resource version is between them: nobody may lose what another gets."""
    config = network(range="10.0.0.0/24", enable_overlapping_ranges=False)
    pods = [Pod(node, f"p{i}-{node.name}", config) for node in nodes(10) for i in range(5)]
    addresses = succeeded(at_once("ADD", pods))
    assert len(set(addresses)) == 50
    have = crowd.entries(api)
    assert {e["id"]: a for (_, a), e in have.items()} == {p.id: a for p, a in zip(pods, addresses)}
    assert api.reservations() == {} and api.lease() is None
    gone(at_once("DEL", pods))
    assert crowd.entries(api) == {}


def test_optimistic_nodes_on_overlapping_ranges(api, nodes):
    """Without the Lease the reservation alone decides who has an address."""
    both = [network("a", range="10.0.0.0/24"), network("b", range="10.0.0.0/25")]
    pods = [Pod(node, f"p{i}-{node.name}", both[i % 2], id=f"c{i}-{node.name}")
            for node in nodes(6, locking="optimistic") for i in range(6)]
    assert sorted(succeeded(at_once("ADD", pods))) == sorted(held_by(api, pods).values())
    assert api.lease() is None
    gone(at_once("DEL", pods))
    crowd.empty(api)


def test_adds_and_dels_of_others_at_once(api, nodes):
    three = nodes(3)
    old = [Pod(node, f"old{i}-{node.name}", network(range="10.0.0.0/24")) for node in three for i in range(10)]
    new = [Pod(node, f"new{i}-{node.name}", network(range="10.0.0.0/24")) for node in three for i in range(10)]
    succeeded(at_once("ADD", old))
    adds = [pod.start("ADD") for pod in new]
    dels = [pod.start("DEL") for pod in old]
    addresses = succeeded([harness.finish(p, 150) for p in adds])
    gone([harness.finish(p, 150) for p in dels])
    assert sorted(addresses) == sorted(held_by(api, new).values())
    gone(at_once("DEL", new))
    crowd.empty(api)
    crowd.no_records(*three)


def test_all_interfaces_of_one_pod(api, node):
    pods = [Pod(node, "pod1", network(range="10.0.0.0/24"), ifname=f"net{i}", id="c1") for i in range(8)]
    addresses = succeeded(at_once("ADD", pods))
    assert len(set(addresses)) == 8
    assert {e["ifname"]: a for (_, a), e in crowd.consistent(api).items()} == dict(
        zip((p.ifname for p in pods), addresses))
    gone(at_once("DEL", pods))
    crowd.empty(api)


def test_one_attachment_added_many_times_at_once(api, node):
    pod = Pod(node, "pod1", network(range="10.0.0.0/24"))
    outcomes = at_once("ADD", [pod] * 10)
    assert set(succeeded(outcomes)) == {"10.0.0.1"}
    held_by(api, [pod])
    gone(at_once("DEL", [pod] * 10))
    crowd.empty(api)
    crowd.no_records(node)


def test_two_sandboxes_of_one_pod_at_once(api, proxy, through):
    """As one after the other: the later one inherits the address."""
    config = network(range="10.0.0.0/24")
    leader = Pod(through, "leader", config)
    first, second = (Pod(through, "pod", config, id=id) for id in ("c1", "c2"))
    with led(proxy, through, leader) as process:
        adds = [first.start("ADD")]
        crowd.until_waiting(through, 1)
        adds.append(second.start("ADD"))
        crowd.until_waiting(through, 2)
    addresses = succeeded([harness.finish(p) for p in (process, *adds)])
    assert len(set(addresses)) == 2
    held_by(api, [leader, second])
    gone([first.call("DEL")])
    held_by(api, [leader, second])
    gone([second.call("DEL"), leader.call("DEL")])
    crowd.empty(api)
    crowd.no_records(through)


def test_two_clusters_of_one_node_at_once(api, node):
    """Two kubeconfigs, two namespaces: two groups, and neither touches the other's objects."""
    with contextlib.suppress(ApiError):
        api.create_namespace("elsewhere")
    other = f"{CONF_DIR}/other.kubeconfig"
    api.kubeconfig(node.path(other), namespace="elsewhere")
    here = [Pod(node, f"here{i}", network("one", range="10.0.0.0/24")) for i in range(20)]
    there = [Pod(node, f"there{i}", network("two", range="10.0.0.0/24", kubernetes={"kubeconfig": other}))
             for i in range(20)]
    mixed = [pod for pair in zip(here, there) for pod in pair]
    addresses = succeeded(at_once("ADD", mixed))
    assert sorted(addresses[::2]) == sorted(held_by(api, here).values())
    assert sorted(addresses[1::2]) == sorted(held_by(api, there, "elsewhere").values())
    assert len(os.listdir(node.path(crowd.GROUPS))) == 2
    gone(at_once("DEL", mixed))
    crowd.empty(api)
    crowd.empty(api, "elsewhere")
    crowd.no_records(node)


@pytest.mark.parametrize("spread", [1, 4] if harness.FULL else [1])
def test_twenty_on_a_pool_of_four_thousand(api, nodes, spread):
    full = {str(i): {"id": f"old{i}", "podref": f"ns/old{i}", "ifname": "net1"} for i in range(1, 4001)}
    api.create_pool("10.0.0.0/19", full)
    machines = nodes(spread)
    pods = [Pod(machines[i % spread], f"p{i}", network(range="10.0.0.0/19")) for i in range(20)]
    addresses = succeeded(at_once("ADD", pods))
    now = api.pool("10.0.0.0-19")
    assert {k: now.pop(k) for k in full} == full
    assert {e["id"] for e in now.values()} == {p.id for p in pods} and len(now) == 20
    assert len(set(addresses)) == 20 and len(api.reservations()) == 20
    gone(at_once("DEL", pods))
    assert api.pool("10.0.0.0-19") == full and api.reservations() == {}


EXHAUSTED = "error at storage engine: Could not allocate IP in range: ip: 10.0.0.1 / - 10.0.0.50 / range: 10.0.0.0/24"


@pytest.mark.parametrize("spread", [1, 4])
def test_a_range_that_is_too_small_for_all(api, nodes, spread):
    machines = nodes(spread)
    config = network(range="10.0.0.0/24", range_start="10.0.0.1", range_end="10.0.0.50")
    pods = [Pod(machines[i % spread], f"p{i}", config) for i in range(80)]
    begin = time.monotonic()
    outcomes = at_once("ADD", pods)
    assert time.monotonic() - begin < 40, "who finds no address is told at once"
    have = [p for p, o in zip(pods, outcomes) if o.rc == 0]
    lost = [(p, o) for p, o in zip(pods, outcomes) if o.rc != 0]
    assert len(have) == 50
    assert sorted(a for o in outcomes if o.rc == 0 for a in o.addresses) == sorted(held_by(api, have).values())
    assert {(o.code, o.msg.split(" / exclude")[0]) for _, o in lost} == {(999, EXHAUSTED)}
    for machine in machines:
        assert set(crowd.records(machine)) == {p.id for p in have if p.node is machine}
    gone(at_once("DEL", pods))  # a runtime sends one after a failed ADD, too
    crowd.empty(api)
    crowd.no_records(*machines)


def test_two_ranges_of_which_the_second_is_full(api, node):
    """Nobody keeps an address of the first range."""
    config = network(ipRanges=[{"range": "10.0.0.0/24"}, {"range": "10.1.0.0/29"}])
    pods = [Pod(node, f"p{i}", config) for i in range(20)]
    outcomes = at_once("ADD", pods)
    have = [p for p, o in zip(pods, outcomes) if o.rc == 0]
    assert len(have) == 6
    found = crowd.entries(api)
    assert len(found) == 12 and {e["id"] for e in found.values()} == {p.id for p in have}
    assert len(api.reservations()) == 12
    assert set(crowd.records(node)) == {p.id for p in have}
    gone(at_once("DEL", pods))
    crowd.empty(api)


# ---- one that cannot be served ----


@pytest.fixture(scope="module")
def strict(tmp_path_factory):
    """A server that takes no podref of a pod named poison: in a pool, or (namespace poison) nowhere."""

    def pattern(api, plural, *path):
        crd = api.get(f"{CRDS}/{plural}.{GROUP}")
        version = crd["spec"]["versions"][0]
        schema = version["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"]
        for step in path:
            schema = schema[step]
        bad = "ns1/poison" if plural == POOLS else "poison/"
        schema["podref"]["x-kubernetes-validations"] = [
            {"rule": f"!self.startsWith('{bad}')", "message": "that is poison"}]
        schema["podref"]["maxLength"] = 600
        api.put(f"{CRDS}/{plural}.{GROUP}", crd)

    with ApiServer(tmp_path_factory.mktemp("strict")) as api:
        pattern(api, POOLS, "allocations", "additionalProperties", "properties")
        pattern(api, RESERVATIONS)
        yield api


@pytest.fixture
def guarded(strict):
    """The same, empty, once it is as strict as it should be."""

    def refuses(create, podref):
        try:
            create(podref)
        except ApiError as error:
            return error.status == 422
        strict.clear()
        return False

    def pool(podref):
        strict.create_pool("10.9.9.0/24", {"1": {"id": "x", "podref": podref}})

    def reservation(podref):
        strict.create_reservation("10.9.9.1", podref)

    harness.eventually(lambda: refuses(pool, "ns1/poison"), "422 of a pool")
    harness.eventually(lambda: refuses(reservation, "poison/x"), "422 of a reservation")
    strict.clear()
    return strict


def one_is_poisoned(api, node, leader, good, bad, during):
    """The bad ones fail, all others get their address, and nothing of the bad is left."""
    with during as process:
        others = [pod.start("ADD") for pod in good]
        poisoned = [pod.start("ADD") for pod in bad]
        crowd.until_waiting(node, len(good) + len(bad))
    addresses = succeeded([harness.finish(p, 60) for p in (process, *others)])
    refused = [harness.finish(p, 60) for p in poisoned]
    assert sorted(addresses) == sorted(held_by(api, [leader, *good]).values())
    assert set(crowd.records(node)) == {p.id for p in (leader, *good)}
    return refused


@pytest.fixture
def guarded_node(guarded):
    with Proxy(guarded) as proxy, Node("guarded") as node:
        node.configure(guarded, server=proxy.url)
        yield proxy, node


@pytest.mark.parametrize("podref", [("poison", "ns1"), ("pod", "poison")], ids=["by the pool", "by the reservation"])
@pytest.mark.parametrize("count", [1, 3])
def test_a_podref_that_the_server_refuses(guarded, guarded_node, podref, count):
    proxy, node = guarded_node
    config = network(range="10.0.0.0/24")
    leader = Pod(node, "leader", config)
    good = [Pod(node, f"good{i}", config) for i in range(12)]
    bad = [Pod(node, f"{podref[0]}{i}", config, namespace=podref[1]) for i in range(count)]
    refused = one_is_poisoned(guarded, node, leader, good, bad, led(proxy, node, leader))
    for outcome in refused:
        assert outcome.rc == 1 and outcome.code == 999, outcome
        assert "answers 422" in outcome.msg and "that is poison" in outcome.msg + outcome.details, outcome
    gone(at_once("DEL", [leader, *good, *bad]))
    crowd.empty(guarded)
    crowd.no_records(node)


def test_the_leader_itself_is_the_one_that_is_refused(guarded, guarded_node):
    proxy, node = guarded_node
    config = network(range="10.0.0.0/24")
    leader = Pod(node, "poison", config)
    good = [Pod(node, f"good{i}", config) for i in range(5)]
    with led(proxy, node, leader) as process:
        others = [pod.start("ADD") for pod in good]
        crowd.until_waiting(node, len(good))
    assert "that is poison" in harness.finish(process).msg
    assert sorted(succeeded([harness.finish(p) for p in others])) == sorted(held_by(guarded, good).values())


@pytest.mark.parametrize("bad", [
    network("bad", range="10.3.0.0/24", range_start="10.3.0.9", range_end="10.3.0.9", exclude=["10.3.0.9/32"]),
    network("bad", range="10.3.0.1/32"),
    network("bad", range="10.0.0.0/24", network_name="n" * 250),
    network("bad", range="10.0.0.0/24", network_name="Upper_Case"),
    network("bad", range="10.0.0.0/24", exclude=["nonsense"]),
    network("bad", ipRanges=[{"range": "10.0.0.0/24"}, {"range": "10.3.0.0/30", "exclude": ["10.3.0.0/30"]}]),
], ids=["excluded", "one address", "long name", "bad name", "bad exclude", "second range"])
def test_a_network_that_cannot_be_served(api, proxy, through, bad):
    config = network(range="10.0.0.0/24")
    leader = Pod(through, "leader", config)
    good = [Pod(through, f"good{i}", config) for i in range(6)]
    with led(proxy, through, leader) as process:
        others = [pod.start("ADD") for pod in good]
        poisoned = Pod(through, "bad", bad).start("ADD")
        crowd.until_waiting(through, len(good))
    addresses = succeeded([harness.finish(p) for p in (process, *others)])
    refused = harness.finish(poisoned)
    assert refused.rc == 1 and refused.code == 999 and refused.msg, refused
    assert sorted(addresses) == sorted(held_by(api, [leader, *good]).values())
    gone(at_once("DEL", [leader, *good]))
    crowd.empty(api)
    crowd.no_records(through)


# ---- the same attachment ----


def test_an_add_and_a_del_in_one_batch(api, proxy, through):
    config = network(range="10.0.0.0/24")
    leader, pod = Pod(through, "leader", config), Pod(through, "pod", config)
    with led(proxy, through, leader) as process:
        add, delete = pod.start("ADD"), pod.start("DEL")
        crowd.until_waiting(through, 2)
    succeeded([harness.finish(process)])
    gone([harness.finish(delete)])
    lost = harness.finish(add)
    assert (lost.rc, lost.code) == (1, 11) and "a DEL of the same attachment came meanwhile" in lost.msg, lost
    held_by(api, [leader])
    assert set(crowd.records(through)) == {leader.id}


def test_a_del_in_the_batch_of_its_own_leading_add(api, proxy, through):
    pod = Pod(through, "pod", network(range="10.0.0.0/24"))
    with led(proxy, through, pod) as add:
        delete = pod.start("DEL")
        crowd.until_waiting(through, 1)
    gone([harness.finish(delete)])
    lost = harness.finish(add)
    assert (lost.rc, lost.code) == (1, 11), lost
    crowd.empty(api)
    crowd.no_records(through)


@pytest.mark.parametrize("when", [is_request("POST", "/ippools"), is_request("POST", "/overlapping"), PATCH],
                         ids=["pool", "reservation", "entry"])
def test_a_del_for_an_add_that_is_under_way(api, proxy, through, when):
    """It comes after the batch has begun: ADD may still succeed, but nothing is left in the end."""
    pod = Pod(through, "pod", network(range="10.0.0.0/24"))
    with held(proxy, when):
        add = pod.start("ADD")
        until_asked(proxy, when)
        delete = pod.start("DEL")
        crowd.until_waiting(through, 1)
    harness.finish(add)
    gone([harness.finish(delete)])
    crowd.empty(api)
    crowd.no_records(through)


def test_an_add_after_a_del_that_is_under_way(api, proxy, through):
    pod = Pod(through, "pod", network(range="10.0.0.0/24"))
    succeeded([pod.call("ADD")])
    with held(proxy, PATCH):
        delete = pod.start("DEL")
        until_asked(proxy, PATCH, 2)
        add = pod.start("ADD")
        crowd.until_waiting(through, 1)
    gone([harness.finish(delete)])
    assert succeeded([harness.finish(add)]) == ["10.0.0.1"]
    held_by(api, [pod])
    assert crowd.records(through) == {pod.id: "held"}


# ---- callers that go ----


@pytest.mark.parametrize("when", [LEASE, is_request("POST", "/overlapping"), PATCH],
                         ids=["before it is chosen", "while it is reserved", "while it is entered"])
def test_a_caller_that_is_killed_while_it_waits(api, proxy, through, when):
    config = network(range="10.0.0.0/24")
    api.create_pool("10.0.0.0/24")
    leader, pod = Pod(through, "leader", config), Pod(through, "pod", config)
    with held(proxy, when):
        with led(proxy, through, leader) if when is not LEASE else contextlib.nullcontext() as process:
            process = process or leader.start("ADD")
            until_asked(proxy, LEASE)
            waits = pod.start("ADD")
            crowd.until_waiting(through, 1)
        until_asked(proxy, when)
        waits.kill()
        harness.finish(waits)
    succeeded([harness.finish(process)])
    held_by(api, [leader])
    assert set(crowd.records(through)) == {leader.id}


def test_all_callers_are_killed_while_they_wait(api, proxy, through):
    config = network(range="10.0.0.0/24")
    leader, pods = Pod(through, "leader", config), [Pod(through, f"p{i}", config) for i in range(20)]
    with held(proxy, PATCH):
        with led(proxy, through, leader) as process:
            waiting = [p.start("ADD") for p in pods]
            crowd.until_waiting(through, 20)
        until_asked(proxy, PATCH)
        for one in waiting:
            one.kill()
            harness.finish(one)
    succeeded([harness.finish(process)])
    held_by(api, [leader])
    assert set(crowd.records(through)) == {leader.id}


@pytest.mark.parametrize("when", [LEASE, is_request("POST", "/overlapping"), PATCH],
                         ids=["before anything", "reserving", "entering"])
@pytest.mark.parametrize("done", [False, True], ids=["not sent", "done"])
def test_a_leader_that_is_killed(api, proxy, through, when, done):
    """Those who wait for it elect another; what it had begun goes with its DEL."""
    config = network(range="10.0.0.0/24")
    api.create_pool("10.0.0.0/24")
    leader, pods = Pod(through, "leader", config), [Pod(through, f"p{i}", config) for i in range(10)]
    let_go = threading.Event()
    with contextlib.ExitStack() as stack:
        stack.callback(let_go.set)
        proxy.fault(when, delay(let_go, done))
        with led(proxy, through, leader) if when is not LEASE else contextlib.nullcontext() as process:
            process = process or leader.start("ADD")
            until_asked(proxy, LEASE)
            waiting = [p.start("ADD") for p in pods]
            crowd.until_waiting(through, 10)
        until_asked(proxy, when)
        if done:
            harness.eventually(lambda: any(when(r) and r.forwarded for r in proxy.requests), "it is done")
        process.kill()
        harness.finish(process)
        begin = time.monotonic()
        addresses = succeeded([harness.finish(p) for p in waiting])
        assert time.monotonic() - begin < 30
    assert len(set(addresses)) == 10
    gone([leader.call("DEL")])
    assert sorted(addresses) == sorted(held_by(api, pods).values())
    left = set(crowd.records(through))
    assert left - {leader.id} == {p.id for p in pods}  # the leader's waits for what may still come
    gone(at_once("DEL", pods))
    crowd.empty(api)


# Runs the rest of its arguments with a standard output that nobody reads.
VOID = """
import os, sys
reading, writing = os.pipe()
os.dup2(writing, 1)
os.close(reading)
os.close(writing)
os.execv(sys.argv[1], sys.argv[1:])
"""


def into_the_void(pod):
    """An ADD whose result nobody can read."""
    return harness.start(
        "ADD", pod.config, binary=harness.WHEREABOUTS, id=pod.id, ifname=pod.ifname, args=pod_args(pod.name),
        wrap=(*pod.node.wrap, "/usr/bin/python3", "-I", "-S", "-c", VOID))


def test_a_leading_add_that_cannot_say_its_result(api, node):
    pod = Pod(node, "pod", network(range="10.0.0.0/24"))
    assert harness.finish(into_the_void(pod)).rc == 1
    crowd.empty(api)
    crowd.no_records(node)


def test_a_waiting_add_that_cannot_say_its_result(api, proxy, through):
    config = network(range="10.0.0.0/24")
    leader, pod = Pod(through, "leader", config), Pod(through, "pod", config)
    with led(proxy, through, leader) as process:
        waits = into_the_void(pod)
        crowd.until_waiting(through, 1)
    succeeded([harness.finish(process)])
    assert harness.finish(waits).rc == 1
    held_by(api, [leader])
    assert set(crowd.records(through)) == {leader.id}


@contextlib.contextmanager
def stopped(process):
    process.send_signal(signal.SIGSTOP)
    try:
        with open(f"/proc/{process.pid}/stat", encoding="ascii") as stat:
            def stands():
                stat.seek(0)
                return stat.read().rsplit(")", 1)[1].split()[0] == "T"
            harness.eventually(stands, "it is stopped")
        yield
    finally:
        process.send_signal(signal.SIGCONT)


def test_a_caller_that_is_stopped_stops_nobody(api, proxy, through):
    config = network(range="10.0.0.0/24")
    leader, pod, other = (Pod(through, name, config) for name in ("leader", "pod", "other"))
    with contextlib.ExitStack() as stack:
        with led(proxy, through, leader) as process:
            waits = pod.start("ADD")
            crowd.until_waiting(through, 1)
            stack.enter_context(stopped(waits))
        begin = time.monotonic()
        mine = succeeded([harness.finish(process)])
        theirs = succeeded([other.call("ADD")])
        assert time.monotonic() - begin < 4, "one that does not answer costs about a second"
        held_by(api, [leader, other])
        assert set(crowd.records(through)) == {leader.id, other.id}
    own = succeeded([harness.finish(waits)])
    assert held_by(api, [leader, other, pod]) == {leader.id: mine[0], other.id: theirs[0], pod.id: own[0]}


def test_many_callers_that_are_stopped(api, proxy, through):
    """The wait for those who do not answer is one for all of them."""
    config = network(range="10.0.0.0/24")
    leader, pods = Pod(through, "leader", config), [Pod(through, f"p{i}", config) for i in range(10)]
    with contextlib.ExitStack() as stack:
        with led(proxy, through, leader) as process:
            waiting = [p.start("ADD") for p in pods]
            crowd.until_waiting(through, 10)
            for one in waiting:
                stack.enter_context(stopped(one))
        begin = time.monotonic()
        succeeded([harness.finish(process)])
        assert time.monotonic() - begin < 4
        held_by(api, [leader])
    addresses = succeeded([harness.finish(p) for p in waiting])
    assert len(set(addresses)) == 10
    held_by(api, [leader, *pods])


SILENT = """
import socket, sys
socks = []
for _ in range(20):
    s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    s.connect(sys.argv[1])
    if len(sys.argv) > 2:
        s.send(bytes.fromhex(sys.argv[2]))
    socks.append(s)
print("there", flush=True)
sys.stdin.read()
"""


@pytest.mark.parametrize("text", ["", "00", b'{"version":1}'.hex(), b"x".hex() * 5000],
                         ids=["nothing", "NUL", "no request", "much"])
def test_connections_that_say_nothing_or_nonsense(api, proxy, through, text):
    config = network(range="10.0.0.0/24")
    leader, pod = Pod(through, "leader", config), Pod(through, "pod", config)
    with led(proxy, through, leader) as process:
        path = f"{crowd.GROUPS}/{crowd.group(through)}/sock"
        argv = [*through.wrap, "/usr/bin/python3", "-I", "-S", "-c", SILENT, path, *filter(None, [text])]
        talker = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert talker.stdout.readline() == b"there\n"
        waits = pod.start("ADD")
        crowd.until_waiting(through, 21)
    begin = time.monotonic()
    addresses = succeeded([harness.finish(process), harness.finish(waits)])
    assert time.monotonic() - begin < 5
    talker.communicate(timeout=20)
    assert sorted(addresses) == sorted(held_by(api, [leader, pod]).values())


# ---- the directory of the group ----


@pytest.mark.parametrize("how", ["a file in its place", "read-only", "another's", "removed meanwhile"])
def test_without_a_group_each_works_alone(api, nodes, how):
    node = nodes(1)[0]
    pods = [Pod(node, f"p{i}", network(range="10.0.0.0/24")) for i in range(12)]
    place = node.path("/run/cni-ipam")
    inside = [*node.wrap]
    if how == "a file in its place":
        (place / "whereabouts").write_text("")
    elif how == "read-only":
        subprocess.run([*inside, "mount", "-o", "remount,ro", "/run/cni-ipam"], check=True)
    elif how == "another's":
        succeeded([pods[0].call("ADD")])
        gone([pods[0].call("DEL")])
        os.chown(place / "whereabouts" / crowd.group(node), 1234, 1234)
    running = [pod.start("ADD") for pod in pods]
    if how == "removed meanwhile":
        subprocess.run([*inside, "rm", "-rf", "/run/cni-ipam/whereabouts"], check=True)
    addresses = succeeded([harness.finish(p, 120) for p in running])
    assert sorted(addresses) == sorted(held_by(api, pods).values())
    gone(at_once("DEL", pods))
    crowd.empty(api)
    crowd.no_records(node)
