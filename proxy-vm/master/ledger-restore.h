/* SPDX-License-Identifier: Apache-2.0
 *
 * The books after a loss of the run directory: by a reboot, a power cut, or a
 * version that counts otherwise.  What the ledger says is brought into line
 * with what the spool really holds:
 *
 * - batches that are in the ledger and not in the spool any more have been
 *   shipped since it was written;
 * - lines in the spool that the ledger knows nothing of were received since;
 * - lines that had been received and are nowhere were in batches that were
 *   open, or not synced: a power cut took them.
 *
 * In: STATE/ledger; the spool.
 * Out: RUN/intake/intake.stats, RUN/ship-*.stats, where there are none.
 * Runs in: sluiced, while no other program does. */
#ifndef SLUICE_LEDGER_RESTORE_H
#define SLUICE_LEDGER_RESTORE_H 1

struct config;
struct spool;

/* Returns null or a malloc()ed sentence. */
char *ledger_restore(const struct config *, struct spool *);

#endif /* proxy-vm/master/ledger-restore.h */
