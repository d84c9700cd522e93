# SPDX-License-Identifier: Apache-2.0
"""Programs and nodes that end while pods with all three plugins run, or while they go."""

import signal

import pods
from cluster import wait

KILL = signal.SIGKILL


def test_a_killed_kubelet_and_containerd_change_nothing_for_running_pods(cluster, trio):
    group = trio.group("killed", 4)
    held = trio.check(group.ready())
    for node in cluster.nodes:
        for program in ("kubelet", "containerd"):
            node.end(program, KILL)
        node.start_containerd()
        node.start_kubelet()
    group.scale(6)
    made = group.ready()
    after = trio.check(made)
    assert {pod: after[pod] for pod in held} == held and group.restarts() == 0
    group.remove()
    trio.check_free()


def test_a_node_that_is_switched_off_and_on_gives_its_pods_addresses_again_and_loses_none(cluster, trio):
    group = trio.group("reboot", 6)
    trio.check(group.ready())
    node = cluster.nodes[0]
    count = sum(pods.node_of(pod) == node.name for pod in group.pods())
    node.stop()
    node.power_on()
    wait(lambda: group.restarts() == count and group.count_ready() == 6, "the node's pods run again", 120)
    made = group.ready()
    wait(lambda: len(pods.namespaces(node)) == count, "one namespace for each", 30)
    trio.check(made)
    group.remove()
    trio.check_free(leases=False)  # those of before the power cut
    trio.forget_leases()


def test_what_is_deleted_while_the_api_server_is_down_is_freed_when_it_is_back(cluster, trio):
    group = trio.group("outage", 4, script=pods.SLOW)
    trio.check(group.ready())
    running = pods.processes(cluster, group.pods())
    group.delete()
    wait(lambda: all(pods.file_of(p, pods.ASKED).exists() for p in running.values()), "all pods are asked to go")
    cluster.control.end("apiserver", KILL)
    for process in running.values():
        pods.file_of(process, pods.MAY_GO).touch()
    wait(lambda: not any(pods.namespaces(node) for node in cluster.nodes), "all pods are gone from the nodes", 120)
    assert all(any(name.endswith(".release") for name in node.names("/var/lib/cni/whereabouts/att"))
               for node in cluster.nodes), "each node remembers what to free"
    cluster.control.start_api()
    group.gone()
    # Any call of a node works off what it remembers.
    later = trio.group("later", 4)
    later.ready()
    later.remove()
    trio.check_free()


def test_leases_are_released_though_the_dhcp_daemon_was_killed_meanwhile(cluster, trio):
    group = trio.group("daemon", 4)
    held = trio.check(group.ready())
    for node in cluster.nodes:
        node.end("dhcp", KILL)
        node.start_dhcp()
    assert trio.check(group.ready()) == held
    group.remove()
    trio.check_free()


def test_pods_go_without_the_dhcp_daemon_which_gives_their_leases_up_later(cluster, trio):
    """Without a daemon nobody can send a RELEASE before the namespace is gone. The lease ends by time."""
    group = trio.group("orphans", 4)
    trio.check(group.ready())
    for node in cluster.nodes:
        node.end("dhcp", KILL)
    group.remove()
    for node in cluster.nodes:
        node.start_dhcp()
        wait(lambda: "runs out at its server" in node.log("dhcp").read_text(), "the daemon says so")
    trio.check_free(leases=False)
    trio.forget_leases()


def test_pods_that_are_deleted_by_force_leave_nothing(cluster, trio):
    group = trio.group("force", 4)
    for pod in group.ready():
        pods.force_delete(cluster, pod)
    wait(lambda: sum(len(pods.namespaces(node)) for node in cluster.nodes) == 4, "the old pods are gone", 60)
    trio.check(group.ready())
    group.remove()
    trio.check_free()


def test_a_pod_of_a_stateful_set_takes_its_name_to_another_node(cluster, trio):
    there, here = (node.name for node in cluster.nodes)
    group = trio.group("moves", 2, node=there, kind="StatefulSet")
    trio.check(group.ready())
    group.place(here)
    wait(lambda: all(pods.node_of(pod) == here for pod in group.pods() if "nodeName" in pod["spec"]) and
         group.count_ready() == 2 and len(group.pods()) == 2, "both pods have moved", 120)
    trio.check(group.ready())
    group.remove()
    trio.check_free()
