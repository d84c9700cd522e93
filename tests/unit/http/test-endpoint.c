/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The pages for probes, over a unix socket and over loopback. The loop runs in the test itself: it
 * is given turns until the client has what it waits for.
 */
#include "http/endpoint.h"

#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "core/clock.h"
#include "unit.h"

/* ---- addresses ---- */

static const struct {
        const char *address;
        bool good;
} address_rows[] = {
        { "127.0.0.1:9099", true },
        { "127.8.9.1:1", true },
        { "[::1]:65535", true },
        { "unix:/run/x.sock", true },
        { "", false },
        { "127.0.0.1", false },
        { "127.0.0.1:", false },
        { "127.0.0.1:0", false },
        { "127.0.0.1:65536", false },
        { "127.0.0.1:-1", false },
        { "127.0.0.1:80x", false },
        { ":80", false },
        { "0.0.0.0:80", false },
        { "10.0.0.1:80", false },
        { "localhost:80", false },
        { "[::1]", false },
        { "[::]:80", false },
        { "[::1:80", false },
        { "::1:80", false },
        { "[127.0.0.1]:80", false },
        { "[]:80", false },
        { "[:80", false },
        { "[0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0001]:80", false },
        { "unix:", false },
        { "unix:x.sock", false },
};

START_TEST(only_this_machine_may_ask)
{
        const char *address = address_rows[_i].address;
        char want[256];
        struct err err;
        int r = endpoint_check(address, &err);

        if (address_rows[_i].good) {
                unit_assert_ok(r, &err);
                return;
        }
        (void)snprintf(want, sizeof(want),
                       "listen on '%s': neither unix:/PATH nor a loopback address and a port, such "
                       "as 127.0.0.1:9099",
                       address);
        unit_assert_err(r, &err, CNI_ERR_CONFIG, want);
}
END_TEST

START_TEST(a_path_that_is_too_long_is_refused)
{
        char address[256] = "unix:/";
        struct err err;

        memset(address + 6, 'x', 107);
        ck_assert_int_lt(endpoint_check(address, &err), 0);
        address[5 + 107] = '\0';
        unit_assert_ok(endpoint_check(address, &err), &err);
}
END_TEST

/* ---- requests ---- */

static int say_well(void *user, struct buf *body)
{
        buf_printf(body, "well, %s\n", (const char *)user);
        return 200;
}

static int say_ill(_unused_ void *user, struct buf *body)
{
        buf_puts(body, "ill\n");
        return 503;
}

static int say_much(_unused_ void *user, struct buf *body)
{
        for (unsigned i = 0; i < ENDPOINT_BODY_MAX / 64 - 1; i++)
                buf_printf(body, "%063u\n", i);
        return 200;
}

static int say_too_much(_unused_ void *user, struct buf *body)
{
        for (unsigned i = 0; i < ENDPOINT_BODY_MAX / 64 + 1; i++)
                buf_printf(body, "%063u\n", i);
        return 200;
}

static const struct endpoint_page pages[] = {
        { "/well", ENDPOINT_TEXT, say_well },
        { "/ill", ENDPOINT_TEXT, say_ill },
        { "/much", ENDPOINT_METRICS, say_much },
        { "/too-much", ENDPOINT_METRICS, say_too_much },
};

static const struct {
        const char *header;
        int status;
        int page;
        bool head;
} choose_rows[] = {
        { "GET /well HTTP/1.1\r\n\r\n", 200, 0, false },
        { "GET /well HTTP/1.0\n\n", 200, 0, false },
        { "HEAD /ill HTTP/1.1\r\nX: y\r\n\r\n", 200, 1, true },
        { "GET /ill?a=b HTTP/1.1\r\n\r\n", 200, 1, false },
        { "GET /ill? HTTP/1.1\r\n\r\n", 200, 1, false },
        { "GET /well/ HTTP/1.1\r\n\r\n", 404, -1, false },
        { "GET /wel HTTP/1.1\r\n\r\n", 404, -1, false },
        { "GET /WELL HTTP/1.1\r\n\r\n", 404, -1, false },
        { "GET http://x/well HTTP/1.1\r\n\r\n", 404, -1, false },
        { "GET  HTTP/1.1\r\n\r\n", 404, -1, false },
        { "POST /well HTTP/1.1\r\n\r\n", 405, -1, false },
        { "get /well HTTP/1.1\r\n\r\n", 405, -1, false },
        { " /well HTTP/1.1\r\n\r\n", 405, -1, false },
        { "GET /well HTTP/2.0\r\n\r\n", 400, -1, false },
        { "GET /well HTTP/1.1 \r\n\r\n", 400, -1, false },
        { "GET /well\r\n\r\n", 400, -1, false },
        { "GET\r\n\r\n", 400, -1, false },
        { "\r\n\r\n", 400, -1, false },
        { "\n\n", 400, -1, false },
        { "", 400, -1, false },
        { "GET /well HTTP/1.1", 400, -1, false },
};

START_TEST(a_page_is_chosen)
{
        const struct endpoint_page *page = NULL;
        bool head = false;

        ck_assert_int_eq(endpoint_choose(choose_rows[_i].header, strlen(choose_rows[_i].header),
                                         pages, ARRAY_SIZE(pages), &page, &head),
                         choose_rows[_i].status);
        if (choose_rows[_i].page < 0)
                ck_assert_ptr_null(page);
        else
                ck_assert_ptr_eq(page, &pages[choose_rows[_i].page]);
        ck_assert_int_eq(head, choose_rows[_i].head);
}
END_TEST

/* ---- connections ---- */

struct server {
        struct loop *loop;
        struct endpoint *endpoint;
        struct loop_timer end;
        char dir[UNIT_PATH_MAX], path[UNIT_PATH_MAX], address[UNIT_PATH_MAX + 8];
};

static void end_turn(struct loop_timer *timer, _unused_ int64_t now_ms)
{
        loop_stop(CONTAINER_OF(timer, struct server, end)->loop);
}

/* Lets the server work for a few milliseconds. */
static void give_turn(struct server *server)
{
        struct err err;

        unit_assert_ok(loop_set_timer(server->loop, &server->end, clock_boot_ms() + 5, &err), &err);
        unit_assert_ok(loop_run(server->loop, &err), &err);
}

static void start(struct server *server)
{
        static char user[] = "you";
        struct err err;

        *server = (struct server){ .end.due = end_turn };
        unit_path(unit_dir(server->dir), "new/sock", server->path);
        (void)snprintf(server->address, sizeof(server->address), "unix:%s", server->path);
        unit_assert_ok(loop_new(&server->loop, &err), &err);
        unit_assert_ok(endpoint_new(server->loop, server->address, pages, ARRAY_SIZE(pages), user,
                                    &server->endpoint, &err),
                       &err);
}

static void stop(struct server *server)
{
        endpoint_free(server->endpoint);
        loop_cancel_timer(server->loop, &server->end);
        loop_free(server->loop);
        ck_assert(!unit_exists(server->dir, "new/sock"));
}

static int connect_to(const struct server *server)
{
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

        (void)snprintf(address.sun_path, sizeof(address.sun_path), "%.100s", server->path);
        ck_assert_int_eq(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
        return fd;
}

static void say(int fd, const char *text)
{
        ck_assert_int_eq(send(fd, text, strlen(text), MSG_NOSIGNAL), (ssize_t)strlen(text));
}

/* All that comes until the server closes its side. */
static size_t hear(struct server *server, int fd, char *text, size_t size)
{
        size_t len = 0;
        ssize_t n;

        for (;;) {
                n = recv(fd, text + len, size - 1 - len, 0);
                if (n == 0)
                        break;
                if (n > 0)
                        len += (size_t)n;
                else
                        give_turn(server);
        }
        text[len] = '\0';
        return len;
}

static void ask(struct server *server, const char *request, char *text, size_t size)
{
        int fd = connect_to(server);

        say(fd, request);
        (void)hear(server, fd, text, size);
        close(fd);
        give_turn(server);
}

START_TEST(what_is_asked_is_answered)
{
        struct server server;
        char text[4096];

        start(&server);
        ask(&server, "GET /well HTTP/1.1\r\nHost: x\r\n\r\n", text, sizeof(text));
        ck_assert_str_eq(text, "HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=utf-8\r\n"
                               "Content-Length: 10\r\nCache-Control: no-store\r\n"
                               "Connection: close\r\n\r\nwell, you\n");
        ask(&server, "HEAD /well HTTP/1.1\r\n\r\n", text, sizeof(text));
        ck_assert_str_eq(text, "HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=utf-8\r\n"
                               "Content-Length: 10\r\nCache-Control: no-store\r\n"
                               "Connection: close\r\n\r\n");
        ask(&server, "GET /ill HTTP/1.1\r\n\r\n", text, sizeof(text));
        ck_assert_ptr_nonnull(strstr(text, "503 Service Unavailable\r\n"));
        ck_assert_ptr_nonnull(strstr(text, "\r\n\r\nill\n"));
        ask(&server, "PUT /well HTTP/1.1\r\n\r\n", text, sizeof(text));
        ck_assert_ptr_nonnull(strstr(text, "405 Method Not Allowed\r\n"));
        ck_assert_ptr_nonnull(strstr(text, "Allow: GET, HEAD\r\n"));
        ask(&server, "GET /too-much HTTP/1.1\r\n\r\n", text, sizeof(text));
        ck_assert_ptr_nonnull(strstr(text, "500 Internal Server Error\r\n"));
        stop(&server);
}
END_TEST

START_TEST(a_header_may_come_byte_by_byte)
{
        static const char header[] = "GET /well HTTP/1.1\r\nA: b\r\n\r\n";
        struct server server;
        char text[4096];
        int fd;

        start(&server);
        fd = connect_to(&server);
        for (const char *c = header; *c; c++) {
                ck_assert_int_eq(send(fd, c, 1, MSG_NOSIGNAL), 1);
                give_turn(&server);
        }
        ck_assert_uint_gt(hear(&server, fd, text, sizeof(text)), 0);
        ck_assert_ptr_nonnull(strstr(text, "well, you"));
        close(fd);
        stop(&server);
}
END_TEST

START_TEST(a_long_answer_waits_for_a_slow_reader)
{
        struct server server;
        char *text = malloc(ENDPOINT_BODY_MAX + 4096);
        int fd, small = 4096;
        size_t len;

        ck_assert_ptr_nonnull(text);
        start(&server);
        fd = connect_to(&server);
        ck_assert_int_eq(setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small)), 0);
        say(fd, "GET /much HTTP/1.1\r\n\r\n");
        for (int i = 0; i < 5; i++)
                give_turn(&server);
        len = hear(&server, fd, text, ENDPOINT_BODY_MAX + 4096);
        ck_assert_uint_gt(len, ENDPOINT_BODY_MAX - 128);
        ck_assert_str_eq(text + len - 6, "16382\n");
        free(text);
        close(fd);
        stop(&server);
}
END_TEST

START_TEST(a_header_without_end_is_refused)
{
        struct server server;
        char text[4096], much[ENDPOINT_REQUEST_MAX + 100];
        int fd;

        memset(much, 'x', sizeof(much));
        much[sizeof(much) - 1] = '\0';
        start(&server);
        fd = connect_to(&server);
        say(fd, much);
        (void)hear(&server, fd, text, sizeof(text));
        ck_assert_ptr_nonnull(strstr(text, "431 Request Header Fields Too Large\r\n"));
        say(fd, much); /* what comes later hurts nobody */
        give_turn(&server);
        close(fd);
        give_turn(&server);
        stop(&server);
}
END_TEST

START_TEST(the_number_of_connections_is_bounded)
{
        struct server server;
        int fds[ENDPOINT_CONNECTIONS_MAX + 8];
        char text[4096];

        start(&server);
        for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
                fds[i] = connect_to(&server);
        for (int i = 0; i < 5; i++)
                give_turn(&server);
        say(fds[ARRAY_SIZE(fds) - 1], "GET /well HTTP/1.1\r\n\r\n");
        give_turn(&server);
        ck_assert_int_lt(recv(fds[ARRAY_SIZE(fds) - 1], text, 1, 0), 0); /* it waits for its turn */
        for (size_t i = 0; i < 8; i++)
                close(fds[i]); /* whose turn is over */
        (void)hear(&server, fds[ARRAY_SIZE(fds) - 1], text, sizeof(text));
        ck_assert_ptr_nonnull(strstr(text, "well, you"));
        for (size_t i = 8; i < ARRAY_SIZE(fds); i++)
                close(fds[i]);
        stop(&server);
}
END_TEST

START_TEST(who_says_nothing_is_cut_off)
{
        struct server server;
        int64_t start_ms = clock_boot_ms();
        char text[16];
        int fd;

        start(&server);
        fd = connect_to(&server);
        ck_assert_uint_eq(hear(&server, fd, text, sizeof(text)), 0);
        ck_assert_int_ge(clock_boot_ms() - start_ms, ENDPOINT_TIME_MS);
        close(fd);
        stop(&server);
}
END_TEST

/* ---- the socket ---- */

START_TEST(only_one_listens_at_a_path)
{
        struct server server;
        struct endpoint *second = NULL;
        char want[UNIT_PATH_MAX + 64];
        struct stat st;
        struct err err;
        int r;

        start(&server);
        ck_assert_int_eq(stat(server.path, &st), 0);
        ck_assert_uint_eq(st.st_mode & 0777, 0600);
        r = endpoint_new(server.loop, server.address, pages, 1, NULL, &second, &err);
        (void)snprintf(want, sizeof(want), "listen on '%s': Address already in use", server.path);
        unit_assert_err(r, &err, CNI_ERR_IO, want);
        stop(&server);
}
END_TEST

START_TEST(a_socket_of_somebody_who_was_killed_is_replaced)
{
        struct server server;
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        struct endpoint *second = NULL;
        struct stat before, after;
        struct err err;
        int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

        start(&server);
        ck_assert_int_eq(unlink(server.path), 0);
        (void)snprintf(address.sun_path, sizeof(address.sun_path), "%.100s", server.path);
        ck_assert_int_eq(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
        close(fd);
        unit_assert_ok(endpoint_new(server.loop, server.address, pages, 1, NULL, &second, &err),
                       &err);
        /* The first one's end leaves the second one's socket alone. */
        ck_assert_int_eq(stat(server.path, &before), 0);
        endpoint_free(TAKE_PTR(server.endpoint));
        ck_assert_int_eq(stat(server.path, &after), 0);
        ck_assert_uint_eq(before.st_ino, after.st_ino);
        endpoint_free(second);
        stop(&server);
}
END_TEST

START_TEST(what_is_no_socket_stays)
{
        struct server server;
        struct endpoint *endpoint = NULL;
        char want[UNIT_PATH_MAX + 64];
        struct err err;
        int r;

        start(&server);
        unit_write(server.dir, "file", "x");
        (void)snprintf(server.address, sizeof(server.address), "unix:%.400s/file", server.dir);
        r = endpoint_new(server.loop, server.address, pages, 1, NULL, &endpoint, &err);
        (void)snprintf(want, sizeof(want), "listen on '%.400s/file': it is no socket", server.dir);
        unit_assert_err(r, &err, CNI_ERR_IO, want);
        ck_assert_str_eq(unit_read(server.dir, "file"), "x");
        stop(&server);
}
END_TEST

static void add_tests(TCase *tests)
{
        unit_add_table(tests, only_this_machine_may_ask, address_rows);
        tcase_add_test(tests, a_path_that_is_too_long_is_refused);
        unit_add_table(tests, a_page_is_chosen, choose_rows);
        tcase_add_test(tests, what_is_asked_is_answered);
        tcase_add_test(tests, a_header_may_come_byte_by_byte);
        tcase_add_test(tests, a_long_answer_waits_for_a_slow_reader);
        tcase_add_test(tests, a_header_without_end_is_refused);
        tcase_add_test(tests, the_number_of_connections_is_bounded);
        tcase_add_test(tests, who_says_nothing_is_cut_off);
        tcase_add_test(tests, only_one_listens_at_a_path);
        tcase_add_test(tests, a_socket_of_somebody_who_was_killed_is_replaced);
        tcase_add_test(tests, what_is_no_socket_stays);
}

UNIT_MAIN("endpoint", add_tests)
