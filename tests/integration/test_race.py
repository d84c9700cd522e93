# SPDX-License-Identifier: Apache-2.0
"""Hundreds of calls at once on one network: no address twice, none lost, and every failure is said.

All processes are started first and wait for the end of their standard input, which then comes to all
of them within a millisecond or two: the directory does not even exist at that moment.
"""

import ipaddress
import json
import os
import subprocess

import pytest

import harness
import tools

FIRST, FREE = ipaddress.ip_address('10.0.0.2'), 260
ALL = {str(FIRST + i) for i in range(FREE)}
DEADLINE_S = 120
ROUNDS = 200 if harness.FULL else 40


class Burst:
    """Calls that begin at once. `add()` them, then `run()`."""

    def __init__(self, net):
        self.net, self.calls = net, []

    def add(self, verb, owner, binary, **more):
        version = '1.1.0' if verb == 'GC' else '1.0.0'
        process = subprocess.Popen([str(binary)], env=self.net.env(verb, owner), stdin=subprocess.PIPE,
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.calls.append((verb, owner, process))
        process.stdin.write(self.net.text(version, **more))   # well below what a pipe holds
        process.stdin.flush()

    def run(self):
        """[(verb, owner, exit status, standard output, standard error)]"""
        done = []
        try:
            for _, _, process in self.calls:
                process.stdin.close()
                process.stdin = None
            for verb, owner, process in self.calls:
                out, err = process.communicate(timeout=DEADLINE_S)
                done.append((verb, owner, process.returncode, out, err))
        finally:
            for _, _, process in self.calls:
                if process.poll() is None:
                    process.kill()
                    process.wait()
        return done


@pytest.fixture
def net(data):
    net = tools.Network(data, ['10.0.0.0/23'])
    net.ipam['ranges'][0][0].update(rangeStart=str(FIRST), rangeEnd=str(FIRST + FREE - 1))
    return net


def given(done):
    """{address: owner} of the ADDs that succeeded; every other one must have found the range exhausted."""
    found = {}
    for verb, owner, rc, out, err in done:
        if verb != 'ADD':
            assert (rc, out) == (0, b''), (verb, owner, rc, out, err)
            continue
        if rc == 0:
            address = json.loads(out)['ips'][0]['address'].split('/')[0]
            assert address not in found, f'{address} was given to {found[address]} and to {owner}'
            found[address] = owner
        else:
            error = tools.error_of(out)
            assert rc == 1 and error['code'] == 999, (owner, rc, out, err)
            assert error['msg'] == ('failed to allocate for range 0: no IP addresses available in range set: '
                                    f'{FIRST}-{FIRST + FREE - 1}'), error
    return found


def peers(mix):
    return [harness.HOST_LOCAL] + [harness.peer(name) for name in mix]


@pytest.mark.parametrize('mix', [(), ('v1.9.1',), ('v1.9.1', 'debian')], ids=['ours', 'with v1.9.1', 'with both'])
def test_three_hundred_at_once_on_260_free_addresses_are_260_distinct_and_40_clean_errors(net, mix):
    burst = Burst(net)
    programs = peers(mix)
    for i in range(300):
        burst.add('ADD', (f'c{i}', 'eth0'), programs[i % len(programs)])
    done = burst.run()
    found = given(done)
    assert set(found) == ALL
    assert len(done) - len(found) == 40
    assert net.held() == {a: tools.content(o) for a, o in found.items()}


@pytest.mark.parametrize('mix', [(), ('v1.9.1',)], ids=['ours', 'with v1.9.1'])
def test_del_and_gc_in_between_free_what_they_should_and_nothing_else(net, mix):
    programs = peers(mix)
    addresses = iter(sorted(ALL, key=ipaddress.ip_address))
    old = {}
    for kind, count in (('kept', 80), ('deleted', 100), ('gone', 20)):   # 60 are free
        for i in range(count):
            old[next(addresses)] = (f'{kind}{i}', 'eth0')
    for address, owner in old.items():
        net.put(address, tools.content(owner))
    new = [(f'new{i}', 'eth0') for i in range(190)]
    valid = [{'containerID': c, 'ifname': i} for c, i in new + [o for o in old.values() if 'gone' not in o[0]]]
    burst = Burst(net)
    for i in range(190):
        burst.add('ADD', new[i], programs[i % len(programs)])
        if i < 100:
            burst.add('DEL', (f'deleted{i}', 'eth0'), programs[(i // 2) % len(programs)])
        if i % 20 == 7:
            burst.add('GC', ('', ''), harness.HOST_LOCAL, **{'cni.dev/valid-attachments': valid})
    found = given(burst.run())
    kept = {a: o for a, o in old.items() if 'kept' in o[0]}
    assert not set(found) & set(kept)
    assert net.held() == {a: tools.content(o) for a, o in {**found, **kept}.items()}
    assert 60 <= len(found) <= 180
    # what was freed can be had, to the last one
    left = len(ALL) - len(found) - len(kept)
    burst = Burst(net)
    for i in range(left + 5):
        burst.add('ADD', (f'late{i}', 'eth0'), programs[i % len(programs)])
    late = given(burst.run())
    assert len(late) == left
    assert set(late) | set(found) | set(kept) == ALL


def test_adds_and_dels_of_the_same_containers_at_once_leave_each_whole_or_gone(net):
    # a runtime that gives up on an ADD sends DEL while the ADD may still be running
    burst = Burst(net)
    owners = [(f'c{i}', 'eth0') for i in range(100)]
    for owner in owners:
        burst.add('ADD', owner, harness.HOST_LOCAL)
        burst.add('DEL', owner, harness.HOST_LOCAL)
    found = given(burst.run())
    assert len(found) == len(owners)
    held = net.held()
    assert {a: tools.content(o) for a, o in found.items() if a in held} == held
    for owner in owners:
        assert net.run('DEL', owner)[:2] == (0, b'')
    assert net.held() == {}


def test_an_address_that_is_being_written_is_not_taken_for_debris_where_the_range_is_nearly_full(net):
    # an empty file may be given away at once when the set is exhausted; only the lock tells a crash's
    # debris from a file that its maker is about to fill
    net.ipam['ranges'][0][0].update(rangeEnd=str(FIRST + 2))
    free = {str(FIRST + i) for i in range(3)}
    for number in range(ROUNDS):
        burst = Burst(net)
        for i in range(50):
            burst.add('ADD', (f'c{number}-{i}', 'eth0'), harness.HOST_LOCAL)
            if i % 4 == 0:   # what the last round got
                burst.add('DEL', (f'c{number - 1}-{i}', 'eth0'), harness.HOST_LOCAL)
        got = {}
        for verb, owner, rc, out, err in burst.run():
            assert rc == 0 or verb == 'ADD' and rc == 1, (verb, owner, rc, out, err)
            if verb == 'ADD' and rc == 0:
                address = json.loads(out)['ips'][0]['address'].split('/')[0]
                assert address not in got, f'round {number}: {address} for {owner} and {got[address]}'
                got[address] = owner
        assert net.held() == {a: tools.content(o) for a, o in got.items()}, f'round {number}'
        assert got and set(got) <= free, f'round {number}: {got}'
        for i in range(50):
            if i % 4:
                assert net.run('DEL', (f'c{number}-{i}', 'eth0'))[:2] == (0, b'')
