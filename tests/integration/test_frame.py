# SPDX-License-Identifier: Apache-2.0
"""The frame of a call: environment, order of checks, stdin, versions, namespaces, stdout.

What the reference library's skeleton does is checked against the Go program as well; where ours does
better, the test says so.
"""

import json
import os
import pathlib
import subprocess

import pytest

import harness
from harness import (
    HOST_LOCAL,
    VERSIONS,
    call,
    command,
    environment,
    eventually,
    finish,
    held,
    run,
    snapshot,
    start,
    tree,
)

VERBS = ("ADD", "CHECK", "DEL", "GC", "STATUS")
ATTACHMENT_VERBS = ("ADD", "CHECK", "DEL")
OWN = "plugin's netns and netns from CNI_NETNS should not be the same"
SUPPORTED = " ".join(f'"{v}"' for v in VERSIONS)


def network(data, version="1.1.0", **ipam):
    return {
        "cniVersion": version,
        "name": "net",
        "ipam": {"type": "host-local", "dataDir": str(data), "subnet": "10.1.2.0/24", **ipam},
    }


def ready(program, data, verb, id="c1"):
    """Makes a call of this verb succeed: CHECK wants an address to be there."""
    if verb == "CHECK":
        assert program.call("ADD", network(data), id=id).rc == 0


# ---- environment ----


@pytest.mark.parametrize("empty", [None, ""], ids=["unset", "empty"])
@pytest.mark.parametrize(
    "verb, required",
    [
        ("ADD", ["CNI_CONTAINERID", "CNI_NETNS", "CNI_IFNAME", "CNI_PATH"]),
        ("CHECK", ["CNI_CONTAINERID", "CNI_NETNS", "CNI_IFNAME", "CNI_PATH"]),
        ("DEL", ["CNI_CONTAINERID", "CNI_IFNAME", "CNI_PATH"]),
        ("GC", ["CNI_PATH"]),
        ("STATUS", ["CNI_PATH"]),
    ],
)
def test_each_verb_names_the_variables_it_misses(program, data, verb, required, empty):
    optional = {"CNI_CONTAINERID", "CNI_NETNS", "CNI_IFNAME", "CNI_ARGS"} - set(required)
    ready(program, data, verb)
    before = snapshot(data)
    for missing in ([name] for name in required):
        done = program.call(verb, network(data), env=dict.fromkeys(missing, empty))
        assert done.rc == 1
        assert done.out == program.error(
            4, f"required env variables [{','.join(missing)}] missing", go=4
        )
    done = program.call(verb, network(data), env=dict.fromkeys(required, empty))
    assert done.out == program.error(
        4, f"required env variables [{','.join(required)}] missing", go=4
    )
    assert snapshot(data) == before
    # The others may be missing.
    assert program.call(verb, network(data), env=dict.fromkeys(optional, empty)).rc == 0


@pytest.mark.parametrize("verb", ATTACHMENT_VERBS)
@pytest.mark.parametrize(
    "id",
    ["some-%%container-id", "1234%%%", ".a", "-a", "_a", "a/b", "a b", "a\n", "é", "a:b", "../x"],
)
def test_a_bad_container_id_is_refused(program, data, verb, id):
    done = program.call(verb, network(data), id=id)
    assert done.rc == 1
    assert done.out == program.error(4, "invalid characters in containerID", id, go=4)
    assert snapshot(data) == {}


@pytest.mark.parametrize("id", ["a51debf7e1eb", "a.", "0", "A_b-c.d", "x" * 200])
def test_a_good_container_id_is_taken_whole(program, data, id):
    assert program.call("ADD", network(data), id=id).rc == 0
    assert held(data / "net") == {"10.1.2.2": id.encode() + b"\r\neth0"}


IFNAMES = [
    ("1234567890123456", "interface name is too long",
     "interface name should be less than 16 characters"),
    ("éééééééé", "interface name is too long", "interface name should be less than 16 characters"),
    (".", "interface name is . or ..", ""),
    ("..", "interface name is . or ..", ""),
    *(
        (f"te{char}st", "interface name contains / or : or whitespace characters", "")
        for char in "/: \t\n\x0b\x0c\r\u0085\u00a0\u1680\u2000\u2005\u200a\u2028\u2029\u202f\u205f\u3000"
    ),
]


@pytest.mark.parametrize("verb", ATTACHMENT_VERBS)
@pytest.mark.parametrize("ifname, msg, details", IFNAMES)
def test_a_bad_interface_name_is_refused(program, data, verb, ifname, msg, details):
    done = program.call(verb, network(data), ifname=ifname)
    assert done.rc == 1
    assert done.out == program.error(4, msg, details, go=4)
    assert snapshot(data) == {}


@pytest.mark.parametrize(
    "ifname",
    ["...", "123456789012345", "ééééééé", "a\x01b", "a%b", "a\u200bb", b"a\x85b", b"a\xa0b", "ethé"],
)
def test_an_odd_interface_name_passes(program, data, ifname):
    assert program.call("ADD", network(data), ifname=ifname).rc == 0
    raw = os.fsencode(ifname)
    assert held(data / "net") == {"10.1.2.2": b"c1\r\n" + raw}
    assert program.call("CHECK", network(data), ifname=ifname).rc == 0
    assert program.call("DEL", network(data), ifname=ifname).rc == 0
    assert held(data / "net") == {}


@pytest.mark.parametrize("verb", ["GC", "STATUS", "VERSION"])
def test_verbs_without_an_attachment_do_not_look_at_its_variables(program, data, verb):
    done = program.call(verb, network(data), id="%%%", ifname="a/b", netns="", args=";;")
    assert (done.rc, done.err) == (0, b"")


@pytest.mark.parametrize(
    "env, msg",
    [
        # An invalid value is told at once, even behind a missing variable.
        ({"CNI_NETNS": None, "CNI_IFNAME": "a/b"},
         "interface name contains / or : or whitespace characters"),
        ({"CNI_CONTAINERID": None, "CNI_IFNAME": "."}, "interface name is . or .."),
        ({"CNI_CONTAINERID": "%", "CNI_IFNAME": "."}, "invalid characters in containerID"),
        # CNI_ARGS are the plugin's affair, behind everything else of the frame.
        ({"CNI_PATH": None, "CNI_ARGS": ";"}, "required env variables [CNI_PATH] missing"),
    ],
)
def test_the_first_bad_value_wins_over_missing_ones(program, data, env, msg):
    done = program.call("ADD", network(data), env=env)
    assert (done.rc, done.out) == (1, program.error(4, msg, done.details, go=4))


def test_the_environment_is_checked_before_stdin(program):
    done = program.call("ADD", "{", env={"CNI_PATH": None})
    assert done.out == program.error(4, "required env variables [CNI_PATH] missing", go=4)


@pytest.mark.parametrize("verb", ["add", "NOPE", "Version", " ADD"])
def test_an_unknown_verb_is_told_after_stdin_was_checked(program, verb):
    nothing = dict.fromkeys(["CNI_CONTAINERID", "CNI_NETNS", "CNI_IFNAME", "CNI_PATH", "CNI_ARGS"])
    done = program.call(verb, {"name": "net"}, env=nothing)
    assert (done.rc, done.out) == (1, program.error(4, f"unknown CNI_COMMAND: {verb}", go=4))
    done = program.call(verb, {}, env=nothing)
    assert (done.rc, done.out) == (1, program.error(7, "missing network name", go=7))
    done = program.call(verb, "{", env=nothing)
    assert (done.rc, done.code) == (1, 6)
    # The version is looked at only by verbs that exist.
    done = program.call(verb, {"name": "net", "cniVersion": "9"}, env=nothing)
    assert done.msg == f"unknown CNI_COMMAND: {verb}"


@pytest.mark.parametrize("value", [None, ""], ids=["unset", "empty"])
def test_without_a_verb_it_tells_about_itself(program, value):
    env = {"CNI_COMMAND": value}
    done = program.call("", "not read", env=env)
    first, second, end = done.err.decode().split("\n")
    assert (done.rc, done.out, end) == (0, b"", "")
    assert first.startswith("CNI host-local plugin ")
    assert second == f"CNI protocol versions supported: {', '.join(VERSIONS)}"


def test_the_version_of_the_about_text_is_that_of_the_option():
    about = command().err.decode().splitlines()[0]
    done = command("--version")
    assert (done.rc, done.out.decode().splitlines(), done.err) == (0, [about], b"")


# ---- VERSION ----

VERSION_TEXT = (
    b'{"cniVersion":"1.1.0","supportedVersions":'
    b'["0.1.0","0.2.0","0.3.0","0.3.1","0.4.0","1.0.0","1.1.0"]}\n'
)


@pytest.mark.parametrize("stdin", ["", "{", '{"cniVersion":"0.1.0"}', b"\0"])
def test_version_needs_nothing_but_its_name(program, stdin):
    nothing = dict.fromkeys(["CNI_CONTAINERID", "CNI_NETNS", "CNI_IFNAME", "CNI_PATH", "CNI_ARGS"])
    done = program.call("VERSION", stdin, env=nothing)
    assert (done.rc, done.out, done.err) == (0, VERSION_TEXT, b"")


def test_version_does_not_read_stdin(program):
    read_end, write_end = os.pipe()  # never written, never closed: reading would block
    try:
        done = subprocess.run(
            [program.path],
            stdin=read_end,
            capture_output=True,
            env=environment("VERSION"),
            timeout=20,
            check=False,
        )
    finally:
        os.close(read_end)
        os.close(write_end)
    assert (done.returncode, done.stdout) == (0, VERSION_TEXT)
    closed = run(["sh", "-c", 'exec "$0" <&-', program.path], env=environment("VERSION"))
    assert (closed.rc, closed.out) == (0, VERSION_TEXT)


# ---- stdin ----


@pytest.mark.parametrize("verb", VERBS)
def test_an_unreadable_stdin_is_an_io_error(program, tmp_path, verb):
    directory = os.open(tmp_path, os.O_RDONLY)
    try:
        done = subprocess.run(
            [program.path], stdin=directory, capture_output=True, env=environment(verb),
            timeout=20, check=False,
        )
    finally:
        os.close(directory)
    error = json.loads(done.stdout)
    assert (done.returncode, error["code"]) == (1, 5)
    assert error["msg"].startswith("error reading from stdin: ")


def test_a_closed_stdin_is_an_error():
    done = run(["sh", "-c", 'exec "$0" <&-', HOST_LOCAL], env=environment("ADD"))
    assert (done.rc, done.code) == (1, 5)
    assert done.msg.startswith("error reading from stdin: ")


SYNTAX = {
    "nothing": b"",
    "blanks": b" \n",
    "cut": b'{"name":"net"',
    "comma at the end": b'{"name":"net",}',
    "bare key": b'{name:"net"}',
    "single quotes": b"{'name':'net'}",
    "comment": b'{"name":"net"} // x',
    "two documents": b'{"name":"net"}{"name":"net"}',
    "trailing text": b'{"name":"net"} x',
    "byte order mark": b'\xef\xbb\xbf{"name":"net"}',
    "NUL behind": b'{"name":"net"}\0',
    "NUL within": b'{"name":"ne\0t"}',
    "control character around": b'\x01{"name":"net"}',
    "form feed around": b'\x0c{"name":"net"}',
    "raw control character in a string": b'{"name":"net","a":"\x01"}',
    "raw newline in a string": b'{"name":"net","a":"\n"}',
    "bad escape": b'{"name":"net","a":"\\x"}',
    "bad hex": b'{"name":"net","a":"\\uZZZZ"}',
    "leading zero": b'{"name":"net","a":01}',
    "no fraction": b'{"name":"net","a":1.}',
    "no integer": b'{"name":"net","a":.5}',
    "plus": b'{"name":"net","a":+1}',
    "no exponent": b'{"name":"net","a":1e}',
    "lone minus": b'{"name":"net","a":-}',
    "not a number": b'{"name":"net","a":NaN}',
    "hexadecimal": b'{"name":"net","a":0x1}',
    "list": b"[]",
    "string": b'"net"',
    "number": b"1",
    "true": b"true",
    "name is a number": b'{"name":1}',
    "name is a list": b'{"name":["net"]}',
    "name is an object": b'{"name":{}}',
    "name is true": b'{"name":true}',
}


@pytest.mark.parametrize("text", SYNTAX.values(), ids=SYNTAX.keys())
@pytest.mark.parametrize("verb", VERBS)
def test_what_is_no_configuration_is_a_decode_error(program, verb, text):
    done = program.call(verb, text)
    assert (done.rc, done.code, done.err) == (1, 6, b"")
    assert done.msg.startswith("error unmarshall network config: ")
    assert len(done.msg) > len("error unmarshall network config: ")


@pytest.mark.parametrize("text", ["null", "{}", '{"name":null}', '{"name":""}', '{"NAME":""}'])
@pytest.mark.parametrize("verb", VERBS)
def test_a_network_without_a_name_is_refused(program, verb, text):
    done = program.call(verb, text)
    assert (done.rc, done.out) == (1, program.error(7, "missing network name", go=7))


@pytest.mark.parametrize(
    "name", ["a/b", "te%%st", ".a", "..", "-a", "_a", "a b", "a\n", "é", "a:b", "a\\b", "<&>"]
)
@pytest.mark.parametrize("verb", VERBS)
def test_a_bad_network_name_is_refused(program, data, verb, name):
    done = program.call(verb, {**network(data), "name": name})
    assert done.rc == 1
    assert done.out == program.error(7, "invalid characters found in network name", name, go=7)
    assert snapshot(data) == {}


def test_a_nul_in_a_network_name_does_not_end_it(data):
    done = call("ADD", json.dumps({**network(data), "name": "net\0x"}))
    assert done.rc == 1 and done.code in (6, 7)
    assert snapshot(data) == {}


@pytest.mark.parametrize("name", ["a..b-c_d.e", "0", "a.", "n" * 200])
def test_a_good_network_name_is_a_directory(program, data, name):
    assert program.call("ADD", {**network(data), "name": name}).rc == 0
    assert held(data / name) == {"10.1.2.2": b"c1\r\neth0"}


def test_a_name_that_is_too_long_for_a_file_is_an_io_error(program, data):
    name = "n" * 300
    done = program.call("ADD", {**network(data), "name": name})
    assert (done.rc, done.code) == (1, 5 if program.ours else 999)
    assert done.msg.endswith(f" {data}/{name}: file name too long")
    assert snapshot(data) == {}


@pytest.mark.parametrize(
    "text, name",
    [
        ('{"NAME":"net",%s}', "net"),
        ('{"name":"a","NAME":"net",%s}', "net"),
        ('{"NAME":"a","name":"net",%s}', "net"),
        ('{"name":"a","name":"net",%s}', "net"),
    ],
)
def test_the_last_spelling_of_a_member_wins(program, data, text, name):
    rest = json.dumps({k: v for k, v in network(data).items() if k != "name"})[1:-1]
    assert program.call("ADD", text % rest).rc == 0
    assert held(data / name) == {"10.1.2.2": b"c1\r\neth0"}


def test_white_space_around_the_document_is_fine(program, data):
    assert program.call("ADD", f" \t\r\n{json.dumps(network(data))}\r\n\t ").rc == 0


def test_a_configuration_has_a_ceiling_of_1_mib(data):
    config = network(data)
    config["padding"] = "x" * (1024 * 1024 - len(json.dumps(config)) - 20)
    assert call("ADD", config).rc == 0
    config["padding"] += "x" * 100
    before = snapshot(data)
    done = call("ADD", config, id="c2")
    assert (done.rc, done.code) == (1, 5)
    assert done.msg.startswith("error reading from stdin: ")
    assert snapshot(data) == before


def test_a_gc_may_have_16_mib(data):
    config = {**network(data), "cni.dev/valid-attachments": [{"containerID": "c1", "ifname": "eth0"}]}
    for i in ("c1", "c2"):
        assert call("ADD", network(data), id=i).rc == 0
    config["padding"] = "x" * (15 * 1024 * 1024)
    done = call("GC", config)
    assert (done.rc, done.out) == (0, b"")
    assert held(data / "net") == {"10.1.2.2": b"c1\r\neth0"}
    config["padding"] = "x" * (16 * 1024 * 1024)
    config["cni.dev/valid-attachments"] = []
    assert call("GC", config).code == 5
    assert held(data / "net") == {"10.1.2.2": b"c1\r\neth0"}


def test_deep_nesting_is_refused_and_does_not_crash(data):
    depth = 200000
    text = json.dumps(network(data))[:-1] + ',"a":' + "[" * depth + "]" * depth + "}"
    done = call("ADD", text)
    assert (done.rc, done.code) == (1, 6)
    assert snapshot(data) == {}


# ---- versions ----


@pytest.mark.parametrize("version", ["1.0", "01.1.0", "1.2.0", "0.5.0", "x", "1.1.0.0", "1.1.0 ", "v1.1.0"])
@pytest.mark.parametrize("verb", ["ADD", "DEL"])
def test_add_and_del_take_the_listed_versions_only(program, data, verb, version):
    done = program.call(verb, network(data, version))
    assert done.rc == 1
    assert done.out == program.error(
        1,
        "incompatible CNI versions",
        f'config is "{version}", plugin supports [{SUPPORTED}]',
        go=1,
    )
    assert snapshot(data) == {}


@pytest.mark.parametrize(
    "verb, version, msg",
    [
        ("CHECK", "", "config version does not allow CHECK"),
        ("CHECK", "0.3.1", "config version does not allow CHECK"),
        ("CHECK", "0.3.99", "config version does not allow CHECK"),
        ("CHECK", "2.0.0", "plugin version does not allow CHECK"),
        ("CHECK", "1.1.1", "plugin version does not allow CHECK"),
        ("GC", "1.0.0", "config version does not allow GC"),
        ("GC", "1", "config version does not allow GC"),
        ("GC", "2.0.0", "plugin version does not allow GC"),
        ("STATUS", "1.0.0", "config version does not allow STATUS"),
        ("STATUS", "-1.0.0", "config version does not allow STATUS"),
        ("STATUS", "2.0.0", "plugin version does not allow STATUS"),
        # Both comparisons hold, the exact match does not.
        ("CHECK", "0.4.5", "incompatible CNI versions"),
        ("CHECK", "1", "incompatible CNI versions"),
        ("GC", "1.1", "incompatible CNI versions"),
        ("STATUS", "+1.01.0", "incompatible CNI versions"),
    ],
)
def test_later_verbs_compare_versions_first(program, data, verb, version, msg):
    done = program.call(verb, network(data, version))
    assert (done.rc, done.code, done.msg) == (1, 1, msg)
    assert bool(done.details) == (msg == "incompatible CNI versions")


@pytest.mark.parametrize("verb", ["CHECK", "GC", "STATUS"])
@pytest.mark.parametrize(
    "version, msg",
    [
        ("adsfsadf", 'failed to convert major version part "adsfsadf": '),
        ("1.x", 'failed to convert minor version part "x": '),
        ("1.1.", 'failed to convert micro version part "": '),
        ("0.", 'failed to convert minor version part "": '),
        ("1.1.0.0", 'invalid version "1.1.0.0": too many parts'),
        ("99999999999999999999", 'failed to convert major version part "99999999999999999999": '),
    ],
)
def test_an_unparsable_version_is_a_decode_error_of_later_verbs(program, data, verb, version, msg):
    done = program.call(verb, network(data, version))
    assert (done.rc, done.code) == (1, 6)
    assert done.msg.startswith(msg)


@pytest.mark.parametrize("version", [1, 1.1, True, ["1.1.0"], {}])
@pytest.mark.parametrize("verb", VERBS)
def test_a_version_that_is_no_text_is_a_decode_error(program, data, verb, version):
    done = program.call(verb, network(data, version))
    assert (done.rc, done.code) == (1, 6)
    assert done.msg.startswith("decoding version from network config: ")
    assert snapshot(data) == {}


def test_a_missing_version_is_0_1_0(program, data):
    for i, version in enumerate(["missing", None, ""]):
        config = network(data, version)
        if version == "missing":
            del config["cniVersion"]
        assert program.call("ADD", config, id=f"c{i}").json()["cniVersion"] == "0.1.0"


def test_the_name_is_checked_before_the_version(program, data):
    done = program.call("ADD", {**network(data, "9"), "name": ""})
    assert done.msg == "missing network name"
    done = program.call("CHECK", {**network(data, 5), "name": "a b"})
    assert done.msg == "invalid characters found in network name"


# ---- network namespaces ----


@pytest.mark.parametrize("path", ["/proc/self/ns/net", "/proc/thread-self/ns/net"])
def test_add_to_the_own_namespace_is_refused_before_anything_happens(data, path):
    done = call("ADD", network(data), netns=path)
    assert (done.rc, done.out) == (1, harness.error_text(8, OWN))
    assert held(data / "net") == {}
    assert "last_reserved_ip.0" not in tree(data / "net")


def test_del_in_the_own_namespace_releases_and_then_complains(program, data):
    assert program.call("ADD", network(data)).rc == 0
    done = program.call("DEL", network(data), netns="/proc/self/ns/net")
    assert (done.rc, done.out) == (1, program.error(8, OWN, go=8))
    assert held(data / "net") == {}


def test_check_does_not_look_at_the_namespace(program, data):
    assert program.call("ADD", network(data)).rc == 0
    assert program.call("CHECK", network(data), netns="/proc/self/ns/net").rc == 0


@pytest.mark.parametrize("override, off", [("1", True), ("true", True), ("TRUE", True), ("tRuE", True),
                                           ("0", False), ("yes", False), ("", False), ("false", False)])
def test_the_check_of_the_namespace_can_be_switched_off(program, data, override, off):
    env = {"CNI_NETNS_OVERRIDE": override}
    done = program.call("ADD", network(data), netns="/proc/self/ns/net", env=env)
    assert done.rc == (0 if off else 1)
    done = program.call("DEL", network(data), netns="/proc/self/ns/net", env=env)
    assert done.rc == (0 if off else 1)


def test_another_namespace_is_fine_and_the_same_one_is_found_by_any_path(data, tmp_path, mount):
    """A bind mount of a namespace's file is how runtimes name namespaces."""
    own, other = tmp_path / "own", tmp_path / "other"
    for path in (own, other):
        path.touch()
    mount("--bind", "/proc/self/ns/net", own)
    stranger = subprocess.Popen(
        ["unshare", "--net", "sleep", "60"], stdin=subprocess.DEVNULL
    )
    try:
        mine = os.readlink("/proc/self/ns/net")
        eventually(
            lambda: os.readlink(f"/proc/{stranger.pid}/ns/net") != mine, "a namespace is made"
        )
        mount("--bind", f"/proc/{stranger.pid}/ns/net", other)
    finally:
        stranger.kill()
        stranger.wait()
    assert call("ADD", network(data), netns=other).rc == 0
    assert call("ADD", network(data), netns=own, id="c2").code == 8
    # Seen from within the other one it is the other way round.
    inside = ("nsenter", f"--net={other}", "--")
    assert call("ADD", network(data), netns=own, id="c3", wrap=inside).rc == 0
    assert call("ADD", network(data), netns=other, id="c4", wrap=inside).code == 8
    assert sorted(held(data / "net").values()) == [b"c1\r\neth0", b"c3\r\neth0"]


@pytest.mark.parametrize("path", ["/nonexistent/ns", "/", "/dev/null"])
def test_a_path_that_is_no_namespace_is_ignored(program, data, path):
    assert program.call("ADD", network(data), netns=path).rc == 0
    assert program.call("DEL", network(data), netns=path).rc == 0


# ---- stdout ----


def broken_stdout(kind):
    """The write end of a pipe nobody reads, or a device that is full."""
    if kind == "full device":
        return os.open("/dev/full", os.O_WRONLY)
    read_end, write_end = os.pipe()
    os.close(read_end)
    return write_end


def call_into(fd, verb, config, **kwargs):
    try:
        return subprocess.run(
            [HOST_LOCAL],
            input=harness.encode(config),
            stdout=fd,
            stderr=subprocess.PIPE,
            env=environment(verb, **kwargs),
            timeout=20,
            check=False,
        )
    finally:
        os.close(fd)


@pytest.mark.parametrize("kind", ["broken pipe", "full device"])
def test_an_add_whose_result_is_lost_is_undone(data, kind):
    config = network(data)
    config["ipam"]["ranges"] = [[{"subnet": "2001:db8:1::/64"}]]
    assert call("ADD", config, id="c0").rc == 0
    before = held(data / "net")
    done = call_into(broken_stdout(kind), "ADD", config)
    assert done.returncode == 1
    assert b"write to stdout" in done.stderr
    assert held(data / "net") == before
    # The next one is served.
    assert call("ADD", config).rc == 0


@pytest.mark.parametrize("closed", [">&-", ">&- 2>&-", ">&- 2>&- <&-"])
def test_an_add_with_closed_descriptors_is_undone(data, closed):
    """What we open meanwhile must not take the place of a closed descriptor: the result would be
    written into it."""
    config = network(data)
    done = run(
        ["sh", "-c", f'exec "$0" {closed}', HOST_LOCAL],
        stdin=harness.encode(config),
        env=environment("ADD"),
    )
    assert done.rc == 1
    assert held(data / "net") == {}
    assert set(tree(data / "net").values()) <= {b"", b"10.1.2.2"}
    assert call("ADD", config).rc == 0


@pytest.mark.parametrize("verb", ["DEL", "CHECK", "GC", "STATUS"])
def test_verbs_that_print_nothing_do_not_need_stdout(data, verb):
    config = network(data)
    assert call("ADD", config).rc == 0
    assert call_into(broken_stdout("broken pipe"), verb, config).returncode == 0


def test_version_into_a_broken_stdout_fails():
    assert call_into(broken_stdout("broken pipe"), "VERSION", "").returncode == 1


def test_a_result_longer_than_a_pipe_is_written_whole(data):
    """Written by pieces to a reader that is slow."""
    config = network(data)
    config["ipam"]["routes"] = [{"dst": f"10.{i // 256}.{i % 256}.0/24"} for i in range(5000)]
    process = start("ADD", config)
    inode = data / "net" / "10.1.2.2"
    eventually(inode.exists, "the address is reserved")
    done = finish(process)
    assert done.rc == 0
    assert len(done.json()["routes"]) == 5000


def test_texts_of_errors_are_escaped_like_the_reference_encoder_does(program, data):
    done = program.call("ADD", network(data), args='A<b>&"\\é=1')
    assert done.rc == 1
    assert done.out == program.error(4, 'ARGS: unknown args ["A<b>&\\"\\\\é=1"]')
    assert b"A\\u003cb\\u003e\\u0026" in done.out


def test_an_invalid_byte_in_an_error_becomes_the_replacement_character(program, data):
    done = program.call("ADD", network(data), id=b"a\xffb")
    assert (done.rc, done.code) == (1, 4)
    assert b'"details": "a\\ufffdb"' in done.out


def test_nothing_is_inherited_from_the_working_directory(data, tmp_path):
    config = network(data, dataDir="relative/state")
    done = call("ADD", config, cwd=tmp_path)
    assert done.rc == 0
    assert held(tmp_path / "relative/state/net") == {"10.1.2.2": b"c1\r\neth0"}


def test_a_pipe_that_does_not_block_is_waited_for(program, data):
    """A caller may have set O_NONBLOCK on its ends, which are ours as well."""
    config = {**network(data), "cniVersion": "0.4.0"}
    config["ipam"]["routes"] = [{"dst": "10.0.0.0/8"}] * 4000
    to_us, from_us = os.pipe(), os.pipe()
    os.set_blocking(to_us[0], False)
    os.set_blocking(from_us[1], False)
    process = subprocess.Popen(
        [program.path], stdin=to_us[0], stdout=from_us[1], env=environment("ADD")
    )
    os.close(to_us[0])
    os.close(from_us[1])
    text = json.dumps(config).encode()
    with os.fdopen(to_us[1], "wb") as stdin:
        stdin.write(text[:10])
        stdin.flush()
        eventually(lambda: pathlib.Path(f"/proc/{process.pid}/stat").read_text().split()[2] == "S",
                   "the program waits for more")
        stdin.write(text[10:])
    with os.fdopen(from_us[0], "rb") as stdout:
        result = json.loads(stdout.read())
    assert process.wait(timeout=60) == 0 and len(result["routes"]) == 4000


def test_a_file_that_has_nothing_to_give_is_not_waited_for(data):
    """A tenant may name one: it is a regular file, and would block for ever."""
    if not os.path.exists("/proc/kmsg"):
        harness.unavailable("there is no /proc/kmsg")
    assert call("ADD", network(data, resolvConf="/proc/kmsg"), timeout=20).code in (5, 7)
