/* SPDX-License-Identifier: Apache-2.0
 *
 * The configuration: reads the file, loads it with libcyaml against the schema
 * that proxy-config.def gives, fills in defaults.  See proxy-config.h. */
#include <config.h>

#include "proxy-config.h"

#include <cyaml/cyaml.h>
#include <stdlib.h>
#include <string.h>

#include "proxy-config-keys.h"
#include "spool.h"
#include "util.h"
#include "yaml-map.h"

enum {
    MAX_FILE_SIZE = 1024 * 1024,
    MAX_NODES = 65536,
};

/* The schema, as libcyaml wants it. */

#define PRESENCE_OPTIONAL CYAML_FLAG_OPTIONAL
#define PRESENCE_REQUIRED CYAML_FLAG_DEFAULT

#define SCHEMA_UINT(STRUCT, FIELD, KEY, PRESENCE) \
    CYAML_FIELD_UINT(KEY, PRESENCE, STRUCT, FIELD),
#define SCHEMA_UINTS(STRUCT, FIELD, KEY, PRESENCE) \
    CYAML_FIELD_SEQUENCE(KEY, CYAML_FLAG_POINTER | PRESENCE, STRUCT, FIELD, \
                         &uint32_schema, 0, CYAML_UNLIMITED),
#define SCHEMA_STRING(STRUCT, FIELD, KEY, PRESENCE) \
    CYAML_FIELD_STRING_PTR(KEY, CYAML_FLAG_POINTER | PRESENCE, STRUCT, \
                           FIELD, 0, CYAML_UNLIMITED),
#define SCHEMA_ADDRESS SCHEMA_STRING
#define SCHEMA_PATH SCHEMA_STRING
#define SCHEMA_SD_ID SCHEMA_STRING
#define SCHEMA_NAME SCHEMA_STRING
#define SCHEMA_SERVER SCHEMA_STRING
#define SCHEMA_SEVERITIES SCHEMA_STRING
#define SCHEMA_FACILITIES SCHEMA_STRING
#define SCHEMA_NAMES SCHEMA_STRING
#define SCHEMA_PATTERN SCHEMA_STRING
#define SCHEMA_ACTION SCHEMA_STRING
#define SCHEMA_SCOPE SCHEMA_STRING
#define SCHEMA_SERVERS SCHEMA_STRING
#define SCHEMA_URI SCHEMA_STRING
#define SCHEMA_CHOICE SCHEMA_STRING
#define SCHEMA_LIST(STRUCT, FIELD, KEY, PRESENCE) \
    CYAML_FIELD_SEQUENCE(KEY, CYAML_FLAG_POINTER | PRESENCE, STRUCT, FIELD, \
                         &FIELD##_item, 0, CYAML_UNLIMITED),
#define SCHEMA(STRUCT, FIELD, KEY, TYPE, PRESENCE) \
    SCHEMA_##TYPE(STRUCT, FIELD, KEY, PRESENCE_##PRESENCE)

/* Where the length of a list lies, as libcyaml wants it. */
#define COUNT_UINT(STRUCT, FIELD) 0
#define COUNT_UINTS(STRUCT, FIELD) offsetof(STRUCT, FIELD##_count)
#define COUNT_ADDRESS COUNT_UINT
#define COUNT_PATH COUNT_UINT
#define COUNT_SD_ID COUNT_UINT
#define COUNT_NAME COUNT_UINT
#define COUNT_SERVER COUNT_UINT
#define COUNT_SERVERS COUNT_UINT
#define COUNT_URI COUNT_UINT
#define COUNT_SEVERITIES COUNT_UINT
#define COUNT_FACILITIES COUNT_UINT
#define COUNT_NAMES COUNT_UINT
#define COUNT_PATTERN COUNT_UINT
#define COUNT_ACTION COUNT_UINT
#define COUNT_SCOPE COUNT_UINT
#define COUNT_CHOICE COUNT_UINT
#define COUNT_LIST COUNT_UINTS

#define KEY(STRUCT, FIELD, NAME, TYPE, PRESENCE, PRESET, MIN, MAX, WHAT, \
            HELP)                                                           \
    { .name = NAME, .type = CONFIG_TYPE_##TYPE,                             \
      .required = !(PRESENCE_##PRESENCE & CYAML_FLAG_OPTIONAL),             \
      .preset = PRESET, .min = MIN, .max = MAX, .what = WHAT, .help = HELP, \
      .offset = offsetof(STRUCT, FIELD),                                    \
      .size = sizeof ((STRUCT *) NULL)->FIELD,                              \
      .count_offset = COUNT_##TYPE(STRUCT, FIELD) },

static const cyaml_schema_value_t uint32_schema = {
    CYAML_VALUE_UINT(CYAML_FLAG_DEFAULT, uint32_t)
};

/* Of each section: FIELDS for libcyaml, KEYS for our own table. */
#define TUNNEL(F, K, T, P, ...) SCHEMA(struct config_tunnel, F, K, T, P)
static const cyaml_schema_field_t tunnel_fields[] = {
#include "proxy-config.def"
    CYAML_FIELD_END
};
#undef TUNNEL
#define TUNNEL(...) KEY(struct config_tunnel, __VA_ARGS__)
static const struct config_key tunnel_keys[] = {
#include "proxy-config.def"
};
#undef TUNNEL

#define PATHS(F, K, T, P, ...) SCHEMA(struct config_paths, F, K, T, P)
static const cyaml_schema_field_t paths_fields[] = {
#include "proxy-config.def"
    CYAML_FIELD_END
};
#undef PATHS
#define PATHS(...) KEY(struct config_paths, __VA_ARGS__)
static const struct config_key paths_keys[] = {
#include "proxy-config.def"
};
#undef PATHS

#define BATCH(F, K, T, P, ...) SCHEMA(struct config_batch, F, K, T, P)
static const cyaml_schema_field_t batch_fields[] = {
#include "proxy-config.def"
    CYAML_FIELD_END
};
#undef BATCH
#define BATCH(...) KEY(struct config_batch, __VA_ARGS__)
static const struct config_key batch_keys[] = {
#include "proxy-config.def"
};
#undef BATCH

#define REASSEMBLY(F, K, T, P, ...) SCHEMA(struct config_reassembly, F, K, T, P)
static const cyaml_schema_field_t reassembly_fields[] = {
#include "proxy-config.def"
    CYAML_FIELD_END
};
#undef REASSEMBLY
#define REASSEMBLY(...) KEY(struct config_reassembly, __VA_ARGS__)
static const struct config_key reassembly_keys[] = {
#include "proxy-config.def"
};
#undef REASSEMBLY

#define OUTPUT(F, K, T, P, ...) SCHEMA(struct config_output, F, K, T, P)
static const cyaml_schema_field_t output_fields[] = {
#include "proxy-config.def"
    CYAML_FIELD_END
};
#undef OUTPUT
#define OUTPUT(...) KEY(struct config_output, __VA_ARGS__)
static const struct config_key output_keys[] = {
#include "proxy-config.def"
};
#undef OUTPUT

#define INTAKE(F, K, T, P, ...) SCHEMA(struct config_intake, F, K, T, P)
static const cyaml_schema_field_t intake_fields[] = {
#include "proxy-config.def"
    CYAML_FIELD_END
};
#undef INTAKE
#define INTAKE(...) KEY(struct config_intake, __VA_ARGS__)
static const struct config_key intake_keys[] = {
#include "proxy-config.def"
};
#undef INTAKE

#define METRICS(F, K, T, P, ...) SCHEMA(struct config_metrics, F, K, T, P)
static const cyaml_schema_field_t metrics_fields[] = {
#include "proxy-config.def"
    CYAML_FIELD_END
};
#undef METRICS
#define METRICS(...) KEY(struct config_metrics, __VA_ARGS__)
static const struct config_key metrics_keys[] = {
#include "proxy-config.def"
};
#undef METRICS

#define SETS(F, K, T, P, ...) SCHEMA(struct config_context_set, F, K, T, P)
static const cyaml_schema_field_t sets_fields[] = {
#include "proxy-config.def"
    CYAML_FIELD_END
};
#undef SETS
#define SETS(...) KEY(struct config_context_set, __VA_ARGS__)
static const struct config_key sets_keys[] = {
#include "proxy-config.def"
};
#undef SETS

#define POLICY(F, K, T, P, ...) SCHEMA(struct config_context_rule, F, K, T, P)
static const cyaml_schema_field_t policy_fields[] = {
#include "proxy-config.def"
    CYAML_FIELD_END
};
#undef POLICY
#define POLICY(...) KEY(struct config_context_rule, __VA_ARGS__)
static const struct config_key policy_keys[] = {
#include "proxy-config.def"
};
#undef POLICY

static const cyaml_schema_value_t sets_item = {
    CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct config_context_set,
                        sets_fields)
};
static const cyaml_schema_value_t policy_item = {
    CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct config_context_rule,
                        policy_fields)
};

#define CONTEXT(F, K, T, P, ...) SCHEMA(struct config_context, F, K, T, P)
static const cyaml_schema_field_t context_fields[] = {
#include "proxy-config.def"
    CYAML_FIELD_END
};
#undef CONTEXT
#define CONTEXT(...) KEY(struct config_context, __VA_ARGS__)
static const struct config_key context_keys[] = {
#include "proxy-config.def"
};
#undef CONTEXT

#define HOSTS(F, K, T, P, ...) SCHEMA(struct config_host, F, K, T, P)
static const cyaml_schema_field_t hosts_fields[] = {
#include "proxy-config.def"
    CYAML_FIELD_END
};
#undef HOSTS
#define HOSTS(...) KEY(struct config_host, __VA_ARGS__)
static const struct config_key hosts_keys[] = {
#include "proxy-config.def"
};
#undef HOSTS

#define MANAGERS(F, K, T, P, ...) SCHEMA(struct config_manager, F, K, T, P)
static const cyaml_schema_field_t managers_fields[] = {
#include "proxy-config.def"
    CYAML_FIELD_END
};
#undef MANAGERS
#define MANAGERS(...) KEY(struct config_manager, __VA_ARGS__)
static const struct config_key managers_keys[] = {
#include "proxy-config.def"
};
#undef MANAGERS

#define DESTINATIONS(F, K, T, P, ...) \
    SCHEMA(struct config_destination, F, K, T, P)
static const cyaml_schema_field_t destinations_fields[] = {
#include "proxy-config.def"
    CYAML_FIELD_END
};
#undef DESTINATIONS
#define DESTINATIONS(...) KEY(struct config_destination, __VA_ARGS__)
static const struct config_key destinations_keys[] = {
#include "proxy-config.def"
};
#undef DESTINATIONS

static const cyaml_schema_value_t destinations_item = {
    CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct config_destination,
                        destinations_fields)
};

#define TENANTS(F, K, T, P, ...) SCHEMA(struct config_tenant, F, K, T, P)
static const cyaml_schema_field_t tenants_fields[] = {
#include "proxy-config.def"
    CYAML_FIELD_END
};
#undef TENANTS
#define TENANTS(...) KEY(struct config_tenant, __VA_ARGS__)
static const struct config_key tenants_keys[] = {
#include "proxy-config.def"
};
#undef TENANTS

#define RULES(F, K, T, P, ...) SCHEMA(struct config_rule, F, K, T, P)
static const cyaml_schema_field_t rules_fields[] = {
#include "proxy-config.def"
    CYAML_FIELD_END
};
#undef RULES
#define RULES(...) KEY(struct config_rule, __VA_ARGS__)
static const struct config_key rules_keys[] = {
#include "proxy-config.def"
};
#undef RULES

static const cyaml_schema_value_t hosts_item = {
    CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct config_host, hosts_fields)
};
static const cyaml_schema_value_t managers_item = {
    CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct config_manager,
                        managers_fields)
};
static const cyaml_schema_value_t tenants_item = {
    CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct config_tenant,
                        tenants_fields)
};
static const cyaml_schema_value_t rules_item = {
    CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct config_rule, rules_fields)
};

static const cyaml_schema_field_t config_fields[] = {
#define SECTION(NAME, HELP) \
    CYAML_FIELD_MAPPING(#NAME, CYAML_FLAG_OPTIONAL, struct config, NAME, \
                        NAME##_fields),
#define LIST(NAME, HELP) \
    CYAML_FIELD_SEQUENCE(#NAME, CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, \
                         struct config, NAME, &NAME##_item, 0, \
                         CYAML_UNLIMITED),
#include "proxy-config.def"
#undef SECTION
#undef LIST
    CYAML_FIELD_END
};

static const cyaml_schema_value_t config_schema = {
    CYAML_VALUE_MAPPING(CYAML_FLAG_POINTER, struct config, config_fields)
};

#define KEYS__(NAME, HELP) \
    .name = #NAME, .help = HELP, \
    .keys = NAME##_keys, .n_keys = ARRAY_SIZE(NAME##_keys)
#define SECTION(NAME, HELP) \
    { KEYS__(NAME, HELP), .offset = offsetof(struct config, NAME) },
#define LIST(NAME, HELP) \
    { KEYS__(NAME, HELP), .is_list = true, \
      .offset = offsetof(struct config, NAME), \
      .count_offset = offsetof(struct config, NAME##_count), \
      .item_size = sizeof *((struct config *) NULL)->NAME },
#define SUBLIST(PARENT, NAME, HELP) \
    { KEYS__(NAME, HELP), .is_list = true, .is_nested = true, \
      .item_size = sizeof *((struct config_##PARENT *) NULL)->NAME },
const struct config_section config_sections[] = {
#include "proxy-config.def"
};
#undef SECTION
#undef LIST
#undef SUBLIST
BUILD_ASSERT_DECL(ARRAY_SIZE(config_sections) == CONFIG_N_SECTIONS);

#define CHOICE(KEY, VALUE, HELP) { KEY, VALUE, HELP },
const struct config_choice config_choices[] = {
#include "proxy-config.def"
};
#undef CHOICE
BUILD_ASSERT_DECL(ARRAY_SIZE(config_choices) == CONFIG_N_CHOICES);

#define TYPE_KEY(TYPE, KEY, PRESENCE) \
    { TYPE, KEY, !(PRESENCE_##PRESENCE & CYAML_FLAG_OPTIONAL) },
const struct config_type_key config_type_keys[] = {
#include "proxy-config.def"
};
#undef TYPE_KEY
BUILD_ASSERT_DECL(ARRAY_SIZE(config_type_keys) == CONFIG_N_TYPE_KEYS);

/* Loading. */

static void
set_default(void *member, const struct config_key *key)
{
    uint32_t number = 0;

    if (key->type != CONFIG_TYPE_UINT) {
        *(char **) member = xstrdup(key->preset);
    } else if (!config_parse_uint(key->preset, &number)) {
        OVS_NOT_REACHED();
    } else if (key->size == sizeof(uint16_t)) {
        *(uint16_t *) member = number;
    } else {
        *(uint32_t *) member = number;
    }
}

/* Gives the keys that the mapping at 'path' does not have their defaults, and
 * does the same in the lists within it. */
static void
set_defaults_of(const struct config_section *section, const char *path,
                char *data, const struct yaml_map *map)
{
    for (size_t i = 0; i < section->n_keys; i++) {
        const struct config_key *key = &section->keys[i];
        char *key_path = xasprintf("%s.%s", path, key->name);

        if (key->type == CONFIG_TYPE_LIST) {
            const struct config_section *sub = config_find_section(key->name);
            unsigned int n = *(unsigned int *) (data + key->count_offset);
            char *items = *(char **) (data + key->offset);

            for (unsigned int j = 0; j < n; j++) {
                char *item_path = xasprintf("%s[%u]", key_path, j);
                set_defaults_of(sub, item_path, items + j * sub->item_size,
                                map);
                free(item_path);
            }
        } else if (key->preset && !yaml_map_find(map, "%s", key_path)) {
            set_default(data + key->offset, key);
        }
        free(key_path);
    }
}

static void
set_defaults(struct config *config, const struct yaml_map *map)
{
    for (size_t i = 0; i < CONFIG_N_SECTIONS; i++) {
        const struct config_section *section = &config_sections[i];
        char *data = (char *) config + section->offset;

        if (section->is_nested) {
            continue;
        } else if (!section->is_list) {
            set_defaults_of(section, section->name, data, map);
            continue;
        }

        unsigned int n = *(unsigned int *) ((char *) config
                                            + section->count_offset);
        for (unsigned int j = 0; j < n; j++) {
            char *path = xasprintf("%s[%u]", section->name, j);
            set_defaults_of(section, path,
                            *(char **) data + j * section->item_size, map);
            free(path);
        }
    }
}

/* Writes out what "server" is short for. */
static void
expand_servers(struct config *config)
{
    for (size_t i = 0; i < config->tenants_count; i++) {
        struct config_tenant *t = &config->tenants[i];

        if (t->server && !t->destinations_count) {
            free(t->destinations);
            t->destinations = xzalloc(sizeof *t->destinations);
            t->destinations_count = 1;
            t->destinations[0] = (struct config_destination) {
                .name = xstrdup("main"),
                .type = xstrdup("tcp"),
                .server = xstrdup(t->server),
                .format = xstrdup("rfc5424"),
            };
        }
    }
}

/* Gives tenants what they leave open of what all have. */
static void
inherit(struct config *config, const struct yaml_map *map)
{
    for (size_t i = 0; i < config->tenants_count; i++) {
        if (!yaml_map_find(map, "tenants[%"PRIuSIZE"].multi-line", i)) {
            config->tenants[i].multi_line = config->reassembly.multi_line;
        }
    }
}

static int
compare_tenants(const void *a_, const void *b_)
{
    const struct config_tenant *a = a_, *b = b_;

    return a->id < b->id ? -1 : a->id > b->id;
}

static int
compare_hosts(const void *a_, const void *b_)
{
    const struct config_host *a = a_, *b = b_;

    return memcmp(&a->addr, &b->addr, sizeof a->addr);
}

/* Brings the tenants into the order in which they are searched. */
static void
sort_tenants(struct config *config)
{
    if (config->tenants_count) {
        qsort(config->tenants, config->tenants_count, sizeof *config->tenants,
              compare_tenants);
    }
}

static void
sort_hosts(struct config *config)
{
    for (size_t i = 0; i < config->hosts_count; i++) {
        config_parse_address(config->hosts[i].vtep, &config->hosts[i].addr);
    }
    if (config->hosts_count) {
        qsort(config->hosts, config->hosts_count, sizeof *config->hosts,
              compare_hosts);
    }
}

char *
config_parse(const char *path, const char *text, size_t size,
             struct config **ret)
{
    struct yaml_map *map = NULL;
    struct config *config = NULL;
    struct yaml_problem problem;
    char *sentence;

    if (!yaml_map_create(text, size, MAX_NODES, &map, &problem)) {
        return yaml_complain_problem(path, &problem);
    }

    sentence = config_check_keys(path, map);
    if (sentence) {
        goto out;
    }
    void *data;
    sentence = schema_load(path, text, size, &config_schema, &data);
    if (sentence) {
        goto out;
    }
    /* Null: an empty file; the tenants will be missed below. */
    config = data ? data : xzalloc(sizeof *config);
    set_defaults(config, map);
    inherit(config, map);

    /* The check of the hosts searches tenants, but tells of hosts by their
     * places in the file, as that of the destinations tells of tenants. */
    sentence = config_check_destinations(path, map, config);
    if (sentence) {
        goto out;
    }
    sort_tenants(config);
    sentence = config_check_relations(path, map, config);
    if (sentence) {
        goto out;
    }
    expand_servers(config);
    sort_hosts(config);
    *ret = config;
    config = NULL;

out:
    config_destroy(config);
    yaml_map_destroy(map);
    return sentence;
}

char *
config_read_file(const char *path, char **ret, size_t *ret_size)
{
    return yaml_read_file(path, MAX_FILE_SIZE, ret, ret_size);
}

char *
config_load(const char *path, struct config **ret)
{
    char *text;
    size_t size;
    char *sentence = config_read_file(path, &text, &size);

    if (!sentence) {
        sentence = config_parse(path, text, size, ret);
        free(text);
    }
    return sentence;
}

void
config_destroy(struct config *config)
{
    if (config) {
        schema_unload(&config_schema, config);
    }
}

const struct config_tenant *
config_find_tenant(const struct config *config, uint32_t id)
{
    const struct config_tenant target = { .id = id };

    return (!config->tenants_count ? NULL
            : bsearch(&target, config->tenants, config->tenants_count,
                      sizeof target, compare_tenants));
}

bool
config_uses_memif(const struct config *config)
{
    return !strcmp(config->tunnel.rx, "memif");
}

const struct config_host *
config_find_host(const struct config *config, const struct in6_addr *addr)
{
    const struct config_host target = { .addr = *addr };

    return (!config->hosts_count ? NULL
            : bsearch(&target, config->hosts, config->hosts_count,
                      sizeof target, compare_hosts));
}

char *
config_path_control(const struct config *config)
{
    return xasprintf("%s/control.sock", config->paths.run);
}

char *
config_path_running(const struct config *config)
{
    return xasprintf("%s/sluice.yaml", config->paths.run);
}

char *
config_path_intake_run(const struct config *config)
{
    return xasprintf("%s/intake", config->paths.run);
}

char *
config_path_host_keys(const struct config *config)
{
    return xasprintf("%s/host-keys", config->paths.run);
}

char *
config_path_intake_stats(const struct config *config)
{
    return xasprintf("%s/intake/intake.stats", config->paths.run);
}

char *
config_path_ship_stats(const struct config *config, uint32_t tenant,
                       const char *queue)
{
    return xasprintf("%s/ship-%u-%s.stats", config->paths.run, tenant, queue);
}

char *
config_path_context(const struct config *config)
{
    return xasprintf("%s/context", config->paths.state);
}

char *
config_path_snapshot(const struct config *config)
{
    return xasprintf("%s/context/context.snapshot", config->paths.state);
}

char *
config_path_host_channel_key(const struct config *config)
{
    return xasprintf("%s/host-channel.key", config->paths.state);
}

char *
config_path_ledger(const struct config *config)
{
    return xasprintf("%s/ledger", config->paths.state);
}

char *
config_path_secret_key(const struct config *config)
{
    return xasprintf("%s/ship.key", config->paths.state);
}

char *
config_path_public_key(const struct config *config)
{
    return xasprintf("%s/key.pub", config->paths.spool);
}
