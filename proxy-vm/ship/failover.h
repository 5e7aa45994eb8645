/* SPDX-License-Identifier: Apache-2.0
 *
 * The outputs of a queue, in the order of preference, and which of them gets
 * the batches: the active one.  Each has a circuit:
 *
 *     closed    it works, or was not tried yet
 *     open      it failed; nothing is tried before 'next attempt', which a
 *               back-off with jitter puts off, for as long as it takes
 *     half-open an attempt is under way
 *
 * When the active output breaks, the first whose circuit lets it takes over.
 * Those before the active one are tried in the background, and one that opens
 * is the better one, to which who sends may switch when nothing is in flight.
 *
 * In: outputs.  Out: the active one; counters and states for sluiced.
 * Runs in: sluice-ship. */
#ifndef SLUICE_FAILOVER_H
#define SLUICE_FAILOVER_H 1

#include "output.h"
#include "stats.h"

struct failover;

/* Makes the outputs that the 'n' options, which are borrowed, describe.
 * 'stats' is borrowed, too, and 'log_name' goes in front of what is logged.
 * Returns null and '*ret', or a malloc()ed sentence. */
char *failover_create(const struct output_options *options, size_t n,
                      uint32_t backoff_max_ms, const char *log_name,
                      struct ship_stats *stats, struct failover **ret);
void failover_destroy(struct failover *);

/* Does what can be done at once.  Returns true if the active output broke:
 * from then on none is active. */
bool failover_run(struct failover *);

/* The output that gets the batches, opening or open; null if there is none. */
struct output *failover_active(const struct failover *);

/* With none active: begins with the first output whose circuit lets it.
 * Returns the active one, or null if all must wait. */
struct output *failover_open(struct failover *);

/* Returns true if an output before the active one is open. */
bool failover_has_better(const struct failover *);

/* Ends the active session and makes the better output the active one, which it
 * returns. */
struct output *failover_switch(struct failover *);

/* The active output did what it is there for: its failures are forgotten. */
void failover_worked(struct failover *);

/* Returns true if no output has done what it is there for since it failed. */
bool failover_all_failed(const struct failover *);

/* Why the latest session failed, a sentence; "" if none did. */
const char *failover_error(const struct failover *);

/* Wakes the poll loop when failover_run() has something to do, or, with
 * 'want_send', when the active output would take something, or, with
 * 'want_open', when failover_open() may try the next. */
void failover_wait(const struct failover *, bool want_send, bool want_open);

#endif /* proxy-vm/ship/failover.h */
