/* SPDX-License-Identifier: Apache-2.0
 *
 * Stage 4: fragments, TCP streams and their framing, with what comes out
 * written down as text:
 *
 *     [message]            a line
 *     {reason packets bytes}   a gap
 *     !reason              a dropped datagram */
#include <config.h>

#include "unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "proxy-config.h"
#include "s4-reassemble.h"
#include "util.h"

enum { ISN = 1000, PORT = 40000 };

struct fixture {
    struct intake_stats *stats;
    struct account *account;
    struct undo undo;
    struct reassemble *r;
    struct reassemble_config config;
    char path[64];              /* Empty: nothing survives. */
    uint64_t ticket;
    uint64_t now_ms;
    bool killed;                /* Before it ended a step. */
    uint64_t counters[N_TENANT_COUNTERS];
    char *out;                  /* What came out. */
    size_t size;
    FILE *stream;
};

static void
hear_line(void *f_, struct record *rec, struct slice message, bool ambiguous)
{
    struct fixture *f = f_;

    (void) rec;
    fprintf(f->stream, "[%s", ambiguous ? "?" : "");
    if (message.size > 1000) {
        fprintf(f->stream, "%zu bytes", message.size);
    } else {
        fwrite(message.data, 1, message.size, f->stream);
    }
    fputs("]", f->stream);
}

static void
hear_gap(void *f_, struct record *rec, const struct gap *gap)
{
    struct fixture *f = f_;

    (void) rec;
    fprintf(f->stream, "{%s %d %d}", gap_reason_name(gap->reason),
            (int) gap->packets, (int) gap->bytes);
}

static void
open_stage(struct fixture *f)
{
    const struct reassemble_sink sink = { hear_line, hear_gap, f };

    assert_int_equal(reassemble_create(f->path[0] ? f->path : NULL,
                                       f->ticket, f->account, &sink, &f->r),
                     0);
    reassemble_configure(f->r, &f->config);
}

static int
set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);

    f->stats = calloc(1, sizeof *f->stats);
    f->account = account_create(f->stats, &f->undo);
    f->config = (struct reassemble_config) REASSEMBLE_DEFAULTS;
    f->now_ms = 1000000;
    f->ticket = 1;
    f->stream = open_memstream(&f->out, &f->size);
    open_stage(f);
    *state = f;
    return 0;
}

static int
tear_down(void **state)
{
    struct fixture *f = *state;

    if (f->path[0]) {
        unlink(f->path);
    }
    reassemble_destroy(f->r);
    account_destroy(f->account);
    fclose(f->stream);
    free(f->out);
    free(f->stats);
    free(f);
    return 0;
}

/* A packet of VM 'vm' of tenant 7. */
static struct record
record_of(struct fixture *f, int vm)
{
    struct record rec = {
        .meta = {
            .has = TUNNEL_HAS_META | TUNNEL_HAS_VM,
            .vni = 7,
            .ofp_port = vm,
        },
        .switch_ns = f->now_ms * 1000000,
        .inner = { .ip_version = 4, .src_port = PORT, .dst_port = 514 },
    };

    assert_int_equal(account_find(f->account, &rec), SLUICE_DROP_NONE);
    return rec;
}

static void
add_tally(struct fixture *f, const struct reassemble_tally *tally)
{
    for (int i = 0; i < N_TENANT_COUNTERS; i++) {
        f->counters[i] += tally->counters[i];
    }
    if (tally->drop) {
        fprintf(f->stream, "!%s", sluice_drop_name(tally->drop));
    }
}

static void
look(struct fixture *f, uint32_t slot, bool evict, uint64_t now_ms)
{
    struct reassemble_tally tally;
    struct record rec;

    if (reassemble_look(f->r, slot, evict, f->ticket, now_ms,
                        f->now_ms * 1000000, &rec, &tally)) {
        add_tally(f, &tally);
    }
    f->ticket++;
    reassemble_end(f->r);
}

static void
run(struct fixture *f, struct record *rec)
{
    struct reassemble_tally tally;
    uint32_t slot;

    while (reassemble_full(f->r, rec, &slot)) {
        look(f, slot, true, f->now_ms);
    }
    reassemble_run(f->r, rec, f->ticket, f->now_ms, &tally);
    if (!f->killed) {
        f->ticket++;
        reassemble_end(f->r);
    }
    add_tally(f, &tally);
}

static void
tick(struct fixture *f, uint64_t ms)
{
    uint32_t slot;

    f->now_ms += ms;
    while (reassemble_due(f->r, f->now_ms, &slot)) {
        look(f, slot, false, f->now_ms);
    }
}

/* Lets everything come to its end. */
static void
end(struct fixture *f)
{
    uint32_t slot;

    while (reassemble_due(f->r, UINT64_MAX, &slot)) {
        look(f, slot, false, UINT64_MAX);
    }
}

static void
clear(struct fixture *f)
{
    fclose(f->stream);
    free(f->out);
    f->stream = open_memstream(&f->out, &f->size);
}

static void
expect(struct fixture *f, const char *expected)
{
    fflush(f->stream);
    assert_string_equal(f->size ? f->out : "", expected);
    clear(f);
}

/* TCP. */

static void
segment_of(struct fixture *f, int vm, uint32_t seq, uint8_t flags,
           struct slice bytes)
{
    struct record rec = record_of(f, vm);

    rec.inner.kind = INNER_TCP;
    rec.inner.tcp_seq = seq;
    rec.inner.tcp_flags = flags;
    rec.inner.payload = bytes;
    run(f, &rec);
}

static void
syn(struct fixture *f)
{
    segment_of(f, 1, ISN, INNER_TCP_SYN, slice_of(NULL, 0));
}

/* 'at' is the offset in the stream, from 0. */
static void
text(struct fixture *f, uint32_t at, const char *bytes)
{
    segment_of(f, 1, ISN + 1 + at, INNER_TCP_ACK, slice_from_string(bytes));
}

static void
fin(struct fixture *f, uint32_t at)
{
    segment_of(f, 1, ISN + 1 + at, INNER_TCP_FIN | INNER_TCP_ACK,
               slice_of(NULL, 0));
}

static void
rst(struct fixture *f, uint32_t at)
{
    segment_of(f, 1, ISN + 1 + at, INNER_TCP_RST, slice_of(NULL, 0));
}

static void
lines_end_in_lf_and_stand_across_segments(void **state)
{
    struct fixture *f = *state;

    syn(f);
    text(f, 0, "<13>o");
    text(f, 5, "ne\n<13>two\n<1");
    expect(f, "[<13>one][<13>two]");
    text(f, 18, "3>three\n");
    expect(f, "[<13>three]");
    fin(f, 26);
    expect(f, "");
    assert_int_equal(f->counters[TENANT_STREAMS], 1);
    assert_int_equal(f->counters[TENANT_SEGMENTS], 5);
}

static void
the_first_trailer_is_the_trailer(void **state)
{
    struct fixture *f = *state;
    static const char nul[] = "<13>a\n b\0<13>c\0";

    syn(f);
    segment_of(f, 1, ISN + 1, INNER_TCP_ACK, slice_of(nul, sizeof nul - 1));
    expect(f, "[<13>a]");       /* LF came first: a NUL is content. */
    rst(f, sizeof nul - 1);
    expect(f, "{tcp-ended 0 9}");
    syn(f);
    segment_of(f, 1, ISN + 1, INNER_TCP_ACK, slice_of("<13>a\0<13>b\nc\0", 14));
    expect(f, "[<13>a][<13>b\nc]");
}

static void
octets_are_counted_whatever_they_are(void **state)
{
    struct fixture *f = *state;

    syn(f);
    text(f, 0, "6 <13>a\n");
    expect(f, "[<13>a\n]");
    text(f, 8, "1");
    text(f, 9, "0 <13>hello\n5 <13>");
    expect(f, "[<13>hello\n]");
    text(f, 27, "b");
    expect(f, "[<13>b]");
    fin(f, 28);
    expect(f, "");
}

static void
a_broken_frame_ends_the_parsing_until_the_stream_ends(void **state)
{
    struct fixture *f = *state;

    syn(f);
    text(f, 0, "5 <13>a<13>b\n");
    expect(f, "[<13>a]{tcp-framing 0 6}");
    text(f, 13, "5 <13>c");
    expect(f, "");
    fin(f, 20);
    expect(f, "{tcp-framing 0 7}");
    syn(f);
    text(f, 0, "123456 <13>too many digits");
    expect(f, "{tcp-framing 0 26}");
}

static void
segments_out_of_order_and_twice_make_no_difference(void **state)
{
    struct fixture *f = *state;

    syn(f);
    text(f, 6, "<13>b\n");
    text(f, 18, "<13>d\n");
    text(f, 6, "<13>b\n");
    expect(f, "");
    text(f, 0, "<13>a\n");
    expect(f, "[<13>a][<13>b]");
    text(f, 0, "<13>a\n<13>b\n<13>c\n<13>d\n<13>e\n");
    expect(f, "[<13>c][<13>d][<13>e]");
    text(f, 29, "\n");           /* A keep-alive with a byte. */
    expect(f, "");
}

static void
the_first_of_two_that_differ_wins_and_is_flagged(void **state)
{
    struct fixture *f = *state;

    syn(f);
    text(f, 0, "<13>true");
    text(f, 4, "lies\n");
    expect(f, "[?<13>true]");
    assert_int_equal(f->counters[TENANT_AMBIGUOUS], 1);
}

static void
a_hole_is_never_glued(void **state)
{
    struct fixture *f = *state;

    syn(f);
    text(f, 0, "<13>one\n<13>half ");
    text(f, 40, "of another\n<13>three\n");
    expect(f, "[<13>one]");
    tick(f, 1999);
    expect(f, "");
    tick(f, 1);
    expect(f, "{tcp-missing 0 43}[<13>three]");
    text(f, 17, "late");
    expect(f, "");
}

static void
a_hole_within_a_counted_frame_costs_that_frame(void **state)
{
    struct fixture *f = *state;

    syn(f);
    text(f, 0, "5 <13>a20 <13>half");
    text(f, 25, "tail 5 <13>c");
    expect(f, "[<13>a]");
    tick(f, 2000);
    expect(f, "{tcp-missing 0 23}[<13>c]");
    text(f, 40, "5 <13>d");
    tick(f, 2000);
    expect(f, "{tcp-missing 0 3}");
    fin(f, 47);
    expect(f, "{tcp-framing 0 7}");
}

static void
a_stream_joined_in_the_middle_begins_behind_a_trailer(void **state)
{
    struct fixture *f = *state;

    text(f, 100, "tail\n no PRI\n<13>first\n");
    expect(f, "");
    tick(f, 2000);
    expect(f, "{tcp-joined 0 13}[<13>first]");
    text(f, 123, "second\n");
    expect(f, "[second]");
}

static void
counts_are_not_guessed_at_in_a_stream_joined_in_the_middle(void **state)
{
    struct fixture *f = *state;

    /* What looks like a count, and is none, before what is. */
    text(f, 100, "ms for 7 <13>evil");
    text(f, 117, "9 <13>true");
    tick(f, 2000);
    expect(f, "");
    text(f, 127, "9 <13>more");
    fin(f, 137);
    expect(f, "{tcp-joined 0 37}");
}

static void
data_that_overtake_the_syn_are_waited_for(void **state)
{
    struct fixture *f = *state;

    text(f, 6, "<13>b\n");
    text(f, 0, "<13>a\n");
    expect(f, "");
    syn(f);
    expect(f, "[<13>a][<13>b]");
}

static void
numbers_wrap(void **state)
{
    struct fixture *f = *state;

    segment_of(f, 1, UINT32_MAX - 8, INNER_TCP_SYN, slice_of(NULL, 0));
    segment_of(f, 1, UINT32_MAX - 1, INNER_TCP_ACK,
               slice_from_string("\n<13>b\n"));
    segment_of(f, 1, UINT32_MAX - 7, INNER_TCP_ACK,
               slice_from_string("<13>aa"));
    expect(f, "[<13>aa][<13>b]");
}

static void
resets_count_only_where_the_stream_is(void **state)
{
    struct fixture *f = *state;

    syn(f);
    text(f, 0, "<13>a\n<13>b");
    rst(f, -100);
    rst(f, 1 << 20);
    text(f, 11, "b\n");
    expect(f, "[<13>a][<13>bb]");
    assert_int_equal(f->counters[TENANT_OUT_OF_WINDOW], 2);
    text(f, 13, "<13>c");
    rst(f, 18);
    expect(f, "{tcp-ended 0 5}");
}

static void
a_reset_ahead_that_the_receiver_ignored_is_forgotten(void **state)
{
    struct fixture *f = *state;

    syn(f);
    rst(f, 10);
    text(f, 0, "<13>a longer line\n");
    expect(f, "[<13>a longer line]");
}

static void
the_end_is_the_trailer_of_the_last_line(void **state)
{
    struct fixture *f = *state;

    syn(f);
    text(f, 0, "<13>a\n<13>b");
    fin(f, 11);
    expect(f, "[<13>a][<13>b]");
    syn(f);
    text(f, 0, "9 <13>a");
    fin(f, 7);
    expect(f, "{tcp-ended 0 7}");
}

static void
a_stream_whose_end_was_lost_ends_when_nothing_comes(void **state)
{
    struct fixture *f = *state;

    syn(f);
    text(f, 0, "<13>half");
    tick(f, 60 * 60 * 1000);
    expect(f, "");
    tick(f, 60 * 60 * 1000);
    expect(f, "{tcp-ended 0 8}");
}

static void
the_same_ports_may_begin_another_stream(void **state)
{
    struct fixture *f = *state;

    syn(f);
    text(f, 0, "<13>a\n<13>b");
    segment_of(f, 1, ISN + 5000000, INNER_TCP_SYN, slice_of(NULL, 0));
    text(f, 11, "b\n");         /* A forged SYN ends nothing. */
    expect(f, "[<13>a][<13>bb]");
    text(f, 13, "<13>c");
    segment_of(f, 1, ISN + 5000001, INNER_TCP_ACK,
               slice_from_string("<13>new\n"));
    expect(f, "{tcp-ended 0 5}[<13>new]");
}

static void
tls_is_left_alone(void **state)
{
    struct fixture *f = *state;

    syn(f);
    text(f, 0, "\x16\x03\x01\x02\x03 no syslog\n");
    text(f, 16, "<13>looks like it\n");
    fin(f, 34);
    expect(f, "");
    assert_int_equal(f->counters[TENANT_TLS_STREAMS], 1);
    assert_int_equal(f->stats->sources[0].tls_streams, 1);

    struct record rec = record_of(f, 1);
    rec.inner.kind = INNER_TCP;
    rec.inner.dst_port = 6514;
    rec.inner.tcp_flags = INNER_TCP_ACK;
    rec.inner.payload = slice_from_string("in the middle\n<13>x\n");
    run(f, &rec);
    tick(f, 5000);
    expect(f, "");
    assert_int_equal(f->stats->sources[0].tls_streams, 2);
}

static void
a_tenant_may_have_lines_that_continue_otherwise(void **state)
{
    struct fixture *f = *state;
    /* Of one tenant, which is 7, the other is not. */
    static const char text_7[]
        = "reassembly: {multi-line: 0}\n"
          "tenants:\n- {id: 7, name: a, server: 'h:1', multi-line: 1}\n";
    static const char text_8[]
        = "reassembly: {multi-line: 1}\n"
          "tenants:\n- {id: 8, name: a, server: 'h:1', multi-line: 0}\n"
          "- {id: 7, name: b, server: 'h:1'}\n"
          "- {id: 9, name: c, server: 'h:1', multi-line: 0}\n";
    struct config *c7, *c8;

    assert_null(config_parse("f", text_7, strlen(text_7), &c7));
    assert_null(config_parse("f", text_8, strlen(text_8), &c8));
    assert_int_equal(config_find_tenant(c8, 7)->multi_line, 1);
    assert_int_equal(config_find_tenant(c8, 8)->multi_line, 0);
    assert_int_equal(config_find_tenant(c8, 9)->multi_line, 0);

    f->config.multi_line = false;
    f->config.tenants = c7;
    reassemble_configure(f->r, &f->config);
    syn(f);
    text(f, 0, "<13>a\n  at x\n<13>b\n");
    expect(f, "[<13>a\n  at x]");
    /* With another configuration it is as that says. */
    f->config.multi_line = true;
    f->config.tenants = c8;
    reassemble_configure(f->r, &f->config);
    text(f, 19, " at y\n<13>c\n");
    expect(f, "[<13>b\n at y]");
    config_destroy(c8);
    static const char text_none[]
        = "reassembly: {multi-line: 1}\n"
          "tenants:\n- {id: 7, name: a, server: 'h:1', multi-line: 0}\n";
    assert_null(config_parse("f", text_none, strlen(text_none), &c8));
    f->config.tenants = c8;
    reassemble_configure(f->r, &f->config);
    text(f, 31, "<13>d\n");
    expect(f, "[<13>c][<13>d]");
    config_destroy(c7);
    config_destroy(c8);
}

static void
lines_that_continue_stay_whole_where_configured(void **state)
{
    struct fixture *f = *state;

    f->config.multi_line = true;
    reassemble_configure(f->r, &f->config);
    syn(f);
    text(f, 0, "<13>a\n  at x\n\tat y\n<13>b\n");
    expect(f, "[<13>a\n  at x\n\tat y]");
    tick(f, 1999);
    expect(f, "");
    tick(f, 1);
    expect(f, "[<13>b]");
    text(f, 25, "<13>c\n");
    text(f, 31, " d\n");
    fin(f, 34);
    expect(f, "[<13>c\n d]");
}

static void
what_is_too_long_is_cut(void **state)
{
    struct fixture *f = *state;
    char *bytes = xmalloc(70000);

    memset(bytes, 'x', 70000);
    memcpy(bytes, "<13>", 4);
    syn(f);
    for (int i = 0; i < 70; i++) {
        segment_of(f, 1, ISN + 1 + i * 1000, INNER_TCP_ACK,
                   slice_of(bytes + i * 1000, 1000));
    }
    expect(f, "[66048 bytes]");
    text(f, 70000, "rest\n<13>next\n");
    expect(f, "[<13>next]");
    free(bytes);
}

static void
flows_beyond_the_share_push_out_the_oldest(void **state)
{
    struct fixture *f = *state;

    f->config.tenant_slots = 16;
    reassemble_configure(f->r, &f->config);
    syn(f);
    text(f, 0, "<13>of another VM");
    for (int i = 0; i < 10; i++) {
        struct record rec = record_of(f, 2);
        rec.inner.kind = INNER_TCP;
        rec.inner.src_port = i;
        rec.inner.tcp_flags = INNER_TCP_SYN;
        run(f, &rec);
        rec = record_of(f, 2);
        rec.inner.kind = INNER_TCP;
        rec.inner.src_port = i;
        rec.inner.tcp_seq = 1;
        rec.inner.payload = slice_from_string("half");
        run(f, &rec);
    }
    /* The VM that has too many gives up its own. */
    expect(f, "{hold-limit 0 4}{hold-limit 0 4}");
    text(f, 17, "\n");
    expect(f, "[<13>of another VM]");
}

/* Fragments. */

static void
fragment_of(struct fixture *f, uint32_t id, uint16_t from, bool more,
            struct slice bytes)
{
    struct record rec = record_of(f, 1);

    rec.inner.kind = INNER_FRAGMENT;
    rec.inner.fragment_id = id;
    rec.inner.fragment_offset = from;
    rec.inner.fragment_more = more;
    rec.inner.fragment_next = 17;
    rec.inner.payload = bytes;
    run(f, &rec);
}

/* UDP from 40000 to 514 with 16 bytes, in three fragments of 8. */
static const char datagram[] =
    "\x9c\x40\x02\x02\x00\x18\x00\x00<13>abcdefghijkl";

static void
part(struct fixture *f, uint32_t id, int i)
{
    fragment_of(f, id, i * 8, i < 2, slice_of(datagram + i * 8, 8));
}

static void
fragments_in_any_order_make_a_line(void **state)
{
    struct fixture *f = *state;

    for (int a = 0; a < 3; a++) {
        for (int b = 0; b < 3; b++) {
            if (a != b) {
                part(f, 1, a);
                part(f, 1, b);
                part(f, 1, b);
                part(f, 1, 3 - a - b);
                expect(f, "[<13>abcdefghijkl]");
            }
        }
    }
    assert_int_equal(f->counters[TENANT_FRAGMENTS], 24);
}

static void
fragments_that_overlap_drop_the_datagram(void **state)
{
    struct fixture *f = *state;

    part(f, 1, 0);
    fragment_of(f, 1, 0, true, slice_of("otherwise", 8));
    expect(f, "{fragments 2 8}!fragment-overlap");
    fragment_of(f, 2, 0, true, slice_of(datagram, 16));
    fragment_of(f, 2, 8, true, slice_of(datagram + 8, 16));
    expect(f, "{fragments 2 16}!fragment-overlap");
}

static void
fragments_that_contradict_drop_the_datagram(void **state)
{
    struct fixture *f = *state;

    part(f, 1, 2);
    fragment_of(f, 1, 24, false, slice_of("more", 4));
    expect(f, "{fragments 2 8}!fragment-limit");
    part(f, 2, 2);
    fragment_of(f, 2, 32, true, slice_of("01234567", 8));
    expect(f, "{fragments 2 8}!fragment-limit");
}

static void
tiny_and_endless_fragments_end(void **state)
{
    struct fixture *f = *state;

    for (int i = 0; i < 65; i++) {
        fragment_of(f, 1, i * 8, true, slice_of("01234567", 8));
    }
    expect(f, "{fragments 65 512}!fragment-limit");
    for (int i = 0; i < 17; i++) {
        fragment_of(f, 2, i * 16, true, slice_of("01234567", 8));
    }
    expect(f, "{fragments 17 128}!fragment-limit");
}

static void
a_fragment_that_never_comes_is_announced(void **state)
{
    struct fixture *f = *state;

    part(f, 1, 0);
    part(f, 1, 2);
    tick(f, 59999);
    expect(f, "");
    tick(f, 1);
    expect(f, "{fragments 2 16}!fragment-timeout");
}

static void
a_tcp_segment_may_come_in_fragments(void **state)
{
    struct fixture *f = *state;
    static const uint8_t segment[] = {
        0x9c, 0x40, 0x02, 0x02, 0, 0, 0x03, 0xe9, 0, 0, 0, 0,
        0x50, 0x10, 0, 0, 0x26, 0x2a, 0, 0,
        '<', '1', '3', '>', 'x', '\n',
    };

    syn(f);
    for (int i = 3; i >= 0; i--) {
        struct record rec = record_of(f, 1);
        rec.inner.kind = INNER_FRAGMENT;
        rec.inner.fragment_offset = i * 8;
        rec.inner.fragment_more = i < 3;
        rec.inner.fragment_next = 6;
        rec.inner.payload = slice_of(segment + i * 8, i < 3 ? 8 : 2);
        run(f, &rec);
    }
    expect(f, "[<13>x]");
}

/* Kills. */

/* From now on what is held outlives the stage. */
static void
keep_in_file(struct fixture *f)
{
    reassemble_destroy(f->r);
    snprintf(f->path, sizeof f->path, "/tmp/test-reassemble-%d",
             (int) getpid());
    open_stage(f);
}

static void
what_is_held_survives_a_kill(void **state)
{
    struct fixture *f = *state;

    keep_in_file(f);
    syn(f);
    text(f, 0, "<13>half ");
    part(f, 1, 0);
    part(f, 1, 1);
    reassemble_destroy(f->r);
    open_stage(f);
    text(f, 9, "and half\n");
    part(f, 1, 2);
    expect(f, "[<13>half and half][<13>abcdefghijkl]");
}

static void
a_step_that_was_not_finished_is_done_again(void **state)
{
    struct fixture *f = *state;

    keep_in_file(f);
    syn(f);
    text(f, 0, "<13>a\n<13>ha");
    expect(f, "[<13>a]");
    f->killed = true;
    for (int i = 0; i < 3; i++) {
        text(f, 12, "lf\n<13>c\n");
        expect(f, "[<13>half][<13>c]");
        reassemble_destroy(f->r);
        open_stage(f);
    }
    f->killed = false;
    text(f, 12, "lf\n<13>c\n");
    expect(f, "[<13>half][<13>c]");
    text(f, 21, "<13>d\n");
    expect(f, "[<13>d]");
}

/* A property: however a stream is cut, shuffled, repeated and thinned out, each
 * line that comes out is one that went in, in order, and the bytes of those
 * that do not come out are announced. */

static uint64_t seed;

static uint32_t
draw(uint32_t n)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return seed % n;
}

struct piece {
    uint32_t from, size;
};

enum { N_LINES = 40, MAX_PIECES = 2048 };

/* Writes N_LINES lines; '*ret_wire' is what each takes in the stream. */
static size_t
make_stream(char *bytes, bool counted, uint32_t wire[N_LINES])
{
    size_t size = 0;

    for (int i = 0; i < N_LINES; i++) {
        char line[512];
        int n = snprintf(line, sizeof line, "<13>line %d ", i);
        for (uint32_t more = draw(draw(8) ? 20 : 400); more; more--) {
            line[n++] = "abc <3>\\"[draw(8)];
        }
        char count[16];
        int w = counted ? snprintf(count, sizeof count, "%d ", n) : 0;
        memcpy(bytes + size, count, w);
        memcpy(bytes + size + w, line, n);
        w += n;
        if (!counted) {
            bytes[size + w++] = '\n';
        }
        wire[i] = w;
        size += w;
    }
    return size;
}

static size_t
cut_stream(size_t size, struct piece *pieces)
{
    size_t n = 0, at = 0;

    while (at < size) {
        uint32_t piece = 1 + draw(draw(2) ? 8 : 300);
        piece = MIN(piece, size - at);
        pieces[n++] = (struct piece) { at, piece };
        at += piece;
    }
    return n;
}

/* Some pieces come later, twice, with more than they were; or never. */
static size_t
shuffle(struct piece *pieces, size_t n, size_t size, bool lossy)
{
    for (size_t i = 0; i + 8 < n; i++) {
        if (!draw(3)) {
            size_t j = i + draw(8);
            struct piece p = pieces[i];
            pieces[i] = pieces[j];
            pieces[j] = p;
        }
    }
    for (size_t i = 0, had = n; i < had && n < MAX_PIECES; i++) {
        if (!draw(4)) {
            struct piece p = pieces[i];
            uint32_t before = draw(MIN(p.from, 50) + 1);
            p.from -= before;
            p.size += before + draw(50);
            p.size = MIN(p.size, size - p.from);
            if (lossy) {
                p = pieces[i];      /* Not to fill what is to be missing. */
            }
            memmove(&pieces[i + 1], &pieces[i],
                    (n - i) * sizeof *pieces);
            pieces[i] = p;
            n++;
            had++;
            i++;
        }
    }
    return n;
}

/* Reads what came out.  Returns the bytes of the gaps. */
static uint64_t
judge(const struct fixture *f, const char *bytes, bool counted,
      const uint32_t wire[N_LINES], bool came[N_LINES])
{
    uint64_t gaps = 0;
    int latest = -1;
    const char *p = f->size ? f->out : "";

    while (*p) {
        if (*p == '{') {
            int n_packets, n_bytes;
            assert_int_equal(sscanf(p, "{%*[^ ] %d %d}", &n_packets,
                                    &n_bytes), 2);
            gaps += n_bytes;
            p = strchr(p, '}') + 1;
            continue;
        }
        int number;
        assert_int_equal(sscanf(p, "[<13>line %d ", &number), 1);
        assert_true(number > latest && number < N_LINES);
        latest = number;
        came[number] = true;
        size_t at = 0;
        for (int i = 0; i < number; i++) {
            at += wire[i];
        }
        const char *line = bytes + at;
        size_t size = wire[number] - !counted;
        if (counted) {
            size_t header = strchr(line, ' ') + 1 - line;
            line += header;
            size -= header;
        }
        assert_memory_equal(p + 1, line, size);
        assert_int_equal(p[1 + size], ']');
        p += size + 2;
    }
    return gaps;
}

static void
try_stream(struct fixture *f, bool counted, bool lossy)
{
    static char bytes[N_LINES * 600];
    static struct piece pieces[MAX_PIECES + 1];
    bool came[N_LINES] = { false };
    uint32_t wire[N_LINES];
    size_t size = make_stream(bytes, counted, wire);
    size_t n = shuffle(pieces, cut_stream(size, pieces), size, lossy);

    syn(f);
    for (size_t i = 0; i < n; i++) {
        if (!lossy || draw(20)) {
            segment_of(f, 1, ISN + 1 + pieces[i].from, INNER_TCP_ACK,
                       slice_of(bytes + pieces[i].from, pieces[i].size));
        }
        if (lossy && !draw(10)) {
            tick(f, draw(3000));
        }
    }
    fin(f, size);
    tick(f, 2000);
    end(f);

    fflush(f->stream);
    uint64_t gaps = judge(f, bytes, counted, wire, came);
    uint64_t missing = 0;
    for (int i = 0; i < N_LINES; i++) {
        missing += came[i] ? 0 : wire[i];
    }
    assert_int_equal(gaps, missing);
    assert_true(lossy || !missing);
    clear(f);
}

static void
any_segmentation_of_a_stream_makes_the_same_lines(void **state)
{
    struct fixture *f = *state;

    for (seed = 1; seed < 1 << 20; seed = seed * 2 + 1) {
        uint64_t begin = seed;
        for (int i = 0; i < 20; i++) {
            try_stream(f, draw(2), false);
        }
        seed = begin;
    }
}

static void
whatever_is_missing_no_two_halves_are_glued(void **state)
{
    struct fixture *f = *state;

    for (seed = 3; seed < 1 << 20; seed = seed * 2 + 1) {
        uint64_t begin = seed;
        for (int i = 0; i < 20; i++) {
            try_stream(f, draw(2), true);
        }
        seed = begin;
    }
}

int
main(void)
{
#define TEST(NAME) cmocka_unit_test_setup_teardown(NAME, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(lines_end_in_lf_and_stand_across_segments),
        TEST(the_first_trailer_is_the_trailer),
        TEST(octets_are_counted_whatever_they_are),
        TEST(a_broken_frame_ends_the_parsing_until_the_stream_ends),
        TEST(segments_out_of_order_and_twice_make_no_difference),
        TEST(the_first_of_two_that_differ_wins_and_is_flagged),
        TEST(a_hole_is_never_glued),
        TEST(a_hole_within_a_counted_frame_costs_that_frame),
        TEST(a_stream_joined_in_the_middle_begins_behind_a_trailer),
        TEST(counts_are_not_guessed_at_in_a_stream_joined_in_the_middle),
        TEST(data_that_overtake_the_syn_are_waited_for),
        TEST(numbers_wrap),
        TEST(resets_count_only_where_the_stream_is),
        TEST(a_reset_ahead_that_the_receiver_ignored_is_forgotten),
        TEST(the_end_is_the_trailer_of_the_last_line),
        TEST(a_stream_whose_end_was_lost_ends_when_nothing_comes),
        TEST(the_same_ports_may_begin_another_stream),
        TEST(tls_is_left_alone),
        TEST(lines_that_continue_stay_whole_where_configured),
        TEST(a_tenant_may_have_lines_that_continue_otherwise),
        TEST(what_is_too_long_is_cut),
        TEST(flows_beyond_the_share_push_out_the_oldest),
        TEST(fragments_in_any_order_make_a_line),
        TEST(fragments_that_overlap_drop_the_datagram),
        TEST(fragments_that_contradict_drop_the_datagram),
        TEST(tiny_and_endless_fragments_end),
        TEST(a_fragment_that_never_comes_is_announced),
        TEST(a_tcp_segment_may_come_in_fragments),
        TEST(what_is_held_survives_a_kill),
        TEST(a_step_that_was_not_finished_is_done_again),
        TEST(any_segmentation_of_a_stream_makes_the_same_lines),
        TEST(whatever_is_missing_no_two_halves_are_glued),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
