/* SPDX-License-Identifier: Apache-2.0
 *
 * Redaction rules as files have them: the built-in ones, which are the text of
 * redaction-rules.yaml, and those that a tenant adds.
 *
 * In: a YAML text.  Out: rules, and what else the text says.
 * Runs in: sluice-intake, and whoever checks a file. */
#ifndef SLUICE_REDACT_RULES_H
#define SLUICE_REDACT_RULES_H 1

#include "redact-internal.h"

/* Rules of one or several texts, those first that take precedence. */
struct redact_rules {
    struct redact_rule *rules;
    size_t n_rules;
    size_t n_allocated;
    char **allow;               /* Values that are no secrets. */
    size_t n_allow;
};

/* The text of the built-in rules. */
extern const char redact_builtin_text[];

/* Reads 'size' bytes at 'text' and adds what it says to '*rules': its own
 * rules go before those that are there.  'path' is named in sentences only.
 * Returns null, or a malloc()ed sentence that names file and line; '*rules' is
 * then to be destroyed, as it may have a part of the text.  Aborts without
 * memory. */
char *redact_rules_add(struct redact_rules *rules, const char *path,
                       const char *text, size_t size);
void redact_rules_destroy(struct redact_rules *);

/* Returns the rule 'id', or null. */
struct redact_rule *redact_rules_find(struct redact_rules *, const char *id);

#endif /* lib/redact-rules.h */
