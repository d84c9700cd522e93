# SPDX-License-Identifier: Apache-2.0
"""What scripts/release has made: the files, unpacked, and how to run a program of another architecture."""

import functools
import hashlib
import json
import os
import pathlib
import platform
import re
import shutil
import tarfile

import harness

OUT = pathlib.Path(os.environ.get("RELEASE", harness.REPO / "build-release"))
MACHINES = {"x86_64": "amd64", "aarch64": "arm64"}


class Release:
    """The tarball in `home`, the image's file system in `image`."""

    def __init__(self, arch, path):
        self.arch = arch
        self.version = re.search(r"version: '([^']+)'", (harness.REPO / "meson.build").read_text())[1]
        self.name = f"cni-ipam-{self.version}"
        self.tarball = OUT / f"{self.name}-linux-{arch}.tar.gz"
        self.image_tar = OUT / f"{self.name}-image-{arch}.tar"
        self._path = path

    @staticmethod
    def native():
        return MACHINES[platform.machine()]

    @functools.cached_property
    def members(self):
        with self._open(self.tarball) as tar:
            return tar.getmembers()

    @functools.cached_property
    def home(self):
        with self._open(self.tarball) as tar:
            tar.extractall(self._path)
        return self._path / self.name

    @functools.cached_property
    def image(self):
        layer = self.document("manifest.json")[0]["Layers"][0]
        root = self._path / "image"
        with self._open(self.image_tar) as outer, tarfile.open(fileobj=outer.extractfile(layer)) as inner:
            inner.extractall(root, numeric_owner=True)
        return root

    def blob(self, name):
        with self._open(self.image_tar) as tar:
            return tar.extractfile(name).read()

    def document(self, name):
        return json.loads(self.blob(name))

    @staticmethod
    def _open(path):
        if not path.exists():
            harness.unavailable(f"{path} is not there; scripts/release makes it")
        return tarfile.open(path)

    def program(self, name):
        return self.home / "bin" / name

    @property
    def emulator(self):
        """What a program has to be run under: nothing, where the machine is of its kind."""
        if self.arch == self.native():
            return ()
        found = shutil.which({"arm64": "qemu-aarch64-static", "amd64": "qemu-x86_64-static"}[self.arch])
        if not found:
            harness.unavailable(f"there is no emulator for {self.arch} (qemu-user-static)")
        return (found,)

    def empty_root(self, path, *programs):
        """A root directory that holds these programs alone; returns the command to run one under."""
        for name in programs:
            shutil.copy(self.program(name), path / name)
        for emulator in self.emulator:
            shutil.copy(emulator, path / "emulator")
        path.chmod(0o755)
        return (shutil.which("chroot"), path, *(["/emulator"] if self.emulator else []))


def checksum(path):
    return hashlib.sha256(pathlib.Path(path).read_bytes()).hexdigest()
