# SPDX-License-Identifier: Apache-2.0
"""A real API server for tests: etcd and kube-apiserver on loopback, with whereabouts' objects and account.

Any number may run side by side: each has a directory, a port, a certificate authority and a store of its
own. Nothing else of a cluster is there: no controllers (an owner's objects stay, a namespace never ends)
and no nodes. What it needs is built by scripts/kube.

    python3 tests/kube/apiserver.py DIRECTORY

starts one for a script. DIRECTORY must not exist. It prints one line of shell assignments (KUBE_URL,
KUBE_CA, KUBE_TOKEN_FILE, KUBE_CONFIG, KUBE_ADMIN_CERT, KUBE_ADMIN_KEY) when all is ready, and runs until
its stdin is closed (bash's coproc holds it open) or SIGTERM. DIRECTORY is left, with its logs.
"""

import base64
import http.client
import json
import os
import pathlib
import shlex
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time

from pki import Pki

HERE = pathlib.Path(__file__).resolve().parent
REPO = HERE.parents[1]

NAMESPACE = "kube-system"
GROUP = "whereabouts.cni.cncf.io"
V1ALPHA1 = f"/apis/{GROUP}/v1alpha1"
LEASES = "/apis/coordination.k8s.io/v1"
NETWORKS = "/apis/k8s.cni.cncf.io/v1/network-attachment-definitions"
POOLS, RESERVATIONS, SLICES = "ippools", "overlappingrangeipreservations", "nodeslicepools"

JSON = "application/json"
JSON_PATCH = "application/json-patch+json"
MERGE_PATCH = "application/merge-patch+json"
YAML = "application/yaml"

# Where each file of manifests/ is created, in this order.
_MANIFESTS = (
    ("crd", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"),
    ("rbac/serviceaccount.yaml", "/api/v1/namespaces/kube-system/serviceaccounts"),
    ("rbac/clusterrole.yaml", "/apis/rbac.authorization.k8s.io/v1/clusterroles"),
    ("rbac/clusterrolebinding.yaml", "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings"),
)


class StartError(Exception):
    """A server did not start; the text says why, with the end of its log."""


class ApiError(Exception):
    """An answer of 400 or more."""

    def __init__(self, method, path, answer):
        super().__init__(f"{method} {path}: {answer.status} {answer.body.decode(errors='replace')}")
        self.status = answer.status


class Answer:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    def json(self):
        return json.loads(self.body)


def programs():
    """Where kube-apiserver, etcd and the Go whereabouts are, as variables or else scripts/kube say."""
    names = ("KUBE_APISERVER", "ETCD", "PEER_WHEREABOUTS")
    found = {name: os.environ[name] for name in names if os.environ.get(name)}
    if len(found) < len(names):
        said = subprocess.run([REPO / "scripts/kube"], stdout=subprocess.PIPE, text=True)
        if said.returncode != 0:
            raise StartError("scripts/kube failed")
        for line in said.stdout.splitlines():
            name, _, value = line.partition("=")
            found.setdefault(name, shlex.split(value)[0])
    return found


# ---- names, as whereabouts makes them ----


def _name(text, *prefixes):
    if text.endswith(":"):
        text += "0"
    return "-".join([*filter(None, prefixes), text.replace(":", "-").replace("/", "-")])


def pool_name(cidr, network_name="", node=""):
    """The IPPool of a range, given as the CIDR of its network."""
    return _name(cidr, network_name, node)


def reservation_name(address, network_name=""):
    return _name(address, network_name)


def kubeconfig_text(server, token, ca, namespace=NAMESPACE):
    """A kubeconfig in the form that installers write; ca is PEM, or None for no verification."""
    if ca is None:
        trust = "insecure-skip-tls-verify: true"
    else:
        trust = f"certificate-authority-data: {base64.b64encode(ca).decode()}"
    return f"""# Written for a test.
apiVersion: v1
kind: Config
clusters:
- name: local
  cluster:
    server: {server}
    {trust}
users:
- name: whereabouts
  user:
    token: "{token}"
contexts:
- name: whereabouts-context
  context:
    cluster: local
    user: whereabouts
    namespace: {namespace}
current-context: whereabouts-context
"""


def write_private(path, text):
    """A file of root's that nobody else reads, whole at any moment."""
    path = pathlib.Path(path)
    temporary = path.with_name(f".{path.name}.new")
    temporary.touch(mode=0o600)
    temporary.write_text(text)
    temporary.rename(path)


class Client:
    """Requests with one identity, over a connection per thread that is kept."""

    def __init__(self, host, port, context, token=None, timeout=60):
        self.host, self.port, self.context = host, port, context
        self.token, self.timeout = token, timeout
        self._local = threading.local()

    def _connection(self):
        if getattr(self._local, "connection", None) is None:
            self._local.connection = http.client.HTTPSConnection(
                self.host, self.port, context=self.context, timeout=self.timeout)
        return self._local.connection

    def close(self):
        """Ends this thread's connection; the next request opens another."""
        if getattr(self._local, "connection", None) is not None:
            self._local.connection.close()
            self._local.connection = None

    def call(self, method, path, body=None, type=JSON, headers=None):
        """The Answer, whatever its status; an OSError or HTTPException when there is none."""
        if body is not None and not isinstance(body, bytes):
            body = body.encode() if isinstance(body, str) else json.dumps(body).encode()
        sent = {"Accept": JSON, **({"Content-Type": type} if body is not None else {})}
        if self.token is not None:
            sent["Authorization"] = f"Bearer {self.token}"
        connection = self._connection()
        try:
            connection.request(method, path, body, {**sent, **(headers or {})})
            response = connection.getresponse()
            return Answer(response.status, response.headers, response.read())
        except BaseException:
            self.close()
            raise

    def _ok(self, method, path, *args, **kwargs):
        answer = self.call(method, path, *args, **kwargs)
        deadline = time.monotonic() + 10
        while answer.status == 429 and time.monotonic() < deadline:
            # A kind whose definition has just changed is not served for a moment.
            time.sleep(0.1)
            answer = self.call(method, path, *args, **kwargs)
        if answer.status >= 400:
            raise ApiError(method, path, answer)
        return answer.json()

    def get(self, path):
        return self._ok("GET", path)

    def find(self, path):
        """What is there, or None."""
        try:
            return self.get(path)
        except ApiError as error:
            if error.status != 404:
                raise
            return None

    def list(self, path):
        return self.get(path)["items"]

    def post(self, path, body, type=JSON):
        return self._ok("POST", path, body, type)

    def put(self, path, body):
        return self._ok("PUT", path, body)

    def patch(self, path, body, type=JSON_PATCH):
        return self._ok("PATCH", path, body, type)

    def delete(self, path, body=None):
        return self._ok("DELETE", path, body)


class ApiServer(Client):
    """A running server, and requests to it as administrator. It ends with the thread that made it."""

    START_S = 60
    ATTEMPT_S = 0.03

    def __init__(self, directory):
        self.directory = pathlib.Path(directory)
        self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._processes = {}
        self.account_token = None
        self.pki = Pki(self.directory / "pki")
        self.pki.issue("apiserver", "/CN=kube-apiserver", "DNS:localhost,DNS:kubernetes.test,IP:127.0.0.1,IP:10.96.0.1")
        self.admin = self.pki.issue("admin", "/O=system:masters/CN=admin")
        self.pki.key("accounts")
        self.pki.public("accounts")

        # The port stays ours: the server shares it, and nobody else can, before it listens or when it
        # is stopped.
        self._port = socket.socket()
        self._port.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        self._port.bind(("127.0.0.1", 0))
        port = self._port.getsockname()[1]
        super().__init__("127.0.0.1", port, self.trusting(admin=True))
        self.url = f"https://127.0.0.1:{port}"
        try:
            self._programs = programs()
            self.start()
            self._install()
        except BaseException:
            self.close_all()
            raise

    # ---- processes ----

    def start(self):
        """Both servers, until /readyz. Also after stop(): the objects are kept."""
        # No flush to disk: a power cut ends the tests, too. Room for many versions of a big pool.
        # Sockets by a relative name (a path has at most 107 bytes) in the form HOST:PORT (etcd wants it).
        self._spawn("etcd", self._programs["ETCD"], "--name=e", "--data-dir=etcd", "--log-level=warn",
                    "--unsafe-no-fsync", f"--quota-backend-bytes={8 << 30}",
                    "--listen-client-urls=unix://client:1", "--advertise-client-urls=unix://client:1",
                    "--listen-peer-urls=unix://peer:1",
                    "--initial-advertise-peer-urls=unix://peer:1",
                    "--initial-cluster=e=unix://peer:1")
        self._spawn("apiserver", self._programs["KUBE_APISERVER"], "--etcd-servers=unix://client:1",
                    "--bind-address=127.0.0.1", f"--secure-port={self.port}", "--permit-port-sharing",
                    # Nobody needs an endpoint `kubernetes` here, and a loopback address may be none.
                    "--advertise-address=127.0.0.1", "--endpoint-reconciler-type=none",
                    "--client-ca-file=pki/ca.crt", "--tls-cert-file=pki/apiserver.crt",
                    "--tls-private-key-file=pki/apiserver.key", "--cert-dir=self-made",
                    "--service-account-issuer=https://kubernetes.default.svc",
                    "--service-account-key-file=pki/accounts.pub",
                    "--service-account-signing-key-file=pki/accounts.key",
                    "--service-cluster-ip-range=10.96.0.0/16", "--authorization-mode=RBAC",
                    # Pods may be made as objects, without the account that a controller would make.
                    "--disable-admission-plugins=ServiceAccount", "--profiling=false")
        self._until(lambda: self.call("GET", "/readyz").status == 200, "an answer to /readyz")
        if self.account_token:
            self._until_served()

    def _spawn(self, name, *argv):
        with open(self.directory / f"{name}.log", "ab") as log:
            # It goes when the tests are killed; a Ctrl-C that is meant for them does not reach it.
            self._processes[name] = subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", "--", *argv], cwd=self.directory,
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
                env={"PATH": os.environ["PATH"], "HOME": str(self.directory), "GOMAXPROCS": "4"})

    def stop(self):
        """Both servers are gone, the port refuses."""
        for process in self._processes.values():
            process.kill()
        for process in self._processes.values():
            process.wait()
        self._processes = {}
        self.close()

    def close_all(self):
        self.stop()
        self._port.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close_all()

    def _until(self, condition, what):
        deadline = time.monotonic() + self.START_S
        last = None
        while True:
            for name, process in self._processes.items():
                if process.poll() is not None:
                    raise StartError(f"{name} ended before {what}: {self._log(name)}")
            try:
                if condition():
                    return
            except (OSError, http.client.HTTPException, ApiError) as error:
                last = error
            if time.monotonic() > deadline:
                raise StartError(f"no {what} in {self.START_S} s: {last}; {self._log('apiserver')}")
            time.sleep(self.ATTEMPT_S)

    def _log(self, name):
        return "".join((self.directory / f"{name}.log").read_text(errors="replace")
                       .splitlines(keepends=True)[-5:])

    def _install(self):
        """CRDs, account and role."""
        for source, path in _MANIFESTS:
            source = HERE / "manifests" / source
            for file in sorted(source.glob("*.yaml")) if source.is_dir() else [source]:
                text = file.read_bytes()

                def created():
                    answer = self.call("POST", path, text, YAML)
                    if answer.status != 201:
                        raise ApiError("POST", file.name, answer)
                    return True

                self._until(created, file.name)
        for crd in self.list(_MANIFESTS[0][1]):
            self._until(lambda: self._age(crd["metadata"]["name"]), f"established {crd['metadata']['name']}")
        self.account_token = self.new_token()
        self._until_served()

    def _age(self, crd):
        """Whether it is established, and made old: the server lets objects of a new one wait two seconds."""
        path = f"{_MANIFESTS[0][1]}/{crd}"
        conditions = self.get(path).get("status", {}).get("conditions") or []
        if not any(c["type"] == "Established" and c["status"] == "True" for c in conditions):
            return False
        for condition in conditions:
            condition["lastTransitionTime"] = "2026-01-01T00:00:00Z"
        self.patch(f"{path}/status", {"status": {"conditions": conditions}}, MERGE_PATCH)
        return True

    def _until_served(self):
        """/readyz is too early: custom resources come, and roles count, a moment later."""
        account = self.as_account()
        for path in (*(f"{V1ALPHA1}/{plural}" for plural in (POOLS, RESERVATIONS, SLICES)), NETWORKS):
            self._until(lambda: account.get(path), path)
        account.close()

    # ---- identities ----

    def trusting(self, admin=False, ca=None):
        """A TLS context that trusts our certificates (or others), with the administrator's if asked."""
        context = ssl.create_default_context(cafile=ca or self.pki.ca)
        if admin:
            context.load_cert_chain(*self.admin)
        return context

    def new_token(self, account="whereabouts", namespace=NAMESPACE, seconds=86400):
        """A token of an account; 600 seconds is the least that the server takes."""
        request = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest",
                   "spec": {"expirationSeconds": seconds}}
        path = f"/api/v1/namespaces/{namespace}/serviceaccounts/{account}/token"
        return self.post(path, request)["status"]["token"]

    def new_account(self, name, namespace=NAMESPACE):
        """A ServiceAccount without any right, and its token."""
        self.post(f"/api/v1/namespaces/{namespace}/serviceaccounts", {"metadata": {"name": name}})
        return self.new_token(name, namespace)

    def as_account(self, token=None):
        """Requests with whereabouts' own rights, or with those of another token."""
        return Client(self.host, self.port, self.trusting(), token or self.account_token)

    def kubeconfig(self, path, token=None, server=None, ca=True, namespace=NAMESPACE):
        """Writes one; ca: True for ours, PEM bytes for another, None for no verification."""
        text = kubeconfig_text(server or self.url, token or self.account_token,
                               self.pki.ca.read_bytes() if ca is True else ca, namespace)
        write_private(path, text)

    # ---- whereabouts' objects ----

    @staticmethod
    def path(plural, name="", namespace=NAMESPACE):
        group = LEASES if plural == "leases" else V1ALPHA1
        return f"{group}/namespaces/{namespace}/{plural}" + (f"/{name}" if name else "")

    def clear(self):
        """No object of whereabouts is left in any namespace, and no Lease but the server's own.

        A LIST waits, for up to 100 ms, until the server's cache has seen the store's latest change, of
        whatever kind. A change of the same kind is seen at once: hence the markers.
        """
        def mark_once(mark):
            try:
                mark()
            except ApiError as error:
                if error.status != 409:  # an earlier clear() did not come to its end
                    raise

        for mark, plural in ((lambda: self.create_pool("marker"), POOLS),
                             (lambda: self.create_reservation("marker", ""), RESERVATIONS),
                             (lambda: self.create_slices("marker", "", "", []), SLICES)):
            mark_once(mark)
            for namespace in {o["metadata"]["namespace"] for o in self.list(f"{V1ALPHA1}/{plural}")}:
                self.delete(self.path(plural, namespace=namespace))
        mark_once(lambda: self.post(self.path("leases"), {"metadata": {"name": "marker"}}))
        for lease in self.list(f"{LEASES}/leases"):
            meta = lease["metadata"]
            if not meta["name"].startswith("apiserver-"):
                self.delete(self.path("leases", meta["name"], meta["namespace"]))

    def names(self, plural, namespace=NAMESPACE):
        return sorted(o["metadata"]["name"] for o in self.list(self.path(plural, namespace=namespace)))

    def pool(self, name, namespace=NAMESPACE):
        """The allocations of a pool, {offset: entry}, or None when there is no such pool."""
        found = self.find(self.path(POOLS, name, namespace))
        return None if found is None else found["spec"]["allocations"]

    def pools(self, namespace=NAMESPACE):
        """{name: allocations}"""
        return {o["metadata"]["name"]: o["spec"]["allocations"]
                for o in self.list(self.path(POOLS, namespace=namespace))}

    def reservations(self, namespace=NAMESPACE):
        """{name: spec}"""
        return {o["metadata"]["name"]: o["spec"]
                for o in self.list(self.path(RESERVATIONS, namespace=namespace))}

    def lease(self, name="whereabouts", namespace=NAMESPACE):
        """The spec of a Lease, or None."""
        found = self.find(self.path("leases", name, namespace))
        return found and found["spec"]

    def _create(self, plural, kind, name, namespace, **parts):
        return self.post(self.path(plural, namespace=namespace),
                         {"apiVersion": f"{GROUP}/v1alpha1", "kind": kind,
                          "metadata": {"name": name}, **parts})

    def create_pool(self, cidr, allocations=None, network_name="", node="", namespace=NAMESPACE):
        """A pool; allocations as they stand in it, {"1": {"id": …, "podref": …, "ifname": …}}."""
        spec = {"range": cidr, "allocations": allocations or {}}
        return self._create(POOLS, "IPPool", pool_name(cidr, network_name, node), namespace, spec=spec)

    def create_reservation(self, address, podref, network_name="", namespace=NAMESPACE, **spec):
        name = reservation_name(address, network_name)
        return self._create(RESERVATIONS, "OverlappingRangeIPReservation", name, namespace,
                            spec={"podref": podref, **spec})

    def create_slices(self, name, cidr, size, slices, namespace=NAMESPACE):
        """A NodeSlicePool; slices is [(node name, CIDR)], an empty name for a free one."""
        status = {"allocations": [{"nodeName": n, "sliceRange": c} for n, c in slices]}
        return self._create(SLICES, "NodeSlicePool", name, namespace,
                            spec={"range": cidr, "sliceSize": size}, status=status)

    def create_namespace(self, name):
        return self.post("/api/v1/namespaces", {"metadata": {"name": name}})


def main(directory):
    directory = pathlib.Path(directory)
    if directory.exists():
        sys.exit(f"{directory} exists")

    def end(*_):
        sys.exit(0)

    for ending in (signal.SIGTERM, signal.SIGINT):
        signal.signal(ending, end)
    with ApiServer(directory) as api:
        write_private(directory / "token", api.account_token)
        api.kubeconfig(directory / "whereabouts.kubeconfig")
        said = {"URL": api.url, "CA": api.pki.ca, "TOKEN_FILE": directory / "token",
                "CONFIG": directory / "whereabouts.kubeconfig", "ADMIN_CERT": api.admin[0],
                "ADMIN_KEY": api.admin[1]}
        print(*(f"KUBE_{k}={shlex.quote(str(pathlib.Path(v).absolute() if k != 'URL' else v))}"
                for k, v in said.items()), flush=True)
        sys.stdin.buffer.read()


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(f"usage: {sys.argv[0]} DIRECTORY")
    try:
        main(sys.argv[1])
    except StartError as error:
        sys.exit(str(error))
