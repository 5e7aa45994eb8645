/* SPDX-License-Identifier: Apache-2.0
 *
 * Which bytes have come.  See spans.h. */
#include "spans.h"

#include <string.h>

static uint64_t
larger(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

static uint64_t
smaller(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

bool
spans_next_missing(const struct spans *s, uint64_t from, uint64_t to,
                   struct span *ret)
{
    for (uint32_t i = 0; i < s->n && from < to; i++) {
        if (s->ranges[i].from > from) {
            to = smaller(to, s->ranges[i].from);
            break;
        }
        from = larger(from, s->ranges[i].to);
    }
    if (from >= to) {
        return false;
    }
    *ret = (struct span) { from, to };
    return true;
}

/* Makes 'n' ranges from 'first' on one: 'span'; if 'n' is 0, a new one. */
static void
replace(struct spans *s, uint32_t first, uint32_t n, struct span span)
{
    memmove(&s->ranges[first + 1], &s->ranges[first + n],
            (s->n - first - n) * sizeof *s->ranges);
    s->ranges[first] = span;
    s->n = s->n - n + 1;
}

bool
spans_add(struct spans *s, uint64_t from, uint64_t to)
{
    struct span span = { from, to };
    uint32_t first = 0, n = 0;

    if (from >= to) {
        return true;
    }
    while (first < s->n && s->ranges[first].to < from) {
        first++;
    }
    while (first + n < s->n && s->ranges[first + n].from <= to) {
        span.from = smaller(span.from, s->ranges[first + n].from);
        span.to = larger(span.to, s->ranges[first + n].to);
        n++;
    }
    if (!n && s->n >= SPANS_MAX) {
        return false;
    }
    replace(s, first, n, span);
    return true;
}

void
spans_forget(struct spans *s, uint64_t base)
{
    uint32_t n = 0;

    while (n < s->n && s->ranges[n].to <= base) {
        n++;
    }
    s->n -= n;
    memmove(&s->ranges[0], &s->ranges[n], s->n * sizeof *s->ranges);
    if (s->n) {
        s->ranges[0].from = larger(s->ranges[0].from, base);
    }
}

uint64_t
spans_contiguous(const struct spans *s, uint64_t base)
{
    for (uint32_t i = 0; i < s->n; i++) {
        if (s->ranges[i].from <= base && base < s->ranges[i].to) {
            return s->ranges[i].to;
        }
    }
    return base;
}

uint64_t
spans_bytes(const struct spans *s)
{
    uint64_t n = 0;

    for (uint32_t i = 0; i < s->n; i++) {
        n += s->ranges[i].to - s->ranges[i].from;
    }
    return n;
}
