/* SPDX-License-Identifier: Apache-2.0
 *
 * Runs the captures in tests/golden through the parsers, as the intake does,
 * and compares what they find with NAME.expected: one TAP line per capture.
 * Frames are read behind a kernel, as by sockets, and those of ring.pcap as
 * they come by memif; what is good must be so in both ways.
 *
 * With arguments, prints what it finds in those captures instead.  After a
 * wanted change, write a capture's expectation anew with
 *
 *     tests/golden/test-captures NAME.pcap > NAME.expected
 *
 * and read the difference before you commit it. */
#include <glob.h>
#include <inttypes.h>
#include <pcap/pcap.h>
#include <stdio.h>
#include <stdlib.h>

#include "geneve.h"
#include "inner.h"
#include "join.h"
#include "outer.h"
#include "syslog-msg.h"
#include "tlv.h"

static void
print_hex(FILE *out, const char *name, struct slice s)
{
    fprintf(out, "%s", name);
    for (size_t i = 0; i < s.size; i++) {
        fprintf(out, "%02x", s.data[i]);
    }
}

/* Prints 's' in quotes, what is not printable ASCII in hexadecimal. */
static void
print_text(FILE *out, const char *name, struct slice s)
{
    if (!s.size) {
        return;
    }
    fprintf(out, "    %s \"", name);
    for (size_t i = 0; i < s.size; i++) {
        if (s.data[i] == '"' || s.data[i] == '\\') {
            fprintf(out, "\\%c", s.data[i]);
        } else if (s.data[i] >= ' ' && s.data[i] < 0x7f) {
            putc(s.data[i], out);
        } else {
            fprintf(out, "\\x%02x", s.data[i]);
        }
    }
    fprintf(out, "\"\n");
}

static void
print_meta(FILE *out, const struct tunnel_meta *meta)
{
    fprintf(out, "    vni %"PRIu32, meta->vni);
    if (meta->has & TUNNEL_HAS_META) {
        fprintf(out, ", flags %#x, port %"PRIu32, meta->flags,
                meta->ofp_port);
    }
    if (meta->has & TUNNEL_HAS_TENANT) {
        fprintf(out, ", tenant");
    }
    if (meta->has & TUNNEL_HAS_VM) {
        print_hex(out, ", vm ", slice_of(meta->vm, sizeof meta->vm));
    }
    putc('\n', out);
    if (meta->has & TUNNEL_HAS_TIME) {
        fprintf(out, "    time %"PRIu64"\n", meta->time_ns);
    }
    if (meta->has & TUNNEL_HAS_SEQUENCE) {
        fprintf(out, "    sequence %#"PRIx32":%"PRIu32"\n", meta->seq_epoch,
                meta->seq_number);
    }
    if (meta->has & TUNNEL_HAS_ACTIVITY) {
        print_hex(out, "    activity ",
                  slice_of(meta->activity, sizeof meta->activity));
        putc('\n', out);
    }
    if (meta->has & TUNNEL_HAS_AUTH) {
        print_hex(out, "    auth ", meta->auth);
        putc('\n', out);
    }
    if (meta->has & TUNNEL_HAS_OWNER) {
        fprintf(out, "    owner pid %"PRIu32" uid %"PRIu32"\n",
                meta->owner_pid, meta->owner_uid);
    }
    if (meta->has & TUNNEL_HAS_NAME) {
        print_text(out, "name", meta->name);
    }
}

static void
print_inner(FILE *out, const struct inner_packet *inner)
{
    print_hex(out, "    mac ", slice_of(inner->src_mac, 6));
    print_hex(out, " > ", slice_of(inner->dst_mac, 6));
    for (int i = 0; i < inner->n_vlans; i++) {
        fprintf(out, ", vlan tci %#x", inner->vlan_tci[i]);
    }
    fprintf(out, "\n    ipv%d ", inner->ip_version);
    print_hex(out, "", slice_of(inner->src_ip, 16));
    print_hex(out, " > ", slice_of(inner->dst_ip, 16));
    if (inner->kind == INNER_FRAGMENT) {
        fprintf(out, ", fragment %#"PRIx32" of %d at %d%s, %zu bytes\n",
                inner->fragment_id, inner->fragment_next,
                inner->fragment_offset, inner->fragment_more ? "+" : "",
                inner->payload.size);
        return;
    }
    fprintf(out, ", %s %d > %d\n", inner->kind == INNER_TCP ? "tcp" : "udp",
            inner->src_port, inner->dst_port);
    if (inner->kind == INNER_TCP) {
        fprintf(out, "    seq %"PRIu32", flags %#x\n", inner->tcp_seq,
                inner->tcp_flags);
    }
}

static void
print_message(FILE *out, const struct syslog_msg *m)
{
    static const char *const dialects[] = {
        [SYSLOG_BARE] = "bare",
        [SYSLOG_RFC3164] = "rfc3164",
        [SYSLOG_RFC5424] = "rfc5424",
    };

    fprintf(out, "    %s, %s %d\n", dialects[m->dialect],
            m->has_pri ? "pri" : "no pri:", m->pri);
    if (m->has_time) {
        fprintf(out, "    claims time %"PRId64"\n", m->time_ns);
    }
    print_text(out, "timestamp", m->timestamp);
    print_text(out, "hostname", m->hostname);
    print_text(out, "app-name", m->app_name);
    print_text(out, "procid", m->procid);
    print_text(out, "msgid", m->msgid);
    print_text(out, "sd", m->sd);
    print_text(out, "msg", m->msg);
}

/* Joins the part of a frame in 'packet'.  Returns true if '*meta' and '*frame'
 * are those of the whole one now. */
static bool
join(FILE *out, struct join *parts, int number, const uint8_t vtep[16],
     struct slice packet, struct tunnel_meta *meta, struct slice *frame)
{
    struct slice whole;
    enum sluice_drop drop = join_add(parts, vtep, packet, meta, *frame,
                                     SLUICE_TLV_CLASS, 0, false, &whole);

    if (drop) {
        fprintf(out, "%d: dropped: %s\n", number, sluice_drop_name(drop));
        return false;
    }
    fprintf(out, "%d: part %d of %d, id %d, %zu bytes\n", number,
            meta->split_index + 1, meta->split_count, meta->split_id,
            frame->size);
    return (whole.size
            && !geneve_parse(whole, SLUICE_TLV_CLASS, meta, frame));
}

/* Prints how many parts wait for others at the end. */
static void
print_dropped_parts(void *out, uint32_t tenant, enum sluice_drop drop,
                    unsigned int n_parts)
{
    fprintf(out, "end: tenant %"PRIu32", %u parts dropped: %s\n", tenant,
            n_parts, sluice_drop_name(drop));
}

static const char *
verdict_name(enum outer_verdict verdict)
{
    static const char *const names[] = {
#define OUTER(SYMBOL, NAME, TEXT) NAME,
#include "outer.def"
#undef OUTER
    };

    return verdict < OUTER_N_REASONS ? names[verdict] : "tunnel";
}

/* Reads 'frame' as it lies in a ring of memif: nobody has looked at it.
 * '*ret_packet' and '*ret_answer' are of its verdict. */
static enum outer_verdict
read_ring(struct slice frame, struct outer_packet *ret_packet,
          uint8_t answer[OUTER_ANSWER_MAX], size_t *ret_answer_size)
{
    /* IPv6 has this type at this place. */
    bool is_v6 = (frame.size > 14 && frame.data[12] == 0x86
                  && frame.data[13] == 0xdd);
    struct outer_self self[] = {
        { .port = 6081, .ip = { [10] = 0xff, 0xff, 198, 18, 0, 2 } },
        { .port = 6081,
          .ip = { 0x20, 0x01, 0x0d, 0xb8, 0xff, 0xff, [15] = 2 } },
    };

    outer_default_mac(self[is_v6].ip, self[is_v6].mac);
    return outer_read(frame, &self[is_v6], ret_packet, answer,
                      ret_answer_size);
}

/* Unwraps 'frame', which came by memif if 'is_ring', and else was captured
 * behind a kernel that takes all of it; then memif must, too.  Returns whether
 * it brings a packet. */
static bool
unwrap(FILE *out, int number, struct slice frame, bool is_ring,
       struct outer_packet *ret)
{
    uint8_t answer[OUTER_ANSWER_MAX];
    size_t answer_size;
    struct outer_packet by_ring;
    struct inner_packet outer;
    enum outer_verdict verdict = read_ring(frame, &by_ring, answer,
                                           &answer_size);

    if (is_ring) {
        if (verdict == OUTER_TUNNEL) {
            *ret = by_ring;
            return true;
        }
        fprintf(out, "%d: frame: %s\n", number, verdict_name(verdict));
        if (verdict == OUTER_ANSWERED) {
            print_hex(out, "    ", slice_of(answer, answer_size));
            putc('\n', out);
        }
        return false;
    }
    /* The way to us has the same layers as the way into the switch. */
    enum sluice_drop drop = inner_parse(frame, &outer);
    if (drop || outer.kind != INNER_UDP) {
        fprintf(out, "%d: not for us: %s\n", number, sluice_drop_name(drop));
        return false;
    }
    memcpy(ret->src_ip, outer.src_ip, sizeof ret->src_ip);
    ret->payload = outer.payload;
    if (verdict != OUTER_TUNNEL || memcmp(&by_ring.payload, &outer.payload,
                                          sizeof by_ring.payload)
        || memcmp(by_ring.src_ip, outer.src_ip, sizeof by_ring.src_ip)) {
        fprintf(out, "%d: otherwise by memif: %s\n", number,
                verdict_name(verdict));
    }
    return true;
}

/* Prints what the parsers make of 'frame', seen at 'received_ns'. */
static void
print_packet(FILE *out, struct join *parts, int number, struct slice frame,
             bool is_ring, int64_t received_ns)
{
    struct outer_packet outer;
    struct inner_packet inner;
    struct tunnel_meta meta;
    struct slice inner_frame;
    struct syslog_msg message;

    if (!unwrap(out, number, frame, is_ring, &outer)) {
        return;
    }
    enum sluice_drop drop = geneve_parse(outer.payload, SLUICE_TLV_CLASS,
                                         &meta, &inner_frame);
    if (!drop && meta.has & TUNNEL_HAS_SPLIT
        && !join(out, parts, number, outer.src_ip, outer.payload, &meta,
                 &inner_frame)) {
        return;
    }
    if (!drop) {
        drop = inner_parse(inner_frame, &inner);
    }
    if (drop) {
        fprintf(out, "%d: dropped: %s\n", number, sluice_drop_name(drop));
        return;
    }
    fprintf(out, "%d:\n", number);
    print_hex(out, "    vtep ", slice_of(outer.src_ip, 16));
    putc('\n', out);
    print_meta(out, &meta);
    print_inner(out, &inner);
    if (inner.kind != INNER_UDP) {
        print_text(out, "payload", inner.payload);
        return;
    }
    syslog_msg_parse(inner.payload, (meta.has & TUNNEL_HAS_TIME
                                     ? (int64_t) meta.time_ns : received_ns),
                     &message);
    print_message(out, &message);
}

static bool
print_capture(FILE *out, const char *path)
{
    char error[PCAP_ERRBUF_SIZE];
    pcap_t *pcap = pcap_open_offline_with_tstamp_precision(
        path, PCAP_TSTAMP_PRECISION_NANO, error);
    struct pcap_pkthdr *header;
    const u_char *data;
    int number = 0;
    const char *name = strrchr(path, '/');
    bool is_ring = !strcmp(name ? name + 1 : path, "ring.pcap");

    if (!pcap) {
        fprintf(stderr, "%s: %s\n", path, error);
        return false;
    }
    void *memory = calloc(1, join_memory_size());
    struct join *parts = memory ? join_create(memory, 0, print_dropped_parts,
                                              out) : NULL;
    if (!parts) {
        abort();
    }
    while (pcap_next_ex(pcap, &header, &data) == 1) {
        /* Of the exact size, so that a sanitizer sees a read past the end. */
        uint8_t *exact = malloc(header->caplen ? header->caplen : 1);
        if (!exact) {
            abort();
        }
        memcpy(exact, data, header->caplen);
        print_packet(out, parts, ++number, slice_of(exact, header->caplen),
                     is_ring, header->ts.tv_sec * INT64_C(1000000000)
                     + header->ts.tv_usec);
        join_release(parts);
        free(exact);
    }
    join_expire(parts, JOIN_MAX_AGE_MS);
    join_destroy(parts);
    free(memory);
    pcap_close(pcap);
    return number > 0;
}

/* Returns the content of 'path', null-terminated and the caller's, or null. */
static char *
read_text(const char *path)
{
    char *text = NULL;
    size_t size = 0;
    FILE *in = fopen(path, "r");

    if (!in) {
        return NULL;
    }
    if (getdelim(&text, &size, '\0', in) < 0) {
        free(text);
        text = NULL;
    }
    fclose(in);
    return text;
}

/* Compares what is in 'path', NAME.pcap, with NAME.expected. */
static bool
check_capture(const char *path)
{
    char expected_path[4096];
    char *actual = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&actual, &size);

    if (!out) {
        abort();
    }
    bool ok = print_capture(out, path);
    fclose(out);

    snprintf(expected_path, sizeof expected_path, "%.*s.expected",
             (int) (strlen(path) - strlen(".pcap")), path);
    char *expected = read_text(expected_path);
    ok = ok && expected && !strcmp(actual, expected);
    if (!ok) {
        fprintf(stderr, "%s: found:\n%s", path, actual);
    }
    free(expected);
    free(actual);
    return ok;
}

int
main(int argc, char *argv[])
{
    const char *srcdir = getenv("srcdir");
    char pattern[4096];
    glob_t captures;
    int failures = 0;

    for (int i = 1; i < argc; i++) {
        failures += !print_capture(stdout, argv[i]);
    }
    if (argc > 1) {
        return failures > 0;
    }

    snprintf(pattern, sizeof pattern, "%s/tests/golden/*.pcap",
             srcdir ? srcdir : ".");
    if (glob(pattern, 0, NULL, &captures)) {
        printf("Bail out! No captures at %s\n", pattern);
        return 1;
    }
    printf("1..%zu\n", captures.gl_pathc);
    for (size_t i = 0; i < captures.gl_pathc; i++) {
        bool ok = check_capture(captures.gl_pathv[i]);

        printf("%sok %zu - %s\n", ok ? "" : "not ", i + 1,
               strrchr(captures.gl_pathv[i], '/') + 1);
        failures += !ok;
    }
    globfree(&captures);
    return failures > 0;
}
