/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Layouts: RFC 791 (IP), 768 (UDP), 2131 section 2 (BOOTP and DHCP).
 */
#include "msg.h"

#include <linux/if_arp.h>
#include <string.h>

#define IP_HEAD      20
#define UDP_HEAD     8
#define PROTOCOL_UDP 17
#define TTL          64

/* Offsets in a message. */
enum {
        AT_OP = 0,
        AT_HTYPE = 1,
        AT_HLEN = 2,
        AT_XID = 4,
        AT_SECS = 8,
        AT_FLAGS = 10,
        AT_CIADDR = 12,
        AT_YIADDR = 16,
        AT_GIADDR = 24,
        AT_CHADDR = 28,
        AT_SNAME = 44,
        AT_FILE = 108,
        AT_COOKIE = 236,
        AT_OPTIONS = 240,
};

#define OP_REQUEST     1
#define OP_REPLY       2
#define FLAG_BROADCAST 0x8000
#define CHADDR_MAX     16

static const uint8_t cookie[4] = { 99, 130, 83, 99 };

const char *msg_type_text(unsigned type)
{
        static const char *const texts[] = {
                [MSG_DISCOVER] = "DISCOVER",
                [MSG_OFFER] = "OFFER",
                [MSG_REQUEST] = "REQUEST",
                [MSG_DECLINE] = "DECLINE",
                [MSG_ACK] = "ACK",
                [MSG_NAK] = "NAK",
                [MSG_RELEASE] = "RELEASE",
                [MSG_INFORM] = "INFORM",
                [MSG_FORCERENEW] = "FORCERENEW",
        };

        return type >= MSG_DISCOVER && type < ARRAY_SIZE(texts) ? texts[type] : "?";
}

const char *msg_drop_text(enum msg_drop drop)
{
        static const char *const texts[MSG_DROP_COUNT] = {
                [MSG_OK] = "ok",
                [MSG_NOT_FOR_US] = "for another host or VLAN",
                [MSG_BAD_IP] = "bad IP header",
                [MSG_FRAGMENT] = "fragment",
                [MSG_NOT_UDP] = "not UDP",
                [MSG_BAD_UDP] = "bad UDP header",
                [MSG_OTHER_PORT] = "other port",
                [MSG_BAD_CHECKSUM] = "bad checksum",
                [MSG_SHORT] = "too short",
                [MSG_NOT_REPLY] = "no DHCP reply",
                [MSG_BAD_OPTIONS] = "bad options",
                [MSG_NO_TYPE] = "no message type",
                [MSG_OTHER_HARDWARE] = "wrong chaddr",
                [MSG_OTHER_XID] = "wrong xid",
                [MSG_OTHER_CLIENT_ID] = "wrong client identifier",
                [MSG_OTHER_SERVER] = "wrong server",
                [MSG_BAD_ADDRESS] = "bad address",
                [MSG_OTHER_ADDRESS] = "another address",
                [MSG_UNEXPECTED] = "unexpected message",
        };

        return drop < MSG_DROP_COUNT ? texts[drop] : "?";
}

/* ---- numbers and checksums ---- */

static uint16_t get16(const uint8_t *p)
{
        return (uint16_t)(p[0] << 8 | p[1]);
}

static uint32_t get32(const uint8_t *p)
{
        return (uint32_t)get16(p) << 16 | get16(p + 2);
}

static void put16(uint8_t *p, unsigned value)
{
        p[0] = (uint8_t)(value >> 8);
        p[1] = (uint8_t)value;
}

static void put32(uint8_t *p, uint32_t value)
{
        put16(p, value >> 16);
        put16(p + 2, value & 0xffff);
}

/* Adds to a sum of 16 bit words (RFC 1071); a packet is far too short for it to overflow. */
static uint32_t add_words(uint32_t sum, const uint8_t *bytes, size_t len)
{
        for (; len > 1; bytes += 2, len -= 2)
                sum += get16(bytes);
        return len > 0 ? sum + ((uint32_t)bytes[0] << 8) : sum;
}

static uint16_t fold(uint32_t sum)
{
        while (sum >> 16)
                sum = (sum & 0xffff) + (sum >> 16);
        return (uint16_t)~sum;
}

/* Over the pseudo header, too; 0 when the checksum inside is right. */
static uint16_t udp_checksum(const uint8_t *packet, const uint8_t *udp, size_t len)
{
        uint32_t sum = add_words(0, packet + 12, 8); /* source and destination */

        return fold(add_words(sum + PROTOCOL_UDP + (uint32_t)len, udp, len));
}

/* ---- receiving ---- */

enum msg_drop msg_unwrap(const uint8_t *packet, size_t len, bool checksum_pending,
                         const uint8_t **ret_payload, size_t *ret_len)
{
        size_t head, total, udp_len;
        const uint8_t *udp;

        if (len < IP_HEAD || packet[0] >> 4 != 4)
                return MSG_BAD_IP;
        head = (size_t)(packet[0] & 0x0f) * 4;
        total = get16(packet + 2);
        if (head < IP_HEAD || total > len || total < head)
                return MSG_BAD_IP;
        if (get16(packet + 6) & 0x3fff) /* more fragments, or not the first */
                return MSG_FRAGMENT;
        if (packet[9] != PROTOCOL_UDP)
                return MSG_NOT_UDP;
        if (fold(add_words(0, packet, head)) != 0)
                return MSG_BAD_CHECKSUM;
        if (total - head < UDP_HEAD)
                return MSG_BAD_UDP;
        udp = packet + head;
        udp_len = get16(udp + 4);
        if (udp_len < UDP_HEAD || udp_len > total - head)
                return MSG_BAD_UDP;
        if (get16(udp + 2) != MSG_PORT_CLIENT)
                return MSG_OTHER_PORT;
        if (!checksum_pending && get16(udp + 6) != 0 && udp_checksum(packet, udp, udp_len) != 0)
                return MSG_BAD_CHECKSUM;
        *ret_payload = udp + UDP_HEAD;
        *ret_len = udp_len - UDP_HEAD;
        return MSG_OK;
}

static struct ip read_ip(const uint8_t *p)
{
        struct ip ip = { .family = IP_V4 };

        memcpy(ip.bytes, p, 4);
        return ip;
}

enum msg_drop msg_parse(const uint8_t *payload, size_t len, struct msg *ret)
{
        if (len < AT_OPTIONS)
                return MSG_SHORT;
        if (payload[AT_OP] != OP_REPLY || memcmp(payload + AT_COOKIE, cookie, sizeof(cookie)) != 0)
                return MSG_NOT_REPLY;
        if (opts_parse(payload + AT_OPTIONS, len - AT_OPTIONS, payload + AT_FILE,
                       payload + AT_SNAME, &ret->opts) < 0)
                return MSG_BAD_OPTIONS;
        if (!opts_get_u8(&ret->opts, OPT_MESSAGE_TYPE, &ret->type))
                return MSG_NO_TYPE;
        ret->hlen = payload[AT_HLEN];
        memcpy(ret->chaddr, payload + AT_CHADDR, sizeof(ret->chaddr));
        ret->xid = get32(payload + AT_XID);
        ret->ciaddr = read_ip(payload + AT_CIADDR);
        ret->yiaddr = read_ip(payload + AT_YIADDR);
        ret->giaddr = read_ip(payload + AT_GIADDR);
        ret->source = (struct link_address){ 0 };
        return MSG_OK;
}

/* ---- composing ---- */

struct composer {
        uint8_t *out;
        size_t at;
        bool full; /* something did not fit */
};

static void put_option(struct composer *c, uint8_t code, const void *bytes, size_t len)
{
        if (c->full || len + 2 > MSG_MAX - 1 - c->at) {
                c->full = true;
                return;
        }
        c->out[c->at++] = code;
        c->out[c->at++] = (uint8_t)len;
        if (len > 0)
                memcpy(c->out + c->at, bytes, len);
        c->at += len;
}

static void put_fixed(const struct msg_plan *plan, uint8_t out[static MSG_MAX])
{
        bool has_chaddr = plan->hardware != ARPHRD_INFINIBAND && plan->chaddr.len <= CHADDR_MAX;

        memset(out, 0, MSG_MAX);
        out[AT_OP] = OP_REQUEST;
        out[AT_HTYPE] = (uint8_t)plan->hardware;
        if (has_chaddr) {
                out[AT_HLEN] = plan->chaddr.len;
                memcpy(out + AT_CHADDR, plan->chaddr.bytes, plan->chaddr.len);
        }
        put32(out + AT_XID, plan->xid);
        put16(out + AT_SECS, plan->secs);
        put16(out + AT_FLAGS, plan->broadcast ? FLAG_BROADCAST : 0);
        memcpy(out + AT_CIADDR, plan->ciaddr.bytes, 4);
        memcpy(out + AT_COOKIE, cookie, sizeof(cookie));
}

static const struct msg_option *provided(const struct msg_plan *plan, uint8_t code)
{
        for (size_t i = 0; i < plan->provided_count; i++)
                if (plan->provided[i].code == code)
                        return &plan->provided[i];
        return NULL;
}

/* The option of this number: the user's, else ours if there is one. */
static void put_number(struct composer *c, const struct msg_plan *plan, uint8_t code)
{
        const struct msg_option *theirs = provided(plan, code);
        uint8_t size[2];

        if (theirs) {
                put_option(c, code, theirs->bytes, theirs->len);
                return;
        }
        switch (code) {
        case OPT_REQUESTED_ADDRESS:
                if (plan->requested.family != IP_UNSET)
                        put_option(c, code, plan->requested.bytes, 4);
                break;
        case OPT_SERVER:
                if (plan->server.family != IP_UNSET)
                        put_option(c, code, plan->server.bytes, 4);
                break;
        case OPT_PARAMETERS:
                if (plan->parameter_count > 0)
                        put_option(c, code, plan->parameters, plan->parameter_count);
                break;
        case OPT_MAX_SIZE:
                put16(size, plan->max_size);
                if (plan->max_size > 0)
                        put_option(c, code, size, sizeof(size));
                break;
        case OPT_CLIENT_ID:
                if (plan->client_id_len > 0)
                        put_option(c, code, plan->client_id, plan->client_id_len);
                break;
        default:
                break;
        }
}

/* The longest option whose length is the user's choice. The one that comes last may be innocent. */
static unsigned find_longest(const struct msg_plan *plan)
{
        unsigned code = OPT_PARAMETERS;
        size_t len = provided(plan, OPT_PARAMETERS) ? 0 : plan->parameter_count;

        for (size_t i = 0; i < plan->provided_count; i++) {
                if (plan->provided[i].len > len) {
                        code = plan->provided[i].code;
                        len = plan->provided[i].len;
                }
        }
        return code;
}

int msg_build(const struct msg_plan *plan, uint8_t out[static MSG_MAX], size_t *ret_len,
              struct err *err)
{
        const uint8_t type = (uint8_t)plan->type;
        struct composer c = { .out = out, .at = AT_OPTIONS };

        put_fixed(plan, out);
        put_option(&c, OPT_MESSAGE_TYPE, &type, 1);
        put_number(&c, plan, OPT_CLIENT_ID);
        for (unsigned code = OPT_PAD + 1; code < OPT_END; code++)
                if (code != OPT_MESSAGE_TYPE && code != OPT_CLIENT_ID)
                        put_number(&c, plan, (uint8_t)code);
        if (c.full)
                return err_text(err, -EMSGSIZE, CNI_ERR_CONFIG,
                                "option %u does not fit into a message of %d bytes",
                                find_longest(plan), MSG_MAX);
        out[c.at++] = OPT_END;
        *ret_len = c.at < MSG_MIN ? MSG_MIN : c.at;
        return 0;
}

size_t msg_wrap(const uint8_t *payload, size_t len, const struct ip *source,
                const struct ip *destination, uint8_t out[static MSG_FRAME])
{
        uint8_t *udp = out + IP_HEAD;
        uint16_t checksum;

        memset(out, 0, IP_HEAD + UDP_HEAD);
        out[0] = 0x45;
        put16(out + 2, (unsigned)(IP_HEAD + UDP_HEAD + len));
        out[8] = TTL;
        out[9] = PROTOCOL_UDP;
        memcpy(out + 12, source->bytes, 4);
        memcpy(out + 16, destination->bytes, 4);
        put16(out + 10, fold(add_words(0, out, IP_HEAD)));
        put16(udp, MSG_PORT_CLIENT);
        put16(udp + 2, MSG_PORT_SERVER);
        put16(udp + 4, (unsigned)(UDP_HEAD + len));
        memcpy(udp + UDP_HEAD, payload, len);
        checksum = udp_checksum(out, udp, UDP_HEAD + len);
        put16(udp + 6, checksum ? checksum : 0xffff); /* 0 would mean that there is none */
        return IP_HEAD + UDP_HEAD + len;
}
