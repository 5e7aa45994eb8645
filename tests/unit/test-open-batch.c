/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "batch.h"
#include "open-batch.h"

static char dir[64];
static const struct open_batch_info info = {
    .tenant = 7, .generation = 3, .stream = 0xfeed, .number = 5,
};

static int
setup(void **state)
{
    (void) state;
    snprintf(dir, sizeof dir, "/tmp/sluice-test-open-batch.XXXXXX");
    assert_non_null(mkdtemp(dir));
    return 0;
}

static int
teardown(void **state)
{
    (void) state;
    DIR *stream = opendir(dir);
    struct dirent *entry;

    while ((entry = readdir(stream))) {
        unlinkat(dirfd(stream), entry->d_name, 0);
    }
    closedir(stream);
    return rmdir(dir);
}

/* What recovery handed over. */
struct recovered {
    int result;                 /* What the callback returns. */
    unsigned int n_calls;
    struct open_batch_info info;
    size_t size;
    uint8_t body[1 << 20];
};
static struct recovered recovered;

static int
recover_cb(const struct open_batch_info *i, struct slice body, void *aux)
{
    struct recovered *r = aux;

    r->n_calls++;
    r->info = *i;
    r->size = body.size;
    assert_true(body.size <= sizeof r->body);
    memcpy(r->body, body.data, body.size);
    return r->result;
}

static int
recover(int result, unsigned int *n_bad)
{
    recovered = (struct recovered) { .result = result };
    return open_batch_recover(dir, recover_cb, &recovered, n_bad);
}

static bool
exists(const char *name)
{
    char path[128];

    snprintf(path, sizeof path, "%s/%s", dir, name);
    return !access(path, F_OK);
}

static void
write_named(const char *name, const void *data, size_t size)
{
    char path[128];

    snprintf(path, sizeof path, "%s/%s", dir, name);
    FILE *f = fopen(path, "w");
    assert_int_equal(fwrite(data, 1, size, f), size);
    fclose(f);
}

static void
put(struct open_batch *b, const char *text, uint32_t n_lines)
{
    size_t room;
    uint8_t *tail = open_batch_tail(b, &room);

    assert_true(strlen(text) <= room);
    memcpy(tail, text, strlen(text));
    open_batch_commit(b, strlen(text), n_lines);
}

static void
committed_bytes_are_the_batch(void **state)
{
    (void) state;
    struct open_batch *b;
    struct open_batch_info i;
    struct slice body;
    size_t room;

    assert_int_equal(open_batch_create(dir, &info, 10, &b), 0);
    put(b, "abc", 0);
    put(b, "defg", 2);
    memcpy(open_batch_tail(b, &room), "not", 3);
    assert_int_equal(room, 3);
    open_batch_get(b, &i, &body);
    assert_slice_equal(body, "abcdefg");
    assert_int_equal(i.tenant, 7);
    assert_int_equal(i.generation, 3);
    assert_int_equal(i.stream, 0xfeed);
    assert_int_equal(i.number, 5);
    assert_int_equal(i.n_lines, 2);
    assert_int_equal(i.size, 7);

    open_batch_reset(b, 6, 2);
    open_batch_get(b, &i, &body);
    assert_int_equal(body.size, 0);
    assert_int_equal(i.n_lines, 0);
    assert_int_equal(i.number, 6);
    assert_int_equal(i.before, 2);
    open_batch_tail(b, &room);
    assert_int_equal(room, 10);
    open_batch_close(b, true);
    assert_false(exists("7-3-5.open"));
}

static void
who_looks_on_sees_a_batch_until_the_next_begins(void **state)
{
    (void) state;
    struct open_batch *b;
    struct open_batch_info i;
    uint8_t *body;
    char path[128];

    assert_int_equal(open_batch_create(dir, &info, 10, &b), 0);
    put(b, "abcd", 1);
    snprintf(path, sizeof path, "%s/7-3-5.open", dir);
    int fd = open(path, O_RDONLY);
    assert_int_equal(open_batch_peek(fd, &i), 0);
    assert_int_equal(i.n_lines, 1);
    put(b, "efg", 1);
    assert_int_equal(open_batch_read(fd, 4, &i, &body), 0);
    assert_int_equal(i.size, 7);
    assert_memory_equal(body, "efg", 3);
    free(body);
    assert_int_equal(open_batch_read(fd, 8, &i, &body), EAGAIN);

    open_batch_reset(b, 5, 0);
    assert_int_equal(open_batch_read(fd, 0, &i, &body), 0);
    assert_int_equal(i.number, 5);
    assert_int_equal(i.n_lines, 2);
    assert_memory_equal(body, "abcdefg", 7);
    free(body);

    open_batch_reset(b, 6, 2);
    assert_int_equal(open_batch_read(fd, 4, &i, &body), EAGAIN);
    assert_int_equal(open_batch_read(fd, 0, &i, &body), 0);
    assert_int_equal(i.number, 6);
    assert_int_equal(i.before, 2);
    assert_int_equal(i.size, 0);
    free(body);
    open_batch_close(b, true);

    close(fd);

    /* What is none. */
    fd = open("/dev/zero", O_RDONLY);
    assert_int_equal(open_batch_peek(fd, &i), EINVAL);
    close(fd);
    fd = open("/dev/null", O_RDONLY);
    assert_int_equal(open_batch_read(fd, 0, &i, &body), EINVAL);
    close(fd);
}

static void
a_tenant_has_one_open_batch(void **state)
{
    (void) state;
    struct open_batch *b, *other = NULL;
    unsigned int n_bad;

    assert_int_equal(open_batch_create(dir, &info, 10, &b), 0);
    put(b, "x", 1);
    assert_int_equal(open_batch_create(dir, &info, 10, &other), EEXIST);
    assert_null(other);
    /* Its process lives: nothing to recover. */
    assert_int_equal(recover(0, &n_bad), 0);
    assert_int_equal(recovered.n_calls, 0);
    assert_true(exists("7-3-5.open"));
    open_batch_close(b, false);
}

static void
what_was_left_is_handed_over_and_removed(void **state)
{
    (void) state;
    struct open_batch *b;
    unsigned int n_bad = 99;

    assert_int_equal(open_batch_create(dir, &info, 1000, &b), 0);
    put(b, "left", 1);
    open_batch_close(b, false);

    /* Kept while it can't be put away. */
    assert_int_equal(recover(ENOSPC, &n_bad), ENOSPC);
    assert_true(exists("7-3-5.open"));
    assert_int_equal(recover(0, &n_bad), 0);
    assert_int_equal(n_bad, 0);
    assert_int_equal(recovered.n_calls, 1);
    assert_int_equal(recovered.info.number, 5);
    assert_int_equal(recovered.info.n_lines, 1);
    assert_int_equal(recovered.size, 4);
    assert_memory_equal(recovered.body, "left", 4);
    assert_false(exists("7-3-5.open"));
}

static void
empty_and_unfinished_batches_are_removed(void **state)
{
    (void) state;
    struct open_batch *b;
    unsigned int n_bad;
    static const uint8_t zeros[100];

    assert_int_equal(open_batch_create(dir, &info, 1000, &b), 0);
    open_batch_close(b, false);
    write_named("8-1-1.open", "", 0);
    write_named("9-1-1.open", zeros, sizeof zeros);
    assert_int_equal(recover(0, &n_bad), 0);
    assert_int_equal(n_bad, 0);
    assert_int_equal(recovered.n_calls, 0);
    assert_false(exists("7-3-5.open"));
    assert_false(exists("8-1-1.open"));
    assert_false(exists("9-1-1.open"));
}

static void
what_is_no_batch_is_set_aside(void **state)
{
    (void) state;
    struct open_batch *b;
    unsigned int n_bad;
    uint32_t size = 1000000;
    char path[128];

    write_named("1-1-1.open", "garbage", 7);
    write_named("2-1-1.open", "garbage that is longer than the header of a batch,"
                " by some bytes", 65);
    /* One that claims more bytes than there are. */
    assert_int_equal(open_batch_create(dir, &info, 1000, &b), 0);
    open_batch_commit(b, size, 1);
    open_batch_close(b, false);
    snprintf(path, sizeof path, "%s/4-1-1.open", dir);
    assert_int_equal(symlink("/etc/hostname", path), 0);
    snprintf(path, sizeof path, "%s/5-1-1.open", dir);
    assert_int_equal(mkfifo(path, 0600), 0);
    write_named("foreign", "x", 1);
    write_named("x-1-1.open", "x", 1);
    write_named("1-1-1.open.bad", "older", 5);

    assert_int_equal(recover(0, &n_bad), 0);
    assert_int_equal(n_bad, 5);
    assert_int_equal(recovered.n_calls, 0);
    assert_true(exists("1-1-1.open.bad.1"));
    assert_true(exists("2-1-1.open.bad"));
    assert_true(exists("7-3-5.open.bad"));
    assert_true(exists("4-1-1.open.bad"));
    assert_true(exists("5-1-1.open.bad"));
    assert_true(exists("foreign"));
    assert_true(exists("x-1-1.open"));
    assert_false(exists("1-1-1.open"));
}

/* Appends numbered lines to a batch until it is killed, and tells 'acked'
 * after each how many it committed. */
static void
append_until_killed(uint64_t *acked)
{
    struct open_batch *b;
    char msg[300];

    if (open_batch_create(dir, &info, 1 << 19, &b)) {
        _exit(1);
    }
    for (uint64_t i = 1; ; i++) {
        size_t room;
        uint8_t *tail = open_batch_tail(b, &room);
        struct batch_line l = { .source = 1, .switch_ns = i };

        memset(msg, 'a' + i % 26, sizeof msg);
        l.msg = slice_of(msg, i * 7 % sizeof msg);
        size_t n = batch_put_line(tail, room, &l);
        if (!n) {
            pause();            /* Full. */
        }
        open_batch_commit(b, n, 1);
        __atomic_store_n(acked, i, __ATOMIC_RELEASE);
    }
}

static void
a_kill_at_any_moment_loses_no_committed_line(void **state)
{
    (void) state;
    uint64_t *acked = mmap(NULL, sizeof *acked, PROT_READ | PROT_WRITE,
                           MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_true(acked != MAP_FAILED);

    for (uint64_t round = 0; round < 40; round++) {
        unsigned int n_bad;
        int status;

        *acked = 0;
        pid_t pid = fork();
        assert_true(pid >= 0);
        if (!pid) {
            append_until_killed(acked);
        }
        /* Kill it somewhere in the middle. */
        while (__atomic_load_n(acked, __ATOMIC_ACQUIRE) < round * 20 + 1) {
            assert_int_equal(waitpid(pid, &status, WNOHANG), 0);
        }
        kill(pid, SIGKILL);
        assert_int_equal(waitpid(pid, &status, 0), pid);

        assert_int_equal(recover(0, &n_bad), 0);
        assert_int_equal(n_bad, 0);
        assert_int_equal(recovered.n_calls, 1);
        /* The child may have died between the commit and its report. */
        assert_true(recovered.info.n_lines == *acked
                    || recovered.info.n_lines == *acked + 1);

        struct batch_reader reader;
        struct batch_entry e;
        batch_reader_init(&reader, slice_of(recovered.body, recovered.size));
        for (uint64_t i = 1; i <= recovered.info.n_lines; i++) {
            assert_int_equal(batch_reader_next(&reader, &e), BATCH_LINE);
            assert_int_equal(e.line.switch_ns, i);
            assert_int_equal(e.line.msg.size, i * 7 % 300);
            for (size_t j = 0; j < e.line.msg.size; j++) {
                assert_int_equal(e.line.msg.data[j], 'a' + i % 26);
            }
        }
        assert_int_equal(batch_reader_next(&reader, &e), BATCH_END);
    }
    munmap(acked, sizeof *acked);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(NAME) cmocka_unit_test_setup_teardown(NAME, setup, teardown)
        TEST(committed_bytes_are_the_batch),
        TEST(who_looks_on_sees_a_batch_until_the_next_begins),
        TEST(a_tenant_has_one_open_batch),
        TEST(what_was_left_is_handed_over_and_removed),
        TEST(empty_and_unfinished_batches_are_removed),
        TEST(what_is_no_batch_is_set_aside),
        TEST(a_kill_at_any_moment_loses_no_committed_line),
#undef TEST
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
