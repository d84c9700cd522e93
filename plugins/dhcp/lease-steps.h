/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DHCP_LEASE_STEPS_H
#define DHCP_LEASE_STEPS_H

/*
 * The transitions of the machine, which its events are made of. For lease*.c alone. Each fills in
 * its part of the step; the event finishes it with lease_finish(). Pure.
 */

#include "lease.h"

/* The shortest time between two events of its own that a machine asks for. An end that is nearer
 * than this has come. */
#define LEASE_WAIT_MIN_MS 50
/* A REQUEST of a renewal that is older than this is not waited for any more: the next one is an
 * exchange of its own. */
#define LEASE_PATIENCE_MS 10000

/* Whether there is a grant that may be used. */
static inline bool lease_in_use(const struct lease *lease)
{
        return grant_is(&lease->record->grant) && !lease->record->lost;
}

/* Whether the state waits for a message. */
static inline bool lease_awaits(const struct lease *lease)
{
        switch (lease->state) {
        case LEASE_SELECTING:
        case LEASE_REQUESTING:
        case LEASE_REBOOTING:
        case LEASE_RENEWING:
        case LEASE_REBINDING:
                return true;
        case LEASE_INIT:
        case LEASE_PAUSED:
        case LEASE_PROBING:
        case LEASE_BOUND:
        case LEASE_ENDED:
        case LEASE_STATE_COUNT:
                break;
        }
        return false;
}

static inline int64_t lease_least(int64_t a, int64_t b)
{
        return a < b ? a : b;
}

static inline int64_t lease_most(int64_t a, int64_t b)
{
        return a > b ? a : b;
}

static inline bool lease_has_come(int64_t when_ms, struct lease_now now)
{
        return when_ms < now.boot_ms + LEASE_WAIT_MIN_MS;
}

/* Whether the ADD still waits to be told something. */
static inline bool lease_is_waited_for(const struct lease *lease)
{
        return lease->adding && (!lease_in_use(lease) || lease->owed != LEASE_NOTHING);
}

/* ---- lease.c ---- */

/* The begin and the end of every event. An event that lease_begin() has used up is finished at
 * once: a deadline or the end of the grant has come, and wins over everything else. */
bool lease_begin(struct lease *lease, struct lease_now now, struct lease_step *step);
void lease_finish(struct lease *lease, struct lease_now now, struct lease_step *step);

/* ---- lease-turn.c ---- */

/* resend_ms has come. */
void lease_go_on(struct lease *lease, struct lease_now now, struct lease_step *step);
/* Nothing until `pause_ms` have passed, then DISCOVER; at once for 0. */
void lease_pause(struct lease *lease, struct lease_now now, int64_t pause_ms,
                 struct lease_step *step);
/* The ADD is over; what may be granted is given back. */
void lease_fail(struct lease *lease, struct lease_now now, enum lease_failure failure,
                struct lease_step *step);
void lease_enter_ended(struct lease *lease, struct lease_step *step);
/* After a restart. */
void lease_enter_bound_again(struct lease *lease, struct lease_now now, struct lease_step *step);
/* The grant must not be used from now on. */
void lease_lose(struct lease *lease, struct lease_now now, struct lease_step *step);
/* An acceptable ACK: the record's grant from now on, or after the probes. Both take `grant` over.
 */
void lease_take_grant(struct lease *lease, struct lease_now now, struct grant *grant,
                      struct lease_step *step);
void lease_enter_probing(struct lease *lease, struct lease_now now, struct grant *grant,
                         struct lease_step *step);
/* Somebody has the address that is being probed: DECLINE. */
void lease_refuse(struct lease *lease, struct lease_now now, struct lease_step *step);

/* ---- lease-send.c ---- */

/* The beginning of an exchange, with its first message. */
void lease_discover(struct lease *lease, struct lease_now now, struct lease_step *step);
void lease_request(struct lease *lease, struct lease_now now, struct lease_step *step);
void lease_reboot(struct lease *lease, struct lease_now now, struct lease_step *step);
void lease_renew(struct lease *lease, struct lease_now now, struct lease_step *step);
void lease_rebind(struct lease *lease, struct lease_now now, struct lease_step *step);

/* The message of the state, once more or for the first time; without a carrier a look at the
 * link, which is no try. */
void lease_transmit(struct lease *lease, struct lease_now now, struct lease_step *step);

/* Messages that nobody answers. The first does nothing when nothing is or may be granted. */
void lease_give_back(const struct lease *lease, struct lease_now now, struct lease_step *step);
void lease_decline(const struct lease *lease, struct lease_now now, struct lease_step *step);

/* Option 61 as it is sent; NULL: none. */
const uint8_t *lease_client_id(const struct lease *lease, uint8_t *ret_len);

#endif
