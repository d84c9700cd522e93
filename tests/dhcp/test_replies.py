# SPDX-License-Identifier: Apache-2.0
"""What of a server's replies is taken, and what is not.

A spoiled reply comes first and offers something else than the right one, which follows. A client that
takes the spoiled one is seen by what it asks for then, or by its result.
"""

import dataclasses

import pytest

import wire
from scripted import Offloaded, Plain, Scripted, after, instead, late, silent
from wire import ethernet, fragments, options_bytes, packet

RIGHT, WRONG = "10.66.1.10", "10.66.9.9"
ROUTER, NO_ROUTER = "10.66.0.1", "10.66.9.1"
LATER = 0.1  # seconds from a spoiled reply to the right one


def changed(**fields):
    """The reply with other fields."""
    return lambda plain, message, reply: [plain.frame(message, dataclasses.replace(reply, **fields))]


def with_option(code, value):
    """The reply with another value of an option; None: without it."""

    def spoil(plain, message, reply):
        options = [(have, old) for have, old in reply.options if have != code]
        if value is not None:
            options.append((code, value))
        return [plain.frame(message, dataclasses.replace(reply, options=options))]

    return spoil


def wrapped(**how):
    """The reply in a packet or frame that is not right."""
    return lambda plain, message, reply: [plain.frame(message, reply, **how)]


def area(make):
    """The reply with an option area that is made from the right one."""
    return lambda plain, message, reply: [
        plain.frame(message, dataclasses.replace(reply, area=make(options_bytes(reply.options, end=False)), size=0))]


def cut(size):
    """The reply's payload, but only so many bytes of it."""
    return lambda plain, message, reply: [
        ethernet(packet(reply.encode()[:size], src=plain.server), src=plain.mac)]


def in_pieces(plain, _message, reply):
    return [ethernet(piece, src=plain.mac)
            for piece in fragments(packet(reply.encode(), src=plain.server), first=160)]


def only_the_first_piece(plain, message, reply):
    return in_pieces(plain, message, reply)[:1]


def other_xid(plain, message, reply):
    return changed(xid=reply.xid ^ 1)(plain, message, reply)


def cut_frame(plain, message, reply):
    """Less of it than its IP header says."""
    return [plain.frame(message, reply)[:200]]


SPOILED = {
    "another xid": other_xid,
    "another hardware address": changed(chaddr="02:00:00:00:99:99"),
    "a hardware address that is shorter": changed(hlen=5),
    "a request's op": changed(op=1),
    "another cookie": changed(cookie=b"\1\2\3\4"),
    "another client's identifier": with_option(wire.CLIENT_ID, b"\0somebody else"),
    "no type": with_option(wire.TYPE, None),
    "an empty type": with_option(wire.TYPE, b""),
    "a type that does not exist": with_option(wire.TYPE, b"\x63"),
    "the type of a client": with_option(wire.TYPE, b"\1"),
    "FORCERENEW": with_option(wire.TYPE, b"\x09"),
    "no server identifier": with_option(wire.SERVER, None),
    "a server identifier of three bytes": with_option(wire.SERVER, b"\x0a\x42\0"),
    "a server identifier of 0.0.0.0": with_option(wire.SERVER, bytes(4)),
    "the address 0.0.0.0": changed(yiaddr="0.0.0.0"),
    "a loopback address": changed(yiaddr="127.0.0.1"),
    "a multicast address": changed(yiaddr="224.0.0.9"),
    "the address 255.255.255.255": changed(yiaddr="255.255.255.255"),
    "a length of 0 bytes": cut(0),
    "a length of 7 bytes": cut(7),
    "a length of 239 bytes": cut(239),
    "a length of 240 bytes": cut(240),
    "an option that runs over the end": area(lambda right: right + bytes((15, 200)) + b"x" * 9),
    "an option without its length": area(lambda right: right + b"\x0f"),
    "IP version 6": wrapped(version=6),
    "an IP header of 16 bytes": wrapped(ihl=4),
    "an IP header of 60 bytes that is shorter": wrapped(ihl=15),
    "an IP length of 0": wrapped(total=0),
    "an IP length of 19": wrapped(total=19),
    "an IP length of 20": wrapped(total=20),
    "an IP length of 21": wrapped(total=21),
    "an IP length of 27": wrapped(total=27),
    "an IP length that is larger than the packet": wrapped(total=1400),
    "an IP length of 65535": wrapped(total=65535),
    "a UDP length of 0": wrapped(udp_length=0),
    "a UDP length of 7": wrapped(udp_length=7),
    "a UDP length of 8": wrapped(udp_length=8),
    "a UDP length that is larger than the packet": wrapped(udp_length=1400),
    "a UDP checksum that is wrong": wrapped(udp_sum=0x1234),
    "a UDP checksum of the pseudo header alone": wrapped(udp_sum="partial"),
    "TCP's number": wrapped(proto=6),
    "another port": wrapped(dport=69),
    "a frame that ends too early": cut_frame,
    "pieces": in_pieces,
    "a first piece alone": only_the_first_piece,
    "a VLAN's tag": wrapped(vlan=7),
    "another host's frame": wrapped(eth_dst="02:00:00:00:99:99"),
    "another EtherType": wrapped(kind=0x86DD),
}


def deliver(plain, kind, spoil):
    """How a server sends its replies: before each OFFER or ACK a spoiled one."""

    def send(message, reply):
        right = plain.frame(message, reply)
        if reply.option(wire.TYPE) != bytes((wire.TYPES[kind],)):
            return [right]
        options = [(c, wire.ip(NO_ROUTER) if c == wire.ROUTER else v) for c, v in reply.options]
        address = WRONG if kind == "OFFER" else reply.yiaddr
        wrong = dataclasses.replace(reply, options=options, yiaddr=address)
        return [*spoil(plain, message, wrong), (LATER, right)]

    return send


@pytest.mark.parametrize("kind", ["OFFER", "ACK"])
@pytest.mark.parametrize("name", SPOILED)
def test_a_spoiled_reply_is_not_taken(lab, segment, name, kind):
    plain = Plain(segment)
    plain.deliver = deliver(plain, kind, SPOILED[name])
    lab.server(Scripted, segment, behave=plain)
    daemon, container = lab.daemon().start(), segment.container()
    outcome = daemon.call("ADD", container)
    assert outcome.rc == 0, outcome
    assert outcome.addresses == [RIGHT]
    assert outcome.json()["ips"][0]["gateway"] == ROUTER
    assert [wire.ip_text(m.option(wire.REQUESTED)) for m in segment.capture.find("REQUEST")] == [RIGHT]


def from_another_server(plain, message, reply):
    """As if another server had answered the REQUEST that was not its."""
    return with_option(wire.SERVER, wire.ip("10.66.0.77"))(plain, message, reply)


ONLY_ACK = {
    "another server's identifier": from_another_server,
    "another address than was asked for": changed(yiaddr=WRONG),
    "another server's NAK":
        lambda plain, message, reply: [plain.frame(message, plain.reply(message, "NAK", [
            (wire.TYPE, b"\6"), (wire.SERVER, wire.ip("10.66.0.77"))]), mac="02:00:00:00:77:77", src="10.66.0.77")],
    "an OFFER again":
        lambda plain, message, reply: [plain.frame(message, plain.reply(message, "OFFER", yiaddr=WRONG))],
}


@pytest.mark.parametrize("name", ONLY_ACK)
def test_an_answer_to_another_request_is_not_taken(lab, segment, name):
    plain = Plain(segment)
    plain.deliver = deliver(plain, "ACK", ONLY_ACK[name])
    lab.server(Scripted, segment, behave=plain)
    daemon, container = lab.daemon().start(), segment.container()
    outcome = daemon.call("ADD", container)
    assert outcome.rc == 0 and outcome.addresses == [RIGHT], outcome
    assert outcome.json()["ips"][0]["gateway"] == ROUTER
    assert len(segment.capture.find("DISCOVER")) == 1


def offloaded(plain, message, reply):
    return [Offloaded(plain.frame(message, reply, udp_sum="partial"))]


def in_file(number, *codes):
    """Some options in the fields `file` (1) or `sname` (2); in both, the first half in `file` (3)."""

    def send(plain, message, reply):
        moved = [(c, v) for c, v in reply.options if c in codes]
        options = [(c, v) for c, v in reply.options if c not in codes] + [(wire.OVERLOAD, bytes((number,)))]
        half = len(moved) // 2 if number == 3 else len(moved) if number == 1 else 0
        return [plain.frame(message, dataclasses.replace(
            reply, options=options, file=options_bytes(moved[:half]) if number & 1 else b"boot",
            sname=options_bytes(moved[half:]) if number & 2 else b"name"))]

    return send


def split_mask(plain, message, reply):
    options = [(c, v) for c, v in reply.options if c != wire.MASK]
    return [plain.frame(message, dataclasses.replace(
        reply, options=[*options, (wire.MASK, b"\xff\xff"), (wire.DNS, bytes(4)), (wire.MASK, b"\0\0")]))]


def padded(plain, message, reply):
    return [plain.frame(message, reply) + bytes(60)]


UNUSUAL = {
    "a checksum that the hardware should fill in": offloaded,
    "no UDP checksum": wrapped(udp_sum=0),
    "IP options": wrapped(ihl=6, ip_options=b"\1\1\1\0"),
    "bytes behind the packet": padded,
    "bytes behind the UDP length": lambda plain, message, reply: [
        ethernet(packet(reply.encode() + b"trailing", src=plain.server, udp_length=308, udp_sum=0), src=plain.mac)],
    "a fragment's ident": wrapped(ident=7),
    "the flag against fragments": wrapped(fragment=0x4000),
    "another source port": wrapped(sport=1067),
    "a relay's address": wrapped(src="10.99.0.1"),
    "unicast": lambda plain, message, reply: [
        plain.frame(message, reply, eth_dst=message.chaddr, dst=reply.yiaddr)],
    "options in `file`": in_file(1, wire.ROUTER, wire.LEASE),
    "options in `sname`": in_file(2, wire.ROUTER, wire.MASK),
    "options in both": in_file(3, wire.ROUTER, wire.MASK),
    "an option in two parts": split_mask,
    "pads between the options": area(lambda right: right[:3] + bytes(30) + right[3:] + b"\xff"),
    "no END": area(lambda right: right),
    "garbage behind END": area(lambda right: right + b"\xff" + b"\x0f\xff" * 20),
    "the largest frame": changed(size=1472),
    "our own identifier": lambda plain, message, reply: with_option(
        wire.CLIENT_ID, message.option(wire.CLIENT_ID))(plain, message, reply),
    "no lease time": with_option(wire.LEASE, None),
    "a lease time of three bytes": with_option(wire.LEASE, b"\0\1\2"),
    "everything twice": lambda plain, message, reply: [plain.frame(message, reply)] * 2,
}


@pytest.mark.parametrize("name", UNUSUAL)
def test_an_unusual_reply_is_taken(lab, segment, name):
    plain = Plain(segment)
    plain.deliver = lambda message, reply: UNUSUAL[name](plain, message, reply)
    lab.server(Scripted, segment, behave=plain)
    daemon, container = lab.daemon().start(), segment.container()
    outcome = daemon.call("ADD", container)
    assert outcome.rc == 0 and outcome.addresses == [RIGHT], outcome
    assert outcome.json()["ips"][0] == {"address": f"{RIGHT}/16", "gateway": ROUTER}
    assert len(segment.capture.find("DISCOVER")) == 1


def test_the_first_of_several_offers_is_taken(lab, segment):
    first = Plain(segment)
    second = Plain(segment, first="10.66.2.20", server="10.66.0.2", mac="02:00:00:00:99:02")
    lab.server(Scripted, segment, behave=lambda message: [*first(message), *second(message)])
    daemon, container = lab.daemon().start(), segment.container()
    assert daemon.call("ADD", container).addresses == [RIGHT]
    request, = segment.capture.find("REQUEST")
    assert request.server == "10.66.0.1"


def test_a_late_offer_is_taken(lab, segment):
    """It answers the first DISCOVER and comes after the second."""
    plain = Plain(segment)
    lab.server(Scripted, segment, behave=instead(plain, DISCOVER=after(1, silent, late(plain, 1.5))))
    daemon, container = lab.daemon().start(), segment.container()
    assert daemon.call("ADD", container).addresses == [RIGHT]
    assert len({m.xid for m in segment.capture.find("DISCOVER", "REQUEST")}) == 1
    assert len(segment.capture.find("DISCOVER")) == 2


def test_what_was_dropped_stands_in_the_error(lab, segment):
    plain = Plain(segment)
    plain.deliver = lambda message, reply: other_xid(plain, message, reply)
    lab.server(Scripted, segment, behave=plain)
    daemon, container = lab.daemon(flags=("-resendtimeout", "2s")).start(), segment.container()
    outcome = daemon.call("ADD", container)
    assert outcome.rc == 1 and outcome.msg == "error calling DHCP.Allocate: no more tries", outcome
    assert "wrong xid" in outcome.details and "eth0" in outcome.details, outcome


def test_silence_stands_in_the_error(lab, segment):
    daemon, container = lab.daemon(flags=("-resendtimeout", "2s")).start(), segment.container()
    outcome = daemon.call("ADD", container)
    assert outcome.rc == 1 and outcome.msg == "error calling DHCP.Allocate: no more tries", outcome
    sent = len(segment.capture.find("DISCOVER"))
    assert f"no reply to {sent} DISCOVER on eth0" in outcome.details, outcome


def test_a_storm_of_garbage_harms_nobody(lab, segment):
    """Packets and messages of many lengths, while a lease is had and renewed. (A message that is cut behind
    an option is a whole one, so cuts are made before its type has come.)"""
    plain = Plain(segment, lease=6, t1=2, t2=4)
    server = lab.server(Scripted, segment, behave=plain)
    daemon, container = lab.daemon().start(), segment.container()

    def storm(message, reply):
        right = plain.frame(message, reply)
        whole = reply.encode()
        for size in range(0, 300, 3):
            yield ethernet(packet(whole[:min(size, 242)], src=plain.server), src=plain.mac)
            yield plain.frame(message, reply, total=size)
            yield right[:14 + size]
        yield right

    plain.deliver = storm
    daemon.add(container)
    assert container.addresses() == [f"{RIGHT}/16"]
    segment.capture.wait("ACK", count=3, timeout=20)
    assert server.error is None and daemon.running
    assert daemon.call("CHECK", container, {**daemon.config(), "prevResult": {
        "cniVersion": "1.0.0", "ips": [{"address": f"{RIGHT}/16"}]}}).rc == 0
