/* SPDX-License-Identifier: Apache-2.0
 *
 * Reads the outer frame, where no kernel has done so: Ethernet II without VLAN
 * tags, IPv4 or IPv6, UDP.  Answers what a neighbour asks who wants to send
 * here: ARP requests (RFC 826), neighbour solicitations (RFC 4861) and pings
 * (RFC 792, RFC 4443).
 *
 * In: a frame, nothing in it trusted; who we are.
 * Out: the UDP payload for the tunnel's port; an answer; or the reason for
 * dropping it.
 * Runs in: sluice-intake. */
#ifndef SLUICE_OUTER_H
#define SLUICE_OUTER_H 1

#include "slice.h"

/* Who we are in the underlay. */
struct outer_self {
    uint8_t mac[6];
    uint8_t ip[16];             /* IPv4 as ::ffff:a.b.c.d. */
    uint16_t port;              /* UDP: the tunnel's. */
};

enum outer_verdict {
#define OUTER(SYMBOL, NAME, TEXT) OUTER_##SYMBOL,
#include "outer.def"
#undef OUTER
    OUTER_N_REASONS,
    OUTER_TUNNEL = OUTER_N_REASONS, /* It brings a log packet. */
};

enum {
    OUTER_HEADERS_MAX = 14 + 40 + 8, /* Ethernet, IPv6, UDP. */
    OUTER_ANSWER_MAX = 2048,    /* A longer ping is dropped. */
};

struct outer_packet {
    uint8_t src_mac[6];
    uint8_t src_ip[16];
    struct slice payload;       /* Into the input: of UDP. */
};

/* Returns a MAC address for 'ip' that no other has which has the same last
 * four bytes: locally administered, 02:53 and those. */
void outer_default_mac(const uint8_t ip[16], uint8_t ret[6]);

/* Reads 'frame'.  Returns OUTER_TUNNEL and fills '*ret_packet';
 * OUTER_ANSWERED, and writes the frame that answers it to 'ret_answer', of
 * OUTER_ANSWER_MAX bytes, and its size to '*ret_answer_size'; or the reason to
 * drop it.  What is not named stays untouched, but 'ret_answer'. */
enum outer_verdict outer_read(struct slice frame, const struct outer_self *,
                              struct outer_packet *ret_packet,
                              uint8_t *ret_answer, size_t *ret_answer_size);

/* Writes to 'ret', of OUTER_HEADERS_MAX + 'payload.size' bytes, a UDP datagram
 * with 'payload' from the tunnel's port to that of 'to_ip', in a frame to
 * 'to_mac'.  Both addresses must be of one version.  Returns its size. */
size_t outer_write(const struct outer_self *, const uint8_t to_mac[6],
                   const uint8_t to_ip[16], struct slice payload,
                   uint8_t *ret);

#endif /* lib/outer.h */
