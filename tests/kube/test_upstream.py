# SPDX-License-Identifier: Apache-2.0
"""The test cases of whereabouts itself, from outside: cmd/whereabouts_test.go (19) and what of
pkg/config/config_test.go (15) can be seen in a result.

Upstream runs them on objects in memory; here they run on a real API server, with ours and with the Go
program.
"""

import json

import pytest

from node import CONF_DIR
from wb import network, program  # noqa: F401  (a fixture)

POD = "dummyPOD"
ID = "dummy"
OWN = {"namespace": "dummyNS", "ifname": "eth0"}


@pytest.fixture
def call(program, node):
    def do(verb, config, number="", **kwargs):
        return program.call(node, verb, config, pod=f"{POD}{number}", id=f"{ID}{number}", **{**OWN, **kwargs})

    return do


@pytest.fixture
def ips(call):
    """ips(CONFIG): an ADD that works; its result's `ips`."""

    def do(config, number="", **kwargs):
        done = call("ADD", config, number, **kwargs)
        assert done.rc == 0, done
        assert b'"version":' in done.out or config["cniVersion"] != "0.3.1"
        return [(ip["address"], ip.get("gateway")) for ip in done.json()["ips"]]

    return do


@pytest.fixture
def deleted(call):
    def do(config, number="", **kwargs):
        done = call("DEL", config, number, **kwargs)
        assert (done.rc, done.out) == (0, b""), done

    return do


@pytest.fixture
def alloc(api, ips, deleted):
    """alloc(RANGE, GATEWAY, ADDRESSES): that many pods; each is added, deleted and added again."""

    def do(cidr, gateway, expected, **more):
        config = network("0.3.1", range=cidr, gateway=gateway, **more)
        for i, address in enumerate(expected):
            assert ips(config, f"-{i}") == [(address, gateway)]
            deleted(config, f"-{i}")
            assert ips(config, f"-{i}") == [(address, gateway)]
        for i in range(len(expected)):
            deleted(config, f"-{i}")
        assert not any(api.pools().values()) and api.reservations() == {}

    return do


V6_GATEWAY = "2001::f:1"


# ---- cmd/whereabouts_test.go ----


def test_returns_a_previously_allocated_ip(api, ips):
    api.create_pool("192.168.1.0/24", {"1": {"podref": "dummyNS/dummyPOD", "ifname": "eth0", "id": ""},
                                       "2": {"podref": "test", "id": ""}})
    config = network("0.3.1", range="192.168.1.0/24", gateway="192.168.10.1")
    assert ips(config) == [("192.168.1.1/24", "192.168.10.1")]


def test_allocates_and_releases_addresses_on_add_del(alloc):
    alloc("192.168.1.0/24", "192.168.10.1", ["192.168.1.1/24"])
    alloc("2001::1/116", V6_GATEWAY, ["2001::1/116"])


def test_allocates_and_releases_addresses_on_add_del_with_a_kubernetes_backend(alloc):
    alloc("192.168.1.11-192.168.1.23/24", "192.168.10.1", [f"192.168.1.{i}/24" for i in range(11, 23)])
    alloc("2001::1/116", V6_GATEWAY, ["2001::1/116"])


def test_allocates_and_releases_an_ipv6_address_with_left_hand_zeroes(alloc):
    alloc("fd::1/116", "fd::f:1", ["fd::1/116"])


def test_allocates_an_ipv6_range_that_ends_with_zeroes(program, alloc):
    alloc("2001:db8:480:603d:0304:0403:000:0000-2001:db8:480:603d:0304:0403:0000:0004/64",
          "2001:db8:480:603d::1", ["2001:db8:480:603d:304:403::/64"])
    # The one case whose gateway is in the range. Ours gives it away only when it may.
    cidr = "2001:db8:5422:0005::-2001:db8:5422:0005:7fff:ffff:ffff:ffff/64"
    gateway = "2001:db8:5422:5::1"
    alloc(cidr, gateway, ["2001:db8:5422:5::1/64"], allocate_gateway=True)
    if program.ours:
        alloc(cidr, gateway, ["2001:db8:5422:5::2/64"])


def test_allocates_ipv6_addresses_with_dns_1123_conformant_naming(alloc):
    alloc("fd00:0:0:10:0:0:3:1-fd00:0:0:10:0:0:3:6/64", V6_GATEWAY, ["fd00::10:0:0:3:1/64"])


def test_excludes_a_range_of_addresses(ips, deleted):
    config = network("0.3.1", range="192.168.1.0/24", exclude=["192.168.1.0/28", "192.168.1.16/28"],
                     gateway="192.168.10.1", routes=[{"dst": "0.0.0.0/0"}])
    assert ips(config) == [("192.168.1.32/24", "192.168.10.1")]
    deleted(config)


def test_excludes_a_range_of_ipv6_addresses(ips, deleted):
    config = network("0.3.1", range="2001::1/116", exclude=["2001::0/128", "2001::1/128", "2001::2/128"],
                     gateway=V6_GATEWAY, routes=[{"dst": "0.0.0.0/0"}])
    assert ips(config) == [("2001::3/116", V6_GATEWAY)]
    deleted(config)


def test_excludes_a_range_of_ipv6_addresses_omitting_broadcast(ips, deleted):
    config = network("0.3.1", range="caa5::0/112", exclude=["caa5::0/113"], gateway=V6_GATEWAY,
                     routes=[{"dst": "0.0.0.0/0"}])
    assert ips(config) == [("caa5::8000/112", V6_GATEWAY)]
    deleted(config)


def test_can_still_assign_static_parameters(call, deleted):
    routes = [{"dst": "0.0.0.0/0"}, {"dst": "192.168.0.0/16", "gw": "10.10.5.1"},
              {"dst": "3ffe:ffff:0:01ff::1/64"}]
    config = network(
        "0.3.1", range="192.168.1.44/28", gateway="192.168.1.1", routes=routes,
        addresses=[{"address": "10.10.0.1/24", "gateway": "10.10.0.254"},
                   {"address": "3ffe:ffff:0:01ff::1/64", "gateway": "3ffe:ffff:0::1"}],
        dns={"nameservers": ["8.8.8.8"], "domain": "example.com", "search": ["example.com"]})
    said = call("ADD", config).json()
    assert said["ips"] == [
        {"version": "4", "address": "192.168.1.33/28", "gateway": "192.168.1.1"},
        {"version": "4", "address": "10.10.0.1/24", "gateway": "10.10.0.254"},
        {"version": "6", "address": "3ffe:ffff:0:1ff::1/64", "gateway": "3ffe:ffff::1"}]
    assert said["routes"] == [*routes[:2], {"dst": "3ffe:ffff:0:1ff::1/64"}]
    deleted(config)


def test_allocates_an_address_using_ipranges_notation(ips, deleted):
    config = network("0.3.1", ipRanges=[{"range": "192.168.10.1/24"}], gateway="192.168.10.254")
    assert [address for address, _ in ips(config)] == ["192.168.10.1/24"]
    deleted(config)


def test_allocates_dual_stack_address_using_ipranges_notation(ips, deleted):
    config = network("0.3.1", ipRanges=[{"range": "192.168.10.1/24"}, {"range": "abcd::1/64"}],
                     gateway="192.168.10.254")
    assert [address for address, _ in ips(config)] == ["192.168.10.1/24", "abcd::1/64"]
    deleted(config)


def test_allocates_addresses_using_both_ipranges_and_range_notations(ips, deleted):
    config = network("0.3.1", range="abcd::1/64", ipRanges=[{"range": "192.168.10.1/24"}],
                     gateway="192.168.10.254")
    assert [address for address, _ in ips(config)] == ["abcd::1/64", "192.168.10.1/24"]
    deleted(config)


def test_allocates_an_address_using_start_end_cidr_notation(ips, deleted):
    config = network("0.3.1", range="192.168.1.5-192.168.1.25/24", gateway="192.168.10.1")
    assert ips(config) == [("192.168.1.5/24", "192.168.10.1")]
    deleted(config)


def test_allocates_an_address_using_the_range_start_parameter(ips, deleted):
    config = network("0.3.1", range="192.168.1.0/24", range_start="192.168.1.5", gateway="192.168.10.1")
    assert ips(config) == [("192.168.1.5/24", "192.168.10.1")]
    deleted(config)


def test_allocates_addresses_using_range_end_as_an_upper_limit(call, ips):
    config = network("0.3.1", range="192.168.1.0/24", range_start="192.168.1.5", range_end="192.168.1.12",
                     gateway="192.168.10.1")
    for i in range(8):
        assert ips(config, i) == [(f"192.168.1.{5 + i}/24", "192.168.10.1")]
    done = call("ADD", config, 8)
    assert (done.rc, done.msg) == (1, "error at storage engine: Could not allocate IP in range: "
                                   "ip: 192.168.1.5 / - 192.168.1.12 / range: 192.168.1.0/24 / "
                                   "excludeRanges: []")


@pytest.mark.parametrize("wide, narrow, given", [
    ("192.168.22.0/24", "192.168.22.0/28", ["192.168.22.1/24", "192.168.22.2/28"]),
    ("2001::2:3:0/124", "2001::2:3:0/126", ["2001::2:3:1/124", "2001::2:3:2/126"]),
])
def test_detects_addresses_used_in_other_ranges(ips, deleted, wide, narrow, given):
    configs = [network("0.3.1", range=cidr) for cidr in (wide, narrow)]
    assert [ips(config, i)[0][0] for i, config in enumerate(configs)] == given
    for i, config in enumerate(configs):
        deleted(config, i)


def test_allows_ip_collisions_when_enable_overlapping_ranges_is_false(ips, deleted):
    configs = [network("0.3.1", range=f"192.168.33.0/{n}", enable_overlapping_ranges=False) for n in (24, 28)]
    assert [ips(c, i)[0][0] for i, c in enumerate(configs)] == ["192.168.33.1/24", "192.168.33.1/28"]
    for i, config in enumerate(configs):
        deleted(config, i)


# ---- pkg/config/config_test.go; what a file has given is seen in the result ----


def flat(node, **members):
    """The flat file becomes these members, beside those of an installer."""
    path = node.path(node.conf)
    path.write_text(json.dumps({"datastore": "kubernetes", "kubernetes": {"kubeconfig": node.kubeconfig},
                                **members}))


def error(call, config, **kwargs):
    done = call("ADD", config, **kwargs)
    assert (done.rc, done.code) == (1, 999), done
    return done.msg


def bounds(api, call, config):
    """Pool, first and last address of the range of a configuration."""
    first = call("ADD", config, "-first")
    assert first.rc == 0, first
    (name,) = api.pools()
    end = error(call, {**config, "ipam": {**config["ipam"], "exclude": ["0.0.0.0/1", "128.0.0.0/1"]}}, number=2)
    return name, first.addresses[0], end.split(" / - ")[1].split(" / ")[0]


def test_can_load_a_basic_config(api, call, node):
    ipam = {"range": "192.168.1.5-192.168.1.25/24", "gateway": "192.168.10.1", "log_level": "debug",
            "log_file": "/var/log/whereabouts.log"}
    assert bounds(api, call, network("0.3.1", **ipam)) == ("192.168.1.0-24", "192.168.1.5", "192.168.1.25")
    assert call("ADD", network("0.3.1", **ipam), "-first").json()["ips"][0]["gateway"] == "192.168.10.1"
    assert node.path("/var/log/whereabouts.log").is_file()


def test_throws_an_error_when_no_flat_files_are_found(call, node):
    node.path(node.conf).unlink()
    assert error(call, network(range="192.168.1.0/24")) == "config file not found"


def test_can_load_a_global_flat_file_config(api, call, node):
    other = f"{CONF_DIR}/other.conf"
    node.path(node.conf).unlink()
    node.write(other, json.dumps({"datastore": "kubernetes", "kubernetes": {"kubeconfig": node.kubeconfig},
                                  "log_file": "/var/log/other.log", "log_level": "debug",
                                  "gateway": "192.168.5.5"}))
    ipam = {"configuration_path": other, "range": "192.168.2.230/24", "range_start": "192.168.2.223",
            "gateway": "192.168.10.1", "leader_lease_duration": 3000, "leader_renew_deadline": 2000,
            "leader_retry_period": 1000}
    done = call("ADD", network("0.3.1", **ipam))
    assert done.json()["ips"][0] == {"version": "4", "address": "192.168.2.223/24", "gateway": "192.168.10.1"}
    assert list(api.pools()) == ["192.168.2.0-24"]
    assert node.path("/var/log/other.log").is_file()


@pytest.mark.parametrize("file, stdin, reserved", [(False, True, True), (True, False, False)])
def test_overlapping_range_can_be_set_and_disabled(api, call, node, file, stdin, reserved):
    flat(node, enable_overlapping_ranges=file)
    assert call("ADD", network(range="192.168.1.0/24", enable_overlapping_ranges=stdin)).rc == 0
    assert bool(api.reservations()) == reserved


def test_throws_an_error_when_passed_a_non_whereabouts_ipam_config(call):
    assert error(call, network(**{"type": "static"})) == (
        "only interested in networks whose IPAM type is 'whereabouts'. This one was: static")


def test_throws_a_typed_error_when_passed_a_config_with_no_ipam(call):
    said = error(call, {"cniVersion": "0.3.1", "name": "mynet", "type": "ipvlan"})
    assert said == "IPAM config missing 'ipam' key"


@pytest.mark.parametrize("ipam, first, last", [
    ({"range": "00192.00168.1.5-000000192.168.1.25/24"}, "192.168.1.5", "192.168.1.25"),
    ({"range": "00192.00168.1.0/24"}, "192.168.1.1", "192.168.1.254"),
    ({"range": "00192.00168.1.0/24", "range_start": "00192.00168.1.44"}, "192.168.1.44", "192.168.1.254"),
    ({"range": "00192.00168.1.0/24", "range_start": "00192.00168.1.44", "range_end": "00192.00168.01.209"},
     "192.168.1.44", "192.168.1.209"),
    ({"range": "00192.00168.1.0/24", "range_start": "00192.00168.1.44", "range_end": "00192.00168.01.209",
      "reconciler_cron_expression": "30 4 * * *"}, "192.168.1.44", "192.168.1.209"),
])
def test_leading_zeroes_are_ignored(api, call, ipam, first, last):
    assert bounds(api, call, network("0.3.1", **ipam)) == ("192.168.1.0-24", first, last)


def test_errors_when_an_invalid_range_specified(call):
    assert error(call, network(range="192.168.1.5-192.168.2.25/28")) == (
        "invalid range start for CIDR 192.168.2.16/28: 192.168.1.5")


def test_errors_when_an_invalid_ipam_struct_is_specified(call):
    done = call("ADD", '{"cniVersion": "0.3.1", "name": "mynet", "type": "ipvlan", "ipam": { asdf }}')
    assert done.rc == 1 and done.code == 6  # found earlier than by the loader that upstream tests
    assert done.msg.startswith("error unmarshall network config: ")
