# SPDX-License-Identifier: Apache-2.0
"""Allocations of a call fail, one in each run; and one run of each verb under valgrind.

Most allocations are those of the TLS library, thousands in one call: an ordinary run takes a sample of
them, FULL=1 takes all of ADD and DEL. What is asked after each: the call succeeds or says one error, and a
DEL by a sound program leaves nothing.
"""

import json
import os
import pathlib
import random
import shutil

import pytest

import crowd
import harness
import tools
from crowd import Pod, network
from proxy import is_request

SAMPLE = 40
DEL_TEXT = "not found", "no such file or directory"  # with these words a runtime takes a DEL for done


def shim():
    """The library that makes allocations fail: of the build under test, or of the default one."""
    for build in (harness.WHEREABOUTS.parents[2], harness.REPO / "build"):
        path = build / "tests/tools/failalloc.so"
        if path.exists():
            return path
    harness.unavailable("failalloc.so is not built")


@pytest.fixture
def plain_build():
    if tools.is_sanitized(harness.WHEREABOUTS):
        pytest.skip("a sanitizer brings its own malloc")
    if tools.is_static(harness.WHEREABOUTS):
        pytest.skip("nothing can be put before the malloc of a static program")


CONFIG = network("mynet", "1.1.0", ipRanges=[{"range": "10.0.0.0/24"}, {"range": "fd00::/64", "exclude": ["fd00::1"]}],
                 gateway="10.0.0.1", routes=[{"dst": "0.0.0.0/0"}], addresses=[{"address": "192.0.2.1/24"}],
                 dns={"nameservers": ["192.0.2.53"]})


class Subject:
    """A verb on a node, with others' entries beside it; prepared anew for each run."""

    def __init__(self, api, node, name, directory):
        self.api, self.node, self.name = api, node, name
        self.verb = name.split()[0]
        self.count = pathlib.Path(directory) / "count"
        self.pod, self.other = Pod(node, "pod", CONFIG), Pod(node, "other", CONFIG)
        crowd.succeeded([self.other.call("ADD")])

    def prepare(self):
        """The pod has its addresses, or has not; one DEL is left for later."""
        has = self.verb in ("DEL", "CHECK", "GC") or self.name == "ADD again"
        outcome = self.pod.call("ADD" if has else "DEL")
        assert outcome.rc == 0, outcome

    def run(self, wrap=(), env=None):
        self.prepare()
        config = dict(self.pod.config)
        if self.verb == "GC":
            config["cni.dev/valid-attachments"] = [{"containerID": self.other.id, "ifname": self.other.ifname}]
        if self.name == "ADD that fails":
            config["ipam"] = {**config["ipam"], "ipRanges": [*config["ipam"]["ipRanges"], {"range": "10.1.0.0/30",
                              "exclude": ["10.1.0.0/30"]}]}
        if self.name == "STATUS":
            config["ipam"] = {**config["ipam"], "strictStatus": True}
        process = harness.start(self.verb, config, binary=harness.WHEREABOUTS, id=self.pod.id, ifname="net1",
                                args="K8S_POD_NAMESPACE=ns1;K8S_POD_NAME=pod", env=env, wrap=(*self.node.wrap, *wrap))
        return harness.finish(process, 120)

    def failing(self, number=None):
        variables = [f"LD_PRELOAD={shim()}", f"FAILALLOC_COUNT={self.count}"]
        if number is not None:
            variables.append(f"FAILALLOC_AT={number}")
        return self.run(wrap=("/usr/bin/env", *variables))

    def wrong(self, outcome):
        """What must not be, after a call in which an allocation failed; None if all is well."""
        if outcome.rc not in (0, 1):
            return f"exit status {outcome.rc}"
        if outcome.rc == 1:
            error = json.loads(outcome.out)
            if not {"code", "msg"} <= set(error) or error["code"] <= 0 or not error["msg"]:
                return "no error object"
            if self.verb == "DEL" and any(text in error["msg"] for text in DEL_TEXT):
                return "an error that reads as success"
        if outcome.rc == 0 and self.verb == "ADD":
            told = set(outcome.addresses) - {"192.0.2.1"}
            there = {a for (_, a), e in crowd.entries(self.api).items() if e["id"] == self.pod.id}
            if told != there:
                return f"told {told}, there is {there}"
        done = self.pod.call("DEL")
        if done.rc != 0 or done.out:
            return f"then DEL: {done}"
        left = {e["id"] for e in crowd.consistent(self.api).values()}
        if left != {self.other.id}:
            return f"left: {left}"
        return None


VERBS = ("ADD", "ADD again", "ADD that fails", "DEL", "CHECK", "GC", "STATUS")
WHOLE = ("ADD", "DEL")


@pytest.mark.parametrize("name", VERBS if harness.FULL else WHOLE)
def test_an_allocation_fails(api, node, tmp_path, plain_build, name):
    subject = Subject(api, node, name, tmp_path)
    normal = subject.failing()
    assert normal.rc == (1 if name == "ADD that fails" else 0), normal
    count = int(subject.count.read_text())
    assert count > 100, "is the shim at work?"
    numbers = range(1, count + 1)
    if not (harness.FULL and name in WHOLE):
        numbers = sorted(random.Random(harness.SEED).sample(numbers, 10 * SAMPLE if harness.FULL else SAMPLE))
    problems, failed = [], 0
    for number in numbers:
        outcome = subject.failing(number)
        failed += outcome.rc == 1
        wrong = subject.wrong(outcome)
        if wrong:
            problems.append(f"allocation {number} of {count}: {wrong}: {outcome}")
    assert not problems, f"{name}: {len(problems)} problems\n" + "\n".join(problems[:5])
    assert failed, "no allocation made a difference"


# glibc has one address for both functions, and valgrind believes that it is always the one that must not overlap.
SUPPRESSED = """{
   memmove
   Memcheck:Overlap
   fun:__memcpy_chk
   fun:memmove
}
"""


@pytest.fixture
def valgrind(tmp_path):
    """The command to run a program under. A definite leak or an invalid access is exit status 99."""
    program = shutil.which("valgrind")
    if not program:
        harness.unavailable("valgrind is not installed")
    (tmp_path / "suppressions").write_text(SUPPRESSED)
    return (program, "-q", "--error-exitcode=99", "--leak-check=full", "--show-leak-kinds=definite",
            "--errors-for-leak-kinds=definite", f"--suppressions={tmp_path / 'suppressions'}")


@pytest.mark.parametrize("name", VERBS)
def test_valgrind_finds_no_error_and_no_leak(api, node, tmp_path, valgrind, name):
    subject = Subject(api, node, name, tmp_path)
    outcome = subject.run(wrap=valgrind, env={"PATH": os.defpath})
    assert outcome.rc == (1 if name == "ADD that fails" else 0), outcome
    assert b"==" not in outcome.err, outcome
    assert subject.wrong(outcome) is None


def test_valgrind_over_a_leader_with_others(api, nodes, proxy, valgrind):
    """The leader's work for others: their requests, answers and records."""
    node = nodes(1, server=proxy.url)[0]
    pods = [Pod(node, f"p{i}", CONFIG) for i in range(8)]
    leader = Pod(node, "leader", CONFIG)
    when = is_request("GET", "/leases")
    for verb in ("ADD", "DEL"):
        proxy.reset()
        with crowd.held(proxy, when):
            process = harness.start(verb, CONFIG, binary=harness.WHEREABOUTS, id=leader.id, ifname="net1",
                                    args="K8S_POD_NAMESPACE=ns1;K8S_POD_NAME=leader", env={"PATH": os.defpath},
                                    wrap=(*node.wrap, *valgrind))
            crowd.until_asked(proxy, when)
            waiting = [pod.start(verb) for pod in pods]
            crowd.until_waiting(node, len(pods))
            waiting[3].kill()
            harness.finish(waiting.pop(3))
        outcome = harness.finish(process, 120)
        assert outcome.rc == 0 and b"==" not in outcome.err, outcome
        crowd.succeeded([harness.finish(p, 120) for p in waiting])
    crowd.gone([pod.call("DEL") for pod in pods])
    crowd.empty(api)
