/* SPDX-License-Identifier: Apache-2.0
 *
 * Where a VM ran of late: what its values say of that, made from what the
 * snapshot before said of it.
 *
 * Runs in: sluice-context. */
#ifndef SLUICE_MIGRATIONS_H
#define SLUICE_MIGRATIONS_H 1

#include "context-view.h"

/* Its key, and who says so. */
#define MIGRATIONS_KEY "migrations"
#define MIGRATIONS_SOURCE "sluice"

enum { MIGRATIONS_MAX = 3 };

/* How long one is told of. */
#define MIGRATIONS_NS (UINT64_C(24) * 3600 * 1000000000)

/* Returns the value, malloc()ed, or null if there is nothing to tell: up to
 * MIGRATIONS_MAX times "TIME HOST > HOST" with "; " between, the latest first.
 * 'earlier' is the VM's record in the snapshot before, or empty, and 'host'
 * where it runs now, or null if that is not known. */
char *migrations_tell(struct slice earlier, const char *host,
                      uint64_t now_ns);

#endif /* proxy-vm/context/migrations.h */
