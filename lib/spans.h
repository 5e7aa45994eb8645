/* SPDX-License-Identifier: Apache-2.0
 *
 * Which bytes of a stream or datagram have come: disjoint ranges of offsets,
 * in order, that do not touch.
 *
 *     base      |    first      |    |   second   |
 *     ..........AAAAAAAAAAAAAAAAA    BBBBBBBBBBBBBB
 *               ^ n > 0 and ranges[0].from == base: contiguous from there
 *
 * Plain data without pointers: it may live in a mapped file.
 *
 * Runs in: sluice-intake. */
#ifndef SLUICE_SPANS_H
#define SLUICE_SPANS_H 1

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { SPANS_MAX = 16 };

struct span {
    uint64_t from;
    uint64_t to;                /* Behind the last. */
};

struct spans {
    uint32_t n;
    struct span ranges[SPANS_MAX];
};

/* Finds the first part of ['from', 'to') that has not come: returns true and
 * '*ret', or false if all of it has. */
bool spans_next_missing(const struct spans *, uint64_t from, uint64_t to,
                        struct span *ret);

/* Adds ['from', 'to').  Returns false, and changes nothing, if that would make
 * more than SPANS_MAX ranges. */
bool spans_add(struct spans *, uint64_t from, uint64_t to);

/* Forgets all before 'base'. */
void spans_forget(struct spans *, uint64_t base);

/* Returns the end of the range that has 'base' in it, or 'base'. */
uint64_t spans_contiguous(const struct spans *, uint64_t base);

/* Returns how many bytes have come. */
uint64_t spans_bytes(const struct spans *);

#endif /* lib/spans.h */
