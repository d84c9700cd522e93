# SPDX-License-Identifier: Apache-2.0
"""A node of the cluster as a machine: containerd, kubelet, and what installers leave for CNI.

Layouts say where things lie on a node. In that of K3s, the plugins of the distribution are links to one
program that knows by its name which one it is, as there.
"""

import json
import os
import pathlib

import images
from control import ADDRESS, PORT, SERVICE
from machine import Machine

DEBIAN_PLUGINS = pathlib.Path("/usr/lib/cni")
IPAM = ("host-local", "whereabouts", "dhcp")
MULTUS_SOCKET_DIR = "/run/multus"
K3S_LINKS = ("bridge", "host-local", "loopback")
K3S_PROGRAM = """#!/bin/sh
# Whoever writes through one of the links to this destroys all plugins at once.
exec "$(dirname "$(readlink -f "$0")")/plugins/${0##*/}" "$@"
"""


class Layout:
    def __init__(self, name, bin, conf, socket, root, network):
        self.name, self.bin, self.conf, self.network = name, bin, conf, network
        self.socket, self.root = socket, root


LAYOUTS = {layout.name: layout for layout in (
    Layout("default", "/opt/cni/bin", "/etc/cni/net.d", "/run/containerd/containerd.sock", "/var/lib/containerd",
           "default-net"),
    Layout("k3s", "/var/lib/rancher/k3s/data/cni", "/var/lib/rancher/k3s/agent/etc/cni/net.d",
           "/run/k3s/containerd/containerd.sock", "/var/lib/rancher/k3s/agent/containerd", "cbr0"),
)}

# oom_score and restrict_oom_score_adj: to lower a score needs a right that root may lack.
CONTAINERD = """version = {version}
root = "{root}"
state = "{state}"
oom_score = 0
[grpc]
  address = "{socket}"
{more}
[plugins.'{runtime}']
  restrict_oom_score_adj = true
  disable_apparmor = true
  {sandbox}
[plugins.'{runtime}'.cni]
  {bin}
  conf_dir = "{conf}"
  max_conf_num = 1
[plugins.'{runtime}'.containerd]
  default_runtime_name = "runc"
[plugins.'{runtime}'.containerd.runtimes.runc]
  runtime_type = "io.containerd.runc.v2"
[plugins.'{runtime}'.containerd.runtimes.runc.options]
  SystemdCgroup = false
"""


class Worker(Machine):
    """number: 1 and up."""

    def __init__(self, number, directory, cluster):
        super().__init__(f"node{number}", directory, disk=directory / f"disk{number}", kept=cluster.kept)
        self.number, self.cluster, self.layout = number, cluster, cluster.layout
        self.address = f"10.99.0.{10 + number}"
        self.pods = f"10.244.{number}.0/24"
        self.pki = cluster.pki
        self.pki.issue(self.name, f"/O=system:nodes/CN=system:node:{self.name}",
                       f"DNS:{self.name},IP:{self.address}")

    # ---- its life ----

    def power_on(self):
        """Again, after stop()."""
        self.boot()
        self.settle()
        self.start_services()

    def settle(self):
        """After boot(), until kubelet runs. Unlike that, it may be called in a thread that ends."""
        self.cluster.control.plug(self)
        self.ip("address", "add", f"{self.address}/24", "dev", "eth0")
        self.ip("link", "set", "eth0", "up")
        self.ip("route", "add", "default", "via", ADDRESS)
        for other in self.cluster.nodes:
            if other is not self:
                self.ip("route", "add", other.pods, "via", other.address)
        self.run("sh", "-c", "echo 1 >/proc/sys/net/ipv4/ip_forward")
        self.write("/etc/hosts", f"127.0.0.1 localhost\n{self.address} {self.name}\n", 0o644)
        self.write("/etc/hostname", f"{self.name}\n", 0o644)
        self.write("/etc/resolv.conf", "", 0o644)
        self.write("/run/resolv-pods.conf", "nameserver 127.0.0.53\n", 0o644)
        for directory in ("/run/netns", self.layout.conf, self.layout.bin, self.layout.root):
            self.path(directory).mkdir(parents=True, exist_ok=True)
        self.start_containerd()
        self.ctr("images", "import", self.cluster.images)
        self.start_kubelet()

    def start_containerd(self):
        two = self.cluster.containerd == 2
        config = CONTAINERD.format(
            version=3 if two else 2, root=self.layout.root, state=os.path.dirname(self.layout.socket),
            socket=self.layout.socket, conf=self.layout.conf,
            runtime="io.containerd.cri.v1.runtime" if two else "io.containerd.grpc.v1.cri",
            bin=f'bin_dirs = ["{self.layout.bin}"]' if two else f'bin_dir = "{self.layout.bin}"',
            sandbox="" if two else f'sandbox_image = "{images.PAUSE}"',
            more="[plugins.'io.containerd.cri.v1.images'.pinned_images]\n"
                 f"  sandbox = '{images.PAUSE}'" if two else "")
        self.write("/etc/containerd/config.toml", config, 0o644)
        self.start("containerd", "containerd", "-c", "/etc/containerd/config.toml", path=self._containerd_dir())
        self.until("containerd", lambda: "Server:" in self.ctr("version", check=False), "containerd answers")

    def _containerd_dir(self):
        return self.cluster.programs["CONTAINERD_DIR"] if self.cluster.containerd == 2 else ""

    def ctr(self, *argv, check=True):
        """containerd's own client."""
        program = os.path.join(self._containerd_dir(), "ctr")
        return self.run(program, "-a", self.layout.socket, "-n", "k8s.io", *argv, check=check)

    def start_kubelet(self):
        pki = self.pki.directory
        config = {
            "apiVersion": "kubelet.config.k8s.io/v1beta1", "kind": "KubeletConfiguration",
            "authentication": {"anonymous": {"enabled": False}, "webhook": {"enabled": True},
                               "x509": {"clientCAFile": f"{pki}/ca.crt"}},
            "authorization": {"mode": "Webhook"},
            "tlsCertFile": f"{pki}/{self.name}.crt", "tlsPrivateKeyFile": f"{pki}/{self.name}.key",
            "address": self.address, "cgroupDriver": "cgroupfs", "failSwapOn": False, "failCgroupV1": False,
            "containerRuntimeEndpoint": f"unix://{self.layout.socket}", "resolvConf": "/run/resolv-pods.conf",
            # It tolerates then what it may not set here.
            "featureGates": {"KubeletInUserNamespace": True}, "oomScoreAdj": 0, "maxOpenFiles": 20000,
            "maxPods": 250, "makeIPTablesUtilChains": False, "registryPullQPS": 0, "eventRecordQPS": 0,
            # A disk that others have filled must not drive the pods away.
            "evictionHard": {"memory.available": "100Mi", "nodefs.available": "0%", "imagefs.available": "0%",
                             "nodefs.inodesFree": "0%", "imagefs.inodesFree": "0%"},
            "imageGCHighThresholdPercent": 100, "imageMinimumGCAge": "24h",
        }
        self.write("/etc/kubernetes/kubelet.json", json.dumps(config))
        self.start("kubelet", os.path.join(self.cluster.programs["KUBERNETES_DIR"], "kubelet"),
                   "--config=/etc/kubernetes/kubelet.json", f"--kubeconfig={pki}/{self.name}.kubeconfig",
                   f"--hostname-override={self.name}", f"--node-ip={self.address}", "--root-dir=/var/lib/kubelet")

    def ready(self):
        """Whether the API server takes the node for one that runs pods."""
        found = self.cluster.api.find(f"/api/v1/nodes/{self.name}")
        return found and any(c["type"] == "Ready" and c["status"] == "True" and c["lastHeartbeatTime"]
                             for c in found["status"].get("conditions", []))

    # ---- CNI ----

    def install_cni(self):
        """What a distribution and the installers of Multus and whereabouts leave; Multus' configuration is
        the last, since with it the node gets ready."""
        layout, programs = self.layout, self.cluster.programs
        main = pathlib.Path(programs["PEER_MAIN_DIR"])
        plugins = {"loopback": DEBIAN_PLUGINS / "loopback", "bridge": main / "bridge", "macvlan": main / "macvlan",
                   "multus": programs["MULTUS"], **self.peers()}
        if self.cluster.multus == "thick":
            plugins["multus-shim"] = os.path.join(programs["MULTUS_THICK_DIR"], "multus-shim")
        if layout.name == "k3s":
            release = "/var/lib/rancher/k3s/data/0123456789abcdef/bin"
            self.write(f"{release}/cni", K3S_PROGRAM, 0o755)
            for name in K3S_LINKS:
                self.put(plugins[name], f"{release}/plugins/{name}")
            for name in ("cni", *K3S_LINKS):
                link = self.path(f"{layout.bin}/{name}")
                link.unlink(missing_ok=True)
                link.symlink_to(f"{release}/cni")
                plugins.pop(name, None)
        if self.cluster.bare:
            for name in ("whereabouts", "dhcp"):
                del plugins[name]
        for name, source in plugins.items():
            self.put(source, f"{layout.bin}/{name}")
        if not self.cluster.bare:
            self.install_ipam(self.cluster.ipam)
            self.write_flat_file()
            self.start_dhcp()
        self.write_multus()

    def peers(self):
        """The Go programs."""
        return {"host-local": self.cluster.programs["PEER_HOST_LOCAL"], "dhcp": self.cluster.programs["PEER_DHCP"],
                "whereabouts": self.cluster.programs["PEER_WHEREABOUTS"]}

    def install_ipam(self, programs):
        """IPAM plugins over those that are there: {name: path}."""
        for name, source in programs.items():
            self.put(source, f"{self.layout.bin}/{name}")

    def write_flat_file(self):
        """The files of whereabouts' installer."""
        there = f"{self.layout.conf}/whereabouts.d"
        self.write(f"{there}/whereabouts.kubeconfig", self.cluster.account_kubeconfig("whereabouts"))
        self.write(f"{there}/nodename", self.name)
        self.write(f"{there}/whereabouts.conf", json.dumps({
            "datastore": "kubernetes", "kubernetes": {"kubeconfig": f"{there}/whereabouts.kubeconfig"},
            "reconciler_cron_expression": "30 4 * * *", "log_level": "verbose", "configuration_path": there}))

    def start_dhcp(self):
        """`dhcp daemon` as a process of the node. The Go one does not start over a stale socket."""
        self.path("/run/cni").mkdir(exist_ok=True)
        self.path("/run/cni/dhcp.sock").unlink(missing_ok=True)
        self.start("dhcp", f"{self.layout.bin}/dhcp", "daemon")
        self.until("dhcp", lambda: self.path("/run/cni/dhcp.sock").exists(), "the daemon's socket")

    def start_multus(self):
        """Multus' daemon, which believes that it runs in a pod."""
        account = "/run/secrets/kubernetes.io/serviceaccount"
        self.write(f"{account}/token", self.cluster.token("multus"))
        self.write(f"{account}/ca.crt", self.pki.ca.read_text())
        config = "/etc/cni/multus.json"
        self.write(config, json.dumps({"cniVersion": "1.0.0", "logLevel": "verbose", "logToStderr": True,
                                       "chrootDir": "",
                                       "cniConfigDir": self.layout.conf, "multusConfigFile": "auto",
                                       "multusAutoconfigDir": f"{self.layout.conf}/multus.d",
                                       "binDir": self.layout.bin, "socketDir": MULTUS_SOCKET_DIR}))
        daemon = os.path.join(self.cluster.programs["MULTUS_THICK_DIR"], "multus-daemon")
        self.start("multus", daemon, "-config", config,
                   env={"KUBERNETES_SERVICE_HOST": SERVICE, "KUBERNETES_SERVICE_PORT": str(PORT),
                        "MULTUS_NODE_NAME": self.name})
        self.until("multus", lambda: self.path(f"{self.layout.conf}/00-multus.conf").exists(), "its configuration")

    def start_services(self):
        """What runs besides kubelet and containerd."""
        if not self.cluster.bare:
            self.start_dhcp()
        if self.cluster.multus == "thick":
            self.start_multus()

    def default_network(self):
        """The network of every pod's eth0."""
        return {"cniVersion": "1.0.0", "name": self.layout.network, "plugins": [
            {"type": "bridge", "bridge": "cni0", "isGateway": True,
             "ipam": {"type": "host-local", "ranges": [[{"subnet": self.pods}]], "routes": [{"dst": "0.0.0.0/0"}]}}]}

    def write_multus(self, as_file=False):
        """Multus' configuration. as_file: the default network is a file that it names, and not embedded. The
        daemon writes it by itself, and always so."""
        conf, files = self.layout.conf, self.layout.conf + "/multus.d"
        self.write(f"{files}/multus.kubeconfig", self.cluster.account_kubeconfig("multus"))
        # Not beside Multus' own file: the runtime takes one from there.
        self.write(f"{files}/default.conflist", json.dumps(self.default_network()), 0o644)
        if self.cluster.multus == "thick":
            if not self.runs("multus"):
                self.start_multus()
            return
        network = {"delegates": [self.default_network()]}
        if as_file:
            network = {"clusterNetwork": f"{files}/default.conflist"}
        self.write(f"{conf}/00-multus.conf", json.dumps({
            "cniVersion": "1.0.0", "name": "multus-cni-network", "type": "multus", "binDir": self.layout.bin,
            "kubeconfig": f"{files}/multus.kubeconfig", "logLevel": "verbose", "logFile": str(self.log("multus")),
            **network}), 0o644)
