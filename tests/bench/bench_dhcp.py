# SPDX-License-Identifier: Apache-2.0
"""What calls and leases of dhcp cost, ours and the Go program in turns, each with a dnsmasq of its own.

usage: bench_dhcp.py OURS GO CROWD DIRECTORY

A network is a veth pair: dnsmasq has one end, and every container a macvlan interface over the other, which
is up. They are private: a broadcast goes to the server alone, where the kernel would hand it to a thousand
others. Two servers, because dnsmasq never sees what the Go program releases: its leases would stand in the
way of ours. A figure of time is the median of rounds; in each round both do the same, first one, then the
other. What is below /run on a node lies in memory, as it does there: dnsmasq syncs its lease
file.
"""

import json
import os
import pathlib
import re
import signal
import statistics
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests/dhcp"), str(ROOT / "tests/integration")]

CROWD, WORK = sys.argv[3], pathlib.Path(sys.argv[4])
os.environ["DHCP"], os.environ["PEER_DHCP"] = sys.argv[1:3]

import lab  # noqa: E402  (found through the line above)
import servers  # noqa: E402

OURS, GO = "ours", "go"
CONTAINERS = 1000
T1 = 20       # seconds, where renewals are measured
IDLE = 30     # seconds
TICKS = os.sysconf("SC_CLK_TCK")


def in_memory(laboratory, directory):
    """Puts a file system in memory there."""
    lab.command("mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", directory)
    laboratory.defer(lambda: lab.command("umount", "--lazy", directory))


class Network(lab.Namespace):
    """The server's namespace, with the end of the wire where it listens."""

    def __init__(self, laboratory, count):
        super().__init__(laboratory, "srv")
        self.node = lab.Namespace(laboratory, "node")
        self.ip("link", "add", "br0", "type", "veth", "peer", "name", "up0", "netns", self.node.name)
        self.ip("address", "add", "10.66.0.1/16", "dev", "br0")
        self.ip("link", "set", "br0", "up")
        self.node.ip("link", "set", "up0", "up")
        names = [laboratory.unique("c") for _ in range(count)]
        laboratory.defer(lambda: self._remove(names))
        self.containers = [f"/run/netns/{name}" for name in names]
        lines = [f"netns add {name}" for name in names]
        lab.command("ip", "-batch", "-", stdin="\n".join(lines))
        lines = [f"link add link up0 name net1 netns {name} address {self.mac(i)} up type macvlan mode private"
                 for i, name in enumerate(names)]
        lab.command("ip", "-n", self.node.name, "-batch", "-", stdin="\n".join(lines))

    @staticmethod
    def mac(number):
        return f"02:00:00:00:{number >> 8:02x}:{number & 255:02x}"

    def _remove(self, names):
        lab.command("ip", "-batch", "-", stdin="\n".join(f"netns delete {name}" for name in names))

    def configure(self, addresses):
        """Gives the containers their addresses, as a main plugin does. addresses: by hardware address."""
        for number, path in enumerate(self.containers):
            lab.ip("-n", pathlib.Path(path).name, "address", "add", f"{addresses[self.mac(number)]}/16", "dev", "net1")


class Dnsmasq(servers.Dnsmasq):
    """Its choice follows from the client: in order, all who ask at once would be offered the same address."""

    sequential = False

    def __init__(self, laboratory, segment, directory, **settings):
        super().__init__(laboratory, segment, pool=("10.66.1.0", "10.66.200.250"), **settings)
        self.lease_file = directory / "leases"

    def arguments(self):
        return [word for word in super().arguments() if word != "--log-dhcp"]

    def addresses(self):
        """By hardware address."""
        return {line.split()[1]: line.split()[2] for line in self.lease_file.read_text().splitlines()}

    def answers(self):
        return self.log.count("DHCPACK(")


class Program:
    """A daemon, calls to it, and the network that its containers are on."""

    def __init__(self, laboratory, kind, containers):
        self.daemon = laboratory.daemon(kind)
        in_memory(laboratory, self.daemon.directory)
        self.conf = WORK / f"{kind}.json"
        self.conf.write_text(json.dumps(self.daemon.config()))
        self.network = Network(laboratory, containers)
        self.server = laboratory.server(Dnsmasq, self.network, directory=self.daemon.directory, lease=7200)
        self.daemon.start()

    def crowd(self, verb, begin, end):
        """Containers number `begin` to `end` - 1, all at once: milliseconds until the last has ended."""
        containers = self.network.containers[begin:end]
        words = [CROWD, self.daemon.binary, verb, self.conf, str(begin), str(len(containers)), *containers]
        out = subprocess.run(words, check=True, capture_output=True, text=True).stdout.split()
        if out[2] != "0":
            sys.exit(f"{out[2]} of {end - begin} calls of {words[1]} {verb} failed\n{self.daemon.log[-3000:]}")
        return float(out[0])

    def many(self, verb, begin, end):
        """The same, a part after the other."""
        for at in range(begin, end, 50):
            self.crowd(verb, at, min(at + 50, end))

    def prefer(self, t1):
        """The server asks for renewals after that many seconds from now on."""
        self.server.stop()
        self.server.forget()
        self.server.change(t1=t1, t2=6000)
        self.server.start()

    @property
    def cpu(self):
        """Seconds of processor time that the daemon has used."""
        fields = pathlib.Path(f"/proc/{self.daemon.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICKS

    @property
    def memory(self):
        """Resident, in MB."""
        text = pathlib.Path(f"/proc/{self.daemon.pid}/status").read_text()
        return int(re.search(r"VmRSS:\s+(\d+)", text)[1]) / 1024


def tell(what, ours, go, unit, digits=1):
    ratio = f"{go / ours:8.1f}x" if ours and go else ""
    print(f"{what:42} ours {ours:9.{digits}f} {unit:3}  Go {go:9.{digits}f} {unit:3} {ratio}", flush=True)


def compare(programs, what, count, rounds):
    """One figure for ADD and one for DEL. rounds: of each program."""
    times = {(kind, verb): [] for kind in programs for verb in ("ADD", "DEL")}
    for turn in range(-1, max(rounds.values())):
        for kind in sorted(programs, reverse=turn % 2 == 0):
            if turn >= rounds[kind]:
                continue
            for verb in ("ADD", "DEL"):
                ms = programs[kind].crowd(verb, 0, count)
                if turn >= 0:
                    times[kind, verb].append(ms)
    for verb in ("ADD", "DEL"):
        tell(f"{verb} {what}", *(statistics.median(times[kind, verb]) for kind in (OURS, GO)), "ms")


def weigh(programs, count):
    """What the daemons hold, all their leases bound."""
    for what, unit, of in (("threads", "", lambda p: p.daemon.threads),
                           ("descriptors", "", lambda p: len(p.daemon.descriptors)),
                           ("resident memory", "MB", lambda p: p.memory)):
        tell(f"{count:,} leases: {what}", *(of(programs[kind]) for kind in (OURS, GO)), unit, 1 if unit else 0)


def settle(programs):
    """Until the daemons have closed what they opened for an exchange, or five seconds have passed."""
    before, deadline = None, time.monotonic() + 5
    while time.monotonic() < deadline:
        now = {kind: sorted(p.daemon.descriptors.items()) for kind, p in programs.items()}
        if now == before and len(now[OURS]) <= 20:
            return
        before = now
        time.sleep(0.5)


def idle(programs):
    """Processor time while nothing is due."""
    before = {kind: p.cpu for kind, p in programs.items()}
    time.sleep(IDLE)
    tell(f"{CONTAINERS:,} leases: processor time of {IDLE} s idle",
         *(1e3 * (programs[kind].cpu - before[kind]) for kind in (OURS, GO)), "ms", 0)


def renewals(program):
    """Processor time of the daemon for 1,000 of them, in milliseconds."""
    program.prefer(T1)
    program.many("ADD", 0, CONTAINERS)
    program.network.configure(program.server.addresses())
    seen, before, deadline = program.server.answers(), program.cpu, time.monotonic() + 6 * T1
    while (count := program.server.answers() - seen) < 1000:
        if time.monotonic() > deadline:
            sys.exit(f"only {count} renewals in {6 * T1} s\n{program.daemon.log[-3000:]}")
        time.sleep(0.5)
    used = program.cpu - before
    program.many("DEL", 0, CONTAINERS)
    return 1e3 * used * 1000 / count


def main():
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # two thousand namespaces have to go
    laboratory = lab.Lab(WORK)
    try:
        programs = {kind: Program(laboratory, kind, CONTAINERS) for kind in (OURS, GO)}
        tell("daemon without leases: resident memory", *(programs[kind].memory for kind in (OURS, GO)), "MB")
        compare(programs, "alone", 1, {OURS: 100, GO: 30})
        compare(programs, "200 at once", 200, {OURS: 10, GO: 5})
        held = 0
        for count in (200, CONTAINERS):
            for program in programs.values():
                program.many("ADD", held, count)
            held = count
            settle(programs)
            weigh(programs, count)
        idle(programs)
        for program in programs.values():
            program.many("DEL", 0, CONTAINERS)
        tell("processor time of 1,000 renewals", *(renewals(programs[kind]) for kind in (OURS, GO)), "ms")
    finally:
        laboratory.close()


main()
