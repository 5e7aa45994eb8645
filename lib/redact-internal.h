/* SPDX-License-Identifier: Apache-2.0
 *
 * What the files of the redactor share: the text under scan, a rule as it
 * is compiled, and the matchers that a rule may name.
 *
 * How it stays linear.  A matcher never walks a run of bytes by itself: it
 * asks redact_run_end(), which remembers the run that it walked last, one memo
 * for each item of each rule.  Matchers are called with growing positions, and
 * the end of a run grows with the position asked for, so that an item looks at
 * each byte once however many literals the text has.  Everything else a
 * matcher looks at is bounded by a constant. */
#ifndef SLUICE_REDACT_INTERNAL_H
#define SLUICE_REDACT_INTERNAL_H 1

#include "redact.h"

#define REDACT_MAX_ITEMS 20

/* Bytes that an item of what stands before a literal may have. */
#define REDACT_MAX_BEFORE 128

/* Zero bytes around the text under scan. */
#define REDACT_PADDING 64

/* A set of byte values. */
struct redact_set {
    uint64_t bits[4];
};

static inline bool
redact_set_has(const struct redact_set *set, uint8_t byte)
{
    return set->bits[byte >> 6] >> (byte & 63) & 1;
}

/* Bytes of a set, at least 'min' and at most 'max' of them. */
struct redact_item {
    struct redact_set set;
    uint32_t min, max;
};

/* A row's pattern: items one after another, each taking all it can. */
struct redact_pattern {
    struct redact_item items[REDACT_MAX_ITEMS];
    size_t n_items;
    size_t secret;              /* Item at which the secret starts, or
                                 * SIZE_MAX: at the literal. */
};

/* The run of a set that was walked last: all bytes in [start, end) are in it
 * and the one at 'end' is not. */
struct redact_memo {
    uint32_t start, end;
};

/* The text under scan. */
struct redact_scan {
    const uint8_t *data;
    uint32_t size;
    uint64_t *at;               /* Bitmap: where an '@' is that may belong to
                                 * an e-mail address. */
    uint64_t n_examined;        /* Bytes that matchers looked at, and literals
                                 * found, ever. */
};

/* What a rule keeps while one message is scanned. */
struct redact_state {
    uint64_t n_run;             /* Of which message the rest speaks. */
    uint32_t done;              /* Literals before this need no look. */
    struct redact_memo memos[REDACT_MAX_ITEMS];     /* Of the pattern. */
    struct redact_memo own[4];  /* Of sets that the matcher itself uses. */
};

/* How a value ends, for one that another match makes longer. */
enum redact_ending {
    REDACT_END_FIXED,           /* Where the match says. */
    REDACT_END_UNQUOTED,        /* At white space, '"', '&', ',' or ';'. */
    REDACT_END_QUOTED           /* At the closing quotation mark. */
};

struct redact_match {
    uint32_t start, end;
    uint8_t ending;             /* REDACT_END_*. */
    uint8_t quote;              /* REDACT_END_QUOTED: which mark, */
    uint8_t n_escapes;          /* behind how many backslashes. */
};

struct redact_rule;

/* Looks for the secret to which the literal at [start, end) leads.  Returns
 * true and fills in '*ret' if there is one. */
typedef bool redact_matcher(struct redact_scan *, const struct redact_rule *,
                            struct redact_state *, uint32_t start,
                            uint32_t end, struct redact_match *ret);

redact_matcher redact_match_shape;          /* Literal, then the pattern. */
redact_matcher redact_match_value;          /* Literal in a key: its value. */
redact_matcher redact_match_option;         /* Command, option, pattern. */
redact_matcher redact_match_cookie;         /* Value of a Cookie header. */
redact_matcher redact_match_authorization;  /* Likewise, behind a scheme. */
redact_matcher redact_match_url;            /* Password in a URL. */
redact_matcher redact_match_pem;            /* Private-key block. */
redact_matcher redact_match_card;           /* Start of a run of digits. */
redact_matcher redact_match_iban;           /* Letters and digits. */
redact_matcher redact_match_ssn;            /* Start of a run of digits. */
redact_matcher redact_match_email;          /* '@'. */

/* Confirms a secret that was found. */
typedef bool redact_validator(const uint8_t *, size_t);

redact_validator redact_valid_basic;
redact_validator redact_valid_opaque;
redact_validator redact_valid_mixed;
redact_validator redact_valid_phone;

/* What is done about a secret. */
enum redact_action {
    REDACT_MASK,                /* A mark in its place. */
    REDACT_PSEUDONYM,           /* A mark that the same secret always gets. */
    REDACT_DROP_FIELD,          /* Nothing in its place, nor its key. */
    REDACT_DROP_MESSAGE,
};

/* A rule, as redact-rules.h reads it.  It owns its strings. */
struct redact_rule {
    char *id;
    char *description;          /* May be null, as all below. */
    redact_matcher *matcher;
    char **literals;            /* None: found by redact_scan_bytes(). */
    size_t n_literals;
    bool caseless;              /* The literals are. */
    bool whole;                 /* The literal is all of the key. */
    bool boundary;              /* No letter or digit before the literal. */
    bool enabled;
    bool builtin;
    char *option;               /* Of a command, as "-p". */
    struct redact_pattern before;   /* What stands before the literal. */
    struct redact_pattern pattern;
    redact_validator *validator;
    enum redact_action action;
    char **examples;            /* Must match, see redact-example.h, */
    size_t n_examples;
    char **others;              /* must not. */
    size_t n_others;
};

/* redact-pattern.c */
int redact_pattern_parse(struct redact_pattern *ret, const char *);
bool redact_pattern_match(struct redact_scan *, const struct redact_pattern *,
                          struct redact_memo memos[REDACT_MAX_ITEMS],
                          uint32_t pos, uint32_t *ret_secret,
                          uint32_t *ret_end);
uint32_t redact_run_end(struct redact_scan *, const struct redact_set *,
                        struct redact_memo *, uint32_t pos);

/* redact-value.c */
uint32_t redact_value_end(struct redact_scan *, const struct redact_match *,
                          uint32_t pos);

/* Makes [*start, *end), a value, the field that it is of: with its key, marks
 * and a separator. */
void redact_field_of(const struct redact_scan *, uint32_t *start,
                     uint32_t *end);

/* redact-digits.c */
bool redact_luhn(const uint8_t *digits, size_t n);

/* redact-scan.c: bitmaps with a bit per byte of 'data', which is padded, and a
 * zero word more. */
struct redact_bitmaps {
    uint64_t *card;             /* Where a payment card's number, */
    uint64_t *ssn;              /* a social security number, */
    uint64_t *iban;             /* an IBAN could start. */
    uint64_t *at;               /* '@'. */
    uint64_t *escape;           /* What may stand for another byte, or none. */
    uint64_t *base64_text;      /* Three groups of base64 may say text. */
    uint64_t *hex_text;         /* Eight pairs of hexadecimal digits may. */
    uint64_t *base64;           /* Digits of base64, */
    uint64_t *hex;              /* of hexadecimal numbers. */
};
void redact_scan_bytes(const uint8_t *data, size_t size,
                       const struct redact_bitmaps *);

/* A text, and where in the message each byte begins and ends; null where the
 * text is the message. */
struct redact_text_map {
    const uint8_t *data;        /* Padded. */
    uint32_t size;
    const uint32_t *start, *end;
};

/* redact-shadow.c */
struct redact_shadow {
    uint32_t size;
    uint32_t first;             /* Where in the message the first thing stands
                                 * that was encoded. */
    uint32_t start[REDACT_CAP], end[REDACT_CAP];
    uint8_t data_[REDACT_PADDING + REDACT_CAP + REDACT_PADDING];
    uint8_t *data;              /* In 'data_'. */
};

/* Makes the shadow of 'text' with the bitmaps of redact_scan_bytes(); an empty
 * one if nothing is encoded.  Returns false if it became too large. */
bool redact_shadow_make(const struct redact_text_map *text,
                        const struct redact_bitmaps *,
                        struct redact_shadow *);

/* For tests: what 'n_examined' above has come to, and the rules. */
uint64_t redactor_n_examined(const struct redactor *);
struct redact_rules;
const struct redact_rules *redactor_rules(const struct redactor *);

static inline bool
redact_is_digit(uint8_t c)
{
    return c >= '0' && c <= '9';
}

static inline bool
redact_is_alnum(uint8_t c)
{
    return redact_is_digit(c) || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z');
}

#endif /* lib/redact-internal.h */
