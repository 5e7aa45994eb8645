/* SPDX-License-Identifier: Apache-2.0
 *
 * SipHash-2-4 (Aumasson and Bernstein, "SipHash: a fast short-input PRF"):
 * what the AUTH option holds, over data that comes in pieces.
 *
 * The switch makes AUTH and the proxy verifies it with the same code.  The
 * proxy has libsodium, whose crypto_shorthash() is the same function and which
 * the unit tests compare this one with; ovs-vswitchd does not link it, and
 * crypto_shorthash() takes one piece only, while the proxy must read AUTH
 * itself as zeros in a packet that it does not write to.
 *
 * Plain C99, no other header of either tree, no I/O, no allocation: the file
 * is copied into the Open vSwitch tree as lib/sluice/siphash.h. */

#ifndef SLUICE_SIPHASH_H
#define SLUICE_SIPHASH_H 1

#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum {
    SIPHASH_KEY_SIZE = 16,
    SIPHASH_SIZE = 8,           /* Bytes of the result. */
};

struct siphash {
    uint64_t v0, v1, v2, v3;
    uint64_t size;              /* Bytes so far. */
    uint8_t pending[8];         /* The last 'size' % 8 of them. */
};

/* Returns the little-endian number in the 8 bytes at 'p'. */
static inline uint64_t
siphash_get(const uint8_t *p)
{
    uint64_t x;

    memcpy(&x, p, sizeof x);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    x = __builtin_bswap64(x);
#endif
    return x;
}

static inline uint64_t
siphash_rotate(uint64_t x, int n)
{
    return x << n | x >> (64 - n);
}

static inline void
siphash_round(struct siphash *h)
{
    h->v0 += h->v1;
    h->v2 += h->v3;
    h->v1 = siphash_rotate(h->v1, 13) ^ h->v0;
    h->v3 = siphash_rotate(h->v3, 16) ^ h->v2;
    h->v0 = siphash_rotate(h->v0, 32);

    h->v2 += h->v1;
    h->v0 += h->v3;
    h->v1 = siphash_rotate(h->v1, 17) ^ h->v2;
    h->v3 = siphash_rotate(h->v3, 21) ^ h->v0;
    h->v2 = siphash_rotate(h->v2, 32);
}

static inline void
siphash_word(struct siphash *h, uint64_t word)
{
    h->v3 ^= word;
    siphash_round(h);
    siphash_round(h);
    h->v0 ^= word;
}

/* Begins a hash under 'key'. */
static inline void
siphash_init(struct siphash *h, const uint8_t key[SIPHASH_KEY_SIZE])
{
    uint64_t k0 = siphash_get(key);
    uint64_t k1 = siphash_get(key + 8);

    memset(h, 0, sizeof *h);
    h->v0 = k0 ^ UINT64_C(0x736f6d6570736575);
    h->v1 = k1 ^ UINT64_C(0x646f72616e646f6d);
    h->v2 = k0 ^ UINT64_C(0x6c7967656e657261);
    h->v3 = k1 ^ UINT64_C(0x7465646279746573);
}

/* Adds the 'size' bytes at 'data', which may be null if that is 0. */
static inline void
siphash_update(struct siphash *h, const void *data, size_t size)
{
    const uint8_t *p = data;
    size_t n_pending = h->size % 8;

    h->size += size;
    if (n_pending) {
        while (size && n_pending < 8) {
            h->pending[n_pending++] = *p++;
            size--;
        }
        if (n_pending < 8) {
            return;
        }
        siphash_word(h, siphash_get(h->pending));
    }

    /* In registers, which stores through 'h' would prevent. */
    struct siphash local = *h;
    for (; size >= 8; size -= 8, p += 8) {
        siphash_word(&local, siphash_get(p));
    }
    *h = local;
    if (size) {
        memcpy(h->pending, p, size);
    }
}

/* Ends the hash and writes it to 'result', in the byte order of the paper and
 * of libsodium. */
static inline void
siphash_final(struct siphash *h, uint8_t result[SIPHASH_SIZE])
{
    size_t n_pending = h->size % 8;

    memset(h->pending + n_pending, 0, 8 - n_pending);
    h->pending[7] = h->size & 0xff;
    siphash_word(h, siphash_get(h->pending));
    h->v2 ^= 0xff;
    for (int i = 0; i < 4; i++) {
        siphash_round(h);
    }

    uint64_t x = h->v0 ^ h->v1 ^ h->v2 ^ h->v3;
    for (int i = 0; i < SIPHASH_SIZE; i++) {
        result[i] = x >> 8 * i & 0xff;
    }
}

#endif /* siphash.h */
