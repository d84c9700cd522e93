/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The loop. What one wake-up brought is handled as a round: the descriptors, at most a batch of
 * them, then the timers. A round is finite whatever the callbacks do: a source has one entry in the
 * batch, and a timer that is set meanwhile is due after the round's time. So neither kind can keep
 * the other waiting for ever.
 *
 * Level-triggered throughout: what a round leaves behind is told again.
 */
#include "loop/loop.h"

#include <assert.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <time.h>

#include "core/clock.h"

#define BATCH_MAX 64
#define NOT_ARMED INT64_MAX

/* A source of the loop itself. */
struct own_source {
        struct loop_source source;
        struct loop *loop;
};

struct loop {
        int epoll_fd, timer_fd, signal_fd; /* owned; -1 without */
        struct timers timers;
        struct own_source alarm, signals;
        int64_t armed_ms; /* what the timerfd is set to */
        int64_t now_ms;
        bool stopped;

        void (*call)(void *user, int signal);
        void *user;

        struct epoll_event batch[BATCH_MAX]; /* the entry of a source that was removed is NULL */
        size_t at, count;                    /* the next entry to handle; the end */
};

/* ---- descriptors ---- */

/* Forgets what was collected for the source and is not handled yet. */
static void forget_events(struct loop *loop, const struct loop_source *source)
{
        for (size_t i = loop->at; i < loop->count; i++)
                if (loop->batch[i].data.ptr == source)
                        loop->batch[i].data.ptr = NULL;
}

int loop_watch(struct loop *loop, struct loop_source *source, int fd, uint32_t events,
               struct err *err)
{
        struct epoll_event event = { .events = events, .data.ptr = source };
        int verb = EPOLL_CTL_ADD;

        assert(events != 0 && source->ready);
        if (source->events != 0 && source->fd == fd)
                verb = EPOLL_CTL_MOD;
        if (epoll_ctl(loop->epoll_fd, verb, fd, &event) < 0)
                return err_set(err, -errno, CNI_ERR_IO, "watch descriptor %d", fd);
        if (verb == EPOLL_CTL_ADD)
                loop_unwatch(loop, source); /* its former descriptor */
        source->fd = fd;
        source->events = events;
        return 0;
}

void loop_unwatch(struct loop *loop, struct loop_source *source)
{
        int r;

        if (source->events == 0)
                return;
        r = epoll_ctl(loop->epoll_fd, EPOLL_CTL_DEL, source->fd, NULL);
        assert(r == 0); /* or it was closed before */
        (void)r;
        source->events = 0;
        forget_events(loop, source);
}

static void handle_descriptors(struct loop *loop)
{
        while (loop->at < loop->count && !loop->stopped) {
                const struct epoll_event *event = &loop->batch[loop->at++];
                struct loop_source *source = event->data.ptr;
                uint32_t events = event->events;

                if (!source)
                        continue;
                /* What is waited for may have changed since. */
                events &= source->events | EPOLLERR | EPOLLHUP;
                if (events != 0)
                        source->ready(source, events, loop->now_ms);
        }
        loop->at = loop->count = 0;
}

/* ---- timers ---- */

int loop_set_timer(struct loop *loop, struct loop_timer *timer, int64_t due_ms, struct err *err)
{
        assert(timer->due);
        return timers_set(&loop->timers, &timer->timer,
                          due_ms > loop->now_ms ? due_ms : loop->now_ms + 1, err);
}

void loop_cancel_timer(struct loop *loop, struct loop_timer *timer)
{
        timers_cancel(&loop->timers, &timer->timer);
}

static void handle_timers(struct loop *loop)
{
        while (!loop->stopped) {
                struct timer *first = timers_first(&loop->timers);
                struct loop_timer *timer;

                if (!first || first->due_ms > loop->now_ms)
                        break;
                timer = CONTAINER_OF(first, struct loop_timer, timer);
                timers_cancel(&loop->timers, first);
                timer->due(timer, loop->now_ms);
        }
}

/* The timerfd has run out; which timers are due tells the clock. */
static void alarm_ready(struct loop_source *source, _unused_ uint32_t events,
                        _unused_ int64_t now_ms)
{
        struct loop *loop = CONTAINER_OF(source, struct own_source, source)->loop;
        uint64_t times;

        if (read(source->fd, &times, sizeof(times)) == (ssize_t)sizeof(times))
                loop->armed_ms = NOT_ARMED;
}

/* Sets the timerfd to the first timer, unless it is. */
static int arm(struct loop *loop, struct err *err)
{
        const struct timer *first = timers_first(&loop->timers);
        int64_t due_ms = first ? first->due_ms : NOT_ARMED;
        struct itimerspec when = { 0 }; /* which is: never */

        if (due_ms == loop->armed_ms)
                return 0;
        if (due_ms != NOT_ARMED) {
                when.it_value.tv_sec = (time_t)(due_ms / 1000);
                when.it_value.tv_nsec = (long)(due_ms % 1000) * 1000000;
        }
        if (timerfd_settime(loop->timer_fd, TFD_TIMER_ABSTIME, &when, NULL) < 0)
                return err_set(err, -errno, CNI_ERR_IO, "set the timer");
        loop->armed_ms = due_ms;
        return 0;
}

/* ---- signals ---- */

static void signals_ready(struct loop_source *source, _unused_ uint32_t events,
                          _unused_ int64_t now_ms)
{
        struct loop *loop = CONTAINER_OF(source, struct own_source, source)->loop;
        struct signalfd_siginfo info;

        /* One at a time: the call may stop the loop, and the others are told of in the next round.
         */
        if (read(source->fd, &info, sizeof(info)) == (ssize_t)sizeof(info))
                loop->call(loop->user, (int)info.ssi_signo);
}

int loop_set_signals(struct loop *loop, const sigset_t *signals,
                     void (*call)(void *user, int signal), void *user, struct err *err)
{
        _cleanup_(closep) int fd = signalfd(-1, signals, SFD_NONBLOCK | SFD_CLOEXEC);
        int r;

        assert(loop->signal_fd < 0);
        if (fd < 0)
                return err_set(err, -errno, CNI_ERR_IO, "make a descriptor for signals");
        r = loop_watch(loop, &loop->signals.source, fd, EPOLLIN, err);
        if (r < 0)
                return r;
        (void)sigprocmask(SIG_BLOCK, signals, NULL); /* fails for a wrong argument only */
        loop->signal_fd = TAKE_FD(fd);
        loop->call = call;
        loop->user = user;
        return 0;
}

/* ---- the loop ---- */

int loop_new(struct loop **ret, struct err *err)
{
        _cleanup_(loop_freep) struct loop *loop = calloc(1, sizeof(*loop));
        int r;

        if (!loop)
                return err_oom(err);
        loop->timer_fd = loop->signal_fd = -1;
        loop->armed_ms = NOT_ARMED;
        loop->now_ms = clock_boot_ms();
        loop->alarm = (struct own_source){ .source.ready = alarm_ready, .loop = loop };
        loop->signals = (struct own_source){ .source.ready = signals_ready, .loop = loop };
        loop->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
        if (loop->epoll_fd < 0)
                return err_set(err, -errno, CNI_ERR_IO, "make an epoll descriptor");
        loop->timer_fd = timerfd_create(CLOCK_BOOTTIME, TFD_NONBLOCK | TFD_CLOEXEC);
        if (loop->timer_fd < 0)
                return err_set(err, -errno, CNI_ERR_IO, "make a timer descriptor");
        r = loop_watch(loop, &loop->alarm.source, loop->timer_fd, EPOLLIN, err);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(loop);
        return 0;
}

void loop_free(struct loop *loop)
{
        if (!loop)
                return;
        closep(&loop->signal_fd);
        closep(&loop->timer_fd);
        closep(&loop->epoll_fd);
        timers_done(&loop->timers);
        free(loop);
}

int64_t loop_now_ms(const struct loop *loop)
{
        return loop->now_ms;
}

static int wait_for_events(struct loop *loop, struct err *err)
{
        int n = epoll_wait(loop->epoll_fd, loop->batch, BATCH_MAX, -1);

        if (n < 0 && errno != EINTR)
                return err_set(err, -errno, CNI_ERR_IO, "wait for events");
        loop->at = 0;
        loop->count = n > 0 ? (size_t)n : 0;
        loop->now_ms = clock_boot_ms();
        return 0;
}

int loop_run(struct loop *loop, struct err *err)
{
        while (!loop->stopped) {
                int r = arm(loop, err);

                if (r == 0)
                        r = wait_for_events(loop, err);
                if (r < 0)
                        return r;
                handle_descriptors(loop);
                handle_timers(loop);
        }
        loop->stopped = false;
        return 0;
}

void loop_stop(struct loop *loop)
{
        loop->stopped = true;
}
