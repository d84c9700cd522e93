# SPDX-License-Identifier: Apache-2.0
"""Real main plugins as callers: from an ADD over a renewal to a DEL.

A node is a namespace with an uplink to the servers' network. ptp has no place here: it asks for an
address before it makes a link, so no server can be reached through it.
"""

import os
import pathlib

import pytest

import harness
from harness import eventually
from servers import Dnsmasq
from wire import NOBODY

MAIN = pathlib.Path(os.environ.get("PEER_MAIN_DIR") or harness.CACHE / "peers/main-v1.9.1")
TIMES = {"lease": 120, "t1": 10, "t2": 60}


class Caller:
    """A main plugin on a node."""

    def __init__(self, daemon, host, name, **members):
        if not os.access(MAIN / name, os.X_OK):
            harness.unavailable(f"there is no {MAIN / name}")
        self._daemon, self._host, self._name = daemon, host, name
        self.config = {**daemon.config(), "type": name, **members}

    def call(self, verb, container, **more):
        path = f"{MAIN}:{self._daemon.binary.parent}"
        return self._daemon.call(verb, container, {**self.config, **more}, binary=MAIN / self._name,
                                 env={"CNI_PATH": path}, wrap=("nsenter", f"--net={self._host.netns}", "--"))


def macvlan(daemon, host):
    return Caller(daemon, host, "macvlan", master="up0", mode="bridge")


def host_device(daemon, host):
    return Caller(daemon, host, "host-device", device="up0")


def bridge(daemon, host):
    host.ip("link", "add", "cbr0", "type", "bridge", "forward_delay", "0")
    host.ip("link", "set", "up0", "master", "cbr0")
    host.ip("link", "set", "cbr0", "up")
    return Caller(daemon, host, "bridge", bridge="cbr0")


def life(lab, segment, make):
    """ADD, a renewal, CHECK and DEL; the container, its address and the server."""
    server = lab.server(Dnsmasq, segment, **TIMES)
    host, container, daemon = lab.host(segment), lab.bare(), lab.daemon().start()
    caller = make(daemon, host)
    outcome = caller.call("ADD", container)
    assert outcome.rc == 0, outcome
    address = outcome.addresses[0]
    assert container.addresses() == [f"{address}/16"] and ("default", "10.66.0.1") in container.routes()
    renewed = segment.capture.wait("REQUEST", where=lambda m: m.ciaddr != NOBODY, timeout=20)
    assert (renewed.src, renewed.dst) == (address, "10.66.0.1")
    segment.capture.wait("ACK", since=renewed.at)
    checked = caller.call("CHECK", container, prevResult=outcome.json())
    assert checked.rc == 0, checked
    server.until_held(address)
    deleted = caller.call("DEL", container, prevResult=outcome.json())
    assert (deleted.rc, deleted.out) == (0, b""), deleted
    return daemon, container, server, address


@pytest.mark.parametrize("make", [macvlan, host_device])
def test_a_lease_is_given_back_when_the_caller_deletes_the_link_last(lab, segment, make):
    daemon, _, server, address = life(lab, segment, make)
    segment.capture.wait("RELEASE", where=lambda m: m.ciaddr == address)
    server.until_held()
    assert daemon.leases() == {} and daemon.records == []


def test_a_lease_runs_out_when_the_caller_deletes_the_link_first(lab, segment):
    """bridge does. Nothing can be sent then; the log says what becomes of the lease."""
    daemon, container, server, address = life(lab, segment, bridge)
    eventually(lambda: "runs out" in daemon.log, "the log says that the lease runs out")
    assert not segment.capture.find("RELEASE") and server.held() == {address}
    assert daemon.leases()[container.id]["state"] == "RUNS-OUT" and daemon.records == []


def test_a_result_that_the_caller_cannot_use_is_given_back(lab, segment):
    """A route through a gateway out of reach: the caller rolls back with a DEL."""
    server = lab.server(Dnsmasq, segment, routes=[("192.168.50.0/24", "172.31.0.1")])
    host, container, daemon = lab.host(segment), lab.bare(), lab.daemon().start()
    caller = macvlan(daemon, host)
    caller.config["ipam"]["request"] = [{"option": "121"}]
    outcome = caller.call("ADD", container)
    assert outcome.rc == 1, outcome
    segment.capture.wait("RELEASE")
    server.until_held()
    assert daemon.records == [] and daemon.leases() == {}
