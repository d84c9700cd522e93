/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The checks of the frame: names, versions, CNI_ARGS. Numbers in comments are those of
 * cni-contract.md, section 9. The frame itself is what the integration tests call, among it what an
 * absent version means (T24, T29, V1, V2). T3, T9 and T12 are about Go's types, T20 about its log;
 * V4 to V7 are the caller's.
 */
#include "core/cni.h"

#include "core/ip.h"
#include "unit.h"

/* ---- names ---- */

/* U1 to U6: container ids and network names. */
static const struct {
        const char *text;
        bool is;
} name_rows[] = {
        { "a51debf7e1eb", true }, /* U3 */
        { "eth0", true },         /* U6 */
        { "a", true },
        { "0", true },
        { "a.", true },
        { "a..b-c_d.e", true },
        { "A-Z_0.9", true },
        { "", false },                    /* U1, U4 */
        { "1234%%%", false },             /* U2, U5 */
        { "some-%%container-id", false }, /* S2 */
        { ".a", false },
        { "-a", false },
        { "_a", false },
        { "..", false },
        { "a/b", false },
        { "a b", false },
        { "a\n", false },
        { " a", false },
        { "a\xc3\xa9", false },
        { "a:b", false },
        { "a\x01", false },
        { "a@", false },
        { "a[", false },
        { "a`", false },
        { "a{", false },
};

START_TEST(a_name_is_of_safe_characters)
{
        ck_assert_int_eq(cni_is_name(name_rows[_i].text), name_rows[_i].is);
}
END_TEST

#define TOO_LONG  "interface name is too long"
#define DOTS      "interface name is . or .."
#define FORBIDDEN "interface name contains / or : or whitespace characters"

/* U7 to U12, S3 to S8. */
static const struct {
        const char *text, *error;
} ifname_rows[] = {
        { "testname", NULL }, /* U12 */
        { "e", NULL },
        { "123456789012345", NULL },
        { "...", NULL },
        { "a%b", NULL },
        { "\x01", NULL },
        { "\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9", NULL }, /* 14 bytes */
        { "\x85", NULL }, /* a raw byte is no white space */
        { "\xa0", NULL },
        { "a\xe2\x80\x8b", NULL },          /* nor is U+200B */
        { "", "interface name is empty" },  /* U7 */
        { "testnamemorethan16", TOO_LONG }, /* U8 */
        { "1234567890123456", TOO_LONG },   /* S3 */
        { "\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9", TOO_LONG },
        { ".", DOTS },              /* U9, S4 */
        { "..", DOTS },             /* S5 */
        { "/testname", FORBIDDEN }, /* U10 */
        { "test name", FORBIDDEN }, /* U11, S8 */
        { "test/test", FORBIDDEN }, /* S6 */
        { "test:test", FORBIDDEN }, /* S7 */
        { "a\t", FORBIDDEN },
        { "\na", FORBIDDEN },
        { "a\vb", FORBIDDEN },
        { "a\rb", FORBIDDEN },
        { "a\xc2\x85", FORBIDDEN },
        { "a\xc2\xa0", FORBIDDEN },
        { "a\xe1\x9a\x80", FORBIDDEN },
        { "a\xe2\x80\x83", FORBIDDEN },
        { "a\xe2\x80\xa8", FORBIDDEN },
        { "a\xe3\x80\x80", FORBIDDEN },
};

START_TEST(an_interface_name_is_checked)
{
        struct err err = { .details = "" };
        int r = cni_check_ifname(ifname_rows[_i].text, &err);

        if (!ifname_rows[_i].error) {
                unit_assert_ok(r, &err);
                return;
        }
        unit_assert_err(r, &err, CNI_ERR_ENVIRONMENT, ifname_rows[_i].error);
        ck_assert_str_eq(err.details, strcmp(ifname_rows[_i].error, TOO_LONG) == 0
                                              ? "interface name should be less than 16 characters"
                                              : "");
}
END_TEST

/* ---- versions ---- */

#define BAD_MAJOR(part) "failed to convert major version part \"" part "\": invalid syntax"
#define BAD_MINOR(part) "failed to convert minor version part \"" part "\": invalid syntax"

/* V8 to V10, 2.4. */
static const struct {
        const char *text;
        int64_t want[3];
        const char *error;
} version_rows[] = {
        { "1.2.3", { 1, 2, 3 }, NULL }, /* V8 */
        { "", { 0, 1, 0 }, NULL },      /* V9 */
        { "1", { 1, 0, 0 }, NULL },
        { "1.1", { 1, 1, 0 }, NULL },
        { "+1.01.007", { 1, 1, 7 }, NULL },
        { "-1", { -1, 0, 0 }, NULL },
        { "1.2.34", { 1, 2, 34 }, NULL },
        { "9223372036854775807.0.0", { INT64_MAX, 0, 0 }, NULL },
        /* V10 */
        { "asdfasdf", { 0 }, BAD_MAJOR("asdfasdf") },
        { "asdf.", { 0 }, BAD_MAJOR("asdf") },
        { ".asdfas", { 0 }, BAD_MAJOR("") },
        { "asdf.adsf.", { 0 }, BAD_MAJOR("asdf") },
        { "0.", { 0 }, BAD_MINOR("") },
        { "..", { 0 }, BAD_MAJOR("") },
        { "x.1.1.1", { 0 }, "invalid version \"x.1.1.1\": too many parts" },
        { "1.2.3.4.5", { 0 }, "invalid version \"1.2.3.4.5\": too many parts" },
        { "1.1.0.0", { 0 }, "invalid version \"1.1.0.0\": too many parts" },
        { "1..0", { 0 }, BAD_MINOR("") },
        { "1.x", { 0 }, BAD_MINOR("x") },
        { "1.2.x", { 0 }, "failed to convert micro version part \"x\": invalid syntax" },
        { "1 ", { 0 }, BAD_MAJOR("1 ") },
        { "1.0-rc1", { 0 }, BAD_MINOR("0-rc1") },
        { "+-1", { 0 }, BAD_MAJOR("+-1") },
        { "-+1", { 0 }, BAD_MAJOR("-+1") },
        { "+", { 0 }, BAD_MAJOR("+") },
        { "00000000000000000000000000000001.1.0", { 1, 1, 0 }, NULL },
        { "99999999999999999999999999999999.1.0",
          { 0 },
          "failed to convert major version part \"99999999999999999999999999999999\": value out of "
          "range" },
        { "9223372036854775808",
          { 0 },
          "failed to convert major version part \"9223372036854775808\": value out of range" },
};

START_TEST(a_version_is_three_numbers)
{
        int64_t got[3] = { 7, 7, 7 };
        struct err err;
        int r = cni_parse_version(version_rows[_i].text, got, &err);

        if (version_rows[_i].error) {
                unit_assert_err(r, &err, CNI_ERR_DECODE, version_rows[_i].error);
                ck_assert_int_eq(got[0], 7);
                return;
        }
        unit_assert_ok(r, &err);
        for (size_t i = 0; i < 3; i++)
                ck_assert_int_eq(got[i], version_rows[_i].want[i]);
}
END_TEST

#define INCOMPATIBLE "incompatible CNI versions"

static const struct {
        const char *version, *verb, *since;
        int code;
        const char *error;
} gate_rows[] = {
        { "0.1.0", NULL, NULL, 0, NULL },
        { "0.2.0", NULL, NULL, 0, NULL },
        { "0.3.0", NULL, NULL, 0, NULL },
        { "0.3.1", NULL, NULL, 0, NULL },
        { "0.4.0", NULL, NULL, 0, NULL },
        { "1.0.0", NULL, NULL, 0, NULL },
        { "1.1.0", NULL, NULL, 0, NULL },
        { "0.4.0", "CHECK", "0.4.0", 0, NULL },
        { "1.0.0", "CHECK", "0.4.0", 0, NULL },
        { "1.1.0", "GC", "1.1.0", 0, NULL },
        { "1.1.0", "STATUS", "1.1.0", 0, NULL },
        /* ADD and DEL compare texts: V16, S18 */
        { "0.5.0", NULL, NULL, 1, INCOMPATIBLE },
        { "1.0", NULL, NULL, 1, INCOMPATIBLE },
        { "01.1.0", NULL, NULL, 1, INCOMPATIBLE },
        { "1.2.0", NULL, NULL, 1, INCOMPATIBLE },
        { "2.0.0", NULL, NULL, 1, INCOMPATIBLE },
        { "x", NULL, NULL, 1, INCOMPATIBLE },
        { " 1.1.0", NULL, NULL, 1, INCOMPATIBLE },
        /* S29, S43, V11 */
        { "0.1.0", "CHECK", "0.4.0", 1, "config version does not allow CHECK" },
        { "0.3.0", "CHECK", "0.4.0", 1, "config version does not allow CHECK" },
        { "0.3.1", "CHECK", "0.4.0", 1, "config version does not allow CHECK" },
        { "-1", "CHECK", "0.4.0", 1, "config version does not allow CHECK" },
        { "0.3.0", "GC", "1.1.0", 1, "config version does not allow GC" },
        { "1.0.0", "GC", "1.1.0", 1, "config version does not allow GC" },
        { "1.0.0", "STATUS", "1.1.0", 1, "config version does not allow STATUS" },
        /* S30, S44, V14; that equal versions pass, V12 and V15, is above */
        { "2.0.0", "CHECK", "0.4.0", 1, "plugin version does not allow CHECK" },
        { "1.1.1", "GC", "1.1.0", 1, "plugin version does not allow GC" },
        { "1.2.0", "STATUS", "1.1.0", 1, "plugin version does not allow STATUS" },
        /* in order, but none of ours */
        { "0.4.5", "CHECK", "0.4.0", 1, INCOMPATIBLE },
        { "1.1", "GC", "1.1.0", 1, INCOMPATIBLE },
        /* S31, S45, V13 */
        { "adsfsadf", "CHECK", "0.4.0", 6, BAD_MAJOR("adsfsadf") },
        { "1.1.0.0", "GC", "1.1.0", 6, "invalid version \"1.1.0.0\": too many parts" },
        { "x", "STATUS", "1.1.0", 6, BAD_MAJOR("x") },
};

START_TEST(a_verb_has_its_versions)
{
        char details[256];
        struct err err = { .details = "" };
        int r = cni_check_version(gate_rows[_i].version, gate_rows[_i].verb, gate_rows[_i].since,
                                  &err);

        if (!gate_rows[_i].error) {
                unit_assert_ok(r, &err);
                return;
        }
        unit_assert_err(r, &err, gate_rows[_i].code, gate_rows[_i].error);
        (void)snprintf(details, sizeof(details),
                       "config is \"%s\", plugin supports [\"0.1.0\" \"0.2.0\" \"0.3.0\" \"0.3.1\" "
                       "\"0.4.0\" \"1.0.0\" \"1.1.0\"]",
                       gate_rows[_i].version);
        ck_assert_str_eq(err.details,
                         strcmp(gate_rows[_i].error, INCOMPATIBLE) == 0 ? details : "");
}
END_TEST

START_TEST(seven_versions_are_supported) /* V17 */
{
        static const char *const want[] = { "0.1.0", "0.2.0", "0.3.0", "0.3.1",
                                            "0.4.0", "1.0.0", "1.1.0" };

        ck_assert_uint_eq(cni_version_count, ARRAY_SIZE(want));
        for (size_t i = 0; i < ARRAY_SIZE(want); i++)
                ck_assert_str_eq(cni_versions[i], want[i]);
}
END_TEST

/* ---- CNI_ARGS ---- */

/* A key whose value may not be "bad", and runs out of memory for "oom". */
static int parse_known(const char *value, void *dst, struct err *err)
{
        if (strcmp(value, "oom") == 0)
                return err_oom(err);
        if (strncmp(value, "bad", 3) == 0)
                return err_text(err, -EINVAL, CNI_ERR_ENVIRONMENT, "invalid IP address %s", value);
        (void)snprintf(dst, 32, "%s", value);
        return 0;
}

#define BAD_BOOL(pair, lower)                       \
        "ARGS: error parsing value of pair \"" pair \
        "\": boolean unmarshal error: invalid input " lower

static const struct {
        const char *args, *ip, *error;
} args_rows[] = {
        { "", "", NULL },                    /* T4 */
        { "IP=10.0.0.0", "10.0.0.0", NULL }, /* T2, T10, T11 */
        { "IP=", "", NULL },
        { "IP=a;IP=b", "b", NULL },
        { "IP=a;MASK=b", "a", "ARGS: unknown args [\"MASK=b\"]" },
        /* T1, T5, T8 */
        { "IgnoreUnknown=1", "", NULL },
        { "IgnoreUnknown=True;Unk=nown", "", NULL },
        { "IgnoreUnknown=true;Unk=nown", "", NULL },
        { "IgnoreUnknown=TRUE;Unk=nown", "", NULL },
        { "IgnoreUnknown=1;Unk=nown", "", NULL },
        { "Unk=nown;IP=x;IgnoreUnknown=1", "x", NULL },
        { "IgnoreUnknown=0;IgnoreUnknown=1;Unk=nown", "", NULL },
        { "IgnoreUnknown=False", "", NULL },
        { "IgnoreUnknown=false", "", NULL },
        { "IgnoreUnknown=0", "", NULL },
        { "IgnoreUnknown=0;Unk=nown", "", "ARGS: unknown args [\"Unk=nown\"]" },
        { "IgnoreUnknown=1;IgnoreUnknown=0;Unk=nown", "", "ARGS: unknown args [\"Unk=nown\"]" },
        { "IgnoreUnknown=invalid", "", BAD_BOOL("IgnoreUnknown=invalid", "invalid") },
        { "IgnoreUnknown=YES", "", BAD_BOOL("IgnoreUnknown=YES", "yes") },
        { "IgnoreUnknown=", "", BAD_BOOL("IgnoreUnknown=", "") },
        { "IgnoreUnknown=1 ", "", BAD_BOOL("IgnoreUnknown=1 ", "1 ") },
        /* T6, T7 */
        { "Unk=nown", "", "ARGS: unknown args [\"Unk=nown\"]" },
        { "IgnoreUnknown=0, Unk=nown", "", "ARGS: invalid pair \"IgnoreUnknown=0, Unk=nown\"" },
        { "ip=10.1.2.5;BAZ=x", "", "ARGS: unknown args [\"ip=10.1.2.5\" \"BAZ=x\"]" },
        { " IP=a", "", "ARGS: unknown args [\" IP=a\"]" },
        { "IPX=a;I=b", "", "ARGS: unknown args [\"IPX=a\" \"I=b\"]" },
        { "=a", "", "ARGS: unknown args [\"=a\"]" },
        { "=", "", "ARGS: unknown args [\"=\"]" },
        { "ignoreunknown=1;Unk=nown", "", "ARGS: unknown args [\"ignoreunknown=1\" \"Unk=nown\"]" },
        /* the shape comes first, even with IgnoreUnknown */
        { "IP=a;", "a", "ARGS: invalid pair \"\"" },
        { ";", "", "ARGS: invalid pair \"\"" },
        { "IgnoreUnknown=1;;", "", "ARGS: invalid pair \"\"" },
        { "IP", "", "ARGS: invalid pair \"IP\"" },
        { "FOO=a=b", "", "ARGS: invalid pair \"FOO=a=b\"" },
        { "IgnoreUnknown=1;A=b=c", "", "ARGS: invalid pair \"A=b=c\"" },
        { "some;extra;args", "", "ARGS: invalid pair \"some\"" },
        /* each occurrence is converted */
        { "IP=bad;IP=a", "",
          "ARGS: error parsing value of pair \"IP=bad\": invalid IP address bad" },
        { "A=1;IP=bad", "",
          "ARGS: error parsing value of pair \"IP=bad\": invalid IP address bad" },
        /* Go's quotes */
        { "A=\"\\", "", "ARGS: unknown args [\"A=\\\"\\\\\"]" },
        { "A=\a\b\t\n\v\f\r", "", "ARGS: unknown args [\"A=\\a\\b\\t\\n\\v\\f\\r\"]" },
        { "A=\x01\x1b\x7f", "", "ARGS: unknown args [\"A=\\x01\\x1b\\x7f\"]" },
        { "A=\xff\xc3", "", "ARGS: unknown args [\"A=\\xff\\xc3\"]" },
        { "A=\xc3\xa9\xe2\x82\xac", "", "ARGS: unknown args [\"A=\xc3\xa9\xe2\x82\xac\"]" },
        { "A='<&>", "", "ARGS: unknown args [\"A='<&>\"]" },
};

START_TEST(arguments_are_pairs)
{
        char ip[32] = "";
        const struct cni_arg known[] = { { "IP", parse_known, ip } };
        struct err err;
        int r = cni_parse_args(args_rows[_i].args, known, ARRAY_SIZE(known), &err);

        if (args_rows[_i].error)
                unit_assert_err(r, &err, CNI_ERR_ENVIRONMENT, args_rows[_i].error);
        else
                unit_assert_ok(r, &err);
        ck_assert_str_eq(ip, args_rows[_i].ip);
}
END_TEST

START_TEST(a_long_value_of_ignore_unknown_is_refused)
{
        char args[300] = "IgnoreUnknown=", want[600];
        struct err err;
        size_t len = strlen(args);

        memset(args + len, 'T', 200);
        args[len + 200] = '\0';
        ck_assert_int_lt(cni_parse_args(args, NULL, 0, &err), 0);
        (void)snprintf(want, sizeof(want), "ARGS: error parsing value of pair \"%s\": ", args);
        ck_assert_int_eq(strncmp(err.msg, want, strlen(want)), 0);
}
END_TEST

START_TEST(running_out_of_memory_is_not_blamed_on_the_value)
{
        char ip[32] = "";
        const struct cni_arg known[] = { { "IP", parse_known, ip } };
        struct err err;
        int r = cni_parse_args("IP=oom", known, 1, &err);

        ck_assert_int_eq(r, -ENOMEM);
        ck_assert_str_eq(err.msg, "out of memory");
}
END_TEST

START_TEST(a_flood_of_unknown_keys_is_still_an_error)
{
        struct buf args;
        struct err err;

        buf_init(&args, 1U << 20);
        for (int i = 0; i < 20000; i++)
                buf_printf(&args, "%s\x01=\x02", i > 0 ? ";" : "");
        ck_assert_int_eq(cni_parse_args(buf_text(&args), NULL, 0, &err), -EINVAL);
        ck_assert_int_eq(strncmp(err.msg, "ARGS: unknown args [\"\\x01=\\x02\" ", 32), 0);
        buf_done(&args);
}
END_TEST

static void add_tests(TCase *tests)
{
        unit_add_table(tests, a_name_is_of_safe_characters, name_rows);
        unit_add_table(tests, an_interface_name_is_checked, ifname_rows);
        unit_add_table(tests, a_version_is_three_numbers, version_rows);
        unit_add_table(tests, a_verb_has_its_versions, gate_rows);
        tcase_add_test(tests, seven_versions_are_supported);
        unit_add_table(tests, arguments_are_pairs, args_rows);
        tcase_add_test(tests, a_long_value_of_ignore_unknown_is_refused);
        tcase_add_test(tests, running_out_of_memory_is_not_blamed_on_the_value);
        tcase_add_test(tests, a_flood_of_unknown_keys_is_still_an_error);
}

UNIT_MAIN("cni", add_tests)
