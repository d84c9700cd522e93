/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Configurations as values. Numbers in comments: whereabouts-plugin.md 6.2 (config_test); sections
 * and scenarios (S) otherwise.
 */
#include "conf.h"

#include "compose.h"

/* ---- what is read ---- */

static void describe_ranges(const struct request *request, struct buf *buf)
{
        char text[IPNET_TEXT_MAX];

        for (size_t i = 0; i < request->range_count; i++) {
                const struct range *range = &request->ranges[i];

                buf_printf(buf, "%s%s", i > 0 ? ", " : "", ipnet_format(&range->net, text));
                if (range->start.family != IP_UNSET)
                        buf_printf(buf, " from %s", ip_format(&range->start, text));
                if (range->end.family != IP_UNSET)
                        buf_printf(buf, " to %s", ip_format(&range->end, text));
                for (size_t j = 0; j < range->exclude_count; j++)
                        buf_printf(buf, " not %s", range->exclude_texts[j]);
        }
}

static void describe_texts(const char *name, const struct text_list *list, struct buf *buf)
{
        for (size_t i = 0; i < list->count; i++)
                buf_printf(buf, " %s=%s", name, list->items[i]);
}

/* Everything that goes into an answer, in one line. */
static void describe(const struct conf *conf, struct buf *buf)
{
        char text[IPNET_TEXT_MAX];

        describe_ranges(&conf->request, buf);
        if (conf->gateway.family != IP_UNSET)
                buf_printf(buf, "; via %s", ip_format(&conf->gateway, text));
        ck_assert(ip_equal(&conf->gateway, &conf->request.gateway));
        for (size_t i = 0; i < conf->static_count; i++) {
                const struct result_ip *ip = &conf->static_addresses[i];

                buf_printf(buf, "; and %s", ipnet_format(&ip->address, text));
                if (ip->gateway.family != IP_UNSET)
                        buf_printf(buf, " via %s", ip_format(&ip->gateway, text));
        }
        for (size_t i = 0; i < conf->routes.count; i++) {
                buf_printf(buf, "; to %s", ipnet_format(&conf->routes.items[i].dst, text));
                buf_printf(buf, " via %s", ip_format(&conf->routes.items[i].gw, text));
        }
        describe_texts("ns", &conf->dns.nameservers, buf);
        describe_texts("search", &conf->dns.search, buf);
        describe_texts("option", &conf->dns.options, buf);
        if (conf->dns.domain)
                buf_printf(buf, " domain=%s", conf->dns.domain);
        buf_puts(buf, conf->request.allocate_gateway ? " allocate" : "");
        buf_puts(buf, conf->request.overlap ? "" : " apart");
        buf_puts(buf, conf->strict_status ? " strict" : "");
}

static const struct {
        const char *config, *flat, *want;
} good_rows[] = {
        /* 1, 9 to 12 */
        { IPAM("\"range\":\"192.168.1.5-192.168.1.25/24\",\"gateway\":\"192.168.10.1\""), FLAT,
          "192.168.1.0/24 from 192.168.1.5 to 192.168.1.25; via 192.168.10.1" },
        { IPAM("\"range\":\"00192.00168.1.5-000000192.168.1.25/24\""), FLAT,
          "192.168.1.0/24 from 192.168.1.5 to 192.168.1.25" },
        { IPAM("\"range\":\"00192.00168.1.0/24\""), FLAT, "192.168.1.0/24" },
        { IPAM("\"range\":\"00192.00168.1.0/24\",\"range_start\":\"00192.00168.1.44\""), FLAT,
          "192.168.1.0/24 from 192.168.1.44" },
        { IPAM("\"range\":\"00192.00168.1.0/24\",\"range_start\":\"00192.00168.1.44\","
               "\"range_end\":\"00192.00168.01.209\""),
          FLAT, "192.168.1.0/24 from 192.168.1.44 to 192.168.1.209" },
        /* 3: the call over the file */
        { IPAM("\"range\":\"192.168.2.230/24\",\"range_start\":\"192.168.2.223\",\"gateway\":"
               "\"192.168.10.1\",\"leader_lease_duration\":3000,\"leader_renew_deadline\":2000,"
               "\"leader_retry_period\":1000"),
          "{\"datastore\":\"kubernetes\"," K ",\"gateway\":\"192.168.5.5\"}",
          "192.168.2.0/24 from 192.168.2.223; via 192.168.10.1" },
        /* 4, 5: the file has no say */
        { IPAM("\"range\":\"10.0.0.0/24\",\"enable_overlapping_ranges\":true"),
          "{" K ",\"enable_overlapping_ranges\":false}", "10.0.0.0/24" },
        { IPAM("\"range\":\"10.0.0.0/24\",\"enable_overlapping_ranges\":false"),
          "{" K ",\"enable_overlapping_ranges\":true}", "10.0.0.0/24 apart" },
        { IPAM("\"range\":\"10.0.0.0/24\""), "{" K ",\"enable_overlapping_ranges\":false}",
          "10.0.0.0/24" },
        { IPAM("\"range\":\"10.0.0.0/24\",\"enable_overlapping_ranges\":null"), FLAT,
          "10.0.0.0/24" },
        /* 13, and what else is not used: 1.2 */
        { IPAM("\"range\":\"10.0.0.0/24\",\"reconciler_cron_expression\":\"30 4 * * *\","
               "\"etcd_host\":\"x\",\"datastore\":\"etcd\",\"sleep_for_race\":1,\"Name\":\"x\","
               "\"PodName\":\"x\",\"PodNamespace\":\"x\",\"locking\":7,\"banana\":[]"),
          FLAT, "10.0.0.0/24" },
        /* S1, S9 to S16, S19 */
        { IPAM("\"range\":\"192.168.2.225/28\",\"gateway\":\"192.168.2.1\""), FLAT,
          "192.168.2.224/28; via 192.168.2.1" },
        { IPAM("\"range\":\"192.168.1.0/24\",\"exclude\":[\"192.168.1.0/28\",\"192.168.1.16/28\"],"
               "\"gateway\":\"192.168.10.1\",\"routes\":[{\"dst\":\"0.0.0.0/0\"}]"),
          FLAT,
          "192.168.1.0/24 not 192.168.1.0/28 not 192.168.1.16/28; via 192.168.10.1; to 0.0.0.0/0 "
          "via <nil>" },
        { IPAM("\"range\":\"192.168.1.44/28\",\"gateway\":\"192.168.1.1\",\"addresses\":[{"
               "\"address\":\"10.10.0.1/24\",\"gateway\":\"10.10.0.254\"},{\"address\":"
               "\"3ffe:ffff:0:01ff::1/64\",\"gateway\":\"3ffe:ffff:0::1\"}],\"routes\":[{\"dst\":"
               "\"0.0.0.0/0\"},{\"dst\":\"192.168.0.0/16\",\"gw\":\"10.10.5.1\"},{\"dst\":"
               "\"3ffe:ffff:0:01ff::1/64\"}],\"dns\":{\"nameservers\":[\"10.10.0.1\",\"::2\"],"
               "\"domain\":\"example.com\",\"search\":[\"a\",\"b\"],\"options\":[\"o:1\"]}"),
          FLAT,
          "192.168.1.32/28; via 192.168.1.1; and 10.10.0.1/24 via 10.10.0.254; and "
          "3ffe:ffff:0:1ff::1/64 via 3ffe:ffff::1; to 0.0.0.0/0 via <nil>; to 192.168.0.0/16 via "
          "10.10.5.1; to 3ffe:ffff:0:1ff::1/64 via <nil> ns=10.10.0.1 ns=::2 search=a search=b "
          "option=o:1 domain=example.com" },
        { IPAM("\"ipRanges\":[{\"range\":\"192.168.10.1/24\"},{\"range\":\"abcd::1/64\"}]"), FLAT,
          "192.168.10.0/24, abcd::/64" },
        { IPAM("\"ipRanges\":[{\"range\":\"192.168.10.1/24\"}],\"range\":\"abcd::1/64\""), FLAT,
          "abcd::/64, 192.168.10.0/24" },
        { IPAM("\"range\":\"2001:db8:480:603d:0304:0403:000:0000-2001:db8:480:603d:0304:0403:0000:"
               "0004/64\""),
          FLAT,
          "2001:db8:480:603d::/64 from 2001:db8:480:603d:304:403:: to "
          "2001:db8:480:603d:304:403:0:4" },
        { IPAM("\"range\":\"fd00:0:0:10:0:0:3:1-fd00:0:0:10:0:0:3:6/64\""), FLAT,
          "fd00:0:0:10::/64 from fd00::10:0:0:3:1 to fd00::10:0:0:3:6" },
        { IPAM("\"range\":\"fd::1/116\""), FLAT, "fd::/116" },
        /* 1.2 */
        { "{\"IPAM\":{\"Type\":\"whereabouts\",\"RANGE\":\"10.0.0.0/"
          "24\",\"Exclude\":[\"10.0.0.1\"],"
          "\"IPRANGES\":[{\"Range\":\"10.1.0.0/24\",\"EXCLUDE\":[\"10.1.0.1\"]}]}}",
          FLAT, "10.0.0.0/24 not 10.0.0.1, 10.1.0.0/24 not 10.1.0.1" },
        { IPAM("\"range\":\"10.0.0.0/24\",\"range_start\":\"banana\",\"range_end\":\"10.0.0\""),
          FLAT, "10.0.0.0/24" },
        { IPAM("\"range\":\"10.0.0.0/24\",\"range_start\":\"\",\"range_end\":\"\""), FLAT,
          "10.0.0.0/24" },
        { IPAM("\"range\":\"10.0.0.0/24\",\"range_start\":\"fd00::1\",\"range_end\":\"10.9.9.9\""),
          FLAT, "10.0.0.0/24 to 10.9.9.9" }, /* of no family, and of no use */
        { IPAM("\"ipRanges\":[{\"range\":\"10.0.0.0/24\",\"range_start\":\"\",\"range_end\":"
               "\"10.0.0.9\"},{\"range\":\"00010.1.0.0/24\",\"range_start\":\"10.1.0.5\"}]"),
          FLAT, "10.0.0.0/24 to 10.0.0.9, 10.1.0.0/24 from 10.1.0.5" },
        { IPAM("\"range_start\":\"10.0.0.5\",\"exclude\":[\"banana\"],\"ipRanges\":[{\"range\":"
               "\"10.0.0.0/24\"}]"),
          FLAT, "10.0.0.0/24" }, /* they belong to `range` */
        { IPAM("\"gateway\":\"0010.0.0.1\",\"addresses\":[{\"address\":\"0010.0.00.7/024\"},{"
               "\"address\":\"::ffff:10.0.0.8/120\",\"gateway\":\"\"}]"),
          FLAT, "; via 10.0.0.1; and 10.0.0.7/24; and 10.0.0.8/24" },
        { IPAM("\"range\":\"10.0.0.0/24\",\"gateway\":\"\",\"network_name\":\"\","
               "\"node_slice_size\":\"\",\"dns\":null,\"routes\":null,\"addresses\":null,"
               "\"ipRanges\":null,\"exclude\":null,\"kubernetes\":null"),
          FLAT, "10.0.0.0/24" },
        { IPAM("\"range\":\"10.0.0.0/24\",\"kubernetes\":{\"k8s_api_root\":\"x\"}"), FLAT,
          "10.0.0.0/24" },
        { IPAM("\"range\":\"10.0.0.0/24\",\"range\":\"10.1.0.0/24\""), FLAT, "10.1.0.0/24" },
        /* 1.4 */
        { IPAM("\"ipRanges\":[{\"range\":\"10.0.0.0/24\"}]"),
          "{" K ",\"range\":\"10.9.0.0/24\",\"exclude\":[\"10.9.0.1\"]}",
          "10.9.0.0/24 not 10.9.0.1, 10.0.0.0/24" },
        { IPAM("\"range\":\"10.0.0.0/24\""),
          "{" K ",\"range_start\":\"10.0.0.7\",\"range_end\":\"10.0.0.9\"}",
          "10.0.0.0/24 from 10.0.0.7 to 10.0.0.9" },
        { IPAM("\"range\":\"10.0.0.0/24\",\"exclude\":[\"10.0.0.1\"],\"range_end\":\"10.0.0.8\""),
          "{" K ",\"exclude\":[\"10.0.0.2\"],\"range_start\":\"10.0.0.7\",\"range_end\":"
          "\"10.0.0.9\"}",
          "10.0.0.0/24 from 10.0.0.7 to 10.0.0.8 not 10.0.0.1" },
        { IPAM("\"range\":\"10.0.0.0/24\",\"exclude\":[]"), "{" K ",\"exclude\":[\"10.0.0.2\"]}",
          "10.0.0.0/24 not 10.0.0.2" },
        { IPAM("\"range\":\"10.0.0.0/24\",\"ipRanges\":[],\"addresses\":[],\"routes\":[]"),
          "{" K ",\"ipRanges\":[{\"range\":\"10.1.0.0/24\"}],\"addresses\":[{\"address\":"
          "\"10.2.0.2/24\"}],\"routes\":[{\"dst\":\"::/0\"}],\"gateway\":\"10.0.0.1\"}",
          "10.0.0.0/24, 10.1.0.0/24; via 10.0.0.1; and 10.2.0.2/24; to ::/0 via <nil>" },
        { IPAM("\"ipRanges\":[{\"range\":\"10.1.0.0/24\"}],\"addresses\":[{\"address\":"
               "\"10.2.0.2/24\"}],\"routes\":[{\"dst\":\"::/0\"}]"),
          "{" K ",\"ipRanges\":[{\"range\":\"10.7.0.0/24\"}],\"addresses\":[{\"address\":"
          "\"10.8.0.2/24\"}],\"routes\":[{\"dst\":\"0.0.0.0/0\"}]}",
          "10.1.0.0/24; and 10.2.0.2/24; to ::/0 via <nil>" },
        { IPAM("\"dns\":{\"nameservers\":[\"1\"],\"search\":[\"s\"]}"),
          "{" K ",\"dns\":{\"nameservers\":[\"2\"],\"domain\":\"d\",\"options\":[\"o\"]}}",
          " ns=1 search=s option=o domain=d" },
        { IPAM("\"range\":\"10.0.0.0/24\"," K), "null", "10.0.0.0/24" },
        { IPAM("\"range\":\"10.0.0.0/24\"," K), "{}", "10.0.0.0/24" },
        { IPAM("\"range\":\"10.0.0.0/24\""),
          "{" K ",\"type\":\"banana\",\"configuration_path\":\"/etc/cni/net.d\"}", "10.0.0.0/24" },
        /* 1.5 */
        { IPAM("\"range\":\"::ffff:10.31.0.0/120\""), FLAT, "10.31.0.0/24" },
        { IPAM("\"range\":\"::ffff:10.31.0.4-::ffff:10.31.0.9/120\""), FLAT,
          "10.31.0.0/24 from 10.31.0.4 to 10.31.0.9" },
        { IPAM("\"range\":\"10.0.0.9-10.0.0.5/24\""), FLAT,
          "10.0.0.0/24 from 10.0.0.9 to 10.0.0.5" },
        { IPAM("\"range\":\"10.0.0.4-10.0.0.9/24\",\"range_start\":\"10.0.0.1\",\"range_end\":"
               "\"10.0.0.20\""),
          FLAT, "10.0.0.0/24 from 10.0.0.4 to 10.0.0.9" },
        { IPAM("\"range\":\"fd00::4-fd00::9/64\",\"exclude\":[\"fd00::5\",\"10.0.0.0/8\"]"), FLAT,
          "fd00::/64 from fd00::4 to fd00::9 not fd00::5 not 10.0.0.0/8" },
        { IPAM("\"gateway\":\"\""), FLAT, "" },
        { IPAM("\"range\":\"\""), FLAT, "" },
        { IPAM("\"range\":\"10.0.0.0/31\""), FLAT, "10.0.0.0/31" }, /* found out by the choice */
        /* what is ours */
        { IPAM("\"range\":\"10.0.0.0/24\",\"allocate_gateway\":true,\"strictStatus\":true"), FLAT,
          "10.0.0.0/24 allocate strict" },
        { IPAM("\"range\":\"10.0.0.0/24\""), "{" K ",\"allocate_gateway\":true}",
          "10.0.0.0/24 allocate" },
        { IPAM("\"range\":\"10.0.0.0/24\",\"allocate_gateway\":false,\"strictStatus\":false"),
          "{" K ",\"allocate_gateway\":true,\"strictStatus\":true}", "10.0.0.0/24" },
        { IPAM("\"range\":\"10.0.0.0/24\""), "{" K ",\"strictStatus\":true}",
          "10.0.0.0/24 strict" },
        /* a route without dst is left to the old formats, which leave it out */
        { "{\"ipam\":{\"type\":\"whereabouts\",\"routes\":[{},{\"dst\":\"::/0\"}]}}", FLAT,
          "; to <nil> via <nil>; to ::/0 via <nil>" },
        /* one address of each family, whatever the ranges */
        { "{\"cniVersion\":\"0.2.0\",\"ipam\":{\"type\":\"whereabouts\",\"ipRanges\":[{\"range\":"
          "\"10.0.0.0/24\"},{\"range\":\"10.1.0.0/24\"}],\"addresses\":[{\"address\":"
          "\"10.2.0.2/24\"},{\"address\":\"fd00::2/64\"}]}}",
          FLAT, "10.0.0.0/24, 10.1.0.0/24; and 10.2.0.2/24; and fd00::2/64" },
};

START_TEST(a_good_configuration_is_read)
{
        struct conf conf = { 0 };
        struct buf buf;
        struct err err;

        unit_assert_ok(
                compose(good_rows[_i].config, good_rows[_i].flat, POD, CONF_ADD, &conf, &err),
                &err);
        buf_init(&buf, 4000);
        describe(&conf, &buf);
        ck_assert_str_eq(buf_text(&buf), good_rows[_i].want);
        ck_assert_str_eq(conf.node.kubeconfig, "/etc/k");
        ck_assert_str_eq(conf.node.flat_file, "/etc/flat");
        /* A STATUS needs no pod, and reads the same. */
        buf_done(&buf);
        conf_done(&conf);
        unit_assert_ok(
                compose(good_rows[_i].config, good_rows[_i].flat, "", CONF_STATUS, &conf, &err),
                &err);
        describe(&conf, &buf);
        ck_assert_str_eq(buf_text(&buf), good_rows[_i].want);
        buf_done(&buf);
        conf_done(&conf);
}
END_TEST

/* 1.6, S23; ranges do not matter here. */
static const struct {
        const char *args, *want;
} argument_rows[] = {
        { POD ";IP=10.9.9.9/24,fd00::9/64;GATEWAY=10.9.9.1",
          "; and 10.7.0.7/24 via 10.7.0.1; and 10.9.9.9/24 via 10.9.9.1; and fd00::9/64" },
        { POD ";GATEWAY=10.7.0.9, fd00::1,10.7.0.10", "; and 10.7.0.7/24 via 10.7.0.10" },
        { POD ";IP= 00010.1.1.1/024 ,\tfd00::1/64;GATEWAY=\n00010.1.1.2 ",
          "; and 10.7.0.7/24 via 10.7.0.1; and 10.1.1.1/24 via 10.1.1.2; and fd00::1/64" },
        { POD ";IP=;GATEWAY=", "; and 10.7.0.7/24 via 10.7.0.1" },
        { POD ";IP=10.1.1.1/24;IP=10.1.1.2/24", "; and 10.7.0.7/24 via 10.7.0.1; and 10.1.1.2/24" },
        { "IgnoreUnknown=1;X=y;" POD ";K8S_POD_INFRA_CONTAINER_ID=abc",
          "; and 10.7.0.7/24 via 10.7.0.1" },
        { "ip=10.1.1.1/24;IgnoreUnknown=true;" POD, "; and 10.7.0.7/24 via 10.7.0.1" },
};

START_TEST(arguments_add_addresses_and_gateways)
{
        struct conf conf = { 0 };
        struct buf buf;
        struct err err;

        unit_assert_ok(compose(IPAM("\"addresses\":[{\"address\":\"10.7.0.7/24\",\"gateway\":"
                                    "\"10.7.0.1\"}]"),
                               FLAT, argument_rows[_i].args, CONF_ADD, &conf, &err),
                       &err);
        buf_init(&buf, 4000);
        describe(&conf, &buf);
        ck_assert_str_eq(buf_text(&buf), argument_rows[_i].want);
        ck_assert_str_eq(conf.request.podref, "ns1/pod1");
        buf_done(&buf);
        conf_done(&conf);
}
END_TEST

START_TEST(a_request_names_who_asks_and_for_what)
{
        struct conf conf = { 0 };
        const struct request *request = &conf.request;
        struct err err;

        unit_assert_ok(compose(IPAM("\"range\":\"10.0.0.0/24\""), FLAT, "K8S_POD_NAME=p", CONF_ADD,
                               &conf, &err),
                       &err);
        ck_assert_int_eq(request->verb, REQUEST_ADD);
        ck_assert_str_eq(request->network, "mynet");
        ck_assert_str_eq(request->container_id, "c1");
        ck_assert_str_eq(request->ifname, "net1");
        ck_assert_str_eq(request->podref, "/p"); /* 1.6 */
        ck_assert(!request->network_name && !request->slice_pool && !request->node);
        conf_done(&conf);
        /* named, and with slices */
        unit_assert_ok(compose(IPAM("\"network_name\":\"net-a\",\"node_slice_size\":\"/22\""), FLAT,
                               POD, CONF_RELEASE, &conf, &err),
                       &err);
        ck_assert_int_eq(request->verb, REQUEST_DEL);
        ck_assert_str_eq(request->network_name, "net-a");
        ck_assert_str_eq(request->slice_pool, "net-a");
        ck_assert_ptr_null(request->node);
        conf_done(&conf);
        unit_assert_ok(compose(IPAM("\"range\":\"10.0.0.0/8\""),
                               "{" K ",\"node_slice_size\":\"22\"}", POD, CONF_ADD, &conf, &err),
                       &err);
        ck_assert_ptr_null(request->network_name);
        ck_assert_str_eq(request->slice_pool, "mynet");
        conf_done(&conf);
        unit_assert_ok(compose(IPAM("\"network_name\":\"\""), "{" K ",\"network_name\":\"f\"}", POD,
                               CONF_ADD, &conf, &err),
                       &err);
        ck_assert_str_eq(request->network_name, "f");
        conf_done(&conf);
}
END_TEST

START_TEST(the_members_of_a_route_are_kept)
{
        struct conf conf = { 0 };
        const struct route *route;
        struct err err;

        unit_assert_ok(
                compose(IPAM("\"routes\":[{\"dst\":\"fd01::/64\",\"gw\":\"fd00::99\",\"mtu\":"
                             "1400,\"priority\":5,\"advmss\":7,\"table\":0,\"scope\":253}]"),
                        FLAT, POD, CONF_ADD, &conf, &err),
                &err);
        route = &conf.routes.items[0];
        ck_assert(route->mtu == 1400 && route->priority == 5 && route->advmss == 7);
        ck_assert(route->table == 0 && route->scope == 253);
        conf_done(&conf);
}
END_TEST

/* ---- what is refused ---- */

static const struct {
        const char *config, *flat, *args, *msg, *details;
} bad_rows[] = {
        /* 7, 8; rows 8 to 10 of 1.1 */
        { "{" V "\"x\":1}", FLAT, POD, "IPAM config missing 'ipam' key", "" },
        { "{" V "\"ipam\":null}", FLAT, POD, "IPAM config missing 'ipam' key", "" },
        { "{" V "\"ipam\":{\"type\":\"static\"}}", FLAT, POD,
          "only interested in networks whose IPAM type is 'whereabouts'. This one was: static",
          "ipam.type" },
        { "{" V "\"ipam\":{}}", FLAT, "x",
          "only interested in networks whose IPAM type is 'whereabouts'. This one was: ",
          "ipam.type" },
        { "{" V "\"ipam\":{\"type\":\"Whereabouts\"}}", FLAT, POD,
          "only interested in networks whose IPAM type is 'whereabouts'. This one was: Whereabouts",
          "ipam.type" },
        { "{" V "\"ipam\":[]}", FLAT, "x", PARSING "ipam: must be an object, not a list", "" },
        { "{" V "\"ipam\":{\"type\":\"static\",\"range\":24}}", FLAT, POD,
          PARSING "ipam.range: must be a string, not a number", "" },
        { IPAM("\"ipRanges\":[{\"range\":\"x\",\"range_start\":\"zzz\"}]"), FLAT, POD,
          PARSING "invalid IP address: zzz", "ipam.ipRanges[0].range_start" },
        { IPAM("\"ipRanges\":[{},{\"range_end\":\"010.0.0.1\"}]"), FLAT, POD,
          PARSING "invalid IP address: 010.0.0.1", "ipam.ipRanges[1].range_end" },
        { IPAM("\"ipRanges\":[7]"), FLAT, POD,
          PARSING "ipam.ipRanges[0]: must be an object, not a number", "" },
        { IPAM("\"ipRanges\":{}"), FLAT, POD,
          PARSING "ipam.ipRanges: must be a list, not an object", "" },
        { IPAM("\"range_start\":7"), FLAT, POD,
          PARSING "ipam.range_start: must be a string, not a number", "" },
        { IPAM("\"exclude\":\"x\""), FLAT, POD,
          PARSING "ipam.exclude: must be a list, not a string", "" },
        { IPAM("\"exclude\":[7]"), FLAT, POD,
          PARSING "ipam.exclude[0]: must be a string, not a number", "" },
        { IPAM("\"gateway\":7"), FLAT, POD, PARSING "ipam.gateway: must be a string, not a number",
          "" },
        { IPAM("\"routes\":[{\"dst\":\"x\"}]"), FLAT, POD, PARSING "invalid CIDR address: x",
          "ipam.routes[0].dst" },
        { IPAM("\"routes\":[{\"dst\":\"::/0\",\"gw\":\"x\"}]"), FLAT, POD,
          PARSING "invalid IP address: x", "ipam.routes[0].gw" },
        { IPAM("\"dns\":{\"search\":7}"), FLAT, POD,
          PARSING "ipam.dns.search: must be a list, not a number", "" },
        { IPAM("\"addresses\":[{\"address\":7}]"), FLAT, POD,
          PARSING "ipam.addresses[0].address: must be a string, not a number", "" },
        { IPAM("\"addresses\":[{\"gateway\":\"010.0.0.1\"}]"), FLAT, POD,
          PARSING "invalid IP address: 010.0.0.1", "ipam.addresses[0].gateway" },
        { IPAM("\"network_name\":7"), FLAT, POD,
          PARSING "ipam.network_name: must be a string, not a number", "" },
        { IPAM("\"enable_overlapping_ranges\":\"true\""), FLAT, POD,
          PARSING "ipam.enable_overlapping_ranges: must be true or false, not a string", "" },
        { IPAM("\"node_slice_size\":22"), FLAT, POD,
          PARSING "ipam.node_slice_size: must be a string, not a number", "" },
        { IPAM("\"kubernetes\":{\"kubeconfig\":7}"), FLAT, POD,
          PARSING "ipam.kubernetes.kubeconfig: must be a string, not a number", "" },
        { IPAM("\"log_file\":7"), FLAT, POD,
          PARSING "ipam.log_file: must be a string, not a number", "" },
        { IPAM("\"configuration_path\":7"), FLAT, POD,
          PARSING "ipam.configuration_path: must be a string, not a number", "" },
        { IPAM("\"allocate_gateway\":1"), FLAT, POD,
          PARSING "ipam.allocate_gateway: must be true or false, not a number", "" },
        /* row 11 */
        { IPAM("\"range\":\"x\""), "{\"range\":7}", "FOO",
          "LoadArgs - CNI Args Parsing Error: ARGS: invalid pair \"FOO\"", "" },
        { IPAM("\"range\":\"x\""), FLAT, "FOO=bar",
          "LoadArgs - CNI Args Parsing Error: ARGS: unknown args [\"FOO=bar\"]", "" },
        { IPAM("\"range\":\"x\""), FLAT, "IgnoreUnknown=x",
          "LoadArgs - CNI Args Parsing Error: ARGS: error parsing value of pair "
          "\"IgnoreUnknown=x\": boolean unmarshal error: invalid input x",
          "" },
        { IPAM("\"range\":\"x\""), FLAT, "k8s_pod_name=p",
          "LoadArgs - CNI Args Parsing Error: ARGS: unknown args [\"k8s_pod_name=p\"]", "" },
        /* row 12 */
        { IPAM("\"range\":\"x\""), "{\"range\":7}", POD,
          FLATTER "range: must be a string, not a number", "" },
        { IPAM("\"range\":\"x\""), "[]", POD,
          FLATTER "the configuration: must be an object, not a list", "" },
        { IPAM("\"range\":\"x\""), "{\"ipRanges\":[{\"range_start\":\"y\"}]}", POD,
          FLATTER "invalid IP address: y", "ipRanges[0].range_start" },
        { IPAM("\"range\":\"x\""), "{\"enable_overlapping_ranges\":7}", POD,
          FLATTER "enable_overlapping_ranges: must be true or false, not a number", "" },
        { IPAM("\"range\":\"x\""), "{\"leader_lease_duration\":\"1\"}", POD,
          FLATTER "leader_lease_duration: must be an integer, not a string", "" },
        { IPAM("\"range\":\"x\""), "{\"locking\":7}", POD,
          FLATTER "locking: must be a string, not a number", "" },
        /* 14; row 14, 1.5 */
        { IPAM("\"range\":\"192.168.1.5-192.168.2.25/28\""), FLAT, POD,
          "invalid range start for CIDR 192.168.2.16/28: 192.168.1.5", "ipam.range" },
        { IPAM("\"range\":\"192.168.1.0\""), "{}", POD, CIDR("192.168.1.0"), "ipam.range" },
        { IPAM("\"range\":\"192.168.1.0/33\""), FLAT, POD, CIDR("192.168.1.0/33"), "ipam.range" },
        { IPAM("\"range\":\" 192.168.1.0/24\""), FLAT, POD, CIDR(" 192.168.1.0/24"), "ipam.range" },
        { IPAM("\"range\":\"banana\""), FLAT, POD, CIDR("banana"), "ipam.range" },
        { IPAM("\"range\":\"::ffff:10.0.0.0/24\""), FLAT, POD, CIDR("::ffff:10.0.0.0/24"),
          "ipam.range" },
        { IPAM("\"range\":\"a-10.0.0.9/24\""), FLAT, POD, "invalid range start IP: a",
          "ipam.range" },
        { IPAM("\"range\":\"10.0.0.4 -10.0.0.9/24\""), FLAT, POD,
          "invalid range start IP: 10.0.0.4 ", "ipam.range" },
        { IPAM("\"range\":\"-10.0.0.9/24\""), FLAT, POD, "invalid range start IP: ", "ipam.range" },
        { IPAM("\"range\":\"10.0.0.4-10.0.0.9\""), FLAT, POD,
          "invalid CIDR (do you have the 'range' parameter set for Whereabouts?) '10.0.0.9': "
          "invalid CIDR address: 10.0.0.9",
          "ipam.range" },
        { IPAM("\"range\":\"10.0.0.4-10.0.0.5-10.0.0.9/24\""), FLAT, POD,
          "invalid CIDR (do you have the 'range' parameter set for Whereabouts?) "
          "'10.0.0.5-10.0.0.9/24': invalid CIDR address: 10.0.0.5-10.0.0.9/24",
          "ipam.range" },
        { IPAM("\"range\":\"fd00::1-10.0.0.9/24\""), FLAT, POD,
          "invalid range start for CIDR 10.0.0.0/24: fd00::1", "ipam.range" },
        { IPAM("\"range\":\"10.0.0.0/24\",\"ipRanges\":[{\"range\":\"10.1.0.0/24\"},{}]"), FLAT,
          POD, CIDR(""), "ipam.ipRanges[1].range" },
        { IPAM("\"ipRanges\":[null]"), FLAT, POD, CIDR(""), "ipam.ipRanges[0].range" },
        { IPAM("\"ipRanges\":[{\"range\":\"x\"}]"), "{\"range\":\"y\"}", POD, CIDR("y"),
          "/etc/flat: range" },
        { IPAM("\"range\":\"10.0.0.0/24\""), "{\"ipRanges\":[{\"range\":\"y\"}]}", POD, CIDR("y"),
          "/etc/flat: ipRanges[0].range" },
        /* row 15: behind the ranges, in front of the rest */
        { IPAM("\"range\":\"10.0.0.0/24\",\"gateway\":\"x\""), "{}", POD, STORAGE, "" },
        { IPAM("\"range\":\"10.0.0.0/24\",\"kubernetes\":{\"kubeconfig\":\"\"}"), "null", POD,
          STORAGE, "" },
        /* rows 16 to 18 */
        { IPAM("\"gateway\":\"x\",\"addresses\":[{\"address\":\"y\"}]"), FLAT, POD,
          "couldn't parse gateway IP: x", "ipam.gateway" },
        { IPAM("\"gateway\":\"10.0.0.1/24\""), FLAT, POD, "couldn't parse gateway IP: 10.0.0.1/24",
          "ipam.gateway" },
        { IPAM("\"x\":1"), "{" K ",\"gateway\":\"x\"}", POD, "couldn't parse gateway IP: x",
          "/etc/flat: gateway" },
        { IPAM("\"addresses\":[{\"address\":\"10.0.0.1/8\"},{\"address\":\"y\"}]"), FLAT,
          POD ";IP=z;GATEWAY=a", "invalid CIDR in addresses y: invalid CIDR address: y",
          "ipam.addresses[1].address" },
        { IPAM("\"addresses\":[{}]"), FLAT, POD,
          "invalid CIDR in addresses : invalid CIDR address: ", "ipam.addresses[0].address" },
        { IPAM("\"x\":1"), FLAT, POD ";IP=10.0.0.1/8,10.0.0.2;GATEWAY=a", CIDR("10.0.0.2"), "" },
        { IPAM("\"x\":1"), FLAT, POD ";IP=,", CIDR(""), "" },
        { IPAM("\"x\":1"), FLAT, "GATEWAY=10.0.0.1,a", "invalid gateway address: a", "" },
        { "{\"cniVersion\":\"0.2.0\",\"ipam\":{\"type\":\"whereabouts\",\"addresses\":[{"
          "\"address\":"
          "\"10.0.0.1/8\"}]}}",
          FLAT, POD ";IP=10.1.0.1/8",
          "CNI version 0.2.0 does not support more than 1 address per family", "" },
        { "{\"ipam\":{\"type\":\"whereabouts\"}}", FLAT, "IP=fd00::1/64,10.0.0.1/8,fd00::2/64",
          "CNI version  does not support more than 1 address per family", "" },
        /* row 21, then what is found when the choice begins */
        { IPAM("\"exclude\":[\"foo\"],\"range\":\"10.0.0.0/8\""), FLAT, "",
          ENGINE "IPAM client initialization error: no pod name", "" },
        { IPAM("\"range\":\"10.0.0.0/8\""), FLAT, "K8S_POD_NAME=;K8S_POD_NAMESPACE=ns",
          ENGINE "IPAM client initialization error: no pod name", "" },
        { IPAM("\"exclude\":[\"10.0.0.1\",\"foo\"],\"range\":\"10.0.0.0/8\""), FLAT, POD,
          EXCLUDE "\"invalid CIDR address: foo\"", "ipam.exclude[1]" },
        { IPAM("\"range\":\"10.0.0.0/8\",\"ipRanges\":[{\"range\":\"10.0.0.0/8\",\"exclude\":["
               "\"010.0.0.1\"]}]"),
          FLAT, POD, EXCLUDE "\"invalid CIDR address: 010.0.0.1\"", "ipam.ipRanges[0].exclude[0]" },
        { IPAM("\"range\":\"10.0.0.0/8\""), "{" K ",\"exclude\":[\"foo\"]}", POD,
          EXCLUDE "\"invalid CIDR address: foo\"", "/etc/flat: exclude[0]" },
        /* ours */
        { IPAM("\"network_name\":\"Net_A\""), FLAT, POD,
          "network_name 'Net_A' cannot be part of an object's name: it must begin with a "
          "lower-case letter or digit and consist of those, '-' and '.'",
          "ipam.network_name" },
        { IPAM("\"routes\":[{\"dst\":\"::/0\"},{\"gw\":\"10.0.0.1\"}]"), FLAT, POD,
          "invalid CIDR address: ", "ipam.routes[1].dst" },
        { IPAM("\"x\":1"), "{" K ",\"locking\":\"none\"}", POD,
          "locking in /etc/flat must be lease or optimistic", "" },
};

START_TEST(a_bad_configuration_is_told_with_its_place)
{
        struct conf conf = { 0 };
        struct err err;
        int r = compose(bad_rows[_i].config, bad_rows[_i].flat, bad_rows[_i].args, CONF_ADD, &conf,
                        &err);

        unit_assert_err(r, &err, CNI_ERR_INTERNAL, bad_rows[_i].msg);
        ck_assert_str_eq(err.details, bad_rows[_i].details);
        ck_assert(!conf.request.network && !conf.node.flat_file && !conf.static_addresses);
}
END_TEST

START_TEST(a_pod_must_have_a_name_that_can_be_written)
{
        struct conf conf = { 0 };
        struct err err;

        unit_assert_err(compose(IPAM("\"range\":\"10.0.0.0/8\""), FLAT, "K8S_POD_NAME=a\xff",
                                CONF_ADD, &conf, &err),
                        &err, CNI_ERR_ENVIRONMENT,
                        "invalid characters in K8S_POD_NAME or K8S_POD_NAMESPACE, or too many of "
                        "them");
}
END_TEST

/* ---- a release ---- */

static const struct {
        const char *config, *flat, *args, *want, *podref;
} release_rows[] = {
        { IPAM("\"range\":\"10.0.0.5/24\""), FLAT, POD, "10.0.0.0/24", "ns1/pod1" },
        /* whatever became of the rest */
        { IPAM("\"range\":\"10.0.0.0/24\",\"range_start\":7,\"range_end\":7,\"exclude\":7,"
               "\"gateway\":7,\"routes\":7,\"dns\":7,\"addresses\":7,\"log_file\":7,\"log_level\":"
               "7,"
               "\"enable_overlapping_ranges\":7,\"allocate_gateway\":7,\"strictStatus\":7,"
               "\"leader_lease_duration\":\"x\",\"locking\":7"),
          FLAT, POD, "10.0.0.0/24", "ns1/pod1" },
        { IPAM("\"range\":\"10.0.0.0/24\",\"exclude\":[\"foo\"],\"gateway\":\"x\",\"routes\":[{"
               "\"dst\":\"x\"}],\"addresses\":[{\"address\":\"x\"}],\"ipRanges\":[{\"range\":"
               "\"fd00::/64\",\"range_start\":\"x\",\"exclude\":[7]}]"),
          FLAT, POD ";IP=x;GATEWAY=y", "10.0.0.0/24, fd00::/64", "ns1/pod1" },
        { IPAM("\"range\":\"x-10.0.0.9/24\""), FLAT, POD, "10.0.0.0/24 to 10.0.0.9", "ns1/pod1" },
        { IPAM("\"range\":\"10.9.0.1-10.0.0.9/24\""), FLAT, POD, "10.0.0.0/24 to 10.0.0.9",
          "ns1/pod1" },
        { IPAM("\"range\":\"10.0.0.0/24\",\"enable_overlapping_ranges\":false"), FLAT, POD,
          "10.0.0.0/24 apart", "ns1/pod1" },
        { IPAM("\"range\":\"10.0.0.0/24\""),
          "{" K ",\"gateway\":7,\"exclude\":7,\"locking\":\"none\",\"leader_retry_period\":\"x\","
          "\"ipRanges\":[{\"range\":\"10.1.0.0/24\"}]}",
          POD, "10.0.0.0/24, 10.1.0.0/24", "ns1/pod1" },
        /* rather no pod than a wrong one */
        { IPAM("\"range\":\"10.0.0.0/24\""), FLAT, "", "10.0.0.0/24", NULL },
        { IPAM("\"range\":\"10.0.0.0/24\""), FLAT, "K8S_POD_NAMESPACE=ns1", "10.0.0.0/24", NULL },
        { IPAM("\"range\":\"10.0.0.0/24\""), FLAT, "K8S_POD_NAME=p;not;parsed=", "10.0.0.0/24",
          NULL },
        { IPAM("\"range\":\"10.0.0.0/24\""), FLAT, POD ";FOO=bar", "10.0.0.0/24", NULL },
        { IPAM("\"range\":\"10.0.0.0/24\""), FLAT, "K8S_POD_NAME=a\xff", "10.0.0.0/24", NULL },
        { IPAM("\"range\":\"10.0.0.0/24\""), FLAT, "K8S_POD_NAME=p", "10.0.0.0/24", "/p" },
        /* no object can have that name, so there is nothing to look for */
        { IPAM("\"range\":\"10.0.0.0/24\",\"network_name\":\"../x\""), FLAT, POD, "", "ns1/pod1" },
        { IPAM("\"network_name\":\"net-a\""), FLAT, POD, "", "ns1/pod1" },
};

START_TEST(a_release_needs_names_alone)
{
        struct conf conf = { 0 };
        struct buf buf;
        struct err err;

        unit_assert_ok(compose(release_rows[_i].config, release_rows[_i].flat,
                               release_rows[_i].args, CONF_RELEASE, &conf, &err),
                       &err);
        buf_init(&buf, 4000);
        describe(&conf, &buf);
        ck_assert_str_eq(buf_text(&buf), release_rows[_i].want);
        buf_done(&buf);
        if (release_rows[_i].podref)
                ck_assert_str_eq(conf.request.podref, release_rows[_i].podref);
        else
                ck_assert_ptr_null(conf.request.podref);
        ck_assert(conf.node.locking == LOCKING_LEASE && conf.node.lease_duration_ms == 1500);
        /* Whatever is read can be handed to the one that leads. */
        unit_assert_ok(request_encode(&conf.request, &buf, &err), &err);
        buf_done(&buf);
        conf_done(&conf);
}
END_TEST

static const struct {
        const char *config, *flat, *msg;
} bad_release_rows[] = {
        { "{" V "\"x\":1}", FLAT, "IPAM config missing 'ipam' key" },
        { "{" V "\"ipam\":{\"type\":\"static\"}}", FLAT,
          "only interested in networks whose IPAM type is 'whereabouts'. This one was: static" },
        { IPAM("\"range\":7"), FLAT, PARSING "ipam.range: must be a string, not a number" },
        { IPAM("\"ipRanges\":[7]"), FLAT,
          PARSING "ipam.ipRanges[0]: must be an object, not a number" },
        { IPAM("\"network_name\":7"), FLAT,
          PARSING "ipam.network_name: must be a string, not a number" },
        { IPAM("\"range\":\"x\""), FLAT, CIDR("x") },
        { IPAM("\"range\":\"10.0.0.1-x\""), FLAT,
          "invalid CIDR (do you have the 'range' parameter set for Whereabouts?) 'x': invalid CIDR "
          "address: x" },
        { IPAM("\"ipRanges\":[null]"), FLAT, CIDR("") },
        { IPAM("\"range\":\"10.0.0.0/24\""), "{\"range\":7}",
          FLATTER "range: must be a string, not a number" },
        { IPAM("\"range\":\"10.0.0.0/24\""), "{}", STORAGE },
};

START_TEST(a_release_fails_when_it_cannot_know_the_names)
{
        struct conf conf = { 0 };
        struct err err;

        unit_assert_err(compose(bad_release_rows[_i].config, bad_release_rows[_i].flat, POD,
                                CONF_RELEASE, &conf, &err),
                        &err, CNI_ERR_INTERNAL, bad_release_rows[_i].msg);
}
END_TEST

/* ---- ceilings ---- */

/* `count` times `item`, commas between them, in front of and behind the rest. */
static int read_many(const char *front, const char *item, size_t count, const char *behind,
                     enum conf_use use, struct conf *ret, struct err *err)
{
        struct buf buf;
        int r;

        buf_init(&buf, 1U << 22);
        buf_puts(&buf, front);
        for (size_t i = 0; i < count; i++)
                buf_printf(&buf, "%s%s", i > 0 ? "," : "", item);
        buf_puts(&buf, behind);
        unit_assert_ok(buf_check(&buf, err), err);
        r = compose(buf_text(&buf), FLAT, POD, use, ret, err);
        buf_done(&buf);
        return r;
}

static const struct {
        const char *front, *item, *behind;
        size_t most;
        const char *msg;
} ceiling_rows[] = {
        { "{" V "\"ipam\":{\"type\":\"whereabouts\",\"ipRanges\":[", "{\"range\":\"10.0.0.0/8\"}",
          "]}}", 64, PARSING "more than 64 ranges" },
        { "{" V "\"ipam\":{\"type\":\"whereabouts\",\"range\":\"fd00::/64\",\"ipRanges\":[",
          "{\"range\":\"10.0.0.0/8\"}", "]}}", 63, "more than 64 ranges" },
        { "{" V "\"ipam\":{\"type\":\"whereabouts\",\"range\":\"10.0.0.0/8\",\"exclude\":[",
          "\"10.0.0.1\"",
          "],\"ipRanges\":[{\"range\":\"10.0.0.0/8\",\"exclude\":[\"10.0.0.1\"]}]}}", 65535,
          "more than 65536 excludes" },
        { "{" V "\"ipam\":{\"type\":\"whereabouts\",\"addresses\":[",
          "{\"address\":\"10.0.0.1/8\"}", "]}}", 4096, PARSING "more than 4096 addresses" },
};

START_TEST(numbers_are_bounded)
{
        struct conf conf = { 0 };
        struct err err;

        unit_assert_ok(read_many(ceiling_rows[_i].front, ceiling_rows[_i].item,
                                 ceiling_rows[_i].most, ceiling_rows[_i].behind, CONF_ADD, &conf,
                                 &err),
                       &err);
        conf_done(&conf);
        unit_assert_err(read_many(ceiling_rows[_i].front, ceiling_rows[_i].item,
                                  ceiling_rows[_i].most + 1, ceiling_rows[_i].behind, CONF_ADD,
                                  &conf, &err),
                        &err, CNI_ERR_INTERNAL, ceiling_rows[_i].msg);
}
END_TEST

static void add_tests(TCase *tests)
{
        unit_add_table(tests, a_good_configuration_is_read, good_rows);
        unit_add_table(tests, arguments_add_addresses_and_gateways, argument_rows);
        tcase_add_test(tests, a_request_names_who_asks_and_for_what);
        tcase_add_test(tests, the_members_of_a_route_are_kept);
        unit_add_table(tests, a_bad_configuration_is_told_with_its_place, bad_rows);
        tcase_add_test(tests, a_pod_must_have_a_name_that_can_be_written);
        unit_add_table(tests, a_release_needs_names_alone, release_rows);
        unit_add_table(tests, a_release_fails_when_it_cannot_know_the_names, bad_release_rows);
        unit_add_table(tests, numbers_are_bounded, ceiling_rows);
}

UNIT_MAIN("conf", add_tests)
