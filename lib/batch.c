/* SPDX-License-Identifier: Apache-2.0
 *
 * Batch bodies: a writer and a reader of proto/batch.proto in the protobuf
 * wire format.  See batch.h for what comes in and goes out.
 *
 * Written by hand because both run once per line: protobuf-c would want every
 * field copied into structures of its own to write, and would allocate to
 * read.  The unit test holds both against the code that protobuf-c generates.
 */
#include "batch.h"

#include "wire-field.h"

/* A tag takes one byte up to field 15, two from 16 on. */
enum { TAG_1 = 1, TAG_2 = 2 };

enum {
    BATCH_ENTRY = TAG(1, WIRE_BYTES),
    ENTRY_SOURCE = TAG(1, WIRE_BYTES),
    ENTRY_LINE = TAG(2, WIRE_BYTES),

    SOURCE_ID = TAG(1, WIRE_VARINT),
    SOURCE_TENANT = TAG(2, WIRE_VARINT),
    SOURCE_VM = TAG(3, WIRE_BYTES),
    SOURCE_OFP_PORT = TAG(4, WIRE_VARINT),
    SOURCE_VTEP = TAG(5, WIRE_BYTES),
    SOURCE_STOCK = TAG(6, WIRE_VARINT),
    SOURCE_MAC = TAG(7, WIRE_BYTES),
    SOURCE_CONTEXT_PENDING = TAG(8, WIRE_VARINT),
    SOURCE_CONTEXT = TAG(9, WIRE_BYTES),
    SOURCE_CONTEXT_BY_IP = TAG(10, WIRE_VARINT),

    LINE_SOURCE = TAG(1, WIRE_VARINT),
    LINE_SWITCH_NS = TAG(2, WIRE_FIXED64),
    LINE_IS_RECEIPT = TAG(3, WIRE_VARINT),
    LINE_SEQ_EPOCH = TAG(4, WIRE_FIXED32),
    LINE_SEQ_NUMBER = TAG(5, WIRE_FIXED32),
    LINE_ACTIVITY = TAG(6, WIRE_BYTES),
    LINE_PRI = TAG(7, WIRE_VARINT),
    LINE_HAS_TIME = TAG(8, WIRE_VARINT),
    LINE_TIME_NS = TAG(9, WIRE_FIXED64),
    LINE_HOSTNAME = TAG(10, WIRE_BYTES),
    LINE_APP_NAME = TAG(11, WIRE_BYTES),
    LINE_PROCID = TAG(12, WIRE_BYTES),
    LINE_MSGID = TAG(13, WIRE_BYTES),
    LINE_SD = TAG(14, WIRE_BYTES),
    LINE_MSG = TAG(15, WIRE_BYTES),
    LINE_REDACTIONS = TAG(16, WIRE_VARINT),
    LINE_SRC_IP = TAG(17, WIRE_BYTES),
    LINE_GAP = TAG(18, WIRE_BYTES),
    LINE_OWNER_PID = TAG(19, WIRE_VARINT),
    LINE_OWNER_UID = TAG(20, WIRE_VARINT),
    LINE_CLOCK_SKEW_MS = TAG(21, WIRE_FIXED64),
    LINE_AMBIGUOUS = TAG(22, WIRE_VARINT),
    LINE_RECEIPT = TAG(23, WIRE_BYTES),
    LINE_ROUTE = TAG(24, WIRE_BYTES),
    LINE_VERBOSE = TAG(25, WIRE_BYTES),
    LINE_CONTEXT_SETS = TAG(26, WIRE_VARINT),

    VERBOSE_RULE = TAG(1, WIRE_BYTES),
    VERBOSE_RECEIVED_NS = TAG(2, WIRE_FIXED64),
    VERBOSE_PROTOCOL = TAG(3, WIRE_VARINT),
    VERBOSE_SRC_PORT = TAG(4, WIRE_VARINT),
    VERBOSE_DST_PORT = TAG(5, WIRE_VARINT),
    VERBOSE_DST_IP = TAG(6, WIRE_BYTES),

    GAP_REASON = TAG(1, WIRE_BYTES),
    GAP_PACKETS = TAG(2, WIRE_VARINT),
    GAP_BYTES = TAG(3, WIRE_VARINT),
    GAP_FROM_NS = TAG(4, WIRE_FIXED64),
    GAP_TO_NS = TAG(5, WIRE_FIXED64),
    GAP_PROTOCOL = TAG(6, WIRE_VARINT),
    GAP_SRC_PORT = TAG(7, WIRE_VARINT),
    GAP_DST_PORT = TAG(8, WIRE_VARINT),
    GAP_DST_IP = TAG(9, WIRE_BYTES),
    GAP_LINES = TAG(10, WIRE_VARINT),
    GAP_RULE = TAG(11, WIRE_BYTES),
};

/* Sizes.  A field with its default value is not written (proto3). */

static size_t
varint_size(uint64_t value)
{
    size_t n_bits = 64 - __builtin_clzll(value | 1);

    return (n_bits + 6) / 7;
}

static size_t
uint_size(size_t tag_size, uint64_t value)
{
    return value ? tag_size + varint_size(value) : 0;
}

static size_t
bytes_size(size_t tag_size, size_t size)
{
    return size ? tag_size + varint_size(size) + size : 0;
}

/* Writing.  The caller has made sure that everything fits. */

static uint8_t *
put_varint(uint8_t *p, uint64_t value)
{
    while (value >= 0x80) {
        *p++ = value | 0x80;
        value >>= 7;
    }
    *p++ = value;
    return p;
}

static uint8_t *
put_uint(uint8_t *p, unsigned int tag, uint64_t value)
{
    return value ? put_varint(put_varint(p, tag), value) : p;
}

static uint8_t *
put_le(uint8_t *p, uint64_t value, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        p[i] = value >> (8 * i);
    }
    return p + n;
}

static uint8_t *
put_fixed64(uint8_t *p, unsigned int tag, uint64_t value)
{
    return value ? put_le(put_varint(p, tag), value, 8) : p;
}

static uint8_t *
put_fixed32(uint8_t *p, unsigned int tag, uint32_t value)
{
    return value ? put_le(put_varint(p, tag), value, 4) : p;
}

static uint8_t *
put_bytes(uint8_t *p, unsigned int tag, const void *data, size_t size)
{
    if (size) {
        p = put_varint(put_varint(p, tag), size);
        memcpy(p, data, size);
        p += size;
    }
    return p;
}

static uint8_t *
put_slice(uint8_t *p, unsigned int tag, struct slice s)
{
    return put_bytes(p, tag, s.data, s.size);
}

/* Writes the tags and lengths in front of a message of 'size' bytes that is
 * the 'kind' of an Entry.  Returns where the message goes, and in
 * '*ret_total' the size of the whole, or null if that is over 'cap'. */
static uint8_t *
put_entry(uint8_t *buf, size_t cap, unsigned int kind, size_t size,
          size_t *ret_total)
{
    size_t entry_size = TAG_1 + varint_size(size) + size;
    size_t total = TAG_1 + varint_size(entry_size) + entry_size;

    if (total > cap) {
        return NULL;
    }
    *ret_total = total;
    buf = put_varint(put_varint(buf, BATCH_ENTRY), entry_size);
    return put_varint(put_varint(buf, kind), size);
}

size_t
batch_put_source(uint8_t *buf, size_t cap, const struct batch_source *s)
{
    size_t vm_size = s->has_vm ? sizeof s->vm : 0;
    size_t size = uint_size(TAG_1, s->id)
        + uint_size(TAG_1, s->tenant)
        + bytes_size(TAG_1, vm_size)
        + uint_size(TAG_1, s->ofp_port)
        + bytes_size(TAG_1, s->vtep.size)
        + uint_size(TAG_1, s->stock)
        + bytes_size(TAG_1, sizeof s->mac)
        + uint_size(TAG_1, s->context_pending)
        + bytes_size(TAG_1, s->context.size)
        + uint_size(TAG_1, s->context_by_ip);
    size_t total;

    uint8_t *p = put_entry(buf, cap, ENTRY_SOURCE, size, &total);
    if (!p) {
        return 0;
    }
    p = put_uint(p, SOURCE_ID, s->id);
    p = put_uint(p, SOURCE_TENANT, s->tenant);
    p = put_bytes(p, SOURCE_VM, s->vm, vm_size);
    p = put_uint(p, SOURCE_OFP_PORT, s->ofp_port);
    p = put_slice(p, SOURCE_VTEP, s->vtep);
    p = put_uint(p, SOURCE_STOCK, s->stock);
    p = put_bytes(p, SOURCE_MAC, s->mac, sizeof s->mac);
    p = put_uint(p, SOURCE_CONTEXT_PENDING, s->context_pending);
    p = put_slice(p, SOURCE_CONTEXT, s->context);
    put_uint(p, SOURCE_CONTEXT_BY_IP, s->context_by_ip);
    return total;
}

static size_t
gap_size(const struct batch_gap *g)
{
    if (!g->reason.size) {
        return 0;
    }
    return bytes_size(TAG_1, g->reason.size)
        + uint_size(TAG_1, g->packets)
        + uint_size(TAG_1, g->bytes)
        + (g->from_ns ? TAG_1 + 8 : 0)
        + (g->to_ns ? TAG_1 + 8 : 0)
        + uint_size(TAG_1, g->protocol)
        + uint_size(TAG_1, g->src_port)
        + uint_size(TAG_1, g->dst_port)
        + bytes_size(TAG_1, g->dst_ip.size)
        + uint_size(TAG_1, g->lines)
        + bytes_size(TAG_1, g->rule.size);
}

static uint8_t *
put_gap(uint8_t *p, const struct batch_gap *g)
{
    size_t size = gap_size(g);

    if (size) {
        p = put_varint(put_varint(p, LINE_GAP), size);
        p = put_slice(p, GAP_REASON, g->reason);
        p = put_uint(p, GAP_PACKETS, g->packets);
        p = put_uint(p, GAP_BYTES, g->bytes);
        p = put_fixed64(p, GAP_FROM_NS, g->from_ns);
        p = put_fixed64(p, GAP_TO_NS, g->to_ns);
        p = put_uint(p, GAP_PROTOCOL, g->protocol);
        p = put_uint(p, GAP_SRC_PORT, g->src_port);
        p = put_uint(p, GAP_DST_PORT, g->dst_port);
        p = put_slice(p, GAP_DST_IP, g->dst_ip);
        p = put_uint(p, GAP_LINES, g->lines);
        p = put_slice(p, GAP_RULE, g->rule);
    }
    return p;
}

static size_t
verbose_size(const struct batch_verbose *v)
{
    if (!v->rule.size) {
        return 0;
    }
    return bytes_size(TAG_1, v->rule.size)
        + (v->received_ns ? TAG_1 + 8 : 0)
        + uint_size(TAG_1, v->protocol)
        + uint_size(TAG_1, v->src_port)
        + uint_size(TAG_1, v->dst_port)
        + bytes_size(TAG_1, v->dst_ip.size);
}

static uint8_t *
put_verbose(uint8_t *p, const struct batch_verbose *v)
{
    size_t size = verbose_size(v);

    if (size) {
        p = put_varint(put_varint(p, LINE_VERBOSE), size);
        p = put_slice(p, VERBOSE_RULE, v->rule);
        p = put_fixed64(p, VERBOSE_RECEIVED_NS, v->received_ns);
        p = put_uint(p, VERBOSE_PROTOCOL, v->protocol);
        p = put_uint(p, VERBOSE_SRC_PORT, v->src_port);
        p = put_uint(p, VERBOSE_DST_PORT, v->dst_port);
        p = put_slice(p, VERBOSE_DST_IP, v->dst_ip);
    }
    return p;
}

static size_t
line_size(const struct batch_line *l)
{
    return uint_size(TAG_1, l->source)
        + (l->switch_ns ? TAG_1 + 8 : 0)
        + uint_size(TAG_1, l->switch_ns_is_receipt)
        + (l->seq_epoch ? TAG_1 + 4 : 0)
        + (l->seq_number ? TAG_1 + 4 : 0)
        + bytes_size(TAG_1, l->activity.size)
        + uint_size(TAG_1, l->pri)
        + uint_size(TAG_1, l->has_time)
        + (l->time_ns ? TAG_1 + 8 : 0)
        + bytes_size(TAG_1, l->hostname.size)
        + bytes_size(TAG_1, l->app_name.size)
        + bytes_size(TAG_1, l->procid.size)
        + bytes_size(TAG_1, l->msgid.size)
        + bytes_size(TAG_1, l->sd.size)
        + bytes_size(TAG_1, l->msg.size)
        + uint_size(TAG_2, l->redactions)
        + bytes_size(TAG_2, l->src_ip.size)
        + bytes_size(TAG_2, gap_size(&l->gap))
        + uint_size(TAG_2, l->owner_pid)
        + uint_size(TAG_2, l->owner_uid)
        + (l->clock_skew_ms ? TAG_2 + 8 : 0)
        + uint_size(TAG_2, l->ambiguous)
        + bytes_size(TAG_2, l->receipt.size)
        + bytes_size(TAG_2, l->route.size)
        + bytes_size(TAG_2, verbose_size(&l->verbose))
        + uint_size(TAG_2, l->context_sets);
}

size_t
batch_put_line(uint8_t *buf, size_t cap, const struct batch_line *l)
{
    size_t total;
    uint8_t *p = put_entry(buf, cap, ENTRY_LINE, line_size(l), &total);

    if (!p) {
        return 0;
    }
    p = put_uint(p, LINE_SOURCE, l->source);
    p = put_fixed64(p, LINE_SWITCH_NS, l->switch_ns);
    p = put_uint(p, LINE_IS_RECEIPT, l->switch_ns_is_receipt);
    p = put_fixed32(p, LINE_SEQ_EPOCH, l->seq_epoch);
    p = put_fixed32(p, LINE_SEQ_NUMBER, l->seq_number);
    p = put_slice(p, LINE_ACTIVITY, l->activity);
    p = put_uint(p, LINE_PRI, l->pri);
    p = put_uint(p, LINE_HAS_TIME, l->has_time);
    p = put_fixed64(p, LINE_TIME_NS, l->time_ns);
    p = put_slice(p, LINE_HOSTNAME, l->hostname);
    p = put_slice(p, LINE_APP_NAME, l->app_name);
    p = put_slice(p, LINE_PROCID, l->procid);
    p = put_slice(p, LINE_MSGID, l->msgid);
    p = put_slice(p, LINE_SD, l->sd);
    p = put_slice(p, LINE_MSG, l->msg);
    p = put_uint(p, LINE_REDACTIONS, l->redactions);
    p = put_slice(p, LINE_SRC_IP, l->src_ip);
    p = put_gap(p, &l->gap);
    p = put_uint(p, LINE_OWNER_PID, l->owner_pid);
    p = put_uint(p, LINE_OWNER_UID, l->owner_uid);
    p = put_fixed64(p, LINE_CLOCK_SKEW_MS, l->clock_skew_ms);
    p = put_uint(p, LINE_AMBIGUOUS, l->ambiguous);
    p = put_slice(p, LINE_RECEIPT, l->receipt);
    p = put_slice(p, LINE_ROUTE, l->route);
    p = put_verbose(p, &l->verbose);
    put_uint(p, LINE_CONTEXT_SETS, l->context_sets);
    return total;
}

/* Reading. */

/* Copies bytes that are of 'size' or absent. */
static bool
copy_exactly(uint8_t *dst, size_t size, struct slice s)
{
    if (s.size == size) {
        memcpy(dst, s.data, size);
    }
    return s.size == size || !s.size;
}

static bool
read_source(struct slice message, struct batch_source *s)
{
    struct cursor c = cursor_of(message);
    bool valid = true;
    struct field f;

    memset(s, 0, sizeof *s);
    while (take_field(&c, &f)) {
        switch (f.tag) {
        case SOURCE_ID: s->id = f.number; break;
        case SOURCE_TENANT: s->tenant = f.number; break;
        case SOURCE_VM:
            valid &= copy_exactly(s->vm, sizeof s->vm, f.bytes);
            s->has_vm = f.bytes.size != 0;
            break;
        case SOURCE_OFP_PORT: s->ofp_port = f.number; break;
        case SOURCE_VTEP: s->vtep = f.bytes; break;
        case SOURCE_STOCK: s->stock = f.number != 0; break;
        case SOURCE_MAC:
            valid &= copy_exactly(s->mac, sizeof s->mac, f.bytes);
            break;
        case SOURCE_CONTEXT_PENDING:
            s->context_pending = f.number != 0;
            break;
        case SOURCE_CONTEXT: s->context = f.bytes; break;
        case SOURCE_CONTEXT_BY_IP: s->context_by_ip = f.number != 0; break;
        default:
            /* Of a newer version, unless it is ours with another type. */
            valid &= f.tag >> 3 > SOURCE_CONTEXT_BY_IP >> 3;
        }
    }
    size_t n = s->vtep.size;
    return valid && !c.failed && (!n || n == 4 || n == 16);
}

static bool
read_gap(struct slice message, struct batch_gap *g)
{
    struct cursor c = cursor_of(message);
    bool valid = true;
    struct field f;

    memset(g, 0, sizeof *g);
    while (take_field(&c, &f)) {
        switch (f.tag) {
        case GAP_REASON: g->reason = f.bytes; break;
        case GAP_PACKETS: g->packets = f.number; break;
        case GAP_BYTES: g->bytes = f.number; break;
        case GAP_FROM_NS: g->from_ns = f.number; break;
        case GAP_TO_NS: g->to_ns = f.number; break;
        case GAP_PROTOCOL: g->protocol = f.number; break;
        case GAP_SRC_PORT: g->src_port = f.number; break;
        case GAP_DST_PORT: g->dst_port = f.number; break;
        case GAP_DST_IP: g->dst_ip = f.bytes; break;
        case GAP_LINES: g->lines = f.number; break;
        case GAP_RULE: g->rule = f.bytes; break;
        default:
            valid &= f.tag >> 3 > GAP_RULE >> 3;
        }
    }
    return valid && !c.failed && g->reason.size
        && (!g->dst_ip.size || g->dst_ip.size == 16);
}

static bool
read_verbose(struct slice message, struct batch_verbose *v)
{
    struct cursor c = cursor_of(message);
    bool valid = true;
    struct field f;

    memset(v, 0, sizeof *v);
    while (take_field(&c, &f)) {
        switch (f.tag) {
        case VERBOSE_RULE: v->rule = f.bytes; break;
        case VERBOSE_RECEIVED_NS: v->received_ns = f.number; break;
        case VERBOSE_PROTOCOL: v->protocol = f.number; break;
        case VERBOSE_SRC_PORT: v->src_port = f.number; break;
        case VERBOSE_DST_PORT: v->dst_port = f.number; break;
        case VERBOSE_DST_IP: v->dst_ip = f.bytes; break;
        default:
            valid &= f.tag >> 3 > VERBOSE_DST_IP >> 3;
        }
    }
    return valid && !c.failed && v->rule.size
        && (!v->dst_ip.size || v->dst_ip.size == 16);
}

static bool
read_line(struct slice message, struct batch_line *l)
{
    struct cursor c = cursor_of(message);
    bool valid = true;
    struct field f;

    memset(l, 0, sizeof *l);
    while (take_field(&c, &f)) {
        switch (f.tag) {
        case LINE_SOURCE: l->source = f.number; break;
        case LINE_SWITCH_NS: l->switch_ns = f.number; break;
        case LINE_IS_RECEIPT: l->switch_ns_is_receipt = f.number != 0; break;
        case LINE_SEQ_EPOCH: l->seq_epoch = f.number; break;
        case LINE_SEQ_NUMBER: l->seq_number = f.number; break;
        case LINE_ACTIVITY: l->activity = f.bytes; break;
        case LINE_PRI:
            l->pri = f.number;
            valid &= f.number <= UINT8_MAX;
            break;
        case LINE_HAS_TIME: l->has_time = f.number != 0; break;
        case LINE_TIME_NS: l->time_ns = f.number; break;
        case LINE_HOSTNAME: l->hostname = f.bytes; break;
        case LINE_APP_NAME: l->app_name = f.bytes; break;
        case LINE_PROCID: l->procid = f.bytes; break;
        case LINE_MSGID: l->msgid = f.bytes; break;
        case LINE_SD: l->sd = f.bytes; break;
        case LINE_MSG: l->msg = f.bytes; break;
        case LINE_REDACTIONS: l->redactions = f.number; break;
        case LINE_SRC_IP: l->src_ip = f.bytes; break;
        case LINE_GAP: valid &= read_gap(f.bytes, &l->gap); break;
        case LINE_OWNER_PID: l->owner_pid = f.number; break;
        case LINE_OWNER_UID: l->owner_uid = f.number; break;
        case LINE_CLOCK_SKEW_MS: l->clock_skew_ms = f.number; break;
        case LINE_AMBIGUOUS: l->ambiguous = f.number != 0; break;
        case LINE_RECEIPT: l->receipt = f.bytes; break;
        case LINE_ROUTE: l->route = f.bytes; break;
        case LINE_VERBOSE:
            valid &= read_verbose(f.bytes, &l->verbose);
            break;
        case LINE_CONTEXT_SETS: l->context_sets = f.number; break;
        default:
            valid &= f.tag >> 3 > LINE_CONTEXT_SETS >> 3;
        }
    }
    return valid && !c.failed
        && (!l->activity.size || l->activity.size == 16)
        && (!l->src_ip.size || l->src_ip.size == 16);
}

/* Reads an Entry.  Of two kinds in one entry the last one counts, as in every
 * oneof; fields that a newer version put beside them do not. */
static enum batch_entry_kind
read_entry(struct slice message, struct batch_entry *ret)
{
    struct cursor c = cursor_of(message);
    struct field f, kind = { .tag = 0 };

    while (take_field(&c, &f)) {
        if (f.tag >> 3 <= ENTRY_LINE >> 3) {
            kind = f;
        }
    }
    if (c.failed) {
        return BATCH_MALFORMED;
    }
    switch (kind.tag) {
    case ENTRY_SOURCE:
        return (read_source(kind.bytes, &ret->source)
                ? BATCH_SOURCE : BATCH_MALFORMED);
    case ENTRY_LINE:
        return (read_line(kind.bytes, &ret->line)
                ? BATCH_LINE : BATCH_MALFORMED);
    default:
        /* A source or a line that is no message is not of any version. */
        return kind.tag ? BATCH_MALFORMED : BATCH_UNKNOWN;
    }
}

void
batch_reader_init(struct batch_reader *reader, struct slice body)
{
    reader->rest = body;
}

enum batch_entry_kind
batch_reader_next(struct batch_reader *reader, struct batch_entry *ret)
{
    struct cursor c = cursor_of(reader->rest);
    struct batch_entry entry = { .kind = BATCH_END };
    struct field f;

    if (take_field(&c, &f)) {
        entry.kind = (f.tag == BATCH_ENTRY ? read_entry(f.bytes, &entry)
                      : f.tag >> 3 == BATCH_ENTRY >> 3 ? BATCH_MALFORMED
                      : BATCH_UNKNOWN);
    } else if (c.failed) {
        entry.kind = BATCH_MALFORMED;
    }
    if (entry.kind != BATCH_MALFORMED) {
        reader->rest = slice_of(c.p, c.left);
        *ret = entry;
    }
    return entry.kind;
}
