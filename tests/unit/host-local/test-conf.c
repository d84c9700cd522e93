/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Configurations. Numbers in comments are those of host-local.md, 6.4; sections 1 and 2 otherwise.
 */
#include "conf.h"

#include "hl.h"

#define V "\"cniVersion\":\"0.3.1\",\"name\":\"mynet\","

/* Everything that was read, in one line. */
static void describe(const struct conf *conf, struct buf *buf)
{
        char text[IPNET_TEXT_MAX];

        buf_printf(buf, "%s |", conf->place.path);
        for (size_t i = 0; i < conf->sets.count; i++) {
                buf_putc(buf, ' ');
                for (size_t j = 0; j < conf->sets.items[i].count; j++) {
                        const struct range *range = &conf->sets.items[i].ranges[j];

                        buf_printf(buf, "%s%s", j > 0 ? "," : "", ip_format(&range->start, text));
                        buf_printf(buf, "-%s", ip_format(&range->end, text));
                        buf_printf(buf, "@%s", ip_format(&range->gateway, text));
                }
        }
        buf_puts(buf, " |");
        for (size_t i = 0; i < conf->requested.count; i++)
                buf_printf(buf, " %s", ip_format(&conf->requested.items[i], text));
        buf_puts(buf, " |");
        for (size_t i = 0; i < conf->routes.count; i++)
                buf_printf(buf, " %s", ipnet_format(&conf->routes.items[i].dst, text));
        if (conf->resolv_conf)
                buf_printf(buf, " | %s", conf->resolv_conf);
        if (conf->strict_status)
                buf_puts(buf, " strict");
        if (conf->place.reclaim_on_boot)
                buf_puts(buf, " reclaim");
}

#define NETWORKS "/var/lib/cni/networks/mynet"
#define SUBNET   "\"subnet\":\"10.1.2.0/24\""
#define S_1_2    "10.1.2.1-10.1.2.254@10.1.2.1"

static const struct {
        const char *config, *args, *want;
} good_rows[] = {
        /* 1 */
        { "{" V "\"type\":\"ipvlan\",\"master\":\"foo0\",\"ipam\":{\"type\":\"host-local\","
          "\"subnet\":\"10.1.2.0/24\",\"rangeStart\":\"10.1.2.9\",\"rangeEnd\":\"10.1.2.20\","
          "\"gateway\":\"10.1.2.30\"}}",
          "", NETWORKS " | 10.1.2.9-10.1.2.20@10.1.2.30 | |" },
        /* 2 */
        { "{" V "\"ipam\":{\"ranges\":[[{\"subnet\":\"10.1.2.0/24\",\"rangeStart\":\"10.1.2.9\","
          "\"rangeEnd\":\"10.1.2.20\",\"gateway\":\"10.1.2.30\"},{\"subnet\":\"10.1.4.0/24\"}],"
          "[{\"subnet\":\"11.1.2.0/24\",\"rangeStart\":\"11.1.2.9\",\"rangeEnd\":\"11.1.2.20\","
          "\"gateway\":\"11.1.2.30\"}]]}}",
          "",
          NETWORKS " | 10.1.2.9-10.1.2.20@10.1.2.30,10.1.4.1-10.1.4.254@10.1.4.1 "
                   "11.1.2.9-11.1.2.20@11.1.2.30 | |" },
        /* 3 */
        { "{" V "\"runtimeConfig\":{\"irrelevant\":\"a\",\"ipRanges\":[[{\"subnet\":"
          "\"12.1.3.0/24\"}]]},\"ipam\":{\"subnet\":\"10.1.2.0/24\",\"rangeStart\":\"10.1.2.9\","
          "\"rangeEnd\":\"10.1.2.20\",\"gateway\":\"10.1.2.30\",\"ranges\":[[{\"subnet\":"
          "\"11.1.2.0/24\"}]]}}",
          "",
          NETWORKS " | 12.1.3.1-12.1.3.254@12.1.3.1 10.1.2.9-10.1.2.20@10.1.2.30 "
                   "11.1.2.1-11.1.2.254@11.1.2.1 | |" },
        /* 4, 5 */
        { "{" V "\"ipam\":{" SUBNET "}}", "IP=10.1.2.10", NETWORKS " | " S_1_2 " | 10.1.2.10 |" },
        { "{" V "\"ipam\":{" SUBNET "}}", "IP=10.1.2.11/24",
          NETWORKS " | " S_1_2 " | 10.1.2.11 |" },
        { "{" V "\"ipam\":{" SUBNET "}}", "IP=", NETWORKS " | " S_1_2 " | |" },
        { "{" V "\"ipam\":{" SUBNET "}}", "IgnoreUnknown=1;IP=10.1.2.9;K8S_POD_NAME=x",
          NETWORKS " | " S_1_2 " | 10.1.2.9 |" },
        { "{" V "\"ipam\":{" SUBNET "}}", "IP=10.1.2.9;IP=", NETWORKS " | " S_1_2 " | |" },
        /* 6, 7 */
        { "{" V "\"args\":{\"cni\":{\"x\":1,\"ips\":[\"10.1.2.11\",\"11.11.11.11\","
          "\"2001:db8:1::11\"]}},\"ipam\":{" SUBNET "}}",
          "IP=10.1.2.10",
          NETWORKS " | " S_1_2 " | 10.1.2.10 10.1.2.11 11.11.11.11 "
                   "2001:db8:1::11 |" },
        { "{" V "\"args\":{\"cni\":{\"ips\":[\"10.1.2.11/24\",\"11.11.11.11/24\","
          "\"2001:db8:1::11/64\"]}},\"ipam\":{" SUBNET "}}",
          "IP=10.1.2.10/24",
          NETWORKS " | " S_1_2 " | 10.1.2.10 10.1.2.11 11.11.11.11 "
                   "2001:db8:1::11 |" },
        /* 12 */
        { "{\"cniVersion\":\"0.2.0\",\"name\":\"mynet\",\"ipam\":{\"ranges\":[[{" SUBNET "}],"
          "[{\"subnet\":\"2001:db8:1::/48\"}]]}}",
          "",
          NETWORKS " | " S_1_2 " 2001:db8:1::1-2001:db8:1:ffff:ffff:ffff:ffff:ffff@2001:db8:1"
                   "::1 | |" },
        /* 13; the union of the three sources, in order, each once in its canonical form */
        { "{" V "\"runtimeConfig\":{\"ips\":[\"192.168.0.1\",\"192.168.0.5/24\","
          "\"2001:db8::1/64\"]},\"ipam\":{" SUBNET "}}",
          "", NETWORKS " | " S_1_2 " | 192.168.0.1 192.168.0.5 2001:db8::1 |" },
        { "{" V "\"runtimeConfig\":{\"ips\":[\"10.1.2.3\",\"::ffff:10.1.2.4\",\"10.1.2.4\"]},"
          "\"args\":{\"cni\":{\"ips\":[\"10.1.2.5\",\"10.1.2.3/8\"]}},\"ipam\":{" SUBNET "}}",
          "IP=10.1.2.4", NETWORKS " | " S_1_2 " | 10.1.2.4 10.1.2.5 10.1.2.3 |" },
        /* what is absent or ignored */
        { "{\"ipam\":{" SUBNET ",\"type\":\"banana\",\"name\":\"x\",\"dns\":7,\"ips\":7,"
          "\"addresses\":7},\"dns\":7,\"prevResult\":7,\"args\":null,\"runtimeConfig\":null}",
          "", NETWORKS " | " S_1_2 " | |" },
        { "{\"ipam\":{" SUBNET ",\"rangeStart\":\"\",\"rangeEnd\":null,\"gateway\":\"\","
          "\"ranges\":null,\"routes\":null,\"dataDir\":null,\"resolvConf\":null},"
          "\"args\":{\"cni\":null},\"runtimeConfig\":{\"ipRanges\":null,\"ips\":null}}",
          "", NETWORKS " | " S_1_2 " | |" },
        { "{\"ipam\":{" SUBNET ",\"ranges\":[]},\"args\":{\"cni\":{\"ips\":[]}},"
          "\"runtimeConfig\":{\"ipRanges\":[],\"ips\":[]}}",
          "", NETWORKS " | " S_1_2 " | |" },
        { "{\"ipam\":{\"rangeStart\":\"10.9.9.9\",\"gateway\":\"10.9.9.8\",\"ranges\":[[{" SUBNET
          "}]]}}",
          "", NETWORKS " | " S_1_2 " | |" }, /* the single range counts only with a subnet */
        { "{\"IPAM\":{\"SUBNET\":\"10.1.2.0/24\",\"DATADIR\":\"/d\",\"RangeSTART\":\"10.1.2.7\"}}",
          "", "/d/mynet | 10.1.2.7-10.1.2.254@10.1.2.1 | |" },
        { "{\"ipam\":{\"subnet\":\"10.9.0.0/24\"},\"ipam\":{" SUBNET "}}", "",
          NETWORKS " | " S_1_2 " | |" },
        /* places */
        { "{\"ipam\":{" SUBNET ",\"dataDir\":\"\"}}", "", NETWORKS " | " S_1_2 " | |" },
        { "{\"ipam\":{" SUBNET ",\"dataDir\":\"rel/./x/..\"}}", "", "rel/mynet | " S_1_2 " | |" },
        /* the rest */
        { "{\"ipam\":{" SUBNET ",\"resolvConf\":\"/etc/r\",\"strictStatus\":true,"
          "\"reclaimOnBoot\":true}}",
          "", NETWORKS " | " S_1_2 " | | | /etc/r strict reclaim" },
        { "{" V "\"ipam\":{" SUBNET ",\"routes\":[{\"dst\":\"0.0.0.0/0\"},{\"dst\":"
          "\"10.0.0.5/8\",\"gw\":\"1.1.1.1\"}]}}",
          "", NETWORKS " | " S_1_2 " | | 0.0.0.0/0 10.0.0.5/8" },
        /* 1.1 to 1.8: the last spelling of a name counts; texts that are taken; versions */
        { "{\"ipam\":7,\"ipam\":{\"subnet\":\"10.1.2.0/24\"}}", "", NETWORKS " | " S_1_2 " | |" },
        { "{\"ipam\":{\"SUBNET\":\"10.9.9.0/24\",\"subnet\":\"10.1.2.0/24\"}}", "",
          NETWORKS " | " S_1_2 " | |" },
        { "{\"ipam\":{\"ranges\":[[{\"subnet\":\"1.2.3.0/"
          "24\"}]],\"RANGES\":[[{\"subnet\":\"10.1.2.0/24\"}]]}}",
          "", NETWORKS " | " S_1_2 " | |" },
        { "{\"ipam\":{\"subnet\":\"10.1.2.0/024\"}}", "", NETWORKS " | " S_1_2 " | |" },
        { "{\"ipam\":{\"subnet\":\"10.1.2.0/24\"},\"Args\":{\"CNI\":{\"Ips\":[\"10.1.2.6/"
          "32\",\"::ffff:10.1.2.9/120\"]}},\"RUNTIMEconfig\":{\"IPS\":[\"2001:DB8::0:1\"]}}",
          "", NETWORKS " | " S_1_2 " | 10.1.2.6 10.1.2.9 2001:db8::1 |" },
        { "{\"ipam\":{\"subnet\":\"10.1.2.0/24\"}}", "IP=10.1.2.5;IP=10.1.2.6",
          NETWORKS " | " S_1_2 " | 10.1.2.6 |" },
        { "{\"ipam\":{\"subnet\":\"10.1.2.0/24\"}}", "K8S_POD_NAME=x;ip=1;IgnoreUnknown=TRUE",
          NETWORKS " | " S_1_2 " | |" },
        { "{\"ipam\":{\"subnet\":\"10.1.2.0/24\",\"gateway\":\"fe80::1\"}}", "",
          NETWORKS " | 10.1.2.1-10.1.2.254@fe80::1 | |" },
        { "{\"cniVersion\":\"0.2.0\",\"ipam\":{\"ranges\":[[{\"subnet\":\"10.1.2.0/"
          "24\"},{\"subnet\":\"10.1.3.0/24\"}]]}}",
          "", NETWORKS " | " S_1_2 ",10.1.3.1-10.1.3.254@10.1.3.1 | |" },
        { "{\"cniVersion\":\"0.3.0\",\"ipam\":{\"ranges\":[[{\"subnet\":\"10.1.2.0/"
          "24\"}],[{\"subnet\":\"10.1.3.0/24\"}]]}}",
          "", NETWORKS " | " S_1_2 " 10.1.3.1-10.1.3.254@10.1.3.1 | |" },
        /* a route without dst is left to the old formats, which leave it out */
        { "{\"cniVersion\":\"0.2.0\",\"ipam\":{" SUBNET ",\"routes\":[{},{\"dst\":\"::/0\"}]}}", "",
          NETWORKS " | " S_1_2 " | | <nil> ::/0" },
};

START_TEST(a_good_configuration_is_read)
{
        struct conf conf = { 0 };
        struct unit_call call;
        struct buf buf;
        struct err err;

        unit_call(&call, good_rows[_i].config, "eth0", good_rows[_i].args);
        unit_assert_ok(conf_read(&call.call, &conf, &err), &err);
        buf_init(&buf, 4000);
        describe(&conf, &buf);
        ck_assert_str_eq(buf_text(&buf), good_rows[_i].want);
        buf_done(&buf);
        conf_done(&conf);
        unit_call_done(&call);
}
END_TEST

#define RANGES(ranges) "{" V "\"ipam\":{\"ranges\":" ranges "}}"

static const struct {
        const char *config, *args;
        int code;
        const char *msg, *details;
} bad_rows[] = {
        { "{" V "\"x\":1}", "", 7, "IPAM config missing 'ipam' key", "" },
        { "{" V "\"ipam\":null}", "", 7, "IPAM config missing 'ipam' key", "" },
        { "{" V "\"ipam\":{}}", "", 7, "no IP ranges specified", "" },
        { RANGES("[]"), "", 7, "no IP ranges specified", "" },
        /* 8 */
        { RANGES("[[{\"subnet\":\"10.1.2.0/24\"},{\"subnet\":\"10.2.2.0/24\"}],"
                 "[{\"subnet\":\"10.1.4.0/24\"},{\"subnet\":\"10.1.6.0/24\"},"
                 "{\"subnet\":\"10.1.2.0/25\"}]]"),
          "", 7, "range set 0 overlaps with 1", "" },
        /* 9 */
        { RANGES("[[{\"subnet\":\"10.1.0.0/22\"},{\"subnet\":\"10.1.2.0/24\"}]]"), "", 7,
          "invalid range set 0: subnets 10.1.0.1-10.1.3.254 and 10.1.2.1-10.1.2.254 overlap",
          "ipam.ranges[0][1].subnet" },
        /* 10 */
        { RANGES("[[{\"subnet\":\"10.1.0.0/22\"},{\"subnet\":\"2001:db8:5::/64\"}]]"), "", 7,
          "invalid range set 0: mixed address families", "ipam.ranges[0][1].subnet" },
        /* 11 */
        { "{\"cniVersion\":\"0.2.0\",\"ipam\":{\"ranges\":[[{\"subnet\":\"10.1.2.0/24\"}],"
          "[{\"subnet\":\"11.1.2.0/24\"}]]}}",
          "", 7, "CNI version 0.2.0 does not support more than 1 address per family", "" },
        { "{\"ipam\":{\"ranges\":[[{\"subnet\":\"fd00::/64\"}],[{\"subnet\":\"fd01::/64\"}]]}}", "",
          7, "CNI version  does not support more than 1 address per family", "" },
        /* sets, their texts and places */
        { RANGES("[[]]"), "", 7, "invalid range set 0: empty range set", "ipam.ranges[0]" },
        { RANGES("[null]"), "", 7, "invalid range set 0: empty range set", "ipam.ranges[0]" },
        { RANGES("[[{\"subnet\":\"10.1.2.0/24\"}],[null]]"), "", 7,
          "invalid range set 1: IP <nil> not v4 nor v6", "ipam.ranges[1][0].subnet" },
        { RANGES("[[{}]]"), "", 7, "invalid range set 0: IP <nil> not v4 nor v6",
          "ipam.ranges[0][0].subnet" },
        { RANGES("[[{\"subnet\":\"10.1.2.0/24\",\"rangeStart\":\"10.1.3.1\"}]]"), "", 7,
          "invalid range set 0: RangeStart 10.1.3.1 not in network 10.1.2.0/24",
          "ipam.ranges[0][0].rangeStart" },
        { RANGES("[[{\"subnet\":\"10.1.2.0/24\",\"rangeStart\":\"10.1.2.50\",\"rangeEnd\":"
                 "\"10.1.2.40\"}]]"),
          "", 7, "invalid range set 0: RangeStart 10.1.2.50 is after RangeEnd 10.1.2.40",
          "ipam.ranges[0][0].rangeStart" },
        { "{" V "\"ipam\":{" SUBNET ",\"rangeEnd\":\"10.1.3.9\"}}", "", 7,
          "invalid range set 0: RangeEnd 10.1.3.9 not in network 10.1.2.0/24", "ipam.rangeEnd" },
        { "{" V "\"ipam\":{\"subnet\":\"10.1.2.0/31\"}}", "", 7,
          "invalid range set 0: Network 10.1.2.0/31 too small to allocate from", "ipam.subnet" },
        { "{" V "\"runtimeConfig\":{\"ipRanges\":[[{\"subnet\":\"10.9.0.0/24\"}],"
          "[{\"subnet\":\"10.1.2.1/24\"}]]},\"ipam\":{" SUBNET "}}",
          "", 7,
          "invalid range set 1: Network has host bits set. For a subnet mask of length 24 the "
          "network address is 10.1.2.0",
          "runtimeConfig.ipRanges[1][0].subnet" },
        { "{" V "\"runtimeConfig\":{\"ipRanges\":[[{\"subnet\":\"10.9.0.0/24\"}]]},\"ipam\":{"
          "\"ranges\":[[{\"subnet\":\"10.1.2.1/24\"}]]}}",
          "", 7,
          "invalid range set 1: Network has host bits set. For a subnet mask of length 24 the "
          "network address is 10.1.2.0",
          "ipam.ranges[0][0].subnet" },
        { "{" V "\"runtimeConfig\":{\"ipRanges\":[[{" SUBNET "}]]},\"ipam\":{" SUBNET "}}", "", 7,
          "range set 0 overlaps with 1", "" },
        /* texts that are no addresses: 1.3 */
        { "{" V "\"ipam\":{\"subnet\":\"\"}}", "", 7, "invalid CIDR address: ", "ipam.subnet" },
        { "{" V "\"ipam\":{\"subnet\":null}}", "", 7, "invalid CIDR address: ", "ipam.subnet" },
        { RANGES("[[{\"subnet\":\"10.1.2.0\"}]]"), "", 7, "invalid CIDR address: 10.1.2.0",
          "ipam.ranges[0][0].subnet" },
        { RANGES("[[{" SUBNET ",\"gateway\":\"10.1.2\"}]]"), "", 7, "invalid IP address: 10.1.2",
          "ipam.ranges[0][0].gateway" },
        { RANGES("[[{" SUBNET ",\"rangeStart\":\"fe80::1%lo\"}]]"), "", 7,
          "invalid IP address: fe80::1%lo", "ipam.ranges[0][0].rangeStart" },
        { "{" V "\"args\":{\"cni\":{\"ips\":[\"10.1.2.3\",\"x\"]}},\"ipam\":{" SUBNET "}}", "", 7,
          "invalid IP address x", "args.cni.ips[1]" },
        { "{" V "\"runtimeConfig\":{\"ips\":[\"10.1.2.3/33\"]},\"ipam\":{" SUBNET "}}", "", 7,
          "invalid IP address 10.1.2.3/33", "runtimeConfig.ips[0]" },
        { "{" V "\"args\":{\"cni\":{\"ips\":[\"\"]}},\"ipam\":{" SUBNET "}}", "", 7,
          "cannot understand ip: IP <nil> not v4 nor v6", "" },
        /* section 11: a bad text comes before a missing ipam and CNI_ARGS, "" behind both */
        { "{" V "\"args\":{\"cni\":{\"ips\":[\"x\"]}}}", "A=b", 7, "invalid IP address x",
          "args.cni.ips[0]" },
        { "{" V "\"args\":{\"cni\":{\"ips\":[\"\"]}}}", "A=b", 7, "IPAM config missing 'ipam' key",
          "" },
        { "{" V "\"args\":{\"cni\":{\"ips\":[\"\"]}},\"ipam\":{" SUBNET "}}", "A=b", 4,
          "ARGS: unknown args [\"A=b\"]", "" },
        { "{" V "\"ipam\":{}}", "A=b", 4, "ARGS: unknown args [\"A=b\"]", "" },
        { "{" V "\"ipam\":{" SUBNET "}}", "IP=x", 4,
          "ARGS: error parsing value of pair \"IP=x\": invalid IP address x", "" },
        { "{" V "\"ipam\":{" SUBNET "}}", "IP=10.1.2.3,10.1.2.4", 4,
          "ARGS: error parsing value of pair \"IP=10.1.2.3,10.1.2.4\": invalid IP address "
          "10.1.2.3,10.1.2.4",
          "" },
        /* types */
        { "[]", "", 6, "the configuration: must be an object, not a list", "" },
        { "{\"ipam\":[]}", "", 6, "ipam: must be an object, not a list", "" },
        { "{\"ipam\":{\"type\":1}}", "", 6, "ipam.type: must be a string, not a number", "" },
        { "{\"ipam\":{\"name\":1}}", "", 6, "ipam.name: must be a string, not a number", "" },
        { "{\"ipam\":{\"dataDir\":{}}}", "", 6, "ipam.dataDir: must be a string, not an object",
          "" },
        { "{\"ipam\":{\"resolvConf\":true}}", "", 6,
          "ipam.resolvConf: must be a string, not true or false", "" },
        { "{\"ipam\":{\"subnet\":24}}", "", 6, "ipam.subnet: must be a string, not a number", "" },
        { RANGES("[{" SUBNET "}]"), "", 6, "ipam.ranges[0]: must be a list, not an object", "" },
        { RANGES("{}"), "", 6, "ipam.ranges: must be a list, not an object", "" },
        { RANGES("[[[]]]"), "", 6, "ipam.ranges[0][0]: must be an object, not a list", "" },
        { RANGES("[[{" SUBNET "},{\"subnet\":{}}]]"), "", 6,
          "ipam.ranges[0][1].subnet: must be a string, not an object", "" },
        { "{\"ipam\":{\"strictStatus\":\"true\"}}", "", 6,
          "ipam.strictStatus: must be true or false, not a string", "" },
        { "{\"ipam\":{\"reclaimOnBoot\":1}}", "", 6,
          "ipam.reclaimOnBoot: must be true or false, not a number", "" },
        { "{\"args\":1}", "", 6, "args: must be an object, not a number", "" },
        { "{\"args\":{\"cni\":[]}}", "", 6, "args.cni: must be an object, not a list", "" },
        { "{\"args\":{\"cni\":{\"ips\":\"10.1.2.3\"}}}", "", 6,
          "args.cni.ips: must be a list, not a string", "" },
        { "{\"args\":{\"cni\":{\"ips\":[null]}}}", "", 6,
          "args.cni.ips[0]: must be a string, not null", "" },
        { "{\"runtimeConfig\":{\"ips\":[1]}}", "", 6,
          "runtimeConfig.ips[0]: must be a string, not a number", "" },
        { "{\"runtimeConfig\":[]}", "", 6, "runtimeConfig: must be an object, not a list", "" },
        { "{\"ipam\":{\"routes\":{}}}", "", 6, "ipam.routes: must be a list, not an object", "" },
        { "{\"ipam\":{\"routes\":[null]}}", "", 6, "ipam.routes[0]: must be an object, not null",
          "" },
        /* routes */
        { "{" V "\"ipam\":{" SUBNET ",\"routes\":[{\"dst\":\"::/0\"},{\"gw\":\"1.1.1.1\"}]}}", "",
          7, "invalid CIDR address: ", "ipam.routes[1].dst" },
        { "{\"ipam\":{" SUBNET ",\"routes\":[{\"dst\":\"x\"}]}}", "", 7, "invalid CIDR address: x",
          "ipam.routes[0].dst" },
        /* more rows of 1.3, 1.5, 1.7 and 2 */
        { "{\"ipam\":{\"subnet\":\"10.1.2.0/-1\"}}", "", 7, "invalid CIDR address: 10.1.2.0/-1",
          "ipam.subnet" },
        { "{\"ipam\":{\"subnet\":\"10.1.2.0/+24\"}}", "", 7, "invalid CIDR address: 10.1.2.0/+24",
          "ipam.subnet" },
        { "{\"ipam\":{\"subnet\":\"10.01.2.0/24\"}}", "", 7, "invalid CIDR address: 10.01.2.0/24",
          "ipam.subnet" },
        { "{\"ipam\":{\"subnet\":\"fe80::%eth0/64\"}}", "", 7,
          "invalid CIDR address: fe80::%eth0/64", "ipam.subnet" },
        { "{\"ipam\":{\"subnet\":\" 10.1.2.0/24\"}}", "", 7, "invalid CIDR address:  10.1.2.0/24",
          "ipam.subnet" },
        { "{\"ipam\":{\"subnet\":\"10.1.2.0/24 \"}}", "", 7, "invalid CIDR address: 10.1.2.0/24 ",
          "ipam.subnet" },
        { "{\"ipam\":{\"subnet\":\"2001:db8::/129\"}}", "", 7,
          "invalid CIDR address: 2001:db8::/129", "ipam.subnet" },
        { "{\"ipam\":{\"rangeEnd\":\"x\",\"ranges\":[[{\"subnet\":\"10.1.2.0/24\"}]]}}", "", 7,
          "invalid IP address: x", "ipam.rangeEnd" },
        { "{\"ipam\":{\"subnet\":\"10.1.2.0/24\",\"rangeStart\":\"10.1.2.9/24\"}}", "", 7,
          "invalid IP address: 10.1.2.9/24", "ipam.rangeStart" },
        { "{\"ipam\":{\"subnet\":\"10.1.2.0/"
          "24\"},\"runtimeConfig\":{\"ipRanges\":[[{\"subnet\":\"10.9.0.0/"
          "24\",\"gateway\":\"y\"}]]}}",
          "", 7, "invalid IP address: y", "runtimeConfig.ipRanges[0][0].gateway" },
        { "{\"ipam\":{\"subnet\":\"10.1.2.0/"
          "24\"},\"runtimeConfig\":{\"ipRanges\":[{\"subnet\":\"10.9.0.0/24\"}]}}",
          "", 6, "runtimeConfig.ipRanges[0]: must be a list, not an object", "" },
        { "{\"ipam\":{\"subnet\":\"10.1.2.0/24\"},\"runtimeConfig\":{\"ips\":[\"\"]}}", "", 7,
          "cannot understand ip: IP <nil> not v4 nor v6", "" },
        { "{\"ipam\":{\"subnet\":\"10.1.2.0/24\",\"routes\":[{\"dst\":\"::/0\",\"mtu\":\"1\"}]}}",
          "", 6, "ipam.routes[0].mtu: must be an integer, not a string", "" },
        { "{\"ipam\":{\"subnet\":\"10.1.2.0/24\",\"routes\":[{\"dst\":\"::/0\",\"mtu\":true}]}}",
          "", 6, "ipam.routes[0].mtu: must be an integer, not true or false", "" },
        { "{\"ipam\":{\"subnet\":\"10.1.2.0/24\",\"routes\":[{\"dst\":\"::/0\",\"mtu\":[]}]}}", "",
          6, "ipam.routes[0].mtu: must be an integer, not a list", "" },
        { "{\"ipam\":{\"subnet\":\"10.1.2.0/24\",\"routes\":[{\"dst\":\"::/0\",\"table\":1.5}]}}",
          "", 6, "ipam.routes[0].table: must be an integer, not 1.5", "" },
        { "{\"ipam\":{\"subnet\":\"10.1.2.0/24\",\"routes\":[{\"dst\":\"::/0\",\"table\":1e3}]}}",
          "", 6, "ipam.routes[0].table: must be an integer, not 1e3", "" },
        { "{\"ipam\":{\"subnet\":\"10.1.2.0/24\",\"routes\":[{\"dst\":\"::/"
          "0\",\"scope\":9223372036854775808}]}}",
          "", 6, "ipam.routes[0].scope: must be an integer of 64 bits, not 9223372036854775808",
          "" },
        { "{\"ipam\":{\"subnet\":\"10.1.2.0/24\",\"routes\":[{\"dst\":\"::/0\",\"gw\":\"x\"}]}}",
          "", 7, "invalid IP address: x", "ipam.routes[0].gw" },
        { "{\"cniVersion\":\"0.3.0\",\"ipam\":{\"subnet\":\"10.1.2.0/"
          "24\",\"routes\":[{\"dst\":null}]}}",
          "", 7, "invalid CIDR address: ", "ipam.routes[0].dst" },
        { "{\"ipam\":{\"subnet\":\"10.1.2.0/24\"}}", "x", 4, "ARGS: invalid pair \"x\"", "" },
        { "{\"ipam\":{\"subnet\":\"10.1.2.0/24\"}}", "IP=10.1.2.5;", 4, "ARGS: invalid pair \"\"",
          "" },
        { "{\"ipam\":{\"subnet\":\"10.1.2.0/24\"}}", "FOO=a=b", 4, "ARGS: invalid pair \"FOO=a=b\"",
          "" },
        { "{\"ipam\":{\"subnet\":\"10.1.2.0/24\"}}", "IgnoreUnknown=yes", 4,
          "ARGS: error parsing value of pair \"IgnoreUnknown=yes\": boolean unmarshal error: "
          "invalid input yes",
          "" },
        { "{\"ipam\":{\"subnet\":\"10.1.2.0/24\"}}", "ip=10.1.2.5;BAZ=x", 4,
          "ARGS: unknown args [\"ip=10.1.2.5\" \"BAZ=x\"]", "" },
        { "{\"ipam\":{\"subnet\":\"10.1.2.0/24\"}}", "IgnoreUnknown=0;Unk=nown", 4,
          "ARGS: unknown args [\"Unk=nown\"]", "" },
        /* 1.9: which of several errors is told */
        { "{\"ipam\":{\"subnet\":\"10.1.2.0/31\"}}", "y", 4, "ARGS: invalid pair \"y\"", "" },
        { "{\"ipam\":{},\"args\":{\"cni\":{\"ips\":[\"\"]}}}", "", 7,
          "cannot understand ip: IP <nil> not v4 nor v6", "" },
        { "{\"ipam\":{\"ranges\":[[{\"subnet\":\"10.1.2.0/24\"}],[{\"subnet\":\"10.1.2.0/"
          "24\"}],[{\"subnet\":\"10.3.2.0/31\"}]]}}",
          "", 7, "invalid range set 2: Network 10.3.2.0/31 too small to allocate from",
          "ipam.ranges[2][0].subnet" },
        { "{\"ipam\":{\"ranges\":[[{\"subnet\":\"10.1.2.0/24\"}],[{\"subnet\":\"10.1.2.0/24\"}]]}}",
          "", 7, "CNI version  does not support more than 1 address per family", "" },
        { "{\"cniVersion\":\"\",\"ipam\":{\"ranges\":[[{\"subnet\":\"10.1.2.0/"
          "24\"}],[{\"subnet\":\"10.3.2.0/24\"}]]}}",
          "", 7, "CNI version  does not support more than 1 address per family", "" },
        { "{\"cniVersion\":\"1.1.0\",\"ipam\":{\"ranges\":[[{\"subnet\":\"10.1.2.0/"
          "24\"}],[{\"subnet\":\"10.1.2.0/24\"}]],\"routes\":[{}]}}",
          "", 7, "range set 0 overlaps with 1", "" },
        { "{\"cniVersion\":\"1.1.0\",\"ipam\":{\"subnet\":\"10.1.2.0/"
          "24\",\"ranges\":[[{\"subnet\":\"2001:db8::/64\"}],[{\"subnet\":\"10.1.2.0/"
          "24\",\"rangeStart\":\"10.1.2.254\"}]]}}",
          "", 7, "range set 0 overlaps with 2", "" },
        { "{\"ipam\":{\"subnet\":\"::ffff:10.1.2.0/120\"}}", "", 7,
          "invalid range set 0: IPNet IP and Mask version mismatch", "ipam.subnet" },
        { "{\"ipam\":{\"subnet\":\"10.1.2.0/24\",\"rangeEnd\":\"10.1.2.0\"}}", "", 7,
          "invalid range set 0: RangeStart 10.1.2.1 is after RangeEnd 10.1.2.0", "ipam.rangeEnd" },
        { "{\"ipam\":{\"subnet\":\"10.1.2.0/24\"},\"IPAM\":null}", "", 7,
          "IPAM config missing 'ipam' key", "" },
};

START_TEST(a_bad_configuration_is_told_with_its_place)
{
        struct conf conf = { 0 };
        struct unit_call call;
        struct err err;

        unit_call(&call, bad_rows[_i].config, "eth0", bad_rows[_i].args);
        unit_assert_err(conf_read(&call.call, &conf, &err), &err, bad_rows[_i].code,
                        bad_rows[_i].msg);
        ck_assert_str_eq(err.details, bad_rows[_i].details);
        ck_assert_ptr_null(conf.place.path);
        ck_assert_ptr_null(conf.sets.items);
        unit_call_done(&call);
}
END_TEST

START_TEST(the_members_of_a_route_are_kept)
{
        static const char config[] =
                "{\"cniVersion\":\"1.1.0\",\"ipam\":{" SUBNET ",\"routes\":[{\"dst\":\"::/0\","
                "\"gw\":\"1.1.1.1\",\"mtu\":1400,\"advmss\":-1,\"priority\":9007199254740993,"
                "\"table\":0,\"scope\":253},{\"dst\":\"10.0.0.0/8\",\"gw\":\"\",\"scope\":null}]}}";
        struct conf conf = { 0 };
        char text[IP_TEXT_MAX];
        const struct route *routes;
        struct unit_call call;
        struct err err;

        unit_call(&call, config, "eth0", "");
        unit_assert_ok(conf_read(&call.call, &conf, &err), &err);
        ck_assert_uint_eq(conf.routes.count, 2);
        routes = conf.routes.items;
        ck_assert_str_eq(ip_format(&routes[0].gw, text), "1.1.1.1");
        ck_assert(routes[0].mtu == 1400 && routes[0].advmss == -1);
        ck_assert(routes[0].priority == 9007199254740993); /* no double can hold it */
        ck_assert(routes[0].table == 0 && routes[0].scope == 253);
        ck_assert_uint_eq(routes[1].gw.family, IP_UNSET);
        ck_assert(routes[1].table == ROUTE_UNSET && routes[1].scope == ROUTE_UNSET);
        conf_done(&conf);
        unit_call_done(&call);
}
END_TEST

/* ---- the place alone ---- */

static const struct {
        const char *config, *path;
        bool reclaim;
        int code;
        const char *msg;
} place_rows[] = {
        { "{\"ipam\":{}}", NETWORKS, false, 0, NULL },
        { "{\"ipam\":{\"dataDir\":\"/d\",\"reclaimOnBoot\":true}}", "/d/mynet", true, 0, NULL },
        { "{\"IPAM\":{\"datadir\":\"/d/\"}}", "/d/mynet", false, 0, NULL },
        /* whatever became of the rest */
        { "{\"ipam\":{\"subnet\":\"x\",\"ranges\":7,\"type\":7,\"routes\":[null]},\"args\":7,"
          "\"runtimeConfig\":7}",
          NETWORKS, false, 0, NULL },
        { "{}", NULL, false, 7, "IPAM config missing 'ipam' key" },
        { "{\"ipam\":null}", NULL, false, 7, "IPAM config missing 'ipam' key" },
        { "{\"ipam\":7}", NULL, false, 6, "ipam: must be an object, not a number" },
        { "{\"ipam\":{\"dataDir\":7}}", NULL, false, 6,
          "ipam.dataDir: must be a string, not a number" },
        { "{\"ipam\":{\"reclaimOnBoot\":\"yes\"}}", NETWORKS, false, 0, NULL },
};

START_TEST(the_place_needs_nothing_else)
{
        struct place place = { 0 };
        struct unit_call call;
        struct err err;
        int r;

        unit_call(&call, place_rows[_i].config, "eth0", "not;=parsed");
        r = conf_read_place(&call.call, &place, &err);
        if (place_rows[_i].msg) {
                unit_assert_err(r, &err, place_rows[_i].code, place_rows[_i].msg);
                ck_assert_ptr_null(place.path);
        } else {
                unit_assert_ok(r, &err);
                ck_assert_str_eq(place.path, place_rows[_i].path);
                ck_assert_int_eq(place.reclaim_on_boot, place_rows[_i].reclaim);
        }
        place_done(&place);
        unit_call_done(&call);
}
END_TEST

/* ---- ceilings ---- */

/* `count` times `item`, commas between them, in front of and behind the rest. */
static int read_many(const char *front, const char *item, size_t count, const char *behind,
                     struct err *err)
{
        struct conf conf = { 0 };
        struct unit_call call;
        struct buf buf;
        int r;

        buf_init(&buf, 1U << 22);
        buf_puts(&buf, front);
        for (size_t i = 0; i < count; i++) {
                buf_puts(&buf, i > 0 ? "," : "");
                /* "%" stands for two bytes of the number */
                for (const char *p = item; *p; p++)
                        if (*p == '%')
                                buf_printf(&buf, "%zu.%zu", i >> 8, i & 255);
                        else
                                buf_putc(&buf, *p);
        }
        buf_puts(&buf, behind);
        unit_call(&call, buf_text(&buf), "eth0", "");
        r = conf_read(&call.call, &conf, err);
        if (r == 0)
                ck_assert_uint_ge(conf.sets.count, 1);
        conf_done(&conf);
        unit_call_done(&call);
        buf_done(&buf);
        return r;
}

START_TEST(the_number_of_ranges_is_bounded)
{
        static const char front[] = "{" V "\"ipam\":{\"ranges\":[[", behind[] = "]]}}",
                          item[] = "{\"subnet\":\"10.%.0/24\"}";
        struct err err;

        unit_assert_ok(read_many(front, item, 4095, behind, &err), &err);
        unit_assert_err(read_many(front, item, 4096, behind, &err), &err, CNI_ERR_CONFIG,
                        "more than 4096 IP ranges");
        unit_assert_err(read_many("{" V "\"ipam\":{\"ranges\":[", "[]", 4097, "]}}", &err), &err,
                        CNI_ERR_CONFIG, "more than 4096 IP ranges");
}
END_TEST

START_TEST(the_number_of_requests_is_bounded)
{
        static const char front[] = "{" V "\"ipam\":{" SUBNET "},\"args\":{\"cni\":{\"ips\":[",
                          behind[] = "]}}}", item[] = "\"10.1.%\"";
        struct err err;

        unit_assert_ok(read_many(front, item, 4096, behind, &err), &err);
        unit_assert_err(read_many(front, item, 4097, behind, &err), &err, CNI_ERR_CONFIG,
                        "more than 4096 requested IPs");
}
END_TEST

static void add_tests(TCase *tests)
{
        unit_add_table(tests, a_good_configuration_is_read, good_rows);
        unit_add_table(tests, a_bad_configuration_is_told_with_its_place, bad_rows);
        tcase_add_test(tests, the_members_of_a_route_are_kept);
        unit_add_table(tests, the_place_needs_nothing_else, place_rows);
        tcase_add_test(tests, the_number_of_ranges_is_bounded);
        tcase_add_test(tests, the_number_of_requests_is_bounded);
}

UNIT_MAIN("conf", add_tests)
