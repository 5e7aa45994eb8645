/* SPDX-License-Identifier: Apache-2.0
 *
 * Syncs many files at once.  One after the other they would take the time of
 * all of them together; a disk that is given all of them does it in little
 * more than the time of one, since one flush of its cache is for many.
 *
 * In: descriptors.  Out: what became of each.
 * Runs in: all that use the spool. */
#ifndef SLUICE_SYNC_MANY_H
#define SLUICE_SYNC_MANY_H 1

#include <stddef.h>

enum { SYNC_MANY_MAX = 64 };

/* Does fsync() of the 'n' files and directories 'fds', at most SYNC_MANY_MAX,
 * together where the system can (Linux's io_submit(2), in which case the
 * kernel's workers use the CPU time), else one by one.  'errors' gets 0 or a
 * positive errno for each. */
void sync_many(const int fds[], int errors[], size_t n);

#endif /* proxy-vm/common/sync-many.h */
