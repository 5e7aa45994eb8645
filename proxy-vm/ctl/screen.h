/* SPDX-License-Identifier: Apache-2.0
 *
 * A terminal on which a text takes the place of the one before: what it has
 * room for of it.
 *
 * In: text of whole lines.  Out: standard output.  Runs in: sluicectl. */
#ifndef SLUICE_CTL_SCREEN_H
#define SLUICE_CTL_SCREEN_H 1

#include <stdbool.h>
#include <stddef.h>

struct ds;

/* Whether standard output is a terminal that can be cleared: not one whose
 * TERM is "dumb". */
bool screen_is_there(void);

/* How many columns 's' takes: two for a wide character, as of Chinese, none
 * for one that is put over the one before. */
size_t screen_width_of(const char *s);

/* Appends to 'out' what 'rows' and 'columns' have room for of 'text', and in
 * the last row how many lines are left out, if any are.  0: no end. */
void screen_cut(const char *text, size_t rows, size_t columns,
                struct ds *out);

/* Clears the terminal and prints what it has room for of 'text'. */
void screen_show(const char *text);

#endif /* proxy-vm/ctl/screen.h */
