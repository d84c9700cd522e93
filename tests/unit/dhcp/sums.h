/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_DHCP_SUMS_H
#define TESTS_DHCP_SUMS_H

/*
 * Checksums of IP and UDP, as slowly and plainly as can be.
 */

#include <stddef.h>
#include <stdint.h>
#include <string.h>

static inline uint16_t get_u16(const uint8_t *bytes)
{
        return (uint16_t)(bytes[0] << 8 | bytes[1]);
}

static inline void put_u16(uint8_t *bytes, uint16_t value)
{
        bytes[0] = (uint8_t)(value >> 8);
        bytes[1] = (uint8_t)value;
}

/* The sum in ones' complement of the bytes, with a 0 behind an odd number of them. */
static inline uint16_t sum_of(uint16_t sum, const uint8_t *bytes, size_t len)
{
        for (size_t i = 0; i < len; i += 2) {
                uint32_t next = sum + (uint32_t)(bytes[i] << 8) + (i + 1 < len ? bytes[i + 1] : 0);

                sum = (uint16_t)(next > 0xffff ? next - 0xffff : next);
        }
        return sum;
}

/* Of a UDP datagram with its pseudo header. */
static inline uint16_t udp_sum_of(const uint8_t *packet, const uint8_t *udp, size_t len)
{
        uint8_t pseudo[12] = { [9] = 17 };

        memcpy(pseudo, packet + 12, 8);
        put_u16(pseudo + 10, (uint16_t)len);
        return sum_of(sum_of(0, pseudo, sizeof(pseudo)), udp, len);
}

#endif
