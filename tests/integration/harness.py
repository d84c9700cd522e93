# SPDX-License-Identifier: Apache-2.0
"""What the integration tests share: how to call a plugin, and how to look at what it left.

A call runs one real process with an environment built from nothing, hands it one configuration and
keeps everything it said. Nothing here knows what a right answer is.
"""

import json
import os
import pathlib
import subprocess
import time

import pytest

REPO = pathlib.Path(__file__).resolve().parents[2]
HOST_LOCAL = pathlib.Path(
    os.environ.get("HOST_LOCAL", REPO / "build/plugins/host-local/host-local")
)
WHEREABOUTS = pathlib.Path(
    os.environ.get("WHEREABOUTS", REPO / "build/plugins/whereabouts/whereabouts")
)
DHCP = pathlib.Path(os.environ.get("DHCP", REPO / "build/plugins/dhcp/dhcp"))
CACHE = pathlib.Path(
    os.environ.get("CNI_IPAM_CACHE")
    or pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache") / "cni-ipam"
)
FULL = os.environ.get("FULL") == "1"
MUST_RUN = os.environ.get("MUST_RUN") == "1"
SEED = int(os.environ.get("SEED", "20260901"))  # a failing random run prints it; give it to repeat

VERSIONS = ("0.1.0", "0.2.0", "0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0")
PATH = os.environ.get("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")

# Root without the right to ignore file modes; a command to run others under.
UNPRIVILEGED = ("setpriv", "--bounding-set", "-dac_override,-dac_read_search", "--")

_PEERS = {
    "v1.9.1": ("PEER_HOST_LOCAL", CACHE / "peers/host-local-v1.9.1/host-local"),
    "debian": ("PEER_HOST_LOCAL_DEBIAN", "/usr/lib/cni/host-local"),
}


def unavailable(reason):
    """Ends the test: a skip with its reason, or a failure where MUST_RUN=1 forbids skips."""
    if MUST_RUN:
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)


def program(env, default):
    """The path of an executable that a variable may name."""
    path = pathlib.Path(os.environ.get(env) or default)
    if not os.access(path, os.X_OK):
        unavailable(f"{path} cannot be executed (set {env})")
    return path


def peer(name):
    """The Go host-local to compare with: 'v1.9.1' or 'debian'."""
    return program(*_PEERS[name])


def dhcp():
    """Our dhcp."""
    return program("DHCP", DHCP)


def dhcp_peer():
    """The Go dhcp to compare with."""
    return program("PEER_DHCP", CACHE / "peers/dhcp-v1.9.1/dhcp")


class Outcome:
    """What one process said: rc, out and err, as they came."""

    def __init__(self, rc, out, err):
        self.rc, self.out, self.err = rc, out, err

    def json(self):
        return json.loads(self.out)

    @property
    def msg(self):
        return self.json().get("msg")

    @property
    def code(self):
        return self.json().get("code")

    @property
    def details(self):
        return self.json().get("details", "")

    @property
    def addresses(self):
        """The addresses of an ADD's result, without prefix, whatever its version."""
        result = self.json()
        if "ips" in result:
            return [ip["address"].split("/")[0] for ip in result["ips"]]
        return [result[k]["ip"].split("/")[0] for k in ("ip4", "ip6") if k in result]

    def __repr__(self):
        return f"Outcome(rc={self.rc}, out={self.out!r}, err={self.err!r})"


def encode(config):
    """A configuration as stdin gets it; bytes and text go through untouched."""
    if isinstance(config, bytes):
        return config
    if isinstance(config, str):
        return config.encode()
    return json.dumps(config).encode()


def environment(verb, id="c1", ifname="eth0", netns="/some/where", args="", env=None):
    """CNI_* and PATH, nothing inherited. None as a value removes the variable."""
    variables = {
        "PATH": PATH,
        "CNI_COMMAND": verb,
        "CNI_CONTAINERID": id,
        "CNI_NETNS": netns,
        "CNI_IFNAME": ifname,
        "CNI_ARGS": args,
        "CNI_PATH": "/opt/cni/bin",
    }
    variables.update(env or {})
    return {k: v for k, v in variables.items() if v is not None}


def run(argv, stdin=b"", env=None, timeout=90, **popen):
    """One process to its end; it is killed, and the test fails, if it outlives the deadline."""
    done = subprocess.run(
        [os.fspath(a) for a in argv],
        input=stdin,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=env if env is not None else {"PATH": PATH},
        timeout=timeout,
        **popen,
    )
    return Outcome(done.returncode, done.stdout, done.stderr)


def call(
    verb,
    config,
    *,
    binary=None,
    id="c1",
    ifname="eth0",
    netns="/some/where",
    args="",
    env=None,
    timeout=90,
    wrap=(),
    **popen,
):
    """One CNI call. wrap is a command to run it under, such as ('ip', 'netns', 'exec', NAME)."""
    return run(
        [*wrap, binary or HOST_LOCAL],
        stdin=encode(config),
        env=environment(verb, id, ifname, netns, args, env),
        timeout=timeout,
        **popen,
    )


def start(verb, config, *, binary=None, id="c1", ifname="eth0", netns="/some/where", args="",
          env=None, wrap=(), **popen):
    """A CNI call that is still running: a Popen whose stdin has been given and closed."""
    process = subprocess.Popen(
        [os.fspath(a) for a in (*wrap, binary or HOST_LOCAL)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment(verb, id, ifname, netns, args, env),
        **popen,
    )
    process.stdin.write(encode(config))
    process.stdin.close()
    process.stdin = None  # communicate() must not touch it again
    return process


def finish(process, timeout=90):
    """The outcome of a started call."""
    try:
        out, err = process.communicate(timeout=timeout)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        raise
    return Outcome(process.returncode, out, err)


def command(*argv, stdin=b"", binary=None, env=None, timeout=90, **popen):
    """One sub-command for people: CNI_COMMAND is not set."""
    return run(
        [binary or HOST_LOCAL, *argv],
        stdin=encode(stdin),
        env={"PATH": PATH, **(env or {})},
        timeout=timeout,
        **popen,
    )


def tree(path):
    """The regular files of a network's directory, name to content; {} where there is none."""
    path = pathlib.Path(path)
    if not path.is_dir():
        return {}
    return {
        entry.name: (path / entry.name).read_bytes()
        for entry in os.scandir(path)
        if entry.is_file(follow_symlinks=False)
    }


def held(path):
    """The reservations of a network: what tree() says without lock and cursors."""
    return {
        name: content
        for name, content in tree(path).items()
        if name != "lock" and not name.startswith("last_reserved_ip.")
    }


def snapshot(path):
    """Everything below a directory that a call could change: names, types, modes, contents."""
    seen = {}
    for root, dirs, files in os.walk(path):
        for name in [*dirs, *files]:
            full = pathlib.Path(root, name)
            mode = full.lstat().st_mode
            content = full.read_bytes() if full.is_file() and not full.is_symlink() else None
            seen[os.path.relpath(full, path)] = (mode, content)
    return seen


def error_text(code, msg, details=""):
    """An error object as it stands on stdout, to the byte."""

    def quote(text):
        text = json.dumps(text, ensure_ascii=False)
        for char in "<>&\u2028\u2029":
            text = text.replace(char, f"\\u{ord(char):04x}")
        return text

    members = [f'    "code": {code}', f'    "msg": {quote(msg)}']
    if details:
        members.append(f'    "details": {quote(details)}')
    return ("{\n" + ",\n".join(members) + "\n}").encode()


def fill(path):
    """Takes all space of the file system that a directory is on."""
    with open(path / "filler", "wb", buffering=0) as filler:
        try:
            while True:
                filler.write(bytes(4096))
        except OSError:
            pass


def eventually(condition, what, timeout=20):
    """Waits until a condition holds, and fails when it does not in time."""
    deadline = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < deadline, f"did not happen in {timeout} s: {what}"
        time.sleep(0.005)


def wait_for_waiter(process, path):
    """Until the process is blocked in flock(2) on the file, as the kernel's list of locks says."""
    inode = f":{os.stat(path).st_ino} "

    def waits():
        assert process.poll() is None, "it ended instead of waiting for the lock"
        lines = pathlib.Path("/proc/locks").read_text().splitlines()
        return any(
            "->" in line and "FLOCK" in line and f" {process.pid} " in line and inode in line
            for line in lines
        )

    eventually(waits, f"{process.pid} waits for {path}")
