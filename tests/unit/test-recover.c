/* SPDX-License-Identifier: Apache-2.0
 *
 * What a new sluice-intake makes of packets, and of what it does between
 * packets, that others died of. */
#include "sluice-config.h"      /* For nftw(). */

#include "unit.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "batch.h"
#include "pipeline.h"
#include "proxy-config.h"
#include "remove-tree.h"
#include "seal.h"
#include "signed-packet.h"
#include "spool.h"
#include "stats.h"
#include "udp-pair.h"

struct fixture {
    char dir[64];
    char rx[80], held[80], open_dir[80], spool[80];
    char public_key[80], secret_key[80];
    struct tunnel_sockets sockets; /* Receive. */
    int sender;
    struct config *config;      /* Null: none. */
    struct intake_stats *stats;
    struct receive *receive;
};

static int
set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);

    snprintf(f->dir, sizeof f->dir, "/tmp/sluice-test-recover.XXXXXX");
    assert_non_null(mkdtemp(f->dir));
    snprintf(f->rx, sizeof f->rx, "%s/rx", f->dir);
    snprintf(f->open_dir, sizeof f->open_dir, "%s/open", f->dir);
    snprintf(f->spool, sizeof f->spool, "%s/spool", f->dir);
    snprintf(f->public_key, sizeof f->public_key, "%s/key.pub", f->dir);
    snprintf(f->secret_key, sizeof f->secret_key, "%s/key", f->dir);
    snprintf(f->held, sizeof f->held, "%s/held", f->dir);
    assert_int_equal(mkdir(f->open_dir, 0700), 0);
    assert_int_equal(mkdir(f->spool, 0700), 0);
    assert_int_equal(seal_key_generate(f->secret_key, f->public_key), 0);
    f->stats = mmap(NULL, sizeof *f->stats, PROT_READ | PROT_WRITE,
                    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_true(f->stats != MAP_FAILED);

    udp_pair_open(&f->sockets, &f->sender);
    assert_int_equal(receive_socket_create(&f->sockets, f->rx, &f->receive), 0);
    *state = f;
    return 0;
}

static int
tear_down(void **state)
{
    struct fixture *f = *state;

    receive_destroy(f->receive);
    tunnel_sockets_close(&f->sockets);
    close(f->sender);
    munmap(f->stats, sizeof *f->stats);
    config_destroy(f->config);
    assert_int_equal(remove_tree(f->dir), 0);
    free(f);
    return 0;
}

static void
send_packet(struct fixture *f, uint32_t number)
{
    const struct signed_packet_spec spec = {
        .vni = 7, .ofp_port = 1, .epoch = 1, .number = number,
    };
    struct signed_packet packet;

    signed_packet_make(&packet, &spec);
    assert_int_equal(send(f->sender, packet.bytes, packet.size, 0),
                     packet.size);
}

/* A process begins with what is there, and dies of it. */
static void
die(struct fixture *f)
{
    receive_try(f->receive);
    receive_destroy(f->receive);
    assert_int_equal(receive_socket_create(&f->sockets, f->rx, &f->receive), 0);
}

/* Another one lives. */
static void
recover(struct fixture *f)
{
    const struct pipeline_options options = {
        .option_class = SLUICE_TLV_CLASS,
        .config = f->config,
        .held = f->config ? f->held : NULL,
        .receive = f->receive,
        .stats = f->stats,
        .store = {
            .open_dir = f->open_dir,
            .spool = f->spool,
            .public_key = f->public_key,
            .max_bytes = 256 * 1024,
            .max_delay_ms = 1000,
            .stats = f->stats,
        },
    };
    struct pipeline *pipeline;

    assert_null(pipeline_create(&options, &pipeline));
    assert_null(pipeline_recover(pipeline));
    pipeline_flush(pipeline);
    pipeline_destroy(pipeline);
}

static void
fill(struct fixture *f)
{
    uint64_t lost = 0;

    assert_int_equal(receive_fill(f->receive, &lost), 0);
    assert_int_equal(lost, 0);
}

static void
assert_counted(const struct fixture *f, uint64_t packets, uint64_t poison)
{
    const struct stats_tenant *t = intake_stats_tenant(f->stats, 7);

    assert_int_equal(f->stats->counters[INTAKE_PACKETS], packets);
    assert_int_equal(f->stats->counters[INTAKE_DROPPED], poison);
    assert_int_equal(f->stats->drops[SLUICE_DROP_POISON], poison);
    assert_int_equal(t->counters[TENANT_RECEIVED], packets - poison);
}

static void
a_packet_that_kills_again_and_again_is_dropped(void **state)
{
    struct fixture *f = *state;

    send_packet(f, 1);
    send_packet(f, 2);
    fill(f);
    for (int i = 0; i < 3; i++) {
        die(f);
    }
    recover(f);
    assert_counted(f, 2, 1);
}

static void
a_packet_that_killed_less_often_is_not(void **state)
{
    struct fixture *f = *state;

    send_packet(f, 1);
    send_packet(f, 2);
    fill(f);
    die(f);
    die(f);
    recover(f);
    assert_counted(f, 2, 0);
}

static void
a_packet_is_not_blamed_for_the_deaths_before_it(void **state)
{
    struct fixture *f = *state;

    send_packet(f, 1);
    send_packet(f, 2);
    fill(f);
    die(f);
    die(f);
    receive_try(f->receive);
    receive_done(f->receive);
    die(f);
    recover(f);
    assert_counted(f, 1, 0);
}

static void
lines_of_such_a_packet_that_were_through_are_in_the_books(void **state)
{
    const struct receive_intent intent = { .tenant = 7, .generation = 1 };
    struct fixture *f = *state;

    send_packet(f, 1);
    fill(f);
    receive_intend(f->receive, &intent);
    receive_settle(f->receive, SLUICE_DROP_NONE);
    receive_settle(f->receive, SLUICE_DROP_LINE_TOO_LONG);
    for (int i = 0; i < 3; i++) {
        die(f);
    }
    recover(f);

    const struct stats_tenant *t = intake_stats_tenant(f->stats, 7);
    assert_int_equal(f->stats->drops[SLUICE_DROP_POISON], 1);
    assert_int_equal(t->counters[TENANT_RECEIVED], 2);
    assert_int_equal(t->counters[TENANT_DROPPED], 1);
    assert_int_equal(t->drops[SLUICE_DROP_LINE_TOO_LONG], 1);
}

/* Fragments that a VM can have waiting, of a tenant who has the least. */
enum { MAX_FRAGMENTS_OF_VM = 8, FRAGMENT_SIZE = 256 };

/* Sends the first fragment of datagram 'number'. */
static void
send_fragment(struct fixture *f, uint32_t number)
{
    const struct signed_packet_spec spec = {
        .vni = 7, .tenant = 7, .ofp_port = 1, .epoch = 1, .number = number,
    };
    struct signed_packet packet;

    signed_packet_make(&packet, &spec);
    uint8_t *ip = (packet.bytes + packet.size
                   - (20 + 8 + SIGNED_PACKET_LINE_SIZE));
    sluice_tlv_put_be16(ip + 2, 20 + FRAGMENT_SIZE);
    sluice_tlv_put_be16(ip + 4, number);
    sluice_tlv_put_be16(ip + 6, 0x2000);
    assert_int_equal(send(f->sender, packet.bytes, packet.size, 0),
                     packet.size);
}

/* Makes the packets of which the last has stage 4 give up the first. */
static void
send_one_too_many(struct fixture *f)
{
    static const char text[] = "tenants: [{id: 7, name: a, server: 'h:1'}]\n"
                               "reassembly: {tenant-flows: 16}\n";

    assert_null(config_parse("f", text, strlen(text), &f->config));
    recover(f);                 /* Makes the files. */
    for (uint32_t i = 0; i <= MAX_FRAGMENTS_OF_VM; i++) {
        send_fragment(f, i + 1);
    }
    fill(f);
}

/* A process that can make no file as large as an open batch, and so dies of
 * SIGXFSZ when it announces something.  Returns whether it did. */
static bool
dies_announcing(struct fixture *f)
{
    int status;
    pid_t pid = fork();

    if (!pid) {
        const struct rlimit none = { 0, 0 };
        const struct rlimit small = { 4096, 4096 };

        /* What it says may go to a file. */
        int null = open("/dev/null", O_WRONLY);
        if (dup2(null, STDERR_FILENO) < 0 || dup2(null, STDOUT_FILENO) < 0
            || signal(SIGXFSZ, SIG_DFL) == SIG_ERR
            || setrlimit(RLIMIT_CORE, &none)
            || setrlimit(RLIMIT_FSIZE, &small)) {
            _exit(99);
        }
        recover(f);
        _exit(0);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    if (WIFSIGNALED(status)) {
        assert_int_equal(WTERMSIG(status), SIGXFSZ);
        return true;
    }
    assert_int_equal(WEXITSTATUS(status), 0);
    return false;
}

/* Checks that the spool has one line, a gap record of 'reason'. */
static void
assert_announced(struct fixture *f, const char *reason)
{
    static const struct spool_queue queue = { 7, SPOOL_MAIN_QUEUE };
    struct batch_reader reader;
    struct batch_entry e;
    struct spool_item item;
    struct seal_header h;
    struct seal_key *key;
    struct spool *spool;
    uint8_t *file, *raw;
    size_t size;
    int n = 0;

    assert_int_equal(spool_open(f->spool, &spool), 0);
    assert_int_equal(spool_next(spool, &queue, NULL, &item), 0);
    assert_int_equal(spool_read(spool, &item, &file, &size), 0);
    assert_int_equal(seal_key_read(f->secret_key, &key), 0);
    assert_int_equal(seal_open(key, slice_of(file, size), &h, &raw), SEAL_OK);
    batch_reader_init(&reader, slice_of(raw, h.raw_size));
    while (batch_reader_next(&reader, &e) != BATCH_END) {
        assert_int_not_equal(e.kind, BATCH_MALFORMED);
        if (e.kind == BATCH_LINE) {
            assert_true(slice_equal(e.line.gap.reason,
                                    slice_from_string(reason)));
            assert_int_equal(e.line.gap.packets, 1);
            assert_int_equal(e.line.gap.bytes, FRAGMENT_SIZE);
            n++;
        }
    }
    assert_int_equal(n, 1);
    seal_key_destroy(key);
    free(raw);
    free(file);
    spool_close(spool);
}

/* Checks the books of tenant 7, of whom one datagram was given up. */
static void
assert_given_up(const struct fixture *f, enum sluice_drop drop, bool told)
{
    const struct stats_tenant *t = intake_stats_tenant(f->stats, 7);

    assert_int_equal(t->counters[TENANT_FRAGMENTS], MAX_FRAGMENTS_OF_VM + 1);
    assert_int_equal(t->counters[TENANT_RECEIVED], 1);
    assert_int_equal(t->counters[TENANT_DROPPED], 1);
    assert_int_equal(t->drops[drop], 1);
    assert_int_equal(f->stats->drops[drop], 1);
    assert_int_equal(t->counters[TENANT_ANNOUNCED], told);
    assert_int_equal(t->counters[TENANT_UNTOLD], !told);
    assert_int_equal(t->counters[TENANT_SPOOLED], told);
}

static void
a_datagram_that_kills_again_and_again_is_given_up(void **state)
{
    struct fixture *f = *state;

    send_one_too_many(f);
    for (int i = 0; i < 3; i++) {
        assert_true(dies_announcing(f));
    }
    recover(f);
    assert_given_up(f, SLUICE_DROP_POISON, true);
    assert_announced(f, "poison");
}

static void
a_datagram_that_killed_less_often_is_not_blamed(void **state)
{
    struct fixture *f = *state;

    send_one_too_many(f);
    for (int i = 0; i < 2; i++) {
        assert_true(dies_announcing(f));
    }
    recover(f);
    assert_given_up(f, SLUICE_DROP_HOLD_LIMIT, true);
    assert_announced(f, "fragments");
}

static void
if_telling_of_it_kills_too_it_is_given_up_untold(void **state)
{
    struct fixture *f = *state;
    int n = 0;

    send_one_too_many(f);
    while (dies_announcing(f)) {
        assert_true(++n < 10);
    }
    assert_int_equal(n, 6);
    assert_given_up(f, SLUICE_DROP_POISON, false);
}

#define TEST(NAME) cmocka_unit_test_setup_teardown(NAME, set_up, tear_down)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_packet_that_kills_again_and_again_is_dropped),
        TEST(a_packet_that_killed_less_often_is_not),
        TEST(a_packet_is_not_blamed_for_the_deaths_before_it),
        TEST(lines_of_such_a_packet_that_were_through_are_in_the_books),
        TEST(a_datagram_that_kills_again_and_again_is_given_up),
        TEST(a_datagram_that_killed_less_often_is_not_blamed),
        TEST(if_telling_of_it_kills_too_it_is_given_up_untold),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
