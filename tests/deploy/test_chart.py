# SPDX-License-Identifier: Apache-2.0
"""The chart: Helm finds nothing wrong with it, it says what the manifests say, and its values do something."""

import pytest
import yaml

import objects
from objects import CHART, LAYOUT_K3S, containers, documents, named, pods

K3S = ("--set", f"cniConf.binDir={LAYOUT_K3S['/opt/cni/bin']}/", "--set", f"cniConf.confDir={LAYOUT_K3S['/etc/cni/net.d']}")


@pytest.fixture
def render(helm):
    """render(ARGUMENT...): what the chart makes, {(kind, namespace, name): document}."""

    def run(*argv, release="some-release", namespace="elsewhere"):
        return named(documents(helm("template", release, str(CHART), "--namespace", namespace, *argv)))

    return run


@pytest.fixture
def values(render, tmp_path):
    """values(VALUE): the same, from a file of values."""

    def run(given, **kwargs):
        file = tmp_path / "values.yaml"
        file.write_text(yaml.safe_dump(given))
        return render("--values", str(file), **kwargs)

    return run


def pod(rendered, name):
    return next(spec for d, spec in pods(rendered.values()) if d["metadata"]["name"] == name)


@pytest.mark.parametrize("argv", [(), ("--set", "dhcp.enabled=true")])
def test_helm_finds_nothing_wrong(helm, argv):
    assert "0 chart(s) failed" in helm("lint", "--strict", str(CHART), *argv)


@pytest.mark.parametrize("layout, argv", [("default", ()), ("k3s", K3S)])
def test_the_chart_says_what_the_manifests_say(render, layout, argv):
    assert render("--set", "dhcp.enabled=true", *argv) == objects.manifests(layout)


def test_without_its_value_there_is_no_dhcp(render):
    wanted = objects.manifests("default")
    del wanted["DaemonSet", "kube-system", "cni-dhcp"]
    assert render() == wanted


def test_names_and_namespace(values):
    rendered = values({"fullnameOverride": "wb", "namespaceOverride": ""})
    assert {namespace for _, namespace, _ in rendered} == {"elsewhere", None}
    assert {name for _, _, name in rendered} == {"wb", "wb-node", "wb-controller"}
    rendered = values({"fullnameOverride": "", "namespaceOverride": "ns"}, release="rel")
    assert ("DaemonSet", "ns", "rel") in rendered
    rendered = values({"fullnameOverride": "", "nameOverride": "other"}, release="rel")
    assert ("DaemonSet", "kube-system", "other") in rendered


def test_under_another_name_it_stands_beside_the_go_program(values):
    names = {name for _, _, name in values({"fullnameOverride": "cni-ipam"})}
    assert not names & {"whereabouts", "whereabouts-cni", "whereabouts-reconciler", "whereabouts-controller"}


def test_names_of_accounts(values):
    rendered = values({"serviceAccount": {"name": "acc", "annotations": {"a": "b"}}})
    assert {name for kind, _, name in rendered if kind == "ServiceAccount"} == {"acc", "acc-node", "acc-controller"}
    for (kind, _, name), document in rendered.items():
        if kind == "ServiceAccount":
            assert document["metadata"]["annotations"] == {"a": "b"}
        if kind.endswith("Binding"):
            suffix = name.removeprefix("whereabouts")
            assert document["subjects"] == [{"kind": "ServiceAccount", "name": f"acc{suffix}", "namespace": "kube-system"}]
    spec = pod(rendered, "whereabouts")
    assert spec["serviceAccountName"] == "acc-node"
    assert {"name": "WHEREABOUTS_ACCOUNT", "value": "acc"} in spec["containers"][0]["env"]
    assert pod(rendered, "whereabouts-controller")["serviceAccountName"] == "acc-controller"
    token = rendered["Role", "kube-system", "whereabouts-node"]["rules"]
    assert [(r["resources"], r["resourceNames"]) for r in token] == [(["serviceaccounts/token"], ["acc"])]


def test_accounts_may_come_from_elsewhere(values):
    rendered = values({"serviceAccount": {"create": False, "name": "given"}})
    assert {kind for kind, _, _ in rendered} == {"DaemonSet", "Deployment"}
    assert pod(rendered, "whereabouts")["serviceAccountName"] == "given-node"


def test_the_image(values):
    rendered = values({"image": {"repository": "r/i", "tag": "t", "pullPolicy": "Never"}, "dhcp": {"enabled": True},
                       "imagePullSecrets": [{"name": "s"}], "global": {"systemDefaultRegistry": "reg.example/"}})
    found = pods(rendered.values())
    assert len(found) == 3
    for _, spec in found:
        assert spec["imagePullSecrets"] == [{"name": "s"}]
        for container in containers(spec):
            assert (container["image"], container["imagePullPolicy"]) == ("reg.example/r/i:t", "Never")


def test_where_pods_run(values):
    wanted = {"nodeSelector": {"a": "b"}, "tolerations": [{"key": "k", "operator": "Exists"}],
              "affinity": {"nodeAffinity": {}}, "priorityClassName": "p"}
    rendered = values({**wanted, "nodeSelector": {"a": "b", "kubernetes.io/os": None}, "dhcp": {"enabled": True},
                       "updateStrategy": "OnDelete", "podAnnotations": {"note": "text"}, "resources": {"limits": {"cpu": "1"}}})
    for name in ("whereabouts", "cni-dhcp"):
        spec = pod(rendered, name)
        assert {k: spec[k] for k in wanted} == wanted
        assert rendered["DaemonSet", "kube-system", name]["spec"]["updateStrategy"] == {"type": "OnDelete"}
        assert rendered["DaemonSet", "kube-system", name]["spec"]["template"]["metadata"]["annotations"] == {"note": "text"}
    assert pod(rendered, "whereabouts")["containers"][0]["resources"]["limits"]["cpu"] == "1"


@pytest.mark.parametrize("given, argv", [
    ({}, []),
    ({"reconciler": {"schedule": "30 4 * * *"}}, ["--schedule", "30 4 * * *"]),
    ({"reconciler": {"enabled": False}}, ["--no-reconcile"]),
    ({"nodeSliceController": {"enabled": False}}, ["--no-slices"]),
])
def test_what_the_controller_does(values, given, argv):
    container = pod(values(given), "whereabouts-controller")["containers"][0]
    assert container["command"] == ["/whereabouts", "controller", *argv, "--listen", "127.0.0.1:9748"]


def test_nothing_to_do_for_the_controller(values):
    rendered = values({"reconciler": {"enabled": False}, "nodeSliceController": {"enabled": False}})
    assert "Deployment" not in {kind for kind, _, _ in rendered}


def test_which_programs_are_installed(values):
    container = pod(values({"programs": "whereabouts,host-local"}), "whereabouts")["containers"][0]
    assert container["command"][2:4] == ["--programs", "whereabouts,host-local"]


def test_the_values_of_the_charts_for_the_go_program(values):
    """Those that rke2-whereabouts has by itself, with K3s' directories."""
    rendered = values({
        "image": {"repository": "ghcr.io/cni-ipam/cni-ipam", "tag": "0.1.0", "pullPolicy": "IfNotPresent"},
        "updateStrategy": "RollingUpdate", "imagePullSecrets": [], "nameOverride": "", "fullnameOverride": "whereabouts",
        "namespaceOverride": "kube-system", "successfulJobsHistoryLimit": 0,
        "serviceAccount": {"create": True, "annotations": {}, "name": ""}, "podAnnotations": {},
        "podSecurityContext": {}, "securityContext": {"privileged": True},
        "resources": {"requests": {"cpu": "100m", "memory": "100Mi"}}, "nodeSelector": {"kubernetes.io/os": "linux"},
        "tolerations": [{"operator": "Exists", "effect": "NoSchedule"}], "affinity": {}, "priorityClassName": "",
        "cniConf": {"confDir": LAYOUT_K3S["/etc/cni/net.d"], "binDir": LAYOUT_K3S["/opt/cni/bin"] + "/"},
        "nodeSliceController": {"enabled": False, "priorityClassName": "", "podAnnotations": {}},
        "reconciler": {"logLevel": "info", "resources": {"limits": {"memory": "50Mi"}}},
        "global": {"systemDefaultRegistry": ""}})
    spec = pod(rendered, "whereabouts")
    assert {v["name"]: v["hostPath"]["path"] for v in spec["volumes"]}["bin"] == LAYOUT_K3S["/opt/cni/bin"]
    assert not spec.get("priorityClassName")
    assert "privileged" not in spec["containers"][0]["securityContext"]
