/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Cron expressions and their ticks.
 */
#include "cron.h"

#include <time.h>

#include "unit.h"

/* "2026-11-24 18:46:25", a Tuesday. */
static int64_t seconds(const char *text)
{
        struct tm tm = { 0 };

        ck_assert_ptr_nonnull(strptime(text, "%Y-%m-%d %H:%M:%S", &tm));
        return timegm(&tm);
}

static const struct {
        const char *text, *after, *next;
} ticks[] = {
        { "30 4 * * *", "2026-11-24 18:46:25", "2026-11-25 04:30:00" },
        { "30 4 * * *", "2026-11-24 04:29:59", "2026-11-24 04:30:00" },
        { "30 4 * * *", "2026-11-24 04:30:00", "2026-11-25 04:30:00" },
        { " 30  4 *\t* *\n", "2026-11-24 04:29:59", "2026-11-24 04:30:00" },
        { "TZ=UTC 30 4 * * *", "2026-11-24 18:46:25", "2026-11-25 04:30:00" },
        { "CRON_TZ=Etc/UTC   30 4 * * *", "2026-11-24 18:46:25", "2026-11-25 04:30:00" },
        { "TZ= 30 4 * * *", "2026-11-24 18:46:25", "2026-11-25 04:30:00" },
        { "TZ=UTC @daily", "2026-11-24 18:46:25", "2026-11-25 00:00:00" },
        { "* * * * *", "2026-11-24 18:46:25", "2026-11-24 18:47:00" },
        { "* * * * *", "2026-12-31 23:59:00", "2027-01-01 00:00:00" },
        { "*/5 * * * *", "2026-11-24 18:46:25", "2026-11-24 18:50:00" },
        { "50/3 * * * *", "2026-11-24 18:54:00", "2026-11-24 18:56:00" },
        { "50/3 * * * *", "2026-11-24 18:59:00", "2026-11-24 19:50:00" },
        { "0/100 * * * *", "2026-11-24 18:46:25", "2026-11-24 19:00:00" },
        { "10-20/4 * * * *", "2026-11-24 18:18:25", "2026-11-24 19:10:00" },
        { "5,45,47 * * * *", "2026-11-24 18:46:25", "2026-11-24 18:47:00" },
        { "0 23 * * *", "2026-11-24 23:00:00", "2026-11-25 23:00:00" },
        { "59 23 31 12 ?", "2026-11-24 18:46:25", "2026-12-31 23:59:00" },
        { "0 0 31 * *", "2026-11-24 18:46:25", "2026-12-31 00:00:00" },
        { "0 0 1 1 *", "2026-01-01 00:00:00", "2027-01-01 00:00:00" },
        { "0 0 29 2 *", "2026-11-24 18:46:25", "2028-02-29 00:00:00" },
        { "0 0 29 2 *", "2096-03-01 00:00:00", "2104-02-29 00:00:00" },
        { "0 0 1 mar *", "2027-02-28 23:59:59", "2027-03-01 00:00:00" },
        { "0 0 * JUN-aug *", "2026-11-24 18:46:25", "2027-06-01 00:00:00" },
        /* weekdays: the 24th is a Tuesday */
        { "0 0 * * 0", "2026-11-24 18:46:25", "2026-11-29 00:00:00" },
        { "0 0 * * Sun", "2026-11-24 18:46:25", "2026-11-29 00:00:00" },
        { "0 0 * * mon-fri", "2026-11-27 18:46:25", "2026-11-30 00:00:00" },
        { "0 0 * * sat,tue", "2026-11-24 18:46:25", "2026-11-28 00:00:00" },
        /* either day or weekday when both are restricted */
        { "0 0 27 * sun", "2026-11-24 18:46:25", "2026-11-27 00:00:00" },
        { "0 0 27 * sun", "2026-11-27 18:46:25", "2026-11-29 00:00:00" },
        { "0 0 */1 * sun", "2026-11-27 18:46:25", "2026-11-29 00:00:00" },
        { "0 0 */2 * sat", "2026-11-25 18:46:25", "2026-11-27 00:00:00" }, /* a step restricts */
        /* words */
        { "@yearly", "2026-11-24 18:46:25", "2027-01-01 00:00:00" },
        { "@annually", "2026-11-24 18:46:25", "2027-01-01 00:00:00" },
        { "@monthly", "2026-11-24 18:46:25", "2026-12-01 00:00:00" },
        { "@weekly", "2026-11-24 18:46:25", "2026-11-29 00:00:00" },
        { "@daily", "2026-11-24 18:46:25", "2026-11-25 00:00:00" },
        { "@midnight", "2026-11-24 18:46:25", "2026-11-25 00:00:00" },
        { "@hourly", "2026-11-24 18:46:25", "2026-11-24 19:00:00" },
        { "@every 5m", "2026-11-24 18:46:25", "2026-11-24 18:51:25" },
        { "@every 1h30m", "2026-11-24 18:46:25", "2026-11-24 20:16:25" },
        { "@every 1.5h", "2026-11-24 18:46:25", "2026-11-24 20:16:25" },
        { "@every 90s", "2026-11-24 18:46:25", "2026-11-24 18:47:55" },
        { "@every 1500ms", "2026-11-24 18:46:25", "2026-11-24 18:46:26" },
        { "@every 3000000µs", "2026-11-24 18:46:25", "2026-11-24 18:46:28" },
        { "@every 10ns", "2026-11-24 18:46:25", "2026-11-24 18:46:26" },
};

START_TEST(the_next_tick_is_the_first_that_fits)
{
        struct cron cron = { 0 };
        struct err err;

        unit_assert_ok(cron_parse(ticks[_i].text, &cron, &err), &err);
        ck_assert_int_eq(cron_next(&cron, seconds(ticks[_i].after)), seconds(ticks[_i].next));
}
END_TEST

static const struct {
        const char *text, *msg;
} bad[] = {
        { "", "schedule: it is empty" },
        { " \n", "schedule: it is empty" },
        { "30 4 * *", "schedule '30 4 * *': it has fewer than five fields" },
        { "TZ=UTC", "schedule 'TZ=UTC': it has fewer than five fields" },
        { "0 30 4 * * *",
          "schedule '0 30 4 * * *': there are more than five fields (none is for seconds)" },
        { "60 4 * * *", "schedule '60 4 * * *': the minute makes no sense" },
        { "-1 4 * * *", "schedule '-1 4 * * *': the minute makes no sense" },
        { "1- 4 * * *", "schedule '1- 4 * * *': the minute makes no sense" },
        { "5-1 4 * * *", "schedule '5-1 4 * * *': the minute makes no sense" },
        { "*-5 4 * * *", "schedule '*-5 4 * * *': the minute makes no sense" },
        { "1,,2 4 * * *", "schedule '1,,2 4 * * *': the minute makes no sense" },
        { "*/0 4 * * *", "schedule '*/0 4 * * *': the minute makes no sense" },
        { "*/ 4 * * *", "schedule '*/ 4 * * *': the minute makes no sense" },
        { "*/2/3 4 * * *", "schedule '*/2/3 4 * * *': the minute makes no sense" },
        { "jan 4 * * *", "schedule 'jan 4 * * *': the minute makes no sense" },
        { "0 24 * * *", "schedule '0 24 * * *': the hour makes no sense" },
        { "0 0 0 * *", "schedule '0 0 0 * *': the day makes no sense" },
        { "0 0 32 * *", "schedule '0 0 32 * *': the day makes no sense" },
        { "0 0 1 13 *", "schedule '0 0 1 13 *': the month makes no sense" },
        { "0 0 1 janu *", "schedule '0 0 1 janu *': the month makes no sense" },
        { "0 0 * * 7", "schedule '0 0 * * 7': the weekday makes no sense" },
        { "0 0 * * 99999999999999999999",
          "schedule '0 0 * * 99999999999999999999': the weekday makes no sense" },
        { "0 0 30 2 *", "schedule '0 0 30 2 *': there is no such day" },
        { "0 0 31 apr,jun *", "schedule '0 0 31 apr,jun *': there is no such day" },
        { "@often", "schedule '@often': no such word is known" },
        { "@daily 5", "schedule '@daily 5': no such word is known" },
        { "@every", "schedule '@every': no such word is known" },
        { "@every 5", "schedule '@every 5': no duration such as 1h30m follows @every" },
        { "@every 5x", "schedule '@every 5x': no duration such as 1h30m follows @every" },
        { "@every -5m", "schedule '@every -5m': no duration such as 1h30m follows @every" },
        { "@every .m", "schedule '@every .m': no duration such as 1h30m follows @every" },
        { "@every 5m ", NULL },
        { "@every 0s", "schedule '@every 0s': the duration is too short or too long" },
        { "@every 999999999h",
          "schedule '@every 999999999h': the duration is too short or too long" },
        { "TZ=Europe/Berlin 30 4 * * *",
          "schedule 'TZ=Europe/Berlin 30 4 * * *': the only time zone that is known is UTC" },
        { "CRON_TZ=Local @daily",
          "schedule 'CRON_TZ=Local @daily': the only time zone that is known is UTC" },
        { "a\033[1m * * * *", "schedule 'a?[1m * * * *': the minute makes no sense" },
};

START_TEST(what_makes_no_sense_is_named)
{
        struct cron cron = { .every_s = 7 };
        struct err err;
        int r = cron_parse(bad[_i].text, &cron, &err);

        if (!bad[_i].msg) {
                unit_assert_ok(r, &err);
                return;
        }
        unit_assert_err(r, &err, CNI_ERR_CONFIG, bad[_i].msg);
        ck_assert_int_eq(cron.every_s, 7);
}
END_TEST

START_TEST(a_text_without_end_is_refused)
{
        char text[CRON_TEXT_MAX + 2];
        struct cron cron;
        struct err err;

        memset(text, '*', sizeof(text) - 1);
        text[sizeof(text) - 1] = '\0';
        unit_assert_err(cron_parse(text, &cron, &err), &err, CNI_ERR_CONFIG,
                        "schedule: it is too long");
}
END_TEST

START_TEST(the_calendar_is_the_systems)
{
        struct cron cron = { 0 };
        struct err err;
        time_t day = 0;

        unit_assert_ok(cron_parse("0 0 1 * *", &cron, &err), &err);
        for (int i = 0; i < 12 * 200; i++) {
                struct tm tm;

                day = cron_next(&cron, day);
                ck_assert_ptr_nonnull(gmtime_r(&day, &tm));
                ck_assert_int_eq(tm.tm_mday, 1);
                ck_assert_int_eq(tm.tm_mon, (i + 1) % 12);
        }
}
END_TEST

static void add(TCase *tests)
{
        unit_add_table(tests, the_next_tick_is_the_first_that_fits, ticks);
        unit_add_table(tests, what_makes_no_sense_is_named, bad);
        tcase_add_test(tests, a_text_without_end_is_refused);
        tcase_add_test(tests, the_calendar_is_the_systems);
}

UNIT_MAIN("cron", add)
