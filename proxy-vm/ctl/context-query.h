/* SPDX-License-Identifier: Apache-2.0
 *
 * 'sluicectl context get', 'stats', 'refresh' and 'diff': what is known about
 * VMs.
 *
 * Runs in: sluicectl. */
#ifndef SLUICE_CONTEXT_QUERY_H
#define SLUICE_CONTEXT_QUERY_H 1

#include <stdbool.h>
#include <stdint.h>

#include "control.pb-c.h"

struct ds;

struct context_options {
    const char *socket;
    bool json;
    const char *at;             /* get: a time, or null. */
    const char *since;          /* diff: likewise. */
};

/* Runs the command 'argv[0]' with what follows it, 'argc' in all.  Returns the
 * exit status. */
int context_query_run(const struct context_options *, int argc,
                      char *argv[]);

/* One for each command: appends text for people to 'out'. */
void render_context_get(const Sluice__Response *, uint64_t now_ns,
                        struct ds *out);
void render_context_stats(const Sluice__Response *, uint64_t now_ns,
                          struct ds *out);
void render_context_refresh(const Sluice__Response *, uint64_t now_ns,
                            struct ds *out);
void render_context_diff(const Sluice__Response *, uint64_t now_ns,
                         struct ds *out);

#endif /* proxy-vm/ctl/context-query.h */
