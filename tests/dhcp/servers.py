# SPDX-License-Identifier: Apache-2.0
"""Real DHCP servers: dnsmasq, Kea, ISC dhcpd and busybox's udhcpd, each on a segment.

All take the same settings, as far as they can follow them, and tell what they have given away. A server
that is stopped, killed or started again keeps its lease file, unless forget() is called between.
"""

import json
import re
import signal
import struct
import time

from lab import Process, tool
from wire import ip_text, route

POOL = ("10.66.1.10", "10.66.1.250")


class Server:
    """What they have in common. lease, t1 and t2 are seconds; routes: (destination, gateway) for option
    121; extra: what the particular program takes besides (lines, arguments or members)."""

    def __init__(self, lab, segment, pool=POOL, lease=120, t1=None, t2=None, router="10.66.0.1", routes=(), extra=None):
        self.segment, self.pool, self.lease, self.t1, self.t2 = segment, pool, lease, t1, t2
        self.router, self.routes, self.extra = router, list(routes), extra
        self.directory = lab.directory / lab.unique(self.name)
        self.directory.mkdir()
        self.lease_file, self.config_file = self.directory / "leases", self.directory / "config"
        self.log_file = self.directory / "log"
        self._process = None

    def start(self):
        """Until it serves."""
        lines = self.log.count(self.ready)
        self._process = Process(self.arguments(), self.log_file, self.segment.netns, self.environment())
        self._process.until(lambda: self.log.count(self.ready) > lines, f"'{self.ready}' in the log")
        return self

    def change(self, **settings):
        """Other settings, for the next start()."""
        for name, value in settings.items():
            assert hasattr(self, name)
            setattr(self, name, value)

    def environment(self):
        return None

    def stop(self):
        """As an administrator would."""
        self._process.end()

    def kill(self):
        self._process.end(signal.SIGKILL)

    def close(self):
        if self._process and self._process.rc is None:
            self.kill()

    def forget(self):
        """Loses its lease file; it must not run."""
        for file in self.directory.glob("leases*"):
            file.unlink()

    def move(self, address):
        """Goes on under another address, and thus as another server: with what it has given away."""
        self.stop()
        self.segment.ip("address", "flush", "dev", "br0")
        self.segment.ip("address", "add", f"{address}/16", "dev", "br0")
        return self.start()

    @property
    def pid(self):
        return self._process.pid

    @property
    def log(self):
        return self.log_file.read_text(errors="backslashreplace") if self.log_file.exists() else ""

    def until_says(self, text, timeout=15):
        self._process.until_says(text, timeout)

    def until_held(self, *addresses, timeout=15):
        """Until exactly these addresses are given away."""
        self._process.until(lambda: self.held() == set(addresses), f"held: {addresses}", timeout)

    def raw_routes(self):
        return b"".join(route(dst, gw) for dst, gw in self.routes)


class Dnsmasq(Server):
    """Its shortest lease is 120 s; T1 and T2 may be shorter. It reads a UDP socket: what does not come
    from a proper address it never sees."""

    name, ready, shortest = "dnsmasq", "IP range", 120

    def arguments(self):
        options = [f"--dhcp-option={code},{value}" for code, value in ((58, self.t1), (59, self.t2)) if value]
        options += [f"--dhcp-option=3,{self.router}" if self.router else "--dhcp-option=3"]
        if self.routes:
            options.append("--dhcp-option=121," + ",".join(f"{dst},{gw}" for dst, gw in self.routes))
        return [tool("dnsmasq"), "--no-daemon", "--user=root", "--port=0", "--conf-file=/dev/null", "--no-ping",
                "--no-resolv", "--no-hosts", "--log-dhcp", "--dhcp-authoritative", "--dhcp-lease-max=20000",
                "--interface=br0", f"--dhcp-leasefile={self.lease_file}",
                f"--dhcp-range={self.pool[0]},{self.pool[1]},255.255.0.0,{self.lease}", *options, *(self.extra or [])]

    def held(self):
        text = self.lease_file.read_text() if self.lease_file.exists() else ""
        return {line.split()[2] for line in text.splitlines() if line[:1].isdigit()}


class Kea(Server):
    """Raw sockets: it sees everything. A client of a subnet that it does not have gets no answer."""

    name, ready, shortest = "kea", "DHCP4_STARTED", 2

    def arguments(self):
        options = [{"name": "routers", "data": self.router}] if self.router else []
        if self.routes:
            options.append({"code": 121, "space": "dhcp4", "csv-format": False, "data": self.raw_routes().hex()})
        net = self.pool[0].split(".")
        dhcp4 = {
            "interfaces-config": {"interfaces": ["br0"], "dhcp-socket-type": "raw",
                                  "service-sockets-max-retries": 30, "service-sockets-retry-wait-time": 500},
            "lease-database": {"type": "memfile", "persist": True, "name": str(self.lease_file), "lfc-interval": 0},
            "authoritative": True,
            "valid-lifetime": self.lease, "min-valid-lifetime": self.lease, "max-valid-lifetime": self.lease,
            **({"renew-timer": self.t1} if self.t1 else {}), **({"rebind-timer": self.t2} if self.t2 else {}),
            "subnet4": [{"id": 1, "subnet": f"{net[0]}.{net[1]}.0.0/16", "interface": "br0",
                         "pools": [{"pool": f"{self.pool[0]}-{self.pool[1]}"}], "option-data": options}],
            "loggers": [{"name": "kea-dhcp4", "severity": "INFO", "output_options": [{"output": "stdout"}]}],
            **(self.extra or {}),
        }
        self.config_file.write_text(json.dumps({"Dhcp4": dhcp4}))
        return [tool("kea-dhcp4"), "-c", self.config_file]

    def environment(self):
        return {"KEA_PIDFILE_DIR": str(self.directory), "KEA_LOCKFILE_DIR": str(self.directory)}

    def held(self):
        latest = {}
        text = self.lease_file.read_text() if self.lease_file.exists() else ""
        for line in text.splitlines()[1:]:
            address, _, _, lifetime, expires, *_ = line.split(",")
            latest[address] = int(lifetime) > 0 and int(expires) > time.time()
        return {address for address, alive in latest.items() if alive}


class Dhcpd(Server):
    """ISC's server, with raw sockets."""

    name, ready, shortest = "dhcpd", "Server starting service", 5

    def arguments(self):
        lines = ["authoritative;", f"default-lease-time {self.lease};", f"min-lease-time {self.lease};",
                 f"max-lease-time {self.lease};", "ping-check false;", "option classless code 121 = string;"]
        lines += [f"option dhcp-{name}-time {value};" for name, value in (("renewal", self.t1), ("rebinding", self.t2))
                  if value]
        options = [f"option routers {self.router};"] if self.router else []
        if self.routes:
            options.append(f"option classless {self.raw_routes().hex(':')};")
        net = self.pool[0].split(".")
        lines += [f"subnet {net[0]}.{net[1]}.0.0 netmask 255.255.0.0 {{", f"range {self.pool[0]} {self.pool[1]};",
                  *options, "}", *(self.extra or [])]
        self.config_file.write_text("\n".join(lines) + "\n")
        self.lease_file.touch()
        return [tool("dhcpd"), "-4", "-f", "-d", "-cf", self.config_file, "-lf", self.lease_file, "--no-pid", "br0"]

    def held(self):
        alive = {}
        for address, body in re.findall(r"lease (\S+) \{(.*?)\n\}", self.lease_file.read_text(), re.S):
            ends = re.search(r"ends \d+ ([\d/]+ [\d:]+);", body)
            still = ends is None or time.strptime(ends[1], "%Y/%m/%d %H:%M:%S") > time.gmtime()
            alive[address] = "binding state active" in body and still
        return {address for address, yes in alive.items() if yes}


class Udhcpd(Server):
    """Tiny. It reads a UDP socket, and writes its lease file when it is told to."""

    name, ready, shortest = "udhcpd", "started, v", 10

    def stop(self):
        self._process.send(signal.SIGUSR1)  # else it would end without writing
        super().stop()

    def arguments(self):
        opts = [f"opt lease {self.lease}", "opt subnet 255.255.0.0"]
        opts += [f"opt router {self.router}"] if self.router else []
        opts += [f"opt 0x{code:x} {value:08x}" for code, value in ((58, self.t1), (59, self.t2)) if value]
        if self.routes:
            opts.append(f"opt 0x79 {self.raw_routes().hex()}")
        lines = [f"start {self.pool[0]}", f"end {self.pool[1]}", "interface br0", f"lease_file {self.lease_file}",
                 "auto_time 0", "min_lease 1", "max_leases 200", f"pidfile {self.directory}/pid", *opts,
                 *(self.extra or [])]
        self.config_file.write_text("\n".join(lines) + "\n")
        return [tool("busybox"), "udhcpd", "-f", self.config_file]

    def held(self):
        self.lease_file.unlink(missing_ok=True)
        self._process.send(signal.SIGUSR1)
        self._process.until(lambda: self.lease_file.exists() and not self._process.has_open(self.lease_file),
                            "the lease file is written")
        raw = self.lease_file.read_bytes()
        written, = struct.unpack("!q", raw[:8])
        held = set()
        for pos in range(8, len(raw) - 35, 36):
            expires, = struct.unpack("!I", raw[pos : pos + 4])
            if expires > 0 and written + expires > time.time():
                held.add(ip_text(raw[pos + 4 : pos + 8]))
        return held


ALL = (Dnsmasq, Kea, Dhcpd, Udhcpd)
