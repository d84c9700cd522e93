/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_UNIT_MACHINE_H
#define TESTS_UNIT_MACHINE_H

/*
 * A lease's machine with its record, a clock and a server to play: what the tests of the lease
 * share. Every event is checked for what must always be true.
 */

#include "dhcp.h"
#include "lease.h"

#define MACHINE_ADDRESS "10.0.0.50"
#define MACHINE_SERVER  "10.0.0.1"
#define MACHINE_OTHER   "10.0.0.2" /* another server, or another address */
#define MACHINE_BEGIN   1000000

struct machine {
        struct record record;
        struct lease_timing timing;
        struct lease lease;
        struct lease_step step; /* of the last event */
        struct lease_now now;
        struct link link;
        struct msg msg; /* the next one that arrives */
        uint32_t xid;   /* of the last message */
        uint32_t lease_s;
};

/* A record of an ADD, a link with a carrier. */
static inline void machine_init(struct machine *m)
{
        *m = (struct machine){
                .record = {
                        .key = { strdup("c1"), strdup("net"), strdup("eth0") },
                        .netns = strdup("/run/netns/c1"),
                        .nsid = -1,
                        .ifindex = 2,
                        .hardware_type = 1,
                        .hardware = dhcp_hardware,
                        .profile = {
                                .client_id = { 0, 'c', '1' },
                                .client_id_len = 3,
                                .parameters = { 3, 1 },
                                .parameter_count = 2,
                        },
                },
                .timing = { 10000, 62000, 208000, false },
                .now = { MACHINE_BEGIN, 0x8000000012345678 },
                .link = {
                        .ifindex = 2,
                        .name = "eth0",
                        .kind = "macvlan",
                        .type = 1,
                        .address = dhcp_hardware,
                        .mtu = 1500,
                        .up = true,
                        .carrier = true,
                },
                .lease_s = 3600,
        };
        lease_init(&m->lease, &m->record, &m->timing);
}

static inline void machine_done(struct machine *m)
{
        lease_done(&m->lease);
        record_done(&m->record);
}

/* After each event; the random bits of the next one are others. */
static inline void machine_check(struct machine *m)
{
        const struct lease_step *step = &m->step;

        ck_assert_int_gt(m->lease.due_ms, m->now.boot_ms);
        if (step->look)
                ck_assert(!step->save && !step->send && !step->probe && !step->outcome);
        ck_assert(!step->send || !step->probe);
        if (step->send) {
                m->xid = step->message.xid;
                ck_assert_int_eq(step->message.hardware, 1);
                ck_assert_mem_eq(step->message.chaddr.bytes, dhcp_hardware.bytes, 6);
        }
        m->now.random = m->now.random * 6364136223846793005U + 1442695040888963407U;
}

static inline void machine_look(struct machine *m, bool carrier)
{
        m->link.carrier = carrier;
        lease_link(&m->lease, m->now, &m->link, &m->step);
        machine_check(m);
}

/* An ADD on a link with a carrier: its first DISCOVER. */
static inline void machine_start(struct machine *m)
{
        machine_look(m, true);
        lease_start(&m->lease, m->now, m->now.boot_ms + m->timing.resend_timeout_ms, &m->step);
        machine_check(m);
}

static inline void machine_tick(struct machine *m, int64_t at_ms)
{
        m->now.boot_ms = at_ms;
        lease_tick(&m->lease, m->now, &m->step);
        machine_check(m);
}

/* Waits until the machine wants something; returns for how long. */
static inline int64_t machine_wait(struct machine *m)
{
        int64_t before_ms = m->now.boot_ms;

        ck_assert_int_ne(m->lease.due_ms, INT64_MAX);
        machine_tick(m, m->lease.due_ms);
        return m->now.boot_ms - before_ms;
}

/* Prepares the server's reply to what was sent last. */
static inline void machine_reply(struct machine *m, enum msg_type type)
{
        dhcp_reply(&m->msg, type, m->xid, type == MSG_NAK ? "0.0.0.0" : MACHINE_ADDRESS);
        dhcp_option_ip(&m->msg, OPT_SERVER, MACHINE_SERVER);
        if (type == MSG_NAK)
                return;
        dhcp_option_ip(&m->msg, OPT_SUBNET_MASK, "255.255.255.0");
        dhcp_option_u32(&m->msg, OPT_LEASE_TIME, m->lease_s);
}

/* It arrives, `after_ms` later. Returns why it was not used. */
static inline enum msg_drop machine_receive(struct machine *m, int64_t after_ms)
{
        uint32_t before[MSG_DROP_COUNT], received[ARRAY_SIZE(m->lease.received)];
        enum msg_drop why = MSG_OK;
        unsigned counted = 0;
        struct err err;

        memcpy(before, m->lease.dropped, sizeof(before));
        memcpy(received, m->lease.received, sizeof(received));
        m->now.boot_ms += after_ms;
        unit_assert_ok(lease_receive(&m->lease, m->now, &m->msg, &m->step, &err), &err);
        for (unsigned i = 0; i < MSG_DROP_COUNT; i++)
                if (m->lease.dropped[i] != before[i]) {
                        counted += m->lease.dropped[i] - before[i];
                        why = (enum msg_drop)i;
                }
        for (unsigned i = 0; i < ARRAY_SIZE(received); i++)
                counted += m->lease.received[i] - received[i];
        ck_assert_uint_eq(counted, 1);
        machine_check(m);
        return why;
}

static inline enum msg_drop machine_answer(struct machine *m, enum msg_type type)
{
        machine_reply(m, type);
        return machine_receive(m, 5);
}

/* From nothing to BOUND, and answered. */
static inline void machine_bind(struct machine *m)
{
        machine_start(m);
        ck_assert_int_eq(machine_answer(m, MSG_OFFER), MSG_OK);
        ck_assert_int_eq(machine_answer(m, MSG_ACK), MSG_OK);
        ck_assert_int_eq(m->step.outcome, LEASE_GOT);
        lease_answered(&m->lease);
}

/* The daemon starts again, at a later time. */
static inline void machine_restart(struct machine *m, int64_t at_ms, bool configured)
{
        lease_done(&m->lease);
        lease_init(&m->lease, &m->record, &m->timing);
        m->now.boot_ms = at_ms;
        machine_look(m, m->link.carrier);
        lease_resume(&m->lease, m->now, configured, &m->step);
        machine_check(m);
}

static inline void machine_release(struct machine *m)
{
        lease_release(&m->lease, m->now, &m->step);
        machine_check(m);
}

/* The state and the last step in words: "REQUESTING save REQUEST". */
static inline const char *machine_text(const struct machine *m)
{
        static const char *const outcomes[] = { "",         " GOT",  " RENEWED",
                                                " CHANGED", " LOST", " FAILED" };
        static char text[128];
        const struct lease_step *step = &m->step;

        (void)snprintf(text, sizeof(text), "%s%s%s%s%s%s%s%s", lease_state_text(m->lease.state),
                       step->look ? " look" : "", step->save ? " save" : "", step->send ? " " : "",
                       step->send ? msg_type_text(step->message.type) : "",
                       step->probe ? " probe" : "", step->idle ? " idle" : "",
                       outcomes[step->outcome]);
        return text;
}

#define machine_assert(m, want) ck_assert_str_eq(machine_text(m), (want))

#endif
