/* SPDX-License-Identifier: Apache-2.0
 *
 * Shows the spool to people.  See render-spool.h and render.h. */
#include <config.h>

#include "render-spool.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "openvswitch/dynamic-string.h"
#include "render-json.h"
#include "render.h"
#include "table.h"
#include "util.h"

void
render_spool(const Sluice__Response *r, uint64_t now_ns, struct ds *out)
{
    static const struct table_column columns[] = {
        { "TENANT", TABLE_RIGHT },
        { "QUEUE", TABLE_LEFT },
        { "BATCHES", TABLE_RIGHT },
        { "LINES", TABLE_RIGHT },
        { "SIZE", TABLE_RIGHT },
        { "OLDEST", TABLE_RIGHT },
        { "QUARANTINED BATCHES", TABLE_RIGHT },
        { "QUARANTINED LINES", TABLE_RIGHT },
        { "FOREIGN FILES", TABLE_RIGHT },
        { "SHIPPED", TABLE_LEFT },
    };
    struct table t;

    table_init(&t, columns, ARRAY_SIZE(columns));
    for (size_t i = 0; i < r->n_spool; i++) {
        const Sluice__SpoolTenant *s = r->spool[i];
        table_add(&t, "%"PRIu32, s->tenant);
        table_add(&t, "%s", s->queue);
        table_add(&t, "%"PRIu64, s->batches);
        table_add(&t, "%"PRIu64, s->lines);
        table_add_bytes(&t, s->bytes);
        table_add_age(&t, s->oldest_ns, now_ns);
        table_add(&t, "%"PRIu64, s->quarantined_batches);
        table_add(&t, "%"PRIu64, s->quarantined_lines);
        table_add(&t, "%"PRIu64, s->foreign);
        table_add(&t, "%s", s->configured ? "yes" : "no: not configured");
    }
    table_format(&t, "There is no tenant.", out);
    table_destroy(&t);
}

static bool
is_batch(const Sluice__SpoolBatch *b)
{
    return strcmp(b->state, "foreign") != 0;
}

/* The name by which the other commands take it. */
static char *
format_name(const Sluice__SpoolBatch *b)
{
    return (is_batch(b)
            ? xasprintf("%"PRIu32"/%s/%"PRIu32"-%"PRIu64, b->tenant, b->queue,
                        b->generation, b->number)
            : xasprintf("%"PRIu32"/%s/%s%s", b->tenant, b->queue,
                        b->in_quarantine ? "quarantine/" : "", b->name));
}

void
render_batches(const Sluice__Response *r, uint64_t now_ns, struct ds *out)
{
    static const struct table_column columns[] = {
        { "BATCH", TABLE_LEFT },
        { "STATE", TABLE_LEFT },
        { "LINES", TABLE_RIGHT },
        { "SIZE", TABLE_RIGHT },
        { "AGE", TABLE_RIGHT },
        { "REASON", TABLE_LEFT },
    };
    struct table t;

    table_init(&t, columns, ARRAY_SIZE(columns));
    for (size_t i = 0; i < r->n_batches; i++) {
        const Sluice__SpoolBatch *b = r->batches[i];
        char *name = format_name(b);
        table_add(&t, "%s", name);
        table_add(&t, "%s", b->state);
        if (is_batch(b)) {
            table_add(&t, "%"PRIu64, b->lines);
            table_add_bytes(&t, b->bytes);
        } else {
            table_add(&t, "%s", "");
            table_add(&t, "%s", "");
        }
        table_add_age(&t, b->created_ns, now_ns);
        table_add(&t, "%s", b->reason);
        free(name);
    }
    table_format(&t, "There is no batch.", out);
    table_destroy(&t);
}

static void
put_row(struct ds *out, const char *name, const char *value)
{
    ds_put_format(out, "  %-12s %s\n", name, value);
}

static void
put_bytes(struct ds *out, const char *name, ProtobufCBinaryData bytes)
{
    char *text = format_id(bytes);

    if (*text) {
        put_row(out, name, text);
    }
    free(text);
}

static void
put_time(struct ds *out, const char *name, uint64_t ns, uint64_t now_ns)
{
    time_t seconds = ns / 1000000000;
    char text[64];
    struct tm tm;

    if (ns && gmtime_r(&seconds, &tm)
        && strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &tm)) {
        char *ago = format_duration(now_ns > ns ? now_ns - ns : 0);
        ds_put_format(out, "  %-12s %s, %s ago\n", name, text, ago);
        free(ago);
    }
}

void
render_batch(const Sluice__SpoolBatch *b, uint64_t now_ns, struct ds *out)
{
    char *name = format_name(b);

    ds_put_format(out, "%s:\n", name);
    free(name);
    put_row(out, "state", b->state);
    if (b->reason[0]) {
        put_row(out, "reason", b->reason);
    }
    if (b->problem[0]) {
        put_row(out, "problem", b->problem);
    }
    put_row(out, "file", b->name);
    ds_put_format(out, "  %-12s %"PRIu64"\n", "lines", b->lines);
    ds_put_format(out, "  %-12s %"PRIu64", of %"PRIu32" uncompressed\n",
                  "bytes", b->bytes, b->raw_size);
    put_time(out, "closed", b->created_ns, now_ns);
    if (b->recipient.len) {
        put_bytes(out, "stream", b->stream);
        if (b->is_end || b->is_recovered) {
            put_row(out, "place", b->is_end ? "the end of its stream"
                    : "out of turn");
        }
        put_bytes(out, "origin", b->origin);
        put_row(out, "sealed to", b->for_shipper
                ? "the proxy, which opens it to ship its lines"
                : "another key than the proxy's, the tenant's");
        put_bytes(out, "recipient", b->recipient);
        put_bytes(out, "digest", b->digest);
        put_bytes(out, "previous", b->previous);
    }
}
