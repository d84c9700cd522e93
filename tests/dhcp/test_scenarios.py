# SPDX-License-Identifier: Apache-2.0
"""The life of a lease, with each real server that can be made to do its part.

Times are short: dnsmasq gives no lease under 120 s, but lets T1 and T2 be shorter; the others take six
seconds.
"""

import time

import pytest

import wire
from harness import eventually, finish
from lab import at_once
from servers import ALL, Dhcpd, Dnsmasq, Kea, Udhcpd
from wire import BROADCAST, NOBODY

TIMES = {Dnsmasq: {"lease": 120, "t1": 10, "t2": 13}, Kea: {"lease": 6, "t1": 2, "t2": 4},
         Dhcpd: {"lease": 6, "t1": 2, "t2": 4}, Udhcpd: {"lease": 6, "t1": 2, "t2": 4}}
MARGIN = 0.9  # seconds that a busy machine may be late

each_server = pytest.mark.parametrize("kind", ALL, ids=lambda kind: kind.name)
short_servers = pytest.mark.parametrize("kind", (Kea, Dhcpd, Udhcpd), ids=lambda kind: kind.name)


def renewal(message):
    return message.type == "REQUEST" and message.ciaddr != NOBODY


def plain_address(outcome):
    return outcome.addresses[0]


def begun(segment, container):
    """When the times of a container's present lease began: with the REQUEST that was acknowledged."""
    ack = segment.capture.find("ACK", mac=container.mac)[-1]
    return [m for m in segment.capture.find("REQUEST", mac=container.mac) if m.xid == ack.xid][0].at


@each_server
def test_a_lease_is_renewed_by_unicast_from_its_address(lab, segment, kind):
    server = lab.server(kind, segment, **TIMES[kind])
    daemon, container = lab.daemon().start(), segment.container()
    outcome = daemon.add(container)
    address, capture = plain_address(outcome), segment.capture
    start, first = begun(segment, container), capture.find("REQUEST")[-1]

    one = capture.wait(where=renewal, timeout=20)
    assert TIMES[kind]["t1"] * 0.97 - 0.05 <= one.at - start <= TIMES[kind]["t1"] + MARGIN
    assert (one.src, one.dst, one.eth_dst, one.ciaddr) == (address, "10.66.0.1", segment.mac, address)
    assert one.option(wire.REQUESTED) is None and one.option(wire.SERVER) is None
    assert one.option(wire.CLIENT_ID) == first.option(wire.CLIENT_ID)
    assert one.xid != first.xid and one.secs >= 1 and one.flags == 0
    capture.wait("ACK", where=lambda m: m.xid == one.xid)

    two = capture.wait(where=renewal, count=2, timeout=20)
    assert two.xid != one.xid
    capture.wait("ACK", where=lambda m: m.xid == two.xid)
    assert container.addresses() == [f"{address}/16"] and server.held() == {address}
    assert capture.refusals == [] and not capture.find("DISCOVER", since=start)
    assert daemon.check(container, outcome).rc == 0


@each_server
def test_another_server_takes_over_at_t2(lab, segment, kind):
    server = lab.server(kind, segment, **TIMES[kind])
    daemon, container = lab.daemon().start(), segment.container()
    outcome = daemon.add(container)
    address, capture, start = plain_address(outcome), segment.capture, begun(segment, container)
    server.move("10.66.0.2")

    rebind = capture.wait(where=lambda m: renewal(m) and m.eth_dst == BROADCAST, timeout=20)
    assert TIMES[kind]["t2"] * 0.97 - 0.05 <= rebind.at - start <= TIMES[kind]["t2"] + MARGIN
    assert (rebind.src, rebind.dst, rebind.ciaddr) == (address, wire.ALL, address)
    assert rebind.option(wire.REQUESTED) is None and rebind.option(wire.SERVER) is None
    assert capture.wait("ACK", since=rebind.at).server == "10.66.0.2"

    following = capture.wait(where=renewal, since=rebind.at + 0.5, timeout=20)
    assert (following.dst, following.eth_dst) == ("10.66.0.2", segment.mac)
    assert container.addresses() == [f"{address}/16"] and not capture.find("DISCOVER", since=start)
    assert daemon.check(container, outcome).rc == 0


@short_servers
def test_a_lease_ends_in_time_and_comes_back(lab, segment, kind):
    server = lab.server(kind, segment, **TIMES[kind])
    daemon, container = lab.daemon(flags=("-resendmax", "2s")).start(), segment.container()
    outcome = daemon.add(container)
    address, routes = plain_address(outcome), container.routes()
    server.stop()
    end = begun(segment, container) + TIMES[kind]["lease"]

    eventually(lambda: container.addresses() == [], "the address goes")
    assert -0.3 <= time.monotonic() - end <= MARGIN
    assert "UP" in container.link()["flags"] and container.routes() == []
    failed = daemon.check(container, outcome)
    assert failed.rc == 1, failed
    search = segment.capture.wait("DISCOVER", since=end)
    assert search.option(wire.REQUESTED) == wire.ip(address)

    server.start()
    eventually(lambda: container.addresses() == [f"{address}/16"], "the address comes back")
    eventually(lambda: container.routes() == routes, "the routes come back")
    assert daemon.check(container, outcome).rc == 0


def test_what_a_lost_lease_does_is_configured(lab, segment):
    server = lab.server(Kea, segment, **TIMES[Kea])
    daemon = lab.daemon(flags=("-resendmax", "2s")).start()
    policies = ("deconfigure", "down", "keep", "replace")
    containers = {policy: segment.container() for policy in policies}
    configs = {policy: daemon.config(onLeaseLoss=policy) for policy in policies}
    outcomes = {policy: daemon.add(containers[policy], configs[policy]) for policy in policies}
    routes = {policy: containers[policy].routes() for policy in policies}
    address = {policy: f"{plain_address(outcomes[policy])}/16" for policy in policies}
    server.stop()
    down = containers["down"]

    eventually(lambda: "UP" not in down.link()["flags"], "the link goes down")
    end = begun(segment, down) + TIMES[Kea]["lease"]
    assert -0.3 <= time.monotonic() - end <= MARGIN
    for policy in ("deconfigure", "keep", "replace"):
        sent = segment.capture.wait("DISCOVER", mac=containers[policy].mac, count=2)
        assert sent.option(wire.REQUESTED) == wire.ip(plain_address(outcomes[policy]))
    assert containers["deconfigure"].addresses() == []
    assert containers["keep"].addresses() == [address["keep"]]
    for policy in policies:
        assert daemon.check(containers[policy], outcomes[policy], configs[policy]).rc == 1

    server.forget()
    server.change(pool=("10.66.2.10", "10.66.2.250"))
    server.start()
    since, new = time.monotonic(), containers["replace"]
    eventually(lambda: [a[:8] for a in new.addresses()] == ["10.66.2."], "another address")
    eventually(lambda: new.routes() == routes["replace"], "the routes are there again")
    offered = segment.capture.wait("OFFER", mac=containers["deconfigure"].mac, since=since)
    assert offered.yiaddr.startswith("10.66.2.")
    assert containers["deconfigure"].addresses() == []
    assert containers["keep"].addresses() == [address["keep"]]
    assert not segment.capture.find(mac=down.mac, since=end + MARGIN)


@pytest.mark.parametrize("kind", (Dnsmasq, Kea), ids=lambda kind: kind.name)
def test_a_nak_ends_a_lease_at_once_only_where_that_is_wanted(lab, segment, kind):
    """From a server that knows nothing (any more) of the address. (dhcpd and udhcpd do not answer such a
    renewal.)"""
    server = lab.server(kind, segment, lease=120, t1=10, t2=30)
    daemon = lab.daemon(flags=("-resendmax", "2s")).start()
    configs = {"default": daemon.config(), "strict": daemon.config(strictNak=True),
               "replace": daemon.config(strictNak=True, onLeaseLoss="replace")}
    containers = {name: segment.container() for name in configs}
    outcomes = {name: daemon.add(containers[name], configs[name]) for name in configs}
    server.stop()
    server.forget()
    new = "10.66.2." if kind is Dnsmasq else "10.77.2."
    server.change(pool=(f"{new}10", f"{new}250"), router=f"{new[:5]}.0.1")
    server.start()

    for name, container in containers.items():
        nak = segment.capture.wait("NAK", mac=container.mac, timeout=20)
        search = segment.capture.wait("DISCOVER", mac=container.mac, since=nak.at)
        assert search.at - nak.at < MARGIN
        assert search.option(wire.REQUESTED) == wire.ip(plain_address(outcomes[name]))
    eventually(lambda: containers["strict"].addresses() == [], "the address goes")
    assert containers["default"].addresses() == [f"{plain_address(outcomes['default'])}/16"]
    eventually(lambda: [a[:8] for a in containers["replace"].addresses()] == [new], "another address")
    assert daemon.check(containers["strict"], outcomes["strict"], configs["strict"]).rc == 1


def test_an_address_from_another_subnet_is_taken_only_where_that_is_wanted(lab, segment):
    server = lab.server(Kea, segment, **TIMES[Kea])
    daemon = lab.daemon(flags=("-resendmax", "2s")).start()
    keeps, changes = segment.container(), segment.container()
    config = daemon.config(onLeaseLoss="replace")
    first, second = daemon.add(keeps), daemon.add(changes, config)
    server.stop()
    server.change(pool=("10.77.2.10", "10.77.2.250"), router="10.77.0.1")
    server.start()

    eventually(lambda: [a[:6] for a in changes.addresses()] == ["10.77."], "another address")
    eventually(lambda: changes.routes() == [("default", "10.77.0.1")], "its routes")
    segment.capture.wait("OFFER", mac=keeps.mac, where=lambda m: m.yiaddr.startswith("10.77."))
    assert keeps.addresses() == []
    assert [daemon.check(keeps, first).rc, daemon.check(changes, second, config).rc] == [1, 1]


@each_server
def test_a_link_that_was_down_costs_no_time(lab, segment, kind):
    lab.server(kind, segment)
    daemon, container = lab.daemon().start(), segment.container(up=False)
    assert "UP" not in container.link()["flags"]
    start = time.monotonic()
    assert daemon.call("ADD", container).rc == 0
    assert time.monotonic() - start < 5, "the first DISCOVER went into a link that was not there yet"
    assert "UP" in container.link()["flags"]


def test_a_carrier_is_waited_for(lab, segment):
    lab.server(Dnsmasq, segment)
    daemon, container = lab.daemon().start(), segment.container()
    segment.ip("link", "set", container.port, "down")
    eventually(lambda: "LOWER_UP" not in container.link()["flags"], "no carrier")
    started = daemon.begin("ADD", container)
    eventually(lambda: container.id in daemon.leases(), "the ADD is under way")
    segment.ip("link", "set", container.port, "up")
    since = time.monotonic()
    assert finish(started).rc == 0
    assert time.monotonic() - since < 3
    assert segment.capture.find("DISCOVER")[0].at >= since - MARGIN


def test_a_server_that_answers_late_is_waited_for(lab, segment):
    lab.server(Dnsmasq, segment, extra=["--dhcp-reply-delay=2"])
    daemon, container = lab.daemon().start(), segment.container()
    assert daemon.call("ADD", container).rc == 0


@each_server
def test_an_exhausted_pool_has_an_address_after_a_release(lab, segment, kind):
    server = lab.server(kind, segment, pool=("10.66.1.10", "10.66.1.10"))
    # udhcpd looks for two seconds whether somebody has an address before it gives it away.
    daemon = lab.daemon(flags=("-resendtimeout", "7s" if kind is Udhcpd else "2s")).start()
    first, second = segment.container(), segment.container()
    daemon.add(first)
    outcome = daemon.call("ADD", second)
    assert (outcome.rc, outcome.msg) == (1, "error calling DHCP.Allocate: no more tries"), outcome
    assert second.ifname in outcome.details, outcome
    daemon.delete(first)
    first.ip("address", "flush", "dev", "eth0")
    server.until_held()
    assert daemon.call("ADD", second).addresses == ["10.66.1.10"]


@each_server
def test_a_release_is_seen_by_the_server(lab, segment, kind):
    """From a container that has the address, and from one that has not (any more)."""
    server = lab.server(kind, segment)
    daemon = lab.daemon().start()
    with_it, without = segment.container(), segment.container()
    one, two = at_once([lambda: daemon.add(with_it), lambda: daemon.call("ADD", without)])
    server.until_held(plain_address(one), plain_address(two))
    for container, outcome in ((with_it, one), (without, two)):
        daemon.delete(container)
        address = plain_address(outcome)
        sent = segment.capture.wait("RELEASE", mac=container.mac)
        assert (sent.src, sent.dst, sent.eth_dst, sent.ciaddr) == (address, "10.66.0.1", segment.mac, address)
        assert sorted(sent.codes) == [wire.TYPE, wire.SERVER, wire.CLIENT_ID]
        request = segment.capture.find("REQUEST", mac=container.mac)[0]
        assert sent.option(wire.CLIENT_ID) == request.option(wire.CLIENT_ID) and sent.server == "10.66.0.1"
    server.until_held()
    assert daemon.records == [] and len({m.xid for m in segment.capture.find("RELEASE")}) == 2


@each_server
def test_a_lease_outlives_a_killed_daemon(lab, segment, kind):
    server = lab.server(kind, segment, **TIMES[kind])
    daemon, container = lab.daemon().start(), segment.container()
    outcome = daemon.add(container)
    address, capture = plain_address(outcome), segment.capture
    daemon.kill()
    assert len(daemon.records) == 1
    daemon.start()
    assert daemon.check(container, outcome).rc == 0
    renewed = capture.wait(where=renewal, timeout=20)
    assert (renewed.src, renewed.eth_dst, renewed.ciaddr) == (address, segment.mac, address)
    capture.wait("ACK", since=renewed.at)
    daemon.stop()
    assert len(daemon.records) == 1 and not capture.find("RELEASE")
    daemon.start()
    daemon.delete(container)
    server.until_held()
    assert not capture.find("DISCOVER", since=begun(segment, container))


@each_server
def test_a_restarted_daemon_asks_for_an_address_that_is_gone(lab, segment, kind):
    """INIT-REBOOT: the server knows of the lease, and says so."""
    server = lab.server(kind, segment)
    daemon, container = lab.daemon().start(), segment.container()
    outcome = daemon.add(container)
    daemon.kill()
    container.ip("address", "flush", "dev", "eth0")
    since = time.monotonic()
    daemon.start()
    asked = segment.capture.wait("REQUEST", since=since)
    assert (asked.src, asked.dst, asked.eth_dst, asked.ciaddr) == (NOBODY, wire.ALL, BROADCAST, NOBODY)
    assert asked.option(wire.REQUESTED) == wire.ip(plain_address(outcome)) and asked.server is None
    segment.capture.wait("ACK", since=since)
    assert not segment.capture.find("DISCOVER", since=since)
    daemon.delete(container)
    server.until_held()


@pytest.mark.parametrize("kind", (Dnsmasq, Kea, Udhcpd), ids=lambda kind: kind.name)
def test_a_restarted_daemon_is_told_that_an_address_is_no_longer_its(lab, segment, kind):
    """INIT-REBOOT is answered with a NAK, so it looks for another lease. (dhcpd says nothing.)"""
    server = lab.server(kind, segment)
    daemon, container = lab.daemon().start(), segment.container()
    outcome = daemon.add(container)
    daemon.kill()
    server.stop()
    server.forget()
    server.change(pool=("10.66.2.10", "10.66.2.250"))
    server.start()
    container.ip("address", "flush", "dev", "eth0")
    since = time.monotonic()
    daemon.start()
    nak = segment.capture.wait("NAK", since=since)
    search = segment.capture.wait("DISCOVER", since=nak.at)
    assert search.option(wire.REQUESTED) == wire.ip(plain_address(outcome))
    assert daemon.check(container, outcome).rc == 1


@each_server
def test_a_deletion_without_a_daemon_is_made_up_for(lab, segment, kind):
    server = lab.server(kind, segment)
    daemon, container = lab.daemon().start(), segment.container()
    server_side = plain_address(daemon.add(container))
    server.until_held(server_side)
    daemon.kill()
    daemon.delete(container)
    assert not segment.capture.find("RELEASE")
    daemon.start()
    segment.capture.wait("RELEASE", where=lambda m: m.ciaddr == server_side)
    server.until_held()
    eventually(lambda: daemon.records == [], "the record goes")
    assert daemon.leases() == {}


@each_server
def test_an_address_that_somebody_has_is_declined(lab, segment, kind):
    lab.server(kind, segment)
    container, somebody = segment.container(), segment.container()
    forgetful = lab.daemon().start()
    taken = plain_address(forgetful.call("ADD", container))
    forgetful.close()  # nothing was released: the server gives this client the same address again
    somebody.ip("address", "add", f"{taken}/16", "dev", "eth0")
    since = time.monotonic()

    daemon = lab.daemon().start()
    outcome = daemon.call("ADD", container, daemon.config(acd="fast"))
    assert outcome.rc == 0 and outcome.addresses != [taken], outcome
    decline = segment.capture.wait("DECLINE")
    assert (decline.eth_dst, decline.dst, decline.src, decline.ciaddr) == (BROADCAST, wire.ALL, NOBODY, NOBODY)
    assert decline.option(wire.REQUESTED) == wire.ip(taken) and decline.server == "10.66.0.1"
    assert decline.option(wire.CLIENT_ID) == segment.capture.find("DISCOVER")[0].option(wire.CLIENT_ID)
    following = segment.capture.find("DISCOVER", since=decline.at)[0]
    assert following.at - decline.at >= 10 - 0.1
    probes = [arp for arp in segment.capture.arps if arp.is_probe and arp.at >= since and arp.target == taken]
    assert 1 <= len(probes) <= 3


def test_a_container_that_is_gone_ends_its_lease(lab, segment):
    """Its namespace, or its interface alone; nothing keeps either."""
    lab.server(Dnsmasq, segment)
    daemon = lab.daemon().start()
    gone, bare, stays = (segment.container() for _ in range(3))
    for container in (gone, bare, stays):
        daemon.add(container)
    gone.remove()
    bare.ip("link", "delete", "eth0")
    ports = {gone.port, bare.port}
    eventually(lambda: not ports & {link["ifname"] for link in segment.query("link", "show")}, "the ports go", 12)
    eventually(lambda: len(daemon.records) == 1, "the records go")
    assert "runs out" in daemon.log  # nobody could tell the server
    daemon.delete(gone)
    daemon.delete(bare)
    assert {id for id, lease in daemon.leases().items() if lease["state"] == "BOUND"} == {stays.id}
