/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every state of the lease's machine, and everything that can happen in it.
 */
#include "machine.h"

/* Two NAKs to the first REQUEST: the second makes it wait. */
static void reach_paused(struct machine *m)
{
        machine_start(m);
        for (int i = 0; i < 2; i++) {
                (void)machine_answer(m, MSG_OFFER);
                (void)machine_answer(m, MSG_NAK);
        }
}

static void reach_probing(struct machine *m)
{
        m->record.profile.acd = ACD_FULL;
        machine_start(m);
        (void)machine_answer(m, MSG_OFFER);
        (void)machine_answer(m, MSG_ACK);
}

/* Goes through the states of a lease's life as far as this one. */
static void reach(struct machine *m, enum lease_state state)
{
        switch (state) {
        case LEASE_INIT:
                machine_look(m, false);
                lease_start(&m->lease, m->now, m->now.boot_ms + 1000, &m->step);
                break;
        case LEASE_PAUSED:
                reach_paused(m);
                break;
        case LEASE_SELECTING:
        case LEASE_REQUESTING:
                machine_start(m);
                if (state == LEASE_REQUESTING)
                        (void)machine_answer(m, MSG_OFFER);
                break;
        case LEASE_PROBING:
                reach_probing(m);
                break;
        case LEASE_REBOOTING:
                machine_bind(m);
                machine_restart(m, m->now.boot_ms + 1000, false);
                break;
        case LEASE_BOUND:
        case LEASE_RENEWING:
        case LEASE_REBINDING:
                machine_bind(m);
                while (m->lease.state != state)
                        (void)machine_wait(m);
                break;
        case LEASE_ENDED:
                machine_bind(m);
                machine_release(m);
                break;
        case LEASE_STATE_COUNT:
                break;
        }
        ck_assert_int_eq(m->lease.state, state);
}

static void nothing_due(struct machine *m)
{
        machine_tick(m, m->lease.due_ms == INT64_MAX ? m->now.boot_ms : m->lease.due_ms - 1);
}

static void due(struct machine *m)
{
        if (m->lease.due_ms != INT64_MAX)
                (void)machine_wait(m);
        else
                nothing_due(m);
}

/* The end of the grant, or the deadline of the ADD: whatever else is due as well. */
static void the_end(struct machine *m)
{
        machine_tick(m, m->lease.adding ? m->lease.deadline_ms : grant_end_ms(&m->record.grant));
}

static void offer(struct machine *m)
{
        (void)machine_answer(m, MSG_OFFER);
}

static void ack(struct machine *m)
{
        (void)machine_answer(m, MSG_ACK);
}

static void nak(struct machine *m)
{
        (void)machine_answer(m, MSG_NAK);
}

static void other_nak(struct machine *m)
{
        machine_reply(m, MSG_NAK);
        dhcp_option_ip(&m->msg, OPT_SERVER, MACHINE_OTHER);
        (void)machine_receive(m, 5);
}

static void forcerenew(struct machine *m)
{
        (void)machine_answer(m, MSG_FORCERENEW);
}

static void link_down(struct machine *m)
{
        machine_look(m, false);
}

static void link_up(struct machine *m)
{
        machine_look(m, false);
        machine_look(m, true);
}

static void due_without_carrier(struct machine *m)
{
        machine_look(m, false);
        due(m);
}

static void conflict(struct machine *m)
{
        lease_conflict(&m->lease, m->now, &m->step);
        machine_check(m);
}

static const struct {
        const char *name;
        void (*happen)(struct machine *m);
        /* NULL: it stays as it is, and nothing is done. */
        const char *want[LEASE_STATE_COUNT];
} event_rows[] = {
        { "offer", offer, { [LEASE_SELECTING] = "REQUESTING save REQUEST" } },
        { "ack",
          ack,
          { [LEASE_REQUESTING] = "BOUND save idle GOT",
            [LEASE_REBOOTING] = "BOUND save idle RENEWED",
            [LEASE_RENEWING] = "BOUND save idle RENEWED",
            [LEASE_REBINDING] = "BOUND save idle RENEWED" } },
        { "nak",
          nak,
          { [LEASE_REQUESTING] = "SELECTING save DISCOVER",
            [LEASE_REBOOTING] = "SELECTING DISCOVER",
            [LEASE_RENEWING] = "SELECTING DISCOVER",
            [LEASE_REBINDING] = "SELECTING DISCOVER" } },
        { "other_nak",
          other_nak,
          { [LEASE_REBOOTING] = "SELECTING DISCOVER", [LEASE_REBINDING] = "SELECTING DISCOVER" } },
        { "forcerenew", forcerenew, { NULL } },
        { "nothing_due", nothing_due, { NULL } },
        { "due",
          due,
          { [LEASE_INIT] = "INIT look",
            [LEASE_PAUSED] = "SELECTING save DISCOVER",
            [LEASE_SELECTING] = "SELECTING DISCOVER",
            [LEASE_REQUESTING] = "REQUESTING REQUEST",
            [LEASE_PROBING] = "PROBING probe",
            [LEASE_REBOOTING] = "REBOOTING REQUEST",
            [LEASE_BOUND] = "RENEWING REQUEST",
            [LEASE_RENEWING] = "RENEWING REQUEST",
            [LEASE_REBINDING] = "REBINDING REQUEST" } },
        { "due_without_carrier",
          due_without_carrier,
          { [LEASE_INIT] = "INIT look",
            [LEASE_PAUSED] = "SELECTING look",
            [LEASE_SELECTING] = "SELECTING look",
            [LEASE_REQUESTING] = "REQUESTING look",
            [LEASE_PROBING] = "PROBING look",
            [LEASE_REBOOTING] = "REBOOTING look",
            [LEASE_BOUND] = "RENEWING look",
            [LEASE_RENEWING] = "RENEWING look",
            [LEASE_REBINDING] = "REBINDING look" } },
        { "the_end",
          the_end,
          { [LEASE_INIT] = "ENDED idle FAILED",
            [LEASE_PAUSED] = "ENDED idle FAILED",
            [LEASE_SELECTING] = "ENDED idle FAILED",
            [LEASE_REQUESTING] = "ENDED RELEASE idle FAILED",
            [LEASE_PROBING] = "ENDED RELEASE idle FAILED",
            [LEASE_REBOOTING] = "SELECTING save DISCOVER LOST",
            [LEASE_BOUND] = "SELECTING save DISCOVER LOST",
            [LEASE_RENEWING] = "SELECTING save DISCOVER LOST",
            [LEASE_REBINDING] = "SELECTING save DISCOVER LOST" } },
        { "link_down", link_down, { NULL } },
        { "link_up",
          link_up,
          { [LEASE_INIT] = "SELECTING DISCOVER",
            [LEASE_SELECTING] = "SELECTING DISCOVER",
            [LEASE_REQUESTING] = "REQUESTING REQUEST",
            [LEASE_REBOOTING] = "REBOOTING REQUEST",
            [LEASE_RENEWING] = "RENEWING REQUEST",
            [LEASE_REBINDING] = "REBINDING REQUEST" } },
        { "conflict", conflict, { [LEASE_PROBING] = "PAUSED DECLINE idle" } },
        { "machine_release",
          machine_release,
          { [LEASE_INIT] = "ENDED idle",
            [LEASE_PAUSED] = "ENDED idle",
            [LEASE_SELECTING] = "ENDED idle",
            [LEASE_REQUESTING] = "ENDED RELEASE idle",
            [LEASE_PROBING] = "ENDED RELEASE idle",
            [LEASE_REBOOTING] = "ENDED RELEASE idle",
            [LEASE_BOUND] = "ENDED RELEASE idle",
            [LEASE_RENEWING] = "ENDED RELEASE idle",
            [LEASE_REBINDING] = "ENDED RELEASE idle" } },
};

START_TEST(every_event_in_every_state_does_what_the_table_says)
{
        const char *want;
        struct machine m;

        for (unsigned i = 0; i < LEASE_STATE_COUNT; i++) {
                enum lease_state state = (enum lease_state)i;

                machine_init(&m);
                reach(&m, state);
                event_rows[_i].happen(&m);
                want = event_rows[_i].want[i];
                ck_assert_msg(strcmp(machine_text(&m), want ? want : lease_state_text(state)) == 0,
                              "%s in %s: %s", event_rows[_i].name, lease_state_text(state),
                              machine_text(&m));
                machine_done(&m);
        }
}
END_TEST

static void add_tests(TCase *tests)
{
        unit_add_table(tests, every_event_in_every_state_does_what_the_table_says, event_rows);
}

UNIT_MAIN("dhcp-lease-table", add_tests)
