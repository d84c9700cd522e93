# SPDX-License-Identifier: Apache-2.0
"""Fixtures for the tests of what is installed."""

import os
import pathlib
import subprocess
import sys

import pytest

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [os.fspath(HERE.parent / "kube"), os.fspath(HERE.parent / "integration")]

import apiserver  # noqa: E402  (found through the line above)
import harness  # noqa: E402
from node import Node  # noqa: E402
from proxy import Proxy  # noqa: E402


@pytest.fixture(scope="session")
def api(tmp_path_factory):
    """A running API server, one for all tests of a run."""
    with apiserver.ApiServer(tmp_path_factory.mktemp("api")) as server:
        yield server


@pytest.fixture
def cleared(api):
    """A test that makes objects of whereabouts begins without any."""
    api.clear()


@pytest.fixture
def proxy(api):
    """A proxy in front of it, which remembers every request."""
    with Proxy(api) as running:
        yield running


@pytest.fixture
def node():
    """A node without any file of whereabouts."""
    with Node() as made:
        yield made


@pytest.fixture(scope="session")
def helm(tmp_path_factory):
    """helm(ARGUMENT...): what it prints. It has to work."""
    program = harness.program("HELM", "helm")
    home = os.fspath(tmp_path_factory.mktemp("helm"))
    env = {"PATH": os.environ["PATH"], "HOME": home, **{f"HELM_{k}_HOME": home for k in ("CACHE", "CONFIG", "DATA")}}

    def run(*argv):
        done = subprocess.run([program, *argv], env=env, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        assert done.returncode == 0, done.stderr + done.stdout
        return done.stdout

    return run
