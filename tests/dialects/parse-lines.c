/* SPDX-License-Identifier: Apache-2.0
 *
 * Shows what Sluice makes of messages: what the parser reads, and what goes
 * out of it to a tenant.
 *
 * In: octet-counted messages (RFC 6587 section 3.4.1) on standard input; the
 * time at which the switch saw them, in nanoseconds since 1970, as the
 * argument.
 * Out: for each message a JSON object on a line of its own.  Strings stand for
 * bytes, one character for each.
 * Runs in: tests/dialects/test-*.py. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "../strict-rfc5424.h"
#include "rfc5424.h"
#include "syslog-msg.h"

enum { MAX_MESSAGE = 1 << 16, MAX_FRAME = 2 * MAX_MESSAGE };

static void
die(const char *why)
{
    fprintf(stderr, "parse-lines: %s\n", why);
    exit(EXIT_FAILURE);
}

static void
print_string(const char *name, const uint8_t *p, size_t n)
{
    printf("\"%s\":\"", name);
    for (size_t i = 0; i < n; i++) {
        if (p[i] < ' ' || p[i] > '~' || p[i] == '"' || p[i] == '\\') {
            printf("\\u%04x", p[i]);
        } else {
            putchar(p[i]);
        }
    }
    printf("\",");
}

static void
print_slice(const char *name, struct slice s)
{
    print_string(name, s.data, s.size);
}

/* Renders 'm' as sluice-ship does and prints what the strict parser reads. */
static void
print_output(const struct rfc5424_source *source, const struct syslog_msg *m)
{
    static struct strict_message out;
    static uint8_t frame[MAX_FRAME];
    const struct batch_line line = {
        .source = 1,
        .switch_ns = 1,
        .pri = m->pri,
        .has_time = m->has_time,
        .time_ns = m->time_ns,
        .hostname = m->hostname,
        .app_name = m->app_name,
        .procid = m->procid,
        .msgid = m->msgid,
        .sd = m->sd,
        .msg = m->msg,
    };
    size_t n = rfc5424_put_line(frame, sizeof frame, source, &line);
    const char *wanted = n ? strict_parse(frame, n, &out) : "a frame";

    if (wanted) {
        printf("\"wanted\":\"%s\",", wanted);
        return;
    }
    printf("\"out-pri\":%u,", out.pri);
    print_string("out-app", out.app_name.p, out.app_name.n);
    print_string("out-procid", out.procid.p, out.procid.n);
    print_string("out-msgid", out.msgid.p, out.msgid.n);
    print_string("out-msg", out.msg.p, out.msg.n);
}

static void
print_message(const struct rfc5424_source *source, struct slice message,
              int64_t reference_ns)
{
    static const char *const dialects[] = {
        [SYSLOG_BARE] = "bare",
        [SYSLOG_RFC3164] = "rfc3164",
        [SYSLOG_RFC5424] = "rfc5424",
    };
    struct syslog_msg m;

    syslog_msg_parse(message, reference_ns, &m);
    putchar('{');
    print_slice("timestamp", m.timestamp);
    print_slice("host", m.hostname);
    print_slice("app", m.app_name);
    print_slice("procid", m.procid);
    print_slice("msgid", m.msgid);
    print_slice("sd", m.sd);
    print_slice("msg", m.msg);
    print_output(source, &m);
    if (m.has_time) {
        printf("\"time\":%"PRId64",\"zone\":%s,", m.time_ns,
               m.has_zone ? "true" : "false");
    }
    if (m.has_pri) {
        printf("\"pri\":%d,", m.pri);
    }
    printf("\"dialect\":\"%s\"}\n", dialects[m.dialect]);
}

int
main(int argc, char *argv[])
{
    static const struct batch_source about = { .id = 1, .tenant = 7 };
    struct rfc5424_source *source = rfc5424_source_create(&about,
                                                          "sluice@32473");
    unsigned int size;
    int n;

    if (argc != 2 || !source) {
        die("usage: parse-lines NANOSECONDS");
    }
    int64_t reference_ns = strtoll(argv[1], NULL, 10);
    while ((n = scanf("%u", &size)) == 1) {
        if (size > MAX_MESSAGE || getchar() != ' ') {
            die("a frame begins with its length and a space");
        }
        /* Of the exact size, so that a sanitizer sees a read past the end. */
        uint8_t *message = malloc(size ? size : 1);
        if (!message || fread(message, 1, size, stdin) != size) {
            die("the last frame is cut");
        }
        print_message(source, slice_of(message, size), reference_ns);
        free(message);
    }
    rfc5424_source_destroy(source);
    return n == EOF ? EXIT_SUCCESS : EXIT_FAILURE;
}
