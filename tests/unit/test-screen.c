/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "unit.h"

#include "openvswitch/dynamic-string.h"
#include "screen.h"

static void
cut(const char *text, size_t rows, size_t columns, const char *expected)
{
    struct ds out = DS_EMPTY_INITIALIZER;

    screen_cut(text, rows, columns, &out);
    assert_string_equal(ds_cstr(&out), expected);
    ds_destroy(&out);
}

static void
characters_take_the_columns_that_a_terminal_gives_them(void **state)
{
    (void) state;
    assert_int_equal(screen_width_of(""), 0);
    assert_int_equal(screen_width_of("web-1"), 5);
    assert_int_equal(screen_width_of("d\xc3\xa4t\xc3\xa4"), 4);
    /* Two of Japanese, an accent above an 'e', half a character. */
    assert_int_equal(screen_width_of("\xe6\x97\xa5\xe6\x9c\xac"), 4);
    assert_int_equal(screen_width_of("e\xcc\x81"), 1);
    assert_int_equal(screen_width_of("\xe6\x97"), 1);
}

static void
what_there_is_no_room_for_is_left_out(void **state)
{
    (void) state;
    cut("one\ntwo\nthree\n", 0, 0, "one\ntwo\nthree\n");
    cut("one\ntwo\nthree\n", 3, 3, "one\ntwo\nthr\n");
    cut("one\ntwo\nthree\n", 2, 0, "one\n(2 more lines)\n");
    cut("", 2, 2, "");
    /* No half of a wide character. */
    cut("\xe6\x97\xa5\xe6\x9c\xac\n", 0, 3, "\xe6\x97\xa5\n");
    cut("e\xcc\x81" "e\n", 0, 1, "e\xcc\x81\n");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(
            characters_take_the_columns_that_a_terminal_gives_them),
        cmocka_unit_test(what_there_is_no_room_for_is_left_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
