/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Several threads, because grace periods that begin together end together.
 */
#include "closing.h"

#include <pthread.h>
#include <stdbool.h>

#include "core/util.h"

#define THREADS_MAX 8
#define STACK_SIZE  (64U * 1024)
#define PAUSE_MS    200

static struct {
        pthread_mutex_t lock;
        int *fds; /* owned; grows and stays */
        size_t count, size;
        unsigned threads;
} queue = { .lock = PTHREAD_MUTEX_INITIALIZER };

static bool pausing; /* the loop's thread alone knows it */

/* The next one; -1, and the thread is not counted any more, when there is none. */
static int take(void)
{
        int fd = -1;

        (void)pthread_mutex_lock(&queue.lock);
        if (queue.count > 0)
                fd = queue.fds[--queue.count];
        else
                queue.threads--;
        (void)pthread_mutex_unlock(&queue.lock);
        return fd;
}

static void *work(void *unused)
{
        for (int fd = take(); fd >= 0; fd = take())
                close(fd);
        return unused;
}

static bool start(void)
{
        pthread_attr_t attributes;
        pthread_t thread;
        bool started;

        if (pthread_attr_init(&attributes) != 0)
                return false;
        (void)pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
        (void)pthread_attr_setstacksize(&attributes, STACK_SIZE);
        started = pthread_create(&thread, &attributes, work, NULL) == 0;
        (void)pthread_attr_destroy(&attributes);
        return started;
}

static bool push(int fd)
{
        size_t size = queue.size ? 2 * queue.size : 64;
        int *fds;

        if (queue.count == queue.size) {
                fds = reallocarray(queue.fds, size, sizeof(*fds));
                if (!fds)
                        return false;
                queue.fds = fds;
                queue.size = size;
        }
        queue.fds[queue.count++] = fd;
        return true;
}

/* As many threads as have something to do; where there can be none, it is done here. */
static void begin(void)
{
        bool alone;

        (void)pthread_mutex_lock(&queue.lock);
        while (queue.threads < THREADS_MAX && queue.threads < queue.count && start())
                queue.threads++;
        alone = queue.threads == 0;
        queue.threads += alone;
        (void)pthread_mutex_unlock(&queue.lock);
        if (alone)
                (void)work(NULL);
}

static void pause_over(_unused_ struct loop_timer *timer, _unused_ int64_t now_ms)
{
        pausing = false;
        begin();
}

void closing_add(int fd, struct loop *loop)
{
        static struct loop_timer timer = { .due = pause_over };
        struct err err;
        bool queued;

        if (fd < 0)
                return;
        (void)pthread_mutex_lock(&queue.lock);
        queued = push(fd);
        (void)pthread_mutex_unlock(&queue.lock);
        if (!queued)
                close(fd);
        if (!queued || pausing)
                return;
        pausing = loop_set_timer(loop, &timer, loop_now_ms(loop) + PAUSE_MS, &err) == 0;
        if (!pausing)
                begin();
}
