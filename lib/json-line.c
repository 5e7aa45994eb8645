/* SPDX-License-Identifier: Apache-2.0
 *
 * Writes lines as JSON; see json-line.h.  What the lines of a source have in
 * common is rendered once. */
#include "json-line.h"

#include <stdlib.h>

#include "source-context.h"
#include "syslog-msg.h"
#include "text-out.h"
#include "utf8.h"

struct json_source {
    struct slice name;          /* Proven name, or empty. */
    struct slice host;          /* "host":"...", */
    struct slice head;          /* The end of what our member begins with. */
    struct slice tail;          /* Its end, up to... */
    struct slice values;        /* ...the VM's context: source-context.h. */
    uint8_t bytes[];            /* What the slices point to. */
};

static bool
needs_escape(int32_t code)
{
    static const struct {
        int32_t first, last;
    } ranges[] = {
#define JSON_ESCAPE(FIRST, LAST, TEXT) { FIRST, LAST },
#include "json-escapes.def"
#undef JSON_ESCAPE
    };

    for (size_t i = 0; i < sizeof ranges / sizeof ranges[0]; i++) {
        if (code <= ranges[i].last) {
            return code >= ranges[i].first;
        }
    }
    return false;
}

/* Puts a backslash and what stands for 'code', which is in the basic plane. */
static void
put_escape(struct out *o, uint32_t code)
{
    static const char shorts[] = "\bb\tt\nn\ff\rr\"\"\\\\";
    const uint8_t bytes[2] = { code >> 8, code };

    put_byte(o, '\\');
    for (size_t i = 0; i + 1 < sizeof shorts; i += 2) {
        if (code == (uint8_t) shorts[i]) {
            put_byte(o, shorts[i + 1]);
            return;
        }
    }
    put_byte(o, 'u');
    put_hex(o, slice_of(bytes, sizeof bytes));
}

/* Puts what goes between the quotes of a string. */
static void
put_text(struct out *o, struct slice s)
{
    struct cursor c = cursor_of(s);

    for (;;) {
        /* Printable US-ASCII, which is most, as it is. */
        put_slice(o, cursor_class(&c, syslog_classes, SYSLOG_C_PLAIN));
        if (!c.left) {
            break;
        }
        struct cursor before = c;
        int32_t code = utf8_take(&c);
        if (code < 0) {
            put(o, "\xef\xbf\xbd", 3);
        } else if (needs_escape(code)) {
            put_escape(o, code);
        } else {
            put(o, before.p, before.left - c.left);
        }
    }
}

static inline void
put_literal(struct out *o, const char *s)
{
    put(o, s, strlen(s));
}

/* Puts ,"KEY": with 'key' needing no escapes. */
static void
put_key(struct out *o, const char *key)
{
    put(o, ",\"", 2);
    put_literal(o, key);
    put(o, "\":", 2);
}

static void
put_string(struct out *o, const char *key, struct slice s)
{
    put_key(o, key);
    put_byte(o, '"');
    put_text(o, s);
    put_byte(o, '"');
}

/* Puts a string that is there. */
static void
put_known_string(struct out *o, const char *key, struct slice s)
{
    if (s.size) {
        put_string(o, key, s);
    }
}

static void
put_number(struct out *o, const char *key, uint64_t number)
{
    put_key(o, key);
    put_decimal64(o, number);
}

static void
put_known_number(struct out *o, const char *key, uint64_t number)
{
    if (number) {
        put_number(o, key, number);
    }
}

static void
put_true(struct out *o, const char *key, bool value)
{
    if (value) {
        put_key(o, key);
        put_literal(o, "true");
    }
}

static void
put_time_ns(struct out *o, const char *key, uint64_t ns)
{
    put_key(o, key);
    put_byte(o, '"');
    put_time(o, ns / NS_PER_S, ns % NS_PER_S, 9);
    put_byte(o, '"');
}

static void
put_address(struct out *o, const char *key, struct slice ip)
{
    if (ip.size == 4 || ip.size == 16) {
        put_key(o, key);
        put_byte(o, '"');
        put_ip(o, ip);
        put_byte(o, '"');
    }
}

/* Puts a flow as an object, if it is known. */
static void
put_flow(struct out *o, const char *key, uint32_t protocol,
         struct slice src_ip, uint32_t src_port, struct slice dst_ip,
         uint32_t dst_port)
{
    if (!protocol || src_ip.size != 16 || dst_ip.size != 16) {
        return;
    }
    put_key(o, key);
    put_literal(o, protocol == 6 ? "{\"protocol\":\"tcp\""
                : "{\"protocol\":\"udp\"");
    put_address(o, "src-ip", src_ip);
    put_number(o, "src-port", src_port);
    put_address(o, "dst-ip", dst_ip);
    put_number(o, "dst-port", dst_port);
    put_byte(o, '}');
}

/* Of a source. */

/* Renders the values of the VM's context, the later of two with one key left
 * out. */
static void
put_values(struct out *o, const Sluice__VmContext *context)
{
    for (size_t i = 0; context && i < context->n_value; i++) {
        const char *key = context->value[i]->key;
        bool twice = false;
        for (size_t j = 0; j < i && !twice; j++) {
            twice = !strcmp(key, context->value[j]->key);
        }
        if (twice) {
            continue;
        }
        uint8_t *value = source_value_begin(o);
        put_byte(o, '"');
        put_text(o, slice_from_string(key));
        put_literal(o, "\":\"");
        put_text(o, slice_from_string(context->value[i]->value));
        put_byte(o, '"');
        source_value_end(o, value, context->value[i]->sets);
    }
}

/* Puts the values that 'line' gets, and the end of the object. */
static void
put_context(struct out *o, const struct json_source *source,
            const struct batch_line *line)
{
    struct slice rest = source->values, text;
    bool any = false;

    while (source_value_next(&rest, line->context_sets, &text)) {
        put_literal(o, any ? "," : ",\"context\":{");
        put_slice(o, text);
        any = true;
    }
    put_literal(o, any ? "}}}" : "}}");
}

static void
put_host(struct out *o, const struct batch_source *source, struct slice name)
{
    static const uint8_t no_mac[6];

    if (name.size) {
        put_string(o, "host", name);
        return;
    }
    if (!source->has_vm && !memcmp(source->mac, no_mac, sizeof no_mac)) {
        return;
    }
    put_key(o, "host");
    put_byte(o, '"');
    if (source->has_vm) {
        put_uuid(o, source->vm);
    } else {
        put_mac(o, source->mac);
    }
    put_byte(o, '"');
}

static void
put_head(struct out *o, const struct batch_source *source, struct slice name)
{
    put_literal(o, ",\"sluice\":{\"tenant\":");
    put_decimal(o, source->tenant);
    if (source->has_vm) {
        put_key(o, "vm");
        put_byte(o, '"');
        put_uuid(o, source->vm);
        put_byte(o, '"');
    }
    put_known_string(o, "name", name);
    put_address(o, "host-vtep", source->vtep);
    put_known_number(o, "port", source->ofp_port);
}

static void
put_tail(struct out *o, const struct batch_source *source)
{
    if (source->stock) {
        put_string(o, "origin", slice_from_string("stock"));
    }
    if (source->context_pending) {
        put_string(o, "ctx", slice_from_string("pending"));
    } else if (source->context_by_ip) {
        put_string(o, "ctx", slice_from_string("by-ip"));
    }
}

struct json_source *
json_source_create(const struct batch_source *source)
{
    struct slice name;
    Sluice__VmContext *context = source_context_unpack(source, &name);

    /* A byte of context becomes at most six, as an escape, and the name's
     * stand in three places. */
    size_t cap = 1024 + 20 * source->context.size;
    struct json_source *s = malloc(sizeof *s + cap);
    if (s) {
        struct out o = { .p = s->bytes, .left = cap };
        const uint8_t *start = o.p;

        put_slice(&o, name);
        s->name = out_since(start, &o);

        start = o.p;
        put_host(&o, source, name);
        s->host = out_since(start, &o);

        start = o.p;
        put_head(&o, source, name);
        s->head = out_since(start, &o);

        start = o.p;
        put_tail(&o, source);
        s->tail = out_since(start, &o);

        start = o.p;
        put_values(&o, context);
        s->values = out_since(start, &o);
    }
    source_context_free(context);
    return s;
}

void
json_source_destroy(struct json_source *source)
{
    free(source);
}

/* Of a line. */

static void
put_gap(struct out *o, const struct batch_line *line)
{
    const struct batch_gap *gap = &line->gap;

    if (!gap->reason.size) {
        return;
    }
    put_literal(o, ",\"gap\":{\"reason\":\"");
    put_text(o, gap->reason);
    put_byte(o, '"');
    put_known_number(o, "packets", gap->packets);
    put_known_number(o, "bytes", gap->bytes);
    put_known_number(o, "lines", gap->lines);
    put_known_string(o, "rule", gap->rule);
    if (gap->from_ns) {
        put_time_ns(o, "from", gap->from_ns);
    }
    if (gap->to_ns) {
        put_time_ns(o, "to", gap->to_ns);
    }
    put_flow(o, "flow", gap->protocol, line->src_ip, gap->src_port,
             gap->dst_ip, gap->dst_port);
    put_byte(o, '}');
}

static void
put_verbose(struct out *o, const struct batch_line *line)
{
    const struct batch_verbose *v = &line->verbose;

    if (!v->rule.size) {
        return;
    }
    put_string(o, "rule", v->rule);
    if (v->received_ns) {
        put_time_ns(o, "received", v->received_ns);
    }
    put_flow(o, "flow", v->protocol, line->src_ip, v->src_port, v->dst_ip,
             v->dst_port);
}

/* Puts milliseconds as seconds: -3600.250. */
static void
put_skew(struct out *o, int64_t ms)
{
    uint64_t size = ms < 0 ? -(uint64_t) ms : (uint64_t) ms;

    put_key(o, "clock-skew");
    if (ms < 0) {
        put_byte(o, '-');
    }
    put_decimal64(o, size / 1000);
    put_byte(o, '.');
    uint8_t *p = take_room(o, 3);
    if (p) {
        format_triple(p, size % 1000);
    }
}

/* Puts what each line has of its own in our member. */
static void
put_line_members(struct out *o, const struct json_source *source,
                 const struct batch_line *line)
{
    put_time_ns(o, "time", line->switch_ns);
    if (line->seq_epoch || line->seq_number) {
        put_number(o, "seq-epoch", line->seq_epoch);
        put_number(o, "seq", line->seq_number);
    }
    if (line->activity.size == 16) {
        put_key(o, "activity");
        put_byte(o, '"');
        put_hex(o, line->activity);
        put_byte(o, '"');
    }
    if (line->owner_pid) {
        put_number(o, "owner-pid", line->owner_pid);
        put_number(o, "owner-uid", line->owner_uid);
    }
    if (line->hostname.size && !slice_equal(line->hostname, source->name)) {
        put_string(o, "claimed-host", line->hostname);
    }
    if (line->clock_skew_ms) {
        put_skew(o, line->clock_skew_ms);
    }
    if (line->src_ip.size == 16) {
        put_address(o, "src-ip", line->src_ip);
    }
    put_true(o, "time-is-receipt", line->switch_ns_is_receipt);
    put_known_number(o, "redactions", line->redactions);
    put_known_string(o, "redacted", line->receipt);
    put_true(o, "ambiguous", line->ambiguous);
    put_verbose(o, line);
    put_gap(o, line);
}

size_t
json_put_line(uint8_t *buf, size_t cap, const struct json_source *source,
              const struct batch_line *line)
{
    struct out o = { .p = buf, .left = cap };
    uint8_t pri = (line->pri <= SYSLOG_MAX_PRI
                   ? line->pri : SYSLOG_DEFAULT_PRI);

    put_literal(&o, "{\"timestamp\":\"");
    if (line->has_time) {
        uint32_t ns;
        int64_t s = civil_split(line->time_ns, NS_PER_S, &ns);
        put_time(&o, s, ns, 6);
    } else {
        put_time(&o, line->switch_ns / NS_PER_S, line->switch_ns % NS_PER_S,
                 6);
    }
    put_byte(&o, '"');
    put_number(&o, "facility", pri >> 3);
    put_number(&o, "severity", pri & 7);
    put_slice(&o, source->host);
    put_known_string(&o, "app-name", line->app_name);
    put_known_string(&o, "procid", line->procid);
    put_known_string(&o, "msgid", line->msgid);
    put_known_string(&o, "structured-data", line->sd);
    put_string(&o, "message", line->msg);

    put_slice(&o, source->head);
    put_line_members(&o, source, line);
    put_slice(&o, source->tail);
    put_context(&o, source, line);
    return o.failed ? 0 : cap - o.left;
}
