/* SPDX-License-Identifier: Apache-2.0
 *
 * Makes packets ready for tnl_push, which cannot take all that come in:
 *
 *      headroom    What a driver leaves before a packet (128 bytes in DPDK) is
 *                  less than our header needs, and the memory of a driver
 *                  cannot be made longer at that end: dp_packet_resize()
 *                  aborts.
 *      checksums   A guest that negotiated checksum offload leaves them to
 *                  whoever sends the packet.  Inside a tunnel nobody would
 *                  complete them, so tnl_push drops such packets.
 *
 * "take" calls this in PMD threads and in the slow path. */

#ifndef SLUICE_PUSH_READY_H
#define SLUICE_PUSH_READY_H 1

#include <stdbool.h>

#include "dp-packet.h"
#include "packets.h"
#include "sluice/ovs-compat.h"
#include "sluice/tlv.h"
#include "util.h"

/* The most that is put before a packet, in whole cache lines. */
#define SLUICE_PUSH_HEADROOM \
    ROUND_UP(ETH_HEADER_LEN + IPV6_HEADER_LEN + UDP_HEADER_LEN \
             + SLUICE_TLV_BASE_SIZE + SLUICE_TLV_MAX_BLOCK_SIZE, \
             CACHE_LINE_SIZE)

struct dp_packet *sluice_push_make_room(struct dp_packet *);
bool sluice_push_complete_checksum(struct dp_packet *);

/* Returns true if 'packet' has room for our header, or room can be made by
 * tnl_push itself. */
static inline bool
sluice_push_has_room(const struct dp_packet *packet)
{
    return (packet->source == DPBUF_MALLOC
            || dp_packet_headroom(packet) >= SLUICE_PUSH_HEADROOM);
}

/* Returns true if somebody else was to complete the checksum of 'packet', or
 * to cut it into segments. */
static inline bool
sluice_push_is_offloaded(const struct dp_packet *packet)
{
    return sluice_compat_is_offloaded(packet);
}

#endif /* sluice/push-ready.h */
