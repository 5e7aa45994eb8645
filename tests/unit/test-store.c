/* SPDX-License-Identifier: Apache-2.0 */
#include "sluice-config.h"      /* For nftw(). */
#include <config.h>

#include "unit.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "open-batch.h"
#include "proxy-config.h"
#include "recipients.h"
#include "remove-tree.h"
#include "s3-account.h"
#include "s7-age.h"
#include "s7-store.h"
#include "seal.h"
#include "spool.h"
#include "proxy-config.h"
#include "timeval.h"
#include "util.h"

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
    struct source_look look = { .match = MATCH_NONE };
    struct record rec = {
        .meta = { .vni = tenant, .has = TUNNEL_HAS_META },
        .source = &source,
        .look = &look,
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
    const struct spool_queue queue = { tenant, "main" };
    struct spool_totals totals;
    struct spool *spool;

    assert_int_equal(spool_open(f->spool, &spool), 0);
    assert_int_equal(spool_totals(spool, &queue, &totals), 0);
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

enum { MAX_FILES = 16 };

struct sealed_file {
    struct seal_header header;
    uint8_t digest[SEAL_DIGEST_SIZE];
};

static int
is_batch(const struct dirent *entry)
{
    return strstr(entry->d_name, ".batch") != NULL;
}

/* Reads tenant 7's batches in 'name', in their order.  Returns how many there
 * are. */
static int
read_queue(const struct fixture *f, const char *name,
           struct sealed_file files[MAX_FILES])
{
    struct dirent **entries;
    char queue[96];

    snprintf(queue, sizeof queue, "%s/%s", f->tenant_7, name);
    int n = scandir(queue, &entries, is_batch, alphasort);

    assert_true(n >= 0 && n <= MAX_FILES);
    for (int i = 0; i < n; i++) {
        static uint8_t data[65536];
        char path[512];

        snprintf(path, sizeof path, "%s/%s", queue, entries[i]->d_name);
        FILE *stream = fopen(path, "r");
        assert_non_null(stream);
        struct slice file = slice_of(data, fread(data, 1, sizeof data,
                                                 stream));
        fclose(stream);
        assert_int_equal(seal_read_header(file, &files[i].header), SEAL_OK);
        seal_digest(file, files[i].digest);
        free(entries[i]);
    }
    free(entries);
    return n;
}

static int
read_batches(const struct fixture *f, struct sealed_file files[MAX_FILES])
{
    return read_queue(f, "main", files);
}

static const uint8_t nothing[SEAL_DIGEST_SIZE];

static void
the_batches_of_a_stream_form_a_chain_with_an_end(void **state)
{
    struct sealed_file files[MAX_FILES];
    struct fixture *f = *state;

    start(f);
    for (int i = 0; i < 5; i++) {
        assert_int_equal(store_line(f, 7), SLUICE_DROP_NONE);
        if (i < 4) {
            store_flush(f->store, NULL, NULL);
        }
    }
    store_end(f->store);
    int n = read_batches(f, files);
    assert_int_equal(n, 5);
    for (int i = 0; i < n; i++) {
        const struct seal_header *h = &files[i].header;
        uint8_t public[32];

        assert_int_equal(seal_public_key_read(f->public_key, public), 0);
        assert_int_equal(h->origin, seal_origin(public));
        assert_int_equal(h->generation, files[0].header.generation);
        assert_int_equal(h->stream, files[0].header.stream);
        assert_int_equal(h->number, i);
        assert_int_equal(h->flags, i == n - 1 ? SEAL_F_END : 0);
        assert_memory_equal(h->previous, i ? files[i - 1].digest : nothing,
                            sizeof h->previous);
    }
}

static void
an_end_that_comes_late_is_a_batch_without_lines(void **state)
{
    struct sealed_file files[MAX_FILES];
    struct fixture *f = *state;

    start(f);
    assert_int_equal(store_line(f, 7), SLUICE_DROP_NONE);
    store_flush(f->store, NULL, NULL);
    store_end(f->store);
    assert_int_equal(read_batches(f, files), 2);
    assert_int_equal(files[1].header.n_lines, 0);
    assert_int_equal(files[1].header.number, 1);
    assert_int_equal(files[1].header.flags, SEAL_F_END);
    assert_memory_equal(files[1].header.previous, files[0].digest,
                        SEAL_DIGEST_SIZE);
    assert_spooled(f, 7, 2);
}

static void
batches_out_of_turn_say_so(void **state)
{
    struct sealed_file files[MAX_FILES];
    struct fixture *f = *state;

    /* What an earlier run left... */
    leave_batch(f, 7, 100);
    start(f);
    assert_int_equal(read_batches(f, files), 1);
    assert_int_equal(files[0].header.flags, SEAL_F_RECOVERED);
    assert_int_equal(files[0].header.stream, 1);
    assert_memory_equal(files[0].header.previous, nothing, sizeof nothing);

    /* ...and a chain that begins. */
    assert_int_equal(store_line(f, 7), SLUICE_DROP_NONE);
    store_end(f->store);
    assert_int_equal(read_batches(f, files), 2);
    assert_int_equal(files[1].header.flags, SEAL_F_END);
    assert_memory_equal(files[1].header.previous, nothing, sizeof nothing);
}

/* Two queues with the shipper's key, and one with the tenant's. */
static void
a_batch_is_sealed_once_for_each_recipient(void **state)
{
    static const char *const names[] = { "one", "two", "three" };
    struct fixture *f = *state;
    struct sealed_file files[MAX_FILES];
    uint8_t shipper[32], own[32];
    char secret[96], public[96], text[512];
    struct recipients *recipients;
    struct config *config;

    snprintf(secret, sizeof secret, "%s/tenant", f->dir);
    snprintf(public, sizeof public, "%s/tenant.pub", f->dir);
    assert_int_equal(seal_key_generate(secret, public), 0);
    assert_int_equal(seal_public_key_read(public, own), 0);
    assert_int_equal(seal_public_key_read(f->public_key, shipper), 0);
    int n = snprintf(text, sizeof text, "tenants: [{id: 7, name: a, "
                     "destinations: [{name: one, type: tcp, server: 'h:1'}, "
                     "{name: two, type: sealed, server: 'h:2', "
                     "recipient-file: %s}, {name: three, type: tcp, "
                     "server: 'h:3'}]}]\n", public);
    assert_null(config_parse("f", text, n, &config));
    assert_null(recipients_load(config, NULL, &recipients));
    start(f);
    store_reconfigure(f->store, config, &recipients);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(store_line(f, 7), SLUICE_DROP_NONE);
        if (i < 2) {
            store_flush(f->store, NULL, NULL);
        }
    }
    store_end(f->store);
    assert_open(f, 7, 0);

    for (int queue = 0; queue < 3; queue++) {
        assert_int_equal(read_queue(f, names[queue], files), 3);
        for (int i = 0; i < 3; i++) {
            const struct seal_header *h = &files[i].header;

            assert_memory_equal(h->recipient, queue == 1 ? own : shipper, 32);
            assert_int_equal(h->origin, seal_origin(shipper));
            assert_int_equal(h->number, i);
            assert_int_equal(h->flags, i == 2 ? SEAL_F_END : 0);
            assert_memory_equal(h->previous, i ? files[i - 1].digest
                                : nothing, sizeof nothing);
        }
    }
    config_destroy(config);
}

/* Gives tenant 7 a quota of 1 MiB, of which 'per_cent' are used. */
static void
fill_spool(struct fixture *f, unsigned int per_cent)
{
    char path[128];

    mkdir(f->tenant_7, 0700);
    snprintf(path, sizeof path, "%s/main", f->tenant_7);
    mkdir(path, 0700);
    snprintf(path, sizeof path, "%s/main/0000000000-%020u.batch", f->tenant_7,
             per_cent);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_int_equal(fseek(file, (per_cent << 20) / 100, SEEK_SET), 0);
    fputc('x', file);
    fclose(file);
}

static enum sluice_drop
store_severity(struct fixture *f, int severity)
{
    struct stats_source stats = { .tenant = 7 };
    struct source source = { .stats = &stats };
    struct source_look look = { .match = MATCH_NONE };
    struct record rec = {
        .meta = { .vni = 7, .has = TUNNEL_HAS_META },
        .source = &source,
        .look = &look,
        .msg = { .pri = 8 + severity },
    };

    return store_run(f->store, &rec);
}

static void
a_spool_that_fills_up_takes_what_matters_most(void **state)
{
    static const struct {
        unsigned int per_cent;
        int lets_in;
    } cases[] = { { 50, 7 }, { 70, 6 }, { 80, 4 }, { 90, 3 }, { 95, 2 },
                  { 100, -1 } };
    struct fixture *f = *state;
    struct config *config;
    const char *text = "tenants: [{id: 7, name: n, server: 'h:1', "
                       "quota-mib: 1}]";

    assert_null(config_parse("f", text, strlen(text), &config));
    f->options.config = config;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        fill_spool(f, cases[i].per_cent);
        start(f);
        for (int severity = 0; severity < 8; severity++) {
            assert_int_equal(store_severity(f, severity),
                             severity <= cases[i].lets_in
                             ? SLUICE_DROP_NONE
                             : cases[i].lets_in < 0
                             ? SLUICE_DROP_SPOOL_QUOTA
                             : SLUICE_DROP_SPOOL_SHED);
        }
        assert_true(f->stats->tenants[0].counters[TENANT_SPOOL_FILL]
                    >= cases[i].per_cent);
        store_destroy(f->store);
        f->store = NULL;
        char *command = xasprintf("rm -rf '%s' '%s'/*", f->tenant_7,
                                  f->open_dir);
        assert_int_equal(system(command), 0);
        free(command);
    }

    /* Room that is made is seen. */
    fill_spool(f, 100);
    start(f);
    assert_int_equal(store_severity(f, 0), SLUICE_DROP_SPOOL_QUOTA);
    char *command = xasprintf("rm -rf '%s'", f->tenant_7);
    assert_int_equal(system(command), 0);
    free(command);
    store_tick(f->store, time_msec() + 2000, 0);
    assert_int_equal(store_severity(f, 7), SLUICE_DROP_NONE);
    store_destroy(f->store);
    f->store = NULL;
    f->options.config = NULL;
    config_destroy(config);
}

static uint64_t fake_boot_ms;

static uint64_t
fake_clock(void)
{
    return fake_boot_ms;
}

/* Has the store look into the spool at that time since boot. */
static void
look_at(struct fixture *f, uint64_t boot_s)
{
    static long long int later;

    fake_boot_ms = boot_s * 1000;
    later += 100000;
    store_tick(f->store, time_msec() + later, 0);
}

static void
expect_severity(struct fixture *f, int severity, enum sluice_drop expected)
{
    assert_string_equal(sluice_drop_name(store_severity(f, severity)),
                        sluice_drop_name(expected));
}

static void
a_queue_that_is_not_emptied_takes_what_matters_most(void **state)
{
    struct fixture *f = *state;
    struct config *config;
    const char *text = "tenants: [{id: 7, name: n, quota-age-s: 1000, "
                       "server: 'h:1'}]";
    char path[128];

    assert_null(config_parse("f", text, strlen(text), &config));
    f->options.config = config;
    age_boot_ms = fake_clock;
    fake_boot_ms = 5000 * 1000;
    start(f);
    expect_severity(f, 7, SLUICE_DROP_NONE);
    store_flush(f->store, NULL, NULL);
    look_at(f, 5000);
    look_at(f, 5690);
    expect_severity(f, 7, SLUICE_DROP_NONE);
    look_at(f, 5710);
    expect_severity(f, 7, SLUICE_DROP_SPOOL_AGE);
    expect_severity(f, 6, SLUICE_DROP_NONE);
    look_at(f, 5960);
    expect_severity(f, 3, SLUICE_DROP_SPOOL_AGE);
    expect_severity(f, 2, SLUICE_DROP_NONE);

    /* Intake is started again: what it had found stays. */
    store_flush(f->store, NULL, NULL);
    store_destroy(f->store);
    f->store = NULL;
    start(f);
    expect_severity(f, 3, SLUICE_DROP_SPOOL_AGE);
    look_at(f, 6000);
    expect_severity(f, 0, SLUICE_DROP_SPOOL_AGE);
    assert_int_equal(f->stats->tenants[0].counters[TENANT_OLDEST_AGE], 1000);

    /* The first batch is shipped; the next came when it was 710 seconds old,
     * and is younger by that. */
    snprintf(path, sizeof path, "%s/main/0000000001-%020u.batch", f->tenant_7,
             0);
    assert_int_equal(unlink(path), 0);
    look_at(f, 6010);
    expect_severity(f, 7, SLUICE_DROP_NONE);

    /* The machine was started again: the clock begins anew. */
    look_at(f, 60);
    expect_severity(f, 7, SLUICE_DROP_NONE);
    look_at(f, 770);
    expect_severity(f, 7, SLUICE_DROP_SPOOL_AGE);
    expect_severity(f, 6, SLUICE_DROP_NONE);

    /* In quarantine nothing gets old. */
    char *command = xasprintf("cd '%s/main' && mkdir quarantine && "
                              "mv *.batch quarantine", f->tenant_7);
    assert_int_equal(system(command), 0);
    free(command);
    look_at(f, 5000);
    expect_severity(f, 7, SLUICE_DROP_NONE);
    store_destroy(f->store);
    f->store = NULL;
    f->options.config = NULL;
    config_destroy(config);
}

static void
an_age_is_never_more_than_it_is(void **state)
{
    struct stats_ages ages = { .n = 0 };
    struct spool_item items[400] = { { .number = 0 } };
    enum { N = 400, STEP_MS = 1000, SPACING_MS = 10000 };

    (void) state;
    for (uint64_t i = 0; i < N; i++) {
        items[i].generation = 1 + i / 100;
        items[i].number = i % 100;
    }
    /* A batch a second; the one before the last 300 is the oldest, so that
     * the notes of more than it can hold have been made. */
    for (uint64_t i = 0; i < N; i++) {
        uint64_t oldest = i < 300 ? 0 : i - 300;
        uint64_t is = (i - oldest) * STEP_MS;
        uint64_t age = age_of(&ages, &items[oldest], &items[i],
                              1 + i * STEP_MS, SPACING_MS);
        assert_true(age <= is);
        assert_true(is - age <= SPACING_MS);
    }
}

static void
a_spool_that_refuses_batches_takes_what_matters_most(void **state)
{
    struct fixture *f = *state;
    uint64_t n_debug = 0, n_error = 0, n_emergency = 0;

    f->options.max_delay_ms = 60000;
    start(f);
    break_spool(f);
    while (!store_severity(f, 7)) {
        n_debug++;
    }
    assert_int_equal(store_severity(f, 7), SLUICE_DROP_SPOOL_SHED);
    while (!store_severity(f, 3)) {
        n_error++;
    }
    while (!store_severity(f, 0)) {
        n_emergency++;
    }
    assert_int_equal(store_severity(f, 0), SLUICE_DROP_SPOOL_FAILED);
    assert_true(n_debug && n_error && n_emergency);
    assert_open(f, 7, n_debug + n_error + n_emergency);

    mend_spool(f);
    assert_int_equal(store_severity(f, 7), SLUICE_DROP_NONE);
    store_flush(f->store, NULL, NULL);
    assert_open(f, 7, 0);
    assert_true(f->stats->counters[INTAKE_COMMITS] > 0);
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
        TEST(a_spool_that_fills_up_takes_what_matters_most),
        TEST(a_queue_that_is_not_emptied_takes_what_matters_most),
        TEST(an_age_is_never_more_than_it_is),
        TEST(a_spool_that_refuses_batches_takes_what_matters_most),
        TEST(a_batch_larger_than_the_limit_of_today_gets_into_the_spool),
        TEST(the_batches_of_a_stream_form_a_chain_with_an_end),
        TEST(an_end_that_comes_late_is_a_batch_without_lines),
        TEST(batches_out_of_turn_say_so),
        TEST(a_batch_is_sealed_once_for_each_recipient),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
