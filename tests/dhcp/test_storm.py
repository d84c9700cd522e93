# SPDX-License-Identifier: Apache-2.0
"""Many short leases, while the daemon is killed at moments that nobody has chosen and the server is
restarted: at the end every lease is alive or given back, and nothing else is left of all that."""

import pathlib
import random
import time

import harness
import wire
from harness import eventually
from lab import at_once
from servers import Kea

COUNT, KILLS = (200, 20) if harness.FULL else (60, 6)
TIMES = {"lease": 12, "t1": 4, "t2": 8}
LIMIT = 60  # seconds for what a busy machine does late


class Storm:
    """Containers that have a lease, those that had one, and what must be true of both."""

    def __init__(self, lab, segment, daemon, seed):
        self.segment, self.daemon, self.random = segment, daemon, random.Random(seed)
        self.alive = {}  # container to outcome
        self.ended = []  # (container, address, when its DEL began)

    def add(self, containers):
        outcomes = at_once([lambda c=c: self.daemon.add(c) for c in containers])
        self.alive.update(zip(containers, outcomes))

    def delete(self, containers):
        """Whether there is a daemon or not. Some lose their addresses before, as with main plugins."""
        bare = [container for container in containers if self.random.random() < 0.5]
        for container in containers:
            self.ended.append((container, self.alive.pop(container).addresses[0], time.monotonic()))

        def end(container):
            if container in bare:
                container.ip("address", "flush", "dev", "eth0")
            self.daemon.delete(container)
            if container not in bare:
                container.ip("address", "flush", "dev", "eth0")

        at_once([lambda c=c: end(c) for c in containers])

    def some(self, count):
        return self.random.sample(sorted(self.alive, key=lambda c: c.name), count)

    def pause(self, most):
        """A moment by chance: what happens then is the question of the test."""
        time.sleep(self.random.uniform(0, most))

    def until(self, lacking, what):
        """Until nothing is lacking any more; else what happened to those who lack it is shown, and no more."""
        try:
            self.segment.capture.wait_until(lambda: not lacking(), what, LIMIT)
        except AssertionError:
            macs = {container.mac for container in lacking()}
            seen = self.segment.capture.find(where=lambda m: m.chaddr in macs)
            raise AssertionError("\n".join([f"{what} is lacking: {macs}", *map(str, seen)])) from None

    def until_renewed(self, since):
        """Until every lease has been prolonged after a moment."""

        def lacking():
            renewed = {message.chaddr for message in self.segment.capture.find("ACK", since=since)}
            return [container for container in self.alive if container.mac not in renewed]

        self.until(lacking, "an ACK")

    def until_released(self):
        """Until every lease whose DEL has succeeded was given back on the wire."""

        def lacking():
            seen = {(m.chaddr, m.ciaddr): m.at for m in self.segment.capture.find("RELEASE")}
            return [c for c, address, since in self.ended if seen.get((c.mac, address), 0) < since]

        self.until(lacking, "a RELEASE")

    def verify(self, server):
        """Daemon, server, containers and this object agree."""
        assert set(self.daemon.leases()) == {container.id for container in self.alive}
        for container, outcome in self.alive.items():
            assert container.addresses() == [f"{outcome.addresses[0]}/16"]
            assert container.routes() == [("default", "10.66.0.1")]
            checked = self.daemon.check(container, outcome)
            assert checked.rc == 0, (container.id, checked)
        server.until_held(*(outcome.addresses[0] for outcome in self.alive.values()))
        assert len(self.daemon.records) == len(self.alive)


def test_no_lease_is_lost_or_left_in_a_storm(lab, segment):
    print(f"SEED={harness.SEED}")
    server = lab.server(Kea, segment, pool=("10.66.1.10", "10.66.4.250"), **TIMES)
    daemon = lab.daemon().start()
    at_rest = len(daemon.descriptors)
    storm = Storm(lab, segment, daemon, harness.SEED)
    storm.add([segment.container() for _ in range(COUNT)])
    few = COUNT // 20

    for kill in range(KILLS):
        back = [container for container, _, _ in storm.ended if container not in storm.alive]
        storm.add(list(dict.fromkeys(back))[: 2 * few])
        storm.delete(storm.some(few))
        storm.pause(3)
        daemon.kill()
        storm.delete(storm.some(few))
        storm.pause(1)
        daemon.start()
        if kill in (KILLS // 3, 2 * KILLS // 3):
            server.stop()
            storm.pause(2)
            server.start()

    storm.until_renewed(time.monotonic())
    storm.until_released()
    storm.verify(server)
    assert "expired" not in daemon.log
    asked = segment.capture.find("DISCOVER", where=lambda m: m.option(wire.REQUESTED) is not None)
    assert not asked, "somebody lost his lease and searched for another"
    assert daemon.threads == 1
    # Exchanges are under way, and some of the containers are just being looked at.
    eventually(lambda: len(daemon.descriptors) < at_rest + 20, "descriptors for what is under way alone")

    storm.delete(list(storm.alive))
    storm.until_released()
    server.until_held()
    assert daemon.leases() == {}
    assert [path.name for path in pathlib.Path(f"{daemon.socket}.d").iterdir()] == ["lock"]
    eventually(lambda: len(daemon.descriptors) == at_rest, "descriptors as at the start")

    containers = {container for container, _, _ in storm.ended}
    for container in containers:
        container.remove()
    ports = {container.port for container in containers}
    eventually(lambda: not ports & {link["ifname"] for link in segment.query("link", "show")},
               "no namespace is kept alive", LIMIT)
