# SPDX-License-Identifier: Apache-2.0
"""The same tree makes the same bytes, elsewhere, later and by somebody with other habits."""

import os
import subprocess
import tarfile

import harness
from made import OUT, checksum


def copy(path):
    """The tree, without what was built in it."""
    listed = subprocess.run(["git", "ls-files", "-zco", "--exclude-standard"], cwd=harness.REPO,
                            capture_output=True, check=True).stdout
    for name in listed.decode().split("\0"):
        source = harness.REPO / name
        if name and source.is_file():
            target = path / name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(source.read_bytes())
            target.chmod(source.stat().st_mode & 0o700)


def test_another_directory_another_time_and_another_umask_make_the_same_bytes(native, tmp_path):
    archs = ("amd64", "arm64") if harness.FULL else (native.arch,)
    tree, out = tmp_path / "a-place-with-a-longer-name-than-the-first", tmp_path / "out"
    copy(tree)
    with tarfile.open(native.tarball) as tar:
        epoch = tar.next().mtime
    env = {**os.environ, "SOURCE_DATE_EPOCH": str(epoch), "TZ": "Asia/Kathmandu", "LANG": "C.UTF-8"}
    subprocess.run([tree / "scripts/release", "--out", out, *(word for arch in archs for word in ("--arch", arch))],
                   env=env, check=True, umask=0o077, stdout=subprocess.DEVNULL)
    made = [path.name for path in out.iterdir() if path.name != "SHA256SUMS"]
    assert len(made) == 2 * len(archs)
    for name in made:
        assert checksum(out / name) == checksum(OUT / name), name
