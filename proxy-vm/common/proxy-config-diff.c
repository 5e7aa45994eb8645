/* SPDX-License-Identifier: Apache-2.0
 *
 * What is otherwise in a configuration than in the one before.  See
 * proxy-config-diff.h.  Values are compared as they are written out. */
#include <config.h>

#include "proxy-config-diff.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "openvswitch/dynamic-string.h"
#include "proxy-config-keys.h"
#include "proxy-config.h"
#include "util.h"

enum {
    MAX_CHANGES = 200,
    MAX_VALUE = 256,            /* Bytes of one that is shown. */
    MAX_WORDS = 8,              /* Changes told in words. */
};

/* Takes 'key', 'before' and 'after'; null: not told. */
static void
add(struct config_changes *c, char *key, const char *change, char *before,
    char *after)
{
    if (c->n >= MAX_CHANGES) {
        c->n_more++;
        free(key);
        free(before);
        free(after);
        return;
    }
    if (c->n >= c->allocated) {
        c->list = x2nrealloc(c->list, &c->allocated, sizeof *c->list);
    }
    c->list[c->n++] = (struct config_change) {
        .key = key,
        .change = change,
        .before = before ? before : xstrdup(""),
        .after = after ? after : xstrdup(""),
    };
}

/* Returns the value in 'line', "KEY: VALUE" and a line feed; null if it has
 * more lines or is too long. */
static char *
value_of(const struct ds *line)
{
    const char *s = strchr(ds_cstr_ro(line), ':');
    size_t n = s ? strlen(s) : 0;

    return (n < 3 || n > MAX_VALUE || strchr(s, '\n') != s + n - 1
            ? NULL : xmemdup0(s + 2, n - 3));
}

static void
diff_mapping(struct config_changes *c, const struct config_section *section,
             const char *prefix, const char *old, const char *new)
{
    for (size_t i = 0; i < section->n_keys; i++) {
        const struct config_key *key = &section->keys[i];
        struct ds a = DS_EMPTY_INITIALIZER, b = DS_EMPTY_INITIALIZER;

        config_dump_key(section, key, old, &a);
        config_dump_key(section, key, new, &b);
        if (strcmp(ds_cstr(&a), ds_cstr(&b))) {
            add(c, xasprintf("%s.%s", prefix, key->name),
                !a.length ? "added" : !b.length ? "removed" : "changed",
                value_of(&a), value_of(&b));
        }
        ds_destroy(&a);
        ds_destroy(&b);
    }
}

/* The entries of a list. */
struct entries {
    const struct config_section *section;
    const char *items;
    unsigned int n;
};

static struct entries
entries_of(const struct config *config, const struct config_section *section)
{
    const char *root = (const char *) config;

    return (struct entries) {
        .section = section,
        .items = *ALIGNED_CAST(char *const *, root + section->offset),
        .n = *ALIGNED_CAST(const unsigned int *,
                           root + section->count_offset),
    };
}

static const char *
entry_at(const struct entries *e, unsigned int i)
{
    return e->items + i * e->section->item_size;
}

/* What an entry is called by, malloc()ed: its first key, a name or an id. */
static char *
name_of(const struct entries *e, unsigned int i)
{
    const struct config_key *key = &e->section->keys[0];
    const char *member = entry_at(e, i) + key->offset;

    return (key->type == CONFIG_TYPE_UINT
            ? xasprintf("%"PRIu32, *ALIGNED_CAST(const uint32_t *, member))
            : xstrdup(*ALIGNED_CAST(char *const *, member)));
}

/* Returns the entry of that name, first looking at the i-th, or UINT_MAX. */
static unsigned int
find_entry(const struct entries *e, const char *name, unsigned int i)
{
    for (unsigned int j = 0; j < e->n; j++) {
        unsigned int at = (i + j) % e->n;
        char *other = name_of(e, at);
        bool same = !strcmp(name, other);

        free(other);
        if (same) {
            return at;
        }
    }
    return UINT_MAX;
}

static void
diff_list(struct config_changes *c, const struct entries *old,
          const struct entries *new)
{
    const char *section = old->section->name;
    unsigned int latest = 0;
    bool moved = false;

    for (unsigned int i = 0; i < old->n; i++) {
        char *name = name_of(old, i);

        if (find_entry(new, name, i) == UINT_MAX) {
            add(c, xasprintf("%s.%s", section, name), "removed", NULL, NULL);
        }
        free(name);
    }
    for (unsigned int i = 0; i < new->n; i++) {
        char *name = name_of(new, i);
        char *prefix = xasprintf("%s.%s", section, name);
        unsigned int j = find_entry(old, name, i);

        if (j == UINT_MAX) {
            add(c, xstrdup(prefix), "added", NULL, NULL);
        } else {
            diff_mapping(c, old->section, prefix, entry_at(old, j),
                         entry_at(new, i));
            moved |= j < latest;
            latest = MAX(latest, j);
        }
        free(prefix);
        free(name);
    }
    /* Elsewhere the order means nothing. */
    if (moved && !strcmp(section, "rules")) {
        add(c, xstrdup(section), "moved", NULL, NULL);
    }
}

void
config_diff(const struct config *old, const struct config *new,
            struct config_changes *ret)
{
    *ret = (struct config_changes) { .n = 0 };
    for (size_t i = 0; i < CONFIG_N_SECTIONS; i++) {
        const struct config_section *section = &config_sections[i];

        if (section->is_nested) {
            continue;
        } else if (section->is_list) {
            struct entries a = entries_of(old, section);
            struct entries b = entries_of(new, section);

            diff_list(ret, &a, &b);
        } else {
            diff_mapping(ret, section, section->name,
                         (const char *) old + section->offset,
                         (const char *) new + section->offset);
        }
    }
}

void
config_changes_destroy(struct config_changes *c)
{
    for (size_t i = 0; i < c->n; i++) {
        free(c->list[i].key);
        free(c->list[i].before);
        free(c->list[i].after);
    }
    free(c->list);
    *c = (struct config_changes) { .n = 0 };
}

void
config_changes_format(const struct config_changes *c, struct ds *out)
{
    size_t n = MIN(c->n, MAX_WORDS);

    for (size_t i = 0; i < n; i++) {
        ds_put_format(out, "%s%s %s", i ? ", " : "", c->list[i].key,
                      c->list[i].change);
    }
    if (c->n + c->n_more > n) {
        ds_put_format(out, " and %"PRIuSIZE" more", c->n + c->n_more - n);
    } else if (!n) {
        ds_put_cstr(out, "nothing in it changed");
    }
}
