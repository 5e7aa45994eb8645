/* SPDX-License-Identifier: Apache-2.0
 *
 * See screen.h. */
#include <config.h>

#include "screen.h"

#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include <wchar.h>

#include "openvswitch/dynamic-string.h"
#include "utf8.h"
#include "util.h"

/* Brings the cursor to the top of a terminal, and clears what is there. */
#define CLEAR_SCREEN "\033[H\033[J"

bool
screen_is_there(void)
{
    const char *term = getenv("TERM");

    return isatty(STDOUT_FILENO) && !(term && !strcmp(term, "dumb"));
}

/* Columns of the character that 'c' begins with, which is taken off. */
static size_t
take_width(struct cursor *c)
{
    static bool has_locale;
    int32_t code = utf8_take(c);

    if (code < 0x80) {
        return 1;               /* Also what is no character. */
    } else if (!has_locale) {
        /* wcwidth() knows nothing without one; this is always there. */
        setlocale(LC_CTYPE, "C.UTF-8");
        has_locale = true;
    }
    int width = wcwidth(code);
    return width < 0 ? 1 : width;
}

size_t
screen_width_of(const char *s)
{
    struct cursor c = cursor_of(slice_from_string(s));
    size_t n = 0;

    while (c.left) {
        n += take_width(&c);
    }
    return n;
}

/* Appends the line 's' of 'size' bytes, as far as 'columns' go. */
static void
put_line(struct ds *out, const char *s, size_t size, size_t columns)
{
    struct cursor c = cursor_of(slice_of(s, size));
    size_t width = 0, n = size;

    while (columns && c.left) {
        size_t before = size - c.left;
        width += take_width(&c);
        if (width > columns) {
            n = before;
            break;
        }
    }
    ds_put_buffer(out, s, n);
}

void
screen_cut(const char *text, size_t rows, size_t columns, struct ds *out)
{
    size_t n_lines = 0;

    for (const char *p = text; *p; p++) {
        n_lines += *p == '\n';
    }
    size_t n = rows && n_lines > rows ? rows - 1 : n_lines;
    for (size_t i = 0; i < n; i++) {
        size_t size = strcspn(text, "\n");

        put_line(out, text, size, columns);
        ds_put_char(out, '\n');
        text += size + 1;
    }
    if (n < n_lines) {
        ds_put_format(out, "(%"PRIuSIZE" more lines)\n", n_lines - n);
    }
}

void
screen_show(const char *text)
{
    struct ds out = DS_EMPTY_INITIALIZER;
    struct winsize size = { .ws_row = 0 };

    ioctl(STDOUT_FILENO, TIOCGWINSZ, &size);
    ds_put_cstr(&out, CLEAR_SCREEN);
    /* The cursor stands in the last row. */
    screen_cut(text, size.ws_row > 2 ? size.ws_row - 1 : 0, size.ws_col, &out);
    fputs(ds_cstr(&out), stdout);
    ds_destroy(&out);
}
