/* SPDX-License-Identifier: Apache-2.0
 *
 * Stage 5, claims.  See s5-claims.h. */
#include <config.h>

#include "s5-claims.h"

void
claims_run(struct record *rec, uint32_t threshold_ms)
{
    struct source *source = rec->source;
    const struct syslog_msg *m = &rec->msg;
    int64_t ms;

    rec->clock_skew_ms = 0;
    /* Whoever has no slot of his own shares one with others. */
    if (!source->stats->tenant) {
        return;
    }
    if (m->has_time && rec->switch_ns <= INT64_MAX) {
        clock_skew_add(&source->skew, m->time_ns, m->has_zone,
                       rec->switch_ns);
    }
    if (clock_skew_get(&source->skew, &ms)) {
        stats_set(&source->stats->clock_skew_ms, ms);
        stats_set(&source->stats->clock_skew_known, 1);
        if (ms >= (int64_t) threshold_ms || ms <= -(int64_t) threshold_ms) {
            rec->clock_skew_ms = ms;
        }
    }
}
