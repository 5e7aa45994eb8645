/* SPDX-License-Identifier: Apache-2.0
 *
 * Ships the batches of one queue of a tenant: wires the queue to its outputs,
 * and decides when to connect, to change over, to wait and to end.
 *
 * In: options, a spool.
 * Out: lines at the tenant's destination; counters and state for sluiced.
 * Runs in: sluice-ship. */
#ifndef SLUICE_SHIP_H
#define SLUICE_SHIP_H 1

#include <stdbool.h>
#include <stdint.h>

#include "output.h"
#include "spool.h"

struct ship_options {
    char *spool;                /* Directory. */
    char *key;                  /* File of the secret key. */
    struct output_options *outputs; /* In the order of preference. */
    size_t n_outputs;
    char **elsewhere;           /* Names of destinations of other queues. */
    size_t n_elsewhere;
    char *stats;                /* File, or null. */
    char *sd_id;
    struct spool_queue queue;   /* Which batches. */
    uint32_t hold_ms;
    uint32_t backoff_max_ms;
    bool process_only;          /* Nothing need survive a power cut. */
    bool once;                  /* End when everything is there, or fails. */
};

struct ship;

/* Opens all that 'options', which it borrows, names.  Returns null and the
 * ship in '*ret', or a malloc()ed sentence. */
char *ship_create(const struct ship_options *options, struct ship **ret);
void ship_destroy(struct ship *);

/* Does what can be done at once, and wakes the poll loop for more. */
void ship_run(struct ship *);
void ship_wait(struct ship *);

/* Finish what was begun, in little time, and be done. */
void ship_stop(struct ship *);

/* True if there is nothing left to do.  Then '*ret_error' is null or a
 * sentence, the ship's, that says why not everything was shipped. */
bool ship_is_done(const struct ship *, const char **ret_error);

#endif /* proxy-vm/ship/ship.h */
