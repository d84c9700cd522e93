# SPDX-License-Identifier: Apache-2.0
"""The node service: what it does for the calls of its node, and what becomes of them without it."""

import contextlib
import os
import pathlib
import shutil
import signal
import threading
import time

import pytest

import crowd
import harness
from crowd import Pod, at_once, gone, held_by, network, succeeded, until_asked
from proxy import answer, delay, is_request
from service import ACCOUNT, BIN_DIR, CONF_DIR, Service

LEASE = is_request("GET", "/leases/whereabouts")
PATCH = is_request("PATCH", "/ippools/")
PODS = is_request("GET", "/pods")
CONFIG = network(range="10.0.0.0/24")


def pods_of(node, count, prefix="p"):
    return [Pod(node, f"{prefix}{i}", CONFIG) for i in range(count)]


@pytest.fixture
def service(api, node):
    with Service(api, node) as running:
        yield running


@pytest.fixture
def through(api, node, proxy):
    """A service that asks through the proxy, as its node's calls do."""
    with Service(api, node, server=proxy.url) as running:
        yield running


@contextlib.contextmanager
def batch_held(proxy, service, pods, when, done=False):
    """The service is in the middle of a batch of all these ADDs. Yields the calls."""
    let_go = threading.Event()
    try:
        proxy.fault(LEASE, delay(let_go))
        calls = [pods[0].start("ADD")]
        until_asked(proxy, LEASE)
        proxy.fault(when, delay(threading.Event() if when is not LEASE else let_go, done))
        calls += [pod.start("ADD") for pod in pods[1:]]
        crowd.until_waiting(service.node, len(pods))
        let_go.set()
        until_asked(proxy, when)
        if done:
            harness.eventually(lambda: any(when(r) and r.forwarded for r in proxy.requests), "it is done")
        yield calls
    finally:
        let_go.set()


# ---- leading ----


def test_the_calls_are_served_over_one_connection(api, node, service):
    pods = pods_of(node, 3)
    for pod in pods:
        succeeded([pod.call("ADD")])
    service.until_served(3)
    held_by(api, pods)
    for pod in pods:
        gone([pod.call("DEL")])
    service.until_served(3, "del")
    crowd.empty(api)
    crowd.no_records(node)
    assert service.metrics()["connections_total"] == 1
    assert api.lease()["holderIdentity"] == ""


def test_a_burst_becomes_few_batches(api, node, service):
    pods = [Pod(node, f"p{i}", network(range="10.0.0.0/16")) for i in range(100)]
    addresses = succeeded(at_once("ADD", pods))
    assert sorted(addresses) == sorted(held_by(api, pods).values())
    assert sorted(addresses) == sorted(f"10.0.0.{i}" for i in range(1, 101))
    service.until_served(100)
    gone(at_once("DEL", pods))
    service.until_served(100, "del")
    assert service.metrics()["batches_total"] < 100
    crowd.empty(api)
    crowd.no_records(node)


def test_a_failure_is_told_and_counted(api, node, service):
    full = Pod(node, "p0", network(range="10.9.0.0/30")), Pod(node, "p1", network(range="10.9.0.0/30"))
    outcomes = [pod.call("ADD") for pod in (*full, Pod(node, "p2", network(range="10.9.0.0/30")))]
    assert [o.rc for o in outcomes] == [0, 0, 1]
    assert "Could not allocate IP in range" in outcomes[2].msg
    service.until_served(2)
    service.until_served(1, result="failed")


def test_records_are_as_without_the_service(api, node):
    """Whoever wrote one, the other can go on: the paths in it are the node's."""
    with Service(api, node) as service:
        succeeded([Pod(node, "p0", CONFIG).call("ADD")])
        service.until_served(1)
    succeeded([Pod(node, "p1", CONFIG).call("ADD")])
    records = crowd.full_records(node)
    ours = [{k: v for k, v in record.items() if k not in ("containerID", "podref", "items")} for record in records]
    assert ours[0] == ours[1]
    gone([Pod(node, name, CONFIG).call("DEL") for name in ("p0", "p1")])
    crowd.empty(api)


# ---- giving way ----


def test_a_gc_leads_and_need_not_wait(api, node, service):
    pods = pods_of(node, 30)
    succeeded(at_once("ADD", pods))
    kept = pods[:10]
    begin = time.monotonic()
    done = pods[0].call("GC", config=network(range="10.0.0.0/24", version="1.1.0",
                                             valid=[(p.id, p.ifname) for p in kept]))
    assert (done.rc, done.out) == (0, b""), done
    assert time.monotonic() - begin < 20
    held_by(api, kept)
    harness.eventually(service.is_ready, "the service leads again")
    gone(at_once("DEL", kept))
    service.until_served(10, "del")


def test_a_request_that_is_too_large_to_be_handed_over_is_done(api, node, service):
    excludes = [f"10.0.{i // 128}.{i % 128 * 2}/32" for i in range(9000)]
    pod = Pod(node, "large", network(range="10.0.0.0/16", exclude=excludes))
    begin = time.monotonic()
    succeeded([pod.call("ADD")])
    assert time.monotonic() - begin < 20
    harness.eventually(service.is_ready, "the service leads again")
    assert service.requests() == 0
    gone([pod.call("DEL")])


TALK = """
import socket, sys
with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as talker:
    talker.connect(sys.argv[1])
    talker.send(sys.argv[2].encode())
    print(len(talker.recv(1)))
"""


def test_a_plugin_of_another_version_leads_itself(api, node, service):
    """It is not understood, so the service leaves it the time to work alone, and then comes back."""
    path = f"{crowd.GROUPS}/{crowd.group(node)}"
    watched = os.open(node.path(f"{path}/sock").parent, os.O_PATH)
    inode = os.stat("sock", dir_fd=watched).st_ino
    told = harness.run([*node.wrap, "/usr/bin/python3", "-I", "-S", "-c", TALK, f"{path}/sock", '{"version":9}'])
    assert told.out == b"0\n", told
    harness.eventually(lambda: inode_of("sock", watched) not in (None, inode), "it listens again")
    os.close(watched)
    harness.eventually(service.is_ready, "it leads again")
    succeeded([Pod(node, "p0", CONFIG).call("ADD")])
    service.until_served(1)


def inode_of(name, directory):
    with contextlib.suppress(FileNotFoundError):
        return os.stat(name, dir_fd=directory).st_ino
    return None


def test_the_groups_directory_is_removed_under_it(api, node, service):
    succeeded([Pod(node, "p0", CONFIG).call("ADD")])
    directory = node.path(f"{crowd.GROUPS}/{crowd.group(node)}")
    shutil.rmtree(directory)
    succeeded(at_once("ADD", pods_of(node, 5, "q")))
    harness.eventually(lambda: (directory / "sock").exists() and service.is_ready(), "it leads again")
    before = service.requests()
    succeeded([Pod(node, "p1", CONFIG).call("ADD")])
    service.until_served(before + 1)


def test_the_socket_alone_is_removed(api, node, service):
    node.path(f"{crowd.GROUPS}/{crowd.group(node)}/sock").unlink()
    begin = time.monotonic()
    succeeded([Pod(node, "p0", CONFIG).call("ADD")])
    assert time.monotonic() - begin < 10


# ---- ends of all kinds ----


@pytest.mark.parametrize("when, done", [(LEASE, False), (is_request("POST", "/overlapping"), True), (PATCH, False),
                                        (PATCH, True)],
                         ids=["before anything", "reserving", "entering", "entered"])
@pytest.mark.parametrize("victim", ["leader", "service", "service is told"])
def test_killed_in_the_middle_of_a_burst(api, proxy, through, when, done, victim):
    """Nothing is lost, nothing is given twice: the calls go on by themselves."""
    node, pods = through.node, pods_of(through.node, 10)
    with batch_held(proxy, through, pods, when, done) as calls:
        leader = through.leader
        if victim == "leader":
            os.kill(leader, signal.SIGKILL)
        elif victim == "service":
            through.end(signal.SIGKILL)
        else:
            begin = time.monotonic()
            assert through.end() == 0
            assert time.monotonic() - begin < 2
        begin = time.monotonic()
        addresses = succeeded([harness.finish(call) for call in calls])
        assert time.monotonic() - begin < 30
    assert through.is_over(leader)
    assert sorted(addresses) == sorted(held_by(api, pods).values())
    assert set(crowd.records(node)) == {p.id for p in pods}
    if victim == "leader":
        harness.eventually(through.is_ready, "another leader")
        assert through.metrics()['starts_total{process="leader"}'] == 2
    gone(at_once("DEL", pods))
    crowd.empty(api)


def test_a_leader_that_is_stopped(api, proxy, through):
    """Nobody waits until the end of his patience for it."""
    pods = pods_of(through.node, 5)
    with batch_held(proxy, through, pods, PATCH) as calls:
        os.kill(through.leader, signal.SIGSTOP)
        begin = time.monotonic()
        addresses = succeeded([harness.finish(call) for call in calls])
        assert time.monotonic() - begin < 20
    assert sorted(addresses) == sorted(held_by(api, pods).values())
    harness.eventually(through.is_ready, "another leader")
    assert "it was stopped" in through.log


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_at_once(api, node, service, how):
    children = service.children()
    assert len(children) == 2
    begin = time.monotonic()
    assert service.end(how) == 0
    assert time.monotonic() - begin < 1
    harness.eventually(lambda: all(map(service.is_over, children)), "its processes have ended")
    assert not node.path("/run/cni-ipam/whereabouts/node.sock").exists()
    succeeded([Pod(node, "p0", CONFIG).call("ADD")])


def test_a_second_service_waits_for_the_first_ones_end(api, node, service):
    with Service(api, node, "--listen", f"unix:{crowd.GROUPS}/second.sock", ready=False,
                 path=f"{crowd.GROUPS}/second.sock") as second:
        harness.eventually(lambda: second.leader and second.page("/healthz")[0] == 200, "the second one runs")
        assert second.page("/readyz")[0] == 503
        service.end()
        harness.eventually(second.is_ready, "the second one leads")
        succeeded([Pod(node, "p0", CONFIG).call("ADD")])
        second.until_served(1)


def test_a_second_service_on_the_same_address_says_so(api, node, service):
    with Service(api, node, ready=False) as second:
        assert second.process.wait(10) == 1
        assert "listen on '/run/cni-ipam/whereabouts/node.sock': Address already in use" in second.log
    assert service.is_ready()


# ---- what was left ----


def test_all_marked_records_are_worked_off(api, node):
    """Not only sixteen with each call: all of them, once the server is there again, with no call at all."""
    pods = pods_of(node, 40)
    succeeded(at_once("ADD", pods))
    with Service(api, node) as service:
        api.stop()
        try:
            outcomes = at_once("DEL", pods)
            assert {(o.rc, o.out) for o in outcomes} == {(0, b"")}
            assert set(crowd.records(node).values()) == {"held release"}
            harness.eventually(lambda: service.metrics()["marked_records"] == 40, "it knows of them", 30)
            assert service.requests("del", "remembered") > 0
            assert service.page("/healthz")[0] == 200, "the server's absence is no fault of the service"
        finally:
            api.start()
        directory = node.path(crowd.RECORDS)
        harness.eventually(lambda: os.listdir(directory) == [], "all are worked off", 100)
        harness.eventually(lambda: service.metrics()["marked_records"] == 0, "it knows that", 30)
    crowd.empty(api)
    crowd.no_records(node)


# ---- pods that are gone ----


def make_pod(api, name, node=None, namespace="ns1"):
    with contextlib.suppress(Exception):
        api.create_namespace(namespace)
    spec = {"containers": [{"name": "c", "image": "none"}], **({"nodeName": node} if node else {})}
    api.post(f"/api/v1/namespaces/{namespace}/pods", {"metadata": {"name": name}, "spec": spec})


def remove_pod(api, name, namespace="ns1"):
    api.delete(f"/api/v1/namespaces/{namespace}/pods/{name}", {"gracePeriodSeconds": 0})


@pytest.fixture
def four(api, node):
    """Pods with addresses: one that runs here, one that waits for a node, one elsewhere, and none at all."""
    pods = {name: Pod(node, name, CONFIG) for name in ("here", "waiting", "elsewhere", "none")}
    make_pod(api, "here", node.name)
    make_pod(api, "waiting")
    make_pod(api, "elsewhere", "another-node")
    succeeded(at_once("ADD", pods.values()))
    yield pods
    for name in ("here", "waiting", "elsewhere"):
        remove_pod(api, name)


def test_addresses_of_pods_that_are_gone_are_released(api, node, four):
    with Service(api, node, "--grace", "3") as service:
        harness.eventually(lambda: service.metrics()["suspects"] == 2, "two are suspected")
        held_by(api, four.values())
        harness.eventually(lambda: service.metrics()["released_total"] == 2, "two are released", 40)
        left = [four["here"], four["waiting"]]
        held_by(api, left)
        assert set(crowd.records(node)) == {p.id for p in left}
        looks = service.metrics()["looks_total"]
        harness.eventually(lambda: service.metrics()["looks_total"] > looks + 1, "more looks", 40)
        held_by(api, left)
        assert "pod ns1/none is gone: container c-none-net1 interface net1 is released" in service.log


def test_nothing_is_released_before_its_time(api, node, four):
    with Service(api, node) as service:
        harness.eventually(lambda: service.metrics()["looks_total"] == 1, "a look")
        assert service.metrics()["suspects"] == 2
        assert service.metrics()["released_total"] == 0
    held_by(api, four.values())


@pytest.mark.parametrize("fault, part", [(answer(403), "/pods"), (answer(500), "/pods"), (answer(404), "/pods?"),
                                         (answer(500), "/pods/"), (answer(404), "/pods/")],
                         ids=["forbidden", "broken", "no list", "no answer about one", "a strange 404"])
def test_an_error_of_the_server_releases_nothing(api, node, proxy, four, fault, part):
    proxy.fault(is_request("GET", part), fault, times=None)
    with Service(api, node, "--grace", "1", server=proxy.url) as service:
        harness.eventually(lambda: service.metrics()["looks_total"] >= 3, "three looks", 100)
        assert service.metrics()["released_total"] == 0
        # Calls and credentials are none of its business.
        assert service.page("/healthz")[0] == 200
        assert service.log.count("pods of this node: ") <= 1
    held_by(api, four.values())


# ---- credentials ----


def test_a_token_that_was_renewed_is_used(api, node, service):
    succeeded([Pod(node, "p0", CONFIG).call("ADD")])
    fresh = api.new_token(seconds=7200)
    node.path(f"{ACCOUNT}/token").write_text(fresh)
    harness.eventually(lambda: node.path(f"{CONF_DIR}/whereabouts.d/token").read_text() == fresh, "it is written")
    succeeded([Pod(node, "p1", CONFIG).call("ADD")])
    service.until_served(2)
    assert service.metrics()["connections_total"] == 2
    for secret in (fresh, api.account_token):
        assert secret not in service.log


def test_credentials_that_cannot_be_written_are_told(api, node, service):
    before = service.metrics()["credentials_timestamp_seconds"]
    harness.run([*node.wrap, "mount", "--bind", "-o", "ro", f"{CONF_DIR}/whereabouts.d", f"{CONF_DIR}/whereabouts.d"])
    harness.run([*node.wrap, "mount", "-o", "remount,bind,ro", f"{CONF_DIR}/whereabouts.d"])
    node.path(f"{ACCOUNT}/token").write_text(api.new_token(seconds=7200))
    harness.eventually(lambda: service.page("/healthz")[0] == 503, "it is not healthy", 30)
    assert "credentials: failed" in service.page("/healthz")[1]
    assert service.metrics()["credentials_failed"] == 1
    harness.run([*node.wrap, "umount", f"{CONF_DIR}/whereabouts.d"])
    harness.eventually(lambda: service.page("/healthz")[0] == 200, "it is healthy again", 30)
    assert service.metrics()["credentials_timestamp_seconds"] > before


def test_without_credentials_it_lets_the_calls_go(api, node, service):
    """Somebody breaks the kubeconfig: each call says so itself, and says it at once."""
    path = node.path(node.kubeconfig)
    good = path.read_text()
    harness.run([*node.wrap, "mount", "-t", "tmpfs", "tmpfs", f"{CONF_DIR}/whereabouts.d"])
    try:
        harness.eventually(lambda: service.page("/readyz")[0] == 503, "it does not lead", 30)
    finally:
        harness.run([*node.wrap, "umount", f"{CONF_DIR}/whereabouts.d"])
    harness.eventually(service.is_ready, "it leads again", 30)
    assert path.read_text() == good
    assert "leader: all is well again" in service.log


# ---- in a container ----

# A root of its own, in which the node's directories are mounted as the DaemonSet has it.
CONTAINER = """
set -e
mount -t tmpfs tmpfs /mnt
mkdir /mnt/upper /mnt/work /mnt/root
mount -t overlay overlay -o lowerdir=/,upperdir=/mnt/upper,workdir=/mnt/work /mnt/root
for mount in $MOUNTS; do
    mkdir -p "/mnt/root${mount#*:}" "${mount%%:*}"
    mount --bind "${mount%%:*}" "/mnt/root${mount#*:}"
done
mkdir -p /mnt/root/run/cni-ipam /mnt/root/var/lib/cni
cp "$1" /mnt/root/whereabouts
shift
exec chroot /mnt/root /whereabouts "$@"
"""
MOUNTS = ["/proc:/proc", "/dev:/dev", f"{BIN_DIR}:/host{BIN_DIR}", f"{CONF_DIR}:/host{CONF_DIR}",
          "/run/secrets:/run/secrets"]
SHARED = ["/run/cni-ipam:/run/cni-ipam", "/var/lib/cni/whereabouts:/var/lib/cni/whereabouts"]


def container(api, node, mounts, **kwargs):
    return Service(api, node, wrap=("unshare", "--mount", "--", "/bin/sh", "-c", CONTAINER, "sh"),
                   env={"MOUNTS": " ".join(MOUNTS + mounts), "CNI_BIN_DIR": f"/host{BIN_DIR}",
                        "CNI_CONF_DIR": f"/host{CONF_DIR}"}, **kwargs)


def test_it_leads_from_a_container(api, node):
    """Identity and records are the same on both sides, whatever the paths are."""
    before = Pod(node, "before", CONFIG)
    succeeded([before.call("ADD")])
    with container(api, node, SHARED) as service:
        installed = node.path(f"{BIN_DIR}/whereabouts")
        assert installed.read_bytes() == pathlib.Path(harness.WHEREABOUTS).read_bytes()
        pods = pods_of(node, 5)
        succeeded(at_once("ADD", pods, binary=f"{BIN_DIR}/whereabouts"))
        service.until_served(5)
        gone([before.call("DEL")])
        service.until_served(1, "del")
    assert {r["kubeconfig"] for r in crowd.full_records(node)} == {node.kubeconfig}
    held_by(api, pods)
    gone(at_once("DEL", pods))
    crowd.no_records(node)


@pytest.mark.parametrize("lacks", [0, 1])
def test_without_a_mount_it_installs_and_does_not_lead(api, node, lacks):
    """Records in a container's own layer would be lost with it."""
    name = SHARED[lacks].partition(":")[0]
    mounts = [m for m in SHARED if not m.startswith(name)]
    with container(api, node, mounts, ready=False, port=True) as service:
        harness.eventually(lambda: service.alive() and service.page("/healthz")[0] == 200, "it runs")
        assert service.page("/readyz")[0] == 503
        assert f"{name} of the node is not mounted here at the same path" in service.log
        assert node.path(f"{BIN_DIR}/whereabouts").exists()
        succeeded([Pod(node, "p0", CONFIG).call("ADD")])
        assert service.requests() == 0
        assert len(service.children()) == 1


# ---- its pages ----


def test_what_it_is_not_asked_rightly_is_answered_so(service):
    for request, status in ((b"nonsense\r\n\r\n", 400), (b"GET /metrics\r\n\r\n", 400), (b"\r\n\r\n", 400),
                            (b"GET /secret HTTP/1.1\r\n\r\n", 404), (b"POST /metrics HTTP/1.1\r\n\r\n", 405),
                            (b"GET /metrics HTTP/1.1\r\nX: " + b"x" * 9000, 431), (b"\0" * 9000, 431),
                            (b"GET /healthz?verbose HTTP/1.0\n\n", 200), (b"HEAD /healthz HTTP/1.1\r\n\r\n", 200)):
        said = service.ask(request)
        assert said.startswith(f"HTTP/1.1 {status} ".encode()), (request[:40], said)
        assert b"Connection: close\r\n" in said
    assert service.ask(b"HEAD /healthz HTTP/1.1\r\n\r\n").endswith(b"\r\n\r\n")
    assert service.is_ready()


def test_slow_and_many_clients_keep_nobody_from_an_answer(service):
    """Those who say nothing are cut off in time, and hold up nobody for longer."""
    silent = [service.connect() for _ in range(60)]
    for connection in silent[:20]:
        connection.send(b"GET /healthz HT")
    begin = time.monotonic()
    assert service.page("/healthz")[0] == 200
    assert time.monotonic() - begin < 15
    for connection in silent:
        with connection:
            assert connection.recv(1) == b""
    assert len(os.listdir(f"/proc/{service.process.pid}/fd")) < 20


def test_a_port_of_the_loopback_interface(api, node):
    with Service(api, node, port=True) as service:
        assert service.metrics()["leads"] == 1


@pytest.mark.parametrize("options, said", [
    (["--listen", "0.0.0.0:9099"], "listen on '0.0.0.0:9099': neither"),
    (["--listen", "unix:relative"], "listen on 'unix:relative': neither"),
    (["--grace", "soon"], "--grace 'soon': a number of seconds"),
    (["--once", "--restore"], "either --once or --restore"),
    (["--programs", "bridge"], "bridge"),
    (["please"], "unexpected argument"),
])
def test_wrong_words(node, options, said):
    done = harness.run([*node.wrap, harness.WHEREABOUTS, "node", *options])
    assert (done.rc, done.out) == (2, b"")
    assert said in done.err.decode()
