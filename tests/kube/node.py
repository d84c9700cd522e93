# SPDX-License-Identifier: Apache-2.0
"""A node, as far as a plugin can see: a mount namespace with directories of its own.

Configuration and credentials count only below directories that root owns, such as /etc/cni, and state
lies below /run and /var/lib/cni. So each node has its own /etc, /opt, /run and /var: an overlay over the
machine's, whose changes go to memory, and in it the directories of keeper.EMPTY, each a file system of
its own. The rest of the machine is as it is, /tmp for example. Nothing of it is seen outside of the
namespace, which lives as long as its keeper does, and the processes in it.
"""

import json
import os
import pathlib
import shutil
import subprocess

import harness

CONF_DIR = "/etc/cni/net.d/whereabouts.d"


class Node:
    """One node. wrap is what a program is run under, so that it runs there. It ends with the thread that
    made it, at the latest."""

    kubeconfig = f"{CONF_DIR}/whereabouts.kubeconfig"
    conf = f"{CONF_DIR}/whereabouts.conf"

    def __init__(self, name="node1"):
        if os.geteuid() != 0:
            harness.unavailable("no mount namespace of a node; needs root")
        self.name = name
        # Each of these becomes the next one, so the pid is the keeper's.
        self._keeper = subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", "--", "unshare", "--mount", "--propagation", "slave", "--",
             "/usr/bin/python3", "-I", "-S", pathlib.Path(__file__).with_name("keeper.py")],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True)
        ready = self._keeper.stdout.readline()
        self.pid = self._keeper.pid
        if ready != b"ready\n":
            self.close()
            raise RuntimeError(f"{name} has no mount namespace of its own")
        self.wrap = (shutil.which("nsenter"), f"--mount=/proc/{self.pid}/ns/mnt", "--")

    def path(self, inside):
        """How to reach a file from outside. Only below /etc, /opt, /run and /var it is the node's own."""
        return pathlib.Path(f"/proc/{self.pid}/root", inside.lstrip("/"))

    def write(self, inside, text, mode=0o600):
        path = self.path(inside)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch(mode=mode)
        path.chmod(mode)
        path.write_text(text)

    def configure(self, api, *, server=None, token=None, ca=True, namespace="kube-system", **flat):
        """The files of an installer. server: such as a proxy's url; flat: more members of the flat file."""
        self.write(f"{CONF_DIR}/nodename", self.name)
        api.kubeconfig(self.path(self.kubeconfig), token, server, ca, namespace)
        self.write(self.conf, json.dumps({
            "datastore": "kubernetes", "configuration_path": CONF_DIR,
            "kubernetes": {"kubeconfig": self.kubeconfig}, **flat}))

    def call(self, verb, config, *, pod="pod1", namespace="ns1", **kwargs):
        """One CNI call here, for a pod; the rest as harness.call() has it."""
        kwargs.setdefault("args", pod_args(pod, namespace))
        return harness.call(verb, config, wrap=self.wrap, **kwargs)

    def start(self, verb, config, *, pod="pod1", namespace="ns1", **kwargs):
        """The same, still running: see harness.start() and harness.finish()."""
        kwargs.setdefault("args", pod_args(pod, namespace))
        return harness.start(verb, config, wrap=self.wrap, **kwargs)

    def close(self):
        """Nothing of it is left once its processes have ended."""
        self._keeper.stdin.close()
        self._keeper.stdout.close()
        self._keeper.wait()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def pod_args(pod, namespace="ns1"):
    """CNI_ARGS as Multus gives them."""
    return f"IgnoreUnknown=1;K8S_POD_NAMESPACE={namespace};K8S_POD_NAME={pod}"
