/* SPDX-License-Identifier: Apache-2.0
 *
 * Estimates how far a guest's clock is off, from the times that its messages
 * claim and those at which the switch saw them.
 *
 * In: both times of each message that has one.
 * Out: the median of the latest differences, so that neither an old message
 * sent late nor one with a wrong date decides.
 * Runs in: sluice-intake. */
#ifndef SLUICE_CLOCK_SKEW_H
#define SLUICE_CLOCK_SKEW_H 1

#include <stdbool.h>
#include <stdint.h>

enum {
    CLOCK_SKEW_WINDOW = 31,     /* The median is of so many samples... */
    CLOCK_SKEW_MIN = 5,         /* ...and of no fewer than these. */
    CLOCK_SKEW_PATIENCE = 1000, /* See clock_skew_add(). */
};

/* All zeros is a valid one, without samples. */
struct clock_skew {
    int64_t ms[CLOCK_SKEW_WINDOW];
    uint32_t n;                 /* Samples in 'ms'. */
    uint32_t next;              /* Where the next one goes. */
    uint32_t n_since;           /* Samples since the median was taken. */
    uint32_t n_ignored;         /* Since the latest sample with a zone. */
    bool has_zone;              /* Of all samples. */
    int64_t median_ms;
};

/* Adds a message that the switch saw at 'switch_ns' and that claims
 * 'claimed_ns'.
 *
 * A time without a zone may be of any, which is told from a skew by nothing
 * but its size: zones are whole quarters of an hour, so that the nearest of
 * these, up to 14 hours, is taken off.  Once a guest sends times with a zone
 * those without are ignored, until it has sent CLOCK_SKEW_PATIENCE of these
 * alone.  A time in whole seconds is, on average, half a second later. */
void clock_skew_add(struct clock_skew *, int64_t claimed_ns, bool has_zone,
                    int64_t switch_ns);

/* Returns true and in '*ret_ms' by how much the guest's clock is ahead, or
 * false while that is not known. */
bool clock_skew_get(const struct clock_skew *, int64_t *ret_ms);

#endif /* lib/clock-skew.h */
