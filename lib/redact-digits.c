/* SPDX-License-Identifier: Apache-2.0
 *
 * Payment card numbers: 13 to 19 digits in one run or in the groups that are
 * printed on cards, with an issuer's prefix and the check digit of ISO/IEC
 * 7812-1 annex B (Luhn).
 *
 * In: where a run of digits starts.
 * Out: where the number ends.
 * Runs in: sluice-intake. */
#include "redact-internal.h"

#define CARD_MIN 13
#define CARD_MAX 19

/* Issuers: numbers of 'min' to 'max' digits whose first four are 'first' to
 * 'last'. */
static const struct issuer {
    uint16_t first, last;
    uint8_t min, max;
} issuers[] = {
    { 2200, 2204, 16, 19 },     /* Mir. */
    { 2221, 2720, 16, 16 },     /* Mastercard. */
    { 3000, 3059, 14, 19 },     /* Diners Club. */
    { 3095, 3095, 14, 19 },     /* Diners Club. */
    { 3400, 3499, 15, 15 },     /* American Express. */
    { 3528, 3589, 16, 19 },     /* JCB. */
    { 3600, 3699, 14, 19 },     /* Diners Club. */
    { 3700, 3799, 15, 15 },     /* American Express. */
    { 3800, 3999, 14, 19 },     /* Diners Club. */
    { 4000, 4999, 13, 19 },     /* Visa. */
    { 5018, 5018, 13, 19 },     /* Maestro. */
    { 5020, 5020, 13, 19 },     /* Maestro. */
    { 5038, 5038, 13, 19 },     /* Maestro. */
    { 5100, 5599, 16, 16 },     /* Mastercard. */
    { 5893, 5893, 13, 19 },     /* Maestro. */
    { 6011, 6011, 16, 19 },     /* Discover. */
    { 6200, 6299, 16, 19 },     /* UnionPay. */
    { 6304, 6304, 13, 19 },     /* Maestro. */
    { 6440, 6599, 16, 19 },     /* Discover. */
    { 6759, 6759, 13, 19 },     /* Maestro. */
    { 6761, 6763, 13, 19 },     /* Maestro. */
};

/* How numbers are grouped, longest first. */
static const uint8_t groupings[][6] = {
    { 4, 4, 4, 4, 3 },
    { 4, 4, 4, 4 },
    { 4, 6, 5 },
    { 4, 6, 4 },
};

/* Returns whether the last of the 'n' digits is the check digit of the
 * others. */
bool
redact_luhn(const uint8_t *digits, size_t n)
{
    unsigned int sum = 0;

    for (size_t i = 0; i < n; i++) {
        unsigned int d = digits[n - 1 - i] - '0';

        if (i & 1) {
            d = d > 4 ? 2 * d - 9 : 2 * d;
        }
        sum += d;
    }
    return n && sum % 10 == 0;
}

static bool
is_card(const uint8_t *digits, size_t n)
{
    unsigned int lead = 0;

    for (size_t i = 0; i < 4; i++) {
        lead = lead * 10 + (digits[i] - '0');
    }
    for (size_t i = 0; i < sizeof issuers / sizeof issuers[0]; i++) {
        if (lead >= issuers[i].first && lead <= issuers[i].last) {
            return n >= issuers[i].min && n <= issuers[i].max
                   && redact_luhn(digits, n);
        }
    }
    return false;
}

/* Returns whether a number may end before 'pos'. */
static bool
is_end(const struct redact_scan *scan, uint32_t pos)
{
    return pos == scan->size || (!redact_is_alnum(scan->data[pos])
                                 && !redact_is_mark(scan, pos));
}

/* Matches digits at 'pos' grouped as 'sizes', which ends with a zero.
 * Returns where they end, or 0. */
static uint32_t
match_groups(const struct redact_scan *scan, uint32_t pos,
             const uint8_t *sizes)
{
    uint8_t digits[CARD_MAX];
    size_t n = 0;

    for (size_t i = 0; sizes[i]; i++) {
        if (i && (pos >= scan->size
                  || (scan->data[pos] != ' ' && scan->data[pos] != '-'))) {
            return 0;
        }
        pos += i > 0;
        if (scan->size < pos || scan->size - pos < sizes[i]) {
            return 0;
        }
        for (size_t j = 0; j < sizes[i]; j++) {
            if (!redact_is_digit(scan->data[pos])) {
                return 0;
            }
            digits[n++] = scan->data[pos++];
        }
    }
    return is_end(scan, pos) && is_card(digits, n) ? pos : 0;
}

bool
redact_match_card(struct redact_scan *scan, const struct redact_rule *rule,
                  struct redact_state *state, uint32_t start, uint32_t end,
                  struct redact_match *ret)
{
    (void) rule;
    (void) state;
    (void) end;
    const uint8_t *p = scan->data + start;
    size_t left = scan->size - start;
    size_t n = 0;

    scan->n_examined += CARD_MAX + 5;
    if (start > 1 && p[-1] == '.'
        && (redact_is_digit(p[-2]) || p[-2] == REDACT_MARK_SUFFIX[0])) {
        return false;           /* Decimals of a fraction. */
    }
    while (n < left && n <= CARD_MAX && redact_is_digit(p[n])) {
        n++;
    }
    if (n > 4) {
        if (n < CARD_MIN || n > CARD_MAX || !is_end(scan, start + n)
            || !is_card(p, n)) {
            return false;
        }
        *ret = (struct redact_match) { .start = start, .end = start + n };
        return true;
    }
    for (size_t i = 0; i < sizeof groupings / sizeof groupings[0]; i++) {
        uint32_t stop = match_groups(scan, start, groupings[i]);
        if (stop) {
            *ret = (struct redact_match) { .start = start, .end = stop };
            return true;
        }
    }
    return false;
}
