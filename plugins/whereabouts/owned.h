/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WHEREABOUTS_OWNED_H
#define WHEREABOUTS_OWNED_H

/*
 * Attachments that a record of this node is about and whose pod is not here any more: a DEL that
 * never came. A pod counts as gone only when it is found gone in two looks that lie far enough
 * apart, and every look that finds it resets that. What is not known frees nothing.
 */

#include "group.h"
#include "record.h"

/* What was found out about a record's pod. */
enum owned_pod {
        OWNED_UNKNOWN, /* the API server did not say */
        OWNED_HERE,    /* it is this node's, or no node's yet */
        OWNED_GONE,    /* there is no such pod, or it is another node's */
};

struct owned_suspect {
        char key[DIGEST_TEXT_MAX]; /* of the attachment */
        int64_t since_ms;          /* of the first look that found its pod gone */
        bool seen;                 /* in the look that goes on */
};

/* What lasts from one look to the next. */
struct owned {
        struct owned_suspect *suspects; /* owned */
        size_t count;
};

void owned_done(struct owned *owned);

/* ---- pure ---- */

/* A look: owned_begin(), owned_judge() for each attachment whose pod may be gone, owned_end(). 1:
 * it has to go, its pod was gone grace_ms ago already. < 0 without memory. What a look does not
 * come to is forgotten. */
void owned_begin(struct owned *owned);
int owned_judge(struct owned *owned, const struct request *attachment, enum owned_pod pod,
                int64_t now_ms, int64_t grace_ms, struct err *err);
void owned_end(struct owned *owned);

/* ---- with API server and records ---- */

struct owned_look {
        struct k8s *own;           /* with an account that may see pods */
        const struct group *group; /* whose records, and who works off the DELs */
        const char *node;          /* this node's name */
        int64_t grace_ms;
};

/* One look; DELs for those who have to go. Tells how many were released. Takes up to a minute when
 * the API server is slow. */
int owned_look(struct owned *owned, const struct owned_look *look, size_t *ret_released,
               struct err *err);

#endif
