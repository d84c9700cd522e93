# SPDX-License-Identifier: Apache-2.0
"""Fixtures for the tests with a real API server."""

import contextlib
import os
import pathlib
import sys

import pytest

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [os.fspath(HERE), os.fspath(HERE.parent / "integration")]

import apiserver  # noqa: E402  (found through the line above)
import harness  # noqa: E402
from node import Node  # noqa: E402
from proxy import Proxy  # noqa: E402


@pytest.fixture(scope="session")
def api(tmp_path_factory):
    """A running API server, one for all tests of a run."""
    with apiserver.ApiServer(tmp_path_factory.mktemp("api")) as server:
        yield server


@pytest.fixture(autouse=True)
def cleared(api):
    """Every test begins without objects of whereabouts, and without Leases."""
    api.clear()


@pytest.fixture
def proxy(api):
    """A fault proxy in front of it, without any fault yet."""
    with Proxy(api) as running:
        yield running


@pytest.fixture
def nodes(api):
    """nodes(COUNT, **configure): that many new nodes, configured; they end with the test."""
    with contextlib.ExitStack() as stack:
        made = []

        def make(count, **configure):
            fresh = [stack.enter_context(Node(f"node{len(made) + i + 1}")) for i in range(count)]
            for one in fresh:
                one.configure(api, **configure)
            made.extend(fresh)
            return fresh

        yield make


@pytest.fixture
def node(nodes):
    """One node that calls the API server directly."""
    return nodes(1)[0]


@pytest.fixture
def peer():
    """The Go whereabouts."""
    return harness.program("PEER_WHEREABOUTS", apiserver.programs()["PEER_WHEREABOUTS"])
