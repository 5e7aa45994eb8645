/* SPDX-License-Identifier: Apache-2.0
 *
 * Stage 7: what a dead process left open.  See s7-store-private.h. */
#include <config.h>

#include "s7-store-private.h"

#include "failpoint.h"
#include "openvswitch/vlog.h"
#include "timeval.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(store_recover);

struct recovery {
    struct store *store;
    const struct receive_intent *intent;
    bool at_start;                  /* Nothing else is open yet. */
    bool committed;
    bool refused;                   /* By the spool, at least one batch. */
};

static int
recover_one(const struct open_batch_info *info, struct slice body, void *aux)
{
    struct recovery *r = aux;
    struct intake_stats *stats = r->store->options.stats;

    if (r->intent && r->intent->tenant == info->tenant
        && r->intent->generation == info->generation
        && r->intent->number == info->number
        && r->intent->size <= info->size) {
        r->committed = true;
        r->store->options.settle(r->store->options.aux);
    }
    if (!info->n_lines) {
        return 0;
    }

    /* What was counted as open before a kill may be a line behind. */
    struct stats_tenant *t = intake_stats_tenant(stats, info->tenant);
    if (r->at_start && t) {
        stats_add(&t->counters[TENANT_OPEN], info->n_lines);
    }

    struct seal_stage *sealing = r->store->sealing;
    struct seal_targets targets;
    seal_stage_find(sealing, r->store->options.config, info->tenant,
                    &targets);
    int begin_error = store_begin_spooling(r->store, info, body, &targets);
    seal_stage_commit(sealing);
    int error = seal_stage_settle(sealing, &targets);
    error = begin_error ? begin_error : error;
    store_account_spooling(r->store, info, targets.sealed_size, error);
    if (!error) {
        stats_add(&stats->counters[INTAKE_RECOVERED], 1);
        VLOG_INFO("tenant %"PRIu32": %"PRIu32" lines of an interrupted run "
                  "are in the spool", info->tenant, info->n_lines);
    }
    failpoint(FAIL_RECOVERY_PUSHED);
    r->refused |= error != 0;
    return error;
}

/* Puts the batches in 'open_dir' that are not in use into the spool.  Those
 * that it refuses, for want of space or because of one tenant's directory, are
 * tried again later.  No group of the spool's may be begun. */
static int
recover(struct store *s, struct recovery *r)
{
    unsigned int n_bad = 0;
    int error = open_batch_recover(s->options.open_dir, recover_one, r,
                                   &n_bad);

    stats_add(&s->options.stats->counters[INTAKE_RECOVERY_BAD], n_bad);
    if (n_bad) {
        VLOG_WARN("%s: %u open batches of an earlier run could not be read "
                  "and are set aside as *.bad", s->options.open_dir, n_bad);
    }
    s->recover_at = (error ? time_msec() + s->options.max_delay_ms
                     : LLONG_MAX);
    return error;
}

char *
store_recover(struct store *s, const struct receive_intent *intent,
              bool *ret_committed)
{
    struct recovery r = { .store = s, .intent = intent, .at_start = true };

    for (size_t i = 0; i < STATS_MAX_TENANTS; i++) {
        stats_set(&s->options.stats->tenants[i].counters[TENANT_OPEN], 0);
    }
    int error = recover(s, &r);

    if (error && !r.refused) {
        return xasprintf("can't recover the open batches in %s: %s",
                         s->options.open_dir, ovs_strerror(error));
    }
    *ret_committed = r.committed;
    return NULL;
}

void
store_balance(struct store *s)
{
    for (size_t i = 0; i < STATS_MAX_TENANTS; i++) {
        struct stats_tenant *t = &s->options.stats->tenants[i];
        uint64_t *counters = t->counters;

        if (t->tenant) {
            stats_set(&counters[TENANT_SPOOLED],
                      counters[TENANT_RECEIVED] + counters[TENANT_ANNOUNCED]
                      - counters[TENANT_DROPPED] - counters[TENANT_OPEN]);
        }
    }
}

void
store_recover_again(struct store *s)
{
    struct recovery r = { .store = s };

    store_commit(s);
    recover(s, &r);
}
