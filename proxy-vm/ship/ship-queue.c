/* SPDX-License-Identifier: Apache-2.0
 *
 * One tenant's batches on their way through ship.  See ship-queue.h. */
#include <config.h>

#include "ship-queue.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "failpoint.h"
#include "openvswitch/poll-loop.h"
#include "openvswitch/vlog.h"
#include "spool-admin.h"
#include "timeval.h"
#include "util.h"

#include "ship-journal.h"

VLOG_DEFINE_THIS_MODULE(ship_queue);

static struct vlog_rate_limit rl = VLOG_RATE_LIMIT_INIT(5, 20);

enum {
    /* What is sent again, at most, when a session breaks. */
    MAX_IN_FLIGHT = 1024,

    /* Deletions in one go: others wait meanwhile. */
    MAX_SETTLE = 128,

    /* Deletions that a power cut may undo, so that those batches are sent
     * again: one sync of the directory is for all of them. */
    MAX_UNSYNCED = 64,
    SYNC_MS = 500,              /* After the first of them. */
    SYNC_RETRY_MS = 1000,       /* After a sync that failed. */

    /* Between looks for batches that came late: before the latest. */
    LOOK_BACK_MS = 1000,
    /* The same after one that can be neither read nor set aside: those behind
     * it have their turn meanwhile. */
    LOOK_BACK_FAILED_MS = 10 * 1000,

    /* A longer pause than sluiced asks for is none. */
    MAX_PAUSE_MS = 10 * 1000,
};

BUILD_ASSERT_DECL((int) MAX_IN_FLIGHT < (int) SHIP_MAX_SENT);

struct in_flight {
    struct spool_item item;
    uint64_t end;               /* In the bytes of the session. */
    uint32_t n_lines;
    uint32_t n_dropped;
    uint32_t n_routed;
    long long int delivered_at; /* LLONG_MAX: not yet. */
};

struct ship_queue {
    struct spool *spool;
    struct spool_queue queue;
    const struct seal_key *key;
    const char *sd_id;
    struct ship_stats *stats;

    struct ship_form form;      /* Of this session. */
    uint32_t hold_ms;

    bool has_latest;            /* 'latest' was taken from the spool. */
    struct spool_item latest;
    long long int look_back_at; /* When to look for older ones, too. */
    struct ship_batch *current; /* The one of 'latest', or null. */

    /* The queue is held while batches are in hand: see spool-admin.h. */
    int held_fd;                /* -1: it is not. */
    uint64_t n_commands;        /* The latest of sluiced's that was heeded. */

    /* A ring: in flight are the 'n' from 'first' on. */
    struct in_flight ring[MAX_IN_FLIGHT];
    unsigned int first, n;

    unsigned int n_unsynced;    /* Deleted, but the directory not synced. */
    long long int sync_at;      /* Then, at the latest, if there are any. */

    uint64_t n_settled;
    uint64_t n_quarantined;
};

/* Holding the queue. */

/* Returns true if sluiced, who wants to do something to a batch, has asked to
 * take none in hand. */
static bool
is_paused(const struct ship_queue *q)
{
    uint64_t until = stats_get(&q->stats->command.pause_until_ms);
    uint64_t now = time_msec();

    return now < until && until - now <= MAX_PAUSE_MS;
}

/* Holds the queue, if it may be held now. */
static bool
hold(struct ship_queue *q)
{
    if (q->held_fd >= 0) {
        return true;
    } else if (is_paused(q)) {
        return false;
    }
    int error = spool_hold(q->spool, &q->queue, &q->held_fd);
    if (error == EAGAIN || error == ENOENT) {
        return false;
    } else if (error) {
        VLOG_WARN_RL(&rl, "tenant %"PRIu32", queue %s: it can't be held: %s",
                     q->queue.tenant, q->queue.name, ovs_strerror(error));
        /* Where there are no locks, sluiced can't have one either. */
        if (error != ENOLCK && error != EOPNOTSUPP && error != ENOSYS) {
            return false;
        }
    }
    uint64_t n = stats_get(&q->stats->command.n);
    if (n != q->n_commands) {
        /* What was put back may be older than the latest. */
        q->n_commands = n;
        q->has_latest = false;
    }
    return true;
}

/* Lets go of the queue if nothing is in hand. */
static void
let_go(struct ship_queue *q)
{
    if (q->held_fd >= 0 && !q->n && !q->current) {
        close(q->held_fd);
        q->held_fd = -1;
    }
}

/* The queue. */

struct ship_queue *
ship_queue_create(struct spool *spool, const struct spool_queue *queue,
                  const struct seal_key *key, const char *sd_id,
                  struct ship_stats *stats)
{
    struct ship_queue *q = xzalloc(sizeof *q);

    q->spool = spool;
    q->queue = *queue;
    q->key = key;
    q->sd_id = sd_id;
    q->stats = stats;
    q->held_fd = -1;
    int error = spool_repair(spool, queue);
    if (error) {
        VLOG_WARN("tenant %"PRIu32", queue %s: can't look through the "
                  "quarantine: %s", queue->tenant, queue->name,
                  ovs_strerror(error));
    }
    spool_keep_open(spool, queue);
    ship_journal_recover(stats, spool, queue);
    /* The process before this one may have been killed before it synced. */
    q->n_unsynced = 1;
    q->sync_at = LLONG_MIN;
    failpoint(FAIL_SHIP_STARTED);
    return q;
}

void
ship_queue_destroy(struct ship_queue *q)
{
    if (q) {
        q->sync_at = LLONG_MIN;
        ship_queue_sync(q);
        ship_batch_destroy(q->current);
        if (q->held_fd >= 0) {
            close(q->held_fd);
        }
        free(q);
    }
}

void
ship_queue_begin(struct ship_queue *q, const struct ship_form *form,
                 uint32_t hold_ms)
{
    ship_queue_rewind(q);
    q->form = *form;
    q->hold_ms = hold_ms;
}

/* Takes 'item' out of the queue: a kill does not bring it back, and once it is
 * synced neither does a power cut. */
static int
delete_item(struct ship_queue *q, const struct spool_item *item)
{
    int error = spool_ack(q->spool, item);

    if (!error && !q->n_unsynced++) {
        q->sync_at = time_msec() + SYNC_MS;
    }
    return error;
}

void
ship_queue_sync(struct ship_queue *q)
{
    if (!q->n_unsynced || (q->n_unsynced < MAX_UNSYNCED
                           && time_msec() < q->sync_at)) {
        return;
    }
    int error = spool_sync_acks(q->spool, &q->queue);
    if (error && error != ENOENT) {
        VLOG_WARN_RL(&rl, "tenant %"PRIu32", queue %s: can't sync the "
                     "deletion of batches that were sent, which come again "
                     "after a power cut: %s", q->queue.tenant, q->queue.name,
                     ovs_strerror(error));
        q->n_unsynced = 1;
        q->sync_at = time_msec() + SYNC_RETRY_MS;
        return;
    }
    failpoint(FAIL_SHIP_SYNCED);
    ship_journal_synced(q->stats);
    q->n_unsynced = 0;
}

void
ship_queue_wait_sync(const struct ship_queue *q)
{
    if (q->n_unsynced >= MAX_UNSYNCED) {
        poll_immediate_wake();
    } else if (q->n_unsynced) {
        poll_timer_wait_until(q->sync_at);
    }
}

int
ship_queue_check(struct ship_queue *q)
{
    struct spool_item item;

    return (is_paused(q) ? ENOENT
            : spool_next(q->spool, &q->queue, NULL, &item));
}

/* Sets 'item' aside, 'n_lines' being what is known of it. */
static int
quarantine(struct ship_queue *q, const struct spool_item *item,
           uint32_t n_lines, const char *reason)
{
    uint64_t add[N_SHIP_COUNTERS] = { [SHIP_QUARANTINED] = n_lines };

    ship_journal_begin(q->stats, item, add);
    int error = spool_quarantine(q->spool, item, reason);
    if (!error) {
        ship_journal_end(q->stats, true);
    } else if (!ship_journal_recover(q->stats, q->spool, &q->queue)) {
        VLOG_WARN_RL(&rl, "tenant %"PRIu32", queue %s: batch %s can't be "
                     "sent, since %s, nor be set aside: %s", q->queue.tenant,
                     q->queue.name, item->name, reason,
                     ovs_strerror(error));
        spool_repair(q->spool, &q->queue);
        return error;
    }
    q->n_quarantined++;
    VLOG_WARN_RL(&rl, "tenant %"PRIu32", queue %s: batch %s was set aside in "
                 "quarantine/: %s", q->queue.tenant, q->queue.name,
                 item->name, reason);
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

    if (ship_journal_has_left(q->stats, &q->latest)) {
        int error = delete_item(q, &q->latest);
        stats_add(&q->stats->counters[SHIP_AGAIN], !error);
        return error ? error : EAGAIN;
    }

    int error = spool_read(q->spool, &q->latest, &data, &size);
    if (error == ELOOP || error == EINVAL || error == EFBIG) {
        return quarantine(q, &q->latest, 0, "it is not a file that the spool made");
    } else if (error) {
        return error == ENOENT ? EAGAIN : error;
    }

    struct slice file = slice_of(data, size);
    failpoint(FAIL_SHIP_READ);
    error = ship_batch_open(file, q->queue.tenant, q->key, q->sd_id, &q->form,
                            &q->current, reason, sizeof reason);
    if (error == EBADMSG) {
        seal_read_header(file, &h);
        error = quarantine(q, &q->latest, h.n_lines, reason);
    }
    free(data);
    return error;
}

static bool
is_in_flight(const struct ship_queue *q, const struct spool_item *item)
{
    for (unsigned int i = 0; i < q->n; i++) {
        const struct spool_item *f
            = &q->ring[(q->first + i) % MAX_IN_FLIGHT].item;
        if (f->number == item->number && f->generation == item->generation) {
            return true;
        }
    }
    return false;
}

/* Finds the oldest batch that is not in flight, of those after 'after' if that
 * is nonnull.  Returns as spool_next() does. */
static int
find_next(struct ship_queue *q, const struct spool_item *after,
          struct spool_item *ret)
{
    int error = spool_next(q->spool, &q->queue, after, ret);

    while (!error && is_in_flight(q, ret)) {
        struct spool_item previous = *ret;
        error = spool_next(q->spool, &q->queue, &previous, ret);
    }
    return error;
}

/* Opens the next batch of the queue, which is held. */
static int
take_next(struct ship_queue *q, struct ship_batch **ret)
{
    bool look_back = !q->has_latest || time_msec() >= q->look_back_at;
    struct spool_item next;
    int error = look_back ? ENOENT : find_next(q, &q->latest, &next);
    if (look_back || (error == ENOENT && !q->n)) {
        /* What could not be read or set aside before may have mended; and
         * what the disk refused at first comes when later ones are gone. */
        q->look_back_at = time_msec() + LOOK_BACK_MS;
        error = find_next(q, NULL, &next);
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
    } else if (error && error != EAGAIN) {
        q->look_back_at = time_msec() + LOOK_BACK_FAILED_MS;
    }
    if (!error) {
        ship_journal_sending(q->stats, &q->latest,
                             ship_batch_n_lines(q->current)
                             - ship_batch_n_dropped(q->current));
        failpoint(FAIL_SHIP_SENDING);
        *ret = q->current;
    }
    return error;
}

int
ship_queue_next(struct ship_queue *q, struct ship_batch **ret)
{
    if (q->n >= MAX_IN_FLIGHT) {
        return EBUSY;
    } else if (is_paused(q) || !hold(q)) {
        let_go(q);
        return ENOENT;
    }
    int error = take_next(q, ret);
    let_go(q);
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
        .n_routed = ship_batch_n_routed(q->current),
        .delivered_at = LLONG_MAX,
    };
    failpoint(FAIL_SHIP_SENT);
    ship_batch_destroy(q->current);
    q->current = NULL;
}

/* Deletes the batch from the spool and counts it. */
static int
settle(struct ship_queue *q, const struct in_flight *f)
{
    uint64_t add[N_SHIP_COUNTERS] = {
        [SHIP_SHIPPED] = f->n_lines - f->n_dropped - f->n_routed,
        [SHIP_DROPPED] = f->n_dropped,
        [SHIP_ROUTED] = f->n_routed,
        [SHIP_BATCHES] = 1,
    };

    failpoint(FAIL_SHIP_DELIVERED);
    ship_journal_begin(q->stats, &f->item, add);
    failpoint(FAIL_SHIP_INTENDED);
    int error = delete_item(q, &f->item);
    if (!error) {
        failpoint(FAIL_SHIP_ACKED);
        ship_journal_end(q->stats, true);
    } else if (!ship_journal_recover(q->stats, q->spool, &q->queue)) {
        VLOG_WARN_RL(&rl, "tenant %"PRIu32", queue %s: batch %s was sent but "
                     "can't be deleted: %s", q->queue.tenant, q->queue.name,
                     f->item.name, ovs_strerror(error));
        return error;
    }
    q->n_settled++;
    failpoint(FAIL_SHIP_SETTLED);
    ship_queue_sync(q);
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
    let_go(q);
    return 0;
}

/* Returns the batch that ends at 'end', if it is the first in flight, or
 * null. */
static struct in_flight *
find_first(struct ship_queue *q, uint64_t end)
{
    struct in_flight *f = &q->ring[q->first];

    return q->n && f->end == end ? f : NULL;
}

int
ship_queue_count(struct ship_queue *q, uint64_t end, uint32_t n_lines)
{
    struct in_flight *f = find_first(q, end);

    if (!f) {
        return EAGAIN;
    }
    f->n_routed = f->n_lines - MIN(n_lines, f->n_lines);
    return 0;
}

int
ship_queue_drop(struct ship_queue *q, uint64_t end, uint32_t n)
{
    struct in_flight *f = find_first(q, end);

    if (!f) {
        return EAGAIN;
    }
    f->n_dropped += MIN(n, f->n_lines - f->n_dropped - f->n_routed);
    return 0;
}

int
ship_queue_refuse(struct ship_queue *q, uint64_t end, const char *reason)
{
    struct in_flight *f = find_first(q, end);

    if (!f) {
        return EAGAIN;
    }
    int error = quarantine(q, &f->item, f->n_lines, reason);
    if (error != EAGAIN) {
        return error;
    }
    q->first = (q->first + 1) % MAX_IN_FLIGHT;
    q->n--;
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
    let_go(q);
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
