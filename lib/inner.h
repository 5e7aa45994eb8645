/* SPDX-License-Identifier: Apache-2.0
 *
 * Parses the inner frame, as the guest sent it: Ethernet II, up to two VLAN
 * tags (IEEE 802.1Q, 802.1ad), IPv4 (RFC 791) or IPv6 with extension headers
 * (RFC 8200), UDP (RFC 768).
 *
 * In: an Ethernet frame, nothing in it trusted.
 * Out: struct inner_packet, or the reason for dropping it.
 * Runs in: sluice-intake. */
#ifndef SLUICE_INNER_H
#define SLUICE_INNER_H 1

#include "drop.h"
#include "slice.h"

struct inner_packet {
    uint8_t src_mac[6];
    uint8_t dst_mac[6];
    uint8_t n_vlans;            /* 0 to 2. */
    uint16_t vlan_tci[2];       /* Outermost first. */
    uint8_t ip_version;         /* 4 or 6. */
    uint8_t src_ip[16];         /* IPv4 as ::ffff:a.b.c.d (RFC 4291 2.5.5.2).*/
    uint8_t dst_ip[16];
    uint16_t src_port;
    uint16_t dst_port;
    struct slice payload;       /* Into the input, at least one byte. */
};

/* Parses 'frame'.  Returns SLUICE_DROP_NONE and fills '*ret', or the reason to
 * drop the frame and leaves '*ret' untouched.  Bytes behind the IP packet
 * (Ethernet padding) are ignored.  Checksums are not verified: a guest's may
 * be left to hardware that a virtual switch never passes.  The UDP length must
 * be that of the IP packet, to the byte. */
enum sluice_drop inner_parse(struct slice frame, struct inner_packet *ret);

#endif /* lib/inner.h */
