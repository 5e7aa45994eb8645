/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include "clock-skew.h"

#define MS INT64_C(1000000)
#define S (1000 * MS)
#define HOUR (3600 * S)

/* 2026-11-20T12:00:00.25Z. */
#define NOW (INT64_C(1795176000) * S + 250 * MS)

static int64_t
known(const struct clock_skew *s)
{
    int64_t ms = INT64_MIN;

    assert_true(clock_skew_get(s, &ms));
    return ms;
}

/* Adds 'n' messages, a second apart, whose clock is 'ahead_ns' ahead. */
static void
add(struct clock_skew *s, int n, int64_t ahead_ns, bool has_zone)
{
    for (int i = 0; i < n; i++) {
        clock_skew_add(s, NOW + i * S + ahead_ns, has_zone, NOW + i * S);
    }
}

static void
a_few_messages_say_nothing(void **state)
{
    struct clock_skew s = { .n = 0 };
    int64_t ms = 7;

    (void) state;
    add(&s, CLOCK_SKEW_MIN - 1, HOUR, true);
    assert_false(clock_skew_get(&s, &ms));
    assert_int_equal(ms, 7);
    add(&s, 1, HOUR, true);
    assert_int_equal(known(&s), 3600 * 1000);
}

static void
a_clock_may_be_ahead_or_behind_by_years(void **state)
{
    static const int64_t skews[] = {
        0, 3 * MS, -3 * MS, 42 * S, -42 * S, HOUR, -1000 * HOUR,
        876000 * HOUR, -490000 * HOUR,
    };

    (void) state;
    for (size_t i = 0; i < sizeof skews / sizeof skews[0]; i++) {
        struct clock_skew s = { .n = 0 };

        add(&s, 100, skews[i], true);
        assert_int_equal(known(&s), skews[i] / MS);
    }
}

static void
the_ends_of_time_do_not_overflow(void **state)
{
    struct clock_skew s = { .n = 0 };

    (void) state;
    for (int i = 0; i < 100; i++) {
        clock_skew_add(&s, i % 2 ? INT64_MIN : INT64_MAX, i % 3,
                       i % 5 ? INT64_MAX : 0);
    }
    known(&s);
}

static void
late_and_wrong_messages_do_not_decide(void **state)
{
    struct clock_skew s = { .n = 0 };

    (void) state;
    for (int i = 0; i < 200; i++) {
        /* Every third is of long ago, every fifth of far ahead. */
        int64_t off = i % 3 == 0 ? -90 * HOUR : i % 5 == 0 ? 9000 * HOUR : 0;
        clock_skew_add(&s, NOW + 3 * S + off, true, NOW);
    }
    assert_int_equal(known(&s), 3000);
}

static void
a_clock_that_is_set_is_followed(void **state)
{
    struct clock_skew s = { .n = 0 };

    (void) state;
    add(&s, 1000, 90 * S, true);
    assert_int_equal(known(&s), 90000);
    add(&s, 2 * CLOCK_SKEW_WINDOW, 0, true);
    assert_int_equal(known(&s), 0);
}

static void
a_time_without_a_zone_may_be_of_any(void **state)
{
    static const struct {
        int64_t ahead_ns;
        int64_t ms;
    } cases[] = {
        { 0, 0 }, { HOUR, 0 }, { -5 * HOUR, 0 }, { 5 * HOUR + HOUR / 2, 0 },
        { 14 * HOUR, 0 }, { -12 * HOUR, 0 }, { HOUR + 40 * S, 40000 },
        { -HOUR - 40 * S, -40000 }, { 40 * S, 40000 }, { -7 * S, -7000 },
        { 24 * HOUR, 24 * 3600 * 1000 }, { -100 * HOUR, -100 * 3600 * 1000 },
    };

    (void) state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct clock_skew s = { .n = 0 };

        add(&s, 50, cases[i].ahead_ns, false);
        assert_int_equal(known(&s), cases[i].ms);
    }
}

static void
times_with_a_zone_count_for_more(void **state)
{
    struct clock_skew s = { .n = 0 };

    (void) state;
    add(&s, 50, HOUR, false);
    assert_int_equal(known(&s), 0);
    add(&s, CLOCK_SKEW_MIN, HOUR, true);
    assert_int_equal(known(&s), 3600 * 1000);
    add(&s, CLOCK_SKEW_PATIENCE, HOUR, false);
    assert_int_equal(known(&s), 3600 * 1000);
    add(&s, CLOCK_SKEW_MIN, HOUR, false);
    assert_int_equal(known(&s), 0);
}

static void
whole_seconds_are_rounded_down(void **state)
{
    struct clock_skew s = { .n = 0 };

    (void) state;
    for (int i = 0; i < 100; i++) {
        /* Spread over the second, and cut to it, as RFC 3164 has it. */
        int64_t now = NOW + i * 370 * MS;
        clock_skew_add(&s, now / S * S, false, now);
    }
    assert_in_range(known(&s) + 100, 0, 200);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_few_messages_say_nothing),
        cmocka_unit_test(a_clock_may_be_ahead_or_behind_by_years),
        cmocka_unit_test(the_ends_of_time_do_not_overflow),
        cmocka_unit_test(late_and_wrong_messages_do_not_decide),
        cmocka_unit_test(a_clock_that_is_set_is_followed),
        cmocka_unit_test(a_time_without_a_zone_may_be_of_any),
        cmocka_unit_test(times_with_a_zone_count_for_more),
        cmocka_unit_test(whole_seconds_are_rounded_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
