/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The lease's machine at the beginning of an ADD, and conflict detection at its end.
 */
#include "machine.h"

#include <linux/if_arp.h>

/* ---- waiting for the carrier ---- */

START_TEST(without_a_carrier_it_looks_four_times_a_second)
{
        struct machine m;

        machine_init(&m);
        lease_start(&m.lease, m.now, m.now.boot_ms + 208000, &m.step);
        machine_assert(&m, "INIT look");
        for (int i = 0; i < 20; i++) {
                machine_look(&m, false);
                machine_assert(&m, "INIT");
                ck_assert_int_eq(machine_wait(&m), 250);
                machine_assert(&m, "INIT look");
        }
        machine_look(&m, true);
        machine_assert(&m, "SELECTING DISCOVER");
        machine_done(&m);
}
END_TEST

START_TEST(without_a_carrier_the_add_fails_at_its_deadline)
{
        struct machine m;
        int64_t waited_ms = 0;

        machine_init(&m);
        lease_start(&m.lease, m.now, m.now.boot_ms + 20100, &m.step);
        while (m.lease.state == LEASE_INIT)
                waited_ms += machine_wait(&m);
        ck_assert_int_ge(waited_ms, 20000);
        ck_assert_int_le(waited_ms, 20150);
        machine_assert(&m, "ENDED idle FAILED");
        ck_assert_int_eq(m.lease.failure, LEASE_NO_MORE_TRIES);
        ck_assert_int_eq(m.lease.due_ms, INT64_MAX);
        machine_done(&m);
}
END_TEST

START_TEST(a_link_that_is_seen_before_the_start_begins_nothing)
{
        struct machine m;

        machine_init(&m);
        machine_look(&m, true);
        machine_assert(&m, "INIT");
        ck_assert_int_eq(m.lease.due_ms, INT64_MAX);
        machine_done(&m);
}
END_TEST

START_TEST(an_add_whose_deadline_has_passed_sends_nothing)
{
        struct machine m;

        machine_init(&m);
        machine_look(&m, true);
        lease_start(&m.lease, m.now, m.now.boot_ms, &m.step);
        machine_assert(&m, "ENDED idle FAILED");
        machine_done(&m);
}
END_TEST

/* ---- DISCOVER ---- */

START_TEST(a_discover_says_who_we_are_and_what_we_want)
{
        struct machine m;
        const struct msg_plan *plan = &m.step.message;

        machine_init(&m);
        machine_start(&m);
        machine_assert(&m, "SELECTING DISCOVER");
        ck_assert_int_eq(m.step.way, LEASE_BROADCAST);
        ck_assert(ip_equal(&m.step.source, &(struct ip){ IP_V4, { 0 } }));
        ck_assert_uint_eq(plan->client_id_len, 3);
        ck_assert_mem_eq(plan->client_id, "\0c1", 3);
        ck_assert_uint_eq(plan->parameter_count, 2);
        ck_assert_mem_eq(plan->parameters, "\3\1", 2);
        ck_assert_uint_eq(plan->max_size, 1500);
        ck_assert_uint_eq(plan->secs, 1);
        ck_assert(!plan->broadcast);
        ck_assert_int_eq(plan->ciaddr.family, IP_UNSET);
        ck_assert_int_eq(plan->requested.family, IP_UNSET);
        ck_assert_int_eq(plan->server.family, IP_UNSET);
        ck_assert_uint_eq(plan->provided_count, 0);
        machine_done(&m);
}
END_TEST

static const struct {
        uint32_t mtu;
        uint16_t want;
} size_rows[] = { { 0, 576 },     { 68, 576 },    { 576, 576 },    { 1400, 1400 },
                  { 1500, 1500 }, { 9000, 1500 }, { 65520, 1500 }, { UINT32_MAX, 1500 } };

START_TEST(the_largest_message_follows_the_mtu)
{
        struct machine m;

        machine_init(&m);
        m.link.mtu = size_rows[_i].mtu;
        machine_start(&m);
        ck_assert_uint_eq(m.step.message.max_size, size_rows[_i].want);
        machine_done(&m);
}
END_TEST

static const struct {
        bool daemon;
        enum profile_broadcast profile;
        const char *kind;
        uint16_t type;
        bool want;
} broadcast_rows[] = {
        /* The attachment's word counts more than the daemon's and than what ipvlan needs. */
        { false, BROADCAST_AUTO, "macvlan", ARPHRD_ETHER, false },
        { false, BROADCAST_ON, "macvlan", ARPHRD_ETHER, true },
        { false, BROADCAST_OFF, "macvlan", ARPHRD_ETHER, false },
        { true, BROADCAST_AUTO, "macvlan", ARPHRD_ETHER, true },
        { true, BROADCAST_ON, "macvlan", ARPHRD_ETHER, true },
        { true, BROADCAST_OFF, "macvlan", ARPHRD_ETHER, false },
        { false, BROADCAST_AUTO, "ipvlan", ARPHRD_ETHER, true },
        { false, BROADCAST_ON, "ipvlan", ARPHRD_ETHER, true },
        { false, BROADCAST_OFF, "ipvlan", ARPHRD_ETHER, false },
        { true, BROADCAST_AUTO, "ipvlan", ARPHRD_ETHER, true },
        { true, BROADCAST_ON, "ipvlan", ARPHRD_ETHER, true },
        { true, BROADCAST_OFF, "ipvlan", ARPHRD_ETHER, false },
        { false, BROADCAST_AUTO, "ipoib", ARPHRD_INFINIBAND, true },
        { false, BROADCAST_ON, "ipoib", ARPHRD_INFINIBAND, true },
        { false, BROADCAST_OFF, "ipoib", ARPHRD_INFINIBAND, true },
        { true, BROADCAST_AUTO, "ipoib", ARPHRD_INFINIBAND, true },
        { true, BROADCAST_ON, "ipoib", ARPHRD_INFINIBAND, true },
        { true, BROADCAST_OFF, "ipoib", ARPHRD_INFINIBAND, true },
};

START_TEST(answers_come_by_broadcast_where_they_must)
{
        struct machine m;

        machine_init(&m);
        m.timing.broadcast = broadcast_rows[_i].daemon;
        m.record.profile.broadcast = broadcast_rows[_i].profile;
        m.link.type = broadcast_rows[_i].type;
        (void)snprintf(m.link.kind, sizeof(m.link.kind), "%s", broadcast_rows[_i].kind);
        lease_link(&m.lease, m.now, &m.link, &m.step);
        lease_start(&m.lease, m.now, m.now.boot_ms + 1000, &m.step);
        ck_assert_int_eq(m.step.message.broadcast, broadcast_rows[_i].want);
        ck_assert_int_eq(m.step.message.hardware, broadcast_rows[_i].type);
        machine_done(&m);
}
END_TEST

START_TEST(the_hardware_address_is_that_of_the_link)
{
        static const struct link_address other = { { 2, 9, 9, 9, 9, 9 }, 6 };
        struct machine m;

        machine_init(&m);
        m.link.address = other;
        lease_link(&m.lease, m.now, &m.link, &m.step);
        lease_start(&m.lease, m.now, m.now.boot_ms + 1000, &m.step);
        ck_assert_mem_eq(m.step.message.chaddr.bytes, other.bytes, 6);
        ck_assert_mem_eq(m.record.hardware.bytes, other.bytes, 6);
        ck_assert(!m.step.save); /* there is no record on disk yet */
        machine_done(&m);
}
END_TEST

START_TEST(a_provided_50_counts_in_a_discover_alone)
{
        const uint8_t wish[4] = { 10, 0, 0, 99 };
        struct machine m;
        struct err err;

        machine_init(&m);
        unit_assert_ok(profile_provide(&m.record.profile, OPT_HOST_NAME, "h", 1, &err), &err);
        unit_assert_ok(profile_provide(&m.record.profile, OPT_REQUESTED_ADDRESS, wish, 4, &err),
                       &err);
        unit_assert_ok(profile_provide(&m.record.profile, OPT_VENDOR_CLASS, "v", 1, &err), &err);
        lease_init(&m.lease, &m.record, &m.timing);
        machine_start(&m);
        ck_assert_uint_eq(m.step.message.provided_count, 3);
        ck_assert_uint_eq(m.step.message.provided[0].code, OPT_REQUESTED_ADDRESS);
        (void)machine_answer(&m, MSG_OFFER);
        ck_assert_uint_eq(m.step.message.provided_count, 2);
        for (size_t i = 0; i < 2; i++)
                ck_assert_uint_ne(m.step.message.provided[i].code, OPT_REQUESTED_ADDRESS);
        /* Nor when there is an address to keep. */
        (void)machine_answer(&m, MSG_ACK);
        lease_answered(&m.lease);
        machine_tick(&m, grant_end_ms(&m.record.grant));
        machine_assert(&m, "SELECTING save DISCOVER LOST");
        ck_assert_uint_eq(m.step.message.provided_count, 2);
        machine_done(&m);
}
END_TEST

START_TEST(a_provided_61_is_the_client_identifier_everywhere)
{
        struct machine m;
        struct err err;

        machine_init(&m);
        unit_assert_ok(profile_provide(&m.record.profile, OPT_CLIENT_ID, "mine", 4, &err), &err);
        machine_start(&m);
        ck_assert_uint_eq(m.step.message.client_id_len, 4);
        machine_reply(&m, MSG_OFFER);
        dhcp_option(&m.msg, OPT_CLIENT_ID, "mine", 4);
        ck_assert_int_eq(machine_receive(&m, 5), MSG_OK);
        machine_release(&m);
        ck_assert_int_eq(m.step.message.type, MSG_RELEASE);
        ck_assert_uint_eq(m.step.message.client_id_len, 4);
        ck_assert_mem_eq(m.step.message.client_id, "mine", 4);
        machine_done(&m);
}
END_TEST

/* ---- waits ---- */

static void assert_waits(struct machine *m, const int64_t *waits_ms, size_t count)
{
        for (size_t i = 0; i < count; i++) {
                int64_t wait_ms = waits_ms[i], jitter_ms = wait_ms / 10 > 100 ? wait_ms / 10 : 100;
                int64_t waited_ms = machine_wait(m);

                ck_assert_int_ge(waited_ms, wait_ms - jitter_ms);
                ck_assert_int_le(waited_ms, wait_ms + jitter_ms);
                machine_assert(m, "SELECTING DISCOVER");
        }
}

START_TEST(waits_of_an_add_double_up_to_the_timeout)
{
        static const int64_t waits_ms[] = { 1000, 2000, 4000, 8000, 10000, 10000, 10000 };
        struct machine m;

        machine_init(&m);
        machine_start(&m);
        assert_waits(&m, waits_ms, ARRAY_SIZE(waits_ms));
        machine_done(&m);
}
END_TEST

START_TEST(waits_after_a_loss_double_up_to_the_longest_pause_and_never_end)
{
        static const int64_t waits_ms[] = { 1000, 2000, 4000, 8000, 16000, 32000, 62000, 62000 };
        struct machine m;

        machine_init(&m);
        machine_bind(&m);
        machine_tick(&m, grant_end_ms(&m.record.grant));
        machine_assert(&m, "SELECTING save DISCOVER LOST");
        assert_waits(&m, waits_ms, ARRAY_SIZE(waits_ms));
        for (int i = 0; i < 1000; i++)
                assert_waits(&m, &waits_ms[ARRAY_SIZE(waits_ms) - 1], 1);
        machine_done(&m);
}
END_TEST

static const struct {
        int64_t timeout_ms, least_ms, most_ms; /* of the first wait */
} timeout_rows[] = {
        { 10000, 900, 1100 },   { 1000, 900, 1100 },      { 500, 400, 600 }, { 150, 75, 250 },
        { 100, 50, 200 },       { 1, 50, 200 },           { 0, 50, 200 },    { -5, 50, 200 },
        { INT64_MIN, 50, 200 }, { INT64_MAX, 900, 1100 },
};

START_TEST(a_wait_has_jitter_on_both_sides_but_keeps_its_half)
{
        int64_t least_ms = INT64_MAX, most_ms = 0, want_least = timeout_rows[_i].least_ms,
                want_most = timeout_rows[_i].most_ms;

        for (int i = 0; i < 2000; i++) {
                struct machine m;
                int64_t waited_ms;

                machine_init(&m);
                m.timing.timeout_ms = timeout_rows[_i].timeout_ms;
                m.now.random = (uint64_t)i << 32;
                machine_start(&m);
                waited_ms = m.lease.due_ms - m.now.boot_ms;
                least_ms = waited_ms < least_ms ? waited_ms : least_ms;
                most_ms = waited_ms > most_ms ? waited_ms : most_ms;
                machine_done(&m);
        }
        ck_assert_int_eq(least_ms, want_least);
        ck_assert_int_eq(most_ms, want_most);
}
END_TEST

START_TEST(an_exchange_has_one_xid_and_the_next_another)
{
        struct machine m;
        uint32_t xid;

        machine_init(&m);
        machine_start(&m);
        xid = m.xid;
        ck_assert_uint_eq(xid, m.lease.xid);
        for (int i = 0; i < 3; i++) {
                (void)machine_wait(&m);
                ck_assert_uint_eq(m.xid, xid);
        }
        (void)machine_answer(&m, MSG_OFFER);
        ck_assert_uint_eq(m.xid, xid);
        (void)machine_wait(&m);
        ck_assert_uint_eq(m.xid, xid);
        (void)machine_answer(&m, MSG_NAK);
        machine_assert(&m, "SELECTING save DISCOVER");
        ck_assert_uint_ne(m.xid, xid);
        machine_done(&m);
}
END_TEST

START_TEST(secs_count_from_the_first_message)
{
        struct machine m;

        machine_init(&m);
        machine_start(&m);
        machine_tick(&m, MACHINE_BEGIN + 1999);
        ck_assert_uint_eq(m.step.message.secs, 1);
        machine_tick(&m, MACHINE_BEGIN + 7000);
        ck_assert_uint_eq(m.step.message.secs, 7);
        /* A relay must treat a REQUEST as it did its DISCOVER (RFC 2131 section 3.1). */
        machine_reply(&m, MSG_OFFER);
        (void)machine_receive(&m, 3000);
        ck_assert_uint_eq(m.step.message.secs, 7);
        (void)machine_answer(&m, MSG_NAK);
        ck_assert_uint_eq(m.step.message.secs, 10);
        m.lease.deadline_ms = INT64_MAX;
        machine_tick(&m, MACHINE_BEGIN + 100000000);
        ck_assert_uint_eq(m.step.message.secs, UINT16_MAX);
        machine_done(&m);
}
END_TEST

/* ---- conflict detection ---- */

static void start_probing(struct machine *m, enum profile_acd acd, uint64_t random)
{
        machine_init(m);
        m->now.random = random;
        m->record.profile.acd = acd;
        machine_start(m);
        (void)machine_answer(m, MSG_OFFER);
        ck_assert_int_eq(machine_answer(m, MSG_ACK), MSG_OK);
        ck_assert_int_eq(m->lease.state, LEASE_PROBING);
        ck_assert_int_eq(m->record.offer.address.family, IP_V4);
        ck_assert(!grant_is(&m->record.grant));
}

START_TEST(fast_probes_take_300_ms)
{
        struct machine m;

        start_probing(&m, ACD_FAST, 0);
        machine_assert(&m, "PROBING probe");
        for (int i = 0; i < 2; i++) {
                ck_assert_int_eq(machine_wait(&m), 100);
                machine_assert(&m, "PROBING probe");
        }
        ck_assert_int_eq(machine_wait(&m), 100);
        machine_assert(&m, "BOUND save idle GOT");
        ck_assert_int_eq(m.record.offer.address.family, IP_UNSET);
        machine_done(&m);
}
END_TEST

/* RFC 5227 section 2.1.1. */
START_TEST(full_probes_take_the_time_of_the_rfc)
{
        static const int64_t least_ms[] = { 50, 1000, 1000, 2000 };
        static const int64_t most_ms[] = { 1000, 2000, 2000, 2000 };

        for (uint64_t n = 0; n < 500; n++) {
                struct machine m;

                start_probing(&m, ACD_FULL, n);
                machine_assert(&m, "PROBING");
                for (size_t i = 0; i < ARRAY_SIZE(least_ms); i++) {
                        int64_t waited_ms = machine_wait(&m);

                        ck_assert_int_ge(waited_ms, least_ms[i]);
                        ck_assert_int_le(waited_ms, most_ms[i]);
                        machine_assert(&m, i < 3 ? "PROBING probe" : "BOUND save idle GOT");
                }
                machine_done(&m);
        }
}
END_TEST

START_TEST(a_conflict_is_declined_and_waited_for)
{
        const struct ip address = ip(MACHINE_ADDRESS), server = ip(MACHINE_SERVER);
        struct machine m;
        const struct msg_plan *plan = &m.step.message;

        start_probing(&m, ACD_FAST, 0);
        lease_conflict(&m.lease, m.now, &m.step);
        machine_check(&m);
        machine_assert(&m, "PAUSED DECLINE idle");
        ck_assert_int_eq(m.step.way, LEASE_BROADCAST);
        ck_assert(ip_equal(&m.step.source, &(struct ip){ IP_V4, { 0 } }));
        ck_assert_int_eq(plan->ciaddr.family, IP_UNSET);
        ck_assert(ip_equal(&plan->requested, &address));
        ck_assert(ip_equal(&plan->server, &server));
        ck_assert_uint_eq(plan->client_id_len, 3);
        ck_assert_uint_eq(plan->parameter_count, 0);
        ck_assert_uint_eq(plan->max_size, 0);
        ck_assert_uint_eq(plan->secs, 0);
        ck_assert_int_eq(m.record.offer.address.family, IP_UNSET);
        ck_assert_int_eq(machine_wait(&m), 10000);
        machine_assert(&m, "SELECTING save DISCOVER");
        machine_done(&m);
}
END_TEST

START_TEST(ten_conflicts_make_the_pause_a_minute)
{
        struct machine m;

        start_probing(&m, ACD_FAST, 0);
        for (int i = 1; i <= 12; i++) {
                lease_conflict(&m.lease, m.now, &m.step);
                machine_check(&m);
                m.lease.deadline_ms = INT64_MAX;
                ck_assert_int_eq(machine_wait(&m), i < 10 ? 10000 : 60000);
                (void)machine_answer(&m, MSG_OFFER);
                ck_assert_int_eq(machine_answer(&m, MSG_ACK), MSG_OK);
        }
        machine_done(&m);
}
END_TEST

START_TEST(an_address_that_nobody_has_makes_conflicts_forgotten)
{
        struct machine m;

        start_probing(&m, ACD_FAST, 0);
        lease_conflict(&m.lease, m.now, &m.step);
        machine_check(&m);
        (void)machine_wait(&m);
        (void)machine_answer(&m, MSG_OFFER);
        (void)machine_answer(&m, MSG_ACK);
        ck_assert_uint_eq(m.lease.conflicts, 1);
        while (m.lease.state == LEASE_PROBING)
                (void)machine_wait(&m);
        machine_assert(&m, "BOUND save idle GOT");
        ck_assert_uint_eq(m.lease.conflicts, 0);
        machine_done(&m);
}
END_TEST

START_TEST(without_a_carrier_nothing_is_probed)
{
        struct machine m;

        start_probing(&m, ACD_FAST, 0);
        machine_look(&m, false);
        for (int i = 0; i < 5; i++) {
                (void)machine_wait(&m);
                machine_assert(&m, "PROBING look");
        }
        machine_look(&m, true);
        for (int i = 0; i < 2; i++) {
                (void)machine_wait(&m);
                machine_assert(&m, "PROBING probe");
        }
        (void)machine_wait(&m);
        machine_assert(&m, "BOUND save idle GOT");
        machine_done(&m);
}
END_TEST

START_TEST(a_grant_that_runs_out_while_probing_is_none)
{
        struct machine m;

        machine_init(&m);
        m.lease_s = 3;
        m.record.profile.acd = ACD_FULL;
        machine_start(&m);
        (void)machine_answer(&m, MSG_OFFER);
        (void)machine_answer(&m, MSG_ACK);
        while (m.lease.state == LEASE_PROBING)
                (void)machine_wait(&m);
        machine_assert(&m, "SELECTING save DISCOVER");
        ck_assert_int_eq(m.record.offer.address.family, IP_UNSET);
        machine_done(&m);
}
END_TEST

static void add_tests(TCase *tests)
{
        tcase_add_test(tests, without_a_carrier_it_looks_four_times_a_second);
        tcase_add_test(tests, without_a_carrier_the_add_fails_at_its_deadline);
        tcase_add_test(tests, a_link_that_is_seen_before_the_start_begins_nothing);
        tcase_add_test(tests, an_add_whose_deadline_has_passed_sends_nothing);
        tcase_add_test(tests, a_discover_says_who_we_are_and_what_we_want);
        unit_add_table(tests, the_largest_message_follows_the_mtu, size_rows);
        unit_add_table(tests, answers_come_by_broadcast_where_they_must, broadcast_rows);
        tcase_add_test(tests, the_hardware_address_is_that_of_the_link);
        tcase_add_test(tests, a_provided_50_counts_in_a_discover_alone);
        tcase_add_test(tests, a_provided_61_is_the_client_identifier_everywhere);
        tcase_add_test(tests, waits_of_an_add_double_up_to_the_timeout);
        tcase_add_test(tests, waits_after_a_loss_double_up_to_the_longest_pause_and_never_end);
        unit_add_table(tests, a_wait_has_jitter_on_both_sides_but_keeps_its_half, timeout_rows);
        tcase_add_test(tests, an_exchange_has_one_xid_and_the_next_another);
        tcase_add_test(tests, secs_count_from_the_first_message);
        tcase_add_test(tests, fast_probes_take_300_ms);
        tcase_add_test(tests, full_probes_take_the_time_of_the_rfc);
        tcase_add_test(tests, a_conflict_is_declined_and_waited_for);
        tcase_add_test(tests, ten_conflicts_make_the_pause_a_minute);
        tcase_add_test(tests, an_address_that_nobody_has_makes_conflicts_forgotten);
        tcase_add_test(tests, without_a_carrier_nothing_is_probed);
        tcase_add_test(tests, a_grant_that_runs_out_while_probing_is_none);
}

UNIT_MAIN("dhcp-lease", add_tests)
