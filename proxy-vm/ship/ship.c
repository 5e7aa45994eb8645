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
#include "random.h"
#include "timeval.h"
#include "util.h"

#include "session.h"
#include "ship-queue.h"

VLOG_DEFINE_THIS_MODULE(ship);

static struct vlog_rate_limit rl = VLOG_RATE_LIMIT_INIT(5, 20);

enum {
    OUT_SIZE = 512 * 1024,      /* The largest frame, and a good write. */
    MAX_ROUNDS = 64,            /* Buffers sent in one run. */
    LOOK_MS = 1000,             /* Between looks, should inotify fail. */
    SPOOL_RETRY_MS = 1000,
    BACKOFF_MIN_MS = 100,
    STOP_MS = 2000,             /* To finish a batch, besides its hold time. */
};

struct ship {
    const struct ship_options *o;
    struct spool *spool;
    struct seal_key *key;
    struct ship_stats *stats;
    struct ship_queue *queue;
    struct session *session;
    int watch;                  /* inotify, or -1. */

    /* Sending.  'batch' is the queue's current one. */
    struct ship_batch *batch;
    uint8_t *out;
    size_t out_pos, out_size;

    bool more;                  /* The latest run left something to do. */
    bool look;                  /* There may be a new batch. */
    long long int look_at;      /* Look then at the latest. */
    long long int settle_at;    /* Not before. */
    enum session_state was;     /* At the end of the latest run. */
    unsigned int failures;      /* In a row. */
    long long int connect_at;   /* Not before. */
    bool waiting;               /* A batch waits for the session to open. */

    bool stopping;
    long long int stop_by;
    bool done;
    char error[320];
};

char *
ship_create(const struct ship_options *o, struct ship **ret)
{
    struct ship *s = xzalloc(sizeof *s);
    char *sentence = NULL;
    int error;

    s->o = o;
    s->watch = -1;
    s->look = true;
    s->out = xmalloc(OUT_SIZE);
    if ((error = spool_open(o->spool, &s->spool))) {
        sentence = xasprintf("can't open the spool %s: %s", o->spool,
                             ovs_strerror(error));
    } else if ((error = seal_key_read(o->key, &s->key))) {
        sentence = xasprintf("can't read the key %s: %s", o->key,
                             error == EACCES ? "others may read it; give it "
                             "mode 0600 and this program's user"
                             : error == EINVAL ? "it is not a key file"
                             : ovs_strerror(error));
    } else if (o->stats
               && (error = ship_stats_map(o->stats, o->tenant, &s->stats))) {
        sentence = xasprintf("can't map the counters %s: %s", o->stats,
                             ovs_strerror(error));
    } else if (!(s->session = session_create(o->server, o->timeout_ms))) {
        sentence = xasprintf("%s is not a server of the form HOST:PORT or "
                             "[IPV6]:PORT", o->server);
    } else if ((error = spool_watch(s->spool, o->tenant, &s->watch))) {
        VLOG_WARN("%s: can't watch the spool, will look every %d ms: %s",
                  o->spool, LOOK_MS, ovs_strerror(error));
    }
    if (sentence) {
        ship_destroy(s);
        return sentence;
    }
    if (!s->stats) {
        s->stats = xzalloc(sizeof *s->stats);
    }
    s->queue = ship_queue_create(s->spool, o->tenant, s->key, o->sd_id,
                                 o->hold_ms, s->stats);
    *ret = s;
    return NULL;
}

void
ship_destroy(struct ship *s)
{
    if (s) {
        ship_queue_destroy(s->queue);
        session_destroy(s->session);
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

/* The session broke or could not be opened. */
static void
run_broken(struct ship *s)
{
    const char *error = session_error(s->session);

    s->batch = NULL;
    s->out_pos = s->out_size = 0;
    ship_queue_rewind(s->queue);
    s->waiting = false;
    s->look = s->more = true;
    stats_add(&s->stats->counters[SHIP_FAILURES], 1);
    ovs_strlcpy(s->stats->error, error, sizeof s->stats->error);

    uint64_t delay = MIN((uint64_t) BACKOFF_MIN_MS << MIN(s->failures, 20),
                         s->o->backoff_max_ms);
    delay = delay / 2 + random_range(delay / 2 + 1);
    s->failures++;
    s->connect_at = time_msec() + delay;
    VLOG_WARN_RL(&rl, "tenant %"PRIu32": %s; next attempt in %"PRIu64" ms at "
                 "the earliest", s->o->tenant, error, delay);
    if (s->o->once) {
        finish(s, error);
    }
}

/* The server does what it is there for. */
static void
forget_failures(struct ship *s)
{
    s->failures = 0;
    s->stats->error[0] = '\0';
}

/* The spool could not be read, or not be written to. */
static void
spool_failed(struct ship *s, int error)
{
    VLOG_WARN_RL(&rl, "tenant %"PRIu32": the spool fails: %s", s->o->tenant,
                 ovs_strerror(error));
    if (s->o->once) {
        finish(s, "the spool can't be read or written to: see the log");
    }
}

/* Has 's->out' filled.  Returns false if there is nothing to send now. */
static bool
fill(struct ship *s)
{
    while (s->out_pos == s->out_size) {
        if (!s->batch) {
            if (!s->look || s->stopping) {
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
            ship_queue_sent(s->queue, session_sent(s->session));
            s->batch = NULL;
        }
    }
    return true;
}

static void
run_sending(struct ship *s)
{
    for (int i = 0; fill(s); i++) {
        if (i == MAX_ROUNDS) {
            s->more = true;
            break;
        }

        size_t size = s->out_size - s->out_pos;
        size_t n = session_send(s->session, s->out + s->out_pos, size);

        s->out_pos += n;
        stats_add(&s->stats->counters[SHIP_BYTES], n);
        if (n < size) {
            break;
        }
    }
}

static void
run_session(struct ship *s)
{
    session_run(s->session);
    if (session_state(s->session) == SESSION_OPEN) {
        if (s->was != SESSION_OPEN) {
            stats_add(&s->stats->counters[SHIP_CONNECTS], 1);
            VLOG_INFO_RL(&rl, "tenant %"PRIu32": connected to %s",
                         s->o->tenant, s->o->server);
        }
        uint64_t n_settled = ship_queue_n_settled(s->queue);
        if (time_msec() >= s->settle_at) {
            int error = ship_queue_settle(s->queue,
                                          session_delivered(s->session));
            if (error) {
                s->settle_at = time_msec() + SPOOL_RETRY_MS;
                spool_failed(s, error);
            }
        }
        if (ship_queue_n_settled(s->queue) > n_settled
            || session_age(s->session) >= s->o->timeout_ms) {
            forget_failures(s);
        }
        run_sending(s);
    }
    if (session_state(s->session) == SESSION_CLOSED
        && s->was != SESSION_CLOSED) {
        run_broken(s);
    }
    s->was = session_state(s->session);
}

static bool
is_idle(const struct ship *s)
{
    return !s->batch && !ship_queue_n_in_flight(s->queue);
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
    if (s->waiting && time_msec() >= s->connect_at) {
        session_open(s->session);
        s->was = session_state(s->session);
        s->look = true;
        if (s->was == SESSION_CLOSED) {
            run_broken(s);
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
    }
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
    if (session_state(s->session) == SESSION_CLOSED) {
        if (!s->stopping) {
            run_closed(s);
        }
    } else {
        run_session(s);
    }

    bool closed = session_state(s->session) == SESSION_CLOSED;
    if (s->stopping && (closed || is_idle(s) || time_msec() >= s->stop_by)) {
        s->done = true;
    }
    if (s->o->once) {
        run_once(s);
    }
    set_state(s, session_state(s->session) == SESSION_OPEN
              ? SHIP_STATE_CONNECTED
              : !closed ? SHIP_STATE_CONNECTING
              : s->waiting ? SHIP_STATE_BACKOFF : SHIP_STATE_IDLE);
}

void
ship_wait(struct ship *s)
{
    if (s->more || s->done) {
        poll_immediate_wake();
    }
    if (s->watch >= 0) {
        poll_fd_wait(s->watch, POLLIN);
    }
    poll_timer_wait_until(s->look_at);
    if (s->stopping) {
        poll_timer_wait_until(s->stop_by);
    }
    if (session_state(s->session) == SESSION_CLOSED) {
        if (s->waiting) {
            poll_timer_wait_until(s->connect_at);
        }
    } else {
        session_wait(s->session, s->out_pos < s->out_size);
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
