/* SPDX-License-Identifier: Apache-2.0
 *
 * Fuzzes what Open vSwitch's programs read of the log_tunnel action: text, as
 * ovs-ofctl gets it from a user, and OpenFlow, as ovs-vswitchd gets it from a
 * controller.  What is accepted must come back the same from both.
 *
 * The first byte of the input says which: the lowest bit is set for OpenFlow,
 * the others are the version.  Then comes the text between the parentheses,
 * or an action without its type and vendor: length, subtype, and so on.
 *
 * Needs a libopenvswitch that has the action.  The file under test is compiled
 * along, so that it is instrumented. */
#include <config.h>

#include <stdlib.h>
#include <string.h>

#include "flow.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/match.h"
#include "openvswitch/meta-flow.h"
#include "openvswitch/ofp-actions.h"
#include "openvswitch/ofp-port.h"
#include "openvswitch/ofpbuf.h"
#include "openvswitch/vlog.h"
#include "sluice/ofp-log-tunnel-props.h"
#include "sluice/ofp-log-tunnel.h"
#include "sluice/tlv.h"
#include "util.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Room for one action, a property too many, and the beginning of another
 * action, which is not ours to fuzz. */
enum { MAX_WIRE_SIZE = (sizeof(struct sluice_action_log_tunnel)
                        + SLUICE_PROPS_MAX_SIZE
                        + sizeof(struct sluice_prop_activity) + 8) };

static void
check(bool condition)
{
    if (!condition) {
        abort();
    }
}

/* Whether 'a' and 'b' are the same action. */
static bool
is_equal(const struct ofpact_log_tunnel *a, const struct ofpact_log_tunnel *b)
{
    return (a->n_ports == b->n_ports
            && !memcmp(a->ports, b->ports, sizeof a->ports)
            && a->has_dst == b->has_dst
            && a->has_vm == b->has_vm
            && a->has_tenant == b->has_tenant
            && a->has_owner == b->has_owner
            && a->has_activity == b->has_activity
            && a->tenant == b->tenant
            && a->meter_id == b->meter_id
            && a->provider_meter_id == b->provider_meter_id
            && a->owner_pid == b->owner_pid
            && a->owner_uid == b->owner_uid
            && a->activity_src.field == b->activity_src.field
            && a->activity_src.ofs == b->activity_src.ofs
            && a->activity_src.n_bits == b->activity_src.n_bits
            && !memcmp(a->activity, b->activity, sizeof a->activity)
            && !memcmp(a->vm, b->vm, sizeof a->vm)
            && !memcmp(&a->dst, &b->dst, sizeof a->dst));
}

/* Parses 's' into 'a'.  Returns whether it was accepted. */
static bool
parse_text(const char *s, struct ofpact_log_tunnel *a)
{
    struct ofpact_parse_params pp = { .port_map = NULL };
    char *arg = xstrdup(s);
    char *error = sluice_ofp_parse(arg, &pp, a);

    check(!error || *error);
    free(error);
    free(arg);
    return !error;
}

/* Checks that 'a' is one that translation may rely on. */
static void
check_values(const struct ofpact_log_tunnel *a)
{
    static const uint8_t zeros[sizeof a->vm];

    check(a->n_ports >= 1 && a->n_ports <= ARRAY_SIZE(a->ports));
    check(a->n_ports == 1 || !a->has_dst);
    for (size_t i = 1; i < a->n_ports; i++) {
        for (size_t j = 0; j < i; j++) {
            check(a->ports[i] != a->ports[j]);
        }
    }
    check(a->has_tenant == (a->tenant != 0));
    check(a->tenant <= SLUICE_TLV_MAX_TENANT);
    check(a->meter_id <= OFPM13_MAX);
    check(a->provider_meter_id == UINT32_MAX);
    check(a->has_vm == (memcmp(a->vm, zeros, sizeof a->vm) != 0));
    check(a->has_dst == (memcmp(&a->dst, zeros, sizeof a->dst) != 0));
    check(a->has_owner == (a->owner_pid != 0));
    check(a->has_owner || !a->owner_uid);
    check(a->has_activity
          == (memcmp(a->activity, zeros, sizeof a->activity) != 0));

    const struct mf_subfield *src = &a->activity_src;
    check(!src->field || (!a->has_activity && src->n_bits
                          && src->n_bits <= 8 * sizeof a->activity
                          && src->ofs + src->n_bits <= src->field->n_bits));
}

/* Checks that 'a' comes back from the text that it makes. */
static void
check_text(const struct ofpact_log_tunnel *a)
{
    struct ds ds = DS_EMPTY_INITIALIZER;
    struct ofpact_format_params fp = { .s = &ds };
    struct ofpact_log_tunnel again;
    static const char begin[] = "log_tunnel(";
    const size_t begin_size = sizeof begin - 1;

    sluice_ofp_format(a, &fp);
    check(ds.length > begin_size && !memcmp(ds.string, begin, begin_size));
    check(ds.string[ds.length - 1] == ')');
    ds_truncate(&ds, ds.length - 1);

    ofpact_init_LOG_TUNNEL(&again);
    check(parse_text(ds_cstr(&ds) + begin_size, &again));
    check(is_equal(a, &again));
    ds_destroy(&ds);
}

/* Checks that 'a' comes back from the bytes that it makes in 'version'. */
static void
check_wire(const struct ofpact_log_tunnel *a, enum ofp_version version)
{
    struct ofpbuf openflow, ofpacts;
    uint64_t tlv_bitmap = 0;

    ofpbuf_init(&openflow, 0);
    ofpbuf_init(&ofpacts, 0);
    ofpacts_put_openflow_actions(&a->ofpact, OFPACT_ALIGN(a->ofpact.len),
                                 &openflow, version);
    check(openflow.size >= sizeof(struct sluice_action_log_tunnel));
    check(openflow.size <= (sizeof(struct sluice_action_log_tunnel)
                            + SLUICE_PROPS_MAX_SIZE));
    check(!ofpacts_pull_openflow_actions(&openflow, openflow.size, version,
                                         NULL, &tlv_bitmap, &ofpacts));

    const struct ofpact *first = ofpacts.data;
    check(first->type == OFPACT_LOG_TUNNEL);
    check(is_equal(a, ofpact_get_LOG_TUNNEL(first)));
    ofpbuf_uninit(&openflow);
    ofpbuf_uninit(&ofpacts);
}

/* Checks 'a' as part of a flow that matches everything, which may be too
 * little for a field that it reads. */
static enum ofperr
check_in_flow(const struct ofpact_log_tunnel *a)
{
    struct match match = MATCH_CATCHALL_INITIALIZER;
    struct ofpact_check_params cp = { .match = &match, .max_ports = OFPP_MAX };

    return sluice_ofp_check(a, &cp);
}

static void
fuzz_text(const uint8_t *data, size_t size, enum ofp_version version)
{
    struct ofpact_log_tunnel a;
    char *s = xmemdup0((const char *) data, size);

    ofpact_init_LOG_TUNNEL(&a);
    if (parse_text(s, &a)) {
        check(!check_in_flow(&a) || a.activity_src.field);
        check_values(&a);
        check_text(&a);
        check_wire(&a, version);
    }
    free(s);
}

static void
fuzz_wire(const uint8_t *data, size_t size, enum ofp_version version)
{
    const ovs_be16 type = OVS_BE16_MAX;
    const ovs_be32 vendor = htonl(SLUICE_VENDOR_ID);
    struct ofpbuf openflow, ofpacts;
    uint64_t tlv_bitmap = 0;

    if (size < 2) {
        return;
    }

    ofpbuf_init(&openflow, 0);
    ofpbuf_init(&ofpacts, 0);
    ofpbuf_put(&openflow, &type, sizeof type);
    ofpbuf_put(&openflow, data, 2);
    ofpbuf_put(&openflow, &vendor, sizeof vendor);
    ofpbuf_put(&openflow, data + 2,
               MIN(size - 2, MAX_WIRE_SIZE - openflow.size));
    openflow.size = ROUND_DOWN(openflow.size, 8);

    char *copy = xmemdup(openflow.data, openflow.size);
    if (!ofpacts_pull_openflow_actions(&openflow, openflow.size, version,
                                       NULL, &tlv_bitmap, &ofpacts)) {
        const struct ofpact *first = ofpacts.data;

        check(first->type == OFPACT_LOG_TUNNEL);
        const struct ofpact_log_tunnel *a = ofpact_get_LOG_TUNNEL(first);
        check_values(a);
        check_wire(a, version);

        /* There is only one way to write it. */
        struct ofpbuf again;
        ofpbuf_init(&again, 0);
        ofpacts_put_openflow_actions(first, OFPACT_ALIGN(first->len), &again,
                                     version);
        check(!memcmp(copy, again.data, again.size));
        ofpbuf_uninit(&again);

        /* Decoding knows nothing of reserved ports. */
        if (!check_in_flow(a)) {
            check_text(a);
        }
    }
    free(copy);
    ofpbuf_uninit(&openflow);
    ofpbuf_uninit(&ofpacts);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static bool is_silent;

    if (!is_silent) {
        vlog_set_levels(NULL, VLF_ANY_DESTINATION, VLL_OFF);
        is_silent = true;
    }
    if (size) {
        enum ofp_version version = OFP10_VERSION + (data[0] >> 1) % 6;

        if (data[0] & 1) {
            fuzz_wire(data + 1, size - 1, version);
        } else {
            fuzz_text(data + 1, size - 1, version);
        }
    }
    return 0;
}
