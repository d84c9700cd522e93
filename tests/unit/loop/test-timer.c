/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The heap of timers, against a plain array that is searched.
 */
#include "loop/timer.h"

#include "unit.h"

#define TIMERS 300
#define STEPS  8000

/* Numbers that are the same in every run. */
static uint32_t next_number(uint32_t *state)
{
        *state ^= *state << 13;
        *state ^= *state >> 17;
        *state ^= *state << 5;
        return *state;
}

/* All that must hold between the heap and its timers. */
static void check_heap(const struct timers *timers, const struct timer *all, size_t count)
{
        const struct timer *first = timers_first(timers);
        size_t set = 0;

        for (size_t i = 0; i < count; i++) {
                if (all[i].place == 0)
                        continue;
                set++;
                if (timers->items[all[i].place - 1] != &all[i] || first->due_ms > all[i].due_ms)
                        ck_abort_msg("timer %zu, %zu timers", i, timers->count);
        }
        ck_assert_uint_eq(set, timers->count);
        ck_assert_int_eq(first == NULL, set == 0);
}

START_TEST(without_timers_there_is_no_first)
{
        struct timers timers = { 0 };

        ck_assert_ptr_null(timers_first(&timers));
        timers_done(&timers);
        timers_done(&timers);
}
END_TEST

START_TEST(timers_come_in_the_order_of_their_times)
{
        struct timers timers = { 0 };
        struct timer all[TIMERS] = { 0 };
        uint32_t state = 1;
        int64_t last_ms = -1;
        struct err err;

        for (size_t i = 0; i < TIMERS; i++) /* many of them at the same time */
                unit_assert_ok(timers_set(&timers, &all[i], next_number(&state) % 100, &err), &err);
        for (size_t i = 0; i < TIMERS; i++) {
                struct timer *first = timers_first(&timers);

                ck_assert_ptr_nonnull(first);
                ck_assert_int_ge(first->due_ms, last_ms);
                last_ms = first->due_ms;
                timers_cancel(&timers, first);
                ck_assert_uint_eq(first->place, 0);
                check_heap(&timers, all, TIMERS);
        }
        ck_assert_ptr_null(timers_first(&timers));
        timers_done(&timers);
}
END_TEST

START_TEST(a_timer_that_is_set_moves_to_its_new_time)
{
        struct timers timers = { 0 };
        struct timer a = { 0 }, b = { 0 };
        struct err err;

        unit_assert_ok(timers_set(&timers, &a, 10, &err), &err);
        unit_assert_ok(timers_set(&timers, &b, 20, &err), &err);
        ck_assert_ptr_eq(timers_first(&timers), &a);
        unit_assert_ok(timers_set(&timers, &a, 30, &err), &err);
        ck_assert_ptr_eq(timers_first(&timers), &b);
        unit_assert_ok(timers_set(&timers, &a, -5, &err), &err);
        ck_assert_ptr_eq(timers_first(&timers), &a);
        ck_assert_uint_eq(timers.count, 2);
        timers_done(&timers);
}
END_TEST

START_TEST(times_are_compared_over_the_whole_of_their_width)
{
        struct timers timers = { 0 };
        struct timer late = { 0 }, early = { 0 };
        struct err err;

        unit_assert_ok(timers_set(&timers, &late, INT64_MAX, &err), &err);
        unit_assert_ok(timers_set(&timers, &early, INT64_MIN, &err), &err);
        ck_assert_ptr_eq(timers_first(&timers), &early);
        timers_cancel(&timers, &early);
        ck_assert_ptr_eq(timers_first(&timers), &late);
        timers_done(&timers);
}
END_TEST

START_TEST(cancelling_what_is_not_set_does_nothing)
{
        struct timers timers = { 0 };
        struct timer a = { 0 }, b = { 0 };
        struct err err;

        timers_cancel(&timers, &a);
        unit_assert_ok(timers_set(&timers, &b, 1, &err), &err);
        timers_cancel(&timers, &a);
        ck_assert_ptr_eq(timers_first(&timers), &b);
        timers_cancel(&timers, &b);
        timers_cancel(&timers, &b);
        ck_assert_ptr_null(timers_first(&timers));
        unit_assert_ok(timers_set(&timers, &b, 2, &err), &err);
        ck_assert_ptr_eq(timers_first(&timers), &b);
        timers_done(&timers);
}
END_TEST

START_TEST(random_steps_leave_a_heap)
{
        struct timers timers = { 0 };
        struct timer all[TIMERS] = { 0 };
        uint32_t state = (uint32_t)_i + 1;
        struct err err;

        for (int step = 0; step < STEPS; step++) {
                struct timer *timer = &all[next_number(&state) % TIMERS];
                int64_t due_ms = next_number(&state) % 1000;

                /* Filled and emptied by turns. */
                if (next_number(&state) % 8 < (step / 1000 % 2 == 0 ? 6 : 2)) {
                        unit_assert_ok(timers_set(&timers, timer, due_ms, &err), &err);
                        ck_assert_int_eq(timer->due_ms, due_ms);
                } else {
                        timers_cancel(&timers, timer);
                        ck_assert_uint_eq(timer->place, 0);
                }
                if (step % 50 == 0)
                        check_heap(&timers, all, TIMERS);
        }
        timers_done(&timers);
}
END_TEST

static void add_tests(TCase *tests)
{
        tcase_add_test(tests, without_timers_there_is_no_first);
        tcase_add_test(tests, timers_come_in_the_order_of_their_times);
        tcase_add_test(tests, a_timer_that_is_set_moves_to_its_new_time);
        tcase_add_test(tests, times_are_compared_over_the_whole_of_their_width);
        tcase_add_test(tests, cancelling_what_is_not_set_does_nothing);
        tcase_add_loop_test(tests, random_steps_leave_a_heap, 0, 4);
}

UNIT_MAIN("timer", add_tests)
