/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Messages that come in: whom they are from, whether they answer what was asked, and what they
 * change. Whatever is not used is counted with its reason.
 */
#include "lease-steps.h"

#include <linux/if_arp.h>
#include <string.h>

#define NAK_PAUSE_MS     2000
#define NAK_PAUSE_MAX_MS 300000

/* ---- whose it is ---- */

/* InfiniBand's address does not fit into chaddr: there xid and client identifier have to do. */
static bool is_our_hardware(const struct lease *lease, const struct msg *msg)
{
        const struct link_address *own = &lease->record->hardware;

        if (lease->record->hardware_type == ARPHRD_INFINIBAND || own->len > sizeof(msg->chaddr))
                return true;
        return msg->hlen == own->len && memcmp(msg->chaddr, own->bytes, own->len) == 0;
}

/* A server that returns the client identifier returns it unchanged (RFC 6842). */
static bool is_our_client_id(const struct lease *lease, const struct msg *msg)
{
        size_t len;
        uint8_t own_len;
        const uint8_t *echo = opts_get(&msg->opts, OPT_CLIENT_ID, &len);
        const uint8_t *own = lease_client_id(lease, &own_len);

        return !echo || !own || (len == own_len && memcmp(echo, own, len) == 0);
}

static enum msg_drop check_identity(const struct lease *lease, const struct msg *msg)
{
        if (!is_our_hardware(lease, msg))
                return MSG_OTHER_HARDWARE;
        if (msg->xid != lease->xid)
                return MSG_OTHER_XID;
        if (!is_our_client_id(lease, msg))
                return MSG_OTHER_CLIENT_ID;
        return MSG_OK;
}

static bool read_server(const struct msg *msg, struct ip *ret)
{
        return opts_get_ip(&msg->opts, OPT_SERVER, ret) && grant_is_host(ret);
}

/* ---- OFFER ---- */

/* With a grant in use, or one that no other may replace, only its address is of use. */
static bool is_wanted(const struct lease *lease, const struct ip *address)
{
        const struct record *record = lease->record;

        if (!grant_is(&record->grant) || (record->lost && record->profile.loss == LOSS_REPLACE))
                return true;
        return ip_equal(address, &record->grant.address.ip);
}

static bool is_same_offer(const struct offer *a, const struct offer *b)
{
        return ip_equal(&a->address, &b->address) && ip_equal(&a->server, &b->server) &&
               a->server_hardware.len == b->server_hardware.len &&
               memcmp(a->server_hardware.bytes, b->server_hardware.bytes, a->server_hardware.len) ==
                       0;
}

static enum msg_drop take_offer(struct lease *lease, struct lease_now now, const struct msg *msg,
                                struct lease_step *step)
{
        struct offer offer = { .address = msg->yiaddr, .server_hardware = msg->source };

        if (!read_server(msg, &offer.server) || !grant_is_host(&msg->yiaddr))
                return MSG_BAD_ADDRESS;
        if (!is_wanted(lease, &msg->yiaddr))
                return MSG_OTHER_ADDRESS;
        if (!is_same_offer(&offer, &lease->record->offer)) {
                lease->record->offer = offer;
                lease->dirty = true;
        }
        lease_request(lease, now, step);
        return MSG_OK;
}

/* ---- ACK ---- */

/* The address that was asked for, and from whom; NULL: anybody. */
static void get_asked(const struct lease *lease, const struct ip **ret_address,
                      const struct ip **ret_server)
{
        const struct record *record = lease->record;
        bool requesting = lease->state == LEASE_REQUESTING;

        *ret_address = requesting ? &record->offer.address : &record->grant.address.ip;
        *ret_server = requesting                       ? &record->offer.server
                      : lease->state == LEASE_RENEWING ? &record->grant.server
                                                       : NULL;
}

static enum msg_drop check_ack(const struct lease *lease, const struct msg *msg)
{
        const struct ip *address, *server;
        struct ip from;

        get_asked(lease, &address, &server);
        if (!read_server(msg, &from))
                return MSG_BAD_ADDRESS;
        if (server && !ip_equal(&from, server))
                return MSG_OTHER_SERVER;
        if (!grant_is_host(&msg->yiaddr))
                return MSG_BAD_ADDRESS;
        return ip_equal(&msg->yiaddr, address) ? MSG_OK : MSG_OTHER_ADDRESS;
}

/* enum msg_drop, or < 0. */
static int take_ack(struct lease *lease, struct lease_now now, const struct msg *msg,
                    struct lease_step *step, struct err *err)
{
        _cleanup_(grant_done) struct grant grant = { 0 };
        int r = (int)check_ack(lease, msg);

        if (r != MSG_OK)
                return r;
        r = grant_read(msg, lease->sent_ms, &grant, err);
        if (r == GRANT_NO_MASK && lease->adding) {
                lease_fail(lease, now, LEASE_NO_MASK, step);
                return MSG_OK;
        }
        if (r != 0)
                return r < 0 ? r : MSG_BAD_ADDRESS;
        grant.server_hardware = msg->source;
        if (grant_end_ms(&grant) < now.boot_ms + LEASE_WAIT_MIN_MS)
                return MSG_UNEXPECTED; /* so late that it has run out */
        /* An address in use is defended by its host, which need not ask. */
        if (lease->record->profile.acd == ACD_OFF || lease_in_use(lease))
                lease_take_grant(lease, now, &grant, step);
        else
                lease_enter_probing(lease, now, &grant, step);
        return MSG_OK;
}

/* ---- NAK ---- */

static bool is_same_host(const struct link_address *known, const struct link_address *now)
{
        return known->len == 0 ||
               (known->len == now->len && memcmp(known->bytes, now->bytes, now->len) == 0);
}

/* Anybody can forge the answer to a broadcast. That to a unicast must come from whom it went to. */
static enum msg_drop check_nak(const struct lease *lease, const struct msg *msg)
{
        const struct record *record = lease->record;
        const struct ip *address, *server;
        struct ip from;

        get_asked(lease, &address, &server);
        if (!read_server(msg, &from))
                return MSG_BAD_ADDRESS;
        if (server && !ip_equal(&from, server))
                return MSG_OTHER_SERVER;
        if (lease->state == LEASE_RENEWING &&
            !is_same_host(&record->grant.server_hardware, &msg->source))
                return MSG_OTHER_SERVER;
        return MSG_OK;
}

/* 0, 2, 4, 8 s ..., each between half and all of it: a server that offers one address to all who
 * ask at once says NAK to all but one, and those must not come back at once again. */
static int64_t nak_pause(const struct lease *lease, struct lease_now now, int64_t longest_ms)
{
        int64_t pause_ms = NAK_PAUSE_MS;

        if (lease->naks <= 1)
                return 0;
        for (unsigned i = 2; i < lease->naks && pause_ms < longest_ms; i++)
                pause_ms *= 2;
        pause_ms = lease_least(pause_ms, longest_ms);
        return pause_ms - (int64_t)((now.random >> 32) % (uint64_t)(pause_ms / 2 + 1));
}

static enum msg_drop take_nak(struct lease *lease, struct lease_now now, const struct msg *msg,
                              struct lease_step *step)
{
        int64_t longest_ms = NAK_PAUSE_MAX_MS;
        enum msg_drop drop = check_nak(lease, msg);

        if (drop != MSG_OK)
                return drop;
        lease->naks++;
        if (lease->state == LEASE_REQUESTING) {
                lease->record->offer = (struct offer){ 0 };
                lease->dirty = true;
                if (lease->timing->resend_max_ms < longest_ms)
                        longest_ms = lease->timing->resend_max_ms;
        } else if (lease->record->profile.strict_nak) {
                lease_lose(lease, now, step);
                return MSG_OK;
        }
        lease_pause(lease, now, nak_pause(lease, now, longest_ms), step);
        return MSG_OK;
}

/* ---- all of them ---- */

/* enum msg_drop, or < 0. */
static int take_message(struct lease *lease, struct lease_now now, const struct msg *msg,
                        struct lease_step *step, struct err *err)
{
        bool offered = lease->state == LEASE_SELECTING;
        enum msg_drop drop = check_identity(lease, msg);

        if (drop != MSG_OK)
                return (int)drop;
        if (!lease_awaits(lease))
                return MSG_UNEXPECTED;
        if (offered && msg->type == MSG_OFFER)
                return (int)take_offer(lease, now, msg, step);
        if (!offered && msg->type == MSG_ACK)
                return take_ack(lease, now, msg, step, err);
        if (!offered && msg->type == MSG_NAK)
                return (int)take_nak(lease, now, msg, step);
        return MSG_UNEXPECTED;
}

int lease_receive(struct lease *lease, struct lease_now now, const struct msg *msg,
                  struct lease_step *ret, struct err *err)
{
        int r = MSG_UNEXPECTED;

        if (!lease_begin(lease, now, ret))
                r = take_message(lease, now, msg, ret, err);
        if (r == MSG_OK)
                lease->received[msg->type]++;
        else if (r > 0)
                lease->dropped[r]++;
        lease_finish(lease, now, ret);
        return r < 0 ? r : 0;
}

void lease_dropped(struct lease *lease, enum msg_drop why)
{
        lease->dropped[why]++;
}
