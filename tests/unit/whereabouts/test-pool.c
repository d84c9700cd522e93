/* SPDX-License-Identifier: Apache-2.0 */
/*
 * IPPool objects. Numbers in comments: whereabouts-plugin.md 6.4 (iphelpers_test); R: rules of 8.1;
 * W: weaknesses of 8.2.
 */
#include "pool.h"

#include "values.h"

#define META "\"metadata\":{\"name\":\"p\",\"resourceVersion\":\"104\"}"

static struct pool parse(const char *text)
{
        struct pool pool = { 0 };
        struct err err;

        unit_assert_ok(pool_parse(text, strlen(text), &pool, &err), &err);
        return pool;
}

/* A pool with these allocations. */
static struct pool make_pool(const char *range, const char *allocations)
{
        char text[4096];

        (void)snprintf(text, sizeof(text),
                       "{" META ",\"spec\":{\"range\":\"%s\",\"allocations\":{%s}}}", range,
                       allocations);
        return parse(text);
}

/* ---- names ---- */

static const struct {
        const char *network_name, *node, *net, *want;
} name_rows[] = {
        /* 3.1 */
        { NULL, NULL, "192.168.2.224/28", "192.168.2.224-28" },
        { NULL, NULL, "fd00::/64", "fd00---64" },
        { "net-a", NULL, "10.8.0.0/24", "net-a-10.8.0.0-24" },
        { NULL, "node-a", "10.0.4.0/22", "node-a-10.0.4.0-22" },
        { "tenant-a", "node-a", "10.0.8.0/22", "tenant-a-node-a-10.0.8.0-22" },
        { NULL, NULL, "2001:db8::/32", "2001-db8---32" },
        { NULL, NULL, "fd00:0:0:10::/64", "fd00-0-0-10---64" },
        { NULL, NULL, "::/126", "---126" },
        { NULL, NULL, "2001:DB8:0::1:0/112", "2001-db8--1-0-112" },
        /* 6.5, ipam_test */
        { NULL, NULL, "10.0.0.0/8", "10.0.0.0-8" },
        { "test", NULL, "10.0.0.0/8", "test-10.0.0.0-8" },
        { NULL, "testnode", "10.0.0.0/8", "testnode-10.0.0.0-8" },
        { "testnetwork", "testnode", "10.0.0.0/8", "testnetwork-testnode-10.0.0.0-8" },
};

START_TEST(a_pool_is_named_after_its_network)
{
        struct ipnet range = net(name_rows[_i].net);
        struct buf buf;

        buf_init(&buf, 1000);
        pool_name(&buf, name_rows[_i].network_name, name_rows[_i].node, &range);
        ck_assert_str_eq(buf_text(&buf), name_rows[_i].want);
        buf_done(&buf);
}
END_TEST

/* ---- offsets ---- */

static const struct {
        const char *range, *ip, *key; /* key NULL: refused */
        const char *error;
} key_rows[] = {
        /* 98 to 103, as far as the base comes first */
        { "192.168.1.0/24", "192.168.1.1", "1", NULL },
        { "192.168.3.0/16", "192.168.4.0", "256", NULL },
        { "192.168.2.1/24", "192.168.2.255", "254", NULL },
        { "ff02::1/64", "ff02::ff", "254", NULL },
        { "192.168.2.1/16", "192.168.3.0", "255", NULL },
        { "ff02::1/64", "ff02::100", "255", NULL },
        { "ff02::1/64", "ff02::1:0", "65535", NULL },
        { "10.0.0.0/24", "10.0.0.0", "0", NULL },
        /* 104 */
        { "ff02::1/64", "192.168.3.0", NULL,
          "cannot calculate offset between IPv4 (192.168.3.0) and IPv6 address (ff02::1)" },
        { "192.168.3.0/24", "ff02::1", NULL,
          "cannot calculate offset between IPv6 (ff02::1) and IPv4 address (192.168.3.0)" },
        /* W15: upstream takes the distance's absolute value, so that .1 and .9 are one entry */
        { "10.0.0.5/24", "10.0.0.9", "4", NULL },
        { "10.0.0.5/24", "10.0.0.1", NULL,
          "IP address 10.0.0.1 lies before the start 10.0.0.5 of its pool" },
        { "fd00::5/64", "fd00::4", NULL,
          "IP address fd00::4 lies before the start fd00::5 of its pool" },
        { "fd00:0:0:1::/64", "fd00::1", NULL,
          "IP address fd00::1 lies before the start fd00:0:0:1:: of its pool" },
        /* R4, W14 */
        { "0.0.0.0/0", "255.255.255.254", "4294967294", NULL },
        { "0.0.0.0/0", "255.255.255.255", NULL,
          "IP address 255.255.255.255 is too far from the start 0.0.0.0 of its pool: other "
          "programs could not read the entry" },
        { "fd00::/64", "fd00::7fff:ffff:ffff:ffff", "9223372036854775807", NULL },
        { "fd00::/64", "fd00::8000:0:0:0", NULL,
          "IP address fd00::8000:0:0:0 is too far from the start fd00:: of its pool: other "
          "programs could not read the entry" },
        { "fd00::8000:0:0:0/64", "fd00::8000:0:0:7", "7", NULL },
        { "fd00::/48", "fd00:0:0:5::7", NULL,
          "IP address fd00:0:0:5::7 is too far from the start fd00:: of its pool: other programs "
          "could not read the entry" },
        { "fd00::ffff:ffff:ffff:fff0/48", "fd00:0:0:1::5", NULL,
          "IP address fd00:0:0:1::5 is too far from the start fd00::ffff:ffff:ffff:fff0 of its "
          "pool: other programs could not read the entry" },
};

START_TEST(a_key_is_the_exact_distance_from_the_base)
{
        struct ipnet range = net(key_rows[_i].range);
        struct ip address = ip(key_rows[_i].ip);
        char key[24] = "unchanged";
        struct err err;
        int r = pool_key(&range, &address, key, &err);

        if (key_rows[_i].key) {
                unit_assert_ok(r, &err);
                ck_assert_str_eq(key, key_rows[_i].key);
        } else {
                unit_assert_err(r, &err, CNI_ERR_INTERNAL, key_rows[_i].error);
                ck_assert_str_eq(key, "unchanged");
        }
}
END_TEST

/* ---- reading ---- */

#define ENTRY "{\"id\":\"c1\",\"podref\":\"ns1/pod1\",\"ifname\":\"net1\"}"

static const struct {
        const char *range, *allocations;
        const char *want; /* "KEY ADDRESS ID PODREF IFNAME;" for each */
} read_rows[] = {
        { "10.0.0.0/24", "", "" },
        { "10.0.0.0/24", "\"1\":" ENTRY, "1 10.0.0.1 c1 ns1/pod1 net1;" },
        { "fd00::/64", "\"1\":" ENTRY, "1 fd00::1 c1 ns1/pod1 net1;" },
        { "10.0.0.0/24", "\"10\":" ENTRY ",\"9\":" ENTRY ",\"300\":" ENTRY,
          "9 10.0.0.9 c1 ns1/pod1 net1;10 10.0.0.10 c1 ns1/pod1 net1;"
          "300 10.0.1.44 c1 ns1/pod1 net1;" },
        /* 111, 112; the base is the address as it stands there */
        { "192.168.1.1/24", "\"256\":" ENTRY, "256 192.168.2.1 c1 ns1/pod1 net1;" },
        { "2000::1/64", "\"65535\":" ENTRY, "65535 2000::1:0 c1 ns1/pod1 net1;" },
        { "10.0.0.5/24", "\"4\":" ENTRY, "4 10.0.0.9 c1 ns1/pod1 net1;" },
        { "fd00::ffff:ffff:ffff:ffff/48", "\"1\":" ENTRY, "1 fd00:0:0:1:: c1 ns1/pod1 net1;" },
        /* what Go takes for 7, each under its own key */
        { "10.0.0.0/24", "\"7\":" ENTRY ",\"007\":" ENTRY ",\"+7\":" ENTRY,
          "+7 10.0.0.7 c1 ns1/pod1 net1;007 10.0.0.7 c1 ns1/pod1 net1;"
          "7 10.0.0.7 c1 ns1/pod1 net1;" },
        { "10.0.0.0/24", "\"-0\":" ENTRY, "-0 10.0.0.0 c1 ns1/pod1 net1;" },
        /* W13: none of these is an offset */
        { "10.0.0.0/24",
          "\"abc\":" ENTRY ",\"-1\":" ENTRY ",\"\":" ENTRY ",\"+\":" ENTRY ",\"-\":" ENTRY
          ",\"1.0\":" ENTRY ",\" 1\":" ENTRY ",\"0x1\":" ENTRY ",\"--0\":" ENTRY
          ",\"9223372036854775808\":" ENTRY ",\"99999999999999999999\":" ENTRY,
          "" },
        { "fd00::/64", "\"9223372036854775807\":" ENTRY ",\"9223372036854775808\":" ENTRY,
          "9223372036854775807 fd00::7fff:ffff:ffff:ffff c1 ns1/pod1 net1;" },
        /* beyond the family's last address */
        { "255.255.255.0/24", "\"255\":" ENTRY ",\"256\":" ENTRY ",\"4294967295\":" ENTRY,
          "255 255.255.255.255 c1 ns1/pod1 net1;" },
        { "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ff00/120", "\"255\":" ENTRY ",\"256\":" ENTRY,
          "255 ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff c1 ns1/pod1 net1;" },
        /* an odd entry takes its address */
        { "10.0.0.0/24",
          "\"1\":{},\"2\":null,\"3\":[],\"4\":\"x\",\"5\":{\"id\":\"c1\"},"
          "\"6\":{\"podref\":\"ns1/pod1\"},\"7\":{\"id\":1,\"podref\":\"ns1/pod1\"},"
          "\"8\":{\"id\":\"c1\",\"podref\":\"ns1/pod1\",\"ifname\":{}}",
          "1 10.0.0.1   -;2 10.0.0.2   -;3 10.0.0.3   -;4 10.0.0.4   -;5 10.0.0.5   -;"
          "6 10.0.0.6   -;7 10.0.0.7   -;8 10.0.0.8   -;" },
        /* W16: releases before 0.8 wrote no ifname */
        { "10.0.0.0/24",
          "\"1\":{\"id\":\"c1\",\"podref\":\"ns1/pod1\"},"
          "\"2\":{\"id\":\"c1\",\"podref\":\"ns1/pod1\",\"ifname\":\"\"},"
          "\"3\":{\"id\":\"c1\",\"podref\":\"ns1/pod1\",\"ifname\":null}",
          "1 10.0.0.1 c1 ns1/pod1 -;2 10.0.0.2 c1 ns1/pod1 -;3 10.0.0.3 c1 ns1/pod1 -;" },
        /* R3: members that nobody knows yet */
        { "10.0.0.0/24",
          "\"1\":{\"claim\":{\"a\":[1]},\"id\":\"c1\",\"podref\":\"ns1/pod1\",\"ifname\":\"net1\"}",
          "1 10.0.0.1 c1 ns1/pod1 net1;" },
};

static void list_entries(const struct pool *pool, struct buf *buf)
{
        char text[IP_TEXT_MAX];

        for (size_t i = 0; i < pool->count; i++) {
                const struct pool_entry *entry = &pool->entries[i];

                buf_printf(buf, "%s %s %s %s %s;", entry->key, ip_format(&entry->ip, text),
                           entry->id, entry->podref, entry->ifname ? entry->ifname : "-");
        }
}

START_TEST(entries_are_read_as_other_programs_read_them)
{
        struct pool pool = make_pool(read_rows[_i].range, read_rows[_i].allocations);
        struct buf buf;

        buf_init(&buf, 4096);
        list_entries(&pool, &buf);
        ck_assert_str_eq(buf_text(&buf), read_rows[_i].want);
        buf_done(&buf);
        pool_done(&pool);
}
END_TEST

START_TEST(the_objects_of_the_documentation_are_read)
{
        struct pool pool = parse("{\"apiVersion\":\"whereabouts.cni.cncf.io/v1alpha1\","
                                 "\"kind\":\"IPPool\",\"metadata\":{\"name\":\"192.168.2.224-28\","
                                 "\"namespace\":\"kube-system\",\"resourceVersion\":\"7\"},"
                                 "\"spec\":{\"allocations\":{\"1\":{\"id\":\"c1\","
                                 "\"podref\":\"a/b\",\"ifname\":\"net1\"}},"
                                 "\"range\":\"192.168.2.224/28\"}}");
        char text[IPNET_TEXT_MAX];

        ck_assert_str_eq(pool.name, "192.168.2.224-28");
        ck_assert_str_eq(pool.resource_version, "7");
        ck_assert_str_eq(ipnet_format(&pool.range, text), "192.168.2.224/28");
        ck_assert_str_eq(ip_format(&pool.entries[0].ip, text), "192.168.2.225");
        ck_assert(!pool.tracked);
        pool_done(&pool);
        pool = parse("{" META ",\"spec\":{\"range\":\"10.0.0.0/8\",\"allocations\":null}}");
        ck_assert_uint_eq(pool.count, 0);
        pool_done(&pool);
        pool = parse("{" META ",\"spec\":{\"range\":\"10.0.0.0/8\"}}");
        ck_assert_uint_eq(pool.count, 0);
        pool_done(&pool);
}
END_TEST

static const struct {
        const char *fields;
        bool want;
} tracked_rows[] = {
        { "null", false },   { "[]", false },
        { "[{}]", false },   { "[{\"manager\":\"whereabouts\"}]", true },
        { "[{},{}]", true },
};

START_TEST(a_pool_tells_whether_its_fields_are_tracked)
{
        struct pool pool;
        char text[256];

        (void)snprintf(text, sizeof(text),
                       "{\"metadata\":{\"name\":\"p\",\"resourceVersion\":\"1\","
                       "\"managedFields\":%s},\"spec\":{\"range\":\"10.0.0.0/8\"}}",
                       tracked_rows[_i].fields);
        pool = parse(text);
        ck_assert_int_eq(pool.tracked, tracked_rows[_i].want);
        pool_done(&pool);
}
END_TEST

static const struct {
        const char *text, *error;
} error_rows[] = {
        { "", "IPPool: unexpected end of JSON input" },
        { "{}", "IPPool: it has no metadata.name" },
        { "{\"metadata\":{\"name\":\"p\"}}", "IPPool: it has no metadata.resourceVersion" },
        { "{\"metadata\":{\"name\":1}}", "IPPool: metadata.name: must be a string, not a number" },
        { "{" META "}", "IPPool 'p': invalid CIDR address: " },
        { "{" META ",\"spec\":{\"range\":\"10.0.0.0\"}}",
          "IPPool 'p': invalid CIDR address: 10.0.0.0" },
        { "{" META ",\"spec\":{\"range\":\"10.0.0.0/8\",\"allocations\":[]}}",
          "IPPool 'p': spec.allocations: must be an object, not a list" },
};

START_TEST(the_error_names_the_pool)
{
        const char *text = error_rows[_i].text;
        struct pool pool = { .count = 77 };
        struct err err;

        unit_assert_err(pool_parse(text, strlen(text), &pool, &err), &err, CNI_ERR_INTERNAL,
                        error_rows[_i].error);
        ck_assert_uint_eq(pool.count, 77);
}
END_TEST

START_TEST(a_list_of_pools_is_read)
{
        static const char text[] =
                "{\"kind\":\"IPPoolList\",\"metadata\":{\"resourceVersion\":\"9\"},\"items\":["
                "{\"metadata\":{\"name\":\"a\",\"resourceVersion\":\"1\"},"
                "\"spec\":{\"range\":\"10.0.0.0/24\",\"allocations\":{\"1\":" ENTRY "}}},"
                "{\"metadata\":{\"name\":\"bad\",\"resourceVersion\":\"2\"},"
                "\"spec\":{\"range\":\"x\",\"allocations\":{\"1\":" ENTRY "}}},"
                "{\"metadata\":{\"name\":\"c\",\"resourceVersion\":\"3\"},"
                "\"spec\":{\"range\":\"fd00::/64\",\"allocations\":{}}}]}";
        struct pool_list list = { 0 };
        struct err err;

        unit_assert_ok(pool_list_parse(text, strlen(text), &list, &err), &err);
        ck_assert_uint_eq(list.count, 3);
        ck_assert_str_eq(list.items[0].entries[0].podref, "ns1/pod1");
        ck_assert_ptr_null(list.items[0].document);
        ck_assert_str_eq(list.items[1].name, "bad");
        ck_assert_uint_eq(list.items[1].count, 0);
        ck_assert_int_eq(list.items[1].range.ip.family, IP_UNSET);
        ck_assert_int_eq(list.items[2].range.ip.family, IP_V6);
        pool_list_done(&list);
        unit_assert_ok(pool_list_parse("{\"items\":null}", 14, &list, &err), &err);
        ck_assert_uint_eq(list.count, 0);
        pool_list_done(&list);
        unit_assert_err(pool_list_parse("{\"items\":[{}]}", 14, &list, &err), &err,
                        CNI_ERR_INTERNAL, "IPPool: it has no metadata.name");
        unit_assert_err(pool_list_parse("{\"items\":7}", 11, &list, &err), &err, CNI_ERR_INTERNAL,
                        "items: must be a list, not a number");
}
END_TEST

START_TEST(a_pool_of_8000_entries_is_read)
{
        struct pool pool = { 0 };
        struct buf buf;
        struct err err;
        struct ip address = ip("10.1.0.0");

        buf_init(&buf, 4U * 1024U * 1024U);
        buf_puts(&buf, "{" META ",\"spec\":{\"range\":\"10.1.0.0/16\",\"allocations\":{");
        for (unsigned i = 8000; i-- > 0;)
                buf_printf(&buf,
                           "\"%u\":{\"id\":\"%064x\",\"podref\":\"some-name-space/some-long-pod-"
                           "name-%u\",\"ifname\":\"net1\",\"padding\":\"%060u\"}%s",
                           i, i, i, i, i > 0 ? "," : "");
        buf_puts(&buf, "}}}");
        unit_assert_ok(buf_check(&buf, &err), &err);
        unit_assert_ok(pool_parse(buf.text, buf.len, &pool, &err), &err);
        ck_assert_uint_eq(pool.count, 8000);
        for (unsigned i = 0; i < 8000; i++, address = ip_next(address)) {
                ck_assert(ip_equal(&pool.entries[i].ip, &address));
                ck_assert_ptr_eq(pool_find_ip(&pool, &address), &pool.entries[i]);
        }
        ck_assert_ptr_null(pool_find_ip(&pool, &address));
        pool_done(&pool);
        buf_done(&buf);
}
END_TEST

/* ---- looking up ---- */

#define ROW(key, id, podref, ifname) \
        "\"" key "\":{\"id\":\"" id "\",\"podref\":\"" podref "\",\"ifname\":\"" ifname "\"}"

static const struct {
        const char *key, *id, *podref, *ifname;
} lookup_rows[] = {
        { "5", "c2", "a/y", "net1" }, { "1", "c1", "a/x", "net1" }, { "2", "c1", "a/x", "net2" },
        { "3", "c3", "a/z", "" },     { "4", "c4", "a/w", "" },     { "6", "c4", "a/w", "" },
        { "7", "c2", "a/y", "net1" }, { "007", "c9", "a/y", "n" },
};

/* A pool of these rows, and of an odd entry under 8. */
static struct pool make_lookup(void)
{
        char text[2048];
        size_t len = 0;

        for (size_t i = 0; i < ARRAY_SIZE(lookup_rows); i++)
                len += (size_t)snprintf(text + len, sizeof(text) - len,
                                        ROW("%s", "%s", "%s", "%s") ",", lookup_rows[i].key,
                                        lookup_rows[i].id, lookup_rows[i].podref,
                                        lookup_rows[i].ifname);
        (void)snprintf(text + len, sizeof(text) - len, "\"8\":{}");
        return make_pool("10.0.0.0/24", text);
}

static const char *key_of(const struct pool_entry *entry)
{
        return entry ? entry->key : "-";
}

static const struct {
        const char *podref, *ifname, *want;
} pod_rows[] = {
        { "a/x", "net1", "1" }, { "a/x", "net2", "2" }, { "a/x", "net3", "-" },
        { "a/y", "net1", "5" }, { "a/z", "net1", "-" }, /* 2.1: no name matches no name */
        { "a/z", NULL, "3" },   { NULL, "net2", "2" },  { NULL, NULL, "1" },
        { "a/q", NULL, "-" },
};

START_TEST(an_entry_is_found_by_its_pod)
{
        struct pool pool = make_lookup();

        ck_assert_str_eq(
                key_of(pool_find_pod(&pool, pod_rows[_i].podref, pod_rows[_i].ifname, NULL)),
                pod_rows[_i].want);
        pool_done(&pool);
}
END_TEST

START_TEST(the_entries_of_a_pod_are_found_one_after_the_other)
{
        struct pool pool = make_lookup();
        const struct pool_entry *entry = pool_find_pod(&pool, "a/x", NULL, NULL);

        ck_assert_str_eq(key_of(entry), "1");
        entry = pool_find_pod(&pool, "a/x", NULL, entry);
        ck_assert_str_eq(key_of(entry), "2");
        ck_assert_ptr_null(pool_find_pod(&pool, "a/x", "net1", entry));
        pool_done(&pool);
}
END_TEST

static const struct {
        const char *id, *ifname, *want;
} container_rows[] = {
        { "c1", "net1", "1 " },   { "c1", "net2", "2 " }, { "c1", "net3", "" },
        { "c2", "net1", "5 7 " }, { "c3", "net1", "3 " }, /* W16 */
        { "c4", "net1", "" },                             /* which of the two is it? */
        { "c", "net1", "" },
};

START_TEST(entries_are_found_by_their_container)
{
        struct pool pool = make_lookup();
        const struct pool_entry *entry = NULL;
        struct buf buf;

        buf_init(&buf, 100);
        while ((entry = pool_find_container(&pool, container_rows[_i].id, container_rows[_i].ifname,
                                            entry)))
                buf_printf(&buf, "%s ", entry->key);
        ck_assert_str_eq(buf_text(&buf), container_rows[_i].want);
        buf_done(&buf);
        pool_done(&pool);
}
END_TEST

START_TEST(entries_are_found_by_their_address)
{
        struct pool pool = make_lookup();
        struct ip address = ip("10.0.0.7");

        ck_assert_str_eq(key_of(pool_find_ip(&pool, &address)), "007"); /* the first of two */
        address = ip("10.0.0.8");
        ck_assert_str_eq(key_of(pool_find_ip(&pool, &address)), "8");
        address = ip("10.0.0.9");
        ck_assert_ptr_null(pool_find_ip(&pool, &address));
        address = ip("::1");
        ck_assert_ptr_null(pool_find_ip(&pool, &address));
        pool_done(&pool);
        ck_assert_ptr_null(pool_find_ip(&pool, &address));
        ck_assert_ptr_null(pool_find_pod(&pool, NULL, NULL, NULL));
        ck_assert_ptr_null(pool_find_container(&pool, "c1", "net1", NULL));
}
END_TEST

/* ---- writing ---- */

START_TEST(a_new_pool_has_the_body_that_upstream_sends)
{
        struct ipnet range = net("192.168.2.224/28");
        struct buf buf;

        buf_init(&buf, 1000);
        pool_write_new(&buf, "192.168.2.224-28", &range);
        ck_assert_str_eq(buf_text(&buf),
                         "{\"kind\":\"IPPool\",\"apiVersion\":\"whereabouts.cni.cncf.io/v1alpha1\","
                         "\"metadata\":{\"name\":\"192.168.2.224-28\"},\"spec\":{\"range\":"
                         "\"192.168.2.224/28\",\"allocations\":{}}}");
        buf_done(&buf);
}
END_TEST

#define TEST(path, value) "{\"op\":\"test\",\"path\":\"" path "\",\"value\":" value "}"
#define RV                "[" TEST("/metadata/resourceVersion", "\"104\"")

static void assert_patch(const struct pool_patch *patch, const struct pool *pool, const char *want)
{
        struct err err;
        struct buf buf;

        buf_init(&buf, 65536);
        unit_assert_ok(pool_patch_write(patch, pool, &buf, &err), &err);
        ck_assert_str_eq(buf_text(&buf), want);
        buf_done(&buf);
}

START_TEST(an_entry_is_added_where_none_may_be)
{
        struct pool pool = make_pool("10.0.0.0/24", "");
        struct pool_patch patch;

        pool_patch_init(&patch);
        assert_patch(&patch, &pool, RV "]");
        pool_patch_add(&patch, "2", "c2", "ns1/pod2", "net1");
        ck_assert_uint_eq(patch.count, 1);
        assert_patch(
                &patch, &pool, /* 3.5 */
                RV
                "," TEST("/spec/allocations/2",
                         "null") ","
                                 "{\"op\":\"add\",\"path\":\"/spec/allocations/2\",\"value\":"
                                 "{\"id\":\"c2\",\"ifname\":\"net1\",\"podref\":\"ns1/pod2\"}}]");
        pool_patch_done(&patch);
        ck_assert_uint_eq(patch.count, 0);
        pool_done(&pool);
}
END_TEST

START_TEST(another_container_takes_over_under_tests)
{
        struct pool pool = make_pool("10.0.0.0/24", ROW("2", "c2", "ns1/pod2", "net1"));
        struct pool_patch patch;

        pool_patch_init(&patch);
        pool_patch_replace_id(&patch, &pool.entries[0], "c3");
        ck_assert_uint_eq(patch.count, 1);
        assert_patch(
                &patch, &pool,
                RV "," TEST("/spec/allocations/2/id", "\"c2\"") "," TEST(
                        "/spec/allocations/2/podref",
                        "\"ns1/pod2\"") ","
                                        "{\"op\":\"replace\",\"path\":\"/spec/allocations/2/id\","
                                        "\"value\":\"c3\"}]");
        pool_patch_done(&patch);
        pool_done(&pool);
}
END_TEST

/* The key stands as it is, and as RFC 6901 wants it. */
static const struct {
        const char *key, *path;
} path_rows[] = {
        { "2", "2" },    { "007", "007" }, { "+7", "+7" }, { "a/b~c\"<", "a~1b~0c\\\"\\u003c" },
        { "~1", "~01" },
};

START_TEST(an_entry_is_removed_under_tests)
{
        struct pool pool = make_pool("10.0.0.0/24", "");
        struct pool_entry entry = { path_rows[_i].key, { 0 }, "c2", "ns1/pod2", "net1" };
        struct pool_patch patch;
        char want[1024];

        pool_patch_init(&patch);
        pool_patch_remove(&patch, &entry);
        ck_assert_uint_eq(patch.count, 1);
        (void)snprintf(
                want, sizeof(want),
                RV "," TEST("/spec/allocations/%s/id", "\"c2\"") "," TEST(
                        "/spec/allocations/%s/podref",
                        "\"ns1/pod2\"") ","
                                        "{\"op\":\"remove\",\"path\":\"/spec/allocations/%s\"}]",
                path_rows[_i].path, path_rows[_i].path, path_rows[_i].path);
        assert_patch(&patch, &pool, want);
        pool_patch_done(&patch);
        pool_done(&pool);
}
END_TEST

START_TEST(tests_come_before_all_operations)
{
        struct pool pool = make_pool("10.0.0.0/24", ROW("1", "c1", "a/x", "net1"));
        struct pool_patch patch;

        pool.tracked = true;
        pool_patch_init(&patch);
        pool_patch_remove(&patch, &pool.entries[0]);
        pool_patch_add(&patch, "2", "c2", "a/\"y\"", "net1");
        ck_assert_uint_eq(patch.count, 2);
        assert_patch(&patch, &pool,
                     RV "," TEST("/spec/allocations/1/id", "\"c1\"") "," TEST(
                             "/spec/allocations/1/podref",
                             "\"a/x\"") "," TEST("/spec/allocations/2",
                                                 "null") ","
                                                         "{\"op\":\"add\",\"path\":\"/metadata/"
                                                         "managedFields\",\"value\":[{}]},"
                                                         "{\"op\":\"remove\",\"path\":\"/spec/"
                                                         "allocations/1\"},"
                                                         "{\"op\":\"add\",\"path\":\"/spec/"
                                                         "allocations/2\",\"value\":"
                                                         "{\"id\":\"c2\",\"ifname\":\"net1\","
                                                         "\"podref\":\"a/\\\"y\\\"\"}}]");
        pool_patch_done(&patch);
        pool_done(&pool);
}
END_TEST

START_TEST(a_patch_that_is_too_large_is_an_error)
{
        struct pool pool = make_pool("10.0.0.0/24", "");
        struct pool_patch patch;
        struct buf buf;
        struct err err;
        char id[1024];

        memset(id, 'c', sizeof(id) - 1);
        id[sizeof(id) - 1] = '\0';
        buf_init(&buf, SIZE_MAX / 4);
        pool_patch_init(&patch);
        for (unsigned i = 0; i < 3 * 1024; i++)
                pool_patch_add(&patch, "1", id, "a/x", "net1");
        ck_assert_int_lt(pool_patch_write(&patch, &pool, &buf, &err), 0);
        ck_assert_str_eq(err.msg, "text longer than 3145728 bytes");
        ck_assert_uint_eq(buf.len, 0);
        pool_patch_done(&patch);
        buf_done(&buf);
        pool_done(&pool);
}
END_TEST

static void add_tests(TCase *tests)
{
        unit_add_table(tests, a_pool_is_named_after_its_network, name_rows);
        unit_add_table(tests, a_key_is_the_exact_distance_from_the_base, key_rows);
        unit_add_table(tests, entries_are_read_as_other_programs_read_them, read_rows);
        tcase_add_test(tests, the_objects_of_the_documentation_are_read);
        unit_add_table(tests, a_pool_tells_whether_its_fields_are_tracked, tracked_rows);
        unit_add_table(tests, the_error_names_the_pool, error_rows);
        tcase_add_test(tests, a_list_of_pools_is_read);
        tcase_add_test(tests, a_pool_of_8000_entries_is_read);
        unit_add_table(tests, an_entry_is_found_by_its_pod, pod_rows);
        tcase_add_test(tests, the_entries_of_a_pod_are_found_one_after_the_other);
        unit_add_table(tests, entries_are_found_by_their_container, container_rows);
        tcase_add_test(tests, entries_are_found_by_their_address);
        tcase_add_test(tests, a_new_pool_has_the_body_that_upstream_sends);
        tcase_add_test(tests, an_entry_is_added_where_none_may_be);
        tcase_add_test(tests, another_container_takes_over_under_tests);
        unit_add_table(tests, an_entry_is_removed_under_tests, path_rows);
        tcase_add_test(tests, tests_come_before_all_operations);
        tcase_add_test(tests, a_patch_that_is_too_large_is_an_error);
}

UNIT_MAIN("pool", add_tests)
