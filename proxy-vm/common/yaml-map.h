/* SPDX-License-Identifier: Apache-2.0
 *
 * Where everything stands in a YAML text: libcyaml forgets the lines once it
 * has loaded a file, and the sentences that refuse one need them.
 *
 * In: a YAML text.  Out: its nodes in the order of the text, by path.
 *
 * One document of mappings, lists and single values, without aliases, without
 * duplicate keys and without characters that steer a terminal; anything else
 * is refused.
 *
 * Runs in: all programs of the proxy, when they load a configuration. */
#ifndef SLUICE_YAML_MAP_H
#define SLUICE_YAML_MAP_H 1

#include <stdbool.h>
#include <stddef.h>

enum { YAML_MAP_MAX_DEPTH = 8 };

enum yaml_kind {
    YAML_KIND_SCALAR,
    YAML_KIND_MAPPING,
    YAML_KIND_SEQUENCE,
};

struct yaml_node {
    const struct yaml_node *parent; /* Null: the root. */
    enum yaml_kind kind;
    unsigned int depth;         /* 0: the root. */
    unsigned int line;          /* Of the key, else of the value; from 1. */
    unsigned int column;        /* The same, in characters. */
    char *path;                 /* "tenants[1].id"; "" is the root. */
    char *key;                  /* Null if the parent is no mapping. */
    char *value;                /* Null unless a scalar. */
    unsigned int n_children;
};

struct yaml_map;

struct yaml_problem {
    unsigned int line;          /* From 1. */
    unsigned int column;        /* From 1. */
    char text[256];             /* "did not find expected key". */
};

/* Reads a file of at most 'max_size' bytes.  Returns null and '*ret_text',
 * which is malloc()ed, or a malloc()ed sentence. */
char *yaml_read_file(const char *path, size_t max_size, char **ret_text,
                     size_t *ret_size);

/* Reads 'size' bytes at 'text', of at most 'max_nodes' nodes.  Returns true
 * and '*ret', which the caller owns, or false and '*ret_problem'. */
bool yaml_map_create(const char *text, size_t size, size_t max_nodes,
                     struct yaml_map **ret, struct yaml_problem *ret_problem);
void yaml_map_destroy(struct yaml_map *);

/* The nodes in the order of the text, the root first.  A text without a
 * document has none. */
size_t yaml_map_n(const struct yaml_map *);
const struct yaml_node *yaml_map_at(const struct yaml_map *, size_t i);

/* Finds the node whose path is 'format' and what follows, or returns null. */
const struct yaml_node *yaml_map_find(const struct yaml_map *,
                                      const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Lets libcyaml load a text against 'schema', whose value is a pointer to a
 * mapping.  The text was checked before by means of its map, so that what
 * libcyaml refuses now it refuses for want of memory, or because check and
 * schema differ.  Returns null and '*ret', null for an empty text and else to
 * be released by schema_unload(), or a malloc()ed sentence.  (Not "yaml_load":
 * libyaml has a yaml_free() that must not be overridden.) */
struct cyaml_schema_value;
char *schema_load(const char *path, const char *text, size_t size,
                  const struct cyaml_schema_value *schema, void **ret);
void schema_unload(const struct cyaml_schema_value *schema, void *data);

/* The sentences about what is wrong in the file at 'path', malloc()ed:
 * "FILE:LINE:COLUMN: KEY: ", then 'format'; 'node' may be null. */
char *yaml_complain(const char *path, const struct yaml_node *node,
                    const char *format, ...)
    __attribute__((format(printf, 3, 4)));
char *yaml_complain_problem(const char *path, const struct yaml_problem *);

#endif /* proxy-vm/common/yaml-map.h */
