/* SPDX-License-Identifier: Apache-2.0
 *
 * The table of configuration keys, from proxy-config.def, for those who walk
 * it: the loader, its checks and the generator of sluice.yaml(5).
 *
 * Runs in: all programs of the proxy; gen-config-man. */
#ifndef SLUICE_CONFIG_KEYS_H
#define SLUICE_CONFIG_KEYS_H 1

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct config;
struct yaml_map;
struct yaml_node;

enum config_type {
    CONFIG_TYPE_UINT,
    CONFIG_TYPE_UINTS,
    CONFIG_TYPE_ADDRESS,
    CONFIG_TYPE_PATH,
    CONFIG_TYPE_SD_ID,
    CONFIG_TYPE_NAME,
    CONFIG_TYPE_SERVER,
    CONFIG_TYPE_SEVERITIES,
    CONFIG_TYPE_FACILITIES,
    CONFIG_TYPE_NAMES,
    CONFIG_TYPE_PATTERN,
    CONFIG_TYPE_ACTION,
    CONFIG_TYPE_SCOPE,
    CONFIG_TYPE_SERVERS,
    CONFIG_TYPE_URI,
    CONFIG_TYPE_CHOICE,
    CONFIG_TYPE_LIST,
};

struct config_key {
    const char *name;
    enum config_type type;
    bool required;
    const char *preset;         /* The default, as in a file; may be null. */
    uint32_t min, max;
    const char *what;
    const char *help;
    size_t offset;              /* In the section's struct. */
    size_t size;
    size_t count_offset;        /* Of a list's length. */
};

/* What a key of type CONFIG_TYPE_CHOICE may be. */
struct config_choice {
    const char *key;
    const char *value;
    const char *help;
};

/* A key that a type of destination, or a kind of manager, takes. */
struct config_type_key {
    const char *type;
    const char *key;
    bool required;
};

struct config_section {
    const char *name;
    const char *help;
    bool is_list;
    bool is_nested;             /* It stands in another section's mappings. */
    size_t offset;              /* In struct config, unless nested. */
    size_t count_offset;        /* Of a list's length, likewise. */
    size_t item_size;           /* Of a list's entries. */
    const struct config_key *keys;
    size_t n_keys;
};

enum { CONFIG_N_SECTIONS = 15 };
extern const struct config_section config_sections[CONFIG_N_SECTIONS];
enum { CONFIG_N_CHOICES = 19 };
extern const struct config_choice config_choices[CONFIG_N_CHOICES];
enum { CONFIG_N_TYPE_KEYS = 41 };
extern const struct config_type_key config_type_keys[CONFIG_N_TYPE_KEYS];

/* Returns the section, or the key of a section, of that name, or null. */
const struct config_section *config_find_section(const char *name);
const struct config_key *config_find_key(const struct config_section *,
                                         const char *name);

/* Reads a number as the file may have it: decimal, or hexadecimal after "0x".
 * Returns false if 's' is no such number or does not fit. */
bool config_parse_uint(const char *s, uint32_t *ret);

/* Checks each node against the table.  Returns null, or a malloc()ed sentence
 * about the first that is wrong. */
char *config_check_keys(const char *path, const struct yaml_map *);

/* Checks the destinations of the tenants, in the order of the file.  Returns
 * as above. */
char *config_check_destinations(const char *path, const struct yaml_map *,
                                const struct config *);

/* Checks that the destinations which rules name are there.  Returns as
 * above. */
char *config_check_routes(const char *path, const struct yaml_map *,
                          const struct config *);

/* Checks that no two entries of the list at 'list', of 'n', have the same
 * 'key'.  Returns as above. */
char *config_check_unique(const char *path, const struct yaml_map *,
                          const char *list, size_t n, const char *key);

/* Checks what concerns several keys.  Returns as above. */
char *config_check_relations(const char *path, const struct yaml_map *,
                             const struct config *);

/* Returns what the table says of 'key' for a destination of 'type', or a
 * manager of that kind, or null: it does not take that. */
const struct config_type_key *config_find_type_key(const char *type,
                                                   const char *key);

/* Returns the key of the section's entries that says which of the others they
 * take ("type", "kind"), or null: each takes all. */
const char *config_type_key_of(const struct config_section *);

/* Checks that the entry 'node' of the section, which is of 'type', has what
 * its type needs, and nothing that has no meaning for it.  Returns a sentence
 * or null. */
char *config_check_type(const char *path, const struct yaml_map *,
                        const struct yaml_node *,
                        const struct config_section *, const char *type);

/* proxy-config-values.c: checks a value.  Returns what to do about it,
 * malloc()ed, or null if it is right. */
char *config_check_value(const struct config_key *, const char *value);
bool config_is_number(const struct config_key *);

/* Appends the line, or lines, of 'key' in the section's mapping, if it has a
 * value. */
struct ds;
void config_dump_key(const struct config_section *, const struct config_key *,
                     const char *mapping, struct ds *out);

/* Appends 'name', the i-th of 'n', to a list "a, b and c". */
void config_put_list_item(struct ds *, const char *name, size_t i, size_t n);

/* proxy-config-context.c: checks what concerns several keys of the policy of
 * context.  Returns a sentence or null. */
char *config_check_context(const char *path, const struct yaml_map *,
                           const struct config *);

/* proxy-config-rules.c: checks a value of a key that only rules have.  Returns
 * what to do about it, malloc()ed, or null if it is right. */
char *config_check_rule_value(enum config_type, const char *value);

/* Checks what concerns several keys of rules.  Returns a sentence or null. */
char *config_check_rules(const char *path, const struct yaml_map *,
                         const struct config *);

#endif /* proxy-vm/common/proxy-config-keys.h */
