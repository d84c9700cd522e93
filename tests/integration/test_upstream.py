# SPDX-License-Identifier: Apache-2.0
"""Counterparts of the reference plugin's own test cases, as far as they can be seen from outside.

The names in the docstrings are upstream's: host_local_test.go (each case in seven versions),
allocator_test.go, config_test.go, range_test.go, range_set_test.go and lock_test.go. What they look at
inside the program (iterators, parsed structures) has its counterpart in tests/unit.
"""

import fcntl

import pytest

from harness import VERSIONS, finish, held, start, tree, wait_for_waiter

OLD = ("0.1.0", "0.2.0")

each_version = pytest.mark.parametrize("version", VERSIONS)


def network(data, version="0.3.1", name="mynet", top=None, **ipam):
    return {
        "cniVersion": version,
        "name": name,
        "type": "ipvlan",
        "master": "foo0",
        **(top or {}),
        "ipam": {"type": "host-local", "dataDir": str(data), **ipam},
    }


def one(*subnets):
    """A range set."""
    return [{"subnet": subnet} for subnet in subnets]


def result(outcome, version):
    """Addresses with gateways, routes and dns of a result, the same for every version."""
    assert outcome.rc == 0, outcome
    # 0.3.0 to 0.4.0 tell the family of each address, and nobody else does.
    assert (b'"version":' in outcome.out) == (version in ("0.3.0", "0.3.1", "0.4.0"))
    seen = outcome.json()
    assert seen["cniVersion"] == version
    if version in OLD:
        families = [seen[k] for k in ("ip4", "ip6") if k in seen]
        ips = [(f["ip"], f.get("gateway")) for f in families]
        routes = [r for f in families for r in f.get("routes", [])]
    else:
        ips = [(ip["address"], ip.get("gateway")) for ip in seen["ips"]]
        routes = seen.get("routes", [])
    return ips, [(r["dst"], r.get("gw")) for r in routes], seen.get("dns", {})


def succeeds_silently(outcome):
    assert (outcome.rc, outcome.out) == (0, b""), outcome


# ---- host_local_test.go ----


@each_version
def test_allocates_and_releases_addresses_with_add_del(program, data, version):
    """host_local_test.go: allocates and releases addresses with ADD/DEL"""
    (data / "resolv.conf").write_text("nameserver 192.0.2.3")
    config = network(
        data,
        version,
        resolvConf=str(data / "resolv.conf"),
        ranges=[one("10.1.2.0/24", "10.2.2.0/24"), one("2001:db8:1::0/64")],
        routes=[
            {"dst": "0.0.0.0/0"},
            {"dst": "::/0"},
            {"dst": "192.168.0.0/16", "gw": "1.1.1.1"},
            {"dst": "2001:db8:2::0/64", "gw": "2001:db8:3::1"},
        ],
    )
    ips, routes, dns = result(program.call("ADD", config, id="dummy"), version)
    assert ips == [("10.1.2.2/24", "10.1.2.1"), ("2001:db8:1::2/64", "2001:db8:1::1")]
    assert sorted(routes, key=str) == sorted(
        [
            ("0.0.0.0/0", None),
            ("::/0", None),
            ("192.168.0.0/16", "1.1.1.1"),
            ("2001:db8:2::/64", "2001:db8:3::1"),
        ],
        key=str,
    )
    assert dns == {"nameservers": ["192.0.2.3"]}
    assert tree(data / "mynet") == {
        "10.1.2.2": b"dummy\r\neth0",
        "2001:db8:1::2": b"dummy\r\neth0",
        "last_reserved_ip.0": b"10.1.2.2",
        "last_reserved_ip.1": b"2001:db8:1::2",
        "lock": b"",
    }
    succeeds_silently(program.call("DEL", config, id="dummy"))
    assert held(data / "mynet") == {}


@each_version
def test_allocates_and_releases_addresses_on_a_specific_interface(program, data, version):
    """host_local_test.go: allocates and releases addresses on specific interface with ADD/DEL"""
    config = [
        network(data, version, "mynet0", ranges=[one("10.1.2.0/24")]),
        network(data, version, "mynet1", ranges=[one("10.2.2.0/24")]),
    ]
    for i, address in enumerate(["10.1.2.2", "10.2.2.2"]):
        done = program.call("ADD", config[i], id="dummy", ifname=f"eth{i}")
        assert done.addresses == [address]
        assert held(data / f"mynet{i}") == {address: f"dummy\r\neth{i}".encode()}
    succeeds_silently(program.call("DEL", config[0], id="dummy", ifname="eth0"))
    assert held(data / "mynet0") == {}
    assert held(data / "mynet1") == {"10.2.2.2": b"dummy\r\neth1"}
    succeeds_silently(program.call("DEL", config[1], id="dummy", ifname="eth1"))
    assert held(data / "mynet1") == {}


@each_version
def test_a_repeated_allocation_on_the_same_interface_fails(program, data, version):
    """host_local_test.go: repeat allocating addresses on specific interface for same container ID
    with ADD"""
    config = network(data, version, ranges=[one("10.1.2.0/24")])
    assert result(program.call("ADD", config, id="dummy"), version)[0] == [
        ("10.1.2.2/24", "10.1.2.1")
    ]
    assert program.call("ADD", config, id="dummy").rc == 1
    assert result(program.call("ADD", config, id="dummy1"), version)[0] == [
        ("10.1.2.3/24", "10.1.2.1")
    ]
    assert program.call("ADD", config, id="dummy").rc == 1
    assert sorted(held(data / "mynet")) == ["10.1.2.2", "10.1.2.3"]
    for container in ("dummy", "dummy1"):
        succeeds_silently(program.call("DEL", config, id=container))
    assert held(data / "mynet") == {}


@each_version
def test_del_works_on_a_backwards_compatible_allocation(program, data, version):
    """host_local_test.go: verify DEL works on backwards compatible allocate"""
    config = network(data, version, ranges=[one("10.1.2.0/24")])
    assert program.call("ADD", config, id="dummy").addresses == ["10.1.2.2"]
    old = data / "mynet" / "10.1.2.2"
    assert old.read_bytes() == b"dummy\r\neth0"
    old.write_bytes(b"dummy")
    old.chmod(0o644)
    succeeds_silently(program.call("DEL", config, id="dummy"))
    assert held(data / "mynet") == {}


@each_version
def test_del_of_an_unknown_id_succeeds(program, data, version):
    """host_local_test.go: doesn't error when passed an unknown ID on DEL"""
    config = network(data, version, subnet="10.1.2.0/24")
    succeeds_silently(program.call("DEL", config, id="dummy"))


@each_version
def test_whitespace_around_the_content_of_a_file_is_ignored(program, data, version):
    """host_local_test.go: ignores whitespace in disk files (there the white space is in the id, which
    the environment's check does not let through here)"""
    config = network(data, version, subnet="10.1.2.0/24")
    assert program.call("ADD", config, id="dummy").addresses == ["10.1.2.2"]
    (data / "mynet" / "10.1.2.2").write_bytes(b"   dummy\r\neth0\n ")
    succeeds_silently(program.call("DEL", config, id="dummy"))
    assert held(data / "mynet") == {}


@each_version
def test_the_first_add_of_a_network_is_quiet(program, data, version):
    """host_local_test.go: does not output an error message upon initial subnet creation"""
    done = program.call("ADD", network(data, version, subnet="10.1.2.0/24"), id="testing")
    assert result(done, version)[0] == [("10.1.2.2/24", "10.1.2.1")]
    assert done.err == b""


@each_version
def test_allocates_a_custom_ip_from_the_arguments_of_the_configuration(program, data, version):
    """host_local_test.go: allocates a custom IP when requested by config args"""
    config = network(
        data, version, top={"args": {"cni": {"ips": ["10.1.2.88"]}}}, ranges=[one("10.1.2.0/24")]
    )
    done = program.call("ADD", config, id="dummy")
    assert result(done, version)[0] == [("10.1.2.88/24", "10.1.2.1")]


@each_version
def test_allocates_custom_ips_from_multiple_ranges(program, data, version):
    """host_local_test.go: allocates custom IPs from multiple ranges"""
    config = network(
        data,
        version,
        top={"args": {"cni": {"ips": ["10.1.2.88", "10.1.3.77"]}}},
        ranges=[one("10.1.2.0/24"), one("10.1.3.0/24")],
    )
    done = program.call("ADD", config, id="dummy")
    if version in OLD:
        assert done.rc == 1
        assert done.msg == f"CNI version {version} does not support more than 1 address per family"
    else:
        assert result(done, version)[0] == [
            ("10.1.2.88/24", "10.1.2.1"),
            ("10.1.3.77/24", "10.1.3.1"),
        ]


@each_version
def test_allocates_custom_ips_from_multiple_protocols(program, data, version):
    """host_local_test.go: allocates custom IPs from multiple protocols"""
    config = network(
        data,
        version,
        top={"args": {"cni": {"ips": ["10.1.2.88", "2001:db8:1::999"]}}},
        ranges=[one("172.16.1.0/24", "10.1.2.0/24"), one("2001:db8:1::/48")],
    )
    done = program.call("ADD", config, id="dummy")
    assert result(done, version)[0] == [
        ("10.1.2.88/24", "10.1.2.1"),
        ("2001:db8:1::999/48", "2001:db8:1::1"),
    ]


@each_version
def test_fails_if_a_requested_custom_ip_is_not_used(program, data, version):
    """host_local_test.go: fails if a requested custom IP is not used"""
    config = network(
        data,
        version,
        top={"args": {"cni": {"ips": ["10.1.2.88", "10.1.2.77"]}}},
        ranges=[one("10.1.2.0/24"), one("10.1.3.0/24")],
    )
    done = program.call("ADD", config, id="dummy")
    assert done.rc == 1
    if version in OLD:
        assert done.msg == f"CNI version {version} does not support more than 1 address per family"
    elif program.ours:  # the first in list order is taken, the rest cannot be met
        assert done.msg == "failed to allocate all requested IPs: 10.1.2.77"
    else:  # either of the two
        assert done.msg.startswith("failed to allocate all requested IPs: 10.1.2.")
    assert held(data / "mynet") == {}


# ---- allocator_test.go ----

BASE = "192.168.1.0/29"


def prepare(data, taken=(), last=None):
    directory = data / "mynet"
    directory.mkdir()
    for ip in taken:
        (directory / ip).write_bytes(b"somebody\r\neth0")
    if last:
        (directory / "last_reserved_ip.0").write_text(last)


@pytest.mark.parametrize(
    "subnets, taken, last, expected",
    [
        (["10.0.0.0/29"], [], None, "10.0.0.2"),
        (["2001:db8:1::0/64"], [], None, "2001:db8:1::2"),
        (["10.0.0.0/30"], [], None, "10.0.0.2"),
        (["10.0.0.0/29"], ["10.0.0.2"], None, "10.0.0.3"),
        (["10.0.0.0/29"], [], "10.0.0.5", "10.0.0.6"),
        (["10.0.0.0/29"], ["10.0.0.4", "10.0.0.5"], "10.0.0.3", "10.0.0.6"),
        (["10.0.0.0/29"], ["10.0.0.6"], "10.0.0.5", "10.0.0.2"),
        (["10.0.0.0/29"], ["10.0.0.2"], "10.0.0.128", "10.0.0.3"),
        (["10.0.0.0/29"], ["10.0.0.2", "10.0.0.4", "10.0.0.5", "10.0.0.6"], "10.0.0.3", "10.0.0.3"),
        (["10.0.0.0/30", "10.0.1.0/30"], [], None, "10.0.0.2"),
        (["10.0.0.0/30", "10.0.1.0/30"], [], "10.0.0.2", "10.0.1.2"),
        (["10.0.0.0/30", "10.0.1.0/30", "10.0.2.0/30"], [], "10.0.2.2", "10.0.0.2"),
    ],
)
def test_allocates_round_robin(program, data, subnets, taken, last, expected):
    """allocator_test.go: should allocate ips in round robin"""
    prepare(data, taken, last)
    done = program.call("ADD", network(data, ranges=[one(*subnets)]), id="ID")
    assert done.addresses == [expected]
    assert tree(data / "mynet")["last_reserved_ip.0"] == expected.encode()


@pytest.mark.parametrize(
    "last, order",
    [
        (None, [2, 3, 4, 5, 6]),
        ("192.168.1.6", [2, 3, 4, 5, 6]),
        ("192.168.1.3", [4, 5, 6, 2, 3]),
    ],
)
def test_walks_the_range_once_around(program, data, last, order):
    """allocator_test.go: RangeIter should loop correctly from the beginning, the end, the middle; should
    not allocate the broadcast address"""
    prepare(data, last=last)
    config = network(data, subnet=BASE)
    got = [program.call("ADD", config, id=f"c{i}").addresses[0] for i in order]
    assert got == [f"192.168.1.{i}" for i in order]
    assert program.call("ADD", config, id="c7").rc == 1


def test_a_released_address_is_not_given_again_at_once(program, data):
    """allocator_test.go: should allocate in a round-robin fashion"""
    config = network(data, subnet=BASE)
    assert program.call("ADD", config, id="ID").addresses == ["192.168.1.2"]
    succeeds_silently(program.call("DEL", config, id="ID"))
    assert program.call("ADD", config, id="ID").addresses == ["192.168.1.3"]


def test_allocates_the_requested_ip(program, data):
    """allocator_test.go: must allocate the requested IP"""
    done = program.call("ADD", network(data, subnet=BASE), id="ID", args="IP=192.168.1.5")
    assert done.addresses == ["192.168.1.5"]


def test_fails_when_the_requested_ip_is_allocated(program, data):
    """allocator_test.go: must fail when the requested IP is allocated"""
    config = network(data, subnet=BASE)
    assert program.call("ADD", config, id="ID", args="IP=192.168.1.5").rc == 0
    before = tree(data / "mynet")
    done = program.call("ADD", config, id="ID", args="IP=192.168.1.5")
    assert done.msg == (
        "failed to allocate for range 0: requested IP address 192.168.1.5 is not available "
        "in range set 192.168.1.1-192.168.1.6"
    )
    if program.ours:
        assert tree(data / "mynet") == before


@pytest.mark.parametrize(
    "limits, address",
    [({"rangeEnd": "192.168.1.4"}, "192.168.1.5"), ({"rangeStart": "192.168.1.3"}, "192.168.1.2")],
)
def test_fails_when_the_requested_ip_is_outside_of_the_range(program, data, limits, address):
    """allocator_test.go: must return an error when the requested IP is after RangeEnd, before
    RangeStart"""
    done = program.call("ADD", network(data, subnet=BASE, **limits), args=f"IP={address}")
    assert (done.rc, done.msg) == (1, f"failed to allocate all requested IPs: {address}")


@pytest.mark.parametrize(
    "subnets, taken, text",
    [
        (["10.0.0.0/30"], ["10.0.0.2"], "10.0.0.1-10.0.0.2"),
        (["10.0.0.0/29"], [f"10.0.0.{i}" for i in range(2, 7)], "10.0.0.1-10.0.0.6"),
        (
            ["10.0.0.0/30", "10.0.1.0/30"],
            ["10.0.0.2", "10.0.1.2"],
            "10.0.0.1-10.0.0.2,10.0.1.1-10.0.1.2",
        ),
    ],
)
def test_says_so_when_out_of_ips(program, data, subnets, taken, text):
    """allocator_test.go: when out of ips, returns a meaningful error"""
    prepare(data, taken)
    before = tree(data / "mynet")
    done = program.call("ADD", network(data, ranges=[one(*subnets)]))
    assert done.rc == 1
    assert done.msg == (
        f"failed to allocate for range 0: no IP addresses available in range set: {text}"
    )
    assert tree(data / "mynet") == {**before, "lock": b""}


@pytest.mark.parametrize(
    "last, expected", [("192.168.1.3", "192.168.2.0"), (None, "192.168.1.0")]
)
def test_starts_in_the_next_range_when_one_ended(program, data, last, expected):
    """allocator_test.go: when lastReservedIP is at the end of one of multi ranges, should use the first
    IP of next range as startIP after Next; when no lastReservedIP, the first IP of the first range"""
    prepare(data, last=last)
    ranges = [
        {
            "subnet": f"192.168.{i}.0/24",
            "rangeStart": f"192.168.{i}.0",
            "rangeEnd": f"192.168.{i}.3",
            "gateway": "172.16.0.1",
        }
        for i in (1, 2)
    ]
    done = program.call("ADD", network(data, ranges=[ranges]))
    assert done.addresses == [expected]


# ---- config_test.go ----


def test_parses_an_old_style_config(program, data):
    """config_test.go: Should parse an old-style config"""
    config = network(
        data,
        subnet="10.1.2.0/24",
        rangeStart="10.1.2.9",
        rangeEnd="10.1.2.20",
        gateway="10.1.2.30",
    )
    done = program.call("ADD", config)
    assert result(done, "0.3.1")[0] == [("10.1.2.9/24", "10.1.2.30")]
    assert "10.1.2.9" in held(data / "mynet")


def test_parses_a_new_style_config(program, data):
    """config_test.go: Should parse a new-style config"""
    first = [
        {
            "subnet": "10.1.2.0/24",
            "rangeStart": "10.1.2.9",
            "rangeEnd": "10.1.2.20",
            "gateway": "10.1.2.30",
        },
        {"subnet": "10.1.4.0/24"},
    ]
    second = [
        {
            "subnet": "11.1.2.0/24",
            "rangeStart": "11.1.2.9",
            "rangeEnd": "11.1.2.20",
            "gateway": "11.1.2.30",
        }
    ]
    config = network(data, ranges=[first, second])
    assert result(program.call("ADD", config), "0.3.1")[0] == [
        ("10.1.2.9/24", "10.1.2.30"),
        ("11.1.2.9/24", "11.1.2.30"),
    ]
    done = program.call("ADD", config, id="c2", args="IP=10.1.4.254")  # the defaults' end
    assert result(done, "0.3.1")[0][0] == ("10.1.4.254/24", "10.1.4.1")


def test_parses_a_mixed_config_with_runtime_args(program, data):
    """config_test.go: Should parse a mixed config with runtime args"""
    config = network(
        data,
        top={
            "runtimeConfig": {
                "irrelevant": "a",
                "ipRanges": [one("12.1.3.0/24")],
            }
        },
        subnet="10.1.2.0/24",
        rangeStart="10.1.2.9",
        rangeEnd="10.1.2.20",
        gateway="10.1.2.30",
        ranges=[
            [
                {
                    "subnet": "11.1.2.0/24",
                    "rangeStart": "11.1.2.9",
                    "rangeEnd": "11.1.2.20",
                    "gateway": "11.1.2.30",
                }
            ]
        ],
    )
    assert result(program.call("ADD", config), "0.3.1")[0] == [
        ("12.1.3.2/24", "12.1.3.1"),
        ("10.1.2.9/24", "10.1.2.30"),
        ("11.1.2.9/24", "11.1.2.30"),
    ]


@pytest.mark.parametrize("text, address", [("10.1.2.10", "10.1.2.10"), ("10.1.2.11/24", "10.1.2.11")])
def test_parses_the_arguments_of_the_environment(program, data, text, address):
    """config_test.go: Should parse CNI_ARGS env without prefix, with prefix"""
    config = network(data, ranges=[one("10.1.2.0/24")])
    assert program.call("ADD", config, args=f"IP={text}").addresses == [address]


@pytest.mark.parametrize("prefixes", [("", "", "", ""), ("/24", "/24", "/24", "/64")])
def test_parses_the_arguments_of_the_config(program, data, prefixes):
    """config_test.go: Should parse config args without prefix, with prefix"""
    ips = ["10.1.2.10", "10.1.2.11", "11.11.11.11", "2001:db8:1::11"]
    texts = [ip + prefix for ip, prefix in zip(ips, prefixes)]
    config = network(
        data,
        top={"args": {"cni": {"ips": texts[1:]}}},
        ranges=[
            [{"subnet": "10.1.2.0/24", "rangeStart": "10.1.2.11", "rangeEnd": "10.1.2.20"}],
            [{"subnet": "10.1.2.0/24", "rangeStart": "10.1.2.9", "rangeEnd": "10.1.2.10"}],
            one("11.1.2.0/24"),
            one("2001:db8:1::/64"),
        ],
    )
    done = program.call("ADD", config, args=f"IP={texts[0]}")
    assert (done.rc, done.msg) == (1, "failed to allocate all requested IPs: 11.11.11.11")
    config["args"]["cni"]["ips"].remove(texts[2])
    done = program.call("ADD", config, args=f"IP={texts[0]}", id="c2")
    assert done.addresses == ["10.1.2.11", "10.1.2.10", done.addresses[2], "2001:db8:1::11"]
    assert done.addresses[2].startswith("11.1.2.")


@pytest.mark.parametrize(
    "ranges, version, text",
    [
        pytest.param(
            [one("10.1.2.0/24", "10.2.2.0/24"), one("10.1.0.0/22")],
            "0.3.1",
            "range set 0 overlaps with 1",
            id="Should detect overlap between rangesets",
        ),
        pytest.param(
            [one("10.1.0.0/22", "10.1.2.0/24")],
            "0.3.1",
            "invalid range set 0: subnets 10.1.0.1-10.1.3.254 and 10.1.2.1-10.1.2.254 overlap",
            id="Should detect overlap within rangeset",
        ),
        pytest.param(
            [one("10.1.0.0/22", "2001:db8:5::/64")],
            "0.3.1",
            "invalid range set 0: mixed address families",
            id="should error on rangesets with different families",
        ),
        pytest.param(
            [one("10.1.2.0/24"), one("10.1.3.0/24")],
            "0.2.0",
            "CNI version 0.2.0 does not support more than 1 address per family",
            id="Should should error on too many ranges",
        ),
    ],
)
def test_refuses_the_ranges(program, data, ranges, version, text):
    """config_test.go: see the ids"""
    done = program.call("ADD", network(data, version, ranges=ranges))
    assert (done.rc, done.msg) == (1, text)
    assert not (data / "mynet").exists()


def test_allows_one_v4_and_one_v6_range_for_0_2_0(program, data):
    """config_test.go: Should allow one v4 and v6 range for 0.2.0"""
    config = network(data, "0.2.0", ranges=[one("10.1.2.0/24"), one("2001:db8:1::/48")])
    assert program.call("ADD", config).rc == 0


def test_parses_custom_ips_of_the_runtime_configuration(program, data):
    """config_test.go: Should parse custom IPs from runtime configuration"""
    ips = ["192.168.0.1", "192.168.0.5/24", "2001:db8::1/64"]
    config = network(
        data,
        top={"runtimeConfig": {"ips": ips}},
        ranges=[
            [{"subnet": "192.168.0.0/24", "rangeStart": "192.168.0.4"}],
            [{"subnet": "192.168.0.0/24", "rangeEnd": "192.168.0.3", "gateway": "192.168.0.254"}],
            [{"subnet": "2001:db8::/64", "gateway": "2001:db8::ff"}],
        ],
    )
    done = program.call("ADD", config)
    assert done.addresses == ["192.168.0.5", "192.168.0.1", "2001:db8::1"]


# ---- range_test.go and range_set_test.go ----


@pytest.mark.parametrize(
    "subnet, first, end, gateway",
    [
        ("192.0.2.0/24", "192.0.2.2", "192.0.2.254", "192.0.2.1"),
        ("192.0.2.0/25", "192.0.2.2", "192.0.2.126", "192.0.2.1"),
        (
            "2001:DB8:1::/64",
            "2001:db8:1::2",
            "2001:db8:1:0:ffff:ffff:ffff:ffff",
            "2001:db8:1::1",
        ),
    ],
)
def test_defaults_of_a_range_are_sane(program, data, subnet, first, end, gateway):
    """range_test.go: should generate sane defaults for ipv4 with a clean prefix, for a smaller ipv4
    subnet, for ipv6 with a clean prefix"""
    config = network(data, subnet=subnet)
    done = program.call("ADD", config)
    length = subnet.split("/")[1]
    assert result(done, "0.3.1")[0] == [(f"{first}/{length}", gateway)]
    assert program.call("ADD", config, id="c2", args=f"IP={end}").addresses == [end]
    done = program.call("ADD", config, id="c3", args=f"IP={gateway}")
    assert done.msg == f"failed to allocate for range 0: requested ip {gateway} is subnet's gateway"


HOST_BITS = "Network has host bits set. For a subnet mask of length {} the network address is {}"


@pytest.mark.parametrize(
    "range_, text",
    [
        pytest.param({"subnet": "192.0.2.12/24"}, HOST_BITS.format(24, "192.0.2.0"),
                     id="should reject ipv4 subnet using a masked address"),
        pytest.param({"subnet": "2001:DB8:1::24:19ff:fee1:c44a/64"},
                     HOST_BITS.format(64, "2001:db8:1::"),
                     id="should reject ipv6 subnet using a masked address"),
        pytest.param({"subnet": "2001:DB8:24:19ff::/63"}, HOST_BITS.format(63, "2001:db8:24:19fe::"),
                     id="should reject ipv6 prefix with host bit set"),
        pytest.param({"subnet": "192.168.127.0/23"}, HOST_BITS.format(23, "192.168.126.0"),
                     id="should reject ipv4 network with host bit set"),
        pytest.param({"subnet": "192.0.2.0/31"}, "Network 192.0.2.0/31 too small to allocate from",
                     id="should reject a network that's too small"),
        pytest.param({"subnet": "192.0.2.0/24", "rangeStart": "192.0.3.0"},
                     "RangeStart 192.0.3.0 not in network 192.0.2.0/24",
                     id="should reject invalid RangeStart"),
        pytest.param({"subnet": "192.0.2.0/24", "rangeEnd": "192.0.4.0"},
                     "RangeEnd 192.0.4.0 not in network 192.0.2.0/24",
                     id="should reject invalid RangeEnd"),
        pytest.param({"subnet": "192.0.2.0/24", "rangeStart": "192.0.2.50", "rangeEnd": "192.0.2.40"},
                     "RangeStart 192.0.2.50 is after RangeEnd 192.0.2.40",
                     id="should reject RangeStart after RangeEnd"),
    ],
)
def test_rejects_the_range(program, data, range_, text):
    """range_test.go: see the ids"""
    done = program.call("ADD", network(data, ranges=[[range_]]))
    if not program.ours:  # misleading there
        text = text.replace("is after RangeEnd 192.0.2.40", "not in network 192.0.2.0/24")
    assert (done.rc, done.msg) == (1, f"invalid range set 0: {text}")
    assert not (data / "mynet").exists()


@pytest.mark.parametrize(
    "subnet, start, end, refused",
    [
        ("192.0.2.0/24", "192.0.2.40", "192.0.2.50", ["192.0.3.0", "192.0.2.39", "192.0.2.51"]),
        ("2001:DB8:1::/64", "2001:db8:1::40", "2001:db8:1::50",
         ["2001:db8:2::", "2001:db8:1::39", "2001:db8:1::51"]),
    ],
)
def test_bounds_of_a_range_are_inclusive(program, data, subnet, start, end, refused):
    """range_test.go: should parse all fields correctly; should accept v4 (v6) IPs in range and reject
    IPs out of range"""
    config = network(data, subnet=subnet, rangeStart=start, rangeEnd=end)
    for address in (start, end):
        done = program.call("ADD", config, id=f"c{address[-2:]}", args=f"IP={address}")
        assert done.addresses == [address]
    for address in refused:
        done = program.call("ADD", config, id="other", args=f"IP={address}")
        assert done.msg == f"failed to allocate all requested IPs: {address}"


@pytest.mark.parametrize("swapped", [False, True], ids=["in order", "swapped"])
@pytest.mark.parametrize(
    "a, b, overlap",
    [
        pytest.param({"subnet": "10.0.0.0/20"}, {"subnet": "10.16.0.0/20"}, False,
                     id="non-overlapping"),
        pytest.param({"subnet": "0.0.0.0/24"}, {"subnet": "::/24"}, False, id="different families"),
        pytest.param({"subnet": "10.0.0.0/20"}, {"subnet": "10.0.0.0/20"}, True, id="identical"),
        pytest.param({"subnet": "10.0.0.0/20"}, {"subnet": "10.0.1.0/24"}, True, id="containing"),
        pytest.param({"subnet": "10.0.0.0/24", "rangeEnd": "10.0.0.127"},
                     {"subnet": "10.0.0.0/24", "rangeStart": "10.0.0.128"}, False,
                     id="same subnet, no overlap"),
        pytest.param({"subnet": "10.0.0.0/24", "rangeEnd": "10.0.0.127"},
                     {"subnet": "10.0.0.0/24", "rangeStart": "10.0.0.127"}, True,
                     id="same subnet, overlap"),
    ],
)
def test_detects_overlap(program, data, a, b, overlap, swapped):
    """range_test.go: Detecting overlap, commutative; range_set_test.go: should discover overlaps outside
    a set"""
    ranges = [[b], [a]] if swapped else [[a], [b]]
    done = program.call("ADD", network(data, ranges=ranges))
    assert (done.rc == 1 and done.msg == "range set 0 overlaps with 1") == overlap
    assert done.rc == int(overlap)


def test_discovers_overlaps_within_a_set(program, data):
    """range_set_test.go: should discover overlaps within a set"""
    done = program.call("ADD", network(data, ranges=[one("192.168.0.0/20", "192.168.2.0/24")]))
    assert done.msg == (
        "invalid range set 0: subnets 192.168.0.1-192.168.15.254 and 192.168.2.1-192.168.2.254 overlap"
    )


def test_finds_the_range_of_a_set_that_an_address_is_in(program, data):
    """range_set_test.go: should detect set membership correctly"""
    config = network(data, ranges=[one("192.168.0.0/24", "172.16.1.0/24")])
    done = program.call("ADD", config, args="IP=172.16.1.7")
    assert result(done, "0.3.1")[0] == [("172.16.1.7/24", "172.16.1.1")]
    done = program.call("ADD", config, id="c2", args="IP=192.168.99.99")
    assert done.msg == "failed to allocate all requested IPs: 192.168.99.99"


# ---- lock_test.go ----


@pytest.mark.parametrize("verb", ["ADD", "DEL"])
def test_waits_for_the_lock_of_the_directory(program, data, verb):
    """lock_test.go: locks a file path, locks a folder path (that is `lock` below it)"""
    prepare(data)
    with open(data / "mynet" / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        process = start(verb, network(data, subnet=BASE), binary=program.path)
        wait_for_waiter(process, data / "mynet" / "lock")
        assert process.poll() is None
        assert held(data / "mynet") == {}
        fcntl.flock(lock, fcntl.LOCK_UN)
        assert finish(process).rc == 0
