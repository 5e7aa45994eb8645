/* SPDX-License-Identifier: Apache-2.0
 *
 * Writes sluice.yaml(5): copies the page's frame from standard input, and puts
 * the table of keys in place of the line "@KEYS@".
 *
 * Runs in: the build. */
#include <config.h>

#include <stdio.h>
#include <string.h>

#include "proxy-config-keys.h"

/* Writes a word as roff: nothing in it may be taken for a request. */
static void
put_word(const char *s, size_t n)
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

/* Writes 's' in short lines, a sentence beginning on a new one. */
static void
put_text(const char *s)
{
    size_t column = 0;

    while (*s) {
        size_t n = strcspn(s, " ");
        put_word(s, n);
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

static void
put_bounds(const struct config_key *key)
{
    const char *format = (key->preset && !strncmp(key->preset, "0x", 2)
                          ? "From %#x to %#x" : "From %u to %u");

    switch (key->type) {
    case CONFIG_TYPE_UINT:
        printf(format, key->min, key->max);
        break;
    case CONFIG_TYPE_UINTS:
        printf("Each from %u to %u", key->min, key->max);
        break;
    case CONFIG_TYPE_PATH:
        printf("An absolute path of at most %u bytes", key->max);
        break;
    case CONFIG_TYPE_NAME:
        printf("Letters, digits, \\(dq.\\(dq, \\(dq_\\(dq and \\(dq\\-\\(dq, "
               "at most %u", key->max);
        break;
    case CONFIG_TYPE_SD_ID:
        printf("NAME@PEN of at most %u bytes", key->max);
        break;
    case CONFIG_TYPE_ADDRESS:
        printf("An IPv4 or IPv6 address");
        break;
    case CONFIG_TYPE_SERVER:
    default:
        printf("At most %u bytes", key->max);
        break;
    }
    if (key->required) {
        puts("; required.");
    } else if (key->preset) {
        fputs("; default ", stdout);
        printf("%s.\n", key->preset);
    } else {
        puts("; optional.");
    }
}

static void
put_section(const struct config_section *section)
{
    printf(".Ss %s\n", section->name);
    if (section->is_list) {
        puts("A list.");
    }
    put_text(section->help);
    puts(".Bl -tag -width Ds");
    for (size_t i = 0; i < section->n_keys; i++) {
        const struct config_key *key = &section->keys[i];
        printf(".It Cm %s\n", key->name);
        put_text(key->help);
        put_bounds(key);
    }
    puts(".El");
}

int
main(void)
{
    char line[1024];

    while (fgets(line, sizeof line, stdin)) {
        if (strcmp(line, "@KEYS@\n")) {
            fputs(line, stdout);
            continue;
        }
        for (size_t i = 0; i < CONFIG_N_SECTIONS; i++) {
            put_section(&config_sections[i]);
        }
    }
    return ferror(stdin) || fflush(stdout) ? 1 : 0;
}
