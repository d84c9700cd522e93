# SPDX-License-Identifier: Apache-2.0
"""The unit tests of the other architecture's static builds, under an emulator.

The emulator passes system calls on and translates what it knows of them. What it does not know is named here,
case by case; any other failure is ours.
"""

import json
import os
import shutil
import subprocess

import pytest

import harness

BUILDS = ("build-static-arm64-tests", "build-static-whereabouts-arm64-tests")
EMULATOR = "qemu-aarch64-static"

NO_PACKET_OPTIONS = "no socket options of level SOL_PACKET (PACKET_AUXDATA)"
NO_COOKIE = "no SO_NETNS_COOKIE"
NO_NSID = "RTM_NEWNSID's answers are changed on the way"
NO_GROUPS = "no SO_PEERGROUPS"
TOO_SLOW = "a deadline of 50 ms passes before anything was read"
OWN_FILES = "descriptors of the emulator's own in /proc/self/fd"

CANNOT = {
    "net link": {
        "a_socket_stays_in_the_namespace_that_it_was_opened_in": NO_COOKIE,
        "a_namespace_has_one_number_until_it_ends": NO_NSID,
    },
    "dhcp watch": dict.fromkeys((
        "changes_of_a_link_in_a_container_are_told",
        "addresses_in_a_container_are_told",
        "the_end_of_a_namespace_is_told_and_not_put_off",
        "without_the_privilege_namespaces_alone_are_told"), NO_NSID),
    "dhcp client": {"whoever_does_not_answer_is_absent": TOO_SLOW},
    "dhcp serve-listen": {"only_root_ourselves_and_the_group_may_speak": NO_GROUPS},
    "dhcp serve": {"the_first_descriptor_is_kept_and_closed_in_the_end": OWN_FILES},
}
# Whole programs that have nothing to say without it.
CANNOT_AT_ALL = {"dhcp sock": NO_PACKET_OPTIONS}
# Half a minute. The same code is tested on this machine's own processor.
SLOW = {"dhcp serve"}


def programs():
    """Every program that meson knows of and the emulator can run."""
    left_out = {*CANNOT_AT_ALL, *(() if harness.FULL else SLOW)}
    for build in BUILDS:
        directory = harness.REPO / build
        if not (directory / "build.ninja").exists():
            continue
        said = subprocess.run(["meson", "introspect", "--tests", directory], capture_output=True, check=True)
        for test in json.loads(said.stdout):
            if test["name"] not in left_out:
                yield pytest.param(test, id=f"{test['name']}, {build.removesuffix('-arm64-tests')}")


@pytest.fixture(scope="module")
def emulator():
    return shutil.which(EMULATOR) or harness.unavailable(f"there is no {EMULATOR}")


def test_there_are_builds_to_be_tested():
    for build in BUILDS:
        if not (harness.REPO / build / "build.ninja").exists():
            harness.unavailable(f"{build} is not there; scripts/static --tests arm64 makes it")


@pytest.mark.parametrize("test", programs())
def test_it_passes_under_an_emulator(test, emulator):
    done = subprocess.run([emulator, *test["cmd"]], env={**os.environ, **test["env"]}, capture_output=True,
                          text=True, errors="replace", timeout=300)
    failed = {line.split(":")[2] for line in done.stdout.splitlines() if line.startswith("not ok")}
    assert failed <= set(CANNOT.get(test["name"], ())), done.stdout + done.stderr
    assert done.returncode == (1 if failed else 0), done.stdout + done.stderr
