# SPDX-License-Identifier: Apache-2.0
"""Every allocation of every verb and sub-command fails once; and one run of each under valgrind."""

import json
import os
import shutil

import pytest

import calls
import harness
import tools

OWNER = ('c1', 'eth0')
VALID = {'cni.dev/valid-attachments': [{'containerID': 'c1', 'ifname': 'eth0'}, {'containerID': 'c2', 'ifname': 'eth0'}]}
HELD = {'10.0.0.2': b'c1\r\neth0', '10.0.0.3': b'c2\r\neth0', '10.0.0.4': b'gone\r\neth0', '2001:db8::2': b'c1\r\neth0',
        '10.0.0.5': b''}

VERBS = ('ADD', 'DEL', 'CHECK', 'GC', 'STATUS', 'VERSION', 'ADD that fails')
COMMANDS = {
    'list': ('list', '--data-dir', '@D@'),
    'list --json': ('list', '--json', '--data-dir', '@D@', 'net'),
    'status': ('status', '--data-dir', '@D@'),
    'status --conf': ('status', '--json', '--data-dir', '@D@', '--conf', '-'),
    'gc': ('gc', 'net', '--valid', '-', '--data-dir', '@D@'),
    'gc --dry-run': ('gc', 'net', '--valid', '-', '--dry-run', '--json', '--data-dir', '@D@'),
    'help': ('--help',),
}


@pytest.fixture(autouse=True)
def plain_build():
    if tools.is_sanitized(harness.HOST_LOCAL):
        pytest.skip('a sanitizer brings its own malloc')
    if tools.is_static(harness.HOST_LOCAL):
        pytest.skip('nothing can be put before the malloc of a static program')


class Subject:
    """A verb or a sub-command on a prepared directory."""

    def __init__(self, name, data):
        self.name, self.data = name, data
        self.net = tools.Network(data, ['10.0.0.0/28', '2001:db8::/120'])
        self.net.ipam.update(routes=[{'dst': '0.0.0.0/0', 'gw': '10.0.0.1', 'mtu': 1400}, {'dst': '::/0'}],
                             resolvConf=str(data) + '.resolv')
        with open(str(data) + '.resolv', 'w', encoding='ascii') as f:
            f.write('nameserver 192.0.2.3\nsearch a.example b.example\ndomain c.example\noptions ndots:2\n')
        # enough others that an ADD must list the directory
        self.before = {**HELD, **{f'10.0.1.{i}': f'o{i}\r\neth0'.encode() for i in range(40)}}

    def prepare(self):
        files = {a: ('file', 0o600, c) for a, c in self.before.items()}
        files.update({'lock': ('file', 0o750, b''), 'last_reserved_ip.0': ('file', 0o600, b'10.0.0.4')})
        calls.write_tree(self.net.path, files)
        for name in files:   # list tells the times
            os.utime(self.net.path / name, (1_700_000_000, 1_700_000_000))

    def run(self, wrap=(), env=None):
        self.prepare()
        if self.name in COMMANDS:
            argv = [a.replace('@D@', str(self.data)) for a in COMMANDS[self.name]]
            stdin = json.dumps(VALID).encode() if self.name.startswith('gc') else self.net.text()
            return calls.Child([*wrap, self.net.binary, *argv], env or {}, stdin).finish(120)
        verb = self.name.split()[0]
        owner = ('c9', 'eth0') if self.name == 'ADD' else OWNER
        args = {'CNI_ARGS': 'IgnoreUnknown=1;K8S_POD_NAME=x;K8S_POD_NAMESPACE=y'}
        more = {'prevResult': {'ips': [{'address': '10.0.0.2/28'}]}} if verb in ('DEL', 'CHECK') else {}
        more.update(VALID if verb == 'GC' else {})
        return self.net.run(verb, owner, wrap=wrap, env={**args, **(env or {})}, **more)

    def after(self):
        """What must be held when the call succeeds."""
        return {
            'DEL': {a: c for a, c in self.before.items() if c != b'c1\r\neth0'},
            'GC': {a: c for a, c in self.before.items() if c.startswith((b'c1', b'c2')) or not c},
            'gc': {a: c for a, c in self.before.items() if c.startswith((b'c1', b'c2')) or not c},
            'ADD': {**self.before, '10.0.0.6': b'c9\r\neth0', '2001:db8::3': b'c9\r\neth0'},
        }.get(self.name, self.before)


@pytest.mark.parametrize('name', [*VERBS, *COMMANDS])
def test_each_allocation_fails_once_and_the_call_succeeds_whole_or_says_so(name, data):
    subject = Subject(name, data)
    counter = str(data) + '.count'
    preload = {'LD_PRELOAD': tools.tool('failalloc.so'), 'FAILALLOC_COUNT': counter}
    normal = subject.run(env=preload)
    assert normal[0] == (1 if name == 'ADD that fails' else 0), normal
    assert subject.net.held() == subject.after()
    with open(counter, encoding='ascii') as f:
        count = int(f.read())
    assert count >= (1 if name in ('VERSION', 'help') else 20), f'only {count} allocations: is the shim at work?'
    failed, problems = 0, []
    for n in range(1, count + 1):
        rc, out, err = subject.run(env={**preload, 'FAILALLOC_AT': str(n)})
        held = subject.net.held()
        if (rc, out) == normal[:2]:
            wrong = held != subject.after()
        elif rc == 1:
            failed += 1
            wrong = what_is_wrong_with_failure(subject, out, err, held)
        else:   # a signal, or exit status 0 with other words than ever
            wrong = True
        if wrong:
            problems.append(f'allocation {n} of {count}: exit status {rc}, {out} {err}, '
                            f'gone {sorted(set(subject.before) - set(held))}')
    assert not problems, f'{name}: {len(problems)} problems\n' + '\n'.join(problems[:5])
    assert failed or name in ('VERSION', 'help'), 'no allocation made a difference'


def what_is_wrong_with_failure(subject, out, err, held):
    """Exit status 1: nothing but an error is told, and an ADD leaves nothing, a DEL or GC no half of anything."""
    if subject.name in COMMANDS:
        # gc tells what it freed even when it could not go on
        told = subject.name.startswith('gc') and b'freed' in out
        if out and not told or not err.startswith(b'host-local: '):
            return True
    else:
        tools.error_of(out)
    if 'ADD' in subject.name:
        return held != subject.before
    part = all(subject.before.get(a) == c for a, c in held.items())
    return not part or not set(subject.after()) <= set(held)


@pytest.mark.parametrize('name', [*VERBS, *COMMANDS])
def test_valgrind_finds_no_error_and_no_leak(name, data):
    valgrind = shutil.which('valgrind')
    if not valgrind:
        harness.unavailable('valgrind is not installed')
    subject = Subject(name, data)
    rc, out, err = subject.run(wrap=(valgrind, '-q', '--error-exitcode=99', '--leak-check=full', '--show-leak-kinds=all',
                                     '--errors-for-leak-kinds=all', '--track-fds=no'), env={'PATH': os.defpath})
    assert rc == (1 if name == 'ADD that fails' else 0), (rc, out, err)
    assert subject.net.held() == subject.after()
