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
                 const struct ovs_action_log_tunnel *,
                 const struct sluice_odp_rest *);
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

/* Fills in 'mtu' in the "stamp" that sluice_odp_put() appended when
 * 'odp_actions' had 'ofs' bytes. */
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

/* Executes 'a', behind which stands 'rest', on 'batch'.  Packets that cannot
 * be stamped are removed from 'batch' and freed; one that is too large to be
 * sent whole becomes the last of its parts, and 'rest' is executed here on
 * the others; for all other packets nothing changes but their stamps. */
void
sluice_odp_execute(struct dp_packet_batch *batch,
                   const struct ovs_action_log_tunnel *a,
                   const struct sluice_odp_rest *rest)
{
    switch ((enum sluice_odp_op) a->op) {
    case SLUICE_ODP_TAKE:
        take(thread_state_get(), batch, a, rest);
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

/* Makes the packets of 'batch' ready for tnl_push and what is behind it, which
 * need 'headroom', and removes those that cannot be. */
static void
make_ready(struct dp_packet_batch *batch, size_t headroom)
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
        if (!sluice_push_has_room(packet, headroom)) {
            packet = sluice_push_make_room(packet, headroom);
        }
        dp_packet_batch_refill(batch, packet, i);
    }
}

static void
take(struct thread_state *state, struct dp_packet_batch *batch,
     const struct ovs_action_log_tunnel *a,
     const struct sluice_odp_rest *rest)
{
    struct sluice_port *port = sluice_port_find(a->port_id);
    const size_t headroom = sluice_push_headroom(rest->actions, rest->size);
    const size_t n = dp_packet_batch_size(batch);

    state->is_taken = port != NULL;
    state->n_metered = 0;
    if (!port) {
        count_drop(batch, a->port_id, SLUICE_DROP_PORT_GONE);
        make_ready(batch, headroom);
        return;
    }

    const struct sluice_push_survey survey = sluice_push_survey(batch);

    state->port_id = a->port_id;
    state->index = sluice_port_take(port, n, survey.n_bytes);
    if (OVS_UNLIKELY(!sluice_push_is_ready(&survey, headroom))) {
        make_ready(batch, headroom);
        if (dp_packet_batch_size(batch) < n) {
            sluice_port_count_drop(port, SLUICE_DROP_OFFLOAD,
                                   n - dp_packet_batch_size(batch));
        }
    }
    if (a->arg & SLUICE_ODP_F_METERED) {
        state->n_metered = dp_packet_batch_size(batch);
        sluice_port_count_metered(port, state->n_metered);
    }
    state->inherited.n = 0;
    if (OVS_UNLIKELY(!dp_packet_batch_is_empty(batch)
                     && sluice_inherited_may_be(batch))) {
        sluice_inherited_read(&state->inherited, batch,
                              sluice_option_class());
    }
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

/* Returns the first byte of 'packet', which is none to look at if that has no
 * data. */
static inline uint8_t *
first_byte(const struct dp_packet *packet)
{
    return (uint8_t *) dp_packet_base(packet) + __packet_data(packet);
}

/* Returns the stamped part of the option block of 'packet', 'ofs' bytes into
 * it, or null if that is not what a pushed header of ours has there.  The
 * checks cost little and keep a hand-made datapath flow from writing into
 * other bytes. */
static inline uint8_t *
find_stamp(const struct dp_packet *packet, size_t ofs)
{
    uint8_t *p = first_byte(packet) + ofs;
    /* The part is in the options that begin there.  If there is no L4, or not
     * before them, this is a very large number. */
    const size_t ofs_in_options = (ofs - (UDP_HEADER_LEN
                                          + SLUICE_TLV_BASE_SIZE)
                                   - packet->l4_ofs);
    ovs_be16 type_and_size;

    if (ofs_in_options > SLUICE_TLV_MAX_OPTIONS_SIZE
        || ofs_in_options % 4
        || ofs + SLUICE_TLV_STAMP_SIZE > dp_packet_size(packet)) {
        return NULL;
    }
    memcpy(&type_and_size, p + 2, sizeof type_and_size);
    return type_and_size == htons(SLUICE_TLV_TYPE_TIME << 8
                                  | SLUICE_TLV_SIZE_TIME / 4) ? p : NULL;
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
static inline const uint8_t *
find_activity(const uint8_t *p)
{
    const uint8_t *activity = (p + SLUICE_TLV_STAMP_SIZE
                               - SLUICE_TLV_SIZE_ACTIVITY);
    uint64_t half[2];

    BUILD_ASSERT_DECL(sizeof half == SLUICE_TLV_SIZE_ACTIVITY);
    memcpy(half, activity, sizeof half);
    return half[0] | half[1] ? activity : NULL;
}

/* Whether the outer UDP header of 'packet', in which find_stamp() found one,
 * has a checksum that is to be corrected. */
static inline bool
has_checksum(struct dp_packet *packet)
{
    ovs_be16 csum;

    memcpy(&csum, (first_byte(packet) + packet->l4_ofs
                   + offsetof(struct udp_header, udp_csum)), sizeof csum);
    return OVS_UNLIKELY(csum) && !sluice_compat_udp_csum_is_pending(packet);
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
    const bool has_csum = has_checksum(packet);
    const bool had_activity = has_csum && find_activity(p);

    sluice_tlv_stamp(p, values);
    if (auth) {
        sluice_tlv_auth(key, geneve, size, auth - geneve, auth);
    }
    if (has_csum) {
        update_checksum(udp, p, had_activity, auth);
    }
}

/* What is stamped, from packet to packet of a batch. */
struct stamper {
    size_t ofs;                 /* Of the stamped part in the packet. */
    uint16_t mtu;               /* Of the underlay; 0: none. */
    size_t max_size;            /* Of a packet that need not be cut. */
    const uint8_t *key;         /* Null: there is none. */

    uint64_t time_ns;
    uint64_t sequence;          /* See sluice_port_next(). */
    struct sluice_new_ids new_ids;
    struct sluice_inherited inherited; /* Ids that came from tunnels. */
    struct sluice_parts parts;
    uint64_t n_too_large;
};

/* Stamps the packets of 'batch' from 'i' on, as long as they are usual ones:
 * whole, without AUTH, with neither a checksum nor an activity id yet, and not
 * the last of an epoch.  That is four words at constant places for each, and
 * no more should it ever be.  Returns the index of the first that is
 * another. */
static size_t
stamp_usual(struct stamper *s, struct dp_packet_batch *batch, size_t i)
{
    const size_t n_in_epoch = UINT32_MAX - (uint32_t) s->sequence;
    const size_t end = i + MIN(dp_packet_batch_size(batch) - i, n_in_epoch);
    const size_t max_size = s->max_size;
    const size_t ofs = s->ofs;
    const uint64_t time_ns = s->time_ns;
    struct sluice_new_ids new_ids = s->new_ids;
    uint64_t sequence = s->sequence;

    for (; i < end; i++) {
        struct dp_packet *packet = batch->packets[i];
        uint8_t *p = find_stamp(packet, ofs);

        if (OVS_UNLIKELY(!p || dp_packet_size(packet) > max_size
                         || has_checksum(packet) || find_activity(p))) {
            break;
        }
        sluice_tlv_stamp_words(p, time_ns, sequence++, new_ids.next);
        sluice_new_ids_step(&new_ids);
    }
    s->sequence = sequence;
    s->new_ids = new_ids;
    return i;
}

/* Stamps 'packet', whatever it takes.  Returns false if it cannot be sent. */
static bool
stamp_any(struct stamper *s, struct dp_packet *packet)
{
    struct sluice_tlv_stamp values = {
        .time_ns = s->time_ns,
        .epoch = s->sequence >> 32,
        .number = s->sequence,
    };
    uint8_t *p = find_stamp(packet, s->ofs);
    const uint8_t *activity;

    s->sequence = sluice_port_next(s->sequence);
    if (!p) {
        return false;
    }

    activity = find_activity(p);
    if (!activity) {
        activity = sluice_inherited_find(&s->inherited, packet);
    }
    if (activity) {
        memcpy(values.activity, activity, sizeof values.activity);
    } else {
        memcpy(values.activity, s->new_ids.next, sizeof values.activity);
        sluice_new_ids_step(&s->new_ids);
    }
    if (dp_packet_size(packet) <= s->max_size) {
        write_stamp(packet, p, &values, s->key);
        return true;
    }

    sluice_tlv_stamp(p, &values);
    enum sluice_split_result result
        = sluice_split(packet, p, s->mtu, values.number & UINT16_MAX, s->key,
                       &s->parts);
    s->n_too_large += result == SLUICE_SPLIT_TOO_LARGE;
    return result == SLUICE_SPLIT_OK;
}

/* Stamps 'batch', and removes and frees what cannot be sent.  Returns how many
 * were left. */
static size_t
stamp_batch(struct stamper *s, struct dp_packet_batch *batch)
{
    const bool has_usual = !s->key && !s->inherited.n;
    const size_t n = dp_packet_batch_size(batch);
    size_t n_sent = 0;

    for (size_t i = 0; i < n; i++) {
        size_t end = has_usual ? stamp_usual(s, batch, i) : i;

        if (OVS_UNLIKELY(n_sent < i)) {
            memmove(&batch->packets[n_sent], &batch->packets[i],
                    (end - i) * sizeof batch->packets[0]);
        }
        n_sent += end - i;
        i = end;
        if (i < n) {
            struct dp_packet *packet = batch->packets[i];

            if (OVS_LIKELY(stamp_any(s, packet))) {
                batch->packets[n_sent++] = packet;
            } else {
                dp_packet_delete(packet);
            }
        }
    }
    batch->count = n_sent;
    return n_sent;
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
    struct sluice_port *port = (state->is_taken && state->port_id == a->port_id
                                ? sluice_port_find(a->port_id) : NULL);
    struct timespec now;
    uint32_t epoch, number;
    struct stamper s;
    size_t n_sent;

    state->is_taken = false;
    if (!port) {
        dp_packet_delete_batch(batch, true);
        return;
    }

    s.ofs = a->arg;
    s.mtu = a->mtu;
    s.max_size = ETH_HEADER_LEN + (a->mtu ? a->mtu : UINT16_MAX);
    s.key = sluice_auth_key();
    xclock_gettime(CLOCK_REALTIME, &now);
    s.time_ns = now.tv_sec * UINT64_C(1000000000) + now.tv_nsec;
    sluice_port_sequence(port, state->index, &epoch, &number);
    s.sequence = (uint64_t) epoch << 32 | number;
    sluice_new_ids_init(&s.new_ids, &state->random);
    sluice_parts_init(&s.parts, rest, n);
    s.n_too_large = 0;

    /* What parts are sent through may have a "take" of its own. */
    s.inherited.n = s.inherited.next = 0;
    if (OVS_UNLIKELY(state->inherited.n)) {
        s.inherited = state->inherited;
    }

    n_sent = stamp_batch(&s, batch);
    sluice_parts_flush(&s.parts);

    sluice_port_count_sent(port, n_sent);
    if (OVS_UNLIKELY(n_sent < n)) {
        sluice_port_count_drop(port, SLUICE_DROP_TOO_LARGE, s.n_too_large);
        sluice_port_count_drop(port, SLUICE_DROP_MALFORMED,
                               n - n_sent - s.n_too_large);
    }
}
