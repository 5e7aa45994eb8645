/* SPDX-License-Identifier: Apache-2.0
 *
 * The batches of one of a tenant's queues from the spool to its server and out
 * of the spool:
 *
 *     waiting --next--> current --sent--> in flight --settled--> gone
 *        ^                 |                  |
 *        +-----------------+------rewind------+   (the session broke)
 *
 * A batch stays in the spool until it is settled: its last byte was delivered,
 * as far as the output can tell, and the hold time has passed since without
 * the session breaking.  What can't be sent at all is quarantined instead.
 *
 * While batches are in hand the queue is held, so that sluiced does nothing to
 * one of them.  When it wants to, no further ones are taken until the queue
 * was free.
 *
 * The books are kept to the unit over any kill: the counters that a batch
 * changes when it leaves are written to the journal beforehand
 * (ship-journal.h).
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

/* Returns what ships 'queue', and borrows the rest for as long as it
 * lives.  Puts 'stats' in order first if a kill had left them otherwise. */
struct ship_queue *ship_queue_create(struct spool *,
                                     const struct spool_queue *queue,
                                     const struct seal_key *,
                                     const char *sd_id,
                                     struct ship_stats *stats);
void ship_queue_destroy(struct ship_queue *);

/* A session begins: from now on batches are rendered in 'form' and held for
 * 'hold_ms' once they are delivered.  Everything not settled waits again. */
void ship_queue_begin(struct ship_queue *, const struct ship_form *form,
                      uint32_t hold_ms);

/* Returns 0 if a batch is waiting and may be taken, ENOENT if none is, or
 * another positive errno.  For the time when no session is open. */
int ship_queue_check(struct ship_queue *);

/* Opens the next waiting batch, which becomes the current one.  Returns 0 and
 * the batch, which stays the queue's; ENOENT if none is waiting; EAGAIN if one
 * was quarantined, or for another reason at once the next may be tried;
 * EBUSY if too many are in flight; or another positive errno. */
int ship_queue_next(struct ship_queue *, struct ship_batch **ret);

/* The current batch was given to the output; 'end' is the number of bytes of
 * this session that went up to there. */
void ship_queue_sent(struct ship_queue *, uint64_t end);

/* Settles some of what may be settled, 'delivered' bytes of this session
 * having arrived, and it being open still.  Returns 0 or a positive errno:
 * then the batch concerned stays in flight. */
int ship_queue_settle(struct ship_queue *, uint64_t delivered);

/* The destination says of the batch that ends at 'end', before it is settled,
 * that it took 'n_lines' of its lines, the others being for other queues; or
 * that 'n' are beyond its limits, so that they are dropped; or that it will
 * never take it, so that it is quarantined.  All return 0; EAGAIN while
 * batches before it are to be settled or it was not noted as sent yet; or
 * another positive errno: then it stays in flight. */
int ship_queue_count(struct ship_queue *, uint64_t end, uint32_t n_lines);
int ship_queue_drop(struct ship_queue *, uint64_t end, uint32_t n);
int ship_queue_refuse(struct ship_queue *, uint64_t end, const char *reason);

/* Wakes the poll loop when a batch's hold time ends. */
void ship_queue_wait(const struct ship_queue *);

/* Sees to it that a power cut does not bring back batches that were settled,
 * once there are many or it is time, so that there are never more than 64 and
 * none for longer than 0.5 s, if nothing else keeps the process busy.  To be
 * called in each turn of the poll loop, whatever becomes of sessions. */
void ship_queue_sync(struct ship_queue *);
void ship_queue_wait_sync(const struct ship_queue *);

/* The session broke: everything not settled waits again. */
void ship_queue_rewind(struct ship_queue *);

/* Batches in flight. */
unsigned int ship_queue_n_in_flight(const struct ship_queue *);

/* Batches settled, and quarantined, since the queue was made. */
uint64_t ship_queue_n_settled(const struct ship_queue *);
uint64_t ship_queue_n_quarantined(const struct ship_queue *);

#endif /* proxy-vm/ship/ship-queue.h */
