# SPDX-License-Identifier: Apache-2.0
"""What calls of whereabouts cost, ours and the Go program in turns, on one API server.

usage: bench_whereabouts.py OURS GO CROWD DIRECTORY

Nodes are mount namespaces whose /var/lib/cni lies on the disk that DIRECTORY is on: ours writes records
and waits until they are there. A figure is the median of rounds; in each round both programs do the same,
first one, then the other, and the pool is as full as it was.
"""

import json
import pathlib
import socket
import statistics
import subprocess
import sys
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests/kube"), str(ROOT / "tests/integration")]

import apiserver  # noqa: E402  (found through the line above)
from node import Node  # noqa: E402

OURS, GO, CROWD, WORK = sys.argv[1:5]
WORK = pathlib.Path(WORK)
NODES = 10


def config(name, cidr, **ipam):
    path = WORK / f"{name}.json"
    path.write_text(json.dumps({"cniVersion": "1.0.0", "name": name, "type": "macvlan",
                                "ipam": {"type": "whereabouts", "range": cidr, **ipam}}))
    return path


class Bench:
    def __init__(self, api, nodes):
        self.api, self.nodes, self.next = api, nodes, 0

    def crowd(self, program, verb, conf, first, count, nodes):
        """All at once: milliseconds until the last has ended."""
        pids = [str(node.pid) for node in self.nodes[:nodes]]
        out = subprocess.run([CROWD, program, verb, conf, str(first), str(count), *pids],
                             check=True, capture_output=True, text=True).stdout.split()
        if out[2] != "0":
            sys.exit(f"{out[2]} of {count} calls of {program} {verb} failed")
        return float(out[0])

    def compare(self, what, conf, count, nodes, rounds, warm=1):
        """One figure for ADD and one for DEL. conf: a configuration, or one for each program."""
        confs = conf if isinstance(conf, dict) else {OURS: conf, GO: conf}
        times = {(p, v): [] for p in (OURS, GO) for v in ("ADD", "DEL")}
        for round in range(-warm, rounds[1]):
            for program in (OURS, GO) if round % 2 else (GO, OURS):
                if program == GO and round >= rounds[0]:
                    continue
                for verb in ("ADD", "DEL"):
                    ms = self.crowd(program, verb, confs[program], self.next, count, nodes)
                    if round >= 0:
                        times[program, verb].append(ms)
                self.next += count
        for verb in ("ADD", "DEL"):
            ours, go = (statistics.median(times[p, verb]) for p in (OURS, GO))
            print(f"{verb} {what:40} ours {ours:9.1f} ms   Go {go:9.1f} ms   {go / ours:6.1f}x", flush=True)


class Relay:
    """A wire in front of the server that notes when which side spoke: a request is what lies between two
    silences of the client."""

    def __init__(self, port):
        self.server = port
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.events = []
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            client, _ = self.listener.accept()
            server = socket.create_connection(("127.0.0.1", self.server))
            for sock in (client, server):
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.events.append(("connected", time.monotonic()))
            for side, one, other in (("client", client, server), ("server", server, client)):
                threading.Thread(target=self.copy, args=(side, one, other), daemon=True).start()

    def copy(self, side, one, other):
        try:
            while data := one.recv(65536):
                self.events.append((side, time.monotonic()))
                other.sendall(data)
            other.shutdown(socket.SHUT_WR)
        except OSError:
            pass  # the other side has gone


def where_the_time_goes(api, node, conf, names):
    """One ADD, cut at the moments when the client spoke after the server had."""
    relay = Relay(int(api.url.rsplit(":", 1)[1]))
    node.configure(api, server=f"https://127.0.0.1:{relay.port}")
    rows = []
    for i in range(30):
        relay.events.clear()
        subprocess.run([CROWD, OURS, "ADD", conf, str(10**6 + i), "1", str(node.pid)],
                       check=True, capture_output=True)
        end, cuts, last = time.monotonic(), [], None
        for side, at in relay.events:
            if side == "connected" or (side == "client" and last == "server"):
                cuts.append(at)
            last = side
        if len(cuts) >= len(names):
            rows.append([b - a for a, b in zip(cuts, [*cuts[1:], end])])
    node.configure(api)
    size = statistics.mode(len(row) for row in rows)
    rows = [row for row in rows if len(row) == size]
    print("\nwhere the time of one ADD goes, until the client speaks next:")
    for i in range(size):
        name = names[i] if i < len(names) else "more"
        print(f"  {name:28} {statistics.median(row[i] for row in rows) * 1e3:6.1f} ms")


def main():
    with apiserver.ApiServer(WORK / "api") as api:
        nodes = []
        for i in range(NODES):
            node = Node(f"node{i + 1}")
            node.configure(api)
            disk = WORK / f"disk{i}"
            disk.mkdir()
            subprocess.run([*node.wrap, "mount", "--bind", disk, "/var/lib/cni"], check=True)
            nodes.append(node)
        bench = Bench(api, nodes)
        lease = config("lease", "10.1.0.0/16")
        free = config("free", "10.2.0.0/16", enable_overlapping_ranges=False)
        # A pool for each: ours ends the server's notes of who wrote what, which the Go program would profit from.
        large = {OURS: config("large", "10.3.0.0/16"), GO: config("large-go", "10.4.0.0/16")}
        for cidr in ("10.3.0.0/16", "10.4.0.0/16"):
            api.create_pool(cidr, {
                str(i): {"id": f"{i:064x}", "podref": f"namespace-{i % 40}/a-pod-with-a-usual-name-{i}",
                         "ifname": "net1"} for i in range(1, 4001)})
        bench.compare("alone, with Lease", lease, 1, 1, (20, 60))
        bench.compare("alone, without Lease", free, 1, 1, (20, 60))
        bench.compare("32 at once on a node", lease, 32, 1, (2, 8))
        bench.compare("100 at once on a node", lease, 100, 1, (2, 6))
        bench.compare("10 nodes x 10", lease, 100, 10, (2, 6))
        bench.compare("alone, pool of 4,000", large, 1, 1, (5, 15))
        bench.compare("20 at once, pool of 4,000", large, 20, 1, (1, 3))
        where_the_time_goes(api, nodes[0], lease,
                            ["TLS: hello", "TLS: finished", "Lease: get", "Lease: take", "pool: get, record on disk",
                             "reservation: create", "pool: patch", "Lease: give back, end"])
        for node in nodes:
            node.close()


main()
