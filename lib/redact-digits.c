/* SPDX-License-Identifier: Apache-2.0
 *
 * Numbers that no literal leads to.  Payment cards: 13 to 19 digits in one run
 * or in the groups that are printed on cards, with an issuer's prefix and the
 * check digit of ISO/IEC 7812-1 annex B (Luhn).  IBANs (ISO 13616): country,
 * length and check digits.  Social security numbers of the USA.
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
    return pos == scan->size || !redact_is_alnum(scan->data[pos]);
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
        && redact_is_digit(p[-2])) {
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

/* Lengths of IBANs (SWIFT's registry). */
static const struct {
    char country[3];
    uint8_t size;
} ibans[] = {
    { "AD", 24 }, { "AE", 23 }, { "AL", 28 }, { "AT", 20 }, { "AZ", 28 },
    { "BA", 20 }, { "BE", 16 }, { "BG", 22 }, { "BH", 22 }, { "BI", 27 },
    { "BR", 29 }, { "BY", 28 }, { "CH", 21 }, { "CR", 22 }, { "CY", 28 },
    { "CZ", 24 }, { "DE", 22 }, { "DJ", 27 }, { "DK", 18 }, { "DO", 28 },
    { "EE", 20 }, { "EG", 29 }, { "ES", 24 }, { "FI", 18 }, { "FK", 18 },
    { "FO", 18 }, { "FR", 27 }, { "GB", 22 }, { "GE", 22 }, { "GI", 23 },
    { "GL", 18 }, { "GR", 27 }, { "GT", 28 }, { "HR", 21 }, { "HU", 28 },
    { "IE", 22 }, { "IL", 23 }, { "IQ", 23 }, { "IS", 26 }, { "IT", 27 },
    { "JO", 30 }, { "KW", 30 }, { "KZ", 20 }, { "LB", 28 }, { "LC", 32 },
    { "LI", 21 }, { "LT", 20 }, { "LU", 20 }, { "LV", 21 }, { "LY", 25 },
    { "MC", 27 }, { "MD", 24 }, { "ME", 22 }, { "MK", 19 }, { "MN", 20 },
    { "MR", 27 }, { "MT", 31 }, { "MU", 30 }, { "NI", 28 }, { "NL", 18 },
    { "NO", 15 }, { "OM", 23 }, { "PK", 24 }, { "PL", 28 }, { "PS", 29 },
    { "PT", 25 }, { "QA", 29 }, { "RO", 24 }, { "RS", 22 }, { "RU", 33 },
    { "SA", 24 }, { "SC", 31 }, { "SD", 18 }, { "SE", 24 }, { "SI", 19 },
    { "SK", 24 }, { "SM", 27 }, { "SO", 23 }, { "ST", 25 }, { "SV", 28 },
    { "TL", 23 }, { "TN", 24 }, { "TR", 26 }, { "UA", 29 }, { "VA", 22 },
    { "VG", 24 }, { "XK", 20 },
};
#define IBAN_MAX 34

/* Returns what is left of 'rest' with the character 'c' behind it, modulo
 * 97. */
static unsigned int
mod97(unsigned int rest, uint8_t c)
{
    return (redact_is_digit(c) ? (rest * 10 + c - '0') % 97
            : (rest * 100 + c - 'A' + 10) % 97);
}

bool
redact_match_iban(struct redact_scan *scan, const struct redact_rule *rule,
                  struct redact_state *state, uint32_t start, uint32_t end,
                  struct redact_match *ret)
{
    uint8_t text[IBAN_MAX];
    size_t size = 0;

    (void) rule;
    (void) state;
    (void) end;
    scan->n_examined += 8;
    for (size_t i = 0; i < sizeof ibans / sizeof ibans[0] && !size; i++) {
        size = !memcmp(ibans[i].country, scan->data + start, 2)
               ? ibans[i].size : 0;
    }
    uint32_t pos = start;
    for (size_t n = 0; n < size; ) {
        uint8_t c = pos < scan->size ? scan->data[pos++] : 0;

        if (c == ' ' && n && n % 4 == 0 && scan->data[pos - 2] != ' ') {
            continue;
        } else if (!redact_is_digit(c) && (c < 'A' || c > 'Z')) {
            return false;
        }
        text[n++] = c;
    }
    if (!size || !is_end(scan, pos)) {
        return false;
    }
    scan->n_examined += 64;
    unsigned int rest = 0;
    for (size_t i = 0; i < size; i++) {
        rest = mod97(rest, text[(i + 4) % size]);
    }
    *ret = (struct redact_match) { .start = start, .end = pos };
    return rest == 1;
}

/* The bitmap promises the digits and hyphens. */
bool
redact_match_ssn(struct redact_scan *scan, const struct redact_rule *rule,
                 struct redact_state *state, uint32_t start, uint32_t end,
                 struct redact_match *ret)
{
    const uint8_t *p = scan->data + start;
    uint32_t stop = start + 11;

    (void) rule;
    (void) state;
    (void) end;
    scan->n_examined += 8;
    if (stop > scan->size || !is_end(scan, stop)
        || (stop < scan->size && scan->data[stop] == '-')
        || (start && (p[-1] == '-' || p[-1] == '.' || p[-1] == '_'))
        || p[0] == '9' || !memcmp(p, "000", 3) || !memcmp(p, "666", 3)
        || !memcmp(p + 4, "00", 2) || !memcmp(p + 7, "0000", 4)) {
        return false;
    }
    for (int i = 0; i < 11; i++) {
        if (i == 3 || i == 6 ? p[i] != '-' : !redact_is_digit(p[i])) {
            return false;
        }
    }
    *ret = (struct redact_match) { .start = start, .end = stop };
    return true;
}
