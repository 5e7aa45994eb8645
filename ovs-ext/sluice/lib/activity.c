/* SPDX-License-Identifier: Apache-2.0
 *
 * Activity ids: see activity.h.  In: the metadata of packets, which hold what
 * a tunnel's other end sent, so nothing in them is trusted.  Out: ids.  Runs
 * in PMD threads, and in the handlers for packets that the slow path
 * executes. */

#include <config.h>

#include "sluice/activity.h"

#include <string.h>

#include "entropy.h"
#include "packets.h"
#include "util.h"

static uint64_t
rotate_left(uint64_t x, int n)
{
    return (x << n) | (x >> (64 - n));
}

/* Returns 64 random bits, from the public-domain generator xoshiro256** by
 * Blackman and Vigna.  256 bits of state and a seed from the operating system
 * keep 128-bit ids distinct over threads, hosts and time; they are no
 * secrets. */
static uint64_t
next_random(uint64_t s[4])
{
    uint64_t result = rotate_left(s[1] * 5, 7) * 9;
    uint64_t t = s[1] << 17;

    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotate_left(s[3], 45);
    return result;
}

/* Prepares for the packets of a batch. */
void
sluice_new_ids_init(struct sluice_new_ids *ids, struct sluice_random *random)
{
    uint64_t *s = random->s;

    while (OVS_UNLIKELY(!(s[0] | s[1] | s[2] | s[3]))) {
        get_entropy_or_die(s, sizeof random->s);
    }
    do {
        ids->next[0] = next_random(s);
    } while (!ids->next[0]);
    ids->next[1] = next_random(s);
}

/* Returns the first activity id in the 'size' bytes of GENEVE options (RFC
 * 8926, section 3.5) at 'options', or null if there is none of 'opt_class'
 * that is an id.  Nothing is looked at behind an option that does not fit. */
const uint8_t *
sluice_activity_find(const uint8_t *options, size_t size, uint16_t opt_class)
{
    while (size >= SLUICE_TLV_OPT_HEADER_SIZE) {
        const uint8_t *data = options + SLUICE_TLV_OPT_HEADER_SIZE;
        const size_t data_size = (options[3] & 0x1f) * 4;
        const size_t whole = SLUICE_TLV_OPT_HEADER_SIZE + data_size;

        if (whole > size) {
            return NULL;
        }
        if ((options[0] << 8 | options[1]) == opt_class
            && options[2] == SLUICE_TLV_TYPE_ACTIVITY
            && data_size == SLUICE_TLV_SIZE_ACTIVITY
            && !is_all_zeros(data, data_size)) {
            return data;
        }
        options += whole;
        size -= whole;
    }
    return NULL;
}

/* Returns the id that came in a tunnel's header with 'packet', or null.
 *
 * The datapath has a packet's options raw, and it is the datapath that runs
 * the action, also for the first packet of a flow.  Only a packet that an
 * OpenFlow controller has had and returned comes with options sorted into
 * tun_metadata fields.  It gets a new id. */
static const uint8_t *
find_in_tunnel(const struct dp_packet *packet, uint16_t opt_class)
{
    const struct flow_tnl *tnl = &packet->md.tunnel;

    if (!flow_tnl_dst_is_set(tnl) || !(tnl->flags & FLOW_TNL_F_UDPIF)) {
        return NULL;
    }
    return sluice_activity_find((const uint8_t *) tnl->metadata.opts.gnv,
                                MIN(tnl->metadata.present.len,
                                    sizeof tnl->metadata.opts.gnv),
                                opt_class);
}

/* Remembers the ids that the packets of 'batch' bring along in options of
 * 'opt_class', in place of those of the batch before. */
void
sluice_inherited_read(struct sluice_inherited *inherited,
                      const struct dp_packet_batch *batch,
                      uint16_t opt_class)
{
    struct dp_packet *packet;

    inherited->n = inherited->next = 0;
    DP_PACKET_BATCH_FOR_EACH (i, packet, batch) {
        const uint8_t *activity = find_in_tunnel(packet, opt_class);

        if (OVS_UNLIKELY(activity)) {
            struct sluice_inherited_id *id = &inherited->ids[inherited->n++];

            id->packet = packet;
            memcpy(id->activity, activity, sizeof id->activity);
        }
    }
}

/* Returns the id that 'packet' brought along, or null.  Packets must be asked
 * for in the order of their batch; some of them may have been lost. */
const uint8_t *
sluice_inherited_find(struct sluice_inherited *inherited,
                      const struct dp_packet *packet)
{
    for (size_t i = inherited->next; i < inherited->n; i++) {
        if (inherited->ids[i].packet == packet) {
            inherited->next = i + 1;
            return inherited->ids[i].activity;
        }
    }
    return NULL;
}
