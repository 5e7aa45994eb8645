/* SPDX-License-Identifier: Apache-2.0
 *
 * One pass over the bytes of a message for what no literal leads to: digits
 * that could be a payment card's number, an IBAN or a social security number,
 * '@', and what may be encoded.
 *
 * In: the message.
 * Out: a bitmap of each.
 * Runs in: sluice-intake. */
#include "redact-internal.h"

#ifdef __x86_64__
#include <immintrin.h>
#endif

#define BLOCK REDACT_PADDING    /* Bytes per word of a bitmap. */

/* What a block consists of, a bit per byte. */
struct classes {
#define CLASS(NAME, ...) uint64_t NAME;
#include "redact-classes.def"
#undef CLASS
};

#define CLASS(NAME, ...) \
    static const uint8_t NAME##_table[16] = { __VA_ARGS__ };
#include "redact-classes.def"
#undef CLASS

/* Returns whether 'c' begins a character of UTF-8 that may have no width. */
static inline bool
is_lead(uint8_t c)
{
    return c == 0xc2 || c == 0xcd || c == 0xe1 || c == 0xe2 || c == 0xef;
}

/* Adds to 'c->escape' those of the bytes from 0x80 on, which 'high' says, that
 * begin a character of no width. */
static inline void
add_leads(const uint8_t block[BLOCK], uint64_t high, struct classes *c)
{
    for (; high; high &= high - 1) {
        int i = __builtin_ctzll(high);
        c->escape |= (uint64_t) is_lead(block[i]) << i;
    }
}

static void
classify(const uint8_t block[BLOCK], struct classes *ret)
{
    struct classes c = { .digit = 0 };
    uint64_t high_bytes = 0;

    for (int i = 0; i < BLOCK; i++) {
        uint8_t low = block[i] & 15;
        uint8_t bit = block[i] < 0x80 ? 1 << (block[i] >> 4) : 0;

        high_bytes |= (uint64_t) !bit << i;
#define CLASS(NAME, ...) c.NAME |= (uint64_t) !!(NAME##_table[low] & bit) << i;
#include "redact-classes.def"
#undef CLASS
    }
    add_leads(block, high_bytes, &c);
    *ret = c;
}

#ifdef __x86_64__
#define AVX2 __attribute__((target("avx2,bmi")))

/* Two look-ups of half a byte each say which sets a byte is in. */
AVX2 static inline __attribute__((always_inline)) void
classify_avx2(const uint8_t block[BLOCK], struct classes *ret)
{
    const __m256i bits = _mm256_broadcastsi128_si256(_mm_setr_epi8(
        1, 2, 4, 8, 16, 32, 64, (char) 128, 0, 0, 0, 0, 0, 0, 0, 0));
    const __m256i nibble = _mm256_set1_epi8(15);
    const __m256i zero = _mm256_setzero_si256();
    struct classes c = { .digit = 0 };
    uint64_t high_bytes = 0;

#pragma GCC unroll 2
    for (int i = 0; i < BLOCK; i += 32) {
        __m256i v = _mm256_loadu_si256((const __m256i *) (block + i));
        __m256i low = _mm256_and_si256(v, nibble);
        __m256i high = _mm256_and_si256(_mm256_srli_epi16(v, 4), nibble);
        __m256i bit = _mm256_shuffle_epi8(bits, high);

#define CLASS(NAME, ...)                                                    \
        {                                                                   \
            __m256i table = _mm256_broadcastsi128_si256(                    \
                _mm_loadu_si128((const __m128i *) NAME##_table));           \
            __m256i in = _mm256_and_si256(_mm256_shuffle_epi8(table, low),  \
                                          bit);                             \
            uint32_t out = _mm256_movemask_epi8(_mm256_cmpeq_epi8(in,       \
                                                                  zero));   \
            c.NAME |= (uint64_t) ~out << i;                                 \
        }
#include "redact-classes.def"
#undef CLASS
        high_bytes |= (uint64_t) (uint32_t) _mm256_movemask_epi8(v) << i;
    }
    add_leads(block, high_bytes, &c);
    *ret = c;
}
#endif

/* The bits of the bytes 'n' further on. */
static inline uint64_t
ahead(uint64_t word, uint64_t next, int n)
{
    return word >> n | next << (64 - n);
}

/* Sets in '*ret' the bits at which an even number of bytes might begin that
 * hexadecimal digits say and that are text: eight pairs. */
static inline uint64_t
find_hex(const struct classes *c, const struct classes *next)
{
    uint64_t w = c->high & ahead(c->hex, next->hex, 1);
    uint64_t n = next->high & next->hex >> 1;

    for (int step = 2; step < 16; step *= 2) {
        w &= ahead(w, n, step);
        n &= n >> step;
    }
    return w;
}

/* Likewise for base64: three groups of four. */
static inline uint64_t
find_base64(const struct classes *c, const struct classes *next)
{
    uint64_t w = (c->first & ahead(c->second, next->second, 1)
                  & ahead(c->third, next->third, 2)
                  & ahead(c->base64, next->base64, 3));
    uint64_t n = (next->first & next->second >> 1 & next->third >> 2
                  & next->base64 >> 3);

    return w & ahead(w, n, 4) & ahead(w, n, 8);
}

typedef void classifier(const uint8_t block[BLOCK], struct classes *ret);

static inline __attribute__((always_inline)) void
scan_bytes(const uint8_t *data, size_t size, const struct redact_bitmaps *ret,
           classifier *classify_block)
{
    const struct classes none = { .digit = 0 };
    struct classes c = none, next = none;
    uint64_t before = 0;        /* Whether the last byte was alphanumeric. */
    size_t n = 0;

    if (size) {
        classify_block(data, &c);
    }
    for (size_t pos = 0; pos < size; pos += BLOCK, n++) {
        if (pos + BLOCK < size) {
            classify_block(data + pos + BLOCK, &next);
        } else {
            next = none;
        }

        /* Four digits, not inside a word, and behind at most one joint three
         * more: what all the ways to write a card's number begin with. */
        uint64_t d1 = ahead(c.digit, next.digit, 1);
        uint64_t d2 = ahead(c.digit, next.digit, 2);
        uint64_t d3 = ahead(c.digit, next.digit, 3);
        uint64_t d4 = ahead(c.digit, next.digit, 4);
        uint64_t d5 = ahead(c.digit, next.digit, 5);
        uint64_t d6 = ahead(c.digit, next.digit, 6);
        uint64_t d7 = ahead(c.digit, next.digit, 7);
        uint64_t j4 = ahead(c.joint, next.joint, 4);
        uint64_t start = c.digit & ~(c.alnum << 1 | before);

        ret->card[n] = start & d1 & d2 & d3 & (d4 | j4) & d5 & d6 & (d4 | d7);

        /* 123-45-6789 */
        ret->ssn[n] = (start & d1 & d2 & ahead(c.dash, next.dash, 3) & d4 & d5
                       & ahead(c.dash, next.dash, 6) & d7);

        /* Country and check digits, not inside a word. */
        ret->iban[n] = (c.upper & ~(c.alnum << 1 | before)
                        & ahead(c.upper, next.upper, 1) & d2 & d3);
        ret->at[n] = c.at;
        ret->escape[n] = c.escape;
        ret->base64_text[n] = find_base64(&c, &next);
        ret->hex_text[n] = find_hex(&c, &next);
        ret->base64[n] = c.base64;
        ret->hex[n] = c.hex;
        before = c.alnum >> 63;
        c = next;
    }
    ret->card[n] = ret->ssn[n] = ret->iban[n] = ret->at[n] = 0;
    ret->escape[n] = ret->base64_text[n] = ret->hex_text[n] = 0;
    ret->base64[n] = ret->hex[n] = 0;
    if (size % BLOCK) {
        ret->escape[n - 1] &= (UINT64_C(1) << size % BLOCK) - 1;
    }
}

#ifdef __x86_64__
AVX2 static void
scan_bytes_avx2(const uint8_t *data, size_t size,
                const struct redact_bitmaps *ret)
{
    scan_bytes(data, size, ret, classify_avx2);
}
#endif

void
redact_scan_bytes(const uint8_t *data, size_t size,
                  const struct redact_bitmaps *ret)
{
#ifdef __x86_64__
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi")) {
        scan_bytes_avx2(data, size, ret);
        return;
    }
#endif
    scan_bytes(data, size, ret, classify);
}
