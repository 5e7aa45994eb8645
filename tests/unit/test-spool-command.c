/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "unit.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "file-io.h"
#include "master.h"
#include "proxy-config.h"
#include "remove-tree.h"
#include "spool-admin.h"
#include "spool-command.h"
#include "stats.h"
#include "timeval.h"
#include "util.h"

enum { N_LINES = 12 };

static const struct spool_queue seven = { 7, "main" };
static const struct spool_queue nine = { 9, "main" };   /* Not configured. */

/* A master without programs, in a directory of its own. */
static char dir[64];
static struct master master;
static struct intake_stats *intake;
static struct ship_stats *ship;         /* Of 'seven'. */

/* A process that is killed at its n'th call. */
static int calls_left;
static struct file_io mortal_io;

static void
step(void)
{
    if (!--calls_left) {
        _exit(1);
    }
}

static int
mortal_unlinkat(int fd, const char *name)
{
    step();
    int error = file_io_system.unlinkat(fd, name);
    int saved = errno;
    step();
    errno = saved;
    return error;
}

static int
mortal_linkat(int from_fd, const char *from, int to_fd, const char *to)
{
    step();
    int error = file_io_system.linkat(from_fd, from, to_fd, to);
    int saved = errno;
    step();
    errno = saved;
    return error;
}

static int
mortal_fsync(int fd)
{
    step();
    return file_io_system.fsync(fd);
}

static int
set_up(void **state)
{
    (void) state;
    snprintf(dir, sizeof dir, "%s/sluice-test-command.XXXXXX", "/tmp");
    assert_non_null(mkdtemp(dir));
    char *spool = xasprintf("%s/spool", dir);
    assert_int_equal(mkdir(spool, 0700), 0);
    char *text = xasprintf("paths: {run: %s, spool: %s}\n"
                           "tenants:\n"
                           "- {id: 7, name: seven, server: 'h:514'}\n",
                           dir, spool);
    memset(&master, 0, sizeof master);
    assert_null(config_parse("f", text, strlen(text), &master.config));
    mortal_io = file_io_system;
    mortal_io.unlinkat = mortal_unlinkat;
    mortal_io.linkat = mortal_linkat;
    mortal_io.fsync = mortal_fsync;
    mortal_io.sync_many = NULL;
    calls_left = 0;
    assert_int_equal(spool_open_io(spool, &mortal_io, &master.spool), 0);
    supervisor_init(&master.supervisor);
    char *path = config_path_intake_run(master.config);
    assert_int_equal(mkdir(path, 0700), 0);
    free(path);
    path = config_path_intake_stats(master.config);
    assert_int_equal(intake_stats_map(path, &intake), 0);
    free(path);
    path = config_path_ship_stats(master.config, 7, "main");
    assert_int_equal(ship_stats_map(path, 7, &ship), 0);
    free(path);
    free(spool);
    free(text);
    return 0;
}

static int
tear_down(void **state)
{
    (void) state;
    stats_unmap(intake);
    stats_unmap(ship);
    spool_close(master.spool);
    config_destroy(master.config);
    return remove_tree(dir);
}

static struct spool_item
push(const struct spool_queue *queue, uint64_t number)
{
    struct spool_item item;

    assert_int_equal(spool_push(master.spool, queue, 1, 1, number,
                                slice_from_string("x")), 0);
    assert_int_equal(spool_find(master.spool, queue, 1, number, &item), 0);
    return item;
}

static bool
is_there(const struct spool_item *item)
{
    struct spool_item found;

    return !spool_find_anywhere(master.spool, &item->queue, item->generation,
                                item->number, &found);
}

static struct spool_command
begin(const struct spool_queue *queue)
{
    struct spool_command c;

    assert_int_equal(spool_command_begin(&master, queue, &c), 0);
    return c;
}

static uint64_t
dropped(void)
{
    return stats_get(&ship->counters[SHIP_BY_COMMAND]);
}

static void
what_is_dropped_is_counted_and_told_to_intake(void **state)
{
    (void) state;
    struct stats_tenant *t = intake_stats_tenant(intake, 7);
    struct spool_item item = push(&seven, 1);
    struct spool_command c = begin(&seven);

    assert_int_equal(spool_command_drop(&c, &item, N_LINES), 0);
    assert_int_equal(spool_command_drop(&c, &item, N_LINES), ENOENT);
    spool_command_end(&c);
    assert_false(is_there(&item));
    assert_int_equal(dropped(), N_LINES);
    assert_int_equal(t->by_command[0], N_LINES);
    assert_int_equal(t->by_command[1], ~UINT64_C(12));
    assert_int_equal(stats_get(&ship->command.n), 1);

    /* Should a killed intake put it there again, it has left already. */
    assert_int_equal(ship->journal.n_left, 1);
    assert_int_equal(ship->journal.left[0].number, 1);
}

static void
a_batch_goes_back_from_quarantine_once(void **state)
{
    (void) state;
    struct spool_item item = push(&seven, 1);

    assert_int_equal(spool_quarantine(master.spool, &item, "it is odd"), 0);
    assert_int_equal(spool_find_anywhere(master.spool, &seven, 1, 1, &item),
                     0);
    struct spool_command c = begin(&seven);
    assert_int_equal(spool_command_replay(&c, &item, N_LINES), 0);
    assert_int_equal(stats_get(&ship->counters[SHIP_REPLAYED]), N_LINES);
    assert_int_equal(spool_find(master.spool, &seven, 1, 1, &item), 0);
    assert_int_equal(spool_command_replay(&c, &item, N_LINES), 0);
    spool_command_end(&c);
    assert_int_equal(stats_get(&ship->counters[SHIP_REPLAYED]), N_LINES);
    assert_int_equal(dropped(), 0);
}

/* Has a child drop 'item', that dies at its 'n'th call.  Returns true if it
 * did. */
static bool
drop_in_child(const struct spool_item *item, int n)
{
    int status;
    pid_t pid = fork();

    assert_true(pid >= 0);
    if (!pid) {
        struct spool_command c;
        int error = spool_command_begin(&master, &item->queue, &c);
        calls_left = n;
        error = error ? error : spool_command_drop(&c, item, N_LINES);
        calls_left = 0;
        _exit(error ? 2 : 0);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) < 2);
    return WEXITSTATUS(status) == 1;
}

static void
a_kill_at_any_step_counts_what_is_gone_and_nothing_else(void **state)
{
    (void) state;
    uint64_t expected = 0;
    int n_gone = 0, n = 1;

    intake_stats_tenant(intake, 7);
    for (int place = 0; place < 2; place++) {
        for (n = 1; ; n++) {
            struct spool_item item = push(&seven, 100 * place + n);
            if (place) {
                assert_int_equal(spool_quarantine(master.spool, &item,
                                                  "it is odd"), 0);
                item.is_quarantined = true;
            }
            bool killed = drop_in_child(&item, n);
            spool_command_recover(master.config, master.spool);
            bool gone = !is_there(&item);
            n_gone += gone;
            expected += gone ? N_LINES : 0;
            assert_int_equal(dropped(), expected);
            assert_int_equal(stats_get(&ship->command.leaving), 0);
            assert_int_equal(stats_get(
                &intake_stats_tenant(intake, 7)->by_command[0]), expected);
            if (!killed) {
                assert_true(gone);
                break;
            }
        }
        assert_true(n > 3);
    }
    assert_true(n_gone >= 4);
}

static void
a_kill_of_who_puts_back_leaves_the_batch_in_one_place(void **state)
{
    (void) state;
    int status, n = 1;

    do {
        struct spool_item item = push(&seven, n);
        struct spool_totals totals;

        assert_int_equal(spool_quarantine(master.spool, &item, "it is odd"),
                         0);
        item.is_quarantined = true;
        pid_t pid = fork();
        assert_true(pid >= 0);
        if (!pid) {
            struct spool_command c;
            int error = spool_command_begin(&master, &seven, &c);
            calls_left = n;
            error = error ? error : spool_command_replay(&c, &item, N_LINES);
            calls_left = 0;
            _exit(error ? 2 : 0);
        }
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFEXITED(status) && WEXITSTATUS(status) < 2);
        spool_command_recover(master.config, master.spool);
        assert_int_equal(spool_totals(master.spool, &seven, &totals), 0);
        assert_int_equal(totals.n_batches + totals.n_quarantined_batches, n);
        n++;
    } while (WEXITSTATUS(status));
    assert_true(n > 4);
    assert_int_equal(dropped(), 0);
}

static void
a_queue_in_hand_is_left_alone_and_asked_for(void **state)
{
    (void) state;
    struct spool_command c;
    struct spool *other;
    int fd;

    push(&seven, 1);
    char *path = xasprintf("%s/spool", dir);
    assert_int_equal(spool_open(path, &other), 0);
    free(path);
    assert_int_equal(spool_hold(other, &seven, &fd), 0);
    assert_int_equal(spool_command_begin(&master, &seven, &c), EAGAIN);
    assert_true(stats_get(&ship->command.pause_until_ms)
                > (uint64_t) time_msec());
    close(fd);
    c = begin(&seven);
    assert_int_equal(spool_hold(other, &seven, &fd), EAGAIN);
    spool_command_end(&c);
    assert_int_equal(spool_hold(other, &seven, &fd), 0);
    close(fd);
    spool_close(other);
}

static void
what_a_killed_shipper_began_is_ended_where_none_comes(void **state)
{
    (void) state;
    struct ship_stats *stats;
    struct spool_item item = push(&nine, 1);
    char *path = config_path_ship_stats(master.config, 9, "main");

    assert_int_equal(ship_stats_map(path, 9, &stats), 0);
    free(path);
    for (int i = 0; i < 2; i++) {
        /* First it has not left, then it has. */
        stats->journal.generation = item.generation;
        stats->journal.number = item.number;
        stats->journal.counters[SHIP_SHIPPED] = N_LINES;
        stats->journal.leaving = 1;
        struct spool_command c = begin(&nine);
        spool_command_end(&c);
        assert_int_equal(stats->journal.leaving, 0);
        assert_int_equal(stats->counters[SHIP_SHIPPED], i ? N_LINES : 0);
        assert_int_equal(spool_ack(master.spool, &item), 0);
    }

    /* Who is not configured has no stream in which to announce it. */
    item = push(&nine, 2);
    struct stats_tenant *t = intake_stats_tenant(intake, 9);
    struct spool_command c = begin(&nine);
    assert_int_equal(spool_command_drop(&c, &item, N_LINES), 0);
    spool_command_end(&c);
    assert_int_equal(stats->counters[SHIP_BY_COMMAND], N_LINES);
    assert_int_equal(t->by_command[0], 0);
    stats_unmap(stats);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(NAME) cmocka_unit_test_setup_teardown(NAME, set_up, tear_down)
        TEST(what_is_dropped_is_counted_and_told_to_intake),
        TEST(a_batch_goes_back_from_quarantine_once),
        TEST(a_kill_at_any_step_counts_what_is_gone_and_nothing_else),
        TEST(a_kill_of_who_puts_back_leaves_the_batch_in_one_place),
        TEST(a_queue_in_hand_is_left_alone_and_asked_for),
        TEST(what_a_killed_shipper_began_is_ended_where_none_comes),
#undef TEST
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
