/* SPDX-License-Identifier: Apache-2.0
 *
 * Fuzzes the RFC 5424 writer: whatever stands in a line's fields and in a
 * source's context, the frame must please a strict parser, our element must be
 * first and the only one of its name, and the text must be all there.
 *
 * The input begins with flags and numbers; then come the fields, each behind
 * its length; what a gap record and a verbose rule say, if the flags have it;
 * the rest is the text. */
#include <stdio.h>
#include <stdlib.h>

#include "../strict-rfc5424.h"
#include "cursor.h"
#include "rfc5424.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define SD_ID "sluice@32473"

/* Takes a field of at most 255 or, with a length of two bytes, more. */
static struct slice
take_field(struct cursor *c, size_t length_size)
{
    size_t size = cursor_be(c, length_size);

    return cursor_take(c, size < c->left ? size : c->left);
}

static void
take_gap(struct cursor *c, struct batch_gap *gap)
{
    gap->reason = take_field(c, 1);
    gap->packets = cursor_be(c, 4);
    gap->bytes = cursor_be(c, 8);
    gap->from_ns = cursor_be(c, 8);
    gap->to_ns = cursor_be(c, 8);
    gap->protocol = cursor_be(c, 1);
    gap->src_port = cursor_be(c, 2);
    gap->dst_port = cursor_be(c, 2);
    gap->dst_ip = take_field(c, 1);
    gap->lines = cursor_be(c, 4);
    gap->rule = take_field(c, 1);
}

static void
take_verbose(struct cursor *c, struct batch_verbose *verbose)
{
    verbose->rule = take_field(c, 1);
    verbose->received_ns = cursor_be(c, 8);
    verbose->protocol = cursor_be(c, 1);
    verbose->src_port = cursor_be(c, 2);
    verbose->dst_port = cursor_be(c, 2);
    verbose->dst_ip = take_field(c, 1);
}

static void
check_frame(const uint8_t *frame, size_t size, const struct batch_line *line)
{
    static struct strict_message m;
    const char *wanted = strict_parse(frame, size, &m);

    if (wanted) {
        fprintf(stderr, "wanted %s in: %.*s\n", wanted, (int) size,
                (const char *) frame);
        abort();
    }
    for (size_t i = 0; i < m.n_elements; i++) {
        if (strict_is(m.elements[i].id, SD_ID, strlen(SD_ID)) != !i) {
            abort();
        }
    }
    if (m.msg.n < line->msg.size
        || (line->msg.size && memcmp(m.msg.p + m.msg.n - line->msg.size,
                                     line->msg.data, line->msg.size))) {
        abort();
    }
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct cursor c = cursor_of(slice_of(data, size));
    struct batch_source source = { .id = 1 };
    struct batch_line line = { .source = 1 };

    uint8_t flags = cursor_be(&c, 1);
    source.has_vm = flags & 1;
    source.stock = flags & 2;
    source.context_pending = flags & 4;
    line.switch_ns_is_receipt = flags & 8;
    line.has_time = flags & 16;
    source.tenant = cursor_be(&c, 4);
    source.ofp_port = cursor_be(&c, 4);
    line.switch_ns = cursor_be(&c, 8);
    line.time_ns = (int64_t) cursor_be(&c, 8);
    line.seq_epoch = cursor_be(&c, 4);
    line.seq_number = cursor_be(&c, 4);
    line.redactions = cursor_be(&c, 4);
    line.pri = cursor_be(&c, 1);
    cursor_copy(&c, source.vm, sizeof source.vm);
    cursor_copy(&c, source.mac, sizeof source.mac);
    source.vtep = take_field(&c, 1);
    source.context = take_field(&c, 2);
    line.activity = take_field(&c, 1);
    line.src_ip = take_field(&c, 1);
    line.owner_pid = line.redactions / 2;
    line.owner_uid = line.seq_number;
    line.hostname = take_field(&c, 1);
    line.app_name = take_field(&c, 1);
    line.procid = take_field(&c, 1);
    line.msgid = take_field(&c, 1);
    line.sd = take_field(&c, 2);
    if (flags & 32) {
        take_gap(&c, &line.gap);
    }
    if (flags & 64) {
        take_verbose(&c, &line.verbose);
    }
    if (flags & 128) {
        line.ambiguous = true;
        line.clock_skew_ms = line.time_ns;
        line.receipt = take_field(&c, 1);
    }
    line.msg = cursor_rest(&c);

    struct rfc5424_source *s = rfc5424_source_create(&source, SD_ID);
    size_t cap = 4096 + 16 * size;
    uint8_t *buf = malloc(cap);
    size_t n = rfc5424_put_line(buf, cap, s, &line);
    if (!n) {
        abort();
    }
    check_frame(buf, n, &line);

    /* It fits into exactly its size and into nothing less. */
    uint8_t *exact = malloc(n);
    if (rfc5424_put_line(exact, n, s, &line) != n || memcmp(exact, buf, n)
        || rfc5424_put_line(exact, n - 1, s, &line)) {
        abort();
    }
    free(exact);
    free(buf);
    rfc5424_source_destroy(s);
    return 0;
}
