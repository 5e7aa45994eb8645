/* SPDX-License-Identifier: Apache-2.0
 *
 * Stage 4, reassemble.  See s4-reassemble.h. */
#include <config.h>

#include "s4-reassemble.h"

#include <stdlib.h>

#include "s4-private.h"
#include "util.h"

enum {
    MAX_DATAGRAM = 65535,

    /* RFC 8200 section 4.5: how long fragments are waited for, at most. */
    DATAGRAM_MS = 60000,

    /* A stream that is silent for so long is forgotten, and sooner if nothing
     * ever came of it. */
    SILENT_MS = 2 * 60 * 60 * 1000,
    HALF_OPEN_MS = 60000,
};

struct reassemble {
    struct hold *hold;
    struct account *account;        /* Borrowed. */
    struct reassemble_config config;
    struct reassemble_sink sink;
    uint8_t datagram[MAX_DATAGRAM];
};

int
reassemble_create(const char *path, uint64_t ticket, struct account *account,
                  const struct reassemble_sink *sink,
                  struct reassemble **ret)
{
    static const struct reassemble_config defaults = REASSEMBLE_DEFAULTS;
    struct hold *hold;
    int error = hold_open(path, ticket, &hold);
    if (error) {
        return error;
    }

    struct reassemble *r = xzalloc(sizeof *r);
    r->hold = hold;
    r->account = account;
    r->sink = *sink;
    reassemble_configure(r, &defaults);
    *ret = r;
    return 0;
}

void
reassemble_destroy(struct reassemble *r)
{
    if (r) {
        hold_close(r->hold);
        free(r);
    }
}

void
reassemble_configure(struct reassemble *r,
                     const struct reassemble_config *config)
{
    struct hold_limits limits = {
        .tenant_slots = config->tenant_slots,
        .tenant_chunks = config->tenant_bytes / HOLD_CHUNK,
    };

    r->config = *config;
    hold_configure(r->hold, &limits);
}

void
step_gap(struct step *s, const struct hold_slot *slot,
         enum gap_reason reason, uint64_t packets, uint64_t bytes,
         uint64_t from_ns)
{
    struct gap gap = {
        .reason = reason,
        .packets = packets,
        .bytes = bytes,
        .from_ns = from_ns,
        .to_ns = s->rec->switch_ns,
        .protocol = slot->key.kind == HOLD_STREAM ? 6 : slot->key.protocol,
        .src_port = slot->key.src_port,
        .dst_port = slot->key.dst_port,
    };

    memcpy(gap.src_ip, slot->key.src_ip, sizeof gap.src_ip);
    memcpy(gap.dst_ip, slot->key.dst_ip, sizeof gap.dst_ip);
    s->sink->gap(s->sink->aux, s->rec, &gap);
}

/* Returns the key of what 'rec' is a piece of. */
static struct hold_key
key_of(const struct reassemble *r, const struct record *rec)
{
    const struct inner_packet *in = &rec->inner;
    struct hold_key key = {
        .kind = in->kind == INNER_TCP ? HOLD_STREAM : HOLD_DATAGRAM,
        .tenant = rec->meta.vni,
        .source = account_slot(r->account, rec->source),
        .ip_version = in->ip_version,
    };

    memcpy(key.src_ip, in->src_ip, sizeof key.src_ip);
    memcpy(key.dst_ip, in->dst_ip, sizeof key.dst_ip);
    for (int i = 0; i < in->n_vlans; i++) {
        key.vlans[i] = in->vlan_tci[i] & 0xfff;
    }
    if (in->kind == INNER_TCP) {
        key.src_port = in->src_port;
        key.dst_port = in->dst_port;
        key.protocol = 6;
    } else {
        key.id = in->fragment_id;
        /* RFC 791 has it in the key, RFC 8200 has not: there, the first
         * fragment's counts. */
        key.protocol = in->ip_version == 4 ? in->fragment_next : 0;
    }
    return key;
}

/* Returns true if 'in' can be the first packet of a stream that is followed. */
static bool
begins(const struct inner_packet *in)
{
    return (!(in->tcp_flags & INNER_TCP_RST)
            && (in->payload.size || in->tcp_flags & INNER_TCP_SYN));
}

/* What comes from the server is none of ours. */
static bool
is_answer(const struct inner_packet *in)
{
    const uint8_t both = INNER_TCP_SYN | INNER_TCP_ACK;

    return (in->tcp_flags & both) == both;
}

bool
reassemble_full(struct reassemble *r, const struct record *rec,
                uint32_t *ret_slot)
{
    const struct inner_packet *in = &rec->inner;

    if (!account_keeps(r->account, rec->source)
        || (in->kind == INNER_TCP && is_answer(in))) {
        return false;
    }
    struct hold_key key = key_of(r, rec);
    if (in->kind == INNER_TCP && !begins(in) && !hold_find(r->hold, &key)) {
        return false;
    }
    uint32_t n_chunks = in->payload.size / HOLD_CHUNK + 2;
    struct hold_slot *victim = hold_victim(r->hold, &key, n_chunks);
    if (!victim) {
        return false;
    }
    *ret_slot = hold_number(r->hold, victim);
    return true;
}

static void
run_segment(struct reassemble *r, struct step *s)
{
    /* The sink may change the record's. */
    const struct inner_packet in = s->rec->inner;

    s->tally->counters[TENANT_SEGMENTS]++;
    if (is_answer(&in)) {
        return;
    }
    struct hold_key key = key_of(r, s->rec);
    struct hold_slot *slot = hold_find(r->hold, &key);
    if (!slot) {
        if (!begins(&in)) {
            return;
        }
        if (hold_victim(r->hold, &key, 0)) {
            s->tally->drop = SLUICE_DROP_HOLD_LIMIT;
            return;
        }
        slot = hold_take(r->hold, &key, s->now_ms);
        tcp_stream_init(slot, &in);
        s->tally->counters[TENANT_STREAMS]++;
    }
    tcp_stream_take(s, slot, &in);
    if (slot->key.kind != HOLD_FREE) {
        hold_set_due(r->hold, slot, tcp_stream_waits(slot));
    }
}

/* Takes what all fragments of a datagram carried. */
static void
run_whole(struct reassemble *r, struct step *s, struct slice whole)
{
    struct record *rec = s->rec;

    s->tally->drop = inner_parse_whole(whole, &rec->inner);
    if (s->tally->drop) {
        return;
    }
    if (rec->inner.kind == INNER_TCP) {
        run_segment(r, s);
        s->tally->counters[TENANT_SEGMENTS]--;
    } else {
        s->sink->line(s->sink->aux, rec, rec->inner.payload, false);
    }
}

static void
run_fragment(struct reassemble *r, struct step *s)
{
    struct hold_key key = key_of(r, s->rec);
    struct hold_slot *slot = hold_find(r->hold, &key);
    struct inner_packet *in = &s->rec->inner;
    struct slice whole;

    s->tally->counters[TENANT_FRAGMENTS]++;
    if (!slot) {
        if (hold_victim(r->hold, &key, in->payload.size / HOLD_CHUNK + 2)) {
            s->tally->drop = SLUICE_DROP_HOLD_LIMIT;
            return;
        }
        slot = hold_take(r->hold, &key, s->now_ms);
        hold_set_due(r->hold, slot, true);
    }
    if (datagram_take(s, slot, in, &whole)) {
        memcpy(r->datagram, whole.data, whole.size);
        in->fragment_next = slot->datagram.next;
        hold_release(r->hold, slot);
        run_whole(r, s, slice_of(r->datagram, whole.size));
    }
}

void
reassemble_run(struct reassemble *r, struct record *rec, uint64_t ticket,
               uint64_t now_ms, struct reassemble_tally *ret)
{
    struct step s = {
        .hold = r->hold,
        .config = &r->config,
        .sink = &r->sink,
        .rec = rec,
        .now_ms = now_ms,
        .tally = ret,
    };

    *ret = (struct reassemble_tally) { .drop = SLUICE_DROP_NONE };
    if (!account_keeps(r->account, rec->source)) {
        ret->drop = SLUICE_DROP_HOLD_LIMIT;
        return;
    }
    hold_begin(r->hold, ticket);
    if (rec->inner.kind == INNER_TCP) {
        run_segment(r, &s);
    } else {
        run_fragment(r, &s);
    }
}

static uint64_t
silent_ms(const struct hold_slot *slot)
{
    return (slot->key.kind == HOLD_DATAGRAM ? DATAGRAM_MS
            : slot->stream.mode == FRAMING_UNKNOWN ? HALF_OPEN_MS
            : SILENT_MS);
}

static bool
is_silent(const struct hold_slot *slot, uint64_t now_ms)
{
    /* The clock of a capture may go back. */
    return (now_ms == UINT64_MAX
            || (now_ms > slot->latest_ms
                && now_ms - slot->latest_ms >= silent_ms(slot)));
}

/* Whether tcp_stream_look() would do something. */
static bool
is_due(const struct reassemble *r, const struct hold_slot *slot,
       uint64_t now_ms)
{
    const struct hold_stream *st = &slot->stream;
    uint64_t wait_ms = r->config.wait_ms;

    if (slot->key.kind == HOLD_DATAGRAM) {
        return now_ms >= slot->created_ms + DATAGRAM_MS;
    }
    return ((st->settling && now_ms >= slot->created_ms + wait_ms)
            || (st->wait_ms && now_ms >= st->wait_ms + wait_ms)
            || (st->hole_ms && now_ms >= st->hole_ms + wait_ms));
}

bool
reassemble_due(struct reassemble *r, uint64_t now_ms, uint32_t *ret_slot)
{
    struct hold_slot *slot = hold_oldest(r->hold);

    if (!slot || !is_silent(slot, now_ms)) {
        for (slot = hold_first_due(r->hold);
             slot && !is_due(r, slot, now_ms);
             slot = hold_next_due(r->hold, slot)) {
            continue;
        }
    }
    if (!slot) {
        return false;
    }
    *ret_slot = hold_number(r->hold, slot);
    return true;
}

/* Makes '*rec' stand for the packets of 'slot'. */
static bool
fill_record(struct reassemble *r, const struct hold_slot *slot,
            uint64_t now_ns, struct record *rec)
{
    struct source *source = account_source(r->account, slot->key.source);

    if (!source || source->key.tenant != slot->key.tenant) {
        return false;
    }
    account_fill(source, now_ns, rec);
    rec->switch_ns = slot->latest_ns ? slot->latest_ns : now_ns;
    rec->meta.has |= slot->latest_ns ? TUNNEL_HAS_TIME : 0;
    rec->inner.ip_version = slot->key.ip_version;
    memcpy(rec->inner.src_ip, slot->key.src_ip, sizeof rec->inner.src_ip);
    memcpy(rec->inner.dst_ip, slot->key.dst_ip, sizeof rec->inner.dst_ip);
    rec->inner.src_port = slot->key.src_port;
    rec->inner.dst_port = slot->key.dst_port;
    return true;
}

/* Begins step 's', which looks at slot 'number'.  Returns the slot, or null if
 * there is none now or any more. */
static struct hold_slot *
begin_look(struct reassemble *r, struct step *s, uint32_t number,
           uint64_t ticket, uint64_t now_ns)
{
    struct hold_slot *slot = hold_slot(r->hold, number);

    *s->tally = (struct reassemble_tally) { .drop = SLUICE_DROP_NONE };
    if (!slot) {
        return NULL;
    }
    hold_begin(r->hold, ticket);
    if (!fill_record(r, slot, now_ns, s->rec)) {
        hold_release(r->hold, slot);    /* Of another life of the books. */
        return NULL;
    }
    return slot;
}

bool
reassemble_look(struct reassemble *r, uint32_t number, bool evict,
                uint64_t ticket, uint64_t now_ms, uint64_t now_ns,
                struct record *rec, struct reassemble_tally *ret)
{
    struct step s = {
        .hold = r->hold,
        .config = &r->config,
        .sink = &r->sink,
        .rec = rec,
        .now_ms = now_ms,
        .tally = ret,
    };
    struct hold_slot *slot = begin_look(r, &s, number, ticket, now_ns);
    bool end = now_ms == UINT64_MAX;

    if (!slot) {
        return false;
    }
    if (slot->key.kind == HOLD_DATAGRAM) {
        datagram_give_up(&s, slot, (evict ? SLUICE_DROP_HOLD_LIMIT
                                    : SLUICE_DROP_FRAGMENT_TIMEOUT));
    } else if (evict || (!end && is_silent(slot, now_ms))) {
        tcp_stream_give_up(&s, slot, evict ? GAP_HOLD_LIMIT : GAP_TCP_ENDED);
    } else {
        tcp_stream_look(&s, slot, end);
    }
    if (slot->key.kind != HOLD_FREE) {
        hold_set_due(r->hold, slot, tcp_stream_waits(slot));
    }
    return true;
}

bool
reassemble_abandon(struct reassemble *r, uint32_t number, bool announce,
                   uint64_t ticket, uint64_t now_ms, uint64_t now_ns,
                   struct record *rec, struct reassemble_tally *ret)
{
    struct step s = {
        .hold = r->hold,
        .config = &r->config,
        .sink = &r->sink,
        .rec = rec,
        .now_ms = now_ms,
        .tally = ret,
    };
    struct hold_slot *slot = begin_look(r, &s, number, ticket, now_ns);

    if (!slot) {
        return false;
    }
    bool is_stream = slot->key.kind == HOLD_STREAM;
    uint64_t packets = is_stream ? 0 : slot->datagram.n_fragments;
    uint64_t bytes = (spans_bytes(&slot->spans)
                      + (is_stream ? slot->stream.lost : 0));
    ret->drop = SLUICE_DROP_POISON;
    if (!announce) {
        ret->counters[TENANT_UNTOLD]++;
    } else if (packets || bytes) {
        step_gap(&s, slot, GAP_POISON, packets, bytes, slot->latest_ns);
    }
    hold_release(r->hold, slot);
    return true;
}

bool
reassemble_is_idle(const struct reassemble *r)
{
    return !hold_n_slots(r->hold);
}

void
reassemble_end(struct reassemble *r)
{
    hold_end(r->hold);
}
