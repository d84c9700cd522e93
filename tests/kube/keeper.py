# SPDX-License-Identifier: Apache-2.0
"""Keeps a node's mount namespace, see node.py. Runs in one of its own already, whose mounts do not get out:
mounts, prints "ready", and waits until its stdin is closed.
"""

import ctypes
import os
import pathlib
import sys

OVERLAID = ("/etc", "/opt", "/run", "/var")
EMPTY = ("/run/cni-ipam", "/run/cni", "/var/lib/cni", "/etc/cni", "/etc/kubernetes", "/opt/cni",
         "/var/lib/rancher", "/var/log")
AS_OUTSIDE = ("/var/tmp",)  # where the tests' own files may lie
SCRATCH = "/mnt"            # what is there is covered meanwhile

MS_BIND, MS_REC, MNT_DETACH = 4096, 16384, 2
libc = ctypes.CDLL(None, use_errno=True)


def check(result, what):
    if result != 0:
        error = ctypes.get_errno()
        raise OSError(error, f"{what}: {os.strerror(error)}")


def mount(source, target, kind=None, flags=0, options=""):
    check(libc.mount(os.fsencode(source), os.fsencode(target), kind, ctypes.c_ulong(flags),
                     options.encode()), f"mount on {target}")


def mounted_below(top):
    """The mount points below a directory, without those below another of them."""
    found = []
    for line in pathlib.Path("/proc/self/mountinfo").read_text().splitlines():
        point = line.split()[4].encode().decode("unicode_escape")
        if point.startswith(top + "/") and not any(point == f or point.startswith(f + "/") for f in found):
            found.append(point)
    return found


def overlay(top):
    """Changes below it go to memory. What was mounted below it is mounted there again."""
    outside = [*mounted_below(top), *(p for p in AS_OUTSIDE if p.startswith(top + "/"))]
    kept = [(point, os.open(point, os.O_PATH)) for point in outside]
    upper, work = f"{SCRATCH}/upper{top}", f"{SCRATCH}/work{top}"
    for path in (upper, work):
        os.makedirs(path)
    mount("overlay", top, b"overlay", 0, f"lowerdir={top},upperdir={upper},workdir={work}")
    for point, fd in kept:
        mount(f"/proc/self/fd/{fd}", point, None, MS_BIND | MS_REC)
        os.close(fd)


def main():
    os.umask(0o022)
    mount("tmpfs", SCRATCH, b"tmpfs", 0, "mode=755")
    for top in OVERLAID:
        overlay(top)
    check(libc.umount2(SCRATCH.encode(), MNT_DETACH), f"umount {SCRATCH}")
    for path in EMPTY:
        os.makedirs(path, exist_ok=True)
        mount("tmpfs", path, b"tmpfs", 0, "mode=755")
    print("ready", flush=True)
    sys.stdin.buffer.read()


main()
