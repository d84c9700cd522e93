/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WHEREABOUTS_GROUP_H
#define WHEREABOUTS_GROUP_H

/*
 * The invocations of one node work together: a pool write costs the size of the pool, whatever it
 * changes, and writers of one pool ruin each other. So one leads and does the work of all that ask
 * meanwhile; the others hand their request over and wait.
 *
 * The model in tests/model proves the protocol. Nothing depends on it for being right, only for
 * being fast: whoever cannot use the directory works alone.
 */

#include "batch.h"

#define GROUP_DIR "/run/cni-ipam/whereabouts"

struct group {
        const char *path; /* GROUP_DIR; each server and account has a directory below */
        const struct conf_node *node;
        const struct kubeconfig *kubeconfig;
        int records; /* directory */
};

/* Gets the request its answer, as the leader or from him. An ADD that was answered with addresses
 * has them; whoever cannot use them has to send a DEL. */
void group_run(const struct group *group, const struct request *request, struct answer *ret);

/* Works many DELs off in one go; for a GC. Each has its answer then. */
void group_run_all(const struct group *group, struct job **jobs, size_t count);

#endif
