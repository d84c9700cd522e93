/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Results in all versions, and reading what earlier results say. Numbers: cni-contract.md 9.3, 9.4.
 */
#include "core/result.h"

#include "unit.h"

/* ---- golden results ---- */

static struct ip ip(const char *text)
{
        struct ip ip = { 0 };

        if (text)
                ck_assert_int_eq(ip_parse(text, &ip), 0);
        return ip;
}

static void add_ip(struct ipam_result *result, const char *address, const char *gateway)
{
        struct result_ip item = { .gateway = ip(gateway) };
        struct err err;

        ck_assert_int_eq(ipnet_parse(address, &item.address), 0);
        unit_assert_ok(result_add_ip(result, &item, &err), &err);
}

static void add_text(struct text_list *list, const char *text)
{
        struct err err;

        unit_assert_ok(text_list_add(list, text, strlen(text), &err), &err);
}

/* Routes as they are configured. */
static void set_routes(struct ipam_result *result, const char *text)
{
        struct json *document = NULL;
        struct err err;

        unit_assert_ok(json_parse(text, strlen(text), &document, &err), &err);
        unit_assert_ok(
                result_decode_routes(&(struct json_at){ .value = document }, &result->routes, &err),
                &err);
        json_free(document);
}

/* Two IPv4 addresses, one IPv6, routes with everything, all of dns. T25, T26, T30, T31, T38, T43,
 * T44; no interface and so no index: T37, T42; route extras stay in 0.3 to 0.4, zeros of table and
 * scope are printed. */
static struct ipam_result full_result(void)
{
        struct ipam_result result = { 0 };

        add_ip(&result, "1.2.3.30/24", "1.2.3.1");
        add_ip(&result, "1.2.4.30/25", NULL);
        add_ip(&result, "abcd:1234:ffff::cdde/64", "abcd:1234:ffff::1");
        set_routes(&result,
                   "[{\"dst\":\"15.5.6.8/24\",\"gw\":\"15.5.6.8\",\"mtu\":1500,\"advmss\":1340,"
                   "\"priority\":100,\"table\":50,\"scope\":253},"
                   "{\"dst\":\"1111:dddd::/80\",\"gw\":\"1111:dddd::aaaa\",\"table\":0,"
                   "\"scope\":0,\"mtu\":0},"
                   "{\"dst\":\"0.0.0.0/0\"}]");
        add_text(&result.dns.nameservers, "1.2.3.4");
        add_text(&result.dns.nameservers, "1::cafe");
        add_text(&result.dns.search, "somedomain.com");
        add_text(&result.dns.search, "a&b");
        add_text(&result.dns.options, "foo");
        result.dns.domain = strdup("acompany.com");
        return result;
}

#define FULL_02                                                                        \
        "    \"ip4\": {\n        \"ip\": \"1.2.3.30/24\",\n"                           \
        "        \"gateway\": \"1.2.3.1\",\n        \"routes\": [\n            {\n"    \
        "                \"dst\": \"15.5.6.8/24\",\n"                                  \
        "                \"gw\": \"15.5.6.8\"\n            },\n            {\n"        \
        "                \"dst\": \"0.0.0.0/0\"\n            }\n        ]\n    },\n"   \
        "    \"ip6\": {\n        \"ip\": \"abcd:1234:ffff::cdde/64\",\n"               \
        "        \"gateway\": \"abcd:1234:ffff::1\",\n        \"routes\": [\n"         \
        "            {\n                \"dst\": \"1111:dddd::/80\",\n"                \
        "                \"gw\": \"1111:dddd::aaaa\"\n            }\n        ]\n"      \
        "    },\n"                                                                     \
        "    \"dns\": {\n        \"nameservers\": [\n            \"1.2.3.4\",\n"       \
        "            \"1::cafe\"\n        ],\n        \"domain\": \"acompany.com\",\n" \
        "        \"search\": [\n            \"somedomain.com\",\n"                     \
        "            \"a\\u0026b\"\n        ],\n        \"options\": [\n"              \
        "            \"foo\"\n        ]\n    }\n}"

#define FULL_04                                                                        \
        "    \"ips\": [\n        {\n            \"version\": \"4\",\n"                 \
        "            \"address\": \"1.2.3.30/24\",\n"                                  \
        "            \"gateway\": \"1.2.3.1\"\n        },\n        {\n"                \
        "            \"version\": \"4\",\n            \"address\": \"1.2.4.30/25\"\n"  \
        "        },\n        {\n            \"version\": \"6\",\n"                     \
        "            \"address\": \"abcd:1234:ffff::cdde/64\",\n"                      \
        "            \"gateway\": \"abcd:1234:ffff::1\"\n        }\n    ],\n"          \
        "    \"routes\": [\n        {\n            \"dst\": \"15.5.6.8/24\",\n"        \
        "            \"gw\": \"15.5.6.8\",\n            \"mtu\": 1500,\n"              \
        "            \"advmss\": 1340,\n            \"priority\": 100,\n"              \
        "            \"table\": 50,\n            \"scope\": 253\n        },\n"         \
        "        {\n            \"dst\": \"1111:dddd::/80\",\n"                        \
        "            \"gw\": \"1111:dddd::aaaa\",\n            \"table\": 0,\n"        \
        "            \"scope\": 0\n        },\n        {\n"                            \
        "            \"dst\": \"0.0.0.0/0\"\n        }\n    ],\n"                      \
        "    \"dns\": {\n        \"nameservers\": [\n            \"1.2.3.4\",\n"       \
        "            \"1::cafe\"\n        ],\n        \"domain\": \"acompany.com\",\n" \
        "        \"search\": [\n            \"somedomain.com\",\n"                     \
        "            \"a\\u0026b\"\n        ],\n        \"options\": [\n"              \
        "            \"foo\"\n        ]\n    }\n}"

#define FULL_1                                                                       \
        "    \"dns\": {\n        \"domain\": \"acompany.com\",\n"                    \
        "        \"nameservers\": [\n            \"1.2.3.4\",\n"                     \
        "            \"1::cafe\"\n        ],\n        \"options\": [\n"              \
        "            \"foo\"\n        ],\n        \"search\": [\n"                   \
        "            \"somedomain.com\",\n            \"a\\u0026b\"\n        ]\n"    \
        "    },\n"                                                                   \
        "    \"ips\": [\n        {\n            \"address\": \"1.2.3.30/24\",\n"     \
        "            \"gateway\": \"1.2.3.1\"\n        },\n        {\n"              \
        "            \"address\": \"1.2.4.30/25\"\n        },\n        {\n"          \
        "            \"address\": \"abcd:1234:ffff::cdde/64\",\n"                    \
        "            \"gateway\": \"abcd:1234:ffff::1\"\n        }\n    ],\n"        \
        "    \"routes\": [\n        {\n            \"advmss\": 1340,\n"              \
        "            \"dst\": \"15.5.6.8/24\",\n            \"gw\": \"15.5.6.8\",\n" \
        "            \"mtu\": 1500,\n            \"priority\": 100,\n"               \
        "            \"scope\": 253,\n            \"table\": 50\n        },\n"       \
        "        {\n            \"dst\": \"1111:dddd::/80\",\n"                      \
        "            \"gw\": \"1111:dddd::aaaa\",\n            \"scope\": 0,\n"      \
        "            \"table\": 0\n        },\n        {\n"                          \
        "            \"dst\": \"0.0.0.0/0\"\n        }\n    ]\n}"

/* One IPv4 address, a route of the other family, no dns. Routes of a family without an address are
 * dropped before 0.3; an empty dns is {} up to 0.4 and absent from 1.0 on. */
static struct ipam_result small_result(void)
{
        struct ipam_result result = { 0 };

        add_ip(&result, "10.1.2.3/24", "10.1.2.1");
        set_routes(&result, "[{\"dst\":\"::/0\"}]");
        return result;
}

#define SMALL_02                                             \
        "    \"ip4\": {\n        \"ip\": \"10.1.2.3/24\",\n" \
        "        \"gateway\": \"10.1.2.1\"\n    },\n    \"dns\": {}\n}"

#define SMALL_04                                                                           \
        "    \"ips\": [\n        {\n            \"version\": \"4\",\n"                     \
        "            \"address\": \"10.1.2.3/24\",\n"                                      \
        "            \"gateway\": \"10.1.2.1\"\n        }\n    ],\n"                       \
        "    \"routes\": [\n        {\n            \"dst\": \"::/0\"\n        }\n    ],\n" \
        "    \"dns\": {}\n}"

#define SMALL_1                                                                  \
        "    \"ips\": [\n        {\n            \"address\": \"10.1.2.3/24\",\n" \
        "            \"gateway\": \"10.1.2.1\"\n        }\n    ],\n"             \
        "    \"routes\": [\n        {\n            \"dst\": \"::/0\"\n        }\n    ]\n}"

static struct ipam_result empty_result(void)
{
        return (struct ipam_result){ 0 };
}

static const struct {
        struct ipam_result (*make)(void);
        const char *version, *body; /* NULL: it cannot be told */
} golden_rows[] = {
        { full_result, "0.1.0", FULL_02 },
        { full_result, "0.2.0", FULL_02 },
        { full_result, "0.3.0", FULL_04 },
        { full_result, "0.3.1", FULL_04 },
        { full_result, "0.4.0", FULL_04 },
        { full_result, "1.0.0", FULL_1 },
        { full_result, "1.1.0", FULL_1 },
        { small_result, "0.1.0", SMALL_02 },
        { small_result, "0.2.0", SMALL_02 },
        { small_result, "0.3.0", SMALL_04 },
        { small_result, "0.3.1", SMALL_04 },
        { small_result, "0.4.0", SMALL_04 },
        { small_result, "1.0.0", SMALL_1 },
        { small_result, "1.1.0", SMALL_1 },
        { empty_result, "0.1.0", NULL },
        { empty_result, "0.2.0", NULL }, /* T35 */
        { empty_result, "0.4.0", "    \"dns\": {}\n}" },
};

START_TEST(each_version_has_its_golden_text)
{
        struct ipam_result result = golden_rows[_i].make();
        char want[4096];
        struct buf buf;
        struct err err;
        int r;

        buf_init(&buf, 65536);
        r = result_encode(&result, golden_rows[_i].version, &buf, &err);
        if (!golden_rows[_i].body) {
                unit_assert_err(r, &err, CNI_ERR_INTERNAL, "cannot convert: no valid IP addresses");
        } else {
                unit_assert_ok(r, &err);
                (void)snprintf(want, sizeof(want), "{\n    \"cniVersion\": \"%s\",\n%s",
                               golden_rows[_i].version, golden_rows[_i].body);
                ck_assert_str_eq(buf_text(&buf), want);
        }
        buf_done(&buf);
        result_done(&result);
}
END_TEST

START_TEST(a_result_that_does_not_fit_is_an_error)
{
        struct ipam_result result = full_result();
        struct buf buf;
        struct err err;

        buf_init(&buf, 100);
        ck_assert_int_eq(result_encode(&result, "1.1.0", &buf, &err), -EFBIG);
        buf_done(&buf);
        result_done(&result);
        result_done(&result); /* it is empty now */
}
END_TEST

START_TEST(an_invalid_byte_is_written_as_each_version_does)
{
        struct ipam_result result = { 0 };
        struct buf buf;
        struct err err;

        add_ip(&result, "10.1.2.3/24", NULL);
        add_text(&result.dns.search, "\xff");
        buf_init(&buf, 1000);
        unit_assert_ok(result_encode(&result, "0.4.0", &buf, &err), &err);
        ck_assert_ptr_nonnull(strstr(buf_text(&buf), "\"\\ufffd\""));
        buf_done(&buf);
        unit_assert_ok(result_encode(&result, "1.0.0", &buf, &err), &err);
        ck_assert_ptr_nonnull(strstr(buf_text(&buf), "\"\xef\xbf\xbd\""));
        buf_done(&buf);
        result_done(&result);
}
END_TEST

START_TEST(an_empty_domain_is_no_domain)
{
        struct ipam_result result = { 0 };
        struct buf buf;
        struct err err;

        add_ip(&result, "10.1.2.3/24", NULL);
        result.dns.domain = strdup("");
        buf_init(&buf, 1000);
        unit_assert_ok(result_encode(&result, "1.0.0", &buf, &err), &err);
        ck_assert_ptr_null(strstr(buf_text(&buf), "dns"));
        buf_done(&buf);
        unit_assert_ok(result_encode(&result, "0.4.0", &buf, &err), &err);
        ck_assert_ptr_nonnull(strstr(buf_text(&buf), "\"dns\": {}"));
        buf_done(&buf);
        result_done(&result);
}
END_TEST

/* ---- routes ---- */

#define ROUTE_MAX "9223372036854775807"

/* T13 to T19: routes as they are read, and printed in 1.1.0 on one line; or the error. */
static const struct {
        const char *text, *want;
        int code;
        const char *details;
} route_rows[] = {
        { "[]", "", 0, NULL },
        { "[{\"dst\":\"1.2.3.0/24\",\"gw\":\"1.2.3.1\",\"mtu\":1500,\"advmss\":1340,"
          "\"priority\":100,\"table\":50,\"scope\":253}]",
          "{\"advmss\":1340,\"dst\":\"1.2.3.0/24\",\"gw\":\"1.2.3.1\",\"mtu\":1500,"
          "\"priority\":100,\"scope\":253,\"table\":50}",
          0, NULL }, /* T18 */
        { "[{\"DST\":\"10.0.0.5/8\",\"x\":{}}]", "{\"dst\":\"10.0.0.5/8\"}", 0, NULL },
        { "[{\"dst\":\"::ffff:10.0.0.0/104\"}]", "{\"dst\":\"10.0.0.0/8\"}", 0, NULL },
        { "[{\"dst\":\"1.2.3.0/24\",\"gw\":\"\"}]", "{\"dst\":\"1.2.3.0/24\"}", 0, NULL },
        { "[{\"dst\":\"1.2.3.0/24\",\"gw\":null,\"mtu\":null,\"table\":null}]",
          "{\"dst\":\"1.2.3.0/24\"}", 0, NULL },
        { "[{\"dst\":\"1.2.3.0/24\",\"gw\":\"::ffff:1.2.3.4\"}]",
          "{\"dst\":\"1.2.3.0/24\",\"gw\":\"1.2.3.4\"}", 0, NULL },
        { "[{\"dst\":\"1.2.3.0/24\",\"gw\":\"fe80::1\"}]", /* families are not compared */
          "{\"dst\":\"1.2.3.0/24\",\"gw\":\"fe80::1\"}", 0, NULL },
        { "[{\"dst\":\"::/0\",\"mtu\":-5,\"table\":-1}]",
          "{\"dst\":\"::/0\",\"mtu\":-5,\"table\":-1}", 0, NULL },
        { "[{\"dst\":\"::/0\",\"table\":" ROUTE_MAX "}]",
          "{\"dst\":\"::/0\",\"table\":" ROUTE_MAX "}", 0, NULL },
        { "[{}]", "{\"dst\":\"\\u003cnil\\u003e\"}", 0, NULL },
        { "{}", "the configuration: must be a list, not an object", 6, "" },
        { "[1]", "[0]: must be an object, not a number", 6, "" },
        { "[null]", "[0]: must be an object, not null", 6, "" },
        { "[{\"dst\":1}]", "[0].dst: must be a string, not a number", 6, "" }, /* T16 */
        { "[{\"dst\":\"1.2.3.4/99\"}]", "invalid CIDR address: 1.2.3.4/99", 7,
          "[0].dst" },                                                                  /* T17 */
        { "[{\"dst\":\"1.2.3/45\"}]", "invalid CIDR address: 1.2.3/45", 7, "[0].dst" }, /* T14 */
        { "[{\"dst\":\"10.1.2.0\"}]", "invalid CIDR address: 10.1.2.0", 7, "[0].dst" },
        { "[{\"dst\":\"\"}]", "invalid CIDR address: ", 7, "[0].dst" },
        { "[{\"dst\":null}]", "invalid CIDR address: ", 7, "[0].dst" },
        { "[{\"dst\":\"::/0\"},{\"gw\":\"1.2.3.x\"}]", "invalid IP address: 1.2.3.x", 7,
          "[1].gw" }, /* T19 */
        { "[{\"gw\":5}]", "[0].gw: must be a string, not a number", 6, "" },
        { "[{\"mtu\":1.5}]", "[0].mtu: must be an integer, not 1.5", 6, "" },
        { "[{\"scope\":\"253\"}]", "[0].scope: must be an integer, not a string", 6, "" },
};

/* Removes the layout. */
static void squeeze(const char *text, char *out)
{
        for (; *text; text++)
                if (*text != '\n' && *text != ' ')
                        *out++ = *text;
        *out = '\0';
}

START_TEST(routes_are_read_and_written)
{
        struct ipam_result result = { 0 };
        struct json *document = NULL;
        char want[1024], got[4096];
        struct buf buf;
        struct err err;
        int r;

        unit_assert_ok(
                json_parse(route_rows[_i].text, strlen(route_rows[_i].text), &document, &err),
                &err);
        r = result_decode_routes(&(struct json_at){ .value = document }, &result.routes, &err);
        json_free(document);
        if (route_rows[_i].code) {
                unit_assert_err(r, &err, route_rows[_i].code, route_rows[_i].want);
                ck_assert_str_eq(err.details, route_rows[_i].details);
                result_done(&result);
                return;
        }
        unit_assert_ok(r, &err);
        buf_init(&buf, 4000);
        unit_assert_ok(result_encode(&result, "1.1.0", &buf, &err), &err);
        squeeze(buf_text(&buf), got);
        (void)snprintf(want, sizeof(want), "{\"cniVersion\":\"1.1.0\"%s%s%s}",
                       *route_rows[_i].want ? ",\"routes\":[" : "", route_rows[_i].want,
                       *route_rows[_i].want ? "]" : "");
        ck_assert_str_eq(got, want);
        buf_done(&buf);
        result_done(&result);
}
END_TEST

/* ---- prevResult ---- */

static const struct {
        const char *config, *want;
} previous_rows[] = {
        { "{}", "" }, /* V21 */
        { "null", "" },
        { "[]", "" },
        { "{\"prevResult\":null}", "" },
        { "{\"prevResult\":{}}", "" },
        { "{\"prevResult\":7}", "" },
        { "{\"prevResult\":[{\"address\":\"1.2.3.4/8\"}]}", "" },
        { "{\"prevResult\":{\"cniVersion\":\"1.0.0\",\"ips\":[{\"version\":\"4\",\"interface\":0,"
          "\"address\":\"1.2.3.4/24\"},{\"address\":\"::1/64\",\"gateway\":\"::2\"}]}}",
          "1.2.3.4/24 ::1/64 " }, /* V18, T34, T40 */
        { "{\"PREVRESULT\":{\"IPS\":[{\"Address\":\"1.2.3.4/24\"}]}}", "1.2.3.4/24 " },
        { "{\"prevResult\":{\"ip4\":{\"ip\":\"1.2.3.4/24\"},\"ip6\":{\"ip\":\"::1/64\"}}}",
          "1.2.3.4/24 ::1/64 " },
        { "{\"prevResult\":{\"cniVersion\":\"5678.456\",\"ip6\":{\"ip\":\"::1/64\"},"
          "\"ips\":[{\"address\":\"1.2.3.4/24\"}]}}",
          "::1/64 1.2.3.4/24 " }, /* V19, V20: any version will do */
        { "{\"prevResult\":{\"ip4\":7,\"ip6\":{\"ip\":7},\"ips\":{}}}", "" },
        /* T36, T41: what cannot be understood is left out */
        { "{\"prevResult\":{\"ips\":[{\"address\":5},null,7,{},{\"address\":null},"
          "{\"address\":\"\"},{\"address\":\"1.2.3.4\"},{\"address\":\"1.2.3.4/8\"}]}}",
          "1.2.3.4/8 " },
};

START_TEST(the_addresses_of_an_earlier_result_are_found)
{
        struct ipam_result result = { 0 };
        struct json *document = NULL;
        char text[IPNET_TEXT_MAX];
        struct buf buf;
        struct err err;

        unit_assert_ok(json_parse(previous_rows[_i].config, strlen(previous_rows[_i].config),
                                  &document, &err),
                       &err);
        unit_assert_ok(result_read_previous(&(struct json_at){ .value = document }, &result, &err),
                       &err);
        buf_init(&buf, 1000);
        for (size_t i = 0; i < result.ip_count; i++)
                buf_printf(&buf, "%s ", ipnet_format(&result.ips[i].address, text));
        ck_assert_str_eq(buf_text(&buf), previous_rows[_i].want);
        buf_done(&buf);
        result_done(&result);
        json_free(document);
}
END_TEST

/* T27, T28, T32, T33, T39: what was written is found again, in every version. */
START_TEST(a_written_result_is_read_again)
{
        static const char *const versions[] = { "0.1.0", "0.2.0", "0.3.0", "0.3.1",
                                                "0.4.0", "1.0.0", "1.1.0" };
        struct ipam_result result = full_result(), again = { 0 };
        struct json *document = NULL;
        struct buf buf;
        struct err err;
        bool old = _i < 2;

        buf_init(&buf, 65536);
        buf_puts(&buf, "{\"prevResult\":");
        unit_assert_ok(result_encode(&result, versions[_i], &buf, &err), &err);
        buf_putc(&buf, '}');
        unit_assert_ok(json_parse(buf.text, buf.len, &document, &err), &err);
        unit_assert_ok(result_read_previous(&(struct json_at){ .value = document }, &again, &err),
                       &err);
        ck_assert_uint_eq(again.ip_count, old ? 2 : 3);
        ck_assert(ip_equal(&again.ips[0].address.ip, &result.ips[0].address.ip));
        ck_assert(ip_equal(&again.ips[old ? 1 : 2].address.ip, &result.ips[2].address.ip));
        json_free(document);
        buf_done(&buf);
        result_done(&again);
        result_done(&result);
}
END_TEST

START_TEST(a_sorted_list_finds_its_texts)
{
        static const char *const texts[] = { "b", "", "ab", "a", "b" };
        _cleanup_(text_list_done) struct text_list list = { 0 };
        size_t at = 9;

        text_list_sort(&list);
        ck_assert(!text_list_find(&list, "", &at));
        for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
                add_text(&list, texts[i]);
        text_list_sort(&list);
        ck_assert(!text_list_find(&list, "aa", &at));
        ck_assert_uint_eq(at, 9);
        ck_assert(text_list_find(&list, "", &at));
        ck_assert_uint_eq(at, 0);
        ck_assert(text_list_find(&list, "ab", &at));
        ck_assert_uint_eq(at, 2);
        ck_assert(text_list_find(&list, "b", &at));
        ck_assert_uint_ge(at, 3);
}
END_TEST

static void add_tests(TCase *tests)
{
        tcase_add_test(tests, a_sorted_list_finds_its_texts);
        unit_add_table(tests, each_version_has_its_golden_text, golden_rows);
        tcase_add_test(tests, a_result_that_does_not_fit_is_an_error);
        tcase_add_test(tests, an_invalid_byte_is_written_as_each_version_does);
        tcase_add_test(tests, an_empty_domain_is_no_domain);
        unit_add_table(tests, routes_are_read_and_written, route_rows);
        unit_add_table(tests, the_addresses_of_an_earlier_result_are_found, previous_rows);
        tcase_add_loop_test(tests, a_written_result_is_read_again, 0, 7);
}

UNIT_MAIN("result", add_tests)
