# SPDX-License-Identifier: Apache-2.0
"""The result of an ADD and what is asked of the server: to the byte what the Go program has for the same
reply.

One container is used by both programs, one after the other, so that its hardware address and its client
identifier, and with them the address it gets, are the same.
"""

import random

import pytest

import wire
from harness import FULL, SEED, VERSIONS
from scripted import Plain, Scripted
from wire import route

OLD, MIDDLE = ("0.1.0", "0.2.0"), ("0.3.0", "0.3.1", "0.4.0")

THREE = route("192.168.50.0/24", "10.66.0.9") + route("10.50.0.1/32", "0.0.0.0") + route("0.0.0.0/0", "10.66.0.1")
PAIR = wire.ip("10.0.0.0") + wire.ip("10.66.0.5")


def many(count):
    return b"".join(route(f"10.{i >> 8}.{i & 255}.0/24", "10.66.0.9") for i in range(count))


def classes(*networks):
    return b"".join(wire.ip(net) + wire.ip("10.66.0.5") for net in networks)


# name: (settings of the server, members of ipam)
REPLIES = {
    "mask and router": ({}, {}),
    "no router": ({"router": None}, {}),
    "two routers": ({"router": None, "more": [(3, wire.ip("10.66.0.2") + wire.ip("10.66.0.3"))]}, {}),
    "a router option of five bytes": ({"router": None, "more": [(3, wire.ip("10.66.0.2") + b"\1")]}, {}),
    "an empty router option": ({"router": None, "more": [(3, b"")]}, {}),
    "a router that is 0.0.0.0": ({"router": "0.0.0.0"}, {}),
    "a mask of 24 bits": ({"mask": "255.255.255.0"}, {}),
    "a mask of 32 bits": ({"mask": "255.255.255.255"}, {}),
    "a mask of 1 bit": ({"mask": "128.0.0.0"}, {}),
    "a priority": ({}, {"priority": 50}),
    "a negative priority": ({}, {"priority": -1}),
    "a priority of 0": ({}, {"priority": 0}),
    "a priority and no router": ({"router": None}, {"priority": 50}),
    "classless routes": ({"more": [(121, THREE)]}, {"request": [{"option": "121"}]}),
    "classless routes that nobody asked for": ({"more": [(121, THREE)]}, {}),
    "classless routes with a priority": ({"more": [(121, THREE)]}, {"priority": 50}),
    "classless routes, static routes and no router": ({"router": None, "more": [(33, PAIR), (121, THREE)]}, {}),
    "classless routes, static routes and a router": ({"more": [(33, PAIR), (121, THREE)]}, {}),
    "one on-link route": ({"more": [(121, route("10.50.0.1/32", "0.0.0.0"))]}, {}),
    "an empty classless option": ({"more": [(121, b"")]}, {}),
    "a classless option of one byte": ({"more": [(121, b"\x18")]}, {}),
    "a classless option with a prefix of 33": ({"more": [(121, b"\x21" + bytes(9))]}, {}),
    "a classless option whose second entry is cut": ({"more": [(121, THREE[:10])]}, {}),
    "forty classless routes": ({"more": [(121, many(40))]}, {}),
    "classless routes that are split elsewhere": ({"more": [(121, THREE[:3]), (28, bytes(4)), (121, THREE[3:])]}, {}),
    "a static route": ({"more": [(33, PAIR)]}, {"request": [{"option": "33"}]}),
    "a static route and no router": ({"router": None, "more": [(33, PAIR)]}, {}),
    "a static route with a priority": ({"more": [(33, PAIR)]}, {"priority": 7}),
    "static routes of three classes": ({"more": [(33, classes("9.0.0.0", "172.20.0.0", "192.168.7.0"))]}, {}),
    "a static route and trailing bytes": ({"more": [(33, PAIR + b"\1\2\3")]}, {}),
    "a static option of four bytes": ({"more": [(33, PAIR[:4])]}, {}),
    "name servers, domain, search list, MTU and broadcast address":
        ({"more": [(6, wire.ip("10.66.0.3")), (15, b"example.org"), (119, b"\1a\0"), (26, b"\5\0"),
                   (28, wire.ip("10.66.255.255"))]}, {}),
    "no lease time": ({"lease": None}, {}),
    "the longest lease time": ({"lease": wire.FOREVER}, {}),
    "skipDefault": ({}, {"request": [{"skipDefault": True}, {"option": "3"}]}),
}


@pytest.mark.parametrize("name", REPLIES)
def test_the_result_is_the_go_programs_in_all_versions(lab, segment, name):
    settings, ipam = REPLIES[name]
    lab.server(Scripted, segment, behave=Plain(segment, **settings))
    container = segment.container()
    daemons = [lab.daemon(kind, ("-timeout", "1s", "-resendtimeout", "4s")).start() for kind in ("ours", "go")]
    for version in VERSIONS:
        outcomes = []
        for daemon in daemons:
            config = daemon.config(version, **ipam)
            outcomes.append(daemon.call("ADD", container, config))
            daemon.delete(container, config)
        ours, go = outcomes
        assert go.rc == 0, go
        assert (ours.rc, ours.out) == (go.rc, go.out), version


def some_address(rand):
    return f"{rand.randrange(1, 224)}.{rand.randrange(256)}.{rand.randrange(256)}.{rand.randrange(1, 255)}"


def some_classless(rand):
    """Option 121: entries without bits behind their prefixes, and now and then an end that is wrong."""
    value = b""
    for _ in range(rand.randrange(6)):
        bits = rand.randrange(33)
        net = wire.number(some_address(rand)) >> (32 - bits) << (32 - bits)
        gateway = rand.choice(["0.0.0.0", "10.66.0.9", some_address(rand)])
        value += route(f"{wire.ip_text(wire.u32(net))}/{bits}", gateway)
    if rand.random() < 0.2:
        value = value[: rand.randrange(len(value) + 1)]
    return value + (bytes((rand.randrange(33, 256),)) if rand.random() < 0.2 else b"")


def some_static(rand):
    """Option 33: networks by class, and now and then bytes too many."""
    value = b""
    for _ in range(rand.randrange(4)):
        first = rand.randrange(1, 224)
        size = 1 if first < 128 else 2 if first < 192 else 3
        net = ".".join([str(first), *(str(rand.randrange(256)) for _ in range(size - 1)), *["0"] * (4 - size)])
        value += wire.ip(net) + wire.ip(some_address(rand))
    return value + rand.randbytes(rand.choice((0, 0, 0, 1, 4, 7)))


def some_reply(rand):
    """(settings of a server, members of ipam)"""
    more = [(code, value(rand)) for code, value in ((121, some_classless), (33, some_static)) if rand.random() < 0.5]
    others = [code for code in (6, 15, 26, 28, 119, 43, 224) if rand.random() < 0.2]
    more += [(code, rand.randbytes(rand.randrange(1, 12))) for code in others]
    if rand.random() < 0.3:
        routers = b"".join(wire.ip(some_address(rand)) for _ in range(rand.randrange(3)))
        more.append((3, routers + bytes(rand.choice((0, 2)))))
    rand.shuffle(more)
    bits = rand.randrange(1, 25)
    settings = {"mask": wire.ip_text(wire.u32((1 << 32) - (1 << (32 - bits)))), "more": more,
                "lease": rand.choice((None, 60, 86400, wire.FOREVER)), "router": None}
    if 3 not in dict(more) and rand.random() < 0.7:
        settings["router"] = some_address(rand)
    return settings, rand.choice(({}, {"priority": rand.randrange(-3, 1000)}))


def test_what_servers_may_say_gives_the_go_programs_results(lab, segment):
    rand, plain = random.Random(SEED), Plain(segment)
    lab.server(Scripted, segment, behave=plain)
    container = segment.container()
    daemons = [lab.daemon(kind, ("-timeout", "1s", "-resendtimeout", "4s")).start() for kind in ("ours", "go")]
    for turn in range(2000 if FULL else 100):
        settings, ipam = some_reply(rand)
        for name, value in settings.items():
            setattr(plain, name, value)
        version, outcomes = rand.choice(VERSIONS), []
        for daemon in daemons:
            config = daemon.config(version, **ipam)
            outcomes.append(daemon.call("ADD", container, config))
            daemon.delete(container, config)
        ours, go = outcomes
        assert go.rc == 0 and (ours.rc, ours.out) == (go.rc, go.out), (SEED, turn, version, ipam, settings)


# What the Go program makes of these no kernel takes, or it does not know them: (more options, routes)
BETTER = {
    "a classless route with bits behind its prefix":
        ([(121, bytes((9, 10, 255)) + wire.ip("10.66.0.9"))], [{"dst": "10.128.0.0/9", "gw": "10.66.0.9"}]),
    "a static route with bits behind its class's prefix":
        ([(33, classes("192.168.7.9"))],
         [{"dst": "192.168.7.0/24", "gw": "10.66.0.5"}, {"dst": "0.0.0.0/0", "gw": "10.66.0.1"}]),
    "Microsoft's copy of classless routes":
        ([(249, THREE[:8])], [{"dst": "192.168.50.0/24", "gw": "10.66.0.9"}]),
}


@pytest.mark.parametrize("name", BETTER)
def test_routes_are_usable(lab, segment, name):
    more, routes = BETTER[name]
    lab.server(Scripted, segment, behave=Plain(segment, more=more))
    daemon, container = lab.daemon().start(), segment.container()
    outcome = daemon.add(container)
    assert outcome.json()["routes"] == routes


def text(version, ips, routes):
    """A result with one address as it stands on stdout."""
    lines = ["{", f'    "cniVersion": "{version}",']
    if version in OLD:
        lines += ['    "ip4": {', f'        "ip": "{ips[0]}",', f'        "gateway": "{ips[1]}",']
        lines += ['        "routes": [']
        lines += _routes(routes, 12) + ["        ]", "    },", '    "dns": {}']
    else:
        lines += ['    "ips": [', "        {"] + ['            "version": "4",'] * (version in MIDDLE)
        lines += [f'            "address": "{ips[0]}",', f'            "gateway": "{ips[1]}"', "        }", "    ],"]
        lines += ['    "routes": ['] + _routes(routes, 8)
        lines += ["    ],", '    "dns": {}'] if version in MIDDLE else ["    ]"]
    return "\n".join([*lines, "}"]).encode()


def _routes(routes, indent):
    pad, lines = " " * indent, []
    for members in routes:
        inner = ",\n".join(f'{pad}    "{key}": {value}' for key, value in members)
        lines += [f"{pad}{{", inner, f"{pad}}},"]
    lines[-1] = f"{pad}}}"
    return lines


@pytest.mark.parametrize("version", VERSIONS)
def test_the_result_has_address_gateway_and_default_route(lab, segment, program, version):
    lab.server(Scripted, segment, behave=Plain(segment))
    daemon, container = lab.daemon(program, version=version).start(), segment.container()
    outcome = daemon.call("ADD", container)
    routes = [[("dst", '"0.0.0.0/0"'), ("gw", '"10.66.0.1"')]]
    assert outcome.out == text(version, ("10.66.1.10/16", "10.66.0.1"), routes)


def test_classless_routes_stand_with_priority_and_scope(lab, segment, program):
    lab.server(Scripted, segment, behave=Plain(segment, more=[(121, THREE)]))
    daemon, container = lab.daemon(program, version="1.1.0").start(), segment.container()
    config = daemon.config(request=[{"option": "121"}], priority=50)
    outcome = daemon.call("ADD", container, config)
    assert outcome.out == text("1.1.0", ("10.66.1.10/16", "10.66.0.1"), [
        [("dst", '"192.168.50.0/24"'), ("gw", '"10.66.0.9"'), ("priority", 50)],
        [("dst", '"10.50.0.1/32"'), ("gw", '"0.0.0.0"'), ("priority", 50), ("scope", 253)],
        [("dst", '"0.0.0.0/0"'), ("gw", '"10.66.0.1"'), ("priority", 50)],
    ])


# name: (members of ipam, CNI_ARGS)
QUESTIONS = {
    "nothing special": ({}, ""),
    "requests by name and number": ({"request": [{"option": "host-name"}, {"option": "121"}, {"option": "33"}]}, ""),
    "a request twice": ({"request": [{"option": "121"}, {"option": "121"}, {"option": "routers"}]}, ""),
    "skipDefault with a request": ({"request": [{"skipDefault": True}, {"option": "42"}]}, ""),
    "an empty request": ({"request": [{"option": ""}, {}]}, ""),
    "a host name": ({"provide": [{"option": "host-name", "value": "box"}]}, ""),
    "a host name from an argument":
        ({"provide": [{"option": "12", "fromArg": "K8S_POD_NAME"}]}, "IgnoreUnknown=1;K8S_POD_NAME=web-0"),
    "an argument over a value":
        ({"provide": [{"option": "12", "value": "box", "fromArg": "K8S_POD_NAME"}]}, "K8S_POD_NAME=web-0"),
    "an argument that is not there":
        ({"provide": [{"option": "12", "value": "box", "fromArg": "K8S_POD_NAME"}]}, "K8S_POD_NAMESPACE=x;junk"),
    "an argument with an equals sign": ({"provide": [{"option": "60", "fromArg": "A"}]}, "A=b=c;D"),
    "provided twice": ({"provide": [{"option": "12", "value": "a"}, {"option": "12", "value": "b"}]}, ""),
    "provided without a value": ({"provide": [{"option": "12"}]}, ""),
    "an identifier": ({"provide": [{"option": "dhcp-client-identifier", "value": "myid"}]}, ""),
    "classes":
        ({"provide": [{"option": "user-class", "value": "u"},
                      {"option": "vendor-class-identifier", "value": "v"}]}, ""),
    "a value of 255 bytes": ({"provide": [{"option": "224", "value": "x" * 255}]}, ""),
}


@pytest.mark.parametrize("name", QUESTIONS)
def test_the_server_is_asked_what_the_go_program_asks(lab, segment, name):
    """Order and size apart: ours sends the type first, and the link's own size as 57."""
    ipam, args = QUESTIONS[name]
    lab.server(Scripted, segment, behave=Plain(segment))
    container, asked = segment.container(), {}
    for kind in ("ours", "go"):
        daemon = lab.daemon(kind, ("-resendtimeout", "4s")).start()
        since = len(segment.capture.find())
        outcome = daemon.call("ADD", container, daemon.config(**ipam), args=args)
        assert outcome.rc == 0, outcome
        asked[kind] = [
            (m.type, sorted((c, v) for c, v in m.options if c != wire.MAX_SIZE), m.ciaddr, m.chaddr, m.flags, m.dst)
            for m in segment.capture.find()[since:] if m.op == 1]
        daemon.delete(container, daemon.config(**ipam), args=args)
    assert asked["ours"] == asked["go"]


def test_a_long_identifier_is_cut_where_the_go_program_cuts_it(lab, segment):
    lab.server(Scripted, segment, behave=Plain(segment))
    container, asked = segment.container(), {}
    for kind in ("ours", "go"):
        daemon = lab.daemon(kind).start()
        since = len(segment.capture.find())
        config = daemon.config(name="n" * 200)
        assert daemon.call("ADD", container, config, id="c" * 60).rc == 0
        asked[kind] = {m.option(wire.CLIENT_ID) for m in segment.capture.find()[since:] if m.op == 1}
        daemon.delete(container, config, id="c" * 60)
    assert asked["ours"] == asked["go"] == {b"\0" + f"{'c' * 60}/{'n' * 200}/eth0".encode()[:254]}


# name: members of ipam, CNI_ARGS
REFUSALS = {
    "a name that is unknown": ({"request": [{"option": "domain-name"}]}, ""),
    "a number that is too large": ({"request": [{"option": "256"}]}, ""),
    "a negative number": ({"request": [{"option": "-1"}]}, ""),
    "provided without an option": ({"provide": [{"value": "x"}]}, ""),
    "a value that is too long": ({"provide": [{"option": "12", "value": "x" * 256}]}, ""),
    "an argument that is too long":
        ({"provide": [{"option": "12", "value": "box", "fromArg": "A"}]}, "A=" + "x" * 256),
}


@pytest.mark.parametrize("name", REFUSALS)
def test_a_configuration_is_refused_with_the_go_programs_words(lab, segment, name):
    ipam, args = REFUSALS[name]
    container = segment.container()
    ours, go = (daemon.call("ADD", container, daemon.config(**ipam), args=args)
                for daemon in (lab.daemon(kind).start() for kind in ("ours", "go")))
    assert go.rc == 1 and go.msg.startswith("error calling DHCP.Allocate: "), go
    assert (ours.rc, ours.code, ours.msg) == (go.rc, go.code, go.msg)


def test_a_missing_interface_is_named_as_the_go_program_does(lab, segment, program):
    daemon, container = lab.daemon(program).start(), segment.container()
    outcome = daemon.call("ADD", container, ifname="eth9")
    assert (outcome.rc, outcome.code) == (1, 999), outcome
    assert outcome.msg == 'error calling DHCP.Allocate: error looking up "eth9": Link not found'


def test_an_answer_without_a_mask_is_refused_and_given_back(lab, segment, program):
    plain = Plain(segment, mask=None)
    lab.server(Scripted, segment, behave=plain)
    daemon, container = lab.daemon(program).start(), segment.container()
    outcome = daemon.call("ADD", container)
    assert (outcome.rc, outcome.code) == (1, 999), outcome
    assert outcome.msg == "error calling DHCP.Allocate: DHCP option Subnet Mask not found in DHCPACK"
    assert segment.capture.wait("RELEASE").ciaddr == "10.66.1.10"
