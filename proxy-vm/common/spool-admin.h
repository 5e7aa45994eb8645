/* SPDX-License-Identifier: Apache-2.0
 *
 * The spool as an operator sees it: batch by batch, with what is in
 * quarantine.
 *
 * Who takes batches out of a queue, a shipper or an operator, holds the queue
 * while it has any in hand: what one of them has, the other does not touch.
 *
 * Runs in: sluiced; sluice-ship (spool_hold). */
#ifndef SLUICE_SPOOL_ADMIN_H
#define SLUICE_SPOOL_ADMIN_H 1

#include "spool.h"

/* A batch as its header has it. */
struct spool_entry {
    struct spool_item item;
    uint32_t n_lines;           /* 0 if the header can't be read, as the */
    uint64_t created_ns;        /* next: Unix epoch, when it was closed. */
};

/* Calls 'entry' for each batch of a queue, those that wait and then those in
 * quarantine, in their order; and 'foreign', unless that is null, for each
 * name there that is no batch.  Returns 0, also if there is no such queue, or
 * a positive errno. */
int spool_each(struct spool *, const struct spool_queue *,
               void (*entry)(const struct spool_entry *, void *aux),
               void (*foreign)(const char *name, bool is_quarantined,
                               void *aux),
               void *aux);

/* Makes '*ret' the item of that identity, from the queue or else from its
 * quarantine.  Returns 0, ENOENT if it is in neither, or another positive
 * errno. */
int spool_find_anywhere(struct spool *, const struct spool_queue *,
                        uint32_t generation, uint64_t number,
                        struct spool_item *ret);

/* Reads why a batch is in quarantine, as bytes that anyone may have written.
 * 'buf' is an empty string if that is not known. */
enum { SPOOL_REASON_SIZE = 256 };
void spool_read_reason(struct spool *, const struct spool_item *,
                       char buf[SPOOL_REASON_SIZE]);

/* Reads the header of a batch.  Returns 0, ENOENT if it is gone, or another
 * positive errno: EBADMSG if it has none that can be read. */
int spool_read_header(struct spool *, const struct spool_item *,
                      struct seal_header *ret);

/* Holds a queue, as a lock that ends with the process: '*ret_fd' is to be
 * closed when there is no batch in hand any more.  Returns 0, EAGAIN if
 * another one holds it, ENOENT if there is no such queue, or another positive
 * errno. */
int spool_hold(struct spool *, const struct spool_queue *, int *ret_fd);

/* Puts a batch from quarantine back into its queue, from which it goes in its
 * turn, by its number.  Returns 0 or a positive errno: ENOENT if it is not in
 * quarantine. */
int spool_put_back(struct spool *, const struct spool_item *);

/* Deletes a batch, wherever it is, for good.  Returns 0; ENOENT if it was gone
 * already; or another positive errno: then it may be gone, but come back
 * by a power cut. */
int spool_delete(struct spool *, const struct spool_item *);

#endif /* proxy-vm/common/spool-admin.h */
