/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_PAIR_H
#define TESTS_PAIR_H

/*
 * Two namespaces with a cable between them: a container with eth0 and 10.0.0.2/24, and ours with
 * `srv` and 10.0.0.1/24.
 */

#include "net/link.h"
#include "net/space.h"

struct pair {
        int container, ours; /* descriptors of the namespaces */
        struct link eth0;
        int srv; /* ifindex */
};

static inline struct link pair_link(const char *name)
{
        struct net *net = NULL;
        struct link link;
        struct err err;

        unit_assert_ok(net_open(&net, &err), &err);
        unit_assert_ok(link_get(net, name, &link, &err), &err);
        net_close(net);
        return link;
}

/* Runs `ip` in the container. */
static inline void pair_run(const struct pair *pair, const char *dir, const char *line)
{
        ck_assert_int_eq(setns(pair->container, CLONE_NEWNET), 0);
        space_run(dir, line);
        ck_assert_int_eq(setns(pair->ours, CLONE_NEWNET), 0);
}

/* Afterwards the thread is in our namespace, and both ends are up. */
static inline struct pair pair_make(const char *dir)
{
        char line[256];
        struct pair pair;

        pair.container = space_enter();
        pair.ours = space_enter();
        (void)snprintf(line, sizeof(line),
                       "link add srv address 02:00:00:00:00:01 type veth peer name eth0 address "
                       "02:00:00:00:00:02 netns /proc/%d/fd/%d",
                       (int)getpid(), pair.container);
        space_set_up(dir, line, "link set srv up", "addr add 10.0.0.1/24 dev srv", NULL);
        pair_run(&pair, dir, "link set eth0 up");
        pair_run(&pair, dir, "addr add 10.0.0.2/24 dev eth0");
        pair.srv = pair_link("srv").ifindex;
        ck_assert_int_eq(setns(pair.container, CLONE_NEWNET), 0);
        pair.eth0 = pair_link("eth0");
        ck_assert_int_eq(setns(pair.ours, CLONE_NEWNET), 0);
        return pair;
}

#endif
