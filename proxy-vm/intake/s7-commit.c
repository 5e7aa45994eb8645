/* SPDX-License-Identifier: Apache-2.0
 *
 * Stage 7: from a batch that takes no more lines to one that is safe in the
 * spool.  See s7-store-private.h. */
#include <config.h>

#include "s7-store-private.h"

#include <errno.h>
#include <stdlib.h>

#include "failpoint.h"
#include "openvswitch/vlog.h"
#include "seal.h"
#include "timeval.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(store_commit);

/* How long until a spool that refused a batch is asked again. */
enum { RETRY_DELAY_MS = 1000 };

static struct vlog_rate_limit spool_rl = VLOG_RATE_LIMIT_INIT(1, 5);

int
store_begin_spooling(struct store *s, const struct open_batch_info *info,
               struct slice body, struct seal_targets *targets)
{
    struct seal_header header = {
        .tenant = info->tenant,
        .n_lines = info->n_lines,
        .stream = info->stream,
        .number = info->number,
        .created_ns = time_wall_msec() * UINT64_C(1000000),
        .generation = info->generation,
        .origin = s->origin,
    };
    struct tenant_store *t = (info->stream == s->stream
                              ? store_lookup(s, info->tenant) : NULL);

    if (t && s->ending && info->number + 1 == t->next_number) {
        header.flags = SEAL_F_END;
    }
    return seal_stage_begin(s->sealing, &header, body,
                            t ? &t->chains : NULL, targets);
}

void
store_account_spooling(struct store *s, const struct open_batch_info *info,
                 size_t sealed_size, int error)
{
    struct stats_tenant *stats = intake_stats_tenant(s->options.stats,
                                                     info->tenant);

    if (error) {
        VLOG_WARN_RL(&spool_rl, "tenant %"PRIu32": can't put a batch of "
                     "%"PRIu32" lines into the spool %s: %s; it stays open",
                     info->tenant, info->n_lines, s->options.spool,
                     ovs_strerror(error));
    } else if (stats) {
        stats_begin_change(stats);
        stats_add(&stats->counters[TENANT_SPOOLED], info->n_lines);
        if (info->generation > stats->latest_generation
            || (info->generation == stats->latest_generation
                && info->number >= stats->latest_number)) {
            stats_set(&stats->latest_generation, info->generation);
            stats_set(&stats->latest_number, info->number);
        }
        stats_end_change(stats);
        stats_add(&stats->counters[TENANT_BATCHES], 1);
        stats_add(&stats->counters[TENANT_RAW_BYTES], info->size);
        stats_add(&stats->counters[TENANT_SEALED_BYTES], sealed_size);
        stats_set(&stats->counters[TENANT_OPEN],
                  stats->counters[TENANT_OPEN] - info->n_lines);
    }
}

/* Seals a retired batch and begins to put it into the spool, if the group has
 * room. */
static void
begin_retired(struct store *s, struct retired *r)
{
    struct open_batch_info info;
    struct slice body;

    if (seal_stage_is_full(s->sealing)) {
        return;
    }
    open_batch_get(r->batch, &info, &body);
    size_t before = r->targets->sealed_size;
    int error = store_begin_spooling(s, &info, body, r->targets);
    r->tenant->quota.used += r->targets->sealed_size - before;
    if (error && error != ENOBUFS) {
        r->tenant->quota.is_refused = true;
        store_account_spooling(s, &info, 0, error);
    }
    r->is_begun = true;
    store_update_quota(r->tenant);
}

/* What becomes of a retired batch after the sync.  Returns true if it is done
 * with. */
static bool
end_retired(struct store *s, struct retired *r)
{
    struct tenant_store *t = r->tenant;
    struct open_batch_info info;
    struct slice body;

    r->is_begun = false;
    open_batch_get(r->batch, &info, &body);
    int error = seal_stage_settle(s->sealing, r->targets);
    if (error != EAGAIN) {
        store_account_spooling(s, &info, r->targets->sealed_size, error);
        t->quota.is_refused = error != 0;
    }
    if (error) {
        /* How much of it is there? */
        t->quota.look_at = s->look_at = 0;
        store_update_quota(t);
        return false;
    }

    failpoint(FAIL_BATCH_COUNTED);
    /* Empty it before anything else: it must not be recovered again. */
    open_batch_reset(r->batch, info.number, info.before);
    failpoint(FAIL_BATCH_EMPTIED);
    t->n_retired--;
    store_update_quota(t);
    free(r->targets);
    if (t->spare) {
        store_let_go(r->batch);
    } else {
        t->spare = r->batch;
    }
    return true;
}

/* Counts a commit that took 'us' microseconds. */
static void
count_commit(struct intake_stats *stats, long long int us)
{
    static const int limits_ms[] = { 1, 2, 5, 10, 20, 50, 100 };

    stats_add(&stats->counters[INTAKE_COMMITS], 1);
    stats_add(&stats->counters[INTAKE_COMMITS_US], us);
    for (size_t i = 0; i < ARRAY_SIZE(limits_ms); i++) {
        if (us <= limits_ms[i] * 1000) {
            stats_add(&stats->counters[INTAKE_COMMITS_1MS + i], 1);
        }
    }
}

void
store_commit(struct store *s)
{
    size_t n_kept = 0;

    for (size_t i = 0; i < s->n_retired; i++) {
        if (!s->retired[i].is_begun) {
            begin_retired(s, &s->retired[i]);
        }
    }
    bool more = seal_stage_is_full(s->sealing);
    bool is_empty = seal_stage_is_empty(s->sealing);
    long long int began = time_usec();
    seal_stage_commit(s->sealing);
    if (!is_empty) {
        count_commit(s->options.stats, time_usec() - began);
    }
    for (size_t i = 0; i < s->n_retired; i++) {
        struct retired *r = &s->retired[i];
        if (!r->is_begun || !end_retired(s, r)) {
            s->retired[n_kept++] = *r;
        }
    }
    failpoint(FAIL_COMMIT_ENDED);
    s->n_retired = n_kept;
    s->commit_due = time_msec() + (more ? 0 : RETRY_DELAY_MS);
}

bool
store_retire(struct store *s, struct tenant_store *t)
{
    struct open_batch_info info;
    struct slice body;

    t->due = LLONG_MAX;
    if (!t->batch) {
        return true;
    }
    open_batch_get(t->batch, &info, &body);
    if (!info.n_lines) {
        return true;
    }
    if (t->n_retired >= MAX_RETIRED
        && (!seal_stage_is_empty(s->sealing)
            || time_msec() >= s->commit_due)) {
        store_commit(s);
    }
    if (t->n_retired >= MAX_RETIRED) {
        t->due = time_msec() + COMMIT_DELAY_MS;
        s->first_due = MIN(s->first_due, t->due);
        return false;
    }

    if (!s->n_retired) {
        s->commit_due = time_msec() + COMMIT_DELAY_MS;
    }
    struct retired *r = &s->retired[s->n_retired++];
    *r = (struct retired) {
        .tenant = t,
        .batch = t->batch,
        .targets = xmalloc(sizeof *r->targets),
    };
    seal_stage_find(s->sealing, s->options.config, t->tenant, r->targets);
    t->batch = NULL;
    t->n_before += info.n_lines;
    t->n_retired++;
    failpoint(FAIL_BATCH_CLOSED);
    begin_retired(s, r);
    if (seal_stage_is_full(s->sealing)) {
        store_commit(s);
    }
    return true;
}
