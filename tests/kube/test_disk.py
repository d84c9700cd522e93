# SPDX-License-Identifier: Apache-2.0
"""The node's disk is full, read-only, broken, or has files that nobody expects: whoever calls learns it, or it
does no harm. The cluster never has what nobody knows of.
"""

import collections
import contextlib
import dataclasses
import errno
import json
import os
import pathlib
import random
import shutil
import socket
import subprocess
import tempfile
import threading

import pytest

import faults
import harness
import tools
import wb
from faults import GROUPS, LATER, OURS, RECORDS, Bench
from proxy import answer, delay, is_request

OF_FILES = {"access", "close", "faccessat", "fchmod", "fdatasync", "flock", "fstat", "fsync", "ftruncate",
            "getdents64", "lseek", "mkdir", "mkdirat", "newfstatat", "open", "openat", "pread64", "read", "rename",
            "renameat", "renameat2", "stat", "statx", "unlink", "unlinkat", "write", "writev",
            # of the group's socket, which is a file
            "bind", "listen", "socket", "accept4"}
ERRORS = ("EIO", "ENOSPC", "EROFS", "EACCES")
OWN = wb.digest("mynet", OURS["id"], OURS["ifname"])  # the name of our record
CONFIG = faults.network(faults.RANGE)


# ---- any one call to the kernel fails ----


@dataclasses.dataclass
class Failing:
    scenario: str
    call: str    # NAME:N
    error: str

    def __str__(self):
        return f"{self.scenario}, {self.error} from {self.call}"


def traced(bench, directory, scenario, *plan):
    report = pathlib.Path(directory) / "report"
    outcome = bench.call(scenario.verb, scenario.config, OURS,
                         wrap=(tools.tool("killer"), "-o", report, *plan, "--"), timeout=30)
    return outcome, report.read_text().splitlines()


def own_calls(lines):
    """[NAME:N] of what the program itself does to files, without its loader."""
    seen, own = collections.Counter(), []
    for name in (line.split()[1] for line in lines[:-1]):
        seen[name] += 1
        if seen["prlimit64"] and name in OF_FILES:
            own.append(f"{name}:{seen[name]}")
    return own


def run_failing(bench, case):
    scenario = faults.SCENARIOS[case.scenario]
    background = scenario.set_up(bench)
    with tempfile.TemporaryDirectory(prefix="disk") as directory:
        outcome, lines = traced(bench, directory, scenario, "fail", str(getattr(errno, case.error)),
                                case.call)
    try:
        failed = lines[int(lines[-1].split()[1]) - 1].split()[1:] if lines[-1].startswith("failed") else []
        assert outcome.rc in (0, 1), "exit status"
        if outcome.rc == 1 and not (failed == ["write", "1"] and outcome.out == b""):
            faults.check_error(outcome)
        if outcome.rc == 1 and scenario.verb == "ADD" and scenario.prepare is None:
            check_taken_back(bench, background)
        if outcome.rc == 0 and scenario.verb == "ADD":
            faults.check_printed(bench, outcome, scenario.config, OURS, scenario.overlap)
        elif outcome.rc == 0 and not outcome.err:
            gone = [k for k, e in bench.pools().items() if e["id"] == OURS["id"]]
            assert not gone, f"silent success, and there are {gone}"
        faults.follow(bench, scenario, OURS, outcome)
        faults.check_clean(bench, scenario.config, faults.clean(case.scenario, background))
    except AssertionError as error:
        raise AssertionError(f"{error}\n    it said {outcome}, {lines[-1]}: {failed}") from error


def check_taken_back(bench, background):
    """An ADD that failed left nothing, or a record that says so, without any DEL."""
    if bench.cluster() != background:
        marks = [name for name in bench.records(raw=True) if name.endswith(".release")]
        assert marks, f"left without a mark: {faults.differences(bench.cluster(), background)}"


@pytest.mark.parametrize("name", ("the first ADD", "an ADD with two ranges", "an ADD once more", "an ADD after half a DEL",
                                  "a DEL", "a DEL without record"))
def test_any_call_to_the_kernel_may_fail_once(name, api, tmp_path):
    if tools.is_sanitized(harness.WHEREABOUTS):
        pytest.skip("a sanitizer's own system calls are not what is tested")
    scenario = faults.SCENARIOS[name]
    with Bench(api, "node0") as bench:
        scenario.set_up(bench)
        outcome, lines = traced(bench, tmp_path, scenario, "trace")
        assert outcome.rc == 0, outcome
    calls = own_calls(lines)
    cases = [Failing(name, call, e) for call in calls for e in ERRORS]
    if not harness.FULL:
        # Configuration and credentials are read first, and differ little.
        start = calls.index("flock:1") * len(ERRORS) - 40
        cases = random.Random(f"{harness.SEED} {name}").sample(cases[max(0, start):], 12)
    faults.run_all(api, cases, run_failing)


# ---- whole file systems ----


@pytest.fixture
def bench(api):
    with Bench(api, "node1") as made:
        made.fresh()
        yield made


@contextlib.contextmanager
def mounted(bench, path, options):
    """The file system of a directory of the node with other options."""
    def remount(options):
        subprocess.run([*bench.node.wrap, "mount", "-o", f"remount,{options}", path], check=True)

    remount(options)
    try:
        yield
    finally:
        remount("rw,size=1g")


@contextlib.contextmanager
def full(bench, path):
    filler = bench.node.path(path)
    with mounted(bench, path, "size=64k"):
        harness.fill(filler)
        try:
            yield
        finally:
            (filler / "filler").unlink()


def read_only(bench, path):
    return mounted(bench, path, "ro")


def add(bench, who=OURS):
    outcome = bench.call("ADD", CONFIG, who)
    assert outcome.rc == 0, outcome
    faults.check_printed(bench, outcome, CONFIG, who)
    return outcome


def group_is_a_file(bench):
    bench.node.write(f"{GROUPS}/whereabouts", "")


def group_is_a_link(bench):
    bench.node.path(f"{GROUPS}/whereabouts").symlink_to("/nowhere")


def places(bench):
    """The directories of this node's groups; a call made them."""
    add(bench)
    bench.delete(CONFIG, OURS)
    return list(bench.node.path(f"{GROUPS}/whereabouts").iterdir())


def group_is_open_to_all(bench):
    for place in places(bench):
        place.chmod(0o777)


def group_is_anothers(bench):
    for place in places(bench):
        os.chown(place, 65534, 65534)


def lock_is_a_link(bench):
    for place in places(bench):
        (place / "lock").unlink()
        (place / "lock").symlink_to("/etc/hostname")


def lock_is_a_directory(bench):
    for place in places(bench):
        (place / "lock").unlink()
        (place / "lock").mkdir()


def socket_is_a_directory(bench):
    for place in places(bench):
        (place / "sock").mkdir()


def socket_is_a_dead_ones(bench):
    for place in places(bench):
        with contextlib.closing(socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)) as dead:
            descriptor = os.open(place, os.O_PATH)
            dead.bind(f"/proc/self/fd/{descriptor}/sock")
            os.close(descriptor)


@pytest.mark.parametrize("spoil", [group_is_a_file, group_is_a_link, group_is_open_to_all, group_is_anothers,
                                   lock_is_a_link, lock_is_a_directory, socket_is_a_directory,
                                   socket_is_a_dead_ones])
def test_a_group_that_cannot_be_is_not_needed(spoil, bench):
    spoil(bench)
    check_works(bench)


@pytest.mark.parametrize("state", [read_only, full])
def test_a_run_directory_that_cannot_be_written_is_not_needed(state, bench):
    with state(bench, GROUPS):
        check_works(bench)


def test_a_run_directory_that_became_read_only_is_not_needed(bench):
    places(bench)
    with read_only(bench, GROUPS):
        check_works(bench)


def check_works(bench):
    """Calls at the same time, too."""
    processes = [bench.start("ADD", CONFIG, who) for who in (OURS, LATER)]
    outcomes = [harness.finish(p) for p in processes]
    given = [faults.check_printed(bench, o, CONFIG, w) for o, w in zip(outcomes, (OURS, LATER))]
    assert given[0] != given[1]
    for who in (OURS, LATER):
        outcome = bench.delete(CONFIG, who)
        assert outcome.err == b"", outcome
    faults.check_clean(bench, CONFIG, ({}, {}))


@pytest.mark.parametrize("state, words", [(read_only, "read-only file system"), (full, "no space left on device")])
@pytest.mark.parametrize("known", [False, True])
def test_without_a_place_for_records_no_address_is_given(state, words, known, bench):
    if known:  # the directory is there already
        add(bench)
        bench.delete(CONFIG, OURS)
    before = bench.cluster()
    with state(bench, "/var/lib/cni"):
        outcome = bench.call("ADD", CONFIG, OURS)
        text = faults.check_error(outcome)
        assert words in text and ("/var/lib/cni" in text or OWN in text), text
        assert bench.cluster() == before, "it left something"
    bench.delete(CONFIG, OURS)
    faults.check_clean(bench, CONFIG, before)


def test_on_a_full_disk_addresses_are_released(bench):
    add(bench)
    with full(bench, "/var/lib/cni"):
        outcome = bench.delete(CONFIG, OURS)
        assert outcome.err == b"", outcome
        assert bench.cluster() == ({}, {}), bench.cluster()
    faults.check_clean(bench, CONFIG, ({}, {}))


def test_on_a_full_disk_with_the_server_away_a_delete_fails_or_is_remembered(bench):
    add(bench)
    with full(bench, "/var/lib/cni"):
        bench.proxy.fault(is_request("GET", "/ippools"), answer(403), times=-1)
        outcome = bench.call("DEL", CONFIG, OURS)
        assert outcome.rc == 0 or "403" in faults.check_error(outcome), outcome
        bench.proxy.reset()
    if outcome.rc != 0:
        bench.delete(CONFIG, OURS)
    faults.check_clean(bench, CONFIG, ({}, {}))


def test_on_a_read_only_disk_a_delete_says_so_or_is_done(bench):
    add(bench)
    with read_only(bench, "/var/lib/cni"):
        outcome = bench.call("DEL", CONFIG, OURS)
        if outcome.rc == 0:
            assert bench.cluster() == ({}, {}), bench.cluster()
        else:
            assert "read-only file system" in faults.check_error(outcome), outcome
            assert outcome.code == 11, outcome
    bench.delete(CONFIG, OURS)
    faults.check_clean(bench, CONFIG, ({}, {}))


def test_a_disk_that_became_full_during_an_add_leaves_nothing(bench):
    """The record fits no more after the reservations were found taken."""
    add(bench, LATER)
    bench.delete(CONFIG, LATER)
    for last in range(1, 6):
        bench.api.create_reservation(f"10.1.0.{last}", "ns1/other", namespace=bench.namespace)
    before = bench.cluster()
    go = threading.Event()
    bench.proxy.fault(is_request("POST", "/overlappingrange"), delay(go))
    process = bench.start("ADD", CONFIG, OURS)
    harness.eventually(lambda: any(r.method == "POST" for r in list(bench.proxy.requests)), "a POST arrives")
    with full(bench, "/var/lib/cni"):
        go.set()
        outcome = harness.finish(process)
        assert "no space left on device" in faults.check_error(outcome), outcome
        assert bench.cluster() == before, faults.differences(bench.cluster(), before)
    bench.delete(CONFIG, OURS)
    faults.check_clean(bench, CONFIG, before)


# ---- files that nobody expects ----


def record_text(**changes):
    record = {"version": 1, "state": "held", "network": "mynet", "containerID": OURS["id"], "ifname": OURS["ifname"],
              "podref": "ns1/pod1", "server": "https://127.0.0.1:1", "namespace": "kube-system",
              "kubeconfig": "/nowhere", "settledMs": 0, "items": []}
    return json.dumps({**record, **changes})


CONTENTS = {
    "empty": "",
    "no JSON": "\0\1\2garbage",
    "half a record": record_text()[:60],
    "too long": " " * (1024 * 1024 + 1),
    "another version": record_text(version=2),
    "no version": record_text(version=0),
    "another attachment's": record_text(containerID="somebody-else"),
    "another cluster's": record_text(),
    "an unknown state": record_text(state="lost"),
    "a pool with a path": record_text(items=[{"pool": "../../secrets", "ip": "10.1.0.2"}]),
    "an address that is none": record_text(items=[{"pool": faults.POOL, "ip": "10.1.0.999"}]),
    "a list": "[]",
}


def plant_text(text):
    return lambda path: path.write_text(text)


def plant_directory(path):
    path.mkdir()
    (path / "file").write_text("")


def plant_link(path):
    path.symlink_to("/etc/hostname")


def plant_socket(path):
    with contextlib.closing(socket.socket(socket.AF_UNIX)) as made:
        descriptor = os.open(path.parent, os.O_PATH)
        made.bind(f"/proc/self/fd/{descriptor}/{path.name[:60]}")
        os.close(descriptor)
    path.with_name(path.name[:60]).rename(path)


def plant_anothers(path):
    path.write_text(record_text())
    os.chown(path, 65534, 65534)


PLANTS = {
    **{name: plant_text(text) for name, text in CONTENTS.items()},
    "a directory": plant_directory,
    "a link": plant_link,
    "a dangling link": lambda path: path.symlink_to("/nowhere/at/all"),
    "a FIFO": os.mkfifo,
    "a socket": plant_socket,
    "another user's": plant_anothers,
}


def remove(path):
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def record_directory(bench):
    path = bench.node.path(RECORDS)
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    return path


@dataclasses.dataclass
class Planted:
    plant: str
    marked: bool

    def __str__(self):
        return f"{self.plant}{', marked' * self.marked}"


def run_planted(bench, case):
    bench.fresh()
    plant, marked, directory = case.plant, case.marked, record_directory(bench)
    hostname = pathlib.Path("/etc/hostname").read_bytes()
    PLANTS[plant](directory / OWN)
    if marked:
        (directory / f"{OWN}.release").write_text("")
    outcome = bench.call("ADD", CONFIG, OURS)
    if outcome.rc == 0:
        faults.check_printed(bench, outcome, CONFIG, OURS)
    else:
        assert OWN in faults.check_error(outcome), f"which file? {outcome}"
        assert bench.cluster() == ({}, {}), f"{outcome} left {bench.cluster()}"
    # As if it had come after an ADD.
    remove(directory / OWN)
    remove(directory / f"{OWN}.release")
    add(bench)
    remove(directory / OWN)
    PLANTS[plant](directory / OWN)
    if marked:
        (directory / f"{OWN}.release").write_text("")
    assert bench.call("ADD", CONFIG, LATER).rc == 0
    outcome = bench.call("DEL", CONFIG, OURS)
    if outcome.rc != 0:
        assert OWN in faults.check_error(outcome), f"which file? {outcome}"
        remove(directory / OWN)
        bench.delete(CONFIG, OURS)
    bench.delete(CONFIG, LATER)
    assert bench.cluster() == ({}, {}), bench.cluster()
    remove(directory / OWN)
    remove(directory / f"{OWN}.release")
    faults.check_clean(bench, CONFIG, ({}, {}))
    assert bench.node.path("/etc/hostname").read_bytes() == hostname


def test_something_else_in_place_of_the_record(api):
    faults.run_all(api, [Planted(plant, marked) for plant in PLANTS for marked in (False, True)], run_planted)


def test_the_mark_is_something_else(bench):
    directory = record_directory(bench)
    for plant in ("a directory", "a dangling link", "a FIFO", "a socket", "a link"):
        PLANTS[plant](directory / f"{OWN}.release")
        outcome = bench.call("ADD", CONFIG, OURS)
        if outcome.rc == 0:
            faults.check_printed(bench, outcome, CONFIG, OURS)
        else:
            faults.check_error(outcome)
            assert bench.cluster() == ({}, {}), f"{plant}: {outcome} left {bench.cluster()}"
        outcome = bench.call("DEL", CONFIG, OURS)
        remove(directory / f"{OWN}.release")
        if outcome.rc != 0:
            faults.check_error(outcome)
            bench.delete(CONFIG, OURS)
        faults.check_clean(bench, CONFIG, ({}, {}), f"{plant}: ")


def test_foreign_files_are_left_alone(bench):
    directory = record_directory(bench)
    other = "0" * 64
    files = {"README": "hello", "core": "x", "0123.release": "", f"{OWN}.releases": "", f"{OWN}x": record_text(),
             "lost+found": None, other: record_text(version=2), f"{other}.release": "", "Z" * 64: "no hash",
             "a" * 200: "", "1" * 64: "garbage", f"{'1' * 64}.release": ""}
    for name, text in files.items():
        if text is None:
            (directory / name).mkdir()
        else:
            (directory / name).write_text(text)
    add(bench)
    bench.delete(CONFIG, OURS)
    assert set(os.listdir(directory)) == set(files)
    assert {n: (directory / n).read_text() for n, t in files.items() if t is not None} == {
        n: t for n, t in files.items() if t is not None}


def test_marks_of_damaged_records_do_not_stop_the_work_on_others(bench):
    """More of them than are worked off at a time, and one real one."""
    directory = record_directory(bench)
    add(bench)
    bench.proxy.fault(is_request("PATCH"), answer(403), times=-1)
    assert bench.call("DEL", CONFIG, OURS).rc == 0
    bench.proxy.reset()
    for i in range(40):
        name = f"{i:064x}"
        (directory / name).write_text("garbage")
        (directory / f"{name}.release").write_text("")
    bench.delete(CONFIG, LATER)
    assert bench.cluster() == ({}, {}), bench.cluster()


def test_many_interrupted_deletes_are_worked_off_by_one_call(bench):
    who = [faults.attachment(f"c{i}", f"pod{i}") for i in range(13)]
    for one in who:
        assert bench.call("ADD", CONFIG, one).rc == 0
    bench.proxy.fault(is_request("GET", "/ippools"), answer(403), times=-1)
    for one in who:
        assert bench.call("DEL", CONFIG, one).rc == 0
    assert len(bench.pools()) == 13
    bench.proxy.reset()
    bench.delete(CONFIG, LATER)
    assert bench.cluster() == ({}, {})
    assert not bench.records(raw=True)
