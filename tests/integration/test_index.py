# SPDX-License-Identifier: Apache-2.0
"""The index is never believed wrongly, costs no look at other addresses, and is in nobody's way.

What it may do is find; the files are the truth. Every test asks that of real calls, with something done to the
directory, to /run or to the caller in between. All of them hold without the index, too; only those that ask
whether it is used need it.
"""

import os
import pathlib
import shutil
import subprocess
import sys
import time

import pytest

import behind
import calls
import harness
import mixed
import tools

TOP = pathlib.Path('/run/cni-ipam')
INDEX = TOP / 'host-local'
CHANGES = 20000 if harness.FULL else 300
UNPRIVILEGED = (shutil.which(harness.UNPRIVILEGED[0]), *harness.UNPRIVILEGED[1:])
STEPS = 10000 if harness.FULL else 500
C1, C2, C3, NOBODY = (('c1', 'eth0'), ('c2', 'eth0'), ('c3', 'eth0'), ('nobody', 'eth0'))


@pytest.fixture
def net(data, own_run):
    return tools.Network(data, ['10.0.0.0/28', '2001:db8::/124'])


def build_has_index(binary):
    with open(binary, 'rb') as f:
        return b'cni-index-1' in f.read()


@pytest.fixture
def indexed(net):
    """A network whose index is valid; three containers hold addresses."""
    if not build_has_index(net.binary):
        pytest.skip('built without the index')
    for owner in (C1, C2, C3):
        assert net.add(owner)
    assert is_used(net)
    return net


def traced(net, verb, owner, **more):
    """The names of the system calls of a call."""
    report = str(net.data) + '.report'
    net.run(verb, owner, wrap=(tools.tool('killer'), '-o', report, 'trace', '--'), **more)
    return [line.split()[1] for line in pathlib.Path(report).read_text().splitlines()[:-1]]


def lists(net, verb, owner, undo=None, **more):
    """Whether the call always reads the directory. One in 1,024 does anyway."""
    for _ in range(3):
        if 'getdents64' not in traced(net, verb, owner, **more):
            return False
        if undo:
            net.run(undo, owner)
    return True


def is_used(net):
    return not lists(net, 'DEL', NOBODY)


def owners_on_disk(net):
    return mixed.on_disk(net.data)


def agree(net, quiet=True):
    """Every call's answer is what the files say."""
    held = owners_on_disk(net)
    known = {o if o[1] else (o[0], 'eth0') for o in held.values()} | {C1, C2, C3, NOBODY}
    for owner in sorted(known):
        held = owners_on_disk(net)
        mine = {a for a, o in held.items() if o == owner or o == (owner[0], mixed.LEGACY)}
        rc, out, err = net.run('CHECK', owner)
        assert (rc == 0) == bool(mine), (owner, held, out)
        assert not quiet or err == b'', err
        rc, out, err = net.run('ADD', owner)
        assert not quiet or err == b'', err
        if mine:
            assert rc == 1 and 'duplicate allocation is not allowed' in tools.error_of(out)['msg'], (owner, held, out)
            assert owners_on_disk(net) == held
        else:
            assert rc == 0, out
    for owner in sorted(known):
        assert net.run('DEL', owner)[:2] == (0, b'')
        left = owners_on_disk(net)
        exact = [a for a, o in left.items() if o == owner]
        assert not exact, f'DEL of {owner} left {exact}'


# ---- that it is used ----

@pytest.fixture(params=['ordinary', 'static'])
def both(request, net):
    if request.param == 'static':
        net.binary = str(tools.static_build())
    if tools.is_sanitized(net.binary):
        pytest.skip('LeakSanitizer cannot be traced')
    if not build_has_index(net.binary):
        pytest.skip('built without the index')
    return net


def test_with_a_valid_index_no_verb_lists_the_directory_or_reads_what_is_not_its_own(both):
    net = both
    net.ipam['ranges'][0][0]['subnet'] = '10.0.0.0/22'
    for i in range(300):
        net.put(f'10.0.{i // 250}.{i % 250 + 2}', tools.content((f'other{i}', 'eth0')))
    net.put('last_reserved_ip.0', b'10.0.1.60')
    net.run('DEL', NOBODY)
    for verb, undo in (('ADD', 'DEL'), ('CHECK', None), ('DEL', 'ADD'), ('DEL', None)):
        names = traced(net, verb, C1)
        if 'getdents64' in names:   # the one in 1,024
            if undo:
                net.run(undo, C1)
            names = traced(net, verb, C1)
        assert 'getdents64' not in names, verb
        assert len(names) < 140, (verb, len(names))


def test_an_add_of_a_requested_address_keeps_the_index_valid(indexed):
    rc, out, _ = indexed.run('ADD', NOBODY, args={'cni': {'ips': ['10.0.0.9']}})
    assert rc == 0, out
    assert is_used(indexed)
    assert '10.0.0.9' not in indexed.held()


@pytest.mark.parametrize('verb', ['ADD', 'CHECK', 'GC', 'DEL'])
def test_a_call_that_changes_nothing_keeps_the_index_valid(indexed, verb):
    indexed.run(verb, {'ADD': C1, 'DEL': NOBODY}.get(verb, C2))
    indexed.run('DEL', NOBODY)   # after GC it is made anew
    assert is_used(indexed)


def test_after_gc_it_is_made_anew(indexed):
    keep = [{'containerID': c, 'ifname': i} for c, i in (C1, C2, C3)]
    indexed.run('GC', **{'cni.dev/valid-attachments': keep})
    assert 'getdents64' in traced(indexed, 'DEL', NOBODY)


# ---- what others do to the directory ----

def go(verb, owner):
    def change(net):
        rc, out, _ = tools.Network.run(tools_copy(net), verb, owner)
        assert rc == 0, out
    return change


def tools_copy(net):
    """The same network, called with the Go program."""
    other = tools.Network(net.data, [])
    other.ipam, other.binary = net.ipam, str(harness.peer('v1.9.1'))
    return other


def address_of(net, owner):
    return min(a for a, c in net.held().items() if c == tools.content(owner))


def removed(net):
    (net.path / address_of(net, C1)).unlink()


def written(net):
    net.put('10.0.0.12', tools.content(('by-hand', 'eth0')))


def written_for_a_container_that_holds_one(net):
    net.put('10.0.0.12', tools.content(C2))


def written_in_the_old_form(net):
    net.put('10.0.0.12', b'old')


def renamed(net):
    (net.path / address_of(net, C1)).rename(net.path / '10.0.0.13')


def replaced_by_rename(net):
    net.put('.new', tools.content(('other', 'eth0')))
    (net.path / '.new').rename(net.path / address_of(net, C1))


def linked(net):
    (net.path / '10.0.0.13').hardlink_to(net.path / address_of(net, C1))


def directory_replaced(net):
    shutil.rmtree(net.path)
    net.put('10.0.0.2', tools.content(C3))


def directory_emptied(net):
    for path in net.path.iterdir():
        path.unlink()


def directory_moved_away_and_back(net):
    shutil.copytree(net.path, str(net.path) + '2')
    net.path.rename(str(net.path) + '3')
    pathlib.Path(str(net.path) + '2').rename(net.path)
    (net.path / address_of(net, C1)).unlink()


def restored(in_place):
    def change(net):
        shutil.copytree(net.path, str(net.path) + '.saved')
        net.run('DEL', C1)
        net.run('ADD', ('later', 'eth0'))
        if in_place:
            directory_emptied(net)
        else:
            shutil.rmtree(net.path)
        shutil.copytree(str(net.path) + '.saved', net.path, dirs_exist_ok=True)
        shutil.rmtree(str(net.path) + '.saved')
    return change


def mtime_set_back(change):
    def both(net):
        before = net.path.stat().st_mtime_ns
        behind.wait_for_a_tick(net.path)
        change(net)
        os.utime(net.path, ns=(before, before))
    return both


def clock_set_back(net):
    """What was done last lies ahead, and what comes now does too."""
    ahead = net.path.stat().st_mtime_ns + 3600 * 10**9
    os.utime(net.path, ns=(ahead, ahead))
    net.run('ADD', ('now', 'eth0'))
    removed(net)
    os.utime(net.path, ns=(ahead, ahead))


CHANGES_OF_OTHERS = {
    'nothing': lambda net: None,
    'the Go program adds': go('ADD', ('go', 'eth0')),
    'the Go program deletes': go('DEL', C1),
    'a file is removed': removed,
    'a file is written': written,
    'a file is written for an owner that holds one': written_for_a_container_that_holds_one,
    'a file of the old form is written': written_in_the_old_form,
    'a file is renamed': renamed,
    'a file is replaced': replaced_by_rename,
    'a file is linked': linked,
    'the directory is replaced': directory_replaced,
    'the directory is emptied': directory_emptied,
    'the directory is replaced by a copy of itself, but for one file': directory_moved_away_and_back,
    'the directory is restored in place': restored(True),
    'the directory is restored': restored(False),
    'a file is removed and the time set back': mtime_set_back(removed),
    'a file is written and the time set back': mtime_set_back(written),
    'the clock is set back': clock_set_back,
    'the index is removed': lambda net: shutil.rmtree(INDEX),
}


@pytest.mark.parametrize('change', CHANGES_OF_OTHERS)
def test_whatever_others_do_the_answers_are_those_of_the_files(indexed, change):
    CHANGES_OF_OTHERS[change](indexed)
    agree(indexed)
    assert is_used(indexed)


@pytest.mark.parametrize('change', CHANGES_OF_OTHERS)
def test_whatever_others_do_a_del_with_prev_result_frees_all_and_nothing_else(indexed, change):
    CHANGES_OF_OTHERS[change](indexed)
    held = owners_on_disk(indexed)
    previous = {'cniVersion': '1.0.0', 'ips': [{'address': f'{a}/{a.max_prefixlen}'} for a in held]}
    assert indexed.run('DEL', C2, prevResult=previous)[0] == 0
    assert owners_on_disk(indexed) == {a: o for a, o in held.items() if o != C2}
    agree(indexed)


def edited_in_place(net):
    """The old owner, the new one, the address. Nothing but the content tells."""
    address = address_of(net, C1)
    before = net.path.stat()
    (net.path / address).write_bytes(tools.content(('new', 'eth0')))
    after = net.path.stat()
    assert (after.st_mtime_ns, after.st_ctime_ns) == (before.st_mtime_ns, before.st_ctime_ns)
    return C1, ('new', 'eth0'), address


def test_an_edit_in_place_never_frees_the_new_owners_address(indexed):
    old, new, address = edited_in_place(indexed)
    assert indexed.run('DEL', old)[0] == 0
    assert indexed.held()[address] == tools.content(new)
    agree(indexed)


@pytest.mark.parametrize('verb', ['CHECK', 'DEL'])
def test_after_an_edit_in_place_the_new_owner_is_found(indexed, verb):
    _, new, address = edited_in_place(indexed)
    previous = {'cniVersion': '1.0.0', 'ips': [{'address': f'{address}/28'}]}
    assert indexed.run(verb, new, prevResult=previous)[0] == 0
    assert (address in indexed.held()) == (verb == 'CHECK')
    assert indexed.run('CHECK', new)[0] == (0 if verb == 'CHECK' else 1)
    agree(indexed)


def test_a_del_whose_prev_result_names_what_the_index_does_not_know_looks_at_all_files(indexed):
    """Of two addresses that were edited to the owner, prevResult names one."""
    _, new, address = edited_in_place(indexed)
    other = address_of(indexed, C2)
    (indexed.path / other).write_bytes(tools.content(new))
    previous = {'cniVersion': '1.0.0', 'ips': [{'address': f'{address}/28'}]}
    assert indexed.run('DEL', new, prevResult=previous)[0] == 0
    assert not {address, other} & set(indexed.held())
    agree(indexed)


def test_before_a_duplicate_is_told_all_files_are_looked_at(indexed):
    """The first of the owner's addresses is told, also when the index does not know it."""
    first, second = address_of(indexed, C1), address_of(indexed, C2)
    assert first < second
    (indexed.path / first).write_bytes(tools.content(C2))
    rc, out, _ = indexed.run('ADD', C2)
    assert rc == 1 and f'{first} has been allocated to c2' in tools.error_of(out)['msg'], out


def test_an_edit_in_place_is_noticed_by_whoever_meets_it(indexed):
    old, new, _ = edited_in_place(indexed)
    assert 'getdents64' in traced(indexed, 'DEL', old)
    assert indexed.run('ADD', new)[0] == 1
    assert indexed.run('DEL', new)[0] == 0
    assert tools.content(new) not in indexed.held().values()


def test_del_removes_old_debris_whether_the_index_is_valid_or_not(indexed, mount):
    """The age is that of the file's ctime, which cannot be set: so it is waited for."""
    indexed.put('10.0.0.12', b'')
    indexed.run('DEL', NOBODY)
    assert '10.0.0.12' in indexed.held()
    made = (indexed.path / '10.0.0.12').stat().st_ctime
    harness.eventually(lambda: time.time() > made + 11, 'the empty file is old')
    assert indexed.run('DEL', NOBODY)[0] == 0
    assert '10.0.0.12' not in indexed.held()
    agree(indexed)


def test_a_file_that_cannot_be_read_fails_every_del_until_it_is_gone(indexed):
    path = indexed.path / '10.0.0.12'
    path.write_bytes(tools.content(('hidden', 'eth0')))
    path.chmod(0)
    for _ in range(3):
        child = indexed.run('DEL', NOBODY, wrap=UNPRIVILEGED)
        assert child[0] == 1 and 'read ' in tools.error_of(child[1])['msg'], child
    path.unlink()
    assert indexed.run('DEL', NOBODY, wrap=UNPRIVILEGED)[0] == 0


# ---- two that do not know of each other ----

def with_run(directory):
    """A command to run others under: they have another /run/cni-ipam."""
    directory.mkdir(mode=0o755, exist_ok=True)
    script = f'mount --make-rprivate / && mount --bind {directory} {TOP} && exec "$@"'
    return (shutil.which('unshare'), '-m', '/bin/sh', '-c', script, 'sh')


def test_two_mount_namespaces_with_a_run_of_their_own_take_turns(net, tmp_path):
    env = {'PATH': harness.PATH}
    wraps = [with_run(tmp_path / 'run-a'), with_run(tmp_path / 'run-b'), ()]
    for i in range(harness.FULL and 300 or 40):
        one, other = wraps[i % 3], wraps[(i + 1 + i // 3 % 2) % 3]
        owner = (f'c{i}', 'eth0')
        rc, out, _ = net.run('ADD', owner, wrap=one, env=env)
        assert rc == 0, out
        rc, out, _ = net.run('ADD', owner, wrap=other, env=env)
        assert rc == 1 and 'duplicate' in tools.error_of(out)['msg'], out
        assert net.run('CHECK', owner, wrap=other, env=env)[0] == 0
        if i % 4:
            assert net.run('DEL', owner, wrap=other, env=env)[0] == 0
            assert net.run('CHECK', owner, wrap=one, env=env)[0] == 1
            assert tools.content(owner) not in net.held().values()
        else:
            for taken in [a for a, o in owners_on_disk(net).items() if o == owner]:
                (net.path / str(taken)).unlink()
    for directory in ('run-a', 'run-b'):
        assert not build_has_index(net.binary) or len(list((tmp_path / directory / 'host-local').iterdir())) == 1


# ---- where there can be none ----

def read_only(mount):
    mount('-t', 'tmpfs', '-o', 'mode=755,ro', 'tmpfs', TOP)


def full(mount):
    mount('-t', 'tmpfs', '-o', 'mode=755,size=16k', 'tmpfs', TOP)
    harness.fill(TOP)


def no_more_inodes(mount):
    mount('-t', 'tmpfs', '-o', 'mode=755,nr_inodes=2', 'tmpfs', TOP)
    INDEX.mkdir(mode=0o700)


def a_link(mount):
    mount('-t', 'tmpfs', '-o', 'mode=755', 'tmpfs', TOP)
    (TOP / 'elsewhere').mkdir()
    INDEX.symlink_to(TOP / 'elsewhere')


def open_to_others(mount):
    mount('-t', 'tmpfs', '-o', 'mode=755', 'tmpfs', TOP)
    INDEX.mkdir(mode=0o700)
    INDEX.chmod(0o770)


def of_another_user(mount):
    mount('-t', 'tmpfs', '-o', 'mode=755,uid=65534', 'tmpfs', TOP)


def a_file(mount):
    mount('-t', 'tmpfs', '-o', 'mode=755', 'tmpfs', TOP)
    INDEX.write_bytes(b'')


@pytest.mark.parametrize('where', [read_only, full, no_more_inodes, a_link, open_to_others, of_another_user, a_file])
def test_without_a_place_for_it_everything_works_and_nothing_is_said(where, own_run, mount, data):
    where(mount)
    net = tools.Network(data, ['10.0.0.0/28', '2001:db8::/124'])
    for owner in (C1, C2, C3):
        assert net.add(owner)
    agree(net)
    files = [p for p in TOP.rglob('*') if p.is_file() and p.name != 'filler']
    assert all(p.stat().st_size <= 4096 for p in files), files


def test_a_run_that_becomes_full_while_the_index_grows_ends_it_and_no_call(net, mount):
    mount('-t', 'tmpfs', '-o', 'mode=755,size=24k', 'tmpfs', TOP)
    net.ipam['ranges'] = [[{'subnet': '10.0.0.0/22'}]]
    for i in range(400):
        assert net.add((f'c{i}', 'eth0')) == [f'10.0.{(i + 2) // 256}.{(i + 2) % 256}']
    for i in range(0, 399, 7):
        assert net.run('DEL', (f'c{i}', 'eth0'))[0] == 0
        assert net.run('CHECK', (f'c{i}', 'eth0'))[0] == 1
        assert net.run('CHECK', (f'c{i + 1}', 'eth0'))[0] == 0
    assert len(net.held()) == 400 - len(range(0, 399, 7))


def test_another_user_than_root_needs_none(net):
    net.data.chmod(0o777)
    for parent in net.data.parents:
        if parent.stat().st_uid == os.geteuid() and parent != pathlib.Path('/'):
            parent.chmod(parent.stat().st_mode | 0o011)
    wrap = (shutil.which('setpriv'), '--reuid', '65534', '--regid', '65534', '--clear-groups', '--')
    for owner in (C1, C2):
        rc, out, err = net.run('ADD', owner, wrap=wrap)
        assert (rc, err) == (0, b''), out
    assert net.run('CHECK', C1, wrap=wrap)[0] == 0
    assert net.run('DEL', C1, wrap=wrap)[0] == 0
    assert net.run('CHECK', C1, wrap=wrap)[0] == 1
    assert not INDEX.exists()
    net.ipam['ranges'] = [[{'subnet': '10.0.0.0/28'}], [{'subnet': '2001:db8::/124'}]]
    agree(net)   # as root again


# ---- file systems ----

def make_loop(mkfs, size='320M'):
    def make(tmp_path, target, mount):
        tool = shutil.which(mkfs[0], path=harness.PATH + ':/usr/sbin:/sbin')
        if not tool:
            harness.unavailable(f'{mkfs[0]} is not installed')
        image = tmp_path / 'image'
        subprocess.run(['truncate', '-s', size, image], check=True)
        subprocess.run([tool, *mkfs[1:], image], check=True, capture_output=True)
        kind = mkfs[0].removeprefix('mkfs.')
        if kind not in pathlib.Path('/proc/filesystems').read_text().split():
            if subprocess.run(['modprobe', kind], capture_output=True, check=False).returncode != 0:
                pytest.skip(f'this kernel has no {kind}')
        mount('-o', 'loop', image, target)
    return make


def make_tmpfs(_, target, mount):
    mount('-t', 'tmpfs', '-o', 'mode=755', 'tmpfs', target)


def make_overlay(tmp_path, target, mount):
    for name in ('lower', 'upper', 'work'):
        (tmp_path / name).mkdir()
    try:
        mount('-t', 'overlay', '-o', f'lowerdir={tmp_path}/lower,upperdir={tmp_path}/upper,workdir={tmp_path}/work',
              'overlay', target)
    except subprocess.CalledProcessError:
        pytest.skip('no overlay on an overlay')


def make_nothing(_tmp_path, _target, _mount):
    pass


FILE_SYSTEMS = {
    'ext4': make_loop(('mkfs.ext4', '-q')),
    'ext4 with small inodes': make_loop(('mkfs.ext4', '-q', '-I', '128')),
    'tmpfs': make_tmpfs,
    'xfs': make_loop(('mkfs.xfs', '-q')),
    'btrfs': make_loop(('mkfs.btrfs', '-q')),
    'overlay': make_overlay,
    'that of the tests': make_nothing,
}


@pytest.fixture(params=FILE_SYSTEMS)
def disk(request, tmp_path, data, own_run, mount):
    FILE_SYSTEMS[request.param](tmp_path, data, mount)
    return request.param, data


def test_random_changes_of_others_never_lead_to_a_wrong_answer(disk):
    name, data = disk
    steps = behind.run(data, f'{harness.SEED}/{name}', harness.HOST_LOCAL, harness.peer('v1.9.1'), INDEX, CHANGES)
    print(f'{name}: {CHANGES} changes, {steps} calls')


def test_the_index_is_used_on_every_file_system_that_keeps_nanoseconds(disk):
    name, data = disk
    net = tools.Network(data, ['10.0.0.0/28'])
    if not build_has_index(net.binary):
        pytest.skip('built without the index')
    assert net.add(C1)
    assert is_used(net) == (name != 'ext4 with small inodes')


def test_a_random_run_without_changes_of_others_has_the_models_answers(data, own_run):
    done = number = 0
    while done < STEPS:
        one = behind.Behind(data / str(number), f'{harness.SEED}/alone/{number}', harness.HOST_LOCAL, '/bin/false', INDEX)
        for _ in range(500):
            one.step()
        done, number = done + 500, number + 1


# ---- at the same time ----

def test_files_removed_without_the_lock_beside_our_calls_cost_no_address(net):
    """Whoever ignores the lock may hide a removal from us, but what we say stays true of the files."""
    net.ipam['ranges'] = [[{'subnet': '10.0.0.0/26'}]]
    script = ('import os, random, sys\n'
              'while True:\n'
              '    try: os.unlink(f"{sys.argv[1]}/10.0.0.{random.randrange(64)}")\n'
              '    except FileNotFoundError: pass\n')
    vandal = subprocess.Popen([sys.executable, '-c', script, net.path])
    try:
        for i in range(harness.FULL and 5000 or 300):
            owner = (f'c{i % 40}', 'eth0')
            rc, out, _ = net.run('ADD', owner)
            assert rc == 0 or 'duplicate' in tools.error_of(out)['msg'], out
            if i % 3 == 0:
                assert net.run('DEL', owner)[0] == 0
                assert tools.content(owner) not in net.held().values()
    finally:
        vandal.kill()
        vandal.wait()
    agree(net)
