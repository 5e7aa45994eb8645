/* SPDX-License-Identifier: Apache-2.0
 *
 * See exposition.h, and
 * https://prometheus.io/docs/instrumenting/exposition_formats/. */
#include <config.h>

#include "exposition.h"

#include <stdlib.h>
#include <string.h>

#include "hash.h"
#include "util.h"

struct metric {
    struct hmap_node hmap_node; /* In 'metrics'. */
    struct ovs_list order_node; /* In 'order'. */
    char *name;
    char *type;
    char *help;
    struct ds samples;          /* Whole lines. */
};

void
exposition_init(struct exposition *e)
{
    hmap_init(&e->metrics);
    ovs_list_init(&e->order);
}

void
exposition_uninit(struct exposition *e)
{
    struct metric *m;

    LIST_FOR_EACH_POP (m, order_node, &e->order) {
        hmap_remove(&e->metrics, &m->hmap_node);
        free(m->name);
        free(m->type);
        free(m->help);
        ds_destroy(&m->samples);
        free(m);
    }
    hmap_destroy(&e->metrics);
}

static struct metric *
find(struct exposition *e, const char *name, const char *type,
     const char *help)
{
    uint32_t hash = hash_string(name, 0);
    struct metric *m;

    HMAP_FOR_EACH_WITH_HASH (m, hmap_node, hash, &e->metrics) {
        if (!strcmp(m->name, name)) {
            return m;
        }
    }
    m = xzalloc(sizeof *m);
    m->name = xstrdup(name);
    m->type = xstrdup(type);
    m->help = xstrdup(help);
    ds_init(&m->samples);
    hmap_insert(&e->metrics, &m->hmap_node, hash);
    ovs_list_push_back(&e->order, &m->order_node);
    return m;
}

/* Puts 's', which stands between quotation marks if 'is_quoted'. */
static void
put_escaped(struct ds *ds, const char *s, bool is_quoted)
{
    for (; *s; s++) {
        if (*s == '\\') {
            ds_put_cstr(ds, "\\\\");
        } else if (*s == '\n') {
            ds_put_cstr(ds, "\\n");
        } else if (*s == '"' && is_quoted) {
            ds_put_cstr(ds, "\\\"");
        } else {
            ds_put_char(ds, *s);
        }
    }
}

void
exposition_add(struct exposition *e, const char *name, const char *type,
               const char *help, const char *suffix,
               const struct label *labels, double value)
{
    struct ds *ds = &find(e, name, type, help)->samples;

    ds_put_format(ds, "%s%s", name, suffix);
    for (const struct label *label = labels; label->name; label++) {
        ds_put_char(ds, label == labels ? '{' : ',');
        ds_put_format(ds, "%s=\"", label->name);
        put_escaped(ds, label->value ? label->value : "", true);
        ds_put_char(ds, '"');
    }
    if (labels->name) {
        ds_put_char(ds, '}');
    }
    ds_put_format(ds, " %.17g\n", value);
}

void
exposition_format(const struct exposition *e, struct ds *out)
{
    const struct metric *m;

    LIST_FOR_EACH (m, order_node, &e->order) {
        ds_put_format(out, "# HELP %s ", m->name);
        put_escaped(out, m->help, false);
        ds_put_format(out, "\n# TYPE %s %s\n%s", m->name, m->type,
                      ds_cstr_ro(&m->samples));
    }
}
