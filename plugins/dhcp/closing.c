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

static struct {
        pthread_mutex_t lock;
        int *fds; /* owned; grows and stays */
        size_t count, size;
        unsigned threads;
} queue = { .lock = PTHREAD_MUTEX_INITIALIZER };

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

void closing_add(int fd)
{
        bool queued;

        if (fd < 0)
                return;
        (void)pthread_mutex_lock(&queue.lock);
        queued = push(fd);
        if (queued && queue.threads < THREADS_MAX) {
                if (start())
                        queue.threads++;
                else if (queue.threads == 0) {
                        queue.count--; /* nobody would come for it */
                        queued = false;
                }
        }
        (void)pthread_mutex_unlock(&queue.lock);
        if (!queued)
                close(fd);
}
