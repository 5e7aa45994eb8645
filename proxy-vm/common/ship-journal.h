/* SPDX-License-Identifier: Apache-2.0
 *
 * What ship writes down in its counters, so that the books are right to the
 * unit after a kill at any moment, and after a power cut.
 *
 * A batch leaves its queue between begin and end.  A process that finds a
 * batch leaving looks into the spool whether it has left.  A power cut may
 * bring back what has left since the latest sync; so what goes into the ledger
 * on disk are the counters as of that sync.
 *
 * In: batches that leave.  Out: counters.
 * Runs in: sluice-ship; sluiced, where an operator drops batches. */
#ifndef SLUICE_SHIP_JOURNAL_H
#define SLUICE_SHIP_JOURNAL_H 1

#include "spool.h"
#include "stats.h"

/* Writes down how the counters will be, by 'add', once 'item' has left. */
void ship_journal_begin(struct ship_stats *, const struct spool_item *item,
                        const uint64_t add[N_SHIP_COUNTERS]);

/* The item has left, or, with 'left' false, it has not. */
void ship_journal_end(struct ship_stats *, bool left);

/* Ends what a kill or an error left open, by a look into the spool.  Returns
 * true if the item has left. */
bool ship_journal_recover(struct ship_stats *, struct spool *,
                          const struct spool_queue *);

/* Notes that the batch with this id has left: an intake that was killed may
 * put it into the queue once more. */
void ship_journal_note_left(struct ship_stats *, uint64_t generation,
                            uint64_t number);

/* All that has left has left for good. */
void ship_journal_synced(struct ship_stats *);

/* Returns true if 'item' left the queue before. */
bool ship_journal_has_left(const struct ship_stats *,
                           const struct spool_item *);

/* Notes that 'item' begins to be sent, and counts its 'n_lines' if that
 * happens again. */
void ship_journal_sending(struct ship_stats *, const struct spool_item *,
                          uint32_t n_lines);

#endif /* proxy-vm/common/ship-journal.h */
