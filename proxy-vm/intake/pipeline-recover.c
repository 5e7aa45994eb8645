/* SPDX-License-Identifier: Apache-2.0
 *
 * Ends what a process that died had begun.  See pipeline.h. */
#include <config.h>

#include "pipeline-private.h"

#include <inttypes.h>

#include "failpoint.h"
#include "openvswitch/vlog.h"
#include "packets.h"
#include "s2-join.h"

VLOG_DEFINE_THIS_MODULE(pipeline_recover);

/* Enters the lines that are through into the books of a step that is given up,
 * which would have done so at its end.  (Some may be gap records: the sum is
 * the same.) */
static void
settle_books(struct pipeline *p, const struct receive_interrupted *step)
{
    struct stats_tenant *t = (step->has_intent
                              ? intake_stats_tenant(p->stats,
                                                    step->intent.tenant)
                              : NULL);

    while (p->settled.n_lines) {
        enum sluice_drop drop = receive_take_settled(&p->settled);

        if (t) {
            undo_add(&p->undo, &t->counters[TENANT_RECEIVED], 1);
            undo_add(&p->undo, &t->counters[TENANT_DROPPED],
                     drop != SLUICE_DROP_NONE);
            undo_add(&p->undo, &t->drops[drop], drop != SLUICE_DROP_NONE);
            pipeline_count_drop(p, drop);
        }
    }
}

/* Ends a task that a dead process had begun, or gives up what it is about if
 * enough processes died of it. */
static void
recover_task(struct pipeline *p, const struct receive_interrupted *step)
{
    const struct receive_task *task = &step->task;
    uint32_t n_deaths = receive_died_of_task(p->receive);
    bool is_poison = n_deaths >= PIPELINE_MAX_TRIES;
    enum look look = task->value ? LOOK_EVICT : LOOK;

    if (is_poison) {
        VLOG_ERR("%"PRIu32" processes died while they %s: it is given up; "
                 "tell the makers of Sluice", n_deaths,
                 task->kind == TASK_REASSEMBLE
                 ? "looked after a datagram or stream in pieces"
                 : "announced what is missing");
        settle_books(p, step);
        look = n_deaths < 2 * PIPELINE_MAX_TRIES ? LOOK_ABANDON : LOOK_FORGET;
    }
    if (task->kind == TASK_REASSEMBLE) {
        pipeline_look_after(p, task->slot, look);
        return;
    }
    if (!is_poison) {
        pipeline_recover_gap(p, task);
    }
    pipeline_end_task(p);
}

/* Ends what an earlier process began with the parts of frames. */
static void
recover_parts(struct pipeline *p, enum sluice_drop drop)
{
    pipeline_begin_task(p, &pipeline_parts_task);
    parts_recovered(p->parts, drop);
    pipeline_end_task(p);
}

/* If the packet that is next, whose step may have begun, has killed enough
 * processes, gives it up and returns true. */
static bool
drop_poison(struct pipeline *p, const struct receive_interrupted *step)
{
    struct record rec;

    if (receive_try(p->receive) > PIPELINE_MAX_TRIES
        && receive_next(p->receive, &rec)) {
        char vtep[INET6_ADDRSTRLEN];
        struct in6_addr addr;

        memcpy(&addr, rec.vtep, sizeof addr);
        VLOG_ERR("%d processes died while they worked on a packet from %s: "
                 "it is dropped; tell the makers of Sluice", PIPELINE_MAX_TRIES,
                 ipv6_string_mapped(vtep, &addr) ? vtep : "?");
        undo_add(&p->undo, &p->stats->counters[INTAKE_PACKETS], 1);
        undo_add(&p->undo, &p->stats->counters[INTAKE_BYTES],
                 rec.packet.size);
        pipeline_count_drop(p, SLUICE_DROP_POISON);
        settle_books(p, step);
        receive_done(p->receive);
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
        receive_interrupted(p->receive, &step);
    }
    char *error = store_recover(p->store, step.intended ? &step.intent : NULL,
                                &committed);
    if (error || !p->receive) {
        return error;
    }

    p->settled = step.settled;
    p->settled.n_lines += committed;
    if (step.is_task) {
        recover_task(p, &step);
    }
    if (drop_poison(p, &step)) {
        recover_parts(p, SLUICE_DROP_POISON);
    } else {
        p->is_again = true;
        pipeline_drain_one(p);
        p->is_again = false;
        recover_parts(p, SLUICE_DROP_NONE);
    }
    store_balance(p->store);
    failpoint(FAIL_RECOVERY_ENDED);
    pipeline_announce_cuts(p);
    pipeline_drain(p);
    return NULL;
}
