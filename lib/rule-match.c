/* SPDX-License-Identifier: Apache-2.0
 *
 * The words of client rules.  See rule-match.h. */
#include "rule-match.h"

#include <errno.h>
#include <stdlib.h>

struct word {
    unsigned int number;
    const char *name;
};

static const struct word severities[] = {
#define SYSLOG_SEVERITY(NUMBER, NAME) { NUMBER, NAME },
#include "syslog-names.def"
#undef SYSLOG_SEVERITY
};

static const struct word facilities[] = {
#define SYSLOG_FACILITY(NUMBER, NAME) { NUMBER, NAME },
#include "syslog-names.def"
#undef SYSLOG_FACILITY
};

enum {
    N_SEVERITY_WORDS = sizeof severities / sizeof *severities,
    N_FACILITY_WORDS = sizeof facilities / sizeof *facilities,
};

static const char *
name_of(const struct word *words, size_t n, unsigned int number)
{
    for (size_t i = 0; i < n; i++) {
        if (words[i].number == number) {
            return words[i].name;
        }
    }
    return NULL;
}

const char *
rule_severity_name(unsigned int severity)
{
    return name_of(severities, N_SEVERITY_WORDS, severity);
}

const char *
rule_facility_name(unsigned int facility)
{
    return name_of(facilities, N_FACILITY_WORDS, facility);
}

/* Takes what stands in front of the next comma off '*rest', without the blanks
 * around it. */
static struct slice
take_item(struct slice *rest)
{
    const uint8_t *comma = (rest->size
                            ? memchr(rest->data, ',', rest->size) : NULL);
    size_t n = comma ? (size_t) (comma - rest->data) : rest->size;
    struct slice item = slice_of(rest->data, n);

    *rest = (comma ? slice_of(comma + 1, rest->size - n - 1)
             : slice_of(NULL, 0));
    while (item.size && item.data[0] == ' ') {
        item = slice_of(item.data + 1, item.size - 1);
    }
    while (item.size && item.data[item.size - 1] == ' ') {
        item.size--;
    }
    return item;
}

static bool
find_word(const struct word *words, size_t n, struct slice name,
          unsigned int *ret)
{
    for (size_t i = 0; i < n; i++) {
        if (slice_equal(name, slice_from_string(words[i].name))) {
            *ret = words[i].number;
            return true;
        }
    }
    return false;
}

/* Adds the bits of 'item', a name or a range, to '*bits'. */
static bool
add_range(const struct word *words, size_t n, struct slice item,
          uint32_t *bits)
{
    struct slice first = item, last = item;
    unsigned int from, to;

    for (size_t i = 0; i + 1 < item.size; i++) {
        if (item.data[i] == '.' && item.data[i + 1] == '.') {
            first = slice_of(item.data, i);
            last = slice_of(item.data + i + 2, item.size - i - 2);
            break;
        }
    }
    if (!find_word(words, n, first, &from)
        || !find_word(words, n, last, &to)) {
        return false;
    }
    for (unsigned int i = from < to ? from : to; i <= (from < to ? to : from);
         i++) {
        *bits |= UINT32_C(1) << i;
    }
    return true;
}

static bool
parse_ranges(const struct word *words, size_t n, const char *s, uint32_t *ret)
{
    struct slice rest = slice_from_string(s);
    uint32_t bits = 0;

    do {
        if (!add_range(words, n, take_item(&rest), &bits)) {
            return false;
        }
    } while (rest.data);
    *ret = bits;
    return true;
}

bool
rule_parse_severities(const char *s, uint8_t *ret)
{
    uint32_t bits;

    if (!parse_ranges(severities, N_SEVERITY_WORDS, s, &bits)) {
        return false;
    }
    *ret = bits;
    return true;
}

bool
rule_parse_facilities(const char *s, uint32_t *ret)
{
    return parse_ranges(facilities, N_FACILITY_WORDS, s, ret);
}

static int
hex_value(uint8_t c)
{
    return (c >= '0' && c <= '9' ? c - '0'
            : c >= 'a' && c <= 'f' ? c - 'a' + 10
            : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1);
}

static bool
parse_uuid(struct slice s, uint8_t uuid[16])
{
    size_t n = 0;

    if (s.size != 36) {
        return false;
    }
    for (size_t i = 0; i < s.size; i++) {
        if (i == 8 || i == 13 || i == 18 || i == 23) {
            if (s.data[i] != '-') {
                return false;
            }
            continue;
        }
        int value = hex_value(s.data[i]);
        if (value < 0) {
            return false;
        }
        uuid[n / 2] = n % 2 ? uuid[n / 2] | value : value << 4;
        n++;
    }
    return true;
}

int
rule_globs_parse(const char *s, struct rule_glob **ret, size_t *ret_n)
{
    struct slice rest = slice_from_string(s);
    struct rule_glob *globs = calloc(RULE_MAX_GLOBS, sizeof *globs);
    size_t n = 0;

    if (!globs) {
        return ENOMEM;
    }
    do {
        struct slice item = take_item(&rest);

        if (!item.size || n == RULE_MAX_GLOBS) {
            free(globs);
            return EINVAL;
        }
        struct rule_glob *glob = &globs[n++];
        glob->pattern = item;
        glob->has_wildcard = (memchr(item.data, '*', item.size)
                              || memchr(item.data, '?', item.size));
        glob->is_uuid = parse_uuid(item, glob->uuid);
    } while (rest.data);
    *ret = globs;
    *ret_n = n;
    return 0;
}

bool
rule_glob_match(const struct rule_glob *glob, struct slice name)
{
    if (!glob->has_wildcard) {
        return slice_equal(glob->pattern, name);
    }

    /* Of the last '*' only: one before it took as little as it could, and
     * more would not help. */
    size_t p = 0, i = 0, star = SIZE_MAX, star_i = 0;
    while (i < name.size) {
        uint8_t c = p < glob->pattern.size ? glob->pattern.data[p] : 0;

        if (p < glob->pattern.size && c == '*') {
            star = p++;
            star_i = i;
        } else if (p < glob->pattern.size
                   && (c == '?' || c == name.data[i])) {
            p++;
            i++;
        } else if (star != SIZE_MAX) {
            p = star + 1;
            i = ++star_i;
        } else {
            return false;
        }
    }
    while (p < glob->pattern.size && glob->pattern.data[p] == '*') {
        p++;
    }
    return p == glob->pattern.size;
}

bool
rule_globs_match(const struct rule_glob *globs, size_t n, struct slice name)
{
    for (size_t i = 0; i < n; i++) {
        if (rule_glob_match(&globs[i], name)) {
            return true;
        }
    }
    return false;
}
