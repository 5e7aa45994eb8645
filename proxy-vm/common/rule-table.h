/* SPDX-License-Identifier: Apache-2.0
 *
 * The client rules of a configuration, compiled.
 *
 * Runs in: sluice-intake; sluicectl, which tries them. */
#ifndef SLUICE_RULE_TABLE_H
#define SLUICE_RULE_TABLE_H 1

#include "proxy-config.h"
#include "rules.h"

/* Compiles the rules of 'config', which may be null and is not used any more
 * afterwards.  Returns null and '*ret', which the caller owns, or a malloc()ed
 * sentence. */
char *rule_table_load(const struct config *config, struct rules **ret);

#endif /* proxy-vm/common/rule-table.h */
