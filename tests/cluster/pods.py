# SPDX-License-Identifier: Apache-2.0
"""Pods of a cluster: making them, and what they look like from all sides.

A group of pods has a label of its own, by which its pods are found. What a pod has on its interfaces is
read in its namespace, what it was given according to Multus in its annotation.
"""

import collections
import json
import pathlib
import subprocess

import images
import lab
from cluster import wait

PATHS = {
    "Deployment": "/apis/apps/v1/namespaces/{}/deployments",
    "StatefulSet": "/apis/apps/v1/namespaces/{}/statefulsets",
    "Pod": "/api/v1/namespaces/{}/pods",
    "NetworkAttachmentDefinition": "/apis/k8s.cni.cncf.io/v1/namespaces/{}/network-attachment-definitions",
}
NETWORKS, STATUS = "k8s.v1.cni.cncf.io/networks", "k8s.v1.cni.cncf.io/network-status"

Interface = collections.namedtuple("Interface", "addresses mac")


def create(cluster, thing):
    meta = thing["metadata"]
    return cluster.api.post(PATHS[thing["kind"]].format(meta.setdefault("namespace", "default")), thing)


def network(name, config):
    """A NetworkAttachmentDefinition."""
    return {"apiVersion": "k8s.cni.cncf.io/v1", "kind": "NetworkAttachmentDefinition", "metadata": {"name": name},
            "spec": {"config": json.dumps(config)}}


def macvlan(ipam, **more):
    """The configuration of a network on the segment that all nodes share."""
    return {"cniVersion": "1.0.0", "type": "macvlan", "master": "eth0", "mode": "bridge", "ipam": ipam, **more}


# A pod sleeps, and ends as soon as it is asked to, or else says so in a file and waits for another.
PROMPT = "trap exit TERM; sleep 2147483647 & wait"
ASKED, MAY_GO = "/tmp/asked", "/tmp/may-go"
SLOW = f"trap 'touch {ASKED}; until [ -e {MAY_GO} ]; do sleep 0.1; done; exit' TERM; sleep 2147483647 & wait"


def template(label, networks, node=None, script=PROMPT):
    spec = {"terminationGracePeriodSeconds": 1 if script == PROMPT else 600, "automountServiceAccountToken": False,
            "containers": [{"name": "c", "image": images.BUSYBOX, "imagePullPolicy": "IfNotPresent",
                            "command": ["sh", "-c", script]}]}
    if node:
        spec["nodeSelector"] = {"kubernetes.io/hostname": node}
    return {"metadata": {"labels": {"group": label}, "annotations": {NETWORKS: networks}}, "spec": spec}


class Group:
    """A Deployment or StatefulSet, made with this object. It goes with remove(), and must go."""

    def __init__(self, cluster, name, networks, replicas, node=None, kind="Deployment", script=PROMPT):
        self.cluster, self.name, self.replicas, self.kind = cluster, name, replicas, kind
        self.path = f"{PATHS[kind].format('default')}/{name}"
        spec = {"replicas": replicas, "selector": {"matchLabels": {"group": name}},
                "template": template(name, networks, node, script)}
        if kind == "StatefulSet":
            spec.update(serviceName=name, podManagementPolicy="Parallel")
        create(cluster, {"apiVersion": "apps/v1", "kind": kind, "metadata": {"name": name}, "spec": spec})

    def pods(self):
        return self.cluster.api.list(f"/api/v1/namespaces/default/pods?labelSelector=group%3D{self.name}")

    def count_ready(self):
        return self.cluster.api.get(self.path)["status"].get("readyReplicas", 0)

    def ready(self, seconds=120):
        """Until all are ready, and no other pod of it is left; the pods."""
        return wait(lambda: (found := self.pods()) and len(found) == self.replicas and all(map(is_ready, found)) and
                    found, f"{self.replicas} pods of {self.name} are ready", seconds)

    def renew(self, made):
        """Other pods instead of these."""
        for pod in made:
            self.cluster.api.delete(f"{PATHS['Pod'].format('default')}/{name(pod)}")

    def scale(self, replicas):
        self.replicas = replicas
        self.cluster.api.patch(self.path, {"spec": {"replicas": replicas}}, "application/merge-patch+json")

    def place(self, node):
        """Pods made from now on run on this node."""
        self.cluster.api.patch(self.path, {"spec": {"template": {"spec": {"nodeSelector": {
            "kubernetes.io/hostname": node}}}}}, "application/merge-patch+json")

    def restarts(self):
        return sum(status["restartCount"] for pod in self.pods() for status in pod["status"]["containerStatuses"])

    def delete(self):
        self.cluster.api.delete(self.path, {"propagationPolicy": "Background"})

    def gone(self, seconds=120):
        wait(lambda: not self.pods(), f"no pod of {self.name} is left", seconds)

    def remove(self, seconds=120):
        self.delete()
        self.gone(seconds)


def is_ready(pod):
    return "deletionTimestamp" not in pod["metadata"] and any(
        one["type"] == "Ready" and one["status"] == "True" for one in pod["status"].get("conditions", []))


def name(pod):
    return pod["metadata"]["name"]


def node_of(pod):
    return pod["spec"]["nodeName"]


def told(pod):
    """{interface: (addresses, MAC)} as Multus' annotation tells, and the names of the networks."""
    status = json.loads(pod["metadata"]["annotations"][STATUS])
    return {one["interface"]: Interface(one.get("ips", []), one.get("mac")) for one in status}


def told_networks(pod):
    return {one["interface"]: one["name"] for one in json.loads(pod["metadata"]["annotations"][STATUS])}


def _hosts(node):
    """[(name of a pod, path of a process's directory in /proc)] of all containers' processes on a node."""
    for entry in node.path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                environ = (entry / "environ").read_bytes().split(b"\0")
            except OSError:
                continue
            for variable in environ:
                if variable.startswith(b"HOSTNAME="):
                    yield variable.removeprefix(b"HOSTNAME=").decode(errors="replace"), entry


def processes(cluster, pods):
    """{name of a pod: path of its process's directory in /proc}, for those whose container runs."""
    wanted, found = {name(pod) for pod in pods}, {}
    for node in cluster.nodes:
        for host, entry in _hosts(node):
            if host in wanted:
                found.setdefault(host, entry)
    return found


def _standing(node):
    """{netns: process} of what is deployed and in no test's group, but on the default network."""
    return {namespace(entry).stat().st_ino: entry for host, entry in _hosts(node)
            if host.startswith("whereabouts-controller-")}


def file_of(process, inside):
    """A pod's file, from outside."""
    return pathlib.Path(process, "root", inside.lstrip("/"))


def force_delete(cluster, pod):
    """The object is gone at once, whatever the node does."""
    cluster.api.delete(f"{PATHS['Pod'].format('default')}/{name(pod)}", {"gracePeriodSeconds": 0})


def namespace(process):
    return pathlib.Path(process, "ns/net")


def inside(process):
    """{interface: (addresses with prefix, MAC)} as they are."""
    links = json.loads(lab.command(lab.tool("nsenter"), f"--net={namespace(process)}", "--", "ip", "-json", "address"))
    return {link["ifname"].split("@")[0]: Interface(
        [f"{a['local']}/{a['prefixlen']}" for a in link["addr_info"] if a["scope"] == "global"], link["address"])
        for link in links}


def bare(addresses):
    return [address.split("/")[0] for address in addresses]


def silent(process, addresses, ifname="eth1"):
    """Those of these addresses that do not answer to a ping out of a pod."""
    script = 'for a; do ping -n -c 1 -w 10 -I "$0" "$a" >/dev/null 2>&1 || echo "$a" & done; wait'
    done = subprocess.run([lab.tool("nsenter"), f"--net={namespace(process)}", "--", "sh", "-c", script, ifname,
                           *addresses], capture_output=True, text=True, timeout=60, env={"PATH": lab.PATH})
    return done.stdout.split()


def namespaces(node):
    """The namespaces that a node has for the tests' pods: none, if all of these are gone."""
    standing = _standing(node)
    return [entry for entry in node.names("/run/netns") if entry.startswith("cni-")
            and node.path(f"/run/netns/{entry}").stat().st_ino not in standing]


def local_files(node, network_name):
    """{address: container id} of host-local's files on a node, for the tests' pods."""
    directory = f"/var/lib/cni/networks/{network_name}"
    standing = {a for process in _standing(node).values() for a in bare(inside(process)["eth0"].addresses)}
    return {entry: node.path(f"{directory}/{entry}").read_text().split()[0] for entry in node.names(directory)
            if entry[0].isdigit() and entry not in standing}


def allocations(cluster):
    """{pod reference: addresses by their offsets} of all pools, several times the same if it is there."""
    found = collections.defaultdict(list)
    for pool in cluster.api.list("/apis/whereabouts.cni.cncf.io/v1alpha1/ippools"):
        for offset, entry in pool["spec"]["allocations"].items():
            found[entry["podref"]].append((pool["metadata"]["name"], int(offset)))
    return dict(found)


def reservations(cluster):
    """[(pod reference, name)], sorted."""
    items = cluster.api.list("/apis/whereabouts.cni.cncf.io/v1alpha1/overlappingrangeipreservations")
    return sorted((item["spec"]["podref"], item["metadata"]["name"]) for item in items)
