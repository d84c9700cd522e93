# SPDX-License-Identifier: Apache-2.0
"""The sub-commands for people: list, status and gc, as tables and as JSON."""

import datetime
import json
import os

import pytest

from harness import HOST_LOCAL, UNPRIVILEGED, call, command, encode, held, run, snapshot, unavailable

TAG = "user.cni-ipam.boot"
OLD = b"00000000-0000-0000-0000-000000000000"

# A time with something to get wrong: 2023-02-28 23:59:07 UTC.
SINCE = 1677628747
SINCE_TEXT = "2023-02-28T23:59:07Z"


def network(data, name="net", **ipam):
    ipam = {"subnet": "10.1.2.0/29", **ipam}
    if "ranges" in ipam:
        del ipam["subnet"]
    return {"cniVersion": "1.1.0", "name": name, "ipam": {"dataDir": str(data), **ipam}}


def prepare(data, name, files):
    directory = data / name
    directory.mkdir()
    for file, content in files.items():
        (directory / file).write_bytes(content)
        os.utime(directory / file, (SINCE, SINCE))
    return directory


@pytest.fixture
def two(data):
    """Two networks with what there can be in them, and things that are none."""
    prepare(
        data,
        "blue",
        {
            "lock": b"",
            "last_reserved_ip.0": b"10.1.2.10",
            "last_reserved_ip.1": b"2001:db8::a",
            "10.1.2.10": b"container-with-a-long-name\r\neth0",
            "10.1.2.9": b"c1\r\neth0\n",
            "2001:db8::a": b"c1\r\nnet1",
            "10.1.2.11": b"c2",
            "notes": b"c1\r\neth0",
        },
    )
    prepare(data, "amber", {"10.1.2.3": b""})
    (data / "empty").mkdir()
    (data / ".hidden").mkdir()
    (data / "a file").write_bytes(b"")
    (data / "file").write_bytes(b"")
    return data


def says(done):
    assert (done.rc, done.err) == (0, b""), done
    return done.out.decode()


def document(done):
    text = says(done)
    assert text.endswith("}\n") and "\n    " in text
    seen = json.loads(text)
    assert next(iter(seen)) == "version" and seen["version"] == 1
    return seen


# ---- list ----

LISTING = f"""\
NETWORK  ADDRESS      CONTAINER                   IFNAME  SINCE                 STATE
amber    10.1.2.3                                         {SINCE_TEXT}  empty
blue     10.1.2.9     c1                          eth0    {SINCE_TEXT}  held
blue     10.1.2.10    container-with-a-long-name  eth0    {SINCE_TEXT}  held
blue     10.1.2.11    c2                                  {SINCE_TEXT}  held
blue     2001:db8::a  c1                          net1    {SINCE_TEXT}  held
5 addresses in 3 networks
"""


def test_list_is_a_table_sorted_by_network_and_address(two):
    assert says(command("list", "--data-dir", two)) == LISTING


def test_list_of_named_networks(two):
    text = says(command("list", "--data-dir", two, "amber"))
    assert text.splitlines()[1:] == [
        f"amber    10.1.2.3                     {SINCE_TEXT}  empty",
        "1 address in 1 network",
    ]
    assert says(command("list", "blue", "amber", "--data-dir", two)).endswith(
        "5 addresses in 2 networks\n"
    )


def test_list_as_json(two):
    seen = document(command("list", "--json", "--data-dir", two))
    assert seen == {
        "version": 1,
        "networks": [
            {
                "name": "amber",
                "addresses": [{"address": "10.1.2.3", "since": SINCE_TEXT, "state": "empty"}],
            },
            {
                "name": "blue",
                "addresses": [
                    {"address": "10.1.2.9", "containerID": "c1", "ifname": "eth0",
                     "since": SINCE_TEXT, "state": "held"},
                    {"address": "10.1.2.10", "containerID": "container-with-a-long-name",
                     "ifname": "eth0", "since": SINCE_TEXT, "state": "held"},
                    {"address": "10.1.2.11", "containerID": "c2", "since": SINCE_TEXT,
                     "state": "held"},
                    {"address": "2001:db8::a", "containerID": "c1", "ifname": "net1",
                     "since": SINCE_TEXT, "state": "held"},
                ],
            },
            {"name": "empty", "addresses": []},
        ],
    }


def test_list_of_nothing(data):
    assert says(command("list", "--data-dir", data)) == "0 addresses in 0 networks\n"
    assert document(command("list", "--json", "--data-dir", data))["networks"] == []


@pytest.mark.parametrize("word", ["list", "status"])
def test_a_data_directory_that_is_named_must_exist(data, word):
    done = command(word, "--data-dir", data / "nothing")
    assert (done.rc, done.out) == (1, b"")
    assert done.err.decode() == f"host-local: open {data}/nothing: no such file or directory\n"


@pytest.mark.parametrize("argv", [("--help",), ("list", "--help"), ("gc", "net", "--help")])
def test_help_is_given_wherever_it_is_asked_for(argv):
    assert "host-local gc NETWORK --valid FILE" in says(command(*argv))


def test_gc_says_what_it_lacks(data):
    done = command("gc", "net", "--valid", "-", "--data-dir", data, stdin=b"{}")
    assert (done.rc, done.err) == (1, b"host-local: standard input: no list of attachments\n")
    done = command("gc", "--valid", "-", stdin=b"[]")
    assert done.rc == 2 and b"missing argument 'NETWORK'" in done.err


def test_the_state_of_an_earlier_boot_is_stale(data):
    assert call("ADD", network(data)).rc == 0
    assert call("ADD", network(data), id="c2").rc == 0
    try:
        os.setxattr(data / "net" / "10.1.2.2", TAG, OLD)
    except OSError:
        unavailable("the temporary directory keeps no extended attributes")
    entries = document(command("list", "--json", "--data-dir", data))["networks"][0]["addresses"]
    assert [(e["address"], e["state"]) for e in entries] == [
        ("10.1.2.2", "stale"),
        ("10.1.2.3", "held"),
    ]
    network_ = document(command("status", "--json", "--data-dir", data))["networks"][0]
    assert (network_["held"], network_["stale"], network_["empty"]) == (1, 1, 0)


def test_since_is_the_time_of_the_reservation(data):
    assert call("ADD", network(data)).rc == 0
    entry = document(command("list", "--json", "--data-dir", data))["networks"][0]["addresses"][0]
    since = datetime.datetime.strptime(entry["since"], "%Y-%m-%dT%H:%M:%SZ")
    made = datetime.datetime.utcfromtimestamp((data / "net" / "10.1.2.2").stat().st_mtime)
    assert since == made.replace(microsecond=0)


def test_what_would_move_the_cursor_of_a_terminal_is_not_printed(data):
    prepare(data, "net", {"10.1.2.2": b"c1\x1b[2J\x07\r\nth\x9b0\ty"})
    text = command("list", "--data-dir", data).out
    assert b"\x1b" not in text and b"\x07" not in text and b"\t" not in text and b"\x9b0" not in text
    entry = document(command("list", "--json", "--data-dir", data))["networks"][0]["addresses"][0]
    assert entry["containerID"] == "c1\x1b[2J\x07"


def test_list_and_status_change_nothing(two):
    before = snapshot(two)
    for name in ("list", "status"):
        for more in ([], ["--json"]):
            says(command(name, "--data-dir", two, *more))
    assert snapshot(two) == before


# ---- status ----


def test_status_is_a_table(two):
    assert says(command("status", "--data-dir", two)) == (
        "NETWORK  HELD  STALE  EMPTY  LAST RESERVED\n"
        "amber    0     0      1\n"
        "blue     4     0      0      10.1.2.10 2001:db8::a\n"
        "empty    0     0      0\n"
    )


def test_status_as_json(two):
    assert document(command("status", "--json", "--data-dir", two, "blue", "empty")) == {
        "version": 1,
        "networks": [
            {
                "name": "blue",
                "held": 4,
                "stale": 0,
                "empty": 0,
                "cursors": [
                    {"index": 0, "address": "10.1.2.10"},
                    {"index": 1, "address": "2001:db8::a"},
                ],
            },
            {"name": "empty", "held": 0, "stale": 0, "empty": 0, "cursors": []},
        ],
    }


SETS = [
    [{"subnet": "10.1.2.0/29"}, {"subnet": "10.1.3.0/30", "gateway": "192.0.2.1"}],
    [{"subnet": "2001:db8::/120"}],
]


@pytest.fixture
def configured(data):
    """A network, and its configuration in a file."""
    config = network(data, ranges=SETS)
    path = data.parent / "net.conf"
    path.write_text(json.dumps(config))
    for i in range(3):
        assert call("ADD", config, id=f"c{i}").rc == 0
    (data / "net" / "10.1.2.1").write_bytes(b"c9\r\neth0")  # the gateway: no address to give
    (data / "net" / "10.1.2.6").write_bytes(b"")
    (data / "net" / "10.9.9.9").write_bytes(b"c9\r\neth0")
    return config, path


def test_status_with_a_configuration_tells_how_full_it_is(configured):
    config, path = configured
    sets = [
        {"index": 0, "range": "10.1.2.1-10.1.2.6,10.1.3.1-10.1.3.2", "size": 7, "used": 3, "free": 4},
        {"index": 1, "range": "2001:db8::1-2001:db8::ff", "size": 254, "used": 3, "free": 251},
    ]
    for done in (
        command("status", "--json", "--conf", path),
        command("status", "--json", "--conf", "-", stdin=config),
    ):
        seen = document(done)["networks"]
        assert len(seen) == 1
        assert (seen[0]["name"], seen[0]["held"], seen[0]["empty"]) == ("net", 8, 1)
        assert seen[0]["rangeSets"] == sets
    assert says(command("status", "--conf", path)) == (
        "NETWORK  HELD  STALE  EMPTY  LAST RESERVED\n"
        "net      8     0      1      10.1.2.4 2001:db8::4\n"
        "\n"
        "RANGE SET                            SIZE  USED  FREE\n"
        "10.1.2.1-10.1.2.6,10.1.3.1-10.1.3.2  7     3     4\n"
        "2001:db8::1-2001:db8::ff             254   3     251\n"
    )


def test_the_data_directory_of_the_option_wins_over_the_configuration(configured, tmp_path):
    config, _ = configured
    (tmp_path / "other" / "net").mkdir(parents=True)
    seen = document(
        command("status", "--json", "--conf", "-", "--data-dir", tmp_path / "other", stdin=config)
    )
    assert seen["networks"][0]["held"] == 0
    assert seen["networks"][0]["rangeSets"][0]["used"] == 0


def test_a_huge_range_is_counted_without_overflow(data):
    config = network(data, subnet="::/0")
    assert call("ADD", config).rc == 0
    sets = document(command("status", "--json", "--conf", "-", stdin=config))["networks"][0]["rangeSets"]
    assert sets[0]["used"] == 1
    assert sets[0]["size"] >= 2**63 and sets[0]["free"] >= 2**63 - 1


@pytest.mark.parametrize(
    "text, complaint",
    [
        ("", "unexpected end"),
        ("{", ""),
        ("[]", "must be an object"),
        ("{}", "missing network name"),
        ('{"name":"a/b","ipam":{"subnet":"10.1.2.0/24"}}', "name"),
        ('{"name":"net"}', "IPAM config missing 'ipam' key"),
        ('{"name":"net","ipam":{}}', "no IP ranges specified"),
        ('{"name":"net","ipam":{"subnet":"10.1.2.1/24"}}', "host bits set"),
        ('{"name":"net","ipam":{"ranges":[{"subnet":"10.1.2.0/24"}]}}',
         "ipam.ranges[0]: must be a list, not an object"),
    ],
)
def test_status_with_a_bad_configuration_says_what_is_wrong(tmp_path, text, complaint):
    path = tmp_path / "bad.conf"
    path.write_text(text)
    done = command("status", "--conf", path)
    assert (done.rc, done.out) == (1, b"")
    assert done.err.startswith(b"host-local: ") and complaint.encode() in done.err
    assert done.err.count(b"\n") == 1


# ---- gc ----

VALID = [{"containerID": "c1", "ifname": "eth0"}, {"containerID": "c2", "ifname": "zzz"}]


@pytest.mark.parametrize(
    "valid", [VALID, {"cni.dev/valid-attachments": VALID}, {"cni.dev/valid-attachments": VALID, "name": 5}],
    ids=["list", "configuration", "odd configuration"],
)
@pytest.mark.parametrize("source", ["file", "stdin"])
def test_gc_frees_what_is_not_valid(two, tmp_path, valid, source):
    path, stdin = "-", json.dumps(valid)
    if source == "file":
        path, stdin = tmp_path / "valid.json", ""
        path.write_text(json.dumps(valid))
    done = command("gc", "blue", "--valid", path, "--data-dir", two, stdin=stdin)
    assert says(done) == (
        "freed 10.1.2.10 (container-with-a-long-name eth0)\n"
        "freed 2001:db8::a (c1 net1)\n"
        "freed 2 addresses\n"
    )
    assert set(held(two / "blue")) == {"10.1.2.9", "10.1.2.11", "notes"}
    assert set(held(two / "amber")) == {"10.1.2.3"}


def test_gc_of_everything_as_json(two):
    done = command("gc", "blue", "--valid", "-", "--json", "--data-dir", two, stdin="[]")
    seen = document(done)
    assert (seen["network"], seen["dryRun"]) == ("blue", False)
    assert sorted(seen["freed"], key=lambda e: e["address"]) == [
        {"address": "10.1.2.10", "containerID": "container-with-a-long-name", "ifname": "eth0"},
        {"address": "10.1.2.11", "containerID": "c2"},
        {"address": "10.1.2.9", "containerID": "c1", "ifname": "eth0"},
        {"address": "2001:db8::a", "containerID": "c1", "ifname": "net1"},
    ]
    assert set(held(two / "blue")) == {"notes"}


def test_gc_dry_run_only_tells(two):
    before = snapshot(two)
    options = ["gc", "blue", "--valid", "-", "--dry-run", "--data-dir", two]
    assert says(command(*options, stdin=json.dumps(VALID))) == (
        "would free 10.1.2.10 (container-with-a-long-name eth0)\n"
        "would free 2001:db8::a (c1 net1)\n"
        "would free 2 addresses\n"
    )
    seen = document(command(*options, "--json", stdin="[]"))
    assert seen["dryRun"] is True and len(seen["freed"]) == 4
    assert snapshot(two) == before


def test_gc_with_nothing_to_free(two):
    valid = [{"containerID": c, "ifname": i} for c in ("c1", "c2", "container-with-a-long-name")
             for i in ("eth0", "net1")]
    done = command("gc", "blue", "--valid", "-", "--data-dir", two, stdin=json.dumps(valid))
    assert says(done) == "freed 0 addresses\n"


def test_gc_of_a_directory_that_may_not_be_written(two):
    (two / "blue").chmod(0o500)
    try:
        done = command("gc", "blue", "--valid", "-", "--data-dir", two, stdin="[]")
        assert done.rc == 0  # root may
        (two / "blue" / "10.1.2.2").write_bytes(b"c1\r\neth0")
        done = run(
            [*UNPRIVILEGED, HOST_LOCAL, "gc", "blue", "--valid", "-",
             "--data-dir", two],
            stdin=b"[]",
        )
    finally:
        (two / "blue").chmod(0o755)
    assert done.rc == 1
    assert done.err.startswith(b"host-local: ") and done.err.endswith(b"permission denied\n")
    assert b"freed 10.1.2.2" not in done.out
    assert "10.1.2.2" in held(two / "blue")


@pytest.mark.parametrize(
    "text", ["", "{", "{}", "null", "5", '"c1"', '["c1"]', "[{}]", '[{"containerID":"c1"}]',
             '[{"containerID":1,"ifname":"eth0"}]', '{"cni.dev/valid-attachments":{}}',
             '{"containerID":"c1","ifname":"eth0"}', "[] []"]
)
def test_gc_with_a_bad_list_frees_nothing(two, text):
    before = snapshot(two)
    done = command("gc", "blue", "--valid", "-", "--data-dir", two, stdin=text)
    assert (done.rc, done.out) == (1, b"")
    assert done.err.startswith(b"host-local: ") and done.err.count(b"\n") == 1
    assert snapshot(two) == before


# ---- usage ----


@pytest.mark.parametrize(
    "argv",
    [
        ["frobnicate"],
        ["--frobnicate"],
        ["LIST"],
        ["list", "--frobnicate"],
        ["list", "--valid", "x"],
        ["list", "--data-dir"],
        ["list", "--json=1"],
        ["list", "--js"],
        ["list", "a/b"],
        ["list", ".."],
        ["list", ""],
        ["status", "--conf"],
        ["status", "--conf", "x", "net"],
        ["gc"],
        ["gc", "net"],
        ["gc", "--valid", "-"],
        ["gc", "a", "b", "--valid", "-"],
        ["gc", "../net", "--valid", "-"],
        ["gc", "net", "--valid"],
        ["gc", "net", "--valid", "-", "--conf", "x"],
    ],
    ids=" ".join,
)
def test_wrong_usage_exits_with_2(argv):
    done = command(*argv, stdin="[]")
    assert (done.rc, done.out) == (2, b"")
    assert done.err.startswith(b"host-local")


def test_help_goes_to_stdout():
    text = says(command("--help"))
    for word in ("list", "status", "gc", "--json", "--data-dir", "--conf", "--valid", "--dry-run"):
        assert word in text


@pytest.mark.parametrize(
    "argv",
    [["list", "nothing"], ["status", "nothing"], ["gc", "nothing", "--valid", "-"]],
    ids=" ".join,
)
def test_a_network_that_is_not_there_is_a_failure(two, argv):
    done = command(*argv, "--data-dir", two, stdin="[]")
    assert (done.rc, done.out) == (1, b"")
    assert done.err.startswith(b"host-local: ") and b"nothing" in done.err


@pytest.mark.parametrize("argv", [["status", "--conf"], ["gc", "net", "--valid"]], ids=" ".join)
@pytest.mark.parametrize("kind", ["missing", "directory"])
def test_an_input_file_that_cannot_be_read_is_a_failure(tmp_path, argv, kind):
    path = tmp_path / "input"
    if kind == "directory":
        path.mkdir()
    done = command(*argv, path, timeout=20)
    assert (done.rc, done.out) == (1, b"")
    assert done.err.startswith(b"host-local: ") and str(path).encode() in done.err


def test_input_may_come_from_a_pipe_with_a_name(two):
    """As `<(...)` of a shell makes one."""
    script = 'exec "$0" gc blue --data-dir "$1" --dry-run --valid <(echo "[]")'
    done = run(["bash", "-c", script, HOST_LOCAL, two])
    assert says(done).endswith("would free 4 addresses\n")


def test_output_that_cannot_be_written_is_a_failure(two):
    for argv in (["list"], ["status"], ["list", "--json"]):
        done = run(
            ["sh", "-c", 'exec "$@" >/dev/full', "sh", HOST_LOCAL, *argv, "--data-dir", two]
        )
        assert done.rc == 1
        assert b"no space left on device" in done.err


def test_the_verb_wins_over_arguments(data):
    done = command("list", env={"CNI_COMMAND": "VERSION"})
    assert done.rc == 0 and done.out.startswith(b'{"cniVersion":')


def test_an_empty_verb_counts_as_none(two):
    done = command("list", "--data-dir", two, env={"CNI_COMMAND": ""})
    assert says(done) == LISTING


def test_what_has_the_name_of_an_address_uses_it_up(data):
    for last in range(2, 7):
        (data / "net" / f"10.1.2.{last}").mkdir(parents=True)
    config = network(data, subnet="10.1.2.0/29")
    assert call("ADD", config).msg.endswith("no IP addresses available in range set: 10.1.2.1-10.1.2.6")
    status = document(command("status", "--json", "--conf", "-", stdin=encode(config)))
    assert [(s["used"], s["free"]) for s in status["networks"][0]["rangeSets"]] == [(5, 0)]


def test_a_network_that_is_not_used_yet_has_its_range_sets(data):
    status = document(command("status", "--json", "--conf", "-", stdin=encode(network(data))))
    assert [(n["name"], n["held"], len(n["rangeSets"])) for n in status["networks"]] == [("net", 0, 1)]


def test_status_judges_a_configuration_as_add_does(data):
    route = {**network(data, routes=[{}]), "cniVersion": "0.2.0"}
    assert command("status", "--conf", "-", stdin=encode(route)).rc == 0
    two = {**network(data, ranges=[[{"subnet": "10.1.2.0/29"}], [{"subnet": "10.1.3.0/29"}]]), "cniVersion": "0.2.0"}
    assert b"does not support more than 1 address" in command("status", "--conf", "-", stdin=encode(two)).err
    unknown = {**network(data), "cniVersion": "9.9"}
    assert b"incompatible CNI versions" in command("status", "--conf", "-", stdin=encode(unknown)).err
    several = {"cniVersion": "1.0.0", "name": "n", "plugins": [network(data)]}
    assert b"standard input is a list of plugins" in command("status", "--conf", "-", stdin=encode(several)).err


def test_a_network_that_is_named_twice_is_told_once(data):
    for name in ("b", "a"):
        assert call("ADD", network(data, name)).rc == 0
    listed = document(command("list", "--json", "--data-dir", data, "b", "a", "a"))["networks"]
    assert [n["name"] for n in listed] == ["a", "b"]


def test_an_error_is_printable(data):
    config = network(data, subnet="\x1b[31mX\x07")
    done = command("status", "--conf", "-", stdin=encode(config))
    assert done.rc == 1 and done.err == b"host-local: invalid CIDR address: ?[31mX?: ipam.subnet\n"
