/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Over libnl's messages and not its objects: an object's errors are numbers of libnl's own that
 * stand for several of the kernel's, and its caches are lists of everything.
 *
 * An answer counts when it comes from the kernel and carries the number of the request: root in a
 * container may send us messages, too, and an answer that came too late must not be taken for that
 * to the next request.
 */
#include "net/talk.h"

#include <netlink/netlink.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>

/* Not every musl knows it. */
#ifndef SO_NETNS_COOKIE
#define SO_NETNS_COOKIE 71
#endif

/* The kernel answers within sendmsg(2). This is for what nobody thought of. */
#define WAIT_S 2

/* A link with some hundred names has long messages. */
#define MESSAGE_MAX (64 * 1024)

/* How often a list is read that changes meanwhile. */
#define TRIES 16

struct net {
        struct nl_sock *sock;
        struct nl_cb *cb;

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
        struct request request = { nlmsg_alloc_simple(type, NLM_F_REQUEST | flags), false };

        request.failed = !request.msg || nlmsg_append(request.msg, header, len, NLMSG_ALIGNTO) < 0;
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

static int end(struct net *net, int error)
{
        net->done = true;
        net->error = error;
        return NL_OK;
}

static int check_number(struct nl_msg *msg, void *user)
{
        const struct net *net = user;

        return nlmsg_get_src(msg)->nl_pid == 0 && nlmsg_hdr(msg)->nlmsg_seq == net->seq ? NL_OK
                                                                                        : NL_SKIP;
}

static int take(struct nl_msg *msg, void *user)
{
        struct net *net = user;
        struct nlmsghdr *answer = nlmsg_hdr(msg);
        int r = net->each && net->error == 0 ? net->each(net->user, answer) : 0;

        if (r < 0)
                net->error = r;
        if (net->each && !(answer->nlmsg_flags & NLM_F_MULTI))
                net->done = true;
        return NL_OK;
}

static int take_done(_unused_ struct nl_msg *msg, void *user)
{
        return end(user, 0);
}

static int take_error(_unused_ struct sockaddr_nl *from, struct nlmsgerr *error, void *user)
{
        return end(user, error->error);
}

/* The end of a list carries the error that it ended with. */
static int take_list_end(struct nl_msg *msg, void *user)
{
        struct net *net = user;
        const struct nlmsghdr *hdr = nlmsg_hdr(msg);
        int status = 0;

        if (nlmsg_datalen(hdr) >= (int)sizeof(status))
                memcpy(&status, nlmsg_data(hdr), sizeof(status));
        return end(net, net->error < 0 ? net->error : status);
}

/* libnl's numbers for what goes wrong on our side of the socket. */
static int errno_of(int nl_error)
{
        static const struct {
                int nl, number;
        } rows[] = {
                { NLE_AGAIN, ETIMEDOUT },    { NLE_NOMEM, ENOMEM }, { NLE_PERM, EPERM },
                { NLE_DUMP_INTR, EINTR },    { NLE_INVAL, EINVAL }, { NLE_NOACCESS, EACCES },
                { NLE_MSGSIZE, EMSGSIZE },   { NLE_RANGE, ERANGE }, { NLE_OBJ_NOTFOUND, ENOENT },
                { NLE_MSG_TRUNC, EMSGSIZE }, { NLE_NODEV, ENODEV },
        };

        for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
                if (rows[i].nl == nl_error)
                        return rows[i].number;
        return EIO;
}

static int talk(struct net *net, struct request *request,
                int (*each)(void *user, struct nlmsghdr *answer), void *user)
{
        struct nlmsghdr *hdr;
        int r;

        if (request->failed)
                return -ENOMEM;
        hdr = nlmsg_hdr(request->msg);
        hdr->nlmsg_seq = ++net->seq;
        net->done = false;
        net->error = 0;
        net->each = each;
        net->user = user;
        r = nl_send(net->sock, request->msg);
        while (r >= 0 && !net->done)
                r = nl_recvmsgs(net->sock, net->cb);
        return r < 0 ? -errno_of(-r) : net->error;
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

static int open_socket(int *ret_fd)
{
        const struct timeval wait = { .tv_sec = WAIT_S };
        const struct sockaddr_nl kernel = { .nl_family = AF_NETLINK };
        _cleanup_(closep) int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
        int yes = 1;

        /* Connected, so that nobody in the container can send to it. */
        if (fd < 0 || connect(fd, (const void *)&kernel, sizeof(kernel)) < 0 ||
            setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait)) < 0)
                return -errno;
        /* Lists are of what was asked for. Before Linux 4.20 they are of everything, so what comes
         * is looked at in any case. */
        (void)setsockopt(fd, SOL_NETLINK, NETLINK_GET_STRICT_CHK, &yes, sizeof(yes));
        *ret_fd = TAKE_FD(fd);
        return 0;
}

static int set_callbacks(struct net *net)
{
        if (nl_cb_set(net->cb, NL_CB_SEQ_CHECK, NL_CB_CUSTOM, check_number, net) < 0 ||
            nl_cb_set(net->cb, NL_CB_VALID, NL_CB_CUSTOM, take, net) < 0 ||
            nl_cb_set(net->cb, NL_CB_ACK, NL_CB_CUSTOM, take_done, net) < 0 ||
            nl_cb_set(net->cb, NL_CB_FINISH, NL_CB_CUSTOM, take_list_end, net) < 0 ||
            nl_cb_err(net->cb, NL_CB_CUSTOM, take_error, net) < 0)
                return -EINVAL;
        return 0;
}

int net_open(struct net **ret, struct err *err)
{
        _cleanup_(net_closep) struct net *net = calloc(1, sizeof(*net));
        _cleanup_(closep) int fd = -1;
        int r;

        if (!net || !(net->cb = nl_cb_alloc(NL_CB_DEFAULT)) || !(net->sock = nl_socket_alloc()))
                return err_oom(err);
        r = open_socket(&fd);
        if (r == 0)
                r = set_callbacks(net);
        if (r == 0)
                r = nl_socket_set_fd(net->sock, NETLINK_ROUTE, fd) < 0 ? -EINVAL : 0;
        if (r < 0)
                return err_set(err, r, CNI_ERR_INTERNAL, "open netlink socket");
        TAKE_FD(fd);
        nl_socket_disable_msg_peek(net->sock);
        (void)nl_socket_set_msg_buf_size(net->sock, MESSAGE_MAX);
        *ret = TAKE_PTR(net);
        return 0;
}

void net_close(struct net *net)
{
        if (!net)
                return;
        nl_socket_free(net->sock);
        nl_cb_put(net->cb);
        free(net);
}

uint64_t net_cookie(const struct net *net)
{
        uint64_t cookie = 0;
        socklen_t len = sizeof(cookie);

        if (getsockopt(nl_socket_get_fd(net->sock), SOL_SOCKET, SO_NETNS_COOKIE, &cookie, &len) < 0)
                return 0;
        return cookie;
}
