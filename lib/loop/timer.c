/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The heap, four children wide: half as deep as a binary one, and the four stand side by side in
 * memory. A timer knows its place, so moving and cancelling need no search.
 */
#include "loop/timer.h"

#include <assert.h>
#include <stdbool.h>

#define WIDTH      4
#define SIZE_FIRST 16

void timers_done(struct timers *timers)
{
        free(timers->items);
        *timers = (struct timers){ 0 };
}

static void put(struct timers *timers, size_t i, struct timer *timer)
{
        timers->items[i] = timer;
        timer->place = i + 1;
}

/* Moves the hole at i up to where the timer may stand, and puts it there. */
static void sift_up(struct timers *timers, size_t i, struct timer *timer)
{
        while (i > 0) {
                size_t parent = (i - 1) / WIDTH;

                if (timers->items[parent]->due_ms <= timer->due_ms)
                        break;
                put(timers, i, timers->items[parent]);
                i = parent;
        }
        put(timers, i, timer);
}

/* The same downwards. */
static void sift_down(struct timers *timers, size_t i, struct timer *timer)
{
        for (;;) {
                size_t first = i * WIDTH + 1, least = first;

                for (size_t j = first + 1; j < first + WIDTH && j < timers->count; j++)
                        if (timers->items[j]->due_ms < timers->items[least]->due_ms)
                                least = j;
                if (first >= timers->count || timers->items[least]->due_ms >= timer->due_ms)
                        break;
                put(timers, i, timers->items[least]);
                i = least;
        }
        put(timers, i, timer);
}

/* Puts the timer into the hole at i or wherever it belongs from there. */
static void settle(struct timers *timers, size_t i, struct timer *timer)
{
        if (i > 0 && timer->due_ms < timers->items[(i - 1) / WIDTH]->due_ms)
                sift_up(timers, i, timer);
        else
                sift_down(timers, i, timer);
}

static bool is_among(const struct timers *timers, const struct timer *timer)
{
        return timer->place <= timers->count && timers->items[timer->place - 1] == timer;
}

int timers_set(struct timers *timers, struct timer *timer, int64_t due_ms, struct err *err)
{
        if (timer->place == 0 && timers->count == timers->size) {
                size_t size = timers->size > 0 ? timers->size * 2 : SIZE_FIRST;
                struct timer **items = reallocarray(timers->items, size, sizeof(struct timer *));

                if (!items)
                        return err_oom(err);
                timers->items = items;
                timers->size = size;
        }
        assert(timer->place == 0 || is_among(timers, timer));
        timer->due_ms = due_ms;
        if (timer->place == 0)
                sift_up(timers, timers->count++, timer);
        else
                settle(timers, timer->place - 1, timer);
        return 0;
}

void timers_cancel(struct timers *timers, struct timer *timer)
{
        size_t i = timer->place - 1;
        struct timer *last;

        if (timer->place == 0)
                return;
        assert(is_among(timers, timer));
        timer->place = 0;
        last = timers->items[--timers->count];
        if (last != timer)
                settle(timers, i, last);
}

struct timer *timers_first(const struct timers *timers)
{
        return timers->count > 0 ? timers->items[0] : NULL;
}
