/* SPDX-License-Identifier: Apache-2.0
 *
 * Prints the counters of an intake, for the benchmark's books.
 *
 * In: intake's counters in shared memory (run/intake.stats).
 * Out: one JSON object: each counter of the process by its name, each of the
 * tenants summed as "tenant-NAME", each reason for drops as "drop-NAME".
 * Runs in: bench.py, which starts it. */
#include "stats.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int
main(int argc, char *argv[])
{
    if (argc != 2) {
        fputs("usage: bench-stats INTAKE-STATS\n", stderr);
        return EXIT_FAILURE;
    }

    const struct intake_stats *stats;
    int error = intake_stats_map_ro(argv[1], &stats);
    if (error) {
        fprintf(stderr, "bench-stats: %s: %s\n", argv[1], strerror(error));
        return EXIT_FAILURE;
    }

    uint64_t n_tenants = 0;
    for (size_t i = 0; i < STATS_MAX_TENANTS; i++) {
        n_tenants += stats_get(&stats->tenants[i].tenant) != 0;
    }
    printf("{\"tenants\": %"PRIu64, n_tenants);
    for (size_t i = 0; i < N_INTAKE_COUNTERS; i++) {
        printf(", \"%s\": %"PRIu64, intake_counters[i].name,
               stats_get(&stats->counters[i]));
    }
    for (size_t i = 0; i < N_TENANT_COUNTERS; i++) {
        uint64_t sum = 0;

        for (size_t j = 0; j < STATS_MAX_TENANTS; j++) {
            sum += stats_get(&stats->tenants[j].counters[i]);
        }
        printf(", \"tenant-%s\": %"PRIu64, tenant_counters[i].name, sum);
    }
    for (size_t i = SLUICE_DROP_NONE + 1; i < SLUICE_N_DROPS; i++) {
        uint64_t sum = stats_get(&stats->drops[i]);

        for (size_t j = 0; j < STATS_MAX_TENANTS; j++) {
            sum += stats_get(&stats->tenants[j].drops[i]);
        }
        printf(", \"drop-%s\": %"PRIu64, sluice_drop_name(i), sum);
    }
    puts("}");
    stats_unmap(stats);
    return EXIT_SUCCESS;
}
