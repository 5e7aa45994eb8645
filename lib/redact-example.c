/* SPDX-License-Identifier: Apache-2.0
 *
 * Makes examples of secrets.  See redact-example.h. */
#include "redact-example.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LOWER "abcdefghijklmnopqrstuvwxyz"
#define UPPER "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define DIGITS "0123456789"
#define BASE64 UPPER LOWER DIGITS "+/"

static const struct {
    const char *name;
    const char *alphabet;
} kinds[] = {
    { "lower", LOWER },
    { "upper", UPPER },
    { "alpha", LOWER UPPER },
    { "digit", DIGITS },
    { "hex", DIGITS "abcdef" },
    { "HEX", DIGITS "ABCDEF" },
    { "alnum", LOWER UPPER DIGITS },
    { "ALNUM", UPPER DIGITS },
    { "base32", UPPER "234567" },
    { "base64", BASE64 },
    { "base64url", UPPER LOWER DIGITS "-_" },
    { "word", LOWER DIGITS },
};

struct maker {
    uint64_t state;
    struct redact_example *e;
    bool failed;
};

/* splitmix64. */
static uint64_t
next(struct maker *m)
{
    uint64_t z = m->state += 0x9e3779b97f4a7c15;

    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
    z = (z ^ z >> 27) * 0x94d049bb133111eb;
    return z ^ z >> 31;
}

static void
put(struct maker *m, char c)
{
    if (m->e->size + 1 >= sizeof m->e->text) {
        m->failed = true;
        return;
    }
    m->e->text[m->e->size++] = c;
}

/* Puts 'n' characters of 'alphabet', with a letter and a digit among the first
 * of them where it has both. */
static void
put_chars(struct maker *m, const char *alphabet, size_t n)
{
    size_t size = strlen(alphabet);
    bool mixed = size > 10 && strpbrk(alphabet, DIGITS);

    for (size_t i = 0; i < n && !m->failed; i++) {
        char c = alphabet[next(m) % size];

        if (mixed && i < 2) {
            const char *digit = strpbrk(alphabet, "234567");
            c = i ? digit[next(m) % 6] : alphabet[next(m) % size];
            while (!i && (c < 'A' || c > 'z' || c == '_')) {
                c = alphabet[next(m) % size];
            }
        }
        put(m, c);
    }
}

/* Puts a card's number: 'prefix', digits, check digit. */
static void
put_card(struct maker *m, const char *prefix, size_t n)
{
    size_t start = m->e->size;
    unsigned int sum = 0;

    for (const char *p = prefix; *p; p++) {
        put(m, *p);
    }
    if (strlen(prefix) >= n) {
        m->failed = true;
        return;
    }
    put_chars(m, DIGITS, n - 1 - strlen(prefix));
    for (size_t i = 0; i < n - 1 && !m->failed; i++) {
        unsigned int d = m->e->text[start + n - 2 - i] - '0';

        sum += i & 1 ? d : d > 4 ? 2 * d - 9 : 2 * d;
    }
    put(m, '0' + (10 - sum % 10) % 10);
}

/* Puts an IBAN whose account is 'n' digits (ISO 13616). */
static void
put_iban(struct maker *m, const char *country, size_t n)
{
    size_t start = m->e->size;
    unsigned int rest = 0;

    if (strlen(country) != 2) {
        m->failed = true;
        return;
    }
    put(m, country[0]);
    put(m, country[1]);
    put(m, '0');
    put(m, '0');
    put_chars(m, DIGITS, n);
    for (size_t i = 0; i < n && !m->failed; i++) {
        rest = (rest * 10 + m->e->text[start + 4 + i] - '0') % 97;
    }
    for (int i = 0; i < 2; i++) {
        rest = (rest * 100 + country[i] - 'A' + 10) % 97;
    }
    rest = 98 - rest * 100 % 97;
    if (!m->failed) {
        m->e->text[start + 2] = '0' + rest / 10;
        m->e->text[start + 3] = '0' + rest % 10;
    }
}

static void
put_uuid(struct maker *m)
{
    static const size_t sizes[] = { 8, 4, 4, 4, 12 };

    for (size_t i = 0; i < 5; i++) {
        if (i) {
            put(m, '-');
        }
        put_chars(m, DIGITS "abcdef", sizes[i]);
    }
}

static void
put_ssn(struct maker *m)
{
    char text[16];

    snprintf(text, sizeof text, "%03u-%02u-%04u",
             (unsigned int) (100 + next(m) % 500),
             (unsigned int) (1 + next(m) % 99),
             (unsigned int) (1 + next(m) % 9999));
    for (const char *p = text; *p; p++) {
        put(m, *p);
    }
}

/* Puts base64 of "user:", which is whole groups with the colon, and more. */
static void
put_basic(struct maker *m)
{
    for (const char *p = "YWRtaW46"; *p; p++) {
        put(m, *p);
    }
    for (int i = 0; i < 4; i++) {
        /* Sextets of printable US-ASCII. */
        put(m, BASE64[next(m) % 6 + 24]);
        put(m, BASE64[next(m) % 8 + 32]);
        put(m, BASE64[(next(m) % 16) << 2 | 1]);
        put(m, BASE64[next(m) % 26 + 33]);
    }
}

/* Puts what 'spec' asks for. */
static void
put_part(struct maker *m, const char *spec)
{
    char kind[16] = "", first[20] = "", second[20] = "";
    int n = sscanf(spec, "%15s %19s %19s", kind, first, second);
    size_t count = strtoul(n == 3 ? second : first, NULL, 10);

    if (n == 3 && !strcmp(kind, "card")) {
        put_card(m, first, count);
    } else if (n == 3 && !strcmp(kind, "iban")) {
        put_iban(m, first, count);
    } else if (n == 1 && !strcmp(kind, "ssn")) {
        put_ssn(m);
    } else if (n == 1 && !strcmp(kind, "uuid")) {
        put_uuid(m);
    } else if (n == 1 && !strcmp(kind, "basic")) {
        put_basic(m);
    } else {
        for (size_t i = 0; n == 2 && i < sizeof kinds / sizeof *kinds; i++) {
            if (!strcmp(kind, kinds[i].name)) {
                put_chars(m, kinds[i].alphabet, count);
                return;
            }
        }
        m->failed = true;
    }
}

bool
redact_example_make(const char *template, uint64_t seed,
                    struct redact_example *ret)
{
    struct maker m = { .state = seed, .e = ret };
    const char *p = template;

    ret->size = 0;
    ret->n_parts = 0;
    while (*p && !m.failed) {
        const char *end = strncmp(p, "{{", 2) ? NULL : strstr(p, "}}");
        char spec[64];

        if (!end) {
            put(&m, *p++);
            continue;
        }
        size_t n = end - p - 2;
        if (n >= sizeof spec || ret->n_parts == REDACT_EXAMPLE_MAX_PARTS) {
            return false;
        }
        memcpy(spec, p + 2, n);
        spec[n] = '\0';
        size_t start = ret->size;
        put_part(&m, spec);
        ret->parts[ret->n_parts++] = slice_of(ret->text + start,
                                              ret->size - start);
        p = end + 2;
    }
    ret->text[ret->size] = '\0';
    return !m.failed;
}
