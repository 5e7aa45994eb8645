/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>

#include "unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "openvswitch/dynamic-string.h"
#include "static-context.h"
#include "util.h"

/* Loads 'text', which must be right. */
static struct static_context *
load(const char *text)
{
    struct static_context *context = NULL;
    char *sentence = static_context_parse("vms.yaml", text, strlen(text),
                                          &context);
    if (sentence) {
        fail_msg("%s", sentence);
    }
    return context;
}

/* Checks that 'text' is refused with 'expected'. */
static void
assert_refused(const char *text, const char *expected)
{
    struct static_context *context = NULL;
    char *sentence = static_context_parse("vms.yaml", text, strlen(text),
                                          &context);

    assert_null(context);
    assert_non_null(sentence);
    assert_string_equal(sentence, expected);
    free(sentence);
}

static void
assert_value(const struct static_vm *vm, size_t i, const char *key,
             const char *value)
{
    assert_true(i < vm->n_values);
    assert_string_equal(vm->values[i].key, key);
    assert_string_equal(vm->values[i].value, value);
}

#define UUID_1 "6b1f7e4e-0c52-4c66-9d3f-2a1c6f0e9b11"
#define UUID_2 "6b1f7e4e-0c52-4c66-9d3f-2a1c6f0e9b22"

static void
every_key_is_loaded(void **state)
{
    (void) state;
    const uint8_t uuid[16] = { 0x6b, 0x1f, 0x7e, 0x4e, 0x0c, 0x52, 0x4c, 0x66,
                               0x9d, 0x3f, 0x2a, 0x1c, 0x6f, 0x0e, 0x9b, 0x11
    };
    const uint8_t macs[2][6] = { { 0x52, 0x54, 0, 0, 0, 1 },
                                 { 0x52, 0x54, 0, 0, 0, 0xab } };
    struct static_context *context = load(
        "# The machines.\n"
        "vms:\n"
        "  - values: { room: Zürich 12, \"a.b[0\": x }\n"
        "    uuid: " UUID_1 "\n"
        "    macs: [ \"52:54:00:00:00:01\", 52:54:00:00:00:AB ]\n"
        "    ips: [ 192.0.2.1, \"2001:db8::1\" ]\n"
        "    name: web-1\n"
        "    port: vm1\n"
        "    tenant: 7\n"
        "    guest-os: Debian 12\n"
        "    host: hv-1\n"
        "    cluster: blue\n"
        "    owner: shop team\n"
        "    cpu-percent: 12.50\n"
        "    memory-percent: 100\n"
        "  - macs: [ 52:54:00:00:00:02 ]\n"
        "  - uuid: " UUID_2 "\n");

    assert_int_equal(context->n_vms, 3);
    const struct static_vm *vm = &context->vms[0];
    assert_true(vm->has_uuid);
    assert_memory_equal(vm->uuid, uuid, sizeof uuid);
    assert_int_equal(vm->n_macs, 2);
    assert_memory_equal(vm->macs, macs, sizeof macs);
    assert_int_equal(vm->n_ips, 2);
    assert_memory_equal(vm->ips[0], "\0\0\0\0\0\0\0\0\0\0\xff\xff\xc0\0\2\1",
                        16);
    assert_memory_equal(vm->ips[1], "\x20\1\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\1",
                        16);
    assert_string_equal(vm->name, "web-1");
    assert_string_equal(vm->port, "vm1");
    assert_int_equal(vm->tenant, 7);
    assert_int_equal(vm->n_values, 8);
    assert_value(vm, 0, "guest-os", "Debian 12");
    assert_value(vm, 1, "host", "hv-1");
    assert_value(vm, 2, "cluster", "blue");
    assert_value(vm, 3, "owner", "shop team");
    assert_value(vm, 4, "cpu-percent", "12.50");
    assert_value(vm, 5, "memory-percent", "100");
    assert_value(vm, 6, "room", "Zürich 12");
    assert_value(vm, 7, "a.b[0", "x");

    vm = &context->vms[1];
    assert_false(vm->has_uuid);
    assert_int_equal(vm->n_macs, 1);
    assert_null(vm->name);
    assert_null(vm->port);
    assert_int_equal(vm->tenant, 0);
    assert_int_equal(vm->n_values, 0);

    vm = &context->vms[2];
    assert_true(vm->has_uuid);
    assert_int_equal(vm->n_macs, 0);
    static_context_destroy(context);
}

static void
a_file_may_say_that_there_is_no_vm(void **state)
{
    (void) state;
    struct static_context *context = load("vms: []\n");
    assert_int_equal(context->n_vms, 0);
    static_context_destroy(context);
}

/* What is wrong with a VM whose other lines are right. */
#define VM(LINE) "vms:\n  - uuid: " UUID_1 "\n    " LINE "\n"

static void
what_is_wrong_is_named_by_file_line_and_key(void **state)
{
    (void) state;
    static const struct {
        const char *text;
        const char *sentence;
    } cases[] = {
#define BROKEN(TEXT, SENTENCE) { TEXT, SENTENCE },
#include "test-static-context-broken.def"
#undef BROKEN
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        assert_refused(cases[i].text, cases[i].sentence);
    }
}

static void
values_are_bounded_in_size_and_number(void **state)
{
    (void) state;
    char value[STATIC_MAX_VALUE + 2];
    memset(value, 'x', sizeof value);
    value[STATIC_MAX_VALUE + 1] = '\0';

    char *text = xasprintf(VM("owner: %s"), value);
    assert_refused(text, "vms.yaml:3:5: vms[0].owner: it is longer than 512 "
                   "bytes; give a shorter one.");
    free(text);
    text = xasprintf(VM("owner: %s"), value + 1);
    static_context_destroy(load(text));
    free(text);

    struct ds s = DS_EMPTY_INITIALIZER;
    ds_put_cstr(&s, VM("values:"));
    for (int i = 0; i < STATIC_MAX_VALUES; i++) {
        ds_put_format(&s, "      k%d: v\n", i);
    }
    static_context_destroy(load(ds_cstr(&s)));
    ds_put_cstr(&s, "      more: v\n");
    assert_refused(ds_cstr(&s), "vms.yaml:3:5: vms[0].values: there are 65; "
                   "give at most 64.");
    ds_destroy(&s);
}

static void
vms_are_bounded_in_number(void **state)
{
    (void) state;
    struct ds s = DS_EMPTY_INITIALIZER;

    /* Refused before libcyaml sees them, so that this is fast. */
    ds_put_cstr(&s, "vms:\n");
    for (unsigned int i = 0; i <= STATIC_MAX_VMS; i++) {
        ds_put_cstr(&s, "- {}\n");
    }
    assert_refused(ds_cstr(&s), "vms.yaml:1:1: vms: there are 65537 VMs; give "
                   "at most 65536.");
    ds_destroy(&s);
}

static void
a_file_that_is_not_there_is_named(void **state)
{
    (void) state;
    struct static_context *context = NULL;
    char *sentence = static_context_load("/nonexistent/vms.yaml", &context);

    assert_string_equal(sentence, "/nonexistent/vms.yaml: it can't be opened: "
                        "No such file or directory; name a file that can be "
                        "read.");
    assert_null(context);
    free(sentence);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_key_is_loaded),
        cmocka_unit_test(a_file_may_say_that_there_is_no_vm),
        cmocka_unit_test(what_is_wrong_is_named_by_file_line_and_key),
        cmocka_unit_test(values_are_bounded_in_size_and_number),
        cmocka_unit_test(vms_are_bounded_in_number),
        cmocka_unit_test(a_file_that_is_not_there_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
