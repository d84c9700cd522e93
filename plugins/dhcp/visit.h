/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DHCP_VISIT_H
#define DHCP_VISIT_H

/*
 * A look into a container: its namespace, a netlink socket there, and its interface. As short as a
 * visit should be: while it lasts, the namespace cannot end.
 */

#include "record.h"

struct visit {
        int netns_fd;    /* to enter by */
        int opened;      /* the same if it was opened here, else -1; owned */
        struct net *net; /* owned */
        struct link link;
};

#define VISIT_NONE                           \
        {                                    \
                .netns_fd = -1, .opened = -1 \
        }

void visit_done(struct visit *visit);

/* Outcome > 0. */
enum {
        VISIT_GONE = 1, /* the namespace or the interface is no more; `err` says which */
};

/* Goes by the descriptor if there is one (borrowed, or -1), else by prefix and path. `own` is a
 * netlink socket of the daemon's namespace. A path that leads nowhere is no proof that a namespace
 * is gone, as long as the kernel still has its number: then it is an error. */
int visit_open(const struct record *record, const char *prefix, int netns_fd, struct net *own,
               struct visit *ret, struct err *err);

/* Whether the namespace of `netns_fd`, in which `net` was opened, is the record's: by its cookie,
 * on kernels without one (before 5.14) by its number. */
bool visit_is_same(const struct record *record, int netns_fd, const struct net *net,
                   struct net *own);

/* Opens a path in front of which the prefix is put. */
int visit_open_path(const char *prefix, const char *path, int *ret_fd, struct err *err);

#endif
