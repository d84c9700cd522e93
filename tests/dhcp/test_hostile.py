# SPDX-License-Identifier: Apache-2.0
"""Servers and containers that do not play by the rules, with a scripted server."""

import socket
import struct

import pytest

import wire
from lab import within
from scripted import Plain, Scripted, after, instead
from wire import NOBODY

STRANGER = {"server": "10.66.0.77", "mac": "02:00:00:00:77:77"}


def renewal(message):
    return message.type == "REQUEST" and message.ciaddr != NOBODY


class Timed(Plain):
    """A server that gives each client times of its own: by hardware address."""

    times = {}

    def options(self, message, kind):
        lease, t1, t2 = self.times[message.chaddr]
        own = {wire.LEASE: lease, wire.T1: t1, wire.T2: t2}
        yield from ((code, value) for code, value in super().options(message, kind) if code not in own)
        yield from ((code, wire.u32(value)) for code, value in own.items() if value is not None)


# (lease, T1, T2): seconds to the first renewal
TIMES = {
    (8, None, None): 4.0,
    (8, 0, 0): 4.0,
    (8, 6, 5): 4.0,
    (8, 6, 3): 2.0,
    (8, 3, 60): 3.0,
    (8, 60, 60): 4.0,
    (8, 60, None): 4.0,
    (8, 1, 4): 2.0,
    (8, 8, 8): 4.0,
    (9, 4, 8): 4.0,
    (30, 1, 2): 10.0,
    (3600, 1, 2): 10.0,
}


def test_times_that_make_no_sense_are_made_sane(lab, segment):
    plain = Timed(segment)
    lab.server(Scripted, segment, behave=plain)
    daemon, containers = lab.daemon().start(), {times: segment.container() for times in TIMES}
    plain.times = {container.mac: times for times, container in containers.items()}
    for container in containers.values():
        daemon.add(container)
    for times, expected in sorted(TIMES.items(), key=lambda item: item[1]):
        mac = containers[times].mac
        start = segment.capture.find("REQUEST", mac=mac)[0].at
        first = segment.capture.wait(mac=mac, where=renewal, timeout=20)
        assert expected * 0.97 - 0.05 <= first.at - start <= expected + 0.9, times


def test_no_lease_time_makes_a_daemon_spin(lab, segment):
    """No time at all, one second, two, and one without end."""
    plain = Timed(segment)
    lab.server(Scripted, segment, behave=plain)
    cases = [(0, None, None), (0, 0, 0), (1, 0, 0), (2, 1, 1), (wire.FOREVER, 0, 0), (wire.FOREVER, 1, 2),
             (6, None, None)]
    daemon, containers = lab.daemon().start(), {times: segment.container() for times in cases}
    plain.times = {container.mac: times for times, container in containers.items()}
    for times, container in containers.items():
        outcome = daemon.call("ADD", container)
        assert outcome.rc == 0, (times, outcome)
    start = segment.capture.find("ACK")[-1].at
    segment.capture.wait(mac=containers[(6, None, None)].mac, where=renewal, count=2, timeout=20)
    for times, container in containers.items():
        seen = segment.capture.find(mac=container.mac, since=start, where=lambda m: m.op == 1)
        assert len(seen) <= 30, (times, len(seen))
        if times[0] == wire.FOREVER:
            assert seen == [], times


@pytest.mark.parametrize("stranger", [STRANGER, {"server": "10.66.0.1", "mac": "02:00:00:00:77:77"}, {
    "server": "10.66.0.77", "mac": None}], ids=["another server", "a forged identifier", "a forged link address"])
def test_a_strangers_nak_does_not_end_a_lease(lab, segment, stranger):
    plain, other = Plain(segment, lease=6, t1=2, t2=4), Plain(segment, **stranger)

    def refused(message):
        return [*other.answer(message, "NAK"), *[(0.1, frame) for frame in plain(message)]]

    lab.server(Scripted, segment, behave=lambda m: refused(m) if renewal(m) else plain(m))
    daemon, container = lab.daemon().start(), segment.container()
    outcome = daemon.add(container, daemon.config(strictNak=True))
    segment.capture.wait(where=renewal, count=2, timeout=20)
    assert len(segment.capture.find("NAK")) >= 1 and len(segment.capture.find("DISCOVER")) == 1
    assert daemon.check(container, outcome).rc == 0
    assert container.addresses() == ["10.66.1.10/16"]


def test_a_strangers_ack_does_not_renew_a_lease(lab, segment):
    plain, other = Plain(segment, lease=6, t1=2, t2=4), Plain(segment, lease=3600, **STRANGER)
    lab.server(Scripted, segment, behave=lambda m: other(m) if renewal(m) and m.dst != wire.ALL else plain(m))
    daemon, container = lab.daemon().start(), segment.container()
    daemon.add(container)
    start = segment.capture.find("REQUEST")[-1].at
    rebind = segment.capture.wait(where=lambda m: renewal(m) and m.dst == wire.ALL, timeout=20)
    assert rebind.at - start >= 4 * 0.97


def test_an_ack_for_another_address_does_not_renew_a_lease(lab, segment):
    plain = Plain(segment, lease=6, t1=2, t2=4)

    def moved(message):
        return plain.answer(message, "ACK", yiaddr="10.66.9.9") if renewal(message) else plain(message)

    lab.server(Scripted, segment, behave=moved)
    daemon, container = lab.daemon().start(), segment.container()
    daemon.add(container)
    start = segment.capture.find("REQUEST")[-1].at
    segment.capture.wait(where=lambda m: renewal(m) and m.dst == wire.ALL, timeout=20)
    assert container.addresses() == ["10.66.1.10/16"]
    assert segment.capture.wait("DISCOVER", count=2).at - start >= 6 - 0.1


def test_nobody_is_told_to_renew_without_proof(lab, segment):
    """FORCERENEW: systemd's CVE-2020-13529."""
    plain = Plain(segment, lease=9, t1=3, t2=6)
    server = lab.server(Scripted, segment, behave=plain)
    daemon, container = lab.daemon().start(), segment.container()
    daemon.add(container)
    ack = segment.capture.find("ACK")[-1]
    request = segment.capture.find("REQUEST")[-1]
    for xid in (0, request.xid):
        forced = plain.reply(request, "FORCERENEW", xid=xid)
        server.send(plain.frame(request, forced, eth_dst=container.mac, dst="10.66.1.10"))
    first = segment.capture.wait(where=lambda m: m.op == 1 and m.at > ack.at, timeout=20)
    assert first.at - request.at >= 3 * 0.97 and renewal(first)


def test_a_nak_to_the_first_request_is_followed_by_a_new_search(lab, segment):
    plain = Plain(segment)
    refuse = after(1, plain, before=lambda message: plain.answer(message, "NAK"))
    lab.server(Scripted, segment, behave=instead(plain, REQUEST=refuse))
    daemon, container = lab.daemon().start(), segment.container()
    assert daemon.call("ADD", container).addresses == ["10.66.1.10"]
    assert [m.type for m in segment.capture.find()] == [
        "DISCOVER", "OFFER", "REQUEST", "NAK", "DISCOVER", "OFFER", "REQUEST", "ACK"]


@pytest.mark.parametrize("lost", [1, 2])
@pytest.mark.parametrize("kind", ["DISCOVER", "REQUEST"])
def test_lost_messages_are_sent_again(lab, segment, kind, lost):
    """After 1 s, then 2 s, each a tenth more or less."""
    plain = Plain(segment)
    lab.server(Scripted, segment, behave=instead(plain, **{kind: after(lost, plain)}))
    daemon, container = lab.daemon().start(), segment.container()
    assert daemon.call("ADD", container).rc == 0
    sent = segment.capture.find(kind)
    assert len(sent) == lost + 1 and len({m.xid for m in sent}) == 1
    for one, two, wait in zip(sent, sent[1:], (1, 2)):
        assert wait * 0.9 - 0.05 <= two.at - one.at <= wait * 1.1 + 0.9
    assert [m.secs for m in segment.capture.find("DISCOVER")][0] >= 1


def test_lost_renewals_are_sent_again(lab, segment):
    plain = Plain(segment, lease=9, t1=3, t2=7)
    answer = after(2, plain)
    lab.server(Scripted, segment, behave=lambda m: answer(m) if renewal(m) else plain(m))
    daemon, container = lab.daemon().start(), segment.container()
    daemon.add(container)
    segment.capture.wait("ACK", count=2, timeout=20)
    tries = segment.capture.find(where=renewal)
    assert len(tries) == 3 and len({m.xid for m in tries}) == 1
    assert all(m.dst == "10.66.0.1" for m in tries)


def test_a_container_that_has_the_port_itself_is_served(lab, segment):
    """A DHCP client of its own, for example: renewals go without a UDP socket then."""
    plain = Plain(segment, lease=6, t1=2, t2=4)
    lab.server(Scripted, segment, behave=plain)
    daemon, container = lab.daemon().start(), segment.container()

    def bound():
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        sock.bind((NOBODY, wire.CLIENT_PORT))
        return sock

    with within(container.netns, bound):
        daemon.add(container)
        one = segment.capture.wait(where=renewal, timeout=20)
        segment.capture.wait("ACK", since=one.at)
        assert (one.src, one.dst) == ("10.66.1.10", "10.66.0.1")
        daemon.delete(container)
        segment.capture.wait("RELEASE")


def test_a_firewall_of_the_container_does_not_stop_a_renewal(lab, segment):
    """Or a route to nowhere: what comes from the link is seen before it."""
    lab.server(Scripted, segment, behave=Plain(segment, lease=6, t1=2, t2=4))
    daemon, container = lab.daemon().start(), segment.container()
    daemon.add(container)
    container.ip("route", "add", "blackhole", "10.66.0.1/32")
    one = segment.capture.wait(where=renewal, timeout=20)
    segment.capture.wait("ACK", since=one.at)
    segment.capture.wait(where=renewal, since=one.at + 0.5, timeout=20)
    assert len(segment.capture.find("DISCOVER")) == 1


def test_a_new_hardware_address_is_used(lab, segment):
    """As the tuning plugin gives it, after the lease was had."""
    lab.server(Scripted, segment, behave=Plain(segment, lease=6, t1=2, t2=4))
    daemon, container = lab.daemon().start(), segment.container()
    outcome = daemon.add(container)
    container.ip("link", "set", "eth0", "address", "02:00:00:00:55:55")
    one = segment.capture.wait(where=renewal, timeout=20)
    segment.capture.wait("ACK", since=one.at)
    assert (one.chaddr, one.eth_src) == ("02:00:00:00:55:55",) * 2
    segment.capture.wait(where=renewal, since=one.at + 0.5, timeout=20)
    assert len(segment.capture.find("DISCOVER")) == 1
    assert daemon.check(container, outcome).rc == 0


def test_an_address_that_was_taken_away_by_hand_is_renewed(lab, segment):
    """The lease goes on, and CHECK says what is wrong."""
    lab.server(Scripted, segment, behave=Plain(segment, lease=6, t1=2, t2=4))
    daemon, container = lab.daemon().start(), segment.container()
    outcome = daemon.add(container)
    container.ip("address", "flush", "dev", "eth0")
    assert daemon.check(container, outcome).rc == 1
    one = segment.capture.wait(where=renewal, timeout=20)
    assert one.src == "10.66.1.10"
    segment.capture.wait("ACK", since=one.at)


@pytest.mark.parametrize("acd, least, most", [("fast", 0.15, 1.5), ("full", 2.0, 6.0)])
def test_an_address_is_probed_before_it_is_used(lab, segment, acd, least, most):
    lab.server(Scripted, segment, behave=Plain(segment))
    daemon, container = lab.daemon().start(), segment.container()
    assert daemon.call("ADD", container, daemon.config(acd=acd), timeout=30).rc == 0
    ack = segment.capture.find("ACK")[-1]
    probes = [arp for arp in segment.capture.arps if arp.is_probe and arp.target == "10.66.1.10"]
    assert len(probes) == 3 and all(p.sender_mac == container.mac and p.at >= ack.at for p in probes)
    assert least <= probes[-1].at - ack.at <= most


def test_a_broadcast_answer_is_asked_for(lab, segment):
    """By the daemon's flag, or the network's key, which wins; never once there is an address."""
    lab.server(Scripted, segment, behave=Plain(segment, lease=6, t1=2, t2=4))
    flagged, unflagged = lab.daemon(flags=("-broadcast",)).start(), lab.daemon().start()
    cases = [(flagged, {}, True), (flagged, {"broadcast": False}, False), (unflagged, {}, False),
             (unflagged, {"broadcast": True}, True)]
    for daemon, ipam, expected in cases:
        container = segment.container()
        daemon.add(container, daemon.config(**ipam))
        flags = {m.flags for m in segment.capture.find("DISCOVER", "REQUEST", mac=container.mac)}
        assert flags == {0x8000 if expected else 0}, (ipam, flags)
        if ipam.get("broadcast"):
            assert segment.capture.wait(mac=container.mac, where=renewal, timeout=20).flags == 0


def test_the_size_of_the_link_is_told(lab, segment):
    lab.server(Scripted, segment, behave=Plain(segment))
    daemon, container = lab.daemon().start(), segment.container()
    container.ip("link", "set", "eth0", "mtu", "1400")
    assert daemon.call("ADD", container).rc == 0
    size, = struct.unpack("!H", segment.capture.find("DISCOVER")[0].option(wire.MAX_SIZE))
    assert 576 <= size <= 1400


def test_every_message_has_the_type_first_and_the_least_size(lab, segment):
    lab.server(Scripted, segment, behave=Plain(segment, lease=6, t1=2, t2=4))
    daemon, container = lab.daemon().start(), segment.container()
    config = daemon.config(provide=[{"option": "12", "value": "box"}])
    daemon.add(container, config)
    segment.capture.wait(where=renewal, timeout=20)
    daemon.delete(container, config)
    segment.capture.wait("RELEASE")
    for message in segment.capture.find(where=lambda m: m.op == 1):
        assert message.codes[0] == wire.TYPE and message.codes[1] == wire.CLIENT_ID, message
        assert 300 <= message.length <= 548 and message.ttl == 64
        assert (message.sport, message.dport, message.htype, message.hlen) == (68, 67, 1, 6)
