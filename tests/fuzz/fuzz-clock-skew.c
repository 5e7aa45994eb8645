/* SPDX-License-Identifier: Apache-2.0
 *
 * Fuzzes the estimate of how far a guest's clock is off, with times of any
 * kind.  The input is a row of messages, each of 17 bytes: whether it has a
 * zone, what it claims, and when the switch saw it.  The estimate lies between
 * the samples that it comes from, half of which are on either side. */
#include <stdlib.h>

#include "clock-skew.h"
#include "cursor.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Whether a median of 's' may be 'ms' while up to 'n_newer' samples have come
 * since it was taken. */
static bool
is_median(const struct clock_skew *s, int64_t ms, uint32_t n_newer)
{
    uint32_t n_below = 0, n_above = 0;

    for (uint32_t i = 0; i < s->n; i++) {
        n_below += s->ms[i] < ms;
        n_above += s->ms[i] > ms;
    }
    return n_below <= s->n / 2 + n_newer && n_above <= s->n / 2 + n_newer;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct cursor c = cursor_of(slice_of(data, size));
    struct clock_skew s;

    memset(&s, 0, sizeof s);
    while (c.left >= 17) {
        bool has_zone = cursor_be(&c, 1) & 1;
        int64_t claimed_ns = (int64_t) cursor_be(&c, 8);
        int64_t switch_ns = (int64_t) cursor_be(&c, 8);
        int64_t ms = -42;

        clock_skew_add(&s, claimed_ns, has_zone, switch_ns);
        bool is_known = clock_skew_get(&s, &ms);
        if (s.n > CLOCK_SKEW_WINDOW || s.next >= CLOCK_SKEW_WINDOW
            || is_known != (s.n >= CLOCK_SKEW_MIN)
            || (!is_known && ms != -42)
            || (is_known && !is_median(&s, ms, s.n_since))) {
            abort();
        }
    }
    return 0;
}
