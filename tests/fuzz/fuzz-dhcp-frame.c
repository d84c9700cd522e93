/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A packet as it comes from a socket: what is taken out of it lies in it, and checksums decide
 * nothing else than whether it is taken. They are also put right, so that they keep nothing out.
 */
#include "fuzz.h"
#include "msg.h"

static struct msg message;

static enum msg_drop unwrap(const uint8_t *packet, size_t size, bool pending,
                            const uint8_t **ret_payload, size_t *ret_len)
{
        enum msg_drop drop = msg_unwrap(packet, size, pending, ret_payload, ret_len);

        fuzz_must(drop <= MSG_BAD_CHECKSUM && drop != MSG_NOT_FOR_US);
        if (drop != MSG_OK)
                return drop;
        fuzz_must(*ret_payload >= packet + 28 && *ret_len <= size - 28);
        fuzz_must(*ret_payload + *ret_len <= packet + size);
        return drop;
}

static void check_packet(const uint8_t *packet, size_t size)
{
        const uint8_t *payload = NULL, *again = NULL;
        size_t len = 0, again_len = 0;
        enum msg_drop strict = unwrap(packet, size, false, &payload, &len);
        enum msg_drop lenient = unwrap(packet, size, true, &again, &again_len);

        fuzz_must(strict == lenient || (strict == MSG_BAD_CHECKSUM && lenient == MSG_OK));
        if (strict == MSG_OK)
                fuzz_must(payload == again && len == again_len);
        if (lenient != MSG_OK)
                return;
        lenient = msg_parse(again, again_len, &message);
        fuzz_must(lenient == MSG_OK || (lenient >= MSG_SHORT && lenient <= MSG_NO_TYPE));
        fuzz_must((lenient == MSG_SHORT) == (again_len < 240));
}

/* Makes the sum over the header right, where there is a whole one. */
static bool seal(uint8_t *packet, size_t size)
{
        size_t header_len = size >= 20 ? (packet[0] & 0xfU) * 4 : 0;
        uint32_t sum = 0;

        if (header_len < 20 || header_len > size)
                return false;
        packet[10] = packet[11] = 0;
        for (size_t i = 0; i < header_len; i += 2)
                sum += (uint32_t)packet[i] << 8 | packet[i + 1];
        sum = (sum & 0xffff) + (sum >> 16);
        sum = ~((sum & 0xffff) + (sum >> 16));
        packet[10] = (uint8_t)(sum >> 8);
        packet[11] = (uint8_t)sum;
        return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        _cleanup_(freep) uint8_t *sealed = (uint8_t *)fuzz_text(data, size);

        check_packet(data, size);
        if (seal(sealed, size)) {
                const uint8_t *payload;
                size_t len;

                check_packet(sealed, size);
                fuzz_must(msg_unwrap(sealed, size, true, &payload, &len) != MSG_BAD_CHECKSUM);
        }
        return 0;
}
