/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Time and states. A change of the record is on disk before anything is sent or told that depends
 * on it: it makes the record dirty, and the next step that asks or tells something saves it first.
 */
#include "lease-steps.h"

#include <linux/if_arp.h>
#include <string.h>

#define SAVE_AGAIN_MS  1000
#define SAVE_CALMLY_MS 10000 /* when nobody waits for it */

/* ---- times ---- */

/* Whether nothing has begun yet, or nothing comes any more. */
static bool is_idle(const struct lease *lease)
{
        return lease->state == LEASE_ENDED || (lease->state == LEASE_INIT && !lease->adding);
}

static int64_t earliest(const struct lease *lease)
{
        const struct grant *grant = &lease->record->grant;
        int64_t due_ms = lease->resend_ms;

        if (is_idle(lease))
                return INT64_MAX;
        if (lease->dirty)
                due_ms = lease_least(due_ms, lease->save_ms);
        if (lease_is_waited_for(lease))
                due_ms = lease_least(due_ms, lease->deadline_ms);
        if (lease_in_use(lease))
                due_ms = lease_least(due_ms, grant_end_ms(grant));
        if (lease->state == LEASE_RENEWING)
                due_ms = lease_least(due_ms, grant_t2_ms(grant));
        return due_ms;
}

static void settle(struct lease *lease, int64_t now_ms)
{
        lease->due_ms = lease_most(earliest(lease), now_ms + LEASE_WAIT_MIN_MS);
}

/* ---- the frame of an event ---- */

bool lease_begin(struct lease *lease, struct lease_now now, struct lease_step *step)
{
        *step = (struct lease_step){ 0 };
        if (lease->owed != LEASE_CHANGED) {
                grant_done(&lease->former);
                lease->former = (struct grant){ 0 };
        }
        if (is_idle(lease))
                return false;
        if (lease_is_waited_for(lease) && lease_has_come(lease->deadline_ms, now)) {
                lease_fail(lease, now, LEASE_NO_MORE_TRIES, step);
                return true;
        }
        if (lease_in_use(lease) && lease_has_come(grant_end_ms(&lease->record->grant), now)) {
                lease_lose(lease, now, step);
                return true;
        }
        return false;
}

/* A message that wants an answer, and whose answer may be something that is not on disk yet. More
 * time for what is there must not wait for a disk. */
static bool asks(const struct lease *lease, const struct lease_step *step)
{
        bool extends = lease->owed == LEASE_NOTHING &&
                       (lease->state == LEASE_RENEWING || lease->state == LEASE_REBINDING ||
                        lease->state == LEASE_REBOOTING);

        return step->send && !extends &&
               (step->message.type == MSG_DISCOVER || step->message.type == MSG_REQUEST);
}

static bool tells(const struct lease_step *step)
{
        return step->outcome != LEASE_NOTHING && step->outcome != LEASE_FAILED;
}

/* What could not be told before comes after the record; more time for it is no news then. */
static void tell_owed(struct lease *lease, struct lease_step *step)
{
        if (lease->owed != LEASE_NOTHING &&
            (step->outcome == LEASE_NOTHING || step->outcome == LEASE_RENEWED))
                step->outcome = lease->owed;
        if (step->outcome == LEASE_CHANGED)
                step->former = &lease->former;
        lease->owed = LEASE_NOTHING;
}

void lease_finish(struct lease *lease, struct lease_now now, struct lease_step *step)
{
        if (lease->dirty && (asks(lease, step) || tells(step)))
                step->save = true;
        if (step->save) {
                lease->dirty = false;
                lease->save_ms = INT64_MAX;
                tell_owed(lease, step);
        }
        if (step->save || step->outcome != LEASE_NOTHING)
                step->look = false; /* its time comes again */
        if (step->send)
                lease->sent[step->message.type]++;
        lease->outcome = step->outcome;
        lease->message = step->send ? step->message.type : 0;
        settle(lease, now.boot_ms);
}

/* ---- events ---- */

/* On the wire options go by number, so their order here is free. */
static void put_wish_first(struct profile *profile)
{
        for (size_t i = 1; i < profile->provided_count; i++)
                if (profile->provided[i].code == OPT_REQUESTED_ADDRESS) {
                        struct msg_option wish = profile->provided[i];

                        profile->provided[i] = profile->provided[0];
                        profile->provided[0] = wish;
                }
}

void lease_init(struct lease *lease, struct record *record, const struct lease_timing *timing)
{
        *lease = (struct lease){
                .record = record,
                .timing = timing,
                .state = LEASE_INIT,
                .due_ms = INT64_MAX,
                .save_ms = INT64_MAX,
        };
        put_wish_first(&record->profile);
}

void lease_done(struct lease *lease)
{
        grant_done(&lease->acked);
        grant_done(&lease->former);
        *lease = (struct lease){ 0 };
}

void lease_start(struct lease *lease, struct lease_now now, int64_t deadline_ms,
                 struct lease_step *ret)
{
        lease->adding = true;
        lease->deadline_ms = deadline_ms;
        lease->resend_ms = now.boot_ms;
        if (!lease_begin(lease, now, ret)) {
                if (lease->carrier)
                        lease_discover(lease, now, ret);
                else
                        lease_go_on(lease, now, ret);
        }
        lease_finish(lease, now, ret);
}

/* An offer without a grant: the daemon was killed between REQUEST and ACK, and nobody was told. */
static void resume_without_grant(struct lease *lease, struct lease_now now, struct lease_step *step)
{
        lease_give_back(lease, now, step);
        lease_enter_ended(lease, step);
}

void lease_resume(struct lease *lease, struct lease_now now, bool configured,
                  struct lease_step *ret)
{
        const struct record *record = lease->record;

        *ret = (struct lease_step){ 0 };
        if (!grant_is(&record->grant)) {
                resume_without_grant(lease, now, ret);
        } else if (record->lost && record->profile.loss == LOSS_DOWN) {
                lease_enter_ended(lease, ret);
        } else if (record->lost) {
                lease_discover(lease, now, ret);
        } else if (lease_has_come(grant_end_ms(&record->grant), now)) {
                lease_lose(lease, now, ret);
        } else if (!configured) {
                lease_reboot(lease, now, ret);
        } else if (grant_t2_ms(&record->grant) <= now.boot_ms) {
                lease_rebind(lease, now, ret);
        } else {
                lease_enter_bound_again(lease, now, ret);
        }
        lease_finish(lease, now, ret);
}

void lease_answered(struct lease *lease)
{
        lease->adding = false;
        lease->due_ms = lease_most(lease->due_ms, earliest(lease));
}

/* ipvlan's interfaces share one hardware address: an answer to it reaches any of them. InfiniBand
 * has none that fits into a message (RFC 4390). */
static bool needs_broadcast(const struct lease *lease, const struct link *link)
{
        if (link->type == ARPHRD_INFINIBAND)
                return true;
        switch (lease->record->profile.broadcast) {
        case BROADCAST_ON:
                return true;
        case BROADCAST_OFF:
                return false;
        case BROADCAST_AUTO:
                break;
        }
        return lease->timing->broadcast || strcmp(link->kind, "ipvlan") == 0;
}

static void take_link(struct lease *lease, const struct link *link)
{
        struct record *record = lease->record;
        bool same = record->hardware_type == link->type &&
                    record->hardware.len == link->address.len &&
                    memcmp(record->hardware.bytes, link->address.bytes, link->address.len) == 0;

        lease->carrier = link->carrier;
        lease->mtu = link->mtu;
        lease->broadcast = needs_broadcast(lease, link);
        if (same)
                return;
        record->hardware_type = link->type;
        record->hardware = link->address;
        if (grant_is(&record->grant) || record->offer.address.family != IP_UNSET)
                lease->dirty = true;
}

void lease_link(struct lease *lease, struct lease_now now, const struct link *link,
                struct lease_step *ret)
{
        bool had_carrier = lease->carrier;

        take_link(lease, link);
        if (!lease_begin(lease, now, ret) && !had_carrier && lease->carrier) {
                if (lease->state == LEASE_INIT && lease->adding) {
                        lease_discover(lease, now, ret);
                } else if (lease_awaits(lease)) {
                        lease->wait_ms = 0;
                        lease_go_on(lease, now, ret);
                }
        }
        lease_finish(lease, now, ret);
}

void lease_tick(struct lease *lease, struct lease_now now, struct lease_step *ret)
{
        *ret = (struct lease_step){ 0 };
        if (now.boot_ms < lease->due_ms)
                return;
        if (!lease_begin(lease, now, ret)) {
                ret->save = lease->dirty && now.boot_ms >= lease->save_ms;
                if (now.boot_ms >= lease->resend_ms ||
                    (lease->state == LEASE_RENEWING &&
                     now.boot_ms >= grant_t2_ms(&lease->record->grant)))
                        lease_go_on(lease, now, ret);
        }
        lease_finish(lease, now, ret);
}

void lease_conflict(struct lease *lease, struct lease_now now, struct lease_step *ret)
{
        if (!lease_begin(lease, now, ret) && lease->state == LEASE_PROBING)
                lease_refuse(lease, now, ret);
        lease_finish(lease, now, ret);
}

/* The end of a lease does not wait for a disk, and more time does no harm when it is forgotten. A
 * new address is not told before it is written. */
void lease_unsaved(struct lease *lease, struct lease_now now, struct lease_step *ret)
{
        enum lease_outcome outcome = lease->outcome;

        *ret = (struct lease_step){
                .idle = !lease_awaits(lease) && lease->state != LEASE_PROBING,
        };
        if (lease->message != 0) {
                lease->sent[lease->message]--;
                lease->tries--;
                lease->resend_ms = now.boot_ms + SAVE_AGAIN_MS;
        }
        if (outcome == LEASE_GOT || outcome == LEASE_CHANGED) {
                lease->owed = outcome;
        } else {
                ret->outcome = outcome;
        }
        lease->dirty = true;
        if (outcome != LEASE_NOTHING)
                lease->save_ms =
                        now.boot_ms + (outcome == ret->outcome ? SAVE_CALMLY_MS : SAVE_AGAIN_MS);
        lease->outcome = ret->outcome;
        lease->message = 0;
        settle(lease, now.boot_ms);
}

void lease_release(struct lease *lease, struct lease_now now, struct lease_step *ret)
{
        struct record *record = lease->record;

        *ret = (struct lease_step){ 0 };
        if (lease->state != LEASE_ENDED) {
                if (lease_in_use(lease) && lease_has_come(grant_end_ms(&record->grant), now))
                        record->lost = true;
                lease_give_back(lease, now, ret);
                lease_enter_ended(lease, ret);
        }
        lease_finish(lease, now, ret);
}
