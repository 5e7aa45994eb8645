/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include <stdio.h>
#include <stdlib.h>

#include "batch.h"
#include "batch.pb-c.h"

static const uint8_t bytes16[16] = {
    1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 255,
};

static struct batch_source
full_source(void)
{
    static const uint8_t vtep[4] = { 10, 0, 0, 1 };
    /* A VmContext that has a name. */
    static const uint8_t context[] = { 0x1a, 3, 'd', 'b', '1' };
    struct batch_source s = {
        .id = 7,
        .tenant = 0xffffff,
        .has_vm = true,
        .ofp_port = UINT32_MAX,
        .vtep = slice_of(vtep, sizeof vtep),
        .stock = true,
        .mac = { 0x52, 0x54, 0, 1, 2, 3 },
        .context_pending = true,
        .context_by_ip = true,
        .context = slice_of(context, sizeof context),
    };
    memcpy(s.vm, bytes16, sizeof s.vm);
    return s;
}

static struct batch_line
full_line(void)
{
    return (struct batch_line) {
        .source = 300,
        .switch_ns = 1700000000123456789,
        .switch_ns_is_receipt = true,
        .seq_epoch = 0x80000001,
        .seq_number = UINT32_MAX,
        .activity = slice_of(bytes16, 16),
        .pri = 191,
        .has_time = true,
        .time_ns = -5,
        .hostname = slice_from_string("web-1"),
        .app_name = slice_from_string("nginx"),
        .procid = slice_from_string("4242"),
        .msgid = slice_from_string("ID47"),
        .sd = slice_from_string("[a@1 b=\"c\"]"),
        .msg = slice_from_string("GET / 200"),
        .redactions = 129,
        .receipt = slice_from_string("token:128,iban:1"),
        .src_ip = slice_of(bytes16, 16),
        .clock_skew_ms = -3600250,
        .gap = {
            .reason = slice_from_string("lost-on-way"),
            .packets = 3,
            .bytes = UINT64_MAX,
            .from_ns = 1700000000123456789,
            .to_ns = 1700000001123456789,
            .protocol = 6,
            .src_port = 65535,
            .dst_port = 514,
            .dst_ip = slice_of(bytes16, 16),
            .lines = 1 << 20,
            .rule = slice_from_string("quiet-cron"),
        },
        .route = slice_from_string("archive"),
        .verbose = {
            .rule = slice_from_string("look-closer"),
            .received_ns = 1700000002123456789,
            .protocol = 17,
            .src_port = 40000,
            .dst_port = 65535,
            .dst_ip = slice_of(bytes16, 16),
        },
        .owner_pid = 4711,
        .owner_uid = UINT32_MAX,
        .ambiguous = true,
        .context_sets = 0x11,
    };
}

static void
assert_same_slice(struct slice a, struct slice b)
{
    assert_int_equal(a.size, b.size);
    assert_true(slice_equal(a, b));
}

static void
assert_same_source(const struct batch_source *a, const struct batch_source *b)
{
    assert_int_equal(a->id, b->id);
    assert_int_equal(a->tenant, b->tenant);
    assert_int_equal(a->has_vm, b->has_vm);
    assert_memory_equal(a->vm, b->vm, sizeof a->vm);
    assert_int_equal(a->ofp_port, b->ofp_port);
    assert_same_slice(a->vtep, b->vtep);
    assert_int_equal(a->stock, b->stock);
    assert_memory_equal(a->mac, b->mac, sizeof a->mac);
    assert_int_equal(a->context_pending, b->context_pending);
    assert_int_equal(a->context_by_ip, b->context_by_ip);
    assert_same_slice(a->context, b->context);
}

static void
assert_same_line(const struct batch_line *a, const struct batch_line *b)
{
    assert_int_equal(a->source, b->source);
    assert_int_equal(a->switch_ns, b->switch_ns);
    assert_int_equal(a->switch_ns_is_receipt, b->switch_ns_is_receipt);
    assert_int_equal(a->seq_epoch, b->seq_epoch);
    assert_int_equal(a->seq_number, b->seq_number);
    assert_same_slice(a->activity, b->activity);
    assert_int_equal(a->pri, b->pri);
    assert_int_equal(a->has_time, b->has_time);
    assert_int_equal(a->time_ns, b->time_ns);
    assert_same_slice(a->hostname, b->hostname);
    assert_same_slice(a->app_name, b->app_name);
    assert_same_slice(a->procid, b->procid);
    assert_same_slice(a->msgid, b->msgid);
    assert_same_slice(a->sd, b->sd);
    assert_same_slice(a->msg, b->msg);
    assert_int_equal(a->redactions, b->redactions);
    assert_same_slice(a->receipt, b->receipt);
    assert_same_slice(a->src_ip, b->src_ip);
    assert_int_equal(a->clock_skew_ms, b->clock_skew_ms);
    assert_same_slice(a->gap.reason, b->gap.reason);
    assert_int_equal(a->gap.packets, b->gap.packets);
    assert_int_equal(a->gap.bytes, b->gap.bytes);
    assert_int_equal(a->gap.from_ns, b->gap.from_ns);
    assert_int_equal(a->gap.to_ns, b->gap.to_ns);
    assert_int_equal(a->gap.protocol, b->gap.protocol);
    assert_int_equal(a->gap.src_port, b->gap.src_port);
    assert_int_equal(a->gap.dst_port, b->gap.dst_port);
    assert_same_slice(a->gap.dst_ip, b->gap.dst_ip);
    assert_int_equal(a->gap.lines, b->gap.lines);
    assert_same_slice(a->gap.rule, b->gap.rule);
    assert_same_slice(a->route, b->route);
    assert_same_slice(a->verbose.rule, b->verbose.rule);
    assert_int_equal(a->verbose.received_ns, b->verbose.received_ns);
    assert_int_equal(a->verbose.protocol, b->verbose.protocol);
    assert_int_equal(a->verbose.src_port, b->verbose.src_port);
    assert_int_equal(a->verbose.dst_port, b->verbose.dst_port);
    assert_same_slice(a->verbose.dst_ip, b->verbose.dst_ip);
    assert_int_equal(a->owner_pid, b->owner_pid);
    assert_int_equal(a->owner_uid, b->owner_uid);
    assert_int_equal(a->ambiguous, b->ambiguous);
    assert_int_equal(a->context_sets, b->context_sets);
}

/* Unpacks one entry by the generated code, which must write the same bytes
 * again. */
static Sluice__Batch *
unpack_entry(const uint8_t *buf, size_t n)
{
    Sluice__Batch *batch = sluice__batch__unpack(NULL, n, buf);
    uint8_t again[512];

    assert_non_null(batch);
    assert_int_equal(batch->n_entry, 1);
    assert_int_equal(sluice__batch__get_packed_size(batch), n);
    sluice__batch__pack(batch, again);
    assert_memory_equal(again, buf, n);
    return batch;
}

static struct slice
slice_from_proto(ProtobufCBinaryData data)
{
    return slice_of(data.data, data.len);
}

static void
generated_code_reads_the_same_source(void **state)
{
    (void) state;
    struct batch_source s = full_source();
    uint8_t buf[512];
    size_t n = batch_put_source(buf, sizeof buf, &s);
    Sluice__Batch *batch = unpack_entry(buf, n);

    assert_int_equal(batch->entry[0]->kind_case, SLUICE__ENTRY__KIND_SOURCE);
    const Sluice__Source *p = batch->entry[0]->source;
    assert_int_equal(p->id, s.id);
    assert_int_equal(p->tenant, s.tenant);
    assert_same_slice(slice_from_proto(p->vm), slice_of(s.vm, 16));
    assert_int_equal(p->ofp_port, s.ofp_port);
    assert_same_slice(slice_from_proto(p->vtep), s.vtep);
    assert_true(p->stock);
    assert_same_slice(slice_from_proto(p->mac), slice_of(s.mac, 6));
    assert_true(p->context_pending);
    assert_true(p->context_by_ip);
    assert_string_equal(p->context->name, "db1");
    sluice__batch__free_unpacked(batch, NULL);
}

static void
generated_code_reads_the_same_line(void **state)
{
    (void) state;
    struct batch_line l = full_line();
    uint8_t buf[512];
    size_t n = batch_put_line(buf, sizeof buf, &l);
    Sluice__Batch *batch = unpack_entry(buf, n);

    assert_int_equal(batch->entry[0]->kind_case, SLUICE__ENTRY__KIND_LINE);
    const Sluice__Line *p = batch->entry[0]->line;
    struct batch_line read = {
        .source = p->source,
        .switch_ns = p->switch_ns,
        .switch_ns_is_receipt = p->switch_ns_is_receipt,
        .seq_epoch = p->seq_epoch,
        .seq_number = p->seq_number,
        .activity = slice_from_proto(p->activity),
        .pri = p->pri,
        .has_time = p->has_time,
        .time_ns = p->time_ns,
        .hostname = slice_from_proto(p->hostname),
        .app_name = slice_from_proto(p->app_name),
        .procid = slice_from_proto(p->procid),
        .msgid = slice_from_proto(p->msgid),
        .sd = slice_from_proto(p->sd),
        .msg = slice_from_proto(p->msg),
        .redactions = p->redactions,
        .receipt = slice_from_string(p->receipt),
        .src_ip = slice_from_proto(p->src_ip),
        .clock_skew_ms = p->clock_skew_ms,
        .gap = {
            .reason = slice_from_string(p->gap->reason),
            .packets = p->gap->packets,
            .bytes = p->gap->bytes,
            .from_ns = p->gap->from_ns,
            .to_ns = p->gap->to_ns,
            .protocol = p->gap->protocol,
            .src_port = p->gap->src_port,
            .dst_port = p->gap->dst_port,
            .dst_ip = slice_from_proto(p->gap->dst_ip),
            .lines = p->gap->lines,
            .rule = slice_from_string(p->gap->rule),
        },
        .route = slice_from_string(p->route),
        .verbose = {
            .rule = slice_from_string(p->verbose->rule),
            .received_ns = p->verbose->received_ns,
            .protocol = p->verbose->protocol,
            .src_port = p->verbose->src_port,
            .dst_port = p->verbose->dst_port,
            .dst_ip = slice_from_proto(p->verbose->dst_ip),
        },
        .owner_pid = p->owner_pid,
        .owner_uid = p->owner_uid,
        .ambiguous = p->ambiguous,
        .context_sets = p->context_sets,
    };
    assert_same_line(&read, &l);
    sluice__batch__free_unpacked(batch, NULL);
}

static void
what_was_written_is_read_back_in_order(void **state)
{
    (void) state;
    uint8_t buf[2048];
    struct batch_source s = full_source(), empty_source = { .id = 0 };
    struct batch_line l = full_line(), empty_line = { .source = 0 };
    size_t n = 0;

    n += batch_put_source(buf + n, sizeof buf - n, &s);
    n += batch_put_line(buf + n, sizeof buf - n, &l);
    n += batch_put_source(buf + n, sizeof buf - n, &empty_source);
    n += batch_put_line(buf + n, sizeof buf - n, &empty_line);

    struct batch_reader reader;
    struct batch_entry e;
    batch_reader_init(&reader, slice_of(buf, n));
    assert_int_equal(batch_reader_next(&reader, &e), BATCH_SOURCE);
    assert_same_source(&e.source, &s);
    assert_int_equal(batch_reader_next(&reader, &e), BATCH_LINE);
    assert_same_line(&e.line, &l);
    assert_int_equal(batch_reader_next(&reader, &e), BATCH_SOURCE);
    assert_same_source(&e.source, &empty_source);
    assert_int_equal(batch_reader_next(&reader, &e), BATCH_LINE);
    assert_same_line(&e.line, &empty_line);
    assert_int_equal(batch_reader_next(&reader, &e), BATCH_END);
    assert_int_equal(e.kind, BATCH_END);
    assert_int_equal(batch_reader_next(&reader, &e), BATCH_END);
}

static void
an_entry_that_does_not_fit_writes_nothing(void **state)
{
    (void) state;
    struct batch_line l = full_line();
    struct batch_source s = full_source();
    uint8_t buf[512], zeros[512] = { 0 };
    size_t n_line = batch_put_line(buf, sizeof buf, &l);
    size_t n_source = batch_put_source(buf, sizeof buf, &s);

    memset(buf, 0, sizeof buf);
    for (size_t cap = 0; cap < n_line; cap++) {
        assert_int_equal(batch_put_line(buf, cap, &l), 0);
    }
    for (size_t cap = 0; cap < n_source; cap++) {
        assert_int_equal(batch_put_source(buf, cap, &s), 0);
    }
    assert_memory_equal(buf, zeros, sizeof buf);
    assert_int_equal(batch_put_line(buf, n_line, &l), n_line);
    assert_int_equal(batch_put_source(buf, n_source, &s), n_source);
}

static enum batch_entry_kind
first_kind(const void *data, size_t size)
{
    struct batch_reader reader;
    struct batch_entry e;

    batch_reader_init(&reader, slice_of(data, size));
    return batch_reader_next(&reader, &e);
}

#define FIRST_KIND(BYTES) first_kind(BYTES, sizeof BYTES - 1)

static void
fields_and_entries_of_newer_versions_are_skipped(void **state)
{
    (void) state;
    /* A kind 3 in an entry, an empty entry, a field 2 in a batch. */
    assert_int_equal(FIRST_KIND("\x0a\x02\x1a\x00"), BATCH_UNKNOWN);
    assert_int_equal(FIRST_KIND("\x0a\x00"), BATCH_UNKNOWN);
    assert_int_equal(FIRST_KIND("\x10\x05"), BATCH_UNKNOWN);
    /* A line with a field 100 of each type, and a field 3 beside the line. */
    assert_int_equal(FIRST_KIND("\x0a\x05\x12\x03\xa0\x06\x07"), BATCH_LINE);
    assert_int_equal(FIRST_KIND("\x0a\x07\x12\x05\xa2\x06\x02xx"), BATCH_LINE);
    assert_int_equal(FIRST_KIND("\x0a\x08\x12\x06\xa5\x06xxxx"), BATCH_LINE);
    assert_int_equal(FIRST_KIND("\x0a\x0c\x12\x0a\xa1\x06xxxxxxxx"),
                     BATCH_LINE);
    assert_int_equal(FIRST_KIND("\x0a\x06\x12\x02\x08\x01\x18\x00"),
                     BATCH_LINE);
}

static void
what_no_version_writes_is_malformed_and_stays_so(void **state)
{
    (void) state;
    /* A length that runs past the end, at each level. */
    assert_int_equal(FIRST_KIND("\x0a"), BATCH_MALFORMED);
    assert_int_equal(FIRST_KIND("\x0a\x01"), BATCH_MALFORMED);
    assert_int_equal(FIRST_KIND("\x0a\x02\x12\x01"), BATCH_MALFORMED);
    assert_int_equal(FIRST_KIND("\x0a\x04\x12\x02\x7a\x09"), BATCH_MALFORMED);
    assert_int_equal(
        FIRST_KIND("\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"),
        BATCH_MALFORMED);
    /* A varint of eleven bytes; field 0; a group. */
    assert_int_equal(
        FIRST_KIND("\x10\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"),
        BATCH_MALFORMED);
    assert_int_equal(FIRST_KIND("\x02\x00"), BATCH_MALFORMED);
    assert_int_equal(FIRST_KIND("\x13\x14"), BATCH_MALFORMED);
    /* Our fields with another type, an entry and a line that are numbers. */
    assert_int_equal(FIRST_KIND("\x08\x05"), BATCH_MALFORMED);
    assert_int_equal(FIRST_KIND("\x0a\x02\x10\x05"), BATCH_MALFORMED);
    assert_int_equal(FIRST_KIND("\x0a\x04\x12\x02\x78\x01"), BATCH_MALFORMED);
    /* A MAC of 5 bytes, an activity id of 1, a PRI over 255. */
    assert_int_equal(FIRST_KIND("\x0a\x09\x0a\x07\x3a\x05xxxxx"),
                     BATCH_MALFORMED);
    assert_int_equal(FIRST_KIND("\x0a\x05\x12\x03\x32\x01x"),
                     BATCH_MALFORMED);
    assert_int_equal(FIRST_KIND("\x0a\x05\x12\x03\x38\x80\x02"),
                     BATCH_MALFORMED);

    struct batch_reader reader;
    struct batch_entry e = { .kind = BATCH_LINE };
    batch_reader_init(&reader, slice_of("\x0a\x01", 2));
    assert_int_equal(batch_reader_next(&reader, &e), BATCH_MALFORMED);
    assert_int_equal(batch_reader_next(&reader, &e), BATCH_MALFORMED);
    assert_int_equal(e.kind, BATCH_LINE);
}

static void
each_proper_prefix_is_malformed_or_ends_with_an_entry(void **state)
{
    (void) state;
    struct batch_line l = full_line();
    uint8_t buf[1024];
    size_t n = batch_put_line(buf, sizeof buf, &l);
    size_t n2 = n + batch_put_line(buf + n, sizeof buf - n, &l);

    for (size_t size = 0; size <= n2; size++) {
        uint8_t *exact = malloc(size ? size : 1);
        struct batch_reader reader;
        struct batch_entry e;
        size_t n_lines = 0;
        enum batch_entry_kind kind;

        memcpy(exact, buf, size);
        batch_reader_init(&reader, slice_of(exact, size));
        while ((kind = batch_reader_next(&reader, &e)) == BATCH_LINE) {
            n_lines++;
        }
        assert_int_equal(kind, size % n ? BATCH_MALFORMED : BATCH_END);
        assert_int_equal(n_lines, size / n);
        free(exact);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(generated_code_reads_the_same_source),
        cmocka_unit_test(generated_code_reads_the_same_line),
        cmocka_unit_test(what_was_written_is_read_back_in_order),
        cmocka_unit_test(an_entry_that_does_not_fit_writes_nothing),
        cmocka_unit_test(fields_and_entries_of_newer_versions_are_skipped),
        cmocka_unit_test(what_no_version_writes_is_malformed_and_stays_so),
        cmocka_unit_test(
            each_proper_prefix_is_malformed_or_ends_with_an_entry),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
