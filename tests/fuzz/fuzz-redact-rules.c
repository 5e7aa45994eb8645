/* SPDX-License-Identifier: Apache-2.0
 *
 * Fuzzes the reader of redaction rules, which tenants write.  What it takes is
 * within its limits, and each rule can be compiled; what it refuses it refuses
 * with a sentence. */
#include <stdlib.h>

#include "redact-rules.h"
#include "sentence.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check(bool condition)
{
    if (!condition) {
        abort();
    }
}

static void
check_pattern(const struct redact_pattern *pattern)
{
    check(pattern->n_items <= REDACT_MAX_ITEMS);
    check(pattern->secret <= pattern->n_items
          || pattern->secret == SIZE_MAX);
    for (size_t i = 0; i < pattern->n_items; i++) {
        check(pattern->items[i].min <= pattern->items[i].max);
    }
}

static void
check_rule(struct redact_rules *rules, struct redact_rule *rule)
{
    check(rule->id && *rule->id && rule->matcher);
    check(strspn(rule->id, "abcdefghijklmnopqrstuvwxyz0123456789-")
          == strlen(rule->id));
    check(redact_rules_find(rules, rule->id) == rule);
    check(!rule->builtin);
    check(rule->action <= REDACT_DROP_MESSAGE);
    for (size_t i = 0; i < rule->n_literals; i++) {
        check(strlen(rule->literals[i]) >= 2);
        check(strlen(rule->literals[i]) <= 64);
    }
    check_pattern(&rule->before);
    check_pattern(&rule->pattern);
    for (size_t i = 0; i < rule->before.n_items; i++) {
        check(rule->before.items[i].max <= REDACT_MAX_BEFORE);
    }
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char known[]
        = "rules: [{id: known, match: value, literals: [known]}, "
          "{id: other, match: value, literals: [other]}]";
    struct redact_rules rules = { .n_rules = 0 };

    /* What a text says of the rules of those before it. */
    check(!redact_rules_add(&rules, "known", known, strlen(known)));
    char *sentence = redact_rules_add(&rules, "own.yaml", (const char *) data,
                                      size);

    if (sentence) {
        check_sentence(sentence, "own.yaml");
        free(sentence);
    } else {
        check(rules.n_rules <= 1024 && rules.n_allow <= 1024);
        for (size_t i = 0; i < rules.n_rules; i++) {
            check_rule(&rules, &rules.rules[i]);
        }
    }
    redact_rules_destroy(&rules);
    return 0;
}
