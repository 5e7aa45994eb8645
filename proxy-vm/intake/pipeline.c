/* SPDX-License-Identifier: Apache-2.0
 *
 * Sends packets through the stages of sluice-intake.  See pipeline.h. */
#include <config.h>

#include "pipeline-private.h"

#include "failpoint.h"
#include "liveness.h"
#include "redaction.h"
#include "s2-join.h"
#include "s3-account.h"
#include "s5-claims.h"
#include "s6-enrich.h"
#include "timeval.h"
#include "util.h"

enum {
    TICK_MS = 100,
    MAX_TASKS = 1000,           /* Of stage 4, in one tick. */
};

void
pipeline_drop_parts(void *p_, uint32_t tenant, enum sluice_drop drop,
                    unsigned int n_parts)
{
    struct pipeline *p = p_;
    struct stats_tenant *t = intake_stats_tenant(p->stats, tenant);

    if (t) {
        undo_add(&p->undo, &t->counters[TENANT_RECEIVED], n_parts);
        undo_add(&p->undo, &t->counters[TENANT_DROPPED], n_parts);
        undo_add(&p->undo, &t->drops[drop], n_parts);
    }
    undo_add(&p->undo, &p->stats->counters[INTAKE_DROPPED], n_parts);
    undo_add(&p->undo, &p->stats->drops[drop], n_parts);
}

static void
count_tenant(struct pipeline *p, const struct record *rec,
             enum sluice_drop drop)
{
    struct stats_tenant *t = intake_stats_tenant(p->stats, rec->meta.vni);
    if (!t) {
        return;
    }

    undo_add(&p->undo, &t->counters[TENANT_RECEIVED], 1);
    if (drop) {
        undo_add(&p->undo, &t->counters[TENANT_DROPPED], 1);
        undo_add(&p->undo, &t->drops[drop], 1);
        return;
    }
    undo_add(&p->undo, &t->counters[TENANT_BYTES], rec->inner.payload.size);
    undo_add(&p->undo, &t->counters[TENANT_REDACTIONS],
             rec->text.n_redactions);
    undo_add(&p->undo, &t->counters[TENANT_REDACTED],
             rec->text.n_redactions > 0);
    undo_add(&p->undo, &t->counters[TENANT_OVER_CAP], rec->text.over_cap);
}

void
pipeline_count_drop(struct pipeline *p, enum sluice_drop drop)
{
    if (drop) {
        undo_add(&p->undo, &p->stats->counters[INTAKE_DROPPED], 1);
        undo_add(&p->undo, &p->stats->drops[drop], 1);
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
        pipeline_count_drop(p, drop);
    }
    return is_whole;
}

/* Stores 'rec''s line, unless a dead process had done that. */
static enum sluice_drop
store_line(struct pipeline *p, struct record *rec)
{
    return (OVS_UNLIKELY(p->settled.n_lines)
            ? receive_take_settled(&p->settled)
            : OVS_LIKELY(p->store) ? store_run(p->store, rec)
            : SLUICE_DROP_NONE);
}

/* Notes what became of a line of a step that may have more. */
static void
settle(struct pipeline *p, enum sluice_drop drop)
{
    if (p->receive) {
        receive_settle(p->receive, drop);
    }
}

enum sluice_drop
pipeline_store_one(struct pipeline *p, struct record *rec)
{
    bool new = !p->settled.n_lines;
    enum sluice_drop drop = store_line(p, rec);

    if (new) {
        settle(p, drop);
    }
    return drop;
}

uint64_t
pipeline_rules_now(const struct pipeline *p)
{
    return p->receive ? p->tick_ms : p->latest_ns / 1000000;
}

/* Holds 'rec''s line against the rules, unless a dead process had done that:
 * what it remembered of other lines is no more, so that another verdict might
 * come out. */
static enum sluice_drop
apply_rules(struct pipeline *p, struct record *rec)
{
    return (OVS_LIKELY(!p->settled.n_lines)
            ? rules_stage_run(p->rules, rec, pipeline_rules_now(p))
            : SLUICE_DROP_NONE);
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

void
pipeline_take_message(void *p_, struct record *rec, struct slice message,
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
            drop = apply_rules(p, rec);
            if (drop) {
                settle(p, drop);
            } else {
                enrich_choose(rec);
                drop = pipeline_store_one(p, rec);
            }
        }
    }
    pipeline_show(p, rec, drop);
    counters[TENANT_RECEIVED]++;
    counters[TENANT_DROPPED] += drop != SLUICE_DROP_NONE;
    p->books.drops[drop]++;
    if (!drop) {
        counters[TENANT_BYTES] += message.size;
        counters[TENANT_REDACTIONS] += rec->text.n_redactions;
        counters[TENANT_REDACTED] += rec->text.n_redactions > 0;
        counters[TENANT_OVER_CAP] += rec->text.over_cap;
    }
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
        undo_add(&p->undo, &t->counters[i], n);
    }
    for (int i = SLUICE_DROP_NONE + 1; i < SLUICE_N_DROPS; i++) {
        if (books->drops[i]) {
            undo_add(&p->undo, &p->stats->counters[INTAKE_DROPPED],
                     books->drops[i]);
            undo_add(&p->undo, &p->stats->drops[i], books->drops[i]);
            if (t) {
                undo_add(&p->undo, &t->drops[i], books->drops[i]);
            }
        }
    }
    *books = (struct step_books) { .drops = { 0 } };
}

static uint64_t
step_ticket(struct pipeline *p)
{
    return p->receive ? receive_ticket(p->receive) : ++p->ticket;
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
    p->settled = (struct receive_settled) { .n_lines = 0 };
    if (p->is_many) {
        p->is_many = false;
        reassemble_end(p->reassemble);
    }
}

void
pipeline_begin_task(struct pipeline *p, const struct receive_task *task)
{
    if (p->receive) {
        receive_begin_task(p->receive, task);
    }
}

void
pipeline_end_task(struct pipeline *p)
{
    if (p->receive) {
        receive_end_task(p->receive);
    }
    end_step(p);
}

void
pipeline_look_after(struct pipeline *p, uint32_t slot, enum look look)
{
    uint64_t now_ns = (p->receive ? time_wall_msec() * UINT64_C(1000000)
                       : p->latest_ns);
    uint64_t ms = look == LOOK_END ? UINT64_MAX : now_ms(p);
    struct reassemble_tally tally;
    struct record rec;

    p->is_many = true;
    if (look == LOOK_ABANDON || look == LOOK_FORGET
        ? reassemble_abandon(p->reassemble, slot, look == LOOK_ABANDON,
                             step_ticket(p), ms, now_ns, &rec, &tally)
        : reassemble_look(p->reassemble, slot, look == LOOK_EVICT,
                          step_ticket(p), ms, now_ns, &rec, &tally)) {
        enter_books(p, rec.meta.vni, &tally);
    }
    pipeline_end_task(p);
}

static void
reassemble_slot(struct pipeline *p, uint32_t slot, enum look look)
{
    const struct receive_task task = {
        .kind = TASK_REASSEMBLE,
        .slot = slot,
        .value = look == LOOK_EVICT,
    };

    pipeline_begin_task(p, &task);
    pipeline_look_after(p, slot, look);
}

const struct receive_task pipeline_parts_task = { .kind = TASK_EXPIRE_PARTS };

static void
expire_parts(struct pipeline *p)
{
    if (stats_get(&p->stats->counters[INTAKE_PARTS_WAITING])) {
        pipeline_begin_task(p, &pipeline_parts_task);
        parts_tick(p->parts, time_msec());
        pipeline_end_task(p);
    }
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
        reassemble_slot(p, slot, end ? LOOK_END : LOOK);
    }
}

/* Sends a packet that is no message of its own through stage 4. */
static void
run_piece(struct pipeline *p, struct record *rec)
{
    const struct slice payload = rec->inner.payload;
    struct reassemble_tally tally;
    uint32_t slot;

    for (int i = 0; i < MAX_TASKS / 10 && !p->settled.n_lines
                    && reassemble_full(p->reassemble, rec, &slot); i++) {
        reassemble_slot(p, slot, LOOK_EVICT);
    }
    p->is_many = true;
    rec->msg.hostname = slice_of(NULL, 0);
    p->latest_ns = rec->received_ns;
    reassemble_run(p->reassemble, rec, step_ticket(p), now_ms(p), &tally);
    if (tally.drop) {
        pipeline_show(p, rec, tally.drop);
    }
    rec->inner.payload = payload;
    rec->text.n_redactions = p->books.counters[TENANT_REDACTIONS];
    account_commit(p->account, rec, tally.drop);
    enter_books(p, rec->meta.vni, &tally);
}

/* Sends 'rec', whose packet is a tenant's, through the stages behind the
 * tunnel's, unless 'inner' says why it can't be read. */
static void
take(struct pipeline *p, struct record *rec, enum sluice_drop inner)
{
    enum sluice_drop drop = account_find(p->account, rec);
    if (!drop) {
        drop = inner;
    }
    if (!drop) {
        if (OVS_UNLIKELY(rec->inner.kind != INNER_UDP)) {
            run_piece(p, rec);
            return;
        }
        rec->ambiguous = false;
        drop = understand(p, rec);
        if (!drop) {
            drop = apply_rules(p, rec);
        }
        if (!drop) {
            enrich_choose(rec);
            drop = store_line(p, rec);
        }
    }
    pipeline_show(p, rec, drop);
    account_commit(p->account, rec, drop);
    count_tenant(p, rec, drop);
    pipeline_count_drop(p, drop);
}

/* Sends 'rec' through all stages. */
static void
run(struct pipeline *p, struct record *rec)
{
    if (liveness_run(p->liveness, p->decap.config, rec)) {
        return;
    }
    undo_add(&p->undo, &p->stats->counters[INTAKE_PACKETS], 1);
    undo_add(&p->undo, &p->stats->counters[INTAKE_BYTES], rec->packet.size);

    struct decap_verdict verdict = decap_run(&p->decap, rec);
    if (verdict.origin) {
        pipeline_show(p, rec, verdict.origin);
        pipeline_count_drop(p, verdict.origin);
        return;
    }
    if (rec->meta.has & TUNNEL_HAS_SPLIT && !join(p, rec, &verdict.inner)) {
        return;
    }

    take(p, rec, verdict.inner);
}

void
pipeline_run(struct pipeline *p, struct record *rec)
{
    p->latest_ns = MAX(p->latest_ns, rec->received_ns);
    pipeline_announce_rules(p, false);
    run(p, rec);
    parts_done(p->parts);
    end_step(p);
}

void
pipeline_run_line(struct pipeline *p, struct record *rec)
{
    p->latest_ns = MAX(p->latest_ns, rec->received_ns);
    pipeline_announce_rules(p, false);
    take(p, rec, SLUICE_DROP_NONE);
    end_step(p);
}

const struct rules_verdict *
pipeline_explain(const struct pipeline *p, const struct rules **rules)
{
    return rules_stage_explain(p->rules, rules);
}

/* Sends the next packet that the receiver has through all stages, and marks it
 * as done before the parts that it was joined from are forgotten: a process
 * that finds parts of a whole frame knows that it need not join them.  Returns
 * false if there is none. */
bool
pipeline_drain_one(struct pipeline *p)
{
    struct record rec;

    if (!receive_next(p->receive, &rec)) {
        return false;
    }
    run(p, &rec);
    receive_done(p->receive);
    parts_done(p->parts);
    end_step(p);
    return true;
}

/* The same in a test. */
static bool
drain_one_and_pass(struct pipeline *p)
{
    struct record rec;

    if (!receive_next(p->receive, &rec)) {
        return false;
    }
    failpoint(FAIL_PACKET_BEGUN);
    run(p, &rec);
    failpoint(FAIL_PACKET_RUN);
    receive_done(p->receive);
    failpoint(FAIL_PACKET_DONE);
    parts_done(p->parts);
    end_step(p);
    return true;
}

void
pipeline_drain(struct pipeline *p)
{
    /* The tick may have had to wait for the disk. */
    enrich_refresh(p->enrich, time_msec());
    while (OVS_UNLIKELY(failpoints_are_on()) && drain_one_and_pass(p)) {
        continue;
    }
    while (pipeline_drain_one(p)) {
        continue;
    }
}

int
pipeline_tick(struct pipeline *p)
{
    long long int now = time_msec();

    p->tick_ms = now;
    enrich_refresh(p->enrich, now);
    expire_parts(p);
    pipeline_announce_lost(p, now);
    reassemble_all(p, false);
    pipeline_announce_rules(p, false);
    if (p->store) {
        pipeline_announce_drops(p, now);
    }
    return p->store ? store_tick(p->store, now, TICK_MS) : TICK_MS;
}

void
pipeline_close_batches(struct pipeline *p)
{
    store_flush(p->store, NULL, NULL);
}

void
pipeline_flush(struct pipeline *p)
{
    if (!p->receive) {
        /* Nothing more will come, and no other process takes over. */
        parts_flush(p->parts);
        pipeline_announce_lost(p, INT64_MAX);
        reassemble_all(p, true);
    }
    /* What rules remember of lines ends here. */
    pipeline_announce_rules(p, true);
    if (p->store) {
        store_end(p->store);
    }
}
