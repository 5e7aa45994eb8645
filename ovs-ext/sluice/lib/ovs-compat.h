/* SPDX-License-Identifier: Apache-2.0
 *
 * What differs between the versions of Open vSwitch that there are patches
 * for, so that our other files need not know which one they are in.  In: a
 * packet.  Out: what its offload flags mean for us.  Runs in PMD threads.
 *
 * A version is told by what its headers define.  Open vSwitch 3.1 completes
 * the checksums of a tunnel header when it pushes it.  Later versions only
 * mark them as missing, and the device or the code that sends completes them;
 * 3.5 does so with all checksums, those of the inner frame included. */

#ifndef SLUICE_OVS_COMPAT_H
#define SLUICE_OVS_COMPAT_H 1

#include <stdbool.h>

#include "dp-packet.h"
#include "openvswitch/compiler.h"

/* Offload flags of a packet whose checksums somebody else was to complete, or
 * which somebody else was to cut into segments. */
#ifdef DP_PACKET_OL_TX_ANY_CKSUM
#define SLUICE_COMPAT_OFFLOADED (DP_PACKET_OL_TX_TCP_SEG \
                                 | DP_PACKET_OL_TX_ANY_CKSUM)
#else
#define SLUICE_COMPAT_OFFLOADED (DP_PACKET_OL_TX_TCP_SEG \
                                 | DP_PACKET_OL_TX_L4_MASK)
#endif

/* Completes those checksums of 'packet' that only some versions leave to
 * others: that of its IP header, and all of a packet that has a tunnel header
 * already.  Returns true if none is missing then. */
static inline bool
sluice_compat_complete_checksums(struct dp_packet *packet OVS_UNUSED)
{
#ifdef DP_PACKET_OL_TX_ANY_CKSUM
    packet->csum_start = 0;
    packet->csum_offset = 0;
    if (dp_packet_hwol_is_tunnel(packet) && !dp_packet_hwol_is_tso(packet)) {
        dp_packet_ol_send_prepare(packet, 0);
        return true;
    }
    if (dp_packet_hwol_tx_ip_csum(packet)) {
        if (!dp_packet_ip_checksum_good(packet)) {
            dp_packet_ip_set_header_csum(packet, false);
            dp_packet_ol_set_ip_csum_good(packet);
        }
        dp_packet_hwol_reset_tx_ip_csum(packet);
    }
    if (dp_packet_l4_checksum_good(packet)
        && !dp_packet_hwol_is_tso(packet)) {
        dp_packet_hwol_reset_tx_l4_csum(packet);
    }
    return !(*dp_packet_ol_flags_ptr(packet) & SLUICE_COMPAT_OFFLOADED);
#else
    return false;
#endif
}

/* Returns true if the checksum in the outer UDP header of 'packet' is no
 * checksum yet but a mark, which gives way to one when the packet is sent. */
static inline bool
sluice_compat_udp_csum_is_pending(struct dp_packet *packet OVS_UNUSED)
{
#ifdef DP_PACKET_OL_TX_ANY_CKSUM
    return dp_packet_hwol_is_outer_udp_cksum(packet);
#else
    return false;
#endif
}

/* Notes that all checksums of 'packet' are there now, and that its bytes are
 * to be sent as they are. */
static inline void
sluice_compat_checksums_are_done(struct dp_packet *packet OVS_UNUSED)
{
#ifdef DP_PACKET_OL_TX_ANY_CKSUM
    *dp_packet_ol_flags_ptr(packet) &= (~DP_PACKET_OL_SUPPORTED_MASK
                                        | DP_PACKET_OL_RSS_HASH
                                        | DP_PACKET_OL_FLOW_MARK);
    packet->inner_l3_ofs = UINT16_MAX;
    packet->inner_l4_ofs = UINT16_MAX;
#endif
}

#endif /* sluice/ovs-compat.h */
