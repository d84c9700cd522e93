# SPDX-License-Identifier: Apache-2.0
"""The manifests: one text for each layout, and every document one that a real API server takes."""

import json
import re
import shutil
import subprocess

import pytest
import yaml

import apiserver
import objects
from apiserver import YAML
from objects import CHART, DAEMONSETS, DEPLOY, K3S, MANIFESTS, containers, pods, read

REPO = DEPLOY.parent
ALL = sorted(path for top in (MANIFESTS, K3S) for path in top.rglob("*.yaml"))

# K3s' own kind, as far as it is used.
HELM_CHART = {
    "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
    "metadata": {"name": "helmcharts.helm.cattle.io"},
    "spec": {
        "group": "helm.cattle.io", "scope": "Namespaced", "names": {"kind": "HelmChart", "plural": "helmcharts"},
        "versions": [{"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": {
            "type": "object", "properties": {"spec": {"type": "object", "properties": {
                name: {"type": "string"} for name in
                ("repo", "chart", "version", "targetNamespace", "valuesContent")}}}}}}]}}


def plural(kind):
    return {"NetworkAttachmentDefinition": "network-attachment-definitions"}.get(kind, kind.lower() + "s")


def place(document):
    """Where it is created."""
    version = document["apiVersion"]
    namespace = document["metadata"].get("namespace")
    if not namespace and document["kind"] in ("NetworkAttachmentDefinition", "Deployment"):
        namespace = "default"
    return "/".join(filter(None, ["/api" if version == "v1" else "/apis", version,
                                  namespace and f"namespaces/{namespace}", plural(document["kind"])]))


@pytest.fixture(scope="module")
def strict(api):
    """strict(document): the server takes it, and knows each of its fields. Nothing is changed."""
    crds = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
    if api.find(f"{crds}/helmcharts.helm.cattle.io") is None:
        api.post(crds, HELM_CHART)
        api._until(lambda: api.get("/apis/helm.cattle.io/v1/helmcharts"), "HelmCharts")
        api._until(lambda: api._age("helmcharts.helm.cattle.io"), "HelmCharts")
    if api.find("/api/v1/namespaces/default") is None:
        api.create_namespace("default")

    def check(document):
        path = f"{place(document)}?dryRun=All&fieldValidation=Strict"
        name = document["metadata"]["name"]
        if api.find(f"{place(document)}/{name}") is not None:
            answer = api.call("PATCH", f"{place(document)}/{name}?dryRun=All&fieldValidation=Strict&force=true"
                              "&fieldManager=test", yaml.safe_dump(document), "application/apply-patch+yaml")
        else:
            answer = api.call("POST", path, yaml.safe_dump(document), YAML)
        assert answer.status in (200, 201), answer.body.decode()
        assert answer.headers.get("Warning") is None, answer.headers.get("Warning")

    return check


@pytest.mark.parametrize("path", ALL, ids=lambda p: p.relative_to(DEPLOY).as_posix())
def test_the_api_server_takes_every_document(strict, path):
    found = read(path)
    assert found
    for document in found:
        strict(document)


def test_the_api_server_refuses_a_field_that_it_does_not_know(strict):
    document = read(MANIFESTS / "controller-deployment.yaml")[0]
    document["spec"]["updateStrategy"] = {"type": "RollingUpdate"}
    with pytest.raises(AssertionError, match="updateStrategy"):
        strict(document)


# ---- one text ----


@pytest.mark.parametrize("name", DAEMONSETS)
def test_the_manifests_for_k3s_differ_in_paths_only(name):
    text = (MANIFESTS / "default" / name).read_text()
    assert objects.in_k3s_layout(text) == (MANIFESTS / "k3s" / name).read_text()
    assert objects.in_k3s_layout(text) != text


def test_the_chart_has_the_crds_of_the_manifests():
    assert (CHART / "crds/crds.yaml").read_text() == (MANIFESTS / "crds.yaml").read_text()


def test_one_version_everywhere():
    version = re.search(r"^\s*version: '([^']+)'", (REPO / "meson.build").read_text(), re.M)[1]
    chart = read(CHART / "Chart.yaml")[0]
    assert (chart["version"], chart["appVersion"]) == (version, version)
    images = {c["image"] for layout in ("default", "k3s")
              for _, spec in pods(objects.manifests(layout).values()) for c in containers(spec)}
    assert images == {f"ghcr.io/cni-ipam/cni-ipam:{version}"}


# ---- the objects of the Go whereabouts ----


def bare(crd):
    """Without what changes nothing of an object: texts and columns."""

    def strip(schema):
        if isinstance(schema, dict):
            return {k: strip(v) for k, v in schema.items() if not (k == "description" and isinstance(v, str))}
        return sorted(schema) if isinstance(schema, list) else schema

    spec = json.loads(json.dumps(crd["spec"]))
    for version in spec["versions"]:
        version.pop("additionalPrinterColumns", None)
        version["schema"] = strip(version["schema"])
    spec["names"].setdefault("listKind", spec["names"]["kind"] + "List")
    return spec


def test_the_schemas_are_those_of_the_go_program():
    ours = {d["metadata"]["name"]: bare(d) for name in ("crds.yaml", "multus/crd.yaml") for d in read(MANIFESTS / name)}
    theirs = {d["metadata"]["name"]: bare(d) for path in (REPO / "tests/kube/manifests/crd").glob("*.yaml")
              for d in read(path)}
    assert ours == theirs


def test_kubectl_shows_the_columns(api, cleared):
    crds = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
    before = {d["metadata"]["name"]: api.get(f"{crds}/{d['metadata']['name']}") for d in read(MANIFESTS / "crds.yaml")}
    wanted = {apiserver.POOLS: ["Name", "Range", "Age"],
              apiserver.RESERVATIONS: ["Name", "Pod", "Interface", "Container", "Age"],
              apiserver.SLICES: ["Name", "Range", "Slice Size", "Age"]}
    try:
        for document in read(MANIFESTS / "crds.yaml"):
            api.patch(f"{crds}/{document['metadata']['name']}?fieldManager=test&force=true", yaml.safe_dump(document),
                      "application/apply-patch+yaml")
        for kind, columns in wanted.items():
            def shown():
                answer = api.call("GET", api.path(kind), headers={"Accept": "application/json;as=Table;g=meta.k8s.io;v=v1"})
                return [c["name"] for c in answer.json().get("columnDefinitions", ())] == columns

            api._until(shown, f"columns of {kind}")
    finally:
        for name, crd in before.items():
            found = api.get(f"{crds}/{name}")
            api.put(f"{crds}/{name}", {**found, "spec": crd["spec"]})


# ---- what the pods may ----


def test_no_pod_has_more_than_it_needs():
    needs = {"whereabouts": {"DAC_OVERRIDE"}, "install": {"DAC_OVERRIDE"}, "controller": set(),
             "dhcp": {"NET_ADMIN", "NET_BIND_SERVICE", "NET_BROADCAST", "NET_RAW", "SYS_ADMIN"}}
    seen = set()
    for layout in ("default", "k3s"):
        for _, spec in pods(objects.manifests(layout).values()):
            assert not spec.get("hostPID") and not spec.get("hostIPC")
            for container in containers(spec):
                context = container["securityContext"]
                assert context["allowPrivilegeEscalation"] is False and "privileged" not in context
                assert context["readOnlyRootFilesystem"] is True
                assert context["capabilities"]["drop"] == ["ALL"]
                assert set(context["capabilities"].get("add", ())) == needs[container["name"]]
                assert context["seccompProfile"] == {"type": "RuntimeDefault"}
                seen.add(container["name"])
    assert seen == set(needs)


def test_only_what_needs_an_account_has_its_token():
    for document, spec in pods(objects.manifests("default").values()):
        if document["metadata"]["name"] == "cni-dhcp":
            assert spec["automountServiceAccountToken"] is False
        else:
            assert spec["serviceAccountName"] in ("whereabouts-node", "whereabouts-controller")


@pytest.mark.parametrize("layout", ["default", "k3s"])
def test_a_path_on_the_node_is_the_containers_path_without_host(layout):
    for _, spec in pods(objects.manifests(layout).values()):
        sources = {v["name"]: v["hostPath"]["path"] for v in spec.get("volumes", ())}
        for container in containers(spec):
            for mount in container.get("volumeMounts", ()):
                inside = mount["mountPath"].removeprefix("/host")
                assert inside == sources[mount["name"]] or (inside, sources[mount["name"]]) == ("/var/run/netns", "/run/netns")
            for variable in container.get("env", ()):
                if variable["name"] in ("CNI_BIN_DIR", "CNI_CONF_DIR"):
                    assert variable["value"] in [m["mountPath"] for m in container["volumeMounts"]]


# ---- the installation of dhcp ----


def installer(layout):
    document = read(MANIFESTS / layout / "dhcp-daemonset.yaml")[0]
    return document["spec"]["template"]["spec"]["initContainers"][0]


@pytest.fixture
def install(tmp_path):
    """install(): the script with BusyBox' shell, in directories of the test, and with the container's capabilities."""
    container = installer("default")
    bin, image, applets = (tmp_path / name for name in ("bin", "image", "applets"))
    for directory in (bin, image, applets):
        directory.mkdir()
    subprocess.run(["busybox", "--install", "-s", applets], check=True)
    (image / "dhcp").write_text("new")
    (image / "dhcp").chmod(0o755)
    shell, flag, script = container["command"]
    assert (shell, flag) == ("/bin/sh", "-ec")
    script = script.replace("/host/opt/cni/bin", str(bin)).replace("/dhcp", f"{image}/dhcp")
    keep = ",".join("+" + name.lower() for name in container["securityContext"]["capabilities"]["add"])

    def run():
        done = subprocess.run([shutil.which("setpriv"), f"--bounding-set=-all,{keep}", "--inh-caps=-all", applets / "sh", flag, script],
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                              env={"PATH": str(applets)})  # the image has nothing else
        assert done.returncode == 0, done.stdout
        return {p.name: p.read_text() for p in bin.iterdir()}

    run.bin = bin
    return run


def test_dhcp_is_installed_where_none_was(install):
    assert install() == {"dhcp": "new"}
    assert (install.bin / "dhcp").stat().st_mode & 0o777 == 0o755


def test_dhcp_that_was_there_is_kept_once(install):
    (install.bin / "dhcp").write_text("old")
    assert install() == {"dhcp": "new", "dhcp.old": "old"}
    assert install() == {"dhcp": "new", "dhcp.old": "old"}
    (install.bin / "dhcp").write_text("between")
    assert install() == {"dhcp": "new", "dhcp.old": "old"}


def test_the_same_dhcp_is_left_alone(install):
    install()
    before = (install.bin / "dhcp").stat()
    assert install() == {"dhcp": "new"}
    assert (install.bin / "dhcp").stat().st_ino == before.st_ino


def test_dhcp_that_is_a_link_is_replaced_not_written_through(install):
    (install.bin / "all").write_text("all of them")
    (install.bin / "dhcp").symlink_to("all")
    assert install() == {"all": "all of them", "dhcp": "new", "dhcp.old": "all of them"}
    assert not (install.bin / "dhcp").is_symlink()


def test_dhcp_is_installed_in_another_users_directory(install):
    (install.bin / "dhcp").write_text("old")
    for path in (install.bin / "dhcp", install.bin):
        shutil.chown(path, 1001, 1001)
    assert install() == {"dhcp": "new", "dhcp.old": "old"}


def test_left_over_pieces_do_not_stop_the_installation(install):
    for name in (".dhcp.new", ".dhcp.old"):
        (install.bin / name).write_text("half")
    (install.bin / "dhcp").write_text("old")
    assert install() == {"dhcp": "new", "dhcp.old": "old"}
