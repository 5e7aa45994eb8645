/* SPDX-License-Identifier: Apache-2.0
 *
 * How a record becomes entries of a batch.  See s7-put.h. */
#include <config.h>

#include "s7-put.h"

#include "batch.h"
#include "gap.h"
#include "util.h"

size_t
record_put_source(const struct record *rec, uint32_t id, uint8_t *buf,
                  size_t room)
{
    static const uint8_t v4_mapped[12] = { [10] = 0xff, [11] = 0xff };
    const struct source_look *look = rec->look;
    bool v4 = !memcmp(rec->vtep, v4_mapped, sizeof v4_mapped);
    bool known = !is_all_zeros(rec->vtep, sizeof rec->vtep);
    struct batch_source out = {
        .id = id,
        .tenant = rec->meta.vni,
        .has_vm = rec->meta.has & TUNNEL_HAS_VM,
        .ofp_port = rec->meta.ofp_port,
        .vtep = (v4 ? slice_of(rec->vtep + 12, 4)
                 : slice_of(rec->vtep, known ? 16 : 0)),
        .stock = !(rec->meta.has & TUNNEL_HAS_META),
        .context_pending = look->match == MATCH_NONE,
        .context_by_ip = look->match == MATCH_IP,
        .context = look->context,
    };

    memcpy(out.vm, rec->meta.vm, sizeof out.vm);
    memcpy(out.mac, rec->inner.src_mac, sizeof out.mac);
    return batch_put_source(buf, room, &out);
}

static void
put_gap(const struct gap *gap, struct batch_line *line)
{
    line->gap = (struct batch_gap) {
        .reason = slice_from_string(gap_reason_name(gap->reason)),
        .packets = gap->packets,
        .bytes = gap->bytes,
        .from_ns = gap->from_ns,
        .to_ns = gap->to_ns,
        .protocol = gap->protocol,
        .src_port = gap->src_port,
        .dst_port = gap->dst_port,
        .lines = gap->lines,
        .rule = slice_from_string(gap->rule ? gap->rule : ""),
    };
    if (gap->protocol) {
        line->gap.dst_ip = slice_of(gap->dst_ip, sizeof gap->dst_ip);
        line->src_ip = slice_of(gap->src_ip, sizeof gap->src_ip);
    } else {
        line->src_ip = slice_of(NULL, 0);
    }
}

static void
put_verbose(const struct record *rec, struct batch_line *line)
{
    const struct inner_packet *inner = &rec->inner;

    line->verbose = (struct batch_verbose) {
        .rule = slice_from_string(rec->verbose),
        .received_ns = rec->received_ns,
        .protocol = inner->kind == INNER_TCP ? 6 : 17,
        .src_port = inner->src_port,
        .dst_port = inner->dst_port,
        .dst_ip = slice_of(inner->dst_ip, sizeof inner->dst_ip),
    };
}

size_t
record_put_line(const struct record *rec, uint32_t source, uint8_t *buf,
                size_t room)
{
    uint32_t has = rec->meta.has;
    struct batch_line line = {
        .source = source,
        .switch_ns = rec->switch_ns,
        .switch_ns_is_receipt = !(has & TUNNEL_HAS_TIME),
        .seq_epoch = has & TUNNEL_HAS_SEQUENCE ? rec->meta.seq_epoch : 0,
        .seq_number = has & TUNNEL_HAS_SEQUENCE ? rec->meta.seq_number : 0,
        .activity = slice_of(rec->meta.activity,
                             has & TUNNEL_HAS_ACTIVITY ? 16 : 0),
        .pri = rec->msg.pri,
        .has_time = rec->msg.has_time,
        .time_ns = rec->msg.time_ns,
        .hostname = rec->msg.hostname,
        .app_name = rec->msg.app_name,
        .procid = rec->msg.procid,
        .msgid = rec->msg.msgid,
        .sd = rec->msg.sd,
        .msg = rec->msg.msg,
        .context_sets = rec->context_sets,
        .redactions = rec->text.n_redactions,
        .receipt = rec->text.receipt,
        .clock_skew_ms = rec->clock_skew_ms,
        .src_ip = slice_of(rec->inner.src_ip, sizeof rec->inner.src_ip),
        .owner_pid = has & TUNNEL_HAS_OWNER ? rec->meta.owner_pid : 0,
        .ambiguous = rec->ambiguous,
        .owner_uid = has & TUNNEL_HAS_OWNER ? rec->meta.owner_uid : 0,
    };
    if (rec->gap) {
        put_gap(rec->gap, &line);
    }
    if (rec->route) {
        line.route = slice_from_string(rec->route);
    }
    if (rec->verbose) {
        put_verbose(rec, &line);
    }
    return batch_put_line(buf, room, &line);
}
