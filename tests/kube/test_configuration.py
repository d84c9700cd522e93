# SPDX-License-Identifier: Apache-2.0
"""Configuration as a caller sees it: error texts, codes and their order, where the flat file is found, how
it is merged, the forms of ranges, CNI_ARGS, kubeconfig.

Each runs against ours and against the Go program; where only ours does something, the test says so.
"""

import copy
import json
import re

import pytest

import harness
from node import CONF_DIR, pod_args
from wb import Program, network, objects, program  # noqa: F401  (a fixture)

RANGE = "10.0.0.0/24"
GOOD = network(range=RANGE)
STORAGE = "error at storage engine: "
PARSING = "LoadIPAMConfig - JSON Parsing Error: "
ARGS = "LoadArgs - CNI Args Parsing Error: ARGS: "
NO_KUBECONFIG = ("you have not configured the storage engine (looks like you're using an invalid "
                 "`kubernetes.kubeconfig` parameter in your config)")


@pytest.fixture
def call(program, node):
    def do(config, verb="ADD", **kwargs):
        return program.call(node, verb, config, **kwargs)

    return do


@pytest.fixture
def error(call):
    """error(CONFIG, ...): code and text of a call that fails."""

    def do(config, verb="ADD", **kwargs):
        done = call(config, verb, **kwargs)
        assert done.rc == 1, done
        assert list(done.json()) in (["code", "msg"], ["code", "msg", "details"])
        return done.code, done.msg

    return do


@pytest.fixture
def given(call):
    """given(CONFIG, ...): what an ADD that works prints."""

    def do(config, **kwargs):
        done = call(config, **kwargs)
        assert done.rc == 0, done
        return done.json()

    return do


def addresses(result):
    return [ip["address"] for ip in result.get("ips", [])]


def flat_file(node, **members):
    return json.dumps({"datastore": "kubernetes", "kubernetes": {"kubeconfig": node.kubeconfig}, **members})


def set_flat(node, **members):
    node.write(node.conf, flat_file(node, **members))


def with_ipam(config, **members):
    return {**config, "ipam": {**config["ipam"], **members}}


# ---- the frame ----


def test_without_a_command_it_says_what_it_is(program, node):
    done = program.call(node, None, b"")
    assert (done.rc, done.out) == (0, b"")
    first, second = done.err.decode().splitlines()
    assert re.fullmatch(r"whereabouts v\d+\.\d+\.\d+(-\w+)? linux/\w+", first)
    assert second == "CNI protocol versions supported: 0.1.0, 0.2.0, 0.3.0, 0.3.1, 0.4.0, 1.0.0, 1.1.0"


def test_version_needs_no_standard_input(program, node):
    done = program.call(node, "VERSION", b"")
    said = {"cniVersion": "1.1.0", "supportedVersions": list(harness.VERSIONS)}
    assert (done.rc, done.out) == (0, json.dumps(said, separators=(",", ":")).encode() + b"\n")


@pytest.mark.parametrize("verb, missing, names", [
    ("ADD", ("CNI_CONTAINERID", "CNI_NETNS", "CNI_IFNAME", "CNI_PATH"), None),
    ("ADD", ("CNI_PATH", "CNI_NETNS"), "CNI_NETNS,CNI_PATH"),
    ("DEL", ("CNI_CONTAINERID", "CNI_NETNS", "CNI_IFNAME", "CNI_PATH"), "CNI_CONTAINERID,CNI_IFNAME,CNI_PATH"),
    ("CHECK", ("CNI_NETNS",), "CNI_NETNS"),
])
def test_all_missing_variables_are_named(error, verb, missing, names):
    assert error(GOOD, verb, env=dict.fromkeys(missing)) == (
        4, f"required env variables [{names or ','.join(missing)}] missing")


@pytest.mark.parametrize("kwargs, msg, details", [
    ({"id": "c/1"}, "invalid characters in containerID", "c/1"),
    ({"id": "-c1"}, "invalid characters in containerID", "-c1"),
    ({"ifname": "a" * 16}, "interface name is too long", "interface name should be less than 16 characters"),
    ({"ifname": "."}, "interface name is . or ..", ""),
    ({"ifname": ".."}, "interface name is . or ..", ""),
    ({"ifname": "a/b"}, "interface name contains / or : or whitespace characters", ""),
    ({"ifname": "a:b"}, "interface name contains / or : or whitespace characters", ""),
    ({"ifname": "a b"}, "interface name contains / or : or whitespace characters", ""),
])
def test_bad_container_and_interface_names(call, kwargs, msg, details):
    for verb in ("ADD", "DEL"):
        done = call(GOOD, verb, **kwargs)
        assert (done.rc, done.out) == (1, harness.error_text(4, msg, details))


@pytest.mark.parametrize("config, out", [
    ({"cniVersion": "1.0.0"}, harness.error_text(7, "missing network name")),
    ({"cniVersion": "1.0.0", "name": ""}, harness.error_text(7, "missing network name")),
    (network(name="a/b"), harness.error_text(7, "invalid characters found in network name", "a/b")),
    (network("1.2.0"), harness.error_text(
        1, "incompatible CNI versions", 'config is "1.2.0", plugin supports ["0.1.0" "0.2.0" "0.3.0" "0.3.1" '
        '"0.4.0" "1.0.0" "1.1.0"]')),
])
def test_bad_frames(call, config, out):
    for verb in ("ADD", "DEL"):
        done = call(config, verb)
        assert (done.rc, done.out) == (1, out)


@pytest.mark.parametrize("text", [b"", b"{", b"[]", b'{"name": 5}', b"nonsense"])
def test_standard_input_that_is_no_configuration(call, text):
    done = call(text)
    assert (done.rc, done.code) == (1, 6)
    assert done.msg.startswith("error unmarshall network config: ")


def test_an_unknown_command(error):
    assert error(GOOD, "FOO") == (4, "unknown CNI_COMMAND: FOO")


# ---- which error is seen first ----


class Case:
    """A call that can be broken in many ways at once."""

    def __init__(self, node):
        self.config = copy.deepcopy(GOOD)
        self.kwargs = {"env": {}}
        self.verb = "ADD"
        self.args = dict(pair.split("=") for pair in pod_args("pod1").split(";"))
        self.flat = json.loads(flat_file(node))
        self.damaged = False


def bad_container_id(case):
    case.kwargs["id"] = "c/1"
    return 4, "invalid characters in containerID"


def bad_interface_name(case):
    case.kwargs["ifname"] = ".."
    return 4, "interface name is . or .."


def missing_variable(case):
    case.kwargs["env"]["CNI_PATH"] = None
    return 4, "required env variables [CNI_PATH] missing"


def missing_name(case):
    del case.config["name"]
    return 7, "missing network name"


def unknown_command(case):
    case.verb = "FOO"
    return 4, "unknown CNI_COMMAND: FOO"


def unknown_version(case):
    case.config["cniVersion"] = "1.2.0"
    return 1, "incompatible CNI versions"


def wrong_type_of_json(case):
    case.config["ipam"] = {"type": "static", "range": 5}
    return 999, re.compile(re.escape(PARSING))


def missing_ipam(case):
    del case.config["ipam"]
    return 999, "IPAM config missing 'ipam' key"


def other_ipam(case):
    case.config["ipam"]["type"] = "static"
    return 999, "only interested in networks whose IPAM type is 'whereabouts'. This one was: static"


def unknown_argument(case):
    case.args.pop("IgnoreUnknown", None)
    case.args["FOO"] = "bar"
    return 999, f'{ARGS}unknown args ["FOO=bar"]'


def damaged_flat_file(case):
    case.damaged = True
    return 999, re.compile(re.escape(f"LoadIPAMConfig Flatfile ({CONF_DIR}/whereabouts.conf) - "
                                     "JSON Parsing Error: "))


def bad_range(case):
    case.config["ipam"]["range"] = "nonsense"
    return 999, "invalid CIDR nonsense: invalid CIDR address: nonsense"


def no_kubeconfig(case):
    case.flat.pop("kubernetes")
    return 999, NO_KUBECONFIG


def bad_gateway(case):
    case.config["ipam"]["gateway"] = "nope"
    return 999, "couldn't parse gateway IP: nope"


def bad_address(case):
    case.config["ipam"].setdefault("addresses", []).insert(0, {"address": "nope"})
    return 999, "invalid CIDR in addresses nope: invalid CIDR address: nope"


def bad_ip_argument(case):
    case.args["IP"] = "nope"
    return 999, "invalid CIDR nope: invalid CIDR address: nope"


def bad_gateway_argument(case):
    case.args["GATEWAY"] = "nope"
    return 999, "invalid gateway address: nope"


def too_many_addresses(case):
    case.config["cniVersion"] = "0.2.0"
    case.config["ipam"]["addresses"] = [{"address": "10.1.0.1/24"}, {"address": "10.1.0.2/24"}]
    return 999, "CNI version 0.2.0 does not support more than 1 address per family"


def missing_kubeconfig(case):
    case.flat["kubernetes"] = {"kubeconfig": f"{CONF_DIR}/none"}
    return 999, re.compile("failed to create Kubernetes IPAM manager: ")


def no_pod_name(case):
    case.args.pop("K8S_POD_NAME")
    return 999, f"{STORAGE}IPAM client initialization error: no pod name"


def bad_exclude(case):
    case.config["ipam"]["exclude"] = ["foo"]
    return 999, f'{STORAGE}could not parse exclude range, err: "invalid CIDR address: foo"'


# What needs no other file than the flat one comes first in ours.
LAST = {True: [no_pod_name, bad_exclude, missing_kubeconfig], False: [missing_kubeconfig, no_pod_name, bad_exclude]}
ORDER = [bad_container_id, bad_interface_name, missing_variable, missing_name, unknown_command, unknown_version,
         wrong_type_of_json, missing_ipam, other_ipam, unknown_argument, damaged_flat_file, bad_range,
         no_kubeconfig, bad_gateway, bad_address, bad_ip_argument, bad_gateway_argument, too_many_addresses]


def run_case(case, call, node):
    text = json.dumps(case.flat)
    node.write(node.conf, text[:-1] if case.damaged else text)
    return call(case.config, case.verb, args=";".join(f"{k}={v}" for k, v in case.args.items()), **case.kwargs)


@pytest.mark.parametrize("first", ORDER + LAST[True], ids=[f.__name__ for f in ORDER + LAST[True]])
def test_of_several_errors_the_first_is_seen(program, call, node, first):
    order = ORDER + LAST[program.ours]
    later = order[order.index(first) + 1 :]
    if first in (bad_container_id, bad_interface_name, missing_variable):
        later = [fault for fault in later if fault is not unknown_command]  # which needs no variables
    for others in ([], later):
        case = Case(node)
        for fault in reversed(others):  # the last step first: earlier ones win
            fault(case)
        code, msg = first(case)
        done = run_case(case, call, node)
        assert (done.rc, done.code) == (1, code), done
        assert msg.match(done.msg) if hasattr(msg, "match") else done.msg == msg, done


def test_the_good_case_is_good(call, node):
    assert run_case(Case(node), call, node).rc == 0


# ---- types of JSON ----


@pytest.mark.parametrize("members", [
    {"range": 5}, {"exclude": "10.0.0.1"}, {"exclude": [5]}, {"ipRanges": {}}, {"ipRanges": [5]},
    {"ipRanges": [{"range": 5}]}, {"gateway": []}, {"routes": "x"}, {"routes": [{"dst": "nope"}]},
    {"routes": [{"dst": "10.0.0.0/8", "gw": "nope"}]}, {"routes": [{"dst": "10.0.0.0/8", "mtu": "x"}]},
    {"dns": []}, {"dns": {"nameservers": "x"}}, {"addresses": {}}, {"addresses": [{"address": 5}]},
    {"addresses": [{"address": "10.1.0.1/24", "gateway": "nope"}]}, {"network_name": 5},
    {"enable_overlapping_ranges": "true"}, {"kubernetes": "x"}, {"kubernetes": {"kubeconfig": 5}},
    {"configuration_path": 5}, {"log_file": 5}, {"log_level": 5}, {"node_slice_size": 22},
    {"ipRanges": [{"range": RANGE, "range_start": "zzz"}]}, {"range_start": 5},
], ids=json.dumps)
def test_wrong_types_and_texts_of_json(program, error, members):
    if not program.ours and "node_slice_size" in members:  # not known there yet
        return
    code, msg = error(network(**{"range": RANGE, **members}))
    assert code == 999 and msg.startswith(PARSING)


@pytest.mark.parametrize("value", ["zzz", "010.0.0.5"])
@pytest.mark.parametrize("key", ["range_start", "range_end"])
def test_bounds_in_ipranges_are_strict(error, key, value):
    code, msg = error(network(ipRanges=[{"range": RANGE, key: value}]))
    assert code == 999 and msg.startswith(f"{PARSING}invalid IP address: {value}"), msg


def test_unknown_members_and_other_cases_of_letters(api, given):
    config = network(**{"RANGE": RANGE, "Range_Start": "10.0.0.9", "nonsense": {"a": 1}, "etcd_host": "x"})
    assert addresses(given({**config, "master": 5, "prevResult": [], "runtimeConfig": 7})) == ["10.0.0.9/24"]


def test_ipam_may_be_null_or_missing(error):
    for config in ({**GOOD, "ipam": None}, {k: v for k, v in GOOD.items() if k != "ipam"}):
        assert error(config) == (999, "IPAM config missing 'ipam' key")


# ---- ranges ----


@pytest.mark.parametrize("ipam, msg", [
    ({"range": "10.0.0.0"}, "invalid CIDR 10.0.0.0: invalid CIDR address: 10.0.0.0"),
    ({"range": "10.0.0.0/33"}, "invalid CIDR 10.0.0.0/33: invalid CIDR address: 10.0.0.0/33"),
    ({"range": " 10.0.0.0/24"}, "invalid CIDR  10.0.0.0/24: invalid CIDR address:  10.0.0.0/24"),
    ({"range": "x-10.0.0.9/24"}, "invalid range start IP: x"),
    ({"range": "10.0.0.5-x"}, "invalid CIDR (do you have the 'range' parameter set for Whereabouts?) 'x': "
                              "invalid CIDR address: x"),
    ({"range": "10.0.0.5-10.0.0.9"}, "invalid CIDR (do you have the 'range' parameter set for Whereabouts?) "
                                     "'10.0.0.9': invalid CIDR address: 10.0.0.9"),
    ({"range": "192.168.1.5-192.168.2.25/28"}, "invalid range start for CIDR 192.168.2.16/28: 192.168.1.5"),
    ({"ipRanges": [{"range": RANGE}, {"range": "nope"}]}, "invalid CIDR nope: invalid CIDR address: nope"),
    ({"range": "10.0.0.0/31"}, f"{STORAGE}net mask is too short, subnet {{10.0.0.0 fffffffe}} has no usable IP "
                               "addresses, it is too small"),
    ({"range": "10.0.0.1/32"}, f"{STORAGE}net mask is too short, subnet {{10.0.0.1 ffffffff}} has no usable IP "
                               "addresses, it is too small"),
    ({"range": "fd00::/127"}, f"{STORAGE}net mask is too short, subnet {{fd00:: {31 * 'f'}e}} has no usable IP "
                              "addresses, it is too small"),
    ({"range": RANGE, "exclude": ["foo"]},
     f'{STORAGE}could not parse exclude range, err: "invalid CIDR address: foo"'),
    ({"range": RANGE, "exclude": ["10.0.0.1/123"]},
     f'{STORAGE}could not parse exclude range, err: "invalid CIDR address: 10.0.0.1/123"'),
    ({"range": RANGE, "exclude": ["010.0.0.1"]},
     f'{STORAGE}could not parse exclude range, err: "invalid CIDR address: 010.0.0.1"'),
    ({"range": "fd00::/64", "exclude": ["100::2::1"]},
     f'{STORAGE}could not parse exclude range, err: "invalid CIDR address: 100::2::1"'),
], ids=json.dumps)
def test_bad_ranges(api, error, ipam, msg):
    assert error(network(**ipam)) == (999, msg)
    assert not any(api.pools().values()) and api.reservations() == {}


@pytest.mark.parametrize("ipam, address, pool", [
    ({"range": "192.168.2.225/28"}, "192.168.2.225/28", "192.168.2.224-28"),
    ({"range": "192.168.2.225-192.168.2.230/28", "range_start": "192.168.2.229"}, "192.168.2.225/28",
     "192.168.2.224-28"),
    ({"range": "::ffff:10.31.0.0/120"}, "10.31.0.1/24", "10.31.0.0-24"),
    ({"range": "10.0.0.9-10.0.0.5/24"}, "10.0.0.9/24", "10.0.0.0-24"),
    ({"range": RANGE, "range_start": "zzz", "range_end": "yyy"}, "10.0.0.1/24", "10.0.0.0-24"),
    ({"range": RANGE, "range_start": "10.0.1.5"}, "10.0.0.1/24", "10.0.0.0-24"),
    ({"range": RANGE, "range_start": "10.0.0.5", "range_end": "10.0.0.2"}, "10.0.0.5/24", "10.0.0.0-24"),
    ({"range": RANGE, "range_start": "10.0.0.0"}, "10.0.0.1/24", "10.0.0.0-24"),
    ({"range": RANGE, "range_start": "10.0.0.255"}, "10.0.0.1/24", "10.0.0.0-24"),
    ({"range": "10.0.0.0/30"}, "10.0.0.1/30", "10.0.0.0-30"),
    ({"range": "fd00::/126", "range_start": "fd00::2"}, "fd00::2/126", "fd00---126"),
    ({"range": "2001:DB8:0:0::/64"}, "2001:db8::1/64", "2001-db8---64"),
    ({"ipRanges": [{"range": RANGE, "range_start": "", "range_end": ""}]}, "10.0.0.1/24", "10.0.0.0-24"),
    ({"ipRanges": [{"range": "10.0.0.7-10.0.0.9/24"}]}, "10.0.0.7/24", "10.0.0.0-24"),
    ({"range": RANGE, "exclude": ["10.0.0.2/30", "10.0.0.4", "172.16.0.0/12"]}, "10.0.0.5/24", "10.0.0.0-24"),
    ({"range": "2001:db8::/30", "exclude": ["2001:db8::/32"]}, None, None),
], ids=json.dumps)
def test_good_ranges(program, api, call, ipam, address, pool):
    done = call(network(**ipam))
    if address is None:  # W14: upstream writes what it cannot read again
        assert done.rc == (1 if program.ours else 0)
        return
    assert done.rc == 0, done
    assert addresses(done.json()) == [address]
    assert list(api.pools()) == [pool]


@pytest.mark.parametrize("version, out", [
    ("1.0.0", {"cniVersion": "1.0.0"}), ("0.4.0", {"cniVersion": "0.4.0", "dns": {}}),
])
def test_without_a_range_there_is_no_address(api, given, version, out):
    assert given(network(version)) == out
    assert objects(api) == {"pools": {}, "reservations": {}}
    assert addresses(given(network("1.0.0", addresses=[{"address": "010.1.0.1/24"}]))) == ["10.1.0.1/24"]


def test_old_versions_cannot_say_that_there_is_no_address(error):
    assert error(network("0.2.0")) == (999, "cannot convert: no valid IP addresses")


def test_leading_zeros_in_gateways(given):
    assert given(network(range=RANGE, gateway="010.001.0.1"))["ips"][0]["gateway"] == "10.1.0.1"


# ---- the flat file ----

PATHS = ["/etc/kubernetes/cni/net.d/whereabouts.d/whereabouts.conf",
         "/etc/cni/net.d/whereabouts.d/whereabouts.conf",
         "/host/etc/cni/net.d/whereabouts.d/whereabouts.conf"]
OWN_PATHS = ["/var/lib/rancher/k3s/agent/etc/cni/net.d/whereabouts.d/whereabouts.conf",
             "/var/lib/rancher/rke2/agent/etc/cni/net.d/whereabouts.d/whereabouts.conf"]


def start_of(number):
    return f"10.0.0.{10 + number}"


@pytest.mark.parametrize("present, used", [
    ((0, 1), 0), ((1,), 1), ((0,), 0), ((1, 3, 4), 1), ((3, 4), 3), ((4,), 4)])
def test_the_first_flat_file_that_exists_is_the_one(program, call, node, present, used):
    paths = [*PATHS, *OWN_PATHS]
    node.path(node.conf).unlink()
    for number in present:
        node.write(paths[number], flat_file(node, range_start=start_of(number)))
    done = call(GOOD)
    if used >= len(PATHS) and not program.ours:
        assert (done.rc, done.msg) == (1, "config file not found")
    else:
        assert addresses(done.json()) == [f"{start_of(used)}/24"], done


def test_no_flat_file_although_the_network_has_it_all(program, error, node):
    node.path(node.conf).unlink()
    config = with_ipam(GOOD, kubernetes={"kubeconfig": node.kubeconfig})
    assert error(config) == (999, "config file not found")
    # Runtimes take a DEL's error with "not found" for success.
    assert error(config, "DEL") == (999, "config file missing" if program.ours else "config file not found")


def test_configuration_path_names_a_file(given, node):
    node.write("/etc/cni/other.conf", flat_file(node, range_start="10.0.0.77"))
    assert addresses(given(with_ipam(GOOD, configuration_path="/etc/cni/other.conf"))) == ["10.0.0.77/24"]


def test_configuration_path_that_does_not_exist_is_skipped(given, node):
    set_flat(node, range_start="10.0.0.66")
    assert addresses(given(with_ipam(GOOD, configuration_path="/etc/cni/none.conf"))) == ["10.0.0.66/24"]


def test_configuration_path_names_a_directory(program, call, node):
    node.write("/etc/cni/other/whereabouts.conf", flat_file(node, range_start="10.0.0.55"))
    done = call(with_ipam(GOOD, configuration_path="/etc/cni/other"))
    if program.ours:
        assert addresses(done.json()) == ["10.0.0.55/24"]
    else:
        assert done.msg == ("LoadIPAMConfig Flatfile (/etc/cni/other) - io.ReadAll error: read /etc/cni/other: "
                            "is a directory")


def test_configuration_path_below_a_file_cannot_be_opened(error, node):
    code, msg = error(with_ipam(GOOD, configuration_path=f"{node.conf}/x"))
    assert (code, msg) == (999, f"error opening flat configuration file @ {node.conf}/x with: open "
                                f"{node.conf}/x: not a directory")


@pytest.mark.parametrize("text", ["", "{", "[]", '{"range": 5}', "secret nonsense"])
def test_a_flat_file_that_is_damaged(program, error, node, text):
    node.write(node.conf, text)
    for verb in ("ADD", "DEL"):
        code, msg = error(GOOD, verb)
        assert code == 999
        assert msg.startswith(f"LoadIPAMConfig Flatfile ({node.conf}) - JSON Parsing Error: ")
        if program.ours:
            assert "nonsense" not in msg


def test_what_a_tenant_may_not_name_is_not_read(node):
    """Ours alone: files below directories that others could have filled, and secrets."""
    ours = Program(ours=True)
    node.write("/var/tmp/whereabouts.conf", flat_file(node, range_start="10.0.0.5"))
    for path in ("/var/tmp/whereabouts.conf", "/etc/../var/tmp/whereabouts.conf", "/proc/1/environ"):
        done = ours.call(node, "ADD", with_ipam(GOOD, configuration_path=path))
        assert done.rc == 1 and path in done.msg + done.details, done
    node.write("/etc/shadow-like", "root:secret:1")
    done = ours.call(node, "ADD", with_ipam(GOOD, configuration_path="/etc/shadow-like"))
    assert done.rc == 1 and b"secret" not in done.out + done.err


# ---- merge ----


@pytest.mark.parametrize("flat, ipam, expected", [
    # A value of the network wins, an empty one does not.
    ({"gateway": "10.9.0.1"}, {"range": RANGE}, {"ips": [{"address": "10.0.0.1/24", "gateway": "10.9.0.1"}]}),
    ({"gateway": "10.9.0.1"}, {"range": RANGE, "gateway": "10.9.0.2"},
     {"ips": [{"address": "10.0.0.1/24", "gateway": "10.9.0.2"}]}),
    ({"gateway": "10.9.0.1"}, {"range": RANGE, "gateway": ""},
     {"ips": [{"address": "10.0.0.1/24", "gateway": "10.9.0.1"}]}),
    # The range of the file comes first, with all that belongs to it.
    ({"range": RANGE}, {"ipRanges": [{"range": "10.1.0.0/24"}]},
     {"ips": [{"address": "10.0.0.1/24"}, {"address": "10.1.0.1/24"}]}),
    ({"range_start": "10.0.0.5"}, {"range": RANGE}, {"ips": [{"address": "10.0.0.5/24"}]}),
    ({"range_start": "10.0.0.5", "exclude": ["10.0.0.5"]}, {"range": RANGE}, {"ips": [{"address": "10.0.0.6/24"}]}),
    ({"range": "10.7.0.0/24"}, {"range": RANGE}, {"ips": [{"address": "10.0.0.1/24"}]}),
    # Lists as a whole.
    ({"exclude": ["10.0.0.1"]}, {"range": RANGE, "exclude": ["10.0.0.2"]}, {"ips": [{"address": "10.0.0.1/24"}]}),
    ({"exclude": ["10.0.0.1"]}, {"range": RANGE, "exclude": []}, {"ips": [{"address": "10.0.0.2/24"}]}),
    ({"ipRanges": [{"range": "10.7.0.0/24"}]}, {"ipRanges": [{"range": RANGE}]},
     {"ips": [{"address": "10.0.0.1/24"}]}),
    ({"ipRanges": [{"range": "10.7.0.0/24"}]}, {"range": RANGE},
     {"ips": [{"address": "10.0.0.1/24"}, {"address": "10.7.0.1/24"}]}),
    ({"routes": [{"dst": "10.8.0.0/16"}]}, {"range": RANGE},
     {"ips": [{"address": "10.0.0.1/24"}], "routes": [{"dst": "10.8.0.0/16"}]}),
    ({"routes": [{"dst": "10.8.0.0/16"}]}, {"range": RANGE, "routes": [{"dst": "0.0.0.0/0"}]},
     {"ips": [{"address": "10.0.0.1/24"}], "routes": [{"dst": "0.0.0.0/0"}]}),
    ({"addresses": [{"address": "10.1.0.9/24"}]}, {"range": RANGE},
     {"ips": [{"address": "10.0.0.1/24"}, {"address": "10.1.0.9/24"}]}),
    # dns by member.
    ({"dns": {"nameservers": ["10.1.1.1"], "domain": "a.example"}},
     {"range": RANGE, "dns": {"domain": "b.example", "search": ["s"]}},
     {"dns": {"domain": "b.example", "nameservers": ["10.1.1.1"], "search": ["s"]},
      "ips": [{"address": "10.0.0.1/24"}]}),
], ids=json.dumps)
def test_what_the_network_leaves_empty_comes_from_the_file(given, node, flat, ipam, expected):
    set_flat(node, **flat)
    assert given(network(**ipam)) == {"cniVersion": "1.0.0", **expected}


@pytest.mark.parametrize("flat, ipam, reserved", [
    ({"enable_overlapping_ranges": False}, {}, True),
    ({"enable_overlapping_ranges": True}, {"enable_overlapping_ranges": False}, False),
    ({"enable_overlapping_ranges": False}, {"enable_overlapping_ranges": True}, True),
])
def test_the_files_word_about_overlaps_does_not_count(api, given, node, flat, ipam, reserved):
    set_flat(node, **flat)
    given(network(range=RANGE, **ipam))
    assert bool(api.reservations()) == reserved


def test_a_network_name_of_the_file(api, given, node):
    set_flat(node, network_name="net-a")
    given(GOOD)
    assert list(api.pools()) == ["net-a-10.0.0.0-24"] and list(api.reservations()) == ["net-a-10.0.0.1"]


def test_the_files_ipam_type_and_names_do_not_count(api, given, node):
    set_flat(node, **{"type": "static", "Name": "x", "PodName": "y", "PodNamespace": "z"})
    given(GOOD)
    assert api.pool("10.0.0.0-24")["1"]["podref"] == "ns1/pod1"


def test_a_kubeconfig_of_the_network_wins(api, given, node):
    if not api.find("/api/v1/namespaces/tenant-b"):
        api.create_namespace("tenant-b")
    api.kubeconfig(node.path("/etc/cni/tenant.kubeconfig"), namespace="tenant-b")
    given(with_ipam(GOOD, kubernetes={"kubeconfig": "/etc/cni/tenant.kubeconfig"}))
    assert list(api.pools("tenant-b")) == ["10.0.0.0-24"] and api.pools() == {}
    assert api.lease(namespace="tenant-b")["holderIdentity"] == "" and api.lease() is None


def test_without_a_namespace_of_its_context_it_is_kube_system(api, given, node):
    text = node.path(node.kubeconfig).read_text()
    node.write(node.kubeconfig, text.replace("    namespace: kube-system\n", ""))
    assert "namespace" not in node.path(node.kubeconfig).read_text()
    given(GOOD)
    assert list(api.pools()) == ["10.0.0.0-24"]


def test_a_network_name_that_no_object_can_have(api, error, program):
    code, msg = error(with_ipam(GOOD, network_name="Net_A"))
    assert code == 999 and "Net_A" in msg
    assert api.pools() == {}


# ---- CNI_ARGS ----


@pytest.mark.parametrize("args, msg", [
    ("FOO", f'{ARGS}invalid pair "FOO"'),
    ("IgnoreUnknown=1;K8S_POD_NAME=a=b", f'{ARGS}invalid pair "K8S_POD_NAME=a=b"'),
    ("K8S_POD_NAME=p;FOO=bar", f'{ARGS}unknown args ["FOO=bar"]'),
    ("K8S_POD_NAME=p;FOO=bar;X=y", f'{ARGS}unknown args ["FOO=bar" "X=y"]'),
    ("K8S_POD_NAME=p;ip=10.0.0.5/24", f'{ARGS}unknown args ["ip=10.0.0.5/24"]'),
    ("IgnoreUnknown=false;K8S_POD_NAME=p;FOO=bar", f'{ARGS}unknown args ["FOO=bar"]'),
    ("IgnoreUnknown=x", f'{ARGS}error parsing value of pair "IgnoreUnknown=x": boolean unmarshal error: '
                        "invalid input x"),
    ("IgnoreUnknown=1;K8S_POD_NAMESPACE=ns1", f"{STORAGE}IPAM client initialization error: no pod name"),
    ("", f"{STORAGE}IPAM client initialization error: no pod name"),
    ("K8S_POD_NAME=p;IP=10.0.0.5", "invalid CIDR 10.0.0.5: invalid CIDR address: 10.0.0.5"),
    ("K8S_POD_NAME=p;IP=10.1.0.5/24,x", "invalid CIDR x: invalid CIDR address: x"),
    ("K8S_POD_NAME=p;IP=10.1.0.5/24;GATEWAY=x", "invalid gateway address: x"),
])
def test_bad_arguments(api, error, args, msg):
    assert error(GOOD, args=args) == (999, msg)
    assert not any(api.pools().values())


@pytest.mark.parametrize("args, podref", [
    ("IgnoreUnknown=1;K8S_POD_NAMESPACE=a;K8S_POD_NAME=b;FOO=bar", "a/b"),
    ("IgnoreUnknown=true;K8S_POD_NAMESPACE=a;K8S_POD_NAME=b;FOO=bar", "a/b"),
    ("K8S_POD_NAME=b;K8S_POD_NAMESPACE=a;K8S_POD_INFRA_CONTAINER_ID=xyz", "a/b"),
    ("K8S_POD_NAME=b", "/b"),
])
def test_good_arguments(api, call, given, args, podref):
    given(GOOD, args=args)
    assert api.pool("10.0.0.0-24") == {"1": {"id": "c1", "podref": podref, "ifname": "net1"}}
    assert [r["podref"] for r in api.reservations().values()] == [podref]
    assert call(GOOD, "DEL", args=args).rc == 0
    assert api.pool("10.0.0.0-24") == {} and api.reservations() == {}


def test_addresses_and_gateways_of_arguments(given):
    config = with_ipam(GOOD, addresses=[{"address": "10.5.0.1/24", "gateway": "10.5.0.7"}])
    said = given(config, args=pod_args("pod1") + ";IP=10.9.9.9/24,fd00::9/64;GATEWAY=10.5.0.254,fd00::1")
    assert said["ips"] == [
        {"address": "10.0.0.1/24"}, {"address": "10.5.0.1/24", "gateway": "10.5.0.254"},
        {"address": "10.9.9.9/24"}, {"address": "fd00::9/64", "gateway": "fd00::1"}]


def test_a_del_without_a_pods_name_succeeds(program, api, call, given):
    given(GOOD)
    assert call(GOOD, "DEL", args="IgnoreUnknown=1").rc == 0
    if program.ours:  # its record knows the pod
        assert api.pool("10.0.0.0-24") == {} and api.reservations() == {}


@pytest.mark.parametrize("version, static, msg", [
    ("0.2.0", ["10.1.0.1/24", "10.1.0.2/24"], "CNI version 0.2.0 does not support more than 1 address per family"),
    ("0.1.0", ["fd00::1/64", "fd00::2/64"], "CNI version 0.1.0 does not support more than 1 address per family"),
    (None, ["fd00::1/64", "fd00::2/64"], "CNI version  does not support more than 1 address per family"),
    ("0.2.0", ["10.1.0.1/24", "fd00::2/64"], None),
    ("0.3.0", ["10.1.0.1/24", "10.1.0.2/24"], None),
])
@pytest.mark.parametrize("by_argument", [False, True])
def test_old_versions_have_one_static_address_of_a_family(call, version, static, msg, by_argument):
    config, args = network(version, range=RANGE), pod_args("pod1")
    if by_argument:
        args += ";IP=" + ",".join(static)
    else:
        config = with_ipam(config, addresses=[{"address": a} for a in static])
    done = call(config, args=args)
    assert (done.msg if done.rc else None) == msg, done


# ---- kubeconfig ----


INSTANTIATING = "failed instantiating kubernetes client: "


def kubeconfig(node, change):
    path = node.path(node.kubeconfig)
    text = path.read_text()
    changed = change(text)
    assert changed != text
    node.write(node.kubeconfig, changed)


@pytest.mark.parametrize("change, said", [
    (lambda t: "", "k8s config: namespace not present in context"),
    (lambda t: t.replace("current-context: whereabouts-context", "current-context: other"),
     "k8s config: namespace not present in context"),
    (lambda t: re.sub("certificate-authority-data: .*", f"certificate-authority: {CONF_DIR}/none.crt", t),
     f"{INSTANTIATING}invalid configuration: unable to read certificate-authority "
     f"{CONF_DIR}/none.crt for local due to open {CONF_DIR}/none.crt: no such file or directory"),
])
def test_bad_kubeconfigs(program, error, node, change, said):
    kubeconfig(node, change)
    if program.ours:  # it says in which file
        said = f"kubeconfig {node.kubeconfig}: {said.removeprefix(INSTANTIATING)}"
    assert error(GOOD) == (999, f"failed to create Kubernetes IPAM manager: {said}")
    if program.ours:  # runtimes take a DEL's error with this text for success
        said = said.replace("no such file or directory", "does not exist")
    assert error(GOOD, "DEL") == (999, f"IPAM client initialization error: {said}")


@pytest.mark.parametrize("text", ["secret: [", "\t", "just text"])
def test_kubeconfigs_that_are_no_yaml(error, node, text):
    node.write(node.kubeconfig, text)
    code, msg = error(GOOD)
    assert code == 999 and msg.startswith("failed to create Kubernetes IPAM manager: ")


def test_a_kubeconfig_that_is_not_there(program, error, node):
    node.path(node.kubeconfig).unlink()
    for verb, prefix in (("ADD", "failed to create Kubernetes IPAM manager: "),
                         ("DEL", "IPAM client initialization error: ")):
        code, msg = error(GOOD, verb)
        assert code == 999 and msg.startswith(prefix) and node.kubeconfig in msg
        assert ("no such file or directory" in msg) == (verb == "ADD" or not program.ours)


def test_a_token_in_a_file_and_a_kubeconfig_in_json(api, given, node):
    node.write(f"{CONF_DIR}/token", api.account_token + "\n")
    node.write(f"{CONF_DIR}/ca.crt", api.pki.ca.read_text())
    node.write(node.kubeconfig, json.dumps({
        "apiVersion": "v1", "kind": "Config", "current-context": "x",
        "clusters": [{"name": "c", "cluster": {"server": api.url, "certificate-authority": "ca.crt"}}],
        "users": [{"name": "u", "user": {"tokenFile": "token", "token": "stale"}}],
        "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}]}))
    assert addresses(given(GOOD)) == ["10.0.0.1/24"]


def test_what_would_run_or_impersonate_is_refused(node):
    """Ours alone: upstream runs it."""
    text = node.path(node.kubeconfig).read_text()
    marker = "/var/tmp/ran"
    for user in (f"exec: {{apiVersion: client.authentication.k8s.io/v1, command: touch, args: [{marker}], "
                 "interactiveMode: Never}", "as: admin", "username: u\n    password: p"):
        node.write(node.kubeconfig, re.sub('token: ".*"', user, text))
        done = Program(ours=True).call(node, "ADD", GOOD)
        assert (done.rc, done.code) == (1, 999) and "failed to create" in done.msg, done
        assert not node.path(marker).exists()


# ---- what only ours does ----


def test_check_status_and_gc_by_version(node):
    ours = Program(ours=True)
    for verb, old, new in (("CHECK", "0.3.1", "0.4.0"), ("STATUS", "1.0.0", "1.1.0"), ("GC", "1.0.0", "1.1.0")):
        done = ours.call(node, verb, network(old, range=RANGE))
        assert (done.rc, done.out) == (1, harness.error_text(1, f"config version does not allow {verb}"))
        done = ours.call(node, verb, network(new, range=RANGE))
        assert "does not allow" not in done.out.decode()


def test_the_own_namespace_is_refused_before_anything_is_written(program, api, call):
    done = call(GOOD, netns="/proc/self/ns/net")
    refused = harness.error_text(8, "plugin's netns and netns from CNI_NETNS should not be the same")
    assert done.rc == 1
    if program.ours:
        assert done.out == refused
        assert api.pools() == {} and api.reservations() == {}
    else:
        assert done.out.endswith(refused)
        assert api.pool("10.0.0.0-24") != {}
    assert call(GOOD, netns="/proc/self/ns/net", env={"CNI_NETNS_OVERRIDE": "1"}).rc == 0
