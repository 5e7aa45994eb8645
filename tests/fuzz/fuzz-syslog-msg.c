/* SPDX-License-Identifier: Apache-2.0
 *
 * Fuzzes the syslog parser.  Each field must lie inside the input, behind the
 * one before it, and within its limits; structured data must be well-formed;
 * what has no header must be all there, and of what has one nothing may be
 * missing but what parts its fields. */
#include <stdlib.h>

#include "syslog-msg.h"
#include "syslog-time.h"
#include "utf8.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Checks that 'field' stands between '*from' and 'end', and moves '*from'
 * behind it. */
static void
check_field(struct slice field, size_t max, const uint8_t **from,
            const uint8_t *end)
{
    if (!field.size) {
        return;
    }
    if (field.size > max || field.data < *from
        || field.data + field.size > end) {
        abort();
    }
    *from = field.data + field.size;
}

static void
check_sd(struct slice sd)
{
    struct cursor c = cursor_of(sd);
    struct slice id;

    while (c.left) {
        if (!syslog_sd_take(&c, &id) || !id.size
            || id.size > SYSLOG_MAX_SD_NAME) {
            abort();
        }
    }
    if (!utf8_is_valid(sd)) {
        abort();
    }
}

static bool
is_in(const uint8_t *p, struct slice s)
{
    return s.size && p >= s.data && p < s.data + s.size;
}

/* Checks that what 'm', an RFC 3164 message, has in no field is nothing but
 * what parts the fields, a zone by name, or AIX's words. */
static void
check_nothing_lost(struct slice input, const struct syslog_msg *m)
{
    static const char aix[] = "Messageforwardedfrom";
    const uint8_t *p = input.data, *end = p + input.size;
    char rest[32];
    size_t n = 0;

    if (m->has_pri) {
        p = memchr(p, '>', input.size);
    }
    for (; p < end; p++) {
        if (is_in(p, m->timestamp) || is_in(p, m->hostname)
            || is_in(p, m->app_name) || is_in(p, m->procid)
            || is_in(p, m->msg) || memchr(">: []-\n\r\xef\xbb\xbf", *p, 12)) {
            continue;
        }
        if (n == sizeof rest) {
            abort();
        }
        rest[n++] = *p;
    }

    struct slice words = slice_of(rest, n);
    int32_t ignored;
    if (n >= sizeof aix - 1
        && !memcmp(rest + n - (sizeof aix - 1), aix, sizeof aix - 1)) {
        words.size -= sizeof aix - 1;
    }
    if (words.size && !syslog_find_zone(words, &ignored)) {
        abort();
    }
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const int64_t references[] = {
        INT64_C(1795176780000000000), INT64_MIN, INT64_MAX
    };
    const uint8_t *end = data + size;
    struct syslog_msg m;

    for (size_t i = 0; i < sizeof references / sizeof references[0]; i++) {
        const uint8_t *from = data;

        syslog_msg_parse(slice_of(data, size), references[i], &m);
        if (m.hostname.data < m.timestamp.data) {
            /* Cisco's devices put it in front. */
            check_field(m.hostname, SYSLOG_MAX_HOSTNAME, &from, end);
        }
        check_field(m.timestamp, 64, &from, end);
        if (m.hostname.data > m.timestamp.data) {
            check_field(m.hostname, SYSLOG_MAX_HOSTNAME, &from, end);
        }
        check_field(m.app_name, SYSLOG_MAX_APP_NAME, &from, end);
        check_field(m.procid, SYSLOG_MAX_PROCID, &from, end);
        check_field(m.msgid, SYSLOG_MAX_MSGID, &from, end);
        check_field(m.sd, SIZE_MAX, &from, end);
        if (m.dialect == SYSLOG_RFC3164) {
            check_nothing_lost(slice_of(data, size), &m);
            if (m.msg.data < from) {
                from = data;    /* It is the whole text. */
            }
        }
        check_field(m.msg, SIZE_MAX, &from, end);
        check_sd(m.sd);
        if (m.pri > SYSLOG_MAX_PRI
            || (!m.has_pri && m.pri != SYSLOG_DEFAULT_PRI)
            || (m.dialect == SYSLOG_RFC5424 && !m.has_pri)
            || (m.dialect == SYSLOG_BARE
                && (m.timestamp.size || m.hostname.size || m.app_name.size
                    || m.sd.size || m.has_time))) {
            abort();
        }
        /* Nothing but PRI, a BOM and line ends may be missing. */
        if (m.dialect == SYSLOG_BARE && !m.has_pri && size && data[0] != 0xef
            && data[0] != '\r' && data[0] != '\n' && data[0]
            && (m.msg.data != data || !m.msg.size)) {
            abort();
        }
    }
    return 0;
}
