# SPDX-License-Identifier: Apache-2.0
"""The daemon and its socket: starting, stopping, who may ask, what is asked at once, and what is said
when there is no daemon."""

import contextlib
import json
import os
import signal
import socket
import time

import harness
from harness import eventually, finish
from lab import Process, at_once, tool
from scripted import Plain, Scripted, instead, silent
from servers import Dnsmasq

ABSENT = "error dialing DHCP daemon: dial unix {}: connect: no such file or directory"
REFUSED = "error dialing DHCP daemon: dial unix {}: connect: connection refused"


def bare_run(daemon, *flags):
    """`dhcp daemon` that should end by itself."""
    return harness.run([daemon.binary, "daemon", *flags], timeout=20)


# ---- starting and stopping ----


def settled(daemon, segment):
    """The Go program can be stopped in good order only when it has answered something."""
    if not daemon.ours:
        daemon.delete(segment.container())
    return daemon


def test_a_stop_removes_socket_and_pidfile(lab, segment, program):
    daemon = lab.daemon(program)
    pidfile = daemon.directory / "pid"
    settled(daemon.start("-pidfile", pidfile), segment)
    assert pidfile.read_text() == str(daemon.pid)
    assert daemon.socket.is_socket()
    daemon.stop()
    assert not pidfile.exists() and not daemon.socket.exists()


def test_the_daemon_stops_on_an_interrupt(lab, segment, program):
    daemon = settled(lab.daemon(program).start(), segment)
    assert daemon.end(signal.SIGINT) == 0
    assert not daemon.socket.exists()


def test_a_relative_pidfile_is_an_error(lab, program):
    outcome = bare_run(lab.daemon(program), "-pidfile", "x")
    assert outcome.rc == 1
    assert b'Error writing pidfile "x": path not absolute' in outcome.err


def test_wrong_flags_are_usage_errors(lab, program):
    daemon = lab.daemon(program)
    for flags, rc in ((["-nonsense"], 2), (["-timeout", "1"], 2), (["-timeout"], 2), (["-broadcast=maybe"], 2),
                      (["-h"], 0), (["--help"], 0)):
        outcome = bare_run(daemon, *flags)
        assert outcome.rc == rc, (flags, outcome)
        assert b"-resendtimeout" in outcome.err, flags


def test_flags_have_the_go_spelling(lab, segment, program):
    lab.server(Dnsmasq, segment)
    daemon = lab.daemon(program).start("--timeout=1s500ms", "-resendmax", "1m2s", "-broadcast=true", "-hostprefix=")
    assert daemon.call("ADD", segment.container()).rc == 0


def test_the_prefix_stands_before_namespaces_and_socket(lab, segment, program):
    lab.server(Dnsmasq, segment)
    daemon, container = lab.daemon(program), segment.container()
    prefix = daemon.directory / "h"
    prefix.mkdir()
    (prefix / "run").symlink_to("/run")
    daemon.start("-hostprefix", prefix)
    assert daemon.call("ADD", container).rc == 0
    daemon.delete(container)


def test_the_socket_belongs_to_root_alone(lab):
    daemon = lab.daemon().start()
    assert daemon.socket.stat().st_mode & 0o777 == 0o600
    assert (daemon.socket.stat().st_uid, daemon.socket.stat().st_gid) == (0, 0)


def test_a_stale_socket_is_replaced(lab, segment):
    lab.server(Dnsmasq, segment)
    daemon, container = lab.daemon().start(), segment.container()
    daemon.kill()
    assert daemon.socket.is_socket()
    assert daemon.call("STATUS", container, daemon.config("1.1.0")).code == 50
    daemon.start()
    assert daemon.call("ADD", container).rc == 0


def test_a_second_daemon_with_the_same_socket_does_not_start(lab, segment):
    lab.server(Dnsmasq, segment)
    daemon, container = lab.daemon().start(), segment.container()
    outcome = bare_run(daemon, "-socketpath", daemon.socket)
    assert outcome.rc == 1 and b"already running" in outcome.err, outcome
    assert daemon.call("ADD", container).rc == 0


def test_two_daemons_with_two_sockets_share_nothing(lab, segment):
    lab.server(Dnsmasq, segment)
    one, two = lab.daemon().start(), lab.daemon().start()
    first, second = segment.container(), segment.container()
    one.add(first)
    two.add(second)
    assert (set(one.leases()), set(two.leases())) == ({first.id}, {second.id})
    two.stop()
    one.delete(first)


def test_a_socket_from_the_service_manager_is_served(lab, segment, program):
    """As systemd hands it over: descriptor 3, and variables that say so."""
    lab.server(Dnsmasq, segment)
    daemon, container = lab.daemon(program), segment.container()
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(os.fspath(daemon.socket))
        listener.listen(16)
        started = Process(
            [tool("bash"), "-c", 'exec 3<&0 </dev/null; LISTEN_FDS=1 LISTEN_PID=$$ exec "$@"', "-", daemon.binary,
             "daemon", "-socketpath", daemon.socket], daemon.log_path, stdin=listener)
        lab.defer(lambda: started.rc is not None or started.end(signal.SIGKILL))
        assert daemon.call("ADD", container).rc == 0
        daemon.delete(container)
        assert started.end() == 0


def test_the_service_manager_is_told(lab):
    """READY after the socket is there, and a sign of life in time."""
    daemon = lab.daemon()
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(os.fspath(daemon.directory / "notify"))
        manager.settimeout(15)
        daemon.environment = {"NOTIFY_SOCKET": os.fspath(daemon.directory / "notify"), "WATCHDOG_USEC": "1000000"}
        daemon.start()
        assert b"READY=1" in manager.recv(4096)
        assert daemon.answers()
        signs = 0
        while signs < 3:
            signs += b"WATCHDOG=1" in manager.recv(4096)
        daemon.stop()


# ---- no daemon, or another one ----


def test_without_a_daemon_calls_say_so(lab, segment, program):
    daemon, container = lab.daemon(program), segment.container()
    text = ABSENT.format(daemon.socket)
    outcome = daemon.call("ADD", container)
    assert (outcome.rc, outcome.msg) == (1, text) and outcome.code == (11 if daemon.ours else 999)
    outcome = daemon.call("CHECK", container, {**daemon.config(), "prevResult": {
        "cniVersion": "1.0.0", "ips": [{"address": "10.66.1.10/16"}]}})
    assert (outcome.rc, outcome.msg) == (1, text)
    if daemon.ours:
        assert daemon.call("STATUS", container, daemon.config("1.1.0")).code == 50
        daemon.delete(container)


def test_a_socket_without_a_listener_is_refused(lab, segment, program):
    daemon, container = lab.daemon(program), segment.container()
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(os.fspath(daemon.socket))
    outcome = daemon.call("ADD", container)
    assert (outcome.rc, outcome.msg) == (1, REFUSED.format(daemon.socket))


def test_a_go_daemon_on_the_socket_is_named(lab, segment):
    go, ours, container = lab.daemon("go").start(), lab.daemon(), segment.container()
    since = time.monotonic()
    outcome = ours.call("ADD", container, go.config())
    assert outcome.rc == 1 and "Go" in outcome.msg + outcome.details, outcome
    assert time.monotonic() - since < 10
    ours.delete(container, go.config())
    assert go.running


def test_a_go_client_is_told_what_it_met(lab, segment):
    ours, go, container = lab.daemon().start(), lab.daemon("go"), segment.container()
    outcome = go.call("ADD", container, ours.config())
    assert outcome.rc == 1 and "unexpected HTTP response: 426" in outcome.msg, outcome
    assert ours.call("STATUS", container, ours.config("1.1.0")).rc == 0


def test_status_is_good_when_the_daemon_works(lab, segment):
    daemon = lab.daemon().start()
    outcome = daemon.call("STATUS", segment.container(), daemon.config("1.1.0"))
    assert (outcome.rc, outcome.out) == (0, b""), outcome


# ---- who speaks, and how ----


def test_bad_talk_harms_nobody(lab, segment):
    """Connect and close, half a request, garbage, a frame that is too large, an HTTP client."""
    lab.server(Dnsmasq, segment)
    daemon, container = lab.daemon().start(), segment.container()
    before = len(daemon.descriptors)
    talk = [b"", b"c", b"cni-ipam 1 100\n{", b"cni-ipam 1 99999999999\n", b"cni-ipam 2 10\n", b"\0" * 4096,
            b"cni-ipam 1 2\n{}", b"cni-ipam 1 4\nnull", b"\n", b"GET / HTTP/1.1\r\n\r\n", b"cni-ipam 1 -1\n",
            b"cni-ipam 1 17\n" + b'{"op":"nonsense"}']
    with contextlib.ExitStack() as stack:
        for text in talk * 5:
            peer = stack.enter_context(socket.socket(socket.AF_UNIX))
            peer.connect(os.fspath(daemon.socket))
            with contextlib.suppress(BrokenPipeError):
                peer.sendall(text)
        assert daemon.call("ADD", container).rc == 0
    eventually(lambda: len(daemon.descriptors) <= before + 3, "their descriptors are closed")
    daemon.delete(container)


def test_half_a_request_is_given_up(lab):
    daemon = lab.daemon().start()
    with socket.socket(socket.AF_UNIX) as peer:
        peer.settimeout(15)
        peer.connect(os.fspath(daemon.socket))
        peer.sendall(b"cni-ipam 1 100\n{")
        since, said = time.monotonic(), b""
        with contextlib.suppress(ConnectionResetError):
            while more := peer.recv(4096):
                said += more
        assert 3 < time.monotonic() - since < 10
        assert said.startswith(b"hello\n")


def test_a_foreign_user_is_refused(lab, segment):
    """Even where the socket's mode lets him connect."""
    lab.server(Dnsmasq, segment)
    daemon, container = lab.daemon().start(), segment.container()
    daemon.add(container)
    daemon.directory.chmod(0o755)
    daemon.socket.chmod(0o666)
    request = json.dumps({"op": "LIST"})
    talk = (f"import socket, sys; s = socket.socket(socket.AF_UNIX); s.connect({os.fspath(daemon.socket)!r}); "
            f"s.sendall(b'cni-ipam 1 {len(request)}\\n' + {request.encode()!r}); sys.stdout.buffer.write(s.recv(4096))")
    somebody = ("setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups", "--")
    outcome = harness.run([*somebody, "/usr/bin/python3", "-I", "-S", "-c", talk])
    assert outcome.out == b"", outcome
    daemon.until_says("65534")
    daemon.socket.chmod(0o600)
    assert set(daemon.leases()) == {container.id}


# ---- the verbs ----


def test_an_add_that_is_repeated_gets_the_same_answer(lab, segment):
    lab.server(Dnsmasq, segment)
    daemon, container = lab.daemon().start(), segment.container()
    first = daemon.add(container)
    sent = len(segment.capture.find())
    again = daemon.call("ADD", container)
    assert again.out == first.out
    assert len(segment.capture.find()) == sent


def test_many_adds_of_one_attachment_are_one_lease(lab, segment):
    server = lab.server(Dnsmasq, segment)
    daemon, container = lab.daemon().start(), segment.container()
    outcomes = at_once([lambda: daemon.call("ADD", container)] * 30)
    assert {(o.rc, o.out) for o in outcomes} == {(0, outcomes[0].out)}
    assert len(segment.capture.find("REQUEST")) == 1
    daemon.delete(container)
    server.until_held()


def test_an_add_in_another_namespace_is_refused(lab, segment):
    lab.server(Dnsmasq, segment)
    daemon, container, other = lab.daemon().start(), segment.container(), segment.container()
    daemon.add(container)
    outcome = daemon.call("ADD", other, id=container.id)
    assert outcome.rc == 1, outcome
    daemon.delete(container)
    assert daemon.call("ADD", other, id=container.id).rc == 0


def test_a_deletion_ends_an_add_that_waits(lab, segment):
    daemon, container = lab.daemon().start(), segment.container()
    started = daemon.begin("ADD", container)
    segment.capture.wait("DISCOVER")
    since = time.monotonic()
    daemon.delete(container)
    outcome = finish(started)
    assert outcome.rc == 1 and time.monotonic() - since < 2, outcome
    assert daemon.leases() == {} and daemon.records == []
    assert not segment.capture.find("RELEASE")


def test_a_deletion_gives_back_what_an_add_has_asked_for(lab, segment):
    """The REQUEST is out, and its answer is not here: the server may have granted it."""
    plain = Plain(segment)
    lab.server(Scripted, segment, behave=instead(plain, REQUEST=silent))
    daemon, container = lab.daemon().start(), segment.container()
    started = daemon.begin("ADD", container)
    segment.capture.wait("REQUEST")
    daemon.delete(container)
    assert finish(started).rc == 1
    assert segment.capture.wait("RELEASE").ciaddr == "10.66.1.10"
    eventually(lambda: plain.released == ["10.66.1.10"], "the server sees it")
    assert daemon.records == []


def test_a_plugin_that_is_killed_leaves_no_lease(lab, segment):
    """Before the answer: nobody has heard of the address."""
    server = lab.server(Dnsmasq, segment, extra=["--dhcp-reply-delay=1"])
    daemon, container = lab.daemon().start(), segment.container()
    started = daemon.begin("ADD", container)
    segment.capture.wait("REQUEST")
    started.kill()
    started.communicate()
    segment.capture.wait("RELEASE")
    server.until_held()
    eventually(lambda: daemon.records == [] and daemon.leases() == {}, "nothing is left")


def test_a_search_whose_plugin_is_killed_ends(lab, segment):
    daemon, container = lab.daemon().start(), segment.container()
    started = daemon.begin("ADD", container)
    segment.capture.wait("DISCOVER")
    started.kill()
    started.communicate()
    eventually(lambda: daemon.leases() == {}, "nothing is left")
    assert daemon.records == []


def test_a_check_never_waits(lab, segment):
    """While a renewal has no answer, and after the lease's end."""
    plain = Plain(segment, lease=6, t1=2, t2=4)
    server = lab.server(Scripted, segment, behave=plain)
    daemon, container = lab.daemon().start(), segment.container()
    outcome = daemon.add(container)
    server.behave = silent
    for what, rc in (("REQUEST", 0), ("DISCOVER", 1)):
        segment.capture.wait(what, count=len(segment.capture.find(what)) + 1)
        begun = time.monotonic()
        assert daemon.check(container, outcome).rc == rc, what
        assert time.monotonic() - begun < 1


def test_a_check_looks_for_the_address(lab, segment):
    lab.server(Dnsmasq, segment)
    daemon, container = lab.daemon().start(), segment.container()
    outcome = daemon.call("ADD", container)
    assert daemon.check(container, outcome).rc == 1  # not configured yet
    container.apply(outcome)
    assert daemon.check(container, outcome).rc == 0
    other = outcome.json()
    other["ips"][0]["address"] = "10.66.9.9/16"
    wrong = daemon.call("CHECK", container, {**daemon.config(), "prevResult": other})
    assert wrong.rc == 1, wrong
    assert daemon.call("CHECK", segment.container(), {**daemon.config(), "prevResult": outcome.json()}).rc == 1


def test_garbage_is_collected_by_network(lab, segment):
    server = lab.server(Dnsmasq, segment)
    daemon = lab.daemon(version="1.1.0").start()
    stays, goes, other = (segment.container() for _ in range(3))
    kept = daemon.add(stays)
    daemon.add(goes)
    elsewhere = daemon.add(other, daemon.config(name="another"))

    def collect(**members):
        outcome = daemon.call("GC", stays, {**daemon.config(), **members}, netns=None, id=None, ifname=None)
        assert outcome.rc == 0, outcome
        return set(daemon.leases())

    assert collect() == {stays.id, goes.id, other.id}
    valid = [{"containerID": stays.id, "ifname": "eth0"}, {"containerID": goes.id, "ifname": "eth1"}]
    assert collect(**{"cni.dev/valid-attachments": valid}) == {stays.id, other.id}
    server.until_held(kept.addresses[0], elsewhere.addresses[0])
    assert collect(**{"cni.dev/valid-attachments": []}) == {other.id}
    server.until_held(elsewhere.addresses[0])


def test_a_deletion_of_nothing_succeeds(lab, segment, program):
    daemon, container = lab.daemon(program).start(), segment.container()
    daemon.delete(container)
    daemon.delete(container, netns="/run/netns/no-such-namespace")


def test_a_deletion_finds_its_lease_without_its_namespace(lab, segment):
    server = lab.server(Dnsmasq, segment)
    daemon, container = lab.daemon().start(), segment.container()
    daemon.add(container)
    daemon.delete(container, netns=None)
    segment.capture.wait("RELEASE")
    server.until_held()


# ---- what it costs ----


def test_bound_leases_hold_nothing(lab, segment):
    """No thread, no socket and no namespace for each of them."""
    lab.server(Dnsmasq, segment)
    daemon = lab.daemon().start()
    before = len(daemon.descriptors)
    containers = [segment.container() for _ in range(20)]
    outcomes = at_once([lambda c=c: daemon.call("ADD", c) for c in containers])
    assert len({o.addresses[0] for o in outcomes}) == len(containers)
    eventually(lambda: len(daemon.descriptors) == before, "descriptors as before", 15)
    eventually(lambda: daemon.threads == 1, "one thread", 15)
    assert len(daemon.records) == len(containers)
    gone = at_once([lambda c=c: daemon.call("DEL", c) for c in containers])
    assert {o.rc for o in gone} == {0} and daemon.records == []


def test_the_leases_are_shown(lab, segment):
    lab.server(Dnsmasq, segment, lease=120)
    daemon, container = lab.daemon().start(), segment.container()
    outcome = daemon.add(container)
    lease = daemon.leases()[container.id]
    assert (lease["network"], lease["ifname"], lease["state"]) == ("net", "eth0", "BOUND")
    assert outcome.addresses[0] in lease["address"] and lease["server"] == "10.66.0.1"
    assert lease["obtained"] < lease["renew"] < lease["rebind"] < lease["expires"]
    assert lease["sent"]["DISCOVER"] == 1 and lease["received"]["ACK"] == 1
    table = daemon.command("list")
    assert table.rc == 0 and outcome.addresses[0].encode() in table.out
    status = daemon.command("status", "--json").json()
    assert status["version"] == 1 and status["pid"] == daemon.pid
    released = daemon.command("release", container.id, "eth0", "net")
    assert released.rc == 0, released
    segment.capture.wait("RELEASE")
    assert daemon.leases() == {}
