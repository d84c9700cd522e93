/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The walk over a set. Numbers in comments are those of host-local.md, 6.3; what needs a directory
 * is in test-reservation.c.
 */
#include "alloc.h"

#include "hl.h"

/* The candidates behind `last`, in their order, with a blank behind each. */
static const struct {
        const char *set, *last, *want;
} rows[] = {
        { "192.168.1.0/29", NULL,
          "192.168.1.2 192.168.1.3 192.168.1.4 192.168.1.5 192.168.1.6 " }, /* 1 */
        { "192.168.1.0/29", "192.168.1.6",
          "192.168.1.2 192.168.1.3 192.168.1.4 192.168.1.5 192.168.1.6 " }, /* 2 */
        { "192.168.1.0/29", "192.168.1.3",
          "192.168.1.4 192.168.1.5 192.168.1.6 192.168.1.2 192.168.1.3 " }, /* 3 */
        /* 12: behind the end of a range comes the next range's start */
        { "192.168.1.0/24 192.168.1.0 192.168.1.3 192.168.1.254, 192.168.2.0/24 192.168.2.0 "
          "192.168.2.3 192.168.2.254",
          "192.168.1.3",
          "192.168.2.0 192.168.2.1 192.168.2.2 192.168.2.3 "
          "192.168.1.0 192.168.1.1 192.168.1.2 192.168.1.3 " },
        /* 13 */
        { "192.168.1.0/24 192.168.1.0 192.168.1.3 192.168.1.254, 192.168.2.0/24 192.168.2.0 "
          "192.168.2.3 192.168.2.254",
          NULL,
          "192.168.1.0 192.168.1.1 192.168.1.2 192.168.1.3 "
          "192.168.2.0 192.168.2.1 192.168.2.2 192.168.2.3 " },
        { "192.168.1.0/24 192.168.1.0 192.168.1.3 192.168.1.254, 192.168.2.0/24 192.168.2.0 "
          "192.168.2.3 192.168.2.254",
          "192.168.2.1",
          "192.168.2.2 192.168.2.3 192.168.1.0 192.168.1.1 192.168.1.2 192.168.1.3 "
          "192.168.2.0 192.168.2.1 " },
        /* the worked example of 3.3: only a range's own gateway is left out */
        { "10.0.0.0/29 10.0.0.3 10.0.0.4 10.0.0.1, 10.0.1.0/29 10.0.1.1 10.0.1.3 10.0.1.2", NULL,
          "10.0.0.3 10.0.0.4 10.0.1.1 10.0.1.3 " },
        { "10.0.0.0/29 10.0.0.3 10.0.0.4 10.0.0.1, 10.0.1.0/29 10.0.1.1 10.0.1.3 10.0.1.2",
          "10.0.1.3", "10.0.0.3 10.0.0.4 10.0.1.1 10.0.1.3 " },
        { "10.0.0.0/30 - - 10.0.1.2, 10.0.1.0/30", NULL, "10.0.0.1 10.0.0.2 10.0.1.2 " },
        /* `last` outside, of the other family, a gateway */
        { "10.0.0.0/30", "10.0.0.128", "10.0.0.2 " },
        { "10.0.0.0/30", "10.0.0.0", "10.0.0.2 " },
        { "10.0.0.0/30", "2001:db8::1", "10.0.0.2 " },
        { "10.0.0.0/29 - - 10.0.0.3", "10.0.0.3", "10.0.0.4 10.0.0.5 10.0.0.6 10.0.0.1 10.0.0.2 " },
        /* ranges of one address, and nothing to give */
        { "10.0.0.0/29 10.0.0.5 10.0.0.5", NULL, "10.0.0.5 " },
        { "10.0.0.0/29 10.0.0.5 10.0.0.5", "10.0.0.5", "10.0.0.5 " },
        { "10.0.0.0/30 10.0.0.1 10.0.0.1", NULL, "" },
        { "10.0.0.0/30 10.0.0.1 10.0.0.1", "10.0.0.1", "" },
        { "10.0.0.0/30 10.0.0.1 10.0.0.1, 10.0.1.0/30 10.0.1.1 10.0.1.1", NULL, "" },
        /* the ends of the families */
        { "255.255.255.248/29 255.255.255.253 255.255.255.255 255.255.255.250", NULL,
          "255.255.255.253 255.255.255.254 255.255.255.255 " },
        { "255.255.255.248/29 255.255.255.253 255.255.255.255 255.255.255.250", "255.255.255.255",
          "255.255.255.253 255.255.255.254 255.255.255.255 " },
        { "ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffc/126", NULL,
          "ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffe ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff " },
        { "0.0.0.0/30 0.0.0.0 0.0.0.3 0.0.0.2", "0.0.0.2", "0.0.0.3 0.0.0.0 0.0.0.1 " },
        /* upstream's family flip */
        { "::ff:0/112 ::ff:fffe ::ff:ffff", NULL, "::ff:fffe ::ff:ffff " },
};

START_TEST(candidates_come_round_robin)
{
        const struct range *range;
        char text[IP_TEXT_MAX];
        struct alloc_walk walk;
        struct ip last = { 0 }, ip;
        struct hl_set set;
        struct buf buf;

        hl_set_make(&set, rows[_i].set);
        if (rows[_i].last)
                last = hl_ip(rows[_i].last);
        buf_init(&buf, 10000);
        alloc_start(&walk, &set.set, &last);
        while (buf.failed == 0 && alloc_next(&walk, &ip, &range)) {
                ck_assert(range_contains(range, &ip));
                buf_printf(&buf, "%s ", ip_format(&ip, text));
        }
        ck_assert_str_eq(buf_text(&buf), rows[_i].want);
        ck_assert(!alloc_next(&walk, &ip, &range)); /* the end stays the end */
        buf_done(&buf);
}
END_TEST

START_TEST(every_address_comes_once_wherever_the_walk_begins)
{
        struct hl_set set;

        hl_set_make(&set, "10.0.0.0/28, 10.0.2.0/30, 10.0.1.0/27");
        for (size_t start = 0; start < 3; start++)
                for (struct ip last = set.ranges[start].start;
                     range_contains(&set.ranges[start], &last); last = ip_next(last)) {
                        struct alloc_walk walk;
                        const struct range *range;
                        struct ip ip, seen[64], final = { 0 };
                        uint64_t count = 0;

                        alloc_start(&walk, &set.set, &last);
                        for (; alloc_next(&walk, &ip, &range); count++) {
                                ck_assert_uint_lt(count, 64);
                                for (uint64_t i = 0; i < count; i++)
                                        ck_assert(!ip_equal(&seen[i], &ip));
                                seen[count] = final = ip;
                        }
                        ck_assert_uint_eq(count, range_set_size(&set.set));
                        /* `last` itself is tried last, unless it is never tried. */
                        ck_assert(ip_equal(&final, &last) ||
                                  ip_equal(&last, &set.ranges[start].gateway));
                }
}
END_TEST

static void add_tests(TCase *tests)
{
        unit_add_table(tests, candidates_come_round_robin, rows);
        tcase_add_test(tests, every_address_comes_once_wherever_the_walk_begins);
}

UNIT_MAIN("alloc", add_tests)
