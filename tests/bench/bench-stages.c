/* SPDX-License-Identifier: Apache-2.0
 *
 * Measures each stage of intake alone: the same lines go through one stage
 * after the other, each of which leaves its results for the next, and the
 * stage asked for is timed over many passes.
 *
 * In: a corpus, a population, a context snapshot.
 * Out: on standard output, for each stage measured, its name, the median and
 * the least CPU time of a pass in nanoseconds per line.
 * Runs in: bench.py, by itself and under callgrind, where 'measured_pass' is
 * the function whose instructions count. */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <zstd.h>

#include "batch.h"
#include "context-snapshot.h"
#include "geneve.h"
#include "inner.h"
#include "redact.h"
#include "rules.h"
#include "seal.h"
#include "syslog-msg.h"
#include "tlv.h"
#include "traffic.h"

enum {
    MAX_BODY = 256 * 1024,      /* Of a batch, as intake is configured. */
    MAX_PASSES = 1001,
};

#define REFERENCE_NS (UINT64_C(1764547200) * 1000000000)

/* A line on its way. */
struct item {
    struct slice packet;
    struct tunnel_meta meta;
    struct slice frame;
    struct inner_packet inner;
    struct slice context;
    struct slice text;          /* Redacted. */
    struct syslog_msg msg;
    const struct rules_subject *subject;

    /* Where it stands in a batch. */
    uint32_t source;            /* Its source's id there. */
    bool new_source;            /* Its source stands right before it. */
    uint8_t *source_at;
    uint8_t *line_at;
    size_t room;                /* From 'line_at' to the end of the body. */
};

struct body {
    uint8_t *raw;
    size_t raw_size;
    uint32_t n_lines;
    uint8_t *compressed;        /* Room for ZSTD_compressBound(MAX_BODY). */
    size_t compressed_size;
};

struct stages {
    struct item *items;
    size_t n_items;
    uint8_t *packets;           /* What the items' packets point into. */
    uint8_t *texts;             /* What redacted texts point into. */
    struct body *bodies;
    size_t n_bodies;
    struct snapshot *snapshot;
    struct redactor *redactor;
    struct rules *rules;
    struct rules_state *rules_state;
    struct rules_subject *subjects;
    struct sealer *sealer;
    ZSTD_CCtx *cctx;
    uint8_t *scratch;           /* As large as 'body.compressed'. */
    uint64_t n_failed;          /* Lines that a stage refused. */
    uint64_t n_redactions;
    uint64_t n_sources;
    uint64_t n_ruled_out;       /* Lines that rules drop, of a pass. */
};

/* As many rules as a large configuration of one client has: most are not for
 * most lines, six have patterns, and one looks at each line's text. */
static const struct rules_spec bench_rules[] = {
    { .name = "keep-audit", .pattern = "\\baudit\\b", .action = RULE_KEEP },
    { .name = "cron", .app = "CRON, cron, anacron",
      .severity = "info..debug", .action = RULE_DROP },
    { .name = "debug-7", .tenant = 7, .severity = "debug",
      .action = RULE_DROP },
    { .name = "logins", .facility = "auth, authpriv",
      .pattern = "Failed \\w+ for", .action = RULE_VERBOSE },
    { .name = "sudo", .app = "sudo", .action = RULE_VERBOSE },
    { .name = "dhcp", .app = "dhclient", .severity = "info",
      .action = RULE_DROP },
    { .name = "lb-health", .app = "nginx*, haproxy*",
      .pattern = "GET /health", .action = RULE_DROP },
    { .name = "sample-nginx", .app = "nginx*", .action = RULE_SAMPLE,
      .one_in = 100 },
    { .name = "sample-web", .vm = "web-1*", .severity = "info..debug",
      .action = RULE_SAMPLE, .one_in = 10 },
    { .name = "kernel-floods", .facility = "kern",
      .action = RULE_DEDUPLICATE, .window_ms = 5000 },
    { .name = "mail", .facility = "mail", .action = RULE_ROUTE,
      .destination = "mail" },
    { .name = "news", .facility = "news, uucp, lpr", .action = RULE_DROP },
    { .name = "oom", .app = "kernel", .pattern = "Out of memory",
      .action = RULE_VERBOSE },
    { .name = "disk", .app = "kernel", .pattern = "I/O error",
      .action = RULE_ROUTE, .destination = "hardware" },
    { .name = "db-slow", .app = "postgres, mysqld", .pattern = "duration: ",
      .action = RULE_ROUTE, .destination = "db" },
    { .name = "chatty", .app = "telegraf, collectd, node_exporter",
      .action = RULE_DROP },
    { .name = "test-vms", .vm = "test-*", .action = RULE_DROP },
    { .name = "staging", .vm = "staging-*", .action = RULE_ROUTE,
      .destination = "staging" },
    { .name = "local7", .facility = "local7", .action = RULE_ROUTE,
      .destination = "network" },
    { .name = "fair", .tenant = 9, .action = RULE_RATE_LIMIT, .rate = 1000,
      .per_tenant = true },
};

static void
die(const char *what, const char *why)
{
    fprintf(stderr, "bench-stages: %s: %s\n", what, why);
    exit(EXIT_FAILURE);
}

/* Without memory a benchmark has no figures. */
static void *
allocate(size_t n, size_t size)
{
    void *p = calloc(n, size);

    if (!p) {
        die("memory", strerror(ENOMEM));
    }
    return p;
}

static void
run_geneve(struct stages *s)
{
    for (size_t i = 0; i < s->n_items; i++) {
        struct item *item = &s->items[i];

        s->n_failed += geneve_parse(item->packet, SLUICE_TLV_CLASS,
                                    &item->meta, &item->frame) != 0;
    }
}

static void
run_inner(struct stages *s)
{
    for (size_t i = 0; i < s->n_items; i++) {
        struct item *item = &s->items[i];

        s->n_failed += inner_parse(item->frame, &item->inner) != 0;
    }
}

/* One look-up per line, more than intake does: see run_attach(). */
static void
run_lookup(struct stages *s)
{
    for (size_t i = 0; i < s->n_items; i++) {
        struct item *item = &s->items[i];

        s->n_failed += !snapshot_find_vm(s->snapshot, item->meta.vm,
                                         &item->context);
    }
}

static void
run_redact(struct stages *s)
{
    uint8_t *p = s->texts;

    s->n_redactions = 0;
    for (size_t i = 0; i < s->n_items; i++) {
        struct item *item = &s->items[i];
        struct redact_result result;

        redactor_run(s->redactor, item->inner.payload, NULL, &result);
        item->text = result.text;
        if (result.n_redactions) {
            memcpy(p, result.text.data, result.text.size);
            item->text.data = p;
            p += result.text.size;
            s->n_redactions += result.n_redactions;
        }
    }
}

static void
run_syslog(struct stages *s)
{
    for (size_t i = 0; i < s->n_items; i++) {
        struct item *item = &s->items[i];

        syslog_msg_parse(item->text, item->meta.time_ns, &item->msg);
    }
}

/* Finds out for each source which rules are for it, as intake does once. */
static void
plan_rules(struct stages *s)
{
    const struct item **firsts = allocate(s->n_items, sizeof *firsts);
    size_t n = 0;

    s->subjects = allocate(s->n_items, sizeof *s->subjects);
    for (size_t i = 0; i < s->n_items; i++) {
        struct item *item = &s->items[i];
        size_t j = 0;

        while (j < n && memcmp(firsts[j]->meta.vm, item->meta.vm,
                               sizeof item->meta.vm)) {
            j++;
        }
        if (j == n) {
            const struct rules_origin origin = {
                .tenant = item->meta.vni,
                .vm = item->meta.vm,
                .name = slice_from_string("app-1"),
                .identity = slice_of(item->meta.vm, sizeof item->meta.vm),
            };
            rules_subject_init(s->rules, s->rules_state, &origin,
                               &s->subjects[n]);
            firsts[n++] = item;
        }
        item->subject = &s->subjects[j];
    }
    free(firsts);
}

/* No stage behind it leaves out what it drops, so that these are measured on
 * the same lines. */
static void
run_rules(struct stages *s)
{
    s->n_ruled_out = 0;
    for (size_t i = 0; i < s->n_items; i++) {
        const struct item *item = &s->items[i];
        const struct rules_line line = {
            .subject = item->subject,
            .pri = item->msg.pri,
            .app_name = item->msg.app_name,
            .msg = item->msg.msg,
            .now_ms = i,
            .time_ns = item->meta.time_ns,
        };
        struct rules_verdict verdict;

        rules_run(s->rules, s->rules_state, &line, &verdict);
        s->n_ruled_out += verdict.drop != SLUICE_DROP_NONE;
    }
}

static size_t
put_source(uint8_t *p, size_t room, const struct item *item)
{
    static const uint8_t vtep[4] = { 127, 20, 0, 1 };
    struct batch_source source = {
        .id = item->source,
        .tenant = item->meta.vni,
        .has_vm = true,
        .ofp_port = item->meta.ofp_port,
        .vtep = slice_of(vtep, sizeof vtep),
        .context = item->context,
    };

    memcpy(source.vm, item->meta.vm, sizeof source.vm);
    memcpy(source.mac, item->inner.src_mac, sizeof source.mac);
    return batch_put_source(p, room, &source);
}

static size_t
put_line(uint8_t *p, size_t room, const struct item *item)
{
    const struct syslog_msg *msg = &item->msg;
    struct batch_line line = {
        .source = item->source,
        .switch_ns = item->meta.time_ns,
        .seq_epoch = item->meta.seq_epoch,
        .seq_number = item->meta.seq_number,
        .activity = slice_of(item->meta.activity, 16),
        .pri = msg->pri,
        .has_time = msg->has_time,
        .time_ns = msg->time_ns,
        .hostname = msg->hostname,
        .app_name = msg->app_name,
        .procid = msg->procid,
        .msgid = msg->msgid,
        .sd = msg->sd,
        .msg = msg->msg,
        .src_ip = slice_of(item->inner.src_ip, 16),
    };

    return batch_put_line(p, room, &line);
}

/* What an item's source is compared by. */
static bool
same_source(const struct item *a, const struct item *b)
{
    return !memcmp(a->meta.vm, b->meta.vm, sizeof a->meta.vm);
}

/* Lays the items out in batches, one open per tenant, as intake does: a
 * source before its first line in each.  Not timed: what it calls is, by
 * run_attach() and run_put(), which write the same again. */
static void
plan_batches(struct stages *s, uint32_t max_tenant)
{
    struct body **open = allocate(max_tenant + 1, sizeof *open);
    /* Per body, the first item of each source in it: its id is the index. */
    const struct item ***sources = allocate(s->n_items + 1, sizeof *sources);

    for (size_t i = 0; i < s->n_items; i++) {
        struct item *item = &s->items[i];
        struct body *body = open[item->meta.vni];

        for (;;) {
            if (!body) {
                body = open[item->meta.vni] = &s->bodies[s->n_bodies];
                body->raw = allocate(1, MAX_BODY);
                body->compressed = allocate(1, ZSTD_compressBound(MAX_BODY));
                sources[s->n_bodies++] = allocate(s->n_items + 1,
                                                  sizeof **sources);
            }

            const struct item **known = sources[body - s->bodies];
            uint32_t id = 1;
            while (known[id] && !same_source(known[id], item)) {
                id++;
            }
            item->source = id;
            item->new_source = !known[id];
            item->source_at = body->raw + body->raw_size;
            size_t room = MAX_BODY - body->raw_size;
            size_t head = (item->new_source
                           ? put_source(item->source_at, room, item) : 0);
            item->line_at = item->source_at + head;
            item->room = room - head;
            size_t tail = ((!item->new_source || head)
                           ? put_line(item->line_at, item->room, item) : 0);
            if (tail) {
                known[id] = known[id] ? known[id] : item;
                body->raw_size += head + tail;
                body->n_lines++;
                s->n_sources += item->new_source;
                break;
            }
            body = NULL;        /* Full. */
        }
    }
    for (size_t i = 0; i < s->n_bodies; i++) {
        free(sources[i]);
    }
    free(sources);
    free(open);
}

/* Look-up and source entry, once per source and batch, as in intake. */
static void
run_attach(struct stages *s)
{
    for (size_t i = 0; i < s->n_items; i++) {
        struct item *item = &s->items[i];

        if (item->new_source) {
            s->n_failed += (!snapshot_find_vm(s->snapshot, item->meta.vm,
                                              &item->context)
                            || !put_source(item->source_at,
                                           item->line_at - item->source_at,
                                           item));
        }
    }
}

static void
run_put(struct stages *s)
{
    for (size_t i = 0; i < s->n_items; i++) {
        struct item *item = &s->items[i];

        s->n_failed += !put_line(item->line_at, item->room, item);
    }
}

static void
run_zstd(struct stages *s)
{
    for (size_t i = 0; i < s->n_bodies; i++) {
        struct body *body = &s->bodies[i];

        body->compressed_size = ZSTD_compress2(
            s->cctx, body->compressed, ZSTD_compressBound(MAX_BODY),
            body->raw, body->raw_size);
        s->n_failed += ZSTD_isError(body->compressed_size) != 0;
    }
}

/* The proof, before the source goes, that it can be decompressed. */
static void
run_unzstd(struct stages *s)
{
    for (size_t i = 0; i < s->n_bodies; i++) {
        struct body *body = &s->bodies[i];
        size_t n = ZSTD_decompress(s->scratch, MAX_BODY, body->compressed,
                                   body->compressed_size);

        s->n_failed += (n != body->raw_size
                        || memcmp(s->scratch, body->raw, n) != 0);
    }
}

static void
run_encrypt(struct stages *s)
{
    static const uint8_t key[32], nonce[24];

    for (size_t i = 0; i < s->n_bodies; i++) {
        struct body *body = &s->bodies[i];

        crypto_aead_xchacha20poly1305_ietf_encrypt(
            s->scratch, NULL, body->compressed, body->compressed_size,
            NULL, 0, NULL, nonce, key);
    }
}

/* zstd, its proof and the encryption in one, as intake calls it. */
static void
run_seal(struct stages *s)
{
    for (size_t i = 0; i < s->n_bodies; i++) {
        struct body *body = &s->bodies[i];
        struct seal_header header = {
            .tenant = 1, .n_lines = body->n_lines, .number = i,
        };
        struct slice file;

        s->n_failed += sealer_run(s->sealer, &header,
                                  slice_of(body->raw, body->raw_size),
                                  &file) != 0;
    }
}

struct stage {
    const char *name;
    void (*run)(struct stages *);
};
static const struct stage stage_list[] = {
    { "geneve", run_geneve },
    { "inner", run_inner },
    { "lookup", run_lookup },
    { "redact", run_redact },
    { "syslog", run_syslog },
    { "rules", run_rules },
    { "attach", run_attach },
    { "put", run_put },
    { "zstd", run_zstd },
    { "unzstd", run_unzstd },
    { "encrypt", run_encrypt },
    { "seal", run_seal },
};
enum { N_STAGES = sizeof stage_list / sizeof *stage_list };

/* One pass over all lines.  Never inlined nor cloned: callgrind counts what
 * happens within a function of this name. */
__attribute__((noipa)) static void
measured_pass(const struct stage *stage, struct stages *s)
{
    stage->run(s);
}

static uint64_t
cpu_ns(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
    return ts.tv_sec * UINT64_C(1000000000) + ts.tv_nsec;
}

static int
compare_u64(const void *a_, const void *b_)
{
    uint64_t a, b;

    memcpy(&a, a_, sizeof a);
    memcpy(&b, b_, sizeof b);
    return (a > b) - (a < b);
}

static void
measure(const struct stage *stage, struct stages *s, double seconds)
{
    static uint64_t passes[MAX_PASSES];
    uint64_t total = 0;
    size_t n = 0;

    do {
        uint64_t start = cpu_ns();
        measured_pass(stage, s);
        passes[n] = cpu_ns() - start;
        total += passes[n++];
    } while (total < seconds * 1e9 && n < MAX_PASSES);

    qsort(passes, n, sizeof *passes, compare_u64);
    printf("%s %.2f %.2f\n", stage->name,
           (double) passes[n / 2] / s->n_items,
           (double) passes[0] / s->n_items);
    fflush(stdout);
}

struct stages_options {
    struct traffic_options traffic;
    const char *snapshot;
    const char *stage;          /* Null: all. */
    size_t n_lines;
    double seconds;             /* Of CPU per stage; 0: one pass. */
};

static void
prepare(struct stages *s, const struct stages_options *options)
{
    struct traffic *traffic;
    char *error = traffic_create(&options->traffic, &traffic);
    if (error) {
        die("traffic", error);
    }

    memset(s, 0, sizeof *s);
    s->n_items = options->n_lines;
    s->items = allocate(s->n_items, sizeof *s->items);
    s->packets = allocate(s->n_items, TRAFFIC_MAX_PACKET);
    s->texts = allocate(s->n_items, TRAFFIC_MAX_LINE * 2);
    s->bodies = allocate(s->n_items, sizeof *s->bodies);
    s->scratch = allocate(1, ZSTD_compressBound(MAX_BODY) + 64);
    uint8_t *p = s->packets;
    for (size_t i = 0; i < s->n_items; i++) {
        struct traffic_pick pick;

        traffic_next(traffic, &pick);
        size_t size = traffic_put_geneve(traffic, &pick, REFERENCE_NS + i, p);
        s->items[i].packet = slice_of(p, size);
        p += size;
    }
    traffic_destroy(traffic);

    uint8_t public[crypto_box_PUBLICKEYBYTES];
    uint8_t secret[crypto_box_SECRETKEYBYTES];
    if (sodium_init() < 0 || crypto_box_keypair(public, secret)) {
        die("libsodium", "no key pair");
    }
    s->cctx = ZSTD_createCCtx();
    s->sealer = sealer_create(public, MAX_BODY);
    if (!s->cctx || !s->sealer
        || ZSTD_isError(ZSTD_CCtx_setParameter(s->cctx,
                                               ZSTD_c_compressionLevel,
                                               SEAL_ZSTD_LEVEL))
        || ZSTD_isError(ZSTD_CCtx_setParameter(s->cctx, ZSTD_c_hashLog,
                                               SEAL_ZSTD_HASH_LOG))) {
        die("sealer", "can't be made");
    }
    int retval = redactor_create(&s->redactor);
    if (retval) {
        die("redaction rules", strerror(retval));
    }
    static const uint8_t key[RULES_KEY_SIZE];
    error = rules_create(bench_rules,
                         sizeof bench_rules / sizeof *bench_rules, &s->rules);
    if (error) {
        die("client rules", error);
    }
    s->rules_state = rules_state_create(key);
    if (!s->rules_state) {
        die("client rules", strerror(ENOMEM));
    }
    retval = snapshot_open(options->snapshot, &s->snapshot);
    if (retval) {
        die(options->snapshot, strerror(retval));
    }
}

static void
release(struct stages *s)
{
    for (size_t i = 0; i < s->n_bodies; i++) {
        free(s->bodies[i].raw);
        free(s->bodies[i].compressed);
    }
    free(s->items);
    free(s->packets);
    free(s->texts);
    free(s->bodies);
    free(s->scratch);
    ZSTD_freeCCtx(s->cctx);
    sealer_destroy(s->sealer);
    redactor_destroy(s->redactor);
    rules_destroy(s->rules);
    rules_state_destroy(s->rules_state);
    free(s->subjects);
    snapshot_close(s->snapshot);
}

static void
parse_options(int argc, char *argv[], struct stages_options *o)
{
    static const struct option longopts[] = {
        { "corpus", required_argument, NULL, 'c' },
        { "population", required_argument, NULL, 'p' },
        { "snapshot", required_argument, NULL, 'S' },
        { "tenants", required_argument, NULL, 't' },
        { "vms", required_argument, NULL, 'v' },
        { "lines", required_argument, NULL, 'n' },
        { "seconds", required_argument, NULL, 's' },
        { "stage", required_argument, NULL, 'x' },
        { NULL, 0, NULL, 0 },
    };

    memset(o, 0, sizeof *o);
    o->traffic.max_tenant = 16;
    o->traffic.max_vms = 256;
    o->traffic.seed = 1;
    o->n_lines = 20000;
    o->seconds = 1;
    for (;;) {
        int option = getopt_long(argc, argv, "", longopts, NULL);
        if (option == -1) {
            break;
        }
        switch (option) {
        case 'c': o->traffic.corpus = optarg; break;
        case 'p': o->traffic.population = optarg; break;
        case 'S': o->snapshot = optarg; break;
        case 't': o->traffic.max_tenant = strtoul(optarg, NULL, 10); break;
        case 'v': o->traffic.max_vms = strtoul(optarg, NULL, 10); break;
        case 'n': o->n_lines = strtoul(optarg, NULL, 10); break;
        case 's': o->seconds = strtod(optarg, NULL); break;
        case 'x': o->stage = optarg; break;
        default: exit(EXIT_FAILURE);
        }
    }
    if (!o->traffic.corpus || !o->traffic.population || !o->snapshot
        || !o->n_lines || optind != argc) {
        fputs("usage: bench-stages --corpus FILE --population FILE --snapshot "
              "FILE\n         [--tenants N] [--vms N] [--lines N] "
              "[--seconds N] [--stage NAME]\n", stderr);
        exit(EXIT_FAILURE);
    }
}

int
main(int argc, char *argv[])
{
    struct stages_options options;
    struct stages s;
    bool found = false;

    parse_options(argc, argv, &options);
    prepare(&s, &options);
    for (size_t i = 0; i < N_STAGES; i++) {
        const struct stage *stage = &stage_list[i];

        if (stage->run == run_rules) {
            plan_rules(&s);
        }
        if (stage->run == run_attach) {
            plan_batches(&s, options.traffic.max_tenant);
        }
        if (!options.stage || !strcmp(stage->name, options.stage)) {
            measure(stage, &s, options.seconds);
            found = true;
        } else {
            stage->run(&s);
        }
    }

    size_t raw = 0, compressed = 0;
    for (size_t i = 0; i < s.n_bodies; i++) {
        raw += s.bodies[i].raw_size;
        compressed += s.bodies[i].compressed_size;
    }
    fprintf(stderr, "%zu lines, %zu batches, %"PRIu64" sources, %"PRIu64
            " redactions a pass, %"PRIu64" ruled out, %zu bytes raw, %zu "
            "compressed, %"PRIu64" refused\n", s.n_items, s.n_bodies,
            s.n_sources, s.n_redactions, s.n_ruled_out, raw, compressed,
            s.n_failed);
    int status = found && !s.n_failed ? EXIT_SUCCESS : EXIT_FAILURE;
    release(&s);
    return status;
}
