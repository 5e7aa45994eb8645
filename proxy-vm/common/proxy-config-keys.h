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

enum config_type {
    CONFIG_TYPE_UINT,
    CONFIG_TYPE_UINTS,
    CONFIG_TYPE_ADDRESS,
    CONFIG_TYPE_PATH,
    CONFIG_TYPE_SD_ID,
    CONFIG_TYPE_NAME,
    CONFIG_TYPE_SERVER,
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
};

struct config_section {
    const char *name;
    const char *help;
    bool is_list;
    size_t offset;              /* In struct config. */
    const struct config_key *keys;
    size_t n_keys;
};

enum { CONFIG_N_SECTIONS = 9 };
extern const struct config_section config_sections[CONFIG_N_SECTIONS];

/* Reads a number as the file may have it: decimal, or hexadecimal after "0x".
 * Returns false if 's' is no such number or does not fit. */
bool config_parse_uint(const char *s, uint32_t *ret);

/* Checks each node against the table.  Returns null, or a malloc()ed sentence
 * about the first that is wrong. */
char *config_check_keys(const char *path, const struct yaml_map *);

/* Checks what concerns several keys.  Returns as above. */
char *config_check_relations(const char *path, const struct yaml_map *,
                             const struct config *);

#endif /* proxy-vm/common/proxy-config-keys.h */
