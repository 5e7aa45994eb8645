/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include "drop.h"

static void
every_reason_has_a_unique_name_and_a_text(void **state)
{
    (void) state;
    for (int i = 0; i < SLUICE_N_DROPS; i++) {
        assert_non_null(sluice_drop_name(i));
        assert_non_null(sluice_drop_text(i));
        for (int j = 0; j < i; j++) {
            assert_string_not_equal(sluice_drop_name(i), sluice_drop_name(j));
        }
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_reason_has_a_unique_name_and_a_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
