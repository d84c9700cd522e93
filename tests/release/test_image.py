# SPDX-License-Identifier: Apache-2.0
"""The image: whole, known to containerd, and with the names and the shell that charts count on."""

import os
import pathlib
import shutil
import signal
import stat
import subprocess
import time

import pytest

import harness
from made import checksum

REFERENCE = "ghcr.io/cni-ipam/cni-ipam"


def test_every_blob_has_the_checksum_that_is_its_name(release):
    index = release.document("index.json")
    manifest = release.document(blob(index["manifests"][0]))
    assert index["manifests"][0]["platform"] == {"architecture": release.arch, "os": "linux"}
    for one in (index["manifests"][0], manifest["config"], *manifest["layers"]):
        content = release.blob(blob(one))
        assert len(content) == one["size"]
        file = pathlib.Path(release.home.parent / "blob")
        file.write_bytes(content)
        assert "sha256:" + checksum(file) == one["digest"]


def blob(descriptor):
    return "blobs/" + descriptor["digest"].replace(":", "/")


def test_its_programs_are_those_of_the_tarball_under_all_names(release):
    for name in ("whereabouts", "host-local", "dhcp"):
        assert checksum(release.image / name) == checksum(release.program(name))
    for name in ("ip-control-loop", "ip-reconciler", "node-slice-controller"):
        assert os.readlink(release.image / name) == "whereabouts"


def test_everybody_may_read_it_and_root_alone_may_write(release):
    for path in release.image.rglob("*"):
        mode = path.lstat().st_mode
        if stat.S_ISLNK(mode) or path == release.image / "tmp":
            continue
        assert path.lstat().st_uid == 0 and stat.S_IMODE(mode) in (0o755, 0o644), path


def test_every_name_in_bin_is_a_program_of_busybox(release):
    busybox = release.image / "bin/busybox"
    done = subprocess.run([*release.emulator, busybox, "--list"], capture_output=True, text=True, check=True)
    names = {path.name for path in busybox.parent.iterdir()} - {"busybox"}
    assert names <= set(done.stdout.split())
    assert {"sh", "rm", "cp", "mv", "cmp", "chmod", "sleep", "wget"} <= names


def test_containerd_imports_it_for_its_architecture(release, containerd):
    ctr, client = containerd
    ctr("images", "import", "--snapshotter", "native", "--platform", f"linux/{release.arch}",
        str(release.image_tar))
    name = f"{REFERENCE}:{release.version}"
    line, = (line for line in ctr("images", "ls").splitlines() if line.startswith(name + " "))
    assert f" linux/{release.arch} " in line
    assert "application/vnd.oci.image.config.v1+json" in ctr("images", "check") or client


@pytest.fixture(scope="module")
def containerd(tmp_path_factory):
    """A containerd of our own: (ctr, path of its socket)."""
    program = shutil.which("containerd") or harness.unavailable("there is no containerd")
    home = tmp_path_factory.mktemp("containerd")
    socket = home / "sock"
    config = home / "config.toml"
    config.write_text(f'version = 2\nroot = "{home}/root"\nstate = "{home}/state"\n'
                      'disabled_plugins = ["io.containerd.grpc.v1.cri", "io.containerd.internal.v1.opt"]\n'
                      f'[grpc]\naddress = "{socket}"\n[ttrpc]\naddress = "{socket}.ttrpc"\n')

    def ctr(*arguments):
        return subprocess.run(["ctr", "-a", socket, *arguments], capture_output=True, text=True,
                              check=True, timeout=60).stdout

    with open(home / "log", "wb") as log:
        process = subprocess.Popen([program, "-c", config], stdout=log, stderr=log)
    try:
        until(lambda: socket.exists() and answers(ctr), "containerd answers")
        yield ctr, socket
    finally:
        process.terminate()
        process.wait(timeout=30)


def answers(ctr):
    try:
        return bool(ctr("version"))
    except subprocess.CalledProcessError:
        return False


def until(true, what, limit=30):
    end = time.monotonic() + limit
    while not true():
        assert time.monotonic() < end, f"not in {limit} s: {what}"
        time.sleep(0.05)


# ---- the scripts: with a program in the place of whereabouts that writes down how it was called ----

RECORDER = """#!/bin/sh
echo "${0##*/} $*" >>/calls
exit ${RESULT:-0}
"""


class Container:
    """The image's file system, of which the node's parts are ordinary directories."""

    def __init__(self, release, root):
        shutil.copytree(release.image, root, symlinks=True)
        self.root = root
        (root / "whereabouts").write_text(RECORDER)
        self.account = root / "var/run/secrets/kubernetes.io/serviceaccount"
        self.account.mkdir(parents=True)
        (self.account / "token").write_text("one")
        (self.account / "ca.crt").write_text("authority")
        self.root.chmod(0o755)

    def start(self, *argv, **env):
        return subprocess.Popen([shutil.which("chroot"), self.root, *argv], env={"PATH": "/bin", **env},
                                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    def calls(self):
        file = self.root / "calls"
        return file.read_text().splitlines() if file.exists() else []


@pytest.fixture
def container(native, tmp_path):
    return Container(native, tmp_path / "root")


def test_a_chart_that_sources_the_installer_goes_on_in_its_shell(container):
    """The command of the chart, to the letter; the control loop ends here at once."""
    command = "SLEEP=false source /install-cni.sh\n/token-watcher.sh & watcher=$!\n" \
              "/ip-control-loop -log-level debug\nkill $watcher; echo went on"
    process = container.start("/bin/sh", "-c", command)
    said, _ = process.communicate(timeout=30)
    assert process.returncode == 0 and said.endswith("went on\n")
    assert container.calls()[0] == "whereabouts node --once"
    assert "ip-control-loop -log-level debug" in container.calls()


def test_a_chart_whose_installer_fails_ends(container):
    process = container.start("/bin/sh", "-c", "SLEEP=false source /install-cni.sh; echo went on", RESULT="1")
    said, _ = process.communicate(timeout=30)
    assert process.returncode == 1 and "went on" not in said


def test_the_installer_alone_stays_until_it_is_told_to_end(container):
    process = container.start("/install-cni.sh")
    try:
        until(container.calls, "it has installed")
        assert process.poll() is None
    finally:
        process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=30) == 0
    assert container.calls() == ["whereabouts node --once"]


def test_a_new_token_and_a_new_authority_are_written_to_the_node(container):
    process = container.start("/token-watcher.sh")
    try:
        for expected, name in enumerate(("token", "ca.crt"), 1):
            until(lambda: len(container.calls()) == expected, "it has written the files")
            (container.account / name).write_text("two")
        until(lambda: len(container.calls()) == 3, "it has written them again")
    finally:
        process.terminate()
        process.communicate(timeout=30)
    assert set(container.calls()) == {"whereabouts node --once --no-install"}


def test_it_carries_a_program_of_the_node_like_any_busybox(container):
    """What the DHCP DaemonSet of rke2-multus asks of its image."""
    (container.root / "host/run/cni").mkdir(parents=True)
    (container.root / "host/run/cni/dhcp.sock").touch()
    process = container.start("rm", "-f", "/host/run/cni/dhcp.sock")
    process.communicate(timeout=30)
    assert process.returncode == 0 and not (container.root / "host/run/cni/dhcp.sock").exists()
    (container.root / "opt/cni/bin").mkdir(parents=True)
    shutil.copy(container.root / "dhcp", container.root / "opt/cni/bin/dhcp")
    process = container.start("/opt/cni/bin/dhcp", "--version")
    said, _ = process.communicate(timeout=30)
    assert process.returncode == 0 and "dhcp" in said
