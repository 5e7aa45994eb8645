/* SPDX-License-Identifier: Apache-2.0
 *
 * A borrowed run of bytes.  It never owns what it points to and is not
 * terminated by a null byte. */
#ifndef SLUICE_SLICE_H
#define SLUICE_SLICE_H 1

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct slice {
    const uint8_t *data;        /* May be null when 'size' is 0. */
    size_t size;                /* Bytes. */
};

static inline struct slice
slice_of(const void *data, size_t size)
{
    return (struct slice) { .data = data, .size = size };
}

static inline struct slice
slice_from_string(const char *s)
{
    return slice_of(s, strlen(s));
}

static inline bool
slice_equal(struct slice a, struct slice b)
{
    return a.size == b.size && (!a.size || !memcmp(a.data, b.data, a.size));
}

#endif /* lib/slice.h */
