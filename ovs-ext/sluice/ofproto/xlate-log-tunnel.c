/* SPDX-License-Identifier: Apache-2.0
 *
 * Translation of log_tunnel: see xlate-log-tunnel.h.  In: the action, the
 * ingress port's identity, the tunnel port's configuration.  Out: bytes of the
 * tunnel header and datapath actions.  Runs in handler and revalidator
 * threads; must give the same result for the same input, or flows would be
 * replaced all the time, and has no side effect but rate-limited warnings. */

#include <config.h>

#include "ofproto/sluice/xlate-log-tunnel.h"

#include "flow.h"
#include "netdev.h"
#include "netlink.h"
#include "odp-netlink.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/meta-flow.h"
#include "openvswitch/ofp-actions.h"
#include "openvswitch/vlog.h"
#include "packets.h"
#include "sluice/auth-key.h"
#include "sluice/odp-log-tunnel.h"
#include "sluice/rendezvous.h"
#include "unaligned.h"

VLOG_DEFINE_THIS_MODULE(sluice_xlate);

/* Begins the translation of 'action' for packets that came in on 'ingress',
 * number 'in_port', or on no port if 'ingress' is null.  Returns false if
 * they cannot be sent. */
bool
sluice_xlate_init(struct sluice_xlate *sx,
                  const struct ofpact_log_tunnel *action,
                  const struct sluice_port *ingress, ofp_port_t in_port)
{
    struct sluice_tlv_constants *c = &sx->constants;

    memset(sx, 0, sizeof *sx);
    sx->action = action;
    sx->ingress = ingress;
    if (!ingress) {
        sx->port_id = SLUICE_NO_PORT_ID;
        sx->reason = SLUICE_DROP_NO_INGRESS;
        return false;
    }
    sx->port_id = sluice_port_id(ingress);

    /* The action's arguments override what the port has, one by one. */
    const struct sluice_identity *identity = sluice_port_identity(ingress);
    c->opt_class = sluice_option_class();
    c->ofp_port = ntohl(ofputil_port_to_ofp11(in_port));
    c->has_vm = action->has_vm || identity->has_vm;
    if (c->has_vm) {
        memcpy(c->vm, action->has_vm ? action->vm : identity->vm,
               sizeof c->vm);
    }
    sx->has_tenant = action->has_tenant || identity->has_tenant;
    sx->tenant = action->has_tenant ? action->tenant : identity->tenant;
    c->has_owner = action->has_owner || identity->has_owner;
    c->owner_pid = (action->has_owner
                    ? action->owner_pid : identity->owner_pid);
    c->owner_uid = (action->has_owner
                    ? action->owner_uid : identity->owner_uid);
    memcpy(c->activity, action->activity, sizeof c->activity);
    c->has_auth = sluice_auth_key() != NULL;

    if (!c->has_vm && !sx->has_tenant) {
        static struct vlog_rate_limit rl = VLOG_RATE_LIMIT_INIT(5, 5);

        VLOG_WARN_RL(&rl, "%s: log_tunnel does not send packets from here, "
                     "since the interface has neither external_ids:vm-id nor "
                     "external_ids:sluice-tenant",
                     sluice_port_name(ingress));
        sx->reason = SLUICE_DROP_UNCONFIGURED;
        return false;
    }

    /* A flow has the datapath's meter from the check when it was added.  What
     * came another way is not sent at all: the limit protects somebody. */
    if (action->meter_id && action->provider_meter_id == UINT32_MAX) {
        sx->reason = SLUICE_DROP_NO_METER;
        return false;
    }
    return true;
}

/* Takes the activity id from 'flow', if the action names a field of it, which
 * then is matched in 'wc': all packets of the datapath flow have the same id.
 * A field that the packet does not have reads as zeros, that is, as none. */
void
sluice_xlate_read_activity(struct sluice_xlate *sx, const struct flow *flow,
                           struct flow_wildcards *wc)
{
    const struct mf_subfield *src = &sx->action->activity_src;

    if (src->field && mf_are_prereqs_ok(src->field, flow, wc)) {
        union mf_subvalue value;

        mf_read_subfield(src, flow, &value);
        BUILD_ASSERT_DECL(sizeof value >= sizeof sx->constants.activity);
        memcpy(sx->constants.activity,
               value.u8 + sizeof value - sizeof sx->constants.activity,
               sizeof sx->constants.activity);
        memset(&value, 0xff, sizeof value);
        mf_write_subfield_flow(src, &value, &wc->masks);
    }
}

/* Checks a tunnel port, whose device is 'netdev', null if there is no such
 * port.  'is_native' says whether the datapath does tunnels itself.  Returns
 * true and where packets go there, or false and stores the reason. */
static bool
check_port(const struct ofpact_log_tunnel *a, const struct netdev *netdev,
           bool is_native, struct sluice_destination *ret,
           enum sluice_drop_reason *ret_reason)
{
    const struct netdev_tunnel_config *config;

    if (!netdev) {
        *ret_reason = SLUICE_DROP_NO_PORT;
        return false;
    }
    config = netdev_get_tunnel_config(netdev);
    if (!config || strcmp(netdev_get_type(netdev), "geneve")) {
        *ret_reason = SLUICE_DROP_NOT_GENEVE;
    } else if (!is_native) {
        *ret_reason = SLUICE_DROP_NOT_NATIVE;
    } else if (config->ip_dst_flow && !a->has_dst) {
        *ret_reason = SLUICE_DROP_NO_DST;
    } else if (!config->ip_dst_flow && a->has_dst
               && !ipv6_addr_equals(&config->ipv6_dst, &a->dst)) {
        *ret_reason = SLUICE_DROP_DST_CONFLICT;
    } else {
        ret->ip = a->has_dst ? a->dst : config->ipv6_dst;
        ret->udp_port = ntohs(config->dst_port);
        return true;
    }
    return false;
}

/* Returns the weight of 'destination' for the packets that 'sx' is about. */
static uint64_t
proxy_weight(const struct sluice_xlate *sx,
             const struct sluice_destination *destination)
{
    const struct sluice_tlv_constants *c = &sx->constants;
    uint8_t proxy[sizeof destination->ip + 2];
    uint8_t port[8];

    memcpy(proxy, &destination->ip, sizeof destination->ip);
    sluice_tlv_put_be16(proxy + sizeof destination->ip,
                        destination->udp_port);
    sluice_tlv_put_be32(sluice_tlv_put_be32(port, sx->tenant), c->ofp_port);
    return (c->has_vm
            ? sluice_rendezvous_weight(c->vm, sizeof c->vm,
                                       proxy, sizeof proxy)
            : sluice_rendezvous_weight(port, sizeof port,
                                       proxy, sizeof proxy));
}

/* Chooses one of the action's ports, of which 'proxies' has what is known, in
 * the same order.  'is_native' says whether the datapath does tunnels itself.
 * Returns false if nothing can be sent.
 *
 * Whether it is live counts only where there is a choice: a single port is the
 * best there is.  What none gets is counted for the one that it should have
 * gone to, so that this one proxy sees it missing. */
bool
sluice_xlate_choose(struct sluice_xlate *sx,
                    const struct sluice_proxy *proxies, bool is_native)
{
    const struct ofpact_log_tunnel *a = sx->action;
    struct sluice_destination best, favourite;
    uint64_t best_weight = 0, favourite_weight = 0;
    bool has_favourite = false;

    sx->reason = SLUICE_N_DROP_REASONS;
    for (size_t i = 0; i < a->n_ports; i++) {
        struct sluice_destination destination = { .tunnel = a->ports[i] };
        enum sluice_drop_reason reason;

        if (!check_port(a, proxies[i].netdev, is_native, &destination,
                        &reason)) {
            if (sx->reason == SLUICE_N_DROP_REASONS) {
                sx->reason = reason;
            }
            continue;
        }

        uint64_t weight = (a->n_ports > 1
                           ? proxy_weight(sx, &destination) : 0);
        if (!has_favourite || weight > favourite_weight) {
            has_favourite = true;
            favourite = destination;
            favourite_weight = weight;
        }
        if (a->n_ports == 1 || proxies[i].is_live) {
            if (!sx->n_live++ || weight > best_weight) {
                best = destination;
                best_weight = weight;
            }
        }
    }

    if (!has_favourite) {
        return false;
    }
    sx->reason = SLUICE_DROP_NO_PROXY;
    if (sx->n_live) {
        sx->reason = SLUICE_DROP_REFUSED;
        sx->port = best.tunnel;
        favourite = best;
    }
    if (!sluice_port_find_destination(sx->ingress, &favourite,
                                      &sx->port_id)) {
        sx->reason = SLUICE_DROP_TOO_MANY;
        return false;
    }
    return sx->n_live > 0;
}

/* Makes 'tnl' what the output to the tunnel port shall use, keeping nothing of
 * the tunnel that the packet may have come from.  The table of options stays,
 * for code that expects one; no option of it is present. */
void
sluice_xlate_set_tunnel(const struct sluice_xlate *sx, struct flow_tnl *tnl)
{
    const struct ofpact_log_tunnel *a = sx->action;
    const struct tun_table *tab = tnl->metadata.tab;

    memset(tnl, 0, sizeof *tnl);
    tnl->metadata.tab = tab;
    tnl->tun_id = htonll(sx->tenant);
    if (a->has_dst) {
        tnl->ip_dst = in6_addr_get_mapped_ipv4(&a->dst);
        if (!tnl->ip_dst) {
            tnl->ipv6_dst = a->dst;
        }
    }
}

/* Appends our options to the GENEVE header in 'push', which has none yet, and
 * sets the VNI to the tenant, whatever key the port is configured with. */
void
sluice_xlate_build(struct sluice_xlate *sx, struct ovs_action_push_tnl *push)
{
    uint8_t *header = (uint8_t *) push->header;
    struct genevehdr *gnh = ALIGNED_CAST(
        struct genevehdr *, header + push->header_len - SLUICE_TLV_BASE_SIZE);
    uint8_t *block = header + push->header_len;

    BUILD_ASSERT_DECL(sizeof *gnh == SLUICE_TLV_BASE_SIZE);
    BUILD_ASSERT_DECL(sizeof push->header
                      >= (ETH_HEADER_LEN + IPV6_HEADER_LEN + UDP_HEADER_LEN
                          + SLUICE_TLV_BASE_SIZE
                          + SLUICE_TLV_MAX_OPTIONS_SIZE));

    size_t size = sluice_tlv_encode(block, &sx->constants);
    put_16aligned_be32(&gnh->vni, htonl(sx->tenant << 8));
    gnh->opt_len = size / 4;
    gnh->oam = 0;
    gnh->critical = 0;
    sx->stamp_ofs = (push->header_len
                     + sluice_tlv_stamp_offset(&sx->constants));
    push->header_len += size;
}

/* Appends what must stand before tnl_push to 'odp_actions'.  The meter stands
 * behind "take", so that what it drops has a sequence number and is missed. */
void
sluice_xlate_put_take(const struct sluice_xlate *sx,
                      struct ofpbuf *odp_actions)
{
    if (!sx->action->meter_id) {
        sluice_odp_put(odp_actions, sx->port_id, SLUICE_ODP_TAKE, 0);
        return;
    }
    sluice_odp_put(odp_actions, sx->port_id, SLUICE_ODP_TAKE,
                   SLUICE_ODP_F_METERED);
    nl_msg_put_u32(odp_actions, OVS_ACTION_ATTR_METER,
                   sx->action->provider_meter_id);
    sluice_odp_put(odp_actions, sx->port_id, SLUICE_ODP_PASS, 0);
}

/* Appends what must stand right behind tnl_push to 'odp_actions'. */
void
sluice_xlate_put_stamp(struct sluice_xlate *sx, struct ofpbuf *odp_actions)
{
    sx->stamp_at = odp_actions->size;
    sluice_odp_put(odp_actions, sx->port_id, SLUICE_ODP_STAMP,
                   sx->stamp_ofs);
}

/* Takes note of the MTU of 'netdev', which the packets are output to with
 * their tunnel header on them. */
void
sluice_xlate_bound(struct sluice_xlate *sx, const struct netdev *netdev)
{
    int mtu;

    if (!netdev_get_mtu(netdev, &mtu) && mtu > 0 && mtu <= UINT16_MAX
        && (!sx->mtu || mtu < sx->mtu)) {
        sx->mtu = mtu;
    }
}

/* Fills in the MTU in what sluice_xlate_put_stamp() appended. */
void
sluice_xlate_put_mtu(const struct sluice_xlate *sx, struct ofpbuf *odp_actions)
{
    sluice_odp_set_mtu(odp_actions, sx->stamp_at, sx->mtu);
}

/* Ends the translation.  If nothing was output, appends an action that counts
 * each packet with the reason and returns an explanation of it, otherwise
 * returns null. */
const char *
sluice_xlate_finish(const struct sluice_xlate *sx, struct ofpbuf *odp_actions)
{
    if (sx->is_sent) {
        return NULL;
    }
    sluice_odp_put(odp_actions, sx->port_id, SLUICE_ODP_DROP, sx->reason);
    return sluice_drop_reason_text(sx->reason);
}

/* Appends a sentence to 'ds' that says what the packets carry. */
void
sluice_xlate_format(const struct sluice_xlate *sx, struct ds *ds)
{
    const struct sluice_tlv_constants *c = &sx->constants;

    ds_put_format(ds, "VNI %"PRIu32", options of class %#"PRIx16": META port "
                  "%"PRIu32, sx->tenant, c->opt_class, c->ofp_port);
    if (c->has_vm) {
        ds_put_cstr(ds, ", VM ");
        sluice_vm_format(c->vm, ds);
    }
    if (c->has_owner) {
        ds_put_format(ds, ", OWNER %"PRIu32":%"PRIu32,
                      c->owner_pid, c->owner_uid);
    }

    const bool has_activity = !is_all_zeros(c->activity, sizeof c->activity);
    if (has_activity) {
        ds_put_cstr(ds, ", ACTIVITY ");
        for (size_t i = 0; i < sizeof c->activity; i++) {
            ds_put_format(ds, "%02"PRIx8, c->activity[i]);
        }
    }
    ds_put_format(ds, "; TIME%s SEQUENCE%s%s are stamped on each packet",
                  has_activity && !c->has_auth ? " and" : ",",
                  has_activity ? "" : c->has_auth ? ", ACTIVITY"
                  : " and ACTIVITY",
                  c->has_auth ? " and AUTH" : "");
    if (sx->action->n_ports > 1) {
        ds_put_format(ds, "; sent to port %"PRIu32", one of %"PRIuSIZE" live "
                      "ones of %"PRIu8, sx->port, sx->n_live,
                      sx->action->n_ports);
    }
    if (sx->action->meter_id) {
        ds_put_format(ds, "; meter %"PRIu32" limits their rate",
                      sx->action->meter_id);
    }
}
