/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Prometheus' text format 0.0.4.
 */
#include "metrics.h"

#include "unit.h"

static const struct metric metrics[] = {
        { "x_info", METRIC_GAUGE, "The version.", "version=\"0.1.0\"", 1 },
        { "x_requests_total", METRIC_COUNTER, "Requests.", "verb=\"add\"", 12345678901.0 },
        { "x_requests_total", METRIC_COUNTER, NULL, "verb=\"del\"", 0 },
        { "x_seconds_total", METRIC_COUNTER, "Time.", NULL, 0.125 },
        { "x_now", METRIC_GAUGE, "When.", NULL, 1795547174.739 },
};

START_TEST(each_name_has_its_head_once)
{
        struct buf out;

        buf_init(&out, 4096);
        metrics_compose(metrics, ARRAY_SIZE(metrics), &out);
        ck_assert_str_eq(buf_text(&out), "# HELP x_info The version.\n"
                                         "# TYPE x_info gauge\n"
                                         "x_info{version=\"0.1.0\"} 1\n"
                                         "# HELP x_requests_total Requests.\n"
                                         "# TYPE x_requests_total counter\n"
                                         "x_requests_total{verb=\"add\"} 12345678901\n"
                                         "x_requests_total{verb=\"del\"} 0\n"
                                         "# HELP x_seconds_total Time.\n"
                                         "# TYPE x_seconds_total counter\n"
                                         "x_seconds_total 0.125\n"
                                         "# HELP x_now When.\n"
                                         "# TYPE x_now gauge\n"
                                         "x_now 1795547174.739\n");
        buf_done(&out);
}
END_TEST

START_TEST(nothing_is_nothing)
{
        struct buf out;

        buf_init(&out, 4096);
        metrics_compose(metrics, 0, &out);
        ck_assert_str_eq(buf_text(&out), "");
        buf_done(&out);
}
END_TEST

static void add_tests(TCase *tests)
{
        tcase_add_test(tests, each_name_has_its_head_once);
        tcase_add_test(tests, nothing_is_nothing);
}

UNIT_MAIN("metrics", add_tests)
