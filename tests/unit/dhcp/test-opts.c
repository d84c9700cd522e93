/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Options: areas, values of fixed form, texts, addresses, codes.
 */
#include "options.h"

static void assert_value(uint8_t code, const char *bytes, size_t len)
{
        size_t got_len = 77;
        const uint8_t *got = opts_get(&opts, code, &got_len);

        ck_assert_msg(got, "option %u is not there", code);
        ck_assert_uint_eq(got_len, len);
        ck_assert_mem_eq(got, bytes, len);
}

static void assert_absent(uint8_t code)
{
        size_t len = 77;

        ck_assert_ptr_null(opts_get(&opts, code, &len));
        ck_assert_uint_eq(len, 77);
}

/* ---- areas ---- */

static const struct {
        struct bytes area;
        int r;
        struct bytes value; /* of option 12; bytes NULL: absent */
} area_rows[] = {
        { { B("") }, 0, { NULL, 0 } },
        { { B("\xff") }, 0, { NULL, 0 } },
        { { B("\0\0\0") }, 0, { NULL, 0 } },
        { { B("\x0c\3abc\xff") }, 0, { B("abc") } },
        { { B("\x0c\3abc") }, 0, { B("abc") } }, /* END is missing */
        { { B("\0\0\x0c\3abc\0\0") }, 0, { B("abc") } },
        { { B("\x0c\0\xff") }, 0, { B("") } },
        { { B("\x0c\0") }, 0, { B("") } },
        { { B("\xff\x0c\3abc") }, 0, { NULL, 0 } },      /* behind END nothing counts */
        { { B("\x0c\1a\xff\x0c\xc8") }, 0, { B("a") } }, /* not even what is wrong */
        { { B("\x0c\3a\0\xff\xff") }, 0, { B("a\0\xff") } },
        /* pieces of one value */
        { { B("\x0c\1a\x0f\1x\x0c\2bc\xff") }, 0, { B("abc") } },
        { { B("\x0c\0\x0c\2bc\xff") }, 0, { B("bc") } },
        /* a code without its length, and too long by one and by much */
        { { B("\x0c") }, -EBADMSG, { NULL, 0 } },
        { { B("\x0c\1") }, -EBADMSG, { NULL, 0 } },
        { { B("\x0c\4abc") }, -EBADMSG, { NULL, 0 } },
        { { B("\x0c\xff\xff") }, -EBADMSG, { NULL, 0 } },
        { { B("\x0c\3abc\x0f") }, -EBADMSG, { NULL, 0 } },
        { { B("\x0c\3abc\x0f\1") }, -EBADMSG, { NULL, 0 } },
};

START_TEST(an_area_is_read_up_to_its_end)
{
        ck_assert_int_eq(parse((struct bytes){ B("\x0c\1z\xff") }), 0);
        ck_assert_int_eq(parse(area_rows[_i].area), area_rows[_i].r);
        if (area_rows[_i].value.bytes)
                assert_value(OPT_HOST_NAME, area_rows[_i].value.bytes, area_rows[_i].value.len);
        else
                assert_absent(OPT_HOST_NAME); /* also what a former message had */
}
END_TEST

START_TEST(what_is_left_of_a_former_message_is_not_seen)
{
        memset(&opts, 0xa5, sizeof(opts));
        ck_assert_int_eq(parse((struct bytes){ B("\x0c\1z\xff") }), 0);
        for (unsigned code = 0; code < 256; code++)
                if (code != OPT_HOST_NAME)
                        assert_absent((uint8_t)code);
        assert_value(OPT_HOST_NAME, B("z"));
}
END_TEST

/* Each area has one option of its own (15, 66, 67) and a piece of 12. */
#define FILE_AREA  "\x0c\2-f\x42\1F\xff"
#define SNAME_AREA "\x0c\2-s\x43\1S\xff"

static const struct {
        const char *what;
        struct bytes area;
        const char *want; /* of option 12 */
        bool file, sname;
} overload_rows[] = {
        { "none", { B("\x0c\1m\xff") }, "m", false, false },
        { "file", { B("\x34\1\1\x0c\1m\xff") }, "m-f", true, false },
        { "sname", { B("\x34\1\2\x0c\1m\xff") }, "m-s", false, true },
        { "both, file first", { B("\x34\1\3\x0c\1m\xff") }, "m-f-s", true, true },
        { "at the end", { B("\x0c\1m\x34\1\3\xff") }, "m-f-s", true, true },
        { "without END", { B("\x0c\1m\x34\1\3") }, "m-f-s", true, true },
        { "behind END", { B("\x0c\1m\xff\x34\1\3") }, "m", false, false },
        { "0", { B("\x34\1\0\x0c\1m\xff") }, "m", false, false },
        { "4", { B("\x34\1\4\x0c\1m\xff") }, "m", false, false },
        { "255", { B("\x34\1\xff\x0c\1m\xff") }, "m", false, false },
        { "two bytes", { B("\x34\2\3\3\x0c\1m\xff") }, "m", false, false },
        { "no byte", { B("\x34\0\x0c\1m\xff") }, "m", false, false },
        { "twice", { B("\x34\1\1\x34\1\2\x0c\1m\xff") }, "m-f", true, false },
};

START_TEST(overload_adds_file_and_sname)
{
        uint8_t file[128] = FILE_AREA, sname[64] = SNAME_AREA;

        ck_assert_int_eq(parse_areas(overload_rows[_i].area, file, sname), 0);
        assert_value(OPT_HOST_NAME, overload_rows[_i].want, strlen(overload_rows[_i].want));
        if (overload_rows[_i].file)
                assert_value(0x42, B("F"));
        else
                assert_absent(0x42);
        if (overload_rows[_i].sname)
                assert_value(0x43, B("S"));
        else
                assert_absent(0x43);
}
END_TEST

START_TEST(overload_counts_in_the_main_area_alone)
{
        uint8_t file[128] = "\x34\1\3" FILE_AREA, sname[64] = "\x34\1\3" SNAME_AREA;

        ck_assert_int_eq(parse_areas((struct bytes){ B("\x0c\1m\xff") }, file, sname), 0);
        assert_value(OPT_HOST_NAME, B("m"));
        ck_assert_int_eq(parse_areas((struct bytes){ B("\x34\1\1\x0c\1m\xff") }, file, sname), 0);
        assert_value(OPT_HOST_NAME, B("m-f"));
        assert_absent(0x43);
        ck_assert_int_eq(parse_areas((struct bytes){ B("\x34\1\2\x0c\1m\xff") }, file, sname), 0);
        assert_value(OPT_HOST_NAME, B("m-s"));
        assert_absent(0x42);
        ck_assert_int_eq(parse_areas((struct bytes){ B("\x34\1\3\x0c\1m\xff") }, file, sname), 0);
        assert_value(OPT_HOST_NAME, B("m-f-s"));
}
END_TEST

/* The last bytes of `file` and `sname` are an option, or the beginning of one. */
START_TEST(an_option_does_not_cross_into_the_next_area)
{
        uint8_t file[128] = { 0 }, sname[64] = { 0 };
        const struct bytes both = { B("\x34\1\3\xff") };

        memcpy(file + 125, "\x0c\1f", 3);
        memcpy(sname + 61, "\x0c\1s", 3);
        ck_assert_int_eq(parse_areas(both, file, sname), 0);
        assert_value(OPT_HOST_NAME, B("fs"));

        file[126] = 2;
        ck_assert_int_eq(parse_areas(both, file, sname), -EBADMSG);
        assert_absent(OPT_HOST_NAME);
        file[126] = 1;
        sname[62] = 2;
        ck_assert_int_eq(parse_areas(both, file, sname), -EBADMSG);
        sname[62] = 1;
        memcpy(file + 125, "\0\0\x0c", 3);
        ck_assert_int_eq(parse_areas(both, file, sname), -EBADMSG);
        /* An area that is not looked at may hold anything. */
        ck_assert_int_eq(parse_areas((struct bytes){ B("\x34\1\2\xff") }, file, sname), 0);
        assert_value(OPT_HOST_NAME, B("s"));
}
END_TEST

START_TEST(a_long_option_is_put_together)
{
        char value[OPTS_MAX];

        for (size_t i = 0; i < sizeof(value); i++)
                value[i] = (char)(i % 251);
        parse_one(OPT_CLASSLESS_ROUTES, (struct bytes){ value, 600 });
        assert_value(OPT_CLASSLESS_ROUTES, value, 600);
        parse_one(OPT_CLASSLESS_ROUTES, (struct bytes){ value, OPTS_MAX });
        assert_value(OPT_CLASSLESS_ROUTES, value, OPTS_MAX);
}
END_TEST

START_TEST(values_have_a_ceiling_in_all)
{
        uint8_t area[17 * 257] = { 0 };
        const struct bytes whole = { (const char *)area, sizeof(area) };

        for (size_t i = 0; i < 17; i++) { /* 16 * 255 is 16 less than OPTS_MAX */
                area[i * 257] = (uint8_t)(i + 1);
                area[i * 257 + 1] = i < 16 ? 255 : 16;
        }
        ck_assert_int_eq(parse(whole), 0);
        assert_value(17, (const char *)no_file, 16);
        area[16 * 257 + 1] = 17;
        ck_assert_int_eq(parse(whole), -EFBIG);
        for (size_t i = 0; i < 17; i++)
                area[i * 257] = 12;
        ck_assert_int_eq(parse(whole), -EFBIG);
        assert_absent(12);
}
END_TEST

/* ---- values of fixed form ---- */

START_TEST(a_number_has_its_length)
{
        static const char value[] = "\x81\x82\x83\x84\x85\x86\x87\x88\x89";
        const struct ip untouched = ip("192.0.2.9");

        for (size_t len = 0; len <= 9; len++) {
                uint8_t u8 = 9;
                uint16_t u16 = 9;
                uint32_t u32 = 9;
                struct ip address = untouched;

                parse_one(OPT_LEASE_TIME, (struct bytes){ value, len });
                ck_assert_int_eq(opts_get_u8(&opts, OPT_LEASE_TIME, &u8), len == 1);
                ck_assert_uint_eq(u8, len == 1 ? 0x81 : 9);
                ck_assert_int_eq(opts_get_u16(&opts, OPT_LEASE_TIME, &u16), len == 2);
                ck_assert_uint_eq(u16, len == 2 ? 0x8182 : 9);
                ck_assert_int_eq(opts_get_u32(&opts, OPT_LEASE_TIME, &u32), len == 4);
                ck_assert_uint_eq(u32, len == 4 ? 0x81828384 : 9);
                ck_assert_int_eq(opts_get_ip(&opts, OPT_LEASE_TIME, &address), len == 4);
                ck_assert(ip_equal(&address,
                                   len == 4 ? &(struct ip){ IP_V4, { 0x81, 0x82, 0x83, 0x84 } }
                                            : &untouched));
        }
}
END_TEST

START_TEST(the_first_address_is_of_a_whole_list)
{
        static const char value[] = "\x0a\0\0\1\x0a\0\0\2\x0a\0\0\3";
        const struct ip first = ip("10.0.0.1"), untouched = ip("192.0.2.9");

        for (size_t len = 0; len <= 12; len++) {
                bool whole = len > 0 && len % 4 == 0;
                struct ip address = untouched;

                parse_one(OPT_ROUTERS, (struct bytes){ value, len });
                ck_assert_int_eq(opts_get_first_ip(&opts, OPT_ROUTERS, &address), whole);
                ck_assert(ip_equal(&address, whole ? &first : &untouched));
        }
}
END_TEST

START_TEST(an_absent_option_gives_nothing)
{
        struct text_list texts = { 0 };
        struct route_list routes = { 0 };
        struct err err;
        bool given = true;
        struct ip address;
        uint32_t u32;
        uint16_t u16;
        uint8_t u8;

        ck_assert_int_eq(parse((struct bytes){ B("\xff") }), 0);
        ck_assert(!opts_get_u8(&opts, OPT_MESSAGE_TYPE, &u8));
        ck_assert(!opts_get_u16(&opts, OPT_MTU, &u16));
        ck_assert(!opts_get_u32(&opts, OPT_LEASE_TIME, &u32));
        ck_assert(!opts_get_ip(&opts, OPT_SERVER, &address));
        ck_assert(!opts_get_first_ip(&opts, OPT_ROUTERS, &address));
        ck_assert(!opts_get_mask(&opts, &u8));
        unit_assert_ok(opts_get_text(&opts, OPT_DOMAIN, &texts, &err), &err);
        unit_assert_ok(opts_read_addresses(&opts, OPT_DNS, &texts, &err), &err);
        unit_assert_ok(opts_read_domains(&opts, &texts, &err), &err);
        unit_assert_ok(opts_read_classless_routes(&opts, &routes, &given, &err), &err);
        unit_assert_ok(opts_read_static_routes(&opts, &routes, &err), &err);
        ck_assert(!given && texts.count == 0 && routes.count == 0);
}
END_TEST

static const struct {
        struct bytes value;
        int want; /* -1: none */
} mask_rows[] = {
        { { B("\xff\xff\xff\0") }, 24 },
        { { B("\xff\xff\xff\xff") }, 32 },
        { { B("\xff\xff\xff\xfe") }, 31 },
        { { B("\xff\xff\xff\xfc") }, 30 },
        { { B("\xff\xff\x80\0") }, 17 },
        { { B("\xff\0\0\0") }, 8 },
        { { B("\x80\0\0\0") }, 1 },
        { { B("\0\0\0\0") }, 0 },
        { { B("\xff\0\xff\0") }, -1 },
        { { B("\0\0\0\1") }, -1 },
        { { B("\x7f\xff\xff\xff") }, -1 },
        { { B("\0\0\0\xff") }, -1 },
        { { B("\xff\xff\xff") }, -1 },
        { { B("\xff\xff\xff\0\0") }, -1 },
        { { B("") }, -1 },
};

START_TEST(a_mask_has_no_holes)
{
        uint8_t prefix = 77;

        parse_one(OPT_SUBNET_MASK, mask_rows[_i].value);
        ck_assert_int_eq(opts_get_mask(&opts, &prefix), mask_rows[_i].want >= 0);
        ck_assert_int_eq(prefix, mask_rows[_i].want >= 0 ? mask_rows[_i].want : 77);
}
END_TEST

START_TEST(every_prefix_comes_from_its_mask)
{
        for (unsigned want = 0; want <= 32; want++) {
                uint32_t mask = want == 0 ? 0 : UINT32_MAX << (32 - want);
                const char value[4] = { (char)(mask >> 24), (char)(mask >> 16), (char)(mask >> 8),
                                        (char)mask };
                uint8_t prefix = 77;

                parse_one(OPT_SUBNET_MASK, (struct bytes){ value, 4 });
                ck_assert(opts_get_mask(&opts, &prefix));
                ck_assert_uint_eq(prefix, want);
        }
}
END_TEST

/* ---- texts ---- */

static const struct {
        struct bytes value;
        const char *want;
} text_rows[] = {
        { { B("example.com") }, "example.com" },
        { { B("example.com\0\0") }, "example.com" },
        { { B("a b") }, "a b" },
        { { B("~") }, "~" },
        { { B("gr\xc3\xbcn") }, "gr\xc3\xbcn" },
        { { B("\xc2\xa0") }, "\xc2\xa0" }, /* the first that is no control character */
        { { B("") }, "" },
        { { B("\0\0") }, "" },
        { { B("a\0b") }, "" },
        { { B("a\nnameserver 10.0.0.1") }, "" },
        { { B("a\x1b[31m") }, "" },
        { { B("\x1f") }, "" },
        { { B("\x7f"
              "ab") },
          "" },
        { { B("\xc2\x80") }, "" }, /* C1: terminals take it for a command */
        { { B("a\xc2\x9b"
              "31m") },
          "" },
        { { B("a\xff") }, "" },
        { { B("\xc3") }, "" },
        { { B("\xc0\x80") }, "" },
        { { B("\xed\xa0\x80") }, "" },
};

START_TEST(a_text_is_printable)
{
        struct text_list list = { 0 };
        struct err err;

        parse_one(OPT_DOMAIN, text_rows[_i].value);
        unit_assert_ok(opts_get_text(&opts, OPT_DOMAIN, &list, &err), &err);
        ck_assert_uint_eq(list.count, *text_rows[_i].want ? 1 : 0);
        ck_assert_str_eq(join(&list), text_rows[_i].want);
}
END_TEST

static const struct {
        struct bytes value;
        const char *want;
} address_rows[] = {
        { { B("\x08\x08\x08\x08") }, "8.8.8.8" },
        { { B("\x08\x08\x08\x08\x01\x01\x01\x01") }, "8.8.8.8 1.1.1.1" },
        { { B("") }, "" },
        { { B("\x08\x08\x08") }, "" },
        { { B("\x08\x08\x08\x08\x01") }, "" },
        { { B("\x08\x08\x08\x08\x01\x01\x01") }, "" },
};

START_TEST(addresses_are_whole)
{
        struct text_list list = { 0 };
        struct err err;

        parse_one(OPT_DNS, address_rows[_i].value);
        unit_assert_ok(opts_read_addresses(&opts, OPT_DNS, &list, &err), &err);
        ck_assert_str_eq(join(&list), address_rows[_i].want);
}
END_TEST

START_TEST(addresses_over_the_ceiling_are_left_out)
{
        char value[4 * (OPTS_SERVERS + 1)];
        struct text_list list = { 0 };
        struct err err;

        for (size_t i = 0; i < sizeof(value); i++)
                value[i] = i % 4 == 3 ? (char)(i / 4) : 10;
        parse_one(OPT_DNS, (struct bytes){ value, sizeof(value) });
        unit_assert_ok(opts_read_addresses(&opts, OPT_DNS, &list, &err), &err);
        ck_assert_uint_eq(list.count, OPTS_SERVERS);
        ck_assert_str_eq(list.items[0], "10.10.10.0");
        ck_assert_str_eq(list.items[OPTS_SERVERS - 1], "10.10.10.15");
        text_list_done(&list);
}
END_TEST

/* ---- names of the configuration ---- */

#define UNREADABLE(text, why)          \
        "Can not parse option \"" text \
        "\": Can not parse option: strconv.ParseUint: parsing \"" text "\": " why

static const struct {
        const char *name;
        uint8_t code;
        const char *error;
} code_rows[] = {
        { "dhcp-client-identifier", 61, NULL },
        { "subnet-mask", 1, NULL },
        { "routers", 3, NULL },
        { "host-name", 12, NULL },
        { "user-class", 77, NULL },
        { "vendor-class-identifier", 60, NULL },
        { "0", 0, NULL },
        { "12", 12, NULL },
        { "012", 12, NULL },
        { "255", 255, NULL },
        { "doNotparseMe", 0, UNREADABLE("doNotparseMe", "invalid syntax") },
        { "domain-name", 0, UNREADABLE("domain-name", "invalid syntax") },
        { "", 0, UNREADABLE("", "invalid syntax") },
        { "Host-Name", 0, UNREADABLE("Host-Name", "invalid syntax") },
        { "+5", 0, UNREADABLE("+5", "invalid syntax") },
        { "-1", 0, UNREADABLE("-1", "invalid syntax") },
        { "0x0c", 0, UNREADABLE("0x0c", "invalid syntax") },
        { "12 ", 0, UNREADABLE("12 ", "invalid syntax") },
        { "256", 0, UNREADABLE("256", "value out of range") },
        { "99999999999999999999999", 0,
          UNREADABLE("99999999999999999999999", "value out of range") },
};

START_TEST(a_code_has_a_name_or_a_number)
{
        struct err err;
        uint8_t code = 77;
        int r = opts_code(code_rows[_i].name, &code, &err);

        if (code_rows[_i].error) {
                unit_assert_err(r, &err, CNI_ERR_INTERNAL, code_rows[_i].error);
                ck_assert_uint_eq(code, 77);
        } else {
                unit_assert_ok(r, &err);
                ck_assert_uint_eq(code, code_rows[_i].code);
        }
}
END_TEST

static void add_tests(TCase *tests)
{
        unit_add_table(tests, an_area_is_read_up_to_its_end, area_rows);
        tcase_add_test(tests, what_is_left_of_a_former_message_is_not_seen);
        unit_add_table(tests, overload_adds_file_and_sname, overload_rows);
        tcase_add_test(tests, overload_counts_in_the_main_area_alone);
        tcase_add_test(tests, an_option_does_not_cross_into_the_next_area);
        tcase_add_test(tests, a_long_option_is_put_together);
        tcase_add_test(tests, values_have_a_ceiling_in_all);
        tcase_add_test(tests, a_number_has_its_length);
        tcase_add_test(tests, the_first_address_is_of_a_whole_list);
        tcase_add_test(tests, an_absent_option_gives_nothing);
        unit_add_table(tests, a_mask_has_no_holes, mask_rows);
        tcase_add_test(tests, every_prefix_comes_from_its_mask);
        unit_add_table(tests, a_text_is_printable, text_rows);
        unit_add_table(tests, addresses_are_whole, address_rows);
        tcase_add_test(tests, addresses_over_the_ceiling_are_left_out);
        unit_add_table(tests, a_code_has_a_name_or_a_number, code_rows);
}

UNIT_MAIN("opts", add_tests)
