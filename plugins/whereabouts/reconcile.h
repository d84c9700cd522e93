/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WHEREABOUTS_RECONCILE_H
#define WHEREABOUTS_RECONCILE_H

/*
 * Which addresses are held by nobody any more. Pure: it is told what the cluster says.
 *
 * Two looks, at least a time of grace apart, must find the same proof for the same container's
 * entry. A proof is what the API server says for certain now: that there is no such pod, or that it
 * has other addresses. Whatever is not known, or may be on its way, is no proof:
 *
 *   no answer, or an error                nothing is known; the earlier look keeps counting
 *   no annotation of Multus               another program called us, or the ADD is under way
 *   the annotation has the address        somebody uses it, on whichever interface
 *   Pending                               the ADD may be under way
 *   deleted, but its node is there        the kubelet will call DEL
 *
 * Objects' names are never taken apart to learn an address. Reservations belong to entries as the
 * audit says; those of nobody count as their pod does, and every way to read their name must lead
 * to an address that the pod does not have.
 */

#include "audit.h"
#include "pod.h"

/* From worst to best known. What is a proof has a name, reconcile_reason(). */
enum verdict {
        VERDICT_UNKNOWN, /* there was no answer */
        VERDICT_LIVE,    /* or maybe so */
        VERDICT_GONE,    /* there is no such pod */
        VERDICT_ENDED,   /* the pod has run to its end */
        VERDICT_OTHER,   /* it runs, and has other addresses */
        VERDICT_NODE,    /* it is deleted, and so is its node */
        VERDICT_OUT,     /* it is deleted, and its node is declared to be shut down */
        VERDICT_EVICTED, /* it was evicted from a node that does not answer */
};

enum node_sight {
        NODE_UNKNOWN,
        NODE_THERE,
        NODE_OUT, /* of service */
        NODE_GONE,
};

/* A pod that has something, and what was heard of it. */
struct holder_pod {
        char *podref;    /* owned */
        char *namespace; /* owned; the podref in two: */
        const char *name;
        size_t first, count; /* its subjects */
        bool suspicious;     /* one of them is: it has to be asked for */
        bool answered, gone; /* by a direct request */
        struct pod pod;      /* if answered and not gone */
        enum node_sight node;
};

#define READINGS_MAX 8U

/* An entry or a reservation of nobody. What it refers to is the snapshot's. */
struct subject {
        struct holder_pod *holder;
        const char *ifname;          /* NULL: not known */
        struct ip ips[READINGS_MAX]; /* which address it is, by all readings */
        size_t ip_count;
        const struct audit_item *item;         /* NULL: it is a reservation */
        const struct reservation *reservation; /* NULL: it is an entry */
        bool suspicious;                       /* by what the list says */
        enum verdict verdict;
        bool condemned; /* found twice */
};

struct reconcile {
        struct holder_pod *holders; /* owned; by podref */
        size_t holder_count;
        struct subject *subjects; /* owned; holder by holder */
        size_t subject_count;
        bool blind; /* there is a pool that cannot be read: reservations stay */
};

void reconcile_done(struct reconcile *reconcile);

/* Collects what has a pod's name. The audit and its snapshot must outlive it. */
int reconcile_begin(const struct audit *audit, struct reconcile *ret, struct err *err);

/* Takes note of a pod that a list tells of; one that no list tells of is suspicious. */
void reconcile_glance(struct reconcile *reconcile, const struct pod *pod);

/* Says of every holder whether it has to be asked for. */
void reconcile_sum_up(struct reconcile *reconcile);

/* With what was answered of the holders, judges all subjects. `evicted`: also by the taint manager
 * alone. */
void reconcile_judge(struct reconcile *reconcile, bool evicted);

/* What earlier looks have found, so that a later one can tell how long it has been so. */
struct suspect {
        char *what, *why; /* owned */
        int64_t since_ms; /* when the first look of the row that found it was over */
};

struct suspects {
        struct suspect *items; /* owned; by `what` */
        size_t count;
};

void suspects_done(struct suspects *suspects);

/* Compares with earlier looks, condemns what has been so for the time of grace, and remembers this
 * look, which lasted from began_ms to ended_ms. */
int suspects_update(struct suspects *suspects, struct reconcile *reconcile, int64_t began_ms,
                    int64_t ended_ms, int64_t grace_ms, struct err *err);

/* When the next one of them may be condemned, INT64_MAX without any. */
int64_t suspects_due_ms(const struct suspects *suspects, int64_t after_ms, int64_t grace_ms);

/* In words: "there is no such pod". */
const char *reconcile_reason(enum verdict verdict);

#endif
