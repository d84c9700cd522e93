# SPDX-License-Identifier: Apache-2.0
"""A node that is lost and comes back. It takes more than a minute until it has cleaned up."""

import pods
from cluster import wait


def test_the_end_of_a_lost_nodes_pod_does_not_free_what_its_successor_has(cluster, trio):
    """The pod is declared dead while its node is off, and runs on another one when that comes back."""
    lost, other = cluster.nodes
    group = trio.group("heir", 1, node=lost.name, kind="StatefulSet")
    first = group.ready()
    lost.stop()
    group.place(other.name)
    pods.force_delete(cluster, first[0])
    made = wait(lambda: (found := group.pods()) and group.count_ready() == 1 and
                pods.node_of(found[0]) == other.name and found, "the pod runs on the other node", 120)
    assert len(pods.allocations(cluster)["default/heir-0"]) == 1
    lost.power_on()
    # kubelet looks for sandboxes without a pod once a minute.
    wait(lambda: pods.local_files(lost, trio.local) == {}, "the lost node has cleaned up", 180)
    trio.check(made)
    group.remove()
    trio.check_free(leases=False)
    trio.forget_leases()
