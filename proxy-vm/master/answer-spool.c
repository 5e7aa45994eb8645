/* SPDX-License-Identifier: Apache-2.0
 *
 * The answer to "spool".  See answer-private.h. */
#include <config.h>

#include "answer-private.h"

#include <stdlib.h>

struct spool_totals
answer_totals(const struct master *m, const struct spool_queue *queue)
{
    struct spool_totals totals;

    return (spool_totals(m->spool, queue, &totals)
            ? (struct spool_totals) { .n_batches = 0 } : totals);
}

static void
add_queue(struct master *m, struct draft *d, const struct spool_queue *queue,
          bool configured)
{
    Sluice__SpoolTenant *s = ADD(d, Sluice__SpoolTenant, spool,
                                 allocated_spools);
    struct spool_totals totals = answer_totals(m, queue);

    sluice__spool_tenant__init(s);
    s->tenant = queue->tenant;
    s->queue = own_string(d, queue->name);
    s->configured = configured;
    s->batches = totals.n_batches;
    s->lines = totals.n_lines;
    s->bytes = totals.n_bytes;
    s->quarantined_batches = totals.n_quarantined_batches;
    s->quarantined_lines = totals.n_quarantined_lines;
    s->oldest_ns = totals.oldest_ns;
    s->foreign = totals.n_foreign;
}

/* Adds what is in the spool and in no configuration any more, if it is not
 * empty. */
static void
add_others(struct master *m, struct draft *d)
{
    struct spool_queue *queues = NULL;
    size_t n = 0;

    if (spool_queues(m->spool, &queues, &n)) {
        return;
    }
    for (size_t i = 0; i < n; i++) {
        const struct config_tenant *tenant
            = config_find_tenant(m->config, queues[i].tenant);
        struct spool_totals totals = answer_totals(m, &queues[i]);
        if ((!tenant || !config_has_queue(tenant, queues[i].name))
            && (totals.n_batches || totals.n_quarantined_batches
                || totals.n_foreign)) {
            add_queue(m, d, &queues[i], false);
        }
    }
    free(queues);
}

void
answer_spool(struct master *m, struct draft *d)
{
    for (size_t i = 0; i < m->config->tenants_count; i++) {
        const struct config_tenant *tenant = &m->config->tenants[i];
        for (unsigned int j = 0; j < config_n_queues(tenant); j++) {
            struct spool_queue queue;
            if (spool_queue_init(&queue, tenant->id,
                                 config_queue_name(tenant, j))) {
                add_queue(m, d, &queue, true);
            }
        }
    }
    add_others(m, d);
}
