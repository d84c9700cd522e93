# SPDX-License-Identifier: Apache-2.0
"""Counterparts of the reference program's own test cases, against dnsmasq as there.

The names in the docstrings are upstream's: dhcp_test.go (each case in seven versions) and dhcp2_test.go.
What they look at inside the program (parsed options) has its counterpart in tests/unit.
"""

import pytest

from harness import VERSIONS
from lab import at_once
from servers import Dnsmasq

each_version = pytest.mark.parametrize("version", VERSIONS)

FIRST, SECOND = "10.66.1.5", "10.66.1.6"


def one_address(outcome, address):
    """The result has this address, and no other."""
    assert outcome.rc == 0, outcome
    result = outcome.json()
    if "ip4" in result:
        assert result["ip4"]["ip"] == f"{address}/16" and "ip6" not in result
    else:
        assert [ip["address"] for ip in result["ips"]] == [f"{address}/16"]


def succeeds_silently(outcome):
    assert (outcome.rc, outcome.out) == (0, b""), outcome


@each_version
def test_a_link_is_configured_and_deconfigured(lab, segment, program, version):
    """[ver] configures and deconfigures a link with ADD/DEL"""
    lab.server(Dnsmasq, segment, pool=(FIRST, "10.66.1.250"), lease=300, extra=["--dhcp-sequential-ip"])
    daemon, container = lab.daemon(program, version=version).start(), segment.container()
    one_address(daemon.call("ADD", container), FIRST)
    succeeds_silently(daemon.call("DEL", container))


@each_version
def test_one_container_may_be_deleted_many_times_at_once(lab, segment, program, version):
    """[ver] correctly handles multiple DELs for the same container"""
    lab.server(Dnsmasq, segment, pool=(FIRST, "10.66.1.250"), lease=300, extra=["--dhcp-sequential-ip"])
    daemon, container = lab.daemon(program, version=version).start(), segment.container()
    one_address(daemon.call("ADD", container), FIRST)
    for outcome in at_once([lambda: daemon.call("DEL", container)] * 3):
        succeeds_silently(outcome)
    succeeds_silently(daemon.call("DEL", container))


@each_version
def test_an_exhausted_pool_is_no_more_tries(lab, segment, program, version):
    """[ver] configures multiple links with multiple ADD with second lease unavailable"""
    lab.server(Dnsmasq, segment, pool=(FIRST, FIRST), lease=300)
    flags = ("-timeout", "500ms", "-resendmax", "2s", "--resendtimeout", "1s")
    daemon = lab.daemon(program, flags, version=version).start()
    first, second = segment.container(), segment.container()
    one_address(daemon.call("ADD", first), FIRST)
    outcome = daemon.call("ADD", second)
    assert outcome.rc == 1 and outcome.msg == "error calling DHCP.Allocate: no more tries", outcome
    succeeds_silently(daemon.call("DEL", second))
    succeeds_silently(daemon.call("DEL", first))


def test_two_links_of_one_container_are_configured(lab, segment, program):
    """configures multiple links with multiple ADD/DEL"""
    lab.server(Dnsmasq, segment, pool=(FIRST, "10.66.1.250"), lease=300, extra=["--dhcp-sequential-ip"])
    daemon = lab.daemon(program, ("--timeout", "2s", "--resendtimeout", "8s"), version="0.3.1").start()
    container = segment.container()
    segment.connect(container, "eth1", "02:00:00:00:ff:01")
    one_address(daemon.call("ADD", container), FIRST)
    one_address(daemon.call("ADD", container, ifname="eth1"), SECOND)
    succeeds_silently(daemon.call("DEL", container, ifname="eth1"))
    succeeds_silently(daemon.call("DEL", container))
