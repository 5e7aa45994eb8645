/* SPDX-License-Identifier: Apache-2.0
 *
 * The answer to "ledger": a statement for each queue, term by term, and what is
 * known of each switch port.  See answer-private.h. */
#include <config.h>

#include "answer-private.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "ledger-keeper.h"
#include "ledger.h"

static Sluice__Item **
add_item(struct draft *d, Sluice__Item **list, size_t *n, const char *name,
         uint64_t lines)
{
    list = xrealloc(list, (*n + 1) * sizeof *list);
    list[*n] = own(d, xmalloc(sizeof **list));
    sluice__item__init(list[*n]);
    list[*n]->name = own_string(d, name);
    list[*n]->lines = lines;
    ++*n;
    return list;
}

/* What came in, and what became of it up to the spool. */
static void
put_intake(struct draft *d, Sluice__Statement *s,
           const struct stats_tenant *in)
{
    s->received = stats_get(&in->counters[TENANT_RECEIVED]);
    s->announced = stats_get(&in->counters[TENANT_ANNOUNCED]);
    s->redacted = stats_get(&in->counters[TENANT_REDACTED]);
    s->open = stats_get(&in->counters[TENANT_OPEN]);
    for (int i = SLUICE_DROP_NONE + 1; i < SLUICE_N_DROPS; i++) {
        uint64_t n = stats_get(&in->drops[i]);
        if (n) {
            s->dropped = add_item(d, s->dropped, &s->n_dropped,
                                  sluice_drop_name(i), n);
        }
    }
    own(d, s->dropped);
}

/* What left the queue. */
static void
put_exits(struct draft *d, Sluice__Statement *s,
          const struct ship_stats *ship)
{
    for (size_t i = 0; i < QUEUE_N_EXITS; i++) {
        enum ship_counter way = queue_exits[i];
        uint64_t n = ship ? stats_get(&ship->counters[way]) : 0;

        if (n || way == SHIP_SHIPPED) {
            s->left = add_item(d, s->left, &s->n_left,
                               ship_counters[way].name, n);
        }
    }
    own(d, s->left);
    s->before = ship ? stats_get(&ship->before) : 0;
}

static uint64_t
sum(Sluice__Item *const *items, size_t n)
{
    uint64_t total = 0;

    for (size_t i = 0; i < n; i++) {
        total += items[i]->lines;
    }
    return total;
}

static void
answer_statement(struct master *m, struct draft *d,
                 const struct intake_stats *stats,
                 const struct spool_queue *queue)
{
    const struct ship_stats *ship = answer_map_ship(m, queue->tenant,
                                                    queue->name);
    const struct stats_tenant *in = answer_find_tenant(stats, queue->tenant);
    const struct config_tenant *t = config_find_tenant(m->config,
                                                       queue->tenant);
    struct spool_totals totals = answer_totals(m, queue);
    Sluice__Statement *s = ADD(d, Sluice__Statement, ledger,
                               allocated_ledger);

    sluice__statement__init(s);
    s->tenant = queue->tenant;
    s->queue = own_string(d, queue->name);
    s->name = own_string(d, t ? t->name : "");
    s->configured = t && config_has_queue(t, queue->name);
    s->spooled = totals.n_lines;
    s->quarantined = totals.n_quarantined_lines;
    if (in) {
        put_intake(d, s, in);
    }
    put_exits(d, s, ship);
    s->difference = (s->received + s->announced
                     - sum(s->dropped, s->n_dropped) - s->open - s->before
                     - sum(s->left, s->n_left) - s->spooled
                     - s->quarantined);
    stats_unmap(ship);
}

/* Queues, each once. */
struct queues {
    struct spool_queue *all;
    size_t n;
};

static void
add_queue(const char *path OVS_UNUSED, uint32_t tenant, const char *name,
          void *queues_)
{
    struct queues *queues = queues_;
    struct spool_queue new;

    if (!spool_queue_init(&new, tenant, name)) {
        return;
    }
    for (size_t i = 0; i < queues->n; i++) {
        if (spool_queue_equal(&queues->all[i], &new)) {
            return;
        }
    }
    queues->all = xrealloc(queues->all,
                           (queues->n + 1) * sizeof *queues->all);
    queues->all[queues->n++] = new;
}

static int
compare_queues(const void *a_, const void *b_)
{
    const struct spool_queue *a = a_, *b = b_;

    return (a->tenant != b->tenant ? (a->tenant > b->tenant ? 1 : -1)
            : strcmp(a->name, b->name));
}

void
answer_ledger(struct master *m, struct draft *d)
{
    const struct intake_stats *stats = answer_map_intake(m);
    struct queues queues = { .n = 0 };

    for (size_t i = 0; i < m->config->tenants_count; i++) {
        const struct config_tenant *t = &m->config->tenants[i];
        for (unsigned int j = 0; j < config_n_queues(t); j++) {
            add_queue(NULL, t->id, config_queue_name(t, j), &queues);
        }
    }
    /* Those that were there before as well: their books stay. */
    ledger_each_queue(m->config->paths.run, add_queue, &queues);
    if (queues.n) {
        qsort(queues.all, queues.n, sizeof *queues.all, compare_queues);
    }
    for (size_t i = 0; i < queues.n; i++) {
        answer_statement(m, d, stats, &queues.all[i]);
    }
    free(queues.all);
    stats_unmap(stats);
    answer_vms(m, d);
}

void
answer_drain(struct master *m, struct draft *d)
{
    if (m->intake) {
        child_signal(m->intake, SIGUSR1);
    }
    answer_ledger(m, d);
}
