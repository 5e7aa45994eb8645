/* SPDX-License-Identifier: Apache-2.0
 *
 * A session of one sender.  See receiver.h. */
#include <config.h>

#include "receiver.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#include "openvswitch/ofpbuf.h"
#include "openvswitch/poll-loop.h"
#include "openvswitch/vlog.h"
#include "timeval.h"
#include "util.h"

#include "cursor.h"
#include "printable.h"

VLOG_DEFINE_THIS_MODULE(receiver);

static struct vlog_rate_limit rl = VLOG_RATE_LIMIT_INIT(10, 50);

enum {
    FIRST_ROOM = 64 * 1024,     /* Of the buffer for what comes. */
    MAX_OUT = 64 * 1024,        /* Receipts that wait: nothing is read then. */
    MAX_BATCHES = 16,           /* Taken in one run. */
};

enum receiver_state {
    RECEIVER_HANDSHAKE,
    RECEIVER_HELLO,
    RECEIVER_BATCHES,
    RECEIVER_ENDING,            /* Only writes what is left. */
    RECEIVER_OVER,
};

struct receiver {
    struct receiver_pool *pool;
    struct conn *conn;
    enum receiver_state state;
    struct elsewhere elsewhere; /* What the sender has besides us. */

    uint8_t *in;                /* From the beginning of a frame on. */
    size_t in_size, in_room;
    struct ofpbuf held;         /* Receipts that are not committed yet. */
    struct ofpbuf out;          /* What can be written. */

    uint32_t skip;              /* Bytes to come of a batch that is too large
                                 * and refused, whose receipt is... */
    struct delivery_receipt refusal; /* ...this, with 'skip' nonzero. */

    bool blocked;               /* There was no memory to read more. */
    bool more;                  /* There may be more to read. */
    long long int step_by;      /* When what is under way must be done. */
    long long int progress_by;  /* When the next byte must have come. */
    long long int idle_since;
};

struct receiver *
receiver_create(struct receiver_pool *pool, struct conn *conn)
{
    struct receiver *r = xzalloc(sizeof *r);

    r->pool = pool;
    r->conn = conn;
    ofpbuf_init(&r->held, 0);
    ofpbuf_init(&r->out, 0);
    r->step_by = time_msec() + pool->o->timeout_ms;
    r->progress_by = LLONG_MAX;
    r->idle_since = LLONG_MAX;
    r->more = true;
    return r;
}

/* Changes the room for what comes. */
static void
resize(struct receiver *r, size_t room)
{
    r->pool->freed |= room < r->in_room;
    r->pool->memory -= r->in_room;
    r->pool->memory += room;
    r->in_room = room;
    if (room) {
        r->in = xrealloc(r->in, room);
    } else {
        free(r->in);
        r->in = NULL;
    }
}

void
receiver_destroy(struct receiver *r)
{
    if (r) {
        resize(r, 0);
        ofpbuf_uninit(&r->held);
        ofpbuf_uninit(&r->out);
        for (size_t i = 0; i < r->elsewhere.n; i++) {
            free(r->elsewhere.names[i]);
        }
        conn_destroy(r->conn);
        free(r);
    }
}

bool
receiver_is_over(const struct receiver *r)
{
    return r->state == RECEIVER_OVER;
}

long long int
receiver_idle_since(const struct receiver *r)
{
    return r->idle_since;
}

/* Ends the session, told to the sender in the words of 'reason'. */
static void
end(struct receiver *r, const char *reason)
{
    uint8_t frame[DELIVERY_MAX_SMALL];

    VLOG_WARN_RL(&rl, "%s: %s", conn_peer(r->conn), reason);
    ofpbuf_put(&r->out, frame,
               delivery_put_failed(frame, slice_from_string(reason)));
    ofpbuf_clear(&r->held);
    resize(r, 0);
    r->in_size = 0;
    r->state = RECEIVER_ENDING;
    r->idle_since = LLONG_MAX;
    r->progress_by = LLONG_MAX;
    r->step_by = time_msec() + r->pool->o->timeout_ms;
}

/* Takes the HELLO. */
static void
take_hello(struct receiver *r, struct slice frame)
{
    const struct server_options *o = r->pool->o;
    const struct delivery_welcome welcome = {
        .version = DELIVERY_VERSION,
        .window = CHAIN_WINDOW,
        .max_batch = o->max_batch,
    };
    uint8_t out[DELIVERY_MAX_SMALL];
    struct delivery_hello hello;
    char reason[128];

    if (!delivery_read_hello(frame, &hello)) {
        end(r, "what it sends is not the beginning of a delivery");
    } else if (hello.version != DELIVERY_VERSION) {
        snprintf(reason, sizeof reason, "this program speaks version %d of "
                 "the protocol, not %u", DELIVERY_VERSION, hello.version);
        end(r, reason);
    } else if (hello.tenant != o->tenant) {
        snprintf(reason, sizeof reason, "foreign: this is the receiver of "
                 "tenant %"PRIu32", not of %"PRIu32, o->tenant, hello.tenant);
        end(r, reason);
    } else if (memcmp(hello.recipient, o->recipient, 32)) {
        end(r, "other-key: batches are sealed to another key than this "
            "receiver's");
    } else {
        char *queue = make_printable((const char *) hello.queue.data,
                                     hello.queue.size);
        struct slice name;

        VLOG_INFO_RL(&rl, "%s: delivers queue \"%s\"", conn_peer(r->conn),
                     queue);
        free(queue);
        while (delivery_take_name(&hello.elsewhere, &name)) {
            r->elsewhere.names[r->elsewhere.n++]
                = xmemdup0((const char *) name.data, name.size);
        }
        ofpbuf_put(&r->out, out, delivery_put_welcome(out, &welcome));
        r->state = RECEIVER_BATCHES;
    }
}

/* Has a batch taken, and holds its receipt back. */
static void
take_batch(struct receiver *r, struct slice file)
{
    uint8_t out[DELIVERY_MAX_SMALL];
    struct answer answer;

    int error = unsealer_take(r->pool->o->unsealer, file, &r->elsewhere,
                              &answer);
    if (error) {
        char reason[128];

        snprintf(reason, sizeof reason, "it could not be stored: %s",
                 ovs_strerror(error));
        end(r, reason);
        return;
    }
    if (!answer.is_fine) {
        VLOG_WARN_RL(&rl, "%s: batch %"PRIu64" of stream %016"PRIx64" was "
                     "%s: %s", conn_peer(r->conn), answer.header.number,
                     answer.header.stream,
                     answer.status == DELIVERY_REFUSED ? "refused" : "stored",
                     answer.text);
    }
    const struct delivery_receipt receipt = {
        .status = answer.status,
        .stream = answer.header.stream,
        .number = answer.header.number,
        .n_lines = answer.n_lines,
        .reason = slice_from_string(answer.text),
    };
    ofpbuf_put(&r->held, out, delivery_put_receipt(out, &receipt));
}

/* Returns false if what 'in' begins with has a size and is no batch. */
static bool
is_batch(struct slice in)
{
    struct cursor c = cursor_of(in);
    uint32_t size = cursor_be(&c, DELIVERY_SIZE_SIZE);
    struct slice rest = cursor_rest(&c);
    static const char magic[] = "SLUICEB";

    return size && !memcmp(rest.data, magic,
                           MIN(rest.size, sizeof magic - 1));
}

/* Begins to skip the batch at the start of 'in', which is larger than any may
 * be: of it the header is enough.  Returns false if that is not there yet. */
static bool
begin_skip(struct receiver *r, struct slice in)
{
    struct cursor c = cursor_of(in);
    uint32_t size = cursor_be(&c, DELIVERY_SIZE_SIZE);
    struct seal_header h = { .stream = 0 };

    if (c.left < SEAL_HEADER_SIZE) {
        return false;
    }
    seal_read_header(slice_of(c.p, SEAL_HEADER_SIZE), &h);
    r->refusal = (struct delivery_receipt) {
        .status = DELIVERY_REFUSED,
        .stream = h.stream,
        .number = h.number,
        .reason = slice_from_string("bomb: it is larger than this receiver "
                                    "takes"),
    };
    r->skip = size;
    r->in_size = c.left;
    memmove(r->in, c.p, c.left);
    return true;
}

/* Skips of what has come what there is to skip. */
static void
skip(struct receiver *r)
{
    size_t n = MIN(r->skip, r->in_size);

    if (!r->skip) {
        return;
    }
    r->skip -= n;
    r->in_size -= n;
    memmove(r->in, r->in + n, r->in_size);
    if (!r->skip) {
        uint8_t out[DELIVERY_MAX_SMALL];

        VLOG_WARN_RL(&rl, "%s: batch %"PRIu64" of stream %016"PRIx64" was "
                     "refused: it is larger than --max-batch",
                     conn_peer(r->conn), r->refusal.number,
                     r->refusal.stream);
        ofpbuf_put(&r->held, out, delivery_put_receipt(out, &r->refusal));
    }
}

/* Takes the frames that are whole.  Returns how many. */
static int
take_frames(struct receiver *r)
{
    skip(r);
    if (r->skip) {
        return 0;
    }

    struct slice in = slice_of(r->in, r->in_size), frame;
    int n = 0;

    while (r->state == RECEIVER_HELLO || r->state == RECEIVER_BATCHES) {
        bool hello = r->state == RECEIVER_HELLO;
        uint32_t max = hello ? DELIVERY_MAX_SMALL : r->pool->o->max_batch;
        int error = delivery_take_frame(&in, max, &frame);

        if (error == EMSGSIZE && (hello || !is_batch(in))) {
            end(r, "what it sends is no delivery");
        } else if (error == EMSGSIZE && begin_skip(r, in)) {
            return take_frames(r) + 1;
        }
        if (error) {
            break;
        }
        if (hello) {
            take_hello(r, frame);
        } else {
            take_batch(r, frame);
        }
        n++;
    }
    if (r->state < RECEIVER_ENDING && n) {
        memmove(r->in, in.data, in.size);
        r->in_size = in.size;
        r->step_by = time_msec() + 6 * (long long int) r->pool->o->timeout_ms;
    }
    return n;
}

/* Makes room for more of a frame, unless all sessions have too much. */
static bool
make_room(struct receiver *r)
{
    if (r->in_size < r->in_room) {
        return true;
    }

    size_t room = MAX(2 * r->in_room, FIRST_ROOM);
    size_t most = (size_t) DELIVERY_SIZE_SIZE + r->pool->o->max_batch;
    room = MIN(room, MAX(most, FIRST_ROOM));
    r->blocked = (r->pool->memory + room - r->in_room
                  > r->pool->o->max_memory);
    if (!r->blocked) {
        resize(r, room);
    }
    return !r->blocked;
}

static void
read_more(struct receiver *r)
{
    int n = 0;

    r->more = true;
    r->blocked = false;
    while (r->state < RECEIVER_ENDING && n < MAX_BATCHES
           && r->out.size + r->held.size < MAX_OUT && make_room(r)) {
        ssize_t got = conn_read(r->conn, r->in + r->in_size,
                                r->in_room - r->in_size);
        if (got == -EAGAIN) {
            r->more = false;
            break;
        } else if (got == -EPIPE) {
            /* Its end is nothing to speak of, but between two bytes. */
            if (r->in_size) {
                VLOG_WARN_RL(&rl, "%s: the session ended within a batch",
                             conn_peer(r->conn));
            }
            r->state = RECEIVER_ENDING;
            r->step_by = time_msec() + r->pool->o->timeout_ms;
            break;
        } else if (got < 0) {
            VLOG_WARN_RL(&rl, "%s: the session broke: %s",
                         conn_peer(r->conn), conn_error(r->conn));
            r->state = RECEIVER_OVER;
            break;
        }
        r->in_size += got;
        r->progress_by = time_msec() + r->pool->o->timeout_ms;
        n += take_frames(r);
    }
}

void
receiver_run(struct receiver *r)
{
    if (r->state == RECEIVER_HANDSHAKE) {
        int error = conn_handshake(r->conn);
        if (!error) {
            r->state = RECEIVER_HELLO;
            r->step_by = time_msec() + r->pool->o->timeout_ms;
        } else if (error != EAGAIN) {
            VLOG_WARN_RL(&rl, "%s: the handshake failed: %s",
                         conn_peer(r->conn), conn_error(r->conn));
            r->state = RECEIVER_OVER;
        } else {
            r->more = false;
        }
    }
    if (r->state == RECEIVER_HELLO || r->state == RECEIVER_BATCHES) {
        read_more(r);
    }
    if (r->state == RECEIVER_BATCHES && !r->in_size && !r->skip) {
        /* An idle session holds no memory. */
        resize(r, 0);
        r->progress_by = LLONG_MAX;
        if (r->idle_since == LLONG_MAX) {
            r->idle_since = time_msec();
        }
        r->step_by = LLONG_MAX;
    } else if (r->state == RECEIVER_BATCHES
               && r->idle_since != LLONG_MAX) {
        r->idle_since = LLONG_MAX;
        r->step_by = time_msec() + 6 * (long long int) r->pool->o->timeout_ms;
    }
}

void
receiver_commit(struct receiver *r, const char *failed)
{
    if (!r->held.size) {
        return;
    }
    if (failed) {
        end(r, failed);
    } else {
        ofpbuf_put(&r->out, r->held.data, r->held.size);
        ofpbuf_clear(&r->held);
    }
}

void
receiver_flush(struct receiver *r)
{
    while (r->out.size && r->state != RECEIVER_OVER) {
        ssize_t n = conn_write(r->conn, r->out.data, r->out.size);
        if (n == -EAGAIN) {
            break;
        } else if (n < 0) {
            r->state = RECEIVER_OVER;
            break;
        }
        ofpbuf_pull(&r->out, n);
    }
    if (!r->out.size) {
        ofpbuf_clear(&r->out);
        if (r->state == RECEIVER_ENDING) {
            r->state = RECEIVER_OVER;
        }
    }

    long long int now = time_msec();
    if (r->state != RECEIVER_OVER
        && (now >= r->step_by || now >= r->progress_by)) {
        if (r->state == RECEIVER_BATCHES) {
            end(r, "it takes too long to send a batch");
        } else {
            VLOG_WARN_RL(&rl, "%s: takes too long", conn_peer(r->conn));
            r->state = RECEIVER_OVER;
        }
    }
}

void
receiver_wait(struct receiver *r)
{
    /* What is blocked goes on once another session has freed memory. */
    bool may_read = (r->state < RECEIVER_ENDING && !r->blocked
                     && r->out.size + r->held.size < MAX_OUT);

    if (r->state == RECEIVER_OVER || (may_read && r->more)) {
        poll_immediate_wake();
    }
    conn_wait(r->conn, may_read, r->out.size > 0);
    poll_timer_wait_until(MIN(r->step_by, r->progress_by));
}
