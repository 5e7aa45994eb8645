/* SPDX-License-Identifier: Apache-2.0
 *
 * Which of the values that are known of a VM its lines get: by tenant,
 * severity, facility and application, in sets of keys.
 *
 * In: sets, rules of the policy, what tenants may see; records of the context
 * snapshot; lines.
 * Out: records for a batch, of the values that a tenant may see at all, each
 * with the sets it is in; and for each line the sets that it gets.
 * Runs in: sluice-intake.
 *
 * A batch has a record once, whatever its lines get of it.  Of the rules the
 * first that is for a line counts; behind them stand the defaults of
 * context-sets.def, so that there is one.  For a tenant and a severity it is
 * known beforehand, unless a rule before it asks for a facility or an
 * application. */
#ifndef SLUICE_CONTEXT_POLICY_H
#define SLUICE_CONTEXT_POLICY_H 1

#include "slice.h"

enum {
    CONTEXT_MAX_SETS = 16,      /* Configured. */
    CONTEXT_MAX_RULES = 256,
};

struct context_set_spec {
    const char *name;
    const char *keys;           /* Names as in rule-match.h, '!' before those
                                 * that are left out. */
};

/* What is null, or a tenant of 0, is for every line; see rule-match.h for the
 * words. */
struct context_rule_spec {
    uint32_t tenant;
    const char *severity;
    const char *facility;
    const char *app;
    const char *sets;           /* Names of sets, with commas between. */
};

struct context_share_spec {
    uint32_t tenant;
    const char *sets;           /* That the tenant may see, likewise. */
};

struct context_policy;
struct context_tenant;          /* What it says of a tenant. */

/* Makes a policy.  Returns 0 and '*ret', which the caller owns and which
 * copied what it needs, ENOMEM, or EINVAL where words are wrong or a set is
 * not there. */
int context_policy_create(const struct context_set_spec *, size_t n_sets,
                          const struct context_rule_spec *, size_t n_rules,
                          const struct context_share_spec *, size_t n_shares,
                          struct context_policy **ret);
void context_policy_destroy(struct context_policy *);

/* Returns the name of a set that is there without configuration, or null if
 * there are no more. */
const char *context_policy_builtin(size_t i);

/* Returns what is said of 'tenant': never null, and the policy's. */
const struct context_tenant *
context_policy_tenant(const struct context_policy *, uint32_t tenant);

/* Returns the sets of values that a line gets, as batch_line.context_sets has
 * them; 0: all that its tenant may see. */
uint32_t context_policy_line(const struct context_tenant *, uint8_t pri,
                             struct slice app_name);

/* Writes what 'tenant' may see of 'record' to 'buf' of 'cap' bytes, and
 * returns how many those are; 0 if there is no room, or the record can't be
 * read. */
size_t context_policy_filter(struct context_policy *,
                             const struct context_tenant *tenant,
                             struct slice record, uint8_t *buf, size_t cap);

#endif /* lib/context-policy.h */
