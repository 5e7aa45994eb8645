/* SPDX-License-Identifier: Apache-2.0
 *
 * The destinations of the tenants: whether their keys go together, and which
 * queues they make.
 *
 * In: the nodes of the file, the configuration.  Out: null or a sentence;
 * names of queues.
 * Runs in: all programs of the proxy, when they load the configuration. */
#include <config.h>

#include "proxy-config.h"

#include <stdlib.h>
#include <string.h>

#include "openvswitch/dynamic-string.h"
#include "proxy-config-keys.h"
#include "spool.h"
#include "util.h"
#include "yaml-map.h"

const struct config_type_key *
config_find_type_key(const char *type, const char *key)
{
    for (size_t i = 0; i < CONFIG_N_TYPE_KEYS; i++) {
        if (!strcmp(config_type_keys[i].type, type)
            && !strcmp(config_type_keys[i].key, key)) {
            return &config_type_keys[i];
        }
    }
    return NULL;
}

const char *
config_type_key_of(const struct config_section *section)
{
    return (!strcmp(section->name, "destinations") ? "type"
            : !strcmp(section->name, "managers") ? "kind"
            : NULL);
}

/* Returns the names of all keys that 'type' takes, malloc()ed; 'last' is the
 * one that says the type. */
static char *
list_type_keys(const char *type, const char *last)
{
    struct ds s = DS_EMPTY_INITIALIZER;

    ds_put_cstr(&s, "name");
    for (size_t i = 0; i < CONFIG_N_TYPE_KEYS; i++) {
        if (!strcmp(config_type_keys[i].type, type)) {
            ds_put_format(&s, ", %s", last);
            last = config_type_keys[i].key;
        }
    }
    ds_put_format(&s, " and %s", last);
    return ds_steal_cstr(&s);
}

char *
config_check_type(const char *path, const struct yaml_map *map,
                  const struct yaml_node *node,
                  const struct config_section *section, const char *type)
{
    const char *what = config_type_key_of(section);

    for (size_t i = 0; i < section->n_keys; i++) {
        const struct config_key *key = &section->keys[i];
        const struct config_type_key *taken = config_find_type_key(type,
                                                                   key->name);
        const struct yaml_node *there = yaml_map_find(map, "%s.%s",
                                                      node->path, key->name);
        if (there && !taken && !key->required) {
            char *keys = list_type_keys(type, what);
            char *sentence = yaml_complain(path, there, "a %.*s of %s %s does "
                                           "not take it; it takes %s.",
                                           (int) strlen(section->name) - 1,
                                           section->name, what, type, keys);
            free(keys);
            return sentence;
        } else if (!there && taken && taken->required) {
            return yaml_complain(path, node, "it has no %s, which %s %s "
                                 "needs; give it %s.", key->name, what, type,
                                 key->what);
        }
    }
    return NULL;
}

static char *
check_destination(const char *path, const struct yaml_map *map,
                  const struct yaml_node *node,
                  const struct config_destination *d)
{
    char *sentence = config_check_type(path, map, node,
                                       config_find_section("destinations"),
                                       d->type);

    if (sentence) {
        return sentence;
    } else if (!spool_queue_name_is_valid(d->name)) {
        return yaml_complain(path, yaml_map_find(map, "%s.name", node->path),
                             "%s can't be a directory of the spool; begin it "
                             "with another character.", d->name);
    } else if (d->server && strchr(d->server, ',')
               && strcmp(d->type, "kafka")) {
        return yaml_complain(path,
                             yaml_map_find(map, "%s.server", node->path),
                             "type %s takes one server only; give each a "
                             "destination of its own.", d->type);
    } else if (!d->certificate_file != !d->key_file) {
        const char *there = d->key_file ? "key-file" : "certificate-file";
        return yaml_complain(path, yaml_map_find(map, "%s.%s", node->path,
                                                 there),
                             "there is no %s beside it; give both, or leave "
                             "this out.", d->key_file ? "certificate-file"
                             : "key-file");
    }
    return NULL;
}

static bool
is_first(const struct config_tenant *t)
{
    return !strcmp(t->delivery, "first");
}

/* The destinations of a queue share its files, which are sealed to one key. */
static char *
check_recipients(const char *path, const struct yaml_map *map,
                 const struct yaml_node *list, const struct config_tenant *t)
{
    const struct config_destination *first = &t->destinations[0];

    for (size_t i = 1; is_first(t) && i < t->destinations_count; i++) {
        const struct config_destination *d = &t->destinations[i];
        const char *a = first->recipient_file, *b = d->recipient_file;

        if (!a != !b || (a && strcmp(a, b))) {
            return yaml_complain(path, yaml_map_find(map, "%s[%"PRIuSIZE"]",
                                                     list->path, i),
                                 "with delivery: first all destinations must "
                                 "be sealed to one key, or none; %s and %s "
                                 "are not.", first->name, d->name);
        }
    }
    return NULL;
}

static char *
check_tenant(const char *path, const struct yaml_map *map,
             const struct yaml_node *node, const struct config_tenant *t)
{
    const struct yaml_node *list = yaml_map_find(map, "%s.destinations",
                                                 node->path);
    char *sentence = NULL;

    if (!list && !t->server) {
        return yaml_complain(path, node, "it has no destination; give it "
                             "server or destinations.");
    } else if (list && t->server) {
        return yaml_complain(path, yaml_map_find(map, "%s.server",
                                                 node->path),
                             "there are destinations, too; make it one of "
                             "those.");
    } else if (!list) {
        return NULL;
    }
    for (size_t i = 0; i < t->destinations_count && !sentence; i++) {
        sentence = check_destination(path, map,
                                     yaml_map_find(map, "%s[%"PRIuSIZE"]",
                                                   list->path, i),
                                     &t->destinations[i]);
    }
    if (!sentence) {
        sentence = check_recipients(path, map, list, t);
    }
    return (sentence ? sentence
            : config_check_unique(path, map, list->path,
                                  t->destinations_count, "name"));
}

char *
config_check_destinations(const char *path, const struct yaml_map *map,
                          const struct config *config)
{
    char *sentence = NULL;

    for (size_t i = 0; i < config->tenants_count && !sentence; i++) {
        sentence = check_tenant(path, map,
                                yaml_map_find(map, "tenants[%"PRIuSIZE"]", i),
                                &config->tenants[i]);
    }
    return sentence;
}

static bool
has_destination(const struct config_tenant *t, const char *name)
{
    for (size_t i = 0; i < t->destinations_count; i++) {
        if (!strcmp(t->destinations[i].name, name)) {
            return true;
        }
    }
    return !t->destinations_count && !strcmp(name, SPOOL_MAIN_QUEUE);
}

char *
config_check_routes(const char *path, const struct yaml_map *map,
                    const struct config *config)
{
    for (size_t i = 0; i < config->rules_count; i++) {
        const struct config_rule *rule = &config->rules[i];
        bool found = !rule->destination;

        for (size_t j = 0; j < config->tenants_count && !found; j++) {
            const struct config_tenant *t = &config->tenants[j];
            found = ((!rule->tenant || rule->tenant == t->id)
                     && has_destination(t, rule->destination));
        }
        if (!found) {
            return yaml_complain(path,
                                 yaml_map_find(map, "rules[%"PRIuSIZE"]"
                                               ".destination", i),
                                 "no tenant that it is for has a destination "
                                 "%s; add it there, or name another.",
                                 rule->destination);
        }
    }
    return NULL;
}

/* The queues. */

unsigned int
config_n_queues(const struct config_tenant *t)
{
    return is_first(t) ? 1 : t->destinations_count;
}

const char *
config_queue_name(const struct config_tenant *t, unsigned int i)
{
    return is_first(t) ? SPOOL_MAIN_QUEUE : t->destinations[i].name;
}

const struct config_destination *
config_queue_destinations(const struct config_tenant *t, const char *name,
                          size_t *ret_n)
{
    if (is_first(t)) {
        if (strcmp(name, SPOOL_MAIN_QUEUE)) {
            return NULL;
        }
        *ret_n = t->destinations_count;
        return t->destinations;
    }
    for (size_t i = 0; i < t->destinations_count; i++) {
        if (!strcmp(t->destinations[i].name, name)) {
            *ret_n = 1;
            return &t->destinations[i];
        }
    }
    return NULL;
}

bool
config_has_queue(const struct config_tenant *t, const char *name)
{
    size_t n;

    return config_queue_destinations(t, name, &n) != NULL;
}

bool
config_destination_equals(const struct config_destination *a,
                          const struct config_destination *b)
{
    const struct config_section *section
        = config_find_section("destinations");

    for (size_t i = 0; i < section->n_keys; i++) {
        size_t offset = section->keys[i].offset;
        if (!nullable_string_is_equal(*(char **) ((char *) a + offset),
                                      *(char **) ((char *) b + offset))) {
            return false;
        }
    }
    return true;
}
