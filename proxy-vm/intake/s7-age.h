/* SPDX-License-Identifier: Apache-2.0
 *
 * Stage 7, age: since when a tenant's oldest batch has been waiting.
 *
 * No wall clock is asked, nor the time in a header, which is of one: from time to
 * time the newest batch is noted with the time since boot, in shared memory, so
 * that a restart of intake forgets nothing.  A batch was put into the spool
 * before the first note of it or of a later one.  So what is found is less than
 * its age, by the time between two notes at most.  After a reboot all batches
 * count from the first look.
 *
 * In: the oldest and the newest batch.  Out: milliseconds.
 * Runs in: sluice-intake. */
#ifndef SLUICE_AGE_H
#define SLUICE_AGE_H 1

#include "spool.h"
#include "stats.h"

/* Returns milliseconds since boot, with those that the machine slept
 * (CLOCK_BOOTTIME).  Tests have another in its place. */
extern uint64_t (*age_boot_ms)(void);

/* Notes 'newest' at 'now_ms', if there is no note in the 'spacing_ms' before or
 * 'oldest' needs one, and returns how long 'oldest' has been waiting, as far as
 * is known. */
uint64_t age_of(struct stats_ages *, const struct spool_item *oldest,
                const struct spool_item *newest, uint64_t now_ms,
                uint64_t spacing_ms);

#endif /* proxy-vm/intake/s7-age.h */
