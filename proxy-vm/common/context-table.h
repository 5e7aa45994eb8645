/* SPDX-License-Identifier: Apache-2.0
 *
 * The policy of context of a configuration, compiled.
 *
 * In: a checked configuration.  Out: a policy.
 * Runs in: sluice-intake. */
#ifndef SLUICE_CONTEXT_TABLE_H
#define SLUICE_CONTEXT_TABLE_H 1

#include "context-policy.h"
#include "proxy-config.h"

/* Makes the policy of 'config', which may be null: the defaults.  Returns null
 * and '*ret', which the caller owns, or a malloc()ed sentence. */
char *context_table_load(const struct config *config,
                         struct context_policy **ret);

#endif /* proxy-vm/common/context-table.h */
