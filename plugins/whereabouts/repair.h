/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WHEREABOUTS_REPAIR_H
#define WHEREABOUTS_REPAIR_H

/*
 * Looking for what is wrong among a namespace's objects, and mending what is certain.
 *
 * An address on its way has its reservation before its entry, or the other way round, and the lists
 * of the two are not of one moment. So only what is found twice, two seconds apart, is a finding.
 * It is mended under the Lease, after a third look, and only if nothing about it has changed. The
 * reservation of a pod that exists is never deleted: there are programs that give an address and
 * lose the entry.
 */

#include "audit.h"
#include "k8s.h"

/* Reads both lists. `fresh`: as the store has them; else as the API server's cache does, which
 * costs the server less. */
int snapshot_read(struct k8s *k8s, bool fresh, const struct k8s_limits *limits,
                  struct snapshot *ret, struct err *err);

enum repair_end {
        REPAIR_NONE, /* it was not tried */
        REPAIR_DONE,
        REPAIR_GONE,   /* it was not so any more */
        REPAIR_FAILED, /* `text` says why */
};

/* A finding, and what came of it. */
struct repair {
        const struct finding *finding; /* borrowed from the inquiry */
        const char *unsure;            /* why it cannot be repaired without a guess; NULL: it can */
        enum repair_end end;
        char text[1024];
};

/* What was found, in the end. */
struct inquiry {
        struct snapshot snapshot;
        struct audit audit;
        struct repair *repairs; /* owned; what lasted, in the order of the audit */
        size_t count;
};

void inquiry_done(struct inquiry *inquiry);

/* Looks, once or twice. The struct must stay where it is. */
int inquiry_run(struct inquiry *inquiry, struct k8s *k8s, bool fresh,
                const struct k8s_limits *limits, struct err *err);

/* What a repair needs beside. */
struct repair_way {
        struct k8s *k8s;
        const char *identity; /* as for lock_init() */
        int64_t lease_duration_ms;
        int64_t patience_ms; /* for each Lease and what is done under it */
};

/* Which pools are of nodes' slices, by their index: `ret` has room for all of the audit's. */
int repair_find_slices(const struct audit *audit, const struct repair_way *way, bool *ret,
                       struct err *err);

/* The Lease that orders decisions about the finding's entry or reservation; borrowed. NULL when it
 * may be of two slices. */
const char *repair_lease(const struct audit *audit, const bool *slices,
                         const struct finding *finding);

/* Mends what can be; what became of it stands in the repairs. Fails only for lack of memory or when
 * it cannot begin. */
int inquiry_repair(struct inquiry *inquiry, const struct repair_way *way, struct err *err);

#endif
