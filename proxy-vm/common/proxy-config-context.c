/* SPDX-License-Identifier: Apache-2.0
 *
 * The checks of a configuration's policy of context, and the sentences that
 * refuse one.
 *
 * In: the nodes of the file.  Out: null or a sentence.
 * Runs in: all programs of the proxy, when they load the configuration. */
#include <config.h>

#include "proxy-config-keys.h"

#include <stdlib.h>

#include "context-policy.h"
#include "nearest.h"
#include "openvswitch/dynamic-string.h"
#include "proxy-config.h"
#include "rule-match.h"
#include "util.h"
#include "yaml-map.h"

/* Returns the name of set 'i', the configured ones before the others, or
 * null. */
static const char *
set_name(const struct config *config, size_t i)
{
    return (i < config->context.sets_count ? config->context.sets[i].name
            : context_policy_builtin(i - config->context.sets_count));
}

/* Says that 'node' names a set that is not there. */
static char *
complain_of_set(const char *path, const struct yaml_node *node,
                const struct config *config, struct slice name)
{
    char *wanted = xmemdup0((const char *) name.data, name.size);
    struct ds sets = DS_EMPTY_INITIALIZER;
    struct nearest nearest;
    const char *set;

    nearest_init(&nearest, wanted);
    for (size_t i = 0; (set = set_name(config, i)); i++) {
        nearest_try(&nearest, set);
        ds_put_format(&sets, "%s%s", i ? ", " : "", set);
    }
    char *sentence = yaml_complain(
        path, node, "there is no set %.32s%s%s; add it to context.sets, or "
        "take one of %s.", wanted, nearest.name ? ", but there is " : "",
        nearest.name ? nearest.name : "", ds_cstr(&sets));
    ds_destroy(&sets);
    free(wanted);
    return sentence;
}

/* Checks that the sets which 'node' names, if there is one, are there. */
static char *
check_sets(const char *path, const struct yaml_node *node,
           const struct config *config)
{
    struct rule_glob *globs;
    char *sentence = NULL;
    size_t n;

    /* What is no list of names was refused before. */
    if (!node || rule_globs_parse(node->value, &globs, &n)) {
        return NULL;
    }
    for (size_t i = 0; i < n && !sentence; i++) {
        const char *set;
        bool found = false;

        for (size_t j = 0; !found && (set = set_name(config, j)); j++) {
            found = slice_equal(globs[i].pattern, slice_from_string(set));
        }
        if (!found) {
            sentence = complain_of_set(path, node, config, globs[i].pattern);
        }
    }
    free(globs);
    return sentence;
}

char *
config_check_context(const char *path, const struct yaml_map *map,
                     const struct config *config)
{
    const struct config_context *context = &config->context;
    char *sentence = config_check_unique(path, map, "context.sets",
                                         context->sets_count, "name");

    for (size_t i = 0; i < context->policy_count && !sentence; i++) {
        const struct config_context_rule *rule = &context->policy[i];

        if (rule->tenant && !config_find_tenant(config, rule->tenant)) {
            sentence = yaml_complain(
                path, yaml_map_find(map, "context.policy[%"PRIuSIZE"].tenant",
                                    i),
                "there is no tenant %u; add it to tenants, or take it out "
                "here.", rule->tenant);
        } else {
            sentence = check_sets(
                path, yaml_map_find(map, "context.policy[%"PRIuSIZE"].sets",
                                    i), config);
        }
    }
    for (size_t i = 0; i < config->tenants_count && !sentence; i++) {
        sentence = check_sets(
            path, yaml_map_find(map, "tenants[%"PRIuSIZE"].context-sets", i),
            config);
    }
    return sentence;
}
