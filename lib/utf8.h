/* SPDX-License-Identifier: Apache-2.0
 *
 * UTF-8 (RFC 3629), strictly: no overlong forms, no surrogates, nothing above
 * U+10FFFF; and what of it may reach a terminal. */
#ifndef SLUICE_UTF8_H
#define SLUICE_UTF8_H 1

#include "cursor.h"

/* Returns the size of the sequence that 'lead' begins, and in '*ret_min' and
 * '*ret_max' what its second byte may be; 0 if it begins none. */
static inline size_t
utf8_sequence(uint8_t lead, uint8_t *ret_min, uint8_t *ret_max)
{
    *ret_min = lead == 0xe0 ? 0xa0 : lead == 0xf0 ? 0x90 : 0x80;
    *ret_max = lead == 0xed ? 0x9f : lead == 0xf4 ? 0x8f : 0xbf;
    return (lead < 0x80 ? 1
            : lead < 0xc2 ? 0
            : lead < 0xe0 ? 2
            : lead < 0xf0 ? 3
            : lead < 0xf5 ? 4
            : 0);
}

/* Takes one character off 'c', which must not be at its end, and returns its
 * code point.  Returns -1 and takes as many bytes as one U+FFFD stands for
 * (the longest start of a sequence, at least one byte) if they are not a
 * character. */
static inline int32_t
utf8_take(struct cursor *c)
{
    uint8_t lead = cursor_be(c, 1);
    uint8_t min, max;
    size_t size = utf8_sequence(lead, &min, &max);

    if (size <= 1) {
        return size ? lead : -1;
    }

    int32_t code = lead & (0x7f >> size);
    for (size_t i = 1; i < size; i++) {
        int next = cursor_peek(c);
        if (next < min || next > max) {
            return -1;
        }
        code = code << 6 | (next & 0x3f);
        cursor_take(c, 1);
        min = 0x80;
        max = 0xbf;
    }
    return code;
}

/* Returns true if all of 's' is UTF-8. */
static inline bool
utf8_is_valid(struct slice s)
{
    struct cursor c = cursor_of(s);

    while (c.left) {
        uint64_t word;
        if (c.left >= sizeof word) {
            memcpy(&word, c.p, sizeof word);
            if (!(word & UINT64_C(0x8080808080808080))) {
                cursor_take(&c, sizeof word);
                continue;
            }
        }
        if (*c.p < 0x80) {
            cursor_take(&c, 1);
        } else if (utf8_take(&c) < 0) {
            return false;
        }
    }
    return true;
}

/* Takes as utf8_take() does.  Returns whether it is a character that may reach
 * a terminal: no control, no line end of Unicode's, and nothing that turns the
 * direction of writing. */
static inline bool
utf8_take_printable(struct cursor *c)
{
    int32_t code = utf8_take(c);

    return !(code < 0x20 || (code >= 0x7f && code < 0xa0) /* C0, DEL, C1. */
             || code == 0x61c || code == 0x200e || code == 0x200f
             || (code >= 0x2028 && code <= 0x202e) /* Lines, directions. */
             || (code >= 0x2066 && code <= 0x2069));
}

/* Puts '?' in the place of each byte of 's' that may not reach a terminal. */
static inline void
utf8_make_printable(char *s)
{
    struct cursor c = cursor_of(slice_from_string(s));

    for (size_t n = c.left; c.left; ) {
        size_t start = n - c.left;

        if (!utf8_take_printable(&c)) {
            memset(s + start, '?', n - c.left - start);
        }
    }
}

#endif /* lib/utf8.h */
