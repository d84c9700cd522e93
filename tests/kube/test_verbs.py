# SPDX-License-Identifier: Apache-2.0
"""The verbs beside ADD and DEL, and the frame that is common to all."""

import os
import subprocess

import pytest

import crowd
import harness
from apiserver import POOLS, RESERVATIONS
from crowd import Pod, at_once, empty, gone, held_by, network, no_records, records, succeeded
from node import CONF_DIR, pod_args
from proxy import answer, is_request

NEW = dict(version="1.1.0", range="10.0.0.0/24")


def error(outcome, code, *texts):
    assert (outcome.rc, outcome.code) == (1, code), outcome
    for text in texts:
        assert text in outcome.msg + "\n" + outcome.details, outcome


def silent(outcome):
    assert (outcome.rc, outcome.out, outcome.err) == (0, b"", b""), outcome


# ---- CHECK ----


def previous(pod, addresses):
    return {**pod.config, "prevResult": {"cniVersion": pod.config["cniVersion"],
                                         "ips": [{"address": a} for a in addresses]}}


@pytest.mark.parametrize("version", ["0.4.0", "1.0.0", "1.1.0"])
@pytest.mark.parametrize("prev", [True, False], ids=["with prevResult", "without"])
def test_check_of_what_is_there(api, nodes, proxy, version, prev):
    pod = Pod(nodes(1, server=proxy.url)[0], "pod", network(version=version, range="10.0.0.0/24"))
    added = pod.call("ADD")
    succeeded([added])
    proxy.reset()
    silent(pod.call("CHECK", config={**pod.config, "prevResult": added.json()} if prev else pod.config))
    assert {r.method for r in proxy.requests} == {"GET"}, "it changes nothing"
    held_by(api, [pod])


@pytest.mark.parametrize("version", ["", "0.1.0", "0.2.0", "0.3.0", "0.3.1"])
def test_check_of_an_old_version(node, version):
    error(Pod(node, "pod", network(version=version, range="10.0.0.0/24")).call("CHECK"), 1,
          "config version does not allow CHECK")


def test_check_after_the_entry_was_removed(api, node):
    pod = Pod(node, "pod", network(**NEW))
    succeeded([pod.call("ADD")])
    api.patch(api.path(POOLS, "10.0.0.0-24"), [{"op": "remove", "path": "/spec/allocations/1"}])
    error(pod.call("CHECK", config=previous(pod, ["10.0.0.1/24"])), 999, "no entry", pod.id, "10.0.0.0-24")


@pytest.mark.parametrize("change", [{"id": "another"}, {"ifname": "net9"}])
def test_check_after_the_entry_became_anothers(api, node, change):
    pod = Pod(node, "pod", network(**NEW))
    succeeded([pod.call("ADD")])
    (member, value), = change.items()
    api.patch(api.path(POOLS, "10.0.0.0-24"),
              [{"op": "replace", "path": f"/spec/allocations/1/{member}", "value": value}])
    error(pod.call("CHECK", config=previous(pod, ["10.0.0.1/24"])), 999, "no entry")


def test_check_of_another_address(api, node):
    """The pool has an entry of the container, but for another address than the result says."""
    pod = Pod(node, "pod", network(**NEW))
    succeeded([pod.call("ADD")])
    error(pod.call("CHECK", config=previous(pod, ["10.0.0.2/24"])), 999, "an address of its result", "10.0.0.0-24")
    silent(pod.call("CHECK", config=previous(pod, ["10.0.0.1/24", "192.168.7.7/24"])))  # not from this range


def test_check_of_two_ranges(api, node):
    pod = Pod(node, "pod", network(version="1.1.0", ipRanges=[{"range": "10.0.0.0/24"}, {"range": "fd00::/64"}]))
    added = pod.call("ADD")
    succeeded([added])
    config = {**pod.config, "prevResult": added.json()}
    silent(pod.call("CHECK", config=config))
    api.patch(api.path(POOLS, "fd00---64"), [{"op": "remove", "path": "/spec/allocations/1"}])
    error(pod.call("CHECK", config=config), 999, "no entry", "fd00---64")


def test_check_without_a_pool(api, node):
    pod = Pod(node, "pod", network(**NEW))
    error(pod.call("CHECK", config=previous(pod, ["10.0.0.1/24"])), 999, "no entry")
    assert api.names(POOLS) == [], "it does not make one"


@pytest.mark.parametrize("fault, text", [(answer(403), "403"), (answer(401), "401")])
def test_check_says_why_it_cannot(nodes, proxy, fault, text):
    pod = Pod(nodes(1, server=proxy.url)[0], "pod", network(**NEW))
    succeeded([pod.call("ADD")])
    proxy.fault(is_request("GET"), fault, times=None)
    error(pod.call("CHECK"), 999, text)


# ---- STATUS ----


def status(node, env=None, **ipam):
    return node.call("STATUS", network(**{**NEW, **ipam}), binary=harness.WHEREABOUTS, env=env)


def test_status_of_a_good_node(api, nodes, proxy):
    node = nodes(1, server=proxy.url)[0]
    silent(status(node))
    assert proxy.requests == []
    silent(status(node, strictStatus=True))
    assert [r.method for r in proxy.requests] == ["GET"]
    assert api.names(POOLS) == [] and api.lease() is None


def test_status_needs_neither_pod_nor_container(node):
    nothing = {name: None for name in ("CNI_CONTAINERID", "CNI_NETNS", "CNI_IFNAME", "CNI_ARGS")}
    silent(status(node, env=nothing))
    silent(status(node, env=nothing, strictStatus=True))


@pytest.mark.parametrize("version", ["", "0.1.0", "0.4.0", "1.0.0"])
def test_status_of_an_old_version(node, version):
    error(status(node, version=version), 1, "config version does not allow STATUS")


def test_status_without_configuration(node):
    node.path(node.conf).unlink()
    error(status(node), 50, "config file not found")


@pytest.mark.parametrize("text", ["", "{", "[]", '{"kubernetes": {}}',
                                  '{"kubernetes": {"kubeconfig": "/etc/nowhere"}}'])
def test_status_with_configuration_that_makes_no_sense(node, text):
    node.write(node.conf, text)
    error(status(node), 50)


def test_status_without_credentials(node):
    node.write(node.kubeconfig, "")
    error(status(node), 50, node.kubeconfig)
    node.path(node.kubeconfig).unlink()
    error(status(node), 50, node.kubeconfig)


def test_status_without_ipam(node):
    error(node.call("STATUS", {"cniVersion": "1.1.0", "name": "x", "type": "ipvlan"}, binary=harness.WHEREABOUTS), 50,
          "IPAM config missing 'ipam' key")


def test_status_with_a_full_range_is_good(api, node):
    """A range that is full is no fault of the node: containerd would take it away."""
    config = dict(version="1.1.0", range="10.0.0.0/30")
    for i in range(2):
        succeeded([Pod(node, f"p{i}", network(**config)).call("ADD")])
    assert Pod(node, "p3", network(**config)).call("ADD").rc == 1
    silent(status(node, **config))
    silent(status(node, strictStatus=True, **config))


def test_status_of_a_server_that_is_away(api, node):
    api.stop()
    try:
        silent(status(node))
        error(status(node, strictStatus=True), 50, "refused")
    finally:
        api.start()


@pytest.mark.parametrize("code", [401, 403, 500, 503])
def test_strict_status_of_a_server_that_refuses(nodes, proxy, code):
    node = nodes(1, server=proxy.url)[0]
    proxy.fault(is_request(), answer(code), times=None)
    silent(status(node))
    error(status(node, strictStatus=True), 50, str(code))


def test_status_does_not_wait_for_anybody(api, nodes, proxy):
    """A leader that is at work, and a Lease that is held, are no matter."""
    node = nodes(1, server=proxy.url)[0]
    when = is_request("POST", "/ippools")
    with crowd.held(proxy, when):
        add = Pod(node, "pod", network(**NEW)).start("ADD")
        crowd.until_asked(proxy, when)
        silent(status(node, strictStatus=True))
    succeeded([harness.finish(add)])


# ---- GC ----


def gc(node, valid, name="mynet", **more):
    config = network(name=name, **NEW)
    if valid is not None:
        config["cni.dev/valid-attachments"] = valid if not isinstance(valid, list) else [
            {"containerID": i, "ifname": n} for i, n in valid]
    return node.call("GC", {**config, **more}, binary=harness.WHEREABOUTS, args="",
                     env={name: None for name in ("CNI_CONTAINERID", "CNI_NETNS", "CNI_IFNAME")})


@pytest.fixture
def crowded(api, nodes):
    """(first node, second node, pods): pods of two networks on two nodes."""
    first, second = nodes(2)
    pods = [Pod(node, f"p{i}-{node.name}-{name}", network(name=name, **NEW))
            for node in (first, second) for name in ("mynet", "other") for i in range(4)]
    succeeded(at_once("ADD", pods))
    return first, second, pods


def of(pods, node, name):
    return [p for p in pods if p.node is node and p.config["name"] == name]


def test_gc_frees_what_is_not_listed(api, crowded):
    first, _, pods = crowded
    mine = of(pods, first, "mynet")
    stay = mine[:2]
    silent(gc(first, [(p.id, p.ifname) for p in stay]))
    left = [p for p in pods if p not in mine or p in stay]
    held_by(api, left)
    assert set(records(first)) == {p.id for p in left if p.node is first}
    silent(gc(first, [(p.id, p.ifname) for p in stay]))  # and nothing more
    held_by(api, left)


@pytest.mark.parametrize("valid", [[], "null"], ids=["empty", "null"])
def test_gc_of_a_network_without_attachments(api, crowded, valid):
    first, _, pods = crowded
    config = {"cni.dev/valid-attachments": None} if valid == "null" else {}
    silent(gc(first, [] if valid == [] else None, **config))
    held_by(api, [p for p in pods if p not in of(pods, first, "mynet")])


def test_gc_without_a_list_frees_nothing(api, crowded):
    silent(gc(crowded[0], None))
    held_by(api, crowded[2])


def test_gc_tells_interfaces_of_one_container_apart(api, node):
    both = [Pod(node, "pod", network(**NEW), ifname=name, id="c1") for name in ("net1", "net2")]
    for pod in both:
        succeeded([pod.call("ADD")])
    silent(gc(node, [("c1", "net2"), ("other", "net1")]))
    held_by(api, both[1:])


def test_gc_of_an_unknown_network(api, crowded):
    silent(gc(crowded[0], [], name="unknown"))
    held_by(api, crowded[2])


def test_gc_of_another_namespace_and_server(api, node):
    """The records of another cluster's objects are none of its business."""
    pod = Pod(node, "pod", network(**NEW))
    succeeded([pod.call("ADD")])
    other = f"{CONF_DIR}/other.kubeconfig"
    api.kubeconfig(node.path(other), namespace="default")
    config = network(**NEW, kubernetes={"kubeconfig": other})
    silent(node.call("GC", {**config, "cni.dev/valid-attachments": []}, binary=harness.WHEREABOUTS))
    held_by(api, [pod])
    assert set(records(node)) == {pod.id}


def test_gc_of_many(api, node):
    """More than go into one batch."""
    pods = [Pod(node, f"p{i}", network(**NEW)) for i in range(150)]
    succeeded(at_once("ADD", pods[:75]) + at_once("ADD", pods[75:]))
    silent(gc(node, [(pods[7].id, "net1")]))
    held_by(api, [pods[7]])
    assert set(records(node)) == {pods[7].id}


def test_gc_while_adds_come(api, node):
    """An ADD that GC's list could not know: the runtime forbids it, and nothing is inconsistent after it."""
    old = [Pod(node, f"old{i}", network(**NEW)) for i in range(10)]
    new = [Pod(node, f"new{i}", network(name="other", **NEW)) for i in range(10)]
    succeeded(at_once("ADD", old))
    running = [pod.start("ADD") for pod in new]
    silent(gc(node, []))
    succeeded([harness.finish(p) for p in running])
    held_by(api, new)


@pytest.mark.parametrize("bad", [1, "x", {}, [1], [{"containerID": 1, "ifname": "net1"}], [{"containerID": "c"}]])
def test_gc_with_a_list_that_makes_no_sense_frees_nothing(api, node, bad):
    pod = Pod(node, "pod", network(**NEW))
    succeeded([pod.call("ADD")])
    outcome = gc(node, None, **{"cni.dev/valid-attachments": bad})
    assert outcome.rc == 1, outcome
    held_by(api, [pod])


def test_gc_says_when_it_could_not(api, node):
    pod = Pod(node, "pod", network(**NEW))
    succeeded([pod.call("ADD")])
    api.stop()
    try:
        error(gc(node, []), 999, "refused")
    finally:
        api.start()
    held_by(api, [pod])
    silent(gc(node, []))
    empty(api)
    no_records(node)


@pytest.mark.parametrize("version", ["", "0.4.0", "1.0.0"])
def test_gc_of_an_old_version(node, version):
    config = {**network(version=version, range="10.0.0.0/24"), "cni.dev/valid-attachments": []}
    error(node.call("GC", config, binary=harness.WHEREABOUTS), 1, "config version does not allow GC")


# ---- VERSION, and no verb ----


def test_version(node):
    outcome = node.call("VERSION", b"", binary=harness.WHEREABOUTS)
    assert outcome.rc == 0 and outcome.err == b"", outcome
    assert outcome.out == (b'{"cniVersion":"1.1.0","supportedVersions":["0.1.0","0.2.0","0.3.0","0.3.1","0.4.0",'
                           b'"1.0.0","1.1.0"]}\n')


@pytest.mark.parametrize("env", [{"CNI_COMMAND": None}, {"CNI_COMMAND": ""}])
def test_no_verb(node, env):
    outcome = node.call("ADD", b"", binary=harness.WHEREABOUTS, env=env)
    assert (outcome.rc, outcome.out) == (0, b""), outcome
    first, second = outcome.err.decode().splitlines()
    machine = {"x86_64": "amd64", "aarch64": "arm64"}.get(os.uname().machine, "")
    assert first.startswith("whereabouts v") and f" linux/{machine}" in first
    assert second == "CNI protocol versions supported: 0.1.0, 0.2.0, 0.3.0, 0.3.1, 0.4.0, 1.0.0, 1.1.0"


def test_an_unknown_verb(node):
    error(node.call("FOO", network(**NEW), binary=harness.WHEREABOUTS), 4, "unknown CNI_COMMAND: FOO")


@pytest.mark.parametrize("version", harness.VERSIONS)
def test_every_version(api, node, version):
    pod = Pod(node, "pod", network(version=version, range="10.0.0.0/24"))
    added = pod.call("ADD")
    assert succeeded([added]) == ["10.0.0.1"]
    assert added.json()["cniVersion"] == version
    gone([pod.call("DEL")])
    empty(api)


@pytest.mark.parametrize("version", ["1.2.0", "0.5.0", "x", "1.1"])
def test_an_unknown_version(api, node, version):
    for verb in ("ADD", "DEL"):
        outcome = Pod(node, "pod", network(version=version, range="10.0.0.0/24")).call(verb)
        error(outcome, 1, "incompatible CNI versions", version)
    assert api.names(POOLS) == []


# ---- our own network namespace ----


OWN = "/proc/self/ns/net"


def test_add_in_our_own_namespace_gives_nothing(api, nodes, proxy):
    """The check comes before anything is asked for."""
    node = nodes(1, server=proxy.url)[0]
    error(Pod(node, "pod", network(**NEW)).call("ADD", netns=OWN), 8, "should not be the same")
    assert proxy.requests == []
    no_records(node)


def test_del_in_our_own_namespace_releases_all_the_same(api, node):
    pod = Pod(node, "pod", network(**NEW))
    succeeded([pod.call("ADD")])
    error(pod.call("DEL", netns=OWN), 8, "should not be the same")
    empty(api)
    no_records(node)


@pytest.mark.parametrize("value", ["1", "true", "TRUE", "True"])
def test_the_override(api, node, value):
    pod = Pod(node, "pod", network(**NEW))
    succeeded([pod.call("ADD", netns=OWN, env={"CNI_NETNS_OVERRIDE": value})])
    gone([pod.call("DEL", netns=OWN, env={"CNI_NETNS_OVERRIDE": value})])
    empty(api)


@pytest.mark.parametrize("netns", ["", None])
def test_del_without_namespace(api, node, netns):
    """As after a reboot: the namespace is gone."""
    pod = Pod(node, "pod", network(**NEW))
    succeeded([pod.call("ADD")])
    gone([pod.call("DEL", env={"CNI_NETNS": netns})])
    empty(api)


@pytest.mark.parametrize("verb, missing", [
    ("ADD", "CNI_CONTAINERID CNI_NETNS CNI_IFNAME CNI_PATH"), ("DEL", "CNI_CONTAINERID CNI_IFNAME CNI_PATH"),
    ("CHECK", "CNI_CONTAINERID CNI_NETNS CNI_IFNAME CNI_PATH"), ("GC", "CNI_PATH"), ("STATUS", "CNI_PATH")])
def test_missing_variables(node, verb, missing):
    names = missing.split()
    outcome = node.call(verb, network(**NEW), binary=harness.WHEREABOUTS, env=dict.fromkeys(names))
    error(outcome, 4, f"required env variables [{','.join(names)}] missing")


# ---- DEL ----


@pytest.mark.parametrize("args", ["", "IgnoreUnknown=1", pod_args("another"), "FOO"])
def test_del_with_other_arguments(api, node, args):
    """The record knows the pod."""
    pod = Pod(node, "pod", network(**NEW))
    succeeded([pod.call("ADD")])
    outcome = pod.node.call("DEL", pod.config, binary=harness.WHEREABOUTS, id=pod.id, ifname=pod.ifname, args=args)
    if args != "FOO":  # which upstream refuses, too
        gone([outcome])
        empty(api)
        no_records(node)


@pytest.mark.parametrize("change", [{"range": "10.9.0.0/24"}, {"range": ""}, {"gateway": "x"},
                                    {"enable_overlapping_ranges": False}, {"exclude": ["x"]},
                                    {"addresses": [{"address": "x"}]}])
def test_del_after_the_network_was_changed(api, node, change):
    """A NAD that was edited while pods ran: the record knows where the address is."""
    pod = Pod(node, "pod", network(**NEW))
    succeeded([pod.call("ADD")])
    gone([pod.call("DEL", config=network(**{**NEW, **change}))])
    empty(api)
    no_records(node)


def test_del_with_a_range_that_makes_no_sense(api, node):
    """Is refused, as ever; with the next good configuration all is released."""
    pod = Pod(node, "pod", network(**NEW))
    succeeded([pod.call("ADD")])
    error(pod.call("DEL", config=network(**{**NEW, "range": "nonsense"})), 999, "invalid CIDR nonsense")
    held_by(api, [pod])
    gone([pod.call("DEL")])
    empty(api)
    no_records(node)


def test_del_of_nothing(api, nodes, proxy):
    node = nodes(1, server=proxy.url)[0]
    pod = Pod(node, "pod", network(**NEW))
    gone([pod.call("DEL"), pod.call("DEL")])
    assert api.names(POOLS) == [] and api.names(RESERVATIONS) == []
    no_records(node)


def test_a_call_leaves_no_process_and_no_descriptor_behind(node):
    """Who leads does not go on in the background: runtimes wait for the end of the pipes."""
    for verb in ("ADD", "CHECK", "DEL"):
        process = Pod(node, "pod", network(**NEW)).start(verb, start_new_session=True)
        harness.finish(process, 30)
        left = subprocess.run(["pgrep", "-g", str(process.pid)], stdout=subprocess.PIPE)
        assert left.stdout == b""
