/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Frames: what is encoded decodes to the same, and nothing else decodes.
 */
#include "request.h"

#include "unit.h"

/* The least that an ADD must have. */
#define HEAD  "{\"version\":1,\"verb\":\"ADD\",\"deadline_ms\":5"
#define NAMES ",\"network\":\"n\",\"container_id\":\"c1\",\"ifname\":\"net1\""
#define POD   ",\"podref\":\"ns1/pod1\""
#define RANGE ",\"ranges\":[{\"net\":\"10.0.0.0/24\"}]"
#define TAIL  ",\"allocate_gateway\":false,\"overlap\":true}"

static int decode(const char *text, struct request *ret, struct err *err)
{
        return request_decode(text, strlen(text), ret, err);
}

/* Frames just as they are written. */
static const char *const good_rows[] = {
        HEAD NAMES POD RANGE TAIL,
        HEAD NAMES POD ",\"ranges\":[]" TAIL,
        "{\"version\":1,\"verb\":\"DEL\",\"deadline_ms\":9223372036854775807" NAMES RANGE TAIL,
        "{\"version\":1,\"verb\":\"DEL\",\"deadline_ms\":0" NAMES POD RANGE TAIL,
        HEAD ",\"network\":\"my.Net_1\",\"container_id\":\"0aF-x\",\"ifname\":\"\303\244\302\265\""
             ",\"podref\":\"/pod1\"" RANGE TAIL,
        HEAD NAMES POD ",\"network_name\":\"net-a\"" RANGE TAIL,
        HEAD NAMES POD ",\"slice_pool\":\"My_Net\",\"node\":\"node-1.example.org\"" RANGE TAIL,
        HEAD NAMES POD ",\"network_name\":\"t-\",\"slice_pool\":\"t-\",\"node\":\"n\"" RANGE TAIL,
        HEAD NAMES POD ",\"ranges\":[{\"net\":\"10.0.0.0/24\",\"start\":\"10.0.0.5\",\"end\":"
                       "\"10.9.9.9\",\"excludes\":[\"10.0.0.7/30\",\"fd00::1\",\"10.0.0.8\"]},"
                       "{\"net\":\"fd00::/64\",\"end\":\"fd00::9\"},{\"net\":\"0.0.0.0/0\"},"
                       "{\"net\":\"::/0\",\"start\":\"::\"}],\"gateway\":\"fd00::1\","
                       "\"allocate_gateway\":true,\"overlap\":false}",
};

START_TEST(a_request_survives_the_way)
{
        struct request request = { 0 };
        struct err err;
        struct buf buf;

        unit_assert_ok(decode(good_rows[_i], &request, &err), &err);
        buf_init(&buf, REQUEST_FRAME_MAX);
        unit_assert_ok(request_encode(&request, &buf, &err), &err);
        ck_assert_str_eq(buf_text(&buf), good_rows[_i]);
        buf_done(&buf);
        request_done(&request);
        ck_assert(!request.ranges && !request.network && request.range_count == 0);
}
END_TEST

START_TEST(a_request_is_read)
{
        struct request request = { 0 };
        char text[IPNET_TEXT_MAX];
        struct err err;

        unit_assert_ok(decode(good_rows[8], &request, &err), &err);
        ck_assert_int_eq(request.verb, REQUEST_ADD);
        ck_assert_int_eq(request.deadline_ms, 5);
        ck_assert_str_eq(request.network, "n");
        ck_assert_str_eq(request.container_id, "c1");
        ck_assert_str_eq(request.ifname, "net1");
        ck_assert_str_eq(request.podref, "ns1/pod1");
        ck_assert(!request.network_name && !request.slice_pool && !request.node);
        ck_assert(request.allocate_gateway && !request.overlap);
        ck_assert_str_eq(ip_format(&request.gateway, text), "fd00::1");
        ck_assert_uint_eq(request.range_count, 4);
        ck_assert_str_eq(ipnet_format(&request.ranges[0].net, text), "10.0.0.0/24");
        ck_assert_str_eq(ip_format(&request.ranges[0].start, text), "10.0.0.5");
        ck_assert_str_eq(ip_format(&request.ranges[0].end, text), "10.9.9.9");
        ck_assert_uint_eq(request.ranges[0].exclude_count, 3);
        ck_assert_str_eq(request.ranges[0].exclude_texts[0], "10.0.0.7/30");
        ck_assert_str_eq(ipnet_format(&request.ranges[0].excludes[0], text), "10.0.0.4/30");
        ck_assert_str_eq(ipnet_format(&request.ranges[0].excludes[1], text), "fd00::1/128");
        ck_assert_uint_eq(request.ranges[1].start.family, IP_UNSET);
        request_done(&request);
        unit_assert_ok(decode(good_rows[2], &request, &err), &err);
        ck_assert_int_eq(request.verb, REQUEST_DEL);
        ck_assert_ptr_null(request.podref);
        request_done(&request);
}
END_TEST

#define R(members) HEAD NAMES POD ",\"ranges\":[{" members "}]" TAIL

static const struct {
        const char *text, *msg;
} bad_rows[] = {
        { "", "unexpected end of JSON input" },
        { "null", "the configuration: must be an object, not null" },
        { "{}", "version 0 is not ours" },
        { "{\"version\":2,\"verb\":7}", "version 2 is not ours" },
        { "{\"version\":4294967297}", "must be a small integer" },
        { "{\"version\":\"1\"}", "version: must be an integer, not a string" },
        { "{\"version\":1,\"deadline_ms\":5" NAMES POD RANGE TAIL, "verb is missing or no good" },
        { "{\"version\":1,\"verb\":null" NAMES POD RANGE TAIL, "verb: must be a string, not null" },
        { "{\"version\":1,\"verb\":\"add\"" NAMES POD RANGE TAIL, "unknown verb" },
        { "{\"version\":1,\"verb\":\"ADD\",\"deadline_ms\":-1" NAMES POD RANGE TAIL,
          "deadline_ms is missing or no good" },
        { HEAD ",\"container_id\":\"c1\",\"ifname\":\"net1\"" POD RANGE TAIL,
          "network is missing or no good" },
        { HEAD ",\"network\":\"../x\",\"container_id\":\"c1\",\"ifname\":\"net1\"" POD RANGE TAIL,
          "network is missing or no good" },
        { HEAD ",\"network\":\"n\",\"ifname\":\"net1\"" POD RANGE TAIL,
          "container_id is missing or no good" },
        { HEAD ",\"network\":\"n\",\"container_id\":\"\",\"ifname\":\"net1\"" POD RANGE TAIL,
          "container_id is missing or no good" },
        { HEAD ",\"network\":\"n\",\"container_id\":\"a b\",\"ifname\":\"net1\"" POD RANGE TAIL,
          "container_id is missing or no good" },
        { HEAD ",\"network\":\"n\",\"container_id\":\"c1\"" POD RANGE TAIL,
          "ifname is missing or no good" },
        { HEAD ",\"network\":\"n\",\"container_id\":\"c1\",\"ifname\":\"\"" POD RANGE TAIL,
          "interface name is empty" },
        { HEAD ",\"network\":\"n\",\"container_id\":\"c1\",\"ifname\":\"a/b\"" POD RANGE TAIL,
          "interface name contains / or : or whitespace characters" },
        { HEAD
          ",\"network\":\"n\",\"container_id\":\"c1\",\"ifname\":\"0123456789abcdef\"" POD RANGE
                  TAIL,
          "interface name is too long" },
        { HEAD ",\"network\":\"n\",\"container_id\":\"c1\",\"ifname\":\"a\\u0007\"" POD RANGE TAIL,
          "ifname is missing or no good" },
        { HEAD NAMES RANGE TAIL, "podref is missing or no good" },
        { HEAD NAMES ",\"podref\":null" RANGE TAIL, "podref is missing or no good" },
        { HEAD NAMES ",\"podref\":\"pod1\"" RANGE TAIL, "podref is missing or no good" },
        { HEAD NAMES ",\"podref\":\"ns1/\"" RANGE TAIL, "podref is missing or no good" },
        { HEAD NAMES ",\"podref\":\"ns1/a\\n\"" RANGE TAIL, "podref is missing or no good" },
        { "{\"version\":1,\"verb\":\"DEL\"" NAMES ",\"podref\":\"\"" RANGE TAIL,
          "podref is missing or no good" },
        { HEAD NAMES POD ",\"network_name\":\"\"" RANGE TAIL,
          "network_name is missing or no good" },
        { HEAD NAMES POD ",\"network_name\":\"Net\"" RANGE TAIL,
          "network_name is missing or no good" },
        { HEAD NAMES POD ",\"network_name\":\"a/../b\"" RANGE TAIL,
          "network_name is missing or no good" },
        { HEAD NAMES POD ",\"slice_pool\":\"n\"" RANGE TAIL, "node is missing or no good" },
        { HEAD NAMES POD ",\"node\":\"n\"" RANGE TAIL, "slice_pool is missing or no good" },
        { HEAD NAMES POD ",\"slice_pool\":\"a/b\",\"node\":\"n\"" RANGE TAIL,
          "slice_pool is missing or no good" },
        { HEAD NAMES POD ",\"slice_pool\":\"n\",\"node\":\"a b\"" RANGE TAIL,
          "node is missing or no good" },
        { HEAD NAMES POD ",\"ranges\":{}" TAIL, "ranges: must be a list, not an object" },
        { HEAD NAMES POD ",\"ranges\":[null]" TAIL, "ranges[0]: must be an object, not null" },
        { R(""), "net is missing or no good" },
        { R("\"net\":\"10.0.0.1/24\""), "net is missing or no good" },
        { R("\"net\":\"::ffff:10.0.0.0/120\""), "net is missing or no good" },
        { R("\"net\":\"10.0.0.0\""), "invalid CIDR address: 10.0.0.0" },
        { R("\"net\":\"010.0.0.0/24\""), "invalid CIDR address: 010.0.0.0/24" },
        { R("\"net\":null"), "invalid CIDR address: " },
        { R("\"net\":\"10.0.0.0/24\",\"start\":\"fd00::1\""), "start is missing or no good" },
        { R("\"net\":\"fd00::/64\",\"end\":\"10.0.0.1\""), "end is missing or no good" },
        { R("\"net\":\"10.0.0.0/24\",\"end\":\"x\""), "invalid IP address: x" },
        { R("\"net\":\"10.0.0.0/24\",\"excludes\":[\"x\"]"),
          "could not parse exclude range, err: \"invalid CIDR address: x\"" },
        { R("\"net\":\"10.0.0.0/24\",\"excludes\":[7]"),
          "ranges[0].excludes[0]: must be a string, not a number" },
        { HEAD NAMES POD RANGE ",\"gateway\":\"x\"" TAIL, "invalid IP address: x" },
        { HEAD NAMES POD RANGE ",\"overlap\":1}", "overlap: must be true or false, not a number" },
        { HEAD NAMES POD RANGE TAIL "}", "invalid character '}' after top-level value" },
};

START_TEST(a_request_that_is_not_right_is_refused)
{
        struct request request = { .network = (char *)(uintptr_t)bad_rows };
        char want[512];
        struct err err;
        int r = decode(bad_rows[_i].text, &request, &err);

        (void)snprintf(want, sizeof(want), "request frame: %s", bad_rows[_i].msg);
        unit_assert_err(r, &err, CNI_ERR_DECODE, want);
        ck_assert_ptr_eq(request.network, bad_rows); /* untouched */
}
END_TEST

/* A request that a decoder would refuse does not go out. */
START_TEST(a_request_that_is_not_right_is_not_sent)
{
        struct request request = { 0 };
        struct err err;
        struct buf buf;
        uint8_t family;

        unit_assert_ok(decode(good_rows[0], &request, &err), &err);
        buf_init(&buf, 4 * REQUEST_FRAME_MAX);
        free(request.ifname);
        request.ifname = strdup("net\xff"); /* it would arrive as another one */
        unit_assert_err(request_encode(&request, &buf, &err), &err, CNI_ERR_INTERNAL,
                        "ifname is missing or no good");
        request.ifname[3] = '1';
        family = request.ranges[0].net.ip.family;
        request.ranges[0].net.ip.family = IP_UNSET;
        unit_assert_err(request_encode(&request, &buf, &err), &err, CNI_ERR_INTERNAL,
                        "net is missing or no good");
        request.ranges[0].net.ip.family = family;
        ck_assert_uint_eq(buf.len, 0);
        unit_assert_ok(request_encode(&request, &buf, &err), &err);
        buf_done(&buf);
        request_done(&request);
}
END_TEST

START_TEST(a_frame_has_a_ceiling)
{
        struct request request = { 0 }, back = { 0 };
        struct err err;
        struct buf buf;

        unit_assert_ok(decode(good_rows[0], &request, &err), &err);
        for (int i = 0; i < 11000; i++)
                unit_assert_ok(range_add_exclude(&request.ranges[0], "10.0.0.1", &err), &err);
        buf_init(&buf, 4 * REQUEST_FRAME_MAX);
        buf_puts(&buf, "before"); /* what is there already does not count */
        unit_assert_ok(request_encode(&request, &buf, &err), &err);
        unit_assert_ok(request_decode(buf.text + 6, buf.len - 6, &back, &err), &err);
        ck_assert_uint_eq(back.ranges[0].exclude_count, 11000);
        request_done(&back);
        for (int i = 0; i < 1000; i++)
                unit_assert_ok(range_add_exclude(&request.ranges[0], "10.0.0.1", &err), &err);
        buf_done(&buf);
        unit_assert_err(request_encode(&request, &buf, &err), &err, CNI_ERR_INTERNAL,
                        "frame longer than 131072 bytes");
        unit_assert_err(request_decode(buf.text, buf.len, &back, &err), &err, CNI_ERR_DECODE,
                        "request frame: longer than 131072 bytes");
        buf_done(&buf);
        buf.ceiling = 100;
        unit_assert_err(request_encode(&request, &buf, &err), &err, CNI_ERR_INTERNAL,
                        "text longer than 100 bytes");
        buf_done(&buf);
        request_done(&request);
}
END_TEST

START_TEST(the_number_of_ranges_is_bounded)
{
        struct request request = { 0 };
        struct err err;
        struct buf buf;

        for (int count = 64; count <= 65; count++) {
                int r;

                buf_init(&buf, REQUEST_FRAME_MAX);
                buf_puts(&buf, HEAD NAMES POD ",\"ranges\":[");
                for (int i = 0; i < count; i++)
                        buf_printf(&buf, "%s{\"net\":\"::/9\"}", i > 0 ? "," : "");
                buf_puts(&buf, "]" TAIL);
                unit_assert_ok(buf_check(&buf, &err), &err);
                r = request_decode(buf.text, buf.len, &request, &err);
                if (count == 64)
                        unit_assert_ok(r, &err);
                else
                        unit_assert_err(r, &err, CNI_ERR_DECODE,
                                        "request frame: more than 64 ranges");
                buf_done(&buf);
        }
        ck_assert_uint_eq(request.range_count, 64);
        request_done(&request);
}
END_TEST

/* ---- names ---- */

#define A50  "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define A250 A50 A50 A50 A50 A50

static const struct {
        const char *text;
        bool podref, prefix;
} name_rows[] = {
        { "ns1/pod1", true, false },
        { "/pod1", true, false },
        { "dummyNS/dummyPOD-0", true, false },
        { "a/b/c", true, false },
        { "ns/", false, false },
        { "/", false, false },
        { "", false, false },
        { "pod", false, true },
        { "ns/p\xc3", false, false },
        { "ns/p\xc3\xa4", true, false },
        { "ns/p\x7f", false, false },
        { "ns\t/p", false, false },
        { A250 "/" A250 "aaaaaaaaaaa", true, false }, /* 512 */
        { A250 "/" A250 "aaaaaaaaaaaa", false, false },
        { "net-a", false, true },
        { "0", false, true },
        { "a.b-c.9", false, true },
        { "a-", false, true }, /* "a--10.0.0.0-24" is a name */
        { "a--b", false, true },
        { "-a", false, false },
        { ".a", false, false },
        { "a.", false, false }, /* "a.-10.0.0.0-24" is none */
        { "a..b", false, false },
        { "a.-b", false, false },
        { "a-.b", false, false },
        { "A", false, false },
        { "a_b", false, false },
        { "a b", false, false },
        { "\xc3\xa4", false, false },
        { A250 "aaa", false, true },
        { A250 "aaaa", false, false },
};

START_TEST(names_are_judged)
{
        ck_assert_int_eq(request_is_podref(name_rows[_i].text), name_rows[_i].podref);
        ck_assert_int_eq(request_is_prefix(name_rows[_i].text), name_rows[_i].prefix);
}
END_TEST

/* ---- answers ---- */

static const char *const good_answers[] = {
        "{\"version\":1,\"r\":0,\"addresses\":[]}",
        "{\"version\":1,\"r\":0,\"addresses\":[\"10.0.0.5/24\",\"fd00::1/64\",\"10.0.4.1/8\"]}",
        "{\"version\":1,\"r\":-11,\"code\":11,\"msg\":\"later\",\"details\":\"because\"}",
        "{\"version\":1,\"r\":0,\"addresses\":[\"10.0.0.5/24\"],\"held\":true}",
        "{\"version\":1,\"r\":1,\"code\":999,\"msg\":\"remembered\",\"details\":\"\"}",
        "{\"version\":1,\"r\":-22,\"code\":999,\"msg\":\"\\\"b\\\" \\u003cc\",\"details\":\"\"}",
};

START_TEST(an_answer_survives_the_way)
{
        struct answer answer = { 0 };
        struct err err;
        struct buf buf;

        unit_assert_ok(answer_decode(good_answers[_i], strlen(good_answers[_i]), &answer, &err),
                       &err);
        buf_init(&buf, REQUEST_FRAME_MAX);
        unit_assert_ok(answer_encode(&answer, &buf, &err), &err);
        ck_assert_str_eq(buf_text(&buf), good_answers[_i]);
        buf_done(&buf);
        answer_done(&answer);
        ck_assert(!answer.addresses && answer.count == 0);
}
END_TEST

START_TEST(an_answer_is_read)
{
        struct answer answer = { 0 };
        char text[IPNET_TEXT_MAX];
        struct err err;

        unit_assert_ok(answer_decode(good_answers[1], strlen(good_answers[1]), &answer, &err),
                       &err);
        ck_assert_int_eq(answer.r, 0);
        ck_assert_uint_eq(answer.count, 3);
        ck_assert_str_eq(ipnet_format(&answer.addresses[2], text), "10.0.4.1/8"); /* host bits */
        answer_done(&answer);
        unit_assert_ok(answer_decode(good_answers[2], strlen(good_answers[2]), &answer, &err),
                       &err);
        ck_assert_int_eq(answer.r, -11);
        ck_assert_int_eq(answer.err.code, CNI_ERR_TRY_LATER);
        ck_assert_str_eq(answer.err.msg, "later");
        ck_assert_str_eq(answer.err.details, "because");
        answer_done(&answer);
}
END_TEST

#define V "{\"version\":1"

static const struct {
        const char *text, *msg;
} bad_answers[] = {
        { "{\"version\":3}", "version 3 is not ours" },
        { "[]", "the configuration: must be an object, not a list" },
        { V "}", "r is missing or no good" },
        { V ",\"r\":2,\"code\":1,\"msg\":\"x\"}", "r is missing or no good" },
        { V ",\"r\":1,\"addresses\":[]}", "error is missing or no good" },
        { V ",\"r\":-4096,\"code\":1,\"msg\":\"x\"}", "r is missing or no good" },
        { V ",\"r\":0.5}", "r: must be an integer, not 0.5" },
        { V ",\"r\":-2147483648}", "must be a small integer" },
        { V ",\"r\":-1}", "error is missing or no good" },
        { V ",\"r\":-1,\"code\":0,\"msg\":\"x\"}", "error is missing or no good" },
        { V ",\"r\":-1,\"code\":7,\"msg\":\"\"}", "error is missing or no good" },
        { V ",\"r\":-1,\"code\":7,\"details\":\"x\"}", "error is missing or no good" },
        { V ",\"r\":-1,\"code\":7,\"msg\":\"x\",\"addresses\":[\"10.0.0.1/8\"]}",
          "error is missing or no good" },
        { V ",\"r\":0,\"addresses\":[\"10.0.0.1\"]}", "invalid CIDR address: 10.0.0.1" },
        { V ",\"r\":0,\"addresses\":[\"10.0.0.1/8\",\"::ffff:10.0.0.1/120\"]}", "mapped address" },
        { V ",\"r\":0,\"addresses\":7}", "addresses: must be a list, not a number" },
        { V ",\"r\":-1,\"code\":7,\"msg\":7}", "msg: must be a string, not a number" },
        { V ",\"r\":-1,\"code\":7,\"msg\":\"x\",\"details\":7}",
          "details: must be a string, not a number" },
};

START_TEST(an_answer_that_is_not_right_is_refused)
{
        struct answer answer = { .count = 77 };
        char want[512];
        struct err err;
        int r = answer_decode(bad_answers[_i].text, strlen(bad_answers[_i].text), &answer, &err);

        (void)snprintf(want, sizeof(want), "answer frame: %s", bad_answers[_i].msg);
        unit_assert_err(r, &err, CNI_ERR_DECODE, want);
        ck_assert_uint_eq(answer.count, 77); /* untouched */
}
END_TEST

/* Foreign text in an error arrives as JSON can tell it, cut as every error is. */
START_TEST(an_error_arrives_whatever_it_says)
{
        struct answer answer = { .r = -EIO }, back = { 0 };
        struct err err;
        struct buf buf;

        (void)err_text(&answer.err, -EIO, CNI_ERR_IO, "a\xff\nb");
        memset(answer.err.details, '\xfe', sizeof(answer.err.details) - 1);
        answer.err.details[sizeof(answer.err.details) - 1] = '\0';
        buf_init(&buf, REQUEST_FRAME_MAX);
        unit_assert_ok(answer_encode(&answer, &buf, &err), &err);
        unit_assert_ok(answer_decode(buf.text, buf.len, &back, &err), &err);
        ck_assert_str_eq(back.err.msg, "a\xef\xbf\xbd\nb");
        ck_assert_int_eq(back.err.code, CNI_ERR_IO);
        ck_assert_uint_eq(strlen(back.err.details), 1023 / 3 * 3);
        answer_done(&back);
        answer.err.msg[0] = '\0';
        unit_assert_err(answer_encode(&answer, &buf, &err), &err, CNI_ERR_INTERNAL,
                        "error is missing or no good");
        buf_done(&buf);
}
END_TEST

START_TEST(addresses_are_added_in_order)
{
        struct answer answer = { 0 };
        struct ipnet net = { .prefix = 24 };
        struct err err;

        for (uint8_t i = 0; i < 50; i++) {
                net.ip = (struct ip){ .family = IP_V4, .bytes = { 10, 0, 0, i } };
                unit_assert_ok(answer_add(&answer, &net, &err), &err);
        }
        ck_assert_uint_eq(answer.count, 50);
        ck_assert_int_eq(answer.addresses[49].ip.bytes[3], 49);
        ck_assert_int_eq(answer.addresses[0].ip.bytes[3], 0);
        answer_done(&answer);
}
END_TEST

static void add_tests(TCase *tests)
{
        unit_add_table(tests, a_request_survives_the_way, good_rows);
        tcase_add_test(tests, a_request_is_read);
        unit_add_table(tests, a_request_that_is_not_right_is_refused, bad_rows);
        tcase_add_test(tests, a_request_that_is_not_right_is_not_sent);
        tcase_add_test(tests, a_frame_has_a_ceiling);
        tcase_add_test(tests, the_number_of_ranges_is_bounded);
        unit_add_table(tests, names_are_judged, name_rows);
        unit_add_table(tests, an_answer_survives_the_way, good_answers);
        tcase_add_test(tests, an_answer_is_read);
        unit_add_table(tests, an_answer_that_is_not_right_is_refused, bad_answers);
        tcase_add_test(tests, an_error_arrives_whatever_it_says);
        tcase_add_test(tests, addresses_are_added_in_order);
}

UNIT_MAIN("request", add_tests)
