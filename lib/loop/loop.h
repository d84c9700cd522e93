/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LOOP_LOOP_H
#define LOOP_LOOP_H

/*
 * One thread that waits for everything: descriptors (epoll), one timerfd on CLOCK_BOOTTIME for all
 * timers, signals (signalfd). It reads the clock once per wake-up and hands the time down.
 *
 * What a wake-up brought is handled in this order: descriptors (signals are one of them), then the
 * timers that are due. An answer that came in time is so seen before the deadline it beat. Each has
 * its turn at most once per wake-up.
 *
 * A callback may watch, unwatch, set and cancel whatever it likes, free what it belongs to, and
 * stop the loop; not free or run the loop.
 */

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/epoll.h>

#include "loop/timer.h"

struct loop;

/* Embedded in what waits. A zeroed source is not watched. */
struct loop_source {
        int fd;          /* borrowed */
        uint32_t events; /* EPOLLIN ...; 0: not watched */
        /* `events` are those that came. The source may be removed and its owner freed inside. */
        void (*ready)(struct loop_source *source, uint32_t events, int64_t now_ms);
};

struct loop_timer {
        struct timer timer;
        /* The timer is no longer set when it is called; it may set itself again or be freed. */
        void (*due)(struct loop_timer *timer, int64_t now_ms);
};

int loop_new(struct loop **ret, struct err *err);

/* Closes nothing but its own descriptors. Comes after everything that unwatches and cancels. */
void loop_free(struct loop *loop);

/* Starts to watch, or changes the descriptor or what is waited for when it is watched already;
 * `events` is never 0. Errors and a hang-up of the other side are always told. On failure all stays
 * as it was. */
int loop_watch(struct loop *loop, struct loop_source *source, int fd, uint32_t events,
               struct err *err);
/* Ends it; also for a source that is not watched. Must come before the descriptor is closed. No
 * event that was collected before reaches the source after this. */
void loop_unwatch(struct loop *loop, struct loop_source *source);

/* Sets or moves a timer, on the clock of clock_boot_ms(). A time that is not after loop_now_ms() is
 * taken as the next millisecond, so descriptors have their turn before it; INT64_MAX is never. */
int loop_set_timer(struct loop *loop, struct loop_timer *timer, int64_t due_ms, struct err *err);
void loop_cancel_timer(struct loop *loop, struct loop_timer *timer);

/* Blocks the signals of the set and has them told to `call` from within the loop. Once per loop.
 * They stay blocked for good: one that comes at the end must not cut the end short. */
int loop_set_signals(struct loop *loop, const sigset_t *signals,
                     void (*call)(void *user, int signal), void *user, struct err *err);

/* clock_boot_ms() of the wake-up that is being handled; before the first one, of loop_new(). */
int64_t loop_now_ms(const struct loop *loop);

/* Runs until loop_stop(), which nothing else is handled after; at once when it was stopped before.
 * It may be run again. An error only when waiting itself fails. */
int loop_run(struct loop *loop, struct err *err);
void loop_stop(struct loop *loop);

static inline void loop_freep(struct loop **loop)
{
        loop_free(*loop);
}

#endif
