# SPDX-License-Identifier: Apache-2.0
"""What the node service puts on a node: programs and files. Both programs work with them, before and after."""

import base64
import json
import os
import pathlib
import random
import shutil
import socket
import stat
import threading

import pytest

import harness
import tools
import wb
from apiserver import NAMESPACE
from service import BIN_DIR, CONF_DIR
from wb import program  # noqa: F401  (a fixture)

ACCOUNT = "/run/secrets/kubernetes.io/serviceaccount"  # not by /var/run, whose link would lead out of the node
FILES = f"{CONF_DIR}/whereabouts.d"
INSTALLED = f"{BIN_DIR}/whereabouts"
CONFIG = wb.network(range="10.0.0.0/24")
ROLES = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{NAMESPACE}"
FOREIGN = b"#!/bin/sh\nexit 7\n"


class Installer:
    """`whereabouts node` that does not stay, on a node without any file of it; its pod has an account."""

    def __init__(self, api, node, token=None):
        self.api, self.node = api, node
        self.renew(token)
        harness.run([*node.wrap, "rm", "-rf", FILES])
        node.path(BIN_DIR).mkdir(parents=True, exist_ok=True)
        node.path(CONF_DIR).mkdir(parents=True, exist_ok=True)

    def renew(self, token):
        """What the kubelet gives the pod from now on."""
        self.node.write(f"{ACCOUNT}/token", token or self.api.account_token)
        self.node.write(f"{ACCOUNT}/ca.crt", self.api.pki.ca.read_text())
        self.node.write(f"{ACCOUNT}/namespace", NAMESPACE)

    def run(self, *options, wrap=(), **env):
        host, _, port = self.api.url.removeprefix("https://").rpartition(":")
        variables = {"PATH": harness.PATH, "CNI_BIN_DIR": BIN_DIR, "CNI_CONF_DIR": CONF_DIR,
                     "WHEREABOUTS_NAMESPACE": NAMESPACE, "NODENAME": self.node.name,
                     "KUBERNETES_SERVICE_HOST": host, "KUBERNETES_SERVICE_PORT": port, **env}
        return harness.run([*self.node.wrap, *wrap, harness.WHEREABOUTS, "node", *(options or ["--once"])],
                           env=variables)

    def works(self, *options, **env):
        """The lines that it writes."""
        done = self.run(*options, **env)
        assert done.rc == 0, done
        return done.err.decode()

    def fails(self, text, *options, **env):
        done = self.run(*options, **env)
        assert done.rc == 1 and text in done.err.decode(), done

    def read(self, name):
        return self.node.path(f"{FILES}/{name}").read_text()

    def state(self):
        """{path: (mode, what is there)} of everything in the two directories."""
        found = {}
        for top in (BIN_DIR, CONF_DIR):
            for path in sorted(self.node.path(top).rglob("*")):
                mode, name = path.lstat().st_mode, os.fspath(path).partition(top)[2]
                content = os.readlink(path) if path.is_symlink() else path.is_file() and path.read_bytes()
                found[top + name] = (oct(mode), content)
        return found


@pytest.fixture
def installer(api, node):
    return Installer(api, node)


def claims(token):
    """What a token says of itself."""
    payload = token.split(".")[1]
    return json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))


def may(api, token, *, account):
    """Lets one account make tokens of another, until it can."""
    name = claims(token)["kubernetes.io"]["serviceaccount"]["name"]
    api.post(f"{ROLES}/roles", {"metadata": {"name": name}, "rules": [
        {"apiGroups": [""], "resources": ["serviceaccounts/token"], "resourceNames": [account],
         "verbs": ["create"]}]})
    api.post(f"{ROLES}/rolebindings", {
        "metadata": {"name": name}, "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": name},
        "subjects": [{"kind": "ServiceAccount", "name": name, "namespace": NAMESPACE}]})
    client = api.as_account(token)
    path = f"/api/v1/namespaces/{NAMESPACE}/serviceaccounts/{account}/token"
    harness.eventually(lambda: client.call("POST", path, {"spec": {}}).status == 201, "it may make tokens")
    client.close()


# ---- a new node ----


def test_a_new_node_can_be_called(api, node, installer, program):
    installer.works()
    done = program.call(node, "ADD", CONFIG)
    assert done.rc == 0 and done.addresses == ["10.0.0.1"], done
    assert program.call(node, "DEL", CONFIG).rc == 0
    assert api.pool("10.0.0.0-24") == {}


def test_what_is_installed_is_this_program(api, node, installer):
    installer.works()
    assert node.path(INSTALLED).read_bytes() == pathlib.Path(harness.WHEREABOUTS).read_bytes()
    assert wb.Attachment(CONFIG, node).call("ADD").rc == 0
    done = node.call("ADD", CONFIG, binary=INSTALLED, pod="pod2", id="c2", ifname="net1")
    assert done.addresses == ["10.0.0.2"], done


def test_files_and_directories_are_as_others_know_them(api, node, installer):
    log = installer.works()
    assert json.loads(installer.read("whereabouts.conf")) == {
        "datastore": "kubernetes", "configuration_path": FILES, "reconciler_cron_expression": "30 4 * * *",
        "kubernetes": {"kubeconfig": f"{FILES}/whereabouts.kubeconfig"}}
    assert installer.read("nodename") == node.name
    assert installer.read("token") == api.account_token
    assert api.account_token not in installer.read("whereabouts.kubeconfig") + log
    modes = {path: mode for path, (mode, _) in installer.state().items()}
    assert modes == {
        INSTALLED: oct(stat.S_IFREG | 0o755), FILES: oct(stat.S_IFDIR | 0o755),
        **{f"{FILES}/{name}": oct(stat.S_IFREG | 0o600)
           for name in ("nodename", "token", "whereabouts.conf", "whereabouts.kubeconfig")}}


def test_nothing_is_written_again(installer):
    installer.works()
    before = {path: node_file.stat() for path in installer.state()
              if (node_file := installer.node.path(path)).is_file()}
    log = installer.works()
    assert "is written" not in log and "is as it should be" in log
    for path, was in before.items():
        now = installer.node.path(path).stat()
        assert (now.st_ino, now.st_mtime_ns) == (was.st_ino, was.st_mtime_ns), path


def test_settings_count(installer):
    installer.works(KUBECONFIG_MODE="644", WHEREABOUTS_RECONCILER_CRON="@daily", NODENAME="")
    assert json.loads(installer.read("whereabouts.conf"))["reconciler_cron_expression"] == "@daily"
    assert not installer.node.path(f"{FILES}/nodename").exists()
    assert {installer.node.path(f"{FILES}/{name}").stat().st_mode & 0o777
            for name in ("token", "whereabouts.conf", "whereabouts.kubeconfig")} == {0o644}


def test_a_server_need_not_be_verified(api, node, installer, program):
    node.write(f"{ACCOUNT}/ca.crt", "nonsense")
    installer.works(SKIP_TLS_VERIFY="true")
    assert "insecure-skip-tls-verify: true" in installer.read("whereabouts.kubeconfig")
    assert program.call(node, "ADD", CONFIG).rc == 0


def test_another_file_of_authorities(api, node, installer, program):
    node.write("/etc/cni/ca.pem", api.pki.ca.read_text())
    node.path(f"{ACCOUNT}/ca.crt").unlink()
    installer.works(KUBE_CA_FILE="/etc/cni/ca.pem")
    assert program.call(node, "ADD", CONFIG).rc == 0


# ---- a node that has something already ----


def test_a_node_of_the_go_program_is_taken_over_and_given_back(api, node, installer, peer):
    node.configure(api, locking="optimistic", log_level="debug")
    shutil.copy(peer, node.path(INSTALLED))
    before = installer.state()
    first = node.call("ADD", CONFIG, binary=INSTALLED, pod="pod1", id="c1", ifname="net1")
    assert first.rc == 0, first

    installer.works()
    assert "kept with .old" not in installer.works()  # the second time
    state = installer.state()
    assert state[f"{INSTALLED}.old"] == before[INSTALLED]
    conf = json.loads(installer.read("whereabouts.conf"))
    assert conf["locking"] == "optimistic" and conf["log_level"] == "debug"
    second = node.call("ADD", CONFIG, binary=INSTALLED, pod="pod2", id="c2", ifname="net1")
    assert second.addresses == ["10.0.0.2"], second
    assert node.call("DEL", CONFIG, binary=INSTALLED, pod="pod1", id="c1", ifname="net1").rc == 0

    installer.works("--restore")
    state = installer.state()
    assert state[INSTALLED] == before[INSTALLED] and f"{INSTALLED}.old" not in state
    assert node.call("DEL", CONFIG, binary=INSTALLED, pod="pod2", id="c2", ifname="net1").rc == 0
    assert api.pool("10.0.0.0-24") == {}


def test_the_one_executable_of_k3s_is_not_written_through(node, installer):
    everything, one = node.path(f"{BIN_DIR}/everything"), node.path(INSTALLED)
    everything.write_bytes(FOREIGN)
    node.path(f"{BIN_DIR}/cni").symlink_to("everything")
    one.symlink_to("cni")
    before = installer.state()
    installer.works()
    assert not one.is_symlink() and os.readlink(f"{one}.old") == "cni"
    assert everything.read_bytes() == FOREIGN
    installer.works("--restore")
    after = installer.state()
    assert {path: after[path] for path in before} == before
    assert not [path for path in after if path.endswith(".old")]


def test_nothing_was_there_and_nothing_is_left(node, installer):
    installer.works()
    assert "is removed" in installer.works("--restore")
    assert not [path for path in installer.state() if path.startswith(BIN_DIR)]


def test_a_flat_file_that_is_broken_is_kept_aside(api, node, installer, program):
    node.write(f"{FILES}/whereabouts.conf", '{"datastore": "kubern')
    assert "whereabouts.conf.bad" in installer.works()
    assert installer.read("whereabouts.conf.bad") == '{"datastore": "kubern'
    assert program.call(node, "ADD", CONFIG).rc == 0


# ---- the token ----


@pytest.fixture(scope="module")
def maker(api):
    """The token of an account that may make tokens of `whereabouts`, and nothing else."""
    token = api.new_account("maker")
    may(api, token, account="whereabouts")
    return token


def test_the_token_of_the_plugins_account_is_not_of_the_pod(api, node, maker, program):
    installer = Installer(api, node, maker)
    log = installer.works(WHEREABOUTS_ACCOUNT="whereabouts")
    token = installer.read("token")
    said = claims(token)
    assert said["sub"] == f"system:serviceaccount:{NAMESPACE}:whereabouts"
    assert said["exp"] - said["iat"] == 24 * 60 * 60
    assert "pod" not in said["kubernetes.io"]
    assert token not in log and maker not in log
    assert program.call(node, "ADD", CONFIG).rc == 0


def test_without_the_permission_the_pods_own_token_counts(api, node, program):
    installer = Installer(api, node)
    log = installer.works(WHEREABOUTS_ACCOUNT="whereabouts")
    assert log.count("no new token for serviceaccount whereabouts, the pod's own is used") == 1
    assert "403: the account of the kubeconfig lacks a permission" in log
    assert installer.read("token") == api.account_token
    assert program.call(node, "ADD", CONFIG).rc == 0


def test_an_account_that_is_missing_is_named(api, node, maker):
    log = Installer(api, node, maker).works(WHEREABOUTS_ACCOUNT="nobody")
    assert "serviceaccount nobody" in log


def test_a_server_that_is_away_leaves_the_token_that_is_there(api, installer):
    installer.works()
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        port = nobody.getsockname()[1]
        log = installer.works(WHEREABOUTS_ACCOUNT="whereabouts", KUBERNETES_SERVICE_PORT=str(port))
    assert "the one that is in the file stays" in log
    assert installer.read("token") == api.account_token


@pytest.mark.parametrize("made", [False, True], ids=["the pod's own", "made"])
def test_no_call_fails_while_tokens_change(api, node, maker, peer, made):
    """Ours and the Go program go on calling; the files change under them, at first from the Go installer's."""
    installer = Installer(api, node, maker if made else None)
    node.configure(api)
    over, failed, calls = threading.Event(), [], []

    def go_on(binary, number):
        count = 0
        while not over.is_set() or count == 0:
            config = wb.network(range=f"10.{number}.0.0/24")
            for verb in ("ADD", "DEL"):
                done = node.call(verb, config, binary=binary, pod=f"pod{number}", id=f"c{number}", ifname="net1")
                if done.rc != 0:
                    failed.append(done)
            count += 1
        calls.append(count)

    threads = [threading.Thread(target=go_on, args=(binary, number))
               for number, binary in enumerate((harness.WHEREABOUTS, harness.WHEREABOUTS, peer))]
    for thread in threads:
        thread.start()
    seen = set()
    try:
        for _ in range(100 if harness.FULL else 15):
            if not made:
                installer.renew(api.new_token(seconds=random.randrange(600, 86400)))
            installer.works("--once", "--no-install", **({"WHEREABOUTS_ACCOUNT": "whereabouts"} if made else {}))
            seen.add(installer.read("token"))
    finally:
        over.set()
        for thread in threads:
            thread.join()
    assert not failed and len(calls) == 3
    assert len(seen) > 5


# ---- what goes wrong ----


@pytest.mark.parametrize("variables, text", [
    ({"CNI_BIN_DIR": "/opt/none"}, "/opt/none: no such file or directory"),
    ({"KUBERNETES_SERVICE_HOST": ""}, "KUBERNETES_SERVICE_HOST"),
    ({"KUBERNETES_SERVICE_PORT": "x"}, "KUBERNETES_SERVICE_PORT"),
    ({"KUBE_CA_FILE": "/etc/cni/none"}, "/etc/cni/none: no such file or directory"),
    ({"KUBECONFIG_MODE": "666"}, "KUBECONFIG_MODE"),
    ({"CNI_CONF_DIR": "etc"}, "CNI_CONF_DIR"),
    ({"WHEREABOUTS_NAMESPACE": "A/B"}, "WHEREABOUTS_NAMESPACE"),
], ids=lambda value: next(iter(value)) if isinstance(value, dict) else "")
def test_a_variable_that_is_wrong_is_named(installer, variables, text):
    installer.fails(text, **variables)
    assert not installer.node.path(FILES).exists()


def test_a_directory_in_the_way_is_named(node, installer):
    node.path(INSTALLED).mkdir()
    installer.fails(f"install {INSTALLED}: replace: is a directory")


def test_a_pod_without_account_is_told_which_file_lacks(node, installer):
    node.path(f"{ACCOUNT}/token").unlink()
    installer.fails(f"{ACCOUNT}/token: no such file or directory")


def on_tmpfs(node, directory, size):
    """Mounts a small file system there, for as long as the node lives."""
    harness.run([*node.wrap, "mount", "-t", "tmpfs", "-o", f"size={size},mode=755", "tmpfs", directory])


def test_a_full_file_system_leaves_what_is_there(node, installer):
    on_tmpfs(node, BIN_DIR, "64k")
    node.path(INSTALLED).write_bytes(FOREIGN)
    before = installer.state()
    installer.fails("no space left on device")
    assert installer.state() == before


def test_a_read_only_file_system_is_told_unless_all_is_well(node, installer):
    installer.works()
    for directory in (BIN_DIR, CONF_DIR):
        harness.run([*node.wrap, "mount", "--bind", directory, directory])
        harness.run([*node.wrap, "mount", "-o", "remount,bind,ro", directory])
    installer.works()
    installer.fails("read-only file system", NODENAME="another")


# ---- killed ----


def prepare(node):
    """A node of a Go installer, as far as files are concerned."""
    harness.run([*node.wrap, "rm", "-rf", FILES, BIN_DIR])
    node.path(BIN_DIR).mkdir(mode=0o755)
    node.path(INSTALLED).write_bytes(FOREIGN)
    node.write(f"{FILES}/whereabouts.conf", '{"datastore": "kubernetes", "locking": "optimistic"}')
    node.write(f"{FILES}/whereabouts.kubeconfig", "the former one")


class Killer:
    """Runs the installer under the tracer."""

    def __init__(self, installer, report):
        if tools.is_sanitized(harness.WHEREABOUTS):
            pytest.skip("a sanitizer's own system calls are not what is tested, and LeakSanitizer cannot be traced")
        self._installer, self._report = installer, report

    def _run(self, options, *plan):
        return self._installer.run(*options, wrap=(tools.tool("killer"), "-o", self._report, *plan, "--"))

    def points(self, options, count):
        """Where it can be killed from its first lock on: all of these points, or some. Runs it once."""
        assert self._run(options, "trace").rc == 0
        lines = self._report.read_text().splitlines()[:-1]
        first = next(n for n, line in enumerate(lines, 1) if line.split()[1] == "flock")
        points = [(mode, n) for n in range(first, len(lines)) for mode in ("enter", "exit")]
        chosen = points if harness.FULL else random.Random(harness.SEED).sample(points, count)
        return [(mode, str(n), f"{mode} {lines[n - 1]}") for mode, n in chosen]

    def kill(self, options, mode, number, where):
        done = self._run(options, mode, number)
        assert done.rc == 137, (where, done)


def test_killed_at_any_point_it_leaves_the_old_or_the_new(node, installer, tmp_path):
    killer = Killer(installer, tmp_path / "report")
    prepare(node)
    before = installer.state()
    points = killer.points(["--once"], 50)
    after = installer.state()
    for mode, number, where in points:
        prepare(node)
        killer.kill(["--once"], mode, number, where)
        killed = installer.state()
        for path in {*before, *after}:
            assert killed.get(path) in (before.get(path), after.get(path)), (where, path)
        if killed[f"{FILES}/whereabouts.kubeconfig"] == after[f"{FILES}/whereabouts.kubeconfig"]:
            assert f"{FILES}/token" in killed, where
        installer.works()
        assert installer.state() == after, where


def test_killed_while_it_restores_it_can_be_repeated(node, installer, tmp_path):
    killer = Killer(installer, tmp_path / "report")
    prepare(node)
    before = installer.state()
    installer.works()
    ours = installer.state()
    for mode, number, where in killer.points(["--restore"], 10):
        prepare(node)
        installer.works()
        killer.kill(["--restore"], mode, number, where)
        assert installer.state()[INSTALLED] in (before[INSTALLED], ours[INSTALLED]), where
        installer.works("--restore")
        after = installer.state()
        assert after[INSTALLED] == before[INSTALLED] and f"{INSTALLED}.old" not in after, where


# ---- without memory ----


def test_without_memory_it_says_so_and_leaves_the_old_or_the_new(node, installer, tmp_path):
    if tools.is_sanitized(harness.WHEREABOUTS) or tools.is_static(harness.WHEREABOUTS):
        pytest.skip("nothing can be put before the malloc of a sanitizer or a static program")
    variables = [f"LD_PRELOAD={tools.tool('failalloc.so')}", f"FAILALLOC_COUNT={tmp_path / 'count'}"]
    prepare(node)
    before = installer.state()
    assert installer.run(wrap=("/usr/bin/env", *variables)).rc == 0
    after = installer.state()
    count = int((tmp_path / "count").read_text())
    numbers = range(1, count + 1)
    failed = 0
    for number in numbers if harness.FULL else random.Random(harness.SEED).sample(numbers, min(count, 40)):
        prepare(node)
        done = installer.run(wrap=("/usr/bin/env", *variables, f"FAILALLOC_AT={number}"))
        assert done.rc in (0, 1) and (done.rc == 0 or b"memory" in done.err), (number, done)
        failed += done.rc
        for path, content in installer.state().items():
            assert content in (before.get(path), after.get(path)), (number, path)
        installer.works()
        assert installer.state() == after, number
    assert failed > 0
