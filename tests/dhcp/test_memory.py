# SPDX-License-Identifier: Apache-2.0
"""Allocations fail, one in each run: those of a call, of a command, and of a daemon that gets a lease, renews
it and gives it back. Whoever is concerned is told, or it does no harm; the rest of the daemon's work goes on.

Ordinary runs take allocations by chance, FULL=1 takes every one. The order of the last ones differs from run
to run, with what the kernel tells of; so nothing here depends on which one it was.
"""

import concurrent.futures
import pathlib
import queue
import random
import re
import time

import pytest

import harness
import tools
import wire
from harness import eventually
from lab import Daemon, Process, tool
from scripted import Plain, Scripted

WORKERS = 6
SAMPLE = 25
ROUTES = wire.route("10.9.0.0/16", "10.66.0.1") + wire.route("0.0.0.0/0", "10.66.0.1")
OPTIONS = [(wire.CLASSLESS, ROUTES), (wire.DNS, wire.ip("10.66.0.1") * 2), (wire.DOMAIN, b"example.org")]
IPAM = {"dns": True, "clientID": "duid", "request": [{"option": "121"}],
        "provide": [{"option": "host-name", "value": "box"}, {"option": "12", "fromArg": "K8S_POD_NAME"}]}
ARGS = "IgnoreUnknown=1;K8S_POD_NAME=web-0"
HELD = ("CHECK", "DEL", "GC", "release", "list", "status")  # what is done when there is a lease
COMMANDS = {"list": ("list", "--json"), "status": ("status",), "release": ("release", "--all")}


@pytest.fixture(autouse=True)
def plain_build():
    if tools.is_sanitized(harness.dhcp()):
        pytest.skip("a sanitizer brings its own malloc")
    if tools.is_static(harness.dhcp()):
        pytest.skip("nothing can be put before the malloc of a static program")


def shim(count, number=None):
    """The variables of a program whose n-th allocation fails; the file gets the number of all."""
    for build in (harness.DHCP.parents[2], harness.REPO / "build"):
        path = build / "tests/tools/failalloc.so"
        if path.exists():
            at = {} if number is None else {"FAILALLOC_AT": str(number)}
            return {"LD_PRELOAD": str(path), "FAILALLOC_COUNT": str(count), **at}
    harness.unavailable("failalloc.so is not built")


def sample(count, name):
    """The allocations that are tried, of so many."""
    assert count >= 10, f"only {count} allocations: is the shim at work?"
    numbers = range(1, count + 1)
    if harness.FULL:
        return numbers
    print(f"SEED={harness.SEED}")
    return sorted(random.Random(f"{harness.SEED} {name}").sample(numbers, min(SAMPLE, count)))


def remains(daemon):
    """What is left in a daemon's directory."""
    return sorted(path.name for path in pathlib.Path(f"{daemon.socket}.d").glob("*") if path.name != "lock")


def check_error(outcome, verb):
    """Why it did not work stands on standard output, and there only."""
    assert outcome.rc == 1 and set(outcome.json()) <= {"code", "msg", "details"}, outcome
    assert outcome.code > 0 and outcome.msg, outcome
    # with these words a runtime takes a DEL for done
    assert verb != "DEL" or not re.search("not found|no such file", outcome.msg, re.I), outcome


class Scene:
    """A container, its configuration and a daemon; the server's part is read off the wire."""

    def __init__(self, lab, segment, daemon):
        self.capture, self.container, self.daemon = segment.capture, segment.container(), daemon
        self.config = daemon.config("1.1.0", **IPAM)
        self.count = lab.directory / f"{self.container.name}.count"
        self.began_at, self.outcome = time.monotonic(), None

    def call(self, verb, **options):
        config = dict(self.config)
        if verb == "CHECK":
            config["prevResult"] = self.outcome.json()
        if verb == "GC":
            config["cni.dev/valid-attachments"] = [{"containerID": "another", "ifname": "eth0"}]
        return self.daemon.call(verb, self.container, config, args=ARGS, **options)

    def add(self):
        self.container.ip("address", "flush", "dev", self.container.ifname)
        self.outcome = self.call_soundly("ADD")
        self.container.apply(self.outcome)

    def call_soundly(self, verb):
        """A call that has to succeed."""
        outcome = self.call(verb)
        assert outcome.rc == 0, outcome
        return outcome

    def is_held(self):
        """Whether the server believes that the address is in use. It grants every REQUEST."""
        seen = self.capture.find("REQUEST", "RELEASE", mac=self.container.mac, since=self.began_at)
        return bool(seen) and seen[-1].type == "REQUEST"

    def is_gone(self):
        if self.is_held() or remains(self.daemon):
            return False
        listed = self.daemon.command("list", "--json")  # it may have no memory for that
        return listed.rc == 0 and listed.json()["leases"] == []

    def until_gone(self, what):
        eventually(self.is_gone, what)

    def note_descriptors(self):
        """What is open now; a connection that is about to end may be among it."""
        self.open_before = set(self.daemon.descriptors.values())

    def until_closed(self):
        eventually(lambda: set(self.daemon.descriptors.values()) <= self.open_before, "all is closed that was opened")


# ---- calls and commands ----


class Caller(Scene):
    """One verb or command, again and again, with a daemon that has all the memory it wants."""

    def __init__(self, lab, segment, name):
        super().__init__(lab, segment, lab.daemon().start())
        self.name = name

    def run(self, number=None):
        if self.name in HELD and not self.is_held():
            self.add()
        env = shim(self.count, number)
        if self.name in COMMANDS:
            return self.daemon.command(*COMMANDS[self.name], env=env)
        return self.call(self.name, env=env)

    def check(self, outcome, normal):
        """What has to be true after any call; then what has to be true after a DEL."""
        if outcome.rc == 0:
            self.check_success(outcome, normal)
        elif self.name in COMMANDS:
            assert outcome.rc == 1 and re.match(rb"dhcp: .*memory", outcome.err), outcome
        else:
            check_error(outcome, self.name)
        if self.name in ("ADD", "DEL", "GC", "release"):
            self.call_soundly("DEL")
            self.until_gone("a DEL leaves nothing")

    def check_success(self, outcome, normal):
        if self.name == "list":
            assert [lease["containerID"] for lease in outcome.json()["leases"]] == [self.container.id], outcome
        elif self.name != "status":  # which tells the time
            assert outcome.out == normal.out, outcome
        if self.name in ("DEL", "GC", "release"):
            marked = any(name.endswith(".del") for name in remains(self.daemon))
            assert marked or not self.is_held(), outcome
        else:
            assert self.name == "STATUS" or self.is_held(), outcome


@pytest.mark.parametrize("name", ("ADD", "CHECK", "DEL", "STATUS", "GC", *COMMANDS))
def test_an_allocation_of_a_call_fails(lab, segment, name):
    lab.server(Scripted, segment, behave=Plain(segment, more=OPTIONS))
    caller = Caller(lab, segment, name)
    normal = caller.run()
    assert normal.rc == 0, normal
    caller.check(normal, normal)
    caller.note_descriptors()
    problems, failed = [], 0
    count = int(caller.count.read_text())
    for number in sample(count, name):
        outcome = caller.run(number)
        failed += outcome.rc == 1
        try:
            caller.check(outcome, normal)
        except AssertionError as error:
            problems.append(f"allocation {number} of {count}: {error}; {outcome}")
    assert not problems, f"{len(problems)} problems\n" + "\n".join(problems[:8])
    assert failed, "no allocation made a difference"
    caller.until_closed()


# ---- the daemon ----


class Starved(Daemon):
    """Ours, and a start of it that gets all its memory but once."""

    def start_starved(self, variables):
        """Until it serves or has ended. Its socket is there before it knows whether it can go on."""
        words = [f"{name}={value}" for name, value in variables.items()]
        self._process = Process([tool("env"), *words, self.binary, "daemon", "-socketpath", self.socket], self.log_path)
        eventually(lambda: not self.running or self.command("status").rc == 0, "it serves, or ends")

    @property
    def rc(self):
        return self._process.rc


class Life(Scene):
    """A daemon from its start to its end, with one container."""

    def __init__(self, lab, segment):
        super().__init__(lab, segment, Starved(lab))

    def start(self, number):
        """Whether it lives. If not, it says why."""
        said = len(self.daemon.log)
        self.daemon.start_starved(shim(self.count, number))
        if self.daemon.running:
            return True
        assert self.daemon.rc == 1 and "memory" in self.daemon.log[said:], f"{self.daemon.rc}: {self.daemon.log[said:]}"
        assert not self.daemon.answers()
        return False

    def until_renewed(self):
        """Once more, and without having lost the lease on the way."""
        since = time.monotonic()
        self.capture.wait("ACK", mac=self.container.mac, since=since, where=lambda m: m.ciaddr != wire.NOBODY)
        assert not self.capture.find("DISCOVER", mac=self.container.mac, since=since)

    def call_soundly(self, verb):
        """A call that finds the daemon without memory is told so, and may try again."""
        outcome = self.call(verb)
        if outcome.rc == 0:
            return outcome
        check_error(outcome, verb)
        if verb == "ADD":
            self.until_gone("an ADD that failed leaves nothing")
        return super().call_soundly(verb)

    def begin(self, number):
        """A daemon that gets its lease; or one that finds it. Whether it lives."""
        raise NotImplementedError

    def run(self, number=None):
        self.began_at = time.monotonic()
        if not self.begin(number):
            return
        self.until_renewed()
        self.call_soundly("CHECK")
        self.call_soundly("DEL")
        self.until_gone("a DEL leaves nothing")
        self.until_closed()
        self.daemon.stop()

    def run_number(self, number):
        try:
            self.run(number)
        except Exception as error:
            raise AssertionError(f"allocation {number}: {str(error)[:200]}\n{self.daemon.log[-1000:]}") from error
        finally:
            if self.daemon.running:
                self.daemon.kill()


class NewLife(Life):
    def begin(self, number):
        if not self.start(number):
            assert remains(self.daemon) == []
            return False
        self.note_descriptors()
        self.add()
        return True


class LaterLife(Life):
    def begin(self, number):
        self.daemon.start()
        self.add()
        self.daemon.stop()
        if not self.start(number):
            self.daemon.start()
        self.note_descriptors()
        return True


@pytest.mark.parametrize("kind", (NewLife, LaterLife))
def test_an_allocation_of_the_daemon_fails(lab, segment, kind):
    lab.server(Scripted, segment, behave=Plain(segment, more=OPTIONS, lease=6, t1=2))
    lives = queue.SimpleQueue()
    for _ in range(WORKERS):
        lives.put(kind(lab, segment))

    def attempt(number):
        life = lives.get()
        try:
            life.run_number(number)
            return life.count
        finally:
            lives.put(life)

    count = int(attempt(None).read_text())
    with concurrent.futures.ThreadPoolExecutor(WORKERS) as threads:
        futures = [threads.submit(attempt, number) for number in sample(count, kind.__name__)]
        problems = [str(future.exception()) for future in futures if future.exception()]
    assert not problems, f"{len(problems)} of {len(futures)} (of {count}):\n" + "\n".join(problems[:8])
