/* SPDX-License-Identifier: Apache-2.0
 *
 * The client rules of a configuration.  See rule-table.h. */
#include <config.h>

#include "rule-table.h"

#include <stdlib.h>
#include <string.h>

#include "util.h"

char *
rule_table_load(const struct config *config, struct rules **ret)
{
    size_t n = config ? config->rules_count : 0;
    struct rules_spec *specs = xcalloc(n + 1, sizeof *specs);

    for (size_t i = 0; i < n; i++) {
        const struct config_rule *rule = &config->rules[i];
        enum rule_action action = RULE_KEEP;

        rule_action_find(rule->action, &action);
        specs[i] = (struct rules_spec) {
            .name = rule->name,
            .tenant = rule->tenant,
            .vm = rule->vm,
            .app = rule->app,
            .facility = rule->facility,
            .severity = rule->severity,
            .pattern = rule->pattern,
            .action = action,
            .one_in = rule->one_in,
            .rate = rule->rate,
            .burst = rule->burst,
            .per_tenant = rule->per && !strcmp(rule->per, "tenant"),
            .window_ms = rule->window_ms,
            .destination = rule->destination,
        };
    }
    char *sentence = rules_create(specs, n, ret);
    free(specs);
    return sentence;
}
