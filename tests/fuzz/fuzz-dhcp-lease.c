/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The client's machine, driven by bytes: what comes in, what the disk does, and how time passes. A
 * model beside it knows what is on disk, what a server may have granted and which address is in
 * use, and says what must never happen.
 *
 * The first byte is the configuration; after it each event has three: which it is, and how.
 */
#include "fuzz.h"
#include "lease.h"

#define EVENTS_MAX 2000
#define NEARLY_MS  50 /* an end that is this near has come */
#define ADD_MS     208000
#define NO_CARRIER (1U << 7)

/* What is on disk. Texts, routes and names are left out: the machine does not look at them. */
struct disk {
        bool there, full;
        struct offer offer;
        struct grant grant;
        bool lost;
};

struct world {
        struct record record;
        struct lease_timing timing;
        struct lease lease;
        struct lease_step step;
        struct lease_now now;
        struct link link;
        struct disk disk;
        struct msg msg;
        uint32_t xid; /* of the last message that wants an answer */
        bool used;    /* the address was told to somebody */
        struct ip used_ip;
        int64_t used_end_ms;
        struct ip asked;      /* the last REQUEST for an offer: may be granted */
        int64_t asked_end_ms; /* when that would be over, if an ACK has come */
        uint64_t sent, packets, renewals;
        bool ended;
};

static struct ip address_of(uint8_t n)
{
        return (struct ip){ IP_V4, { 10, 0, 0, (uint8_t)(50 + n) } };
}

static struct ip server_of(uint8_t n)
{
        return (struct ip){ IP_V4, { 10, 0, 0, (uint8_t)(1 + n) } };
}

static uint64_t sum(const uint32_t *counts, size_t count)
{
        uint64_t total = 0;

        for (size_t i = 0; i < count; i++)
                total += counts[i];
        return total;
}

/* ---- what must be true ---- */

static void check_message(struct world *w)
{
        const struct lease_step *step = &w->step;
        const struct msg_plan *plan = &step->message;
        const struct ip *ip = plan->ciaddr.family ? &plan->ciaddr : &plan->requested;
        bool from_disk;

        fuzz_must(memcmp(plan->chaddr.bytes, w->link.address.bytes, 6) == 0);
        fuzz_must(step->way == LEASE_BROADCAST || step->server.family == IP_V4);
        w->sent++;
        if (plan->type == MSG_RELEASE || plan->type == MSG_DECLINE)
                return;
        fuzz_must(plan->type == MSG_DISCOVER || plan->type == MSG_REQUEST);
        fuzz_must(plan->secs > 0);
        w->xid = plan->xid;
        if (plan->type == MSG_DISCOVER)
                return;
        /* What is asked for is on disk. */
        from_disk = w->disk.there && (ip_equal(ip, &w->disk.offer.address) ||
                                      ip_equal(ip, &w->disk.grant.address.ip));
        fuzz_must(from_disk);
        if (plan->ciaddr.family) {
                fuzz_must(!w->record.lost && ip_equal(ip, &w->record.grant.address.ip));
                fuzz_must(ip_equal(&step->source, ip));
        }
        if (plan->server.family) {
                fuzz_must(ip_equal(ip, &w->disk.offer.address));
                w->asked = *ip;
                w->asked_end_ms = INT64_MAX;
        }
}

/* Whether the end must have given something back, and did. */
static void check_end(const struct world *w)
{
        const struct lease_step *step = &w->step;
        const struct ip *given = &step->message.ciaddr;
        bool used = w->used && w->used_end_ms > w->now.boot_ms + NEARLY_MS && !w->record.lost;
        bool asked = w->asked.family && w->asked_end_ms > w->now.boot_ms + NEARLY_MS;
        bool released = step->send && step->message.type == MSG_RELEASE;

        if (released)
                fuzz_must(ip_equal(given, &w->record.offer.address) ||
                          (!w->record.lost && ip_equal(given, &w->record.grant.address.ip)));
        if (used)
                fuzz_must(released && ip_equal(given, &w->used_ip));
        else if (asked && !w->record.lost)
                fuzz_must(released);
}

static void take_outcome(struct world *w)
{
        const struct record *record = &w->record;
        const struct lease_step *step = &w->step;
        bool good = step->outcome == LEASE_GOT || step->outcome == LEASE_CHANGED ||
                    step->outcome == LEASE_RENEWED;

        if (step->outcome == LEASE_GOT || step->outcome == LEASE_CHANGED) {
                fuzz_must(!w->used); /* never two at a time */
                fuzz_must(ip_equal(&w->disk.grant.address.ip, &record->grant.address.ip));
        }
        if (step->outcome == LEASE_CHANGED) {
                fuzz_must(record->profile.loss == LOSS_REPLACE);
                fuzz_must(step->former &&
                          !ip_equal(&step->former->address.ip, &record->grant.address.ip));
        }
        if (step->outcome == LEASE_RENEWED)
                fuzz_must(w->used && ip_equal(&w->used_ip, &record->grant.address.ip));
        if (good) {
                fuzz_must(grant_is(&record->grant) && !record->lost);
                w->used = true;
                w->used_ip = record->grant.address.ip;
                w->used_end_ms = grant_end_ms(&record->grant);
                lease_answered(&w->lease);
        }
        if (step->outcome == LEASE_LOST) {
                fuzz_must(record->lost);
                w->used = false;
        }
        if (step->outcome == LEASE_FAILED)
                fuzz_must(w->lease.state == LEASE_ENDED && w->lease.failure != LEASE_NO_FAILURE);
}

static void check_shape(const struct world *w)
{
        const struct lease_step *step = &w->step;

        fuzz_must(w->lease.due_ms > w->now.boot_ms);
        fuzz_must(w->lease.state < LEASE_STATE_COUNT);
        if (step->look)
                fuzz_must(!step->save && !step->send && !step->probe && !step->outcome);
        fuzz_must(!(step->send && step->probe));
        fuzz_must(!step->probe || w->record.offer.address.family == IP_V4);
        fuzz_must(step->outcome == LEASE_CHANGED || !step->former);
}

static void check_always(struct world *w)
{
        const struct lease *lease = &w->lease;
        enum lease_state state = lease->state;

        if (w->used && state != LEASE_ENDED)
                fuzz_must(w->now.boot_ms < w->used_end_ms);
        if (state == LEASE_BOUND || state == LEASE_RENEWING || state == LEASE_REBINDING)
                fuzz_must(grant_is(&w->record.grant) && !w->record.lost);
        if (lease->adding && !w->used)
                fuzz_must(w->now.boot_ms < lease->deadline_ms);
        if (state == LEASE_ENDED)
                fuzz_must(lease->due_ms == INT64_MAX);
        fuzz_must(sum(lease->sent, ARRAY_SIZE(lease->sent)) == w->sent);
        fuzz_must(sum(lease->received, ARRAY_SIZE(lease->received)) +
                          sum(lease->dropped, ARRAY_SIZE(lease->dropped)) ==
                  w->packets);
        fuzz_must(lease->renewals >= w->renewals);
        w->renewals = lease->renewals;
}

static void save(struct world *w)
{
        struct disk *disk = &w->disk;

        disk->there = true;
        disk->offer = w->record.offer;
        disk->lost = w->record.lost;
        disk->grant = w->record.grant;
        disk->grant.routes = (struct route_list){ 0 };
        disk->grant.dns = (struct dns){ 0 };
}

/* Does what the step says, as the daemon does. */
static void perform(struct world *w)
{
        check_shape(w);
        w->now.random = w->now.random * 6364136223846793005U + 1442695040888963407U;
        if (w->step.save && w->disk.full) {
                lease_unsaved(&w->lease, w->now, &w->step);
                check_shape(w);
                fuzz_must(!w->step.save && !w->step.send && !w->step.probe && !w->step.look);
        } else if (w->step.save) {
                save(w);
        }
        if (w->step.send)
                check_message(w);
        if (w->lease.state == LEASE_ENDED && !w->ended)
                check_end(w);
        else if (w->ended)
                fuzz_must(!w->step.send && !w->step.save && !w->step.outcome);
        w->ended = w->lease.state == LEASE_ENDED;
        if (w->step.send && w->step.message.type == MSG_DECLINE)
                w->asked = (struct ip){ 0 };
        take_outcome(w);
        check_always(w);
        if (w->step.look) {
                lease_link(&w->lease, w->now, &w->link, &w->step);
                perform(w);
        }
}

/* ---- what happens ---- */

static void tick(struct world *w, int64_t at_ms)
{
        w->now.boot_ms = at_ms;
        lease_tick(&w->lease, w->now, &w->step);
        perform(w);
}

/* Time passes, in steps of up to a day: to the next event, nearly, or past it. */
static void pass(struct world *w, uint8_t how)
{
        static const int64_t times_ms[] = { 0,    1,     49,     50,      100,
                                            1000, 10000, 100000, 1000000, 86400000 };
        int64_t due_ms = w->lease.due_ms;

        if (how % 16 < ARRAY_SIZE(times_ms))
                tick(w, w->now.boot_ms + times_ms[how % 16]);
        else if (due_ms == INT64_MAX)
                tick(w, w->now.boot_ms + 1);
        else
                tick(w, how % 16 == 15 ? due_ms - 1 : due_ms);
}

static void see_link(struct world *w, uint8_t how)
{
        w->link.carrier = (how & 1) != 0;
        w->link.address.bytes[5] = (how & 6) == 6 ? 0x78 : 0x77;
        w->link.mtu = how;
        lease_link(&w->lease, w->now, &w->link, &w->step);
        perform(w);
}

static void put_option(struct world *w, uint8_t code, const void *bytes, size_t len)
{
        struct opts *opts = &w->msg.opts;

        opts->given[code] = true;
        opts->at[code] = opts->used;
        opts->len[code] = (uint16_t)len;
        memcpy(opts->bytes + opts->used, bytes, len);
        opts->used = (uint16_t)(opts->used + len);
}

static void put_time(struct world *w, uint8_t code, uint8_t how)
{
        static const uint32_t times_s[] = { 0,  1,    2,     3,         10,        60,
                                            90, 3600, 86400, INT32_MAX, UINT32_MAX };
        uint32_t value;
        uint8_t bytes[4];

        if (how % 16 >= ARRAY_SIZE(times_s))
                return;
        value = times_s[how % 16];
        for (int i = 0; i < 4; i++)
                bytes[i] = (uint8_t)(value >> (24 - 8 * i));
        put_option(w, code, bytes, sizeof(bytes));
}

/* Bits 0, 1 of `who`: the server; 2, 3: the address; 4: xid; 5: chaddr; 6: without 54; 7: another
 * client identifier. Of `what`: 0 to 3 the lease, 4, 5 the renewal times; 6: no mask; 7: another
 * sender. */
static void receive(struct world *w, uint8_t type, uint8_t who, uint8_t what)
{
        struct ip server = server_of(who & 3);
        uint64_t before = sum(w->lease.received, ARRAY_SIZE(w->lease.received));
        enum lease_state state = w->lease.state;
        struct err err;
        bool taken;

        w->msg = (struct msg){
                .type = type,
                .hlen = 6,
                .xid = w->xid ^ (who >> 4 & 1),
                .yiaddr = address_of(who >> 2 & 3),
                .source = { { 2, 0, 0, 0, 1, (uint8_t)((who & 3) + (what >> 7)) }, 6 },
        };
        memcpy(w->msg.chaddr, w->link.address.bytes, 6);
        w->msg.chaddr[0] ^= (uint8_t)(who >> 5 & 1);
        if (!(who & 64))
                put_option(w, OPT_SERVER, server.bytes, 4);
        if (who & 128)
                put_option(w, OPT_CLIENT_ID, "other", 5);
        if (!(what & 64))
                put_option(w, OPT_SUBNET_MASK, "\xff\xff\xff\0", 4);
        put_time(w, OPT_LEASE_TIME, what & 15);
        put_time(w, OPT_T1, what >> 4 & 3);
        put_time(w, OPT_T2, what >> 5 & 1);
        w->packets++;
        fuzz_must(lease_receive(&w->lease, w->now, &w->msg, &w->step, &err) == 0);
        taken = sum(w->lease.received, ARRAY_SIZE(w->lease.received)) != before;
        if (taken)
                fuzz_must(!(who & (16 | 32 | 64 | 128)));
        if (taken && type == MSG_NAK && state == LEASE_REQUESTING)
                w->asked = (struct ip){ 0 };
        if (taken && type == MSG_ACK && w->lease.state == LEASE_PROBING)
                w->asked_end_ms = grant_end_ms(&w->lease.acked);
        if (taken && type == MSG_ACK && w->lease.state == LEASE_BOUND)
                w->asked = (struct ip){ 0 };
        perform(w);
}

static void conflict(struct world *w)
{
        lease_conflict(&w->lease, w->now, &w->step);
        perform(w);
}

static void release(struct world *w)
{
        lease_release(&w->lease, w->now, &w->step);
        perform(w);
}

/* The daemon is killed, and starts again with what is on disk. */
static void restart(struct world *w, uint8_t how)
{
        struct record *record = &w->record;

        if (!w->disk.there || w->ended)
                return;
        lease_done(&w->lease);
        grant_done(&record->grant);
        record->offer = w->disk.offer;
        record->grant = w->disk.grant;
        record->lost = w->disk.lost;
        w->used = grant_is(&record->grant) && !record->lost;
        w->used_ip = record->grant.address.ip;
        w->used_end_ms = grant_end_ms(&record->grant);
        w->asked = record->offer.address;
        w->asked_end_ms = INT64_MAX;
        w->sent = w->packets = w->renewals = 0;
        lease_init(&w->lease, record, &w->timing);
        lease_link(&w->lease, w->now, &w->link, &w->step);
        fuzz_must(!w->step.send && !w->step.save && !w->step.outcome && !w->step.look);
        lease_resume(&w->lease, w->now, (how & 1) != 0, &w->step);
        perform(w);
}

static void begin(struct world *w, uint8_t how)
{
        *w = (struct world){
                .record = {
                        .ifindex = 2,
                        .hardware_type = 1,
                        .hardware = { { 2, 0, 0, 0, 0, 0x77 }, 6 },
                        .profile = {
                                .client_id = "c1",
                                .client_id_len = 2,
                                .loss = (enum profile_loss)(how & 3),
                                .acd = (enum profile_acd)((how >> 2 & 3) % 3),
                                .strict_nak = (how & 16) != 0,
                        },
                },
                .timing = { how & 32 ? 0 : 10000, how & 64 ? 0 : 62000, ADD_MS, false },
                .now = { 1000000, how },
                .link = { .type = 1, .address = { { 2, 0, 0, 0, 0, 0x77 }, 6 }, .mtu = 1500 },
        };
        lease_init(&w->lease, &w->record, &w->timing);
        w->link.carrier = !(how & NO_CARRIER);
        lease_link(&w->lease, w->now, &w->link, &w->step);
        lease_start(&w->lease, w->now, w->now.boot_ms + ADD_MS, &w->step);
        perform(w);
}

static void run(struct world *w, const uint8_t *data, size_t size)
{
        size_t at = 1;

        for (int i = 0; i < EVENTS_MAX && at + 3 <= size; i++) {
                uint8_t what = data[at], a = data[at + 1], b = data[at + 2];

                at += 3;
                switch (what % 16) {
                case 0:
                case 1:
                        pass(w, a);
                        break;
                case 2:
                        see_link(w, a);
                        break;
                case 3:
                        receive(w, MSG_OFFER, a, b);
                        break;
                case 4:
                        receive(w, MSG_ACK, a, b);
                        break;
                case 5:
                        receive(w, MSG_NAK, a, b);
                        break;
                case 6:
                        receive(w, a, 0, b);
                        break;
                case 7:
                        conflict(w);
                        break;
                case 8:
                        w->disk.full = (a & 1) != 0;
                        break;
                case 9:
                        restart(w, a);
                        break;
                case 10:
                        w->packets++;
                        lease_dropped(&w->lease, (enum msg_drop)(1 + a % (MSG_DROP_COUNT - 1)));
                        break;
                case 11:
                        if ((a & 15) == 0)
                                release(w);
                        break;
                default: /* until the machine wants something: most of what happens */
                        pass(w, 14);
                        break;
                }
        }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        static struct world world;
        struct buf text;

        if (size == 0)
                return 0;
        begin(&world, data[0]);
        run(&world, data, size);
        buf_init(&text, 65536);
        lease_describe(&world.lease, &text);
        fuzz_must(text.failed == 0);
        buf_done(&text);
        release(&world);
        lease_done(&world.lease);
        grant_done(&world.record.grant);
        return 0;
}
