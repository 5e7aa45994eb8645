/* SPDX-License-Identifier: Apache-2.0 */
#include "sluice-config.h"
#include "unit.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "remove-tree.h"
#include "spool.h"

static char dir[64];
static struct spool *spool;

static int
setup(void **state)
{
    (void) state;
    snprintf(dir, sizeof dir, "/tmp/sluice-test-spool.XXXXXX");
    assert_non_null(mkdtemp(dir));
    assert_int_equal(spool_open(dir, &spool), 0);
    return 0;
}

static int
teardown(void **state)
{
    (void) state;
    spool_close(spool);
    return remove_tree(dir);
}

static const char *
path_of(const char *name)
{
    static char path[256];

    snprintf(path, sizeof path, "%s/%s", dir, name);
    return path;
}

static void
write_named(const char *name, const char *text)
{
    FILE *f = fopen(path_of(name), "w");

    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

static void
push(uint32_t tenant, uint32_t generation, uint64_t number, const char *text)
{
    assert_int_equal(spool_push(spool, tenant, generation, number,
                                slice_from_string(text)), 0);
}

/* Checks that the next batch of tenant 7 after '*at', if nonnull, is this one,
 * and moves '*at' there. */
static void
expect_next(bool from_start, struct spool_item *at, uint32_t generation,
            uint64_t number)
{
    assert_int_equal(spool_next(spool, 7, from_start ? NULL : at, at), 0);
    assert_int_equal(at->tenant, 7);
    assert_int_equal(at->generation, generation);
    assert_int_equal(at->number, number);
}

static void
batches_come_in_the_order_of_generation_and_number(void **state)
{
    (void) state;
    struct spool_item at;

    push(7, 2, 0, "e");
    push(7, 1, 10, "d");
    push(7, 1, 9, "c");
    push(7, 1, UINT64_MAX, "last of 1");
    push(8, 0, 0, "another tenant's");
    expect_next(true, &at, 1, 9);
    assert_int_equal(at.size, 1);
    expect_next(false, &at, 1, 10);
    expect_next(false, &at, 1, UINT64_MAX);
    /* What comes meanwhile is found when the first look is used up. */
    push(7, 2, 1, "f");
    expect_next(false, &at, 2, 0);
    expect_next(false, &at, 2, 1);
    assert_int_equal(spool_next(spool, 7, &at, &at), ENOENT);
    assert_int_equal(at.number, 1);
    push(7, UINT32_MAX, 0, "g");
    expect_next(false, &at, UINT32_MAX, 0);
    assert_int_equal(spool_next(spool, 9, NULL, &at), ENOENT);
    assert_int_equal(spool_open(path_of("absent"), &spool), ENOENT);
}

static void
a_batch_is_read_and_deleted_once_acknowledged(void **state)
{
    (void) state;
    struct spool_item at, second;
    uint8_t *data;
    size_t size;

    push(7, 1, 1, "first");
    push(7, 1, 2, "second");
    expect_next(true, &at, 1, 1);
    second = at;
    expect_next(false, &second, 1, 2);
    assert_int_equal(spool_read(spool, &at, &data, &size), 0);
    assert_slice_equal(slice_of(data, size), "first");
    free(data);
    assert_int_equal(spool_find(spool, 7, 1, 1, &at), 0);
    assert_int_equal(at.size, 5);
    assert_int_equal(spool_ack(spool, &at), 0);
    assert_int_equal(spool_ack(spool, &at), 0);
    assert_int_equal(spool_read(spool, &at, &data, &size), ENOENT);
    assert_int_equal(spool_find(spool, 7, 1, 1, &at), ENOENT);
    expect_next(true, &at, 1, 2);
    /* One that went meanwhile is passed over. */
    push(7, 1, 3, "third");
    expect_next(true, &at, 1, 2);
    expect_next(false, &at, 1, 3);
    assert_int_equal(spool_ack(spool, &at), 0);
    assert_int_equal(spool_next(spool, 7, &second, &at), ENOENT);
}

static void
pushing_twice_changes_nothing(void **state)
{
    (void) state;
    struct spool_item at;
    uint8_t *data;
    size_t size;

    push(7, 1, 1, "first");
    push(7, 1, 1, "again");
    expect_next(true, &at, 1, 1);
    assert_int_equal(spool_read(spool, &at, &data, &size), 0);
    assert_slice_equal(slice_of(data, size), "first");
    free(data);
    assert_int_equal(spool_next(spool, 7, &at, &at), ENOENT);
}

static void
a_group_is_in_the_spool_once_committed(void **state)
{
    struct spool_item item;
    int errors[SPOOL_MAX_PENDING];

    (void) state;
    push(7, 1, 0, "first");
    for (uint64_t i = 0; i < SPOOL_MAX_PENDING; i++) {
        /* The first one is there already; tenant 8 has a few. */
        assert_int_equal(spool_begin(spool, i % 8 ? 7 : i ? 8 : 7, 1, i,
                                     slice_from_string("text")), 0);
    }
    assert_int_equal(spool_begin(spool, 7, 2, 0, slice_from_string("more")),
                     ENOBUFS);
    expect_next(true, &item, 1, 0);
    assert_int_equal(spool_next(spool, 7, &item, &item), ENOENT);

    spool_commit(spool, errors);
    for (size_t i = 0; i < SPOOL_MAX_PENDING; i++) {
        assert_int_equal(errors[i], 0);
    }
    expect_next(true, &item, 1, 0);
    for (uint64_t i = 1; i < SPOOL_MAX_PENDING; i++) {
        if (i % 8) {
            expect_next(false, &item, 1, i);
        }
    }
    assert_int_equal(spool_next(spool, 7, &item, &item), ENOENT);
    assert_int_equal(spool_next(spool, 8, NULL, &item), 0);
}

static void
foreign_names_are_ignored(void **state)
{
    (void) state;
    struct spool_item at;

    push(7, 1, 1, "ours");
    write_named("7/README", "x");
    write_named("7/1-1.batch", "x");
    write_named("7/0000000001", "x");
    write_named("7/0000000001-00000000000000000001.batch~", "x");
    write_named("7/.0000000001-00000000000000000009.batch.tmp", "x");
    write_named("7/0000000001-99999999999999999999.batch", "x");
    write_named("7/9999999999-00000000000000000001.batch", "x");
    assert_int_equal(mkdir(path_of("7/0000000001-00000000000000000000.batch"),
                           0700), 0);
    assert_int_equal(symlink("/etc/hostname",
                             path_of("7/0000000000-00000000000000000000"
                                     ".batch")), 0);
    expect_next(true, &at, 1, 1);
    assert_int_equal(spool_next(spool, 7, &at, &at), ENOENT);

    struct spool_totals totals;
    assert_int_equal(spool_totals(spool, 7, &totals), 0);
    assert_int_equal(totals.n_batches, 1);
}

static void
symbolic_links_are_refused(void **state)
{
    (void) state;
    struct spool_item at = { .tenant = 7, .generation = 1, .number = 1 };
    uint8_t *data;
    size_t size;
    int fd;

    /* As a tenant's directory. */
    assert_int_equal(mkdir(path_of("elsewhere"), 0700), 0);
    assert_int_equal(symlink("elsewhere", path_of("7")), 0);
    assert_int_equal(spool_push(spool, 7, 1, 1, slice_from_string("x")),
                     ENOTDIR);
    assert_int_equal(spool_next(spool, 7, NULL, &at), ENOTDIR);
    assert_int_equal(spool_watch(spool, 7, &fd), ENOTDIR);
    assert_int_equal(unlink(path_of("7")), 0);

    /* As a batch, even one put there after it was listed. */
    push(7, 1, 1, "x");
    expect_next(true, &at, 1, 1);
    char batch[64];
    snprintf(batch, sizeof batch, "7/%s", at.name);
    assert_int_equal(unlink(path_of(batch)), 0);
    assert_int_equal(symlink("/etc/hostname", path_of(batch)), 0);
    assert_int_equal(spool_read(spool, &at, &data, &size), ELOOP);

    /* As the quarantine, and as the generation. */
    assert_int_equal(symlink("../elsewhere", path_of("7/quarantine")), 0);
    assert_int_equal(spool_quarantine(spool, &at), ENOTDIR);
    assert_int_equal(symlink("/etc/hostname", path_of("generation")), 0);
    uint32_t generation;
    assert_int_equal(spool_next_generation(spool, &generation), ELOOP);
}

static void
a_quarantined_batch_is_kept_out_of_the_way(void **state)
{
    (void) state;
    struct spool_item at;
    struct spool_totals totals;

    push(7, 1, 1, "poison");
    push(7, 1, 2, "good");
    expect_next(true, &at, 1, 1);
    assert_int_equal(spool_quarantine(spool, &at), 0);
    expect_next(true, &at, 1, 2);
    assert_int_equal(access(path_of("7/quarantine/0000000001-"
                                    "00000000000000000001.batch"), F_OK), 0);
    assert_int_equal(spool_totals(spool, 7, &totals), 0);
    assert_int_equal(totals.n_batches, 1);
    assert_int_equal(totals.n_quarantined_batches, 1);
    assert_int_equal(totals.n_quarantined_lines, 0);
}

static void
totals_add_up_the_headers(void **state)
{
    (void) state;
    /* The start of a header: tenant 7, as many lines as the last byte says. */
    char file[SEAL_HEADER_SIZE + 20] = "SLUICEB\1\0\0\0\7";
    struct spool_totals totals;
    struct spool_item at;

    assert_int_equal(spool_totals(spool, 7, &totals), 0);
    assert_int_equal(totals.n_batches, 0);
    file[47] = 20;
    for (int i = 1; i <= 3; i++) {
        file[15] = 10 * i;
        assert_int_equal(spool_push(spool, 7, 1, i,
                                    slice_of(file, sizeof file)), 0);
    }
    for (int twice = 0; twice < 2; twice++) {
        assert_int_equal(spool_totals(spool, 7, &totals), 0);
        assert_int_equal(totals.n_batches, 3);
        assert_int_equal(totals.n_lines, 60);
        assert_int_equal(totals.n_bytes, 3 * sizeof file);
    }
    expect_next(true, &at, 1, 1);
    assert_int_equal(spool_ack(spool, &at), 0);
    expect_next(true, &at, 1, 2);
    assert_int_equal(spool_quarantine(spool, &at), 0);
    assert_int_equal(spool_totals(spool, 7, &totals), 0);
    assert_int_equal(totals.n_batches, 1);
    assert_int_equal(totals.n_lines, 30);
    assert_int_equal(totals.n_quarantined_batches, 1);
    assert_int_equal(totals.n_quarantined_lines, 20);
}

static void
generations_count_up_and_clean_up(void **state)
{
    (void) state;
    uint32_t generation = 0;

    push(7, 1, 1, "x");
    write_named("7/.0000000001-00000000000000000002.batch.tmp", "half");
    write_named("7/.0000000001-00000000000000000003.batch", "not ours");
    assert_int_equal(spool_next_generation(spool, &generation), 0);
    assert_int_equal(generation, 1);
    assert_int_equal(spool_next_generation(spool, &generation), 0);
    assert_int_equal(generation, 2);
    assert_int_equal(access(path_of("7/.0000000001-00000000000000000002.batch"
                                    ".tmp"), F_OK), -1);
    assert_int_equal(access(path_of("7/.0000000001-00000000000000000003.batch"
                                    ), F_OK), 0);
    /* A damaged count is not begun anew: old names would come again. */
    write_named("generation", "");
    assert_int_equal(spool_next_generation(spool, &generation), EINVAL);
    write_named("generation", "12x\n");
    assert_int_equal(spool_next_generation(spool, &generation), EINVAL);
    write_named("generation", "4294967295\n");
    assert_int_equal(spool_next_generation(spool, &generation), EINVAL);
    assert_int_equal(generation, 2);
}

/* Runs in a child, in a mount namespace of its own: fills the file system of
 * the spool and counts on.  Returns what the child exits with. */
static int
count_on_a_full_disk(void)
{
    char file[4096] = "x";
    uint32_t generation;
    struct spool *full;

    if (unshare(CLONE_NEWNS)
        || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL)
        || mount("none", dir, "tmpfs", 0, "size=64k")) {
        return 77;
    }
    if (spool_open(dir, &full) || spool_next_generation(full, &generation)) {
        return 1;
    }
    for (int i = 0; i < 100; i++) {
        spool_push(full, 7, 1, i, slice_of(file, sizeof file));
    }
    if (spool_push(full, 7, 1, 100, slice_of(file, sizeof file)) != ENOSPC) {
        return 2;
    }
    return spool_next_generation(full, &generation) || generation != 2 ? 3 : 0;
}

static void
a_full_disk_does_not_stop_the_count_of_generations(void **state)
{
    int status;

    (void) state;
    pid_t child = fork();
    if (!child) {
        _exit(count_on_a_full_disk());
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    if (WEXITSTATUS(status) == 77) {
        print_message("# a full disk needs a file system of our own, and that "
                      "needs root\n");
        skip();
    }
    assert_int_equal(WEXITSTATUS(status), 0);
}

static void
a_push_wakes_the_watcher(void **state)
{
    (void) state;
    int fd;

    assert_int_equal(spool_watch(spool, 7, &fd), 0);
    struct pollfd pfd = { .fd = fd, .events = POLLIN };
    assert_int_equal(poll(&pfd, 1, 0), 0);
    push(7, 1, 1, "x");
    assert_int_equal(poll(&pfd, 1, 0), 1);
    close(fd);
}

static void
tenant_directories_are_made_for_the_group(void **state)
{
    (void) state;
    struct stat st;
    mode_t mask = umask(022);

    push(0xffffff, 1, 1, "x");
    umask(mask);
    assert_int_equal(stat(path_of("16777215"), &st), 0);
    assert_int_equal(st.st_mode & 07777, 0750);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(NAME) cmocka_unit_test_setup_teardown(NAME, setup, teardown)
        TEST(batches_come_in_the_order_of_generation_and_number),
        TEST(a_batch_is_read_and_deleted_once_acknowledged),
        TEST(pushing_twice_changes_nothing),
        TEST(a_group_is_in_the_spool_once_committed),
        TEST(foreign_names_are_ignored),
        TEST(symbolic_links_are_refused),
        TEST(a_quarantined_batch_is_kept_out_of_the_way),
        TEST(totals_add_up_the_headers),
        TEST(generations_count_up_and_clean_up),
        TEST(a_full_disk_does_not_stop_the_count_of_generations),
        TEST(a_push_wakes_the_watcher),
        TEST(tenant_directories_are_made_for_the_group),
#undef TEST
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
