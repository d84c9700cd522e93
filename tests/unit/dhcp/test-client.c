/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The plugin's end, against servers that do what a row of a table says: one connection each, in a
 * thread of the test.
 */
#include "client.h"

#include <poll.h>
#include <pthread.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "values.h"

#define EMPTY "cni-ipam 1 2\n{}"

/* Long enough that only a server that answers comes in time, however slow the machine; short for
 * those that never do. */
#define PATIENT_MS   20000
#define IMPATIENT_MS 50

/* What a server does, in this order. */
struct script {
        bool deaf;       /* hangs up without reading */
        const char *say; /* NULL: nothing */
        size_t step;     /* bytes at once; 0: all */
        bool shut;       /* receives nothing from then on */
        bool hang_up;    /* else it waits until the client does */
};

struct server {
        const struct script *script;
        char dir[UNIT_PATH_MAX], path[UNIT_PATH_MAX];
        int listener;
        pthread_t thread;
        /* What it saw. */
        struct rpc_request request;
        bool got_request;
        struct stat passed; /* the descriptor that came */
        char tail[64];      /* what came behind the request */
};

/* ---- the server ---- */

static ssize_t receive(struct server *server, int fd, char *bytes, size_t len)
{
        union {
                struct cmsghdr header;
                char room[CMSG_SPACE(2 * sizeof(int))];
        } control;
        struct iovec vector = { bytes, len };
        struct msghdr msg = { .msg_iov = &vector,
                              .msg_iovlen = 1,
                              .msg_control = &control,
                              .msg_controllen = sizeof(control.room) };
        ssize_t n = recvmsg(fd, &msg, MSG_CMSG_CLOEXEC);

        if (n > 0 && CMSG_FIRSTHDR(&msg)) {
                int passed;

                memcpy(&passed, CMSG_DATA(CMSG_FIRSTHDR(&msg)), sizeof(passed));
                if (fstat(passed, &server->passed) < 0)
                        abort();
                close(passed);
        }
        return n;
}

static void read_request(struct server *server, int fd)
{
        char bytes[8192];
        size_t head = 0, body = 0, len = 0;
        struct err err;

        while (rpc_head(bytes, len, RPC_REQUEST_MAX, &head, &body, &err) != 0 ||
               len < head + body) {
                ssize_t n = receive(server, fd, bytes + len, sizeof(bytes) - len);

                if (n <= 0)
                        return;
                len += (size_t)n;
        }
        server->got_request = rpc_decode_request(bytes + head, body, &server->request, &err) == 0 &&
                              len == head + body;
}

static void say(const struct script *script, int fd)
{
        size_t len = script->say ? strlen(script->say) : 0;
        size_t step = script->step ? script->step : len;

        for (size_t at = 0; at < len; at += step) {
                size_t n = len - at < step ? len - at : step;

                if (send(fd, script->say + at, n, MSG_NOSIGNAL) != (ssize_t)n)
                        return;
        }
}

static void *serve(void *data)
{
        struct server *server = data;
        const struct script *script = server->script;
        int fd = accept(server->listener, NULL, NULL);
        size_t len = 0;
        ssize_t n = 1;

        if (fd < 0)
                return NULL;
        if (!script->deaf)
                read_request(server, fd);
        if (script->shut)
                (void)shutdown(fd, SHUT_RD);
        say(script, fd);
        while (!script->hang_up && n > 0 && len < sizeof(server->tail) - 1) {
                n = recv(fd, server->tail + len, sizeof(server->tail) - 1 - len, 0);
                len += n > 0 ? (size_t)n : 0;
        }
        close(fd);
        return NULL;
}

static int make_socket(const char *path)
{
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

        ck_assert_int_ge(fd, 0);
        ck_assert_uint_lt(strlen(path), sizeof(address.sun_path));
        memcpy(address.sun_path, path, strlen(path) + 1);
        ck_assert_int_eq(bind(fd, (const struct sockaddr *)&address, sizeof(address)), 0);
        return fd;
}

static void server_start(struct server *server, const struct script *script)
{
        *server = (struct server){ .script = script };
        unit_path(unit_dir(server->dir), "dhcp.sock", server->path);
        server->listener = make_socket(server->path);
        ck_assert_int_eq(listen(server->listener, 8), 0);
        ck_assert_int_eq(pthread_create(&server->thread, NULL, serve, server), 0);
}

/* Until it has seen all. */
static void server_end(struct server *server)
{
        ck_assert_int_eq(pthread_join(server->thread, NULL), 0);
        close(server->listener);
}

/* ---- the client ---- */

static struct rpc_request request(enum rpc_op op)
{
        static char id[] = "c1", network[] = "net", ifname[] = "eth0", netns[] = "/run/netns/a";

        return (struct rpc_request){ .op = op, .key = { id, network, ifname }, .netns = netns };
}

/* The tests' own directory is allowed. */
static struct trust trust_base(void)
{
        static char *roots[] = { unit_base };

        return (struct trust){ roots, 1 };
}

static int ask(const char *path, enum rpc_op op, int64_t wait_ms, struct rpc_reply *ret,
               struct err *err)
{
        const struct rpc_request asked = request(op);
        const struct trust trust = trust_base();

        *err = (struct err){ 0 };
        return client_ask(&trust, path, &asked, -1, wait_ms, wait_ms, ret, err);
}

static const char *dialing(const char *path, const char *what)
{
        static char text[2048];

        (void)snprintf(text, sizeof(text), "error dialing DHCP daemon: dial unix %s: %s", path,
                       what);
        return text;
}

/* ---- answers ---- */

static const struct {
        const char *say;
        size_t step;
        enum rpc_op op;
        const char *document, *tail;
} answers[] = {
        { RPC_HELLO EMPTY, 0, RPC_STATUS, NULL, "" },
        { RPC_HELLO EMPTY, 1, RPC_STATUS, NULL, "" },
        { RPC_HELLO EMPTY, 7, RPC_DEL, NULL, "" },
        { RPC_HELLO "cni-ipam 1 17\n{\"document\":\"x\"} ", 3, RPC_LIST, "x", "" },
        { RPC_HELLO EMPTY "more", 0, RPC_CHECK, NULL, "" },
        { RPC_HELLO EMPTY, 0, RPC_ADD, NULL, RPC_DONE }, /* an ADD confirms */
};

START_TEST(an_answer_is_taken_in_whatever_pieces_it_comes)
{
        const struct script script = { .say = answers[_i].say, .step = answers[_i].step };
        struct rpc_reply reply = { .code = 4711 };
        struct server server;
        struct err err;

        server_start(&server, &script);
        unit_assert_ok(ask(server.path, answers[_i].op, PATIENT_MS, &reply, &err), &err);
        server_end(&server);
        ck_assert(server.got_request);
        ck_assert_int_eq(server.request.op, answers[_i].op);
        ck_assert_int_eq(reply.code, 0);
        ck_assert_pstr_eq(reply.document, answers[_i].document);
        ck_assert_str_eq(server.tail, answers[_i].tail);
        ck_assert_uint_eq(server.passed.st_ino, 0);
        rpc_request_done(&server.request);
        rpc_reply_done(&reply);
}
END_TEST

START_TEST(the_descriptor_goes_with_the_request)
{
        const struct script script = { .say = RPC_HELLO EMPTY };
        const struct rpc_request asked = request(RPC_DEL);
        const struct trust trust = trust_base();
        struct rpc_reply reply = { 0 };
        struct server server;
        struct stat own;
        struct err err;
        int fd;

        server_start(&server, &script);
        fd = open(server.dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        ck_assert_int_eq(fstat(fd, &own), 0);
        unit_assert_ok(
                client_ask(&trust, server.path, &asked, fd, PATIENT_MS, PATIENT_MS, &reply, &err),
                &err);
        ck_assert_int_eq(close(fd), 0); /* it is still ours */
        server_end(&server);
        ck_assert(server.got_request);
        ck_assert_uint_eq(server.passed.st_ino, own.st_ino);
        ck_assert_str_eq(server.request.netns, "/run/netns/a");
        rpc_request_done(&server.request);
}
END_TEST

START_TEST(a_refusal_is_told_as_the_daemon_says_it)
{
        const struct script script = {
                .say = RPC_HELLO
                "cni-ipam 1 61\n"
                "{\"code\":11,\"msg\":\"no more tries\",\"details\":\"nothing on eth0\"}\n",
        };
        struct rpc_reply reply = { .code = 4711 };
        struct server server;
        struct err err;

        server_start(&server, &script);
        ck_assert_int_eq(ask(server.path, RPC_ADD, PATIENT_MS, &reply, &err), CLIENT_REFUSED);
        server_end(&server);
        ck_assert_str_eq(err.msg, "no more tries");
        ck_assert_str_eq(err.details, "nothing on eth0");
        ck_assert_int_eq(err.code, 11);
        ck_assert_str_eq(server.tail, ""); /* nothing to confirm */
        ck_assert_int_eq(reply.code, 4711);
        rpc_request_done(&server.request);
}
END_TEST

START_TEST(a_list_and_a_release_ask_for_just_that)
{
        static char id[] = "c1", network[] = "net", ifname[] = "eth0";
        const struct script listing = { .say = RPC_HELLO "cni-ipam 1 16\n{\"document\":\"x\"}" };
        const struct script releasing = { .say = RPC_HELLO EMPTY };
        const struct key key = { id, network, ifname };
        const struct trust trust = trust_base();
        _cleanup_(freep) char *document = NULL;
        struct server server;
        struct err err;

        server_start(&server, &listing);
        unit_assert_ok(client_list(&trust, server.path, "net", &document, &err), &err);
        server_end(&server);
        ck_assert_str_eq(document, "x");
        ck_assert_int_eq(server.request.op, RPC_LIST);
        ck_assert_str_eq(server.request.key.network, "net");
        rpc_request_done(&server.request);
        server_start(&server, &releasing);
        unit_assert_ok(client_release(&trust, server.path, &key, "/run/netns/b", -1, &err), &err);
        server_end(&server);
        ck_assert_int_eq(server.request.op, RPC_DEL);
        ck_assert(key_equal(&server.request.key, &key));
        ck_assert_str_eq(server.request.netns, "/run/netns/b");
        rpc_request_done(&server.request);
        server_start(&server, &releasing);
        unit_assert_err(client_list(&trust, server.path, "", &document, &err), &err, CNI_ERR_DECODE,
                        "the daemon's reply has no list");
        server_end(&server);
        rpc_request_done(&server.request);
}
END_TEST

/* ---- no answers ---- */

static const struct {
        struct script script;
        bool never; /* it would be waited for in vain */
        const char *want;
} absences[] = {
        { { .say = NULL }, true, "nobody says hello in time" },
        { { .say = "hel" }, true, "nobody says hello in time" },
        { { .say = NULL, .hang_up = true }, false, "it hung up without an answer" },
        { { .say = NULL, .hang_up = true, .deaf = true }, false, "it hung up without an answer" },
        { { .say = "hel", .hang_up = true }, false, "it hung up without an answer" },
        { { .say = RPC_HELLO }, true, "it does not answer in time" },
        { { .say = RPC_HELLO "cni-ipam 1 2\n{" }, true, "it does not answer in time" },
        { { .say = RPC_HELLO, .hang_up = true }, false, "it hung up without an answer" },
        { { .say = RPC_HELLO "cni-ipam 1 2\n{", .hang_up = true },
          false,
          "it hung up without an answer" },
        { { .say = "HTTP/1.1 400 Bad Request\r\n\r\n400 Bad Request", .hang_up = true },
          false,
          "an upstream Go dhcp daemon owns the socket" },
        { { .say = "HTTP/1.1 400 Bad Request\r\n\r\n", .hang_up = true, .deaf = true },
          false,
          "an upstream Go dhcp daemon owns the socket" },
        { { .say = "HTTP/1.1 400 Bad Request\r\n", .step = 1 },
          false,
          "an upstream Go dhcp daemon owns the socket" },
        { { .say = "SSH-2.0-x\r\n" }, false, "no dhcp daemon of cni-ipam owns the socket" },
        { { .say = "cni-ipam 1 2\n{}" }, false, "no dhcp daemon of cni-ipam owns the socket" },
        { { .say = RPC_HELLO EMPTY, .shut = true },
          false,
          "it hung up before its answer was confirmed" },
};

START_TEST(whoever_does_not_answer_is_absent)
{
        struct rpc_reply reply = { .code = 4711 };
        struct server server;
        struct err err;
        int r;

        server_start(&server, &absences[_i].script);
        r = ask(server.path, RPC_ADD, absences[_i].never ? IMPATIENT_MS : PATIENT_MS, &reply, &err);
        server_end(&server);
        ck_assert_int_eq(r, CLIENT_ABSENT);
        ck_assert_str_eq(err.msg, dialing(server.path, absences[_i].want));
        ck_assert_int_eq(err.code, CNI_ERR_TRY_LATER);
        ck_assert_int_eq(reply.code, 4711);
        rpc_request_done(&server.request);
}
END_TEST

static const struct {
        const char *say, *want;
} nonsense[] = {
        { RPC_HELLO "cni-ipam 2 2\n{}", "this is no frame of cni-ipam 1" },
        { RPC_HELLO "cni-ipam 1 67108865\n", "frame longer than 67108864 bytes" },
        { RPC_HELLO "cni-ipam 1 2\n[]",
          "reply frame: the configuration: must be an object, not a list" },
        { RPC_HELLO "cni-ipam 1 10\n{\"code\":7}", "reply frame: msg is missing or no good" },
};

START_TEST(an_answer_that_is_none_is_an_error)
{
        const struct script script = { .say = nonsense[_i].say };
        struct rpc_reply reply = { .code = 4711 };
        struct server server;
        struct err err;
        int r;

        server_start(&server, &script);
        r = ask(server.path, RPC_ADD, PATIENT_MS, &reply, &err);
        server_end(&server);
        unit_assert_err(r, &err, CNI_ERR_DECODE, nonsense[_i].want);
        ck_assert_str_eq(server.tail, "");
        rpc_request_done(&server.request);
}
END_TEST

START_TEST(a_request_that_is_none_is_not_sent)
{
        const struct script script = { .say = NULL };
        struct rpc_request asked = request(RPC_DEL);
        const struct trust trust = trust_base();
        struct rpc_reply reply = { 0 };
        struct server server;
        struct err err;

        asked.key.ifname = NULL;
        server_start(&server, &script);
        unit_assert_err(
                client_ask(&trust, server.path, &asked, -1, PATIENT_MS, PATIENT_MS, &reply, &err),
                &err, CNI_ERR_INTERNAL, "ifname is missing or no good");
        server_end(&server);
        ck_assert(!server.got_request);
}
END_TEST

/* ---- no connection ---- */

START_TEST(without_a_socket_nobody_is_there)
{
        char dir[UNIT_PATH_MAX], path[UNIT_PATH_MAX];
        struct rpc_reply reply;
        struct err err;

        unit_path(unit_dir(dir), "no/dhcp.sock", path);
        ck_assert_int_eq(ask(path, RPC_ADD, PATIENT_MS, &reply, &err), CLIENT_ABSENT);
        ck_assert_str_eq(err.msg, dialing(path, "connect: no such file or directory"));
        unit_path(dir, "dhcp.sock", path);
        ck_assert_int_eq(ask(path, RPC_ADD, PATIENT_MS, &reply, &err), CLIENT_ABSENT);
        ck_assert_str_eq(err.msg, dialing(path, "connect: no such file or directory"));
        ck_assert_int_eq(err.code, CNI_ERR_TRY_LATER);
        unit_write(dir, "dhcp.sock", "");
        ck_assert_int_eq(ask(path, RPC_ADD, PATIENT_MS, &reply, &err), CLIENT_ABSENT);
        ck_assert_str_eq(err.msg, dialing(path, "connect: connection refused"));
}
END_TEST

START_TEST(a_socket_without_a_listener_is_nobody)
{
        char dir[UNIT_PATH_MAX], path[UNIT_PATH_MAX];
        struct rpc_reply reply;
        struct err err;

        close(make_socket(unit_path(unit_dir(dir), "dhcp.sock", path)));
        ck_assert_int_eq(ask(path, RPC_ADD, PATIENT_MS, &reply, &err), CLIENT_ABSENT);
        ck_assert_str_eq(err.msg, dialing(path, "connect: connection refused"));
}
END_TEST

START_TEST(a_listener_that_accepts_nobody_is_not_waited_for)
{
        char dir[UNIT_PATH_MAX], path[UNIT_PATH_MAX];
        int listener = make_socket(unit_path(unit_dir(dir), "dhcp.sock", path));
        struct rpc_reply reply;
        struct err err;

        ck_assert_int_eq(listen(listener, 0), 0);
        /* The first one finds room, and nobody who answers. */
        ck_assert_int_eq(ask(path, RPC_STATUS, IMPATIENT_MS, &reply, &err), CLIENT_ABSENT);
        ck_assert_str_eq(err.msg, dialing(path, "nobody says hello in time"));
        ck_assert_int_eq(ask(path, RPC_STATUS, IMPATIENT_MS, &reply, &err), CLIENT_ABSENT);
        ck_assert_str_eq(err.msg, dialing(path, "connect: it takes no connection in time"));
        close(listener);
}
END_TEST

START_TEST(a_path_may_be_longer_than_an_address)
{
        const struct script script = { .say = RPC_HELLO EMPTY };
        char deep[UNIT_PATH_MAX], name[201], path[UNIT_PATH_MAX];
        struct rpc_reply reply = { 0 };
        struct server server;
        struct err err;

        server_start(&server, &script);
        memset(name, 'd', 200);
        name[200] = '\0';
        ck_assert_int_eq(mkdir(unit_path(server.dir, name, deep), 0755), 0);
        ck_assert_int_eq(rename(server.path, unit_path(deep, "dhcp.sock", path)), 0);
        unit_assert_ok(ask(path, RPC_STATUS, PATIENT_MS, &reply, &err), &err);
        server_end(&server);
        rpc_request_done(&server.request);
}
END_TEST

/* ---- trust ---- */

START_TEST(a_path_that_is_not_allowed_is_not_asked)
{
        const struct rpc_request asked = request(RPC_STATUS);
        const struct trust none = { 0 };
        char dir[UNIT_PATH_MAX], path[UNIT_PATH_MAX], want[2 * UNIT_PATH_MAX];
        struct rpc_reply reply;
        struct err err = { 0 };
        int listener = make_socket(unit_path(unit_dir(dir), "dhcp.sock", path));
        struct pollfd poll_fd = { .fd = listener, .events = POLLIN };

        ck_assert_int_eq(listen(listener, 8), 0);
        (void)snprintf(want, sizeof(want),
                       "%s is not below a directory that configuration may name", path);
        unit_assert_err(client_ask(&none, path, &asked, -1, PATIENT_MS, PATIENT_MS, &reply, &err),
                        &err, CNI_ERR_CONFIG, want);
        ck_assert_int_eq(chmod(dir, 0777), 0);
        (void)snprintf(want, sizeof(want), "%s is not trusted: '%s' is writable by everyone", path,
                       strrchr(dir, '/') + 1);
        unit_assert_err(ask(path, RPC_STATUS, PATIENT_MS, &reply, &err), &err, CNI_ERR_CONFIG,
                        want);
        ck_assert_int_eq(poll(&poll_fd, 1, 0), 0);
        close(listener);
}
END_TEST

START_TEST(a_strangers_daemon_is_told_nothing)
{
        char dir[UNIT_PATH_MAX], path[UNIT_PATH_MAX], want[2 * UNIT_PATH_MAX], byte;
        int listener = make_socket(unit_path(unit_dir(dir), "dhcp.sock", path)), fd;
        struct rpc_reply reply;
        struct err err;

        ck_assert_int_eq(seteuid(65534), 0);
        ck_assert_int_eq(listen(listener, 8), 0);
        ck_assert_int_eq(seteuid(0), 0);
        (void)snprintf(want, sizeof(want), "%s is not trusted: user 65534 listens there", path);
        unit_assert_err(ask(path, RPC_STATUS, PATIENT_MS, &reply, &err), &err, CNI_ERR_CONFIG,
                        want);
        fd = accept(listener, NULL, NULL);
        ck_assert_int_ge(fd, 0);
        ck_assert_int_eq(recv(fd, &byte, 1, 0), 0);
        close(fd);
        close(listener);
}
END_TEST

static void add(TCase *tests)
{
        unit_add_table(tests, an_answer_is_taken_in_whatever_pieces_it_comes, answers);
        tcase_add_test(tests, the_descriptor_goes_with_the_request);
        tcase_add_test(tests, a_refusal_is_told_as_the_daemon_says_it);
        tcase_add_test(tests, a_list_and_a_release_ask_for_just_that);
        unit_add_table(tests, whoever_does_not_answer_is_absent, absences);
        unit_add_table(tests, an_answer_that_is_none_is_an_error, nonsense);
        tcase_add_test(tests, a_request_that_is_none_is_not_sent);
        tcase_add_test(tests, without_a_socket_nobody_is_there);
        tcase_add_test(tests, a_socket_without_a_listener_is_nobody);
        tcase_add_test(tests, a_listener_that_accepts_nobody_is_not_waited_for);
        tcase_add_test(tests, a_path_may_be_longer_than_an_address);
        tcase_add_test(tests, a_path_that_is_not_allowed_is_not_asked);
        if (unit_is_root("a daemon of another user"))
                tcase_add_test(tests, a_strangers_daemon_is_told_nothing);
}

UNIT_MAIN("client", add)
