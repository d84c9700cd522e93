# SPDX-License-Identifier: Apache-2.0
"""Ours and the Go whereabouts in one cluster at once, and one in place of the other on a live node.

Each container id is used for one interface only: the Go program at hand finds what to delete by the id
alone. A call of the Go program may reach a limit of its own on a busy machine: it is called again, as a
runtime would.
"""

import random

import pytest

import crowd
import harness
from crowd import Pod, network

RANDOM_ROUNDS = 6 if harness.FULL else 2
SIZE = 10 if harness.FULL else 4  # pods per node and program

LIMITS = b"time limit exceeded", b"rate limiter", b"context deadline exceeded"


def networks(kind):
    """What the pods are spread over."""
    return {
        "one range": [network(range="10.0.0.0/24")],
        "overlapping": [network("a", range="10.0.0.0/24"), network("b", range="10.0.0.0/25")],
        "named": [network("a", range="10.0.0.0/24", network_name="blue"),
                  network("b", range="10.0.0.0/25", network_name="blue"),
                  network("c", range="10.0.0.0/25")],
        "IPv6": [network("a", range="fd00::/116"), network("b", range="fd00::/120")],
        "without overlap": [network(range="10.0.0.0/24", enable_overlapping_ranges=False)],
    }[kind]


class Cluster:
    """Pods that any of the two programs adds and deletes."""

    def __init__(self, api, nodes, kind, peer):
        self.api, self.nodes, self.peer = api, nodes, peer
        self.configs = networks(kind)
        self.overlap = kind != "without overlap"
        self.random = random.Random(harness.SEED)
        self.made = 0
        self.held = {}  # Pod: its address

    def pods(self, count):
        made = []
        for node in self.nodes:
            for _ in range(count):
                self.made += 1
                made.append(Pod(node, f"p{self.made}", self.random.choice(self.configs)))
        return made

    def run(self, adds, dels):
        """[(Pod, binary)] each, all at once."""
        calls = [("ADD", *a) for a in adds] + [("DEL", *d) for d in dels]
        self.random.shuffle(calls)
        running = [(verb, pod, binary, pod.start(verb, binary)) for verb, pod, binary in calls]
        for verb, pod, binary, process in running:
            outcome = harness.finish(process, 300)
            if binary == self.peer:
                outcome = self.again(verb, pod, outcome)
            assert outcome.rc == 0, f"{verb} with {binary}: {outcome}"
            if verb == "ADD":
                self.held[pod], = outcome.addresses
            else:
                if binary != self.peer:
                    assert outcome.err == b"", f"left for later: {outcome}"
                del self.held[pod]

    def again(self, verb, pod, outcome):
        """The Go program finds a limit of time or of collisions; a DEL says so in its log only."""
        for _ in range(5):
            if outcome.rc == 0 and (verb == "ADD" or not any(limit in outcome.err for limit in LIMITS)):
                break
            outcome = pod.call(verb, self.peer, timeout=300)
        return outcome

    def check(self):
        """Every pod that was told an address has it, for itself, and nothing else is there."""
        if self.overlap:
            found = crowd.consistent(self.api)
        else:
            found = crowd.entries(self.api)
            assert self.api.reservations() == {}
        there = {(e["id"], e["podref"], e["ifname"]): address for (_, address), e in found.items()}
        told = {(p.id, p.podref, p.ifname): address for p, address in self.held.items()}
        assert there == told, f"not told {crowd.differ(there, told)}, not there {crowd.differ(told, there)}"

    def check_records(self):
        """No record speaks of a pod that is gone, but for what the Go program has deleted."""
        ours = {p.id for p in self.held}
        for node in self.nodes:
            assert all("adding" not in state for id, state in crowd.records(node).items() if id in ours)


FOREIGN = {"200": {"id": "someone", "podref": "other/pod", "ifname": "eth7"},
           "201": {"id": "", "podref": "other/pod2"}}


@pytest.fixture
def cluster(api, nodes, peer):
    def make(kind, count=3):
        return Cluster(api, nodes(count), kind, peer)

    return make


@pytest.mark.parametrize("kind", ["overlapping", "named"] + (
    ["one range", "IPv6", "without overlap"] if harness.FULL else []))
def test_both_at_once(cluster, peer, kind):
    here = cluster(kind)
    both = harness.WHEREABOUTS, peer
    for _ in range(RANDOM_ROUNDS):
        old = list(here.held)
        dels = [(pod, here.random.choice(both)) for pod in here.random.sample(old, len(old) // 2)]
        adds = [(pod, both[i % 2]) for i, pod in enumerate(here.pods(SIZE))]
        here.run(adds, dels)
        here.check()
        here.check_records()
    here.run([], [(pod, here.random.choice(both)) for pod in list(here.held)])
    here.check()
    assert here.held == {}


@pytest.mark.parametrize("adder", ["ours", "peer"])
def test_either_deletes_what_the_other_has_added(cluster, peer, adder):
    here = cluster("overlapping", 2)
    first, second = (harness.WHEREABOUTS, peer) if adder == "ours" else (peer, harness.WHEREABOUTS)
    pods = here.pods(SIZE)
    here.run([(pod, first) for pod in pods], [])
    here.check()
    here.run([], [(pod, second) for pod in pods])
    here.check()
    # A runtime repeats a DEL, and may do it with the other program.
    crowd.gone([pod.call("DEL") for pod in pods[:2]])
    for node in here.nodes:
        assert all("adding" not in state for state in crowd.records(node).values())
    crowd.empty(here.api)


def test_foreign_entries_stay_as_they_are(api, cluster, peer):
    """Also those that no program of this time has written."""
    foreign = {**FOREIGN, "77": {"id": "old", "podref": "x/y", "ifname": "net1"}}
    api.create_pool("10.0.0.0/24", foreign)
    strange = api.get(api.path("ippools", "10.0.0.0-24"))["spec"]["allocations"]
    api.create_reservation("10.0.0.99", "other/pod3", ifname="eth7")
    api.create_reservation("10.0.0.2", "other/pod4")
    here = cluster("one range", 2)
    both = harness.WHEREABOUTS, peer
    here.run([(pod, both[i % 2]) for i, pod in enumerate(here.pods(SIZE))], [])
    assert "10.0.0.2" not in here.held.values()
    here.run([], [(pod, here.random.choice(both)) for pod in list(here.held)])
    assert api.pool("10.0.0.0-24") == strange
    assert api.reservations() == {"10.0.0.99": {"podref": "other/pod3", "ifname": "eth7"},
                                  "10.0.0.2": {"podref": "other/pod4"}}


def test_a_pool_that_both_want_the_last_addresses_of(api, cluster, peer):
    """18 pods, 14 addresses: nobody gets one twice, and who fails leaves nothing."""
    here = cluster("one range", 2)
    here.configs = [network(range="10.0.0.0/28")]
    both = harness.WHEREABOUTS, peer
    pods = here.pods(9)
    running = [(pod, pod.start("ADD", both[i % 2])) for i, pod in enumerate(pods)]
    outcomes = [(pod, harness.finish(process, 300)) for pod, process in running]
    have = {pod: o.addresses[0] for pod, o in outcomes if o.rc == 0}
    assert len(have) == 14 and len(set(have.values())) == 14
    assert all("Could not allocate IP in range" in o.msg for _, o in outcomes if o.rc != 0)
    here.held = have
    here.check()
    here.run([], [(pod, here.random.choice(both)) for pod in have])
    crowd.empty(api)


# ---- one in place of the other, on a node that runs ----


@pytest.mark.parametrize("kind", ["overlapping"] + (["one range", "named"] if harness.FULL else []))
def test_the_program_is_replaced_and_put_back(cluster, peer, kind):
    """Pods of one are restarted under the other: a new sandbox of the same pod, then the DEL of the old."""
    here = cluster(kind, 2)
    pods = here.pods(SIZE)
    here.run([(pod, peer) for pod in pods], [])
    here.check()
    before = dict(here.held)
    for generation, binary in enumerate((harness.WHEREABOUTS, peer, harness.WHEREABOUTS), 2):
        fresh = [Pod(pod.node, pod.name, pod.config, id=f"{pod.name}-{generation}") for pod in pods]
        here.run([(pod, binary) for pod in fresh], [])
        for old, new in zip(pods, fresh):
            assert here.held[new] == before[old], "it keeps its address"
            del here.held[old]
        here.check()
        # The old sandbox goes after the new one has come: it has nothing any more.
        outcomes = crowd.at_once("DEL", pods, binary)
        assert {o.rc for o in outcomes} == {0}
        here.check()
        before = dict(here.held)
        pods = fresh
    here.run([], [(pod, harness.WHEREABOUTS) for pod in pods])
    here.check()


def test_pods_end_and_start_under_the_other_program(cluster, peer):
    """DEL and ADD, in that order, with the other binary each time."""
    here = cluster("overlapping", 2)
    pods = here.pods(SIZE)
    here.run([(pod, peer) for pod in pods], [])
    for binary in (harness.WHEREABOUTS, peer, harness.WHEREABOUTS):
        here.run([], [(pod, binary) for pod in pods])
        here.check()
        here.run([(pod, binary) for pod in pods], [])
        here.check()
    here.run([], [(pod, harness.WHEREABOUTS) for pod in pods])
    crowd.empty(here.api)
    crowd.no_records(*here.nodes)


def test_what_the_go_program_has_added_passes_check_and_gc(api, node, peer):
    """Without a record a GC frees nothing: it may be anybody's."""
    pod = Pod(node, "pod", network(version="1.1.0", range="10.0.0.0/24"))
    added = pod.call("ADD", peer)
    crowd.succeeded([added])
    previous = {**pod.config, "prevResult": added.json()}
    assert pod.call("CHECK", config=previous).rc == 0
    assert pod.call("GC", config={**pod.config, "cni.dev/valid-attachments": []}).rc == 0
    crowd.held_by(api, [pod])
    crowd.gone([pod.call("DEL")])
    assert pod.call("CHECK", config=previous).rc == 1
    crowd.empty(api)


def test_the_go_program_deletes_what_a_record_speaks_of(api, node, peer):
    """The record is wrong then: neither a DEL, nor a GC, nor another pod's ADD comes to grief."""
    config = network(version="1.1.0", range="10.0.0.0/24")
    pod, other = Pod(node, "pod", config), Pod(node, "other", config)
    assert crowd.succeeded([pod.call("ADD")]) == ["10.0.0.1"]
    assert pod.call("DEL", peer).rc == 0
    assert crowd.succeeded([other.call("ADD", peer)]) == ["10.0.0.1"]
    gc = pod.call("GC", config={**config, "cni.dev/valid-attachments": [{"containerID": other.id, "ifname": "net1"}]})
    assert gc.rc == 0, gc
    crowd.held_by(api, [other])
    crowd.no_records(node)
    crowd.gone([pod.call("DEL")])
    crowd.held_by(api, [other])
