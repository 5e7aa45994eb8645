/* SPDX-License-Identifier: Apache-2.0
 *
 * The tags of one vCenter.  See vsphere-tags-model.h. */
#include <config.h>

#include "vsphere-tags-model.h"

#include <stdlib.h>
#include <string.h>

#include "hash.h"
#include "openvswitch/hmap.h"
#include "openvswitch/json.h"
#include "openvswitch/shash.h"
#include "printable.h"
#include "util.h"
#include "vsphere-update.h"

enum { MAX_ID = 200 };          /* Bytes of an id. */

struct category {
    char *id;
    char *key;                  /* Null: not known yet. */
};

struct tag {
    char *id;
    char *name;                 /* Likewise. */
    size_t category;            /* Index. */
};

/* An object that has tags. */
struct holder {
    struct hmap_node node;      /* By 'ref'. */
    char *ref;
    uint16_t tags[TAGS_MAX_OF_ONE]; /* Indexes. */
    size_t n_tags;
};

struct tags_model {
    struct category categories[TAGS_MAX_CATEGORIES];
    size_t n_categories;
    struct tag tags[TAGS_MAX_TAGS];
    size_t n_tags;
    struct hmap holders;
};

struct tags_model *
tags_model_create(void)
{
    struct tags_model *m = xzalloc(sizeof *m);

    hmap_init(&m->holders);
    return m;
}

void
tags_model_destroy(struct tags_model *m)
{
    struct holder *h;

    if (!m) {
        return;
    }
    for (size_t i = 0; i < m->n_categories; i++) {
        free(m->categories[i].id);
        free(m->categories[i].key);
    }
    for (size_t i = 0; i < m->n_tags; i++) {
        free(m->tags[i].id);
        free(m->tags[i].name);
    }
    HMAP_FOR_EACH_POP (h, node, &m->holders) {
        free(h->ref);
        free(h);
    }
    hmap_destroy(&m->holders);
    free(m);
}

/* Reading. */

/* Reads 'reply', an object whose member "value" is of 'type'.  Returns it, to
 * be freed, and that member in '*ret', or null. */
static struct json *
parse(struct slice reply, enum json_type type, const struct json **ret)
{
    static const struct json empty = { .type = JSON_ARRAY };
    struct json_parser *parser = json_parser_create(JSPF_TRAILER);

    json_parser_feed(parser, (const char *) reply.data, reply.size);
    struct json *json = json_parser_finish(parser);
    const struct json *value = (json->type == JSON_OBJECT
                                ? shash_find_data(json->object, "value")
                                : NULL);

    /* The simulator's way to say that a list has nothing. */
    if (value && value->type == JSON_NULL && type == JSON_ARRAY) {
        value = &empty;
    }
    if (!value || value->type != type) {
        json_destroy(json);
        return NULL;
    }
    *ret = value;
    return json;
}

static char *
refusal(void)
{
    return xstrdup("the reply is refused: it is not what the interface says");
}

/* Returns the text of 'json', which may be null, if it can be an id, else
 * null. */
static const char *
id_of(const struct json *json)
{
    static const char allowed[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
        "-_.:";
    const char *s = json && json->type == JSON_STRING ? json->string : "";
    size_t n = strlen(s);

    return n && n <= MAX_ID && strspn(s, allowed) == n ? s : NULL;
}

static const struct json *
member(const struct json *json, const char *name)
{
    return (json->type == JSON_OBJECT ? shash_find_data(json->object, name)
            : NULL);
}

/* Returns the text of member "name", malloc()ed, cut and printable, or null if
 * there is none. */
static char *
name_of(const struct json *json, size_t max)
{
    const struct json *name = member(json, "name");

    return (name && name->type == JSON_STRING && name->string[0]
            ? make_printable(name->string, max) : NULL);
}

/* Returns the index of the tag, or SIZE_MAX. */
static size_t
find_tag(const struct tags_model *m, const char *id)
{
    for (size_t i = 0; i < m->n_tags; i++) {
        if (!strcmp(m->tags[i].id, id)) {
            return i;
        }
    }
    return SIZE_MAX;
}

char *
tags_model_take_list(struct tags_model *m, struct slice reply)
{
    const struct json *ids;
    struct json *json = parse(reply, JSON_ARRAY, &ids);
    char *problem = NULL;

    if (!json) {
        return refusal();
    }
    for (size_t i = 0; i < ids->array.n && !problem; i++) {
        const char *id = id_of(ids->array.elems[i]);

        if (!id) {
            problem = refusal();
        } else if (m->n_tags >= TAGS_MAX_TAGS) {
            problem = xasprintf("it has more than %d tags", TAGS_MAX_TAGS);
        } else if (find_tag(m, id) == SIZE_MAX) {
            m->tags[m->n_tags++] = (struct tag) { .id = xstrdup(id) };
        }
    }
    json_destroy(json);
    return problem;
}

/* Finds or makes the category.  Returns its index, or SIZE_MAX if there are
 * too many. */
static size_t
find_category(struct tags_model *m, const char *id)
{
    for (size_t i = 0; i < m->n_categories; i++) {
        if (!strcmp(m->categories[i].id, id)) {
            return i;
        }
    }
    if (m->n_categories >= TAGS_MAX_CATEGORIES) {
        return SIZE_MAX;
    }
    m->categories[m->n_categories] = (struct category) { .id = xstrdup(id) };
    return m->n_categories++;
}

char *
tags_model_take_tag(struct tags_model *m, size_t i, struct slice reply)
{
    const struct json *value;
    struct json *json = parse(reply, JSON_OBJECT, &value);
    const char *category = json ? id_of(member(value, "category_id")) : NULL;
    char *name = json ? name_of(value, TAGS_MAX_NAME) : NULL;
    char *problem = NULL;

    if (!category || !name) {
        problem = refusal();
        free(name);
    } else {
        free(m->tags[i].name);
        m->tags[i].name = name;
        m->tags[i].category = find_category(m, category);
        if (m->tags[i].category == SIZE_MAX) {
            m->tags[i].category = 0;
            problem = xasprintf("its tags are of more than %d categories",
                                TAGS_MAX_CATEGORIES);
        }
    }
    json_destroy(json);
    return problem;
}

char *
tags_model_take_category(struct tags_model *m, size_t i, struct slice reply)
{
    const struct json *value;
    struct json *json = parse(reply, JSON_OBJECT, &value);
    char *name = json ? name_of(value, TAGS_MAX_CATEGORY_NAME) : NULL;

    json_destroy(json);
    if (!name) {
        return refusal();
    }
    free(m->categories[i].key);
    m->categories[i].key = vsphere_sd_name("tag-", name, strlen(name));
    free(name);
    return NULL;
}

static struct holder *
find_holder(const struct tags_model *m, const char *ref)
{
    struct holder *h;

    HMAP_FOR_EACH_WITH_HASH (h, node, hash_string(ref, 0), &m->holders) {
        if (!strcmp(h->ref, ref)) {
            return h;
        }
    }
    return NULL;
}

/* Notes that the object 'ref' has the tag.  What is beyond its limit is left
 * out. */
static char *
add_holder(struct tags_model *m, const char *ref, size_t tag)
{
    struct holder *h = find_holder(m, ref);

    if (!h && hmap_count(&m->holders) >= TAGS_MAX_HOLDERS) {
        return xasprintf("more than %d objects have tags", TAGS_MAX_HOLDERS);
    } else if (!h) {
        h = xzalloc(sizeof *h);
        h->ref = xstrdup(ref);
        hmap_insert(&m->holders, &h->node, hash_string(ref, 0));
    }
    for (size_t i = 0; i < h->n_tags; i++) {
        if (h->tags[i] == tag) {
            return NULL;
        }
    }
    if (h->n_tags < TAGS_MAX_OF_ONE) {
        h->tags[h->n_tags++] = tag;
    }
    return NULL;
}

/* Takes who has one tag.  Only VMs matter. */
static char *
take_holders_of(struct tags_model *m, const struct json *entry)
{
    const char *id = id_of(member(entry, "tag_id"));
    const struct json *objects = member(entry, "object_ids");
    size_t tag = id ? find_tag(m, id) : SIZE_MAX;
    char *problem = NULL;

    if (tag == SIZE_MAX) {
        return refusal();
    } else if (!objects || objects->type != JSON_ARRAY) {
        return NULL;            /* Nobody has it. */
    }
    for (size_t i = 0; i < objects->array.n && !problem; i++) {
        const struct json *object = objects->array.elems[i];
        const struct json *type = member(object, "type");
        const char *ref = id_of(member(object, "id"));

        if (!ref || !type || type->type != JSON_STRING) {
            problem = refusal();
        } else if (!strcmp(type->string, vsphere_type_names[VSPHERE_VM])) {
            problem = add_holder(m, ref, tag);
        }
    }
    return problem;
}

char *
tags_model_take_holders(struct tags_model *m, struct slice reply)
{
    const struct json *entries;
    struct json *json = parse(reply, JSON_ARRAY, &entries);
    char *problem = json ? NULL : refusal();

    for (size_t i = 0; !problem && i < entries->array.n; i++) {
        problem = take_holders_of(m, entries->array.elems[i]);
    }
    json_destroy(json);
    return problem;
}

/* What is known. */

size_t
tags_model_n_tags(const struct tags_model *m)
{
    return m->n_tags;
}

size_t
tags_model_n_categories(const struct tags_model *m)
{
    return m->n_categories;
}

size_t
tags_model_n_holders(const struct tags_model *m)
{
    return hmap_count(&m->holders);
}

const char *
tags_model_tag_id(const struct tags_model *m, size_t i)
{
    return m->tags[i].id;
}

const char *
tags_model_category_id(const struct tags_model *m, size_t i)
{
    return m->categories[i].id;
}

static int
compare_names(const void *a_, const void *b_)
{
    const struct tag *const *a = a_, *const *b = b_;

    return ((*a)->category != (*b)->category
            ? ((*a)->category < (*b)->category ? -1 : 1)
            : strcmp((*a)->name, (*b)->name));
}

void
tags_model_each_of(const struct tags_model *m, const char *ref,
                   void (*cb)(const char *key, const char *value, void *aux),
                   void *aux)
{
    const struct holder *h = find_holder(m, ref);
    const struct tag *tags[TAGS_MAX_OF_ONE] = { NULL };
    size_t n = 0, n_keys = 0;

    for (size_t i = 0; h && i < h->n_tags; i++) {
        const struct tag *tag = &m->tags[h->tags[i]];

        if (tag->name && m->categories[tag->category].key) {
            tags[n++] = tag;
        }
    }
    /* In an order of their own, so that the same tags are the same text. */
    qsort(tags, n, sizeof *tags, compare_names);
    for (size_t i = 0, j; i < n && n_keys < TAGS_MAX_KEYS; i = j, n_keys++) {
        struct ds names = DS_EMPTY_INITIALIZER;

        for (j = i; j < n && tags[j]->category == tags[i]->category; j++) {
            ds_put_format(&names, "%s%s", j > i ? ", " : "", tags[j]->name);
        }
        char *value = make_printable(ds_cstr(&names), TAGS_MAX_VALUE);
        cb(m->categories[tags[i]->category].key, value, aux);
        free(value);
        ds_destroy(&names);
    }
}
