/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The cookie tells whether a path still leads to the namespace that it led to at ADD; inode numbers
 * are used again.
 */
#include "visit.h"

#include <string.h>

#include "core/netns.h"
#include "sock.h"

void visit_done(struct visit *visit)
{
        net_close(visit->net);
        closep(&visit->opened);
        *visit = (struct visit)VISIT_NONE;
}

int visit_open_path(const char *prefix, const char *path, int *ret_fd, struct err *err)
{
        _cleanup_(buf_done) struct buf full;
        int r;

        buf_init(&full, 2 * 4096);
        buf_printf(&full, "%s%s", prefix, path);
        r = buf_check(&full, err);
        return r < 0 ? r : netns_open(buf_text(&full), ret_fd, err);
}

bool visit_is_same(const struct record *record, int netns_fd, const struct net *net,
                   struct net *own)
{
        struct err unused;
        int nsid = -1;

        if (record->cookie)
                return net_cookie(net) == record->cookie;
        return record->nsid < 0 ||
               (link_name_netns(own, netns_fd, &nsid, &unused) == 0 && nsid == record->nsid);
}

/* Whether the namespace is certainly no more. */
static int find_gone(const struct record *record, struct net *own, struct err *err)
{
        struct err unused;

        if (record->nsid >= 0 && link_find_netns(own, record->nsid, &unused) == 0)
                return -ESTALE;
        (void)err_text(err, -ENOENT, CNI_ERR_INTERNAL, "the network namespace %s is gone",
                       record->netns);
        return VISIT_GONE;
}

/* Fills `visit`, which the caller cleans up. */
static int enter(const struct record *record, const char *prefix, int netns_fd, struct net *own,
                 struct visit *visit, struct err *err)
{
        int r = 0;

        visit->netns_fd = netns_fd;
        if (netns_fd < 0) {
                r = visit_open_path(prefix, record->netns, &visit->opened, err);
                visit->netns_fd = visit->opened;
        }
        /* What is left of a namespace's file when its mount is gone has no mode. */
        if (r == -ENOENT || r == -ENOTDIR || r == -EINVAL || r == -EACCES) {
                int gone = find_gone(record, own, err);

                return gone > 0 ? gone : r;
        }
        if (r == 0)
                r = sock_open_net(visit->netns_fd, &visit->net, err);
        if (r < 0)
                return r;
        if (!visit_is_same(record, visit->netns_fd, visit->net, own)) {
                r = find_gone(record, own, err);
                return r > 0 ? r
                             : err_text(err, -ESTALE, CNI_ERR_INTERNAL,
                                        "%s leads to another network namespace than at ADD",
                                        record->netns);
        }
        r = link_get_by_index(visit->net, record->ifindex, &visit->link, err);
        if (r == LINK_ABSENT)
                (void)err_text(err, -ENODEV, CNI_ERR_INTERNAL, "the interface %s is gone",
                               record->key.ifname);
        return r == LINK_ABSENT ? VISIT_GONE : r;
}

int visit_open(const struct record *record, const char *prefix, int netns_fd, struct net *own,
               struct visit *ret, struct err *err)
{
        _cleanup_(visit_done) struct visit visit = VISIT_NONE;
        int r = enter(record, prefix, netns_fd, own, &visit, err);

        if (r != 0)
                return r;
        *ret = visit;
        visit = (struct visit)VISIT_NONE;
        return 0;
}
