/* SPDX-License-Identifier: Apache-2.0 */
/*
 * By a table: names of files are made of it in every call.
 */
#include "core/hex.h"

void hex_encode(const uint8_t *bytes, size_t len, char *ret)
{
        static const char digits[] = "0123456789abcdef";

        for (size_t i = 0; i < len; i++) {
                ret[i * 2] = digits[bytes[i] >> 4];
                ret[i * 2 + 1] = digits[bytes[i] & 15];
        }
        ret[len * 2] = '\0';
}
