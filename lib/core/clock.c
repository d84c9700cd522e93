/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading a clock and sleeping. A sleep is not cut short by a signal's handler.
 */
#include "core/clock.h"

#include <errno.h>
#include <time.h>

static int64_t read_ms(clockid_t clock)
{
        struct timespec ts = { 0 };

        (void)clock_gettime(clock, &ts);
        return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

int64_t clock_boot_ms(void)
{
        return read_ms(CLOCK_BOOTTIME);
}

int64_t clock_real_ms(void)
{
        return read_ms(CLOCK_REALTIME);
}

const char *clock_format(int64_t real_s, char text[static CLOCK_TEXT_MAX])
{
        time_t seconds = (time_t)real_s;
        struct tm tm;

        text[0] = '\0';
        if (gmtime_r(&seconds, &tm) &&
            strftime(text, CLOCK_TEXT_MAX, "%Y-%m-%dT%H:%M:%SZ", &tm) == 0)
                text[0] = '\0';
        return text;
}

void clock_sleep_ms(unsigned ms)
{
        struct timespec rest = { .tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000 };

        while (clock_nanosleep(CLOCK_MONOTONIC, 0, &rest, &rest) == EINTR)
                ;
}
