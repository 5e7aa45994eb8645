/* SPDX-License-Identifier: Apache-2.0
 *
 * The datapath half of log_tunnel.  Flow translation emits one of
 *
 *      clone(log_tunnel(id=N,take),tnl_push(...),log_tunnel(id=N,stamp=OFS,
 *            mtu=MTU),...)
 *      clone(log_tunnel(id=N,take=metered),meter(M),log_tunnel(id=N,pass),
 *            tnl_push(...),log_tunnel(id=N,stamp=OFS,mtu=MTU),...)
 *      log_tunnel(id=N,drop=REASON)
 *
 * where N is the id of the ingress port in the registry.  Each packet passes
 * exactly one "take" or "drop", either of which uses up one sequence number;
 * what is taken and then lost shows as a gap at the receiver.
 *
 *      take    counts the batch, reserves its sequence numbers, remembers the
 *              activity ids that packets bring along, and sees to it that
 *              there is room for the header (see push-ready.h).  It stands
 *              before tnl_push, which may lose packets and clears their
 *              metadata.
 *      pass    counts those that the meter let pass.  It does not run if there
 *              are none, hence the counting on both sides of the meter.
 *      stamp   writes TIME, SEQUENCE and ACTIVITY into the option block,
 *              whose stamped part begins OFS bytes into the packet, then AUTH
 *              if that option is behind them, and corrects the checksum of the
 *              outer UDP header if there is one.  A packet larger than MTU
 *              becomes several: see odp-split.h.
 *      drop    counts the batch with a reason.  The packets go on, for what
 *              actions follow.
 *
 * No cooperation of the datapath is needed, so odp-execute.c runs these, and
 * they work the same in a PMD thread and in the slow path. */

#ifndef SLUICE_ODP_LOG_TUNNEL_H
#define SLUICE_ODP_LOG_TUNNEL_H 1

#include <stdint.h>

#include "sluice/port-registry.h"

struct dp_packet_batch;
struct ds;
struct nlattr;
struct ofpbuf;
struct sluice_odp_rest;

/* What to do, and what 'arg' means. */
enum sluice_odp_op {
    SLUICE_ODP_TAKE,            /* 'arg' is SLUICE_ODP_F_METERED or 0. */
    SLUICE_ODP_STAMP,           /* 'arg' is an offset in the packet. */
    SLUICE_ODP_DROP,            /* 'arg' is an enum sluice_drop_reason. */
    SLUICE_ODP_PASS,            /* 'arg' is 0. */
};

/* In 'arg' of SLUICE_ODP_TAKE: a meter and SLUICE_ODP_PASS follow. */
#define SLUICE_ODP_F_METERED 1

/* Payload of OVS_ACTION_ATTR_LOG_TUNNEL. */
struct ovs_action_log_tunnel {
    uint32_t port_id;           /* Ingress port, see sluice_port_find(). */
    uint16_t op;                /* One of enum sluice_odp_op. */
    uint16_t arg;               /* Depends on 'op'. */
    uint16_t mtu;               /* Of the underlay, for "stamp"; 0: none. */
    uint16_t zero;
};

void sluice_odp_put(struct ofpbuf *odp_actions, uint32_t port_id,
                    enum sluice_odp_op, uint16_t arg);
void sluice_odp_set_mtu(struct ofpbuf *odp_actions, size_t ofs, uint16_t mtu);
void sluice_odp_format(const struct ovs_action_log_tunnel *, struct ds *);
int sluice_odp_parse(const char *, struct ofpbuf *odp_actions);
void sluice_odp_execute(struct dp_packet_batch *,
                        const struct ovs_action_log_tunnel *,
                        const struct sluice_odp_rest *);

#endif /* sluice/odp-log-tunnel.h */
