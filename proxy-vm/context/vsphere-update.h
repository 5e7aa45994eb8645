/* SPDX-License-Identifier: Apache-2.0
 *
 * What a reply of vCenter's PropertyCollector says about one object, as data:
 * an ObjectUpdate (of WaitForUpdatesEx) or an ObjectContent (of
 * RetrievePropertiesEx).
 *
 * In: an element of a reply, nothing in it trusted.  Out: an update, in which
 * every string is short, printable UTF-8.
 *
 * Runs in: sluice-context. */
#ifndef SLUICE_VSPHERE_UPDATE_H
#define SLUICE_VSPHERE_UPDATE_H 1

#include <libxml/tree.h>

#include <stdbool.h>
#include <stddef.h>

#include "openvswitch/list.h"

enum {
    VSPHERE_MAX_REF = 80,       /* Bytes of an object's id. */
    VSPHERE_MAX_TEXT = 512,     /* Bytes of a text. */
    VSPHERE_MAX_NAME = 255,     /* Bytes of a name. */
    VSPHERE_MAX_MACS = 32,      /* Of one VM. */
    VSPHERE_MAX_CUSTOM = 32,    /* Custom attributes of one VM. */
    VSPHERE_MAX_FIELDS = 1024,  /* That are defined. */
    VSPHERE_MAX_FIELD_NAME = 27, /* Bytes of the name of one: as much as its
                                  * key has room for. */
    VSPHERE_MAX_CHANGES = 256,  /* In an update. */
};

enum vsphere_type {
#define VSPHERE_TYPE(SYMBOL, NAME, IN_VIEW) VSPHERE_##SYMBOL,
#include "vsphere-properties.def"
#undef VSPHERE_TYPE
    N_VSPHERE_TYPES
};

enum vsphere_property {
#define VSPHERE_PROPERTY(TYPE, SYMBOL, PATH, FORM, HOW) VSPHERE_##SYMBOL,
#include "vsphere-properties.def"
#undef VSPHERE_PROPERTY
    N_VSPHERE_PROPERTIES
};

enum vsphere_how {
    VSPHERE_PUSHED, VSPHERE_ASKED, VSPHERE_POLLED, VSPHERE_AVERAGED
};

struct vsphere_property_info {
    enum vsphere_type type;
    const char *path;
    enum vsphere_how how;
};

extern const char *const vsphere_type_names[N_VSPHERE_TYPES];
extern const bool vsphere_type_in_view[N_VSPHERE_TYPES];
extern const struct vsphere_property_info
    vsphere_properties[N_VSPHERE_PROPERTIES];

enum vsphere_kind {
    VSPHERE_ENTER,              /* The object is new: this is all of it. */
    VSPHERE_MODIFY,             /* These of its properties changed. */
    VSPHERE_LEAVE,              /* It is gone. */
};

/* Separates the items of a property that is an array, and the parts of an
 * item: no text has these bytes. */
#define VSPHERE_ITEM_END '\n'
#define VSPHERE_PART_END '\t'

struct vsphere_value {
    enum vsphere_property property;
    char *text;                 /* Null: it has no value any more. */
};

struct vsphere_update {
    struct ovs_list node;       /* For whoever has it. */
    enum vsphere_kind kind;
    enum vsphere_type type;
    char *ref;                  /* "vm-17". */
    struct vsphere_value *values;
    size_t n_values;
    size_t n_missing;           /* Properties that may not be read. */
    bool is_partial;            /* Something within a property changed, so
                                 * that the object has to be read anew. */
};

/* Reads an element.  Returns null and '*ret', which the caller owns and which
 * is null if the object is of a type that does not matter; or a malloc()ed
 * sentence, without its full stop. */
char *vsphere_update_parse(const xmlNode *element,
                           struct vsphere_update **ret);
void vsphere_update_destroy(struct vsphere_update *);

/* Makes an update of the object that 'entity', an element, names, which
 * modifies it and has room for 'n_values'.  Returns null if that is no object
 * that matters. */
struct vsphere_update *vsphere_update_of(const xmlNode *entity,
                                         size_t n_values);

/* Makes 's' what names in vCenter look like: its escapes "%2f", "%5c" and
 * "%25" are undone. */
void vsphere_unescape(char *s);

/* Makes an SD-NAME (RFC 5424 section 6.3.3) of 'prefix' and the name at
 * 'name', of 'size' bytes, cut if need be: malloc()ed. */
char *vsphere_sd_name(const char *prefix, const char *name, size_t size);

#endif /* proxy-vm/context/vsphere-update.h */
