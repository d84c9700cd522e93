# SPDX-License-Identifier: Apache-2.0
"""DHCP over Ethernet as bytes and as values: what the captures read and the scripted server writes.

Reading takes what clients and servers of this world send and says None to everything else. Writing
takes anything: each length, sum and field can be given wrongly, because that is what it is for.
"""

import dataclasses
import socket
import struct

NAMES = {1: "DISCOVER", 2: "OFFER", 3: "REQUEST", 4: "DECLINE", 5: "ACK", 6: "NAK", 7: "RELEASE",
         8: "INFORM", 9: "FORCERENEW"}
TYPES = {name: number for number, name in NAMES.items()}

MASK, ROUTER, DNS, HOST_NAME, DOMAIN, STATIC_ROUTES = 1, 3, 6, 12, 15, 33
REQUESTED, LEASE, OVERLOAD, TYPE, SERVER, PARAMETERS, TEXT, MAX_SIZE = 50, 51, 52, 53, 54, 55, 56, 57
T1, T2, VENDOR_CLASS, CLIENT_ID, SEARCH, CLASSLESS, END = 58, 59, 60, 61, 119, 121, 255

COOKIE = bytes((99, 130, 83, 99))
SERVER_PORT, CLIENT_PORT = 67, 68
BROADCAST = "ff:ff:ff:ff:ff:ff"
ALL = "255.255.255.255"
NOBODY = "0.0.0.0"
FOREVER = 0xFFFFFFFF


def mac(text):
    return bytes.fromhex(text.replace(":", ""))


def mac_text(raw):
    return raw.hex(":")


def ip(text):
    return socket.inet_aton(text)


def ip_text(raw):
    return socket.inet_ntoa(raw)


def number(text):
    """An address as a number."""
    return struct.unpack("!I", ip(text))[0]


def u32(value):
    return struct.pack("!I", value)


def route(dst, gw):
    """One entry of option 121."""
    net, _, bits = dst.partition("/")
    bits = int(bits)
    return bytes((bits,)) + ip(net)[: (bits + 7) // 8] + ip(gw)


def options_bytes(options, end=True):
    """(code, bytes) pairs as an option area; more than 255 bytes become several options (RFC 3396)."""
    area = bytearray()
    for code, value in options:
        while True:
            area += bytes((code, len(value[:255]))) + value[:255]
            value = value[255:]
            if not value:
                break
    return bytes(area) + (b"\xff" if end else b"")


@dataclasses.dataclass
class Message:
    """A DHCP message, and the way it came."""

    op: int = 2
    htype: int = 1
    hlen: int = 6
    hops: int = 0
    xid: int = 0
    secs: int = 0
    flags: int = 0
    ciaddr: str = NOBODY
    yiaddr: str = NOBODY
    siaddr: str = NOBODY
    giaddr: str = NOBODY
    chaddr: str = "00:00:00:00:00:00"
    sname: bytes = b""
    file: bytes = b""
    cookie: bytes = COOKIE
    options: list = dataclasses.field(default_factory=list)  # (code, bytes), in order
    area: bytes | None = None  # instead of options, to the byte
    size: int = 300  # padded with zeros to this
    # Of a message that was seen:
    at: float = 0.0  # time.monotonic()
    eth_src: str = ""
    eth_dst: str = ""
    src: str = ""
    dst: str = ""
    sport: int = 0
    dport: int = 0
    ttl: int = 0
    udp_sum: int = 0
    length: int = 0  # of the UDP payload

    def option(self, code):
        """The value of an option, None if it is not there."""
        parts = [value for have, value in self.options if have == code]
        return b"".join(parts) if parts else None

    @property
    def codes(self):
        return [code for code, _ in self.options]

    @property
    def type(self):
        raw = self.option(TYPE)
        return NAMES.get(raw[0]) if raw else None

    @property
    def server(self):
        raw = self.option(SERVER)
        return ip_text(raw) if raw and len(raw) == 4 else None

    def __str__(self):
        return (f"{self.at:.3f} {self.type} xid {self.xid:08x} secs {self.secs} flags {self.flags:04x} ciaddr "
                f"{self.ciaddr} yiaddr {self.yiaddr} chaddr {self.chaddr} {self.eth_src} {self.src}:{self.sport} -> "
                f"{self.eth_dst} {self.dst}:{self.dport} "
                + " ".join(f"{code}={value.hex()}" for code, value in self.options))

    def encode(self):
        area = self.area if self.area is not None else options_bytes(self.options)
        raw = struct.pack("!BBBBIHH", self.op, self.htype, self.hlen, self.hops, self.xid, self.secs, self.flags)
        raw += b"".join(ip(a) for a in (self.ciaddr, self.yiaddr, self.siaddr, self.giaddr))
        raw += mac(self.chaddr).ljust(16, b"\0") + self.sname.ljust(64, b"\0") + self.file.ljust(128, b"\0")
        return (raw + self.cookie + area).ljust(self.size, b"\0")


def _options(area):
    found, pos = [], 0
    while pos < len(area) and area[pos] != END:
        if area[pos] == 0:
            pos += 1
            continue
        if pos + 2 > len(area) or pos + 2 + area[pos + 1] > len(area):
            break
        found.append((area[pos], bytes(area[pos + 2 : pos + 2 + area[pos + 1]])))
        pos += 2 + area[pos + 1]
    return found


def decode(payload):
    """A BOOTP message from the payload of UDP, None for anything else."""
    if len(payload) < 240 or payload[236:240] != COOKIE:
        return None
    op, htype, hlen, hops, xid, secs, flags = struct.unpack("!BBBBIHH", payload[:12])
    ciaddr, yiaddr, siaddr, giaddr = (ip_text(payload[i : i + 4]) for i in (12, 16, 20, 24))
    return Message(op, htype, hlen, hops, xid, secs, flags, ciaddr, yiaddr, siaddr, giaddr,
                   mac_text(payload[28 : 28 + min(hlen, 16)]), payload[44:108], payload[108:236],
                   options=_options(payload[240:]), area=payload[240:], size=len(payload), length=len(payload))


def decode_frame(frame):
    """(source, destination, EtherType, payload) of an Ethernet frame."""
    return mac_text(frame[6:12]), mac_text(frame[:6]), struct.unpack("!H", frame[12:14])[0], frame[14:]


def decode_udp(frame):
    """The DHCP message in an Ethernet frame, None for anything else."""
    eth_src, eth_dst, kind, packet = decode_frame(frame)
    if kind != 0x0800 or len(packet) < 28 or packet[9] != 17:
        return None
    head, total = (packet[0] & 15) * 4, struct.unpack("!H", packet[2:4])[0]
    if struct.unpack("!H", packet[6:8])[0] & 0x3FFF:
        return None
    udp = packet[head:total]
    if len(udp) < 8:
        return None
    sport, dport, length, checksum = struct.unpack("!HHHH", udp[:8])
    if not {sport, dport} & {SERVER_PORT, CLIENT_PORT}:
        return None
    message = decode(udp[8:length])
    if message:
        message.eth_src, message.eth_dst = eth_src, eth_dst
        message.src, message.dst = ip_text(packet[12:16]), ip_text(packet[16:20])
        message.sport, message.dport, message.udp_sum, message.ttl = sport, dport, checksum, packet[8]
    return message


def checksum(raw, start=0):
    """The Internet checksum's sum, not yet complemented."""
    if len(raw) % 2:
        raw += b"\0"
    total = start + sum(struct.unpack(f"!{len(raw) // 2}H", raw))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return total


def packet(payload, *, src="10.66.0.1", dst=ALL, sport=67, dport=68, ttl=64, proto=17, version=4, ihl=5, ip_options=b"",
           total=None, udp_length=None, ip_sum=None, udp_sum=None, fragment=0, ident=0):
    """An IP packet with UDP around bytes. What is None is right; 'partial' as udp_sum is what offloading
    leaves: the sum of the pseudo header alone."""
    length = 8 + len(payload) if udp_length is None else udp_length
    udp = struct.pack("!HHHH", sport, dport, length, 0) + payload
    pseudo = checksum(ip(src) + ip(dst) + struct.pack("!HH", proto, 8 + len(payload)))
    if udp_sum == "partial":
        udp_sum = pseudo
    elif udp_sum is None:
        udp_sum = ~checksum(udp, pseudo) & 0xFFFF or 0xFFFF
    udp = udp[:6] + struct.pack("!H", udp_sum) + udp[8:]
    total = 20 + len(ip_options) + len(udp) if total is None else total
    head = struct.pack("!BBHHHBBH", version << 4 | ihl, 0, total, ident, fragment, ttl, proto, 0) + ip(src) + ip(dst)
    head += ip_options
    if ip_sum is None:
        ip_sum = ~checksum(head) & 0xFFFF
    return head[:10] + struct.pack("!H", ip_sum) + head[12:] + udp


def ethernet(content, *, src, dst=BROADCAST, kind=0x0800, vlan=None):
    """A frame; vlan: the number of a VLAN whose tag it has."""
    tag = b"" if vlan is None else struct.pack("!HH", 0x8100, vlan)
    return mac(dst) + mac(src) + tag + struct.pack("!H", kind) + content


def fragments(content, *, first=1480):
    """An IP packet in two pieces; first: bytes of the first one, a multiple of 8."""
    head, rest = bytearray(content[:20]), content[20:]
    pieces = []
    for offset, part, more in ((0, rest[:first], 0x2000), (first, rest[first:], 0)):
        head[2:4] = struct.pack("!H", 20 + len(part))
        head[4:8] = struct.pack("!HH", 0x1234, more | offset // 8)
        head[10:12] = b"\0\0"
        head[10:12] = struct.pack("!H", ~checksum(bytes(head)) & 0xFFFF)
        pieces.append(bytes(head) + part)
    return pieces


@dataclasses.dataclass
class Arp:
    """An ARP packet that was seen."""

    at: float
    op: int
    sender_mac: str
    sender: str
    target: str

    @property
    def is_probe(self):
        return self.op == 1 and self.sender == NOBODY


def decode_arp(frame):
    _, _, kind, content = decode_frame(frame)
    if kind != 0x0806 or len(content) < 28 or content[:6] != bytes((0, 1, 8, 0, 6, 4)):
        return None
    return Arp(0.0, content[7], mac_text(content[8:14]), ip_text(content[14:18]), ip_text(content[24:28]))
