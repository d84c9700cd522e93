# SPDX-License-Identifier: Apache-2.0
"""test_crash.py once more, with an index that is valid when the call begins, and one that is in use.

A call is killed at each of its system calls, also between each two steps of the signing, or one of them fails;
afterwards the index is either right or not believed.
"""

import errno

import pytest

import harness
import test_crash
import test_index
import tools

pytestmark = pytest.mark.usefixtures('own_run')
CASES = {k: c for k, c in test_crash.CASES.items() if not c.more.get('reclaimOnBoot')}
SIGNING = {'pwrite64', 'utimensat', 'pread64', 'flock', 'getrandom', 'newfstatat', 'fstat', 'statx', 'openat', 'open'}


class Indexed(test_crash.Scene):
    """The directory's index is valid."""

    def prepare(self):
        super().prepare()
        assert self.net.run('DEL', ('nobody', 'eth0'))[0] == 0

    def calls(self):
        """Without the one call in 1,024 that does not believe the index."""
        calls = super().calls()
        listed = self.case.verb != 'GC' and 'getdents64' in dict(calls)
        return super().calls() if listed else calls

    def check_index(self, number, where):
        """An ADD for somebody who holds an address is what a wrong index would let pass. One only: it ends in a
        look at all files, and the index is as good as new."""
        held = test_index.owners_on_disk(self.net)
        owners = sorted({o for a, o in held.items() if all(o) and not test_crash.is_stale(self.net.path / str(a))})
        if self.case.verb == 'ADD' and test_crash.OWNER in owners and number % 2:
            owners = [test_crash.OWNER]
        owner = owners[number % len(owners)]
        rc, out, _ = self.net.run('ADD', owner)
        assert rc == 1 and 'duplicate allocation' in tools.error_of(out)['msg'], f'{where}: {owner} {held} {out}'
        assert test_index.owners_on_disk(self.net) == held, where


@pytest.fixture(params=['static', 'ordinary'] if harness.FULL else ['static'])
def binary(request):
    if tools.is_sanitized(harness.HOST_LOCAL):
        pytest.skip('the ordinary run has done it')
    return str(harness.HOST_LOCAL if request.param == 'ordinary' else tools.static_build())


@pytest.fixture
def scene(request, data, binary):
    if not test_index.build_has_index(binary):
        pytest.skip('built without the index')
    return Indexed(CASES[request.param], data, binary)


@pytest.mark.parametrize('mode', ['enter', 'exit'])
@pytest.mark.parametrize('scene', CASES, indirect=True)
def test_killed_at_every_system_call_the_index_is_right_or_not_believed(scene, mode):
    calls = scene.calls()
    assert 'utimensat' in [name for name, _ in calls] or scene.case.verb == 'GC', 'nothing was signed'
    for number, (call, _) in enumerate(calls, 1):
        if call == 'exit_group' or number < test_crash.own_calls(calls):
            continue
        rc, _, _, lines = scene.run(mode, str(number))
        where = f'killed at {mode} of call {number} ({call})'
        assert (rc, lines[-1]) == (137, f'killed {number}'), f'{where}: {rc} {lines[-1]}'
        scene.check_left(where)
        scene.check_index(number, where)
        scene.check_going_on(where)


@pytest.mark.parametrize('scene', CASES, indirect=True)
def test_when_any_call_of_the_signing_fails_the_index_is_right_or_not_believed(scene):
    calls = scene.calls()
    tried = 0
    for number in range(test_crash.own_calls(calls), len(calls) + 1):
        call, argument = calls[number - 1]
        if call not in SIGNING:
            continue
        for error in ('EIO', 'ENOSPC', 'EROFS') if harness.FULL else ('EIO',):
            rc, out, err, lines = scene.run('fail', str(getattr(errno, error)), str(number))
            where = f'{error} from call {number} ({call} {argument}): exit status {rc}, {out} {err}'
            assert lines[-1] == f'failed {number}', f'{where}: {lines[-1]}'
            assert rc in (0, 1), where
            if call in ('pwrite64', 'utimensat', 'getrandom', 'flock') and argument != 'lock':
                tried += 1
            scene.check_left(where)
            test_crash.check_result(scene, rc, out, where)
            scene.check_index(number, where)
            scene.check_going_on(where)
    assert tried >= 3, tried
