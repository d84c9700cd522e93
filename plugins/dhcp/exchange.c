/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Answers are always read from the packet socket, which sees them before the container's firewall
 * does. The UDP socket sends from the leased address, and keeps the kernel from answering a
 * server's unicast with "port unreachable".
 */
#include "exchange.h"

#include "closing.h"
#include "sock.h"

static const struct ip everybody = { IP_V4, { 255, 255, 255, 255 } };
static const struct ip nobody = { IP_V4, { 0 } };

void exchange_init(struct exchange *exchange,
                   void (*packet_ready)(struct loop_source *, uint32_t, int64_t),
                   void (*arp_ready)(struct loop_source *, uint32_t, int64_t))
{
        *exchange = (struct exchange){
                .packet = { .ready = packet_ready },
                .arp = { .ready = arp_ready },
                .packet_fd = -1,
                .udp_fd = -1,
                .arp_fd = -1,
                .until_ms = INT64_MAX,
        };
}

static void close_packets(int *fd, struct loop *loop)
{
        closing_add(TAKE_FD(*fd), loop);
}

void exchange_close(struct exchange *exchange, struct loop *loop)
{
        loop_unwatch(loop, &exchange->packet);
        loop_unwatch(loop, &exchange->arp);
        close_packets(&exchange->packet_fd, loop);
        close_packets(&exchange->arp_fd, loop);
        closep(&exchange->udp_fd);
        exchange->udp_fd = -1;
        exchange->until_ms = INT64_MAX;
}

static bool has_source(const struct lease_step *step)
{
        return step->send && step->source.family == IP_V4 && !ip_equal(&step->source, &nobody);
}

bool exchange_is_open_for(const struct exchange *exchange, const struct lease_step *step)
{
        return exchange->packet_fd >= 0 && (!step->probe || exchange->arp_fd >= 0) &&
               (!has_source(step) || exchange->udp_fd >= 0);
}

int exchange_open(struct exchange *exchange, struct loop *loop, const struct visit *visit,
                  const struct lease_step *step, struct err *err)
{
        const struct link *link = &visit->link;
        int r = 0;

        /* Whatever is open from here on is closed in time. */
        exchange->until_ms = loop_now_ms(loop) + EXCHANGE_LISTEN_MS;
        if (exchange->packet_fd < 0) {
                r = sock_open_packet(visit->netns_fd, link, &exchange->packet_fd, err);
                if (r == 0)
                        r = loop_watch(loop, &exchange->packet, exchange->packet_fd, EPOLLIN, err);
                if (r < 0)
                        close_packets(&exchange->packet_fd, loop);
        }
        if (r == 0 && has_source(step) && exchange->udp_fd < 0) {
                r = sock_open_udp(visit->netns_fd, link, &step->source, &exchange->udp_fd, err);
                if (r == SOCK_NO_ADDRESS || r == SOCK_BUSY)
                        r = 0; /* it goes by the packet socket then */
        }
        if (r == 0 && step->probe && exchange->arp_fd < 0) {
                r = sock_open_arp(visit->netns_fd, link, &exchange->arp_fd, err);
                if (r == 0)
                        r = loop_watch(loop, &exchange->arp, exchange->arp_fd, EPOLLIN, err);
                if (r < 0)
                        close_packets(&exchange->arp_fd, loop);
        }
        return r;
}

/* From the leased address, by the container's own routes. Its firewall may refuse it, or its routes
 * lead nowhere. */
static bool send_udp(const struct exchange *exchange, const struct lease_step *step,
                     const uint8_t *payload, size_t len)
{
        struct err err;

        return exchange->udp_fd >= 0 && step->way == LEASE_UNICAST &&
               sock_send_udp(exchange->udp_fd, &step->server, payload, len, &err) == 0;
}

/* A RELEASE has no second try, and the caller is about to take the interface away, together with
 * what waits for an ARP reply. So it goes twice: through UDP, which finds a server whose hardware
 * address has changed, and as a frame to the address that it had. The second is nothing to a
 * server. */
static int send_message(const struct exchange *exchange, const struct record *record,
                        const struct lease_step *step, struct err *err)
{
        bool unicast = step->way == LEASE_UNICAST;
        const struct link_address *to =
                unicast && step->server_hardware.len > 0 ? &step->server_hardware : NULL;
        uint8_t payload[MSG_MAX], frame[MSG_FRAME];
        size_t len;
        int r = msg_build(&step->message, payload, &len, err);

        if (r < 0)
                return r;
        if (send_udp(exchange, step, payload, len) && (step->message.type != MSG_RELEASE || !to))
                return 0;
        len = msg_wrap(payload, len, has_source(step) ? &step->source : &nobody,
                       unicast ? &step->server : &everybody, frame);
        return sock_send_packet(exchange->packet_fd, record->ifindex, to, frame, len, err);
}

int exchange_send(struct exchange *exchange, const struct record *record,
                  const struct lease_step *step, int64_t now_ms, struct err *err)
{
        int r = step->send ? send_message(exchange, record, step, err) : 0;

        if (r == 0 && step->probe)
                r = sock_send_probe(exchange->arp_fd, record->ifindex, &record->hardware,
                                    &record->offer.address, err);
        exchange->until_ms = now_ms + EXCHANGE_LISTEN_MS;
        return r;
}
