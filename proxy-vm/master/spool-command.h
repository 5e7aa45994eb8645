/* SPDX-License-Identifier: Apache-2.0
 *
 * What an operator does to batches in the spool, so that the books stay exact
 * whoever is killed when, and no shipper has the batch in hand meanwhile:
 *
 *     begin --(EAGAIN: ask again)--> drop or put back --> end
 *
 * The shipper of the queue holds it while it has batches in hand.  It is asked
 * to take no further ones; what it has leaves or comes back, and then the queue
 * is free.
 *
 * In: a batch.
 * Out: the spool; counters of the queue; what intake is to announce.
 * Runs in: sluiced. */
#ifndef SLUICE_SPOOL_COMMAND_H
#define SLUICE_SPOOL_COMMAND_H 1

#include "spool.h"
#include "stats.h"

struct config;
struct master;

struct spool_command {
    struct master *master;      /* Borrowed. */
    struct spool_queue queue;
    struct ship_stats *stats;
    int fd;                     /* By which the queue is held. */
};

/* Holds 'queue'.  Returns 0; EAGAIN if its shipper has batches in hand, which
 * now hurries to be done with them; or another positive errno. */
int spool_command_begin(struct master *, const struct spool_queue *queue,
                        struct spool_command *);
void spool_command_end(struct spool_command *);

/* Deletes 'item', of 'n_lines', for good, and has that announced.  Returns 0 or
 * a positive errno: ENOENT if it is gone. */
int spool_command_drop(struct spool_command *, const struct spool_item *item,
                       uint32_t n_lines);

/* Puts 'item' from quarantine back into the queue; one that waits there is left
 * there.  The shipper begins again with the oldest.  Returns 0 or a positive
 * errno. */
int spool_command_replay(struct spool_command *,
                         const struct spool_item *item, uint32_t n_lines);

/* Sets right what a kill of sluiced left half done; before any shipper runs. */
void spool_command_recover(const struct config *, struct spool *);

#endif /* proxy-vm/master/spool-command.h */
