/* SPDX-License-Identifier: Apache-2.0 */
/*
 * When a Lease may be taken.
 */
#include "election.h"

#include "unit.h"

static const struct {
        const char *version, *holder;
        int64_t duration_s, seen_ms, now_ms;
        bool held;
} rows[] = {
        { NULL, "", 0, 0, 0, false },
        { "5", "", 15, 1000, 1000, false },
        { "5", "we", 15, 1000, 1000, false },
        { "5", "they", 15, 1000, 1000, true },
        { "5", "they", 15, 1000, 16000, true },
        { "5", "they", 15, 1000, 16001, false },
        { "5", "they", 1, 1000, 2001, false },
        { "5", "they", 0, 1000, 1001, false },
        { "5", "they", -7, 1000, 1001, false },
        /* a mistake of somebody does not last for ever */
        { "5", "they", INT64_MAX, 1000, 3601000, true },
        { "5", "they", INT64_MAX, 1000, 3601001, false },
};

START_TEST(a_lease_is_held_until_it_runs_out)
{
        char version[] = "5", holder[8];
        const struct lease lease = { .resource_version = rows[_i].version ? version : NULL,
                                     .holder = holder,
                                     .duration_s = rows[_i].duration_s };

        (void)snprintf(holder, sizeof(holder), "%s", rows[_i].holder);
        ck_assert_int_eq(election_is_held(&lease, "we", rows[_i].seen_ms, rows[_i].now_ms),
                         rows[_i].held);
}
END_TEST

START_TEST(no_two_have_the_same_name)
{
        struct election a = { 0 }, b = { 0 };
        struct err err = { 0 };

        unit_assert_ok(election_init(&a, "x", &err), &err);
        unit_assert_ok(election_init(&b, "x", &err), &err);
        ck_assert_str_ne(a.holder, b.holder);
        ck_assert(!a.leads);
        election_done(&a);
        election_done(&b);
}
END_TEST

static void add_tests(TCase *tests)
{
        unit_add_table(tests, a_lease_is_held_until_it_runs_out, rows);
        tcase_add_test(tests, no_two_have_the_same_name);
}

UNIT_MAIN("election", add_tests)
