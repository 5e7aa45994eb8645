/* SPDX-License-Identifier: Apache-2.0
 *
 * Client rules in sluice-intake: what they drop is in the books of the tenant,
 * of the rule and of its announcements, whoever dies in between. */
#include "sluice-config.h"      /* For nftw(). */

#include "unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "pipeline.h"
#include "proxy-config.h"
#include "remove-tree.h"
#include "seal.h"
#include "signed-packet.h"
#include "stats.h"
#include "udp-pair.h"

#define TENANTS "tenants:\n- {id: 7, name: a, server: 'h:514'}\n"

struct fixture {
    char dir[64];
    char rx[80], open_dir[80], spool[80], public_key[80];
    struct tunnel_sockets sockets; /* Receive. */
    int sender;
    uint32_t n_sent;
    struct intake_stats *stats;
    struct receive *receive;
    struct config *config;
    struct pipeline *pipeline;
};

static int
set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    char secret_key[80];

    snprintf(f->dir, sizeof f->dir, "/tmp/sluice-test-rules.XXXXXX");
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
    udp_pair_open(&f->sockets, &f->sender);
    assert_int_equal(receive_socket_create(&f->sockets, f->rx, &f->receive), 0);
    *state = f;
    return 0;
}

static int
tear_down(void **state)
{
    struct fixture *f = *state;

    pipeline_destroy(f->pipeline);
    config_destroy(f->config);
    receive_destroy(f->receive);
    tunnel_sockets_close(&f->sockets);
    close(f->sender);
    free(f->stats);
    assert_int_equal(remove_tree(f->dir), 0);
    free(f);
    return 0;
}

/* A process begins, with 'rules'. */
static void
begin(struct fixture *f, const char *rules)
{
    char text[1024];

    snprintf(text, sizeof text, TENANTS "rules:\n%s", rules);
    config_destroy(f->config);
    assert_null(config_parse("f", text, strlen(text), &f->config));
    const struct pipeline_options options = {
        .option_class = SLUICE_TLV_CLASS,
        .config = f->config,
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
    assert_null(pipeline_create(&options, &f->pipeline));
    assert_null(pipeline_recover(f->pipeline));
}

/* It dies. */
static void
die(struct fixture *f)
{
    pipeline_destroy(f->pipeline);
    f->pipeline = NULL;
    receive_destroy(f->receive);
    assert_int_equal(receive_socket_create(&f->sockets, f->rx, &f->receive), 0);
}

/* Sends 'n' lines, all of the same text, and has them taken. */
static void
take(struct fixture *f, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        const struct signed_packet_spec spec = {
            .vni = 7, .tenant = 7, .ofp_port = 1, .epoch = 1,
            .number = ++f->n_sent,
        };
        struct signed_packet packet;
        uint64_t lost = 0;

        signed_packet_make(&packet, &spec);
        assert_int_equal(send(f->sender, packet.bytes, packet.size, 0),
                         packet.size);
        assert_int_equal(receive_fill(f->receive, &lost), 0);
        pipeline_drain(f->pipeline);
    }
}

static const struct stats_rule *
find_rule(const struct fixture *f, const char *name)
{
    for (size_t i = 0; i < STATS_MAX_RULES; i++) {
        if (!strcmp(f->stats->rules[i].name, name)) {
            return &f->stats->rules[i];
        }
    }
    fail_msg("there is no rule %s", name);
    return NULL;
}

static void
assert_rule(const struct fixture *f, const char *name, uint64_t matched,
            uint64_t dropped, uint64_t announced)
{
    const struct stats_rule *rule = find_rule(f, name);

    assert_int_equal(rule->matched, matched);
    assert_int_equal(rule->dropped, dropped);
    assert_int_equal(rule->announced, announced);
}

/* Checks the books of the tenant. */
static void
assert_books(const struct fixture *f, enum sluice_drop drop,
             uint64_t dropped, uint64_t announced)
{
    const struct stats_tenant *t = intake_stats_tenant(f->stats, 7);
    const uint64_t *c = t->counters;

    assert_int_equal(c[TENANT_RECEIVED], f->n_sent);
    assert_int_equal(c[TENANT_DROPPED], dropped);
    assert_int_equal(t->drops[drop], dropped);
    assert_int_equal(c[TENANT_ANNOUNCED], announced);
    assert_int_equal(c[TENANT_UNTOLD], 0);
    assert_int_equal(c[TENANT_RECEIVED] + c[TENANT_ANNOUNCED],
                     c[TENANT_OPEN] + c[TENANT_SPOOLED] + c[TENANT_DROPPED]);
}

static void
what_a_rule_drops_is_in_all_books(void **state)
{
    struct fixture *f = *state;

    begin(f, "- {name: tenth, action: sample, one-in: 10}\n");
    take(f, 25);
    assert_rule(f, "tenth", 25, 22, 0);
    assert_books(f, SLUICE_DROP_RULE_SAMPLE, 22, 0);
    pipeline_flush(f->pipeline);
    assert_rule(f, "tenth", 25, 22, 22);
    assert_books(f, SLUICE_DROP_RULE_SAMPLE, 22, 1);
}

static void
the_next_process_announces_what_one_that_died_dropped(void **state)
{
    struct fixture *f = *state;

    begin(f, "- {name: same, action: deduplicate, window-ms: 3600000}\n");
    take(f, 10);
    assert_books(f, SLUICE_DROP_RULE_DUPLICATE, 9, 0);
    die(f);
    begin(f, "- {name: same, action: deduplicate, window-ms: 3600000}\n");
    /* It knows nothing of lines before. */
    take(f, 10);
    assert_rule(f, "same", 20, 18, 0);
    pipeline_flush(f->pipeline);
    assert_rule(f, "same", 20, 18, 18);
    assert_books(f, SLUICE_DROP_RULE_DUPLICATE, 18, 2);
    /* Nothing is announced twice. */
    die(f);
    begin(f, "- {name: same, action: deduplicate, window-ms: 3600000}\n");
    pipeline_flush(f->pipeline);
    assert_books(f, SLUICE_DROP_RULE_DUPLICATE, 18, 2);
}

static void
a_process_that_dies_while_it_announces_leaves_that_to_the_next(void **state)
{
    struct fixture *f = *state;
    struct receive_task task = { .kind = 2, .value = 4 };

    begin(f, "- {name: none, action: drop}\n");
    take(f, 4);
    while (!f->stats->rule_drops[task.slot].key) {
        task.slot++;
    }
    receive_begin_task(f->receive, &task);
    die(f);
    begin(f, "- {name: none, action: drop}\n");
    assert_books(f, SLUICE_DROP_RULE_DROP, 4, 0);
    pipeline_flush(f->pipeline);
    assert_rule(f, "none", 4, 4, 4);
    assert_books(f, SLUICE_DROP_RULE_DROP, 4, 1);
}

static void
a_reload_keeps_the_figures_of_rules_that_stay(void **state)
{
    struct fixture *f = *state;
    struct config *config;
    static const char text[] = TENANTS "rules:\n"
        "- {name: new, app: nobody, action: drop}\n"
        "- {name: stays, action: rate-limit, rate: 1, burst: 2}\n";

    begin(f, "- {name: goes, app: nobody, action: drop}\n"
          "- {name: stays, action: rate-limit, rate: 1, burst: 2}\n");
    take(f, 5);
    assert_rule(f, "stays", 5, 3, 0);
    assert_null(config_parse("f", text, strlen(text), &config));
    assert_null(pipeline_reconfigure(f->pipeline, config));
    config_destroy(f->config);
    f->config = config;
    /* Before others take over, all is told. */
    assert_rule(f, "stays", 5, 3, 3);
    take(f, 2);
    pipeline_flush(f->pipeline);
    assert_rule(f, "stays", 7, 5, 5);
    assert_rule(f, "new", 0, 0, 0);
    assert_books(f, SLUICE_DROP_RULE_RATE, 5, 2);
}

static void
lines_settled_by_one_that_died_are_not_judged_again(void **state)
{
    struct fixture *f = *state;

    begin(f, "- {name: half, action: sample, one-in: 2}\n");
    take(f, 1);
    /* The line is in, and the process dies before it says so. */
    const struct signed_packet_spec spec = {
        .vni = 7, .tenant = 7, .ofp_port = 1, .epoch = 1,
        .number = ++f->n_sent,
    };
    struct signed_packet packet;
    uint64_t lost = 0;
    signed_packet_make(&packet, &spec);
    assert_int_equal(send(f->sender, packet.bytes, packet.size, 0),
                     packet.size);
    assert_int_equal(receive_fill(f->receive, &lost), 0);
    receive_settle(f->receive, SLUICE_DROP_RULE_SAMPLE);
    die(f);
    /* Another rule, which would keep it. */
    begin(f, "- {name: all, action: keep}\n");
    assert_rule(f, "all", 0, 0, 0);
    assert_books(f, SLUICE_DROP_RULE_SAMPLE, 1, 0);
}

#define TEST(NAME) cmocka_unit_test_setup_teardown(NAME, set_up, tear_down)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_a_rule_drops_is_in_all_books),
        TEST(the_next_process_announces_what_one_that_died_dropped),
        TEST(a_process_that_dies_while_it_announces_leaves_that_to_the_next),
        TEST(a_reload_keeps_the_figures_of_rules_that_stay),
        TEST(lines_settled_by_one_that_died_are_not_judged_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
