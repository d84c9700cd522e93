# SPDX-License-Identifier: Apache-2.0
"""Scenarios S1 to S24 of the behaviour specification: stdout to the byte, and the directory.

Each runs against ours and against the Go program, so that an expectation cannot be wrong for both.
Where the Go program is known to be defective the test says so and expects two different things.
"""

import pytest

from harness import UNPRIVILEGED, fill, held, tree

CURSOR = "last_reserved_ip.0"

ROUTES = [
    {"dst": "0.0.0.0/0", "mtu": 1400, "table": 0},
    {"dst": "2001:db8:2::5/64", "gw": "2001:db8:3::1"},
    {"dst": "::/0"},
]

S1_RESULT = b"""{
    "cniVersion": "1.1.0",
    "ips": [
        {
            "address": "10.1.2.2/29",
            "gateway": "10.1.2.1"
        }
    ],
    "routes": [
        {
            "advmss": 1360,
            "dst": "0.0.0.0/0",
            "mtu": 1400,
            "scope": 253,
            "table": 0
        },
        {
            "dst": "192.168.0.0/16",
            "gw": "1.1.1.1"
        }
    ]
}"""

S5_RESULT = b"""{
    "cniVersion": "0.2.0",
    "ip4": {
        "ip": "10.1.2.2/24",
        "gateway": "10.1.2.1",
        "routes": [
            {
                "dst": "0.0.0.0/0"
            }
        ]
    },
    "ip6": {
        "ip": "2001:db8:1::2/64",
        "gateway": "2001:db8:1::1",
        "routes": [
            {
                "dst": "2001:db8:2::5/64",
                "gw": "2001:db8:3::1"
            },
            {
                "dst": "::/0"
            }
        ]
    },
    "dns": {
        "nameservers": [
            "192.0.2.3"
        ],
        "search": [
            "a.example",
            "b.example"
        ],
        "options": [
            "ndots:2"
        ]
    }
}"""

S6_RESULT = b"""{
    "cniVersion": "0.4.0",
    "ips": [
        {
            "version": "4",
            "address": "10.1.2.2/24",
            "gateway": "10.1.2.1"
        },
        {
            "version": "6",
            "address": "2001:db8:1::2/64",
            "gateway": "2001:db8:1::1"
        }
    ],
    "routes": [
        {
            "dst": "0.0.0.0/0",
            "mtu": 1400,
            "table": 0
        },
        {
            "dst": "2001:db8:2::5/64",
            "gw": "2001:db8:3::1"
        },
        {
            "dst": "::/0"
        }
    ],
    "dns": {
        "nameservers": [
            "192.0.2.3"
        ],
        "search": [
            "a.example",
            "b.example"
        ],
        "options": [
            "ndots:2"
        ]
    }
}"""

S7_RESULT = b"""{
    "cniVersion": "1.1.0",
    "dns": {
        "nameservers": [
            "192.0.2.3"
        ],
        "options": [
            "ndots:2"
        ],
        "search": [
            "a.example",
            "b.example"
        ]
    },
    "ips": [
        {
            "address": "10.1.2.2/24",
            "gateway": "10.1.2.1"
        },
        {
            "address": "2001:db8:1::2/64",
            "gateway": "2001:db8:1::1"
        }
    ],
    "routes": [
        {
            "dst": "0.0.0.0/0",
            "mtu": 1400,
            "table": 0
        },
        {
            "dst": "2001:db8:2::5/64",
            "gw": "2001:db8:3::1"
        },
        {
            "dst": "::/0"
        }
    ]
}"""

S8_RESULT = b"""{
    "cniVersion": "0.4.0",
    "ips": [
        {
            "version": "4",
            "address": "10.1.2.2/24",
            "gateway": "10.1.2.1"
        }
    ],
    "dns": {}
}"""

S9_RESULT = b"""{
    "cniVersion": "1.1.0",
    "ips": [
        {
            "address": "10.9.0.2/24",
            "gateway": "10.9.0.1"
        },
        {
            "address": "10.1.0.77/24",
            "gateway": "10.1.0.1"
        },
        {
            "address": "10.2.0.9/24",
            "gateway": "10.2.0.1"
        },
        {
            "address": "10.3.0.7/24",
            "gateway": "10.3.0.1"
        }
    ]
}"""


def network(data, version="1.1.0", name="mynet", **ipam):
    return {
        "cniVersion": version,
        "name": name,
        "ipam": {"type": "host-local", "dataDir": str(data), **ipam},
    }


def s1(data):
    return network(
        data,
        subnet="10.1.2.0/29",
        routes=[
            {"dst": "0.0.0.0/0", "mtu": 1400, "advmss": 1360, "priority": 0, "table": 0, "scope": 253},
            {"dst": "192.168.0.0/16", "gw": "1.1.1.1"},
        ],
    )


def dual(data, version):
    resolv = data / "resolv.conf"
    resolv.write_text("nameserver 192.0.2.3\nsearch a.example b.example\noptions ndots:2\n")
    return network(
        data,
        version,
        resolvConf=str(resolv),
        ranges=[[{"subnet": "10.1.2.0/24"}], [{"subnet": "2001:db8:1::/64"}]],
        routes=ROUTES,
    )


def silent(outcome):
    return (outcome.rc, outcome.out) == (0, b"")


def test_s1_add_with_the_legacy_form_prints_the_address_and_all_route_members(program, data):
    done = program.call("ADD", s1(data))
    assert (done.rc, done.out, done.err) == (0, S1_RESULT, b"")
    assert tree(data / "mynet") == {"10.1.2.2": b"c1\r\neth0", CURSOR: b"10.1.2.2", "lock": b""}


def test_s2_the_same_add_again_is_a_duplicate(program, data):
    program.call("ADD", s1(data))
    before = tree(data / "mynet")
    done = program.call("ADD", s1(data))
    assert done.rc == 1
    assert done.out == program.error(
        999,
        "failed to allocate for range 0: 10.1.2.2 has been allocated to c1, "
        "duplicate allocation is not allowed",
    )
    assert tree(data / "mynet") == before


def test_s3_check_finds_the_owner_and_nobody_else(program, data):
    program.call("ADD", s1(data))
    assert silent(program.call("CHECK", s1(data)))
    done = program.call("CHECK", s1(data), id="c2")
    assert done.rc == 1
    assert done.out == program.error(
        999, "host-local: Failed to find address added by container c2"
    )


def test_s4_del_may_be_repeated_and_may_name_a_stranger(program, data):
    program.call("ADD", s1(data))
    assert silent(program.call("DEL", s1(data)))
    assert silent(program.call("DEL", s1(data)))
    assert silent(program.call("DEL", s1(data), id="c2"))
    assert tree(data / "mynet") == {CURSOR: b"10.1.2.2", "lock": b""}


@pytest.mark.parametrize(
    "version, result",
    [
        ("0.2.0", S5_RESULT),
        ("0.1.0", S5_RESULT.replace(b"0.2.0", b"0.1.0")),
        ("0.4.0", S6_RESULT),
        ("0.3.0", S6_RESULT.replace(b"0.4.0", b"0.3.0")),
        ("0.3.1", S6_RESULT.replace(b"0.4.0", b"0.3.1")),
        ("1.1.0", S7_RESULT),
        ("1.0.0", S7_RESULT.replace(b"1.1.0", b"1.0.0")),
    ],
)
def test_s5_s6_s7_dual_stack_with_routes_and_dns(program, data, version, result):
    done = program.call("ADD", dual(data, version))
    assert (done.rc, done.out) == (0, result)
    assert tree(data / "mynet") == {
        "10.1.2.2": b"c1\r\neth0",
        "2001:db8:1::2": b"c1\r\neth0",
        "last_reserved_ip.0": b"10.1.2.2",
        "last_reserved_ip.1": b"2001:db8:1::2",
        "lock": b"",
    }


def test_s8_an_empty_dns_object_is_printed_up_to_0_4_0(program, data):
    done = program.call("ADD", network(data, "0.4.0", ranges=[[{"subnet": "10.1.2.0/24"}]]))
    assert (done.rc, done.out) == (0, S8_RESULT)


def test_s9_four_sets_from_three_places_and_requests_from_three_places(program, data):
    config = {
        "cniVersion": "1.1.0",
        "name": "n",
        "runtimeConfig": {"ips": ["10.2.0.9/24"], "ipRanges": [[{"subnet": "10.9.0.0/24"}]]},
        "args": {"cni": {"ips": ["10.3.0.7"]}},
        "ipam": {
            "dataDir": str(data),
            "subnet": "10.1.0.0/24",
            "ranges": [[{"subnet": "10.2.0.0/24"}], [{"subnet": "10.3.0.0/24"}]],
        },
    }
    done = program.call("ADD", config, args="IgnoreUnknown=1;IP=10.1.0.77;K8S_POD_NAME=x")
    assert (done.rc, done.out) == (0, S9_RESULT)
    addresses = ["10.9.0.2", "10.1.0.77", "10.2.0.9", "10.3.0.7"]
    assert tree(data / "n") == {
        **{ip: b"c1\r\neth0" for ip in addresses},
        **{f"last_reserved_ip.{i}": ip.encode() for i, ip in enumerate(addresses)},
        "lock": b"",
    }


def plain(data):
    return {"cniVersion": "1.1.0", "name": "mynet",
            "ipam": {"dataDir": str(data), "subnet": "10.1.2.0/24"}}


def test_s10_a_requested_address_outside_of_all_ranges(program, data):
    done = program.call("ADD", plain(data), args="IP=10.1.2.0")
    assert done.rc == 1
    assert done.out == program.error(999, "failed to allocate all requested IPs: 10.1.2.0")
    assert held(data / "mynet") == {}
    # The Go program reserves an address before it notices, and moves the cursor.
    assert (CURSOR in tree(data / "mynet")) == (not program.ours)


def test_s11_the_gateway_is_not_given_away_on_request(program, data):
    done = program.call("ADD", plain(data), args="IP=10.1.2.1")
    assert done.rc == 1
    assert done.out == program.error(
        999, "failed to allocate for range 0: requested ip 10.1.2.1 is subnet's gateway"
    )
    assert set(tree(data / "mynet")) <= {"lock"}


def test_s12_a_full_range_says_so(program, data):
    config = network(data, name="n", subnet="10.0.0.0/30")
    assert program.call("ADD", config).rc == 0
    before = tree(data / "n")
    done = program.call("ADD", config, id="c2")
    assert done.rc == 1
    assert done.out == program.error(
        999,
        "failed to allocate for range 0: "
        "no IP addresses available in range set: 10.0.0.1-10.0.0.2",
    )
    assert tree(data / "n") == before


def test_s13_a_full_second_set_leaves_nothing_of_the_first(program, data):
    config = network(data, ranges=[[{"subnet": "10.1.2.0/24"}], [{"subnet": "10.2.2.0/30"}]])
    assert program.call("ADD", config).rc == 0
    before = tree(data / "mynet")
    done = program.call("ADD", config, id="c2")
    assert done.rc == 1
    assert done.out == program.error(
        999,
        "failed to allocate for range 1: "
        "no IP addresses available in range set: 10.2.2.1-10.2.2.2",
    )
    # The Go program's failed ADD moves the first set's cursor.
    assert tree(data / "mynet") == (before if program.ours else {**before, CURSOR: b"10.1.2.3"})


def test_s14_unknown_arguments_are_refused(program, data):
    done = program.call("ADD", plain(data), args="IP=10.1.2.5;FOO=bar")
    assert done.rc == 1
    assert done.out == program.error(4, 'ARGS: unknown args ["FOO=bar"]')
    assert tree(data / "mynet") == {}


@pytest.mark.parametrize("verb", ["ADD", "DEL"])
def test_s15_an_unknown_version_is_refused(program, data, verb):
    done = program.call(verb, network(data, "0.5.0", subnet="10.1.2.0/24"))
    assert done.rc == 1
    assert done.out == b"""{
    "code": 1,
    "msg": "incompatible CNI versions",
    "details": "config is \\"0.5.0\\", plugin supports [\\"0.1.0\\" \\"0.2.0\\" \\"0.3.0\\" \\"0.3.1\\" \\"0.4.0\\" \\"1.0.0\\" \\"1.1.0\\"]"
}"""


def test_s16_check_needs_0_4_0(program, data):
    done = program.call("CHECK", network(data, "0.3.1", subnet="10.1.2.0/24"))
    assert done.rc == 1
    assert done.out == program.error(1, "config version does not allow CHECK", go=1)


def test_s17_gc_without_ipam_and_without_a_list_has_nothing_to_do(program):
    assert silent(program.call("GC", {"cniVersion": "1.1.0", "name": "mynet"}))


def test_s17_status_without_ipam_cannot_serve(program):
    done = program.call("STATUS", {"cniVersion": "1.1.0", "name": "mynet"})
    if program.ours:
        assert (done.rc, done.out) == (1, program.error(50, "IPAM config missing 'ipam' key"))
    else:  # not implemented there: always success
        assert silent(done)


def test_s18_all_missing_variables_are_named(program):
    nothing = dict.fromkeys(
        ["CNI_CONTAINERID", "CNI_NETNS", "CNI_IFNAME", "CNI_PATH", "CNI_ARGS"]
    )
    done = program.call("ADD", {"cniVersion": "1.1.0", "name": "mynet"}, env=nothing)
    assert done.rc == 1
    assert done.out == program.error(
        4,
        "required env variables [CNI_CONTAINERID,CNI_NETNS,CNI_IFNAME,CNI_PATH] missing",
        go=4,
    )


def test_s19_the_network_needs_a_good_name(program):
    done = program.call("ADD", {})
    assert (done.rc, done.out) == (1, program.error(7, "missing network name", go=7))
    done = program.call("ADD", {"name": "a/b"})
    assert done.rc == 1
    assert done.out == program.error(7, "invalid characters found in network name", "a/b", go=7)


def test_s20_empty_address_files_do_not_lose_their_addresses(program, data):
    (data / "mynet").mkdir()
    for last in range(2, 7):
        (data / "mynet" / f"10.1.2.{last}").touch()
    done = program.call("ADD", s1(data))
    if program.ours:
        assert (done.rc, done.out) == (0, S1_RESULT)
        assert held(data / "mynet")["10.1.2.2"] == b"c1\r\neth0"
    else:  # lost for good there
        assert done.out == program.error(
            999,
            "failed to allocate for range 0: "
            "no IP addresses available in range set: 10.1.2.1-10.1.2.6",
        )
    assert silent(program.call("DEL", s1(data)))


def test_s21_an_attachment_to_the_own_namespace_is_refused_before_anything_happens(program, data):
    done = program.call("ADD", s1(data), netns="/proc/self/ns/net")
    refused = program.error(
        8, "plugin's netns and netns from CNI_NETNS should not be the same", go=8
    )
    assert done.rc == 1
    if program.ours:
        assert done.out == refused
        assert held(data / "mynet") == {}
    else:  # two objects on stdout, and the address leaks
        assert done.out == S1_RESULT + refused


def test_s22_a_file_of_the_old_form_belongs_to_every_interface_of_its_container(program, data):
    (data / "mynet").mkdir()
    (data / "mynet" / "10.1.2.3").write_bytes(b"c1")
    assert silent(program.call("CHECK", s1(data), ifname="eth5"))
    done = program.call("ADD", s1(data), ifname="eth7")
    assert done.rc == 1
    assert done.out == program.error(
        999,
        "failed to allocate for range 0: 10.1.2.3 has been allocated to c1, "
        "duplicate allocation is not allowed",
    )
    assert held(data / "mynet") == {"10.1.2.3": b"c1"}
    assert silent(program.call("DEL", s1(data), ifname="eth9"))
    assert held(data / "mynet") == {}


def test_s23_a_failing_add_does_not_free_what_an_earlier_one_holds(program, data):
    config = network(data, ranges=[[{"subnet": "10.1.2.0/24"}], [{"subnet": "10.2.2.0/24"}]])
    assert program.call("ADD", config).addresses == ["10.1.2.2", "10.2.2.2"]
    before = tree(data / "mynet")
    done = program.call("ADD", config, args="IP=10.1.2.99")
    assert done.rc == 1
    assert done.out == program.error(
        999,
        "failed to allocate for range 1: 10.2.2.2 has been allocated to c1, "
        "duplicate allocation is not allowed",
    )
    if program.ours:
        assert tree(data / "mynet") == before
    else:  # the rollback there frees all that the container has
        assert held(data / "mynet") == {}


def test_s24_a_data_directory_below_a_file(program, data):
    (data / "file").touch()
    done = program.call("ADD", network(data / "file", subnet="10.1.2.0/24"))
    assert done.rc == 1
    assert done.msg == f"mkdir {data}/file: not a directory"
    assert done.code == (5 if program.ours else 999)


def test_s24_a_lock_that_is_a_directory(program, data):
    (data / "mynet" / "lock").mkdir(parents=True)
    done = program.call("ADD", s1(data))
    assert (done.rc, done.msg) == (1, "is a directory")
    assert done.code == (5 if program.ours else 999)
    assert held(data / "mynet") == {}


def test_s24_a_directory_that_may_not_be_used(program, data):
    (data / "mynet").mkdir()
    (data / "mynet").chmod(0)
    done = program.call("ADD", s1(data), wrap=UNPRIVILEGED)
    assert (done.rc, done.msg) == (1, "permission denied")
    assert done.code == (5 if program.ours else 999)
    assert tree(data / "mynet") == {}


def test_s24_a_full_disk_while_the_owner_is_written(program, tiny_disk):
    (tiny_disk / "n").mkdir()
    (tiny_disk / "n" / "lock").touch()
    fill(tiny_disk)
    done = program.call("ADD", network(tiny_disk, name="n", subnet="10.1.2.0/24"))
    assert done.rc == 1
    assert done.msg == (
        f"failed to allocate for range 0: write {tiny_disk}/n/10.1.2.2: "
        "no space left on device"
    )
    assert done.code == (5 if program.ours else 999)
    assert held(tiny_disk / "n") == {}
