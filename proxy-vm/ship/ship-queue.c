/* SPDX-License-Identifier: Apache-2.0
 *
 * One tenant's batches on their way through ship.  See ship-queue.h. */
#include <config.h>

#include "ship-queue.h"

#include <errno.h>
#include <stdlib.h>

#include "openvswitch/poll-loop.h"
#include "openvswitch/vlog.h"
#include "timeval.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(ship_queue);

static struct vlog_rate_limit rl = VLOG_RATE_LIMIT_INIT(5, 20);

enum {
    /* What is sent again, at most, when a session breaks. */
    MAX_IN_FLIGHT = 1024,

    /* Deletions in one go: each is synced, and others wait meanwhile. */
    MAX_SETTLE = 32,
};

struct in_flight {
    struct spool_item item;
    uint64_t end;               /* In the bytes of the session. */
    uint32_t n_lines;
    uint32_t n_dropped;
    long long int delivered_at; /* LLONG_MAX: not yet. */
};

struct ship_queue {
    struct spool *spool;
    uint32_t tenant;
    const struct seal_key *key;
    const char *sd_id;
    uint32_t hold_ms;
    struct ship_stats *stats;

    bool has_latest;            /* 'latest' was taken from the spool. */
    struct spool_item latest;
    struct ship_batch *current; /* The one of 'latest', or null. */

    /* A ring: in flight are the 'n' from 'first' on. */
    struct in_flight ring[MAX_IN_FLIGHT];
    unsigned int first, n;

    uint64_t n_settled;
    uint64_t n_quarantined;
};

/* The journal. */

/* Writes down how the counters will be, by 'add', once 'item' has left. */
static void
journal_begin(struct ship_queue *q, const struct spool_item *item,
              const uint64_t add[N_SHIP_COUNTERS])
{
    struct ship_journal *j = &q->stats->journal;

    stats_set(&j->generation, item->generation);
    stats_set(&j->number, item->number);
    for (int i = 0; i < N_SHIP_COUNTERS; i++) {
        stats_set(&j->counters[i],
                  stats_get(&q->stats->counters[i]) + add[i]);
    }
    __atomic_store_n(&j->leaving, 1, __ATOMIC_RELEASE);
}

/* The item has left, or, with 'left' false, it has not. */
static void
journal_end(struct ship_queue *q, bool left)
{
    struct ship_journal *j = &q->stats->journal;

    if (left) {
        for (int i = 0; i < N_SHIP_COUNTERS; i++) {
            stats_set(&q->stats->counters[i], stats_get(&j->counters[i]));
        }
    }
    __atomic_store_n(&j->leaving, 0, __ATOMIC_RELEASE);
}

/* Ends what a kill or an error left open, by a look into the spool.  Returns
 * true if the item has left. */
static bool
journal_recover(struct ship_queue *q)
{
    struct ship_journal *j = &q->stats->journal;
    struct spool_item item;
    bool left = (stats_get(&j->leaving)
                 && spool_find(q->spool, q->tenant, j->generation, j->number,
                               &item) == ENOENT);

    journal_end(q, left);
    return left;
}

/* Notes that the current batch begins to be sent, and counts its lines if that
 * happens again. */
static void
journal_sending(struct ship_queue *q)
{
    struct ship_journal *j = &q->stats->journal;
    uint64_t generation = stats_get(&j->sent_generation);
    uint64_t number = stats_get(&j->sent_number);

    if (stats_get(&j->any_sent)
        && (q->latest.generation < generation
            || (q->latest.generation == generation
                && q->latest.number <= number))) {
        stats_add(&q->stats->counters[SHIP_RESENT],
                  ship_batch_n_lines(q->current)
                  - ship_batch_n_dropped(q->current));
        return;
    }
    stats_set(&j->sent_generation, q->latest.generation);
    stats_set(&j->sent_number, q->latest.number);
    __atomic_store_n(&j->any_sent, 1, __ATOMIC_RELEASE);
}

/* The queue. */

struct ship_queue *
ship_queue_create(struct spool *spool, uint32_t tenant,
                  const struct seal_key *key, const char *sd_id,
                  uint32_t hold_ms, struct ship_stats *stats)
{
    struct ship_queue *q = xzalloc(sizeof *q);

    q->spool = spool;
    q->tenant = tenant;
    q->key = key;
    q->sd_id = sd_id;
    q->hold_ms = hold_ms;
    q->stats = stats;
    journal_recover(q);
    return q;
}

void
ship_queue_destroy(struct ship_queue *q)
{
    if (q) {
        ship_batch_destroy(q->current);
        free(q);
    }
}

int
ship_queue_check(struct ship_queue *q)
{
    struct spool_item item;

    return spool_next(q->spool, q->tenant, NULL, &item);
}

/* Sets 'q->latest' aside, 'n_lines' being what is known of it. */
static int
quarantine(struct ship_queue *q, uint32_t n_lines, const char *reason)
{
    uint64_t add[N_SHIP_COUNTERS] = { [SHIP_QUARANTINED] = n_lines };

    journal_begin(q, &q->latest, add);
    int error = spool_quarantine(q->spool, &q->latest);
    if (!error) {
        journal_end(q, true);
    } else if (!journal_recover(q)) {
        VLOG_WARN_RL(&rl, "tenant %"PRIu32": batch %s can't be sent, since "
                     "%s, nor be set aside: %s", q->tenant, q->latest.name,
                     reason, ovs_strerror(error));
        return error;
    }
    q->n_quarantined++;
    VLOG_WARN_RL(&rl, "tenant %"PRIu32": batch %s was set aside in "
                 "quarantine/: %s", q->tenant, q->latest.name, reason);
    return EAGAIN;
}

/* Opens 'q->latest'.  Returns as ship_queue_next() does. */
static int
open_latest(struct ship_queue *q)
{
    struct seal_header h = { .n_lines = 0 };
    char reason[128];
    uint8_t *data;
    size_t size;

    int error = spool_read(q->spool, &q->latest, &data, &size);
    if (error == ELOOP || error == EINVAL || error == EFBIG) {
        return quarantine(q, 0, "it is not a file that the spool made");
    } else if (error) {
        return error == ENOENT ? EAGAIN : error;
    }

    struct slice file = slice_of(data, size);
    error = ship_batch_open(file, q->tenant, q->key, q->sd_id, &q->current,
                            reason, sizeof reason);
    if (error == EBADMSG) {
        seal_read_header(file, &h);
        error = quarantine(q, h.n_lines, reason);
    }
    free(data);
    return error;
}

int
ship_queue_next(struct ship_queue *q, struct ship_batch **ret)
{
    if (q->n >= MAX_IN_FLIGHT) {
        return EBUSY;
    }

    struct spool_item next;
    int error = spool_next(q->spool, q->tenant,
                           q->has_latest ? &q->latest : NULL, &next);
    if (error == ENOENT && q->has_latest && !q->n) {
        /* What could not be read or set aside before may have mended. */
        error = spool_next(q->spool, q->tenant, NULL, &next);
    }
    if (error) {
        return error;
    }
    struct spool_item previous = q->latest;
    bool had_previous = q->has_latest;
    q->latest = next;
    q->has_latest = true;
    error = open_latest(q);
    if (error == ENOMEM || error == EMFILE || error == ENFILE) {
        /* Not the batch's fault: the same one again, later.  After any other
         * error the next one is tried first. */
        q->latest = previous;
        q->has_latest = had_previous;
    }
    if (!error) {
        journal_sending(q);
        *ret = q->current;
    }
    return error;
}

void
ship_queue_sent(struct ship_queue *q, uint64_t end)
{
    q->ring[(q->first + q->n++) % MAX_IN_FLIGHT] = (struct in_flight) {
        .item = q->latest,
        .end = end,
        .n_lines = ship_batch_n_lines(q->current),
        .n_dropped = ship_batch_n_dropped(q->current),
        .delivered_at = LLONG_MAX,
    };
    ship_batch_destroy(q->current);
    q->current = NULL;
}

/* Deletes the batch from the spool and counts it. */
static int
settle(struct ship_queue *q, const struct in_flight *f)
{
    uint64_t add[N_SHIP_COUNTERS] = {
        [SHIP_SHIPPED] = f->n_lines - f->n_dropped,
        [SHIP_DROPPED] = f->n_dropped,
        [SHIP_BATCHES] = 1,
    };

    journal_begin(q, &f->item, add);
    int error = spool_ack(q->spool, &f->item);
    if (!error) {
        journal_end(q, true);
    } else if (!journal_recover(q)) {
        /* Where only the sync failed, it has left all the same. */
        VLOG_WARN_RL(&rl, "tenant %"PRIu32": batch %s was sent but can't be "
                     "deleted: %s", q->tenant, f->item.name,
                     ovs_strerror(error));
        return error;
    }
    q->n_settled++;
    return 0;
}

int
ship_queue_settle(struct ship_queue *q, uint64_t delivered)
{
    long long int now = time_msec();

    for (unsigned int i = 0; i < q->n; i++) {
        struct in_flight *f = &q->ring[(q->first + i) % MAX_IN_FLIGHT];
        if (f->end > delivered) {
            break;
        }
        f->delivered_at = MIN(f->delivered_at, now);
    }
    for (int i = 0; i < MAX_SETTLE && q->n
         && q->ring[q->first].delivered_at <= now - q->hold_ms; i++) {
        int error = settle(q, &q->ring[q->first]);
        if (error) {
            return error;
        }
        q->first = (q->first + 1) % MAX_IN_FLIGHT;
        q->n--;
    }
    return 0;
}

void
ship_queue_wait(const struct ship_queue *q)
{
    if (q->n && q->ring[q->first].delivered_at != LLONG_MAX) {
        poll_timer_wait_until(q->ring[q->first].delivered_at + q->hold_ms);
    }
}

void
ship_queue_rewind(struct ship_queue *q)
{
    ship_batch_destroy(q->current);
    q->current = NULL;
    q->has_latest = false;
    q->n = 0;
}

unsigned int
ship_queue_n_in_flight(const struct ship_queue *q)
{
    return q->n;
}

uint64_t
ship_queue_n_settled(const struct ship_queue *q)
{
    return q->n_settled;
}

uint64_t
ship_queue_n_quarantined(const struct ship_queue *q)
{
    return q->n_quarantined;
}
