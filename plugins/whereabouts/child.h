/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WHEREABOUTS_CHILD_H
#define WHEREABOUTS_CHILD_H

/*
 * A process that does for the node service what may take its time or hang, so that the service
 * itself always answers. It is killed at the service's end, whatever ends that, and when it breaks
 * its promise: it says again and again until when it will say so next.
 */

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct child {
        const char *name; /* for the log and for ps(1) */
        /* What it does; never returns. It may be killed at any point. */
        void (*run)(void *arg);
        void *arg;
        /* In shared memory: clock_boot_ms() by which it has set this anew. */
        _Atomic int64_t *promise_ms;

        pid_t pid; /* 0: none runs */
        bool is_killed;
        int64_t started_ms, due_ms; /* when the next one is started */
        unsigned failures;          /* in a row, for the time until then */
        unsigned starts;
        bool is_off; /* there is none; its cause is said elsewhere */
};

/* To be called every second or so, and when a child has ended: looks after it, and starts it. */
void child_turn(struct child *child, int64_t now_ms);

/* Whether one runs that keeps its promise. */
bool child_is_well(const struct child *child, int64_t now_ms);

/* For the end of the service; does not wait. */
void child_kill(const struct child *child);

#endif
