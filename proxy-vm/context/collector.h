/* SPDX-License-Identifier: Apache-2.0
 *
 * Runs the sources of context, and publishes what they know as a new
 * generation of the snapshot when one of them knows something else.
 *
 * In: settings; what the sources learn.
 * Out: SNAPSHOT, and beside it SNAPSHOT.status for people: its generation, and
 * what is wrong, if anything is.
 * Runs in: sluice-context. */
#ifndef SLUICE_COLLECTOR_H
#define SLUICE_COLLECTOR_H 1

#include "context-source.h"

struct collector;

/* Makes a collector for the snapshot at 'path', of which there can be one at
 * a time.  Returns null and '*ret', which the caller owns, or a malloc()ed
 * sentence. */
char *collector_create(const char *path, const struct context_settings *,
                       struct collector **ret);
void collector_destroy(struct collector *);

/* Goes on with other settings.  Sources that they do not concern keep what
 * they know. */
void collector_configure(struct collector *, const struct context_settings *);

/* Has every source look again. */
void collector_reload(struct collector *);

void collector_run(struct collector *);
void collector_wait(struct collector *);

/* Returns true once every source has said what it knows, or why it can't, and
 * that is published, or can't be. */
bool collector_is_settled(const struct collector *);

/* Returns what kept the latest run from publishing what is there to be known:
 * a sentence that is the collector's, or null. */
const char *collector_problem(const struct collector *);

#endif /* proxy-vm/context/collector.h */
