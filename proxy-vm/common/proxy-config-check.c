/* SPDX-License-Identifier: Apache-2.0
 *
 * The checks of a configuration, and the sentences that refuse one.
 *
 * In: the nodes of the file, the table of keys.  Out: null or a sentence.
 * Runs in: all programs of the proxy, when they load the configuration. */
#include <config.h>

#include "proxy-config-keys.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "proxy-config.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/shash.h"
#include "stats.h"
#include "util.h"
#include "yaml-map.h"

enum { MAX_HOSTS = 4096 };

#define NAME_CHARACTERS \
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-"

static const struct config_section *
find_section(const char *name)
{
    for (size_t i = 0; i < CONFIG_N_SECTIONS; i++) {
        if (!strcmp(config_sections[i].name, name)) {
            return &config_sections[i];
        }
    }
    return NULL;
}

static const struct config_key *
find_key(const struct config_section *section, const char *name)
{
    for (size_t i = 0; i < section->n_keys; i++) {
        if (!strcmp(section->keys[i].name, name)) {
            return &section->keys[i];
        }
    }
    return NULL;
}

/* "a, b and c". */
static void
put_list_item(struct ds *s, const char *name, size_t i, size_t n)
{
    ds_put_format(s, "%s%s", !i ? "" : i + 1 < n ? ", " : " and ", name);
}

static char *
list_keys(const struct config_section *section)
{
    struct ds s = DS_EMPTY_INITIALIZER;

    for (size_t i = 0; i < section->n_keys; i++) {
        put_list_item(&s, section->keys[i].name, i, section->n_keys);
    }
    return ds_steal_cstr(&s);
}

static char *
list_sections(void)
{
    struct ds s = DS_EMPTY_INITIALIZER;

    for (size_t i = 0; i < CONFIG_N_SECTIONS; i++) {
        put_list_item(&s, config_sections[i].name, i, CONFIG_N_SECTIONS);
    }
    return ds_steal_cstr(&s);
}

bool
config_parse_uint(const char *s, uint32_t *ret)
{
    bool hex = s[0] == '0' && (s[1] == 'x' || s[1] == 'X');
    const char *digits = hex ? s + 2 : s;
    size_t n = strlen(digits);

    /* No leading zero: whether "010" is ten or eight is a matter of taste. */
    if (!n || n > 10 || (!hex && digits[0] == '0' && n > 1)
        || strspn(digits, hex ? "0123456789abcdefABCDEF" : "0123456789")
           != n) {
        return false;
    }

    unsigned long long value = strtoull(digits, NULL, hex ? 16 : 10);
    if (value > UINT32_MAX) {
        return false;
    }
    *ret = value;
    return true;
}

bool
config_parse_address(const char *s, struct in6_addr *ret)
{
    struct in_addr ip;

    if (inet_pton(AF_INET, s, &ip) == 1) {
        struct in6_addr mapped = { .s6_addr = { [10] = 0xff, [11] = 0xff } };
        memcpy(&mapped.s6_addr[12], &ip, sizeof ip);
        *ret = mapped;
        return true;
    }
    return inet_pton(AF_INET6, s, ret) == 1;
}

bool
config_parse_server(const char *s, char **ret_host, char **ret_port)
{
    const char *colon = strrchr(s, ':');
    uint32_t port;

    if (!colon || !config_parse_uint(colon + 1, &port) || !port
        || port > UINT16_MAX || !isdigit((unsigned char) colon[1])
        || strchr(colon, 'x')) {
        return false;
    }

    char *host = xmemdup0(s, colon - s);
    size_t n = strlen(host);
    struct in6_addr addr;
    bool ok;
    if (n > 2 && host[0] == '[' && host[n - 1] == ']') {
        memmove(host, host + 1, n - 2);
        host[n - 2] = '\0';
        ok = inet_pton(AF_INET6, host, &addr) == 1;
    } else {
        ok = (n > 0 && n <= 253 && host[0] != '.' && host[0] != '-'
              && strspn(host, NAME_CHARACTERS) == n);
    }
    if (!ok) {
        free(host);
        return false;
    }
    if (ret_host) {
        *ret_host = host;
        *ret_port = xstrdup(colon + 1);
    } else {
        free(host);
    }
    return true;
}

/* RFC 5424 section 6.3.2. */
static bool
is_sd_id(const char *s)
{
    const char *at = strchr(s, '@');

    if (!at || at == s || !at[1]
        || strspn(at + 1, "0123456789") != strlen(at + 1)) {
        return false;
    }
    for (const char *p = s; p < at; p++) {
        if (*p <= ' ' || *p >= 0x7f || strchr("=]\"", *p)) {
            return false;
        }
    }
    return true;
}

static bool
is_number(const struct config_key *key)
{
    return key->type == CONFIG_TYPE_UINT || key->type == CONFIG_TYPE_UINTS;
}

/* Returns what to do about 'value', or null if it is right. */
static char *
check_value(const struct config_key *key, const char *value)
{
    struct in6_addr addr;
    size_t size = strlen(value);
    uint32_t number;

    if (is_number(key)) {
        if (config_parse_uint(value, &number)
            && number >= key->min && number <= key->max) {
            return NULL;
        }
        bool hex = key->preset && !strncmp(key->preset, "0x", 2);
        return (hex
                ? xasprintf("give %#x to %#x", key->min, key->max)
                : xasprintf("give %u to %u", key->min, key->max));
    }

    switch (key->type) {
    case CONFIG_TYPE_ADDRESS:
        return (config_parse_address(value, &addr) ? NULL
                : xstrdup("write it as 192.0.2.1 or 2001:db8::1"));
    case CONFIG_TYPE_PATH:
        return (value[0] != '/' ? xstrdup("begin it with /")
                : size < key->min ? xstrdup("name a directory of its own")
                : NULL);
    case CONFIG_TYPE_SD_ID:
        return (is_sd_id(value) ? NULL
                : xstrdup("write it as sluice@32473"));
    case CONFIG_TYPE_NAME:
        return (strspn(value, NAME_CHARACTERS) == size ? NULL
                : xstrdup("use letters, digits, '.', '_' and '-'"));
    case CONFIG_TYPE_SERVER:
        return (config_parse_server(value, NULL, NULL) ? NULL
                : xstrdup("write it as logs.example.net:514 or "
                          "[2001:db8::1]:514"));
    case CONFIG_TYPE_UINT:
    case CONFIG_TYPE_UINTS:
    default:
        OVS_NOT_REACHED();
    }
}

static char *
check_scalar(const char *path, const struct yaml_node *node,
             const struct config_key *key)
{
    if (node->kind != YAML_KIND_SCALAR) {
        return yaml_complain(path, node, "it is not a single value; give %s.",
                             key->what);
    } else if (!node->value[0]) {
        return yaml_complain(path, node, "it is empty; give %s.", key->what);
    } else if (!is_number(key) && strlen(node->value) > key->max) {
        return yaml_complain(path, node, "it is longer than %u bytes; give a "
                             "shorter one.", key->max);
    }

    char *advice = check_value(key, node->value);
    if (!advice) {
        return NULL;
    }
    char *sentence = yaml_complain(path, node, "%.100s%s is not %s; %s.",
                                   node->value,
                                   strlen(node->value) > 100 ? "..." : "",
                                   key->what, advice);
    free(advice);
    return sentence;
}

static char *
check_key(const char *path, const struct yaml_node *node,
          const struct config_section *section)
{
    const struct config_key *key = find_key(section, node->key);

    if (!key) {
        char *keys = list_keys(section);
        char *sentence = yaml_complain(path, node, "there is no such key; %s "
                                       "takes %s.", section->name, keys);
        free(keys);
        return sentence;
    } else if (key->type != CONFIG_TYPE_UINTS) {
        return check_scalar(path, node, key);
    } else if (node->kind != YAML_KIND_SEQUENCE) {
        return yaml_complain(path, node, "it is not a list; write it as "
                             "[1, 2].");
    }
    return NULL;
}

/* Checks an entry of a section that is a list. */
static char *
check_item(const char *path, const struct yaml_map *map,
           const struct yaml_node *node, const struct config_section *section)
{
    if (node->kind != YAML_KIND_MAPPING) {
        char *keys = list_keys(section);
        char *sentence = yaml_complain(path, node, "it is not a mapping; "
                                       "give it the keys %s.", keys);
        free(keys);
        return sentence;
    }
    for (size_t i = 0; i < section->n_keys; i++) {
        const struct config_key *key = &section->keys[i];
        if (key->required
            && !yaml_map_find(map, "%s.%s", node->path, key->name)) {
            return yaml_complain(path, node, "it has no %s; give it %s.",
                                 key->name, key->what);
        }
    }
    return NULL;
}

static char *
check_section(const char *path, const struct yaml_node *node)
{
    const struct config_section *section = find_section(node->key);

    if (!section) {
        char *sections = list_sections();
        char *sentence = yaml_complain(path, node, "there is no such section; "
                                       "there are %s.", sections);
        free(sections);
        return sentence;
    } else if (section->is_list && node->kind != YAML_KIND_SEQUENCE) {
        return yaml_complain(path, node, "it is not a list; begin each entry "
                             "with \"- \".");
    } else if (!section->is_list && node->kind != YAML_KIND_MAPPING) {
        return yaml_complain(path, node, "it is not a mapping; give its keys "
                             "on indented lines, or leave it out.");
    }
    return NULL;
}

static char *
check_node(const char *path, const struct yaml_map *map,
           const struct yaml_node *node)
{
    if (!node->depth) {
        return (node->kind == YAML_KIND_MAPPING ? NULL
                : yaml_complain(path, node, "the file is not a mapping; begin "
                                "it with a section such as \"tenants:\"."));
    } else if (node->depth == 1) {
        return check_section(path, node);
    }

    const struct yaml_node *top = node->parent;
    while (top->depth > 1) {
        top = top->parent;
    }
    const struct config_section *section = find_section(top->key);
    unsigned int depth = node->depth - section->is_list;
    if (depth == 1) {
        return check_item(path, map, node, section);
    } else if (depth == 2) {
        return check_key(path, node, section);
    }
    return check_scalar(path, node, find_key(section, node->parent->key));
}

char *
config_check_keys(const char *path, const struct yaml_map *map)
{
    char *sentence = NULL;

    for (size_t i = 0; i < yaml_map_n(map) && !sentence; i++) {
        sentence = check_node(path, map, yaml_map_at(map, i));
    }
    return sentence;
}

/* Returns the place of an earlier entry that has 'value' too, or adds 'value'
 * and returns SIZE_MAX. */
static size_t
find_twin(struct shash *seen, const char *value, size_t i)
{
    const struct shash_node *twin = shash_find(seen, value);

    if (twin) {
        return (uintptr_t) twin->data;
    }
    shash_add(seen, value, (void *) (uintptr_t) i);
    return SIZE_MAX;
}

/* Checks that no two entries of 'section' have the same 'key'.  Numbers and
 * addresses are compared by value. */
static char *
check_unique(const char *path, const struct yaml_map *map,
             const char *section, size_t n, const char *key)
{
    struct shash seen = SHASH_INITIALIZER(&seen);
    char *sentence = NULL;

    for (size_t i = 0; i < n && !sentence; i++) {
        const struct yaml_node *node = yaml_map_find(map, "%s[%"PRIuSIZE"].%s",
                                                     section, i, key);
        char canonical[INET6_ADDRSTRLEN];
        const char *value = node->value;
        struct in6_addr addr;
        uint32_t number;
        if (!strcmp(key, "vtep") && config_parse_address(value, &addr)) {
            inet_ntop(AF_INET6, &addr, canonical, sizeof canonical);
            value = canonical;
        } else if (!strcmp(key, "id") && config_parse_uint(value, &number)) {
            snprintf(canonical, sizeof canonical, "%u", number);
            value = canonical;
        }

        size_t twin = find_twin(&seen, value, i);
        if (twin != SIZE_MAX) {
            sentence = yaml_complain(path, node, "%s is the %s of "
                                     "%s[%"PRIuSIZE"] as well; give each its "
                                     "own.",
                                     node->value, key, section, twin);
        }
    }
    shash_destroy(&seen);
    return sentence;
}

static char *
check_tenants(const char *path, const struct yaml_map *map,
              const struct config *config)
{
    const struct yaml_node *list = yaml_map_find(map, "tenants");

    if (!config->tenants_count) {
        return yaml_complain(path, list, "%sthere is no tenant; give at least "
                             "one.", list ? "" : "tenants: ");
    } else if (config->tenants_count > STATS_MAX_TENANTS) {
        return yaml_complain(path, list,
                             "there are %u tenants; give at most %d.",
                             config->tenants_count, STATS_MAX_TENANTS);
    }
    for (size_t i = 0; i < config->tenants_count; i++) {
        const struct yaml_node *key_file = yaml_map_find(
            map, "tenants[%"PRIuSIZE"].redaction-key-file", i);
        if (key_file && !yaml_map_find(map, "tenants[%"PRIuSIZE"]"
                                       ".redaction-file", i)) {
            return yaml_complain(path, key_file, "there is no redaction-file "
                                 "whose rules would use it; give one, or "
                                 "leave this out.");
        }
    }
    char *sentence = check_unique(path, map, "tenants",
                                  config->tenants_count, "id");
    return sentence ? sentence : check_unique(path, map, "tenants",
                                              config->tenants_count, "name");
}

static char *
check_hosts(const char *path, const struct yaml_map *map,
            const struct config *config)
{
    if (config->hosts_count > MAX_HOSTS) {
        return yaml_complain(path, yaml_map_find(map, "hosts"),
                             "there are %u hosts; give at most %d.",
                             config->hosts_count, MAX_HOSTS);
    }
    char *sentence = check_unique(path, map, "hosts", config->hosts_count,
                                  "name");
    if (!sentence) {
        sentence = check_unique(path, map, "hosts", config->hosts_count,
                                "vtep");
    }
    for (size_t i = 0; i < config->hosts_count && !sentence; i++) {
        const struct config_host *host = &config->hosts[i];
        for (size_t j = 0; j < host->tenants_count && !sentence; j++) {
            if (!config_find_tenant(config, host->tenants[j])) {
                sentence = yaml_complain(
                    path, yaml_map_find(map, "hosts[%"PRIuSIZE"].tenants"
                                        "[%"PRIuSIZE"]", i, j),
                    "there is no tenant %u; add it to tenants, or take it "
                    "out here.", host->tenants[j]);
            }
        }
    }
    return sentence;
}

static char *
check_paths(const char *path, const struct yaml_map *map,
            const struct config *config)
{
    const struct {
        const char *key;
        const char *value;
    } dirs[] = {
        { "run", config->paths.run },
        { "spool", config->paths.spool },
        { "state", config->paths.state },
    };

    for (size_t i = 0; i < ARRAY_SIZE(dirs); i++) {
        for (size_t j = 0; j < ARRAY_SIZE(dirs); j++) {
            const struct yaml_node *node = yaml_map_find(map, "paths.%s",
                                                         dirs[i].key);
            if (i != j && node && !strcmp(dirs[i].value, dirs[j].value)
                && (j < i || !yaml_map_find(map, "paths.%s", dirs[j].key))) {
                return yaml_complain(path, node, "%s is paths.%s as well; "
                                     "give it a directory of its own.",
                                     dirs[i].value, dirs[j].key);
            }
        }
    }
    return NULL;
}

char *
config_check_relations(const char *path, const struct yaml_map *map,
                       const struct config *config)
{
    char *sentence = check_tenants(path, map, config);

    if (!sentence) {
        sentence = check_hosts(path, map, config);
    }
    return sentence ? sentence : check_paths(path, map, config);
}
