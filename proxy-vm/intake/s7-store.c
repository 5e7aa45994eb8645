/* SPDX-License-Identifier: Apache-2.0
 *
 * Stage 7, store.  See s7-store.h. */
#include <config.h>

#include "s7-store-private.h"

#include <stdlib.h>

#include "hash.h"
#include "openvswitch/vlog.h"
#include "s7-put.h"
#include "seal.h"
#include "sodium.h"
#include "timeval.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(store);

static struct vlog_rate_limit spool_rl = VLOG_RATE_LIMIT_INIT(1, 5);

struct tenant_store *
store_lookup(const struct store *s, uint32_t tenant)
{
    struct tenant_store *t;

    HMAP_FOR_EACH_WITH_HASH (t, node, hash_int(tenant, 0), &s->tenants) {
        if (t->tenant == tenant) {
            return t;
        }
    }
    return NULL;
}

void
store_update_quota(struct tenant_store *t)
{
    unsigned int waiting = (t->quota.is_refused
                            ? quota_fill_waiting(t->n_retired, MAX_RETIRED)
                            : 0);

    stats_set(&t->stats->counters[TENANT_SPOOL_FILL],
              quota_update(&t->quota, waiting));
}

/* Returns the configuration of 't', or null. */
static const struct config_tenant *
config_of(const struct store *s, const struct tenant_store *t)
{
    return (s->options.config
            ? config_find_tenant(s->options.config, t->tenant) : NULL);
}

/* Looks how much 't' has in the spool. */
static void
look_into_spool(struct store *s, struct tenant_store *t)
{
    quota_look(&t->quota, s->spool, t->tenant, config_of(s, t), t->stats);
    store_update_quota(t);
}

/* Goes by the configuration, if there is one. */
static void
follow_config(struct store *s)
{
    const struct config *config = s->options.config;
    struct tenant_store *t;

    spool_set_process_only(s->spool, config
                           && !strcmp(config->batch.durability, "process"));
    HMAP_FOR_EACH (t, node, &s->tenants) {
        quota_set(&t->quota, config_of(s, t));
        look_into_spool(s, t);
    }
}

char *
store_create(const struct store_options *options, struct store **ret)
{
    struct store *s = xzalloc(sizeof *s);
    char *error = NULL;
    int err;

    s->options = *options;
    s->recover_at = LLONG_MAX;
    s->first_due = LLONG_MAX;
    hmap_init(&s->tenants);
    err = seal_public_key_read(options->public_key, s->recipient);
    if (err) {
        error = xasprintf("can't read the public key %s: %s; sluiced makes a "
                          "pair when it first starts, \"sluice-ship "
                          "--generate-key\" makes one by hand",
                          options->public_key, ovs_strerror(err));
        goto out;
    }
    err = spool_open(options->spool, &s->spool);
    if (!err) {
        err = spool_next_generation_above(
            s->spool, open_batch_latest_generation(options->open_dir),
            &s->generation);
    }
    if (err) {
        error = xasprintf("can't open the spool %s: %s", options->spool,
                          ovs_strerror(err));
        goto out;
    }
    s->sealing = seal_stage_create(s->spool, s->recipient,
                                   options->max_bytes);
    if (!s->sealing) {
        error = xasprintf("can't set up sealing for batches of %"PRIu32" "
                          "bytes: out of memory", options->max_bytes);
        goto out;
    }
    randombytes_buf(&s->stream, sizeof s->stream);
    s->origin = seal_origin(s->recipient);
    follow_config(s);
    *ret = s;
    s = NULL;

out:
    store_destroy(s);
    return error;
}

void
store_reconfigure(struct store *s, const struct config *config,
                  struct recipients **recipients)
{
    s->options.config = config;
    seal_stage_use(s->sealing, recipients);
    follow_config(s);
}

void
store_let_go(struct open_batch *batch)
{
    struct open_batch_info info;
    struct slice body;

    if (batch) {
        open_batch_get(batch, &info, &body);
        open_batch_close(batch, !info.n_lines);
    }
}

void
store_destroy(struct store *s)
{
    if (s) {
        struct tenant_store *t;

        for (size_t i = 0; i < s->n_retired; i++) {
            store_let_go(s->retired[i].batch);
            free(s->retired[i].targets);
        }
        HMAP_FOR_EACH_POP (t, node, &s->tenants) {
            store_let_go(t->batch);
            store_let_go(t->spare);
            free(t);
        }
        hmap_destroy(&s->tenants);
        seal_stage_destroy(s->sealing);
        spool_close(s->spool);
        free(s);
    }
}

/* Gives 't', which has no batch, one to go on with.  Returns 0 or a positive
 * errno. */
static int
begin_batch(struct store *s, struct tenant_store *t)
{
    struct open_batch_info info = {
        .tenant = t->tenant,
        .generation = s->generation,
        .stream = s->stream,
        .number = t->next_number,
        .before = t->n_before,
    };

    if (t->spare) {
        open_batch_reset(t->spare, t->next_number, t->n_before);
        t->batch = t->spare;
        t->spare = NULL;
    } else {
        int error = open_batch_create(s->options.open_dir, &info,
                                      s->options.max_bytes, &t->batch);
        if (error) {
            t->batch = NULL;
            VLOG_WARN_RL(&spool_rl, "tenant %"PRIu32": can't open a batch in "
                         "%s: %s", t->tenant, s->options.open_dir,
                         ovs_strerror(error));
            return error;
        }
    }
    t->next_number++;
    t->serial = ++s->batch_serial;
    t->n_sources = 0;
    t->due = LLONG_MAX;
    return 0;
}

/* Returns the store of 'tenant', or null if there is no place for one more. */
static struct tenant_store *
tenant_store_find(struct store *s, uint32_t tenant)
{
    struct tenant_store *t = store_lookup(s, tenant);
    if (t) {
        return t;
    }

    struct stats_tenant *stats = intake_stats_tenant(s->options.stats, tenant);
    if (!stats) {
        return NULL;
    }
    t = xzalloc(sizeof *t);
    t->tenant = tenant;
    t->stats = stats;
    t->due = LLONG_MAX;
    hmap_insert(&s->tenants, &t->node, hash_int(tenant, 0));
    quota_set(&t->quota, config_of(s, t));
    look_into_spool(s, t);
    s->look_at = 0;
    return t;
}

/* Appends to the open batch.  Returns false if it is too full. */
static bool
append(struct store *s, struct tenant_store *t, struct record *rec)
{
    struct source_look *look = rec->look;
    bool known = look->batch_serial == t->serial;
    uint32_t id = known ? look->batch_id : t->n_sources + 1;
    size_t room;
    uint8_t *tail = open_batch_tail(t->batch, &room);
    size_t n_source = known ? 0 : record_put_source(rec, id, tail, room);
    if (!known && !n_source) {
        return false;
    }
    size_t n_line = record_put_line(rec, id, tail + n_source,
                                    room - n_source);
    if (!n_line) {
        return false;
    }

    if (s->options.intend) {
        struct open_batch_info info;
        struct slice body;
        open_batch_get(t->batch, &info, &body);
        struct receive_intent intent = {
            .tenant = info.tenant,
            .generation = info.generation,
            .number = info.number,
            .size = info.size + n_source + n_line,
        };
        s->options.intend(s->options.aux, &intent);
    }
    open_batch_commit(t->batch, n_source + n_line, 1);
    if (!known) {
        t->n_sources++;
        look->batch_serial = t->serial;
        look->batch_id = id;
    }
    return true;
}

enum sluice_drop
store_run(struct store *s, struct record *rec)
{
    struct tenant_store *t = tenant_store_find(s, rec->meta.vni);
    if (!t) {
        return SLUICE_DROP_STORAGE;
    }
    /* Gap records matter as what is critical does. */
    int severity = rec->gap ? 2 : rec->msg.pri & 7;
    if (OVS_UNLIKELY(severity > t->quota.lets_in)) {
        return quota_reason(&t->quota, severity);
    }
    if (!t->batch && begin_batch(s, t)) {
        return SLUICE_DROP_STORAGE;
    }

    if (!append(s, t, rec)) {
        if (!store_retire(s, t)) {
            return SLUICE_DROP_SPOOL_FAILED;
        }
        if (!t->batch && begin_batch(s, t)) {
            return SLUICE_DROP_STORAGE;
        }
        if (!append(s, t, rec)) {
            return SLUICE_DROP_LINE_TOO_LONG;
        }
    }
    stats_add(&t->stats->counters[TENANT_OPEN], 1);
    if (t->due == LLONG_MAX) {
        t->due = time_msec() + s->options.max_delay_ms;
        s->first_due = MIN(s->first_due, t->due);
    }
    return SLUICE_DROP_NONE;
}

/* Looks into the spool for the tenant that is due, if one is: for one at a
 * time, so that packets do not wait long. */
static void
look_into_one(struct store *s, long long int now)
{
    struct tenant_store *t, *first = NULL;

    if (now < s->look_at) {
        return;
    }
    HMAP_FOR_EACH (t, node, &s->tenants) {
        if (!first || t->quota.look_at < first->quota.look_at) {
            first = t;
        }
    }
    if (first && first->quota.look_at <= now) {
        look_into_spool(s, first);
    } else {
        s->look_at = MIN(now + QUOTA_LOOK_MS, first ? first->quota.look_at : LLONG_MAX);
    }
}

int
store_tick(struct store *s, long long int now, int max_ms)
{
    if (s->first_due <= now) {
        struct tenant_store *t;

        s->first_due = LLONG_MAX;
        HMAP_FOR_EACH (t, node, &s->tenants) {
            if (t->due <= now) {
                store_retire(s, t);
            }
            s->first_due = MIN(s->first_due, t->due);
        }
    }
    if (s->n_retired && s->commit_due <= now) {
        store_commit(s);
    }
    look_into_one(s, now);
    if (s->recover_at <= now) {
        store_recover_again(s);
    }

    long long int next = MIN(now + max_ms, s->first_due);
    if (s->n_retired) {
        next = MIN(next, s->commit_due);
    }
    return MAX(MIN(next, s->recover_at) - now, 0);
}

void
store_flush(struct store *s, bool (*keep)(uint32_t tenant, void *aux),
            void *aux)
{
    struct tenant_store *t;

    HMAP_FOR_EACH (t, node, &s->tenants) {
        if (!keep || !keep(t->tenant, aux)) {
            store_retire(s, t);
        }
    }
    store_commit(s);
}

/* Ends the streams of tenants whose last batch was sealed before that was
 * known, each with a batch without lines. */
static void
end_streams(struct store *s)
{
    struct {
        struct open_batch_info info;
        struct seal_targets targets;
    } *ends = xmalloc(SPOOL_MAX_PENDING * sizeof *ends);
    struct hmap_node *node = hmap_first(&s->tenants);

    while (node) {
        int n = 0;

        for (; node && n < SPOOL_MAX_PENDING
               && !seal_stage_is_full(s->sealing);
             node = hmap_next(&s->tenants, node)) {
            struct tenant_store *t = CONTAINER_OF(node, struct tenant_store,
                                                  node);
            struct seal_targets *targets = &ends[n].targets;

            seal_stage_find(s->sealing, s->options.config, t->tenant,
                            targets);
            seal_targets_keep_unended(targets, &t->chains);
            if (!targets->n) {
                continue;
            }
            ends[n].info = (struct open_batch_info) {
                .tenant = t->tenant,
                .generation = s->generation,
                .stream = s->stream,
                .number = t->batch ? t->next_number - 1 : t->next_number++,
            };
            store_begin_spooling(s, &ends[n].info, slice_of(NULL, 0), targets);
            n++;
        }
        seal_stage_commit(s->sealing);
        for (int i = 0; i < n; i++) {
            int error = seal_stage_settle(s->sealing, &ends[i].targets);
            store_account_spooling(s, &ends[i].info, ends[i].targets.sealed_size,
                             error);
        }
    }
    free(ends);
}

void
store_end(struct store *s)
{
    s->ending = true;
    store_flush(s, NULL, NULL);
    end_streams(s);
}
