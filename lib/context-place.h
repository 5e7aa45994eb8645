/* SPDX-License-Identifier: Apache-2.0
 *
 * Where lines with the MAC addresses of a VM come from, as far as that is
 * known: a guest can send from any address, and a record that is found by one
 * is not for lines from elsewhere.
 *
 * VmContext.place has any of
 *     bytes   what
 *     16      VTEP of the host where the operator or a manager says that the
 *             VM runs (IPv4 as ::ffff:a.b.c.d)
 *     26      VTEP of a host, MAC address, and the OpenFlow port (big-endian)
 *             at which that host has it
 * A host's word counts for lines from itself alone, and none of it for lines
 * that are told by UUID.
 *
 * In: a record, nothing in it trusted.
 * Runs in: sluice-context (writes), sluice-intake (reads). */
#ifndef SLUICE_CONTEXT_PLACE_H
#define SLUICE_CONTEXT_PLACE_H 1

#include "slice.h"

enum {
    CONTEXT_PLACE_HOST = 16,
    CONTEXT_PLACE_PORT = 26,
};

/* Where a line came from. */
struct context_origin {
    const uint8_t *vtep;        /* 16 bytes. */
    const uint8_t *mac;
    uint32_t ofp_port;          /* 0: not known. */
};

/* Writes a place of CONTEXT_PLACE_PORT bytes. */
void context_place_put(uint8_t *place, const uint8_t vtep[16],
                       const uint8_t mac[6], uint32_t ofp_port);

/* Returns false if 'record' says that the MAC address is elsewhere than where
 * the line came from. */
bool context_is_at(struct slice record, const struct context_origin *);

#endif /* lib/context-place.h */
