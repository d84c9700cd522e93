/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The words of a sub-command.
 */
#include "core/options.h"

#include "core/buf.h"
#include "unit.h"

/* Words behind the command's name, and what is made of them: exit status, then --name, --other,
 * --flag, then the other words; "-" for what is not given. */
static const struct {
        const char *words[8];
        const char *want;
} rows[] = {
        { { NULL }, "0 - - no" },
        { { "a", "b" }, "0 - - no a b" },
        { { "--name", "x" }, "0 x - no" },
        { { "a", "--flag", "b", "--other", "y", "c" }, "0 - y yes a b c" },
        { { "--name", "x", "--name", "y" }, "0 y - no" }, /* the last one counts */
        { { "--name", "--flag" }, "0 --flag - no" },      /* a value may look like an option */
        { { "--name", "" }, "0  - no" },
        { { "", "a" }, "0 - - no  a" },
        { { "--flag", "--flag" }, "0 - - yes" },
        { { "--name" }, "2" },
        { { "a", "--other" }, "2" },
        { { "--nam", "x" }, "2" },
        { { "--name=x" }, "2" },
        { { "--Name", "x" }, "2" },
        { { "--flag=1" }, "2" },
        { { "a", "-" }, "2" },
        { { "-n" }, "2" },
        { { "--" }, "2" },
};

static const char *or_dash(const char *text)
{
        return text ? text : "-";
}

START_TEST(words_are_sorted_into_options_and_others)
{
        const char *name = NULL, *other = NULL;
        bool flag = false;
        const struct option_row options[] = {
                { "--name", &name, NULL },
                { "--other", &other, NULL },
                { "--flag", NULL, &flag },
        };
        _cleanup_(words_done) struct words words = { 0 };
        char texts[10][16] = { "command" }, *argv[10] = { texts[0] };
        struct buf seen;
        int argc, r;

        for (argc = 1; rows[_i].words[argc - 1]; argc++)
                argv[argc] = memcpy(texts[argc], rows[_i].words[argc - 1],
                                    strlen(rows[_i].words[argc - 1]) + 1);
        r = options_parse("test", argc, argv, options, ARRAY_SIZE(options), &words);
        buf_init(&seen, 1000);
        buf_printf(&seen, "%d", r);
        if (r == 0)
                buf_printf(&seen, " %s %s %s", or_dash(name), or_dash(other), flag ? "yes" : "no");
        for (size_t i = 0; i < words.count; i++)
                buf_printf(&seen, " %s", words.items[i]);
        ck_assert_str_eq(buf_text(&seen), rows[_i].want);
        buf_done(&seen);
}
END_TEST

START_TEST(what_is_wrong_is_wrong_usage)
{
        ck_assert_int_eq(options_misused("test", "command", "unknown option", "--x"), 2);
}
END_TEST

static void add_tests(TCase *tests)
{
        unit_add_table(tests, words_are_sorted_into_options_and_others, rows);
        tcase_add_test(tests, what_is_wrong_is_wrong_usage);
}

UNIT_MAIN("options", add_tests)
