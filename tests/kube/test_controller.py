# SPDX-License-Identifier: Apache-2.0
"""The controller on a real API server: what it frees, what it keeps, and which of several is at work.

Nothing else acts on the objects: pods and nodes are objects only, and what a kubelet would say of them is
written here. That nothing happened to something is seen when a canary beside it, of a pod that never was,
has been freed, and two more looks have been taken.
"""

import json
import os
import pathlib
import signal
import socket
import subprocess
import threading
import time

import pytest

import harness
from apiserver import JSON_PATCH, MERGE_PATCH, NAMESPACE, POOLS
from harness import WHEREABOUTS, eventually
from proxy import answer, cut, delay, is_request
from test_commands import allowed, entry, until_allowed
from wb import assert_consistent, attachments, entries, network, program  # noqa: F401  (a fixture)

LEASE = "whereabouts-controller"
POOL = "10.10.0.0-24"
RANGE = "10.10.0.0/24"


class Controller:
    """One instance, as quick as it can be. It ends with the test."""

    def __init__(self, node, path, *argv, schedule="@every 1s", grace=1, env=None):
        self.log = path.with_suffix(".log")
        self.socket = path.with_suffix(".sock")
        argv = [*node.wrap, WHEREABOUTS, "controller", "--grace", str(grace), "--listen", f"unix:{self.socket}", *argv]
        if not env:
            argv += ["--kubeconfig", node.kubeconfig]
        if schedule:
            argv += ["--schedule", schedule]
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                            env={"PATH": harness.PATH, **(env or {})})

    def page(self, path):
        """(status, text); None while nobody listens."""
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(10)
            try:
                client.connect(os.fspath(self.socket))
                client.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
                got = b""
                while more := client.recv(65536):
                    got += more
            except (FileNotFoundError, ConnectionRefusedError, ConnectionResetError):
                return None
        head, _, body = got.decode().partition("\r\n\r\n")
        return (int(head.split()[1]), body) if head else None

    def metrics(self):
        page = self.page("/metrics")
        return {} if page is None else {
            line.rpartition(" ")[0]: float(line.rpartition(" ")[2])
            for line in page[1].splitlines() if not line.startswith("#")}

    def value(self, name):
        return self.metrics().get(f"whereabouts_controller_{name}", 0)

    def looks(self):
        metrics = self.metrics()
        return (metrics.get('whereabouts_controller_runs_total{task="reconcile"}', 0) -
                metrics.get('whereabouts_controller_failed_runs_total{task="reconcile"}', 0))

    def until(self, condition, what, timeout=30):
        def holds():
            assert self.process.poll() is None, self.text()
            return condition()
        try:
            return eventually(holds, what, timeout)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.text()}") from None

    def look_more(self, count=2):
        """Until that many looks were begun and ended after this."""
        before = self.looks()
        self.until(lambda: self.looks() > before + count, f"{count} more looks")

    def text(self):
        return self.log.read_text()

    def says(self, words, timeout=30):
        self.until(lambda: words in self.text(), words, timeout)

    def leads(self):
        return self.value("leader") == 1

    def end(self, signal=signal.SIGTERM, timeout=10):
        """The exit status."""
        self.process.send_signal(signal)
        return self.process.wait(timeout)

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()


@pytest.fixture
def controller(node, tmp_path):
    """controller(*ARGUMENTS, **KW): starts one on the node (or on the one that is given)."""
    started = []

    def start(*argv, on=node, **kwargs):
        started.append(Controller(on, tmp_path / f"c{len(started)}", "--no-slices", *argv, **kwargs))
        return started[-1]

    yield start
    for one in started:
        one.close()


class Cluster:
    """Pods and nodes as objects, and entries of theirs."""

    def __init__(self, api):
        self.api = api
        self.nodes = []
        if api.find("/api/v1/namespaces/ns1") is None:
            api.create_namespace("ns1")

    def path(self, name):
        return f"/api/v1/namespaces/ns1/pods/{name}"

    def pod(self, name, shown=None, phase="Running", node=None, annotation=None, ifname="net1", status=None):
        """shown: the addresses of its annotation, [] for one that names none, None for no annotation."""
        metadata = {"name": name}
        if shown is not None:
            annotation = json.dumps([{"name": "kindnet", "interface": "eth0", "ips": ["10.244.0.7"], "default": True}] +
                                    [{"name": "ns1/n", "interface": ifname, "ips": shown}] * bool(shown))
        if annotation is not None:
            metadata["annotations"] = {"k8s.v1.cni.cncf.io/network-status": annotation}
        self.api.post("/api/v1/namespaces/ns1/pods", {
            "metadata": metadata, "spec": {"containers": [{"name": "c", "image": "none"}],
                                           **({"nodeName": node} if node else {})}})
        if phase:
            self.set_status(name, phase=phase, **(status or {}))

    def set_status(self, name, **status):
        self.api.patch(f"{self.path(name)}/status", {"status": status}, MERGE_PATCH)

    def remove(self, name):
        self.api.delete(self.path(name), {"gracePeriodSeconds": 0})

    def node(self, name, *taints):
        self.api.post("/api/v1/nodes", {"metadata": {"name": name}, "spec": {
            "taints": [{"key": t, "effect": "NoExecute"} for t in taints]}})
        self.nodes.append(f"/api/v1/nodes/{name}")

    def pool(self, entries, cidr=RANGE, network_name="", node=""):
        """{last part of the address: pod, or a whole entry}, each with its reservation."""
        entries = {k: e if isinstance(e, dict) else entry(e) for k, e in entries.items()}
        self.api.create_pool(cidr, entries, network_name, node)
        for key, one in entries.items():
            self.api.create_reservation(cidr.rpartition(".")[0] + f".{key}", one["podref"], network_name,
                                        ifname=one.get("ifname", ""), containerid=one["id"])

    def close(self):
        self.api.delete("/api/v1/namespaces/ns1/pods", {"gracePeriodSeconds": 0})
        for path in self.nodes:
            self.api.delete(path)


@pytest.fixture
def cluster(api):
    made = Cluster(api)
    yield made
    made.close()


def keys(api, pool=POOL):
    return set(api.pool(pool))


# ---- what is freed ----


def test_an_entry_of_no_pod_is_freed_after_two_looks(api, cluster, controller):
    """Upstream: 'single running pod, one pool, pod dies'; 'the pool's orphaned IP should be deleted'."""
    cluster.pod("pod1", ["10.10.0.1"])
    cluster.pool({"1": "pod1"})
    one = controller()
    one.look_more(3)
    assert keys(api) == {"1"}
    cluster.remove("pod1")
    one.until(lambda: not keys(api), "an empty pool")
    one.until(lambda: not api.reservations(), "no reservations")
    one.says("freed 10.10.0.1 of ns1/pod1, container c-pod1, in pool 10.10.0.0-24: there is no such pod")
    one.until(lambda: one.value("freed_entries_total") == 1, "a counter")
    assert one.value("freed_reservations_total") == 1


def test_one_look_frees_nothing(api, cluster, controller):
    cluster.pool({"1": "gone"})
    one = controller(grace=3600)
    one.look_more(3)
    assert keys(api) == {"1"} and list(api.reservations()) == ["10.10.0.1"]
    assert one.value("suspects") == 1


def test_a_rare_schedule_does_not_put_off_the_second_look(api, cluster, controller):
    cluster.pool({"1": "gone"})
    one = controller(schedule="0 0 1 1 *")
    one.until(lambda: not keys(api), "an empty pool")


def test_only_the_dead_pods_entries_go(api, cluster, controller):
    """Upstream: 'two pods in one pool, one alive'; 'does delete only the orphaned'; 'three pods, two ranges'."""
    cluster.pod("pod1", ["10.10.0.1"])
    cluster.pod("pod3", ["10.10.1.1"])
    cluster.pool({"1": "pod1", "2": "dead", "7": "dead2"})
    cluster.pool({"1": "pod3", "9": "dead3"}, cidr="10.10.1.0/24", network_name="blue")
    one = controller()
    one.until(lambda: keys(api) == {"1"} and keys(api, "blue-10.10.1.0-24") == {"1"}, "the live ones alone")
    one.until(lambda: set(api.reservations()) == {"10.10.0.1", "blue-10.10.1.1"}, "their reservations alone")


def test_of_two_entries_of_a_pod_the_one_it_does_not_show_goes(api, cluster, controller):
    """Upstream: 'verifies that the correct entry is cleaned up'."""
    cluster.pod("pod1", ["10.10.0.1"])
    cluster.pool({"1": entry("pod1", "c2"), "2": entry("pod1", "c1")})
    one = controller()
    one.until(lambda: keys(api) == {"1"}, "the entry of now")
    one.until(lambda: list(api.reservations()) == ["10.10.0.1"], "its reservation")
    one.says("the pod has other addresses")
    events = [e for e in api.list("/api/v1/namespaces/ns1/events") if e["reason"] == "IPAddressGarbageCollected"]
    assert [e["involvedObject"]["name"] for e in events] == ["pod1"] and "10.10.0.2" in events[0]["message"]


def test_a_pod_that_has_ended_holds_nothing(api, cluster, controller):
    cluster.pod("done", ["10.10.0.1"], phase="Succeeded")
    cluster.pod("failed", ["10.10.0.2"], phase="Failed")
    cluster.pool({"1": "done", "2": "failed"})
    controller().until(lambda: not keys(api), "an empty pool")


def test_a_deleted_pod_of_a_node_that_is_gone_holds_nothing(api, cluster, controller):
    cluster.node("out", "node.kubernetes.io/out-of-service")
    for i, node in ((1, "nowhere"), (2, "out")):
        cluster.pod(f"pod{i}", [f"10.10.0.{i}"], node=node)
        api.delete(cluster.path(f"pod{i}"))
    cluster.pool({"1": "pod1", "2": "pod2"})
    one = controller()
    one.until(lambda: not keys(api), "an empty pool")
    one.says("the pod is deleted and its node is gone")
    one.says("the pod is deleted and its node is out of service")


def test_an_evicted_pod_is_freed_only_when_it_is_asked_for(api, cluster, controller):
    cluster.node("silent")
    cluster.pod("pod1", ["10.10.0.1"], node="silent", status={"conditions": [
        {"type": "DisruptionTarget", "status": "True", "reason": "DeletionByTaintManager"}]})
    api.delete(cluster.path("pod1"))
    cluster.pool({"1": "pod1", "9": "gone"})
    one = controller()
    one.until(lambda: keys(api) == {"1"}, "the canary is freed")
    one.look_more()
    assert keys(api) == {"1"}
    assert one.end() == 0
    controller("--evicted").until(lambda: not keys(api), "an empty pool")


def test_reservations_without_entry_are_freed(api, cluster, controller):
    cluster.pod("pod1", ["10.10.0.1"])
    cluster.pool({"1": "pod1"})
    api.create_reservation("10.10.0.8", "ns1/gone", ifname="net1")
    api.create_reservation("10.10.0.9", "ns1/pod1", ifname="net1")  # its pod has .1
    api.create_reservation("fd00:1::7", "ns1/gone", "blue", ifname="net1")
    one = controller()
    one.until(lambda: list(api.reservations()) == ["10.10.0.1"], "the entry's reservation alone")
    assert keys(api) == {"1"} and one.value("freed_entries_total") == 0


def test_what_a_plugin_has_given_is_freed_whole(api, cluster, node, program, controller):  # noqa: F811
    """Both families of a named network; whoever comes next gets the addresses."""
    config = network(ipRanges=[{"range": "10.1.2.0/28"}, {"range": "fd00:1::/64"}], network_name="blue")
    pods = attachments(node, config, 3)
    for pod in pods:
        pod.add(program)
    cluster.pod("p1", pods[1].addresses)
    one = controller()
    one.until(lambda: len(entries(api)) == 2 and len(api.reservations()) == 2, "p1's alone")
    assert one.end() == 0
    assert_consistent(api, [pods[1]])
    [fresh] = attachments(node, config, 1, prefix="q")
    fresh.add(program)
    assert fresh.addresses == pods[0].addresses


def test_plugins_at_work_meanwhile_lose_nothing(api, cluster, nodes, controller):
    """The dead of two networks are freed while pods start on two nodes; starting pods show nothing yet."""
    config = network(range="10.1.2.0/24")
    places = nodes(2)
    dead = [a for place in places for a in attachments(place, config, 6, prefix=f"dead-{place.name}-")]
    for one in dead:
        one.add()
    starting = [a for place in places for a in attachments(place, config, 10, prefix=f"new-{place.name}-")]
    for one in starting:
        cluster.pod(one.pod, phase=None)
    running = controller()
    running.until(lambda: running.value("suspects") == len(dead), "suspects")
    for batch in (starting[::2], starting[1::2]):
        calls = [(one, one.start("ADD")) for one in batch]
        for one, call in calls:
            one.added(harness.finish(call))
    running.until(lambda: len(entries(api)) == len(starting), "the dead are freed")
    running.look_more()
    assert running.end() == 0
    assert_consistent(api, starting)


def test_a_reservation_that_names_another_container_outlives_the_entry(api, cluster, controller):
    """An ADD was under way and came to nothing: it is a reservation of nobody then."""
    api.create_pool(RANGE, {"1": entry("gone", "c1")})
    api.create_reservation("10.10.0.1", "ns1/gone", ifname="net1", containerid="c2")
    one = controller()
    one.says("freed 10.10.0.1 of ns1/gone, container c1")
    one.says("freed reservation 10.10.0.1 of ns1/gone: there is no such pod")
    assert not keys(api) and not api.reservations()


# ---- what is kept ----

# The pod that has 10.10.0.1 on net1.
LIVE = {
    "pending": {"phase": "Pending"},
    "pending with the status of others": {"phase": "Pending", "shown": ["10.10.0.77"]},
    "without an annotation": {},
    "with a damaged annotation": {"annotation": '[{"name": "ns1/n", "interface": "net1", "ips": ["10.10.0.77"]},'},
    "with an odd address in the annotation": {"annotation": '[{"interface": "net1", "ips": ["10.10.0.77", "x"]}]'},
    "with an empty annotation": {"annotation": ""},
    "with an empty list": {"annotation": "[]"},
    "with the cluster's network by whereabouts": {
        "annotation": '[{"name": "w", "interface": "eth0", "default": true, "ips": ["10.10.0.1"]}]'},
    "with an interface that tells no address": {
        "annotation": '[{"interface": "net1"}, {"interface": "net2", "ips": ["1.2.3.4"]}]'},
    "of an unknown phase": {"phase": "Unknown", "shown": ["10.10.0.77"]},
    "that runs": {"shown": ["10.10.0.1"]},
    "that has ended but for a container": {"phase": "Failed", "shown": ["10.10.0.1"], "status": {
        "containerStatuses": [{"name": "c", "image": "i", "imageID": "", "ready": False, "restartCount": 0,
                               "state": {"running": {"startedAt": "2026-01-01T00:00:00Z"}}}]}},
}


def test_a_pod_keeps_what_it_may_use(api, cluster, controller):
    """Each of these has 10.10.0.1 of a network of its own, and a canary beside it."""
    for i, pod in enumerate(LIVE.values()):
        cluster.pod(f"pod{i}", **pod)
        cluster.pool({"1": f"pod{i}", "9": f"gone{i}"}, network_name=f"net{i}")
    one = controller()
    one.until(lambda: all("9" not in pool for pool in api.pools().values()), "the canaries are freed", 60)
    one.look_more()
    kept = {case: (keys(api, f"net{i}-{POOL}"), f"net{i}-10.10.0.1" in api.reservations())
            for i, case in enumerate(LIVE)}
    assert kept == {case: ({"1"}, True) for case in LIVE}


def test_a_deleted_pod_of_a_node_that_is_there_keeps_its_address(api, cluster, controller):
    cluster.node("here", "node.kubernetes.io/unreachable")
    cluster.pod("pod1", ["10.10.0.1"], node="here")
    api.delete(cluster.path("pod1"))
    cluster.pool({"1": "pod1", "9": "gone"})
    one = controller()
    one.until(lambda: keys(api) == {"1"}, "the canary is freed")
    one.look_more()
    assert keys(api) == {"1"}


def test_names_that_cannot_be_read_backwards_are_no_reason(api, cluster, controller):
    """Upstream deletes the reservations of named networks and of IPv6 subnets' zero addresses."""
    cluster.pod("pod1", ["10.10.0.1"])
    cluster.pod("pod6", ["2001:db8::"], ifname="net1")
    cluster.pod("podn", ["fd00:1::1"])
    cluster.pool({"1": "pod1", "9": "gone"}, network_name="blue-net")
    api.create_pool("2001:db8::/64", {"0": entry("pod6")})
    api.create_reservation("2001:db8::", "ns1/pod6", ifname="net1")
    api.create_pool("fd00:1::/64", {"1": entry("podn")}, "red")
    api.create_reservation("fd00:1::1", "ns1/podn", "red", ifname="net1")
    one = controller()
    one.until(lambda: keys(api, "blue-net-10.10.0.0-24") == {"1"}, "the canary is freed")
    one.look_more()
    assert set(api.reservations()) == {"blue-net-10.10.0.1", "2001-db8--0", "red-fd00-1--1"}
    assert keys(api, "2001-db8---64") == {"0"} and keys(api, "red-fd00-1---64") == {"1"}


def test_odd_entries_are_left_alone(api, cluster, controller):
    """Entries without a proper podref, undecodable ones, and ones under keys that are no offsets."""
    odd = {"1": {"id": "c", "podref": ""}, "2": {"id": "c", "podref": "pod"}, "x": entry("gone"),
           "3": {"id": "c", "podref": "ns1/../../nodes"}, "4": {"id": "", "podref": "ns1/gone"}}
    api.create_pool(RANGE, {**odd, "9": entry("gone")})
    api.create_pool("10.10.7.0/24", {"9": entry("gone")})
    one = controller()
    one.until(lambda: keys(api) == set(odd), "the canary is freed")
    one.look_more()
    assert keys(api) == set(odd) and not keys(api, "10.10.7.0-24")


def test_a_pool_that_makes_no_sense_harms_no_other(api, cluster, controller):
    api.create_pool(RANGE, {"1": entry("gone")})
    api._create(POOLS, "IPPool", "odd", NAMESPACE, spec={"range": "none", "allocations": {"1": entry("gone")}})
    api.create_reservation("10.10.0.8", "ns1/gone2", ifname="net1")  # may be the odd one's
    one = controller()
    one.until(lambda: not keys(api), "the readable pool is clean")
    one.look_more()
    assert keys(api, "odd") == {"1"} and list(api.reservations()) == ["10.10.0.8"]


def test_a_pod_that_comes_back_keeps_its_address(api, cluster, controller):
    """The entry gets another container between the looks: it is another entry."""
    cluster.pool({"1": "pod1"})
    one = controller(grace=2)
    one.until(lambda: one.value("suspects") == 1, "a suspect")
    api.patch(api.path(POOLS, POOL), [{"op": "replace", "path": "/spec/allocations/1/id", "value": "c2"}], JSON_PATCH)
    cluster.pod("pod1", ["10.10.0.1"])
    one.until(lambda: one.value("suspects") == 0, "no suspect")
    one.look_more(4)
    assert keys(api) == {"1"} and list(api.reservations()) == ["10.10.0.1"]


# ---- faults ----


@pytest.fixture
def behind(nodes, proxy):
    """A node that calls the API server through the proxy."""
    return nodes(1, server=proxy.url)[0]


def test_a_conflict_is_tried_again_and_no_other_pool_waits(api, cluster, proxy, behind, controller):
    cluster.pool({"1": "gone", "2": "stays"})
    cluster.pod("stays", ["10.10.0.2"])
    cluster.pool({"1": "gone2"}, cidr="10.10.1.0/24")

    def meddle(exchange):
        api.patch(api.path(POOLS, POOL), [{"op": "add", "path": "/spec/allocations/50", "value": entry("stays")}], JSON_PATCH)
        return exchange.forward()

    proxy.fault(is_request("PATCH", f"/ippools/{POOL}"), meddle)
    one = controller(on=behind)
    one.until(lambda: keys(api) >= {"2", "50"} and "1" not in keys(api) and not keys(api, "10.10.1.0-24"), "both are freed")
    assert one.value("free_failures_total") == 0


def test_a_pool_that_refuses_keeps_no_other_waiting(api, cluster, proxy, behind, controller):
    cluster.pool({"1": "gone"})
    cluster.pool({"1": "gone2"}, cidr="10.10.1.0/24")
    proxy.fault(is_request("PATCH", f"/ippools/{POOL}"), answer(403), times=1)
    one = controller(on=behind)
    one.until(lambda: not keys(api, "10.10.1.0-24"), "the other pool is clean")
    one.says("cannot free 10.10.0.1 of ns1/gone")
    one.until(lambda: not keys(api), "and then this one")
    assert not api.reservations()


@pytest.mark.parametrize("fault", [answer(500), answer(503), answer(403), answer(404), cut()],
                         ids=["500", "503", "403", "404", "cut"])
def test_an_error_about_the_pod_frees_nothing(api, cluster, proxy, behind, controller, fault):
    cluster.pod("pod1", ["10.10.0.77"])  # suspicious, and asked for
    cluster.pool({"1": "pod1", "9": "gone"})
    proxy.fault(is_request("GET", "/namespaces/ns1/pods/pod1"), fault, times=1000)
    one = controller(on=behind)
    one.until(lambda: keys(api) == {"1"}, "the canary is freed", 60)
    one.says("k8s get error: pods pod1")
    assert list(api.reservations()) == ["10.10.0.1"]


@pytest.mark.parametrize("part", ["/pods?", "/ippools", "/overlappingrangeipreservations"])
def test_a_list_that_fails_frees_nothing(api, cluster, proxy, behind, controller, part):
    cluster.pool({"1": "gone"})
    proxy.fault(is_request("GET", part), answer(403), times=4)
    one = controller(on=behind)
    one.until(lambda: one.metrics().get('whereabouts_controller_failed_runs_total{task="reconcile"}', 0) >= 3, "failed runs")
    assert keys(api) == {"1"}
    one.until(lambda: not keys(api), "then it is freed")


def test_a_lost_answer_is_no_loss(api, cluster, proxy, behind, controller):
    cluster.pool({"1": "gone"})
    proxy.fault(is_request("PATCH", "/ippools/"), cut(done=True), times=1)
    proxy.fault(is_request("DELETE", "/overlappingrangeipreservations/"), cut(done=True), times=1)
    one = controller(on=behind)
    one.until(lambda: not keys(api) and not api.reservations(), "all is freed")
    one.until(lambda: one.value("freed_entries_total") == 1, "and counted")


def test_pods_come_in_pages(api, cluster, proxy, behind, controller):
    """The last one is not asked for: the second page has told of it. One that is forgotten is begun again."""
    for i in range(500):
        cluster.pod(f"a{i}", phase=None)
    cluster.pod("zz", ["10.10.0.1"])
    cluster.pool({"1": "zz", "9": "gone"})
    proxy.fault(is_request("GET", "/api/v1/pods?limit=500"), answer(410), times=1)
    one = controller(on=behind)
    one.until(lambda: keys(api) == {"1"}, "the canary is freed")
    assert one.metrics()['whereabouts_controller_failed_runs_total{task="reconcile"}'] == 0
    assert one.end() == 0
    pages = [line for line in proxy.lines if line.startswith("GET /api/v1/pods?")]
    assert len([page for page in pages if "continue=" in page]) >= 2 and proxy.unused == 0
    assert not [line for line in proxy.lines if "/pods/zz" in line]


def test_a_list_that_is_always_forgotten_frees_nothing(api, cluster, proxy, behind, controller):
    cluster.pool({"1": "gone"})
    proxy.fault(is_request("GET", "/api/v1/pods?"), answer(410), times=6)
    one = controller(on=behind)
    one.until(lambda: one.metrics().get('whereabouts_controller_failed_runs_total{task="reconcile"}', 0) >= 2, "failed runs")
    assert keys(api) == {"1"} and proxy.unused == 0
    one.until(lambda: not keys(api), "then it is freed")


def test_an_entry_that_is_taken_over_at_the_last_moment_stays_whole(api, cluster, proxy, behind, controller):
    """Its reservation was deleted by then, and is made again for the container that has it now."""
    cluster.pool({"1": "gone"})

    def take_over(exchange):
        api.patch(api.path(POOLS, POOL), [{"op": "replace", "path": "/spec/allocations/1/id", "value": "c2"}], JSON_PATCH)
        cluster.pod("gone", ["10.10.0.1"])
        return exchange.forward()

    proxy.fault(is_request("PATCH", f"/ippools/{POOL}"), take_over)
    one = controller(on=behind)
    one.until(lambda: proxy.unused == 0, "a patch")
    one.look_more(3)
    assert api.pool(POOL) == {"1": entry("gone", "c2")}
    assert api.reservations() == {"10.10.0.1": {"podref": "ns1/gone", "ifname": "net1", "containerid": "c2"}}
    assert one.value("freed_entries_total") == 0


def test_a_reservation_that_moves_at_the_last_moment_stays(api, cluster, proxy, behind, controller):
    cluster.pool({"1": "gone"})

    def move(exchange):
        api.patch(api.path("overlappingrangeipreservations", "10.10.0.1"),
                  [{"op": "replace", "path": "/spec/containerid", "value": "c2"}], JSON_PATCH)
        cluster.pod("gone")
        return exchange.forward()

    proxy.fault(is_request("DELETE", "/overlappingrangeipreservations/10.10.0.1"), move)
    one = controller(on=behind)
    one.until(lambda: proxy.unused == 0, "a deletion")
    one.look_more(3)
    assert keys(api) == {"1"} and api.reservations()["10.10.0.1"]["containerid"] == "c2"


def test_a_node_that_cannot_be_asked_for_frees_nothing(api, cluster, proxy, behind, controller):
    cluster.pod("pod1", ["10.10.0.1"], node="nowhere")
    api.delete(cluster.path("pod1"))
    cluster.pool({"1": "pod1", "9": "gone"})
    proxy.fault(is_request("GET", "/api/v1/nodes/nowhere"), answer(403), times=1000)
    one = controller(on=behind)
    one.until(lambda: keys(api) == {"1"}, "the canary is freed")
    one.look_more()
    assert keys(api) == {"1"}


def test_slices_have_a_lease_of_their_own(api, cluster, proxy, behind, controller):
    cluster.pool({"1": "gone"}, network_name="net", node="node1")
    api.post(api.path("leases"), {"metadata": {"name": f"net-node1-{POOL}"}})
    one = controller(on=behind)
    one.until(lambda: not keys(api, f"net-node1-{POOL}"), "an empty pool")
    one.until(lambda: any(line.startswith("PUT ") and line.endswith(f"/leases/net-node1-{POOL}")
                          for line in proxy.lines), "the slice's Lease was taken")


def test_the_allocations_lease_is_held_around_a_removal(api, cluster, proxy, behind, controller):
    cluster.pool({"1": "gone"})
    one = controller(on=behind)
    one.until(lambda: not keys(api), "an empty pool")
    lease = one.until(lambda: (api.lease() or {}).get("holderIdentity") == "" and api.lease(), "the Lease is given back")
    assert lease["leaseTransitions"] >= 0


# ---- who is at work ----


def test_one_leads_and_another_takes_over(api, cluster, nodes, controller):
    one = controller()
    one.until(one.leads, "a leader")
    lease = api.lease(LEASE)
    assert (lease["leaseDurationSeconds"], lease["leaseTransitions"]) == (15, 0)
    assert lease["holderIdentity"].startswith(socket.gethostname() + "_")
    two = controller()
    two.until(lambda: two.page("/readyz") == (200, "standing by\n"), "it stands by")
    assert one.page("/readyz") == (200, "leading\n") and one.page("/healthz") == (200, "ok\n")
    assert two.looks() == 0 and one.leads()
    one.end(signal.SIGKILL)
    cluster.pool({"1": "gone"})
    two.until(two.leads, "the other leads", 40)
    assert api.lease(LEASE)["leaseTransitions"] == 1
    two.until(lambda: not keys(api), "and works")


def test_sigterm_gives_the_lease_back_and_ends_at_once(api, controller):
    one = controller()
    one.until(one.leads, "a leader")
    two = controller()
    two.until(lambda: two.page("/readyz"), "it stands by")
    begin = time.monotonic()
    assert one.end() == 0
    ended = time.monotonic()
    two.until(two.leads, "the other leads")
    assert ended - begin < 5 and time.monotonic() - ended < 10
    assert two.end(signal.SIGINT) == 0
    assert api.lease(LEASE)["holderIdentity"] == ""


def test_an_end_during_a_removal_gives_the_allocations_lease_back(api, cluster, proxy, behind, controller):
    cluster.pool({"1": "gone"})
    asked = threading.Event()

    def hold(exchange):
        asked.set()
        exchange.wait(0.5)
        return exchange.forward()

    proxy.fault(is_request("PATCH", "/ippools/"), hold)
    one = controller(on=behind)
    assert asked.wait(30)
    assert api.lease()["holderIdentity"]
    assert one.end() == 0
    assert api.lease()["holderIdentity"] == "" and not keys(api)


def test_it_ends_soon_beside_a_server_that_says_nothing(proxy, behind, controller):
    one = controller(on=behind)
    one.until(one.leads, "a leader")
    proxy.silent = True
    assert one.end(timeout=10) == 0


def test_a_leader_without_its_server_gives_up(api, proxy, behind, controller):
    one = controller(on=behind)
    one.until(one.leads, "a leader")
    proxy.fault(is_request(None, f"/leases/{LEASE}"), answer(503), times=10000)
    one.says("not leading any more")
    one.until(lambda: not children(one), "nothing works any more")
    assert not one.leads() and one.end() == 0


def children(controller):
    pid = controller.process.pid
    return pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()


def test_the_work_does_not_outlive_its_controller(cluster, proxy, behind, controller):
    """It waits for an answer meanwhile, and would not see that nobody waits for it."""
    cluster.pool({"1": "gone"})
    never = threading.Event()
    proxy.fault(is_request("GET", "/pods?"), delay(never), times=1000)
    one = controller(on=behind)
    one.until(lambda: any("/pods?" in line for line in proxy.lines), "a list of pods")
    [worker] = children(one)
    one.end(signal.SIGKILL)
    eventually(lambda: not pathlib.Path(f"/proc/{worker}/exe").exists(), "the worker is gone")
    never.set()


def test_a_worker_that_dies_ends_the_controller(api, controller):
    one = controller()
    one.until(one.leads, "a leader")
    os.kill(int(children(one)[0]), signal.SIGKILL)
    assert one.process.wait(10) == 1
    assert "the process that does the work has ended" in one.text()
    assert api.lease(LEASE)["holderIdentity"] == ""


@pytest.mark.parametrize("off, on", [("slices", "reconcile"), ("reconcile", "slices")])
def test_each_task_can_be_switched_off(node, tmp_path, off, on):
    one = Controller(node, tmp_path / "c", f"--no-{off}")
    try:
        one.until(lambda: one.metrics().get(f'whereabouts_controller_last_success_timestamp_seconds{{task="{on}"}}', 0) > 0,
                  f"a run of {on}")
        assert one.metrics()[f'whereabouts_controller_runs_total{{task="{off}"}}'] == 0
    finally:
        one.close()


# ---- schedule and arguments ----


def test_the_schedules_file_counts_and_is_read_again(api, cluster, controller, tmp_path):
    file = tmp_path / "config"
    file.write_text("  30 4 * * *\n")
    cluster.pool({"1": "gone"})
    one = controller("--schedule-file", file, grace=3600)
    one.says("schedule: 30 4 * * *")
    one.until(lambda: one.looks() == 1, "the look of the start")
    file.write_text("0 30 4 * * *")
    one.says("there are more than five fields (none is for seconds); '30 4 * * *' goes on")
    file.write_text("@every 1s")
    one.says("schedule: @every 1s")
    one.look_more()
    file.unlink()
    one.look_more()
    assert one.text().count("goes on") == 1


def test_a_bad_file_is_an_error_at_the_start(node, tmp_path):
    file = tmp_path / "config"
    for text, words in (("often", "it has fewer than five fields"), ("", "it is empty"), ("* " * 400, "File too large")):
        file.write_text(text)
        done = usage(node, "--kubeconfig", node.kubeconfig, "--schedule-file", file)
        assert done.rc == 1 and os.fsencode(file) in done.err and words.lower().encode() in done.err.lower(), done


def usage(node, *argv):
    return harness.run([*node.wrap, WHEREABOUTS, "controller", *argv])


@pytest.mark.parametrize("argv, words", [
    (["--schedule", "0 0 4 * * *"], "there are more than five fields (none is for seconds)"),
    (["--schedule", "TZ=Europe/Berlin 0 4 * * *"], "the only time zone that is known is UTC"),
    (["--schedule", ""], "schedule: it is empty"),
    (["--grace", "0"], "--grace takes seconds, 1 to 86400, and not '0'"),
    (["--grace", "5m"], "--grace takes seconds, 1 to 86400, and not '5m'"),
    (["--listen", "0.0.0.0:80"], "0.0.0.0:80"),
    (["--often"], "unknown option '--often'"),
    (["now"], "unexpected argument 'now'"),
])
def test_wrong_arguments_are_a_usage_error(node, argv, words):
    done = usage(node, *argv)
    assert (done.rc, done.out) == (2, b"") and words in done.err.decode() and done.err.count(b"\n") == 1


def test_no_credentials_are_an_error_at_the_start(node):
    done = usage(node)
    assert done.rc == 1 and b"KUBERNETES_SERVICE_HOST" in done.err
    done = usage(node, "--kubeconfig", "/etc/cni/nothing")
    assert done.rc == 1 and b"/etc/cni/nothing" in done.err


def test_the_reference_programs_flags_are_taken(api, cluster, node, tmp_path):
    """By the name that charts call, with Go's ways to write a flag."""
    link = tmp_path / "ip-reconciler"
    link.symlink_to(WHEREABOUTS)
    cluster.pool({"1": "gone"})
    log = open(tmp_path / "log", "wb")
    with log, subprocess.Popen([*node.wrap, link, "-log-level", "debug", f"-kubeconfig={node.kubeconfig}", "-v=5",
                                "--grace", "1"], stdout=log, stderr=log) as process:
        try:
            eventually(lambda: not keys(api), "an empty pool", 30)
        finally:
            process.terminate()
        assert process.wait(10) == 0


def test_without_a_kubeconfig_it_is_a_pod(api, cluster, node, controller):
    directory = "/run/secrets/kubernetes.io/serviceaccount"
    for name, text in (("token", api.account_token), ("ca.crt", api.pki.ca.read_text()), ("namespace", NAMESPACE)):
        node.write(f"{directory}/{name}", text)
    cluster.pool({"1": "gone"})
    one = controller(env={"KUBERNETES_SERVICE_HOST": "127.0.0.1", "KUBERNETES_SERVICE_PORT": str(api.port)})
    one.until(lambda: not keys(api), "an empty pool")
    assert one.end() == 0


def test_it_works_in_the_namespace_that_it_is_told(api, cluster, node, controller):
    api.create_pool(RANGE, {"1": entry("gone")})
    api.create_pool(RANGE, {"1": entry("gone")}, namespace="ns1")
    node.configure(api, namespace="ns1")
    one = controller()
    one.until(lambda: not api.pool(POOL, "ns1"), "the namespace's pool is empty")
    one.look_more()
    assert keys(api) == {"1"} and api.lease(LEASE, "ns1") and not api.lease(LEASE)


def test_the_accounts_own_permissions_are_enough(api, cluster, nodes, controller):
    """Those of deploy/manifests/rbac.yaml, as far as this task needs them."""
    rules = [("whereabouts.cni.cncf.io", "ippools", ["get", "list", "patch"]),
             ("whereabouts.cni.cncf.io", "overlappingrangeipreservations", ["list", "create", "delete"]),
             ("coordination.k8s.io", "leases", ["get", "create", "update"]),
             ("", "pods", ["get", "list"]), ("", "nodes", ["get"]), ("", "events", ["create"])]
    with allowed(api, "narrow", *rules) as token:
        until_allowed(api, token, "/api/v1/pods")
        narrow = nodes(2, token=token)[1]
        cluster.pool({"1": "gone"})
        one = controller(on=narrow)
        one.until(lambda: not keys(api) and not api.reservations(), "all is freed")
        assert one.end() == 0
        assert "403" not in one.text()
