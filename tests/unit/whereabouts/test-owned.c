/* SPDX-License-Identifier: Apache-2.0 */
/*
 * When an attachment has to go because its pod is gone. Times are in minutes, the grace is five.
 */
#include "owned.h"

#include "unit.h"

#define MINUTE 60000
#define GRACE  (5 * MINUTE)

/* What a series of looks says, and whether the last one releases. A letter is a look: h (here), g
 * (gone), ? (unknown), - (no such record), . (no look); a minute lies between two. */
static const struct {
        const char *looks;
        bool want;
} rows[] = {
        { "g", false },          { "ggggg", false },  { "gggggg", true },  { "g....g", true },
        { "g...g", false },      { "h....g", false }, { "ghgggg", false }, { "ggggghg", false },
        { "g.h..g....g", true }, { "g????g", true },  { "?????g", false }, { "??????", false },
        { "ggggg?", false },     { "ggggg?g", true }, { "gggggh", false }, { "g----g", false },
        { "ggg-ggg", false },
};

START_TEST(a_pod_must_be_gone_twice_with_time_between)
{
        const struct request one = { .network = (char *)(uintptr_t) "net",
                                     .container_id = (char *)(uintptr_t) "c1",
                                     .ifname = (char *)(uintptr_t) "net1" };
        struct owned owned = { 0 };
        struct err err;
        int last = -1;

        for (size_t i = 0; rows[_i].looks[i]; i++) {
                static const char letters[] = "?hg";
                const char *letter = strchr(letters, rows[_i].looks[i]);
                int64_t now_ms = 1000 + (int64_t)i * MINUTE;

                if (rows[_i].looks[i] == '.')
                        continue;
                owned_begin(&owned);
                last = 0;
                if (letter)
                        last = owned_judge(&owned, &one, (enum owned_pod)(letter - letters), now_ms,
                                           GRACE, &err);
                owned_end(&owned);
        }
        ck_assert_int_eq(last, rows[_i].want);
        owned_done(&owned);
}
END_TEST

static struct request attachment(const char *network, const char *id, const char *ifname)
{
        return (struct request){ .network = (char *)(uintptr_t)network,
                                 .container_id = (char *)(uintptr_t)id,
                                 .ifname = (char *)(uintptr_t)ifname };
}

START_TEST(each_attachment_has_its_own_time)
{
        static const char *const all[][3] = { { "net", "c1", "net1" },
                                              { "net", "c1", "net2" },
                                              { "net", "c2", "net1" },
                                              { "other", "c1", "net1" } };
        struct owned owned = { 0 };
        struct request one;
        struct err err;

        for (size_t look = 0; look < ARRAY_SIZE(all); look++) {
                owned_begin(&owned);
                for (size_t i = 0; i <= look; i++) {
                        one = attachment(all[i][0], all[i][1], all[i][2]);
                        ck_assert_int_eq(owned_judge(&owned, &one, OWNED_GONE,
                                                     (int64_t)look * MINUTE, GRACE, &err),
                                         0);
                }
                owned_end(&owned);
                ck_assert_uint_eq(owned.count, look + 1);
        }
        owned_begin(&owned);
        for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
                one = attachment(all[i][0], all[i][1], all[i][2]);
                ck_assert_int_eq(owned_judge(&owned, &one, OWNED_GONE, 6 * MINUTE, GRACE, &err),
                                 i <= 1);
        }
        owned_end(&owned);
        owned_done(&owned);
}
END_TEST

START_TEST(one_look_is_never_enough)
{
        const struct request one = attachment("net", "c1", "net1");
        struct owned owned = { 0 };
        struct err err;

        owned_begin(&owned);
        ck_assert_int_eq(owned_judge(&owned, &one, OWNED_GONE, 1000, 0, &err), 0);
        owned_end(&owned);
        owned_begin(&owned);
        ck_assert_int_eq(owned_judge(&owned, &one, OWNED_GONE, 1000, 0, &err), 0);
        owned_end(&owned);
        owned_done(&owned);
}
END_TEST

START_TEST(what_has_gone_is_forgotten)
{
        const struct request one = attachment("net", "c1", "net1");
        struct owned owned = { 0 };
        struct err err;

        owned_begin(&owned);
        ck_assert_int_eq(owned_judge(&owned, &one, OWNED_GONE, 1000, GRACE, &err), 0);
        owned_end(&owned);
        ck_assert_uint_eq(owned.count, 1);
        owned_begin(&owned);
        owned_end(&owned);
        ck_assert_uint_eq(owned.count, 0);
        owned_done(&owned);
}
END_TEST

static void add_tests(TCase *tests)
{
        unit_add_table(tests, a_pod_must_be_gone_twice_with_time_between, rows);
        tcase_add_test(tests, each_attachment_has_its_own_time);
        tcase_add_test(tests, one_look_is_never_enough);
        tcase_add_test(tests, what_has_gone_is_forgotten);
}

UNIT_MAIN("owned", add_tests)
