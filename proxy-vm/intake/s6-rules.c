/* SPDX-License-Identifier: Apache-2.0
 *
 * Stage 6, rules.  See s6-rules.h. */
#include <config.h>

#include "s6-rules.h"

#include <sodium.h>
#include <stdlib.h>

#include "rule-table.h"
#include "util.h"

enum {
    ANNOUNCE_MS = 1000,         /* Between two records of a rule and tenant. */
    MAX_PROBES = 64,            /* In the table of what was dropped. */
};

BUILD_ASSERT_DECL((int) STATS_MAX_RULES == (int) RULES_MAX);

struct rules_stage {
    struct intake_stats *stats;     /* Borrowed. */
    struct undo *undo;              /* Borrowed. */
    struct rules *rules;
    struct rules_state *state;
    uint64_t serial;                /* Of 'rules', from 1. */
    struct rules_verdict latest;
    uint32_t slots[RULES_MAX];      /* Of each rule, in 'stats'. */

    /* Of what was dropped: how many repeats 'state' will tell of itself. */
    uint32_t repeating[STATS_MAX_RULE_DROPS];
    bool dropped;                   /* Some of it may not be announced. */
    uint64_t due_ms;                /* When to look. */
    uint32_t looked;                /* Rows before this one were looked at. */

    /* What lines of no VM belong to. */
    struct source of_tenant;
    struct stats_source of_tenant_stats;
};

/* Drops, and the reasons by which they are announced. */
static const struct {
    enum sluice_drop drop;
    enum gap_reason gap;
} reasons[] = {
    { SLUICE_DROP_RULE_DROP, GAP_RULE_DROP },
    { SLUICE_DROP_RULE_SAMPLE, GAP_RULE_SAMPLE },
    { SLUICE_DROP_RULE_RATE, GAP_RULE_RATE },
    { SLUICE_DROP_RULE_DUPLICATE, GAP_RULE_DUPLICATE },
};

static size_t
find_reason(enum sluice_drop drop)
{
    size_t i = 0;

    while (reasons[i].drop != drop) {
        i++;
    }
    return i;
}

static uint32_t
rule_of_key(uint64_t key)
{
    return (key & 0xffff) - 1;
}

/* Finds or makes the row of 'key'; SIZE_MAX: there is no room for one more. */
static size_t
find_row(struct rules_stage *s, uint64_t key)
{
    uint64_t hash = key * UINT64_C(0x9e3779b97f4a7c15) >> 32;

    for (size_t i = 0; i < MAX_PROBES; i++) {
        size_t row = (hash + i) % STATS_MAX_RULE_DROPS;
        struct stats_rule_drops *d = &s->stats->rule_drops[row];

        if (!d->key) {
            stats_set(&d->key, key);
        }
        if (d->key == key) {
            return row;
        }
    }
    return SIZE_MAX;
}

/* Gives slot 'slot' to the rule named 'name': its rows are of another one. */
static void
begin_slot(struct rules_stage *s, uint32_t slot, const char *name)
{
    struct stats_rule *r = &s->stats->rules[slot];

    for (size_t i = 0; r->name[0] && i < STATS_MAX_RULE_DROPS; i++) {
        struct stats_rule_drops *d = &s->stats->rule_drops[i];

        /* Its place stays taken, so that others behind it are found. */
        if (d->key && rule_of_key(d->key) == slot) {
            stats_set(&d->dropped, 0);
            stats_set(&d->announced, 0);
        }
    }
    stats_set(&r->matched, 0);
    stats_set(&r->dropped, 0);
    stats_set(&r->announced, 0);
    ovs_strlcpy(r->name, name, sizeof r->name);
}

/* Gives each rule its slot: the one with its name, else a free one, else one of
 * a rule that is no more. */
static void
find_slots(struct rules_stage *s)
{
    struct stats_rule *rules = s->stats->rules;
    bool used[STATS_MAX_RULES] = { false };
    size_t n = rules_n(s->rules);

    for (size_t i = 0; i < n; i++) {
        s->slots[i] = UINT32_MAX;
        for (uint32_t slot = 0; slot < STATS_MAX_RULES; slot++) {
            if (!strcmp(rules[slot].name, rules_name(s->rules, i))) {
                s->slots[i] = slot;
                used[slot] = true;
                break;
            }
        }
    }
    for (size_t i = 0; i < n; i++) {
        uint32_t found = UINT32_MAX;

        if (s->slots[i] != UINT32_MAX) {
            continue;
        }
        for (uint32_t slot = 0; slot < STATS_MAX_RULES; slot++) {
            if (!rules[slot].name[0]) {
                found = slot;
                break;
            } else if (!used[slot] && found == UINT32_MAX) {
                found = slot;
            }
        }
        begin_slot(s, found, rules_name(s->rules, i));
        s->slots[i] = found;
        used[found] = true;
    }
}

char *
rules_stage_create(const struct config *config, struct intake_stats *stats,
                   struct undo *undo, struct rules_stage **ret)
{
    struct rules_stage *s = xzalloc(sizeof *s);
    struct rules *rules = NULL;
    uint8_t key[RULES_KEY_SIZE];
    char *sentence = NULL;

    s->stats = stats;
    s->undo = undo;
    s->of_tenant.stats = &s->of_tenant_stats;
    if (sodium_init() >= 0) {
        randombytes_buf(key, sizeof key);
        s->state = rules_state_create(key);
    }
    if (!s->state) {
        sentence = xstrdup("there is no memory for rules.");
        goto out;
    }
    sentence = rule_table_load(config, &rules);
    if (sentence) {
        goto out;
    }
    rules_stage_use(s, &rules);
    /* An earlier process may have left some. */
    s->dropped = true;
    *ret = s;
    s = NULL;

out:
    rules_stage_destroy(s);
    return sentence;
}

void
rules_stage_destroy(struct rules_stage *s)
{
    if (s) {
        rules_destroy(s->rules);
        rules_state_destroy(s->state);
        free(s);
    }
}

void
rules_stage_use(struct rules_stage *s, struct rules **rules)
{
    struct rules_repeats r;

    /* What could not be told yet is told by row: the rule may be no more. */
    while (rules_repeats_due(s->state, UINT64_MAX, &r)) {
        rules_repeats_told(s->state, r.slot);
        s->dropped = true;
    }
    memset(s->repeating, 0, sizeof s->repeating);
    rules_destroy(s->rules);
    s->rules = *rules;
    *rules = NULL;
    s->serial++;
    find_slots(s);
}

/* Returns what tells the VM of 'rec' from others of its tenant: its UUID, else
 * where it is connected. */
static struct slice
identify(const struct record *rec, uint8_t buf[26])
{
    if (rec->meta.has & TUNNEL_HAS_VM) {
        return slice_of(rec->meta.vm, sizeof rec->meta.vm);
    }
    memcpy(buf, rec->vtep, 16);
    memcpy(buf + 16, &rec->meta.ofp_port, 4);
    memcpy(buf + 20, rec->inner.src_mac, 6);
    return slice_of(buf, 26);
}

static void
init_subject(struct rules_stage *s, const struct record *rec)
{
    struct source *source = rec->source;
    uint8_t buf[26];
    const struct rules_origin origin = {
        .tenant = rec->meta.vni,
        .vm = rec->meta.has & TUNNEL_HAS_VM ? rec->meta.vm : NULL,
        .name = slice_from_string(source->stats->vm_name),
        .identity = identify(rec, buf),
    };

    rules_subject_init(s->rules, s->state, &origin, &source->subject);
    source->rules_serial = s->serial;
    source->rules_snapshot_serial = source->snapshot_serial;
}

/* Counts that rule 'i' dropped 'rec'. */
static void
count_drop(struct rules_stage *s, unsigned int i, const struct record *rec,
           enum sluice_drop drop)
{
    uint32_t slot = s->slots[i];
    size_t row = find_row(s, ((uint64_t) rec->meta.vni << 32
                              | find_reason(drop) << 16 | (slot + 1)));

    undo_add(s->undo, &s->stats->rules[slot].dropped, 1);
    if (row == SIZE_MAX) {
        undo_add(s->undo, &s->stats->counters[INTAKE_RULES_UNTOLD], 1);
        return;
    }
    struct stats_rule_drops *d = &s->stats->rule_drops[row];
    if (drop == SLUICE_DROP_RULE_DUPLICATE) {
        s->repeating[row]++;
    }
    if (d->dropped == d->announced) {
        stats_set(&d->from_ns, rec->switch_ns);
    }
    stats_set(&d->to_ns, rec->switch_ns);
    undo_add(s->undo, &d->dropped, 1);
}

/* Notes that there is something to be announced, a second from now. */
static void
set_due(struct rules_stage *s, uint64_t now_ms)
{
    if (!s->dropped) {
        s->dropped = true;
        s->due_ms = now_ms + ANNOUNCE_MS;
    }
}

enum sluice_drop
rules_stage_run(struct rules_stage *s, struct record *rec, uint64_t now_ms)
{
    struct source *source = rec->source;
    size_t n = rules_n(s->rules);

    rec->route = NULL;
    rec->verbose = NULL;
    if (OVS_LIKELY(!n)) {
        return SLUICE_DROP_NONE;
    }
    if (OVS_UNLIKELY(source->rules_serial != s->serial
                     || source->rules_snapshot_serial
                        != source->snapshot_serial)) {
        init_subject(s, rec);
    }

    /* Whoever has no slot of his own shares one with others. */
    const struct rules_line line = {
        .subject = &source->subject,
        .pri = rec->msg.pri,
        .app_name = rec->msg.app_name,
        .msg = rec->msg.msg,
        .now_ms = now_ms,
        .time_ns = rec->switch_ns,
        .owner = (source->stats->tenant
                  ? source->stats - s->stats->sources : UINT32_MAX),
    };
    struct rules_verdict *v = &s->latest;
    rules_run(s->rules, s->state, &line, v);
    for (size_t word = 0; word < (n + 63) / 64; word++) {
        for (uint64_t bits = v->matched[word]; bits; bits &= bits - 1) {
            unsigned int i = word * 64 + __builtin_ctzll(bits);
            undo_add(s->undo, &s->stats->rules[s->slots[i]].matched, 1);
        }
    }
    if (v->drop) {
        count_drop(s, v->dropped_by, rec, v->drop);
        if (v->drop != SLUICE_DROP_RULE_DUPLICATE) {
            set_due(s, now_ms);
        }
        return v->drop;
    }
    if (v->route != RULES_NONE) {
        rec->route = rules_destination(s->rules, v->route);
    }
    if (v->verbose != RULES_NONE) {
        rec->verbose = rules_name(s->rules, v->verbose);
    }
    return SLUICE_DROP_NONE;
}

const struct rules_verdict *
rules_stage_explain(const struct rules_stage *s, const struct rules **rules)
{
    *rules = s->rules;
    return &s->latest;
}

bool
rules_stage_row(struct rules_stage *s, uint32_t row, uint64_t n_lines,
                struct rules_gap *ret)
{
    if (row >= STATS_MAX_RULE_DROPS || !s->stats->rule_drops[row].key) {
        return false;
    }
    const struct stats_rule_drops *d = &s->stats->rule_drops[row];
    size_t reason = (d->key >> 16 & 0xffff) % ARRAY_SIZE(reasons);
    uint32_t rule = rule_of_key(d->key) % STATS_MAX_RULES;
    *ret = (struct rules_gap) {
        .gap = {
            .reason = reasons[reason].gap,
            .lines = n_lines,
            .rule = s->stats->rules[rule].name,
            .from_ns = d->from_ns,
            .to_ns = d->to_ns,
        },
        .row = row,
        .tenant = d->key >> 32,
        .source = UINT32_MAX,
        .slot = SIZE_MAX,
    };
    return true;
}

/* Finds repeats whose window is over. */
static bool
find_repeats(struct rules_stage *s, uint64_t now_ms, struct rules_gap *ret)
{
    struct rules_repeats r;

    if (!rules_repeats_due(s->state, now_ms, &r)) {
        return false;
    }
    uint32_t slot = s->slots[r.rule];
    size_t row = find_row(s, ((uint64_t) r.tenant << 32
                              | find_reason(SLUICE_DROP_RULE_DUPLICATE) << 16
                              | (slot + 1)));
    *ret = (struct rules_gap) {
        .gap = {
            .reason = GAP_RULE_DUPLICATE,
            .lines = r.n,
            .rule = s->stats->rules[slot].name,
            .from_ns = r.from_ns,
            .to_ns = r.to_ns,
            .app_name = r.app_name,
            .repeated = r.text,
        },
        .row = row == SIZE_MAX ? UINT32_MAX : row,
        .tenant = r.tenant,
        .source = r.owner,
        .slot = r.slot,
    };
    return true;
}

/* Finds a row of which something is not announced. */
static bool
find_dropped(struct rules_stage *s, uint64_t now_ms, bool all,
             struct rules_gap *ret)
{
    if (!s->dropped || (!all && now_ms < s->due_ms)) {
        return false;
    }
    for (; s->looked < STATS_MAX_RULE_DROPS; s->looked++) {
        uint32_t row = s->looked;
        const struct stats_rule_drops *d = &s->stats->rule_drops[row];
        uint64_t told = d->announced + s->repeating[row];

        if (d->key && d->dropped > told
            && rules_stage_row(s, row, d->dropped - told, ret)) {
            s->looked++;
            return true;
        }
    }
    s->looked = 0;
    s->dropped = false;
    return false;
}

bool
rules_stage_due(struct rules_stage *s, uint64_t now_ms, bool all,
                struct rules_gap *ret)
{
    return (find_repeats(s, all ? UINT64_MAX : now_ms, ret)
            || find_dropped(s, now_ms, all, ret));
}

void
rules_stage_told(struct rules_stage *s, const struct rules_gap *g)
{
    if (g->row < STATS_MAX_RULE_DROPS) {
        struct stats_rule_drops *d = &s->stats->rule_drops[g->row];
        uint32_t rule = rule_of_key(d->key) % STATS_MAX_RULES;

        undo_add(s->undo, &d->announced, g->gap.lines);
        undo_add(s->undo, &s->stats->rules[rule].announced, g->gap.lines);
        if (g->slot != SIZE_MAX) {
            s->repeating[g->row] -= MIN(s->repeating[g->row], g->gap.lines);
        }
    }
    if (g->slot != SIZE_MAX) {
        rules_repeats_told(s->state, g->slot);
    }
}

void
rules_stage_put_off(struct rules_stage *s, const struct rules_gap *g,
                    uint64_t now_ms)
{
    if (g->slot != SIZE_MAX) {
        rules_repeats_put_off(s->state, g->slot, now_ms + ANNOUNCE_MS);
    } else {
        s->looked = 0;
        s->dropped = true;
        s->due_ms = now_ms + ANNOUNCE_MS;
    }
}

void
rules_stage_fill(struct rules_stage *s, const struct rules_gap *g,
                 uint64_t now_ns, struct record *rec)
{
    /* In no batch, and of no snapshot. */
    s->of_tenant.snapshot_serial = 0;
    memset(s->of_tenant.looks, 0, sizeof s->of_tenant.looks);
    *rec = (struct record) {
        .received_ns = now_ns,
        .switch_ns = now_ns,
        .meta = { .has = TUNNEL_HAS_META, .vni = g->tenant },
        .source = &s->of_tenant,
    };
}
