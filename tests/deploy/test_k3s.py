# SPDX-License-Identifier: Apache-2.0
"""The example for K3s: what the page of K3s says is in it, and its networks work on a node of that layout."""

import json

import pytest
import yaml

import harness
from objects import K3S, LAYOUT_K3S, MANIFESTS, containers, pods, read

CONF_DIR = LAYOUT_K3S["/etc/cni/net.d"]
BIN_DIR = LAYOUT_K3S["/opt/cni/bin"] + "/"
MULTUS = {"config": {"fullnameOverride": "multus", "cni_conf": {
    "confDir": CONF_DIR, "binDir": BIN_DIR, "kubeconfig": f"{CONF_DIR}/multus.d/multus.kubeconfig"}}}

# The values of the page, for each of its three cases; and what has to differ, since there are our programs.
CASES = {
    "host-local": {},
    "whereabouts": {"rke2-whereabouts": {
        "fullnameOverride": "whereabouts", "enabled": True, "cniConf": {"confDir": CONF_DIR, "binDir": BIN_DIR}}},
    "dhcp": {"manifests": {}},
}
OURS = {
    "host-local": {"cniplugins": {"skipcnis": "flannel,host-local"}},
    "whereabouts": {"rke2-whereabouts": {"image": {"repository": "ghcr.io/cni-ipam/cni-ipam", "tag": "0.1.0"}}},
    "dhcp": {"cniplugins": {"skipcnis": "flannel,dhcp"}, "manifests": {"dhcpDaemonSet": False}},
}


def merged(*trees):
    made = {}
    for tree in trees:
        for key, value in tree.items():
            made[key] = merged(made.get(key, {}), value) if isinstance(value, dict) else value
    return made


def charts(case):
    found = {d["metadata"]["name"]: d for d in read(K3S / f"multus-{case}.yaml")}
    assert set(found) == {"multus-crd", "multus"}
    return found


@pytest.mark.parametrize("case", CASES)
def test_multus_has_the_pages_values_and_what_has_changed_since(case):
    chart = charts(case)["multus"]
    assert (chart["apiVersion"], chart["kind"]) == ("helm.cattle.io/v1", "HelmChart")
    assert chart["metadata"]["namespace"] == "kube-system"
    spec = dict(chart["spec"])
    values = yaml.safe_load(spec.pop("valuesContent"))
    assert spec == {"repo": "https://rke2-charts.rancher.io", "chart": "rke2-multus", "targetNamespace": "kube-system"}
    drift = {"config": {"cni_conf": {"multusAutoconfigDir": CONF_DIR}}}
    assert values == merged(MULTUS, CASES[case], drift, OURS[case])


@pytest.mark.parametrize("case", CASES)
def test_the_crds_have_a_chart_of_their_own(case):
    spec = dict(charts(case)["multus-crd"]["spec"])
    values = yaml.safe_load(spec.pop("valuesContent", "{}"))
    assert spec == {"repo": "https://rke2-charts.rancher.io", "chart": "rke2-multus-crd", "targetNamespace": "kube-system"}
    assert values == ({"rke2-whereabouts": {"enabled": True}} if case == "whereabouts" else {})


def test_the_image_is_the_one_of_the_manifests():
    image = OURS["whereabouts"]["rke2-whereabouts"]["image"]
    spec = pods(read(MANIFESTS / "k3s/whereabouts-daemonset.yaml"))[0][1]
    assert containers(spec)[0]["image"] == f"{image['repository']}:{image['tag']}"


@pytest.mark.parametrize("case", CASES)
def test_pods_get_their_network_as_eth1(case):
    network, deployment = read(K3S / f"network-{case}.yaml")
    template = deployment["spec"]["template"]
    assert template["metadata"]["annotations"] == {"k8s.v1.cni.cncf.io/networks": f"{network['metadata']['name']}@eth1"}
    assert template["metadata"]["labels"] == deployment["spec"]["selector"]["matchLabels"]


def configuration(case):
    """The network's configuration, as Multus hands it on: with a name."""
    network = read(K3S / f"network-{case}.yaml")[0]
    config = json.loads(network["spec"]["config"])
    assert (config["cniVersion"], config["type"], config["ipam"]["type"]) == ("1.0.0", "macvlan", case)
    return {**config, "name": network["metadata"]["name"]}


def test_the_page_names_the_flat_file():
    assert configuration("whereabouts")["ipam"]["configuration_path"] == f"{CONF_DIR}/whereabouts.d/whereabouts.conf"


def test_whereabouts_on_a_k3s_node(api, cleared, node):
    config = configuration("whereabouts")
    files = f"{CONF_DIR}/whereabouts.d"
    node.path(files).mkdir(parents=True)
    api.kubeconfig(node.path(f"{files}/whereabouts.kubeconfig"))
    node.write(f"{files}/whereabouts.conf", json.dumps({
        "datastore": "kubernetes", "configuration_path": files,
        "kubernetes": {"kubeconfig": f"{files}/whereabouts.kubeconfig"}}))
    call = {"binary": harness.WHEREABOUTS, "ifname": "eth1"}
    done = node.call("ADD", config, **call)
    assert (done.rc, done.addresses) == (0, ["172.17.0.2"]), "the gateway, 172.17.0.1, is nobody's"
    assert list(api.pool("172.17.0.0-24")) == ["2"]
    del config["ipam"]["configuration_path"]
    assert node.call("DEL", config, **call).rc == 0, "the file is found without its path, too"
    assert api.pool("172.17.0.0-24") == {}


def test_host_local_on_a_k3s_node(node):
    config = configuration("host-local")
    done = node.call("ADD", config, binary=harness.HOST_LOCAL, ifname="eth1")
    assert (done.rc, done.addresses) == (0, ["172.17.0.100"])
    assert done.json()["ips"][0]["gateway"] == "172.17.0.1"
    assert node.call("DEL", config, binary=harness.HOST_LOCAL, ifname="eth1").rc == 0


def test_dhcp_on_a_k3s_node(node):
    """Without a daemon: the configuration is right, and the daemon is what is missing."""
    done = node.call("ADD", configuration("dhcp"), binary=harness.dhcp(), ifname="eth1", netns="/proc/self/ns/net",
                     env={"CNI_NETNS_OVERRIDE": "1"})
    assert (done.rc, done.code) == (1, 11), done
    assert done.msg.startswith("error dialing DHCP daemon: dial unix /run/cni/dhcp.sock")
