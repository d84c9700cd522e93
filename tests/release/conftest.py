# SPDX-License-Identifier: Apache-2.0
"""Fixtures for the tests of what users get: what scripts/release has made, for either architecture."""

import os
import pathlib
import sys

import pytest

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [os.fspath(HERE), os.fspath(HERE.parent / "kube"), os.fspath(HERE.parent / "integration")]

import apiserver  # noqa: E402  (found through the line above)
from made import Release  # noqa: E402


@pytest.fixture(scope="session", params=("amd64", "arm64"))
def release(request, tmp_path_factory):
    """The release for one architecture, unpacked."""
    return Release(request.param, tmp_path_factory.mktemp(request.param))


@pytest.fixture(scope="session")
def native(tmp_path_factory):
    """The release for this machine."""
    return Release(Release.native(), tmp_path_factory.mktemp("native"))


@pytest.fixture(scope="session")
def api(tmp_path_factory):
    """A running API server, one for all tests of a run."""
    with apiserver.ApiServer(tmp_path_factory.mktemp("api")) as server:
        yield server
