/* SPDX-License-Identifier: Apache-2.0
 *
 * The policy of context of a configuration.  See context-table.h. */
#include <config.h>

#include "context-table.h"

#include <stdlib.h>

#include "util.h"

char *
context_table_load(const struct config *config, struct context_policy **ret)
{
    size_t n_sets = config ? config->context.sets_count : 0;
    size_t n_rules = config ? config->context.policy_count : 0;
    size_t n_tenants = config ? config->tenants_count : 0, n_shares = 0;
    struct context_set_spec *sets = xcalloc(n_sets + 1, sizeof *sets);
    struct context_rule_spec *rules = xcalloc(n_rules + 1, sizeof *rules);
    struct context_share_spec *shares = xcalloc(n_tenants + 1, sizeof *shares);

    for (size_t i = 0; i < n_sets; i++) {
        sets[i].name = config->context.sets[i].name;
        sets[i].keys = config->context.sets[i].keys;
    }
    for (size_t i = 0; i < n_rules; i++) {
        const struct config_context_rule *rule = &config->context.policy[i];

        rules[i] = (struct context_rule_spec) {
            .tenant = rule->tenant,
            .severity = rule->severity,
            .facility = rule->facility,
            .app = rule->app,
            .sets = rule->sets,
        };
    }
    for (size_t i = 0; i < n_tenants; i++) {
        const struct config_tenant *t = &config->tenants[i];

        if (t->context_sets) {
            shares[n_shares].tenant = t->id;
            shares[n_shares++].sets = t->context_sets;
        }
    }
    int error = context_policy_create(sets, n_sets, rules, n_rules, shares,
                                      n_shares, ret);
    free(shares);
    free(rules);
    free(sets);
    return (!error ? NULL
            : xasprintf("the policy of context can't be made: %s.",
                        ovs_strerror(error)));
}
