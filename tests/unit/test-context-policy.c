/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "context-policy.h"
#include "context.pb-c.h"

#define N(ARRAY) (sizeof (ARRAY) / sizeof (ARRAY)[0])

enum { TENANT = 7, USER = 1, CRON = 9 };

static const char *const keys[] = {
    "host", "owner", "rack", "cpu-percent", "host-memory-percent",
    "migrations", "context-stale",
};

/* Packs a record that has each of 'keys'. */
static struct slice
make_record(uint8_t buf[1024])
{
    Sluice__ContextValue values[N(keys)];
    Sluice__ContextValue *pointers[N(keys)];
    Sluice__VmContext vm = SLUICE__VM_CONTEXT__INIT;
    ProtobufCBinaryData mac = { 6, (uint8_t *) "macmac" };
    char *source = (char *) "vc";

    for (size_t i = 0; i < N(keys); i++) {
        sluice__context_value__init(&values[i]);
        values[i].key = (char *) keys[i];
        values[i].value = (char *) "x";
        values[i].source = (char *) "vc";
        values[i].fetched_ns = 5;
        values[i].measured = i == 3;
        pointers[i] = &values[i];
    }
    vm.vm.data = (uint8_t *) "0123456789abcdef";
    vm.vm.len = 16;
    vm.name = (char *) "web";
    vm.tenant = TENANT;
    vm.mac = &mac;
    vm.n_mac = 1;
    vm.ip = &mac;
    vm.n_ip = 1;
    vm.other_vm = &vm.vm;
    vm.n_other_vm = 1;
    vm.source = &source;
    vm.n_source = 1;
    vm.value = pointers;
    vm.n_value = N(keys);
    assert_true(sluice__vm_context__get_packed_size(&vm) <= 1024);
    return slice_of(buf, sluice__vm_context__pack(&vm, buf));
}

/* Returns the keys that a line gets, with a space behind each. */
static const char *
keys_of(struct context_policy *p, uint32_t tenant, int facility, int severity,
        const char *app)
{
    static char text[512];
    const struct context_tenant *t = context_policy_tenant(p, tenant);
    uint32_t sets = context_policy_line(t, facility * 8 + severity,
                                        slice_from_string(app));
    uint8_t record[1024], filtered[2048];
    size_t n = context_policy_filter(p, t, make_record(record), filtered,
                                     sizeof filtered);
    Sluice__VmContext *vm = sluice__vm_context__unpack(NULL, n, filtered);

    assert_non_null(vm);
    assert_string_equal(vm->name, "web");
    assert_int_equal(vm->vm.len, 16);
    assert_int_equal(vm->n_mac + vm->n_ip + vm->n_other_vm + vm->n_source, 0);
    size_t size = 0;
    text[0] = '\0';
    for (size_t i = 0; i < vm->n_value; i++) {
        assert_string_equal(vm->value[i]->value, "x");
        assert_int_equal(vm->value[i]->fetched_ns, 5);
        if (!sets || sets & vm->value[i]->sets) {
            size += snprintf(text + size, sizeof text - size, "%s ",
                             vm->value[i]->key);
            assert_true(size < sizeof text);
        }
    }
    sluice__vm_context__free_unpacked(vm, NULL);
    return text;
}

static struct context_policy *
create(const struct context_set_spec *sets, size_t n_sets,
       const struct context_rule_spec *rules, size_t n_rules,
       const struct context_share_spec *shares, size_t n_shares)
{
    struct context_policy *p;

    assert_int_equal(context_policy_create(sets, n_sets, rules, n_rules,
                                           shares, n_shares, &p), 0);
    return p;
}

static void
by_default_errors_are_verbose_and_debug_is_short(void **state)
{
    (void) state;
    struct context_policy *p = create(NULL, 0, NULL, 0, NULL, 0);

    for (int severity = 0; severity <= 4; severity++) {
        assert_string_equal(keys_of(p, TENANT, USER, severity, "app"),
                            "host owner rack cpu-percent host-memory-percent "
                            "migrations context-stale ");
    }
    for (int severity = 5; severity <= 6; severity++) {
        assert_string_equal(keys_of(p, TENANT, USER, severity, "app"),
                            "host owner rack context-stale ");
    }
    assert_string_equal(keys_of(p, TENANT, USER, 7, "app"),
                        "host owner context-stale ");
    context_policy_destroy(p);
}

static void
the_first_rule_for_a_line_counts(void **state)
{
    (void) state;
    static const struct context_set_spec sets[] = {
        { "place", "rack, host" },
        { "short", "owner" },
        { "most", "*, !*-percent, !rack" },
    };
    static const struct context_rule_spec rules[] = {
        { .app = "db*", .severity = "debug", .sets = "load" },
        { .tenant = 8, .sets = "place" },
        { .facility = "cron", .severity = "info..err", .sets = "short" },
        { .severity = "err", .sets = "place, short" },
        { .severity = "crit", .sets = "most" },
    };
    struct context_policy *p = create(sets, N(sets), rules, N(rules), NULL, 0);

    assert_string_equal(keys_of(p, TENANT, USER, 7, "db-1"),
                        "cpu-percent host-memory-percent migrations "
                        "context-stale ");
    assert_string_equal(keys_of(p, TENANT, USER, 7, "web"),
                        "owner context-stale ");
    assert_string_equal(keys_of(p, 8, USER, 7, "web"),
                        "host rack context-stale ");
    assert_string_equal(keys_of(p, 8, CRON, 3, "web"),
                        "host rack context-stale ");
    assert_string_equal(keys_of(p, 8, USER, 7, "db"),
                        "cpu-percent host-memory-percent migrations "
                        "context-stale ");
    assert_string_equal(keys_of(p, TENANT, CRON, 3, "web"),
                        "owner context-stale ");
    assert_string_equal(keys_of(p, TENANT, USER, 3, "web"),
                        "host owner rack context-stale ");
    assert_string_equal(keys_of(p, TENANT, USER, 2, "web"),
                        "host owner migrations context-stale ");
    assert_string_equal(keys_of(p, TENANT, USER, 1, "web"),
                        "host owner rack cpu-percent host-memory-percent "
                        "migrations context-stale ");
    context_policy_destroy(p);
}

static void
a_tenant_sees_nothing_that_is_not_shared(void **state)
{
    (void) state;
    static const struct context_rule_spec rules[] = {
        { .tenant = 7, .sets = "all" },
    };
    static const struct context_share_spec shares[] = {
        { 7, "short" },
        { 9, "usual" },
    };
    struct context_policy *p = create(NULL, 0, rules, 1, shares, N(shares));

    assert_string_equal(keys_of(p, 7, USER, 0, "app"),
                        "host owner context-stale ");
    /* It is not even in the batch. */
    uint8_t record[1024], filtered[2048];
    size_t n = context_policy_filter(p, context_policy_tenant(p, 7),
                                     make_record(record), filtered,
                                     sizeof filtered);
    Sluice__VmContext *vm = sluice__vm_context__unpack(NULL, n, filtered);
    assert_int_equal(vm->n_value, 3);
    sluice__vm_context__free_unpacked(vm, NULL);

    assert_string_equal(keys_of(p, 9, USER, 0, "app"),
                        "host owner rack context-stale ");
    assert_string_equal(keys_of(p, 8, USER, 0, "app"),
                        "host owner rack cpu-percent host-memory-percent "
                        "migrations context-stale ");
    context_policy_destroy(p);
}

static void
what_is_wrong_is_refused(void **state)
{
    (void) state;
    static const struct context_rule_spec wrong[] = {
        { .sets = "none" },
        { .sets = "short,, all" },
        { .severity = "loud", .sets = "all" },
        { .facility = "kitchen", .sets = "all" },
        { .app = ",", .sets = "all" },
    };
    static const struct context_share_spec share = { 7, "none" };
    struct context_policy *p = NULL;

    for (size_t i = 0; i < N(wrong); i++) {
        assert_int_equal(context_policy_create(NULL, 0, &wrong[i], 1, NULL, 0,
                                               &p), EINVAL);
    }
    assert_int_equal(context_policy_create(NULL, 0, NULL, 0, &share, 1, &p),
                     EINVAL);
    assert_null(p);
}

static void
a_record_that_is_damaged_or_has_no_room_gives_nothing(void **state)
{
    (void) state;
    struct context_policy *p = create(NULL, 0, NULL, 0, NULL, 0);
    const struct context_tenant *t = context_policy_tenant(p, 7);
    uint8_t record[1024], filtered[2048];
    struct slice whole = make_record(record);
    size_t n = context_policy_filter(p, t, whole, filtered, sizeof filtered);

    for (size_t cap = 0; cap < n; cap++) {
        uint8_t *exact = malloc(cap ? cap : 1);
        assert_int_equal(context_policy_filter(p, t, whole, exact, cap), 0);
        free(exact);
    }
    for (size_t i = 0; i < whole.size * 8; i++) {
        record[i / 8] ^= 1 << i % 8;
        assert_true(context_policy_filter(p, t, whole, filtered,
                                          sizeof filtered)
                    <= sizeof filtered);
        record[i / 8] ^= 1 << i % 8;
    }
    assert_int_equal(context_policy_filter(p, t, slice_of(record,
                                                          whole.size - 1),
                                           filtered, sizeof filtered), 0);
    context_policy_destroy(p);
}

/* More keys than are remembered. */
static void
many_keys_are_told_apart(void **state)
{
    (void) state;
    static const struct context_set_spec set = { "even", "*0,*2,*4,*6,*8" };
    static const struct context_rule_spec rule = { .sets = "even" };
    struct context_policy *p = create(&set, 1, &rule, 1, NULL, 0);
    const struct context_tenant *t = context_policy_tenant(p, 7);
    uint32_t sets = context_policy_line(t, 14, slice_from_string(""));

    for (int i = 0; i < 20000; i++) {
        Sluice__ContextValue value = SLUICE__CONTEXT_VALUE__INIT;
        Sluice__ContextValue *values = &value;
        Sluice__VmContext vm = SLUICE__VM_CONTEXT__INIT, *read;
        uint8_t record[128], filtered[128];
        char key[40];

        snprintf(key, sizeof key, "key%s-%d", i % 7 ? "" :
                 "-that-is-longer-than-an-sd-name", i % 5000);
        value.key = key;
        vm.value = &values;
        vm.n_value = 1;
        size_t n = sluice__vm_context__pack(&vm, record);
        n = context_policy_filter(p, t, slice_of(record, n), filtered,
                                  sizeof filtered);
        read = sluice__vm_context__unpack(NULL, n, filtered);
        assert_int_equal((sets & read->value[0]->sets) != 0, i % 2 == 0);
        sluice__vm_context__free_unpacked(read, NULL);
    }
    context_policy_destroy(p);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(by_default_errors_are_verbose_and_debug_is_short),
        cmocka_unit_test(the_first_rule_for_a_line_counts),
        cmocka_unit_test(a_tenant_sees_nothing_that_is_not_shared),
        cmocka_unit_test(what_is_wrong_is_refused),
        cmocka_unit_test(
            a_record_that_is_damaged_or_has_no_room_gives_nothing),
        cmocka_unit_test(many_keys_are_told_apart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
