/* SPDX-License-Identifier: Apache-2.0
 *
 * Tunnel packets as a switch with a key sends them, made with the switch's
 * encoder. */
#ifndef SIGNED_PACKET_H
#define SIGNED_PACKET_H 1

#include <assert.h>
#include <string.h>

#include "siphash.h"
#include "tlv.h"

enum { SIGNED_PACKET_LINE_SIZE = 250 };

/* What can be told of a packet in a few words. */
struct signed_packet_spec {
    uint32_t vni;
    uint32_t tenant;            /* 0: no TENANT option, as log_tunnel has. */
    uint32_t ofp_port;
    uint32_t epoch;
    uint32_t number;
    const uint8_t *key;         /* Null: no AUTH option. */
};

struct signed_packet {
    size_t size;
    size_t auth_ofs;            /* Of AUTH's data; 0: there is none. */
    uint8_t bytes[512];
};

/* Writes an Ethernet frame with a syslog line over UDP and IPv4 to 'p'.
 * Returns its size. */
static inline size_t
signed_packet_frame(uint8_t *p)
{
    static const uint8_t head[14 + 12] = {
        2, 0, 0, 0, 0, 9, 2, 0, 0, 0, 0, 1, 8, 0,
        0x45, 0, 0, 0, 0, 0, 0x40, 0, 64, 17, 0, 0,
    };
    const size_t udp_size = 8 + SIGNED_PACKET_LINE_SIZE;
    uint8_t *start = p;

    memcpy(p, head, sizeof head);
    sluice_tlv_put_be16(p + 14 + 2, 20 + udp_size);
    p = sluice_tlv_put_be32(p + sizeof head, 0x0a000001);
    p = sluice_tlv_put_be32(p, 0x0a000002);
    p = sluice_tlv_put_be16(p, 40000);
    p = sluice_tlv_put_be16(p, 514);
    p = sluice_tlv_put_be16(p, udp_size);
    p = sluice_tlv_put_be16(p, 0);
    memset(p, 'x', SIGNED_PACKET_LINE_SIZE);
    memcpy(p, "<13>", 4);
    return p + SIGNED_PACKET_LINE_SIZE - start;
}

/* Makes AUTH right again under 'key' after a change. */
static inline void
signed_packet_sign(struct signed_packet *p, const uint8_t *key)
{
    sluice_tlv_auth(key, p->bytes, p->size, p->auth_ofs,
                    p->bytes + p->auth_ofs);
}

static inline void
signed_packet_make(struct signed_packet *p,
                   const struct signed_packet_spec *spec)
{
    const struct sluice_tlv_constants constants = {
        .opt_class = SLUICE_TLV_CLASS,
        .has_vm = true,
        .has_tenant = spec->tenant != 0,
        .has_auth = spec->key != NULL,
        .ofp_port = spec->ofp_port,
        .tenant = spec->tenant,
        .vm = { 1, 2, 3 },
    };
    const struct sluice_tlv_stamp stamp = {
        .time_ns = UINT64_C(1789000000123456789),
        .epoch = spec->epoch,
        .number = spec->number,
        .activity = { 4, 5, 6 },
    };
    uint8_t *block = p->bytes + SLUICE_TLV_BASE_SIZE;

    size_t size = sluice_tlv_encode(block, &constants);
    sluice_tlv_stamp(block + sluice_tlv_stamp_offset(&constants), &stamp);
    p->bytes[0] = size / 4;
    p->bytes[1] = 0;
    sluice_tlv_put_be16(p->bytes + 2, SLUICE_TLV_PROTO_ETHERNET);
    sluice_tlv_put_be32(p->bytes + 4, spec->vni << 8);
    p->size = SLUICE_TLV_BASE_SIZE + size;
    p->auth_ofs = spec->key ? p->size - SLUICE_TLV_SIZE_AUTH : 0;
    p->size += signed_packet_frame(p->bytes + p->size);
    assert(p->size <= sizeof p->bytes);
    if (spec->key) {
        signed_packet_sign(p, spec->key);
    }
}

#endif /* tests/unit/signed-packet.h */
