/* SPDX-License-Identifier: Apache-2.0
 *
 * Matchers of secrets that are known by their own look, and validators.
 *
 * In: where a literal, or an '@', stands.
 * Out: where the secret is.
 * Runs in: sluice-intake. */
#include "sluice-config.h"       /* For memmem() and memrchr(). */

#include "redact-internal.h"

#define PEM_MAX_LABEL 48        /* Bytes of "RSA PRIVATE KEY" and the like. */
#define COMMAND_MAX 256         /* Bytes of a command line looked at. */
#define MAX_OPTIONS 4           /* Words looked at that begin as the option. */
#define MAX_PORT 6              /* Digits looked at to tell a port. */

/* Control bytes, space, '"', ''', '<' and '>' end a URL. */
static const struct redact_set url_set = {
    { 0xafffff7a00000000, 0x7fffffffffffffff, UINT64_MAX, UINT64_MAX }
};

/* Likewise, and '/', '?', '#' and '@', its authority. */
static const struct redact_set authority_set = {
    { 0x2fff7f7200000000, 0x7ffffffffffffffe, UINT64_MAX, UINT64_MAX }
};

/* Likewise, and ':', its user. */
static const struct redact_set user_set = {
    { 0x2bff7f7200000000, 0x7ffffffffffffffe, UINT64_MAX, UINT64_MAX }
};

static const struct redact_set not_at_set = {
    { UINT64_MAX, 0xfffffffffffffffe, UINT64_MAX, UINT64_MAX }
};

/* Letters, digits, space. */
static const struct redact_set label_set = {
    { 0x03ff000100000000, 0x07fffffe07fffffe, 0, 0 }
};

/* Letters of any script, digits, '.', '_', '%', '+', '-'. */
static const struct redact_set local_set = {
    { 0x03ff682000000000, 0x07fffffe87fffffe, UINT64_MAX, UINT64_MAX }
};

/* Letters of any script, digits, '.', '-'. */
static const struct redact_set domain_set = {
    { 0x03ff600000000000, 0x07fffffe07fffffe, UINT64_MAX, UINT64_MAX }
};

/* What follows the one dot in systemd's unit names, as user@1000.service. */
static const char *const unit_types[] = {
    "automount", "device", "mount", "path", "scope", "service", "slice",
    "socket", "swap", "target", "timer",
};

/* What follows '@' in the names of SSH's algorithms (RFC 4251 section 6). */
static const char *const algorithm_domains[] = {
    "libssh.org", "lysator.liu.se", "openssh.com", "ssh.com",
};

/* Matches 'pattern', from its last item to its first, before 'pos'.  Returns
 * where it starts, or UINT32_MAX. */
static uint32_t
match_before(struct redact_scan *scan, const struct redact_pattern *pattern,
             uint32_t pos)
{
    for (size_t i = pattern->n_items; i-- > 0; ) {
        const struct redact_item *item = &pattern->items[i];
        uint32_t n = 0;

        while (n < item->max && n < pos
               && redact_set_has(&item->set, scan->data[pos - n - 1])) {
            n++;
        }
        scan->n_examined += n + 1;
        if (n < item->min) {
            return UINT32_MAX;
        }
        pos -= n;
    }
    return pos;
}

bool
redact_match_shape(struct redact_scan *scan, const struct redact_rule *rule,
                   struct redact_state *state, uint32_t start, uint32_t end,
                   struct redact_match *ret)
{
    struct redact_match m = { .start = start };

    if ((rule->boundary && start && redact_is_alnum(scan->data[start - 1]))
        || !redact_pattern_match(scan, &rule->pattern, state->memos, end,
                                 &m.start, &m.end)) {
        return false;
    }
    if (rule->before.n_items) {
        m.start = match_before(scan, &rule->before, start);
        if (m.start == UINT32_MAX) {
            return false;
        }
    }
    *ret = m;
    return m.end > m.start;
}

/* Returns whether one of the words between the command and 'pos' begins with
 * 'option', and where that ends in '*pos'.  A command goes as far as
 * COMMAND_MAX bytes, or to what ends it in a shell. */
static bool
find_option(struct redact_scan *scan, const char *option, uint32_t *pos)
{
    uint32_t limit = scan->size - *pos > COMMAND_MAX ? *pos + COMMAND_MAX
                                                     : scan->size;
    size_t n = strlen(option);
    uint32_t p = *pos;

    for (; p < limit && !strchr("|;\n", scan->data[p]); p++) {
        if ((scan->data[p] == ' ' || scan->data[p] == '\t')
            && scan->size - p > n && !memcmp(scan->data + p + 1, option, n)
            && scan->data[p + 1 + n] != '-') {
            scan->n_examined += p - *pos;
            *pos = p + 1 + n;
            return true;
        }
    }
    scan->n_examined += p - *pos;
    return false;
}

/* What a command's option holds.  The pattern stands right behind it. */
bool
redact_match_option(struct redact_scan *scan, const struct redact_rule *rule,
                    struct redact_state *state, uint32_t start, uint32_t end,
                    struct redact_match *ret)
{
    struct redact_match m = { .start = start };
    uint32_t pos = end;

    (void) state;
    if ((start && (redact_is_alnum(scan->data[start - 1])
                   || scan->data[start - 1] == '_'))
        || end >= scan->size || !strchr(" \t", scan->data[end])) {
        return false;
    }
    for (int i = 0; i < MAX_OPTIONS && find_option(scan, rule->option, &pos);
         i++) {
        struct redact_memo memos[REDACT_MAX_ITEMS] = { { .end = 0 } };

        if (redact_pattern_match(scan, &rule->pattern, memos, pos, &m.start,
                                 &m.end) && m.end > m.start) {
            *ret = m;
            return true;
        }
    }
    return false;
}

/* Returns whether digits and a path stand at 'pos', as behind a host. */
static bool
is_port(const struct redact_scan *scan, uint32_t pos)
{
    uint32_t limit = scan->size - pos > MAX_PORT ? pos + MAX_PORT : scan->size;

    while (pos < limit && redact_is_digit(scan->data[pos])) {
        pos++;
    }
    return pos == scan->size || scan->data[pos] == '/'
           || scan->data[pos] == '?' || scan->data[pos] == '#';
}

/* The password in scheme://user:password@host (RFC 3986 section 3.2.1).  A
 * password with '@', '/', '?' or '#' that were not encoded is one too. */
bool
redact_match_url(struct redact_scan *scan, const struct redact_rule *rule,
                 struct redact_state *state, uint32_t start, uint32_t end,
                 struct redact_match *ret)
{
    struct redact_memo *own = state->own;

    (void) rule;
    (void) start;
    uint32_t pos = redact_run_end(scan, &user_set, &own[0], end);
    if (pos == scan->size || scan->data[pos] != ':'
        || scan->data[end] == '[') {
        return false;           /* No password, or an IPv6 address. */
    }
    pos++;
    uint32_t at = redact_run_end(scan, &not_at_set, &own[1], pos);
    if (at == pos || at >= redact_run_end(scan, &url_set, &own[2], pos)
        || is_port(scan, pos)) {
        return false;
    }

    /* The last '@' of the authority; own[3] knows it for the first one. */
    if (own[3].start != at || !own[3].end) {
        own[3].start = at;
        own[3].end = at;
        for (;;) {
            struct redact_memo memo = { .start = 0 };
            uint32_t next = redact_run_end(scan, &authority_set, &memo,
                                           own[3].end + 1);
            if (next >= scan->size || scan->data[next] != '@') {
                break;
            }
            own[3].end = next;
        }
    }
    at = own[3].end;
    scan->at[at / 64] &= ~(UINT64_C(1) << at % 64);
    *ret = (struct redact_match) { .start = pos, .end = at };
    return true;
}

/* Returns where 'what' first stands in [pos, end), or 'end'. */
static uint32_t
find(struct redact_scan *scan, uint32_t pos, uint32_t end, const char *what)
{
    const uint8_t *p = memmem(scan->data + pos, end - pos, what, strlen(what));
    uint32_t found = p ? p - scan->data : end;

    scan->n_examined += found - pos;
    return found;
}

/* A private-key block (RFC 7468), from BEGIN through END with everything in
 * between, whatever its lines end with.  Where END is missing, up to a
 * quotation mark, which no block has, or to the end of the message. */
bool
redact_match_pem(struct redact_scan *scan, const struct redact_rule *rule,
                 struct redact_state *state, uint32_t start, uint32_t end,
                 struct redact_match *ret)
{
    (void) rule;
    if (start < state->done) {
        return false;           /* Inside the last block. */
    }
    uint32_t pos = redact_run_end(scan, &label_set, &state->own[0], end);
    if (pos - end > PEM_MAX_LABEL
        || (find(scan, end, pos, "PRIVATE KEY") == pos
            && find(scan, end, pos, "Static key") == pos)
        || scan->size - pos < 4 || memcmp(scan->data + pos, "----", 4)) {
        return false;
    }
    uint32_t limit = find(scan, pos, scan->size, "\"");
    if (limit < scan->size) {
        while (limit > pos && scan->data[limit - 1] == '\\') {
            limit--;
        }
    }
    uint32_t stop = find(scan, pos + 5 < limit ? pos + 5 : limit, limit,
                         "---- END ");
    if (stop == limit) {
        stop = find(scan, pos + 5 < limit ? pos + 5 : limit, limit,
                    "-----END ");
    }
    if (stop < limit) {
        stop = redact_run_end(scan, &label_set, &state->own[1], stop + 9);
        for (int i = 0; i < 5 && stop < limit && scan->data[stop] == '-';
             i++) {
            stop++;
        }
    }
    state->done = stop;
    *ret = (struct redact_match) { .start = start, .end = stop };
    return true;
}

/* Returns whether the 'n' bytes at 'p' are one of 'words'. */
static bool
is_one_of(const uint8_t *p, size_t n, const char *const *words, size_t n_words)
{
    for (size_t i = 0; i < n_words; i++) {
        if (strlen(words[i]) == n && !memcmp(words[i], p, n)) {
            return true;
        }
    }
    return false;
}

static bool
is_letter(uint8_t c)
{
    return c >= 0x80 || (redact_is_alnum(c) && !redact_is_digit(c));
}

/* An e-mail address around the '@' at 'start'. */
bool
redact_match_email(struct redact_scan *scan, const struct redact_rule *rule,
                   struct redact_state *state, uint32_t start, uint32_t end,
                   struct redact_match *ret)
{
    const uint8_t *data = scan->data;
    uint32_t local = start;
    uint32_t stop = end;
    bool named = false;         /* A label looks like a top-level domain. */

    (void) rule;
    (void) state;
    while (local && redact_set_has(&local_set, data[local - 1])) {
        local--;
    }
    while (stop < scan->size && redact_set_has(&domain_set, data[stop])) {
        stop++;
    }
    scan->n_examined += stop - local;
    while (stop > end && (data[stop - 1] == '.' || data[stop - 1] == '-')) {
        stop--;
    }
    for (uint32_t i = end + 1; i + 2 < stop && !named; i++) {
        named = data[i] == '.' && is_letter(data[i + 1])
                && is_letter(data[i + 2]);
    }
    const uint8_t *dot = memrchr(data + end, '.', stop - end);
    if (local == start || !named
        || (dot == memchr(data + end, '.', stop - end)
            && is_one_of(dot + 1, data + stop - dot - 1, unit_types,
                         sizeof unit_types / sizeof unit_types[0]))
        || is_one_of(data + end, stop - end, algorithm_domains,
                     sizeof algorithm_domains
                     / sizeof algorithm_domains[0])) {
        return false;
    }
    *ret = (struct redact_match) { .start = local, .end = stop };
    return true;
}

/* Returns the value of a base64 digit, or -1. */
static int
base64_value(uint8_t c)
{
    if (redact_is_digit(c)) {
        return c - '0' + 52;
    } else if (redact_is_alnum(c)) {
        return c >= 'a' ? c - 'a' + 26 : c - 'A';
    } else {
        return c == '+' || c == '-' ? 62 : c == '/' || c == '_' ? 63 : -1;
    }
}

/* Returns whether the 'n' bytes at 'p' are base64 of user:password (RFC 7617
 * section 2): text up to a colon.  What follows the word "basic" in prose is
 * not. */
bool
redact_valid_basic(const uint8_t *p, size_t n)
{
    uint32_t bits = 0;
    size_t n_bits = 0;

    for (size_t i = 0; i < n && p[i] != '='; i++) {
        int value = base64_value(p[i]);
        if (value < 0) {
            return false;
        }
        bits = bits << 6 | value;
        n_bits += 6;
        if (n_bits >= 8) {
            uint8_t c = bits >> (n_bits - 8);

            n_bits -= 8;
            if (c < ' ' || c == 0x7f) {
                return false;
            } else if (c == ':') {
                return true;
            }
        }
    }
    return false;
}

/* Returns whether the 'n' bytes at 'p' cannot be mere words: any digit, or
 * letters of both cases. */
bool
redact_valid_opaque(const uint8_t *p, size_t n)
{
    bool upper = false;
    bool lower = false;
    bool digit = false;

    for (size_t i = 0; i < n; i++) {
        digit |= redact_is_digit(p[i]);
        upper |= p[i] >= 'A' && p[i] <= 'Z';
        lower |= p[i] >= 'a' && p[i] <= 'z';
    }
    return digit || (upper && lower);
}

/* Returns whether the 'n' bytes at 'p' have both a digit and a letter, or
 * letters of both cases and a mark: no word, no number, no path of words. */
bool
redact_valid_mixed(const uint8_t *p, size_t n)
{
    bool upper = false;
    bool lower = false;
    bool digit = false;

    for (size_t i = 0; i < n; i++) {
        digit |= redact_is_digit(p[i]);
        upper |= p[i] >= 'A' && p[i] <= 'Z';
        lower |= p[i] >= 'a' && p[i] <= 'z';
    }
    return (digit && (upper || lower)) || (n >= 16 && upper && lower);
}

/* Returns whether the 'n' bytes at 'p' have as many digits as a telephone
 * number with its country code (ITU-T E.164), at least 9. */
bool
redact_valid_phone(const uint8_t *p, size_t n)
{
    size_t n_digits = 0;

    for (size_t i = 0; i < n; i++) {
        n_digits += redact_is_digit(p[i]);
    }
    return n_digits >= 9 && n_digits <= 15;
}
