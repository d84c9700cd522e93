# SPDX-License-Identifier: Apache-2.0
"""The API server, the nodes and the fault proxy do themselves what the tests of the plugin rely on."""

import errno
import http.client
import json
import os
import pathlib
import shlex
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time

import pytest

import apiserver
import harness
from apiserver import POOLS, RESERVATIONS, SLICES, ApiError, ApiServer
from node import CONF_DIR, Node
from pki import Pki
from proxy import Proxy, answer, cut, damage, delay, dribble, is_request, truncate

ENTRY = {"id": "c1", "podref": "ns1/pod1", "ifname": "net1"}
NO_ANSWER = (OSError, http.client.HTTPException)


def network(**ipam):
    return {"cniVersion": "1.0.0", "name": "mynet", "type": "ipvlan",
            "ipam": {"type": "whereabouts", "range": "192.168.2.225/28", **ipam}}


# ---- the server ----


def test_it_is_the_version_that_was_built(api):
    assert api.get("/version")["gitVersion"].startswith("v1.34.")


def test_the_account_may_what_upstream_lets_it_and_no_more(api):
    account = api.as_account()
    api.create_pool("10.0.0.0/24")
    pool = account.get(api.path(POOLS, "10.0.0.0-24"))
    version = pool["metadata"]["resourceVersion"]
    patch = [{"op": "test", "path": "/metadata/resourceVersion", "value": version},
             {"op": "add", "path": "/spec/allocations/1", "value": ENTRY}]
    account.patch(api.path(POOLS, "10.0.0.0-24"), patch)
    assert api.pool("10.0.0.0-24") == {"1": ENTRY}
    assert account.call("PATCH", api.path(POOLS, "10.0.0.0-24"), patch, apiserver.JSON_PATCH).status == 422
    account.delete(api.path(POOLS, "10.0.0.0-24"))
    account.post(api.path("leases"), {"metadata": {"name": "whereabouts"}, "spec": {"holderIdentity": "me"}})
    assert api.lease() == {"holderIdentity": "me"}
    for method, path, body in (
        ("GET", "/api/v1/namespaces/kube-system/secrets", None),
        ("POST", "/api/v1/namespaces/kube-system/pods", {"metadata": {"name": "p"}}),
        ("DELETE", api.path(POOLS), None),  # a whole collection
        ("PUT", "/api/v1/nodes/node1", {"metadata": {"name": "node1"}}),
    ):
        assert account.call(method, path, body).status == 403, (method, path)


def test_a_token_that_is_none_is_refused_and_one_without_rights_is_forbidden(api):
    assert api.as_account("nonsense").call("GET", api.path(POOLS)).status == 401
    assert api.as_account(api.new_account("nobody")).call("GET", api.path(POOLS)).status == 403


@pytest.mark.parametrize("plural, kind, spec", [
    (POOLS, "IPPool", {"range": "10.0.0.0/24"}),
    (POOLS, "IPPool", {"range": "10.0.0.0/24", "allocations": {"1": {"id": "c"}}}),
    (RESERVATIONS, "OverlappingRangeIPReservation", {"ifname": "net1"}),
    (RESERVATIONS, "OverlappingRangeIPReservation", None),
    (SLICES, "NodeSlicePool", {"range": "10.0.0.0/8"}),
])
def test_the_schemas_refuse_what_upstreams_refuse(api, plural, kind, spec):
    thing = {"apiVersion": "whereabouts.cni.cncf.io/v1alpha1", "kind": kind, "metadata": {"name": "x"}}
    said = api.call("POST", api.path(plural), {**thing, **({"spec": spec} if spec else {})})
    assert (said.status, said.json()["reason"]) == (422, "Invalid")


def test_objects_are_made_seen_and_cleared_in_every_namespace(api):
    if not api.find("/api/v1/namespaces/tenant"):
        api.create_namespace("tenant")
    for namespace in ("kube-system", "tenant"):
        api.create_pool("fd00::/64", {"7": ENTRY}, "net-a", "node-a", namespace)
        api.create_reservation("fd00::7", "ns1/pod1", ifname="net1", namespace=namespace)
        slices = [("node1", "10.0.0.0/22"), ("", "10.0.4.0/22")]
        api.create_slices("nsnet", "10.0.0.0/8", "/22", slices, namespace)
        api.post(api.path("leases", namespace=namespace), {"metadata": {"name": "whereabouts"}})
        assert api.pools(namespace) == {"net-a-node-a-fd00---64": {"7": ENTRY}}
        assert api.reservations(namespace) == {"fd00--7": {"podref": "ns1/pod1", "ifname": "net1"}}
        assert api.get(api.path(SLICES, "nsnet", namespace))["status"]["allocations"][1] == {
            "nodeName": "", "sliceRange": "10.0.4.0/22"}
    api.clear()
    for namespace in ("kube-system", "tenant"):
        assert [api.names(p, namespace) for p in (POOLS, RESERVATIONS, SLICES)] == [[], [], []]
        assert api.lease(namespace=namespace) is None


@pytest.mark.parametrize("given, name", [
    (("192.168.2.224/28",), "192.168.2.224-28"),
    (("2001:db8::/32",), "2001-db8---32"),
    (("10.8.0.0/24", "net-a"), "net-a-10.8.0.0-24"),
    (("10.0.8.0/22", "tenant-a", "node-a"), "tenant-a-node-a-10.0.8.0-22"),
    (("10.0.4.0/22", "", "node-a"), "node-a-10.0.4.0-22"),
])
def test_pools_have_upstreams_names(given, name):
    assert apiserver.pool_name(*given) == name


def test_reservations_have_upstreams_names():
    assert apiserver.reservation_name("2001:db9::") == "2001-db9--0"
    assert apiserver.reservation_name("fd00:1::1", "net-a") == "net-a-fd00-1--1"


def test_two_servers_run_side_by_side_and_one_keeps_its_objects_over_a_restart(api, tmp_path):
    with ApiServer(tmp_path / "second") as second:
        second.create_pool("10.1.0.0/24")
        assert api.pools() == {}
        with pytest.raises(ssl.SSLError):
            apiserver.Client("127.0.0.1", second.port, api.trusting()).get("/version")
        second.stop()
        with pytest.raises(ConnectionRefusedError):
            second.get("/version")
        second.start()
        assert second.as_account().list(second.path(POOLS))[0]["spec"]["range"] == "10.1.0.0/24"
    with pytest.raises(ConnectionRefusedError):
        second.get("/version")


@pytest.mark.parametrize("ending", ["stdin", signal.SIGTERM, signal.SIGKILL])
def test_a_script_can_have_one(tmp_path, ending):
    script = [sys.executable, apiserver.__file__, tmp_path / "api"]
    with subprocess.Popen(script, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        said = dict(word.split("=", 1) for word in shlex.split(process.stdout.readline()))
        assert sorted(said) == ["KUBE_ADMIN_CERT", "KUBE_ADMIN_KEY", "KUBE_CA", "KUBE_CONFIG",
                                "KUBE_TOKEN_FILE", "KUBE_URL"]
        host, port = said["KUBE_URL"].removeprefix("https://").split(":")
        token = pathlib.Path(said["KUBE_TOKEN_FILE"]).read_text()
        client = apiserver.Client(host, int(port), ssl.create_default_context(cafile=said["KUBE_CA"]), token)
        assert client.list(ApiServer.path(POOLS)) == []
        if ending == "stdin":
            process.stdin.close()
        else:
            process.send_signal(ending)
        assert process.wait(20) == (-9 if ending == signal.SIGKILL else 0)
    harness.eventually(lambda: refuses(int(port)), "no process of it is left")


def refuses(port):
    with socket.socket() as sock:
        return sock.connect_ex(("127.0.0.1", port)) == errno.ECONNREFUSED


# ---- nodes ----


def test_a_node_has_files_of_its_own_and_is_gone_without_trace(nodes):
    one, other = nodes(2)
    assert one.path(one.conf).stat().st_mode & 0o7777 == 0o600
    assert one.path(one.kubeconfig).stat().st_mode & 0o7777 == 0o600
    for place in ("/etc/cni-test-marker", "/run/cni-ipam/m", "/var/lib/cni/m", "/var/lib/cni-test-marker"):
        said = harness.run([*one.wrap, "sh", "-c", f"echo here >{place} && cat {CONF_DIR}/nodename"])
        assert (said.rc, said.out) == (0, b"node1"), said
        assert one.path(place).read_text() == "here\n"
        assert not other.path(place).exists()
        assert not os.path.exists(place)
    assert one.path("/run/cni-ipam").stat().st_dev != other.path("/run/cni-ipam").stat().st_dev


def test_a_node_ends_with_its_keeper():
    with Node("brief") as node:
        node.write("/etc/cni/x", "y")
        assert harness.run([*node.wrap, "cat", "/etc/cni/x"]).out == b"y"
        pid = node.pid
    assert not os.path.exists(f"/proc/{pid}")


# ---- the Go program through all of it ----


def test_the_go_program_adds_and_deletes(api, node, peer):
    added = node.call("ADD", network(), binary=peer, ifname="net1")
    assert added.rc == 0, added
    assert added.json() == {"cniVersion": "1.0.0", "ips": [{"address": "192.168.2.225/28"}]}
    assert api.pools() == {"192.168.2.224-28": {"1": ENTRY}}
    assert api.reservations() == {"192.168.2.225": {"podref": "ns1/pod1", "ifname": "net1"}}
    assert api.lease()["holderIdentity"] == ""
    gone = node.call("DEL", network(), binary=peer, ifname="net1")
    assert (gone.rc, gone.out) == (0, b""), gone
    assert api.pools() == {"192.168.2.224-28": {}}
    assert api.reservations() == {}


def test_the_go_program_through_the_proxy(api, nodes, proxy, peer):
    node = nodes(1, server=proxy.url)[0]
    assert node.call("ADD", network(), binary=peer, ifname="net1").rc == 0
    assert api.pools() == {"192.168.2.224-28": {"1": ENTRY}}
    seen = [(r.method, r.path.rsplit("/", 1)[1], r.forwarded) for r in proxy.requests]
    for request in (("POST", "leases", 201), ("GET", "ippools", 200), ("GET", "192.168.2.224-28", 404),
                    ("POST", "ippools", 201), ("PATCH", "192.168.2.224-28", 200),
                    ("POST", "overlappingrangeipreservations", 201)):
        assert request in seen, seen
    assert all(r.headers["Authorization"] == f"Bearer {api.account_token}" for r in proxy.requests)
    patch = next(r for r in proxy.requests if r.method == "PATCH").json()
    assert patch[-1] == {"op": "add", "path": "/spec/allocations/1", "value": ENTRY}
    assert len({r.connection for r in proxy.requests}) < len(proxy.requests)


# ---- the proxy, seen with a plain client ----

POOL = "10.0.0.0-24"


@pytest.fixture
def through(api, proxy):
    """A client that goes through the proxy, which it has connected to."""
    client = proxy.client()
    yield client
    client.close()


def create(api, client):
    return client.call("POST", api.path(POOLS), {
        "apiVersion": "whereabouts.cni.cncf.io/v1alpha1", "kind": "IPPool", "metadata": {"name": POOL},
        "spec": {"range": "10.0.0.0/24", "allocations": {}}})


def test_what_has_no_fault_goes_through_on_one_connection(api, proxy, through):
    assert create(api, through).status == 201
    assert create(api, through).status == 409
    assert through.list(api.path(POOLS))[0]["metadata"]["name"] == POOL
    assert [(r.number, r.connection, r.method, r.forwarded, r.status) for r in proxy.requests] == [
        (1, 1, "POST", 201, 201), (2, 1, "POST", 409, 409), (3, 1, "GET", 200, 200)]
    assert proxy.requests[0].json()["spec"]["range"] == "10.0.0.0/24"
    assert proxy.lines[2] == f"GET {api.path(POOLS)}"


def test_credentials_are_the_clients(api, proxy):
    assert proxy.client("nonsense").call("GET", api.path(POOLS)).status == 401


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 410, 422, 429, 500, 503, 504])
@pytest.mark.parametrize("done", [False, True])
def test_a_status_in_place_of_the_servers(api, proxy, through, status, done):
    proxy.fault(1, answer(status, {"Retry-After": "1"}, done=done))
    said = create(api, through)
    assert (said.status, said.headers["Retry-After"], said.json()["code"]) == (status, "1", status)
    assert said.json()["kind"] == "Status" and said.json()["reason"]
    assert api.names(POOLS) == ([POOL] if done else [])
    assert (proxy.requests[0].forwarded, proxy.requests[0].status) == (201 if done else None, status)
    assert create(api, through).status == (409 if done else 201)  # the fault was for one request
    assert {r.connection for r in proxy.requests} == {1}


@pytest.mark.parametrize("reset", [False, True])
@pytest.mark.parametrize("done", [False, True])
def test_a_cut_before_or_after_the_server_has_done_it(api, proxy, through, done, reset):
    proxy.fault(2, cut(done, reset))
    assert through.call("GET", "/version").status == 200
    with pytest.raises(NO_ANSWER) as caught:
        create(api, through)
    assert isinstance(caught.value, ConnectionResetError) or not reset
    assert api.names(POOLS) == ([POOL] if done else [])
    assert proxy.requests[1].status is None
    assert create(api, through).status == (409 if done else 201)
    assert proxy.requests[2].connection == 2


def test_a_truncated_body(api, proxy, through):
    proxy.fault(1, truncate(0.5))
    with pytest.raises(http.client.IncompleteRead) as caught:
        create(api, through)
    assert caught.value.partial and caught.value.expected
    assert api.names(POOLS) == [POOL]


def test_a_damaged_body(api, proxy, through):
    proxy.fault(1, damage(lambda body: body.rstrip()[:-1]))
    said = create(api, through)
    assert said.status == 201
    with pytest.raises(json.JSONDecodeError):
        said.json()


@pytest.mark.parametrize("done", [False, True])
def test_a_request_that_is_held(api, proxy, through, done):
    let_go = threading.Event()
    proxy.fault(1, delay(let_go, done))
    said = []
    thread = threading.Thread(target=lambda: said.append(create(api, through).status))
    thread.start()
    harness.eventually(lambda: proxy.requests and proxy.requests[0].forwarded == (201 if done else None),
                       "the request comes, and is done before it is held")
    assert api.names(POOLS) == ([POOL] if done else []) and not said
    let_go.set()
    thread.join(20)
    assert said == [201] and api.names(POOLS) == [POOL]


def test_slow_ones(api, proxy, through):
    proxy.fault(1, delay(0.2))
    proxy.fault(2, dribble(0.2))
    for request in (lambda: create(api, through), lambda: through.call("GET", api.path(POOLS))):
        begin = time.monotonic()
        assert request().status in (200, 201)
        assert time.monotonic() - begin >= 0.2
    proxy.latency = 0.1
    begin = time.monotonic()
    for _ in range(3):
        through.get("/version")
    assert time.monotonic() - begin >= 0.3
    proxy.reset()
    assert proxy.requests == [] and proxy.latency == 0


def test_faults_find_their_requests(api, proxy, through):
    proxy.fault(is_request("POST", "/ippools"), answer(503), times=2)
    proxy.fault(is_request("GET"), answer(429), times=None)
    proxy.fault(lambda request: b"10.0.0.0/24" in request.body, answer(500))
    assert proxy.unused == 2
    assert [create(api, through).status for _ in range(4)] == [503, 503, 500, 201]
    assert [through.call("GET", "/version").status for _ in range(3)] == [429, 429, 429]
    assert proxy.unused == 0


def test_a_server_that_is_gone_looks_like_a_cut(proxy, through, monkeypatch):
    monkeypatch.setattr(proxy.api, "port", 1)  # nobody listens there
    with pytest.raises(NO_ANSWER):
        through.get("/version")
    assert proxy.requests[0].forwarded is None


def test_half_a_request_is_none(api, proxy, through):
    with api.trusting().wrap_socket(socket.create_connection(("127.0.0.1", proxy.port)),
                                    server_hostname="localhost") as sock:
        sock.sendall(b"POST /api/v1/namespaces HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99\r\n\r\n{}")
    assert through.get("/version")
    assert proxy.lines == ["GET /version"]


def test_a_client_of_another_authority_is_told_apart(proxy, tmp_path):
    other = Pki(tmp_path / "other")
    client = proxy.client()
    client.context = proxy.api.trusting(ca=other.ca)
    with pytest.raises(ssl.SSLCertVerificationError):
        client.get("/version")
    harness.eventually(lambda: proxy.refused, "the proxy sees the refusal")
    assert proxy.requests == []


def test_a_server_with_the_certificate_of_another_name(api):
    with Proxy(api, api.pki.issue("elsewhere", "/CN=elsewhere", "DNS:elsewhere")) as proxy:
        with pytest.raises(ssl.SSLCertVerificationError, match="IP address mismatch"):
            proxy.client().get("/version")


def test_a_server_that_accepts_and_says_nothing(proxy):
    proxy.silent = True
    client = proxy.client()
    client.timeout = 0.2
    with pytest.raises(TimeoutError):
        client.get("/version")
    assert proxy.requests == []
    proxy.silent = False
    assert client.get("/version")


def test_many_clients_at_once(api, proxy):
    failed = []

    def one(i):
        client = proxy.client()
        try:
            client.post(api.path(RESERVATIONS), {
                "apiVersion": "whereabouts.cni.cncf.io/v1alpha1", "kind": "OverlappingRangeIPReservation",
                "metadata": {"name": f"10.0.0.{i}"}, "spec": {"podref": f"ns/p{i}"}})
        except (ApiError, *NO_ANSWER) as error:
            failed.append(error)
        client.close()

    threads = [threading.Thread(target=one, args=(i,)) for i in range(40)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not failed and len(api.names(RESERVATIONS)) == 40
    assert sorted(r.number for r in proxy.requests) == list(range(1, 41))


def test_every_connection_cut_at_once(api, proxy, through):
    through.get("/version")
    proxy.cut_all()
    with pytest.raises(NO_ANSWER):
        through.get("/version")
    assert through.get("/version")
