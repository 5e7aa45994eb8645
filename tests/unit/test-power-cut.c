/* SPDX-License-Identifier: Apache-2.0
 *
 * The spool, and what a power cut, a kill and a failing disk leave of it, on a
 * file system in memory (model-fs.h):
 *
 * - what was acknowledged as durable is there, whole, in each of its queues;
 * - what was deleted, or set aside, does not come back;
 * - no batch is ever seen in part;
 * - the start is never refused, and no generation comes twice.
 *
 * In: SLUICE_POWER_CUTS, how many outcomes to look at (2000); SLUICE_SEED.
 * Out: TAP of cmocka, the seed. */
#include "sluice-config.h"
#include "unit.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "model-fs.h"
#include "spool-admin.h"

enum {
    N_QUEUES = 3,
    MAX_BATCHES = 400,
    MAX_SIZE = 3000,
    N_OUTCOMES = 10,            /* Of a cut, that are looked at. */
    N_LIVES = 4,                /* Cuts of one history. */
};

static const struct spool_queue queues[N_QUEUES] = {
    { 7, "main" }, { 7, "archive" }, { 8, "main" },
};

/* What must be true of a batch in a queue. */
enum place {
    ABSENT,                     /* It never was there, or left for good. */
    MAYBE,                      /* It was tried to put it there, or delete. */
    ACKED,                      /* Deleted, but not synced. */
    HERE,
    ASIDE_MAYBE,                /* Here or in quarantine, and in one of them. */
    ASIDE,
    ASIDE_OR_GONE,              /* It was tried to delete it there. */
};

struct batch {
    uint32_t generation;
    uint64_t number;
    unsigned int first, n;      /* Its queues. */
    size_t size;
    uint8_t seed;
    enum place places[N_QUEUES];
};

static struct batch batches[MAX_BATCHES];
static size_t n_batches;
static uint32_t generation;     /* Of this life. */
static uint32_t used;           /* The latest that batches have. */
static uint64_t seed;

static struct slice
content_of(const struct batch *b)
{
    static uint8_t bytes[MAX_SIZE];

    for (size_t i = 0; i < b->size; i++) {
        bytes[i] = b->seed + i * 7 + 1;
    }
    return slice_of(bytes, b->size);
}

static struct batch *
find_batch(const struct spool_item *item)
{
    for (size_t i = 0; i < n_batches; i++) {
        if (batches[i].generation == item->generation
            && batches[i].number == item->number) {
            return &batches[i];
        }
    }
    fail_msg("seed %"PRIu64": a batch that nobody made", seed);
    return NULL;
}

static char *
path_of(const struct batch *b, int queue, bool aside)
{
    static char path[200];

    snprintf(path, sizeof path,
             "spool/%"PRIu32"/%s/%s%010"PRIu32"-%020"PRIu64".batch",
             queues[queue].tenant, queues[queue].name,
             aside ? "quarantine/" : "", b->generation, b->number);
    return path;
}

/* Checks that a batch of 'item' is whole. */
static void
check_content(struct spool *s, const struct spool_item *item)
{
    struct slice wanted = content_of(find_batch(item));
    uint8_t *data;
    size_t size;

    assert_int_equal(spool_read(s, item, &data, &size), 0);
    if (!slice_equal(slice_of(data, size), wanted)) {
        fail_msg("seed %"PRIu64": batch %s is not whole", seed, item->name);
    }
    free(data);
}

/* Checks where 'b' is in a queue, and takes for given what is found. */
static void
check_place(struct spool *s, struct batch *b, int queue)
{
    bool here = model_exists(path_of(b, queue, false));
    bool aside = model_exists(path_of(b, queue, true));
    enum place place = b->places[queue];
    struct spool_item item;

    if ((place == HERE && !here) || (place == ASIDE && !aside)
        || (place == ASIDE_MAYBE && !here && !aside)) {
        fail_msg("seed %"PRIu64": %s is lost", seed, path_of(b, queue, false));
    }
    if ((here && (place == ABSENT || place >= ASIDE))
        || (aside && place < ASIDE_MAYBE)) {
        fail_msg("seed %"PRIu64": %s came back", seed,
                 path_of(b, queue, false));
    }
    if (here) {
        assert_int_equal(spool_find(s, &queues[queue], b->generation,
                                    b->number, &item), 0);
        check_content(s, &item);
    }
    b->places[queue] = (here && aside ? ASIDE_MAYBE : here ? HERE
                        : aside ? ASIDE : ABSENT);
}

/* Checks all that must be true after a cut or a kill.  Returns the spool. */
static struct spool *
check_start(void)
{
    struct spool_item item;
    struct spool *s;

    assert_int_equal(spool_open_io("spool", &model_io, &s), 0);
    int error = spool_next_generation(s, &generation);
    if (error || generation <= used) {
        fail_msg("seed %"PRIu64": generation %"PRIu32" after %"PRIu32", %s",
                 seed, generation, used, strerror(error));
    }
    for (size_t i = 0; i < n_batches; i++) {
        for (int q = 0; q < N_QUEUES; q++) {
            check_place(s, &batches[i], q);
        }
    }
    for (int q = 0; q < N_QUEUES; q++) {
        for (error = spool_next(s, &queues[q], NULL, &item); !error;
             error = spool_next(s, &queues[q], &item, &item)) {
            check_content(s, &item);
        }
        assert_int_equal(error, ENOENT);
    }
    return s;
}

/* What intake does: pushes a group. */
static void
push_group(struct spool *s)
{
    struct spool_result results[SPOOL_MAX_PENDING];
    struct batch *begun[SPOOL_MAX_PENDING];
    unsigned int n = 1 + model_random(5), n_begun = 0;

    for (unsigned int i = 0; i < n && n_batches < MAX_BATCHES; i++) {
        struct batch *b = &batches[n_batches];
        *b = (struct batch) {
            .generation = generation,
            .number = n_batches,
            .first = model_random(N_QUEUES),
            .n = 1,
            .size = model_random(MAX_SIZE),
            .seed = model_random(256),
        };
        if (b->first == 0) {
            b->n = 1 + model_random(2);
        }
        n_batches++;
        if (!spool_begin(s, &queues[b->first], b->n, b->generation, b->number,
                         content_of(b))) {
            begun[n_begun++] = b;
            used = generation;
            for (unsigned int q = 0; q < b->n; q++) {
                b->places[b->first + q] = MAYBE;
            }
        }
    }
    spool_commit(s, results);
    for (unsigned int i = 0; i < n_begun; i++) {
        for (unsigned int q = 0; q < begun[i]->n; q++) {
            if (results[i].done & 1u << q) {
                begun[i]->places[begun[i]->first + q] = HERE;
            }
        }
        if (!results[i].error) {
            assert_int_equal(results[i].done, (1u << begun[i]->n) - 1);
        }
    }
}

/* What a new intake does with the batches that the one before left open. */
static void
push_again(struct spool *s)
{
    for (size_t i = n_batches < 5 ? 0 : n_batches - 5; i < n_batches; i++) {
        struct batch *b = &batches[i];
        enum place *places = &b->places[b->first];
        bool is_open = ((places[0] == MAYBE
                         || (b->n == 2 && places[1] == MAYBE))
                        && places[0] != ASIDE_OR_GONE
                        && (b->n == 1 || places[1] != ASIDE_OR_GONE));
        for (unsigned int q = 0; is_open && q < b->n; q++) {
            /* What was shipped already comes twice then. */
            places[q] = (places[q] == ABSENT || places[q] == ACKED
                         ? MAYBE : places[q] == ASIDE ? ASIDE_MAYBE
                         : places[q]);
        }
        if (is_open && !spool_push(s, &queues[b->first], b->n, b->generation,
                                   b->number, content_of(b))) {
            for (unsigned int q = 0; q < b->n; q++) {
                places[q] = HERE;
            }
        }
    }
}

/* What a shipper does first.  Returns true if it could. */
static bool
repair(struct spool *s, int queue)
{
    if (spool_repair(s, &queues[queue])) {
        return false;
    }
    for (size_t i = 0; i < n_batches; i++) {
        if (batches[i].places[queue] == ASIDE_MAYBE
            && model_exists(path_of(&batches[i], queue, false))) {
            batches[i].places[queue] = HERE;
        }
    }
    return true;
}

/* And then: takes some batches out. */
static void
ship(struct spool *s, int queue)
{
    struct spool_item item;
    int error = spool_next(s, &queues[queue], NULL, &item);

    for (int i = model_random(4); !error && i; i--) {
        struct spool_item at = item;
        enum place *place = &find_batch(&item)->places[queue];
        if (!model_random(6)) {
            *place = ASIDE_MAYBE;
            if (!spool_quarantine(s, &item, "no reason")) {
                *place = ASIDE;
            }
        } else {
            *place = MAYBE;
            if (!spool_ack(s, &item)) {
                assert_false(model_exists(path_of(find_batch(&item), queue,
                                                  false)));
                *place = ACKED;
            }
        }
        error = *place == ASIDE_MAYBE
                ? EIO : spool_next(s, &queues[queue], &at, &item);
    }
    if (!model_random(3) && !spool_sync_acks(s, &queues[queue])) {
        for (size_t i = 0; i < n_batches; i++) {
            enum place *place = &batches[i].places[queue];
            *place = *place == ACKED ? ABSENT : *place;
        }
    }
}

/* What an operator does: puts a batch from quarantine back, or deletes one. */
static void
operate(struct spool *s, int queue)
{
    size_t i = n_batches ? model_random(n_batches) : 0;
    struct spool_item item;

    if (i >= n_batches || batches[i].places[queue] < HERE
        || spool_find_anywhere(s, &queues[queue], batches[i].generation,
                               batches[i].number, &item)) {
        return;
    }
    enum place *place = &batches[i].places[queue];
    if (*place == ASIDE && model_random(2)) {
        assert_true(item.is_quarantined);
        *place = ASIDE_MAYBE;
        if (!spool_put_back(s, &item)) {
            *place = HERE;
        }
    } else if (*place == ASIDE || *place == HERE) {
        *place = *place == ASIDE ? ASIDE_OR_GONE : MAYBE;
        *place = spool_delete(s, &item) ? *place : ABSENT;
    }
}

/* Has intake and shippers work, some of them dying, until the power goes. */
static void
work(struct spool *s, uint64_t n_calls)
{
    struct spool *shipper;
    uint64_t end = model_n_calls() + n_calls;

    model_cut_at(n_calls);
    if (spool_open_io("spool", &model_io, &shipper)) {
        spool_close(s);
        return;
    }
    spool_keep_open(shipper, &queues[model_random(N_QUEUES)]);
    for (int q = 0; q < N_QUEUES; q++) {
        if (!repair(shipper, q)) {
            /* It is started again, in another life. */
            spool_close(shipper);
            shipper = NULL;
            break;
        }
    }
    while (model_n_calls() < end && n_batches < MAX_BATCHES) {
        push_group(s);
        if (shipper) {
            ship(shipper, model_random(N_QUEUES));
            if (!model_random(3)) {
                operate(shipper, model_random(N_QUEUES));
            }
        }
        if (!model_random(20)) {
            /* It dies before it knows how its commit ended. */
            spool_close(s);
            s = NULL;
            if (spool_open_io("spool", &model_io, &s)) {
                break;
            }
            if (spool_next_generation(s, &generation)) {
                break;
            }
            push_again(s);
        }
    }
    spool_close(s);
    spool_close(shipper);
}

static void
a_power_cut_loses_nothing_that_was_acknowledged(void **state)
{
    static struct batch kept[MAX_BATCHES];
    const char *text = getenv("SLUICE_POWER_CUTS");
    uint64_t n_cuts = text ? strtoull(text, NULL, 10) : 2000;
    uint64_t first = (text = getenv("SLUICE_SEED"))
                     ? strtoull(text, NULL, 10) : (uint64_t) time(NULL);

    (void) state;
    print_message("# SLUICE_SEED=%"PRIu64"\n", first);
    seed = first;
    for (uint64_t n = 0; n < n_cuts; seed++) {
        model_init(seed);
        n_batches = 0;
        used = 0;
        for (int life = 0; life < N_LIVES; life++) {
            struct spool *s = check_start();
            work(s, 1 + model_random(400));
            model_save();
            memcpy(kept, batches, sizeof kept);
            for (int i = 0; i < N_OUTCOMES; i++, n++) {
                model_restore();
                memcpy(batches, kept, sizeof kept);
                model_power_cut(i == 0 ? 0 : i == 1 ? 100
                                : 10 + model_random(80));
                if (i + 1 < N_OUTCOMES) {
                    spool_close(check_start());
                }
            }
        }
        model_uninit();
    }
    print_message("# %"PRIu64" outcomes looked at\n", n_cuts);
}

/* One of each kind of call.  Returns how many failed. */
static int
do_everything(struct spool *s, bool again)
{
    struct spool_queue *found = NULL;
    struct spool_totals totals;
    struct spool_item item;
    size_t n_found = 0, size;
    uint8_t *data;
    int n_failed = 0;

    if (!again) {
        n_failed += spool_next_generation(s, &generation) != 0;
        push_group(s);
        push_group(s);
    } else {
        push_again(s);
    }
    for (int q = 0; q < N_QUEUES; q++) {
        int error = spool_next(s, &queues[q], NULL, &item);
        if (!error) {
            error = spool_read(s, &item, &data, &size);
            if (!error) {
                assert_true(slice_equal(slice_of(data, size),
                                        content_of(find_batch(&item))));
                free(data);
            }
        }
        n_failed += error && error != ENOENT;
        n_failed += !repair(s, q);
        n_failed += spool_totals(s, &queues[q], &totals) != 0;
        ship(s, q);
        for (int i = 0; i < 4; i++) {
            operate(s, q);
        }
    }
    n_failed += spool_queues(s, &found, &n_found) != 0;
    free(found);
    return n_failed;
}

static void
any_call_may_fail_by_any_error(void **state)
{
    static const int errors[] = { EIO, ENOSPC, EROFS, EMFILE, EDQUOT };

    (void) state;
    for (size_t e = 0; e < sizeof errors / sizeof *errors; e++) {
        bool was_reached = true;
        for (uint64_t n = 1; was_reached; n++) {
            struct spool *s;

            seed = n;
            model_init(7);
            n_batches = 0;
            used = generation = 0;
            assert_int_equal(spool_open_io("spool", &model_io, &s), 0);
            uint64_t before = model_n_calls();
            model_fail_at(n, errors[e]);
            do_everything(s, false);
            was_reached = model_n_calls() - before >= n;
            model_fail_at(0, 0);

            /* The disk works again. */
            assert_int_equal(do_everything(s, true), 0);
            spool_close(s);
            assert_int_equal(model_kill(), 0);
            model_power_cut(0);
            spool_close(check_start());
            model_uninit();
        }
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_call_may_fail_by_any_error),
        cmocka_unit_test(a_power_cut_loses_nothing_that_was_acknowledged),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
