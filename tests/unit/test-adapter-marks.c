/* SPDX-License-Identifier: Apache-2.0
 *
 * Unit tests of adapter-marks.c. */
#include <string.h>

#include "adapter-marks.h"
#include "unit.h"

static struct adapter_marks marks;

static int
setup(void **state)
{
    (void) state;
    adapter_marks_init(&marks);
    return 0;
}

/* Fails unless the marks 'first' to 'last', and no more, may be confirmed. */
static void
assert_confirms(uint64_t first, uint64_t last)
{
    uint64_t id;
    uint32_t n;

    for (; first <= last; first++) {
        assert_true(adapter_marks_confirm(&marks, &id, &n));
        assert_int_equal(id, first);
    }
    assert_false(adapter_marks_confirm(&marks, &id, &n));
}

static void
test_mark_waits_for_every_message_before_it(void **state)
{
    (void) state;
    uint32_t a = adapter_marks_add_message(&marks);
    uint32_t b = adapter_marks_add_message(&marks);
    assert_true(adapter_marks_add(&marks, 1));
    uint32_t c = adapter_marks_add_message(&marks);

    assert_true(adapter_marks_settle(&marks, b, false));
    assert_confirms(1, 0);
    assert_true(adapter_marks_settle(&marks, a, false));
    assert_confirms(1, 1);
    assert_false(adapter_marks_are_idle(&marks));
    assert_true(adapter_marks_settle(&marks, c, false));
    assert_true(adapter_marks_are_idle(&marks));
}

static void
test_marks_are_confirmed_in_their_order(void **state)
{
    (void) state;
    uint32_t a = adapter_marks_add_message(&marks);
    assert_true(adapter_marks_add(&marks, 1));
    uint32_t b = adapter_marks_add_message(&marks);
    assert_true(adapter_marks_add(&marks, 2));
    assert_true(adapter_marks_add(&marks, 3));

    assert_true(adapter_marks_settle(&marks, b, false));
    assert_confirms(1, 0);
    assert_true(adapter_marks_settle(&marks, a, false));
    assert_confirms(1, 3);
}

static void
test_refused_messages_are_counted_to_their_mark(void **state)
{
    (void) state;
    uint64_t id;
    uint32_t n;

    uint32_t a = adapter_marks_add_message(&marks);
    uint32_t b = adapter_marks_add_message(&marks);
    assert_true(adapter_marks_settle(&marks, a, true));
    assert_true(adapter_marks_add(&marks, 1));
    assert_true(adapter_marks_settle(&marks, b, false));
    assert_true(adapter_marks_confirm(&marks, &id, &n));
    assert_int_equal(n, 1);

    assert_true(adapter_marks_add(&marks, 2));
    assert_true(adapter_marks_confirm(&marks, &id, &n));
    assert_int_equal(n, 0);
}

static void
test_message_is_settled_once(void **state)
{
    (void) state;
    uint32_t a = adapter_marks_add_message(&marks);

    assert_true(adapter_marks_settle(&marks, a, false));
    assert_false(adapter_marks_settle(&marks, a, false));
    assert_false(adapter_marks_settle(&marks, a + 1, false));
    assert_true(adapter_marks_add(&marks, 1));
    assert_confirms(1, 1);
    assert_false(adapter_marks_settle(&marks, a, false));
}

static void
test_message_taken_back_is_not_waited_for(void **state)
{
    (void) state;
    uint32_t a = adapter_marks_add_message(&marks);

    adapter_marks_take_back(&marks, a);
    assert_true(adapter_marks_add(&marks, 1));
    assert_confirms(1, 1);
}

static void
test_too_many_marks_are_refused(void **state)
{
    (void) state;
    uint32_t a = adapter_marks_add_message(&marks);

    for (int i = 1; i < ADAPTER_MAX_MARKS; i++) {
        assert_true(adapter_marks_add(&marks, i));
    }
    assert_false(adapter_marks_add(&marks, ADAPTER_MAX_MARKS));
    assert_true(adapter_marks_settle(&marks, a, false));
    assert_confirms(1, ADAPTER_MAX_MARKS - 1);
    assert_true(adapter_marks_add(&marks, ADAPTER_MAX_MARKS));
    assert_confirms(ADAPTER_MAX_MARKS, ADAPTER_MAX_MARKS);
}

static void
test_numbers_of_groups_may_wrap_around(void **state)
{
    (void) state;

    marks.first = marks.next = UINT32_MAX - 1;
    for (uint64_t i = 1; i < 5; i++) {
        uint32_t a = adapter_marks_add_message(&marks);
        assert_true(adapter_marks_add(&marks, i));
        assert_confirms(1, 0);
        assert_true(adapter_marks_settle(&marks, a, false));
        assert_confirms(i, i);
    }
}

int
main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_mark_waits_for_every_message_before_it,
                               setup),
        cmocka_unit_test_setup(test_marks_are_confirmed_in_their_order,
                               setup),
        cmocka_unit_test_setup(test_refused_messages_are_counted_to_their_mark,
                               setup),
        cmocka_unit_test_setup(test_message_is_settled_once, setup),
        cmocka_unit_test_setup(test_message_taken_back_is_not_waited_for,
                               setup),
        cmocka_unit_test_setup(test_too_many_marks_are_refused, setup),
        cmocka_unit_test_setup(test_numbers_of_groups_may_wrap_around, setup),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
