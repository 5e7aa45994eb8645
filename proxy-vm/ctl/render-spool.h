/* SPDX-License-Identifier: Apache-2.0
 *
 * Shows batches in the spool to people.
 *
 * Runs in: sluicectl. */
#ifndef SLUICE_RENDER_SPOOL_H
#define SLUICE_RENDER_SPOOL_H 1

#include "control.pb-c.h"

struct ds;

/* Append a table of all batches in the answer, and what is known of one. */
void render_batches(const Sluice__Response *, uint64_t now_ns, struct ds *out);
void render_batch(const Sluice__SpoolBatch *, uint64_t now_ns, struct ds *out);

#endif /* proxy-vm/ctl/render-spool.h */
