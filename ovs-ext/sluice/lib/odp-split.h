/* SPDX-License-Identifier: Apache-2.0
 *
 * Cuts a packet that is too large for the underlay into parts (SPLIT), for
 * "stamp" of the datapath action: see odp-log-tunnel.h.
 *
 * In: a packet that tnl_push gave its header and that has its stamp.  Out: the
 * same packet as the last part, and the others through the rest of the list of
 * actions.  Runs in PMD threads and in the slow path.
 *
 *      before     header  options  | inner frame                      |
 *      part 0     header  options  SPLIT | first bytes |
 *      part 1     header  options  SPLIT | next bytes  |
 *      last part  header  options  SPLIT | rest |
 *
 * All parts have the same options but for SPLIT, which says that none of them
 * is a frame, and AUTH, which each has its own.  Lengths and checksums of the
 * outer headers are those of the part.
 *
 * The last part stays in the batch in the packet's place, so that nobody but
 * this file has to know of any other packet, and frames are complete at the
 * receiver in the order in which they stood in the batch, whole ones between
 * them included.  Only packets that are too large cost memory or time. */

#ifndef SLUICE_ODP_SPLIT_H
#define SLUICE_ODP_SPLIT_H 1

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dp-packet.h"
#include "odp-execute.h"

/* The actions that stand behind the one that is being executed. */
struct sluice_odp_rest {
    void *dp;                   /* For 'execute'. */
    const struct nlattr *actions;
    size_t size;                /* Bytes of 'actions'. */
    odp_execute_cb execute;
};

/* Parts on their way to the rest of the actions. */
struct sluice_parts {
    const struct sluice_odp_rest *rest;
    size_t burst;               /* How many go together. */
    struct dp_packet_batch batch;
};

/* Prepares for the packets of a batch of 'batch_size'.  Where a caller has
 * packets executed one at a time (dpif_execute_with_help()), so are parts. */
static inline void
sluice_parts_init(struct sluice_parts *parts,
                  const struct sluice_odp_rest *rest, size_t batch_size)
{
    parts->rest = rest;
    parts->burst = batch_size > 1 ? NETDEV_MAX_BURST : 1;
    dp_packet_batch_init(&parts->batch);
}

void sluice_parts_flush(struct sluice_parts *);

/* What became of a packet. */
enum sluice_split_result {
    SLUICE_SPLIT_OK,            /* It is the last part. */
    SLUICE_SPLIT_MALFORMED,     /* It has no header of ours; unchanged. */
    SLUICE_SPLIT_TOO_LARGE,     /* It needs more than 255 parts, or the MTU
                                 * has no room for one; unchanged. */
};

enum sluice_split_result
sluice_split(struct dp_packet *, const uint8_t *stamp, uint16_t mtu,
             uint16_t id, const uint8_t *key, struct sluice_parts *);

#endif /* sluice/odp-split.h */
