/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NET_TALK_H
#define NET_TALK_H

/*
 * Requests to the kernel and its answers, for the files of lib/net alone. Errors are -errno as the
 * kernel gave it, without a text: who asked knows what about.
 */

#include <linux/rtnetlink.h>
#include <netlink/attr.h>
#include <netlink/msg.h>

#include "net/link.h"

/* A message to be. What found no room or no memory is told when it is sent. */
struct request {
        struct nl_msg *msg; /* owned */
        bool failed;
};

/* `header` stands in front of the attributes: a struct ifinfomsg, for instance. */
struct request request_make(int type, int flags, void *header, size_t len);
void request_put(struct request *request, int attribute, const void *data, size_t len);
void request_put_u32(struct request *request, int attribute, uint32_t value);
void request_put_ip(struct request *request, int attribute, const struct ip *ip);
void request_done(struct request *request);

/* Sends a request and waits for its one answer, which `each` is called with; without `each` for the
 * kernel's word that it is done. < 0 from `each` is passed on. */
int net_ask(struct net *net, struct request *request,
            int (*each)(void *user, struct nlmsghdr *answer), void *user);

/* Sends a request for a list. When the list changed while it was read, it is read again: `each` is
 * called with NULL whenever a list begins. */
int net_dump(struct net *net, struct request *request,
             int (*each)(void *user, struct nlmsghdr *answer), void *user);

/* The IPv4 address of an attribute; unset without one. */
struct ip attribute_ip(const struct nlattr *attribute);

#endif
