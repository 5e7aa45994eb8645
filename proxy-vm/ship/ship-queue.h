/* SPDX-License-Identifier: Apache-2.0
 *
 * One tenant's batches from the spool to its server and out of the spool:
 *
 *     waiting --next--> current --sent--> in flight --settled--> gone
 *        ^                 |                  |
 *        +-----------------+------rewind------+   (the session broke)
 *
 * A batch stays in the spool until it is settled: its last byte has left the
 * kernel's send queue, and the hold time has passed since without the session
 * breaking.  What can't be sent at all is quarantined instead.
 *
 * The books are kept to the unit over any kill: the counters that a batch
 * changes when it leaves are written to the journal beforehand.
 *
 * In: a spool; how far a session has got.
 * Out: batches to send, in order; counters.
 * Runs in: sluice-ship. */
#ifndef SLUICE_SHIP_QUEUE_H
#define SLUICE_SHIP_QUEUE_H 1

#include "ship-batch.h"
#include "spool.h"
#include "stats.h"

struct ship_queue;

/* Returns the queue of 'tenant', which borrows the rest for as long as it
 * lives.  Puts 'stats' in order first if a kill had left them otherwise. */
struct ship_queue *ship_queue_create(struct spool *, uint32_t tenant,
                                     const struct seal_key *,
                                     const char *sd_id, uint32_t hold_ms,
                                     struct ship_stats *stats);
void ship_queue_destroy(struct ship_queue *);

/* Returns 0 if a batch is waiting, ENOENT if none is, or another positive
 * errno.  For the time when no session is open. */
int ship_queue_check(struct ship_queue *);

/* Opens the next waiting batch, which becomes the current one.  Returns 0 and
 * the batch, which stays the queue's; ENOENT if none is waiting; EAGAIN if one
 * was quarantined, or for another reason at once the next may be tried;
 * EBUSY if too many are in flight; or another positive errno. */
int ship_queue_next(struct ship_queue *, struct ship_batch **ret);

/* The current batch was given to the kernel; 'end' is the number of bytes of
 * this session that went up to there. */
void ship_queue_sent(struct ship_queue *, uint64_t end);

/* Settles some of what may be settled, 'delivered' bytes of this session being
 * gone from the kernel's send queue, and it being open still.  Returns 0 or
 * a positive errno: then the batch concerned stays in flight. */
int ship_queue_settle(struct ship_queue *, uint64_t delivered);

/* Wakes the poll loop when a batch's hold time ends. */
void ship_queue_wait(const struct ship_queue *);

/* The session broke: everything not settled waits again. */
void ship_queue_rewind(struct ship_queue *);

/* Batches in flight. */
unsigned int ship_queue_n_in_flight(const struct ship_queue *);

/* Batches settled, and quarantined, since the queue was made. */
uint64_t ship_queue_n_settled(const struct ship_queue *);
uint64_t ship_queue_n_quarantined(const struct ship_queue *);

#endif /* proxy-vm/ship/ship-queue.h */
