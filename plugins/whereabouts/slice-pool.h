/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WHEREABOUTS_SLICE_POOL_H
#define WHEREABOUTS_SLICE_POOL_H

/*
 * NodeSlicePool objects, for who writes them: which node has which slice of a range. Pure.
 */

#include "slicing.h"

/* A slice that is not free. */
struct seat {
        uint64_t number;
        const char *node; /* borrowed; "" for one that nobody gets while it is in use */
};

struct seats {
        struct seat *items; /* owned; by number, each once */
        size_t count;
};

void seats_done(struct seats *seats);

/* An element of status.allocations. */
struct slice_pool_entry {
        const char *node; /* "" for a free slice */
        struct ipnet net; /* unset: none */
};

/* What metadata alone tells of an object. Texts are borrowed. */
struct slice_pool_head {
        const char *name, *uid, *resource_version; /* "" when absent */
        bool managed;                              /* a controller has made it: it may be deleted */
};

int slice_pool_read_head(const struct json_at *at, struct slice_pool_head *ret, struct err *err);

/* A NodeSlicePool object. Texts are borrowed from the document. */
struct slice_pool {
        struct slice_pool_head head;
        struct ipnet range; /* unset: spec makes no sense */
        unsigned prefix;
        struct slice_pool_entry *entries; /* owned; as they stand there */
        size_t count;
        struct json *document; /* owned */
};

void slice_pool_done(struct slice_pool *pool);
int slice_pool_parse(const char *text, size_t len, struct slice_pool *ret, struct err *err);

/* Whether the object says just this already. */
bool slice_pool_says(const struct slice_pool *pool, const struct slicing *slicing,
                     const struct seats *seats);

/* Bodies: of the object that is created, of the patch that changes it under a test of its
 * resourceVersion, and of the deletion of just this object. */
void slice_pool_write_new(struct buf *buf, const char *namespace, const struct slicing *slicing,
                          const struct seats *seats);
void slice_pool_write_change(struct buf *buf, const struct slice_pool *pool,
                             const struct slicing *slicing, const struct seats *seats);
void slice_pool_write_delete(struct buf *buf, const struct slice_pool *pool);

#endif
