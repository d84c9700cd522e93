/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The lease's machine from the answer of the ADD on: renewals, losses and what comes after them.
 */
#include "machine.h"

/* Times since the REQUEST that was acknowledged. */
static int64_t age_ms(const struct machine *m)
{
        return m->now.boot_ms - m->record.grant.from_ms;
}

static void bind_for(struct machine *m, uint32_t lease_s)
{
        machine_init(m);
        m->lease_s = lease_s;
        machine_bind(m);
        machine_assert(m, "BOUND save idle GOT");
}

static void go_to(struct machine *m, enum lease_state state)
{
        while (m->lease.state != state)
                (void)machine_wait(m);
}

/* ---- RENEWING ---- */

START_TEST(a_renewal_begins_at_t1_or_up_to_2_percent_earlier)
{
        int64_t least_ms = INT64_MAX, most_ms = 0;

        for (uint64_t i = 0; i < 1000; i++) {
                struct machine m;

                machine_init(&m);
                m.now.random = i * 0x9e3779b97f4a7c15U;
                machine_bind(&m);
                (void)machine_wait(&m);
                machine_assert(&m, "RENEWING REQUEST");
                least_ms = age_ms(&m) < least_ms ? age_ms(&m) : least_ms;
                most_ms = age_ms(&m) > most_ms ? age_ms(&m) : most_ms;
                machine_done(&m);
        }
        ck_assert_int_ge(least_ms, 1764000);
        ck_assert_int_lt(least_ms, 1766000);
        ck_assert_int_gt(most_ms, 1798000);
        ck_assert_int_le(most_ms, 1800000);
}
END_TEST

START_TEST(a_renewal_is_a_unicast_from_the_address)
{
        const struct ip address = ip(MACHINE_ADDRESS), server = ip(MACHINE_SERVER);
        struct machine m;
        const struct msg_plan *plan = &m.step.message;
        uint32_t xid;

        machine_init(&m);
        m.record.profile.broadcast = BROADCAST_ON;
        machine_bind(&m);
        xid = m.xid;
        go_to(&m, LEASE_RENEWING);
        machine_assert(&m, "RENEWING REQUEST");
        ck_assert_int_eq(m.step.way, LEASE_UNICAST);
        ck_assert(ip_equal(&m.step.source, &address));
        ck_assert(ip_equal(&m.step.server, &server));
        ck_assert_mem_eq(&m.step.server_hardware, &dhcp_server_hardware,
                         sizeof(dhcp_server_hardware));
        ck_assert(ip_equal(&plan->ciaddr, &address));
        ck_assert_int_eq(plan->requested.family, IP_UNSET);
        ck_assert_int_eq(plan->server.family, IP_UNSET);
        ck_assert_uint_eq(plan->client_id_len, 3);
        ck_assert_uint_eq(plan->parameter_count, 2);
        ck_assert_uint_eq(plan->secs, 1);
        ck_assert(!plan->broadcast);
        ck_assert_uint_ne(plan->xid, xid);
        machine_done(&m);
}
END_TEST

/* RFC 2131 section 4.4.5. */
START_TEST(a_renewal_is_repeated_after_half_of_the_rest_but_a_minute_at_least)
{
        struct machine m;
        int64_t rest_ms;
        int count = 0;

        bind_for(&m, 3600);
        go_to(&m, LEASE_RENEWING);
        for (rest_ms = 3150000 - age_ms(&m); m.lease.state == LEASE_RENEWING; count++) {
                int64_t want_ms = rest_ms >= 120000 ? rest_ms / 2 : 60000;

                if (rest_ms <= 60000)
                        want_ms = rest_ms;
                ck_assert_int_eq(machine_wait(&m), want_ms);
                rest_ms = 3150000 - age_ms(&m);
        }
        ck_assert_int_eq(count, 6);
        machine_assert(&m, "REBINDING REQUEST");
        ck_assert_int_eq(age_ms(&m), 3150000);
        for (rest_ms = 450000; m.lease.state == LEASE_REBINDING; count++) {
                int64_t want_ms = rest_ms >= 120000 ? rest_ms / 2 : 60000;

                if (rest_ms <= 60000)
                        want_ms = rest_ms;
                ck_assert_int_eq(machine_wait(&m), want_ms);
                rest_ms = 3600000 - age_ms(&m);
        }
        ck_assert_int_eq(count, 10);
        machine_assert(&m, "SELECTING save DISCOVER LOST");
        ck_assert_int_eq(age_ms(&m), 3600000);
        machine_done(&m);
}
END_TEST

START_TEST(a_short_lease_is_renewed_several_times_with_a_second_between)
{
        struct machine m;
        int64_t waited_ms = 0;

        bind_for(&m, 40);
        ck_assert_uint_eq(m.record.grant.t1_s, 20);
        ck_assert_uint_eq(m.record.grant.t2_s, 35);
        go_to(&m, LEASE_RENEWING);
        for (int64_t rest_ms = 35000 - age_ms(&m); rest_ms > 2000; rest_ms -= waited_ms) {
                waited_ms = machine_wait(&m);
                ck_assert_int_eq(waited_ms, rest_ms / 2);
                machine_assert(&m, "RENEWING REQUEST");
        }
        ck_assert_int_eq(machine_wait(&m), 1000);
        go_to(&m, LEASE_REBINDING);
        ck_assert_int_eq(age_ms(&m), 35000);
        ck_assert_uint_ge(m.lease.sent[MSG_REQUEST], 6);
        machine_done(&m);
}
END_TEST

START_TEST(an_answered_renewal_is_told_and_begins_anew)
{
        struct machine m;
        int64_t sent_ms;

        bind_for(&m, 3600);
        go_to(&m, LEASE_RENEWING);
        sent_ms = m.now.boot_ms;
        m.lease_s = 7200;
        ck_assert_int_eq(machine_answer(&m, MSG_ACK), MSG_OK);
        machine_assert(&m, "BOUND save idle RENEWED");
        ck_assert_int_eq(m.record.grant.from_ms, sent_ms);
        ck_assert_int_eq(grant_end_ms(&m.record.grant), sent_ms + 7200000);
        ck_assert_uint_eq(m.lease.renewals, 1);
        ck_assert_ptr_null(m.step.former);
        machine_done(&m);
}
END_TEST

/* An hour's silence lies between the tries of a renewal: they are exchanges of their own. */
START_TEST(a_late_try_counts_its_own_time_and_an_early_one_that_of_the_first)
{
        struct machine m;
        int64_t sent_ms;
        uint32_t xid;

        bind_for(&m, 3600);
        go_to(&m, LEASE_RENEWING);
        xid = m.xid;
        (void)machine_wait(&m);
        ck_assert_uint_ne(m.xid, xid);
        sent_ms = m.now.boot_ms;
        m.lease_s = 60; /* over already, if it counted from the first */
        ck_assert_int_eq(machine_answer(&m, MSG_ACK), MSG_OK);
        ck_assert_int_eq(m.record.grant.from_ms, sent_ms);
        go_to(&m, LEASE_RENEWING);
        xid = m.xid;
        sent_ms = m.now.boot_ms;
        ck_assert_int_gt(machine_wait(&m), 10000);
        ck_assert_uint_ne(m.xid, xid);
        xid = m.xid;
        sent_ms = m.now.boot_ms;
        ck_assert_int_lt(machine_wait(&m), 10000);
        ck_assert_uint_eq(m.xid, xid);
        ck_assert_int_eq(machine_answer(&m, MSG_ACK), MSG_OK);
        ck_assert_int_eq(m.record.grant.from_ms, sent_ms);
        machine_done(&m);
}
END_TEST

static void none(struct msg *msg _unused_)
{
}

static void other_server(struct msg *msg)
{
        dhcp_option_ip(msg, OPT_SERVER, MACHINE_OTHER);
}

static void no_server(struct msg *msg)
{
        dhcp_no_option(msg, OPT_SERVER);
}

static void other_address(struct msg *msg)
{
        msg->yiaddr = ip(MACHINE_OTHER);
}

static void no_mask(struct msg *msg)
{
        dhcp_no_option(msg, OPT_SUBNET_MASK);
}

static void other_hardware(struct msg *msg)
{
        msg->source.bytes[5]++;
}

static void no_hardware(struct msg *msg)
{
        msg->source.len = 0;
}

/* While an address is in use. */
static const struct {
        enum lease_state state;
        enum msg_type type;
        void (*change)(struct msg *msg);
        enum msg_drop want;
} reply_rows[] = {
        { LEASE_RENEWING, MSG_ACK, none, MSG_OK },
        { LEASE_RENEWING, MSG_ACK, other_hardware, MSG_OK },
        { LEASE_RENEWING, MSG_ACK, other_server, MSG_OTHER_SERVER },
        { LEASE_RENEWING, MSG_ACK, no_server, MSG_BAD_ADDRESS },
        { LEASE_RENEWING, MSG_ACK, other_address, MSG_OTHER_ADDRESS },
        { LEASE_RENEWING, MSG_ACK, no_mask, MSG_BAD_ADDRESS },
        { LEASE_RENEWING, MSG_NAK, none, MSG_OK },
        { LEASE_RENEWING, MSG_NAK, other_server, MSG_OTHER_SERVER },
        { LEASE_RENEWING, MSG_NAK, other_hardware, MSG_OTHER_SERVER },
        { LEASE_RENEWING, MSG_NAK, no_hardware, MSG_OTHER_SERVER },
        { LEASE_RENEWING, MSG_OFFER, none, MSG_UNEXPECTED },
        { LEASE_REBINDING, MSG_ACK, none, MSG_OK },
        { LEASE_REBINDING, MSG_ACK, other_server, MSG_OK },
        { LEASE_REBINDING, MSG_ACK, other_hardware, MSG_OK },
        { LEASE_REBINDING, MSG_ACK, other_address, MSG_OTHER_ADDRESS },
        { LEASE_REBINDING, MSG_ACK, no_mask, MSG_BAD_ADDRESS },
        { LEASE_REBINDING, MSG_NAK, none, MSG_OK },
        { LEASE_REBINDING, MSG_NAK, other_server, MSG_OK },
        { LEASE_REBINDING, MSG_NAK, other_hardware, MSG_OK },
        { LEASE_REBINDING, MSG_NAK, no_server, MSG_BAD_ADDRESS },
        { LEASE_REBINDING, MSG_OFFER, none, MSG_UNEXPECTED },
};

START_TEST(only_the_right_reply_ends_a_renewal)
{
        enum lease_state state = reply_rows[_i].state;
        struct machine m;
        int64_t end_ms;

        bind_for(&m, 3600);
        end_ms = grant_end_ms(&m.record.grant);
        go_to(&m, state);
        machine_reply(&m, reply_rows[_i].type);
        reply_rows[_i].change(&m.msg);
        ck_assert_int_eq(machine_receive(&m, 5), reply_rows[_i].want);
        if (reply_rows[_i].want != MSG_OK) {
                machine_assert(&m, lease_state_text(state));
                ck_assert_int_eq(grant_end_ms(&m.record.grant), end_ms);
        } else {
                machine_assert(&m, reply_rows[_i].type == MSG_ACK ? "BOUND save idle RENEWED"
                                                                  : "SELECTING DISCOVER");
        }
        ck_assert(!m.record.lost);
        machine_done(&m);
}
END_TEST

START_TEST(a_server_whose_hardware_is_not_known_may_nak)
{
        struct machine m;

        bind_for(&m, 3600);
        m.record.grant.server_hardware.len = 0;
        go_to(&m, LEASE_RENEWING);
        ck_assert_int_eq(m.step.server_hardware.len, 0);
        ck_assert_int_eq(machine_answer(&m, MSG_NAK), MSG_OK);
        machine_done(&m);
}
END_TEST

START_TEST(an_address_in_use_is_not_probed)
{
        struct machine m;

        machine_init(&m);
        machine_bind(&m);
        m.record.profile.acd = ACD_FULL;
        go_to(&m, LEASE_RENEWING);
        ck_assert_int_eq(machine_answer(&m, MSG_ACK), MSG_OK);
        machine_assert(&m, "BOUND save idle RENEWED");
        /* But when it comes back after a loss, another host may have got it meanwhile. */
        machine_tick(&m, grant_end_ms(&m.record.grant));
        (void)machine_answer(&m, MSG_OFFER);
        (void)machine_answer(&m, MSG_ACK);
        ck_assert_int_eq(m.lease.state, LEASE_PROBING);
        go_to(&m, LEASE_BOUND);
        machine_assert(&m, "BOUND save idle GOT");
        machine_done(&m);
}
END_TEST

/* ---- REBINDING ---- */

START_TEST(a_rebind_is_a_broadcast_from_the_address)
{
        const struct ip address = ip(MACHINE_ADDRESS), other = ip(MACHINE_OTHER);
        struct machine m;
        const struct msg_plan *plan = &m.step.message;
        uint32_t xid;

        bind_for(&m, 3600);
        go_to(&m, LEASE_RENEWING);
        xid = m.xid;
        go_to(&m, LEASE_REBINDING);
        ck_assert_int_eq(m.step.way, LEASE_BROADCAST);
        ck_assert(ip_equal(&m.step.source, &address));
        ck_assert(ip_equal(&plan->ciaddr, &address));
        ck_assert_int_eq(plan->requested.family, IP_UNSET);
        ck_assert_int_eq(plan->server.family, IP_UNSET);
        ck_assert_uint_ne(plan->xid, xid);
        ck_assert_uint_ge(plan->secs, 1350); /* since the renewal began */
        /* Whoever answers is the server from now on. */
        machine_reply(&m, MSG_ACK);
        other_server(&m.msg);
        other_hardware(&m.msg);
        (void)machine_receive(&m, 5);
        machine_assert(&m, "BOUND save idle RENEWED");
        ck_assert(ip_equal(&m.record.grant.server, &other));
        ck_assert_mem_eq(&m.record.grant.server_hardware, &m.msg.source, sizeof(m.msg.source));
        machine_done(&m);
}
END_TEST

START_TEST(after_a_long_sleep_it_rebinds_at_once)
{
        struct machine m;

        bind_for(&m, 3600);
        machine_tick(&m, m.record.grant.from_ms + 3200000);
        machine_assert(&m, "REBINDING REQUEST");
        machine_done(&m);
}
END_TEST

/* ---- NAK ---- */

START_TEST(a_nak_leaves_the_address_in_use_until_its_end)
{
        const struct ip address = ip(MACHINE_ADDRESS);
        struct machine m;
        int64_t end_ms;

        bind_for(&m, 3600);
        end_ms = grant_end_ms(&m.record.grant);
        go_to(&m, LEASE_RENEWING);
        (void)machine_answer(&m, MSG_NAK);
        machine_assert(&m, "SELECTING DISCOVER");
        ck_assert(ip_equal(&m.step.message.requested, &address));
        ck_assert_int_eq(m.step.message.ciaddr.family, IP_UNSET);
        ck_assert(!m.record.lost);
        while (!m.step.outcome)
                (void)machine_wait(&m);
        ck_assert_int_eq(m.now.boot_ms, end_ms);
        machine_assert(&m, "SELECTING save LOST");
        ck_assert(m.record.lost);
        (void)machine_wait(&m);
        machine_assert(&m, "SELECTING DISCOVER");
        machine_done(&m);
}
END_TEST

START_TEST(after_a_nak_the_same_address_goes_on)
{
        struct machine m;

        bind_for(&m, 3600);
        go_to(&m, LEASE_RENEWING);
        (void)machine_answer(&m, MSG_NAK);
        (void)machine_answer(&m, MSG_OFFER);
        machine_assert(&m, "REQUESTING save REQUEST");
        (void)machine_answer(&m, MSG_ACK);
        machine_assert(&m, "BOUND save idle RENEWED");
        machine_done(&m);
}
END_TEST

START_TEST(naks_to_an_address_in_use_have_pauses_up_to_five_minutes)
{
        static const int64_t pauses_ms[] = { 0, 2000, 4000, 8000, 16000, 32000, 64000 };
        struct machine m;

        bind_for(&m, 86400);
        m.timing.resend_max_ms = 400000;
        go_to(&m, LEASE_RENEWING);
        (void)machine_answer(&m, MSG_NAK);
        for (size_t i = 1; i < ARRAY_SIZE(pauses_ms); i++) {
                int64_t paused_ms;

                (void)machine_answer(&m, MSG_OFFER);
                (void)machine_answer(&m, MSG_NAK);
                machine_assert(&m, "PAUSED idle");
                paused_ms = machine_wait(&m);
                ck_assert_int_ge(paused_ms, pauses_ms[i] / 2);
                ck_assert_int_le(paused_ms, pauses_ms[i]);
                machine_assert(&m, "SELECTING save DISCOVER");
        }
        m.lease.naks = 20;
        (void)machine_answer(&m, MSG_OFFER);
        m.now.random = 0;
        (void)machine_answer(&m, MSG_NAK);
        ck_assert_int_eq(machine_wait(&m), 300000);
        machine_done(&m);
}
END_TEST

static const struct {
        enum lease_state state;
        enum profile_loss loss;
        const char *want;
} strict_rows[] = {
        { LEASE_RENEWING, LOSS_DECONFIGURE, "SELECTING save DISCOVER LOST" },
        { LEASE_REBINDING, LOSS_KEEP, "SELECTING save DISCOVER LOST" },
        { LEASE_REBINDING, LOSS_REPLACE, "SELECTING save DISCOVER LOST" },
        { LEASE_RENEWING, LOSS_DOWN, "ENDED save idle LOST" },
};

START_TEST(a_strict_nak_ends_the_use_at_once)
{
        struct machine m;

        bind_for(&m, 3600);
        m.record.profile.strict_nak = true;
        m.record.profile.loss = strict_rows[_i].loss;
        go_to(&m, strict_rows[_i].state);
        (void)machine_answer(&m, MSG_NAK);
        machine_assert(&m, strict_rows[_i].want);
        ck_assert(m.record.lost);
        /* The server knows that we have nothing. */
        machine_release(&m);
        ck_assert(!m.step.send);
        machine_done(&m);
}
END_TEST

/* ---- the end ---- */

static const struct {
        enum profile_loss loss;
        const char *want;
} loss_rows[] = {
        { LOSS_DECONFIGURE, "SELECTING save DISCOVER LOST" },
        { LOSS_KEEP, "SELECTING save DISCOVER LOST" },
        { LOSS_REPLACE, "SELECTING save DISCOVER LOST" },
        { LOSS_DOWN, "ENDED save idle LOST" },
};

START_TEST(at_its_end_a_lease_is_lost)
{
        struct machine m;

        bind_for(&m, 3600);
        m.record.profile.loss = loss_rows[_i].loss;
        go_to(&m, LEASE_REBINDING);
        while (m.lease.state == LEASE_REBINDING)
                (void)machine_wait(&m);
        machine_assert(&m, loss_rows[_i].want);
        ck_assert_int_eq(age_ms(&m), 3600000);
        ck_assert(m.record.lost);
        ck_assert_int_eq(m.lease.due_ms == INT64_MAX, m.lease.state == LEASE_ENDED);
        machine_release(&m);
        ck_assert(!m.step.send);
        machine_done(&m);
}
END_TEST

START_TEST(a_message_after_the_end_comes_too_late)
{
        struct machine m;

        bind_for(&m, 3600);
        go_to(&m, LEASE_REBINDING);
        machine_reply(&m, MSG_ACK);
        m.now.boot_ms = grant_end_ms(&m.record.grant);
        ck_assert_int_eq(machine_receive(&m, 0), MSG_UNEXPECTED);
        machine_assert(&m, "SELECTING save DISCOVER LOST");
        machine_done(&m);
}
END_TEST

START_TEST(an_end_that_is_nearer_than_the_shortest_wait_has_come)
{
        struct machine m;

        bind_for(&m, 3600);
        machine_tick(&m, grant_end_ms(&m.record.grant) - 50);
        machine_assert(&m, "REBINDING REQUEST");
        ck_assert_int_eq(m.lease.due_ms, grant_end_ms(&m.record.grant));
        machine_done(&m);
        bind_for(&m, 3600);
        machine_tick(&m, grant_end_ms(&m.record.grant) - 49);
        machine_assert(&m, "SELECTING save DISCOVER LOST");
        machine_done(&m);
}
END_TEST

/* What is offered after a NAK (the address is in use still) and after a loss. */
static const struct {
        enum profile_loss loss;
        bool lost, other;
        enum msg_drop want;
        const char *outcome;
} back_rows[] = {
        { LOSS_DECONFIGURE, true, false, MSG_OK, "BOUND save idle GOT" },
        { LOSS_KEEP, true, false, MSG_OK, "BOUND save idle GOT" },
        { LOSS_REPLACE, true, false, MSG_OK, "BOUND save idle GOT" },
        { LOSS_DECONFIGURE, true, true, MSG_OTHER_ADDRESS, NULL },
        { LOSS_KEEP, true, true, MSG_OTHER_ADDRESS, NULL },
        { LOSS_REPLACE, true, true, MSG_OK, "BOUND save idle CHANGED" },
        { LOSS_DECONFIGURE, false, false, MSG_OK, "BOUND save idle RENEWED" },
        { LOSS_DECONFIGURE, false, true, MSG_OTHER_ADDRESS, NULL },
        { LOSS_DOWN, false, true, MSG_OTHER_ADDRESS, NULL },
        { LOSS_REPLACE, false, true, MSG_OTHER_ADDRESS, NULL },
};

START_TEST(another_address_is_only_taken_after_a_loss_and_to_replace)
{
        const struct ip address = ip(MACHINE_ADDRESS), other = ip(MACHINE_OTHER);
        struct machine m;

        bind_for(&m, 3600);
        m.record.profile.loss = back_rows[_i].loss;
        go_to(&m, LEASE_REBINDING);
        if (back_rows[_i].lost)
                go_to(&m, LEASE_SELECTING);
        else
                (void)machine_answer(&m, MSG_NAK);
        ck_assert(ip_equal(&m.step.message.requested, &address));
        machine_reply(&m, MSG_OFFER);
        if (back_rows[_i].other)
                other_address(&m.msg);
        ck_assert_int_eq(machine_receive(&m, 5), back_rows[_i].want);
        if (back_rows[_i].want == MSG_OK) {
                machine_reply(&m, MSG_ACK);
                if (back_rows[_i].other)
                        other_address(&m.msg);
                ck_assert_int_eq(machine_receive(&m, 5), MSG_OK);
                machine_assert(&m, back_rows[_i].outcome);
                ck_assert(!m.record.lost);
                ck_assert(ip_equal(&m.record.grant.address.ip,
                                   back_rows[_i].other ? &other : &address));
        } else {
                machine_assert(&m, "SELECTING");
                ck_assert_int_eq(m.record.offer.address.family, IP_UNSET);
        }
        if (m.step.outcome == LEASE_CHANGED)
                ck_assert(ip_equal(&m.step.former->address.ip, &address));
        else
                ck_assert_ptr_null(m.step.former);
        machine_done(&m);
}
END_TEST

START_TEST(a_lease_without_end_is_never_renewed)
{
        struct machine m;

        bind_for(&m, UINT32_MAX);
        ck_assert_int_eq(m.lease.due_ms, INT64_MAX);
        machine_tick(&m, INT64_MAX / 2);
        machine_assert(&m, "BOUND");
        machine_release(&m);
        machine_assert(&m, "ENDED RELEASE idle");
        machine_done(&m);
}
END_TEST

/* ---- servers that would make it spin ---- */

static const struct {
        uint32_t lease_s, t1_s, t2_s;
        unsigned most; /* messages in an hour, each answered at once */
} spin_rows[] = {
        { 0, 0, 0, 8000 },       { 1, 1, 1, 8000 },      { 2, 0, 0, 5000 },
        { 3, 0, 0, 3700 },       { 10, 0, 0, 1250 },     { 3600, 0, 0, 3 },
        { 3600, 1, 1, 400 },     { 3600, 1, 3599, 400 }, { 3600, UINT32_MAX, UINT32_MAX, 3 },
        { UINT32_MAX, 1, 1, 0 },
};

START_TEST(no_server_makes_it_spin)
{
        struct machine m;
        int64_t end_ms;

        machine_init(&m);
        m.lease_s = spin_rows[_i].lease_s;
        machine_start(&m);
        end_ms = m.now.boot_ms + 3600000;
        m.lease.deadline_ms = INT64_MAX;
        while (m.now.boot_ms < end_ms && m.lease.due_ms != INT64_MAX) {
                if (!m.step.send)
                        (void)machine_wait(&m);
                if (!m.step.send)
                        continue;
                machine_reply(&m, m.step.message.type == MSG_DISCOVER ? MSG_OFFER : MSG_ACK);
                dhcp_option_u32(&m.msg, OPT_T1, spin_rows[_i].t1_s);
                dhcp_option_u32(&m.msg, OPT_T2, spin_rows[_i].t2_s);
                ck_assert_int_eq(machine_receive(&m, 1), MSG_OK);
                lease_answered(&m.lease);
        }
        ck_assert_uint_le(m.lease.sent[MSG_REQUEST] - 1, spin_rows[_i].most);
        machine_done(&m);
}
END_TEST

START_TEST(garbage_does_not_make_it_send)
{
        struct machine m;
        uint32_t sent;

        bind_for(&m, 3600);
        go_to(&m, LEASE_RENEWING);
        sent = m.lease.sent[MSG_REQUEST];
        for (int i = 0; i < 1000; i++) {
                machine_reply(&m, i % 2 == 0 ? MSG_OFFER : MSG_NAK);
                if (i % 2 == 1)
                        other_server(&m.msg);
                ck_assert_int_ne(machine_receive(&m, 1), MSG_OK);
                lease_dropped(&m.lease, MSG_BAD_OPTIONS);
        }
        ck_assert_uint_eq(m.lease.sent[MSG_REQUEST], sent);
        ck_assert_uint_eq(m.lease.dropped[MSG_UNEXPECTED], 500);
        ck_assert_uint_eq(m.lease.dropped[MSG_OTHER_SERVER], 500);
        ck_assert_uint_eq(m.lease.dropped[MSG_BAD_OPTIONS], 1000);
        machine_done(&m);
}
END_TEST

/* ---- the carrier ---- */

START_TEST(without_a_carrier_it_looks_each_second_and_counts_no_try)
{
        struct machine m;
        uint32_t sent;
        unsigned tries;

        bind_for(&m, 3600);
        go_to(&m, LEASE_RENEWING);
        sent = m.lease.sent[MSG_REQUEST];
        tries = m.lease.tries;
        machine_look(&m, false);
        (void)machine_wait(&m);
        machine_assert(&m, "RENEWING look");
        for (int i = 0; i < 30; i++) {
                ck_assert_int_eq(machine_wait(&m), 1000);
                machine_assert(&m, "RENEWING look");
        }
        ck_assert_uint_eq(m.lease.sent[MSG_REQUEST], sent);
        ck_assert_uint_eq(m.lease.tries, tries);
        machine_look(&m, true);
        machine_assert(&m, "RENEWING REQUEST");
        machine_look(&m, true);
        machine_assert(&m, "RENEWING");
        /* T2 and the end come without one, too. */
        machine_look(&m, false);
        machine_tick(&m, m.record.grant.from_ms + 3150000);
        machine_assert(&m, "REBINDING look");
        machine_tick(&m, grant_end_ms(&m.record.grant));
        machine_assert(&m, "SELECTING save LOST");
        (void)machine_wait(&m);
        machine_assert(&m, "SELECTING look");
        machine_done(&m);
}
END_TEST

START_TEST(a_carrier_after_t2_rebinds)
{
        struct machine m;

        bind_for(&m, 3600);
        go_to(&m, LEASE_RENEWING);
        machine_look(&m, false);
        m.now.boot_ms = m.record.grant.from_ms + 3150001;
        machine_look(&m, true);
        machine_assert(&m, "REBINDING REQUEST");
        machine_done(&m);
}
END_TEST

START_TEST(a_carrier_that_is_back_begins_the_waits_anew)
{
        struct machine m;

        machine_init(&m);
        machine_start(&m);
        for (int i = 0; i < 4; i++)
                (void)machine_wait(&m);
        machine_look(&m, false);
        (void)machine_wait(&m);
        machine_look(&m, true);
        machine_assert(&m, "SELECTING DISCOVER");
        ck_assert_int_le(machine_wait(&m), 1100);
        machine_done(&m);
}
END_TEST

START_TEST(a_new_hardware_address_is_used)
{
        struct machine m;

        bind_for(&m, 3600);
        m.link.address.bytes[5]++;
        lease_link(&m.lease, m.now, &m.link, &m.step);
        machine_assert(&m, "BOUND");
        m.now.boot_ms = m.lease.due_ms;
        lease_tick(&m.lease, m.now, &m.step);
        machine_assert(&m, "RENEWING REQUEST"); /* more time does not wait for the disk */
        ck_assert_mem_eq(m.step.message.chaddr.bytes, m.link.address.bytes, 6);
        machine_done(&m);
}
END_TEST

static void add_tests(TCase *tests)
{
        tcase_add_test(tests, a_renewal_begins_at_t1_or_up_to_2_percent_earlier);
        tcase_add_test(tests, a_renewal_is_a_unicast_from_the_address);
        tcase_add_test(tests, a_renewal_is_repeated_after_half_of_the_rest_but_a_minute_at_least);
        tcase_add_test(tests, a_short_lease_is_renewed_several_times_with_a_second_between);
        tcase_add_test(tests, an_answered_renewal_is_told_and_begins_anew);
        tcase_add_test(tests, a_late_try_counts_its_own_time_and_an_early_one_that_of_the_first);
        unit_add_table(tests, only_the_right_reply_ends_a_renewal, reply_rows);
        tcase_add_test(tests, a_server_whose_hardware_is_not_known_may_nak);
        tcase_add_test(tests, an_address_in_use_is_not_probed);
        tcase_add_test(tests, a_rebind_is_a_broadcast_from_the_address);
        tcase_add_test(tests, after_a_long_sleep_it_rebinds_at_once);
        tcase_add_test(tests, a_nak_leaves_the_address_in_use_until_its_end);
        tcase_add_test(tests, after_a_nak_the_same_address_goes_on);
        tcase_add_test(tests, naks_to_an_address_in_use_have_pauses_up_to_five_minutes);
        unit_add_table(tests, a_strict_nak_ends_the_use_at_once, strict_rows);
        unit_add_table(tests, at_its_end_a_lease_is_lost, loss_rows);
        tcase_add_test(tests, a_message_after_the_end_comes_too_late);
        tcase_add_test(tests, an_end_that_is_nearer_than_the_shortest_wait_has_come);
        unit_add_table(tests, another_address_is_only_taken_after_a_loss_and_to_replace, back_rows);
        tcase_add_test(tests, a_lease_without_end_is_never_renewed);
        unit_add_table(tests, no_server_makes_it_spin, spin_rows);
        tcase_add_test(tests, garbage_does_not_make_it_send);
        tcase_add_test(tests, without_a_carrier_it_looks_each_second_and_counts_no_try);
        tcase_add_test(tests, a_carrier_after_t2_rebinds);
        tcase_add_test(tests, a_carrier_that_is_back_begins_the_waits_anew);
        tcase_add_test(tests, a_new_hardware_address_is_used);
}

UNIT_MAIN("dhcp-lease-keep", add_tests)
