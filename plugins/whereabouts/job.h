/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WHEREABOUTS_JOB_H
#define WHEREABOUTS_JOB_H

/*
 * One request on its way through a batch: its claims or removals, its record on disk, its answer.
 */

#include "claim.h"
#include "conf.h"
#include "removal.h"

/* How long after its sending a request is thought to be carried out at the latest. */
#define JOB_SETTLED_AFTER_MS 90000

enum job_state {
        JOB_WAITING,
        JOB_WORKING,
        JOB_UNDOING, /* what was written is taken back: by a DEL, after a failed ADD, before an ADD
                        that finds what an interrupted DEL left */
        JOB_DONE,    /* it has its answer */
};

struct job {
        const struct request *request; /* borrowed */
        struct answer answer;
        bool (*is_wanted)(const struct job *job); /* somebody waits for the answer; NULL: yes */
        int fd;                                   /* for is_wanted */

        /* The rest is the batch's own. */
        enum job_state state;
        enum record_state before; /* of the record's file when it began, if `recorded` */
        bool loaded;              /* the record was looked for */
        bool recorded;            /* there was a file when it began */
        bool on_disk;             /* there is a file */
        bool dirty;               /* the record holds more than its file */
        bool again;               /* after undoing: ADD as if nothing had been */
        bool planned;             /* removals were looked for */
        bool unsettled;           /* a removal did not come to its end; `why` says why */
        struct err why;
        char *lease;               /* name of the Lease that it needs; NULL: none */
        const struct slice *slice; /* of the node, in that mode; borrowed from the view */
        struct record record;      /* what is known of the attachment */
        struct view_pool **pools;  /* owned list: where it gives or takes addresses */
        size_t pool_count;
        struct claim *claims;
        size_t claim_count;
        struct removal **removals; /* owned, as each is */
        size_t removal_count;
};

/* What all jobs of a batch share. All borrowed. */
struct job_context {
        struct view *view;
        const struct conf_node *node;
        const struct kubeconfig *kubeconfig;
        int records;
};

void job_init(struct job *job, const struct request *request);
void job_done(struct job *job);

/* Before the Lease: reads the record, finds the slice, the Lease's name and the pools that will be
 * read. A failure of the job is in its answer; only lack of memory is one of the call. */
int job_begin(struct job *job, const struct job_context *context, struct err *err);

/* With its pools read: chooses addresses, or finds what has to be removed. */
int job_plan(struct job *job, const struct job_context *context, struct err *err);

/* Gives the ADD up. What it wrote is taken back, at once or, if the server gives no certain answers
 * (`hopeless`), by a later call. */
int job_fail(struct job *job, const struct job_context *context, const struct err *why,
             bool hopeless, struct err *err);

/* Takes back what was written for an address that the claim does not get, or gives it back to whom
 * it had. */
int job_take_back(struct job *job, const struct claim *claim, struct err *err);

/* Moves on when everything that was to be done is done: to its answer, or to what comes next. */
int job_advance(struct job *job, const struct job_context *context, struct err *err);

/* Ends a job that cannot go on. */
void job_abandon(struct job *job, const struct job_context *context, const struct err *why);

/* Answers without having been at the server: a DEL is remembered, an ADD has failed. */
void job_refuse(struct job *job, const struct job_context *context, const struct err *why);

/* The DEL that a record stands for, but for its deadline. */
int request_of_record(const struct record *record, struct request *ret);

/* Ends an ADD because of a DEL of the same attachment. */
void job_cancel(struct job *job);

/* Whether a DEL that did not want to wait has marked the attachment meanwhile. */
bool job_is_released(const struct job *job, const struct job_context *context);

/* Whether the attachment had its addresses before this ADD: its failure must not cost a running
 * container what it has. */
bool job_was_held(const struct job *job);

/* Whether two requests must not be in one patch: they are about one pod's interface. */
bool job_conflicts(const struct job *a, const struct job *b);
bool job_same_attachment(const struct request *a, const struct request *b);

#endif
