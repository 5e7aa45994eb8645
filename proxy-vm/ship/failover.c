/* SPDX-License-Identifier: Apache-2.0
 *
 * Which output gets the batches.  See failover.h. */
#include <config.h>

#include "failover.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "openvswitch/poll-loop.h"
#include "openvswitch/vlog.h"
#include "random.h"
#include "timeval.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(failover);

static struct vlog_rate_limit rl = VLOG_RATE_LIMIT_INIT(5, 20);

enum { BACKOFF_MIN_MS = 100 };

struct circuit {
    struct output *output;
    struct ship_output_stats *stats;
    enum output_state was;      /* As last seen. */
    unsigned int failures;      /* In a row. */
    long long int next_at;      /* Not before. */
    uint64_t truncated;         /* Counted up to here. */
};

struct failover {
    struct ship_stats *stats;
    const char *log_name;
    uint32_t backoff_max_ms;
    struct circuit *circuits;
    size_t n;
    struct circuit *active;     /* Or null. */
    bool broke;                 /* The active one did, since the latest run. */
};

static uint64_t
wall_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    return now.tv_sec * UINT64_C(1000000000) + now.tv_nsec;
}

/* Where the lines go, for people. */
static const char *
peer(const struct output *output)
{
    return output->o->server ? output->o->server : output->o->path;
}

/* Takes over the counters of the destination 'name', if they are its. */
static void
begin_stats(struct ship_output_stats *stats, const char *name)
{
    if (strncmp(stats->name, name, sizeof stats->name)) {
        memset(stats, 0, sizeof *stats);
        ovs_strlcpy(stats->name, name, sizeof stats->name);
    }
    stats_set(&stats->state, SHIP_STATE_IDLE);
    stats_set(&stats->since_ns, wall_ns());
    stats_set(&stats->next_ns, 0);
}

char *
failover_create(const struct output_options *options, size_t n,
                uint32_t backoff_max_ms, const char *log_name,
                struct ship_stats *stats, struct failover **ret)
{
    struct failover *f = xzalloc(sizeof *f);
    char *sentence = NULL;

    ovs_assert(n > 0 && n <= STATS_MAX_OUTPUTS);
    f->stats = stats;
    f->log_name = log_name;
    f->backoff_max_ms = backoff_max_ms;
    f->circuits = xcalloc(n, sizeof *f->circuits);
    for (size_t i = 0; i < n && !sentence; i++) {
        struct circuit *c = &f->circuits[i];
        sentence = output_create(&options[i], &c->output);
        c->stats = &stats->outputs[i];
        begin_stats(c->stats, options[i].name);
        f->n++;
    }
    memset(&stats->outputs[n], 0,
           (STATS_MAX_OUTPUTS - n) * sizeof stats->outputs[0]);
    if (sentence) {
        failover_destroy(f);
        return sentence;
    }
    *ret = f;
    return NULL;
}

void
failover_destroy(struct failover *f)
{
    if (f) {
        for (size_t i = 0; i < f->n; i++) {
            output_destroy(f->circuits[i].output);
        }
        free(f->circuits);
        free(f);
    }
}

/* Shows sluiced the state of the circuit. */
static void
show(struct circuit *c)
{
    enum ship_state state
        = (c->output->state == OUTPUT_OPEN ? SHIP_STATE_CONNECTED
           : c->output->state == OUTPUT_OPENING ? SHIP_STATE_CONNECTING
           : c->failures ? SHIP_STATE_BACKOFF : SHIP_STATE_IDLE);

    if (stats_get(&c->stats->state) != state) {
        stats_set(&c->stats->state, state);
        stats_set(&c->stats->since_ns, wall_ns());
    }
}

/* The session of 'c' broke or could not be opened. */
static void
handle_broken(struct failover *f, struct circuit *c)
{
    const char *error = c->output->error;

    stats_add(&f->stats->counters[SHIP_FAILURES], 1);
    stats_add(&c->stats->failures, 1);
    ovs_strlcpy(c->stats->error, error, sizeof c->stats->error);
    ovs_strlcpy(f->stats->error, error, sizeof f->stats->error);

    uint64_t delay = MIN((uint64_t) BACKOFF_MIN_MS << MIN(c->failures, 20),
                         f->backoff_max_ms);
    delay = delay / 2 + random_range(delay / 2 + 1);
    c->failures++;
    c->next_at = time_msec() + delay;
    stats_set(&c->stats->next_ns, wall_ns() + delay * 1000000);
    VLOG_WARN_RL(&rl, "%s: %s; next attempt in %"PRIu64" ms at the earliest",
                 f->log_name, error, delay);
    if (c == f->active) {
        f->active = NULL;
        f->broke = true;
    }
}

/* Looks what became of the session of 'c'. */
static void
follow(struct failover *f, struct circuit *c)
{
    enum output_state state = c->output->state;

    if (state == OUTPUT_OPEN && c->was != OUTPUT_OPEN) {
        stats_add(&f->stats->counters[SHIP_CONNECTS], 1);
        VLOG_INFO_RL(&rl, "%s: connected to %s", f->log_name,
                     peer(c->output));
    } else if (state == OUTPUT_CLOSED && c->was != OUTPUT_CLOSED) {
        handle_broken(f, c);
    }
    c->was = state;
    stats_add(&f->stats->counters[SHIP_TRUNCATED],
              c->output->truncated - c->truncated);
    c->truncated = c->output->truncated;
    show(c);
}

static bool
may_try(const struct circuit *c)
{
    return c->output->state == OUTPUT_CLOSED && time_msec() >= c->next_at;
}

static void
begin(struct failover *f, struct circuit *c)
{
    c->was = OUTPUT_OPENING;
    output_open(c->output);
    follow(f, c);
}

bool
failover_run(struct failover *f)
{
    for (size_t i = 0; i < f->n; i++) {
        struct circuit *c = &f->circuits[i];
        if (c->output->state != OUTPUT_CLOSED || c->was != OUTPUT_CLOSED) {
            output_run(c->output);
            follow(f, c);
        }
    }
    for (struct circuit *c = f->circuits; f->active && c < f->active; c++) {
        if (may_try(c)) {
            begin(f, c);
        }
    }
    bool broke = f->broke;
    f->broke = false;
    return broke;
}

struct output *
failover_active(const struct failover *f)
{
    return f->active ? f->active->output : NULL;
}

struct output *
failover_open(struct failover *f)
{
    for (size_t i = 0; i < f->n && !f->active; i++) {
        struct circuit *c = &f->circuits[i];
        if (c->output->state != OUTPUT_CLOSED) {
            f->active = c;      /* Tried in the background. */
        } else if (may_try(c)) {
            f->active = c;
            begin(f, c);
        }
    }
    f->broke = false;           /* Nothing was sent yet. */
    return failover_active(f);
}

static struct circuit *
find_better(const struct failover *f)
{
    for (struct circuit *c = f->circuits; f->active && c < f->active; c++) {
        if (c->output->state == OUTPUT_OPEN) {
            return c;
        }
    }
    return NULL;
}

bool
failover_has_better(const struct failover *f)
{
    return find_better(f) != NULL;
}

struct output *
failover_switch(struct failover *f)
{
    struct circuit *better = find_better(f);

    VLOG_INFO_RL(&rl, "%s: %s is back and takes over from %s", f->log_name,
                 peer(better->output), peer(f->active->output));
    output_close(f->active->output);
    f->active->was = OUTPUT_CLOSED;
    show(f->active);
    f->active = better;
    return better->output;
}

void
failover_worked(struct failover *f)
{
    if (f->active && f->active->failures) {
        f->active->failures = 0;
        stats_set(&f->active->stats->next_ns, 0);
    }
    if (f->active) {
        f->active->stats->error[0] = '\0';
        f->stats->error[0] = '\0';
    }
}

bool
failover_all_failed(const struct failover *f)
{
    size_t n_failed = 0;

    for (size_t i = 0; i < f->n; i++) {
        n_failed += f->circuits[i].failures > 0;
    }
    return n_failed == f->n;
}

const char *
failover_error(const struct failover *f)
{
    return f->stats->error;
}

void
failover_wait(const struct failover *f, bool want_send, bool want_open)
{
    for (size_t i = 0; i < f->n; i++) {
        const struct circuit *c = &f->circuits[i];
        output_wait(c->output, want_send && c == f->active);
        if (c->output->state == OUTPUT_CLOSED
            && (f->active ? c < f->active : want_open)) {
            poll_timer_wait_until(c->next_at);
        }
    }
}
