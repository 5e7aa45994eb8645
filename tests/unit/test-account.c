/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>

#include "unit.h"

#include <stdio.h>
#include <stdlib.h>

#include "s3-account.h"
#include "s5-claims.h"

struct fixture {
    struct intake_stats *stats;
    struct account *account;
    struct undo undo;
};

static int
set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);

    f->stats = calloc(1, sizeof *f->stats);
    f->account = account_create(f->stats, &f->undo);
    *state = f;
    return 0;
}

static int
tear_down(void **state)
{
    struct fixture *f = *state;

    account_destroy(f->account);
    free(f->stats);
    free(f);
    return 0;
}

/* As if the process had been killed and started again. */
static void
restart(struct fixture *f)
{
    account_destroy(f->account);
    f->account = account_create(f->stats, &f->undo);
}

/* Sends a packet of port 3 with this sequence; true if it was taken. */
static bool
take(struct fixture *f, uint32_t epoch, uint32_t number)
{
    struct record rec = {
        .meta = {
            .has = TUNNEL_HAS_META | TUNNEL_HAS_VM | TUNNEL_HAS_SEQUENCE,
            .vni = 7,
            .ofp_port = 3,
            .vm = { 1, 2, 3 },
            .seq_epoch = epoch,
            .seq_number = number,
        },
    };
    enum sluice_drop drop = account_find(f->account, &rec);

    account_commit(f->account, &rec, drop);
    return !drop;
}

static void
check(const struct fixture *f, uint64_t sent, uint64_t received,
      uint64_t before)
{
    const struct stats_source *s = &f->stats->sources[0];

    assert_int_equal(s->sent, sent);
    assert_int_equal(s->received, received);
    assert_int_equal(s->lost, sent - received);
    assert_int_equal(s->before, before);
    assert_int_equal(f->stats->sources[1].tenant, 0);
}

static void
a_stream_without_gaps_has_no_loss(void **state)
{
    struct fixture *f = *state;

    for (uint32_t i = 1; i <= 5000; i++) {
        assert_true(take(f, 1, i));
    }
    check(f, 5000, 5000, 0);
}

static void
a_gap_is_loss_until_the_late_packet_comes(void **state)
{
    struct fixture *f = *state;

    assert_true(take(f, 1, 1));
    assert_true(take(f, 1, 4));
    check(f, 4, 2, 0);
    assert_true(take(f, 1, 3));
    assert_true(take(f, 1, 2));
    check(f, 4, 4, 0);
}

static void
a_number_taken_twice_is_a_replay(void **state)
{
    struct fixture *f = *state;

    assert_true(take(f, 1, 1));
    assert_true(take(f, 1, 2));
    assert_false(take(f, 1, 1));
    assert_false(take(f, 1, 2));
    check(f, 2, 2, 0);
    assert_int_equal(f->stats->sources[0].replayed, 2);
}

static void
number_zero_which_no_switch_sends_is_refused(void **state)
{
    struct fixture *f = *state;

    assert_false(take(f, 1, 0));
    assert_true(take(f, 1, 1));
    assert_false(take(f, 2, 0));
    check(f, 1, 1, 0);
}

static void
a_number_older_than_the_window_is_a_replay(void **state)
{
    struct fixture *f = *state;

    assert_true(take(f, 1, 1));
    assert_true(take(f, 1, 2 + SEQUENCE_WINDOW));
    assert_false(take(f, 1, 2));
    assert_true(take(f, 1, 3));
}

static void
a_jump_clears_the_window(void **state)
{
    struct fixture *f = *state;

    for (uint32_t i = 1; i <= 100; i++) {
        assert_true(take(f, 1, i));
    }
    assert_true(take(f, 1, 10 * SEQUENCE_WINDOW));
    for (uint32_t i = 1; i < SEQUENCE_WINDOW; i++) {
        assert_true(take(f, 1, 10 * SEQUENCE_WINDOW - i));
    }
}

static void
a_source_first_heard_in_the_middle_has_lost_nothing_yet(void **state)
{
    struct fixture *f = *state;

    assert_true(take(f, 1, 1000));
    check(f, 1, 1, 999);
    assert_true(take(f, 1, 1001));
    check(f, 2, 2, 999);
    /* Sent before number 1000 and overtaken by it. */
    assert_true(take(f, 1, 999));
    check(f, 3, 3, 998);
}

static void
a_new_epoch_of_a_known_source_is_followed_from_its_first_number(void **state)
{
    struct fixture *f = *state;

    assert_true(take(f, 1, 1));
    assert_true(take(f, 1, 2));
    assert_true(take(f, 2, 3));
    check(f, 5, 3, 0);
    /* Packets of the old epoch may still come, and be replayed. */
    assert_true(take(f, 1, 3));
    check(f, 6, 4, 0);
    assert_false(take(f, 1, 2));
    assert_true(take(f, 2, 1));
    assert_true(take(f, 2, 2));
    check(f, 6, 6, 0);
}

static void
an_epoch_that_is_over_does_not_come_again(void **state)
{
    struct fixture *f = *state;
    uint32_t last = 3 + MAX_PAST_EPOCHS;

    /* The switch's clock may be set back in between. */
    for (uint32_t epoch = 1; epoch <= last; epoch++) {
        assert_true(take(f, epoch ^ 1, 1));
    }
    for (uint32_t epoch = 2; epoch <= last - 2; epoch++) {
        assert_false(take(f, epoch ^ 1, 1));
        assert_false(take(f, epoch ^ 1, 2));
    }
    check(f, last, last, 0);
    assert_true(take(f, last ^ 1, 2));
    assert_true(take(f, (last - 1) ^ 1, 2));
    check(f, last + 2, last + 2, 0);
}

static void
the_books_go_on_after_a_restart(void **state)
{
    struct fixture *f = *state;

    for (uint32_t i = 1; i <= 10; i++) {
        assert_true(take(f, 1, i));
    }
    restart(f);
    assert_true(take(f, 1, 11));
    assert_true(take(f, 1, 13));
    check(f, 13, 12, 0);
    assert_true(take(f, 1, 12));
    check(f, 13, 13, 0);
}

static void
what_came_before_a_restart_is_a_replay_after_it(void **state)
{
    struct fixture *f = *state;

    assert_true(take(f, 1, 1));
    assert_true(take(f, 1, 2));
    assert_true(take(f, 2, 1));
    assert_true(take(f, 2, 5));
    restart(f);
    assert_false(take(f, 2, 5));
    assert_false(take(f, 2, 1));
    assert_false(take(f, 1, 2));
    assert_true(take(f, 1, 3));
    assert_true(take(f, 2, 4));
    check(f, 8, 6, 0);
    assert_int_equal(f->stats->sources[0].replayed, 3);
}

static void
an_epoch_that_is_over_stays_so_after_a_restart(void **state)
{
    struct fixture *f = *state;

    for (uint32_t epoch = 1; epoch <= 4; epoch++) {
        assert_true(take(f, epoch, 1));
    }
    restart(f);
    assert_false(take(f, 1, 2));
    assert_false(take(f, 2, 2));
    assert_true(take(f, 3, 2));
    assert_true(take(f, 4, 2));
}

static void
a_source_without_vm_is_told_apart_by_mac(void **state)
{
    struct fixture *f = *state;

    for (uint8_t i = 1; i <= 3; i++) {
        struct record rec = {
            .meta = { .vni = 7 },
            .inner = { .src_mac = { 2, 0, 0, 0, 0, i } },
        };
        assert_int_equal(account_find(f->account, &rec), SLUICE_DROP_NONE);
        account_commit(f->account, &rec, SLUICE_DROP_NONE);
        assert_int_equal(f->stats->sources[i - 1].mac[5], i);
        assert_int_equal(f->stats->sources[i - 1].stock, 1);
    }
    restart(f);
    struct record rec = {
        .meta = { .vni = 7 },
        .inner = { .src_mac = { 2, 0, 0, 0, 0, 2 } },
    };
    account_find(f->account, &rec);
    account_commit(f->account, &rec, SLUICE_DROP_NONE);
    assert_int_equal(f->stats->sources[1].received, 2);
}

static void
sources_beyond_the_table_are_counted_and_go_on(void **state)
{
    struct fixture *f = *state;

    for (uint32_t i = 0; i < STATS_MAX_SOURCES + 5; i++) {
        struct record rec = {
            .meta = { .has = TUNNEL_HAS_VM, .vni = 7, .ofp_port = i + 1 },
        };
        assert_int_equal(account_find(f->account, &rec), SLUICE_DROP_NONE);
        assert_non_null(rec.source);
        account_commit(f->account, &rec, SLUICE_DROP_NONE);
    }
    assert_int_equal(f->stats->counters[INTAKE_SOURCES_OVERFLOW], 5);
}

static void
a_guest_that_changes_its_mac_leaves_room_for_other_tenants(void **state)
{
    struct fixture *f = *state;

    for (uint32_t i = 0; i < STATS_MAX_MAC_SOURCES + 5; i++) {
        struct record rec = { .meta = { .vni = 7 } };
        memcpy(rec.inner.src_mac, &i, sizeof i);
        if (i == STATS_MAX_MAC_SOURCES / 2) {
            restart(f);
        }
        assert_int_equal(account_find(f->account, &rec), SLUICE_DROP_NONE);
        account_commit(f->account, &rec, SLUICE_DROP_NONE);
    }
    assert_int_equal(f->stats->counters[INTAKE_SOURCES_OVERFLOW], 5);

    struct record rec = { .meta = { .vni = 8 } };
    assert_int_equal(account_find(f->account, &rec), SLUICE_DROP_NONE);
    account_commit(f->account, &rec, SLUICE_DROP_NONE);
    assert_int_equal(f->stats->counters[INTAKE_SOURCES_OVERFLOW], 5);
    assert_int_equal(f->stats->sources[STATS_MAX_MAC_SOURCES].tenant, 8);
}

/* What account_announce() said last, and to which source. */
struct heard {
    int n;
    struct gap gap;
    struct account *account;
    bool enter;                 /* Announced at once. */
};

static void
hear(struct source *source, const struct gap *gap, void *heard_)
{
    struct heard *heard = heard_;

    heard->n++;
    heard->gap = *gap;
    if (heard->enter) {
        account_announced(heard->account, source, gap->packets);
    }
}

static void
numbers_that_stay_missing_are_announced_once_in_one_record(void **state)
{
    struct fixture *f = *state;
    struct heard heard = { .account = f->account, .enter = true };

    take(f, 1, 1);
    take(f, 1, 4);
    take(f, 1, 6);
    account_announce(f->account, 1000, hear, &heard);
    assert_int_equal(heard.n, 0);
    account_announce(f->account, 1999, hear, &heard);
    assert_int_equal(heard.n, 0);
    account_announce(f->account, 2000, hear, &heard);
    assert_int_equal(heard.n, 1);
    assert_int_equal(heard.gap.reason, GAP_LOST);
    assert_int_equal(heard.gap.packets, 3);
    assert_int_equal(f->stats->sources[0].announced, 3);
    account_announce(f->account, 10000, hear, &heard);
    assert_int_equal(heard.n, 1);
}

static void
what_is_overtaken_is_not_announced(void **state)
{
    struct fixture *f = *state;
    struct heard heard = { .account = f->account, .enter = true };

    take(f, 1, 1);
    take(f, 1, 5);
    account_announce(f->account, 1000, hear, &heard);
    take(f, 1, 3);
    take(f, 1, 2);
    take(f, 1, 8);              /* Two more are missing now. */
    account_announce(f->account, 2000, hear, &heard);
    assert_int_equal(heard.n, 1);
    assert_int_equal(heard.gap.packets, 1);
    take(f, 1, 7);
    take(f, 1, 6);
    account_announce(f->account, 3000, hear, &heard);
    account_announce(f->account, 4000, hear, &heard);
    assert_int_equal(heard.n, 1);
    assert_int_equal(f->stats->sources[0].lost, 1);
}

static void
a_loss_that_could_not_be_announced_is_announced_later(void **state)
{
    struct fixture *f = *state;
    struct heard heard = { .enter = false };

    take(f, 1, 1);
    take(f, 1, 3);
    account_announce(f->account, 1000, hear, &heard);
    account_announce(f->account, 2000, hear, &heard);
    assert_int_equal(heard.n, 1);
    restart(f);
    heard.enter = true;
    heard.account = f->account;
    account_announce(f->account, 3000, hear, &heard);
    account_announce(f->account, 4000, hear, &heard);
    assert_int_equal(heard.n, 2);
    assert_int_equal(heard.gap.packets, 1);
}

/* Sends a line that the switch saw at 'switch_s' and that claims a host and a
 * time; returns the skew that it tells. */
static int64_t
claim(struct fixture *f, const char *host, int64_t switch_s, int64_t claimed_s)
{
    static uint32_t number;
    struct record rec = {
        .meta = {
            .has = TUNNEL_HAS_META | TUNNEL_HAS_VM | TUNNEL_HAS_SEQUENCE,
            .vni = 7,
            .ofp_port = 3,
            .vm = { 1, 2, 3 },
            .seq_epoch = 1,
            .seq_number = ++number,
        },
        .switch_ns = switch_s * UINT64_C(1000000000) + 500000000,
        .msg = {
            .has_time = claimed_s != 0,
            .has_zone = true,
            .time_ns = claimed_s * INT64_C(1000000000),
            .hostname = slice_from_string(host),
        },
    };

    assert_int_equal(account_find(f->account, &rec), SLUICE_DROP_NONE);
    claims_run(&rec, 2000);
    account_commit(f->account, &rec, SLUICE_DROP_NONE);
    return rec.clock_skew_ms;
}

static void
a_clock_that_is_off_is_told(void **state)
{
    struct fixture *f = *state;
    const struct stats_source *stats = &f->stats->sources[0];

    for (int i = 0; i < 4; i++) {
        assert_int_equal(claim(f, "", 1000 + i, 1060 + i), 0);
    }
    assert_int_equal(stats->clock_skew_known, 0);
    assert_int_equal(claim(f, "", 1004, 1064), 60000);
    assert_int_equal(stats->clock_skew_known, 1);
    assert_int_equal(stats->clock_skew_ms, 60000);
    /* A line without a time is of the same clock. */
    assert_int_equal(claim(f, "", 1005, 0), 60000);
    for (int i = 0; i < 100; i++) {
        claim(f, "", 2000 + i, 1990 + i);
    }
    assert_int_equal(stats->clock_skew_ms, -10000);
    assert_int_equal(claim(f, "", 2100, 2090), -10000);
    /* Set right. */
    for (int i = 0; i < 100; i++) {
        claim(f, "", 3000 + i, 3000 + i);
    }
    assert_int_equal(stats->clock_skew_ms, 0);
    assert_int_equal(claim(f, "", 3100, 3101), 0);
}

static void
a_host_that_is_not_the_name_is_counted(void **state)
{
    static const struct {
        const char *name, *host;
        bool differs;
    } cases[] = {
        { "web-1", "web-1", false }, { "web-1", "WEB-1", false },
        { "web-1", "web-1.example.com", false },
        { "web-1.example.com", "web-1", false }, { "web-1", "", false },
        { "", "web-1", false }, { "web-1", "web-10", true },
        { "web-10", "web-1", true }, { "web-1", "db", true },
        { "web-1", ".example.com", true }, { "web-1", "web-2.a", true },
    };
    struct fixture *f = *state;
    struct stats_source *stats = &f->stats->sources[0];

    claim(f, "", 1, 0);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        uint64_t before = stats->host_mismatches;

        snprintf(stats->vm_name, sizeof stats->vm_name, "%s", cases[i].name);
        claim(f, cases[i].host, 1, 0);
        assert_int_equal(stats->host_mismatches - before, cases[i].differs);
    }
}

int
main(void)
{
#define TEST(NAME) cmocka_unit_test_setup_teardown(NAME, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(a_stream_without_gaps_has_no_loss),
        TEST(a_gap_is_loss_until_the_late_packet_comes),
        TEST(a_number_taken_twice_is_a_replay),
        TEST(number_zero_which_no_switch_sends_is_refused),
        TEST(a_number_older_than_the_window_is_a_replay),
        TEST(a_jump_clears_the_window),
        TEST(a_source_first_heard_in_the_middle_has_lost_nothing_yet),
        TEST(a_new_epoch_of_a_known_source_is_followed_from_its_first_number),
        TEST(an_epoch_that_is_over_does_not_come_again),
        TEST(the_books_go_on_after_a_restart),
        TEST(what_came_before_a_restart_is_a_replay_after_it),
        TEST(an_epoch_that_is_over_stays_so_after_a_restart),
        TEST(numbers_that_stay_missing_are_announced_once_in_one_record),
        TEST(what_is_overtaken_is_not_announced),
        TEST(a_loss_that_could_not_be_announced_is_announced_later),
        TEST(a_source_without_vm_is_told_apart_by_mac),
        TEST(sources_beyond_the_table_are_counted_and_go_on),
        TEST(a_clock_that_is_off_is_told),
        TEST(a_host_that_is_not_the_name_is_counted),
        TEST(a_guest_that_changes_its_mac_leaves_room_for_other_tenants),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
