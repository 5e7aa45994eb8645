/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>

#include "unit.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "host-channel.h"
#include "host-listener.h"
#include "host-report.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/poll-loop.h"
#include "timeval.h"
#include "util.h"

/* A listener with one host, and that host's end. */
struct fixture {
    char dir[64];
    char *key_file;
    struct host_listener *listener;
    uint8_t proxy_public[32], host_public[32];
    struct seal_key *host_key;
    struct host_counts counts;
    struct host_peer *peer;

    int fd;
    struct host_channel *channel;
};

static struct seal_key *
make_key(const struct fixture *f, const char *name, uint8_t public[32])
{
    char *secret = xasprintf("%s/%s", f->dir, name);
    char *public_path = xasprintf("%s.pub", secret);
    struct seal_key *key;

    assert_int_equal(seal_key_generate(secret, public_path), 0);
    assert_int_equal(seal_key_read(secret, &key), 0);
    seal_key_public(key, public);
    unlink(secret);
    unlink(public_path);
    free(secret);
    free(public_path);
    return key;
}

static int
set_up(void **state)
{
    struct fixture *f = xzalloc(sizeof *f);

    f->fd = -1;
    snprintf(f->dir, sizeof f->dir, "/tmp/sluice-listener.XXXXXX");
    assert_non_null(mkdtemp(f->dir));
    f->key_file = xasprintf("%s/proxy.key", f->dir);
    f->listener = host_listener_ref("127.0.0.1:0", f->key_file);
    assert_null(host_listener_problem(f->listener));
    char *public_path = xasprintf("%s.pub", f->key_file);
    assert_int_equal(seal_public_key_read(public_path, f->proxy_public), 0);
    free(public_path);
    f->host_key = make_key(f, "host.key", f->host_public);
    f->peer = host_peer_add(f->listener, "hv", f->host_public, &f->counts);
    assert_non_null(f->peer);
    *state = f;
    return 0;
}

static void
hang_up(struct fixture *f)
{
    if (f->fd >= 0) {
        close(f->fd);
        f->fd = -1;
    }
    host_channel_destroy(f->channel);
    f->channel = NULL;
}

static int
tear_down(void **state)
{
    struct fixture *f = *state;
    char *public_path = xasprintf("%s.pub", f->key_file);

    hang_up(f);
    host_peer_remove(f->peer);
    host_listener_unref(f->listener);
    seal_key_destroy(f->host_key);
    unlink(f->key_file);
    unlink(public_path);
    rmdir(f->dir);
    free(public_path);
    free(f->key_file);
    free(f);
    return 0;
}

/* Lets the listener run once, and waits a little for something to do. */
static void
run(struct fixture *f)
{
    host_listener_run(f->listener);
    host_listener_wait(f->listener);
    poll_timer_wait(10);
    poll_block();
}

/* Lets the listener run until CONDITION is true.  Fails after a while. */
#define RUN_UNTIL(F, CONDITION)                         \
    do {                                                \
        long long int deadline_ = time_msec() + 60000;  \
        while (!(CONDITION)) {                          \
            assert_true(time_msec() < deadline_);       \
            run(F);                                     \
        }                                               \
    } while (0)

/* Lets the listener run until there are 'n' bytes to be read from it, or with
 * 'n' 0 until it closed the connection.  Fails after a while. */
static void
await(struct fixture *f, void *buffer, size_t n)
{
    long long int deadline = time_msec() + 60000;
    uint8_t byte;

    for (;;) {
        host_listener_run(f->listener);
        ssize_t got = recv(f->fd, n ? buffer : &byte, n ? n : 1,
                           MSG_DONTWAIT | (n ? MSG_PEEK : 0));
        if (got == (ssize_t) n || (!n && got < 0 && errno == ECONNRESET)) {
            break;
        }
        assert_true(got < 0 ? errno == EAGAIN : n != 0);
        assert_true(time_msec() < deadline);
        host_listener_wait(f->listener);
        poll_timer_wait(10);
        poll_block();
    }
    if (n) {
        assert_int_equal(recv(f->fd, buffer, n, 0), n);
    }
}

static void
connect_(struct fixture *f)
{
    struct sockaddr_in sin = {
        .sin_family = AF_INET,
        .sin_port = htons(host_listener_port(f->listener)),
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
    };

    hang_up(f);
    f->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(f->fd >= 0);
    assert_int_equal(connect(f->fd, (struct sockaddr *) &sin, sizeof sin), 0);
}

static void
send_all(struct fixture *f, const void *data, size_t size)
{
    assert_int_equal(send(f->fd, data, size, MSG_NOSIGNAL), size);
}

static void
greet(struct fixture *f, const struct seal_key *key)
{
    uint8_t hello[HOST_CHANNEL_HELLO_SIZE];

    connect_(f);
    assert_int_equal(host_channel_greet(key, f->proxy_public, hello,
                                        &f->channel), 0);
    send_all(f, hello, sizeof hello);
}

/* Greets, and makes the start, which is to be sent. */
static void
make_start(struct fixture *f, uint8_t start[HOST_CHANNEL_START_SIZE])
{
    uint8_t welcome[HOST_CHANNEL_WELCOME_SIZE];

    greet(f, f->host_key);
    await(f, welcome, sizeof welcome);
    assert_int_equal(host_channel_take_welcome(f->channel, f->host_key,
                                               welcome, start), 0);
}

static void
shake_hands(struct fixture *f)
{
    uint8_t start[HOST_CHANNEL_START_SIZE];

    make_start(f, start);
    send_all(f, start, sizeof start);
}

/* Returns a frame with a report of a VM, its size in '*ret_size'. */
static uint8_t *
make_frame(struct fixture *f, const char *port_name, uint32_t interval_ms,
           size_t *ret_size)
{
    Sluice__HostReport report = SLUICE__HOST_REPORT__INIT;
    Sluice__HostVm vm = SLUICE__HOST_VM__INIT, *vms[] = { &vm };
    Sluice__HostPort port = SLUICE__HOST_PORT__INIT, *ports[] = { &port };
    uint8_t packed[4096];

    port.name = CONST_CAST(char *, port_name);
    vm.port = ports;
    vm.n_port = 1;
    report.vm = vms;
    report.n_vm = 1;
    report.interval_ms = interval_ms;
    assert_true(sluice__host_report__get_packed_size(&report)
                <= sizeof packed);
    size_t size = sluice__host_report__pack(&report, packed);
    uint8_t *frame = xmalloc(size + HOST_CHANNEL_OVERHEAD);
    *ret_size = host_channel_seal(f->channel, slice_of(packed, size), frame);
    return frame;
}

static void
send_report(struct fixture *f, const char *port_name, uint32_t interval_ms)
{
    size_t size;
    uint8_t *frame = make_frame(f, port_name, interval_ms, &size);

    send_all(f, frame, size);
    free(frame);
}

/* Expects a report whose port is 'port_name'. */
static void
expect_report(struct fixture *f, const char *port_name)
{
    RUN_UNTIL(f, host_peer_has_report(f->peer));
    Sluice__HostReport *report = host_peer_take_report(f->peer);
    assert_string_equal(report->vm[0]->port[0]->name, port_name);
    host_report_free(report);
}

static void
expect_status(const struct fixture *f, const char *text)
{
    struct ds ds = DS_EMPTY_INITIALIZER;

    host_listener_put_status(f->listener, &ds);
    if (!strstr(ds_cstr(&ds), text)) {
        fail_msg("no \"%s\" in: %s", text, ds_cstr(&ds));
    }
    ds_destroy(&ds);
}

/* A connection that stands aside while the fixture has another one. */
struct aside {
    int fd;
    struct host_channel *channel;
};

static struct aside
put_aside(struct fixture *f)
{
    struct aside aside = { .fd = f->fd, .channel = f->channel };

    f->fd = -1;
    f->channel = NULL;
    return aside;
}

static void
take_back(struct fixture *f, struct aside aside)
{
    hang_up(f);
    f->fd = aside.fd;
    f->channel = aside.channel;
}

static void
a_report_comes(void **state)
{
    struct fixture *f = *state;

    shake_hands(f);
    assert_false(host_peer_is_connected(f->peer));
    RUN_UNTIL(f, host_peer_is_connected(f->peer));
    send_report(f, "vnet0", 1000);
    expect_report(f, "vnet0");
    assert_true(host_peer_is_connected(f->peer));
    send_report(f, "vnet1", 1000);
    expect_report(f, "vnet1");
    assert_int_equal(f->counts.reports, 2);
    assert_int_equal(f->counts.sessions, 1);

    hang_up(f);
    shake_hands(f);
    send_report(f, "vnet2", 1000);
    expect_report(f, "vnet2");
    assert_int_equal(f->counts.sessions, 2);
}

static void
a_report_may_come_byte_by_byte(void **state)
{
    struct fixture *f = *state;
    size_t size;

    shake_hands(f);
    uint8_t *frame = make_frame(f, "vnet0", 1000, &size);
    for (size_t i = 0; i < size; i++) {
        send_all(f, frame + i, 1);
        host_listener_run(f->listener);
    }
    free(frame);
    expect_report(f, "vnet0");
}

static void
a_key_that_nobody_configured_is_refused(void **state)
{
    struct fixture *f = *state;
    uint8_t public[32];
    struct seal_key *key = make_key(f, "stranger.key", public);

    greet(f, key);
    await(f, NULL, 0);
    expect_status(f, "unknown-host: 1\n");
    seal_key_destroy(key);
}

static void
a_hello_that_was_changed_is_refused(void **state)
{
    struct fixture *f = *state;
    uint8_t hello[HOST_CHANNEL_HELLO_SIZE];

    connect_(f);
    assert_int_equal(host_channel_greet(f->host_key, f->proxy_public, hello,
                                        &f->channel), 0);
    hello[sizeof hello - 1] ^= 1;
    send_all(f, hello, sizeof hello);
    await(f, NULL, 0);
    expect_status(f, "forged-hello: 1\n");

    connect_(f);
    memset(hello, 'x', sizeof hello);
    send_all(f, hello, sizeof hello);
    await(f, NULL, 0);
    expect_status(f, "not-hello: 1\n");
}

static void
a_hello_said_again_does_not_end_the_hosts_session(void **state)
{
    struct fixture *f = *state;
    uint8_t hello[HOST_CHANNEL_HELLO_SIZE];
    uint8_t welcome[HOST_CHANNEL_WELCOME_SIZE];
    uint8_t start[HOST_CHANNEL_START_SIZE];
    size_t size;

    connect_(f);
    assert_int_equal(host_channel_greet(f->host_key, f->proxy_public, hello,
                                        &f->channel), 0);
    send_all(f, hello, sizeof hello);
    await(f, welcome, sizeof welcome);
    assert_int_equal(host_channel_take_welcome(f->channel, f->host_key,
                                               welcome, start), 0);
    send_all(f, start, sizeof start);
    uint8_t *frame = make_frame(f, "vnet0", 1000, &size);
    send_all(f, frame, size);
    expect_report(f, "vnet0");

    /* Another connection says the same; the host's stays aside. */
    struct aside hosts = put_aside(f);
    connect_(f);
    send_all(f, hello, sizeof hello);
    await(f, welcome, sizeof welcome);
    send_all(f, start, sizeof start);
    send_all(f, frame, size);
    await(f, NULL, 0);
    free(frame);
    expect_status(f, "forged-hello: 1\n");
    assert_int_equal(f->counts.reports, 1);

    take_back(f, hosts);
    send_report(f, "vnet1", 1000);
    expect_report(f, "vnet1");
    assert_int_equal(f->counts.sessions, 1);
}

/* Has a hello of the host's recorded. */
static void
record_hello(struct fixture *f, uint8_t hello[HOST_CHANNEL_HELLO_SIZE])
{
    struct host_channel *channel;

    assert_int_equal(host_channel_greet(f->host_key, f->proxy_public, hello,
                                        &channel), 0);
    host_channel_destroy(channel);
}

static void
a_hello_said_again_gets_nothing_read_of_a_size_that_it_chooses(void **state)
{
    struct fixture *f = *state;
    uint8_t hello[HOST_CHANNEL_HELLO_SIZE];
    uint8_t welcome[HOST_CHANNEL_WELCOME_SIZE];
    /* Behind what begins a stream, the largest frame is announced. */
    static const uint8_t start[HOST_CHANNEL_START_SIZE] = {
        [25] = 0x10, [27] = 17,
    };

    record_hello(f, hello);
    connect_(f);
    send_all(f, hello, sizeof hello);
    await(f, welcome, sizeof welcome);
    send_all(f, start, sizeof start);
    await(f, NULL, 0);
    expect_status(f, "forged-hello: 1\n");
    assert_false(host_peer_is_connected(f->peer));
    assert_int_equal(f->counts.sessions, 0);
}

static void
hellos_of_one_host_leave_some_turns_to_the_others(void **state)
{
    enum { N = 60, BURST = 20, PER_S = 10 };
    struct fixture *f = *state;
    struct host_peer *peer = f->peer;
    struct seal_key *key = f->host_key;
    uint8_t hello[HOST_CHANNEL_HELLO_SIZE], public[32];
    struct host_counts counts = { .reports = 0 };
    long long int begin = time_msec();
    int fds[N], n_answered = 0;

    record_hello(f, hello);
    for (int i = 0; i < N; i++) {
        connect_(f);
        send_all(f, hello, sizeof hello);
        fds[i] = put_aside(f).fd;
    }

    /* Behind all of these comes another host. */
    f->host_key = make_key(f, "host-2.key", public);
    f->peer = host_peer_add(f->listener, "hv-2", public, &counts);
    shake_hands(f);
    send_report(f, "vnet0", 1000);
    expect_report(f, "vnet0");
    host_peer_remove(f->peer);
    seal_key_destroy(f->host_key);
    f->peer = peer;
    f->host_key = key;

    for (int i = 0; i < N; i++) {
        n_answered += recv(fds[i], hello, 1, MSG_DONTWAIT) == 1;
        close(fds[i]);
    }
    assert_true(n_answered > 0);
    assert_true(n_answered <= BURST + 1 + (time_msec() - begin) * PER_S
                                          / 1000);
}

static void
a_session_begun_earlier_may_start_later(void **state)
{
    struct fixture *f = *state;
    uint8_t start[HOST_CHANNEL_START_SIZE];

    make_start(f, start);
    struct aside earlier = put_aside(f);
    shake_hands(f);
    send_report(f, "vnet0", 1000);
    expect_report(f, "vnet0");
    struct aside later = put_aside(f);

    /* Now it is the earlier one that takes the other's place. */
    take_back(f, earlier);
    send_all(f, start, sizeof start);
    send_report(f, "vnet1", 1000);
    expect_report(f, "vnet1");
    earlier = put_aside(f);
    take_back(f, later);
    await(f, NULL, 0);
    take_back(f, earlier);
    send_report(f, "vnet2", 1000);
    expect_report(f, "vnet2");
    assert_true(host_peer_is_connected(f->peer));
    assert_int_equal(f->counts.sessions, 2);

    /* And the usual order. */
    earlier = put_aside(f);
    shake_hands(f);
    send_report(f, "vnet3", 1000);
    expect_report(f, "vnet3");
    later = put_aside(f);
    take_back(f, earlier);
    await(f, NULL, 0);
    take_back(f, later);
    send_report(f, "vnet4", 1000);
    expect_report(f, "vnet4");
    assert_int_equal(f->counts.sessions, 3);
}

static void
a_frame_that_was_changed_ends_the_session(void **state)
{
    struct fixture *f = *state;
    size_t size;

    shake_hands(f);
    send_report(f, "vnet0", 1000);
    expect_report(f, "vnet0");
    uint8_t *frame = make_frame(f, "vnet1", 1000, &size);
    frame[size / 2] ^= 0x10;
    send_all(f, frame, size);
    free(frame);
    await(f, NULL, 0);
    assert_int_equal(f->counts.bad_frames, 1);
    assert_false(host_peer_is_connected(f->peer));
    assert_non_null(strstr(host_peer_end(f->peer), "changed"));
}

static void
a_frame_that_is_too_large_ends_the_session(void **state)
{
    struct fixture *f = *state;
    static const uint8_t size[4] = { 0x7f, 0xff, 0xff, 0xff };

    shake_hands(f);
    send_report(f, "vnet0", 1000);
    expect_report(f, "vnet0");
    send_all(f, size, sizeof size);
    await(f, NULL, 0);
    assert_int_equal(f->counts.bad_frames, 1);
}

static void
a_session_that_is_cut_is_no_fault(void **state)
{
    struct fixture *f = *state;
    size_t size;

    shake_hands(f);
    send_report(f, "vnet0", 1000);
    expect_report(f, "vnet0");
    uint8_t *frame = make_frame(f, "vnet1", 1000, &size);
    send_all(f, frame, size - 1);
    free(frame);
    hang_up(f);
    RUN_UNTIL(f, !host_peer_is_connected(f->peer));
    assert_int_equal(f->counts.bad_frames, 0);
    assert_int_equal(f->counts.reports, 1);
}

static void
a_report_that_is_wrong_is_refused_as_a_whole(void **state)
{
    struct fixture *f = *state;

    shake_hands(f);
    send_report(f, "vnet0", 1000);
    expect_report(f, "vnet0");
    send_report(f, "", 1000);
    await(f, NULL, 0);
    assert_int_equal(f->counts.bad_reports, 1);

    shake_hands(f);
    send_report(f, "vnet0", 0);
    await(f, NULL, 0);
    assert_int_equal(f->counts.bad_reports, 2);
    assert_int_equal(f->counts.reports, 1);
}

static void
a_report_that_swells_is_refused(void **state)
{
    struct fixture *f = *state;
    /* 200,000 VMs of two bytes each, which become 100 and more. */
    enum { SIZE = 400 * 1000 };
    uint8_t *message = xmalloc(SIZE);
    uint8_t *frame = xmalloc(SIZE + HOST_CHANNEL_OVERHEAD);

    for (size_t i = 0; i < SIZE; i += 2) {
        message[i] = 4 << 3 | 2;
        message[i + 1] = 0;
    }
    shake_hands(f);
    size_t size = host_channel_seal(f->channel, slice_of(message, SIZE),
                                    frame);
    long long int deadline = time_msec() + 60000;
    for (size_t done = 0; done < size; ) {
        assert_true(time_msec() < deadline);
        ssize_t n = send(f->fd, frame + done, size - done,
                         MSG_NOSIGNAL | MSG_DONTWAIT);
        done += n > 0 ? n : 0;
        host_listener_run(f->listener);
    }
    await(f, NULL, 0);
    assert_int_equal(f->counts.bad_reports, 1);
    assert_non_null(strstr(host_peer_end(f->peer), "too large"));
    free(message);
    free(frame);
}

static void
who_says_nothing_makes_room_for_others(void **state)
{
    struct fixture *f = *state;
    enum { N = 70 };
    int fds[N];

    for (int i = 0; i < N; i++) {
        connect_(f);
        fds[i] = f->fd;
        f->fd = -1;
        host_listener_run(f->listener);
    }
    shake_hands(f);
    send_report(f, "vnet0", 1000);
    expect_report(f, "vnet0");
    expect_status(f, "crowded-out: 7\n");
    for (int i = 0; i < N; i++) {
        close(fds[i]);
    }
}

static void
a_host_that_reports_too_often_has_to_wait(void **state)
{
    struct fixture *f = *state;

    shake_hands(f);
    for (int i = 0; i < 20; i++) {
        send_report(f, "vnet0", 1000);
    }
    RUN_UNTIL(f, f->counts.delayed);
    assert_true(f->counts.reports < 10);
    assert_true(host_peer_is_connected(f->peer));
}

static void
a_host_that_connects_for_each_report_has_to_wait_as_well(void **state)
{
    enum { N = 8, BURST = 5 };
    struct fixture *f = *state;
    long long int begin = time_msec();

    for (int i = 0; i < N; i++) {
        shake_hands(f);
        send_report(f, "vnet0", 1000);
        expect_report(f, "vnet0");
    }
    assert_int_equal(f->counts.sessions, N);
    assert_true(N <= BURST + 1 + (time_msec() - begin) / 1000);
}

static void
two_hosts_can_not_have_one_key(void **state)
{
    struct fixture *f = *state;
    struct host_counts counts;

    assert_null(host_peer_add(f->listener, "hv-2", f->host_public, &counts));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(NAME) cmocka_unit_test_setup_teardown(NAME, set_up, tear_down)
        TEST(a_report_comes),
        TEST(a_report_may_come_byte_by_byte),
        TEST(a_key_that_nobody_configured_is_refused),
        TEST(a_hello_that_was_changed_is_refused),
        TEST(a_hello_said_again_does_not_end_the_hosts_session),
        TEST(a_hello_said_again_gets_nothing_read_of_a_size_that_it_chooses),
        TEST(hellos_of_one_host_leave_some_turns_to_the_others),
        TEST(a_session_begun_earlier_may_start_later),
        TEST(a_frame_that_was_changed_ends_the_session),
        TEST(a_frame_that_is_too_large_ends_the_session),
        TEST(a_session_that_is_cut_is_no_fault),
        TEST(a_report_that_is_wrong_is_refused_as_a_whole),
        TEST(a_report_that_swells_is_refused),
        TEST(who_says_nothing_makes_room_for_others),
        TEST(a_host_that_reports_too_often_has_to_wait),
        TEST(a_host_that_connects_for_each_report_has_to_wait_as_well),
        TEST(two_hosts_can_not_have_one_key),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
