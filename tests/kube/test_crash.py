# SPDX-License-Identifier: Apache-2.0
"""A call is killed at each of its system calls: alone, as the leader of others, or waiting for a leader.

Requests to the API server are under way at many of these points. What the killed one had sent is carried
out before anything else happens here; test_faults.py has those that are carried out later.

Ordinary runs take random points; FULL=1 takes every one.
"""

import dataclasses
import pathlib
import random
import tempfile
import threading
import time

import pytest

import faults
import harness
import tools
from faults import LATER, OURS, Bench, attachment
from proxy import delay

MODES = ("enter", "exit")
CALLS_OF_FILES = 40   # before the group's directory, while files are read that no call changes
SOON_S = 6            # whoever comes after a killed one does not wait for its Lease to run out, nor for more
LEADER, WAITING = OURS, [attachment(f"waiting{i}", f"pod-waiting{i}") for i in range(3)]

SOLE = ("the first ADD", "an ADD", "an ADD by another container of the pod", "an ADD with two ranges",
        "an ADD once more", "an ADD without Lease", "an ADD after half a DEL", "a DEL", "a DEL with two ranges",
        "a DEL without Lease")
AFTERWARDS = ("the runtime deletes", "the runtime repeats it", "another pod comes")


@pytest.fixture(autouse=True)
def traceable():
    if tools.is_sanitized(harness.WHEREABOUTS):
        pytest.skip("a sanitizer's own system calls are not what is tested, and LeakSanitizer cannot be traced")


@dataclasses.dataclass
class Point:
    """Where a call dies: before or after its n-th system call."""

    mode: str
    number: int

    def __str__(self):
        return f"{self.mode} {self.number}"


class Traced:
    """A call under the tracer; report is what it did so far."""

    def __init__(self, bench, directory, verb, config, who, *plan):
        self.report = pathlib.Path(directory) / f"{who['id']}.report"
        self.process = bench.start(verb, config, who,
                                   wrap=(tools.tool("killer"), "-o", self.report, *map(str, plan), "--"))

    def lines(self):
        return self.report.read_text().splitlines() if self.report.exists() else []

    def waits(self):
        """Whether it is in poll()."""
        children = pathlib.Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        pids = children.read_text().split() if children.exists() else []
        return bool(pids) and faults.waits(pids[0])

    def ended(self):
        return self.process.poll() is not None

    def finish(self):
        return harness.finish(self.process, timeout=60)

    def killed(self):
        return self.lines()[-1].startswith("killed")


def interesting(lines):
    """The numbers of the calls from where files are only read up to the end, of a traced run's report."""
    calls = [line.split()[1] for line in lines[:-1]]
    return range(max(1, calls.index("flock") - CALLS_OF_FILES), len(calls))


def settle(bench):
    """What a dead one had sent has been carried out."""
    harness.eventually(lambda: not bench.proxy._sockets, "the connections of the dead end")


def points(numbers, count, chance):
    """All of them, or some."""
    every = [Point(mode, n) for n in numbers for mode in MODES]
    return every if harness.FULL else chance.sample(every, count)


# ---- alone ----


@dataclasses.dataclass
class Alone:
    scenario: str
    point: Point
    afterwards: str

    def __str__(self):
        return f"{self.scenario} killed at {self.point}, {self.afterwards}"


def trace_alone(api, name, directory):
    scenario = faults.SCENARIOS[name]
    with Bench(api, "node0") as bench:
        scenario.set_up(bench)
        traced = Traced(bench, directory, scenario.verb, scenario.config, OURS, "trace")
        outcome = traced.finish()
        assert outcome.rc == 0, outcome
    return interesting(traced.lines())


def run_alone(bench, case, directory):
    scenario = faults.SCENARIOS[case.scenario]
    background = scenario.set_up(bench)
    traced = Traced(bench, directory, scenario.verb, scenario.config, OURS, case.point.mode, case.point.number)
    outcome = traced.finish()
    last = traced.lines()[-2:]
    try:
        assert outcome.rc == (137 if traced.killed() else 0), outcome
        settle(bench)
        begin = time.monotonic()
        if case.afterwards == "the runtime repeats it":
            again = bench.call(scenario.verb, scenario.config, OURS)
            assert again.rc == 0, again
            if scenario.verb == "ADD":
                faults.check_printed(bench, again, scenario.config, OURS, scenario.overlap)
        elif case.afterwards == "another pod comes":
            assert bench.call("ADD", scenario.config, LATER).rc == 0
            bench.delete(scenario.config, LATER)
        took = time.monotonic() - begin
        assert took < SOON_S, f"the next call took {took:.1f} s"
        bench.delete(scenario.config, OURS)
        for other in scenario.also:
            bench.delete(scenario.config, other)
        faults.check_clean(bench, scenario.config, faults.clean(case.scenario, background))
    except AssertionError as error:
        raise AssertionError(f"{error}\n    the last calls: {last}, {outcome}") from error


@pytest.mark.parametrize("name", SOLE)
def test_a_call_that_is_killed_alone_leaves_nothing(name, api, tmp_path):
    chance = random.Random(f"{harness.SEED} {name}")
    numbers = trace_alone(api, name, tmp_path)
    cases = [Alone(name, point, AFTERWARDS[i % 3]) for i, point in enumerate(points(numbers, 9, chance))]
    faults.run_all(api, cases, in_directory(run_alone))


def in_directory(one):
    def run(bench, case):
        with tempfile.TemporaryDirectory(prefix="crash") as directory:
            one(bench, case, directory)

    return run


# ---- a group ----


@dataclasses.dataclass
class Group:
    """A leader who is busy, and others who wait for it; either may die."""

    verb: str
    leader: Point = None    # where the leader dies
    waiting: Point = None   # where the first of those who wait dies
    count: int = 1          # of those who wait

    def __str__(self):
        return (f"{self.verb}: leader killed at {self.leader}, the first of {self.count} who wait at "
                f"{self.waiting}")


def plan(point):
    return (point.mode, point.number) if point else ("trace",)


class Running:
    """A group at work: the leader is held at its first request until all others wait for it."""

    def __init__(self, bench, case, directory):
        scenario = faults.SCENARIOS["an ADD"]
        self.bench, self.case, self.config = bench, case, scenario.config
        self.background = scenario.set_up(bench)
        self.members = [LEADER, *WAITING[: case.count]]
        if case.verb == "DEL":
            for who in self.members:
                assert bench.call("ADD", self.config, who).rc == 0
        bench.proxy.reset()
        go = threading.Event()
        bench.proxy.fault(1, delay(go))
        try:
            self.leader = Traced(bench, directory, case.verb, self.config, LEADER, *plan(case.leader))
            harness.eventually(lambda: bench.proxy.requests or self.leader.ended(), "a busy leader")
            if self.leader.ended():
                go.set()
            self.first = Traced(bench, directory, case.verb, self.config, WAITING[0], *plan(case.waiting))
            self.rest = [bench.start(case.verb, self.config, who) for who in WAITING[1 : case.count]]
            harness.eventually(lambda: self.first.ended() or self.first.waits(), "the first waits")
            for process in self.rest:
                harness.eventually(lambda p=process: p.poll() is not None or faults.waits(p.pid), "the others wait")
        finally:
            go.set()
        self.begin = time.monotonic()
        self.outcomes = [self.leader.finish(), self.first.finish(),
                         *(harness.finish(p, timeout=60) for p in self.rest)]
        self.took = time.monotonic() - self.begin

    def check(self):
        """Whoever was not killed has got what it wanted, soon."""
        died = [self.leader.killed(), self.first.killed(), *(False for _ in self.rest)]
        settle(self.bench)
        given = []
        for who, dead, outcome in zip(self.members, died, self.outcomes):
            if dead:
                assert outcome.rc == 137, outcome
                continue
            assert outcome.rc == 0 and outcome.err == b"", f"{who['id']}: {outcome}"
            if self.case.verb == "ADD":
                given += faults.check_printed(self.bench, outcome, self.config, who)
            else:
                gone = [k for k, e in self.bench.pools().items() if e["id"] == who["id"]]
                assert not gone, f"{who['id']} was deleted, and has {gone}"
        assert len(set(given)) == len(given), f"given twice: {given}"
        assert self.took < SOON_S, f"it took {self.took:.1f} s"

    def end(self):
        """The runtime deletes them all."""
        for who in self.members:
            self.bench.delete(self.config, who)
        faults.check_clean(self.bench, self.config, self.background)


def run_group(bench, case, directory):
    running = Running(bench, case, directory)
    try:
        running.check()
        if case.verb == "ADD" and running.first.killed() and not running.leader.killed():
            check_forgotten(running)
        running.end()
    except AssertionError as error:
        raise AssertionError(f"{error}\n    leader: {running.leader.lines()[-2:]}, first: "
                             f"{running.first.lines()[-2:]}, {running.outcomes}") from error


def check_forgotten(running):
    """An ADD that was killed before it acknowledged its address does not have it, without any DEL."""
    sent = [line for line in running.first.lines() if line.split()[1] == "sendto"]
    number = running.case.waiting.number
    acknowledged = len(sent) > 2 or len(sent) == 2 and (
        running.case.waiting.mode == "exit" or int(sent[1].split()[0]) < number)
    left = [k for k, e in running.bench.pools().items() if e["id"] == WAITING[0]["id"]]
    led = any(line.split()[1] == "listen" for line in running.first.lines())
    assert acknowledged or led or not left, f"nobody knows of {left}"


def trace_group(api, verb, count, directory):
    """The calls of an undisturbed leader, and of the first of those who wait."""
    with Bench(api, "node0") as bench:
        running = Running(bench, Group(verb, count=count), directory)
        running.check()
        running.end()
    assert not any(line.split()[1] == "listen" for line in running.first.lines()), "it did not wait"
    return interesting(running.leader.lines()), interesting(running.first.lines())


@pytest.mark.parametrize("verb", ("ADD", "DEL"))
def test_one_who_waits_and_is_killed_harms_nobody(verb, api, tmp_path):
    chance = random.Random(f"{harness.SEED} {verb}")
    _, numbers = trace_group(api, verb, 1, tmp_path)
    cases = [Group(verb, waiting=point) for point in points(numbers, 10, chance)]
    faults.run_all(api, cases, in_directory(run_group))


@pytest.mark.parametrize("verb", ("ADD", "DEL"))
def test_when_a_leader_is_killed_all_who_wait_get_what_they_want(verb, api, tmp_path):
    chance = random.Random(f"{harness.SEED} {verb} leader")
    numbers, _ = trace_group(api, verb, 3, tmp_path)
    cases = [Group(verb, leader=point, count=3) for point in points(numbers, 14, chance)]
    faults.run_all(api, cases, in_directory(run_group))


@pytest.mark.parametrize("verb", ("ADD", "DEL"))
def test_when_a_leader_and_one_who_waits_are_killed_the_others_get_what_they_want(verb, api, tmp_path):
    chance = random.Random(f"{harness.SEED} {verb} both")
    leaders, waiting = trace_group(api, verb, 2, tmp_path)
    some = points(leaders, 6, chance)
    others = [chance.choice(points(waiting, 1, chance)) for _ in some]
    cases = [Group(verb, one, other, count=2) for one, other in zip(some, others)]
    faults.run_all(api, cases, in_directory(run_group))
