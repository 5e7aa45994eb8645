/* SPDX-License-Identifier: Apache-2.0
 *
 * Reads one syslog message; see syslog-msg.h. */
#include "syslog-msg.h"

#include "civil.h"
#include "utf8.h"

#define P SYSLOG_C_PRINT
#define N SYSLOG_C_SD_NAME
#define V SYSLOG_C_VALUE
#define H SYSLOG_C_HOST
#define T SYSLOG_C_TAG
#define I SYSLOG_C_PID
#define L SYSLOG_C_PLAIN
const uint8_t syslog_classes[256] = {
    [0x00 ... 0x1f] = V,
    [' '] = V | L,
    ['!'] = P | N | V | L | I,
    ['"'] = P | I,
    ['#'] = P | N | V | L | I | T,
    ['$'] = P | N | V | L | I,
    ['%'] = P | N | V | L | I | T | H,
    ['&' ... '\''] = P | N | V | L | I,
    ['(' ... ')'] = P | N | V | L | I | T,
    ['*'] = P | N | V | L | I,
    ['+'] = P | N | V | L | I | T,
    [','] = P | N | V | L | I,
    ['-' ... '.'] = P | N | V | L | I | T | H,
    ['/'] = P | N | V | L | I | T,
    ['0' ... '9'] = P | N | V | L | I | T | H,
    [':'] = P | N | V | L | I | H,
    [';' ... '<'] = P | N | V | L | I,
    ['='] = P | V | L | I,
    ['>' ... '?'] = P | N | V | L | I,
    ['@'] = P | N | V | L | I | T | H,
    ['A' ... 'Z'] = P | N | V | L | I | T | H,
    ['['] = P | N | V | L,
    ['\\'] = P | N | I,
    [']'] = P,
    ['^'] = P | N | V | L | I,
    ['_'] = P | N | V | L | I | T | H,
    ['`'] = P | N | V | L | I,
    ['a' ... 'z'] = P | N | V | L | I | T | H,
    ['{' ... '}'] = P | N | V | L | I,
    ['~'] = P | N | V | L | I | T,
    [0x7f ... 0xff] = V,
};
#undef P
#undef N
#undef V
#undef H
#undef T
#undef I
#undef L

/* Trailing NULs and line ends are framing, which programs add by habit. */
static struct slice
trim_end(struct slice s)
{
    while (s.size) {
        uint8_t last = s.data[s.size - 1];

        if (last != '\n' && last != '\0') {
            break;
        }
        s.size--;
        if (last == '\n' && s.size && s.data[s.size - 1] == '\r') {
            s.size--;
        }
    }
    return s;
}

/* Takes "<PRI>" off 'c' and returns true, or leaves 'c' alone.  Leading zeros,
 * which neither RFC allows, are let pass and make '*ret_strict' false. */
static bool
parse_pri(struct cursor *c, uint8_t *ret_pri, bool *ret_strict)
{
    struct cursor t = *c;

    if (!cursor_match(&t, '<')) {
        return false;
    }
    bool zero = cursor_peek(&t) == '0';
    size_t left = t.left;
    uint32_t pri = cursor_digits(&t, 1, 3);
    size_t n_digits = left - t.left;
    if (!cursor_match(&t, '>') || pri > SYSLOG_MAX_PRI) {
        return false;
    }
    *ret_pri = pri;
    *ret_strict = !zero || n_digits == 1;
    *c = t;
    return true;
}

/* A point in time as written. */
struct stamp {
    int64_t days;               /* Since 1970-01-01. */
    uint32_t hour;
    uint32_t minute;
    uint32_t second;            /* Up to 60. */
    uint32_t ns;
    int32_t offset_s;           /* East of UTC. */
};

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
read_clock(const uint8_t *p, struct stamp *stamp)
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

/* Takes a zone: "Z" or "+hh:mm".  If 'lax', also "+hhmm" and none at all,
 * which is UTC. */
static int32_t
take_zone(struct cursor *c, bool lax)
{
    int sign = cursor_peek(c);

    if (sign != '+' && sign != '-') {
        if (!cursor_match(c, 'Z') && !lax) {
            cursor_fail(c);
        }
        return 0;
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
    return sign == '-' ? -offset_s : offset_s;
}

/* Takes a timestamp of RFC 3339, as RFC 5424 section 6.2.3 restricts it, but
 * with up to nine digits of fraction; see take_zone() for 'lax'. */
static bool
take_rfc3339(struct cursor *c, bool lax, struct stamp *stamp)
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
    stamp->offset_s = take_zone(c, lax);
    return !c->failed;
}

/* Returns 1 to 12, or 0 if 'name' is not the short English name of a month. */
static uint8_t
month_of(struct slice name)
{
    static const char names[] = "JanFebMarAprMayJunJulAugSepOctNovDec";

    for (int i = 0; i < 12; i++) {
        if (name.size == 3 && !memcmp(name.data, &names[i * 3], 3)) {
            return i + 1;
        }
    }
    return 0;
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

/* Takes "Mmm dd hh:mm:ss" (RFC 3164 section 4.1.2), the day padded with a
 * space, a zero or not at all, with or without a year behind the day and a
 * fraction behind the second.  Without a year, the date is the one
 * nearest to 'reference_ns'. */
static bool
take_rfc3164_time(struct cursor *c, int64_t reference_ns, struct stamp *stamp)
{
    struct civil date = { .month = month_of(cursor_take(c, 3)) };

    if (!date.month) {
        return false;
    }
    cursor_expect(c, ' ');
    cursor_match(c, ' ');
    date.day = cursor_digits(c, 1, 2);
    cursor_expect(c, ' ');

    struct cursor t = *c;
    date.year = cursor_digits(&t, 4, 4);
    bool has_year = cursor_match(&t, ' ');
    if (has_year) {
        *c = t;
    } else {
        date.year = 2000;       /* A leap year: any date passes. */
    }

    const uint8_t *p = cursor_take(c, 8).data;
    if (!p || !read_clock(p, stamp) || !civil_is_valid(date)) {
        return false;
    }
    stamp->ns = take_fraction(c);
    stamp->offset_s = 0;
    if (has_year) {
        stamp->days = civil_to_days(date);
    } else {
        uint32_t rest;
        int64_t reference_s = civil_split(reference_ns, NS_PER_S, &rest);
        int64_t reference = civil_split(reference_s, S_PER_DAY, &rest);
        stamp->days = nearest_days(date, reference);
    }
    return !c->failed;
}

static void
set_time(struct syslog_msg *m, const struct stamp *stamp)
{
    int64_t s = (stamp->days * S_PER_DAY + stamp->hour * 3600
                 + stamp->minute * 60 + stamp->second - stamp->offset_s);

    if (s > INT64_MIN / NS_PER_S && s < INT64_MAX / NS_PER_S) {
        m->has_time = true;
        m->time_ns = s * NS_PER_S + stamp->ns;
    }
}

/* Returns 's', or nothing if it is NILVALUE. */
static struct slice
or_nil(struct slice s)
{
    return s.size == 1 && s.data[0] == '-' ? slice_of(NULL, 0) : s;
}

/* Takes a header field of 1 to 'max' bytes and the space behind it. */
static inline struct slice
take_field(struct cursor *c, size_t max)
{
    struct slice s = cursor_class(c, syslog_classes, SYSLOG_C_PRINT);

    cursor_expect(c, ' ');
    if (!s.size || s.size > max) {
        cursor_fail(c);
    }
    return or_nil(s);
}

/* Takes an SD-NAME. */
static inline struct slice
take_sd_name(struct cursor *c)
{
    struct slice s = cursor_class(c, syslog_classes, SYSLOG_C_SD_NAME);

    if (!s.size || s.size > SYSLOG_MAX_SD_NAME) {
        cursor_fail(c);
    }
    return s;
}

bool
syslog_sd_take(struct cursor *c, struct slice *ret_id)
{
    cursor_expect(c, '[');
    struct slice id = take_sd_name(c);

    while (cursor_match(c, ' ')) {
        take_sd_name(c);
        cursor_expect(c, '=');
        cursor_expect(c, '"');
        cursor_class(c, syslog_classes, SYSLOG_C_VALUE);
        while (cursor_match(c, '\\')) {
            /* Before any other byte a backslash stands for itself. */
            cursor_take(c, 1);
            cursor_class(c, syslog_classes, SYSLOG_C_VALUE);
        }
        cursor_expect(c, '"');
    }
    cursor_expect(c, ']');
    if (c->failed) {
        return false;
    }
    *ret_id = id;
    return true;
}

/* Takes STRUCTURED-DATA and the space behind it, if it is well-formed, into
 * '*sd'.  Otherwise leaves 'c' where it was: it all belongs to the text. */
static void
take_sd(struct cursor *c, struct slice *sd)
{
    struct slice rest = slice_of(c->p, c->left);
    struct cursor t = cursor_of(rest);

    if (!cursor_match(&t, '-')) {
        struct slice id;

        do {
            syslog_sd_take(&t, &id);
        } while (cursor_peek(&t) == '[');
    }

    struct slice s = slice_of(rest.data, rest.size - t.left);
    if (!t.failed && (cursor_match(&t, ' ') || !t.left)
        && utf8_is_valid(s)) {
        *sd = or_nil(s);
        *c = t;
    }
}

/* Reads what follows PRI as RFC 5424 wants it, up to STRUCTURED-DATA without
 * tolerance.  On failure '*m' holds rubbish. */
static bool
parse_rfc5424(struct slice text, struct syslog_msg *m)
{
    struct cursor c = cursor_of(text);

    if (!cursor_match(&c, '1') || !cursor_match(&c, ' ')) {
        return false;
    }
    if (!cursor_match(&c, '-')) {
        struct slice rest = slice_of(c.p, c.left);
        struct stamp stamp;

        if (!take_rfc3339(&c, false, &stamp)) {
            return false;
        }
        m->timestamp = slice_of(rest.data, rest.size - c.left);
        set_time(m, &stamp);
    }
    cursor_expect(&c, ' ');
    m->hostname = take_field(&c, SYSLOG_MAX_HOSTNAME);
    m->app_name = take_field(&c, SYSLOG_MAX_APP_NAME);
    m->procid = take_field(&c, SYSLOG_MAX_PROCID);
    m->msgid = take_field(&c, SYSLOG_MAX_MSGID);
    if (c.failed) {
        return false;
    }
    take_sd(&c, &m->sd);
    m->msg = cursor_rest(&c);
    m->dialect = SYSLOG_RFC5424;
    return true;
}

/* Takes "TAG:" or "TAG[PID]:" and one space behind it into '*m'.  Returns
 * false and leaves 'c' alone if there is none. */
static bool
take_tag(struct cursor *c, struct syslog_msg *m)
{
    struct cursor t = *c;
    struct slice app_name = cursor_class(&t, syslog_classes, SYSLOG_C_TAG);
    struct slice procid = slice_of(NULL, 0);

    if (!app_name.size || app_name.size > SYSLOG_MAX_APP_NAME) {
        return false;
    }
    bool has_pid = cursor_match(&t, '[');
    if (has_pid) {
        procid = cursor_class(&t, syslog_classes, SYSLOG_C_PID);
        if (procid.size > SYSLOG_MAX_PROCID || !cursor_match(&t, ']')) {
            return false;
        }
    }
    /* "http://..." and "12:30" are no tags. */
    if (!cursor_match(&t, ':')
        || (!cursor_match(&t, ' ') && t.left && !has_pid)) {
        return false;
    }
    m->app_name = or_nil(app_name);
    m->procid = or_nil(procid);
    *c = t;
    return true;
}

/* Reads what follows PRI as RFC 3164 describes it.  On failure '*m' holds
 * rubbish. */
static bool
parse_rfc3164(struct slice text, int64_t reference_ns, struct syslog_msg *m)
{
    struct cursor c = cursor_of(text);
    struct stamp stamp;
    int first = cursor_peek(&c);

    if (!(first >= '0' && first <= '9'
          ? take_rfc3339(&c, true, &stamp)
          : take_rfc3164_time(&c, reference_ns, &stamp))) {
        return false;
    }
    m->timestamp = slice_of(text.data, text.size - c.left);
    set_time(m, &stamp);
    cursor_match(&c, ':');              /* Cisco's habit. */
    if (c.left && !cursor_match(&c, ' ')) {
        return false;
    }

    bool has_tag = take_tag(&c, m);
    if (!has_tag) {
        struct cursor t = c;
        struct slice hostname = cursor_class(&t, syslog_classes,
                                             SYSLOG_C_HOST);
        if (hostname.size && hostname.size <= SYSLOG_MAX_HOSTNAME
            && cursor_match(&t, ' ')) {
            m->hostname = or_nil(hostname);
            c = t;
            has_tag = take_tag(&c, m);
        }
    }
    /* Without PRI, a time alone does not make a header: text that programs
     * write to files often begins with one. */
    if (!m->has_pri && !has_tag) {
        return false;
    }
    m->msg = cursor_rest(&c);
    m->dialect = SYSLOG_RFC3164;
    return true;
}

/* Empties '*m' but for its PRI.  Field by field: for the whole structure
 * compilers choose a string instruction, which alone takes longer than a
 * header. */
static void
clear(struct syslog_msg *m, bool has_pri, uint8_t pri)
{
    const struct slice none = slice_of(NULL, 0);

    m->dialect = SYSLOG_BARE;
    m->has_pri = has_pri;
    m->pri = pri;
    m->has_time = false;
    m->time_ns = 0;
    m->timestamp = none;
    m->hostname = none;
    m->app_name = none;
    m->procid = none;
    m->msgid = none;
    m->sd = none;
    m->msg = none;
}

void
syslog_msg_parse(struct slice message, int64_t reference_ns,
                 struct syslog_msg *ret)
{
    struct cursor c = cursor_of(trim_end(message));
    uint8_t pri = SYSLOG_DEFAULT_PRI;
    bool strict = false;
    bool has_pri = parse_pri(&c, &pri, &strict);

    struct slice text = cursor_rest(&c);

    clear(ret, has_pri, pri);
    if (!strict || !parse_rfc5424(text, ret)) {
        clear(ret, has_pri, pri);
        if (!parse_rfc3164(text, reference_ns, ret)) {
            clear(ret, has_pri, pri);
            ret->msg = text;
        }
    }

    if (ret->msg.size >= 3 && !memcmp(ret->msg.data, "\xef\xbb\xbf", 3)) {
        ret->msg = slice_of(ret->msg.data + 3, ret->msg.size - 3);
    }
}
