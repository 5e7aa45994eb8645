/* SPDX-License-Identifier: Apache-2.0
 *
 * 'sluicectl explain'.  See explain.h. */
#include <config.h>

#include "explain.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "batch.h"
#include "gap.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/json.h"
#include "packets.h"
#include "printable.h"
#include "rfc5424.h"
#include "rule-match.h"
#include "s3-account.h"
#include "s7-put.h"
#include "util.h"

enum { MAX_ENTRIES = 256 * 1024 };  /* Bytes of a source and a line. */

struct explanation {
    struct trial trial;
    struct json *lines;         /* Each an object of strings. */
    struct json *now;           /* That of the present line. */
};

/* The stages, in their order, and how people are shown their names. */
static const struct {
    const char *key;
    const char *label;
} stages[] = {
    { "tunnel", "tunnel" },
    { "guest", "guest" },
    { "redaction", "redaction" },
    { "syslog", "syslog" },
    { "claims", "claims" },
    { "context", "context" },
    { "rules", "rules" },
    { "verdict", "verdict" },
    { "line", "tenant gets" },
};

/* Says of stage 'key' what 'ds' has, and empties that. */
static void
say(struct explanation *e, const char *key, struct ds *ds)
{
    char *text = make_printable(ds_cstr(ds), ds->length);

    json_object_put_string(e->now, key, text);
    free(text);
    ds_clear(ds);
}

static void
put_slice(struct ds *ds, const char *name, struct slice s)
{
    if (s.size) {
        ds_put_format(ds, "; %s \"%.*s\"", name, (int) s.size,
                      (const char *) s.data);
    }
}

static void
put_address(struct ds *ds, const uint8_t address[16])
{
    char text[INET6_ADDRSTRLEN];
    struct in6_addr in6;

    memcpy(&in6, address, sizeof in6);
    ds_put_cstr(ds, ipv6_string_mapped(text, &in6) ? text : "?");
}

static void
say_tunnel(struct explanation *e, const struct record *rec, struct ds *ds)
{
    uint32_t has = rec->meta.has;

    if (is_all_zeros(rec->vtep, sizeof rec->vtep)) {
        ds_put_format(ds, "none; tenant %"PRIu32, rec->meta.vni);
    } else {
        ds_put_cstr(ds, "from ");
        put_address(ds, rec->vtep);
        ds_put_format(ds, "; tenant %"PRIu32"; port %"PRIu32, rec->meta.vni,
                      rec->meta.ofp_port);
    }
    if (has & TUNNEL_HAS_VM) {
        char *vm = uuid_bytes_format(rec->meta.vm);

        ds_put_format(ds, "; VM %s", vm);
        free(vm);
    }
    if (has & TUNNEL_HAS_SEQUENCE) {
        ds_put_format(ds, "; sequence %"PRIu32":%"PRIu32, rec->meta.seq_epoch,
                      rec->meta.seq_number);
    }
    ds_put_format(ds, "; %s", !(has & TUNNEL_HAS_META) ? "by a stock switch"
                  : has & TUNNEL_HAS_TIME ? "with the switch's time"
                  : "without a time");
    say(e, "tunnel", ds);
}

static void
say_guest(struct explanation *e, const struct record *rec, struct ds *ds)
{
    const struct inner_packet *inner = &rec->inner;

    if (!inner->ip_version) {
        return;
    }
    ds_put_format(ds, "%s from ", inner->kind == INNER_TCP ? "TCP" : "UDP");
    put_address(ds, inner->src_ip);
    ds_put_format(ds, " port %"PRIu16" to ", inner->src_port);
    put_address(ds, inner->dst_ip);
    ds_put_format(ds, " port %"PRIu16"; %"PRIuSIZE" bytes", inner->dst_port,
                  inner->payload.size);
    say(e, "guest", ds);
}

static void
say_redaction(struct explanation *e, const struct record *rec, struct ds *ds)
{
    const struct redact_result *text = &rec->text;

    if (text->over_cap) {
        ds_put_cstr(ds, "all of it masked: it is over the cap");
    } else if (!text->n_redactions) {
        ds_put_cstr(ds, "nothing found");
    } else {
        ds_put_format(ds, "%"PRIu32" taken out: %.*s", text->n_redactions,
                      (int) text->receipt.size,
                      (const char *) text->receipt.data);
    }
    say(e, "redaction", ds);
}

static void
say_syslog(struct explanation *e, const struct record *rec, struct ds *ds)
{
    static const char *const dialects[] = {
        [SYSLOG_BARE] = "no header",
        [SYSLOG_RFC3164] = "RFC 3164",
        [SYSLOG_RFC5424] = "RFC 5424",
    };
    const struct syslog_msg *msg = &rec->msg;

    ds_put_format(ds, "%s; %s.%s%s", dialects[msg->dialect],
                  rule_facility_name(msg->pri >> 3),
                  rule_severity_name(syslog_severity(msg->pri)),
                  msg->has_pri ? "" : " for want of a PRI");
    put_slice(ds, "time", msg->timestamp);
    put_slice(ds, "app-name", msg->app_name);
    put_slice(ds, "procid", msg->procid);
    put_slice(ds, "msgid", msg->msgid);
    put_slice(ds, "structured data", msg->sd);
    put_slice(ds, "message", msg->msg);
    say(e, "syslog", ds);

    if (msg->hostname.size) {
        ds_put_format(ds, "host name \"%.*s\"", (int) msg->hostname.size,
                      (const char *) msg->hostname.data);
    }
    if (rec->clock_skew_ms) {
        ds_put_format(ds, "%sa clock that is %lld ms %s",
                      ds->length ? "; " : "", llabs(rec->clock_skew_ms),
                      rec->clock_skew_ms > 0 ? "ahead" : "behind");
    }
    if (ds->length) {
        say(e, "claims", ds);
    }
}

static void
say_context(struct explanation *e, const struct record *rec, struct ds *ds)
{
    static const char *const matches[] = {
        [MATCH_NONE] = "nothing is known of the VM: pending",
        [MATCH_VM] = "found by the VM's UUID",
        [MATCH_MAC] = "found by the MAC address",
        [MATCH_IP] = "found by the IP address that the guest has",
        [MATCH_SKIPPED] = "none is looked for",
    };

    ds_put_cstr(ds, matches[rec->look->match]);
    say(e, "context", ds);
}

static void
say_rules(struct explanation *e, const struct record *rec, struct ds *ds)
{
    const struct rules *rules;
    const struct rules_verdict *v = pipeline_explain(e->trial.pipeline,
                                                     &rules);

    for (size_t i = 0; i < rules_n(rules); i++) {
        if (v->matched[i / 64] >> i % 64 & 1) {
            ds_put_format(ds, "%s%s (%s)", ds->length ? ", " : "",
                          rules_name(rules, i),
                          rule_action_name(rules_action(rules, i)));
        }
    }
    if (!ds->length) {
        ds_put_cstr(ds, rules_n(rules) ? "none matches" : "there is none");
    }
    if (rec->verbose) {
        ds_put_format(ds, "; %s asks for all that is known", rec->verbose);
    }
    say(e, "rules", ds);
}

/* Writes what would be in the batch, reads it as sluice-ship does, and says
 * what that sends. */
static void
say_line(struct explanation *e, const struct record *rec, struct ds *ds)
{
    uint8_t *entries = xmalloc(MAX_ENTRIES);
    size_t size = record_put_source(rec, 1, entries, MAX_ENTRIES);
    struct batch_entry source, line;
    struct batch_reader reader;
    char out[MAX_ENTRIES / 2];

    size += record_put_line(rec, 1, entries + size, MAX_ENTRIES - size);
    batch_reader_init(&reader, slice_of(entries, size));
    if (batch_reader_next(&reader, &source) == BATCH_SOURCE
        && batch_reader_next(&reader, &line) == BATCH_LINE) {
        struct rfc5424_source *s = rfc5424_source_create(
            &source.source, e->trial.config->output.sd_id);
        size_t n = s ? rfc5424_put_message((uint8_t *) out, sizeof out, s,
                                           &line.line) : 0;

        ds_put_buffer(ds, out, n);
        say(e, "line", ds);
        rfc5424_source_destroy(s);
    }
    free(entries);
}

static void
say_verdict(struct explanation *e, const struct record *rec,
            enum sluice_drop drop, struct ds *ds)
{
    if (drop) {
        ds_put_format(ds, "dropped (%s): %s", sluice_drop_name(drop),
                      sluice_drop_text(drop));
    } else if (rec->gap) {
        ds_put_format(ds, "announced: %s", gap_reason_name(rec->gap->reason));
    } else {
        ds_put_cstr(ds, "ships");
        if (rec->route) {
            ds_put_format(ds, " to %s alone", rec->route);
        }
    }
    say(e, "verdict", ds);
}

static void
show(void *e_, const struct record *rec, enum sluice_drop drop)
{
    struct explanation *e = e_;
    struct ds ds = DS_EMPTY_INITIALIZER;

    e->now = json_object_create();
    json_object_put(e->now, "number", json_integer_create(e->trial.number));
    json_array_add(e->lines, e->now);
    say_tunnel(e, rec, &ds);
    say_guest(e, rec, &ds);
    if (trial_was_parsed(drop) && !rec->gap) {
        say_redaction(e, rec, &ds);
        say_syslog(e, rec, &ds);
        say_context(e, rec, &ds);
        say_rules(e, rec, &ds);
    }
    say_verdict(e, rec, drop, &ds);
    if (!drop) {
        say_line(e, rec, &ds);
    }
    ds_destroy(&ds);
}

static void
put_text(const struct explanation *e, struct ds *out)
{
    for (size_t i = 0; i < e->lines->array.n; i++) {
        const struct shash *line = json_object(e->lines->array.elems[i]);
        const struct json *number = shash_find_data(line, "number");

        ds_put_format(out, "%sline %"PRId64"\n", i ? "\n" : "",
                      json_integer(number));
        for (size_t j = 0; j < ARRAY_SIZE(stages); j++) {
            const struct json *text = shash_find_data(line, stages[j].key);
            if (text) {
                ds_put_format(out, "  %-11s  %s\n", stages[j].label,
                              json_string(text));
            }
        }
    }
    if (!e->lines->array.n) {
        ds_put_cstr(out, "There was no line.\n");
    }
}

char *
explain(const struct trial_options *options, bool json, struct ds *out)
{
    struct explanation e = { .lines = json_array_create_empty() };
    char *sentence = trial_open(&e.trial, options, show, &e);

    if (!sentence) {
        sentence = trial_run(&e.trial);
    }
    if (!sentence && json) {
        json_to_ds(e.lines, JSSF_PRETTY | JSSF_SORT, out);
        ds_put_char(out, '\n');
    } else if (!sentence) {
        put_text(&e, out);
    }
    trial_close(&e.trial);
    json_destroy(e.lines);
    return sentence;
}
