/* SPDX-License-Identifier: Apache-2.0
 *
 * Private to pipeline*.c: what the stages' wiring keeps.
 *
 *     pipeline.c          the way of a packet, and what is due
 *     pipeline-setup.c    makes the stages, and changes their configuration
 *     pipeline-recover.c  ends what a process that died had begun
 *     pipeline-gaps.c     lines of Sluice's own, which announce what is
 *                         missing */
#ifndef SLUICE_PIPELINE_PRIVATE_H
#define SLUICE_PIPELINE_PRIVATE_H 1

#include "openvswitch/compiler.h"
#include "pipeline.h"
#include "s2-decap.h"
#include "s4-reassemble.h"
#include "s6-rules.h"

/* What intake does between packets; goes into the journal of stage 1. */
enum task_kind {
    TASK_ANNOUNCE_LOST,         /* Slot: of the source.  Value: packets. */
    TASK_REASSEMBLE,            /* Slot: of stage 4.  Value: 1 to evict. */
    TASK_ANNOUNCE_RULE,         /* Slot: row of stage 6.  Value: lines. */
    TASK_ANNOUNCE_SHED,         /* Slot: the tenant.  Value: lines. */
    TASK_ANNOUNCE_COMMAND,      /* The same, of those dropped by command. */
    TASK_EXPIRE_PARTS,          /* Done again, not gone on with. */
    TASK_ANNOUNCE_CUT,          /* Slot: of the tenant. */
};

/* Deaths that a packet or a task may cause. */
enum { PIPELINE_MAX_TRIES = 3 };

/* How stage 4 looks after a slot. */
enum look {
    LOOK,                       /* Does what is due. */
    LOOK_END,                   /* The same; nothing more will come. */
    LOOK_EVICT,                 /* Gives it up, to make room. */
    LOOK_ABANDON,               /* Gives it up without looking into it, */
    LOOK_FORGET,                /* nor telling of it. */
};

struct pipeline {
    struct intake_stats *stats;     /* Borrowed. */
    struct receive *receive;        /* Borrowed; may be null. */
    struct undo undo;               /* What this step changed in 'stats'. */
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
    struct rules_stage *rules;
    struct store *store;
    uint32_t clock_skew_ms;         /* Lines tell that much or more. */
    struct liveness *liveness;      /* Null: no BFD. */
    const struct pipeline_trial *trial; /* Null: it is none; no 'store' else.*/

    /* What a step that a dead process had begun need not do again. */
    struct receive_settled settled;

    /* What came of this step, if stage 4 had a part in it: goes into the books
     * at its end, in one go. */
    struct step_books {
        uint64_t counters[N_TENANT_COUNTERS];
        uint32_t drops[SLUICE_N_DROPS];
    } books;
    bool is_many;                   /* Stage 4 has a part in this step. */
    uint64_t ticket;                /* Of the latest step, without 'receive'.*/
    uint64_t latest_ns;             /* Receipt of the latest packet, ditto. */
    long long int drops_due;        /* When to announce what was dropped. */
    uint64_t tick_ms;               /* time_msec() of the latest tick. */
};

/* Shows 'rec' if this is a trial. */
static inline void
pipeline_show(const struct pipeline *p, const struct record *rec,
              enum sluice_drop drop)
{
    if (OVS_UNLIKELY(p->trial)) {
        p->trial->show(p->trial->aux, rec, drop);
    }
}

/* Stores 'rec''s line, which may be one of several of its step, unless a dead
 * process had done that. */
enum sluice_drop pipeline_store_one(struct pipeline *, struct record *rec);

/* Takes a message of stage 4. */
void pipeline_take_message(void *pipeline, struct record *,
                           struct slice message, bool ambiguous);

/* Counts parts of a frame that were taken and can't be joined. */
void pipeline_drop_parts(void *pipeline, uint32_t tenant, enum sluice_drop,
                         unsigned int n_parts);

/* Counts a drop, if there is one, for intake as a whole. */
void pipeline_count_drop(struct pipeline *, enum sluice_drop);

/* Sends the next packet that the receiver has through all stages.  Returns
 * false if there is none. */
bool pipeline_drain_one(struct pipeline *);

/* Has stage 4 look after slot 'slot', as a step of its own that has begun. */
void pipeline_look_after(struct pipeline *, uint32_t slot, enum look);

/* What is counted of parts is undone as a whole or not at all. */
extern const struct receive_task pipeline_parts_task;

/* Begin and end a step that no packet brings. */
void pipeline_begin_task(struct pipeline *, const struct receive_task *);
void pipeline_end_task(struct pipeline *);

/* The time by which rules are applied. */
uint64_t pipeline_rules_now(const struct pipeline *);

/* Takes a gap of stage 4, in a step of that. */
void pipeline_take_gap(void *pipeline, struct record *, const struct gap *);

/* Announces the packets that were lost on the way; 'now' as for
 * account_announce(). */
void pipeline_announce_lost(struct pipeline *, long long int now);

/* Announces what rules dropped, as far as that is due; with 'all', all of it.
 */
void pipeline_announce_rules(struct pipeline *, bool all);

/* Announces what power cuts took. */
void pipeline_announce_cuts(struct pipeline *);

/* Announces to each tenant what was dropped for want of room in the spool, as
 * soon as that gets in, and what was dropped by command. */
void pipeline_announce_drops(struct pipeline *, long long int now);

/* Ends a task of announcing that a dead process had begun. */
void pipeline_recover_gap(struct pipeline *, const struct receive_task *);

#endif /* proxy-vm/intake/pipeline-private.h */
