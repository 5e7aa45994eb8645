/* SPDX-License-Identifier: Apache-2.0
 *
 * What a source said in an earlier run, taken from the snapshot of that, until
 * it says something in this one: a restart forgets nothing while a manager is
 * away.
 *
 * In: a snapshot, nothing in it trusted.  Out: facts to merge.
 * Runs in: sluice-context. */
#ifndef SLUICE_EARLIER_H
#define SLUICE_EARLIER_H 1

#include "merge.h"

struct earlier;

/* Reads, once, what 'snapshot' has of the 'n' sources of those names, and
 * returns it, which the caller owns.  The snapshot may be closed. */
struct earlier *earlier_read(const struct snapshot *snapshot,
                             const char *const *sources, size_t n);
void earlier_destroy(struct earlier *);

/* Adds the VMs that 'source' knew, with the keys that it named.  'rank' is
 * that of the source: the operator's VMs keep their tenants. */
void earlier_put(const struct earlier *, const char *source,
                 enum source_rank rank, struct merge *);

#endif /* proxy-vm/context/earlier.h */
