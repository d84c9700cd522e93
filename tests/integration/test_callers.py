# SPDX-License-Identifier: Apache-2.0
"""Called by real main plugins: bridge, macvlan and ptp, in namespaces of the test's own.

One namespace plays the host and one the container, so that bridges, forwarding and addresses never
touch the machine's. The plugins of Debian speak up to 1.0.0, the current release 1.1.0 with STATUS.
"""

import contextlib
import itertools
import json
import os
import pathlib
import subprocess

import pytest

from harness import CACHE, HOST_LOCAL, call, held, program, snapshot, tree

NUMBERS = itertools.count()

PLUGINS = {
    "bridge": {"bridge": "br0", "isGateway": True},
    "macvlan": {"master": "vm0"},
    "ptp": {},
}
DEBIAN = [
    *((plugin, "0.2.0") for plugin in ("bridge", "ptp")),
    *((plugin, version) for version in ("0.3.1", "0.4.0", "1.0.0") for plugin in PLUGINS),
]
CURRENT = [(plugin, "1.1.0") for plugin in PLUGINS]


def main_plugin(name, version):
    """The main plugin that speaks this version."""
    if version == "1.1.0":
        return program("PEER_MAIN_DIR", CACHE / "peers/main-v1.9.1").joinpath(name)
    return program("PEER_MAIN_DIR_DEBIAN", "/usr/lib/cni").joinpath(name)


def ip(*args):
    done = subprocess.run(["ip", *args], capture_output=True, text=True, check=False, timeout=30)
    assert done.returncode == 0, f"ip {' '.join(args)}: {done.stderr}"
    return done.stdout


class Lan:
    """A host and a container, as namespaces, with our host-local in the host's CNI_PATH."""

    def __init__(self, host, container, bin, data):
        self.host, self.container, self.bin, self.data = host, container, bin, data
        self.netns = f"/run/netns/{container}"

    def call(self, verb, plugin, config, **kwargs):
        kwargs.setdefault("netns", self.netns)
        return call(
            verb,
            config,
            binary=main_plugin(plugin, config["cniVersion"]),
            wrap=("ip", "netns", "exec", self.host),
            env={"CNI_PATH": os.fspath(self.bin)},
            args="IgnoreUnknown=1;K8S_POD_NAMESPACE=ns;K8S_POD_NAME=pod",
            **kwargs,
        )

    def config(self, plugin, version, top=None, **ipam):
        ranges = [[{"subnet": "10.88.7.0/24"}], [{"subnet": "fd00:88::/64"}]]
        # With gateways: the CHECK of Debian's plugins does not find routes that had none.
        routes = [
            {"dst": "192.0.2.0/24", "gw": "10.88.7.1"},
            {"dst": "2001:db8::/32", "gw": "fd00:88::1"},
        ]
        return {
            "cniVersion": version,
            "name": "lan",
            "type": plugin,
            **PLUGINS[plugin],
            "ipam": {
                "type": "host-local",
                "dataDir": str(self.data),
                "ranges": ranges,
                "routes": routes,
                **ipam,
            },
            **(top or {}),
        }

    def addresses(self, ifname="eth0"):
        """What the kernel says is on the container's interface; [] without one."""
        links = json.loads(ip("-n", self.container, "-j", "addr") or "[]")
        return [
            f"{a['local']}/{a['prefixlen']}"
            for link in links
            if link.get("ifname") == ifname
            for a in link["addr_info"]
            if a["scope"] == "global"
        ]

    def interfaces(self):
        links = json.loads(ip("-n", self.container, "-j", "link") or "[]")
        return [link["ifname"] for link in links if link["ifname"] != "lo"]


@pytest.fixture
def lan(mount, tmp_path, data):
    """The namespaces have names in a mount of our own: a test that is killed leaves nothing."""
    pathlib.Path("/run/netns").mkdir(exist_ok=True)
    mount("-t", "tmpfs", "tmpfs", "/run/netns")
    bin = tmp_path / "bin"
    bin.mkdir()
    (bin / "host-local").symlink_to(HOST_LOCAL)
    number = f"{os.getpid()}-{next(NUMBERS)}"
    names = [f"cni-ipam-h{number}", f"cni-ipam-c{number}"]
    with contextlib.ExitStack() as stack:
        for name in names:
            ip("netns", "add", name)
            stack.callback(ip, "netns", "del", name)
            ip("-n", name, "link", "set", "lo", "up")
            # Nobody else is on these links: do not wait for duplicates of IPv6 addresses.
            ip("netns", "exec", name, "sh", "-c",
               "for f in all default; do echo 0 >/proc/sys/net/ipv6/conf/$f/accept_dad; done")
        ip("-n", names[0], "link", "add", "vm0", "type", "veth", "peer", "name", "vm1")
        for link in ("vm0", "vm1"):
            ip("-n", names[0], "link", "set", link, "up")
        yield Lan(*names, bin, data)


def silent(outcome):
    assert (outcome.rc, outcome.out) == (0, b""), outcome


def owner(container="c1"):
    return f"{container}\r\neth0".encode()


@pytest.mark.parametrize("plugin, version", DEBIAN + CURRENT)
def test_a_container_comes_and_goes(lan, plugin, version):
    config = lan.config(plugin, version)
    if version == "1.1.0":
        silent(lan.call("STATUS", plugin, config))

    added = lan.call("ADD", plugin, config)
    assert added.rc == 0, added
    assert added.addresses == ["10.88.7.2", "fd00:88::2"]
    assert lan.addresses() == ["10.88.7.2/24", "fd00:88::2/64"]
    assert held(lan.data / "lan") == {"10.88.7.2": owner(), "fd00:88::2": owner()}
    routes = ip("-n", lan.container, "route") + ip("-n", lan.container, "-6", "route")
    assert "192.0.2.0/24 via 10.88.7.1" in routes and "2001:db8::/32 via fd00:88::1" in routes

    known = {**config, "prevResult": added.json()}
    if version in ("0.4.0", "1.0.0", "1.1.0"):
        silent(lan.call("CHECK", plugin, known))
        (lan.data / "lan" / "10.88.7.2").unlink()
        (lan.data / "lan" / "fd00:88::2").unlink()
        checked = lan.call("CHECK", plugin, known)
        assert (checked.rc, checked.code) == (1, 999)
        assert checked.msg == "host-local: Failed to find address added by container c1"
        for address in ("10.88.7.2", "fd00:88::2"):
            (lan.data / "lan" / address).write_bytes(owner())
    if version in ("0.2.0", "0.3.1"):
        known = config  # runtimes pass no result to DEL there

    silent(lan.call("DEL", plugin, known))
    assert held(lan.data / "lan") == {}
    assert lan.interfaces() == []
    silent(lan.call("DEL", plugin, known))
    silent(lan.call("DEL", plugin, known, netns=""))

    again = lan.call("ADD", plugin, config, id="c2")
    assert again.addresses == ["10.88.7.3", "fd00:88::3"]
    assert lan.addresses() == ["10.88.7.3/24", "fd00:88::3/64"]
    silent(lan.call("DEL", plugin, config, id="c2"))
    assert held(lan.data / "lan") == {}


@pytest.mark.parametrize("plugin, version", [*((p, "1.0.0") for p in PLUGINS), *CURRENT])
def test_an_add_that_fails_behind_us_leaves_nothing(lan, plugin, version):
    """The main plugin cannot install this route, and calls our DEL."""
    routes = [{"dst": "198.51.100.0/24", "gw": "203.0.113.1"}]
    config = lan.config(plugin, version, routes=routes)
    failed = lan.call("ADD", plugin, config)
    assert failed.rc == 1 and "198.51.100.0" in failed.msg
    assert held(lan.data / "lan") == {}
    assert "10.88.7.2" in tree(lan.data / "lan")["last_reserved_ip.0"].decode()
    silent(lan.call("DEL", plugin, config))
    assert held(lan.data / "lan") == {}


@pytest.mark.parametrize("plugin, version", [*((p, "0.4.0") for p in PLUGINS), *CURRENT])
def test_our_error_reaches_the_runtime_as_it_is(lan, plugin, version):
    config = lan.config(plugin, version, ranges=[[{"subnet": "10.88.7.0/30"}]])
    (lan.data / "lan").mkdir()
    (lan.data / "lan" / "10.88.7.2").write_bytes(owner("other"))
    failed = lan.call("ADD", plugin, config)
    assert (failed.rc, failed.code) == (1, 999)
    assert failed.msg == ("failed to allocate for range 0: no IP addresses available in range set: "
                          "10.88.7.1-10.88.7.2")
    assert held(lan.data / "lan") == {"10.88.7.2": owner("other")}
    silent(lan.call("DEL", plugin, config))
    assert lan.interfaces() == []
    assert held(lan.data / "lan") == {"10.88.7.2": owner("other")}


@pytest.mark.parametrize("plugin, version", CURRENT)
def test_status_is_forwarded(lan, plugin, version):
    config = lan.config(plugin, version, ranges=[[{"subnet": "10.88.7.0/30"}]])
    (lan.data / "lan").mkdir()
    (lan.data / "lan" / "10.88.7.2").write_bytes(owner("other"))
    silent(lan.call("STATUS", plugin, config))
    config["ipam"]["strictStatus"] = True
    failed = lan.call("STATUS", plugin, config)
    assert (failed.rc, failed.code) == (1, 50)
    assert failed.msg == "no IP addresses available in range set: 10.88.7.1-10.88.7.2"


@pytest.mark.parametrize("plugin, version", [("bridge", "1.0.0"), ("bridge", "1.1.0")])
def test_two_interfaces_of_one_container(lan, plugin, version):
    config = lan.config(plugin, version, routes=[])
    assert lan.call("ADD", plugin, config).rc == 0
    second = lan.call("ADD", plugin, config, ifname="net1")
    assert second.addresses == ["10.88.7.3", "fd00:88::3"]
    silent(lan.call("DEL", plugin, config))
    assert lan.interfaces() == ["net1"]
    assert set(held(lan.data / "lan").values()) == {b"c1\r\nnet1"}
    silent(lan.call("DEL", plugin, config, ifname="net1"))
    assert held(lan.data / "lan") == {}


@pytest.fixture
def default_data(tmp_path, mount):
    """The default data directory, with something of the test's in its place."""
    place = pathlib.Path("/var/lib/cni")
    if not place.is_dir():
        place = pathlib.Path("/var/lib")
    mount("-t", "tmpfs", "tmpfs", place)
    return pathlib.Path("/var/lib/cni/networks")


def test_the_default_data_directory(default_data):
    config = {"cniVersion": "1.1.0", "name": "lan",
              "ipam": {"type": "host-local", "dataDir": "", "subnet": "10.88.7.0/24"}}
    assert call("ADD", config).rc == 0
    assert held(default_data / "lan") == {"10.88.7.2": owner()}
    del config["ipam"]["dataDir"]
    silent(call("CHECK", config))
    silent(call("DEL", config))
    assert held(default_data / "lan") == {}


@pytest.mark.parametrize("version", ["0.3.1", "1.0.0", "1.1.0"])
def test_multus_cluster_network(lan, default_data, version):
    """Multus has no ranges for the DEL of a clusterNetwork whose file is gone: the ipam that arrives is
    {"type": "host-local"}. The Go program refuses that and leaks the address."""
    config = lan.config("bridge", version)
    del config["ipam"]["dataDir"]
    assert lan.call("ADD", "bridge", config).rc == 0
    assert held(default_data / "lan") == {"10.88.7.2": owner(), "fd00:88::2": owner()}
    bare = {"cniVersion": version, "name": "lan", "type": "bridge", "bridge": "br0",
            "ipam": {"type": "host-local"}}
    before = snapshot(lan.data)
    silent(lan.call("DEL", "bridge", bare))
    assert held(default_data / "lan") == {}
    assert lan.interfaces() == []
    silent(call("DEL", bare))
    assert snapshot(lan.data) == before
