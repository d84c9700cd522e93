/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The messages of the machine and the waits between them: RFC 2131 sections 4.1, 4.3.6 and 4.4.
 */
#include "lease-steps.h"

#define FIRST_WAIT_MS  1000
#define REBOOT_WAIT_MS 2000
#define CARRIER_MS     1000
#define WAIT_LEAST_MS  100
#define WAIT_MOST_MS   86400000
#define JITTER_LEAST   100
#define RENEW_LEAST_MS 60000
/* T1 to T2, or T2 to the end, shorter than this: there is no time for a minute's rest. */
#define RENEW_SHORT_MS 120000
#define SIZE_LEAST     576
#define SIZE_MOST      1500

static const struct ip nobody = { IP_V4, { 0 } };

/* ---- waits ---- */

static int64_t clamp(int64_t value, int64_t least, int64_t most)
{
        return value < least ? least : value > most ? most : value;
}

/* 10 % to either side, 100 ms at least; of a short wait at least its half remains. */
static int64_t jitter(int64_t wait_ms, uint64_t random)
{
        int64_t most = wait_ms / 10 > JITTER_LEAST ? wait_ms / 10 : JITTER_LEAST;
        int64_t with = wait_ms - most + (int64_t)((random >> 32) % (uint64_t)(2 * most + 1));

        return with > wait_ms / 2 ? with : wait_ms / 2;
}

/* Twice as long as before. */
static int64_t next_wait(struct lease *lease, int64_t first_ms, int64_t longest_ms, uint64_t random)
{
        int64_t wait_ms = lease->wait_ms > 0 ? 2 * (int64_t)lease->wait_ms : first_ms;

        wait_ms = clamp(wait_ms, WAIT_LEAST_MS, clamp(longest_ms, WAIT_LEAST_MS, WAIT_MOST_MS));
        lease->wait_ms = (unsigned)wait_ms;
        return jitter(wait_ms, random);
}

/* Half of what is left until T2 or the end, but a minute at least (RFC 2131 4.4.5). */
static int64_t renewal_wait(const struct lease *lease, int64_t now_ms)
{
        const struct grant *grant = &lease->record->grant;
        bool renewing = lease->state == LEASE_RENEWING;
        int64_t from_ms = renewing ? grant_t1_ms(grant) : grant_t2_ms(grant);
        int64_t until_ms = renewing ? grant_t2_ms(grant) : grant_end_ms(grant);
        int64_t rest_ms = until_ms - now_ms;

        if (rest_ms >= 2 * RENEW_LEAST_MS)
                return rest_ms / 2;
        if (until_ms - from_ms < RENEW_SHORT_MS)
                return rest_ms / 2 > FIRST_WAIT_MS ? rest_ms / 2 : FIRST_WAIT_MS;
        return rest_ms > RENEW_LEAST_MS ? RENEW_LEAST_MS : rest_ms;
}

static int64_t wait_after(struct lease *lease, struct lease_now now)
{
        const struct lease_timing *timing = lease->timing;

        if (lease->state == LEASE_RENEWING || lease->state == LEASE_REBINDING)
                return renewal_wait(lease, now.boot_ms);
        if (lease->state == LEASE_REBOOTING)
                return next_wait(lease, REBOOT_WAIT_MS, 2 * REBOOT_WAIT_MS, now.random);
        return next_wait(lease, FIRST_WAIT_MS,
                         lease->adding ? timing->timeout_ms : timing->resend_max_ms, now.random);
}

/* ---- messages ---- */

/* At least 1: several servers and relays take 0 for a client in no hurry. */
static uint16_t secs_since(int64_t began_ms, int64_t now_ms)
{
        return (uint16_t)clamp((now_ms - began_ms) / 1000, 1, UINT16_MAX);
}

const uint8_t *lease_client_id(const struct lease *lease, uint8_t *ret_len)
{
        const struct profile *profile = &lease->record->profile;

        for (size_t i = 0; i < profile->provided_count; i++)
                if (profile->provided[i].code == OPT_CLIENT_ID) {
                        *ret_len = profile->provided[i].len;
                        return profile->provided[i].bytes;
                }
        *ret_len = profile->client_id_len;
        return profile->client_id_len > 0 ? profile->client_id : NULL;
}

/* What all messages have. */
static void compose(const struct lease *lease, enum msg_type type, uint32_t xid,
                    struct lease_step *step)
{
        const struct record *record = lease->record;
        struct msg_plan *plan = &step->message;

        *plan = (struct msg_plan){
                .type = type,
                .xid = xid,
                .hardware = record->hardware_type,
                .chaddr = record->hardware,
        };
        plan->client_id = lease_client_id(lease, &plan->client_id_len);
        step->send = true;
        step->way = LEASE_BROADCAST;
        step->source = nobody;
}

/* What messages have that want an answer. A provided 50 is a wish for the first address: it counts
 * in a DISCOVER alone, and no longer when there is one to keep. lease_init() has put it in front.
 */
static void compose_question(const struct lease *lease, enum msg_type type, struct lease_step *step)
{
        const struct profile *profile = &lease->record->profile;
        struct msg_plan *plan = &step->message;
        size_t skip = 0;

        compose(lease, type, lease->xid, step);
        plan->secs = lease->secs;
        plan->broadcast = lease->broadcast;
        plan->max_size = (uint16_t)clamp(lease->mtu, SIZE_LEAST, SIZE_MOST);
        plan->parameters = profile->parameters;
        plan->parameter_count = profile->parameter_count;
        if (profile->provided_count > 0 && profile->provided[0].code == OPT_REQUESTED_ADDRESS)
                skip = type != MSG_DISCOVER || grant_is(&lease->record->grant);
        plan->provided_count = profile->provided_count - skip;
        plan->provided = plan->provided_count > 0 ? profile->provided + skip : NULL;
}

static void compose_discover(const struct lease *lease, struct lease_step *step)
{
        compose_question(lease, MSG_DISCOVER, step);
        step->message.requested = lease->record->grant.address.ip;
}

static void compose_request(const struct lease *lease, struct lease_step *step)
{
        compose_question(lease, MSG_REQUEST, step);
        step->message.requested = lease->record->offer.address;
        step->message.server = lease->record->offer.server;
}

static void compose_reboot(const struct lease *lease, struct lease_step *step)
{
        compose_question(lease, MSG_REQUEST, step);
        step->message.requested = lease->record->grant.address.ip;
}

/* The address is configured, so an answer finds it without the broadcast flag. */
static void compose_renewal(const struct lease *lease, struct lease_step *step)
{
        const struct grant *grant = &lease->record->grant;

        compose_question(lease, MSG_REQUEST, step);
        step->message.broadcast = false;
        step->message.ciaddr = step->source = grant->address.ip;
        if (lease->state == LEASE_REBINDING)
                return;
        step->way = LEASE_UNICAST;
        step->server = grant->server;
        step->server_hardware = grant->server_hardware;
}

void lease_give_back(const struct lease *lease, struct lease_now now, struct lease_step *step)
{
        const struct record *record = lease->record;
        bool granted = lease_in_use(lease);
        const struct ip *address = granted ? &record->grant.address.ip : &record->offer.address;

        if (address->family == IP_UNSET)
                return;
        compose(lease, MSG_RELEASE, (uint32_t)now.random, step);
        step->way = LEASE_UNICAST;
        step->source = step->message.ciaddr = *address;
        step->server = granted ? record->grant.server : record->offer.server;
        step->server_hardware =
                granted ? record->grant.server_hardware : record->offer.server_hardware;
        step->message.server = step->server;
}

void lease_decline(const struct lease *lease, struct lease_now now, struct lease_step *step)
{
        compose(lease, MSG_DECLINE, (uint32_t)now.random, step);
        step->message.requested = lease->record->offer.address;
        step->message.server = lease->record->offer.server;
}

/* ---- exchanges ---- */

void lease_transmit(struct lease *lease, struct lease_now now, struct lease_step *step)
{
        bool renewal = lease->state == LEASE_RENEWING || lease->state == LEASE_REBINDING;

        if (!lease->carrier) {
                step->look = true;
                lease->resend_ms = now.boot_ms + CARRIER_MS;
                return;
        }
        /* Times count from the first REQUEST of an exchange, which is the safe side. */
        if (lease->tries == 0 || (renewal && now.boot_ms - lease->sent_ms > LEASE_PATIENCE_MS)) {
                lease->sent_ms = now.boot_ms;
                if (renewal)
                        lease->xid = (uint32_t)now.random;
        }
        /* A REQUEST has the secs of its DISCOVER, so that a relay treats both alike. */
        if (lease->state != LEASE_REQUESTING)
                lease->secs = secs_since(lease->began_ms, now.boot_ms);
        if (lease->state == LEASE_SELECTING)
                compose_discover(lease, step);
        else if (lease->state == LEASE_REQUESTING)
                compose_request(lease, step);
        else if (lease->state == LEASE_REBOOTING)
                compose_reboot(lease, step);
        else
                compose_renewal(lease, step);
        lease->tries++;
        lease->resend_ms = now.boot_ms + wait_after(lease, now);
}

static void begin(struct lease *lease, enum lease_state state, struct lease_now now,
                  struct lease_step *step)
{
        lease->state = state;
        lease->tries = lease->wait_ms = 0;
        lease_transmit(lease, now, step);
}

void lease_discover(struct lease *lease, struct lease_now now, struct lease_step *step)
{
        bool goes_on = lease->state == LEASE_SELECTING || lease->state == LEASE_REQUESTING ||
                       lease->state == LEASE_PROBING || lease->state == LEASE_PAUSED;

        if (!goes_on)
                lease->began_ms = now.boot_ms;
        lease->xid = (uint32_t)now.random;
        begin(lease, LEASE_SELECTING, now, step);
}

void lease_request(struct lease *lease, struct lease_now now, struct lease_step *step)
{
        begin(lease, LEASE_REQUESTING, now, step);
}

void lease_reboot(struct lease *lease, struct lease_now now, struct lease_step *step)
{
        lease->began_ms = now.boot_ms;
        lease->xid = (uint32_t)now.random;
        begin(lease, LEASE_REBOOTING, now, step);
}

void lease_renew(struct lease *lease, struct lease_now now, struct lease_step *step)
{
        lease->began_ms = now.boot_ms;
        begin(lease, LEASE_RENEWING, now, step);
}

void lease_rebind(struct lease *lease, struct lease_now now, struct lease_step *step)
{
        if (lease->state != LEASE_RENEWING)
                lease->began_ms = now.boot_ms;
        begin(lease, LEASE_REBINDING, now, step);
}
