/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WHEREABOUTS_AUDIT_H
#define WHEREABOUTS_AUDIT_H

/*
 * What the pools and the reservations of a namespace say of each other. Pure.
 *
 * A reservation's name is [NETWORK_NAME-]ADDRESS, a pool's [NETWORK_NAME-][NODE-]CIDR. What stands
 * in front of a pool's CIDR cannot be told apart, so a reservation belongs to an entry when it is
 * named after the whole of it, or after what is left of it in front of one of its '-', or not at
 * all; and of these, the one of the same pod and interface comes first.
 */

#include "overlap.h"
#include "pool.h"

/* All objects of a namespace, as they were listed. */
struct snapshot {
        struct pool_list pools;
        struct reservation_list reservations;
};

void snapshot_done(struct snapshot *snapshot);

enum finding_kind {
        FINDING_RANGE,      /* a pool's spec.range is none */
        FINDING_NAME,       /* a pool's name is not its range's */
        FINDING_KEY,        /* an entry's key is no offset of the pool */
        FINDING_ENTRY,      /* an entry does not say whose it is */
        FINDING_IFNAME,     /* an entry without an interface name */
        FINDING_TWICE,      /* a second entry of the same address */
        FINDING_UNRESERVED, /* an entry without a reservation */
        FINDING_DIFFERS,    /* an entry whose reservation names another pod or interface */
        FINDING_ORPHAN,     /* a reservation without an entry */
        FINDING_KIND_COUNT,
};

/* All is borrowed from the snapshot, but for `name`. */
struct finding {
        enum finding_kind kind;
        const struct pool *pool;               /* NULL with FINDING_ORPHAN */
        const char *key;                       /* of the entry; NULL: none is meant */
        const struct pool_entry *entry;        /* NULL with FINDING_KEY also */
        const struct pool *twin;               /* FINDING_TWICE: where the first entry is */
        const struct pool_entry *twin_entry;   /* which */
        const struct reservation *reservation; /* FINDING_DIFFERS and FINDING_ORPHAN */
        char *name;         /* FINDING_UNRESERVED: what has to be created, if that is certain */
        const char *unsure; /* why it cannot be repaired without a guess; NULL: it can */
};

/* What belongs to an entry. */
struct audit_item {
        const struct pool *pool;
        const struct pool_entry *entry;
        const char *prefix;            /* of the pool's name */
        const struct reservation *own; /* its reservation; NULL: none */
        const struct audit_item *twin; /* an earlier one of the same address; NULL: none */
        bool shared;                   /* it has a twin, or is one */
};

struct audit {
        const struct snapshot *snapshot; /* borrowed */
        struct audit_pool *pools;        /* owned, private */
        size_t *order;                   /* owned; the pools by name, as indexes */
        size_t pool_count;
        struct audit_item *items; /* owned; pool by pool, in the order of their entries */
        size_t item_count;
        struct finding *findings; /* owned; by pool (by name) and address, the orphans last */
        size_t finding_count;
};

void audit_done(struct audit *audit);
int audit_run(const struct snapshot *snapshot, struct audit *ret, struct err *err);

/* Whether the entry has its reservation. `pool` and `entry` count as in the snapshot. */
bool audit_is_reserved(const struct audit *audit, size_t pool, size_t entry);

/* The finding of another audit that says the same of the same objects; NULL: there is none. */
const struct finding *audit_find(const struct audit *audit, const struct finding *finding);

/* Whether the reservation's address lies in the pool's range, by one reading of its name. */
bool audit_is_near(const struct audit *audit, size_t pool, const struct reservation *reservation);

/* What stands in front of the CIDR in the pool's name; "" for nothing. */
const char *audit_prefix(const struct audit *audit, size_t pool);

#endif
