/* SPDX-License-Identifier: Apache-2.0
 *
 * Stage 7, quota: what still gets into the spool as a tenant's part of it fills
 * up, or is not emptied.  What matters least goes first, so that what matters most has the room
 * that is left.
 *
 * In: how full it is, and how old.  Out: up to which severity lines get in.
 * Runs in: sluice-intake. */
#ifndef SLUICE_QUOTA_H
#define SLUICE_QUOTA_H 1

#include <stdbool.h>
#include <stdint.h>

#include "drop.h"

struct config_tenant;
struct spool;
struct stats_tenant;

/* A tenant's part of the spool. */
struct quota {
    uint64_t limit;             /* Bytes; 0: none. */
    uint64_t used;              /* As far as known. */
    uint64_t age_limit_ms;      /* 0: none. */
    uint64_t age_ms;            /* Of the oldest batch that waits. */
    bool is_refused;            /* The spool did not take the latest. */
    int lets_in;                /* The highest severity that is stored, */
    int room_lets_in;           /* and that there is room for. */
    long long int look_at;      /* When to look into the spool again;
                                 * time_msec(). */
};

/* The least time between two looks. */
enum { QUOTA_LOOK_MS = 1000 };

/* Sets the limits to those of 'config', none if that is null. */
void quota_set(struct quota *, const struct config_tenant *config);

/* Looks how much 'tenant' has in the spool, and for how long in the queues of
 * 'config', which may be null. */
void quota_look(struct quota *, struct spool *, uint32_t tenant,
                const struct config_tenant *config, struct stats_tenant *);

/* Returns why 'severity', which is above 'lets_in', does not get in. */
enum sluice_drop quota_reason(const struct quota *, int severity);

/* Sets what it lets in, with 'waiting' by quota_fill_waiting() or 0.  Returns how full
 * the spool is, in per cent. */
unsigned int quota_update(struct quota *, unsigned int waiting);

/* Returns the highest severity, as RFC 5424 numbers them, that gets in: 7 is
 * everything, -1 nothing. */
int quota_lets_in(unsigned int fill_per_cent);

/* Returns how full 'used' bytes make 'limit' bytes. */
unsigned int quota_fill(uint64_t used, uint64_t limit);

/* The same where the spool takes nothing now, and 'n_waiting' batches of
 * 'max_waiting' wait for it. */
unsigned int quota_fill_waiting(unsigned int n_waiting,
                                unsigned int max_waiting);

#endif /* proxy-vm/intake/s7-quota.h */
