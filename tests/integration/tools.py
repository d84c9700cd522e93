# SPDX-License-Identifier: Apache-2.0
"""What the crash, race and memory tests share: the tools that meson builds, and networks to try on."""

import ipaddress
import json
import os
import pathlib
import struct

import calls
import harness

NETWORK = 'net'
STATIC = pathlib.Path(os.environ.get('HOST_LOCAL_STATIC')
                      or harness.REPO / 'build-static/plugins/host-local/host-local')


def tool(name):
    """A tool of the ordinary build: beside the plugin under test, or in the default build directory."""
    build = pathlib.Path(harness.HOST_LOCAL).parents[2]
    for folder in (build, harness.REPO / 'build'):
        path = folder / 'tests/tools' / name
        if path.exists():
            return str(path)
    harness.unavailable(f'{name} is not built: meson compile -C {harness.REPO / "build"}')


def static_build():
    if not os.access(STATIC, os.X_OK):
        harness.unavailable(f'there is no static build at {STATIC} (set HOST_LOCAL_STATIC)')
    return STATIC


def is_sanitized(binary):
    """AddressSanitizer brings its own malloc and makes system calls of its own."""
    with open(binary, 'rb') as f:
        return b'__asan_init' in f.read()


def is_static(binary):
    """Whether nothing is loaded beside the program, so that LD_PRELOAD means nothing."""
    with open(binary, 'rb') as f:
        return not any(kind == PT_INTERP for kind, _ in segments(f.read()))


PT_INTERP = 3


def segments(image):
    """[(type, flags)] of an ELF file of 64 bits."""
    assert image[:6] == b'\x7fELF\x02\x01', 'no little-endian ELF file of 64 bits'
    offset, = struct.unpack_from('<Q', image, 32)
    size, count = struct.unpack_from('<HH', image, 54)
    return [struct.unpack_from('<II', image, offset + i * size) for i in range(count)]


class Network:
    """A data directory with one network, its configuration, and calls on it."""

    def __init__(self, data, subnets, binary=None):
        self.data, self.binary = pathlib.Path(data), str(binary or harness.HOST_LOCAL)
        self.path = self.data / NETWORK
        self.ipam = {'type': 'host-local', 'dataDir': str(data), 'ranges': [[{'subnet': s}] for s in subnets]}

    def text(self, version='1.0.0', **more):
        return json.dumps({'cniVersion': version, 'name': NETWORK, 'ipam': self.ipam, **more}).encode()

    def env(self, verb, owner=('c1', 'eth0')):
        return {'CNI_COMMAND': verb, 'CNI_CONTAINERID': owner[0], 'CNI_IFNAME': owner[1], 'CNI_NETNS': '/nowhere/netns',
                'CNI_PATH': '/opt/cni/bin'}

    def run(self, verb, owner=('c1', 'eth0'), wrap=(), env=None, **more):
        """(exit status, standard output, standard error) of one call, without a pipe in the way."""
        version = more.pop('version', '1.1.0' if verb in ('GC', 'STATUS') else '1.0.0')
        child = calls.Child([*wrap, self.binary], {**self.env(verb, owner), **(env or {})},
                                   self.text(version, **more))
        return child.finish()

    def add(self, owner):
        """The addresses of an ADD, or None when there are none left; anything else is a failure."""
        rc, out, err = self.run('ADD', owner)
        value = json.loads(out)
        if rc == 1 and 'no IP addresses available in range set' in value['msg']:
            return None
        assert rc == 0, (out, err)
        return [str(ipaddress.ip_interface(i['address']).ip) for i in value['ips']]

    def held(self):
        """{address: content} of every file that is named by an address."""
        return {n: data for n, (kind, _, data) in calls.snapshot(self.path).items() if calls.is_address(n)}

    def put(self, address, content, boot=None):
        self.path.mkdir(exist_ok=True)
        path = self.path / address
        path.write_bytes(content)
        path.chmod(0o600)
        if boot:
            os.setxattr(path, 'user.cni-ipam.boot', boot.encode())


def content(owner):
    return '\r\n'.join(owner).encode()


def error_of(out):
    """The error object on standard output; the test fails when there is none."""
    value = json.loads(out)
    assert isinstance(value, dict) and {'code', 'msg'} <= set(value) <= {'code', 'msg', 'details'}, out
    assert isinstance(value['code'], int) and value['code'] > 0 and isinstance(value['msg'], str) and value['msg'], out
    return value


def attribute_works(path):
    """Whether the file system can hold the boot tag."""
    probe = pathlib.Path(path) / 'probe'
    probe.write_bytes(b'')
    try:
        os.setxattr(probe, 'user.cni-ipam.boot', b'x')
        return True
    except OSError:
        return False
    finally:
        probe.unlink()
