# SPDX-License-Identifier: Apache-2.0
"""A DHCP server that does what a test says, right or wrong.

It reads and writes whole frames on a segment's bridge. What it answers is the value of a behaviour: a
function from a client's message to a list of frames, each alone or as (seconds to wait, frame). Plain is
the behaviour of a server that is right, and the others are made from it.
"""

import dataclasses
import heapq
import os
import select
import socket
import struct
import threading
import time

import wire
from lab import ETH_P_ALL, within

SOL_PACKET, PACKET_VNET_HDR = 263, 15
# flags, type, header length, segment size, where the sum begins, where it stands
OFFLOADED = struct.pack("=BBHHHH", 1, 0, 0, 0, 14 + 20, 6)
AS_IT_IS = bytes(10)


@dataclasses.dataclass(frozen=True)
class Offloaded:
    """A frame whose UDP checksum the hardware should have filled in: receivers are told so."""

    frame: bytes


class Scripted:
    """The server's thread. behave may be exchanged at any time; seen is every message it got."""

    def __init__(self, lab, segment, behave):
        self.segment, self.behave, self.seen = segment, behave, []
        self.error = None
        self._stop = os.eventfd(0, os.EFD_CLOEXEC)
        self._later, self._order, self._lock = [], 0, threading.Lock()

        def sockets():
            raw = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
            raw.setsockopt(SOL_PACKET, PACKET_VNET_HDR, 1)
            raw.bind((segment.bridge, ETH_P_ALL))
            # Nobody reads it, but the kernel does not refuse what comes for the port.
            port = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            port.bind((wire.NOBODY, 67))
            return raw, port

        self._raw, self._port = within(segment.netns, sockets)
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self):
        self._thread.start()
        return self

    def send(self, frame, delay=0.0):
        """Sends a frame, which may be Offloaded; later, if there is a delay."""
        if delay:
            with self._lock:
                self._order += 1
                heapq.heappush(self._later, (time.monotonic() + delay, self._order, frame))
            os.eventfd_write(self._stop, 1)
        elif isinstance(frame, Offloaded):
            self._raw.send(OFFLOADED + frame.frame)
        else:
            self._raw.send(AS_IT_IS + frame)

    def _run(self):
        try:
            while self._turn():
                pass
        except Exception as error:  # shown by tell(), and by close()
            self.error = error

    def _turn(self):
        with self._lock:
            due = self._later[0][0] - time.monotonic() if self._later else None
        if due is not None and due <= 0:
            with self._lock:
                _, _, frame = heapq.heappop(self._later)
            self.send(frame)
            return True
        ready = select.select([self._raw, self._stop, self._port], [], [], due)[0]
        if self._stop in ready and os.eventfd_read(self._stop) >= 1 << 32:
            return False
        if self._port in ready:
            self._port.recv(65536)
        if self._raw in ready:
            frame, address = self._raw.recvfrom(65536)
            message = wire.decode_udp(frame[10:]) if address[2] != socket.PACKET_OUTGOING else None
            if message and message.op == 1:
                self.seen.append(message)
                for reply in self.behave(message) or ():
                    delay, frame = reply if isinstance(reply, tuple) else (0.0, reply)
                    self.send(frame, delay)
        return True

    @property
    def log(self):
        return f"{len(self.seen)} messages\n" + (f"it ended: {self.error!r}\n" if self.error else "")

    def close(self):
        os.eventfd_write(self._stop, 1 << 32)
        self._thread.join()
        for sock in (self._raw, self._port):
            sock.close()
        os.close(self._stop)
        if self.error:
            raise self.error


class Plain:
    """A server that is right. It gives addresses in order to each client identifier, and keeps to them.

    Every attribute may be changed while it runs; what a test wants otherwise it overrides or wraps:

        plain = Plain(segment, lease=60)
        lab.server(Scripted, segment, behave=after(2, plain))
    """

    def __init__(self, segment, *, first="10.66.1.10", mask="255.255.0.0", server="10.66.0.1", router="10.66.0.1",
                 lease=3600, t1=None, t2=None, more=(), mac=None, deliver=None, **fields):
        self.segment, self.first, self.mask, self.server, self.router = segment, first, mask, server, router
        self.lease, self.t1, self.t2, self.more, self.fields = lease, t1, t2, list(more), fields
        self.mac = mac or segment.mac
        self.deliver = deliver or (lambda message, reply: [self.frame(message, reply)])  # a reply's frames
        self.given, self.released, self.declined, self.last_release = {}, [], [], None

    def address(self, message):
        """The address of a client: the one it has, else the next one."""
        who = message.option(wire.CLIENT_ID) or message.chaddr.encode()
        if who not in self.given:
            number, taken = wire.number(self.first), {*self.given.values(), *self.declined}
            while wire.ip_text(wire.u32(number)) in taken:
                number += 1
            self.given[who] = wire.ip_text(wire.u32(number))
        return self.given[who]

    def options(self, message, kind):
        """What a reply says, in order."""
        yield wire.TYPE, bytes((wire.TYPES[kind],))
        yield wire.SERVER, wire.ip(self.server)
        if kind == "NAK":
            return
        for code, value in ((wire.LEASE, self.lease), (wire.T1, self.t1), (wire.T2, self.t2)):
            if value is not None:
                yield code, wire.u32(value)
        for code, value in ((wire.MASK, self.mask), (wire.ROUTER, self.router)):
            if value is not None:
                yield code, wire.ip(value)
        yield from self.more

    def reply(self, message, kind, options=None, **fields):
        """A reply as a Message; options instead of its own, **fields instead of what is right."""
        yiaddr = wire.NOBODY if kind == "NAK" else self.address(message)
        return wire.Message(**{
            "xid": message.xid, "flags": message.flags, "chaddr": message.chaddr, "giaddr": message.giaddr,
            "ciaddr": message.ciaddr if kind == "ACK" else wire.NOBODY, "yiaddr": yiaddr,
            "options": list(self.options(message, kind) if options is None else options), **self.fields, **fields})

    def frame(self, message, reply, *, mac=None, eth_dst=None, vlan=None, kind=0x0800, **packet):
        """A reply on its way: by broadcast, or to the address that the client has."""
        unicast = message.ciaddr != wire.NOBODY and reply.option(wire.TYPE) != b"\x06"
        packet.setdefault("src", self.server)
        packet.setdefault("dst", message.ciaddr if unicast else wire.ALL)
        return wire.ethernet(wire.packet(reply.encode(), **packet), src=mac or self.mac, vlan=vlan, kind=kind,
                             dst=eth_dst or (message.eth_src if unicast else wire.BROADCAST))

    def answer(self, message, kind, options=None, **fields):
        """The frames of reply()."""
        return self.deliver(message, self.reply(message, kind, options, **fields))

    def wants(self, message):
        """'OFFER', 'ACK' or 'NAK' for a message that is to be answered, else None."""
        if message.type == "DISCOVER":
            return "OFFER"
        if message.type != "REQUEST" or message.server not in (None, self.server):
            return None
        asked = message.option(wire.REQUESTED)
        asked = wire.ip_text(asked) if asked else message.ciaddr
        return "ACK" if asked == self.address(message) else "NAK"

    def __call__(self, message):
        who = message.option(wire.CLIENT_ID) or message.chaddr.encode()
        if message.type == "RELEASE":
            self.given.pop(who, None)
            if message.xid != self.last_release:  # it may come twice, by UDP and as a frame
                self.released.append(message.ciaddr)
            self.last_release = message.xid
        elif message.type == "DECLINE":
            self.given.pop(who, None)
            self.declined.append(wire.ip_text(message.option(wire.REQUESTED)))
        kind = self.wants(message)
        return self.answer(message, kind) if kind else []


def silent(_message):
    """The behaviour of a server that is not there."""
    return []


def after(count, behave, before=silent, types=()):
    """behave, from the message after the first `count` on (of these types, if any are given)."""
    seen = 0

    def choose(message):
        nonlocal seen
        if types and message.type not in types:
            return behave(message)
        seen += 1
        return behave(message) if seen > count else before(message)

    return choose


def instead(plain, **special):
    """plain, but for messages of a type that is named: instead(plain, DISCOVER=function)."""
    return lambda message: special.get(message.type, plain)(message)


def late(behave, seconds):
    """behave, each answer so much later."""
    return lambda message: [(seconds, frame) for frame in behave(message)]
