# SPDX-License-Identifier: Apache-2.0
"""The tarball: complete, nobody's but root's, and with programs that need nothing of the node."""

import subprocess

import pytest

import harness
import tools
from made import OUT, checksum

SIZE_MAX = {"host-local": 200_000, "whereabouts": 6_000_000, "dhcp": 1_000_000}
ELF_MACHINE = {"amd64": 62, "arm64": 183}
HOST_LOCAL = {"cniVersion": "1.0.0", "name": "n",
              "ipam": {"type": "host-local", "dataDir": "/d", "subnet": "10.1.2.0/24"}}


def test_the_checksums_are_those_of_the_files(release):
    said = dict(reversed(line.split()) for line in (OUT / "SHA256SUMS").read_text().splitlines())
    for file in (release.tarball, release.image_tar):
        assert said[file.name] == checksum(file)


def test_everything_that_a_user_is_promised_is_in_it(release):
    files = {member.name.removeprefix(release.name + "/") for member in release.members if member.isfile()}
    promised = {"README.md", "NEWS.md", "LICENSE", "licenses/README.md", "licenses/packages",
                "docs/install.md", "docs/migrate.md", "chart/Chart.yaml", "manifests/crds.yaml",
                "systemd/cni-dhcp.service", "systemd/cni-dhcp.socket", "k3s/network-whereabouts.yaml"}
    promised |= {f"bin/{name}" for name in SIZE_MAX} | {f"share/man/man8/{name}.8" for name in SIZE_MAX}
    assert promised <= files


def test_nothing_in_it_tells_of_the_machine_that_made_it(release):
    assert all(member.name.split("/")[0] == release.name for member in release.members)
    assert {(member.uid, member.gid, member.uname, member.gname) for member in release.members} == {(0, 0, "", "")}
    assert {member.mode for member in release.members} == {0o755, 0o644}
    assert len({member.mtime for member in release.members}) == 1
    for name in SIZE_MAX:
        content = release.program(name).read_bytes()
        assert str(harness.REPO).encode() not in content and str(harness.CACHE).encode() not in content


@pytest.mark.parametrize("name", SIZE_MAX)
def test_a_program_is_static_and_small_and_of_the_right_kind(release, name):
    program = release.program(name)
    content = program.read_bytes()
    assert int.from_bytes(content[18:20], "little") == ELF_MACHINE[release.arch]
    assert tools.PT_INTERP not in [kind for kind, _ in tools.segments(content)]
    assert program.stat().st_size <= SIZE_MAX[name]
    sections = subprocess.run(["readelf", "-SW", program], capture_output=True, text=True, check=True).stdout
    assert ".symtab" not in sections and ".debug" not in sections


def test_every_package_that_is_linked_has_its_licence_and_its_row(release):
    licenses = release.home / "licenses"
    packages = [line.split()[0] for line in (licenses / "packages").read_text().splitlines()]
    rows = [line.split()[1] for line in (licenses / "README.md").read_text().splitlines()
            if line.startswith("| ") and not line.startswith("| package")]
    assert sorted(packages) == sorted(rows)
    for package in packages:
        assert (licenses / package).stat().st_size > 500


@pytest.mark.parametrize("name", SIZE_MAX)
def test_a_program_tells_its_versions_in_an_empty_root(release, name, tmp_path):
    root = release.empty_root(tmp_path, name)
    done = harness.call("VERSION", {"cniVersion": "1.0.0"}, binary=f"/{name}", wrap=root)
    assert done.rc == 0 and done.json()["supportedVersions"][-1] == "1.1.0"


def test_host_local_gives_and_frees_in_an_empty_root(release, tmp_path):
    root = release.empty_root(tmp_path, "host-local")
    for number in (2, 3):
        done = harness.call("ADD", HOST_LOCAL, binary="/host-local", wrap=root, id=f"c{number}")
        assert done.addresses == [f"10.1.2.{number}"]
    assert set(harness.held(tmp_path / "d/n")) == {"10.1.2.2", "10.1.2.3"}
    assert harness.call("DEL", HOST_LOCAL, binary="/host-local", wrap=root, id="c2").rc == 0
    assert set(harness.held(tmp_path / "d/n")) == {"10.1.2.3"}


def test_whereabouts_without_a_configuration_says_so(release, tmp_path):
    root = release.empty_root(tmp_path, "whereabouts")
    config = {"cniVersion": "1.1.0", "name": "n", "ipam": {"type": "whereabouts", "range": "10.1.2.0/24"}}
    done = harness.call("STATUS", config, binary="/whereabouts", wrap=root)
    assert done.rc == 1 and done.msg == "config file not found"
