/* SPDX-License-Identifier: Apache-2.0
 *
 * Writes lines as RFC 5424 messages; see rfc5424.h.  What the lines of a
 * source have in common is rendered once, so that a line is a few copies of
 * memory and a few numbers. */
#include "rfc5424.h"

#include <stdlib.h>

#include "source-context.h"
#include "syslog-msg.h"
#include "text-out.h"
#include "utf8.h"

enum param {
#define RFC5424_PARAM(SYMBOL, NAME, TEXT) PARAM_##SYMBOL,
#include "rfc5424-params.def"
#undef RFC5424_PARAM
    N_PARAMS
};

static const struct {
    const char *open;           /* Up to the value. */
    size_t open_size;
    const char *name;
} params[N_PARAMS] = {
#define RFC5424_PARAM(SYMBOL, NAME, TEXT)                               \
    [PARAM_##SYMBOL] = { " " NAME "=\"", sizeof NAME + 2, NAME },
#include "rfc5424-params.def"
#undef RFC5424_PARAM
};

struct rfc5424_source {
    struct slice sd_id;         /* Ours... */
    struct slice forged_id;     /* ...and what a guest's copy is called. */
    struct slice name;          /* Proven name, or empty. */
    struct slice hostname;      /* HOSTNAME between spaces. */
    struct slice head;          /* Our element, up to "port". */
    struct slice tail;          /* Its end, from "origin" on, up to... */
    struct slice values;        /* ...what is known of the VM: see
                                 * source-context.h. */
    uint8_t bytes[];            /* What the slices point to. */
};

/* Puts 's', cut to 'max' bytes, each byte that is not of 'class' replaced. */
static void
put_clean(struct out *o, struct slice s, size_t max, enum syslog_class class)
{
    struct cursor c = cursor_of(slice_of(s.data, s.size < max ? s.size : max));

    while (c.left) {
        put_slice(o, cursor_class(&c, syslog_classes, class));
        if (c.left) {
            cursor_take(&c, 1);
            put_byte(o, '_');
        }
    }
}

/* Puts a header field and the space behind it. */
static void
put_field(struct out *o, struct slice s, size_t max)
{
    if (s.size) {
        put_clean(o, s, max, SYSLOG_C_PRINT);
        put_byte(o, ' ');
    } else {
        put(o, "- ", 2);
    }
}

enum escape {
    ESCAPE_NONE,
    ESCAPE_OCTAL,
    ESCAPE_BACKSLASH,
    ESCAPE_REPLACED,
};

/* Returns how 'code', negative for what is no character, is written. */
static enum escape
find_escape(int32_t code)
{
    static const struct {
        int32_t first, last;
        enum escape how;
    } ranges[] = {
#define RFC5424_ESCAPE(FIRST, LAST, HOW, TEXT) { FIRST, LAST, ESCAPE_##HOW },
#include "rfc5424-escapes.def"
#undef RFC5424_ESCAPE
    };

    if (code < 0) {
        return ESCAPE_REPLACED;
    }
    for (size_t i = 0; i < sizeof ranges / sizeof ranges[0]; i++) {
        if (code <= ranges[i].last) {
            return code >= ranges[i].first ? ranges[i].how : ESCAPE_NONE;
        }
    }
    return ESCAPE_NONE;
}

/* Puts 's' as a PARAM-VALUE, escaped by rfc5424-escapes.def. */
static void
put_value(struct out *o, struct slice s)
{
    struct cursor c = cursor_of(s);

    for (;;) {
        put_slice(o, cursor_class(&c, syslog_classes, SYSLOG_C_PLAIN));
        if (!c.left) {
            break;
        }
        struct cursor before = c;
        int32_t code = utf8_take(&c);
        const uint8_t backslash[2] = { '\\', code };
        const uint8_t octal[4] = {
            '#', '0' + (code >> 6 & 7), '0' + (code >> 3 & 7), '0' + (code & 7)
        };
        switch (find_escape(code)) {
        case ESCAPE_NONE:
            put(o, before.p, before.left - c.left);
            break;
        case ESCAPE_OCTAL:
            put(o, octal, sizeof octal);
            break;
        case ESCAPE_BACKSLASH:
            put(o, backslash, sizeof backslash);
            break;
        case ESCAPE_REPLACED:
            put(o, "\xef\xbf\xbd", 3);
            break;
        }
    }
}

static inline void
open_param(struct out *o, enum param param)
{
    put(o, params[param].open, params[param].open_size);
}

static inline void
close_param(struct out *o)
{
    put_byte(o, '"');
}

/* Puts a whole SD-PARAM whose 'value' needs no escapes. */
static void
put_param(struct out *o, enum param param, const char *value)
{
    open_param(o, param);
    put(o, value, strlen(value));
    close_param(o);
}

/* Puts the value of a VM's context.  A key that is one of ours gets "x-" in
 * front: who manages a VM does not speak for the switch. */
static void
put_context_value(struct out *o, const Sluice__ContextValue *value)
{
    uint8_t key[SYSLOG_MAX_SD_NAME];
    struct out clean = { .p = key, .left = sizeof key };

    put_clean(&clean, slice_from_string(value->key), sizeof key,
              SYSLOG_C_SD_NAME);
    struct slice name = slice_of(key, sizeof key - clean.left);
    if (!name.size) {
        return;
    }

    put_byte(o, ' ');
    for (size_t i = 0; i < N_PARAMS; i++) {
        if (slice_equal(name, slice_from_string(params[i].name))) {
            put(o, "x-", 2);
        }
    }
    put_slice(o, name);
    put(o, "=\"", 2);
    put_value(o, slice_from_string(value->value));
    close_param(o);
}

/* Puts HOSTNAME between spaces: the proven name, each character that is not
 * printable US-ASCII replaced, and '/' too, since receivers make file names of
 * it; else the UUID, else the MAC, else, for what is of no VM, nothing.  Names
 * that mean nothing (NILVALUE) or a directory go the same way. */
static void
put_hostname(struct out *o, const struct batch_source *source,
             struct slice name)
{
    static const uint8_t no_mac[6];

    put_byte(o, ' ');
    if (name.size && !slice_equal(name, slice_from_string("-"))
        && !slice_equal(name, slice_from_string("."))
        && !slice_equal(name, slice_from_string(".."))) {
        struct cursor c = cursor_of(name);

        for (size_t n = 0; c.left && n < SYSLOG_MAX_HOSTNAME; n++) {
            int32_t code = utf8_take(&c);
            put_byte(o, code > ' ' && code < 0x7f && code != '/' ? code : '_');
        }
    } else if (source->has_vm) {
        put_uuid(o, source->vm);
    } else if (memcmp(source->mac, no_mac, sizeof no_mac)) {
        put_mac(o, source->mac);
    } else {
        put_byte(o, '-');
    }
    put_byte(o, ' ');
}

/* Puts our element up to "port", what is constant of its origin. */
static void
put_head(struct out *o, const struct batch_source *source, struct slice sd_id,
         struct slice name)
{
    put_byte(o, '[');
    put_slice(o, sd_id);
    open_param(o, PARAM_TENANT);
    put_decimal(o, source->tenant);
    close_param(o);
    if (source->has_vm) {
        open_param(o, PARAM_VM);
        put_uuid(o, source->vm);
        close_param(o);
    }
    if (name.size) {
        open_param(o, PARAM_NAME);
        put_value(o, name);
        close_param(o);
    }
    if (source->vtep.size == 4 || source->vtep.size == 16) {
        open_param(o, PARAM_HOST_VTEP);
        put_ip(o, source->vtep);
        close_param(o);
    }
    if (source->ofp_port) {
        open_param(o, PARAM_PORT);
        put_decimal(o, source->ofp_port);
        close_param(o);
    }
}

/* Puts the end of our element, from "origin" on, up to the VM's context. */
static void
put_tail(struct out *o, const struct batch_source *source)
{
    if (source->stock) {
        put_param(o, PARAM_ORIGIN, "stock");
    }
    if (source->context_pending) {
        put_param(o, PARAM_CTX, "pending");
    } else if (source->context_by_ip) {
        put_param(o, PARAM_CTX, "by-ip");
    }
}

/* Puts the values that 'line' gets, and the end of our element. */
static void
put_context(struct out *o, const struct rfc5424_source *source,
            const struct batch_line *line)
{
    struct slice rest = source->values, text;

    while (source_value_next(&rest, line->context_sets, &text)) {
        put_slice(o, text);
    }
    put_byte(o, ']');
}

struct rfc5424_source *
rfc5424_source_create(const struct batch_source *source, const char *sd_id)
{
    struct slice name;
    Sluice__VmContext *context = source_context_unpack(source, &name);

    /* A byte of context becomes at most four, as an octal escape, and the
     * name's stand in three places. */
    size_t cap = 1024 + 8 * source->context.size;
    struct rfc5424_source *s = malloc(sizeof *s + cap);
    if (s) {
        struct out o = { .p = s->bytes, .left = cap };
        const uint8_t *start = o.p;

        put_clean(&o, slice_from_string(sd_id), SYSLOG_MAX_SD_NAME,
                  SYSLOG_C_SD_NAME);
        s->sd_id = out_since(start, &o);

        start = o.p;
        put(&o, "x-", 2);
        put_slice(&o, slice_of(s->sd_id.data,
                               s->sd_id.size > SYSLOG_MAX_SD_NAME - 2
                               ? SYSLOG_MAX_SD_NAME - 2 : s->sd_id.size));
        s->forged_id = out_since(start, &o);

        start = o.p;
        put_slice(&o, name);
        s->name = out_since(start, &o);

        start = o.p;
        put_hostname(&o, source, name);
        s->hostname = out_since(start, &o);

        start = o.p;
        put_head(&o, source, s->sd_id, name);
        s->head = out_since(start, &o);

        start = o.p;
        put_tail(&o, source);
        s->tail = out_since(start, &o);

        start = o.p;
        for (size_t i = 0; context && i < context->n_value; i++) {
            uint8_t *value = source_value_begin(&o);
            put_context_value(&o, context->value[i]);
            source_value_end(&o, value, context->value[i]->sets);
        }
        s->values = out_since(start, &o);
    }
    source_context_free(context);
    return s;
}

void
rfc5424_source_destroy(struct rfc5424_source *source)
{
    free(source);
}

/* Puts a time, if 'ns' is known. */
static void
put_known_time(struct out *o, enum param param, uint64_t ns)
{
    if (ns) {
        open_param(o, param);
        put_time(o, ns / NS_PER_S, ns % NS_PER_S, 9);
        close_param(o);
    }
}

static void
put_gap_number(struct out *o, enum param param, uint64_t number)
{
    if (number) {
        open_param(o, param);
        put_decimal64(o, number);
        close_param(o);
    }
}

/* Puts a flow as "tcp SOURCE PORT DESTINATION PORT", if it is known. */
static void
put_flow(struct out *o, enum param param, uint32_t protocol,
         struct slice src_ip, uint32_t src_port, struct slice dst_ip,
         uint32_t dst_port)
{
    if (!protocol || src_ip.size != 16 || dst_ip.size != 16) {
        return;
    }
    open_param(o, param);
    put(o, protocol == 6 ? "tcp " : "udp ", 4);
    put_ip(o, src_ip);
    put_byte(o, ' ');
    put_decimal(o, src_port);
    put_byte(o, ' ');
    put_ip(o, dst_ip);
    put_byte(o, ' ');
    put_decimal(o, dst_port);
    close_param(o);
}

/* Puts what a gap record announces. */
static void
put_gap(struct out *o, const struct batch_line *line)
{
    const struct batch_gap *gap = &line->gap;

    open_param(o, PARAM_GAP);
    put_value(o, gap->reason);
    close_param(o);
    put_gap_number(o, PARAM_GAP_PACKETS, gap->packets);
    put_gap_number(o, PARAM_GAP_BYTES, gap->bytes);
    put_gap_number(o, PARAM_GAP_LINES, gap->lines);
    if (gap->rule.size) {
        open_param(o, PARAM_GAP_RULE);
        put_value(o, gap->rule);
        close_param(o);
    }
    put_known_time(o, PARAM_GAP_FROM, gap->from_ns);
    put_known_time(o, PARAM_GAP_TO, gap->to_ns);
    put_flow(o, PARAM_GAP_FLOW, gap->protocol, line->src_ip, gap->src_port,
             gap->dst_ip, gap->dst_port);
}

/* Puts what else is known of a line, for which a rule asked. */
static void
put_verbose(struct out *o, const struct batch_line *line)
{
    const struct batch_verbose *v = &line->verbose;

    open_param(o, PARAM_RULE);
    put_value(o, v->rule);
    close_param(o);
    put_known_time(o, PARAM_RECEIVED, v->received_ns);
    put_flow(o, PARAM_FLOW, v->protocol, line->src_ip, v->src_port, v->dst_ip,
             v->dst_port);
}

/* Puts milliseconds as seconds: "-3600.250". */
static void
put_skew(struct out *o, int64_t ms)
{
    uint64_t size = ms < 0 ? -(uint64_t) ms : (uint64_t) ms;

    open_param(o, PARAM_CLOCK_SKEW);
    if (ms < 0) {
        put_byte(o, '-');
    }
    put_decimal64(o, size / 1000);
    put_byte(o, '.');
    uint8_t *p = take_room(o, 3);
    if (p) {
        format_triple(p, size % 1000);
    }
    close_param(o);
}

/* Puts the middle of our element: what each line has of its own. */
static void
put_line_params(struct out *o, const struct rfc5424_source *source,
                const struct batch_line *line, bool forged)
{
    open_param(o, PARAM_TIME);
    put_time(o, line->switch_ns / NS_PER_S, line->switch_ns % NS_PER_S, 9);
    close_param(o);
    if (line->seq_epoch || line->seq_number) {
        open_param(o, PARAM_SEQ);
        put_decimal(o, line->seq_epoch);
        put_byte(o, ':');
        put_decimal(o, line->seq_number);
        close_param(o);
    }
    if (line->activity.size == 16) {
        open_param(o, PARAM_ACTIVITY);
        put_hex(o, line->activity);
        close_param(o);
    }
    if (line->owner_pid) {
        open_param(o, PARAM_OWNER_PID);
        put_decimal(o, line->owner_pid);
        close_param(o);
        open_param(o, PARAM_OWNER_UID);
        put_decimal(o, line->owner_uid);
        close_param(o);
    }
    if (line->hostname.size && !slice_equal(line->hostname, source->name)) {
        open_param(o, PARAM_CLAIMED_HOST);
        put_value(o, line->hostname);
        close_param(o);
    }
    if (line->clock_skew_ms) {
        put_skew(o, line->clock_skew_ms);
    }
    if (line->src_ip.size == 16) {
        open_param(o, PARAM_SRC_IP);
        put_ip(o, line->src_ip);
        close_param(o);
    }
    if (line->switch_ns_is_receipt) {
        put_param(o, PARAM_TIME_IS_RECEIPT, "1");
    }
    if (line->redactions) {
        open_param(o, PARAM_REDACTIONS);
        put_decimal(o, line->redactions);
        close_param(o);
    }
    if (line->receipt.size) {
        open_param(o, PARAM_REDACTED);
        put_value(o, line->receipt);
        close_param(o);
    }
    if (forged) {
        put_param(o, PARAM_FORGED_SD, "1");
    }
    if (line->ambiguous) {
        put_param(o, PARAM_AMBIGUOUS, "1");
    }
    if (line->verbose.rule.size) {
        put_verbose(o, line);
    }
    if (line->gap.reason.size) {
        put_gap(o, line);
    }
}

/* Returns true if 'sd' consists of well-formed elements, and in '*ret_forged'
 * whether one has our SD-ID. */
static bool
check_sd(const struct rfc5424_source *source, struct slice sd,
         bool *ret_forged)
{
    struct cursor c = cursor_of(sd);
    bool forged = false;
    struct slice id;

    while (c.left) {
        if (!syslog_sd_take(&c, &id)) {
            return false;
        }
        forged |= slice_equal(id, source->sd_id);
    }
    if (!utf8_is_valid(sd)) {
        return false;
    }
    *ret_forged = forged;
    return true;
}

/* Puts 'sd', which check_sd() likes, those elements that have our SD-ID
 * renamed. */
static void
put_renamed(struct out *o, const struct rfc5424_source *source,
            struct slice sd)
{
    struct cursor c = cursor_of(sd);
    struct slice id;

    while (c.left) {
        struct cursor element = c;

        syslog_sd_take(&c, &id);
        size_t size = element.left - c.left;
        if (slice_equal(id, source->sd_id)) {
            put_slice(o, cursor_take(&element, 1));
            put_slice(o, source->forged_id);
            cursor_take(&element, id.size);
            put_slice(o, cursor_take(&element, size - 1 - id.size));
        } else {
            put_slice(o, cursor_take(&element, size));
        }
    }
}

static void
put_message(struct out *o, const struct rfc5424_source *source,
            const struct batch_line *line)
{
    bool forged = false;
    bool good_sd = check_sd(source, line->sd, &forged);

    put_byte(o, '<');
    put_decimal(o, line->pri <= SYSLOG_MAX_PRI
                ? line->pri : SYSLOG_DEFAULT_PRI);
    put(o, ">1 ", 3);
    if (line->has_time) {
        uint32_t ns;
        int64_t s = civil_split(line->time_ns, NS_PER_S, &ns);
        put_time(o, s, ns, 6);
    } else {
        put_time(o, line->switch_ns / NS_PER_S, line->switch_ns % NS_PER_S, 6);
    }
    put_slice(o, source->hostname);
    put_field(o, line->app_name, SYSLOG_MAX_APP_NAME);
    put_field(o, line->procid, SYSLOG_MAX_PROCID);
    put_field(o, line->msgid, SYSLOG_MAX_MSGID);

    put_slice(o, source->head);
    put_line_params(o, source, line, forged);
    put_slice(o, source->tail);
    put_context(o, source, line);
    if (forged) {
        put_renamed(o, source, line->sd);
    } else if (good_sd) {
        put_slice(o, line->sd);
    } else {
        /* The intake takes none of these for structured data.  Where it comes
         * from nonetheless, it is text that must not be lost. */
        put_byte(o, ' ');
        put_slice(o, line->sd);
    }
    if (line->msg.size) {
        put_byte(o, ' ');
        put_slice(o, line->msg);
    }
}

/* Puts the message behind 'n_digits' bytes for its length and a space.  The
 * length stands in front of what it counts, so 'n_digits' is a guess, which a
 * move mends. */
static size_t
put_frame(uint8_t *buf, size_t cap, size_t n_digits,
          const struct rfc5424_source *source, const struct batch_line *line)
{
    size_t gap = n_digits + 1;

    if (cap < gap) {
        return 0;
    }
    struct out o = { .p = buf + gap, .left = cap - gap };
    put_message(&o, source, line);

    size_t size = cap - gap - o.left;
    n_digits = count_digits(size);
    if (o.failed || size > UINT32_MAX || n_digits + 1 > cap - size) {
        return 0;
    }
    if (n_digits + 1 != gap) {
        memmove(buf + n_digits + 1, buf + gap, size);
    }
    format_decimal(buf, size, n_digits);
    buf[n_digits] = ' ';
    return n_digits + 1 + size;
}

size_t
rfc5424_put_line(uint8_t *buf, size_t cap, const struct rfc5424_source *source,
                 const struct batch_line *line)
{
    size_t guess = (sizeof "<13>1 " + 26 + source->hostname.size
                    + line->app_name.size + line->procid.size
                    + line->msgid.size + source->head.size
                    + sizeof " time=\"\" seq=\"1234567890:123456\"" + 30
                    + (line->activity.size
                       ? sizeof " activity=\"\"" + 32 : 0)
                    + (line->src_ip.size
                       ? sizeof " src-ip=\"\"" + 12 : 0)
                    + source->tail.size + source->values.size
                    + line->sd.size + line->msg.size);
    size_t n = put_frame(buf, cap, count_digits(guess), source, line);

    /* A guess of too many digits may want a byte more than the frame. */
    return n ? n : put_frame(buf, cap, 1, source, line);
}

size_t
rfc5424_put_message(uint8_t *buf, size_t cap,
                    const struct rfc5424_source *source,
                    const struct batch_line *line)
{
    struct out o = { .p = buf, .left = cap };

    put_message(&o, source, line);
    return o.failed ? 0 : cap - o.left;
}
