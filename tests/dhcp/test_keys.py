# SPDX-License-Identifier: Apache-2.0
"""The keys and flags that the Go program does not have, each seen where it acts."""

import hashlib
import time

import pytest

import wire
from harness import eventually
from scripted import Plain, Scripted
from wire import NOBODY, route

SUPPRESS = route("192.168.50.0/24", "10.66.0.9") + route("0.0.0.0/0", "10.66.0.1")


def renewal(message):
    return message.type == "REQUEST" and message.ciaddr != NOBODY


def digest(text):
    return hashlib.sha256(text.encode()).digest()


def identifiers(container):
    """Each mode of clientID and the bytes that it means."""
    text = f"{container.id}/net/eth0"
    duid = b"\0\4" + digest(f"{container.id}\0net")[:16]
    return {
        "default": b"\0" + text.encode(),
        "mac": b"\1" + wire.mac(container.mac),
        "duid": b"\xff" + digest("eth0")[:4] + duid,
        "hash": b"\0" + digest(text)[:16],
        "text:my name": b"\0my name",
        "hex:01aabbccddeeff": bytes.fromhex("01aabbccddeeff"),
    }


@pytest.mark.parametrize("mode", ["default", "mac", "duid", "hash", "text:my name", "hex:01aabbccddeeff"])
def test_an_identifier_is_the_same_in_all_messages(lab, segment, mode):
    lab.server(Scripted, segment, behave=Plain(segment, lease=6, t1=2, t2=4))
    daemon, container = lab.daemon().start(), segment.container()
    config = daemon.config(clientID=mode)
    daemon.add(container, config)
    segment.capture.wait(where=renewal, timeout=20)
    daemon.delete(container, config)
    segment.capture.wait("RELEASE")
    sent = segment.capture.find(where=lambda m: m.op == 1)
    assert {m.option(wire.CLIENT_ID) for m in sent} == {identifiers(container)[mode]}


def test_a_provided_identifier_wins_everywhere(lab, segment):
    """The Go program leaves it out of its RELEASE."""
    lab.server(Scripted, segment, behave=Plain(segment))
    daemon, container = lab.daemon().start(), segment.container()
    config = daemon.config(clientID="mac", provide=[{"option": "61", "value": "myid"}])
    daemon.add(container, config)
    daemon.delete(container, config)
    segment.capture.wait("RELEASE")
    assert {m.option(wire.CLIENT_ID) for m in segment.capture.find(where=lambda m: m.op == 1)} == {b"myid"}


def test_an_identifier_outlives_a_restart_and_a_new_hardware_address(lab, segment):
    lab.server(Scripted, segment, behave=Plain(segment, lease=9, t1=3, t2=6))
    daemon, container = lab.daemon().start(), segment.container()
    daemon.add(container, daemon.config(clientID="mac"))
    container.ip("link", "set", "eth0", "address", "02:00:00:00:55:55")
    daemon.restart()
    one = segment.capture.wait(where=renewal, timeout=20)
    assert one.option(wire.CLIENT_ID) == b"\1" + wire.mac(container.mac)


@pytest.mark.parametrize("ipam, args, expected", [
    ({"hostname": "podName"}, "IgnoreUnknown=1;K8S_POD_NAME=web-0", b"web-0"),
    ({"hostname": "podName"}, "", None),
    ({"hostname": "box.example.org"}, "K8S_POD_NAME=web-0", b"box.example.org"),
    ({"hostname": "box", "provide": [{"option": "12", "value": "mine"}]}, "", b"mine"),
    ({}, "K8S_POD_NAME=web-0", None),
])
def test_a_host_name_is_sent(lab, segment, ipam, args, expected):
    lab.server(Scripted, segment, behave=Plain(segment))
    daemon, container = lab.daemon().start(), segment.container()
    assert daemon.call("ADD", container, daemon.config(**ipam), args=args).rc == 0
    assert {m.option(wire.HOST_NAME) for m in segment.capture.find("DISCOVER", "REQUEST")} == {expected}


def test_a_gateway_is_suppressed_and_other_routes_stay(lab, segment):
    lab.server(Scripted, segment, behave=Plain(segment, more=[(121, SUPPRESS)]))
    daemon, container = lab.daemon().start(), segment.container()
    result = daemon.call("ADD", container, daemon.config(suppress=["gateway"])).json()
    assert result["ips"] == [{"address": "10.66.1.10/16"}]
    assert result["routes"] == [{"dst": "192.168.50.0/24", "gw": "10.66.0.9"}]


def test_names_are_asked_for_and_returned(lab, segment):
    search = b"\7example\3org\0\3sub\xc0\x00"
    more = [(6, wire.ip("10.66.0.3") + wire.ip("10.66.0.4")), (15, b"example.org"), (119, search)]
    lab.server(Scripted, segment, behave=Plain(segment, more=more))
    daemon, container = lab.daemon().start(), segment.container()
    result = daemon.call("ADD", container, daemon.config(dns=True)).json()
    assert result["dns"] == {"nameservers": ["10.66.0.3", "10.66.0.4"], "domain": "example.org",
                             "search": ["example.org", "sub.example.org"]}
    asked = segment.capture.find("DISCOVER")[0].option(wire.PARAMETERS)
    assert {6, 15, 119, 3, 1} == set(asked)


def lifetimes(container):
    entry = [a for link in container.query("-4", "address", "show", "dev", "eth0") for a in link["addr_info"]][0]
    return entry["valid_life_time"]


def test_the_kernel_ends_an_address_when_that_is_wanted(lab, segment):
    """Even without a daemon."""
    lab.server(Scripted, segment, behave=Plain(segment, lease=9, t1=3, t2=6))
    daemon, container, other = lab.daemon().start(), segment.container(), segment.container()
    daemon.add(container, daemon.config(kernelLifetime=True))
    daemon.add(other)
    eventually(lambda: lifetimes(container) <= 9, "the address has a lifetime")
    assert lifetimes(other) == wire.FOREVER
    one = segment.capture.wait(mac=container.mac, where=renewal, timeout=20)
    segment.capture.wait("ACK", mac=container.mac, since=one.at)
    eventually(lambda: lifetimes(container) >= 8, "the lifetime is renewed", 5)
    daemon.kill()
    eventually(lambda: container.addresses() == [], "the kernel takes it away", 15)
    assert time.monotonic() - one.at >= 9 - 1.5
    assert other.addresses() == ["10.66.1.11/16"]


WRONG = [
    {"onLeaseLoss": "explode"}, {"onLeaseLoss": True}, {"acd": "slow"}, {"acd": False}, {"clientID": "name"},
    {"clientID": "hex:zz"}, {"clientID": "hex:"}, {"clientID": "text:"}, {"suppress": ["dns"]}, {"suppress": "gateway"},
    {"dns": "yes"}, {"strictNak": 1}, {"kernelLifetime": "true"}, {"broadcast": "on"}, {"hostname": "a b"},
    {"hostname": "x" * 64}, {"hostname": 7},
]


@pytest.mark.parametrize("ipam", WRONG, ids=str)
def test_a_wrong_value_is_an_error_that_names_its_key(lab, segment, ipam):
    daemon, container = lab.daemon().start(), segment.container()
    outcome = daemon.call("ADD", container, daemon.config(**ipam))
    assert outcome.rc == 1 and outcome.code in (7, 999), outcome
    assert next(iter(ipam)) in outcome.msg, outcome
    assert daemon.call("STATUS", container, daemon.config("1.1.0", **ipam)).rc == 1
    daemon.delete(container, daemon.config(**ipam))


@pytest.mark.parametrize("option", ["0", "52", "53", "54", "255"])
def test_an_option_of_the_protocol_is_not_provided(lab, segment, option):
    daemon, container = lab.daemon().start(), segment.container()
    outcome = daemon.call("ADD", container, daemon.config(provide=[{"option": option, "value": "x"}]))
    assert outcome.rc == 1 and option in outcome.msg, outcome


def test_skip_default_alone_asks_for_no_router(lab, segment):
    """The Go program asks for what its library likes."""
    lab.server(Scripted, segment, behave=Plain(segment))
    daemon, container = lab.daemon().start(), segment.container()
    assert daemon.call("ADD", container, daemon.config(request=[{"skipDefault": True}])).rc == 0
    assert segment.capture.find("DISCOVER")[0].option(wire.PARAMETERS) == bytes((wire.MASK,))


def blind(lab, *flags):
    """A daemon that cannot see the namespaces of containers: a prefix with the socket's directory alone."""
    daemon = lab.daemon()
    (daemon.directory / "h/run").mkdir(parents=True)
    (daemon.directory / "h/run/cni").symlink_to("/run/cni")
    return daemon.start("-hostprefix", daemon.directory / "h", *flags)


def test_a_daemon_that_cannot_see_a_namespace_says_what_is_missing(lab, segment):
    lab.server(Scripted, segment, behave=Plain(segment))
    daemon, container = blind(lab), segment.container()
    outcome = daemon.call("ADD", container)
    assert outcome.rc == 1 and "HostToContainer" in outcome.details, outcome
    assert "/run/netns" in outcome.msg + outcome.details
    assert segment.capture.find() == []


def test_a_daemon_that_cannot_see_a_namespace_may_pin_it(lab, segment):
    lab.server(Scripted, segment, behave=Plain(segment, lease=6, t1=2, t2=4))
    daemon, container = blind(lab, "-pin-netns"), segment.container()
    outcome = daemon.add(container)
    one = segment.capture.wait(where=renewal, timeout=20)
    segment.capture.wait("ACK", since=one.at)
    assert daemon.check(container, outcome).rc == 0
    daemon.delete(container)
    assert segment.capture.wait("RELEASE").src == "10.66.1.10"
    eventually(lambda: not [name for name in daemon.descriptors.values() if "net:" in name], "it is let go")


def test_leases_of_a_network_are_bounded(lab, segment):
    lab.server(Scripted, segment, behave=Plain(segment))
    daemon = lab.daemon().start("-max-leases", "2")
    containers = [segment.container() for _ in range(3)]
    assert [daemon.call("ADD", c).rc for c in containers] == [0, 0, 1]
    assert daemon.call("ADD", containers[2], daemon.config(name="another")).rc == 0
    daemon.delete(containers[0])
    assert daemon.call("ADD", containers[2]).rc == 0
