# SPDX-License-Identifier: Apache-2.0
"""Calls that cost a posix_spawn and no pipe, and directories as values: for tests with many of both."""

import ipaddress
import os
import select
import shutil
import signal
import stat


class Child:
    """A running program; its three streams are memory files."""

    def __init__(self, argv, env, stdin):
        self.files = [os.memfd_create(n) for n in ('in', 'out', 'err')]
        os.write(self.files[0], stdin)
        os.lseek(self.files[0], 0, os.SEEK_SET)
        actions = [(os.POSIX_SPAWN_DUP2, fd, i) for i, fd in enumerate(self.files)]
        self.pid = os.posix_spawn(argv[0], argv, env, file_actions=actions)
        self.argv = argv

    def finish(self, seconds=60):
        pidfd = os.pidfd_open(self.pid)
        poll = select.poll()
        poll.register(pidfd, select.POLLIN)
        late = not poll.poll(seconds * 1000)
        if late:
            os.kill(self.pid, signal.SIGKILL)
        _, status = os.waitpid(self.pid, 0)
        os.close(pidfd)
        out, err = (self._content(fd) for fd in self.files[1:])
        for fd in self.files:
            os.close(fd)
        assert not late, f'{self.argv} did not end within {seconds} s'
        return os.waitstatus_to_exitcode(status), out, err

    @staticmethod
    def _content(fd):
        size = os.lseek(fd, 0, os.SEEK_END)
        return os.pread(fd, size, 0)


def snapshot(path):
    """{relative name: (kind, mode, content)} of everything below a directory."""
    found = {}
    try:
        entries = list(os.scandir(path))
    except (FileNotFoundError, NotADirectoryError):
        return found
    for entry in entries:
        info = entry.stat(follow_symlinks=False)
        mode = stat.S_IMODE(info.st_mode)
        if stat.S_ISDIR(info.st_mode):
            found[entry.name] = ('dir', mode, b'')
            for name, value in snapshot(entry.path).items():
                found[f'{entry.name}/{name}'] = value
        elif stat.S_ISLNK(info.st_mode):
            found[entry.name] = ('link', 0, os.readlink(entry.path).encode())
        else:
            with open(entry.path, 'rb') as f:
                found[entry.name] = ('file', mode, f.read())
    return found


def contents(tree):
    return {name: (kind, data) for name, (kind, _, data) in tree.items()}


def write_tree(path, tree):
    """Makes a directory hold exactly this tree."""
    shutil.rmtree(path, ignore_errors=True)
    os.mkdir(path)
    for name in sorted(tree):
        kind, mode, data = tree[name]
        full = os.path.join(path, name)
        if kind == 'dir':
            os.mkdir(full)
            os.chmod(full, mode)
        elif kind == 'link':
            os.symlink(data.decode(), full)
        else:
            with open(full, 'wb') as f:
                f.write(data)
            os.chmod(full, mode)


def ip(text):
    """An address, IPv4-mapped ones as IPv4."""
    address = ipaddress.ip_address(text)
    return getattr(address, 'ipv4_mapped', None) or address


def is_address(text):
    try:
        return str(ip(text)) == text
    except ValueError:
        return False
