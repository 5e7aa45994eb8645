/* SPDX-License-Identifier: Apache-2.0
 *
 * What the answers to the single verbs share.  Nobody but answer*.c includes
 * this.
 *
 * Runs in: sluiced. */
#ifndef SLUICE_ANSWER_PRIVATE_H
#define SLUICE_ANSWER_PRIVATE_H 1

#include "answer.h"

#include <stdint.h>

#include "control-frame.h"
#include "master.h"
#include "proxy-config.h"
#include "spool.h"
#include "stats.h"
#include "util.h"

/* An answer while it is made.  Strings and entries are the answer's own. */
struct draft {
    Sluice__Response response;
    size_t allocated_tenants, allocated_vms, allocated_counters,
           allocated_spools, allocated_rules, allocated_destinations,
           allocated_ledger, allocated_batches, allocated_context,
           allocated_sources, allocated_snapshots;
    void **owned;
    size_t n_owned, allocated_owned;
    uint64_t ticket;            /* Not 0: the answer is to come. */
};

/* Makes 'p' part of 'd', which will free it. */
void *own(struct draft *d, void *p);

/* Copies.  What foreigners wrote is made printable before anyone's terminal
 * sees it. */
char *own_string(struct draft *, const char *);
char *own_printable(struct draft *, const char *, size_t size);

/* Allocates an entry and appends it to the list of 'd' that is called LIST. */
#define ADD(D, TYPE, LIST, ALLOCATED)                                   \
    ({                                                                  \
        Sluice__Response *r__ = &(D)->response;                         \
        if (r__->n_##LIST >= (D)->ALLOCATED) {                          \
            r__->LIST = x2nrealloc(r__->LIST, &(D)->ALLOCATED,          \
                                   sizeof *r__->LIST);                  \
        }                                                               \
        r__->LIST[r__->n_##LIST++] = own(D, xmalloc(sizeof(TYPE)));     \
        r__->LIST[r__->n_##LIST - 1];                                   \
    })

/* Map the counters of intake, and of the shipper of a queue.  Return null if
 * it never ran. */
const struct intake_stats *answer_map_intake(const struct master *);
const struct ship_stats *answer_map_ship(const struct master *,
                                         uint32_t tenant, const char *queue);

/* Returns what 'stats', which may be null, has of 'tenant', or null. */
const struct stats_tenant *answer_find_tenant(const struct intake_stats *stats,
                                              uint32_t tenant);

/* What is in the spool; nothing if that can't be read. */
struct spool_totals answer_totals(const struct master *,
                                  const struct spool_queue *);

/* Answers the SPOOL_* verb of 'request'. */
void answer_batches(struct master *, const Sluice__Request *request,
                    struct draft *);

/* Answers the CONTEXT_* verb of 'request'. */
void answer_context(struct master *, const Sluice__Request *request,
                    struct draft *);

/* The answers. */
#define VERB(SYMBOL, NAME, DOES, HELP) \
    void answer_##NAME(struct master *, struct draft *);
#include "control-verbs.def"
#undef VERB

#endif /* proxy-vm/master/answer-private.h */
