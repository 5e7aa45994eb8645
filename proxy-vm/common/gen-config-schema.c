/* SPDX-License-Identifier: Apache-2.0
 *
 * Writes a JSON schema of sluice.yaml (draft 7, which editors' YAML servers
 * know) from the table of keys: what can be said of a key by itself, and which
 * keys a type of destination takes.
 *
 * Runs in: the build. */
#include <config.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "openvswitch/json.h"
#include "proxy-config-keys.h"
#include "rules.h"

static struct json *section_schema(const struct config_section *);

static void
put_string(struct json *object, const char *name, const char *value)
{
    json_object_put_string(object, name, value);
}

static void
put_integer(struct json *object, const char *name, long long int value)
{
    json_object_put(object, name, json_integer_create(value));
}

static void
put_number_bounds(struct json *schema, const struct config_key *key)
{
    put_string(schema, "type", "integer");
    put_integer(schema, "minimum", key->min);
    put_integer(schema, "maximum", key->max);
}

static void
put_choices(struct json *schema, const struct config_key *key)
{
    struct json *values = json_array_create_empty();

    for (size_t i = 0; i < CONFIG_N_CHOICES; i++) {
        if (!strcmp(config_choices[i].key, key->name)) {
            json_array_add(values,
                           json_string_create(config_choices[i].value));
        }
    }
    json_object_put(schema, "enum", values);
}

static void
put_actions(struct json *schema)
{
    struct json *values = json_array_create_empty();

    for (int i = 0; i < N_RULE_ACTIONS; i++) {
        json_array_add(values, json_string_create(rule_action_name(i)));
    }
    json_object_put(schema, "enum", values);
}

static void
put_default(struct json *schema, const struct config_key *key)
{
    if (key->preset) {
        json_object_put(schema, "default",
                        key->type == CONFIG_TYPE_UINT
                        ? json_integer_create(strtoul(key->preset, NULL, 0))
                        : json_string_create(key->preset));
    }
}

static const struct config_section *
find_section(const char *name)
{
    for (size_t i = 0; i < CONFIG_N_SECTIONS; i++) {
        if (!strcmp(config_sections[i].name, name)) {
            return &config_sections[i];
        }
    }
    abort();
}

static struct json *
key_schema(const struct config_key *key)
{
    struct json *schema;

    if (key->type == CONFIG_TYPE_LIST) {
        schema = section_schema(find_section(key->name));
        put_integer(schema, "minItems", key->min);
        put_integer(schema, "maxItems", key->max);
        return schema;
    }
    schema = json_object_create();
    put_string(schema, "description", key->help);
    put_default(schema, key);
    switch (key->type) {
    case CONFIG_TYPE_UINT:
        put_number_bounds(schema, key);
        return schema;
    case CONFIG_TYPE_UINTS: {
        struct json *item = json_object_create();
        put_number_bounds(item, key);
        put_string(schema, "type", "array");
        json_object_put(schema, "items", item);
        return schema;
    }
    case CONFIG_TYPE_CHOICE:
        put_choices(schema, key);
        break;
    case CONFIG_TYPE_ACTION:
        put_actions(schema);
        break;
    case CONFIG_TYPE_PATH:
        put_string(schema, "pattern", "^/.");
        break;
    case CONFIG_TYPE_NAME:
        put_string(schema, "pattern", "^[A-Za-z0-9._-]+$");
        break;
    case CONFIG_TYPE_SD_ID:
        put_string(schema, "pattern", "^[^@]+@[0-9]+(\\.[0-9]+)*$");
        break;
    case CONFIG_TYPE_SERVER:
        put_string(schema, "pattern", ":[0-9]+$");
        break;
    case CONFIG_TYPE_URI:
        put_string(schema, "pattern",
                   "^[A-Za-z][A-Za-z0-9._+-]*://[!-~]+$");
        break;
    default:
        break;
    }
    put_string(schema, "type", "string");
    put_integer(schema, "maxLength", key->max);
    return schema;
}

/* Of an entry whose 'type_key' is 'type': which keys it takes and which it
 * needs. */
static struct json *
type_schema(const char *type_key, const char *type)
{
    struct json *condition = json_object_create();
    struct json *is_type = json_object_create();
    struct json *properties = json_object_create();
    struct json *names = json_object_create();
    struct json *allowed = json_array_create_empty();
    struct json *required = json_array_create_empty();
    struct json *then = json_object_create();
    struct json *schema = json_object_create();

    put_string(is_type, "const", type);
    json_object_put(properties, type_key, is_type);
    json_object_put(condition, "properties", properties);
    json_array_add(allowed, json_string_create("name"));
    json_array_add(allowed, json_string_create(type_key));
    for (size_t i = 0; i < CONFIG_N_TYPE_KEYS; i++) {
        const struct config_type_key *t = &config_type_keys[i];
        if (!strcmp(t->type, type)) {
            json_array_add(allowed, json_string_create(t->key));
            if (t->required) {
                json_array_add(required, json_string_create(t->key));
            }
        }
    }
    json_object_put(names, "enum", allowed);
    json_object_put(then, "propertyNames", names);
    json_object_put(then, "required", required);
    json_object_put(schema, "if", condition);
    json_object_put(schema, "then", then);
    return schema;
}

static struct json *
type_schemas(const char *type_key)
{
    struct json *all = json_array_create_empty();

    for (size_t i = 0; i < CONFIG_N_CHOICES; i++) {
        if (!strcmp(config_choices[i].key, type_key)) {
            json_array_add(all, type_schema(type_key,
                                            config_choices[i].value));
        }
    }
    return all;
}

/* Of a section's mapping, or of a list of such. */
static struct json *
section_schema(const struct config_section *section)
{
    struct json *mapping = json_object_create();
    struct json *properties = json_object_create();
    struct json *required = json_array_create_empty();

    for (size_t i = 0; i < section->n_keys; i++) {
        const struct config_key *key = &section->keys[i];
        json_object_put(properties, key->name, key_schema(key));
        if (key->required) {
            json_array_add(required, json_string_create(key->name));
        }
    }
    put_string(mapping, "type", "object");
    json_object_put(mapping, "properties", properties);
    json_object_put(mapping, "required", required);
    json_object_put(mapping, "additionalProperties",
                    json_boolean_create(false));
    if (config_type_key_of(section)) {
        json_object_put(mapping, "allOf",
                        type_schemas(config_type_key_of(section)));
    }
    if (!section->is_list) {
        put_string(mapping, "description", section->help);
        return mapping;
    }
    struct json *list = json_object_create();
    put_string(list, "type", "array");
    put_string(list, "description", section->help);
    json_object_put(list, "items", mapping);
    return list;
}

int
main(void)
{
    struct json *schema = json_object_create();
    struct json *properties = json_object_create();
    struct json *required = json_array_create_empty();

    for (size_t i = 0; i < CONFIG_N_SECTIONS; i++) {
        const struct config_section *section = &config_sections[i];
        if (!section->is_nested) {
            json_object_put(properties, section->name,
                            section_schema(section));
        }
    }
    json_array_add(required, json_string_create("tenants"));
    put_string(schema, "$schema", "http://json-schema.org/draft-07/schema#");
    put_string(schema, "title", "The configuration of Sluice's proxy");
    put_string(schema, "description", "See sluice.yaml(5).  sluiced --check "
               "knows more: what keys have to do with each other, and with "
               "files.");
    put_string(schema, "type", "object");
    json_object_put(schema, "properties", properties);
    json_object_put(schema, "required", required);
    json_object_put(schema, "additionalProperties",
                    json_boolean_create(false));

    char *text = json_to_string(schema, JSSF_PRETTY | JSSF_SORT);
    puts(text);
    free(text);
    json_destroy(schema);
    return fflush(stdout) ? 1 : 0;
}
