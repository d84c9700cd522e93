# SPDX-License-Identifier: Apache-2.0
"""The daemon is killed at the entry of its system calls, while it gets a lease, renews it, gives it back and
stops, and while it starts with a lease of the one before. The next daemon goes on with what somebody was
told of, and gives back everything else.

To the server an address is in use from the REQUEST until the RELEASE or the lease's end. Ordinary runs take
points by chance, FULL=1 takes every one.
"""

import concurrent.futures
import contextlib
import dataclasses
import os
import pathlib
import queue
import random
import signal
import time

import pytest

import harness
import tools
import wire
from harness import eventually
from lab import Daemon, Process
from scripted import Plain, Scripted

LEASE = 4
WORKERS = 6
# What is killed: a daemon with one container, to the end of both; one that finds its lease; one that finds
# that its lease has to go. The call where ordinary runs begin, and how many points they take.
KINDS = {"life": ("accept4", 150), "start": ("getdents64", 40), "start with a mark": ("getdents64", 30)}
# When the runtime deletes the container: when there is a daemon again, before that, or much later.
DELETIONS = ("after the restart", "before the restart", "in the end")


@pytest.fixture(autouse=True)
def traceable():
    if tools.is_sanitized(harness.dhcp()):
        pytest.skip("a sanitizer's own system calls are not what is tested, and LeakSanitizer cannot be traced")


def tool(name):
    """A tool of the build under test, or of the default one."""
    for build in (harness.DHCP.parents[2], harness.REPO / "build"):
        path = build / "tests/tools" / name
        if path.exists():
            return path
    harness.unavailable(f"{name} is not built")


class Traced(Daemon):
    """Ours; one of its starts is under the tracer."""

    def start_traced(self, report, *plan):
        """Until it answers, or has been killed."""
        self._process = Process([tool("killer"), "-o", report, *plan, "--", self.binary, "daemon", "-socketpath",
                                 self.socket], self.log_path)
        eventually(lambda: not self.running or self.answers(), "it answers or is killed")

    def stop_traced(self):
        """SIGTERM for the daemon, not for its tracer."""
        children = pathlib.Path(f"/proc/{self.pid}/task/{self.pid}/children")
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # it is killed at this moment
            for pid in children.read_text().split():
                os.kill(int(pid), signal.SIGTERM)
        self._process.wait()

    @property
    def remains(self):
        """What is left in its directory."""
        directory = pathlib.Path(f"{self.socket}.d")
        return sorted(path.name for path in directory.iterdir() if path.name != "lock") if directory.exists() else []


def is_renewal(ack):
    return ack.ciaddr != wire.NOBODY


@dataclasses.dataclass
class Case:
    kind: str
    number: int
    deletion: str

    def __str__(self):
        return f"{self.kind}, killed at call {self.number}, DEL {self.deletion}"


class Scene:
    """A container and a daemon of its own; many of them run side by side, with one server."""

    def __init__(self, lab, segment):
        self.capture, self.container, self.daemon = segment.capture, segment.container(), Traced(lab)
        self.report = lab.directory / f"{self.container.name}.report"
        self.clear()

    def clear(self):
        """As if the container were new."""
        self.container.ip("address", "flush", "dev", self.container.ifname)
        self.began_at, self.outcome, self.deleted_at = time.monotonic(), None, None

    # ---- what is interrupted ----

    def add(self):
        outcome = self.daemon.call("ADD", self.container)
        if outcome.rc == 0:
            self.container.apply(outcome)
            self.outcome = outcome
        else:
            assert outcome.rc == 1 and outcome.code == 11 and outcome.msg, outcome
            eventually(lambda: not self.daemon.running, f"whoever hung up was killed: {outcome}")

    def delete(self):
        self.deleted_at = time.monotonic()
        self.daemon.delete(self.container)

    def until_renewed(self, since):
        eventually(lambda: not self.daemon.running or self.seen("ACK", since=since, where=is_renewal),
                   "the lease is renewed")

    def seen(self, *types, since, where=None):
        return self.capture.find(*types, mac=self.container.mac, since=since, where=where)

    def run(self, kind, *plan):
        """Returns the lines of the tracer's report."""
        if kind != "life":
            self.daemon.start()
            self.add()
            self.daemon.kill()
        if kind == "start with a mark":
            self.delete()
        self.daemon.start_traced(self.report, *plan)
        if kind == "life" and self.daemon.running:
            self.add()
            if self.outcome:
                self.until_renewed(self.began_at)
                if self.daemon.running:
                    self.delete()
        self.daemon.stop_traced()
        return self.report.read_text().splitlines()

    # ---- what follows ----

    def go_on(self, deletion):
        if self.deleted_at is None and deletion == "before the restart":
            self.delete()
        self.daemon.start()
        if self.deleted_at is None and deletion == "in the end" and self.outcome:
            self.check_goes_on()
        if self.deleted_at is None:
            self.delete()
        eventually(lambda: not self.is_held(), "the server has it back")
        eventually(lambda: self.daemon.leases() == {} and self.daemon.remains == [], "nothing is left")
        self.daemon.stop()

    def check_goes_on(self):
        since = time.monotonic()
        checked = self.daemon.check(self.container, self.outcome)
        assert checked.rc == 0, checked
        self.until_renewed(since)
        assert self.container.addresses() == [f"{self.outcome.addresses[0]}/16"]

    def is_held(self):
        """Whether the DEL found a lease that was not given back since. The server grants every REQUEST."""
        last = self.seen("REQUEST", "RELEASE", since=self.began_at)[-1:]
        return bool(last) and last[0].type == "REQUEST" and last[0].at + LEASE > self.deleted_at

    def run_case(self, case):
        """Whether it was killed at all."""
        lines = []
        self.clear()
        try:
            lines = self.run(case.kind, "enter", str(case.number))
            self.go_on(case.deletion)
        except Exception as error:
            raise AssertionError(f"{case}: {error}\n    {self.outcome}; the last calls: {lines[-4:]}\n"
                                 f"{self.daemon.log[-2000:]}") from error
        return lines[-1].startswith("killed")


def points(scene, kind):
    """The numbers of the system calls that are tried."""
    scene.clear()
    lines = scene.run(kind, "trace")
    assert scene.outcome and lines[-1].startswith("ended"), lines
    scene.go_on("in the end")
    calls = [line.split()[1] for line in lines[:-1]]
    return range(calls.index("flock" if harness.FULL else KINDS[kind][0]) + 1, len(calls) + 1)


@pytest.mark.parametrize("kind", KINDS)
def test_a_daemon_is_killed_and_the_next_one_knows_what_to_do(lab, segment, kind):
    print(f"SEED={harness.SEED}")
    chance = random.Random(f"{harness.SEED} {kind}")
    lab.server(Scripted, segment, behave=Plain(segment, lease=LEASE, t1=1))
    numbers = points(Scene(lab, segment), kind)
    assert len(numbers) >= 40, f"only {len(numbers)} calls"
    cases = [Case(kind, number, deletion) for number in numbers for deletion in DELETIONS]
    if not harness.FULL:
        cases = chance.sample(cases, KINDS[kind][1])
    scenes = queue.SimpleQueue()
    for _ in range(WORKERS):
        scenes.put(Scene(lab, segment))

    def attempt(case):
        scene = scenes.get()
        try:
            return scene.run_case(case)
        finally:
            if scene.daemon.running:
                scene.daemon.kill()
            scenes.put(scene)

    with concurrent.futures.ThreadPoolExecutor(WORKERS) as threads:
        futures = [threads.submit(attempt, case) for case in cases]
        problems = [str(future.exception()) for future in futures if future.exception()]
    assert not problems, f"{len(problems)} of {len(cases)}:\n" + "\n".join(problems[:5])
    killed = sum(future.result() for future in futures)
    assert killed > 0.8 * len(cases), f"only {killed} of {len(cases)} were killed"
