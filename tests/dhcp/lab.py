# SPDX-License-Identifier: Apache-2.0
"""A laboratory for DHCP: networks, containers, daemons and what went over the wire.

A segment is a namespace with a bridge, on which servers run; a container is a namespace whose interface
is a port of that bridge. Everything has a name of its own, so that many tests may run at once, and goes
when the Lab is closed. Nothing here knows what a right answer is.
"""

import concurrent.futures
import contextlib
import ctypes
import json
import os
import pathlib
import select
import shutil
import signal
import socket
import struct
import subprocess
import tempfile
import threading
import time

import harness
import wire

CLONE_NEWNET = 0x40000000
ETH_P_ALL = 0x0003
SO_TIMESTAMPNS = 35
MARK = b"\x88\xb5"  # an EtherType for experiments
PATH = harness.PATH + ":/usr/sbin:/sbin"
SOCKETS = pathlib.Path("/run/cni")  # a daemon's socket counts below certain directories only

_libc = ctypes.CDLL(None, use_errno=True)


def tool(name):
    """A program of the machine that the laboratory cannot do without."""
    path = shutil.which(name, path=PATH)
    if not path:
        harness.unavailable(f"there is no {name}")
    return path


def command(*argv, stdin=None):
    """A tool to its end; its output. Anything but success is an error with its text."""
    done = subprocess.run([os.fspath(a) for a in argv], input=stdin, text=True, capture_output=True,
                          timeout=60, env={"PATH": PATH})
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(map(str, argv))}: {done.stderr}")
    return done.stdout


def ip(*argv):
    return command("ip", *argv)


def within(netns, action):
    """What an action gives when it runs in a namespace. Sockets that it makes stay there."""

    def entered():
        with open(netns) as file:
            if _libc.setns(file.fileno(), CLONE_NEWNET) != 0:
                raise OSError(ctypes.get_errno(), f"setns {netns}")
        return action()

    with concurrent.futures.ThreadPoolExecutor(1) as thread:  # ends with the call, and the entry with it
        return thread.submit(entered).result()


def at_once(actions):
    """Runs functions side by side: their values in order, or the first one's exception."""
    with concurrent.futures.ThreadPoolExecutor(max(1, len(actions))) as threads:
        return [future.result() for future in [threads.submit(action) for action in actions]]


class Process:
    """A program in the background, and its log. It ends with the thread that started it, at the latest."""

    def __init__(self, argv, log, netns=None, env=None, stdin=subprocess.DEVNULL):
        enter = [tool("nsenter"), f"--net={netns}", "--"] if netns else []
        self.log_path = log
        with open(log, "ab") as out:
            # Each of these becomes the next one, so the pid is the program's.
            self._popen = subprocess.Popen(
                [tool("setpriv"), "--pdeathsig", "KILL", "--", *enter, *map(os.fspath, argv)],
                stdin=stdin, stdout=out, stderr=out, env={"PATH": PATH, **(env or {})},
                start_new_session=True)
        self.pid = self._popen.pid

    @property
    def rc(self):
        """None as long as it runs."""
        return self._popen.poll()

    @property
    def log(self):
        return self.log_path.read_text(errors="backslashreplace")

    def send(self, number):
        self._popen.send_signal(number)

    def wait(self, seconds=15):
        return self._popen.wait(seconds)

    def end(self, number=signal.SIGTERM, seconds=15):
        """Ends it with a signal; its exit status. It is killed, and that is an error, if it goes on."""
        if self.rc is None:
            self.send(number)
        try:
            return self.wait(seconds)
        except subprocess.TimeoutExpired:
            self.send(signal.SIGKILL)
            self.wait()
            raise

    def has_open(self, path):
        """Whether it has a file open."""
        found = []
        for fd in pathlib.Path(f"/proc/{self.pid}/fd").iterdir():
            with contextlib.suppress(FileNotFoundError):
                found.append(os.readlink(fd))
        return os.fspath(path) in found

    def until(self, condition, what, timeout=15):
        """Waits for something that the program does; its end while that is waited for is an error."""

        def happened():
            assert self.rc is None, f"it ended ({self.rc}): {self.log}"
            return condition()

        return harness.eventually(happened, what, timeout)

    def until_says(self, text, timeout=15):
        self.until(lambda: text in self.log, f"'{text}' in {self.log_path}", timeout)


class Capture:
    """Everything of interest that passes an interface: DHCP messages, ARP, ICMP errors, in order."""

    def __init__(self, netns, ifname):
        self.messages, self.arps, self.refusals = [], [], []
        self._changed = threading.Condition()
        self._stop = os.eventfd(0, os.EFD_CLOEXEC)

        def listen():
            sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
            sock.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
            sock.bind((ifname, ETH_P_ALL))
            return sock

        def speak():
            sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
            sock.bind((ifname, 0))
            return sock

        self._socket, self._marker = within(netns, lambda: (listen(), speak()))
        self._marks, self._marked = 0, 0
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self):
        while True:
            if self._stop in select.select([self._socket, self._stop], [], [])[0]:
                return
            frame, control, _, _ = self._socket.recvmsg(65536, 64)
            at = time.monotonic()
            for level, kind, value in control:
                if (level, kind) == (socket.SOL_SOCKET, SO_TIMESTAMPNS):
                    seconds, nanoseconds = struct.unpack("qq", value[:16])
                    at -= max(0.0, time.time() - (seconds + nanoseconds / 1e9))
            with self._changed:
                self._take(frame, at)
                self._changed.notify_all()

    def _take(self, frame, at):
        if len(frame) < 34:
            return
        message, arp = wire.decode_udp(frame), wire.decode_arp(frame)
        if frame[12:14] == MARK:
            self._marked += 1
        elif message:
            message.at = at
            self.messages.append(message)
        elif arp:
            arp.at = at
            self.arps.append(arp)
        elif frame[12:14] == b"\x08\x00" and frame[23] == 1 and frame[34] == 3:
            self.refusals.append((at, wire.ip_text(frame[26:30]), wire.ip_text(frame[30:34])))

    def settle(self):
        """Until all that has passed by now is in the lists: a frame of our own marks the place."""
        with self._changed:
            self._marks += 1
            mark = self._marks
            self._marker.send(bytes(12) + MARK + bytes(46))
        self.wait_until(lambda: self._marked >= mark, "our own mark")

    def find(self, *types, **which):
        """The messages of these types (all, if there are none) that were seen until now, in order. which:
        as _find() has it."""
        self.settle()
        return self._find(types, **which)

    def _find(self, types, since=0.0, mac=None, where=None):
        with self._changed:
            return [m for m in self.messages
                    if (not types or m.type in types) and m.at >= since and (mac is None or m.chaddr == mac)
                    and (where is None or where(m))]

    def wait(self, *types, count=1, timeout=15, **which):
        """Waits until there are that many of them, and gives the last of these."""
        return self.wait_until(lambda: (found := self._find(types, **which))[count - 1 : count] and found[count - 1],
                               f"{count} of {types or 'any message'}", timeout)

    def wait_until(self, condition, what, timeout=15):
        """Waits, packet by packet, until a condition over what was seen holds."""
        deadline = time.monotonic() + timeout
        with self._changed:
            while not (value := condition()):
                left = deadline - time.monotonic()
                assert left > 0, f"not seen within {timeout} s: {what}; seen:\n{self}"
                self._changed.wait(left)
            return value

    def __str__(self):
        return "\n".join(map(str, self.messages))

    def close(self):
        os.eventfd_write(self._stop, 1)
        self._thread.join()
        self._socket.close()
        self._marker.close()
        os.close(self._stop)


class Namespace:
    """A network namespace with a name. ip() is the tool in it."""

    def __init__(self, lab, kind, add=True):
        self.name = lab.unique(kind)
        lab.defer(self.remove)
        self.netns = f"/run/netns/{self.name}"
        if add:
            ip("netns", "add", self.name)
            self.ip("link", "set", "lo", "up")

    def ip(self, *argv):
        return ip("-n", self.name, *argv)

    def query(self, *argv):
        """What the tool prints as JSON."""
        return json.loads(self.ip("-json", "-details", *argv) or "[]")

    def exists(self):
        return os.path.exists(self.netns)

    def remove(self):
        if self.exists():
            ip("netns", "delete", self.name)


class Container(Namespace):
    """A namespace with an interface that is a port of a segment's bridge (or whatever a caller makes)."""

    def __init__(self, lab, number, ifname="eth0", add=True):
        super().__init__(lab, f"c{number}", add)
        self.id, self.ifname, self.mac, self.port = f"{self.name}-id", ifname, None, None

    def link(self, ifname=None):
        """The interface as the kernel sees it; None when it is not there."""
        found = [link for link in self.query("link", "show") if link["ifname"] == (ifname or self.ifname)]
        return found[0] if found else None

    def addresses(self, ifname=None):
        """The IPv4 addresses of the interface, with prefix."""
        links = self.query("-4", "address", "show", "dev", ifname or self.ifname)
        return [f"{a['local']}/{a['prefixlen']}" for link in links for a in link.get("addr_info", [])]

    def routes(self):
        """(destination, gateway) of every route that is not the kernel's own."""
        routes = self.query("-4", "route", "show")
        return [(route["dst"], route.get("gateway")) for route in routes if route.get("protocol") != "kernel"]

    def apply(self, outcome, ifname=None):
        """Does what a main plugin does with a result: link up, address, routes."""
        assert outcome.rc == 0, outcome
        result, dev = outcome.json(), ifname or self.ifname
        self.ip("link", "set", dev, "up")
        for entry in result["ips"]:
            self.ip("address", "add", entry["address"], "dev", dev)
        for entry in result.get("routes", []):
            via = entry.get("gw", result["ips"][0].get("gateway"))
            hop = ["via", via] if via and via != wire.NOBODY else []
            self.ip("route", "add", entry["dst"], *hop, "dev", dev)
        return result


class Segment(Namespace):
    """A network: a bridge with the servers' address, and the containers on it."""

    def __init__(self, lab, address="10.66.0.1/16"):
        super().__init__(lab, "srv")
        self._lab = lab
        self.bridge, self.address, self.mac = "br0", address.split("/")[0], "02:00:00:00:00:01"
        # A bridge without a port has no carrier, and some servers want one at their start.
        self.ip("link", "add", "br0", "address", self.mac, "type", "bridge", "forward_delay", "0",
                "mcast_snooping", "0")
        self.ip("link", "add", "port0", "type", "veth", "peer", "name", "end0")
        for name in ("port0", "end0", "br0"):
            self.ip("link", "set", name, *(("master", "br0") if name == "port0" else ()), "up")
        self.ip("address", "add", address, "dev", "br0")
        self.await_port("port0")
        self.capture = Capture(self.netns, "br0")
        lab.defer(self.capture.close)

    def await_port(self, port):
        """Until the bridge forwards through a port."""

        def forwards():
            info = self.query("link", "show", port)[0].get("linkinfo", {})
            return info.get("info_slave_data", {}).get("state") == "forwarding"

        harness.eventually(forwards, f"{port} forwards")

    def container(self, ifname="eth0", mac=None, up=True):
        """A new container on this network. up: its link is, and the bridge forwards through it."""
        number = self._lab.count()
        made = Container(self._lab, number, ifname)
        made.mac = mac or f"02:00:00:01:{number >> 8:02x}:{number & 255:02x}"
        made.port = self.connect(made, ifname, made.mac, up)
        return made

    def containers(self, count):
        """Many of them, made faster than one by one."""
        made = [Container(self._lab, self._lab.count(), add=False) for _ in range(count)]
        command("ip", "-batch", "-", stdin="".join(f"netns add {c.name}\n" for c in made))
        lines = []
        for container in made:
            number = self._lab.count()
            container.mac, container.port = f"02:00:00:02:{number >> 8:02x}:{number & 255:02x}", f"p{number}"
            lines.append(f"link add {container.port} type veth peer name eth0 address {container.mac} "
                         f"netns {container.name}")
            lines.append(f"link set {container.port} master br0 up")
        command("ip", "-n", self.name, "-batch", "-", stdin="\n".join(lines) + "\n")
        for container in made:
            ip("-n", container.name, "link", "set", "eth0", "up")
        for container in made:
            self.await_port(container.port)
        return made

    def connect(self, namespace, ifname, mac, up=True):
        """Gives a namespace an interface on this network. Returns the name of the bridge's port."""
        port = f"p{self._lab.count()}"
        self.ip("link", "add", port, "type", "veth", "peer", "name", ifname, "address", mac, "netns", namespace.name)
        self.ip("link", "set", port, "master", "br0", "up")
        if up:
            namespace.ip("link", "set", ifname, "up")
            self.await_port(port)
        return port


class Daemon:
    """`dhcp daemon` of one of the two programs, with a socket of its own."""

    def __init__(self, lab, kind="ours", flags=(), netns=None, version="1.0.0"):
        self.kind, self.ours = kind, kind == "ours"
        self.binary = harness.dhcp() if self.ours else harness.dhcp_peer()
        self.flags, self.netns, self.version, self.environment = list(flags), netns, version, None
        SOCKETS.mkdir(mode=0o755, exist_ok=True)
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="test-", dir=SOCKETS))
        self.socket = self.directory / "dhcp.sock"
        self.log_path = lab.directory / f"{lab.unique('daemon')}.log"
        self._process = None
        lab.defer(self.close)

    def start(self, *flags):
        """Until it answers. flags: besides those it was made with."""
        assert self._process is None or self._process.rc is not None, "it runs already"
        self._process = Process([self.binary, "daemon", "-socketpath", self.socket, *self.flags, *flags],
                                self.log_path, self.netns, self.environment)
        self._process.until(self.answers, "the daemon answers")
        return self

    def answers(self):
        """Whether it listens. It has closed its end of the connection, too, when this returns."""
        with socket.socket(socket.AF_UNIX) as probe:
            probe.settimeout(15)
            with contextlib.suppress(FileNotFoundError, ConnectionRefusedError):
                probe.connect(os.fspath(self.socket))
                probe.shutdown(socket.SHUT_WR)
                with contextlib.suppress(ConnectionResetError):
                    probe.recv(1)
                return True
        return False

    def end(self, number=signal.SIGTERM):
        """Ends it with a signal; its exit status."""
        return self._process.end(number)

    def stop(self):
        """SIGTERM; it has to end in good order."""
        rc = self.end()
        assert rc == 0, f"exit status {rc}: {self.log}"

    def kill(self):
        """SIGKILL."""
        self.end(signal.SIGKILL)

    def restart(self):
        self.kill()
        return self.start()

    @property
    def pid(self):
        return self._process.pid

    @property
    def running(self):
        return self._process is not None and self._process.rc is None

    @property
    def log(self):
        return self.log_path.read_text(errors="backslashreplace") if self.log_path.exists() else ""

    def until_says(self, text, timeout=15):
        self._process.until_says(text, timeout)

    @property
    def threads(self):
        return len(os.listdir(f"/proc/{self.pid}/task"))

    @property
    def descriptors(self):
        """What its descriptors are, number to name."""
        found = {}
        for number in os.listdir(f"/proc/{self.pid}/fd"):
            with contextlib.suppress(FileNotFoundError):
                found[int(number)] = os.readlink(f"/proc/{self.pid}/fd/{number}")
        return found

    @property
    def records(self):
        """The names of the records on disk (ours alone has any)."""
        directory = pathlib.Path(f"{self.socket}.d")
        return sorted(p.name for p in directory.glob("*.json")) if directory.is_dir() else []

    def config(self, version=None, name="net", **ipam):
        """A network configuration; **ipam: more members of its ipam object."""
        return {"cniVersion": version or self.version, "name": name, "type": "none",
                "ipam": {"type": "dhcp", "daemonSocketPath": os.fspath(self.socket), **ipam}}

    def _arguments(self, container, config, options):
        options.setdefault("id", container.id)
        options.setdefault("ifname", container.ifname)
        options.setdefault("netns", container.netns)
        return (self.config() if config is None else config), {"binary": self.binary, **options}

    def call(self, verb, container, config=None, **options):
        """One CNI call for a container; the rest as harness.call() has it."""
        config, options = self._arguments(container, config, options)
        return harness.call(verb, config, **options)

    def begin(self, verb, container, config=None, **options):
        """The same, still running: see harness.start() and harness.finish()."""
        config, options = self._arguments(container, config, options)
        return harness.start(verb, config, **options)

    def add(self, container, config=None, **options):
        """An ADD that has to succeed, and its result applied to the interface."""
        outcome = self.call("ADD", container, config, **options)
        container.apply(outcome, options.get("ifname"))
        return outcome

    def delete(self, container, config=None, **options):
        """A DEL that has to succeed."""
        outcome = self.call("DEL", container, config, **options)
        assert (outcome.rc, outcome.out) == (0, b""), outcome
        return outcome

    def check(self, container, outcome, config=None, **options):
        """A CHECK of what an ADD has answered."""
        config = {**(self.config() if config is None else config), "prevResult": outcome.json()}
        return self.call("CHECK", container, config, **options)

    def leases(self):
        """What ours says of its leases, container id to members."""
        outcome = self.command("list", "--json")
        assert outcome.rc == 0, f"{outcome}; the daemon {'runs' if self.running else 'has ended'}: {self.log}"
        return {lease["containerID"]: lease for lease in outcome.json()["leases"]}

    def command(self, *argv, **options):
        """One of ours' sub-commands for people, for this daemon."""
        return harness.command(argv[0], "--socket", os.fspath(self.socket), *argv[1:], binary=self.binary, **options)

    def close(self):
        if self.running:
            self.kill()
        shutil.rmtree(self.directory, ignore_errors=True)


class Lab:
    """What one test makes; closing it takes everything away again, last things first."""

    def __init__(self, directory):
        if os.geteuid() != 0:
            harness.unavailable("no network namespaces; needs root")
        self.directory = pathlib.Path(directory)
        self._token = os.urandom(3).hex()
        self._count, self._lock = 0, threading.Lock()
        self._stack = contextlib.ExitStack()
        self._told = []  # what has a log

    def count(self):
        with self._lock:
            self._count += 1
            return self._count

    def unique(self, kind):
        """A name that nothing else on this machine has."""
        return f"dt{self._token}-{kind}-{self.count()}"

    def defer(self, action):
        """Done when the laboratory is closed."""
        with self._lock:
            self._stack.callback(action)

    def segment(self, *args, **kwargs):
        made = Segment(self, *args, **kwargs)
        self._told.append(("the wire", lambda: str(made.capture)))
        return made

    def host(self, segment, uplink="up0"):
        """A namespace for main plugins to work in: a node whose interface is on a segment."""
        made = Namespace(self, "host")
        segment.connect(made, uplink, f"02:00:00:03:00:{self.count() & 255:02x}")
        return made

    def bare(self):
        """A container without any interface but lo: for main plugins."""
        return Container(self, self.count())

    def daemon(self, *args, **kwargs):
        made = Daemon(self, *args, **kwargs)
        self._told.append(("the daemon", lambda: made.log))
        return made

    def server(self, kind, segment, **settings):
        """A server of this class on a segment, started."""
        made = kind(self, segment, **settings)
        self.defer(made.close)
        self._told.append((type(made).__name__, lambda: made.log))
        return made.start()

    def tell(self):
        """Prints all logs: a failed test shows what was printed."""
        for title, text in self._told:
            print(f"---- {title} ----\n{text()}")

    def close(self):
        self._stack.close()
