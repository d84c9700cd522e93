/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Over libnl's messages alone. An object's errors are numbers of libnl's own that stand for several
 * of the kernel's, and its caches are lists of everything; its sockets take new memory for each
 * message that comes, which costs more than all the rest.
 *
 * An answer counts when it comes from the kernel and carries the number of the request: root in a
 * container may send us messages, too, and an answer that came too late must not be taken for that
 * to the next request.
 */
#include "net/talk.h"

#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>

/* Not every musl knows it. */
#ifndef SO_NETNS_COOKIE
#define SO_NETNS_COOKIE 71
#endif

/* The kernel answers within sendmsg(2). This is for what nobody thought of. */
#define WAIT_S 2

/* A request; an answer: a link with some hundred names has long ones. */
#define REQUEST_MAX 512
#define ANSWER_MAX  (64 * 1024)

/* How often a list is read that changes meanwhile. */
#define TRIES 16

struct net {
        int fd; /* owned */

        /* The request that is being answered. */
        uint32_t seq;
        bool done;
        int error; /* -errno */
        int (*each)(void *user, struct nlmsghdr *answer);
        void *user;
};

/* ---- messages to be ---- */

struct request request_make(int type, int flags, void *header, size_t len)
{
        struct request request = { nlmsg_alloc_size(REQUEST_MAX), false };

        request.failed = !request.msg ||
                         !nlmsg_put(request.msg, 0, 0, type, 0, NLM_F_REQUEST | flags) ||
                         nlmsg_append(request.msg, header, len, NLMSG_ALIGNTO) < 0;
        return request;
}

void request_put(struct request *request, int attribute, const void *data, size_t len)
{
        if (!request->failed)
                request->failed = nla_put(request->msg, attribute, (int)len, data) < 0;
}

void request_put_u32(struct request *request, int attribute, uint32_t value)
{
        request_put(request, attribute, &value, sizeof(value));
}

void request_put_ip(struct request *request, int attribute, const struct ip *ip)
{
        request_put(request, attribute, ip->bytes, ip_bits(ip) / 8);
}

void request_done(struct request *request)
{
        nlmsg_free(request->msg);
}

struct ip attribute_ip(const struct nlattr *attribute)
{
        struct ip ip = { 0 };

        if (attribute && nla_len(attribute) == 4) {
                ip.family = IP_V4;
                memcpy(ip.bytes, nla_data(attribute), 4);
        }
        return ip;
}

/* ---- answers ---- */

static void end(struct net *net, int error)
{
        net->done = true;
        if (net->error == 0)
                net->error = error;
}

/* The number that an error, or the end of a list, begins with. */
static int status_of(struct nlmsghdr *answer)
{
        int status = 0;

        if (nlmsg_datalen(answer) >= (int)sizeof(status))
                memcpy(&status, nlmsg_data(answer), sizeof(status));
        return status;
}

static void take(struct net *net, struct nlmsghdr *answer)
{
        int r;

        if (answer->nlmsg_seq != net->seq || answer->nlmsg_type == NLMSG_NOOP)
                return;
        if (answer->nlmsg_flags & NLM_F_DUMP_INTR && net->error == 0)
                net->error = -EINTR;
        if (answer->nlmsg_type == NLMSG_ERROR || answer->nlmsg_type == NLMSG_DONE) {
                end(net, status_of(answer));
                return;
        }
        r = net->each && net->error == 0 ? net->each(net->user, answer) : 0;
        if (r < 0)
                net->error = r;
        if (net->each && !(answer->nlmsg_flags & NLM_F_MULTI))
                net->done = true;
}

/* Waits for what comes next. */
static int receive(struct net *net)
{
        static _Alignas(struct nlmsghdr) uint8_t bytes[ANSWER_MAX]; /* one asks at a time */
        struct sockaddr_nl from = { 0 };
        struct iovec data = { bytes, sizeof(bytes) };
        struct msghdr message = {
                .msg_name = &from, .msg_namelen = sizeof(from), .msg_iov = &data, .msg_iovlen = 1
        };
        ssize_t n = recvmsg(net->fd, &message, 0);
        struct nlmsghdr *answer = (void *)bytes;

        if (n < 0)
                return errno == EINTR ? 0 : errno == EAGAIN ? -ETIMEDOUT : -errno;
        if (message.msg_flags & MSG_TRUNC)
                return -EMSGSIZE;
        if (from.nl_pid != 0)
                return 0;
        for (int left = (int)n; nlmsg_ok(answer, left); answer = nlmsg_next(answer, &left))
                take(net, answer);
        return 0;
}

static int talk(struct net *net, struct request *request,
                int (*each)(void *user, struct nlmsghdr *answer), void *user)
{
        struct nlmsghdr *hdr;
        int r = 0;

        if (request->failed)
                return -ENOMEM;
        hdr = nlmsg_hdr(request->msg);
        hdr->nlmsg_seq = ++net->seq;
        net->done = false;
        net->error = 0;
        net->each = each;
        net->user = user;
        if (send(net->fd, hdr, hdr->nlmsg_len, 0) < 0)
                return -errno;
        while (r == 0 && !net->done)
                r = receive(net);
        return r < 0 ? r : net->error;
}

int net_ask(struct net *net, struct request *request,
            int (*each)(void *user, struct nlmsghdr *answer), void *user)
{
        /* An answer needs no second one that it was given. */
        if (!each && !request->failed)
                nlmsg_hdr(request->msg)->nlmsg_flags |= NLM_F_ACK;
        return talk(net, request, each, user);
}

int net_dump(struct net *net, struct request *request,
             int (*each)(void *user, struct nlmsghdr *answer), void *user)
{
        int r = -EINTR;

        for (int tries = 0; tries < TRIES && r == -EINTR; tries++) {
                r = each(user, NULL);
                if (r == 0)
                        r = talk(net, request, each, user);
        }
        return r;
}

/* ---- the socket ---- */

int net_open(struct net **ret, struct err *err)
{
        const struct timeval wait = { .tv_sec = WAIT_S };
        const struct sockaddr_nl kernel = { .nl_family = AF_NETLINK };
        _cleanup_(net_closep) struct net *net = calloc(1, sizeof(*net));
        const int yes = 1;

        if (!net)
                return err_oom(err);
        net->fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
        /* Connected, so that nobody in the container can send to it. */
        if (net->fd < 0 || connect(net->fd, (const void *)&kernel, sizeof(kernel)) < 0 ||
            setsockopt(net->fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait)) < 0)
                return err_set(err, -errno, CNI_ERR_INTERNAL, "open netlink socket");
        /* Lists are of what was asked for. Before Linux 4.20 they are of everything, so what comes
         * is looked at in any case. */
        (void)setsockopt(net->fd, SOL_NETLINK, NETLINK_GET_STRICT_CHK, &yes, sizeof(yes));
        *ret = TAKE_PTR(net);
        return 0;
}

void net_close(struct net *net)
{
        if (!net)
                return;
        closep(&net->fd);
        free(net);
}

uint64_t net_cookie(const struct net *net)
{
        uint64_t cookie = 0;
        socklen_t len = sizeof(cookie);

        if (getsockopt(net->fd, SOL_SOCKET, SO_NETNS_COOKIE, &cookie, &len) < 0)
                return 0;
        return cookie;
}
