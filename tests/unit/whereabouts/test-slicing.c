/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What definitions want. Numbers in comments are sections of whereabouts-controllers-and-deploy.md.
 */
#include "slicing.h"

#include "unit.h"

/* ---- numbers ---- */

static const struct {
        const char *text;
        int want; /* -1: no size */
} size_rows[] = {
        { "/26", 26 }, { "26", 26 },   { "/0", 0 },    { "/064", 64 }, { "", -1 },
        { "/", -1 },   { "//26", -1 }, { "26/", -1 },  { "-1", -1 },   { "2 6", -1 },
        { "+26", -1 }, { "9999", -1 }, { "0x1a", -1 },
};

START_TEST(a_size_is_a_prefix_length)
{
        unsigned got = 0;
        int r = slicing_parse_size(size_rows[_i].text, &got);

        ck_assert_int_eq(r, size_rows[_i].want < 0 ? -EINVAL : 0);
        if (r == 0)
                ck_assert_int_eq((int)got, size_rows[_i].want);
}
END_TEST

static struct ipnet net_of(const char *text)
{
        struct ipnet net = { 0 };

        ck_assert_int_eq(ipnet_parse(text, &net), 0);
        return net;
}

static const struct {
        const char *range;
        unsigned prefix;
        uint64_t number;
        const char *want;
} number_rows[] = {
        /* 7.3 */
        { "10.0.0.0/8", 8, 0, "10.0.0.0/8" },
        { "10.0.0.0/8", 10, 3, "10.192.0.0/10" },
        { "10.0.0.0/8", 11, 5, "10.160.0.0/11" },
        { "10.0.0.0/8", 12, 15, "10.240.0.0/12" },
        { "10.0.0.0/8", 20, 4095, "10.255.240.0/20" },
        { "192.168.4.0/23", 32, 511, "192.168.5.255/32" },
        { "0.0.0.0/0", 32, UINT32_MAX, "255.255.255.255/32" },
        { "fd00::/64", 96, 0x12345678, "fd00::1234:5678:0:0/96" },
        { "fd00::/63", 127, UINT64_MAX, "fd00::1:ffff:ffff:ffff:fffe/127" },
};

START_TEST(a_slice_has_a_number)
{
        struct ipnet range = net_of(number_rows[_i].range);
        struct ipnet net = slicing_net(&range, number_rows[_i].prefix, number_rows[_i].number);
        char text[IPNET_TEXT_MAX];
        uint64_t number = 7;

        ck_assert_str_eq(ipnet_format(&net, text), number_rows[_i].want);
        ck_assert(slicing_number(&range, number_rows[_i].prefix, &net, &number));
        ck_assert_uint_eq(number, number_rows[_i].number);
}
END_TEST

static const struct {
        const char *range, *net;
        unsigned prefix;
} none_rows[] = {
        { "10.0.0.0/8", "10.64.0.0/11", 10 }, /* of another size */
        { "10.0.0.0/8", "11.64.0.0/10", 10 }, /* elsewhere */
        { "10.0.0.0/8", "10.64.0.1/10", 10 }, /* with host bits */
        { "10.0.0.0/8", "fd00::/10", 10 },    /* of the other family */
        { "::/0", "8000::/128", 128 },        /* its number has 128 bits */
};

START_TEST(another_network_is_no_slice)
{
        struct ipnet range = net_of(none_rows[_i].range), net = net_of(none_rows[_i].net);
        uint64_t number = 7;

        ck_assert(!slicing_number(&range, none_rows[_i].prefix, &net, &number));
        ck_assert_uint_eq(number, 7);
}
END_TEST

START_TEST(slices_are_counted)
{
        struct ipnet v4 = net_of("10.0.0.0/8"), v6 = net_of("::/0");

        ck_assert_uint_eq(slicing_count(&v4, 8), 1);
        ck_assert_uint_eq(slicing_count(&v4, 32), 1U << 24);
        ck_assert_uint_eq(slicing_count(&v6, 63), UINT64_C(1) << 63);
        ck_assert_uint_eq(slicing_count(&v6, 64), UINT64_MAX);
}
END_TEST

/* ---- definitions ---- */

#define IPAM(rest) "{\\\"ipam\\\":{\\\"type\\\":\\\"whereabouts\\\"," rest "}}"
#define NAMED(rest) \
        "{\\\"name\\\":\\\"cni\\\",\\\"ipam\\\":{\\\"type\\\":\\\"whereabouts\\\"," rest "}}"
#define RANGE(text) "\\\"range\\\":\\\"" text "\\\""
#define SIZE(text)  "\\\"node_slice_size\\\":\\\"" text "\\\""
#define NET(text)   "\\\"network_name\\\":\\\"" text "\\\""
#define CHAIN(list) "{\\\"name\\\":\\\"chain\\\",\\\"plugins\\\":" list "}"
#define ITEM(config)                                                                              \
        "{\"items\":[{\"metadata\":{\"namespace\":\"ns\",\"name\":\"nad\"},\"spec\":{\"config\":" \
        "\"" config "\"}}]}"

static const struct {
        const char *list;
        const char *want;      /* pool, prefix of names, range, size; NULL: no slices */
        const char *complaint; /* NULL: none */
} rows[] = {
        { ITEM(IPAM(NET("net1") "," RANGE("10.0.0.0/8") "," SIZE("/10"))),
          "net1 net1 10.0.0.0/8 10", NULL },
        { ITEM(IPAM(NET("net1") "," RANGE("10.0.0.7/8") "," SIZE("10"))), "net1 net1 10.0.0.0/8 10",
          NULL },
        /* 2.6: without a network_name it is the configuration's name, or that which Multus fills in
         */
        { ITEM(NAMED(RANGE("10.0.0.0/8") "," SIZE("/10"))), "cni - 10.0.0.0/8 10", NULL },
        { ITEM(IPAM(RANGE("10.0.0.0/8") "," SIZE("/10"))), "nad - 10.0.0.0/8 10", NULL },
        { ITEM(CHAIN(
                  "[{\\\"type\\\":\\\"tuning\\\"}," IPAM(RANGE("10.0.0.0/8") "," SIZE("/10")) "]")),
          "chain - 10.0.0.0/8 10", NULL },
        { ITEM(IPAM("\\\"ipRanges\\\":[{" RANGE("fd00::/64") "}]," SIZE("/96"))),
          "nad - fd00::/64 96", NULL },
        { ITEM(IPAM(RANGE("10.0.0.9-10.0.0.90/24") "," SIZE("/26"))), "nad - 10.0.0.0/24 26",
          NULL },
        /* 7.3, 2.6: what is none of ours, or wants none */
        { ITEM(IPAM(RANGE("10.0.0.0/8"))), NULL, NULL },
        { ITEM(IPAM(RANGE("10.0.0.0/8") "," SIZE(""))), NULL, NULL },
        { ITEM("{\\\"ipam\\\":{\\\"type\\\":\\\"host-local\\\"," SIZE("/10") "}}"), NULL, NULL },
        { ITEM("{\\\"type\\\":\\\"macvlan\\\"}"), NULL, NULL },
        { ITEM("{}"), NULL, NULL },
        { ITEM("{\\\"plugins\\\":[]}"), NULL, NULL },
        { ITEM(""), NULL, NULL },
        { "{\"items\":[{\"metadata\":{\"namespace\":\"ns\",\"name\":\"nad\"}}]}", NULL, NULL },
        { "{\"items\":[{}]}", NULL, NULL },
        { "{}", NULL, NULL },
        /* 2.4: what makes no sense */
        { ITEM(IPAM(RANGE("10.0.0.0/24") "," SIZE("/22"))), NULL,
          "ns/nad: node_slice_size /22 is larger than the range 10.0.0.0/24\n" },
        { ITEM(IPAM(RANGE("10.0.0.0/8") "," SIZE("/33"))), NULL,
          "ns/nad: node_slice_size '/33' is no prefix length\n" },
        { ITEM(IPAM(RANGE("10.0.0.0/8") "," SIZE("ten"))), NULL,
          "ns/nad: node_slice_size 'ten' is no prefix length\n" },
        { ITEM(IPAM(SIZE("/10"))), NULL, "ns/nad: no range\n" },
        { ITEM(IPAM(RANGE("10.0.0.0") "," SIZE("/10"))), NULL,
          "ns/nad: invalid CIDR 10.0.0.0: invalid CIDR address: 10.0.0.0\n" },
        { ITEM(IPAM(NET("No") "," RANGE("10.0.0.0/8") "," SIZE("/10"))), NULL,
          "ns/nad: 'No' cannot be the name of a NodeSlicePool\n" },
        { ITEM("{"), NULL, "ns/nad: unexpected end of JSON input\n" },
        { ITEM(IPAM("\\\"node_slice_size\\\":10")), NULL,
          "ns/nad: ipam.node_slice_size: must be a string, not a number\n" },
};

/* All of a list, as its reader hands it over. */
static void read_list(const char *text, struct slicing_list *list)
{
        _cleanup_(json_freep) struct json *document = NULL;
        struct json_at top = { 0 }, items;
        struct err err;

        unit_assert_ok(json_parse(text, strlen(text), &document, &err), &err);
        top.value = document;
        if (json_member(&top, "items", &items))
                unit_assert_ok(json_list(&items, slicing_list_read, list, &err), &err);
}

START_TEST(a_definition_wants_slices)
{
        _cleanup_(buf_done) struct buf complaints;
        _cleanup_(slicing_list_done) struct slicing_list list;
        const char *want = rows[_i].want, *complaint = rows[_i].complaint;
        char text[IPNET_TEXT_MAX], got[256];

        buf_init(&complaints, 4096);
        slicing_list_init(&list, &complaints);
        read_list(rows[_i].list, &list);
        ck_assert_str_eq(complaints.len > 0 ? buf_text(&complaints) : "",
                         complaint ? complaint : "");
        ck_assert_uint_eq(list.unclear, complaint ? 1 : 0);
        ck_assert_uint_eq(list.count, want ? 1 : 0);
        if (!want)
                return;
        (void)snprintf(got, sizeof(got), "%s %s %s %u", list.items->pool,
                       list.items->network_name ? list.items->network_name : "-",
                       ipnet_format(&list.items->range, text), list.items->prefix);
        ck_assert_str_eq(got, want);
        ck_assert_str_eq(list.items->whose, "ns/nad");
}
END_TEST

START_TEST(a_broken_definition_harms_no_other)
{
        static const char page[] =
                "{\"items\":["
                "{\"metadata\":{\"namespace\":\"a\",\"name\":\"x\"},\"spec\":{\"config\":\"[\"}},"
                "{\"metadata\":{\"namespace\":\"a\",\"name\":\"b\",\"creationTimestamp\":\"2026-"
                "02\"},"
                "\"spec\":{\"config\":\"" NAMED(RANGE("10.0.0.0/8") "," SIZE(
                        "/10")) "\"}},"
                                "{\"metadata\":{\"namespace\":\"z\",\"name\":\"a\","
                                "\"creationTimestamp\":\"2026-01\"},"
                                "\"spec\":{\"config\":\"" NAMED(RANGE("10.0.0.0/9") "," SIZE(
                                        "/10")) "\"}},"
                                                "{\"metadata\":{\"namespace\":\"a\",\"name\":\"a\","
                                                "\"creationTimestamp\":\"2026-02\"},"
                                                "\"spec\":{\"config\":\"" NAMED(RANGE(
                                                        "10.0.0.0/8") "," SIZE("/11")) "\"}}]}";
        _cleanup_(buf_done) struct buf complaints;
        _cleanup_(slicing_list_done) struct slicing_list list;

        buf_init(&complaints, 4096);
        slicing_list_init(&list, &complaints);
        read_list(page, &list);
        slicing_list_sort(&list);
        ck_assert_uint_eq(list.unclear, 1);
        ck_assert_uint_eq(list.count, 3);
        ck_assert_str_eq(list.items[0].whose, "z/a"); /* the oldest */
        ck_assert_str_eq(list.items[1].whose, "a/a");
        ck_assert_str_eq(list.items[2].whose, "a/b");
}
END_TEST

static void add_tests(TCase *tests)
{
        unit_add_table(tests, a_size_is_a_prefix_length, size_rows);
        unit_add_table(tests, a_slice_has_a_number, number_rows);
        unit_add_table(tests, another_network_is_no_slice, none_rows);
        tcase_add_test(tests, slices_are_counted);
        unit_add_table(tests, a_definition_wants_slices, rows);
        tcase_add_test(tests, a_broken_definition_harms_no_other);
}

UNIT_MAIN("slicing", add_tests)
