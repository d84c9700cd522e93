# SPDX-License-Identifier: Apache-2.0
"""Ours beside the Go program: random steps on the same objects, in two namespaces of one server."""

import collections
import random

import pytest

import apiserver
import harness
import kube_differential as differential
from wb import Program, network, objects

STEPS = 5_000 if harness.FULL else 300


@pytest.fixture
def cluster(api, nodes):
    return differential.Cluster(api, nodes)


def run_sessions(cluster, steps, ours, seed=harness.SEED, stop=10):
    """Sessions until so many steps are done, or so many differ. Returns (steps, rows, descriptions of mismatches)."""
    binaries = {differential.THEIRS: Program(ours=False).path, differential.OURS: ours}
    rows, done, problems, number = collections.Counter(), 0, [], 0
    while done < steps and len(problems) < stop:
        count, used, problem = differential.run_session(cluster, seed, number, binaries)
        number += 1
        done += count
        rows.update(used)
        problems += [problem] if problem else []
    print(f"{done} steps in {number} sessions, seed {seed}")
    for name, reason, _ in differential.DIFFERENCES:
        print(f"{rows[name]:7} {name}: {reason}")
    return done, rows, problems


def test_random_steps_agree_with_the_go_program_but_for_the_allowed_differences(cluster):
    done, rows, problems = run_sessions(cluster, STEPS, harness.WHEREABOUTS)
    assert not problems, f"{len(problems)} sessions differ:\n" + "\n\n".join(problems)
    assert done >= STEPS
    if harness.FULL:  # else they are too few
        assert [name for name, _, _ in differential.DIFFERENCES if not rows[name]] == []


@pytest.mark.parametrize("fault", [
    's/"exclude"/"x"/g', 's/"range_start"/"x"/g', 's/"network_name"/"x"/', 's/"routes"/"x"/'])
def test_the_comparison_finds_out_a_program_that_forgets_a_member(cluster, tmp_path, fault):
    program = tmp_path / "program"
    program.write_text(f"#!/bin/sh\nsed '{fault}' | {harness.WHEREABOUTS}\n")
    program.chmod(0o755)
    _, _, problems = run_sessions(cluster, 300, program, seed="forgets", stop=1)
    assert problems


def test_every_injection_comes_up():
    hits = collections.Counter()
    for number in range(100):
        session = differential.Session(random.Random(f"injections/{number}"))
        hits.update(session.step().error for _ in range(differential.STEPS_OF_A_SESSION))
    assert [f.__name__ for f in differential.INJECTIONS if hits[f.__name__] < 3] == []


# ---- what random steps leave out, because ours differs by rule ----


@pytest.mark.parametrize("ranges, theirs, ours", [
    (["10.0.0.0/28", "10.0.0.0/28"], ["10.0.0.1/28", "10.0.0.1/28"], ["10.0.0.1/28", "10.0.0.2/28"]),
    (["10.0.0.0/28", "10.0.0.0/29"], ["10.0.0.1/28", "10.0.0.1/29"], ["10.0.0.1/28", "10.0.0.2/29"]),
])
def test_ranges_of_one_network_that_overlap_give_no_address_twice(api, node, ranges, theirs, ours):
    config = network(ipRanges=[{"range": r} for r in ranges])
    for program, wanted in ((Program(ours=False), theirs), (Program(ours=True), ours)):
        for _ in range(2):
            done = program.call(node, "ADD", config)
            assert [ip["address"] for ip in done.json()["ips"]] == wanted, program
        assert program.call(node, "DEL", config).rc == 0
        if program.ours:
            assert objects(api) == {"pools": {apiserver.pool_name(r): {} for r in ranges}, "reservations": {}}
        api.clear()
