/* SPDX-License-Identifier: Apache-2.0
 *
 * Ships one tenant's batches.  See ship.h. */
#include <config.h>

#include "ship.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "openvswitch/poll-loop.h"
#include "openvswitch/vlog.h"
#include "timeval.h"
#include "util.h"

#include "failover.h"
#include "failpoint.h"
#include "ship-queue.h"

VLOG_DEFINE_THIS_MODULE(ship);

static struct vlog_rate_limit rl = VLOG_RATE_LIMIT_INIT(5, 20);

enum {
    OUT_SIZE = 512 * 1024,      /* The largest frame, and a good write. */
    MAX_ROUNDS = 64,            /* Buffers sent in one run. */
    LOOK_MS = 1000,             /* Between looks, should inotify fail. */
    SPOOL_RETRY_MS = 1000,
    STOP_MS = 2000,             /* To finish a batch, besides its hold time. */
};

struct ship {
    const struct ship_options *o;
    char *log_name;             /* "tenant 7, queue archive". */
    struct spool *spool;
    struct seal_key *key;
    struct ship_stats *stats;
    struct ship_queue *queue;
    struct failover *outputs;
    int watch;                  /* inotify, or -1. */

    /* Sending.  'batch' is the queue's current one. */
    struct ship_batch *batch;
    uint8_t *out;
    size_t out_pos, out_size;

    bool more;                  /* The latest run left something to do. */
    bool look;                  /* There may be a new batch. */
    long long int look_at;      /* Look then at the latest. */
    long long int settle_at;    /* Not before. */
    bool waiting;               /* A batch waits for a session to open. */
    long long int switch_by;    /* To the better output; 0: there is none. */

    bool stopping;
    long long int stop_by;
    bool done;
    char error[320];
};

/* Opens what the options name, but for the outputs. */
static char *
open_files(struct ship *s)
{
    const struct ship_options *o = s->o;
    int error;

    if ((error = spool_open(o->spool, &s->spool))) {
        return xasprintf("can't open the spool %s: %s", o->spool,
                         ovs_strerror(error));
    }
    spool_set_process_only(s->spool, o->process_only);
    if ((error = seal_key_read(o->key, &s->key))) {
        return xasprintf("can't read the key %s: %s", o->key,
                         error == EACCES ? "others may read it; give it "
                         "mode 0600 and this program's user"
                         : error == EINVAL ? "it is not a key file"
                         : ovs_strerror(error));
    } else if (o->stats
               && (error = ship_stats_map(o->stats, o->queue.tenant,
                                          &s->stats))) {
        return xasprintf("can't map the counters %s: %s", o->stats,
                         ovs_strerror(error));
    } else if ((error = spool_watch(s->spool, &o->queue, &s->watch))) {
        VLOG_WARN("%s: can't watch the spool, will look every %d ms: %s",
                  o->spool, LOOK_MS, ovs_strerror(error));
    }
    if (!s->stats) {
        s->stats = xzalloc(sizeof *s->stats);
    }
    return NULL;
}

char *
ship_create(const struct ship_options *o, struct ship **ret)
{
    struct ship *s = xzalloc(sizeof *s);

    s->o = o;
    s->log_name = xasprintf("tenant %"PRIu32", queue %s", o->queue.tenant,
                            o->queue.name);
    s->watch = -1;
    s->look = true;
    s->out = xmalloc(OUT_SIZE);
    char *sentence = open_files(s);
    if (!sentence) {
        sentence = failover_create(o->outputs, o->n_outputs,
                                   o->backoff_max_ms, s->log_name, s->stats,
                                   &s->outputs);
    }
    if (sentence) {
        ship_destroy(s);
        return sentence;
    }
    s->queue = ship_queue_create(s->spool, &o->queue, s->key, o->sd_id,
                                 s->stats);
    *ret = s;
    return NULL;
}

void
ship_destroy(struct ship *s)
{
    if (s) {
        ship_queue_destroy(s->queue);
        failover_destroy(s->outputs);
        if (s->o->stats) {
            stats_unmap(s->stats);
        } else {
            free(s->stats);
        }
        seal_key_destroy(s->key);
        spool_close(s->spool);
        if (s->watch >= 0) {
            close(s->watch);
        }
        free(s->out);
        free(s->log_name);
        free(s);
    }
}

static void
set_state(struct ship *s, enum ship_state state)
{
    if (stats_get(&s->stats->state) != state
        || !stats_get(&s->stats->since_ns)) {
        struct timespec now;

        clock_gettime(CLOCK_REALTIME, &now);
        stats_set(&s->stats->state, state);
        stats_set(&s->stats->since_ns,
                  now.tv_sec * UINT64_C(1000000000) + now.tv_nsec);
    }
}

static void
finish(struct ship *s, const char *error)
{
    s->done = true;
    ovs_strlcpy(s->error, error, sizeof s->error);
}

/* From now on batches go to 'output'. */
static void
begin_session(struct ship *s, const struct output *output)
{
    struct ship_form form = {
        .format = output->o->format,
        .framing = output->class->framing,
        .elsewhere = s->o->elsewhere,
        .n_elsewhere = s->o->n_elsewhere,
    };

    s->batch = NULL;
    s->out_pos = s->out_size = 0;
    s->switch_by = 0;
    s->look = true;
    ship_queue_begin(s->queue, &form,
                     output->class->confirms ? 0 : s->o->hold_ms);
    failpoint(FAIL_SHIP_SESSION);
}

/* The session broke. */
static void
handle_broken(struct ship *s)
{
    s->batch = NULL;
    s->out_pos = s->out_size = 0;
    s->switch_by = 0;
    ship_queue_rewind(s->queue);
    s->waiting = false;
    s->look = s->more = true;
}

/* The spool could not be read, or not be written to. */
static void
spool_failed(struct ship *s, int error)
{
    VLOG_WARN_RL(&rl, "%s: the spool fails: %s", s->log_name,
                 ovs_strerror(error));
    if (s->o->once) {
        finish(s, "the spool can't be read or written to: see the log");
    }
}

/* Has 's->out' filled for 'output'.  Returns false if there is nothing to send
 * now. */
static bool
fill(struct ship *s, struct output *output)
{
    while (s->out_pos == s->out_size) {
        if (!s->batch) {
            if (!s->look || s->stopping || s->switch_by) {
                return false;
            }
            int error = ship_queue_next(s->queue, &s->batch);
            if (error == EAGAIN) {
                s->more = true;
                return false;
            } else if (error == EBUSY) {
                return false;   /* Until something is settled. */
            } else if (error) {
                s->look = false;
                if (error != ENOENT) {
                    spool_failed(s, error);
                }
                return false;
            }
        }

        s->out_pos = 0;
        s->out_size = ship_batch_render(s->batch, s->out, OUT_SIZE);
        if (!s->out_size) {
            ship_queue_sent(s->queue, output->sent);
            output_mark(output);
            s->batch = NULL;
        }
    }
    return true;
}

static void
run_sending(struct ship *s, struct output *output)
{
    for (int i = 0; fill(s, output); i++) {
        if (i == MAX_ROUNDS) {
            s->more = true;
            break;
        }

        size_t size = s->out_size - s->out_pos;
        size_t n = output_send(output, s->out + s->out_pos, size);
        failpoint(FAIL_SHIP_SENT_PART);

        s->out_pos += n;
        stats_add(&s->stats->counters[SHIP_BYTES], n);
        if (n < size) {
            break;
        }
    }
}

static bool
is_idle(const struct ship *s)
{
    return !s->batch && !ship_queue_n_in_flight(s->queue);
}

/* Changes over to a better output, if there is one: once nothing is in flight,
 * or else when that takes too long, and it is sent again. */
static void
run_switch(struct ship *s, const struct output *output)
{
    if (!failover_has_better(s->outputs)) {
        s->switch_by = 0;
        return;
    }
    if (!s->switch_by) {
        s->switch_by = time_msec() + s->o->hold_ms + output->o->timeout_ms;
    }
    if (is_idle(s) || time_msec() >= s->switch_by) {
        begin_session(s, failover_switch(s->outputs));
        s->more = true;
    }
}

/* Does what the destination's receipt asks for, which is one for a batch that
 * it refused, or of which it did not take all.  Returns 0 or a positive
 * errno. */
static int
run_receipt(struct ship *s, struct output *output)
{
    const struct output_receipt *r = &output->receipt;
    int error = (!output->has_receipt ? 0
                 : r->refused ? ship_queue_refuse(s->queue, r->end, r->reason)
                 : r->n_dropped ? ship_queue_drop(s->queue, r->end,
                                                  r->n_dropped)
                 : ship_queue_count(s->queue, r->end, r->n_lines));

    if (output->has_receipt && !error) {
        output_receipt_done(output);
    } else if (error == EAGAIN) {
        error = 0;
    }
    s->more |= output->has_receipt && !error;
    return error;
}

static void
run_session(struct ship *s, struct output *output)
{
    uint64_t n_settled = ship_queue_n_settled(s->queue);

    if (time_msec() >= s->settle_at) {
        int error = ship_queue_settle(s->queue, output->delivered);
        if (!error) {
            error = run_receipt(s, output);
        }
        if (error) {
            s->settle_at = time_msec() + SPOOL_RETRY_MS;
            spool_failed(s, error);
        }
    }
    if (ship_queue_n_settled(s->queue) > n_settled
        || output_age(output) >= output->o->timeout_ms) {
        failover_worked(s->outputs);
    }
    run_sending(s, output);
    if (output->state == OUTPUT_OPEN && !s->stopping) {
        run_switch(s, output);
    }
}

/* Opens a session if one is needed and it is time. */
static void
run_closed(struct ship *s)
{
    if (s->look) {
        int error = ship_queue_check(s->queue);

        s->waiting = !error;
        s->look = false;
        if (error && error != ENOENT) {
            spool_failed(s, error);
        }
    }
    if (s->waiting) {
        const struct output *output = failover_open(s->outputs);
        if (output) {
            begin_session(s, output);
            s->more = true;
        }
    }
}

static void
run_once(struct ship *s)
{
    if (is_idle(s) && !s->look && !s->done
        && ship_queue_check(s->queue) == ENOENT) {
        finish(s, ship_queue_n_quarantined(s->queue)
               ? "not all batches could be sent: see the directory quarantine "
                 "in the spool" : "");
    } else if (!s->done && s->waiting && !failover_active(s->outputs)
               && failover_all_failed(s->outputs)) {
        finish(s, failover_error(s->outputs));
    }
}

/* Says what is the matter, 'output' being the active one or null. */
static void
show_state(struct ship *s, const struct output *output)
{
    set_state(s, output && output->state == OUTPUT_OPEN ? SHIP_STATE_CONNECTED
              : output ? SHIP_STATE_CONNECTING
              : s->waiting ? SHIP_STATE_BACKOFF : SHIP_STATE_IDLE);
}

void
ship_run(struct ship *s)
{
    uint8_t buf[4096];

    s->more = false;
    while (s->watch >= 0 && read(s->watch, buf, sizeof buf) > 0) {
        s->look = true;
    }
    if (time_msec() >= s->look_at) {
        s->look = true;
        s->look_at = time_msec() + LOOK_MS;
    }
    if (failover_run(s->outputs)) {
        handle_broken(s);
    }

    struct output *output = failover_active(s->outputs);
    if (output && output->state == OUTPUT_OPEN) {
        run_session(s, output);
        /* What broke while sending. */
        s->more |= output->state == OUTPUT_CLOSED;
    } else if (!output && !s->stopping) {
        run_closed(s);
    }

    output = failover_active(s->outputs);
    if (s->stopping
        && (!output || is_idle(s) || time_msec() >= s->stop_by)) {
        s->done = true;
    }
    if (s->o->once) {
        run_once(s);
    }
    ship_queue_sync(s->queue);
    show_state(s, output);
}

void
ship_wait(struct ship *s)
{
    const struct output *output = failover_active(s->outputs);

    if (s->more || s->done) {
        poll_immediate_wake();
    }
    if (s->watch >= 0) {
        poll_fd_wait(s->watch, POLLIN);
    }
    poll_timer_wait_until(s->look_at);
    ship_queue_wait_sync(s->queue);
    if (s->stopping) {
        poll_timer_wait_until(s->stop_by);
    }
    failover_wait(s->outputs, s->out_pos < s->out_size,
                  s->waiting && !s->stopping);
    if (output) {
        if (s->switch_by) {
            poll_timer_wait_until(s->switch_by);
        }
        if (s->settle_at > time_msec()) {
            poll_timer_wait_until(s->settle_at);
        } else {
            ship_queue_wait(s->queue);
        }
    }
}

void
ship_stop(struct ship *s)
{
    if (!s->stopping) {
        s->stopping = true;
        s->stop_by = time_msec() + s->o->hold_ms + STOP_MS;
    }
}

bool
ship_is_done(const struct ship *s, const char **ret_error)
{
    *ret_error = s->error[0] ? s->error : NULL;
    return s->done;
}
