# SPDX-License-Identifier: Apache-2.0
"""The release build: static, not too large, and at home in a directory that holds nothing else."""

import os

import pytest

import harness
import tools
import wb
from emptyroot import Root

SIZE_MAX = 6_000_000
BINARY = harness.REPO / "build-static-whereabouts/plugins/whereabouts/whereabouts"


@pytest.fixture(scope="module")
def binary():
    if not os.access(BINARY, os.X_OK):
        harness.unavailable(f"{BINARY} cannot be executed; scripts/static makes it")
    return BINARY


def test_it_is_one_static_file_without_interpreter(binary):
    kinds = [kind for kind, _ in tools.segments(binary.read_bytes())]
    assert tools.PT_INTERP not in kinds


def test_it_has_at_most_six_megabytes(binary):
    assert binary.stat().st_size <= SIZE_MAX


def test_it_works_in_an_empty_root_with_a_host_name_as_server(binary, api, tmp_path):
    """No library, no NSS module, no list of authorities; the name is in /etc/hosts alone."""
    root = Root(tmp_path, binary, api)
    config = wb.network(range="10.5.0.0/24")
    assert root.call("ADD", config).addresses == ["10.5.0.1"]
    assert root.call("ADD", config, pod="pod2", id="c2").addresses == ["10.5.0.2"]
    assert len(api.pool("10.5.0.0-24")) == 2 and len(api.reservations()) == 2
    for id, pod in (("c1", "pod1"), ("c2", "pod2")):
        assert root.call("DEL", config, pod=pod, id=id).rc == 0
    assert api.pool("10.5.0.0-24") == {} and api.reservations() == {}
    assert not list((root.path / wb.RECORDS.lstrip("/")).iterdir())


def test_a_host_name_that_is_nowhere_is_named_in_the_error(binary, api, tmp_path):
    root = Root(tmp_path, binary, api)
    (root.path / "etc/hosts").write_text("127.0.0.1 localhost\n")
    done = root.call("ADD", wb.network(range="10.5.0.0/24"))
    assert done.rc == 1 and "kubernetes.test" in done.msg
