/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LOOP_TIMER_H
#define LOOP_TIMER_H

/*
 * Many deadlines, the earliest on top: a heap of timers that are embedded in what they belong to.
 * Pure: it is told the time and calls nobody.
 */

#include <stddef.h>
#include <stdint.h>

#include "core/err.h"

struct timer {
        int64_t due_ms; /* of whatever clock the owner uses */
        size_t place;   /* in the heap, from 1; 0: not set. A zeroed timer is not set. */
};

struct timers {
        struct timer **items; /* owned; the timers are not */
        size_t count, size;
};

/* Timers that are still set are not touched: what they belong to may be gone. */
void timers_done(struct timers *timers);

/* Sets or moves a timer. Only setting one that is not set needs memory, and can fail. */
int timers_set(struct timers *timers, struct timer *timer, int64_t due_ms, struct err *err);
/* Also for a timer that is not set. */
void timers_cancel(struct timers *timers, struct timer *timer);

/* The timer that is due first; NULL without any. It stays set. Which of several with the same time
 * comes first is open. */
struct timer *timers_first(const struct timers *timers);

#endif
