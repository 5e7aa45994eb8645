/* SPDX-License-Identifier: Apache-2.0
 *
 * Writes sluice.yaml(5): copies the page's frame from standard input, and puts
 * the table of keys in place of the line "@KEYS@".
 *
 * Runs in: the build. */
#include <config.h>

#include <stdio.h>
#include <string.h>

#include "man-text.h"
#include "proxy-config-keys.h"
#include "rules.h"

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
    case CONFIG_TYPE_LIST:
        printf("A list of %u to %u", key->min, key->max);
        break;
    case CONFIG_TYPE_CHOICE:
        printf("One of these");
        break;
    case CONFIG_TYPE_SERVER:
    case CONFIG_TYPE_SERVERS:
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

/* Lists what a key of type CONFIG_TYPE_CHOICE may be. */
static void
put_choices(const struct config_key *key)
{
    puts(".Bl -tag -width Ds");
    for (size_t i = 0; i < CONFIG_N_CHOICES; i++) {
        if (!strcmp(config_choices[i].key, key->name)) {
            fputs(".It Cm ", stdout);
            man_put_word(config_choices[i].value,
                         strlen(config_choices[i].value));
            putchar('\n');
            man_put_text(config_choices[i].help);
        }
    }
    puts(".El");
}

/* Whether entries of the section may be of 'type'. */
static bool
is_type_of(const struct config_section *section, const char *type)
{
    for (size_t i = 0; i < CONFIG_N_CHOICES; i++) {
        if (!strcmp(config_choices[i].key, config_type_key_of(section))
            && !strcmp(config_choices[i].value, type)) {
            return true;
        }
    }
    return false;
}

/* Says which types of entries take the key, by what their key for that is
 * called. */
static void
put_types(const struct config_section *section, const struct config_key *key)
{
    bool any = false;

    for (size_t i = 0; i < CONFIG_N_TYPE_KEYS; i++) {
        const struct config_type_key *t = &config_type_keys[i];
        if (!strcmp(t->key, key->name) && is_type_of(section, t->type)) {
            printf("%s ", any ? ","
                   : !strcmp(config_type_key_of(section), "type") ? "Type"
                   : "Kind");
            man_put_word(t->type, strlen(t->type));
            fputs(t->required ? " (required)" : "", stdout);
            any = true;
        }
    }
    if (any) {
        puts(".");
    }
}

static void
put_section(const struct config_section *section)
{
    printf(".Ss %s\n", section->name);
    if (section->is_nested) {
        puts("A list within the entries of another one.");
    } else if (section->is_list) {
        puts("A list.");
    }
    man_put_text(section->help);
    puts(".Bl -tag -width Ds");
    for (size_t i = 0; i < section->n_keys; i++) {
        const struct config_key *key = &section->keys[i];
        printf(".It Cm %s\n", key->name);
        man_put_text(key->help);
        if (key->type == CONFIG_TYPE_CHOICE) {
            put_choices(key);
        }
        put_bounds(key);
        if (config_type_key_of(section)) {
            put_types(section, key);
        }
    }
    puts(".El");
}

/* What client rules may do. */
static void
put_actions(void)
{
    puts(".Bl -tag -width deduplicate");
    for (int i = 0; i < N_RULE_ACTIONS; i++) {
        enum sluice_drop drop = rule_action_drop(i);

        printf(".It Cm %s\n", rule_action_name(i));
        man_put_text(rule_action_text(i));
        if (drop) {
            printf("Counted as\n.Ql %s .\n", sluice_drop_name(drop));
        }
    }
    puts(".El");
}

/* The sets of context that are there, and the policy behind what is
 * configured. */
static void
put_context_sets(void)
{
    puts(".Bl -tag -width usual");
#define CONTEXT_SET(NAME, KEYS, TEXT)                   \
    puts(".It Cm " NAME);                               \
    man_put_text(TEXT);                                 \
    printf(".br\n.Dl %s\n", KEYS);
#include "context-sets.def"
#undef CONTEXT_SET
    puts(".El");
    puts(".Pp\nBy default lines of these severities get these sets:");
    puts(".Bl -tag -width warning..emerg -compact");
#define CONTEXT_DEFAULT(SEVERITIES, SETS) \
    puts(".It Cm " SEVERITIES "\n.Cm " SETS);
#include "context-sets.def"
#undef CONTEXT_DEFAULT
    puts(".El");
}

int
main(void)
{
    char line[1024];

    while (fgets(line, sizeof line, stdin)) {
        if (!strcmp(line, "@ACTIONS@\n")) {
            put_actions();
            continue;
        } else if (!strcmp(line, "@SETS@\n")) {
            put_context_sets();
            continue;
        } else if (strcmp(line, "@KEYS@\n")) {
            fputs(line, stdout);
            continue;
        }
        for (size_t i = 0; i < CONFIG_N_SECTIONS; i++) {
            put_section(&config_sections[i]);
        }
    }
    return ferror(stdin) || fflush(stdout) ? 1 : 0;
}
