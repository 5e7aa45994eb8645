/* SPDX-License-Identifier: Apache-2.0
 *
 * A cursor over bytes that nobody vouches for.  Its error is sticky: after a
 * read past the end every further read yields zeros and 'failed' stays set, so
 * a parser tests once, at the end.  No other file in this tree does pointer
 * arithmetic on foreign bytes. */
#ifndef SLUICE_CURSOR_H
#define SLUICE_CURSOR_H 1

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

/* Takes the next 'n' bytes.  Returns an empty slice and fails the cursor if
 * there are fewer. */
static inline struct slice
cursor_take(struct cursor *c, size_t n)
{
    if (c->failed || n > c->left) {
        c->failed = true;
        c->left = 0;
        return slice_of(NULL, 0);
    }
    struct slice s = slice_of(c->p, n);
    c->p += n;
    c->left -= n;
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

#endif /* lib/cursor.h */
