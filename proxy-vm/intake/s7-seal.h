/* SPDX-License-Identifier: Apache-2.0
 *
 * The half of stage 7 that closes batches: compresses one once, seals it for
 * each recipient that its queues have, and puts it into the spool.
 *
 *     find --> begin, begin, ... --> commit --> settle, settle, ...
 *
 * The queues of one recipient share a file.  The batches of each recipient are
 * a chain of their own; see lib/chain-head.h.
 *
 * In: the body of a batch, and which one it is.
 * Out: SPOOL/<tenant>/<queue>/<generation>-<number>.batch. */
#ifndef SLUICE_S7_SEAL_H
#define SLUICE_S7_SEAL_H 1

#include "chain-head.h"
#include "proxy-config.h"
#include "recipients.h"
#include "spool.h"

/* The queues that a batch is to go into, and what became of that. */
struct seal_target {
    struct spool_queue queue;
    uint8_t recipient[32];      /* To whom it is sealed there. */
    int position;               /* In the spool's group, or -1... */
    unsigned int index;         /* ...and this queue's in that batch. */
};
struct seal_targets {
    size_t n;
    size_t sealed_size;         /* Bytes of the files that were begun. */
    struct seal_target targets[SPOOL_MAX_QUEUES];
};

/* The chains of a tenant's stream, one for each recipient.  All zeros: none
 * has begun. */
struct seal_chains {
    size_t n;
    struct seal_chain {
        uint8_t recipient[32];
        struct chain_head head;
        bool has_end;           /* A batch with SEAL_F_END was sealed. */
    } chains[SPOOL_MAX_QUEUES];
};

struct seal_stage;

/* Returns a stage that borrows 'spool' and seals batches of up to 'max_bytes'
 * to 'shipper', where a queue has no recipient of its own by
 * seal_stage_use(); or null if there is no memory. */
struct seal_stage *seal_stage_create(struct spool *spool,
                                     const uint8_t shipper[32],
                                     size_t max_bytes);
void seal_stage_destroy(struct seal_stage *);

/* Seals to '*recipients' from now on, which it takes and sets to null. */
void seal_stage_use(struct seal_stage *, struct recipients **recipients);

/* Fills in the queues that 'config', which may be null, has for the batches of
 * 'tenant'.  Of a tenant that is not configured any more they are kept in the
 * main one. */
void seal_stage_find(const struct seal_stage *, const struct config *,
                     uint32_t tenant, struct seal_targets *ret);

/* Takes those out of 'targets' in whose chains nothing is to be ended. */
void seal_targets_keep_unended(struct seal_targets *targets,
                               const struct seal_chains *);

/* Seals 'body' for those of 'targets' that it was not begun for, and begins to
 * put it there.  'header' says which batch it is; SEAL_F_END in its flags
 * stays.  'chains' is null for a batch that an earlier run left.  Returns 0 or
 * a positive errno: then it was not begun for some, ENOBUFS if the group has
 * no more room. */
int seal_stage_begin(struct seal_stage *, const struct seal_header *header,
                     struct slice body, struct seal_chains *chains,
                     struct seal_targets *targets);

/* Batches in the group, as the spool counts them. */
bool seal_stage_is_empty(const struct seal_stage *);
bool seal_stage_is_full(const struct seal_stage *);

/* Syncs the group.  What was begun then has to be settled before anything else
 * is. */
void seal_stage_commit(struct seal_stage *);

/* Takes those out of 'targets' that have the batch: they may have passed it on
 * before the next try.  Returns 0 if that was all, EAGAIN if it was not begun
 * for some, or the positive errno that the others failed with. */
int seal_stage_settle(const struct seal_stage *, struct seal_targets *targets);

#endif /* proxy-vm/intake/s7-seal.h */
