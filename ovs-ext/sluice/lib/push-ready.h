/* SPDX-License-Identifier: Apache-2.0
 *
 * Makes packets ready for tnl_push, which cannot take all that come in:
 *
 *      headroom    What a driver leaves before a packet (128 bytes in DPDK)
 *                  may be less than what is put there, and the memory of a
 *                  driver cannot be made longer at that end:
 *                  dp_packet_resize() aborts.  The usual header fits, with 2
 *                  bytes left.
 *      checksums   A guest that negotiated checksum offload leaves them to
 *                  whoever sends the packet.  Inside a tunnel nobody would
 *                  complete them, so tnl_push drops such packets.
 *
 * "take" calls this in PMD threads and in the slow path. */

#ifndef SLUICE_PUSH_READY_H
#define SLUICE_PUSH_READY_H 1

#include <stdbool.h>

#include "dp-packet.h"
#include "sluice/ovs-compat.h"
#include "util.h"

struct nlattr;

size_t sluice_push_headroom(const struct nlattr *actions, size_t size);
struct dp_packet *sluice_push_make_room(struct dp_packet *, size_t headroom);
bool sluice_push_complete_checksum(struct dp_packet *);

/* Returns true if 'packet' has 'headroom', or room can be made by tnl_push
 * itself. */
static inline bool
sluice_push_has_room(const struct dp_packet *packet, size_t headroom)
{
    return (packet->source == DPBUF_MALLOC
            || dp_packet_headroom(packet) >= headroom);
}

/* Returns true if somebody else was to complete the checksum of 'packet', or
 * to cut it into segments. */
static inline bool
sluice_push_is_offloaded(const struct dp_packet *packet)
{
    return *dp_packet_ol_flags_ptr(packet) & SLUICE_COMPAT_OFFLOADED;
}

/* What the packets of a batch are like, all together.  The usual batch is
 * ready at one glance at each packet. */
struct sluice_push_survey {
    uint64_t n_bytes;
    uint64_t ol_flags;          /* Those that any has. */
    size_t headroom;            /* The least that any has. */
};

static inline struct sluice_push_survey
sluice_push_survey(const struct dp_packet_batch *batch)
{
    struct sluice_push_survey survey = { 0, 0, SIZE_MAX };
    const struct dp_packet *packet;

    DP_PACKET_BATCH_FOR_EACH (i, packet, batch) {
        size_t headroom = __packet_data(packet);

        survey.n_bytes += dp_packet_get_send_len(packet);
        survey.ol_flags |= *dp_packet_ol_flags_ptr(packet);
        survey.headroom = MIN(survey.headroom, headroom);
    }
    return survey;
}

/* Whether each packet of 'survey' has 'headroom' and no checksum missing. */
static inline bool
sluice_push_is_ready(const struct sluice_push_survey *survey, size_t headroom)
{
    return (survey->headroom >= headroom
            && !(survey->ol_flags & SLUICE_COMPAT_OFFLOADED));
}

#endif /* sluice/push-ready.h */
