/* SPDX-License-Identifier: Apache-2.0
 *
 * A receiver by memif and the switch's end of it, for unit tests. */
#ifndef SLUICE_MEMIF_FIXTURE_H
#define SLUICE_MEMIF_FIXTURE_H 1

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "memif-peer.h"
#include "outer.h"
#include "s1-receive.h"
#include "stats.h"
#include "unit.h"

enum { N_TO = 2, N_FROM = 3 };

static const struct outer_self switch_self = {
    .mac = { 0x02, 0, 0, 0, 0, 9 },
    .ip = { [10] = 0xff, [11] = 0xff, [12] = 198, 18, 0, 1 },
    .port = 6081,
};
static struct outer_self intake_self = {
    .ip = { [10] = 0xff, [11] = 0xff, [12] = 198, 18, 0, 2 },
    .port = 6081,
};

struct fixture {
    char rx[64], rings[64], queues[64], server[64];
    char dir[32];               /* Of a stranger's server. */
    struct intake_stats *stats;
    struct memif_peer *peer;
    struct receive *receive;
    struct receive *killed;
};

static inline uint64_t
counter(const struct fixture *f, int i)
{
    return stats_get(&f->stats->counters[i]);
}

/* Returns 0 or an errno. */
static inline int
try_start_at(struct fixture *f, const uint8_t ip[16])
{
    struct receive_memif_options options = {
        .server = f->server,
        .path = f->rings,
        .queues = f->queues,
        .port = 6081,
        .receive_buffer = 1 << 20,
        .stats = f->stats,
    };

    memcpy(&options.addr, ip, sizeof options.addr);
    return receive_memif_create(&options, f->rx, &f->receive);
}

static inline void
start_at(struct fixture *f, const uint8_t ip[16])
{
    assert_int_equal(try_start_at(f, ip), 0);
}

static inline void
start(struct fixture *f)
{
    start_at(f, intake_self.ip);
}

/* Lets both ends work until the receiver has packets, or the connection is as
 * 'up' says; that they are done with what there is, if -1. */
static inline void
work(struct fixture *f, int up)
{
    uint64_t lost = 0;

    for (int i = 0; i < 5000; i++) {
        bool connected = memif_peer_run(f->peer);

        if (!receive_fill(f->receive, &lost)) {
            assert_int_equal(up, 2);
            return;
        }
        if (up == 2 ? false
            : up == (connected && counter(f, INTAKE_MEMIF_RINGS) == N_FROM)) {
            return;
        }
        receive_wait(f->receive, 1);
    }
    fail_msg("nothing came of it");
}

static inline void
connect_both(struct fixture *f)
{
    work(f, 1);
}

/* Until packets are there. */
static inline void
fill(struct fixture *f)
{
    work(f, 2);
}

static inline int
set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    int id = getpid();

    outer_default_mac(intake_self.ip, intake_self.mac);
    snprintf(f->rx, sizeof f->rx, "/tmp/test-memif-%d.rx", id);
    snprintf(f->rings, sizeof f->rings, "/tmp/test-memif-%d.rings", id);
    snprintf(f->queues, sizeof f->queues, "/tmp/test-memif-%d.queues", id);
    snprintf(f->server, sizeof f->server, "/tmp/test-memif-%d.sock", id);
    snprintf(f->dir, sizeof f->dir, "/tmp/test-memif-%d", id);
    f->stats = calloc(1, sizeof *f->stats);
    f->peer = memif_peer_create(f->server, N_TO, N_FROM);
    assert_non_null(f->peer);
    start(f);
    *state = f;
    return 0;
}

/* The end of the process that is no kill: the peer lets go. */
static inline void
stop(struct fixture *f)
{
    memif_peer_hang_up(f->peer);
    receive_destroy(f->receive);
    f->receive = NULL;
}

static inline int
tear_down(void **state)
{
    struct fixture *f = *state;

    if (f->receive) {
        stop(f);
    }
    if (f->killed) {
        receive_destroy(f->killed);
    }
    memif_peer_destroy(f->peer);
    unlink(f->rx);
    unlink(f->rings);
    unlink(f->queues);
    free(f->stats);
    free(f);
    return 0;
}

static inline void
send_text(struct fixture *f, unsigned int ring, const char *text, size_t piece)
{
    uint8_t frame[OUTER_HEADERS_MAX + 16384];
    size_t size = outer_write(&switch_self, intake_self.mac, intake_self.ip,
                              slice_from_string(text), frame);

    assert_true(memif_peer_send(f->peer, ring, slice_of(frame, size), piece));
}

static inline void
expect_next(struct fixture *f, const char *text)
{
    struct record rec;

    assert_true(receive_next(f->receive, &rec));
    assert_slice_equal(rec.packet, text);
    assert_memory_equal(rec.vtep, switch_self.ip, 16);
    assert_true(rec.received_ns > 0);
    receive_done(f->receive);
}

static inline void
expect_none(struct fixture *f)
{
    struct record rec;

    assert_false(receive_next(f->receive, &rec));
}

/* As after kill -9: the process before left all as it was. */
static inline void
kill_receiver(struct fixture *f)
{
    /* What it knew is lost, until tear_down() frees it; its descriptors are
     * closed by the kernel. */
    assert_null(f->killed);
    f->killed = f->receive;
    f->receive = NULL;
    memif_peer_hang_up(f->peer);
}

static inline void
kill_and_start(struct fixture *f)
{
    kill_receiver(f);
    start(f);
}

#endif /* tests/unit/memif-fixture.h */
