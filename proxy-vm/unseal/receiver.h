/* SPDX-License-Identifier: Apache-2.0
 *
 * A session of one sender; see server.h.
 *
 *     handshake --> hello --> batches, receipts ... --> over
 *
 * In: a connection.
 * Out: batches to the unsealer; receipts.
 * Runs in: sluice-unseal. */
#ifndef SLUICE_UNSEAL_RECEIVER_H
#define SLUICE_UNSEAL_RECEIVER_H 1

#include "server.h"

struct receiver;                /* A session. */

/* What all sessions share. */
struct receiver_pool {
    const struct server_options *o;
    size_t memory;              /* Bytes that they have in buffers... */
    bool freed;                 /* ...of which some were given back. */
};

/* Takes 'conn'. */
struct receiver *receiver_create(struct receiver_pool *, struct conn *conn);
void receiver_destroy(struct receiver *);

/* Reads, and has batches taken. */
void receiver_run(struct receiver *);

/* What was taken so far is committed: its receipts may go.  Or, with 'failed',
 * it is lost: the session is over for that reason. */
void receiver_commit(struct receiver *, const char *failed);

/* Writes, and looks at the deadlines. */
void receiver_flush(struct receiver *);

void receiver_wait(struct receiver *);
bool receiver_is_over(const struct receiver *);

/* Since when nothing is under way, or LLONG_MAX if something is. */
long long int receiver_idle_since(const struct receiver *);

#endif /* proxy-vm/unseal/receiver.h */
