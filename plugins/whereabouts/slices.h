/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WHEREABOUTS_SLICES_H
#define WHEREABOUTS_SLICES_H

/*
 * The controller's task of node slices: NodeSlicePool objects are kept as the definitions and the
 * nodes want them.
 *
 * Each round looks at everything anew, so nothing that was missed stays so. A slice whose addresses
 * are in use never changes hands; neither does the cut of a range. An object goes when no
 * definition wants it any more and nothing of it is in use.
 */

#include "core/sha256.h"
#include "k8s.h"

/* What a round has done and found. */
struct slices_outcome {
        size_t networks, created, changed, deleted;
        size_t without; /* nodes that got no slice of some network */
        size_t failed;  /* objects that could not be written; the next round tries again */
};

struct slices {
        char *said; /* owned; the last round's complaints: none is logged twice in a row */
        /* Of the last round that had nothing to do: what it was told, when, and what it found. */
        uint8_t told[SHA256_SIZE];
        int64_t quiet_ms; /* 0: the last round was none */
        struct slices_outcome found;
};

void slices_done(struct slices *slices);

/* One round. Where nothing has changed since a round that had nothing to do, it looks no closer for
 * half a minute. Fails when the lists cannot be read; what is wrong with single networks is logged.
 */
int slices_run(struct slices *slices, struct k8s *k8s, struct slices_outcome *ret, struct err *err);

#endif
