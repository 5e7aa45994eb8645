/* SPDX-License-Identifier: Apache-2.0
 *
 * The words by which client rules say which lines they are for: severities,
 * facilities, patterns with wildcards.
 *
 * In: strings of the configuration.  Out: bits and lists to compare with.
 * Runs in: sluice-intake; sluiced and sluicectl, which check a configuration.
 */
#ifndef SLUICE_RULE_MATCH_H
#define SLUICE_RULE_MATCH_H 1

#include "slice.h"

/* Reads "NAME", "NAME..NAME" (both ends count, in either order) or several of
 * these with commas between, into bits: 1 << number.  Return true and
 * '*ret', or false. */
bool rule_parse_severities(const char *, uint8_t *ret);
bool rule_parse_facilities(const char *, uint32_t *ret);

/* "warning", "cron"; null if there is no such number. */
const char *rule_severity_name(unsigned int severity);
const char *rule_facility_name(unsigned int facility);

/* A list of names, each whole or with the wildcards '*', any bytes, and '?',
 * any byte; upper and lower case differ. */
struct rule_glob {
    struct slice pattern;       /* Into the string it was read from. */
    bool has_wildcard;
    bool is_uuid;               /* Of the form 8-4-4-4-12: */
    uint8_t uuid[16];
};

enum { RULE_MAX_GLOBS = 32 };

/* Reads names with commas between, with or without blanks around, into an
 * array that the caller frees.  Returns 0, EINVAL if one is empty or there are
 * too many, or ENOMEM. */
int rule_globs_parse(const char *, struct rule_glob **ret, size_t *ret_n);

/* Takes at most as many steps as the product of both sizes. */
bool rule_glob_match(const struct rule_glob *, struct slice name);
bool rule_globs_match(const struct rule_glob *, size_t n, struct slice name);

#endif /* lib/rule-match.h */
