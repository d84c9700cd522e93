/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How full pools are. What is printed of them is tested with a real API server.
 */
#include "report.h"

#include "unit.h"

#define E "{\"id\":\"c\",\"podref\":\"n/p\"}"

static const struct {
        const char *range, *allocations;
        uint64_t size, used, free;
} rows[] = {
        { "10.0.0.0/24", "", 254, 0, 254 },
        { "10.0.0.0/24", "\"1\":" E ",\"2\":" E, 254, 2, 252 },
        { "10.0.0.0/24", "\"1\":" E ",\"01\":" E, 254, 1, 253 },
        /* addresses that nobody would be given take none from the others */
        { "10.0.0.0/24", "\"0\":" E ",\"255\":" E ",\"300\":" E ",\"7\":" E, 254, 4, 253 },
        { "10.0.0.0/24", "\"x\":" E, 254, 0, 254 },
        { "10.0.0.5/24", "\"1\":" E, 254, 1, 253 }, /* .6 */
        { "10.0.0.0/30", "\"1\":" E ",\"2\":" E, 2, 2, 0 },
        { "10.0.0.0/31", "", 0, 0, 0 }, /* too small for anybody */
        { "10.0.0.1/32", "\"0\":" E, 0, 1, 0 },
        { "0.0.0.0/0", "", UINT32_MAX - 1, 0, UINT32_MAX - 1 },
        { "fd00::/120", "\"1\":" E, 254, 1, 253 },
        { "fd00::/65", "\"1\":" E, INT64_MAX - 1, 1, INT64_MAX - 2 },
        { "fd00::/64", "\"1\":" E, INT64_MAX, 1, INT64_MAX - 1 }, /* more than can be told */
        { "::/0", "", INT64_MAX, 0, INT64_MAX },
        { "nonsense", "\"1\":" E, 0, 0, 0 },
};

START_TEST(a_pool_is_as_full_as_its_entries_make_it)
{
        struct pool_list list = { 0 };
        struct fill fill;
        struct err err;
        char text[4096];

        (void)snprintf(text, sizeof(text),
                       "{\"items\":[{\"metadata\":{\"name\":\"p\",\"resourceVersion\":\"1\"},"
                       "\"spec\":{\"range\":\"%s\",\"allocations\":{%s}}}]}",
                       rows[_i].range, rows[_i].allocations);
        unit_assert_ok(pool_list_parse(text, strlen(text), &list, &err), &err);
        ck_assert_uint_eq(list.count, 1);
        fill = report_fill(&list.items[0]);
        ck_assert_uint_eq(fill.size, rows[_i].size);
        ck_assert_uint_eq(fill.used, rows[_i].used);
        ck_assert_uint_eq(fill.free, rows[_i].free);
        pool_list_done(&list);
}
END_TEST

static void add_tests(TCase *tests)
{
        unit_add_table(tests, a_pool_is_as_full_as_its_entries_make_it, rows);
}

UNIT_MAIN("report", add_tests)
