/* SPDX-License-Identifier: Apache-2.0 */
#include "sluice-config.h"
#include "unit.h"

#include <dirent.h>
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
#include "spool-admin.h"
#include "spool.h"
#include "sync-many.h"

static char dir[64];
static struct spool *spool;

static const struct spool_queue seven = { 7, "main" };
static const struct spool_queue eight = { 8, "main" };
static const struct spool_queue nine = { 9, "main" };

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
link_named(const char *from, const char *to)
{
    char path[256];

    snprintf(path, sizeof path, "%s", path_of(from));
    assert_int_equal(link(path, path_of(to)), 0);
}

static void
push(uint32_t tenant, uint32_t generation, uint64_t number, const char *text)
{
    const struct spool_queue queue = { tenant, "main" };

    assert_int_equal(spool_push(spool, &queue, 1, generation, number,
                                slice_from_string(text)), 0);
}

/* Checks that the next batch of tenant 7 after '*at', if nonnull, is this one,
 * and moves '*at' there. */
static void
expect_next(bool from_start, struct spool_item *at, uint32_t generation,
            uint64_t number)
{
    assert_int_equal(spool_next(spool, &seven, from_start ? NULL : at, at), 0);
    assert_int_equal(at->queue.tenant, 7);
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
    assert_int_equal(spool_next(spool, &seven, &at, &at), ENOENT);
    assert_int_equal(at.number, 1);
    push(7, UINT32_MAX, 0, "g");
    expect_next(false, &at, UINT32_MAX, 0);
    assert_int_equal(spool_next(spool, &nine, NULL, &at), ENOENT);
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
    assert_int_equal(spool_find(spool, &seven, 1, 1, &at), 0);
    assert_int_equal(at.size, 5);
    assert_int_equal(spool_ack(spool, &at), 0);
    assert_int_equal(spool_ack(spool, &at), 0);
    assert_int_equal(spool_read(spool, &at, &data, &size), ENOENT);
    assert_int_equal(spool_find(spool, &seven, 1, 1, &at), ENOENT);
    expect_next(true, &at, 1, 2);
    /* One that went meanwhile is passed over. */
    push(7, 1, 3, "third");
    expect_next(true, &at, 1, 2);
    expect_next(false, &at, 1, 3);
    assert_int_equal(spool_ack(spool, &at), 0);
    assert_int_equal(spool_next(spool, &seven, &second, &at), ENOENT);
}

/* Checks what becomes of files, a directory, something that can't be synced and
 * no descriptor at all, 'n' of them beginning with the 'first'. */
static void
check_sync_many(size_t first, size_t n)
{
    enum { N_KINDS = 4 };
    static const int wanted[N_KINDS] = { 0, 0, EINVAL, EBADF };
    int kinds[N_KINDS], fds[SYNC_MANY_MAX], errors[SYNC_MANY_MAX], ends[2];

    assert_int_equal(pipe(ends), 0);
    kinds[0] = open(path_of("file"), O_WRONLY | O_CREAT, 0600);
    kinds[1] = open(path_of("."), O_RDONLY | O_DIRECTORY);
    kinds[2] = ends[0];
    kinds[3] = -1;
    for (size_t i = 0; i < n; i++) {
        fds[i] = kinds[(first + i) % N_KINDS];
        errors[i] = -1;
    }
    sync_many(fds, errors, n);
    for (size_t i = 0; i < n; i++) {
        assert_int_equal(errors[i], wanted[(first + i) % N_KINDS]);
    }
    for (size_t i = 0; i < 3; i++) {
        close(kinds[i]);
    }
    close(ends[1]);
}

static void
of_many_files_each_tells_whether_it_was_synced(void **state)
{
    (void) state;
    for (size_t first = 0; first < 4; first++) {
        for (size_t n = 0; n < 6; n++) {
            check_sync_many(first, n);
        }
        check_sync_many(first, SYNC_MANY_MAX);
    }
}

static void
a_directory_that_is_kept_open_may_be_replaced(void **state)
{
    (void) state;
    struct spool_item at, third;
    char path[2][256];
    uint8_t *data;
    size_t size;

    spool_keep_open(spool, &seven);
    assert_int_equal(spool_next(spool, &seven, NULL, &at), ENOENT);
    push(7, 1, 1, "first");
    push(7, 1, 2, "second");
    expect_next(true, &at, 1, 1);
    snprintf(path[0], sizeof path[0], "%s", path_of("7/main"));
    snprintf(path[1], sizeof path[1], "%s", path_of("7/old"));
    assert_int_equal(rename(path[0], path[1]), 0);
    push(7, 1, 3, "third");
    assert_int_equal(spool_ack(spool, &at), 0);
    expect_next(true, &third, 1, 3);
    assert_int_equal(spool_read(spool, &third, &data, &size), 0);
    assert_slice_equal(slice_of(data, size), "third");
    free(data);
    assert_int_equal(spool_ack(spool, &third), 0);
    assert_int_equal(spool_sync_acks(spool, &seven), 0);
    assert_int_equal(spool_next(spool, &seven, NULL, &at), ENOENT);
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
    assert_int_equal(spool_next(spool, &seven, &at, &at), ENOENT);
}

static void
a_group_is_in_the_spool_once_committed(void **state)
{
    struct spool_item item;
    struct spool_result results[SPOOL_MAX_PENDING];

    (void) state;
    push(7, 1, 0, "first");
    for (uint64_t i = 0; i < SPOOL_MAX_PENDING; i++) {
        /* The first one is there already; tenant 8 has a few. */
        assert_int_equal(spool_begin(spool, i % 8 || !i ? &seven : &eight, 1,
                                     1, i, slice_from_string("text")), 0);
    }
    assert_int_equal(spool_begin(spool, &seven, 1, 2, 0,
                                 slice_from_string("more")),
                     ENOBUFS);
    expect_next(true, &item, 1, 0);
    assert_int_equal(spool_next(spool, &seven, &item, &item), ENOENT);

    spool_commit(spool, results);
    for (size_t i = 0; i < SPOOL_MAX_PENDING; i++) {
        assert_int_equal(results[i].error, 0);
        assert_int_equal(results[i].done, 1);
    }
    expect_next(true, &item, 1, 0);
    for (uint64_t i = 1; i < SPOOL_MAX_PENDING; i++) {
        if (i % 8) {
            expect_next(false, &item, 1, i);
        }
    }
    assert_int_equal(spool_next(spool, &seven, &item, &item), ENOENT);
    assert_int_equal(spool_next(spool, &eight, NULL, &item), 0);
}

static void
foreign_names_are_ignored(void **state)
{
    (void) state;
    struct spool_item at;

    push(7, 1, 1, "ours");
    write_named("7/main/README", "x");
    write_named("7/main/1-1.batch", "x");
    write_named("7/main/0000000001", "x");
    write_named("7/main/0000000001-00000000000000000001.batch~", "x");
    write_named("7/main/.0000000001-00000000000000000009.batch.tmp", "x");
    write_named("7/main/0000000001-99999999999999999999.batch", "x");
    write_named("7/main/9999999999-00000000000000000001.batch", "x");
    assert_int_equal(mkdir(path_of("7/main/0000000001-00000000000000000000.batch"),
                           0700), 0);
    assert_int_equal(symlink("/etc/hostname",
                             path_of("7/main/0000000000-00000000000000000000"
                                     ".batch")), 0);
    expect_next(true, &at, 1, 1);
    assert_int_equal(spool_next(spool, &seven, &at, &at), ENOENT);

    struct spool_totals totals;
    assert_int_equal(spool_totals(spool, &seven, &totals), 0);
    assert_int_equal(totals.n_batches, 1);
}

static void
symbolic_links_are_refused(void **state)
{
    (void) state;
    struct spool_item at = { .queue = seven, .generation = 1, .number = 1 };
    uint8_t *data;
    size_t size;
    int fd;

    /* As a tenant's directory. */
    assert_int_equal(mkdir(path_of("elsewhere"), 0700), 0);
    assert_int_equal(symlink("elsewhere", path_of("7")), 0);
    assert_int_equal(spool_push(spool, &seven, 1, 1, 1,
                                slice_from_string("x")), ENOTDIR);
    assert_int_equal(spool_next(spool, &seven, NULL, &at), ENOTDIR);
    assert_int_equal(spool_watch(spool, &seven, &fd), ENOTDIR);
    assert_int_equal(unlink(path_of("7")), 0);

    /* As a queue's. */
    assert_int_equal(mkdir(path_of("7"), 0700), 0);
    assert_int_equal(symlink("../elsewhere", path_of("7/main")), 0);
    assert_int_equal(spool_push(spool, &seven, 1, 1, 1,
                                slice_from_string("x")), ENOTDIR);
    assert_int_equal(spool_next(spool, &seven, NULL, &at), ENOTDIR);
    assert_int_equal(unlink(path_of("7/main")), 0);

    /* As a batch, even one put there after it was listed. */
    push(7, 1, 1, "x");
    expect_next(true, &at, 1, 1);
    char batch[64];
    snprintf(batch, sizeof batch, "7/main/%s", at.name);
    assert_int_equal(unlink(path_of(batch)), 0);
    assert_int_equal(symlink("/etc/hostname", path_of(batch)), 0);
    assert_int_equal(spool_read(spool, &at, &data, &size), ELOOP);

    /* As the quarantine, and as the generation. */
    assert_int_equal(symlink("../../elsewhere", path_of("7/main/quarantine")), 0);
    assert_int_equal(spool_quarantine(spool, &at, "it is poison"), ENOTDIR);
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
    assert_int_equal(spool_quarantine(spool, &at, "it is poison"), 0);
    expect_next(true, &at, 1, 2);
    assert_int_equal(access(path_of("7/main/quarantine/0000000001-"
                                    "00000000000000000001.batch"), F_OK), 0);
    assert_int_equal(spool_totals(spool, &seven, &totals), 0);
    assert_int_equal(totals.n_batches, 1);
    assert_int_equal(totals.n_quarantined_batches, 1);
    assert_int_equal(totals.n_quarantined_lines, 0);
}

static void
what_is_in_quarantine_and_in_the_queue_is_in_the_queue(void **state)
{
    (void) state;
    struct spool_totals totals;

    assert_int_equal(spool_repair(spool, &seven), 0);
    push(7, 1, 1, "x");
    assert_int_equal(spool_repair(spool, &seven), 0);
    assert_int_equal(mkdir(path_of("7/main/quarantine"), 0700), 0);
    write_named("7/main/quarantine/0000000001-00000000000000000001.batch",
                "x");
    write_named("7/main/quarantine/0000000001-00000000000000000002.batch",
                "x");
    assert_int_equal(spool_repair(spool, &seven), 0);
    assert_int_equal(spool_totals(spool, &seven, &totals), 0);
    assert_int_equal(totals.n_batches, 1);
    assert_int_equal(totals.n_quarantined_batches, 1);
}

/* What is seen of a queue, in its order. */
struct seen {
    char text[512];
};

static void
see_entry(const struct spool_entry *e, void *seen_)
{
    struct seen *seen = seen_;
    size_t n = strlen(seen->text);

    snprintf(seen->text + n, sizeof seen->text - n, "%s%"PRIu32"-%"PRIu64" ",
             e->item.is_quarantined ? "q" : "", e->item.generation,
             e->item.number);
}

static void
see_foreign(const char *name, bool is_quarantined, void *seen_)
{
    struct seen *seen = seen_;
    size_t n = strlen(seen->text);

    snprintf(seen->text + n, sizeof seen->text - n, "%s%s ",
             is_quarantined ? "q" : "", name);
}

static void
expect_seen(const char *expected)
{
    struct seen seen = { .text = "" };

    assert_int_equal(spool_each(spool, &seven, see_entry, see_foreign, &seen),
                     0);
    assert_string_equal(seen.text, expected);
}

static void
expect_reason(const struct spool_item *item, const char *expected)
{
    char reason[SPOOL_REASON_SIZE];

    spool_read_reason(spool, item, reason);
    assert_string_equal(reason, expected);
}

static void
the_reason_of_a_quarantine_is_kept_and_goes_with_it(void **state)
{
    (void) state;
    struct spool_item at, found;

    expect_seen("");
    push(7, 1, 1, "x");
    push(7, 1, 2, "y");
    expect_next(true, &at, 1, 1);
    expect_reason(&at, "");
    assert_int_equal(spool_quarantine(spool, &at, "it is poison"), 0);
    expect_seen("1-2 q1-1 ");
    assert_int_equal(spool_find_anywhere(spool, &seven, 1, 1, &found), 0);
    assert_true(found.is_quarantined);
    assert_int_equal(found.size, 1);
    expect_reason(&found, "it is poison");
    uint8_t *data;
    size_t size;
    assert_int_equal(spool_read(spool, &found, &data, &size), 0);
    assert_int_equal(size, 1);
    free(data);

    /* Back, and aside for another reason. */
    assert_int_equal(spool_put_back(spool, &found), 0);
    assert_int_equal(spool_put_back(spool, &found), ENOENT);
    expect_seen("1-1 1-2 ");
    assert_int_not_equal(access(path_of("7/main/quarantine/0000000001-"
                                        "00000000000000000001.reason"), F_OK),
                         0);
    expect_next(true, &at, 1, 1);
    assert_int_equal(spool_put_back(spool, &at), ENOENT);
    assert_int_equal(spool_quarantine(spool, &at, "it is odd"), 0);
    expect_reason(&found, "it is odd");

    /* Killed before the queue let go of it: it is in the queue. */
    link_named("7/main/quarantine/0000000001-00000000000000000001.batch",
               "7/main/0000000001-00000000000000000001.batch");
    assert_int_equal(spool_repair(spool, &seven), 0);
    expect_seen("1-1 1-2 ");
    expect_reason(&found, "");
    assert_int_equal(spool_quarantine(spool, &at, "it is odd"), 0);

    /* Nobody follows a link, or waits for a FIFO, for a reason. */
    const char *reason = path_of("7/main/quarantine/0000000001-"
                                 "00000000000000000001.reason");
    assert_int_equal(unlink(reason), 0);
    assert_int_equal(symlink("/etc/hostname", reason), 0);
    expect_reason(&found, "");
    assert_int_equal(unlink(reason), 0);
    assert_int_equal(mkfifo(reason, 0600), 0);
    expect_reason(&found, "");
}

static void
a_batch_is_deleted_wherever_it_is(void **state)
{
    (void) state;
    struct spool_item at, found;

    push(7, 1, 1, "x");
    push(7, 1, 2, "y");
    expect_next(true, &at, 1, 1);
    assert_int_equal(spool_quarantine(spool, &at, "it is poison"), 0);
    assert_int_equal(spool_find_anywhere(spool, &seven, 1, 1, &found), 0);
    assert_int_equal(spool_delete(spool, &found), 0);
    assert_int_equal(spool_delete(spool, &found), ENOENT);
    expect_seen("1-2 ");
    assert_int_equal(rmdir(path_of("7/main/quarantine")), 0);

    /* One that is in both places, after a kill, goes from both. */
    assert_int_equal(mkdir(path_of("7/main/quarantine"), 0700), 0);
    link_named("7/main/0000000001-00000000000000000002.batch",
               "7/main/quarantine/0000000001-00000000000000000002.batch");
    assert_int_equal(spool_find_anywhere(spool, &seven, 1, 2, &found), 0);
    assert_false(found.is_quarantined);
    assert_int_equal(spool_delete(spool, &found), 0);
    expect_seen("");
    assert_int_equal(spool_find_anywhere(spool, &seven, 1, 2, &found),
                     ENOENT);
    assert_int_equal(spool_find_anywhere(spool, &nine, 1, 2, &found), ENOENT);
}

static void
a_queue_is_held_by_one_at_a_time(void **state)
{
    (void) state;
    struct spool *other;
    int fd, second;

    assert_int_equal(spool_hold(spool, &seven, &fd), ENOENT);
    push(7, 1, 1, "x");
    push(8, 1, 1, "x");
    assert_int_equal(spool_open(dir, &other), 0);
    assert_int_equal(spool_hold(spool, &seven, &fd), 0);
    assert_int_equal(spool_hold(other, &seven, &second), EAGAIN);
    assert_int_equal(spool_hold(other, &eight, &second), 0);
    close(second);
    close(fd);
    assert_int_equal(spool_hold(other, &seven, &second), 0);
    close(second);
    spool_close(other);
}

static void
files_that_are_no_batches_are_set_aside_and_kept(void **state)
{
    (void) state;
    struct spool_totals totals;

    push(7, 1, 1, "x");
    write_named("7/main/notes", "foreign");
    write_named("7/main/0000000001-1.batch", "not our name");
    write_named("7/main/.nfs123", "hidden");
    assert_int_equal(mkdir(path_of("7/main/folder"), 0700), 0);
    assert_int_equal(spool_totals(spool, &seven, &totals), 0);
    assert_int_equal(totals.n_batches, 1);
    assert_int_equal(totals.n_foreign, 3);
    assert_int_equal(totals.oldest_ns, 0);
    assert_int_equal(spool_repair(spool, &seven), 0);
    assert_int_equal(spool_totals(spool, &seven, &totals), 0);
    assert_int_equal(totals.n_foreign, 3);
    assert_int_equal(access(path_of("7/main/quarantine/notes"), F_OK), 0);
    assert_int_equal(access(path_of("7/main/notes"), F_OK), -1);
    assert_int_equal(access(path_of("7/main/folder"), F_OK), 0);
    assert_int_equal(access(path_of("7/main/.nfs123"), F_OK), 0);

    /* Where one of that name is aside already, both are kept. */
    write_named("7/main/notes", "another");
    assert_int_equal(spool_repair(spool, &seven), 0);
    assert_int_equal(access(path_of("7/main/notes"), F_OK), 0);
    assert_int_equal(spool_totals(spool, &seven, &totals), 0);
    assert_int_equal(totals.n_foreign, 4);
    assert_int_equal(totals.n_quarantined_batches, 0);
}

/* Runs in a child: a spool that can't be written to. */
static int
start_on_a_read_only_disk(void)
{
    uint32_t generation;
    struct spool *s;

    if (unshare(CLONE_NEWNS)
        || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL)
        || mount("none", dir, "tmpfs", 0, "size=64k")) {
        return 77;
    }
    if (spool_open(dir, &s) || spool_next_generation(s, &generation)
        || generation != 1
        || mount("none", dir, "tmpfs", MS_REMOUNT | MS_RDONLY, "size=64k")) {
        return 1;
    }
    if (spool_next_generation(s, &generation) || generation != 2
        || spool_push(s, &seven, 1, 2, 0, slice_from_string("x")) != EROFS) {
        return 2;
    }
    if (mount("none", dir, "tmpfs", MS_REMOUNT, "size=64k")
        || spool_push(s, &seven, 1, 2, 0, slice_from_string("x"))) {
        return 3;
    }
    return spool_next_generation(s, &generation) || generation != 3 ? 4 : 0;
}

/* Returns what a child that runs 'function' in a mount namespace of its own
 * exits with; skips the test if it can't. */
static int
status_of_child(int (*function)(void))
{
    int status;

    pid_t child = fork();
    if (!child) {
        _exit(function());
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    if (WEXITSTATUS(status) == 77) {
        print_message("# a disk of our own needs root\n");
        skip();
    }
    return WEXITSTATUS(status);
}

static void
a_read_only_disk_does_not_keep_from_starting(void **state)
{
    (void) state;
    assert_int_equal(status_of_child(start_on_a_read_only_disk), 0);
}

static void
totals_add_up_the_headers(void **state)
{
    (void) state;
    /* The start of a header: tenant 7, as many lines as the last byte says. */
    char file[SEAL_HEADER_SIZE + 20] = "SLUICEB\2\0\0\0\7";
    struct spool_totals totals;
    struct spool_item at;

    assert_int_equal(spool_totals(spool, &seven, &totals), 0);
    assert_int_equal(totals.n_batches, 0);
    file[47] = 20;
    for (int i = 1; i <= 3; i++) {
        file[15] = 10 * i;
        assert_int_equal(spool_push(spool, &seven, 1, 1, i,
                                    slice_of(file, sizeof file)), 0);
    }
    for (int twice = 0; twice < 2; twice++) {
        assert_int_equal(spool_totals(spool, &seven, &totals), 0);
        assert_int_equal(totals.n_batches, 3);
        assert_int_equal(totals.n_lines, 60);
        assert_int_equal(totals.n_bytes, 3 * sizeof file);
    }
    expect_next(true, &at, 1, 1);
    assert_int_equal(spool_ack(spool, &at), 0);
    expect_next(true, &at, 1, 2);
    assert_int_equal(spool_quarantine(spool, &at, "it is poison"), 0);
    assert_int_equal(spool_totals(spool, &seven, &totals), 0);
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
    write_named("7/.0000000001-00000000000000000002.batch.main.tmp", "half");
    write_named("7/.0000000001-00000000000000000003.batch", "not ours");
    assert_int_equal(spool_next_generation(spool, &generation), 0);
    assert_int_equal(generation, 1);
    assert_int_equal(spool_next_generation(spool, &generation), 0);
    assert_int_equal(generation, 2);
    assert_int_equal(access(path_of("7/.0000000001-00000000000000000002.batch"
                                    ".main.tmp"), F_OK), -1);
    assert_int_equal(access(path_of("7/.0000000001-00000000000000000003.batch"
                                    ), F_OK), 0);
    /* Of what is not in the spool yet, too. */
    assert_int_equal(spool_next_generation_above(spool, 9, &generation), 0);
    assert_int_equal(generation, 10);
    assert_int_equal(spool_next_generation_above(spool, UINT32_MAX,
                                                 &generation), EINVAL);
    /* A damaged count is not begun anew: old names would come again. */
    write_named("generation", "");
    assert_int_equal(spool_next_generation(spool, &generation), EINVAL);
    write_named("generation", "12x\n");
    assert_int_equal(spool_next_generation(spool, &generation), EINVAL);
    write_named("generation", "4294967295\n");
    assert_int_equal(spool_next_generation(spool, &generation), EINVAL);
    assert_int_equal(generation, 10);
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
        spool_push(full, &seven, 1, 1, i, slice_of(file, sizeof file));
    }
    if (spool_push(full, &seven, 1, 1, 100, slice_of(file, sizeof file))
        != ENOSPC) {
        return 2;
    }
    return spool_next_generation(full, &generation) || generation != 2 ? 3 : 0;
}

static void
a_full_disk_does_not_stop_the_count_of_generations(void **state)
{
    (void) state;
    assert_int_equal(status_of_child(count_on_a_full_disk), 0);
}

/* As one is whose maker, a shipper, runs as root and came no further. */
static void
a_directory_of_roots_is_given_to_the_spools_owner(void **state)
{
    (void) state;
    const char *names[] = { "7", "7/main" };
    char path[128];
    struct stat st;
    int fd;

    if (geteuid()) {
        print_message("only root can give a directory away\n");
        skip();
    }
    assert_int_equal(chown(dir, 65534, 65534), 0);
    for (size_t i = 0; i < 2; i++) {
        snprintf(path, sizeof path, "%s/%s", dir, names[i]);
        assert_int_equal(mkdir(path, 0750), 0);
    }
    assert_int_equal(spool_watch(spool, &seven, &fd), 0);
    close(fd);
    for (size_t i = 0; i < 2; i++) {
        snprintf(path, sizeof path, "%s/%s", dir, names[i]);
        assert_int_equal(stat(path, &st), 0);
        assert_int_equal(st.st_uid, 65534);
    }
}

static void
a_push_wakes_the_watcher(void **state)
{
    (void) state;
    int fd;

    assert_int_equal(spool_watch(spool, &seven, &fd), 0);
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

static int
count_entries(const char *name)
{
    DIR *d = opendir(path_of(name));
    int n = 0;

    assert_non_null(d);
    while (readdir(d)) {
        n++;
    }
    closedir(d);
    return n - 2;
}

static const struct spool_queue fan[] = { { 7, "archive" }, { 7, "main" } };

static ino_t
inode_of(const char *name)
{
    struct stat st;

    assert_int_equal(stat(path_of(name), &st), 0);
    return st.st_ino;
}

static void
one_file_goes_into_several_queues_that_are_independent_then(void **state)
{
    (void) state;
    struct spool_totals totals;
    struct spool_item item;

    assert_int_equal(spool_push(spool, fan, 2, 1, 1,
                                slice_from_string("text")), 0);
    assert_int_equal(inode_of("7/archive/0000000001-00000000000000000001"
                              ".batch"),
                     inode_of("7/main/0000000001-00000000000000000001"
                              ".batch"));
    assert_int_equal(spool_next(spool, &fan[0], NULL, &item), 0);
    assert_string_equal(item.queue.name, "archive");
    assert_int_equal(spool_ack(spool, &item), 0);
    assert_int_equal(spool_next(spool, &fan[0], NULL, &item), ENOENT);
    expect_next(true, &item, 1, 1);
    assert_int_equal(spool_quarantine(spool, &item, "it is poison"), 0);
    assert_int_equal(spool_totals(spool, &fan[0], &totals), 0);
    assert_int_equal(totals.n_quarantined_batches, 0);
    assert_int_equal(spool_totals(spool, &fan[1], &totals), 0);
    assert_int_equal(totals.n_quarantined_batches, 1);
}

static void
one_batch_may_be_other_files_in_other_queues(void **state)
{
    (void) state;
    struct spool_result results[2];
    struct spool_item item;

    assert_int_equal(spool_begin(spool, &fan[0], 1, 1, 1,
                                 slice_from_string("short")), 0);
    assert_int_equal(spool_begin(spool, &fan[1], 1, 1, 1,
                                 slice_from_string("longer")), 0);
    spool_commit(spool, results);
    assert_int_equal(results[0].error | results[1].error, 0);
    assert_int_equal(spool_find(spool, &fan[0], 1, 1, &item), 0);
    assert_int_equal(item.size, 5);
    assert_int_equal(spool_find(spool, &fan[1], 1, 1, &item), 0);
    assert_int_equal(item.size, 6);
}

static void
a_queue_that_takes_nothing_keeps_no_other_from_it(void **state)
{
    (void) state;
    struct spool_result result;
    struct spool_item item;

    /* Broken between the two steps. */
    assert_int_equal(spool_begin(spool, fan, 2, 1, 1,
                                 slice_from_string("text")), 0);
    assert_int_equal(rmdir(path_of("7/archive")), 0);
    spool_commit(spool, &result);
    assert_int_equal(result.error, ENOENT);
    assert_int_equal(result.done, 2);
    expect_next(true, &item, 1, 1);
    assert_int_equal(spool_ack(spool, &item), 0);

    /* Who tries again leaves out those that have had it. */
    assert_int_equal(spool_push(spool, &fan[0], 1, 1, 1,
                                slice_from_string("text")), 0);
    assert_int_equal(spool_next(spool, &seven, NULL, &item), ENOENT);
    assert_int_equal(spool_next(spool, &fan[0], NULL, &item), 0);
    /* Nothing is left of the temporary file. */
    assert_int_equal(count_entries("7"), 2);
}

static void
a_file_in_several_queues_takes_its_room_once(void **state)
{
    (void) state;
    struct spool_item item;
    uint64_t used = 99;

    assert_int_equal(spool_usage(spool, 7, &used), 0);
    assert_int_equal(used, 0);
    assert_int_equal(spool_push(spool, fan, 2, 1, 1,
                                slice_from_string("1234")), 0);
    push(7, 1, 2, "56");
    push(8, 1, 2, "another tenant's");
    assert_int_equal(spool_usage(spool, 7, &used), 0);
    assert_int_equal(used, 6);
    /* Wherever it is. */
    expect_next(true, &item, 1, 1);
    assert_int_equal(spool_quarantine(spool, &item, "it is poison"), 0);
    assert_int_equal(spool_usage(spool, 7, &used), 0);
    assert_int_equal(used, 6);
    assert_int_equal(spool_next(spool, &fan[0], NULL, &item), 0);
    assert_int_equal(spool_ack(spool, &item), 0);
    assert_int_equal(spool_usage(spool, 7, &used), 0);
    assert_int_equal(used, 6);
    expect_next(true, &item, 1, 2);
    assert_int_equal(spool_ack(spool, &item), 0);
    assert_int_equal(spool_usage(spool, 7, &used), 0);
    assert_int_equal(used, 4);
}

static void
all_queues_are_found(void **state)
{
    (void) state;
    struct spool_queue *queues = NULL;
    size_t n = 99;

    assert_int_equal(spool_queues(spool, &queues, &n), 0);
    assert_int_equal(n, 0);
    free(queues);

    push(8, 1, 1, "x");
    assert_int_equal(spool_push(spool, fan, 2, 1, 1, slice_from_string("x")),
                     0);
    write_named("7/file", "x");
    assert_int_equal(mkdir(path_of("7/.hidden"), 0700), 0);
    assert_int_equal(mkdir(path_of("x"), 0700), 0);
    assert_int_equal(mkdir(path_of("09"), 0700), 0);
    assert_int_equal(symlink("8", path_of("9")), 0);
    assert_int_equal(spool_queues(spool, &queues, &n), 0);
    assert_int_equal(n, 3);
    assert_int_equal(queues[0].tenant, 7);
    assert_string_equal(queues[0].name, "archive");
    assert_string_equal(queues[1].name, "main");
    assert_int_equal(queues[2].tenant, 8);
    free(queues);
}

static void
names_of_queues_are_names_of_files(void **state)
{
    static const char *const bad[] = {
        "", ".", "..", ".x", "a/b", "/", "a b", "\n",
        "x23456789x123456789x123456789x123",
    };
    struct spool_queue queue = { 0, "as before" };

    (void) state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_false(spool_queue_init(&queue, 7, bad[i]));
    }
    assert_string_equal(queue.name, "as before");
    assert_true(spool_queue_init(&queue, 7,
                                 "x23456789x123456789x123456789x12"));
    assert_true(spool_queue_init(&queue, 7, "A-z_0.9"));
    assert_int_equal(queue.tenant, 7);
    assert_string_equal(queue.name, "A-z_0.9");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(NAME) cmocka_unit_test_setup_teardown(NAME, setup, teardown)
        TEST(batches_come_in_the_order_of_generation_and_number),
        TEST(a_batch_is_read_and_deleted_once_acknowledged),
        TEST(of_many_files_each_tells_whether_it_was_synced),
        TEST(a_directory_that_is_kept_open_may_be_replaced),
        TEST(pushing_twice_changes_nothing),
        TEST(a_group_is_in_the_spool_once_committed),
        TEST(one_file_goes_into_several_queues_that_are_independent_then),
        TEST(one_batch_may_be_other_files_in_other_queues),
        TEST(a_queue_that_takes_nothing_keeps_no_other_from_it),
        TEST(a_file_in_several_queues_takes_its_room_once),
        TEST(all_queues_are_found),
        TEST(names_of_queues_are_names_of_files),
        TEST(foreign_names_are_ignored),
        TEST(symbolic_links_are_refused),
        TEST(a_quarantined_batch_is_kept_out_of_the_way),
        TEST(what_is_in_quarantine_and_in_the_queue_is_in_the_queue),
        TEST(the_reason_of_a_quarantine_is_kept_and_goes_with_it),
        TEST(a_batch_is_deleted_wherever_it_is),
        TEST(a_queue_is_held_by_one_at_a_time),
        TEST(files_that_are_no_batches_are_set_aside_and_kept),
        TEST(a_read_only_disk_does_not_keep_from_starting),
        TEST(totals_add_up_the_headers),
        TEST(generations_count_up_and_clean_up),
        TEST(a_full_disk_does_not_stop_the_count_of_generations),
        TEST(a_directory_of_roots_is_given_to_the_spools_owner),
        TEST(a_push_wakes_the_watcher),
        TEST(tenant_directories_are_made_for_the_group),
#undef TEST
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
