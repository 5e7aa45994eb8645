/* SPDX-License-Identifier: Apache-2.0
 *
 * What a new sluice-intake makes of packets that others died of. */
#include "sluice-config.h"      /* For nftw(). */

#include "unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "pipeline.h"
#include "remove-tree.h"
#include "seal.h"
#include "signed-packet.h"
#include "stats.h"
#include "udp-pair.h"

struct fixture {
    char dir[64];
    char rx[80], open_dir[80], spool[80], public_key[80];
    int fd;                     /* Receives. */
    int sender;
    struct intake_stats *stats;
    struct receive *receive;
};

static int
set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    char secret_key[80];

    snprintf(f->dir, sizeof f->dir, "/tmp/sluice-test-recover.XXXXXX");
    assert_non_null(mkdtemp(f->dir));
    snprintf(f->rx, sizeof f->rx, "%s/rx", f->dir);
    snprintf(f->open_dir, sizeof f->open_dir, "%s/open", f->dir);
    snprintf(f->spool, sizeof f->spool, "%s/spool", f->dir);
    snprintf(f->public_key, sizeof f->public_key, "%s/key.pub", f->dir);
    snprintf(secret_key, sizeof secret_key, "%s/key", f->dir);
    assert_int_equal(mkdir(f->open_dir, 0700), 0);
    assert_int_equal(mkdir(f->spool, 0700), 0);
    assert_int_equal(seal_key_generate(secret_key, f->public_key), 0);
    f->stats = calloc(1, sizeof *f->stats);

    udp_pair_open(&f->fd, &f->sender);
    assert_int_equal(receive_socket_create(f->fd, f->rx, &f->receive), 0);
    *state = f;
    return 0;
}

static int
tear_down(void **state)
{
    struct fixture *f = *state;

    receive_socket_destroy(f->receive);
    close(f->fd);
    close(f->sender);
    free(f->stats);
    assert_int_equal(remove_tree(f->dir), 0);
    free(f);
    return 0;
}

static void
send_packet(struct fixture *f, uint32_t number)
{
    const struct signed_packet_spec spec = {
        .vni = 7, .tenant = 7, .ofp_port = 1, .epoch = 1, .number = number,
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
    receive_socket_try(f->receive);
    receive_socket_destroy(f->receive);
    assert_int_equal(receive_socket_create(f->fd, f->rx, &f->receive), 0);
}

/* Another one lives. */
static void
recover(struct fixture *f)
{
    const struct pipeline_options options = {
        .option_class = SLUICE_TLV_CLASS,
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
    pipeline_destroy(pipeline);
}

static void
fill(struct fixture *f)
{
    uint64_t lost = 0;

    assert_int_equal(receive_socket_fill(f->receive, &lost), 0);
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
    receive_socket_try(f->receive);
    receive_socket_done(f->receive);
    die(f);
    recover(f);
    assert_counted(f, 1, 0);
}

#define TEST(NAME) cmocka_unit_test_setup_teardown(NAME, set_up, tear_down)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_packet_that_kills_again_and_again_is_dropped),
        TEST(a_packet_that_killed_less_often_is_not),
        TEST(a_packet_is_not_blamed_for_the_deaths_before_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
