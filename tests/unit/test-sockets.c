/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>

#include "unit.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "packets.h"
#include "sockets.h"
#include "util.h"

/* Goes into a network namespace of its own, where nobody else has sockets.
 * Returns false if that can't be done. */
static bool
enter_namespace(void)
{
    struct ifreq lo = { .ifr_name = "lo", .ifr_flags = IFF_UP };

    if (unshare(CLONE_NEWNET) && unshare(CLONE_NEWUSER | CLONE_NEWNET)) {
        return false;
    }
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    bool is_up = fd >= 0 && !ioctl(fd, SIOCSIFFLAGS, &lo);
    close(fd);
    return is_up;
}

/* What skips a test where that could not be done. */
static bool has_namespace;

static void
need_namespace(void)
{
    if (!has_namespace) {
        print_message("no network namespace is to be had\n");
        skip();
    }
}

static void
specifications_are_read(void **state)
{
    static const char *const wrong[] = {
        "", "udp", "udp:", "udp::", "udp:1.2.3.4", "udp:1.2.3.4:",
        "udp:1.2.3.4:0", "udp:1.2.3.4:65536", "udp:1.2.3.4:x", "udp:*:*",
        "sctp:1.2.3.4:5", "udp:1.2.3:5", "udp:::1:5", "udp:[::1:5",
        "udp:[]:5", "udp:name:5", "1.2.3.4:5",
    };
    struct socket_spec spec;

    (void) state;
    assert_true(socket_spec_parse("udp:192.0.2.1:514", &spec));
    assert_int_equal(spec.protocol, IPPROTO_UDP);
    assert_int_equal(spec.port, 514);
    assert_int_equal(in6_addr_get_mapped_ipv4(&spec.addr),
                     htonl(0xc0000201));
    assert_true(socket_spec_parse("tcp:[2001:db8::1]:*", &spec));
    assert_int_equal(spec.protocol, IPPROTO_TCP);
    assert_int_equal(spec.port, 0);
    assert_int_equal(spec.addr.s6_addr[15], 1);
    assert_true(socket_spec_parse("tcp:*:80", &spec));
    assert_true(ipv6_is_zero(&spec.addr));
    for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
        if (socket_spec_parse(wrong[i], &spec)) {
            fail_msg("\"%s\" was taken", wrong[i]);
        }
    }
}

/* Returns a UDP socket at 'ip' and '*port', and which that is if it was 0. */
static int
bind_udp(uint32_t ip, uint16_t *port)
{
    struct sockaddr_in sin = {
        .sin_family = AF_INET, .sin_addr.s_addr = htonl(ip),
        .sin_port = htons(*port),
    };
    socklen_t size = sizeof sin;
    int one = 1;
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    assert_true(fd >= 0);
    setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof one);
    assert_int_equal(bind(fd, (struct sockaddr *) &sin, sizeof sin), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *) &sin, &size), 0);
    *port = ntohs(sin.sin_port);
    return fd;
}

/* Expects that the socket described is ours, or with 'ours' false nobody's. */
static void
expect_owner(struct socket_watch *w, int proc, bool ours,
             const char *format, unsigned int port)
{
    char *text = xasprintf(format, port);
    struct socket_spec spec;
    struct socket_owner owner;
    char name[64];
    bool found;

    assert_true(socket_spec_parse(text, &spec));
    socket_watch_find(w, &spec, 1, &owner, &found);
    assert_int_equal(found, ours);
    if (ours) {
        assert_int_equal(owner.uid, geteuid());
        assert_int_equal(owner.pid, getpid());
        socket_process_name(proc, getpid(), name, sizeof name);
        assert_true(name[0]);
        assert_string_equal(owner.process, name);
    }
    free(text);
}

#pragma GCC diagnostic ignored "-Wformat-nonliteral"
static void
the_owner_of_a_socket_is_found(void **state)
{
    uint16_t port = 0, other = 0;

    (void) state;
    need_namespace();
    int proc = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
    struct socket_watch *w = socket_watch_create(proc);
    assert_non_null(w);
    int fd = bind_udp(INADDR_LOOPBACK, &port);
    for (int i = 0; i < 2; i++) {
        expect_owner(w, proc, true, "udp:127.0.0.1:%u", port);
        expect_owner(w, proc, true, "udp:*:%u", port);
        expect_owner(w, proc, false, "tcp:127.0.0.1:%u", port);
        expect_owner(w, proc, false, "udp:127.0.0.2:%u", port);
    }
    close(fd);
    expect_owner(w, proc, false, "udp:127.0.0.1:%u", port);

    /* Bound to all addresses, it is that of each. */
    fd = bind_udp(INADDR_ANY, &other);
    expect_owner(w, proc, true, "udp:127.0.0.1:%u", other);
    close(fd);
    socket_watch_destroy(w);
    close(proc);
}

static void
among_too_many_sockets_no_owner_is_found(void **state)
{
    enum { N = SOCKET_WATCH_MAX_SOCKETS };
    struct rlimit limit = { N + 100, N + 100 };
    uint16_t port = 0;

    (void) state;
    need_namespace();
    if (setrlimit(RLIMIT_NOFILE, &limit)) {
        print_message("no more than %d descriptors are to be had\n", N);
        skip();
    }
    int proc = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
    struct socket_watch *w = socket_watch_create(proc);
    int *fds = xmalloc((N + 1) * sizeof *fds);
    for (int i = 0; i < N; i++) {
        fds[i] = bind_udp(INADDR_LOOPBACK + 1, &port);
    }
    expect_owner(w, proc, true, "udp:*:%u", port);
    /* Now one is not looked at, which might be another user's. */
    fds[N] = bind_udp(INADDR_LOOPBACK, &port);
    expect_owner(w, proc, false, "udp:*:%u", port);
    for (int i = 0; i <= N; i++) {
        close(fds[i]);
    }
    expect_owner(w, proc, false, "udp:*:%u", port);
    free(fds);
    socket_watch_destroy(w);
    close(proc);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(specifications_are_read),
        cmocka_unit_test(the_owner_of_a_socket_is_found),
        cmocka_unit_test(among_too_many_sockets_no_owner_is_found),
    };

    has_namespace = enter_namespace();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
