/* SPDX-License-Identifier: Apache-2.0
 *
 * A batch on its way out.  See ship-batch.h. */
#include <config.h>

#include "ship-batch.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "util.h"

#include "batch.h"
#include "cursor.h"
#include "json-line.h"
#include "rfc5424.h"
#include "text-out.h"

/* Ids of sources go from 1 up, one by one.  More than fit into a batch would
 * only be there to take memory. */
enum { MAX_SOURCE_ID = 1 << 20 };

/* What all sources of a batch may take, whose smallest is rendered into a
 * hundred times its bytes: far more than batches with as much context as there
 * can be. */
enum { MAX_SOURCE_BYTES = 64 * 1024 * 1024, SOURCE_BYTES = 1024 };

/* What all lines of a source have in common. */
struct source {
    bool is_there;
    struct rfc5424_source *rfc5424; /* What the format needs; else null. */
    struct json_source *json;
    uint8_t key[64];            /* Of records. */
    uint8_t key_size;
};

struct ship_batch {
    struct ship_form form;
    uint8_t *raw;               /* The batch's body, or the file. */
    struct slice sealed;        /* Of the file, what was not rendered yet. */
    bool is_begun;              /* The file's size was rendered. */
    struct batch_reader reader;
    bool has_line;              /* 'entry' is a line not yet rendered. */
    struct batch_entry entry;   /* Read last. */
    struct source *sources;     /* By id. */
    uint32_t n_sources;
    uint64_t source_bytes;      /* About what they take. */
    uint32_t n_lines;
    uint32_t n_dropped;
    uint32_t n_routed;
};

void
ship_batch_destroy(struct ship_batch *b)
{
    if (b) {
        for (uint32_t i = 0; i < b->n_sources; i++) {
            rfc5424_source_destroy(b->sources[i].rfc5424);
            json_source_destroy(b->sources[i].json);
        }
        free(b->sources);
        free(b->raw);
        free(b);
    }
}

static const struct source *
find_source(const struct ship_batch *b, uint32_t id)
{
    return (id < b->n_sources && b->sources[id].is_there
            ? &b->sources[id] : NULL);
}

/* Writes the key of records of 'source'. */
static void
put_key(struct source *s, const struct batch_source *source)
{
    struct out o = { .p = s->key, .left = sizeof s->key };

    if (source->has_vm) {
        put_uuid(&o, source->vm);
    } else {
        if (source->vtep.size == 4 || source->vtep.size == 16) {
            put_ip(&o, source->vtep);
        }
        put_byte(&o, '/');
        put_decimal(&o, source->ofp_port);
    }
    s->key_size = sizeof s->key - o.left;
}

/* Renders what the lines of 'source' have in common. */
static int
render_source(struct source *s, const struct batch_source *source,
              enum ship_format format, const char *sd_id)
{
    put_key(s, source);
    s->is_there = true;
    switch (format) {
    case SHIP_RFC5424:
        s->rfc5424 = rfc5424_source_create(source, sd_id);
        return s->rfc5424 ? 0 : ENOMEM;
    case SHIP_JSON:
        s->json = json_source_create(source);
        return s->json ? 0 : ENOMEM;
    case SHIP_RAW:
    default:
        return 0;
    }
}

/* Adds 'source'.  Returns 0 or an error as ship_batch_open() does. */
static int
add_source(struct ship_batch *b, const struct batch_source *source,
           uint32_t tenant, const char *sd_id,
           char *reason, size_t reason_size)
{
    uint32_t id = source->id;

    if (source->tenant != tenant) {
        snprintf(reason, reason_size, "it has lines of tenant %"PRIu32,
                 source->tenant);
        return EBADMSG;
    }
    if (!id || id > MAX_SOURCE_ID || find_source(b, id)) {
        snprintf(reason, reason_size, "its sources are not numbered from 1");
        return EBADMSG;
    }
    if (id >= b->n_sources) {
        uint32_t n = MIN(MAX(2 * b->n_sources, id + 8), MAX_SOURCE_ID + 1);
        struct source *sources = reallocarray(b->sources, n,
                                              sizeof *sources);
        if (!sources) {
            return ENOMEM;
        }
        memset(sources + b->n_sources, 0,
               (n - b->n_sources) * sizeof *sources);
        b->sources = sources;
        b->n_sources = n;
    }
    b->source_bytes += SOURCE_BYTES + (b->form.format == SHIP_JSON ? 20 : 8)
                                      * (uint64_t) source->context.size;
    if (b->source_bytes > MAX_SOURCE_BYTES) {
        snprintf(reason, reason_size, "its sources take more than %d MiB",
                 MAX_SOURCE_BYTES / 1024 / 1024);
        return EBADMSG;
    }
    return render_source(&b->sources[id], source, b->form.format, sd_id);
}

/* Goes over the whole batch, so that nothing is sent of one that is damaged or
 * of two tenants. */
static int
check_entries(struct ship_batch *b, const struct seal_header *h,
              const char *sd_id, char *reason, size_t reason_size)
{
    struct batch_reader reader = b->reader;
    struct batch_entry e;
    uint32_t n_lines = 0;
    bool any_unknown = false;
    int error;

    for (;;) {
        switch (batch_reader_next(&reader, &e)) {
        case BATCH_SOURCE:
            error = add_source(b, &e.source, h->tenant, sd_id,
                               reason, reason_size);
            if (error) {
                return error;
            }
            break;

        case BATCH_LINE:
            if (!find_source(b, e.line.source)) {
                snprintf(reason, reason_size, "it has a line of no source");
                return EBADMSG;
            }
            n_lines++;
            break;

        case BATCH_UNKNOWN:
            any_unknown = true;
            break;

        case BATCH_MALFORMED:
            snprintf(reason, reason_size, "it has a malformed entry");
            return EBADMSG;

        case BATCH_END:
            /* Entries of a newer kind may be lines as well: those are lines
             * that this version can't render. */
            if (n_lines > h->n_lines
                || (n_lines < h->n_lines && !any_unknown)) {
                snprintf(reason, reason_size, "it has %"PRIu32" lines where "
                         "its header says %"PRIu32, n_lines, h->n_lines);
                return EBADMSG;
            }
            b->n_lines = h->n_lines;
            b->n_dropped = h->n_lines - n_lines;
            return 0;
        }
    }
}

/* Makes a batch of the file as it is, having looked at its header. */
static int
open_sealed(struct slice file, struct ship_batch *b, struct seal_header *h,
            char *reason, size_t reason_size)
{
    enum seal_error error = seal_read_header(file, h);
    if (!error && file.size != SEAL_HEADER_SIZE + (size_t) h->body_size) {
        error = SEAL_TRUNCATED;
    }
    if (error) {
        snprintf(reason, reason_size, "%s", seal_error_text(error));
        return EBADMSG;
    }
    b->raw = xmemdup(file.data, file.size);
    b->sealed = slice_of(b->raw, file.size);
    b->n_lines = h->n_lines;
    return 0;
}

/* Goes over the body in 'b->raw', and passes 'b' on, or destroys it. */
static int
finish_open(struct ship_batch *b, const struct seal_header *h,
            uint32_t tenant, const char *sd_id, struct ship_batch **ret,
            char *reason, size_t reason_size)
{
    int error = 0;

    if (h->tenant != tenant) {
        snprintf(reason, reason_size, "it is of tenant %"PRIu32, h->tenant);
        error = EBADMSG;
    } else if (b->form.framing != SHIP_SEALED) {
        batch_reader_init(&b->reader, slice_of(b->raw, h->raw_size));
        error = check_entries(b, h, sd_id, reason, reason_size);
    }
    if (error) {
        ship_batch_destroy(b);
        return error;
    }
    *ret = b;
    return 0;
}

int
ship_batch_from_body(uint8_t **raw, const struct seal_header *h,
                     uint32_t tenant, const char *sd_id,
                     const struct ship_form *form, struct ship_batch **ret,
                     char *reason, size_t reason_size)
{
    struct ship_batch *b = xzalloc(sizeof *b);

    b->form = *form;
    b->raw = *raw;
    *raw = NULL;
    return finish_open(b, h, tenant, sd_id, ret, reason, reason_size);
}

int
ship_batch_open(struct slice file, uint32_t tenant,
                const struct seal_key *key, const char *sd_id,
                const struct ship_form *form, struct ship_batch **ret,
                char *reason, size_t reason_size)
{
    struct ship_batch *b = xzalloc(sizeof *b);
    struct seal_header h;
    int error = 0;

    b->form = *form;
    if (form->framing == SHIP_SEALED) {
        error = open_sealed(file, b, &h, reason, reason_size);
    } else {
        enum seal_error seal_error = seal_open(key, file, &h, &b->raw);
        if (seal_error) {
            snprintf(reason, reason_size, "%s", seal_error_text(seal_error));
            error = seal_error == SEAL_NO_MEMORY ? ENOMEM : EBADMSG;
        }
    }
    if (error) {
        ship_batch_destroy(b);
        return error;
    }
    return finish_open(b, &h, tenant, sd_id, ret, reason, reason_size);
}

/* Returns true if another queue has the destination that 'route' names. */
static bool
goes_elsewhere(const struct ship_form *form, struct slice route)
{
    for (size_t i = 0; route.size && i < form->n_elsewhere; i++) {
        if (slice_equal(route, slice_from_string(form->elsewhere[i]))) {
            return true;
        }
    }
    return false;
}

/* Makes the next line that is for us 'b->entry'.  Returns false at the end. */
static bool
fetch_line(struct ship_batch *b)
{
    while (!b->has_line) {
        enum batch_entry_kind kind = batch_reader_next(&b->reader, &b->entry);
        if (kind == BATCH_END || kind == BATCH_MALFORMED) {
            return false;
        } else if (kind == BATCH_LINE
                   && goes_elsewhere(&b->form, b->entry.line.route)) {
            b->n_routed++;
        } else if (kind == BATCH_LINE) {
            b->has_line = true;
        }
    }
    return true;
}

/* A line without text is a line all the same: a space tells it from one that
 * does not fit, and is what receivers make of it. */
static size_t
put_raw(uint8_t *buf, size_t cap, struct slice msg)
{
    struct out o = { .p = buf, .left = cap };

    put_slice(&o, msg.size ? msg : slice_from_string(" "));
    return o.failed ? 0 : cap - o.left;
}

/* Puts the line as such.  Returns its size, or 0 if it does not fit. */
static size_t
put_line(const struct ship_batch *b, const struct source *source,
         uint8_t *buf, size_t cap)
{
    switch (b->form.format) {
    case SHIP_RFC5424:
        return rfc5424_put_message(buf, cap, source->rfc5424, &b->entry.line);
    case SHIP_JSON:
        return json_put_line(buf, cap, source->json, &b->entry.line);
    case SHIP_RAW:
        return put_raw(buf, cap, b->entry.line.msg);
    default:
        OVS_NOT_REACHED();
    }
}

/* Puts the line behind its size. */
static size_t
put_octet_counted(const struct ship_batch *b, const struct source *source,
                  uint8_t *buf, size_t cap)
{
    if (b->form.format == SHIP_RFC5424) {
        return rfc5424_put_line(buf, cap, source->rfc5424, &b->entry.line);
    }

    enum { ROOM = 11 };         /* For the largest size and a space. */
    size_t size = (cap > ROOM
                   ? put_line(b, source, buf + ROOM, cap - ROOM) : 0);
    if (!size) {
        return 0;
    }
    struct out o = { .p = buf, .left = ROOM };
    put_decimal(&o, size);
    put_byte(&o, ' ');
    memmove(o.p, buf + ROOM, size);
    return ROOM - o.left + size;
}

/* Returns how many LF are in 's': none, most often, which is found fast. */
static size_t
count_lf(const uint8_t *s, size_t size)
{
    const uint8_t *end = s + size;
    size_t n = 0;

    while ((s = memchr(s, '\n', end - s))) {
        n++;
        s++;
    }
    return n;
}

/* Puts the line and an LF. */
static size_t
put_with_lf(const struct ship_batch *b, const struct source *source,
            uint8_t *buf, size_t cap)
{
    size_t size = cap ? put_line(b, source, buf, cap - 1) : 0;
    size_t more = 3 * count_lf(buf, size);

    if (!size || more > cap - 1 - size) {
        return 0;
    }
    buf[size + more] = '\n';
    /* From the end, so that nothing is overwritten that is still needed. */
    for (size_t from = size, to = size + more; from < to; ) {
        if (buf[--from] == '\n') {
            to -= 4;
            memcpy(buf + to, "#012", 4);
        } else {
            buf[--to] = buf[from];
        }
    }
    return size + more + 1;
}

/* Puts the line as a record. */
static size_t
put_record(const struct ship_batch *b, const struct source *source,
           uint8_t *buf, size_t cap)
{
    size_t head = 4 + 1 + source->key_size;
    size_t size = (cap > head
                   ? put_line(b, source, buf + head, cap - head) : 0);
    if (!size || size > UINT32_MAX - head) {
        return 0;
    }
    ovs_be32 n = htonl(head - 4 + size);
    memcpy(buf, &n, sizeof n);
    buf[4] = source->key_size;
    memcpy(buf + 5, source->key, source->key_size);
    return head + size;
}

static size_t
put_frame(const struct ship_batch *b, uint8_t *buf, size_t cap)
{
    const struct source *source = find_source(b, b->entry.line.source);

    switch (b->form.framing) {
    case SHIP_OCTET_COUNTED:
        return put_octet_counted(b, source, buf, cap);
    case SHIP_LF:
        return put_with_lf(b, source, buf, cap);
    case SHIP_RECORD:
        return put_record(b, source, buf, cap);
    case SHIP_SEALED:
    default:
        OVS_NOT_REACHED();
    }
}

/* Puts the next part of the file. */
static size_t
render_sealed(struct ship_batch *b, uint8_t *buf, size_t cap)
{
    struct out o = { .p = buf, .left = cap };

    if (!b->is_begun) {
        ovs_be32 size = htonl(b->sealed.size);
        put(&o, &size, sizeof size);
        b->is_begun = true;
    }
    struct cursor c = cursor_of(b->sealed);
    put_slice(&o, cursor_take(&c, MIN(c.left, o.left)));
    b->sealed = slice_of(c.p, c.left);
    return cap - o.left;
}

size_t
ship_batch_render(struct ship_batch *b, uint8_t *buf, size_t cap)
{
    size_t n = 0;

    if (b->form.framing == SHIP_SEALED) {
        return render_sealed(b, buf, cap);
    }
    while (fetch_line(b)) {
        size_t size = put_frame(b, buf + n, cap - n);
        if (!size && n) {
            /* Perhaps with the whole of the buffer, next time. */
            break;
        }
        b->n_dropped += !size;
        b->has_line = false;
        n += size;
    }
    return n;
}

uint32_t
ship_batch_n_lines(const struct ship_batch *b)
{
    return b->n_lines;
}

uint32_t
ship_batch_n_dropped(const struct ship_batch *b)
{
    return b->n_dropped;
}

uint32_t
ship_batch_n_routed(const struct ship_batch *b)
{
    return b->n_routed;
}
