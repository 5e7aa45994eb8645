/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "seal.h"

enum { MAX_RAW = 256 * 1024 };

struct fixture {
    char dir[64];
    char secret[80], public[80];
    struct seal_key *key;
    struct sealer *sealer;
};

static int
setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    uint8_t recipient[32];

    snprintf(f->dir, sizeof f->dir, "/tmp/sluice-test-seal.XXXXXX");
    assert_non_null(mkdtemp(f->dir));
    snprintf(f->secret, sizeof f->secret, "%s/ship.key", f->dir);
    snprintf(f->public, sizeof f->public, "%s/key.pub", f->dir);
    assert_int_equal(seal_key_generate(f->secret, f->public), 0);
    assert_int_equal(seal_key_read(f->secret, &f->key), 0);
    assert_int_equal(seal_public_key_read(f->public, recipient), 0);
    f->sealer = sealer_create(recipient, MAX_RAW);
    assert_non_null(f->sealer);
    *state = f;
    return 0;
}

static int
teardown(void **state)
{
    struct fixture *f = *state;

    sealer_destroy(f->sealer);
    seal_key_destroy(f->key);
    unlink(f->secret);
    unlink(f->public);
    assert_int_equal(rmdir(f->dir), 0); /* Nothing else was left there. */
    free(f);
    return 0;
}

static const struct seal_header some_header = {
    .tenant = 0x00aabbcc,
    .n_lines = 1234,
    .stream = 0x0123456789abcdef,
    .number = 42,
    .created_ns = 1700000000123456789,
    .generation = 5,
    .flags = SEAL_F_END,
    .origin = 0x8877665544332211,
    .previous = { 0xd1, 0x6e, [31] = 0x57 },
};

/* Seals 'text'; the file is malloc()ed and the caller's. */
static struct slice
seal_text(struct fixture *f, const char *text)
{
    struct seal_header h = some_header;
    struct slice file;

    assert_int_equal(sealer_run(f->sealer, &h, slice_from_string(text),
                                &file), 0);
    uint8_t *copy = malloc(file.size);
    memcpy(copy, file.data, file.size);
    return slice_of(copy, file.size);
}

static void
what_was_sealed_opens_to_the_same(void **state)
{
    struct fixture *f = *state;
    static uint8_t raw[MAX_RAW];

    for (size_t size = 0; size <= MAX_RAW; size = size * 5 + 1) {
        struct seal_header h = some_header, opened;
        struct slice file;
        uint8_t *ret;

        /* Half of it compresses. */
        randombytes_buf(raw, size / 2);
        assert_int_equal(sealer_run(f->sealer, &h, slice_of(raw, size),
                                    &file), 0);
        assert_int_equal(file.size, SEAL_HEADER_SIZE + h.body_size);
        assert_int_equal(h.raw_size, size);
        assert_int_equal(seal_open(f->key, file, &opened, &ret), SEAL_OK);
        assert_memory_equal(ret, raw, size);
        free(ret);
        assert_int_equal(opened.tenant, some_header.tenant);
        assert_int_equal(opened.n_lines, some_header.n_lines);
        assert_int_equal(opened.stream, some_header.stream);
        assert_int_equal(opened.number, some_header.number);
        assert_int_equal(opened.created_ns, some_header.created_ns);
        assert_int_equal(opened.raw_size, size);
        assert_int_equal(opened.generation, some_header.generation);
        assert_int_equal(opened.flags, some_header.flags);
        assert_int_equal(opened.origin, some_header.origin);
        assert_memory_equal(opened.previous, some_header.previous, 32);
        assert_memory_equal(opened.recipient, h.recipient, 32);
    }
}

static void
the_header_is_laid_out_as_documented(void **state)
{
    struct fixture *f = *state;
    static const uint8_t expected[40] = {
        'S', 'L', 'U', 'I', 'C', 'E', 'B', 2, 0, 0xaa, 0xbb, 0xcc,
        0, 0, 4, 0xd2, 1, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef,
        0, 0, 0, 0, 0, 0, 0, 42, 0x17, 0x97, 0x9c, 0xfe, 0x3d, 0x85, 0xcd,
        0x15,
    };
    static const uint8_t more[48] = {
        0, 0, 0, 5, 0, 0, 0, 1, 0x88, 0x77, 0x66, 0x55, 0x44, 0x33, 0x22, 0x11,
        0xd1, 0x6e, [47] = 0x57,
    };
    struct slice file = seal_text(f, "hello");

    assert_memory_equal(file.data, expected, sizeof expected);
    assert_memory_equal(file.data + 40, "\0\0\0\5", 4);
    assert_memory_equal(file.data + 48, more, sizeof more);
    free((void *) file.data);
}

static void
every_changed_bit_is_noticed(void **state)
{
    struct fixture *f = *state;
    struct slice file = seal_text(f, "a secret of the tenant's");
    uint8_t *data = (uint8_t *) file.data;

    for (size_t i = 0; i < file.size; i++) {
        for (int bit = 0; bit < 8; bit++) {
            struct seal_header h;
            uint8_t *raw = (uint8_t *) 1;

            data[i] ^= 1 << bit;
            assert_int_not_equal(seal_open(f->key, file, &h, &raw), SEAL_OK);
            assert_ptr_equal(raw, (uint8_t *) 1);
            data[i] ^= 1 << bit;
        }
    }
    free(data);
}

static void
truncated_or_longer_files_do_not_open(void **state)
{
    struct fixture *f = *state;
    struct slice file = seal_text(f, "to be cut");
    struct seal_header h;
    uint8_t *raw;

    for (size_t size = 0; size < file.size; size++) {
        uint8_t *exact = malloc(size ? size : 1);
        memcpy(exact, file.data, size);
        assert_int_equal(seal_open(f->key, slice_of(exact, size), &h, &raw),
                         SEAL_TRUNCATED);
        free(exact);
    }
    uint8_t *longer = calloc(1, file.size + 1);
    memcpy(longer, file.data, file.size);
    assert_int_equal(seal_open(f->key, slice_of(longer, file.size + 1), &h,
                               &raw), SEAL_TRUNCATED);
    free(longer);
    free((void *) file.data);
}

static void
a_file_that_is_something_else_says_what(void **state)
{
    struct fixture *f = *state;
    struct slice file = seal_text(f, "x");
    uint8_t *data = (uint8_t *) file.data;
    struct seal_header h;

    data[0] = 's';
    assert_int_equal(seal_read_header(file, &h), SEAL_MAGIC);
    data[0] = 'S';
    data[7] = 1;
    assert_int_equal(seal_read_header(file, &h), SEAL_VERSION);
    data[7] = 2;
    data[52] = 0x80;            /* A flag of a newer writer. */
    assert_int_equal(seal_read_header(file, &h), SEAL_VERSION);
    data[52] = 0;
    data[40] = 2;               /* raw_size: 32 MiB. */
    assert_int_equal(seal_read_header(file, &h), SEAL_LIMIT);
    data[40] = 0;
    data[41] = 0xff;            /* More than so short a body can hold. */
    assert_int_equal(seal_read_header(file, &h), SEAL_LIMIT);
    data[41] = 0;
    memset(data + 44, 0, 4);    /* body_size: not even a tag. */
    assert_int_equal(seal_read_header(file, &h), SEAL_LIMIT);
    for (int i = SEAL_OK; i <= SEAL_NO_MEMORY; i++) {
        assert_non_null(seal_error_text(i));
    }
    free(data);
}

/* Makes another key pair in the files '2' and '2.pub'. */
static struct seal_key *
make_other_key(struct fixture *f, uint8_t public[32])
{
    char secret_path[96], public_path[96];
    struct seal_key *key;

    snprintf(secret_path, sizeof secret_path, "%s/2", f->dir);
    snprintf(public_path, sizeof public_path, "%s/2.pub", f->dir);
    assert_int_equal(seal_key_generate(secret_path, public_path), 0);
    assert_int_equal(seal_key_read(secret_path, &key), 0);
    assert_int_equal(seal_public_key_read(public_path, public), 0);
    unlink(secret_path);
    unlink(public_path);
    return key;
}

static void
another_recipient_can_not_open_it(void **state)
{
    struct fixture *f = *state;
    uint8_t public[32];
    struct seal_key *other = make_other_key(f, public);
    struct slice file = seal_text(f, "not for you");
    struct seal_header h;
    uint8_t *raw;

    assert_int_equal(seal_open(other, file, &h, &raw), SEAL_RECIPIENT);
    /* Not even where the header names him. */
    memcpy((uint8_t *) file.data + 96, public, sizeof public);
    assert_int_equal(seal_open(other, file, &h, &raw), SEAL_TAMPERED);
    seal_key_destroy(other);
    free((void *) file.data);
}

static void
a_batch_over_the_maximum_is_refused(void **state)
{
    struct fixture *f = *state;
    uint8_t *raw = calloc(1, MAX_RAW + 1);
    struct seal_header h = some_header;
    struct slice file = slice_of(NULL, 0);

    assert_int_equal(sealer_run(f->sealer, &h, slice_of(raw, MAX_RAW + 1),
                                &file), EMSGSIZE);
    assert_int_equal(file.size, 0);
    assert_null(sealer_create(h.recipient, SEAL_MAX_RAW_SIZE + 1));
    free(raw);
}

static void
the_most_compressible_batch_still_opens(void **state)
{
    struct fixture *f = *state;
    uint8_t *zeros = calloc(1, SEAL_MAX_RAW_SIZE);
    uint8_t recipient[32];
    struct seal_header h = some_header;
    struct slice file;
    uint8_t *raw;

    assert_int_equal(seal_public_key_read(f->public, recipient), 0);
    struct sealer *sealer = sealer_create(recipient, SEAL_MAX_RAW_SIZE);
    assert_int_equal(sealer_run(sealer, &h,
                                slice_of(zeros, SEAL_MAX_RAW_SIZE), &file), 0);
    assert_int_equal(seal_open(f->key, file, &h, &raw), SEAL_OK);
    free(raw);
    free(zeros);
    sealer_destroy(sealer);
}

static void
no_two_batches_share_key_or_nonce(void **state)
{
    struct fixture *f = *state;
    struct slice a = seal_text(f, "same"), b = seal_text(f, "same");

    assert_memory_not_equal(a.data + 128, b.data + 128, 80);
    assert_memory_not_equal(a.data + 208, b.data + 208, 24);
    free((void *) a.data);
    free((void *) b.data);
}

static void
what_is_compressed_once_is_sealed_for_each_recipient(void **state)
{
    struct fixture *f = *state;
    uint8_t other_public[32], public[32], digests[2][SEAL_DIGEST_SIZE];
    struct seal_key *other = make_other_key(f, other_public);
    struct seal_header h = some_header, opened;
    struct slice file;
    uint8_t *raw;

    assert_int_equal(seal_public_key_read(f->public, public), 0);
    assert_int_equal(sealer_seal(f->sealer, public, &h, &file), EINVAL);
    assert_int_equal(sealer_compress(f->sealer, slice_from_string("twice")),
                     0);
    for (int i = 0; i < 2; i++) {
        struct seal_key *key = i ? other : f->key;

        assert_int_equal(sealer_seal(f->sealer, i ? other_public : public,
                                     &h, &file), 0);
        assert_int_equal(seal_open(key, file, &opened, &raw), SEAL_OK);
        assert_memory_equal(raw, "twice", 5);
        free(raw);
        assert_int_equal(seal_open(i ? f->key : other, file, &opened, &raw),
                         SEAL_RECIPIENT);
        seal_digest(file, digests[i]);
    }
    assert_memory_not_equal(digests[0], digests[1], SEAL_DIGEST_SIZE);

    /* What can't be compressed leaves nothing to seal. */
    assert_int_equal(sealer_compress(f->sealer, slice_of(NULL, MAX_RAW + 1)),
                     EMSGSIZE);
    assert_int_equal(sealer_seal(f->sealer, public, &h, &file), EINVAL);
    seal_key_destroy(other);
}

static void
the_digest_is_of_header_and_tag(void **state)
{
    struct fixture *f = *state;
    struct slice file = seal_text(f, "to be followed by others");
    uint8_t *data = (uint8_t *) file.data;
    uint8_t before[SEAL_DIGEST_SIZE], after[SEAL_DIGEST_SIZE];

    seal_digest(file, before);
    for (size_t i = 0; i < file.size; i++) {
        bool covered = (i < SEAL_HEADER_SIZE
                        || i >= file.size - SEAL_TAG_SIZE);
        data[i] ^= 1;
        seal_digest(file, after);
        assert_int_equal(!memcmp(before, after, sizeof before), !covered);
        data[i] ^= 1;
    }
    free(data);
}

static void
write_file(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");

    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static void
key_files_are_guarded(void **state)
{
    struct fixture *f = *state;
    struct seal_key *key = NULL;
    struct stat st;
    uint8_t public[32], again[32];

    assert_int_equal(stat(f->secret, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_int_equal(st.st_size, 65);
    assert_int_equal(stat(f->public, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0644);

    /* A key that is there is never replaced. */
    assert_int_equal(seal_public_key_read(f->public, public), 0);
    assert_int_equal(seal_key_generate(f->secret, f->public), EEXIST);
    unlink(f->public);
    assert_int_equal(seal_key_publish(f->key, f->public), 0);
    assert_int_equal(seal_public_key_read(f->public, again), 0);
    assert_memory_equal(public, again, 32);

    assert_int_equal(chmod(f->secret, 0640), 0);
    assert_int_equal(seal_key_read(f->secret, &key), EACCES);
    assert_null(key);
    assert_int_equal(chmod(f->secret, 0600), 0);

    write_file(f->public, "0123\n");
    assert_int_equal(seal_public_key_read(f->public, again), EINVAL);
    write_file(f->public,
               "000000000000000000000000000000000000000000000000000000000000"
               "000g\n");
    assert_int_equal(seal_public_key_read(f->public, again), EINVAL);
    unlink(f->public);
    assert_int_equal(seal_public_key_read(f->public, again), ENOENT);
    assert_int_equal(symlink(f->secret, f->public), 0);
    assert_int_equal(seal_public_key_read(f->public, again), ELOOP);
    assert_memory_equal(public, again, 32);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(NAME) cmocka_unit_test_setup_teardown(NAME, setup, teardown)
        TEST(what_was_sealed_opens_to_the_same),
        TEST(the_header_is_laid_out_as_documented),
        TEST(every_changed_bit_is_noticed),
        TEST(truncated_or_longer_files_do_not_open),
        TEST(a_file_that_is_something_else_says_what),
        TEST(another_recipient_can_not_open_it),
        TEST(a_batch_over_the_maximum_is_refused),
        TEST(the_most_compressible_batch_still_opens),
        TEST(no_two_batches_share_key_or_nonce),
        TEST(what_is_compressed_once_is_sealed_for_each_recipient),
        TEST(the_digest_is_of_header_and_tag),
        TEST(key_files_are_guarded),
#undef TEST
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
