/* SPDX-License-Identifier: Apache-2.0
 *
 * Every single-bit flip, and every truncation, of sealed batches is noticed.
 * SLUICE_FLIPS says of how many batches: 20 by default, 1,000 by "make
 * check-flips".  Of a tenth as many, at least 10, each truncation is tried. */
#include "unit.h"

#include <inttypes.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "batch.h"
#include "seal.h"

enum { MAX_RAW = 4096, MAX_FILE = 8192 };

static struct seal_key *key;
static struct sealer *sealer;
static unsigned long int n_batches = 20;

static int
set_up(void **state)
{
    char dir[] = "/tmp/sluice-test-flips.XXXXXX";
    char secret[64], public_path[64];
    uint8_t public[32];
    const char *flips = getenv("SLUICE_FLIPS");

    (void) state;
    assert_non_null(mkdtemp(dir));
    snprintf(secret, sizeof secret, "%s/key", dir);
    snprintf(public_path, sizeof public_path, "%s/pub", dir);
    assert_int_equal(seal_key_generate(secret, public_path), 0);
    assert_int_equal(seal_key_read(secret, &key), 0);
    seal_key_public(key, public);
    sealer = sealer_create(public, MAX_RAW);
    assert_non_null(sealer);
    unlink(secret);
    unlink(public_path);
    rmdir(dir);
    if (flips) {
        n_batches = strtoul(flips, NULL, 10);
        assert_true(n_batches > 0);
    }
    return 0;
}

static int
tear_down(void **state)
{
    (void) state;
    sealer_destroy(sealer);
    seal_key_destroy(key);
    return 0;
}

/* Seals batch 'i' into 'file', as intake would: a line, its source, a place in
 * a stream.  No two are alike. */
static size_t
make_batch(unsigned long int i, uint8_t file[MAX_FILE])
{
    struct batch_source source = { .id = 1, .tenant = 1 + i % 5 };
    struct seal_header h = {
        .tenant = 1 + i % 5, .n_lines = 1, .stream = 1 + i / 100,
        .number = i % 100, .generation = i / 100, .origin = i * 7919,
        .flags = i % 4, .created_ns = i * UINT64_C(1000000007),
    };
    static uint8_t raw[MAX_RAW];
    char text[64];
    struct slice sealed;

    int size = snprintf(text, sizeof text, "line %lu%.*s", i, (int) (i % 40),
                        "of a length that differs from the others");
    struct batch_line line = {
        .source = 1, .pri = i % 192, .msg = slice_of(text, size),
    };
    size_t n = batch_put_source(raw, sizeof raw, &source);
    n += batch_put_line(raw + n, sizeof raw - n, &line);
    for (size_t j = 0; i % 4 != 2 && j < sizeof h.previous; j++) {
        h.previous[j] = i * 31 + j;
    }
    assert_int_equal(sealer_run(sealer, &h, slice_of(raw, n), &sealed), 0);
    assert_true(sealed.size <= MAX_FILE);
    memcpy(file, sealed.data, sealed.size);
    return sealed.size;
}

static bool
opens(const uint8_t *file, size_t size)
{
    struct seal_header h;
    uint8_t *raw;
    enum seal_error error = seal_open(key, slice_of(file, size), &h, &raw);

    if (!error) {
        free(raw);
    }
    return !error;
}

static void
every_flipped_bit_is_noticed(void **state)
{
    static uint8_t file[MAX_FILE];
    uint64_t n_flips = 0, n_missed = 0;

    (void) state;
    for (unsigned long int i = 0; i < n_batches; i++) {
        size_t size = make_batch(i, file);

        assert_true(opens(file, size));
        for (size_t bit = 0; bit < 8 * size; bit++) {
            file[bit / 8] ^= 1 << bit % 8;
            n_missed += opens(file, size);
            file[bit / 8] ^= 1 << bit % 8;
            n_flips++;
        }
        assert_true(opens(file, size));
    }
    print_message("# %lu batches, %"PRIu64" flips, %"PRIu64" not noticed\n",
                  n_batches, n_flips, n_missed);
    assert_int_equal(n_missed, 0);
}

static void
every_truncation_is_noticed(void **state)
{
    static uint8_t file[MAX_FILE];
    uint64_t n_cuts = 0, n_missed = 0;
    unsigned long int n = n_batches / 10 > 10 ? n_batches / 10 : 10;

    (void) state;
    for (unsigned long int i = 0; i < n; i++) {
        size_t size = make_batch(i, file);

        for (size_t left = 0; left < size; left++) {
            n_missed += opens(file, left);
            n_cuts++;
        }
    }
    print_message("# %lu batches, %"PRIu64" truncations, %"PRIu64" not "
                  "noticed\n", n, n_cuts, n_missed);
    assert_int_equal(n_missed, 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_flipped_bit_is_noticed),
        cmocka_unit_test(every_truncation_is_noticed),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
