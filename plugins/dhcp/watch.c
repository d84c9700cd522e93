/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Without libnl: its sockets drop the number of the namespace that a message comes from.
 *
 * What another namespace says about its own numbers for namespaces is not for us; and a bridge
 * tells of its ports with the same messages as of interfaces, in a family of its own.
 */
#include "watch.h"

#include <linux/net_namespace.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/socket.h>

/* Hundreds of containers may go at once. */
#define QUEUE (4 << 20)

/* ---- messages ---- */

/* Bytes of a message, or of an attribute. */
struct span {
        const uint8_t *pos;
        size_t len;
};

/* Copies the header, and moves past it as far as the kernel aligns. */
static bool take(struct span *span, void *header, size_t len)
{
        size_t whole = NLMSG_ALIGN(len);

        if (span->len < len)
                return false;
        memcpy(header, span->pos, len);
        if (whole > span->len)
                whole = span->len;
        span->pos += whole;
        span->len -= whole;
        return true;
}

/* Takes the next thing whose length, header included, was read: what is behind the header. */
static bool take_body(struct span *span, size_t header, size_t whole, struct span *ret)
{
        size_t len;

        if (whole < header || whole - header > span->len)
                return false;
        len = whole - header;
        *ret = (struct span){ span->pos, len };
        len = NLMSG_ALIGN(len) > span->len ? span->len : NLMSG_ALIGN(len);
        span->pos += len;
        span->len -= len;
        return true;
}

/* The attribute of this kind, with four bytes; false without. */
static bool find_u32(struct span attributes, uint16_t kind, void *ret)
{
        struct rtattr attribute;
        struct span value;

        while (take(&attributes, &attribute, sizeof(attribute)) &&
               take_body(&attributes, sizeof(attribute), attribute.rta_len, &value))
                if ((attribute.rta_type & NLA_TYPE_MASK) == kind && value.len == 4) {
                        memcpy(ret, value.pos, 4);
                        return true;
                }
        return false;
}

static bool decode_link(struct span body, bool gone, struct watch_event *event)
{
        struct ifinfomsg header;

        if (!take(&body, &header, sizeof(header)) || header.ifi_family != AF_UNSPEC)
                return false;
        event->kind = gone ? WATCH_LINK_GONE : WATCH_LINK;
        event->ifindex = header.ifi_index;
        return true;
}

static bool decode_address(struct span body, bool gone, struct watch_event *event)
{
        struct ifaddrmsg header;

        if (!take(&body, &header, sizeof(header)) || header.ifa_family != AF_INET ||
            !find_u32(body, IFA_LOCAL, event->address.ip.bytes))
                return false;
        event->kind = gone ? WATCH_ADDRESS_GONE : WATCH_ADDRESS;
        event->ifindex = (int)header.ifa_index;
        event->address.ip.family = IP_V4;
        event->address.prefix = header.ifa_prefixlen;
        return true;
}

static bool decode_netns_gone(struct span body, struct watch_event *event)
{
        struct rtgenmsg header;

        if (event->nsid != -1 || !take(&body, &header, sizeof(header)) ||
            !find_u32(body, NETNSA_NSID, &event->nsid))
                return false;
        event->kind = WATCH_NETNS_GONE;
        return true;
}

static bool decode(uint16_t type, struct span body, struct watch_event *event)
{
        switch (type) {
        case RTM_NEWLINK:
        case RTM_DELLINK:
                return decode_link(body, type == RTM_DELLINK, event);
        case RTM_NEWADDR:
        case RTM_DELADDR:
                return decode_address(body, type == RTM_DELADDR, event);
        case RTM_DELNSID:
                return decode_netns_gone(body, event);
        default:
                return false;
        }
}

void watch_parse(const void *bytes, size_t len, int nsid,
                 void (*each)(void *user, const struct watch_event *event), void *user)
{
        struct span span = { bytes, len }, body;
        struct nlmsghdr header;

        while (take(&span, &header, sizeof(header)) &&
               take_body(&span, sizeof(header), header.nlmsg_len, &body)) {
                struct watch_event event = { .nsid = nsid };

                if (decode(header.nlmsg_type, body, &event))
                        each(user, &event);
        }
}

/* ---- the socket ---- */

static int join(int fd, int group)
{
        return setsockopt(fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &group, sizeof(group)) < 0
                       ? -errno
                       : 0;
}

int watch_open(int *ret_fd, bool *ret_all, struct err *err)
{
        const int yes = 1, queue = QUEUE;
        const struct sockaddr_nl local = { .nl_family = AF_NETLINK };
        _cleanup_(closep) int fd =
                socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE);
        bool all = fd >= 0 &&
                   setsockopt(fd, SOL_NETLINK, NETLINK_LISTEN_ALL_NSID, &yes, sizeof(yes)) == 0;
        int r = fd >= 0 && bind(fd, (const void *)&local, sizeof(local)) == 0 ? 0 : -errno;

        if (r == 0)
                r = join(fd, RTNLGRP_NSID);
        if (r == 0 && all)
                r = join(fd, RTNLGRP_LINK);
        if (r == 0 && all)
                r = join(fd, RTNLGRP_IPV4_IFADDR);
        if (r < 0)
                return err_set(err, r, CNI_ERR_INTERNAL, "watch network namespaces");
        /* Less is no failure: what does not fit is told as lost. */
        if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &queue, sizeof(queue)) < 0)
                (void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &queue, sizeof(queue));
        *ret_fd = TAKE_FD(fd);
        *ret_all = all;
        return 0;
}

/* The number of the namespace that a message comes from. */
static int nsid_of(struct msghdr *message)
{
        const struct cmsghdr *first = CMSG_FIRSTHDR(message);
        int nsid = -1;

        if (first && first->cmsg_level == SOL_NETLINK &&
            first->cmsg_type == NETLINK_LISTEN_ALL_NSID &&
            first->cmsg_len >= CMSG_LEN(sizeof(nsid)))
                memcpy(&nsid, CMSG_DATA(first), sizeof(nsid));
        return nsid;
}

int watch_read(int fd, void (*each)(void *user, const struct watch_event *event), void *user,
               struct err *err)
{
        const struct watch_event lost = { .kind = WATCH_LOST, .nsid = -1 };
        _Alignas(struct cmsghdr) uint8_t control[64];
        static uint8_t bytes[256 * 1024]; /* an interface with many names has long messages */
        struct iovec data = { bytes, sizeof(bytes) };
        struct sockaddr_nl from = { 0 };
        struct msghdr message = { .msg_name = &from,
                                  .msg_namelen = sizeof(from),
                                  .msg_iov = &data,
                                  .msg_iovlen = 1,
                                  .msg_control = control,
                                  .msg_controllen = sizeof(control) };
        ssize_t n = recvmsg(fd, &message, MSG_DONTWAIT);

        if (n < 0 && (errno == EAGAIN || errno == EINTR))
                return WATCH_EMPTY;
        if (n < 0 && errno != ENOBUFS)
                return err_set(err, -errno, CNI_ERR_INTERNAL, "read what happens in namespaces");
        if (n < 0 || message.msg_flags & MSG_TRUNC)
                each(user, &lost);
        else if (from.nl_pid == 0) /* else it is not from the kernel */
                watch_parse(bytes, (size_t)n, nsid_of(&message), each, user);
        return 0;
}
