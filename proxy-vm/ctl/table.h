/* SPDX-License-Identifier: Apache-2.0
 *
 * Tables for people: columns as wide as their widest cell.
 *
 * Runs in: sluicectl. */
#ifndef SLUICE_TABLE_H
#define SLUICE_TABLE_H 1

#include <stddef.h>
#include <stdint.h>

struct ds;

enum table_align {
    TABLE_LEFT,
    TABLE_RIGHT,                /* Numbers. */
};

struct table_column {
    const char *heading;
    enum table_align align;
};

struct table {
    const struct table_column *columns; /* Borrowed. */
    size_t n_columns;
    char **cells;               /* Row by row. */
    size_t n_cells, allocated;
};

void table_init(struct table *, const struct table_column *, size_t n);
void table_destroy(struct table *);

/* Adds the next cell: row by row, left to right.  An empty one is shown as
 * "-". */
void table_add(struct table *, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* A size in the unit that suits it: "17 B", "1.5 MiB". */
void table_add_bytes(struct table *, uint64_t n);

/* How long ago 'since_ns' was: "3 s", "2 h 5 min"; an empty cell if 0. */
void table_add_age(struct table *, uint64_t since_ns, uint64_t now_ns);

/* Appends the table; nothing but 'empty' and a line feed if it has no row. */
void table_format(const struct table *, const char *empty, struct ds *);

/* "3 s", "2 h 5 min", malloc()ed. */
char *format_duration(uint64_t ns);

#endif /* proxy-vm/ctl/table.h */
