/* SPDX-License-Identifier: Apache-2.0
 *
 * How the sources of context are: lines of SNAPSHOT.status.
 *
 *     source NAME: STATE[; PROBLEM]
 *     heard NAME: TIME
 *     holds NAME: N VMs, N values, N stale, oldest TIME
 *
 * STATE is "current", "stale" or "not heard of yet"; TIME is as
 * 2026-11-27T17:00:00Z, or "never".  When it was heard of may be some seconds
 * old.  What the snapshot holds of it is here so that nobody need read through
 * the snapshot.
 *
 * Runs in: sluice-context (writes), sluiced (reads). */
#ifndef SLUICE_CONTEXT_STATUS_H
#define SLUICE_CONTEXT_STATUS_H 1

#include <stddef.h>
#include <stdint.h>

#include "proxy-config.h"

enum {
    /* The static file, and all that a configuration may have. */
    CONTEXT_STATUS_MAX_SOURCES = 1 + CONFIG_MAX_MANAGERS + CONFIG_MAX_HOSTS,
};

struct context_source_status {
    char *name;
    char *state;
    char *problem;              /* "": none. */
    uint64_t heard_ns;          /* Unix epoch; 0: never. */
    uint64_t vms;               /* In the snapshot, that it knows. */
    uint64_t values;            /* Of which it is the source. */
    uint64_t stale_values;      /* Of these. */
    uint64_t oldest_ns;         /* When the oldest of them was said; 0: there
                                 * is none. */
};

/* Reads the status beside the snapshot at 'snapshot'.  Returns the sources,
 * '*ret_n' of them, to be freed by context_status_free(); none if there is no
 * status. */
struct context_source_status *context_status_read(const char *snapshot,
                                                  size_t *ret_n);
void context_status_free(struct context_source_status *, size_t n);

/* Reads a time as RFC 3339 has it, in UTC: "2026-11-27T17:00:00Z", perhaps
 * with a fraction.  Returns 0 if 's' is none. */
uint64_t context_parse_time(const char *s);

/* The same, or how long before 'now_ns': "90s", "10m", "2h", "1d". */
uint64_t context_parse_when(const char *s, uint64_t now_ns);

#endif /* proxy-vm/common/context-status.h */
