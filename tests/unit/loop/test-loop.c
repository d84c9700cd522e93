/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The loop with descriptors and signals; how it begins and ends.
 */
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/time.h>

#include "waiter.h"

#define FD_DIR "/proc/self/fd"

/* ---- descriptors ---- */

START_TEST(a_source_is_called_with_what_came)
{
        _cleanup_(loop_freep) struct loop *loop = new_loop();
        struct waiter *a = new_reader(loop, 'a', stop);
        int64_t before_ms = clock_boot_ms();

        run(loop);
        ck_assert_str_eq(journal, "a");
        ck_assert_uint_eq(a->events, EPOLLIN);
        ck_assert_int_ge(a->now_ms, before_ms);
        ck_assert_int_le(a->now_ms, clock_boot_ms());
        free_waiter(a);
}
END_TEST

START_TEST(what_is_waited_for_can_be_changed)
{
        _cleanup_(loop_freep) struct loop *loop = new_loop();
        struct waiter *a = new_reader(loop, 'a', stop);

        watch(a, a->source.fd, EPOLLOUT);
        run(loop);
        ck_assert_uint_eq(a->events, EPOLLOUT);
        watch(a, a->source.fd, EPOLLIN | EPOLLOUT);
        run(loop);
        ck_assert_uint_eq(a->events, EPOLLIN | EPOLLOUT);
        ck_assert_int_eq(a->calls, 2);
        free_waiter(a);
}
END_TEST

START_TEST(a_source_can_take_another_descriptor)
{
        _cleanup_(loop_freep) struct loop *loop = new_loop();
        struct waiter *a = new_reader(loop, 'a', stop), *b = new_waiter(loop, 'b', NULL);
        int former = a->source.fd, fd = give_socket(b);

        watch(a, fd, EPOLLIN);
        run_for(loop, 5);
        ck_assert_str_eq(journal, "."); /* the former one has something to read */
        ck_assert_int_eq(write(b->peer, "x", 1), 1);
        run(loop);
        ck_assert_str_eq(journal, ".a");
        close(former);
        free_waiter(a);
        free_waiter(b);
}
END_TEST

START_TEST(a_watch_that_fails_changes_nothing)
{
        _cleanup_(loop_freep) struct loop *loop = new_loop();
        struct waiter *a = new_waiter(loop, 'a', stop), *b;
        char dir[UNIT_PATH_MAX], path[UNIT_PATH_MAX], text[128];
        struct err err;
        int fd, r;

        unit_write(unit_dir(dir), "file", "");
        fd = open(unit_path(dir, "file", path), O_RDONLY | O_CLOEXEC);
        (void)snprintf(text, sizeof(text), "watch descriptor %d: operation not permitted", fd);
        r = loop_watch(loop, &a->source, fd, EPOLLIN, &err); /* files are always ready */
        unit_assert_err(r, &err, CNI_ERR_IO, text);
        ck_assert_uint_eq(a->source.events, 0);
        free_waiter(a);

        b = new_reader(loop, 'b', stop);
        r = loop_watch(loop, &b->source, fd, EPOLLIN, &err);
        unit_assert_err(r, &err, CNI_ERR_IO, text);
        run(loop);
        ck_assert_str_eq(journal, "b");
        free_waiter(b);
        close(fd);
}
END_TEST

START_TEST(unwatching_what_is_not_watched_does_nothing)
{
        _cleanup_(loop_freep) struct loop *loop = new_loop();
        struct waiter *a = new_reader(loop, 'a', NULL);

        loop_unwatch(loop, &a->source);
        loop_unwatch(loop, &a->source);
        run_for(loop, 5);
        ck_assert_str_eq(journal, ".");
        free_waiter(a);
}
END_TEST

START_TEST(a_hang_up_is_told_to_who_waits_for_anything)
{
        _cleanup_(loop_freep) struct loop *loop = new_loop();
        struct waiter *a = new_waiter(loop, 'a', stop);

        watch(a, give_socket(a), EPOLLPRI);
        run_for(loop, 5);
        close(TAKE_FD(a->peer));
        run(loop);
        ck_assert_str_eq(journal, ".a");
        ck_assert_uint_eq(a->events, EPOLLHUP);
        free_waiter(a);
}
END_TEST

/* All are ready in one wake-up, and each would free its neighbour. */
START_TEST(a_source_that_was_freed_is_not_called)
{
        _cleanup_(loop_freep) struct loop *loop = new_loop();
        struct waiter *a = new_reader(loop, 'a', NULL), *b = new_reader(loop, 'b', NULL);
        struct waiter *end = new_waiter(loop, '.', NULL);

        a->act = b->act = free_other;
        end->act = stop;
        a->other = b;
        b->other = a;
        run(loop);
        ck_assert_uint_eq(strlen(journal), 1);
        free_waiter(journal[0] == 'a' ? a : b);
        free_waiter(end);
}
END_TEST

static void free_other_and_go_on(struct waiter *waiter)
{
        if (waiter->other) {
                waiter->other->other = NULL;
                free_waiter(TAKE_PTR(waiter->other));
        }
        loop_unwatch(waiter->loop, &waiter->source);
}

START_TEST(the_rest_of_a_batch_goes_on_without_what_was_freed)
{
        _cleanup_(loop_freep) struct loop *loop = new_loop();
        struct waiter *pairs[40];
        struct waiter *left[20];
        size_t count = 0;

        for (size_t i = 0; i < ARRAY_SIZE(pairs); i++)
                pairs[i] = new_reader(loop, (char)('A' + i), free_other_and_go_on);
        for (size_t i = 0; i < ARRAY_SIZE(pairs); i++)
                pairs[i]->other = pairs[ARRAY_SIZE(pairs) - 1 - i];
        run_for(loop, 5);
        ck_assert_uint_eq(strlen(journal), ARRAY_SIZE(left) + 1);
        for (size_t i = 0; i < ARRAY_SIZE(left); i++) {
                /* One of each pair, and no other. */
                size_t at = (size_t)(journal[i] - 'A');

                ck_assert_ptr_null(strchr(journal, (char)('A' + ARRAY_SIZE(pairs) - 1 - at)));
                left[count++] = pairs[at];
        }
        while (count > 0)
                free_waiter(left[--count]);
}
END_TEST

START_TEST(a_source_may_free_itself)
{
        _cleanup_(loop_freep) struct loop *loop = new_loop();

        (void)new_reader(loop, 'a', free_waiter);
        (void)new_reader(loop, 'b', free_waiter);
        run_for(loop, 5);
        ck_assert_uint_eq(strlen(journal), 3);
}
END_TEST

static void other_waits_no_more(struct waiter *waiter)
{
        watch(waiter->other, waiter->other->source.fd, EPOLLPRI);
        loop_unwatch(waiter->loop, &waiter->source);
}

START_TEST(events_that_are_no_longer_wanted_are_not_told)
{
        _cleanup_(loop_freep) struct loop *loop = new_loop();
        struct waiter *a = new_reader(loop, 'a', other_waits_no_more);
        struct waiter *b = new_reader(loop, 'b', other_waits_no_more);

        a->other = b;
        b->other = a;
        run_for(loop, 5);
        ck_assert_uint_eq(strlen(journal), 2);
        free_waiter(a);
        free_waiter(b);
}
END_TEST

static void exchange_other(struct waiter *waiter)
{
        struct waiter *other = waiter->other;
        int former = other->source.fd;

        close(TAKE_FD(other->peer));
        watch(other, give_socket(other), EPOLLIN);
        close(former);
        loop_unwatch(waiter->loop, &waiter->source);
}

START_TEST(events_of_a_former_descriptor_are_not_told)
{
        _cleanup_(loop_freep) struct loop *loop = new_loop();
        struct waiter *a = new_reader(loop, 'a', exchange_other);
        struct waiter *b = new_reader(loop, 'b', exchange_other);

        a->other = b;
        b->other = a;
        run_for(loop, 5);
        ck_assert_uint_eq(strlen(journal), 2);
        free_waiter(a);
        free_waiter(b);
}
END_TEST

#define MANY 200

static void end_watch_of_many(struct waiter *waiter)
{
        loop_unwatch(waiter->loop, &waiter->source);
        if (strlen(journal) == MANY)
                loop_stop(waiter->loop);
}

START_TEST(more_sources_than_a_batch_holds_are_all_called)
{
        _cleanup_(loop_freep) struct loop *loop = new_loop();
        struct waiter *all[MANY];

        for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
                all[i] = new_waiter(loop, 'a', end_watch_of_many);
                watch(all[i], eventfd(1, EFD_CLOEXEC), EPOLLIN);
        }
        run(loop);
        for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
                ck_assert_int_eq(all[i]->calls, 1);
                free_waiter(all[i]);
        }
}
END_TEST

/* ---- stopping ---- */

START_TEST(a_loop_that_was_stopped_before_does_not_run)
{
        _cleanup_(loop_freep) struct loop *loop = new_loop();
        struct waiter *a = new_reader(loop, 'a', stop);

        loop_stop(loop);
        run(loop);
        ck_assert_str_eq(journal, "");
        run(loop); /* the stop is used up */
        ck_assert_str_eq(journal, "a");
        free_waiter(a);
}
END_TEST

static void stop_and_end_watch(struct waiter *waiter)
{
        loop_stop(waiter->loop);
        loop_unwatch(waiter->loop, &waiter->source);
}

START_TEST(what_a_stop_leaves_behind_comes_in_the_next_run)
{
        _cleanup_(loop_freep) struct loop *loop = new_loop();
        struct waiter *a = new_reader(loop, 'a', stop_and_end_watch);
        struct waiter *b = new_reader(loop, 'b', stop_and_end_watch);
        struct waiter *c = new_waiter(loop, 'c', stop), *d = new_waiter(loop, 'd', stop);

        set_timer(c, 0);
        set_timer(d, 0);
        for (size_t i = 1; i <= 4; i++) {
                run(loop);
                ck_assert_uint_eq(strlen(journal), i);
        }
        ck_assert_int_eq(a->calls, 1);
        ck_assert_int_eq(b->calls, 1);
        ck_assert_int_eq(c->calls, 1);
        ck_assert_int_eq(d->calls, 1);
        free_waiter(a);
        free_waiter(b);
        free_waiter(c);
        free_waiter(d);
}
END_TEST

/* ---- signals: in a process of their own, for they stay blocked ---- */

static void signal_came(void *user, int number)
{
        size_t len = strlen(journal);

        journal[len] = (char)(number == SIGTERM ? 'T' : number == SIGUSR1 ? 'U' : '?');
        journal[len + 1] = '\0';
        loop_stop(user);
}

static void take_signals(_unused_ const char *dir)
{
        _cleanup_(loop_freep) struct loop *loop = new_loop();
        sigset_t signals, blocked;
        struct err err;

        sigemptyset(&signals);
        sigaddset(&signals, SIGTERM);
        sigaddset(&signals, SIGUSR1);
        unit_assert_ok(loop_set_signals(loop, &signals, signal_came, loop, &err), &err);
        ck_assert_int_eq(raise(SIGUSR1), 0);
        ck_assert_int_eq(raise(SIGTERM), 0);
        run(loop);
        ck_assert_uint_eq(strlen(journal), 1); /* stopped: the other has not come */
        run(loop);
        ck_assert_uint_eq(strlen(journal), 2);
        ck_assert_ptr_nonnull(strchr(journal, 'T'));
        ck_assert_ptr_nonnull(strchr(journal, 'U'));
        loop_free(TAKE_PTR(loop));
        ck_assert_int_eq(sigprocmask(SIG_BLOCK, NULL, &blocked), 0);
        ck_assert_int_eq(sigismember(&blocked, SIGTERM), 1);
        ck_assert_int_eq(sigismember(&blocked, SIGUSR1), 1);
        ck_assert_int_eq(sigismember(&blocked, SIGUSR2), 0);
        ck_assert_int_eq(raise(SIGTERM), 0); /* and ends nobody */
}

START_TEST(signals_are_told_from_within_the_loop)
{
        unit_in_child(take_signals, NULL);
}
END_TEST

static volatile sig_atomic_t interruptions;

static void interrupt(_unused_ int number)
{
        interruptions++;
}

static void be_interrupted(_unused_ const char *dir)
{
        _cleanup_(loop_freep) struct loop *loop = new_loop();
        const struct sigaction action = { .sa_handler = interrupt };
        const struct itimerval often = { .it_interval.tv_usec = 2000, .it_value.tv_usec = 2000 };

        ck_assert_int_eq(sigaction(SIGALRM, &action, NULL), 0);
        ck_assert_int_eq(setitimer(ITIMER_REAL, &often, NULL), 0);
        run_for(loop, 50);
        ck_assert_int_gt(interruptions, 0);
        ck_assert_str_eq(journal, ".");
}

START_TEST(a_handler_of_somebody_else_does_not_end_the_loop)
{
        unit_in_child(be_interrupted, NULL);
}
END_TEST

/* ---- beginning and end ---- */

START_TEST(the_end_closes_what_the_loop_opened_and_nothing_else)
{
        size_t before = unit_count(FD_DIR);
        int fd = eventfd(0, EFD_CLOEXEC);
        struct loop *loop = new_loop();
        struct waiter *a = new_waiter(loop, 'a', NULL);

        watch(a, fd, EPOLLIN);
        set_timer(a, INT64_MAX);
        ck_assert_uint_gt(unit_count(FD_DIR), before + 1);
        loop_unwatch(loop, &a->source);
        loop_cancel_timer(loop, &a->timer);
        loop_free(loop);
        loop_free(NULL);
        ck_assert_uint_eq(unit_count(FD_DIR), before + 1);
        ck_assert_int_eq(fcntl(fd, F_GETFD), FD_CLOEXEC);
        close(fd);
        free(a);
}
END_TEST

static void run_short_of_descriptors(_unused_ const char *dir)
{
        static const char *const errors[] = {
                "make an epoll descriptor: too many open files",
                "make a timer descriptor: too many open files",
                "make a descriptor for signals: too many open files",
        };
        struct rlimit limit;
        rlim_t lowest = (rlim_t)dup(0);
        sigset_t signals;

        close((int)lowest);
        sigemptyset(&signals);
        sigaddset(&signals, SIGUSR1);
        ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
        for (rlim_t room = 0; room < ARRAY_SIZE(errors); room++) {
                _cleanup_(loop_freep) struct loop *loop = NULL;
                sigset_t blocked;
                struct err err;
                int r;

                limit.rlim_cur = lowest + room;
                ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
                r = loop_new(&loop, &err);
                ck_assert_int_eq(r == 0, room == 2);
                if (r == 0)
                        r = loop_set_signals(loop, &signals, signal_came, loop, &err);
                unit_assert_err(r, &err, CNI_ERR_IO, errors[room]);
                ck_assert_int_eq(sigprocmask(SIG_BLOCK, NULL, &blocked), 0);
                ck_assert_int_eq(sigismember(&blocked, SIGUSR1), 0);
        }
}

START_TEST(without_descriptors_there_is_an_error_and_no_loop)
{
        unit_in_child(run_short_of_descriptors, NULL);
}
END_TEST

static void add_tests(TCase *tests)
{
        tcase_add_test(tests, a_source_is_called_with_what_came);
        tcase_add_test(tests, what_is_waited_for_can_be_changed);
        tcase_add_test(tests, a_source_can_take_another_descriptor);
        tcase_add_test(tests, a_watch_that_fails_changes_nothing);
        tcase_add_test(tests, unwatching_what_is_not_watched_does_nothing);
        tcase_add_test(tests, a_hang_up_is_told_to_who_waits_for_anything);
        tcase_add_test(tests, a_source_that_was_freed_is_not_called);
        tcase_add_test(tests, the_rest_of_a_batch_goes_on_without_what_was_freed);
        tcase_add_test(tests, a_source_may_free_itself);
        tcase_add_test(tests, events_that_are_no_longer_wanted_are_not_told);
        tcase_add_test(tests, events_of_a_former_descriptor_are_not_told);
        tcase_add_test(tests, more_sources_than_a_batch_holds_are_all_called);
        tcase_add_test(tests, a_loop_that_was_stopped_before_does_not_run);
        tcase_add_test(tests, what_a_stop_leaves_behind_comes_in_the_next_run);
        tcase_add_test(tests, signals_are_told_from_within_the_loop);
        tcase_add_test(tests, a_handler_of_somebody_else_does_not_end_the_loop);
        tcase_add_test(tests, the_end_closes_what_the_loop_opened_and_nothing_else);
        tcase_add_test(tests, without_descriptors_there_is_an_error_and_no_loop);
}

UNIT_MAIN("loop", add_tests)
