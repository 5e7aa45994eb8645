/* SPDX-License-Identifier: Apache-2.0
 *
 * The answer to "counters", and where all answers find what was counted.  See
 * answer-private.h. */
#include <config.h>

#include "answer-private.h"

#include <stdlib.h>

#include "drop.h"

const struct intake_stats *
answer_map_intake(const struct master *m)
{
    const struct intake_stats *stats = NULL;
    char *path = config_path_intake_stats(m->config);

    intake_stats_map_ro(path, &stats);
    free(path);
    return stats;
}

const struct ship_stats *
answer_map_ship(const struct master *m, uint32_t tenant, const char *queue)
{
    const struct ship_stats *stats = NULL;
    char *path = config_path_ship_stats(m->config, tenant, queue);

    ship_stats_map_ro(path, &stats);
    free(path);
    return stats;
}

const struct stats_tenant *
answer_find_tenant(const struct intake_stats *stats, uint32_t tenant)
{
    for (size_t i = 0; stats && i < STATS_MAX_TENANTS; i++) {
        const struct stats_tenant *t = &stats->tenants[i];
        uint64_t id = stats_get(&t->tenant);
        if (!id || id == tenant) {
            return id ? t : NULL;
        }
    }
    return NULL;
}

/* Of what a counter is. */
struct owner {
    const char *program;
    uint32_t tenant;
    const char *queue;          /* Null: of none. */
};

static void
add_counter(struct draft *d, const struct owner *owner,
            const struct counter_info *info, uint64_t value)
{
    Sluice__Counter *c = ADD(d, Sluice__Counter, counters,
                             allocated_counters);

    sluice__counter__init(c);
    c->program = own_string(d, owner->program);
    c->tenant = owner->tenant;
    c->queue = own_string(d, owner->queue);
    c->name = own_string(d, info->name);
    c->value = value;
    c->gauge = info->kind == GAUGE;
    c->unit = own_string(d, info->unit);
    c->text = own_string(d, info->text);
}

static void
add_counters(struct draft *d, const struct owner *owner,
             const struct counter_info *infos, const uint64_t *values,
             size_t n)
{
    for (size_t i = 0; i < n; i++) {
        add_counter(d, owner, &infos[i], stats_get(&values[i]));
    }
}

/* Adds the reasons for which packets of 'tenant' were dropped, other than
 * those for which none was. */
static void
add_drops(struct draft *d, uint32_t tenant, const uint64_t *drops)
{
    const struct owner owner = { .program = "intake", .tenant = tenant };

    for (int i = SLUICE_DROP_NONE + 1; i < SLUICE_N_DROPS; i++) {
        if (drops[i]) {
            struct counter_info info = {
                .name = sluice_drop_name(i),
                .unit = "packets",
                .text = sluice_drop_text(i),
            };
            add_counter(d, &owner, &info, drops[i]);
        }
    }
}

/* Adds what intake counted for 'tenant', and takes its drops off 'rest'. */
static void
add_intake_tenant(struct draft *d, uint32_t tenant,
                  const struct stats_tenant *stats,
                  uint64_t rest[SLUICE_N_DROPS])
{
    const struct owner owner = { .program = "intake", .tenant = tenant };
    uint64_t drops[SLUICE_N_DROPS];

    for (int i = 0; i < SLUICE_N_DROPS; i++) {
        drops[i] = stats_get(&stats->drops[i]);
        rest[i] -= MIN(rest[i], drops[i]);
    }
    add_counters(d, &owner, tenant_counters, stats->counters,
                 N_TENANT_COUNTERS);
    add_drops(d, tenant, drops);
}

static void
add_ship(struct master *m, struct draft *d, uint32_t tenant, const char *queue)
{
    const struct owner owner = { "ship", tenant, queue };
    const struct ship_stats *ship = answer_map_ship(m, tenant, queue);

    if (ship) {
        add_counters(d, &owner, ship_counters, ship->counters,
                     N_SHIP_COUNTERS);
    }
    stats_unmap(ship);
}

void
answer_counters(struct master *m, struct draft *d)
{
    const struct intake_stats *stats = answer_map_intake(m);
    const struct owner intake = { .program = "intake" };
    uint64_t rest[SLUICE_N_DROPS] = { 0 };

    if (stats) {
        add_counters(d, &intake, intake_counters, stats->counters,
                     N_INTAKE_COUNTERS);
        for (int i = 0; i < SLUICE_N_DROPS; i++) {
            rest[i] = stats_get(&stats->drops[i]);
        }
    }
    for (size_t i = 0; i < m->config->tenants_count; i++) {
        const struct config_tenant *tenant = &m->config->tenants[i];
        const struct stats_tenant *in = answer_find_tenant(stats, tenant->id);
        if (in) {
            add_intake_tenant(d, tenant->id, in, rest);
        }
        for (unsigned int j = 0; j < config_n_queues(tenant); j++) {
            add_ship(m, d, tenant->id, config_queue_name(tenant, j));
        }
    }
    /* Each drop once: here those that are no tenant's. */
    add_drops(d, 0, rest);
    stats_unmap(stats);
}
