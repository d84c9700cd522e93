# SPDX-License-Identifier: Apache-2.0
"""The controller's node slices, with Nodes and NetworkAttachmentDefinitions as objects.

Numbers in names of upstream's cases are those of their tests: CreatesNodeSlicePoolsWithNodes and so on.
"""

import contextlib
import json
import signal
import subprocess
import time

import pytest

import harness
from apiserver import NAMESPACE, SLICES
from wb import Attachment, network

NETWORKS = "/apis/k8s.cni.cncf.io/v1/namespaces/{}/network-attachment-definitions"
NODES = "/api/v1/nodes"
DEADLINE_S = 40


@pytest.fixture(autouse=True)
def no_nodes(api):
    """Every test begins without nodes and networks."""
    yield
    for one in api.list(NODES):
        api.delete(f"{NODES}/{one['metadata']['name']}")
    for one in api.list("/apis/k8s.cni.cncf.io/v1/network-attachment-definitions"):
        api.delete(f"{NETWORKS.format(one['metadata']['namespace'])}/{one['metadata']['name']}")


@pytest.fixture
def controller(node, tmp_path):
    """A running controller, with nothing but slices to do."""
    with running(node, tmp_path) as process:
        yield process


@contextlib.contextmanager
def running(node, tmp_path):
    log = tmp_path / "controller.log"
    with open(log, "ab") as out:
        process = subprocess.Popen(
            [*node.wrap, harness.WHEREABOUTS, "controller", "--no-reconcile", "--kubeconfig", node.kubeconfig,
             "--listen", "unix:/run/controller.sock"], stdin=subprocess.DEVNULL, stdout=out, stderr=out)
    process.log = log
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0, log.read_text()


def make_nodes(api, *names):
    for name in names:
        api.post(NODES, {"metadata": {"name": name}})


def define(api, name, ipam, namespace=NAMESPACE):
    """A network; ipam None for one without."""
    config = {"cniVersion": "1.0.0", "type": "macvlan"}
    if ipam is not None:
        config["ipam"] = {"type": "whereabouts", **ipam}
    api.post(NETWORKS.format(namespace), {"apiVersion": "k8s.cni.cncf.io/v1", "kind": "NetworkAttachmentDefinition",
                                          "metadata": {"name": name}, "spec": {"config": json.dumps(config)}})


def undefine(api, name, namespace=NAMESPACE):
    api.delete(f"{NETWORKS.format(namespace)}/{name}")


def seats(api, name):
    """{node: slice} of the object, or None without one."""
    found = api.find(api.path(SLICES, name))
    return None if found is None else {e["nodeName"]: e["sliceRange"]
                                       for e in found["status"]["allocations"] if e["nodeName"]}


def until(condition, process, seconds=DEADLINE_S):
    """Waits until it holds; the controller must live on."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert process.poll() is None, process.log.read_text()
        assert time.monotonic() < deadline, process.log.read_text()
        time.sleep(0.1)


FOUR = {"network_name": "net1", "range": "10.0.0.0/8", "node_slice_size": "/10"}


def test_creates_a_pool_without_nodes(api, controller):
    define(api, "net1", FOUR)
    until(lambda: seats(api, "net1") == {}, controller)
    found = api.get(api.path(SLICES, "net1"))
    assert found["spec"] == {"range": "10.0.0.0/8", "sliceSize": "/10"}
    assert [e["sliceRange"] for e in found["status"]["allocations"]] == [
        "10.0.0.0/10", "10.64.0.0/10", "10.128.0.0/10", "10.192.0.0/10"]


def test_nodes_that_join_and_leave(api, controller):
    make_nodes(api, "node1", "node2")
    define(api, "net1", FOUR)
    until(lambda: seats(api, "net1") == {"node1": "10.0.0.0/10", "node2": "10.64.0.0/10"}, controller)
    make_nodes(api, "node0")
    until(lambda: len(seats(api, "net1")) == 3, controller)
    assert seats(api, "net1")["node0"] == "10.128.0.0/10"
    api.delete(f"{NODES}/node1")
    until(lambda: "node1" not in seats(api, "net1"), controller)
    assert seats(api, "net1") == {"node0": "10.128.0.0/10", "node2": "10.64.0.0/10"}


@pytest.mark.parametrize("namespace", [NAMESPACE, "default"])
def test_a_definition_of_any_namespace_and_without_a_network_name(api, controller, namespace):
    make_nodes(api, "node1")
    define(api, "nad", {"range": "fd00::/64", "node_slice_size": "96"}, namespace)
    until(lambda: seats(api, "nad") == {"node1": "fd00::/96"}, controller)
    undefine(api, "nad", namespace)
    until(lambda: seats(api, "nad") is None, controller)


def test_what_makes_no_sense_harms_nobody(api, controller):
    define(api, "broken", {"range": "10.0.0.0/24", "node_slice_size": "/22"})
    define(api, "no-ipam", None)
    define(api, "host", {**FOUR, "type": "host-local"})
    define(api, "net1", FOUR)
    until(lambda: seats(api, "net1") == {}, controller)
    assert api.names(SLICES) == ["net1"]
    assert "kube-system/broken: node_slice_size /22 is larger than the range 10.0.0.0/24" in \
        controller.log.read_text()


def test_a_tenant_writes_no_lines_of_its_own_into_the_log(api, controller):
    define(api, "forged", {"range": "10.0.0.0/8", "node_slice_size": "/10", "network_name": "a\nreconcile: all is well"},
           "default")
    until(lambda: "default/forged: " in controller.log.read_text(), controller)
    assert "'a?reconcile: all is well' cannot be the name" in controller.log.read_text()


def test_a_pool_that_was_deleted_comes_back_as_it_is_used(api, node, controller):
    make_nodes(api, "node0", "node1")
    api.create_slices("net1", "10.0.0.0/8", "/10", [("node0", "10.64.0.0/10"), ("node1", "10.0.0.0/10"),
                                                    ("", "10.128.0.0/10"), ("", "10.192.0.0/10")])
    define(api, "net1", FOUR)
    pod = Attachment(network(name="net1", **FOUR), node)
    assert pod.add().addresses == ["10.0.0.1"]  # the node of the fixture is node1
    api.delete(api.path(SLICES, "net1"))
    until(lambda: (seats(api, "net1") or {}).get("node1") == "10.0.0.0/10", controller)
    assert seats(api, "net1")["node0"] == "10.64.0.0/10"
    pod.delete()


def test_a_slice_in_use_does_not_change_hands(api, node, controller):
    make_nodes(api, "node1")
    define(api, "net1", {**FOUR, "node_slice_size": "/9"})
    until(lambda: seats(api, "net1") == {"node1": "10.0.0.0/9"}, controller)
    pod = Attachment(network(name="net1", **{**FOUR, "node_slice_size": "/9"}), node)
    pod.add()
    api.delete(f"{NODES}/node1")
    make_nodes(api, "node2", "node3")
    until(lambda: "node2" in seats(api, "net1"), controller)
    assert seats(api, "net1") == {"node1": "10.0.0.0/9", "node2": "10.128.0.0/9"}
    until(lambda: "has no slice for 1 of the nodes" in controller.log.read_text(), controller)
    pod.delete()
    until(lambda: seats(api, "net1") == {"node2": "10.128.0.0/9", "node3": "10.0.0.0/9"}, controller)


def test_a_cut_changes_when_nothing_is_in_use(api, node, controller):
    make_nodes(api, "node1")
    define(api, "net1", FOUR)
    until(lambda: seats(api, "net1") == {"node1": "10.0.0.0/10"}, controller)
    pod = Attachment(network(name="net1", **FOUR), node)
    pod.add()
    undefine(api, "net1")
    define(api, "net1", {**FOUR, "range": "11.0.0.0/8", "node_slice_size": "/12"})
    until(lambda: "stays 10.0.0.0/8 in slices of /10" in controller.log.read_text(), controller)
    assert seats(api, "net1") == {"node1": "10.0.0.0/10"}
    pod.delete()
    until(lambda: seats(api, "net1") == {"node1": "11.0.0.0/12"}, controller)


def test_two_definitions_of_one_network(api, controller):
    make_nodes(api, "node1")
    define(api, "a", FOUR)
    until(lambda: seats(api, "net1") == {"node1": "10.0.0.0/10"}, controller)
    define(api, "b", {**FOUR, "node_slice_size": "/8"})
    until(lambda: "b: NodeSlicePool net1 is cut otherwise, as kube-system/a says" in controller.log.read_text(),
          controller)
    undefine(api, "b")
    define(api, "c", FOUR, "default")
    undefine(api, "a")
    make_nodes(api, "node2")
    until(lambda: seats(api, "net1") == {"node1": "10.0.0.0/10", "node2": "10.64.0.0/10"}, controller)


def test_a_pool_that_nobody_wants_stays_while_it_is_in_use_or_not_ours(api, node, controller):
    api.create_slices("by-hand", "10.0.0.0/8", "/10", [("node1", "10.0.0.0/10")])
    make_nodes(api, "node1")
    define(api, "net1", FOUR)
    until(lambda: seats(api, "net1"), controller)
    pod = Attachment(network(name="net1", **FOUR), node)
    pod.add()
    undefine(api, "net1")
    define(api, "other", {"range": "12.0.0.0/8", "node_slice_size": "/10"})
    until(lambda: seats(api, "other"), controller)  # a round has passed
    assert seats(api, "net1") == {"node1": "10.0.0.0/10"}
    pod.delete()
    until(lambda: seats(api, "net1") is None, controller)
    assert seats(api, "by-hand") == {"node1": "10.0.0.0/10"}


@pytest.mark.skipif(not harness.FULL, reason="takes minutes; runs in scripts/test full")
def test_many_large_networks_of_a_tenant_do_not_stop_the_others(api, controller):
    make_nodes(api, "node1")
    for i in range(400):
        define(api, f"n{i}", {"network_name": f"n{i}", "range": "10.0.0.0/8", "node_slice_size": "/20"}, "default")
    define(api, "zz", {**FOUR, "network_name": "zz"})
    until(lambda: seats(api, "zz") == {"node1": "10.0.0.0/10"}, controller, 300)
    make_nodes(api, "node2")
    until(lambda: len(seats(api, "zz")) == 2, controller, 300)
