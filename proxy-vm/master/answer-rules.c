/* SPDX-License-Identifier: Apache-2.0
 *
 * Answers what the client rules did.  See answer-private.h. */
#include <config.h>

#include "answer-private.h"

#include <string.h>

static const struct stats_rule *
find_rule(const struct intake_stats *stats, const char *name)
{
    for (size_t i = 0; stats && i < STATS_MAX_RULES; i++) {
        if (!strncmp(stats->rules[i].name, name,
                     sizeof stats->rules[i].name)) {
            return &stats->rules[i];
        }
    }
    return NULL;
}

void
answer_rules(struct master *m, struct draft *d)
{
    const struct intake_stats *stats = answer_map_intake(m);

    for (size_t i = 0; i < m->config->rules_count; i++) {
        const struct config_rule *rule = &m->config->rules[i];
        const struct stats_rule *s = find_rule(stats, rule->name);
        Sluice__Rule *r = ADD(d, Sluice__Rule, rules, allocated_rules);

        sluice__rule__init(r);
        r->name = own_string(d, rule->name);
        r->action = own_string(d, rule->action);
        r->tenant = rule->tenant;
        if (s) {
            r->matched = stats_get(&s->matched);
            r->dropped = stats_get(&s->dropped);
            r->announced = stats_get(&s->announced);
        }
    }
    stats_unmap(stats);
}
