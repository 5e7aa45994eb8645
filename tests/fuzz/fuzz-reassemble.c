/* SPDX-License-Identifier: Apache-2.0
 *
 * Fuzzes stage 4 of the intake with packets: fragments, TCP segments and ticks
 * in any order.
 *
 * The input is a row of packets, each a head of 8 bytes and its payload:
 *
 *     kind, flow, flags, size, 4 bytes: sequence number, or offset and id
 *
 * A tick of flow 254 or 255 gives up what is there for longest, unseen.
 *
 * Whatever comes: lines are no longer than the cap, what is held stays within
 * the share, and in the end nothing is held. */
#include <config.h>

#include <stdlib.h>

#include "cursor.h"
#include "redact.h"
#include "s4-reassemble.h"
#include "util.h"

enum { KIND_SEGMENT, KIND_FRAGMENT, KIND_TICK, N_KINDS };

struct fuzz {
    struct reassemble *r;
    struct account *account;
    struct undo undo;
    uint64_t now_ms;
    uint64_t ticket;
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check_line(void *aux, struct record *rec, struct slice message,
           bool ambiguous)
{
    uint8_t sum = 0;

    (void) aux;
    (void) rec;
    (void) ambiguous;
    for (size_t i = 0; i < message.size; i++) {
        sum ^= message.data[i];
    }
    if (message.size > REDACT_CAP + REDACT_OVERLAP
        || (sum && !message.size)) {
        abort();
    }
}

static void
check_gap(void *aux, struct record *rec, const struct gap *gap)
{
    (void) aux;
    (void) rec;
    if (gap->reason >= N_GAP_REASONS || (!gap->packets && !gap->bytes)) {
        abort();
    }
}

static void
look(struct fuzz *f, uint32_t slot, bool evict, uint64_t now_ms)
{
    struct reassemble_tally tally;
    struct record rec;

    reassemble_look(f->r, slot, evict, f->ticket++, now_ms, 1, &rec, &tally);
    reassemble_end(f->r);
}

/* Gives up what is there for longest, as if processes had died of it. */
static void
abandon(struct fuzz *f, bool announce)
{
    struct reassemble_tally tally;
    struct record rec;
    uint32_t slot;

    if (reassemble_due(f->r, UINT64_MAX, &slot)) {
        reassemble_abandon(f->r, slot, announce, f->ticket++, f->now_ms, 1,
                           &rec, &tally);
        reassemble_end(f->r);
    }
}

static void
run_packet(struct fuzz *f, uint8_t kind, uint8_t flow, uint8_t flags,
           uint32_t number, struct slice payload)
{
    struct record rec = {
        .meta = { .has = TUNNEL_HAS_META | TUNNEL_HAS_VM, .vni = 7,
                  .ofp_port = 1 + flow / 128 },
        .switch_ns = 1,
        .inner = {
            .ip_version = flow & 64 ? 6 : 4,
            .src_port = flow % 32,
            .dst_port = flow & 32 ? 6514 : 514,
            .payload = payload,
        },
    };
    struct reassemble_tally tally;
    uint32_t slot;

    if (account_find(f->account, &rec)) {
        abort();
    }
    if (kind == KIND_SEGMENT) {
        rec.inner.kind = INNER_TCP;
        rec.inner.tcp_seq = number;
        rec.inner.tcp_flags = flags;
    } else {
        rec.inner.kind = INNER_FRAGMENT;
        rec.inner.fragment_id = number >> 16;
        rec.inner.fragment_offset = MIN(number & 0xfff8,
                                        65535 - payload.size);
        rec.inner.fragment_more = flags & 1;
        rec.inner.fragment_next = flags & 2 ? 6 : 17;
    }
    for (int i = 0; reassemble_full(f->r, &rec, &slot); i++) {
        if (i > 100) {
            abort();
        }
        look(f, slot, true, f->now_ms);
    }
    reassemble_run(f->r, &rec, f->ticket++, f->now_ms, &tally);
    reassemble_end(f->r);
}

/* Makes what the inputs share: each leaves it as it found it, with nothing
 * held. */
static void
set_up(struct fuzz *f)
{
    const struct reassemble_sink sink = { check_line, check_gap, NULL };
    struct intake_stats *stats = xzalloc(sizeof *stats);

    f->account = account_create(stats, &f->undo);
    if (reassemble_create(NULL, 0, f->account, &sink, &f->r)) {
        abort();
    }
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct fuzz f;
    const struct reassemble_config config = {
        .tenant_slots = 16, .tenant_bytes = 1 << 19, .wait_ms = 100,
        .multi_line = size & 1,
    };
    struct cursor c = cursor_of(slice_of(data, size));
    uint32_t slot;

    if (!f.r) {
        set_up(&f);
    }
    f.now_ms = 1000;
    reassemble_configure(f.r, &config);
    while (c.left >= 8) {
        uint8_t kind = cursor_be(&c, 1) % N_KINDS;
        uint8_t flow = cursor_be(&c, 1);
        uint8_t flags = cursor_be(&c, 1);
        size_t n = cursor_be(&c, 1);
        uint32_t number = cursor_be(&c, 4);
        struct slice payload = cursor_take(&c, MIN(n, c.left));

        if (kind == KIND_TICK) {
            f.now_ms += flags;
            if (flow > 253) {
                abandon(&f, flow & 1);
            }
            while (reassemble_due(f.r, f.now_ms, &slot)) {
                look(&f, slot, false, f.now_ms);
            }
        } else if (kind == KIND_SEGMENT || payload.size) {
            run_packet(&f, kind, flow, flags, number, payload);
        }
    }
    for (int i = 0; reassemble_due(f.r, UINT64_MAX, &slot); i++) {
        if (i > 100) {
            abort();
        }
        look(&f, slot, false, UINT64_MAX);
    }
    if (!reassemble_is_idle(f.r)) {
        abort();
    }
    return 0;
}
