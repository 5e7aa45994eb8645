/* SPDX-License-Identifier: Apache-2.0
 *
 * What client rules remember of lines.  Private to rules*.c.
 *
 *     meters      by rule and VM or tenant: place in a sample, bucket of a rate
 *     duplicates  by VM: texts that went on, and how often they came again
 *
 * Both are arrays of small sets.  Whoever belongs into a full one takes the
 * place that is longest out of use: there, a rule forgets, which lets a line
 * too many pass but drops none.  A duplicate that has something to tell keeps
 * its place; a text that finds none is not remembered. */
#ifndef SLUICE_RULES_STATE_H
#define SLUICE_RULES_STATE_H 1

#include "rules.h"

/* Counts a line of whom 'id' names.  Return true if it goes on. */
bool rules_state_sample(struct rules_state *, uint64_t id, uint64_t now_ms,
                        uint32_t one_in);
bool rules_state_rate(struct rules_state *, uint64_t id, uint64_t now_ms,
                      uint32_t rate, uint32_t burst);

/* Returns true if 'line' does not repeat one that 'rule', whose key is
 * 'rule_key', let pass at most 'window_ms' ago. */
bool rules_state_first(struct rules_state *, unsigned int rule,
                       uint64_t rule_key, const struct rules_line *line,
                       uint32_t window_ms);

/* The keyed hash by which origins are known. */
uint64_t rules_state_hash(const struct rules_state *, uint32_t tenant,
                          struct slice identity);

/* Brings two hashes together. */
static inline uint64_t
rules_mix(uint64_t a, uint64_t b)
{
    uint64_t x = (a ^ (b << 31 | b >> 33)) * UINT64_C(0x9e3779b97f4a7c15);

    x = (x ^ x >> 32) * UINT64_C(0xd6e8feb86659fd93);
    return x ^ x >> 32;
}

#endif /* lib/rules-state.h */
