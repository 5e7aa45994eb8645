/* SPDX-License-Identifier: Apache-2.0
 *
 * The datapath half of log_tunnel: see odp-log-tunnel.h.  In: batches of
 * packets from odp-execute.c, strings from odp-util.c.  Out: the same batches,
 * counted and stamped.  Runs in PMD threads: takes no lock, allocates nothing
 * but the parts of what is too large to be sent whole. */

#include <config.h>

#include "sluice/odp-log-tunnel.h"

#include <errno.h>
#include <time.h>

#include "csum.h"
#include "dp-packet.h"
#include "netlink.h"
#include "odp-netlink.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/ofpbuf.h"
#include "ovs-thread.h"
#include "packets.h"
#include "sluice/activity.h"
#include "sluice/auth-key.h"
#include "sluice/odp-split.h"
#include "sluice/ovs-compat.h"
#include "sluice/push-ready.h"
#include "timeval.h"
#include "util.h"

/* What a thread remembers. */
struct thread_state {
    /* From "take" to "stamp".  Not a pointer to the port: should "stamp" never
     * come, because tnl_push lost the whole batch, it would outlive it. */
    bool is_taken;              /* Whether the others are valid. */
    uint32_t port_id;           /* Of the ingress port. */
    uint64_t index;             /* Of the first packet of the batch. */
    size_t n_metered;           /* Packets that "pass" may count. */
    struct sluice_inherited inherited; /* Activity ids. */

    struct sluice_random random;
};

DEFINE_STATIC_PER_THREAD_DATA(struct thread_state, thread_state,
                              { .is_taken = false })

static void take(struct thread_state *, struct dp_packet_batch *,
                 uint32_t port_id, uint16_t flags);
static void pass(struct thread_state *, const struct dp_packet_batch *,
                 uint32_t port_id);
static void stamp(struct thread_state *, struct dp_packet_batch *,
                  const struct ovs_action_log_tunnel *,
                  const struct sluice_odp_rest *);
static void count_drop(struct dp_packet_batch *, uint32_t port_id,
                       uint16_t reason);

/* Appends a log_tunnel action to 'odp_actions'. */
void
sluice_odp_put(struct ofpbuf *odp_actions, uint32_t port_id,
               enum sluice_odp_op op, uint16_t arg)
{
    struct ovs_action_log_tunnel a = {
        .port_id = port_id,
        .op = op,
        .arg = arg,
    };

    nl_msg_put_unspec(odp_actions, OVS_ACTION_ATTR_LOG_TUNNEL, &a, sizeof a);
}

/* Fills in 'mtu' in the "stamp" that sluice_odp_put() appended when 'odp_actions'
 * had 'ofs' bytes. */
void
sluice_odp_set_mtu(struct ofpbuf *odp_actions, size_t ofs, uint16_t mtu)
{
    struct nlattr *attr = ofpbuf_at_assert(odp_actions, ofs,
                                           NLA_HDRLEN + sizeof(
                                               struct ovs_action_log_tunnel));
    struct ovs_action_log_tunnel *a = CONST_CAST(
        struct ovs_action_log_tunnel *, nl_attr_get(attr));

    ovs_assert(nl_attr_type(attr) == OVS_ACTION_ATTR_LOG_TUNNEL
               && a->op == SLUICE_ODP_STAMP);
    a->mtu = mtu;
}

/* Appends 'a' to 'ds' the way sluice_odp_parse() reads it. */
void
sluice_odp_format(const struct ovs_action_log_tunnel *a, struct ds *ds)
{
    ds_put_format(ds, "log_tunnel(id=%"PRIu32",", a->port_id);
    switch ((enum sluice_odp_op) a->op) {
    case SLUICE_ODP_TAKE:
        ds_put_cstr(ds, a->arg & SLUICE_ODP_F_METERED
                    ? "take=metered)" : "take)");
        break;
    case SLUICE_ODP_PASS:
        ds_put_cstr(ds, "pass)");
        break;
    case SLUICE_ODP_STAMP:
        ds_put_format(ds, "stamp=%"PRIu16, a->arg);
        if (a->mtu) {
            ds_put_format(ds, ",mtu=%"PRIu16, a->mtu);
        }
        ds_put_char(ds, ')');
        break;
    case SLUICE_ODP_DROP:
        ds_put_format(ds, "drop=%s)", sluice_drop_reason_name(a->arg));
        break;
    default:
        ds_put_format(ds, "op=%"PRIu16")", a->op);
        break;
    }
}

/* If 's' begins with a log_tunnel action, appends it to 'odp_actions' and
 * returns its length.  If it begins with something else, returns 0.  If the
 * action is malformed, returns a negative errno value. */
int
sluice_odp_parse(const char *s, struct ofpbuf *odp_actions)
{
    char name[32];
    uint32_t id;
    uint16_t ofs, mtu;
    int n = 0;

    if (!ovs_scan(s, "log_tunnel(%n", &n)) {
        return 0;
    }
    if (ovs_scan(s, "log_tunnel(id=%"SCNu32",take)%n", &id, &n)) {
        sluice_odp_put(odp_actions, id, SLUICE_ODP_TAKE, 0);
        return n;
    }
    if (ovs_scan(s, "log_tunnel(id=%"SCNu32",take=metered)%n", &id, &n)) {
        sluice_odp_put(odp_actions, id, SLUICE_ODP_TAKE,
                       SLUICE_ODP_F_METERED);
        return n;
    }
    if (ovs_scan(s, "log_tunnel(id=%"SCNu32",pass)%n", &id, &n)) {
        sluice_odp_put(odp_actions, id, SLUICE_ODP_PASS, 0);
        return n;
    }
    if (ovs_scan(s, "log_tunnel(id=%"SCNu32",stamp=%"SCNu16",mtu=%"SCNu16")%n",
                 &id, &ofs, &mtu, &n)) {
        size_t start = odp_actions->size;

        sluice_odp_put(odp_actions, id, SLUICE_ODP_STAMP, ofs);
        sluice_odp_set_mtu(odp_actions, start, mtu);
        return n;
    }
    if (ovs_scan(s, "log_tunnel(id=%"SCNu32",stamp=%"SCNu16")%n",
                 &id, &ofs, &n)) {
        sluice_odp_put(odp_actions, id, SLUICE_ODP_STAMP, ofs);
        return n;
    }
    if (ovs_scan(s, "log_tunnel(id=%"SCNu32",drop=%31[a-z-])%n",
                 &id, name, &n)) {
        enum sluice_drop_reason reason;

        if (sluice_drop_reason_from_name(name, &reason)) {
            sluice_odp_put(odp_actions, id, SLUICE_ODP_DROP, reason);
            return n;
        }
    }
    return -EINVAL;
}

/* Executes 'a', behind which stands 'rest', on 'batch'.  Packets that cannot be
 * stamped are removed from 'batch' and freed; one that is too large to be sent
 * whole becomes the last of its parts, and 'rest' is executed here on the
 * others; for all other packets nothing changes but their stamps. */
void
sluice_odp_execute(struct dp_packet_batch *batch,
                   const struct ovs_action_log_tunnel *a,
                   const struct sluice_odp_rest *rest)
{
    switch ((enum sluice_odp_op) a->op) {
    case SLUICE_ODP_TAKE:
        take(thread_state_get(), batch, a->port_id, a->arg);
        break;
    case SLUICE_ODP_PASS:
        pass(thread_state_get(), batch, a->port_id);
        break;
    case SLUICE_ODP_STAMP:
        stamp(thread_state_get(), batch, a, rest);
        break;
    case SLUICE_ODP_DROP:
        count_drop(batch, a->port_id, a->arg);
        break;
    default:
        break;
    }
}

/* Counts 'batch' on 'port' and returns the index of its first packet. */
static uint64_t
take_batch(struct sluice_port *port, struct dp_packet_batch *batch)
{
    struct dp_packet *packet;
    uint64_t n_bytes = 0;

    DP_PACKET_BATCH_FOR_EACH (i, packet, batch) {
        n_bytes += dp_packet_get_send_len(packet);
    }
    return sluice_port_take(port, dp_packet_batch_size(batch), n_bytes);
}

/* Counts 'batch' as dropped for 'reason'.  If the port with 'port_id' is gone,
 * the entry for no port counts instead. */
static void
count_drop(struct dp_packet_batch *batch, uint32_t port_id, uint16_t reason)
{
    struct sluice_port *port = sluice_port_find(port_id);

    if (!port) {
        port = sluice_port_find(SLUICE_NO_PORT_ID);
        reason = SLUICE_DROP_PORT_GONE;
    }
    if (port && reason < SLUICE_N_DROP_REASONS) {
        take_batch(port, batch);
        sluice_port_count_drop(port, reason, dp_packet_batch_size(batch));
    }
}

/* Makes the packets of 'batch' ready for tnl_push, and removes those that
 * cannot be. */
static void
make_ready(struct dp_packet_batch *batch)
{
    const size_t n = dp_packet_batch_size(batch);
    struct dp_packet *packet;
    size_t i;

    DP_PACKET_BATCH_REFILL_FOR_EACH (i, n, packet, batch) {
        if (OVS_UNLIKELY(sluice_push_is_offloaded(packet))
            && !sluice_push_complete_checksum(packet)) {
            dp_packet_delete(packet);
            continue;
        }
        if (!sluice_push_has_room(packet)) {
            packet = sluice_push_make_room(packet);
        }
        dp_packet_batch_refill(batch, packet, i);
    }
}

static void
take(struct thread_state *state, struct dp_packet_batch *batch,
     uint32_t port_id, uint16_t flags)
{
    struct sluice_port *port = sluice_port_find(port_id);
    const size_t n = dp_packet_batch_size(batch);

    state->is_taken = port != NULL;
    state->n_metered = 0;
    if (!port) {
        count_drop(batch, port_id, SLUICE_DROP_PORT_GONE);
        make_ready(batch);
        return;
    }

    state->port_id = port_id;
    state->index = take_batch(port, batch);
    make_ready(batch);
    if (OVS_UNLIKELY(dp_packet_batch_size(batch) < n)) {
        sluice_port_count_drop(port, SLUICE_DROP_OFFLOAD,
                               n - dp_packet_batch_size(batch));
    }
    if (flags & SLUICE_ODP_F_METERED) {
        state->n_metered = dp_packet_batch_size(batch);
        sluice_port_count_metered(port, state->n_metered);
    }
    sluice_inherited_read(&state->inherited, batch, sluice_option_class());
}

/* Counts what the meter left in 'batch'.  Never more than "take" had counted,
 * whatever actions somebody made by hand. */
static void
pass(struct thread_state *state, const struct dp_packet_batch *batch,
     uint32_t port_id)
{
    size_t n = MIN(state->n_metered, dp_packet_batch_size(batch));

    state->n_metered = 0;
    if (n && state->is_taken && state->port_id == port_id) {
        struct sluice_port *port = sluice_port_find(port_id);

        if (port) {
            sluice_port_count_passed(port, n);
        }
    }
}

/* Returns the stamped part of the option block of 'packet', 'ofs' bytes into
 * it, or null if that is not what a pushed header of ours has there.  The
 * checks cost little and keep a hand-made datapath flow from writing into
 * other bytes. */
static uint8_t *
find_stamp(struct dp_packet *packet, uint16_t ofs)
{
    const struct udp_header *udp = dp_packet_l4(packet);
    uint8_t *p = (uint8_t *) dp_packet_data(packet) + ofs;
    size_t end = (size_t) ofs + SLUICE_TLV_STAMP_SIZE;

    if (!udp
        || end > dp_packet_size(packet)
        || p < (uint8_t *) (udp + 1) + SLUICE_TLV_BASE_SIZE
        || (p - (uint8_t *) udp) % 4
        || p[2] != SLUICE_TLV_TYPE_TIME
        || p[3] != SLUICE_TLV_SIZE_TIME / 4) {
        return NULL;
    }
    return p;
}

/* Adds the 64 bits in network byte order at 'p' to the partial checksum
 * 'sum', which has room for four billion 16-bit words. */
static uint64_t
add_to_sum(uint64_t sum, const uint8_t *p)
{
    uint32_t half[2];

    memcpy(half, p, sizeof half);
    return sum + half[0] + half[1];
}

/* Corrects the checksum of 'udp', which must have one, now that the zeros in
 * the stamped part of the option block at 'p', and in AUTH at 'auth' unless
 * that is null, have given way to what is there now (RFC 1624, with m = 0).
 * The headers of the options were part of it already, and so was ACTIVITY if
 * 'had_activity'. */
static void
update_checksum(struct udp_header *udp, const uint8_t *p, bool had_activity,
                const uint8_t *auth)
{
    const uint8_t *time = p + SLUICE_TLV_OPT_HEADER_SIZE;
    const uint8_t *sequence = time + SLUICE_TLV_WHOLE(TIME);
    const uint8_t *activity = sequence + SLUICE_TLV_WHOLE(SEQUENCE);
    uint64_t sum = (ovs_be16) ~udp->udp_csum;

    sum = add_to_sum(sum, time);
    sum = add_to_sum(sum, sequence);
    if (!had_activity) {
        sum = add_to_sum(sum, activity);
        sum = add_to_sum(sum, activity + SLUICE_TLV_SIZE_ACTIVITY / 2);
    }
    if (auth) {
        sum = add_to_sum(sum, auth);
    }
    sum = (sum >> 32) + (sum & UINT32_MAX);
    sum = (sum >> 32) + (sum & UINT32_MAX);
    udp->udp_csum = csum_finish(sum);
    if (!udp->udp_csum) {
        udp->udp_csum = htons(0xffff);
    }
}

/* Returns the data of the AUTH option of 'packet', whose stamped part is at
 * 'p', and stores how many bytes there are from the GENEVE base header to the
 * end of the inner frame.  Returns null if there is no such option.
 *
 * That the option is there says that the flow was translated when there was a
 * key; that lengths agree, that a pushed header of ours is around it. */
static uint8_t *
find_auth(struct dp_packet *packet, uint8_t *p, size_t *ret_size)
{
    struct udp_header *udp = dp_packet_l4(packet);
    const uint8_t *geneve = (const uint8_t *) (udp + 1);
    const uint8_t *options_end = (geneve + SLUICE_TLV_BASE_SIZE
                                  + (geneve[0] & 0x3f) * 4);
    const size_t size = ntohs(udp->udp_len);
    uint8_t *auth = p + SLUICE_TLV_STAMP_SIZE;

    if ((uint8_t *) udp + size > (uint8_t *) dp_packet_tail(packet)
        || options_end > (const uint8_t *) udp + size
        || auth + SLUICE_TLV_WHOLE(AUTH) > options_end
        || auth[2] != SLUICE_TLV_TYPE_AUTH
        || auth[3] != SLUICE_TLV_SIZE_AUTH / 4) {
        return NULL;
    }
    *ret_size = size - sizeof *udp;
    return auth + SLUICE_TLV_OPT_HEADER_SIZE;
}

/* Returns the activity id that the flow has put into the stamped part of an
 * option block at 'p', or null if each packet gets its own. */
static const uint8_t *
find_activity(const uint8_t *p)
{
    const uint8_t *activity = (p + SLUICE_TLV_STAMP_SIZE
                               - SLUICE_TLV_SIZE_ACTIVITY);

    return (is_all_zeros(activity, SLUICE_TLV_SIZE_ACTIVITY)
            ? NULL : activity);
}

/* Stores the activity id of 'packet', whose stamped part is at 'p'. */
static void
choose_activity(struct sluice_random *random,
                struct sluice_inherited *inherited,
                const struct dp_packet *packet, const uint8_t *p,
                uint8_t activity[SLUICE_TLV_SIZE_ACTIVITY])
{
    const uint8_t *given = find_activity(p);

    if (!given) {
        given = sluice_inherited_find(inherited, packet);
    }
    if (given) {
        memcpy(activity, given, SLUICE_TLV_SIZE_ACTIVITY);
    } else {
        sluice_activity_new(random, activity);
    }
}

/* Writes 'values' to the stamped part of an option block at 'p' in 'packet',
 * then AUTH under 'key', if there are both option and key.  (A flow that is
 * just about to change may have one without the other: without a key AUTH
 * stays zeros, and the receiver has the last word.) */
static void
write_stamp(struct dp_packet *packet, uint8_t *p,
            const struct sluice_tlv_stamp *values, const uint8_t *key)
{
    struct udp_header *udp = dp_packet_l4(packet);
    const uint8_t *geneve = (const uint8_t *) (udp + 1);
    size_t size;
    uint8_t *auth = key ? find_auth(packet, p, &size) : NULL;
    const bool has_csum = (udp->udp_csum
                           && !sluice_compat_udp_csum_is_pending(packet));
    const bool had_activity = has_csum && find_activity(p);

    sluice_tlv_stamp(p, values);
    if (auth) {
        sluice_tlv_auth(key, geneve, size, auth - geneve, auth);
    }
    if (has_csum) {
        update_checksum(udp, p, had_activity, auth);
    }
}

/* Stamps 'packet' with 'values' at 'p' and cuts it into parts, because it is
 * larger than 'mtu'. */
static enum sluice_split_result
stamp_large(struct dp_packet *packet, uint8_t *p, uint16_t mtu,
            const struct sluice_tlv_stamp *values, const uint8_t *key,
            struct sluice_parts *parts)
{
    sluice_tlv_stamp(p, values);
    return sluice_split(packet, p, mtu, values->number & UINT16_MAX, key,
                        parts);
}

/* Stamps 'batch', whose packets tnl_push has just given a header, and removes
 * those that "take" did not count, that have no such header, or that cannot
 * be sent: nothing leaves without time and sequence. */
static void
stamp(struct thread_state *state, struct dp_packet_batch *batch,
      const struct ovs_action_log_tunnel *a,
      const struct sluice_odp_rest *rest)
{
    const size_t n = dp_packet_batch_size(batch);
    const size_t max_size = ETH_HEADER_LEN + (a->mtu ? a->mtu : UINT16_MAX);
    struct sluice_port *port = (state->is_taken && state->port_id == a->port_id
                                ? sluice_port_find(a->port_id) : NULL);
    const uint64_t index = state->index;
    const uint8_t *key = sluice_auth_key();
    struct sluice_tlv_stamp values;
    struct sluice_inherited inherited;
    struct sluice_parts parts;
    uint64_t n_sent = 0, n_too_large = 0;
    struct dp_packet *packet;
    struct timespec now;
    size_t i;

    state->is_taken = false;
    if (!port) {
        dp_packet_delete_batch(batch, true);
        return;
    }

    xclock_gettime(CLOCK_REALTIME, &now);
    values.time_ns = now.tv_sec * UINT64_C(1000000000) + now.tv_nsec;
    sluice_parts_init(&parts, rest, n);

    /* What parts are sent through may have a "take" of its own. */
    inherited.n = inherited.next = 0;
    if (OVS_UNLIKELY(state->inherited.n)) {
        inherited = state->inherited;
    }

    DP_PACKET_BATCH_REFILL_FOR_EACH (i, n, packet, batch) {
        enum sluice_split_result result = SLUICE_SPLIT_OK;
        uint8_t *p = find_stamp(packet, a->arg);

        if (OVS_UNLIKELY(!p)) {
            dp_packet_delete(packet);
            continue;
        }
        sluice_port_sequence(port, index + i, &values.epoch, &values.number);
        choose_activity(&state->random, &inherited, packet, p,
                        values.activity);
        if (OVS_LIKELY(dp_packet_size(packet) <= max_size)) {
            write_stamp(packet, p, &values, key);
        } else {
            result = stamp_large(packet, p, a->mtu, &values, key, &parts);
        }
        if (OVS_UNLIKELY(result != SLUICE_SPLIT_OK)) {
            n_too_large += result == SLUICE_SPLIT_TOO_LARGE;
            dp_packet_delete(packet);
            continue;
        }
        dp_packet_batch_refill(batch, packet, i);
        n_sent++;
    }
    sluice_parts_flush(&parts);

    sluice_port_count_sent(port, n_sent);
    if (n_sent < n) {
        sluice_port_count_drop(port, SLUICE_DROP_TOO_LARGE, n_too_large);
        sluice_port_count_drop(port, SLUICE_DROP_MALFORMED,
                               n - n_sent - n_too_large);
    }
}
