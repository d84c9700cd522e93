# SPDX-License-Identifier: Apache-2.0
"""From the Go programs to ours and back, on nodes with pods that run: nothing is lost, nothing is double.

dhcp is not here: what a Go daemon knows of its leases goes with it.
"""

import contextlib

import pods
from networks import Networks


@contextlib.contextmanager
def ours_at_the_end(cluster):
    try:
        yield
    finally:
        for node in cluster.nodes:
            node.install_ipam(cluster.ipam)


def test_pods_live_through_the_way_from_go_to_ours_and_back_and_forth_again(cluster):
    networks = Networks(cluster, "way", dhcp=False)
    first, second = cluster.nodes
    with ours_at_the_end(cluster):
        for node in cluster.nodes:
            node.install_ipam(node.peers())
        group = networks.group("way", 8)
        held = networks.check(group.ready())

        def step(node, programs, scale=None):
            """Other programs on a node; then half of its pods are made anew. The rest keep what they have."""
            nonlocal held
            node.install_ipam(programs)
            assert networks.check(group.ready()) == held
            renewed = [pod for pod in group.ready() if pods.node_of(pod) == node.name][::2]
            assert renewed
            group.renew(renewed)
            now = networks.check(group.ready())
            kept = held.keys() - set(map(pods.name, renewed))
            assert {pod: now.get(pod) for pod in kept} == {pod: held[pod] for pod in kept}
            held = now

        step(first, cluster.ipam)    # both programs work on one pool
        step(second, cluster.ipam)
        step(first, first.peers())
        step(second, second.peers())
        step(first, cluster.ipam)
        step(second, cluster.ipam)
        group.remove()
        networks.check_free(records=False)
        # What the Go program has freed, ours still has a record of. Without pods these may be removed.
        for node in cluster.nodes:
            node.run("find", "/var/lib/cni/whereabouts/att", "-type", "f", "-delete")
