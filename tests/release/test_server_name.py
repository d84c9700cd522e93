# SPDX-License-Identifier: Apache-2.0
"""whereabouts from the tarball, in an empty root, with a real API server that the kubeconfig calls by a name."""

import shutil
import socket
import subprocess
import time

import pytest

import harness
import wb
from emptyroot import SERVER, Root

RESOLVER = "127.83.71.53"  # ours as long as the test runs


@pytest.fixture(autouse=True)
def cleared(api):
    api.clear()


@pytest.fixture
def root(release, api, tmp_path):
    return Root(tmp_path, release.program("whereabouts"), api, *release.emulator)


@pytest.fixture
def resolver():
    """A DNS server that knows the API server's name."""
    program = shutil.which("dnsmasq") or harness.unavailable("there is no dnsmasq")
    process = subprocess.Popen([program, "--keep-in-foreground", "--conf-file=/dev/null", "--no-resolv",
                                "--no-hosts", "--pid-file", "--bind-interfaces", f"--listen-address={RESOLVER}",
                                f"--address=/{SERVER}/127.0.0.1"], stderr=subprocess.PIPE)
    try:
        wait_for(RESOLVER, process)
        yield RESOLVER
    finally:
        process.terminate()
        process.communicate(timeout=30)


def wait_for(address, process):
    end = time.monotonic() + 30
    while process.poll() is None and time.monotonic() < end:
        try:
            socket.create_connection((address, 53), timeout=1).close()
            return
        except OSError:
            time.sleep(0.05)
    process.kill()
    pytest.fail(f"the DNS server does not answer: {process.communicate()[1]}")


def add_and_delete(root, api):
    config = wb.network(range="10.5.0.0/24")
    assert root.call("ADD", config).addresses == ["10.5.0.1"]
    assert len(api.pool("10.5.0.0-24")) == 1 and len(api.reservations()) == 1
    assert root.call("DEL", config).rc == 0
    assert api.pool("10.5.0.0-24") == {} and api.reservations() == {}


def test_the_name_may_stand_in_the_file_of_hosts(root, api):
    add_and_delete(root, api)


def test_the_name_may_come_from_a_dns_server(root, api, resolver):
    (root.path / "etc/hosts").write_text("127.0.0.1 localhost\n")
    (root.path / "etc/resolv.conf").write_text(f"nameserver {resolver}\n")
    add_and_delete(root, api)


def test_a_name_that_the_dns_server_does_not_know_is_told(root, resolver):
    (root.path / "etc/hosts").write_text("127.0.0.1 localhost\n")
    (root.path / "etc/resolv.conf").write_text(f"nameserver {resolver}\n")
    kubeconfig = root.path / "etc/cni/net.d/whereabouts.d/whereabouts.kubeconfig"
    kubeconfig.write_text(kubeconfig.read_text().replace(SERVER, "elsewhere.test"))
    done = root.call("ADD", wb.network(range="10.5.0.0/24"))
    assert done.rc == 1 and "elsewhere.test" in done.msg + done.details
