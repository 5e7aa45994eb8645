/* SPDX-License-Identifier: Apache-2.0
 *
 * Estimates how far a guest's clock is off; see clock-skew.h. */
#include "clock-skew.h"

#include <string.h>

#define NS_PER_MS INT64_C(1000000)
#define QUARTER_MS (INT64_C(15) * 60 * 1000)
#define MAX_ZONE_MS (INT64_C(14) * 3600 * 1000)

/* A full window is looked at again after so many samples. */
enum { EVERY = 16 };

/* Takes the zone that 'ms' may have in it off. */
static int64_t
without_zone(int64_t ms)
{
    int64_t half = ms < 0 ? -QUARTER_MS / 2 : QUARTER_MS / 2;
    int64_t zone = (ms + half) / QUARTER_MS * QUARTER_MS;

    return zone >= -MAX_ZONE_MS && zone <= MAX_ZONE_MS ? ms - zone : ms;
}

static int64_t
find_median(const struct clock_skew *s)
{
    int64_t sorted[CLOCK_SKEW_WINDOW];

    for (uint32_t i = 0; i < s->n; i++) {
        uint32_t at = i;
        for (; at > 0 && sorted[at - 1] > s->ms[i]; at--) {
            sorted[at] = sorted[at - 1];
        }
        sorted[at] = s->ms[i];
    }
    return sorted[s->n / 2];
}

void
clock_skew_add(struct clock_skew *s, int64_t claimed_ns, bool has_zone,
               int64_t switch_ns)
{
    /* In milliseconds, in which no difference of two such times overflows. */
    int64_t ms = claimed_ns / NS_PER_MS - switch_ns / NS_PER_MS;

    if (!has_zone && s->has_zone && s->n_ignored++ < CLOCK_SKEW_PATIENCE) {
        return;
    }
    if (has_zone != s->has_zone) {
        memset(s, 0, sizeof *s);
        s->has_zone = has_zone;
    }
    s->n_ignored = 0;
    if (claimed_ns % (1000 * NS_PER_MS) == 0) {
        ms += 500;
    }

    s->ms[s->next] = has_zone ? ms : without_zone(ms);
    s->next = (s->next + 1) % CLOCK_SKEW_WINDOW;
    if (s->n < CLOCK_SKEW_WINDOW) {
        s->n++;
    }
    if (++s->n_since >= EVERY || s->n < CLOCK_SKEW_WINDOW) {
        s->n_since = 0;
        s->median_ms = find_median(s);
    }
}

bool
clock_skew_get(const struct clock_skew *s, int64_t *ret_ms)
{
    if (s->n < CLOCK_SKEW_MIN) {
        return false;
    }
    *ret_ms = s->median_ms;
    return true;
}
