/* SPDX-License-Identifier: Apache-2.0
 *
 * Reads the timestamps of syslog messages; see syslog-time.h. */
#include "syslog-time.h"

#include "civil.h"

/* Returns the value of the two digits at 'p', setting '*bad' if they are not
 * digits. */
static inline uint32_t
digit_pair(const uint8_t *p, bool *bad)
{
    uint32_t tens = p[0] - (uint32_t) '0';
    uint32_t ones = p[1] - (uint32_t) '0';

    *bad |= tens > 9 || ones > 9;
    return tens * 10 + ones;
}

/* Reads the "hh:mm:ss" of eight bytes at 'p'. */
static bool
read_clock(const uint8_t *p, struct syslog_stamp *stamp)
{
    bool bad = p[2] != ':' || p[5] != ':';

    stamp->hour = digit_pair(p, &bad);
    stamp->minute = digit_pair(p + 3, &bad);
    stamp->second = digit_pair(p + 6, &bad);
    return (!bad && stamp->hour <= 23 && stamp->minute <= 59
            && stamp->second <= 60);
}

/* Takes a fraction of a second, 1 to 9 digits behind a dot, if there is one.
 * Returns it in nanoseconds. */
static uint32_t
take_fraction(struct cursor *c)
{
    static const uint32_t scale[10] = {
        0, 100000000, 10000000, 1000000, 100000, 10000, 1000, 100, 10, 1
    };

    if (!cursor_match(c, '.')) {
        return 0;
    }
    size_t left = c->left;
    uint32_t fraction = cursor_digits(c, 1, 9);
    return c->failed ? 0 : fraction * scale[left - c->left];
}

/* Takes a zone: "Z" or "+hh:mm".  If 'lax', also "+hhmm" and none at all. */
static void
take_zone(struct cursor *c, bool lax, struct syslog_stamp *stamp)
{
    int sign = cursor_peek(c);

    stamp->offset_s = 0;
    if (sign != '+' && sign != '-') {
        stamp->has_zone = cursor_match(c, 'Z');
        if (!stamp->has_zone && !lax) {
            cursor_fail(c);
        }
        return;
    }
    cursor_take(c, 1);

    uint32_t hours = cursor_digits(c, 2, 2);
    if (!cursor_match(c, ':') && !lax) {
        cursor_fail(c);
    }
    uint32_t minutes = cursor_digits(c, 2, 2);
    if (hours > 23 || minutes > 59) {
        cursor_fail(c);
    }
    int32_t offset_s = hours * 3600 + minutes * 60;
    stamp->offset_s = sign == '-' ? -offset_s : offset_s;
    stamp->has_zone = true;
}

bool
syslog_take_rfc3339(struct cursor *c, bool lax, struct syslog_stamp *stamp)
{
    const uint8_t *p = cursor_take(c, 19).data;

    if (!p) {
        return false;
    }
    bool bad = p[4] != '-' || p[7] != '-' || p[10] != 'T';
    struct civil date = {
        .year = digit_pair(p, &bad) * 100 + digit_pair(p + 2, &bad),
        .month = digit_pair(p + 5, &bad),
        .day = digit_pair(p + 8, &bad),
    };
    if (bad || !read_clock(p + 11, stamp) || !civil_is_valid(date)) {
        return false;
    }
    stamp->days = civil_to_days(date);
    stamp->ns = take_fraction(c);
    take_zone(c, lax, stamp);
    return !c->failed;
}

#define MONTH(A, B, C) (uint32_t) (A) << 16 | (B) << 8 | (C)

/* Returns 1 to 12, or 0 if the three bytes at 'p' are not the short English
 * name of a month. */
static uint8_t
month_of(const uint8_t *p)
{
    switch (MONTH(p[0], p[1], p[2])) {
    case MONTH('J', 'a', 'n'): return 1;
    case MONTH('F', 'e', 'b'): return 2;
    case MONTH('M', 'a', 'r'): return 3;
    case MONTH('A', 'p', 'r'): return 4;
    case MONTH('M', 'a', 'y'): return 5;
    case MONTH('J', 'u', 'n'): return 6;
    case MONTH('J', 'u', 'l'): return 7;
    case MONTH('A', 'u', 'g'): return 8;
    case MONTH('S', 'e', 'p'): return 9;
    case MONTH('O', 'c', 't'): return 10;
    case MONTH('N', 'o', 'v'): return 11;
    case MONTH('D', 'e', 'c'): return 12;
    default: return 0;
    }
}

/* Returns the day number of 'date' in the year that brings it nearest to day
 * 'reference'. */
static int64_t
nearest_days(struct civil date, int64_t reference)
{
    int32_t year = civil_from_days(reference).year;
    int64_t nearest = 0;
    int64_t best = INT64_MAX;

    date.year = year;
    if (civil_is_valid(date)) {
        nearest = civil_to_days(date);
        best = nearest < reference ? reference - nearest : nearest - reference;
        if (best <= 182) {
            return nearest;     /* No other year is nearer. */
        }
    }

    /* February 29 is up to eight years away: 1896, 1904. */
    int span = date.month == 2 && date.day == 29 ? 8 : 1;

    for (date.year = year - span; date.year <= year + span; date.year++) {
        if (civil_is_valid(date)) {
            int64_t days = civil_to_days(date);
            int64_t distance = (days < reference
                                ? reference - days : days - reference);
            if (distance < best) {
                best = distance;
                nearest = days;
            }
        }
    }
    return nearest;
}

/* Takes a year of four digits and the space behind it, if there is one. */
static bool
take_year(struct cursor *c, int32_t *ret_year)
{
    struct cursor t = *c;
    uint32_t year = cursor_digits(&t, 4, 4);

    if (!cursor_match(&t, ' ')) {
        return false;
    }
    *ret_year = year;
    *c = t;
    return true;
}

/* Takes the year that Juniper's devices write behind the time: " 2026", and
 * another space or the end behind it, which stays. */
static bool
take_late_year(struct cursor *c, int32_t *ret_year)
{
    struct cursor t = *c;

    if (!cursor_match(&t, ' ')
        || (cursor_peek(&t) != '1' && cursor_peek(&t) != '2')) {
        return false;
    }
    uint32_t year = cursor_digits(&t, 4, 4);
    if (t.failed || year < 1970 || year > 2099 || cursor_peek(&t) != ' ') {
        return false;
    }
    *ret_year = year;
    *c = t;
    return true;
}

/* Takes the most frequent form, "Mmm dd hh:mm:ss" with a space behind it,
 * which stays, and no year.  Returns false and leaves 'c' alone if it is
 * another. */
static bool
take_plain(struct cursor *c, struct civil *date, struct syslog_stamp *stamp)
{
    struct cursor t = *c;
    const uint8_t *p = cursor_take(&t, 15).data;
    bool bad = false;

    if (!p || p[3] != ' ' || p[6] != ' ' || cursor_peek(&t) != ' '
        || !read_clock(p + 7, stamp)) {
        return false;
    }
    date->month = month_of(p);
    date->day = (p[4] == ' ' ? digit_pair((const uint8_t[]) { '0', p[5] },
                                          &bad)
                 : digit_pair(p + 4, &bad));
    if (bad) {
        return false;
    }
    stamp->ns = 0;
    stamp->offset_s = 0;
    stamp->has_zone = false;
    *c = t;
    return true;
}

/* Takes all other forms up to the year behind the time. */
static bool
take_odd(struct cursor *c, struct civil *date, bool *has_year,
         struct syslog_stamp *stamp)
{
    *has_year = cursor_peek(c) <= '9' && take_year(c, &date->year);

    const uint8_t *p = cursor_take(c, 3).data;
    if (!p) {
        return false;
    }
    date->month = month_of(p);
    cursor_expect(c, ' ');
    cursor_match(c, ' ');
    date->day = cursor_digits(c, 1, 2);
    cursor_expect(c, ' ');
    *has_year = *has_year || take_year(c, &date->year);

    p = cursor_take(c, 8).data;
    if (!p || !read_clock(p, stamp)) {
        return false;
    }
    stamp->ns = take_fraction(c);
    take_zone(c, true, stamp);
    return !c->failed;
}

bool
syslog_take_rfc3164_time(struct cursor *c, int64_t reference_ns,
                         struct syslog_stamp *stamp)
{
    struct civil date = { .year = 2000 };   /* A leap year: any date passes. */
    bool has_year = false;

    if (!take_plain(c, &date, stamp)
        && !take_odd(c, &date, &has_year, stamp)) {
        return false;
    }
    has_year = has_year || take_late_year(c, &date.year);
    if (!civil_is_valid(date)) {
        return false;
    }
    if (has_year) {
        stamp->days = civil_to_days(date);
    } else {
        uint32_t rest;
        int64_t reference_s = civil_split(reference_ns, NS_PER_S, &rest);
        int64_t reference = civil_split(reference_s, S_PER_DAY, &rest);
        stamp->days = nearest_days(date, reference);
    }
    return true;
}

bool
syslog_find_zone(struct slice name, int32_t *ret_offset_s)
{
    static const struct {
        char name[6];
        int8_t hours;           /* East of UTC. */
    } zones[] = {
        { "UTC", 0 }, { "GMT", 0 }, { "UT", 0 }, { "WET", 0 }, { "WEST", 1 },
        { "CET", 1 }, { "CEST", 2 }, { "EET", 2 }, { "EEST", 3 },
        { "MSK", 3 }, { "EST", -5 }, { "EDT", -4 }, { "CST", -6 },
        { "CDT", -5 }, { "MST", -7 }, { "MDT", -6 }, { "PST", -8 },
        { "PDT", -7 },
    };

    for (size_t i = 0; i < sizeof zones / sizeof zones[0]; i++) {
        if (slice_equal(name, slice_from_string(zones[i].name))) {
            *ret_offset_s = zones[i].hours * 3600;
            return true;
        }
    }
    return false;
}
