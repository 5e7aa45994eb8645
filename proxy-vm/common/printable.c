/* SPDX-License-Identifier: Apache-2.0
 *
 * What may reach a terminal.  See printable.h. */
#include <config.h>

#include "printable.h"

#include "utf8.h"
#include "util.h"

/* Takes a character, or what is none, off 'c'. */
static bool
take_printable(struct cursor *c)
{
    int32_t code = utf8_take(c);

    return !(code < 0x20 || (code >= 0x7f && code < 0xa0) /* C0, DEL, C1. */
             || code == 0x61c || code == 0x200e || code == 0x200f
             || (code >= 0x2028 && code <= 0x202e) /* Lines, directions. */
             || (code >= 0x2066 && code <= 0x2069));
}

bool
is_printable(struct slice s)
{
    struct cursor c = cursor_of(s);

    while (c.left) {
        if (!take_printable(&c)) {
            return false;
        }
    }
    return true;
}

char *
make_printable(const char *s, size_t size)
{
    size_t n = strnlen(s, size);
    char *copy = xmemdup0(s, n);
    struct cursor c = cursor_of(slice_of(s, n));

    while (c.left) {
        size_t start = n - c.left;
        if (!take_printable(&c)) {
            memset(&copy[start], '?', n - c.left - start);
        }
    }
    return copy;
}
