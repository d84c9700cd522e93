# SPDX-License-Identifier: Apache-2.0
"""The guides: what they name is there, and what they say to type does what they say."""

import os
import pathlib
import re
import shutil
import subprocess

import pytest

import harness
from objects import DEPLOY, LAYOUT_K3S

REPO = DEPLOY.parent
GUIDES = [REPO / "docs" / name for name in ("install.md", "migrate.md")]
PROGRAMS = {"host-local": harness.HOST_LOCAL, "whereabouts": harness.WHEREABOUTS, "dhcp": harness.DHCP}

# Where a release has the parts of this tree.
RELEASE = {"manifests": DEPLOY / "manifests", "k3s": DEPLOY / "k3s", "chart": DEPLOY / "chart", "systemd": DEPLOY / "systemd",
           "docs": REPO / "docs", "share/man/man8": REPO / "man"}


def blocks(path):
    """[(heading, lines)] of what is to be typed."""
    found, heading, lines = [], None, []
    for line in [*path.read_text().splitlines(), "#"]:
        if line.startswith("    "):
            lines.append(line[4:])
        elif line.strip():
            if lines:
                found.append((heading, lines))
            lines = []
            if line.startswith("#"):
                heading = line.strip("# ")
    return found


def block(guide, heading, first):
    """The lines of the one block below a heading whose text contains this."""
    found = [lines for h, lines in blocks(REPO / "docs" / guide) if h == heading and first in "\n".join(lines)]
    assert len(found) == 1, (heading, first)
    return found[0]


@pytest.mark.parametrize("guide", GUIDES, ids=lambda p: p.name)
def test_every_file_that_a_guide_names_is_there(guide):
    for name in re.findall(r"(?<![\w/.-])((?:manifests|k3s|chart|systemd|share/man/man8)/[\w./-]*[\w])", guide.read_text()):
        top = next(t for t in RELEASE if name.startswith(t))
        path = pathlib.Path(f"{RELEASE[top]}{name.removeprefix(top)}")
        assert path.exists(), name


@pytest.mark.parametrize("guide", GUIDES, ids=lambda p: p.name)
def test_every_link_leads_somewhere(guide):
    for target in re.findall(r"\]\(([^)]+)\)", guide.read_text()):
        if target.startswith("https://"):
            continue
        name, _, anchor = target.partition("#")
        text = (guide.parent / name if name else guide).read_text()
        headings = {re.sub(r"[^\w -]", "", h.lower()).replace(" ", "-") for h in re.findall(r"^#+ (.*)", text, re.M)}
        assert not anchor or anchor in headings, target


@pytest.mark.parametrize("guide", GUIDES, ids=lambda p: p.name)
def test_every_command_of_a_program_exists(guide):
    seen = 0
    text = "\n".join([line for _, lines in blocks(guide) for line in lines] + re.findall(r"`([^`\n]+)`", guide.read_text()))
    usage = {name: subprocess.check_output([path, "--help"], text=True) for name, path in PROGRAMS.items()}
    for name, rest in re.findall(r"(?:^|[ /])(whereabouts|dhcp|host-local) ((?:list|status|check|node|daemon|release|gc|--version)\b[^#\n`]*)",
                                 text, re.M):
        verb, *options = rest.split()
        line = next(u for u in usage[name].splitlines() if re.search(rf"\b{name} (?:.*\| )?{verb}\b", u))
        for option in (o for o in options if o.startswith("-")):
            assert option in line, f"{name} {rest}"
        seen += 1
    assert seen > 4


@pytest.fixture(params=["/opt/cni/bin", LAYOUT_K3S["/opt/cni/bin"]], ids=["default", "k3s"])
def by_hand(request, node, tmp_path):
    """by_hand(LINES, name): runs them on a node whose programs are old ones, beside an unpacked release."""
    (tmp_path / "bin").mkdir()
    for name, path in PROGRAMS.items():
        shutil.copy(path, tmp_path / "bin" / name)
    directory = node.path(request.param)
    directory.mkdir(parents=True)
    if request.param == "/opt/cni/bin":
        (directory / "host-local").write_text("old")
    else:
        (directory / "cni").write_text("all plugins")
        (directory / "host-local").symlink_to("cni")

    def run(lines, name="host-local"):
        script = "\n".join(line for line in lines if not re.match(r"(dir|name)=", line))
        done = subprocess.run([*node.wrap, "sh", "-c", f"cd {tmp_path}; dir={request.param} name={name}; {script}"],
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        return done.stdout

    run.directory, run.release = directory, tmp_path / "bin"
    return run


def old(directory, name="host-local"):
    path = directory / name
    if path.is_symlink():
        return os.readlink(path) == "cni" and (directory / "cni").read_text() == "all plugins"
    return path.read_text() == "old"


@pytest.mark.parametrize("guide, heading", [("install.md", "A node by hand"), ("migrate.md", "host-local")])
def test_a_program_by_hand_and_back_and_forth_again(by_hand, guide, heading):
    there = block(guide, heading, "install -m 755")
    back = [line for line in block("migrate.md", "host-local", ".old $dir/$name") if line.startswith("mv -T $dir/$name.old")]
    for _ in range(2):
        assert by_hand(there) == ""
        new = by_hand.directory / "host-local"
        assert not new.is_symlink() and new.read_bytes() == (by_hand.release / "host-local").read_bytes()
        assert old(by_hand.directory, "host-local.old")
        assert by_hand(back) == ""
        assert old(by_hand.directory)


def test_an_update_by_hand_keeps_what_was_there_first(by_hand):
    there = block("install.md", "A node by hand", "install -m 755")
    by_hand(there)
    (by_hand.release / "host-local").write_text("newer")
    assert "File exists" in by_hand(there)
    assert (by_hand.directory / "host-local").read_text() == "newer"
    assert old(by_hand.directory, "host-local.old")


def test_uninstalling_puts_back_and_removes(by_hand):
    there = block("install.md", "A node by hand", "install -m 755")
    by_hand(there)
    by_hand(there, name="dhcp")
    by_hand(block("install.md", "Uninstalling", "--restore"))
    assert old(by_hand.directory)
    assert not (by_hand.directory / "dhcp").exists()


def test_the_units_name_the_directory(by_hand):
    shutil.copytree(DEPLOY / "systemd", by_hand.release.parent / "systemd")
    sed, *_ = block("install.md", "A node by hand", "systemctl")
    unit = by_hand([sed.partition(">")[0]])
    inside = str(by_hand.directory).partition("/root")[2]
    assert f"ExecStart={inside}/dhcp daemon" in unit
