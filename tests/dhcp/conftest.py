# SPDX-License-Identifier: Apache-2.0
"""Fixtures for the tests with DHCP servers."""

import os
import pathlib
import sys

import pytest

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [os.fspath(HERE), os.fspath(HERE.parent / "integration")]

from lab import Lab  # noqa: E402  (found through the line above)


@pytest.fixture
def lab(tmp_path):
    """A laboratory of this test's own; what its programs said is shown when the test fails."""
    made = Lab(tmp_path)
    try:
        yield made
        made.tell()
    finally:
        made.close()


@pytest.fixture
def segment(lab):
    """A network without a server."""
    return lab.segment()


@pytest.fixture(params=["ours", "go"])
def program(request):
    """Ours, and the Go program: the latter checks the expectations themselves."""
    return request.param
