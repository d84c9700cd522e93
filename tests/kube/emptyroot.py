# SPDX-License-Identifier: Apache-2.0
"""A root directory with whereabouts, its configuration and a host name for the API server, and nothing else."""

import pathlib
import shutil

import harness

CONF_DIR = "etc/cni/net.d/whereabouts.d"
SERVER = "kubernetes.test"


class Root:
    """What a node is to a static program. emulator: what the program has to be run under, if anything."""

    def __init__(self, path, binary, api, emulator=None):
        self.path = pathlib.Path(path)
        self._wrap = [shutil.which("chroot"), self.path]
        shutil.copy(binary, self.path / "whereabouts")
        if emulator:
            shutil.copy(emulator, self.path / "emulator")
            self._wrap.append("/emulator")
        (self.path / CONF_DIR).mkdir(parents=True)
        (self.path / "run").mkdir()
        (self.path / "etc/hosts").write_text(f"127.0.0.1 {SERVER}\n")
        kubeconfig = self.path / CONF_DIR / "whereabouts.kubeconfig"
        port = api.url.rsplit(":", 1)[1]
        api.kubeconfig(kubeconfig, server=f"https://{SERVER}:{port}")
        conf = self.path / CONF_DIR / "whereabouts.conf"
        conf.write_text('{"kubernetes": {"kubeconfig": "/%s/whereabouts.kubeconfig"}}' % CONF_DIR)
        conf.chmod(0o600)
        for directory in (self.path, *self.path.rglob("*")):
            if directory.is_dir():
                directory.chmod(0o755)

    def call(self, verb, config, pod="pod1", **more):
        return harness.call(verb, config, binary="/whereabouts", wrap=self._wrap,
                            args=f"K8S_POD_NAMESPACE=ns1;K8S_POD_NAME={pod}", ifname="net1", **more)
