# SPDX-License-Identifier: Apache-2.0
"""Random changes of a network's directory behind our back, and what the files say as the truth.

Before each call of ours something else may change the directory: a person, the Go program, a backup. Then the
files are read, mixed.Model foretells the answer from them, and the call must give it.
"""

import ipaddress
import json
import os
import random
import shutil
import time

import calls
import mixed

CLOCK_REALTIME_COARSE = 5
OWNERS = [(f'c{i}', ifname) for i in range(6) for ifname in ('eth0', 'net1')]


def wait_for_a_tick(path):
    """Until a change has another ctime than the last one: older kernels count in ticks of some milliseconds."""
    while time.clock_gettime_ns(CLOCK_REALTIME_COARSE) <= os.stat(path).st_ctime_ns:
        time.sleep(0.001)


class Behind:
    """A directory with its model. `index` is where ours keeps its index."""

    def __init__(self, directory, seed, ours, go, index):
        self.directory, self.net = str(directory), os.path.join(directory, 'net')
        self.rng, self.ours, self.go, self.index = random.Random(seed), str(ours), str(go), str(index)
        self.model = mixed.Model(self.random_sets())
        self.history, self.changes, self.saved = [], 0, False
        os.makedirs(self.net)

    def random_sets(self):
        sets = []
        for subnet in self.rng.choice((('10.0.0.0/28',), ('10.0.0.0/28', '2001:db8::/125'), ('10.0.0.0/29', '10.1.0.0/29'))):
            net = ipaddress.ip_network(subnet)
            sets.append([(net[1], net[-2] if net.version == 4 else net[-1], net[1])])
        return sets

    # ---- what others do ----

    def path(self, name):
        return os.path.join(self.net, name)

    def write(self, path, owner, exclusive=True):
        text = owner[0] if owner[1] is mixed.LEGACY else '\r\n'.join(owner)
        with open(path, 'x' if exclusive else 'w', encoding='ascii', newline='') as f:
            f.write(text)

    def any_owner(self):
        container, ifname = self.rng.choice(OWNERS)
        return container, self.rng.choices((ifname, mixed.LEGACY), (5, 1))[0]

    def any_held(self):
        held = sorted(mixed.on_disk(self.directory), key=str)
        return str(self.rng.choice(held)) if held else None

    def any_free(self):
        held = mixed.on_disk(self.directory)
        free = [a for i in range(len(self.model.sets)) for a in self.model.candidates(i) if a not in held]
        return str(self.rng.choice(free)) if free else None

    def create(self):
        free = self.any_free()
        if free:
            self.write(self.path(free), self.any_owner())

    def remove(self):
        held = self.any_held()
        if held:
            os.unlink(self.path(held))

    def rename(self):
        held, free = self.any_held(), self.any_free()
        if held and free:
            os.rename(self.path(held), self.path(free))

    def replace(self):
        held = self.any_held()
        if held:
            self.write(self.path('.edited'), self.any_owner())
            os.replace(self.path('.edited'), self.path(held))

    def edit_in_place(self):
        """To an owner that never calls: nothing but its content tells that an address has another owner."""
        held = self.any_held()
        if held:
            self.write(self.path(held), (f'x{self.rng.randrange(9)}', 'eth0'), exclusive=False)

    def with_the_old_mtime(self):
        before = os.stat(self.net).st_mtime_ns
        wait_for_a_tick(self.net)
        self.rng.choice((self.create, self.remove, self.rename, self.replace))()
        os.utime(self.net, ns=(before, before))

    def clock_set_back(self):
        """As if what was done before was done in the future."""
        ahead = os.stat(self.net).st_mtime_ns + self.rng.choice((1, 10**9, 3600 * 10**9))
        os.utime(self.net, ns=(ahead, ahead))

    def save(self):
        shutil.rmtree(self.net + '.saved', ignore_errors=True)
        shutil.copytree(self.net, self.net + '.saved')
        self.saved = True

    def restore(self):
        """All files of an earlier day with all times, in the directory or as a new one."""
        if not self.saved:
            return self.save()
        if self.rng.randrange(2):
            for name in os.listdir(self.net):
                os.unlink(self.path(name))
        else:
            shutil.rmtree(self.net)
        shutil.copytree(self.net + '.saved', self.net, dirs_exist_ok=True)
        return None

    def delete_all(self):
        shutil.rmtree(self.net)
        os.mkdir(self.net)

    def lose_the_index(self):
        shutil.rmtree(self.index, ignore_errors=True)

    def go_program(self):
        owner = self.rng.choice(OWNERS)
        self.call(self.go, self.rng.choice(('ADD', 'DEL')), owner)

    CHANGES = ((create, 20), (remove, 20), (rename, 10), (replace, 8), (edit_in_place, 8), (with_the_old_mtime, 12),
               (clock_set_back, 4), (save, 3), (restore, 6), (delete_all, 1), (lose_the_index, 2), (go_program, 6))

    def change(self):
        what = self.rng.choices([c for c, _ in self.CHANGES], [w for _, w in self.CHANGES])[0]
        self.note(what.__name__)
        what(self)
        self.changes += 1

    # ---- what ours does ----

    def note(self, text):
        self.history.append(text)
        del self.history[:-40]

    def call(self, program, verb, owner, **more):
        text = mixed.config(self.directory, self.model.sets, '1.1.0' if verb == 'GC' else '1.0.0', **more)
        env = {'CNI_COMMAND': verb, 'CNI_CONTAINERID': owner[0], 'CNI_IFNAME': owner[1], 'CNI_NETNS': '/nowhere',
               'CNI_PATH': '/opt/cni/bin'}
        return calls.Child([program], env, text.encode()).finish()

    def look(self):
        self.model.held = mixed.on_disk(self.directory)
        for i in range(len(self.model.sets)):
            try:
                with open(self.path(f'last_reserved_ip.{i}'), encoding='ascii') as f:
                    self.model.cursor[i] = ipaddress.ip_address(f.read())
            except FileNotFoundError:
                self.model.cursor[i] = None

    def previous(self, owner):
        """A prevResult: mostly the truth, sometimes not."""
        ips = [a for a, o in self.model.held.items() if o == owner or self.rng.randrange(12) == 0]
        return {'prevResult': {'cniVersion': '1.0.0', 'ips': [{'address': f'{a}/{a.max_prefixlen}'} for a in ips]}}

    def step(self):
        """A call of ours, and its answer."""
        verb = self.rng.choices(('ADD', 'DEL', 'DEL+', 'CHECK', 'GC'), (45, 25, 10, 15, 5))[0]
        owner, more, wanted = self.rng.choice(OWNERS), {}, None
        self.look()
        if verb == 'DEL+':
            verb, more = 'DEL', self.previous(owner)
        elif verb == 'GC':
            valid = [o for o in set(self.model.held.values()) if o[1] and self.rng.randrange(4)]
            more = {'cni.dev/valid-attachments': [{'containerID': c, 'ifname': i} for c, i in valid]}
        rc, out, err = self.call(self.ours, verb, owner, **more)
        self.note(f'{verb} {owner} -> {rc} {" ".join(out.decode().split())}')
        if verb == 'ADD':
            wanted = self.model.add(owner, False)
        elif verb == 'DEL':
            self.model.delete(owner, False)
        elif verb == 'GC':
            self.model.gc(valid)
        good = wanted is not None if verb == 'ADD' else self.model.check(owner) if verb == 'CHECK' else True
        where = '\n'.join([*self.history, err.decode()])
        assert rc == (0 if good else 1), f'exit status {rc}, wanted {wanted}\n{where}'
        assert err == b'', where
        if wanted:
            given = [ipaddress.ip_interface(i['address']).ip for i in json.loads(out)['ips']]
            assert given == wanted, f'given {given}, wanted {wanted}\n{where}'
        assert mixed.on_disk(self.directory) == self.model.held, f'model {self.model.held}\n{where}'


def run(directory, seed, ours, go, index, changes):
    """Until so many changes were made. Returns the number of calls, each of which had the right answer."""
    done = steps = number = 0
    while done < changes:
        behind = Behind(os.path.join(directory, f'{number}'), f'{seed}/behind/{number}', ours, go, index)
        while behind.changes < 200:
            for _ in range(behind.rng.choice((0, 1, 1, 2))):
                behind.change()
            behind.step()
            steps += 1
        done += behind.changes
        number += 1
        shutil.rmtree(behind.directory)
    return steps
