/* SPDX-License-Identifier: Apache-2.0
 *
 * Stage 5, claims: holds what a message says of its sender against what is
 * known: its time against the switch's.
 *
 * In: 'msg', 'switch_ns', 'source' of a record.
 * Out: 'clock_skew_ms' of the record; the source's estimate, also in shared
 * memory. */
#ifndef SLUICE_CLAIMS_H
#define SLUICE_CLAIMS_H 1

#include "s3-account.h"

/* How far a clock may be off before lines tell it, unless configured. */
enum { CLAIMS_CLOCK_SKEW_MS = 2000 };

/* Lines tell a skew of 'threshold_ms' or more. */
void claims_run(struct record *, uint32_t threshold_ms);

#endif /* proxy-vm/intake/s5-claims.h */
