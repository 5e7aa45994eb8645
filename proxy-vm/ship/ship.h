/* SPDX-License-Identifier: Apache-2.0
 *
 * Ships one tenant's batches: wires the queue to the session, and decides when
 * to connect, to wait and to end.
 *
 * In: options, a spool.
 * Out: lines at the tenant's server; counters and state for sluiced.
 * Runs in: sluice-ship. */
#ifndef SLUICE_SHIP_H
#define SLUICE_SHIP_H 1

#include <stdbool.h>
#include <stdint.h>

struct ship_options {
    char *spool;                /* Directory. */
    char *key;                  /* File of the secret key. */
    char *server;
    char *stats;                /* File, or null. */
    char *sd_id;
    uint32_t tenant;
    uint32_t hold_ms;
    uint32_t timeout_ms;
    uint32_t backoff_max_ms;
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
