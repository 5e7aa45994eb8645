/* SPDX-License-Identifier: Apache-2.0
 *
 * What leaves a ring of memif because it fills too fast. */
#include "sluice-config.h"
#include "unit.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "failpoint.h"
#include "memif-fixture.h"

enum { N_BUFFERS = (1 << 20) / MEMIF_BUFFER_SIZE };

/* What stands before the VNI in GENEVE's place, and it. */
#define VNI_A "0000AAA"
#define VNI_B "0000AAB"

/* Sends packets 'begin' to 'end' of a VNI by the first ring. */
static void
send_numbers(struct fixture *f, const char *vni, int begin, int end)
{
    for (int i = begin; i < end; i++) {
        char text[32];

        snprintf(text, sizeof text, "%s %d", vni, i);
        send_text(f, 0, text, 2048);
    }
}

/* Takes the packets that are there.  Those of 'vni' are the next from '*n'
 * on. */
static void
take_numbers(struct fixture *f, const char *vni, int *n)
{
    struct record rec;

    while (receive_next(f->receive, &rec)) {
        char text[32];

        snprintf(text, sizeof text, "%s %d", vni, *n);
        if (!memcmp(rec.packet.data, vni, strlen(vni))) {
            assert_slice_equal(rec.packet, text);
            assert_memory_equal(rec.vtep, switch_self.ip, 16);
            ++*n;
        }
        receive_done(f->receive);
    }
}

static void
what_overflows_no_ring_waits_in_order(void **state)
{
    struct fixture *f = *state;
    enum { N_ROUNDS = 10 };
    uint64_t lost = 0;
    int n = 0;

    connect_both(f);
    for (int i = 0; i < N_ROUNDS; i++) {
        send_numbers(f, VNI_A, i * N_BUFFERS, (i + 1) * N_BUFFERS);
        assert_int_equal(receive_fill(f->receive, &lost), 0);
        take_numbers(f, VNI_A, &n);
        assert_int_equal(memif_peer_room(f->peer, 0), N_BUFFERS);
    }
    assert_true(n < N_ROUNDS * N_BUFFERS);
    while (!receive_fill(f->receive, &lost)) {
        take_numbers(f, VNI_A, &n);
    }
    assert_int_equal(n, N_ROUNDS * N_BUFFERS);
    assert_int_equal(lost, 0);

    /* Each goes round its end. */
    for (int i = 0; i < 10 * N_ROUNDS; i++) {
        send_numbers(f, VNI_A, n, n + N_BUFFERS);
        while (!receive_fill(f->receive, &lost)) {
            take_numbers(f, VNI_A, &n);
        }
    }
    assert_int_equal(n, 11 * N_ROUNDS * N_BUFFERS);
    assert_int_equal(lost, 0);
}

static void
who_floods_fills_his_own_queue(void **state)
{
    struct fixture *f = *state;
    int n_b = 0, sent = 0;
    uint64_t lost = 0;

    connect_both(f);
    for (; lost < 1000; sent += N_BUFFERS - 1) {
        send_numbers(f, VNI_A, sent, sent + N_BUFFERS - 1);
        send_numbers(f, VNI_B, n_b, n_b + 1);
        assert_int_equal(receive_fill(f->receive, &lost), 0);
        take_numbers(f, VNI_B, &n_b);
        /* Now the other one has its turn. */
        assert_int_equal(receive_fill(f->receive, &lost), 0);
        take_numbers(f, VNI_B, &n_b);
    }
    assert_int_equal(n_b, sent / (N_BUFFERS - 1));
}

static void
what_is_in_a_queue_survives_a_kill(void **state)
{
    struct fixture *f = *state;
    uint64_t lost = 0;
    int n = 0;

    connect_both(f);
    send_numbers(f, VNI_A, 0, N_BUFFERS);
    assert_int_equal(receive_fill(f->receive, &lost), 0);
    send_numbers(f, VNI_A, N_BUFFERS, N_BUFFERS + 100);
    kill_and_start(f);
    while (n < N_BUFFERS + 100) {
        take_numbers(f, VNI_A, &n);
        assert_int_equal(receive_fill(f->receive, &lost),
                         n < N_BUFFERS + 100 ? 0 : EAGAIN);
    }
    assert_int_equal(lost, 0);
    connect_both(f);
    send_numbers(f, VNI_A, n, n + 1);
    fill(f);
    take_numbers(f, VNI_A, &n);
    assert_int_equal(n, N_BUFFERS + 101);
}

static void
who_cannot_have_queues_leaves_the_rings_alone(void **state)
{
    struct fixture *f = *state;
    int n = 0;

    connect_both(f);
    send_numbers(f, VNI_A, 0, 3);
    kill_receiver(f);
    assert_int_equal(unlink(f->queues), 0);
    assert_int_equal(mkdir(f->queues, 0700), 0);
    assert_int_equal(try_start_at(f, intake_self.ip), EISDIR);
    assert_int_equal(rmdir(f->queues), 0);
    start(f);
    fill(f);
    take_numbers(f, VNI_A, &n);
    assert_int_equal(n, 3);
}

static void
empty_queues_have_no_memory_and_no_packet(void **state)
{
    struct fixture *f = *state;
    uint64_t lost = 0;
    struct stat s;
    int n = 0;

    connect_both(f);
    send_numbers(f, VNI_A, 0, N_BUFFERS);
    assert_int_equal(receive_fill(f->receive, &lost), 0);
    assert_int_equal(stat(f->queues, &s), 0);
    assert_true(s.st_blocks * 512 >= 1 << 20);
    take_numbers(f, VNI_A, &n);
    while (!receive_fill(f->receive, &lost)) {
        take_numbers(f, VNI_A, &n);
    }
    assert_int_equal(stat(f->queues, &s), 0);
    assert_true(s.st_blocks * 512 <= 1 << 16);
    stop(f);
    assert_int_equal(stat(f->queues, &s), -1);
}

/* What processes that are killed have in common. */
struct lives {
    uint64_t next;              /* Packet that is to come. */
    bool is_wrong;              /* Another one came. */
    struct failpoint_slot failpoints[N_FAILPOINTS];
};

static uint64_t
now_ns(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return ts.tv_sec * UINT64_C(1000000000) + ts.tv_nsec;
}

/* Lives until it is killed or comes by a failpoint: takes packets, none of
 * them twice but that which the process before it died of, more slowly than
 * they come. */
static void
live(struct fixture *f, struct lives *lives)
{
    struct record rec;
    uint64_t lost = 0;

    failpoint_slots = lives->failpoints;
    start(f);
    for (;;) {
        while (receive_next(f->receive, &rec)) {
            uint64_t number = strtoull((const char *) rec.packet.data
                                       + strlen(VNI_A), NULL, 10);

            lives->is_wrong |= lost || (number != lives->next
                                        && number + 1 != lives->next);
            lives->next = number + 1;
            for (uint64_t end = now_ns() + 2000; now_ns() < end; ) {
                continue;
            }
            receive_done(f->receive);
        }
        if (receive_fill(f->receive, &lost)) {
            receive_wait(f->receive, 1);
        }
    }
}

/* Sends to the process 'pid' what it has room for, until it ends or 'end_ns'
 * is over, or, if nothing more is to come, it has all. */
static void
feed(struct fixture *f, const struct lives *lives, pid_t pid, uint64_t *sent,
     uint64_t end_ns, bool is_last)
{
    enum { IN_FLIGHT = 6000 };
    const volatile uint64_t *next = &lives->next;

    while (!waitpid(pid, NULL, WNOHANG)) {
        if (now_ns() >= end_ns || (is_last && *next == *sent)) {
            kill(pid, SIGKILL);
            waitpid(pid, NULL, 0);
            break;
        }
        if (memif_peer_run(f->peer) && !is_last) {
            for (int n = 0; n < 300 && *sent < *next + IN_FLIGHT
                 && memif_peer_room(f->peer, 0); n++) {
                send_numbers(f, VNI_A, *sent, *sent + 1);
                ++*sent;
            }
        }
    }
}

static void
nothing_is_lost_or_out_of_order_over_kills_at_any_time(void **state)
{
    struct fixture *f = *state;
    enum { N_KILLS = 40 };
    struct lives *lives = mmap(NULL, sizeof *lives, PROT_READ | PROT_WRITE,
                               MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    unsigned int seed = 1, n_queued = 0;
    uint64_t sent = 0;
    struct stat s;

    assert_true(lives != MAP_FAILED);
    stop(f);
    for (int i = 0; i <= N_KILLS; i++) {
        bool is_last = i == N_KILLS;
        uint64_t life_ms = is_last ? 60000 : 300;

        lives->failpoints[FAIL_RECEIVE_FILLED].countdown = (
            is_last ? 0 : 1 + rand_r(&seed) % (i % 2 ? 4 : 50));
        pid_t pid = fork();
        if (!pid) {
            live(f, lives);
        }
        feed(f, lives, pid, &sent, now_ns() + life_ms * 1000000, is_last);
        n_queued += !stat(f->queues, &s) && s.st_blocks * 512 > 1 << 16;
        memif_peer_run(f->peer);
    }
    assert_false(lives->is_wrong);
    assert_int_equal(lives->next, sent);
    print_message("%"PRIu64" packets, %u of %d died with queues\n", sent,
                  n_queued, N_KILLS);
    assert_true(n_queued > 0);
    memif_peer_hang_up(f->peer);
    munmap(lives, sizeof *lives);
    start(f);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(NAME) cmocka_unit_test_setup_teardown(NAME, set_up, tear_down)
        TEST(what_overflows_no_ring_waits_in_order),
        TEST(who_floods_fills_his_own_queue),
        TEST(what_is_in_a_queue_survives_a_kill),
        TEST(nothing_is_lost_or_out_of_order_over_kills_at_any_time),
        TEST(who_cannot_have_queues_leaves_the_rings_alone),
        TEST(empty_queues_have_no_memory_and_no_packet),
#undef TEST
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
