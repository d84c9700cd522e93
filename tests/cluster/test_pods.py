# SPDX-License-Identifier: Apache-2.0
"""Pods with a second interface from each of the three plugins: what they get, that it is told rightly, that it
works across nodes, and that nothing of it is left when they go."""

import ipaddress

import pods
from cluster import wait
from networks import check_nothing_left, check_pods, check_pool, whereabouts_network

PODS = 20


def test_host_local_serves_20_pods_and_frees_what_they_had(cluster):
    # The files are a node's own, and the segment is one: each node has a range.
    groups, first = [], {}
    for node in cluster.nodes:
        first[node.name] = ipaddress.ip_address("192.168.77.10") + 50 * node.number
        name = f"macvlan-hl-{node.number}"
        span = {"subnet": "192.168.77.0/24", "rangeStart": str(first[node.name]),
                "rangeEnd": str(first[node.name] + 24)}
        pods.create(cluster, pods.network(name, pods.macvlan({"type": "host-local", "ranges": [[span]]})))
        groups.append(pods.Group(cluster, f"hl-{node.number}", f"{name}@eth1", PODS // len(cluster.nodes), node.name))
    made = [pod for group in groups for pod in group.ready()]

    held = check_pods(cluster, made, lambda pod: f"default/macvlan-hl-{cluster.node(pods.node_of(pod)).number}")
    for node, group in zip(cluster.nodes, groups):
        addresses = sorted(a.split("/")[0] for pod in group.pods() for a in held[pods.name(pod)])
        assert addresses == sorted(str(first[node.name] + i) for i in range(group.replicas)), "the lowest ones"
        assert sorted(pods.local_files(node, f"macvlan-hl-{node.number}")) == addresses

    for group in groups:
        group.delete()
    for group in groups:
        group.gone()
    check_nothing_left(cluster)
    for node in cluster.nodes:
        assert pods.local_files(node, f"macvlan-hl-{node.number}") == {}


def test_whereabouts_serves_20_pods_of_both_nodes_and_frees_what_they_had(cluster):
    whereabouts_network(cluster, "macvlan-whereabouts", {"range": "172.17.0.0/24", "gateway": "172.17.0.1"})
    group = pods.Group(cluster, "wb", "macvlan-whereabouts@eth1", PODS)
    made = group.ready()
    assert {pods.node_of(pod) for pod in made} == {node.name for node in cluster.nodes}

    held = check_pods(cluster, made, "macvlan-whereabouts")
    check_pool(cluster, held)
    lowest = ipaddress.ip_address("172.17.0.2")  # behind the gateway
    assert sorted(a for held_by in held.values() for a in held_by) == sorted(f"{lowest + i}/24" for i in range(PODS))

    group.remove()
    check_nothing_left(cluster)
    assert pods.allocations(cluster) == {} and pods.reservations(cluster) == []


def test_dhcp_serves_20_pods_and_releases_every_lease(cluster):
    pods.create(cluster, pods.network("macvlan-dhcp", pods.macvlan({"type": "dhcp"})))
    group = pods.Group(cluster, "dh", "macvlan-dhcp@eth1", PODS)
    made = group.ready()

    held = check_pods(cluster, made, "macvlan-dhcp")
    assert sorted(cluster.dhcp.held()) == sorted(a.split("/")[0] for addresses in held.values() for a in addresses)

    group.remove()
    check_nothing_left(cluster)
    wait(lambda: not cluster.dhcp.held(), "the server has every lease back", 20)
    assert cluster.dhcp.released() >= {a.split("/")[0] for addresses in held.values() for a in addresses}
