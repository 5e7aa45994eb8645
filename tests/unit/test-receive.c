/* SPDX-License-Identifier: Apache-2.0 */
#include "sluice-config.h"      /* For memmem(). */
#include "unit.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "s1-receive.h"
#include "udp-pair.h"

struct fixture {
    char path[64];
    struct tunnel_sockets sockets; /* Receive. */
    int sender;
    struct receive *receive;
};

static int
set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);

    snprintf(f->path, sizeof f->path, "/tmp/test-receive-%d", (int) getpid());
    udp_pair_open(&f->sockets, &f->sender);
    assert_int_equal(receive_socket_create(&f->sockets, f->path, &f->receive), 0);
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
    unlink(f->path);
    free(f);
    return 0;
}

/* As if the process had been killed and started again: what it knew beyond
 * the file is gone. */
static void
restart(struct fixture *f)
{
    receive_destroy(f->receive);
    assert_int_equal(receive_socket_create(&f->sockets, f->path, &f->receive), 0);
}

static void
send_text(const struct fixture *f, const char *text)
{
    assert_int_equal(send(f->sender, text, strlen(text), 0), strlen(text));
}

/* Datagrams on loopback are in the socket when send() returns. */
static void
fill(struct fixture *f)
{
    uint64_t lost = 0;

    assert_int_equal(receive_fill(f->receive, &lost), 0);
    assert_int_equal(lost, 0);
}

static void
expect_next(struct fixture *f, const char *text)
{
    static const uint8_t loopback[16] = {
        [10] = 0xff, [11] = 0xff, [12] = 127, [15] = 1
    };
    struct record rec;

    assert_true(receive_next(f->receive, &rec));
    assert_slice_equal(rec.packet, text);
    assert_memory_equal(rec.vtep, loopback, sizeof loopback);
    assert_true(rec.received_ns > 0);
}

static void
expect_none(struct fixture *f)
{
    struct record rec;

    assert_false(receive_next(f->receive, &rec));
}

static void
packets_come_in_order_and_once(void **state)
{
    struct fixture *f = *state;

    expect_none(f);
    send_text(f, "one");
    send_text(f, "two");
    fill(f);
    expect_next(f, "one");
    receive_done(f->receive);
    expect_next(f, "two");
    receive_done(f->receive);
    expect_none(f);
}

static void
an_empty_datagram_hides_none_behind_it(void **state)
{
    struct fixture *f = *state;

    send_text(f, "");
    send_text(f, "behind");
    fill(f);
    expect_next(f, "");
    receive_done(f->receive);
    expect_next(f, "behind");
}

static void
packets_that_left_the_socket_survive_a_kill(void **state)
{
    struct fixture *f = *state;

    send_text(f, "one");
    send_text(f, "two");
    send_text(f, "three");
    fill(f);
    expect_next(f, "one");
    receive_done(f->receive);
    restart(f);
    expect_next(f, "two");
    receive_done(f->receive);
    restart(f);
    expect_next(f, "three");
    receive_done(f->receive);
    restart(f);
    expect_none(f);
}

static void
an_intent_survives_a_kill_until_the_packet_is_done(void **state)
{
    struct fixture *f = *state;
    const struct receive_intent intent = {
        .tenant = 7, .generation = 2, .number = 9, .size = 1234,
    };
    struct receive_interrupted found;

    send_text(f, "one");
    send_text(f, "two");
    fill(f);
    assert_false(receive_interrupted(f->receive, &found));
    receive_intend(f->receive, &intent);
    restart(f);
    assert_true(receive_interrupted(f->receive, &found));
    assert_int_equal(found.intent.tenant, 7);
    assert_int_equal(found.intent.generation, 2);
    assert_int_equal(found.intent.number, 9);
    assert_int_equal(found.intent.size, 1234);
    receive_done(f->receive);
    restart(f);
    assert_false(receive_interrupted(f->receive, &found));
    expect_next(f, "two");
}

static void
an_intent_is_about_one_packet(void **state)
{
    struct fixture *f = *state;
    const struct receive_intent intent = { .tenant = 7 };
    struct receive_interrupted found;

    send_text(f, "one");
    fill(f);
    receive_intend(f->receive, &intent);
    receive_done(f->receive);
    send_text(f, "two");
    fill(f);
    restart(f);
    assert_false(receive_interrupted(f->receive, &found));
    expect_next(f, "two");
}

static void
lines_of_a_packet_that_were_through_are_known_after_a_kill(void **state)
{
    struct fixture *f = *state;
    const struct receive_intent intent = { .tenant = 7, .size = 1 };
    struct receive_interrupted found;

    send_text(f, "one");
    send_text(f, "two");
    fill(f);
    for (int i = 0; i < 3; i++) {
        receive_intend(f->receive, &intent);
        receive_settle(f->receive, (i == 1 ? SLUICE_DROP_RULE_SAMPLE
                                    : SLUICE_DROP_NONE));
    }
    restart(f);
    assert_true(receive_interrupted(f->receive, &found));
    assert_false(found.is_task);
    assert_int_equal(found.settled.n_lines, 3);
    struct receive_settled settled = found.settled;
    assert_int_equal(receive_take_settled(&settled), SLUICE_DROP_RULE_SAMPLE);
    assert_int_equal(receive_take_settled(&settled), SLUICE_DROP_NONE);
    assert_int_equal(receive_take_settled(&settled), SLUICE_DROP_NONE);
    assert_int_equal(settled.n_lines, 0);
    assert_false(found.intended);
    receive_intend(f->receive, &intent);
    restart(f);
    assert_true(receive_interrupted(f->receive, &found));
    assert_true(found.intended);
    receive_done(f->receive);
    assert_false(receive_interrupted(f->receive, &found));
    expect_next(f, "two");
}

static void
a_task_is_known_after_a_kill_until_it_ends(void **state)
{
    struct fixture *f = *state;
    const struct receive_task task = { .kind = 1, .slot = 2, .value = 3 };
    struct receive_interrupted found;

    send_text(f, "one");
    fill(f);
    receive_begin_task(f->receive, &task);
    restart(f);
    assert_true(receive_interrupted(f->receive, &found));
    assert_true(found.is_task);
    assert_int_equal(found.task.kind, 1);
    assert_int_equal(found.task.slot, 2);
    assert_int_equal(found.task.value, 3);
    assert_int_equal(found.settled.n_lines, 0);
    receive_end_task(f->receive);
    restart(f);
    assert_false(receive_interrupted(f->receive, &found));
    expect_next(f, "one");
}

static bool
file_has(const struct fixture *f, const char *text)
{
    static char buffer[1 << 20];
    FILE *file = fopen(f->path, "r");

    assert_non_null(file);
    size_t n = fread(buffer, 1, sizeof buffer, file);
    fclose(file);
    return memmem(buffer, n, text, strlen(text)) != NULL;
}

static void
packets_do_not_stay_in_the_file_after_the_end(void **state)
{
    struct fixture *f = *state;

    send_text(f, "header, hunter2");
    send_text(f, "header, swordfish");
    fill(f);
    receive_done(f->receive);
    restart(f);
    assert_true(file_has(f, "swordfish"));
    receive_done(f->receive);
    restart(f);
    assert_false(file_has(f, "hunter2"));
    assert_false(file_has(f, "swordfish"));
}

/* As if the master had been started again, too. */
static void
replace_socket(struct fixture *f)
{
    struct in6_addr addr;
    struct sockaddr_in sin;
    socklen_t size = sizeof sin;

    receive_destroy(f->receive);
    tunnel_sockets_close(&f->sockets);
    inet_pton(AF_INET6, "::ffff:127.0.0.1", &addr);
    assert_int_equal(tunnel_sockets_bind(&addr, 0, NULL, &f->sockets), 0);
    assert_int_equal(getsockname(f->sockets.fds[0], (struct sockaddr *) &sin, &size), 0);
    assert_int_equal(connect(f->sender, (struct sockaddr *) &sin, size), 0);
    assert_int_equal(receive_socket_create(&f->sockets, f->path, &f->receive), 0);
}

static void
what_the_kernel_drops_is_counted_once(void **state)
{
    struct fixture *f = *state;
    uint64_t n_sent = 0, n_received = 0, lost = 0;
    char payload[1000] = "x";

    for (int round = 0; round < 4; round++) {
        if (round == 2) {
            replace_socket(f);
        }
        assert_int_equal(tunnel_sockets_set_buffer(&f->sockets, 1), 0);
        /* The new socket's first figure is above the old one's last. */
        for (int i = 0; i < (round < 2 ? 50 : 500); i++) {
            assert_int_equal(send(f->sender, payload, sizeof payload, 0),
                             sizeof payload);
            n_sent++;
        }
        while (!receive_fill(f->receive, &lost)) {
            struct record rec;
            while (receive_next(f->receive, &rec)) {
                receive_done(f->receive);
                n_received++;
            }
        }
        restart(f);

        /* The figure comes with the next packet. */
        send_text(f, "last");
        assert_int_equal(receive_fill(f->receive, &lost), 0);
        receive_done(f->receive);
        assert_int_equal(n_sent, n_received + lost);
    }
    assert_true(lost > 0);
}

/* Sends a packet for 'vni' of which byte 8 is 'number'. */
static void
send_for(const struct fixture *f, uint8_t vni, uint8_t number)
{
    const uint8_t packet[1000] = { [6] = vni, [8] = number };

    assert_int_equal(send(f->sender, packet, sizeof packet, 0), sizeof packet);
}

/* Takes all packets that there are.  Counts those of each VNI, and of VNI 2
 * those before it that are not. */
static void
take_all(struct fixture *f, unsigned int n_of[4], unsigned int *n_before,
         uint64_t *lost)
{
    uint8_t latest[4] = { 0 };
    struct record rec;

    *lost = *n_before = 0;
    while (!receive_fill(f->receive, lost)) {
        while (receive_next(f->receive, &rec)) {
            const uint8_t *data = rec.packet.data;
            assert_true(data[6] < 4);
            /* In the order in which they were sent. */
            assert_true(data[8] >= latest[data[6]]);
            latest[data[6]] = data[8];
            n_of[data[6]]++;
            *n_before += data[6] != 2 && !n_of[2];
            receive_done(f->receive);
        }
    }
}

static void
a_flood_leaves_others_their_room_and_turn(void **state)
{
    struct fixture *f = *state;
    unsigned int n_of[4] = { 0 };
    unsigned int n_before;
    uint64_t lost;

    assert_int_equal(tunnel_sockets_set_buffer(&f->sockets, 256 * 1024), 0);
    send_for(f, 1, 0);
    for (int i = 0; i < 5000; i++) {
        send_for(f, 1, 1 + i / 25);
    }
    for (int i = 0; i < 100; i++) {
        send_for(f, 2, i);
    }
    take_all(f, n_of, &n_before, &lost);
    assert_int_equal(n_of[2], 100);
    assert_true(n_of[1] > 100 && n_of[1] < 5000);
    /* One turn of the flood, at the most. */
    assert_true(n_before <= 64);

    /* What was lost comes with the next packet of that socket. */
    send_for(f, 1, 255);
    unsigned int n = n_of[1];
    take_all(f, n_of, &n_before, &lost);
    assert_int_equal(n_of[1], n + 1);
    assert_int_equal(n + lost, 5001);
}

static void
another_proxy_does_not_get_the_port(void **state)
{
    struct fixture *f = *state;
    struct tunnel_sockets others;
    struct in6_addr addr;
    struct sockaddr_in sin;
    socklen_t size = sizeof sin;

    inet_pton(AF_INET6, "::ffff:127.0.0.1", &addr);
    assert_int_equal(getsockname(f->sockets.fds[3], (struct sockaddr *) &sin,
                                 &size), 0);
    uint16_t port = ntohs(sin.sin_port);
    assert_int_equal(tunnel_sockets_bind(&addr, port, NULL, &others),
                     EADDRINUSE);

    /* But one who takes it over does, at another address of the host. */
    inet_pton(AF_INET6, "::ffff:0.0.0.0", &addr);
    assert_int_equal(tunnel_sockets_bind(&addr, port, NULL, &others),
                     EADDRINUSE);
    assert_int_equal(tunnel_sockets_bind(&addr, port, &f->sockets, &others),
                     0);
    tunnel_sockets_close(&others);
}

int
main(void)
{
#define TEST(NAME) cmocka_unit_test_setup_teardown(NAME, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(packets_come_in_order_and_once),
        TEST(an_empty_datagram_hides_none_behind_it),
        TEST(packets_that_left_the_socket_survive_a_kill),
        TEST(an_intent_survives_a_kill_until_the_packet_is_done),
        TEST(an_intent_is_about_one_packet),
        TEST(lines_of_a_packet_that_were_through_are_known_after_a_kill),
        TEST(a_task_is_known_after_a_kill_until_it_ends),
        TEST(packets_do_not_stay_in_the_file_after_the_end),
        TEST(what_the_kernel_drops_is_counted_once),
        TEST(a_flood_leaves_others_their_room_and_turn),
        TEST(another_proxy_does_not_get_the_port),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
