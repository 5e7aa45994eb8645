/* SPDX-License-Identifier: Apache-2.0
 *
 * Gap records.  See gap.h. */
#include "gap.h"

#include <inttypes.h>
#include <stdio.h>

enum {
    PRI_SYSLOG_WARNING = 5 * 8 + 4,
    PRI_SYSLOG_NOTICE = 5 * 8 + 5, /* Somebody wants it so. */
};

static const struct {
    const char *name;
    const char *text;
} reasons[N_GAP_REASONS] = {
#define GAP(SYMBOL, NAME, TEXT) [GAP_##SYMBOL] = { NAME, TEXT },
#include "gap.def"
#undef GAP
};

const char *
gap_reason_name(enum gap_reason reason)
{
    return reasons[reason].name;
}

const char *
gap_reason_text(enum gap_reason reason)
{
    return reasons[reason].text;
}

/* "message of "cron" repeated 41 times: [text]".  Returns its size. */
static size_t
compose_repeats(const struct gap *gap, char text[GAP_TEXT_SIZE])
{
    int n = (gap->app_name.size
             ? snprintf(text, GAP_TEXT_SIZE, "message of \"%.*s\" repeated ",
                        (int) gap->app_name.size, gap->app_name.data)
             : snprintf(text, GAP_TEXT_SIZE, "message repeated "));

    n += snprintf(text + n, GAP_TEXT_SIZE - n, "%"PRIu64" time%s: [",
                  gap->lines, gap->lines == 1 ? "" : "s");
    size_t room = GAP_TEXT_SIZE - n - 1;
    size_t size = gap->repeated.size < room ? gap->repeated.size : room;
    memcpy(text + n, gap->repeated.data, size);
    text[n + size] = ']';
    return n + size + 1;
}

static size_t
compose_dropped(const struct gap *gap, char text[GAP_TEXT_SIZE])
{
    return snprintf(text, GAP_TEXT_SIZE, "%"PRIu64" %s %s %.64s", gap->lines,
                    gap->lines == 1 ? "line" : "lines",
                    reasons[gap->reason].text, gap->rule);
}

static size_t
compose_missing(const struct gap *gap, char text[GAP_TEXT_SIZE])
{
    uint64_t n = (gap->packets ? gap->packets : gap->lines ? gap->lines
                  : gap->bytes);
    const char *unit = (gap->packets ? n == 1 ? " packet" : " packets"
                        : gap->lines ? n == 1 ? " line" : " lines"
                        : n == 1 ? " byte" : " bytes");
    char count[32] = "data";

    if (n) {
        snprintf(count, sizeof count, "%"PRIu64"%s", n, unit);
    }
    return snprintf(text, GAP_TEXT_SIZE, "%s %s", count,
                    reasons[gap->reason].text);
}

void
gap_compose(const struct gap *gap, char text[GAP_TEXT_SIZE],
            struct syslog_msg *ret)
{
    size_t n = (gap->repeated.size || gap->app_name.size
                ? compose_repeats(gap, text)
                : gap->rule ? compose_dropped(gap, text)
                : compose_missing(gap, text));

    *ret = (struct syslog_msg) {
        .dialect = SYSLOG_RFC5424,
        .has_pri = true,
        .pri = gap->rule ? PRI_SYSLOG_NOTICE : PRI_SYSLOG_WARNING,
        .app_name = slice_from_string("sluice"),
        .msgid = slice_from_string("gap"),
        .msg = slice_of(text, n),
    };
}
