# SPDX-License-Identifier: Apache-2.0
"""The API server is away, refuses us, or somebody else has the Lease: what a call does, and how soon."""

import base64
import contextlib
import json
import socket
import subprocess
import threading
import time

import pytest

import crowd
import harness
from apiserver import POOLS, ApiServer
from crowd import Pod, at_once, empty, gone, held, held_by, network, no_records, records, succeeded, until_asked
from pki import Pki
from proxy import Proxy, delay, is_request

ADD_S, DEL_S, SOON_S = 10.5, 5, 3
CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
GROUP = "whereabouts.cni.cncf.io"


def timed(pod, verb, **more):
    """The outcome, and how long it took."""
    begin = time.monotonic()
    outcome = pod.call(verb, **more)
    return outcome, time.monotonic() - begin


def fails(pod, verb, seconds, *texts, code=999):
    """It says why in time: one JSON object, exit status 1."""
    outcome, took = timed(pod, verb)
    assert outcome.rc == 1, outcome
    assert outcome.code == code, outcome
    said = f"{outcome.msg}\n{outcome.details}"
    for text in texts:
        assert text in said, (text, said)
    assert took < seconds, (took, said)
    return outcome


def is_left_for_later(pod, seconds=DEL_S, *texts):
    """A DEL that succeeds, although nothing could be released, and says so in one line."""
    outcome, took = timed(pod, "DEL")
    assert (outcome.rc, outcome.out) == (0, b""), outcome
    assert outcome.err.count(b"\n") == 1, outcome
    for text in texts:
        assert text.encode() in outcome.err, (text, outcome)
    assert took < seconds, took
    assert records(pod.node)[pod.id].endswith(" release")


# ---- servers that are none ----


class Silence:
    """Accepts connections; says nothing, or without end what no client understands."""

    def __init__(self, noise=b""):
        self.noise, self._ends, self._open = noise, threading.Event(), []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"https://127.0.0.1:{self._listener.getsockname()[1]}"
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self):
        self._listener.settimeout(0.02)
        while not self._ends.is_set():
            with contextlib.suppress(TimeoutError):
                self._open.append(self._listener.accept()[0])
                self._open[-1].setblocking(False)
            for sock in self._open if self.noise else ():
                with contextlib.suppress(OSError):
                    sock.send(self.noise)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._ends.set()
        self._thread.join()
        for sock in (self._listener, *self._open):
            sock.close()


# The start of a TLS handshake: records that hold one message that never ends.
ENDLESS_TLS = b"\x16\x03\x03\x40\x00" + b"\x02\x00\xff\xff" + bytes(0x4000 - 4)
HEARTBEATS = b"\x16\x03\x03\x00\x04\x00\x00\x00\x00"  # HelloRequests, again and again


@contextlib.contextmanager
def refusing(api):
    with socket.socket() as bound:  # the port is ours, and nobody listens
        bound.bind(("127.0.0.1", 0))
        yield f"https://127.0.0.1:{bound.getsockname()[1]}"


@contextlib.contextmanager
def silent(api):
    with Silence() as server:
        yield server.url


@contextlib.contextmanager
def full(api):
    """A backlog that is full: the handshake of TCP does not come to its end."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        with contextlib.ExitStack() as stack:
            for _ in range(4):
                sock = stack.enter_context(socket.socket())
                sock.setblocking(False)
                sock.connect_ex(listener.getsockname())
            yield f"https://127.0.0.1:{listener.getsockname()[1]}"


@contextlib.contextmanager
def endless(api):
    with Silence(ENDLESS_TLS) as server:
        yield server.url


@contextlib.contextmanager
def babbling(api):
    with Silence(HEARTBEATS) as server:
        yield server.url


@contextlib.contextmanager
def plain_http(api):
    with Silence(b"HTTP/1.1 400 Bad Request\r\n\r\n") as server:
        yield server.url


@contextlib.contextmanager
def speechless(api):
    """TLS and requests, and no answer to any of them."""
    with Proxy(api) as proxy:
        never = threading.Event()
        proxy.fault(is_request(), delay(never), times=None)
        yield proxy.url


@contextlib.contextmanager
def shaking(api):
    """No handshake of TLS comes to its end."""
    with Proxy(api) as proxy:
        proxy.silent = True
        yield proxy.url


AWAY = [refusing, silent, endless] + ([full, babbling, plain_http, shaking] if harness.FULL else [])


@pytest.mark.parametrize("away", AWAY)
def test_add_says_why_and_leaves_nothing(api, nodes, away):
    with away(api) as url:
        node = nodes(1, server=url)[0]
        pod = Pod(node, "pod", network(range="10.0.0.0/24"))
        fails(pod, "ADD", ADD_S, "error at storage engine: ", url.removeprefix("https://"),
              "refused" if away is refusing else "")
    no_records(node)


@pytest.mark.parametrize("away", AWAY)
def test_del_succeeds_and_the_release_comes_with_the_next_call(api, node, away):
    config = network(range="10.0.0.0/24")
    pod, other = Pod(node, "pod", config), Pod(node, "other", config)
    # The address of the server must not change: it is part of the record.
    with away(api) as url, Proxy(api) as proxy:
        node.configure(api, server=proxy.url)
        succeeded([pod.call("ADD")])
        node.configure(api, server=url)
        moved = {path: path.read_text() for path in node.path(crowd.RECORDS).iterdir()}
        for path, text in moved.items():
            path.write_text(text.replace(proxy.url, url))
        is_left_for_later(pod)
        held_by(api, [pod])
        is_left_for_later(pod)  # a runtime repeats it
        node.configure(api, server=proxy.url)
        for path in moved:
            path.write_text(path.read_text().replace(url, proxy.url))
        assert succeeded([other.call("ADD")]) in (["10.0.0.1"], ["10.0.0.2"])
        held_by(api, [other])
        assert set(records(node)) == {other.id}
        gone([other.call("DEL")])
        empty(api)
        no_records(node)


@pytest.mark.skipif(not harness.FULL, reason="half a minute of waiting")
def test_a_server_that_answers_nothing_is_given_up_in_time(api, nodes):
    """The requests have been sent, so they may be done: a DEL may take longer than without a server."""
    with speechless(api) as url:
        node = nodes(1, server=url)[0]
        pod = Pod(node, "pod", network(range="10.0.0.0/24"))
        outcome, took = timed(pod, "ADD")
        assert (outcome.rc, outcome.code) == (1, 999) and took < 60, (outcome, took)
        is_left_for_later(pod, 60)


def test_a_del_without_record_and_server_is_not_forgotten(api, node):
    """Such as after an upgrade from the Go program: what has to be released is made from the configuration."""
    config = network(range="10.0.0.0/24")
    pod = Pod(node, "pod", config)
    api.create_pool("10.0.0.0/24", {"1": {"id": pod.id, "podref": pod.podref, "ifname": pod.ifname}})
    api.create_reservation("10.0.0.1", pod.podref, ifname=pod.ifname)
    api.stop()
    try:
        is_left_for_later(pod, DEL_S, "refused")
    finally:
        api.start()
    other = Pod(node, "other", config)
    succeeded([other.call("ADD")])
    held_by(api, [other])
    assert set(records(node)) == {other.id}


def test_forty_dels_without_server(api, node):
    """All of them end in time; each later call releases some."""
    config = network(range="10.0.0.0/24")
    pods = [Pod(node, f"p{i}", config) for i in range(40)]
    succeeded(at_once("ADD", pods))
    api.stop()
    try:
        begin = time.monotonic()
        outcomes = at_once("DEL", pods)
        assert time.monotonic() - begin < 2 * DEL_S
        assert {(o.rc, o.out) for o in outcomes} == {(0, b"")}
        assert set(records(node).values()) == {"held release"}
        begin = time.monotonic()
        lost = at_once("ADD", pods[:20])
        assert time.monotonic() - begin < 2 * ADD_S
        assert {o.rc for o in lost} == {1}
    finally:
        api.start()
    held_by(api, pods)
    other = Pod(node, "other", config)
    for left in (24, 8, 0):
        succeeded([other.call("ADD")])
        assert len(crowd.consistent(api)) == left + 1
    assert set(records(node)) == {other.id}
    gone([other.call("DEL")])
    no_records(node)


@pytest.mark.parametrize("verb", ["ADD", "DEL"])
def test_the_server_restarts_in_the_middle_of_a_burst(api, nodes, verb):
    machines = nodes(3)
    config = network(range="10.0.0.0/24")
    pods = [Pod(node, f"p{i}-{node.name}", config) for node in machines for i in range(20)]
    if verb == "DEL":
        succeeded(at_once("ADD", pods))
    running = [pod.start(verb) for pod in pods]
    harness.eventually(lambda: len(api.pool("10.0.0.0-24") or {}) in range(1, 60), "it is in the middle")
    api.stop()
    api.start()
    outcomes = [harness.finish(p, 150) for p in running]
    assert {o.rc for o in outcomes} <= {0, 1}
    if verb == "DEL":
        assert {o.rc for o in outcomes} == {0}
        again = [pod for pod, o in zip(pods, outcomes) if o.err]
    else:
        have = [p for p, o in zip(pods, outcomes) if o.rc == 0]
        mine = {p.id: o.addresses[0] for p, o in zip(pods, outcomes) if o.rc == 0}
        found = {e["id"]: a for (_, a), e in crowd.entries(api).items() if e["id"] in mine}
        assert found == mine, "whoever was told an address has it"
        again = pods
        assert have or any(o.code for o in outcomes)
    for _ in range(4):  # what is left is done with any later call
        gone(at_once("DEL", again))
    settle(api, machines)


def settle(api, machines):
    """Nothing is there, but for records that wait whether a late request is carried out."""
    empty(api)
    for machine in machines:
        assert set(records(machine).values()) <= {"held release"}


# ---- servers that refuse ----


def reconfigured(api, node, **how):
    node.configure(api, **how)
    return Pod(node, "pod", network(range="10.0.0.0/24"))


def test_a_token_that_is_nonsense(api, node):
    pod = reconfigured(api, node, token="nonsense")
    fails(pod, "ADD", SOON_S, "answers 401", "Unauthorized")
    no_records(node)
    is_left_for_later(pod, SOON_S, "401")


def test_a_token_that_has_expired(api, node):
    """Signed by the server's own key, for ten minutes that are over."""
    pod = reconfigured(api, node, token=expired(api))
    fails(pod, "ADD", SOON_S, "answers 401")
    no_records(node)


def expired(api):
    """A token with the server's signature and times of long ago."""

    def part(data):
        return base64.urlsafe_b64encode(data).rstrip(b"=")

    header, payload, _ = api.new_token(seconds=600).split(".")
    claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    claims.update(iat=1_600_000_000, nbf=1_600_000_000, exp=1_600_000_600)
    text = header.encode() + b"." + part(json.dumps(claims).encode())
    key = api.pki.directory / "accounts.key"
    done = subprocess.run(["openssl", "dgst", "-sha256", "-sign", key], input=text, stdout=subprocess.PIPE, check=True)
    der = done.stdout
    r_len = der[3]
    r, s = der[4:4 + r_len], der[6 + r_len:]
    raw = b"".join(int.from_bytes(n, "big").to_bytes(32, "big") for n in (r, s))
    return (text + b"." + part(raw)).decode()


def test_an_account_without_role(api, node):
    name = f"nobody-{time.monotonic_ns()}"
    pod = reconfigured(api, node, token=api.new_account(name))
    fails(pod, "ADD", SOON_S, "answers 403", "lacks a permission", f"system:serviceaccount:kube-system:{name}")
    no_records(node)
    is_left_for_later(pod, SOON_S, "403")


@pytest.mark.parametrize("missing", ["ippools", "overlappingrangeipreservations", "leases"])
def test_a_role_that_lacks_one_kind(api, node, missing):
    name = f"half-{time.monotonic_ns()}"
    token = api.new_account(name)
    rules = [{"apiGroups": [GROUP if kind != "leases" else "coordination.k8s.io"], "resources": [kind], "verbs": ["*"]}
             for kind in ("ippools", "overlappingrangeipreservations", "leases") if kind != missing]
    rbac = "/apis/rbac.authorization.k8s.io/v1"
    api.post(f"{rbac}/clusterroles", {"metadata": {"name": name}, "rules": rules})
    api.post(f"{rbac}/clusterrolebindings", {
        "metadata": {"name": name},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": name},
        "subjects": [{"kind": "ServiceAccount", "name": name, "namespace": "kube-system"}]})
    client = api.as_account(token)
    allowed = next(k for k in ("ippools", "leases") if k != missing)
    harness.eventually(lambda: client.call("GET", api.path(allowed)).status == 200, "the role counts")
    pod = reconfigured(api, node, token=token)
    fails(pod, "ADD", SOON_S, "answers 403", missing)
    empty(api)
    if missing == "overlappingrangeipreservations":
        # Without the permission nobody can ask whether that POST did something: this is left for later.
        assert len(list(node.path(crowd.RECORDS).glob("*.release"))) == 1
    else:
        no_records(node)
    lease = api.lease()
    assert lease is None or lease["holderIdentity"] == ""


def test_a_certificate_of_another_authority(api, node, tmp_path):
    pod = reconfigured(api, node, ca=Pki(tmp_path / "other").ca.read_bytes())
    fails(pod, "ADD", SOON_S, "certificate")
    no_records(node)
    is_left_for_later(pod, SOON_S, "certificate")


def test_a_certificate_of_another_name(api, node):
    with Proxy(api, api.pki.issue("elsewhere", "/CN=elsewhere", "DNS:elsewhere")) as proxy:
        pod = reconfigured(api, node, server=proxy.url)
        fails(pod, "ADD", SOON_S, "127.0.0.1")
        assert proxy.requests == []
    no_records(node)


def test_a_certificate_that_has_expired(api, node):
    with Proxy(api, api.pki.issue("old", "/CN=old", "IP:127.0.0.1", days=-1)) as proxy:
        pod = reconfigured(api, node, server=proxy.url)
        fails(pod, "ADD", SOON_S, "expired")
        assert proxy.requests == []


def test_a_server_that_is_asked_without_tls(api, node):
    """No credentials go over a plain connection; and the cause is told."""
    pod = reconfigured(api, node, server=api.url.replace("https", "http"))
    outcome = fails(pod, "ADD", SOON_S)
    assert "http" in outcome.msg.lower(), outcome
    no_records(node)


def test_credentials_are_not_sent_without_tls(api, node):
    heard = []

    def serve(listener):
        listener.settimeout(0.05)
        while not over.is_set():
            with contextlib.suppress(TimeoutError, OSError):
                sock, _ = listener.accept()
                with sock:
                    sock.settimeout(2)
                    heard.append(sock.recv(65536))
                    sock.sendall(b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n")

    over = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve, args=(listener,))
        thread.start()
        try:
            port = listener.getsockname()[1]
            pod = reconfigured(api, node, server=f"http://127.0.0.1:{port}")
            fails(pod, "ADD", SOON_S)
        finally:
            over.set()
            thread.join()
    assert api.account_token.encode() not in b"".join(heard)
    assert b"uthorization" not in b"".join(heard)


def test_a_namespace_that_does_not_exist(api, node):
    pod = reconfigured(api, node, namespace="nowhere")
    fails(pod, "ADD", SOON_S, "nowhere")
    no_records(node)


def test_objects_that_the_server_does_not_know(tmp_path, nodes):
    """A cluster on which nobody has installed the definitions, and where they come later."""
    with ApiServer(tmp_path / "bare") as bare:
        saved = {}
        for plural in ("ippools", "overlappingrangeipreservations"):
            saved[plural] = bare.get(f"{CRDS}/{plural}.{GROUP}")
            bare.delete(f"{CRDS}/{plural}.{GROUP}")
        harness.eventually(lambda: bare.call("GET", bare.path(POOLS)).status == 404, "they are gone")
        node, = nodes(1)
        node.configure(bare)
        pod = Pod(node, "pod", network(range="10.0.0.0/24"))
        fails(pod, "ADD", SOON_S, "ippools", "404")
        no_records(node)
        for plural, crd in saved.items():
            metadata = {k: v for k, v in crd["metadata"].items() if k in ("name", "annotations")}
            bare.post(CRDS, {"apiVersion": crd["apiVersion"], "kind": crd["kind"], "spec": crd["spec"],
                             "metadata": metadata})
        harness.eventually(lambda: all(bare.call("GET", bare.path(p)).status == 200 for p in saved), "they are back")

        def added():
            outcome = pod.call("ADD")
            return outcome.rc == 0 and outcome

        assert harness.eventually(added, "an ADD succeeds").addresses == ["10.0.0.1"]
        held_by(bare, [pod])
        gone([pod.call("DEL")])
        empty(bare)
        no_records(node)


# ---- the Lease ----


def lease_body(holder, seconds=1, version=None, transitions=3):
    now = time.strftime("%Y-%m-%dT%H:%M:%S.000000Z", time.gmtime())
    return {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease",
            "metadata": {"name": "whereabouts", "namespace": "kube-system",
                         **({"resourceVersion": version} if version else {})},
            "spec": {"holderIdentity": holder, "leaseDurationSeconds": seconds, "acquireTime": now,
                     "renewTime": now, "leaseTransitions": transitions}}


class Holder:
    """Somebody else who has the Lease, and renews it until the block ends."""

    SECONDS = 4  # a renewal may come late on a busy machine

    def __init__(self, api, name="ns9/pod9"):
        self.api, self.name, self._ends = api, name, threading.Event()
        api.post(api.path("leases"), lease_body(name, self.SECONDS))
        self._thread = threading.Thread(target=self._renew)
        self._thread.start()
        self.lost = None

    def _renew(self):
        path = self.api.path("leases", "whereabouts")
        while not self._ends.wait(0.2):
            found = self.api.get(path)
            if found["spec"]["holderIdentity"] != self.name:
                self.lost = found["spec"]["holderIdentity"]
                break
            body = lease_body(self.name, self.SECONDS, version=found["metadata"]["resourceVersion"])
            if self.api.call("PUT", path, body).status not in (200, 409):
                self.lost = "?"
                break
        self.api.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._ends.set()
        self._thread.join()

    def leave(self):
        """Gives it back, as client-go does."""
        self.__exit__()
        path = self.api.path("leases", "whereabouts")
        found = self.api.get(path)
        self.api.put(path, lease_body("", version=found["metadata"]["resourceVersion"]))


def still_runs(process, seconds):
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        return
    pytest.fail(f"it ended: {harness.finish(process)}")


def test_an_add_waits_for_a_holder_that_lives(api, node):
    pod = Pod(node, "pod", network(range="10.0.0.0/24"))
    with Holder(api) as holder:
        add = pod.start("ADD")
        still_runs(add, 2 * holder.SECONDS)
        assert api.names(POOLS) == [] and holder.lost is None
        holder.leave()
        begin = time.monotonic()
        succeeded([harness.finish(add)])
        assert time.monotonic() - begin < holder.SECONDS
    held_by(api, [pod])
    lease = api.lease()
    assert lease["holderIdentity"] == "" and lease["leaseTransitions"] == 4


def test_a_del_waits_for_a_holder_that_lives(api, node):
    pod = Pod(node, "pod", network(range="10.0.0.0/24"))
    succeeded([pod.call("ADD")])
    api.delete(api.path("leases", "whereabouts"))
    with Holder(api) as holder:
        delete = pod.start("DEL")
        still_runs(delete, holder.SECONDS + 1)
        held_by(api, [pod])
        assert holder.lost is None
        holder.leave()
        gone([harness.finish(delete)])
    empty(api)


@pytest.mark.parametrize("seconds", [1, 4])
def test_a_holder_that_is_dead_has_its_time(api, node, seconds):
    pod = Pod(node, "pod", network(range="10.0.0.0/24"))
    api.post(api.path("leases"), lease_body("ns9/pod9", seconds))
    outcome, took = timed(pod, "ADD")
    succeeded([outcome])
    assert seconds <= took < seconds + 1
    lease = api.lease()
    assert lease["holderIdentity"] == "" and lease["leaseTransitions"] == 4


def test_the_clock_of_a_dead_holder_does_not_matter(api, node):
    body = lease_body("ns9/pod9", 1)
    body["spec"].update(renewTime="2099-01-01T00:00:00.000000Z", acquireTime="2099-01-01T00:00:00.000000Z")
    api.post(api.path("leases"), body)
    outcome, took = timed(Pod(node, "pod", network(range="10.0.0.0/24")), "ADD")
    succeeded([outcome])
    assert 1 <= took < 2


def test_the_lease_of_our_own_dead_leader_is_taken_at_once(api, nodes, proxy):
    node = nodes(1, server=proxy.url, leader_lease_duration=60000)[0]
    pod, other = (Pod(node, name, network(range="10.0.0.0/24")) for name in ("pod", "other"))
    when = is_request("POST", "/ippools")
    with held(proxy, when):
        dead = pod.start("ADD")
        until_asked(proxy, when)
        dead.kill()
        harness.finish(dead)
        lease = api.lease()
        assert lease["holderIdentity"].startswith("cni-ipam/") and lease["leaseDurationSeconds"] == 60
        outcome, took = timed(other, "ADD")
        succeeded([outcome])
        assert took < 2
    assert api.lease()["holderIdentity"] == ""


def test_the_lease_of_another_nodes_dead_leader_is_waited_for(api, nodes, proxy):
    """The two nodes have one boot id here, as if they were one machine: only the group tells them apart."""
    first, second = nodes(1, server=proxy.url)[0], nodes(1)[0]
    pod, other = Pod(first, "pod", network(range="10.0.0.0/24")), Pod(second, "other", network(range="10.0.0.0/24"))
    when = is_request("POST", "/ippools")
    with held(proxy, when):
        dead = pod.start("ADD")
        until_asked(proxy, when)
        dead.kill()
        harness.finish(dead)
        outcome, took = timed(other, "ADD")
        succeeded([outcome])
        assert 1 <= took < 3


def test_a_lease_that_vanishes_under_us(api, nodes, proxy):
    """Somebody deletes it between two requests of a batch."""
    node = nodes(1, server=proxy.url)[0]
    pods = [Pod(node, f"p{i}", network(range="10.0.0.0/24")) for i in range(3)]
    when = is_request("PATCH", "/ippools")
    with held(proxy, when):
        running = [pod.start("ADD") for pod in pods]
        until_asked(proxy, when)
        api.delete(api.path("leases", "whereabouts"))
    assert len(set(succeeded([harness.finish(p) for p in running]))) == 3
    held_by(api, pods)


@pytest.mark.parametrize("spec", [
    {}, {"holderIdentity": None}, {"holderIdentity": "x", "leaseDurationSeconds": 1},
    {"holderIdentity": "", "leaseDurationSeconds": 1}], ids=["empty", "null", "no times", "free"])
def test_a_lease_with_half_its_members(api, node, spec):
    api.post(api.path("leases"), {"metadata": {"name": "whereabouts"}, "spec": spec})
    pod = Pod(node, "pod", network(range="10.0.0.0/24"))
    outcome, took = timed(pod, "ADD")
    succeeded([outcome])
    assert took < 3
    assert api.lease()["holderIdentity"] == ""
