# SPDX-License-Identifier: Apache-2.0
"""What several test files ask of a network's pods, and the networks that they make."""

import lab
import pods
from cluster import wait

CONFIGURATION = "/whereabouts.d/whereabouts.conf"


def check_pods(cluster, made, network, count=1, ifname="eth1"):
    """Everything that holds for all plugins. network: what a pod's status calls it, or a function of the pod.
    Gives {name of a pod: addresses with prefix}."""
    running = pods.processes(cluster, made)
    assert sorted(running) == sorted(map(pods.name, made)), "every pod has a process"
    found = dict(zip(running, lab.at_once([lambda p=p: pods.inside(p) for p in running.values()])))
    for pod in made:
        told, have = pods.told(pod), found[pods.name(pod)]
        assert len(have[ifname].addresses) == count, pods.name(pod)
        assert told[ifname] == (pods.bare(have[ifname].addresses), have[ifname].mac), pods.name(pod)
        assert told["eth0"].addresses == pods.bare(have["eth0"].addresses) == [pod["status"]["podIP"]]
        wanted = network(pod) if callable(network) else f"default/{network}"
        assert pods.told_networks(pod) == {"eth0": cluster.layout.network, ifname: wanted}
    every = [a for have in found.values() for a in pods.bare(have[ifname].addresses)]
    assert len(set(every)) == count * len(made), sorted(every)
    firsts = {pods.node_of(pod): running[pods.name(pod)] for pod in made}
    assert lab.at_once([lambda p=p: pods.silent(p, every, ifname) for p in firsts.values()]) == [[]] * len(firsts)
    return {pod: have[ifname].addresses for pod, have in found.items()}


def check_nothing_left(cluster):
    """What holds for all plugins when no pod is there."""
    wait(lambda: not any(pods.namespaces(node) for node in cluster.nodes), "no pod's namespace is left", 30)
    for node in cluster.nodes:
        assert pods.local_files(node, cluster.layout.network) == {}, node.name


def whereabouts_network(cluster, name, ranges, **more):
    """A network as the documentation of K3s has it: there, the flat file must be named."""
    ipam = {"type": "whereabouts", **ranges, **more}
    if cluster.layout.name == "k3s":
        ipam["configuration_path"] = cluster.layout.conf + CONFIGURATION
    pods.create(cluster, pods.network(name, pods.macvlan(ipam)))


def check_pool(cluster, addresses):
    """Pool and reservations say exactly this: {pod: addresses}."""
    wanted = sorted((f"default/{pod}", address.split("/")[0].replace(":", "-"))
                    for pod, held in addresses.items() for address in held)
    wait(lambda: pods.reservations(cluster) == wanted, f"the reservations are {wanted}", 30)
    entries = pods.allocations(cluster)
    assert {pod: len(held) for pod, held in entries.items()} == {
        f"default/{pod}": len(held) for pod, held in addresses.items()}
    return entries


class Networks:
    """A network of each plugin, for pods that have them all at once. What their pods have is compared with
    all that the plugins keep. dhcp: whether that one is among them."""

    def __init__(self, cluster, name, dhcp=True):
        self.cluster, self.local, self.dhcp = cluster, f"{name}-local", dhcp
        self.interfaces = {"eth1": f"{name}-whereabouts", "eth2": self.local}
        whereabouts_network(cluster, f"{name}-whereabouts", {"range": "172.20.0.0/24"})
        # A bridge on each node: host-local knows no other node.
        pods.create(cluster, pods.network(self.local, {
            "cniVersion": "1.0.0", "type": "bridge", "bridge": f"br-{name}",
            "ipam": {"type": "host-local", "ranges": [[{"subnet": "10.77.0.0/24"}]]}}))
        if dhcp:
            self.interfaces["eth3"] = f"{name}-dhcp"
            pods.create(cluster, pods.network(f"{name}-dhcp", pods.macvlan({"type": "dhcp"})))

    def group(self, name, replicas, **more):
        annotation = ",".join(f"{network}@{ifname}" for ifname, network in self.interfaces.items())
        return pods.Group(self.cluster, name, annotation, replicas, **more)

    def check(self, made):
        """{pod: {interface: addresses}}, once all that is kept says just that."""
        running = pods.processes(self.cluster, made)
        held = {}
        for pod in made:
            have, told = pods.inside(running[pods.name(pod)]), pods.told(pod)
            for ifname in self.interfaces:
                assert told[ifname].addresses == pods.bare(have[ifname].addresses), pods.name(pod)
                assert len(have[ifname].addresses) == 1
            held[pods.name(pod)] = {ifname: have[ifname].addresses for ifname in ("eth0", *self.interfaces)}
        check_pool(self.cluster, {pod: of["eth1"] for pod, of in held.items()})
        if self.dhcp:
            leases = {a for of in held.values() for a in pods.bare(of["eth3"])}
            assert len(leases) == len(made) and leases <= set(self.cluster.dhcp.held())
        for node in self.cluster.nodes:
            here = [held[pods.name(pod)] for pod in made if pods.node_of(pod) == node.name]
            for ifname, network in (("eth2", self.local), ("eth0", self.cluster.layout.network)):
                assert set(pods.local_files(node, network)) == {a for of in here for a in pods.bare(of[ifname])}
        return held

    def check_free(self, leases=True, records=True):
        """Nothing is kept any more. leases: also at the DHCP server; records: also those of ours."""
        check_nothing_left(self.cluster)
        assert pods.allocations(self.cluster) == {} and pods.reservations(self.cluster) == []
        for node in self.cluster.nodes:
            assert pods.local_files(node, self.local) == {}
            assert not records or node.names("/var/lib/cni/whereabouts/att") == []
            assert not [name for name in node.names("/run/cni/dhcp.sock.d") if name.endswith((".json", ".del"))]
        if leases:
            wait(lambda: not self.cluster.dhcp.held(), "the server has every lease back", 30)

    def forget_leases(self):
        """The server begins anew: what was lost before a power cut comes back by time alone."""
        self.cluster.dhcp.restart()
