# SPDX-License-Identifier: Apache-2.0
"""Bad configurations and arguments: for each the text, the code, and nothing on disk changed.

One table. A row changes a good configuration in one place. ADD must refuse it, STATUS must refuse it
with code 50, DEL must not care (unless the row is about the place of the state itself), and the Go
program must have the same text unless the row says otherwise. Below it a second table, of odd input
that is good.
"""

import copy
import dataclasses
import json
import os

import pytest

from harness import call, held, snapshot

GO_DECODER = "json: cannot unmarshal"  # texts of Go's decoder differ between its releases


@dataclasses.dataclass
class Row:
    id: str
    msg: str = ""
    code: int = 7
    where: str = None  # the details: the path of what is wrong
    go: str = None  # the beginning of the Go program's text; "" if it does not fail; None: the same
    ipam: dict = dataclasses.field(default_factory=dict)
    top: dict = dataclasses.field(default_factory=dict)
    args: str = ""
    version: str = "1.1.0"
    place: bool = False  # DEL needs this part too

    def config(self, data):
        config = {
            "cniVersion": self.version,
            "name": "net",
            "ipam": {
                "type": "host-local",
                "dataDir": str(data),
                "ranges": [[{"subnet": "10.1.2.0/24"}]],
            },
        }
        config["ipam"].update(copy.deepcopy(self.ipam))
        config.update(copy.deepcopy(self.top))
        for where in (config, config["ipam"]):
            if isinstance(where, dict):
                for name in [n for n, v in where.items() if v is REMOVED]:
                    del where[name]
        return config


class Removed:
    def __deepcopy__(self, memo):
        return self


REMOVED = Removed()


def type_row(path, expected, got, value_ipam=None, value_top=None, **more):
    """A member of the wrong type, told by its path."""
    return Row(
        f"{path} is {got}",
        f"{path}: must be {expected}, not {got}",
        code=6,
        go=GO_DECODER,
        ipam=value_ipam or {},
        top=value_top or {},
        **more,
    )


def ranges(*range_):
    return {"ranges": [list(range_)]}


def subnet(text):
    return ranges({"subnet": text})


def cidr_row(text, **more):
    return Row(f"subnet {text!r}", f"invalid CIDR address: {text}", ipam=subnet(text),
               where="ipam.ranges[0][0].subnet", **more)


TYPES = [
    type_row("ipam", "an object", "a list", value_top={"ipam": []}, place=True),
    type_row("ipam", "an object", "a string", value_top={"ipam": "x"}, place=True),
    type_row("ipam", "an object", "a number", value_top={"ipam": 1}, place=True),
    type_row("ipam", "an object", "true or false", value_top={"ipam": True}, place=True),
    type_row("ipam.dataDir", "a string", "a number", {"dataDir": 1}, place=True),
    type_row("ipam.dataDir", "a string", "a list", {"dataDir": ["/x"]}, place=True),
    type_row("ipam.type", "a string", "a number", {"type": 1}),
    type_row("ipam.name", "a string", "an object", {"name": {}}),
    type_row("ipam.resolvConf", "a string", "true or false", {"resolvConf": False}),
    type_row("ipam.subnet", "a string", "a number", {"subnet": 10}),
    type_row("ipam.rangeStart", "a string", "a number", {"rangeStart": 10}),
    type_row("ipam.rangeEnd", "a string", "a list", {"rangeEnd": []}),
    type_row("ipam.gateway", "a string", "an object", {"gateway": {}}),
    type_row("ipam.ranges", "a list", "an object", {"ranges": {"subnet": "10.1.2.0/24"}}),
    type_row("ipam.ranges", "a list", "a string", {"ranges": "10.1.2.0/24"}),
    # The mistake that users make most.
    type_row("ipam.ranges[0]", "a list", "an object", {"ranges": [{"subnet": "10.1.2.0/24"}]}),
    type_row("ipam.ranges[1]", "a list", "a string",
             {"ranges": [[{"subnet": "10.1.2.0/24"}], "10.1.3.0/24"]}),
    type_row("ipam.ranges[0][0]", "an object", "a string", ranges("10.1.2.0/24")),
    type_row("ipam.ranges[0][1]", "an object", "a list", ranges({"subnet": "10.1.2.0/24"}, [])),
    type_row("ipam.ranges[0][0].subnet", "a string", "a number", subnet(10)),
    type_row("ipam.ranges[0][0].gateway", "a string", "true or false",
             ranges({"subnet": "10.1.2.0/24", "gateway": True})),
    type_row("ipam.routes", "a list", "an object", {"routes": {"dst": "0.0.0.0/0"}}),
    type_row("ipam.routes[0]", "an object", "a string", {"routes": ["0.0.0.0/0"]}),
    type_row("ipam.routes[0].dst", "a string", "a number", {"routes": [{"dst": 0}]}),
    type_row("ipam.routes[1].gw", "a string", "a list",
             {"routes": [{"dst": "0.0.0.0/0"}, {"dst": "0.0.0.0/0", "gw": []}]}),
    *(
        type_row(f"ipam.routes[0].{name}", "an integer", got,
                 {"routes": [{"dst": "0.0.0.0/0", name: value}]})
        for name in ("mtu", "advmss", "priority", "table", "scope")
        for got, value in (("a string", "1"), ("true or false", True), ("a list", [1]))
    ),
    type_row("runtimeConfig", "an object", "a list", value_top={"runtimeConfig": []}),
    type_row("runtimeConfig.ipRanges", "a list", "an object",
             value_top={"runtimeConfig": {"ipRanges": {}}}),
    type_row("runtimeConfig.ipRanges[0]", "a list", "an object",
             value_top={"runtimeConfig": {"ipRanges": [{"subnet": "10.9.0.0/24"}]}}),
    type_row("runtimeConfig.ips", "a list", "a string",
             value_top={"runtimeConfig": {"ips": "10.1.2.3"}}),
    type_row("runtimeConfig.ips[0]", "a string", "a number",
             value_top={"runtimeConfig": {"ips": [1]}}),
    type_row("args", "an object", "a string", value_top={"args": "IP=10.1.2.3"}),
    type_row("args.cni", "an object", "a list", value_top={"args": {"cni": []}}),
    type_row("args.cni.ips", "a list", "a string", value_top={"args": {"cni": {"ips": "10.1.2.3"}}}),
    type_row("args.cni.ips[1]", "a string", "an object",
             value_top={"args": {"cni": {"ips": ["10.1.2.3", {}]}}}),
]

# Where the Go program does not fail, or panics, and ours must say what is wrong.
NULLS_AND_NUMBERS = [
    Row("null among routes", "ipam.routes[0]: must be an object, not null", 6,
        ipam={"routes": [None]}, go=""),
    Row("null among args.cni.ips", "args.cni.ips[0]: must be a string, not null", 6,
        top={"args": {"cni": {"ips": [None]}}}, go="panic"),
    Row("null among runtimeConfig.ips", "runtimeConfig.ips[1]: must be a string, not null", 6,
        top={"runtimeConfig": {"ips": ["10.1.2.3", None]}}, go="panic"),
    *(
        Row(f"mtu {text}", f"ipam.routes[0].mtu: must be an integer{why}", 6, go=GO_DECODER,
            ipam={"routes": [{"dst": "0.0.0.0/0", "mtu": value}]})
        for text, value, why in (
            ("1.5", 1.5, ", not 1.5"),
            ("1.0", 1.0, ", not 1.0"),
            ("1e300", 1e300, ", not 1e+300"),
            ("2**63", 2**63, f" of 64 bits, not {2**63}"),
            ("-2**63-1", -(2**63) - 1, f" of 64 bits, not {-2**63-1}"),
        )
    ),
    Row("reclaimOnBoot is a string", "ipam.reclaimOnBoot: must be true or false, not a string", 6,
        ipam={"reclaimOnBoot": "yes"}, go=""),
    Row("strictStatus is a number", "ipam.strictStatus: must be true or false, not a number", 6,
        ipam={"strictStatus": 1}, go=""),
]

TEXTS = [
    *map(
        cidr_row,
        ["", "10.1.2.0", "10.1.2.0/33", "010.1.2.0/24", "10.1.2/24", "10.1.2.0/", "10.1.2.0/+24",
         "10.1.2.0/-1", "10.1.2.0/ 24", " 10.1.2.0/24", "10.1.2.0/24 ", "10.1.2.0/24/24",
         "fe80::%eth0/64", "2001:db8::/129", "2001:db8::", "10.1.2.256/24", "0x0a.1.2.0/24", "x",
         "/24", "1::2::3/64", "10.1.2.0/255.255.255.0", "10.1.2.0/99999999999999999999"],
    ),
    Row("subnet null", "invalid CIDR address: ", where="ipam.ranges[0][0].subnet",
        ipam=subnet(None)),
    Row("legacy subnet", "invalid CIDR address: 10.1.2.0", where="ipam.subnet",
        ipam={"subnet": "10.1.2.0"}),
    Row("legacy subnet null", "invalid CIDR address: ", where="ipam.subnet", ipam={"subnet": None}),
    *(
        Row(f"{name} {text!r}", f"invalid IP address: {text}", where=f"ipam.ranges[0][0].{name}",
            ipam=ranges({"subnet": "10.1.2.0/24", name: text}))
        for name in ("rangeStart", "rangeEnd", "gateway")
        for text in ("x", "10.1.2", "10.1.2.03", "10.1.2.3/24", " 10.1.2.3", "fe80::1%eth0",
                     "10.1.2.3.4", "::1::", "0")
    ),
    *(
        Row(f"legacy {name}", "invalid IP address: 10.1.2.x", where=f"ipam.{name}",
            ipam={"subnet": "10.1.2.0/24", "ranges": [], name: "10.1.2.x"})
        for name in ("rangeStart", "rangeEnd", "gateway")
    ),
    # Silently ignored members still have to be addresses.
    Row("legacy gateway without subnet", "invalid IP address: x", where="ipam.gateway",
        ipam={"gateway": "x"}),
    Row("runtimeConfig.ipRanges subnet", "invalid CIDR address: x",
        where="runtimeConfig.ipRanges[0][0].subnet",
        top={"runtimeConfig": {"ipRanges": [[{"subnet": "x"}]]}}),
    Row("route dst", "invalid CIDR address: 10.0.0.0", where="ipam.routes[0].dst",
        ipam={"routes": [{"dst": "10.0.0.0"}]}),
    Row("route dst empty", "invalid CIDR address: ", where="ipam.routes[0].dst",
        ipam={"routes": [{"dst": ""}]}),
    Row("route dst null", "invalid CIDR address: ", where="ipam.routes[0].dst",
        ipam={"routes": [{"dst": None}]}),
    Row("route dst missing", "invalid CIDR address: ", where="ipam.routes[1].dst",
        ipam={"routes": [{"dst": "::/0"}, {"gw": "10.1.2.1"}]}, go=""),
    Row("route dst missing 0.3.0", "invalid CIDR address: ", where="ipam.routes[0].dst",
        ipam={"routes": [{}]}, go="", version="0.3.0"),
    Row("route gw", "invalid IP address: 1.2.3.x", where="ipam.routes[0].gw",
        ipam={"routes": [{"dst": "0.0.0.0/0", "gw": "1.2.3.x"}]}),
    *(
        Row(f"{where} {text!r}", f"invalid IP address {text}", where=f"{where}[0]", top=top)
        for text in ("x", "10.1.2", "10.1.2.3/33", "10.1.2.3,10.1.2.4", " 10.1.2.3", "/24",
                     "10.1.2.03", "fe80::1%eth0", "10.1.2.3/")
        for where, top in (
            ("args.cni.ips", {"args": {"cni": {"ips": [text]}}}),
            ("runtimeConfig.ips", {"runtimeConfig": {"ips": [text]}}),
        )
    ),
    Row("args.cni.ips ''", "cannot understand ip: IP <nil> not v4 nor v6",
        top={"args": {"cni": {"ips": [""]}}}),
    Row("runtimeConfig.ips ''", "cannot understand ip: IP <nil> not v4 nor v6",
        top={"runtimeConfig": {"ips": ["10.1.2.3", ""]}}),
]

MISSING = [
    Row("ipam missing", "IPAM config missing 'ipam' key", top={"ipam": REMOVED}, place=True),
    Row("ipam null", "IPAM config missing 'ipam' key", top={"ipam": None}, place=True),
    Row("ranges missing", "no IP ranges specified", ipam={"ranges": REMOVED}),
    Row("ranges empty", "no IP ranges specified", ipam={"ranges": []}),
    Row("ranges null", "no IP ranges specified", ipam={"ranges": None}),
    Row("legacy without subnet", "no IP ranges specified",
        ipam={"ranges": [], "rangeStart": "10.1.2.3", "gateway": "10.1.2.1"}),
]

BAD = "invalid range set 0: "
HOST_BITS = BAD + "Network has host bits set. For a subnet mask of length {} the network address is {}"

RANGES = [
    Row("range without subnet", BAD + "IP <nil> not v4 nor v6", ipam=ranges({}),
        where="ipam.ranges[0][0].subnet"),
    Row("range null", BAD + "IP <nil> not v4 nor v6", ipam=ranges(None),
        where="ipam.ranges[0][0].subnet"),
    Row("second range without subnet", BAD + "IP <nil> not v4 nor v6",
        ipam=ranges({"subnet": "10.1.2.0/24"}, {"rangeStart": "10.1.3.1"}),
        where="ipam.ranges[0][1].subnet"),
    *(
        Row(f"too small {text}", f"{BAD}Network {text} too small to allocate from",
            ipam=subnet(text), where="ipam.ranges[0][0].subnet")
        for text in ("10.1.2.0/31", "10.1.2.1/32", "2001:db8::/127", "2001:db8::1/128")
    ),
    Row("mapped subnet", BAD + "IPNet IP and Mask version mismatch",
        ipam=subnet("::ffff:10.1.2.0/120"), where="ipam.ranges[0][0].subnet"),
    *(
        Row(f"host bits {text}", HOST_BITS.format(length, network), ipam=subnet(text),
            where="ipam.ranges[0][0].subnet")
        for text, length, network in (
            ("10.1.2.3/24", 24, "10.1.2.0"),
            ("192.168.127.0/23", 23, "192.168.126.0"),
            ("10.1.2.0/8", 8, "10.0.0.0"),
            ("2001:db8:24:19ff::/63", 63, "2001:db8:24:19fe::"),
            ("2001:db8:1::24:19ff:fee1:c44a/64", 64, "2001:db8:1::"),
        )
    ),
    Row("rangeStart outside", BAD + "RangeStart 10.1.3.1 not in network 10.1.2.0/24",
        ipam=ranges({"subnet": "10.1.2.0/24", "rangeStart": "10.1.3.1"}),
        where="ipam.ranges[0][0].rangeStart"),
    Row("rangeStart of the other family", BAD + "RangeStart 2001:db8::1 not in network 10.1.2.0/24",
        ipam=ranges({"subnet": "10.1.2.0/24", "rangeStart": "2001:db8::1"}),
        where="ipam.ranges[0][0].rangeStart"),
    Row("rangeEnd outside", BAD + "RangeEnd 10.1.3.1 not in network 10.1.2.0/24",
        ipam=ranges({"subnet": "10.1.2.0/24", "rangeEnd": "10.1.3.1"}),
        where="ipam.ranges[0][0].rangeEnd"),
    Row("rangeEnd before the default start", BAD + "RangeStart 10.1.2.1 is after RangeEnd 10.1.2.0",
        ipam=ranges({"subnet": "10.1.2.0/24", "rangeEnd": "10.1.2.0"}),
        where="ipam.ranges[0][0].rangeEnd",
        go=BAD + "RangeEnd 10.1.2.0 not in network 10.1.2.0/24"),
    Row("start after end", BAD + "RangeStart 192.0.2.50 is after RangeEnd 192.0.2.40",
        ipam=ranges({"subnet": "192.0.2.0/24", "rangeStart": "192.0.2.50", "rangeEnd": "192.0.2.40"}),
        where="ipam.ranges[0][0].rangeStart",
        go=BAD + "RangeStart 192.0.2.50 not in network 192.0.2.0/24"),
    Row("start after end, second range", BAD + "RangeStart 10.1.3.9 is after RangeEnd 10.1.3.8",
        ipam=ranges({"subnet": "10.1.2.0/24"},
                    {"subnet": "10.1.3.0/24", "rangeStart": "10.1.3.9", "rangeEnd": "10.1.3.8"}),
        where="ipam.ranges[0][1].rangeStart",
        go=BAD + "RangeStart 10.1.3.9 not in network 10.1.3.0/24"),
    # The Go program walks out of the subnet here, and panics at the end of the address space.
    Row("start behind the default end", BAD + "RangeStart 10.1.2.255 is after RangeEnd 10.1.2.254",
        ipam=ranges({"subnet": "10.1.2.0/24", "rangeStart": "10.1.2.255"}),
        where="ipam.ranges[0][0].rangeStart", go=""),
    Row("start at the end of all addresses",
        BAD + "RangeStart 255.255.255.255 is after RangeEnd 255.255.255.254",
        ipam=ranges({"subnet": "255.255.255.0/24", "rangeStart": "255.255.255.255"}),
        where="ipam.ranges[0][0].rangeStart", go=""),
    Row("empty set", BAD + "empty range set", ipam={"ranges": [[]]}),
    Row("null set", BAD + "empty range set", ipam={"ranges": [None]}),
    Row("second set empty", "invalid range set 1: empty range set",
        ipam={"ranges": [[{"subnet": "10.1.2.0/24"}], []]}),
    Row("mixed families", BAD + "mixed address families",
        ipam=ranges({"subnet": "10.1.2.0/24"}, {"subnet": "2001:db8::/64"})),
    Row("overlap in a set", BAD + "subnets 10.1.0.1-10.1.3.254 and 10.1.2.1-10.1.2.254 overlap",
        ipam=ranges({"subnet": "10.1.0.0/22"}, {"subnet": "10.1.2.0/24"})),
    Row("overlap of sets", "range set 0 overlaps with 2",
        ipam={"ranges": [[{"subnet": "10.1.0.0/16"}], [{"subnet": "10.2.0.0/16"}],
                         [{"subnet": "10.1.2.0/24"}]]}),
    Row("overlap with ipRanges", "range set 0 overlaps with 1",
        top={"runtimeConfig": {"ipRanges": [[{"subnet": "10.1.0.0/16"}]]}}),
    Row("two v4 sets 0.2.0", "CNI version 0.2.0 does not support more than 1 address per family",
        version="0.2.0", ipam={"ranges": [[{"subnet": "10.1.2.0/24"}], [{"subnet": "10.2.0.0/16"}]]}),
    Row("two v6 sets 0.1.0", "CNI version 0.1.0 does not support more than 1 address per family",
        version="0.1.0",
        ipam={"ranges": [[{"subnet": "2001:db8:1::/64"}], [{"subnet": "2001:db8:2::/64"}]]}),
    Row("two v4 sets without version", "CNI version  does not support more than 1 address per family",
        version="", ipam={"ranges": [[{"subnet": "10.1.2.0/24"}], [{"subnet": "10.2.0.0/16"}]]}),
    # What makes the final list shifts the indexes that texts have.
    Row("index behind ipRanges", "invalid range set 1: Network 10.1.2.0/31 too small to allocate from",
        ipam={**subnet("10.1.2.0/31")}, where="ipam.ranges[0][0].subnet",
        top={"runtimeConfig": {"ipRanges": [[{"subnet": "10.9.0.0/24"}]]}}),
    Row("index in ipRanges", BAD + "Network 10.9.0.0/31 too small to allocate from",
        where="runtimeConfig.ipRanges[0][0].subnet",
        top={"runtimeConfig": {"ipRanges": [[{"subnet": "10.9.0.0/31"}]]}}),
    Row("index of the legacy range", BAD + "Network 10.9.0.0/31 too small to allocate from",
        where="ipam.subnet", ipam={"subnet": "10.9.0.0/31"}),
]

BOOLEAN = "boolean unmarshal error: invalid input"

ARGUMENTS = [
    *(
        Row(f"CNI_ARGS {args!r}", msg, 4, args=args)
        for args, msg in (
            (";", 'ARGS: invalid pair ""'),
            ("IP=10.1.2.3;", 'ARGS: invalid pair ""'),
            ("IgnoreUnknown=1;", 'ARGS: invalid pair ""'),
            ("IP", 'ARGS: invalid pair "IP"'),
            ("IP=a=b", 'ARGS: invalid pair "IP=a=b"'),
            ("IgnoreUnknown=1;FOO=a=b", 'ARGS: invalid pair "FOO=a=b"'),
            ("IgnoreUnknown=0, Unk=nown", 'ARGS: invalid pair "IgnoreUnknown=0, Unk=nown"'),
            ('IgnoreUnknown=1;a"b\\\t\x01', 'ARGS: invalid pair "a\\"b\\\\\\t\\x01"'),
            ("IP=x", 'ARGS: error parsing value of pair "IP=x": invalid IP address x'),
            ("IP=10.1.2.3,10.1.2.4", 'ARGS: error parsing value of pair "IP=10.1.2.3,10.1.2.4": '
                                     "invalid IP address 10.1.2.3,10.1.2.4"),
            ("IP=10.1.2.3/33", 'ARGS: error parsing value of pair "IP=10.1.2.3/33": '
                               "invalid IP address 10.1.2.3/33"),
            # A bad value fails even when a later one replaces it.
            ("IP=x;IP=10.1.2.3", 'ARGS: error parsing value of pair "IP=x": invalid IP address x'),
            ("IgnoreUnknown=yes", f'ARGS: error parsing value of pair "IgnoreUnknown=yes": {BOOLEAN} yes'),
            ("IgnoreUnknown=YES", f'ARGS: error parsing value of pair "IgnoreUnknown=YES": {BOOLEAN} yes'),
            ("IgnoreUnknown=", f'ARGS: error parsing value of pair "IgnoreUnknown=": {BOOLEAN} '),
            ("ip=10.1.2.5;BAZ=x", 'ARGS: unknown args ["ip=10.1.2.5" "BAZ=x"]'),
            ("IgnoreUnknown=false;A=b", 'ARGS: unknown args ["A=b"]'),
            ("ignoreunknown=1", 'ARGS: unknown args ["ignoreunknown=1"]'),
            (" IP=10.1.2.3", 'ARGS: unknown args [" IP=10.1.2.3"]'),
            ("=x", 'ARGS: unknown args ["=x"]'),
        )
    ),
]

RELATIVE = [
    Row("resolvConf missing", "open {data}/nothing: no such file or directory", 5,
        ipam={"resolvConf": "{data}/nothing"}),
    Row("resolvConf is a directory", "read {data}: is a directory", 5, ipam={"resolvConf": "{data}"}),
    Row("resolvConf line too long", "bufio.Scanner: token too long",
        ipam={"resolvConf": "{data}/long"}),
]

# Two mistakes at once: which one is told.
ORDER = [
    Row("types before a missing ipam", "args: must be an object, not a list", 6, go=GO_DECODER,
        top={"ipam": REMOVED, "args": []}),
    Row("bad requested text before a missing ipam", "invalid IP address x",
        top={"ipam": REMOVED, "args": {"cni": {"ips": ["x"]}}}),
    Row("bad requested text before CNI_ARGS", "invalid IP address x", args="A=b",
        top={"runtimeConfig": {"ips": ["x"]}}),
    Row("a missing ipam before CNI_ARGS", "IPAM config missing 'ipam' key", args="A=b",
        top={"ipam": REMOVED}, place=True),
    Row("CNI_ARGS before an empty requested text", 'ARGS: unknown args ["A=b"]', 4, args="A=b",
        top={"args": {"cni": {"ips": [""]}}}),
    Row("CNI_ARGS before ranges", 'ARGS: unknown args ["A=b"]', 4, args="A=b", ipam={"ranges": []}),
    Row("an empty requested text before ranges", "cannot understand ip: IP <nil> not v4 nor v6",
        top={"args": {"cni": {"ips": [""]}}}, ipam={"ranges": []}),
    Row("small before mapped", BAD + "Network 10.1.2.0/31 too small to allocate from",
        ipam=subnet("::ffff:10.1.2.0/127")),
    Row("small before host bits", BAD + "Network 10.1.2.1/31 too small to allocate from",
        ipam=subnet("10.1.2.1/31")),
    Row("host bits before rangeStart", HOST_BITS.format(24, "10.1.2.0"),
        ipam=ranges({"subnet": "10.1.2.3/24", "rangeStart": "10.9.9.9"})),
    Row("a range before the next one's family", BAD + "Network 10.1.2.0/31 too small to allocate from",
        ipam=ranges({"subnet": "10.1.2.0/31"}, {"subnet": "2001:db8::/64"})),
    Row("a set before the family limit", "invalid range set 1: empty range set", version="0.2.0",
        ipam={"ranges": [[{"subnet": "10.1.2.0/24"}], [], [{"subnet": "10.1.3.0/24"}]]}),
    Row("the family limit before overlap",
        "CNI version 0.2.0 does not support more than 1 address per family", version="0.2.0",
        ipam={"ranges": [[{"subnet": "10.1.2.0/24"}], [{"subnet": "10.1.2.0/24"}]]}),
    Row("overlap before resolvConf", "range set 0 overlaps with 1",
        ipam={"ranges": [[{"subnet": "10.1.2.0/24"}], [{"subnet": "10.1.2.0/24"}]],
              "resolvConf": "/nonexistent"}),
    Row("resolvConf before the data directory", "open {data}/nothing: no such file or directory", 5,
        ipam={"resolvConf": "{data}/nothing", "dataDir": "/dev/null"}),
]

ROWS = [*TYPES, *NULLS_AND_NUMBERS, *TEXTS, *MISSING, *RANGES, *ARGUMENTS, *RELATIVE, *ORDER]
each_row = pytest.mark.parametrize("row", ROWS, ids=[row.id for row in ROWS])


def place(config, data):
    """Fills {data} in; makes the files that rows about resolvConf name."""
    (data / "long").write_text("search " + "x" * 65536 + "\n")
    return json.loads(json.dumps(config).replace("{data}", str(data)))


@each_row
def test_add_refuses(data, row):
    config = place(row.config(data), data)
    before = snapshot(data)
    done = call("ADD", config, args=row.args)
    assert (done.rc, done.err) == (1, b"")
    assert done.msg == row.msg.replace("{data}", str(data))
    assert done.code == row.code
    if row.where is not None:
        assert done.details == row.where
    assert snapshot(data) == before


# Arguments belong to an attachment; STATUS has none, and only 1.1.0 has STATUS.
STATUS_ROWS = [row for row in ROWS if not row.args and row.version == "1.1.0"]


@pytest.mark.parametrize("row", STATUS_ROWS, ids=[row.id for row in STATUS_ROWS])
def test_status_refuses(data, row):
    config = place(row.config(data), data)
    before = snapshot(data)
    done = call("STATUS", config)
    assert (done.rc, done.code, done.msg) == (1, 50, row.msg.replace("{data}", str(data)))
    assert snapshot(data) == before


RELEASES = [
    pytest.param(row, verb, id=f"{row.id}-{verb}")
    for row in ROWS
    for verb in (["DEL", "CHECK", "GC"] if row.version == "1.1.0" else ["DEL"])
]


@pytest.mark.parametrize("row, verb", RELEASES)
def test_other_verbs_only_need_the_place(data, row, verb):
    (data / "net").mkdir()
    (data / "net" / "10.1.2.3").write_bytes(b"c1\r\neth0")
    config = place(row.config(data), data)
    if not row.place and config.get("ipam"):
        config["ipam"]["dataDir"] = str(data)
    config["cni.dev/valid-attachments"] = []
    before = held(data / "net")
    done = call(verb, config, args=row.args)
    if config.get("ipam") is None:
        assert (done.rc, done.code, done.msg) == (1, 7, "IPAM config missing 'ipam' key")
    elif row.place:
        assert (done.rc, done.code, done.msg) == (1, row.code, row.msg)
    else:
        assert (done.rc, done.out, done.err) == (0, b"", b"")
        before = before if verb == "CHECK" else {}
    assert held(data / "net") == before


@each_row
def test_the_reference_program_has_the_same_text(data, row, reference):
    config = place(row.config(data), data)
    done = call("ADD", config, args=row.args, binary=reference)
    expected = (row.go if row.go is not None else row.msg).replace("{data}", str(data))
    if row.go == "panic":
        assert done.rc == 2
    elif row.go == "":  # it does not see it, or falls over later
        assert done.rc != 1 or row.msg.replace("{data}", str(data)) != done.msg
    else:
        assert done.rc == 1 and done.msg.startswith(expected)


def test_a_resolv_conf_that_is_a_fifo_is_not_waited_for(data):
    os.mkfifo(data / "fifo")
    done = call("ADD", Row("", ipam={"resolvConf": str(data / "fifo")}).config(data), timeout=20)
    assert (done.rc, done.code) == (1, 5)
    assert str(data / "fifo") in done.msg
    assert not (data / "net").exists()


def test_a_resolv_conf_that_is_a_device_is_not_read(data):
    done = call("ADD", Row("", ipam={"resolvConf": "/dev/zero"}).config(data), timeout=20)
    assert (done.rc, done.code) == (1, 5)
    assert not (data / "net").exists()


# ---- good input that looks odd ----

MAPPED = "::ffff:10.1.2.9"


def requested(*ips):
    return {"args": {"cni": {"ips": list(ips)}}}


GOOD = [
    # configuration, CNI_ARGS, addresses
    ("any type", Row("", ipam={"type": "banana"}), ["10.1.2.2"]),
    ("no type", Row("", ipam={"type": REMOVED}), ["10.1.2.2"]),
    ("ipam.name is another", Row("", ipam={"name": "other"}), ["10.1.2.2"]),
    ("unknown members", Row("", ipam={"x": [1], "dns": 5}, top={"dns": 7, "y": {}}), ["10.1.2.2"]),
    ("prevResult is anything", Row("", top={"prevResult": [1]}), ["10.1.2.2"]),
    ("nulls are absent",
     Row("", ipam={"routes": None, "rangeStart": None, "type": None, "resolvConf": None, "name": None},
         top={"runtimeConfig": None, "args": None}), ["10.1.2.2"]),
    ("inner nulls are absent",
     Row("", top={"runtimeConfig": {"ipRanges": None, "ips": None}, "args": {"cni": None}}),
     ["10.1.2.2"]),
    ("empty texts are absent",
     Row("", ipam=ranges({"subnet": "10.1.2.0/24", "rangeStart": "", "rangeEnd": "", "gateway": ""})),
     ["10.1.2.2"]),
    ("null addresses are absent",
     Row("", ipam=ranges({"subnet": "10.1.2.0/24", "rangeStart": None, "rangeEnd": None,
                          "gateway": None})), ["10.1.2.2"]),
    ("resolvConf empty", Row("", ipam={"resolvConf": ""}), ["10.1.2.2"]),
    ("capital members", Row("", ipam={"ranges": REMOVED, "SUBNET": "10.1.2.0/24",
                                      "RangeStart": "10.1.2.7"}), ["10.1.2.7"]),
    ("zeroes in the prefix", Row("", ipam=subnet("10.1.2.0/0024")), ["10.1.2.2"]),
    ("capital digits", Row("", ipam=subnet("2001:DB8::/64")), ["2001:db8::2"]),
    ("embedded dotted quad", Row("", ipam=subnet("2001:db8::1.2.0.0/112")), ["2001:db8::102:2"]),
    ("mapped limits", Row("", ipam=ranges({"subnet": "10.1.2.0/24", "rangeStart": MAPPED})),
     ["10.1.2.9"]),
    ("mapped request", Row("", top=requested(MAPPED)), ["10.1.2.9"]),
    ("requests are canonical and counted once",
     Row("", top={**requested("10.1.2.9", MAPPED), "runtimeConfig": {"ips": ["10.1.2.9/8"]}},
         args="IP=10.1.2.9/32"), ["10.1.2.9"]),
    ("prefix of a request does not count", Row("", top=requested("10.1.2.9/1")), ["10.1.2.9"]),
    ("empty IP", Row("", args="IP="), ["10.1.2.2"]),
    ("last IP wins", Row("", args="IP=10.1.2.8;IP=10.1.2.9"), ["10.1.2.9"]),
    ("last IP is empty", Row("", args="IP=10.1.2.8;IP="), ["10.1.2.2"]),
    ("IgnoreUnknown behind", Row("", args="A=b;IgnoreUnknown=1"), ["10.1.2.2"]),
    ("IgnoreUnknown True", Row("", args="IgnoreUnknown=TRUE;A=b"), ["10.1.2.2"]),
    ("last IgnoreUnknown wins", Row("", args="IgnoreUnknown=0;A=b;IgnoreUnknown=true"), ["10.1.2.2"]),
    ("the network address, when asked for in rangeStart",
     Row("", ipam=ranges({"subnet": "10.1.2.0/24", "rangeStart": "10.1.2.0"})), ["10.1.2.0"]),
    ("the broadcast address, when asked for in rangeEnd",
     Row("", ipam=ranges({"subnet": "10.1.2.0/24", "rangeStart": "10.1.2.255",
                          "rangeEnd": "10.1.2.255"})), ["10.1.2.255"]),
    ("the last IPv6 address", Row("", ipam=subnet("2001:db8::/126"), args="IP=2001:db8::3"),
     ["2001:db8::3"]),
    ("an outside gateway makes the first address free",
     Row("", ipam=ranges({"subnet": "10.1.2.0/24", "gateway": "192.0.2.1"})), ["10.1.2.1"]),
    ("a gateway of the other family",
     Row("", ipam=ranges({"subnet": "10.1.2.0/24", "gateway": "fe80::1"})), ["10.1.2.1"]),
    ("the gateway of a sibling range is not skipped",
     Row("", ipam=ranges({"subnet": "10.1.2.0/24", "rangeStart": "10.1.2.2", "rangeEnd": "10.1.2.3",
                          "gateway": "10.1.3.1"},
                         {"subnet": "10.1.3.0/24", "gateway": "10.1.2.2"})), ["10.1.2.2"]),
    ("one subnet twice with disjoint parts",
     Row("", ipam=ranges({"subnet": "10.1.2.0/24", "rangeStart": "10.1.2.100"},
                         {"subnet": "10.1.2.0/24", "rangeEnd": "10.1.2.99"})), ["10.1.2.100"]),
    ("the top of the address space", Row("", ipam=subnet("255.255.255.252/30")), ["255.255.255.254"]),
    ("the bottom of it", Row("", ipam=subnet("0.0.0.0/30")), ["0.0.0.2"]),
    ("a single address", Row("", ipam=ranges({"subnet": "10.1.2.0/24", "rangeStart": "10.1.2.9",
                                              "rangeEnd": "10.1.2.9"})), ["10.1.2.9"]),
    ("everything", Row("", ipam=subnet("0.0.0.0/0")), ["0.0.0.2"]),
    ("ipRanges only", Row("", ipam={"ranges": REMOVED},
                          top={"runtimeConfig": {"ipRanges": [[{"subnet": "10.9.0.0/24"}]]}}),
     ["10.9.0.2"]),
]


@pytest.mark.parametrize("row, addresses", [g[1:] for g in GOOD], ids=[g[0] for g in GOOD])
def test_odd_input_is_good(program, data, row, addresses):
    done = program.call("ADD", row.config(data), args=row.args)
    assert (done.rc, done.err) == (0, b"")
    assert done.addresses == addresses
    assert held(data / "net") == dict.fromkeys(addresses, b"c1\r\neth0")
    assert program.call("DEL", row.config(data), args=row.args).rc == 0
    assert held(data / "net") == {}


@pytest.mark.parametrize(
    "net, address", [("::1.2.3.0/120", "::102:302"), ("::fffe:ffff:ff00/120", "::fffe:ffff:ff02"),
                     ("::/96", "::2"), ("::ff:ff00/120", "::ff:ff02")]
)
def test_low_ipv6_addresses_stay_ipv6(data, net, address):
    """C libraries print some of these with dots; the Go program takes some for IPv4."""
    done = call("ADD", Row("", ipam=subnet(net)).config(data))
    assert done.addresses == [address]
    assert list(held(data / "net")) == [address]


@pytest.mark.parametrize("version", ["0.1.0", "0.2.0"])
def test_a_route_without_destination_is_dropped_before_0_3_0(program, data, version):
    config = Row("", version=version,
                 ipam={"routes": [{"gw": "10.1.2.1"}, {"dst": "0.0.0.0/0"}]}).config(data)
    assert program.call("ADD", config).json()["ip4"]["routes"] == [{"dst": "0.0.0.0/0"}]


def test_integers_are_printed_exactly(data):
    """The Go program sends them through a double in 1.x."""
    for version in ("0.4.0", "1.1.0"):
        routes = [{"dst": "0.0.0.0/0", "mtu": 2**63 - 1, "priority": -(2**63), "table": 2**53 + 1,
                   "scope": 0}]
        config = Row("", version=version, ipam={"routes": routes}).config(data)
        assert call("ADD", config, id=f"c{version}").json()["routes"] == routes


def test_host_bits_of_a_route_and_its_foreign_gateway_are_kept(program, data):
    routes = [{"dst": "10.0.0.5/8", "gw": "2001:db8::1"}]
    config = Row("", ipam={"routes": routes}).config(data)
    assert program.call("ADD", config).json()["routes"] == routes


def test_a_mapped_request_gets_the_file_name_of_ipv4(program, data):
    config = Row("", ipam=subnet("10.1.2.0/24"), top=requested(MAPPED)).config(data)
    assert program.call("ADD", config).rc == 0
    assert list(held(data / "net")) == ["10.1.2.9"]


RESOLV = [
    (b"", None),
    (b"# nameserver 1.1.1.1\n; nameserver 2.2.2.2\n\n   \n", None),
    (b"nameserver\nsearch\n", None),
    (b"Nameserver 1.1.1.1\nNAMESERVER 2.2.2.2\nsortlist x\n", None),
    (b"  nameserver\t 1.1.1.1  2.2.2.2\n\tnameserver not-an-address\n",
     {"nameservers": ["1.1.1.1", "not-an-address"]}),
    (b"domain a\ndomain b c\n", {"domain": "b"}),
    (b"search a b # c\r\nsearch d\r\n", {"search": ["a", "b", "#", "c", "d"]}),
    (b"options ndots:2\noptions edns0 rotate", {"options": ["ndots:2", "edns0", "rotate"]}),
    ("search\u00a0a\u2003b\u3000c\u0085d".encode(), {"search": ["a", "b", "c", "d"]}),
    (b"search a\x0bb\x0cc\rd\x1ce\n", {"search": ["a", "b", "c", "d\x1ce"]}),
    (b"search " + b"x" * (65535 - 7) + b"\n", {"search": ["x" * (65535 - 7)]}),
]


@pytest.mark.parametrize("text, dns", RESOLV, ids=range(len(RESOLV)))
def test_resolv_conf(program, data, text, dns):
    (data / "resolv.conf").write_bytes(text)
    config = Row("", ipam={"resolvConf": str(data / "resolv.conf")}).config(data)
    done = program.call("ADD", config)
    assert done.rc == 0
    assert done.json().get("dns") == dns
