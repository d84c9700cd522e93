# SPDX-License-Identifier: Apache-2.0
"""The differential test's parts: random sessions, the table of allowed differences, the comparison.

A *session* is a pair of directories (theirs, ours) and a sequence of steps. Each step is one call
with a random configuration, environment and verb, made by a Go program on theirs and by ours on ours.
From the Go program's outcome an *expectation* is made; the rows of DIFFERENCES, in order, change it
where ours is meant to differ; then ours must meet it to the byte: standard output, exit status, names
and contents in the directory, modes of new files. After a step that differed on disk both go on from
ours.

Everything is drawn from Random(f'{seed}/{session}'), so that a session can be had again alone:
    python3 differential.py PEER SEED SESSION
"""

import copy
import dataclasses
import json
import os
import random
import re
import shutil
import sys
import tempfile
import time

from calls import Child, contents, ip, is_address, snapshot, write_tree
from generator import ANY, GHOST, VERBS, Session, odd_tree, random_resolv

OWN_NETNS = "plugin's netns and netns from CNI_NETNS should not be the same"


@dataclasses.dataclass
class Outcome:
    rc: int
    out: bytes
    err: bytes
    tree: dict

    @property
    def error(self):
        """The error object, or {} when standard output is none."""
        try:
            value = json.loads(self.out)
        except ValueError:
            return {}
        return value if isinstance(value, dict) and 'msg' in value else {}


# ---------------------------------------------------------------------------------------------------
# What the specification says of the directory, for the verbs that ours does differently

GO_SPACE = '\t\n\v\f\r \x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u2028\u2029\u202f\u205f\u3000'


def entries(step, tree):
    """{path: owner text} of the reservations of the step's network."""
    prefix = step.name + '/'
    return {path: data.decode('utf-8', 'replace').strip(GO_SPACE) for path, (kind, _, data) in tree.items()
            if kind == 'file' and path.startswith(prefix) and is_address(path[len(prefix):])}


def owned(step, tree):
    found = entries(step, tree)
    exact = [p for p, text in found.items() if text == '\r\n'.join(step.owner)]
    return exact or [p for p, text in found.items() if text == step.owner[0]]


def without(tree, paths):
    return {p: v for p, v in tree.items() if p not in paths}


def released_by_gc(step, tree):
    if step.valid is ANY:
        return []
    valid = step.valid or []
    keep = {'\r\n'.join(a) for a in valid} | {a[0] for a in valid}
    return [p for p, text in entries(step, tree).items() if text not in keep and tree[p][2]]


def has_odd_files(step):
    return any(text.strip().startswith(GHOST.encode()) for _, _, text in step.before.values())


# ---------------------------------------------------------------------------------------------------
# The expectation, and the one table of allowed differences

@dataclasses.dataclass
class Expected:
    rc: int
    out: object = b''       # bytes on success; ANY
    msg: object = ''        # text, compiled pattern, or a set of texts
    code: object = None     # a number, or a set of them
    details: object = ''    # '' when the Go program has none: ours may add some
    tree: dict = None
    odd_tree: list = None   # other trees that are as good

    def becomes(self, **changes):
        return dataclasses.replace(self, **changes)


# Every error of the Go program's own is 999; ours says what it is about.
CODES = (
    (r'ARGS: ', 4),
    (r'failed to allocate for range \d+: (open|write|read|remove) ', 5),
    (r'(open|read|mkdir|stat|lock) |is a directory$|not a directory$|permission denied$', 5),
    (r'invalid (range set|CIDR|IP address)|cannot understand ip|no IP ranges|IPAM config missing', 7),
    (r'CNI version .* does not support|range set \d+ overlaps|bufio', 7),
    (r'failed to allocate|host-local: Failed', 999),
)


def code_of(msg, code):
    if code != 999:
        return code
    return next((c for pattern, c in CODES if re.match(pattern, msg) or re.search(pattern, msg) and pattern[0] == '('),
                999)


def expected_from(step, outcome):
    if outcome.rc == 0:
        return Expected(0, outcome.out, tree=outcome.tree)
    if outcome.rc == 1:
        error = outcome.error
        return Expected(1, msg=error.get('msg', '?'), code=code_of(error.get('msg', ''), error.get('code')),
                        details=error.get('details', ''), tree=outcome.tree)
    return Expected(outcome.rc, tree=outcome.tree)


DIFFERENCES = []


def difference(reason):
    """A row: a function (step, expected) -> expected or None, which is for "does not apply"."""
    def add(function):
        DIFFERENCES.append((function.__name__.replace('_', ' '), reason, function))
        return function
    return add


def failed(step, code, msg, details=''):
    return Expected(1, msg=msg, code=code, details=details, tree=step.before)


def place_read(step):
    """Whether ours can tell name and directory of a DEL, CHECK or GC."""
    return not step.error or step.error[0] in ('value', 'no dst', 'null', 'args', 'resolv', 'none')


def with_lock(step, tree):
    """The trees that a failed ADD of ours may leave: as before, also with a new directory and lock."""
    lock, more = f'{step.name}/lock', dict(tree)
    more.setdefault(step.name, ('dir', 0o755, b''))
    more.setdefault(lock, ('file', 0o750 & ~0o022, b''))
    return [more]


@difference('texts of Go\'s JSON decoder change with its release and name Go types; ours name the place')
def decoder_texts(step, exp):
    msg = exp.msg if exp.rc == 1 else ''
    if step.error and step.error[0] == 'version' and exp.code == 6:
        return exp.becomes(msg=re.compile('(failed to convert .* version part|invalid version) .*', re.S))
    if msg.startswith('error unmarshall network config: ') and step.stdin in ('[]', '5', '"x"'):
        return exp.becomes(msg=re.compile('error unmarshall network config: .* must be an object, not '))
    if msg.startswith('error unmarshall network config: ') and not (step.error and step.error[1]):
        return exp.becomes(msg=re.compile('error unmarshall network config: .'))
    if 'json: cannot unmarshal' in msg and step.error and step.error[1]:
        front = msg[:msg.index('json: ')]
        return exp.becomes(msg=front + step.error[1], code=6)
    return None


@difference('start behind end is called by its name, not "not in network"')
def reversed_range_text(step, exp):
    if exp.rc == 1 and exp.msg == END_BEFORE_DEFAULT[0].format(index_in(exp)):
        return exp.becomes(msg=END_BEFORE_DEFAULT[1].format(index_in(exp)))
    if exp.rc == 1 and step.error and step.error[1] and ': RangeStart ' in step.error[1] \
            and re.match(r'invalid range set \d+: RangeStart .* not in network', str(exp.msg)):
        return exp.becomes(msg=step.error[1])
    return None


# From the injection bad_range
END_BEFORE_DEFAULT = ('invalid range set {}: RangeEnd 10.1.2.0 not in network 10.1.2.0/24',
                      'invalid range set {}: RangeStart 10.1.2.1 is after RangeEnd 10.1.2.0')


def index_in(exp):
    found = re.match(r'invalid range set (\d+)', str(exp.msg))
    return found and found[1]


@difference('CommonArgs is no key, only a name inside the Go program')
def common_args_is_unknown(step, exp):
    if exp.rc == 1 and "cannot unmarshal into field 'CommonArgs'" in str(exp.msg):
        return exp.becomes(msg=step.error[1])
    return None


@difference('characters that are not printable by Unicode\'s tables are quoted as they are: we have no such tables')
def unprintable_characters_in_arguments(step, exp):
    plain = re.sub(r'\\u([0-9a-f]{4})|\\U([0-9a-f]{8})', lambda m: chr(int(m[1] or m[2], 16)), str(exp.msg))
    if exp.rc == 1 and str(exp.msg).startswith('ARGS: ') and plain != exp.msg:
        return exp.becomes(msg=plain)
    return None


@difference('DEL and CHECK need only the name and the directory: else a configuration that became invalid leaks')
def del_and_check_ignore_the_rest(step, exp):
    if step.verb not in ('DEL', 'CHECK') or step.theirs.rc == 0 or not place_read(step):
        return None
    if exp.code in (1, 8) or exp.code == 5 and ours_cannot_lock(step) or str(exp.msg).startswith('host-local: '):
        return None
    return by_model(step)


def by_model(step, tree=None):
    """What DEL and CHECK must do, with the tree before the step or another."""
    if tree is None and ours_cannot_lock(step):
        return failed(step, 5, 'is a directory')
    mine = owned(step, step.before if tree is None else tree)
    tree = without(step.before, mine) if step.verb == 'DEL' else step.before
    locked = with_lock(step, tree) if step.name in step.before else []
    if step.verb == 'DEL' and step.own_netns:
        return Expected(1, msg=OWN_NETNS, code=8, tree=tree, odd_tree=locked)
    if step.verb == 'DEL' or mine:
        return Expected(0, tree=tree, odd_tree=locked)
    msg = f'host-local: Failed to find address added by container {step.owner[0]}'
    return failed(step, 999, msg).becomes(odd_tree=locked)


@difference('a directory that is not there holds nothing: DEL and CHECK do not try to make it')
def del_and_check_of_no_directory(step, exp):
    if step.verb not in ('DEL', 'CHECK') or not step.error or step.error[0] != 'place' or exp.code in (1, 8):
        return None
    where = step.conf['ipam']['dataDir']
    if where.startswith('@S@'):
        return failed(step, 5, re.compile('.*not a directory$'))
    return by_model(step, {})


@difference('DEL and CHECK make no directory where there is none')
def del_and_check_create_nothing(step, exp):
    if step.verb not in ('DEL', 'CHECK') or exp.tree is None:
        return None
    made = [p for p in (step.name, f'{step.name}/lock') if p not in step.before and p in exp.tree]
    # `lock` may come to an old directory; a directory may not come
    if not made or step.name in step.before:
        return None
    return exp.becomes(tree=without(exp.tree, made))


@difference('a DEL with several range sets releases old-format files only where no new one matched: the Go program\'s '
            'second pass takes both')
def one_pass_of_del(step, exp):
    if step.verb != 'DEL' or not place_read(step) or len(step.sets) < 2 or exp.rc not in (0, 1) or exp.tree is None:
        return None
    if contents(step.theirs.tree) == contents(by_model(step).tree | only_lock(step, exp)) \
            or step.owner[0] == GHOST:
        return None
    return exp.becomes(tree=by_model(step).tree | only_lock(step, exp))


def only_lock(step, exp):
    """`lock`, when a call made it in a directory that was there."""
    lock = f'{step.name}/lock'
    return {lock: exp.tree[lock]} if lock in exp.tree and lock not in step.before and step.name in step.before else {}


@difference('only regular files that are named by an address count: the Go program reads and deletes any file')
def other_names_do_not_count(step, exp):
    if step.verb not in ('DEL', 'CHECK') or step.owner[0] != GHOST or not has_odd_files(step) or not place_read(step):
        return None
    if step.theirs.rc and exp.code in (1, 5, 8):
        return None
    return by_model(step)


@difference('GC frees what belongs to no attachment; the Go program does nothing')
def gc_works(step, exp):
    if step.verb != 'GC' or exp.rc != 0:
        return None
    if step.valid is ANY:   # nothing to do: nothing else is read
        return None
    if step.error and step.error[0] == 'ipam':
        return failed(step, {6, 7}, step.error[1] or "IPAM config missing 'ipam' key")
    if step.error and step.error[0] == 'place' or ours_cannot_lock(step):
        return exp.becomes(rc=ANY, out=ANY, msg=ANY, code=ANY, details=ANY)
    tree = without(step.before, released_by_gc(step, step.before))
    return exp.becomes(tree=tree, odd_tree=with_lock(step, tree) if step.name in step.before else None)


def ours_cannot_lock(step):
    return step.before.get(f'{step.name}/lock', ('',))[0] == 'dir'


@difference('STATUS says what would make every ADD fail; the Go program does nothing')
def status_works(step, exp):
    if step.verb != 'STATUS' or exp.rc != 0:
        return None
    if step.error and step.error[0] == 'place' and step.conf['ipam']['dataDir'].startswith('/proc'):
        return exp.becomes(rc=ANY)   # only trying would tell that nothing can be made there
    if step.error and step.error[0] == 'place' or ours_cannot_lock(step):
        return failed(step, 50, ANY)
    if not step.error or step.error[0] in ('none', 'environment'):
        return None
    verb, step.verb = step.verb, 'ADD'
    theirs, step.theirs = step.theirs, step.rerun('ADD', {})
    new = expected_from(step, step.theirs)
    for row in (decoder_texts, reversed_range_text, null_in_list, route_without_destination):
        new = row(step, new) or new
    step.verb, step.theirs = verb, theirs
    return exp if new.rc == 0 else new.becomes(code=50, tree=step.before, details='')


def unsatisfied(step):
    """(requested addresses that no set takes, those that are their range's gateway)"""
    left, routers = list(step.requested), []
    for i in range(len(step.sets)):
        taken = next((a for a in left if step.sets.find(i, a)), None)
        if taken is not None:
            left.remove(taken)
            if taken == step.sets.find(i, taken).router:
                routers.append((i, taken))
    return left, routers


def ours_refuses(step):
    """Whether ours takes a configuration for wrong that the Go program takes."""
    return step.error and (step.error[0] == 'null' or step.error[0] == 'no dst' and step.version >= '0.3.0')


def got_past_the_configuration(step):
    return step.theirs.rc == 0 or re.match('failed to allocate|.*[Nn]etns', step.theirs.error.get('msg', '')) \
        or b'}{' in step.theirs.out


@difference('requests that cannot be met are found before anything is reserved, and of several for one set the first '
            'counts, not a random one')
def unsatisfiable_requests_first(step, exp):
    if step.verb != 'ADD' or not step.requested or ours_refuses(step) or not got_past_the_configuration(step):
        return None
    left, routers = unsatisfied(step)
    texts = {f'failed to allocate for range {i}: requested ip {a} is subnet\'s gateway' for i, a in routers}
    if left:
        texts.add('failed to allocate all requested IPs: ' + ' '.join(str(a) for a in left))
    if not texts:
        return None
    new = failed(step, 999, texts).becomes(odd_tree=with_lock(step, step.before))
    same = exp.rc == 1 and exp.msg in texts and contents(exp.tree) in [contents(t) for t in [new.tree] + new.odd_tree]
    return None if same else new


def empty_entries(step, tree):
    return [p for p, text in entries(step, tree).items() if tree[p][2] == b'']


@difference('an empty address file is debris of a crash: given away when the set is exhausted, or when just this '
            'address is asked for; the Go program loses it for good')
def empty_files_are_reclaimed(step, exp):
    if step.verb != 'ADD' or not got_past_the_configuration(step) or ours_refuses(step) or exp.rc != 1 \
            or isinstance(exp.msg, set):   # a request that cannot be met came first
        return None
    if not re.search('no IP addresses available|is not available', step.theirs.error.get('msg', '')):
        return None
    empty = empty_entries(step, step.before)
    used = [p for p in empty if p not in step.ours.tree or step.ours.tree[p][2]]
    if not empty:
        return None
    # With the files gone that ours gave away, and with those that it must have given away, the Go
    # program comes to the same.
    must = [p for p in empty if ip(p.split('/')[1]) in step.requested]
    failing = re.match(r'failed to allocate for range (\d+): no IP', step.theirs.error['msg'])
    if failing and not used:
        index = int(failing[1])
        must += [p for p in empty if step.sets.find(index, ip(p.split('/')[1]))
                 and ip(p.split('/')[1]) != step.sets.find(index, ip(p.split('/')[1])).router][:1]
    gone = set(used) | set(must)
    if not gone:
        return None
    step.theirs = step.rerun('ADD', without(step.before, gone))
    new = expected_from(step, step.theirs)
    if new.rc == 1:
        # another set failed: the empty files may be there or not
        return new.becomes(tree=without(step.before, gone), odd_tree=[step.before] + with_lock(step, step.before)
                           + with_lock(step, without(step.before, gone)))
    return new


@difference('cursors are written when every set has its address, so that trouble with one is found last')
def trouble_with_a_cursor_comes_last(step, exp):
    cursor = f'{step.name}/last_reserved_ip.0'
    if step.verb != 'ADD' or exp.rc != 1 or f'open @D@/{cursor}: is a directory' not in str(exp.msg):
        return None
    empty = [p for p in empty_entries(step, step.before) if p not in step.ours.tree]   # debris goes first
    new = expected_from(step, step.rerun('ADD', without(step.before, [cursor] + empty)))
    tree = without(step.before, empty)
    return (new if new.rc == 1 else exp).becomes(tree=tree, odd_tree=with_lock(step, tree))


@difference('a failed ADD moves no cursor, and takes back only what it reserved itself: the Go program releases all '
            'that the container has, and leaves a file behind when the cursor cannot be written')
def failed_add_changes_nothing(step, exp):
    if step.verb != 'ADD' or exp.rc != 1 or exp.odd_tree:
        return None
    good = [step.before] + with_lock(step, step.before)
    if contents(exp.tree) in [contents(t) for t in good]:
        return None
    return exp.becomes(tree=step.before, odd_tree=good[1:])


@difference('a null in a list makes the Go program panic or print null')
def null_in_list(step, exp):
    if step.error and step.error[0] == 'null' and step.verb == 'ADD':
        return failed(step, 6, step.error[1])
    return None


@difference('a route without dst cannot be told: the Go program prints "<nil>"; before 0.3.0, where it may also be '
            'dropped, ours always drops it')
def route_without_destination(step, exp):
    if step.error and step.error[0] == 'no dst' and step.verb == 'ADD' and step.version >= '0.3.0':
        return failed(step, 7, 'invalid CIDR address: ', 'ipam.routes[1].dst')
    if step.error and step.error[0] == 'no dst' and step.verb == 'ADD' and exp.rc == 0 and b'003cnil' in exp.out:
        value = json.loads(exp.out)
        value['ip6']['routes'] = [r for r in value['ip6']['routes'] if r['dst'] != '<nil>']
        if not value['ip6']['routes']:
            del value['ip6']['routes']
        return exp.becomes(out=go_json(value))
    return None


@difference('integers are printed as they are: the Go program sends them through a double in 1.x')
def big_integers(step, exp):
    if step.verb != 'ADD' or exp.rc != 0 or step.version < '1.0.0' or step.peer == 'debian':
        return None
    big = [r for r in step.conf['ipam'].get('routes') or [] if r and abs(r.get('priority') or 0) > 2 ** 53]
    if not big:
        return None
    value = json.loads(exp.out)
    for i, route in enumerate(step.conf['ipam']['routes']):
        if route.get('priority'):
            value['routes'][i]['priority'] = route['priority']
    return exp.becomes(out=go_json(value))


def go_json(value):
    text = json.dumps(value, indent=4, ensure_ascii=False)
    for char in '<>&\u2028\u2029':
        text = text.replace(char, f'\\u{ord(char):04x}')
    return text.encode()


@difference('Debian\'s 1.1.1 drops what came to routes later, and prints 1.0.0 in another order with an empty dns')
def debian_result_form(step, exp):
    if step.peer != 'debian' or step.verb != 'ADD' or exp.rc != 0 or not step.ours.out or step.ours.error:
        return None
    if step.version < '0.3.0':
        return None
    theirs, ours = json.loads(exp.out), json.loads(step.ours.out)
    extras = any(set(r) - {'dst', 'gw'} for r in ours.get('routes', []))
    if step.version != '1.0.0' and not extras:
        return None
    given = [r for r in step.conf['ipam'].get('routes') or []]
    merged = copy.deepcopy(theirs)
    for route, config in zip(merged.get('routes', []), given):
        for key in ('mtu', 'advmss', 'priority', 'table', 'scope'):
            number = config.get(key)
            if number is not None and (number != 0 or key in ('table', 'scope')):
                route[key] = number
    if step.version == '1.0.0':
        if not merged['dns']:
            del merged['dns']
        merged = sort_keys(merged)
    return exp.becomes(out=go_json(merged))


def sort_keys(value):
    if isinstance(value, dict):
        return {k: sort_keys(value[k]) for k in sorted(value)}
    return [sort_keys(v) for v in value] if isinstance(value, list) else value


@difference('Debian\'s 1.1.1 does not know 1.1.0')
def debian_versions(step, exp):
    if step.peer == 'debian' and exp.rc == 1 and exp.code == 1 and exp.details and '"1.0.0"]' in exp.details:
        return exp.becomes(details=exp.details.replace('"1.0.0"]', '"1.0.0" "1.1.0"]'))
    if step.peer == 'debian' and exp.msg == 'plugin version does not allow CHECK' and step.conf['cniVersion'] == '01.1.0':
        return exp.becomes(msg='incompatible CNI versions')
    return None


@difference('Debian\'s 1.1.1 checks the variables of an attachment for unknown verbs, too')
def debian_checks_of_unknown_verbs(step, exp):
    verb = step.env.get('CNI_COMMAND')
    text = f'unknown CNI_COMMAND: {verb}'
    if step.peer != 'debian' or not verb or verb in VERBS or not step.error or step.error[0] != 'environment' \
            or exp.msg == text:
        return None
    return Expected(1, msg=text, code=4, tree=step.before)


@difference('the check comes before anything is allocated, and before the rest of the configuration is looked at: else the '
            'address leaks, and a result stands before the error')
def own_netns_at_add(step, exp):
    if step.verb != 'ADD' or not step.own_netns or exp.code == 1:
        return None
    if step.error and step.error[0] in ('frame', 'environment', 'version'):
        return None
    return failed(step, 8, OWN_NETNS)


@difference('Debian\'s 1.1.1 cannot tell that CNI_NETNS is its own')
def own_netns_at_del_in_debian(step, exp):
    if step.peer != 'debian' or step.verb != 'DEL' or not step.own_netns or exp.rc != 0:
        return None
    return exp.becomes(rc=1, msg=OWN_NETNS, code=8)


# ---------------------------------------------------------------------------------------------------
# Comparing

def mismatches(step, exp):
    ours, found = step.ours, []
    if ours.rc not in (0, 1):
        found.append(f'exit status {ours.rc}')
    if exp.rc is ANY:
        return found
    if ours.rc != exp.rc:
        found.append(f'exit status {ours.rc}, expected {exp.rc}')
    elif ours.rc == 0 and exp.out is not ANY and ours.out != exp.out:
        found.append('standard output')
    elif ours.rc == 1:
        error = ours.error
        if not matches(exp.msg, error.get('msg')):
            found.append(f'msg {error.get("msg")!r}, expected {exp.msg!r}')
        if exp.code is not ANY and error.get('code') not in (exp.code if isinstance(exp.code, set) else {exp.code}):
            found.append(f'code {error.get("code")}, expected {exp.code}')
        if exp.details and exp.details is not ANY and error.get('details') != exp.details:
            found.append(f'details {error.get("details")!r}, expected {exp.details!r}')
        if set(error) - {'code', 'msg', 'details'} or ours.out != go_json(error):
            found.append('form of the error object')
    if contents(ours.tree) not in [contents(t) for t in [exp.tree] + (exp.odd_tree or [])]:
        found.append('directory')
    for path, (kind, mode, _) in ours.tree.items():
        if path in step.before:
            continue
        wanted = 0o755 if kind == 'dir' else 0o750 if path.endswith('/lock') else 0o600
        if mode != wanted & ~0o022:
            found.append(f'mode {mode:o} of {path}')
    return found


def matches(wanted, msg):
    if wanted is ANY:
        return bool(msg)
    if msg is None:
        return False
    if isinstance(wanted, re.Pattern):
        return bool(wanted.match(msg))
    return msg in wanted if isinstance(wanted, set) else msg == wanted


def expectation(step):
    """The expectation after all rows, and the names of the rows that changed it."""
    exp, used = expected_from(step, step.theirs), []
    for name, _, row in DIFFERENCES:
        new = row(step, exp)
        if new is not None:
            exp = new
            used.append(name)
    return exp, used


def describe(step, exp, used, found, where):
    def show(tree):
        return '\n'.join(f'    {p} {k} {m:o} {d!r}' for p, (k, m, d) in sorted((tree or {}).items())) or '    (nothing)'

    return '\n'.join((
        f'{where}: {"; ".join(found)}', f'  {step}', f'  rows: {", ".join(used) or "none"}',
        f'  theirs ({step.peer}): {step.theirs.rc} {step.theirs.out.decode(errors="replace")}',
        f'  ours: {step.ours.rc} {step.ours.out.decode(errors="replace")} {step.ours.err.decode(errors="replace")}',
        f'  expected: {exp.rc} {exp.msg} {exp.code} {exp.out!r}',
        '  before:', show(step.before), '  theirs after:', show(step.theirs.tree), '  ours after:', show(step.ours.tree),
        '  expected after:', show(exp.tree)))


class Pair:
    """Two directories and the two programs on them."""

    def __init__(self, root, ours, theirs):
        self.root, self.programs = root, (theirs, ours)
        self.dirs = [os.path.join(root, d) for d in ('theirs', 'thours')]   # of one length

    def start(self, which, step, directory, **env):
        text = step.stdin.replace('@D@', directory).replace('@R@', os.path.relpath(directory))
        text = text.replace('@S@', self.root)
        return Child([self.programs[which]], {**step.env, **env}, text.encode('utf-8', 'surrogatepass'))

    def finish(self, child, directory):
        rc, out, err = child.finish()
        out = out.replace(directory.encode(), b'@D@').replace(os.path.relpath(directory).encode(), b'@D@')
        return Outcome(rc, out, err, snapshot(directory))

    def run(self, step):
        children = [self.start(i, step, d) for i, d in enumerate(self.dirs)]
        step.theirs, step.ours = (self.finish(c, d) for c, d in zip(children, self.dirs))

        def rerun(verb, tree):
            spare = os.path.join(self.root, 'thextr')
            write_tree(spare, tree)
            return self.finish(self.start(0, step, spare, CNI_COMMAND=verb), spare)
        step.rerun = rerun


def run_session(peer, seed, number, ours, theirs, report=None):
    """Runs one session. Returns (steps, {row: count}, description of the first mismatch or None)."""
    rng = random.Random(f'{seed}/{number}')
    rows, done = {}, 0
    root = tempfile.mkdtemp(prefix='differential-')
    try:
        pair = Pair(root, ours, theirs)
        with open(os.path.join(root, 'resolv'), 'wb') as f:
            f.write(random_resolv(rng))
        for name, length in (('long', 65536), ('longest', 65535)):
            with open(os.path.join(root, name), 'w', encoding='ascii') as f:
                f.write('nameserver 1.1.1.1\n' + 'search '.ljust(length, 'x') + '\noptions a\n')
        session = Session(rng, peer, '@S@/resolv')
        tree = odd_tree(rng, session.sets, session.names) if rng.random() < 0.35 else {}
        for directory in pair.dirs:
            write_tree(directory, tree)
        began = time.monotonic()
        while done < session.steps:
            step = session.step()
            step.before = tree
            pair.run(step)
            left = step.theirs.tree   # a row may run the Go program again
            exp, used = expectation(step)
            found = mismatches(step, exp)
            if time.monotonic() - began > 9 and empty_entries(step, tree):
                break   # so old may ours take an empty file for debris without need
            if report:
                report(step, exp, used, found)
            if found:
                return done, rows, describe(step, exp, used, found, f'{peer} seed {seed} session {number} step {done}')
            for name in used:
                rows[name] = rows.get(name, 0) + 1
            done += 1
            tree = step.ours.tree
            if contents(tree) != contents(left) or step.peer == 'debian':
                write_tree(pair.dirs[0], tree)
        return done, rows, None
    finally:
        shutil.rmtree(root, ignore_errors=True)


def main():
    import harness

    def report(step, exp, used, found):
        print(f'{step}\n  -> {step.ours.rc} {step.ours.out.decode(errors="replace")}  {used} {found}')

    name, seed, number = sys.argv[1:]
    _, _, problem = run_session(name, int(seed), int(number), harness.HOST_LOCAL, harness.peer(name), report)
    print(problem or 'no difference')
    sys.exit(1 if problem else 0)


if __name__ == '__main__':
    main()
