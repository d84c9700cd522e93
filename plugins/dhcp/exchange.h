/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DHCP_EXCHANGE_H
#define DHCP_EXCHANGE_H

/*
 * The sockets of one attachment while it waits for an answer. They keep the container's namespace
 * alive, so they are closed soon after the last message, even when no answer came.
 */

#include "lease.h"
#include "loop/loop.h"
#include "visit.h"

/* How long an answer is waited for. One that takes longer comes after the next message. */
#define EXCHANGE_LISTEN_MS 10000

struct exchange {
        struct loop_source packet, arp;
        int packet_fd, udp_fd, arp_fd; /* -1: not open */
        int64_t until_ms;              /* when to close; INT64_MAX: nothing is open */
};

/* The sockets' handlers. Nothing is open. */
void exchange_init(struct exchange *exchange,
                   void (*packet_ready)(struct loop_source *, uint32_t, int64_t),
                   void (*arp_ready)(struct loop_source *, uint32_t, int64_t));
void exchange_close(struct exchange *exchange, struct loop *loop);

/* Opens what the step needs and is not open yet: the packet socket in any case, the UDP socket when
 * the step has a source address and the interface carries it, ARP for a probe. */
int exchange_open(struct exchange *exchange, struct loop *loop, const struct visit *visit,
                  const struct lease_step *step, struct err *err);
bool exchange_is_open_for(const struct exchange *exchange, const struct lease_step *step);

/* Sends the message, and the probe. SOCK_LINK_DOWN: the link takes nothing now. */
int exchange_send(struct exchange *exchange, const struct record *record,
                  const struct lease_step *step, int64_t now_ms, struct err *err);

#endif
