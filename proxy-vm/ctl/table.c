/* SPDX-License-Identifier: Apache-2.0
 *
 * Tables for people.  See table.h. */
#include <config.h>

#include "table.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "openvswitch/dynamic-string.h"
#include "screen.h"
#include "util.h"

void
table_init(struct table *t, const struct table_column *columns, size_t n)
{
    *t = (struct table) { .columns = columns, .n_columns = n };
}

void
table_destroy(struct table *t)
{
    for (size_t i = 0; i < t->n_cells; i++) {
        free(t->cells[i]);
    }
    free(t->cells);
}

static void
add_cell(struct table *t, char *cell)
{
    if (t->n_cells >= t->allocated) {
        t->cells = x2nrealloc(t->cells, &t->allocated, sizeof *t->cells);
    }
    t->cells[t->n_cells++] = cell;
}

void
table_add(struct table *t, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    add_cell(t, xvasprintf(format, args));
    va_end(args);
}

void
table_add_bytes(struct table *t, uint64_t n)
{
    static const char *const units[] = { "KiB", "MiB", "GiB", "TiB", "PiB" };
    double value = n / 1024.0;
    size_t unit = 0;

    if (n < 1024) {
        table_add(t, "%"PRIu64" B", n);
        return;
    }
    /* 1023.95 would be shown as 1024.0. */
    while (value >= 1023.95 && unit + 1 < ARRAY_SIZE(units)) {
        value /= 1024;
        unit++;
    }
    table_add(t, "%.1f %s", value, units[unit]);
}

char *
format_duration(uint64_t ns)
{
    uint64_t s = ns / 1000000000;

    if (s < 60) {
        return xasprintf("%"PRIu64" s", s);
    } else if (s < 3600) {
        return xasprintf("%"PRIu64" min %"PRIu64" s", s / 60, s % 60);
    } else if (s < 86400) {
        return xasprintf("%"PRIu64" h %"PRIu64" min", s / 3600,
                         s / 60 % 60);
    }
    return xasprintf("%"PRIu64" d %"PRIu64" h", s / 86400, s / 3600 % 24);
}

void
table_add_age(struct table *t, uint64_t since_ns, uint64_t now_ns)
{
    /* A clock may have been set back. */
    add_cell(t, !since_ns ? xstrdup("")
             : format_duration(now_ns > since_ns ? now_ns - since_ns : 0));
}

static void
put_cell(struct ds *s, const struct table_column *column, const char *cell,
         size_t width, bool last)
{
    size_t pad = width - screen_width_of(cell);

    if (column->align == TABLE_RIGHT) {
        ds_put_char_multiple(s, ' ', pad);
    }
    ds_put_cstr(s, cell);
    if (!last) {
        ds_put_char_multiple(s, ' ',
                             2 + (column->align == TABLE_LEFT ? pad : 0));
    }
}

static const char *
cell_at(const struct table *t, size_t row, size_t column)
{
    const char *cell = t->cells[row * t->n_columns + column];

    return cell[0] ? cell : "-";
}

void
table_format(const struct table *t, const char *empty, struct ds *s)
{
    size_t n_rows = t->n_cells / t->n_columns;
    size_t *widths = xcalloc(t->n_columns, sizeof *widths);

    if (!n_rows) {
        ds_put_format(s, "%s\n", empty);
        goto out;
    }

    for (size_t i = 0; i < t->n_columns; i++) {
        widths[i] = screen_width_of(t->columns[i].heading);
        for (size_t row = 0; row < n_rows; row++) {
            widths[i] = MAX(widths[i], screen_width_of(cell_at(t, row, i)));
        }
    }
    for (size_t i = 0; i < t->n_columns; i++) {
        put_cell(s, &t->columns[i], t->columns[i].heading, widths[i],
                 i + 1 == t->n_columns);
    }
    ds_put_char(s, '\n');
    for (size_t row = 0; row < n_rows; row++) {
        for (size_t i = 0; i < t->n_columns; i++) {
            put_cell(s, &t->columns[i], cell_at(t, row, i), widths[i],
                     i + 1 == t->n_columns);
        }
        ds_put_char(s, '\n');
    }

out:
    free(widths);
}
