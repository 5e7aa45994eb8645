/* SPDX-License-Identifier: Apache-2.0
 *
 * Stage 7, quota.  See s7-quota.h. */
#include <config.h>

#include "s7-quota.h"

#include "proxy-config.h"
#include "s7-age.h"
#include "spool.h"
#include "stats.h"
#include "timeval.h"
#include "util.h"

enum {
    LOOK_RARELY_MS = 30000,
    WATCH_PER_CENT = 50,        /* From here on it is worth to look often. */
    AGE_STEPS = 32,             /* Looks within the longest age. */
};

/* sluice.yaml(5) says the same, at quota-mib and quota-age-s. */
static const struct {
    unsigned int fill_per_cent;     /* From here on... */
    int severity;                   /* ...no higher one gets in. */
} levels[] = {
    { 100, -1 },
    { 95, 2 },                      /* Critical, alert, emergency. */
    { 90, 3 },                      /* Error. */
    { 80, 4 },                      /* Warning. */
    { 70, 6 },                      /* Notice, info. */
};

int
quota_lets_in(unsigned int fill_per_cent)
{
    for (size_t i = 0; i < ARRAY_SIZE(levels); i++) {
        if (fill_per_cent >= levels[i].fill_per_cent) {
            return levels[i].severity;
        }
    }
    return 7;
}

unsigned int
quota_fill(uint64_t used, uint64_t limit)
{
    return limit ? MIN(used * 100 / limit, 1000) : 0;
}

unsigned int
quota_fill_waiting(unsigned int n_waiting, unsigned int max_waiting)
{
    /* From half of it on, as above; the last batch that may wait is for what
     * matters most. */
    static const unsigned int fills[] = { 70, 80, 90, 95 };
    unsigned int half = max_waiting / 2;

    return (n_waiting < half ? 0
            : fills[MIN((n_waiting - half) * ARRAY_SIZE(fills)
                        / (max_waiting - half), ARRAY_SIZE(fills) - 1)]);
}

void
quota_set(struct quota *q, const struct config_tenant *config)
{
    q->limit = config ? (uint64_t) config->quota_mib << 20 : 0;
    q->age_limit_ms = config ? config->quota_age_s * UINT64_C(1000) : 0;
}

/* Finds out for how long the oldest batch in the queues of 'config' has
 * waited. */
static uint64_t
look_at_age(const struct quota *q, struct spool *spool,
            const struct config_tenant *config, struct stats_ages *ages)
{
    struct spool_item first, last, oldest, newest;
    struct spool_queue queue;
    bool any = false;

    for (unsigned int i = 0; i < config_n_queues(config); i++) {
        if (!spool_queue_init(&queue, config->id,
                              config_queue_name(config, i))
            || !spool_span(spool, &queue, &first, &last)) {
            continue;
        }
        if (!any || spool_item_compare(&first, &oldest) < 0) {
            oldest = first;
        }
        if (!any || spool_item_compare(&last, &newest) > 0) {
            newest = last;
        }
        any = true;
    }
    return any ? age_of(ages, &oldest, &newest, age_boot_ms(),
                        q->age_limit_ms / AGE_STEPS) : 0;
}

void
quota_look(struct quota *q, struct spool *spool, uint32_t tenant,
           const struct config_tenant *config, struct stats_tenant *stats)
{
    long long int delay = LOOK_RARELY_MS;
    uint64_t used;

    if (!spool_usage(spool, tenant, &used)) {
        q->used = used;
        q->age_ms = (q->age_limit_ms
                     ? look_at_age(q, spool, config, &stats->ages) : 0);
        stats_set(&stats->counters[TENANT_OLDEST_AGE], q->age_ms / 1000);
    }
    if (quota_fill(q->used, q->limit) >= WATCH_PER_CENT) {
        delay = QUOTA_LOOK_MS;
    } else if (q->age_limit_ms) {
        delay = MAX(MIN(delay, (long long int) q->age_limit_ms / AGE_STEPS),
                    QUOTA_LOOK_MS);
    }
    q->look_at = time_msec() + delay;
}

unsigned int
quota_update(struct quota *q, unsigned int waiting)
{
    unsigned int fill = quota_fill(q->used, q->limit);
    int age_lets_in = quota_lets_in(quota_fill(q->age_ms, q->age_limit_ms));

    q->room_lets_in = quota_lets_in(MAX(fill, waiting));
    q->lets_in = MIN(q->room_lets_in, age_lets_in);
    return fill;
}

enum sluice_drop
quota_reason(const struct quota *q, int severity)
{
    return (severity <= q->room_lets_in ? SLUICE_DROP_SPOOL_AGE
            : q->room_lets_in < 0 ? SLUICE_DROP_SPOOL_QUOTA
            : SLUICE_DROP_SPOOL_SHED);
}
