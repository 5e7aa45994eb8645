/* SPDX-License-Identifier: Apache-2.0
 *
 * A small parser of RFC 5424 messages in octet-counted frames, without
 * tolerance, for tests of what we send.  It shares no code with lib/, so that
 * one mistake can't hide in both.
 *
 * It follows the grammar of RFC 5424 section 6 rule by rule. */
#ifndef STRICT_RFC5424_H
#define STRICT_RFC5424_H 1

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

enum { STRICT_MAX_ELEMENTS = 2048, STRICT_MAX_PARAMS = 2048 };

struct strict_text {
    const uint8_t *p;
    size_t n;
};

struct strict_param {
    struct strict_text name;
    struct strict_text value;       /* With its escapes. */
};

struct strict_element {
    struct strict_text whole;       /* With its brackets. */
    struct strict_text id;
};

struct strict_message {
    unsigned int pri;
    struct strict_text timestamp, hostname, app_name, procid, msgid;
    struct strict_element elements[STRICT_MAX_ELEMENTS];
    size_t n_elements;
    struct strict_param params[STRICT_MAX_PARAMS];  /* Of the first one. */
    size_t n_params;
    bool has_msg;
    struct strict_text msg;
};

struct strict_input {
    const uint8_t *p, *end;
    const char *error;              /* What the grammar wanted instead. */
};

static inline bool
strict_fail(struct strict_input *in, const char *error)
{
    if (!in->error) {
        in->error = error;
    }
    return false;
}

static inline bool
strict_byte(struct strict_input *in, char byte, const char *error)
{
    if (in->p == in->end || *in->p != (uint8_t) byte) {
        return strict_fail(in, error);
    }
    in->p++;
    return true;
}

static inline bool
strict_is_digit(const struct strict_input *in)
{
    return in->p < in->end && *in->p >= '0' && *in->p <= '9';
}

/* A number without leading zeros, up to 'max'. */
static inline bool
strict_number(struct strict_input *in, unsigned long max, unsigned long *ret)
{
    const uint8_t *start = in->p;
    unsigned long value = 0;

    while (strict_is_digit(in)) {
        value = value * 10 + (*in->p++ - '0');
        if (value > max) {
            return strict_fail(in, "a smaller number");
        }
    }
    if (in->p == start || (*start == '0' && in->p - start > 1)) {
        return strict_fail(in, "a number without leading zeros");
    }
    *ret = value;
    return true;
}

/* A field of 1 to 'max' bytes of PRINTUSASCII, without those in 'except'. */
static inline bool
strict_printable(struct strict_input *in, size_t max, const char *except,
                 struct strict_text *ret)
{
    ret->p = in->p;
    while (in->p < in->end && *in->p >= 33 && *in->p <= 126
           && !strchr(except, *in->p)) {
        in->p++;
    }
    ret->n = in->p - ret->p;
    return ((ret->n && ret->n <= max)
            || strict_fail(in, "a field within its limits"));
}

/* TIMESTAMP as we write it: in UTC, with six digits of fraction. */
static inline bool
strict_timestamp(struct strict_input *in, struct strict_text *ret)
{
    static const char pattern[] = "dddd-dd-ddTdd:dd:dd.ddddddZ";

    ret->p = in->p;
    ret->n = sizeof pattern - 1;
    for (size_t i = 0; i < ret->n; i++) {
        if (pattern[i] == 'd') {
            if (!strict_is_digit(in)) {
                return strict_fail(in, "a digit of TIMESTAMP");
            }
            in->p++;
        } else if (!strict_byte(in, pattern[i], "a mark of TIMESTAMP")) {
            return false;
        }
    }

    static const struct {
        int offset, min, max;
    } pairs[] = {
        { 5, 1, 12 }, { 8, 1, 31 }, { 11, 0, 23 }, { 14, 0, 59 },
        { 17, 0, 59 },
    };
    for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++) {
        const uint8_t *p = ret->p + pairs[i].offset;
        int value = (p[0] - '0') * 10 + (p[1] - '0');
        if (value < pairs[i].min || value > pairs[i].max) {
            return strict_fail(in, "a TIMESTAMP of the calendar");
        }
    }
    return true;
}

/* One character of UTF-8 (the table of RFC 3629 section 4). */
static inline bool
strict_utf8(struct strict_input *in)
{
    static const struct {
        uint8_t first_min, first_max, second_min, second_max;
        int n;
    } rows[] = {
        { 0x00, 0x7f, 0x00, 0x00, 1 }, { 0xc2, 0xdf, 0x80, 0xbf, 2 },
        { 0xe0, 0xe0, 0xa0, 0xbf, 3 }, { 0xe1, 0xec, 0x80, 0xbf, 3 },
        { 0xed, 0xed, 0x80, 0x9f, 3 }, { 0xee, 0xef, 0x80, 0xbf, 3 },
        { 0xf0, 0xf0, 0x90, 0xbf, 4 }, { 0xf1, 0xf3, 0x80, 0xbf, 4 },
        { 0xf4, 0xf4, 0x80, 0x8f, 4 },
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (*in->p < rows[i].first_min || *in->p > rows[i].first_max) {
            continue;
        }
        if (in->end - in->p < rows[i].n
            || (rows[i].n > 1 && (in->p[1] < rows[i].second_min
                                  || in->p[1] > rows[i].second_max))
            || (rows[i].n > 2 && (in->p[2] < 0x80 || in->p[2] > 0xbf))
            || (rows[i].n > 3 && (in->p[3] < 0x80 || in->p[3] > 0xbf))) {
            break;
        }
        in->p += rows[i].n;
        return true;
    }
    return strict_fail(in, "UTF-8");
}

static inline bool
strict_param_value(struct strict_input *in, struct strict_text *ret)
{
    ret->p = in->p;
    while (in->p < in->end && *in->p != '"') {
        if (*in->p == ']') {
            return strict_fail(in, "an escape before ]");
        }
        if (*in->p == '\\' && ++in->p == in->end) {
            return strict_fail(in, "a byte behind the backslash");
        }
        if (!strict_utf8(in)) {
            return false;
        }
    }
    ret->n = in->p - ret->p;
    return true;
}

static inline bool
strict_element(struct strict_input *in, struct strict_message *m)
{
    static const char except[] = "= ]\"";
    bool first = !m->n_elements;

    if (m->n_elements >= STRICT_MAX_ELEMENTS) {
        return strict_fail(in, "fewer elements");
    }
    struct strict_element *element = &m->elements[m->n_elements++];
    element->whole.p = in->p;
    if (!strict_byte(in, '[', "[")
        || !strict_printable(in, 32, except, &element->id)) {
        return false;
    }
    while (in->p < in->end && *in->p == ' ') {
        struct strict_param param;

        in->p++;
        if (!strict_printable(in, 32, except, &param.name)
            || !strict_byte(in, '=', "=")
            || !strict_byte(in, '"', "\"")
            || !strict_param_value(in, &param.value)
            || !strict_byte(in, '"', "\"")) {
            return false;
        }
        if (first) {
            if (m->n_params >= STRICT_MAX_PARAMS) {
                return strict_fail(in, "fewer params");
            }
            m->params[m->n_params++] = param;
        }
    }
    if (!strict_byte(in, ']', "]")) {
        return false;
    }
    element->whole.n = in->p - element->whole.p;
    return true;
}

/* Parses the frame of exactly 'size' bytes at 'data' into '*m'.  Returns null,
 * or what the grammar wanted where it did not match. */
static inline const char *
strict_parse(const uint8_t *data, size_t size, struct strict_message *m)
{
    struct strict_input in = { .p = data, .end = data + size };
    unsigned long n = 0, pri = 0;

    m->n_elements = 0;
    m->n_params = 0;
    m->has_msg = false;
    m->msg.n = 0;
    if (!strict_number(&in, 99999999, &n)
        || !strict_byte(&in, ' ', "a space behind MSG-LEN")) {
        return in.error;
    }
    if (n != (size_t) (in.end - in.p)) {
        return "a MSG-LEN that is the message's";
    }
    if (!strict_byte(&in, '<', "<")
        || !strict_number(&in, 191, &pri)
        || !strict_byte(&in, '>', ">")
        || !strict_byte(&in, '1', "VERSION 1")
        || !strict_byte(&in, ' ', "SP")
        || !strict_timestamp(&in, &m->timestamp)
        || !strict_byte(&in, ' ', "SP")
        || !strict_printable(&in, 255, "", &m->hostname)
        || !strict_byte(&in, ' ', "SP")
        || !strict_printable(&in, 48, "", &m->app_name)
        || !strict_byte(&in, ' ', "SP")
        || !strict_printable(&in, 128, "", &m->procid)
        || !strict_byte(&in, ' ', "SP")
        || !strict_printable(&in, 32, "", &m->msgid)
        || !strict_byte(&in, ' ', "SP")) {
        return in.error;
    }
    m->pri = pri;
    do {
        if (!strict_element(&in, m)) {
            return in.error;
        }
    } while (in.p < in.end && *in.p == '[');
    if (in.p < in.end) {
        if (!strict_byte(&in, ' ', "SP before MSG")) {
            return in.error;
        }
        m->has_msg = true;
        m->msg.p = in.p;
        m->msg.n = in.end - in.p;
    }
    return NULL;
}

static inline bool
strict_is(struct strict_text text, const void *data, size_t size)
{
    return text.n == size && (!size || !memcmp(text.p, data, size));
}

/* Returns the first element's SD-PARAM 'name', or null. */
static inline const struct strict_param *
strict_find_param(const struct strict_message *m, const char *name)
{
    for (size_t i = 0; i < m->n_params; i++) {
        if (strict_is(m->params[i].name, name, strlen(name))) {
            return &m->params[i];
        }
    }
    return NULL;
}

#endif /* tests/strict-rfc5424.h */
