/* SPDX-License-Identifier: Apache-2.0 */
#include "snapshot-fixture.h"

enum { N_VMS = 10000, HEADER_SIZE = 128 };

static void
assert_has_vm(const struct snapshot *s, uint32_t i)
{
    struct vm vm = make_vm(i);
    struct slice expected = slice_of(vm.record, vm.record_size);
    struct slice found;

    assert_true(snapshot_find_vm(s, vm.uuid, &found));
    assert_true(slice_equal(found, expected));
    for (int j = 0; j < 2; j++) {
        assert_true(snapshot_find_mac(s, vm.macs[j], &found));
        assert_true(slice_equal(found, expected));
    }
}

static void
assert_lacks_vm(const struct snapshot *s, uint32_t i)
{
    struct vm vm = make_vm(i);
    struct slice found = slice_from_string("untouched");

    assert_false(snapshot_find_vm(s, vm.uuid, &found));
    assert_false(snapshot_find_mac(s, vm.macs[0], &found));
    assert_false(snapshot_find_mac(s, vm.macs[1], &found));
    assert_slice_equal(found, "untouched");
}

static void
write_file(const char *path, const void *data, size_t size)
{
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(data, 1, size, f), size);
    assert_int_equal(fclose(f), 0);
}

static void
every_vm_is_found_by_uuid_and_by_each_mac(void **state)
{
    const struct fixture *f = *state;
    struct snapshot *s;

    publish(f->path, N_VMS, 42);
    assert_int_equal(snapshot_open(f->path, &s), 0);
    assert_int_equal(snapshot_generation(s), 42);
    assert_int_equal(snapshot_n_vms(s), N_VMS);
    for (uint32_t i = 0; i < N_VMS; i++) {
        assert_has_vm(s, i);
    }
    for (uint32_t i = N_VMS; i < 2 * N_VMS; i++) {
        assert_lacks_vm(s, i);
    }
    snapshot_close(s);
}

static void
records_come_in_the_order_in_which_they_were_added(void **state)
{
    const struct fixture *f = *state;
    struct snapshot *s;

    publish(f->path, 1000, 1);
    assert_int_equal(snapshot_open(f->path, &s), 0);
    uint64_t position = 0;
    struct slice record;
    for (uint32_t i = 0; i < 1000; i++) {
        struct vm vm = make_vm(i);
        assert_true(snapshot_next(s, &position, &record));
        assert_true(slice_equal(record, slice_of(vm.record, vm.record_size)));
    }
    assert_false(snapshot_next(s, &position, &record));
    snapshot_close(s);
}

static void
an_empty_snapshot_finds_nothing(void **state)
{
    const struct fixture *f = *state;
    struct snapshot *s;
    struct slice record;
    uint64_t position = 0;

    publish(f->path, 0, UINT64_MAX);
    assert_int_equal(snapshot_open(f->path, &s), 0);
    assert_true(snapshot_generation(s) == UINT64_MAX);
    assert_int_equal(snapshot_n_vms(s), 0);
    assert_false(snapshot_next(s, &position, &record));
    assert_lacks_vm(s, 0);
    snapshot_close(s);
}

static void
one_key_of_either_kind_is_enough(void **state)
{
    const struct fixture *f = *state;
    struct vm a = make_vm(1), b = make_vm(2);
    struct snapshot *s;
    struct slice record;

    struct snapshot_builder *builder = snapshot_builder_create();
    assert_int_equal(snapshot_builder_add(builder, a.uuid, NULL, 0,
                                          slice_from_string("a")), 0);
    assert_int_equal(snapshot_builder_add(builder, NULL, b.macs, 2,
                                          slice_from_string("b")), 0);
    assert_int_equal(snapshot_builder_publish(builder, f->path, 1), 0);
    snapshot_builder_destroy(builder);

    assert_int_equal(snapshot_open(f->path, &s), 0);
    assert_true(snapshot_find_vm(s, a.uuid, &record));
    assert_slice_equal(record, "a");
    assert_false(snapshot_find_mac(s, a.macs[0], &record));
    assert_true(snapshot_find_mac(s, b.macs[1], &record));
    assert_slice_equal(record, "b");
    assert_false(snapshot_find_vm(s, b.uuid, &record));
    snapshot_close(s);
}

static void
a_record_may_have_several_uuids(void **state)
{
    const struct fixture *f = *state;
    struct vm a = make_vm(1), b = make_vm(2), c = make_vm(3);
    struct snapshot *s;
    struct slice record;

    struct snapshot_builder *builder = snapshot_builder_create();
    assert_int_equal(snapshot_builder_add_uuid(builder, a.uuid), EINVAL);
    assert_int_equal(snapshot_builder_add(builder, a.uuid, NULL, 0,
                                          slice_from_string("a")), 0);
    assert_int_equal(snapshot_builder_add(builder, b.uuid, NULL, 0,
                                          slice_from_string("b")), 0);
    assert_int_equal(snapshot_builder_add_uuid(builder, a.uuid), EEXIST);
    assert_int_equal(snapshot_builder_add_uuid(builder, c.uuid), 0);
    assert_int_equal(snapshot_builder_publish(builder, f->path, 1), 0);
    snapshot_builder_destroy(builder);

    assert_int_equal(snapshot_open(f->path, &s), 0);
    assert_int_equal(snapshot_n_vms(s), 2);
    assert_true(snapshot_find_vm(s, c.uuid, &record));
    assert_slice_equal(record, "b");
    assert_true(snapshot_find_vm(s, a.uuid, &record));
    assert_slice_equal(record, "a");
    snapshot_close(s);
}

static void
a_key_that_is_taken_is_refused_and_adds_nothing(void **state)
{
    const struct fixture *f = *state;
    struct vm a = make_vm(1), b = make_vm(2);
    struct slice record = slice_from_string("b");
    struct snapshot_builder *builder = snapshot_builder_create();

    assert_int_equal(add_vm(builder, 1), 0);
    assert_int_equal(snapshot_builder_add(builder, a.uuid, b.macs, 2, record),
                     EEXIST);
    assert_int_equal(snapshot_builder_add(builder, b.uuid, a.macs, 2, record),
                     EEXIST);
    uint8_t twice[2][6];
    memcpy(twice[0], b.macs[0], 6);
    memcpy(twice[1], b.macs[0], 6);
    assert_int_equal(snapshot_builder_add(builder, b.uuid, twice, 2, record),
                     EEXIST);
    assert_int_equal(snapshot_builder_publish(builder, f->path, 1), 0);
    snapshot_builder_destroy(builder);

    struct snapshot *s;
    assert_int_equal(snapshot_open(f->path, &s), 0);
    assert_int_equal(snapshot_n_vms(s), 1);
    assert_has_vm(s, 1);
    assert_lacks_vm(s, 2);
    snapshot_close(s);
}

static void
a_record_without_key_or_beyond_the_limits_is_refused(void **state)
{
    const struct fixture *f = *state;
    struct snapshot_builder *builder = snapshot_builder_create();
    uint8_t (*macs)[6] = calloc(SNAPSHOT_MAX_MACS + 1, sizeof *macs);
    uint8_t *record = calloc(1, SNAPSHOT_MAX_RECORD + 1);
    struct vm vm = make_vm(1);

    for (int i = 0; i <= SNAPSHOT_MAX_MACS; i++) {
        macs[i][4] = i >> 8;
        macs[i][5] = i;
    }
    assert_int_equal(snapshot_builder_add(builder, NULL, NULL, 0,
                                          slice_of(record, 1)), EINVAL);
    assert_int_equal(
        snapshot_builder_add(builder, vm.uuid, NULL, 0,
                             slice_of(record, SNAPSHOT_MAX_RECORD + 1)),
        EINVAL);
    assert_int_equal(
        snapshot_builder_add(builder, vm.uuid, (const uint8_t (*)[6]) macs,
                             SNAPSHOT_MAX_MACS + 1, slice_of(record, 1)),
        EINVAL);
    assert_int_equal(
        snapshot_builder_add(builder, vm.uuid, (const uint8_t (*)[6]) macs,
                             SNAPSHOT_MAX_MACS,
                             slice_of(record, SNAPSHOT_MAX_RECORD)), 0);
    assert_int_equal(snapshot_builder_publish(builder, f->path, 1), 0);
    snapshot_builder_destroy(builder);

    struct snapshot *s;
    struct slice found;
    assert_int_equal(snapshot_open(f->path, &s), 0);
    assert_int_equal(snapshot_n_vms(s), 1);
    assert_true(snapshot_find_mac(s, macs[SNAPSHOT_MAX_MACS - 1], &found));
    assert_int_equal(found.size, SNAPSHOT_MAX_RECORD);
    snapshot_close(s);
    free(macs);
    free(record);
}

static void
an_old_mapping_stays_usable_and_knows_that_it_is_stale(void **state)
{
    const struct fixture *f = *state;
    struct snapshot *old, *new;

    assert_false(snapshot_is_stale(NULL, f->path));
    publish(f->path, 100, 1);
    assert_true(snapshot_is_stale(NULL, f->path));
    assert_int_equal(snapshot_open(f->path, &old), 0);
    assert_false(snapshot_is_stale(old, f->path));

    publish(f->path, 50, 2);
    assert_true(snapshot_is_stale(old, f->path));
    assert_int_equal(snapshot_open(f->path, &new), 0);
    assert_false(snapshot_is_stale(new, f->path));
    assert_int_equal(snapshot_generation(old), 1);
    assert_int_equal(snapshot_generation(new), 2);
    for (uint32_t i = 0; i < 100; i++) {
        assert_has_vm(old, i);
    }
    assert_lacks_vm(new, 50);
    snapshot_close(new);

    /* Nothing to map instead. */
    assert_int_equal(unlink(f->path), 0);
    assert_false(snapshot_is_stale(old, f->path));
    assert_has_vm(old, 99);
    snapshot_close(old);
}

static void
the_remains_of_a_killed_writer_do_not_hinder_the_next(void **state)
{
    const struct fixture *f = *state;
    char temporary[PATH_MAX + 8];
    struct snapshot *s;

    snprintf(temporary, sizeof temporary, "%s.tmp", f->path);
    write_file(temporary, "half", 4);
    publish(f->path, 3, 1);
    assert_int_equal(snapshot_open(f->path, &s), 0);
    assert_has_vm(s, 2);
    snapshot_close(s);
}

static void
publishing_where_it_cannot_be_written_fails_with_the_reason(void **state)
{
    const struct fixture *f = *state;
    char path[PATH_MAX];
    struct snapshot_builder *builder = snapshot_builder_create();

    snprintf(path, sizeof path, "%s/none/context.snapshot", f->dir);
    assert_int_equal(snapshot_builder_publish(builder, path, 1), ENOENT);
    /* A directory in the way: the temporary file must go again. */
    assert_int_equal(mkdir(f->path, 0700), 0);
    assert_int_equal(snapshot_builder_publish(builder, f->path, 1), EISDIR);
    assert_int_equal(rmdir(f->path), 0);
    snapshot_builder_destroy(builder);
}

static void
what_is_no_snapshot_is_refused(void **state)
{
    const struct fixture *f = *state;
    struct snapshot *s = NULL;
    uint8_t zeros[HEADER_SIZE] = { 0 };

    assert_int_equal(snapshot_open(f->path, &s), ENOENT);
    assert_int_equal(snapshot_open(f->dir, &s), EINVAL);
    assert_int_equal(mkfifo(f->path, 0600), 0);
    assert_int_equal(snapshot_open(f->path, &s), EINVAL);
    unlink(f->path);
    write_file(f->path, "", 0);
    assert_int_equal(snapshot_open(f->path, &s), EINVAL);
    write_file(f->path, zeros, sizeof zeros);
    assert_int_equal(snapshot_open(f->path, &s), EINVAL);
    assert_null(s);

    /* Of another version. */
    size_t size;
    publish(f->path, 3, 1);
    uint8_t *file = read_file(f->path, &size);
    file[7]++;
    assert_int_equal(snapshot_from_bytes(slice_of(file, size), &s), EINVAL);
    free(file);
}

static void
cut_and_damaged_files_never_crash_the_reader(void **state)
{
    const struct fixture *f = *state;
    size_t size;
    struct snapshot *s = NULL;

    publish(f->path, 12, 1);
    uint8_t *file = read_file(f->path, &size);
    for (size_t cut = 0; cut < size; cut++) {
        /* Of the exact size, so that AddressSanitizer sees a read past it. */
        uint8_t *part = malloc(cut ? cut : 1);
        memcpy(part, file, cut);
        assert_int_equal(snapshot_from_bytes(slice_of(part, cut), &s), EINVAL);
        free(part);
    }
    for (size_t i = 0; i < size * 8; i++) {
        file[i / 8] ^= 1 << i % 8;
        exercise(slice_of(file, size));
        file[i / 8] ^= 1 << i % 8;
    }
    exercise(slice_of(file, size));
    free(file);
}

/* Puts a 'size'-byte big-endian 'value' at 'offset' of 'file'. */
static void
poke(uint8_t *file, size_t offset, size_t size, uint64_t value)
{
    for (size_t i = size; i-- > 0; value >>= 8) {
        file[offset + i] = value;
    }
}

static void
a_full_table_costs_a_bounded_number_of_probes(void **state)
{
    (void) state;
    /* A UUID table, every slot of which points to one record, and none of
     * which has the key: endless, were it not for the limit. */
    enum { N_SLOTS = 1 << 16, TABLE = HEADER_SIZE + 8 };
    size_t size = TABLE + (size_t) N_SLOTS * 32;
    uint8_t *file = calloc(1, size);
    struct snapshot *s;

    memcpy(file, "SLUICEC\x02", 8);
    poke(file, 16, 8, size);
    poke(file, 24, 4, 1);
    poke(file, 48, 8, TABLE);
    poke(file, 56, 8, TABLE);
    poke(file, 64, 8, N_SLOTS);
    poke(file, 72, 8, size);
    poke(file, 88, 8, size);
    for (size_t i = 0; i < N_SLOTS; i++) {
        poke(file, TABLE + i * 32 + 24, 4, HEADER_SIZE / 8);
    }
    assert_int_equal(snapshot_from_bytes(slice_of(file, size), &s), 0);
    for (uint32_t i = 1; i <= 100000; i++) {
        assert_lacks_vm(s, i);
    }
    snapshot_close(s);
    free(file);
}

static void
table_sizes_that_overflow_are_refused(void **state)
{
    const struct fixture *f = *state;
    const uint64_t sizes[] = { 3, 1ULL << 31, 1ULL << 60, 1ULL << 61,
                               1ULL << 63, UINT64_MAX };
    size_t size;
    struct snapshot *s = NULL;

    publish(f->path, 12, 1);
    uint8_t *file = read_file(f->path, &size);
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        for (size_t field = 48; field < 104; field += 8) {
            uint8_t saved[8];
            memcpy(saved, file + field, 8);
            poke(file, field, 8, sizes[i]);
            assert_int_equal(snapshot_from_bytes(slice_of(file, size), &s),
                             EINVAL);
            memcpy(file + field, saved, 8);
        }
    }
    assert_null(s);
    free(file);
}

int
main(void)
{
#define TEST(NAME) cmocka_unit_test_setup_teardown(NAME, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(every_vm_is_found_by_uuid_and_by_each_mac),
        TEST(records_come_in_the_order_in_which_they_were_added),
        TEST(an_empty_snapshot_finds_nothing),
        TEST(one_key_of_either_kind_is_enough),
        TEST(a_record_may_have_several_uuids),
        TEST(a_key_that_is_taken_is_refused_and_adds_nothing),
        TEST(a_record_without_key_or_beyond_the_limits_is_refused),
        TEST(an_old_mapping_stays_usable_and_knows_that_it_is_stale),
        TEST(the_remains_of_a_killed_writer_do_not_hinder_the_next),
        TEST(publishing_where_it_cannot_be_written_fails_with_the_reason),
        TEST(what_is_no_snapshot_is_refused),
        TEST(cut_and_damaged_files_never_crash_the_reader),
        TEST(a_full_table_costs_a_bounded_number_of_probes),
        TEST(table_sizes_that_overflow_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
