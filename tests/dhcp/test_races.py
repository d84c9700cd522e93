# SPDX-License-Identifier: Apache-2.0
"""Things that happen at once: calls for one attachment, ends of plugins and of the daemon in the middle of
their work, and what people do to a container behind the daemon's back.

Moments by chance are what is tested here: a seed repeats them (SEED=...).
"""

import pathlib
import random
import threading
import time

import pytest

import harness
import wire
from harness import eventually, finish
from lab import at_once
from scripted import Plain, Scripted, instead, late, silent
from servers import Dnsmasq, Kea

CROWD = 60 if harness.FULL else 30
ROUNDS = 40 if harness.FULL else 6


class Spread(Dnsmasq):
    """One that does not offer the same address to all who ask at once."""

    sequential = False


@pytest.fixture
def chance():
    print(f"SEED={harness.SEED}")
    return random.Random(harness.SEED)


def remains(daemon):
    """What is left in the daemon's directory."""
    return sorted(path.name for path in pathlib.Path(f"{daemon.socket}.d").iterdir() if path.name != "lock")


def macs(messages):
    return {message.chaddr for message in messages}


# ---- one attachment ----


def test_adds_that_join_one_another_outlive_the_first(lab, segment):
    """Some of those who wait are killed; the others get their answer, and it is one lease."""
    plain = Plain(segment)
    lab.server(Scripted, segment, behave=late(plain, 1))
    daemon, container = lab.daemon().start(), segment.container()
    first = daemon.begin("ADD", container)
    segment.capture.wait("DISCOVER")
    others = at_once([lambda: daemon.begin("ADD", container)] * (CROWD - 1))
    eventually(lambda: daemon.command("status", "--json").json()["connections"] > CROWD, "all wait")
    for process in (first, *others[: CROWD // 3]):
        process.kill()
        process.communicate()
    outcomes = [finish(process) for process in others[CROWD // 3 :]]
    assert {(o.rc, o.out) for o in outcomes} == {(0, outcomes[0].out)}, outcomes
    assert len({message.xid for message in segment.capture.find("DISCOVER", "REQUEST")}) == 1
    assert not segment.capture.find("RELEASE") and set(daemon.leases()) == {container.id}
    daemon.delete(container)
    eventually(lambda: plain.released == ["10.66.1.10"], "it is given back")


def test_adds_and_deletions_of_one_attachment_in_disorder(lab, segment, chance):
    """Whatever wins: each ADD says what became of it, and the last word is the last DEL's."""
    server = lab.server(Spread, segment)
    daemon, container = lab.daemon().start(), segment.container()
    for _ in range(ROUNDS):
        verbs = ["ADD"] * 10 + ["DEL"] * 10
        chance.shuffle(verbs)
        outcomes = at_once([lambda v=v: (v, daemon.call(v, container)) for v in verbs])
        for verb, outcome in outcomes:
            if verb == "DEL":
                assert (outcome.rc, outcome.out) == (0, b""), outcome
            else:
                assert outcome.out and (outcome.addresses if outcome.rc == 0 else outcome.msg), outcome
        daemon.delete(container)
        server.until_held()
        assert daemon.leases() == {} and remains(daemon) == []


# ---- ends in the middle ----


def test_plugins_that_are_killed_at_any_moment_leave_no_lease(lab, segment, chance):
    """The server has granted what it was asked for, and says nothing: whoever has asked gives back."""
    plain, lock = Plain(segment), threading.Lock()

    def offer(message):
        with lock:
            return [(chance.uniform(0, 0.2), frame) for frame in plain(message)]

    lab.server(Scripted, segment, behave=instead(plain, DISCOVER=offer, REQUEST=silent))
    daemon, containers, capture = lab.daemon().start(), [segment.container() for _ in range(CROWD)], segment.capture
    moments = [chance.uniform(0, 0.4) for _ in containers]

    def attempt(container, moment):
        process = daemon.begin("ADD", container)
        time.sleep(moment)
        process.kill()
        process.communicate()

    at_once([lambda c=c, m=m: attempt(c, m) for c, m in zip(containers, moments)])
    eventually(lambda: daemon.leases() == {} and remains(daemon) == [], "nothing is left")
    asked = {m.chaddr: wire.ip_text(m.option(wire.REQUESTED)) for m in capture.find("REQUEST")}
    assert asked, "no ADD came so far"
    capture.wait_until(lambda: {m.chaddr: m.ciaddr for m in capture.find("RELEASE")} == asked, "each gives back")


def test_deletions_at_any_moment_of_an_add_leave_nothing(lab, segment, chance):
    server = lab.server(Spread, segment)
    daemon, containers = lab.daemon().start(), [segment.container() for _ in range(CROWD)]
    moments = [chance.uniform(0, 0.3) for _ in containers]

    def attempt(container, moment):
        started = daemon.begin("ADD", container)
        time.sleep(moment)
        daemon.delete(container)
        outcome = finish(started)
        if outcome.rc == 0:  # before the DEL or after it: its lease is there or not, and ends now
            daemon.delete(container)
        return outcome

    outcomes = at_once([lambda c=c, m=m: attempt(c, m) for c, m in zip(containers, moments)])
    for outcome in outcomes:
        assert outcome.out and (outcome.addresses if outcome.rc == 0 else outcome.msg), outcome
    assert daemon.leases() == {} and remains(daemon) == []
    server.until_held()


def test_a_daemon_that_is_killed_amid_adds_leaves_no_lease(lab, segment, chance):
    """After its restart and the DELs that a runtime does. Some of them come before the restart."""
    server = lab.server(Spread, segment)
    daemon, containers = lab.daemon().start(), [segment.container() for _ in range(12)]
    given = 0
    for _ in range(ROUNDS):
        started = [daemon.begin("ADD", container) for container in containers]
        time.sleep(chance.uniform(0, 0.15))
        daemon.kill()
        outcomes = [finish(process) for process in started]
        for outcome in outcomes:
            assert outcome.out and (outcome.addresses if outcome.rc == 0 else outcome.msg), outcome
        given += len(segment.capture.find("ACK"))
        early = chance.sample(containers, 4)
        at_once([lambda c=c: daemon.delete(c) for c in early])
        daemon.start()
        at_once([lambda c=c: daemon.delete(c) for c in containers if c not in early])
        server.until_held()
        eventually(lambda: daemon.leases() == {} and remains(daemon) == [], "nothing is left")
    assert given > 0, "no ADD came so far"


def test_a_daemon_that_is_killed_amid_deletions_leaves_no_lease(lab, segment, chance):
    """Each DEL succeeds, and the next daemon does what this one has not done."""
    server = lab.server(Spread, segment)
    daemon, containers = lab.daemon().start(), [segment.container() for _ in range(12)]
    for _ in range(ROUNDS):
        outcomes = at_once([lambda c=c: daemon.call("ADD", c) for c in containers])
        server.until_held(*(o.addresses[0] for o in outcomes))
        started = [daemon.begin("DEL", container) for container in containers]
        time.sleep(chance.uniform(0, 0.05))
        daemon.kill()
        for process in started:
            outcome = finish(process)
            assert (outcome.rc, outcome.out) == (0, b""), outcome
        daemon.start()
        server.until_held()
        eventually(lambda: daemon.leases() == {} and remains(daemon) == [], "nothing is left")


def test_nobody_waits_for_an_add_without_an_answer(lab, segment):
    """CHECK and the commands for people are answered meanwhile, and so is an end of that ADD."""
    daemon, container, other = lab.daemon(version="1.1.0").start(), segment.container(), segment.container()
    started = daemon.begin("ADD", container)
    segment.capture.wait("DISCOVER")
    checked = daemon.call("CHECK", container, {**daemon.config(), "prevResult": {
        "cniVersion": "1.1.0", "ips": [{"address": "10.66.1.10/16"}]}})
    assert checked.rc == 1 and "no lease" in checked.msg, checked
    assert daemon.call("STATUS", other).rc == 0
    assert daemon.leases()[container.id]["state"] == "SELECTING"
    assert daemon.command("status").rc == 0
    assert started.poll() is None
    daemon.delete(other)
    daemon.delete(container)
    assert finish(started).rc == 1


# ---- behind the daemon's back ----


def test_a_namespace_that_is_deleted_without_a_deletion_goes_at_once(lab, segment):
    """Nothing keeps it alive; the list says what becomes of its lease until a DEL comes."""
    server = lab.server(Dnsmasq, segment)
    daemon, container = lab.daemon().start(), segment.container()
    outcome = daemon.add(container)
    eventually(lambda: not [n for n in daemon.descriptors.values() if n.startswith("net:")], "no namespace is held")
    container.remove()
    eventually(lambda: container.port not in {link["ifname"] for link in segment.query("link", "show")},
               "the other end of its interface goes")
    eventually(lambda: daemon.leases()[container.id]["state"] == "RUNS-OUT", "the list says so")
    assert remains(daemon) == [] and server.held() == {outcome.addresses[0]}
    daemon.delete(container)


def test_a_namespace_that_is_deleted_while_an_answer_is_awaited_goes_soon(lab, segment):
    """The socket that waits for the answer keeps it alive, and it does not wait for long."""
    plain = Plain(segment, lease=3600, t1=10, t2=3000)
    server = lab.server(Scripted, segment, behave=plain)
    daemon, container = lab.daemon().start(), segment.container()
    daemon.add(container)
    server.behave = silent
    segment.capture.wait("REQUEST", count=2, timeout=20)
    container.remove()
    eventually(lambda: container.port not in {link["ifname"] for link in segment.query("link", "show")},
               "the other end of its interface goes")
    eventually(lambda: daemon.leases()[container.id]["state"] == "RUNS-OUT", "the list says so")


def test_an_interface_that_is_deleted_ends_its_lease_and_another_gets_one(lab, segment):
    lab.server(Dnsmasq, segment)
    daemon, container = lab.daemon().start(), segment.container()
    outcome = daemon.add(container)
    container.ip("link", "delete", "eth0")
    eventually(lambda: daemon.leases()[container.id]["state"] == "RUNS-OUT", "the list says so")
    assert daemon.check(container, outcome).rc == 1
    segment.connect(container, "eth0", container.mac)
    again = daemon.add(container)
    assert daemon.leases()[container.id]["state"] == "BOUND" and daemon.check(container, again).rc == 0
    daemon.delete(container)
    segment.capture.wait("RELEASE", where=lambda m: m.ciaddr == again.addresses[0])


def test_an_interface_with_a_new_hardware_address_keeps_its_lease(lab, segment):
    """The lease belongs to the client identifier; messages come from the address that there is."""
    server = lab.server(Kea, segment, lease=12, t1=4, t2=8)
    daemon, container = lab.daemon().start(), segment.container()
    outcome = daemon.add(container)
    container.ip("link", "set", "eth0", "address", "02:00:00:99:00:01")
    renewed = segment.capture.wait("REQUEST", where=lambda m: m.ciaddr == outcome.addresses[0])
    assert renewed.eth_src == renewed.chaddr == "02:00:00:99:00:01"
    segment.capture.wait("ACK", since=renewed.at)
    eventually(lambda: daemon.leases()[container.id]["state"] == "BOUND", "it is prolonged")
    assert daemon.check(container, outcome).rc == 0
    daemon.delete(container)
    server.until_held()


def test_an_address_that_was_removed_by_hand_fails_the_check(lab, segment):
    server = lab.server(Kea, segment, lease=12, t1=4, t2=8)
    daemon, container = lab.daemon().start(), segment.container()
    outcome = daemon.add(container)
    assert daemon.check(container, outcome).rc == 0
    container.ip("address", "flush", "dev", "eth0")
    checked = daemon.check(container, outcome)
    assert checked.rc == 1 and outcome.addresses[0] in checked.msg + checked.details, checked
    renewed = segment.capture.wait("REQUEST", where=lambda m: m.ciaddr == outcome.addresses[0])
    segment.capture.wait("ACK", since=renewed.at)  # the lease itself is not concerned
    container.apply(outcome)
    assert daemon.check(container, outcome).rc == 0
    daemon.delete(container)
    server.until_held()
