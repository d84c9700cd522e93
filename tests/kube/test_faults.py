# SPDX-License-Identifier: Apache-2.0
"""Each request of a call goes wrong in every way that a server and a network know.

A scenario is a call with what was there before. It is run once undisturbed, which tells its requests and
what has to be left after the runtime's DELs; then once for each case, with a fault at one request (once) or
at every request of that kind (for ever). A case is called after them: "a DEL, 4 PATCH ippools: 503 done".

Ordinary runs take a part of the cases: every fault at some request of every scenario, and every request of
every scenario with some fault. FULL=1 takes all.
"""

import dataclasses
import json
import random
import threading
import time

import pytest

import faults
import harness
from faults import LATER, OURS, Bench, attachment
from node import Node
from proxy import answer, cut, damage, delay, truncate

CODES = (401, 403, 404, 409, 410, 422, 429, 500, 503, 504)
FAULTS = {
    **{f"{code}{' done' * done}": answer(code, done=done) for code in CODES for done in (False, True)},
    "429 and wait": answer(429, headers={"Retry-After": "1"}),
    "429 and wait done": answer(429, headers={"Retry-After": "1"}, done=True),
    "503 and wait": answer(503, headers={"Retry-After": "1"}),
    "cut": cut(),
    "cut done": cut(done=True),
    "reset": cut(reset=True),
    "reset done": cut(done=True, reset=True),
    "truncated": truncate(),
    "truncated to nothing": truncate(0),
    "no JSON": damage(lambda body: b"\x00\xff<html>" + body),
    "half the JSON": damage(lambda body: body[: len(body) // 2]),
    "an empty object": damage(lambda body: b"{}"),
    "an empty body": damage(lambda body: b""),
    "slow": delay(1.2),
    "slow after it was done": delay(1.2, done=True),
}
# After one of these the call tries again, so that one fault alone does no harm.
PASSING = {f for f in FAULTS if f.split()[0] in ("429", "500", "503", "504", "cut", "reset", "truncated", "slow")}
LYING = {"no JSON", "half the JSON", "an empty object", "an empty body"}

# Seconds that a call may take at the most. It is 30 ms long undisturbed; the machine may be busy.
ONCE_S, FOREVER_S = 10, 40


def undisturbed(api, name):
    """The requests of a scenario, as kinds."""
    scenario, who = faults.SCENARIOS[name], faults.SUBJECTS.get(name, OURS)
    with Bench(api, "node0") as bench:
        background = scenario.set_up(bench)
        outcome = bench.call(scenario.verb, scenario.config, who)
        kinds = [faults.kind(r) for r in bench.proxy.requests]
        assert outcome.rc == 0 and outcome.err == b"", outcome
        if scenario.verb == "ADD":
            faults.check_printed(bench, outcome, scenario.config, who, scenario.overlap)
        faults.follow(bench, scenario, who, outcome)
        faults.check_clean(bench, scenario.config, faults.clean(name, background))
    assert len(kinds) >= 2
    return kinds


@dataclasses.dataclass
class Case:
    scenario: str
    number: int     # of the request, from 1
    kind: str
    fault: str
    forever: bool = False

    def __str__(self):
        return f"{self.scenario}, {self.number} {self.kind}: {self.fault}{' for ever' * self.forever}"


def run_case(bench, case):
    scenario, who = faults.SCENARIOS[case.scenario], faults.SUBJECTS.get(case.scenario, OURS)
    background = scenario.set_up(bench)
    if case.forever:
        bench.proxy.fault(lambda r: faults.kind(r) == case.kind, FAULTS[case.fault], times=-1)
    else:
        bench.proxy.fault(case.number, FAULTS[case.fault])
    begin = time.monotonic()
    outcome = bench.call(scenario.verb, scenario.config, who)
    took = time.monotonic() - begin
    requests = list(bench.proxy.requests)
    bench.proxy.reset()
    try:
        assert len(requests) >= case.number, f"only {len(requests)} requests: the fault met none"
        judge(bench, case, scenario, who, outcome, took)
        faults.follow(bench, scenario, who, outcome)
        faults.check_clean(bench, scenario.config, faults.clean(case.scenario, background))
        if outcome.rc == 1 or outcome.err:
            judge_text(case, faults.check_error(outcome) if outcome.rc else outcome.err.decode())
    except AssertionError as error:
        raise AssertionError(f"{error}\n    it said {outcome} after {took:.1f} s, asked {requests}") from error


def judge(bench, case, scenario, who, outcome, took):
    """What the disturbed call itself said, and what was true then."""
    limit = FOREVER_S if case.forever else ONCE_S
    assert took < limit, f"it took {took:.1f} s"
    assert outcome.rc in (0, 1), "exit status"
    if outcome.rc == 1:
        faults.check_error(outcome)
    elif scenario.verb == "ADD":
        faults.check_printed(bench, outcome, scenario.config, who, scenario.overlap)
    elif outcome.err:
        assert outcome.err.count(b"\n") == 1, "more than one line of warning"
        assert any(name.endswith(".release") for name in bench.records(raw=True)), "left for later, no mark"
    else:
        gone = {k: v for k, v in bench.pools().items() if v["id"] == who["id"]}
        assert not gone, f"silent success, and there are {gone}"
    if case.fault in PASSING and not case.forever:
        assert outcome.rc == 0 and outcome.err == b"", "one passing fault, and it gave up"


def judge_text(case, text):
    """The text says which request failed, and by what."""
    method, plural = case.kind.split()
    if case.fault in LYING:
        # Which object it is about; a write that seemed to be in vain may show later, by another request.
        named = any(name in text for name in (faults.POOL, faults.V6_POOL, "10.1.0.", "fd00-1--", "whereabouts", "mynet"))
        assert named, f"the object is not named: {text}"
        return
    words = {"GET": "get", "POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}
    assert f"k8s {words[method]} error: {plural} " in text, f"the request is not named: {text}"
    code = case.fault.split()[0]
    if code.isdigit():
        assert f"the API server answers {code}" in text and "injected" in text, f"the cause is not named: {text}"


PART = 14  # of the faults, in an ordinary run
NAMES = [*faults.SCENARIOS, "ADDs", "DELs"]


def sample(name, kinds):
    """All cases, or some: every request has its fault, and every fault comes in one of three scenarios."""
    if harness.FULL:
        return [Case(name, n, k, f) for f in FAULTS for n, k in enumerate(kinds, 1)]
    some, numbers = list(FAULTS), list(range(len(kinds)))
    random.Random(harness.SEED).shuffle(some)
    random.Random(f"{harness.SEED} {name}").shuffle(numbers)
    start = NAMES.index(name) * PART
    chosen = [(some[(start + i) % len(some)], numbers[i % len(numbers)]) for i in range(max(PART, len(kinds)))]
    return [Case(name, n + 1, kinds[n], f) for f, n in chosen]


@pytest.mark.parametrize("name", faults.SCENARIOS)
def test_one_fault_at_any_request_loses_nothing_and_lies_to_nobody(name, api):
    kinds = undisturbed(api, name)
    faults.run_all(api, sample(name, kinds), run_case)


LASTING = ("401", "403", "404", "422", "429", "503", "503 done", "504", "cut", "cut done", "truncated",
           "half the JSON", "slow")


def lasting_cases(api, name):
    kinds = undisturbed(api, name)
    chance = random.Random(f"{harness.SEED} {name}")
    cases = []
    for number, what in enumerate(kinds, 1):
        if what not in kinds[: number - 1]:
            some = LASTING if harness.FULL else chance.sample(LASTING, 2)
            cases += [Case(name, number, what, f, True) for f in some]
    return cases


LASTING_SCENARIOS = list(faults.SCENARIOS) if harness.FULL else [
    "the first ADD", "an ADD", "an ADD after half a DEL", "a DEL"]


def test_faults_that_last_end_in_time_and_with_their_cause(api):
    cases = [case for name in LASTING_SCENARIOS for case in lasting_cases(api, name)]
    faults.run_all(api, cases, run_case, workers=16)


# ---- several in one batch ----

MEMBERS = [OURS, *(attachment(f"member{i}", f"pod-member{i}") for i in range(4))]


def run_together(bench, verb, act):
    """Calls that one of them does for all; it is held at its first request until all others have asked it.
    act(proxy): sets faults for the requests after that one. Their outcomes."""
    bench.proxy.reset()
    go = threading.Event()
    bench.proxy.fault(1, delay(go))
    act(bench.proxy)
    config = faults.SCENARIOS["an ADD"].config
    processes = [bench.start(verb, config, MEMBERS[0])]
    try:
        harness.eventually(lambda: bench.proxy.requests, "a busy leader")
        processes += [bench.start(verb, config, who) for who in MEMBERS[1:]]
        for process in processes[1:]:
            harness.eventually(lambda p=process: faults.waits(p.pid), "the others wait")
    finally:
        go.set()
    return [harness.finish(p, timeout=150) for p in processes]


def run_batch(bench, case):
    scenario = faults.SCENARIOS["an ADD"]
    background = scenario.set_up(bench)
    if case.scenario == "DELs":
        for who in MEMBERS:
            assert bench.call("ADD", scenario.config, who).rc == 0
    verb = case.scenario[:3]
    outcomes = run_together(bench, verb, lambda proxy: proxy.fault(case.number, FAULTS[case.fault]))
    requests = list(bench.proxy.requests)
    bench.proxy.reset()
    try:
        given = []
        for who, outcome in zip(MEMBERS, outcomes):
            if case.fault in PASSING:
                assert outcome.rc == 0 and outcome.err == b"", "one passing fault, and it gave up"
            if outcome.rc == 1:
                faults.check_error(outcome)
            elif verb == "ADD":
                given += faults.check_printed(bench, outcome, scenario.config, who)
            elif not outcome.err:
                assert not [k for k, e in bench.pools().items() if e["id"] == who["id"]], "silent success"
        assert len(set(given)) == len(given), f"given twice: {given}"
        for who, outcome in zip(MEMBERS, outcomes):
            if verb == "ADD" or outcome.rc != 0:
                bench.delete(scenario.config, who)
        faults.check_clean(bench, scenario.config, background)
    except AssertionError as error:
        raise AssertionError(f"{error}\n    they said {outcomes}, asked {requests}") from error


@pytest.mark.parametrize("verb", ["ADD", "DEL"])
def test_one_fault_at_any_request_of_a_batch(verb, api):
    with Bench(api, "node0") as bench:
        scenario = faults.SCENARIOS["an ADD"]
        scenario.set_up(bench)
        for one in ("ADD", "DEL") if verb == "DEL" else ("ADD",):
            outcomes = run_together(bench, one, lambda proxy: None)
            assert all(o.rc == 0 for o in outcomes), outcomes
        kinds = [faults.kind(r) for r in bench.proxy.requests]
    assert kinds.count("PATCH ippools") == 1, f"no batch: {kinds}"
    # The first request is the one that is held.
    cases = [c for c in sample(f"{verb}s", kinds) if c.number > 1]
    faults.run_all(api, cases, run_batch)


@dataclasses.dataclass
class Refusal:
    guilty: int
    status: int

    def __str__(self):
        return f"{self.status} for {MEMBERS[self.guilty]['id']}"


def run_refusal(bench, case):
    id = MEMBERS[case.guilty]["id"].encode()
    scenario = faults.SCENARIOS["an ADD"]
    background = scenario.set_up(bench)

    def refuse(proxy):
        proxy.fault(lambda r: r.method == "PATCH" and b'"%s"' % id in r.body, answer(case.status), times=-1)

    outcomes = run_together(bench, "ADD", refuse)
    bench.proxy.reset()
    for i, (who, outcome) in enumerate(zip(MEMBERS, outcomes)):
        if i == case.guilty:
            assert f"the API server answers {case.status}" in faults.check_error(outcome), outcome
            assert who["id"] not in [e["id"] for e in bench.pools().values()]
            assert who["id"] not in [r.get("containerid") for r in bench.reservations().values()]
        else:
            faults.check_printed(bench, outcome, scenario.config, who)
    for who in MEMBERS:
        bench.delete(scenario.config, who)
    faults.check_clean(bench, scenario.config, background)


def test_one_whom_the_server_refuses_does_not_harm_the_others_of_its_batch(api):
    cases = [Refusal(i, status) for i in range(len(MEMBERS)) for status in (400, 409, 413, 422)]
    faults.run_all(api, cases, run_refusal)


# ---- who is overtaken ----


@pytest.mark.parametrize("name, what", [
    *((n, w) for n in ("an ADD", "an ADD without Lease")
      for w in ("GET ippools", "POST overlappingrangeipreservations", "PATCH ippools")),
    ("an ADD without overlap check", "GET ippools"), ("an ADD without overlap check", "PATCH ippools"),
])
def test_who_is_slower_than_his_lease_does_no_harm(name, what, api):
    """Another node does not wait for ever: it takes the Lease, and the address that the slow one had seen free."""
    scenario = faults.SCENARIOS[name]
    with Bench(api, "node1") as slow, Node("node2") as fast:
        background = scenario.set_up(slow)
        fast.configure(api, namespace=slow.namespace, **scenario.flat)
        go = threading.Event()
        slow.proxy.fault(lambda r: faults.kind(r) == what, delay(go))
        process = slow.start("ADD", scenario.config, OURS)
        try:
            harness.eventually(lambda: [r for r in list(slow.proxy.requests) if faults.kind(r) == what], what)
            other = fast.call("ADD", scenario.config, binary=harness.WHEREABOUTS, **LATER)
        finally:
            go.set()
        outcome = harness.finish(process)
        faults.check_printed(slow, outcome, scenario.config, OURS, scenario.overlap)
        faults.check_printed(slow, other, scenario.config, LATER, scenario.overlap)
        assert outcome.addresses != other.addresses
        removed = fast.call("DEL", scenario.config, binary=harness.WHEREABOUTS, **LATER)
        assert (removed.rc, removed.err) == (0, b""), removed
        slow.delete(scenario.config, OURS)
        faults.check_clean(slow, scenario.config, background)


# ---- requests that are carried out late ----


@dataclasses.dataclass
class Late:
    scenario: str
    kind: str
    killed: bool     # the client dies; else it loses patience
    between: str     # what happens before the request is carried out

    def __str__(self):
        end = "is killed" if self.killed else "gives up"
        return f"{self.scenario} {end} while its {self.kind} is under way; {self.between}; then it is carried out"


def run_late(bench, case):
    scenario, who = faults.SCENARIOS[case.scenario], faults.SUBJECTS.get(case.scenario, OURS)
    background = scenario.set_up(bench)
    go = threading.Event()
    # A client that is not killed repeats it: then all are held.
    bench.proxy.fault(lambda r: faults.kind(r) == case.kind, delay(go), times=1 if case.killed else -1)
    process = bench.start(scenario.verb, scenario.config, who)
    try:
        held = harness.eventually(lambda: [r for r in list(bench.proxy.requests) if faults.kind(r) == case.kind],
                                  f"{case.kind} arrives")
        if case.killed:
            process.kill()
        outcome = harness.finish(process, timeout=150)
        held = [r for r in list(bench.proxy.requests) if faults.kind(r) == case.kind]
        if not case.killed:
            assert outcome.rc in (0, 1), outcome
            assert scenario.verb == "DEL" or outcome.rc == 1, f"the answer was lost, and it printed {outcome}"
        bench.proxy.reset()
        removed = False
        if case.between == "the runtime deletes":
            bench.delete(scenario.config, who)
            removed = True
        elif case.between == "another pod comes":
            assert bench.call("ADD", scenario.config, LATER).rc == 0
            bench.delete(scenario.config, LATER)
        elif case.between == "the runtime deletes, and the pod comes again":
            bench.delete(scenario.config, who)
            again = bench.call("ADD", scenario.config, attachment("again", who["pod"]))
            assert again.rc == 0, again
        elif case.between == "the runtime repeats it":
            again = bench.call(scenario.verb, scenario.config, who)
            assert again.rc == 0, again
    finally:
        go.set()
    for request in held:
        harness.eventually(lambda r=request: r.end, f"{request} is carried out")
    if case.kind.startswith("POST overlapping") and case.killed and case.between == "the runtime deletes":
        assert held[0].forwarded == 201, "it was not carried out: nothing is tested"
    if case.between == "the runtime deletes, and the pod comes again":
        faults.check_printed(bench, again, scenario.config, attachment("again", who["pod"]), scenario.overlap)
        bench.delete(scenario.config, attachment("again", who["pod"]))
    if case.between == "the runtime repeats it" and scenario.verb == "ADD":
        faults.check_printed(bench, again, scenario.config, who, scenario.overlap)
    if scenario.verb == "ADD" and not removed:
        bench.delete(scenario.config, who)
    elif scenario.verb == "DEL" and case.killed:
        bench.delete(scenario.config, who)  # the runtime saw it die
    for other in scenario.also:
        bench.delete(scenario.config, other)
    # What appeared late is there until the time has passed.
    faults.check_unsettled(bench)
    bench.age()
    bench.delete(scenario.config, LATER)
    faults.check_clean(bench, scenario.config, faults.clean(case.scenario, background))


def late_cases(killed):
    betweens = ("the runtime deletes", "another pod comes", "the runtime deletes, and the pod comes again",
                "the runtime repeats it")
    kinds = {
        "the first ADD": ("POST leases", "POST ippools", "POST overlappingrangeipreservations", "PATCH ippools"),
        "an ADD": ("PUT leases", "POST overlappingrangeipreservations", "PATCH ippools"),
        "an ADD with two ranges": ("POST overlappingrangeipreservations", "PATCH ippools"),
        "an ADD without overlap check": ("PATCH ippools",),
        "an ADD without Lease": ("POST overlappingrangeipreservations", "PATCH ippools"),
        "an ADD by another container of the pod": ("PATCH overlappingrangeipreservations", "PATCH ippools"),
        "an ADD after half a DEL": ("PATCH ippools", "POST overlappingrangeipreservations"),
        "a DEL": ("DELETE overlappingrangeipreservations", "PATCH ippools"),
        "a DEL without Lease": ("DELETE overlappingrangeipreservations", "PATCH ippools"),
    }
    return [Late(name, k, killed, b) for name, some in kinds.items() for k in some for b in betweens]


def test_what_a_killed_call_had_sent_and_is_carried_out_late_goes_again(api):
    faults.run_all(api, late_cases(True), run_late)


def test_what_a_call_had_sent_that_lost_patience_goes_again(api):
    cases = late_cases(False)
    if not harness.FULL:
        cases = random.Random(harness.SEED).sample(cases, 10)
    faults.run_all(api, cases, run_late, workers=16)
