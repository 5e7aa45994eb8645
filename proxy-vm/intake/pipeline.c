/* SPDX-License-Identifier: Apache-2.0
 *
 * Wires the stages of sluice-intake.  See pipeline.h. */
#include <config.h>

#include "pipeline.h"

#include <stdlib.h>

#include "liveness.h"
#include "openvswitch/vlog.h"
#include "gap.h"
#include "packets.h"
#include "redaction.h"
#include "s2-decap.h"
#include "s2-join.h"
#include "s3-account.h"
#include "s4-reassemble.h"
#include "s5-claims.h"
#include "s6-enrich.h"
#include "timeval.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(pipeline);

enum {
    TICK_MS = 100,
    MAX_TRIES = 3,              /* Deaths that a packet may cause. */
    MAX_TASKS = 1000,           /* Of stage 4, in one tick. */
};

/* What intake does between packets; goes into the journal of stage 1. */
enum task_kind {
    TASK_ANNOUNCE_LOST,         /* Slot: of the source.  Value: packets. */
    TASK_REASSEMBLE,            /* Slot: of stage 4.  Value: 1 to evict. */
};

struct pipeline {
    struct intake_stats *stats;     /* Borrowed. */
    struct receive *receive;        /* Borrowed; may be null. */
    struct decap decap;
    struct parts *parts;
    bool is_again;                  /* The packet that comes now may have been
                                     * taken by the process before. */
    struct account *account;
    struct reassemble *reassemble;
    const char *copies;             /* Of files that sluiced publishes; null:
                                     * the files themselves. */
    struct redaction *redaction;
    struct enrich *enrich;
    struct store *store;
    uint32_t clock_skew_ms;         /* Lines tell that much or more. */
    struct liveness *liveness;      /* Null: no BFD. */

    /* What a step that a dead process had begun need not do again: so many
     * lines are through, of which so many were dropped. */
    uint32_t n_settled, n_refused;

    /* What came of this step, if stage 4 had a part in it: goes into the books
     * at its end, in one go. */
    struct step_books {
        uint64_t counters[N_TENANT_COUNTERS];
        uint32_t drops[SLUICE_N_DROPS];
    } books;
    bool is_many;                   /* Stage 4 has a part in this step. */
    uint64_t ticket;                /* Of the latest step, without 'receive'.*/
    uint64_t latest_ns;             /* Receipt of the latest packet, ditto. */
};

static void
intend(void *receive, const struct receive_intent *intent)
{
    receive_socket_intend(receive, intent);
}

/* Counts parts of a frame that were taken and can't be joined. */
static void
drop_parts(void *p_, uint32_t tenant, enum sluice_drop drop,
           unsigned int n_parts)
{
    struct pipeline *p = p_;
    struct stats_tenant *t = intake_stats_tenant(p->stats, tenant);

    if (t) {
        stats_add(&t->counters[TENANT_RECEIVED], n_parts);
        stats_add(&t->counters[TENANT_DROPPED], n_parts);
        stats_add(&t->drops[drop], n_parts);
    }
    stats_add(&p->stats->counters[INTAKE_DROPPED], n_parts);
    stats_add(&p->stats->drops[drop], n_parts);
}

static void
count_tenant(struct pipeline *p, const struct record *rec,
             enum sluice_drop drop)
{
    struct stats_tenant *t = intake_stats_tenant(p->stats, rec->meta.vni);
    if (!t) {
        return;
    }

    stats_add(&t->counters[TENANT_RECEIVED], 1);
    if (drop) {
        stats_add(&t->counters[TENANT_DROPPED], 1);
        stats_add(&t->drops[drop], 1);
        return;
    }
    stats_add(&t->counters[TENANT_BYTES], rec->inner.payload.size);
    stats_add(&t->counters[TENANT_REDACTIONS], rec->text.n_redactions);
    stats_add(&t->counters[TENANT_REDACTED], rec->text.n_redactions > 0);
}

static void
count_drop(struct pipeline *p, enum sluice_drop drop)
{
    if (drop) {
        stats_add(&p->stats->counters[INTAKE_DROPPED], 1);
        stats_add(&p->stats->drops[drop], 1);
    }
}

/* Returns the time that tells which year a message without one is of: the
 * switch's, unless that is beyond what a message can say. */
static int64_t
reference_ns(const struct record *rec)
{
    return rec->switch_ns <= INT64_MAX ? rec->switch_ns : rec->received_ns;
}

/* Takes 'rec', which is a part of a frame.  Returns true if 'rec' is the whole
 * frame now, with '*ret_inner' as for decap_run(). */
static bool
join(struct pipeline *p, struct record *rec, enum sluice_drop *ret_inner)
{
    bool is_whole = false;
    enum sluice_drop drop = (account_came_before(p->account, rec)
                             && !p->is_again
                             ? SLUICE_DROP_SEQUENCE_REPLAYED
                             : parts_run(p->parts, rec, p->decap.option_class,
                                         p->is_again, &is_whole));

    if (is_whole) {
        *ret_inner = decap_whole(&p->decap, rec);
    } else if (drop) {
        count_tenant(p, rec, drop);
        count_drop(p, drop);
    }
    return is_whole;
}

/* Stores 'rec''s line, unless a dead process had done that. */
static enum sluice_drop
store_line(struct pipeline *p, struct record *rec)
{
    if (OVS_LIKELY(!p->n_settled)) {
        return store_run(p->store, rec);
    }
    bool refused = p->n_refused > 0;
    p->n_settled--;
    p->n_refused -= refused;
    return refused ? SLUICE_DROP_STORAGE : SLUICE_DROP_NONE;
}

/* The same in a step that may store more than one. */
static enum sluice_drop
store_one_of_many(struct pipeline *p, struct record *rec)
{
    bool new = !p->n_settled;
    enum sluice_drop drop = store_line(p, rec);

    if (new && p->receive) {
        receive_socket_settle(p->receive, drop);
    }
    return drop;
}

/* Sends a message through the stages behind the fourth, up to the last.
 * Returns why it is to be dropped, if it is. */
static enum sluice_drop
understand(struct pipeline *p, struct record *rec)
{
    redactor_run(redaction_find(p->redaction, rec->meta.vni),
                 rec->inner.payload, NULL, &rec->text);
    if (rec->text.drop) {
        return SLUICE_DROP_REDACTION;
    }
    syslog_msg_parse(rec->text.text, reference_ns(rec), &rec->msg);
    claims_run(rec, p->clock_skew_ms);
    enrich_run(p->enrich, rec);
    rec->gap = NULL;
    return SLUICE_DROP_NONE;
}

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
    if (gap->to_ns) {
        rec->switch_ns = gap->to_ns;
        rec->meta.has |= TUNNEL_HAS_TIME;
    }
    gap_compose(gap, text, &rec->msg);
    enrich_run(p->enrich, rec);
    return !store_one_of_many(p, rec);
}

/* Takes a message of stage 4. */
static void
take_message(void *p_, struct record *rec, struct slice message,
             bool ambiguous)
{
    struct pipeline *p = p_;
    uint64_t *counters = p->books.counters;
    enum sluice_drop drop = SLUICE_DROP_FRAME_EMPTY;

    rec->inner.payload = message;
    rec->ambiguous = ambiguous;
    if (message.size) {
        drop = understand(p, rec);
        if (!drop) {
            drop = store_one_of_many(p, rec);
        }
    }
    counters[TENANT_RECEIVED]++;
    counters[TENANT_DROPPED] += drop != SLUICE_DROP_NONE;
    p->books.drops[drop]++;
    if (!drop) {
        counters[TENANT_BYTES] += message.size;
        counters[TENANT_REDACTIONS] += rec->text.n_redactions;
        counters[TENANT_REDACTED] += rec->text.n_redactions > 0;
    }
}

/* Takes a gap of stage 4. */
static void
take_gap(void *p_, struct record *rec, const struct gap *gap)
{
    struct pipeline *p = p_;
    struct record gap_rec = *rec;

    p->books.counters[announce(p, &gap_rec, gap)
                      ? TENANT_ANNOUNCED : TENANT_UNTOLD]++;
}

/* Puts what the step did into the books of 'tenant'. */
static void
enter_books(struct pipeline *p, uint32_t tenant,
            const struct reassemble_tally *tally)
{
    struct step_books *books = &p->books;
    struct stats_tenant *t = intake_stats_tenant(p->stats, tenant);

    if (tally->drop) {
        books->counters[TENANT_RECEIVED]++;
        books->counters[TENANT_DROPPED]++;
        books->drops[tally->drop]++;
    }
    for (int i = 0; t && i < N_TENANT_COUNTERS; i++) {
        uint64_t n = books->counters[i] + tally->counters[i];
        if (n) {
            stats_add(&t->counters[i], n);
        }
    }
    for (int i = SLUICE_DROP_NONE + 1; i < SLUICE_N_DROPS; i++) {
        if (books->drops[i]) {
            stats_add(&p->stats->counters[INTAKE_DROPPED], books->drops[i]);
            stats_add(&p->stats->drops[i], books->drops[i]);
            if (t) {
                stats_add(&t->drops[i], books->drops[i]);
            }
        }
    }
    *books = (struct step_books) { .drops = { 0 } };
}

static uint64_t
step_ticket(struct pipeline *p)
{
    return p->receive ? receive_socket_ticket(p->receive) : ++p->ticket;
}

static uint64_t
now_ms(const struct pipeline *p)
{
    return p->receive ? (uint64_t) time_msec() : p->latest_ns / 1000000;
}

/* Comes when the step can't be undone any more. */
static void
end_step(struct pipeline *p)
{
    p->n_settled = 0;
    p->n_refused = 0;
    if (p->is_many) {
        p->is_many = false;
        reassemble_end(p->reassemble);
    }
}

static void
begin_task(struct pipeline *p, const struct receive_task *task)
{
    if (p->receive) {
        receive_socket_begin_task(p->receive, task);
    }
}

static void
end_task(struct pipeline *p)
{
    if (p->receive) {
        receive_socket_end_task(p->receive);
    }
    end_step(p);
}

/* Has stage 4 look after slot 'slot', as a step of its own that has begun. */
static void
look_after(struct pipeline *p, uint32_t slot, bool evict, bool end)
{
    uint64_t now_ns = (p->receive ? time_wall_msec() * UINT64_C(1000000)
                       : p->latest_ns);
    struct reassemble_tally tally;
    struct record rec;

    p->is_many = true;
    if (reassemble_look(p->reassemble, slot, evict, step_ticket(p),
                        end ? UINT64_MAX : now_ms(p), now_ns, &rec, &tally)) {
        enter_books(p, rec.meta.vni, &tally);
    }
    end_task(p);
}

static void
reassemble_slot(struct pipeline *p, uint32_t slot, bool evict, bool end)
{
    const struct receive_task task = {
        .kind = TASK_REASSEMBLE,
        .slot = slot,
        .value = evict,
    };

    begin_task(p, &task);
    look_after(p, slot, evict, end);
}

/* Does what is due in stage 4; with 'end', all there is. */
static void
reassemble_all(struct pipeline *p, bool end)
{
    if (reassemble_is_idle(p->reassemble)) {
        return;
    }

    uint64_t now = end ? UINT64_MAX : now_ms(p);
    uint32_t slot;

    for (int i = 0; (end || i < MAX_TASKS)
                    && reassemble_due(p->reassemble, now, &slot); i++) {
        reassemble_slot(p, slot, false, end);
    }
}

/* Sends a packet that is no message of its own through stage 4. */
static void
run_piece(struct pipeline *p, struct record *rec)
{
    const struct slice payload = rec->inner.payload;
    struct reassemble_tally tally;
    uint32_t slot;

    for (int i = 0; i < MAX_TASKS / 10 && !p->n_settled
                    && reassemble_full(p->reassemble, rec, &slot); i++) {
        reassemble_slot(p, slot, true, false);
    }
    p->is_many = true;
    rec->msg.hostname = slice_of(NULL, 0);
    p->latest_ns = rec->received_ns;
    reassemble_run(p->reassemble, rec, step_ticket(p), now_ms(p), &tally);
    rec->inner.payload = payload;
    rec->text.n_redactions = p->books.counters[TENANT_REDACTIONS];
    account_commit(p->account, rec, tally.drop);
    enter_books(p, rec->meta.vni, &tally);
}

static void
announce_lost_of(struct pipeline *p, struct source *source,
                 const struct gap *gap, struct record *rec)
{
    struct stats_tenant *t = intake_stats_tenant(p->stats, rec->meta.vni);

    if (t && announce(p, rec, gap)) {
        account_announced(source, gap->packets);
        stats_add(&t->counters[TENANT_ANNOUNCED], 1);
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
    begin_task(p, &task);
    announce_lost_of(p, source, gap, &rec);
    end_task(p);
}

/* Ends a task that a dead process had begun. */
static void
recover_task(struct pipeline *p, const struct receive_task *task)
{
    struct source *source = account_source(p->account, task->slot);
    struct gap gap = { .reason = GAP_LOST, .packets = task->value };
    struct record rec;

    if (task->kind == TASK_REASSEMBLE) {
        look_after(p, task->slot, task->value, false);
        return;
    }
    if (task->kind == TASK_ANNOUNCE_LOST && p->n_settled && source) {
        account_fill(source, 0, &rec);
        announce_lost_of(p, source, &gap, &rec);
    }
    end_task(p);
}

/* Sends 'rec' through all stages. */
static void
run(struct pipeline *p, struct record *rec)
{
    if (liveness_run(p->liveness, p->decap.config, rec)) {
        return;
    }
    stats_add(&p->stats->counters[INTAKE_PACKETS], 1);
    stats_add(&p->stats->counters[INTAKE_BYTES], rec->packet.size);

    struct decap_verdict verdict = decap_run(&p->decap, rec);
    if (verdict.origin) {
        count_drop(p, verdict.origin);
        return;
    }
    if (rec->meta.has & TUNNEL_HAS_SPLIT && !join(p, rec, &verdict.inner)) {
        return;
    }

    enum sluice_drop drop = account_find(p->account, rec);
    if (!drop) {
        drop = verdict.inner;
    }
    if (!drop) {
        if (OVS_UNLIKELY(rec->inner.kind != INNER_UDP)) {
            run_piece(p, rec);
            return;
        }
        rec->ambiguous = false;
        drop = understand(p, rec);
        if (!drop) {
            drop = store_line(p, rec);
        }
    }
    account_commit(p->account, rec, drop);
    count_tenant(p, rec, drop);
    count_drop(p, drop);
}

void
pipeline_run(struct pipeline *p, struct record *rec)
{
    run(p, rec);
    parts_done(p->parts);
    end_step(p);
}

/* Sends the next packet that the receiver has through all stages, and marks it
 * as done before the parts that it was joined from are forgotten: a process
 * that finds parts of a whole frame knows that it need not join them.  Returns
 * false if there is none. */
static bool
drain_one(struct pipeline *p)
{
    struct record rec;

    if (!receive_socket_next(p->receive, &rec)) {
        return false;
    }
    run(p, &rec);
    receive_socket_done(p->receive);
    parts_done(p->parts);
    end_step(p);
    return true;
}

void
pipeline_drain(struct pipeline *p)
{
    while (drain_one(p)) {
        continue;
    }
}

/* If the packet that is next has killed enough processes, gives it up and
 * returns true. */
static bool
drop_poison(struct pipeline *p)
{
    struct record rec;

    if (receive_socket_try(p->receive) > MAX_TRIES
        && receive_socket_next(p->receive, &rec)) {
        char vtep[INET6_ADDRSTRLEN];
        struct in6_addr addr;

        memcpy(&addr, rec.vtep, sizeof addr);
        VLOG_ERR("%d processes died while they worked on a packet from %s: "
                 "it is dropped; tell the makers of Sluice", MAX_TRIES,
                 ipv6_string_mapped(vtep, &addr) ? vtep : "?");
        stats_add(&p->stats->counters[INTAKE_PACKETS], 1);
        stats_add(&p->stats->counters[INTAKE_BYTES], rec.packet.size);
        count_drop(p, SLUICE_DROP_POISON);
        p->n_settled = p->n_refused = 0;
        receive_socket_done(p->receive);
        return true;
    }
    return false;
}

char *
pipeline_recover(struct pipeline *p)
{
    struct receive_interrupted step = { .is_task = false };
    bool committed = false;

    if (p->receive) {
        receive_socket_interrupted(p->receive, &step);
    }
    char *error = store_recover(p->store, step.intended ? &step.intent : NULL,
                                &committed);
    if (error || !p->receive) {
        return error;
    }

    p->n_settled = step.n_settled + committed;
    p->n_refused = step.n_refused;
    if (step.is_task) {
        recover_task(p, &step.task);
    }
    if (drop_poison(p)) {
        parts_recovered(p->parts, SLUICE_DROP_POISON);
    } else {
        p->is_again = true;
        drain_one(p);
        p->is_again = false;
        parts_recovered(p->parts, SLUICE_DROP_NONE);
    }
    pipeline_drain(p);
    return NULL;
}

int
pipeline_tick(struct pipeline *p)
{
    long long int now = time_msec();

    enrich_refresh(p->enrich, now);
    parts_tick(p->parts, now);
    account_announce(p->account, now, announce_lost, p);
    reassemble_all(p, false);
    return store_tick(p->store, now, TICK_MS);
}

void
pipeline_flush(struct pipeline *p)
{
    if (!p->receive) {
        /* Nothing more will come, and no other process takes over. */
        parts_flush(p->parts);
        account_announce(p->account, INT64_MAX, announce_lost, p);
        reassemble_all(p, true);
    }
    store_flush(p->store, NULL, NULL);
}

/* Has stage 4 go by 'config', if there is one. */
static void
reassemble_by_config(struct pipeline *p, const struct config *config)
{
    if (config) {
        const struct reassemble_config new_config = {
            .tenant_slots = config->reassembly.tenant_flows,
            .tenant_bytes = config->reassembly.tenant_bytes,
            .wait_ms = config->reassembly.wait_ms,
            .multi_line = config->reassembly.multi_line,
        };
        reassemble_configure(p->reassemble, &new_config);
    }
}

char *
pipeline_create(const struct pipeline_options *options, struct pipeline **ret)
{
    struct pipeline *p = xzalloc(sizeof *p);
    char *error = NULL;

    p->stats = options->stats;
    p->receive = options->receive;
    p->clock_skew_ms = (options->config
                        ? options->config->context.clock_skew_ms
                        : CLAIMS_CLOCK_SKEW_MS);
    p->account = account_create(options->stats);
    p->enrich = enrich_create(options->snapshot, options->stats);
    p->decap.host_keys = options->host_keys;
    error = decap_configure(&p->decap, options->option_class,
                            options->config);
    if (error) {
        goto out;
    }
    const struct reassemble_sink sink = { take_message, take_gap, p };
    int err = parts_create(options->parts, options->stats, drop_parts, p,
                           &p->parts);
    if (err) {
        error = xasprintf("can't keep parts of frames%s%s: %s",
                          options->parts ? " in " : "",
                          options->parts ? options->parts : "",
                          ovs_strerror(err));
        goto out;
    }
    err = reassemble_create(options->held,
                                options->receive ? step_ticket(p) : 0,
                                p->account, &sink, &p->reassemble);
    if (err) {
        error = xasprintf("can't map %s: %s", options->held
                          ? options->held : "memory", ovs_strerror(err));
        goto out;
    }
    reassemble_by_config(p, options->config);
    p->copies = options->host_keys;
    error = redaction_load(options->config, p->copies, &p->redaction);
    if (error) {
        goto out;
    }
    if (options->bfd_sessions) {
        p->liveness = liveness_create(options->bfd_sessions, options->receive,
                                      options->stats);
        if (!p->liveness) {
            error = xstrdup("there is no memory for BFD sessions");
            goto out;
        }
    }
    struct store_options store_options = options->store;
    if (options->receive) {
        store_options.intend = intend;
        store_options.aux = options->receive;
    }
    error = store_create(&store_options, &p->store);
    if (error) {
        goto out;
    }
    *ret = p;
    p = NULL;

out:
    pipeline_destroy(p);
    return error;
}

void
pipeline_destroy(struct pipeline *p)
{
    if (p) {
        liveness_destroy(p->liveness);
        store_destroy(p->store);
        enrich_destroy(p->enrich);
        redaction_destroy(p->redaction);
        reassemble_destroy(p->reassemble);
        parts_destroy(p->parts);
        account_destroy(p->account);
        decap_uninit(&p->decap);
        free(p);
    }
}

static bool
is_configured(uint32_t tenant, void *config)
{
    return config_find_tenant(config, tenant) != NULL;
}

char *
pipeline_reconfigure(struct pipeline *p, const struct config *config)
{
    struct redaction *redaction;
    char *sentence = redaction_load(config, p->copies, &redaction);

    if (sentence) {
        return sentence;
    }
    sentence = decap_configure(&p->decap, config->tunnel.option_class,
                               config);
    if (sentence) {
        redaction_destroy(redaction);
        return sentence;
    }
    redaction_destroy(p->redaction);
    p->redaction = redaction;
    p->clock_skew_ms = config->context.clock_skew_ms;
    reassemble_by_config(p, config);
    store_flush(p->store, is_configured, (void *) config);
    VLOG_INFO("configuration of %u tenants and %u hosts is in use",
              config->tenants_count, config->hosts_count);
    return NULL;
}
