/* SPDX-License-Identifier: Apache-2.0
 *
 * The static context file: what its operator says about virtual machines, see
 * sluice-context.yaml(5).
 *
 * In: a YAML file.  Out: an array of VMs, each known by a UUID, MACs or both
 * that no other has.
 *
 * Runs in: sluice-context (puts it into the snapshot), sluicectl (flows). */
#ifndef SLUICE_STATIC_CONTEXT_H
#define SLUICE_STATIC_CONTEXT_H 1

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    STATIC_MAX_FILE_SIZE = 64 * 1024 * 1024,
    STATIC_MAX_VMS = 65536,
    STATIC_MAX_MACS = 32,       /* Of one VM. */
    STATIC_MAX_IPS = 32,        /* Of one VM. */
    STATIC_MAX_VALUES = 64,     /* Of one VM, under 'values'. */
    STATIC_MAX_NAME = 255,      /* Bytes. */
    STATIC_MAX_PORT = 63,       /* Bytes. */
    STATIC_MAX_VALUE = 512,     /* Bytes. */
};

struct static_value {
    char *key;                  /* An SD-NAME: RFC 5424 section 6.3.3. */
    char *value;                /* UTF-8 without control characters. */
};

struct static_vm {
    bool has_uuid;
    uint8_t uuid[16];           /* Network byte order, if 'has_uuid'. */
    uint8_t (*macs)[6];
    size_t n_macs;
    uint8_t (*ips)[16];         /* IPv4 as ::ffff:a.b.c.d. */
    size_t n_ips;
    char *name;                 /* May be null. */
    char *port;                 /* The OVS interface.  May be null. */
    uint32_t tenant;            /* 0: not given.  Whose a line is, the port's
                                 * configuration says; but another tenant's
                                 * lines do not get this VM's context. */
    struct static_value *values; /* guest-os, host, ..., then 'values'. */
    size_t n_values;
};

struct static_context {
    struct static_vm *vms;      /* In the order of the file. */
    size_t n_vms;
};

/* Loads and checks 'path'.  Returns null and '*ret', which the caller owns,
 * or a malloc()ed sentence that names file, line and key and says what to do;
 * then '*ret' is untouched. */
char *static_context_load(const char *path, struct static_context **ret);

/* The same of a text, 'path' being named in sentences only. */
char *static_context_parse(const char *path, const char *text, size_t size,
                           struct static_context **ret);
void static_context_destroy(struct static_context *);

#endif /* proxy-vm/common/static-context.h */
