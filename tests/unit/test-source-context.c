/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include "source-context.h"

/* Unpacks a record with one value of a host at 198.18.0.1 and one of somebody
 * else's, for lines from 'vtep'.  Returns how many values are left; the first
 * of them must be the latter's unless both are. */
static size_t
n_values_for(const uint8_t *vtep, size_t size)
{
    static uint8_t host_vtep[16] = { [10] = 0xff, 0xff, 198, 18, 0, 1 };
    Sluice__VmContext vm = SLUICE__VM_CONTEXT__INIT;
    Sluice__ContextValue load = SLUICE__CONTEXT_VALUE__INIT;
    Sluice__ContextValue owner = SLUICE__CONTEXT_VALUE__INIT;
    Sluice__ContextValue *values[] = { &load, &owner };
    uint8_t packed[256];

    load.key = (char *) "cpu-percent";
    load.vtep.data = host_vtep;
    load.vtep.len = sizeof host_vtep;
    owner.key = (char *) "owner";
    vm.value = values;
    vm.n_value = 2;
    assert_true(sluice__vm_context__get_packed_size(&vm) <= sizeof packed);

    struct batch_source source = {
        .vtep = slice_of(vtep, size),
        .context = slice_of(packed, sluice__vm_context__pack(&vm, packed)),
    };
    struct slice name;
    Sluice__VmContext *got = source_context_unpack(&source, &name);
    size_t n = got->n_value;
    assert_string_equal(got->value[n - 1]->key, "owner");
    source_context_free(got);
    return n;
}

static void
what_a_host_says_is_for_lines_from_it(void **state)
{
    static const uint8_t v4[4] = { 198, 18, 0, 1 };
    static const uint8_t v6[16] = { [10] = 0xff, 0xff, 198, 18, 0, 1 };
    static const uint8_t other[4] = { 198, 18, 0, 2 };
    static const uint8_t not_mapped[16] = { [12] = 198, 18, 0, 1 };

    (void) state;
    assert_int_equal(n_values_for(v4, sizeof v4), 2);
    assert_int_equal(n_values_for(v6, sizeof v6), 2);
    assert_int_equal(n_values_for(other, sizeof other), 1);
    assert_int_equal(n_values_for(not_mapped, sizeof not_mapped), 1);
    assert_int_equal(n_values_for(NULL, 0), 1);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_a_host_says_is_for_lines_from_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
