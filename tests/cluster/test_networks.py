# SPDX-License-Identifier: Apache-2.0
"""Pods with several interfaces, and with addresses of both families."""

import pods
from networks import check_nothing_left, check_pods, check_pool, whereabouts_network


def test_two_interfaces_of_a_pod_on_one_network_have_an_address_each(cluster):
    whereabouts_network(cluster, "twice", {"range": "172.18.0.0/24"})
    group = pods.Group(cluster, "twice", "twice@eth1,twice@eth2", 4)
    made = group.ready()
    running = pods.processes(cluster, made)
    held = {}
    for pod in made:
        have, told = pods.inside(running[pods.name(pod)]), pods.told(pod)
        for ifname in ("eth1", "eth2"):
            assert told[ifname].addresses == pods.bare(have[ifname].addresses)
        held[pods.name(pod)] = have["eth1"].addresses + have["eth2"].addresses
    check_pool(cluster, held)
    assert len({a for of in held.values() for a in of}) == 8
    group.remove()
    check_nothing_left(cluster)
    assert pods.allocations(cluster) == {} and pods.reservations(cluster) == []


def test_both_families_of_a_pod_are_told_reached_and_freed(cluster):
    whereabouts_network(cluster, "dual", {"ipRanges": [{"range": "172.19.0.0/24"}, {"range": "fd00:19::/64"}]})
    group = pods.Group(cluster, "dual", "dual@eth1", 4)
    held = check_pods(cluster, group.ready(), "dual", count=2)
    for first, second in held.values():
        assert first.startswith("172.19.0.") and first.endswith("/24")
        assert second.startswith("fd00:19::") and second.endswith("/64")
    check_pool(cluster, held)
    group.remove()
    check_nothing_left(cluster)
    assert pods.allocations(cluster) == {} and pods.reservations(cluster) == []
