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
#include "packets.h"
#include "sluice/tlv.h"

/* Random generator of one thread.  All zeros: not seeded yet. */
struct sluice_random {
    uint64_t s[4];
};

/* New ids for a batch.  The first is random, and each further one is a step
 * away in the second half: never the same within a batch, and of any two
 * batches as improbably as if each were random.  The step, 2^64 divided by
 * the golden ratio, spreads them over all values, for who looks at some of the
 * bits alone. */
struct sluice_new_ids {
    uint64_t next[2];           /* The first is not 0. */
};
#define SLUICE_NEW_IDS_STEP UINT64_C(0x9e3779b97f4a7c15)

void sluice_new_ids_init(struct sluice_new_ids *, struct sluice_random *);

/* Goes from the id in 'ids', which is not all zeros and whose byte order is of
 * no interest, to the next. */
static inline void
sluice_new_ids_step(struct sluice_new_ids *ids)
{
    ids->next[1] += SLUICE_NEW_IDS_STEP;
}

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

/* Returns true if the packets of 'batch', which has some, came in from a
 * tunnel.  One flow took them all, so what holds for one, holds for all: the
 * port that they came in by, and what a flow did to them.  (Fragments that
 * ct() held back may join another flow's batch, see docs/flows.md; such a one
 * may get a new id.) */
static inline bool
sluice_inherited_may_be(const struct dp_packet_batch *batch)
{
    return flow_tnl_dst_is_set(&batch->packets[0]->md.tunnel);
}

void sluice_inherited_read(struct sluice_inherited *,
                           const struct dp_packet_batch *,
                           uint16_t opt_class);
const uint8_t *sluice_inherited_find(struct sluice_inherited *,
                                     const struct dp_packet *);

const uint8_t *sluice_activity_find(const uint8_t *options, size_t size,
                                    uint16_t opt_class);

#endif /* sluice/activity.h */
