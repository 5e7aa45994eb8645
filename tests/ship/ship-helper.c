/* SPDX-License-Identifier: Apache-2.0
 *
 * What test-ship.py needs and only C can do:
 *
 *     ship-helper keys SECRET PUBLIC
 *     ship-helper push SPOOL PUBLIC DIRECTORY TENANT FIRST BATCHES LINES
 *     ship-helper stats FILE
 *
 * 'push' puts batches of TENANT into the spool, where the batches of tenant
 * DIRECTORY are: lines "line FIRST", "line FIRST+1" and so on, of 280 bytes,
 * LINES to a batch.  'stats' prints what ship counted. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "batch.h"
#include "spool.h"
#include "stats.h"

enum { MAX_RAW = 4 * 1024 * 1024, LINE_SIZE = 280 };

static void
check(int error, const char *what)
{
    if (error) {
        fprintf(stderr, "ship-helper: %s: %s\n", what, strerror(error));
        exit(1);
    }
}

static size_t
put_line(uint8_t *buf, size_t cap, uint64_t number)
{
    char msg[LINE_SIZE];
    uint8_t ip[16] = { [10] = 0xff, 0xff, 10, 0, 0, 1 };

    int n = snprintf(msg, sizeof msg, "line %"PRIu64" ", number);
    for (size_t i = n; i < sizeof msg; i++) {
        msg[i] = 'a' + (number * 31 + i * i) % 26;
    }
    struct batch_line line = {
        .source = 1,
        .switch_ns = UINT64_C(1700000000000000000) + number,
        .seq_epoch = 1,
        .seq_number = number,
        .pri = 14,
        .has_time = true,
        .time_ns = INT64_C(1700000000000000000) + number,
        .hostname = slice_from_string("guest"),
        .app_name = slice_from_string("app"),
        .msg = slice_of(msg, sizeof msg),
        .src_ip = slice_of(ip, sizeof ip),
    };
    return batch_put_line(buf, cap, &line);
}

static void
push(char *argv[])
{
    uint32_t directory = strtoul(argv[2], NULL, 10);
    uint32_t tenant = strtoul(argv[3], NULL, 10);
    uint64_t next = strtoull(argv[4], NULL, 10);
    unsigned long n_batches = strtoul(argv[5], NULL, 10);
    unsigned long n_lines = strtoul(argv[6], NULL, 10);
    static uint8_t raw[MAX_RAW];
    static const uint8_t vtep[4] = { 192, 0, 2, 1 };
    uint8_t recipient[32];
    struct spool *spool;
    uint32_t generation;

    check(spool_open(argv[0], &spool), argv[0]);
    check(seal_public_key_read(argv[1], recipient), argv[1]);
    check(spool_next_generation(spool, &generation), "generation");
    struct sealer *sealer = sealer_create(recipient, sizeof raw);
    check(!sealer, "sealer");
    for (unsigned long i = 0; i < n_batches; i++) {
        struct batch_source source = {
            .id = 1, .tenant = tenant, .has_vm = true, .vm = { 1 },
            .vtep = slice_of(vtep, sizeof vtep), .context_pending = true,
        };
        size_t n = batch_put_source(raw, sizeof raw, &source);
        for (unsigned long j = 0; j < n_lines; j++) {
            size_t size = put_line(raw + n, sizeof raw - n, next++);
            check(!size, "too many lines for a batch");
            n += size;
        }

        struct seal_header h = {
            .tenant = tenant, .n_lines = n_lines, .stream = generation,
            .number = i,
        };
        struct slice file;
        check(sealer_run(sealer, &h, slice_of(raw, n), &file), "seal");
        check(spool_push(spool, directory, generation, i, file), "push");
    }
    sealer_destroy(sealer);
    spool_close(spool);
}

static void
print_stats(const char *path)
{
    const struct ship_stats *s;

    check(ship_stats_map_ro(path, &s), path);
    for (int i = 0; i < N_SHIP_COUNTERS; i++) {
        printf("%s %"PRIu64"\n", ship_counters[i].name,
               stats_get(&s->counters[i]));
    }
    printf("state %s\nerror %s\n", ship_state_name(stats_get(&s->state)),
           s->error);
    stats_unmap(s);
}

int
main(int argc, char *argv[])
{
    if (argc == 4 && !strcmp(argv[1], "keys")) {
        check(seal_key_generate(argv[2], argv[3]), argv[2]);
    } else if (argc == 9 && !strcmp(argv[1], "push")) {
        push(argv + 2);
    } else if (argc == 3 && !strcmp(argv[1], "stats")) {
        print_stats(argv[2]);
    } else {
        fprintf(stderr, "ship-helper: see the head of its source\n");
        return 1;
    }
    return 0;
}
