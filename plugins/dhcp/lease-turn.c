/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From one state into another.
 */
#include "lease-steps.h"

#define LOOK_MS         250   /* for a carrier to come */
#define REQUESTS_MAX    4     /* for one offer; then it is not waited for any more */
#define REQUEST_MAX_MS  60000 /* nor after this time, which a missing carrier can use up */
#define REBOOTS_MAX     2
#define PROBES_MAX      3
#define PROBE_FAST_MS   100
#define PROBE_MS        1000 /* RFC 5227 section 1.1: PROBE_MIN, and PROBE_MAX is twice as much */
#define PROBED_MS       2000 /* ANNOUNCE_WAIT */
#define CONFLICT_MS     10000
#define CONFLICTS_MANY  10
#define CONFLICT_MAX_MS 60000
#define BOUND_LEAST_MS  1000  /* before a renewal, unless the lease itself is that short */
#define SPREAD_MS       60000 /* renewals after a restart */
/* T1 comes earlier by up to this part of it, so that leases that began together part company. */
#define EARLY_PARTS 50

void lease_enter_ended(struct lease *lease, struct lease_step *step)
{
        lease->state = LEASE_ENDED;
        lease->adding = false;
        lease->owed = LEASE_NOTHING;
        step->idle = true;
}

void lease_fail(struct lease *lease, struct lease_now now, enum lease_failure failure,
                struct lease_step *step)
{
        lease_give_back(lease, now, step);
        lease->failure = failure;
        step->outcome = LEASE_FAILED;
        lease_enter_ended(lease, step);
}

void lease_lose(struct lease *lease, struct lease_now now, struct lease_step *step)
{
        bool searching = lease->state == LEASE_SELECTING || lease->state == LEASE_REQUESTING ||
                         lease->state == LEASE_PAUSED;
        bool told = !lease_is_waited_for(lease);

        lease->record->lost = true;
        lease->dirty = true;
        if (!told) { /* it ran out before its record could be written */
                lease_fail(lease, now, LEASE_NO_MORE_TRIES, step);
                return;
        }
        lease->owed = LEASE_NOTHING;
        step->outcome = LEASE_LOST;
        if (lease->record->profile.loss == LOSS_DOWN)
                lease_enter_ended(lease, step);
        else if (!searching)
                lease_discover(lease, now, step);
}

void lease_pause(struct lease *lease, struct lease_now now, int64_t pause_ms,
                 struct lease_step *step)
{
        if (pause_ms == 0) {
                lease_discover(lease, now, step);
                return;
        }
        lease->state = LEASE_PAUSED;
        lease->resend_ms = now.boot_ms + pause_ms;
        step->idle = true;
}

/* T1 counts from the REQUEST. It may have passed already, when the answer was slow. */
static void enter_bound(struct lease *lease, struct lease_now now, struct lease_step *step)
{
        const struct grant *grant = &lease->record->grant;
        int64_t t1_ms = grant_t1_ms(grant), end_ms = grant_end_ms(grant), early_ms;

        lease->state = LEASE_BOUND;
        lease->naks = lease->conflicts = 0;
        lease->resend_ms = INT64_MAX;
        step->idle = true;
        if (t1_ms == INT64_MAX)
                return;
        early_ms =
                (t1_ms - grant->from_ms) / EARLY_PARTS * (int64_t)(now.random >> 48) / UINT16_MAX;
        lease->resend_ms =
                lease_most(t1_ms - early_ms,
                           now.boot_ms + lease_least((end_ms - now.boot_ms) / 2, BOUND_LEAST_MS));
}

/* With T1 over, those who have to renew do not all do so at once. */
void lease_enter_bound_again(struct lease *lease, struct lease_now now, struct lease_step *step)
{
        int64_t t1_ms = grant_t1_ms(&lease->record->grant);
        int64_t rest_ms = grant_t2_ms(&lease->record->grant) - now.boot_ms;
        int64_t spread_ms = lease_least(SPREAD_MS, rest_ms / 2);

        enter_bound(lease, now, step);
        if (t1_ms <= now.boot_ms)
                lease->resend_ms = now.boot_ms + (int64_t)(now.random % (uint64_t)(spread_ms + 1));
}

/* The interface keeps the mask that it was configured with, so the record does. */
static void keep_mask(const struct record *record, struct grant *grant)
{
        if (!ip_equal(&record->grant.address.ip, &grant->address.ip) || record->withdrawn)
                return;
        grant->address.prefix = record->grant.address.prefix;
        grant->broadcast = record->grant.broadcast;
}

void lease_take_grant(struct lease *lease, struct lease_now now, struct grant *grant,
                      struct lease_step *step)
{
        struct record *record = lease->record;

        keep_mask(record, grant);
        if (lease_in_use(lease)) {
                step->outcome = LEASE_RENEWED;
                lease->renewals++;
        } else if (!grant_is(&record->grant) ||
                   ip_equal(&record->grant.address.ip, &grant->address.ip)) {
                step->outcome = LEASE_GOT;
        } else {
                step->outcome = LEASE_CHANGED;
        }
        if (lease->owed == LEASE_CHANGED) {
                grant_done(&record->grant); /* what it came after has not been told yet */
        } else {
                grant_done(&lease->former);
                lease->former = record->grant;
        }
        record->grant = *grant;
        *grant = (struct grant){ 0 };
        record->offer = (struct offer){ 0 };
        record->lost = false;
        lease->dirty = true;
        enter_bound(lease, now, step);
}

static void probe(struct lease *lease, struct lease_now now, struct lease_step *step)
{
        int64_t between_ms = PROBE_MS + (int64_t)((now.random >> 32) % (PROBE_MS + 1));

        step->probe = true;
        lease->probes++;
        if (lease->record->profile.acd == ACD_FAST)
                between_ms = PROBE_FAST_MS;
        else if (lease->probes == PROBES_MAX)
                between_ms = PROBED_MS;
        lease->resend_ms = now.boot_ms + between_ms;
}

void lease_enter_probing(struct lease *lease, struct lease_now now, struct grant *grant,
                         struct lease_step *step)
{
        grant_done(&lease->acked);
        lease->acked = *grant;
        *grant = (struct grant){ 0 };
        lease->state = LEASE_PROBING;
        lease->probes = 0;
        if (lease->record->profile.acd == ACD_FAST)
                probe(lease, now, step);
        else
                lease->resend_ms = now.boot_ms + (int64_t)((now.random >> 32) % (PROBE_MS + 1));
}

static void forget_offer(struct lease *lease)
{
        grant_done(&lease->acked);
        lease->acked = (struct grant){ 0 };
        lease->record->offer = (struct offer){ 0 };
        lease->dirty = true;
}

void lease_refuse(struct lease *lease, struct lease_now now, struct lease_step *step)
{
        lease_decline(lease, now, step);
        forget_offer(lease);
        lease->conflicts++;
        lease_pause(lease, now, lease->conflicts < CONFLICTS_MANY ? CONFLICT_MS : CONFLICT_MAX_MS,
                    step);
}

/* Nobody has answered the probes so far. */
static void go_on_probing(struct lease *lease, struct lease_now now, struct lease_step *step)
{
        if (lease_has_come(grant_end_ms(&lease->acked), now)) {
                forget_offer(lease);
                lease_discover(lease, now, step);
        } else if (!lease->carrier) {
                step->look = true;
                lease->resend_ms = now.boot_ms + PROBE_MS;
        } else if (lease->probes < PROBES_MAX) {
                probe(lease, now, step);
        } else {
                lease_take_grant(lease, now, &lease->acked, step);
        }
}

static void go_on_requesting(struct lease *lease, struct lease_now now, struct lease_step *step)
{
        if (lease->tries >= REQUESTS_MAX || now.boot_ms - lease->sent_ms > REQUEST_MAX_MS)
                lease_discover(lease, now, step);
        else
                lease_transmit(lease, now, step);
}

static void go_on_rebooting(struct lease *lease, struct lease_now now, struct lease_step *step)
{
        if (lease->tries >= REBOOTS_MAX)
                lease_discover(lease, now, step);
        else
                lease_transmit(lease, now, step);
}

static void extend(struct lease *lease, struct lease_now now, struct lease_step *step)
{
        if (now.boot_ms >= grant_t2_ms(&lease->record->grant))
                lease_rebind(lease, now, step);
        else if (lease->state == LEASE_BOUND)
                lease_renew(lease, now, step);
        else
                lease_transmit(lease, now, step);
}

void lease_go_on(struct lease *lease, struct lease_now now, struct lease_step *step)
{
        switch (lease->state) {
        case LEASE_INIT:
                step->look = true;
                lease->resend_ms = now.boot_ms + LOOK_MS;
                break;
        case LEASE_PAUSED:
                lease_discover(lease, now, step);
                break;
        case LEASE_REQUESTING:
                go_on_requesting(lease, now, step);
                break;
        case LEASE_PROBING:
                go_on_probing(lease, now, step);
                break;
        case LEASE_REBOOTING:
                go_on_rebooting(lease, now, step);
                break;
        case LEASE_BOUND:
        case LEASE_RENEWING:
                extend(lease, now, step);
                break;
        case LEASE_SELECTING:
        case LEASE_REBINDING:
                lease_transmit(lease, now, step);
                break;
        case LEASE_ENDED:
        case LEASE_STATE_COUNT:
                break;
        }
}
