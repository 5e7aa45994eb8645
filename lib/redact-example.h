/* SPDX-License-Identifier: Apache-2.0
 *
 * Examples of redaction rules.  What stands between double braces in one is
 * made when it is needed, so that no file holds what looks like a live key:
 *
 *     {{KIND [COUNT]}}     COUNT characters of a kind: lower, upper, alpha,
 *                          digit, hex, HEX, alnum, ALNUM (upper-case letters
 *                          and digits), base32, base64, base64url, word
 *     {{card PREFIX COUNT}}    digits with a check digit
 *     {{iban COUNTRY COUNT}}   country code, check digits, COUNT digits
 *     {{ssn}} {{uuid}} {{basic}}   basic: base64 of user:password
 *
 * In: an example, a seed.
 * Out: text, and where in it the made parts are.
 * Runs in: sluiced --check, tests. */
#ifndef SLUICE_REDACT_EXAMPLE_H
#define SLUICE_REDACT_EXAMPLE_H 1

#include "slice.h"

enum { REDACT_EXAMPLE_MAX = 4096, REDACT_EXAMPLE_MAX_PARTS = 8 };

struct redact_example {
    char text[REDACT_EXAMPLE_MAX];
    size_t size;
    struct slice parts[REDACT_EXAMPLE_MAX_PARTS];   /* In 'text'. */
    size_t n_parts;
};

/* Makes '*ret' of 'template'.  The same seed makes the same text.  Returns
 * false if 'template' is malformed or too long. */
bool redact_example_make(const char *template, uint64_t seed,
                         struct redact_example *ret);

#endif /* lib/redact-example.h */
