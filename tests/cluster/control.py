# SPDX-License-Identifier: Apache-2.0
"""The control plane as a machine: the store, the API server, the controllers, the scheduler; and the
network that all nodes are on.

The API server is at https://10.99.0.1 for everybody, and at the service address 10.96.0.1 for pods; so
that no kube-proxy is needed.
"""

import contextlib
import http.client
import json
import os
import socket
import threading

import lab
from apiserver import ApiError, Client
from machine import Machine

ADDRESS, SERVICE, PORT = "10.99.0.1", "10.96.0.1", 443
URL = f"https://{ADDRESS}"
STORE = "http://127.0.0.1:2379"
KINE = ("?_journal_mode=WAL&_busy_timeout=30000&_synchronous=NORMAL&_txlock=immediate&_stmt_cache_size=20"
        "&cache=shared")


class _Connection(http.client.HTTPSConnection):
    """From inside of a machine's network."""

    def __init__(self, machine, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self._machine = machine

    def connect(self):
        sock = lab.within(self._machine.netns,
                          lambda: socket.create_connection((self.host, self.port), self.timeout))
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sock = self._context.wrap_socket(sock, server_hostname=self.host)


class ApiClient(Client):
    """Requests to the API server, as tests/kube has them."""

    def __init__(self, machine, context, token=None):
        super().__init__(ADDRESS, PORT, context, token)
        self._machine = machine
        self._local = threading.local()

    def _connection(self):
        if getattr(self._local, "connection", None) is None:
            self._local.connection = _Connection(self._machine, self.host, self.port, context=self.context,
                                                 timeout=self.timeout)
        return self._local.connection


class ControlPlane(Machine):
    """store: "etcd" or "kine" (SQLite). programs: what scripts/kube says."""

    def __init__(self, directory, pki, programs, store="etcd"):
        super().__init__("control", directory)
        self.pki, self.programs, self.store = pki, programs, store
        pki.issue("apiserver", "/CN=kube-apiserver",
                  f"DNS:localhost,DNS:kubernetes.default.svc,IP:127.0.0.1,IP:{ADDRESS},IP:{SERVICE}")
        pki.key("accounts")
        pki.public("accounts")

    def kubernetes(self, name):
        return os.path.join(self.programs["KUBERNETES_DIR"], name)

    def wire(self, routes):
        """The bridge that all cables end at; routes: {destination: gateway}."""
        # A bridge without an address of its own takes its ports', and another one when a port goes.
        self.ip("link", "add", "br0", "address", "02:00:00:00:00:01", "type", "bridge", "forward_delay", "0",
                "mcast_snooping", "0")
        self.ip("address", "add", f"{ADDRESS}/24", "dev", "br0")
        self.ip("address", "add", f"{SERVICE}/32", "dev", "lo")
        self.ip("link", "set", "br0", "up")
        # It leads nowhere, but some programs look for one.
        self.ip("route", "add", "default", "via", ADDRESS, "dev", "br0")
        for destination, gateway in routes.items():
            self.ip("route", "add", destination, "via", gateway)

    def plug(self, machine):
        """A cable from the bridge to a machine's eth0. An earlier one goes with its other end, but some time
        after that."""
        port = f"p-{machine.name}"
        links = json.loads(self.ip("-json", "link", "show"))
        if any(link["ifname"] == port for link in links):
            with contextlib.suppress(RuntimeError):
                self.ip("link", "delete", port)
        self.ip("link", "add", port, "type", "veth", "peer", "name", "eth0", "netns", str(machine.pid))
        self.ip("link", "set", port, "master", "br0", "up")

    def start_store(self):
        if self.store == "kine":
            self.start("store", self.programs["KINE"], "--listen-address=127.0.0.1:2379", "--metrics-bind-address=0",
                       f"--endpoint=sqlite://{self.directory}/kine.db{KINE}")
        else:
            # No flush to disk: a power cut ends the tests, too.
            self.start("store", self.programs["ETCD"], "--name=e", f"--data-dir={self.directory}/etcd",
                       "--log-level=warn", "--unsafe-no-fsync", f"--quota-backend-bytes={8 << 30}",
                       f"--listen-client-urls={STORE}", f"--advertise-client-urls={STORE}")

    def start_api(self):
        """Until /readyz says yes."""
        pki = self.pki.directory
        self.start("apiserver", self.programs["KUBE_APISERVER"], f"--etcd-servers={STORE}", "--bind-address=0.0.0.0",
                   f"--secure-port={PORT}", f"--advertise-address={ADDRESS}", f"--client-ca-file={pki}/ca.crt",
                   f"--tls-cert-file={pki}/apiserver.crt", f"--tls-private-key-file={pki}/apiserver.key",
                   f"--cert-dir={self.directory}/apiserver", "--profiling=false", "--allow-privileged=true",
                   "--service-account-issuer=https://kubernetes.default.svc",
                   f"--service-account-key-file={pki}/accounts.pub",
                   f"--service-account-signing-key-file={pki}/accounts.key",
                   "--service-cluster-ip-range=10.96.0.0/16", "--authorization-mode=Node,RBAC",
                   "--enable-admission-plugins=NodeRestriction", f"--kubelet-client-certificate={pki}/admin.crt",
                   f"--kubelet-client-key={pki}/admin.key", f"--kubelet-certificate-authority={pki}/ca.crt",
                   "--kubelet-preferred-address-types=InternalIP")
        self.until("apiserver", self._ready, "an answer to /readyz")

    def _ready(self):
        try:
            return self.api.call("GET", "/readyz").status == 200
        except (OSError, http.client.HTTPException, ApiError):
            return False

    def start_controllers(self):
        """After the API server: without the roles that it makes they end, or lag."""
        pki, home = self.pki.directory, self.directory
        for name, flags in (
                ("kube-controller-manager", (
                    f"--root-ca-file={pki}/ca.crt", f"--service-account-private-key-file={pki}/accounts.key",
                    "--use-service-account-credentials=true", f"--cluster-signing-cert-file={pki}/ca.crt",
                    f"--cluster-signing-key-file={pki}/ca.key", "--service-cluster-ip-range=10.96.0.0/16",
                    "--node-monitor-period=2s")),
                ("kube-scheduler", ())):
            config = f"{pki}/{name}.kubeconfig"
            self.start(name, self.kubernetes(name), f"--kubeconfig={config}", f"--authentication-kubeconfig={config}",
                       f"--authorization-kubeconfig={config}", "--leader-elect=false", f"--cert-dir={home}/{name}",
                       *flags)
