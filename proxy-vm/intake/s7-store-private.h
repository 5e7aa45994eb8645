/* SPDX-License-Identifier: Apache-2.0
 *
 * What the parts of stage 7's store share: s7-store.c appends lines to open
 * batches and says when one is closed, s7-commit.c takes it into the spool,
 * s7-recover.c does that with what a dead process left.  Nobody else includes
 * this. */
#ifndef SLUICE_STORE_PRIVATE_H
#define SLUICE_STORE_PRIVATE_H 1

#include "open-batch.h"
#include "openvswitch/hmap.h"
#include "s7-quota.h"
#include "s7-seal.h"
#include "s7-store.h"

enum {
    /* How long a batch that is full waits for others to be synced with. */
    COMMIT_DELAY_MS = 100,

    /* Full batches of one tenant that wait, so that a tenant whose directory
     * takes nothing keeps its trouble to itself; and of all. */
    MAX_RETIRED = 8,
    MAX_RETIRED_ALL = STATS_MAX_TENANTS * MAX_RETIRED,
};

struct tenant_store {
    struct hmap_node node;          /* In store's tenants. */
    uint32_t tenant;
    struct stats_tenant *stats;
    struct open_batch *batch;       /* Null: none yet, or no more. */
    struct open_batch *spare;       /* Empty, to go on with; may be null. */
    uint64_t next_number;           /* Of the batch after 'batch'. */
    uint64_t serial;                /* Tells sources which batch this is. */
    uint32_t n_sources;             /* In the batch. */
    uint64_t n_before;              /* Lines in batches that were retired. */
    unsigned int n_retired;         /* In store's list. */
    struct seal_chains chains;
    long long int due;              /* When it is closed; time_msec(). */
    struct quota quota;
};

/* A batch that takes no more lines and is not yet known to be safe in the
 * spool.  Until it is, its open batch stays. */
struct retired {
    struct tenant_store *tenant;
    struct open_batch *batch;
    struct seal_targets *targets;   /* Those that do not have it yet. */
    bool is_begun;                  /* For some of them, in this group. */
};

struct store {
    struct store_options options;
    struct spool *spool;
    uint8_t recipient[32];          /* The public key to seal to. */
    struct seal_stage *sealing;
    struct hmap tenants;            /* Of struct tenant_store. */
    struct retired retired[MAX_RETIRED_ALL];
    size_t n_retired;
    long long int commit_due;       /* Of the retired; time_msec(). */
    long long int look_at;          /* No tenant's 'look_at' is before it. */
    long long int first_due;        /* No tenant's 'due' is before it. */
    uint32_t generation;            /* Of this run, from the spool. */
    uint64_t stream;                /* Of this run: random. */
    uint64_t origin;                /* Of the spool, see seal_origin(). */
    bool ending;                    /* No lines come any more. */
    uint64_t batch_serial;          /* Of all batches of this run. */
    long long int recover_at;       /* When to try to spool what is left in
                                     * 'open_dir'; LLONG_MAX: nothing is. */
};

/* Returns the store of 'tenant', or null. */
struct tenant_store *store_lookup(const struct store *, uint32_t tenant);

/* Finds out anew what gets in of 't'. */
void store_update_quota(struct tenant_store *t);

/* Retires the batch of 't', if it has lines, so that 't' has none.  Returns
 * false if too many wait already: then 't' keeps it. */
bool store_retire(struct store *, struct tenant_store *t);

/* Syncs the retired batches, and lets go of those that are in the spool.  The
 * others are tried again the next time. */
void store_commit(struct store *);

/* Seals 'body' and begins to put it where 'targets' says.  Returns 0 or a
 * positive errno: then some of them do not get it. */
int store_begin_spooling(struct store *, const struct open_batch_info *info,
                         struct slice body, struct seal_targets *targets);

/* Puts a batch that is in the spool, or could not be put there, into the
 * books. */
void store_account_spooling(struct store *,
                            const struct open_batch_info *info,
                            size_t sealed_size, int error);

/* Closes a batch for good; lines that are in it stay for the next process.
 * 'batch' may be null. */
void store_let_go(struct open_batch *batch);

/* Tries again what could not be recovered at the start. */
void store_recover_again(struct store *);

#endif /* proxy-vm/intake/s7-store-private.h */
