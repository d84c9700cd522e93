/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WHEREABOUTS_BATCH_H
#define WHEREABOUTS_BATCH_H

/*
 * The work of one process for all who asked: ADDs and DELs of any number of attachments, in as few
 * requests to the API server as they need together.
 *
 * Nothing is printed and nobody is spoken to here; whoever leads a group does that.
 */

#include "job.h"
#include "lock.h"

#define BATCH_MAX 128U

struct batch {
        const struct conf_node *node;        /* borrowed */
        const struct kubeconfig *kubeconfig; /* borrowed */
        int records;                         /* directory; borrowed */
        bool alone;      /* other processes of this node may be at work with the same credentials */
        struct k8s *k8s; /* owned, or borrowed if `k8s_is_kept` */
        bool k8s_is_kept;
        struct view view;
        struct lock lock;
        unsigned terms; /* of the lock, when the pools were read */
};

/* `k8s`: what is kept from batch to batch; NULL: one of its own. */
int batch_open(struct batch *batch, const struct conf_node *node,
               const struct kubeconfig *kubeconfig, struct k8s *k8s, int records, bool alone,
               struct err *err);
void batch_close(struct batch *batch);

/* Does for the first job what has to be done for any: connects, takes its Lease, reads its pools.
 * Whoever collects jobs does it meanwhile. An error is one for all jobs. */
int batch_prepare(struct batch *batch, struct job *job, struct err *err);

/* Works all jobs off; each has its answer then. */
void batch_run(struct batch *batch, struct job **jobs, size_t count);

/* Works off some of what earlier calls had to leave, for a second at most. Returns how many there
 * were. */
size_t batch_sweep(struct batch *batch);

/* Whether a DEL that did not want to wait has marked the job's attachment meanwhile. */
bool batch_is_released(struct batch *batch, const struct job *job);

/* Answers all jobs with one error: for who cannot even begin. DELs are remembered. */
void batch_fail(struct batch *batch, struct job **jobs, size_t count, const struct err *why);

/* Gives the Lease back before its time, for instance while answers are on their way. */
void batch_release(struct batch *batch);

#endif
