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
#include "rfc5424.h"

/* Ids of sources go from 1 up, one by one.  More than fit into a batch would
 * only be there to take memory. */
enum { MAX_SOURCE_ID = 1 << 20 };

struct ship_batch {
    uint8_t *raw;               /* The batch's body. */
    struct batch_reader reader;
    bool has_line;              /* 'line' was read, but not yet rendered. */
    struct batch_line line;
    struct rfc5424_source **sources; /* By id, null where there is none. */
    uint32_t n_sources;
    uint32_t n_lines;
    uint32_t n_dropped;
};

void
ship_batch_destroy(struct ship_batch *b)
{
    if (b) {
        for (uint32_t i = 0; i < b->n_sources; i++) {
            rfc5424_source_destroy(b->sources[i]);
        }
        free(b->sources);
        free(b->raw);
        free(b);
    }
}

static struct rfc5424_source *
find_source(const struct ship_batch *b, uint32_t id)
{
    return id < b->n_sources ? b->sources[id] : NULL;
}

/* Renders what the lines of 'source' have in common.  Returns 0 or an error as
 * ship_batch_open() does. */
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
        struct rfc5424_source **sources = reallocarray(
            b->sources, n, sizeof *sources);
        if (!sources) {
            return ENOMEM;
        }
        memset(sources + b->n_sources, 0,
               (n - b->n_sources) * sizeof *sources);
        b->sources = sources;
        b->n_sources = n;
    }
    b->sources[id] = rfc5424_source_create(source, sd_id);
    return b->sources[id] ? 0 : ENOMEM;
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

int
ship_batch_open(struct slice file, uint32_t tenant,
                const struct seal_key *key, const char *sd_id,
                struct ship_batch **ret, char *reason, size_t reason_size)
{
    struct seal_header h;
    uint8_t *raw;

    enum seal_error seal_error = seal_open(key, file, &h, &raw);
    if (seal_error) {
        snprintf(reason, reason_size, "%s", seal_error_text(seal_error));
        return seal_error == SEAL_NO_MEMORY ? ENOMEM : EBADMSG;
    }

    struct ship_batch *b = xzalloc(sizeof *b);
    int error = 0;
    b->raw = raw;
    batch_reader_init(&b->reader, slice_of(raw, h.raw_size));
    if (h.tenant != tenant) {
        snprintf(reason, reason_size, "it is of tenant %"PRIu32, h.tenant);
        error = EBADMSG;
    } else {
        error = check_entries(b, &h, sd_id, reason, reason_size);
    }
    if (error) {
        ship_batch_destroy(b);
        return error;
    }
    *ret = b;
    return 0;
}

/* Makes the next line 'b->line'.  Returns false at the end. */
static bool
fetch_line(struct ship_batch *b)
{
    struct batch_entry e;

    while (!b->has_line) {
        enum batch_entry_kind kind = batch_reader_next(&b->reader, &e);
        if (kind == BATCH_END || kind == BATCH_MALFORMED) {
            return false;
        } else if (kind == BATCH_LINE) {
            b->line = e.line;
            b->has_line = true;
        }
    }
    return true;
}

size_t
ship_batch_render(struct ship_batch *b, uint8_t *buf, size_t cap)
{
    size_t n = 0;

    while (fetch_line(b)) {
        size_t size = rfc5424_put_line(buf + n, cap - n,
                                       find_source(b, b->line.source),
                                       &b->line);
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
