/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WHEREABOUTS_KEEPER_H
#define WHEREABOUTS_KEEPER_H

/*
 * Keeps the node in order: the credentials fresh, and no address for a pod that is not here any
 * more. A process of its own, see child.h; it may be killed at any point.
 */

#include <stdatomic.h>

#include "credentials.h"

/* What it tells, in shared memory. */
struct keeper_shared {
        _Atomic int64_t promise_ms; /* see child.h */
        _Atomic bool files_failed;  /* the last time, they could not be written */
        _Atomic int64_t files_ms;   /* clock_real_ms() of the last time that they could */
        _Atomic uint64_t looks, looks_failed;
        _Atomic uint64_t suspects, released; /* attachments whose pods are gone; DELs for them */
};

struct keeper {
        const char *flat_file, *kubeconfig_file; /* as seen from here */
        const char *node;                        /* this node's name; NULL: nothing is looked for */
        int64_t grace_ms;                        /* between the two looks that free something */
        bool may_release;                        /* the records are the node's */
        struct credentials *credentials;
        struct keeper_shared *shared;
};

/* One pass over the files; says what was done. Returns 0, or < 0 when they could not be written. */
int keeper_refresh(struct credentials *credentials, struct keeper_shared *shared, struct err *err);

/* Never returns. `arg` is a struct keeper. */
_Noreturn void keeper_run(void *arg);

#endif
