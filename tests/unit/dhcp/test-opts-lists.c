/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Options: search domains and routes.
 */
#include "options.h"

/* ---- names ---- */

#define A65 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

static const struct {
        const char *what;
        struct bytes value;
        const char *want;
} domain_rows[] = {
        { "one", { B("\7example\3com\0") }, "example.com" },
        { "two", { B("\1a\0\1b\1c\0") }, "a b.c" },
        /* RFC 3397, section 3 */
        { "a pointer",
          { B("\3eng\5apple\3com\0\x09marketing\xc0\4") },
          "eng.apple.com marketing.apple.com" },
        { "a pointer to a whole name", { B("\1a\0\xc0\0") }, "a a" },
        { "a pointer to a pointer", { B("\1a\0\1b\xc0\0\1c\xc0\3") }, "a b.a c.b.a" },
        { "letters, digits, signs",
          { B("\x08"
              "azAZ09-_\0") },
          "azAZ09-_" },
        { "nothing", { B("") }, "" },
        { "the root", { B("\0") }, "" },
        { "the root behind a name", { B("\1a\0\0") }, "" },
        { "no end", { B("\1a") }, "" },
        { "no end of the second", { B("\1a\0\1b") }, "" },
        { "a label over the end", { B("\2a") }, "" },
        { "a label over the end by much", { B("\1a\0\x3f") }, "" },
        { "half a pointer", { B("\1a\0\1b\xc0") }, "" },
        { "a pointer to itself", { B("\xc0\0") }, "" },
        { "a loop through a label", { B("\1a\xc0\0") }, "" },
        { "a loop in the second name", { B("\1a\0\1b\xc0\3") }, "" },
        { "a loop of two", { B("\1a\xc0\4\1b\xc0\0") }, "" },
        { "back to a loop", { B("\xc0\2\xc0\0") }, "" },
        { "a pointer ahead", { B("\xc0\2\1a\0") }, "" },
        { "a pointer to the end", { B("\1a\0\xc0\x05") }, "" },
        { "a pointer beyond the end", { B("\1a\0\xff\xff") }, "" },
        { "label type 01", { B("\x41" A65 "\0") }, "" },
        { "label type 10",
          { B("\x81"
              "a\0") },
          "" },
        { "a dot", { B("\3a.b\0") }, "" },
        { "a blank", { B("\3a b\0") }, "" },
        { "a newline", { B("\3a\nb\0") }, "" },
        { "a NUL", { B("\3a\0b\0") }, "" },
        { "a byte over 127", { B("\3a\xc3\xbc\0") }, "" },
        { "one of two is wrong", { B("\1a\0\3a.b\0") }, "" },
};

START_TEST(names_are_decompressed)
{
        static const char fills[][2] = { { 'x', '\0' }, { '\0', 'x' } };
        struct text_list list = { 0 };
        struct err err;

        for (size_t i = 0; i < ARRAY_SIZE(fills); i++) {
                memcpy(behind, fills[i], sizeof(behind));
                parse_one(OPT_DOMAIN_SEARCH, domain_rows[_i].value);
                unit_assert_ok(opts_read_domains(&opts, &list, &err), &err);
                ck_assert_str_eq(join(&list), domain_rows[_i].want);
        }
}
END_TEST

/* A name of labels of 63 and one more of `last` bytes; returns its length. */
static size_t put_long_name(char *name, size_t last)
{
        memset(name, 'x', 256);
        name[0] = name[64] = name[128] = 63;
        name[192] = (char)last;
        name[193 + last] = '\0';
        return 194 + last;
}

START_TEST(a_name_is_255_bytes_at_most)
{
        struct text_list list = { 0 };
        char name[256];
        struct err err;

        parse_one(OPT_DOMAIN_SEARCH, (struct bytes){ name, put_long_name(name, 61) });
        unit_assert_ok(opts_read_domains(&opts, &list, &err), &err);
        ck_assert_uint_eq(list.count, 1);
        ck_assert_uint_eq(strlen(list.items[0]), 253);
        text_list_done(&list);

        parse_one(OPT_DOMAIN_SEARCH, (struct bytes){ name, put_long_name(name, 62) });
        unit_assert_ok(opts_read_domains(&opts, &list, &err), &err);
        ck_assert_uint_eq(list.count, 0);
}
END_TEST

/* Each name is a label and a pointer to the one before it. */
START_TEST(a_chain_of_pointers_has_an_end)
{
        struct text_list list = { 0 };
        char value[3 + 4 * 200] = "\1a\0";
        struct err err;

        for (size_t i = 0, at = 3, former = 0; i < 200; i++, former = at, at += 4) {
                value[at] = 1;
                value[at + 1] = 'b';
                value[at + 2] = (char)(0xc0 | former >> 8);
                value[at + 3] = (char)former;
        }
        /* Up to 126 labels of one byte make a name. */
        parse_one(OPT_DOMAIN_SEARCH, (struct bytes){ value, 3 + 4 * 126 });
        unit_assert_ok(opts_read_domains(&opts, &list, &err), &err);
        ck_assert_uint_eq(list.count, OPTS_SERVERS);
        ck_assert_str_eq(list.items[2], "b.b.a");
        text_list_done(&list);
        parse_one(OPT_DOMAIN_SEARCH, (struct bytes){ value, 3 + 4 * 127 });
        unit_assert_ok(opts_read_domains(&opts, &list, &err), &err);
        ck_assert_uint_eq(list.count, 0);
}
END_TEST

/* ---- routes ---- */

/* "DST GW SCOPE" of each, and frees them. */
static const char *join_routes(struct route_list *list)
{
        static char text[1024];
        size_t len = 0;

        text[0] = '\0';
        for (size_t i = 0; i < list->count; i++) {
                const struct route *route = &list->items[i];
                char dst[IPNET_TEXT_MAX], gw[IP_TEXT_MAX], scope[24] = "";
                int n;

                ck_assert_int_eq(route->table, ROUTE_UNSET);
                ck_assert_int_eq(route->mtu | route->advmss | route->priority, 0);
                if (route->scope != ROUTE_UNSET)
                        (void)snprintf(scope, sizeof(scope), " %d", (int)route->scope);
                n = snprintf(text + len, sizeof(text) - len, "%s%s %s%s", i > 0 ? ", " : "",
                             ipnet_format(&route->dst, dst), ip_format(&route->gw, gw), scope);
                ck_assert(n >= 0 && (size_t)n < sizeof(text) - len);
                len += (size_t)n;
        }
        free(list->items);
        *list = (struct route_list){ 0 };
        return text;
}

static const struct {
        const char *what;
        struct bytes value;
        const char *want; /* NULL: not given */
} classless_rows[] = {
        { "a network", { B("\x18\xc0\xa8\x32\x0a\x42\0\x09") }, "192.168.50.0/24 10.66.0.9" },
        { "the default", { B("\0\x0a\x42\0\1") }, "0.0.0.0/0 10.66.0.1" },
        { "a host, on-link", { B("\x20\x0a\x32\0\1\0\0\0\0") }, "10.50.0.1/32 0.0.0.0 253" },
        { "several",
          { B("\x18\xc0\xa8\x32\x0a\x42\0\x09\x20\x0a\x32\0\1\0\0\0\0\0\x0a\x42\0\1") },
          "192.168.50.0/24 10.66.0.9, 10.50.0.1/32 0.0.0.0 253, 0.0.0.0/0 10.66.0.1" },
        { "8", { B("\x08\x0a\x0a\0\0\1") }, "10.0.0.0/8 10.0.0.1" },
        { "9", { B("\x09\x0a\x80\x0a\0\0\1") }, "10.128.0.0/9 10.0.0.1" },
        { "16", { B("\x10\x0a\x11\x0a\0\0\1") }, "10.17.0.0/16 10.0.0.1" },
        { "25", { B("\x19\x0a\x11\x12\x80\x0a\0\0\1") }, "10.17.18.128/25 10.0.0.1" },
        { "bits behind the prefix", { B("\x14\x0a\1\xff\x0a\0\0\1") }, "10.1.240.0/20 10.0.0.1" },
        { "nothing", { B("") }, NULL },
        { "33", { B("\x21\x0a\x32\0\1\0\0\0\0\0") }, NULL },
        { "255", { B("\xff\x0a\x32\0\1\0\0\0\0") }, NULL },
        { "a prefix alone", { B("\0") }, NULL },
        { "half a network", { B("\x18\xc0\xa8") }, NULL },
        { "no gateway", { B("\x18\xc0\xa8\x32") }, NULL },
        { "half a gateway", { B("\x18\xc0\xa8\x32\x0a\x42\0") }, NULL },
        { "one byte more", { B("\0\x0a\x42\0\1\0") }, NULL },
        { "the second is wrong", { B("\0\x0a\x42\0\1\x21\x0a\x32\0\1\0\0\0\0") }, NULL },
};

START_TEST(classless_routes_are_all_or_nothing)
{
        static const uint8_t codes[] = { OPT_CLASSLESS_ROUTES, OPT_CLASSLESS_ROUTES_MS };
        const char *want = classless_rows[_i].want;

        for (size_t i = 0; i < ARRAY_SIZE(codes); i++) {
                struct route_list list = { 0 };
                bool given = !want;
                struct err err;

                parse_one(codes[i], classless_rows[_i].value);
                unit_assert_ok(opts_read_classless_routes(&opts, &list, &given, &err), &err);
                ck_assert_int_eq(given, want != NULL);
                ck_assert_str_eq(join_routes(&list), want ? want : "");
        }
}
END_TEST

static const struct {
        struct bytes area;
        const char *want; /* NULL: not given */
} choice_rows[] = {
        { { B("\x79\5\0\x0a\0\0\1\xf9\5\0\x0a\0\0\2") }, "0.0.0.0/0 10.0.0.1" },
        { { B("\xf9\5\0\x0a\0\0\2\x79\5\0\x0a\0\0\1") }, "0.0.0.0/0 10.0.0.1" },
        /* a malformed one counts as absent */
        { { B("\x79\4\0\x0a\0\0\xf9\5\0\x0a\0\0\2") }, "0.0.0.0/0 10.0.0.2" },
        { { B("\x79\0\xf9\5\0\x0a\0\0\2") }, "0.0.0.0/0 10.0.0.2" },
        { { B("\x79\5\0\x0a\0\0\1\xf9\1\0") }, "0.0.0.0/0 10.0.0.1" },
        { { B("\x79\1\0\xf9\1\0") }, NULL },
};

START_TEST(microsofts_copy_comes_second)
{
        struct route_list list = { 0 };
        struct err err;
        bool given = false;

        ck_assert_int_eq(parse(choice_rows[_i].area), 0);
        unit_assert_ok(opts_read_classless_routes(&opts, &list, &given, &err), &err);
        ck_assert_int_eq(given, choice_rows[_i].want != NULL);
        ck_assert_str_eq(join_routes(&list), choice_rows[_i].want ? choice_rows[_i].want : "");
}
END_TEST

static const struct {
        const char *what;
        struct bytes value;
        const char *want;
} static_rows[] = {
        { "upstream's test",
          { B("\x0a\0\0\0\x0a\1\2\3\xc0\xa8\1\0\xc0\xa8\2\3") },
          "10.0.0.0/8 10.1.2.3, 192.168.1.0/24 192.168.2.3" },
        { "class A ends", { B("\x7f\0\0\0\x0a\0\0\1") }, "127.0.0.0/8 10.0.0.1" },
        { "class B begins", { B("\x80\0\0\0\x0a\0\0\1") }, "128.0.0.0/16 10.0.0.1" },
        { "class B ends", { B("\xbf\xff\0\0\x0a\0\0\1") }, "191.255.0.0/16 10.0.0.1" },
        { "class C begins", { B("\xc0\0\0\0\x0a\0\0\1") }, "192.0.0.0/24 10.0.0.1" },
        { "above", { B("\xe0\0\0\0\x0a\0\0\1") }, "224.0.0.0/24 10.0.0.1" },
        { "bits behind the prefix", { B("\xac\x10\5\6\x0a\0\0\1") }, "172.16.0.0/16 10.0.0.1" },
        { "the default is none", { B("\0\0\0\0\x0a\0\0\1") }, "" },
        { "but others beside it are",
          { B("\0\0\0\0\x0a\0\0\1\x0b\0\0\0\x0a\0\0\2") },
          "11.0.0.0/8 10.0.0.2" },
        { "bytes behind a pair",
          { B("\x0b\0\0\0\x0a\0\0\2\x0c\0\0\0\x0a\0\0") },
          "11.0.0.0/8 10.0.0.2" },
        { "no pair", { B("\x0b\0\0\0\x0a\0\0") }, "" },
        { "nothing", { B("") }, "" },
};

START_TEST(static_routes_have_the_prefix_of_their_class)
{
        struct route_list list = { 0 };
        struct err err;

        parse_one(OPT_STATIC_ROUTES, static_rows[_i].value);
        unit_assert_ok(opts_read_static_routes(&opts, &list, &err), &err);
        ck_assert_str_eq(join_routes(&list), static_rows[_i].want);
}
END_TEST

START_TEST(routes_over_the_ceiling_are_left_out)
{
        char value[8 * (OPTS_ROUTES + 1)];
        struct route_list list = { 0 };
        struct err err;
        bool given = false;

        for (size_t i = 0; i < sizeof(value); i++)
                value[i] = i % 8 == 0 ? 24 : 10; /* for 121: 24, three bytes, four bytes */
        parse_one(OPT_CLASSLESS_ROUTES, (struct bytes){ value, sizeof(value) });
        unit_assert_ok(opts_read_classless_routes(&opts, &list, &given, &err), &err);
        ck_assert(given);
        ck_assert_uint_eq(list.count, OPTS_ROUTES);
        free(list.items);
        list = (struct route_list){ 0 };

        parse_one(OPT_STATIC_ROUTES, (struct bytes){ value, sizeof(value) });
        unit_assert_ok(opts_read_static_routes(&opts, &list, &err), &err);
        ck_assert_uint_eq(list.count, OPTS_ROUTES);
        free(list.items);
}
END_TEST

static void add_tests(TCase *tests)
{
        unit_add_table(tests, names_are_decompressed, domain_rows);
        tcase_add_test(tests, a_name_is_255_bytes_at_most);
        tcase_add_test(tests, a_chain_of_pointers_has_an_end);
        unit_add_table(tests, classless_routes_are_all_or_nothing, classless_rows);
        unit_add_table(tests, microsofts_copy_comes_second, choice_rows);
        unit_add_table(tests, static_routes_have_the_prefix_of_their_class, static_rows);
        tcase_add_test(tests, routes_over_the_ceiling_are_left_out);
}

UNIT_MAIN("opts-lists", add_tests)
