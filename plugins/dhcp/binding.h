/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DHCP_BINDING_H
#define DHCP_BINDING_H

/*
 * The attachments of the daemon: for each a record, the lease's state machine, and, only while an
 * answer is awaited, sockets. A binding does what its machine says: writes the record, sends, tells
 * who waits, and acts upon the interface.
 *
 * A bound lease holds no descriptor, so it keeps no namespace alive. A mark that a DEL without
 * daemon has left counts before every write and every send.
 */

#include "exchange.h"
#include "lease.h"
#include "loop/loop.h"
#include "serve.h"
#include "state.h"
#include "watch.h"

struct bindings;

struct binding {
        struct record record;
        struct lease lease;
        struct bindings *all;
        struct binding *next;    /* in its row of the table */
        struct loop_timer timer; /* the machine's, or the sockets' end */
        struct exchange exchange;
        struct binding *behind; /* in the queue of those that may not ask yet */
        int64_t deadline_ms;    /* of its ADD */
        bool queued, asking;    /* asking: its first message waits for a first answer */
        int64_t asking_ms;      /* how long it counts as such */
        int netns_fd;           /* handed over, until the ADD is answered (or for good: pinned) */
        struct serve_call **calls; /* ADDs without a `done`; owned array */
        size_t call_count;
        bool confirmed;    /* some ADD has taken its answer */
        bool answered;     /* the calls have their replies */
        bool configured;   /* the interface has the address */
        bool over;         /* cannot be released any more: stays in the list until the lease ends */
        int64_t looked_ms; /* when an event last made it look at its link */
        int64_t look_ms;   /* when to do so again; INT64_MAX: no event since */
        int64_t settle_ms; /* when to try again what could not be done to the interface */
        unsigned settle_tries, release_tries;
        char last_error[128];
};

/* All of them, and what they share. Filled by the daemon. */
struct bindings {
        struct loop *loop; /* borrowed */
        struct net *net;   /* of the daemon's own namespace; borrowed */
        int dirfd;         /* of the records; borrowed */
        char boot_id[BOOT_ID_MAX];
        const char *host_prefix;
        struct lease_timing timing;
        bool pin_netns;
        uint64_t max_leases;   /* of one network */
        struct binding **rows; /* owned */
        size_t row_count, count;
        struct binding *queue;  /* ADDs that wait for their turn, the oldest first */
        size_t asking;          /* those that had it and have no answer yet */
        struct loop_timer turn; /* when there may be room for the next */
        struct msg msg;         /* the one that is being received */
};

/* Before anything else. */
void bindings_init(struct bindings *all);

/* Lets go of all of them, without a RELEASE: the records are on disk. */
void bindings_done(struct bindings *all);

struct binding *bindings_find(const struct bindings *all, const struct key *key);

/* Calls `each` for every one; it may end the one that it is called with. */
void bindings_each(struct bindings *all, void (*each)(void *user, struct binding *binding),
                   void *user);

/* The same for `count` rows of the table from `first` on; a row has one or two. */
void bindings_each_in(struct bindings *all, size_t first, size_t count,
                      void (*each)(void *user, struct binding *binding), void *user);

/* An ADD: begins, joins one that is under way, or answers at once. The call is answered when there
 * is an answer; an error is the caller's to tell. */
int binding_add(struct bindings *all, struct serve_call *call, struct err *err);

/* The plugin of a call that binding_add() took went, or (`done`) has its answer. A lease that
 * nobody has heard of is given back. */
void binding_call_ended(struct binding *binding, struct serve_call *call, bool done);

/* Takes a record over that was found at start, and goes on with it. */
int binding_restore(struct bindings *all, struct record *record, struct err *err);

/* Gives the lease back and forgets it. `netns_fd`: a descriptor of its namespace, or -1. */
void binding_release(struct binding *binding, int netns_fd, const char *why);

/* Whether the lease is good: for CHECK. An error says what is wrong. */
int binding_check(const struct binding *binding, struct err *err);

/* Something happened in its namespace. */
void binding_event(struct binding *binding, const struct watch_event *event);

/* Looks whether container and interface are still there. */
void binding_verify(struct binding *binding);

#endif
