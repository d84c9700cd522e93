# SPDX-License-Identifier: Apache-2.0
"""The parts of the differential test of whereabouts: random sessions, the table of allowed differences, the
comparison.

A *session* is a sequence of steps. Each step is one ADD or DEL, with a random configuration, of a random
attachment. The Go program makes it on a node whose kubeconfig names one namespace of the API server, ours
on a node with another, at the same time; both namespaces hold the same objects before. From the Go program's
outcome and objects an *expectation* is made; the rows of DIFFERENCES, in order, change it where ours is
meant to differ; then ours must meet it: standard output to the byte (of an error: code, msg, and details
where the Go program has them), exit status, and all objects. After a step whose objects differed both go on
from ours.

Everything is drawn from Random(f'{seed}/{session}').
"""

import concurrent.futures
import copy
import dataclasses
import ipaddress
import json
import random
import re

import harness
import wb
from apiserver import MERGE_PATCH, POOLS, RESERVATIONS, V1ALPHA1, pool_name, reservation_name

THEIRS, OURS = "theirs", "ours"
STEPS_OF_A_SESSION = 15


# ---- objects of both namespaces ----


@dataclasses.dataclass
class Objects:
    pools: dict  # name: {"range", "allocations"}
    reservations: dict  # name: spec

    def copy(self):
        return copy.deepcopy(self)

    def entries(self):
        """[(pool, key, address, entry)]"""
        return [(name, key, address_of(pool["range"], key), entry) for name, pool in self.pools.items()
                for key, entry in pool["allocations"].items()]

    def without_empty_pools_but(self, before):
        """As it is, but for the pools that a call made and put nothing into."""
        pools = {n: p for n, p in self.pools.items() if p["allocations"] or n in before.pools}
        return Objects(pools, self.reservations)


def address_of(range, key):
    return str(ipaddress.ip_address(range.split("/")[0]) + int(key))


class Cluster:
    """The two namespaces and their nodes."""

    def __init__(self, api, nodes):
        self.api = api
        for namespace in (THEIRS, OURS, "markers"):
            if not api.find(f"/api/v1/namespaces/{namespace}"):
                api.create_namespace(namespace)
        self.nodes = {}
        for namespace in (THEIRS, OURS):
            (self.nodes[namespace],) = nodes(1, namespace=namespace)
        self.number = 0

    def clear(self):
        """Neither has objects, and ours knows nothing of those that there were."""
        for file in self.nodes[OURS].path(wb.RECORDS).glob("*"):
            file.unlink()
        self.api.clear()
        self.api.create_pool("10.255.255.0/24", namespace="markers")
        self.api.create_reservation("marker", "", namespace="markers")

    def read(self):
        """(theirs, ours). A LIST comes at once when something of its kind was changed just before."""
        found = {THEIRS: Objects({}, {}), OURS: Objects({}, {})}
        self.number += 1
        for plural, name in ((POOLS, "10.255.255.0-24"), (RESERVATIONS, "marker")):
            self.api.patch(self.api.path(plural, name, "markers"),
                           {"metadata": {"annotations": {"number": str(self.number)}}}, MERGE_PATCH)
            for thing in self.api.list(f"{V1ALPHA1}/{plural}"):
                of = found.get(thing["metadata"]["namespace"])
                if of is not None:
                    (of.pools if plural == POOLS else of.reservations)[thing["metadata"]["name"]] = thing["spec"]
        return found[THEIRS], found[OURS]

    def write(self, namespace, now, wanted):
        """Makes the objects of a namespace the wanted ones."""
        for plural, kind, old, new in ((POOLS, "IPPool", now.pools, wanted.pools),
                                       (RESERVATIONS, "OverlappingRangeIPReservation", now.reservations,
                                        wanted.reservations)):
            for name in old.keys() | new.keys():
                path = self.api.path(plural, name, namespace)
                if old.get(name) == new.get(name):
                    continue
                if name in old:
                    self.api.delete(path)
                if name in new:
                    self.api.post(self.api.path(plural, namespace=namespace), {
                        "apiVersion": "whereabouts.cni.cncf.io/v1alpha1", "kind": kind,
                        "metadata": {"name": name}, "spec": new[name]})


# ---- random sessions ----


@dataclasses.dataclass
class Who:
    """An interface of a pod, and the containers that it had."""

    pod: str
    ifname: str
    config: dict
    generation: int = 0
    added: set = dataclasses.field(default_factory=set)

    @property
    def id(self):
        return f"{self.pod}-{self.generation}"


@dataclasses.dataclass
class Step:
    what: str
    verb: str
    config: object
    pod: str
    id: str
    ifname: str
    args: str
    error: str = ""  # the name of the injection
    held: tuple = ()  # of ours before: (network, id, ifname)
    before: Objects = None
    theirs: object = None  # outcome, and the objects after it
    their_objects: Objects = None
    ours: object = None
    our_objects: Objects = None
    rerun: object = None

    @property
    def ipam(self):
        ipam = self.config.get("ipam") if isinstance(self.config, dict) else None
        return ipam if isinstance(ipam, dict) else {}

    @property
    def podref(self):
        return f"ns1/{self.pod}"

    @property
    def network_name(self):
        return self.ipam.get("network_name", "")

    @property
    def overlap(self):
        return self.ipam.get("enable_overlapping_ranges", True)

    def ranges(self):
        """The networks of its ranges, in order."""
        texts = [self.ipam.get("range"), *(r.get("range") for r in self.ipam.get("ipRanges", ()))]
        return [network_of(t) for t in texts if t]

    def pools(self):
        return [pool_name(str(n), self.network_name) for n in self.ranges()]

    def __str__(self):
        return (f"{self.what}: {self.verb} pod={self.pod} id={self.id} ifname={self.ifname} args={self.args!r} "
                f"error={self.error!r}\n{json.dumps(self.config) if isinstance(self.config, dict) else self.config}")


V4_RANGES = ["10.0.0.0/28", "10.0.0.1/29", "10.0.0.8/29", "10.0.0.3-10.0.0.9/28", "10.0.1.0/30", "10.0.0.0/24",
             "010.0.0.4-10.0.0.6/29", "10.0.0.250-10.0.1.2/23", "10.0.0.9-10.0.0.3/28"]
V6_RANGES = ["fd00::/124", "fd00::8/125", "fd00::/64", "fd00::3-fd00::9/124", "FD00:0::/126",
             "fd00::10:0:0:0-fd00::10:0:0:9/64", "2001:db8:480:603d:0304:0403:000:0000-"
             "2001:db8:480:603d:0304:0403:0000:0004/64"]
FAR_RANGES = ["fd00::8000:0:0:0-fd00::8000:0:0:9/64", "fd00:0:0:5::7-fd00:0:0:5::9/48"]


def near(rng, text):
    """An address in the range of this text, or close to it."""
    network = network_of(text)
    at = int(network.network_address) + rng.randint(-1, min(18, network.num_addresses))
    return str(ipaddress.ip_address(at) if network.version == 6 else ipaddress.IPv4Address(at))


def random_range(rng, v6=None):
    v6 = rng.random() < 0.4 if v6 is None else v6
    pool = V6_RANGES if v6 else V4_RANGES
    members = {"range": rng.choice(FAR_RANGES) if v6 and rng.random() < 0.12 else rng.choice(pool)}
    if rng.random() < 0.25:
        members["range_start"] = near(rng, members["range"])
    if rng.random() < 0.25:
        members["range_end"] = near(rng, members["range"])
    if rng.random() < 0.35:
        members["exclude"] = []
        for _ in range(rng.randint(1, 3)):
            address = near(rng, members["range"])
            bits = 128 if ":" in address else 32
            members["exclude"].append(address + rng.choice(["", f"/{bits}", f"/{bits - 1}", f"/{bits - 2}"]))
    return members


def network_of(text):
    """The network that a range is in, or ValueError; where it begins may make no sense."""
    if "/" not in text:
        raise ValueError(f"{text} has no prefix")
    return ipaddress.ip_network(re.sub(r"\b0+(\d)", r"\1", text.split("-")[-1]), strict=False)


def random_ranges(rng):
    """`range`, `ipRanges` or both. Of one configuration no two overlap: ours then differs by rule, and
    test_differential.py has a case for each way."""
    while True:
        members = [random_range(rng) for _ in range(rng.choice([1, 1, 1, 2, 2, 3]))]
        networks = [network_of(m["range"]) for m in members]
        if not any(a.version == b.version and a.overlaps(b) for i, a in enumerate(networks) for b in networks[:i]):
            break
    ipam = members.pop() if rng.random() < 0.6 else {}
    return {**ipam, "ipRanges": members} if members else ipam


def random_config(rng):
    ipam = {"type": "whereabouts", **random_ranges(rng)}
    if rng.random() < 0.25:
        ipam["network_name"] = rng.choice(["net-a", "b"])
    if rng.random() < 0.3:
        ipam["enable_overlapping_ranges"] = rng.random() < 0.3
    if rng.random() < 0.4:
        first = ipam.get("range") or ipam["ipRanges"][0]["range"]
        inside = str(network_of(first).network_address + 1)
        ipam["gateway"] = rng.choice(["10.9.0.1", "fd99::1", "010.9.0.1", inside, inside, near(rng, first)])
    if rng.random() < 0.2:
        ipam["addresses"] = rng.sample([
            {"address": "10.5.0.9/24", "gateway": "10.5.0.1"}, {"address": "fd05::9/64"},
            {"address": "010.5.0.10/16"}], rng.randint(1, 2))
    if rng.random() < 0.3:
        ipam["routes"] = rng.sample([
            {"dst": "0.0.0.0/0"}, {"dst": "10.8.0.5/16", "gw": "10.5.0.1"}, {"dst": "::/0", "gw": "fd00::1"},
            {"dst": "192.168.0.0/16", "mtu": 1400, "priority": 5}, {"dst": "fd01::/64", "table": 7, "scope": 253}],
            rng.randint(1, 3))
    if rng.random() < 0.2:
        ipam["dns"] = rng.choice([{"nameservers": ["10.1.1.1"]}, {}, {
            "domain": "a.example", "search": ["s", "t"], "options": ["ndots:2"]}])
    config = {"name": rng.choice(["mynet", "other"]), "type": "ipvlan", "ipam": ipam}
    version = rng.choice([None, *harness.VERSIONS, "1.0.0", "1.0.0"])
    if version is not None:
        config["cniVersion"] = version
    return config


# Each breaks a step; what comes out of it is the Go program's affair.
INJECTIONS = []


def injection(function):
    INJECTIONS.append(function)
    return function


@injection
def bad_range(rng, step):
    text = rng.choice(["nonsense", "10.0.0.0", "10.0.0.0/33", "x-10.0.0.9/28", "10.0.0.1-x", " 10.0.0.0/28",
                       "10.0.1.5-10.0.2.9/28", "10.0.0.0/31", "10.0.0.7/32", "fd00::/127", "fd00::1/128", "1.2.3/24",
                       "fd00::/129", "10.0.0.1-10.0.0.5", "-10.0.0.5/28", "10.0.0.0/28/28"])
    if rng.random() < 0.5:
        step.config["ipam"]["range"] = text
    else:
        step.config["ipam"].setdefault("ipRanges", []).append({"range": text})


@injection
def bad_bound(rng, step):
    key = rng.choice(["range_start", "range_end"])
    text = rng.choice(["zzz", "10.0.0.1/24", "010.0.0.3", "", "10.9.9.9"])
    if rng.random() < 0.5:
        step.config["ipam"][key] = text
    else:
        step.config["ipam"].pop("range", None)
        step.config["ipam"]["ipRanges"] = [{"range": "10.0.0.0/28", key: text}]


@injection
def bad_exclude(rng, step):
    step.config["ipam"].pop("ipRanges", None)
    step.config["ipam"].update(range=rng.choice(["10.0.0.0/28", "fd00::/124"]), exclude=[rng.choice(
        ["foo", "10.0.0.1/123", "010.0.0.1", "100::2::1", "10.0.0.0/", "10.0.0.0/28"])])


@injection
def bad_gateway(rng, step):
    step.config["ipam"]["gateway"] = rng.choice(["nope", "10.0.0.1/24", "10.0.0.256", "::g"])


@injection
def bad_address(rng, step):
    step.config["ipam"]["addresses"] = [{"address": rng.choice(["nope", "10.5.0.1", "10.5.0.1/33", ""])}]


@injection
def too_many_addresses(rng, step):
    step.config["cniVersion"] = rng.choice(["0.1.0", "0.2.0", ""])
    step.config["ipam"]["addresses"] = [{"address": "10.5.0.1/24"}, {"address": "10.5.0.2/24"}]


@injection
def bad_route(rng, step):
    step.config["ipam"]["routes"] = [rng.choice([
        {"dst": "nope"}, {"dst": "10.8.0.0/16", "gw": "nope"}, {"dst": "10.8.0.0/16", "mtu": "x"}, {"dst": 5}])]


@injection
def bad_type(rng, step):
    key, value = rng.choice([
        ("range", 5), ("exclude", "x"), ("ipRanges", {}), ("gateway", []), ("routes", "x"), ("dns", []),
        ("addresses", 5), ("network_name", 7), ("enable_overlapping_ranges", "yes"), ("log_file", 5),
        ("kubernetes", "x"), ("configuration_path", {}), ("type", 5)])
    step.config["ipam"][key] = value


@injection
def bad_frame(rng, step):
    which = rng.randrange(8)
    if which == 0:
        step.config["cniVersion"] = rng.choice(["1.2.0", "0.5.0", "2.0.0"])
    elif which == 1:
        step.config["name"] = rng.choice(["", "a/b", "-x"])
    elif which == 2:
        del step.config["name"]
    elif which == 3:
        step.ifname = rng.choice(["a" * 16, "..", "a/b", "a:b", ""])
    elif which == 4:
        step.id = rng.choice(["", "a/b", "-x", "."])
    elif which == 5:
        step.config.pop("ipam")
    elif which == 6:
        step.config["ipam"]["type"] = rng.choice(["static", "", "Whereabouts"])
    else:
        step.config = rng.choice(["", "{", "[]", "nonsense"])


@injection
def bad_arguments(rng, step):
    good = step.args
    step.args = rng.choice([
        "FOO", f"{good};X=a=b", good.replace("IgnoreUnknown=1;", "") + ";FOO=bar", f"IgnoreUnknown=x;{good}",
        "IgnoreUnknown=1;K8S_POD_NAMESPACE=ns1", f"{good};IP=10.5.0.1", f"{good};IP=10.5.0.1/24;GATEWAY=x", "", ";"])


@injection
def bad_network_name(rng, step):
    step.config["ipam"]["network_name"] = rng.choice(["Net", "a_b", "a/b", "-a"])


@injection
def nothing_to_allocate(rng, step):
    for key in ("range", "ipRanges"):
        step.config["ipam"].pop(key, None)


@injection
def route_without_destination(rng, step):
    step.config["ipam"]["routes"] = [{"gw": "10.0.0.1"}]


class Session:
    def __init__(self, rng):
        self.rng = rng
        self.networks = [random_config(rng) for _ in range(rng.randint(2, 3))]
        if rng.random() < 0.3:  # two interfaces of a pod meet in them
            self.networks += [wb.network(name=n, range=f"10.0.0.0/{n[-2:]}") for n in ("net28", "net29")]
        self.who = []

    def _anybody(self):
        rng = self.rng
        pod, ifname = f"pod{rng.randrange(5)}", rng.choice(["net1", "net1", "net2"])
        for one in self.who:
            if (one.pod, one.ifname) == (pod, ifname):
                return one
        one = Who(pod, ifname, rng.choice(self.networks))
        self.who.append(one)
        return one

    def step(self):
        rng = self.rng
        held = [one for one in self.who if one.added]
        what = rng.choice(["add", "add", "add", "again", "sandbox", "del", "del", "stale", "stranger", "other", "bad",
                           "bad"])
        mine = held and (what in ("again", "sandbox", "del", "stale") or what == "other" and rng.random() < 0.6)
        one = rng.choice(held) if mine else self._anybody()
        if what == "sandbox":
            one.generation += 1
        verb = "DEL" if what in ("del", "stale", "stranger") else "ADD"
        step = Step(what, verb, copy.deepcopy(one.config), one.pod, one.id, one.ifname,
                    f"IgnoreUnknown=1;K8S_POD_NAMESPACE=ns1;K8S_POD_NAME={one.pod}")
        if what == "stale":
            step.id = f"{one.pod}-{rng.randint(0, one.generation + 1)}"
        elif what == "stranger":
            step.id = "nobody"
        elif what == "other" and rng.random() < 0.4:  # another range has come since
            step.ipam.setdefault("ipRanges", []).append({"range": "10.0.2.0/30"})
        elif what == "other":  # the bounds of its range have changed since
            text = step.ipam.get("range") or step.ipam["ipRanges"][0]["range"]
            (step.ipam if "range" in step.ipam else step.ipam["ipRanges"][0]).update(
                range_start=near(rng, text), exclude=[near(rng, text)])
        elif what == "bad":
            step.verb = rng.choice(["ADD", "ADD", "DEL"])
            function = rng.choice(INJECTIONS)
            step.error = function.__name__
            function(rng, step)
        if rng.random() < 0.06 and step.error == "":
            step.args += ";IP=10.6.0.9/24,fd06::9/64;GATEWAY=10.6.0.1"
        if step.verb == "ADD":
            one.added.add(step.id)
        else:
            one.added.discard(step.id)
        return step


# ---- the expectation, and the one table of allowed differences ----

ANY = object()


@dataclasses.dataclass
class Expected:
    rc: int
    out: object = b""  # bytes on success; ANY
    code: object = None
    msg: object = ""  # text, or a compiled pattern
    details: str = ""  # "" when the Go program has none: ours may add some
    objects: Objects = None

    def becomes(self, **changes):
        return dataclasses.replace(self, **changes)


def error_of(outcome):
    try:
        value = json.loads(outcome.out)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def expected_from(outcome, objects):
    if outcome.rc == 0:
        return Expected(0, outcome.out, objects=objects)
    error = error_of(outcome)
    return Expected(outcome.rc, ANY, error.get("code"), error.get("msg", "?"), error.get("details", ""), objects)


DIFFERENCES = []


def difference(reason):
    """A row: a function (step, expected) -> expected or None, which is for "does not apply"."""

    def add(function):
        DIFFERENCES.append((function.__name__.replace("_", " "), reason, function))
        return function

    return add


def failed(step, code, msg):
    return Expected(1, ANY, code, msg, objects=step.before)


def own_entries(step, objects):
    """The entries of the container's interface in the pools of its ranges."""
    return [e for e in objects.entries() if e[0] in step.pools() and (e[3]["id"], e[3]["ifname"]) == (
        step.id, step.ifname)]


def removed(step, found):
    """The objects before without these entries and what is reserved for them."""
    objects = step.before.copy()
    for pool, key, address, entry in found:
        of = objects.pools[pool]
        del of["allocations"][key]
        prefix = pool.removesuffix(pool_name(of["range"])).removesuffix("-")
        name = reservation_name(address, prefix)
        spec = objects.reservations.get(name, {})
        if (spec.get("podref"), spec.get("ifname"), spec.get("containerid")) == (
                entry["podref"], entry["ifname"], step.id):
            del objects.reservations[name]
    return objects


def deleted(step):
    """What a DEL of ours leaves: with a record it needs no configuration to find what there is."""
    if (step.config["name"], step.id, step.ifname) in step.held:
        return removed(step, [e for e in step.before.entries()
                              if (e[3]["id"], e[3]["ifname"]) == (step.id, step.ifname)])
    return removed(step, own_entries(step, step.before))


STORAGE = "error at storage engine: "


@difference("texts of Go's JSON decoder change with its release and name Go types; ours name the place")
def decoder_texts(step, exp):
    for front in ("error unmarshall network config: ", "LoadIPAMConfig - JSON Parsing Error: "):
        if exp.rc == 1 and str(exp.msg).startswith(front):
            return exp.becomes(msg=re.compile(re.escape(front) + "."))
    return None


# What a DEL of ours reads of ipam.
NAMES = {"type": str, "range": str, "ipRanges": list, "network_name": str, "kubernetes": dict,
         "configuration_path": str}


def damaged_names(step):
    """Whether a DEL cannot know which objects are meant."""
    ipam = step.config.get("ipam")
    if ipam is None or ipam.get("type") != "whereabouts":
        return True
    if any(not isinstance(ipam[key], kind) for key, kind in NAMES.items() if key in ipam):
        return True
    try:
        step.ranges()  # where a range begins is not read
    except ValueError:
        return True
    return False


@difference("DEL needs what names the objects, and no more: else a configuration that became invalid leaks")
def del_ignores_the_rest(step, exp):
    if step.verb != "DEL" or exp.rc != 1 or exp.code != 999 or damaged_names(step):
        return None
    return Expected(0, objects=deleted(step))


@difference("DEL takes the interface's entries alone, of all ranges, and knows the pod: the Go program v0.8.0 takes "
            "one of any interface, stops at the first range without, and does nothing without a pod's name")
def del_frees_just_what_it_should(step, exp):
    if step.verb != "DEL" or exp.rc != 0:
        return None
    objects = deleted(step)
    exp = exp.becomes(objects=exp.objects.without_empty_pools_but(step.before))
    interfaces = {e[3]["ifname"] for e in step.before.entries() if e[3]["id"] == step.id}
    elsewhere = {e[0] for e in step.before.entries() if (e[3]["id"], e[3]["ifname"]) == (step.id, step.ifname)}
    known = (elsewhere - set(step.pools()) or interfaces - {step.ifname} or len(step.pools()) > 1
             or "K8S_POD_NAME" not in step.args
             or step.error in ("bad_network_name", "nothing_to_allocate", "bad_bound", "bad_exclude"))
    return exp.becomes(objects=objects) if known and objects != exp.objects else None


def mutated(step):
    """The objects before as the Go program would have to see them to choose as ours does, and whether
    (the gateway, another interface's address) is kept from it so."""
    objects, seen = step.before.copy(), [False, False]
    try:
        gateway = ipaddress.ip_address(re.sub(r"\b0+(\d)", r"\1", step.ipam.get("gateway", "")))
    except ValueError:
        gateway = None
    for network, name in zip(step.ranges(), step.pools()):
        if gateway in network if gateway and gateway.version == network.version else False:
            pool = objects.pools.setdefault(name, {"range": str(network), "allocations": {}})
            key = str(int(gateway) - int(network.network_address))
            if key not in pool["allocations"]:
                pool["allocations"][key] = {"id": "gateway", "podref": "", "ifname": "gateway"}
                seen[0] = True
    for spec in objects.reservations.values() if step.overlap else ():
        if spec["podref"] == step.podref and spec["ifname"] != step.ifname:
            spec["podref"] = f"other-interface/{step.podref}"
            seen[1] = True
    return objects, seen


def unmutated(objects):
    objects = objects.copy()
    for pool in objects.pools.values():
        pool["allocations"] = {k: e for k, e in pool["allocations"].items() if e["id"] != "gateway"}
    for spec in objects.reservations.values():
        spec["podref"] = spec["podref"].removeprefix("other-interface/")
    return objects


def chosen_otherwise(step, exp, which):
    if step.verb != "ADD" or not (exp.rc == 0 or "Could not allocate" in str(exp.msg)):
        return None
    objects, seen = mutated(step)
    if not seen[which]:
        return None
    outcome, after = step.rerun(objects)
    new = expected_from(outcome, unmutated(after))
    return new if new != exp else None


@difference("the gateway is given to no pod")
def gateway(step, exp):
    return chosen_otherwise(step, exp, 0)


@difference("an address that another interface of the same pod holds is taken")
def address_of_another_interface(step, exp):
    return chosen_otherwise(step, exp, 1)


@difference("a route without dst cannot be told; the Go program prints <nil>. Before 0.3.0, where it may also be "
            "dropped, ours always drops it")
def no_destination(step, exp):
    if step.verb != "ADD" or step.error != "route_without_destination" or not (
            exp.rc == 0 or str(exp.msg).startswith(STORAGE)):
        return None
    if step.config.get("cniVersion", "") >= "0.3.0":
        return failed(step, 999, "invalid CIDR address: ")
    if b"nil" not in exp.out if exp.rc == 0 else True:
        return None
    said = json.loads(exp.out)
    for key in said.keys() & {"ip4", "ip6"}:
        said[key].pop("routes", None)
    return exp.becomes(out=wb.printed(said))


@difference("what the Go program could not read again as the same address is refused")
def unreadable_addresses(step, exp):
    texts = {step.ipam.get("range"), *(r.get("range") for r in step.ipam.get("ipRanges", ()) if isinstance(r, dict))}
    if step.verb != "ADD" or not texts & set(FAR_RANGES):
        return None
    late = "Could not allocate" in str(exp.msg) and "too far" in error_of(step.ours).get("msg", "")
    return failed(step, 999, re.compile(f"{STORAGE}IP address .* is too far from the start")) if (
        exp.rc == 0 or late) else None


@difference("a failed ADD leaves nothing; the Go program keeps what it has of earlier ranges until a DEL")
def failed_add_changes_nothing(step, exp):
    if step.verb != "ADD" or exp.rc == 0:
        return None
    same = exp.objects.without_empty_pools_but(step.before) == step.before
    return None if same and exp.objects == step.before else exp.becomes(objects=step.before)


@difference("a reservation for every address: the Go program makes none for those behind one that it finds")
def every_range_is_reserved(step, exp):
    if step.verb != "ADD" or exp.rc != 0 or not step.overlap or len(step.pools()) < 2:
        return None
    objects = exp.objects.copy()
    for _, _, address, entry in own_entries(step, objects):
        objects.reservations.setdefault(reservation_name(address, step.network_name),
                                        {"podref": step.podref, "ifname": step.ifname})
    return exp.becomes(objects=objects) if objects != exp.objects else None


@difference("a network_name that no object can have is refused by its name, not by the server's answer")
def network_name_text(step, exp):
    if step.verb == "ADD" and step.error == "bad_network_name" and exp.rc == 1 and exp.code == 999 and (
            str(exp.msg).startswith(STORAGE)):
        return exp.becomes(msg=re.compile("network_name '.*' cannot be part of an object's name"))
    return None


@difference("a reservation names its container too")
def containers_of_reservations(step, exp):
    if step.verb != "ADD" or exp.rc != 0 or not step.overlap:
        return None
    objects = exp.objects.copy()
    for _, _, address, entry in own_entries(step, objects):
        spec = objects.reservations.get(reservation_name(address, step.network_name), {})
        if (spec.get("podref"), spec.get("ifname")) == (step.podref, step.ifname):
            spec["containerid"] = step.id
    return exp.becomes(objects=objects) if objects != exp.objects else None


# ---- running ----


def mismatches(step, exp):
    """What is not as expected: texts."""
    ours, error = step.ours, error_of(step.ours)
    if ours.rc != exp.rc:
        yield f"exit status {ours.rc}, expected {exp.rc}"
    elif exp.rc == 0 and exp.out is not ANY and ours.out != exp.out:
        yield f"stdout {ours.out}, expected {exp.out}"
    elif exp.rc != 0:
        good = exp.msg.match(error.get("msg", "")) if hasattr(exp.msg, "match") else error.get("msg") == exp.msg
        if not good:
            yield f"msg {error.get('msg')!r}, expected {exp.msg!r}"
        if error.get("code") != exp.code:
            yield f"code {error.get('code')}, expected {exp.code}"
        if exp.details and error.get("details") != exp.details:
            yield f"details {error.get('details')!r}, expected {exp.details!r}"
    found, wanted = step.our_objects, exp.objects
    if exp.rc != 0 or step.verb == "DEL":
        found, wanted = (o.without_empty_pools_but(step.before) for o in (found, wanted))
    if found != wanted:
        yield f"objects {found}\nexpected {wanted}"
    if step.verb == "DEL" and ours.err:
        yield f"stderr {ours.err}"


def describe(step, exp, problems, rows):
    return "\n".join([str(step), f"before {step.before}", f"theirs {step.theirs.rc} {step.theirs.out} "
                      f"{step.their_objects}", f"ours {step.ours}", f"rows {rows}", *problems])


def run_step(cluster, step, binaries, before):
    """Makes it with both, and compares. Returns (names of rows, problem or None)."""
    kwargs = {"pod": step.pod, "id": step.id, "ifname": step.ifname, "args": step.args}

    def call(namespace):
        return cluster.nodes[namespace].call(step.verb, step.config, binary=binaries[namespace], **kwargs)

    step.before = before
    step.held = tuple(wb.records(cluster.nodes[OURS]))
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        step.theirs, step.ours = pool.map(call, (THEIRS, OURS))
    step.their_objects, step.our_objects = cluster.read()
    now = [step.their_objects]

    def rerun(objects):
        cluster.write(THEIRS, now[0], objects)
        outcome = call(THEIRS)
        now[0] = cluster.read()[0]
        return outcome, now[0]

    step.rerun = rerun
    exp, used = expected_from(step.theirs, step.their_objects), []
    for name, _, row in DIFFERENCES:
        new = row(step, exp)
        if new is not None:
            used.append(name)
            exp = new
    problems = list(mismatches(step, exp))
    cluster.write(THEIRS, now[0], step.our_objects)
    return used, describe(step, exp, problems, used) if problems else None


def run_session(cluster, seed, number, binaries):
    """Returns (steps done, names of rows, description of the mismatch or None)."""
    session = Session(random.Random(f"{seed}/{number}"))
    cluster.clear()
    before, rows = Objects({}, {}), []
    for done in range(STEPS_OF_A_SESSION):
        step = session.step()
        used, problem = run_step(cluster, step, binaries, before)
        rows += used
        if problem:
            return done + 1, rows, f"session {number} of seed {seed}, step {done + 1}: {problem}"
        before = step.our_objects
    left = wb.marks(cluster.nodes[OURS])
    return STEPS_OF_A_SESSION, rows, f"session {number} of seed {seed}: marked records {left}" if left else None
