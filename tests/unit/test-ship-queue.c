/* SPDX-License-Identifier: Apache-2.0 */
#include "sluice-config.h"
#include "unit.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "batch.h"
#include "remove-tree.h"
#include "ship-queue.h"

enum { TENANT = 7 };

static char dir[64];
static struct spool *spool;
static struct seal_key *key;
static struct sealer *sealer;
static struct ship_stats stats;
static struct ship_queue *queue;

static void
make_queue(uint32_t hold_ms)
{
    ship_queue_destroy(queue);
    queue = ship_queue_create(spool, TENANT, key, "sluice@32473", hold_ms,
                              &stats);
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
    assert_int_equal(spool_push(spool, TENANT, 1, number, file), 0);
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

    assert_int_equal(spool_totals(spool, TENANT, &totals), 0);
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

    assert_int_equal(spool_push(spool, TENANT, 1, 1,
                                slice_from_string("poison")), 0);
    push(2, 20);
    assert_int_equal(ship_queue_next(queue, &b), EAGAIN);
    send_next(20, 1000);
    assert_int_equal(ship_queue_settle(queue, 1000), 0);
    assert_int_equal(spool_totals(spool, TENANT, &totals), 0);
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

    assert_int_equal(spool_push(spool, TENANT, 1, 1,
                                slice_from_string("poison")), 0);
    push(2, 20);
    snprintf(path, sizeof path, "%s/7/quarantine", dir);
    assert_int_equal(symlink("/nonexistent", path), 0);
    assert_int_equal(ship_queue_next(queue, &b), ENOTDIR);
    assert_int_equal(stats.journal.leaving, 0);
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

int
main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(NAME) cmocka_unit_test_setup_teardown(NAME, setup, teardown)
        TEST(a_batch_goes_once_its_last_byte_was_delivered),
        TEST(a_batch_is_held_after_delivery),
        TEST(a_broken_session_sends_all_that_is_in_flight_again),
        TEST(what_an_earlier_process_sent_counts_as_sent),
        TEST(a_kill_before_the_deletion_leaves_the_counters),
        TEST(a_kill_after_the_deletion_counts_the_batch_once),
        TEST(a_poison_batch_holds_up_nobody),
        TEST(one_that_can_not_even_be_set_aside_holds_up_nobody),
        TEST(the_number_in_flight_is_bounded),
#undef TEST
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
