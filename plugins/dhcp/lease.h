/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DHCP_LEASE_H
#define DHCP_LEASE_H

/*
 * The client's side of RFC 2131 as a state machine over one record: messages and time in, one step
 * out. Pure: it sends nothing, opens nothing, reads no clock and draws no random number.
 *
 * Invariants: an address is never in use after its end; a REQUEST is never sent before `offer`
 * could be saved; nothing is granted that was not asked for; `due_ms` is always in the future of
 * the last event, so that nothing spins, whatever a server says.
 */

#include "msg.h"
#include "record.h"

enum lease_state {
        LEASE_INIT,       /* waits for the carrier */
        LEASE_PAUSED,     /* after a NAK, a conflict or a failure, until due_ms */
        LEASE_SELECTING,  /* DISCOVER */
        LEASE_REQUESTING, /* REQUEST for an OFFER */
        LEASE_PROBING,    /* has an ACK and asks whether somebody uses the address */
        LEASE_REBOOTING,  /* REQUEST for what it had, after a restart */
        LEASE_BOUND,
        LEASE_RENEWING,
        LEASE_REBINDING,
        LEASE_ENDED, /* nothing more comes: failed, lost for good, or released */
        LEASE_STATE_COUNT,
};

/* "BOUND" ... */
const char *lease_state_text(enum lease_state state);

/* The daemon's settings, the same for all. */
struct lease_timing {
        int64_t timeout_ms;        /* -timeout: the longest single wait; the first is 1 s at most */
        int64_t resend_max_ms;     /* -resendmax: the longest pause between attempts */
        int64_t resend_timeout_ms; /* -resendtimeout: the most that one ADD may take */
        bool broadcast;            /* -broadcast */
};

/* What happens now. Random bits are fresh for each event. */
struct lease_now {
        int64_t boot_ms;
        uint64_t random;
};

enum lease_way {
        LEASE_BROADCAST, /* raw, from 0.0.0.0 or the leased address, to everybody */
        LEASE_UNICAST,   /* UDP from the leased address to the server; raw to its hardware address
                          * where the address is not configured */
};

enum lease_outcome {
        LEASE_NOTHING,
        LEASE_GOT, /* an address where there was none in use: the first, or again after a loss */
        LEASE_RENEWED, /* the same address for longer */
        LEASE_CHANGED, /* another address in the place of one that was lost (`replace` alone) */
        LEASE_LOST,    /* the end has come: act by the policy; the search may go on */
        LEASE_FAILED,  /* the ADD is over; reason in `failure` */
};

/* What is to be done, in this order. */
struct lease_step {
        bool look;  /* look at the link and call lease_link(); comes alone */
        bool save;  /* write the record; if that fails: lease_unsaved(), and nothing else of this */
        bool send;  /* `message` by `way`, over sockets opened if need be */
        bool probe; /* an ARP probe for record->offer.address */
        bool idle;  /* no answer is awaited: close the sockets */
        enum lease_outcome outcome;
        enum lease_way way;
        struct ip source; /* of the IP packet */
        struct ip server; /* LEASE_UNICAST: where to, and its hardware address (len 0: not known) */
        struct link_address server_hardware;
        struct msg_plan message; /* points into the lease and its record */
        const struct grant
                *former; /* LEASE_CHANGED: what was lost; borrowed until the next event */
};

enum lease_failure {
        LEASE_NO_FAILURE,
        LEASE_NO_MORE_TRIES,
        LEASE_NO_MASK,
};

struct lease {
        struct record *record; /* borrowed; the machine writes offer, grant, lost */
        const struct lease_timing *timing;
        enum lease_state state;
        enum lease_failure failure;
        bool carrier, adding; /* adding: an ADD waits, until deadline_ms */
        bool broadcast;       /* ask for answers by broadcast: configured, or the link's kind */
        uint32_t mtu;
        int64_t due_ms;      /* when lease_tick() is wanted; INT64_MAX: never */
        int64_t deadline_ms; /* of the ADD */
        /* The exchange under way. */
        int64_t resend_ms; /* when to send again or go on; due_ms is the earliest of all */
        int64_t began_ms;  /* of its first message, for secs */
        int64_t sent_ms;   /* of the REQUEST that the times of a grant count from */
        uint32_t xid;
        uint16_t secs; /* of the last DISCOVER; its REQUEST has the same */
        unsigned tries, wait_ms;
        unsigned naks, conflicts, probes;
        struct grant acked;  /* while PROBING */
        struct grant former; /* what lease_step.former points to */
        /* What of the record is not on disk yet. */
        bool dirty;                       /* goes with the next message or outcome */
        int64_t save_ms;                  /* when to try again by itself; INT64_MAX: never */
        enum lease_outcome outcome, owed; /* of the last step; not told yet, since not saved */
        enum msg_type message;            /* of the last step; 0: none */
        /* What was seen, for people. */
        uint32_t sent[MSG_RELEASE + 1], received[MSG_NAK + 1];
        uint32_t dropped[MSG_DROP_COUNT];
        uint64_t renewals;
};

/* For a new ADD. The record has identity, hardware and profile. The first step follows from
 * lease_link() or lease_start(). */
void lease_init(struct lease *lease, struct record *record, const struct lease_timing *timing);
void lease_done(struct lease *lease);

/* An ADD begins; gives up at `deadline_ms` at the latest. */
void lease_start(struct lease *lease, struct lease_now now, int64_t deadline_ms,
                 struct lease_step *ret);
/* The daemon was restarted. `configured`: the interface still has the address. */
void lease_resume(struct lease *lease, struct lease_now now, bool configured,
                  struct lease_step *ret);
/* The ADD was answered: the machine goes on without a deadline. */
void lease_answered(struct lease *lease);

/* What the link looks like now; hardware address and MTU are taken over. */
void lease_link(struct lease *lease, struct lease_now now, const struct link *link,
                struct lease_step *ret);
/* due_ms has come (or has not yet: then nothing happens). */
void lease_tick(struct lease *lease, struct lease_now now, struct lease_step *ret);
/* A message came; or a packet that was none, which only counts. */
int lease_receive(struct lease *lease, struct lease_now now, const struct msg *msg,
                  struct lease_step *ret, struct err *err);
void lease_dropped(struct lease *lease, enum msg_drop why);
/* Somebody answered a probe. */
void lease_conflict(struct lease *lease, struct lease_now now, struct lease_step *ret);
/* The record of the last step could not be written: nothing else of it was done, and it is tried
 * again later. What must not wait for a disk is in the new step: the end of a lease, or more time.
 */
void lease_unsaved(struct lease *lease, struct lease_now now, struct lease_step *ret);
/* The end: a RELEASE for whatever is or may be granted (none when nothing is). State LEASE_ENDED.
 */
void lease_release(struct lease *lease, struct lease_now now, struct lease_step *ret);

/* What was seen on the wire, in words, for the details of a failed ADD and for `list`: "no reply to
 * 5 DISCOVER on eth0 (02:..:77), carrier up, 0 packets received". */
void lease_describe(const struct lease *lease, struct buf *ret);

#endif
