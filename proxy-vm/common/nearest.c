/* SPDX-License-Identifier: Apache-2.0
 *
 * See nearest.h. */
#include <config.h>

#include "nearest.h"

#include <string.h>

#include "util.h"

enum { MAX_LENGTH = 48 };       /* Nobody's keys are longer. */

void
nearest_init(struct nearest *n, const char *wanted)
{
    n->wanted = wanted;
    n->name = NULL;
    n->distance = MAX(strlen(wanted) / 3, 1) + 1;
}

/* The "optimal string alignment" of 'a' and 'b', row by row. */
static size_t
distance(const char *a, size_t a_len, const char *b, size_t b_len)
{
    size_t rows[3][MAX_LENGTH + 1];

    for (size_t j = 0; j <= b_len; j++) {
        rows[0][j] = j;
    }
    for (size_t i = 1; i <= a_len; i++) {
        const size_t *above = rows[(i - 1) % 3];
        size_t *row = rows[i % 3];

        row[0] = i;
        for (size_t j = 1; j <= b_len; j++) {
            size_t other = above[j - 1] + (a[i - 1] != b[j - 1]);
            row[j] = MIN(other, MIN(above[j], row[j - 1]) + 1);
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2]
                && a[i - 2] == b[j - 1]) {
                row[j] = MIN(row[j], rows[(i - 2) % 3][j - 2] + 1);
            }
        }
    }
    return rows[a_len % 3][b_len];
}

void
nearest_try(struct nearest *n, const char *name)
{
    size_t wanted_len = strlen(n->wanted), len = strlen(name);

    if (wanted_len <= MAX_LENGTH && len <= MAX_LENGTH) {
        size_t d = distance(n->wanted, wanted_len, name, len);
        if (d < n->distance) {
            n->distance = d;
            n->name = name;
        }
    }
}

char *
nearest_say(const struct nearest *n)
{
    return (n->name ? xasprintf(", but there is %s", n->name)
            : xstrdup(""));
}
