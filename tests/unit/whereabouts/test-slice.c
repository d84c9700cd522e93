/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Node slices. Numbers in comments are sections of whereabouts-plugin.md; W: weaknesses of 8.2.
 */
#include "slice.h"

#include "unit.h"

/* ---- whose slice ---- */

#define POOL(allocations)                                                                      \
        "{\"metadata\":{\"name\":\"nsnet\"},\"spec\":{\"range\":\"10.0.0.0/8\",\"sliceSize\":" \
        "\"/22\"},\"status\":{\"allocations\":" allocations "}}"
#define SLICE(node, range) "{\"nodeName\":\"" node "\",\"sliceRange\":\"" range "\"}"
#define NONE               "no allocated node slice for node 'node-a'"

static const struct {
        const char *text, *node, *want;
        const char *error; /* with `want`: SLICE_NONE */
} find_rows[] = {
        /* 3.3 */
        { POOL("[" SLICE("node-b", "10.0.0.0/22") "," SLICE("node-a", "10.0.4.0/22") "," SLICE(
                  "", "10.0.8.0/22") "]"),
          "node-a", "10.0.4.0/22", NULL },
        { POOL("[" SLICE("node-a", "10.0.4.0/22") "," SLICE("node-a", "10.0.8.0/22") "]"), "node-a",
          "10.0.4.0/22", NULL },
        { POOL("[" SLICE("node-a", "fd00:0:0:4::1/64") "]"), "node-a", "fd00:0:0:4::/64", NULL },
        /* the full name and the host's */
        { POOL("[" SLICE("node-b.x.org", "10.0.0.0/22") "," SLICE("node-a.x.org",
                                                                  "10.0.4.0/22") "]"),
          "node-a", "10.0.4.0/22", NULL },
        { POOL("[" SLICE("node-a", "10.0.4.0/22") "]"), "node-a.x.org", "10.0.4.0/22", NULL },
        { POOL("[" SLICE("node-a.x.org", "10.0.4.0/22") "," SLICE("node-a", "10.0.8.0/22") "]"),
          "node-a", "10.0.8.0/22", NULL },
        { POOL("[" SLICE("node-a.x.org", "10.0.4.0/22") "," SLICE("node-a.y.org",
                                                                  "10.0.8.0/22") "]"),
          "node-a", "-", NONE },
        { POOL("[" SLICE("node-a.x.org", "10.0.4.0/22") "]"), "node-a.y.org", "-",
          "no allocated node slice for node 'node-a.y.org'" },
        { POOL("[" SLICE("node-ab", "10.0.4.0/22") "," SLICE("node", "10.0.8.0/22") "]"), "node-a",
          "-", NONE },
        { POOL("[" SLICE("Node-A", "10.0.4.0/22") "]"), "node-a", "-", NONE },
        /* W12: none yet */
        { POOL("[" SLICE("", "10.0.4.0/22") "]"), "node-a", "-", NONE },
        { POOL("[{\"nodeName\":\"node-a\"},{\"sliceRange\":\"10.0.0.0/22\"},{}]"), "node-a", "-",
          NONE },
        { POOL("[]"), "node-a", "-", NONE },
        { POOL("null"), "node-a", "-", NONE },
        { "{}", "node-a", "-", NONE },
        /* what the API server should not have */
        { POOL("[" SLICE("node-a", "10.0.4.0") "]"), "node-a", NULL,
          "NodeSlicePool nsnet: invalid CIDR address: 10.0.4.0" },
        { POOL("[7]"), "node-a", NULL,
          "NodeSlicePool nsnet: status.allocations[0]: must be an object, not a number" },
        { "", "node-a", NULL, "NodeSlicePool: unexpected end of JSON input" },
};

START_TEST(a_node_finds_its_slice)
{
        const char *text = find_rows[_i].text, *want = find_rows[_i].want;
        _cleanup_(slice_done) struct slice slice = { 0 };
        char got[IPNET_TEXT_MAX];
        struct err err;
        int r = slice_find(text, strlen(text), find_rows[_i].node, &slice, &err);

        if (!want) {
                unit_assert_err(r, &err, CNI_ERR_INTERNAL, find_rows[_i].error);
        } else if (find_rows[_i].error) {
                ck_assert_int_eq(r, SLICE_NONE);
                ck_assert_str_eq(err.msg, find_rows[_i].error);
                ck_assert_int_eq(err.code, CNI_ERR_TRY_LATER);
        } else {
                unit_assert_ok(r, &err);
                ck_assert_str_eq(ipnet_format(&slice.net, got), want);
        }
        ck_assert_int_eq(slice.node == NULL, find_rows[_i].error != NULL);
}
END_TEST

/* ---- the part of a range ---- */

#define TOO_FAR(slice, range) \
        "the slice " slice " of this node and the range " range " have no address in common"

static const struct {
        const char *range, *start, *end, *slice;
        const char *want; /* first and last address */
        const char *error;
} cut_rows[] = {
        { "10.0.0.0/8", NULL, NULL, "10.0.4.0/22", "10.0.4.1-10.0.7.254", NULL },
        { "10.0.0.0/8", NULL, NULL, "10.0.0.0/22", "10.0.0.1-10.0.3.254", NULL },
        { "10.0.0.0/8", NULL, NULL, "10.0.4.9/22", "10.0.4.1-10.0.7.254", NULL },
        { "10.0.0.0/22", NULL, NULL, "10.0.0.0/22", "10.0.0.1-10.0.3.254", NULL },
        { "fd00::/48", NULL, NULL, "fd00:0:0:4::/64", "fd00:0:0:4::1-fd00::4:ffff:ffff:ffff:fffe",
          NULL },
        /* W17: the bounds hold inside of the slice */
        { "10.0.0.0/8", "10.0.4.9", NULL, "10.0.4.0/22", "10.0.4.9-10.0.7.254", NULL },
        { "10.0.0.0/8", "10.0.4.9", "10.0.4.11", "10.0.4.0/22", "10.0.4.9-10.0.4.11", NULL },
        { "10.0.0.0/8", "10.0.0.9", "10.0.4.11", "10.0.4.0/22", "10.0.4.1-10.0.4.11", NULL },
        { "10.0.0.0/8", "10.0.4.9", "10.9.0.0", "10.0.4.0/22", "10.0.4.9-10.0.7.254", NULL },
        { "10.0.0.0/8", "10.0.4.0", "10.0.7.255", "10.0.4.0/22", "10.0.4.1-10.0.7.254", NULL },
        /* bounds that the range itself ignores (2.2) */
        { "10.0.0.0/8", "11.0.0.1", "9.0.0.1", "10.0.4.0/22", "10.0.4.1-10.0.7.254", NULL },
        { "10.0.0.0/8", "10.0.4.20", "10.0.4.10", "10.0.4.0/22", "10.0.4.20-10.0.7.254", NULL },
        /* a slice that reaches beyond the range */
        { "10.0.4.0/24", NULL, NULL, "10.0.4.0/22", "10.0.4.1-10.0.4.254", NULL },
        { "10.0.7.0/24", NULL, NULL, "10.0.4.0/22", "10.0.7.1-10.0.7.254", NULL },
        /* nothing in common */
        { "10.0.0.0/8", "10.0.8.0", NULL, "10.0.4.0/22", NULL,
          TOO_FAR("10.0.4.0/22", "10.0.0.0/8") },
        { "10.0.0.0/8", "10.0.7.255", NULL, "10.0.4.0/22", NULL,
          TOO_FAR("10.0.4.0/22", "10.0.0.0/8") },
        { "10.0.0.0/8", NULL, "10.0.4.0", "10.0.4.0/22", NULL,
          TOO_FAR("10.0.4.0/22", "10.0.0.0/8") },
        { "10.0.0.0/24", NULL, NULL, "10.0.4.0/22", NULL, TOO_FAR("10.0.4.0/22", "10.0.0.0/24") },
        { "fd00::/64", NULL, NULL, "10.0.4.0/22", NULL, TOO_FAR("10.0.4.0/22", "fd00::/64") },
        { "10.0.4.0/22", NULL, NULL, "fd00::/64", NULL, TOO_FAR("fd00::/64", "10.0.4.0/22") },
        { "10.0.0.0/8", NULL, NULL, "10.0.4.0/31", NULL,
          "net mask is too short, subnet {10.0.4.0 fffffffe} has no usable IP addresses, it is too "
          "small" },
};

static struct range make_range(const char *net, const char *start, const char *end)
{
        struct range range = { 0 };

        ck_assert_int_eq(ipnet_parse(net, &range.net), 0);
        if (start)
                ck_assert_int_eq(ip_parse(start, &range.start), 0);
        if (end)
                ck_assert_int_eq(ip_parse(end, &range.end), 0);
        return range;
}

START_TEST(a_range_is_cut_to_the_slice)
{
        struct range range = make_range(cut_rows[_i].range, cut_rows[_i].start, cut_rows[_i].end);
        struct range part = { 0 };
        struct ip first, last;
        char got[2 * IP_TEXT_MAX], text[IP_TEXT_MAX];
        struct ipnet slice;
        struct err err;
        int r;

        ck_assert_int_eq(ipnet_parse(cut_rows[_i].slice, &slice), 0);
        r = slice_cut(&range, &slice, &part, &err);
        if (cut_rows[_i].error) {
                unit_assert_err(r, &err, CNI_ERR_INTERNAL, cut_rows[_i].error);
                ck_assert_int_eq(part.net.ip.family, IP_UNSET);
                return;
        }
        unit_assert_ok(r, &err);
        unit_assert_ok(choose_bounds(&part, &first, &last, &err), &err);
        (void)snprintf(got, sizeof(got), "%s-", ip_format(&first, text));
        (void)snprintf(got + strlen(got), IP_TEXT_MAX, "%s", ip_format(&last, text));
        ck_assert_str_eq(got, cut_rows[_i].want);
        slice.ip = ipnet_first(&slice);
        ck_assert(ip_equal(&part.net.ip, &slice.ip) && part.net.prefix == slice.prefix);
        range_done(&part);
}
END_TEST

static bool nothing_is_taken(_unused_ const struct ip *ip, _unused_ const void *context)
{
        return false;
}

START_TEST(excludes_hold_inside_of_the_slice)
{
        struct range range = make_range("10.0.0.0/8", NULL, NULL), part = { 0 };
        static const char *const excludes[] = { "10.0.4.0/30", "10.0.4.4", "10.0.4.6/32",
                                                "10.9.0.0/16", "fd00::/64" };
        struct ipnet slice;
        char text[IP_TEXT_MAX];
        struct err err;
        struct ip ip;

        ck_assert_int_eq(ipnet_parse("10.0.4.0/22", &slice), 0);
        for (size_t i = 0; i < ARRAY_SIZE(excludes); i++)
                unit_assert_ok(range_add_exclude(&range, excludes[i], &err), &err);
        unit_assert_ok(slice_cut(&range, &slice, &part, &err), &err);
        range_done(&range); /* the part has texts of its own */
        unit_assert_ok(choose_address(&part, nothing_is_taken, NULL, &ip, &err), &err);
        ck_assert_str_eq(ip_format(&ip, text), "10.0.4.5");
        ck_assert_uint_eq(part.exclude_count, ARRAY_SIZE(excludes));
        ck_assert_str_eq(part.exclude_texts[0], "10.0.4.0/30");
        range_done(&part);
}
END_TEST

/* ---- the node's name ---- */

static const struct {
        const char *environment, *file; /* NULL: there is none */
        const char *want, *error;       /* both NULL: the host's name */
} node_rows[] = {
        { "node-e", "node-f", "node-e", NULL },
        { " \t node-e\n", "node-f", "node-e", NULL },
        { "\xe2\x80\x83node-e\xc2\xa0", NULL, "node-e", NULL },
        { NULL, "node-f", "node-f", NULL },
        { "", "node-f\n", "node-f", NULL },
        { " \n", "\r\n  node-f.example.org \n\n", "node-f.example.org", NULL },
        { NULL, NULL, NULL, NULL },
        { NULL, "", NULL, NULL },
        { NULL, " \n", NULL, NULL },
        { "node e", NULL, NULL, "invalid node name 'node e' in the environment's NODENAME" },
        { "../x", NULL, NULL, "invalid node name '../x' in the environment's NODENAME" },
        { NULL, "a\nb", NULL, "invalid node name 'a\nb' in " },
};

/* The host's name, or NULL where there is none. */
static const char *host_name(char name[64])
{
        const char *text = unit_read("/etc", "hostname");

        if (!text)
                return NULL;
        (void)snprintf(name, 64, "%.*s", (int)strcspn(text, " \t\r\n"), text);
        return *name ? name : NULL;
}

START_TEST(the_node_has_a_name)
{
        char dir[UNIT_PATH_MAX], flat[UNIT_PATH_MAX], host[64], *name = NULL;
        const char *want = node_rows[_i].want, *error = node_rows[_i].error;
        struct err err;
        int r;

        ck_assert_int_eq(unsetenv("NODENAME"), 0);
        if (node_rows[_i].environment)
                ck_assert_int_eq(setenv("NODENAME", node_rows[_i].environment, 1), 0);
        unit_dir(dir);
        if (node_rows[_i].file)
                unit_write(dir, "nodename", node_rows[_i].file);
        r = slice_node_name(unit_path(dir, "whereabouts.conf", flat), &name, &err);
        if (!want && !error)
                want = host_name(host);
        if (want) {
                unit_assert_ok(r, &err);
                ck_assert_str_eq(name, want);
        } else {
                ck_assert_int_lt(r, 0);
                ck_assert_int_eq(err.code, CNI_ERR_CONFIG);
                ck_assert_ptr_null(name);
        }
        if (error)
                ck_assert_msg(strncmp(err.msg, error, strlen(error)) == 0, "%s", err.msg);
        free(name);
}
END_TEST

START_TEST(a_name_is_read_up_to_1024_bytes)
{
        char dir[UNIT_PATH_MAX], flat[UNIT_PATH_MAX], text[2048], *name = NULL;
        struct err err;

        ck_assert_int_eq(unsetenv("NODENAME"), 0);
        memset(text, 'n', sizeof(text) - 1);
        text[sizeof(text) - 1] = '\0';
        unit_write(unit_dir(dir), "nodename", text);
        unit_assert_ok(slice_node_name(unit_path(dir, "c", flat), &name, &err), &err);
        ck_assert_uint_eq(strlen(name), 1024);
        free(name);
}
END_TEST

START_TEST(a_file_that_cannot_be_read_is_an_error)
{
        char dir[UNIT_PATH_MAX], path[UNIT_PATH_MAX], flat[UNIT_PATH_MAX], *name = NULL;
        char want[2 * UNIT_PATH_MAX];
        struct err err;

        ck_assert_int_eq(unsetenv("NODENAME"), 0);
        ck_assert_int_eq(mkdir(unit_path(unit_dir(dir), "nodename", path), 0755), 0);
        (void)snprintf(want, sizeof(want), "open %s: is a directory", path);
        unit_assert_err(slice_node_name(unit_path(dir, "c", flat), &name, &err), &err, CNI_ERR_IO,
                        want);
        ck_assert_int_eq(setenv("NODENAME", "n", 1), 0);
        unit_assert_ok(slice_node_name(flat, &name, &err), &err);
        ck_assert_str_eq(name, "n");
        free(name);
}
END_TEST

static void add_tests(TCase *tests)
{
        unit_add_table(tests, a_node_finds_its_slice, find_rows);
        unit_add_table(tests, a_range_is_cut_to_the_slice, cut_rows);
        tcase_add_test(tests, excludes_hold_inside_of_the_slice);
        unit_add_table(tests, the_node_has_a_name, node_rows);
        tcase_add_test(tests, a_name_is_read_up_to_1024_bytes);
        tcase_add_test(tests, a_file_that_cannot_be_read_is_an_error);
}

UNIT_MAIN("slice", add_tests)
