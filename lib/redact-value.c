/* SPDX-License-Identifier: Apache-2.0
 *
 * The value that belongs to a key: k=v, k: v, k => v, --k v, quoted or not,
 * and JSON, also inside other JSON.
 *
 * A quotation mark may stand behind backslashes: JSON within a JSON string has
 * one before each mark, and 2n + 1 for each n of the level around it.  A mark
 * behind m backslashes closes what a mark behind n opened if m = n modulo
 * 2 (n + 1); with m < n it closes a string around it, and so the value too.
 *
 * In: where a literal stands that is part of the key.
 * Out: where the value is; the key, its marks and the separator stay.
 * Runs in: sluice-intake. */
#include "sluice-config.h"       /* For memmem(). */

#include "redact-internal.h"

#include <strings.h>

#define MAX_BLANKS 16           /* Around a separator. */
#define MAX_SUFFIX 40           /* Bytes of a key behind its literal. */
#define MAX_PREFIX 40           /* Bytes of an option before its literal. */
#define MAX_ESCAPES 7           /* Backslashes: JSON three levels deep. */
#define MAX_WORD 16             /* Letters of a word in a list below, or of a
                                 * scheme. */
#define MAX_RESOURCE 96         /* Bytes of the name of a resource before its
                                 * type. */
#define FIELD_MAX 128           /* Bytes of a key and what is around it. */
#define MAX_PARAMS 32           /* Of an Authorization header. */

/* Letters, digits, '_', '-'. */
static const struct redact_set key_set = {
    { 0x03ff200000000000, 0x07fffffe87fffffe, 0, 0 }
};

/* All but control bytes, space, '"', '&', ',' and ';'. */
static const struct redact_set value_set = {
    { 0xf7ffefba00000000, 0x7fffffffffffffff, UINT64_MAX, UINT64_MAX }
};

/* Letters, digits, and what names of cookies have beside: "!#$%&'*+-." and
 * "^_`|~". */
static const struct redact_set cookie_set = {
    { 0x03ff6cfa00000000, 0x57ffffffc7fffffe, 0, 0 }
};

/* All but NUL, '"' and '<'. */
static const struct redact_set text_set = {
    { 0xeffffffbfffffffe, UINT64_MAX, UINT64_MAX, UINT64_MAX }
};

/* What follows "key: " when it is not a value but a remark. */
static const char *const remarks[] = {
    "a", "accepted", "and", "authentication", "bad", "cannot", "change",
    "changed", "chauthtok", "complete", "could", "creating", "creation",
    "deleting", "denied", "destroying", "disabled", "does", "empty", "enabled",
    "error", "expired", "fail", "failed", "failure", "false", "for", "from",
    "has", "incorrect", "invalid", "is", "loaded", "loading", "mismatch",
    "missing", "modifying", "must", "nil", "no", "none", "not", "null", "ok",
    "or", "pam_unix", "password", "reading", "refreshing", "rejected",
    "required", "reset", "rotated", "rotation", "set", "still", "success",
    "successful", "the", "to", "too", "true", "unable", "unavailable",
    "unknown", "unset", "updated", "updating", "valid", "validated",
    "verified", "was", "will", "wrong", "yes",
};

/* What a key ends with when its value is about a secret and is none. */
static const char *const harmless[] = {
    "age", "attempts", "authentication", "count", "endpoint", "expires",
    "expires_at", "expires_in", "expiration", "expiry", "file", "ization",
    "ized", "izer", "len", "length", "less", "limit", "name", "path",
    "policy", "required", "reset", "s", "smanager", "status", "strength",
    "ttl", "type",
    "uri", "url", "usage",
};

/* Returns whether the 'n' bytes at 'p' are, in lower case, in 'words'. */
static bool
is_listed(const uint8_t *p, size_t n, const char *const *words, size_t n_words)
{
    char word[MAX_WORD + 1];

    if (!n || n > MAX_WORD) {
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        word[i] = p[i] >= 'A' && p[i] <= 'Z' ? p[i] | 0x20 : p[i];
    }
    word[n] = '\0';
    for (size_t i = 0; i < n_words; i++) {
        if (words[i][0] == word[0] && !strcmp(words[i], word)) {
            return true;
        }
    }
    return false;
}

static bool
is_quote(uint8_t c)
{
    return c == '"' || c == '\'' || c == '`';
}

/* Returns the byte at 'pos', or 0 at the end of the text. */
static uint8_t
byte_at(const struct redact_scan *scan, uint32_t pos)
{
    return pos < scan->size ? scan->data[pos] : 0;
}

static uint32_t
skip_blanks(const struct redact_scan *scan, uint32_t pos)
{
    uint32_t limit = pos + MAX_BLANKS;

    while (pos < limit && (byte_at(scan, pos) == ' '
                           || byte_at(scan, pos) == '\t')) {
        pos++;
    }
    return pos;
}

/* Returns how many backslashes stand at 'pos', at most 'MAX_ESCAPES' + 1. */
static uint32_t
count_escapes(const struct redact_scan *scan, uint32_t pos)
{
    uint32_t n = 0;

    while (n <= MAX_ESCAPES && byte_at(scan, pos + n) == '\\') {
        n++;
    }
    return n;
}

/* Returns the end of a value that 'quote' behind 'n' backslashes opened, as
 * seen from 'pos': before the backslashes of the mark that closes it. */
static uint32_t
quoted_end(struct redact_scan *scan, uint32_t pos, uint8_t quote, uint32_t n)
{
    uint32_t first = pos;
    uint32_t fallback = scan->size;
    uint32_t m = 0;

    for (; pos < scan->size; pos++) {
        uint8_t c = scan->data[pos];

        if (c == '\\') {
            m++;
            continue;
        }
        if (c == quote) {
            /* SQL's way to put the mark into a value, as in 'it''s'. */
            bool doubled = quote == '\'' && pos > first
                           && byte_at(scan, pos - 1) != quote
                           && byte_at(scan, pos + 1) == quote
                           && byte_at(scan, pos + 2) != quote;
            if (doubled) {
                pos++;
            } else if (m < n || m % (2 * n + 2) == n) {
                scan->n_examined += pos - first + 1;
                return pos - (m < n ? m : n);
            }
        } else if (c == '"' && fallback == scan->size) {
            fallback = pos - m;
        }
        m = 0;
    }
    scan->n_examined += pos - first + 1;
    /* Not closed.  What opened with another mark than '"' may have been an
     * apostrophe, and must not take away the end of a string around it. */
    return fallback;
}

/* Returns the end of an unquoted value, as seen from 'pos'. */
static uint32_t
unquoted_end(struct redact_scan *scan, uint32_t pos, struct redact_memo *memo)
{
    uint32_t end = redact_run_end(scan, &value_set, memo, pos);

    if (byte_at(scan, end) == '"') {
        /* The backslashes belong to the mark. */
        while (end > pos && scan->data[end - 1] == '\\') {
            end--;
        }
    }
    return end;
}

/* Returns the end of the value 'm', as seen from 'pos'. */
uint32_t
redact_value_end(struct redact_scan *scan, const struct redact_match *m,
                 uint32_t pos)
{
    struct redact_memo memo = { .start = 0 };

    switch ((enum redact_ending) m->ending) {
    case REDACT_END_UNQUOTED:
        return unquoted_end(scan, pos, &memo);
    case REDACT_END_QUOTED:
        return quoted_end(scan, pos, m->quote, m->n_escapes);
    case REDACT_END_FIXED:
    default:
        return pos;
    }
}

/* Where a value stands. */
struct place {
    uint32_t pos;               /* First byte, behind the opening mark. */
    bool colon;                 /* The separator is ':'. */
    bool key_quoted;
    bool element;               /* Between the tags of an XML element. */
    bool quoted;
    uint8_t quote;
    uint8_t n_escapes;
};

/* Returns whether the literal at 'start' is part of an option: "--key", or
 * "-key" behind a blank. */
static bool
is_option(const struct redact_scan *scan, uint32_t start)
{
    uint32_t limit = start > MAX_PREFIX ? start - MAX_PREFIX : 0;

    while (start > limit && redact_set_has(&key_set, scan->data[start - 1])) {
        start--;
        if (scan->data[start] == '-'
            && (!start || scan->data[start - 1] == '-'
                || scan->data[start - 1] == ' ')) {
            return true;
        }
    }
    return false;
}

/* Moves '*pos' from the end of a key over the separator and the blanks around
 * it.  Returns whether there is one. */
static bool
skip_separator(const struct redact_scan *scan, uint32_t key_start,
               uint32_t *pos, bool *ret_colon)
{
    uint32_t p = skip_blanks(scan, *pos);
    uint8_t c = byte_at(scan, p);

    *ret_colon = false;
    if (c == ':') {
        if (byte_at(scan, p + 1) == ':'
            && byte_at(scan, p + 2) != ' ') {
            return false;       /* A scope, as in "token::parse"; with a
                                 * blank, base64 in LDIF (RFC 2849). */
        }
        p += byte_at(scan, p + 1) == ':';
        *ret_colon = byte_at(scan, p + 1) != '=';
        p += *ret_colon ? 1 : 2;
    } else if (c == '=') {
        uint8_t next = byte_at(scan, p + 1);
        p += next == '>' || next == '=' ? 2 : 1;
    } else if (c == ',' && is_option(scan, key_start)) {
        p++;                    /* ["--key", "value"] */
    } else if (p == *pos || c == '-' || !is_option(scan, key_start)) {
        return false;
    }
    *pos = skip_blanks(scan, p);
    return *pos < scan->size;
}

/* Returns whether the key at 'start' is the name of an XML element, with or
 * without a namespace, and not a mark of another redactor. */
static bool
is_element(const struct redact_scan *scan, uint32_t start)
{
    uint32_t limit = start > MAX_PREFIX ? start - MAX_PREFIX : 0;

    while (start > limit && (redact_set_has(&key_set, scan->data[start - 1])
                             || scan->data[start - 1] == ':'
                             || scan->data[start - 1] == '.')) {
        start--;
    }
    return start && scan->data[start - 1] == '<'
           && (scan->size - start < 9
               || memcmp(scan->data + start, "redacted:", 9));
}

/* Moves '*pos' from behind a key in quotation marks over "value" in such
 * marks: {"name":"password","value":"x"}. */
static void
skip_value_name(const struct redact_scan *scan, uint32_t *pos)
{
    uint32_t p = skip_blanks(scan, *pos);

    if (byte_at(scan, p) != ',') {
        return;
    }
    p = skip_blanks(scan, p + 1);
    p += count_escapes(scan, p);
    if (!is_quote(byte_at(scan, p)) || scan->size - p < 7
        || strncasecmp((const char *) scan->data + p + 1, "value", 5)) {
        return;
    }
    p += 6;
    p += count_escapes(scan, p);
    if (is_quote(byte_at(scan, p))) {
        *pos = p + 1;
    }
}

/* Finds the value of the key whose literal is at [start, end). */
static bool
find_place(struct redact_scan *scan, const struct redact_rule *rule,
           struct redact_memo *memo, uint32_t start, uint32_t end,
           struct place *ret)
{
    struct place v = { .pos = 0 };
    uint32_t p = redact_run_end(scan, &key_set, memo, end);
    size_t n = p - end;

    scan->n_examined += MAX_BLANKS;
    if (n > MAX_SUFFIX
        || (rule->whole
            && (n || (start && redact_set_has(&key_set,
                                              scan->data[start - 1])
                      && !is_option(scan, start))))) {
        return false;
    }
    if (byte_at(scan, p) == '>' && is_element(scan, start)) {
        *ret = (struct place) { .pos = p + 1, .element = true };
        return p + 1 < scan->size;
    }
    uint32_t escapes = count_escapes(scan, p);
    if (is_quote(byte_at(scan, p + escapes))) {
        v.key_quoted = true;
        p += escapes + 1;
        skip_value_name(scan, &p);
    }
    if (byte_at(scan, p) == ']') {
        p++;                    /* params["password"] = ... */
    }
    if (!skip_separator(scan, start, &p, &v.colon)) {
        return false;
    }

    const uint8_t *suffix = scan->data + end;
    while (n && (*suffix == '_' || *suffix == '-')) {
        suffix++;
        n--;
    }
    if (is_listed(suffix, n, harmless,
                  sizeof harmless / sizeof harmless[0])) {
        return false;
    }

    if (byte_at(scan, p) == '[' || byte_at(scan, p) == '(') {
        p = skip_blanks(scan, p + 1);
    }
    if (strchr("ubrUBR", byte_at(scan, p)) && is_quote(byte_at(scan, p + 1))) {
        p++;                    /* Python's u'...'. */
    }
    escapes = count_escapes(scan, p);
    if (escapes <= MAX_ESCAPES && is_quote(byte_at(scan, p + escapes))) {
        v.quoted = true;
        v.quote = scan->data[p + escapes];
        v.n_escapes = escapes;
        p += escapes + 1;
    } else if (byte_at(scan, p) == '{'
               && (byte_at(scan, p + 1) == '\\'
                   || is_quote(byte_at(scan, p + 1)))) {
        return false;           /* An object: its own keys lead further. */
    }
    v.pos = p;
    *ret = v;
    return p < scan->size;
}

/* Returns whether the mark that seems to open the value of an unquoted key
 * closes a string around it instead, as in a="password=" b="c". */
static bool
closes_outer(const struct redact_scan *scan, const struct place *v)
{
    uint8_t next = byte_at(scan, v->pos);

    return !v->key_quoted && (next <= ' ' || strchr("]},)", next));
}

/* Returns whether the unquoted value at 'pos' is a remark. */
static bool
is_remark(struct redact_scan *scan, uint32_t pos)
{
    uint32_t n = 0;

    while (n <= MAX_WORD && (byte_at(scan, pos + n) == '_'
                             || (byte_at(scan, pos + n) | 0x20) >= 'a')
           && redact_set_has(&key_set, byte_at(scan, pos + n))) {
        n++;
    }
    scan->n_examined += MAX_WORD;
    uint8_t next = byte_at(scan, pos + n);
    return (next <= ' ' || strchr(".,;:!()]}\"'", next))
           && is_listed(scan->data + pos, n, remarks,
                        sizeof remarks / sizeof remarks[0]);
}

/* Returns whether the literal at 'start' and the value at 'pos' are a shell's
 * PWD=/some/directory. */
static bool
is_directory(const struct redact_scan *scan, uint32_t start, uint32_t end,
             uint32_t pos)
{
    if (end - start != 3 || strncasecmp((const char *) scan->data + start,
                                        "pwd", 3)) {
        return false;
    }
    bool whole = !start || !redact_set_has(&key_set, scan->data[start - 1]);
    bool old = start >= 3 && !memcmp(scan->data + start - 3, "OLD", 3);
    return (whole || old)
           && (byte_at(scan, pos) == '/' || byte_at(scan, pos) == '~'
               || (scan->size - pos >= 7
                   && !memcmp(scan->data + pos, "unknown", 7)));
}

/* Returns whether the literal at 'start' and the value at 'pos' are in the
 * name of a resource of AWS, as
 * arn:aws:secretsmanager:eu-west-1:1:secret:name. */
static bool
is_resource(const struct redact_scan *scan, uint32_t start, uint32_t pos)
{
    uint32_t n = start < MAX_RESOURCE ? start : MAX_RESOURCE;

    return start && scan->data[start - 1] == ':' && scan->data[pos - 1] == ':'
           && memmem(scan->data + start - n, n, "arn:", 4);
}

/* Returns whether the key is sudo's NOPASSWD. */
static bool
is_negated(const struct redact_scan *scan, uint32_t start)
{
    return start >= 2
           && !strncasecmp((const char *) scan->data + start - 2, "no", 2)
           && (start == 2 || !redact_is_alnum(scan->data[start - 3]));
}

/* Fills in '*ret' with the value at 'pos', which is or is not in quotation
 * marks as 'v' says.  Returns whether it has any bytes. */
static bool
take_value(struct redact_scan *scan, struct redact_state *state,
           const struct place *v, uint32_t pos, struct redact_match *ret)
{
    struct redact_match m = { .start = pos };

    if (v->element) {
        m.end = redact_run_end(scan, &text_set, &state->own[3], pos);
    } else if (v->quoted) {
        m.ending = REDACT_END_QUOTED;
        m.quote = v->quote;
        m.n_escapes = v->n_escapes;
        m.end = quoted_end(scan, pos, v->quote, v->n_escapes);
    } else {
        m.ending = REDACT_END_UNQUOTED;
        m.end = unquoted_end(scan, pos, &state->own[1]);
    }
    *ret = m;
    return m.end > m.start;
}

bool
redact_match_value(struct redact_scan *scan, const struct redact_rule *rule,
                   struct redact_state *state, uint32_t start, uint32_t end,
                   struct redact_match *ret)
{
    struct redact_match m;
    struct place v;

    if (!find_place(scan, rule, &state->own[0], start, end, &v)
        || is_negated(scan, start)
        || is_directory(scan, start, end, v.pos)
        || is_resource(scan, start, v.pos)
        || (v.quoted && closes_outer(scan, &v))
        || (!v.quoted && v.colon && is_remark(scan, v.pos))) {
        return false;
    }
    if (rule->pattern.n_items) {
        uint32_t ignored;
        if (!redact_pattern_match(scan, &rule->pattern, state->memos, v.pos,
                                  &ignored, &ignored)) {
            return false;
        }
    }
    if (!take_value(scan, state, &v, v.pos, &m)) {
        return false;
    }
    *ret = m;
    return true;
}

/* Returns the end of the list of parameters, name=value or name="value" with
 * commas between, at 'pos'. */
static uint32_t
params_end(struct redact_scan *scan, uint32_t pos)
{
    uint32_t end = pos;

    for (int i = 0; i < MAX_PARAMS; i++) {
        struct redact_memo memo = { .start = 0 };
        uint32_t p = redact_run_end(scan, &key_set, &memo, pos);

        if (p == pos || byte_at(scan, p) != '=') {
            break;
        }
        p++;
        uint32_t escapes = count_escapes(scan, p);
        if (byte_at(scan, p + escapes) == '"') {
            end = quoted_end(scan, p + escapes + 1, '"', escapes);
            if (count_escapes(scan, end) != escapes
                || byte_at(scan, end + escapes) != '"') {
                break;          /* A string around it ended instead. */
            }
            end = pos = end + escapes + 1;
        } else {
            memo = (struct redact_memo) { .start = 0 };
            end = pos = unquoted_end(scan, p, &memo);
        }
        if (byte_at(scan, pos) != ',') {
            break;
        }
        pos = skip_blanks(scan, pos + 1);
    }
    return end;
}

/* Returns whether [start, end) may be the name of a scheme, as
 * AWS4-HMAC-SHA256 is, and not a credential or part of one. */
static bool
is_scheme(const struct redact_scan *scan, uint32_t start, uint32_t end)
{
    uint32_t n_digits = 0;

    if (start == end || end - start > MAX_WORD
        || redact_is_digit(scan->data[start]) || scan->data[start] == '-') {
        return false;
    }
    for (uint32_t i = start; i < end; i++) {
        bool dashes = scan->data[i] == '-' && scan->data[i - 1] == '-';

        n_digits = redact_is_digit(scan->data[i]) ? n_digits + 1 : 0;
        if (dashes || n_digits == 4) {
            return false;
        }
    }
    return true;
}

/* The value of an Authorization header: the scheme stays, what follows it
 * goes (RFC 9110 section 11.6.2). */
bool
redact_match_authorization(struct redact_scan *scan,
                           const struct redact_rule *rule,
                           struct redact_state *state,
                           uint32_t start, uint32_t end,
                           struct redact_match *ret)
{
    struct redact_match m;
    struct place v;

    if (start < state->done
        || !find_place(scan, rule, &state->own[0], start, end, &v)
        || (v.quoted && closes_outer(scan, &v))
        || (!v.quoted && v.colon && is_remark(scan, v.pos))) {
        return false;
    }

    uint32_t scheme_end = redact_run_end(scan, &key_set, &state->own[2],
                                         v.pos);
    uint32_t pos = skip_blanks(scan, scheme_end);
    bool has_scheme = is_scheme(scan, v.pos, scheme_end) && pos > scheme_end
                      && byte_at(scan, pos) > ' ';
    if (!has_scheme) {
        pos = v.pos;
    }
    if (!take_value(scan, state, &v, pos, &m)) {
        if (!has_scheme || !take_value(scan, state, &v, v.pos, &m)) {
            return false;
        }
    }
    if (has_scheme && !v.quoted) {
        uint32_t stop = params_end(scan, m.start);
        if (stop > m.end) {
            m.end = redact_value_end(scan, &m, stop);
            state->done = m.end;
        }
    }
    *ret = m;
    return true;
}

/* Returns where the backslashes that end before 'pos' begin. */
static uint32_t
before_escapes(const struct redact_scan *scan, uint32_t pos)
{
    while (pos && scan->data[pos - 1] == '\\') {
        pos--;
    }
    return pos;
}

/* Moves 'pos' back over an opening or closing mark of quotation. */
static uint32_t
before_quote(const struct redact_scan *scan, uint32_t pos)
{
    return pos && is_quote(scan->data[pos - 1])
           ? before_escapes(scan, pos - 1) : pos;
}

void
redact_field_of(const struct redact_scan *scan, uint32_t *start, uint32_t *end)
{
    const uint8_t *data = scan->data;
    uint32_t value = before_quote(scan, *start);
    uint32_t p = value;
    uint32_t stop = *end;
    uint32_t limit = p > FIELD_MAX ? p - FIELD_MAX : 0;

    while (p > limit && strchr(" \t=:>", data[p - 1]) && data[p - 1]) {
        p--;
    }
    if (p == value) {
        return;                 /* Without a separator there is no key. */
    }
    bool quoted = p && is_quote(data[p - 1]);
    p = before_quote(scan, p);
    while (p > limit && redact_set_has(&key_set, data[p - 1])) {
        p--;
    }
    p = quoted ? before_quote(scan, p) : p;
    if (value < *start) {
        stop += count_escapes(scan, stop);
        stop += is_quote(byte_at(scan, stop));
    }
    if (byte_at(scan, stop) && strchr(",;& ", data[stop])) {
        stop++;
    } else if (p && data[p - 1] && strchr(",;& ", data[p - 1])) {
        p--;
    }
    *start = p;
    *end = stop;
}

/* The value of a Cookie or Set-Cookie header: pairs with "; " between. */
bool
redact_match_cookie(struct redact_scan *scan, const struct redact_rule *rule,
                    struct redact_state *state, uint32_t start, uint32_t end,
                    struct redact_match *ret)
{
    struct redact_match m;
    struct place v;

    if (start < state->done
        || !find_place(scan, rule, &state->own[0], start, end, &v)
        || (v.quoted && closes_outer(scan, &v))) {
        return false;
    }
    uint32_t name_end = redact_run_end(scan, &cookie_set, &state->own[2],
                                       v.pos);
    if (name_end == v.pos || byte_at(scan, name_end) != '='
        || !take_value(scan, state, &v, v.pos, &m)) {
        return false;
    }
    for (int i = 0; i < MAX_PARAMS && !v.quoted; i++) {
        uint32_t pos = m.end;
        struct redact_memo memo = { .start = 0 };

        if (byte_at(scan, pos) != ';') {
            break;
        }
        pos = skip_blanks(scan, pos + 1);
        if (redact_run_end(scan, &cookie_set, &memo, pos) == pos) {
            break;
        }
        m.end = redact_value_end(scan, &m, pos);
    }
    state->done = m.end;
    *ret = m;
    return true;
}
