/* SPDX-License-Identifier: Apache-2.0
 *
 * Gap records.  See gap.h. */
#include "gap.h"

#include <inttypes.h>
#include <stdio.h>

enum { PRI_SYSLOG_WARNING = 5 * 8 + 4 };

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

void
gap_compose(const struct gap *gap, char text[GAP_TEXT_SIZE],
            struct syslog_msg *ret)
{
    uint64_t n = gap->packets ? gap->packets : gap->bytes;
    const char *unit = (gap->packets ? n == 1 ? " packet" : " packets"
                        : n == 1 ? " byte" : " bytes");
    char count[32] = "data";

    if (n) {
        snprintf(count, sizeof count, "%"PRIu64"%s", n, unit);
    }
    snprintf(text, GAP_TEXT_SIZE, "%s %s", count,
             reasons[gap->reason].text);
    *ret = (struct syslog_msg) {
        .dialect = SYSLOG_RFC5424,
        .has_pri = true,
        .pri = PRI_SYSLOG_WARNING,
        .app_name = slice_from_string("sluice"),
        .msgid = slice_from_string("gap"),
        .msg = slice_from_string(text),
    };
}
