# SPDX-License-Identifier: Apache-2.0
"""Many pods at once on two nodes of a real cluster: how long until all are ready, and what part of it the
IPAM plugin has.

usage: bench_cluster.py DIRECTORY TIMED [PODS [ROUNDS]]

Ours and the Go program take turns on one cluster. TIMED (timed.c) stands in the plugin's place and notes
how long each call took and what processor time it used; it costs both the same. The rest of the time
belongs to kubelet, containerd, Multus, the main plugin and the servers.
"""

import os
import pathlib
import statistics
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests/cluster")]

import cluster as clusters  # noqa: E402  (found through the line above)
import pods  # noqa: E402

class Bench:
    def __init__(self, cluster, timed, count):
        self.cluster, self.timed, self.count, self.round = cluster, timed, count, 0

    def install(self, plugin, program):
        there = self.cluster.layout.bin
        for node in self.cluster.nodes:
            node.path("/var/log/calls").unlink(missing_ok=True)
            node.put(program, f"{there}/{plugin}.real")
            node.put(self.timed, f"{there}/{plugin}")

    def calls(self, verb):
        """[(seconds, processor seconds)] of all calls since install()."""
        lines = [line.split() for node in self.cluster.nodes
                 for line in node.path("/var/log/calls").read_text().splitlines()]
        return [(int(took) / 1e6, int(used) / 1e6) for was, took, used in lines if was == verb]

    def burst(self, plugin, program, annotation):
        """One round: (seconds to all ready, seconds to all gone, calls of ADD, calls of DEL)."""
        self.install(plugin, program)
        self.round += 1
        group = pods.Group(self.cluster, f"burst-{self.round}", annotation, 0)
        begin = time.monotonic()
        group.scale(self.count)
        clusters.wait(lambda: group.count_ready() == self.count, "all pods are ready", 600, every=0.05)
        ready = time.monotonic() - begin
        begin = time.monotonic()
        group.remove(600)
        return ready, time.monotonic() - begin, self.calls("ADD"), self.calls("DEL")

    def compare(self, plugin, annotation, programs, rounds):
        results = {who: [] for who in programs}
        for round in range(rounds):
            for who in sorted(programs, reverse=round % 2):
                results[who].append(self.burst(plugin, programs[who], annotation))
        for who, done in results.items():
            ready, gone = (statistics.median(one[i] for one in done) for i in (0, 1))
            cpu = statistics.median(sum(c for _, c in one[2]) for one in done)
            wall = [s for one in done for s, _ in one[2]]
            print(f"{plugin:12} {who:5} ready {ready:6.1f} s  gone {gone:6.1f} s   ADD: {len(wall) // rounds} calls, "
                  f"median {1000 * statistics.median(wall):7.1f} ms, longest {1000 * max(wall):7.1f} ms, "
                  f"processor {cpu:5.2f} s = {100 * cpu / (ready * os.cpu_count()):4.1f} %", flush=True)


def main():
    directory, timed = sys.argv[1:3]
    count, rounds = map(int, (sys.argv[3:] + ["100", "2"][len(sys.argv) - 3:]))
    with clusters.Cluster(pathlib.Path(directory, "cluster"), "default", ipam=clusters.ours()) as cluster:
        go, ours = cluster.nodes[0].peers(), cluster.ipam
        pods.create(cluster, pods.network("burst", pods.macvlan({"type": "whereabouts", "range": "172.16.0.0/16"})))
        bench = Bench(cluster, timed, count)
        for plugin, annotation in (("whereabouts", "burst@eth1"), ("host-local", "")):
            bench.compare(plugin, annotation, {"ours": ours[plugin], "Go": go[plugin]}, rounds)
            for node in cluster.nodes:
                node.install_ipam(ours)


main()
