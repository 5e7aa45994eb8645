/* SPDX-License-Identifier: Apache-2.0
 *
 * The answers to what is asked about single batches: their list, a batch, its
 * file, and what is to become of it.  Nothing here opens a batch: its lines are
 * for who has the key.  See answer-private.h. */
#include <config.h>

#include "answer-private.h"

#include <errno.h>
#include <stdlib.h>

#include "byte-order.h"
#include "spool-admin.h"
#include "spool-command.h"

enum { PART_SIZE = 512 * 1024 };    /* Of a file, in one answer. */

static void
put_error(struct draft *d, char *sentence)
{
    d->response.error = own(d, sentence);
}

static Sluice__SpoolBatch *
add_batch(struct draft *d, const struct spool_queue *queue, const char *state,
          const char *name)
{
    Sluice__SpoolBatch *b = ADD(d, Sluice__SpoolBatch, batches, allocated_batches);

    sluice__spool_batch__init(b);
    b->tenant = queue->tenant;
    b->queue = own_string(d, queue->name);
    b->state = own_string(d, state);
    b->name = own_printable(d, name, strlen(name));
    return b;
}

/* Adds what is known of 'item' from outside. */
static Sluice__SpoolBatch *
add_item(struct master *m, struct draft *d, const struct spool_item *item)
{
    Sluice__SpoolBatch *b = add_batch(d, &item->queue, item->is_quarantined
                                 ? "quarantined" : "waiting", item->name);
    char reason[SPOOL_REASON_SIZE];

    spool_read_reason(m->spool, item, reason);
    b->reason = own_printable(d, reason, strlen(reason));
    b->in_quarantine = item->is_quarantined;
    b->generation = item->generation;
    b->number = item->number;
    b->bytes = item->size;
    return b;
}

/* The list. */

struct listing {
    struct master *master;
    struct draft *draft;
    const Sluice__SpoolQuery *query;
    const struct spool_queue *queue;
};

static void
list_entry(const struct spool_entry *e, void *listing_)
{
    struct listing *l = listing_;

    if (e->item.is_quarantined || !l->query->quarantined) {
        Sluice__SpoolBatch *b = add_item(l->master, l->draft, &e->item);
        b->lines = e->n_lines;
        b->created_ns = e->created_ns;
    }
}

static void
list_foreign(const char *name, bool is_quarantined, void *listing_)
{
    struct listing *l = listing_;

    if (is_quarantined || !l->query->quarantined) {
        add_batch(l->draft, l->queue, "foreign", name)->in_quarantine
            = is_quarantined;
    }
}

static void
answer_list(struct master *m, struct draft *d,
            const Sluice__SpoolQuery *query)
{
    struct spool_queue *queues = NULL;
    size_t n = 0;
    int error = spool_queues(m->spool, &queues, &n);

    for (size_t i = 0; i < n && !error; i++) {
        struct listing listing = {
            .master = m,
            .draft = d,
            .query = query,
            .queue = &queues[i],
        };
        if ((!query->tenant || query->tenant == queues[i].tenant)
            && (!query->queue[0] || !strcmp(query->queue, queues[i].name))) {
            error = spool_each(m->spool, &queues[i], list_entry, list_foreign,
                               &listing);
        }
    }
    free(queues);
    if (error) {
        put_error(d, xasprintf("the spool can't be read: %s; see what is "
                               "wrong with its disk.", ovs_strerror(error)));
    }
}

/* A batch. */

static void
put_batch_error(struct draft *d, const Sluice__SpoolQuery *query, int error)
{
    put_error(d, error == ENOENT
              ? xasprintf("tenant %"PRIu32", queue %s: there is no batch "
                          "%"PRIu32"-%"PRIu64"; it may have been shipped "
                          "meanwhile.", query->tenant, query->queue,
                          query->generation, query->number)
              : xasprintf("tenant %"PRIu32", queue %s, batch "
                          "%"PRIu32"-%"PRIu64": %s; see what is wrong with "
                          "the disk.", query->tenant, query->queue,
                          query->generation, query->number,
                          ovs_strerror(error)));
}

/* Finds the batch that 'query' names.  Returns false having put an error. */
static bool
find_batch(struct master *m, struct draft *d, const Sluice__SpoolQuery *query,
           struct spool_item *ret)
{
    struct spool_queue queue;

    if (!query->tenant || query->tenant > 0xffffff
        || !spool_queue_init(&queue, query->tenant, query->queue)) {
        put_error(d, xstrdup("the request names no queue; use a sluicectl of "
                             "sluiced's version."));
        return false;
    }
    int error = spool_find_anywhere(m->spool, &queue, query->generation,
                                    query->number, ret);
    if (error) {
        put_batch_error(d, query, error);
    }
    return !error;
}

/* The same, and reads it: '*ret_data' is malloc()ed, and null if it is no
 * regular file. */
static bool
read_batch(struct master *m, struct draft *d, const Sluice__SpoolQuery *query,
           struct spool_item *ret, uint8_t **ret_data, size_t *ret_size)
{
    *ret_data = NULL;
    *ret_size = 0;
    if (!find_batch(m, d, query, ret)) {
        return false;
    }
    int error = spool_read(m->spool, ret, ret_data, ret_size);
    if (error && error != ELOOP && error != EINVAL && error != EFBIG) {
        put_batch_error(d, query, error);
        return false;
    }
    return true;
}

static ProtobufCBinaryData
own_bytes(struct draft *d, const void *p, size_t size)
{
    return (ProtobufCBinaryData) {
        .data = own(d, xmemdup(p, size)),
        .len = size,
    };
}

/* Adds what the header of 'file' says, which need not be whole. */
static void
put_header(struct draft *d, struct slice file, const uint8_t *shipper,
           Sluice__SpoolBatch *b)
{
    struct seal_header h;
    uint8_t digest[SEAL_DIGEST_SIZE];
    enum seal_error error = seal_read_header(
        slice_of(file.data, MIN(file.size, SEAL_HEADER_SIZE)), &h);

    if (error) {
        b->problem = own_string(d, seal_error_text(error));
        return;
    }
    b->lines = h.n_lines;
    b->created_ns = h.created_ns;
    ovs_be64 stream = htonll(h.stream), origin = htonll(h.origin);
    b->stream = own_bytes(d, &stream, sizeof stream);
    b->origin = own_bytes(d, &origin, sizeof origin);
    b->raw_size = h.raw_size;
    b->is_end = (h.flags & SEAL_F_END) != 0;
    b->is_recovered = (h.flags & SEAL_F_RECOVERED) != 0;
    b->previous = own_bytes(d, h.previous, sizeof h.previous);
    b->recipient = own_bytes(d, h.recipient, sizeof h.recipient);
    b->for_shipper = shipper && !memcmp(h.recipient, shipper, 32);
    if (file.size != SEAL_HEADER_SIZE + (size_t) h.body_size) {
        b->problem = own_string(d, seal_error_text(SEAL_TRUNCATED));
    } else if (h.tenant != b->tenant || h.number != b->number
               || h.generation != b->generation) {
        b->problem = own_string(d, "it is another batch than its name says");
    } else {
        seal_digest(file, digest);
        b->digest = own_bytes(d, digest, sizeof digest);
    }
}

static void
answer_show(struct master *m, struct draft *d,
            const Sluice__SpoolQuery *query)
{
    char *path = config_path_public_key(m->config);
    struct spool_item item;
    uint8_t shipper[32];
    uint8_t *data;
    size_t size;

    bool has_key = !seal_public_key_read(path, shipper);
    free(path);
    if (read_batch(m, d, query, &item, &data, &size)) {
        Sluice__SpoolBatch *b = add_item(m, d, &item);
        if (data) {
            put_header(d, slice_of(data, size), has_key ? shipper : NULL, b);
        } else {
            b->problem = own_string(d, "it is not a file that the spool made");
        }
        free(data);
    }
}

static void
answer_export(struct master *m, struct draft *d,
              const Sluice__SpoolQuery *query)
{
    struct spool_item item;
    uint8_t *data;
    size_t size;

    if (read_batch(m, d, query, &item, &data, &size)) {
        Sluice__SpoolBatch *b = add_item(m, d, &item);
        b->bytes = size;
        if (query->offset < size) {
            d->response.data = own_bytes(d, data + query->offset,
                                         MIN(size - query->offset,
                                             PART_SIZE));
        }
        free(data);
    }
}

/* What is to become of it. */

static void
answer_change(struct master *m, struct draft *d,
              const Sluice__SpoolQuery *query,
              int (*change)(struct spool_command *,
                            const struct spool_item *, uint32_t n_lines))
{
    struct spool_command command;
    struct spool_item item;
    struct seal_header h = { .n_lines = 0 };

    /* First, so that a queue that does not exist is not begun with. */
    if (!find_batch(m, d, query, &item)) {
        return;
    }
    int error = spool_command_begin(m, &item.queue, &command);
    if (error) {
        d->response.busy = error == EAGAIN;
        put_error(d, error == EAGAIN
                  ? xasprintf("tenant %"PRIu32", queue %s: its shipper has "
                              "batches in hand; try again.", query->tenant,
                              query->queue)
                  : xasprintf("tenant %"PRIu32", queue %s can't be held: %s; "
                              "see what is wrong with its disk.",
                              query->tenant, query->queue,
                              ovs_strerror(error)));
        return;
    }

    /* Again: until now it could still move or leave. */
    bool found = find_batch(m, d, query, &item);
    if (found && query->quarantined && !item.is_quarantined) {
        put_batch_error(d, query, ENOENT);
    } else if (found) {
        Sluice__SpoolBatch *b = add_item(m, d, &item);
        error = spool_read_header(m->spool, &item, &h);
        b->lines = h.n_lines;
        if (!error || error == EBADMSG || error == EIO) {
            error = change(&command, &item, h.n_lines);
        }
        if (error) {
            put_batch_error(d, query, error);
        }
    }
    spool_command_end(&command);
}

void
answer_batches(struct master *m, const Sluice__Request *request,
               struct draft *d)
{
    const Sluice__SpoolQuery nothing = SLUICE__SPOOL_QUERY__INIT;
    const Sluice__SpoolQuery *query = (request->spool ? request->spool
                                       : &nothing);

    switch ((int) request->verb) {
    case SLUICE__VERB__SPOOL_LIST:
        answer_list(m, d, query);
        break;
    case SLUICE__VERB__SPOOL_SHOW:
        answer_show(m, d, query);
        break;
    case SLUICE__VERB__SPOOL_EXPORT:
        answer_export(m, d, query);
        break;
    case SLUICE__VERB__SPOOL_REPLAY:
        answer_change(m, d, query, spool_command_replay);
        break;
    case SLUICE__VERB__SPOOL_DROP:
        answer_change(m, d, query, spool_command_drop);
        break;
    }
}
