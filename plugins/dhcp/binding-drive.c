/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Does what the state machine says, and tells it what came of it: packets, time, conflicts.
 */
#include <string.h>

#include "apply.h"
#include "binding-parts.h"
#include "core/clock.h"
#include "sock.h"

/* Packets per wake-up, so that one container's flood does not keep the others waiting. */
#define PACKETS_MAX 64
/* What could not be done to the interface is tried again after 1, 2, 4 ... 32 s. */
#define SETTLE_MS      INT64_C(1000)
#define SETTLE_DOUBLED 5

/* "10.1.2.3/24, expiration is 2026-..." */
static void tell_lease(const struct binding *b, const char *what)
{
        const struct grant *grant = &b->record.grant;
        int64_t end_ms = grant_end_ms(grant);
        char address[IPNET_TEXT_MAX], text[160], when[CLOCK_TEXT_MAX] = "never";

        if (end_ms != INT64_MAX)
                (void)clock_format((clock_real_ms() + end_ms - loop_now_ms(b->all->loop)) / 1000,
                                   when);
        (void)snprintf(text, sizeof(text), "%s %s, expiration is %s", what,
                       ipnet_format(&grant->address, address), when);
        binding_tell(b, LOG_LEVEL_INFO, text, "");
}

/* Tells everybody the lease. */
static void answer(struct binding *b)
{
        const struct rpc_reply reply = { .grant = b->record.grant };

        lease_answered(&b->lease);
        b->answered = true;
        for (size_t i = 0; i < b->call_count; i++)
                serve_reply(b->calls[i], &reply);
        if (!b->all->pin_netns) {
                closep(&b->netns_fd);
                b->netns_fd = -1;
        }
}

bool binding_look(struct binding *b)
{
        _cleanup_(visit_done) struct visit there = VISIT_NONE;
        struct lease_step step = { 0 };
        struct err err;
        int r = binding_visit(b, &there, &err);

        b->looked_ms = loop_now_ms(b->all->loop);
        b->look_ms = INT64_MAX;
        if (r == 0 && b->lease.adding && !there.link.up) {
                binding_tell(b, LOG_LEVEL_INFO, "link down, setting it up", there.link.name);
                r = link_set_up(there.net, there.link.ifindex, true, &err);
                if (r == 0)
                        r = link_get_by_index(there.net, there.link.ifindex, &there.link, &err);
        }
        if (r == LINK_ABSENT)
                (void)err_text(&err, -ENODEV, CNI_ERR_INTERNAL, "the interface is gone");
        if (r > 0) {
                binding_end_unreleased(b, err.msg);
                return false;
        }
        if (r < 0) {
                binding_warn(b, "cannot look at the interface", &err);
                binding_set_timer(b);
                return true;
        }
        lease_link(&b->lease, binding_now(b), &there.link, &step);
        return binding_perform(b, &step);
}

/* The ADD has failed, and nothing is granted. */
static bool give_up(struct binding *b, const struct err *err)
{
        binding_tell(b, LOG_LEVEL_ERROR, err->msg, err->details);
        binding_refuse(b, err);
        binding_remove_record(b);
        binding_forget(b);
        return false;
}

/* What an ADD has found out holds until it is answered: its descriptor leads there without a proof.
 * Whether the interface is still there, binding a socket to it tells. */
static struct visit visit_again(const struct binding *b)
{
        struct visit visit = { .netns_fd = b->netns_fd,
                               .opened = -1,
                               .link.ifindex = b->record.ifindex };

        (void)snprintf(visit.link.name, sizeof(visit.link.name), "%s", b->record.key.ifname);
        return visit;
}

/* Opens what the step needs. > 0: VISIT_GONE. */
static int open_exchange(struct binding *b, const struct lease_step *step, struct err *err)
{
        _cleanup_(visit_done) struct visit there = VISIT_NONE;
        struct loop *loop = b->all->loop;
        int r;

        if (b->lease.adding && b->netns_fd >= 0) {
                const struct visit again = visit_again(b);

                if (exchange_open(&b->exchange, loop, &again, step, err) == 0)
                        return 0;
        }
        r = binding_visit(b, &there, err);
        return r != 0 ? r : exchange_open(&b->exchange, loop, &there, step, err);
}

/* Sends; what cannot be sent now is as good as lost on the way, and sent again in time. */
static bool transmit(struct binding *b, const struct lease_step *step)
{
        struct err err;
        int r = 0;

        if (!exchange_is_open_for(&b->exchange, step))
                r = open_exchange(b, step, &err);
        if (r == VISIT_GONE) {
                binding_end_unreleased(b, err.msg);
                return false;
        }
        if (r == 0)
                r = exchange_send(&b->exchange, &b->record, step, loop_now_ms(b->all->loop), &err);
        if (r == -EMSGSIZE && b->lease.adding) /* more is provided than any message holds */
                return give_up(b, &err);
        if (r == SOCK_LINK_DOWN)
                binding_set_error(b, "the link is down");
        else if (r < 0)
                binding_warn(b, "cannot send", &err);
        return true;
}

/* Lets `change` act upon the interface, and keeps what it wrote into the record. */
static bool act(struct binding *b, const char *what,
                int (*change)(struct net *net, struct record *record, int64_t now_ms,
                              struct err *err))
{
        _cleanup_(visit_done) struct visit there = VISIT_NONE;
        struct err err;
        int r = binding_visit(b, &there, &err);

        if (r == VISIT_GONE) {
                binding_end_unreleased(b, err.msg);
                return false;
        }
        if (r == 0)
                r = change(there.net, &b->record, loop_now_ms(b->all->loop), &err);
        if (r > 0) {
                binding_end_unreleased(b, "the interface is gone");
                return false;
        }
        if (r < 0)
                binding_warn(b, what, &err);
        if (binding_save(b, &err) < 0)
                binding_warn(b, "cannot write its record", &err);
        return true;
}

/* ---- what a loss does to the interface ---- */

/* Whether the interface is not as the lease wants it: the policy has yet to act, or its work is to
 * be undone. */
static bool is_unsettled(const struct binding *b)
{
        const struct record *record = &b->record;

        if (record->lost)
                return !record->withdrawn && record->profile.loss != LOSS_KEEP;
        return record->withdrawn && grant_is(&record->grant) &&
               grant_end_ms(&record->grant) > loop_now_ms(b->all->loop);
}

static int settle(struct net *net, struct record *record, int64_t now_ms, struct err *err)
{
        return record->lost ? apply_withdraw(net, record, err)
                            : apply_restore(net, record, now_ms, err);
}

bool binding_settle(struct binding *b)
{
        int64_t pause_ms = SETTLE_MS
                           << (b->settle_tries < SETTLE_DOUBLED ? b->settle_tries : SETTLE_DOUBLED);

        b->settle_ms = INT64_MAX;
        if (!is_unsettled(b)) {
                b->settle_tries = 0;
                return true;
        }
        if (!act(b, b->record.lost ? "cannot take the address off" : "cannot put the address back",
                 settle))
                return false;
        if (!is_unsettled(b)) {
                b->settle_tries = 0;
                b->configured = !b->record.lost;
                return true;
        }
        b->settle_tries++;
        b->settle_ms = loop_now_ms(b->all->loop) + pause_ms;
        return true;
}

static int refresh(struct net *net, struct record *record, int64_t now_ms, struct err *err)
{
        return apply_lifetime(net, record, now_ms, err);
}

bool binding_limit_lifetime(struct binding *b, const char *what)
{
        return act(b, what, refresh);
}

static bool lose(struct binding *b)
{
        static const char *const texts[] = {
                [LOSS_DECONFIGURE] = "lease expired, taking the address off",
                [LOSS_DOWN] = "lease expired, bringing interface DOWN",
                [LOSS_KEEP] = "lease expired, the address is kept",
                [LOSS_REPLACE] = "lease expired, taking the address off",
        };

        binding_set_error(b, "the lease has run out");
        binding_tell(b, LOG_LEVEL_WARNING, texts[b->record.profile.loss], "");
        return binding_settle(b);
}

/* Another address in the place of a lost one. */
static bool change(struct binding *b, const struct grant *former)
{
        _cleanup_(visit_done) struct visit there = VISIT_NONE;
        struct err err;
        int r = binding_visit(b, &there, &err);

        if (r == 0)
                r = apply_forget(there.net, &b->record, former, &err);
        if (r != 0)
                binding_warn(b, "cannot take the former address off", &err);
        return binding_settle(b);
}

static bool fail(struct binding *b)
{
        _cleanup_(buf_done) struct buf seen;
        struct err err;

        buf_init(&seen, sizeof(err.details) - 1);
        lease_describe(&b->lease, &seen);
        if (b->last_error[0])
                buf_printf(&seen, "; %s", b->last_error);
        (void)err_text(&err, -ETIMEDOUT, CNI_ERR_INTERNAL, "%s",
                       b->lease.failure == LEASE_NO_MASK
                               ? "DHCP option Subnet Mask not found in DHCPACK"
                               : "no more tries");
        err_details(&err, "%s", buf_text(&seen));
        return give_up(b, &err);
}

/* What has come of it: returns whether the binding is still there. */
static bool conclude(struct binding *b, const struct lease_step *step)
{
        bool first = !b->answered;

        switch (step->outcome) {
        case LEASE_NOTHING:
                return true;
        case LEASE_GOT:
                tell_lease(b, first ? "lease acquired" : "lease acquired again");
                b->last_error[0] = '\0';
                if (first)
                        answer(b);
                return binding_settle(b);
        case LEASE_RENEWED:
                tell_lease(b, "lease renewed");
                b->last_error[0] = '\0';
                return !b->record.profile.kernel_lifetime ||
                       binding_limit_lifetime(b, "cannot prolong the address");
        case LEASE_CHANGED:
                tell_lease(b, "lease changed");
                b->last_error[0] = '\0';
                return change(b, step->former);
        case LEASE_LOST:
                return lose(b);
        case LEASE_FAILED:
                return fail(b);
        }
        return true;
}

bool binding_is_marked(const struct binding *b)
{
        return state_is_marked(b->all->dirfd, &b->record.key);
}

bool binding_perform(struct binding *b, const struct lease_step *step)
{
        struct lease_step unsaved = { 0 };
        struct err err;
        bool alive = true;

        if ((step->save || step->send) && step->message.type != MSG_RELEASE &&
            binding_is_marked(b)) {
                binding_release(b, -1, "a DEL left its mark");
                return false;
        }
        if (step->save && binding_save(b, &err) < 0) {
                binding_warn(b, "cannot write its record", &err);
                lease_unsaved(&b->lease, binding_now(b), &unsaved);
                step = &unsaved;
        }
        if (step->send || step->probe)
                alive = transmit(b, step);
        if (alive && step->idle)
                exchange_close(&b->exchange, b->all->loop);
        if (alive)
                alive = conclude(b, step);
        if (alive && step->look)
                alive = binding_look(b);
        else if (alive)
                binding_set_timer(b);
        return alive;
}

void binding_timer_due(struct loop_timer *timer, int64_t now_ms)
{
        struct binding *b = CONTAINER_OF(timer, struct binding, timer);
        struct lease_step step = { 0 };

        if (b->over) {
                binding_forget(b);
                return;
        }
        if (b->asking && now_ms >= b->asking_ms)
                binding_make_room(b);
        if (now_ms >= b->exchange.until_ms)
                exchange_close(&b->exchange, b->all->loop);
        if (now_ms >= b->settle_ms && binding_is_marked(b)) {
                binding_release(b, -1, "a DEL left its mark");
                return;
        }
        if (now_ms >= b->settle_ms && !binding_settle(b))
                return;
        if (now_ms >= b->look_ms && !binding_look(b))
                return;
        lease_tick(&b->lease, binding_now(b), &step);
        (void)binding_perform(b, &step);
}

/* Hands one packet to the machine; returns whether the binding is still there. */
static bool receive(struct binding *b, const struct sock_packet *packet)
{
        struct msg *msg = &b->all->msg;
        struct lease_step step = { 0 };
        const uint8_t *payload;
        enum msg_drop drop = MSG_NOT_FOR_US;
        struct err err;
        size_t len;

        if (packet->for_us)
                drop = msg_unwrap(packet->bytes, packet->len, packet->checksum_pending, &payload,
                                  &len);
        if (drop == MSG_OK)
                drop = msg_parse(payload, len, msg);
        binding_make_room(b);
        if (drop != MSG_OK) {
                lease_dropped(&b->lease, drop);
                return true;
        }
        msg->source = packet->source;
        if (lease_receive(&b->lease, binding_now(b), msg, &step, &err) < 0) {
                binding_warn(b, "cannot take a message", &err);
                return true;
        }
        return binding_perform(b, &step);
}

void binding_packet_ready(struct loop_source *source, uint32_t events _unused_,
                          int64_t now_ms _unused_)
{
        struct binding *b = CONTAINER_OF(source, struct binding, exchange.packet);
        struct sock_packet packet;
        struct err err;
        int r = 0;

        for (int i = 0; i < PACKETS_MAX && r == 0 && b->exchange.packet_fd >= 0; i++) {
                r = sock_receive(b->exchange.packet_fd, &packet, &err);
                if (r < 0)
                        binding_warn(b, "cannot receive", &err);
                if (r == 0 && !receive(b, &packet))
                        return;
        }
}

void binding_arp_ready(struct loop_source *source, uint32_t events _unused_,
                       int64_t now_ms _unused_)
{
        struct binding *b = CONTAINER_OF(source, struct binding, exchange.arp);
        struct lease_step step = { 0 };
        bool conflict = false;
        struct err err;
        int r = 0;

        for (int i = 0; i < PACKETS_MAX && r == 0 && !conflict; i++)
                r = sock_receive_arp(b->exchange.arp_fd, &b->record.hardware,
                                     &b->record.offer.address, &conflict, &err);
        if (r < 0)
                binding_warn(b, "cannot receive", &err);
        if (!conflict || b->lease.state != LEASE_PROBING)
                return;
        binding_tell(b, LOG_LEVEL_WARNING, "the offered address is in use by another host", "");
        lease_conflict(&b->lease, binding_now(b), &step);
        (void)binding_perform(b, &step);
}
