/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Frames: bytes to values and back, and everything that is none.
 */
#include "rpc.h"

#include "values.h"

#define KEY     "\"containerID\":\"c1\",\"network\":\"net\",\"ifname\":\"eth0\""
#define PROFILE "\"profile\":{}"

static struct key key(void)
{
        static char id[] = "c1", network[] = "net", ifname[] = "eth0";

        return (struct key){ id, network, ifname };
}

/* ---- the first line ---- */

static const struct {
        const char *bytes;
        size_t max;
        int want;
        size_t head, len;
} head_rows[] = {
        { "", 100, RPC_MORE, 0, 0 },
        { "c", 100, RPC_MORE, 0, 0 },
        { "cni-ipam 1 ", 100, RPC_MORE, 0, 0 },
        { "cni-ipam 1 1", 100, RPC_MORE, 0, 0 },
        { "cni-ipam 1 12345678", 99999999, RPC_MORE, 0, 0 },
        { "cni-ipam 1 2\n", 100, 0, 13, 2 },
        { "cni-ipam 1 2\n{}", 100, 0, 13, 2 },
        { "cni-ipam 1 100\n{}", 100, 0, 15, 100 },
        { "cni-ipam 1 67108864\n{}", RPC_REPLY_MAX, 0, 20, 67108864 },
        { "cni-ipam 1 101\n", 100, -EFBIG, 0, 0 },
        { "cni-ipam 1 123456789", 999999999, -EINVAL, 0, 0 },
        { "cni-ipam 1 02\n", 100, -EINVAL, 0, 0 },
        { "cni-ipam 1 0\n", 100, -EINVAL, 0, 0 },
        { "cni-ipam 1 \n", 100, -EINVAL, 0, 0 },
        { "cni-ipam 1  2\n", 100, -EINVAL, 0, 0 },
        { "cni-ipam 1 -2\n", 100, -EINVAL, 0, 0 },
        { "cni-ipam 1 2x\n", 100, -EINVAL, 0, 0 },
        { "cni-ipam 1 2\r\n", 100, -EINVAL, 0, 0 },
        { "cni-ipam 2 2\n", 100, -EPROTO, 0, 0 },
        { "cni-ipam2 2\n", 100, -EPROTO, 0, 0 },
        { "hello\n", 100, -EPROTO, 0, 0 },
        { "\n", 100, -EPROTO, 0, 0 },
        { "C", 100, RPC_MORE, 0, 0 },
        { "CONNECT", 100, RPC_MORE, 0, 0 },
        { "CONNECT /_goRPC_ HTTP/1.0\n\n", 100, RPC_HTTP, 0, 0 },
        { "CONNECTION", 100, -EPROTO, 0, 0 },
        { "HTTP/1", 100, RPC_MORE, 0, 0 },
        { "HTTP/1.1 400 Bad Request\r\n", 100, RPC_HTTP, 0, 0 },
        { "HTTP/2 200\r\n", 100, -EPROTO, 0, 0 },
        { "GET / HTTP/1.0\n\n", 100, -EPROTO, 0, 0 },
};

START_TEST(a_first_line_is_what_it_is)
{
        size_t head = 0, len = 0;
        struct err err = { 0 };
        int r = rpc_head(head_rows[_i].bytes, strlen(head_rows[_i].bytes), head_rows[_i].max, &head,
                         &len, &err);

        ck_assert_int_eq(r, head_rows[_i].want);
        ck_assert_uint_eq(head, head_rows[_i].head);
        ck_assert_uint_eq(len, head_rows[_i].len);
        if (r < 0)
                ck_assert_int_eq(err.code, CNI_ERR_DECODE);
}
END_TEST

START_TEST(every_beginning_of_a_first_line_needs_more)
{
        static const char *const lines[] = { "cni-ipam 1 4711\n", "CONNECT ", "HTTP/1." };

        for (size_t i = 0; i < ARRAY_SIZE(lines); i++)
                for (size_t len = 0; len < strlen(lines[i]); len++) {
                        /* Of its own, so that a look behind the end is seen. */
                        _cleanup_(freep) char *bytes = malloc(len + 1);
                        size_t head, body;
                        struct err err;

                        ck_assert_ptr_nonnull(bytes);
                        memcpy(bytes, lines[i], len);
                        bytes = realloc(bytes, len ? len : 1);
                        ck_assert_int_eq(rpc_head(bytes, len, 9999, &head, &body, &err), RPC_MORE);
                }
}
END_TEST

/* ---- requests ---- */

/* Takes a frame apart. */
static const char *body_of(const struct buf *frame, size_t *ret_len)
{
        size_t head = 0;
        struct err err;

        unit_assert_ok(rpc_head(frame->text, frame->len, RPC_REPLY_MAX, &head, ret_len, &err),
                       &err);
        ck_assert_uint_eq(head + *ret_len, frame->len);
        ck_assert_uint_le(head, RPC_HEAD_MAX);
        return frame->text + head;
}

static void encode_request(const struct rpc_request *request, struct buf *frame)
{
        struct err err = { 0 };

        buf_init(frame, RPC_HEAD_MAX + RPC_REQUEST_MAX);
        unit_assert_ok(rpc_encode_request(request, frame, &err), &err);
}

START_TEST(requests_have_their_members)
{
        static char netns[] = "/run/netns/a", network[] = "net", none[] = "";
        const struct {
                struct rpc_request request;
                const char *want;
        } rows[] = {
                { { .op = RPC_CHECK, .key = key() }, "{\"op\":\"check\"," KEY "}" },
                { { .op = RPC_DEL, .key = key(), .netns = netns },
                  "{\"op\":\"del\"," KEY ",\"netns\":\"/run/netns/a\"}" },
                { { .op = RPC_DEL, .key = key(), .netns = none }, "{\"op\":\"del\"," KEY "}" },
                { { .op = RPC_STATUS, .key = key() }, "{\"op\":\"status\"}" },
                { { .op = RPC_LIST }, "{\"op\":\"list\"}" },
                { { .op = RPC_LIST, .key.network = network },
                  "{\"op\":\"list\",\"network\":\"net\"}" },
                { { .op = RPC_INFO }, "{\"op\":\"info\"}" },
        };

        for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
                _cleanup_(buf_done) struct buf frame;
                char want[256];

                encode_request(&rows[i].request, &frame);
                (void)snprintf(want, sizeof(want), "cni-ipam 1 %zu\n%s", strlen(rows[i].want),
                               rows[i].want);
                ck_assert_str_eq(frame.text, want);
        }
}
END_TEST

START_TEST(a_request_comes_back_as_it_went)
{
        static char netns[] = "/run/netns/a";
        _cleanup_(buf_done) struct buf frame, again;
        struct rpc_request request = {
                .op = RPC_ADD, .key = key(), .netns = netns, .timeout_ms = 225000
        };
        struct rpc_request back = { 0 };
        struct err err = { 0 };
        const char *body;
        size_t len = 0;

        request.profile.client_id_len = 3;
        memcpy(request.profile.client_id, "\0ab", 3);
        request.profile.parameter_count = 2;
        memcpy(request.profile.parameters, "\3\1", 2);
        request.profile.loss = LOSS_KEEP;
        request.profile.priority = -7;
        unit_assert_ok(profile_provide(&request.profile, 12, "box", 3, &err), &err);
        encode_request(&request, &frame);
        body = body_of(&frame, &len);
        unit_assert_ok(rpc_decode_request(body, len, &back, &err), &err);
        ck_assert_int_eq(back.op, RPC_ADD);
        ck_assert(key_equal(&back.key, &request.key));
        ck_assert_str_eq(back.netns, netns);
        ck_assert_int_eq(back.timeout_ms, 225000);
        ck_assert_uint_eq(back.profile.client_id_len, 3);
        ck_assert_mem_eq(back.profile.client_id, "\0ab", 3);
        ck_assert_int_eq(back.profile.loss, LOSS_KEEP);
        ck_assert_int_eq(back.profile.priority, -7);
        ck_assert_uint_eq(back.profile.provided_count, 1);
        encode_request(&back, &again);
        ck_assert_str_eq(again.text, frame.text);
        rpc_request_done(&back);
        profile_done(&request.profile);
}
END_TEST

START_TEST(what_a_request_lacks_becomes_an_empty_text)
{
        struct rpc_request request = { 0 };
        struct err err = { 0 };

        unit_assert_ok(rpc_decode_request("{\"op\":\"list\"}", 13, &request, &err), &err);
        ck_assert_int_eq(request.op, RPC_LIST);
        ck_assert_str_eq(request.key.container_id, "");
        ck_assert_str_eq(request.key.network, "");
        ck_assert_str_eq(request.key.ifname, "");
        ck_assert_str_eq(request.netns, "");
        ck_assert_int_eq(request.timeout_ms, 0);
        rpc_request_done(&request);
}
END_TEST

static const struct {
        const char *text, *want;
} bad_requests[] = {
        { "", "unexpected end of JSON input" },
        { "[]", "the configuration: must be an object, not a list" },
        { "{}", "op is missing or no good" },
        { "{\"op\":null}", "op: must be a string, not null" },
        { "{\"op\":7}", "op: must be a string, not a number" },
        { "{\"op\":\"ADD\"," KEY "," PROFILE "}", "unknown operation 'ADD'" },
        { "{\"op\":\"add\"," KEY "}", "profile is missing or no good" },
        { "{\"op\":\"add\"," KEY ",\"profile\":null}", "profile is missing or no good" },
        { "{\"op\":\"add\"," KEY ",\"profile\":7}", "profile: must be an object, not a number" },
        { "{\"op\":\"del\"}", "containerID is missing or no good" },
        { "{\"op\":\"del\",\"containerID\":\"../c\",\"network\":\"n\",\"ifname\":\"eth0\"}",
          "containerID is missing or no good" },
        { "{\"op\":\"del\",\"containerID\":\"c\",\"ifname\":\"eth0\"}",
          "network is missing or no good" },
        { "{\"op\":\"del\",\"containerID\":\"c\",\"network\":\"a/b\",\"ifname\":\"eth0\"}",
          "network is missing or no good" },
        { "{\"op\":\"del\",\"containerID\":\"c\",\"network\":\"n\"}", "interface name is empty" },
        { "{\"op\":\"del\",\"containerID\":\"c\",\"network\":\"n\",\"ifname\":\"a/b\"}",
          "interface name contains / or : or whitespace characters" },
        { "{\"op\":\"check\",\"containerID\":7,\"network\":\"n\",\"ifname\":\"eth0\"}",
          "containerID: must be a string, not a number" },
        { "{\"op\":\"list\",\"network\":\"..\"}", "network is missing or no good" },
        { "{\"op\":\"del\"," KEY ",\"netns\":\"run/netns/a\"}", "netns is missing or no good" },
        { "{\"op\":\"del\"," KEY ",\"timeout_ms\":-1}", "timeout_ms is missing or no good" },
        { "{\"op\":\"del\"," KEY ",\"timeout_ms\":86400001}", "timeout_ms is missing or no good" },
        { "{\"op\":\"del\"," KEY ",\"timeout_ms\":1.5}",
          "timeout_ms: must be an integer, not 1.5" },
        { "{\"op\":\"status\"} x", "invalid character 'x' after top-level value" },
};

START_TEST(a_request_that_is_none_is_refused)
{
        struct rpc_request request = { .timeout_ms = 4711 };
        struct err err = { 0 };
        char want[512];
        int r = rpc_decode_request(bad_requests[_i].text, strlen(bad_requests[_i].text), &request,
                                   &err);

        (void)snprintf(want, sizeof(want), "request frame: %s", bad_requests[_i].want);
        unit_assert_err(r, &err, CNI_ERR_DECODE, want);
        ck_assert_int_eq(request.timeout_ms, 4711);
        ck_assert_ptr_null(request.netns);
}
END_TEST

START_TEST(what_would_be_refused_is_not_sent)
{
        static char relative[] = "run/netns/a", strange[] = "a/b";
        struct rpc_request requests[] = {
                { .op = RPC_DEL },
                { .op = RPC_DEL, .key = key(), .netns = relative },
                { .op = RPC_ADD, .key = key(), .timeout_ms = -1 },
                { .op = RPC_LIST, .key.network = strange },
        };

        for (size_t i = 0; i < ARRAY_SIZE(requests); i++) {
                _cleanup_(buf_done) struct buf frame;
                struct err err = { 0 };

                buf_init(&frame, RPC_REQUEST_MAX);
                ck_assert_int_eq(rpc_encode_request(&requests[i], &frame, &err), -EINVAL);
                ck_assert_int_eq(err.code, CNI_ERR_INTERNAL);
                ck_assert_uint_eq(frame.len, 0);
        }
}
END_TEST

/* ---- replies ---- */

static void encode_reply(const struct rpc_reply *reply, struct buf *frame)
{
        struct err err = { 0 };

        buf_init(frame, RPC_HEAD_MAX + RPC_REPLY_MAX);
        unit_assert_ok(rpc_encode_reply(reply, frame, &err), &err);
}

START_TEST(an_empty_reply_is_an_empty_object)
{
        const struct rpc_reply reply = { 0 };
        struct rpc_reply back = { .code = 4711 };
        _cleanup_(buf_done) struct buf frame;
        struct err err = { 0 };

        encode_reply(&reply, &frame);
        ck_assert_str_eq(frame.text, "cni-ipam 1 2\n{}");
        unit_assert_ok(rpc_decode_reply("{}", 2, &back, &err), &err);
        ck_assert_int_eq(back.code, 0);
        ck_assert_ptr_null(back.msg);
        ck_assert_ptr_null(back.document);
        ck_assert(!grant_is(&back.grant));
}
END_TEST

START_TEST(an_error_comes_back_as_it_went)
{
        static char msg[] = "no more tries", details[] = "no \"reply\"\nto 5";
        const struct rpc_reply reply = { .code = 999, .msg = msg, .details = details };
        struct rpc_reply back = { 0 };
        _cleanup_(buf_done) struct buf frame;
        struct err err = { 0 };
        const char *body;
        size_t len = 0;

        encode_reply(&reply, &frame);
        body = body_of(&frame, &len);
        ck_assert_str_eq(body, "{\"code\":999,\"msg\":\"no more tries\","
                               "\"details\":\"no \\\"reply\\\"\\nto 5\"}");
        unit_assert_ok(rpc_decode_reply(body, len, &back, &err), &err);
        ck_assert_int_eq(back.code, 999);
        ck_assert_str_eq(back.msg, msg);
        ck_assert_str_eq(back.details, details);
        rpc_reply_done(&back);
}
END_TEST

START_TEST(a_grant_comes_back_as_it_went)
{
        const struct rpc_reply reply = {
                .grant = { .address = net("10.66.1.10/16"),
                           .server = ip("10.66.0.1"),
                           .router = ip("10.66.0.2"),
                           .from_ms = 4711,
                           .lease_s = 120,
                           .t1_s = 60,
                           .t2_s = 105 },
        };
        struct rpc_reply back = { 0 };
        _cleanup_(buf_done) struct buf frame;
        struct err err = { 0 };
        const char *body;
        size_t len = 0;

        encode_reply(&reply, &frame);
        body = body_of(&frame, &len);
        unit_assert_ok(rpc_decode_reply(body, len, &back, &err), &err);
        ck_assert(ip_equal(&back.grant.address.ip, &reply.grant.address.ip));
        ck_assert_uint_eq(back.grant.address.prefix, 16);
        ck_assert(ip_equal(&back.grant.router, &reply.grant.router));
        ck_assert_int_eq(back.grant.from_ms, 4711);
        ck_assert_uint_eq(back.grant.lease_s, 120);
        rpc_reply_done(&back);
}
END_TEST

START_TEST(a_document_comes_back_to_the_byte)
{
        static char document[] = "{\n    \"version\": 1,\n    \"a\": \"\\u003c<\xc3\xa4\"\n}\n";
        const struct rpc_reply reply = { .document = document };
        struct rpc_reply back = { 0 };
        _cleanup_(buf_done) struct buf frame;
        struct err err = { 0 };
        const char *body;
        size_t len = 0;

        encode_reply(&reply, &frame);
        body = body_of(&frame, &len);
        unit_assert_ok(rpc_decode_reply(body, len, &back, &err), &err);
        ck_assert_str_eq(back.document, document);
        rpc_reply_done(&back);
}
END_TEST

static const struct {
        const char *text, *want;
} bad_replies[] = {
        { "", "unexpected end of JSON input" },
        { "{\"code\":0,\"msg\":\"x\"}", "must be a positive number" },
        { "{\"code\":2147483648,\"msg\":\"x\"}", "must be a positive number" },
        { "{\"code\":\"7\",\"msg\":\"x\"}", "code: must be an integer, not a string" },
        { "{\"code\":7}", "msg is missing or no good" },
        { "{\"code\":7,\"msg\":\"\"}", "msg is missing or no good" },
        { "{\"msg\":\"x\"}", "msg is missing or no good" },
        { "{\"document\":{}}", "document: must be a string, not an object" },
        { "{\"grant\":7}", "grant: must be an object, not a number" },
};

START_TEST(a_reply_that_is_none_is_refused)
{
        struct rpc_reply reply = { .code = 4711 };
        struct err err = { 0 };
        char want[512];
        int r = rpc_decode_reply(bad_replies[_i].text, strlen(bad_replies[_i].text), &reply, &err);

        (void)snprintf(want, sizeof(want), "reply frame: %s", bad_replies[_i].want);
        unit_assert_err(r, &err, CNI_ERR_DECODE, want);
        ck_assert_int_eq(reply.code, 4711);
}
END_TEST

START_TEST(an_error_without_words_is_not_sent)
{
        static char msg[] = "x";
        const struct rpc_reply replies[] = { { .code = 7 },
                                             { .msg = msg },
                                             { .code = -1, .msg = msg } };

        for (size_t i = 0; i < ARRAY_SIZE(replies); i++) {
                _cleanup_(buf_done) struct buf frame;
                struct err err = { 0 };

                buf_init(&frame, RPC_REQUEST_MAX);
                ck_assert_int_eq(rpc_encode_reply(&replies[i], &frame, &err), -EINVAL);
                ck_assert_int_eq(err.code, CNI_ERR_INTERNAL);
        }
}
END_TEST

START_TEST(a_frame_that_finds_no_room_is_not_sent)
{
        const struct rpc_request request = { .op = RPC_STATUS };
        const struct rpc_reply reply = { 0 };
        _cleanup_(buf_done) struct buf frame;
        struct err err = { 0 };

        buf_init(&frame, 14);
        unit_assert_err(rpc_encode_reply(&reply, &frame, &err), &err, CNI_ERR_INTERNAL,
                        "text longer than 14 bytes");
        buf_done(&frame);
        unit_assert_err(rpc_encode_request(&request, &frame, &err), &err, CNI_ERR_INTERNAL,
                        "text longer than 14 bytes");
}
END_TEST

static void add(TCase *tests)
{
        unit_add_table(tests, a_first_line_is_what_it_is, head_rows);
        tcase_add_test(tests, every_beginning_of_a_first_line_needs_more);
        tcase_add_test(tests, requests_have_their_members);
        tcase_add_test(tests, a_request_comes_back_as_it_went);
        tcase_add_test(tests, what_a_request_lacks_becomes_an_empty_text);
        unit_add_table(tests, a_request_that_is_none_is_refused, bad_requests);
        tcase_add_test(tests, what_would_be_refused_is_not_sent);
        tcase_add_test(tests, an_empty_reply_is_an_empty_object);
        tcase_add_test(tests, an_error_comes_back_as_it_went);
        tcase_add_test(tests, a_grant_comes_back_as_it_went);
        tcase_add_test(tests, a_document_comes_back_to_the_byte);
        unit_add_table(tests, a_reply_that_is_none_is_refused, bad_replies);
        tcase_add_test(tests, an_error_without_words_is_not_sent);
        tcase_add_test(tests, a_frame_that_finds_no_room_is_not_sent);
}

UNIT_MAIN("rpc", add)
