/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include <time.h>

#include "civil.h"

static void
days_and_dates_are_inverse_and_agree_with_the_c_library(void **state)
{
    (void) state;
    /* 1600 to 2400, in steps that meet every day of the month. */
    for (int64_t days = -135140; days < 157055; days++) {
        struct civil date = civil_from_days(days);
        assert_true(civil_is_valid(date));
        assert_int_equal(civil_to_days(date), days);

        if (days % 37 == 0) {
            time_t t = days * S_PER_DAY;
            struct tm tm;
            assert_non_null(gmtime_r(&t, &tm));
            assert_int_equal(date.year, tm.tm_year + 1900);
            assert_int_equal(date.month, tm.tm_mon + 1);
            assert_int_equal(date.day, tm.tm_mday);
        }
    }
}

static void
only_leap_years_have_a_february_29(void **state)
{
    static const struct {
        int32_t year;
        bool leap;
    } cases[] = {
        { 1900, false }, { 2000, true }, { 2023, false }, { 2024, true },
        { 2100, false },
    };

    (void) state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_int_equal(
            civil_is_valid((struct civil) { cases[i].year, 2, 29 }),
            cases[i].leap);
        assert_false(civil_is_valid((struct civil) { cases[i].year, 2, 30 }));
    }
}

static void
dates_outside_the_calendar_are_invalid(void **state)
{
    (void) state;
    assert_false(civil_is_valid((struct civil) { 2026, 0, 1 }));
    assert_false(civil_is_valid((struct civil) { 2026, 13, 1 }));
    assert_false(civil_is_valid((struct civil) { 2026, 1, 0 }));
    assert_false(civil_is_valid((struct civil) { 2026, 1, 32 }));
    assert_false(civil_is_valid((struct civil) { 2026, 4, 31 }));
    assert_true(civil_is_valid((struct civil) { 2026, 12, 31 }));
}

static void
times_before_1970_split_downwards(void **state)
{
    uint32_t rest;

    (void) state;
    assert_int_equal(civil_split(-1, NS_PER_S, &rest), -1);
    assert_int_equal(rest, 999999999);
    assert_int_equal(civil_split(INT64_MIN, NS_PER_S, &rest), -9223372037);
    assert_int_equal(rest, 145224192);
    assert_int_equal(civil_split(-1, S_PER_DAY, &rest), -1);
    assert_int_equal(rest, 86399);
    assert_int_equal(civil_split(86400, S_PER_DAY, &rest), 1);
    assert_int_equal(rest, 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(
            days_and_dates_are_inverse_and_agree_with_the_c_library),
        cmocka_unit_test(only_leap_years_have_a_february_29),
        cmocka_unit_test(dates_outside_the_calendar_are_invalid),
        cmocka_unit_test(times_before_1970_split_downwards),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
