# SPDX-License-Identifier: Apache-2.0
"""What the fault, crash and disk tests share: a bench to call the plugin on, and what must hold afterwards.

A bench is one node behind one fault proxy. Every case gets a Kubernetes namespace of its own, and with it
a Lease, pools and reservations of its own: so cases run side by side, and none has to clean up.

What must hold is the same for all: an address that was printed is in its pool and has its reservation;
and once the runtime has sent its DELs and one more call came by, the cluster is as it was, and no record is
left but those that wait for a request which could still be carried out. For these the time is changed,
and then they go, too.
"""

import dataclasses
import ipaddress
import itertools
import json
import os
import queue
import threading
import time
import traceback

import harness
from node import Node
from proxy import Proxy, answer, is_request

POLLS = {"7", "271", "73"}  # poll and ppoll, as /proc tells: of x86_64, and ppoll of aarch64
RECORDS = "/var/lib/cni/whereabouts/att"
GROUPS = "/run/cni-ipam"
WORKERS = int(os.environ.get("FAULT_WORKERS", "6"))

_numbers = itertools.count(1)
_making = threading.Lock()  # the first proxy makes a certificate that the others use


def attachment(id, pod, ifname="net1"):
    """The arguments of a call that say whose it is."""
    return {"id": id, "pod": pod, "ifname": ifname}


OURS = attachment("ours", "pod1")
LATER = attachment("later", "pod-later")


def network(*ranges, **ipam):
    """A network with these ranges."""
    if len(ranges) == 1:
        ipam["range"] = ranges[0]
    else:
        ipam["ipRanges"] = [{"range": r} for r in ranges]
    return {"cniVersion": "1.0.0", "name": "mynet", "type": "ipvlan", "ipam": {"type": "whereabouts", **ipam}}


class Bench:
    """One node behind one proxy. Made and used by one thread."""

    def __init__(self, api, name):
        self.api = api
        with _making:
            self.proxy = Proxy(api)
        try:
            self.node = Node(name)
        except BaseException:
            self.proxy.close()
            raise

    def close(self):
        self.node.close()
        self.proxy.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def fresh(self, **flat):
        """A new namespace, no records, no fault."""
        self.proxy.reset()
        self.namespace = f"case-{os.getpid()}-{next(_numbers)}"
        self.api.create_namespace(self.namespace)
        self.node.configure(self.api, server=self.proxy.url, namespace=self.namespace, **flat)
        for name in self.records(raw=True):
            self.record_path(name).unlink()

    # ---- calls ----

    def call(self, verb, config, who, wrap=(), timeout=150, **kwargs):
        return harness.finish(self.start(verb, config, who, wrap, **kwargs), timeout)

    def start(self, verb, config, who, wrap=(), **kwargs):
        who = dict(who)
        args = f"IgnoreUnknown=1;K8S_POD_NAMESPACE=ns1;K8S_POD_NAME={who.pop('pod')}"
        return harness.start(verb, config, binary=harness.WHEREABOUTS, wrap=(*self.node.wrap, *wrap),
                             args=args, **who, **kwargs)

    def delete(self, config, who):
        """The runtime's DEL, which has to succeed."""
        outcome = self.call("DEL", config, who)
        assert (outcome.rc, outcome.out) == (0, b""), f"DEL {who['id']}: {outcome}"
        return outcome

    # ---- what is there ----

    def pools(self):
        """{(pool, key): entry}"""
        return {(name, key): entry for name, entries in self.api.pools(self.namespace).items()
                for key, entry in (entries or {}).items()}

    def reservations(self):
        return self.api.reservations(self.namespace)

    def cluster(self):
        return self.pools(), self.reservations()

    def record_path(self, name):
        return self.node.path(f"{RECORDS}/{name}")

    def records(self, raw=False):
        """{file name: content} of the records' directory; raw: just the names."""
        directory = self.node.path(RECORDS)
        if not directory.is_dir():
            return [] if raw else {}
        names = sorted(os.listdir(directory))
        return names if raw else {n: self.record_path(n).read_text() for n in names}

    def age(self):
        """The time until which requests may be carried out has passed, for every record."""
        for name, text in self.records().items():
            if name.endswith(".release") or name.startswith("."):
                continue
            record = json.loads(text)
            if record["settledMs"]:
                record["settledMs"] = 1
                self.record_path(name).write_text(json.dumps(record))


# ---- scenarios: a call, and what was there before ----

RANGE = "10.1.0.0/28"
OTHER = {"id": "other", "podref": "ns1/other", "ifname": "net1"}
EARLIER = attachment("earlier", OURS["pod"])  # an earlier container of our pod
POOL, V6_POOL = "10.1.0.0-28", "fd00-1---120"


@dataclasses.dataclass
class Scenario:
    """A call and what was before. prepare(bench, config): whatever is not in the fields."""

    verb: str
    ranges: tuple = (RANGE,)
    ipam: dict = dataclasses.field(default_factory=dict)
    flat: dict = dataclasses.field(default_factory=dict)
    top: dict = dataclasses.field(default_factory=dict)
    others: bool = True          # others have addresses, so that pool and Lease are there
    prepare: object = None
    also: tuple = ()             # attachments whose DEL comes, too

    @property
    def config(self):
        return {**network(*self.ranges, **self.ipam), **self.top}

    @property
    def overlap(self):
        return self.ipam.get("enable_overlapping_ranges", True)

    def set_up(self, bench):
        bench.fresh(**self.flat)
        if self.others:
            bench.api.create_pool("10.1.0.0/28", {"1": OTHER}, namespace=bench.namespace)
            if self.overlap:
                bench.api.create_reservation("10.1.0.1", OTHER["podref"], ifname="net1", containerid="other",
                                             namespace=bench.namespace)
            if len(self.ranges) > 1:
                bench.api.create_pool("fd00:1::/120", namespace=bench.namespace)
            if not self.flat:
                bench.api.post(bench.api.path("leases", namespace=bench.namespace), {
                    "metadata": {"name": "whereabouts"}, "spec": {
                        "holderIdentity": "", "leaseDurationSeconds": 1, "leaseTransitions": 7}})
        background = bench.cluster()
        if self.prepare:
            self.prepare(bench, self.config)
            background = (background[0], {**background[1], **self.foreign(bench)})
        bench.proxy.reset()
        return background

    @staticmethod
    def foreign(bench):
        """Reservations of others that prepare() made."""
        return {n: r for n, r in bench.reservations().items() if r["podref"] == OTHER["podref"]}


def added(who):
    def prepare(bench, config):
        outcome = bench.call("ADD", config, who)
        assert outcome.rc == 0, outcome

    return prepare


def collision(bench, config):
    for last in (2, 3):
        bench.api.create_reservation(f"10.1.0.{last}", OTHER["podref"], namespace=bench.namespace)


def entry_is_of_another(bench, config):
    """Our pod's entry for an address whose reservation is another pod's."""
    bench.api.patch(bench.api.path("ippools", POOL, bench.namespace), [
        {"op": "add", "path": "/spec/allocations/2",
         "value": {"id": "earlier", "podref": "ns1/pod1", "ifname": "net1"}}])
    bench.api.create_reservation("10.1.0.2", OTHER["podref"], namespace=bench.namespace)


def left_by_a_delete(bench, config):
    """Our own attachment's DEL could not be finished."""
    added(OURS)(bench, config)
    bench.proxy.fault(is_request("PATCH"), answer(403), times=-1)
    outcome = bench.call("DEL", config, OURS)
    assert outcome.rc == 0 and b"403" in outcome.err, outcome
    assert any(name.endswith(".release") for name in bench.records(raw=True))


def without_record(who):
    def prepare(bench, config):
        added(who)(bench, config)
        for name in bench.records(raw=True):
            bench.record_path(name).unlink()

    return prepare


def moved(bench, config):
    added(EARLIER)(bench, config)
    added(OURS)(bench, config)


def sliced(bench, config):
    bench.api.create_slices("mynet", "10.1.0.0/24", "/28", [("elsewhere", "10.1.0.16/28"), (bench.node.name, "10.1.0.0/28")],
                            namespace=bench.namespace)


def added_in_slice(bench, config):
    sliced(bench, config)
    added(OURS)(bench, config)


DUAL = {"ranges": (RANGE, "fd00:1::/120")}
OFF = {"ipam": {"enable_overlapping_ranges": False}}
EVERYTHING = {"cniVersion": "1.1.0", "cni.dev/valid-attachments": []}
SLICED = {"ranges": ("10.1.0.0/24",), "ipam": {"node_slice_size": "/28"}, "others": False}
SCENARIOS = {
    "the first ADD": Scenario("ADD", others=False),
    "an ADD": Scenario("ADD"),
    "an ADD by another container of the pod": Scenario("ADD", prepare=added(EARLIER), also=(EARLIER,)),
    "an ADD once more": Scenario("ADD", prepare=added(OURS)),
    "an ADD past reservations of others": Scenario("ADD", prepare=collision),
    "an ADD whose entry is another's": Scenario("ADD", prepare=entry_is_of_another, also=(EARLIER,)),
    "an ADD with two ranges": Scenario("ADD", **DUAL),
    "the first ADD with two ranges": Scenario("ADD", others=False, **DUAL),
    "an ADD without overlap check": Scenario("ADD", **OFF),
    "an ADD without Lease": Scenario("ADD", flat={"locking": "optimistic"}),
    "an ADD after half a DEL": Scenario("ADD", prepare=left_by_a_delete),
    "a DEL": Scenario("DEL", prepare=added(OURS)),
    "a DEL with two ranges": Scenario("DEL", prepare=added(OURS), **DUAL),
    "a DEL without overlap check": Scenario("DEL", prepare=added(OURS), **OFF),
    "a DEL without Lease": Scenario("DEL", prepare=added(OURS), flat={"locking": "optimistic"}),
    "a DEL without record": Scenario("DEL", prepare=without_record(OURS)),
    "a DEL of who took over": Scenario("DEL", prepare=moved, also=(EARLIER,)),
    "a DEL of who was followed": Scenario("DEL", prepare=moved, also=(OURS,)),
    "a GC": Scenario("GC", prepare=added(OURS), top=EVERYTHING),
    "the first ADD in a slice": Scenario("ADD", prepare=sliced, **SLICED),
    "a DEL in a slice": Scenario("DEL", prepare=added_in_slice, **SLICED),
}
SUBJECTS = {"a DEL of who was followed": EARLIER}


def kind(request):
    """PATCH ippools"""
    parts = request.path.split("?")[0].split("/")
    return f"{request.method} {parts[parts.index('namespaces') + 2]}"


def clean(name, background):
    """What is left at the end. An entry that stood for another's address has gone by then."""
    pools = {k: v for k, v in background[0].items() if v["podref"] == OTHER["podref"]}
    return pools, background[1]


def follow(bench, scenario, who, outcome):
    """What the runtime sends next."""
    if scenario.verb == "ADD" or outcome.rc != 0:
        bench.delete(scenario.config, who)
    for other in scenario.also:
        bench.delete(scenario.config, other)


# ---- what must hold ----


def check_printed(bench, outcome, config, who, overlap=True):
    """What an ADD said is so."""
    addresses = outcome.addresses
    ranges = config["ipam"].get("ipRanges") or [config["ipam"]]
    assert len(addresses) == len(ranges), f"{len(ranges)} ranges, {outcome}"
    podref = f"ns1/{who['pod']}"
    pools, reservations = bench.cluster()
    entries = {(p, k): e for (p, k), e in pools.items()
               if (e["id"], e["podref"], e.get("ifname")) == (who["id"], podref, who["ifname"])}
    found = {address_of(pool, key) for pool, key in entries}
    assert found == set(addresses), f"printed {addresses}, in the pools {found}"
    if overlap:
        own = {"containerid": who["id"], "podref": podref, "ifname": who["ifname"]}
        for address in addresses:
            name = address.replace(":", "-")
            assert reservations.get(name) == own, f"printed {address}, reservation {reservations.get(name)}"
    return addresses


def address_of(pool, key):
    """The address of an entry. Pools of these tests are named [NODE-]NETWORK-PREFIX."""
    base = pool.rsplit("-", 1)[0]
    base = base.split("-")[-1] if "." in base else base.replace("-", ":")
    return str(ipaddress.ip_address(base) + int(key))


def check_error(outcome):
    """An error that can be read; its text."""
    assert outcome.rc == 1, f"exit status {outcome.rc}: {outcome}"
    said = outcome.json()
    assert isinstance(said["code"], int) and said["code"] > 0 and said["msg"], outcome
    return f"{said['msg']} {said.get('details', '')}"


def check_unsettled(bench, keep=()):
    """Records that are left are marked, and wait for a time that has not come yet."""
    records = bench.records()
    for name, text in records.items():
        if name.startswith(".") or name.endswith(".release"):
            assert not name.endswith(".release") or name[:-8] in records, f"a mark without a record: {name}"
            continue
        record = json.loads(text)
        if record["containerID"] in keep:
            continue
        assert f"{name}.release" in records, f"a record that is not marked is left: {text}"
        assert record["settledMs"] > time.time() * 1000, f"a settled record is left: {text}"


def check_clean(bench, config, background, where=""):
    """After the runtime's DELs: nothing is left, nothing is given twice, and the records go in time."""
    later = bench.call("ADD", config, LATER)
    assert later.rc == 0, f"{where}a later ADD: {later}"
    taken = {address_of(*key) for key in background[0]}
    assert not set(later.addresses) & taken, f"{where}given twice: {later}"
    bench.delete(config, LATER)
    assert bench.cluster() == background, f"{where}left in the cluster: {differences(bench.cluster(), background)}"
    check_unsettled(bench)
    bench.age()
    bench.delete(config, LATER)
    left = [n for n in bench.records(raw=True) if not n.startswith(".")]
    assert not left, f"{where}records are left: {bench.records()}"
    assert bench.cluster() == background, f"{where}changed by work that was left: {bench.cluster()}"


def differences(ours, theirs):
    """What is in one state of the cluster and not in the other."""
    return [({k: v for k, v in a.items() if b.get(k) != v}, {k: v for k, v in b.items() if a.get(k) != v})
            for a, b in zip(ours, theirs)]


# ---- many cases side by side ----


def waits(pid):
    """Whether a process is in poll()."""
    try:
        with open(f"/proc/{pid}/syscall", encoding="ascii") as file:
            return file.read().split()[0] in POLLS
    except (OSError, IndexError):
        return False


def run_all(api, cases, one, workers=WORKERS):
    """one(bench, case) for every case, by threads with a bench each. Fails with all that went wrong."""
    waiting = queue.SimpleQueue()
    for case in cases:
        waiting.put(case)
    failures, lock = [], threading.Lock()

    def work(number):
        with Bench(api, f"node{number}") as bench:
            while True:
                try:
                    case = waiting.get_nowait()
                except queue.Empty:
                    return
                try:
                    one(bench, case)
                except Exception as error:  # noqa: BLE001  (told below, with its case)
                    with lock:
                        where = traceback.extract_tb(error.__traceback__)[-1]
                        kind = "" if isinstance(error, AssertionError) else f"{type(error).__name__} "
                        failures.append(f"{case}: {kind}{error} (line {where.lineno} of {where.name})\n    "
                                        + "\n    ".join(map(repr, bench.proxy.requests)))

    def guarded(number):
        try:
            work(number)
        except Exception as error:  # noqa: BLE001
            with lock:
                failures.append(f"worker {number}: {type(error).__name__} {error}")

    threads = [threading.Thread(target=guarded, args=(i + 1,)) for i in range(min(workers, len(cases)))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    api.close()  # our own connection, which was idle for so long that the server may have ended it
    assert not failures, f"{len(failures)} of {len(cases)} cases:\n" + "\n".join(failures)
