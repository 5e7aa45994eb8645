/* SPDX-License-Identifier: Apache-2.0
 *
 * UUIDs as text and as bytes. */
#include <config.h>

#include "uuid-bytes.h"

#include <stdlib.h>

#include "unit.h"

static const char text[] = "00112233-4455-6677-8899-aabbccddeeff";

static void
bytes_stand_in_network_order(void **state)
{
    uint8_t bytes[UUID_BYTES];

    (void) state;
    assert_true(uuid_bytes_parse(text, bytes));
    for (int i = 0; i < UUID_BYTES; i++) {
        assert_int_equal(bytes[i], i * 0x11);
    }
    char *again = uuid_bytes_format(bytes);
    assert_string_equal(again, text);
    free(again);
}

static void
what_is_no_uuid_changes_nothing(void **state)
{
    static const char *const others[] = {
        "", "00112233445566778899aabbccddeeff",
        "00112233-4455-6677-8899-aabbccddeef",
        "00112233-4455-6677-8899-aabbccddeeff0",
        "00112233-4455-6677-8899-aabbccddeefg",
    };
    uint8_t bytes[UUID_BYTES] = { [3] = 7 };

    (void) state;
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        assert_false(uuid_bytes_parse(others[i], bytes));
        assert_int_equal(bytes[3], 7);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bytes_stand_in_network_order),
        cmocka_unit_test(what_is_no_uuid_changes_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
