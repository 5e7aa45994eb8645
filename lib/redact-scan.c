/* SPDX-License-Identifier: Apache-2.0
 *
 * One pass over the bytes of a message for what no literal leads to: runs of
 * digits that could be a payment card's number, an IBAN or a social security
 * number, and '@'.
 *
 * In: the message.
 * Out: a bitmap of each.
 * Runs in: sluice-intake. */
#include "redact-internal.h"

#ifdef __SSE2__
#include <emmintrin.h>
#endif

#define BLOCK REDACT_PADDING    /* Bytes per word of a bitmap. */

/* What a block consists of, a bit per byte. */
struct classes {
    uint64_t digit, upper, alnum, at, dash, joint;
};

#ifdef __SSE2__
/* Bits of the bytes of 'v' that are 'first' to 'first' + 'span'. */
static inline uint64_t
in_range(__m128i v, char first, char span)
{
    __m128i d = _mm_sub_epi8(v, _mm_set1_epi8(first));
    __m128i in = _mm_cmpeq_epi8(_mm_min_epu8(d, _mm_set1_epi8(span)), d);

    return (uint32_t) _mm_movemask_epi8(in);
}

static inline uint64_t
equal(__m128i v, char c)
{
    return (uint32_t) _mm_movemask_epi8(_mm_cmpeq_epi8(v, _mm_set1_epi8(c)));
}

static struct classes
classify(const uint8_t block[BLOCK])
{
    struct classes c = { .digit = 0 };

    for (int i = 0; i < BLOCK; i += 16) {
        __m128i v = _mm_loadu_si128((const __m128i *) (block + i));
        __m128i lower = _mm_or_si128(v, _mm_set1_epi8(0x20));
        uint64_t digit = in_range(v, '0', 9);

        c.digit |= digit << i;
        c.alnum |= (digit | in_range(lower, 'a', 25)) << i;
        c.upper |= in_range(v, 'A', 25) << i;
        c.at |= equal(v, '@') << i;
        uint64_t dash = equal(v, '-');
        c.dash |= dash << i;
        c.joint |= (equal(v, ' ') | dash) << i;
    }
    return c;
}
#else
static struct classes
classify(const uint8_t block[BLOCK])
{
    struct classes c = { .digit = 0 };

    for (int i = 0; i < BLOCK; i++) {
        uint64_t bit = UINT64_C(1) << i;

        c.digit |= redact_is_digit(block[i]) ? bit : 0;
        c.alnum |= redact_is_alnum(block[i]) ? bit : 0;
        c.upper |= block[i] >= 'A' && block[i] <= 'Z' ? bit : 0;
        c.at |= block[i] == '@' ? bit : 0;
        c.dash |= block[i] == '-' ? bit : 0;
        c.joint |= block[i] == ' ' || block[i] == '-' ? bit : 0;
    }
    return c;
}
#endif

/* The bits of the bytes 'n' further on. */
static inline uint64_t
ahead(uint64_t word, uint64_t next, int n)
{
    return word >> n | next << (64 - n);
}

static struct classes
classify_at(const uint8_t *data, size_t size, size_t pos)
{
    return pos < size ? classify(data + pos) : (struct classes) { .digit = 0 };
}

void
redact_scan_bytes(const uint8_t *data, size_t size,
                  const struct redact_bitmaps *ret)
{
    struct classes c = classify_at(data, size, 0);
    uint64_t before = 0;        /* Whether the last byte was alphanumeric. */
    size_t n = 0;

    for (size_t pos = 0; pos < size; pos += BLOCK, n++) {
        struct classes next = classify_at(data, size, pos + BLOCK);

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
        before = c.alnum >> 63;
        c = next;
    }
    ret->card[n] = ret->ssn[n] = ret->iban[n] = ret->at[n] = 0;
}
