/* SPDX-License-Identifier: Apache-2.0
 *
 * The history in the context snapshot: takes over from the snapshot before
 * what was known of each key, for lines that come late.
 *
 * In: a builder that has all records of now; the snapshot before, nothing in
 * it trusted.
 * Out: spans and earlier records in the builder.
 * Runs in: sluice-context. */
#include "snapshot-private.h"

#include <errno.h>
#include <stdlib.h>

#include "context-view.h"

/* What is known about a record of the earlier snapshot. */
struct fate {
    uint32_t record;            /* Where it is there; 0: this one is free. */
    uint32_t copy;              /* Where it is now; 0: not copied. */
    uint32_t compared;          /* With this one of now, 0: with none, */
    bool is_same;               /* it is the same. */
};

/* Bytes of history that a host has. */
struct share {
    uint8_t vtep[16];
    size_t size;                /* 0: this one is free. */
};

struct heir {
    struct snapshot_builder *b;
    const struct snapshot *earlier;
    uint64_t now_ns;
    uint64_t oldest_ns;         /* What ended before is forgotten. */
    struct fate *fates;         /* By 'record'. */
    size_t n_fates;             /* A power of two. */
    struct share *shares;       /* By VTEP, as many as fates. */
    struct share *share;        /* Of the host whose key is at hand, or null. */
    uint32_t bare;              /* A span that says nothing, or 0. */
    size_t n_bare;              /* Keys that have it. */
    size_t n_dropped;
};

/* Finds or makes the fate of 'record'.  Returns null if the earlier snapshot
 * has more records than it says. */
static struct fate *
find_fate(struct heir *h, uint32_t record)
{
    uint64_t hash = record * UINT64_C(0x9e3779b97f4a7c15) >> 32;

    for (size_t i = 0; i < h->n_fates; i++) {
        struct fate *fate = &h->fates[(hash + i) & (h->n_fates - 1)];

        if (!fate->record) {
            fate->record = record;
        }
        if (fate->record == record) {
            return fate;
        }
    }
    return NULL;
}

static bool
earlier_record(const struct heir *h, uint32_t record, struct slice *ret)
{
    return (record
            && snapshot_record_at(h->earlier, (uint64_t) record * UNIT, ret));
}

/* Returns the record at 'record' of the builder. */
static struct slice
record_of_now(const struct heir *h, uint32_t record)
{
    const uint8_t *p = h->b->body + (size_t) record * UNIT - HEADER_SIZE;

    return slice_of(p + RECORD_HEADER_SIZE, get_be32(p));
}

/* Returns true if 'then' of the earlier snapshot says what 'now' does. */
static bool
is_same(struct heir *h, uint32_t then, uint32_t now)
{
    struct fate *fate = find_fate(h, then);
    struct slice record;

    if (!fate || !earlier_record(h, then, &record)) {
        return false;
    }
    if (fate->compared != now) {
        fate->compared = now;
        fate->is_same = context_is_same(record, record_of_now(h, now));
    }
    return fate->is_same;
}

/* Finds or makes the share of the host at 'vtep'.  There are no more than
 * records, each of which may have one. */
static struct share *
find_share(struct heir *h, const uint8_t vtep[16])
{
    uint64_t hash = snapshot_hash(h->b->hash_key, vtep, 16);

    for (size_t i = 0; i < h->n_fates; i++) {
        struct share *share = &h->shares[(hash + i) & (h->n_fates - 1)];

        if (!share->size) {
            memcpy(share->vtep, vtep, sizeof share->vtep);
            return share;
        } else if (!memcmp(share->vtep, vtep, sizeof share->vtep)) {
            return share;
        }
    }
    return NULL;
}

/* Returns true if the history has room for so many more bytes.  Of a host that
 * makes up VMs there are no more than its own share. */
static bool
has_room(const struct heir *h, size_t size)
{
    return (h->b->body_size - h->b->records_size + size
            <= SNAPSHOT_MAX_HISTORY
            && (!h->share
                || h->share->size + size <= SNAPSHOT_MAX_HOST_HISTORY));
}

/* Counts what has grown since the builder had 'before' bytes. */
static void
charge(struct heir *h, size_t before)
{
    if (h->share) {
        h->share->size += h->b->body_size - before;
    }
}

/* Copies 'record' of the earlier snapshot, unless that was done.  Returns 0
 * and where it is, which is 0 if there is no room, or a positive errno. */
static int
copy_record(struct heir *h, uint32_t record, uint32_t *ret)
{
    struct fate *fate = find_fate(h, record);
    struct slice bytes;

    *ret = 0;
    if (!fate || !earlier_record(h, record, &bytes)) {
        return 0;
    }
    if (!fate->copy && has_room(h, RECORD_HEADER_SIZE + bytes.size + UNIT)) {
        size_t before = h->b->body_size;
        int error = builder_append_record(h->b, bytes, &fate->copy);
        charge(h, before);
        if (error) {
            return error;
        }
        h->b->n_earlier++;
    }
    *ret = fate->copy;
    return 0;
}

/* Nothing began later than now: what says so was written while the clock was
 * ahead, and would hide all that came after it until the clock is there
 * again. */
static struct span
not_ahead(const struct heir *h, struct span span)
{
    span.from_ns = span.from_ns < h->now_ns ? span.from_ns : h->now_ns;
    return span;
}

/* Copies the chain that begins with 'span', which ended at 'until_ns', the
 * latest first; '*ret' is where it begins, or 0.  What is nobody's at its
 * end says nothing, and is left out, as is what ended when it began. */
static int
copy_chain(struct heir *h, struct span span, uint64_t until_ns, uint32_t *ret)
{
    struct span chain[SNAPSHOT_MAX_VERSIONS];
    size_t n = 0, n_useful = 0;

    *ret = 0;
    /* No chain that we wrote is longer. */
    for (size_t i = 0; i <= SNAPSHOT_MAX_VERSIONS; i++) {
        span = not_ahead(h, span);
        if (until_ns < h->oldest_ns) {
            break;
        } else if (span.from_ns < until_ns) {
            if (n >= SNAPSHOT_MAX_VERSIONS) {
                h->n_dropped++;
                break;
            }
            chain[n] = span;
            if (span.record) {
                int error = copy_record(h, span.record, &chain[n].record);
                if (error) {
                    return error;
                } else if (!chain[n].record) {
                    h->n_dropped++;
                    break;
                }
                n_useful = n + 1;
            }
            n++;
            until_ns = span.from_ns;
        }
        if (!span.earlier
            || !snapshot_span_at(h->earlier, span.earlier, &span)) {
            break;
        }
    }

    /* From the oldest on, since each names the one before it. */
    while (n_useful-- > 0) {
        uint8_t bytes[SPAN_SIZE];

        size_t before = h->b->body_size;
        chain[n_useful].earlier = *ret;
        put_span(bytes, &chain[n_useful]);
        int error = builder_append(h->b, bytes, sizeof bytes, NULL, 0, ret);
        charge(h, before);
        if (error) {
            return error;
        }
    }
    return 0;
}

/* Has a key that is nobody's, and of which there was no room to remember whose
 * it was, say at least that: whoever has it next did not have it before.  Not
 * so those of hosts, which make up as many as they like. */
static int
keep_bare(struct heir *h, struct span *span)
{
    uint8_t bytes[SPAN_SIZE] = { 0 };
    int error = 0;

    if (h->share || span->from_ns < h->oldest_ns
        || h->n_bare >= SNAPSHOT_MAX_BARE) {
        return 0;
    }
    if (!h->bare) {
        error = builder_append(h->b, bytes, sizeof bytes, NULL, 0, &h->bare);
    }
    h->n_bare++;
    span->earlier = h->bare;
    return error;
}

/* Takes over what the earlier snapshot knew of 'key', which was 'then' at
 * last. */
static int
inherit_key(struct heir *h, enum key_kind kind, const uint8_t *key,
            const struct span *then)
{
    struct table *t = &h->b->tables[kind];
    uint8_t *slot = table_slot(t, h->b->hash_key, key);
    struct span now = { .record = 0 };
    struct slice record;
    bool goes_on = !then->record;

    if (slot) {
        now = slot_span(slot, kind);
    }
    if (now.record) {
        goes_on = then->record && is_same(h, then->record, now.record);
    } else if (then->record && !earlier_record(h, then->record, &record)) {
        return 0;               /* Damaged. */
    }

    now.from_ns = goes_on ? not_ahead(h, *then).from_ns : h->now_ns;
    struct span before = *then;
    int error = 0;
    if (!goes_on) {
        error = copy_chain(h, before, now.from_ns, &now.earlier);
    } else if (then->earlier
               && snapshot_span_at(h->earlier, then->earlier, &before)) {
        error = copy_chain(h, before, now.from_ns, &now.earlier);
    }
    if (!error && span_is_free(&now)) {
        error = keep_bare(h, &now);
    }
    if (error || span_is_free(&now)) {
        return error;
    } else if (now.record) {
        put_span(slot_span_at(slot, kind), &now);
        return 0;
    }
    return table_add(t, h->b->hash_key, key, &now);
}

static int
inherit_table(struct heir *h, enum key_kind kind)
{
    const struct table_view *t = &h->earlier->tables[kind];
    int error = 0;

    for (uint64_t i = 0; !t->is_empty && i <= t->mask && !error; i++) {
        const uint8_t *slot = snapshot_bytes_at(
            h->earlier, t->offset + i * slot_size(kind), slot_size(kind));
        struct span then = slot_span(slot, kind);

        if (!span_is_free(&then)) {
            h->share = kind == KEY_HOST ? find_share(h, slot) : NULL;
            error = inherit_key(h, kind, slot, &then);
        }
    }
    return error;
}

int
snapshot_builder_inherit(struct snapshot_builder *b,
                         const struct snapshot *earlier, uint64_t now_ns,
                         uint64_t max_age_ns, size_t *ret_n_dropped)
{
    struct heir h = {
        .b = b,
        .earlier = earlier,
        .now_ns = now_ns,
        .oldest_ns = now_ns > max_age_ns ? now_ns - max_age_ns : 0,
        .n_fates = MIN_SLOTS,
    };
    /* More would not fit into the file, whatever its header says. */
    uint64_t n = (uint64_t) earlier->n_records + earlier->n_earlier;
    uint64_t n_max = earlier->file.size / UNIT;

    while (h.n_fates < 2 * (n < n_max ? n : n_max)) {
        h.n_fates *= 2;
    }
    h.fates = calloc(h.n_fates, sizeof *h.fates);
    h.shares = calloc(h.n_fates, sizeof *h.shares);
    if (!h.fates || !h.shares) {
        free(h.shares);
        free(h.fates);
        return b->error = ENOMEM;
    }
    b->has_history = true;
    b->records_size = b->body_size;
    b->last_record = 0;
    for (int kind = 0; kind < N_KEY_KINDS && !b->error; kind++) {
        b->error = inherit_table(&h, kind);
    }
    free(h.shares);
    free(h.fates);
    *ret_n_dropped = h.n_dropped;
    return b->error;
}
