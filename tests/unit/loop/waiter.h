/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_LOOP_WAITER_H
#define TESTS_LOOP_WAITER_H

/*
 * What the tests of the loop put into it. A test that waits for what does not come is ended by its
 * own time limit.
 */

#include <sys/socket.h>

#include "core/clock.h"
#include "loop/loop.h"
#include "unit.h"

/* Something that waits: for a descriptor, a time, or both. It notes what came, in `journal`, by its
 * letter, and then does what its test wants. */
struct waiter {
        struct loop_source source;
        struct loop_timer timer;
        struct loop *loop;
        char letter;
        int peer; /* the other end of its socket */
        int calls;
        uint32_t events; /* the last ones */
        int64_t now_ms;
        void (*act)(struct waiter *waiter);
        struct waiter *other;
        int64_t again_ms;
};

static char journal[256];

static inline void note(struct waiter *waiter, int64_t now_ms)
{
        size_t len = strlen(journal);

        ck_assert_uint_lt(len + 1, sizeof(journal));
        journal[len] = waiter->letter;
        journal[len + 1] = '\0';
        waiter->calls++;
        waiter->now_ms = now_ms;
        ck_assert_int_eq(now_ms, loop_now_ms(waiter->loop));
        if (waiter->act)
                waiter->act(waiter);
}

static inline void ready(struct loop_source *source, uint32_t events, int64_t now_ms)
{
        struct waiter *waiter = CONTAINER_OF(source, struct waiter, source);

        waiter->events = events;
        note(waiter, now_ms);
}

static inline void due(struct loop_timer *timer, int64_t now_ms)
{
        struct waiter *waiter = CONTAINER_OF(timer, struct waiter, timer);

        ck_assert_uint_eq(timer->timer.place, 0);
        ck_assert_int_le(timer->timer.due_ms, now_ms);
        note(waiter, now_ms);
}

static inline struct loop *new_loop(void)
{
        struct loop *loop = NULL;
        struct err err;

        journal[0] = '\0';
        unit_assert_ok(loop_new(&loop, &err), &err);
        return loop;
}

static inline void run(struct loop *loop)
{
        struct err err;

        unit_assert_ok(loop_run(loop, &err), &err);
}

static inline void set_timer(struct waiter *waiter, int64_t due_ms)
{
        struct err err;

        unit_assert_ok(loop_set_timer(waiter->loop, &waiter->timer, due_ms, &err), &err);
}

static inline void watch(struct waiter *waiter, int fd, uint32_t events)
{
        struct err err;

        unit_assert_ok(loop_watch(waiter->loop, &waiter->source, fd, events, &err), &err);
}

/* A waiter of its own memory, which AddressSanitizer guards once it is freed. */
static inline struct waiter *new_waiter(struct loop *loop, char letter,
                                        void (*act)(struct waiter *))
{
        struct waiter *waiter = calloc(1, sizeof(*waiter));

        ck_assert_ptr_nonnull(waiter);
        *waiter = (struct waiter){ .source.ready = ready,
                                   .source.fd = -1,
                                   .timer.due = due,
                                   .loop = loop,
                                   .letter = letter,
                                   .peer = -1,
                                   .act = act };
        return waiter;
}

/* Frees a waiter with all that it has. */
static inline void free_waiter(struct waiter *waiter)
{
        int fd = waiter->source.fd;

        loop_unwatch(waiter->loop, &waiter->source);
        loop_cancel_timer(waiter->loop, &waiter->timer);
        if (fd >= 0)
                close(fd);
        if (waiter->peer >= 0)
                close(waiter->peer);
        free(waiter);
}

/* Gives the waiter one end of a pair, which the loop does not know yet. Returns it. */
static inline int give_socket(struct waiter *waiter)
{
        int pair[2];

        ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
        waiter->peer = pair[1];
        return pair[0];
}

/* A waiter whose socket has something to read. */
static inline struct waiter *new_reader(struct loop *loop, char letter,
                                        void (*act)(struct waiter *))
{
        struct waiter *waiter = new_waiter(loop, letter, act);

        watch(waiter, give_socket(waiter), EPOLLIN);
        ck_assert_int_eq(write(waiter->peer, "x", 1), 1);
        return waiter;
}

static inline void stop(struct waiter *waiter)
{
        loop_stop(waiter->loop);
}

/* Runs the loop for a few milliseconds; what is ready by then has had its turn. */
static inline void run_for(struct loop *loop, int64_t ms)
{
        struct waiter *end = new_waiter(loop, '.', stop);

        set_timer(end, clock_boot_ms() + ms);
        run(loop);
        ck_assert_int_eq(end->calls, 1);
        free_waiter(end);
}

static inline void end_watch(struct waiter *waiter)
{
        loop_unwatch(waiter->loop, &waiter->source);
}

static inline void free_other(struct waiter *waiter)
{
        /* The one of the two that comes first frees the other. */
        if (waiter->other) {
                waiter->other->other = NULL;
                free_waiter(TAKE_PTR(waiter->other));
        }
        loop_stop(waiter->loop);
}

#endif
