/* SPDX-License-Identifier: Apache-2.0
 *
 * Stage 4, reassemble: TCP streams, of which we see one direction, as a copy.
 * Nothing can be asked for again, and nobody tells us what the receiver took.
 *
 * Bytes are known by their offset from the first one.  In order, with what is
 * held of them:
 *
 *     ......|frame|frame|fra..   hole   ..ame|fr...     | end
 *           ^next             ^hole_at
 *
 * What is missing is waited for, since segments overtake each other and a lost
 * one is sent again unless it was lost behind the switch.  Then it is given
 * up, with all of the frames that it tore apart: a stream goes on at the next
 * boundary that is known, behind a trailer or where a count of octets says, or
 * never. */
#include <config.h>

#include "s4-private.h"

#include "framing.h"
#include "redact.h"
#include "proxy-config.h"
#include "util.h"

enum {
    PORT_SYSLOG_TLS = 6514,     /* RFC 5425. */

    /* Most of a frame that is of use: what is beyond redaction's cap is masked
     * by it. */
    MAX_FRAME = REDACT_CAP + REDACT_OVERLAP,

    /* A gap record tells of at most so many bytes that are passed over. */
    MAX_UNTOLD = 1 << 20,

    /* How far a stream may have gone on without us.  Receive windows are
     * smaller. */
    MAX_JUMP = 16 << 20,

    /* Where offsets begin, so that there is room before the first segment that
     * comes. */
    FIRST_OFFSET = 1 << 20,

    SETTLE_BYTES = 64 * 1024,   /* Held before a stream that is joined. */
};

static int64_t
offset_of(const struct hold_stream *st, uint32_t seq)
{
    uint32_t next_seq = st->first_seq + (uint32_t) st->next;

    return (int64_t) st->next + (int32_t) (seq - next_seq);
}

static void
count(struct step *s, enum tenant_counter counter, uint32_t n)
{
    s->tally->counters[counter] += n;
}

/* Moves on to 'to', over bytes that were of use. */
static void
pass(struct hold_stream *st, uint64_t to)
{
    st->next = to;
    st->scanned = MAX(st->scanned, to);
}

/* Moves on to 'to', over bytes that no line will have. */
static void
lose(struct hold_slot *slot, uint64_t to, enum gap_reason reason)
{
    struct hold_stream *st = &slot->stream;

    if (to > st->next && st->mode != FRAMING_TLS) {
        if (!st->lost) {
            st->lost_from_ns = slot->latest_ns;
            st->lost_reason = reason;
        }
        st->lost += to - st->next;
    }
    pass(st, MAX(to, st->next));
}

static void
tell(struct step *s, struct hold_slot *slot)
{
    struct hold_stream *st = &slot->stream;

    if (st->lost) {
        step_gap(s, slot, st->lost_reason, 0, st->lost, st->lost_from_ns);
        st->lost = 0;
    }
}

static void
emit(struct step *s, const struct hold_slot *slot, uint64_t from, uint64_t to)
{
    struct slice message = hold_get(s->hold, slot, from,
                                    MIN(to, from + MAX_FRAME));

    s->sink->line(s->sink->aux, s->rec, message, slot->stream.ambiguous);
}

static void
become_tls(struct step *s, struct hold_slot *slot)
{
    slot->stream.mode = FRAMING_TLS;
    count(s, TENANT_TLS_STREAMS, 1);
    if (s->rec->source) {
        stats_add(&s->rec->source->stats->tls_streams, 1);
    }
}

/* The following take what stands at 'next', up to 'to', where what has come
 * ends.  They return false if there is nothing more to take. */

static bool
take_first(struct step *s, struct hold_slot *slot, uint64_t to)
{
    struct hold_stream *st = &slot->stream;
    uint64_t end = MIN(to, st->next + 3);
    struct slice bytes = hold_get(s->hold, slot, st->next, end);

    if (!bytes.size) {
        return false;
    }
    switch (framing_tls(bytes)) {
    case FRAMING_YES:
        become_tls(s, slot);
        break;
    case FRAMING_MORE:
        if (!st->has_end) {
            return false;
        }
        /* Fall through. */
    default:
        st->mode = (framing_counts(bytes.data[0]) ? FRAMING_OCTETS
                    : FRAMING_TRAILER);
    }
    return true;
}

static bool
take_octets(struct step *s, struct hold_slot *slot, uint64_t to)
{
    struct hold_stream *st = &slot->stream;
    uint64_t end = MIN(to, st->next + FRAMING_MAX_HEADER);
    size_t header, size;

    switch (framing_count(hold_get(s->hold, slot, st->next, end), &header,
                          &size)) {
    case FRAMING_YES:
        if (to - st->next < header + size) {
            return false;
        }
        emit(s, slot, st->next + header, st->next + header + size);
        pass(st, st->next + header + size);
        return true;
    case FRAMING_NO:
        st->mode = FRAMING_LOST;
        lose(slot, to, GAP_TCP_FRAMING);
        tell(s, slot);
        return false;
    default:
        return false;
    }
}

/* Returns where the trailer stands, or 'to'; finds out which one it is. */
static uint64_t
find_trailer(struct step *s, struct hold_slot *slot, uint64_t to)
{
    struct hold_stream *st = &slot->stream;
    uint64_t from = st->scanned;

    if (st->mode == FRAMING_NUL) {
        return hold_search(s->hold, slot, from, to, '\0');
    }
    uint64_t lf = hold_search(s->hold, slot, from, to, '\n');
    if (st->mode == FRAMING_TRAILER) {
        uint64_t nul = hold_search(s->hold, slot, from, lf, '\0');
        if (nul < lf) {
            st->mode = FRAMING_NUL;
            return nul;
        }
        if (lf < to) {
            st->mode = FRAMING_LF;
        }
    }
    return lf;
}

/* Skips the rest of a frame. */
static bool
skip_to_trailer(struct step *s, struct hold_slot *slot, uint64_t to)
{
    struct hold_stream *st = &slot->stream;
    uint64_t at = find_trailer(s, slot, to);
    uint64_t behind = MIN(at + 1, to);

    if (st->resync) {
        lose(slot, behind, GAP_TCP_MISSING);
    } else {
        pass(st, behind);
    }
    if (at == to) {
        return false;
    }
    if (st->resync) {
        tell(s, slot);
    }
    st->resync = false;
    st->cut = false;
    return true;
}

/* Returns true if lines of 'tenant' that begin with a space continue others. */
static bool
has_multi_line(const struct reassemble_config *config, uint32_t tenant)
{
    const struct config_tenant *t
        = config->tenants ? config_find_tenant(config->tenants, tenant) : NULL;

    return t ? t->multi_line : config->multi_line;
}

/* Returns true if the line that ends at 'at' may continue behind it, and
 * in '*ret_known' whether it does. */
static bool
may_continue(struct step *s, struct hold_slot *slot, uint64_t at, uint64_t to,
             bool *ret_known)
{
    const struct hold_stream *st = &slot->stream;

    *ret_known = false;
    if (st->mode != FRAMING_LF || at - st->next >= MAX_FRAME
        || !has_multi_line(s->config, slot->key.tenant)) {
        return false;
    }
    if (at + 1 == to) {
        return !st->has_end || st->end > to;
    }
    uint8_t next = hold_get(s->hold, slot, at + 1, at + 2).data[0];
    *ret_known = true;
    return next == ' ' || next == '\t';
}

static bool
take_line(struct step *s, struct hold_slot *slot, uint64_t to, bool enough)
{
    struct hold_stream *st = &slot->stream;

    if (st->resync || st->cut) {
        return skip_to_trailer(s, slot, to);
    }

    uint64_t at = find_trailer(s, slot, to);
    bool known;
    if (at == to) {
        st->scanned = to;
        if (to - st->next <= MAX_FRAME) {
            return false;
        }
        emit(s, slot, st->next, to);
        pass(st, to);
        st->cut = true;
        return true;
    }
    if (may_continue(s, slot, at, to, &known) && (known || !enough)) {
        st->scanned = known ? at + 1 : at;
        st->wait_ms = (known ? 0 : st->wait_ms ? st->wait_ms
                       : MAX(s->now_ms, 1));
        return known;
    }
    st->wait_ms = 0;
    if (at > st->next) {
        emit(s, slot, st->next, at);
    }
    pass(st, at + 1);
    return true;
}

/* Looks for the beginning of a line in a stream whose own was not seen: behind
 * an LF, with a PRI.  One that counts octets may have that within a message,
 * but only if a guest wants it so, of its own. */
static bool
take_join(struct step *s, struct hold_slot *slot, uint64_t to)
{
    struct hold_stream *st = &slot->stream;
    struct slice start = hold_get(s->hold, slot, st->next,
                                  MIN(to, st->next + 3));
    if (!st->lost && framing_tls(start) == FRAMING_YES) {
        become_tls(s, slot);
        return true;
    }

    for (uint64_t at = st->next; at < to; at++) {
        at = hold_search(s->hold, slot, at, to, '\n');
        if (at == to) {
            break;
        }
        uint64_t end = MIN(to, at + 1 + FRAMING_MAX_PRI);
        switch (framing_pri(hold_get(s->hold, slot, at + 1, end))) {
        case FRAMING_YES:
            lose(slot, at + 1, GAP_TCP_JOINED);
            tell(s, slot);
            st->mode = FRAMING_LF;
            return true;
        case FRAMING_MORE:
            lose(slot, at, GAP_TCP_JOINED);
            return false;
        default:
            break;
        }
    }
    lose(slot, to, GAP_TCP_JOINED);
    return false;
}

/* Takes one frame, or moves on over what is none. */
static bool
take_one(struct step *s, struct hold_slot *slot, bool enough)
{
    struct hold_stream *st = &slot->stream;
    uint64_t to = spans_contiguous(&slot->spans, st->next);

    if (to == st->next) {
        return false;
    }
    if (st->next < st->skip_to) {
        lose(slot, MIN(to, st->skip_to), GAP_TCP_MISSING);
        if (st->next == st->skip_to) {
            tell(s, slot);
        }
        return true;
    }
    switch ((enum framing_mode) st->mode) {
    case FRAMING_UNKNOWN:
        return take_first(s, slot, to);
    case FRAMING_OCTETS:
        return take_octets(s, slot, to);
    case FRAMING_TRAILER:
    case FRAMING_LF:
    case FRAMING_NUL:
        return take_line(s, slot, to, enough);
    case FRAMING_JOIN:
        return take_join(s, slot, to);
    case FRAMING_LOST:
        lose(slot, to, GAP_TCP_FRAMING);
        return false;
    case FRAMING_TLS:
        pass(st, to);
        return false;
    }
    return false;
}

/* Notes whether bytes are missing, and since when. */
static void
note_hole(struct step *s, struct hold_slot *slot)
{
    struct hold_stream *st = &slot->stream;
    uint64_t to = spans_contiguous(&slot->spans, st->next);
    const struct spans *spans = &slot->spans;
    bool hole = ((spans->n && spans->ranges[spans->n - 1].from > to)
                 || (st->has_end && to < st->end));

    if (!hole) {
        st->hole_ms = 0;
    } else if (!st->hole_ms || st->hole_at != to) {
        st->hole_at = to;
        st->hole_ms = MAX(s->now_ms, 1);
    }
}

/* Ends the stream, and the slot: all has come that will. */
static void
finish(struct step *s, struct hold_slot *slot, enum gap_reason reason)
{
    struct hold_stream *st = &slot->stream;
    uint64_t to = spans_contiguous(&slot->spans, st->next);
    bool orderly = st->has_end && !st->end_is_reset && to >= st->end;

    /* The last line may lack its trailer; then the end is that. */
    if (orderly && to > st->next && !st->resync && !st->cut
        && st->next >= st->skip_to
        && (st->mode == FRAMING_TRAILER || st->mode == FRAMING_LF
            || st->mode == FRAMING_NUL)) {
        emit(s, slot, st->next, to);
        pass(st, to);
    }
    const struct spans *spans = &slot->spans;
    if (spans->n) {
        lose(slot, MAX(to, spans->ranges[spans->n - 1].to), reason);
    }
    if (st->has_end && !st->end_is_reset) {
        lose(slot, st->end, GAP_TCP_MISSING);
    }
    tell(s, slot);
    hold_release(s->hold, slot);
}

/* Takes all that can be taken.  Returns false if that was the end of the stream
 * and of the slot. */
static bool
take_all(struct step *s, struct hold_slot *slot, bool enough)
{
    struct hold_stream *st = &slot->stream;

    if (st->settling) {
        return true;
    }
    while (take_one(s, slot, enough)) {
        continue;
    }
    if (st->lost >= MAX_UNTOLD) {
        tell(s, slot);
    }
    if (st->has_end
        && spans_contiguous(&slot->spans, st->next) >= st->end) {
        finish(s, slot, GAP_TCP_ENDED);
        return false;
    }
    hold_forget(s->hold, slot, st->next);
    note_hole(s, slot);
    return true;
}

/* Gives up the bytes that are missing, up to offset 'to', and with them the
 * frames that they are of. */
static void
give_up_hole(struct step *s, struct hold_slot *slot, uint64_t to)
{
    struct hold_stream *st = &slot->stream;
    uint64_t here = spans_contiguous(&slot->spans, st->next);
    uint64_t end = MIN(here, st->next + FRAMING_MAX_HEADER);
    size_t header, size;

    switch ((enum framing_mode) st->mode) {
    case FRAMING_UNKNOWN:
        st->mode = FRAMING_JOIN;
        break;
    case FRAMING_OCTETS:
        if (st->skip_to >= to) {
            break;
        }
        if (st->skip_to <= st->next
            && framing_count(hold_get(s->hold, slot, st->next, end), &header,
                             &size) == FRAMING_YES
            && st->next + header + size >= to) {
            st->skip_to = st->next + header + size;
        } else {
            st->mode = FRAMING_LOST;
        }
        break;
    case FRAMING_TRAILER:
    case FRAMING_LF:
    case FRAMING_NUL:
        /* The trailer of the frame before may be what is missing. */
        st->resync = true;
        st->cut = false;
        break;
    case FRAMING_JOIN:
    case FRAMING_LOST:
    case FRAMING_TLS:
        break;
    }
    st->wait_ms = 0;
    lose(slot, to, (st->mode == FRAMING_JOIN ? GAP_TCP_JOINED
                    : GAP_TCP_MISSING));
    hold_forget(s->hold, slot, st->next);
    if (st->mode == FRAMING_LOST) {
        tell(s, slot);
    }
}

/* Gives up the first hole there is.  Returns false if that was the end of the
 * stream. */
static bool
give_up_first_hole(struct step *s, struct hold_slot *slot)
{
    struct hold_stream *st = &slot->stream;
    uint64_t here = spans_contiguous(&slot->spans, st->next);

    for (uint32_t i = 0; i < slot->spans.n; i++) {
        if (slot->spans.ranges[i].from > here) {
            give_up_hole(s, slot, slot->spans.ranges[i].from);
            return take_all(s, slot, true);
        }
    }
    if (st->has_end && here < st->end) {
        finish(s, slot, GAP_TCP_MISSING);
        return false;
    }
    return true;
}

static bool
stop_settling(struct step *s, struct hold_slot *slot)
{
    slot->stream.settling = false;
    return take_all(s, slot, false);
}

void
tcp_stream_init(struct hold_slot *slot, const struct inner_packet *in)
{
    bool syn = in->tcp_flags & INNER_TCP_SYN;

    slot->stream = (struct hold_stream) {
        .first_seq = in->tcp_seq + syn - FIRST_OFFSET,
        .mode = syn ? FRAMING_UNKNOWN : FRAMING_JOIN,
        .settling = !syn,
        .next = FIRST_OFFSET,
        .scanned = FIRST_OFFSET,
    };
}

/* Compares 'bytes' with those at 'from' on that have come. */
static void
compare(struct step *s, struct hold_slot *slot, uint64_t from,
        struct slice bytes)
{
    const struct spans *spans = &slot->spans;

    for (uint32_t i = 0; i < spans->n; i++) {
        uint64_t a = MAX(from, spans->ranges[i].from);
        uint64_t b = MIN(from + bytes.size, spans->ranges[i].to);
        if (a < b && memcmp(hold_get(s->hold, slot, a, b).data,
                            &bytes.data[a - from], b - a)) {
            slot->stream.ambiguous = true;
            count(s, TENANT_AMBIGUOUS, 1);
            return;
        }
    }
}

/* Holds what of 'bytes' is not held.  Returns false if there is no room. */
static bool
put(struct step *s, struct hold_slot *slot, uint64_t from,
    struct slice bytes)
{
    uint64_t base = slot->stream.next, to = from + bytes.size;
    struct span missing;

    if (bytes.size && (from < base || to > base + HOLD_WINDOW)) {
        return false;
    }
    for (uint64_t at = from;
         spans_next_missing(&slot->spans, at, to, &missing);
         at = missing.to) {
        struct slice part = slice_of(&bytes.data[missing.from - from],
                                     missing.to - missing.from);
        if (!hold_put(s->hold, slot, base, missing.from, part)) {
            return false;
        }
    }
    return true;
}

/* Takes what is before 'next' off a segment.  Returns false if nothing is left.
 */
static bool
trim(const struct hold_stream *st, int64_t *offset, struct slice *bytes)
{
    int64_t next = st->next;

    if (*offset + (int64_t) bytes->size <= next) {
        return false;
    }
    if (*offset < next) {
        size_t old = next - *offset;
        *bytes = slice_of(&bytes->data[old], bytes->size - old);
        *offset = next;
    }
    return true;
}

/* Takes the bytes of a segment that begin at 'offset'.  Returns false if the
 * stream ended. */
static bool
take_bytes(struct step *s, struct hold_slot *slot, int64_t offset,
           struct slice bytes)
{
    struct hold_stream *st = &slot->stream;

    if (st->settling && offset >= 0 && offset < (int64_t) st->next) {
        st->next = offset;              /* Overtaken by what came first. */
        st->scanned = offset;
    }
    if (!trim(st, &offset, &bytes)) {
        return true;                    /* Sent again, or a keep-alive. */
    }
    if (offset > (int64_t) st->next + MAX_JUMP) {
        count(s, TENANT_OUT_OF_WINDOW, 1);
        return true;
    }
    if (st->has_end && (uint64_t) offset + bytes.size > st->end) {
        if (!st->end_is_reset) {
            count(s, TENANT_OUT_OF_WINDOW, 1);
            return true;
        }
        st->has_end = false;            /* The receiver ignored that reset. */
    }
    compare(s, slot, offset, bytes);
    while (!put(s, slot, offset, bytes)) {
        /* It is far ahead, or there are too many holes: they will not be
         * filled. */
        if (st->settling) {
            if (!stop_settling(s, slot)) {
                return false;
            }
        } else if (slot->spans.n
                   && slot->spans.ranges[slot->spans.n - 1].to > st->next
                   && spans_contiguous(&slot->spans, st->next)
                      < slot->spans.ranges[slot->spans.n - 1].from) {
            if (!give_up_first_hole(s, slot)) {
                return false;
            }
        } else if (st->next < (uint64_t) offset) {
            give_up_hole(s, slot, offset);
        } else {
            /* There is not even room for this one. */
            give_up_hole(s, slot, offset + bytes.size);
            return true;
        }
        if (!trim(st, &offset, &bytes)) {
            return true;
        }
    }
    return (st->settling && spans_bytes(&slot->spans) < SETTLE_BYTES)
           || (st->settling ? stop_settling(s, slot)
               : take_all(s, slot, false));
}

/* Takes the SYN of a stream that is known already.  Returns false if it is not
 * of this one. */
static bool
take_syn(struct hold_slot *slot, const struct inner_packet *in)
{
    struct hold_stream *st = &slot->stream;
    int64_t first = offset_of(st, in->tcp_seq + 1);

    if (st->settling && first > 0 && first <= (int64_t) st->next
        && first + HOLD_WINDOW > (int64_t) st->next) {
        st->settling = false;           /* Its data overtook it. */
        st->mode = FRAMING_UNKNOWN;
        st->next = first;
        st->scanned = first;
        return true;
    }
    if (first == FIRST_OFFSET) {
        return true;
    }
    st->has_new_seq = true;
    st->new_seq = in->tcp_seq + 1;
    return false;
}

/* Takes FIN and RST; 'offset' is behind the segment's bytes. */
static bool
take_end(struct step *s, struct hold_slot *slot, int64_t offset, bool reset)
{
    struct hold_stream *st = &slot->stream;

    if (offset < (int64_t) st->next
        || offset > (int64_t) st->next + HOLD_WINDOW) {
        count(s, TENANT_OUT_OF_WINDOW, 1);
        return true;
    }
    if (!st->has_end || (st->end_is_reset && !reset)) {
        st->has_end = true;
        st->end = offset;
        st->end_is_reset = reset;
    }
    return take_all(s, slot, false);
}

static void
take_tls(struct step *s, struct hold_slot *slot,
         const struct inner_packet *in)
{
    count(s, TENANT_TLS_BYTES, in->payload.size);
    hold_forget(s->hold, slot, UINT64_MAX);
    slot->stream.hole_ms = 0;
    if (in->tcp_flags & (INNER_TCP_FIN | INNER_TCP_RST)) {
        hold_release(s->hold, slot);
    }
}

void
tcp_stream_take(struct step *s, struct hold_slot *slot,
            const struct inner_packet *in)
{
    struct hold_stream *st = &slot->stream;
    bool syn = in->tcp_flags & INNER_TCP_SYN;
    uint32_t seq = in->tcp_seq + syn;

    hold_touch(s->hold, slot, s->now_ms);
    if (st->mode != FRAMING_TLS && in->dst_port == PORT_SYSLOG_TLS) {
        become_tls(s, slot);
        st->settling = false;
    }
    if (st->mode == FRAMING_TLS) {
        take_tls(s, slot, in);
        return;
    }
    if (st->has_new_seq && !syn && in->payload.size && seq == st->new_seq
        && offset_of(st, seq) != (int64_t) st->next) {
        /* The guest began anew with the same ports. */
        uint32_t number = hold_number(s->hold, slot);
        st->has_end = false;
        lose(slot, spans_contiguous(&slot->spans, st->next), GAP_TCP_ENDED);
        if (slot->spans.n) {
            lose(slot, slot->spans.ranges[slot->spans.n - 1].to,
                 GAP_TCP_MISSING);
        }
        tell(s, slot);
        hold_forget(s->hold, slot, UINT64_MAX);
        slot = hold_slot(s->hold, number);
        struct inner_packet first = *in;
        first.tcp_seq--;
        first.tcp_flags |= INNER_TCP_SYN;
        tcp_stream_init(slot, &first);
        count(s, TENANT_STREAMS, 1);
    } else if (syn && !take_syn(slot, in)) {
        return;
    }

    slot->latest_ns = slot->latest_ns ? slot->latest_ns : s->rec->switch_ns;
    int64_t offset = offset_of(st, seq);
    bool goes_on = true;
    if (in->payload.size) {
        goes_on = take_bytes(s, slot, offset, in->payload);
    } else if (syn) {
        goes_on = take_all(s, slot, false);
    }
    if (goes_on && in->tcp_flags & (INNER_TCP_FIN | INNER_TCP_RST)) {
        goes_on = take_end(s, slot, offset + in->payload.size,
                           in->tcp_flags & INNER_TCP_RST);
    }
    if (goes_on) {
        slot->latest_ns = s->rec->switch_ns;
    }
}

void
tcp_stream_look(struct step *s, struct hold_slot *slot, bool end)
{
    struct hold_stream *st = &slot->stream;
    uint32_t wait_ms = s->config->wait_ms;

    hold_change(s->hold, slot);
    if (st->settling && (end || s->now_ms >= slot->created_ms + wait_ms)
        && !stop_settling(s, slot)) {
        return;
    }
    if (st->wait_ms && (end || s->now_ms >= st->wait_ms + wait_ms)
        && !take_all(s, slot, true)) {
        return;
    }
    while (st->hole_ms && (end || s->now_ms >= st->hole_ms + wait_ms)) {
        uint64_t hole_at = st->hole_at;
        if (!give_up_first_hole(s, slot)) {
            return;
        }
        if (!end || st->hole_at == hole_at) {
            break;
        }
    }
    if (end) {
        finish(s, slot, GAP_TCP_ENDED);
    }
}

void
tcp_stream_give_up(struct step *s, struct hold_slot *slot,
               enum gap_reason reason)
{
    slot->stream.settling = false;
    finish(s, slot, reason);
}

bool
tcp_stream_waits(const struct hold_slot *slot)
{
    const struct hold_stream *st = &slot->stream;

    return st->settling || st->wait_ms || st->hole_ms;
}
