/* SPDX-License-Identifier: Apache-2.0
 *
 * What libvirt's XML says about a domain.  See libvirt-domain.h. */
#include <config.h>

#include "libvirt-domain.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "packets.h"
#include "printable.h"
#include "soap-reply.h"
#include "util.h"

/* Namespaces of metadata; each new version of Nova's has its own. */
#define NOVA_NAMESPACE "http://openstack.org/xmlns/libvirt/nova/1."
#define LIBOSINFO_NAMESPACE "http://libosinfo.org/xmlns/libvirt/domain/1."

const struct libvirt_key_info libvirt_keys[] = {
#define LIBVIRT_KEY(SYMBOL, NAME, MAX) { NAME, MAX },
#include "libvirt-keys.def"
#undef LIBVIRT_KEY
};

void
libvirt_domain_set(struct libvirt_domain *d, enum libvirt_key key,
                   const char *value)
{
    free(d->values[key]);
    d->values[key] = make_printable(value, libvirt_keys[key].max);
}

/* Sets a value to 'text', which is taken and may be null, unless there is
 * nothing in it but blanks. */
static void
take_value(struct libvirt_domain *d, enum libvirt_key key, char *text)
{
    char *begin = text;

    if (text) {
        for (char *p = text; *p; p++) {
            *p = strchr("\t\r\n", *p) ? ' ' : *p;
        }
        begin += strspn(begin, " ");
        size_t n = strlen(begin);
        while (n && begin[n - 1] == ' ') {
            begin[--n] = '\0';
        }
    }
    if (begin && begin[0]) {
        libvirt_domain_set(d, key, begin);
    }
    free(text);
}

/* Sets a value to the text within 'node', which may be null. */
static void
take_text(struct libvirt_domain *d, enum libvirt_key key, const xmlNode *node)
{
    /* Blanks around it may be more than it may be. */
    take_value(d, key, node ? soap_text(node, 2 * libvirt_keys[key].max)
                       : NULL);
}

static void
take_attribute(struct libvirt_domain *d, enum libvirt_key key,
               const xmlNode *node, const char *name)
{
    take_value(d, key, node ? soap_attribute(node, name, libvirt_keys[key].max)
                       : NULL);
}

/* Returns the child of that local name in a namespace that begins with 'uri',
 * or null. */
static const xmlNode *
find_in_namespace(const xmlNode *parent, const char *name, const char *uri)
{
    const xmlNode *node = soap_child(parent, name);

    while (node && !(node->ns && node->ns->href
                     && !strncmp((const char *) node->ns->href, uri,
                                 strlen(uri)))) {
        node = soap_next(node);
    }
    return node;
}

static void
take_nova(struct libvirt_domain *d, const xmlNode *nova)
{
    const xmlNode *owner = soap_child(nova, "owner");
    const xmlNode *project = soap_child(owner, "project");

    take_text(d, LIBVIRT_KEY_NOVA_NAME, soap_child(nova, "name"));
    take_text(d, LIBVIRT_KEY_PROJECT, project);
    take_attribute(d, LIBVIRT_KEY_PROJECT_ID, project, "uuid");
    take_text(d, LIBVIRT_KEY_OWNER, soap_child(owner, "user"));
    take_attribute(d, LIBVIRT_KEY_FLAVOR, soap_child(nova, "flavor"), "name");
}

static void
take_macs(struct libvirt_domain *d, const xmlNode *devices)
{
    for (const xmlNode *i = soap_child(devices, "interface");
         i && d->n_macs < LIBVIRT_MAX_MACS; i = soap_next(i)) {
        const xmlNode *node = soap_child(i, "mac");
        char *text = node ? soap_attribute(node, "address", 18) : NULL;
        struct eth_addr mac;

        if (text && strlen(text) == 17 && eth_addr_from_string(text, &mac)
            && !eth_addr_is_zero(mac) && !eth_addr_is_multicast(mac)) {
            memcpy(d->macs[d->n_macs++], mac.ea, sizeof mac.ea);
        }
        free(text);
    }
}

/* Returns the number that 's', which is taken and may be null, is, or 0. */
static uint64_t
take_number(char *s)
{
    uint64_t n = 0;

    if (s && s[0] && strlen(s) <= 18
        && strspn(s, "0123456789") == strlen(s)) {
        n = strtoull(s, NULL, 10);
    }
    free(s);
    return n;
}

static void
set_number(struct libvirt_domain *d, enum libvirt_key key, uint64_t n)
{
    char text[24];

    if (n) {
        snprintf(text, sizeof text, "%"PRIu64, n);
        libvirt_domain_set(d, key, text);
    }
}

static void
take_size(struct libvirt_domain *d, const xmlNode *root)
{
    const xmlNode *vcpu = soap_child(root, "vcpu");
    const xmlNode *memory = soap_child(root, "currentMemory");
    uint64_t n = vcpu ? take_number(soap_attribute(vcpu, "current", 19)) : 0;

    set_number(d, LIBVIRT_KEY_VCPUS,
               n ? n : take_number(soap_text(vcpu, 19)));

    /* libvirt writes KiB, whatever it was given. */
    if (!memory) {
        memory = soap_child(root, "memory");
    }
    char *unit = memory ? soap_attribute(memory, "unit", 8) : NULL;
    if (memory && (!unit || !strcmp(unit, "KiB"))) {
        set_number(d, LIBVIRT_KEY_MEMORY,
                   take_number(soap_text(memory, 19)) / 1024);
    }
    free(unit);
}

static struct libvirt_domain *
read_domain(const xmlNode *root)
{
    struct libvirt_domain *d = xzalloc(sizeof *d);
    const xmlNode *metadata = soap_child(root, "metadata");
    char *name = soap_text(soap_child(root, "name"), LIBVIRT_MAX_NAME);

    d->name = make_printable(name, LIBVIRT_MAX_NAME);
    free(name);
    take_text(d, LIBVIRT_KEY_TITLE, soap_child(root, "title"));
    take_text(d, LIBVIRT_KEY_DESCRIPTION, soap_child(root, "description"));
    take_size(d, root);
    take_macs(d, soap_child(root, "devices"));
    take_attribute(d, LIBVIRT_KEY_GUEST_OS,
                   soap_child(find_in_namespace(metadata, "libosinfo",
                                                LIBOSINFO_NAMESPACE), "os"),
                   "id");
    take_nova(d, find_in_namespace(metadata, "instance", NOVA_NAMESPACE));
    return d;
}

char *
libvirt_domain_parse(struct slice xml, struct libvirt_domain **ret)
{
    struct soap_reply *r = soap_reply_create(LIBVIRT_MAX_XML, NULL, NULL,
                                             NULL);
    char *problem = NULL;

    soap_reply_feed(r, xml);
    const xmlNode *root = soap_reply_finish_document(r);
    if (!root) {
        problem = xstrdup(soap_reply_problem(r));
    } else if (!soap_is(root, "domain")) {
        problem = xstrdup("it is not the XML of a domain");
    } else {
        *ret = read_domain(root);
    }
    soap_reply_destroy(r);
    return problem;
}

void
libvirt_domain_destroy(struct libvirt_domain *d)
{
    if (d) {
        for (size_t i = 0; i < N_LIBVIRT_KEYS; i++) {
            free(d->values[i]);
        }
        free(d->name);
        free(d);
    }
}
