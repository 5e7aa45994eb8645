/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include "chain-head.h"
#include "chain.h"

#include <stdio.h>

enum { TENANT = 7 };

/* Batches as a writer makes them, all but the bodies. */
struct sent {
    struct seal_header header;
    uint8_t digest[SEAL_DIGEST_SIZE];
};

struct writer {
    struct chain_head head;
    uint32_t generation;
    uint64_t origin;
    unsigned int n_sealed;      /* Makes each digest another one. */
};

/* Seals batch 'number' with 'flags' as 'w' does. */
static struct sent
write_batch(struct writer *w, uint64_t number, uint32_t flags)
{
    uint8_t file[SEAL_HEADER_SIZE + SEAL_TAG_SIZE] = { 0 };
    struct sent sent = {
        .header = {
            .tenant = TENANT,
            .stream = w->generation * 1000 + w->origin,
            .number = number,
            .generation = w->generation,
            .origin = w->origin,
            .flags = flags & SEAL_F_END,
        },
    };

    if (flags & SEAL_F_RECOVERED) {
        chain_head_recover(&sent.header);
    } else {
        chain_head_link(&w->head, &sent.header);
    }
    file[0] = ++w->n_sealed;
    file[1] = w->n_sealed >> 8;
    file[2] = w->generation;
    file[3] = w->origin;
    struct slice s = slice_of(file, sizeof file);
    chain_head_advance(&w->head, &sent.header, s);
    seal_digest(s, sent.digest);
    return sent;
}

static enum chain_verdict
receive(struct chain *chain, const struct sent *sent)
{
    struct chain_finding f = chain_check(chain, &sent->header, sent->digest);

    if (chain_verdict_deed(f.verdict) == CHAIN_STORE) {
        unsigned int i = chain_accept(chain, &sent->header, sent->digest);
        assert_true(chain_stream_is_valid(&chain->streams[i]));
    }
    return f.verdict;
}

static struct chain chain;
static struct writer writer;

static int
set_up(void **state)
{
    (void) state;
    chain_init(&chain, TENANT);
    writer = (struct writer) { .generation = 5, .origin = 0x77 };
    return 0;
}

static void
batches_in_order_are_next_and_again_duplicates(void **state)
{
    struct sent sent[200];

    (void) state;
    for (int i = 0; i < 200; i++) {
        sent[i] = write_batch(&writer, i, i == 199 ? SEAL_F_END : 0);
        assert_int_equal(receive(&chain, &sent[i]), CHAIN_NEXT);
    }
    for (int i = 0; i < 200; i++) {
        assert_int_equal(receive(&chain, &sent[i]),
                         i < 200 - CHAIN_WINDOW ? CHAIN_REPLAY
                         : CHAIN_DUPLICATE);
    }
}

static void
a_cut_is_named_and_what_was_cut_out_is_a_swap(void **state)
{
    struct sent sent[10];
    struct chain_finding f;
    char text[128];

    (void) state;
    for (int i = 0; i < 10; i++) {
        sent[i] = write_batch(&writer, i, 0);
    }
    assert_int_equal(receive(&chain, &sent[0]), CHAIN_NEXT);
    f = chain_check(&chain, &sent[6].header, sent[6].digest);
    chain_describe(&f, text, sizeof text);
    assert_string_equal(text, "batches 1 to 5 of stream 00000000000013ff are "
                        "missing before it");
    assert_int_equal(receive(&chain, &sent[6]), CHAIN_CUT);
    assert_int_equal(receive(&chain, &sent[7]), CHAIN_NEXT);
    f = chain_check(&chain, &sent[9].header, sent[9].digest);
    chain_describe(&f, text, sizeof text);
    assert_string_equal(text, "batch 8 of stream 00000000000013ff is missing "
                        "before it");

    /* Out of the middle, so that two holes are left, and then the rest. */
    static const int late[] = { 3, 1, 5, 2, 4 };
    for (int i = 0; i < 5; i++) {
        assert_int_equal(receive(&chain, &sent[late[i]]), CHAIN_SWAP);
        assert_int_equal(receive(&chain, &sent[late[i]]), CHAIN_DUPLICATE);
    }
    assert_int_equal(receive(&chain, &sent[8]), CHAIN_NEXT);
}

static void
a_stream_that_begins_in_its_middle_is_cut(void **state)
{
    (void) state;
    write_batch(&writer, 0, 0);
    struct sent second = write_batch(&writer, 1, 0);
    assert_int_equal(receive(&chain, &second), CHAIN_CUT);

    /* But one whose recipient came late is not. */
    writer = (struct writer) { .generation = 6, .origin = 0x78 };
    struct sent first = write_batch(&writer, 41, 0);
    assert_int_equal(receive(&chain, &first), CHAIN_NEXT);
}

static void
another_batch_under_the_same_number_is_a_roll_back(void **state)
{
    (void) state;
    struct sent first = write_batch(&writer, 0, 0);
    struct sent second = write_batch(&writer, 1, 0);
    assert_int_equal(receive(&chain, &first), CHAIN_NEXT);
    assert_int_equal(receive(&chain, &second), CHAIN_NEXT);

    struct writer again = { .generation = 5, .origin = 0x77, .n_sealed = 50 };
    struct sent other = write_batch(&again, 0, 0);
    assert_int_equal(receive(&chain, &other), CHAIN_ROLL_BACK);
    other = write_batch(&again, 1, 0);
    assert_int_equal(receive(&chain, &other), CHAIN_ROLL_BACK);
    /* And what hangs on it does not fit. */
    other = write_batch(&again, 2, 0);
    assert_int_equal(receive(&chain, &other), CHAIN_SPLICE);
}

static void
a_run_that_came_before_is_an_old_run(void **state)
{
    (void) state;
    struct sent sent = write_batch(&writer, 0, SEAL_F_END);
    assert_int_equal(receive(&chain, &sent), CHAIN_NEXT);

    struct writer old = { .generation = 4, .origin = 0x77 };
    sent = write_batch(&old, 0, 0);
    assert_int_equal(receive(&chain, &sent), CHAIN_OLD_RUN);

    struct writer twin = { .generation = 5, .origin = 0x77 };
    sent = write_batch(&twin, 0, 0);
    sent.header.stream = 99;
    assert_int_equal(receive(&chain, &sent), CHAIN_OLD_RUN);
    sent = write_batch(&twin, 1, 0);
    sent.header.generation = 9;
    assert_int_equal(receive(&chain, &sent), CHAIN_OTHER_RUN);

    /* Another proxy counts for itself. */
    struct writer proxy = { .generation = 1, .origin = 0x88 };
    sent = write_batch(&proxy, 0, 0);
    assert_int_equal(receive(&chain, &sent), CHAIN_NEXT);
}

static void
a_stream_without_end_is_told_by_the_next(void **state)
{
    (void) state;
    struct sent sent = write_batch(&writer, 0, 0);
    assert_int_equal(receive(&chain, &sent), CHAIN_NEXT);
    struct writer next = { .generation = 6, .origin = 0x77 };
    sent = write_batch(&next, 0, SEAL_F_END);
    assert_int_equal(receive(&chain, &sent), CHAIN_NO_END);
    sent = write_batch(&next, 1, 0);
    assert_int_equal(receive(&chain, &sent), CHAIN_AFTER_END);
    struct writer third = { .generation = 7, .origin = 0x77 };
    sent = write_batch(&third, 0, 0);
    assert_int_equal(receive(&chain, &sent), CHAIN_NEXT);
}

static void
a_kill_is_no_cut(void **state)
{
    (void) state;
    struct sent sent = write_batch(&writer, 0, 0);
    assert_int_equal(receive(&chain, &sent), CHAIN_NEXT);
    struct sent second = write_batch(&writer, 1, 0);
    assert_int_equal(receive(&chain, &second), CHAIN_NEXT);

    /* The next process does not know that 1 got through... */
    sent = write_batch(&writer, 1, SEAL_F_RECOVERED);
    assert_int_equal(receive(&chain, &sent), CHAIN_DUPLICATE);
    sent = write_batch(&writer, 2, SEAL_F_RECOVERED);
    assert_int_equal(receive(&chain, &sent), CHAIN_NEXT);
    /* ...and begins a stream of its own. */
    struct writer next = { .generation = 6, .origin = 0x77 };
    sent = write_batch(&next, 0, 0);
    assert_int_equal(receive(&chain, &sent), CHAIN_NEXT);
    /* One more of the old one was refused by the spool until now. */
    sent = write_batch(&writer, 3, SEAL_F_RECOVERED);
    assert_int_equal(receive(&chain, &sent), CHAIN_NEXT);
}

static void
a_batch_that_the_spool_refused_for_a_while_is_recovered(void **state)
{
    (void) state;
    struct sent sent = write_batch(&writer, 0, 0);
    assert_int_equal(receive(&chain, &sent), CHAIN_NEXT);

    /* 1 failed before it was sealed: the link from 2 passes it over. */
    struct sent two = write_batch(&writer, 2, 0);
    assert_int_equal(receive(&chain, &two), CHAIN_NEXT);
    sent = write_batch(&writer, 1, 0);
    assert_true(sent.header.flags & SEAL_F_RECOVERED);
    assert_int_equal(receive(&chain, &sent), CHAIN_RECOVERED);

    /* 3 failed after that: 4 hangs on what nobody ever saw, but the recovered
     * 3 stands between. */
    write_batch(&writer, 3, 0);
    struct sent four = write_batch(&writer, 4, 0);
    sent = write_batch(&writer, 3, 0);
    assert_true(sent.header.flags & SEAL_F_RECOVERED);
    assert_int_equal(receive(&chain, &sent), CHAIN_NEXT);
    assert_int_equal(receive(&chain, &four), CHAIN_NEXT);
    sent = write_batch(&writer, 5, 0);
    assert_int_equal(receive(&chain, &sent), CHAIN_NEXT);
}

static void
another_tenants_batch_is_foreign(void **state)
{
    (void) state;
    struct sent sent = write_batch(&writer, 0, 0);
    sent.header.tenant = TENANT + 1;
    assert_int_equal(receive(&chain, &sent), CHAIN_FOREIGN);
}

static void
forgotten_streams_do_not_come_back(void **state)
{
    struct sent first[CHAIN_STREAMS + 10];

    (void) state;
    for (int i = 0; i < CHAIN_STREAMS + 10; i++) {
        struct writer w = { .generation = 10 + i, .origin = 0x77 };
        first[i] = write_batch(&w, 0, SEAL_F_END);
        assert_int_equal(receive(&chain, &first[i]), CHAIN_NEXT);
    }
    for (int i = 0; i < CHAIN_STREAMS + 10; i++) {
        assert_int_equal(receive(&chain, &first[i]),
                         i < 10 ? CHAIN_REPLAY : CHAIN_DUPLICATE);
    }
}

/* Whatever comes, in whatever order, nothing is taken twice, and nothing is
 * skipped or confirmed that was not taken. */
static void
nothing_is_taken_twice_or_skipped_unseen(void **state)
{
    enum { N = 400 };
    static struct sent sent[N];
    static bool taken[N];
    uint32_t random = 1;

    (void) state;
    for (int i = 0; i < N; i++) {
        sent[i] = write_batch(&writer, i, 0);
    }
    for (int i = 0, at = 0; i < 200000; i++) {
        random = random * 1664525 + 1013904223;
        int which = at + (int) (random >> 16) % 40 - 30;
        if (random >> 28 == 0 && at < N) {
            at++;
        }
        if (which < 0 || which >= N) {
            continue;
        }
        switch (chain_verdict_deed(receive(&chain, &sent[which]))) {
        case CHAIN_STORE:
            assert_false(taken[which]);
            taken[which] = true;
            break;
        case CHAIN_SKIP:
            assert_true(taken[which]);
            break;
        case CHAIN_REFUSE:
            break;
        }
    }
}

static void
verdicts_have_names_and_words(void **state)
{
    char text[256];

    (void) state;
    for (int i = 0; i < N_CHAIN_VERDICTS; i++) {
        struct chain_finding f = { .verdict = i };

        assert_non_null(chain_verdict_name(i));
        chain_describe(&f, text, sizeof text);
        assert_true(strlen(text) > 10 && strlen(text) < sizeof text - 1);
        /* What is not stored is told. */
        assert_true(chain_verdict_deed(i) != CHAIN_REFUSE
                    || !chain_verdict_is_fine(i));
        for (int j = 0; j < i; j++) {
            assert_string_not_equal(chain_verdict_name(i),
                                    chain_verdict_name(j));
        }
    }
}

static void
a_damaged_stream_is_not_valid(void **state)
{
    (void) state;
    for (uint64_t i = 0; i < 9; i += 2) {
        struct sent sent = write_batch(&writer, i, 0);
        receive(&chain, &sent);
    }
    struct chain_stream s = chain.streams[0];
    assert_int_equal(s.n_holes, 4);
    assert_true(chain_stream_is_valid(&s));
    s.n_holes = CHAIN_HOLES + 1;
    assert_false(chain_stream_is_valid(&s));
    s.n_holes = 4;
    s.holes[2].end = 1000;
    assert_false(chain_stream_is_valid(&s));
    s = chain.streams[0];
    s.flags = 0x80;
    assert_false(chain_stream_is_valid(&s));
}

int
main(void)
{
#define TEST(NAME) cmocka_unit_test_setup(NAME, set_up)
    const struct CMUnitTest tests[] = {
        TEST(batches_in_order_are_next_and_again_duplicates),
        TEST(a_cut_is_named_and_what_was_cut_out_is_a_swap),
        TEST(a_stream_that_begins_in_its_middle_is_cut),
        TEST(another_batch_under_the_same_number_is_a_roll_back),
        TEST(a_run_that_came_before_is_an_old_run),
        TEST(a_stream_without_end_is_told_by_the_next),
        TEST(a_kill_is_no_cut),
        TEST(a_batch_that_the_spool_refused_for_a_while_is_recovered),
        TEST(another_tenants_batch_is_foreign),
        TEST(forgotten_streams_do_not_come_back),
        TEST(nothing_is_taken_twice_or_skipped_unseen),
        TEST(verdicts_have_names_and_words),
        TEST(a_damaged_stream_is_not_valid),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
