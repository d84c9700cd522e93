/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WHEREABOUTS_CRON_H
#define WHEREABOUTS_CRON_H

/*
 * When something is to be done again and again: cron expressions as the program that ours replaces
 * reads them. Pure.
 *
 *   MINUTE HOUR DAY MONTH WEEKDAY   values, ranges, lists, steps; jan to dec, sun to sat
 *   @yearly @annually @monthly @weekly @daily @midnight @hourly
 *   @every 1h30m                    a Go duration of at least a second
 *
 * A day counts when day and weekday match, or either of them if both are restricted. Times are UTC.
 * TZ=ZONE or CRON_TZ=ZONE may stand in front and say so; another zone is refused, since rules of
 * zones are no part of a static program or of its image. A sixth field (seconds) is refused, and so
 * is what never comes, such as the 30th of February.
 */

#include <stdbool.h>
#include <stdint.h>

#include "core/err.h"

#define CRON_TEXT_MAX 512U /* of an expression */

struct cron {
        int64_t every_s;                                 /* 0: by the fields */
        uint64_t minutes, hours, days, months, weekdays; /* bit n: it counts */
        bool any_day, any_weekday;                       /* '*' or '?' */
};

/* White space around the text does not count. CNI_ERR_CONFIG; the message names what is wrong and
 * has no newline. */
int cron_parse(const char *text, struct cron *ret, struct err *err);

/* The first tick after a time, both in seconds since 1970 (0 to the year 9999). INT64_MAX: none in
 * the next twelve years. */
int64_t cron_next(const struct cron *cron, int64_t after_s);

#endif
