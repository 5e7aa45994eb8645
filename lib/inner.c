/* SPDX-License-Identifier: Apache-2.0
 *
 * Parses the inner frame; see inner.h.  Each layer hands the next one a cursor
 * over exactly the bytes that its own length field grants. */
#include "inner.h"

#include "cursor.h"
#include "inet-sum.h"

enum {
    ETHERTYPE_VLAN = 0x8100,            /* IEEE 802.1Q. */
    ETHERTYPE_SERVICE_VLAN = 0x88a8,    /* IEEE 802.1ad. */
    ETHERTYPE_IPV4 = 0x0800,
    ETHERTYPE_IPV6 = 0x86dd,

    IP_PROTO_HOP_BY_HOP = 0,
    IP_PROTO_TCP = 6,
    IP_PROTO_UDP = 17,
    IP_PROTO_ROUTING = 43,
    IP_PROTO_FRAGMENT = 44,
    IP_PROTO_DESTINATION = 60,

    IPV4_MORE_FRAGMENTS = 0x2000,
    IPV4_OFFSET_MASK = 0x1fff,
    IPV6_MORE_FRAGMENTS = 0x0001,
    IPV6_OFFSET_MASK = 0xfff8,

    /* RFC 8200 section 4.1 knows six places for the ones we follow. */
    IPV6_MAX_EXTENSIONS = 8,
    UDP_HEADER_SIZE = 8,
    TCP_HEADER_SIZE = 20,
    IP_MAX_SIZE = 65535,
};

/* Writes the four bytes of an IPv4 address as ::ffff:a.b.c.d to 'dst'. */
static void
map_ipv4(struct cursor *c, uint8_t dst[16])
{
    memset(dst, 0, 10);
    memset(dst + 10, 0xff, 2);
    cursor_copy(c, dst + 12, 4);
}

/* Takes the Ethernet header and VLAN tags.  Returns the type of what follows,
 * or -1 if the frame ends before. */
static int
parse_ethernet(struct cursor *c, struct inner_packet *packet)
{
    cursor_copy(c, packet->dst_mac, sizeof packet->dst_mac);
    cursor_copy(c, packet->src_mac, sizeof packet->src_mac);

    uint16_t type = cursor_be(c, 2);
    while ((type == ETHERTYPE_VLAN || type == ETHERTYPE_SERVICE_VLAN)
           && packet->n_vlans < 2) {
        packet->vlan_tci[packet->n_vlans++] = cursor_be(c, 2);
        type = cursor_be(c, 2);
    }
    return c->failed ? -1 : type;
}

/* Takes the UDP header.  Its length must be what IP carries: bytes that only
 * one of the two accounts for are neither log nor padding. */
static enum sluice_drop
parse_udp(struct cursor *c, struct inner_packet *packet)
{
    size_t available = c->left;

    packet->src_port = cursor_be(c, 2);
    packet->dst_port = cursor_be(c, 2);
    size_t size = cursor_be(c, 2);
    cursor_take(c, 2);                  /* Checksum. */
    if (c->failed || size < UDP_HEADER_SIZE || size != available) {
        return SLUICE_DROP_INNER_UDP;
    }
    packet->kind = INNER_UDP;
    packet->payload = cursor_rest(c);
    return (packet->payload.size
            ? SLUICE_DROP_NONE : SLUICE_DROP_INNER_EMPTY);
}

/* Returns true if the checksum of 'segment' is right (RFC 9293 section 3.1). */
static bool
tcp_sum_is_right(const struct inner_packet *packet, struct slice segment)
{
    return inet_sum_fold(inet_sum(segment)
                         + inet_sum_pseudo(packet->src_ip, packet->dst_ip,
                                           segment.size, IP_PROTO_TCP))
           == 0xffff;
}

/* Takes the TCP header.  Apart, so that UDP does not pay for it. */
static __attribute__((noinline)) enum sluice_drop
parse_tcp(struct cursor *c, struct inner_packet *packet)
{
    struct slice segment = slice_of(c->p, c->left);

    packet->src_port = cursor_be(c, 2);
    packet->dst_port = cursor_be(c, 2);
    packet->tcp_seq = cursor_be(c, 4);
    cursor_take(c, 4);                  /* Acknowledgement number. */
    size_t header_size = (cursor_be(c, 1) >> 4) * 4;
    packet->tcp_flags = cursor_be(c, 1);
    cursor_take(c, 6);                  /* Window, checksum, urgent pointer. */
    if (c->failed || header_size < TCP_HEADER_SIZE) {
        return SLUICE_DROP_INNER_TCP;
    }
    cursor_take(c, header_size - TCP_HEADER_SIZE);
    if (c->failed) {
        return SLUICE_DROP_INNER_TCP;
    }
    if (!tcp_sum_is_right(packet, segment)) {
        return SLUICE_DROP_INNER_CHECKSUM;
    }
    packet->kind = INNER_TCP;
    packet->payload = cursor_rest(c);
    return SLUICE_DROP_NONE;
}

static inline enum sluice_drop
parse_transport(struct cursor *c, struct inner_packet *packet,
                uint8_t protocol)
{
    switch (protocol) {
    case IP_PROTO_UDP:
        return parse_udp(c, packet);
    case IP_PROTO_TCP:
        return parse_tcp(c, packet);
    default:
        return SLUICE_DROP_INNER_PROTOCOL;
    }
}

/* Takes what a fragment carries.  Apart likewise. */
static __attribute__((noinline)) enum sluice_drop
parse_fragment(struct cursor *c, struct inner_packet *packet, uint32_t id,
               uint16_t offset, bool more, uint8_t next)
{
    /* RFC 791 section 3.2, RFC 8200 section 4.5: all but the last consist of
     * whole units of 8 bytes. */
    if (!c->left || (more && c->left % 8)
        || offset + c->left > IP_MAX_SIZE) {
        return SLUICE_DROP_INNER_FRAGMENT;
    }
    packet->kind = INNER_FRAGMENT;
    packet->fragment_id = id;
    packet->fragment_offset = offset;
    packet->fragment_more = more;
    packet->fragment_next = next;
    packet->payload = cursor_rest(c);
    return SLUICE_DROP_NONE;
}

/* Takes the IPv4 packet. */
static enum sluice_drop
parse_ipv4(struct cursor *c, struct inner_packet *packet)
{
    size_t available = c->left;
    uint8_t version_ihl = cursor_be(c, 1);
    size_t header_size = (version_ihl & 0x0f) * 4;

    cursor_take(c, 1);                  /* DSCP, ECN. */
    size_t total_size = cursor_be(c, 2);
    uint16_t id = cursor_be(c, 2);
    uint16_t fragment = cursor_be(c, 2);
    cursor_take(c, 1);                  /* Time to live. */
    uint8_t protocol = cursor_be(c, 1);
    cursor_take(c, 2);                  /* Checksum. */
    map_ipv4(c, packet->src_ip);
    map_ipv4(c, packet->dst_ip);
    if (c->failed) {
        return SLUICE_DROP_INNER_TRUNCATED;
    }
    if (version_ihl >> 4 != 4 || header_size < 20
        || total_size < header_size) {
        return SLUICE_DROP_INNER_IP;
    }
    if (total_size > available) {
        return SLUICE_DROP_INNER_TRUNCATED;
    }
    cursor_take(c, header_size - 20);   /* Options. */
    *c = cursor_of(cursor_take(c, total_size - header_size));

    packet->ip_version = 4;
    if (fragment & (IPV4_MORE_FRAGMENTS | IPV4_OFFSET_MASK)) {
        return parse_fragment(c, packet, id,
                              (fragment & IPV4_OFFSET_MASK) * 8,
                              fragment & IPV4_MORE_FRAGMENTS, protocol);
    }
    return parse_transport(c, packet, protocol);
}

/* Takes the extension headers from 'next' on, of a 'whole' packet's fragments
 * without another fragment header, and what is behind them. */
static enum sluice_drop
parse_ipv6_payload(struct cursor *c, struct inner_packet *packet,
                   uint8_t next, bool whole)
{
    for (int i = 0; next != IP_PROTO_UDP && next != IP_PROTO_TCP; i++) {
        uint8_t type = next;

        switch (type) {
        case IP_PROTO_HOP_BY_HOP:
            if (i || whole) {           /* RFC 8200 section 4.1: only first. */
                return SLUICE_DROP_INNER_IP;
            }
            break;
        case IP_PROTO_FRAGMENT:
            if (whole) {
                return SLUICE_DROP_INNER_IP;
            }
            break;
        case IP_PROTO_ROUTING:
        case IP_PROTO_DESTINATION:
            break;
        default:
            return SLUICE_DROP_INNER_PROTOCOL;
        }
        if (i >= IPV6_MAX_EXTENSIONS) {
            return SLUICE_DROP_INNER_IP;
        }

        next = cursor_be(c, 1);
        size_t n_more = cursor_be(c, 1);
        if (type == IP_PROTO_FRAGMENT) {
            uint16_t fragment = cursor_be(c, 2);
            uint32_t id = cursor_be(c, 4);

            /* Neither: an atomic fragment, a whole packet (RFC 6946). */
            if (fragment & (IPV6_MORE_FRAGMENTS | IPV6_OFFSET_MASK)
                && !c->failed) {
                return parse_fragment(c, packet, id,
                                      fragment & IPV6_OFFSET_MASK,
                                      fragment & IPV6_MORE_FRAGMENTS, next);
            }
        } else {
            cursor_take(c, 6 + n_more * 8);
        }
        if (c->failed) {
            return SLUICE_DROP_INNER_IP;
        }
    }
    return parse_transport(c, packet, next);
}

/* Takes the IPv6 packet. */
static enum sluice_drop
parse_ipv6(struct cursor *c, struct inner_packet *packet)
{
    uint8_t version = cursor_be(c, 4) >> 28;
    size_t payload_size = cursor_be(c, 2);
    uint8_t next = cursor_be(c, 1);

    cursor_take(c, 1);                  /* Hop limit. */
    cursor_copy(c, packet->src_ip, sizeof packet->src_ip);
    cursor_copy(c, packet->dst_ip, sizeof packet->dst_ip);
    if (c->failed) {
        return SLUICE_DROP_INNER_TRUNCATED;
    }
    if (version != 6) {
        return SLUICE_DROP_INNER_IP;
    }
    *c = cursor_of(cursor_take(c, payload_size));
    if (c->left != payload_size) {
        return SLUICE_DROP_INNER_TRUNCATED;
    }
    packet->ip_version = 6;
    return parse_ipv6_payload(c, packet, next, false);
}

enum sluice_drop
inner_parse(struct slice frame, struct inner_packet *ret)
{
    struct cursor c = cursor_of(frame);
    struct inner_packet packet = { .n_vlans = 0 };
    int ethertype = parse_ethernet(&c, &packet);
    enum sluice_drop drop;

    switch (ethertype) {
    case -1:
        return SLUICE_DROP_INNER_TRUNCATED;
    case ETHERTYPE_IPV4:
        drop = parse_ipv4(&c, &packet);
        break;
    case ETHERTYPE_IPV6:
        drop = parse_ipv6(&c, &packet);
        break;
    default:
        return SLUICE_DROP_INNER_ETHERTYPE;
    }
    if (!drop) {
        *ret = packet;
    }
    return drop;
}

enum sluice_drop
inner_parse_whole(struct slice bytes, struct inner_packet *packet)
{
    struct cursor c = cursor_of(bytes);
    struct inner_packet whole = *packet;
    enum sluice_drop drop = (packet->ip_version == 4
                             ? parse_transport(&c, &whole,
                                               packet->fragment_next)
                             : parse_ipv6_payload(&c, &whole,
                                                  packet->fragment_next,
                                                  true));
    if (!drop) {
        *packet = whole;
    }
    return drop;
}
