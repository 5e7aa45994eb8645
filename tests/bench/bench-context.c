/* SPDX-License-Identifier: Apache-2.0
 *
 * Measures what context costs a line in sluice-intake: its own stage 6, and
 * what stage 7 writes of it; and how long a packet takes through a running
 * intake.
 *
 * In: a corpus, a population, a context snapshot; for --probe the port of a
 * running intake and its counters.
 * Out: on standard output figures, each a name and a number: nanoseconds of
 * CPU time a line, median and least of many passes; or of a packet, the
 * microseconds from its sending until it is through, of so many per cent.
 * Runs in: context_bench.py. */
#include <config.h>

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "context-snapshot.h"
#include "context-table.h"
#include "geneve.h"
#include "inner.h"
#include "s6-enrich.h"
#include "s7-put.h"
#include "stats.h"
#include "syslog-msg.h"
#include "tlv.h"
#include "traffic.h"
#include "util.h"

enum {
    N_LINES = 20000,
    MAX_PASSES = 1001,
    BODY_SIZE = 256 * 1024,     /* Of a batch, as intake is configured. */
    LINE_SIZE = 400,            /* What a line takes there. */
    MAX_TENANT = 100,
    GIVE_UP_NS = 1000000000,
};

struct options {
    struct traffic_options traffic;
    const char *snapshot;
    double seconds;             /* Of each figure. */
    uint16_t port;              /* 0: not to probe. */
    const char *stats;
};

/* What stage 6 reads of a line. */
struct item {
    struct source *source;
    struct traffic_vm *vm;
    uint8_t uuid[16];
    uint8_t mac[6];
    uint8_t pri;
    uint32_t tenant;
};

struct bench {
    struct item *items;
    struct record rec;          /* One, which is in the cache as intake's. */
    struct source **sources;    /* One for each VM, as intake has them. */
    size_t n_sources;
    struct stats_source *stats;
    struct snapshot *snapshot;
    struct enrich *enrich;
    uint8_t *body;
    uint64_t serials[MAX_TENANT + 1]; /* Of each tenant's batch... */
    size_t used[MAX_TENANT + 1]; /* ...and its bytes. */
    uint64_t serial;
    uint64_t n_attached;        /* In the latest pass. */
    uint64_t n_missing;
};

static uint64_t
read_clock(clockid_t clock)
{
    struct timespec ts;

    clock_gettime(clock, &ts);
    return ts.tv_sec * UINT64_C(1000000000) + ts.tv_nsec;
}

static int
compare_u64(const void *a_, const void *b_)
{
    const uint64_t *a = a_, *b = b_;

    return *a < *b ? -1 : *a > *b;
}

/* A look-up of each line, which intake does for one in many. */
static void
run_look_up(struct bench *b)
{
    struct snapshot_found found;

    b->n_missing = 0;
    for (size_t i = 0; i < N_LINES; i++) {
        b->n_missing += !snapshot_find_vm_at(b->snapshot,
                                             b->items[i].uuid,
                                             b->rec.switch_ns, &found);
    }
}

/* What intake does: stage 6, and a source in each batch that does not have it
 * yet. */
static void
run_attach(struct bench *b)
{
    b->n_attached = 0;
    for (size_t i = 0; i < N_LINES; i++) {
        const struct item *item = &b->items[i];
        struct record *rec = &b->rec;
        uint32_t tenant = item->tenant;

        rec->source = item->source;
        rec->meta.vni = tenant;
        rec->msg.pri = item->pri;
        memcpy(rec->meta.vm, item->uuid, sizeof rec->meta.vm);
        memcpy(rec->inner.src_mac, item->mac, sizeof rec->inner.src_mac);
        enrich_run(b->enrich, rec);
        enrich_choose(rec);
        if (b->used[tenant] + LINE_SIZE > BODY_SIZE) {
            b->serials[tenant] = ++b->serial;
            b->used[tenant] = 0;
        }
        if (rec->look->batch_serial != b->serials[tenant]) {
            size_t n = record_put_source(rec, 1, b->body + b->used[tenant],
                                         BODY_SIZE - b->used[tenant]);
            if (!n) {
                b->serials[tenant] = ++b->serial;
                b->used[tenant] = 0;
                n = record_put_source(rec, 1, b->body, BODY_SIZE);
            }
            b->used[tenant] += n;
            rec->look->batch_serial = b->serials[tenant];
            b->n_attached++;
        }
        b->used[tenant] += LINE_SIZE;
    }
}

/* The same right behind a new snapshot: every source looks again. */
static void
run_attach_anew(struct bench *b)
{
    struct context_policy *policy;

    ovs_assert(!context_table_load(NULL, &policy));
    enrich_use(b->enrich, &policy);
    run_attach(b);
}

static void
measure(struct bench *b, const char *name, void (*run)(struct bench *),
        double seconds)
{
    static uint64_t passes[MAX_PASSES];
    uint64_t total = 0;
    size_t n = 0;

    run(b);
    do {
        uint64_t start = read_clock(CLOCK_THREAD_CPUTIME_ID);
        run(b);
        passes[n] = read_clock(CLOCK_THREAD_CPUTIME_ID) - start;
        total += passes[n++];
    } while (total < seconds * 1e9 && n < MAX_PASSES);
    qsort(passes, n, sizeof *passes, compare_u64);
    printf("%s %.2f\n%s.least %.2f\n", name, (double) passes[n / 2] / N_LINES,
           name, (double) passes[0] / N_LINES);
}

static struct traffic *
open_traffic(const struct traffic_options *options)
{
    struct traffic *traffic;
    char *error = traffic_create(options, &traffic);

    if (error) {
        ovs_fatal(0, "%s", error);
    }
    return traffic;
}

/* Makes records of lines, as the stages before leave them. */
static void
prepare(struct bench *b, const struct options *options, size_t max_vms)
{
    struct traffic_options traffic_options = options->traffic;
    traffic_options.max_vms = max_vms;
    struct traffic *traffic = open_traffic(&traffic_options);
    const struct traffic_vm *first = NULL;

    b->n_sources = traffic_n_vms(traffic);
    b->sources = xcalloc(b->n_sources, sizeof *b->sources);
    for (size_t i = 0; i < b->n_sources; i++) {
        b->sources[i] = xzalloc_cacheline(sizeof **b->sources);
    }
    b->stats = xcalloc(b->n_sources, sizeof *b->stats);
    b->items = xcalloc(N_LINES, sizeof *b->items);
    for (size_t i = 0; i < N_LINES; i++) {
        struct item *item = &b->items[i];
        uint8_t packet[TRAFFIC_MAX_PACKET];
        struct record *rec = &b->rec;
        struct traffic_pick pick;
        struct slice frame;

        traffic_next(traffic, &pick);
        first = first && first < pick.vm ? first : pick.vm;
        size_t size = traffic_put_geneve(traffic, &pick, UINT64_C(1) << 60,
                                         packet);
        ovs_assert(!geneve_parse(slice_of(packet, size), SLUICE_TLV_CLASS,
                                 &rec->meta, &frame));
        ovs_assert(!inner_parse(frame, &rec->inner));
        syslog_msg_parse(rec->inner.payload, 0, &rec->msg);
        rec->switch_ns = rec->meta.time_ns;
        item->vm = pick.vm;
        item->tenant = rec->meta.vni;
        item->pri = rec->msg.pri;
        memcpy(item->uuid, rec->meta.vm, sizeof item->uuid);
        memcpy(item->mac, rec->inner.src_mac, sizeof item->mac);
    }
    for (size_t i = 0; i < N_LINES; i++) {
        size_t vm = b->items[i].vm - first;

        ovs_assert(vm < b->n_sources);
        b->items[i].source = b->sources[vm];
        b->sources[vm]->stats = &b->stats[vm];
    }
    memset(b->used, 0xff, sizeof b->used);
    for (int i = 0; i <= MAX_TENANT; i++) {
        b->used[i] = BODY_SIZE;
    }
    traffic_destroy(traffic);
}

static void
measure_vms(const struct options *options, size_t max_vms, const char *where)
{
    struct intake_stats *stats = xzalloc(sizeof *stats);
    struct bench b = { .serial = 1 };
    struct context_policy *policy;
    char name[64];

    ovs_assert(!context_table_load(NULL, &policy));
    prepare(&b, options, max_vms);
    b.body = xmalloc(BODY_SIZE);
    b.enrich = enrich_create(options->snapshot, policy, stats);
    int error = snapshot_open(options->snapshot, &b.snapshot);
    if (error) {
        ovs_fatal(error, "%s", options->snapshot);
    }
    snprintf(name, sizeof name, "look-up%s", where);
    measure(&b, name, run_look_up, options->seconds);
    snprintf(name, sizeof name, "attach%s", where);
    measure(&b, name, run_attach, options->seconds);
    printf("%s.sources %.4f\n", name, (double) b.n_attached / N_LINES);
    snprintf(name, sizeof name, "attach-new-snapshot%s", where);
    measure(&b, name, run_attach_anew, options->seconds);
    if (b.n_missing) {
        ovs_fatal(0, "%"PRIu64" lines found no context", b.n_missing);
    }
    snapshot_close(b.snapshot);
}

/* Sends packets one by one, each when the one before it is through. */
static void
probe(const struct options *options)
{
    struct traffic *traffic = open_traffic(&options->traffic);
    struct sockaddr_in to = {
        .sin_family = AF_INET, .sin_port = htons(options->port),
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
    };
    int sock = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    int fd = open(options->stats, O_RDONLY | O_CLOEXEC);
    const struct intake_stats *stats
        = mmap(NULL, sizeof *stats, PROT_READ, MAP_SHARED, fd, 0);
    uint64_t *times = xcalloc(1000000, sizeof *times);
    uint64_t end = read_clock(CLOCK_MONOTONIC) + options->seconds * 1e9;
    size_t n = 0, n_lost = 0;

    if (sock < 0 || fd < 0 || stats == MAP_FAILED
        || connect(sock, (struct sockaddr *) &to, sizeof to)) {
        ovs_fatal(errno, "can't probe");
    }
    while (read_clock(CLOCK_MONOTONIC) < end && n < 1000000) {
        uint64_t before = stats_get(&stats->counters[INTAKE_PACKETS]);
        uint8_t packet[TRAFFIC_MAX_PACKET];
        struct traffic_pick pick;
        uint64_t took = 0;

        traffic_next(traffic, &pick);
        size_t size = traffic_put_geneve(traffic, &pick,
                                         read_clock(CLOCK_REALTIME), packet);
        uint64_t start = read_clock(CLOCK_MONOTONIC);
        if (send(sock, packet, size, 0) < 0) {
            ovs_fatal(errno, "send");
        }
        while (stats_get(&stats->counters[INTAKE_PACKETS]) == before
               && took < GIVE_UP_NS) {
            took = read_clock(CLOCK_MONOTONIC) - start;
        }
        n_lost += took >= GIVE_UP_NS;
        times[n++] = took;
    }
    qsort(times, n, sizeof *times, compare_u64);
    printf("packets %zu\nlost %zu\np50 %.1f\np99 %.1f\np99.9 %.1f\n", n,
           n_lost, times[n / 2] / 1e3, times[n * 99 / 100] / 1e3,
           times[n * 999 / 1000] / 1e3);
}

int
main(int argc, char *argv[])
{
    static const struct option long_options[] = {
        { "corpus", required_argument, NULL, 'c' },
        { "population", required_argument, NULL, 'p' },
        { "snapshot", required_argument, NULL, 'S' },
        { "seconds", required_argument, NULL, 's' },
        { "probe", required_argument, NULL, 'P' },
        { "stats", required_argument, NULL, 'o' },
        { NULL, 0, NULL, 0 },
    };
    struct options o = {
        .traffic = { .max_tenant = MAX_TENANT, .max_vms = SIZE_MAX,
                     .seed = 1 },
        .seconds = 1,
    };
    int c;

    set_program_name(argv[0]);
    while ((c = getopt_long(argc, argv, "", long_options, NULL)) != -1) {
        switch (c) {
        case 'c': o.traffic.corpus = optarg; break;
        case 'p': o.traffic.population = optarg; break;
        case 'S': o.snapshot = optarg; break;
        case 's': o.seconds = strtod(optarg, NULL); break;
        case 'P': o.port = strtoul(optarg, NULL, 10); break;
        case 'o': o.stats = optarg; break;
        default: return EXIT_FAILURE;
        }
    }
    if (!o.traffic.corpus || !o.traffic.population
        || (o.port ? !o.stats : !o.snapshot)) {
        ovs_fatal(0, "give --corpus, --population, and --snapshot or --probe "
                  "and --stats");
    }
    if (o.port) {
        o.traffic.epoch = getpid();
        probe(&o);
    } else {
        measure_vms(&o, 256, "");
        measure_vms(&o, SIZE_MAX, "-of-10000-vms");
    }
    return fflush(stdout) ? EXIT_FAILURE : EXIT_SUCCESS;
}
