/* SPDX-License-Identifier: Apache-2.0
 *
 * Where the activity id of a log packet comes from: the first of
 *
 *      1. activity= of the action, unless it is all zeros
 *      2. the ACTIVITY option of the tunnel that the packet came in from
 *      3. a new one, from a random generator
 *
 * The first is known when the flow is translated and stands in the prebuilt
 * header.  The second must not be, or each packet would need a flow of its
 * own: it is read from the packet's metadata by "take", since tnl_push clears
 * those, and remembered until "stamp".
 *
 * Part of the datapath: takes no lock, allocates nothing. */

#ifndef SLUICE_ACTIVITY_H
#define SLUICE_ACTIVITY_H 1

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dp-packet.h"
#include "sluice/tlv.h"

/* Random generator of one thread.  All zeros: not seeded yet. */
struct sluice_random {
    uint64_t s[4];
};

void sluice_activity_new(struct sluice_random *,
                         uint8_t activity[SLUICE_TLV_SIZE_ACTIVITY]);

/* The ids that the packets of a batch brought along, in their order.  Packets
 * without one have no entry. */
struct sluice_inherited {
    size_t n;                   /* Entries in use. */
    size_t next;                /* The first that was not asked for yet. */
    struct sluice_inherited_id {
        const struct dp_packet *packet; /* Compared, never followed. */
        uint8_t activity[SLUICE_TLV_SIZE_ACTIVITY];
    } ids[NETDEV_MAX_BURST];
};

void sluice_inherited_read(struct sluice_inherited *,
                           const struct dp_packet_batch *,
                           uint16_t opt_class);
const uint8_t *sluice_inherited_find(struct sluice_inherited *,
                                     const struct dp_packet *);

const uint8_t *sluice_activity_find(const uint8_t *options, size_t size,
                                    uint16_t opt_class);

#endif /* sluice/activity.h */
