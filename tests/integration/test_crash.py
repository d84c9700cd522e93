# SPDX-License-Identifier: Apache-2.0
"""A call is killed at each of its system calls, or one of them fails: nothing is lost, nothing is given twice.

Every case begins with a prepared directory, ends one call at one point, looks at what is left, and then
goes on as a node would: another container is added at once, the killed one is deleted, and the range is
filled up, so that an address that got lost on the way would be missed.
"""

import collections
import errno
import json
import os
import re
import shutil

import pytest

from calls import write_tree
import harness
import tools

pytestmark = pytest.mark.usefixtures('own_run')

OWNER = ('killed', 'eth0')
NEXT = ('next', 'eth0')
EARLIER = 'an-earlier-boot'
V4 = [f'10.0.0.{i}' for i in range(2, 7)]          # of 10.0.0.0/29
V6 = [f'2001:db8::{i}' for i in range(2, 7)]       # of 2001:db8::/125 with an end
ERRORS = ('EIO', 'ENOSPC', 'EACCES', 'EROFS')

Case = collections.namedtuple('Case', 'verb dual others own reusable more', defaults=(False, (), (), {}, {}))
# others: addresses of other containers, which must survive. own: what the killed one holds before.
# reusable: {address: content} that may be given away (stale or empty). more: 'legacy': `own` is of the old form;
# 'reclaimOnBoot': the configuration has it.
CASES = {
    'an ADD with one set': Case('ADD', False, V4[:2]),
    'an ADD with two sets': Case('ADD', True, V4[:2] + V6[:2]),
    'an ADD that takes a stale address': Case('ADD', False, V4[:3], reusable={V4[3]: b'old\r\neth0', V4[4]: b'old\r\nnet1'}),
    'an ADD that takes its own stale address': Case('ADD', False, V4[:2], reusable={V4[4]: tools.content(OWNER)}),
    'an ADD that takes an empty file': Case('ADD', False, V4[:4], reusable={V4[4]: b''}),
    'an ADD that sweeps after a boot': Case('ADD', False, V4[:2], reusable={V4[3]: b'old\r\neth0', V4[4]: b'old\r\nnet1'},
                                            more={'reclaimOnBoot': True}),
    'a DEL': Case('DEL', True, V4[:2] + V6[:2], own=(V4[2], V6[2])),
    'a DEL of the old form': Case('DEL', False, V4[:2], own=(V4[2],), more={'legacy': True}),
    'a GC': Case('GC', True, V4[:2] + V6[:2], own=(V4[2], V6[2], V4[3], V6[3])),
}


@pytest.fixture(params=['ordinary', 'static'])
def binary(request):
    if tools.is_sanitized(harness.HOST_LOCAL):
        pytest.skip('a sanitizer\'s own system calls are not what is tested, and LeakSanitizer cannot be traced')
    if request.param == 'ordinary':
        return str(harness.HOST_LOCAL)
    return str(tools.static_build())


class Scene:
    """One case, set up anew for every point."""

    def __init__(self, case, data, binary):
        if case.reusable and not tools.attribute_works(data):
            harness.unavailable(f'the file system of {data} has no user attributes')
        self.case = case
        self.net = tools.Network(data, ['10.0.0.0/29'] + ['2001:db8::/125'] * case.dual, binary)
        if case.dual:
            self.net.ipam['ranges'][1][0]['rangeEnd'] = V6[-1]
        if case.more.get('reclaimOnBoot'):
            self.net.ipam['reclaimOnBoot'] = True
        self.others = {a: tools.content((f'other{i}', 'eth0')) for i, a in enumerate(case.others)}
        self.own = {a: OWNER[0].encode() if case.more.get('legacy') else tools.content(OWNER) for a in case.own}
        self.report = str(data) + '.report'
        self.extra = {}
        if case.verb == 'GC':
            owners = [c.decode().split('\r\n') for c in self.others.values()]
            self.extra['cni.dev/valid-attachments'] = [{'containerID': c, 'ifname': i} for c, i in owners]

    def prepare(self):
        shutil.rmtree('/run/cni-ipam/host-local', ignore_errors=True)   # an index is made anew each time
        cursors = {'last_reserved_ip.0': V4[1], **({'last_reserved_ip.1': V6[1]} if self.case.dual else {})}
        files = {a: ('file', 0o600, c) for a, c in {**self.others, **self.own, **self.case.reusable}.items()}
        files.update({n: ('file', 0o600, a.encode()) for n, a in cursors.items()})
        files['lock'] = ('file', 0o750, b'')
        write_tree(self.net.path, files)
        for address, content in self.case.reusable.items():
            if content:
                os.setxattr(self.net.path / address, 'user.cni-ipam.boot', EARLIER.encode())

    def run(self, *plan):
        """The call under the tracer. (exit status, standard output, standard error, lines of the report)"""
        self.prepare()
        rc, out, err = self.net.run(self.case.verb, OWNER, wrap=(tools.tool('killer'), '-o', self.report, *plan, '--'),
                                    **self.extra)
        with open(self.report, encoding='ascii') as f:
            return rc, out, err, f.read().splitlines()

    def calls(self):
        """[(name, first argument)] of an undisturbed run."""
        rc, out, err, lines = self.run('trace')
        assert rc == 0, (out, err)
        assert lines[-1] == f'ended {len(lines) - 1}'
        return [tuple(line.split()[1:]) for line in lines[:-1]]

    # ---- what must hold afterwards ----

    def check_left(self, where):
        """Others are untouched, and whatever else is there is whole or empty."""
        held = self.net.held()
        assert {a: held.get(a) for a in self.others} == self.others, f'{where}: a reservation of others changed'
        may = {tools.content(OWNER), b''} | set(self.own.values()) | set(self.case.reusable.values())
        odd = {a: c for a, c in held.items() if a not in self.others and c not in may}
        assert not odd, f'{where}: odd contents {odd}'
        before = set(self.others) | set(self.own) | set(self.case.reusable)
        if self.case.verb != 'ADD':
            assert set(held) <= before, f'{where}: {self.case.verb} made {set(held) - before}'

    def check_going_on(self, where):
        """The next call works at once, the owner can be deleted without trace, no address is missing."""
        given, sets = [], 2 if self.case.dual else 1
        others = self.net.held()
        taken = set(self.others) | {a for a, c in others.items() if c == tools.content(OWNER) or a in self.own}
        if self.case.more.get('legacy') or self.case.verb == 'GC':
            taken |= set(others)
        stale = {a for a, c in others.items() if self.case.reusable.get(a) == c and (not c or is_stale(self.net.path / a))}
        free = min(5 - sum(a in taken - stale for a in family) for family in (V4, V6)[:sets])
        got = self.net.add(NEXT)
        assert (got is not None) == (free > 0), f'{where}: {free} free, the next ADD got {got}'
        given += got or []
        assert not set(given) & (taken - stale), f'{where}: {given} was given twice'
        rc, out, err = self.net.run('DEL', OWNER)
        assert (rc, out) == (0, b''), f'{where}: DEL {rc} {out} {err}'
        if self.case.verb == 'GC':
            rc, out, err = self.net.run('GC', **{'cni.dev/valid-attachments': [
                {'containerID': c, 'ifname': i} for c, i in [NEXT] + [o.decode().split('\r\n') for o in self.others.values()]]})
            assert (rc, out) == (0, b''), f'{where}: GC {rc} {out} {err}'
        left = self.net.held()
        mine = [a for a, c in left.items() if c.split(b'\r\n')[0] == OWNER[0].encode()]
        assert not mine, f'{where}: DEL left {mine}'
        for i in range(6):
            got = self.net.add((f'fill{i}', 'eth0'))
            if got is None:
                break
            given += got
        assert len(set(given)) == len(given), f'{where}: given twice: {given}'
        wanted = set((V4 + V6) if self.case.dual else V4) - set(self.others)
        assert set(given) == wanted, f'{where}: lost {wanted - set(given)}'
        held = self.net.held()
        assert all(held.values()) and set(held) == wanted | set(self.others), f'{where}: at the end {held}'
        assert {a: held[a] for a in self.others} == self.others, f'{where}: at the end {held}'


@pytest.mark.parametrize('mode', ['enter', 'exit'])
@pytest.mark.parametrize('name', CASES)
def test_killed_at_every_system_call_nothing_is_lost_and_nothing_given_twice(name, mode, binary, data):
    scene = Scene(CASES[name], data, binary)
    calls = scene.calls()
    killed = 0
    for number, (call, _) in enumerate(calls, 1):
        if mode == 'exit' and call == 'exit_group':   # has none
            continue
        rc, _, _, lines = scene.run(mode, str(number))
        where = f'{name} killed at {mode} of call {number} ({call})'
        assert (rc, lines[-1]) == (137, f'killed {number}'), f'{where}: {rc} {lines[-1]}'
        killed += 1
        scene.check_left(where)
        scene.check_going_on(where)
    assert killed >= 15, f'only {killed} points'


def own_calls(calls):
    """The number of the first call that is not the loader's or libc's before main()."""
    start = max(i for i, (name, _) in enumerate(calls[:80])
                if name in ('mprotect', 'prlimit64', 'arch_prctl', 'set_tid_address', 'rseq'))
    return start + 2 + (calls[start + 1][0] == 'munmap')


FAULT_CASES = dict(CASES)
FAULT_CASES['a CHECK'] = Case('CHECK', True, V4[:2] + V6[:2], own=(V4[2], V6[2]))
FAULT_CASES['a STATUS'] = Case('STATUS', True, V4[:2] + V6[:2])


@pytest.mark.parametrize('name', FAULT_CASES)
def test_when_any_system_call_fails_the_call_succeeds_whole_or_fails_cleanly(name, binary, data):
    case = FAULT_CASES[name]
    scene = Scene(case, data, binary)
    calls = scene.calls()
    results = collections.Counter()
    for number in range(own_calls(calls), len(calls) + 1):
        call, argument = calls[number - 1]
        # libc does not survive a failing exit; and brk has no errno, only the old break
        if call in ('exit_group', 'brk'):
            continue
        for error in ERRORS:
            rc, out, err, lines = scene.run('fail', str(getattr(errno, error)), str(number))
            where = f'{name}, {error} from call {number} ({call} {argument}): exit status {rc}, {out} {err}'
            assert lines[-1] == f'failed {number}', f'{where}: {lines[-1]}'
            assert rc in (0, 1), where
            results[rc] += 1
            scene.check_left(where)
            cut_off = (call, argument) == ('write', '1')   # then nothing can be said
            if rc == 1 and not (cut_off and out == b''):
                check_error(case, tools.error_of(out), where)
            check_result(scene, rc, out, where)
            scene.check_going_on(where)
    assert results[0] and results[1], f'one of the outcomes never came: {results}'


def check_error(case, error, where):
    # the frame's own errors come before STATUS has a say
    if case.verb == 'STATUS' and not re.match('error reading from stdin|out of memory', error['msg']):
        assert error['code'] == 50, where
    # runtimes take these words in an error of DEL for success
    if case.verb == 'DEL':
        assert not re.search('not found|no such file', error['msg'], re.I), where
    # an I/O error is no proof that the address is gone
    if case.verb == 'CHECK':
        assert 'Failed to find' not in error['msg'], where


def is_stale(path):
    try:
        return os.getxattr(path, 'user.cni-ipam.boot') == EARLIER.encode()
    except OSError:
        return False


def check_result(scene, rc, out, where):
    """Standard output and the directory tell the same."""
    case, held = scene.case, scene.net.held()
    before = {**scene.others, **scene.own, **case.reusable}
    mine = {a for a, c in held.items() if c == tools.content(OWNER) and not is_stale(scene.net.path / a)}
    if case.verb == 'ADD' and rc == 0:
        given = {i['address'].split('/')[0] for i in json.loads(out)['ips']}
        assert given == mine and len(given) == 1 + case.dual, f'{where}: holds {mine}'
    elif case.verb == 'ADD':
        # a stale or empty file may be gone, but nothing new may be there
        assert all(before.get(a) == c for a, c in held.items()), f'{where}: left {held}'
    elif rc == 0:
        assert out == b'', where
        left = scene.others if case.verb in ('DEL', 'GC') else before
        assert held == left, f'{where}: left {held}'
