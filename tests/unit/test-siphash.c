/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include <sodium.h>

#include "siphash.h"

/* Key and input of the vectors are 0, 1, 2...; these are the first of those
 * that come with the reference implementation. */
static const uint8_t vectors[][SIPHASH_SIZE] = {
    { 0x31, 0x0e, 0x0e, 0xdd, 0x47, 0xdb, 0x6f, 0x72 },
    { 0xfd, 0x67, 0xdc, 0x93, 0xc5, 0x39, 0xf8, 0x74 },
    { 0x5a, 0x4f, 0xa9, 0xd9, 0x09, 0x80, 0x6c, 0x0d },
    { 0x2d, 0x7e, 0xfb, 0xd7, 0x96, 0x66, 0x67, 0x85 },
    { 0xb7, 0x87, 0x71, 0x27, 0xe0, 0x94, 0x27, 0xcf },
    { 0x8d, 0xa6, 0x99, 0xcd, 0x64, 0x55, 0x76, 0x18 },
    { 0xce, 0xe3, 0xfe, 0x58, 0x6e, 0x46, 0xc9, 0xcb },
    { 0x37, 0xd1, 0x01, 0x8b, 0xf5, 0x00, 0x02, 0xab },
    { 0x62, 0x24, 0x93, 0x9a, 0x79, 0xf5, 0xf5, 0x93 },
};

/* The hash of 'size' bytes that come in pieces, which end at random. */
static void
hash(const uint8_t *key, const uint8_t *data, size_t size, bool in_pieces,
     uint8_t result[SIPHASH_SIZE])
{
    struct siphash h;

    siphash_init(&h, key);
    while (size) {
        size_t n = in_pieces ? randombytes_uniform(size + 1) : size;
        siphash_update(&h, data, n);
        data += n;
        size -= n;
    }
    siphash_update(&h, NULL, 0);
    siphash_final(&h, result);
}

static void
the_reference_vectors_come_out(void **state)
{
    uint8_t bytes[SIPHASH_KEY_SIZE];
    uint8_t result[SIPHASH_SIZE];

    (void) state;
    for (uint8_t i = 0; i < sizeof bytes; i++) {
        bytes[i] = i;
    }
    for (size_t i = 0; i < sizeof vectors / sizeof *vectors; i++) {
        hash(bytes, bytes, i, false, result);
        assert_memory_equal(result, vectors[i], SIPHASH_SIZE);
    }

    /* The one of the paper, appendix A. */
    hash(bytes, bytes, 15, false, result);
    assert_memory_equal(result, "\xe5\x45\xbe\x49\x61\xca\x29\xa1",
                        SIPHASH_SIZE);
}

static void
it_is_what_libsodium_computes_in_however_many_pieces(void **state)
{
    static uint8_t data[3000];
    uint8_t key[SIPHASH_KEY_SIZE];
    uint8_t expected[SIPHASH_SIZE];
    uint8_t result[SIPHASH_SIZE];

    (void) state;
    assert_int_equal(crypto_shorthash_siphash24_KEYBYTES, SIPHASH_KEY_SIZE);
    assert_int_equal(crypto_shorthash_siphash24_BYTES, SIPHASH_SIZE);
    for (int i = 0; i < 5000; i++) {
        size_t size = i < 100 ? (size_t) i : randombytes_uniform(2990);
        /* Not always aligned. */
        uint8_t *start = data + randombytes_uniform(8);

        randombytes_buf(key, sizeof key);
        randombytes_buf(data, sizeof data);
        crypto_shorthash_siphash24(expected, start, size, key);
        hash(key, start, size, false, result);
        assert_memory_equal(result, expected, SIPHASH_SIZE);
        hash(key, start, size, true, result);
        assert_memory_equal(result, expected, SIPHASH_SIZE);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_reference_vectors_come_out),
        cmocka_unit_test(it_is_what_libsodium_computes_in_however_many_pieces),
    };

    if (sodium_init() < 0) {
        return 1;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
