/* SPDX-License-Identifier: Apache-2.0
 *
 * Lines of Sluice's own in a tenant's stream: gap records.  See
 * pipeline-private.h. */
#include <config.h>

#include "pipeline-private.h"

#include "s6-enrich.h"
#include "timeval.h"
#include "util.h"

/* How often it is told what was shed. */
enum { DROPS_MS = 1000 };

/* Stores a gap record; 'rec' says where.  Returns false if that can't be done
 * now. */
static bool
announce(struct pipeline *p, struct record *rec, const struct gap *gap)
{
    char text[GAP_TEXT_SIZE];

    rec->gap = gap;
    rec->ambiguous = false;
    rec->clock_skew_ms = 0;
    rec->text.n_redactions = 0;
    rec->text.receipt = slice_of(NULL, 0);
    rec->route = NULL;
    rec->verbose = NULL;
    if (gap->to_ns) {
        rec->switch_ns = gap->to_ns;
        rec->meta.has |= TUNNEL_HAS_TIME;
    }
    gap_compose(gap, text, &rec->msg);
    enrich_run(p->enrich, rec);
    enrich_choose(rec);
    pipeline_show(p, rec, SLUICE_DROP_NONE);
    return !pipeline_store_one(p, rec);
}

void
pipeline_take_gap(void *p_, struct record *rec, const struct gap *gap)
{
    struct pipeline *p = p_;
    struct record gap_rec = *rec;

    p->books.counters[announce(p, &gap_rec, gap)
                      ? TENANT_ANNOUNCED : TENANT_UNTOLD]++;
}

static void
announce_lost_of(struct pipeline *p, struct source *source,
                 const struct gap *gap, struct record *rec)
{
    struct stats_tenant *t = intake_stats_tenant(p->stats, rec->meta.vni);

    if (t && announce(p, rec, gap)) {
        account_announced(p->account, source, gap->packets);
        undo_add(&p->undo, &t->counters[TENANT_ANNOUNCED], 1);
    }
}

static void
announce_lost(struct source *source, const struct gap *gap, void *p_)
{
    struct pipeline *p = p_;
    struct receive_task task = {
        .kind = TASK_ANNOUNCE_LOST,
        .slot = account_slot(p->account, source),
        .value = gap->packets,
    };
    struct record rec;

    account_fill(source, time_wall_msec() * UINT64_C(1000000), &rec);
    pipeline_begin_task(p, &task);
    announce_lost_of(p, source, gap, &rec);
    pipeline_end_task(p);
}

void
pipeline_announce_lost(struct pipeline *p, long long int now)
{
    account_announce(p->account, now, announce_lost, p);
}

/* Announces what a rule dropped.  Returns false if that can't be done now. */
static bool
announce_rule(struct pipeline *p, const struct rules_gap *g)
{
    struct stats_tenant *t = intake_stats_tenant(p->stats, g->tenant);
    struct source *source = account_source(p->account, g->source);
    uint64_t now_ns = (p->receive ? time_wall_msec() * UINT64_C(1000000)
                       : p->latest_ns);
    struct record rec;

    if (source) {
        account_fill(source, now_ns, &rec);
    } else {
        rules_stage_fill(p->rules, g, now_ns, &rec);
        enrich_skip(p->enrich, &rec);
    }
    if (!t || !announce(p, &rec, &g->gap)) {
        return false;
    }
    rules_stage_told(p->rules, g);
    undo_add(&p->undo, &t->counters[TENANT_ANNOUNCED], 1);
    return true;
}

void
pipeline_announce_rules(struct pipeline *p, bool all)
{
    uint64_t now_ms = pipeline_rules_now(p);
    bool told = true;
    struct rules_gap g;

    while (told && rules_stage_due(p->rules, now_ms, all, &g)) {
        const struct receive_task task = {
            .kind = TASK_ANNOUNCE_RULE,
            .slot = g.row,
            .value = g.gap.lines,
        };

        pipeline_begin_task(p, &task);
        told = announce_rule(p, &g);
        if (!told) {
            rules_stage_put_off(p->rules, &g, now_ms);
        }
        pipeline_end_task(p);
    }
}

/* Announces what a power cut took of the tenant in slot 'slot'. */
static void
announce_cut(struct pipeline *p, uint32_t slot)
{
    struct stats_tenant *t = &p->stats->tenants[slot];
    const struct gap gap = {
        .reason = GAP_POWER_CUT,
        .packets = t->cut_lines,
        .from_ns = t->cut_from_ns,
        .to_ns = t->cut_to_ns,
    };
    struct record rec;

    account_fill(account_tenant(p->account, t->tenant),
                 time_wall_msec() * UINT64_C(1000000), &rec);
    enrich_skip(p->enrich, &rec);
    if (announce(p, &rec, &gap)) {
        undo_set(&p->undo, &t->cut_lines, 0);
        undo_add(&p->undo, &t->counters[TENANT_ANNOUNCED], 1);
    }
}

void
pipeline_announce_cuts(struct pipeline *p)
{
    for (uint32_t i = 0; i < STATS_MAX_TENANTS; i++) {
        const struct receive_task task = {
            .kind = TASK_ANNOUNCE_CUT,
            .slot = i,
        };

        if (stats_get(&p->stats->tenants[i].cut_lines)) {
            pipeline_begin_task(p, &task);
            announce_cut(p, i);
            pipeline_end_task(p);
        }
    }
}

/* What is announced to a tenant as a number of lines, by the task. */
static const struct told {
    uint32_t task;
    enum gap_reason reason;
    enum tenant_counter counter;    /* How many of them are. */
} tolds[] = {
    { TASK_ANNOUNCE_SHED, GAP_SPOOL_FULL, TENANT_SHED_TOLD },
    { TASK_ANNOUNCE_COMMAND, GAP_BY_COMMAND, TENANT_COMMANDS_TOLD },
};

/* Announces to 'tenant' that 'n_lines' were dropped.  Returns false if that
 * can't be done now. */
static bool
announce_lines(struct pipeline *p, const struct told *told,
               struct stats_tenant *t, uint64_t n_lines)
{
    const struct rules_gap g = {
        .gap = { .reason = told->reason, .lines = n_lines },
        .tenant = stats_get(&t->tenant),
    };
    uint64_t now_ns = (p->receive ? time_wall_msec() * UINT64_C(1000000)
                       : p->latest_ns);
    struct record rec;

    rules_stage_fill(p->rules, &g, now_ns, &rec);
    enrich_skip(p->enrich, &rec);
    if (!announce(p, &rec, &g.gap)) {
        return false;
    }
    undo_add(&p->undo, &t->counters[told->counter], n_lines);
    undo_add(&p->undo, &t->counters[TENANT_ANNOUNCED], 1);
    return true;
}

/* Returns how many lines of 't' were dropped for the task, ever. */
static uint64_t
count_dropped(const struct told *told, const struct stats_tenant *t)
{
    if (told->task == TASK_ANNOUNCE_SHED) {
        return (t->drops[SLUICE_DROP_SPOOL_SHED]
                + t->drops[SLUICE_DROP_SPOOL_QUOTA]
                + t->drops[SLUICE_DROP_SPOOL_AGE]
                + t->drops[SLUICE_DROP_SPOOL_FAILED]);
    }
    uint64_t n = stats_get(&t->by_command[0]);
    return stats_get(&t->by_command[1]) == ~n ? n : 0;
}

void
pipeline_announce_drops(struct pipeline *p, long long int now)
{
    if (now < p->drops_due) {
        return;
    }
    p->drops_due = now + DROPS_MS;
    for (size_t i = 0; i < STATS_MAX_TENANTS; i++) {
        struct stats_tenant *t = &p->stats->tenants[i];
        if (!t->tenant) {
            break;
        }
        for (size_t j = 0; j < ARRAY_SIZE(tolds); j++) {
            uint64_t n = count_dropped(&tolds[j], t);
            uint64_t n_lines = n - MIN(n, t->counters[tolds[j].counter]);
            if (n_lines) {
                const struct receive_task task = {
                    .kind = tolds[j].task,
                    .slot = t->tenant,
                    .value = n_lines,
                };
                pipeline_begin_task(p, &task);
                announce_lines(p, &tolds[j], t, n_lines);
                pipeline_end_task(p);
            }
        }
    }
}

void
pipeline_recover_gap(struct pipeline *p, const struct receive_task *task)
{
    struct source *source = account_source(p->account, task->slot);
    struct gap gap = { .reason = GAP_LOST, .packets = task->value };
    struct record rec;
    struct rules_gap g;

    /* What was not stored yet is still due. */
    if (!p->settled.n_lines) {
        return;
    }
    if (task->kind == TASK_ANNOUNCE_LOST && source) {
        account_fill(source, 0, &rec);
        announce_lost_of(p, source, &gap, &rec);
    } else if (task->kind == TASK_ANNOUNCE_RULE
               && rules_stage_row(p->rules, task->slot, task->value, &g)) {
        announce_rule(p, &g);
    } else if (task->kind == TASK_ANNOUNCE_CUT
               && task->slot < STATS_MAX_TENANTS) {
        announce_cut(p, task->slot);
    }
    for (size_t i = 0; i < ARRAY_SIZE(tolds); i++) {
        struct stats_tenant *t = (task->kind == tolds[i].task
                                  ? intake_stats_tenant(p->stats, task->slot)
                                  : NULL);
        if (t) {
            announce_lines(p, &tolds[i], t, task->value);
        }
    }
}
