# SPDX-License-Identifier: Apache-2.0
"""The default network as a file that Multus names (clusterNetwork): what distributions set up.

Multus keeps no more of it for DEL than {"type": "host-local"} as `ipam`. The Go plugin finds no range
there and fails, so the address of every pod's eth0 stays taken. The pod cannot end, or, where Multus'
daemon swallows the error, the address is lost for ever.
"""

import contextlib

import pods
from cluster import wait
from networks import check_nothing_left


@contextlib.contextmanager
def default_network_as_file(cluster, programs):
    """With other IPAM plugins: {name: path}, for each node."""
    for node in cluster.nodes:
        node.install_ipam(programs or node.peers())
        node.write_multus(as_file=True)
    try:
        yield
    finally:
        for node in cluster.nodes:
            node.install_ipam(cluster.ipam)
            node.write_multus()


def taken(cluster):
    return [pods.local_files(node, cluster.layout.network) for node in cluster.nodes]


def start(cluster, name):
    """Pods without any other network; their addresses are in the nodes' files."""
    group = pods.Group(cluster, name, "", 4)
    made = group.ready()
    assert {a for files in taken(cluster) for a in files} == {pod["status"]["podIP"] for pod in made}
    return group


def test_the_addresses_of_a_default_network_in_a_file_are_freed(cluster):
    with default_network_as_file(cluster, cluster.ipam):
        start(cluster, "kept").remove()
        assert taken(cluster) == [{}, {}]
        check_nothing_left(cluster)


def test_addresses_that_the_go_plugin_can_not_let_go_are_freed_by_ours(cluster):
    with default_network_as_file(cluster, None):
        group = start(cluster, "stuck")
        before = taken(cluster)
        group.delete()
        for node in cluster.nodes:  # the control: it is this input that is dangerous
            wait(lambda: "no IP ranges specified" in node.log("containerd").read_text(), "the Go plugin fails")
        if cluster.multus == "thick":
            group.gone()
        else:
            assert len(group.pods()) == 4
        assert taken(cluster) == before
        for node in cluster.nodes:
            node.install_ipam(cluster.ipam)
            if cluster.multus == "thick":
                node.run(f"{cluster.layout.bin}/host-local", "gc", cluster.layout.network, "--valid", "-", stdin="[]")
        group.gone(180)
        assert taken(cluster) == [{}, {}]
        check_nothing_left(cluster)
