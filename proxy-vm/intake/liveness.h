/* SPDX-License-Identifier: Apache-2.0
 *
 * Beside the stages: tells switches that this proxy lives.
 *
 * In: 'packet' and 'vtep' of a record that is a BFD control packet (see
 * lib/bfd.h), from a host that may send.
 * Out: an answer through the tunnel's socket, which goes into no book of log
 * packets. */
#ifndef SLUICE_LIVENESS_H
#define SLUICE_LIVENESS_H 1

#include <stdint.h>

#include "proxy-config.h"
#include "record.h"
#include "s1-receive.h"
#include "stats.h"

struct liveness;

/* Makes it keep at most 'max_sessions' with switches.  Borrows 'receive' and
 * 'stats'.  Returns null if there is no memory. */
struct liveness *liveness_create(uint32_t max_sessions,
                                 struct receive *receive,
                                 struct intake_stats *stats);
void liveness_destroy(struct liveness *);

/* Handles 'rec' if it is BFD's, and returns whether it is.  'liveness' may be
 * null: then nothing is. */
bool liveness_run(struct liveness *, const struct config *,
                  const struct record *);

#endif /* proxy-vm/intake/liveness.h */
