# SPDX-License-Identifier: Apache-2.0
"""The differential test's input: random configurations, environments, verbs, errors and directories.

A Session draws steps that share names, range sets and containers, so that calls meet. At most one error
is injected into a step: INJECTIONS is the list of their kinds, those of the specification's chapters on
environment, configuration and ranges.
"""

import dataclasses
import ipaddress
import json
import re

from calls import ip

VERSIONS = ('0.1.0', '0.2.0', '0.3.0', '0.3.1', '0.4.0', '1.0.0', '1.1.0')
ATTACHMENTS = [(f'c{i}', ifname) for i in range(6) for ifname in ('eth0', 'net1')]
GHOST = 'ghost'   # owns files that only the Go program takes for addresses; never added
ANY = object()
VERBS = ('ADD', 'DEL', 'CHECK', 'STATUS', 'GC', 'VERSION')


# ---------------------------------------------------------------------------------------------------
# Text of a configuration: JSON with repeated members, odd spellings and odd white space.

class Raw(str):
    """JSON that is written as it stands."""


def dump(value, rng=None):
    """`rng` (when given) repeats members, spells known ones oddly and adds unknown ones."""
    if isinstance(value, Raw):
        return str(value)
    if isinstance(value, dict):
        pairs = []
        for key, inner in value.items():
            text = dump(inner, rng)
            if rng and rng.random() < 0.1 and key in ('name', 'cniVersion', 'type', 'dataDir', 'resolvConf'):
                pairs.append((key, '"not this one"'))
            if rng and rng.random() < 0.06:
                key = rng.choice((key.upper(), key.lower(), key.capitalize()))
            pairs.append((key, text))
        if rng and rng.random() < 0.15:
            pairs.insert(rng.randrange(len(pairs) + 1), ('x-' + rng.choice('abc'), rng.choice(UNKNOWN)))
        blank = rng.choice(('', ' ', '\n', '\t', ' \r\n ')) if rng else ''
        return '{' + blank + ','.join(f'{json.dumps(k)}:{blank}{v}' for k, v in pairs) + blank + '}'
    if isinstance(value, list):
        return '[' + ','.join(dump(v, rng) for v in value) + ']'
    return json.dumps(value)


UNKNOWN = ('null', '1e400', '-0.5E-3', '{"a":[1,{"b":[]}],"subnet":7}', '"\\u00e9\\ud83d\\ude00<>&"',
           '[[],[[]],{}]', '"tab\\t"', 'true', '[null]')


# ---------------------------------------------------------------------------------------------------
# Range sets

@dataclasses.dataclass
class Range:
    net: object
    start: object = None    # None: not in the configuration
    end: object = None
    gateway: object = None  # None, or a text that may be of any family, or ''

    @property
    def first(self):
        return self.start or self.net[1]

    @property
    def last(self):
        if self.end:
            return self.end
        return self.net[-2] if self.net.version == 4 else self.net[-1]

    @property
    def router(self):
        return ip(self.gateway) if self.gateway else self.net[1]

    def __contains__(self, address):
        return address.version == self.net.version and self.first <= address <= self.last


class Sets(list):
    """Range sets (lists of Range) in their final order."""

    def text(self, index):
        return ','.join(f'{r.first}-{r.last}' for r in self[index])

    def find(self, index, address):
        return next((r for r in self[index] if address in r), None)


def spell_ip(rng, address):
    if address.version == 4:
        if rng.random() < 0.1:
            return rng.choice((f'::ffff:{address}', f'::FFFF:{int(address) >> 16:x}:{int(address) & 0xffff:x}'))
        return str(address)
    return rng.choice((str(address), str(address), str(address).upper(), address.exploded))


def spell_net(rng, net):
    text = str(net.network_address)
    if net.version == 6:
        text = rng.choice((text, text.upper(), net.network_address.exploded))
    return f'{text}/{rng.choice(("", "", "", "0", "00"))}{net.prefixlen}'


def random_range(rng, net):
    r = Range(net)
    size = min(net.num_addresses, 1000)
    if rng.random() < 0.4:
        r.start = net[rng.randrange(size)]
    if rng.random() < 0.4:
        low = int(r.first) - int(net[0])
        r.end = net[rng.randrange(low, max(size, low + 1))]
    if r.first > r.last:          # a start at the very end has no default end
        r.end = r.start
    if rng.random() < 0.35:
        r.gateway = rng.choice((
            lambda: spell_ip(rng, net[rng.randrange(size)]),
            lambda: spell_ip(rng, net[rng.randrange(size)]),
            lambda: '169.254.1.1', lambda: 'fe80::1', lambda: ''))()
    return r


def random_sets(rng):
    """One to four sets on networks that do not meet."""
    nets4 = [ipaddress.ip_network((f'10.{rng.randrange(200)}.{i}.{rng.choice((0, 64, 128))}', p))
             for i, p in enumerate(rng.choices((30, 29, 28, 27, 26), (5, 6, 2, 1, 1), k=8))]
    nets4 += [ipaddress.ip_network('192.168.0.0/16'), ipaddress.ip_network('172.16.1.0/24')]
    nets6 = [ipaddress.ip_network((f'2001:db8:{i:x}::{rng.choice(("0", "1:0", "ff:0"))}', p))
             for i, p in enumerate(rng.choices((126, 125, 124, 112), (4, 4, 1, 1), k=5))]
    nets6 += [ipaddress.ip_network('fd00:1::/64'), ipaddress.ip_network('2001:db8:ffff::/48')]
    rng.shuffle(nets4)
    rng.shuffle(nets6)
    sets = Sets()
    for _ in range(rng.choices((1, 2, 3, 4), (5, 4, 2, 1))[0]):
        pool = nets4 if rng.random() < 0.65 else nets6
        ranges = []
        for _ in range(rng.choices((1, 2, 3), (6, 3, 1))[0]):
            net = pool.pop()
            if net.num_addresses >= 16 and rng.random() < 0.2:  # one subnet, two ranges
                half = min(net.num_addresses, 64) // 2
                ranges += [Range(net, net[2], net[half - 1]), Range(net, net[half], net[half + 3])]
            else:
                ranges.append(random_range(rng, net))
        rng.shuffle(ranges)
        sets.append(ranges)
    return sets


# ---------------------------------------------------------------------------------------------------
# One step

@dataclasses.dataclass
class Step:
    verb: str
    env: dict
    conf: dict
    version: str            # '' when the configuration has none
    sets: Sets
    requested: list         # canonical addresses, in order, no two equal
    name: str = 'net'
    owner: tuple = ('', '')
    stdin: str = None       # the text, with @D@ for the data directory
    error: tuple = None     # (kind, what ours must say or None when it is the Go program's text)
    valid: object = ANY     # GC: the list of attachments; ANY when the key is absent
    own_netns: bool = False
    before: dict = None     # the tree before the step
    peer: str = ''
    theirs: object = None   # differential.Outcome
    ours: object = None
    rerun: object = None    # rerun(verb, tree, **changes): the Go program on another tree

    def __str__(self):
        env = ' '.join(f"{k}='{v}'" for k, v in self.env.items())
        return f"{env}\n  stdin: {self.stdin}\n  injected: {self.error}"


def random_routes(rng):
    def integer():
        return rng.choice((0, 1, 100, 253, 1400, -5, 2 ** 31, 2 ** 32 + 1, None))

    routes = []
    for _ in range(rng.choices((0, 1, 2, 4), (4, 3, 2, 1))[0]):
        route = {'dst': rng.choice(('0.0.0.0/0', '::/0', '10.0.0.5/8', '192.168.0.0/016', '2001:DB8::5/64',
                                    '::ffff:10.1.2.3/120', '172.16.0.0/12'))}
        if rng.random() < 0.5:
            route['gw'] = rng.choice(('1.1.1.1', '2001:db8:3::1', '::ffff:9.9.9.9', '', None))
        for key in ('mtu', 'advmss', 'priority', 'table', 'scope'):
            if rng.random() < 0.25:
                route[key] = integer()
        if rng.random() < 0.01:
            route['priority'] = rng.choice((2 ** 53 + 1, 2 ** 63 - 1, -2 ** 63))
        routes.append(route)
    return routes


RESOLV_LINES = (
    'nameserver 192.0.2.3', '  nameserver   2001:db8::53  ', 'nameserver banana # no', 'nameserver', 'domain a.example',
    'domain b.example c.example', 'search x.example y.example', 'search z.example # comment', '; nameserver 1.1.1.1',
    '#search q', 'options ndots:2 timeout:1', 'options\tedns0', 'sortlist 1.2.3.4', 'Nameserver 9.9.9.9', '', '   ',
    'nameserver 192.0.2.9\r', 'search caf\u00e9.example <&>', 'search\u00a0nbsp.example', 'search a\u2028b', 'nameserver\v1.1.1.2',
    'domain "quoted\\"', 'options \x1c', 'search \x7f\x01', 'nameserver 1.1.1.3\rsearch lone.cr')


def random_resolv(rng):
    text = '\n'.join(rng.choice(RESOLV_LINES) for _ in range(rng.randrange(8)))
    return (text + rng.choice(('', '\n', '\n\n'))).encode()


def random_requests(rng, sets):
    wanted = []
    for _ in range(rng.choices((0, 1, 2, 3), (70, 20, 8, 2))[0]):
        r = rng.choice(rng.choice(sets)) if sets else None
        if r is None or rng.random() < 0.06:
            wanted.append(ip(rng.choice(('203.0.113.9', 'fd99::9', '10.255.0.1'))))
        elif rng.random() < 0.1:
            wanted.append(r.router)
        else:
            span = min(int(r.last) - int(r.first), 12)
            wanted.append(r.first + rng.randrange(span + 1))
    return wanted


def place_requests(rng, step, wanted):
    """Spreads addresses over the three sources; returns them in the order in which they count."""
    args, args_ips, runtime_ips = [], [], []
    for address in wanted:
        text = spell_ip(rng, address) + rng.choice(('', '', f'/{24 if address.version == 4 else 64}'))
        if text.lower().startswith('::ffff:') and '/' in text:
            text = text.partition('/')[0] + '/120'
        place = rng.randrange(3)
        if place == 0 and not args:
            args.append((address, text))
        elif place == 1:
            args_ips.append((address, text))
        else:
            runtime_ips.append((address, text))
    pairs = [f'IP={text}' for _, text in args]
    if rng.random() < 0.15:
        pairs.insert(0, rng.choice(('IP=', 'IP=10.99.99.99' if args else 'IP=')))
    if rng.random() < 0.3:
        pairs.append('K8S_POD_NAME=x')
        pairs.insert(rng.randrange(len(pairs) + 1), rng.choice(('IgnoreUnknown=1', 'IgnoreUnknown=TRUE')))
    elif rng.random() < 0.1:
        pairs.append(rng.choice(('IgnoreUnknown=0', 'IgnoreUnknown=false')))
    if pairs:
        step.env['CNI_ARGS'] = ';'.join(pairs)
    if args_ips or rng.random() < 0.05:
        step.conf['args'] = rng.choice(({'cni': {'ips': [t for _, t in args_ips]}},
                                        {'other': 1, 'cni': {'x': [], 'ips': [t for _, t in args_ips]}}))
    if runtime_ips:
        step.conf.setdefault('runtimeConfig', {})['ips'] = [t for _, t in runtime_ips]
    ordered = []
    for address, _ in args + args_ips + runtime_ips:
        if address not in ordered:
            ordered.append(address)
    return ordered


def range_json(rng, r):
    out = {'subnet': spell_net(rng, r.net)}
    if r.start:
        out['rangeStart'] = spell_ip(rng, r.start)
    elif rng.random() < 0.05:
        out['rangeStart'] = rng.choice(('', None))
    if r.end:
        out['rangeEnd'] = spell_ip(rng, r.end)
    if r.gateway is not None:
        out['gateway'] = r.gateway
    return out


def place_sets(rng, step, sets):
    """Writes sets into the three forms, so that their final order is theirs in the list."""
    first = rng.choice((0, 0, rng.randrange(len(sets) + 1)))
    rest = list(sets)
    runtime, rest = rest[:first], rest[first:]
    if runtime or rng.random() < 0.03:
        step.conf.setdefault('runtimeConfig', {})['ipRanges'] = [[range_json(rng, r) for r in s] for s in runtime]
    if rest and len(rest[0]) == 1 and rng.random() < 0.4:
        step.conf['ipam'].update(range_json(rng, rest.pop(0)[0]))
    elif rng.random() < 0.05:
        step.conf['ipam']['gateway'] = '10.0.0.1'   # counts for nothing without a subnet
    if rest or rng.random() < 0.1:
        step.conf['ipam']['ranges'] = [[range_json(rng, r) for r in s] for s in rest]


def random_version(rng, peer):
    versions = ('',) + VERSIONS if peer != 'debian' else ('',) + VERSIONS[:-1]
    return rng.choice(versions)


def random_valid(rng):
    """A list of attachments for GC; ANY when the key is absent."""
    kind = rng.randrange(10)
    if kind == 0:
        return ANY
    if kind == 1:
        return None
    return rng.sample(ATTACHMENTS, rng.randrange(len(ATTACHMENTS)))


def random_prev_result(rng):
    return rng.choice(({'cniVersion': '1.0.0', 'ips': [{'address': '10.1.2.3/24'}]}, {'ips': []}, {}, None,
                       {'ip4': {'ip': '10.1.2.3/24'}}, {'ips': [{'address': 'banana'}, 7, None]}, [], 'x',
                       {'ips': {'address': 5}}))


class Session:
    """Draws the steps of one session, which share names, sets and containers."""

    def __init__(self, rng, peer, resolv):
        self.rng, self.peer, self.resolv = rng, peer, resolv
        self.sets = random_sets(rng)
        self.names = rng.choice((['net'], ['net', 'a..b-c_d.e']))
        self.data = rng.choice(('@D@', '@D@', '@D@/', '@D@//.', '@D@/x/..', '@R@'))
        self.containers = rng.sample(ATTACHMENTS, rng.randrange(2, len(ATTACHMENTS)))
        self.steps = rng.randrange(6, 26)

    def step(self):
        rng = self.rng
        verb = rng.choices(VERBS + ('odd',), (50, 22, 12, 5, 5, 1, 2))[0]
        version = random_version(rng, self.peer)
        if self.peer == 'debian' and verb in ('STATUS', 'GC', 'VERSION'):
            verb = 'DEL'
        if verb in ('STATUS', 'GC') and rng.random() < 0.8:
            version = '1.1.0'
        if verb == 'CHECK' and rng.random() < 0.8:
            version = rng.choice(('0.4.0', '1.0.0'))
        if verb == 'odd':
            verb = rng.choice(('add', 'FOO', 'UPDATE', 'ADD '))
        owner = rng.choice(self.containers)
        if verb in ('DEL', 'CHECK') and rng.random() < 0.05:
            owner = (GHOST, 'eth0')
        name = rng.choice(self.names)
        step = Step(verb, {}, {}, version, Sets(self.sets), [], name=name, owner=owner, peer=self.peer)
        self.fill(step)
        return step

    def fill(self, step):
        rng = self.rng
        step.env = {'CNI_COMMAND': step.verb, 'CNI_CONTAINERID': step.owner[0], 'CNI_IFNAME': step.owner[1],
                    'CNI_NETNS': '/nowhere/netns', 'CNI_PATH': '/opt/cni/bin'}
        if step.version or rng.random() < 0.2:
            step.conf['cniVersion'] = step.version
        step.conf['name'] = step.name
        step.conf['type'] = 'x'
        step.conf['ipam'] = {'type': rng.choice(('host-local', 'banana')), 'dataDir': self.data}
        if rng.random() < 0.1:
            step.conf['ipam']['name'] = 'ignored'
        if rng.random() < 0.2 and len(step.sets) > 1:
            del step.sets[rng.randrange(len(step.sets))]
        place_sets(rng, step, step.sets)
        if step.verb in ('ADD', 'DEL'):
            wanted = random_requests(rng, step.sets) if step.verb == 'ADD' else []
            step.requested = place_requests(rng, step, wanted)
            if rng.random() < 0.03:
                step.own_netns = True
                step.env['CNI_NETNS'] = '/proc/self/ns/net'
                if rng.random() < 0.3:
                    step.own_netns = False
                    step.env['CNI_NETNS_OVERRIDE'] = rng.choice(('1', 'true', 'TRUE'))
        if rng.random() < 0.5:
            step.conf['ipam']['routes'] = random_routes(rng)
        if rng.random() < 0.3:
            step.conf['ipam']['resolvConf'] = rng.choice(('', self.resolv, self.resolv))
        if step.verb in ('DEL', 'CHECK') and rng.random() < 0.4:
            step.conf['prevResult'] = random_prev_result(rng)
        if step.verb == 'GC':
            step.valid = random_valid(rng)
            if step.valid is not ANY:
                given = step.valid and [{'containerID': c, 'ifname': i} for c, i in step.valid]
                keys = rng.choice((['cni.dev/valid-attachments'], ['cni.dev/attachments'],
                                   ['cni.dev/attachments', 'cni.dev/valid-attachments']))
                for key in keys:
                    step.conf[key] = given
        if step.verb not in VERBS and rng.random() < 0.3:
            step.error = bad_environment(rng, step)
        elif rng.random() < 0.2:
            inject(rng, step)
        if step.stdin is None:
            step.stdin = dump(step.conf, rng if not step.error and rng.random() < 0.4 else None)


# ---------------------------------------------------------------------------------------------------
# Injected errors: at most one per configuration, of the kinds of the specification's sections 0 to 2.
# Each function changes the step and returns (kind, ours), where `ours` is the text that ours must
# give in place of the Go program's, or None when they are the same; False when it does not apply.

INJECTIONS = []


def injection(weight=1):
    def add(function):
        INJECTIONS.append((function, weight))
        return function
    return add


def inject(rng, step):
    functions, weights = zip(*INJECTIONS)
    error = rng.choices(functions, weights)[0](rng, step)
    if error:
        step.error = error


def all_ranges(step):
    """(path, range object) of every range in the configuration."""
    found = []
    for path, sets in (('runtimeConfig.ipRanges', step.conf.get('runtimeConfig', {}).get('ipRanges')),
                       ('ipam.ranges', step.conf['ipam'].get('ranges'))):
        for i, ranges in enumerate(sets or []):
            found += [(f'{path}[{i}][{j}]', r) for j, r in enumerate(ranges)]
    if 'subnet' in step.conf['ipam']:
        found.append(('ipam', step.conf['ipam']))
    return found


BAD_CIDRS = ('', '10.1.2.0', '10.1.2.0/33', '010.1.2.0/24', '10.1.2.0/ 24', ' 10.1.2.0/24', '10.1.2.0/+24', '10.1.2.0/',
             '/24', 'banana', 'fe80::%eth0/64', '10.1.2/24', '2001:db8::/129', '1:2:3:4:5:6:7:8::/64', '10.1.2.0/24/8',
             '<b>&/8')
BAD_IPS = ('10.1.2', '010.1.2.3', '10.1.2.256', 'banana', ' 10.1.2.3', '10.1.2.3 ', 'fe80::1%eth0', '1::2::3', ':::',
           '1.2.3.4.5', '0x1.2.3.4', '+1.2.3.4', '10.1.2.3/24', 'q\u00e9<&>"')


@injection(2)
def bad_subnet(rng, step):
    path, r = rng.choice(all_ranges(step))
    r['subnet'] = rng.choice(BAD_CIDRS + (None,))
    return 'value', None


@injection(2)
def bad_range_ip(rng, step):
    path, r = rng.choice(all_ranges(step))
    r[rng.choice(('rangeStart', 'rangeEnd', 'gateway'))] = rng.choice(BAD_IPS)
    return 'value', None


@injection(2)
def bad_range(rng, step):
    """A subnet that is a network, and yet unfit."""
    path, r = rng.choice(all_ranges(step))
    for key in ('rangeStart', 'rangeEnd', 'gateway'):
        r.pop(key, None)
    r.update(rng.choice((
        {'subnet': '10.1.2.0/31'}, {'subnet': '10.1.2.1/32'}, {'subnet': '2001:db8::/127'}, {'subnet': '2001:db8::1/128'},
        {'subnet': '::ffff:10.1.2.0/120'}, {'subnet': '::ffff:10.1.2.0/127'}, {'subnet': '10.1.2.5/24'},
        {'subnet': '2001:db8:24:19ff::/63'}, {'subnet': '10.1.2.0/24', 'rangeStart': '10.1.3.1'},
        {'subnet': '10.1.2.0/24', 'rangeEnd': '10.1.3.1'}, {'subnet': '10.1.2.0/24', 'rangeEnd': '10.1.2.0'},
        {'subnet': '10.1.2.0/24', 'rangeStart': 'fe80::1'}, {'subnet': '2001:db8::/64', 'rangeEnd': '10.0.0.1'})))
    return 'value', None


def index_of(step, path):
    """The final index of the set that a path lies in."""
    runtime = len(step.conf.get('runtimeConfig', {}).get('ipRanges') or [])
    legacy = 1 if 'subnet' in step.conf['ipam'] else 0
    if path == 'ipam':
        return runtime
    number = int(re.search(r'\[(\d+)\]', path)[1])
    return number if path.startswith('runtimeConfig') else runtime + legacy + number


@injection()
def reversed_range(rng, step):
    path, r = rng.choice(all_ranges(step))
    if path.endswith(']') and not path.endswith('[0]'):
        return False   # an error in a set's other ranges comes after the family check
    net = ipaddress.ip_network('10.210.2.0/24')
    start, end = sorted(rng.sample(range(1, 254), 2), reverse=True)
    r.update({'subnet': str(net), 'rangeStart': str(net[start]), 'rangeEnd': str(net[end]), 'gateway': None})
    return 'value', f'invalid range set {index_of(step, path)}: RangeStart {net[start]} is after RangeEnd {net[end]}'


@injection()
def bad_set(rng, step):
    ranges = step.conf['ipam'].setdefault('ranges', [])
    ranges.append(rng.choice(([], None, [None], [{}], [{'subnet': '10.220.0.0/24'}, {'subnet': 'fd99::/64'}],
                              [{'subnet': '10.220.0.0/22'}, {'subnet': '10.220.2.0/24'}])))
    return 'value', None


@injection()
def overlapping_sets(rng, step):
    step.conf['ipam'].setdefault('ranges', []).extend(
        [[{'subnet': '10.221.0.0/22'}], [{'subnet': 'fd99::/64'}], [{'subnet': '10.221.2.0/24'}]])
    return 'value', None


@injection()
def no_ranges(rng, step):
    for key in ('ranges', 'subnet', 'rangeStart', 'rangeEnd'):
        step.conf['ipam'].pop(key, None)
    step.conf.get('runtimeConfig', {}).pop('ipRanges', None)
    return 'value', None


@injection()
def no_ipam(rng, step):
    if rng.random() < 0.5:
        del step.conf['ipam']
    else:
        step.conf['ipam'] = None
    return 'ipam', None


@injection()
def bad_name(rng, step):
    step.conf['name'] = rng.choice(('', None, 'a/b', '..', '.x', '-x', 'a b', 'n\u00e9', 'a\nb', 'net\n'))
    return 'frame', None


@injection()
def bad_version(rng, step):
    step.conf['cniVersion'] = rng.choice(('0.5.0', '1.0', '01.1.0', '1.2.0', '2.0.0'))
    return 'frame', None


@injection()
def unparsable_version(rng, step):
    step.conf['cniVersion'] = rng.choice(('x', '1.1.0.0', '1.', '.1', '1.x.0', '-', '1.1.0 '))
    return ('version', None) if step.verb in ('CHECK', 'GC', 'STATUS') else ('frame', None)


TYPES = {
    'a string': (5, {}, [], True, 1.5),
    'a list': ({}, 'x', 5, False),
    'an object': ([], 'x', 5, True),
    'an integer': ('5', True, [], {}),
}


def type_name(value):
    if isinstance(value, bool):
        return 'true or false'
    for kind, text in ((dict, 'an object'), (list, 'a list'), (str, 'a string')):
        if isinstance(value, kind):
            return text
    return 'a number'


@injection(5)
def wrong_type(rng, step):
    ipam, runtime = step.conf['ipam'], step.conf.get('runtimeConfig', {})
    path, r = rng.choice(all_ranges(step))
    route = {'dst': '0.0.0.0/0'}
    member = rng.choice(('subnet', 'rangeStart', 'rangeEnd', 'gateway'))
    integer = rng.choice(('mtu', 'advmss', 'priority', 'table', 'scope'))
    text = rng.choice(('dst', 'gw'))
    places = [
        (f'{path}.{member}', r, member, 'a string'),
        ('ipam.type', ipam, 'type', 'a string'), ('ipam.name', ipam, 'name', 'a string'),
        ('ipam.dataDir', ipam, 'dataDir', 'a string'), ('ipam.resolvConf', ipam, 'resolvConf', 'a string'),
        ('ipam.ranges', ipam, 'ranges', 'a list'), ('ipam.routes', ipam, 'routes', 'a list'),
        (f'ipam.routes[0].{text}', route, text, 'a string'), (f'ipam.routes[0].{integer}', route, integer, 'an integer'),
        ('ipam', step.conf, 'ipam', 'an object'), ('runtimeConfig', step.conf, 'runtimeConfig', 'an object'),
        ('args', step.conf, 'args', 'an object'), ('args.cni', step.conf.setdefault('args', {}), 'cni', 'an object'),
        ('runtimeConfig.ips', runtime, 'ips', 'a list'), ('runtimeConfig.ipRanges', runtime, 'ipRanges', 'a list'),
        ('cniVersion', step.conf, 'cniVersion', 'a string'), ('name', step.conf, 'name', 'a string'),
        ('ipam.ranges[0]', ipam, 'ranges', 'set'), ('ipam.ranges[0][0]', ipam, 'ranges', 'range'),
        ('args.cni.ips[0]', step.conf, 'args', 'ips'),
    ]
    path, where, key, wanted = rng.choice(places)
    if where is runtime and runtime is not step.conf.get('runtimeConfig'):
        return False
    if wanted == 'an integer' and step.peer == 'debian':
        return False   # its routes have no integers
    if where is route:
        ipam['routes'] = [route]
    if wanted == 'set':
        wanted, value = 'a list', rng.choice(TYPES['a list'])
        where[key] = [value]
    elif wanted == 'range':
        wanted, value = 'an object', rng.choice(TYPES['an object'])
        where[key] = [[value]]
    elif wanted == 'ips':
        wanted, value = 'a string', rng.choice(TYPES['a string'])
        where[key] = {'cni': {'ips': [value]}}
    else:
        value = rng.choice(TYPES[wanted])
        where[key] = value
    kind = {'name': 'frame', 'cniVersion': 'frame', 'ipam': 'ipam', 'ipam.dataDir': 'ipam'}.get(path, 'value')
    return kind, f'{path}: must be {wanted}, not {type_name(value)}'


@injection()
def fractional_integer(rng, step):
    if step.peer == 'debian':
        return False
    literal = rng.choice(('1.5', '1.0', '1e2', '-0.0', '9223372036854775808', '-9223372036854775809'))
    step.conf['ipam']['routes'] = [{'dst': '0.0.0.0/0', 'mtu': Raw(literal)}]
    bits = ' of 64 bits' if '.' not in literal and 'e' not in literal else ''
    return 'value', f'ipam.routes[0].mtu: must be an integer{bits}, not {literal}'


@injection(2)
def broken_json(rng, step):
    text = dump(step.conf)
    middle = rng.randrange(1, len(text) - 1)
    step.stdin = rng.choice((
        '', text[:middle], text + 'x', text + text, text.replace(':', '=', 1), text[:-1] + ',}', '[]', '5', '"x"',
        text.replace('"', "'"), '\x01' + text, text.replace('"x"', '"a\x01b"', 1), '\ufeff' + text, '// no\n' + text,
        text.replace('"x"', '01', 1), text.replace('"x"', '1.', 1), text.replace('"x"', '"\\uZZZZ"', 1), text + '\x00'))
    return 'frame', None


@injection()
def null_document(rng, step):
    step.stdin = ' null '
    return 'frame', None


@injection()
def bad_route(rng, step):
    step.conf['ipam']['routes'] = [rng.choice(({'dst': rng.choice(BAD_CIDRS + (None,))},
                                               {'dst': '0.0.0.0/0', 'gw': rng.choice(BAD_IPS)}))]
    return 'value', None


@injection()
def route_without_dst(rng, step):
    step.conf['ipam']['routes'] = [{'dst': '10.0.0.0/8'}, rng.choice(({}, {'gw': '1.1.1.1', 'mtu': 5}))]
    return 'no dst', None


@injection()
def null_route(rng, step):
    step.conf['ipam']['routes'] = [{'dst': '10.0.0.0/8'}, None]
    return 'null', 'ipam.routes[1]: must be an object, not null'


@injection()
def bad_requested_text(rng, step):
    if step.verb == 'STATUS':
        return False
    bad = rng.choice(('x', '10.1.2', '10.1.2.3/33', '10.1.2.3,10.1.2.4', 'fe80::1%e', '10.1.2.3/', ' 10.1.2.3'))
    if rng.random() < 0.5:
        step.conf['args'] = {'cni': {'ips': ['10.1.2.3', bad]}}
    else:
        step.conf.setdefault('runtimeConfig', {})['ips'] = [bad]
    return 'value', None


@injection()
def empty_requested_text(rng, step):
    step.conf['args'] = {'cni': {'ips': ['']}}
    return 'value', None


@injection()
def null_requested(rng, step):
    step.conf['args'] = {'cni': {'ips': [None]}}
    return 'null', 'args.cni.ips[0]: must be a string, not null'


@injection(3)
def bad_args(rng, step):
    if step.verb in ('STATUS', 'GC') or step.requested:
        return False
    step.env['CNI_ARGS'] = rng.choice((
        'IP=10.1.2.5;', ';', 'FOO', 'FOO=a=b', '=', 'IP=x', 'IP=10.1.2.3,10.1.2.4', 'IP=1.2.3.4/33', 'IP=x;IP=10.1.2.3',
        'ip=10.1.2.5;BAZ=x', ' IP=10.1.2.3', 'IgnoreUnknown=yes', 'IgnoreUnknown=YES', 'IgnoreUnknown=', 'FOO=bar',
        'IgnoreUnknown=1;FOO="q\\\t\u00e9', 'A=\x01\x7f\u2028', 'IgnoreUnknown=0, Unk=nown', 'K=\u200b\u00ad;Z='))
    return 'args', None


@injection()
def common_args(rng, step):
    if step.verb in ('STATUS', 'GC') or step.requested:
        return False
    step.env['CNI_ARGS'] = 'CommonArgs=x'
    return 'args', 'ARGS: unknown args ["CommonArgs=x"]'


@injection(3)
def bad_environment(rng, step):
    kind = rng.randrange(4)
    if kind == 0:
        gone = rng.sample(('CNI_CONTAINERID', 'CNI_NETNS', 'CNI_IFNAME', 'CNI_PATH'), rng.randrange(1, 5))
        for key in gone:
            if rng.random() < 0.5:
                step.env[key] = ''
            else:
                del step.env[key]
        if gone == ['CNI_NETNS'] and step.verb not in ('ADD', 'CHECK'):
            step.own_netns = False
            return 'none', None   # a runtime may not have it any more
    elif kind == 1:
        step.env['CNI_CONTAINERID'] = rng.choice(('a/b', '.a', '-a', '_a', 'a b', 'c1\n', '\u00e9', 'some-%%container-id'))
    elif kind == 2:
        step.env['CNI_IFNAME'] = rng.choice(('.', '..', 'a/b', 'a:b', 'a b', '1234567890123456', 'a\u00a0b', '\u00e9' * 8,
                                             'a\u3000b', 'a\tb'))
    else:
        step.verb = step.env['CNI_COMMAND'] = rng.choice(('', 'NOPE', 'del'))
    return 'environment', None


@injection()
def odd_environment(rng, step):
    """Looks wrong and is not."""
    step.env[rng.choice(('CNI_IFNAME', 'CNI_IFNAME', 'CNI_CONTAINERID'))] = rng.choice(('...', 'a.', 'a..b'))
    if rng.random() < 0.5:
        step.env['CNI_IFNAME'] = rng.choice(('\u00e9' * 7, 'a\x01b', 'a%s', 'a\u200bb', '...'))
    if step.env['CNI_CONTAINERID'].startswith('.'):
        step.env['CNI_CONTAINERID'] = 'a.'
    step.owner = (step.env['CNI_CONTAINERID'], step.env['CNI_IFNAME'])
    return 'none', None


@injection()
def bad_resolv_conf(rng, step):
    step.conf['ipam']['resolvConf'] = rng.choice(('@S@/absent', '@S@', '@S@/long', '@S@/resolv/x'))
    return 'resolv', None


@injection()
def long_resolv_line(rng, step):
    step.conf['ipam']['resolvConf'] = '@S@/longest'
    return 'none', None


@injection()
def bad_data_dir(rng, step):
    step.conf['ipam']['dataDir'] = rng.choice(('@S@/resolv', '@S@/resolv/x', '/proc/nowhere'))
    return 'place', None


# ---------------------------------------------------------------------------------------------------
# What was in the directory before the first step

def odd_tree(rng, sets, names):
    """Files that may be found in a real directory: old ones, edited ones, debris."""
    tree = {}
    name = rng.choice(names)

    def put(path, data, kind='file', mode=0o644):
        tree[f'{name}/{path}'] = (kind, mode, data)

    tree[name] = ('dir', 0o755, b'')
    addresses = []
    for ranges in sets:
        for r in ranges:
            span = min(int(r.last) - int(r.first), 6)
            addresses += [r.first + i for i in range(span + 1)]
    rng.shuffle(addresses)
    for address in addresses[:rng.randrange(1, 5)]:
        container, ifname = rng.choice(ATTACHMENTS)
        full = f'{container}\r\n{ifname}'
        put(str(address), rng.choice((
            full, full, container, container, container + '\r\n', f' {full}\n', f'{container}\n{ifname}',
            'garbage\x00\xff', '', '', f'\u00a0{container}\u2003')).encode('utf-8'))
    if len(addresses) > 6 and rng.random() < 0.3:
        put(str(addresses[5]), b'', 'dir', 0o755)
    if len(addresses) > 7 and rng.random() < 0.2:
        put(str(addresses[6]), b'/nowhere', 'link')
    if rng.random() < 0.5:
        put('last_reserved_ip.0', rng.choice((
            str(rng.choice(addresses)), str(rng.choice(addresses)) + '\n', '', 'banana', '203.0.113.1',
            f'::ffff:{rng.choice(addresses)}', str(sets[0][-1].last))).encode())
    elif rng.random() < 0.1:
        put('last_reserved_ip.0', b'', 'dir', 0o755)
    if rng.random() < 0.3:
        put('last_reserved_ip', b'10.0.0.9')
    if rng.random() < 0.3:
        ghost = f'{GHOST}\r\neth0'.encode()
        path = rng.choice(('.hidden', 'sub/99.9.9.9', 'note', '010.1.2.3', 'FD00::1'))
        if '/' in path:
            put('sub', b'', 'dir', 0o755)
        put(path, ghost)
    if rng.random() < 0.5:
        put('lock', rng.choice((b'', b'', b'text')), mode=0o600)
    elif rng.random() < 0.06:
        put('lock', b'', 'dir', 0o755)
    return tree
