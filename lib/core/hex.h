/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CORE_HEX_H
#define CORE_HEX_H

/*
 * Bytes as text.
 */

#include <stddef.h>
#include <stdint.h>

/* Two lower-case digits for each byte, and a NUL behind them: room for 2 * len + 1. */
void hex_encode(const uint8_t *bytes, size_t len, char *ret);

#endif
