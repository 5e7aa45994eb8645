/* SPDX-License-Identifier: Apache-2.0
 *
 * Measures what redaction finds and what it should leave alone: made secrets
 * of every rule, in every encoding, in every field of a line, and lines that
 * have none.
 *
 *     redaction-report SECRETS FILE
 *
 * In: how many secrets to make; a file of lines without secrets.
 * Out: two tables for docs/redaction.md on standard output; the first misses
 * and false alarms on standard error.  Exit status 1 if the bounds of
 * docs/redaction.md are not kept. */
#include "sluice-config.h"       /* For memmem() and getline(). */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "redact-example.h"
#include "redact-rules.h"

enum {
    MAX_TEXT = 65536,
    WINDOW = 6,                 /* Bytes of a secret that betray it. */
    MAX_SHOWN = 20,
};

static const double min_recall = 0.999;
static const double max_touched = 0.001;

/* A text, encoded, with the place of each byte of what was encoded. */
struct encoded {
    uint8_t data[MAX_TEXT];
    size_t size;
    size_t at[REDACT_EXAMPLE_MAX * 3 + 1];
};

static void
put(struct encoded *e, uint8_t c)
{
    if (e->size < sizeof e->data) {
        e->data[e->size++] = c;
    }
}

static void
put_text(struct encoded *e, const char *s)
{
    while (*s) {
        put(e, *s++);
    }
}

typedef void encoder(struct encoded *, const uint8_t *, size_t);

static void
encode_plain(struct encoded *e, const uint8_t *p, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        e->at[i] = e->size;
        put(e, p[i]);
    }
    e->at[n] = e->size;
}

static void
encode_format(struct encoded *e, const uint8_t *p, size_t n,
              const char *format)
{
    char text[16];

    for (size_t i = 0; i < n; i++) {
        e->at[i] = e->size;
        snprintf(text, sizeof text, format, p[i]);
        put_text(e, text);
    }
    e->at[n] = e->size;
}

static void
encode_percent(struct encoded *e, const uint8_t *p, size_t n)
{
    encode_format(e, p, n, "%%%02x");
}

/* As a browser does it. */
static void
encode_form(struct encoded *e, const uint8_t *p, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        e->at[i] = e->size;
        if (redact_is_alnum(p[i]) || strchr("-_.~", p[i])) {
            put(e, p[i]);
        } else {
            char text[16];
            snprintf(text, sizeof text, "%%%02X", p[i]);
            put_text(e, text);
        }
    }
    e->at[n] = e->size;
}

static void
encode_hex(struct encoded *e, const uint8_t *p, size_t n)
{
    encode_format(e, p, n, "%02x");
}

static void
encode_upper_hex(struct encoded *e, const uint8_t *p, size_t n)
{
    encode_format(e, p, n, "%02X");
}

static void
encode_json(struct encoded *e, const uint8_t *p, size_t n)
{
    encode_format(e, p, n, "\\u%04x");
}

static void
encode_zero_width(struct encoded *e, const uint8_t *p, size_t n)
{
    static const char *const marks[] = {
        "\xe2\x80\x8b", "\xe2\x80\x8d", "\xef\xbb\xbf", "\xc2\xad",
        "\xe2\x81\xa0",
    };

    for (size_t i = 0; i < n; i++) {
        e->at[i] = e->size;
        put(e, p[i]);
        put_text(e, marks[i % 5]);
    }
    e->at[n] = e->size;
}

static void
encode_utf16le(struct encoded *e, const uint8_t *p, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        e->at[i] = e->size;
        put(e, p[i]);
        put(e, 0);
    }
    e->at[n] = e->size;
}

static void
encode_utf16be(struct encoded *e, const uint8_t *p, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        e->at[i] = e->size;
        put(e, 0);
        put(e, p[i]);
    }
    e->at[n] = e->size;
}

static void
encode_base64_of(struct encoded *e, const uint8_t *p, size_t n,
                 const char *last, bool pad)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                 "abcdefghijklmnopqrstuvwxyz0123456789";
    size_t start = e->size;

    for (size_t i = 0; i < n; i += 3) {
        size_t left = n - i < 3 ? n - i : 3;
        uint32_t v = p[i] << 16 | (left > 1 ? p[i + 1] << 8 : 0)
                     | (left > 2 ? p[i + 2] : 0);
        for (size_t j = 0; j <= left; j++) {
            uint8_t d = v >> (18 - 6 * j) & 63;
            put(e, d < 62 ? digits[d] : last[d - 62]);
        }
        for (size_t j = left; j < 3 && pad; j++) {
            put(e, '=');
        }
    }
    for (size_t i = 0; i <= n; i++) {
        e->at[i] = start + (i * 4 + 2) / 3;
    }
}

static void
encode_base64(struct encoded *e, const uint8_t *p, size_t n)
{
    encode_base64_of(e, p, n, "+/", true);
}

static void
encode_base64url(struct encoded *e, const uint8_t *p, size_t n)
{
    encode_base64_of(e, p, n, "-_", false);
}

/* What the second encoding makes of the first. */
static void
encode_twice(struct encoded *e, const uint8_t *p, size_t n, encoder *first,
             encoder *second)
{
    static struct encoded inner;
    static size_t at[REDACT_EXAMPLE_MAX * 3 + 1];

    inner.size = 0;
    first(&inner, p, n);
    if (inner.size > REDACT_EXAMPLE_MAX * 3) {
        return;
    }
    second(e, inner.data, inner.size);
    for (size_t i = 0; i <= n; i++) {
        at[i] = e->at[inner.at[i]];
    }
    memcpy(e->at, at, (n + 1) * sizeof *at);
}

static void
encode_base64_of_utf16(struct encoded *e, const uint8_t *p, size_t n)
{
    encode_twice(e, p, n, encode_utf16le, encode_base64);
}

static void
encode_percent_of_base64(struct encoded *e, const uint8_t *p, size_t n)
{
    encode_twice(e, p, n, encode_base64, encode_form);
}

static void
encode_percent_twice(struct encoded *e, const uint8_t *p, size_t n)
{
    encode_twice(e, p, n, encode_form, encode_form);
}

static const struct {
    const char *name;
    encoder *encode;
    bool word;                  /* Has no blanks, quotes or the like. */
} encodings[] = {
    { "as it is", encode_plain, false },
    { "percent, every byte", encode_percent, true },
    { "percent, as in forms", encode_form, true },
    { "base64", encode_base64, true },
    { "base64url", encode_base64url, true },
    { "hexadecimal, lower case", encode_hex, true },
    { "hexadecimal, upper case", encode_upper_hex, true },
    { "JSON `\\u`", encode_json, false },
    { "UTF-16, little-endian", encode_utf16le, false },
    { "UTF-16, big-endian", encode_utf16be, false },
    { "zero-width characters between", encode_zero_width, false },
    { "base64 of UTF-16", encode_base64_of_utf16, true },
    { "percent of base64", encode_percent_of_base64, true },
    { "percent of percent", encode_percent_twice, true },
};
#define N_ENCODINGS (sizeof encodings / sizeof *encodings)

/* Where in a line the secret stands; those behind the second only take
 * words. */
static const char *const fields[][2] = {
    { "<134>1 2025-11-20T12:00:00Z web-1 shop 42 - - got ", " from bob" },
    { "<134>Nov 20 12:00:00 web-1 shop[42]: ", "" },
    { "<134>1 2025-11-20T12:00:00Z web-1 shop 42 - [req@1 body=\"",
      "\" id=\"7\"] done" },
    { "<134>1 2025-11-20T12:00:00Z web-1 ", " 42 - - started" },
    { "<134>1 2025-11-20T12:00:00Z web-1 shop ", " - - started" },
    { "<134>1 2025-11-20T12:00:00Z ", " shop 42 - - started" },
};
enum { N_FIELDS = 6, N_PLAIN_FIELDS = 2 };

static bool
contains(struct slice text, const uint8_t *p, size_t n)
{
    return memmem(text.data, text.size, p, n) != NULL;
}

/* Returns whether 'text' has what encodes any WINDOW bytes in a row of 'part'
 * of the example. */
static bool
is_bare(struct slice text, const struct redact_example *example,
        struct slice part, const struct encoded *e)
{
    size_t first = part.data - (const uint8_t *) example->text;
    size_t n = part.size < WINDOW ? part.size : WINDOW;

    for (size_t i = first; i + n <= first + part.size; i++) {
        size_t start = e->at[i], end = e->at[i + n];

        if (end - start > 3 && contains(text, e->data + start, end - start)) {
            return true;
        }
    }
    return false;
}

/* Returns whether the secret is gone from the line that it was put into. */
static bool
try_secret(struct redactor *r, const struct redact_example *example,
           size_t encoding, size_t field, bool show)
{
    static struct encoded e;
    struct redact_result result;

    e.size = 0;
    put_text(&e, fields[field][0]);
    encodings[encoding].encode(&e, (const uint8_t *) example->text,
                               example->size);
    put_text(&e, fields[field][1]);
    redactor_run(r, slice_of(e.data, e.size), NULL, &result);

    bool bare = !result.n_redactions;
    for (size_t i = 0; i < example->n_parts; i++) {
        bare |= is_bare(result.text, example, example->parts[i], &e);
    }
    if (bare && show) {
        fprintf(stderr, "missed, %s: %s\n  %.*s\n", encodings[encoding].name,
                example->text, (int) result.text.size,
                (const char *) result.text.data);
    }
    return !bare;
}

/* Prints the recall of each encoding.  Returns whether it is kept. */
static bool
report_recall(struct redactor *r, size_t n)
{
    const struct redact_rules *rules = redactor_rules(r);
    size_t found[N_ENCODINGS] = { 0 };
    size_t n_made = 0, n_shown = 0;
    bool ok = true;

    for (size_t i = 0; n_made < n; i++) {
        const struct redact_rule *rule = &rules->rules[i % rules->n_rules];
        size_t round = i / rules->n_rules;
        static struct redact_example example;

        if (!rule->enabled || !rule->n_examples) {
            continue;
        }
        redact_example_make(rule->examples[round % rule->n_examples],
                            i, &example);
        n_made++;
        for (size_t j = 0; j < N_ENCODINGS; j++) {
            size_t field = i % (encodings[j].word ? N_FIELDS
                                                  : N_PLAIN_FIELDS);
            bool is = try_secret(r, &example, j, field, n_shown < MAX_SHOWN);
            found[j] += is;
            n_shown += !is;
        }
    }
    printf("| encoding | found | of | recall |\n|---|---|---|---|\n");
    for (size_t j = 0; j < N_ENCODINGS; j++) {
        double recall = (double) found[j] / n_made;
        printf("| %s | %zu | %zu | %.2f %% |\n", encodings[j].name, found[j],
               n_made, recall * 100);
        ok &= recall >= min_recall;
    }
    return ok;
}

/* Prints how many lines of 'path' are touched.  Returns whether few enough. */
static bool
report_benign(struct redactor *r, const char *path)
{
    FILE *f = fopen(path, "r");
    size_t n = 0, n_touched = 0, allocated = 0;
    char *line = NULL;
    ssize_t size;

    if (!f) {
        perror(path);
        return false;
    }
    while ((size = getline(&line, &allocated, f)) > 0) {
        struct redact_result result;

        redactor_run(r, slice_of(line, size - 1), NULL, &result);
        n++;
        if (result.n_redactions && n_touched++ < MAX_SHOWN) {
            fprintf(stderr, "touched: %.*s\n", (int) result.text.size,
                    (const char *) result.text.data);
        }
    }
    free(line);
    fclose(f);
    printf("\n| lines without secrets | touched | share |\n|---|---|---|\n"
           "| %zu | %zu | %.4f %% |\n", n, n_touched,
           n ? n_touched * 100.0 / n : 0);
    return n && (double) n_touched / n <= max_touched;
}

int
main(int argc, char *argv[])
{
    struct redactor *r;

    if (argc != 3) {
        fprintf(stderr, "usage: redaction-report SECRETS FILE\n");
        return 2;
    }
    int error = redactor_create(&r);
    if (error) {
        fprintf(stderr, "redaction-report: %s\n", strerror(error));
        return 2;
    }
    bool ok = report_recall(r, strtoul(argv[1], NULL, 10));
    ok &= report_benign(r, argv[2]);
    redactor_destroy(r);
    return ok ? 0 : 1;
}
