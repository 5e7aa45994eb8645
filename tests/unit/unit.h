/* SPDX-License-Identifier: Apache-2.0
 *
 * What every unit test includes: cmocka, behind the headers it wants first. */
#ifndef SLUICE_UNIT_H
#define SLUICE_UNIT_H 1

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "slice.h"

#define assert_slice_equal(SLICE, STRING)                               \
    do {                                                                \
        struct slice slice__ = (SLICE);                                 \
        assert_int_equal(slice__.size, strlen(STRING));                 \
        assert_memory_equal(slice__.data, STRING, slice__.size);        \
    } while (0)

#endif /* tests/unit/unit.h */
