/* SPDX-License-Identifier: Apache-2.0
 *
 * The OpenFlow half of log_tunnel: the action as text, as a struct ofpact, and
 * on the wire.
 *
 *      log_tunnel(port=PORT[,port=PORT...][,dst=IP][,vm=UUID][,tenant=N]
 *                 [,meter=N][,owner=PID:UID][,activity=FIELD|HEX])
 *
 * sends a copy of the packet as it is at this point through GENEVE port PORT,
 * with the metadata that docs/wire-format describes.  The packet itself is not
 * changed: "log_tunnel(...),normal" copies, "log_tunnel(...)" redirects. */

#ifndef SLUICE_OFP_LOG_TUNNEL_H
#define SLUICE_OFP_LOG_TUNNEL_H 1

#include <stdint.h>

#include "openvswitch/ofp-actions.h"
#include "openvswitch/ofp-errors.h"
#include "openvswitch/types.h"

/* Our experimenter id: the locally administered OUI 02-53-4C, which nobody can
 * have been assigned. */
#define SLUICE_VENDOR_ID 0x0002534c

/* Which optional members of struct sluice_action_log_tunnel are present.  The
 * others must be zero. */
enum sluice_action_flags {
    SLUICE_ACTION_F_DST = 1 << 0,
    SLUICE_ACTION_F_VM = 1 << 1,
    SLUICE_ACTION_F_TENANT = 1 << 2,
    SLUICE_ACTION_F_METER = 1 << 3,
};

/* SLUICE_RAW_LOG_TUNNEL on the wire, in all versions of OpenFlow. */
struct sluice_action_log_tunnel {
    ovs_be16 type;              /* OFPAT_VENDOR. */
    ovs_be16 len;               /* Length is 56 or more. */
    ovs_be32 vendor;            /* SLUICE_VENDOR_ID. */
    ovs_be16 subtype;           /* 1. */
    ovs_be16 flags;             /* SLUICE_ACTION_F_*. */
    ovs_be32 port;              /* OpenFlow 1.1+ port number. */
    ovs_be32 tenant;            /* 1 to 0xffffff. */
    ovs_be32 meter;             /* 1 to OFPM13_MAX. */
    uint8_t dst[16];            /* IPv6 address, or IPv4-mapped. */
    uint8_t vm[16];             /* UUID in the order of RFC 4122. */
    /* Followed by properties, see ofp-log-tunnel-props.h. */
};

enum ofperr sluice_ofp_decode(const struct sluice_action_log_tunnel *,
                              struct ofpact_log_tunnel *);
void sluice_ofp_encode(const struct ofpact_log_tunnel *,
                       struct sluice_action_log_tunnel *);
char *sluice_ofp_parse(char *arg, const struct ofpact_parse_params *,
                       struct ofpact_log_tunnel *) OVS_WARN_UNUSED_RESULT;
void sluice_ofp_format(const struct ofpact_log_tunnel *,
                       const struct ofpact_format_params *);
uint32_t sluice_ofp_get_meter(const struct ofpact[], size_t ofpacts_len);
bool sluice_ofp_outputs_to_port(const struct ofpact_log_tunnel *, ofp_port_t);
enum ofperr sluice_ofp_check(const struct ofpact_log_tunnel *,
                             const struct ofpact_check_params *);

#endif /* sluice/ofp-log-tunnel.h */
