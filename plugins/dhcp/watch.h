/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DHCP_WATCH_H
#define DHCP_WATCH_H

/*
 * One netlink socket that tells what happens in all namespaces that have a number (nsid) here:
 * links that go up, down or away, addresses that come and go, namespaces that end. It keeps nothing
 * alive. Without CAP_NET_BROADCAST it tells of namespaces alone.
 */

#include <stdbool.h>

#include "core/err.h"
#include "core/ip.h"

enum watch_kind {
        WATCH_LINK, /* changed: look at it */
        WATCH_LINK_GONE,
        WATCH_ADDRESS, /* was added or changed */
        WATCH_ADDRESS_GONE,
        WATCH_NETNS_GONE,
        WATCH_LOST, /* events were lost (ENOBUFS): look at everything */
};

struct watch_event {
        enum watch_kind kind;
        int nsid; /* -1: this namespace itself */
        int ifindex;
        struct ipnet address;
};

/* *ret_all: whether it hears other namespaces' links and addresses. Non-blocking. */
int watch_open(int *ret_fd, bool *ret_all, struct err *err);

/* Reads what is there (up to one buffer) and calls `each` for every event. 0, or > 0: nothing
 * there. */
enum {
        WATCH_EMPTY = 1,
};
int watch_read(int fd, void (*each)(void *user, const struct watch_event *event), void *user,
               struct err *err);

/* The events in the bytes of one datagram. Pure. */
void watch_parse(const void *bytes, size_t len, int nsid,
                 void (*each)(void *user, const struct watch_event *event), void *user);

#endif
