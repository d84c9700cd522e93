# SPDX-License-Identifier: Apache-2.0
"""Fixtures for the tests in a real cluster."""

import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

import cluster as clusters  # noqa: E402  (found through the line above)
import harness  # noqa: E402
import pods  # noqa: E402
from networks import Networks  # noqa: E402

# The short form has what differs most from other tests, the long form all there is, once. Multus' daemon sees
# those tests only for which it makes a difference.
SETUPS = {"k3s": {"layout": "k3s"}}
if harness.FULL:
    SETUPS["default"] = {"layout": "default", "store": "kine", "containerd": 2}
    SETUPS["thick"] = {"layout": "default", "multus": "thick"}
THICK = ("test_pods", "test_leak")


def pytest_generate_tests(metafunc):
    if "cluster" in metafunc.fixturenames and metafunc.module.__name__ != "test_deployed":  # it has its own
        names = [name for name in SETUPS if name != "thick" or metafunc.module.__name__ in THICK]
        metafunc.parametrize("cluster", names, indirect=True, scope="session")


@pytest.fixture(scope="session")
def cluster(request, tmp_path_factory):
    """A cluster with our plugins, one for all tests of a setup."""
    directory = tmp_path_factory.mktemp(request.param) / "state"
    with clusters.Cluster(directory, ipam=clusters.ours(), **SETUPS[request.param]) as up:
        yield up


@pytest.fixture(scope="session")
def trio(cluster):
    """Networks of all three plugins."""
    return Networks(cluster, "trio")


@pytest.fixture(autouse=True)
def cleaned(cluster):
    """What a failed test has left does not fail the next one."""
    yield
    for kind in ("Deployment", "StatefulSet"):
        path = pods.PATHS[kind].format("default")
        for left in cluster.api.list(path):
            cluster.api.call("DELETE", f"{path}/{pods.name(left)}", {"propagationPolicy": "Background"})
    there = pods.PATHS["Pod"].format("default")
    on = [node for node in cluster.nodes if node.pid]
    for left in cluster.api.list(there):
        # On a node that is off nobody ends it; elsewhere it is gone when the node says so.
        waits = left["spec"].get("nodeName") in {node.name for node in on}
        cluster.api.call("DELETE", f"{there}/{pods.name(left)}", {"gracePeriodSeconds": int(waits)})
    clusters.wait(lambda: not cluster.api.list(there) and not any(map(pods.namespaces, on)), "no pod is left", 120)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """A failed test tells where the logs are, and what Multus and kubelet said last."""
    report = (yield).get_result()
    cluster = getattr(item, "funcargs", {}).get("cluster")
    if report.failed and cluster:
        report.sections.append(("logs", f"in {cluster.directory}"))
        for node in cluster.nodes:
            for program in ("multus", "kubelet"):
                log = node.log(program)
                text = log.read_text(errors="replace") if log.exists() else ""
                lines = [line for line in text.splitlines() if "rror" in line][-8:]
                report.sections.append((f"{program} of {node.name}", "\n".join(lines)))
