/* SPDX-License-Identifier: Apache-2.0
 *
 * What changed of what is known about VMs: between two context snapshots, or
 * within one since an earlier time.  What was measured is no change, see
 * context_is_same().
 *
 * In: snapshots, nothing in them trusted.  Out: records before and after.
 * Runs in: sluiced, sluice-context. */
#ifndef SLUICE_CONTEXT_DIFF_H
#define SLUICE_CONTEXT_DIFF_H 1

#include "context-snapshot.h"

/* Takes a change of a VM: 'before' is empty if it is new, 'after' if it is
 * gone.  Returns false to have no more. */
typedef bool context_change_cb(struct slice before, struct slice after,
                               void *aux);

/* Calls 'cb' for each VM that 'before' and 'after' say something else of. */
void context_diff(const struct snapshot *before, const struct snapshot *after,
                  context_change_cb *, void *aux);

/* The same for what 's' knows now and knew at 'since_ns' (Unix epoch), as far
 * as its history goes.  A VM of which nothing was known before is none: what
 * is known of it first holds for its earlier lines. */
void context_diff_since(const struct snapshot *s, uint64_t since_ns,
                        context_change_cb *, void *aux);

#endif /* proxy-vm/common/context-diff.h */
