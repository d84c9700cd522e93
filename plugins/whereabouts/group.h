/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WHEREABOUTS_GROUP_H
#define WHEREABOUTS_GROUP_H

/*
 * The invocations of one node work together: a pool write costs the size of the pool, whatever it
 * changes, and writers of one pool ruin each other. So one leads and does the work of all that ask
 * meanwhile; the others hand their request over and wait.
 *
 * The node service leads for good, as long as it runs: with it the connection to the API server is
 * there already.
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
        struct k8s *k8s; /* a connection that is there already; NULL: each batch makes its own */
        int records;     /* directory */
};

/* Gets the request its answer, as the leader or from him. An ADD that was answered with addresses
 * has them; whoever cannot use them has to send a DEL. */
void group_run(const struct group *group, const struct request *request, struct answer *ret);

/* Works many DELs off in one go; for a GC. Each has its answer then. */
void group_run_all(const struct group *group, struct job **jobs, size_t count);

/* ---- a leader that stays ---- */

struct group_term;

/* What became of requests. */
enum group_result {
        GROUP_DONE,
        GROUP_REMEMBERED,
        GROUP_FAILED,
        GROUP_RESULT_COUNT,
};

/* Sums of all batches. */
struct group_tally {
        uint64_t batches;
        uint64_t requests[2][GROUP_RESULT_COUNT]; /* by enum request_verb */
};

/* Outcomes > 0. */
enum {
        GROUP_LED = 1,  /* another process leads at present */
        GROUP_GIVE_WAY, /* somebody has to lead himself: end the term, and leave him some time */
};

/* Leads from now on: locks and listens. Does not wait. An error when the directory cannot be used.
 */
int group_term_begin(const struct group *group, struct group_term **ret, struct err *err);

/* Who waits for an answer then leads himself. NULL is fine. */
void group_term_end(struct group_term *term);

/* Whether lock and socket are still in their places, where the others look for them. */
bool group_term_stands(const struct group_term *term);

/* Waits for somebody who asks. */
bool group_term_wait(const struct group_term *term, int64_t until_ms);

/* Works one batch off, for those who ask now, and adds it to the sums. `group` is what it was begun
 * with, or another with the same directory. Returns 0 or GROUP_GIVE_WAY. */
int group_term_work(struct group_term *term, const struct group *group, struct group_tally *tally);

/* Works off some of what earlier calls had to leave, for a second at most. Only for who leads.
 * Tells how many there were. */
int group_term_sweep(const struct group *group, size_t *ret_count, struct err *err);

static inline void group_term_endp(struct group_term **term)
{
        group_term_end(*term);
}

#endif
