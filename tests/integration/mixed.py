# SPDX-License-Identifier: Apache-2.0
"""Several programs on one directory, and a model that tells who must hold what.

The model is the specification's: round robin behind a cursor, one address per range set, release by
owner or by the old form of it. It knows what a Go program does otherwise (a failed ADD moves cursors
and releases by owner; a DEL with several sets makes a second pass), so that every answer is foretold
to the address.
"""

import ipaddress
import json
import os
import random

import calls

LEGACY = None   # the ifname of a reservation in the old form


class Model:
    def __init__(self, sets):
        self.sets = sets            # lists of (first, last, gateway)
        self.held = {}              # address: (container id, ifname)
        self.cursor = [None] * len(sets)

    def candidates(self, index):
        """Every address of a set in the order in which it is tried."""
        ranges, last = self.sets[index], self.cursor[index]
        every = [first + i for first, end, _ in ranges for i in range(int(end) - int(first) + 1)]
        if last in every:
            at = every.index(last) + 1
            every = every[at:] + every[:at]
        gateways = {address for first, end, gateway in ranges for address in [gateway] if first <= address <= end}
        return [a for a in every if a not in gateways]

    def mine(self, owner):
        """The addresses of an owner: in the new form, in the old form."""
        exact = [a for a, o in self.held.items() if o == owner]
        return exact, [a for a, o in self.held.items() if o == (owner[0], LEGACY)]

    def add(self, owner, go):
        """The addresses of an ADD, or None when it fails."""
        chosen = []
        for index in range(len(self.sets)):
            candidates = self.candidates(index)
            free = [a for a in candidates if a not in self.held]
            if not free or any(a in candidates for a in sum(self.mine(owner), [])):
                if go:
                    self.cursor[:index] = chosen
                    self.roll_back_as_go(owner, index)
                return None
            chosen.append(free[0])
        for index, address in enumerate(chosen):
            self.held[address] = owner
            self.cursor[index] = address
        return chosen

    def roll_back_as_go(self, owner, made):
        """A Go program releases by owner, once for each set that had succeeded: the new form, then the old."""
        exact, legacy = self.mine(owner)
        for address in (exact if made else []) + (legacy if made > 1 else []):
            del self.held[address]

    def delete(self, owner, go):
        exact, legacy = self.mine(owner)
        both = go and len(self.sets) > 1
        for address in exact + (legacy if both or not exact else []):
            del self.held[address]

    def check(self, owner):
        return bool(sum(self.mine(owner), []))

    def gc(self, valid):
        ids = {container for container, _ in valid}
        self.held = {a: o for a, o in self.held.items() if o in valid or o[1] is LEGACY and o[0] in ids}


def random_sets(rng):
    sets = []
    for i in range(rng.choice((1, 1, 2, 3))):
        ranges = []
        for j in range(rng.choice((1, 1, 2))):
            net = ipaddress.ip_network(rng.choice((f'10.{i}.{j}.0/29', f'10.{i}.{j}.0/28', f'2001:db8:{i}:{j}::/125'))
                                       if j == 0 else (f'10.{i}.{j}.0/29' if ranges[0][0].version == 4
                                                       else f'2001:db8:{i}:{j}::/125'))
            ranges.append((net[1], net[-2] if net.version == 4 else net[-1], net[1]))
        sets.append(ranges)
    return sets


def config(directory, sets, version, **more):
    def subnet(first):
        return f'{first - 1}/{28 if first.version == 4 else 125}'

    ranges = []
    for one in sets:
        ranges.append([])
        for first, last, gateway in one:
            prefix = 128 - 3 if first.version == 6 else 32 - (int(last) - int(first) + 3).bit_length() + 1
            ranges[-1].append({'subnet': f'{first - 1}/{prefix}', 'gateway': str(gateway)})
    return json.dumps({'cniVersion': version, 'name': 'net', 'ipam': {'dataDir': str(directory), 'ranges': ranges}, **more})


def on_disk(directory):
    """{address: owner} as the files say."""
    found = {}
    for name, (kind, _, data) in calls.snapshot(os.path.join(directory, 'net')).items():
        if calls.is_address(name):
            container, _, ifname = data.decode().strip().partition('\r\n')
            found[ipaddress.ip_address(name)] = (container, ifname or LEGACY)
    return found


def run_session(directory, seed, number, programs):
    """`programs`: {name: path}, ours under the name 'ours'. Returns the number of steps; asserts."""
    rng = random.Random(f'{seed}/mixed/{number}')
    model = Model(random_sets(rng))
    history = []
    steps = rng.randrange(20, 80)
    for _ in range(steps):
        name = rng.choice(sorted(programs))
        verb = rng.choices(('ADD', 'DEL', 'CHECK', 'GC', 'legacy'), (50, 30, 8, 4, 4))[0]
        owner = (f'c{rng.randrange(9)}', rng.choice(('eth0', 'net1')))
        go, more = name != 'ours', {}
        if verb == 'legacy':
            free = [a for i in range(len(model.sets)) for a in model.candidates(i) if a not in model.held]
            if free and model.held:
                address = rng.choice(free)
                with open(os.path.join(directory, 'net', str(address)), 'w', encoding='ascii', newline='') as f:
                    f.write(owner[0] + rng.choice(('', '\n', '\r\n')))
                model.held[address] = (owner[0], LEGACY)
                history.append(f'legacy {address} {owner[0]}')
            continue
        if verb == 'GC':
            name, go = 'ours', False
            valid = rng.sample(sorted(set(o for o in model.held.values() if o[1])),
                               k=rng.randrange(len(set(o for o in model.held.values() if o[1])) + 1))
            more = {'cni.dev/valid-attachments': [{'containerID': c, 'ifname': i} for c, i in valid]}
        text = config(directory, model.sets, '1.1.0' if verb == 'GC' else '0.4.0', **more)
        env = {'CNI_COMMAND': verb, 'CNI_CONTAINERID': owner[0], 'CNI_IFNAME': owner[1], 'CNI_NETNS': '/nowhere',
               'CNI_PATH': '/opt/cni/bin'}
        rc, out, err = calls.Child([str(programs[name])], env, text.encode()).finish()
        history.append(f'{name} {verb} {owner} -> {rc} {" ".join(out.decode().split())}')
        where = f'seed {seed} mixed session {number}\n{text}\n' + '\n'.join(history) + f'\n{err.decode()}'
        wanted = None
        if verb == 'ADD':
            wanted = model.add(owner, go)
        elif verb == 'DEL':
            model.delete(owner, go)
        elif verb == 'GC':
            model.gc(valid)
        good = wanted is not None if verb == 'ADD' else model.check(owner) if verb == 'CHECK' else True
        assert rc == (0 if good else 1), f'exit status {rc}, wanted {wanted}\n{where}'
        if wanted:
            given = [ipaddress.ip_interface(i['address']).ip for i in json.loads(out)['ips']]
            assert given == wanted, f'given {given}, wanted {wanted}\n{where}'
        assert on_disk(directory) == model.held, f'on disk {on_disk(directory)}\nmodel {model.held}\n{where}'
    return steps
