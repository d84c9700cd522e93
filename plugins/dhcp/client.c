/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every wait has a deadline. Whatever keeps the daemon from answering is one outcome, because a DEL
 * has the same to do in all these cases; only the text differs.
 */
#include "client.h"

#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>

#include "core/clock.h"

#define BLOCK 16384

#define HELLO_MS   2000 /* a DEL takes 5 s in all */
#define RELEASE_MS 3000
#define LIST_MS    20000 /* it may be long */

/* A connection, and what came over it. */
struct talk {
        int fd;
        const char *path; /* of the socket, for messages */
        struct buf in;
};

static int absent(struct err *err, const char *path, const char *what)
{
        (void)err_text(err, -ENOTCONN, CNI_ERR_TRY_LATER,
                       "error dialing DHCP daemon: dial unix %s: %s", path, what);
        return CLIENT_ABSENT;
}

/* ---- connecting ---- */

static int cannot_connect(struct err *err, const char *path, int number)
{
        char what[128];

        (void)snprintf(what, sizeof(what), "connect: %s",
                       number == EAGAIN ? "it takes no connection in time"
                                        : err_errno_text(number));
        return absent(err, path, what);
}

/* Finds the socket. One that is not there is no daemon; one that is not to be trusted is an error.
 */
static int find_socket(const struct trust *trust, const char *path, int *ret_fd, struct err *err)
{
        _cleanup_(closep) int fd = -1;
        struct stat st;
        int r = trust_open(trust, path, O_PATH, &fd, err);

        if (r == -ENOENT || r == -ENOTDIR)
                return cannot_connect(err, path, -r);
        if (r < 0)
                return r;
        if (fstat(fd, &st) < 0)
                return err_set(err, -errno, CNI_ERR_IO, "look at %s", path);
        if (!S_ISSOCK(st.st_mode))
                return cannot_connect(err, path, ECONNREFUSED);
        *ret_fd = TAKE_FD(fd);
        return 0;
}

static int check_peer(int fd, const char *path, struct err *err)
{
        struct ucred peer;
        socklen_t len = sizeof(peer);

        if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) < 0)
                return err_set(err, -errno, CNI_ERR_IO, "find out who listens on %s", path);
        if (peer.uid != 0 && peer.uid != geteuid())
                return err_text(err, -EPERM, CNI_ERR_CONFIG,
                                "%s is not trusted: user %u listens there", path, peer.uid);
        return 0;
}

/* Connects through the descriptor that was walked to: nothing can be put in its place meanwhile,
 * and the path may be longer than a socket's address. */
static int dial(const struct trust *trust, const char *path, int64_t wait_ms, int *ret_fd,
                struct err *err)
{
        _cleanup_(closep) int node = -1;
        _cleanup_(closep) int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        const struct timeval wait = { wait_ms / 1000, wait_ms % 1000 * 1000 };
        int r;

        if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof(wait)) < 0)
                return err_set(err, -errno, CNI_ERR_IO, "make a socket");
        r = find_socket(trust, path, &node, err);
        if (r != 0)
                return r;
        (void)snprintf(address.sun_path, sizeof(address.sun_path), "/proc/self/fd/%d", node);
        if (connect(fd, (const struct sockaddr *)&address, sizeof(address)) < 0)
                return cannot_connect(err, path, errno);
        r = check_peer(fd, path, err);
        if (r < 0)
                return r;
        *ret_fd = TAKE_FD(fd);
        return 0;
}

/* ---- talking ---- */

static bool wait_for(int fd, short events, int64_t deadline_ms)
{
        struct pollfd poll_fd = { .fd = fd, .events = events };
        int64_t rest;
        int n;

        do {
                rest = deadline_ms - clock_boot_ms();
                n = poll(&poll_fd, 1, rest <= 0 ? 0 : rest > INT32_MAX ? INT32_MAX : (int)rest);
        } while (n < 0 && errno == EINTR);
        return n > 0;
}

/* Sends bytes, the first one with the descriptor if there is one. */
static ssize_t send_some(int fd, const char *bytes, size_t len, int passed_fd)
{
        union {
                struct cmsghdr header;
                char room[CMSG_SPACE(sizeof(int))];
        } control = { .room = { 0 } };
        struct iovec vector = { .iov_base = (void *)(uintptr_t)bytes, .iov_len = len };
        struct msghdr msg = { .msg_iov = &vector, .msg_iovlen = 1 };

        if (passed_fd >= 0) {
                msg.msg_control = &control;
                msg.msg_controllen = sizeof(control.room);
                control.header.cmsg_level = SOL_SOCKET;
                control.header.cmsg_type = SCM_RIGHTS;
                control.header.cmsg_len = CMSG_LEN(sizeof(int));
                memcpy(CMSG_DATA(&control.header), &passed_fd, sizeof(int));
        }
        return sendmsg(fd, &msg, MSG_NOSIGNAL | MSG_DONTWAIT);
}

/* Sends all of it, as far as the other end takes it: what it says on that matters more than that
 * it went away. */
static void send_all(const struct talk *talk, const char *bytes, size_t len, int passed_fd,
                     int64_t deadline_ms)
{
        while (len > 0) {
                ssize_t n = send_some(talk->fd, bytes, len, passed_fd);

                if (n < 0 && errno == EAGAIN && wait_for(talk->fd, POLLOUT, deadline_ms))
                        continue;
                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return;
                passed_fd = -1;
                bytes += n;
                len -= (size_t)n;
        }
}

/* Receives what there is. Nothing within the deadline, and the end, are CLIENT_ABSENT. */
static int receive(struct talk *talk, int64_t deadline_ms, const char *late, struct err *err)
{
        char block[BLOCK];
        ssize_t n;

        do {
                if (!wait_for(talk->fd, POLLIN, deadline_ms))
                        return absent(err, talk->path, late);
                n = recv(talk->fd, block, sizeof(block), MSG_DONTWAIT);
        } while (n < 0 && (errno == EINTR || errno == EAGAIN));
        if (n <= 0)
                return absent(err, talk->path, "it hung up without an answer");
        buf_append(&talk->in, block, (size_t)n);
        return buf_check(&talk->in, err);
}

/* Takes what was understood from the front of what came. */
static void consume(struct buf *buf, size_t len)
{
        memmove(buf->text, buf->text + len, buf->len - len + 1); /* with the NUL */
        buf->len -= len;
}

/* Anything but a hello is somebody else's daemon. */
static int await_hello(struct talk *talk, int64_t deadline_ms, struct err *err)
{
        const size_t len = strlen(RPC_HELLO);
        size_t unused_head, unused_len;
        struct err unused;

        while (talk->in.len < len || rpc_head(talk->in.text, talk->in.len, 0, &unused_head,
                                              &unused_len, &unused) == RPC_MORE) {
                int r = receive(talk, deadline_ms, "nobody says hello in time", err);

                if (r != 0)
                        return r;
        }
        if (memcmp(talk->in.text, RPC_HELLO, len) == 0) {
                consume(&talk->in, len);
                return 0;
        }
        if (rpc_head(talk->in.text, talk->in.len, 0, &unused_head, &unused_len, &unused) ==
            RPC_HTTP)
                return absent(err, talk->path, "an upstream Go dhcp daemon owns the socket");
        return absent(err, talk->path, "no dhcp daemon of cni-ipam owns the socket");
}

static int await_reply(struct talk *talk, int64_t deadline_ms, struct rpc_reply *ret,
                       struct err *err)
{
        size_t head = 0, len = 0;
        int r;

        for (;;) {
                r = rpc_head(buf_text(&talk->in), talk->in.len, RPC_REPLY_MAX, &head, &len, err);
                if (r < 0 || (r == 0 && talk->in.len - head >= len))
                        break;
                r = receive(talk, deadline_ms, "it does not answer in time", err);
                if (r != 0)
                        return r;
        }
        return r < 0 ? r : rpc_decode_reply(talk->in.text + head, len, ret, err);
}

/* A daemon that is gone will not keep what it said. */
static int confirm(const struct talk *talk, struct err *err)
{
        if (send(talk->fd, RPC_DONE, strlen(RPC_DONE), MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
                return absent(err, talk->path, "it hung up before its answer was confirmed");
        return 0;
}

static int converse(struct talk *talk, const struct rpc_request *request, int netns_fd,
                    int64_t hello_by_ms, int64_t reply_ms, struct rpc_reply *ret, struct err *err)
{
        _cleanup_(buf_done) struct buf frame;
        _cleanup_(rpc_reply_done) struct rpc_reply reply = { 0 };
        int r;

        buf_init(&frame, RPC_HEAD_MAX + RPC_REQUEST_MAX);
        r = rpc_encode_request(request, &frame, err);
        if (r < 0)
                return r;
        send_all(talk, buf_text(&frame), frame.len, netns_fd, hello_by_ms);
        r = await_hello(talk, hello_by_ms, err);
        if (r == 0)
                r = await_reply(talk, clock_boot_ms() + reply_ms, &reply, err);
        if (r != 0)
                return r;
        if (reply.code > 0) {
                (void)err_text(err, CLIENT_REFUSED, (enum err_code)reply.code, "%s", reply.msg);
                err_details(err, "%s", reply.details ? reply.details : "");
                return CLIENT_REFUSED;
        }
        r = request->op == RPC_ADD ? confirm(talk, err) : 0;
        if (r != 0)
                return r;
        *ret = reply;
        reply = (struct rpc_reply){ 0 };
        return 0;
}

int client_ask(const struct trust *trust, const char *socket, const struct rpc_request *request,
               int netns_fd, int64_t connect_ms, int64_t reply_ms, struct rpc_reply *ret,
               struct err *err)
{
        int64_t hello_by_ms = clock_boot_ms() + connect_ms;
        _cleanup_(closep) int fd = -1;
        struct talk talk = { .path = socket };
        int r = dial(trust, socket, connect_ms, &fd, err);

        if (r != 0)
                return r;
        talk.fd = fd;
        buf_init(&talk.in, RPC_HEAD_MAX + RPC_REPLY_MAX + 2 * BLOCK);
        r = converse(&talk, request, netns_fd, hello_by_ms, reply_ms, ret, err);
        buf_done(&talk.in);
        return r;
}

int client_list(const struct trust *trust, const char *socket, const char *network, char **ret,
                struct err *err)
{
        _cleanup_(rpc_reply_done) struct rpc_reply reply = { 0 };
        _cleanup_(rpc_request_done) struct rpc_request request = { .op = RPC_LIST };
        int r;

        request.key.network = strdup(network);
        if (!request.key.network)
                return err_oom(err);
        r = client_ask(trust, socket, &request, -1, HELLO_MS, LIST_MS, &reply, err);
        if (r != 0)
                return r;
        if (!reply.document)
                return err_text(err, -EPROTO, CNI_ERR_DECODE, "the daemon's reply has no list");
        *ret = TAKE_PTR(reply.document);
        return 0;
}

int client_release(const struct trust *trust, const char *socket, const struct key *key,
                   const char *netns, int netns_fd, struct err *err)
{
        _cleanup_(rpc_reply_done) struct rpc_reply reply = { 0 };
        _cleanup_(rpc_request_done) struct rpc_request request = { .op = RPC_DEL };
        int r = key_copy(key, &request.key, err);

        if (r == 0 && netns && *netns) {
                request.netns = strdup(netns);
                r = request.netns ? 0 : err_oom(err);
        }
        if (r < 0)
                return r;
        return client_ask(trust, socket, &request, netns_fd, HELLO_MS, RELEASE_MS, &reply, err);
}
