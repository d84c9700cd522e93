# SPDX-License-Identifier: Apache-2.0
"""The release build: static, small, and at home in an empty root directory."""

import json
import os
import shutil
import stat

import pytest

import calls
import generator
import harness
import tools

SIZE_MAX = 200_000
PT_LOAD, PT_DYNAMIC, PT_GNU_STACK = 1, 2, 0x6474e551
PF_X, PF_W = 1, 2


@pytest.fixture(scope='module')
def binary():
    return tools.static_build()


def segments(path):
    return tools.segments(path.read_bytes())


def test_it_is_one_static_file_without_interpreter_or_libraries(binary):
    kinds = [kind for kind, _ in segments(binary)]
    assert PT_LOAD in kinds
    assert tools.PT_INTERP not in kinds
    assert PT_DYNAMIC not in kinds


def test_no_page_of_it_is_both_writable_and_executable_and_its_stack_is_not_executable(binary):
    flags = segments(binary)
    assert all(flag & (PF_X | PF_W) != PF_X | PF_W for _, flag in flags)
    assert [flag & PF_X for kind, flag in flags if kind == PT_GNU_STACK] == [0]


def test_it_has_at_most_200_kilobytes(binary):
    assert binary.stat().st_size <= SIZE_MAX


class Root:
    """A directory that holds nothing but the program and a data directory, as a root directory."""

    def __init__(self, path, binary):
        self.path = path
        shutil.copy(binary, path / 'host-local')
        (path / 'data').mkdir()
        self.net = tools.Network('/data', ['10.0.0.0/29', '2001:db8::/64'], '/host-local')

    def run(self, verb, owner=('c1', 'eth0'), **more):
        return self.net.run(verb, owner, wrap=(shutil.which('chroot'), str(self.path)), **more)

    def files(self):
        return sorted(n for n, (kind, _, _) in calls.snapshot(self.path / 'data').items() if kind == 'file')


@pytest.fixture
def root(tmp_path, binary):
    if os.geteuid() != 0:
        harness.unavailable('chroot is for root')
    return Root(tmp_path, binary)


def test_an_attachment_lives_and_dies_in_an_empty_root_directory(root):
    rc, out, err = root.run('ADD')
    assert (rc, err) == (0, b''), (rc, out, err)
    assert [i['address'] for i in json.loads(out)['ips']] == ['10.0.0.2/29', '2001:db8::2/64']
    assert root.files() == ['net/10.0.0.2', 'net/2001:db8::2', 'net/last_reserved_ip.0', 'net/last_reserved_ip.1',
                            'net/lock']
    assert root.run('CHECK') == (0, b'', b'')
    rc, out, _ = root.run('CHECK', ('c2', 'eth0'))
    assert rc == 1 and tools.error_of(out)['code'] == 999
    assert root.run('STATUS') == (0, b'', b'')
    assert root.run('DEL') == (0, b'', b'')
    assert root.files() == ['net/last_reserved_ip.0', 'net/last_reserved_ip.1', 'net/lock']


def test_gc_and_the_sub_commands_work_in_an_empty_root_directory(root):
    for owner in (('c1', 'eth0'), ('c2', 'eth0')):
        assert root.run('ADD', owner)[0] == 0
    assert root.run('GC', **{'cni.dev/valid-attachments': [{'containerID': 'c2', 'ifname': 'eth0'}]}) == (0, b'', b'')
    argv = [shutil.which('chroot'), str(root.path), '/host-local', 'list', '--json', '--data-dir', '/data']
    rc, out, err = calls.Child(argv, {}, b'').finish()
    assert rc == 0, (out, err)
    network, = json.loads(out)['networks']
    assert [(a['address'], a['containerID']) for a in network['addresses']] == [('10.0.0.3', 'c2'), ('2001:db8::3', 'c2')]


def test_version_is_told_without_a_configuration_in_an_empty_root_directory(root):
    rc, out, _ = root.run('VERSION')
    assert (rc, json.loads(out)) == (0, {'cniVersion': '1.1.0', 'supportedVersions': list(generator.VERSIONS)})


def test_it_is_not_writable_for_others(binary):
    assert not binary.stat().st_mode & (stat.S_IWGRP | stat.S_IWOTH)
