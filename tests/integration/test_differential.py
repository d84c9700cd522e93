# SPDX-License-Identifier: Apache-2.0
"""Ours beside the Go programs: on parallel directories, and on one directory in turns."""

import collections
import concurrent.futures
import os
import random

import pytest

import differential
import generator
import harness
import mixed

STEPS = 25_000 if harness.FULL else 5_000          # per peer
MIXED_STEPS = 20_000 if harness.FULL else 2_000
WORKERS = 2
PEERS = ('v1.9.1', 'debian')


def run_sessions(peer, ours, steps, seed=harness.SEED):
    """Sessions until so many steps are done. Returns (steps, rows, descriptions of mismatches)."""
    theirs = os.fspath(harness.peer(peer))
    rows, done, problems, number = collections.Counter(), 0, [], 0
    with concurrent.futures.ProcessPoolExecutor(WORKERS) as pool:
        while done < steps and len(problems) < 10:
            wave = [pool.submit(differential.run_session, peer, seed, number + i, os.fspath(ours), theirs)
                    for i in range(20)]
            number += len(wave)
            for future in wave:
                count, used, problem = future.result()
                done += count
                rows.update(used)
                problems += [problem] if problem else []
    print(f'{peer}: {done} steps in {number} sessions, seed {seed}')
    for name, reason, _ in differential.DIFFERENCES:
        print(f'{rows[name]:7} {name}: {reason}')
    return done, rows, problems


@pytest.fixture(scope='module')
def runs():
    return {peer: run_sessions(peer, harness.HOST_LOCAL, STEPS) for peer in PEERS}


@pytest.mark.parametrize('peer', PEERS)
def test_random_steps_agree_with_the_go_program_but_for_the_allowed_differences(runs, peer):
    done, _, problems = runs[peer]
    assert not problems, f'{len(problems)} sessions differ; the first:\n{problems[0]}'
    assert done >= STEPS


def test_every_allowed_difference_occurs_so_that_the_table_holds_no_dead_row(runs):
    rows = sum((used for _, used, _ in runs.values()), collections.Counter())
    assert [name for name, _, _ in differential.DIFFERENCES if not rows[name]] == []


def test_every_injection_applies_so_that_no_kind_of_error_is_missing():
    hits = collections.Counter()
    for number in range(150):
        rng = random.Random(f'injections/{number}')
        session = generator.Session(rng, 'v1.9.1', '@S@/resolv')
        for function, _ in generator.INJECTIONS:
            for _ in range(3):
                step = session.step()
                if step.error is None and function(rng, step):
                    hits[function.__name__] += 1
    assert [f.__name__ for f, _ in generator.INJECTIONS if hits[f.__name__] < 8] == []


def test_the_comparison_finds_out_a_go_program_in_our_place():
    _, _, problems = run_sessions('v1.9.1', harness.peer('v1.9.1'), 200)
    assert problems


def test_ours_and_the_go_programs_take_turns_on_one_directory_and_every_answer_is_foretold(tmp_path):
    programs = {'ours': harness.HOST_LOCAL, 'v1.9.1': harness.peer('v1.9.1'), 'debian': harness.peer('debian')}
    done = number = 0
    with concurrent.futures.ProcessPoolExecutor(WORKERS) as pool:
        while done < MIXED_STEPS:
            wave = []
            for _ in range(8):
                directory = tmp_path / str(number)
                directory.mkdir()
                wave.append(pool.submit(mixed.run_session, directory, harness.SEED, number, programs))
                number += 1
            done += sum(future.result() for future in wave)
    print(f'{done} steps in {number} sessions, seed {harness.SEED}')
