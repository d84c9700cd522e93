# SPDX-License-Identifier: Apache-2.0
"""The node service, running on a node as its container would, and what it says of itself."""

import contextlib
import os
import pathlib
import re
import signal
import socket
import subprocess

import harness

ACCOUNT = "/run/secrets/kubernetes.io/serviceaccount"  # not by /var/run, whose link would lead out of the node
SOCKET = "/run/cni-ipam/whereabouts/node.sock"
BIN_DIR, CONF_DIR = "/opt/cni/bin", "/etc/cni/net.d"
LINE = re.compile(r'([a-z_]+)(\{(?:[a-z_]+="[^"\\\n]*"(?:,[a-z_]+="[^"\\\n]*")*)\})? (-?[0-9.e+]+)')


def pod_account(api, node, token=None, namespace="kube-system"):
    """What the kubelet puts into a container."""
    node.write(f"{ACCOUNT}/token", token or api.account_token)
    node.write(f"{ACCOUNT}/ca.crt", pathlib.Path(api.pki.ca).read_text())
    node.write(f"{ACCOUNT}/namespace", namespace)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Service:
    """`whereabouts node` on a node. It ends with the block, or by the test."""

    def __init__(self, api, node, *options, server=None, ready=True, env=None, wrap=(), path=SOCKET, port=False):
        """path: of the socket that `options` name; port: it listens on a port instead. wrap: what it is run
        under on the node."""
        host, _, api_port = (server or api.url).removeprefix("https://").rpartition(":")
        pod_account(api, node)
        node.path(BIN_DIR).mkdir(parents=True, exist_ok=True)
        node.path(CONF_DIR).mkdir(parents=True, exist_ok=True)
        self.node, self._path, self._port = node, path, free_port() if port else None
        if port:
            options = (*options, "--listen", f"127.0.0.1:{self._port}")
        self.log_path = node.path("/var/log/node.log")
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(
                [*map(os.fspath, node.wrap), *wrap, os.fspath(harness.WHEREABOUTS), "node", *options],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                env={"PATH": harness.PATH, "CNI_BIN_DIR": BIN_DIR, "CNI_CONF_DIR": CONF_DIR,
                     "WHEREABOUTS_NAMESPACE": "kube-system", "NODENAME": node.name,
                     "KUBERNETES_SERVICE_HOST": host, "KUBERNETES_SERVICE_PORT": api_port, **(env or {})})
        try:
            if ready:
                harness.eventually(self.is_ready, "the service leads")
        except BaseException:
            self.close()
            raise

    @property
    def log(self):
        return self.log_path.read_text()

    # ---- processes ----

    @property
    def leader(self):
        """The process that leads, or None."""
        return self._child("leader")

    @property
    def keeper(self):
        return self._child("keeper")

    def _child(self, name):
        for pid in self.children():
            with contextlib.suppress(OSError):
                if pathlib.Path(f"/proc/{pid}/comm").read_text().strip() == name:
                    return pid
        return None

    def children(self):
        pid = self.process.pid
        with contextlib.suppress(OSError):
            return [int(p) for p in pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
        return []

    @staticmethod
    def is_over(pid):
        """Whether a process has ended, whoever still has to take note of it."""
        try:
            return pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
        except OSError:
            return True

    def end(self, how=signal.SIGTERM, timeout=5):
        """Sends a signal; the exit status."""
        self.process.send_signal(how)
        return self.process.wait(timeout)

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    # ---- its pages ----

    def connect(self):
        connection = socket.socket(socket.AF_INET if self._port else socket.AF_UNIX)
        connection.settimeout(20)
        try:
            connection.connect(("127.0.0.1", self._port) if self._port else os.fspath(self.node.path(self._path)))
        except BaseException:
            connection.close()
            raise
        return connection

    def ask(self, request):
        """All that comes back for these bytes."""
        with self.connect() as connection:
            connection.sendall(request)
            answer = b""
            while chunk := connection.recv(65536):
                answer += chunk
        return answer

    def page(self, path):
        """(status, text)"""
        head, _, body = self.ask(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()).partition(b"\r\n\r\n")
        return int(head.split()[1]), body.decode()

    def alive(self):
        """Whether it answers already."""
        assert self.process.poll() is None, f"it has ended: {self.log}"
        with contextlib.suppress(OSError):
            self.connect().close()
            return True
        return False

    def is_ready(self):
        return self.alive() and self.page("/readyz")[0] == 200

    def metrics(self):
        """{"name{labels}": value} without the common beginning of the names."""
        status, text = self.page("/metrics")
        assert status == 200
        found, known = {}, set()
        for line in text.splitlines():
            if line.startswith("# "):
                known.add(line.split()[2])
                continue
            name, labels, value = LINE.fullmatch(line).groups()
            assert name in known, line
            found[name.removeprefix("whereabouts_node_") + (labels or "")] = float(value)
        return found

    def requests(self, verb="add", result="done"):
        return self.metrics()[f'requests_total{{verb="{verb}",result="{result}"}}']

    def until_served(self, count, verb="add", result="done"):
        """A batch is counted when it is over, a moment after its callers have their answers."""
        harness.eventually(lambda: self.requests(verb, result) >= count, f"{count} {verb}s are {result}")
        assert self.requests(verb, result) == count

