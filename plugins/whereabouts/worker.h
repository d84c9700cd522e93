/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WHEREABOUTS_WORKER_H
#define WHEREABOUTS_WORKER_H

/*
 * The leader that never leaves: works off what the node's calls hand over, batch after batch on the
 * same connection, and between them what calls had to leave while the API server was away. A
 * process of its own, see child.h; it may be killed at any point, and the calls then do their work
 * themselves.
 */

#include <stdatomic.h>

#include "group.h"

/* What it tells, in shared memory. */
struct worker_shared {
        _Atomic int64_t promise_ms; /* see child.h */
        _Atomic bool leads;
        _Atomic uint64_t batches, batch_ms; /* how many, and what they took together */
        _Atomic uint64_t requests[2][GROUP_RESULT_COUNT]; /* by enum request_verb */
        _Atomic uint64_t connections;                     /* made to the API server */
        _Atomic uint64_t marked; /* records that have to go, when it looked last */
};

struct worker {
        const char *flat_file, *kubeconfig_file; /* as seen from here */
        struct worker_shared *shared;
};

/* Whether the directories that are shared with the node's calls are the node's: in a container they
 * must be mounted, or the records that are written there are nobody's. The error names what lacks.
 */
int worker_check_mounts(struct err *err);

/* Never returns, unless it lacks memory or records. `arg` is a struct worker. */
void worker_run(void *arg);

#endif
