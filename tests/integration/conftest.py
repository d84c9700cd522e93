# SPDX-License-Identifier: Apache-2.0
"""Fixtures for every integration test."""

import ctypes
import os
import pathlib
import subprocess
import sys

import pytest

sys.path.insert(0, os.path.dirname(__file__))

import harness  # noqa: E402  (found through the line above)


@pytest.fixture
def data(tmp_path):
    """A fresh data directory, empty and writable."""
    path = tmp_path / "data"
    path.mkdir()
    return path


class Program:
    """One of the two host-locals that a test of a common expectation runs against."""

    def __init__(self, name):
        self.ours = name == "ours"
        self.path = harness.HOST_LOCAL if self.ours else harness.peer(name)

    def call(self, verb, config, **kwargs):
        return harness.call(verb, config, binary=self.path, **kwargs)

    def error(self, code, msg, details="", go=999):
        """The text of an error: the reference program has 999 for all that it finds itself."""
        return harness.error_text(code if self.ours else go, msg, details)


@pytest.fixture(params=["ours", "v1.9.1"])
def program(request):
    """Ours, and the Go program: the latter checks the expectations themselves."""
    return Program(request.param)


CLONE_NEWNS = 0x00020000


@pytest.fixture(scope="session")
def private_mounts():
    """What is mounted from here on is seen by the tests only, and goes with them at the latest."""
    libc = ctypes.CDLL(None, use_errno=True)
    if os.geteuid() != 0 or libc.unshare(CLONE_NEWNS) != 0:
        harness.unavailable("no mount namespace of our own; needs root")
    subprocess.run(["mount", "--make-rprivate", "/"], check=True)


@pytest.fixture
def mount(private_mounts):
    """mount(ARGUMENTS..., TARGET): mounts, and unmounts at the end of the test."""
    targets = []

    def do(*args):
        subprocess.run(["mount", *map(os.fspath, args)], check=True)
        targets.append(os.fspath(args[-1]))

    yield do
    for target in reversed(targets):
        subprocess.run(["umount", target], check=True)


RUN = "/run/cni-ipam"


@pytest.fixture
def own_run(request):
    """A fresh /run/cni-ipam of the test's own; without root nothing is kept there anyway."""
    if os.geteuid() == 0:
        os.makedirs(RUN, exist_ok=True)
        request.getfixturevalue("mount")("-t", "tmpfs", "-o", "mode=755", "tmpfs", RUN)
    return pathlib.Path(RUN)


@pytest.fixture
def tiny_disk(data, mount):
    """A data directory on a file system of its own that is full after a few kilobytes."""
    mount("-t", "tmpfs", "-o", "size=64k", "tmpfs", data)
    return data


@pytest.fixture
def reference():
    """The current Go program."""
    return harness.peer("v1.9.1")
