/* SPDX-License-Identifier: Apache-2.0
 *
 * What libvirt's XML of a domain says about it, as data.
 *
 * In: XML, nothing in it trusted.  Out: strings that are short, printable
 * UTF-8.
 *
 * Runs in: sluice-libvirt. */
#ifndef SLUICE_LIBVIRT_DOMAIN_H
#define SLUICE_LIBVIRT_DOMAIN_H 1

#include "slice.h"

enum {
    LIBVIRT_MAX_XML = 1024 * 1024, /* Bytes. */
    LIBVIRT_MAX_NAME = 255,     /* Bytes of a name. */
    LIBVIRT_MAX_MACS = 32,
};

enum libvirt_key {
#define LIBVIRT_KEY(SYMBOL, NAME, MAX) LIBVIRT_KEY_##SYMBOL,
#include "libvirt-keys.def"
#undef LIBVIRT_KEY
    N_LIBVIRT_KEYS
};

struct libvirt_key_info {
    const char *name;
    size_t max;                 /* Bytes of a value. */
};

extern const struct libvirt_key_info libvirt_keys[N_LIBVIRT_KEYS];

struct libvirt_domain {
    char *name;                 /* "" if it has none. */
    uint8_t macs[LIBVIRT_MAX_MACS][6];
    size_t n_macs;
    char *values[N_LIBVIRT_KEYS]; /* Null: not known. */
};

/* Reads a <domain>.  Returns null and '*ret', which the caller owns; or a
 * malloc()ed sentence, without its full stop. */
char *libvirt_domain_parse(struct slice xml, struct libvirt_domain **ret);
void libvirt_domain_destroy(struct libvirt_domain *);

/* Sets what the XML does not say.  'value' is cut and made printable. */
void libvirt_domain_set(struct libvirt_domain *, enum libvirt_key,
                        const char *value);

#endif /* proxy-vm/context/libvirt-domain.h */
