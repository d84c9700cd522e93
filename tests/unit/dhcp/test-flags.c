/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The words behind `dhcp daemon`, and the names of groups.
 */
#include "flags.h"

#include "unit.h"

/* ---- durations: what Go's time.ParseDuration() takes ---- */

static const struct {
        const char *text;
        int64_t ms; /* -1: no duration */
} durations[] = {
        { "0", 0 },
        { "0s", 0 },
        { "-0s", 0 },
        { "+5s", 5000 },
        { "10s", 10000 },
        { "1m2s", 62000 },
        { "3m28s", 208000 },
        { "300ms", 300 },
        { "1h2m3.5s", 3723500 },
        { "1.5h", 5400000 },
        { ".5s", 500 },
        { "5.s", 5000 },
        { "0.0019s", 1 },
        { "999999ns", 0 },
        { "1000us", 1 },
        { "1000\xc2\xb5s", 1 },
        { "1000\xce\xbcs", 1 },
        { "1.00000000000000000000000000001s", 1000 },
        { "0.1000000000000000000000h", 360000 },
        { "9223372036854775807ns", INT64_C(9223372036854) },
        { "2562047h47m16.854775807s", INT64_C(9223372036854) },
        { "9223372036854775808ns", -1 },
        { "2562047h47m16.854775808s", -1 },
        { "2562048h", -1 },
        { "18446744073709551616s", -1 },
        { "", -1 },
        { "-", -1 },
        { "+", -1 },
        { "5", -1 },
        { "00", -1 },
        { "-1ns", -1 },
        { "-5s", -1 },
        { "--5s", -1 },
        { "s", -1 },
        { ".s", -1 },
        { "1 s", -1 },
        { "1s ", -1 },
        { "1d", -1 },
        { "1S", -1 },
        { "1..5s", -1 },
        { "1s5", -1 },
        { "1e3s", -1 },
        { "1\xc2s", -1 },
};

START_TEST(a_duration_is_read_as_go_reads_it)
{
        int64_t ms = -1;
        int r = flags_duration(durations[_i].text, &ms);

        ck_assert_msg(r == (durations[_i].ms < 0 ? -EINVAL : 0), "%s: %d", durations[_i].text, r);
        ck_assert_msg(ms == durations[_i].ms, "%s: %jd", durations[_i].text, (intmax_t)ms);
}
END_TEST

/* ---- words ---- */

#define WORDS_MAX 8

static int parse(const char *const words[WORDS_MAX], struct flags *ret, struct err *err)
{
        static char texts[WORDS_MAX + 1][64] = { "daemon" };
        static char *argv[WORDS_MAX + 2] = { texts[0] };
        int argc = 1;

        *err = (struct err){ 0 };
        for (size_t i = 0; i < WORDS_MAX && words[i]; i++) {
                (void)snprintf(texts[argc], sizeof(texts[argc]), "%s", words[i]);
                argv[argc] = texts[argc];
                argc++;
        }
        argv[argc] = NULL;
        return flags_parse(argc, argv, ret, err);
}

START_TEST(without_words_the_defaults_count)
{
        static const char *const none[WORDS_MAX] = { NULL };
        struct flags flags;
        struct err err;

        unit_assert_ok(parse(none, &flags, &err), &err);
        ck_assert_str_eq(flags.pidfile, "");
        ck_assert_str_eq(flags.host_prefix, "");
        ck_assert_str_eq(flags.socket_path, "/run/cni/dhcp.sock");
        ck_assert_str_eq(flags.group, "");
        ck_assert(!flags.broadcast && !flags.pin_netns);
        ck_assert_int_eq(flags.timeout_ms, 10000);
        ck_assert_int_eq(flags.resend_max_ms, 62000);
        ck_assert_int_eq(flags.resend_timeout_ms, 208000);
        ck_assert_uint_eq(flags.max_leases, 16384);
        ck_assert_ptr_null(flags.rest);
}
END_TEST

START_TEST(every_flag_comes_to_its_place)
{
        static const char *const forms[2][2][WORDS_MAX] = {
                { { "-pidfile", "/p", "--hostprefix=/host", "-socketpath=/s", "--group", "g" },
                  { "-timeout", "1s", "-resendmax=2s", "--resendtimeout", "3s" } },
                { { "--pidfile=/p", "-hostprefix", "/host", "--socketpath", "/s", "-group=g" },
                  { "--timeout=1s", "-resendmax", "2s", "-resendtimeout=3s" } },
        };
        struct flags flags;
        struct err err;

        unit_assert_ok(parse(forms[_i][0], &flags, &err), &err);
        ck_assert_str_eq(flags.pidfile, "/p");
        ck_assert_str_eq(flags.host_prefix, "/host");
        ck_assert_str_eq(flags.socket_path, "/s");
        ck_assert_str_eq(flags.group, "g");
        unit_assert_ok(parse(forms[_i][1], &flags, &err), &err);
        ck_assert_int_eq(flags.timeout_ms, 1000);
        ck_assert_int_eq(flags.resend_max_ms, 2000);
        ck_assert_int_eq(flags.resend_timeout_ms, 3000);
}
END_TEST

START_TEST(numbers_and_switches_come_to_their_places)
{
        static const char *const words[WORDS_MAX] = { "-max-leases=5", "--broadcast",
                                                      "-pin-netns=T" };
        static const char *const off[WORDS_MAX] = { "-broadcast", "-broadcast=0",
                                                    "-pin-netns=false" };
        struct flags flags;
        struct err err;

        unit_assert_ok(parse(words, &flags, &err), &err);
        ck_assert_uint_eq(flags.max_leases, 5);
        ck_assert(flags.broadcast && flags.pin_netns);
        unit_assert_ok(parse(off, &flags, &err), &err);
        ck_assert(!flags.broadcast && !flags.pin_netns);
}
END_TEST

START_TEST(an_empty_socket_path_means_the_default)
{
        static const char *const words[WORDS_MAX] = { "-socketpath=" };
        struct flags flags;
        struct err err;

        unit_assert_ok(parse(words, &flags, &err), &err);
        ck_assert_str_eq(flags.socket_path, "/run/cni/dhcp.sock");
}
END_TEST

START_TEST(a_value_may_look_like_a_flag)
{
        static const char *const words[WORDS_MAX] = { "-hostprefix", "-broadcast", "-group=a=b" };
        struct flags flags;
        struct err err;

        unit_assert_ok(parse(words, &flags, &err), &err);
        ck_assert_str_eq(flags.host_prefix, "-broadcast");
        ck_assert_str_eq(flags.group, "a=b");
        ck_assert(!flags.broadcast);
}
END_TEST

static const struct {
        const char *words[WORDS_MAX];
        const char *rest;
} rests[] = {
        { { "-broadcast", "true", "-timeout=1s" }, "true" },
        { { "-broadcast", "-", "-timeout=1s" }, "-" },
        { { "-broadcast", "", "-timeout=1s" }, "" },
        { { "-broadcast", "--", "-timeout=1s" }, "-timeout=1s" },
        { { "-broadcast", "--" }, NULL },
};

START_TEST(what_follows_the_flags_does_not_count)
{
        struct flags flags;
        struct err err;

        unit_assert_ok(parse(rests[_i].words, &flags, &err), &err);
        ck_assert(flags.broadcast);
        ck_assert_int_eq(flags.timeout_ms, 10000);
        ck_assert_pstr_eq(flags.rest, rests[_i].rest);
}
END_TEST

static const struct {
        const char *words[WORDS_MAX];
        const char *msg;
} mistakes[] = {
        { { "-nosuch" }, "flag provided but not defined: -nosuch" },
        { { "--nosuch=1" }, "flag provided but not defined: -nosuch" },
        { { "-broadcas" }, "flag provided but not defined: -broadcas" },
        { { "-Broadcast" }, "flag provided but not defined: -Broadcast" },
        { { "-=x" }, "bad flag syntax: -=x" },
        { { "---x" }, "bad flag syntax: ---x" },
        { { "-pidfile" }, "flag needs an argument: -pidfile" },
        { { "-broadcast", "-timeout" }, "flag needs an argument: -timeout" },
        { { "-broadcast=yes" }, "invalid boolean value \"yes\" for -broadcast: parse error" },
        { { "-broadcast=" }, "invalid boolean value \"\" for -broadcast: parse error" },
        { { "-timeout", "10" }, "invalid value \"10\" for flag -timeout: parse error" },
        { { "-timeout=-1s" }, "invalid value \"-1s\" for flag -timeout: parse error" },
        { { "-max-leases", "many" }, "invalid value \"many\" for flag -max-leases: parse error" },
        { { "-max-leases=0" }, "invalid value \"0\" for flag -max-leases: parse error" },
        { { "-max-leases=" }, "invalid value \"\" for flag -max-leases: parse error" },
        { { "-max-leases=18446744073709551616" },
          "invalid value \"18446744073709551616\" for flag -max-leases: parse error" },
};

START_TEST(a_mistake_is_told_in_the_words_of_go)
{
        struct flags flags = { .rest = "untouched" };
        struct err err;

        ck_assert_int_eq(parse(mistakes[_i].words, &flags, &err), FLAGS_WRONG);
        ck_assert_str_eq(err.msg, mistakes[_i].msg);
        ck_assert_str_eq(flags.rest, "untouched");
}
END_TEST

START_TEST(help_is_asked_for_anywhere)
{
        static const char *const forms[][WORDS_MAX] = {
                { "-h" }, { "--h" }, { "-help" }, { "--help" }, { "-broadcast", "-h" }, { "-h=1" },
        };
        struct flags flags;
        struct err err;

        for (size_t i = 0; i < ARRAY_SIZE(forms); i++)
                ck_assert_int_eq(parse(forms[i], &flags, &err), FLAGS_HELP);
}
END_TEST

START_TEST(the_usage_names_every_flag_with_its_default)
{
        static const char *const parts[] = {
                "  -broadcast\n    \t",
                "  -group string\n    \t",
                "  -hostprefix string\n    \t",
                "  -max-leases uint\n    \t",
                "(default 16384)\n",
                "  -pidfile string\n    \t",
                "  -pin-netns\n    \t",
                "  -resendmax duration\n    \t",
                "(default 1m2s)\n",
                "  -resendtimeout duration\n    \t",
                "(default 3m28s)\n",
                "  -socketpath string\n    \t",
                "(default \"/run/cni/dhcp.sock\")\n",
                "  -timeout duration\n    \t",
                "(default 10s)\n",
        };
        _cleanup_(buf_done) struct buf buf;
        const char *at;
        struct err err;

        buf_init(&buf, 16384);
        flags_usage(&buf);
        unit_assert_ok(buf_check(&buf, &err), &err);
        at = buf_text(&buf);
        ck_assert(strncmp(at, "Usage of daemon:\n", strlen("Usage of daemon:\n")) == 0);
        for (size_t i = 0; i < ARRAY_SIZE(parts); i++) {
                const char *found = strstr(at, parts[i]);

                ck_assert_msg(found, "%s comes not, or not in its turn", parts[i]);
                at = found + strlen(parts[i]);
        }
}
END_TEST

/* ---- groups ---- */

static const char group_file[] = "root:x:0:\n"
                                 "\n"
                                 "broken\n"
                                 "cni:x\n"
                                 "cni:x:many:a\n"
                                 "cni:x:\n"
                                 "cni:x:4294967295:\n"
                                 "cni:x:120:alice,bob\n"
                                 "cni:x:121:\n"
                                 "cnix:x:122\n"
                                 "last::123";

static const struct {
        const char *name;
        int64_t gid; /* -1: unknown */
} groups[] = {
        { "root", 0 }, { "cni", 120 }, { "cnix", 122 },  { "last", 123 }, { "cn", -1 },
        { "x", -1 },   { "", -1 },     { "broken", -1 }, { "alice", -1 }, { "cni:x", -1 },
};

START_TEST(a_group_is_looked_up)
{
        gid_t gid = 7;
        int r = flags_find_group(group_file, groups[_i].name, &gid);

        ck_assert_int_eq(r, groups[_i].gid < 0 ? -ENOENT : 0);
        ck_assert_uint_eq(gid, groups[_i].gid < 0 ? 7 : (gid_t)groups[_i].gid);
}
END_TEST

START_TEST(a_group_may_be_a_number)
{
        struct err err;
        gid_t gid = 7;

        unit_assert_ok(flags_group("root", &gid, &err), &err);
        ck_assert_uint_eq(gid, 0);
        unit_assert_ok(flags_group("54321", &gid, &err), &err);
        ck_assert_uint_eq(gid, 54321);
        unit_assert_err(flags_group("no such group", &gid, &err), &err, CNI_ERR_CONFIG,
                        "group 'no such group' is unknown");
        unit_assert_err(flags_group("4294967295", &gid, &err), &err, CNI_ERR_CONFIG,
                        "group '4294967295' is unknown");
        ck_assert_uint_eq(gid, 54321);
}
END_TEST

static void add(TCase *tests)
{
        unit_add_table(tests, a_duration_is_read_as_go_reads_it, durations);
        tcase_add_test(tests, without_words_the_defaults_count);
        tcase_add_loop_test(tests, every_flag_comes_to_its_place, 0, 2);
        tcase_add_test(tests, numbers_and_switches_come_to_their_places);
        tcase_add_test(tests, an_empty_socket_path_means_the_default);
        tcase_add_test(tests, a_value_may_look_like_a_flag);
        unit_add_table(tests, what_follows_the_flags_does_not_count, rests);
        unit_add_table(tests, a_mistake_is_told_in_the_words_of_go, mistakes);
        tcase_add_test(tests, help_is_asked_for_anywhere);
        tcase_add_test(tests, the_usage_names_every_flag_with_its_default);
        unit_add_table(tests, a_group_is_looked_up, groups);
        tcase_add_test(tests, a_group_may_be_a_number);
}

UNIT_MAIN("flags", add)
