/* SPDX-License-Identifier: Apache-2.0 */
#include "sluice-config.h"
#include "unit.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "batch.h"
#include "openvswitch/poll-loop.h"
#include "remove-tree.h"
#include "ship-queue.h"
#include "spool-admin.h"
#include "timeval.h"

enum { TENANT = 7 };

static char dir[64];
static const struct spool_queue main_queue = { TENANT, "main" };
static struct spool *spool;
static struct seal_key *key;
static struct sealer *sealer;
static struct ship_stats stats;
static struct ship_queue *queue;

static void
make_queue(uint32_t hold_ms)
{
    const struct ship_form form = {
        .format = SHIP_RFC5424, .framing = SHIP_OCTET_COUNTED
    };

    ship_queue_destroy(queue);
    queue = ship_queue_create(spool, &main_queue, key, "sluice@32473", &stats);
    ship_queue_begin(queue, &form, hold_ms);
}

static int
setup(void **state)
{
    (void) state;
    char secret[96], public[96];
    uint8_t recipient[32];

    snprintf(dir, sizeof dir, "/tmp/sluice-test-ship-queue.XXXXXX");
    assert_non_null(mkdtemp(dir));
    snprintf(secret, sizeof secret, "%s/ship.key", dir);
    snprintf(public, sizeof public, "%s/key.pub", dir);
    assert_int_equal(spool_open(dir, &spool), 0);
    spool_set_process_only(spool, true); /* Saves a thousand syncs. */
    assert_int_equal(seal_key_generate(secret, public), 0);
    assert_int_equal(seal_key_read(secret, &key), 0);
    assert_int_equal(seal_public_key_read(public, recipient), 0);
    sealer = sealer_create(recipient, 65536);
    memset(&stats, 0, sizeof stats);
    make_queue(0);
    return 0;
}

static int
teardown(void **state)
{
    (void) state;
    ship_queue_destroy(queue);
    queue = NULL;
    sealer_destroy(sealer);
    seal_key_destroy(key);
    spool_close(spool);
    return remove_tree(dir);
}

/* Puts a batch of 'n_lines' lines into the spool. */
static void
push(uint64_t number, uint32_t n_lines)
{
    struct seal_header h = { .tenant = TENANT, .n_lines = n_lines };
    struct batch_source source = { .id = 1, .tenant = TENANT };
    struct batch_line line = { .source = 1, .msg = slice_from_string("x") };
    static uint8_t raw[65536];
    struct slice file;

    size_t n = batch_put_source(raw, sizeof raw, &source);
    for (uint32_t i = 0; i < n_lines; i++) {
        n += batch_put_line(raw + n, sizeof raw - n, &line);
    }
    assert_int_equal(sealer_run(sealer, &h, slice_of(raw, n), &file), 0);
    assert_int_equal(spool_push(spool, &main_queue, 1, 1, number, file), 0);
}

/* Takes the next batch and says that it was sent. */
static void
send_next(uint32_t n_lines, uint64_t end)
{
    struct ship_batch *b;

    assert_int_equal(ship_queue_next(queue, &b), 0);
    assert_int_equal(ship_batch_n_lines(b), n_lines);
    ship_queue_sent(queue, end);
}

static unsigned int
n_waiting(void)
{
    struct spool_totals totals;

    assert_int_equal(spool_totals(spool, &main_queue, &totals), 0);
    return totals.n_batches;
}

static void
a_batch_goes_once_its_last_byte_was_delivered(void **state)
{
    (void) state;
    struct ship_batch *b;

    push(1, 10);
    push(2, 20);
    assert_int_equal(ship_queue_check(queue), 0);
    send_next(10, 1000);
    send_next(20, 3000);
    assert_int_equal(ship_queue_next(queue, &b), ENOENT);
    assert_int_equal(ship_queue_settle(queue, 999), 0);
    assert_int_equal(n_waiting(), 2);
    assert_int_equal(ship_queue_settle(queue, 2999), 0);
    assert_int_equal(n_waiting(), 1);
    assert_int_equal(stats.counters[SHIP_SHIPPED], 10);
    assert_int_equal(ship_queue_n_in_flight(queue), 1);
    assert_int_equal(ship_queue_settle(queue, 3000), 0);
    assert_int_equal(n_waiting(), 0);
    assert_int_equal(stats.counters[SHIP_SHIPPED], 30);
    assert_int_equal(stats.counters[SHIP_BATCHES], 2);
    assert_int_equal(stats.counters[SHIP_RESENT], 0);
    assert_int_equal(ship_queue_n_settled(queue), 2);
    assert_int_equal(ship_queue_check(queue), ENOENT);
}

static void
a_batch_is_held_after_delivery(void **state)
{
    (void) state;
    make_queue(3600000);
    push(1, 10);
    send_next(10, 1000);
    assert_int_equal(ship_queue_settle(queue, 1000), 0);
    assert_int_equal(n_waiting(), 1);
    assert_int_equal(stats.counters[SHIP_SHIPPED], 0);
}

static void
a_broken_session_sends_all_that_is_in_flight_again(void **state)
{
    (void) state;
    struct ship_batch *b;

    push(1, 10);
    push(2, 20);
    push(3, 30);
    send_next(10, 1000);
    send_next(20, 3000);
    assert_int_equal(ship_queue_settle(queue, 1000), 0);
    assert_int_equal(ship_queue_next(queue, &b), 0);
    ship_queue_rewind(queue);
    assert_int_equal(ship_queue_n_in_flight(queue), 0);
    /* The session is a new one: bytes count from 0. */
    send_next(20, 2000);
    assert_int_equal(stats.counters[SHIP_RESENT], 20);
    send_next(30, 5000);
    assert_int_equal(stats.counters[SHIP_RESENT], 50);
    push(4, 40);
    send_next(40, 9000);
    assert_int_equal(stats.counters[SHIP_RESENT], 50);
    assert_int_equal(ship_queue_settle(queue, 9000), 0);
    assert_int_equal(stats.counters[SHIP_SHIPPED], 100);
}

static void
what_an_earlier_process_sent_counts_as_sent(void **state)
{
    (void) state;
    push(1, 10);
    send_next(10, 1000);
    make_queue(0);
    send_next(10, 1000);
    assert_int_equal(stats.counters[SHIP_RESENT], 10);
}

static void
what_comes_late_was_not_sent_before(void **state)
{
    (void) state;
    /* As a killed intake's open batch does. */
    push(5, 50);
    send_next(50, 1000);
    assert_int_equal(ship_queue_settle(queue, 1000), 0);
    push(3, 30);
    make_queue(0);
    send_next(30, 1000);
    assert_int_equal(stats.counters[SHIP_RESENT], 0);
    make_queue(0);
    send_next(30, 1000);
    assert_int_equal(stats.counters[SHIP_RESENT], 30);
    assert_int_equal(ship_queue_settle(queue, 1000), 0);

    /* After a power cut it may have been. */
    stats.journal = (struct ship_journal) {
        .any_sent = 1, .sent_generation = 1, .sent_number = 5,
        .any_earlier = 1, .earlier_generation = 1, .earlier_number = 5,
    };
    push(4, 40);
    push(6, 60);
    make_queue(0);
    send_next(40, 1000);
    assert_int_equal(stats.counters[SHIP_RESENT], 70);
    send_next(60, 2000);
    assert_int_equal(stats.counters[SHIP_RESENT], 70);
}

/* Leaves the journal as a kill between its beginning and its end does, for
 * the batch 1, whose settling would make 110 shipped lines of 100. */
static void
leave_journal_open(void)
{
    stats.counters[SHIP_SHIPPED] = 100;
    stats.journal.counters[SHIP_SHIPPED] = 110;
    stats.journal.generation = 1;
    stats.journal.number = 1;
    stats.journal.leaving = 1;
}

static void
a_kill_before_the_deletion_leaves_the_counters(void **state)
{
    (void) state;
    push(1, 10);
    leave_journal_open();
    make_queue(0);
    assert_int_equal(stats.counters[SHIP_SHIPPED], 100);
    assert_int_equal(stats.journal.leaving, 0);
    send_next(10, 1000);
    assert_int_equal(ship_queue_settle(queue, 1000), 0);
    assert_int_equal(stats.counters[SHIP_SHIPPED], 110);
}

static void
a_kill_after_the_deletion_counts_the_batch_once(void **state)
{
    (void) state;
    push(2, 20);
    leave_journal_open();
    make_queue(0);
    assert_int_equal(stats.counters[SHIP_SHIPPED], 110);
    assert_int_equal(stats.journal.leaving, 0);
    /* Also where the counter had been written before the kill. */
    stats.journal.leaving = 1;
    make_queue(0);
    assert_int_equal(stats.counters[SHIP_SHIPPED], 110);
}

static void
a_poison_batch_holds_up_nobody(void **state)
{
    (void) state;
    struct ship_batch *b;
    struct spool_totals totals;

    assert_int_equal(spool_push(spool, &main_queue, 1, 1, 1,
                                slice_from_string("poison")), 0);
    push(2, 20);
    assert_int_equal(ship_queue_next(queue, &b), EAGAIN);
    send_next(20, 1000);
    assert_int_equal(ship_queue_settle(queue, 1000), 0);
    assert_int_equal(spool_totals(spool, &main_queue, &totals), 0);
    assert_int_equal(totals.n_batches, 0);
    assert_int_equal(totals.n_quarantined_batches, 1);
    assert_int_equal(ship_queue_n_quarantined(queue), 1);
}

static void
one_that_can_not_even_be_set_aside_holds_up_nobody(void **state)
{
    (void) state;
    struct ship_batch *b;
    char path[128];

    assert_int_equal(spool_push(spool, &main_queue, 1, 1, 1,
                                slice_from_string("poison")), 0);
    push(2, 20);
    snprintf(path, sizeof path, "%s/7/main/quarantine", dir);
    assert_int_equal(symlink("/nonexistent", path), 0);
    assert_int_equal(ship_queue_next(queue, &b), ENOTDIR);
    assert_int_equal(stats.journal.leaving, 0);
    /* Nor when ship has waited, as it does after an error, before it looks
     * again. */
    xnanosleep(1100 * 1000000ULL);
    send_next(20, 1000);
    assert_int_equal(ship_queue_settle(queue, 1000), 0);
    assert_int_equal(stats.counters[SHIP_SHIPPED], 20);

    /* And goes there as soon as that is possible. */
    assert_int_equal(unlink(path), 0);
    assert_int_equal(ship_queue_next(queue, &b), EAGAIN);
    assert_int_equal(ship_queue_next(queue, &b), ENOENT);
    assert_int_equal(n_waiting(), 0);
}

static void
the_number_in_flight_is_bounded(void **state)
{
    (void) state;
    struct ship_batch *b;
    int n = 0, error;

    for (int i = 0; i < 1025; i++) {
        push(i, 1);
    }
    while (!(error = ship_queue_next(queue, &b))) {
        ship_queue_sent(queue, ++n);
    }
    assert_int_equal(error, EBUSY);
    assert_int_equal(n, 1024);
    assert_int_equal(ship_queue_settle(queue, 1), 0);
    send_next(1, ++n);
    while (ship_queue_n_in_flight(queue)) {
        assert_int_equal(ship_queue_settle(queue, n), 0);
    }
    assert_int_equal(n_waiting(), 0);
}

static void
the_ledger_counts_what_no_power_cut_brings_back(void **state)
{
    (void) state;
    enum { GROUP = 64 };
    uint64_t *lasting = &stats.lasting[SHIP_SHIPPED];

    /* One sync is for many deletions. */
    ship_queue_sync(queue);
    for (int i = 0; i < GROUP; i++) {
        push(i, 1);
        send_next(1, i + 1);
    }
    assert_int_equal(ship_queue_settle(queue, GROUP - 1), 0);
    assert_int_equal(stats.counters[SHIP_SHIPPED], GROUP - 1);
    assert_int_equal(*lasting, 0);
    assert_int_equal(ship_queue_settle(queue, GROUP), 0);
    ship_queue_sync(queue);
    assert_int_equal(*lasting, GROUP);

    /* It is made up for at the end, and at the start after a kill. */
    push(GROUP, 1);
    send_next(1, GROUP + 1);
    assert_int_equal(ship_queue_settle(queue, GROUP + 1), 0);
    assert_int_equal(stats.counters[SHIP_SHIPPED], GROUP + 1);
    ship_queue_destroy(queue);
    queue = NULL;
    assert_int_equal(*lasting, GROUP + 1);
    stats.counters[SHIP_SHIPPED]++;
    make_queue(0);
    ship_queue_sync(queue);
    assert_int_equal(*lasting, GROUP + 2);
}

static void
few_deletions_are_synced_when_it_is_time(void **state)
{
    (void) state;
    long long int deadline = time_msec() + 60000;

    ship_queue_sync(queue);
    push(1, 10);
    send_next(10, 1);
    assert_int_equal(ship_queue_settle(queue, 1), 0);
    assert_int_equal(stats.lasting[SHIP_SHIPPED], 0);
    while (!stats.lasting[SHIP_SHIPPED] && time_msec() < deadline) {
        ship_queue_wait_sync(queue);
        poll_block();
        ship_queue_sync(queue);
    }
    assert_int_equal(stats.lasting[SHIP_SHIPPED], 10);
}

static void
while_a_batch_is_in_hand_nobody_else_has_the_queue(void **state)
{
    (void) state;
    struct ship_batch *b;
    struct spool *other;
    int fd;

    assert_int_equal(spool_open(dir, &other), 0);
    push(5, 10);
    push(6, 20);
    assert_int_equal(spool_hold(other, &main_queue, &fd), 0);
    assert_int_equal(ship_queue_next(queue, &b), ENOENT);
    close(fd);

    send_next(10, 1000);
    assert_int_equal(spool_hold(other, &main_queue, &fd), EAGAIN);
    /* Who wants it asks for it: what is in hand goes, and nothing else. */
    stats_set(&stats.command.pause_until_ms, time_msec() + 5000);
    assert_int_equal(ship_queue_next(queue, &b), ENOENT);
    assert_int_equal(ship_queue_check(queue), ENOENT);
    assert_int_equal(spool_hold(other, &main_queue, &fd), EAGAIN);
    assert_int_equal(ship_queue_settle(queue, 1000), 0);
    assert_int_equal(spool_hold(other, &main_queue, &fd), 0);
    assert_int_equal(ship_queue_next(queue, &b), ENOENT);

    /* What is put back meanwhile goes first, however old. */
    push(2, 5);
    stats_add(&stats.command.n, 1);
    close(fd);
    stats_set(&stats.command.pause_until_ms, 0);
    send_next(5, 2000);
    send_next(20, 3000);

    /* A broken session has nothing in hand; nor has one that read poison. */
    ship_queue_rewind(queue);
    assert_int_equal(spool_hold(other, &main_queue, &fd), 0);
    close(fd);
    send_next(5, 1000);
    assert_int_equal(ship_queue_refuse(queue, 1000, "it is odd"), 0);
    stats_set(&stats.command.pause_until_ms, time_msec() + 5000);
    assert_int_equal(ship_queue_next(queue, &b), ENOENT);
    assert_int_equal(spool_hold(other, &main_queue, &fd), 0);
    close(fd);

    /* Nobody can stop it for long, by whatever is written there. */
    stats_set(&stats.command.pause_until_ms, UINT64_MAX);
    send_next(20, 1000);
    spool_close(other);
}

/* Takes the next batch once there is one. */
static void
send_next_in_time(uint32_t n_lines, uint64_t end)
{
    long long int deadline = time_msec() + 60000;
    struct ship_batch *b;
    int error;

    while ((error = ship_queue_next(queue, &b)) == ENOENT
           && time_msec() < deadline) {
        poll_timer_wait(20);
        poll_block();
    }
    assert_int_equal(error, 0);
    assert_int_equal(ship_batch_n_lines(b), n_lines);
    ship_queue_sent(queue, end);
}

/* As when the disk refuses a batch, and takes it at the second attempt. */
static void
a_batch_that_comes_late_is_sent_while_others_are_in_flight(void **state)
{
    (void) state;
    make_queue(3600000);
    push(1, 10);
    push(3, 30);
    send_next(10, 1);
    send_next(30, 2);
    push(2, 20);
    send_next_in_time(20, 3);
    push(4, 40);
    send_next_in_time(40, 4);
    /* Nothing went twice. */
    assert_int_equal(ship_queue_n_in_flight(queue), 4);
    assert_int_equal(n_waiting(), 4);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(NAME) cmocka_unit_test_setup_teardown(NAME, setup, teardown)
        TEST(a_batch_goes_once_its_last_byte_was_delivered),
        TEST(a_batch_is_held_after_delivery),
        TEST(a_broken_session_sends_all_that_is_in_flight_again),
        TEST(what_an_earlier_process_sent_counts_as_sent),
        TEST(what_comes_late_was_not_sent_before),
        TEST(a_kill_before_the_deletion_leaves_the_counters),
        TEST(a_kill_after_the_deletion_counts_the_batch_once),
        TEST(a_poison_batch_holds_up_nobody),
        TEST(one_that_can_not_even_be_set_aside_holds_up_nobody),
        TEST(the_number_in_flight_is_bounded),
        TEST(the_ledger_counts_what_no_power_cut_brings_back),
        TEST(few_deletions_are_synced_when_it_is_time),
        TEST(while_a_batch_is_in_hand_nobody_else_has_the_queue),
        TEST(a_batch_that_comes_late_is_sent_while_others_are_in_flight),
#undef TEST
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
