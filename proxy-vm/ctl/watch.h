/* SPDX-License-Identifier: Apache-2.0
 *
 * '--watch': what a command shows, again and again.
 *
 * On a terminal each time takes the place of the one before, and what it has
 * no room for is left out; elsewhere an
 * empty line stands between them, or with JSON nothing, since each is a line.
 *
 * Runs in: sluicectl. */
#ifndef SLUICE_WATCH_H
#define SLUICE_WATCH_H 1

#include <stdbool.h>

/* Has the process end well at the next SIGINT: whoever looks on has seen
 * enough. */
void watch_end_by_interrupt(void);

/* Writes what is left for standard output.  Returns 'status', or that of
 * failure if what was printed could not be written; says so once. */
int watch_flush(int status);

/* Calls 'show', which prints and returns an exit status, every 'interval_s'
 * seconds until that is not 0, or standard output can't be written.  Returns
 * the exit status. */
int watch_run(unsigned int interval_s, bool json, int (*show)(void *aux),
              void *aux);

#endif /* proxy-vm/ctl/watch.h */
