/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A connection goes through its phases one way only. Whatever happens to it, it ends in one place,
 * end_connection(), and there alone the handler hears of it: from a descriptor's or a timer's turn,
 * never from inside serve_reply(). What goes wrong in there sets the timer for at once.
 *
 * The timer of a connection is set as long as there is one (INT64_MAX where nothing presses), since
 * moving a timer cannot fail.
 */
#include "serve.h"

#include <assert.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/socket.h>

#include "core/log.h"

#define BLOCK           16384
#define ACCEPTED_MAX    64   /* in one turn */
#define LISTEN_AGAIN_MS 1000 /* after accept() failed: descriptors or memory ran out */
#define HELLO_MS        200  /* after this the hello does not wait for the reply any more */

/* A Go client prints the text behind "HTTP/1.0". */
static const char http_refusal[] = "HTTP/1.0 426 This dhcp daemon belongs to cni-ipam and speaks "
                                   "with the dhcp plugin of cni-ipam only\r\n\r\n";

enum phase {
        PHASE_REQUEST, /* is arriving */
        PHASE_HANDLER, /* has the request */
        PHASE_REPLY,   /* is being written */
        PHASE_CONFIRM, /* RPC_DONE is awaited */
        PHASE_OVER,    /* `done` says how */
};

struct connection {
        struct serve_call call;
        struct rpc_request request;
        struct serve *serve;
        struct connection *previous, *next;
        struct loop_source source;
        struct loop_timer timer;
        int fd;
        struct ucred peer;
        enum phase phase;
        bool called;       /* the handler knows it */
        bool must_confirm; /* an ADD that succeeded */
        bool garbled;      /* an ADD that succeeded, and whose reply could not be composed */
        bool done;
        struct buf in, out; /* what has come; what goes: hello and reply */
        size_t sent;        /* of `out` */
        size_t heard;       /* of RPC_DONE */
};

struct serve {
        struct loop *loop; /* borrowed */
        int listen_fd;     /* owned; -1: stopped */
        gid_t gid;
        const struct serve_handler *handler;
        void *user;
        struct loop_source listener;
        struct loop_timer again; /* to listen again */
        struct connection *first;
        size_t count;
};

static void resume_listening(struct serve *serve);

/* ---- the end ---- */

static void set_timer(struct connection *c, int64_t due_ms)
{
        struct err err;
        int r = loop_set_timer(c->serve->loop, &c->timer, due_ms, &err);

        assert(r == 0); /* it is set already */
        (void)r;
}

/* Nothing more happens on this connection but its end. */
static void finish(struct connection *c, bool done)
{
        c->phase = PHASE_OVER;
        c->done = done;
        loop_unwatch(c->serve->loop, &c->source);
        set_timer(c, loop_now_ms(c->serve->loop));
}

static void free_connection(struct connection *c)
{
        rpc_request_done(&c->request);
        closep(&c->call.netns_fd);
        closep(&c->fd);
        buf_done(&c->in);
        buf_done(&c->out);
        free(c);
}

static void end_connection(struct connection *c)
{
        struct serve *serve = c->serve;

        c->phase = PHASE_OVER;
        loop_unwatch(serve->loop, &c->source);
        loop_cancel_timer(serve->loop, &c->timer);
        if (c->previous)
                c->previous->next = c->next;
        else
                serve->first = c->next;
        if (c->next)
                c->next->previous = c->previous;
        serve->count--;
        if (c->called)
                serve->handler->ended(serve->user, &c->call, c->done);
        free_connection(c);
        resume_listening(serve);
}

/* ---- the reply ---- */

static void watch(struct connection *c, uint32_t events)
{
        struct err err;

        if (c->source.events == events ||
            loop_watch(c->serve->loop, &c->source, c->fd, events, &err) == 0)
                return;
        log_line(LOG_LEVEL_WARNING, "process %d: %s", c->peer.pid, err.msg);
        finish(c, false);
}

/* Writes what the connection takes now. */
static void flush(struct connection *c)
{
        while (c->sent < c->out.len) {
                ssize_t n = send(c->fd, c->out.text + c->sent, c->out.len - c->sent, MSG_NOSIGNAL);

                if (n >= 0) {
                        c->sent += (size_t)n;
                        continue;
                }
                if (errno == EAGAIN)
                        watch(c, EPOLLOUT);
                else if (errno != EINTR)
                        finish(c, false);
                if (errno != EINTR)
                        return;
        }
        if (!c->must_confirm) {
                finish(c, !c->garbled);
                return;
        }
        c->phase = PHASE_CONFIRM;
        watch(c, EPOLLIN);
}

/* `out` is complete. */
static void begin_reply(struct connection *c)
{
        c->phase = PHASE_REPLY;
        set_timer(c, loop_now_ms(c->serve->loop) + SERVE_REQUEST_MS);
        flush(c);
}

/* Says hello alone. It is the first thing that is written, so there is room. */
static void greet(struct connection *c)
{
        const size_t len = strlen(RPC_HELLO);

        if (c->sent > 0)
                return;
        if (send(c->fd, RPC_HELLO, len, MSG_NOSIGNAL) == (ssize_t)len)
                c->sent = len;
        else
                finish(c, false);
}

/* Puts all that goes into `out`. Returns as rpc_encode_reply(). */
static int encode(struct connection *c, const struct rpc_reply *reply, struct err *err)
{
        buf_done(&c->out);
        buf_puts(&c->out, RPC_HELLO);
        return rpc_encode_reply(reply, &c->out, err);
}

static int encode_error(struct connection *c, const struct err *error, struct err *err)
{
        struct err copy = *error;
        const struct rpc_reply reply = { .code = copy.code,
                                         .msg = copy.msg,
                                         .details = copy.details };

        return encode(c, &reply, err);
}

static void reply_error(struct connection *c, const struct err *error)
{
        struct err err;

        c->must_confirm = false;
        if (encode_error(c, error, &err) < 0) {
                log_line(LOG_LEVEL_ERROR, "process %d gets no reply: %s", c->peer.pid, err.msg);
                finish(c, false);
                return;
        }
        begin_reply(c);
}

void serve_reply(struct serve_call *call, const struct rpc_reply *reply)
{
        struct connection *c = CONTAINER_OF(call, struct connection, call);
        struct err err;

        if (c->phase == PHASE_OVER)
                return; /* nobody is there any more */
        assert(c->phase == PHASE_HANDLER);
        c->must_confirm = c->request.op == RPC_ADD && reply->code == 0;
        if (encode(c, reply, &err) < 0) {
                c->garbled = c->must_confirm;
                reply_error(c, &err);
        } else {
                begin_reply(c);
        }
}

void serve_refuse(struct serve_call *call, const struct err *err)
{
        struct connection *c = CONTAINER_OF(call, struct connection, call);

        if (c->phase == PHASE_OVER)
                return;
        if (c->phase != PHASE_HANDLER)
                finish(c,
                       false); /* its reply is on the way: a plugin that cannot confirm it fails */
        else
                reply_error(c, err);
}

/* ---- the request ---- */

/* Keeps the first descriptor that came; closes all others. */
static void take_descriptors(struct connection *c, const struct cmsghdr *header)
{
        const unsigned char *data = CMSG_DATA(header);
        size_t len = (size_t)header->cmsg_len - CMSG_LEN(0);

        for (size_t at = 0; at + sizeof(int) <= len; at += sizeof(int)) {
                int fd;

                memcpy(&fd, data + at, sizeof(fd));
                if (c->call.netns_fd < 0)
                        c->call.netns_fd = fd;
                else
                        close(fd);
        }
}

/* As recv(2), with descriptors. */
static ssize_t receive(struct connection *c, void *bytes, size_t size)
{
        union {
                struct cmsghdr aligned;
                char bytes[CMSG_SPACE(4 * sizeof(int))]; /* what has no room, the kernel closes */
        } control;
        struct iovec iov = { .iov_base = bytes, .iov_len = size };
        struct msghdr msg = { .msg_iov = &iov,
                              .msg_iovlen = 1,
                              .msg_control = control.bytes,
                              .msg_controllen = sizeof(control.bytes) };
        ssize_t n = recvmsg(c->fd, &msg, MSG_CMSG_CLOEXEC);
        const struct cmsghdr *header;

        /* Nothing but descriptors can come: nothing else was asked for. */
        header = n < 0 ? NULL : CMSG_FIRSTHDR(&msg);
        if (header && header->cmsg_level == SOL_SOCKET && header->cmsg_type == SCM_RIGHTS)
                take_descriptors(c, header);
        return n;
}

/* Receives into `in`. Returns whether there is something new; the end, if it came, is seen to. */
static bool receive_more(struct connection *c)
{
        char block[BLOCK];
        ssize_t n = receive(c, block, sizeof(block));

        if (n < 0 && (errno == EAGAIN || errno == EINTR))
                return false;
        if (n > 0)
                buf_append(&c->in, block, (size_t)n);
        if (n <= 0 || c->in.failed) {
                finish(c, false);
                return false;
        }
        return true;
}

static void complain(const struct connection *c, const char *what)
{
        log_line(LOG_LEVEL_WARNING, "process %d of user %u on the socket: %s", c->peer.pid,
                 c->peer.uid, what);
}

static void take_request(struct connection *c, const char *text, size_t len)
{
        struct serve *serve = c->serve;
        struct err err;
        int r = rpc_decode_request(text, len, &c->request, &err);

        buf_done(&c->in);
        if (r < 0) {
                complain(c, err.msg);
                reply_error(c, &err);
                return;
        }
        c->called = true;
        c->phase = PHASE_HANDLER;
        set_timer(c, loop_now_ms(serve->loop) + HELLO_MS);
        serve->handler->request(serve->user, &c->call);
}

static void turn_away(struct connection *c)
{
        complain(c, "a Go dhcp plugin, which cannot be served");
        buf_puts(&c->out, http_refusal);
        begin_reply(c);
}

static void on_request_bytes(struct connection *c)
{
        size_t head = 0, len = 0;
        struct err err;
        int r;

        if (!receive_more(c))
                return;
        r = rpc_head(c->in.text, c->in.len, RPC_REQUEST_MAX, &head, &len, &err);
        if (r == RPC_HTTP) {
                turn_away(c);
                return;
        }
        if (r == 0 && c->in.len - head > len)
                r = err_text(&err, -EPROTO, CNI_ERR_DECODE, "more than one request");
        if (r < 0) {
                complain(c, err.msg);
                finish(c, false);
                return;
        }
        if (r == 0 && c->in.len - head == len)
                take_request(c, c->in.text + head, len);
        else if (r == 0 || c->in.text[0] < 'A' || c->in.text[0] > 'Z')
                greet(c); /* half a word of HTTP begins with a capital letter */
}

/* While the handler has the request, nothing is to come but the end. */
static void on_early_bytes(struct connection *c)
{
        if (!receive_more(c))
                return;
        complain(c, "more than one request");
        finish(c, false);
}

/* Needs no memory: a lease that the plugin has confirmed must not be taken back for the lack of it.
 */
static void on_confirmation(struct connection *c)
{
        const size_t left = strlen(RPC_DONE) - c->heard;
        char block[sizeof(RPC_DONE)];
        ssize_t n = receive(c, block, sizeof(block));

        if (n < 0 && (errno == EAGAIN || errno == EINTR))
                return;
        if (n <= 0 || (size_t)n > left || memcmp(block, &RPC_DONE[c->heard], (size_t)n) != 0) {
                finish(c, false);
                return;
        }
        c->heard += (size_t)n;
        if (c->heard == strlen(RPC_DONE))
                finish(c, true);
}

static void on_ready(struct loop_source *source, _unused_ uint32_t events, _unused_ int64_t now_ms)
{
        static void (*const steps[])(struct connection *) = {
                [PHASE_REQUEST] = on_request_bytes,
                [PHASE_HANDLER] = on_early_bytes,
                [PHASE_REPLY] = flush,
                [PHASE_CONFIRM] = on_confirmation,
        };
        struct connection *c = CONTAINER_OF(source, struct connection, source);

        steps[c->phase](c); /* PHASE_OVER is not watched */
        if (c->phase == PHASE_OVER)
                end_connection(c);
}

static void on_due(struct loop_timer *timer, _unused_ int64_t now_ms)
{
        struct connection *c = CONTAINER_OF(timer, struct connection, timer);

        if (c->phase == PHASE_HANDLER) { /* it takes its time */
                set_timer(c, INT64_MAX);
                greet(c);
                return;
        }
        if (c->phase == PHASE_CONFIRM)
                on_confirmation(c); /* it may have come while we were kept from reading it */
        if (c->phase == PHASE_REQUEST && c->in.len > 0)
                complain(c, "the rest of the request did not come");
        else if (c->phase == PHASE_REPLY || c->phase == PHASE_CONFIRM)
                complain(c, "the reply was not taken");
        end_connection(c);
}

/* ---- listening ---- */

static bool is_member(int fd, gid_t gid)
{
        socklen_t len = 0;
        _cleanup_(freep) gid_t *groups = NULL;

        /* The first call tells how much room they need. */
        if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, NULL, &len) == 0 || errno != ERANGE)
                return false;
        groups = malloc(len);
        if (!groups || getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups, &len) < 0)
                return false;
        for (size_t i = 0; i < len / sizeof(*groups); i++)
                if (groups[i] == gid)
                        return true;
        return false;
}

static bool may_speak(const struct serve *serve, int fd, struct ucred *ret_peer)
{
        socklen_t len = sizeof(*ret_peer);

        if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, ret_peer, &len) < 0)
                return false;
        if (ret_peer->uid == 0 || ret_peer->uid == geteuid())
                return true;
        if (serve->gid != 0 && (ret_peer->gid == serve->gid || is_member(fd, serve->gid)))
                return true;
        log_line(LOG_LEVEL_WARNING, "process %d of user %u was refused: it may not use the socket",
                 ret_peer->pid, ret_peer->uid);
        return false;
}

/* Takes the descriptor over. */
static int add_connection(struct serve *serve, int fd, const struct ucred *peer, struct err *err)
{
        struct connection *c = calloc(1, sizeof(*c));
        int r;

        if (!c) {
                closep(&fd);
                return err_oom(err);
        }
        *c = (struct connection){ .call = { .request = &c->request, .netns_fd = -1 },
                                  .serve = serve,
                                  .source.ready = on_ready,
                                  .timer.due = on_due,
                                  .fd = fd,
                                  .peer = *peer };
        buf_init(&c->in, RPC_HEAD_MAX + RPC_REQUEST_MAX);
        buf_init(&c->out, strlen(RPC_HELLO) + RPC_HEAD_MAX + RPC_REPLY_MAX);
        r = loop_set_timer(serve->loop, &c->timer, loop_now_ms(serve->loop) + SERVE_REQUEST_MS,
                           err);
        if (r == 0)
                r = loop_watch(serve->loop, &c->source, fd, EPOLLIN, err);
        if (r < 0) {
                loop_cancel_timer(serve->loop, &c->timer);
                free_connection(c);
                return r;
        }
        c->next = serve->first;
        if (c->next)
                c->next->previous = c;
        serve->first = c;
        serve->count++;
        return 0;
}

/* Stops listening for a while, or until a connection ends. Otherwise the loop would turn and turn.
 */
static void pause_listening(struct serve *serve, int64_t until_ms)
{
        struct err err;

        if (loop_set_timer(serve->loop, &serve->again, until_ms, &err) == 0)
                loop_unwatch(serve->loop, &serve->listener);
}

static void resume_listening(struct serve *serve)
{
        struct err err;

        if (serve->listen_fd < 0 || serve->listener.events != 0)
                return;
        if (loop_watch(serve->loop, &serve->listener, serve->listen_fd, EPOLLIN, &err) < 0) {
                log_line(LOG_LEVEL_WARNING, "%s", err.msg);
                pause_listening(serve, loop_now_ms(serve->loop) + LISTEN_AGAIN_MS);
        }
}

static void on_again(struct loop_timer *timer, _unused_ int64_t now_ms)
{
        resume_listening(CONTAINER_OF(timer, struct serve, again));
}

/* Returns false when there is nobody else to accept now. */
static bool accept_one(struct serve *serve)
{
        struct ucred peer = { 0 };
        struct err err;
        int fd = accept4(serve->listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

        if (fd < 0 && (errno == EINTR || errno == ECONNABORTED))
                return true;
        if (fd < 0 && errno == EAGAIN)
                return false;
        if (fd < 0) {
                (void)err_set(&err, -errno, CNI_ERR_IO, "accept a connection");
                log_line(LOG_LEVEL_ERROR, "%s", err.msg);
                pause_listening(serve, loop_now_ms(serve->loop) + LISTEN_AGAIN_MS);
                return false;
        }
        if (!may_speak(serve, fd, &peer))
                closep(&fd);
        else if (add_connection(serve, fd, &peer, &err) < 0)
                log_line(LOG_LEVEL_ERROR, "process %d cannot be served: %s", peer.pid, err.msg);
        return true;
}

static void on_connections(struct loop_source *source, _unused_ uint32_t events,
                           _unused_ int64_t now_ms)
{
        struct serve *serve = CONTAINER_OF(source, struct serve, listener);

        for (unsigned i = 0; i < ACCEPTED_MAX && serve->count < SERVE_CONNECTIONS_MAX; i++)
                if (!accept_one(serve))
                        return;
        if (serve->count >= SERVE_CONNECTIONS_MAX)
                pause_listening(serve, INT64_MAX);
}

/* ---- the service ---- */

int serve_new(struct loop *loop, int listen_fd, gid_t gid, const struct serve_handler *handler,
              void *user, struct serve **ret, struct err *err)
{
        _cleanup_(closep) int fd = listen_fd;
        _cleanup_(freep) struct serve *serve = calloc(1, sizeof(*serve));
        int flags = fcntl(fd, F_GETFL), r;

        if (!serve)
                return err_oom(err);
        /* A service manager hands over one that blocks. */
        if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0)
                return err_set(err, -errno, CNI_ERR_IO, "listen without blocking");
        *serve = (struct serve){ .loop = loop,
                                 .gid = gid,
                                 .handler = handler,
                                 .user = user,
                                 .listener.ready = on_connections,
                                 .again.due = on_again };
        r = loop_watch(loop, &serve->listener, fd, EPOLLIN, err);
        if (r < 0)
                return r;
        serve->listen_fd = TAKE_FD(fd);
        *ret = TAKE_PTR(serve);
        return 0;
}

void serve_stop(struct serve *serve)
{
        loop_unwatch(serve->loop, &serve->listener);
        loop_cancel_timer(serve->loop, &serve->again);
        closep(&serve->listen_fd);
        serve->listen_fd = -1;
}

void serve_free(struct serve *serve)
{
        if (!serve)
                return;
        serve_stop(serve);
        while (serve->first)
                end_connection(serve->first);
        free(serve);
}

size_t serve_connections(const struct serve *serve)
{
        return serve->count;
}
