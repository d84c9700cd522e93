/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WHEREABOUTS_CLAIM_H
#define WHEREABOUTS_CLAIM_H

/*
 * One address on its way to an attachment: chosen, reserved among all ranges, entered into its
 * pool. A state machine: it says which request it needs next, and is told how that ended.
 */

#include "record.h"
#include "view.h"

enum claim_state {
        CLAIM_CHOOSE, /* an address has to be chosen */
        CLAIM_CREATE, /* its reservation has to be created */
        CLAIM_LOOK,   /* there is a reservation: whose is it? */
        CLAIM_MOVE,   /* it is our pod's, of another container */
        CLAIM_ENTER,  /* the pool has to be told */
        CLAIM_DONE,
        CLAIM_FAILED, /* `err` says why */
};

struct claim {
        struct view_pool *pool;    /* borrowed from the view */
        const struct range *range; /* where the address may come from; borrowed */
        struct range cut;          /* owned; what `range` is in node slice mode */
        uint8_t prefix;            /* of the result */
        enum claim_state state;
        struct ip ip;
        char key[24];
        char *reservation; /* name of the object; owned */
        bool found;        /* the pool had an entry of our pod and interface */
        char *found_id;    /* of the container that it named; owned */
        bool written;      /* something of ours may be there that was not before */
        struct ip
                given_up; /* of an entry of ours whose reservation is another pod's: it has to go */
        struct reservation theirs; /* in CLAIM_MOVE: what was read */
        int64_t sent_ms; /* as in struct k8s_request: of a creation, and of what it failed by. Other
                            requests carry tests that fail once they were repeated */
        bool hopeless;   /* failed, because the server gives no certain answer */
        unsigned tries;  /* writes about reservations */
        struct err err;
};

void claim_done(struct claim *claim);

/* Chooses: the entry of the same pod and interface, else what an interrupted call had chosen
 * (record, may be NULL), else the lowest free address. A failure is in the claim. */
int claim_choose(struct claim *claim, struct view *view, const struct request *request,
                 const struct record *record, struct err *err);

/* Composes the request about its reservation that it needs now; false when it needs none. */
bool claim_ask(struct claim *claim, const struct request *request, const char *namespace,
               struct k8s_request *ret);
int claim_answer(struct claim *claim, struct view *view, const struct request *request,
                 const struct k8s_request *answer, struct err *err);

/* In CLAIM_ENTER: adds its operations to its pool's patch. */
void claim_enter(struct claim *claim, const struct request *request, struct pool_patch *patch);

/* In CLAIM_ENTER, with the pool as it is now: whether it is entered already. false: somebody else
 * has the place, so that another address has to be chosen and the reservation of this one goes. */
bool claim_review(struct claim *claim, const struct request *request);

void claim_fail(struct claim *claim, const struct err *err);
/* Fails with the error of a request, and keeps what may come of it. */
void claim_fail_by(struct claim *claim, const struct k8s_request *answer);

#endif
