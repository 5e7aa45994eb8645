/* SPDX-License-Identifier: Apache-2.0
 *
 * Translation of log_tunnel from OpenFlow to datapath actions.
 *
 * ofproto-dpif-xlate.c owns the order of things; the functions here say what
 * to put where.  For one log_tunnel action it calls
 *
 *      sluice_xlate_init()         is the ingress port known?
 *      sluice_xlate_choose()       which tunnel port, and is it one?
 *      sluice_xlate_read_activity() which id the flow gives its packets
 *      sluice_xlate_set_tunnel()   destination, into flow->tunnel
 *        (then the normal output to a tunnel port, within which)
 *        sluice_xlate_stage()      how far it got
 *        sluice_xlate_build()      our options, into the tnl_push header
 *        sluice_xlate_put_take()   before tnl_push
 *        sluice_xlate_put_stamp()  behind tnl_push
 *        sluice_xlate_bound()      each device that the underlay outputs to
 *        sluice_xlate_done()       something was output
 *      sluice_xlate_finish()       else: counts a drop with the reason
 *      sluice_xlate_format()       what "ofproto/trace" shows of the options
 *
 * so that each packet is either sent or counted, whatever happens between. */

#ifndef SLUICE_XLATE_LOG_TUNNEL_H
#define SLUICE_XLATE_LOG_TUNNEL_H 1

#include "sluice/port-registry.h"
#include "sluice/tlv.h"

struct ds;
struct flow;
struct flow_tnl;
struct flow_wildcards;
struct netdev;
struct ofpact_log_tunnel;
struct ofpbuf;
struct ovs_action_push_tnl;

/* A tunnel port that an action names. */
struct sluice_proxy {
    const struct netdev *netdev; /* Null: there is no such port. */
    bool is_live;               /* As far as Open vSwitch knows. */
};

/* One log_tunnel action while it is translated. */
struct sluice_xlate {
    const struct ofpact_log_tunnel *action;
    const struct sluice_port *ingress; /* Null: there is none. */
    struct sluice_tlv_constants constants; /* What goes into the options. */
    bool has_tenant;            /* Whether 'tenant' is valid. */
    uint32_t tenant;            /* The VNI says it, and no option. */
    uint32_t port_id;           /* Entry in the registry that counts. */
    ofp_port_t port;            /* Tunnel port, from sluice_xlate_choose(), */
    size_t n_live;              /* one of so many live ones. */
    uint16_t stamp_ofs;         /* Of the stamped part in the packet. */
    uint16_t mtu;               /* Smallest of the underlay's; 0: none. */
    size_t stamp_at;            /* Where in the actions the stamp is. */
    bool is_sent;               /* False until sluice_xlate_done(). */
    enum sluice_drop_reason reason; /* Valid while 'is_sent' is false. */
};

bool sluice_xlate_init(struct sluice_xlate *,
                       const struct ofpact_log_tunnel *,
                       const struct sluice_port *ingress, ofp_port_t in_port);
bool sluice_xlate_choose(struct sluice_xlate *, const struct sluice_proxy *,
                         bool is_native);
void sluice_xlate_read_activity(struct sluice_xlate *, const struct flow *,
                                struct flow_wildcards *);
void sluice_xlate_set_tunnel(const struct sluice_xlate *, struct flow_tnl *);
void sluice_xlate_build(struct sluice_xlate *, struct ovs_action_push_tnl *);
void sluice_xlate_put_take(const struct sluice_xlate *,
                           struct ofpbuf *odp_actions);
void sluice_xlate_put_stamp(struct sluice_xlate *,
                            struct ofpbuf *odp_actions);
void sluice_xlate_bound(struct sluice_xlate *, const struct netdev *);
void sluice_xlate_put_mtu(const struct sluice_xlate *,
                          struct ofpbuf *odp_actions);
const char *sluice_xlate_finish(const struct sluice_xlate *,
                                struct ofpbuf *odp_actions);
void sluice_xlate_format(const struct sluice_xlate *, struct ds *);

/* Records that, should output end here, it is for 'reason'.  'sx' is null for
 * output that is none of ours. */
static inline void
sluice_xlate_stage(struct sluice_xlate *sx, enum sluice_drop_reason reason)
{
    if (sx) {
        sx->reason = reason;
    }
}

/* Records that the packet was output by what is in 'odp_actions' by now.  'sx'
 * may be null. */
static inline void
sluice_xlate_done(struct sluice_xlate *sx, struct ofpbuf *odp_actions)
{
    if (sx) {
        sluice_xlate_put_mtu(sx, odp_actions);
        sx->is_sent = true;
    }
}

#endif /* sluice/xlate-log-tunnel.h */
