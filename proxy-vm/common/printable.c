/* SPDX-License-Identifier: Apache-2.0
 *
 * What may reach a terminal.  See printable.h. */
#include <config.h>

#include "printable.h"

#include "utf8.h"
#include "util.h"

bool
is_printable(struct slice s)
{
    struct cursor c = cursor_of(s);

    while (c.left) {
        if (!utf8_take_printable(&c)) {
            return false;
        }
    }
    return true;
}

char *
make_printable(const char *s, size_t size)
{
    /* Of no bytes 's' may be null. */
    char *copy = size ? xmemdup0(s, strnlen(s, size)) : xstrdup("");

    utf8_make_printable(copy);
    return copy;
}
