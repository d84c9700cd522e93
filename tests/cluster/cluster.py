# SPDX-License-Identifier: Apache-2.0
"""A real Kubernetes on this computer: a control plane, nodes with kubelet, containerd and Multus, and a DHCP
server, each a machine (machine.py) with a cable to one bridge.

No part has a way out of the computer, and pods have no name service. All nodes are on one segment, so
macvlan on eth0 joins the pods of all of them. As a program it is what scripts/cluster runs:

    python3 tests/cluster/cluster.py [OPTION...] [-- COMMAND...]

brings a cluster up, runs a command (a shell, if there is none) with KUBECONFIG and kubectl, and ends it.
"""

import argparse
import contextlib
import os
import pathlib
import re
import shlex
import ssl
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
REPO = HERE.parents[1]
sys.path[:0] = [os.fspath(HERE), *(os.fspath(HERE.parent / part) for part in ("kube", "dhcp", "integration"))]

import harness  # noqa: E402  (found through the line above)
import images  # noqa: E402
import lab  # noqa: E402
from apiserver import kubeconfig_text, write_private  # noqa: E402
from control import URL, ApiClient, ControlPlane  # noqa: E402
from machine import Cgroup, Machine  # noqa: E402
from pki import Pki  # noqa: E402
from worker import IPAM, LAYOUTS, Worker  # noqa: E402

NEEDED = ("KUBE_APISERVER", "ETCD", "KUBERNETES_DIR", "MULTUS", "PEER_WHEREABOUTS", "PEER_HOST_LOCAL", "PEER_DHCP",
          "PEER_MAIN_DIR")
DHCP_POOL, DHCP_LEASE_S = ("192.168.90.10", "192.168.90.250"), 120


def programs(full=False):
    """Where everything is, as variables or else the scripts say."""
    wanted = NEEDED + (("KINE", "CONTAINERD_DIR", "MULTUS_THICK_DIR") if full else ())
    found = {name: os.environ[name] for name in wanted if os.environ.get(name)}
    if len(found) < len(wanted):
        for script in (("scripts/kube", "full" if full else "cluster"), ("scripts/peers",)):
            said = subprocess.run([REPO / script[0], *script[1:]], stdout=subprocess.PIPE, text=True, check=True)
            for line in said.stdout.splitlines():
                name, _, value = line.partition("=")
                found.setdefault(name, shlex.split(value)[0])
    return found


def ours():
    """Our programs, as the harness finds them."""
    found = dict(zip(IPAM, (harness.HOST_LOCAL, harness.WHEREABOUTS, harness.dhcp())))
    for name, path in found.items():
        if not os.access(path, os.X_OK):
            harness.unavailable(f"{path} cannot be executed")
    return found


def wait(condition, what, seconds=60, every=0.1):
    """Waits until a condition holds; asks less often than harness.eventually(), since a server answers."""
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < deadline, f"did not happen in {seconds} s: {what}"
        time.sleep(every)
    return value


class DhcpServer(Machine):
    """dnsmasq on the segment; its log has every message."""

    def __init__(self, directory):
        super().__init__("dhcp", directory)
        self.leases = self.directory / "dnsmasq.leases"

    def power_on(self, control):
        self.boot()
        control.plug(self)
        self.ip("address", "add", "192.168.90.1/24", "dev", "eth0")
        self.ip("link", "set", "eth0", "up")
        self._serve()

    def restart(self):
        """It has forgotten all leases."""
        self.end("dnsmasq")
        self.leases.unlink(missing_ok=True)
        self._serve()

    def _serve(self):
        begun = self.log("dnsmasq").read_text().count("IP range") if self.log("dnsmasq").exists() else 0
        # Without a router, eth0 of a pod keeps its default route.
        self.start("dnsmasq", lab.tool("dnsmasq"), "--no-daemon", "--user=root", "--port=0", "--conf-file=/dev/null",
                   "--no-ping", "--no-resolv", "--no-hosts", "--log-dhcp", "--dhcp-authoritative", "--dhcp-option=3",
                   "--interface=eth0", "--bind-interfaces", f"--dhcp-leasefile={self.leases}",
                   f"--dhcp-range={DHCP_POOL[0]},{DHCP_POOL[1]},255.255.255.0,{DHCP_LEASE_S}")
        self.until("dnsmasq", lambda: self.log("dnsmasq").read_text().count("IP range") > begun, "dnsmasq listens")

    def held(self):
        """{address: MAC} of all leases."""
        if not self.leases.exists():
            return {}
        lines = [line.split() for line in self.leases.read_text().splitlines()]
        return {fields[2]: fields[1] for fields in lines if fields[0].isdigit()}

    def released(self):
        """The addresses for which it has got a RELEASE."""
        return set(re.findall(r"DHCPRELEASE\(\w+\) (\S+)", self.log("dnsmasq").read_text(errors="replace")))


class Cluster:
    """directory must not exist; it gets logs, and is left. ipam: {name: path} of the IPAM plugins to install
    over the Go ones. bare: there is no IPAM plugin but the distribution's host-local, and nothing for one."""

    def __init__(self, directory, layout="default", nodes=2, store="etcd", containerd=1, multus="thin", ipam=None,
                 bare=False):
        if os.geteuid() != 0:
            harness.unavailable("no cluster; needs root")
        if not pathlib.Path("/sys/fs/cgroup/memory").is_dir():
            harness.unavailable("no cluster; needs cgroups of version 1")
        for tool in ("containerd", "runc"):
            lab.tool(tool)
        self.directory = pathlib.Path(directory)
        self.directory.mkdir(mode=0o755)
        self.layout, self.store, self.containerd, self.multus = LAYOUTS[layout], store, containerd, multus
        self.ipam, self.bare = ipam or {}, bare
        self.programs = programs(full=(store, containerd, multus) != ("etcd", 1, "thin"))
        # What must be seen inside of a node, whatever it has of its own.
        self.kept = sorted({path if os.path.isdir(path) else os.path.dirname(path)
                            for path in self.programs.values()})
        Cgroup.remove_lost()
        self.images = self.directory / "images.tar"
        images.write(self.images)
        self.pki = Pki(self.directory / "pki", "cluster-test-ca")
        admin = self.pki.issue("admin", "/O=system:masters/CN=admin")
        self._kubeconfigs("admin", "kube-controller-manager", "kube-scheduler")
        self.control = ControlPlane(self.directory, self.pki, self.programs, store)
        context = ssl.create_default_context(cafile=self.pki.ca)
        context.load_cert_chain(*admin)
        self.api = self.control.api = ApiClient(self.control, context)
        self.dhcp = DhcpServer(self.directory)
        self.nodes = [Worker(i + 1, self.directory, self) for i in range(nodes)]
        self._kubeconfigs(*(node.name for node in self.nodes))
        self._tokens = {}

    def _kubeconfigs(self, *names):
        """For those who have a certificate."""
        for name in names:
            if name.startswith("kube-"):
                self.pki.issue(name, f"/CN=system:{name}")
            text = f"""apiVersion: v1
kind: Config
clusters: [{{name: local, cluster: {{server: "{URL}", certificate-authority: "{self.pki.ca}"}}}}]
users: [{{name: me, user: {{client-certificate: "{self.pki.directory}/{name}.crt",
                           client-key: "{self.pki.directory}/{name}.key"}}}}]
contexts: [{{name: local, context: {{cluster: local, user: me}}}}]
current-context: local
"""
            write_private(self.pki.directory / f"{name}.kubeconfig", text)

    # ---- up and down ----

    def up(self):
        """Until pods can be made."""
        try:
            control = self.control
            control.boot()
            control.wire({node.pods: node.address for node in self.nodes})
            control.start_store()
            control.start_api()
            ready_made = REPO / "tests/kube/manifests"
            self.apply("-f", HERE / "manifests", "-f", ready_made / "crd/network-attachment-definitions.yaml")
            if not self.bare:
                self.apply("-f", ready_made / "crd", "-f", ready_made / "rbac")
            control.start_controllers()
            self.dhcp.power_on(control)
            for node in self.nodes:
                node.boot()
            lab.at_once([node.settle for node in self.nodes])
            for node in self.nodes:
                node.install_cni()
            for node in self.nodes:
                wait(node.ready, f"{node.name} is ready")
            wait(lambda: self.api.find("/api/v1/namespaces/default/serviceaccounts/default"), "the default account")
        except BaseException:
            self.down()
            raise
        return self

    def down(self):
        """Nothing runs any more; the logs stay."""
        for machine in (*self.nodes, self.dhcp, self.control):
            machine.stop()
        for node in self.nodes:
            node.discard()

    def __enter__(self):
        return self.up()

    def __exit__(self, *_):
        self.down()

    # ---- as administrator ----

    @property
    def kubeconfig(self):
        return self.pki.directory / "admin.kubeconfig"

    def kubectl(self, *argv, stdin=None):
        return subprocess.run(
            [*self.control.enter("net"), self.control.kubernetes("kubectl"), f"--kubeconfig={self.kubeconfig}",
             *map(os.fspath, argv)], input=stdin, text=True, capture_output=True, timeout=120)

    def apply(self, *argv, stdin=None):
        """`kubectl apply`, which has to succeed. A kind that was defined a moment ago may need a second try."""

        def created():
            done = self.kubectl("apply", "--validate=false", *argv, stdin=stdin)
            return done.returncode == 0 or (print(done.stderr), False)[1]

        wait(created, f"kubectl apply {argv}", 30)

    def token(self, account, namespace="kube-system"):
        """A service account's, for a day."""
        if account not in self._tokens:
            request = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest",
                       "spec": {"expirationSeconds": 86400}}
            path = f"/api/v1/namespaces/{namespace}/serviceaccounts/{account}/token"
            self._tokens[account] = self.api.post(path, request)["status"]["token"]
        return self._tokens[account]

    def account_kubeconfig(self, account, namespace="kube-system"):
        """As installers write it."""
        return kubeconfig_text(URL, self.token(account, namespace), self.pki.ca.read_bytes(), namespace)

    def node(self, name):
        return next(node for node in self.nodes if node.name == name)


def main():
    parser = argparse.ArgumentParser(prog="scripts/cluster", description="A Kubernetes for a shell or a command.")
    parser.add_argument("--layout", choices=LAYOUTS, default="default", help="where files lie on a node")
    parser.add_argument("--nodes", type=int, default=2, choices=range(1, 10), metavar="N")
    parser.add_argument("--store", choices=("etcd", "kine"), default="etcd", help="the API server's")
    parser.add_argument("--containerd", type=int, choices=(1, 2), default=1, help="Debian's, or version 2")
    parser.add_argument("--multus", choices=("thin", "thick"), default="thin", help="a plugin, or a daemon")
    parser.add_argument("--go", action="store_true", help="the Go IPAM plugins, not ours")
    parser.add_argument("command", nargs="*", help="instead of a shell")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="cluster-") as temporary:
        cluster = Cluster(pathlib.Path(temporary, "cluster"), args.layout, args.nodes, args.store, args.containerd,
                          args.multus, None if args.go else ours())
        with cluster:
            print(f"API server {URL}, logs in {cluster.directory}; into a node: nsenter -at PID, with the PID of",
                  ", ".join(f"{node.name} {node.pid}" for node in cluster.nodes), flush=True)
            path = f"{cluster.programs['KUBERNETES_DIR']}:{lab.PATH}"
            with contextlib.suppress(KeyboardInterrupt):
                environment = {**os.environ, "PATH": path, "KUBECONFIG": str(cluster.kubeconfig)}
                command = [*cluster.control.enter("net"), *(args.command or ["bash"])]
                return subprocess.run(command, env=environment).returncode


if __name__ == "__main__":
    sys.exit(main())
