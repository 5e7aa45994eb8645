/* SPDX-License-Identifier: Apache-2.0
 *
 * Properties of the log_tunnel action: see ofp-log-tunnel-props.h.  In: what
 * an OpenFlow controller or a user wrote, nothing in it trusted.  Out: members
 * of struct ofpact_log_tunnel.  Runs in ovs-ofctl and ovs-vswitchd. */

#include <config.h>

#include "sluice/ofp-log-tunnel-props.h"

#include "colors.h"
#include "nx-match.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/meta-flow.h"
#include "openvswitch/ofp-port.h"
#include "openvswitch/ofpbuf.h"
#include "sluice/ofp-log-tunnel.h"
#include "sluice/port-registry.h"
#include "unaligned.h"
#include "util.h"

BUILD_ASSERT_DECL(sizeof(struct sluice_prop_owner) == 16);
BUILD_ASSERT_DECL(sizeof(struct sluice_prop_activity) == 24);
BUILD_ASSERT_DECL(sizeof(struct sluice_prop_activity_field) == 16);
BUILD_ASSERT_DECL(sizeof(struct sluice_prop_port) == 8);
BUILD_ASSERT_DECL(SLUICE_TLV_SIZE_ACTIVITY
                  == sizeof ((struct ofpact_log_tunnel *) 0)->activity);

static enum ofperr
decode_owner(const void *data, struct ofpact_log_tunnel *a)
{
    const struct sluice_prop_owner *prop = data;

    if (!is_all_zeros(prop->pad, sizeof prop->pad)) {
        return OFPERR_NXBRC_MUST_BE_ZERO;
    }
    a->has_owner = true;
    a->owner_pid = ntohl(prop->pid);
    a->owner_uid = ntohl(prop->uid);
    return a->owner_pid ? 0 : OFPERR_OFPBAC_BAD_ARGUMENT;
}

static enum ofperr
decode_activity(const void *data, struct ofpact_log_tunnel *a)
{
    const struct sluice_prop_activity *prop = data;

    if (!is_all_zeros(prop->pad, sizeof prop->pad)) {
        return OFPERR_NXBRC_MUST_BE_ZERO;
    }
    a->has_activity = true;
    memcpy(a->activity, prop->activity, sizeof a->activity);
    return (is_all_zeros(a->activity, sizeof a->activity)
            ? OFPERR_OFPBAC_BAD_ARGUMENT : 0);
}

/* Whether an id can be read from 'sf'.  Fields whose length a controller
 * configures would make an action depend on that. */
static bool
field_can_be_activity(const struct mf_subfield *sf)
{
    return (sf->n_bits && sf->n_bits <= SLUICE_TLV_SIZE_ACTIVITY * 8
            && sf->ofs + sf->n_bits <= sf->field->n_bits
            && !sf->field->variable_len
            && mf_nxm_header(sf->field->id));
}

static enum ofperr
decode_activity_field(const void *data, struct ofpact_log_tunnel *a)
{
    const struct sluice_prop_activity_field *prop = data;
    const uint32_t header = ntohl(prop->field);
    struct mf_subfield sf = {
        .field = mf_from_nxm_header(header, NULL),
        .ofs = ntohs(prop->ofs),
        .n_bits = ntohs(prop->n_bits),
    };

    if (!is_all_zeros(prop->pad, sizeof prop->pad)) {
        return OFPERR_NXBRC_MUST_BE_ZERO;
    }
    if (!sf.field || mf_nxm_header(sf.field->id) != header
        || !field_can_be_activity(&sf) || a->has_activity) {
        return OFPERR_OFPBAC_BAD_ARGUMENT;
    }
    a->activity_src = sf;
    return 0;
}

static enum ofperr
decode_port(const void *data, struct ofpact_log_tunnel *a)
{
    const struct sluice_prop_port *prop = data;
    ofp_port_t port;
    enum ofperr error = ofputil_port_from_ofp11(prop->port, &port);

    if (error) {
        return error;
    }
    if (a->has_dst || a->n_ports >= ARRAY_SIZE(a->ports)
        || sluice_ofp_outputs_to_port(a, port)) {
        return OFPERR_OFPBAC_BAD_ARGUMENT;
    }
    a->ports[a->n_ports++] = port;
    return 0;
}

/* Decodes the 'size' bytes at 'props' into 'a', of which the fixed part has
 * been decoded. */
enum ofperr
sluice_props_decode(const void *props, size_t size,
                    struct ofpact_log_tunnel *a)
{
    static const struct {
        enum sluice_prop_type type;
        bool repeats;
        size_t size;
        enum ofperr (*decode)(const void *, struct ofpact_log_tunnel *);
    } known[] = {
        { SLUICE_PROP_OWNER, false, sizeof(struct sluice_prop_owner),
          decode_owner },
        { SLUICE_PROP_ACTIVITY, false, sizeof(struct sluice_prop_activity),
          decode_activity },
        { SLUICE_PROP_ACTIVITY_FIELD, false,
          sizeof(struct sluice_prop_activity_field), decode_activity_field },
        { SLUICE_PROP_PORT, true, sizeof(struct sluice_prop_port),
          decode_port },
    };
    const char *p = props;
    size_t i = 0;

    while (size) {
        struct sluice_prop header;

        if (size < sizeof header) {
            return OFPERR_OFPBAC_BAD_LEN;
        }
        memcpy(&header, p, sizeof header);
        while (i < ARRAY_SIZE(known)
               && known[i].type != ntohs(header.type)) {
            i++;
        }
        if (i >= ARRAY_SIZE(known)) {
            return OFPERR_OFPBPC_BAD_TYPE;
        }
        if (ntohs(header.len) != known[i].size || known[i].size > size) {
            return OFPERR_OFPBPC_BAD_LEN;
        }

        enum ofperr error = known[i].decode(p, a);
        if (error) {
            return error;
        }
        p += known[i].size;
        size -= known[i].size;
        i += !known[i].repeats;
    }
    return 0;
}

/* Appends the properties that 'a' has to 'out'. */
void
sluice_props_encode(const struct ofpact_log_tunnel *a, struct ofpbuf *out)
{
    if (a->has_owner) {
        struct sluice_prop_owner *prop = ofpbuf_put_zeros(out, sizeof *prop);

        prop->type = htons(SLUICE_PROP_OWNER);
        prop->len = htons(sizeof *prop);
        prop->pid = htonl(a->owner_pid);
        prop->uid = htonl(a->owner_uid);
    }
    if (a->has_activity) {
        struct sluice_prop_activity *prop = ofpbuf_put_zeros(out,
                                                             sizeof *prop);

        prop->type = htons(SLUICE_PROP_ACTIVITY);
        prop->len = htons(sizeof *prop);
        memcpy(prop->activity, a->activity, sizeof prop->activity);
    }
    if (a->activity_src.field) {
        struct sluice_prop_activity_field *prop
            = ofpbuf_put_zeros(out, sizeof *prop);

        prop->type = htons(SLUICE_PROP_ACTIVITY_FIELD);
        prop->len = htons(sizeof *prop);
        prop->ofs = htons(a->activity_src.ofs);
        prop->n_bits = htons(a->activity_src.n_bits);
        prop->field = htonl(mf_nxm_header(a->activity_src.field->id));
    }
    for (size_t i = 1; i < a->n_ports; i++) {
        struct sluice_prop_port *prop = ofpbuf_put_zeros(out, sizeof *prop);

        prop->type = htons(SLUICE_PROP_PORT);
        prop->len = htons(sizeof *prop);
        prop->port = ofputil_port_to_ofp11(a->ports[i]);
    }
}

/* Parses the value of owner= into 'a'. */
char *
sluice_props_parse_owner(const char *value, struct ofpact_log_tunnel *a)
{
    if (!sluice_owner_from_string(value, &a->owner_pid, &a->owner_uid)) {
        return xasprintf("log_tunnel: owner=%s is not a process id, which is "
                         "not 0, and a user id; write it like 4711:1000",
                         value);
    }
    return NULL;
}

/* Parses the 32 hexadecimal digits 's' into 'activity'.  Returns false, and
 * may have changed 'activity', if 's' is something else. */
static bool
activity_from_string(const char *s, uint8_t activity[])
{
    bool ok = strlen(s) == SLUICE_TLV_SIZE_ACTIVITY * 2;

    for (size_t i = 0; ok && i < SLUICE_TLV_SIZE_ACTIVITY; i++) {
        activity[i] = hexits_value(s + i * 2, 2, &ok);
    }
    return ok;
}

/* Parses the value of activity= into 'a'. */
char *
sluice_props_parse_activity(const char *value, struct ofpact_log_tunnel *a)
{
    struct mf_subfield sf;

    if (activity_from_string(value, a->activity)) {
        if (is_all_zeros(a->activity, sizeof a->activity)) {
            return xstrdup("log_tunnel: activity= is all zeros, which is no "
                           "id; leave it out for a new id for each packet");
        }
        a->has_activity = true;
        return NULL;
    }
    memset(a->activity, 0, sizeof a->activity);

    char *why = mf_parse_subfield(&sf, value);
    if (why || !field_can_be_activity(&sf)) {
        free(why);
        return xasprintf("log_tunnel: activity=%s is neither 32 hexadecimal "
                         "digits nor a field of at most 128 bits; write it "
                         "like ct_label or xxreg0", value);
    }
    a->activity_src = sf;
    return NULL;
}

/* Appends the properties of 'a' to 'fp->s' the way the parsers read them. */
void
sluice_props_format(const struct ofpact_log_tunnel *a,
                    const struct ofpact_format_params *fp)
{
    if (a->has_owner) {
        ds_put_format(fp->s, ",%sowner=%s%"PRIu32":%"PRIu32,
                      colors.param, colors.end, a->owner_pid, a->owner_uid);
    }
    if (a->has_activity || a->activity_src.field) {
        ds_put_format(fp->s, ",%sactivity=%s", colors.param, colors.end);
    }
    if (a->has_activity) {
        for (size_t i = 0; i < sizeof a->activity; i++) {
            ds_put_format(fp->s, "%02"PRIx8, a->activity[i]);
        }
    } else if (a->activity_src.field) {
        mf_format_subfield(&a->activity_src, fp->s);
    }
}
