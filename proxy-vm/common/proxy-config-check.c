/* SPDX-License-Identifier: Apache-2.0
 *
 * The checks of a configuration, and the sentences that refuse one.
 *
 * In: the nodes of the file, the table of keys.  Out: null or a sentence.
 * Runs in: all programs of the proxy, when they load the configuration. */
#include <config.h>

#include "proxy-config-keys.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "proxy-config.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/shash.h"
#include "stats.h"
#include "nearest.h"
#include "util.h"
#include "yaml-map.h"


const struct config_section *
config_find_section(const char *name)
{
    for (size_t i = 0; i < CONFIG_N_SECTIONS; i++) {
        if (!strcmp(config_sections[i].name, name)) {
            return &config_sections[i];
        }
    }
    return NULL;
}

const struct config_key *
config_find_key(const struct config_section *section, const char *name)
{
    for (size_t i = 0; i < section->n_keys; i++) {
        if (!strcmp(section->keys[i].name, name)) {
            return &section->keys[i];
        }
    }
    return NULL;
}

static char *
list_keys(const struct config_section *section)
{
    struct ds s = DS_EMPTY_INITIALIZER;

    for (size_t i = 0; i < section->n_keys; i++) {
        config_put_list_item(&s, section->keys[i].name, i, section->n_keys);
    }
    return ds_steal_cstr(&s);
}

/* Says what was meant, if anything is near it; malloc()ed. */
static char *
meant_key(const struct config_section *section, const char *name)
{
    struct nearest n;

    nearest_init(&n, name);
    for (size_t i = 0; i < section->n_keys; i++) {
        nearest_try(&n, section->keys[i].name);
    }
    return nearest_say(&n);
}

static char *
meant_section(const char *name)
{
    struct nearest n;

    nearest_init(&n, name);
    for (size_t i = 0; i < CONFIG_N_SECTIONS; i++) {
        if (!config_sections[i].is_nested) {
            nearest_try(&n, config_sections[i].name);
        }
    }
    return nearest_say(&n);
}

static char *
list_sections(void)
{
    struct ds s = DS_EMPTY_INITIALIZER;
    size_t n = 0, n_done = 0;

    for (size_t i = 0; i < CONFIG_N_SECTIONS; i++) {
        n += !config_sections[i].is_nested;
    }
    for (size_t i = 0; i < CONFIG_N_SECTIONS; i++) {
        if (!config_sections[i].is_nested) {
            config_put_list_item(&s, config_sections[i].name, n_done++, n);
        }
    }
    return ds_steal_cstr(&s);
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
    } else if (!config_is_number(key) && strlen(node->value) > key->max) {
        return yaml_complain(path, node, "it is longer than %u bytes; give a "
                             "shorter one.", key->max);
    }

    char *advice = config_check_value(key, node->value);
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
refuse_key(const char *path, const struct yaml_node *node,
           const struct config_section *section)
{
    char *keys = list_keys(section);
    char *meant = meant_key(section, node->key);
    char *sentence = yaml_complain(path, node, "there is no such key%s; %s "
                                   "takes %s.", meant, section->name, keys);

    free(meant);
    free(keys);
    return sentence;
}

static char *
check_key(const char *path, const struct yaml_node *node,
          const struct config_section *section)
{
    const struct config_key *key = config_find_key(section, node->key);

    if (!key) {
        return refuse_key(path, node, section);
    } else if (key->type == CONFIG_TYPE_LIST) {
        if (node->kind != YAML_KIND_SEQUENCE) {
            return yaml_complain(path, node, "it is not a list; begin each "
                                 "entry with \"- \".");
        } else if (node->n_children < key->min
                   || node->n_children > key->max) {
            return yaml_complain(path, node, "it has %u entries; give it %u "
                                 "to %u.", node->n_children, key->min,
                                 key->max);
        }
        return NULL;
    } else if (key->type != CONFIG_TYPE_UINTS) {
        return check_scalar(path, node, key);
    } else if (node->kind != YAML_KIND_SEQUENCE) {
        return yaml_complain(path, node, "it is not a list; write it as "
                             "[1, 2].");
    }
    return NULL;
}

/* Says that 'node' does not have 'key'; but if it has one that does not exist,
 * which may be meant for it, says that. */
static char *
miss_key(const char *path, const struct yaml_map *map,
         const struct yaml_node *node, const struct config_section *section,
         const struct config_key *key)
{
    for (size_t i = 0; i < yaml_map_n(map); i++) {
        const struct yaml_node *child = yaml_map_at(map, i);

        if (child->parent == node && !config_find_key(section, child->key)) {
            return refuse_key(path, child, section);
        }
    }
    return yaml_complain(path, node, "it has no %s; give it %s.", key->name,
                         key->what);
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
            return miss_key(path, map, node, section, key);
        }
    }
    return NULL;
}

static char *
check_section(const char *path, const struct yaml_node *node)
{
    const struct config_section *section = config_find_section(node->key);

    if (!section || section->is_nested) {
        char *sections = list_sections();
        char *meant = meant_section(node->key);
        char *sentence = yaml_complain(path, node, "there is no such section"
                                       "%s; there are %s.", meant, sections);
        free(meant);
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

/* What a node is in the table. */
enum role {
    ROLE_ROOT,
    ROLE_SECTION,               /* A mapping or list below the root. */
    ROLE_ITEM,                  /* An entry of a list, with keys. */
    ROLE_KEY,
    ROLE_ELEMENT,               /* An entry of a key that is a list. */
};

/* Returns the role of 'node', whose ancestors were checked, and in
 * '*ret_section' and '*ret_key' what it is of: a section from ROLE_SECTION on,
 * a key in ROLE_ELEMENT. */
static enum role
find_role(const struct yaml_node *node,
          const struct config_section **ret_section,
          const struct config_key **ret_key)
{
    if (!node->depth) {
        return ROLE_ROOT;
    }
    switch (find_role(node->parent, ret_section, ret_key)) {
    case ROLE_ROOT:
        *ret_section = config_find_section(node->key);
        return ROLE_SECTION;
    case ROLE_SECTION:
        return (*ret_section)->is_list ? ROLE_ITEM : ROLE_KEY;
    case ROLE_ITEM:
        return ROLE_KEY;
    case ROLE_KEY:
        *ret_key = config_find_key(*ret_section, node->parent->key);
        if ((*ret_key)->type == CONFIG_TYPE_LIST) {
            *ret_section = config_find_section((*ret_key)->name);
            return ROLE_ITEM;
        }
        return ROLE_ELEMENT;
    case ROLE_ELEMENT:          /* check_scalar() let none through. */
    default:
        OVS_NOT_REACHED();
    }
}

static char *
check_node(const char *path, const struct yaml_map *map,
           const struct yaml_node *node)
{
    const struct config_section *section = NULL;
    const struct config_key *key = NULL;

    switch (find_role(node, &section, &key)) {
    case ROLE_ROOT:
        return (node->kind == YAML_KIND_MAPPING ? NULL
                : yaml_complain(path, node, "the file is not a mapping; begin "
                                "it with a section such as \"tenants:\"."));
    case ROLE_SECTION:
        return check_section(path, node);
    case ROLE_ITEM:
        return check_item(path, map, node, section);
    case ROLE_KEY:
        return check_key(path, node, section);
    case ROLE_ELEMENT:
        return check_scalar(path, node, key);
    default:
        OVS_NOT_REACHED();
    }
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

/* Numbers and addresses are compared by value. */
char *
config_check_unique(const char *path, const struct yaml_map *map,
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
    char *sentence = config_check_unique(path, map, "tenants",
                                         config->tenants_count, "id");
    return (sentence ? sentence
            : config_check_unique(path, map, "tenants",
                                  config->tenants_count, "name"));
}

static char *
check_hosts(const char *path, const struct yaml_map *map,
            const struct config *config)
{
    if (config->hosts_count > CONFIG_MAX_HOSTS) {
        return yaml_complain(path, yaml_map_find(map, "hosts"),
                             "there are %u hosts; give at most %d.",
                             config->hosts_count, CONFIG_MAX_HOSTS);
    }
    char *sentence = config_check_unique(path, map, "hosts",
                                         config->hosts_count, "name");
    if (!sentence) {
        sentence = config_check_unique(path, map, "hosts",
                                       config->hosts_count, "vtep");
    }
    for (size_t i = 0; i < config->hosts_count && !sentence; i++) {
        const struct config_host *host = &config->hosts[i];
        const struct yaml_node *key_file = yaml_map_find(
            map, "hosts[%"PRIuSIZE"].public-key-file", i);
        if (key_file && !config->context.host_listen) {
            sentence = yaml_complain(path, key_file, "there is no "
                                     "context.host-listen where the host "
                                     "could report; give one, or leave this "
                                     "out.");
        }
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
check_managers(const char *path, const struct yaml_map *map,
               const struct config *config)
{
    if (config->managers_count > CONFIG_MAX_MANAGERS) {
        return yaml_complain(path, yaml_map_find(map, "managers"),
                             "there are %u managers; give at most %d.",
                             config->managers_count, CONFIG_MAX_MANAGERS);
    }
    for (size_t i = 0; i < config->managers_count; i++) {
        char *sentence = config_check_type(
            path, map, yaml_map_find(map, "managers[%"PRIuSIZE"]", i),
            config_find_section("managers"), config->managers[i].kind);
        if (sentence) {
            return sentence;
        }

        const char *digest = config->managers[i].certificate_sha256;

        if (digest && (strlen(digest) != 64
                       || strspn(digest, "0123456789abcdefABCDEF") != 64)) {
            return yaml_complain(
                path, yaml_map_find(map, "managers[%"PRIuSIZE
                                    "].certificate-sha256", i),
                "it is not 64 hexadecimal digits; write what \"openssl x509 "
                "-fingerprint -sha256\" says, without the colons.");
        }
    }
    return config_check_unique(path, map, "managers", config->managers_count,
                               "name");
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

static char *
check_tunnel(const char *path, const struct yaml_map *map,
             const struct config *config)
{
    struct in6_addr addr;

    if (config_uses_memif(config)
        && config_parse_address(config->tunnel.listen, &addr)
        && (IN6_IS_ADDR_UNSPECIFIED(&addr)
            || (IN6_IS_ADDR_V4MAPPED(&addr) && !addr.s6_addr32[3]))) {
        return yaml_complain(path, yaml_map_find(map, "tunnel.rx"),
                             "with memif, nobody but sluice-intake has an "
                             "address; give it one by tunnel.listen.");
    }
    return NULL;
}

char *
config_check_relations(const char *path, const struct yaml_map *map,
                       const struct config *config)
{
    char *sentence = check_tunnel(path, map, config);

    if (!sentence) {
        sentence = check_tenants(path, map, config);
    }
    if (!sentence) {
        sentence = check_hosts(path, map, config);
    }
    if (!sentence) {
        sentence = check_managers(path, map, config);
    }
    if (!sentence) {
        sentence = config_check_context(path, map, config);
    }
    if (!sentence) {
        sentence = config_check_rules(path, map, config);
    }
    if (!sentence) {
        sentence = config_check_routes(path, map, config);
    }
    return sentence ? sentence : check_paths(path, map, config);
}
