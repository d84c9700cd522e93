/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CORE_CLOCK_H
#define CORE_CLOCK_H

/*
 * The clocks, for mains and for what waits. Everything else is told the time.
 */

#include <stdint.h>

/* Milliseconds since the machine's start; never set back, and it counts on while suspended. For
 * deadlines, which processes of one machine may hand to each other. */
int64_t clock_boot_ms(void);

/* Milliseconds since 1970, as the machine believes. For what outlives a boot. */
int64_t clock_real_ms(void);

/* Seconds since 1970 as RFC 3339 in UTC; "" for what has no such form. */
#define CLOCK_TEXT_MAX 32
const char *clock_format(int64_t real_s, char text[static CLOCK_TEXT_MAX]);

void clock_sleep_ms(unsigned ms);

#endif
