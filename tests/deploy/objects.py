# SPDX-License-Identifier: Apache-2.0
"""The documents below deploy/, by what they are."""

import pathlib

import yaml

DEPLOY = pathlib.Path(__file__).resolve().parents[2] / "deploy"
MANIFESTS, CHART, K3S = DEPLOY / "manifests", DEPLOY / "chart", DEPLOY / "k3s"

COMMON = ("rbac.yaml", "controller-deployment.yaml")
DAEMONSETS = ("whereabouts-daemonset.yaml", "dhcp-daemonset.yaml")

# What makes the manifests for K3s out of those for the default layout.
LAYOUT_K3S = {"/opt/cni/bin": "/var/lib/rancher/k3s/data/cni",
              "/etc/cni/net.d": "/var/lib/rancher/k3s/agent/etc/cni/net.d"}


def documents(text):
    return [document for document in yaml.safe_load_all(text) if document]


def read(path):
    return documents(path.read_text())


def named(found):
    """{(kind, namespace, name): document}; none may be there twice."""
    made = {(d["kind"], d["metadata"].get("namespace"), d["metadata"]["name"]): d for d in found}
    assert len(made) == len(found)
    return made


def manifests(layout):
    """All that a layout needs but the CRDs."""
    return named([d for name in COMMON for d in read(MANIFESTS / name)] +
                 [d for name in DAEMONSETS for d in read(MANIFESTS / layout / name)])


def in_k3s_layout(text):
    for default, k3s in LAYOUT_K3S.items():
        text = text.replace(default, k3s)
    return text


def pods(objects):
    """[(object, the pod's spec)]"""
    return [(d, d["spec"]["template"]["spec"]) for d in objects if "template" in d.get("spec", {})]


def containers(spec):
    return spec.get("initContainers", []) + spec["containers"]
