/* SPDX-License-Identifier: Apache-2.0
 *
 * Keeps the ledger: once a second what the other programs count goes to
 * STATE/ledger, if anything changed, and all of it at the end.  A thread of its
 * own does it, since a disk may take its time, and the other programs must be
 * looked after meanwhile.
 *
 * In: RUN/intake/intake.stats, RUN/ship-*.stats.
 * Out: STATE/ledger.
 * Runs in: sluiced. */
#ifndef SLUICE_LEDGER_KEEPER_H
#define SLUICE_LEDGER_KEEPER_H 1

#include <stdint.h>

struct config;
struct ledger_keeper;

/* Begins to keep the ledger of the run directory in 'config', whose paths it
 * copies. */
struct ledger_keeper *ledger_keeper_start(const struct config *config);

/* Writes the ledger once more, after which nothing may change, and ends. */
void ledger_keeper_stop(struct ledger_keeper *);

/* When the ledger was last found to be as the figures are, Unix epoch; 0: not
 * yet.  And what is wrong with it, as an errno. */
uint64_t ledger_keeper_latest(struct ledger_keeper *, int *ret_error);

/* Calls 'cb' for each file of statistics of a shipper in 'run', with tenant and
 * queue by its name. */
void ledger_each_queue(const char *run,
                       void (*cb)(const char *path, uint32_t tenant,
                                  const char *queue, void *aux),
                       void *aux);

#endif /* proxy-vm/master/ledger-keeper.h */
