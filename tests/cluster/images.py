# SPDX-License-Identifier: Apache-2.0
"""Container images made on the spot, since there is no registry: busybox, and the pods' sandbox from it."""

import hashlib
import io
import json
import pathlib
import platform
import subprocess
import tarfile

import harness

BUSYBOX, PAUSE = "localhost/busybox:latest", "localhost/pause:latest"
EXAMPLE = "docker.io/rancher/mirrored-library-busybox:1.36.1"  # what the examples name
COMMANDS = {BUSYBOX: ["sh"], EXAMPLE: ["sh"], PAUSE: ["sleep", "2147483647"]}
ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}


def _add(archive, name, data=b"", mode=0o644, **attributes):
    info = tarfile.TarInfo(name)
    info.size, info.mode = len(data), mode
    for key, value in attributes.items():
        setattr(info, key, value)
    archive.addfile(info, io.BytesIO(data))


def _layer():
    """A root file system of one program with all its names."""
    busybox = pathlib.Path("/bin/busybox")
    if not busybox.exists() or b"/lib64/ld-linux" in busybox.read_bytes():
        harness.unavailable("there is no static busybox (Debian's busybox-static)")
    applets = subprocess.run([busybox, "--list"], capture_output=True, text=True, check=True).stdout.split()
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as layer:
        for name in ("bin", "dev", "etc", "proc", "root", "run", "sys", "tmp", "var"):
            _add(layer, name, mode=0o755, type=tarfile.DIRTYPE)
        _add(layer, "bin/busybox", busybox.read_bytes(), 0o755)
        for applet in applets:
            if applet != "busybox":
                _add(layer, f"bin/{applet}", type=tarfile.SYMTYPE, linkname="busybox")
        _add(layer, "etc/passwd", b"root:x:0:0:root:/root:/bin/sh\n")
        _add(layer, "etc/group", b"root:x:0:\n")
    return out.getvalue()


def write(path):
    """All images in one archive, for `ctr images import`."""
    layer = _layer()
    digest = hashlib.sha256(layer).hexdigest()
    parts, manifest = {f"{digest}/layer.tar": layer}, []
    for name, command in COMMANDS.items():
        config = json.dumps({
            "architecture": ARCHITECTURES[platform.machine()], "os": "linux", "created": "2026-01-01T00:00:00Z",
            "config": {"Cmd": command, "Env": ["PATH=/usr/bin:/bin:/usr/sbin:/sbin"]},
            "rootfs": {"type": "layers", "diff_ids": [f"sha256:{digest}"]},
        }).encode()
        file = hashlib.sha256(config).hexdigest() + ".json"
        parts[file] = config
        manifest.append({"Config": file, "RepoTags": [name], "Layers": [f"{digest}/layer.tar"]})
    parts["manifest.json"] = json.dumps(manifest).encode()
    with tarfile.open(path, "w") as archive:
        for name, data in parts.items():
            _add(archive, name, data)
