/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The lease's machine and the replies to an ADD: which of them count, and what they change.
 */
#include "machine.h"

#include <linux/if_arp.h>

/* ---- OFFER ---- */

static void wrong_chaddr(struct msg *msg)
{
        msg->chaddr[5] ^= 1;
}

static void short_chaddr(struct msg *msg)
{
        msg->hlen = 5;
}

static void wrong_xid(struct msg *msg)
{
        msg->xid++;
}

static void wrong_client_id(struct msg *msg)
{
        dhcp_option(msg, OPT_CLIENT_ID, "\0c2", 3);
}

static void longer_client_id(struct msg *msg)
{
        dhcp_option(msg, OPT_CLIENT_ID, "\0c1x", 4);
}

static void right_client_id(struct msg *msg)
{
        dhcp_option(msg, OPT_CLIENT_ID, "\0c1", 3);
}

static void no_server(struct msg *msg)
{
        dhcp_no_option(msg, OPT_SERVER);
}

static void short_server(struct msg *msg)
{
        dhcp_option(msg, OPT_SERVER, "\12\0\0", 3);
}

static void server_nobody(struct msg *msg)
{
        dhcp_option_ip(msg, OPT_SERVER, "0.0.0.0");
}

static void server_everybody(struct msg *msg)
{
        dhcp_option_ip(msg, OPT_SERVER, "255.255.255.255");
}

static void other_server(struct msg *msg)
{
        dhcp_option_ip(msg, OPT_SERVER, MACHINE_OTHER);
}

static void address_nobody(struct msg *msg)
{
        msg->yiaddr = ip("0.0.0.0");
}

static void address_loopback(struct msg *msg)
{
        msg->yiaddr = ip("127.0.0.1");
}

static void address_multicast(struct msg *msg)
{
        msg->yiaddr = ip("224.0.0.1");
}

static void other_address(struct msg *msg)
{
        msg->yiaddr = ip("10.0.0.51");
}

static void no_mask(struct msg *msg)
{
        dhcp_no_option(msg, OPT_SUBNET_MASK);
}

static void is_discover(struct msg *msg)
{
        msg->type = MSG_DISCOVER;
}

static void is_offer(struct msg *msg)
{
        msg->type = MSG_OFFER;
}

static void is_ack(struct msg *msg)
{
        msg->type = MSG_ACK;
}

static void is_nak(struct msg *msg)
{
        msg->type = MSG_NAK;
}

static void is_inform(struct msg *msg)
{
        msg->type = MSG_INFORM;
}

static void is_none(struct msg *msg)
{
        msg->type = 255;
}

static const struct {
        void (*change)(struct msg *msg);
        enum msg_drop want;
} offer_rows[] = {
        { right_client_id, MSG_OK },
        { no_mask, MSG_OK }, /* the ACK may have one */
        { other_server, MSG_OK },
        { other_address, MSG_OK },
        { wrong_chaddr, MSG_OTHER_HARDWARE },
        { short_chaddr, MSG_OTHER_HARDWARE },
        { wrong_xid, MSG_OTHER_XID },
        { wrong_client_id, MSG_OTHER_CLIENT_ID },
        { longer_client_id, MSG_OTHER_CLIENT_ID },
        { no_server, MSG_BAD_ADDRESS },
        { short_server, MSG_BAD_ADDRESS },
        { server_nobody, MSG_BAD_ADDRESS },
        { server_everybody, MSG_BAD_ADDRESS },
        { address_nobody, MSG_BAD_ADDRESS },
        { address_loopback, MSG_BAD_ADDRESS },
        { address_multicast, MSG_BAD_ADDRESS },
        { is_discover, MSG_UNEXPECTED },
        { is_ack, MSG_UNEXPECTED },
        { is_nak, MSG_UNEXPECTED },
        { is_inform, MSG_UNEXPECTED },
        { is_none, MSG_UNEXPECTED },
};

START_TEST(an_offer_that_is_not_acceptable_changes_nothing)
{
        bool good = offer_rows[_i].want == MSG_OK;
        struct machine m;

        machine_init(&m);
        machine_start(&m);
        machine_reply(&m, MSG_OFFER);
        offer_rows[_i].change(&m.msg);
        ck_assert_int_eq(machine_receive(&m, 5), offer_rows[_i].want);
        machine_assert(&m, good ? "REQUESTING save REQUEST" : "SELECTING");
        ck_assert_int_eq(m.record.offer.address.family != IP_UNSET, good);
        machine_done(&m);
}
END_TEST

START_TEST(the_first_offer_is_saved_and_requested)
{
        const struct ip address = ip(MACHINE_ADDRESS), server = ip(MACHINE_SERVER);
        struct machine m;
        const struct offer *offer = &m.record.offer;
        const struct msg_plan *plan = &m.step.message;

        machine_init(&m);
        machine_start(&m);
        (void)machine_answer(&m, MSG_OFFER);
        machine_assert(&m, "REQUESTING save REQUEST");
        ck_assert(ip_equal(&offer->address, &address));
        ck_assert(ip_equal(&offer->server, &server));
        ck_assert_mem_eq(&offer->server_hardware, &dhcp_server_hardware,
                         sizeof(dhcp_server_hardware));
        ck_assert_int_eq(m.step.way, LEASE_BROADCAST);
        ck_assert(ip_equal(&m.step.source, &(struct ip){ IP_V4, { 0 } }));
        ck_assert(ip_equal(&plan->requested, &address));
        ck_assert(ip_equal(&plan->server, &server));
        ck_assert_int_eq(plan->ciaddr.family, IP_UNSET);
        ck_assert_uint_eq(plan->parameter_count, 2);
        /* The second comes too late. */
        machine_reply(&m, MSG_OFFER);
        other_address(&m.msg);
        ck_assert_int_eq(machine_receive(&m, 5), MSG_UNEXPECTED);
        ck_assert(ip_equal(&offer->address, &address));
        machine_done(&m);
}
END_TEST

START_TEST(infiniband_has_no_hardware_address_in_messages)
{
        struct machine m;

        machine_init(&m);
        m.link.type = ARPHRD_INFINIBAND;
        m.link.address.len = 20;
        lease_link(&m.lease, m.now, &m.link, &m.step);
        lease_start(&m.lease, m.now, m.now.boot_ms + 10000, &m.step);
        m.xid = m.lease.xid;
        machine_reply(&m, MSG_OFFER);
        m.msg.hlen = 0;
        memset(m.msg.chaddr, 0, sizeof(m.msg.chaddr));
        m.now.boot_ms += 5;
        ck_assert_int_eq(lease_receive(&m.lease, m.now, &m.msg, &m.step, &(struct err){ 0 }), 0);
        machine_assert(&m, "REQUESTING save REQUEST");
        machine_done(&m);
}
END_TEST

START_TEST(four_unanswered_requests_are_enough)
{
        struct machine m;

        machine_init(&m);
        machine_start(&m);
        (void)machine_answer(&m, MSG_OFFER);
        for (int i = 0; i < 3; i++) {
                (void)machine_wait(&m);
                machine_assert(&m, "REQUESTING REQUEST");
        }
        (void)machine_wait(&m);
        machine_assert(&m, "SELECTING DISCOVER");
        /* The answer may have got lost, and the address be granted. */
        machine_release(&m);
        machine_assert(&m, "ENDED RELEASE idle");
        machine_done(&m);
}
END_TEST

START_TEST(the_same_offer_again_is_not_written_again)
{
        struct machine m;

        machine_init(&m);
        machine_start(&m);
        (void)machine_answer(&m, MSG_OFFER);
        while (m.lease.state == LEASE_REQUESTING)
                (void)machine_wait(&m);
        (void)machine_answer(&m, MSG_OFFER);
        machine_assert(&m, "REQUESTING REQUEST");
        machine_done(&m);
}
END_TEST

START_TEST(an_old_offer_is_not_requested_any_more)
{
        struct machine m;

        machine_init(&m);
        machine_start(&m);
        (void)machine_answer(&m, MSG_OFFER);
        machine_look(&m, false);
        for (int i = 0; i < 59; i++) {
                (void)machine_wait(&m);
                machine_assert(&m, "REQUESTING look");
        }
        (void)machine_wait(&m);
        (void)machine_wait(&m);
        machine_assert(&m, "SELECTING look");
        machine_done(&m);
}
END_TEST

/* ---- ACK ---- */

static const struct {
        void (*change)(struct msg *msg);
        enum msg_drop want;
} ack_rows[] = {
        { right_client_id, MSG_OK },          { wrong_chaddr, MSG_OTHER_HARDWARE },
        { wrong_xid, MSG_OTHER_XID },         { wrong_client_id, MSG_OTHER_CLIENT_ID },
        { no_server, MSG_BAD_ADDRESS },       { server_nobody, MSG_BAD_ADDRESS },
        { other_server, MSG_OTHER_SERVER },   { address_nobody, MSG_BAD_ADDRESS },
        { other_address, MSG_OTHER_ADDRESS }, { is_offer, MSG_UNEXPECTED },
        { is_none, MSG_UNEXPECTED },
};

START_TEST(an_ack_that_is_not_acceptable_changes_nothing)
{
        bool good = ack_rows[_i].want == MSG_OK;
        struct machine m;

        machine_init(&m);
        machine_start(&m);
        (void)machine_answer(&m, MSG_OFFER);
        machine_reply(&m, MSG_ACK);
        ack_rows[_i].change(&m.msg);
        ck_assert_int_eq(machine_receive(&m, 5), ack_rows[_i].want);
        machine_assert(&m, good ? "BOUND save idle GOT" : "REQUESTING");
        ck_assert_int_eq(grant_is(&m.record.grant), good);
        machine_done(&m);
}
END_TEST

START_TEST(an_ack_fills_the_record)
{
        const struct ipnet address = net(MACHINE_ADDRESS "/24");
        struct machine m;
        const struct grant *grant = &m.record.grant;

        machine_init(&m);
        machine_start(&m);
        (void)machine_answer(&m, MSG_OFFER);
        m.msg.source.bytes[5]++;
        (void)machine_answer(&m, MSG_ACK);
        machine_assert(&m, "BOUND save idle GOT");
        ck_assert(ip_equal(&grant->address.ip, &address.ip));
        ck_assert_uint_eq(grant->address.prefix, 24);
        ck_assert_mem_eq(&grant->server_hardware, &m.msg.source, sizeof(m.msg.source));
        ck_assert_int_eq(m.record.offer.address.family, IP_UNSET);
        ck_assert(!m.record.lost);
        ck_assert_ptr_null(m.step.former);
        ck_assert_uint_eq(m.lease.renewals, 0);
        machine_done(&m);
}
END_TEST

START_TEST(times_count_from_the_first_request)
{
        struct machine m;
        int64_t sent_ms;

        machine_init(&m);
        machine_start(&m);
        (void)machine_answer(&m, MSG_OFFER);
        sent_ms = m.now.boot_ms;
        (void)machine_wait(&m);
        (void)machine_wait(&m);
        (void)machine_answer(&m, MSG_ACK);
        ck_assert_int_eq(m.record.grant.from_ms, sent_ms);
        ck_assert_int_eq(grant_end_ms(&m.record.grant), sent_ms + 3600000);
        machine_done(&m);
}
END_TEST

START_TEST(an_ack_that_has_run_out_on_its_way_is_none)
{
        struct machine m;

        machine_init(&m);
        m.lease_s = 2;
        machine_start(&m);
        (void)machine_answer(&m, MSG_OFFER);
        machine_reply(&m, MSG_ACK);
        ck_assert_int_eq(machine_receive(&m, 1951), MSG_UNEXPECTED);
        machine_assert(&m, "REQUESTING");
        ck_assert(!grant_is(&m.record.grant));
        machine_done(&m);
}
END_TEST

START_TEST(an_ack_without_mask_ends_the_add_and_gives_the_address_back)
{
        const struct ip address = ip(MACHINE_ADDRESS);
        struct machine m;

        machine_init(&m);
        machine_start(&m);
        (void)machine_answer(&m, MSG_OFFER);
        machine_reply(&m, MSG_ACK);
        no_mask(&m.msg);
        ck_assert_int_eq(machine_receive(&m, 5), MSG_OK);
        machine_assert(&m, "ENDED RELEASE idle FAILED");
        ck_assert_int_eq(m.lease.failure, LEASE_NO_MASK);
        ck_assert(ip_equal(&m.step.message.ciaddr, &address));
        machine_done(&m);
}
END_TEST

START_TEST(the_deadline_gives_an_offer_back_that_was_requested)
{
        struct machine m;

        machine_init(&m);
        machine_start(&m);
        for (int64_t end_ms = m.lease.deadline_ms; m.now.boot_ms < end_ms;) {
                (void)machine_wait(&m);
                if (m.step.send && m.step.message.type == MSG_DISCOVER)
                        (void)machine_answer(&m, MSG_OFFER);
        }
        machine_assert(&m, "ENDED RELEASE idle FAILED");
        ck_assert_int_eq(m.lease.failure, LEASE_NO_MORE_TRIES);
        machine_done(&m);
}
END_TEST

/* ---- NAK ---- */

START_TEST(a_nak_must_be_from_the_server_that_was_asked)
{
        struct machine m;

        machine_init(&m);
        machine_start(&m);
        (void)machine_answer(&m, MSG_OFFER);
        machine_reply(&m, MSG_NAK);
        other_server(&m.msg);
        ck_assert_int_eq(machine_receive(&m, 5), MSG_OTHER_SERVER);
        machine_reply(&m, MSG_NAK);
        no_server(&m.msg);
        ck_assert_int_eq(machine_receive(&m, 5), MSG_BAD_ADDRESS);
        machine_assert(&m, "REQUESTING");
        ck_assert_int_eq(machine_answer(&m, MSG_NAK), MSG_OK);
        machine_assert(&m, "SELECTING save DISCOVER");
        ck_assert_int_eq(m.record.offer.address.family, IP_UNSET);
        machine_done(&m);
}
END_TEST

/* An ADD with one NAK behind it, which was answered at once. */
static void start_with_nak(struct machine *m)
{
        machine_start(m);
        m->lease.deadline_ms = INT64_MAX;
        (void)machine_answer(m, MSG_OFFER);
        (void)machine_answer(m, MSG_NAK);
        machine_assert(m, "SELECTING save DISCOVER");
}

/* The next NAK; returns how long it takes until the next DISCOVER. */
static int64_t pause_after_nak(struct machine *m)
{
        int64_t paused_ms;

        (void)machine_answer(m, MSG_NAK);
        machine_assert(m, "PAUSED idle");
        paused_ms = machine_wait(m);
        machine_assert(m, "SELECTING save DISCOVER");
        return paused_ms;
}

static const int64_t nak_pauses_ms[] = { 2000, 4000, 8000, 16000, 32000, 62000, 62000 };

START_TEST(naks_are_answered_more_and_more_slowly)
{
        struct machine m;

        machine_init(&m);
        start_with_nak(&m);
        for (size_t i = 0; i < ARRAY_SIZE(nak_pauses_ms); i++) {
                int64_t paused_ms;

                (void)machine_answer(&m, MSG_OFFER);
                paused_ms = pause_after_nak(&m);
                ck_assert_int_ge(paused_ms, nak_pauses_ms[i] / 2);
                ck_assert_int_le(paused_ms, nak_pauses_ms[i]);
        }
        machine_done(&m);
}
END_TEST

START_TEST(random_bits_take_up_to_half_of_a_pause_away)
{
        struct machine m;

        machine_init(&m);
        start_with_nak(&m);
        for (size_t i = 0; i < ARRAY_SIZE(nak_pauses_ms); i++) {
                (void)machine_answer(&m, MSG_OFFER);
                m.now.random = i % 2 == 0 ? 0 : (uint64_t)nak_pauses_ms[i] / 2 << 32;
                ck_assert_int_eq(pause_after_nak(&m),
                                 i % 2 == 0 ? nak_pauses_ms[i] : nak_pauses_ms[i] / 2);
        }
        machine_done(&m);
}
END_TEST

/* A server that offers one address to all who ask at once says NAK to all but one of them. */
START_TEST(naks_at_the_same_time_have_pauses_of_their_own)
{
        bool seen[1001] = { false };

        for (uint64_t i = 0; i < ARRAY_SIZE(seen); i++) {
                struct machine m;
                int64_t paused_ms;

                machine_init(&m);
                start_with_nak(&m);
                (void)machine_answer(&m, MSG_OFFER);
                m.now.random = i << 32;
                paused_ms = pause_after_nak(&m);
                ck_assert_int_ge(paused_ms, 1000);
                ck_assert_int_le(paused_ms, 2000);
                ck_assert(!seen[paused_ms - 1000]);
                seen[paused_ms - 1000] = true;
                machine_done(&m);
        }
}
END_TEST

START_TEST(a_long_pause_between_attempts_is_five_minutes_at_most)
{
        struct machine m;

        machine_init(&m);
        m.timing.resend_max_ms = INT64_MAX;
        start_with_nak(&m);
        m.lease.naks = 100;
        (void)machine_answer(&m, MSG_OFFER);
        m.now.random = 0;
        ck_assert_int_eq(pause_after_nak(&m), 300000);
        machine_done(&m);
}
END_TEST

static const struct {
        int64_t resend_max_ms, least_ms;
        const char *want;
} short_pause_rows[] = {
        { 0, 0, "SELECTING save DISCOVER" },
        { 1, 50, "PAUSED idle" },
        { 2, 50, "PAUSED idle" },
        { 1000, 500, "PAUSED idle" },
};

START_TEST(the_longest_pause_may_be_very_short)
{
        int64_t before_ms;
        struct machine m;

        machine_init(&m);
        m.timing.resend_max_ms = short_pause_rows[_i].resend_max_ms;
        start_with_nak(&m);
        (void)machine_answer(&m, MSG_OFFER);
        m.now.random = UINT64_MAX;
        (void)machine_answer(&m, MSG_NAK);
        machine_assert(&m, short_pause_rows[_i].want);
        before_ms = m.now.boot_ms;
        ck_assert_int_ge(m.lease.due_ms - before_ms, short_pause_rows[_i].least_ms);
        ck_assert_int_le(m.lease.due_ms - before_ms, 1100);
        machine_done(&m);
}
END_TEST

START_TEST(an_ack_makes_naks_forgotten)
{
        struct machine m;

        machine_init(&m);
        machine_start(&m);
        (void)machine_answer(&m, MSG_OFFER);
        (void)machine_answer(&m, MSG_NAK);
        (void)machine_answer(&m, MSG_OFFER);
        (void)machine_answer(&m, MSG_ACK);
        machine_assert(&m, "BOUND save idle GOT");
        ck_assert_uint_eq(m.lease.naks, 0);
        machine_done(&m);
}
END_TEST

static void add_tests(TCase *tests)
{
        unit_add_table(tests, an_offer_that_is_not_acceptable_changes_nothing, offer_rows);
        tcase_add_test(tests, the_first_offer_is_saved_and_requested);
        tcase_add_test(tests, infiniband_has_no_hardware_address_in_messages);
        tcase_add_test(tests, four_unanswered_requests_are_enough);
        tcase_add_test(tests, the_same_offer_again_is_not_written_again);
        tcase_add_test(tests, an_old_offer_is_not_requested_any_more);
        unit_add_table(tests, an_ack_that_is_not_acceptable_changes_nothing, ack_rows);
        tcase_add_test(tests, an_ack_fills_the_record);
        tcase_add_test(tests, times_count_from_the_first_request);
        tcase_add_test(tests, an_ack_that_has_run_out_on_its_way_is_none);
        tcase_add_test(tests, an_ack_without_mask_ends_the_add_and_gives_the_address_back);
        tcase_add_test(tests, the_deadline_gives_an_offer_back_that_was_requested);
        tcase_add_test(tests, a_nak_must_be_from_the_server_that_was_asked);
        tcase_add_test(tests, naks_are_answered_more_and_more_slowly);
        tcase_add_test(tests, random_bits_take_up_to_half_of_a_pause_away);
        tcase_add_test(tests, naks_at_the_same_time_have_pauses_of_their_own);
        tcase_add_test(tests, a_long_pause_between_attempts_is_five_minutes_at_most);
        unit_add_table(tests, the_longest_pause_may_be_very_short, short_pause_rows);
        tcase_add_test(tests, an_ack_makes_naks_forgotten);
}

UNIT_MAIN("dhcp-lease-reply", add_tests)
