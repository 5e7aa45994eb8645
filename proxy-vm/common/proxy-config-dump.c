/* SPDX-License-Identifier: Apache-2.0
 *
 * Writes a configuration out in full, defaults included.  See
 * proxy-config.h. */
#include <config.h>

#include <inttypes.h>
#include <string.h>

#include "openvswitch/dynamic-string.h"
#include "openvswitch/json.h"
#include "proxy-config-keys.h"
#include "proxy-config.h"
#include "util.h"

static void dump_list(const struct config_section *, const char *member,
                      const char *count, int indent, struct ds *out);

static void
dump_string(const struct config_key *key, const char *s, struct ds *out)
{
    /* Others may be what YAML takes for no string, as "no" is. */
    if (key->type == CONFIG_TYPE_CHOICE || key->type == CONFIG_TYPE_ACTION
        || key->type == CONFIG_TYPE_SCOPE) {
        ds_put_cstr(out, s);
    } else {
        json_string_escape(s, out);     /* Which YAML understands. */
    }
}

static void
dump_number(const struct config_key *key, uint32_t value, struct ds *out)
{
    ds_put_format(out, key->preset && !strncmp(key->preset, "0x", 2)
                  ? "0x%"PRIx32 : "%"PRIu32, value);
}

static void
begin_key(const struct config_key *key, int indent, struct ds *out)
{
    ds_put_char_multiple(out, ' ', indent);
    ds_put_format(out, "%s: ", key->name);
}

static void
dump_numbers(const struct config_key *key, const uint32_t *values,
             unsigned int n, struct ds *out)
{
    ds_put_char(out, '[');
    for (unsigned int i = 0; i < n; i++) {
        ds_put_cstr(out, i ? ", " : "");
        dump_number(key, values[i], out);
    }
    ds_put_char(out, ']');
}

/* Writes the key of 'mapping', if it has a value. */
static void
dump_key(const struct config_key *key, const char *mapping, int indent,
         struct ds *out)
{
    const char *member = mapping + key->offset;
    const char *count = mapping + key->count_offset;

    if (key->type == CONFIG_TYPE_LIST) {
        if (*(const unsigned int *) count) {
            begin_key(key, indent, out);
            ds_chomp(out, ' ');
            ds_put_char(out, '\n');
            dump_list(config_find_section(key->name), member, count, indent,
                      out);
        }
        return;
    } else if (key->type == CONFIG_TYPE_UINTS) {
        if (*(const unsigned int *) count) {
            begin_key(key, indent, out);
            dump_numbers(key, *(uint32_t *const *) member,
                         *(const unsigned int *) count, out);
            ds_put_char(out, '\n');
        }
        return;
    } else if (key->type == CONFIG_TYPE_UINT) {
        uint32_t value = (key->size == sizeof(uint16_t)
                          ? *(const uint16_t *) member
                          : *(const uint32_t *) member);
        if (value < key->min) {
            return;             /* It is not there. */
        }
        begin_key(key, indent, out);
        dump_number(key, value, out);
    } else if (*(char *const *) member) {
        begin_key(key, indent, out);
        dump_string(key, *(char *const *) member, out);
    } else {
        return;
    }
    ds_put_char(out, '\n');
}

/* Returns true if 'key' of 'mapping' can't be there: it has a default that
 * entries of this type have no use for, or 'destinations' says it. */
static bool
is_left_out(const struct config_section *section, const char *mapping,
            const struct config_key *key)
{
    const char *type_key = config_type_key_of(section);

    if (!strcmp(section->name, "tenants")) {
        return !strcmp(key->name, "server");
    } else if (type_key) {
        const struct config_key *k = config_find_key(section, type_key);
        const char *type = *ALIGNED_CAST(char *const *, mapping + k->offset);
        return !key->required && !config_find_type_key(type, key->name);
    }
    return false;
}

void
config_dump_key(const struct config_section *section,
                const struct config_key *key, const char *mapping,
                struct ds *out)
{
    if (!is_left_out(section, mapping, key)) {
        dump_key(key, mapping, 0, out);
    }
}

static void
dump_mapping(const struct config_section *section, const char *mapping,
             int indent, struct ds *out)
{
    for (size_t i = 0; i < section->n_keys; i++) {
        const struct config_key *key = &section->keys[i];

        if (!is_left_out(section, mapping, key)) {
            dump_key(key, mapping, indent, out);
        }
    }
}

static void
dump_list(const struct config_section *section, const char *member,
          const char *count, int indent, struct ds *out)
{
    const char *items = *(char *const *) member;

    for (unsigned int i = 0; i < *(const unsigned int *) count; i++) {
        size_t start = out->length;

        dump_mapping(section, items + i * section->item_size, indent + 2,
                     out);
        out->string[start + indent] = '-';
    }
}

void
config_dump(const struct config *config, struct ds *out)
{
    const char *root = (const char *) config;

    for (size_t i = 0; i < CONFIG_N_SECTIONS; i++) {
        const struct config_section *section = &config_sections[i];

        if (section->is_nested
            || (section->is_list
                && !*(const unsigned int *) (root + section->count_offset))) {
            continue;
        }
        ds_put_format(out, "%s:\n", section->name);
        if (section->is_list) {
            dump_list(section, root + section->offset,
                      root + section->count_offset, 0, out);
        } else {
            size_t start = out->length;

            dump_mapping(section, root + section->offset, 2, out);
            if (out->length == start) {
                ds_truncate(out, start - strlen(section->name) - 2);
            }
        }
    }
}
