/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The client, with a server that answers right, wrong, late or not at all. Without TLS, which has
 * its own tests.
 */
#include "http/http.h"

#include "core/clock.h"
#include "server.h"

#define CEILING   4096U
#define PATIENCE  10000 /* milliseconds; the end of tests that hang */
#define HEAD(len) "HTTP/1.1 200 OK\r\nContent-Length: " #len "\r\n\r\n"

static struct server server;
static struct http *http;
static char url[128];

/* A client for a server that is there. */
static void connect_to(struct http_server to)
{
        struct err err;

        if (!to.url)
                to.url = url;
        unit_assert_ok(http_new(&to, &http, &err), &err);
}

static void start(const struct server_page *pages, size_t count)
{
        server = (struct server){ .pages = pages, .page_count = count };
        server_start(&server);
        (void)snprintf(url, sizeof(url), "http://127.0.0.1:%u", server.port);
}

static void stop(void)
{
        http_free(http);
        http = NULL;
        server_stop(&server);
}

static void run_until(struct http_request *requests, size_t count, int64_t ms, int64_t connect_ms)
{
        int64_t now_ms = clock_boot_ms();
        struct err err;

        unit_assert_ok(http_run(http, requests, count, now_ms + ms, now_ms + connect_ms, &err),
                       &err);
}

static void run(struct http_request *request, const char *method, const char *path)
{
        *request = (struct http_request){ .method = method, .path = path };
        buf_init(&request->answer, CEILING);
        run_until(request, 1, PATIENCE, PATIENCE);
}

/* ---- answers ---- */

/* What comes over the wire, and what is made of it. */
struct answer_row {
        const char *bytes;
        size_t len;
        enum server_after after;
        int status;
        const char *text; /* of the answer, or of the error without the server's name */
        int64_t retry_after_ms;
};

/* gzip of "hello", and of 100,000 times the letter a. */
#define GZIP_HEAD(len) \
        "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: " #len "\r\n\r\n"
#define GZIP_HELLO                                                                 \
        "\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\x03\xcb\x48\xcd\xc9\xc9\x07\x00\x86" \
        "\xa6\x10\x36\x05\x00\x00\x00"
#define GZIP_BOMB                                                                  \
        "\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\x03\xed\xc1\x31\x01\x00\x00\x00\xc2" \
        "\xa0\xac\xeb\x5f\xc2\x1a\x1e\x40\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00" \
        "\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00" \
        "\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00" \
        "\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00" \
        "\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00" \
        "\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\xaf\x06\x87" \
        "\xfa\xe2\x1b\xa0\x86\x01\x00"
#define BYTES(text) text, sizeof(text) - 1

static const struct answer_row answers[] = {
        { BYTES(HEAD(5) "hello"), SERVER_KEEP, 200, "hello", -1 },
        { BYTES(HEAD(5) "hello"), SERVER_CLOSE, 200, "hello", -1 },
        { BYTES(HEAD(0)), SERVER_KEEP, 200, "", -1 },
        { BYTES("HTTP/1.1 204 No Content\r\n\r\n"), SERVER_KEEP, 204, "", -1 },
        { BYTES("HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\n{}"), SERVER_KEEP, 404, "{}",
          -1 },
        { BYTES("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n"
                "\r\n"),
          SERVER_KEEP, 200, "abcde", -1 },
        { BYTES("HTTP/1.1 200 OK\r\n\r\nto the end"), SERVER_CLOSE, 200, "to the end", -1 },
        { BYTES("HTTP/1.1 100 Continue\r\nRetry-After: 5\r\n\r\nHTTP/1.1 201 Created\r\n"
                "Content-Length: 1\r\n\r\nx"),
          SERVER_KEEP, 201, "x", -1 },
        /* not followed */
        { BYTES("HTTP/1.1 302 Found\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n"),
          SERVER_KEEP, 302, "", -1 },
        /* when to come again */
        { BYTES("HTTP/1.1 429 Slow\r\nRetry-After: 7\r\nContent-Length: 0\r\n\r\n"), SERVER_KEEP,
          429, "", 7000 },
        { BYTES("HTTP/1.1 503 Away\r\nRETRY-AFTER:0 \r\nContent-Length: 0\r\n\r\n"), SERVER_KEEP,
          503, "", 0 },
        { BYTES("HTTP/1.1 503 Away\r\nRetry-After: Wed, 21 Oct 2026 07:28:00 GMT\r\n"
                "Content-Length: 0\r\n\r\n"),
          SERVER_KEEP, 503, "", -1 },
        { BYTES("HTTP/1.1 503 Away\r\nRetry-After: -1\r\nContent-Length: 0\r\n\r\n"), SERVER_KEEP,
          503, "", -1 },
        { BYTES("HTTP/1.1 503 Away\r\nRetry-After: \r\nContent-Length: 0\r\n\r\n"), SERVER_KEEP,
          503, "", -1 },
        { BYTES("HTTP/1.1 503 Away\r\nRetry-After: 99999999999999999999\r\n"
                "Content-Length: 0\r\n\r\n"),
          SERVER_KEEP, 503, "", 86400000 },
        /* compressed */
        { BYTES(GZIP_HEAD(25) GZIP_HELLO), SERVER_KEEP, 200, "hello", -1 },
        { BYTES(GZIP_HEAD(133) GZIP_BOMB), SERVER_KEEP, 0, "answer from @: longer than 4096 bytes",
          -1 },
        { BYTES(GZIP_HEAD(5) "hello"), SERVER_KEEP, 0, "no whole answer from @: *", -1 },
        /* no answers */
        { NULL, 0, SERVER_CLOSE, 0, "@ closed the connection without an answer", -1 },
        { BYTES("HTTP/1.1 200 OK\r\nContent-Le"), SERVER_CLOSE, 0, "no whole answer from @: *",
          -1 },
        { BYTES(HEAD(10) "hello"), SERVER_CLOSE, 0, "no whole answer from @: *", -1 },
        { BYTES("HTTP/1.1 429 Slow\r\nRetry-After: 7\r\nContent-Length: 9\r\n\r\n"), SERVER_CLOSE,
          0, "no whole answer from @: *", -1 },
        { BYTES("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n"), SERVER_CLOSE,
          0, "no whole answer from @: *", -1 },
        { BYTES("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"), SERVER_KEEP, 0,
          "no whole answer from @: *", -1 },
        { BYTES("SSH-2.0-OpenSSH_9.2\r\n"), SERVER_CLOSE, 0, "no whole answer from @: *", -1 },
        { BYTES(HEAD(5000)), SERVER_HOLD, 0, "no answer from @ in time", -1 },
};

/* Whether `text` is `pattern` with the server's name for '@' and anything for a '*' at its end. */
static bool matches(const char *text, const char *pattern)
{
        const char *at = strchr(pattern, '@');
        size_t len = at ? (size_t)(at - pattern) : 0, name = strlen(url) - 7;

        if (!at)
                return strcmp(text, pattern) == 0;
        if (strncmp(text, pattern, len) != 0 || strncmp(text + len, url + 7, name) != 0)
                return false;
        text += len + name;
        pattern = at + 1;
        len = strlen(pattern);
        if (len > 0 && pattern[len - 1] == '*')
                return strncmp(text, pattern, len - 1) == 0 && strlen(text) > len - 1;
        return strcmp(text, pattern) == 0;
}

static void check_answer(struct http_request *request, const struct answer_row *row)
{
        ck_assert_int_eq(request->status, row->status);
        ck_assert(request->sent && !request->refused);
        ck_assert_int_eq(request->retry_after_ms, row->retry_after_ms);
        if (row->status > 0) {
                ck_assert_str_eq(buf_text(&request->answer), row->text);
        } else {
                ck_assert_msg(matches(request->err.msg, row->text), "%s", request->err.msg);
                ck_assert_int_eq(request->err.code, CNI_ERR_INTERNAL);
                ck_assert_uint_eq(request->answer.len, 0);
        }
        buf_done(&request->answer);
}

START_TEST(an_answer_is_whole_or_missing)
{
        const struct answer_row *row = &answers[_i];
        struct server_page page = { NULL, row->bytes, row->len, row->after };
        struct http_request request = {
                .method = "PATCH", .path = "/", .body = "x", .body_len = 1
        };

        start(&page, 1);
        connect_to((struct http_server){ 0 });
        buf_init(&request.answer, CEILING);
        run_until(&request, 1, row->after == SERVER_HOLD ? 100 : PATIENCE, PATIENCE);
        check_answer(&request, row);
        ck_assert_uint_eq(server.requests, 1);
        stop();
}
END_TEST

START_TEST(a_long_answer_is_cut_at_the_ceiling)
{
        static char bytes[200 + CEILING];
        int head = snprintf(bytes, sizeof(bytes), HEAD(4096));
        struct server_page page = { NULL, bytes, (size_t)head + CEILING, SERVER_KEEP };
        struct http_request request;

        memset(bytes + head, 'a', CEILING);
        start(&page, 1);
        connect_to((struct http_server){ 0 });
        run(&request, "GET", "/");
        ck_assert_int_eq(request.status, 200);
        ck_assert_uint_eq(request.answer.len, CEILING);
        buf_done(&request.answer);
        buf_init(&request.answer, CEILING - 1);
        run_until(&request, 1, PATIENCE, PATIENCE);
        ck_assert_int_eq(request.status, 0);
        ck_assert_msg(matches(request.err.msg, "answer from @: longer than 4095 bytes"), "%s",
                      request.err.msg);
        stop();
}
END_TEST

START_TEST(a_long_header_is_refused)
{
        static char bytes[100000];
        struct server_page page = { NULL, bytes, 0, SERVER_KEEP };
        struct http_request request;
        size_t len = (size_t)snprintf(bytes, sizeof(bytes), "HTTP/1.1 200 OK\r\n");

        while (len < 70000)
                len += (size_t)snprintf(bytes + len, sizeof(bytes) - len, "X-Filler: %0100d\r\n",
                                        0);
        (void)snprintf(bytes + len, sizeof(bytes) - len, "Content-Length: 0\r\n\r\n");
        start(&page, 1);
        connect_to((struct http_server){ 0 });
        run(&request, "GET", "/");
        ck_assert_int_eq(request.status, 0);
        ck_assert_msg(matches(request.err.msg, "answer from @: header longer than 65536 bytes"),
                      "%s", request.err.msg);
        stop();
}
END_TEST

/* ---- what is sent ---- */

static const struct server_page echo = { NULL, NULL, 0, SERVER_ECHO };

/* A request, and texts that the server must or must not have got. */
struct sent_row {
        struct http_request request;
        struct http_server server;
        const char *with[6], *without[6];
};

static const struct sent_row sent[] = {
        { { .method = "GET", .path = "/a?b=c%20d", .accept = "text/plain" },
          { .user_agent = "tester/1" },
          { "GET /a?b=c%20d HTTP/1.1\r\n", "\r\nAccept: text/plain\r\n",
            "\r\nUser-Agent: tester/1\r\n",
            "\r\nHost: 127.0.0.1:", "\r\nAccept-Encoding: gzip\r\n" },
          { "Content-", "Expect" } },
        { { .method = "GET", .path = "/a/../b//c" },
          { .no_compression = true },
          { "GET /a/../b//c HTTP/1.1\r\n" },
          { "Accept-Encoding", "User-Agent" } },
        { { .method = "POST",
            .path = "/",
            .content_type = "application/json",
            .body = "{\"a\": 1}",
            .body_len = 8 },
          { .no_compression = false },
          { "POST / HTTP/1.1\r\n", "\r\nContent-Type: application/json\r\n",
            "\r\nContent-Length: 8\r\n", "\r\n\r\n{\"a\": 1}" },
          { "Expect", "urlencoded" } },
        { { .method = "POST", .path = "/", .body = "", .body_len = 0 },
          { .no_compression = false },
          { "POST / HTTP/1.1\r\n", "\r\nContent-Length: 0\r\n" },
          { "Content-Type", "Transfer-Encoding" } },
        { { .method = "PUT", .path = "/", .body = "abc", .body_len = 2 },
          { .no_compression = false },
          { "PUT / HTTP/1.1\r\n", "\r\n\r\nab" },
          { "abc", "Content-Type" } },
        { { .method = "PATCH",
            .path = "/",
            .content_type = "application/json-patch+json",
            .body = "[]",
            .body_len = 2 },
          { .no_compression = false },
          { "PATCH / HTTP/1.1\r\n", "\r\nContent-Type: application/json-patch+json\r\n" },
          { "Expect" } },
        { { .method = "DELETE", .path = "/", .body = "{}", .body_len = 2 },
          { .no_compression = false },
          { "DELETE / HTTP/1.1\r\n", "\r\nContent-Length: 2\r\n", "\r\n\r\n{}" },
          { "Expect" } },
        { { .method = "DELETE", .path = "/" },
          { .no_compression = false },
          { "DELETE / HTTP/1.1\r\n" },
          { "Content-" } },
        /* without TLS no credentials are sent, and the name to verify has no meaning */
        { { .method = "GET", .path = "/" },
          { .token = "secret", .server_name = "other.test" },
          { "\r\nHost: 127.0.0.1:" },
          { "Authorization", "secret", "other" } },
};

START_TEST(a_request_is_sent_as_it_is)
{
        const struct sent_row *row = &sent[_i];
        struct http_request request = row->request;

        start(&echo, 1);
        connect_to(row->server);
        buf_init(&request.answer, CEILING);
        run_until(&request, 1, PATIENCE, PATIENCE);
        ck_assert_int_eq(request.status, 200);
        for (size_t i = 0; row->with[i]; i++)
                ck_assert_msg(strstr(buf_text(&request.answer), row->with[i]), "no '%s' in:\n%s",
                              row->with[i], buf_text(&request.answer));
        for (size_t i = 0; row->without[i]; i++)
                ck_assert_msg(!strcasestr(buf_text(&request.answer), row->without[i]),
                              "'%s' in:\n%s", row->without[i], buf_text(&request.answer));
        buf_done(&request.answer);
        stop();
}
END_TEST

/* A body that would make curl ask for leave first, and that arrives in pieces. */
START_TEST(a_large_body_is_sent_at_once)
{
        static char body[60000];
        struct http_request request = {
                .method = "PUT", .path = "/", .body = body, .body_len = sizeof(body)
        };

        memset(body, 'b', sizeof(body));
        start(&echo, 1);
        connect_to((struct http_server){ 0 });
        buf_init(&request.answer, SERVER_REQUEST_MAX);
        run_until(&request, 1, PATIENCE, PATIENCE);
        ck_assert_int_eq(request.status, 200);
        ck_assert_uint_gt(request.answer.len, sizeof(body));
        ck_assert_ptr_null(strstr(buf_text(&request.answer), "Expect"));
        buf_done(&request.answer);
        stop();
}
END_TEST

/* A handle that sent a body sends none the next time. */
START_TEST(requests_on_one_handle_do_not_mix)
{
        struct http_request request = { .method = "POST",
                                        .path = "/1",
                                        .accept = "a/b",
                                        .body = "body",
                                        .body_len = 4,
                                        .content_type = "c/d" };

        start(&echo, 1);
        connect_to((struct http_server){ 0 });
        buf_init(&request.answer, CEILING);
        run_until(&request, 1, PATIENCE, PATIENCE);
        buf_done(&request.answer);
        run(&request, "GET", "/2");
        ck_assert_ptr_nonnull(strstr(buf_text(&request.answer), "GET /2 "));
        ck_assert_ptr_null(strstr(buf_text(&request.answer), "body"));
        ck_assert_ptr_null(strstr(buf_text(&request.answer), "Content-"));
        ck_assert_ptr_null(strstr(buf_text(&request.answer), "a/b"));
        buf_done(&request.answer);
        ck_assert_uint_eq(server.connections, 1);
        stop();
}
END_TEST

/* A prefix in the server's URL comes first; so does IPv6. */
START_TEST(the_path_follows_the_servers_url)
{
        struct http_request request;
        char prefixed[160];

        server = (struct server){ .pages = &echo, .page_count = 1 };
        server_start_at(&server, AF_INET6);
        (void)snprintf(prefixed, sizeof(prefixed), "http://[::1]:%u/k8s/clusters/c", server.port);
        connect_to((struct http_server){ .url = prefixed });
        run(&request, "GET", "/api");
        ck_assert_int_eq(request.status, 200);
        ck_assert_ptr_nonnull(strstr(buf_text(&request.answer), "GET /k8s/clusters/c/api HTTP"));
        ck_assert_ptr_nonnull(strstr(buf_text(&request.answer), "Host: [::1]:"));
        buf_done(&request.answer);
        stop();
}
END_TEST

/* ---- connections ---- */

START_TEST(a_refused_connection_was_sent_nothing)
{
        struct http_request request;
        char text[128];

        start(&echo, 1);
        connect_to((struct http_server){ 0 });
        server_stop(&server);
        run(&request, "POST", "/");
        (void)snprintf(text, sizeof(text), "connect to 127.0.0.1:%u: connection refused",
                       server.port);
        ck_assert_int_eq(strcasecmp(request.err.msg, text), 0);
        ck_assert_int_eq(request.status, 0);
        ck_assert(!request.sent && request.refused);
        http_free(http);
        http = NULL;
}
END_TEST

START_TEST(a_name_that_does_not_resolve_was_sent_nothing)
{
        struct http_request request;

        connect_to((struct http_server){ .url = "http://no-such-host.invalid:80" });
        run(&request, "POST", "/");
        ck_assert_int_eq(request.status, 0);
        ck_assert(!request.sent && request.refused);
        ck_assert_ptr_eq(strstr(request.err.msg, "connect to no-such-host.invalid:80: "),
                         request.err.msg);
        http_free(http);
        http = NULL;
}
END_TEST

/* The server takes the connection and never says a word of TLS. */
START_TEST(a_handshake_that_hangs_is_given_up_by_connect_ms)
{
        const struct server_page page = { NULL, NULL, 0, SERVER_HOLD };
        struct http_request requests[3] = { 0 };
        int64_t start_ms;

        start(&page, 1);
        (void)snprintf(url, sizeof(url), "https://127.0.0.1:%u", server.port);
        connect_to((struct http_server){ .insecure = true });
        for (size_t i = 0; i < ARRAY_SIZE(requests); i++) {
                requests[i] = (struct http_request){ .method = "GET", .path = "/" };
                buf_init(&requests[i].answer, CEILING);
        }
        start_ms = clock_boot_ms();
        run_until(requests, ARRAY_SIZE(requests), PATIENCE * 10, 100);
        ck_assert_int_ge(clock_boot_ms() - start_ms, 100);
        ck_assert_int_lt(clock_boot_ms() - start_ms, PATIENCE);
        for (size_t i = 0; i < ARRAY_SIZE(requests); i++) {
                ck_assert(!requests[i].sent && requests[i].refused && requests[i].status == 0);
                ck_assert_ptr_nonnull(strstr(requests[i].err.msg, ": timed out"));
        }
        /* A burst waits for one connection. */
        ck_assert_uint_eq(server.connections, 1);
        stop();
}
END_TEST

START_TEST(no_answer_in_time_may_have_been_done)
{
        const struct server_page page = { NULL, NULL, 0, SERVER_HOLD };
        struct http_request request = { .method = "POST", .path = "/", .body = "", .body_len = 0 };
        int64_t start_ms;

        start(&page, 1);
        connect_to((struct http_server){ 0 });
        buf_init(&request.answer, CEILING);
        start_ms = clock_boot_ms();
        run_until(&request, 1, 100, 50);
        ck_assert_int_ge(clock_boot_ms() - start_ms, 100);
        ck_assert_int_lt(clock_boot_ms() - start_ms, PATIENCE);
        ck_assert(request.sent && !request.refused && request.status == 0);
        ck_assert_msg(matches(request.err.msg, "no answer from @ in time"), "%s", request.err.msg);
        stop();
}
END_TEST

START_TEST(after_the_deadline_nothing_is_sent)
{
        struct http_request requests[2];

        start(&echo, 1);
        connect_to((struct http_server){ 0 });
        run(&requests[0], "GET", "/"); /* there is a connection */
        buf_done(&requests[0].answer);
        for (size_t i = 0; i < ARRAY_SIZE(requests); i++) {
                requests[i] = (struct http_request){ .method = "GET", .path = "/" };
                buf_init(&requests[i].answer, CEILING);
        }
        run_until(requests, ARRAY_SIZE(requests), 0, 0);
        for (size_t i = 0; i < ARRAY_SIZE(requests); i++) {
                ck_assert(!requests[i].sent && !requests[i].refused && requests[i].status == 0);
                ck_assert_msg(matches(requests[i].err.msg, "no time was left for a request to @"),
                              "%s", requests[i].err.msg);
        }
        ck_assert_uint_eq(server.requests, 1);
        stop();
}
END_TEST

/* connect_ms is for those without a connection. */
START_TEST(a_kept_connection_serves_after_connect_ms)
{
        struct http_request request;

        start(&echo, 1);
        connect_to((struct http_server){ 0 });
        run(&request, "GET", "/");
        buf_done(&request.answer);
        run_until(&request, 1, PATIENCE, 0);
        ck_assert_int_eq(request.status, 200);
        ck_assert_uint_eq(server.connections, 1);
        buf_done(&request.answer);
        stop();
}
END_TEST

START_TEST(many_run_side_by_side)
{
        static struct http_request requests[100];
        const struct server_page page = { NULL, HEAD(2) "ok", 0, SERVER_TOGETHER };

        start(&page, 1);
        server.together = HTTP_IN_FLIGHT_MAX;
        connect_to((struct http_server){ 0 });
        for (size_t i = 0; i < ARRAY_SIZE(requests); i++) {
                requests[i] = (struct http_request){ .method = "GET", .path = "/" };
                buf_init(&requests[i].answer, CEILING);
        }
        run_until(requests, ARRAY_SIZE(requests), PATIENCE, PATIENCE);
        for (size_t i = 0; i < ARRAY_SIZE(requests); i++) {
                ck_assert_int_eq(requests[i].status, 200);
                ck_assert_str_eq(buf_text(&requests[i].answer), "ok");
                buf_done(&requests[i].answer);
        }
        ck_assert_uint_eq(server.requests, ARRAY_SIZE(requests));
        ck_assert_uint_eq(server.connections, HTTP_IN_FLIGHT_MAX);
        stop();
}
END_TEST

START_TEST(of_many_each_has_its_own_end)
{
        static const struct server_page pages[] = {
                { "/good", HEAD(4) "good", 0, SERVER_KEEP },
                { "/cut", HEAD(4) "c", 0, SERVER_CLOSE },
                { "/none", NULL, 0, SERVER_CLOSE },
                { "/hold", NULL, 0, SERVER_HOLD },
                { "/missing", "HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n", 0, SERVER_KEEP },
        };
        static struct http_request requests[25];

        start(pages, ARRAY_SIZE(pages));
        connect_to((struct http_server){ 0 });
        for (size_t i = 0; i < ARRAY_SIZE(requests); i++) {
                requests[i] = (struct http_request){ .method = "DELETE",
                                                     .path = pages[i % ARRAY_SIZE(pages)].path };
                buf_init(&requests[i].answer, CEILING);
        }
        run_until(requests, ARRAY_SIZE(requests), 2000, 2000);
        for (size_t i = 0; i < ARRAY_SIZE(requests); i++) {
                static const int statuses[] = { 200, 0, 0, 0, 404 };

                ck_assert_int_eq(requests[i].status, statuses[i % ARRAY_SIZE(pages)]);
                ck_assert(requests[i].sent && !requests[i].refused);
                buf_done(&requests[i].answer);
        }
        ck_assert_uint_eq(server.requests, ARRAY_SIZE(requests));
        stop();
}
END_TEST

/* curl would send it again over a new connection by itself. */
START_TEST(a_write_on_a_dying_connection_is_not_sent_twice)
{
        const struct server_page page = { NULL, HEAD(2) "ok", 0, SERVER_ONCE };
        struct http_request request = { .method = "POST", .path = "/", .body = "x", .body_len = 1 };

        start(&page, 1);
        connect_to((struct http_server){ 0 });
        buf_init(&request.answer, CEILING);
        run_until(&request, 1, PATIENCE, PATIENCE);
        ck_assert_int_eq(request.status, 200);
        buf_done(&request.answer);
        run_until(&request, 1, PATIENCE, PATIENCE);
        ck_assert_int_eq(request.status, 0);
        ck_assert(request.sent && !request.refused);
        ck_assert_msg(matches(request.err.msg, "@ closed the connection without an answer"), "%s",
                      request.err.msg);
        ck_assert_uint_eq(server.requests, 2);
        /* The next has a new connection. */
        run_until(&request, 1, PATIENCE, PATIENCE);
        ck_assert_int_eq(request.status, 200);
        buf_done(&request.answer);
        stop();
}
END_TEST

START_TEST(a_get_on_a_dying_connection_is_sent_again)
{
        const struct server_page page = { NULL, HEAD(2) "ok", 0, SERVER_ONCE };
        struct http_request request;

        start(&page, 1);
        connect_to((struct http_server){ 0 });
        run(&request, "GET", "/");
        buf_done(&request.answer);
        run(&request, "GET", "/");
        ck_assert_int_eq(request.status, 200);
        buf_done(&request.answer);
        ck_assert_uint_eq(server.requests, 3);
        ck_assert_uint_eq(server.connections, 2);
        stop();
}
END_TEST

/* ---- proxies ---- */

START_TEST(a_proxy_gets_the_whole_url)
{
        struct http_request request;
        char proxy[160];

        start(&echo, 1);
        (void)snprintf(proxy, sizeof(proxy), "http://user:pass@127.0.0.1:%u", server.port);
        connect_to((struct http_server){ .url = "http://192.0.2.1:8080/p", .proxy = proxy });
        run(&request, "GET", "/x");
        ck_assert_int_eq(request.status, 200);
        ck_assert_ptr_nonnull(
                strstr(buf_text(&request.answer), "GET http://192.0.2.1:8080/p/x HTTP/1.1\r\n"));
        ck_assert_ptr_nonnull(strstr(buf_text(&request.answer), "Proxy-Authorization: Basic "));
        buf_done(&request.answer);
        stop();
}
END_TEST

START_TEST(the_environments_proxy_is_used)
{
        struct http_request request;
        char proxy[160];

        start(&echo, 1);
        (void)snprintf(proxy, sizeof(proxy), "127.0.0.1:%u", server.port);
        ck_assert_int_eq(setenv("HTTP_PROXY", proxy, 1), 0);
        connect_to((struct http_server){ .url = "http://192.0.2.1" });
        run(&request, "GET", "/x");
        ck_assert_int_eq(request.status, 200);
        ck_assert_ptr_nonnull(
                strstr(buf_text(&request.answer), "GET http://192.0.2.1/x HTTP/1.1\r\n"));
        buf_done(&request.answer);
        ck_assert_int_eq(unsetenv("HTTP_PROXY"), 0);
        stop();
}
END_TEST

/* curl knows this variable, Go does not. */
START_TEST(all_proxy_is_not_looked_at)
{
        struct http_request request;

        start(&echo, 1);
        ck_assert_int_eq(setenv("ALL_PROXY", "http://127.0.0.1:1", 1), 0);
        ck_assert_int_eq(setenv("http_proxy", "http://127.0.0.1:1", 1), 0); /* we are loopback */
        connect_to((struct http_server){ 0 });
        run(&request, "GET", "/x");
        ck_assert_int_eq(request.status, 200);
        buf_done(&request.answer);
        ck_assert_int_eq(unsetenv("ALL_PROXY"), 0);
        ck_assert_int_eq(unsetenv("http_proxy"), 0);
        stop();
}
END_TEST

/* No tunnel, no request; the credentials stay here, and the proxy's no is not waited for. */
START_TEST(a_proxy_that_refuses_the_tunnel)
{
        static const struct {
                const char *answer;
                bool refused;
        } rows[] = {
                { "HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n", false },
                { "HTTP/1.1 503 Away\r\nContent-Length: 0\r\n\r\n", true },
        };
        struct server_page page = { NULL, rows[_i].answer, 0, SERVER_KEEP };
        struct http_request request;
        char proxy[160];

        start(&page, 1);
        (void)snprintf(proxy, sizeof(proxy), "http://u:hidden@127.0.0.1:%u", server.port);
        connect_to((struct http_server){ .url = "https://192.0.2.1:6443",
                                         .proxy = proxy,
                                         .insecure = true,
                                         .token = "secret" });
        run(&request, "GET", "/x");
        ck_assert_int_eq(request.status, 0);
        ck_assert(!request.sent);
        ck_assert_int_eq(request.refused, rows[_i].refused);
        ck_assert_ptr_eq(strstr(request.err.msg, "connect to 192.0.2.1:6443 through a proxy: "),
                         request.err.msg);
        ck_assert_ptr_null(strstr(request.err.msg, "hidden"));
        ck_assert(server_saw(&server, "CONNECT 192.0.2.1:6443 HTTP/1.1\r\n"));
        ck_assert(!server_saw(&server, "secret"));
        stop();
}
END_TEST

/* ---- servers that make no sense ---- */

#define URL_ERROR                                                                           \
        "the server's URL must be http:// or https:// and a host, without user, query and " \
        "fragment"

static const struct {
        struct http_server server;
        const char *error;
} wrong[] = {
        { { .url = "" }, URL_ERROR },
        { { .url = "api.example.com" }, URL_ERROR },
        { { .url = "ftp://api.example.com" }, URL_ERROR },
        { { .url = "file:///etc/passwd" }, URL_ERROR },
        { { .url = "https://" }, URL_ERROR },
        { { .url = "https://user:secret@api.example.com" }, URL_ERROR },
        { { .url = "https://api.example.com?x=y" }, URL_ERROR },
        { { .url = "https://api.example.com#x" }, URL_ERROR },
        { { .url = "https://api.example.com:99999" }, URL_ERROR },
        { { .url = "https://api example" }, URL_ERROR },
        { { .url = "https://[::1" }, URL_ERROR },
        { { .url = "https://h", .ca = "x" },
          "the authority's certificate is no certificate in PEM form" },
        { { .url = "https://h",
            .ca = "-----BEGIN CERTIFICATE-----\nAAAA\n"
                  "-----END CERTIFICATE-----\n" },
          "the authority's certificate is no certificate in PEM form" },
        { { .url = "https://h", .certificate = "", .key = "" },
          "the client's certificate is no certificate in PEM form" },
        { { .url = "https://h", .token = "a\nX-Other: b" },
          "the token has a character that no header may have" },
        { { .url = "https://h", .server_name = "a,b" },
          "the TLS server name is no name of a host" },
        { { .url = "https://h", .server_name = "a/b" },
          "the TLS server name is no name of a host" },
        { { .url = "https://h", .proxy = "ftp://proxy" },
          "the proxy's URL must begin with http://, https://, socks5:// or socks5h://" },
};

START_TEST(a_server_that_makes_no_sense_is_refused)
{
        struct http *none = NULL;
        struct err err;

        unit_assert_err(http_new(&wrong[_i].server, &none, &err), &err, CNI_ERR_CONFIG,
                        wrong[_i].error);
        ck_assert_ptr_null(none);
}
END_TEST

static void add_tests(TCase *tests)
{
        unit_add_table(tests, an_answer_is_whole_or_missing, answers);
        tcase_add_test(tests, a_long_answer_is_cut_at_the_ceiling);
        tcase_add_test(tests, a_long_header_is_refused);
        unit_add_table(tests, a_request_is_sent_as_it_is, sent);
        tcase_add_test(tests, a_large_body_is_sent_at_once);
        tcase_add_test(tests, requests_on_one_handle_do_not_mix);
        tcase_add_test(tests, the_path_follows_the_servers_url);
        tcase_add_test(tests, a_refused_connection_was_sent_nothing);
        tcase_add_test(tests, a_name_that_does_not_resolve_was_sent_nothing);
        tcase_add_test(tests, a_handshake_that_hangs_is_given_up_by_connect_ms);
        tcase_add_test(tests, no_answer_in_time_may_have_been_done);
        tcase_add_test(tests, after_the_deadline_nothing_is_sent);
        tcase_add_test(tests, a_kept_connection_serves_after_connect_ms);
        tcase_add_test(tests, many_run_side_by_side);
        tcase_add_test(tests, of_many_each_has_its_own_end);
        tcase_add_test(tests, a_write_on_a_dying_connection_is_not_sent_twice);
        tcase_add_test(tests, a_get_on_a_dying_connection_is_sent_again);
        tcase_add_test(tests, a_proxy_gets_the_whole_url);
        tcase_add_test(tests, the_environments_proxy_is_used);
        tcase_add_test(tests, all_proxy_is_not_looked_at);
        tcase_add_loop_test(tests, a_proxy_that_refuses_the_tunnel, 0, 2);
        unit_add_table(tests, a_server_that_makes_no_sense_is_refused, wrong);
}

UNIT_MAIN("http", add_tests)
