/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>

#include "unit.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "answer.h"
#include "context-snapshot.h"
#include "context-status.h"
#include "context.pb-c.h"
#include "control-frame.h"
#include "master.h"
#include "openvswitch/ofpbuf.h"
#include "printable.h"
#include "proxy-config.h"
#include "spool.h"
#include "stats.h"
#include "util.h"

/* A master without programs, in a directory of its own. */
struct fixture {
    char *dir;
    struct master master;
    struct intake_stats *intake;
    struct ship_stats *ship;
};

static int
set_up(void **state)
{
    struct fixture *f = xzalloc(sizeof *f);
    char *base = xasprintf("%s/sluice-test.XXXXXX",
                           getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp");

    f->dir = mkdtemp(base);
    assert_non_null(f->dir);
    char *spool = xasprintf("%s/spool", f->dir);
    assert_int_equal(mkdir(spool, 0700), 0);
    char *text = xasprintf("paths: {run: %s, spool: %s, state: %s/state}\n"
                           "tenants:\n"
                           "- {id: 7, name: seven, server: 'h:514'}\n"
                           "- {id: 8, name: eight, server: 'h:515'}\n",
                           f->dir, spool, f->dir);
    assert_null(config_parse("f", text, strlen(text), &f->master.config));
    assert_int_equal(spool_open(spool, &f->master.spool), 0);
    supervisor_init(&f->master.supervisor);
    f->master.config_path = "f";
    char *context = config_path_context(f->master.config);
    assert_int_equal(mkdir(f->master.config->paths.state, 0700), 0);
    assert_int_equal(mkdir(context, 0700), 0);
    free(context);
    char *intake_run = config_path_intake_run(f->master.config);
    assert_int_equal(mkdir(intake_run, 0700), 0);
    free(intake_run);
    char *intake = config_path_intake_stats(f->master.config);
    char *ship = config_path_ship_stats(f->master.config, 7, "main");
    assert_int_equal(intake_stats_map(intake, &f->intake), 0);
    assert_int_equal(ship_stats_map(ship, 7, &f->ship), 0);
    free(intake);
    free(ship);
    free(spool);
    free(text);
    *state = f;
    return 0;
}

static int
tear_down(void **state)
{
    struct fixture *f = *state;

    stats_unmap(f->intake);
    stats_unmap(f->ship);
    spool_close(f->master.spool);
    config_destroy(f->master.config);
    char *command = xasprintf("rm -rf '%s'", f->dir);
    int error = system(command);
    free(command);
    free(f->dir);
    free(f);
    return error;
}

/* What was in all messages of an answer. */
struct told {
    size_t n_messages, n_vms, n_sources, n_changes;
    bool is_cut;
};

/* Asks 'request'; adds what its answer has to '*told', which may be null.  The
 * last message of it is returned. */
static Sluice__Response *
ask_message(struct fixture *f, struct slice request, struct told *told)
{
    Sluice__Response *response = NULL;
    struct control_reader reader;
    struct ofpbuf out;

    ofpbuf_init(&out, 0);
    answer_request(&f->master, request, true, &out);
    struct slice rest = slice_of(out.data, out.size);
    control_reader_init(&reader);
    while (rest.size) {
        assert_int_equal(control_reader_push(&reader, &rest), CONTROL_READY);
        if (response) {
            assert_true(response->more);
            control_free_response(response);
        }
        response = control_unpack_response(control_reader_message(&reader));
        assert_non_null(response);
        if (told) {
            told->n_messages++;
            told->n_vms += response->n_vms;
            told->n_sources += response->n_sources;
            told->n_changes += response->n_context;
            told->is_cut |= response->cut;
        }
        control_reader_next(&reader);
    }
    assert_false(response->more);
    control_reader_destroy(&reader);
    ofpbuf_uninit(&out);
    return response;
}

static Sluice__Response *
ask(struct fixture *f, Sluice__Verb verb, struct told *told)
{
    const uint8_t request[] = { 0x08, verb };

    return ask_message(f, slice_of(request, sizeof request), told);
}

static Sluice__Response *
ask_batch(struct fixture *f, Sluice__Verb verb, uint32_t tenant,
          const char *queue, uint32_t generation, uint64_t number,
          uint64_t offset)
{
    Sluice__Request request = SLUICE__REQUEST__INIT;
    Sluice__SpoolQuery query = SLUICE__SPOOL_QUERY__INIT;
    uint8_t packed[256];

    query.tenant = tenant;
    query.queue = CONST_CAST(char *, queue);
    query.generation = generation;
    query.number = number;
    query.offset = offset;
    request.verb = verb;
    request.spool = &query;
    assert_true(sluice__request__get_packed_size(&request) <= sizeof packed);
    size_t size = sluice__request__pack(&request, packed);
    return ask_message(f, slice_of(packed, size), NULL);
}

static void
the_books_come_from_all_programs(void **state)
{
    struct fixture *f = *state;
    struct stats_tenant *t = intake_stats_tenant(f->intake, 7);

    stats_set(&t->counters[TENANT_RECEIVED], 20);
    stats_set(&t->counters[TENANT_DROPPED], 3);
    stats_set(&t->counters[TENANT_OPEN], 5);
    stats_set(&t->counters[TENANT_BYTES], 999);
    stats_set(&f->ship->counters[SHIP_SHIPPED], 10);
    stats_set(&f->ship->counters[SHIP_DROPPED], 2);
    stats_set(&f->ship->state, SHIP_STATE_BACKOFF);
    ovs_strlcpy(f->ship->error, "no\nroute", sizeof f->ship->error);

    Sluice__Response *r = ask(f, SLUICE__VERB__TENANTS, NULL);
    assert_string_equal(r->error, "");
    assert_int_equal(r->n_tenants, 2);
    const Sluice__Tenant *seven = r->tenants[0];
    assert_int_equal(seven->id, 7);
    assert_string_equal(seven->name, "seven");
    assert_string_equal(seven->server, "h:514");
    assert_string_equal(seven->state, "backoff");
    assert_string_equal(seven->error, "no?route");
    assert_int_equal(seven->received, seven->dropped + seven->open
                     + seven->spooled + seven->quarantined + seven->shipped);
    assert_int_equal(seven->dropped, 5);
    assert_int_equal(seven->bytes, 999);
    assert_int_equal(r->tenants[1]->id, 8);
    assert_string_equal(r->tenants[1]->state, "not running");
    assert_int_equal(r->tenants[1]->received, 0);
    control_free_response(r);
}

static uint64_t
sum_of(const Sluice__Response *r, const char *name)
{
    uint64_t sum = 0;

    for (size_t i = 0; i < r->n_counters; i++) {
        if (!strcmp(r->counters[i]->name, name)) {
            sum += r->counters[i]->value;
        }
    }
    return sum;
}

static void
each_drop_is_told_once(void **state)
{
    struct fixture *f = *state;
    struct stats_tenant *t = intake_stats_tenant(f->intake, 8);

    stats_set(&f->intake->drops[SLUICE_DROP_GENEVE_TRUNCATED], 4);
    stats_set(&f->intake->drops[SLUICE_DROP_INNER_EMPTY], 5);
    stats_set(&t->drops[SLUICE_DROP_INNER_EMPTY], 2);

    Sluice__Response *r = ask(f, SLUICE__VERB__COUNTERS, NULL);
    assert_int_equal(sum_of(r, "geneve-truncated"), 4);
    assert_int_equal(sum_of(r, "inner-empty"), 5);
    assert_int_equal(sum_of(r, "tenant-vni"), 0);
    for (size_t i = 0; i < r->n_counters; i++) {
        const Sluice__Counter *c = r->counters[i];
        if (!strcmp(c->name, "inner-empty")) {
            assert_int_equal(c->value, c->tenant == 8 ? 2 : 3);
            assert_string_not_equal(c->text, "");
        }
        assert_string_not_equal(c->unit, "");
    }
    control_free_response(r);
}

static void
many_virtual_machines_come_in_parts(void **state)
{
    enum { N = 5000 };
    struct fixture *f = *state;
    struct told told = { 0 };

    for (size_t i = 0; i < N; i++) {
        struct stats_source *s = &f->intake->sources[i];
        memset(s, 0xff, sizeof *s);
        memset(s->vm_name, 'n', sizeof s->vm_name);
        memset(s->claimed_host, '\n', sizeof s->claimed_host);
        stats_set(&s->tenant, 7);
    }
    Sluice__Response *r = ask(f, SLUICE__VERB__VMS, &told);
    assert_int_equal(told.n_vms, N);
    assert_true(told.n_messages > 1 && told.n_messages < 20);
    const Sluice__Vm *vm = r->vms[0];
    assert_int_equal(strlen(vm->name), STATS_HOSTNAME_SIZE);
    assert_int_equal(strspn(vm->claimed_host, "?"), STATS_HOSTNAME_SIZE);
    assert_int_equal(vm->vm.len, 16);
    assert_int_equal(vm->mac.len, 6);
    assert_string_equal(vm->origin, "stock");
    control_free_response(r);
}

static void
a_source_is_told_as_it_is(void **state)
{
    struct fixture *f = *state;
    struct stats_source *s = &f->intake->sources[0];

    memset(f->intake->sources, 0, sizeof f->intake->sources);
    inet_pton(AF_INET6, "::ffff:198.18.0.1", s->vtep);
    stats_set(&s->ofp_port, 3);
    stats_set(&s->sent, 9);
    stats_set(&s->tenant, 7);
    ovs_strlcpy(s->vm_name, "B\xc3\xbcro\xe2\x80\xae\xff", sizeof s->vm_name);

    Sluice__Response *r = ask(f, SLUICE__VERB__VMS, NULL);
    assert_int_equal(r->n_vms, 1);
    assert_string_equal(r->vms[0]->vtep, "198.18.0.1");
    assert_string_equal(r->vms[0]->name, "B\xc3\xbcro????");
    assert_string_equal(r->vms[0]->origin, "sluice");
    assert_int_equal(r->vms[0]->vm.len, 0);
    assert_int_equal(r->vms[0]->ofp_port, 3);
    assert_int_equal(r->vms[0]->sent, 9);
    control_free_response(r);
}

static void
the_spool_is_told_for_each_tenant(void **state)
{
    struct fixture *f = *state;

    Sluice__Response *r = ask(f, SLUICE__VERB__SPOOL, NULL);
    assert_int_equal(r->n_spool, 2);
    assert_int_equal(r->spool[0]->tenant, 7);
    assert_int_equal(r->spool[1]->tenant, 8);
    assert_int_equal(r->spool[0]->lines, 0);
    assert_string_equal(r->spool[0]->queue, "main");
    assert_true(r->spool[0]->configured);
    control_free_response(r);
}

static void
a_batch_is_named_by_what_can_be_no_path(void **state)
{
    static const struct {
        uint32_t tenant;
        const char *queue;
    } bad[] = {
        { 0, "main" }, { 0x1000000, "main" }, { UINT32_MAX, "main" },
        { 7, "" }, { 7, "." }, { 7, ".." }, { 7, "../7/main" },
        { 7, "../../spool/7/main" }, { 7, "main/quarantine" }, { 7, "/main" },
        { 7, "main/" }, { 7, ".main" }, { 7, "ma\nin" }, { 7, "ma in" },
        { 7, "x23456789x123456789x123456789x123" },
    };
    static const struct spool_queue seven = { 7, "main" };
    struct fixture *f = *state;

    assert_int_equal(spool_push(f->master.spool, &seven, 1, 1, 1,
                                slice_from_string("x")), 0);
    for (int verb = SLUICE__VERB__SPOOL_SHOW; verb <= SLUICE__VERB__SPOOL_DROP;
         verb++) {
        for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
            Sluice__Response *r = ask_batch(f, verb, bad[i].tenant,
                                            bad[i].queue, 1, 1, 0);
            assert_string_equal(r->error, "the request names no queue; use a "
                                "sluicectl of sluiced's version.");
            assert_false(r->busy);
            assert_int_equal(r->n_batches, 0);
            control_free_response(r);
        }
        /* Without a query, and one that names nothing that is there. */
        Sluice__Response *r = ask(f, verb, NULL);
        assert_string_not_equal(r->error, "");
        control_free_response(r);
        r = ask_batch(f, verb, 7, "main", 2, 1, 0);
        assert_string_equal(r->error, "tenant 7, queue main: there is no batch "
                            "2-1; it may have been shipped meanwhile.");
        control_free_response(r);
    }
    struct spool_item item;
    assert_int_equal(spool_find(f->master.spool, &seven, 1, 1, &item), 0);
}

static void
a_file_is_sent_in_parts(void **state)
{
    enum { SIZE = 1200 * 1000 };
    static const struct spool_queue seven = { 7, "main" };
    struct fixture *f = *state;
    uint8_t *file = xmalloc(SIZE);
    uint8_t *got = xmalloc(SIZE);
    size_t n = 0;

    for (size_t i = 0; i < SIZE; i++) {
        file[i] = i * 7 + i / 251;
    }
    assert_int_equal(spool_push(f->master.spool, &seven, 1, 1, 9,
                                slice_of(file, SIZE)), 0);
    for (int i = 0; n < SIZE; i++) {
        Sluice__Response *r = ask_batch(f, SLUICE__VERB__SPOOL_EXPORT, 7,
                                        "main", 1, 9, n);
        assert_string_equal(r->error, "");
        assert_int_equal(r->batches[0]->bytes, SIZE);
        assert_true(r->data.len && r->data.len <= SIZE - n && i < 10);
        memcpy(got + n, r->data.data, r->data.len);
        n += r->data.len;
        control_free_response(r);
    }
    assert_memory_equal(got, file, SIZE);
    Sluice__Response *r = ask_batch(f, SLUICE__VERB__SPOOL_EXPORT, 7, "main",
                                    1, 9, UINT64_MAX);
    assert_int_equal(r->data.len, 0);
    control_free_response(r);

    /* What is no batch inside is shown for what it is. */
    r = ask_batch(f, SLUICE__VERB__SPOOL_SHOW, 7, "main", 1, 9, 0);
    assert_string_equal(r->batches[0]->problem, "it is not a sealed batch");
    control_free_response(r);
    free(file);
    free(got);
}

static void
what_nobody_ships_any_more_is_told_too(void **state)
{
    static const struct spool_queue old = { 7, "old" }, gone = { 9, "main" };
    struct fixture *f = *state;

    assert_int_equal(spool_push(f->master.spool, &old, 1, 1, 1,
                                slice_from_string("x")), 0);
    assert_int_equal(spool_push(f->master.spool, &gone, 1, 1, 1,
                                slice_from_string("x")), 0);
    Sluice__Response *r = ask(f, SLUICE__VERB__SPOOL, NULL);
    assert_int_equal(r->n_spool, 4);
    assert_int_equal(r->spool[2]->tenant, 7);
    assert_string_equal(r->spool[2]->queue, "old");
    assert_false(r->spool[2]->configured);
    assert_int_equal(r->spool[2]->batches, 1);
    assert_int_equal(r->spool[3]->tenant, 9);
    control_free_response(r);
}

static void
four_thousand_hosts_are_sources(void **state)
{
    struct fixture *f = *state;
    char *snapshot = config_path_snapshot(f->master.config);
    char *path = xasprintf("%s.status", snapshot);
    char *problem = xmalloc(4001);
    FILE *stream = fopen(path, "w");
    struct told told = { 0 };

    assert_non_null(stream);
    memset(problem, 'p', 4000);
    problem[4000] = '\0';
    for (int i = 0; i < 2 * CONTEXT_STATUS_MAX_SOURCES; i++) {
        fprintf(stream, "source host:hv-%d: stale; %s\n"
                "heard host:hv-%d: 2026-11-27T17:00:10Z\n"
                "holds host:hv-%d: 3 VMs, 21 values, 2 stale, oldest "
                "2026-11-27T17:00:00Z\n  sessions: 3\n", i, problem, i, i);
    }
    fclose(stream);
    Sluice__Response *r = ask(f, SLUICE__VERB__CONTEXT_STATS, &told);
    assert_int_equal(told.n_sources, 1 + CONFIG_MAX_MANAGERS
                                     + CONFIG_MAX_HOSTS);
    const Sluice__ContextSource *last = r->sources[r->n_sources - 1];
    assert_string_equal(last->state, "stale");
    assert_string_equal(last->problem, problem);
    assert_int_equal(last->vms, 3);
    assert_int_equal(last->values, 21);
    assert_int_equal(last->stale_values, 2);
    assert_int_equal(last->heard_ns - last->oldest_ns, 10000000000);
    control_free_response(r);
    assert_int_equal(unlink(path), 0);
    free(problem);
    free(path);
    free(snapshot);
}

/* Puts 'n' VMs with a large value into the snapshot at 'path'. */
static void
put_snapshot(const char *path, size_t n, char fill)
{
    struct snapshot_builder *b = snapshot_builder_create();
    Sluice__ContextValue value = SLUICE__CONTEXT_VALUE__INIT;
    Sluice__ContextValue *values = &value;
    Sluice__VmContext vm = SLUICE__VM_CONTEXT__INIT;
    static uint8_t packed[SNAPSHOT_MAX_RECORD];
    char text[32001];
    uint8_t uuid[16] = { 0 };

    memset(text, fill, sizeof text - 1);
    text[sizeof text - 1] = '\0';
    value.key = CONST_CAST(char *, "note");
    value.value = text;
    vm.vm.data = uuid;
    vm.vm.len = sizeof uuid;
    vm.value = &values;
    vm.n_value = 1;
    for (size_t i = 0; i < n; i++) {
        memcpy(uuid, &i, sizeof i);
        assert_true(sluice__vm_context__get_packed_size(&vm) < sizeof packed);
        assert_int_equal(snapshot_builder_add(
            b, uuid, NULL, 0, slice_of(packed, sluice__vm_context__pack(
                                           &vm, packed))), 0);
    }
    assert_int_equal(snapshot_builder_publish(b, path, 1), 0);
    snapshot_builder_destroy(b);
}

static void
more_changes_than_fit_are_cut_and_said_to_be(void **state)
{
    struct fixture *f = *state;
    char *path = config_path_snapshot(f->master.config);
    char *previous = xasprintf("%s.previous", path);

    put_snapshot(previous, 1000, 'a');
    put_snapshot(path, 1000, 'b');
    struct told told = { 0 };
    Sluice__Response *r = ask(f, SLUICE__VERB__CONTEXT_DIFF, &told);
    assert_true(told.n_changes > 50 && told.n_changes < 100);
    assert_true(told.n_messages > 1);
    assert_true(told.is_cut);
    control_free_response(r);
    free(previous);
    free(path);
}

static void
an_entry_that_fits_into_no_message_is_an_error(void **state)
{
    struct fixture *f = *state;
    char *refused = xmalloc(CONTROL_FRAME_MAX + 1);

    memset(refused, 'r', CONTROL_FRAME_MAX);
    refused[CONTROL_FRAME_MAX] = '\0';
    f->master.refused = refused;
    Sluice__Response *r = ask(f, SLUICE__VERB__STATUS, NULL);
    assert_non_null(strstr(r->error, "and a message at most 1048576"));
    control_free_response(r);
    f->master.refused = NULL;
    free(refused);
}

static void
what_steers_a_terminal_is_not_printable(void **state)
{
    static const char *const bad[] = {
        "\n", "\x1b[2J", "\x7f", "\xc2\x9b", "\xe2\x80\xae", "\xe2\x81\xa6",
        "\xd8\x9c", "\xff", "\xc0\x80", "\xed\xa0\x80", "\xe2\x82",
    };

    (void) state;
    assert_true(is_printable(slice_from_string("B\xc3\xbcro")));
    assert_true(is_printable(slice_from_string("\xf0\x9f\x92\xa7")));
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        assert_false(is_printable(slice_from_string(bad[i])));
        char *s = make_printable(bad[i], 100);
        assert_true(is_printable(slice_from_string(s)));
        assert_int_equal(strlen(s), strlen(bad[i]));
        free(s);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_books_come_from_all_programs),
        cmocka_unit_test(each_drop_is_told_once),
        cmocka_unit_test(many_virtual_machines_come_in_parts),
        cmocka_unit_test(a_source_is_told_as_it_is),
        cmocka_unit_test(the_spool_is_told_for_each_tenant),
        cmocka_unit_test(a_batch_is_named_by_what_can_be_no_path),
        cmocka_unit_test(a_file_is_sent_in_parts),
        cmocka_unit_test(what_nobody_ships_any_more_is_told_too),
        cmocka_unit_test(four_thousand_hosts_are_sources),
        cmocka_unit_test(more_changes_than_fit_are_cut_and_said_to_be),
        cmocka_unit_test(an_entry_that_fits_into_no_message_is_an_error),
        cmocka_unit_test(what_steers_a_terminal_is_not_printable),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
