/* SPDX-License-Identifier: Apache-2.0
 *
 * What test-ship.py needs and only C can do:
 *
 *     ship-helper keys SECRET PUBLIC
 *     ship-helper push SPOOL PUBLIC QUEUES TENANT FIRST BATCHES LINES
 *     ship-helper push-text SPOOL PUBLIC QUEUES TENANT <TEXT
 *     ship-helper stats FILE
 *
 * 'push' puts batches of TENANT into the spool, in QUEUES, "7/one,two" or just
 * "7" for the main one: lines "line FIRST", "line FIRST+1" and so on, of 280 bytes,
 * LINES to a batch.  They are a stream, as a run of intake makes it.
 * 'push-text' does so with one batch, whose lines are what
 * stands between null bytes on standard input.  'stats' prints what ship
 * counted. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "batch.h"
#include "chain-head.h"
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
put_text(uint8_t *buf, size_t cap, uint64_t number, struct slice msg)
{
    uint8_t ip[16] = { [10] = 0xff, 0xff, 10, 0, 0, 1 };
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
        .msg = msg,
        .src_ip = slice_of(ip, sizeof ip),
    };

    return batch_put_line(buf, cap, &line);
}

static size_t
put_line(uint8_t *buf, size_t cap, uint64_t number)
{
    char msg[LINE_SIZE];

    int n = snprintf(msg, sizeof msg, "line %"PRIu64" ", number);
    for (size_t i = n; i < sizeof msg; i++) {
        msg[i] = 'a' + (number * 31 + i * i) % 26;
    }
    return put_text(buf, cap, number, slice_of(msg, sizeof msg));
}

/* A spool that batches are pushed into. */
struct target {
    struct spool *spool;
    struct spool_queue queues[SPOOL_MAX_QUEUES];
    size_t n_queues;
    struct sealer *sealer;
    uint32_t tenant;
    uint32_t generation;
    uint64_t number;
    uint64_t origin;
    struct chain_head head;
};

static uint8_t raw[MAX_RAW];

/* Opens what 'argv' names: SPOOL PUBLIC QUEUES TENANT. */
static void
open_target(char *argv[], struct target *t)
{
    uint8_t recipient[32];
    char *names, *name;

    memset(t, 0, sizeof *t);
    check(spool_open(argv[0], &t->spool), argv[0]);
    check(seal_public_key_read(argv[1], recipient), argv[1]);
    check(spool_next_generation(t->spool, &t->generation), "generation");
    t->sealer = sealer_create(recipient, sizeof raw);
    check(!t->sealer, "sealer");
    uint32_t directory = strtoul(argv[2], &names, 10);
    names += *names == '/';
    while ((name = strsep(&names, ",")) && *name) {
        check(t->n_queues == SPOOL_MAX_QUEUES
              || !spool_queue_init(&t->queues[t->n_queues++], directory, name),
              "queue");
    }
    if (!t->n_queues) {
        spool_queue_init(&t->queues[t->n_queues++], directory,
                         SPOOL_MAIN_QUEUE);
    }
    t->tenant = strtoul(argv[3], NULL, 10);
    t->origin = seal_origin(recipient);
}

static void
close_target(struct target *t)
{
    sealer_destroy(t->sealer);
    spool_close(t->spool);
}

/* Begins a batch in 'raw'.  Returns its size. */
static size_t
put_source(const struct target *t)
{
    static const uint8_t vtep[4] = { 192, 0, 2, 1 };
    struct batch_source source = {
        .id = 1, .tenant = t->tenant, .has_vm = true, .vm = { 1 },
        .vtep = slice_of(vtep, sizeof vtep), .context_pending = true,
    };

    return batch_put_source(raw, sizeof raw, &source);
}

/* Pushes the first 'size' bytes of 'raw'. */
static void
push_raw(struct target *t, size_t size, uint32_t n_lines, bool is_last)
{
    struct seal_header h = {
        .tenant = t->tenant, .n_lines = n_lines, .stream = t->generation,
        .number = t->number, .generation = t->generation,
        .origin = t->origin, .flags = is_last ? SEAL_F_END : 0,
    };
    struct slice file;

    chain_head_link(&t->head, &h);
    check(sealer_run(t->sealer, &h, slice_of(raw, size), &file), "seal");
    chain_head_advance(&t->head, &h, file);
    check(spool_push(t->spool, t->queues, t->n_queues, t->generation,
                     t->number++, file), "push");
}

static void
push(char *argv[])
{
    uint64_t next = strtoull(argv[4], NULL, 10);
    unsigned long n_batches = strtoul(argv[5], NULL, 10);
    unsigned long n_lines = strtoul(argv[6], NULL, 10);
    struct target t;

    open_target(argv, &t);
    for (unsigned long i = 0; i < n_batches; i++) {
        size_t n = put_source(&t);
        for (unsigned long j = 0; j < n_lines; j++) {
            size_t size = put_line(raw + n, sizeof raw - n, next++);
            check(!size, "too many lines for a batch");
            n += size;
        }
        push_raw(&t, n, n_lines, i + 1 == n_batches);
    }
    close_target(&t);
}

static void
push_text(char *argv[])
{
    static uint8_t text[MAX_RAW / 2];
    size_t size = fread(text, 1, sizeof text, stdin);
    uint32_t n_lines = 0;
    struct target t;

    open_target(argv, &t);
    size_t n = put_source(&t);
    for (size_t start = 0; start < size; ) {
        const uint8_t *end = memchr(text + start, 0, size - start);
        size_t length = end ? (size_t) (end - text) - start : size - start;
        size_t put = put_text(raw + n, sizeof raw - n, n_lines++,
                              slice_of(text + start, length));
        check(!put, "too much text for a batch");
        n += put;
        start += length + 1;
    }
    push_raw(&t, n, n_lines, true);
    close_target(&t);
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
    for (int i = 0; i < STATS_MAX_OUTPUTS && s->outputs[i].name[0]; i++) {
        const struct ship_output_stats *o = &s->outputs[i];
        printf("%s.state %s\n%s.failures %"PRIu64"\n%s.next %"PRIu64"\n"
               "%s.error %s\n", o->name,
               ship_state_name(stats_get(&o->state)), o->name,
               stats_get(&o->failures), o->name, stats_get(&o->next_ns),
               o->name, o->error);
    }
    stats_unmap(s);
}

int
main(int argc, char *argv[])
{
    if (argc == 4 && !strcmp(argv[1], "keys")) {
        check(seal_key_generate(argv[2], argv[3]), argv[2]);
    } else if (argc == 9 && !strcmp(argv[1], "push")) {
        push(argv + 2);
    } else if (argc == 6 && !strcmp(argv[1], "push-text")) {
        push_text(argv + 2);
    } else if (argc == 3 && !strcmp(argv[1], "stats")) {
        print_stats(argv[2]);
    } else {
        fprintf(stderr, "ship-helper: see the head of its source\n");
        return 1;
    }
    return 0;
}
