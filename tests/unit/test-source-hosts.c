/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>

#include "unit.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "context-source.h"
#include "host-channel.h"
#include "host-listener.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/poll-loop.h"
#include "proxy-config.h"
#include "remove-tree.h"
#include "seal.h"
#include "timeval.h"
#include "util.h"

enum { N = 2 };

/* Two hosts, and their instances of the source. */
struct fixture {
    char dir[64];
    char *key_file;
    struct seal_key *keys[N];   /* Of the hosts. */
    char *publics[N];
    struct config_host hosts[N];
    struct context_settings settings;
    void *instances[N];
};

static int
set_up(void **state)
{
    static const char *const names[N] = { "hv-1", "hv-2" };
    struct fixture *f = xzalloc(sizeof *f);

    snprintf(f->dir, sizeof f->dir, "/tmp/sluice-hosts.XXXXXX");
    assert_non_null(mkdtemp(f->dir));
    f->key_file = xasprintf("%s/proxy.key", f->dir);
    f->settings = (struct context_settings) {
        .host_listen = "127.0.0.1:0",
        .host_key_file = f->key_file,
        .hosts = f->hosts,
        .n_hosts = N,
    };
    for (int i = 0; i < N; i++) {
        char *secret = xasprintf("%s/%s", f->dir, names[i]);

        f->publics[i] = xasprintf("%s.pub", secret);
        assert_int_equal(seal_key_generate(secret, f->publics[i]), 0);
        assert_int_equal(seal_key_read(secret, &f->keys[i]), 0);
        free(secret);
        f->hosts[i] = (struct config_host) {
            .name = CONST_CAST(char *, names[i]),
            .vtep = CONST_CAST(char *, "198.18.0.1"),
            .public_key_file = f->publics[i],
        };
    }
    for (int i = 0; i < N; i++) {
        f->instances[i] = source_hosts.init(&f->settings, i);
    }
    *state = f;
    return 0;
}

static int
tear_down(void **state)
{
    struct fixture *f = *state;

    for (int i = 0; i < N; i++) {
        source_hosts.uninit(f->instances[i]);
        seal_key_destroy(f->keys[i]);
        free(f->publics[i]);
    }
    free(f->key_file);
    assert_int_equal(remove_tree(f->dir), 0);
    free(f);
    return 0;
}

static void
run(struct fixture *f)
{
    for (int i = 0; i < N; i++) {
        source_hosts.run(f->instances[i]);
    }
}

static void
reload(struct fixture *f)
{
    for (int i = 0; i < N; i++) {
        source_hosts.reload(f->instances[i]);
    }
    run(f);
}

static void
expect_no_problem(const struct fixture *f)
{
    for (int i = 0; i < N; i++) {
        assert_null(source_hosts.problem(f->instances[i]));
    }
}

static bool
status_has(const struct fixture *f, int i, const char *text)
{
    struct ds ds = DS_EMPTY_INITIALIZER;

    source_hosts.put_status(f->instances[i], &ds);
    bool has = strstr(ds_cstr(&ds), text) != NULL;
    ds_destroy(&ds);
    return has;
}

static void
swap_keys(const struct fixture *f)
{
    char *aside = xasprintf("%s/aside", f->dir);

    assert_int_equal(rename(f->publics[0], aside), 0);
    assert_int_equal(rename(f->publics[1], f->publics[0]), 0);
    assert_int_equal(rename(aside, f->publics[1]), 0);
    free(aside);
}

/* Runs the sources, and waits a little for something to do. */
static void
step(struct fixture *f, long long int deadline)
{
    assert_true(time_msec() < deadline);
    run(f);
    for (int i = 0; i < N; i++) {
        source_hosts.wait(f->instances[i]);
    }
    poll_timer_wait(10);
    poll_block();
}

/* Connects as the host whose key is 'key', and expects that it is taken for
 * host 'i', as session number 'n' of that.  Returns the connection. */
static int
connect_as(struct fixture *f, const struct seal_key *key, int i, int n)
{
    struct host_listener *l = host_listener_ref(f->settings.host_listen,
                                                f->key_file);
    struct sockaddr_in sin = {
        .sin_family = AF_INET,
        .sin_port = htons(host_listener_port(l)),
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
    };
    char *public_path = xasprintf("%s.pub", f->key_file);
    char *text = xasprintf("  sessions: %d\n", n);
    long long int deadline = time_msec() + 60000;
    uint8_t public[32], hello[HOST_CHANNEL_HELLO_SIZE];
    uint8_t welcome[HOST_CHANNEL_WELCOME_SIZE];
    uint8_t start[HOST_CHANNEL_START_SIZE];
    struct host_channel *channel;

    host_listener_unref(l);
    assert_int_equal(seal_public_key_read(public_path, public), 0);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(fd, (struct sockaddr *) &sin, sizeof sin), 0);
    assert_int_equal(host_channel_greet(key, public, hello, &channel), 0);
    assert_int_equal(send(fd, hello, sizeof hello, MSG_NOSIGNAL),
                     sizeof hello);
    while (recv(fd, welcome, sizeof welcome, MSG_DONTWAIT | MSG_PEEK)
           != sizeof welcome) {
        step(f, deadline);
    }
    assert_int_equal(recv(fd, welcome, sizeof welcome, 0), sizeof welcome);
    assert_int_equal(host_channel_take_welcome(channel, key, welcome, start),
                     0);
    assert_int_equal(send(fd, start, sizeof start, MSG_NOSIGNAL),
                     sizeof start);
    while (!status_has(f, i, text)) {
        step(f, deadline);
    }
    host_channel_destroy(channel);
    free(public_path);
    free(text);
    return fd;
}

static void
hosts_may_swap_their_keys(void **state)
{
    struct fixture *f = *state;

    run(f);
    expect_no_problem(f);
    close(connect_as(f, f->keys[0], 0, 1));
    swap_keys(f);
    reload(f);
    expect_no_problem(f);
    close(connect_as(f, f->keys[0], 1, 1));
    close(connect_as(f, f->keys[1], 0, 2));
}

static void
a_host_whose_settings_change_keeps_its_key(void **state)
{
    struct fixture *f = *state;
    uint32_t tenants[] = { 7 };

    run(f);
    f->hosts[0].tenants = tenants;
    f->hosts[0].tenants_count = 1;
    /* As the collector has it: the new one is there before the old one is
     * gone. */
    void *old = f->instances[0];
    f->instances[0] = source_hosts.init(&f->settings, 0);
    source_hosts.uninit(old);
    run(f);
    expect_no_problem(f);
    close(connect_as(f, f->keys[0], 0, 1));
}

static void
a_session_goes_on_over_a_reload(void **state)
{
    struct fixture *f = *state;
    char byte;

    run(f);
    int fd = connect_as(f, f->keys[0], 0, 1);
    reload(f);
    run(f);
    assert_int_equal(recv(fd, &byte, 1, MSG_DONTWAIT), -1);
    assert_int_equal(errno, EAGAIN);
    expect_no_problem(f);
    close(fd);
}

static void
two_hosts_may_not_have_one_key(void **state)
{
    struct fixture *f = *state;

    run(f);
    assert_int_equal(unlink(f->publics[1]), 0);
    assert_int_equal(link(f->publics[0], f->publics[1]), 0);
    reload(f);
    assert_null(source_hosts.problem(f->instances[0]));
    assert_non_null(strstr(source_hosts.problem(f->instances[1]),
                           "another host as well"));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(NAME) cmocka_unit_test_setup_teardown(NAME, set_up, tear_down)
        TEST(hosts_may_swap_their_keys),
        TEST(a_host_whose_settings_change_keeps_its_key),
        TEST(a_session_goes_on_over_a_reload),
        TEST(two_hosts_may_not_have_one_key),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
