/* SPDX-License-Identifier: Apache-2.0
 *
 * Receives batches by the protocol of delivery.h, has the unsealer take them,
 * and sends a receipt for each once it is committed.
 *
 * Limits: so many sessions, of which one that is idle makes room for a new
 * one; a deadline for each step but waiting for a batch to begin; and memory
 * that grows with the bytes that have come, up to a bound for all sessions
 * together.
 *
 * In: connections.
 * Out: batches to the unsealer; receipts.
 * Runs in: sluice-unseal. */
#ifndef SLUICE_UNSEAL_SERVER_H
#define SLUICE_UNSEAL_SERVER_H 1

#include <stdbool.h>

#include "conn.h"
#include "unsealer.h"

struct server_options {
    const char *listen;         /* ADDR:PORT. */
    struct conn_tls *tls;       /* Null: plain TCP. */
    struct unsealer *unsealer;
    uint32_t tenant;
    const uint8_t *recipient;   /* 32 bytes: what senders seal to. */
    uint32_t timeout_ms;        /* Of each step. */
    uint32_t max_batch;         /* Bytes of a file. */
    size_t max_memory;          /* Bytes of what is being received. */
    unsigned int max_sessions;
};

struct server;

/* Listens.  Returns null and the server, which borrows 'options', or a
 * malloc()ed sentence. */
char *server_create(const struct server_options *, struct server **ret);
void server_destroy(struct server *);

/* Does what can be done at once, and wakes the poll loop for more. */
void server_run(struct server *);
void server_wait(struct server *);

/* The port that it listens on. */
unsigned int server_port(const struct server *);

#endif /* proxy-vm/unseal/server.h */
