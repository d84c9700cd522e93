/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WHEREABOUTS_RECLAIM_H
#define WHEREABOUTS_RECLAIM_H

/*
 * Frees the addresses that nobody holds any more: looks at pools, reservations and pods, lets
 * reconcile.h decide, and removes what was condemned.
 *
 * It is removed as a DEL would: under the Lease of the allocations, after another look; first the
 * reservation, with a precondition of just that object, then the entry, with tests of the pool's
 * resourceVersion and of the entry's container. What one pool refuses keeps no other one waiting.
 * What is left after a failure or a kill is found again, since the entry goes last.
 */

#include "k8s.h"
#include "reconcile.h"

struct reclaim_way {
        struct k8s *k8s;
        const char *identity; /* as for lock_init() */
        int64_t grace_ms;
        bool evicted; /* as for reconcile_judge() */
        /* Told of what a log should say: what was freed, and what could not be. */
        void (*note)(bool failure, const char *text);
};

struct reclaim_report {
        uint64_t entries, reservations; /* of pools; and of nobody */
        uint64_t suspects, unknown; /* what may be condemned; of which no pod could be asked for */
        uint64_t freed_entries, freed_reservations;
        uint64_t failures, changed; /* not freed: by an error; because it is another one now */
        int64_t due_ms; /* clock_boot_ms() of the next look that could free something; INT64_MAX */
};

/* One look. `suspects` is what is remembered from one to the next. An error means that it could not
 * look, and that nothing was freed. */
int reclaim_run(const struct reclaim_way *way, struct suspects *suspects,
                struct reclaim_report *ret, struct err *err);

#endif
