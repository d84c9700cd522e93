/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The growing text and numbers from text.
 */
#include "core/buf.h"

#include "unit.h"

START_TEST(an_untouched_buffer_is_the_empty_text)
{
        struct buf buf;
        struct err err;

        buf_init(&buf, 10);
        ck_assert_str_eq(buf_text(&buf), "");
        unit_assert_ok(buf_check(&buf, &err), &err);
        buf_done(&buf);
        buf_done(&buf);
}
END_TEST

START_TEST(appending_nothing_gives_a_text)
{
        struct buf buf;

        buf_init(&buf, 0);
        buf_append(&buf, NULL, 0);
        ck_assert_str_eq(buf.text, "");
        ck_assert_int_eq(buf.failed, 0);
        buf_done(&buf);
}
END_TEST

START_TEST(all_ways_of_appending_add_up)
{
        struct buf buf;

        buf_init(&buf, 100);
        buf_puts(&buf, "ab");
        buf_putc(&buf, 'c');
        buf_append(&buf, "d\0e", 3);
        buf_printf(&buf, "%s-%d", "f", 7);
        ck_assert_uint_eq(buf.len, 9);
        ck_assert(memcmp(buf.text, "abcd\0ef-7", 10) == 0);
        buf_done(&buf);
}
END_TEST

START_TEST(it_grows_far_beyond_its_first_size)
{
        static const char block[20000];
        struct buf buf;

        buf_init(&buf, 100000);
        for (int i = 0; i < 10000; i++)
                buf_printf(&buf, "%05d", i);
        ck_assert_uint_eq(buf.len, 50000);
        ck_assert_str_eq(buf.text + 49990, "0999809999");
        buf_append(&buf, block, sizeof(block));
        ck_assert_uint_eq(buf.len, 70000);
        buf_done(&buf);
}
END_TEST

START_TEST(the_ceiling_can_be_filled_and_not_passed)
{
        struct buf buf;
        struct err err;

        buf_init(&buf, 5);
        buf_puts(&buf, "12345");
        unit_assert_ok(buf_check(&buf, &err), &err);
        buf_putc(&buf, '6');
        ck_assert_str_eq(buf_text(&buf), "12345");
        unit_assert_err(buf_check(&buf, &err), &err, CNI_ERR_INTERNAL, "text longer than 5 bytes");
        buf_done(&buf);
}
END_TEST

START_TEST(the_first_failure_sticks)
{
        struct buf buf;

        buf_init(&buf, 5);
        buf_puts(&buf, "123456");
        buf_putc(&buf, '1');
        buf_printf(&buf, "%d", 2);
        ck_assert_str_eq(buf_text(&buf), "");
        ck_assert_int_eq(buf.failed, -EFBIG);
        buf_done(&buf);
        ck_assert_int_eq(buf.failed, 0);
        ck_assert_uint_eq(buf.ceiling, 5);
}
END_TEST

START_TEST(a_printed_text_obeys_the_ceiling)
{
        struct buf buf;

        buf_init(&buf, 5);
        buf_printf(&buf, "%s", "123456");
        ck_assert_int_eq(buf.failed, -EFBIG);
        buf_done(&buf);
}
END_TEST

START_TEST(a_failure_of_memory_is_told)
{
        struct buf buf = { .failed = -ENOMEM };
        struct err err;

        ck_assert_int_eq(buf_check(&buf, &err), -ENOMEM);
        ck_assert_str_eq(err.msg, "out of memory");
}
END_TEST

static const struct {
        const char *text;
        int64_t min, max;
        int r;
        int64_t value;
} i64_rows[] = {
        { "0", INT64_MIN, INT64_MAX, 0, 0 },
        { "-0", INT64_MIN, INT64_MAX, 0, 0 },
        { "007", INT64_MIN, INT64_MAX, 0, 7 },
        { "9223372036854775807", INT64_MIN, INT64_MAX, 0, INT64_MAX },
        { "9223372036854775808", INT64_MIN, INT64_MAX, -ERANGE, 0 },
        { "-9223372036854775808", INT64_MIN, INT64_MAX, 0, INT64_MIN },
        { "-9223372036854775809", INT64_MIN, INT64_MAX, -ERANGE, 0 },
        { "99999999999999999999999", INT64_MIN, INT64_MAX, -ERANGE, 0 },
        { "5", 0, 5, 0, 5 },
        { "6", 0, 5, -ERANGE, 0 },
        { "-1", 0, 5, -ERANGE, 0 },
        { "", INT64_MIN, INT64_MAX, -EINVAL, 0 },
        { "-", INT64_MIN, INT64_MAX, -EINVAL, 0 },
        { "+1", INT64_MIN, INT64_MAX, -EINVAL, 0 },
        { "--1", INT64_MIN, INT64_MAX, -EINVAL, 0 },
        { " 1", INT64_MIN, INT64_MAX, -EINVAL, 0 },
        { "1 ", INT64_MIN, INT64_MAX, -EINVAL, 0 },
        { "1.0", INT64_MIN, INT64_MAX, -EINVAL, 0 },
        { "1e2", INT64_MIN, INT64_MAX, -EINVAL, 0 },
        { "0x1", INT64_MIN, INT64_MAX, -EINVAL, 0 },
        { "99999999999999999999999x", INT64_MIN, INT64_MAX, -EINVAL, 0 },
};

START_TEST(integers_fill_the_whole_text_and_their_limits)
{
        int64_t value = -77;

        ck_assert_int_eq(parse_i64(i64_rows[_i].text, i64_rows[_i].min, i64_rows[_i].max, &value),
                         i64_rows[_i].r);
        ck_assert_int_eq(value, i64_rows[_i].r == 0 ? i64_rows[_i].value : -77);
}
END_TEST

static const struct {
        const char *text;
        size_t len;
        uint64_t max;
        int r;
        uint64_t value;
} u64_rows[] = {
        { "18446744073709551615", 20, UINT64_MAX, 0, UINT64_MAX },
        { "18446744073709551616", 20, UINT64_MAX, -ERANGE, 0 },
        { "12345", 3, UINT64_MAX, 0, 123 },
        { "00000000000000000000000000000000024", 35, 32, 0, 24 },
        { "33", 2, 32, -ERANGE, 0 },
        { "9", 1, 5, -ERANGE, 0 },
        { "0", 1, 0, 0, 0 },
        { "1", 1, 0, -ERANGE, 0 },
        { "", 0, 5, -EINVAL, 0 },
        { "-1", 2, 5, -EINVAL, 0 },
        { "1\0", 2, 5, -EINVAL, 0 },
};

START_TEST(digits_of_a_given_length_are_a_number)
{
        uint64_t value = 77;

        ck_assert_int_eq(parse_u64(u64_rows[_i].text, u64_rows[_i].len, u64_rows[_i].max, &value),
                         u64_rows[_i].r);
        ck_assert_uint_eq(value, u64_rows[_i].r == 0 ? u64_rows[_i].value : 77);
}
END_TEST

static void add_tests(TCase *tests)
{
        tcase_add_test(tests, an_untouched_buffer_is_the_empty_text);
        tcase_add_test(tests, appending_nothing_gives_a_text);
        tcase_add_test(tests, all_ways_of_appending_add_up);
        tcase_add_test(tests, it_grows_far_beyond_its_first_size);
        tcase_add_test(tests, the_ceiling_can_be_filled_and_not_passed);
        tcase_add_test(tests, the_first_failure_sticks);
        tcase_add_test(tests, a_printed_text_obeys_the_ceiling);
        tcase_add_test(tests, a_failure_of_memory_is_told);
        unit_add_table(tests, integers_fill_the_whole_text_and_their_limits, i64_rows);
        unit_add_table(tests, digits_of_a_given_length_are_a_number, u64_rows);
}

UNIT_MAIN("buf", add_tests)
