/* SPDX-License-Identifier: Apache-2.0
 *
 * The checks of a configuration's rules, and the sentences that refuse one.
 *
 * In: the nodes of the file.  Out: null or a sentence.
 * Runs in: all programs of the proxy, when they load the configuration. */
#include <config.h>

#include "proxy-config-keys.h"

#include <stdlib.h>
#include <string.h>

#include "openvswitch/dynamic-string.h"
#include "proxy-config.h"
#include "rule-match.h"
#include "rules.h"
#include "util.h"
#include "yaml-map.h"

/* Keys that go with one action only. */
static const struct {
    const char *key;
    enum rule_action action;
    bool required;
} action_keys[] = {
    { "one-in", RULE_SAMPLE, true },
    { "rate", RULE_RATE_LIMIT, true },
    { "burst", RULE_RATE_LIMIT, false },
    { "per", RULE_RATE_LIMIT, false },
    { "window-ms", RULE_DEDUPLICATE, true },
    { "destination", RULE_ROUTE, true },
};

static char *
list_actions(void)
{
    struct ds s = DS_EMPTY_INITIALIZER;

    ds_put_cstr(&s, "take one of");
    for (int i = 0; i < N_RULE_ACTIONS; i++) {
        ds_put_format(&s, "%s %s", i ? "," : "", rule_action_name(i));
    }
    return ds_steal_cstr(&s);
}

static char *
list_names(const char *what, const char *(*name_of)(unsigned int number))
{
    struct ds s = DS_EMPTY_INITIALIZER;
    const char *name;

    ds_put_format(&s, "write %s, and give", what);
    for (unsigned int i = 0; (name = name_of(i)) != NULL; i++) {
        ds_put_format(&s, "%s %s", i ? "," : "", name);
    }
    return ds_steal_cstr(&s);
}

static char *
check_pattern(const char *pattern)
{
    char *complaint = rules_check_pattern(pattern);
    char *advice = complaint ? xasprintf("Hyperscan says: %s",
                                         complaint) : NULL;

    /* Its sentences have their own full stop. */
    if (advice && advice[strlen(advice) - 1] == '.') {
        advice[strlen(advice) - 1] = '\0';
    }
    free(complaint);
    return advice;
}

static char *
check_names(const char *names)
{
    struct rule_glob *globs;
    size_t n;

    if (rule_globs_parse(names, &globs, &n)) {
        return xasprintf("give 1 to %d names with a comma between each two",
                         RULE_MAX_GLOBS);
    }
    free(globs);
    return NULL;
}

char *
config_check_rule_value(enum config_type type, const char *value)
{
    enum rule_action action;
    uint32_t facilities;
    uint8_t severities;

    switch (type) {
    case CONFIG_TYPE_SEVERITIES:
        return (rule_parse_severities(value, &severities) ? NULL
                : list_names("debug or warning..emerg or info, debug",
                             rule_severity_name));
    case CONFIG_TYPE_FACILITIES:
        return (rule_parse_facilities(value, &facilities) ? NULL
                : list_names("cron or local0..local7 or mail, news",
                             rule_facility_name));
    case CONFIG_TYPE_NAMES:
        return check_names(value);
    case CONFIG_TYPE_PATTERN:
        return check_pattern(value);
    case CONFIG_TYPE_ACTION:
        return rule_action_find(value, &action) ? NULL : list_actions();
    case CONFIG_TYPE_SCOPE:
        return (!strcmp(value, "vm") || !strcmp(value, "tenant") ? NULL
                : xstrdup("give one of these"));
    case CONFIG_TYPE_UINT:
    case CONFIG_TYPE_UINTS:
    case CONFIG_TYPE_ADDRESS:
    case CONFIG_TYPE_PATH:
    case CONFIG_TYPE_SD_ID:
    case CONFIG_TYPE_NAME:
    case CONFIG_TYPE_SERVER:
    case CONFIG_TYPE_SERVERS:
    case CONFIG_TYPE_URI:
    case CONFIG_TYPE_CHOICE:
    case CONFIG_TYPE_LIST:
    default:
        OVS_NOT_REACHED();
    }
}

/* Checks the keys of rule 'i', whose action is 'action', that go with one
 * action only. */
static char *
check_action_keys(const char *path, const struct yaml_map *map, size_t i,
                  enum rule_action action)
{
    for (size_t j = 0; j < ARRAY_SIZE(action_keys); j++) {
        const char *key = action_keys[j].key;
        const struct yaml_node *node = yaml_map_find(
            map, "rules[%"PRIuSIZE"].%s", i, key);

        if (node && action != action_keys[j].action) {
            return yaml_complain(path, node, "it does not go with the action "
                                 "%s; take it out, or choose %s.",
                                 rule_action_name(action),
                                 rule_action_name(action_keys[j].action));
        } else if (!node && action_keys[j].required
                   && action == action_keys[j].action) {
            return yaml_complain(path, yaml_map_find(map, "rules[%"PRIuSIZE
                                                     "].action", i),
                                 "the action %s needs a %s; give it one.",
                                 rule_action_name(action), key);
        }
    }
    return NULL;
}

char *
config_check_rules(const char *path, const struct yaml_map *map,
                   const struct config *config)
{
    char *sentence = NULL;

    if (config->rules_count > RULES_MAX) {
        return yaml_complain(path, yaml_map_find(map, "rules"),
                             "there are %u rules; give at most %d.",
                             config->rules_count, RULES_MAX);
    }
    for (size_t i = 0; i < config->rules_count && !sentence; i++) {
        const struct config_rule *rule = &config->rules[i];
        enum rule_action action;

        if (rule->tenant && !config_find_tenant(config, rule->tenant)) {
            sentence = yaml_complain(
                path, yaml_map_find(map, "rules[%"PRIuSIZE"].tenant", i),
                "there is no tenant %u; add it to tenants, or take the rule "
                "out.", rule->tenant);
        } else if (rule_action_find(rule->action, &action)) {
            sentence = check_action_keys(path, map, i, action);
        }
    }
    return (sentence ? sentence
            : config_check_unique(path, map, "rules", config->rules_count,
                                  "name"));
}
