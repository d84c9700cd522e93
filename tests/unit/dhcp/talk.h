/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_DHCP_TALK_H
#define TESTS_DHCP_TALK_H

/*
 * A service in a loop, and plugins that talk to it, all in one process. The loop runs until what a
 * test waits for has come; what does not come is ended by the test's time limit.
 */

#include <sys/socket.h>
#include <sys/un.h>

#include "serve.h"
#include "unit.h"

#define SOCKET_NAME "dhcp.sock"

/* The service, and what its handler saw. */
struct service {
        struct loop *loop;
        struct serve *serve;
        char dir[UNIT_PATH_MAX], path[UNIT_PATH_MAX];
        bool answer_at_once; /* with nothing */
        bool stop_on_request, stop_on_end;
        struct serve_call *call; /* the last one that came */
        unsigned requests, done, lost;
        bool replying; /* inside serve_reply() */
};

static inline void reply(struct service *service, struct serve_call *call,
                         const struct rpc_reply *text)
{
        service->replying = true;
        serve_reply(call, text);
        service->replying = false;
}

static inline void on_request(void *user, struct serve_call *call)
{
        const struct rpc_reply nothing = { 0 };
        struct service *service = user;

        service->requests++;
        service->call = call;
        if (service->stop_on_request)
                loop_stop(service->loop);
        if (service->answer_at_once)
                reply(service, call, &nothing);
}

static inline void on_ended(void *user, struct serve_call *call, bool done)
{
        struct service *service = user;

        ck_assert(!service->replying);
        ck_assert_ptr_nonnull(call->request);
        if (done)
                service->done++;
        else
                service->lost++;
        if (service->stop_on_end)
                loop_stop(service->loop);
}

static const struct serve_handler handler = { on_request, on_ended };

static inline int service_listen(struct service *service, gid_t gid)
{
        struct err err;
        int fd = -1;

        unit_path(unit_dir(service->dir), SOCKET_NAME, service->path);
        unit_assert_ok(serve_listen(service->path, gid, &fd, &err), &err);
        return fd;
}

static inline void service_init(struct service *service, gid_t gid)
{
        int fd;
        struct err err;

        *service = (struct service){ .stop_on_request = true, .stop_on_end = true };
        fd = service_listen(service, gid);
        unit_assert_ok(loop_new(&service->loop, &err), &err);
        unit_assert_ok(serve_new(service->loop, fd, gid, &handler, service, &service->serve, &err),
                       &err);
}

static inline void service_done(struct service *service)
{
        serve_free(service->serve);
        loop_free(service->loop);
}

/* Runs until something stops the loop. */
static inline void service_run(struct service *service)
{
        struct err err;

        unit_assert_ok(loop_run(service->loop, &err), &err);
}

/* ---- waiting ---- */

struct waiter {
        struct loop_source source;
        struct loop *loop;
};

static inline void waiter_ready(struct loop_source *source, _unused_ uint32_t events,
                                _unused_ int64_t now_ms)
{
        loop_stop(CONTAINER_OF(source, struct waiter, source)->loop);
}

/* Runs until there is something to read; all else that happens meanwhile does not stop it. */
static inline void wait_to_read(struct service *service, int fd)
{
        bool on_requests = service->stop_on_request, on_ends = service->stop_on_end;
        struct waiter waiter = { .source.ready = waiter_ready, .loop = service->loop };
        struct err err;

        service->stop_on_request = service->stop_on_end = false;
        unit_assert_ok(loop_watch(service->loop, &waiter.source, fd, EPOLLIN, &err), &err);
        service_run(service);
        loop_unwatch(service->loop, &waiter.source);
        service->stop_on_request = on_requests;
        service->stop_on_end = on_ends;
}

/* ---- plugins ---- */

/* A connection, or -errno. */
static inline int try_to_plug_in(const char *path)
{
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        _cleanup_(closep) int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

        ck_assert_int_ge(fd, 0);
        ck_assert_uint_lt(strlen(path), sizeof(address.sun_path));
        memcpy(address.sun_path, path, strlen(path));
        if (connect(fd, (const struct sockaddr *)&address, sizeof(address)) < 0)
                return -errno;
        return TAKE_FD(fd);
}

static inline int plug_in(const char *path)
{
        int fd = try_to_plug_in(path);

        ck_assert_msg(fd >= 0, "connect to %s: %s", path, strerror(-fd));
        return fd;
}

static inline void say(int fd, const char *bytes, size_t len)
{
        ck_assert_int_eq(send(fd, bytes, len, MSG_NOSIGNAL), (ssize_t)len);
}

/* Says it with descriptors. */
static inline void say_with(int fd, const char *bytes, size_t len, const int *fds, size_t count)
{
        union {
                struct cmsghdr aligned;
                char bytes[CMSG_SPACE(8 * sizeof(int))];
        } control = { 0 };
        char copy[4096];
        struct iovec iov = { .iov_base = copy, .iov_len = len };
        struct msghdr msg = { .msg_iov = &iov,
                              .msg_iovlen = 1,
                              .msg_control = control.bytes,
                              .msg_controllen = CMSG_SPACE(count * sizeof(int)) };
        struct cmsghdr *header = CMSG_FIRSTHDR(&msg);

        ck_assert_uint_le(count, 8);
        ck_assert_uint_le(len, sizeof(copy));
        memcpy(copy, bytes, len);
        header->cmsg_level = SOL_SOCKET;
        header->cmsg_type = SCM_RIGHTS;
        header->cmsg_len = CMSG_LEN(count * sizeof(int));
        memcpy(CMSG_DATA(header), fds, count * sizeof(int));
        ck_assert_int_eq(sendmsg(fd, &msg, MSG_NOSIGNAL), (ssize_t)len);
}

/* The frame of a request, as a plugin would send it. */
static inline void put_request(struct buf *frame, enum rpc_op op)
{
        char id[] = "c1", network[] = "n", ifname[] = "eth0", netns[] = "/run/netns/x";
        struct rpc_request request = { .op = op,
                                       .key = { id, network, ifname },
                                       .netns = netns,
                                       .profile.parameters = { 1, 3 },
                                       .profile.parameter_count = 2 };
        struct err err;

        buf_init(frame, RPC_REQUEST_MAX + RPC_HEAD_MAX);
        unit_assert_ok(rpc_encode_request(&request, frame, &err), &err);
}

static inline void ask(int fd, enum rpc_op op)
{
        _cleanup_(buf_done) struct buf frame;

        put_request(&frame, op);
        say(fd, frame.text, frame.len);
}

/* Connects, asks, and runs until the handler has the request. */
static inline int plug_in_and_ask(struct service *service, enum rpc_op op)
{
        int fd = plug_in(service->path);

        ask(fd, op);
        service_run(service);
        ck_assert_ptr_nonnull(service->call);
        ck_assert_int_eq(service->call->request->op, op);
        return fd;
}

/* Reads `len` bytes. */
static inline void hear(struct service *service, int fd, char *bytes, size_t len)
{
        while (len > 0) {
                ssize_t n;

                wait_to_read(service, fd);
                n = recv(fd, bytes, len, MSG_DONTWAIT);
                ck_assert_msg(n > 0, "%zu bytes lack: %s", len, n < 0 ? strerror(errno) : "end");
                bytes += n;
                len -= (size_t)n;
        }
}

static inline void hear_hello(struct service *service, int fd)
{
        char text[sizeof(RPC_HELLO)] = "";

        hear(service, fd, text, strlen(RPC_HELLO));
        ck_assert_str_eq(text, RPC_HELLO);
}

static inline void hear_end(struct service *service, int fd)
{
        char byte;
        ssize_t n;

        wait_to_read(service, fd);
        n = recv(fd, &byte, 1, MSG_DONTWAIT);
        /* Bytes that the service did not read make it a reset. */
        ck_assert_msg(n == 0 || (n < 0 && errno == ECONNRESET), "%zd", n);
}

/* Reads a reply behind the hello. */
static inline void hear_reply(struct service *service, int fd, struct rpc_reply *ret)
{
        char first[RPC_HEAD_MAX] = "";
        size_t at = 0, head, len;
        char *text;
        struct err err;

        do {
                ck_assert_uint_lt(at, sizeof(first));
                hear(service, fd, &first[at], 1);
        } while (first[at++] != '\n');
        unit_assert_ok(rpc_head(first, at, RPC_REPLY_MAX, &head, &len, &err), &err);
        ck_assert_uint_eq(head, at);
        text = calloc(1, len + 1);
        ck_assert_ptr_nonnull(text);
        hear(service, fd, text, len);
        *ret = (struct rpc_reply){ 0 };
        unit_assert_ok(rpc_decode_reply(text, len, ret, &err), &err);
        free(text);
}

#endif
