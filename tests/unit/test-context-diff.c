/* SPDX-License-Identifier: Apache-2.0
 *
 * What changed between two snapshots, and since a time; the status of sources;
 * times as they are asked for. */
#include <config.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "context-diff.h"
#include "context-status.h"
#include "context.pb-c.h"
#include "openvswitch/dynamic-string.h"
#include "unit.h"
#include "util.h"

#define SECOND UINT64_C(1000000000)

/* Adds a VM with a UUID, or a MAC address alone, that ends in 'id'. */
static void
add_vm(struct snapshot_builder *b, uint8_t id, bool has_uuid,
       const char *name, const char *host, const char *load)
{
    Sluice__VmContext vm = SLUICE__VM_CONTEXT__INIT;
    Sluice__ContextValue values[2], *pointers[] = { &values[0], &values[1] };
    uint8_t uuid[16] = { [15] = id }, mac[1][6] = { { 2, [5] = id } };
    ProtobufCBinaryData macs[] = { { .data = mac[0], .len = 6 } };
    char *sources[] = { CONST_CAST(char *, "static") };

    sluice__context_value__init(&values[0]);
    sluice__context_value__init(&values[1]);
    values[0].key = CONST_CAST(char *, "host");
    values[0].value = CONST_CAST(char *, host);
    values[1].key = CONST_CAST(char *, "cpu-percent");
    values[1].value = CONST_CAST(char *, load);
    values[1].measured = true;
    values[0].source = values[1].source = sources[0];
    vm.vm = (ProtobufCBinaryData) { .data = uuid, .len = has_uuid ? 16 : 0 };
    vm.mac = macs;
    vm.n_mac = 1;
    vm.name = CONST_CAST(char *, name);
    vm.value = pointers;
    vm.n_value = 2;
    vm.source = sources;
    vm.n_source = 1;

    size_t size = sluice__vm_context__get_packed_size(&vm);
    uint8_t *packed = xmalloc(size);
    sluice__vm_context__pack(&vm, packed);
    assert_int_equal(snapshot_builder_add(b, has_uuid ? uuid : NULL,
                                          (const uint8_t (*)[6]) mac, 1,
                                          slice_of(packed, size)), 0);
    free(packed);
}

/* Publishes what 'b' has behind 'earlier', which may be null and is closed, at
 * 'now_ns'; returns it. */
static struct snapshot *
publish(struct snapshot_builder *b, struct snapshot *earlier, uint64_t now_ns)
{
    char path[] = "/tmp/sluice-context-diff.XXXXXX";
    struct snapshot *s;
    size_t n_dropped;

    close(mkstemp(path));
    if (earlier) {
        assert_int_equal(snapshot_builder_inherit(b, earlier, now_ns,
                                                  UINT64_MAX, &n_dropped), 0);
    }
    assert_int_equal(snapshot_builder_publish(b, path, 1), 0);
    assert_int_equal(snapshot_open(path, &s), 0);
    unlink(path);
    snapshot_builder_destroy(b);
    return s;
}

static char *
name_of(struct slice record)
{
    Sluice__VmContext *vm
        = sluice__vm_context__unpack(NULL, record.size, record.data);
    char *name = xstrdup(vm->name);

    sluice__vm_context__free_unpacked(vm, NULL);
    return name;
}

/* Appends "BEFORE>AFTER ". */
static bool
note(struct slice before, struct slice after, void *s)
{
    char *a = before.size ? name_of(before) : xstrdup("");
    char *b = after.size ? name_of(after) : xstrdup("");

    ds_put_format(s, "%s>%s ", a, b);
    free(a);
    free(b);
    return true;
}

static bool
note_one(struct slice before, struct slice after, void *s)
{
    note(before, after, s);
    return false;
}

static void
assert_told(struct ds *s, const char *expected)
{
    assert_string_equal(ds_cstr(s), expected);
    ds_clear(s);
}

static void
changes_are_told_but_for_measurements(void **state)
{
    struct ds s = DS_EMPTY_INITIALIZER;
    struct snapshot_builder *b = snapshot_builder_create();
    add_vm(b, 1, true, "same", "h1", "1.0");
    add_vm(b, 2, true, "moves", "h1", "1.0");
    add_vm(b, 3, true, "goes", "h1", "1.0");
    add_vm(b, 4, false, "goes-too", "h1", "1.0");
    add_vm(b, 5, false, "stays", "h1", "1.0");
    struct snapshot *first = publish(b, NULL, 0);

    b = snapshot_builder_create();
    add_vm(b, 1, true, "same", "h1", "99.0");
    add_vm(b, 2, true, "moved", "h2", "1.0");
    add_vm(b, 5, false, "stays", "h1", "2.0");
    add_vm(b, 6, true, "new", "h1", "1.0");
    struct snapshot *second = publish(b, first, 1000 * SECOND);

    context_diff(first, second, note, &s);
    assert_told(&s, "moves>moved >new goes> goes-too> ");
    context_diff(first, second, note_one, &s);
    assert_told(&s, "moves>moved ");
    context_diff(second, second, note, &s);
    assert_told(&s, "");

    /* The same from the history, but for what is new. */
    context_diff_since(second, 999 * SECOND, note, &s);
    assert_told(&s, "moves>moved goes> goes-too> ");
    context_diff_since(second, 1000 * SECOND, note, &s);
    assert_told(&s, "");
    snapshot_close(first);
    snapshot_close(second);
    ds_destroy(&s);
    (void) state;
}

static void
when_all_are_gone_none_is_there(void **state)
{
    struct ds s = DS_EMPTY_INITIALIZER;
    struct snapshot_builder *b = snapshot_builder_create();
    add_vm(b, 1, true, "a", "h1", "1.0");
    struct snapshot *first = publish(b, NULL, 0);
    struct snapshot *second = publish(snapshot_builder_create(), first,
                                      1000 * SECOND);
    struct slice record;
    uint64_t position = 0;

    assert_false(snapshot_next(second, &position, &record));
    context_diff(first, second, note, &s);
    assert_told(&s, "a> ");
    context_diff_since(second, SECOND, note, &s);
    assert_told(&s, "a> ");
    snapshot_close(first);
    snapshot_close(second);
    ds_destroy(&s);
    (void) state;
}

static void
the_status_of_sources_is_read(void **state)
{
    char path[] = "/tmp/sluice-status.XXXXXX";
    close(mkstemp(path));
    char *status_path = xasprintf("%s.status", path);
    FILE *f = fopen(status_path, "w");
    size_t n;

    fputs("generation: 3\nsource static: current\n"
          "heard static: 2026-11-27T17:00:00Z\n"
          "source vsphere:vc-1: stale; vsphere:vc-1: it \x1b burns; really.\n"
          "heard vsphere:vc-1: never\n"
          "holds vsphere:vc-1: 3 VMs, 40 values, 2 stale, oldest "
          "2026-11-27T17:00:00Z\n"
          "holds static: 9 VMs, 9 values, 9 stale, oldest never\n"
          "vsphere:vc-1: 3 VMs\nsource\nheard x\nsource x", f);
    for (int i = 0; i < 2 * CONTEXT_STATUS_MAX_SOURCES; i++) {
        fprintf(f, "\nsource x%d: current", i);
    }
    fclose(f);
    struct context_source_status *sources = context_status_read(path, &n);
    assert_int_equal(n, CONTEXT_STATUS_MAX_SOURCES);
    assert_string_equal(sources[0].name, "static");
    assert_string_equal(sources[0].state, "current");
    assert_string_equal(sources[0].problem, "");
    assert_true(sources[0].heard_ns == 1795798800 * SECOND);
    assert_string_equal(sources[1].name, "vsphere:vc-1");
    assert_string_equal(sources[1].state, "stale");
    assert_string_equal(sources[1].problem,
                        "vsphere:vc-1: it ? burns; really.");
    assert_true(!sources[1].heard_ns);
    assert_int_equal(sources[1].vms, 3);
    assert_int_equal(sources[1].values, 40);
    assert_int_equal(sources[1].stale_values, 2);
    assert_true(sources[1].oldest_ns == sources[0].heard_ns);
    assert_int_equal(sources[0].vms, 0);
    context_status_free(sources, n);
    unlink(status_path);
    unlink(path);
    free(status_path);

    sources = context_status_read("/nonexistent", &n);
    assert_int_equal(n, 0);
    context_status_free(sources, n);
    (void) state;
}

static void
a_time_is_absolute_or_ago(void **state)
{
    const uint64_t now = 1000000 * SECOND;
    static const char *const wrong[] = {
        "", "yesterday", "10", "10x", "10mm", "-10m", "2026-11-27",
        "2026-11-27T17:00:00", "2026-11-27T17:00:00+01:00", "99999999d",
        "2026-13-27T17:00:00Z", "m",
    };

    assert_true(context_parse_when("1970-01-01T00:01:40Z", now)
                == 100 * SECOND);
    assert_true(context_parse_when("1970-01-01T00:01:40.25Z", now)
                == 100 * SECOND + SECOND / 4);
    assert_true(context_parse_when("90s", now) == now - 90 * SECOND);
    assert_true(context_parse_when("10m", now) == now - 600 * SECOND);
    assert_true(context_parse_when("2h", now) == now - 7200 * SECOND);
    assert_true(context_parse_when("1d", now) == now - 86400 * SECOND);
    for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
        if (context_parse_when(wrong[i], now)) {
            fail_msg("%s", wrong[i]);
        }
    }
    (void) state;
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(changes_are_told_but_for_measurements),
        cmocka_unit_test(when_all_are_gone_none_is_there),
        cmocka_unit_test(the_status_of_sources_is_read),
        cmocka_unit_test(a_time_is_absolute_or_ago),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
