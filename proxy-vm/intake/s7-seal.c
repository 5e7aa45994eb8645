/* SPDX-License-Identifier: Apache-2.0
 *
 * The half of stage 7 that closes batches.  See s7-seal.h. */
#include <config.h>

#include "s7-seal.h"

#include <errno.h>
#include <stdlib.h>

#include "failpoint.h"
#include "util.h"

struct seal_stage {
    struct spool *spool;
    uint8_t shipper[32];
    struct recipients *recipients; /* Null: the shipper, for all. */
    size_t max_bytes;
    struct sealer *sealer;      /* For batches of up to 'max_bytes'. */
    int n_begun;                /* In the spool's group. */
    struct spool_result results[SPOOL_MAX_PENDING]; /* Of the latest one. */
};

struct seal_stage *
seal_stage_create(struct spool *spool, const uint8_t shipper[32],
                  size_t max_bytes)
{
    struct seal_stage *s = xzalloc(sizeof *s);

    s->spool = spool;
    memcpy(s->shipper, shipper, sizeof s->shipper);
    s->max_bytes = max_bytes;
    s->sealer = sealer_create(shipper, max_bytes);
    if (!s->sealer) {
        seal_stage_destroy(s);
        return NULL;
    }
    return s;
}

void
seal_stage_destroy(struct seal_stage *s)
{
    if (s) {
        sealer_destroy(s->sealer);
        recipients_destroy(s->recipients);
        free(s);
    }
}

void
seal_stage_use(struct seal_stage *s, struct recipients **recipients)
{
    recipients_destroy(s->recipients);
    s->recipients = *recipients;
    *recipients = NULL;
}

void
seal_stage_find(const struct seal_stage *s, const struct config *config,
                uint32_t tenant, struct seal_targets *ret)
{
    const struct config_tenant *t = (config
                                     ? config_find_tenant(config, tenant)
                                     : NULL);
    unsigned int n = t ? config_n_queues(t) : 1;

    ret->n = ret->sealed_size = 0;
    for (unsigned int i = 0; i < n && ret->n < SPOOL_MAX_QUEUES; i++) {
        struct seal_target *target = &ret->targets[ret->n];
        const uint8_t *own = (t && s->recipients
                              ? recipients_find(s->recipients, tenant,
                                                config_queue_name(t, i))
                              : NULL);

        ret->n += spool_queue_init(&target->queue, tenant,
                                   t ? config_queue_name(t, i)
                                   : SPOOL_MAIN_QUEUE);
        memcpy(target->recipient, own ? own : s->shipper,
               sizeof target->recipient);
        target->position = -1;
    }
}

/* Returns the chain of 'recipient', or null. */
static struct seal_chain *
find_chain(const struct seal_chains *chains, const uint8_t recipient[32])
{
    for (size_t i = 0; i < chains->n; i++) {
        if (!memcmp(chains->chains[i].recipient, recipient, 32)) {
            return (struct seal_chain *) &chains->chains[i];
        }
    }
    return NULL;
}

/* Returns the chain of 'recipient', a new one if need be.  Where recipients
 * come and go with the configuration, the place of the first that came is
 * taken: if it returns, its chain begins anew. */
static struct seal_chain *
get_chain(struct seal_chains *chains, const uint8_t recipient[32])
{
    struct seal_chain *c = find_chain(chains, recipient);

    if (!c) {
        if (chains->n == SPOOL_MAX_QUEUES) {
            memmove(&chains->chains[0], &chains->chains[1],
                    (SPOOL_MAX_QUEUES - 1) * sizeof *c);
            chains->n--;
        }
        c = &chains->chains[chains->n++];
        memset(c, 0, sizeof *c);
        memcpy(c->recipient, recipient, sizeof c->recipient);
    }
    return c;
}

void
seal_targets_keep_unended(struct seal_targets *l,
                          const struct seal_chains *chains)
{
    size_t n_left = 0;

    for (size_t i = 0; i < l->n; i++) {
        const struct seal_chain *c = find_chain(chains,
                                                l->targets[i].recipient);
        if (c && c->head.any && !c->has_end) {
            l->targets[n_left++] = l->targets[i];
        }
    }
    l->n = n_left;
}

/* Seals what 'sealer' has compressed for all targets that have the recipient
 * of number 'first' and were not begun, and begins to put it there. */
static int
begin_recipient(struct seal_stage *s, struct sealer *sealer,
                const struct seal_header *header, struct seal_chains *chains,
                struct seal_targets *l, size_t first)
{
    const uint8_t *recipient = l->targets[first].recipient;
    struct seal_chain *chain = chains ? get_chain(chains, recipient) : NULL;
    struct spool_queue queues[SPOOL_MAX_QUEUES];
    struct seal_target *members[SPOOL_MAX_QUEUES];
    struct seal_header h = *header;
    struct slice file;
    size_t n = 0;

    for (size_t i = first; i < l->n; i++) {
        if (l->targets[i].position < 0
            && !memcmp(l->targets[i].recipient, recipient, 32)) {
            members[n] = &l->targets[i];
            queues[n++] = l->targets[i].queue;
        }
    }
    if (chain) {
        chain_head_link(&chain->head, &h);
    } else {
        chain_head_recover(&h);
    }
    int error = sealer_seal(sealer, recipient, &h, &file);
    failpoint(FAIL_BATCH_SEALED);
    if (!error) {
        error = spool_begin(s->spool, queues, n, h.generation, h.number,
                            file);
    }
    if (error) {
        return error;
    }
    for (size_t i = 0; i < n; i++) {
        members[i]->position = s->n_begun;
        members[i]->index = i;
    }
    s->n_begun++;
    l->sealed_size += file.size;
    if (chain) {
        chain_head_advance(&chain->head, &h, file);
        chain->has_end |= (h.flags & SEAL_F_END) != 0;
    }
    return 0;
}

int
seal_stage_begin(struct seal_stage *s, const struct seal_header *header,
                 struct slice body, struct seal_chains *chains,
                 struct seal_targets *l)
{
    /* One that an earlier run left may be of a larger kind. */
    struct sealer *large = (body.size <= s->max_bytes ? NULL
                            : sealer_create(s->shipper, body.size));
    struct sealer *sealer = large ? large : s->sealer;
    int error = sealer_compress(sealer, body);
    int first_error = error;

    for (size_t i = 0; i < l->n && !error; i++) {
        if (l->targets[i].position < 0) {
            int err = (s->n_begun < SPOOL_MAX_PENDING
                       ? begin_recipient(s, sealer, header, chains, l, i)
                       : ENOBUFS);
            first_error = first_error ? first_error : err;
        }
    }
    sealer_destroy(large);
    return first_error;
}

bool
seal_stage_is_empty(const struct seal_stage *s)
{
    return !s->n_begun;
}

bool
seal_stage_is_full(const struct seal_stage *s)
{
    return s->n_begun >= SPOOL_MAX_PENDING;
}

void
seal_stage_commit(struct seal_stage *s)
{
    spool_commit(s->spool, s->results);
    s->n_begun = 0;
}

int
seal_stage_settle(const struct seal_stage *s, struct seal_targets *l)
{
    size_t n_left = 0;
    int error = 0;

    for (size_t i = 0; i < l->n; i++) {
        struct seal_target t = l->targets[i];

        if (t.position >= 0) {
            const struct spool_result *r = &s->results[t.position];
            if (!r->error || r->done & UINT32_C(1) << t.index) {
                continue;
            }
            error = r->error;
        }
        t.position = -1;
        l->targets[n_left++] = t;
    }
    l->n = n_left;
    return n_left && !error ? EAGAIN : error;
}
