/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WHEREABOUTS_LOCK_H
#define WHEREABOUTS_LOCK_H

/*
 * The cluster's lock: a Lease that the instances of all nodes take around decisions that span two
 * objects, ours and those of the program that ours replaces.
 *
 * It orders, it does not fence: a holder may lose it without knowing. So every write carries its
 * own test.
 */

#include "k8s.h"
#include "lease.h"

struct lock {
        struct k8s *k8s; /* borrowed */
        char *name;      /* of the Lease that is held; NULL: none */
        char *family; /* what every holder that we may take over at once begins with; NULL: none */
        char *holder; /* we */
        int64_t duration_s;
        struct lease lease; /* as last seen */
        unsigned terms;     /* how often it was taken: what was read before is old */
        int64_t renewed_ms; /* clock_boot_ms() of our last write */
};

/* `identity` tells the node and its credentials. `alone`: nobody else of this identity can be at
 * work, so that a Lease of an earlier holder of it is a dead one's. */
int lock_init(struct lock *lock, struct k8s *k8s, const char *identity, bool alone,
              int64_t duration_ms, struct err *err);
void lock_done(struct lock *lock);

/* Outcome > 0. */
enum {
        LOCK_TIMEOUT = 1, /* somebody else had it until the deadline; err says who */
};

/* Takes the Lease `name`; one that is held under another name is released first. */
int lock_take(struct lock *lock, const char *name, const struct k8s_limits *limits,
              struct err *err);

/* To be called before a write: renews a Lease that was not renewed for a while, takes it again when
 * it was lost. */
int lock_keep(struct lock *lock, const struct k8s_limits *limits, struct err *err);

/* Best effort: a Lease that cannot be released runs out. */
void lock_release(struct lock *lock, const struct k8s_limits *limits);

#endif
