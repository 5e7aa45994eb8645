/* SPDX-License-Identifier: Apache-2.0
 *
 * What vCenter says about one object.  See vsphere-update.h. */
#include <config.h>

#include "vsphere-update.h"

#include <stdlib.h>
#include <string.h>

#include "openvswitch/dynamic-string.h"
#include "packets.h"
#include "printable.h"
#include "soap-reply.h"
#include "syslog-msg.h"
#include "util.h"

enum form { TEXT, NAME, REF, NUMBER, DEVICES, VNICS, CUSTOM, FIELDS };

const char *const vsphere_type_names[] = {
#define VSPHERE_TYPE(SYMBOL, NAME, IN_VIEW) NAME,
#include "vsphere-properties.def"
#undef VSPHERE_TYPE
};

const bool vsphere_type_in_view[] = {
#define VSPHERE_TYPE(SYMBOL, NAME, IN_VIEW) IN_VIEW,
#include "vsphere-properties.def"
#undef VSPHERE_TYPE
};

const struct vsphere_property_info vsphere_properties[] = {
#define VSPHERE_PROPERTY(TYPE, SYMBOL, PATH, FORM, HOW) \
    { VSPHERE_##TYPE, PATH, VSPHERE_##HOW },
#include "vsphere-properties.def"
#undef VSPHERE_PROPERTY
};

static const enum form forms[] = {
#define VSPHERE_PROPERTY(TYPE, SYMBOL, PATH, FORM, HOW) FORM,
#include "vsphere-properties.def"
#undef VSPHERE_PROPERTY
};

/* Values. */

void
vsphere_unescape(char *s)
{
    static const struct {
        char escape[4];
        char byte;
    } escapes[] = { { "%2f", '/' }, { "%5c", '\\' }, { "%25", '%' } };
    char *out = s;

    while (*s) {
        char byte = *s;
        size_t n = 1;

        for (size_t i = 0; i < ARRAY_SIZE(escapes); i++) {
            if (!strncasecmp(s, escapes[i].escape, 3)) {
                byte = escapes[i].byte;
                n = 3;
            }
        }
        *out++ = byte;
        s += n;
    }
    *out = '\0';
}

/* The text within 'node', printable. */
static char *
text_of(const xmlNode *node, size_t max)
{
    char *text = soap_text(node, max);
    char *printable = make_printable(text, max);

    free(text);
    return printable;
}

/* Returns what 'node' refers to, or null if it is nothing of an id. */
static char *
ref_of(const xmlNode *node)
{
    static const char allowed[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
        "-_.:/";
    char *text = soap_text(node, VSPHERE_MAX_REF + 1);
    size_t n = strlen(text);

    if (!n || n > VSPHERE_MAX_REF || strspn(text, allowed) != n) {
        free(text);
        return NULL;
    }
    return text;
}

static char *
number_of(const xmlNode *node)
{
    char *text = soap_text(node, 20);
    size_t n = strlen(text);

    if (!n || n > 18 || strspn(text, "0123456789") != n) {
        free(text);
        return NULL;
    }
    return text;
}

static char *
macs_of(const xmlNode *value)
{
    struct ds s = DS_EMPTY_INITIALIZER;
    size_t n = 0;

    for (const xmlNode *device = soap_first(value);
         device && n < VSPHERE_MAX_MACS; device = soap_next(device)) {
        const xmlNode *node = soap_child(device, "macAddress");
        char *text = node ? soap_text(node, 18) : NULL;
        struct eth_addr mac;

        if (text && strlen(text) == 17 && eth_addr_from_string(text, &mac)
            && !eth_addr_is_zero(mac) && !eth_addr_is_multicast(mac)) {
            ds_put_format(&s, ETH_ADDR_FMT"%c", ETH_ADDR_ARGS(mac),
                          VSPHERE_ITEM_END);
            n++;
        }
        free(text);
    }
    return ds_steal_cstr(&s);
}

static char *
ip_of(const xmlNode *value)
{
    for (const xmlNode *vnic = soap_first(value); vnic;
         vnic = soap_next(vnic)) {
        const xmlNode *ip = soap_child(soap_child(vnic, "spec"), "ip");
        const xmlNode *address = soap_child(ip, "ipAddress");
        char *text = address ? text_of(address, 45) : NULL;

        if (text && text[0]
            && strspn(text, "0123456789abcdefABCDEF.:") == strlen(text)) {
            return text;
        }
        free(text);
    }
    return NULL;
}

/* Up to 'max' items of an array: key and text of each, of the latter up to
 * 'max_text' bytes. */
static char *
pairs_of(const xmlNode *value, const char *text_name, size_t max_text,
         size_t max)
{
    struct ds s = DS_EMPTY_INITIALIZER;
    size_t n = 0;

    for (const xmlNode *item = soap_first(value); item && n < max;
         item = soap_next(item)) {
        const xmlNode *key_node = soap_child(item, "key");
        const xmlNode *text_node = soap_child(item, text_name);
        char *key = key_node ? number_of(key_node) : NULL;
        char *text = text_node ? text_of(text_node, max_text) : NULL;

        if (key && text && text[0]) {
            ds_put_format(&s, "%s%c%s%c", key, VSPHERE_PART_END, text,
                          VSPHERE_ITEM_END);
            n++;
        }
        free(key);
        free(text);
    }
    return ds_steal_cstr(&s);
}

/* Returns 'value' as a string, or null if it is none of its property. */
static char *
value_of(enum vsphere_property property, const xmlNode *value)
{
    char *text;

    switch (forms[property]) {
    case TEXT:
        return text_of(value, VSPHERE_MAX_TEXT);
    case NAME:
        text = soap_text(value, VSPHERE_MAX_NAME);
        vsphere_unescape(text);
        char *printable = make_printable(text, VSPHERE_MAX_NAME);
        free(text);
        return printable;
    case REF:
        return ref_of(value);
    case NUMBER:
        return number_of(value);
    case DEVICES:
        return macs_of(value);
    case VNICS:
        return ip_of(value);
    case CUSTOM:
        return pairs_of(value, "value", VSPHERE_MAX_TEXT, VSPHERE_MAX_CUSTOM);
    case FIELDS:
        return pairs_of(value, "name", VSPHERE_MAX_FIELD_NAME,
                        VSPHERE_MAX_FIELDS);
    }
    OVS_NOT_REACHED();
}

/* Updates. */

/* Takes the value of the property called 'name', which is null if it has none
 * any more. */
static char *
take_value(struct vsphere_update *u, const char *name, const xmlNode *value)
{
    for (size_t i = 0; i < N_VSPHERE_PROPERTIES; i++) {
        const struct vsphere_property_info *p = &vsphere_properties[i];
        size_t n = strlen(p->path);

        if (p->type != u->type || strncmp(p->path, name, n)) {
            continue;
        } else if (name[n] == '.' || name[n] == '[') {
            u->is_partial = true;
        } else if (!name[n]) {
            if (u->n_values >= VSPHERE_MAX_CHANGES) {
                return xasprintf("%s has more than %d changes", u->ref,
                                 VSPHERE_MAX_CHANGES);
            }
            u->values[u->n_values++] = (struct vsphere_value) {
                .property = i, .text = value ? value_of(i, value) : NULL
            };
        }
    }
    return NULL;
}

/* Takes those children of 'element' called 'list': a changeSet or propSet. */
static char *
take_list(struct vsphere_update *u, const xmlNode *element, const char *list)
{
    char *problem = NULL;

    for (const xmlNode *item = soap_child(element, list); item && !problem;
         item = soap_next(item)) {
        char *name = soap_text(soap_child(item, "name"), VSPHERE_MAX_TEXT);

        problem = take_value(u, name, soap_child(item, "val"));
        free(name);
    }
    return problem;
}

static char *
take_kind(struct vsphere_update *u, const xmlNode *element)
{
    const xmlNode *kind = soap_child(element, "kind");
    char *text = kind ? soap_text(kind, 16) : xstrdup("modify");
    char *problem = NULL;

    if (!strcmp(text, "enter")) {
        u->kind = VSPHERE_ENTER;
    } else if (!strcmp(text, "modify")) {
        u->kind = VSPHERE_MODIFY;
    } else if (!strcmp(text, "leave")) {
        u->kind = VSPHERE_LEAVE;
    } else {
        problem = xasprintf("the update of %s has no kind", u->ref);
    }
    free(text);
    return problem;
}

/* Finds the type of 'obj', or returns N_VSPHERE_TYPES. */
static enum vsphere_type
type_of(const xmlNode *obj)
{
    char *name = soap_attribute(obj, "type", VSPHERE_MAX_REF);
    size_t i = 0;

    while (i < N_VSPHERE_TYPES
           && (!name || strcmp(vsphere_type_names[i], name))) {
        i++;
    }
    /* A vApp is a resource pool, too. */
    if (name && !strcmp(name, "VirtualApp")) {
        i = VSPHERE_POOL;
    }
    free(name);
    return i;
}

char *
vsphere_update_parse(const xmlNode *element, struct vsphere_update **ret)
{
    const xmlNode *obj = soap_child(element, "obj");
    char *ref = obj ? ref_of(obj) : NULL;

    if (!ref) {
        return xstrdup("there is an update of no object");
    } else if (type_of(obj) == N_VSPHERE_TYPES) {
        free(ref);
        *ret = NULL;
        return NULL;
    }

    struct vsphere_update *u = xzalloc(sizeof *u);
    u->ref = ref;
    u->type = type_of(obj);
    u->values = xcalloc(VSPHERE_MAX_CHANGES, sizeof *u->values);
    char *problem = take_kind(u, element);
    if (!problem) {
        problem = take_list(u, element, "changeSet");
    }
    if (!problem) {
        problem = take_list(u, element, "propSet");
    }
    for (const xmlNode *missing = soap_child(element, "missingSet"); missing;
         missing = soap_next(missing)) {
        u->n_missing++;
    }
    /* Most have but few. */
    u->values = xrealloc(u->values, MAX(u->n_values, 1) * sizeof *u->values);
    if (problem) {
        vsphere_update_destroy(u);
    } else {
        *ret = u;
    }
    return problem;
}

struct vsphere_update *
vsphere_update_of(const xmlNode *entity, size_t n_values)
{
    char *ref = entity ? ref_of(entity) : NULL;

    if (!ref || type_of(entity) == N_VSPHERE_TYPES) {
        free(ref);
        return NULL;
    }
    struct vsphere_update *u = xzalloc(sizeof *u);
    u->kind = VSPHERE_MODIFY;
    u->ref = ref;
    u->type = type_of(entity);
    u->values = xcalloc(n_values, sizeof *u->values);
    return u;
}

void
vsphere_update_destroy(struct vsphere_update *u)
{
    if (u) {
        for (size_t i = 0; i < u->n_values; i++) {
            free(u->values[i].text);
        }
        free(u->values);
        free(u->ref);
        free(u);
    }
}

char *
vsphere_sd_name(const char *prefix, const char *name, size_t size)
{
    size_t max = SYSLOG_MAX_SD_NAME - strlen(prefix);
    char *key = xasprintf("%s%.*s", prefix, (int) MIN(size, max), name);

    for (char *p = key; *p; p++) {
        if (!(syslog_classes[(uint8_t) *p] & SYSLOG_C_SD_NAME)) {
            *p = '_';
        }
    }
    return key;
}
