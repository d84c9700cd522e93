/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The loop with timers, and who has its turn first.
 */
#include "waiter.h"

/* ---- timers ---- */

START_TEST(timers_come_in_order_and_not_early)
{
        _cleanup_(loop_freep) struct loop *loop = new_loop();
        struct waiter *a = new_waiter(loop, 'a', stop), *b = new_waiter(loop, 'b', NULL);
        struct waiter *c = new_waiter(loop, 'c', NULL), *never = new_waiter(loop, '-', NULL);
        int64_t start_ms = clock_boot_ms();

        set_timer(never, INT64_MAX);
        set_timer(a, start_ms + 30);
        set_timer(b, start_ms + 10);
        set_timer(c, start_ms + 20);
        run(loop);
        ck_assert_str_eq(journal, "bca");
        ck_assert_int_ge(b->now_ms, start_ms + 10);
        ck_assert_int_ge(c->now_ms, start_ms + 20);
        ck_assert_int_ge(a->now_ms, start_ms + 30);
        free_waiter(a);
        free_waiter(b);
        free_waiter(c);
        free_waiter(never);
}
END_TEST

START_TEST(a_timer_can_be_moved_to_both_sides)
{
        _cleanup_(loop_freep) struct loop *loop = new_loop();
        struct waiter *a = new_waiter(loop, 'a', NULL), *b = new_waiter(loop, 'b', stop);
        int64_t start_ms = clock_boot_ms();

        set_timer(a, start_ms + 1000000);
        set_timer(b, start_ms + 1);
        set_timer(a, start_ms + 10);
        set_timer(b, start_ms + 20);
        run(loop);
        ck_assert_str_eq(journal, "ab");
        ck_assert_int_ge(b->now_ms, start_ms + 20);
        free_waiter(a);
        free_waiter(b);
}
END_TEST

static void move_other_near(struct waiter *waiter)
{
        set_timer(waiter->other, waiter->now_ms + 5);
        loop_unwatch(waiter->loop, &waiter->source);
}

START_TEST(a_timer_that_is_moved_while_the_loop_runs_comes_then)
{
        _cleanup_(loop_freep) struct loop *loop = new_loop();
        struct waiter *a = new_reader(loop, 'a', move_other_near);
        struct waiter *b = new_waiter(loop, 'b', stop);

        set_timer(b, clock_boot_ms() + 1000000);
        a->other = b;
        run(loop);
        ck_assert_str_eq(journal, "ab");
        ck_assert_int_ge(b->now_ms, a->now_ms + 5);
        free_waiter(a);
        free_waiter(b);
}
END_TEST

static void five_times(struct waiter *waiter)
{
        if (waiter->calls == 5)
                loop_stop(waiter->loop);
        else
                set_timer(waiter, waiter->now_ms + waiter->again_ms);
}

START_TEST(a_timer_may_set_itself_again)
{
        _cleanup_(loop_freep) struct loop *loop = new_loop();
        struct waiter *a = new_waiter(loop, 'a', five_times);
        int64_t start_ms = clock_boot_ms();

        a->again_ms = 3;
        set_timer(a, start_ms + 3);
        run(loop);
        ck_assert_str_eq(journal, "aaaaa");
        ck_assert_int_ge(a->now_ms, start_ms + 15);
        ck_assert_uint_eq(a->timer.timer.place, 0);
        free_waiter(a);
}
END_TEST

START_TEST(a_timer_that_was_freed_is_not_called)
{
        _cleanup_(loop_freep) struct loop *loop = new_loop();
        struct waiter *a = new_waiter(loop, 'a', free_other),
                      *b = new_waiter(loop, 'b', free_other);
        int64_t due_ms = clock_boot_ms() + 5;

        a->other = b;
        b->other = a;
        set_timer(a, due_ms);
        set_timer(b, due_ms);
        run(loop);
        ck_assert_uint_eq(strlen(journal), 1);
        free_waiter(journal[0] == 'a' ? a : b);
}
END_TEST

START_TEST(a_timer_may_free_itself)
{
        _cleanup_(loop_freep) struct loop *loop = new_loop();

        set_timer(new_waiter(loop, 'a', free_waiter), clock_boot_ms() + 1);
        run_for(loop, 10);
        ck_assert_str_eq(journal, "a.");
}
END_TEST

START_TEST(a_cancelled_timer_is_not_called)
{
        _cleanup_(loop_freep) struct loop *loop = new_loop();
        struct waiter *a = new_waiter(loop, 'a', NULL);

        loop_cancel_timer(loop, &a->timer);
        set_timer(a, clock_boot_ms() + 2);
        loop_cancel_timer(loop, &a->timer);
        run_for(loop, 10);
        ck_assert_str_eq(journal, ".");
        free_waiter(a);
}
END_TEST

/* ---- their order ---- */

START_TEST(an_answer_comes_before_the_deadline_of_the_same_wake_up)
{
        _cleanup_(loop_freep) struct loop *loop = new_loop();
        struct waiter *deadline = new_waiter(loop, 'd', stop);
        struct waiter *answer = new_reader(loop, 'a', end_watch);
        int64_t due_ms = clock_boot_ms() + 2;

        set_timer(deadline, due_ms);
        while (clock_boot_ms() <= due_ms) /* so that both are there */
                ;
        run(loop);
        ck_assert_str_eq(journal, "ad");
        free_waiter(deadline);
        free_waiter(answer);
}
END_TEST

static void again_in_the_past(struct waiter *waiter)
{
        if (waiter->calls == 1 && waiter->other)
                ck_assert_int_eq(write(waiter->other->peer, "x", 1), 1);
        set_timer(waiter, waiter->again_ms);
}

static const int64_t past_rows[] = { INT64_MIN, -1, 0, 1 };

START_TEST(a_timer_in_the_past_does_not_keep_descriptors_waiting)
{
        _cleanup_(loop_freep) struct loop *loop = new_loop();
        struct waiter *a = new_waiter(loop, 'a', again_in_the_past);
        struct waiter *b = new_waiter(loop, 'b', stop);

        a->other = b;
        a->again_ms = past_rows[_i];
        watch(b, give_socket(b), EPOLLIN);
        set_timer(a, past_rows[_i]);
        run(loop);
        ck_assert_str_eq(journal, "ab");
        free_waiter(a);
        free_waiter(b);
}
END_TEST

START_TEST(timers_in_the_past_take_turns)
{
        _cleanup_(loop_freep) struct loop *loop = new_loop();
        struct waiter *a = new_waiter(loop, 'a', again_in_the_past);
        struct waiter *b = new_waiter(loop, 'b', five_times);

        b->again_ms = -1000;
        set_timer(a, 0);
        set_timer(b, 0);
        run(loop);
        ck_assert_int_eq(b->calls, 5);
        ck_assert_int_ge(a->calls, 4);
        ck_assert_int_le(a->calls, 5);
        free_waiter(a);
        free_waiter(b);
}
END_TEST

static void do_nothing(struct waiter *waiter)
{
        journal[0] = '\0'; /* it would overflow */
        ck_assert_int_lt(waiter->calls, 100000000);
}

START_TEST(a_descriptor_that_is_always_ready_does_not_keep_timers_waiting)
{
        _cleanup_(loop_freep) struct loop *loop = new_loop();
        struct waiter *a = new_reader(loop, 'a', do_nothing);

        run_for(loop, 10);
        ck_assert_int_gt(a->calls, 0);
        free_waiter(a);
}
END_TEST

static void add_tests(TCase *tests)
{
        tcase_add_test(tests, timers_come_in_order_and_not_early);
        tcase_add_test(tests, a_timer_can_be_moved_to_both_sides);
        tcase_add_test(tests, a_timer_that_is_moved_while_the_loop_runs_comes_then);
        tcase_add_test(tests, a_timer_may_set_itself_again);
        tcase_add_test(tests, a_timer_that_was_freed_is_not_called);
        tcase_add_test(tests, a_timer_may_free_itself);
        tcase_add_test(tests, a_cancelled_timer_is_not_called);
        tcase_add_test(tests, an_answer_comes_before_the_deadline_of_the_same_wake_up);
        unit_add_table(tests, a_timer_in_the_past_does_not_keep_descriptors_waiting, past_rows);
        tcase_add_test(tests, timers_in_the_past_take_turns);
        tcase_add_test(tests, a_descriptor_that_is_always_ready_does_not_keep_timers_waiting);
}

UNIT_MAIN("loop-timer", add_tests)
