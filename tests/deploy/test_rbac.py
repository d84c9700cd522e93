# SPDX-License-Identifier: Apache-2.0
"""The accounts: what each may is what its program asks for, no more and no less."""

import json
import shutil
import socket
import subprocess
import urllib.parse

import pytest
import yaml

import harness
from apiserver import POOLS, RESERVATIONS, SLICES
from objects import MANIFESTS, named, pods, read
from proxy import is_request

NAMESPACE = "installed"  # the tests' own server has other roles in kube-system
PLACES = {"ServiceAccount": "/api/v1/namespaces/{}/serviceaccounts",
          **{kind: f"/apis/rbac.authorization.k8s.io/v1/{kind.lower()}s" for kind in ("ClusterRole", "ClusterRoleBinding")},
          **{kind: f"/apis/rbac.authorization.k8s.io/v1/namespaces/{{}}/{kind.lower()}s" for kind in ("Role", "RoleBinding")}}


def granted(account):
    """{(namespaced or not, resource, verb)} of an account, by the manifest."""
    found = set()
    for (kind, _, name), document in named(read(MANIFESTS / "rbac.yaml")).items():
        if kind in ("Role", "ClusterRole") and name == account:
            found |= {(kind == "Role", resource, verb) for rule in document["rules"]
                      for resource in rule["resources"] for verb in rule["verbs"]}
    return found


def asked(request):
    """(whether in our namespace, resource, verb) of a request, as rules have it."""
    url = urllib.parse.urlsplit(request.path)
    parts = url.path.strip("/").split("/")[2 if request.path.startswith("/api/") else 3:]
    own = parts[:2] == ["namespaces", NAMESPACE]
    if parts[0] == "namespaces" and len(parts) > 2:
        parts = parts[2:]
    resource = "/".join(parts[0::2][:2])
    verb = {"GET": "get" if len(parts) > 1 else "list", "POST": "create", "PUT": "update", "PATCH": "patch",
            "DELETE": "delete"}[request.method]
    return own, resource, verb


def asked_with(proxy, token):
    """What was asked for with this token. The server has permitted all of it."""
    assert not [r for r in proxy.requests if r.status in (401, 403)]
    return {asked(r) for r in proxy.requests
            if r.headers.get("Authorization") == f"Bearer {token}" and "dryRun" not in r.path}


@pytest.fixture(scope="module")
def installed(api):
    """The accounts of rbac.yaml, in a namespace of their own."""
    if api.find(f"/api/v1/namespaces/{NAMESPACE}") is None:
        api.create_namespace(NAMESPACE)
        text = (MANIFESTS / "rbac.yaml").read_text().replace("kube-system", NAMESPACE)
        for document in yaml.safe_load_all(text):
            api.post(PLACES[document["kind"]].format(NAMESPACE), document)
    return api


@pytest.fixture
def plugin(installed, cleared, node, proxy):
    """A node whose plugin has its account, through a proxy that remembers."""
    token = installed.new_token("whereabouts", NAMESPACE)
    node.token = token
    node.configure(installed, server=proxy.url, token=token, namespace=NAMESPACE)

    # Roles count a moment after they are made.
    installed._until(lambda: command(node, "status", "--json").json()["ok"], "rights")
    proxy.reset()
    return node


def command(node, *argv):
    return harness.run([*node.wrap, harness.WHEREABOUTS, *argv])


def call(node, verb, **kwargs):
    """A call that has to work."""
    ipam = {"type": "whereabouts", **kwargs.pop("ipam", {"range": "10.0.0.0/24"})}
    config = {"cniVersion": "1.1.0", "name": "net", "type": "macvlan", "ipam": ipam, **kwargs.pop("top", {})}
    done = node.call(verb, config, binary=harness.WHEREABOUTS, ifname="net1", **kwargs)
    assert done.rc == 0, done
    return done


def test_the_plugin_uses_all_of_its_rights_and_needs_no_other(installed, plugin, proxy):
    call(plugin, "ADD", pod="a", id="a1")
    call(plugin, "ADD", pod="a", id="a2")  # a new sandbox: the reservation gets the new container
    installed.create_reservation("10.0.0.2", "other/pod", namespace=NAMESPACE)
    call(plugin, "ADD", pod="b", id="b1")  # .2 is taken: which others are?
    call(plugin, "CHECK", pod="a", id="a2")
    call(plugin, "STATUS", id=None)
    call(plugin, "DEL", pod="b", id="b1")
    call(plugin, "GC", id=None, top={"cni.dev/valid-attachments": []})
    installed.create_slices("cut", "10.1.0.0/16", "/24", [("node1", "10.1.7.0/24")], namespace=NAMESPACE)
    call(plugin, "ADD", pod="c", id="c1", ipam={"network_name": "cut", "range": "10.1.0.0/16", "node_slice_size": "/24"})
    assert command(plugin, "list").rc == 0
    assert asked_with(proxy, plugin.token) >= granted("whereabouts")


def test_status_is_content_with_the_plugins_rights(plugin):
    done = command(plugin, "status", "--json")
    assert done.rc == 0, done
    for resource in done.json()["resources"]:
        assert resource["exists"] and all(p["allowed"] for p in resource["permissions"]), resource


def test_check_sees_no_pods_and_says_so(installed, plugin):
    """Its --fix is for another kubeconfig, and changes nothing without."""
    call(plugin, "ADD", pod="a", id="a1")
    installed.create_reservation("10.0.0.9", "gone/pod", namespace=NAMESPACE)
    done = command(plugin, "check", "--fix")
    assert done.rc == 1 and b"whether its pod exists cannot be seen" in done.out, done
    assert "10.0.0.9" in installed.names(RESERVATIONS, NAMESPACE)


# ---- the two services ----


def container_of(name):
    """The container of this name."""
    return next(c for path in ("default/whereabouts-daemonset.yaml", "controller-deployment.yaml")
                for c in pods(read(MANIFESTS / path))[0][1]["containers"] if c["name"] == name)


def as_container(name):
    """A command to run a program under: user and capabilities of this container."""
    context = container_of(name)["securityContext"]
    added = [f"+{c.lower()}" for c in context["capabilities"].get("add", ())]
    user = context["runAsUser"]
    return (shutil.which("setpriv"), f"--reuid={user}", f"--regid={user}", "--clear-groups", "--no-new-privs",
            "--inh-caps=-all", f"--bounding-set={','.join(['-all', *added])}", "--")


@pytest.fixture
def run(installed, node, proxy, tmp_path):
    """run(CONTAINER, ACCOUNT, ARGUMENT...): a service as its container runs it; returns its token."""
    log = tmp_path / "log"
    started = []

    def start(container, account, *argv, **env):
        token = installed.new_token(account, NAMESPACE)
        for name, text in (("token", token), ("ca.crt", installed.pki.ca.read_text()), ("namespace", NAMESPACE)):
            node.write(f"/run/secrets/kubernetes.io/serviceaccount/{name}", text, 0o644)
        with open(log, "wb") as out:
            started.append(subprocess.Popen(
                [*node.wrap, *as_container(container), harness.WHEREABOUTS, *argv],
                stdin=subprocess.DEVNULL, stdout=out, stderr=out,
                env={"PATH": harness.PATH, "WHEREABOUTS_NAMESPACE": NAMESPACE, "KUBERNETES_SERVICE_HOST": "127.0.0.1",
                     "KUBERNETES_SERVICE_PORT": str(proxy.port), **env}))
        return token

    yield start
    for process in started:
        process.terminate()
        ended = process.wait(10)
        print(log.read_text())  # shown when something fails
        assert ended == 0


def test_the_node_service_uses_all_of_its_rights_and_needs_no_other(plugin, proxy, run):
    plugin.path("/var/lib/cni/whereabouts").mkdir(mode=0o755)  # as the kubelet makes it for the mount
    call(plugin, "ADD", pod="gone", id="g1")  # whose pod is looked for
    proxy.reset()
    plugin.path("/etc/cni/net.d").mkdir(exist_ok=True)
    plugin.write("/opt/cni/bin/whereabouts", "old", 0o755)
    for path in ("/opt/cni/bin/whereabouts", "/opt/cni/bin"):  # as some archives leave them
        shutil.chown(plugin.path(path), 1001, 1001)
    token = run("whereabouts", "whereabouts-node", "node", "--grace", "1", CNI_BIN_DIR="/opt/cni/bin",
                CNI_CONF_DIR="/etc/cni/net.d", NODENAME="node1", WHEREABOUTS_ACCOUNT="whereabouts")
    harness.eventually(lambda: granted("whereabouts-node") <= asked_with(proxy, token), "all is asked for")
    assert plugin.path("/opt/cni/bin/whereabouts").read_bytes() == harness.WHEREABOUTS.read_bytes()
    assert plugin.path("/opt/cni/bin/whereabouts.old").read_text() == "old"
    made = plugin.path("/etc/cni/net.d/whereabouts.d/token").read_text().strip()
    assert made not in (token, plugin.token), "the plugin has a token of its own"
    call(plugin, "ADD", pod="b", id="b1")
    assert asked_with(proxy, made), "the plugin's work is done with the plugin's token"


def free_port():
    with socket.socket() as any_port:
        any_port.bind(("127.0.0.1", 0))
        return str(any_port.getsockname()[1])


def probe(name, kind, port):
    """The exit status of a container's probe, with another port than the container's."""
    command = [word.replace("9748", port) for word in container_of(name)[kind]["exec"]["command"]]
    assert command[0] == "/bin/busybox" and port in command[-1]
    return subprocess.run([shutil.which("busybox"), *command[1:]], stderr=subprocess.DEVNULL).returncode


def terminating_pod(api, name, node):
    """A pod that a finalizer keeps, on this node."""
    path = "/api/v1/namespaces/default/pods"
    api.post(path, {"metadata": {"name": name, "finalizers": ["example.org/stay"]}, "spec": {
        "nodeName": node, "containers": [{"name": "c", "image": "i"}]}})
    api.delete(f"{path}/{name}")


def test_the_controller_uses_all_of_its_rights_and_needs_no_other(installed, cleared, proxy, run):
    if installed.find("/api/v1/namespaces/default") is None:
        installed.create_namespace("default")
    networks = "/apis/k8s.cni.cncf.io/v1/namespaces/default/network-attachment-definitions"
    config = {"cniVersion": "1.0.0", "type": "macvlan", "ipam": {
        "type": "whereabouts", "network_name": "cut", "range": "10.1.0.0/16", "node_slice_size": "/24"}}
    installed.post("/api/v1/nodes", {"metadata": {"name": "n1"}})
    terminating_pod(installed, "leaving", "n1")
    port = free_port()
    assert probe("controller", "livenessProbe", port) != 0
    installed.create_pool("10.0.0.0/24", {
        "1": {"id": "g1", "podref": "default/gone", "ifname": "net1"},
        "2": {"id": "l1", "podref": "default/leaving", "ifname": "net1"}}, namespace=NAMESPACE)
    installed.create_reservation("10.0.0.1", "default/gone", namespace=NAMESPACE, ifname="net1", containerid="g1")
    installed.post(networks, {"apiVersion": "k8s.cni.cncf.io/v1", "kind": "NetworkAttachmentDefinition",
                              "metadata": {"name": "cut"}, "spec": {"config": json.dumps(config)}})
    slices, pool = installed.path(SLICES, "cut", NAMESPACE), installed.path(POOLS, "10.0.0.0-24", NAMESPACE)

    def overtake(exchange):
        """The pod is back under its name, with another container, just before its entry is removed."""
        installed.patch(pool, [{"op": "replace", "path": "/spec/allocations/1/id", "value": "g2"}])
        return exchange.forward()

    proxy.fault(is_request("PATCH", "/ippools/"), overtake)
    token = run("controller", "whereabouts-controller", "controller", "--grace", "1", "--schedule", "@every 2s",
                "--listen", f"127.0.0.1:{port}")
    try:
        harness.eventually(lambda: installed.find(slices), "slices")
        installed.post("/api/v1/nodes", {"metadata": {"name": "n2"}})
        harness.eventually(lambda: installed.pool("10.0.0.0-24", NAMESPACE).keys() == {"2"}, "the orphan is freed")
        harness.eventually(lambda: "n2" in str(installed.get(slices)), "the second node's slice")
        installed.delete("/api/v1/nodes/n1")
        harness.eventually(lambda: installed.pool("10.0.0.0-24", NAMESPACE) == {}, "the dead node's entry is freed")
        installed.delete(f"{networks}/cut")
        harness.eventually(lambda: installed.find(slices) is None, "no slices")
        assert probe("controller", "livenessProbe", port) == probe("controller", "readinessProbe", port) == 0
        assert asked_with(proxy, token) >= granted("whereabouts-controller")
    finally:
        installed.patch("/api/v1/namespaces/default/pods/leaving", [{"op": "remove", "path": "/metadata/finalizers"}])
        for one in installed.list("/api/v1/nodes"):
            installed.delete(f"/api/v1/nodes/{one['metadata']['name']}")
    assert installed.names(RESERVATIONS, NAMESPACE) == []


# ---- what nobody may ----


def may(api, account, verb, resource, group="", namespace=NAMESPACE, name=""):
    resource, _, part = resource.partition("/")
    user = f"system:serviceaccount:{NAMESPACE}:{account}"
    review = {"apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview", "spec": {
        "user": user, "groups": ["system:serviceaccounts", f"system:serviceaccounts:{NAMESPACE}", "system:authenticated"],
        "resourceAttributes": {"verb": verb, "group": group, "resource": resource, "subresource": part,
                               "namespace": namespace, "name": name}}}
    return api.post("/apis/authorization.k8s.io/v1/subjectaccessreviews", review)["status"]["allowed"]


WHEREABOUTS = "whereabouts.cni.cncf.io"
ACCOUNTS = ("whereabouts", "whereabouts-node", "whereabouts-controller")


@pytest.mark.parametrize("account", ACCOUNTS)
@pytest.mark.parametrize("verb, resource, group, namespace", [
    ("get", "secrets", "", NAMESPACE), ("list", "secrets", "", ""), ("create", "pods", "", NAMESPACE),
    ("delete", "pods", "", NAMESPACE), ("create", "pods/exec", "", NAMESPACE), ("patch", "nodes", "", ""),
    ("update", "leases", "coordination.k8s.io", "kube-node-lease"), ("delete", "ippools", WHEREABOUTS, NAMESPACE),
    ("create", "serviceaccounts/token", "", NAMESPACE), ("impersonate", "users", "", ""),
    ("update", "clusterroles", "rbac.authorization.k8s.io", ""),
    ("update", "network-attachment-definitions", "k8s.cni.cncf.io", NAMESPACE)])
def test_no_account_may_what_none_needs(installed, account, verb, resource, group, namespace):
    assert not may(installed, account, verb, resource, group, namespace)


@pytest.mark.parametrize("resource, group, verb", [
    ("pods", "", "get"), ("pods", "", "list"), ("nodes", "", "list"), ("ippools", WHEREABOUTS, "get"),
    ("ippools", WHEREABOUTS, "patch"), ("network-attachment-definitions", "k8s.cni.cncf.io", "list")])
def test_the_token_on_the_nodes_opens_nothing_outside_its_namespace(installed, resource, group, verb):
    assert not may(installed, "whereabouts", verb, resource, group, "default")


def test_the_node_service_makes_the_plugins_token_and_no_other(installed):
    request = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {"expirationSeconds": 86400}}
    client = installed.as_account(installed.new_token("whereabouts-node", NAMESPACE))
    path = f"/api/v1/namespaces/{NAMESPACE}/serviceaccounts/{{}}/token"

    def made():
        return client.call("POST", path.format("whereabouts"), request).status == 201

    installed._until(made, "rights")
    for other in ("whereabouts-node", "whereabouts-controller"):
        assert client.call("POST", path.format(other), request).status == 403
    assert client.call("GET", "/api/v1/pods?limit=1").status == 200
    assert not may(installed, "whereabouts-node", "patch", "ippools", WHEREABOUTS)
