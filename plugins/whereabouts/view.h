/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WHEREABOUTS_VIEW_H
#define WHEREABOUTS_VIEW_H

/*
 * What a batch has read of the cluster so far: pools, each at most once until it is known to have
 * changed; the slices of this node; the addresses that turned out to be somebody else's.
 */

#include "k8s.h"
#include "overlap.h"
#include "pool.h"
#include "request.h"
#include "slice.h"

struct view_pool {
        char *name;
        struct ipnet net; /* the network it is for; family unset when only the name is known */
        bool create;      /* an absent one is made */
        bool stale;       /* has to be read before it is used */
        bool absent;      /* there is no such pool */
        struct pool pool; /* what was read */
        size_t patch_max; /* attachments in one patch; smaller after the server refused one */
        int r;            /* < 0: it cannot be read or made, `err` says why */
        struct err err;
};

struct view_blocked {
        const char *network_name; /* borrowed */
        const struct view_pool *pool;
        bool overlap, freed;
        struct ip ip;
};

/* An answer about a slice. */
struct view_slice {
        char *slice_pool, *node;
        struct slice slice;
        int r;
        struct err err;
};

struct view {
        struct k8s *k8s; /* borrowed */
        struct k8s_limits limits;
        struct view_pool **pools; /* owned, as each is */
        size_t pool_count;
        struct reservation_list reservations; /* of the one list that was asked for */
        bool listed;
        struct text_list lost;      /* names of reservations that are not ours */
        struct view_slice **slices; /* owned, as each is */
        size_t slice_count;
        struct view_blocked *blocked; /* owned: what this batch is about to give, or took away */
        size_t blocked_count;
};

void view_done(struct view *view);

/* The pool of that name; enters it when it is new. */
struct view_pool *view_pool(struct view *view, const char *name, const struct ipnet *net,
                            bool create, struct err *err);

/* What was read may be old: it is read again before it is used. */
void view_forget_pools(struct view *view);

/* Reads every pool that is stale, side by side, and makes those that have to be. What goes wrong
 * with one is kept in it. Fails only for lack of memory. */
int view_fetch(struct view *view, struct err *err);

/* Remembers that this address is reserved for somebody else. From the first time on, all
 * reservations are known as they were then: who collides once mostly collides again. */
int view_lose(struct view *view, const char *reservation, struct err *err);

/* Nobody else in this batch gets the address: in this pool, and with overlap checking in none of
 * the network's. `freed`: because it was just taken away from somebody. */
int view_block(struct view *view, const struct request *request, const struct view_pool *pool,
               const struct ip *ip, bool freed, struct err *err);

/* Forgets what was given, since it stands in the pools now; with `freed` all. */
void view_unblock(struct view *view, bool freed);

bool view_is_blocked(const struct view *view, const struct request *request,
                     const struct view_pool *pool, const struct ip *ip);

/* Whether an address is known to be reserved for another attachment than the request's. */
bool view_is_lost(const struct view *view, const struct request *request, const struct ip *ip);

/* The slice of the request's node, asked for once. Borrowed; with SLICE_NONE (slice.h) or an error
 * in it. Fails only for lack of memory. */
int view_slice(struct view *view, const struct request *request, const struct view_slice **ret,
               struct err *err);

#endif
