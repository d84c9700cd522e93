/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ranges and range sets. Numbers in comments are those of host-local.md, 6.5 and 6.6.
 */
#include "range.h"

#include "hl.h"

#define HOST_BITS(length, address)                                       \
        "Network has host bits set. For a subnet mask of length " length \
        " the network address is " address

/* What becomes of a set: "START-END" of each range, or the error, its range and its member. */
static const struct {
        const char *set, *want, *gateway, *error;
        size_t range;
        enum range_member member;
} rows[] = {
        { "192.0.2.0/24", "192.0.2.1-192.0.2.254", "192.0.2.1", NULL, 0, 0 }, /* 1 */
        { "192.0.2.0/25", "192.0.2.1-192.0.2.126", "192.0.2.1", NULL, 0, 0 }, /* 2 */
        { "10.0.0.0/30", "10.0.0.1-10.0.0.2", "10.0.0.1", NULL, 0, 0 },
        { "0.0.0.0/0", "0.0.0.1-255.255.255.254", "0.0.0.1", NULL, 0, 0 },
        { "192.0.2.12/24", NULL, NULL, HOST_BITS("24", "192.0.2.0"), 0, RANGE_SUBNET }, /* 3 */
        { "2001:DB8:1::24:19ff:fee1:c44a/64", NULL, NULL, HOST_BITS("64", "2001:db8:1::"), 0,
          RANGE_SUBNET }, /* 4 */
        { "2001:DB8:24:19ff::/63", NULL, NULL, HOST_BITS("63", "2001:db8:24:19fe::"), 0,
          RANGE_SUBNET }, /* 5 */
        { "192.168.127.0/23", NULL, NULL, HOST_BITS("23", "192.168.126.0"), 0,
          RANGE_SUBNET }, /* 6 */
        { "2001:DB8:1::/64", "2001:db8:1::1-2001:db8:1:0:ffff:ffff:ffff:ffff", "2001:db8:1::1",
          NULL, 0, 0 }, /* 7 */
        { "2001:db8::/126", "2001:db8::1-2001:db8::3", "2001:db8::1", NULL, 0, 0 },
        { "192.0.2.0/31", NULL, NULL, "Network 192.0.2.0/31 too small to allocate from", 0,
          RANGE_SUBNET }, /* 8 */
        { "192.0.2.1/32", NULL, NULL, "Network 192.0.2.1/32 too small to allocate from", 0,
          RANGE_SUBNET },
        { "2001:db8::/127", NULL, NULL, "Network 2001:db8::/127 too small to allocate from", 0,
          RANGE_SUBNET },
        { "2001:db8::1/128", NULL, NULL, "Network 2001:db8::1/128 too small to allocate from", 0,
          RANGE_SUBNET },
        { "::ffff:10.1.2.0/120", NULL, NULL, "IPNet IP and Mask version mismatch", 0,
          RANGE_SUBNET },
        { "::ffff:10.1.2.0/127", NULL, NULL, "Network 10.1.2.0/31 too small to allocate from", 0,
          RANGE_SUBNET },
        { "-", NULL, NULL, "IP <nil> not v4 nor v6", 0, RANGE_SUBNET },
        { "- 10.0.0.1", NULL, NULL, "IP <nil> not v4 nor v6", 0, RANGE_SUBNET },
        /* 9 */
        { "192.0.2.0/24 192.0.3.0", NULL, NULL, "RangeStart 192.0.3.0 not in network 192.0.2.0/24",
          0, RANGE_START },
        { "192.0.2.0/24 - 192.0.4.0", NULL, NULL, "RangeEnd 192.0.4.0 not in network 192.0.2.0/24",
          0, RANGE_END },
        { "192.0.2.0/24 2001:db8::1", NULL, NULL,
          "RangeStart 2001:db8::1 not in network 192.0.2.0/24", 0, RANGE_START },
        { "2001:db8::/64 - 192.0.2.1", NULL, NULL,
          "RangeEnd 192.0.2.1 not in network 2001:db8::/64", 0, RANGE_END },
        { "192.0.2.0/24 192.0.2.50 192.0.2.40", NULL, NULL,
          "RangeStart 192.0.2.50 is after RangeEnd 192.0.2.40", 0, RANGE_START },
        /* the end before a start that was not given, and the start behind such an end */
        { "192.0.2.0/24 - 192.0.2.0", NULL, NULL,
          "RangeStart 192.0.2.1 is after RangeEnd 192.0.2.0", 0, RANGE_END },
        { "192.0.2.0/24 192.0.2.255", NULL, NULL,
          "RangeStart 192.0.2.255 is after RangeEnd 192.0.2.254", 0, RANGE_START },
        { "255.255.255.0/24 255.255.255.255", NULL, NULL,
          "RangeStart 255.255.255.255 is after RangeEnd 255.255.255.254", 0, RANGE_START },
        { "192.0.2.0/24 192.0.2.40 192.0.2.50 192.0.2.60", "192.0.2.40-192.0.2.50", "192.0.2.60",
          NULL, 0, 0 }, /* 10 */
        { "192.0.2.0/24 ::ffff:192.0.2.40", "192.0.2.40-192.0.2.254", "192.0.2.1", NULL, 0, 0 },
        { "192.0.2.0/24 192.0.2.0 192.0.2.255", "192.0.2.0-192.0.2.255", "192.0.2.1", NULL, 0, 0 },
        { "192.0.2.0/24 192.0.2.7 192.0.2.7", "192.0.2.7-192.0.2.7", "192.0.2.1", NULL, 0, 0 },
        /* a gateway may lie outside and be of the other family */
        { "192.0.2.0/24 - - 10.0.0.1", "192.0.2.1-192.0.2.254", "10.0.0.1", NULL, 0, 0 },
        { "192.0.2.0/24 - - fe80::1", "192.0.2.1-192.0.2.254", "fe80::1", NULL, 0, 0 },
        /* sets */
        { "10.0.0.0/24, 10.0.1.0/25", "10.0.0.1-10.0.0.254,10.0.1.1-10.0.1.126", "10.0.0.1", NULL,
          0, 0 },
        { "10.0.0.0/24 10.0.0.10 10.0.0.19, 10.0.0.0/24 10.0.0.20 10.0.0.29",
          "10.0.0.10-10.0.0.19,10.0.0.20-10.0.0.29", "10.0.0.1", NULL, 0, 0 },
        { "10.0.0.0/24, 2001:db8::/64", NULL, NULL, "mixed address families", 1, RANGE_SUBNET },
        { "10.0.0.0/24, 10.0.0.1/24", NULL, NULL, HOST_BITS("24", "10.0.0.0"), 1, RANGE_SUBNET },
        { "10.0.0.0/24, 10.0.1.0/24 10.0.0.1", NULL, NULL,
          "RangeStart 10.0.0.1 not in network 10.0.1.0/24", 1, RANGE_START },
        /* the ranges one by one come first, families interleaved */
        { "10.0.0.0/24, 2001:db8::/64, 10.0.0.1/24", NULL, NULL, "mixed address families", 1,
          RANGE_SUBNET },
        { "10.0.0.0/24, 10.0.0.0/24, 10.0.0.1/24", NULL, NULL, HOST_BITS("24", "10.0.0.0"), 2,
          RANGE_SUBNET },
        { "192.168.0.0/20, 192.168.2.0/24", NULL, NULL,
          "subnets 192.168.0.1-192.168.15.254 and 192.168.2.1-192.168.2.254 overlap", 1,
          RANGE_SUBNET }, /* 6.6: 2 */
        { "10.0.0.0/24, 10.0.1.0/24, 10.0.1.0/24 10.0.1.254", NULL, NULL,
          "subnets 10.0.1.1-10.0.1.254 and 10.0.1.254-10.0.1.254 overlap", 2, RANGE_SUBNET },
};

START_TEST(a_set_gets_its_defaults_or_an_error)
{
        enum range_member member = 99;
        char text[IP_TEXT_MAX];
        size_t index = 99;
        struct hl_set set;
        struct buf buf;
        struct err err;
        int r;

        hl_set_fill(&set, rows[_i].set);
        r = range_set_canonicalize(&set.set, &index, &member, &err);
        if (rows[_i].error) {
                unit_assert_err(r, &err, CNI_ERR_CONFIG, rows[_i].error);
                ck_assert_uint_eq(index, rows[_i].range);
                ck_assert_int_eq((int)member, (int)rows[_i].member);
                return;
        }
        unit_assert_ok(r, &err);
        buf_init(&buf, 1000);
        range_set_format(&set.set, &buf);
        ck_assert_str_eq(buf_text(&buf), rows[_i].want);
        ck_assert_str_eq(ip_format(&set.ranges[0].gateway, text), rows[_i].gateway);
        buf_done(&buf);
        /* Once more changes nothing. */
        unit_assert_ok(range_set_canonicalize(&set.set, &index, &member, &err), &err);
}
END_TEST

START_TEST(an_empty_set_is_refused)
{
        struct range_set set = { 0 };
        enum range_member member;
        struct err err;
        size_t index;

        unit_assert_err(range_set_canonicalize(&set, &index, &member, &err), &err, CNI_ERR_CONFIG,
                        "empty range set");
}
END_TEST

/* 11 and 12. */
static const struct {
        const char *set, *ip;
        bool contains;
} contain_rows[] = {
        { "192.0.2.0/24 192.0.2.40 192.0.2.50", "192.0.2.39", false },
        { "192.0.2.0/24 192.0.2.40 192.0.2.50", "192.0.2.40", true },
        { "192.0.2.0/24 192.0.2.40 192.0.2.50", "192.0.2.50", true },
        { "192.0.2.0/24 192.0.2.40 192.0.2.50", "192.0.2.51", false },
        { "192.0.2.0/24 192.0.2.40 192.0.2.50", "192.0.3.45", false },
        { "192.0.2.0/24 192.0.2.40 192.0.2.50", "2001:db8::45", false },
        { "2001:db8:1::/64 2001:db8:1::40 2001:db8:1::50", "2001:db8:1::39", false },
        { "2001:db8:1::/64 2001:db8:1::40 2001:db8:1::50", "2001:db8:1::40", true },
        { "2001:db8:1::/64 2001:db8:1::40 2001:db8:1::50", "2001:db8:1::50", true },
        { "2001:db8:1::/64 2001:db8:1::40 2001:db8:1::50", "2001:db8:1::51", false },
        { "2001:db8:1::/64 2001:db8:1::40 2001:db8:1::50", "192.0.2.45", false },
};

START_TEST(a_range_contains_its_ends_and_what_lies_between)
{
        struct ip a = hl_ip(contain_rows[_i].ip);
        struct hl_set set;

        hl_set_make(&set, contain_rows[_i].set);
        ck_assert_int_eq(range_contains(&set.ranges[0], &a), contain_rows[_i].contains);
}
END_TEST

/* 13 to 18, and 6.6: 3. */
static const struct {
        const char *a, *b;
        bool overlap;
} overlap_rows[] = {
        { "192.168.0.0/24", "192.168.1.0/24", false },                               /* 13 */
        { "0.0.0.0/24", "::/24", false },                                            /* 14 */
        { "192.168.0.0/24", "192.168.0.0/24", true },                                /* 15 */
        { "192.168.0.0/20", "192.168.1.0/24", true },                                /* 16 */
        { "192.168.0.0/24 - 192.168.0.127", "192.168.0.0/24 192.168.0.128", false }, /* 17 */
        { "192.168.0.0/24 - 192.168.0.127", "192.168.0.0/24 192.168.0.127", true },  /* 18 */
        { "10.0.0.0/24, 192.168.0.0/20", "172.16.0.0/24, 192.168.2.0/24", true },
        { "10.0.0.0/24, 192.168.0.0/24", "172.16.0.0/24, 192.168.2.0/24", false },
};

START_TEST(overlap_is_found_in_both_directions)
{
        struct hl_set a, b;

        hl_set_make(&a, overlap_rows[_i].a);
        hl_set_make(&b, overlap_rows[_i].b);
        ck_assert_int_eq(range_set_overlaps(&a.set, &b.set), overlap_rows[_i].overlap);
        ck_assert_int_eq(range_set_overlaps(&b.set, &a.set), overlap_rows[_i].overlap);
        if (a.set.count == 1)
                ck_assert_int_eq(range_overlaps(&a.ranges[0], &b.ranges[0]),
                                 overlap_rows[_i].overlap);
}
END_TEST

START_TEST(the_range_of_an_address_is_found) /* 6.6: 1 */
{
        struct ip a = hl_ip("192.168.0.55"), b = hl_ip("172.16.1.50"), c = hl_ip("192.168.99.99");
        struct hl_set set;

        hl_set_make(&set, "192.168.0.0/24, 172.16.1.0/24");
        ck_assert_ptr_eq(range_set_find(&set.set, &a), &set.ranges[0]);
        ck_assert_ptr_eq(range_set_find(&set.set, &b), &set.ranges[1]);
        ck_assert_ptr_null(range_set_find(&set.set, &c));
        ck_assert_ptr_null(range_set_find(&set.set, &(struct ip){ 0 }));
}
END_TEST

static const struct {
        const char *set;
        uint64_t size;
} size_rows[] = {
        { "10.0.0.0/24", 253 },
        { "10.0.0.0/30", 1 },
        { "10.0.0.0/30 10.0.0.1 10.0.0.1", 0 },
        { "10.0.0.0/24 - - 10.9.9.9", 254 },
        { "10.0.0.0/24 10.0.0.0 10.0.0.255", 255 },
        { "10.0.0.0/29, 10.0.1.0/29", 10 },
        { "0.0.0.0/0", UINT32_MAX - 2 },
        { "2001:db8::/120", 254 },
        { "2001:db8::/64", UINT64_MAX - 1 },
        { "2001:db8::/63", UINT64_MAX },
        { "2001:db8::/64, 2001:db8:1::/64", UINT64_MAX },
};

START_TEST(the_size_is_what_can_be_given_away)
{
        struct hl_set set;

        hl_set_make(&set, size_rows[_i].set);
        ck_assert_uint_eq(range_set_size(&set.set), size_rows[_i].size);
}
END_TEST

static void add_tests(TCase *tests)
{
        unit_add_table(tests, a_set_gets_its_defaults_or_an_error, rows);
        tcase_add_test(tests, an_empty_set_is_refused);
        unit_add_table(tests, a_range_contains_its_ends_and_what_lies_between, contain_rows);
        unit_add_table(tests, overlap_is_found_in_both_directions, overlap_rows);
        tcase_add_test(tests, the_range_of_an_address_is_found);
        unit_add_table(tests, the_size_is_what_can_be_given_away, size_rows);
}

UNIT_MAIN("range", add_tests)
