/* SPDX-License-Identifier: Apache-2.0
 *
 * Writes text into a buffer that may be too small: bytes, numbers, times,
 * addresses.
 *
 * In: values.  Out: their text; what does not fit fails the whole.
 * Runs in: sluice-ship, for each line, which is why all is inline. */
#ifndef SLUICE_TEXT_OUT_H
#define SLUICE_TEXT_OUT_H 1

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "civil.h"
#include "slice.h"

/* Where output goes.  What does not fit fails it for good. */
struct out {
    uint8_t *p;
    size_t left;
    bool failed;
};

static inline void
out_fail(struct out *o)
{
    o->failed = true;
    o->left = 0;
}

/* Returns what 'o' took since it stood at 'start'. */
static inline struct slice
out_since(const uint8_t *start, const struct out *o)
{
    return slice_of(start, o->p - start);
}

static inline void
put(struct out *o, const void *data, size_t size)
{
    if (size > o->left) {
        out_fail(o);
    } else if (size) {
        memcpy(o->p, data, size);
        o->p += size;
        o->left -= size;
    }
}

static inline void
put_slice(struct out *o, struct slice s)
{
    put(o, s.data, s.size);
}

static inline void
put_byte(struct out *o, uint8_t byte)
{
    put(o, &byte, 1);
}

/* Returns room for 'size' bytes that the caller must write, or null if there
 * is none.  To write digits to their place is faster than to copy them there:
 * the processor waits before it loads a word that was just stored byte by
 * byte. */
static inline uint8_t *
take_room(struct out *o, size_t size)
{
    if (size > o->left) {
        out_fail(o);
        return NULL;
    }
    uint8_t *p = o->p;
    o->p += size;
    o->left -= size;
    return p;
}

/* The numbers below 100, two digits each: half as many divisions, which depend
 * on each other and are most of what a number costs. */
static const char pairs[] =
    "00010203040506070809101112131415161718192021222324"
    "25262728293031323334353637383940414243444546474849"
    "50515253545556575859606162636465666768697071727374"
    "75767778798081828384858687888990919293949596979899";

/* Writes 'value', at most 99, in two digits. */
static inline void
format_pair(uint8_t *p, uint32_t value)
{
    memcpy(p, &pairs[value * 2], 2);
}

/* Writes 'value', at most 999, in three digits. */
static inline void
format_triple(uint8_t *p, uint32_t value)
{
    p[0] = '0' + value / 100;
    format_pair(p + 1, value % 100);
}

/* Returns the number of decimal digits of 'value'. */
static inline size_t
count_digits(uint32_t value)
{
    size_t n = 1;

    for (uint64_t limit = 10; value >= limit; limit *= 10) {
        n++;
    }
    return n;
}

/* Writes 'value' in 'n' digits, which must be count_digits() of it. */
static inline void
format_decimal(uint8_t *p, uint32_t value, size_t n)
{
    for (; n > 1; n -= 2) {
        format_pair(p + n - 2, value % 100);
        value /= 100;
    }
    if (n) {
        p[0] = '0' + value;
    }
}

static inline void
put_decimal(struct out *o, uint32_t value)
{
    size_t n = count_digits(value);
    uint8_t *p = take_room(o, n);

    if (p) {
        format_decimal(p, value, n);
    }
}

/* As put_decimal(), for the few figures that may be larger. */
static inline void
put_decimal64(struct out *o, uint64_t value)
{
    uint8_t text[20];
    size_t n = 0;

    do {
        text[sizeof text - ++n] = '0' + value % 10;
        value /= 10;
    } while (value);
    put(o, text + sizeof text - n, n);
}

static inline void
put_hex(struct out *o, struct slice s)
{
    static const char digits[] = "0123456789abcdef";

    uint8_t *p = take_room(o, s.size * 2);
    for (size_t i = 0; p && i < s.size; i++) {
        *p++ = digits[s.data[i] >> 4];
        *p++ = digits[s.data[i] & 15];
    }
}

/* Puts the time 'ns' nanoseconds after second 's' of the Unix epoch, in UTC,
 * with 'n_digits' digits of fraction, 6 or 9. */
static inline void
put_time(struct out *o, int64_t s, uint32_t ns, size_t n_digits)
{
    uint32_t of_day;
    struct civil date = civil_from_days(civil_split(s, S_PER_DAY, &of_day));
    uint8_t *p = take_room(o, sizeof "yyyy-mm-ddThh:mm:ss." + n_digits);

    if (!p) {
        return;
    }
    format_pair(p, date.year / 100);
    format_pair(p + 2, date.year % 100);
    p[4] = '-';
    format_pair(p + 5, date.month);
    p[7] = '-';
    format_pair(p + 8, date.day);
    p[10] = 'T';
    format_pair(p + 11, of_day / 3600);
    p[13] = ':';
    format_pair(p + 14, of_day / 60 % 60);
    p[16] = ':';
    format_pair(p + 17, of_day % 60);
    p[19] = '.';
    format_triple(p + 20, ns / 1000000);
    format_triple(p + 23, ns / 1000 % 1000);
    if (n_digits == 9) {
        format_triple(p + 26, ns % 1000);
    }
    p[20 + n_digits] = 'Z';
}

static inline void
put_uuid(struct out *o, const uint8_t uuid[16])
{
    for (size_t i = 0; i < 16; i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10) {
            put_byte(o, '-');
        }
        put_hex(o, slice_of(&uuid[i], 1));
    }
}

static inline void
put_mac(struct out *o, const uint8_t mac[6])
{
    for (size_t i = 0; i < 6; i++) {
        if (i) {
            put_byte(o, ':');
        }
        put_hex(o, slice_of(&mac[i], 1));
    }
}

static inline void
put_ipv4(struct out *o, const uint8_t ip[4])
{
    for (size_t i = 0; i < 4; i++) {
        if (i) {
            put_byte(o, '.');
        }
        put_decimal(o, ip[i]);
    }
}

/* Puts an IPv6 address as RFC 5952 section 4 wants it. */
static inline void
put_ipv6(struct out *o, const uint8_t ip[16])
{
    size_t best = 8, n_best = 1;    /* Longest run of zeros, of two or more. */
    uint16_t group[8];

    for (size_t i = 0; i < 8; i++) {
        group[i] = ip[i * 2] << 8 | ip[i * 2 + 1];
    }
    for (size_t i = 0; i < 8; i++) {
        size_t n = 0;
        while (i + n < 8 && !group[i + n]) {
            n++;
        }
        if (n > n_best) {
            best = i;
            n_best = n;
        }
    }

    for (size_t i = 0; i < 8; i++) {
        if (i == best) {
            put(o, "::", 2);
            i += n_best - 1;
            continue;
        }
        if (i && i != best + n_best) {
            put_byte(o, ':');
        }
        const uint8_t bytes[2] = { group[i] >> 8, group[i] & 0xff };
        uint8_t text[4];
        struct out hex = { .p = text, .left = sizeof text };
        put_hex(&hex, slice_of(bytes, 2));
        size_t skip = 0;
        while (skip < 3 && text[skip] == '0') {
            skip++;
        }
        put(o, text + skip, 4 - skip);
    }
}

/* Puts an address of 4 or 16 bytes. */
static inline void
put_ip(struct out *o, struct slice ip)
{
    static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };

    if (ip.size == 4) {
        put_ipv4(o, ip.data);
    } else if (!memcmp(ip.data, mapped, sizeof mapped)) {
        put_ipv4(o, ip.data + sizeof mapped);
    } else {
        put_ipv6(o, ip.data);
    }
}

#endif /* lib/text-out.h */
