# SPDX-License-Identifier: Apache-2.0
"""What the tests of whereabouts on a real API server share.

Configurations, attachments, the two programs, the records on a node, and the one question that every test
may ask at its end: do the objects of the cluster say what the containers have, and nothing else?
"""

import dataclasses
import hashlib
import ipaddress
import json

import pytest

import apiserver
import harness
from apiserver import NAMESPACE, POOLS, RESERVATIONS

RECORDS = "/var/lib/cni/whereabouts/att"


def network(version="1.0.0", name="mynet", **ipam):
    """A network configuration; version None for none."""
    top = {} if version is None else {"cniVersion": version}
    return {**top, "name": name, "type": "ipvlan", "ipam": {"type": "whereabouts", **ipam}}


def printed(value):
    """A result, to the byte; members in the order in which they are given."""
    return json.dumps(value, indent=4, ensure_ascii=False).encode()


class Program:
    """Ours, or the Go program."""

    def __init__(self, ours):
        self.ours = ours
        self.path = harness.WHEREABOUTS if ours else harness.program(
            "PEER_WHEREABOUTS", apiserver.programs()["PEER_WHEREABOUTS"])

    def __repr__(self):
        return "ours" if self.ours else "peer"

    def call(self, node, verb, config, ifname="net1", **kwargs):
        return node.call(verb, config, binary=self.path, ifname=ifname, **kwargs)

    def start(self, node, verb, config, ifname="net1", **kwargs):
        return node.start(verb, config, binary=self.path, ifname=ifname, **kwargs)


@pytest.fixture(params=["ours", "peer"])
def program(request):
    """Ours, and the Go program: the latter checks the expectations themselves."""
    return Program(request.param == "ours")


@dataclasses.dataclass
class Attachment:
    """One interface of one container of a pod, and what it was given."""

    config: dict
    node: object = None
    pod: str = "pod1"
    id: str = "c1"
    ifname: str = "net1"
    namespace: str = "ns1"
    ours: bool = True
    addresses: list = dataclasses.field(default_factory=list)  # those of its ranges, as text

    @property
    def podref(self):
        return f"{self.namespace}/{self.pod}"

    @property
    def ipam(self):
        return self.config["ipam"]

    @property
    def network_name(self):
        return self.ipam.get("network_name", "")

    @property
    def overlap(self):
        return self.ipam.get("enable_overlapping_ranges", True)

    @property
    def entry(self):
        return {"id": self.id, "podref": self.podref, "ifname": self.ifname}

    @property
    def reservation(self):
        """The spec of each reservation; the Go program has no container there."""
        spec = {"podref": self.podref, "ifname": self.ifname}
        return {**spec, "containerid": self.id} if self.ours else spec

    @property
    def _who(self):
        return {"pod": self.pod, "namespace": self.namespace, "id": self.id, "ifname": self.ifname}

    def call(self, verb, program=None, **kwargs):
        """One call for it. program: a Program, ours when there is none."""
        path = program.path if program else harness.WHEREABOUTS
        return self.node.call(verb, self.config, binary=path, **{**self._who, **kwargs})

    def start(self, verb, program=None, **kwargs):
        path = program.path if program else harness.WHEREABOUTS
        return self.node.start(verb, self.config, binary=path, **{**self._who, **kwargs})

    def add(self, program=None, **kwargs):
        """An ADD that has to work; remembers its addresses."""
        return self.added(self.call("ADD", program, **kwargs), program)

    def added(self, outcome, program=None):
        """Takes the outcome of an ADD that was started."""
        assert outcome.rc == 0, outcome
        self.ours = program is None or program.ours
        self.addresses = outcome.addresses[: ranges_of(self.ipam)]
        return outcome

    def delete(self, program=None, **kwargs):
        """A DEL that has to work."""
        done = self.call("DEL", program, **kwargs)
        assert (done.rc, done.out) == (0, b""), done
        self.addresses = []
        return done


def ranges_of(ipam):
    """How many addresses a configuration takes from ranges."""
    return bool(ipam.get("range")) + len(ipam.get("ipRanges", ()))


def attachments(node, config, count, prefix="p", **kwargs):
    """That many pods with one container each: p0/c-p0, p1/c-p1, ..."""
    return [Attachment(config, node, pod=f"{prefix}{i}", id=f"c-{prefix}{i}", **kwargs) for i in range(count)]


# ---- what is there ----


def records(node):
    """The records of a node, by (network, container id, ifname)."""
    found = {}
    for file in _record_files(node):
        if file.suffix != ".release":
            record = json.loads(file.read_text())
            found[record["network"], record["containerID"], record["ifname"]] = record
    return found


def marks(node):
    """The names of the records that have to go."""
    return {file.stem for file in _record_files(node) if file.suffix == ".release"}


def _record_files(node):
    directory = node.path(RECORDS)
    return sorted(directory.iterdir()) if directory.is_dir() else []


def entries(api, namespace=NAMESPACE):
    """[(pool's name, address, entry)]: every entry of every pool, its key being decoded exactly."""
    found = []
    for pool in api.list(api.path(POOLS, namespace=namespace)):
        base = ipaddress.ip_address(pool["spec"]["range"].split("/")[0])
        for key, entry in pool["spec"]["allocations"].items():
            found.append((pool["metadata"]["name"], str(base + int(key)), entry))
    return found


def objects(api, namespace=NAMESPACE):
    """All of whereabouts' objects of a namespace, without what every write changes."""
    return {"pools": api.pools(namespace), "reservations": api.reservations(namespace)}


def assert_consistent(api, held, nodes=(), namespace=NAMESPACE, marked=False):
    """The objects say what the attachments hold, and nothing else.

    held: Attachments, each with its addresses. Every one of these has its entry in one pool and, unless
    ranges may overlap, its reservation; there is no other entry or reservation, no address is held twice
    under one network_name, and nobody holds a Lease. nodes: all nodes that took part; what ours holds
    has its record there, with these addresses and in state `held`, and there is no other record. marked:
    there may be others if they are marked, for later.
    """
    holders = {}
    for one in held:
        for address in one.addresses:
            other = holders.setdefault((one.network_name, one.overlap or pools_of(one), address), one)
            assert other is one, f"{address} was given twice: {other.entry} and {one.entry}"

    found = sorted((address, *_fields(entry)) for _, address, entry in entries(api, namespace))
    wanted = sorted((address, *_fields(one.entry)) for one in held for address in one.addresses)
    assert found == wanted, f"entries too many {_minus(found, wanted)}, missing {_minus(wanted, found)}"

    found = api.reservations(namespace)
    wanted = {apiserver.reservation_name(address, one.network_name): one.reservation
              for one in held if one.overlap for address in one.addresses}
    assert found == wanted, (f"reservations too many {sorted(found.keys() - wanted.keys())}, missing "
                             f"{sorted(wanted.keys() - found.keys())}, different "
                             f"{[(k, found[k], wanted[k]) for k in found.keys() & wanted if found[k] != wanted[k]]}")

    for lease in api.list(api.path("leases", namespace=namespace)):
        holder = lease["spec"].get("holderIdentity")
        assert not holder or lease["metadata"]["name"].startswith("apiserver-"), lease

    for node in nodes:
        assert_records(node, [one for one in held if one.ours and one.node is node], marked)


def assert_records(node, held, marked=False):
    """The records of one node are those of what it holds; see above."""
    wanted = {(one.config["name"], one.id, one.ifname): sorted(one.addresses) for one in held if one.addresses}
    found = records(node)
    digests = marks(node)
    if not marked:
        assert not digests, f"{node.name} has marked records: {digests}"
    found = {key: record for key, record in found.items() if digest(*key) not in digests}
    assert {key: sorted(i.get("ip", "") for i in r["items"]) for key, r in found.items()} == wanted, node.name
    assert {r["state"] for r in found.values()} <= {"held"}, node.name


def digest(name, id, ifname):
    """The name of the record of an attachment to the network of this name."""
    return hashlib.sha256("\0".join((name, id, ifname)).encode()).hexdigest()


def pools_of(one):
    """What tells the addresses of an attachment whose ranges may overlap others from theirs."""
    texts = [one.ipam.get("range", ""), *(r.get("range", "") for r in one.ipam.get("ipRanges", ()))]
    return tuple(texts)


def _fields(entry):
    return entry["id"], entry["podref"], entry.get("ifname", "")


def _minus(left, right):
    return [x for x in left if x not in right]
