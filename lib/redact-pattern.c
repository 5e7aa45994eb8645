/* SPDX-License-Identifier: Apache-2.0
 *
 * The patterns of redaction rules: a small part of regular expressions that
 * is linear by construction, as it never tries a second way.
 *
 *     pattern = *item
 *     item    = [ "(" ] set [ "{" min [ "," [ max ] ] "}" ]
 *     set     = byte | "\" class
 *             | "[" [ "^" ] 1*( byte [ "-" byte ] | "\" class ) "]"
 *     class   = "w" (letters, digits, "_") | "d" | "s" | the byte itself
 *
 * "(" stands where the secret starts; without one the secret starts at the
 * literal before the pattern.  An item takes all it can.
 *
 * In: a row's pattern; the text and a position.
 * Out: where the secret is.
 * Runs in: sluice-intake. */
#include "redact-internal.h"

#include <errno.h>

#define RUN_LIMIT UINT32_MAX

static void
set_add(struct redact_set *set, uint8_t first, uint8_t last)
{
    for (unsigned int c = first; c <= last; c++) {
        set->bits[c >> 6] |= UINT64_C(1) << (c & 63);
    }
}

/* Adds the class or byte that 'c', which followed a backslash, stands for. */
static void
set_add_class(struct redact_set *set, uint8_t c)
{
    switch (c) {
    case 'w':
        set_add(set, 'a', 'z');
        set_add(set, 'A', 'Z');
        set_add(set, '_', '_');
        set_add(set, '0', '9');
        break;
    case 'd':
        set_add(set, '0', '9');
        break;
    case 's':
        set_add(set, ' ', ' ');
        set_add(set, '\t', '\r');
        break;
    default:
        set_add(set, c, c);
        break;
    }
}

/* Parses what stands between brackets; '*p' is behind the opening one. */
static bool
parse_brackets(struct redact_set *set, const char **p)
{
    const char *s = *p;
    bool negated = *s == '^';

    s += negated;
    while (*s && *s != ']') {
        if (*s == '\\') {
            if (!s[1]) {
                return false;
            }
            set_add_class(set, s[1]);
            s += 2;
        } else if (s[1] == '-' && s[2] && s[2] != ']') {
            if ((uint8_t) s[2] < (uint8_t) s[0]) {
                return false;
            }
            set_add(set, s[0], s[2]);
            s += 3;
        } else {
            set_add(set, s[0], s[0]);
            s++;
        }
    }
    for (int i = 0; i < 4 && negated; i++) {
        set->bits[i] = ~set->bits[i];
    }
    *p = s + 1;
    return *s == ']';
}

static bool
parse_number(uint32_t *ret, const char **p)
{
    uint32_t n = 0;

    if (!redact_is_digit(**p)) {
        return false;
    }
    for (; redact_is_digit(**p); ++*p) {
        n = n * 10 + (**p - '0');
        if (n > 65535) {
            return false;
        }
    }
    *ret = n;
    return true;
}

/* Parses how often; '*p' is behind the opening brace. */
static bool
parse_count(struct redact_item *item, const char **p)
{
    if (!parse_number(&item->min, p)) {
        return false;
    }
    item->max = item->min;
    if (**p == ',') {
        ++*p;
        item->max = RUN_LIMIT;
        if (**p != '}' && !parse_number(&item->max, p)) {
            return false;
        }
    }
    return *(*p)++ == '}' && item->min <= item->max;
}

/* Parses 's' into '*ret'.  Returns 0, or EINVAL if 's' is no pattern or has
 * more than REDACT_MAX_ITEMS items. */
int
redact_pattern_parse(struct redact_pattern *ret, const char *s)
{
    struct redact_pattern p = { .secret = SIZE_MAX };

    while (*s) {
        if (p.n_items == REDACT_MAX_ITEMS) {
            return EINVAL;
        }
        if (*s == '(') {
            p.secret = p.n_items;
            s++;
        }

        struct redact_item *item = &p.items[p.n_items++];
        char c = *s++;
        item->min = item->max = 1;
        if (c == '[') {
            if (!parse_brackets(&item->set, &s)) {
                return EINVAL;
            }
        } else if (!c || (c == '\\' && !*s)) {
            return EINVAL;
        } else if (c == '\\') {
            set_add_class(&item->set, *s++);
        } else {
            set_add(&item->set, c, c);
        }
        if (*s == '{') {
            s++;
            if (!parse_count(item, &s)) {
                return EINVAL;
            }
        }
    }
    *ret = p;
    return 0;
}

/* Returns the first position from 'pos' on whose byte is not in 'set', or the
 * end of the text.  'memo' belongs to 'set' and must be asked for positions
 * that never fall: that is what makes it linear. */
uint32_t
redact_run_end(struct redact_scan *scan, const struct redact_set *set,
               struct redact_memo *memo, uint32_t pos)
{
    if (pos < memo->start || pos >= memo->end) {
        uint32_t end = pos;

        while (end < scan->size && redact_set_has(set, scan->data[end])) {
            end++;
        }
        scan->n_examined += end - pos + 1;
        memo->start = pos;
        memo->end = end;
    }
    return memo->end;
}

/* Matches 'pattern' at 'pos'.  If it matches, returns true and stores where
 * it ends in '*ret_end' and, if it says so, where the secret starts in
 * '*ret_secret'. */
bool
redact_pattern_match(struct redact_scan *scan,
                     const struct redact_pattern *pattern,
                     struct redact_memo memos[REDACT_MAX_ITEMS],
                     uint32_t pos, uint32_t *ret_secret, uint32_t *ret_end)
{
    uint32_t secret = 0;

    for (size_t i = 0; i < pattern->n_items; i++) {
        const struct redact_item *item = &pattern->items[i];
        uint32_t n = redact_run_end(scan, &item->set, &memos[i], pos) - pos;

        if (n < item->min) {
            return false;
        }
        if (i == pattern->secret) {
            secret = pos;
        }
        pos += n < item->max ? n : item->max;
    }
    if (pattern->secret != SIZE_MAX) {
        *ret_secret = secret;
    }
    *ret_end = pos;
    return true;
}
