/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Characters, white space, and what a terminal may see.
 */
#include "core/utf8.h"

#include "unit.h"

static const struct {
        const char *text;
        size_t len, want;
} char_rows[] = {
        { "", 0, 0 },
        { "a", 1, 1 },
        { "\0", 1, 1 },
        { "\x7f", 1, 1 },
        { "\xc2\x80", 2, 2 },         /* U+0080 */
        { "\xdf\xbf", 2, 2 },         /* U+07FF */
        { "\xe0\xa0\x80", 3, 3 },     /* U+0800 */
        { "\xed\x9f\xbf", 3, 3 },     /* U+D7FF */
        { "\xee\x80\x80", 3, 3 },     /* U+E000 */
        { "\xef\xbf\xbf", 3, 3 },     /* U+FFFF */
        { "\xf0\x90\x80\x80", 4, 4 }, /* U+10000 */
        { "\xf4\x8f\xbf\xbf", 4, 4 }, /* U+10FFFF */
        { "\xe0\xa0\x80zz", 5, 3 },
        /* continuation first, overlong, surrogate, too high, cut off, interrupted */
        { "\x80", 1, 0 },
        { "\xbf", 1, 0 },
        { "\xc0\x80", 2, 0 },
        { "\xc1\xbf", 2, 0 },
        { "\xe0\x9f\xbf", 3, 0 },
        { "\xed\xa0\x80", 3, 0 },
        { "\xed\xbf\xbf", 3, 0 },
        { "\xf0\x8f\xbf\xbf", 4, 0 },
        { "\xf4\x90\x80\x80", 4, 0 },
        { "\xf5\x80\x80\x80", 4, 0 },
        { "\xff", 1, 0 },
        { "\xc3", 1, 0 },
        { "\xe2\x80", 2, 0 },
        { "\xf0\x9f\x98", 3, 0 },
        { "\xc3(", 2, 0 },
        { "\xe2(\xa1", 3, 0 },
        { "\xe2\x82(", 3, 0 },
        { "\xf0\x9f\x98(", 4, 0 },
};

START_TEST(a_character_is_one_of_rfc_3629)
{
        ck_assert_uint_eq(utf8_len(char_rows[_i].text, char_rows[_i].len), char_rows[_i].want);
}
END_TEST

static const struct {
        const char *text;
        size_t want;
} space_rows[] = {
        { " ", 1 },
        { "\t", 1 },
        { "\n", 1 },
        { "\v", 1 },
        { "\f", 1 },
        { "\r", 1 },
        { "\xc2\x85", 2 },     /* U+0085 */
        { "\xc2\xa0", 2 },     /* U+00A0 */
        { "\xe1\x9a\x80", 3 }, /* U+1680 */
        { "\xe2\x80\x80", 3 }, /* U+2000 to U+200A */
        { "\xe2\x80\x81", 3 },
        { "\xe2\x80\x82", 3 },
        { "\xe2\x80\x83", 3 },
        { "\xe2\x80\x84", 3 },
        { "\xe2\x80\x85", 3 },
        { "\xe2\x80\x86", 3 },
        { "\xe2\x80\x87", 3 },
        { "\xe2\x80\x88", 3 },
        { "\xe2\x80\x89", 3 },
        { "\xe2\x80\x8a", 3 },
        { "\xe2\x80\xa8", 3 }, /* U+2028 */
        { "\xe2\x80\xa9", 3 }, /* U+2029 */
        { "\xe2\x80\xaf", 3 }, /* U+202F */
        { "\xe2\x81\x9f", 3 }, /* U+205F */
        { "\xe3\x80\x80", 3 }, /* U+3000 */
        { "", 0 },
        { "a", 0 },
        { "\x08", 0 },
        { "\x0e", 0 },
        { "\x1c", 0 },
        { "\x1f", 0 },
        { "\x85", 0 }, /* raw bytes are no characters */
        { "\xa0", 0 },
        { "\xc2", 0 },
        { "\xc2\x84", 0 },
        { "\xe2\x80", 0 },
        { "\xe2\x80\x8b", 0 }, /* U+200B, zero width */
        { "\xef\xbb\xbf", 0 }, /* U+FEFF */
};

START_TEST(white_space_is_that_of_unicode)
{
        const char *text = space_rows[_i].text;

        ck_assert_uint_eq(utf8_space_len(text, strlen(text)), space_rows[_i].want);
}
END_TEST

START_TEST(white_space_beyond_the_end_is_not_seen)
{
        ck_assert_uint_eq(utf8_space_len(" ", 0), 0);
        ck_assert_uint_eq(utf8_space_len("\xe3\x80\x80", 2), 0);
}
END_TEST

static const struct {
        const char *text, *want;
} printable_rows[] = {
        { "", "" },
        { "plain text", "plain text" },
        { "\x1b[31mred", "?[31mred" },
        { "a\tb\nc\x7f", "a?b?c?" },
        { "gr\xc3\xbc\xc3\x9f", "gr\xc3\xbc\xc3\x9f" },
        { "\xc2\x9b"
          "1m",
          "??1m" }, /* U+009B, a control sequence of one character */
        { "\xc2\x80\xc2\x9f", "????" },
        { "\xc2\xa0", "\xc2\xa0" },
        { "a\xff\xc3", "a??" },
        { "\xe2\x82", "??" },
        { "\xf0\x9f\x98\x80", "\xf0\x9f\x98\x80" },
};

START_TEST(what_a_terminal_might_obey_becomes_question_marks)
{
        char text[64];

        (void)snprintf(text, sizeof(text), "%s", printable_rows[_i].text);
        utf8_make_printable(text);
        ck_assert_str_eq(text, printable_rows[_i].want);
}
END_TEST

static void add_tests(TCase *tests)
{
        unit_add_table(tests, a_character_is_one_of_rfc_3629, char_rows);
        unit_add_table(tests, white_space_is_that_of_unicode, space_rows);
        tcase_add_test(tests, white_space_beyond_the_end_is_not_seen);
        unit_add_table(tests, what_a_terminal_might_obey_becomes_question_marks, printable_rows);
}

UNIT_MAIN("utf8", add_tests)
