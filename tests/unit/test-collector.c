/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>

#include "unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "collector.h"
#include "context-status.h"
#include "openvswitch/poll-loop.h"
#include "proxy-config.h"
#include "remove-tree.h"
#include "timeval.h"
#include "util.h"

enum { PATIENCE_MS = 60 * 1000 };

/* As many hosts as can be configured, and a static file with one VM. */
struct fixture {
    char dir[64];
    char *static_file;
    char *key_file;
    char *snapshot;
    struct config_host hosts[CONFIG_MAX_HOSTS];
    struct context_settings settings;
};

static void
write_file(const char *path, const char *text)
{
    FILE *stream = fopen(path, "w");

    assert_non_null(stream);
    fputs(text, stream);
    assert_int_equal(fclose(stream), 0);
}

static int
set_up(void **state)
{
    struct fixture *f = xzalloc(sizeof *f);

    snprintf(f->dir, sizeof f->dir, "/tmp/sluice-collector.XXXXXX");
    assert_non_null(mkdtemp(f->dir));
    f->static_file = xasprintf("%s/vms.yaml", f->dir);
    f->key_file = xasprintf("%s/proxy.key", f->dir);
    f->snapshot = xasprintf("%s/snapshot", f->dir);
    write_file(f->static_file,
               "vms:\n- {name: web, macs: ['52:54:00:00:00:01'], host: h}\n");
    for (int i = 0; i < CONFIG_MAX_HOSTS; i++) {
        char *path = xasprintf("%s/hv-%d.pub", f->dir, i);
        char *key = xasprintf("%064x\n", i + 1);

        write_file(path, key);
        free(key);
        f->hosts[i] = (struct config_host) {
            .name = xasprintf("hv-%d", i),
            .vtep = CONST_CAST(char *, "198.18.0.1"),
            .public_key_file = path,
        };
    }
    f->settings = (struct context_settings) {
        .static_file = f->static_file,
        .host_listen = "127.0.0.1:0",
        .host_key_file = f->key_file,
        .hosts = f->hosts,
        .n_hosts = CONFIG_MAX_HOSTS,
    };
    *state = f;
    return 0;
}

static int
tear_down(void **state)
{
    struct fixture *f = *state;

    for (int i = 0; i < CONFIG_MAX_HOSTS; i++) {
        free(f->hosts[i].name);
        free(f->hosts[i].public_key_file);
    }
    free(f->static_file);
    free(f->key_file);
    free(f->snapshot);
    assert_int_equal(remove_tree(f->dir), 0);
    free(f);
    return 0;
}

/* Runs 'c' until there is a snapshot. */
static void
await_snapshot(struct fixture *f, struct collector *c)
{
    long long int deadline = time_msec() + PATIENCE_MS;

    for (;;) {
        collector_run(c);
        if (!access(f->snapshot, F_OK)) {
            return;
        }
        assert_true(time_msec() < deadline);
        collector_wait(c);
        poll_block();
    }
}

static void
the_status_has_as_many_hosts_as_can_be_configured(void **state)
{
    struct fixture *f = *state;
    struct collector *c;
    size_t n;

    assert_null(collector_create(f->snapshot, &f->settings, &c));
    await_snapshot(f, c);
    collector_destroy(c);
    struct context_source_status *s = context_status_read(f->snapshot, &n);
    assert_int_equal(n, 1 + CONFIG_MAX_HOSTS);
    assert_string_equal(s[0].name, "static");
    assert_string_equal(s[0].state, "current");
    assert_int_equal(s[0].vms, 1);
    assert_int_equal(s[0].values, 1);
    assert_true(s[0].oldest_ns);
    assert_string_equal(s[n - 1].name, "host:hv-4095");
    assert_string_equal(s[n - 1].state, "stale");
    assert_string_equal(s[n - 1].problem, "");
    context_status_free(s, n);
}

static void
what_the_snapshot_has_is_known_before_there_is_another(void **state)
{
    struct fixture *f = *state;
    struct collector *c;
    size_t n;

    f->settings.n_hosts = 1;
    assert_null(collector_create(f->snapshot, &f->settings, &c));
    await_snapshot(f, c);
    collector_destroy(c);
    write_file(f->static_file, "no yaml: [");
    assert_null(collector_create(f->snapshot, &f->settings, &c));
    collector_run(c);
    collector_destroy(c);
    struct context_source_status *s = context_status_read(f->snapshot, &n);
    assert_int_equal(n, 2);
    assert_string_equal(s[0].state, "not heard of yet");
    assert_string_not_equal(s[0].problem, "");
    assert_int_equal(s[0].vms, 1);
    context_status_free(s, n);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(NAME) cmocka_unit_test_setup_teardown(NAME, set_up, tear_down)
        TEST(the_status_has_as_many_hosts_as_can_be_configured),
        TEST(what_the_snapshot_has_is_known_before_there_is_another),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
