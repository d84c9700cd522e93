/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WHEREABOUTS_ELECTION_H
#define WHEREABOUTS_ELECTION_H

/*
 * Which one of several instances is at work: client-go's leader election by a Lease, with its times
 * (15 s, 10 s, 2 s), so that kubectl and other programs can read it.
 *
 * Unlike the Lease around an allocation (lock.h) it is held for long, and nobody waits inside: a
 * step asks or writes once, and says when the next one is due. It does not fence. Who does not lead
 * any more must have stopped its work before another begins, hence the time between giving up and
 * running out.
 */

#include "k8s.h"
#include "lease.h"

struct election {
        const char *name; /* of the Lease; borrowed */
        char *holder;     /* we; owned */
        bool leads;
        struct lease lease; /* as last seen */
        int64_t seen_ms;    /* since when it is as it is, by our own clock */
        int64_t renewed_ms; /* clock_boot_ms() before the sending of our last write that is done */
};

/* `name` is borrowed. Our own is the host's, with a number that nobody else has. */
int election_init(struct election *election, const char *name, struct err *err);
void election_done(struct election *election);

/* One step; it takes two seconds at most. `k8s` may be another one each time; NULL when there are
 * no credentials at present. Returns when the next one is due, on the clock of clock_boot_ms().
 * *ret is 0, or < 0 with `err` filled when the API server could not be asked. */
int64_t election_step(struct election *election, struct k8s *k8s, int *ret, struct err *err);

/* Gives it back before its time. Best effort, two seconds at most. */
void election_release(struct election *election, struct k8s *k8s);

/* Whether nobody who reads the Lease as it was last seen may take it; pure. */
bool election_is_held(const struct lease *lease, const char *holder, int64_t seen_ms,
                      int64_t now_ms);

#endif
