/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The lease's machine over restarts of the daemon and disks that are full, its release, and its
 * words.
 */
#include "machine.h"

static void make_offer(struct machine *m)
{
        m->record.offer = (struct offer){
                .address = ip(MACHINE_ADDRESS),
                .server = ip(MACHINE_SERVER),
                .server_hardware = dhcp_server_hardware,
        };
}

/* ---- restarts ---- */

START_TEST(an_offer_that_nobody_was_told_is_given_back)
{
        const struct ip address = ip(MACHINE_ADDRESS), server = ip(MACHINE_SERVER);
        struct machine m;

        machine_init(&m);
        make_offer(&m);
        machine_restart(&m, MACHINE_BEGIN, false);
        machine_assert(&m, "ENDED RELEASE idle");
        ck_assert(ip_equal(&m.step.message.ciaddr, &address));
        ck_assert(ip_equal(&m.step.message.server, &server));
        ck_assert_int_eq(m.lease.due_ms, INT64_MAX);
        machine_done(&m);
}
END_TEST

START_TEST(a_record_of_nothing_ends_in_silence)
{
        struct machine m;

        machine_init(&m);
        machine_restart(&m, MACHINE_BEGIN, false);
        machine_assert(&m, "ENDED idle");
        machine_done(&m);
}
END_TEST

/* A lease of an hour: T1 after 1800 s, T2 after 3150 s. */
static const struct {
        int64_t after_s;
        bool configured, lost;
        enum profile_loss loss;
        const char *want;
} resume_rows[] = {
        { 10, true, false, LOSS_DECONFIGURE, "BOUND idle" },
        { 1799, true, false, LOSS_DECONFIGURE, "BOUND idle" },
        { 1801, true, false, LOSS_DECONFIGURE, "BOUND idle" },
        { 3149, true, false, LOSS_DECONFIGURE, "BOUND idle" },
        { 3150, true, false, LOSS_DECONFIGURE, "REBINDING REQUEST" },
        { 3599, true, false, LOSS_DECONFIGURE, "REBINDING REQUEST" },
        { 10, false, false, LOSS_DECONFIGURE, "REBOOTING REQUEST" },
        { 3599, false, false, LOSS_DECONFIGURE, "REBOOTING REQUEST" },
        { 3600, true, false, LOSS_DECONFIGURE, "SELECTING save DISCOVER LOST" },
        { 3600, false, false, LOSS_REPLACE, "SELECTING save DISCOVER LOST" },
        { 9999, true, false, LOSS_KEEP, "SELECTING save DISCOVER LOST" },
        { 9999, true, false, LOSS_DOWN, "ENDED save idle LOST" },
        { 10, true, true, LOSS_DECONFIGURE, "SELECTING DISCOVER" },
        { 9999, false, true, LOSS_KEEP, "SELECTING DISCOVER" },
        { 9999, false, true, LOSS_DOWN, "ENDED idle" },
};

START_TEST(a_restarted_daemon_goes_on)
{
        const struct ip address = ip(MACHINE_ADDRESS);
        struct machine m;

        machine_init(&m);
        machine_bind(&m);
        m.record.profile.loss = resume_rows[_i].loss;
        m.record.lost = resume_rows[_i].lost;
        machine_restart(&m, m.record.grant.from_ms + resume_rows[_i].after_s * 1000,
                        resume_rows[_i].configured);
        machine_assert(&m, resume_rows[_i].want);
        if (m.step.send && m.step.message.type == MSG_DISCOVER)
                ck_assert(ip_equal(&m.step.message.requested, &address));
        machine_done(&m);
}
END_TEST

START_TEST(without_a_carrier_a_restarted_daemon_looks)
{
        struct machine m;

        machine_init(&m);
        machine_bind(&m);
        m.link.carrier = false;
        machine_restart(&m, m.now.boot_ms + 1000, false);
        machine_assert(&m, "REBOOTING look");
        machine_look(&m, true);
        machine_assert(&m, "REBOOTING REQUEST");
        machine_done(&m);
}
END_TEST

START_TEST(a_restarted_daemon_asks_for_broadcasts_as_before)
{
        struct machine m;

        machine_init(&m);
        m.record.profile.broadcast = _i == 0 ? BROADCAST_ON : BROADCAST_OFF;
        m.timing.broadcast = _i != 0;
        machine_bind(&m);
        machine_restart(&m, m.now.boot_ms + 1000, false);
        machine_assert(&m, "REBOOTING REQUEST");
        ck_assert_int_eq(m.step.message.broadcast, _i == 0);
        machine_done(&m);
}
END_TEST

START_TEST(renewals_after_a_restart_are_spread)
{
        static const struct {
                int64_t after_s, most_ms;
        } rows[] = { { 1801, 60000 }, { 3050, 50000 }, { 3140, 5000 } };

        for (size_t k = 0; k < ARRAY_SIZE(rows); k++) {
                int64_t least_ms = INT64_MAX, most_ms = 0;

                for (uint64_t i = 0; i < 500; i++) {
                        struct machine m;
                        int64_t waited_ms;

                        machine_init(&m);
                        machine_bind(&m);
                        m.now.random = i * 0x9e3779b97f4a7c15U;
                        machine_restart(&m, m.record.grant.from_ms + rows[k].after_s * 1000, true);
                        waited_ms = machine_wait(&m);
                        machine_assert(&m, "RENEWING REQUEST");
                        least_ms = waited_ms < least_ms ? waited_ms : least_ms;
                        most_ms = waited_ms > most_ms ? waited_ms : most_ms;
                        machine_done(&m);
                }
                ck_assert_int_le(least_ms, rows[k].most_ms / 50);
                ck_assert_int_le(most_ms, rows[k].most_ms);
                ck_assert_int_ge(most_ms, rows[k].most_ms * 9 / 10);
        }
}
END_TEST

static void reboot(struct machine *m)
{
        machine_init(m);
        machine_bind(m);
        machine_restart(m, m->now.boot_ms + 1000, false);
        machine_assert(m, "REBOOTING REQUEST");
}

START_TEST(rebooting_asks_all_servers_twice)
{
        const struct ip address = ip(MACHINE_ADDRESS);
        struct machine m;
        const struct msg_plan *plan = &m.step.message;
        int64_t waited_ms;

        reboot(&m);
        ck_assert_int_eq(m.step.way, LEASE_BROADCAST);
        ck_assert(ip_equal(&m.step.source, &(struct ip){ IP_V4, { 0 } }));
        ck_assert_int_eq(plan->ciaddr.family, IP_UNSET);
        ck_assert_int_eq(plan->server.family, IP_UNSET);
        ck_assert(ip_equal(&plan->requested, &address));
        waited_ms = machine_wait(&m);
        machine_assert(&m, "REBOOTING REQUEST");
        ck_assert_int_ge(waited_ms, 1800);
        ck_assert_int_le(waited_ms, 2200);
        waited_ms = machine_wait(&m);
        machine_assert(&m, "SELECTING DISCOVER");
        ck_assert_int_ge(waited_ms, 3600);
        ck_assert_int_le(waited_ms, 4400);
        ck_assert(ip_equal(&plan->requested, &address));
        ck_assert(!m.record.lost);
        machine_done(&m);
}
END_TEST

START_TEST(rebooting_takes_the_answer_of_any_server)
{
        const struct ip other = ip(MACHINE_OTHER);
        struct machine m;

        reboot(&m);
        machine_reply(&m, MSG_ACK);
        m.msg.yiaddr = other;
        ck_assert_int_eq(machine_receive(&m, 5), MSG_OTHER_ADDRESS);
        machine_reply(&m, MSG_ACK);
        dhcp_option_ip(&m.msg, OPT_SERVER, MACHINE_OTHER);
        ck_assert_int_eq(machine_receive(&m, 5), MSG_OK);
        machine_assert(&m, "BOUND save idle RENEWED");
        ck_assert(ip_equal(&m.record.grant.server, &other));
        machine_done(&m);
}
END_TEST

START_TEST(a_nak_to_a_rebooting_client_makes_it_search_and_strictly_lose)
{
        for (int strict = 0; strict < 2; strict++) {
                struct machine m;

                reboot(&m);
                m.record.profile.strict_nak = strict != 0;
                machine_reply(&m, MSG_NAK);
                dhcp_option_ip(&m.msg, OPT_SERVER, MACHINE_OTHER);
                ck_assert_int_eq(machine_receive(&m, 5), MSG_OK);
                machine_assert(&m, strict ? "SELECTING save DISCOVER LOST" : "SELECTING DISCOVER");
                machine_done(&m);
        }
}
END_TEST

/* ---- release ---- */

START_TEST(a_release_is_a_unicast_from_the_address)
{
        const struct ip address = ip(MACHINE_ADDRESS), server = ip(MACHINE_SERVER);
        struct machine m;
        const struct msg_plan *plan = &m.step.message;
        uint32_t xid;

        machine_init(&m);
        machine_bind(&m);
        xid = m.xid;
        machine_release(&m);
        machine_assert(&m, "ENDED RELEASE idle");
        ck_assert_int_eq(m.step.way, LEASE_UNICAST);
        ck_assert(ip_equal(&m.step.source, &address));
        ck_assert(ip_equal(&m.step.server, &server));
        ck_assert_mem_eq(&m.step.server_hardware, &dhcp_server_hardware,
                         sizeof(dhcp_server_hardware));
        ck_assert(ip_equal(&plan->ciaddr, &address));
        ck_assert(ip_equal(&plan->server, &server));
        ck_assert_int_eq(plan->requested.family, IP_UNSET);
        ck_assert_uint_ne(plan->xid, xid);
        ck_assert_uint_eq(plan->client_id_len, 3);
        ck_assert_uint_eq(plan->parameter_count, 0);
        ck_assert_uint_eq(plan->provided_count, 0);
        ck_assert_uint_eq(plan->max_size, 0);
        ck_assert_uint_eq(plan->secs, 0);
        ck_assert_int_eq(m.lease.due_ms, INT64_MAX);
        machine_release(&m);
        machine_assert(&m, "ENDED");
        machine_done(&m);
}
END_TEST

START_TEST(a_release_of_what_is_only_under_way_names_the_offer)
{
        const struct ip other = ip(MACHINE_OTHER);
        struct machine m;

        machine_init(&m);
        machine_bind(&m);
        m.record.profile.loss = LOSS_REPLACE;
        machine_tick(&m, grant_end_ms(&m.record.grant));
        machine_reply(&m, MSG_OFFER);
        m.msg.yiaddr = other;
        (void)machine_receive(&m, 5);
        machine_assert(&m, "REQUESTING save REQUEST");
        machine_release(&m);
        machine_assert(&m, "ENDED RELEASE idle");
        ck_assert(ip_equal(&m.step.message.ciaddr, &other));
        machine_done(&m);
}
END_TEST

START_TEST(what_has_run_out_is_not_released)
{
        struct machine m;

        machine_init(&m);
        machine_bind(&m);
        m.now.boot_ms = grant_end_ms(&m.record.grant);
        machine_release(&m);
        machine_assert(&m, "ENDED idle");
        machine_done(&m);
}
END_TEST

START_TEST(a_record_is_released_before_it_is_resumed)
{
        struct machine m;

        machine_init(&m);
        machine_bind(&m);
        lease_done(&m.lease);
        lease_init(&m.lease, &m.record, &m.timing);
        machine_look(&m, true);
        machine_release(&m);
        machine_assert(&m, "ENDED RELEASE idle");
        machine_done(&m);
}
END_TEST

START_TEST(an_ended_machine_does_nothing_any_more)
{
        struct machine m;

        machine_init(&m);
        machine_bind(&m);
        machine_release(&m);
        machine_tick(&m, grant_end_ms(&m.record.grant) + 1);
        machine_assert(&m, "ENDED");
        machine_look(&m, false);
        machine_look(&m, true);
        machine_assert(&m, "ENDED");
        m.xid = m.lease.xid;
        ck_assert_int_eq(machine_answer(&m, MSG_ACK), MSG_UNEXPECTED);
        machine_assert(&m, "ENDED");
        machine_done(&m);
}
END_TEST

/* ---- records that cannot be written ---- */

static void unsaved(struct machine *m)
{
        ck_assert(m->step.save);
        lease_unsaved(&m->lease, m->now, &m->step);
        machine_check(m);
        ck_assert(!m->step.save && !m->step.send && !m->step.probe && !m->step.look);
}

START_TEST(a_request_waits_until_its_offer_is_written)
{
        struct machine m;
        int64_t sent_ms;

        machine_init(&m);
        machine_start(&m);
        (void)machine_answer(&m, MSG_OFFER);
        for (int i = 0; i < 10; i++) {
                unsaved(&m);
                machine_assert(&m, "REQUESTING");
                ck_assert_uint_eq(m.lease.sent[MSG_REQUEST], 0);
                ck_assert_int_eq(machine_wait(&m), 1000);
                machine_assert(&m, "REQUESTING save REQUEST");
        }
        sent_ms = m.now.boot_ms;
        (void)machine_answer(&m, MSG_ACK);
        machine_assert(&m, "BOUND save idle GOT");
        ck_assert_int_eq(m.record.grant.from_ms, sent_ms);
        machine_done(&m);
}
END_TEST

START_TEST(an_address_is_told_when_it_is_written)
{
        struct machine m;

        machine_init(&m);
        machine_start(&m);
        (void)machine_answer(&m, MSG_OFFER);
        (void)machine_answer(&m, MSG_ACK);
        for (int i = 0; i < 10; i++) {
                unsaved(&m);
                machine_assert(&m, "BOUND idle");
                ck_assert_int_eq(machine_wait(&m), 1000);
                machine_assert(&m, "BOUND save GOT");
        }
        ck_assert_int_gt(machine_wait(&m), 1000000);
        machine_assert(&m, "RENEWING REQUEST");
        machine_done(&m);
}
END_TEST

START_TEST(an_address_that_is_never_written_is_given_back_at_the_deadline)
{
        struct machine m;

        machine_init(&m);
        machine_start(&m);
        (void)machine_answer(&m, MSG_OFFER);
        (void)machine_answer(&m, MSG_ACK);
        while (m.step.save) {
                unsaved(&m);
                (void)machine_wait(&m);
        }
        machine_assert(&m, "ENDED RELEASE idle FAILED");
        ck_assert_int_eq(m.lease.failure, LEASE_NO_MORE_TRIES);
        machine_done(&m);
}
END_TEST

START_TEST(an_address_that_runs_out_before_it_is_written_was_never_got)
{
        struct machine m;

        machine_init(&m);
        m.lease_s = 10;
        machine_start(&m);
        (void)machine_answer(&m, MSG_OFFER);
        (void)machine_answer(&m, MSG_ACK);
        while (m.step.save || !m.step.outcome) {
                if (m.step.save)
                        unsaved(&m);
                (void)machine_wait(&m);
        }
        machine_assert(&m, "ENDED idle FAILED");
        machine_done(&m);
}
END_TEST

START_TEST(more_time_is_told_at_once_and_written_later)
{
        struct machine m;

        machine_init(&m);
        machine_bind(&m);
        (void)machine_wait(&m);
        (void)machine_answer(&m, MSG_ACK);
        machine_assert(&m, "BOUND save idle RENEWED");
        unsaved(&m);
        machine_assert(&m, "BOUND idle RENEWED");
        ck_assert_int_eq(machine_wait(&m), 10000);
        machine_assert(&m, "BOUND save");
        unsaved(&m);
        machine_assert(&m, "BOUND idle");
        (void)machine_wait(&m);
        machine_assert(&m, "RENEWING REQUEST"); /* which a full disk must not hinder */
        (void)machine_answer(&m, MSG_ACK);
        machine_assert(&m, "BOUND save idle RENEWED");
        machine_done(&m);
}
END_TEST

START_TEST(the_end_is_told_at_once_and_written_later)
{
        struct machine m;

        machine_init(&m);
        machine_bind(&m);
        machine_tick(&m, grant_end_ms(&m.record.grant));
        machine_assert(&m, "SELECTING save DISCOVER LOST");
        unsaved(&m);
        machine_assert(&m, "SELECTING LOST");
        ck_assert_int_eq(machine_wait(&m), 1000);
        machine_assert(&m, "SELECTING save DISCOVER");
        machine_done(&m);
}
END_TEST

START_TEST(the_end_of_a_link_is_told_at_once_though_it_cannot_be_written)
{
        struct machine m;

        machine_init(&m);
        machine_bind(&m);
        m.record.profile.loss = LOSS_DOWN;
        machine_tick(&m, grant_end_ms(&m.record.grant));
        unsaved(&m);
        machine_assert(&m, "ENDED idle LOST");
        ck_assert_int_eq(m.lease.due_ms, INT64_MAX);
        machine_done(&m);
}
END_TEST

/* Asks for another address after a loss, which is granted, and cannot be written. */
static void change_unsaved(struct machine *m, uint32_t lease_s)
{
        machine_init(m);
        machine_bind(m);
        m->record.profile.loss = LOSS_REPLACE;
        machine_tick(m, grant_end_ms(&m->record.grant));
        m->lease_s = lease_s;
        machine_reply(m, MSG_OFFER);
        m->msg.yiaddr = ip(MACHINE_OTHER);
        (void)machine_receive(m, 5);
        machine_reply(m, MSG_ACK);
        m->msg.yiaddr = ip(MACHINE_OTHER);
        (void)machine_receive(m, 5);
        machine_assert(m, "BOUND save idle CHANGED");
        unsaved(m);
        machine_assert(m, "BOUND idle");
}

START_TEST(another_address_is_told_when_it_is_written_with_the_one_before)
{
        const struct ip address = ip(MACHINE_ADDRESS);
        struct machine m;

        change_unsaved(&m, 3600);
        machine_look(&m, true);
        (void)machine_wait(&m);
        machine_assert(&m, "BOUND save CHANGED");
        ck_assert(ip_equal(&m.step.former->address.ip, &address));
        machine_done(&m);
}
END_TEST

START_TEST(another_address_that_is_renewed_before_it_is_told_is_another_still)
{
        const struct ip address = ip(MACHINE_ADDRESS);
        struct machine m;

        change_unsaved(&m, 4);
        while (!m.step.send) {
                (void)machine_wait(&m);
                unsaved(&m);
                if (m.lease.state != LEASE_BOUND)
                        break;
        }
        ck_assert_int_eq(m.lease.state, LEASE_RENEWING);
        (void)machine_wait(&m);
        machine_assert(&m, "RENEWING save REQUEST CHANGED");
        unsaved(&m);
        m.xid = m.lease.xid;
        machine_reply(&m, MSG_ACK);
        m.msg.yiaddr = ip(MACHINE_OTHER);
        ck_assert_int_eq(machine_receive(&m, 5), MSG_OK);
        machine_assert(&m, "BOUND save idle CHANGED");
        ck_assert(ip_equal(&m.step.former->address.ip, &address));
        machine_done(&m);
}
END_TEST

/* ---- the ADD's answer ---- */

START_TEST(an_answered_add_has_no_deadline)
{
        struct machine m;

        machine_init(&m);
        machine_start(&m);
        (void)machine_answer(&m, MSG_OFFER);
        (void)machine_answer(&m, MSG_ACK);
        lease_answered(&m.lease);
        machine_tick(&m, m.lease.deadline_ms + 1);
        machine_assert(&m, "BOUND");
        machine_done(&m);
}
END_TEST

/* ---- words ---- */

START_TEST(every_state_has_a_name)
{
        static const char *const want[] = { "INIT",      "PAUSED",    "SELECTING", "REQUESTING",
                                            "PROBING",   "REBOOTING", "BOUND",     "RENEWING",
                                            "REBINDING", "ENDED" };

        ck_assert_uint_eq(ARRAY_SIZE(want), LEASE_STATE_COUNT);
        for (unsigned i = 0; i < LEASE_STATE_COUNT; i++)
                ck_assert_str_eq(lease_state_text((enum lease_state)i), want[i]);
}
END_TEST

static void assert_described(const struct machine *m, const char *want)
{
        _cleanup_(buf_done) struct buf text;

        buf_init(&text, 1024);
        lease_describe(&m->lease, &text);
        ck_assert_str_eq(buf_text(&text), want);
}

START_TEST(it_tells_what_was_seen_on_the_wire)
{
        struct machine m;

        machine_init(&m);
        assert_described(&m, "nothing sent on eth0 (02:00:00:00:00:77), carrier down, "
                             "0 packets received");
        machine_start(&m);
        for (int i = 0; i < 4; i++)
                (void)machine_wait(&m);
        assert_described(&m, "no reply to 5 DISCOVER on eth0 (02:00:00:00:00:77), carrier up, "
                             "0 packets received");
        machine_reply(&m, MSG_OFFER);
        m.msg.chaddr[0] ^= 4;
        (void)machine_receive(&m, 5);
        (void)machine_receive(&m, 5);
        assert_described(&m, "no reply to 5 DISCOVER on eth0 (02:00:00:00:00:77), carrier up, "
                             "2 packets received, dropped: 2 wrong chaddr");
        (void)machine_answer(&m, MSG_OFFER);
        (void)machine_answer(&m, MSG_NAK);
        m.record.hardware.len = 0;
        assert_described(&m, "6 DISCOVER and 1 REQUEST sent, 1 OFFER, 0 ACK and 1 NAK received on "
                             "eth0, carrier up, 4 packets received, dropped: 2 wrong chaddr");
        machine_done(&m);
}
END_TEST

START_TEST(it_tells_of_conflicts_and_of_silence_after_a_restart)
{
        struct machine m;

        machine_init(&m);
        m.record.profile.acd = ACD_FAST;
        machine_start(&m);
        (void)machine_answer(&m, MSG_OFFER);
        (void)machine_answer(&m, MSG_ACK);
        lease_conflict(&m.lease, m.now, &m.step);
        m.record.hardware.len = 0;
        assert_described(&m, "1 DISCOVER and 1 REQUEST sent, 1 OFFER, 1 ACK and 0 NAK received on "
                             "eth0, carrier up, 2 packets received, 1 times the address was in use "
                             "by another host");
        machine_done(&m);
        reboot(&m);
        m.record.hardware.len = 0;
        assert_described(&m, "no reply to 0 DISCOVER and 1 REQUEST on eth0, carrier up, "
                             "0 packets received");
        machine_done(&m);
}
END_TEST

static void add_tests(TCase *tests)
{
        tcase_add_test(tests, an_offer_that_nobody_was_told_is_given_back);
        tcase_add_test(tests, a_record_of_nothing_ends_in_silence);
        unit_add_table(tests, a_restarted_daemon_goes_on, resume_rows);
        tcase_add_test(tests, without_a_carrier_a_restarted_daemon_looks);
        tcase_add_loop_test(tests, a_restarted_daemon_asks_for_broadcasts_as_before, 0, 2);
        tcase_add_test(tests, renewals_after_a_restart_are_spread);
        tcase_add_test(tests, rebooting_asks_all_servers_twice);
        tcase_add_test(tests, rebooting_takes_the_answer_of_any_server);
        tcase_add_test(tests, a_nak_to_a_rebooting_client_makes_it_search_and_strictly_lose);
        tcase_add_test(tests, a_release_is_a_unicast_from_the_address);
        tcase_add_test(tests, a_release_of_what_is_only_under_way_names_the_offer);
        tcase_add_test(tests, what_has_run_out_is_not_released);
        tcase_add_test(tests, a_record_is_released_before_it_is_resumed);
        tcase_add_test(tests, an_ended_machine_does_nothing_any_more);
        tcase_add_test(tests, a_request_waits_until_its_offer_is_written);
        tcase_add_test(tests, an_address_is_told_when_it_is_written);
        tcase_add_test(tests, an_address_that_is_never_written_is_given_back_at_the_deadline);
        tcase_add_test(tests, an_address_that_runs_out_before_it_is_written_was_never_got);
        tcase_add_test(tests, more_time_is_told_at_once_and_written_later);
        tcase_add_test(tests, the_end_is_told_at_once_and_written_later);
        tcase_add_test(tests, the_end_of_a_link_is_told_at_once_though_it_cannot_be_written);
        tcase_add_test(tests, another_address_is_told_when_it_is_written_with_the_one_before);
        tcase_add_test(tests, another_address_that_is_renewed_before_it_is_told_is_another_still);
        tcase_add_test(tests, an_answered_add_has_no_deadline);
        tcase_add_test(tests, every_state_has_a_name);
        tcase_add_test(tests, it_tells_what_was_seen_on_the_wire);
        tcase_add_test(tests, it_tells_of_conflicts_and_of_silence_after_a_restart);
}

UNIT_MAIN("dhcp-lease-restart", add_tests)
