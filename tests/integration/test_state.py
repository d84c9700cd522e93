# SPDX-License-Identifier: Apache-2.0
"""The directory: what is on disk, who may be trusted there, and what every failure leaves.

Files of the old form, modes, foreign things in the directory, reboots, debris, the lock, full and
read-only disks, missing rights, GC and STATUS.
"""

import fcntl
import os
import pathlib
import re
import shutil
import signal
import socket
import stat
import subprocess
import tempfile
import time

import pytest

from harness import (
    FULL,
    UNPRIVILEGED,
    call,
    command,
    fill,
    finish,
    held,
    snapshot,
    start,
    tree,
    unavailable,
    wait_for_waiter,
)

TAG = "user.cni-ipam.boot"
ANOTHER_BOOT = b"00000000-0000-0000-0000-000000000000"
CURSOR = "last_reserved_ip.0"
OWNER = b"c1\r\neth0"
NOT_FOUND = "host-local: Failed to find address added by container c1"


def network(data, name="net", top=None, **ipam):
    ipam = {"subnet": "10.1.2.0/29", **ipam}
    if "ranges" in ipam:
        del ipam["subnet"]
    return {
        "cniVersion": "1.1.0",
        "name": name,
        "ipam": {"type": "host-local", "dataDir": str(data), **ipam},
        **(top or {}),
    }


def two_sets(data, **ipam):
    ranges = [[{"subnet": "10.1.2.0/29"}], [{"subnet": "10.2.2.0/30"}]]
    return network(data, ranges=ranges, **ipam)


def prepare(data, files, name="net"):
    """A network's directory with these files in it."""
    directory = data / name
    directory.mkdir(parents=True, exist_ok=True)
    for file, content in files.items():
        (directory / file).write_bytes(content)
    return directory


def silent(outcome):
    assert (outcome.rc, outcome.out, outcome.err) == (0, b"", b""), outcome


def fails(outcome, code, msg):
    assert (outcome.rc, outcome.code, outcome.msg) == (1, code, msg), outcome


# ---- files of the old form, and others' hands ----


def test_del_takes_files_of_the_old_form_only_when_there_is_no_new_one(program, data):
    directory = prepare(data, {"10.1.2.2": OWNER, "10.1.2.3": b"c1", "10.1.2.4": b"c10"})
    silent(program.call("DEL", network(data)))
    assert held(directory) == {"10.1.2.3": b"c1", "10.1.2.4": b"c10"}
    silent(program.call("DEL", network(data)))
    assert held(directory) == {"10.1.2.4": b"c10"}


@pytest.mark.parametrize(
    "content, is_ours",
    [
        (b"c1\r\neth0", True),
        (b"c1\r\neth0\n", True),
        (b" \t\nc1\r\neth0\r\n\n", True),
        (b"c1", True),
        (b"c1\n", True),
        (b"c1\r\n", True),  # cut off by a power loss: the old form
        (b"c1\neth0", False),
        (b"c1 \r\neth0", False),
        (b"c1\r\neth01", False),
        (b"c1\r\neth", False),
        (b"c10", False),
        (b"c", False),
        (b"C1", False),
        (b"c1\r\neth0\r\nx", False),
        (b"c1\0", False),
        (b"", False),
    ],
)
def test_whose_a_file_is(program, data, content, is_ours):
    directory = prepare(data, {"10.1.2.3": content})
    assert program.call("CHECK", network(data)).rc == (0 if is_ours else 1)
    silent(program.call("DEL", network(data)))
    assert held(directory) == ({} if is_ours else {"10.1.2.3": content})


def test_a_file_that_somebody_wrote_with_another_mode_counts(program, data):
    directory = prepare(data, {"10.1.2.2": OWNER})
    (directory / "10.1.2.2").chmod(0o666)
    silent(program.call("CHECK", network(data)))
    silent(program.call("DEL", network(data)))
    assert held(directory) == {}


@pytest.mark.parametrize(
    "cursor, expected",
    [
        (b"10.1.2.4", "10.1.2.5"),
        (b"::ffff:10.1.2.4", "10.1.2.5"),
        (b"10.1.2.4\n", "10.1.2.2"),
        (b"", "10.1.2.2"),
        (b"10.1.2.99", "10.1.2.2"),
        (b"2001:db8::1", "10.1.2.2"),
        (b"10.1.2.4\0", "10.1.2.2"),
        (b"x" * 100000, "10.1.2.2"),
    ],
)
def test_a_cursor_is_an_address_or_nothing(program, data, cursor, expected):
    directory = prepare(data, {CURSOR: cursor})
    done = program.call("ADD", network(data))
    assert (done.addresses, done.err) == ([expected], b"")
    assert tree(directory)[CURSOR] == expected.encode()


def test_the_cursor_file_of_before_2017_is_left_alone(program, data):
    directory = prepare(data, {"last_reserved_ip": b"10.1.2.4"})
    assert program.call("ADD", network(data)).addresses == ["10.1.2.2"]
    assert tree(directory)["last_reserved_ip"] == b"10.1.2.4"


def test_a_cursor_gets_shorter(program, data):
    """It is written in place."""
    directory = prepare(data, {CURSOR: b"2001:db8:1:2:3:4:5:6-and-more"})
    assert program.call("ADD", network(data)).rc == 0
    assert tree(directory)[CURSOR] == b"10.1.2.2"


# ---- modes ----


@pytest.mark.parametrize("umask", [0o022, 0o000, 0o077])
def test_modes_are_those_of_the_reference_program(program, data, umask):
    under = ("sh", "-c", f'umask {umask:03o}; exec "$@"', "sh")
    assert program.call("ADD", network(data / "a" / "b"), wrap=under).rc == 0
    modes = {
        path.relative_to(data).as_posix(): stat.S_IMODE(path.stat().st_mode)
        for path in data.rglob("*")
    }
    assert modes == {
        "a": 0o755 & ~umask,
        "a/b": 0o755 & ~umask,
        "a/b/net": 0o755 & ~umask,
        "a/b/net/lock": 0o750 & ~umask,
        "a/b/net/10.1.2.2": 0o600 & ~umask,
        f"a/b/net/{CURSOR}": 0o600 & ~umask,
    }


# ---- things in the directory that are no reservations ----


def strangers(directory):
    """Whatever can lie in a directory, all of it looking like c1's."""
    (directory / "sub").mkdir()
    (directory / "sub" / "10.1.2.5").write_bytes(OWNER)
    (directory / "10.1.2.2").mkdir()
    (directory / "10.1.2.2" / "x").write_bytes(OWNER)
    os.mkfifo(directory / "10.1.2.3")
    os.mkfifo(directory / "fifo")
    (directory / "target").write_bytes(OWNER)
    (directory / "10.1.2.4").symlink_to("target")
    (directory / "10.1.2.5").symlink_to("nothing")
    (directory / ".hidden").write_bytes(OWNER)
    for name in ("010.1.2.6", "10.1.2.6.", "10.1.2.6~", "10.1.2", "2001:DB8::1", "2001:db8:0::1",
                 "::ffff:10.1.2.6", "::ffff:a01:206", "fe80::1%eth0", "::1.2.3.4", "10.1.2.6 "):
        (directory / name).write_bytes(OWNER)
    with socket.socket(socket.AF_UNIX) as end:
        here = os.getcwd()
        os.chdir(directory)  # the path of a socket is short
        try:
            end.bind("2001:db8::2")
        finally:
            os.chdir(here)


@pytest.mark.parametrize("verb", ["DEL", "GC"])
def test_only_regular_files_named_by_an_address_are_released(data, verb):
    directory = prepare(data, {"lock": b""})
    strangers(directory)
    before = snapshot(directory)
    silent(call(verb, network(data, top={"cni.dev/valid-attachments": []}), timeout=20))
    assert snapshot(directory) == before
    fails(call("CHECK", network(data), timeout=20), 999, NOT_FOUND)
    # One that is named by an address counts, in whatever range.
    prepare(data, {"99.9.9.9": OWNER, "::102:304": OWNER})
    silent(call("CHECK", network(data), timeout=20))
    silent(call(verb, network(data, top={"cni.dev/valid-attachments": []}), timeout=20))
    assert snapshot(directory) == before


def test_strangers_block_their_addresses_and_nothing_else(data):
    directory = prepare(data, {"lock": b""})
    strangers(directory)
    before = snapshot(directory)
    assert call("ADD", network(data), timeout=20).addresses == ["10.1.2.6"]
    done = call("ADD", network(data), id="c2", timeout=20)
    fails(done, 999, "failed to allocate for range 0: "
                     "no IP addresses available in range set: 10.1.2.1-10.1.2.6")
    for address in ("10.1.2.2", "10.1.2.3", "10.1.2.4", "10.1.2.5"):
        done = call("ADD", network(data), id="c2", args=f"IP={address}", timeout=20)
        fails(done, 999, f"failed to allocate for range 0: requested IP address {address} "
                         "is not available in range set 10.1.2.1-10.1.2.6")
    silent(call("DEL", network(data), timeout=20))
    after = snapshot(directory)
    del after[CURSOR]
    assert after == before


def test_a_lock_that_is_a_symlink_is_not_followed(data, tmp_path):
    directory = prepare(data, {"10.1.2.3": OWNER})
    for target in (tmp_path / "new", tmp_path / "old"):
        (directory / "lock").unlink(missing_ok=True)
        (directory / "lock").symlink_to(target)
        before = snapshot(tmp_path)
        for verb in ("ADD", "DEL", "CHECK"):
            done = call(verb, network(data), id="c1" if verb != "ADD" else "c2")
            assert (done.rc, done.code) == (1, 5)
        assert call("STATUS", network(data)).code == 50
        assert snapshot(tmp_path) == before
        (tmp_path / "old").touch()


@pytest.mark.parametrize("target", ["victim", "nothing"])
def test_a_cursor_that_is_a_symlink_is_not_followed(data, tmp_path, target):
    (tmp_path / "victim").write_bytes(b"10.1.2.4")
    directory = prepare(data, {"lock": b""})
    (directory / CURSOR).symlink_to(tmp_path / target)
    before = snapshot(tmp_path)
    done = call("ADD", network(data))
    assert (done.rc, done.code) == (1, 5)
    assert snapshot(tmp_path) == before


def test_a_cursor_that_is_a_directory_fails_the_add_and_leaks_nothing(data):
    directory = prepare(data, {})
    (directory / CURSOR).mkdir()
    done = call("ADD", network(data))
    fails(done, 5, f"failed to allocate for range 0: open {directory}/{CURSOR}: is a directory")
    assert set(tree(directory)) == {"lock"}
    assert b"Error retrieving last reserved ip: " in done.err


@pytest.mark.parametrize("name", ["lock", CURSOR])
def test_a_fifo_in_place_of_lock_or_cursor_is_not_waited_for(data, name):
    directory = prepare(data, {})
    os.mkfifo(directory / name)
    done = call("ADD", network(data), timeout=20)
    # Whether it can be used is the kernel's affair; that the state is consistent is ours.
    assert held(directory) == (dict.fromkeys(done.addresses, OWNER) if done.rc == 0 else {})
    silent(call("DEL", network(data), timeout=20))
    assert held(directory) == {}


def test_data_directory_and_network_directory_may_be_symlinks(data, tmp_path):
    """The Go program does not find what it reserved behind a symlink of the network's name."""
    for real in ("real-data", "real-net"):
        (tmp_path / real).mkdir()
    (data / "link").symlink_to(tmp_path / "real-data")
    (tmp_path / "real-data" / "net").symlink_to(tmp_path / "real-net")
    config = network(data / "link")
    assert call("ADD", config).addresses == ["10.1.2.2"]
    assert held(tmp_path / "real-net") == {"10.1.2.2": OWNER}
    assert call("ADD", config).rc == 1
    silent(call("CHECK", config))
    silent(call("DEL", config))
    assert held(tmp_path / "real-net") == {}


def test_the_path_is_cleaned_before_it_is_used(program, data):
    assert program.call("ADD", network(f"{data}//x/../y/./")).rc == 0
    assert held(data / "y" / "net") == {"10.1.2.2": OWNER}
    assert not (data / "x").exists()


# ---- absent directories ----


@pytest.mark.parametrize("verb", ["DEL", "GC", "STATUS"])
def test_an_absent_directory_is_success_and_stays_absent(data, verb):
    config = network(data / "a" / "b", top={"cni.dev/valid-attachments": []})
    silent(call(verb, config))
    assert snapshot(data) == {}


def test_check_of_an_absent_directory_finds_nothing(data):
    fails(call("CHECK", network(data / "a")), 999, NOT_FOUND)
    assert snapshot(data) == {}


# ---- DEL and CHECK ----

PREVIOUS = {
    "0.3.1": {"cniVersion": "0.3.1", "ips": [{"version": "4", "address": "10.1.2.3/29"}]},
    "0.2.0": {"cniVersion": "0.2.0", "ip4": {"ip": "10.1.2.3/29"}},
    "1.1.0": {"cniVersion": "1.1.0", "ips": [{"address": "10.1.2.3/29", "interface": 0}]},
    "no version": {"ips": [{"address": "10.1.2.3/29"}]},
    "another's": {"cniVersion": "1.1.0", "ips": [{"address": "10.1.2.4/29"}]},
    "nobody's": {"cniVersion": "1.1.0", "ips": [{"address": "10.99.0.1/29"}]},
    "empty": {},
    "null": None,
    "no addresses": {"cniVersion": "1.1.0"},
    "unknown version": {"cniVersion": "9", "ips": [{"address": "10.1.2.3/29"}]},
    "not an object": [1],
    "wrong types": {"cniVersion": 5, "ips": {"address": []}},
    "wrong address": {"cniVersion": "1.1.0", "ips": [{"address": "x"}, None]},
}


@pytest.mark.parametrize("previous", PREVIOUS.values(), ids=PREVIOUS.keys())
def test_prev_result_only_helps(program, data, previous):
    """Whatever it says, DEL frees all of the owner's addresses and nobody else's."""
    directory = prepare(data, {"10.1.2.3": OWNER, "10.1.2.4": b"c2\r\neth0", "10.1.2.6": OWNER})
    config = network(data, top={"prevResult": previous})
    silent(program.call("CHECK", config))
    silent(program.call("DEL", config))
    assert held(directory) == {"10.1.2.4": b"c2\r\neth0"}
    done = program.call("CHECK", config)
    assert (done.rc, done.msg) == (1, NOT_FOUND)


def test_check_is_content_with_one_address_of_two(program, data):
    prepare(data, {"10.1.2.3": OWNER})
    silent(program.call("CHECK", two_sets(data)))


# ---- a failing ADD ----

FAILING = [
    # configuration, CNI_ARGS, start of the message
    ("second set full", two_sets, "", "failed to allocate for range 1: no IP addresses"),
    ("requested is taken", two_sets, "IP=10.1.2.4",
     "failed to allocate for range 0: requested IP address 10.1.2.4 is not available"),
    ("requested is outside", two_sets, "IP=10.9.9.9", "failed to allocate all requested IPs: 10.9.9.9"),
    ("requested is the gateway of the second set", two_sets, "IP=10.2.2.1",
     "failed to allocate for range 1: requested ip 10.2.2.1 is subnet's gateway"),
]


@pytest.mark.parametrize("make, args, msg", [f[1:] for f in FAILING], ids=[f[0] for f in FAILING])
def test_a_failing_add_changes_nothing(data, make, args, msg):
    directory = prepare(
        data,
        {
            "lock": b"",
            "10.1.2.4": b"c2\r\neth0",
            "10.2.2.2": b"c2\r\neth0",
            "10.1.2.5": b"c1\r\neth1",
            "last_reserved_ip.0": b"10.1.2.5",
        },
    )
    before = snapshot(directory)
    done = call("ADD", make(data), args=args)
    assert (done.rc, done.code) == (1, 999)
    assert done.msg.startswith(msg)
    assert snapshot(directory) == before


def test_a_cursor_that_cannot_be_written_takes_everything_back(data):
    """The second of two: what the first set had is as before."""
    directory = prepare(data, {"lock": b"", "last_reserved_ip.0": b"10.1.2.5"})
    (directory / "last_reserved_ip.1").mkdir()
    before = snapshot(directory)
    done = call("ADD", two_sets(data))
    fails(done, 5, f"failed to allocate for range 1: open {directory}/last_reserved_ip.1: "
                   "is a directory")
    assert snapshot(directory) == before


def test_requests_that_one_set_cannot_meet_together(data):
    config = network(data, top={"args": {"cni": {"ips": ["10.1.2.3", "10.1.2.4", "10.9.9.9"]}}})
    fails(call("ADD", config), 999, "failed to allocate all requested IPs: 10.1.2.4 10.9.9.9")
    assert held(data / "net") == {}


def test_a_second_address_by_request_is_upstreams(program, data):
    """A requested address is no duplicate, whatever the container has already."""
    assert program.call("ADD", network(data)).rc == 0
    assert program.call("ADD", network(data), args="IP=10.1.2.5").addresses == ["10.1.2.5"]
    assert held(data / "net") == {"10.1.2.2": OWNER, "10.1.2.5": OWNER}


def test_a_duplicate_is_told_by_the_first_name_in_byte_order(program, data):
    prepare(data, {"10.1.2.9": OWNER, "10.1.2.10": OWNER})
    done = program.call("ADD", network(data, subnet="10.1.2.0/24"))
    assert done.msg == ("failed to allocate for range 0: 10.1.2.10 has been allocated to c1, "
                        "duplicate allocation is not allowed")


def test_an_owner_longer_than_a_page_is_refused(data):
    done = call("ADD", network(data), id="x" * 5000)
    assert (done.rc, done.code) == (1, 4)
    assert held(data / "net") == {}
    silent(call("DEL", network(data), id="x" * 5000))


# ---- debris: empty address files ----


def test_a_young_empty_file_is_left_alone_while_others_are_free(data):
    """Its creator may be between open and write, without the lock in some other program."""
    directory = prepare(data, {"10.1.2.2": b""})
    assert call("ADD", network(data)).addresses == ["10.1.2.3"]
    silent(call("DEL", network(data), id="c2"))
    silent(call("GC", network(data, top={"cni.dev/valid-attachments": []})))
    assert held(directory) == {"10.1.2.2": b""}


def test_a_young_empty_file_is_used_when_it_is_asked_for(data):
    directory = prepare(data, {"10.1.2.4": b""})
    assert call("ADD", network(data), args="IP=10.1.2.4").addresses == ["10.1.2.4"]
    assert held(directory) == {"10.1.2.4": OWNER}
    assert stat.S_IMODE((directory / "10.1.2.4").stat().st_mode) == 0o600


def test_young_empty_files_are_used_up_when_the_set_is_exhausted(data):
    directory = prepare(data, {"10.1.2.2": b"", "10.1.2.3": b"c9\r\neth0", "10.1.2.4": b"",
                               "10.1.2.5": b"c9", "10.1.2.6": b"c9\r\neth1", CURSOR: b"10.1.2.3"})
    assert call("ADD", network(data)).addresses == ["10.1.2.4"]
    assert call("ADD", network(data), id="c2").addresses == ["10.1.2.2"]
    assert call("ADD", network(data), id="c3").rc == 1
    assert held(directory)["10.1.2.4"] == OWNER


def test_an_old_empty_file_is_removed_by_whoever_comes(data):
    """The only test that has to wait for a rule of the clock: 10 s after the last change."""
    verbs = {"ADD": {"10.1.2.3": OWNER}, "DEL": {}, "GC": {}}
    files = [prepare(data, {"10.1.2.2": b"", "10.9.9.9": b"", CURSOR: b"10.1.2.2"}, verb)
             / "10.1.2.2" for verb in verbs]
    prepare(data, {"10.1.2.2": b""}, "look")
    due = max(file.stat().st_ctime for file in files) + 11
    while time.time() < due:
        time.sleep(max(0.01, due - time.time()))
    for verb, expected in verbs.items():
        config = network(data, verb, top={"cni.dev/valid-attachments": []})
        assert call(verb, config).rc == 0
        assert held(data / verb) == expected
    # Those that only look leave it.
    call("CHECK", network(data, "look"))
    silent(call("STATUS", network(data, "look")))
    assert command("list", "--data-dir", data).rc == 0
    assert held(data / "look") == {"10.1.2.2": b""}


# ---- reboots ----


@pytest.fixture
def local(data):
    """A data directory on a file system that keeps extended attributes."""
    for base in (data, pathlib.Path("/var/tmp")):
        with tempfile.TemporaryDirectory(dir=base) as path:
            try:
                os.setxattr(path, TAG, b"probe")
            except OSError:
                continue
            yield pathlib.Path(path)
            return
    unavailable("no file system with user extended attributes below the temporary directories")


def tag(path):
    try:
        return os.getxattr(path, TAG)
    except OSError:
        return None


def make_stale(*paths):
    for path in paths:
        os.setxattr(path, TAG, ANOTHER_BOOT)


def boot_id():
    return pathlib.Path("/proc/sys/kernel/random/boot_id").read_bytes().strip()


def test_an_address_file_carries_the_boot_it_was_made_in(local):
    assert call("ADD", two_sets(local)).addresses == ["10.1.2.2", "10.2.2.2"]
    for address in ("10.1.2.2", "10.2.2.2"):
        assert tag(local / "net" / address) == boot_id()
    assert os.listxattr(local / "net" / CURSOR) == []


def test_what_an_earlier_boot_left_is_used_last(local):
    config = network(local)
    for i in range(2, 6):
        assert call("ADD", config, id=f"c{i}").addresses == [f"10.1.2.{i}"]
    make_stale(local / "net" / "10.1.2.4", local / "net" / "10.1.2.2")
    assert call("ADD", config, id="n1").addresses == ["10.1.2.6"]
    # Now the set is exhausted; behind the cursor the walk begins at the start.
    assert call("ADD", config, id="n2").addresses == ["10.1.2.2"]
    assert call("ADD", config, id="n3").addresses == ["10.1.2.4"]
    fails(call("ADD", config, id="n4"), 999,
          "failed to allocate for range 0: no IP addresses available in range set: 10.1.2.1-10.1.2.6")
    assert held(local / "net") == {
        f"10.1.2.{i}": f"{owner}\r\neth0".encode()
        for i, owner in ((2, "n2"), (3, "c3"), (4, "n3"), (5, "c5"), (6, "n1"))
    }
    assert {tag(local / "net" / name) for name in held(local / "net")} == {boot_id()}


def test_an_entry_without_a_tag_is_never_stale(local):
    """The Go program's, and those of file systems without attributes."""
    prepare(local, {f"10.1.2.{i}": b"old\r\neth0" for i in range(2, 7)})
    before = held(local / "net")
    assert call("ADD", network(local)).rc == 1
    assert call("ADD", network(local, reclaimOnBoot=True)).rc == 1
    silent(call("DEL", network(local, reclaimOnBoot=True)))
    assert held(local / "net") == before


def test_a_container_of_an_earlier_boot_gets_its_address_again(local):
    config = two_sets(local)
    for container in ("c0", "c1"):
        call("ADD", network(local), id=container)
    make_stale(local / "net" / "10.1.2.3")
    assert call("ADD", config).addresses == ["10.1.2.3", "10.2.2.2"]
    assert tag(local / "net" / "10.1.2.3") == boot_id()
    done = call("ADD", config)
    assert done.msg.endswith("10.1.2.3 has been allocated to c1, duplicate allocation is not allowed")


def test_another_interface_of_that_container_does_not(local):
    call("ADD", network(local))
    make_stale(local / "net" / "10.1.2.2")
    assert call("ADD", network(local), ifname="eth1").addresses == ["10.1.2.3"]


def test_an_address_of_an_earlier_boot_can_be_asked_for(local):
    call("ADD", network(local), id="old", args="IP=10.1.2.5")
    assert call("ADD", network(local), args="IP=10.1.2.5").rc == 1
    make_stale(local / "net" / "10.1.2.5")
    assert call("ADD", network(local), args="IP=10.1.2.5").addresses == ["10.1.2.5"]
    assert held(local / "net") == {"10.1.2.5": OWNER}


def test_a_stale_file_of_the_gateway_is_not_given_away(local):
    config = network(local, subnet="10.1.2.0/30")
    assert call("ADD", config, id="c2").addresses == ["10.1.2.2"]
    prepare(local, {"10.1.2.1": OWNER})
    make_stale(local / "net" / "10.1.2.1")
    fails(call("ADD", config), 999,
          "failed to allocate for range 0: no IP addresses available in range set: 10.1.2.1-10.1.2.2")
    assert held(local / "net") == {"10.1.2.1": OWNER, "10.1.2.2": b"c2\r\neth0"}


def test_a_failing_add_leaves_stale_entries_too(local):
    for i in range(2, 7):
        call("ADD", network(local), id=f"c{i}")
    prepare(local, {"10.2.2.2": b"c9\r\neth0"})
    make_stale(local / "net" / "10.1.2.4")
    done = call("ADD", two_sets(local), id="new")
    assert done.msg.startswith("failed to allocate for range 1: no IP addresses available")
    assert set(held(local / "net")) >= {"10.1.2.2", "10.1.2.3", "10.1.2.5", "10.1.2.6", "10.2.2.2"}
    assert b"new\r\neth0" not in held(local / "net").values()


def test_del_and_gc_treat_a_stale_entry_as_any(local):
    for container in ("c1", "c2", "c3"):
        call("ADD", network(local), id=container)
    make_stale(*(local / "net" / f"10.1.2.{i}" for i in (2, 3, 4)))
    silent(call("DEL", network(local), id="c2"))
    assert set(held(local / "net")) == {"10.1.2.2", "10.1.2.4"}
    valid = [{"containerID": "c1", "ifname": "eth0"}]
    silent(call("GC", network(local, top={"cni.dev/valid-attachments": valid})))
    assert set(held(local / "net")) == {"10.1.2.2"}


@pytest.mark.parametrize("verb", ["ADD", "DEL", "GC"])
def test_reclaim_on_boot_sweeps_once_a_boot(local, verb):
    directory = prepare(local, {"10.1.2.6": b"untagged\r\neth0"})
    for container in ("c1", "c2", "c3"):
        call("ADD", network(local), id=container)
    make_stale(directory / "10.1.2.2", directory / "10.1.2.3")
    valid = [{"containerID": id, "ifname": "eth0"} for id in ("c1", "c2", "c3", "untagged", "new")]
    config = network(local, reclaimOnBoot=True, top={"cni.dev/valid-attachments": valid})
    assert call(verb, config, id="new").rc == 0
    remaining = {"10.1.2.4": b"c3\r\neth0", "10.1.2.6": b"untagged\r\neth0"}
    added = {"10.1.2.5": b"new\r\neth0"} if verb == "ADD" else {}
    assert held(directory) == {**remaining, **added}
    assert tag(directory / "lock") == boot_id()
    # The sweep is remembered: it would cost every call a pass over the directory.
    make_stale(directory / "10.1.2.4")
    assert call(verb, config, id="new2").rc == 0
    assert "10.1.2.4" in held(directory)
    # The next boot sweeps again.
    make_stale(directory / "lock")
    assert call(verb, config, id="new3").rc == 0
    assert "10.1.2.4" not in held(directory)


@pytest.mark.parametrize("verb", ["CHECK", "STATUS"])
def test_verbs_that_only_look_do_not_sweep(local, verb):
    call("ADD", network(local))
    make_stale(local / "net" / "10.1.2.2")
    call(verb, network(local, reclaimOnBoot=True))
    assert set(held(local / "net")) == {"10.1.2.2"}


def test_tags_are_written_on_file_systems_known_to_be_local_only(data, mount):
    """On NFS, another node's would look stale; ramfs is neither."""
    mount("-t", "ramfs", "ramfs", data)
    assert call("ADD", network(data)).rc == 0
    assert tag(data / "net" / "10.1.2.2") is None


# ---- the lock ----


class Lock:
    """A lock as another program holds it."""

    def __init__(self, directory):
        self.path = directory / "lock"
        self.file = open(self.path, "a")
        fcntl.flock(self.file, fcntl.LOCK_EX)

    def release(self):
        self.file.close()


VERBS = ["ADD", "DEL", "CHECK", "GC"]


def locked_network(data):
    directory = prepare(data, {"lock": b"", "10.1.2.2": OWNER, "10.1.2.6": b"x\r\neth0"})
    return directory, network(data, top={"cni.dev/valid-attachments": []})


def container_for(verb):
    return "c2" if verb == "ADD" else "c1"


@pytest.mark.parametrize("verb", VERBS)
def test_a_call_waits_for_the_lock(data, verb):
    directory, config = locked_network(data)
    before = held(directory)
    lock = Lock(directory)
    process = start(verb, config, id=container_for(verb))
    wait_for_waiter(process, lock.path)
    assert held(directory) == before
    lock.release()
    done = finish(process)
    assert done.rc == 0
    assert (held(directory) == before) == (verb == "CHECK")


@pytest.mark.parametrize("verb", VERBS)
def test_a_lock_that_was_replaced_meanwhile_is_taken_anew(data, verb):
    directory, config = locked_network(data)
    before = held(directory)
    old = Lock(directory)
    process = start(verb, config, id=container_for(verb))
    wait_for_waiter(process, old.path)
    old.path.unlink()
    new = Lock(directory)
    old.release()
    wait_for_waiter(process, new.path)
    assert held(directory) == before
    new.release()
    assert finish(process).rc == 0
    assert (held(directory) == before) == (verb == "CHECK")


@pytest.mark.parametrize("how", ["moved", "deleted", "replaced"])
@pytest.mark.parametrize("verb", VERBS)
def test_a_directory_that_went_away_meanwhile(data, verb, how):
    """Operators delete these directories on live nodes. What is in the one that has the name counts."""
    directory, config = locked_network(data)
    lock = Lock(directory)
    process = start(verb, config, id=container_for(verb))
    wait_for_waiter(process, lock.path)
    if how == "deleted":
        shutil.rmtree(directory)
    else:
        directory.rename(data / "away")
    away = held(data / "away")
    if how == "replaced":
        prepare(data, {"10.1.2.3": OWNER})
    lock.release()
    done = finish(process)
    assert held(data / "away") == away
    if verb == "ADD":
        assert done.addresses == ["10.1.2.2"]
        assert held(directory)["10.1.2.2"] == b"c2\r\neth0"
    elif how == "replaced":
        silent(done)
        assert held(directory) == ({"10.1.2.3": OWNER} if verb == "CHECK" else {})
    elif verb == "CHECK":
        fails(done, 999, NOT_FOUND)
        assert not directory.exists()
    else:
        silent(done)
        assert not directory.exists()


def test_those_who_only_look_take_no_lock(data):
    directory, config = locked_network(data)
    lock = Lock(directory)
    silent(call("STATUS", config, timeout=20))
    silent(call("STATUS", network(data, strictStatus=True), timeout=20))
    for name in ("list", "status"):
        assert command(name, "--data-dir", data, timeout=20).rc == 0
    lock.release()


def test_an_fcntl_lock_excludes_nobody(program, data):
    """The protocol is flock(2), as with the Go program."""
    directory, config = locked_network(data)
    with open(directory / "lock", "a") as lock:
        fcntl.lockf(lock, fcntl.LOCK_EX)
        assert program.call("ADD", config, id="c2", timeout=20).rc == 0


def block_alarm():
    """What a caller may have blocked or ignored is inherited."""
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGALRM})
    signal.signal(signal.SIGALRM, signal.SIG_IGN)


def test_the_alarm_that_bounds_the_wait_rings_whatever_the_caller_blocked(data):
    directory, config = locked_network(data)
    lock = Lock(directory)
    process = start("DEL", config, preexec_fn=block_alarm)
    wait_for_waiter(process, lock.path)
    status = pathlib.Path(f"/proc/{process.pid}/status").read_text()
    masks = {
        name: int(mask, 16) for name, mask in re.findall(r"^(Sig\w+):\s*([0-9a-f]+)$", status, re.M)
    }
    lock.release()
    silent(finish(process))
    alarm = 1 << (signal.SIGALRM - 1)
    assert masks["SigCgt"] & alarm and not masks["SigBlk"] & alarm


@pytest.mark.skipif(not FULL, reason="takes a minute; runs with FULL=1")
def test_the_wait_for_the_lock_is_bounded(data):
    directory, config = locked_network(data)
    before = snapshot(directory)
    lock = Lock(directory)
    processes = {verb: start(verb, config, id=container_for(verb)) for verb in VERBS}
    processes["DEL, alarm blocked"] = start("DEL", config, preexec_fn=block_alarm)
    for process in processes.values():
        wait_for_waiter(process, lock.path)
    for process in processes.values():
        done = finish(process, timeout=120)
        assert (done.rc, done.code) == (1, 11)
        assert done.msg.startswith(f"lock '{lock.path}'")
        assert f"process {os.getpid()} " in done.msg
    assert snapshot(directory) == before
    lock.release()
    assert call("ADD", config, id="c2").rc == 0


# ---- disks that are full ----


def leave_room(data, size):
    fill(data)
    os.truncate(data / "filler", (data / "filler").stat().st_size - size)


def test_a_full_disk_leaves_nothing_of_two_sets(tiny_disk):
    """The first address still fits."""
    directory = prepare(tiny_disk, {"lock": b"", "last_reserved_ip.0": b"10.1.2.4"})
    leave_room(tiny_disk, 4096)
    done = call("ADD", two_sets(tiny_disk))
    fails(done, 5, f"failed to allocate for range 1: write {directory}/10.2.2.2: "
                   "no space left on device")
    assert held(directory) == {}
    assert tree(directory)["last_reserved_ip.0"] == b"10.1.2.4"
    (tiny_disk / "filler").unlink()
    assert call("ADD", two_sets(tiny_disk)).addresses == ["10.1.2.5", "10.2.2.2"]


def test_a_disk_that_is_full_at_the_cursor_takes_the_address_back(tiny_disk):
    directory = prepare(tiny_disk, {"lock": b""})
    leave_room(tiny_disk, 4096)
    done = call("ADD", network(tiny_disk))
    fails(done, 5, f"failed to allocate for range 0: write {directory}/{CURSOR}: "
                   "no space left on device")
    assert held(directory) == {}
    (tiny_disk / "filler").unlink()
    assert call("ADD", network(tiny_disk)).addresses == ["10.1.2.2"]


def test_a_disk_without_inodes(data, mount):
    mount("-t", "tmpfs", "-o", "nr_inodes=4", "tmpfs", data)
    directory = prepare(data, {"lock": b""})
    (data / "last").touch()
    done = call("ADD", network(data))
    fails(done, 5, f"failed to allocate for range 0: open {directory}/10.1.2.2: "
                   "no space left on device")
    assert tree(directory) == {"lock": b""}
    assert call("ADD", network(data, name="other")).code == 5
    (data / "last").unlink()
    done = call("ADD", network(data))  # room for the address, none for the cursor
    assert (done.rc, done.code) == (1, 5)
    assert tree(directory) == {"lock": b""}


def test_del_works_on_a_full_disk(tiny_disk):
    directory = prepare(tiny_disk, {"lock": b"", "10.1.2.2": OWNER, "10.1.2.3": b"c2\r\neth0"})
    fill(tiny_disk)
    silent(call("DEL", network(tiny_disk)))
    silent(call("GC", network(tiny_disk, top={"cni.dev/valid-attachments": None})))
    assert held(directory) == {}


# ---- disks and directories that may not be written ----


def no_swallowed_words(msg):
    """Runtimes take a DEL error with these words for success."""
    assert "not found" not in msg.lower()
    assert "no such file or directory" not in msg.lower()


@pytest.fixture
def read_only_network(data, mount):
    mount("-t", "tmpfs", "tmpfs", data)
    directory = prepare(data, {"lock": b"", "10.1.2.2": OWNER})
    mount("--bind", "-o", "ro", data, data)
    return directory


def test_a_read_only_disk(data, read_only_network):
    before = snapshot(read_only_network)
    done = call("ADD", network(data), id="c2")
    fails(done, 5, f"failed to allocate for range 0: open {read_only_network}/10.1.2.3: "
                   "read-only file system")
    done = call("DEL", network(data))
    assert (done.rc, done.code) == (1, 5)
    assert done.msg.endswith("10.1.2.2: read-only file system")
    no_swallowed_words(done.msg)
    silent(call("DEL", network(data), id="c2"))  # it holds nothing
    silent(call("CHECK", network(data)))
    done = call("GC", network(data, top={"cni.dev/valid-attachments": []}))
    assert (done.rc, done.code) == (1, 5)
    done = call("STATUS", network(data))
    assert (done.rc, done.code) == (1, 50)
    assert done.msg.endswith("read-only file system")
    assert snapshot(read_only_network) == before


def test_a_directory_that_may_be_read_only(data):
    directory = prepare(data, {"lock": b"", "10.1.2.2": OWNER, "10.1.2.3": b"c2\r\neth0"})
    before = snapshot(data)
    directory.chmod(0o500)
    try:
        done = call("ADD", network(data), id="c3", wrap=UNPRIVILEGED)
        fails(done, 5, f"failed to allocate for range 0: open {directory}/10.1.2.4: permission denied")
        done = call("DEL", network(data), wrap=UNPRIVILEGED)
        assert (done.rc, done.code) == (1, 5)
        assert done.msg.endswith("10.1.2.2: permission denied")
        no_swallowed_words(done.msg)
        silent(call("CHECK", network(data), wrap=UNPRIVILEGED))
        silent(call("DEL", network(data), id="c3", wrap=UNPRIVILEGED))
        done = call("STATUS", network(data), wrap=UNPRIVILEGED)
        assert (done.rc, done.code) == (1, 50)
        assert done.msg.endswith("permission denied")
    finally:
        directory.chmod(0o755)
    assert snapshot(data) == before


def test_gc_goes_on_behind_what_it_cannot_read(data):
    directory = prepare(data, {"10.1.2.2": OWNER, "10.1.2.3": OWNER, "10.1.2.4": b"c2\r\neth0"})
    (directory / "10.1.2.3").chmod(0)
    config = network(data, top={"cni.dev/valid-attachments": []})
    done = call("GC", config, wrap=UNPRIVILEGED)
    fails(done, 5, f"read {directory}/10.1.2.3: permission denied")
    assert set(held(directory)) == {"10.1.2.3"}


def test_a_file_that_cannot_be_read_only_keeps_its_address(data):
    directory = prepare(data, {"10.1.2.2": b"c9\r\neth0"})
    (directory / "10.1.2.2").chmod(0)
    assert call("ADD", network(data), wrap=UNPRIVILEGED).addresses == ["10.1.2.3"]
    fails(call("CHECK", network(data), id="c9", wrap=UNPRIVILEGED), 999,
          "host-local: Failed to find address added by container c9")


def test_del_tells_that_it_could_not_look(data):
    """The file may be the container's: success would lose its address."""
    directory = prepare(data, {"10.1.2.2": OWNER})
    (directory / "10.1.2.2").chmod(0)
    done = call("DEL", network(data), wrap=UNPRIVILEGED)
    fails(done, 5, f"read {directory}/10.1.2.2: permission denied")
    assert set(held(directory)) == {"10.1.2.2"}


def test_a_parent_that_may_not_be_written(data):
    data.chmod(0o500)
    try:
        done = call("ADD", network(data), wrap=UNPRIVILEGED)
        fails(done, 5, f"mkdir {data}/net: permission denied")
        done = call("STATUS", network(data), wrap=UNPRIVILEGED)
        assert (done.rc, done.code) == (1, 50)
        silent(call("DEL", network(data), wrap=UNPRIVILEGED))
    finally:
        data.chmod(0o755)
    assert snapshot(data) == {}


# ---- GC ----

FILES = {
    "10.1.2.2": b"c1\r\neth0",
    "10.1.2.3": b"c1\r\nnet1",
    "10.1.2.4": b"c2",  # the old form
    "10.1.2.5": b"c3\r\neth0\n",
    "10.1.2.6": b"",
    "99.9.9.9": b"c4\r\neth0",
    "2001:db8::1": b"garbage\0",
}
REST = {"lock": b"", CURSOR: b"10.1.2.3", "notes": b"c9\r\neth0"}


def attachments(*pairs):
    return [dict(zip(("containerID", "ifname"), pair)) for pair in pairs]


GC = [
    # what the configuration has, what stays of FILES
    ("no key", {}, set(FILES)),
    ("null", {"cni.dev/valid-attachments": None}, {"10.1.2.6"}),
    ("empty list", {"cni.dev/valid-attachments": []}, {"10.1.2.6"}),
    ("one", {"cni.dev/valid-attachments": attachments(("c1", "eth0"))}, {"10.1.2.2", "10.1.2.6"}),
    ("the old form by any interface", {"cni.dev/valid-attachments": attachments(("c2", "zzz"))},
     {"10.1.2.4", "10.1.2.6"}),
    ("all", {"cni.dev/valid-attachments": attachments(
        ("c4", "eth0"), ("c3", "eth0"), ("c2", "eth0"), ("c1", "net1"), ("c1", "eth0"), ("x", "y"))},
     set(FILES) - {"2001:db8::1"}),
    ("other interfaces", {"cni.dev/valid-attachments": attachments(("c1", "eth9"), ("c3", "eth00"))},
     {"10.1.2.6"}),
    ("the older key", {"cni.dev/attachments": attachments(("c1", "net1"))}, {"10.1.2.3", "10.1.2.6"}),
    ("the older key, empty", {"cni.dev/attachments": []}, {"10.1.2.6"}),
    ("both keys: the newer one counts",
     {"cni.dev/attachments": attachments(("c1", "eth0")),
      "cni.dev/valid-attachments": attachments(("c3", "eth0"))}, {"10.1.2.5", "10.1.2.6"}),
    ("both keys: a list comes before null",
     {"cni.dev/attachments": attachments(("c1", "eth0")), "cni.dev/valid-attachments": None},
     {"10.1.2.2", "10.1.2.6"}),
    ("unknown members", {"cni.dev/valid-attachments": [
        {"containerID": "c1", "ifname": "eth0", "x": 1, "config": {}}]}, {"10.1.2.2", "10.1.2.6"}),
]


@pytest.mark.parametrize("top, staying", [g[1:] for g in GC], ids=[g[0] for g in GC])
def test_gc_frees_what_no_attachment_holds(data, top, staying):
    directory = prepare(data, {**FILES, **REST})
    prepare(data, {"10.1.2.2": b"c1\r\neth0"}, "other")
    (directory / "sub").mkdir()
    (directory / "sub" / "10.1.2.5").write_bytes(b"c9\r\neth0")
    silent(call("GC", network(data, top=top)))
    assert tree(directory) == {**{name: FILES[name] for name in staying}, **REST}
    assert held(directory / "sub") == {"10.1.2.5": b"c9\r\neth0"}
    assert held(data / "other") == {"10.1.2.2": b"c1\r\neth0"}


@pytest.mark.parametrize(
    "value",
    [{}, "c1", 5, True, ["c1"], [5], [None], [[]], [{"containerID": 1, "ifname": "eth0"}],
     [{"containerID": "c1", "ifname": ["eth0"]}], [{"containerID": "c1"}], [{"ifname": "eth0"}], [{}]],
    ids=repr,
)
@pytest.mark.parametrize("key", ["cni.dev/valid-attachments", "cni.dev/attachments"])
def test_gc_with_a_list_it_does_not_understand_frees_nothing(data, key, value):
    directory = prepare(data, {**FILES, **REST})
    done = call("GC", network(data, top={key: value}))
    assert (done.rc, done.code) == (1, 6)
    assert done.msg.startswith(key)
    assert tree(directory) == {**FILES, **REST}


def test_gc_of_many(data):
    """As many as a large node has, and more than a configuration may be long."""
    directory = prepare(data, {})
    for i in range(3000):
        (directory / f"10.1.{i // 250}.{i % 250}").write_bytes(f"c{i}\r\neth0".encode())
    valid = attachments(*((f"c{i}", "eth0") for i in range(0, 60000, 2)))
    silent(call("GC", network(data, top={"cni.dev/valid-attachments": valid})))
    assert set(held(directory).values()) == {f"c{i}\r\neth0".encode() for i in range(0, 3000, 2)}


# ---- STATUS ----


def test_status_of_a_healthy_network_is_silent_and_writes_nothing(data):
    silent(call("STATUS", network(data)))
    silent(call("STATUS", network(data, strictStatus=True)))
    assert snapshot(data) == {}
    call("ADD", network(data))
    before = snapshot(data)
    silent(call("STATUS", network(data)))
    assert snapshot(data) == before


def test_status_does_not_evict_a_node_for_a_full_range(data):
    prepare(data, {f"10.1.2.{i}": b"c9\r\neth0" for i in range(2, 7)})
    silent(call("STATUS", network(data)))
    silent(call("STATUS", network(data, strictStatus=False)))
    done = call("STATUS", network(data, strictStatus=True))
    fails(done, 50, "no IP addresses available in range set: 10.1.2.1-10.1.2.6")
    assert "5" in done.details


def test_strict_status_looks_at_every_set(data):
    prepare(data, {"10.2.2.2": b"c9\r\neth0"})
    fails(call("STATUS", two_sets(data, strictStatus=True)), 50,
          "no IP addresses available in range set: 10.2.2.1-10.2.2.2")
    silent(call("DEL", two_sets(data), id="c9"))
    silent(call("STATUS", two_sets(data, strictStatus=True)))


def test_strict_status_counts_as_free_what_add_can_use(local):
    config = network(local, strictStatus=True)
    for i in range(2, 7):
        call("ADD", network(local), id=f"c{i}")
    assert call("STATUS", config).code == 50
    make_stale(local / "net" / "10.1.2.4")
    silent(call("STATUS", config))
    call("ADD", network(local), id="new")
    assert call("STATUS", config).code == 50
    (local / "net" / "10.1.2.4").write_bytes(b"")
    silent(call("STATUS", config))


def test_strict_status_of_an_ipv6_range_is_fast(data):
    config = network(data, subnet="2001:db8::/64", strictStatus=True)
    silent(call("STATUS", config, timeout=20))
    silent(call("STATUS", network(data, subnet="::/0", strictStatus=True), timeout=20))


@pytest.mark.parametrize(
    "break_it",
    [
        lambda d: (d / "net").write_bytes(b""),
        lambda d: (d / "net" / "lock").mkdir(parents=True),
        lambda d: ((d / "net").mkdir(), (d / "net" / "lock").symlink_to("elsewhere")),
        lambda d: (d.rmdir(), d.write_bytes(b"")),
        lambda d: (d / "net").symlink_to("net"),
    ],
    ids=["network is a file", "lock is a directory", "lock is a symlink", "dataDir is a file",
         "symlink to itself"],
)
def test_status_tells_what_makes_every_add_fail(data, break_it):
    break_it(data)
    done = call("STATUS", network(data))
    assert (done.rc, done.code) == (1, 50)
    add = call("ADD", network(data))
    assert (add.rc, add.code) == (1, 5)
    assert add.msg.split(": ")[-1] == done.msg.split(": ")[-1]


# ---- what one bad file must not do ----


@pytest.fixture
def immutable():
    """immutable(PATH): nobody can change or remove the file until the end of the test."""
    paths = []

    def do(path):
        if subprocess.run(["chattr", "+i", path], capture_output=True).returncode != 0:
            unavailable("the file system of the temporary directory has no immutable files")
        paths.append(path)

    yield do
    for path in paths:
        subprocess.run(["chattr", "-i", path], check=True)


def test_a_stale_entry_that_cannot_be_dropped_is_in_nobodys_way(data, immutable):
    config = network(data, reclaimOnBoot=True)
    assert call("ADD", config).rc == 0 and call("ADD", config, id="c2").rc == 0
    os.setxattr(data / "net/10.1.2.2", "user.cni-ipam.boot", b"0" * 36)
    os.removexattr(data / "net/lock", "user.cni-ipam.boot")
    immutable(data / "net/10.1.2.2")
    done = call("ADD", config, id="c3")
    assert done.rc == 0 and b"10.1.2.2: operation not permitted" in done.err
    assert call("DEL", config, id="c2").rc == 0
    assert sorted(held(data / "net")) == ["10.1.2.2", "10.1.2.4"]


def test_gc_takes_a_list_before_a_null(data):
    config = network(data)
    assert call("ADD", config).rc == 0
    valid = [{"containerID": "c1", "ifname": "eth0"}]
    for keys in (("cni.dev/valid-attachments", "cni.dev/attachments"),
                 ("cni.dev/attachments", "cni.dev/valid-attachments")):
        done = call("GC", {**config, keys[0]: None, keys[1]: valid, "cniVersion": "1.1.0"})
        assert done.rc == 0 and list(held(data / "net")) == ["10.1.2.2"]


def test_a_del_that_cannot_read_a_file_frees_what_it_can_and_says_so(data):
    """The file may be the container's: success would leak it for good."""
    config = network(data)
    assert call("ADD", config).rc == 0
    (data / "net/10.1.2.6").write_bytes(b"other\r\neth0")
    os.chown(data / "net/10.1.2.6", 65534, 65534)
    (data / "net/10.1.2.6").chmod(0)
    done = call("DEL", config, wrap=UNPRIVILEGED)
    assert (done.rc, done.code, done.msg) == (1, 5, f"read {data}/net/10.1.2.6: permission denied")
    assert list(held(data / "net")) == ["10.1.2.6"]


def test_check_does_not_take_a_stale_entry_for_held(data):
    config = network(data)
    assert call("ADD", config).rc == 0 and call("CHECK", config).rc == 0
    os.setxattr(data / "net/10.1.2.2", "user.cni-ipam.boot", b"0" * 36)
    for extra in ({}, {"prevResult": {"cniVersion": "1.0.0", "ips": [{"address": "10.1.2.2/29"}]}}):
        assert call("CHECK", {**config, **extra}).msg.startswith("host-local: Failed to find address")


def test_a_boot_id_that_is_not_the_kernels_is_not_believed(data, mount, tmp_path):
    """Some container managers mount a file over it; callers inside and outside would disagree."""
    config = network(data, reclaimOnBoot=True)
    assert call("ADD", config).rc == 0
    (tmp_path / "boot_id").write_text("00000000-1111-2222-3333-444444444444\n")
    mount("--bind", tmp_path / "boot_id", "/proc/sys/kernel/random/boot_id")
    assert call("ADD", config, id="c2").rc == 0
    assert sorted(held(data / "net")) == ["10.1.2.2", "10.1.2.3"]
    with pytest.raises(OSError):
        os.getxattr(data / "net/10.1.2.3", "user.cni-ipam.boot")
