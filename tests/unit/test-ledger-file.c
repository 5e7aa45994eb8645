/* SPDX-License-Identifier: Apache-2.0
 *
 * The ledger's file, and what a power cut, a kill and a failing disk leave of
 * it, on a file system in memory (model-fs.h): it is one that was written,
 * whole, and none before the latest whose write returned 0.
 *
 * In: SLUICE_POWER_CUTS, how many outcomes to look at (2000); SLUICE_SEED.
 * Out: TAP of cmocka, the seed. */
#include "sluice-config.h"
#include "unit.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <time.h>

#include "ledger-file.h"
#include "model-fs.h"

enum {
    MAX_SIZE = 5000,
    N_OUTCOMES = 10,            /* Of a cut, that are looked at. */
    N_LIVES = 4,                /* Cuts of one history. */
};

static uint64_t seed;
static uint64_t latest;         /* That was tried to write, */
static uint64_t durable;        /* and for which that returned 0. */

/* Writes the next ledger.  Returns 0 or a positive errno. */
static int
write_next(void)
{
    static uint8_t vtep[MAX_SIZE];
    uint8_t packed[MAX_SIZE + 100];
    Sluice__LedgerSource source = SLUICE__LEDGER_SOURCE__INIT;
    Sluice__LedgerSource *sources[] = { &source };
    Sluice__LedgerTenant tenant = SLUICE__LEDGER_TENANT__INIT;
    Sluice__LedgerTenant *tenants[] = { &tenant };
    Sluice__Ledger ledger = SLUICE__LEDGER__INIT;

    tenant.latest_number = ++latest;
    ledger.tenants = tenants;
    ledger.n_tenants = 1;
    source.vtep.data = vtep;
    source.vtep.len = model_random(MAX_SIZE);
    ledger.sources = sources;
    ledger.n_sources = 1;

    size_t size = sluice__ledger__pack(&ledger, packed);
    int error = ledger_file_write_io(&model_io, "ledger", latest,
                                     slice_of(packed, size));
    if (!error) {
        durable = latest;
    }
    return error;
}

/* Reads the ledger, and takes for durable what is there. */
static void
check_ledger(void)
{
    Sluice__Ledger *ledger;
    uint64_t written_ns, found = 0;
    int error = ledger_file_read_io(&model_io, "ledger", &written_ns,
                                    &ledger);

    if (error != ENOENT) {
        if (error) {
            fail_msg("seed %"PRIu64": the ledger can't be read: %s", seed,
                     strerror(error));
        }
        assert_int_equal(ledger->n_tenants, 1);
        found = ledger->tenants[0]->latest_number;
        assert_int_equal(written_ns, found);
        ledger_file_free(ledger);
    }
    if (found < durable || found > latest) {
        fail_msg("seed %"PRIu64": found %"PRIu64", where %"PRIu64" is durable "
                 "and %"PRIu64" is the latest", seed, found, durable, latest);
    }
    durable = found;
}

static void
a_power_cut_leaves_a_whole_ledger(void **state)
{
    const char *text = getenv("SLUICE_POWER_CUTS");
    uint64_t n_cuts = text ? strtoull(text, NULL, 10) : 2000;

    (void) state;
    seed = ((text = getenv("SLUICE_SEED")) ? strtoull(text, NULL, 10)
            : (uint64_t) time(NULL));
    print_message("# SLUICE_SEED=%"PRIu64"\n", seed);
    for (uint64_t n = 0; n < n_cuts; seed++) {
        model_init(seed);
        latest = durable = 0;
        for (int life = 0; life < N_LIVES; life++) {
            model_cut_at(1 + model_random(60));
            for (int i = model_random(10); i >= 0; i--) {
                /* Between two writes the power may go, too. */
                write_next();
            }
            model_save();
            uint64_t kept = durable;
            for (int i = 0; i < N_OUTCOMES; i++, n++) {
                durable = kept;
                model_restore();
                model_power_cut(i == 0 ? 0 : i == 1 ? 100
                                : 10 + model_random(80));
                check_ledger();
            }
        }
        model_uninit();
    }
    print_message("# %"PRIu64" outcomes looked at\n", n_cuts);
}

static void
any_call_may_fail_and_the_next_write_succeeds(void **state)
{
    static const int errors[] = { EIO, ENOSPC, EROFS, EMFILE, EDQUOT };

    (void) state;
    for (size_t e = 0; e < sizeof errors / sizeof *errors; e++) {
        bool was_reached = true;
        for (uint64_t n = 1; was_reached; n++) {
            seed = n;
            model_init(3);
            latest = durable = 0;
            assert_int_equal(write_next(), 0);
            uint64_t before = model_n_calls();
            model_fail_at(n, errors[e]);
            write_next();
            was_reached = model_n_calls() - before >= n;
            model_fail_at(0, 0);
            check_ledger();
            assert_int_equal(write_next(), 0);
            assert_int_equal(model_kill(), 0);
            model_power_cut(0);
            check_ledger();
            assert_int_equal(durable, latest);
            model_uninit();
        }
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_call_may_fail_and_the_next_write_succeeds),
        cmocka_unit_test(a_power_cut_leaves_a_whole_ledger),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
