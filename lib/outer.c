/* SPDX-License-Identifier: Apache-2.0
 *
 * Reads and answers outer frames; see outer.h. */
#include "outer.h"

#include "cursor.h"
#include "inet-sum.h"
#include "inner.h"

enum {
    ETHERTYPE_IPV4 = 0x0800,
    ETHERTYPE_ARP = 0x0806,
    ETHERTYPE_IPV6 = 0x86dd,

    ETHERNET_SIZE = 14,
    IPV4_SIZE = 20,
    IPV6_SIZE = 40,
    UDP_SIZE = 8,
    HOP_LIMIT = 64,

    IP_PROTO_ICMP = 1,
    IP_PROTO_UDP = 17,
    IP_PROTO_ICMP6 = 58,

    ARP_REQUEST = 1,
    ARP_REPLY = 2,
    ICMP_ECHO_REPLY = 0,
    ICMP_ECHO = 8,
    ICMP6_ECHO = 128,
    ICMP6_ECHO_REPLY = 129,
    ICMP6_SOLICITATION = 135,
    ICMP6_ADVERTISEMENT = 136,
    SOLICITATION_SIZE = 24,     /* Without options. */
    ADVERTISEMENT_SIZE = 32,    /* With our link-layer address. */
    TARGET_LINK_ADDRESS = 2,
    SOLICITED_OVERRIDE = 0x60,
};

static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };

static bool
is_ipv4(const uint8_t ip[16])
{
    return !memcmp(ip, mapped, sizeof mapped);
}

void
outer_default_mac(const uint8_t ip[16], uint8_t ret[6])
{
    ret[0] = 0x02;
    ret[1] = 0x53;
    memcpy(ret + 2, ip + 12, 4);
}

/* --- Writing ------------------------------------------------------------- */

static uint8_t *
put(uint8_t *p, const void *data, size_t size)
{
    memcpy(p, data, size);
    return p + size;
}

static uint8_t *
put_be16(uint8_t *p, uint16_t value)
{
    *p++ = value >> 8;
    *p++ = value;
    return p;
}

static uint8_t *
put_ethernet(uint8_t *p, const uint8_t dst[6], const uint8_t src[6],
             uint16_t type)
{
    p = put(p, dst, 6);
    p = put(p, src, 6);
    return put_be16(p, type);
}

/* Writes the checksum of what adds up to 'sum' without it, at 'p'. */
static void
put_sum(uint8_t *p, uint64_t sum)
{
    uint16_t word = ~inet_sum_fold(sum);

    memcpy(p, &word, sizeof word);
}

/* Writes Ethernet and IP headers for 'size' bytes of 'protocol'. */
static uint8_t *
put_ip(uint8_t *p, const struct outer_self *self, const uint8_t to_mac[6],
       const uint8_t to_ip[16], size_t size, uint8_t protocol,
       uint8_t hop_limit)
{
    if (is_ipv4(self->ip)) {
        const uint8_t fields[8] = { 0, 0, 0x40, 0, hop_limit, protocol };

        p = put_ethernet(p, to_mac, self->mac, ETHERTYPE_IPV4);
        uint8_t *ip = p;
        p = put_be16(p, 0x4500);
        p = put_be16(p, IPV4_SIZE + size);
        p = put(p, fields, sizeof fields);
        p = put(p, self->ip + 12, 4);
        p = put(p, to_ip + 12, 4);
        put_sum(ip + 10, inet_sum(slice_of(ip, IPV4_SIZE)));
    } else {
        p = put_ethernet(p, to_mac, self->mac, ETHERTYPE_IPV6);
        p = put_be16(p, 0x6000);
        p = put_be16(p, 0);
        p = put_be16(p, size);
        *p++ = protocol;
        *p++ = hop_limit;
        p = put(p, self->ip, 16);
        p = put(p, to_ip, 16);
    }
    return p;
}

size_t
outer_write(const struct outer_self *self, const uint8_t to_mac[6],
            const uint8_t to_ip[16], struct slice payload, uint8_t *ret)
{
    size_t size = UDP_SIZE + payload.size;
    uint8_t *udp = put_ip(ret, self, to_mac, to_ip, size, IP_PROTO_UDP,
                          HOP_LIMIT);
    uint8_t *p = put_be16(udp, self->port);

    p = put_be16(p, self->port);
    p = put_be16(p, size);
    p = put_be16(p, 0);
    p = put(p, payload.data, payload.size);
    put_sum(udp + 6, inet_sum(slice_of(udp, size))
            + inet_sum_pseudo(self->ip, to_ip, size, IP_PROTO_UDP));
    if (!udp[6] && !udp[7]) {
        memset(udp + 6, 0xff, 2);       /* 0 is for none (RFC 768). */
    }
    return p - ret;
}

/* --- Reading ------------------------------------------------------------- */

struct ethernet {
    uint8_t dst[6];
    uint8_t src[6];
    uint16_t type;
};

static enum outer_verdict
answer_arp(struct cursor *c, const struct ethernet *eth,
           const struct outer_self *self, uint8_t *ret, size_t *ret_size)
{
    static const uint8_t kind[6] = { 0, 1, 8, 0, 6, 4 };
    uint8_t got[6], mac[6], ip[4], target[4];

    cursor_copy(c, got, sizeof got);
    uint16_t operation = cursor_be(c, 2);
    cursor_copy(c, mac, sizeof mac);
    cursor_copy(c, ip, sizeof ip);
    cursor_take(c, 6);
    cursor_copy(c, target, sizeof target);
    if (c->failed || memcmp(got, kind, sizeof kind) || mac[0] & 1) {
        return OUTER_MALFORMED;
    }
    if (operation != ARP_REQUEST || !is_ipv4(self->ip)
        || memcmp(target, self->ip + 12, sizeof target)) {
        return OUTER_ELSEWHERE;
    }

    uint8_t *p = put_ethernet(ret, eth->src, self->mac, ETHERTYPE_ARP);
    p = put(p, kind, sizeof kind);
    p = put_be16(p, ARP_REPLY);
    p = put(p, self->mac, 6);
    p = put(p, self->ip + 12, 4);
    p = put(p, mac, sizeof mac);
    p = put(p, ip, sizeof ip);
    *ret_size = p - ret;
    return OUTER_ANSWERED;
}

/* What ICMP asks in an IP packet that has nothing but it. */
struct question {
    uint8_t src_ip[16];
    uint8_t dst_ip[16];
    uint8_t hop_limit;
    uint8_t protocol;
    struct slice icmp;
};

/* Takes the IP header, of which inner_parse() has seen that it is sound. */
static bool
take_question(struct cursor *c, uint16_t type, struct question *q)
{
    size_t size;

    if (type == ETHERTYPE_IPV4) {
        uint8_t version_ihl = cursor_be(c, 1);

        cursor_take(c, 1);
        size = cursor_be(c, 2) - IPV4_SIZE;
        cursor_take(c, 4);
        q->hop_limit = cursor_be(c, 1);
        q->protocol = cursor_be(c, 1);
        cursor_take(c, 2);
        memcpy(q->src_ip, mapped, sizeof mapped);
        memcpy(q->dst_ip, mapped, sizeof mapped);
        cursor_copy(c, q->src_ip + 12, 4);
        cursor_copy(c, q->dst_ip + 12, 4);
        if (version_ihl != 0x45) {
            return false;               /* Nobody pings with options. */
        }
    } else {
        cursor_take(c, 4);
        size = cursor_be(c, 2);
        q->protocol = cursor_be(c, 1);
        q->hop_limit = cursor_be(c, 1);
        cursor_copy(c, q->src_ip, 16);
        cursor_copy(c, q->dst_ip, 16);
    }
    q->icmp = cursor_take(c, size);
    return (!c->failed
            && q->protocol == (type == ETHERTYPE_IPV4
                               ? IP_PROTO_ICMP : IP_PROTO_ICMP6));
}

static uint64_t
icmp_pseudo(const uint8_t src[16], const uint8_t dst[16], size_t size,
            uint8_t protocol)
{
    return (protocol == IP_PROTO_ICMP6
            ? inet_sum_pseudo(src, dst, size, protocol) : 0);
}

/* Writes an answer of 'size' bytes of ICMP, which 'icmp' is the beginning of
 * what 'rest' completes, with its checksum at its place. */
static void
put_icmp(const struct outer_self *self, const struct ethernet *eth,
         const struct question *q, uint8_t type, struct slice rest,
         uint8_t *ret, size_t *ret_size)
{
    size_t size = 4 + rest.size;
    uint8_t *icmp = put_ip(ret, self, eth->src, q->src_ip, size, q->protocol,
                           type == ICMP6_ADVERTISEMENT ? 255 : HOP_LIMIT);

    memset(icmp, 0, 4);
    icmp[0] = type;
    put(icmp + 4, rest.data, rest.size);
    put_sum(icmp + 2, inet_sum(slice_of(icmp, size))
            + icmp_pseudo(self->ip, q->src_ip, size, q->protocol));
    *ret_size = icmp + size - ret;
}

static enum outer_verdict
answer_solicitation(struct cursor *c, const struct ethernet *eth,
                    const struct question *q, const struct outer_self *self,
                    uint8_t *ret, size_t *ret_size)
{
    static const uint8_t unspecified[16];
    const uint8_t group[16] = {
        0xff, 0x02, [11] = 1, 0xff, self->ip[13], self->ip[14], self->ip[15],
    };
    uint8_t target[16], rest[ADVERTISEMENT_SIZE - 4];

    cursor_take(c, 4);
    cursor_copy(c, target, sizeof target);
    if (c->failed || q->hop_limit != 255) {
        return OUTER_MALFORMED;
    }
    /* Who has no address yet looks whether it is free, and is not told. */
    if (memcmp(target, self->ip, sizeof target)
        || (memcmp(q->dst_ip, self->ip, 16) && memcmp(q->dst_ip, group, 16))
        || !memcmp(q->src_ip, unspecified, 16)) {
        return OUTER_ELSEWHERE;
    }
    memset(rest, 0, 4);
    rest[0] = SOLICITED_OVERRIDE;
    put(rest + 4, self->ip, 16);
    rest[20] = TARGET_LINK_ADDRESS;
    rest[21] = 1;               /* Units of 8 bytes. */
    put(rest + 22, self->mac, 6);
    put_icmp(self, eth, q, ICMP6_ADVERTISEMENT, slice_of(rest, sizeof rest),
             ret, ret_size);
    return OUTER_ANSWERED;
}

static enum outer_verdict
answer_icmp(struct slice packet, const struct ethernet *eth,
            const struct outer_self *self, uint8_t *ret, size_t *ret_size)
{
    struct cursor c = cursor_of(packet);
    struct question q;

    bool is_icmp = take_question(&c, eth->type, &q);
    if (c.failed) {
        return OUTER_MALFORMED;
    }
    if (!is_icmp) {
        return (memcmp(q.dst_ip, self->ip, 16) ? OUTER_ELSEWHERE
                : OUTER_PROTOCOL);
    }
    c = cursor_of(q.icmp);
    uint8_t type = cursor_be(&c, 1);
    uint8_t code = cursor_be(&c, 1);
    cursor_take(&c, 2);
    if (c.failed) {
        return OUTER_MALFORMED;
    }
    bool is_v6 = q.protocol == IP_PROTO_ICMP6;
    bool asks_address = is_v6 && type == ICMP6_SOLICITATION && !code;
    bool asks_echo = type == (is_v6 ? ICMP6_ECHO : ICMP_ECHO) && !code;
    if (!asks_address && memcmp(q.dst_ip, self->ip, 16)) {
        return OUTER_ELSEWHERE;
    }
    if (!asks_address && !asks_echo) {
        return OUTER_PROTOCOL;
    }
    if (inet_sum_fold(inet_sum(q.icmp) + icmp_pseudo(q.src_ip, q.dst_ip,
                                                     q.icmp.size, q.protocol))
        != 0xffff) {
        return OUTER_CHECKSUM;
    }
    if (asks_address) {
        return answer_solicitation(&c, eth, &q, self, ret, ret_size);
    }
    if (q.icmp.size > OUTER_ANSWER_MAX - ETHERNET_SIZE - IPV6_SIZE) {
        return OUTER_PROTOCOL;
    }
    put_icmp(self, eth, &q, is_v6 ? ICMP6_ECHO_REPLY : ICMP_ECHO_REPLY,
             cursor_rest(&c), ret, ret_size);
    return OUTER_ANSWERED;
}

/* Whether the checksum of the IPv4 header that 'packet' begins with, of which
 * inner_parse() has seen that it is sound, is right. */
static bool
ip_sum_is_right(struct slice packet)
{
    struct cursor c = cursor_of(packet);
    size_t size = (cursor_peek(&c) & 0x0f) * 4;

    return inet_sum_fold(inet_sum(cursor_take(&c, size))) == 0xffff;
}

/* Whether the checksum of 'udp', which is 'datagram' in 'frame', is right. */
static bool
udp_sum_is_right(struct slice frame, const struct inner_packet *udp)
{
    struct cursor c = cursor_of(frame);
    size_t size = UDP_SIZE + udp->payload.size;

    cursor_take(&c, udp->payload.data - frame.data - UDP_SIZE);
    struct slice datagram = cursor_take(&c, size);
    c = cursor_of(datagram);
    cursor_take(&c, 6);
    if (!cursor_be(&c, 2)) {
        return udp->ip_version == 4;    /* RFC 8200 section 8.1. */
    }
    return inet_sum_fold(inet_sum(datagram)
                         + inet_sum_pseudo(udp->src_ip, udp->dst_ip, size,
                                           IP_PROTO_UDP)) == 0xffff;
}

static enum outer_verdict
read_ip(struct slice frame, struct slice packet, const struct ethernet *eth,
        const struct outer_self *self, struct outer_packet *ret_packet,
        uint8_t *ret_answer, size_t *ret_answer_size)
{
    struct inner_packet ip;

    switch (inner_parse(frame, &ip)) {
    case SLUICE_DROP_NONE:
        break;
    case SLUICE_DROP_INNER_PROTOCOL:
        return (eth->type == ETHERTYPE_IPV4 && !ip_sum_is_right(packet)
                ? OUTER_CHECKSUM
                : answer_icmp(packet, eth, self, ret_answer,
                              ret_answer_size));
    case SLUICE_DROP_INNER_CHECKSUM:
        return OUTER_CHECKSUM;
    default:
        return OUTER_MALFORMED;
    }
    if (memcmp(ip.dst_ip, self->ip, 16) || memcmp(eth->dst, self->mac, 6)) {
        return OUTER_ELSEWHERE;
    }
    if (ip.ip_version == 4 && !ip_sum_is_right(packet)) {
        return OUTER_CHECKSUM;
    }
    if (ip.kind == INNER_FRAGMENT) {
        return OUTER_FRAGMENT;
    }
    if (ip.kind != INNER_UDP || ip.dst_port != self->port) {
        return OUTER_PROTOCOL;
    }
    if (!udp_sum_is_right(frame, &ip)) {
        return OUTER_CHECKSUM;
    }
    memcpy(ret_packet->src_mac, eth->src, 6);
    memcpy(ret_packet->src_ip, ip.src_ip, 16);
    ret_packet->payload = ip.payload;
    return OUTER_TUNNEL;
}

enum outer_verdict
outer_read(struct slice frame, const struct outer_self *self,
           struct outer_packet *ret_packet, uint8_t *ret_answer,
           size_t *ret_answer_size)
{
    struct cursor c = cursor_of(frame);
    struct ethernet eth;

    cursor_copy(&c, eth.dst, sizeof eth.dst);
    cursor_copy(&c, eth.src, sizeof eth.src);
    eth.type = cursor_be(&c, 2);
    if (c.failed || eth.src[0] & 1) {
        return OUTER_MALFORMED;
    }
    if (!(eth.dst[0] & 1) && memcmp(eth.dst, self->mac, 6)) {
        return OUTER_ELSEWHERE;
    }
    switch (eth.type) {
    case ETHERTYPE_ARP:
        return answer_arp(&c, &eth, self, ret_answer, ret_answer_size);
    case ETHERTYPE_IPV4:
    case ETHERTYPE_IPV6:
        return read_ip(frame, cursor_rest(&c), &eth, self, ret_packet,
                       ret_answer, ret_answer_size);
    default:
        return OUTER_TYPE;
    }
}
