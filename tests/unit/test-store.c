/* SPDX-License-Identifier: Apache-2.0 */
#include "sluice-config.h"      /* For nftw(). */
#include <config.h>

#include "unit.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "open-batch.h"
#include "remove-tree.h"
#include "s3-account.h"
#include "s7-store.h"
#include "seal.h"
#include "spool.h"
#include "timeval.h"

enum { MAX_BYTES = 4096 };

struct fixture {
    char dir[64];
    char open_dir[80], spool[80], public_key[80], tenant_7[80];
    struct intake_stats *stats;
    struct store_options options;
    struct store *store;
};

static int
set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    char secret_key[80];

    snprintf(f->dir, sizeof f->dir, "/tmp/sluice-test-store.XXXXXX");
    assert_non_null(mkdtemp(f->dir));
    snprintf(f->open_dir, sizeof f->open_dir, "%s/open", f->dir);
    snprintf(f->spool, sizeof f->spool, "%s/spool", f->dir);
    snprintf(f->public_key, sizeof f->public_key, "%s/key.pub", f->dir);
    snprintf(f->tenant_7, sizeof f->tenant_7, "%s/spool/7", f->dir);
    snprintf(secret_key, sizeof secret_key, "%s/key", f->dir);
    assert_int_equal(mkdir(f->open_dir, 0700), 0);
    assert_int_equal(mkdir(f->spool, 0700), 0);
    assert_int_equal(seal_key_generate(secret_key, f->public_key), 0);
    f->stats = calloc(1, sizeof *f->stats);
    f->options = (struct store_options) {
        .open_dir = f->open_dir,
        .spool = f->spool,
        .public_key = f->public_key,
        .max_bytes = MAX_BYTES,
        .stats = f->stats,
    };
    *state = f;
    return 0;
}

static int
tear_down(void **state)
{
    struct fixture *f = *state;

    store_destroy(f->store);
    free(f->stats);
    assert_int_equal(remove_tree(f->dir), 0);
    free(f);
    return 0;
}

static void
start(struct fixture *f)
{
    bool committed;

    assert_null(store_create(&f->options, &f->store));
    assert_null(store_recover(f->store, NULL, &committed));
}

/* Leaves a batch of 'tenant' with a body of 'size' bytes, as a process that
 * was killed does. */
static void
leave_batch(const struct fixture *f, uint32_t tenant, size_t size)
{
    const struct open_batch_info info = { .tenant = tenant, .stream = 1 };
    struct open_batch *batch;
    size_t room;

    assert_int_equal(open_batch_create(f->open_dir, &info, size, &batch), 0);
    memset(open_batch_tail(batch, &room), 'x', size);
    open_batch_commit(batch, size, 1);
    open_batch_close(batch, false);
}

static enum sluice_drop
store_line(struct fixture *f, uint32_t tenant)
{
    struct stats_source stats = { .tenant = tenant };
    struct source source = { .stats = &stats };
    struct record rec = {
        .meta = { .vni = tenant, .has = TUNNEL_HAS_META },
        .source = &source,
    };

    return store_run(f->store, &rec);
}

/* Makes the spool refuse what is this tenant's. */
static void
break_spool_of(const struct fixture *f, uint32_t tenant)
{
    char path[96];

    snprintf(path, sizeof path, "%s/%u", f->spool, tenant);
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0600);
    assert_true(fd >= 0);
    close(fd);
}

static void
break_spool(const struct fixture *f)
{
    break_spool_of(f, 7);
}

/* Mends it, and lets what waits be tried again. */
static void
mend_spool(struct fixture *f)
{
    assert_int_equal(unlink(f->tenant_7), 0);
    /* Once for batches to come due, and once for them to be synced. */
    store_tick(f->store, time_msec() + 10000, 0);
    store_tick(f->store, time_msec() + 10000, 0);
}

static void
assert_open(const struct fixture *f, uint32_t tenant, uint64_t n_lines)
{
    const struct stats_tenant *t = intake_stats_tenant(f->stats, tenant);

    assert_int_equal(t->counters[TENANT_OPEN], n_lines);
}

static void
assert_spooled(const struct fixture *f, uint32_t tenant, uint64_t n_batches)
{
    struct spool_totals totals;
    struct spool *spool;

    assert_int_equal(spool_open(f->spool, &spool), 0);
    assert_int_equal(spool_totals(spool, tenant, &totals), 0);
    assert_int_equal(totals.n_batches, n_batches);
    spool_close(spool);
}

static void
a_batch_that_the_spool_refuses_at_start_stops_no_other_tenant(void **state)
{
    struct fixture *f = *state;

    leave_batch(f, 7, 100);
    leave_batch(f, 8, 100);
    break_spool(f);
    start(f);
    assert_spooled(f, 8, 1);
    assert_int_equal(store_line(f, 8), SLUICE_DROP_NONE);
    assert_int_equal(store_line(f, 7), SLUICE_DROP_NONE);
    assert_open(f, 7, 2);

    mend_spool(f);
    assert_spooled(f, 7, 2);
    assert_open(f, 7, 0);
}

static bool
keep_none(uint32_t tenant, void *aux)
{
    (void) tenant;
    (void) aux;
    return false;
}

static void
a_tenant_that_left_with_a_refused_batch_may_return(void **state)
{
    struct fixture *f = *state;

    start(f);
    assert_int_equal(store_line(f, 7), SLUICE_DROP_NONE);
    break_spool(f);
    store_flush(f->store, keep_none, NULL);
    assert_int_equal(store_line(f, 7), SLUICE_DROP_NONE);
    assert_open(f, 7, 2);

    mend_spool(f);
    assert_spooled(f, 7, 2);
    assert_open(f, 7, 0);
}

static void
full_batches_wait_for_the_spool_and_lose_nothing(void **state)
{
    struct fixture *f = *state;
    uint64_t n_stored = 0;
    uint64_t n_dropped = 0;

    f->options.max_delay_ms = 60000;
    start(f);
    break_spool(f);
    while (!n_dropped && n_stored < 100000) {
        if (store_line(f, 7)) {
            n_dropped++;
        } else {
            n_stored++;
        }
    }
    /* Several batches hold what the spool does not take, within bounds. */
    assert_int_equal(n_dropped, 1);
    assert_open(f, 7, n_stored);
    assert_int_equal(store_line(f, 8), SLUICE_DROP_NONE);

    mend_spool(f);
    assert_int_equal(store_line(f, 7), SLUICE_DROP_NONE);
    store_flush(f->store, NULL, NULL);
    assert_open(f, 7, 0);
    assert_int_equal(intake_stats_tenant(f->stats, 7)
                     ->counters[TENANT_SPOOLED], n_stored + 1);
}

static void
many_broken_tenants_leave_the_others_alone(void **state)
{
    struct fixture *f = *state;

    start(f);
    for (uint32_t tenant = 100; tenant < 120; tenant++) {
        unsigned int n = 0;

        break_spool_of(f, tenant);
        while (store_line(f, tenant) == SLUICE_DROP_NONE) {
            assert_true(n++ < 100000);
        }
    }
    for (unsigned int i = 0; i < 1000; i++) {
        assert_int_equal(store_line(f, 8), SLUICE_DROP_NONE);
    }
    store_flush(f->store, NULL, NULL);
    assert_open(f, 8, 0);
    assert_int_equal(intake_stats_tenant(f->stats, 8)
                     ->counters[TENANT_SPOOLED], 1000);
}

static void
a_batch_larger_than_the_limit_of_today_gets_into_the_spool(void **state)
{
    struct fixture *f = *state;

    leave_batch(f, 7, 10 * MAX_BYTES);
    start(f);
    assert_spooled(f, 7, 1);
}

int
main(void)
{
#define TEST(NAME) cmocka_unit_test_setup_teardown(NAME, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(a_batch_that_the_spool_refuses_at_start_stops_no_other_tenant),
        TEST(a_tenant_that_left_with_a_refused_batch_may_return),
        TEST(full_batches_wait_for_the_spool_and_lose_nothing),
        TEST(many_broken_tenants_leave_the_others_alone),
        TEST(a_batch_larger_than_the_limit_of_today_gets_into_the_spool),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
