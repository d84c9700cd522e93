# SPDX-License-Identifier: Apache-2.0
"""The daemon's directory is full, read-only or gone. Nothing is taken from a server that could not be given
back after a crash, so a new container gets no address and is told why. Those that have one keep it as long
as the server says so, and lose it at its end. A DEL works.
"""

import contextlib
import os
import pathlib
import shutil
import time

import pytest

import harness
import wire
from harness import eventually, finish
from lab import Daemon, Process, command, tool
from scripted import Plain, Scripted, instead, silent

LEASE = {"lease": 6, "t1": 2}
NO_SPACE = "no space left on device"
ADD_S = 2  # how long an ADD takes at most
FILE_SYSTEM = "mode=0700,size=64k,nr_inodes=16"
each_lack = pytest.mark.parametrize("lack", ("space", "inodes"))


class Confined(Daemon):
    """Ours, with a small file system for its directory, which is mounted for it and for its callers only."""

    def __init__(self, lab):
        super().__init__(lab, flags=("-resendtimeout", f"{ADD_S}s", "-resendmax", "1s"))
        keeper = Process([tool("unshare"), "--mount", "--propagation", "slave", "--", tool("sleep"), "infinity"],
                         lab.directory / f"{lab.unique('keeper')}.log")
        lab.defer(keeper.end)
        keeper.until(lambda: pathlib.Path(f"/proc/{keeper.pid}/comm").read_text() == "sleep\n", "it keeps a namespace")
        self.wrap = (tool("nsenter"), f"--mount=/proc/{keeper.pid}/ns/mnt", "--")
        self.place = f"{self.socket}.d"
        os.mkdir(self.place, 0o700)
        command(*self.wrap, "mount", "-t", "tmpfs", "-o", FILE_SYSTEM, "none", self.place)
        self.state = pathlib.Path(f"/proc/{keeper.pid}/root{self.place}")

    def try_start(self):
        """A start without waiting for it."""
        self._process = Process([*self.wrap, self.binary, "daemon", "-socketpath", self.socket, *self.flags],
                                self.log_path)
        return self._process

    def start(self):
        self.try_start().until(self.answers, "the daemon answers")
        return self

    def call(self, verb, container, config=None, **options):
        return super().call(verb, container, config, wrap=self.wrap, **options)

    def begin(self, verb, container, config=None, **options):
        return super().begin(verb, container, config, wrap=self.wrap, **options)

    def fill(self, lack="space"):
        """No room for another byte, or not even for another file."""
        harness.fill(self.state)
        with contextlib.suppress(OSError):
            while lack == "inodes":
                (self.state / f"filler{len(os.listdir(self.state))}").touch()

    def make_room(self):
        for path in self.state.glob("filler*"):
            path.unlink()

    def set_read_only(self, yes):
        """Of a directory that no daemon has."""
        command(*self.wrap, "mount", "-o", f"remount,{'ro' if yes else 'rw'},{FILE_SYSTEM}", self.place)

    @property
    def left(self):
        """What is in its directory, besides what is always there."""
        return sorted(p.name for p in self.state.iterdir() if p.name != "lock" and not p.name.startswith("filler"))

    def text(self):
        """The one record."""
        (record,) = self.state.glob("*.json")
        return record.read_text()


def renewal(message):
    return message.type == "REQUEST" and message.ciaddr != wire.NOBODY


def until_renewed(segment, count=1):
    """So many acknowledged renewals, from now on."""
    segment.capture.wait("ACK", since=time.monotonic(), count=count, where=lambda m: m.ciaddr != wire.NOBODY)


def address(outcome):
    return [f"{outcome.addresses[0]}/16"]


def check_refused(outcome):
    """The error names the cause."""
    assert outcome.rc == 1 and outcome.code > 0, outcome
    text = f"{outcome.msg} {outcome.details}".lower()
    assert NO_SPACE in text and ".json" in text, outcome


# ---- full ----


@each_lack
def test_without_room_for_a_record_no_address_is_asked_for(lab, segment, lack):
    lab.server(Scripted, segment, behave=Plain(segment))
    daemon, container = Confined(lab).start(), segment.container()
    daemon.fill(lack)
    outcome = daemon.call("ADD", container)
    assert not segment.capture.find("REQUEST")
    assert daemon.leases() == {} and daemon.left == []
    daemon.make_room()
    assert daemon.call("ADD", container).rc == 0
    daemon.delete(container)
    assert daemon.left == []
    check_refused(outcome)


@each_lack
def test_a_lease_that_cannot_be_written_is_given_back(lab, segment, lack):
    """The disk becomes full between REQUEST and ACK."""
    plain = Plain(segment)
    daemon, container = Confined(lab), segment.container()

    def fill_first(message):
        daemon.fill(lack)
        return plain(message)

    lab.server(Scripted, segment, behave=instead(plain, REQUEST=fill_first))
    outcome = daemon.start().call("ADD", container)
    assert outcome.rc == 1, outcome
    eventually(lambda: plain.released == ["10.66.1.10"], "it is given back")
    assert daemon.leases() == {} and daemon.left == []
    check_refused(outcome)


def test_room_that_is_made_in_time_is_used(lab, segment):
    lab.server(Scripted, segment, behave=Plain(segment))
    daemon, container = Confined(lab).start(), segment.container()
    daemon.fill()
    started = daemon.begin("ADD", container)
    daemon.until_says("cannot write its record")
    assert NO_SPACE in daemon.log.lower()
    daemon.make_room()
    outcome = finish(started)
    assert outcome.rc == 0 and outcome.addresses[0] in daemon.text(), outcome


@each_lack
def test_on_a_full_disk_a_lease_is_renewed_and_given_back(lab, segment, lack):
    plain = Plain(segment, **LEASE)
    lab.server(Scripted, segment, behave=plain)
    daemon, container = Confined(lab).start(), segment.container()
    outcome, written = daemon.add(container), daemon.text()
    daemon.fill(lack)
    until_renewed(segment, 3)  # what is on disk gets older and older
    assert "cannot write its record" in daemon.log and NO_SPACE in daemon.log.lower()
    assert daemon.check(container, outcome).rc == 0 and container.addresses() == address(outcome)
    assert daemon.text() == written
    daemon.delete(container)
    eventually(lambda: plain.released == outcome.addresses, "it is given back")
    assert daemon.leases() == {} and daemon.left == []


def test_what_was_not_written_is_written_when_there_is_room(lab, segment):
    lab.server(Scripted, segment, behave=Plain(segment, **LEASE))
    daemon, container = Confined(lab).start(), segment.container()
    daemon.add(container)
    written = daemon.text()
    daemon.fill()
    until_renewed(segment)
    daemon.make_room()
    eventually(lambda: daemon.text() != written, "the renewed lease is written")


def end_lease(daemon, segment, container, server):
    """A lease that ends on a full disk, in time. The server is there again afterwards."""
    outcome, plain = daemon.add(container), server.behave
    begun = segment.capture.find("REQUEST")[0].at
    server.behave = silent
    daemon.fill()
    eventually(lambda: container.addresses() == [], "the address goes")
    assert -0.3 <= time.monotonic() - begun - LEASE["lease"] <= 0.9
    assert daemon.check(container, outcome).rc == 1 and "lease expired" in daemon.log
    server.behave = plain
    return outcome


def test_on_a_full_disk_an_address_ends_with_its_lease(lab, segment):
    server = lab.server(Scripted, segment, behave=Plain(segment, **LEASE))
    daemon, container = Confined(lab).start(), segment.container()
    outcome = end_lease(daemon, segment, container, server)
    assert container.routes() == []
    daemon.make_room()
    eventually(lambda: container.addresses() == address(outcome), "the address comes back")
    eventually(lambda: container.routes() == [("default", "10.66.0.1")], "its route comes back")
    assert daemon.check(container, outcome).rc == 0


def test_an_end_that_was_not_written_is_found_again(lab, segment):
    server = lab.server(Scripted, segment, behave=Plain(segment, **LEASE))
    daemon, container = Confined(lab).start(), segment.container()
    outcome = end_lease(daemon, segment, container, server)
    tries = daemon.log.count("cannot write its record")
    daemon.restart()
    eventually(lambda: daemon.log.count("cannot write its record") > tries, "it tries to write that")
    assert container.addresses() == [] and daemon.check(container, outcome).rc == 1
    daemon.make_room()
    eventually(lambda: container.addresses() == address(outcome), "the address comes back")


@each_lack
def test_a_daemon_starts_with_its_leases_on_a_full_disk(lab, segment, lack):
    plain = Plain(segment, **LEASE)
    lab.server(Scripted, segment, behave=plain)
    daemon, stays, goes = Confined(lab).start(), segment.container(), segment.container()
    kept, given_back = daemon.add(stays), daemon.add(goes)
    daemon.kill()
    daemon.delete(goes)
    assert [name[-4:] for name in daemon.left].count(".del") == 1
    daemon.fill(lack)
    daemon.start()
    eventually(lambda: plain.released == given_back.addresses, "the marked one is given back")
    until_renewed(segment)
    assert set(daemon.leases()) == {stays.id} and daemon.check(stays, kept).rc == 0
    daemon.delete(stays)
    assert daemon.left == []


# ---- nothing can be written at all ----


@pytest.mark.parametrize("state", ("full", "read-only"))
def test_a_delete_without_daemon_says_that_it_is_not_remembered(lab, segment, state):
    plain = Plain(segment, **LEASE)
    lab.server(Scripted, segment, behave=plain)
    daemon, container = Confined(lab).start(), segment.container()
    outcome = daemon.add(container)
    daemon.stop()
    if state == "full":
        daemon.fill("inodes")
        words = NO_SPACE
    else:
        daemon.set_read_only(True)
        words = "read-only file system"
    done = daemon.delete(container)
    assert words in done.err.decode().lower() and "until it runs out" in done.err.decode(), done

    if state == "read-only":
        process = daemon.try_start()
        assert process.wait() == 1 and words in daemon.log.lower() and daemon.place in daemon.log
        daemon.set_read_only(False)
    daemon.make_room()
    daemon.start()
    assert daemon.check(container, outcome).rc == 0, "the lease goes on"
    daemon.delete(container)
    eventually(lambda: plain.released == outcome.addresses, "it is given back")
    assert daemon.left == []


def test_a_directory_that_somebody_removed_ends_no_lease(lab, segment):
    plain = Plain(segment, **LEASE)
    lab.server(Scripted, segment, behave=plain)
    daemon = lab.daemon(flags=("-resendtimeout", f"{ADD_S}s")).start()
    container, late = segment.container(), segment.container()
    outcome = daemon.add(container)
    shutil.rmtree(f"{daemon.socket}.d")
    refused = daemon.call("ADD", late)
    until_renewed(segment)
    assert "cannot write its record" in daemon.log
    assert daemon.check(container, outcome).rc == 0
    daemon.delete(container)
    eventually(lambda: outcome.addresses[0] in plain.released, "it is given back")
    assert daemon.leases() == {}
    assert refused.rc == 1 and "no such file or directory" in f"{refused.msg} {refused.details}".lower(), refused
