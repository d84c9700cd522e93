# SPDX-License-Identifier: Apache-2.0
"""Many calls at once, on nodes, and what the cluster and the nodes must look like afterwards."""

import contextlib
import ipaddress
import json
import os
import pathlib
import threading

import harness
from apiserver import NAMESPACE, POOLS, pool_name, reservation_name
from proxy import delay

GROUPS = "/run/cni-ipam/whereabouts"
RECORDS = "/var/lib/cni/whereabouts/att"


def network(name="mynet", version="1.0.0", valid=None, **ipam):
    """A network's configuration; valid: the attachments that a GC leaves, as (id, ifname)."""
    config = {"cniVersion": version, "name": name, "type": "ipvlan",
              "ipam": {"type": "whereabouts", **ipam}}
    if valid is not None:
        config["cni.dev/valid-attachments"] = [{"containerID": i, "ifname": n} for i, n in valid]
    return config


class Pod:
    """A pod's interface in a network, on a node."""

    def __init__(self, node, name, config, ifname="net1", id=None, namespace="ns1"):
        self.node, self.name, self.config, self.ifname = node, name, config, ifname
        self.id, self.namespace = id or f"c-{name}-{ifname}", namespace

    @property
    def podref(self):
        return f"{self.namespace}/{self.name}"

    def start(self, verb, binary=None, **more):
        return self.node.start(verb, more.pop("config", self.config), binary=binary or harness.WHEREABOUTS,
                               pod=self.name, namespace=self.namespace, id=self.id, ifname=self.ifname, **more)

    def call(self, verb, binary=None, timeout=90, **more):
        return harness.finish(self.start(verb, binary, **more), timeout)


def at_once(verb, pods, binary=None, timeout=150, **more):
    """The outcomes of one verb for all of them, started together."""
    running = [pod.start(verb, binary, **more) for pod in pods]
    return [harness.finish(process, timeout) for process in running]


def succeeded(outcomes):
    """Their addresses: all of them have succeeded."""
    failed = [o for o in outcomes if o.rc != 0]
    assert not failed, f"{len(failed)} of {len(outcomes)} failed, such as {failed[0]}"
    return [a for o in outcomes if o.out for a in o.addresses]


def gone(outcomes):
    """All DELs are done, and none is left for later."""
    wrong = [o for o in outcomes if (o.rc, o.out, o.err) != (0, b"", b"")]
    assert not wrong, f"{len(wrong)} of {len(outcomes)}, such as {wrong[0]}"


# ---- the cluster ----


def entries(api, namespace=NAMESPACE):
    """{(network_name, address): entry} of all pools; an address that stands in two pools is a failure."""
    found = {}
    for pool in api.list(api.path(POOLS, namespace=namespace)):
        name, cidr = pool["metadata"]["name"], pool["spec"]["range"]
        prefix = name.removesuffix(pool_name(cidr)).removesuffix("-")
        assert pool_name(cidr, prefix) == name
        base = ipaddress.ip_network(cidr)[0]
        for offset, entry in pool["spec"]["allocations"].items():
            place = prefix, str(base + int(offset))
            assert place not in found, f"{place} is given twice: {entry} and {found[place]}"
            found[place] = entry
    return found


def consistent(api, namespace=NAMESPACE):
    """The entries; each has its reservation, and no other reservation is there."""
    have = entries(api, namespace)
    reserved = api.reservations(namespace)
    wanted = {reservation_name(address, prefix): (e["podref"], e["ifname"])
              for (prefix, address), e in have.items()}
    there = {name: (spec["podref"], spec.get("ifname")) for name, spec in reserved.items()}
    assert there == wanted, f"without entry {differ(there, wanted)}, without reservation {differ(wanted, there)}"
    return have


def differ(a, b):
    return sorted(item for item in a.items() if item not in b.items())[:5]


def empty(api, namespace=NAMESPACE):
    assert consistent(api, namespace) == {}


def held_by(api, pods, namespace=NAMESPACE):
    """Exactly these pods have addresses, one each: {pod id: address}."""
    have = consistent(api, namespace)
    ours = {(e["id"], e["podref"], e["ifname"]): address for (_, address), e in have.items()}
    assert len(ours) == len(have), f"one pod has several: {have}"
    wanted = {(p.id, p.podref, p.ifname) for p in pods}
    assert set(ours) == wanted, f"too many {sorted(set(ours) - wanted)[:5]}, missing {sorted(wanted - set(ours))[:5]}"
    return {id: address for (id, _, _), address in ours.items()}


# ---- the nodes ----


def records(node):
    """{container id: state} of a node's records; 'release' in it for one that has to go."""
    path, found = node.path(RECORDS), {}
    for name in sorted(os.listdir(path)) if path.is_dir() else ():
        if name.endswith(".release"):
            continue
        record = json.loads((path / name).read_text())
        marked = (path / f"{name}.release").exists()
        found[record["containerID"]] = record["state"] + (" release" if marked else "")
    return found


def full_records(node):
    """The texts of a node's records."""
    path = node.path(RECORDS)
    return [json.loads((path / name).read_text()) for name in sorted(os.listdir(path)) if "." not in name]


def no_records(*nodes):
    for node in nodes:
        assert records(node) == {}, node.name
        path = node.path(RECORDS)
        assert not path.is_dir() or os.listdir(path) == [], node.name


def group(node):
    """The directory of a node's only group; it is there once a call has been made."""
    name, = (name for name in os.listdir(node.path(GROUPS)) if not name.endswith(".sock"))
    return name


def waiting(node):
    """How many connections the leader's socket has, accepted or not."""
    path = node.path(GROUPS)
    names = os.listdir(path) if path.is_dir() else []
    count = 0
    for line in pathlib.Path("/proc/net/unix").read_text().splitlines()[1:]:
        fields = line.split()
        listens = int(fields[3], 16) & 0x10000
        if len(fields) > 7 and not listens and any(fields[7] == f"{GROUPS}/{name}/sock" for name in names):
            count += 1
    return count


def until_waiting(node, count):
    harness.eventually(lambda: waiting(node) >= count, f"{count} wait for the leader of {node.name}")


# ---- requests that wait ----


@contextlib.contextmanager
def held(proxy, when, done=False):
    """The next request that `when` is for waits at the server until the block ends."""
    let_go = threading.Event()
    proxy.fault(when, delay(let_go, done))
    try:
        yield
    finally:
        let_go.set()


def until_asked(proxy, when, count=1):
    harness.eventually(lambda: sum(when(r) for r in proxy.requests) >= count, "the request that is held comes")
