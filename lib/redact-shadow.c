/* SPDX-License-Identifier: Apache-2.0
 *
 * The shadow of a text: what it says once its encodings are undone, with a map
 * back to where each byte came from.
 *
 * Percent-encoding (RFC 3986 section 2.1), "\uXXXX", "\xXX" and "\/" are
 * undone in place, and zero-width characters, soft hyphens and NUL, which is
 * every other byte of US-ASCII in UTF-16, are left out.  Runs of base64
 * (RFC 4648 sections 4 and 5) and of hexadecimal digits that decode to text
 * follow behind, each an island for itself between line feeds, and one for
 * each of the ways to cut the run into groups.  redact_scan_bytes() says where
 * text could be.
 *
 * In: a text and the map of its bytes to the message.
 * Out: the shadow and its map.  A shadow may have a shadow.
 * Runs in: sluice-intake. */
#include "redact-internal.h"

#include <strings.h>

/* Digits of a run, at least: more than an address or a number has, and what
 * redact_scan_bytes() wants in a row. */
#define MIN_RUN 12

/* Digits of a run that an island has before and behind what says text. */
#define ISLAND_BEFORE 64
#define ISLAND_AFTER 512

/* Bytes that may be decoded: so many, and one for so many of the text.  What
 * is beyond is masked. */
#define MAX_DECODED 6144
#define TEXT_PER_DECODED 64


/* Values of digits; 64: none. */
static const uint8_t base64_values[256] = {
    64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64,
    64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64,
    64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 62, 64, 62, 64, 63,
    52, 53, 54, 55, 56, 57, 58, 59, 60, 61, 64, 64, 64, 64, 64, 64,
    64, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14,
    15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 64, 64, 64, 64, 63,
    64, 26, 27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 37, 38, 39, 40,
    41, 42, 43, 44, 45, 46, 47, 48, 49, 50, 51, 64, 64, 64, 64, 64,
    64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64,
    64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64,
    64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64,
    64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64,
    64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64,
    64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64,
    64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64,
    64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64,
};
static const uint8_t hex_values[256] = {
    64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64,
    64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64,
    64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64,
    0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 64, 64, 64, 64, 64, 64,
    64, 10, 11, 12, 13, 14, 15, 64, 64, 64, 64, 64, 64, 64, 64, 64,
    64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64,
    64, 10, 11, 12, 13, 14, 15, 64, 64, 64, 64, 64, 64, 64, 64, 64,
    64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64,
    64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64,
    64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64,
    64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64,
    64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64,
    64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64,
    64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64,
    64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64,
    64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64,
};

/* Where a shadow is written. */
struct out {
    struct redact_shadow *shadow;
    uint32_t left;              /* Bytes that may yet be decoded. */
    bool full;
};

static inline void
put(struct out *o, uint8_t byte, uint32_t start, uint32_t end)
{
    struct redact_shadow *s = o->shadow;

    if (s->size == REDACT_CAP) {
        o->full = true;
        return;
    }
    s->data[s->size] = byte;
    s->start[s->size] = start;
    s->end[s->size] = end;
    s->size++;
}

/* Puts a byte made of those of 'text' at [start, end). */
static inline void
put_of(struct out *o, const struct redact_text_map *text, uint8_t byte,
       uint32_t start, uint32_t end)
{
    put(o, byte, text->start ? text->start[start] : start,
        text->end ? text->end[end - 1] : end);
}

/* Puts the bytes of 'text' at [start, end) as they are. */
static void
put_plain(struct out *o, const struct redact_text_map *text, uint32_t start,
          uint32_t end)
{
    struct redact_shadow *s = o->shadow;
    uint32_t room = REDACT_CAP - s->size;
    uint32_t n = end - start < room ? end - start : room;

    o->full |= n < end - start;
    memcpy(s->data + s->size, text->data + start, n);
    if (text->start) {
        memcpy(s->start + s->size, text->start + start, n * sizeof *s->start);
        memcpy(s->end + s->size, text->end + start, n * sizeof *s->end);
    } else {
        for (uint32_t i = 0; i < n; i++) {
            s->start[s->size + i] = start + i;
            s->end[s->size + i] = start + i + 1;
        }
    }
    s->size += n;
}

/* Notes that the byte of 'text' at 'pos' begins something encoded, which makes
 * a byte. */
static void
note(struct out *o, const struct redact_text_map *text, uint32_t pos)
{
    uint32_t start = text->start ? text->start[pos] : pos;

    if (start < o->shadow->first) {
        o->shadow->first = start;
    }
    if (!o->left--) {
        o->left = 0;
        o->full = true;
    }
}

/* Returns how many bytes at 'p', of which there are 'left' and zeros behind,
 * say one byte, and which in '*ret'; or how many say nothing, with '*ret'
 * -1; or 0. */
static size_t
decode_one(const uint8_t *p, size_t left, int *ret)
{
    const uint8_t *hex = hex_values;

    switch (p[0]) {
    case '%':
        if (left > 2 && (hex[p[1]] | hex[p[2]]) < 16) {
            *ret = hex[p[1]] << 4 | hex[p[2]];
            return 3;
        }
        return 0;
    case '\\': {
        size_t n = 1;           /* JSON in JSON doubles backslashes. */
        while (n < left && n < 8 && p[n] == '\\') {
            n++;
        }
        if (left > n + 4 && p[n] == 'u' && p[n + 1] == '0' && p[n + 2] == '0'
            && (hex[p[n + 3]] | hex[p[n + 4]]) < 16) {
            *ret = hex[p[n + 3]] << 4 | hex[p[n + 4]];
            return n + 5;
        } else if (left > n + 4 && p[n] == 'u'
                   && (!memcmp(p + n + 1, "200", 3)
                       || !strncasecmp((const char *) p + n + 1, "feff", 4))) {
            *ret = -1;
            return n + 5;
        } else if (left > n + 2 && p[n] == 'x'
                   && (hex[p[n + 1]] | hex[p[n + 2]]) < 16) {
            *ret = hex[p[n + 1]] << 4 | hex[p[n + 2]];
            return n + 3;
        } else if (left > n && p[n] == '/') {
            *ret = '/';
            return n + 1;
        }
        return 0;
    }
    case 0:
        *ret = -1;
        return 1;
    case 0xc2:                  /* Soft hyphen. */
        *ret = -1;
        return left > 1 && p[1] == 0xad ? 2 : 0;
    case 0xcd:                  /* Combining grapheme joiner. */
        *ret = -1;
        return left > 1 && p[1] == 0x8f ? 2 : 0;
    case 0xe1:                  /* Mongolian vowel separator. */
        *ret = -1;
        return left > 2 && p[1] == 0xa0 && p[2] == 0x8e ? 3 : 0;
    case 0xe2:                  /* U+200B..F, U+202A..E, U+2060..F. */
        *ret = -1;
        return left > 2 && ((p[1] == 0x80 && p[2] >= 0x8b && p[2] <= 0x8f)
                            || (p[1] == 0x80 && p[2] >= 0xaa && p[2] <= 0xae)
                            || (p[1] == 0x81 && p[2] >= 0xa0 && p[2] <= 0xaf))
               ? 3 : 0;
    case 0xef:                  /* Variation selectors, U+FEFF. */
        *ret = -1;
        return left > 2 && ((p[1] == 0xb8 && p[2] <= 0x8f)
                            || (p[1] == 0xbb && p[2] == 0xbf)) ? 3 : 0;
    default:
        return 0;
    }
}

/* Undoes what stands in place; puts nothing if nothing does. */
static void
decode_in_place(struct out *o, const struct redact_text_map *text,
                const uint64_t *escape)
{
    size_t n_words = (text->size + 63) / 64;
    uint32_t copied = 0;
    bool any = false;

    for (size_t i = 0; i < n_words; i++) {
        for (uint64_t w = escape[i]; w && !o->full; w &= w - 1) {
            uint32_t pos = i * 64 + __builtin_ctzll(w);
            int byte = -1;
            if (pos >= text->size) {
                break;
            }
            size_t n = pos < copied ? 0 : decode_one(text->data + pos,
                                                     text->size - pos, &byte);
            if (!n) {
                continue;
            }
            put_plain(o, text, copied, pos);
            note(o, text, pos);
            if (byte >= 0) {
                put_of(o, text, byte, pos, pos + n);
            }
            copied = pos + n;
            any = true;
        }
    }
    if (any && !o->full) {
        put_plain(o, text, copied, text->size);
    }
}

/* Begins with what is encoded at 'start' of 'text' and says 'n' bytes.
 * Returns false if the budget has no room for them. */
static bool
spend(struct out *o, const struct redact_text_map *text, uint32_t start,
      uint32_t n)
{
    note(o, text, start);
    o->full |= n > o->left;
    o->left -= n < o->left ? n : o->left;
    return !o->full;
}

/* Puts what the base64 digits of 'text' at [start, end) say, the first group
 * beginning at 'start'. */
static void
put_base64(struct out *o, const struct redact_text_map *text, uint32_t start,
           uint32_t end)
{
    if (!spend(o, text, start, (end - start) * 3 / 4)) {
        return;
    }
    put_of(o, text, '\n', start, start + 1);
    for (uint32_t p = start; end - p >= 2; p += 4) {
        uint32_t v = (base64_values[text->data[p]] << 18
                      | base64_values[text->data[p + 1]] << 12);

        put_of(o, text, v >> 16, p, p + 2);
        if (end - p < 3) {
            break;
        }
        v |= base64_values[text->data[p + 2]] << 6;
        put_of(o, text, v >> 8, p + 1, p + 3);
        if (end - p < 4) {
            break;
        }
        v |= base64_values[text->data[p + 3]];
        put_of(o, text, v, p + 2, p + 4);
    }
    put_of(o, text, '\n', end - 1, end);
}

/* Likewise for pairs of hexadecimal digits. */
static void
put_hex(struct out *o, const struct redact_text_map *text, uint32_t start,
        uint32_t end)
{
    if (!spend(o, text, start, (end - start) / 2)) {
        return;
    }
    put_of(o, text, '\n', start, start + 1);
    for (uint32_t p = start; end - p >= 2; p += 2) {
        put_of(o, text, hex_values[text->data[p]] << 4
                        | hex_values[text->data[p + 1]], p, p + 2);
    }
    put_of(o, text, '\n', end - 1, end);
}

/* Returns the end of the run of bits that 'pos' is in. */
static uint32_t
run_end(const uint64_t *bits, uint32_t pos, uint32_t size)
{
    uint64_t clear = ~bits[pos / 64] >> pos % 64;

    if (clear) {
        pos += __builtin_ctzll(clear);
    } else {
        pos = (pos / 64 + 1) * 64;
        while (pos < size && bits[pos / 64] == UINT64_MAX) {
            pos += 64;
        }
        if (pos < size) {
            pos += __builtin_ctzll(~bits[pos / 64]);
        }
    }
    return pos < size ? pos : size;
}

/* Returns the start of the run of bits that 'pos' is in, which is not before
 * 'first'. */
static uint32_t
run_start(const uint64_t *bits, uint32_t pos, uint32_t first)
{
    while (pos > first && bits[(pos - 1) / 64] >> (pos - 1) % 64 & 1) {
        pos--;
    }
    return pos;
}

/* An island that is being found out: digits from 'start' on, of which those at
 * 'last' said text.  None if both are zero. */
struct island {
    uint32_t start, last;
};

typedef void put_island(struct out *, const struct redact_text_map *,
                        uint32_t start, uint32_t end);

/* Puts the islands of a run that ends at 'end', one for each phase. */
static void
put_islands(struct out *o, const struct redact_text_map *text,
            struct island islands[4], uint32_t end, put_island *put_one)
{
    for (int i = 0; i < 4 && !o->full; i++) {
        struct island *is = &islands[i];

        if (is->last && end - is->start >= MIN_RUN) {
            put_one(o, text, is->start, end - is->last > ISLAND_AFTER
                                        ? is->last + ISLAND_AFTER : end);
        }
        *is = (struct island) { .start = 0 };
    }
}

/* Puts an island for each way in which a run of digits, in groups of 'unit',
 * says text: 'text_bits' say where a text begins.  What is far from any text
 * stays out, lest one accident in a long run make all of it an island. */
static void
decode_runs(struct out *o, const struct redact_text_map *text,
            const uint64_t *text_bits, const uint64_t *run_bits, uint32_t unit,
            put_island *put_one)
{
    size_t n_words = (text->size + 63) / 64;
    uint32_t start = 0, end = 0;    /* Of the run. */
    struct island islands[4] = { { .start = 0 } };

    for (size_t i = 0; i < n_words && !o->full; i++) {
        for (uint64_t w = text_bits[i]; w && !o->full; w &= w - 1) {
            uint32_t pos = i * 64 + __builtin_ctzll(w);

            if (pos >= text->size) {
                break;
            }
            if (pos >= end) {
                put_islands(o, text, islands, end, put_one);
                start = run_start(run_bits, pos, end);
                end = run_end(run_bits, pos, text->size);
            }
            struct island *is = &islands[(pos - start) % unit];
            if (is->last && pos - is->last > ISLAND_AFTER) {
                put_one(o, text, is->start, is->last + ISLAND_AFTER);
                is->last = 0;
            }
            if (!is->last) {
                uint32_t back = pos - start < ISLAND_BEFORE
                                ? (pos - start) / unit * unit : ISLAND_BEFORE;
                is->start = pos - back;
            }
            is->last = pos + 1;
        }
    }
    put_islands(o, text, islands, end, put_one);
}

bool
redact_shadow_make(const struct redact_text_map *text,
                   const struct redact_bitmaps *maps,
                   struct redact_shadow *ret)
{
    struct out o = {
        .shadow = ret, .left = MAX_DECODED + text->size / TEXT_PER_DECODED
    };

    ret->data = ret->data_ + REDACT_PADDING;
    ret->size = 0;
    ret->first = UINT32_MAX;
    decode_in_place(&o, text, maps->escape);
    decode_runs(&o, text, maps->base64_text, maps->base64, 4, put_base64);
    decode_runs(&o, text, maps->hex_text, maps->hex, 2, put_hex);
    memset(ret->data + ret->size, 0, REDACT_PADDING);
    return !o.full;
}
