/* SPDX-License-Identifier: Apache-2.0 */
#include "sluice-config.h"
#include "unit.h"

#include <errno.h>
#include <glob.h>
#include <pcap/pcap.h>
#include <stdio.h>
#include <stdlib.h>

#include "memif-fixture.h"

/* Of the proxy in tests/golden, beside the same one. */
static const uint8_t golden_ipv6[16] = {
    0x20, 0x01, 0x0d, 0xb8, 0xff, 0xff, [15] = 2,
};

static void
as_many_rings_as_the_switch_has_are_found_out(void **state)
{
    struct fixture *f = *state;

    connect_both(f);
    assert_int_equal(counter(f, INTAKE_MEMIF_RINGS), N_FROM);
    assert_int_equal(counter(f, INTAKE_MEMIF_CONNECTS), 1);
    assert_int_equal(counter(f, INTAKE_MEMIF_FAILURES), 0);
}

static void
packets_of_each_ring_come_in_order_and_once(void **state)
{
    struct fixture *f = *state;

    connect_both(f);
    send_text(f, 1, "one", 2048);
    send_text(f, 1, "two", 2048);
    fill(f);
    expect_next(f, "one");
    expect_next(f, "two");
    expect_none(f);
    send_text(f, 2, "three", 2048);
    fill(f);
    expect_next(f, "three");
    expect_none(f);
}

static void
a_ring_goes_round_and_round(void **state)
{
    struct fixture *f = *state;

    connect_both(f);
    for (int i = 0; i < 70000; i++) {
        char text[16];

        snprintf(text, sizeof text, "%d", i);
        send_text(f, 0, text, 2048);
        fill(f);
        expect_next(f, text);
    }
}

static void
a_full_ring_takes_no_more(void **state)
{
    struct fixture *f = *state;
    uint8_t byte[64] = { 0 };
    int n = 0;

    connect_both(f);
    while (memif_peer_send(f->peer, 0, slice_of(byte, sizeof byte), 64)) {
        n++;
    }
    assert_int_equal(n, (1 << 20) / MEMIF_BUFFER_SIZE);
    while (counter(f, INTAKE_FRAMES_ELSEWHERE) < (uint64_t) n) {
        uint64_t lost;

        assert_int_equal(receive_fill(f->receive, &lost), EAGAIN);
    }
    assert_true(memif_peer_send(f->peer, 0, slice_of(byte, sizeof byte), 64));
}

static void
a_frame_may_take_several_buffers(void **state)
{
    struct fixture *f = *state;
    char text[5000];

    memset(text, 'x', sizeof text);
    text[sizeof text - 1] = '\0';
    connect_both(f);
    send_text(f, 0, text, 2048);
    send_text(f, 0, "behind", 2048);
    fill(f);
    expect_next(f, text);
    expect_next(f, "behind");
}

static void
a_frame_too_large_is_passed_over_and_counted(void **state)
{
    struct fixture *f = *state;
    char text[12000];

    memset(text, 'x', sizeof text);
    text[sizeof text - 1] = '\0';
    connect_both(f);
    send_text(f, 0, text, 2048);
    send_text(f, 0, "behind", 2048);
    send_text(f, 0, "pieces", 2);       /* Of too many buffers. */
    send_text(f, 0, "end", 2048);
    fill(f);
    expect_next(f, "behind");
    expect_next(f, "end");
    assert_int_equal(counter(f, INTAKE_FRAMES_RING), 2);
}

static void
what_is_in_the_ring_survives_a_kill(void **state)
{
    struct fixture *f = *state;

    connect_both(f);
    send_text(f, 0, "one", 2048);
    send_text(f, 0, "two", 2048);
    fill(f);
    expect_next(f, "one");
    send_text(f, 0, "three", 2048);
    send_text(f, 2, "four", 2048);
    kill_and_start(f);
    expect_next(f, "two");
    expect_none(f);

    /* The order of rings is not said. */
    fill(f);
    struct record rec;
    assert_true(receive_next(f->receive, &rec));
    bool is_four = rec.packet.size == 4;
    expect_next(f, is_four ? "four" : "three");
    fill(f);
    expect_next(f, is_four ? "three" : "four");
    connect_both(f);
    send_text(f, 0, "five", 2048);
    fill(f);
    expect_next(f, "five");
    expect_none(f);
}

static void
an_orderly_end_leaves_no_packet_in_a_file(void **state)
{
    struct fixture *f = *state;
    struct stat s;

    connect_both(f);
    send_text(f, 0, "secret", 2048);
    fill(f);
    expect_next(f, "secret");
    assert_int_equal(stat(f->rings, &s), 0);
    stop(f);
    assert_int_equal(stat(f->rings, &s), -1);
}

static void
who_comes_back_is_found_again(void **state)
{
    struct fixture *f = *state;

    connect_both(f);
    send_text(f, 0, "before", 2048);
    memif_peer_destroy(f->peer);
    f->peer = memif_peer_create(f->server, 1, N_FROM);
    fill(f);
    expect_next(f, "before");
    connect_both(f);
    assert_int_equal(counter(f, INTAKE_MEMIF_CONNECTS), 2);
    assert_true(counter(f, INTAKE_MEMIF_FAILURES) >= 1);
    send_text(f, 2, "after", 2048);
    fill(f);
    expect_next(f, "after");
}

static void
a_tail_beyond_the_ring_ends_the_connection(void **state)
{
    struct fixture *f = *state;

    connect_both(f);
    memif_peer_move_tail(f->peer, 1, 5000);
    work(f, 0);
    assert_int_equal(counter(f, INTAKE_FRAMES_RING), 1);
    connect_both(f);
    send_text(f, 1, "again", 2048);
    fill(f);
    expect_next(f, "again");
}

/* The memory is the server's to write: whatever is there, nothing beyond it is
 * read. */
static void
spoiled_memory_does_no_harm(void **state)
{
    struct fixture *f = *state;
    unsigned int seed = 1;

    for (int round = 0; round < 50; round++) {
        connect_both(f);
        size_t size;
        uint8_t *memory = memif_peer_memory(f->peer, &size);
        uint64_t lost;

        for (int i = 0; i < 2000; i++) {
            /* The rings lie in front. */
            memory[rand_r(&seed) % 40000] = rand_r(&seed);
        }
        for (int i = 0; i < 20; i++) {
            receive_fill(f->receive, &lost);
            struct record rec;
            while (receive_next(f->receive, &rec)) {
                receive_done(f->receive);
            }
        }
        memif_peer_hang_up(f->peer);
        work(f, 0);
    }
}

static void
an_answer_goes_to_who_sent_the_packet(void **state)
{
    struct fixture *f = *state;
    uint8_t frame[2048], unused[OUTER_ANSWER_MAX];
    struct outer_packet packet;
    struct record rec;
    size_t size;

    connect_both(f);
    send_text(f, 0, "question", 2048);
    fill(f);
    assert_true(receive_next(f->receive, &rec));
    assert_true(receive_answer(f->receive, "answer", 6));
    size = memif_peer_receive(f->peer, frame, sizeof frame);
    assert_int_equal(outer_read(slice_of(frame, size), &switch_self, &packet,
                                unused, &size), OUTER_TUNNEL);
    assert_slice_equal(packet.payload, "answer");
    assert_memory_equal(packet.src_ip, intake_self.ip, 16);
    assert_memory_equal(packet.src_mac, intake_self.mac, 6);
}

static void
arp_is_answered_by_the_ring(void **state)
{
    struct fixture *f = *state;
    static const uint8_t request[42] = {
        0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02, 0, 0, 0, 0, 9, 8, 6,
        0, 1, 8, 0, 6, 4, 0, 1, 0x02, 0, 0, 0, 0, 9, 198, 18, 0, 1,
        [38] = 198, 18, 0, 2,
    };
    uint8_t reply[64];
    uint64_t lost;

    connect_both(f);
    assert_true(memif_peer_send(f->peer, 0, slice_of(request, sizeof request),
                                2048));
    assert_int_equal(receive_fill(f->receive, &lost), EAGAIN);
    assert_int_equal(memif_peer_receive(f->peer, reply, sizeof reply), 42);
    assert_int_equal(reply[21], 2);
    assert_int_equal(counter(f, INTAKE_FRAMES_ANSWERED), 1);
}

static void
the_switch_is_asked_to_wake_us_only_while_we_wait(void **state)
{
    struct fixture *f = *state;

    connect_both(f);
    send_text(f, 0, "one", 2048);
    assert_false(memif_peer_interrupt(f->peer, 0));
    fill(f);
    expect_next(f, "one");
}

/* --- Strangers ----------------------------------------------------------- */

enum { STRANGER = 4711 };       /* A user. */

/* Has the server's socket, made anew, be that of a stranger, in a directory of
 * its own that 'owner' has.  Returns false for want of privilege. */
static bool
serve_as_stranger(struct fixture *f, uid_t owner)
{
    if (geteuid()) {
        return false;
    }
    stop(f);
    memif_peer_destroy(f->peer);
    assert_int_equal(mkdir(f->dir, 0700), 0);
    assert_int_equal(chmod(f->dir, 0777), 0);
    assert_int_equal(chown(f->dir, owner, -1), 0);
    snprintf(f->server, sizeof f->server, "%s/s", f->dir);
    assert_int_equal(seteuid(STRANGER), 0);
    f->peer = memif_peer_create(f->server, N_TO, N_FROM);
    assert_int_equal(seteuid(0), 0);
    assert_non_null(f->peer);
    start(f);
    return true;
}

static void
remove_directory(struct fixture *f)
{
    stop(f);
    memif_peer_destroy(f->peer);
    f->peer = NULL;
    assert_int_equal(rmdir(f->dir), 0);
}

static void
no_frame_is_taken_from_a_stranger(void **state)
{
    struct fixture *f = *state;
    uint64_t lost;

    if (!serve_as_stranger(f, 0)) {
        print_message("root alone can be somebody else\n");
        skip();
    }
    while (counter(f, INTAKE_MEMIF_FAILURES) < 2) {
        assert_int_equal(receive_fill(f->receive, &lost), EAGAIN);
        assert_false(memif_peer_run(f->peer) && memif_peer_room(f->peer, 0));
        receive_wait(f->receive, 1);
    }
    assert_int_equal(counter(f, INTAKE_MEMIF_CONNECTS), 0);
    remove_directory(f);
}

static void
who_owns_the_directory_of_the_socket_is_no_stranger(void **state)
{
    struct fixture *f = *state;

    if (!serve_as_stranger(f, STRANGER)) {
        print_message("root alone can be somebody else\n");
        skip();
    }
    connect_both(f);
    send_text(f, 0, "one", 2048);
    fill(f);
    expect_next(f, "one");
    remove_directory(f);
}

/* --- Captures ------------------------------------------------------------ */

/* The frames of a capture of tests/golden, beside what its reader makes of
 * it. */
struct replay {
    struct fixture *f;
    pcap_t *pcap;
    bool is_v6;                 /* Only such frames, or only others. */
    unsigned int n;             /* Frames sent. */
};

static pcap_t *
open_capture(const char *path)
{
    char error[PCAP_ERRBUF_SIZE];
    pcap_t *pcap = pcap_open_offline(path, error);

    assert_non_null(pcap);
    return pcap;
}

/* Sends the next frame of 'r', by each ring in turn, unless it is of another
 * version of IP.  Returns false for that, or at the end. */
static bool
replay_frame(struct replay *r, bool *ret_end)
{
    struct pcap_pkthdr *header;
    const u_char *data;

    *ret_end = pcap_next_ex(r->pcap, &header, &data) != 1;
    if (*ret_end || (header->caplen > 14 && data[12] == 0x86
                     && data[13] == 0xdd) != r->is_v6) {
        return false;
    }
    assert_true(memif_peer_send(r->f->peer, r->n++ % N_FROM,
                                slice_of(data, header->caplen), 2048));
    return true;
}

/* Sends the frame that 'expected' is of, and takes the packet. */
static void
replay_packet(struct record *expected, void *r_)
{
    struct replay *r = r_;
    uint64_t lost = 0;
    struct record rec;
    bool end;

    if (!replay_frame(r, &end)) {
        assert_false(end);
        return;
    }
    assert_int_equal(receive_fill(r->f->receive, &lost), 0);
    assert_true(receive_next(r->f->receive, &rec));
    assert_int_equal(rec.packet.size, expected->packet.size);
    assert_memory_equal(rec.packet.data, expected->packet.data,
                        rec.packet.size);
    assert_memory_equal(rec.vtep, expected->vtep, sizeof rec.vtep);
    receive_done(r->f->receive);
    expect_none(r->f);
}

static unsigned int
replay_capture(struct fixture *f, const char *path, bool is_v6)
{
    struct replay r = {
        .f = f, .pcap = open_capture(path), .is_v6 = is_v6,
    };
    uint64_t n_skipped;
    char *error;

    stop(f);
    start_at(f, is_v6 ? golden_ipv6 : intake_self.ip);
    connect_both(f);
    error = receive_pcap(path, 6081, replay_packet, &r, &n_skipped);
    assert_null(error);
    assert_int_equal(n_skipped, 0);
    pcap_close(r.pcap);
    return r.n;
}

static char *
golden(const char *name)
{
    const char *srcdir = getenv("srcdir");
    size_t size = 4096;
    char *path = malloc(size);

    assert_non_null(path);
    snprintf(path, size, "%s/tests/golden/%s", srcdir ? srcdir : ".", name);
    return path;
}

static void
captures_bring_the_same_packets_by_the_ring(void **state)
{
    struct fixture *f = *state;
    char *pattern = golden("*.pcap");
    unsigned int n = 0, n_v6 = 0;
    glob_t paths;

    assert_int_equal(glob(pattern, 0, NULL, &paths), 0);
    for (size_t i = 0; i < paths.gl_pathc; i++) {
        const char *path = paths.gl_pathv[i];

        if (!strstr(path, "/ring.pcap")) {
            n += replay_capture(f, path, false);
            n_v6 += replay_capture(f, path, true);
        }
    }
    assert_true(n > 100 && n_v6 > 0);
    for (int i = 0; i < OUTER_N_REASONS; i++) {
        assert_int_equal(counter(f, INTAKE_FRAMES_ANSWERED + i), 0);
    }
    globfree(&paths);
    free(pattern);
}

/* Of tests/golden/ring.pcap: see ring.expected. */
static const uint64_t ring_frames[] = {
    [OUTER_ANSWERED] = 3, [OUTER_MALFORMED] = 13, [OUTER_CHECKSUM] = 6,
    [OUTER_FRAGMENT] = 3, [OUTER_TYPE] = 3, [OUTER_PROTOCOL] = 5,
    [OUTER_ELSEWHERE] = 5, [OUTER_TUNNEL] = 6,
};

static void
each_reason_to_drop_an_outer_frame_is_counted(void **state)
{
    struct fixture *f = *state;
    char *path = golden("ring.pcap");
    uint64_t n_packets = 0;

    for (int is_v6 = 0; is_v6 < 2; is_v6++) {
        struct replay r = {
            .f = f, .pcap = open_capture(path), .is_v6 = is_v6,
        };
        bool end;

        stop(f);
        start_at(f, is_v6 ? golden_ipv6 : intake_self.ip);
        connect_both(f);
        do {
            uint64_t lost = 0;
            struct record rec;

            if (replay_frame(&r, &end)) {
                receive_fill(f->receive, &lost);
            }
            while (receive_next(f->receive, &rec)) {
                n_packets++;
                receive_done(f->receive);
            }
        } while (!end);
        pcap_close(r.pcap);
    }
    for (int i = 0; i < OUTER_N_REASONS; i++) {
        assert_int_equal(counter(f, INTAKE_FRAMES_ANSWERED + i),
                         ring_frames[i]);
    }
    assert_int_equal(n_packets, ring_frames[OUTER_TUNNEL]);
    free(path);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(NAME) cmocka_unit_test_setup_teardown(NAME, set_up, tear_down)
        TEST(as_many_rings_as_the_switch_has_are_found_out),
        TEST(packets_of_each_ring_come_in_order_and_once),
        TEST(a_ring_goes_round_and_round),
        TEST(a_full_ring_takes_no_more),
        TEST(a_frame_may_take_several_buffers),
        TEST(a_frame_too_large_is_passed_over_and_counted),
        TEST(what_is_in_the_ring_survives_a_kill),
        TEST(an_orderly_end_leaves_no_packet_in_a_file),
        TEST(who_comes_back_is_found_again),
        TEST(a_tail_beyond_the_ring_ends_the_connection),
        TEST(spoiled_memory_does_no_harm),
        TEST(an_answer_goes_to_who_sent_the_packet),
        TEST(arp_is_answered_by_the_ring),
        TEST(the_switch_is_asked_to_wake_us_only_while_we_wait),
        TEST(no_frame_is_taken_from_a_stranger),
        TEST(who_owns_the_directory_of_the_socket_is_no_stranger),
        TEST(captures_bring_the_same_packets_by_the_ring),
        TEST(each_reason_to_drop_an_outer_frame_is_counted),
#undef TEST
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
