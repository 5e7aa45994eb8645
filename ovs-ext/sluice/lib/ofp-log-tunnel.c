/* SPDX-License-Identifier: Apache-2.0
 *
 * The OpenFlow half of log_tunnel: see ofp-log-tunnel.h.  ofp-actions.c calls
 * these functions, in ovs-ofctl as well as in ovs-vswitchd. */

#include <config.h>

#include "sluice/ofp-log-tunnel.h"

#include "colors.h"
#include "flow.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/ofp-parse.h"
#include "openvswitch/ofp-port.h"
#include "openvswitch/meta-flow.h"
#include "packets.h"
#include "sluice/ofp-log-tunnel-props.h"
#include "sluice/port-registry.h"
#include "util.h"

BUILD_ASSERT_DECL(sizeof(struct sluice_action_log_tunnel) == 56);
BUILD_ASSERT_DECL(SLUICE_TLV_SIZE_VM
                  == sizeof ((struct ofpact_log_tunnel *) 0)->vm);

/* Whether 'port' can be the number of a port that somebody made. */
static bool
port_is_ordinary(ofp_port_t port)
{
    return port && ofp_to_u16(port) < ofp_to_u16(OFPP_MAX);
}

/* Whether 'dst' is an address that one host can have. */
static bool
dst_is_unicast(const struct in6_addr *dst)
{
    ovs_be32 ip = in6_addr_get_mapped_ipv4(dst);

    return (IN6_IS_ADDR_V4MAPPED(dst)
            ? ip && ip != OVS_BE32_MAX && !ip_is_multicast(ip)
            : ipv6_addr_is_set(dst) && !ipv6_addr_is_multicast(dst));
}

/* Whether 'meter' can be the number of a meter that somebody made. */
static bool
meter_is_ordinary(uint32_t meter)
{
    return meter && meter <= OFPM13_MAX;
}

/* Decodes 'sal', whose length is at least that of the structure and has been
 * checked, into 'a'. */
enum ofperr
sluice_ofp_decode(const struct sluice_action_log_tunnel *sal,
                  struct ofpact_log_tunnel *a)
{
    uint16_t flags = ntohs(sal->flags);
    uint32_t tenant = ntohl(sal->tenant);
    uint32_t meter = ntohl(sal->meter);
    enum ofperr error;

    error = ofputil_port_from_ofp11(sal->port, &a->ports[0]);
    if (error) {
        return error;
    }
    a->n_ports = 1;

    if (flags & ~(SLUICE_ACTION_F_DST | SLUICE_ACTION_F_VM
                  | SLUICE_ACTION_F_TENANT | SLUICE_ACTION_F_METER)
        || (!(flags & SLUICE_ACTION_F_DST)
            && !is_all_zeros(sal->dst, sizeof sal->dst))
        || (!(flags & SLUICE_ACTION_F_VM)
            && !is_all_zeros(sal->vm, sizeof sal->vm))
        || (!(flags & SLUICE_ACTION_F_TENANT) && tenant)
        || (!(flags & SLUICE_ACTION_F_METER) && meter)) {
        return OFPERR_NXBRC_MUST_BE_ZERO;
    }

    a->has_dst = (flags & SLUICE_ACTION_F_DST) != 0;
    a->has_vm = (flags & SLUICE_ACTION_F_VM) != 0;
    a->has_tenant = (flags & SLUICE_ACTION_F_TENANT) != 0;
    a->tenant = tenant;
    a->meter_id = meter;
    a->provider_meter_id = UINT32_MAX;
    memcpy(&a->dst, sal->dst, sizeof a->dst);
    memcpy(a->vm, sal->vm, sizeof a->vm);
    if ((flags & SLUICE_ACTION_F_METER) && !meter_is_ordinary(meter)) {
        return OFPERR_OFPMMFC_INVALID_METER;
    }
    if ((a->has_dst && !dst_is_unicast(&a->dst))
        || (a->has_vm && is_all_zeros(a->vm, sizeof a->vm))
        || (a->has_tenant && (!tenant || tenant > SLUICE_TLV_MAX_TENANT))) {
        return OFPERR_OFPBAC_BAD_ARGUMENT;
    }
    return sluice_props_decode(sal + 1, ntohs(sal->len) - sizeof *sal, a);
}

/* Encodes the fixed part of 'a' into 'sal', of which type, length, vendor and
 * subtype are set and all else is zero. */
void
sluice_ofp_encode(const struct ofpact_log_tunnel *a,
                  struct sluice_action_log_tunnel *sal)
{
    sal->flags = htons((a->has_dst ? SLUICE_ACTION_F_DST : 0)
                       | (a->has_vm ? SLUICE_ACTION_F_VM : 0)
                       | (a->has_tenant ? SLUICE_ACTION_F_TENANT : 0)
                       | (a->meter_id ? SLUICE_ACTION_F_METER : 0));
    sal->port = ofputil_port_to_ofp11(a->ports[0]);
    sal->tenant = htonl(a->tenant);
    sal->meter = htonl(a->meter_id);
    memcpy(sal->dst, &a->dst, sizeof sal->dst);
    memcpy(sal->vm, a->vm, sizeof sal->vm);
}

static char *
parse_port(const char *value, const struct ofputil_port_map *port_map,
           struct ofpact_log_tunnel *a)
{
    ofp_port_t port;

    if (!ofputil_port_from_string(value, port_map, &port)) {
        return xasprintf("log_tunnel: port=%s is neither the name of a port "
                         "of the bridge nor a port number; give a GENEVE "
                         "port as \"ovs-ofctl show\" lists it", value);
    }
    if (!port_is_ordinary(port)) {
        return xasprintf("log_tunnel: port=%s is a reserved port, which "
                         "cannot be a tunnel; give the name or number of a "
                         "GENEVE port", value);
    }
    if (sluice_ofp_outputs_to_port(a, port)) {
        return xasprintf("log_tunnel: port=%s is given twice; leave one out",
                         value);
    }
    if (a->n_ports >= ARRAY_SIZE(a->ports)) {
        return xasprintf("log_tunnel: port=%s is one too many; give at most "
                         "%"PRIuSIZE, value, ARRAY_SIZE(a->ports));
    }
    a->ports[a->n_ports++] = port;
    return NULL;
}

static char *
parse_dst(const char *value, struct in6_addr *dst)
{
    ovs_be32 ip;

    if (ip_parse(value, &ip)) {
        in6_addr_set_mapped_ipv4(dst, ip);
    } else if (!ipv6_parse(value, dst)) {
        return xasprintf("log_tunnel: dst=%s is not an IP address; write it "
                         "like 192.0.2.1 or 2001:db8::1", value);
    }
    if (!dst_is_unicast(dst)) {
        return xasprintf("log_tunnel: dst=%s is not the address of a single "
                         "host; give the one of the proxy", value);
    }
    return NULL;
}

static char *
parse_meter(const char *value, uint32_t *meterp)
{
    unsigned int meter;

    if (!str_to_uint(value, 0, &meter) || !meter_is_ordinary(meter)) {
        return xasprintf("log_tunnel: meter=%s is not the number of a meter; "
                         "give one that \"ovs-ofctl -O OpenFlow13 "
                         "dump-meters\" lists", value);
    }
    *meterp = meter;
    return NULL;
}

/* Parses 'arg', what stands between the parentheses, into 'a'.  Returns null
 * if successful, otherwise a sentence that the caller must free. */
char *
sluice_ofp_parse(char *arg, const struct ofpact_parse_params *pp,
                 struct ofpact_log_tunnel *a)
{
    bool has_activity = false;
    bool has_port = false;
    bool has_meter = false;
    char *key, *value;

    a->provider_meter_id = UINT32_MAX;
    while (ofputil_parse_key_value(&arg, &key, &value)) {
        bool *seen = (!strcmp(key, "port") ? &has_port
                      : !strcmp(key, "dst") ? &a->has_dst
                      : !strcmp(key, "vm") ? &a->has_vm
                      : !strcmp(key, "tenant") ? &a->has_tenant
                      : !strcmp(key, "meter") ? &has_meter
                      : !strcmp(key, "owner") ? &a->has_owner
                      : !strcmp(key, "activity") ? &has_activity
                      : NULL);
        char *error = NULL;

        if (!seen) {
            return xasprintf("log_tunnel: there is no argument \"%s\"; use "
                             "port, dst, vm, tenant, meter, owner and "
                             "activity", key);
        }
        if (*seen && seen != &has_port) {
            return xasprintf("log_tunnel: %s= is given twice; leave one out",
                             key);
        }
        *seen = true;

        if (seen == &has_port) {
            error = parse_port(value, pp->port_map, a);
        } else if (seen == &a->has_dst) {
            error = parse_dst(value, &a->dst);
        } else if (seen == &a->has_vm) {
            if (!sluice_vm_from_string(value, a->vm)) {
                error = xasprintf("log_tunnel: vm=%s is not the UUID of a "
                                  "machine; write it like 123e4567-e89b-12d3-"
                                  "a456-426614174000", value);
            }
        } else if (seen == &has_meter) {
            error = parse_meter(value, &a->meter_id);
        } else if (seen == &a->has_owner) {
            error = sluice_props_parse_owner(value, a);
        } else if (seen == &has_activity) {
            error = sluice_props_parse_activity(value, a);
        } else if (!sluice_tenant_from_string(value, &a->tenant)) {
            error = xasprintf("log_tunnel: tenant=%s is not a number from 1 "
                              "to %d; it has to fit the 24 bits of a VNI",
                              value, SLUICE_TLV_MAX_TENANT);
        }
        if (error) {
            return error;
        }
    }

    if (!has_port) {
        return xstrdup("log_tunnel: port= is missing; give the name or "
                       "number of a GENEVE port of the bridge");
    }
    if (a->has_dst && a->n_ports > 1) {
        return xstrdup("log_tunnel: dst= does not go with several ports; set "
                       "options:remote_ip of each to the address of a proxy");
    }
    return NULL;
}

/* Appends 'a' to 'fp->s' the way sluice_ofp_parse() reads it. */
void
sluice_ofp_format(const struct ofpact_log_tunnel *a,
                  const struct ofpact_format_params *fp)
{
    ds_put_format(fp->s, "%slog_tunnel(%s%sport=%s", colors.paren, colors.end,
                  colors.param, colors.end);
    ofputil_format_port(a->ports[0], fp->port_map, fp->s);
    for (size_t i = 1; i < a->n_ports; i++) {
        ds_put_format(fp->s, ",%sport=%s", colors.param, colors.end);
        ofputil_format_port(a->ports[i], fp->port_map, fp->s);
    }
    if (a->has_dst) {
        ds_put_format(fp->s, ",%sdst=%s", colors.param, colors.end);
        ipv6_format_mapped(&a->dst, fp->s);
    }
    if (a->has_vm) {
        ds_put_format(fp->s, ",%svm=%s", colors.param, colors.end);
        sluice_vm_format(a->vm, fp->s);
    }
    if (a->has_tenant) {
        ds_put_format(fp->s, ",%stenant=%s%"PRIu32,
                      colors.param, colors.end, a->tenant);
    }
    if (a->meter_id) {
        ds_put_format(fp->s, ",%smeter=%s%"PRIu32,
                      colors.param, colors.end, a->meter_id);
    }
    sluice_props_format(a, fp);
    ds_put_format(fp->s, "%s)%s", colors.paren, colors.end);
}

/* Returns the meter of the first log_tunnel action in 'ofpacts' that has one,
 * or in an action nested in those, or 0. */
uint32_t
sluice_ofp_get_meter(const struct ofpact ofpacts[], size_t ofpacts_len)
{
    const struct ofpact_log_tunnel *a;

    OFPACT_FOR_EACH_TYPE_FLATTENED (a, LOG_TUNNEL, ofpacts, ofpacts_len) {
        if (a->meter_id) {
            return a->meter_id;
        }
    }
    return 0;
}

/* Whether 'port' is among those that 'a' may output to. */
bool
sluice_ofp_outputs_to_port(const struct ofpact_log_tunnel *a, ofp_port_t port)
{
    for (size_t i = 0; i < a->n_ports; i++) {
        if (a->ports[i] == port) {
            return true;
        }
    }
    return false;
}

/* Checks what decoding cannot know.  A port that does not exist (yet) is legal
 * in OpenFlow; packets are then counted as dropped with that reason. */
enum ofperr
sluice_ofp_check(const struct ofpact_log_tunnel *a,
                 const struct ofpact_check_params *cp)
{
    for (size_t i = 0; i < a->n_ports; i++) {
        if (!port_is_ordinary(a->ports[i])
            || ofp_to_u16(a->ports[i]) >= ofp_to_u16(cp->max_ports)) {
            return OFPERR_OFPBAC_BAD_OUT_PORT;
        }
    }
    return (a->activity_src.field
            ? mf_check_src(&a->activity_src, cp->match) : 0);
}
