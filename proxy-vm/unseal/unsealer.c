/* SPDX-License-Identifier: Apache-2.0
 *
 * Takes sealed batches of one tenant.  See unsealer.h. */
#include <config.h>

#include "unsealer.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "openvswitch/vlog.h"
#include "util.h"

#include "state.h"

VLOG_DEFINE_THIS_MODULE(unsealer);

enum {
    OUT_SIZE = 1024 * 1024,     /* The largest frame, and a good write. */
    NO_STREAM = CHAIN_STREAMS,
};

struct unsealer {
    const struct unsealer_options *o;
    struct state *state;        /* Null: in memory only. */
    struct chain chain;
    struct sink_mark mark;      /* What the sink holds for good. */
    unsigned int dirty;         /* Stream that was changed, or NO_STREAM. */
    bool written;               /* Something since the last commit. */
    uint64_t n_failures;
    char broken[256];
    uint8_t *out;
};

char *
unsealer_create(const struct unsealer_options *o, struct unsealer **ret)
{
    struct unsealer *u = xzalloc(sizeof *u);
    char *sentence = NULL;
    int error = 0;

    u->o = o;
    u->dirty = NO_STREAM;
    u->out = xmalloc(OUT_SIZE);
    chain_init(&u->chain, o->tenant);
    if (o->state_dir) {
        sentence = state_open(o->state_dir, o->tenant, o->recipient,
                              &u->state);
        if (!sentence) {
            state_get(u->state, &u->chain, &u->mark);
        }
    }
    if (!sentence && o->sink) {
        error = o->sink->class->restore(o->sink, &u->mark);
        if (!error) {
            error = o->sink->class->sync(o->sink, &u->mark);
        }
        if (!error && u->state) {
            error = state_save_mark(u->state, &u->mark);
        }
        if (error) {
            sentence = xasprintf("can't write to %s: %s", o->sink->name,
                                 ovs_strerror(error));
        }
    }
    if (sentence) {
        unsealer_destroy(u);
    } else {
        *ret = u;
    }
    return sentence;
}

void
unsealer_destroy(struct unsealer *u)
{
    if (u) {
        state_close(u->state);
        free(u->out);
        free(u);
    }
}

uint64_t
unsealer_n_failures(const struct unsealer *u)
{
    return u->n_failures;
}

const char *
unsealer_broken(const struct unsealer *u)
{
    return u->broken[0] ? u->broken : NULL;
}

/* What was taken since the last commit was not. */
static void
roll_back(struct unsealer *u, int error)
{
    struct sink *sink = u->o->sink;

    u->n_failures++;
    u->dirty = NO_STREAM;
    u->written = false;
    VLOG_WARN("%s: %s; batches that are not confirmed will come again",
              sink->name, ovs_strerror(error));
    if (!u->state) {
        snprintf(u->broken, sizeof u->broken, "can't write to %s: %s",
                 sink->name, ovs_strerror(error));
        return;
    }
    state_get(u->state, &u->chain, &u->mark);
    int restore_error = sink->class->restore(sink, &u->mark);
    if (restore_error) {
        snprintf(u->broken, sizeof u->broken, "can't take back what was "
                 "written to %s last: %s", sink->name,
                 ovs_strerror(restore_error));
    }
}

int
unsealer_commit(struct unsealer *u)
{
    struct sink *sink = u->o->sink;
    int error = 0;

    if (u->broken[0]) {
        return EIO;
    }
    if (u->written) {
        error = sink->class->sync(sink, &u->mark);
        if (error) {
            roll_back(u, error);
            return error;
        }
        u->written = false;
    }
    if (u->dirty != NO_STREAM && u->state) {
        error = state_save(u->state, &u->chain, u->dirty, &u->mark);
        if (error) {
            u->n_failures++;
            snprintf(u->broken, sizeof u->broken, "can't save in %s what was "
                     "taken: %s", u->o->state_dir, ovs_strerror(error));
            return error;
        }
    }
    u->dirty = NO_STREAM;
    return 0;
}

int
unsealer_reopen(struct unsealer *u)
{
    struct sink *sink = u->o->sink;
    int error = unsealer_commit(u);

    if (!error && sink && sink->class->reopen) {
        error = sink->class->reopen(sink);
        if (!error) {
            error = sink->class->sync(sink, &u->mark);
        }
        if (!error && u->state) {
            error = state_save_mark(u->state, &u->mark);
        }
    }
    return error;
}

/* What keeps a batch from being opened, in a word. */
static const char *const seal_names[] = {
    [SEAL_TRUNCATED] = "truncated",
    [SEAL_MAGIC] = "no-batch",
    [SEAL_VERSION] = "version",
    [SEAL_LIMIT] = "bomb",
    [SEAL_RECIPIENT] = "other-key",
    [SEAL_TAMPERED] = "flip",
    [SEAL_COMPRESSION] = "compression",
};

static void OVS_PRINTF_FORMAT(4, 5)
fill_answer(struct answer *a, enum delivery_status status, const char *name,
            const char *format, ...)
{
    va_list args;

    a->status = status;
    a->name = name;
    int n = snprintf(a->text, sizeof a->text, "%s: ", name);
    va_start(args, format);
    vsnprintf(a->text + n, sizeof a->text - n, format, args);
    va_end(args);
}

/* Opens 'file'.  Returns 0 and '*ret'; EBADMSG if the batch is at fault, with
 * 'a' filled in; or ENOMEM. */
static int
open_batch(struct unsealer *u, struct slice file,
           const struct elsewhere *elsewhere, struct ship_batch **ret,
           struct answer *a)
{
    const struct ship_form form = {
        .format = u->o->format,
        .framing = u->o->sink ? u->o->sink->framing : SHIP_LF,
        .elsewhere = elsewhere ? elsewhere->names : NULL,
        .n_elsewhere = elsewhere ? elsewhere->n : 0,
    };
    char reason[192];
    uint8_t *raw;

    /* What can be read of the header stands in the answer in any case. */
    seal_read_header(file, &a->header);
    enum seal_error seal_error = seal_open(u->o->key, file, &a->header, &raw);
    if (seal_error == SEAL_NO_MEMORY) {
        return ENOMEM;
    } else if (seal_error) {
        fill_answer(a, DELIVERY_REFUSED, seal_names[seal_error], "%s",
                    seal_error_text(seal_error));
        return EBADMSG;
    }
    int error = ship_batch_from_body(&raw, &a->header, a->header.tenant,
                                     u->o->sd_id, &form, ret, reason,
                                     sizeof reason);
    if (error == EBADMSG) {
        fill_answer(a, DELIVERY_REFUSED, "malformed", "%s", reason);
    }
    return error;
}

/* Renders the lines of 'batch', and unless 'only_count' writes them to the
 * sink.  Returns 0 and how many those are, or a positive errno. */
static int
write_lines(struct unsealer *u, struct ship_batch *batch, bool only_count,
            uint32_t *ret_n)
{
    struct sink *sink = u->o->sink;
    size_t size;
    int error = 0;

    while (!error && (size = ship_batch_render(batch, u->out, OUT_SIZE))) {
        if (sink && !only_count) {
            u->written = true;
            error = sink->class->write(sink, u->out, size);
        }
    }
    if (!error) {
        *ret_n = (ship_batch_n_lines(batch) - ship_batch_n_dropped(batch)
                  - ship_batch_n_routed(batch));
    }
    return error;
}

/* Takes a batch that is to be stored. */
static int
store(struct unsealer *u, struct ship_batch *batch, const uint8_t *digest,
      struct answer *a)
{
    struct chain_finding f = chain_check(&u->chain, &a->header, digest);
    int error = write_lines(u, batch, false, &a->n_lines);

    if (error) {
        roll_back(u, error);
        return error;
    }
    u->dirty = chain_accept(&u->chain, &a->header, digest);
    a->status = DELIVERY_STORED;
    a->is_fine = chain_verdict_is_fine(f.verdict);
    return 0;
}

int
unsealer_take(struct unsealer *u, struct slice file,
              const struct elsewhere *elsewhere, struct answer *a)
{
    uint8_t digest[SEAL_DIGEST_SIZE];
    struct ship_batch *batch = NULL;
    char text[192];

    memset(a, 0, sizeof *a);
    int error = open_batch(u, file, elsewhere, &batch, a);
    if (error == EBADMSG) {
        return 0;
    } else if (error) {
        return error;
    }
    if (!u->chain.tenant) {
        u->chain.tenant = a->header.tenant;
    }

    seal_digest(file, digest);
    struct chain_finding f = chain_check(&u->chain, &a->header, digest);
    a->name = chain_verdict_name(f.verdict);
    switch (chain_verdict_deed(f.verdict)) {
    case CHAIN_STORE:
        /* One stream is saved at a time: the end of the output that stands
         * there is that of all others, too. */
        if (u->dirty != NO_STREAM
            && (u->chain.streams[u->dirty].stream != a->header.stream
                || u->chain.streams[u->dirty].origin != a->header.origin)) {
            error = unsealer_commit(u);
        }
        if (!error) {
            error = store(u, batch, digest, a);
        }
        break;
    case CHAIN_SKIP:
        a->status = DELIVERY_DUPLICATE;
        a->is_fine = true;
        error = write_lines(u, batch, true, &a->n_lines);
        break;
    case CHAIN_REFUSE:
        a->status = DELIVERY_REFUSED;
        break;
    }
    if (!a->is_fine || a->status == DELIVERY_DUPLICATE) {
        chain_describe(&f, text, sizeof text);
        fill_answer(a, a->status, a->name, "%s", text);
    }
    ship_batch_destroy(batch);
    return error;
}
