/* SPDX-License-Identifier: Apache-2.0
 *
 * The static context file.  See static-context.h. */
#include <config.h>

#include "static-context.h"

#include <cyaml/cyaml.h>
#include <ctype.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "proxy-config-keys.h"
#include "proxy-config.h"
#include "nearest.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/shash.h"
#include "packets.h"
#include "syslog-msg.h"
#include "util.h"
#include "uuid-bytes.h"
#include "yaml-map.h"

enum {
    /* A VM with every key and ten values has some 25. */
    MAX_NODES = STATIC_MAX_VMS * 40,
    MAX_TENANT = 0xffffff,
};

/* Every key of a VM: KEY(field, key, type).  What is a TEXT or a PERCENT goes
 * into the VM's context as it is, in this order. */
#define VM_KEYS \
    KEY(uuid, "uuid", UUID) \
    KEY(macs, "macs", MACS) \
    KEY(ips, "ips", IPS) \
    KEY(name, "name", NAME) \
    KEY(port, "port", PORT) \
    KEY(tenant, "tenant", TENANT) \
    KEY(guest_os, "guest-os", TEXT) \
    KEY(host, "host", TEXT) \
    KEY(cluster, "cluster", TEXT) \
    KEY(owner, "owner", TEXT) \
    KEY(cpu_percent, "cpu-percent", PERCENT) \
    KEY(memory_percent, "memory-percent", PERCENT) \
    KEY(values, "values", VALUES)

/* What 'values' may not name besides the keys above: these say things of our
 * own in the structured data that a tenant sees. */
static const char *const reserved_names[] = {
    "context-stale",
#define RFC5424_PARAM(SYMBOL, NAME, TEXT) NAME,
#include "rfc5424-params.def"
#undef RFC5424_PARAM
};

enum key_type {
    KEY_UUID,
    KEY_MACS,
    KEY_IPS,
    KEY_NAME,
    KEY_PORT,
    KEY_TENANT,
    KEY_TEXT,
    KEY_PERCENT,
    KEY_VALUES,
};

static const struct vm_key {
    const char *name;
    enum key_type type;
} vm_keys[] = {
#define KEY(FIELD, NAME, TYPE) { NAME, KEY_##TYPE },
    VM_KEYS
#undef KEY
};

/* A VM as libcyaml loads it.  'values', whose keys no schema knows, come from
 * the map. */
struct raw_vm {
    char *uuid;
    char **macs;
    unsigned int macs_count;
    char **ips;
    unsigned int ips_count;
    char *name;
    char *port;
    uint32_t tenant;
    char *guest_os;
    char *host;
    char *cluster;
    char *owner;
    char *cpu_percent;
    char *memory_percent;
};

struct raw_file {
    struct raw_vm *vms;
    unsigned int vms_count;
};

static const cyaml_schema_value_t string_schema = {
    CYAML_VALUE_STRING(CYAML_FLAG_POINTER, char, 0, CYAML_UNLIMITED)
};

#define SCHEMA_TEXT(FIELD, NAME) \
    CYAML_FIELD_STRING_PTR(NAME, CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, \
                           struct raw_vm, FIELD, 0, CYAML_UNLIMITED),
#define SCHEMA_UUID SCHEMA_TEXT
#define SCHEMA_NAME SCHEMA_TEXT
#define SCHEMA_PORT SCHEMA_TEXT
#define SCHEMA_PERCENT SCHEMA_TEXT
#define SCHEMA_TENANT(FIELD, NAME) \
    CYAML_FIELD_UINT(NAME, CYAML_FLAG_OPTIONAL, struct raw_vm, FIELD),
#define SCHEMA_MACS(FIELD, NAME) \
    CYAML_FIELD_SEQUENCE(NAME, CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, \
                         struct raw_vm, FIELD, &string_schema, 0, \
                         CYAML_UNLIMITED),
#define SCHEMA_IPS SCHEMA_MACS
#define SCHEMA_VALUES(FIELD, NAME) \
    CYAML_FIELD_IGNORE(NAME, CYAML_FLAG_OPTIONAL),

static const cyaml_schema_field_t vm_fields[] = {
#define KEY(FIELD, NAME, TYPE) SCHEMA_##TYPE(FIELD, NAME)
    VM_KEYS
#undef KEY
    CYAML_FIELD_END
};

static const cyaml_schema_value_t vm_schema = {
    CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct raw_vm, vm_fields)
};

static const cyaml_schema_field_t file_fields[] = {
    CYAML_FIELD_SEQUENCE("vms", CYAML_FLAG_POINTER, struct raw_file, vms,
                         &vm_schema, 0, CYAML_UNLIMITED),
    CYAML_FIELD_END
};

static const cyaml_schema_value_t file_schema = {
    CYAML_VALUE_MAPPING(CYAML_FLAG_POINTER, struct raw_file, file_fields)
};

/* Checks. */

struct checker {
    const char *path;
    const struct yaml_map *map;
    struct shash owners;        /* UUIDs and MACs, in lower case, to the node
                                 * that has them. */
};

static const struct vm_key *
find_key(const char *name)
{
    for (size_t i = 0; i < ARRAY_SIZE(vm_keys); i++) {
        if (!strcmp(vm_keys[i].name, name)) {
            return &vm_keys[i];
        }
    }
    return NULL;
}

static char *
list_keys(void)
{
    struct ds s = DS_EMPTY_INITIALIZER;

    for (size_t i = 0; i < ARRAY_SIZE(vm_keys); i++) {
        ds_put_format(&s, "%s%s", i ? ", " : "", vm_keys[i].name);
    }
    return ds_steal_cstr(&s);
}

/* Refuses a UUID or MAC that another VM has, or this one twice. */
static char *
check_owner(struct checker *c, const struct yaml_node *node)
{
    char *id = xstrdup(node->value);
    for (char *p = id; *p; p++) {
        *p = tolower((unsigned char) *p);
    }
    const struct yaml_node *other = shash_find_data(&c->owners, id);
    char *sentence = NULL;

    if (other) {
        sentence = yaml_complain(c->path, node,
                                 "%s is %s on line %u as well; give each VM "
                                 "its own.", id, other->path, other->line);
    } else {
        shash_add(&c->owners, id, node);
    }
    free(id);
    return sentence;
}

static bool
parse_uuid(const char *s, uint8_t ret[16])
{
    return uuid_bytes_parse(s, ret) && !is_all_zeros(ret, UUID_BYTES);
}

/* Accepts what can be the source of a frame. */
static bool
parse_mac(const char *s, uint8_t ret[6])
{
    struct eth_addr mac;

    /* One way to write each, since MACs are compared as they are written. */
    for (size_t i = 0; i < 17; i++) {
        if (i % 3 == 2 ? s[i] != ':' : !isxdigit((unsigned char) s[i])) {
            return false;
        }
    }
    if (s[17] || !eth_addr_from_string(s, &mac)
        || eth_addr_is_zero(mac) || eth_addr_is_multicast(mac)) {
        return false;
    }
    memcpy(ret, mac.ea, sizeof mac.ea);
    return true;
}

/* 0 to 100, with up to three decimals.  It is passed on as it is written. */
static bool
is_percent(const char *s)
{
    size_t n = strspn(s, "0123456789");
    size_t decimals = s[n] == '.' ? strspn(s + n + 1, "0123456789") : 0;
    const char *end = s + n + (s[n] == '.' ? 1 + decimals : 0);

    if (!n || n > 3 || *end || decimals > 3 || (s[n] == '.' && !decimals)
        || (n > 1 && s[0] == '0')) {
        return false;
    }
    return n < 3 || (!strncmp(s, "100", 3)
                     && (!decimals || strspn(s + 4, "0") == decimals));
}

/* Letters, digits and what else names of interfaces are made of, nothing of
 * which means anything to a shell. */
static bool
is_port(const char *s)
{
    static const char allowed[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
        "0123456789.:@_+-";

    return s[0] != '-' && strspn(s, allowed) == strlen(s);
}

static bool
is_reserved(const char *name)
{
    for (size_t i = 0; i < ARRAY_SIZE(reserved_names); i++) {
        if (!strcmp(reserved_names[i], name)) {
            return true;
        }
    }
    return find_key(name) != NULL;
}

/* Checks that 'node' is a single value of 1 to 'max' bytes. */
static char *
check_length(const struct checker *c, const struct yaml_node *node,
             unsigned int max)
{
    if (node->kind != YAML_KIND_SCALAR) {
        return yaml_complain(c->path, node, "it is not a single value; give "
                             "it one.");
    } else if (!node->value[0]) {
        return yaml_complain(c->path, node, "it is empty; give it a value or "
                             "leave it out.");
    } else if (strlen(node->value) > max) {
        return yaml_complain(c->path, node, "it is longer than %u bytes; give "
                             "a shorter one.", max);
    }
    return NULL;
}

/* Accepts the address of one machine; IPv4 as ::ffff:a.b.c.d. */
static bool
parse_ip(const char *s, uint8_t ret[16])
{
    struct in6_addr addr;

    if (!config_parse_address(s, &addr) || IN6_IS_ADDR_UNSPECIFIED(&addr)
        || IN6_IS_ADDR_MULTICAST(&addr)
        || (IN6_IS_ADDR_V4MAPPED(&addr)
            && (!addr.s6_addr[12] || addr.s6_addr[12] >= 224))) {
        return false;
    }
    memcpy(ret, &addr, sizeof addr);
    return true;
}

/* Checks a value that must look like something. */
static char *
check_format(struct checker *c, const struct yaml_node *node,
             enum key_type type)
{
    const char *what = NULL;
    uint8_t bytes[16];
    uint32_t tenant;

    char *sentence = check_length(c, node, STATIC_MAX_VALUE);
    if (sentence) {
        return sentence;
    }
    if (type == KEY_UUID && !parse_uuid(node->value, bytes)) {
        what = "a UUID; write it as "
               "\"12345678-9abc-4def-8123-456789abcdef\", not all zeros";
    } else if (type == KEY_MACS && !parse_mac(node->value, bytes)) {
        what = "the MAC address of one machine; write it as "
               "\"52:54:00:12:34:56\"";
    } else if (type == KEY_IPS && !parse_ip(node->value, bytes)) {
        what = "the IP address of one machine; write it as \"192.0.2.1\" or "
               "\"2001:db8::1\"";
    } else if (type == KEY_PERCENT && !is_percent(node->value)) {
        what = "a percentage; give a number from 0 to 100 with at most 3 "
               "decimals";
    } else if (type == KEY_PORT && !is_port(node->value)) {
        what = "the name of an interface; use letters, digits and any of "
               "\".:@_+-\"";
    } else if (type == KEY_TENANT
               && (!config_parse_uint(node->value, &tenant)
                   || !tenant || tenant > MAX_TENANT)) {
        what = "a tenant; give a number from 1 to 16777215";
    }
    if (what) {
        return yaml_complain(c->path, node, "%.100s is not %s.", node->value,
                             what);
    }
    return type == KEY_UUID || type == KEY_MACS ? check_owner(c, node) : NULL;
}

static char *
refuse_key(const struct checker *c, const struct yaml_node *node)
{
    struct nearest n;

    nearest_init(&n, node->key);
    for (size_t i = 0; i < ARRAY_SIZE(vm_keys); i++) {
        nearest_try(&n, vm_keys[i].name);
    }
    char *keys = list_keys();
    char *meant = nearest_say(&n);
    char *sentence = yaml_complain(c->path, node, "there is no such key%s; a "
                                   "VM takes %s, and under values any other.",
                                   meant, keys);
    free(meant);
    free(keys);
    return sentence;
}

/* Checks what a VM has under one of its keys. */
static char *
check_member(struct checker *c, const struct yaml_node *node)
{
    const struct vm_key *key = find_key(node->key);

    if (!key) {
        return refuse_key(c, node);
    }
    switch (key->type) {
    case KEY_MACS:
        return (node->kind == YAML_KIND_SEQUENCE ? NULL
                : yaml_complain(c->path, node, "it is not a list; write it as "
                                "[ \"52:54:00:12:34:56\" ]."));
    case KEY_IPS:
        return (node->kind == YAML_KIND_SEQUENCE ? NULL
                : yaml_complain(c->path, node, "it is not a list; write it as "
                                "[ \"192.0.2.1\" ]."));
    case KEY_VALUES:
        return (node->kind == YAML_KIND_MAPPING ? NULL
                : yaml_complain(c->path, node, "it is not a mapping; write it "
                                "as { key: value }."));
    case KEY_NAME:
        return check_length(c, node, STATIC_MAX_NAME);
    case KEY_TEXT:
        return check_length(c, node, STATIC_MAX_VALUE);
    case KEY_PORT: {
        char *sentence = check_length(c, node, STATIC_MAX_PORT);
        return sentence ? sentence : check_format(c, node, key->type);
    }
    case KEY_UUID:
    case KEY_TENANT:
    case KEY_PERCENT:
    default:
        return check_format(c, node, key->type);
    }
}

/* Checks an item of 'macs', 'ips' or 'values'. */
static char *
check_item(struct checker *c, const struct yaml_node *node)
{
    const struct yaml_node *list = node->parent;
    enum key_type type = find_key(list->key)->type;
    unsigned int max = (type == KEY_MACS ? STATIC_MAX_MACS
                        : type == KEY_IPS ? STATIC_MAX_IPS
                        : STATIC_MAX_VALUES);

    if (list->n_children > max) {
        return yaml_complain(c->path, list, "there are %u; give at most %u.",
                             list->n_children, max);
    } else if (!node->key) {
        return check_format(c, node, type);
    } else if (!syslog_is_sd_name(slice_from_string(node->key))) {
        return yaml_complain(c->path, node, "the key can't name structured "
                             "data; use 1 to %d ASCII characters other than "
                             "space, '=', ']', '\"' and backslash.",
                             SYSLOG_MAX_SD_NAME);
    } else if (is_reserved(node->key)) {
        return yaml_complain(c->path, node, "the key names something that "
                             "Sluice says itself; choose another.");
    }
    return check_length(c, node, STATIC_MAX_VALUE);
}

/* Says that nothing identifies the VM at 'node'; but if that has a key that
 * does not exist, which may be meant to, says that. */
static char *
miss_identity(const struct checker *c, const struct yaml_node *node)
{
    for (size_t i = 0; i < yaml_map_n(c->map); i++) {
        const struct yaml_node *child = yaml_map_at(c->map, i);

        if (child->parent == node && child->key && !find_key(child->key)) {
            return refuse_key(c, child);
        }
    }
    return yaml_complain(c->path, node, "there is neither a uuid nor a "
                         "MAC; give the VM one of them at least.");
}

/* Checks that something identifies VM number 'vm'. */
static char *
check_vm(const struct checker *c, const struct yaml_node *node,
         unsigned int vm)
{
    const struct yaml_node *macs = yaml_map_find(c->map, "vms[%u].macs", vm);

    if (node->kind != YAML_KIND_MAPPING
        || (!(macs && macs->n_children)
            && !yaml_map_find(c->map, "vms[%u].uuid", vm))) {
        return miss_identity(c, node);
    }

    const struct yaml_node *ips = yaml_map_find(c->map, "vms[%u].ips", vm);
    if (ips && !yaml_map_find(c->map, "vms[%u].tenant", vm)) {
        return yaml_complain(c->path, ips, "lines find a VM by IP address "
                             "within its tenant only; give it its tenant.");
    }
    return NULL;
}

static char *
check_list(const struct checker *c, const struct yaml_node *node)
{
    if (strcmp(node->key, "vms")) {
        return yaml_complain(c->path, node, "there is no such key; the file "
                             "takes vms.");
    } else if (node->kind != YAML_KIND_SEQUENCE) {
        return yaml_complain(c->path, node, "it is not a list; begin each VM "
                             "with \"- \", or write [] if there is none.");
    } else if (node->n_children > STATIC_MAX_VMS) {
        return yaml_complain(c->path, node, "there are %u VMs; give at most "
                             "%d.", node->n_children, STATIC_MAX_VMS);
    }
    return NULL;
}

static char *
check_file(struct checker *c)
{
    unsigned int vm = 0;
    char *sentence = NULL;

    if (!yaml_map_find(c->map, "vms")) {
        /* Not taken for "no VMs": an editor may be about to write it. */
        return yaml_complain(c->path, NULL, "the file has no list \"vms\"; "
                             "write \"vms: []\" if there is no VM.");
    }
    for (size_t i = 0; i < yaml_map_n(c->map) && !sentence; i++) {
        const struct yaml_node *node = yaml_map_at(c->map, i);

        switch (node->depth) {
        case 0:
            break;
        case 1:
            sentence = check_list(c, node);
            break;
        case 2:
            sentence = check_vm(c, node, vm++);
            break;
        case 3:
            sentence = check_member(c, node);
            break;
        default:
            /* What is deeper has a parent that was refused. */
            sentence = check_item(c, node);
            break;
        }
    }
    return sentence;
}

/* Conversion, of what was checked. */

static void
add_value(struct static_vm *vm, const char *key, const char *value)
{
    if (value) {
        vm->values[vm->n_values++] = (struct static_value) {
            .key = xstrdup(key), .value = xstrdup(value)
        };
    }
}

static void
convert_vm(const struct raw_vm *raw, size_t n_values, struct static_vm *vm)
{
    vm->has_uuid = raw->uuid && parse_uuid(raw->uuid, vm->uuid);
    vm->macs = xmalloc(raw->macs_count * sizeof *vm->macs);
    for (size_t i = 0; i < raw->macs_count; i++) {
        vm->n_macs += parse_mac(raw->macs[i], vm->macs[i]);
    }
    vm->ips = xmalloc(raw->ips_count * sizeof *vm->ips);
    for (size_t i = 0; i < raw->ips_count; i++) {
        vm->n_ips += parse_ip(raw->ips[i], vm->ips[i]);
    }
    vm->name = nullable_xstrdup(raw->name);
    vm->port = nullable_xstrdup(raw->port);
    vm->tenant = raw->tenant;

    vm->values = xmalloc((ARRAY_SIZE(vm_keys) + n_values)
                         * sizeof *vm->values);
#define ADD_UUID(FIELD, NAME)
#define ADD_MACS(FIELD, NAME)
#define ADD_IPS(FIELD, NAME)
#define ADD_NAME(FIELD, NAME)
#define ADD_PORT(FIELD, NAME)
#define ADD_TENANT(FIELD, NAME)
#define ADD_TEXT(FIELD, NAME) add_value(vm, NAME, raw->FIELD);
#define ADD_PERCENT ADD_TEXT
#define ADD_VALUES(FIELD, NAME)
#define KEY(FIELD, NAME, TYPE) ADD_##TYPE(FIELD, NAME)
    VM_KEYS
#undef KEY
}

static struct static_context *
convert(const struct raw_file *raw, const struct yaml_map *map)
{
    struct static_context *context = xzalloc(sizeof *context);
    struct static_vm *vm = NULL;

    context->n_vms = raw->vms_count;
    context->vms = xcalloc(raw->vms_count, sizeof *context->vms);
    for (size_t i = 0; i < context->n_vms; i++) {
        const struct yaml_node *values
            = yaml_map_find(map, "vms[%"PRIuSIZE"].values", i);
        convert_vm(&raw->vms[i], values ? values->n_children : 0,
                   &context->vms[i]);
    }
    for (size_t i = 0; i < yaml_map_n(map); i++) {
        const struct yaml_node *node = yaml_map_at(map, i);
        if (node->depth == 2) {
            vm = vm ? vm + 1 : context->vms;
        } else if (node->depth == 4 && node->key) {
            add_value(vm, node->key, node->value);
        }
    }
    return context;
}

char *
static_context_parse(const char *path, const char *text, size_t size,
                     struct static_context **ret)
{
    struct yaml_map *map = NULL;
    struct yaml_problem problem;
    void *raw = NULL;

    if (!yaml_map_create(text, size, MAX_NODES, &map, &problem)) {
        return yaml_complain_problem(path, &problem);
    }
    struct checker checker = { .path = path, .map = map };
    shash_init(&checker.owners);

    char *sentence = check_file(&checker);
    if (!sentence) {
        sentence = schema_load(path, text, size, &file_schema, &raw);
    }
    if (!sentence) {
        *ret = convert(raw, map);
        schema_unload(&file_schema, raw);
    }
    shash_destroy(&checker.owners);
    yaml_map_destroy(map);
    return sentence;
}

char *
static_context_load(const char *path, struct static_context **ret)
{
    char *text;
    size_t size;
    char *sentence = yaml_read_file(path, STATIC_MAX_FILE_SIZE, &text, &size);

    if (!sentence) {
        sentence = static_context_parse(path, text, size, ret);
        free(text);
    }
    return sentence;
}

void
static_context_destroy(struct static_context *context)
{
    if (!context) {
        return;
    }
    for (size_t i = 0; i < context->n_vms; i++) {
        struct static_vm *vm = &context->vms[i];

        for (size_t j = 0; j < vm->n_values; j++) {
            free(vm->values[j].key);
            free(vm->values[j].value);
        }
        free(vm->values);
        free(vm->macs);
        free(vm->ips);
        free(vm->name);
        free(vm->port);
    }
    free(context->vms);
    free(context);
}
