/* SPDX-License-Identifier: Apache-2.0
 *
 * Opens the test vectors of tests/vectors, and refuses those that are broken
 * for the reason that stands in vectors.txt. */
#include <config.h>

#include "unit.h"

#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "batch.h"
#include "chain.h"
#include "seal.h"
#include "ship-batch.h"

enum { MAX_FILE = 1024 * 1024 };

static struct seal_key *keys[2]; /* a, b. */

static void
path_of(const char *name, const char *end, char path[512])
{
    const char *srcdir = getenv("srcdir");

    snprintf(path, 512, "%s/tests/vectors/%s%s", srcdir ? srcdir : ".", name,
             end);
}

/* Reads NAME END.  The slice points into memory of this function's. */
static struct slice
read_vector(const char *name, const char *end)
{
    static uint8_t data[MAX_FILE];
    char path[512];

    path_of(name, end, path);
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    size_t n = fread(data, 1, sizeof data, file);
    fclose(file);
    return slice_of(data, n);
}

static int
read_keys(void **state)
{
    char copy[] = "/tmp/sluice-test-vectors.XXXXXX";

    (void) state;
    int fd = mkstemp(copy);     /* Of the mode that a secret key needs. */
    assert_true(fd >= 0);
    for (int i = 0; i < 2; i++) {
        struct slice text = read_vector(i ? "b" : "a", ".key");

        assert_int_equal(ftruncate(fd, 0), 0);
        assert_int_equal(pwrite(fd, text.data, text.size, 0), text.size);
        assert_int_equal(seal_key_read(copy, &keys[i]), 0);
    }
    close(fd);
    unlink(copy);
    return 0;
}

static const char *const error_names[] = {
    [SEAL_OK] = "ok", [SEAL_TRUNCATED] = "truncated", [SEAL_MAGIC] = "magic",
    [SEAL_VERSION] = "version", [SEAL_LIMIT] = "limit",
    [SEAL_RECIPIENT] = "recipient", [SEAL_TAMPERED] = "tampered",
    [SEAL_COMPRESSION] = "compression", [SEAL_NO_MEMORY] = "memory",
};

static void
hash_hex(const uint8_t *data, size_t size, char hex[65])
{
    uint8_t hash[32];

    crypto_generichash(hash, sizeof hash, data, size, NULL, 0);
    sodium_bin2hex(hex, 65, hash, sizeof hash);
}

/* Hashes the messages of the lines in 'body', an LF behind each. */
static void
hash_messages(struct slice body, char hex[65])
{
    crypto_generichash_state state;
    struct batch_reader reader;
    struct batch_entry entry;
    uint8_t hash[32];

    crypto_generichash_init(&state, NULL, 0, sizeof hash);
    batch_reader_init(&reader, body);
    for (;;) {
        enum batch_entry_kind kind = batch_reader_next(&reader, &entry);
        if (kind == BATCH_END || kind == BATCH_MALFORMED) {
            break;
        } else if (kind == BATCH_LINE) {
            crypto_generichash_update(&state, entry.line.msg.data,
                                      entry.line.msg.size);
            crypto_generichash_update(&state, (const uint8_t *) "\n", 1);
        }
    }
    crypto_generichash_final(&state, hash, sizeof hash);
    sodium_bin2hex(hex, 65, hash, sizeof hash);
}

/* Writes what vectors.txt should say of 'file' up to the messages. */
static void
examine(struct slice file, const struct seal_key *key, char *row, size_t size)
{
    const struct ship_form form = {
        .format = SHIP_RFC5424, .framing = SHIP_LF
    };
    char body_hash[65], messages_hash[65], reason[128];
    struct ship_batch *batch;
    struct seal_header h;
    uint8_t *raw;

    enum seal_error seal_error = seal_open(key, file, &h, &raw);
    if (seal_error) {
        snprintf(row, size, "%s", error_names[seal_error]);
        return;
    }
    hash_hex(raw, h.raw_size, body_hash);
    hash_messages(slice_of(raw, h.raw_size), messages_hash);
    int error = ship_batch_from_body(&raw, &h, h.tenant, "sluice@32473", &form,
                                     &batch, reason, sizeof reason);
    if (error) {
        assert_int_equal(error, EBADMSG);
        snprintf(row, size, "malformed");
        return;
    }
    snprintf(row, size, "ok\t%u\t%016llx\t%llu\t%u\t%s\t%s", h.tenant,
             (unsigned long long int) h.stream,
             (unsigned long long int) h.number, h.flags, body_hash,
             messages_hash);
    ship_batch_destroy(batch);
}

static void
each_vector_opens_or_not_as_its_row_says(void **state)
{
    char path[512], line[4096], found[512];
    int n = 0, n_wrong = 0;

    (void) state;
    path_of("vectors", ".txt", path);
    FILE *rows = fopen(path, "r");
    assert_non_null(rows);
    while (fgets(line, sizeof line, rows)) {
        char *rest = strchr(line, '\t');
        assert_non_null(rest);
        *rest++ = '\0';
        int key = *rest - 'a';
        assert_true(key == 0 || key == 1);
        rest += 2;
        rest[strcspn(rest, "\n")] = '\0';

        examine(read_vector(line, ".batch"), keys[key], found, sizeof found);
        size_t size = strlen(found);
        if (strncmp(rest, found, size)
            || (rest[size] && rest[size] != '\t')) {
            print_message("# %s: found %s\n#   expected %s\n", line, found,
                          rest);
            n_wrong++;
        }
        n++;
    }
    fclose(rows);
    assert_true(n >= 40);
    assert_int_equal(n_wrong, 0);
}

static void
the_chain_in_them_is_one(void **state)
{
    static struct chain chain;
    uint8_t digest[SEAL_DIGEST_SIZE];
    struct seal_header h;

    (void) state;
    chain_init(&chain, 7);
    for (int i = 0; i < 3; i++) {
        char name[16];

        snprintf(name, sizeof name, "chain-%d", i);
        struct slice file = read_vector(name, ".batch");
        assert_int_equal(seal_read_header(file, &h), SEAL_OK);
        seal_digest(file, digest);
        assert_int_equal(chain_check(&chain, &h, digest).verdict, CHAIN_NEXT);
        chain_accept(&chain, &h, digest);
    }
    assert_true(h.flags & SEAL_F_END);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_vector_opens_or_not_as_its_row_says),
        cmocka_unit_test(the_chain_in_them_is_one),
    };
    return cmocka_run_group_tests(tests, read_keys, NULL);
}
