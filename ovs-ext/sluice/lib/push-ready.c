/* SPDX-License-Identifier: Apache-2.0
 *
 * Headroom and checksums for tnl_push: see push-ready.h.  In: a packet that is
 * ours to change.  Out: the packet, or another with the same content. */

#include <config.h>

#include "sluice/push-ready.h"

#include <netinet/in.h>

#include "csum.h"
#include "netlink.h"
#include "odp-netlink.h"
#include "packets.h"
#include "userspace-tso.h"
#include "util.h"

/* Room for what may be put before a packet behind our header, by actions of
 * the underlay or by its device: tags, labels, another tunnel. */
enum { UNDERLAY_HEADROOM = 64 };

static bool find_checksum(struct dp_packet *, uint8_t *ret_protocol,
                          ovs_be16 **ret_csum);
static uint32_t pseudo_header(struct dp_packet *, uint8_t protocol,
                              size_t l4_size);

/* Returns the bytes that the 'size' bytes of 'actions', those behind "take",
 * put before a packet.  That is the header, to the byte, in the usual case
 * that it is output right then; what else there may be is not looked into.
 * Where userspace TSO is on, a device puts a header of its own there. */
size_t
sluice_push_headroom(const struct nlattr *actions, size_t size)
{
    bool is_exact = !userspace_tso_enabled();
    size_t headroom = 0;
    const struct nlattr *a;
    size_t left;

    NL_ATTR_FOR_EACH_UNSAFE (a, left, actions, size) {
        const struct ovs_action_push_tnl *push;

        switch (nl_attr_type(a)) {
        case OVS_ACTION_ATTR_TUNNEL_PUSH:
            push = nl_attr_get(a);
            headroom += push->header_len;
            break;
        case OVS_ACTION_ATTR_OUTPUT:
        case OVS_ACTION_ATTR_LB_OUTPUT:
        case OVS_ACTION_ATTR_METER:
        case OVS_ACTION_ATTR_LOG_TUNNEL:
            break;
        default:
            is_exact = false;
            break;
        }
    }
    return headroom + (is_exact ? 0 : UNDERLAY_HEADROOM);
}

/* Moves the content of 'packet', which must lack 'headroom', towards the end
 * of its memory, or, where that is full, to a packet of the heap.  Returns the
 * packet that takes the place of 'packet' and has 'headroom'.
 *
 * Drivers let the content begin with a cache line; it still does afterwards,
 * so that the copy, and tnl_push right before it, write whole lines. */
struct dp_packet *
sluice_push_make_room(struct dp_packet *packet, size_t headroom)
{
    const size_t wanted = ROUND_UP(headroom, CACHE_LINE_SIZE);
    size_t missing = wanted - dp_packet_headroom(packet);

    if (dp_packet_tailroom(packet) >= missing) {
        dp_packet_shift(packet, missing);
    } else {
        struct dp_packet *old = packet;

        packet = dp_packet_clone_with_headroom(old, wanted);
        dp_packet_delete(old);
    }
    return packet;
}

/* Does what is left to do for the checksum of 'packet', and notes that it was
 * done.  A packet that hardware was to cut into segments becomes one large
 * segment; "stamp" splits what is larger than the underlay's MTU, and the
 * proxy joins it.  Returns false if 'packet' has no header of UDP or TCP. */
bool
sluice_push_complete_checksum(struct dp_packet *packet)
{
    size_t l4_size = dp_packet_l4_size(packet);
    uint8_t protocol;
    ovs_be16 *csum;
    uint32_t sum;

    if (sluice_compat_complete_checksums(packet)) {
        return true;
    }
    if (!find_checksum(packet, &protocol, &csum)) {
        return false;
    }

    sum = pseudo_header(packet, protocol, l4_size);
    *csum = 0;
    sum = csum_continue(sum, dp_packet_l4(packet), l4_size);
    *csum = csum_finish(sum);
    if (protocol == IPPROTO_UDP && !*csum) {
        *csum = htons(0xffff);
    }
    *dp_packet_ol_flags_ptr(packet) &= ~(DP_PACKET_OL_TX_TCP_SEG
                                         | DP_PACKET_OL_TX_L4_MASK
                                         | DP_PACKET_OL_TX_IPV4
                                         | DP_PACKET_OL_TX_IPV6);
    return true;
}

/* Finds the checksum that is to be completed in 'packet'.  Returns false if
 * there is none that we know. */
static bool
find_checksum(struct dp_packet *packet, uint8_t *ret_protocol,
              ovs_be16 **ret_csum)
{
    size_t l4_size = dp_packet_l4_size(packet);

    if (dp_packet_hwol_l4_is_udp(packet) && l4_size >= UDP_HEADER_LEN) {
        struct udp_header *udp = dp_packet_l4(packet);

        *ret_protocol = IPPROTO_UDP;
        *ret_csum = &udp->udp_csum;
        return true;
    }
    if ((dp_packet_hwol_l4_is_tcp(packet) || dp_packet_hwol_is_tso(packet))
        && l4_size >= TCP_HEADER_LEN) {
        struct tcp_header *tcp = dp_packet_l4(packet);

        *ret_protocol = IPPROTO_TCP;
        *ret_csum = &tcp->tcp_csum;
        return true;
    }
    return false;
}

/* Returns the sum of the pseudo-header of 'packet'. */
static uint32_t
pseudo_header(struct dp_packet *packet, uint8_t protocol, size_t l4_size)
{
    const struct ip_header *ip = dp_packet_l3(packet);
    uint32_t sum = 0;

    if (IP_VER(ip->ip_ihl_ver) == 4) {
        sum = csum_add32(sum, get_16aligned_be32(&ip->ip_src));
        sum = csum_add32(sum, get_16aligned_be32(&ip->ip_dst));
    } else {
        const struct ovs_16aligned_ip6_hdr *ip6 = dp_packet_l3(packet);

        sum = csum_continue(sum, &ip6->ip6_src, sizeof ip6->ip6_src);
        sum = csum_continue(sum, &ip6->ip6_dst, sizeof ip6->ip6_dst);
    }
    sum = csum_add16(sum, htons(protocol));
    return csum_add16(sum, htons(l4_size));
}
