# SPDX-License-Identifier: Apache-2.0
"""Process 1 of a machine, see machine.py: mounts what the machine shall have, then starts programs and reaps.

Talks JSON lines: its stdin brings requests, and each is answered with one line. When stdin is closed, or
process 1 is killed, all that runs in the machine ends with it. Runs without the library's site directory
and from nothing but this file, since the mounts may cover the rest.
"""

import ctypes
import json
import os
import pathlib
import select
import signal
import socket
import sys

MS_BIND, MS_REC, MS_PRIVATE, MS_SHARED, MNT_DETACH = 4096, 16384, 1 << 18, 1 << 20, 2
CONTROLLERS = ("cpu", "cpuacct", "cpuset", "memory", "devices", "freezer", "blkio", "pids")
# kubelet wants these, which belong to the whole computer: it is shown files that hold what it would
# write, and then writes nothing. With a read-only /proc/sys it does not start.
SYSCTLS = {"vm/overcommit_memory": "1", "kernel/panic": "10", "kernel/panic_on_oops": "1"}

libc = ctypes.CDLL(None, use_errno=True)


def check(result, what):
    if result != 0:
        error = ctypes.get_errno()
        raise OSError(error, f"{what}: {os.strerror(error)}")


def mount(source, target, kind=None, flags=0, options=""):
    check(libc.mount(os.fsencode(source), os.fsencode(target), kind and kind.encode(),
                     ctypes.c_ulong(flags), options.encode()), f"mount on {target}")


def cover(path, text):
    """A file of the machine's own over one of the kernel's."""
    mine = pathlib.Path("/run", path.strip("/").replace("/", "_"))
    mine.write_text(text + "\n")
    mount(mine, path, None, MS_BIND)


def mount_node(disk, boot_id, kept):
    """/etc and /opt over the computer's, /var on the machine's own disk, /run empty; cgroups with the
    machine's own as their root. kept: directories that stay as they are, even below one of these."""
    held = [(path, os.open(path, os.O_PATH)) for path in kept]
    check(libc.umount2(b"/sys/fs/cgroup", MNT_DETACH), "umount /sys/fs/cgroup")
    mount("sysfs", "/sys", "sysfs")
    mount("tmpfs", "/sys/fs/cgroup", "tmpfs", 0, "mode=755")
    for name in CONTROLLERS:
        os.mkdir(f"/sys/fs/cgroup/{name}")
        mount("cgroup", f"/sys/fs/cgroup/{name}", "cgroup", 0, name)
    os.mkdir("/sys/fs/cgroup/systemd")
    mount("cgroup", "/sys/fs/cgroup/systemd", "cgroup", 0, "none,name=systemd")
    for top in ("etc", "opt"):
        for part in ("upper", "work"):
            os.makedirs(f"{disk}/{top}.{part}", exist_ok=True)
        mount("overlay", f"/{top}", "overlay", 0,
              f"lowerdir=/{top},upperdir={disk}/{top}.upper,workdir={disk}/{top}.work")
    # No overlay: that cannot be the upper layer of the containers' own overlays.
    for part in ("lib/kubelet", "lib/cni", "log", "tmp", "cache"):
        os.makedirs(f"{disk}/var/{part}", exist_ok=True)
    if not os.path.lexists(f"{disk}/var/run"):
        os.symlink("/run", f"{disk}/var/run")
    mount(f"{disk}/var", "/var", None, MS_BIND)
    mount("tmpfs", "/run", "tmpfs", 0, "mode=755")
    for path, fd in held:
        os.makedirs(path, exist_ok=True)
        mount(f"/proc/self/fd/{fd}", path, None, MS_BIND | MS_REC)
        os.close(fd)
    for name, value in SYSCTLS.items():
        cover(f"/proc/sys/{name}", value)
    cover("/proc/sys/kernel/random/boot_id", boot_id)
    mount("none", "/", None, MS_SHARED | MS_REC)  # kubelet and containers propagate what they mount


class Supervisor:
    """Programs by name: each is started, signalled and asked for by it."""

    def __init__(self):
        self.pids, self.ended = {}, {}

    def reap(self):
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            for name in [n for n, p in self.pids.items() if p == pid]:
                self.ended[name] = os.waitstatus_to_exitcode(status)

    def start(self, name, argv, env, log, directory):
        out = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
        null = os.open("/dev/null", os.O_RDONLY | os.O_CLOEXEC)
        self.ended.pop(name, None)
        pid = os.fork()
        if pid == 0:
            try:
                os.setsid()
                for source, target in ((null, 0), (out, 1), (out, 2)):
                    os.dup2(source, target)
                os.chdir(directory)
                signal.pthread_sigmask(signal.SIG_SETMASK, [])
                os.execvpe(argv[0], argv, env)
            except BaseException as error:
                os.write(2, f"{argv[0]}: {error}\n".encode())
            os._exit(127)
        self.pids[name] = pid
        os.close(out)
        os.close(null)
        return {"pid": pid}

    def signal(self, name, number):
        if name in self.pids and name not in self.ended:
            os.kill(self.pids[name], number)
        return {}

    def status(self, name):
        """Whether it runs, and its exit status if it has ended (negative: the signal)."""
        return {"runs": name in self.pids and name not in self.ended, "status": self.ended.get(name)}


def serve(supervisor, wakeup):
    """Requests {"do": VERB, and its arguments}, until stdin ends. A request is shorter than a pipe's page."""
    pending = b""
    while True:
        ready = select.select([0, wakeup], [], [])[0]
        if wakeup in ready:
            wakeup.recv(4096)
        supervisor.reap()
        if 0 not in ready:
            continue
        data = os.read(0, 1 << 16)
        if not data:
            return
        *lines, pending = (pending + data).split(b"\n")
        for line in lines:
            request = json.loads(line)
            answer = getattr(supervisor, request.pop("do"))(**request)
            print(json.dumps(answer), flush=True)


def main():
    os.umask(0o022)
    spec = json.loads(sys.stdin.buffer.raw.readline())
    mount("none", "/", None, MS_PRIVATE | MS_REC)
    mount("proc", "/proc", "proc")
    if spec["disk"]:
        socket.sethostname(spec["name"])
        mount_node(spec["disk"], spec["boot_id"], spec["kept"])
    wakeup, wake = socket.socketpair()
    wake.setblocking(False)
    signal.set_wakeup_fd(wake.fileno())
    signal.signal(signal.SIGCHLD, lambda *_: None)
    print(json.dumps({"ready": True}), flush=True)
    serve(Supervisor(), wakeup)


main()
