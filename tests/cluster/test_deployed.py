# SPDX-License-Identifier: Apache-2.0
"""The image and the manifests of a release, in a cluster as K3s leaves it: nobody but kubelet and Multus has
put anything on its nodes.
"""

import http.client
import os
import pathlib
import platform

import pytest

import cluster as clusters
import harness
import images
import lab
import pods
from cluster import wait
from networks import Networks

DEPLOY = clusters.REPO / "deploy"
SYSTEM = "/apis/apps/v1/namespaces/kube-system"
MERGE = "application/merge-patch+json"
EXAMPLES = {"whereabouts": "multus-demo", "host-local": "multus-demo-host-local", "dhcp": "multus-demo-dhcp"}


def image():
    """Of this machine's kind, from scripts/release."""
    name = f"build-release/*-image-{images.ARCHITECTURES[platform.machine()]}.tar"
    found = [pathlib.Path(os.environ.get("CNI_IPAM_IMAGE", "")), *clusters.REPO.glob(name)]
    return next((path for path in found if path.is_file()), None) or harness.unavailable(f"there is no {name}")


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    """Overrides the one of the other tests: with all of deploy/manifests applied, and ready."""
    archive = image()
    with clusters.Cluster(tmp_path_factory.mktemp("deployed") / "state", "k3s", bare=True) as up:
        for node in up.nodes:
            node.ctr("images", "import", archive)
        manifests = DEPLOY / "manifests"
        for part in ("crds.yaml", "rbac.yaml", "controller-deployment.yaml", "k3s"):
            up.apply("-f", manifests / part)
        all_ready(up)
        yield up


@pytest.fixture(scope="module")
def trio(cluster):
    return Networks(cluster, "trio")


def all_ready(cluster, seconds=120):
    """All pods of the DaemonSets and the Deployment."""
    def ready():
        daemons = [one["status"] for one in cluster.api.list(f"{SYSTEM}/daemonsets")]
        controller = cluster.api.get(f"{SYSTEM}/deployments/whereabouts-controller")["status"]
        return controller.get("readyReplicas") == 1 and all(
            one.get("numberReady") == one.get("desiredNumberScheduled") == len(cluster.nodes) for one in daemons)

    wait(ready, "all that is deployed is ready", seconds)


def answer(node, port, path):
    def ask():
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        connection.request("GET", path)
        got = connection.getresponse()
        return got.status, got.read().decode()

    return lab.within(node.netns, ask)


def test_the_node_service_has_put_everything_in_its_place(cluster):
    for node in cluster.nodes:
        conf, bin = node.layout.conf + "/whereabouts.d", node.layout.bin
        assert set(node.names(conf)) == {"nodename", "token", "whereabouts.conf", "whereabouts.kubeconfig"}
        assert node.path(f"{conf}/nodename").read_text().strip() == node.name
        assert node.path(f"{conf}/token").stat().st_mode & 0o777 == 0o600
        for program in ("whereabouts", "dhcp"):
            assert node.path(f"{bin}/{program}").is_file() and not node.path(f"{bin}/{program}").is_symlink()
        assert "plugins" in node.run("cat", f"{bin}/bridge"), "the distribution's program is what it was"
        assert answer(node, 9747, "/readyz")[0] == 200
        assert "whereabouts_" in answer(node, 9747, "/metrics")[1]


@pytest.mark.parametrize("plugin", EXAMPLES)
def test_the_example_of_each_plugin_works_as_pasted(cluster, plugin):
    cluster.apply("-f", DEPLOY / f"k3s/network-{plugin}.yaml")
    path = f"{pods.PATHS['Deployment'].format('default')}/{EXAMPLES[plugin]}"
    wait(lambda: cluster.api.get(path)["status"].get("readyReplicas") == 1, "the example's pod is ready", 60)
    made = cluster.api.list(f"/api/v1/namespaces/default/pods?labelSelector=app%3D{EXAMPLES[plugin]}")
    running = pods.processes(cluster, made)
    have = pods.inside(running[pods.name(made[0])])["eth1"]
    assert len(have.addresses) == 1
    assert pods.told(made[0])["eth1"] == (pods.bare(have.addresses), have.mac)
    cluster.api.delete(path, {"propagationPolicy": "Background"})
    for pod in made:  # its program does not listen to signals
        cluster.api.delete(f"{pods.PATHS['Pod'].format('default')}/{pods.name(pod)}", {"gracePeriodSeconds": 1})


def test_pods_of_all_plugins_get_what_they_were_promised_and_give_it_back(cluster, trio):
    group = trio.group("deployed", 6)
    trio.check(group.ready())
    group.remove()
    trio.check_free()


def test_the_node_service_frees_what_was_deleted_while_the_api_server_was_down(cluster, trio):
    """Nobody calls the plugin after that: the service works off what is remembered."""
    group = trio.group("outage", 4, script=pods.SLOW)
    trio.check(group.ready())
    running = pods.processes(cluster, group.pods())
    group.delete()
    wait(lambda: all(pods.file_of(p, pods.ASKED).exists() for p in running.values()), "all pods are asked to go")
    cluster.control.end("apiserver", 9)
    for process in running.values():
        pods.file_of(process, pods.MAY_GO).touch()
    wait(lambda: not any(pods.namespaces(node) for node in cluster.nodes), "all pods are gone from the nodes", 120)
    cluster.control.start_api()
    group.gone()
    wait(lambda: pods.allocations(cluster) == {}, "the pool is empty", 120)
    wait(lambda: not any(node.names("/var/lib/cni/whereabouts/att") for node in cluster.nodes), "nor a record", 60)
    trio.check_free()


def test_a_node_that_is_switched_off_and_on_comes_back_with_its_services_and_pods(cluster, trio):
    group = trio.group("reboot", 6)
    trio.check(group.ready())
    node = cluster.nodes[0]
    count = sum(pods.node_of(pod) == node.name for pod in group.pods())
    node.stop()
    node.power_on()
    wait(lambda: group.restarts() == count and group.count_ready() == 6, "the node's pods run again", 180)
    all_ready(cluster)
    trio.check(group.ready())
    group.remove()
    trio.check_free(leases=False)
    trio.forget_leases()


def test_the_controller_frees_what_a_node_that_never_returns_had(cluster, trio):
    path = f"{SYSTEM}/deployments/whereabouts-controller"
    container = cluster.api.get(path)["spec"]["template"]["spec"]["containers"][0]
    container["command"] += ["--schedule", "@every 2s", "--grace", "4"]  # not five minutes
    cluster.api.patch(path, {"spec": {"template": {"spec": {
        "containers": [container], "nodeSelector": {"kubernetes.io/hostname": cluster.nodes[1].name}}}}}, MERGE)
    ours = "/api/v1/namespaces/kube-system/pods?labelSelector=component%3Dcontroller"
    wait(lambda: len(found := cluster.api.list(ours)) == 1 and pods.is_ready(found[0]) and
         pods.node_of(found[0]) == cluster.nodes[1].name, "the controller has moved")
    group = trio.group("lost", 2, node=cluster.nodes[0].name)
    made = group.ready()
    assert set(pods.allocations(cluster)) == {f"default/{pods.name(pod)}" for pod in made}
    cluster.nodes[0].stop()
    group.delete()
    wait(lambda: all("deletionTimestamp" in pod["metadata"] for pod in group.pods()), "nobody makes others instead")
    for pod in made:
        pods.force_delete(cluster, pod)
    group.gone()
    cluster.api.delete(f"/api/v1/nodes/{cluster.nodes[0].name}")
    wait(lambda: pods.allocations(cluster) == {} and pods.reservations(cluster) == [], "all of it is freed", 120)
    trio.forget_leases()
