/* SPDX-License-Identifier: Apache-2.0
 *
 * Stage 4, reassemble: IP fragments (RFC 791 section 3.2, RFC 8200 section
 * 4.5).
 *
 * Fragments that overlap drop the datagram (RFC 5722 asks that of IPv6; who
 * sends them in IPv4 means two receivers to read two things).  An exact copy of
 * what came, as networks make them, is let pass. */
#include <config.h>

#include "s4-private.h"

#include "util.h"

/* A datagram of 65535 bytes takes 45 over Ethernet; and 1280 over links of the
 * 68 bytes that RFC 791 allows, which nobody has. */
enum { MAX_FRAGMENTS = 64 };

void
datagram_give_up(struct step *s, struct hold_slot *slot,
                 enum sluice_drop drop)
{
    s->tally->drop = drop;
    step_gap(s, slot, GAP_FRAGMENTS, slot->datagram.n_fragments,
             spans_bytes(&slot->spans), slot->latest_ns);
    hold_release(s->hold, slot);
}

/* Compares 'bytes' with what is held at 'from' on. */
static bool
is_same(struct step *s, const struct hold_slot *slot, uint64_t from,
        struct slice bytes)
{
    return slice_equal(hold_get(s->hold, slot, from, from + bytes.size),
                       bytes);
}

/* Notes where the datagram ends.  Returns false if that contradicts what came
 * before. */
static bool
note_end(struct hold_slot *slot, const struct inner_packet *in, uint32_t to)
{
    struct hold_datagram *d = &slot->datagram;

    if (!in->fragment_more) {
        const struct spans *spans = &slot->spans;
        if ((d->size && d->size != to)
            || (spans->n && spans->ranges[spans->n - 1].to > to)) {
            return false;
        }
        d->size = to;
    }
    return !d->size || to <= d->size;
}

bool
datagram_take(struct step *s, struct hold_slot *slot,
              const struct inner_packet *in, struct slice *ret)
{
    struct hold_datagram *d = &slot->datagram;
    uint32_t from = in->fragment_offset, to = from + in->payload.size;
    struct span missing;

    hold_touch(s->hold, slot, s->now_ms);
    slot->latest_ns = s->rec->switch_ns;
    d->n_fragments++;
    if (d->n_fragments > MAX_FRAGMENTS || !note_end(slot, in, to)) {
        datagram_give_up(s, slot, SLUICE_DROP_FRAGMENT_LIMIT);
        return false;
    }

    bool some_missing = spans_next_missing(&slot->spans, from, to, &missing);
    if (!some_missing && is_same(s, slot, from, in->payload)) {
        return false;
    }
    if (!some_missing || missing.from != from || missing.to != to) {
        datagram_give_up(s, slot, SLUICE_DROP_FRAGMENT_OVERLAP);
        return false;
    }
    if (!hold_put(s->hold, slot, 0, from, in->payload)) {
        datagram_give_up(s, slot, SLUICE_DROP_FRAGMENT_LIMIT);
        return false;
    }
    if (!from) {
        d->next = in->fragment_next;
        d->has_first = true;
    }
    if (!d->size || !d->has_first
        || spans_contiguous(&slot->spans, 0) != d->size) {
        return false;
    }
    *ret = hold_get(s->hold, slot, 0, d->size);
    return true;
}
