# SPDX-License-Identifier: Apache-2.0
"""The result of an ADD in each CNI version, to the byte, against files in tests/data.

There are three layouts: 0.1 (ip4, ip6), 0.3 (ips with a version) and 1.0 (sorted). A golden file
result-CASE-LAYOUT.json ends with a newline, which a result does not, and has VERSION for the version.
The Go program has to produce the same bytes.
"""

import pytest

from harness import REPO

LAYOUTS = {
    None: "0.1",  # no cniVersion at all
    "": "0.1",
    "0.1.0": "0.1",
    "0.2.0": "0.1",
    "0.3.0": "0.3",
    "0.3.1": "0.3",
    "0.4.0": "0.3",
    "1.0.0": "1.0",
    "1.1.0": "1.0",
}

V4 = [{"subnet": "10.1.2.0/24"}]
V6 = [{"subnet": "2001:db8:1::/64"}]

# resolv.conf with what the encoder has to escape: HTML's three, quotes, control characters, bytes that
# are not UTF-8.
STRANGE = b'search <b>&"\\ \x01\x08\x1f\x7f \xe2\x82\xac\xff/\n'

CASES = {
    # One address and nothing else.
    "plain": ({"ranges": [V4]}, None),
    # Both families, routes with all members and with zeroes, all of dns.
    "full": (
        {
            "ranges": [V4, V6],
            "routes": [
                {"dst": "0.0.0.0/0", "gw": "10.1.2.254", "mtu": 1400, "advmss": 1360,
                 "priority": 100, "table": 50, "scope": 253},
                {"dst": "10.9.9.9/16", "mtu": 0, "advmss": 0, "priority": 0, "table": 0, "scope": 0},
                {"dst": "::/0", "gw": "2001:db8:1::fe", "priority": -1},
                {"dst": "2001:db8:2::5/64", "table": 9007199254740992},
            ],
        },
        b"nameserver 192.0.2.3\nnameserver 2001:db8::53\ndomain example.org\n"
        b"search a.example b.example\nsearch c.example\noptions ndots:2 edns0\n",
    ),
    # Routes of a family that has no address; a gateway of the other family.
    "alien": (
        {
            "ranges": [[{"subnet": "2001:db8:1::/64", "gateway": "10.1.2.1"}]],
            "routes": [{"dst": "192.168.0.0/16", "gw": "2001:db8:1::1"}, {"dst": "::/0"}],
        },
        None,
    ),
    "strange": ({"ranges": [V4]}, STRANGE),
    # Several sets of one family, set order mixed: only from 0.3.0 on.
    "many": (
        {"ranges": [V6, V4, [{"subnet": "10.3.0.0/16", "rangeStart": "10.3.4.5",
                              "gateway": "192.0.2.1"}]]},
        None,
    ),
}


def cases():
    for case in CASES:
        for version, layout in LAYOUTS.items():
            if (case, layout) != ("many", "0.1"):
                yield pytest.param(case, version, layout, id=f"{case}-{version}")


@pytest.mark.parametrize("case, version, layout", cases())
def test_the_result_of_add_is_the_golden_one(program, data, case, version, layout):
    ipam, resolv = CASES[case]
    config = {"name": "net", "ipam": {"type": "host-local", "dataDir": str(data), **ipam}}
    if version is not None:
        config["cniVersion"] = version
    if resolv is not None:
        (data / "resolv.conf").write_bytes(resolv)
        config["ipam"]["resolvConf"] = str(data / "resolv.conf")
    golden = (REPO / f"tests/data/result-{case}-{layout}.json").read_bytes()
    done = program.call("ADD", config)
    assert (done.rc, done.err) == (0, b"")
    assert done.out + b"\n" == golden.replace(b"VERSION", (version or "0.1.0").encode())
