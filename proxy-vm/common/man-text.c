/* SPDX-License-Identifier: Apache-2.0
 *
 * See man-text.h. */
#include <config.h>

#include "man-text.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

void
man_put_word(const char *s, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (s[i] == '"') {
            fputs("\\(dq", stdout);
        } else if (s[i] == '-') {
            fputs("\\-", stdout);
        } else {
            putchar(s[i]);
        }
    }
}

void
man_put_text(const char *s)
{
    size_t column = 0;

    while (*s) {
        size_t n = strcspn(s, " ");
        man_put_word(s, n);
        column += n + 1;
        bool end = n && s[n - 1] == '.';
        s += n + strspn(s + n, " ");
        if (!*s || end || column > 55) {
            putchar('\n');
            column = 0;
        } else {
            putchar(' ');
        }
    }
}
