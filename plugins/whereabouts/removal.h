/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WHEREABOUTS_REMOVAL_H
#define WHEREABOUTS_REMOVAL_H

/*
 * One address on its way out: its reservation is deleted, then its entry in the pool. The entry
 * goes last, because it is the proof that there is work left. A state machine like struct claim.
 */

#include "view.h"

enum removal_state {
        REMOVAL_LOOK,      /* is there a reservation, and whose? */
        REMOVAL_DELETE,    /* it is ours */
        REMOVAL_ENTRY,     /* the pool's entry has to go, if it is ours */
        REMOVAL_GIVE_BACK, /* the reservation names us, and is another container's of the pod: an
                              ADD of ours has moved it, and then failed */
        REMOVAL_RESTORE,   /* the entry turned out to be another container's of the pod: its
                              reservation must not be missing */
        REMOVAL_DONE,
        REMOVAL_FAILED, /* `err` says why */
};

struct removal {
        struct view_pool *pool; /* borrowed from the view */
        struct ip ip;
        char *podref;      /* whose reservation it may be; NULL: nobody knows, it stays. Owned */
        char *reservation; /* name of the object; owned */
        char *heir; /* the container that had both before: it gets them back. NULL: none. Owned */
        enum removal_state state;
        bool deleted;              /* the reservation was, by us */
        bool restored;             /* and made again, or given to a container that may be gone */
        struct reservation theirs; /* in REMOVAL_DELETE: which one */
        int64_t sent_ms; /* as in struct k8s_request, of a creation: the other requests carry tests
                            that fail once they were repeated */
        unsigned tries;  /* writes about the reservation that came to nothing */
        struct err err;
};

void removal_done(struct removal *removal);

/* Starts with the pool as it was read. `podref` is copied; it counts where the entry does not say.
 * `reserved`: there may be a reservation. */
int removal_start(struct removal *removal, struct view_pool *pool, const struct ip *ip,
                  const struct request *request, const char *podref, bool reserved,
                  struct err *err);

/* Composes the request about its reservation that it needs now; false when it needs none. */
bool removal_ask(struct removal *removal, const struct request *request, const char *namespace,
                 struct k8s_request *ret);
int removal_answer(struct removal *removal, const struct request *request,
                   const struct k8s_request *answer, struct err *err);

/* In REMOVAL_ENTRY: adds its operation to its pool's patch. */
void removal_enter(const struct removal *removal, const struct request *request,
                   struct pool_patch *patch);

/* In REMOVAL_ENTRY, with the pool as it is now: whether the work is done. `restore`: a reservation
 * that was deleted is made again for the container that has the entry now. */
void removal_review(struct removal *removal, const struct request *request, bool restore);

void removal_fail(struct removal *removal, const struct err *err);

#endif
