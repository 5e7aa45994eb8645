/* SPDX-License-Identifier: Apache-2.0
 *
 * Dates of the proleptic Gregorian calendar and days since 1970-01-01, without
 * the C library's time zones, locks and locale. */
#ifndef SLUICE_CIVIL_H
#define SLUICE_CIVIL_H 1

#include <stdbool.h>
#include <stdint.h>

#define NS_PER_S INT64_C(1000000000)

enum { S_PER_DAY = 86400 };

struct civil {
    int32_t year;
    uint8_t month;              /* 1 to 12. */
    uint8_t day;                /* 1 to 31. */
};

static inline bool
civil_is_leap(int32_t year)
{
    return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
}

/* Returns true if 'date' is in the calendar. */
static inline bool
civil_is_valid(struct civil date)
{
    static const uint8_t n_days[12] = {
        31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31
    };

    if (date.month < 1 || date.month > 12 || date.day < 1) {
        return false;
    }
    return (date.day <= n_days[date.month - 1]
            || (date.month == 2 && date.day == 29
                && civil_is_leap(date.year)));
}

/* In both functions years begin in March, so that the leap day is the last
 * one, and are counted in cycles of 400 years, 146097 days each; day 719468
 * before 1970 is March 1 of year 0. */

/* Returns the days from 1970-01-01 to 'date', a valid one. */
static inline int64_t
civil_to_days(struct civil date)
{
    int64_t year = date.year - (date.month <= 2);
    int64_t cycle = (year >= 0 ? year : year - 399) / 400;
    int64_t of_cycle = year - cycle * 400;
    int64_t month = date.month + (date.month > 2 ? -3 : 9);
    int64_t of_year = (153 * month + 2) / 5 + date.day - 1;

    return (cycle * 146097 + of_cycle * 365 + of_cycle / 4 - of_cycle / 100
            + of_year - 719468);
}

/* Returns the date 'days' after 1970-01-01. */
static inline struct civil
civil_from_days(int64_t days)
{
    days += 719468;
    int64_t cycle = (days >= 0 ? days : days - 146096) / 146097;
    uint32_t of_cycle = days - cycle * 146097;
    uint32_t year = (of_cycle - of_cycle / 1460 + of_cycle / 36524
                     - of_cycle / 146096) / 365;
    uint32_t of_year = of_cycle - (365 * year + year / 4 - year / 100);
    uint32_t month = (5 * of_year + 2) / 153;

    return (struct civil) {
        .year = cycle * 400 + year + (month >= 10),
        .month = month + (month < 10 ? 3 : -9),
        .day = of_year - (153 * month + 2) / 5 + 1,
    };
}

/* Splits 'value' into whole 'unit's, rounded down, which it returns, and the
 * rest. */
static inline int64_t
civil_split(int64_t value, int64_t unit, uint32_t *ret_rest)
{
    int64_t n = value / unit;
    int64_t rest = value % unit;

    if (rest < 0) {
        rest += unit;
        n--;
    }
    *ret_rest = rest;
    return n;
}

#endif /* lib/civil.h */
