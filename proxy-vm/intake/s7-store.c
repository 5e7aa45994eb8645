/* SPDX-License-Identifier: Apache-2.0
 *
 * Stage 7, store.  See s7-store.h. */
#include <config.h>

#include "s7-store.h"

#include <errno.h>
#include <stdlib.h>

#include "batch.h"
#include "gap.h"
#include "open-batch.h"
#include "openvswitch/hmap.h"
#include "openvswitch/vlog.h"
#include "hash.h"
#include "seal.h"
#include "sodium.h"
#include "spool.h"
#include "timeval.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(store);

enum {
    /* How long a batch that is full waits for others to be synced with. */
    COMMIT_DELAY_MS = 100,

    /* How long until a spool that refused a batch is asked again. */
    RETRY_DELAY_MS = 1000,

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
    unsigned int n_retired;         /* In store's list. */
    long long int due;              /* When it is closed; time_msec(). */
};

/* A batch that takes no more lines and is not yet known to be safe in the
 * spool.  Until it is, its open batch stays. */
struct retired {
    struct tenant_store *tenant;
    struct open_batch *batch;
    size_t sealed_size;
    int position;                   /* In the spool's group, or -1. */
};

struct store {
    struct store_options options;
    struct spool *spool;
    uint8_t recipient[32];          /* The public key to seal to. */
    struct sealer *sealer;          /* For batches of up to 'max_bytes'. */
    struct hmap tenants;            /* Of struct tenant_store. */
    struct retired retired[MAX_RETIRED_ALL];
    size_t n_retired;
    int n_begun;                    /* Batches in the spool's group. */
    long long int commit_due;       /* Of the retired; time_msec(). */
    long long int first_due;        /* No tenant's 'due' is before it. */
    uint32_t generation;            /* Of this run, from the spool. */
    uint64_t stream;                /* Of this run: random. */
    uint64_t batch_serial;          /* Of all batches of this run. */
    long long int recover_at;       /* When to try to spool what is left in
                                     * 'open_dir'; LLONG_MAX: nothing is. */
};

static struct vlog_rate_limit spool_rl = VLOG_RATE_LIMIT_INIT(1, 5);

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
        err = spool_next_generation(s->spool, &s->generation);
    }
    if (err) {
        error = xasprintf("can't open the spool %s: %s", options->spool,
                          ovs_strerror(err));
        goto out;
    }
    s->sealer = sealer_create(s->recipient, options->max_bytes);
    if (!s->sealer) {
        error = xasprintf("can't set up sealing for batches of %"PRIu32" "
                          "bytes: out of memory", options->max_bytes);
        goto out;
    }
    randombytes_buf(&s->stream, sizeof s->stream);
    *ret = s;
    s = NULL;

out:
    store_destroy(s);
    return error;
}

/* Closes a batch for good; lines that are in it stay for the next process. */
static void
let_go(struct open_batch *batch)
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
            let_go(s->retired[i].batch);
        }
        HMAP_FOR_EACH_POP (t, node, &s->tenants) {
            let_go(t->batch);
            let_go(t->spare);
            free(t);
        }
        hmap_destroy(&s->tenants);
        sealer_destroy(s->sealer);
        spool_close(s->spool);
        free(s);
    }
}

/* Seals 'body' and begins to put it into the spool.  Returns 0 and the size of
 * the sealed batch, or a positive errno. */
static int
begin_spooling(struct store *s, const struct open_batch_info *info,
               struct slice body, size_t *ret_size)
{
    struct seal_header header = {
        .tenant = info->tenant,
        .n_lines = info->n_lines,
        .stream = info->stream,
        .number = info->number,
        .created_ns = time_wall_msec() * UINT64_C(1000000),
    };
    struct slice file;

    /* One that an earlier run left may be of a larger kind. */
    struct sealer *large = (body.size <= s->options.max_bytes ? NULL
                            : sealer_create(s->recipient, body.size));
    int error = sealer_run(large ? large : s->sealer, &header, body, &file);
    if (!error) {
        error = spool_begin(s->spool, info->tenant, info->generation,
                            info->number, file);
    }
    if (!error) {
        *ret_size = file.size;
    }
    sealer_destroy(large);
    return error;
}

/* Puts a batch that is in the spool, or could not be put there, into the
 * books. */
static void
account_spooling(struct store *s, const struct open_batch_info *info,
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
        stats_add(&stats->counters[TENANT_SPOOLED], info->n_lines);
        stats_add(&stats->counters[TENANT_BATCHES], 1);
        stats_add(&stats->counters[TENANT_RAW_BYTES], info->size);
        stats_add(&stats->counters[TENANT_SEALED_BYTES], sealed_size);
        stats_set(&stats->counters[TENANT_OPEN],
                  stats->counters[TENANT_OPEN] - info->n_lines);
    }
}

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
    }
    if (!info->n_lines) {
        return 0;
    }

    /* What was counted as open before a kill may be a line behind. */
    struct stats_tenant *t = intake_stats_tenant(stats, info->tenant);
    if (r->at_start && t) {
        stats_add(&t->counters[TENANT_OPEN], info->n_lines);
    }

    size_t sealed_size = 0;
    int error = begin_spooling(r->store, info, body, &sealed_size);
    if (!error) {
        spool_commit(r->store->spool, &error);
    }
    account_spooling(r->store, info, sealed_size, error);
    if (!error) {
        stats_add(&stats->counters[INTAKE_RECOVERED], 1);
        VLOG_INFO("tenant %"PRIu32": %"PRIu32" lines of an interrupted run "
                  "are in the spool", info->tenant, info->n_lines);
    }
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
    };

    if (t->spare) {
        open_batch_reset(t->spare, t->next_number);
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
    struct tenant_store *t;
    uint32_t hash = hash_int(tenant, 0);

    HMAP_FOR_EACH_WITH_HASH (t, node, hash, &s->tenants) {
        if (t->tenant == tenant) {
            return t;
        }
    }

    struct stats_tenant *stats = intake_stats_tenant(s->options.stats, tenant);
    if (!stats) {
        return NULL;
    }
    t = xzalloc(sizeof *t);
    t->tenant = tenant;
    t->stats = stats;
    t->due = LLONG_MAX;
    hmap_insert(&s->tenants, &t->node, hash);
    return t;
}

/* Seals a retired batch and begins to put it into the spool, if the group has
 * room. */
static void
begin_retired(struct store *s, struct retired *r)
{
    struct open_batch_info info;
    struct slice body;

    if (s->n_begun >= SPOOL_MAX_PENDING) {
        return;
    }
    open_batch_get(r->batch, &info, &body);
    int error = begin_spooling(s, &info, body, &r->sealed_size);
    if (error) {
        account_spooling(s, &info, 0, error);
    } else {
        r->position = s->n_begun++;
    }
}

/* What becomes of a retired batch after the sync.  Returns true if it is done
 * with. */
static bool
end_retired(struct store *s, struct retired *r, int error)
{
    struct tenant_store *t = r->tenant;
    struct open_batch_info info;
    struct slice body;

    open_batch_get(r->batch, &info, &body);
    account_spooling(s, &info, r->sealed_size, error);
    r->position = -1;
    if (error) {
        return false;
    }

    /* Empty it before anything else: it must not be recovered again. */
    open_batch_reset(r->batch, info.number);
    t->n_retired--;
    if (t->spare) {
        let_go(r->batch);
    } else {
        t->spare = r->batch;
    }
    return true;
}

/* Syncs the retired batches, and lets go of those that are in the spool.  The
 * others are tried again the next time. */
static void
commit(struct store *s)
{
    int errors[SPOOL_MAX_PENDING];
    size_t n_kept = 0;

    for (size_t i = 0; i < s->n_retired; i++) {
        if (s->retired[i].position < 0) {
            begin_retired(s, &s->retired[i]);
        }
    }
    bool more = s->n_begun >= SPOOL_MAX_PENDING;
    spool_commit(s->spool, errors);
    for (size_t i = 0; i < s->n_retired; i++) {
        struct retired *r = &s->retired[i];
        if (r->position < 0 || !end_retired(s, r, errors[r->position])) {
            s->retired[n_kept++] = *r;
        }
    }
    s->n_retired = n_kept;
    s->n_begun = 0;
    s->commit_due = time_msec() + (more ? 0 : RETRY_DELAY_MS);
}

/* Retires the batch of 't', if it has lines, so that 't' has none.  Returns
 * false if too many wait already: then 't' keeps it. */
static bool
retire(struct store *s, struct tenant_store *t)
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
        && (s->n_begun || time_msec() >= s->commit_due)) {
        commit(s);
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
    *r = (struct retired) { .tenant = t, .batch = t->batch, .position = -1 };
    t->batch = NULL;
    t->n_retired++;
    begin_retired(s, r);
    if (s->n_begun >= SPOOL_MAX_PENDING) {
        commit(s);
    }
    return true;
}

/* Writes 'source' as it goes into the batch under 'id'. */
static size_t
put_source(const struct record *rec, uint32_t id, uint8_t *buf, size_t room)
{
    static const uint8_t v4_mapped[12] = { [10] = 0xff, [11] = 0xff };
    const struct source *source = rec->source;
    bool v4 = !memcmp(rec->vtep, v4_mapped, sizeof v4_mapped);
    struct batch_source out = {
        .id = id,
        .tenant = rec->meta.vni,
        .has_vm = rec->meta.has & TUNNEL_HAS_VM,
        .ofp_port = rec->meta.ofp_port,
        .vtep = v4 ? slice_of(rec->vtep + 12, 4) : slice_of(rec->vtep, 16),
        .stock = !(rec->meta.has & TUNNEL_HAS_META),
        .context_pending = source->context_pending,
        .context = source->context,
    };

    memcpy(out.vm, rec->meta.vm, sizeof out.vm);
    memcpy(out.mac, rec->inner.src_mac, sizeof out.mac);
    return batch_put_source(buf, room, &out);
}

static void
put_gap(const struct gap *gap, struct batch_line *line)
{
    line->gap = (struct batch_gap) {
        .reason = slice_from_string(gap_reason_name(gap->reason)),
        .packets = gap->packets,
        .bytes = gap->bytes,
        .from_ns = gap->from_ns,
        .to_ns = gap->to_ns,
        .protocol = gap->protocol,
        .src_port = gap->src_port,
        .dst_port = gap->dst_port,
    };
    if (gap->protocol) {
        line->gap.dst_ip = slice_of(gap->dst_ip, sizeof gap->dst_ip);
        line->src_ip = slice_of(gap->src_ip, sizeof gap->src_ip);
    } else {
        line->src_ip = slice_of(NULL, 0);
    }
}

static size_t
put_line(const struct record *rec, uint32_t source, uint8_t *buf, size_t room)
{
    uint32_t has = rec->meta.has;
    struct batch_line line = {
        .source = source,
        .switch_ns = rec->switch_ns,
        .switch_ns_is_receipt = !(has & TUNNEL_HAS_TIME),
        .seq_epoch = has & TUNNEL_HAS_SEQUENCE ? rec->meta.seq_epoch : 0,
        .seq_number = has & TUNNEL_HAS_SEQUENCE ? rec->meta.seq_number : 0,
        .activity = slice_of(rec->meta.activity,
                             has & TUNNEL_HAS_ACTIVITY ? 16 : 0),
        .pri = rec->msg.pri,
        .has_time = rec->msg.has_time,
        .time_ns = rec->msg.time_ns,
        .hostname = rec->msg.hostname,
        .app_name = rec->msg.app_name,
        .procid = rec->msg.procid,
        .msgid = rec->msg.msgid,
        .sd = rec->msg.sd,
        .msg = rec->msg.msg,
        .redactions = rec->text.n_redactions,
        .receipt = rec->text.receipt,
        .clock_skew_ms = rec->clock_skew_ms,
        .src_ip = slice_of(rec->inner.src_ip, sizeof rec->inner.src_ip),
        .owner_pid = has & TUNNEL_HAS_OWNER ? rec->meta.owner_pid : 0,
        .ambiguous = rec->ambiguous,
        .owner_uid = has & TUNNEL_HAS_OWNER ? rec->meta.owner_uid : 0,
    };
    if (rec->gap) {
        put_gap(rec->gap, &line);
    }
    return batch_put_line(buf, room, &line);
}

/* Appends to the open batch.  Returns false if it is too full. */
static bool
append(struct store *s, struct tenant_store *t, struct record *rec)
{
    struct source *source = rec->source;
    bool known = (source->batch_serial == t->serial
                  && source->batch_snapshot_serial == source->snapshot_serial);
    uint32_t id = known ? source->batch_id : t->n_sources + 1;
    size_t room;
    uint8_t *tail = open_batch_tail(t->batch, &room);
    size_t n_source = known ? 0 : put_source(rec, id, tail, room);
    if (!known && !n_source) {
        return false;
    }
    size_t n_line = put_line(rec, id, tail + n_source, room - n_source);
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
        source->batch_serial = t->serial;
        source->batch_id = id;
        source->batch_snapshot_serial = source->snapshot_serial;
    }
    return true;
}

enum sluice_drop
store_run(struct store *s, struct record *rec)
{
    struct tenant_store *t = tenant_store_find(s, rec->meta.vni);
    if (!t || (!t->batch && begin_batch(s, t))) {
        return SLUICE_DROP_STORAGE;
    }

    if (!append(s, t, rec)) {
        if (!retire(s, t) || (!t->batch && begin_batch(s, t))) {
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

int
store_tick(struct store *s, long long int now, int max_ms)
{
    if (s->first_due <= now) {
        struct tenant_store *t;

        s->first_due = LLONG_MAX;
        HMAP_FOR_EACH (t, node, &s->tenants) {
            if (t->due <= now) {
                retire(s, t);
            }
            s->first_due = MIN(s->first_due, t->due);
        }
    }
    if (s->n_retired && s->commit_due <= now) {
        commit(s);
    }
    if (s->recover_at <= now) {
        struct recovery r = { .store = s };
        commit(s);
        recover(s, &r);
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
            retire(s, t);
        }
    }
    commit(s);
}
