/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>

#include "unit.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "openvswitch/dynamic-string.h"
#include "proxy-config-diff.h"
#include "proxy-config.h"
#include "proxy-config-keys.h"
#include "util.h"

#define TENANT "tenants:\n- id: 7\n  name: a\n  server: h:514\n"

static char *
refusal(const char *text)
{
    struct config *config = NULL;
    char *sentence = config_parse("f", text, strlen(text), &config);

    assert_true(!sentence == !!config);
    config_destroy(config);
    return sentence;
}

static const struct {
    const char *text;
    const char *sentence;
} broken[] = {
#define BROKEN(TEXT, SENTENCE) { TEXT, SENTENCE },
#include "test-config-broken.def"
};

static void
every_broken_file_gets_its_sentence(void **state)
{
    int n_wrong = 0;

    (void) state;
    for (size_t i = 0; i < ARRAY_SIZE(broken); i++) {
        char *sentence = refusal(broken[i].text);
        if (!sentence || strcmp(sentence, broken[i].sentence)) {
            print_error("%s\n  got:      %s\n  expected: %s\n",
                        broken[i].text, sentence ? sentence : "no refusal",
                        broken[i].sentence);
            n_wrong++;
        }
        free(sentence);
    }
    assert_int_equal(n_wrong, 0);
    assert_true(ARRAY_SIZE(broken) >= 40);
}

static void
defaults_are_filled_in(void **state)
{
    struct config *c;

    (void) state;
    assert_null(config_parse("f", TENANT, strlen(TENANT), &c));
    assert_string_equal(c->tunnel.listen, "0.0.0.0");
    assert_int_equal(c->tunnel.port, 6081);
    assert_int_equal(c->tunnel.option_class, 0xff53);
    assert_int_equal(c->tunnel.receive_buffer, 32 * 1024 * 1024);
    assert_string_equal(c->paths.run, "/run/sluice");
    assert_string_equal(c->paths.spool, "/var/spool/sluice");
    assert_string_equal(c->paths.state, "/var/lib/sluice");
    assert_int_equal(c->batch.max_bytes, 256 * 1024);
    assert_int_equal(c->batch.max_delay_ms, 1000);
    assert_string_equal(c->output.sd_id, "sluice@32473");
    assert_int_equal(c->intake.max_message_bytes, 65536);
    assert_int_equal(c->tenants[0].multi_line, 0);
    assert_int_equal(c->output.hold_ms, 2000);
    assert_null(c->context.static_file);
    assert_int_equal(c->hosts_count, 0);
    assert_int_equal(c->tenants_count, 1);
    assert_int_equal(c->tenants[0].id, 7);
    assert_string_equal(c->tenants[0].name, "a");
    assert_string_equal(c->tenants[0].server, "h:514");
    assert_string_equal(c->tenants[0].delivery, "all");
    assert_int_equal(c->tenants[0].destinations_count, 1);
    assert_string_equal(c->tenants[0].destinations[0].name, "main");
    assert_string_equal(c->tenants[0].destinations[0].type, "tcp");
    assert_string_equal(c->tenants[0].destinations[0].server, "h:514");
    assert_string_equal(c->tenants[0].destinations[0].format, "rfc5424");
    config_destroy(c);
}

static void
destinations_make_queues(void **state)
{
    static const char text[] =
        "tenants:\n"
        "- id: 9\n"
        "  name: fan-out\n"
        "  destinations:\n"
        "  - {name: near, type: file, path: /var/log/near, format: raw}\n"
        "  - {name: far, type: tls, server: 'h:6514', ca-file: /ca.pem,\n"
        "     certificate-file: /c.pem, key-file: /k.pem, server-name: n}\n"
        "- id: 7\n"
        "  name: fail-over\n"
        "  delivery: first\n"
        "  destinations:\n"
        "  - {name: one, type: tcp, server: 'h:1', format: json}\n"
        "  - {name: two, type: udp, server: 'h:2'}\n"
        "- {id: 8, name: short, server: 'h:514'}\n";
    const struct config_destination *d;
    struct config *c;
    size_t n;

    (void) state;
    assert_null(config_parse("f", text, strlen(text), &c));
    const struct config_tenant *t = config_find_tenant(c, 9);
    assert_int_equal(config_n_queues(t), 2);
    assert_string_equal(config_queue_name(t, 0), "near");
    assert_string_equal(config_queue_name(t, 1), "far");
    d = config_queue_destinations(t, "near", &n);
    assert_int_equal(n, 1);
    assert_string_equal(d->path, "/var/log/near");
    assert_string_equal(d->format, "raw");
    assert_null(d->server);
    d = config_queue_destinations(t, "far", &n);
    assert_int_equal(n, 1);
    assert_string_equal(d->format, "rfc5424");
    assert_string_equal(d->ca_file, "/ca.pem");
    assert_string_equal(d->certificate_file, "/c.pem");
    assert_string_equal(d->key_file, "/k.pem");
    assert_string_equal(d->server_name, "n");
    assert_null(config_queue_destinations(t, "main", &n));
    assert_false(config_has_queue(t, "main"));

    t = config_find_tenant(c, 7);
    assert_int_equal(config_n_queues(t), 1);
    assert_string_equal(config_queue_name(t, 0), "main");
    d = config_queue_destinations(t, "main", &n);
    assert_int_equal(n, 2);
    assert_string_equal(d[0].name, "one");
    assert_string_equal(d[1].name, "two");
    assert_false(config_destination_equals(&d[0], &d[1]));
    assert_true(config_destination_equals(&d[0], &d[0]));
    assert_null(config_queue_destinations(t, "one", &n));

    t = config_find_tenant(c, 8);
    assert_int_equal(config_n_queues(t), 1);
    assert_true(config_has_queue(t, "main"));
    config_destroy(c);
}

static void
what_the_file_says_wins_over_a_default(void **state)
{
    static const char text[] =
        "tunnel: {listen: '::', port: 0x1234, option-class: 0xff54}\n"
        "output: {hold-ms: 0, sd-id: x@1}\n"
        "context: {static-file: /etc/c.yaml}\n"
        TENANT;
    struct config *c;

    (void) state;
    assert_null(config_parse("f", text, strlen(text), &c));
    assert_string_equal(c->tunnel.listen, "::");
    assert_int_equal(c->tunnel.port, 0x1234);
    assert_int_equal(c->tunnel.option_class, 0xff54);
    assert_int_equal(c->output.hold_ms, 0);
    assert_string_equal(c->output.sd_id, "x@1");
    assert_string_equal(c->context.static_file, "/etc/c.yaml");
    config_destroy(c);
}

static void
rules_are_read_in_their_order(void **state)
{
    static const char text[] = TENANT
        "rules:\n"
        "- {name: z, action: rate-limit, rate: 5, burst: 9, per: tenant,"
        " tenant: 7}\n"
        "- {name: a, action: drop, vm: 'web-*, db', app: cron, facility: cron,"
        " severity: info..debug, pattern: 'x+$'}\n";
    struct config *c;

    (void) state;
    assert_null(config_parse("f", text, strlen(text), &c));
    assert_int_equal(c->rules_count, 2);
    assert_string_equal(c->rules[0].name, "z");
    assert_int_equal(c->rules[0].tenant, 7);
    assert_int_equal(c->rules[0].rate, 5);
    assert_int_equal(c->rules[0].burst, 9);
    assert_string_equal(c->rules[0].per, "tenant");
    assert_null(c->rules[0].pattern);
    assert_string_equal(c->rules[1].name, "a");
    assert_int_equal(c->rules[1].tenant, 0);
    assert_string_equal(c->rules[1].vm, "web-*, db");
    assert_string_equal(c->rules[1].pattern, "x+$");
    config_destroy(c);
}

static void
tenants_and_hosts_are_found(void **state)
{
    static const char text[] =
        "hosts:\n"
        "- {name: h2, vtep: 192.0.2.2}\n"
        "- {name: h6, vtep: '2001:db8::6', tenants: [9, 7]}\n"
        "- {name: h1, vtep: 192.0.2.1, tenants: []}\n"
        "tenants:\n"
        "- {id: 9, name: nine, server: '[2001:db8::1]:514'}\n"
        "- {id: 16777215, name: last, server: 192.0.2.9:1}\n"
        "- {id: 7, name: seven, server: logs.example.net:65535}\n";
    struct in6_addr addr;
    struct config *c;

    (void) state;
    assert_null(config_parse("f", text, strlen(text), &c));
    assert_string_equal(config_find_tenant(c, 7)->name, "seven");
    assert_string_equal(config_find_tenant(c, 9)->name, "nine");
    assert_string_equal(config_find_tenant(c, 16777215)->name, "last");
    assert_null(config_find_tenant(c, 8));
    assert_null(config_find_tenant(c, 0));

    assert_true(config_parse_address("192.0.2.1", &addr));
    assert_string_equal(config_find_host(c, &addr)->name, "h1");
    assert_true(config_parse_address("::ffff:192.0.2.2", &addr));
    assert_string_equal(config_find_host(c, &addr)->name, "h2");
    assert_true(config_parse_address("2001:db8:0::6", &addr));
    const struct config_host *h6 = config_find_host(c, &addr);
    assert_string_equal(h6->name, "h6");
    assert_int_equal(h6->tenants_count, 2);
    assert_int_equal(h6->tenants[0], 9);
    assert_true(config_parse_address("192.0.2.3", &addr));
    assert_null(config_find_host(c, &addr));
    config_destroy(c);
}

static void
a_server_is_split_into_host_and_port(void **state)
{
    char *host, *port;

    (void) state;
    assert_true(config_parse_server("[2001:db8::1]:514", &host, &port));
    assert_string_equal(host, "2001:db8::1");
    assert_string_equal(port, "514");
    free(host);
    free(port);
    assert_true(config_parse_server("logs:1", &host, &port));
    assert_string_equal(host, "logs");
    assert_string_equal(port, "1");
    free(host);
    free(port);
    assert_false(config_parse_server("logs", &host, &port));
}

static void
the_example_is_accepted(void **state)
{
    char *path = xasprintf("%s/docs/sluice.yaml.example", getenv("srcdir"));
    struct config *c;

    (void) state;
    assert_null(config_load(path, &c));
    assert_int_equal(c->tenants_count, 3);
    assert_int_equal(config_n_queues(&c->tenants[2]), 2);
    assert_int_equal(c->hosts_count, 2);
    config_destroy(c);
    free(path);
}

static void
a_file_that_cannot_be_read_gets_its_sentence(void **state)
{
    struct config *c;

    (void) state;
    char *sentence = config_load("/nonexistent/sluice.yaml", &c);
    assert_string_equal(sentence, "/nonexistent/sluice.yaml: it can't be "
                        "opened: No such file or directory; name a file that "
                        "can be read.");
    free(sentence);
    sentence = config_load("/", &c);
    assert_string_equal(sentence, "/: it is not a file; name a file that can "
                        "be read.");
    free(sentence);
}

/* Whatever is cut from the end, the answer is a sentence or a whole
 * configuration. */
static void
a_truncated_file_is_never_half_loaded(void **state)
{
    char *path = xasprintf("%s/docs/sluice.yaml.example", getenv("srcdir"));
    char *text;
    size_t size;

    (void) state;
    assert_null(config_read_file(path, &text, &size));
    for (size_t n = 0; n <= size; n++) {
        struct config *c = NULL;
        char *sentence = config_parse("f", text, n, &c);
        assert_true(!sentence == !!c);
        if (c) {
            assert_true(c->tenants_count > 0);
            assert_non_null(c->tenants[0].server);
        }
        config_destroy(c);
        free(sentence);
    }
    free(text);
    free(path);
}

/* The table's own rows obey it. */
static void
each_default_lies_within_its_bounds(void **state)
{
    (void) state;
    for (size_t i = 0; i < CONFIG_N_SECTIONS; i++) {
        const struct config_section *s = &config_sections[i];
        for (size_t j = 0; j < s->n_keys && !s->is_list; j++) {
            const struct config_key *key = &s->keys[j];
            if (key->preset) {
                char *text = xasprintf("%s: {%s: '%s'}\n"TENANT, s->name,
                                       key->name, key->preset);
                assert_null(refusal(text));
                free(text);
            }
        }
    }
}

static struct config *
parse(const char *text)
{
    struct config *c = NULL;

    assert_null(config_parse("f", text, strlen(text), &c));
    return c;
}

static void
what_changed_is_told_key_by_key(void **state)
{
    (void) state;
    struct config *old = parse("tunnel: {port: 1}\n"
                               "rules: [{name: a, action: drop},"
                               " {name: b, action: drop}]\n"TENANT);
    struct config *new = parse("tunnel: {port: 2}\n"
                               "metrics: {port: 9}\n"
                               "rules: [{name: b, action: drop},"
                               " {name: a, action: drop, app: cron}]\n"
                               "tenants:\n- id: 9\n  name: b\n"
                               "  server: h:1\n");
    static const char *const expected[][4] = {
        { "tunnel.port", "changed", "1", "2" },
        { "metrics.port", "changed", "0", "9" },
        { "tenants.7", "removed", "", "" },
        { "tenants.9", "added", "", "" },
        { "rules.a.app", "added", "", "\"cron\"" },
        { "rules", "moved", "", "" },
    };
    struct config_changes c;
    struct ds words = DS_EMPTY_INITIALIZER;

    config_diff(old, new, &c);
    config_changes_format(&c, &words);
    assert_string_equal(ds_cstr(&words), "tunnel.port changed, metrics.port "
                        "changed, tenants.7 removed, tenants.9 added, "
                        "rules.a.app added, rules moved");
    assert_int_equal(c.n, ARRAY_SIZE(expected));
    for (size_t i = 0; i < c.n; i++) {
        assert_string_equal(c.list[i].key, expected[i][0]);
        assert_string_equal(c.list[i].change, expected[i][1]);
        assert_string_equal(c.list[i].before, expected[i][2]);
        assert_string_equal(c.list[i].after, expected[i][3]);
    }
    config_changes_destroy(&c);
    config_diff(new, new, &c);
    assert_int_equal(c.n, 0);
    ds_clear(&words);
    config_changes_format(&c, &words);
    assert_string_equal(ds_cstr(&words), "nothing in it changed");
    ds_destroy(&words);
    config_destroy(old);
    config_destroy(new);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_broken_file_gets_its_sentence),
        cmocka_unit_test(defaults_are_filled_in),
        cmocka_unit_test(destinations_make_queues),
        cmocka_unit_test(what_the_file_says_wins_over_a_default),
        cmocka_unit_test(rules_are_read_in_their_order),
        cmocka_unit_test(tenants_and_hosts_are_found),
        cmocka_unit_test(a_server_is_split_into_host_and_port),
        cmocka_unit_test(the_example_is_accepted),
        cmocka_unit_test(a_file_that_cannot_be_read_gets_its_sentence),
        cmocka_unit_test(a_truncated_file_is_never_half_loaded),
        cmocka_unit_test(what_changed_is_told_key_by_key),
        cmocka_unit_test(each_default_lies_within_its_bounds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
