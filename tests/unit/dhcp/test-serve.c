/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Requests, replies, and how a connection can end.
 */
#include "talk.h"

#include <sys/resource.h>

#include "core/log.h"

#define FD_DIR "/proc/self/fd"

/* ---- requests ---- */

START_TEST(a_request_is_greeted_and_answered)
{
        static char document[] = "{\"version\": 1}";
        const struct rpc_reply answer = { .document = document };
        struct rpc_reply heard;
        struct service service;
        int fd;

        service_init(&service, 0);
        fd = plug_in_and_ask(&service, RPC_LIST);
        ck_assert_uint_eq(serve_connections(service.serve), 1);
        ck_assert_int_eq(service.call->netns_fd, -1);
        ck_assert_str_eq(service.call->request->key.network, "n");
        hear_hello(&service, fd); /* before there is an answer */
        reply(&service, service.call, &answer);
        hear_reply(&service, fd, &heard);
        ck_assert_int_eq(heard.code, 0);
        ck_assert_str_eq(heard.document, document);
        hear_end(&service, fd);
        ck_assert_uint_eq(service.requests, 1);
        ck_assert_uint_eq(service.done, 1);
        ck_assert_uint_eq(service.lost, 0);
        ck_assert_uint_eq(serve_connections(service.serve), 0);
        rpc_reply_done(&heard);
        close(fd);
        service_done(&service);
}
END_TEST

START_TEST(an_answer_may_come_while_the_request_is_told)
{
        struct rpc_reply heard;
        struct service service;
        int fd;

        service_init(&service, 0);
        service.answer_at_once = true;
        fd = plug_in(service.path);
        ask(fd, RPC_STATUS);
        hear_hello(&service, fd);
        hear_reply(&service, fd, &heard);
        ck_assert_int_eq(heard.code, 0);
        hear_end(&service, fd);
        ck_assert_uint_eq(service.done, 1);
        rpc_reply_done(&heard);
        close(fd);
        service_done(&service);
}
END_TEST

START_TEST(a_request_may_come_byte_by_byte)
{
        _cleanup_(buf_done) struct buf frame;
        struct service service;
        int fd;

        put_request(&frame, RPC_DEL);
        service_init(&service, 0);
        fd = plug_in(service.path);
        say(fd, frame.text, 1);
        hear_hello(&service, fd); /* at the first byte already */
        for (size_t i = 1; i < frame.len; i++) {
                ck_assert_uint_eq(service.requests, 0);
                say(fd, frame.text + i, 1);
                if (i + 1 == frame.len)
                        service_run(&service);
        }
        ck_assert_uint_eq(service.requests, 1);
        ck_assert_str_eq(service.call->request->key.ifname, "eth0");
        close(fd);
        service_done(&service);
}
END_TEST

START_TEST(a_refusal_carries_code_text_and_details)
{
        struct rpc_reply heard;
        struct service service;
        struct err err;
        int fd;

        (void)err_text(&err, -EINVAL, CNI_ERR_TRY_LATER, "no");
        err_details(&err, "not now");
        service_init(&service, 0);
        fd = plug_in_and_ask(&service, RPC_CHECK);
        hear_hello(&service, fd);
        serve_refuse(service.call, &err);
        hear_reply(&service, fd, &heard);
        ck_assert_int_eq(heard.code, CNI_ERR_TRY_LATER);
        ck_assert_str_eq(heard.msg, "no");
        ck_assert_str_eq(heard.details, "not now");
        rpc_reply_done(&heard);
        close(fd);
        service_done(&service);
}
END_TEST

/* As for a list of many leases: far more than a socket takes at once. */
START_TEST(a_long_reply_is_written_as_it_is_taken)
{
        const size_t len = 4 * 1024 * 1024;
        struct rpc_reply answer = { .document = malloc(len + 1) }, heard;
        struct service service;
        int fd;

        ck_assert_ptr_nonnull(answer.document);
        memset(answer.document, 'x', len);
        answer.document[len] = '\0';
        service_init(&service, 0);
        fd = plug_in_and_ask(&service, RPC_LIST);
        reply(&service, service.call, &answer);
        ck_assert_uint_eq(service.done, 0);
        hear_hello(&service, fd);
        hear_reply(&service, fd, &heard);
        ck_assert_str_eq(heard.document, answer.document);
        hear_end(&service, fd);
        ck_assert_uint_eq(service.done, 1);
        rpc_reply_done(&heard);
        free(answer.document);
        close(fd);
        service_done(&service);
}
END_TEST

START_TEST(a_reply_that_is_too_long_becomes_an_error)
{
        const size_t len = RPC_REPLY_MAX;
        struct rpc_reply answer = { .document = malloc(len + 1) }, heard;
        struct service service;
        int fd;

        ck_assert_ptr_nonnull(answer.document);
        memset(answer.document, 'x', len);
        answer.document[len] = '\0';
        service_init(&service, 0);
        fd = plug_in_and_ask(&service, RPC_LIST);
        reply(&service, service.call, &answer);
        hear_hello(&service, fd);
        hear_reply(&service, fd, &heard);
        ck_assert_int_ne(heard.code, 0);
        hear_end(&service, fd);
        rpc_reply_done(&heard);
        free(answer.document);
        close(fd);
        service_done(&service);
}
END_TEST

/* ---- no requests ---- */

static const struct {
        const char *name;
        const char *text;
        bool greeted, told; /* whether it gets a hello, an error */
} nonsense[] = {
        { "nothing", "", false, false },
        { "a line", "hello\n", false, false },
        { "another version", "cni-ipam 2 2\n{}", false, false },
        { "no length", "cni-ipam 1 \n", false, false },
        { "a length below zero", "cni-ipam 1 -2\n{}", false, false },
        { "a request too long", "cni-ipam 1 1048577\n{", false, false },
        { "an endless first line", "cni-ipam 1 1111111111111111111111111", false, false },
        { "capitals that are no HTTP", "GET / HTTP/1.0\r\n\r\n", false, false },
        { "an empty request", "cni-ipam 1 0\n", false, false },
        { "no JSON", "cni-ipam 1 2\n{]", true, true },
        { "no operation", "cni-ipam 1 2\n{}", true, true },
        { "an unknown operation", "cni-ipam 1 12\n{\"op\":\"dig\"}", true, true },
        { "two requests", "cni-ipam 1 15\n{\"op\":\"status\"}c", false, false },
};

START_TEST(what_is_no_request_ends_the_connection_alone)
{
        const char *text = nonsense[_i].text;
        struct rpc_reply heard;
        struct service service;
        int fd, other;

        service_init(&service, 0);
        other = plug_in_and_ask(&service, RPC_CHECK);
        fd = plug_in(service.path);
        say(fd, text, strlen(text));
        if (!*text)
                ck_assert_int_eq(shutdown(fd, SHUT_WR), 0);
        if (nonsense[_i].greeted)
                hear_hello(&service, fd);
        if (nonsense[_i].told) {
                hear_reply(&service, fd, &heard);
                ck_assert_int_eq(heard.code, CNI_ERR_DECODE);
                rpc_reply_done(&heard);
        }
        hear_end(&service, fd);
        ck_assert_uint_eq(service.requests, 1);
        ck_assert_uint_eq(service.done + service.lost, 0);
        ck_assert_uint_eq(serve_connections(service.serve), 1);
        close(fd);
        close(other);
        service_done(&service);
}
END_TEST

START_TEST(a_second_request_ends_the_first)
{
        struct service service;
        int fd;

        service_init(&service, 0);
        fd = plug_in_and_ask(&service, RPC_ADD);
        ask(fd, RPC_ADD);
        service_run(&service);
        ck_assert_uint_eq(service.lost, 1);
        ck_assert_uint_eq(service.requests, 1);
        close(fd);
        service_done(&service);
}
END_TEST

/* What Go's rpc.DialHTTP() sends, and needs to print what it got. */
START_TEST(a_go_client_is_told_by_http)
{
        static const char begin[] = "HTTP/1.0 426 ";
        char text[512] = "";
        struct service service;
        size_t len = 0;
        int fd;

        service_init(&service, 0);
        fd = plug_in(service.path);
        say(fd, "CONN", 4);
        say(fd, "ECT /_goRPC_ HTTP/1.0\n\n", strlen("ECT /_goRPC_ HTTP/1.0\n\n"));
        do {
                ck_assert_uint_lt(len + 1, sizeof(text));
                hear(&service, fd, &text[len++], 1);
        } while (!strstr(text, "\r\n\r\n"));
        ck_assert_msg(strncmp(text, begin, strlen(begin)) == 0, "%s", text);
        hear_end(&service, fd);
        ck_assert_uint_eq(service.requests, 0);
        close(fd);
        service_done(&service);
}
END_TEST

/* Half a word cannot be told from the whole; nothing may be said before it is. */
START_TEST(half_an_http_request_gets_no_hello)
{
        struct service service;
        char byte;
        int fd, other;

        service_init(&service, 0);
        fd = plug_in(service.path);
        say(fd, "CONNECT", strlen("CONNECT"));
        other = plug_in_and_ask(&service, RPC_STATUS); /* comes after it, so that has been seen */
        ck_assert_int_lt(recv(fd, &byte, 1, MSG_DONTWAIT), 0);
        ck_assert_int_eq(errno, EAGAIN);
        say(fd, " ", 1);
        hear(&service, fd, &byte, 1);
        ck_assert_int_eq(byte, 'H');
        close(fd);
        close(other);
        service_done(&service);
}
END_TEST

/* Those that come to nothing within five seconds: one is silent, one has sent half a request, one
 * does not take its reply, one does not confirm it. The one whose answer is awaited stays. */
START_TEST(who_lets_us_wait_is_left)
{
        const size_t len = 1024 * 1024;
        struct rpc_reply answer = { .document = malloc(len + 1) };
        const struct rpc_reply nothing = { 0 };
        struct serve_call *first;
        struct service service;
        int fds[5];

        ck_assert_ptr_nonnull(answer.document);
        memset(answer.document, 'x', len);
        answer.document[len] = '\0';
        service_init(&service, 0);
        fds[0] = plug_in_and_ask(&service, RPC_ADD);
        first = service.call;
        fds[1] = plug_in(service.path);
        fds[2] = plug_in(service.path);
        say(fds[2], "cni-ipam 1 100\n{", strlen("cni-ipam 1 100\n{"));
        fds[3] = plug_in_and_ask(&service, RPC_LIST);
        reply(&service, service.call, &answer);
        fds[4] = plug_in_and_ask(&service, RPC_ADD);
        reply(&service, service.call, &nothing);
        ck_assert_uint_eq(serve_connections(service.serve), 5);
        ck_assert_uint_eq(service.lost, 0);
        hear_end(&service, fds[1]);
        while (service.lost < 2)
                service_run(&service);
        ck_assert_uint_eq(serve_connections(service.serve), 1);
        ck_assert_uint_eq(service.done, 0);
        reply(&service, first, &nothing);
        hear_hello(&service, fds[0]);
        say(fds[0], RPC_DONE, strlen(RPC_DONE));
        service_run(&service);
        ck_assert_uint_eq(service.done, 1);
        for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
                close(fds[i]);
        free(answer.document);
        service_done(&service);
}
END_TEST

/* ---- who goes ---- */

START_TEST(a_plugin_that_goes_is_told_at_once)
{
        struct service service;
        int fd;

        service_init(&service, 0);
        fd = plug_in_and_ask(&service, RPC_ADD);
        close(fd);
        service_run(&service);
        ck_assert_uint_eq(service.lost, 1);
        ck_assert_uint_eq(service.done, 0);
        ck_assert_uint_eq(serve_connections(service.serve), 0);
        service_done(&service);
}
END_TEST

START_TEST(a_reply_to_who_is_gone_is_lost)
{
        const struct rpc_reply nothing = { 0 };
        struct service service;
        int fd;

        service_init(&service, 0);
        fd = plug_in_and_ask(&service, _i ? RPC_ADD : RPC_DEL);
        close(fd);
        reply(&service, service.call, &nothing);
        ck_assert_uint_eq(service.lost, 0); /* but not from inside */
        service_run(&service);
        ck_assert_uint_eq(service.lost, 1);
        ck_assert_uint_eq(service.done, 0);
        service_done(&service);
}
END_TEST

static const struct {
        const char *parts[2];
        bool closes, done;
} confirmations[] = {
        { { "done\n", "" }, false, true }, { { "do", "ne\n" }, false, true },
        { { "done\n", "" }, true, true },  { { "", "" }, true, false },
        { { "done", "" }, true, false },   { { "dome\n", "" }, false, false },
        { { "x", "" }, false, false },     { { "done\nx", "" }, false, false },
};

START_TEST(an_add_is_done_when_the_plugin_says_so)
{
        const struct rpc_reply nothing = { 0 };
        struct rpc_reply heard;
        struct service service;
        int fd;

        service_init(&service, 0);
        fd = plug_in_and_ask(&service, RPC_ADD);
        reply(&service, service.call, &nothing);
        hear_hello(&service, fd);
        hear_reply(&service, fd, &heard);
        ck_assert_uint_eq(service.done + service.lost, 0);
        for (size_t i = 0; i < 2; i++)
                say(fd, confirmations[_i].parts[i], strlen(confirmations[_i].parts[i]));
        if (confirmations[_i].closes)
                close(fd);
        service_run(&service);
        ck_assert_uint_eq(service.done, confirmations[_i].done ? 1 : 0);
        ck_assert_uint_eq(service.lost, confirmations[_i].done ? 0 : 1);
        ck_assert_uint_eq(serve_connections(service.serve), 0);
        if (!confirmations[_i].closes)
                close(fd);
        rpc_reply_done(&heard);
        service_done(&service);
}
END_TEST

START_TEST(an_add_that_failed_needs_no_confirmation)
{
        static char text[] = "no more tries";
        const struct rpc_reply refusal = { .code = CNI_ERR_INTERNAL, .msg = text };
        struct rpc_reply heard;
        struct service service;
        struct err err;
        int fd;

        (void)err_text(&err, -ENOENT, CNI_ERR_INTERNAL, "%s", text);
        service_init(&service, 0);
        fd = plug_in_and_ask(&service, RPC_ADD);
        if (_i)
                reply(&service, service.call, &refusal);
        else
                serve_refuse(service.call, &err);
        hear_hello(&service, fd);
        hear_reply(&service, fd, &heard);
        ck_assert_str_eq(heard.msg, text);
        hear_end(&service, fd);
        ck_assert_uint_eq(service.done, 1);
        rpc_reply_done(&heard);
        close(fd);
        service_done(&service);
}
END_TEST

START_TEST(the_end_of_the_service_ends_all_calls)
{
        const struct rpc_reply nothing = { 0 };
        struct service service;
        int fds[4];

        service_init(&service, 0);
        fds[0] = plug_in(service.path);
        fds[1] = plug_in_and_ask(&service, RPC_ADD);
        reply(&service, service.call, &nothing);
        fds[2] = plug_in_and_ask(&service, RPC_ADD);
        fds[3] = plug_in_and_ask(&service, RPC_DEL);
        reply(&service, service.call, &nothing);
        service_done(&service);
        ck_assert_uint_eq(service.done, 1);
        ck_assert_uint_eq(service.lost, 2);
        for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
                close(fds[i]);
}
END_TEST

START_TEST(a_service_that_stopped_still_answers)
{
        const struct rpc_reply nothing = { 0 };
        struct rpc_reply heard;
        struct service service;
        int fd;

        service_init(&service, 0);
        fd = plug_in_and_ask(&service, RPC_DEL);
        serve_stop(service.serve);
        ck_assert_int_eq(try_to_plug_in(service.path), -ECONNREFUSED);
        reply(&service, service.call, &nothing);
        hear_hello(&service, fd);
        hear_reply(&service, fd, &heard);
        hear_end(&service, fd);
        ck_assert_uint_eq(service.done, 1);
        rpc_reply_done(&heard);
        close(fd);
        service_done(&service);
}
END_TEST

/* ---- descriptors ---- */

static bool is_same_file(int a, int b)
{
        struct stat one, two;

        return fstat(a, &one) == 0 && fstat(b, &two) == 0 && one.st_dev == two.st_dev &&
               one.st_ino == two.st_ino;
}

/* With which byte of the request how many descriptors come. Of six, two have no room. */
static const struct {
        size_t count, at;
} handed_over[] = { { 1, 0 }, { 2, 0 }, { 6, 0 }, { 1, 5 }, { 1, 60 } };

START_TEST(the_first_descriptor_is_kept_and_closed_in_the_end)
{
        const size_t at = handed_over[_i].at;
        _cleanup_(buf_done) struct buf frame;
        struct service service;
        int fd, files[6];
        size_t before;

        put_request(&frame, RPC_DEL);
        service_init(&service, 0);
        for (size_t i = 0; i < ARRAY_SIZE(files); i++)
                files[i] = open(i ? "/" : service.dir, O_PATH | O_CLOEXEC);
        fd = plug_in(service.path);
        before = unit_count(FD_DIR);
        say(fd, frame.text, at);
        say_with(fd, frame.text + at, 1, files, handed_over[_i].count);
        say(fd, frame.text + at + 1, frame.len - at - 1);
        service_run(&service);
        ck_assert_int_ge(service.call->netns_fd, 0);
        ck_assert(is_same_file(service.call->netns_fd, files[0]));
        ck_assert_int_eq(fcntl(service.call->netns_fd, F_GETFD), FD_CLOEXEC);
        ck_assert_uint_eq(unit_count(FD_DIR), before + 2); /* this one, and the connection */
        close(fd);
        service_run(&service);
        ck_assert_uint_eq(unit_count(FD_DIR), before - 1);
        for (size_t i = 0; i < ARRAY_SIZE(files); i++)
                close(files[i]);
        service_done(&service);
}
END_TEST

START_TEST(a_descriptor_that_was_taken_stays)
{
        _cleanup_(buf_done) struct buf frame;
        struct service service;
        int fd, dir, kept;

        put_request(&frame, RPC_DEL);
        service_init(&service, 0);
        dir = open(service.dir, O_PATH | O_CLOEXEC);
        fd = plug_in(service.path);
        say_with(fd, frame.text, frame.len, &dir, 1);
        service_run(&service);
        kept = TAKE_FD(service.call->netns_fd);
        close(fd);
        service_run(&service);
        ck_assert(is_same_file(kept, dir));
        close(kept);
        close(dir);
        service_done(&service);
}
END_TEST

/* ---- many ---- */

static void set_limit(rlim_t soft)
{
        struct rlimit limit;

        ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
        limit.rlim_cur = soft;
        if (limit.rlim_max < soft)
                limit.rlim_max = soft;
        ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
}

START_TEST(a_thousand_are_answered)
{
        enum { COUNT = 1000 };
        static int fds[COUNT];
        struct rpc_reply heard;
        struct service service;

        set_limit(4 * COUNT);
        service_init(&service, 0);
        service.answer_at_once = true;
        service.stop_on_request = false;
        for (size_t i = 0; i < COUNT; i++) {
                fds[i] = plug_in(service.path);
                ask(fds[i], RPC_STATUS);
        }
        while (service.done < COUNT)
                service_run(&service);
        for (size_t i = 0; i < COUNT; i++) {
                hear_hello(&service, fds[i]);
                hear_reply(&service, fds[i], &heard);
                rpc_reply_done(&heard);
                close(fds[i]);
        }
        ck_assert_uint_eq(service.requests, COUNT);
        ck_assert_uint_eq(service.lost, 0);
        ck_assert_uint_eq(serve_connections(service.serve), 0);
        service_done(&service);
}
END_TEST

START_TEST(connecting_and_closing_does_no_harm)
{
        struct service service;
        int fd;

        service_init(&service, 0);
        for (size_t i = 0; i < 500; i++)
                close(plug_in(service.path));
        fd = plug_in_and_ask(&service, RPC_STATUS);
        ck_assert_uint_eq(service.requests, 1);
        ck_assert_uint_eq(service.lost, 0);
        close(fd);
        service_run(&service);
        ck_assert_uint_eq(serve_connections(service.serve), 0);
        service_done(&service);
}
END_TEST

/* One more than there may be: it is served as soon as another goes. */
START_TEST(beyond_the_limit_one_waits_for_another_to_go)
{
        static int fds[SERVE_CONNECTIONS_MAX];
        const struct rpc_reply nothing = { 0 };
        struct service service;
        int last;

        set_limit(2 * SERVE_CONNECTIONS_MAX + 100);
        service_init(&service, 0);
        for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
                fds[i] = plug_in_and_ask(&service, RPC_STATUS);
        last = plug_in(service.path);
        ask(last, RPC_STATUS);
        ck_assert_uint_eq(serve_connections(service.serve), SERVE_CONNECTIONS_MAX);
        reply(&service, service.call, &nothing);
        service_run(&service); /* its end */
        ck_assert_uint_eq(service.done, 1);
        ck_assert_uint_eq(service.requests, SERVE_CONNECTIONS_MAX);
        service_run(&service); /* and so the last one's turn */
        ck_assert_uint_eq(service.requests, SERVE_CONNECTIONS_MAX + 1);
        ck_assert_uint_eq(serve_connections(service.serve), SERVE_CONNECTIONS_MAX);
        hear_hello(&service, last);
        for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
                close(fds[i]);
        close(last);
        service_done(&service);
}
END_TEST

/* Something that is always ready, and stops the loop after some rounds. */
struct rounds {
        struct loop_source source;
        struct loop *loop;
        unsigned left;
};

static void round_ready(struct loop_source *source, _unused_ uint32_t events,
                        _unused_ int64_t now_ms)
{
        struct rounds *rounds = CONTAINER_OF(source, struct rounds, source);

        if (--rounds->left == 0)
                loop_stop(rounds->loop);
}

static void run_rounds(struct service *service, int ready_fd, unsigned count)
{
        struct rounds rounds = { .source.ready = round_ready,
                                 .loop = service->loop,
                                 .left = count };
        struct err err;

        unit_assert_ok(loop_watch(service->loop, &rounds.source, ready_fd, EPOLLOUT, &err), &err);
        service_run(service);
        loop_unwatch(service->loop, &rounds.source);
}

/* It says so once, and does not turn in circles until it can go on. */
START_TEST(without_descriptors_it_listens_again_later)
{
        static const char complaint[] = "accept a connection: too many open files\n";
        char log[UNIT_PATH_MAX];
        struct service service;
        struct rlimit before;
        const char *said;
        struct err err;
        int fd, other, lowest;

        service_init(&service, 0);
        unit_assert_ok(log_set_file(unit_path(service.dir, "log", log), &err), &err);
        fd = plug_in(service.path);
        ask(fd, RPC_STATUS);
        ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &before), 0);
        lowest = dup(fd);
        ck_assert_int_ge(lowest, 0);
        close(lowest);
        set_limit((rlim_t)lowest);
        run_rounds(&service, fd, 20);
        set_limit(before.rlim_cur);
        said = strstr(unit_read(service.dir, "log"), complaint);
        ck_assert_ptr_nonnull(said);
        ck_assert_str_eq(said, complaint); /* and no more */
        ck_assert_uint_eq(service.requests, 0);
        other = plug_in(service.path);
        ask(other, RPC_STATUS);
        hear_hello(&service, other);
        close(fd);
        close(other);
        service_done(&service);
}
END_TEST

static void add(TCase *tests)
{
        tcase_add_test(tests, a_request_is_greeted_and_answered);
        tcase_add_test(tests, an_answer_may_come_while_the_request_is_told);
        tcase_add_test(tests, a_request_may_come_byte_by_byte);
        tcase_add_test(tests, a_refusal_carries_code_text_and_details);
        tcase_add_test(tests, a_long_reply_is_written_as_it_is_taken);
        tcase_add_test(tests, a_reply_that_is_too_long_becomes_an_error);
        unit_add_table(tests, what_is_no_request_ends_the_connection_alone, nonsense);
        tcase_add_test(tests, a_second_request_ends_the_first);
        tcase_add_test(tests, a_go_client_is_told_by_http);
        tcase_add_test(tests, half_an_http_request_gets_no_hello);
        tcase_add_test(tests, who_lets_us_wait_is_left);
        tcase_add_test(tests, a_plugin_that_goes_is_told_at_once);
        tcase_add_loop_test(tests, a_reply_to_who_is_gone_is_lost, 0, 2);
        unit_add_table(tests, an_add_is_done_when_the_plugin_says_so, confirmations);
        tcase_add_loop_test(tests, an_add_that_failed_needs_no_confirmation, 0, 2);
        tcase_add_test(tests, the_end_of_the_service_ends_all_calls);
        tcase_add_test(tests, a_service_that_stopped_still_answers);
        unit_add_table(tests, the_first_descriptor_is_kept_and_closed_in_the_end, handed_over);
        tcase_add_test(tests, a_descriptor_that_was_taken_stays);
        tcase_add_test(tests, a_thousand_are_answered);
        tcase_add_test(tests, connecting_and_closing_does_no_harm);
        tcase_add_test(tests, beyond_the_limit_one_waits_for_another_to_go);
        tcase_add_test(tests, without_descriptors_it_listens_again_later);
}

UNIT_MAIN("serve", add)
