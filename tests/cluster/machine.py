# SPDX-License-Identifier: Apache-2.0
"""A machine of the cluster: namespaces with a process 1, in which programs are started by name.

Every machine has its own processes, network, mounts and IPC; a node has besides a host name, cgroups, a
disk (a directory for /etc, /opt and /var) and an empty /run. It ends with the thread that made it, at the
latest, and whatever runs in it ends with process 1. boot() after stop() is a machine that was switched
off: the same disk, and nothing else of what was there.
"""

import contextlib
import itertools
import json
import os
import pathlib
import shutil
import signal
import subprocess
import uuid

import harness
import lab

PREFIX = "cni-ipam-cluster"
NAMESPACES = ("mnt", "net", "pid", "ipc", "uts", "cgroup")


def birth(pid):
    """When a process began, in ticks: with its number it names one process for ever. None: there is none."""
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except (FileNotFoundError, ProcessLookupError):
        return None


class Cgroup:
    """A cgroup of one's own below ours, in every hierarchy of version 1."""

    _count = itertools.count()

    def __init__(self, name):
        self.name = f"{PREFIX}-{os.getpid()}-{birth(os.getpid())}-{next(self._count)}-{name}"
        self.paths = []
        for _, controllers, path in self._ours():
            if not controllers:
                continue
            home = pathlib.Path("/sys/fs/cgroup", controllers.removeprefix("name="), path.lstrip("/"))
            own = home / self.name
            own.mkdir()
            if "cpuset" in controllers.split(","):
                for setting in ("cpuset.cpus", "cpuset.mems"):  # an empty set refuses processes
                    (own / setting).write_text((home / setting).read_text())
            self.paths.append(own)

    @staticmethod
    def _ours():
        return [line.split(":", 2) for line in pathlib.Path("/proc/self/cgroup").read_text().splitlines()]

    def enter(self):
        for path in self.paths:
            (path / "cgroup.procs").write_text("0")

    def remove(self):
        for path in self.paths:
            remove_tree(path)

    @classmethod
    def remove_lost(cls):
        """Those that killed test runs have left, with what still runs in them."""
        for _, controllers, path in cls._ours():
            home = pathlib.Path("/sys/fs/cgroup", controllers.removeprefix("name="), path.lstrip("/"))
            for lost in home.glob(f"{PREFIX}-*") if controllers else ():
                pid, born = lost.name.removeprefix(f"{PREFIX}-").split("-")[:2]
                if birth(pid) != born:
                    remove_tree(lost)


def remove_tree(cgroup):
    """A cgroup is busy until the last process in it has been reaped."""

    def gone():
        for path, _, _ in os.walk(cgroup, topdown=False):
            with contextlib.suppress(OSError):
                for pid in pathlib.Path(path, "cgroup.procs").read_text().split():
                    os.kill(int(pid), signal.SIGKILL)
            with contextlib.suppress(OSError):
                os.rmdir(path)
        return not cgroup.exists()

    harness.eventually(gone, f"{cgroup} is empty")


class Machine:
    """name is the host's; directory gets logs, and is seen inside at the same path. disk: makes it a node."""

    def __init__(self, name, directory, disk=None, kept=()):
        self.name, self.directory = name, pathlib.Path(directory)
        self.disk = disk and pathlib.Path(disk)
        self._kept = [os.fspath(path) for path in (*kept, directory)]
        self._parent = self._cgroup = self.pid = None
        if self.disk:
            self.disk.mkdir(parents=True, exist_ok=True)

    # ---- its life ----

    def boot(self):
        """Until process 1 takes requests."""
        assert self.pid is None, f"{self.name} runs"
        flags = ["--mount", "--pid", "--net", "--ipc", "--fork", "--kill-child=KILL"]
        enter = None
        if self.disk:
            flags += ["--uts", "--cgroup"]
            self._cgroup = Cgroup(self.name)
            enter = self._cgroup.enter
        # The parent of process 1 goes with us, and process 1 with it.
        with open(self.directory / f"{self.name}.log", "ab") as log:
            self._parent = subprocess.Popen(
                [lab.tool("setpriv"), "--pdeathsig", "KILL", "--", lab.tool("unshare"), *flags, "--",
                 "/usr/bin/python3", "-I", "-S", pathlib.Path(__file__).with_name("init.py")],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, start_new_session=True,
                preexec_fn=enter, env={"PATH": lab.PATH})
        self._ask({"name": self.name, "disk": self.disk and os.fspath(self.disk), "kept": self._kept,
                   "boot_id": str(uuid.uuid4())})
        children = pathlib.Path(f"/proc/{self._parent.pid}/task/{self._parent.pid}/children")
        self.pid = int(children.read_text().split()[0])
        self.netns = f"/proc/{self.pid}/ns/net"
        self.ip("link", "set", "lo", "up")

    def stop(self):
        """All of it is gone at once, as if the current had been cut."""
        if self._parent:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid or self._parent.pid, signal.SIGKILL)
            self._parent.wait()
            self._parent.stdin.close()
            self._parent.stdout.close()
            self._parent = self.pid = None
        if self._cgroup:
            self._cgroup.remove()
            self._cgroup = None

    def discard(self):
        """It ends, and its disk goes."""
        self.stop()
        if self.disk:
            shutil.rmtree(self.disk)

    def _ask(self, request):
        try:
            self._parent.stdin.write(json.dumps(request).encode() + b"\n")
            self._parent.stdin.flush()
            answer = self._parent.stdout.readline()
        except BrokenPipeError:
            answer = b""
        if not answer:
            text = (self.directory / f"{self.name}.log").read_text(errors="replace")
            raise RuntimeError(f"{self.name} has ended: {text[-2000:]}")
        return json.loads(answer)

    # ---- programs ----

    def start(self, name, *argv, env=None, path=""):
        """A program in the background, known by a name; it says what it says in log(name). path: where to
        look for others, before the usual directories."""
        self._ask({"do": "start", "name": name, "argv": [os.fspath(a) for a in argv],
                   "env": {"PATH": f"{path}:{lab.PATH}" if path else lab.PATH, "HOME": "/root", **(env or {})},
                   "log": os.fspath(self.log(name)), "directory": os.fspath(self.directory)})

    def log(self, name):
        return self.directory / f"{name}-{self.name}.log"

    def runs(self, name):
        return self._ask({"do": "status", "name": name})["runs"]

    def status(self, name):
        """The exit status of a program that has ended; negative: the signal. None while it runs."""
        return self._ask({"do": "status", "name": name})["status"]

    def send(self, name, number):
        self._ask({"do": "signal", "name": name, "number": int(number)})

    def end(self, name, number=signal.SIGTERM, seconds=20):
        """Until it is gone; its exit status."""
        self.send(name, number)
        harness.eventually(lambda: not self.runs(name), f"{name} of {self.name} ends", seconds)
        return self.status(name)

    def until(self, name, condition, what, seconds=60):
        """Waits for something that a program does. Its end meanwhile is an error."""

        def happened():
            if not self.runs(name):
                tail = self.log(name).read_text(errors="replace")[-2000:]
                raise RuntimeError(f"{name} of {self.name} ended before {what}: {tail}")
            return condition()

        return harness.eventually(happened, what, seconds)

    def enter(self, *kinds):
        """What a program is run under, so that it runs inside."""
        names = {"mnt": "mount"}
        flags = [f"--{names.get(kind, kind)}=/proc/{self.pid}/ns/{kind}" for kind in kinds or NAMESPACES]
        return [lab.tool("nsenter"), *flags, "--"]

    def run(self, *argv, stdin=None, check=True):
        """A program inside, to its end: its output. Anything but success is an error with its text."""
        done = subprocess.run([*self.enter(), *(os.fspath(a) for a in argv)], input=stdin, text=True,
                              capture_output=True, timeout=120, env={"PATH": lab.PATH, "HOME": "/root"})
        if check and done.returncode != 0:
            raise RuntimeError(f"{self.name}: {' '.join(map(str, argv))}: {done.stdout}{done.stderr}")
        return done.stdout

    def ip(self, *argv):
        return lab.command(*self.enter("net"), "ip", *argv)

    # ---- files ----

    def path(self, inside):
        """How to reach a file from outside."""
        return pathlib.Path(f"/proc/{self.pid}/root", os.fspath(inside).lstrip("/"))

    def put(self, source, inside, mode=0o755):
        """A copy of a file, which replaces what is there: never through a link, nor into what runs."""
        target = self.path(inside)
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary = target.with_name(f".{target.name}.new")
        shutil.copyfile(source, temporary)
        temporary.chmod(mode)
        temporary.rename(target)

    def write(self, inside, text, mode=0o600):
        """The same with a text."""
        target = self.path(inside)
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary = target.with_name(f".{target.name}.new")
        temporary.touch(mode=mode)
        temporary.write_text(text)
        temporary.rename(target)

    def names(self, inside):
        """What a directory holds; nothing when it is not there."""
        with contextlib.suppress(FileNotFoundError):
            return sorted(os.listdir(self.path(inside)))
        return []
