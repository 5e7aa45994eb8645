/* SPDX-License-Identifier: Apache-2.0
 *
 * Properties of the log_tunnel action on the wire: what follows the fixed part
 * of struct sluice_action_log_tunnel.
 *
 * A property is present only where its argument is, has a fixed size that is a
 * multiple of 8, and stands behind those of a lower type, so that there is one
 * way only to write an action; there may be several of the type PORT.  A new
 * argument gets a new type at the end; a switch that does not know it refuses
 * the action. */

#ifndef SLUICE_OFP_LOG_TUNNEL_PROPS_H
#define SLUICE_OFP_LOG_TUNNEL_PROPS_H 1

#include <stddef.h>

#include "openvswitch/ofp-actions.h"
#include "openvswitch/ofp-errors.h"
#include "openvswitch/types.h"

struct ofpbuf;

enum sluice_prop_type {
    SLUICE_PROP_OWNER = 1,
    SLUICE_PROP_ACTIVITY = 2,
    SLUICE_PROP_ACTIVITY_FIELD = 3,
    SLUICE_PROP_PORT = 4,
};

/* What each property begins with. */
struct sluice_prop {
    ovs_be16 type;              /* One of enum sluice_prop_type. */
    ovs_be16 len;               /* Of the whole property. */
};

/* owner=PID:UID. */
struct sluice_prop_owner {
    ovs_be16 type;              /* SLUICE_PROP_OWNER. */
    ovs_be16 len;               /* 16. */
    ovs_be32 pid;               /* Not 0. */
    ovs_be32 uid;
    uint8_t pad[4];             /* Must be zero. */
};

/* activity=HEX. */
struct sluice_prop_activity {
    ovs_be16 type;              /* SLUICE_PROP_ACTIVITY. */
    ovs_be16 len;               /* 24. */
    uint8_t pad[4];             /* Must be zero. */
    uint8_t activity[16];       /* Not all zeros. */
};

/* activity=FIELD.  Excludes SLUICE_PROP_ACTIVITY. */
struct sluice_prop_activity_field {
    ovs_be16 type;              /* SLUICE_PROP_ACTIVITY_FIELD. */
    ovs_be16 len;               /* 16. */
    ovs_be16 ofs;               /* First bit. */
    ovs_be16 n_bits;            /* 1 to 128. */
    ovs_be32 field;             /* NXM header. */
    uint8_t pad[4];             /* Must be zero. */
};

/* port=, each but the first, which stands in the fixed part.  Up to 7, all
 * different.  Excludes SLUICE_ACTION_F_DST. */
struct sluice_prop_port {
    ovs_be16 type;              /* SLUICE_PROP_PORT. */
    ovs_be16 len;               /* 8. */
    ovs_be32 port;              /* OpenFlow 1.1+ port number. */
};

enum ofperr sluice_props_decode(const void *props, size_t size,
                                struct ofpact_log_tunnel *);
void sluice_props_encode(const struct ofpact_log_tunnel *, struct ofpbuf *);

/* Arguments as text.  Parsers return null or a sentence that the caller must
 * free. */
char *sluice_props_parse_owner(const char *, struct ofpact_log_tunnel *)
    OVS_WARN_UNUSED_RESULT;
char *sluice_props_parse_activity(const char *, struct ofpact_log_tunnel *)
    OVS_WARN_UNUSED_RESULT;
void sluice_props_format(const struct ofpact_log_tunnel *,
                         const struct ofpact_format_params *);

/* Longest that all properties of an action can be. */
enum { SLUICE_PROPS_MAX_SIZE = (sizeof(struct sluice_prop_owner)
                                + sizeof(struct sluice_prop_activity)
                                + 7 * sizeof(struct sluice_prop_port)) };

#endif /* sluice/ofp-log-tunnel-props.h */
