/* SPDX-License-Identifier: Apache-2.0
 *
 * Whose packets come in on a port, and how that is written. */

#ifndef SLUICE_IDENTITY_H
#define SLUICE_IDENTITY_H 1

#include <stdbool.h>
#include <stdint.h>

#include "sluice/tlv.h"

struct ds;

/* Whose packets come in on a port. */
struct sluice_identity {
    bool has_vm;                    /* Whether 'vm' is valid. */
    bool has_tenant;                /* Whether 'tenant' is valid. */
    bool has_owner;                 /* Whether 'owner_pid', 'owner_uid' are. */
    uint32_t tenant;                /* 1 to SLUICE_TLV_MAX_TENANT. */
    uint32_t owner_pid;             /* Process id, not 0. */
    uint32_t owner_uid;             /* User id. */
    uint8_t vm[SLUICE_TLV_SIZE_VM]; /* UUID in the order of RFC 4122. */
};

bool sluice_vm_from_string(const char *, uint8_t vm[SLUICE_TLV_SIZE_VM]);
void sluice_vm_format(const uint8_t vm[SLUICE_TLV_SIZE_VM], struct ds *);
bool sluice_tenant_from_string(const char *, uint32_t *tenant);
bool sluice_owner_from_string(const char *, uint32_t *pid, uint32_t *uid);

#endif /* sluice/identity.h */
