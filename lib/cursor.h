/* SPDX-License-Identifier: Apache-2.0
 *
 * A cursor over bytes that nobody vouches for.  Its error is sticky: after a
 * read past the end every further read yields zeros and 'failed' stays set, so
 * a parser tests once, at the end.  No other file in this tree does pointer
 * arithmetic on foreign bytes. */
#ifndef SLUICE_CURSOR_H
#define SLUICE_CURSOR_H 1

#include <endian.h>

#include "slice.h"

struct cursor {
    const uint8_t *p;           /* Next byte. */
    size_t left;                /* Bytes from 'p' on. */
    bool failed;                /* A read went past the end. */
};

static inline struct cursor
cursor_of(struct slice s)
{
    return (struct cursor) { .p = s.data, .left = s.size };
}

static inline void
cursor_fail(struct cursor *c)
{
    c->failed = true;
    c->left = 0;
}

/* Takes the next 'n' bytes.  Returns an empty slice and fails the cursor if
 * there are fewer. */
static inline struct slice
cursor_take(struct cursor *c, size_t n)
{
    if (c->failed || n > c->left) {
        cursor_fail(c);
        return slice_of(NULL, 0);
    }
    struct slice s = slice_of(c->p, n);
    if (n) {                    /* 'p' may be null where nothing is left. */
        c->p += n;
        c->left -= n;
    }
    return s;
}

/* Takes everything that is left. */
static inline struct slice
cursor_rest(struct cursor *c)
{
    return cursor_take(c, c->left);
}

/* Takes an unsigned big-endian integer of 'n' bytes, 1 to 8. */
static inline uint64_t
cursor_be(struct cursor *c, size_t n)
{
    struct slice s = cursor_take(c, n);
    uint64_t value = 0;

    for (size_t i = 0; i < s.size; i++) {
        value = value << 8 | s.data[i];
    }
    return value;
}

/* Takes an unsigned little-endian integer of 4 or 8 bytes. */
static inline uint32_t
cursor_le32(struct cursor *c)
{
    struct slice s = cursor_take(c, 4);
    uint32_t value = 0;

    if (s.size) {
        memcpy(&value, s.data, sizeof value);
    }
    return le32toh(value);
}

static inline uint64_t
cursor_le64(struct cursor *c)
{
    struct slice s = cursor_take(c, 8);
    uint64_t value = 0;

    if (s.size) {
        memcpy(&value, s.data, sizeof value);
    }
    return le64toh(value);
}

/* Copies the next 'n' bytes to 'dst', or zeros if there are fewer. */
static inline void
cursor_copy(struct cursor *c, void *dst, size_t n)
{
    struct slice s = cursor_take(c, n);

    if (s.size) {
        memcpy(dst, s.data, s.size);
    } else {
        memset(dst, 0, n);
    }
}

/* Returns the next byte without taking it, or -1 at the end. */
static inline int
cursor_peek(const struct cursor *c)
{
    return c->failed || !c->left ? -1 : *c->p;
}

/* Takes the next byte if it is 'byte'.  Never fails the cursor. */
static inline bool
cursor_match(struct cursor *c, uint8_t byte)
{
    if (cursor_peek(c) != byte) {
        return false;
    }
    cursor_take(c, 1);
    return true;
}

/* Takes bytes up to, not including, the first 'stop', or everything. */
static inline struct slice
cursor_until(struct cursor *c, uint8_t stop)
{
    const uint8_t *hit = c->left ? memchr(c->p, stop, c->left) : NULL;

    return cursor_take(c, hit ? (size_t) (hit - c->p) : c->left);
}

/* Takes the next bytes for which 'classes' has a bit of 'mask'. */
static inline struct slice
cursor_class(struct cursor *c, const uint8_t classes[256], uint8_t mask)
{
    size_t n = 0;

    while (n < c->left && classes[c->p[n]] & mask) {
        n++;
    }
    return cursor_take(c, n);
}

/* The same, and returns in '*ret_common' the bits that 'classes' has for all
 * of the bytes taken. */
static inline struct slice
cursor_class_common(struct cursor *c, const uint8_t classes[256],
                    uint8_t mask, uint8_t *ret_common)
{
    uint8_t common = UINT8_MAX;
    size_t n = 0;

    for (; n < c->left; n++) {
        uint8_t class = classes[c->p[n]];
        if (!(class & mask)) {
            break;
        }
        common &= class;
    }
    *ret_common = common;
    return cursor_take(c, n);
}

/* Takes 'min' to 'max' decimal digits, as many as there are, 'max' being at
 * most 9.  Returns their value.  Fails the cursor if there are fewer; a digit
 * in excess is left for the caller to trip over. */
static inline uint32_t
cursor_digits(struct cursor *c, size_t min, size_t max)
{
    uint32_t value = 0;
    size_t n = 0;

    while (n < max && n < c->left && c->p[n] >= '0' && c->p[n] <= '9') {
        value = value * 10 + (c->p[n++] - '0');
    }
    if (n < min) {
        cursor_fail(c);
        return 0;
    }
    cursor_take(c, n);
    return value;
}

/* Takes the next byte, which must be 'byte': fails the cursor if not. */
static inline void
cursor_expect(struct cursor *c, uint8_t byte)
{
    if (!cursor_match(c, byte)) {
        cursor_fail(c);
    }
}

#endif /* lib/cursor.h */
