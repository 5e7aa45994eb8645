/* SPDX-License-Identifier: Apache-2.0
 *
 * Parses the inner frame, as the guest sent it: Ethernet II, up to two VLAN
 * tags (IEEE 802.1Q, 802.1ad), IPv4 (RFC 791) or IPv6 with extension headers
 * (RFC 8200), and in it UDP (RFC 768), TCP (RFC 9293) or a fragment of them.
 *
 * In: an Ethernet frame, nothing in it trusted.
 * Out: struct inner_packet, or the reason for dropping it.
 * Runs in: sluice-intake. */
#ifndef SLUICE_INNER_H
#define SLUICE_INNER_H 1

#include "drop.h"
#include "slice.h"

enum inner_kind {
    INNER_UDP,
    INNER_TCP,
    INNER_FRAGMENT,             /* Of an IP packet. */
};

enum {
    INNER_TCP_FIN = 0x01,
    INNER_TCP_SYN = 0x02,
    INNER_TCP_RST = 0x04,
    INNER_TCP_ACK = 0x10,
};

struct inner_packet {
    uint8_t src_mac[6];
    uint8_t dst_mac[6];
    uint8_t n_vlans;            /* 0 to 2. */
    uint16_t vlan_tci[2];       /* Outermost first. */
    uint8_t ip_version;         /* 4 or 6. */
    uint8_t src_ip[16];         /* IPv4 as ::ffff:a.b.c.d (RFC 4291 2.5.5.2).*/
    uint8_t dst_ip[16];
    enum inner_kind kind;
    uint16_t src_port;          /* Not of a fragment. */
    uint16_t dst_port;
    uint32_t tcp_seq;           /* Of TCP. */
    uint8_t tcp_flags;          /* INNER_TCP_*. */
    uint32_t fragment_id;       /* Of a fragment. */
    uint16_t fragment_offset;   /* Bytes. */
    bool fragment_more;
    uint8_t fragment_next;      /* What the whole begins with: protocol, or
                                 * type of an extension header. */
    struct slice payload;       /* Into the input: of UDP and TCP, or what the
                                 * fragment carries.  Only that of TCP may be
                                 * empty. */
};

/* Parses 'frame'.  Returns SLUICE_DROP_NONE and fills '*ret', or the reason to
 * drop the frame and leaves '*ret' untouched.  Bytes behind the IP packet
 * (Ethernet padding) are ignored.  The UDP length must be that of the IP
 * packet, to the byte; its checksum is not verified: a guest's may be left to
 * hardware that a virtual switch never passes.  That of TCP is, since a
 * receiver does not take a segment where it is wrong, which could otherwise
 * slip bytes into the stream that it never had. */
enum sluice_drop inner_parse(struct slice frame, struct inner_packet *ret);

/* Parses 'bytes', what the IP packet of which '*packet' is a fragment carried
 * as a whole.  Returns SLUICE_DROP_NONE and makes '*packet' UDP or TCP, or the
 * reason to drop it and leaves '*packet' untouched. */
enum sluice_drop inner_parse_whole(struct slice bytes,
                                   struct inner_packet *packet);

#endif /* lib/inner.h */
