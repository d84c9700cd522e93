/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The machine in words.
 */
#include "lease.h"

#include <inttypes.h>

const char *lease_state_text(enum lease_state state)
{
        static const char *const texts[LEASE_STATE_COUNT] = {
                [LEASE_INIT] = "INIT",           [LEASE_PAUSED] = "PAUSED",
                [LEASE_SELECTING] = "SELECTING", [LEASE_REQUESTING] = "REQUESTING",
                [LEASE_PROBING] = "PROBING",     [LEASE_REBOOTING] = "REBOOTING",
                [LEASE_BOUND] = "BOUND",         [LEASE_RENEWING] = "RENEWING",
                [LEASE_REBINDING] = "REBINDING", [LEASE_ENDED] = "ENDED",
        };

        return texts[state];
}

static uint64_t sum(const uint32_t *counts, size_t count)
{
        uint64_t total = 0;

        for (size_t i = 0; i < count; i++)
                total += counts[i];
        return total;
}

static void describe_exchange(const struct lease *lease, uint64_t used, struct buf *ret)
{
        uint32_t discovers = lease->sent[MSG_DISCOVER], requests = lease->sent[MSG_REQUEST];

        if (discovers == 0 && requests == 0)
                buf_puts(ret, "nothing sent");
        else if (used == 0 && requests == 0)
                buf_printf(ret, "no reply to %u DISCOVER", discovers);
        else if (used == 0)
                buf_printf(ret, "no reply to %u DISCOVER and %u REQUEST", discovers, requests);
        else
                buf_printf(ret,
                           "%u DISCOVER and %u REQUEST sent, %u OFFER, %u ACK and %u NAK received",
                           discovers, requests, lease->received[MSG_OFFER],
                           lease->received[MSG_ACK], lease->received[MSG_NAK]);
}

static void describe_link(const struct lease *lease, struct buf *ret)
{
        const struct record *record = lease->record;

        buf_printf(ret, " on %s", record->key.ifname);
        for (uint8_t i = 0; i < record->hardware.len; i++)
                buf_printf(ret, "%s%02x", i == 0 ? " (" : ":", record->hardware.bytes[i]);
        if (record->hardware.len > 0)
                buf_putc(ret, ')');
        buf_printf(ret, ", carrier %s", lease->carrier ? "up" : "down");
}

void lease_describe(const struct lease *lease, struct buf *ret)
{
        uint64_t used = sum(lease->received, ARRAY_SIZE(lease->received));
        uint64_t dropped = sum(lease->dropped, ARRAY_SIZE(lease->dropped));
        const char *before = ", dropped: ";

        describe_exchange(lease, used, ret);
        describe_link(lease, ret);
        buf_printf(ret, ", %" PRIu64 " packets received", used + dropped);
        for (unsigned i = 0; i < ARRAY_SIZE(lease->dropped); i++) {
                if (lease->dropped[i] == 0)
                        continue;
                buf_printf(ret, "%s%u %s", before, lease->dropped[i],
                           msg_drop_text((enum msg_drop)i));
                before = ", ";
        }
        if (lease->sent[MSG_DECLINE] > 0)
                buf_printf(ret, ", %u times the address was in use by another host",
                           lease->sent[MSG_DECLINE]);
}
