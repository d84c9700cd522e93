/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_UNIT_DHCP_H
#define TESTS_UNIT_DHCP_H

/*
 * Messages as values, for modules that take them: no bytes are parsed.
 */

#include "msg.h"
#include "values.h"

static const struct link_address dhcp_hardware = { { 2, 0, 0, 0, 0, 0x77 }, 6 };
static const struct link_address dhcp_server_hardware = { { 2, 0, 0, 0, 0, 1 }, 6 };

/* A reply to us without options, from the server's frame. */
static inline void dhcp_reply(struct msg *msg, enum msg_type type, uint32_t xid, const char *yiaddr)
{
        *msg = (struct msg){
                .type = (uint8_t)type,
                .hlen = dhcp_hardware.len,
                .xid = xid,
                .ciaddr = ip("0.0.0.0"),
                .yiaddr = ip(yiaddr),
                .giaddr = ip("0.0.0.0"),
                .source = dhcp_server_hardware,
        };
        memcpy(msg->chaddr, dhcp_hardware.bytes, dhcp_hardware.len);
}

/* Sets an option, also one that is there. */
static inline void dhcp_option(struct msg *msg, uint8_t code, const void *bytes, size_t len)
{
        struct opts *opts = &msg->opts;

        ck_assert_uint_le(opts->used + len, OPTS_MAX);
        opts->given[code] = true;
        opts->at[code] = opts->used;
        opts->len[code] = (uint16_t)len;
        memcpy(opts->bytes + opts->used, bytes, len);
        opts->used = (uint16_t)(opts->used + len);
}

static inline void dhcp_no_option(struct msg *msg, uint8_t code)
{
        msg->opts.given[code] = false;
}

static inline void dhcp_option_ip(struct msg *msg, uint8_t code, const char *text)
{
        struct ip value = ip(text);

        dhcp_option(msg, code, value.bytes, 4);
}

static inline void dhcp_option_u32(struct msg *msg, uint8_t code, uint32_t value)
{
        const uint8_t bytes[4] = { (uint8_t)(value >> 24), (uint8_t)(value >> 16),
                                   (uint8_t)(value >> 8), (uint8_t)value };

        dhcp_option(msg, code, bytes, sizeof(bytes));
}

#endif
