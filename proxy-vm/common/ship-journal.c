/* SPDX-License-Identifier: Apache-2.0
 *
 * The journal of a queue's counters.  See ship-journal.h. */
#include <config.h>

#include "ship-journal.h"

#include <errno.h>

#include "failpoint.h"
#include "util.h"

void
ship_journal_begin(struct ship_stats *stats, const struct spool_item *item,
                   const uint64_t add[N_SHIP_COUNTERS])
{
    struct ship_journal *j = &stats->journal;

    stats_set(&j->generation, item->generation);
    stats_set(&j->number, item->number);
    for (int i = 0; i < N_SHIP_COUNTERS; i++) {
        stats_set(&j->counters[i], stats_get(&stats->counters[i]) + add[i]);
    }
    __atomic_store_n(&j->leaving, 1, __ATOMIC_RELEASE);
}

void
ship_journal_note_left(struct ship_stats *stats, uint64_t generation,
                       uint64_t number)
{
    struct ship_journal *j = &stats->journal;
    uint64_t n = stats_get(&j->n_left);

    j->left[n % SHIP_MAX_LEFT] = (struct ship_batch_id) {
        .generation = generation,
        .number = number,
    };
    stats_set(&j->n_left, n + 1);
}

void
ship_journal_end(struct ship_stats *stats, bool left)
{
    struct ship_journal *j = &stats->journal;

    if (left) {
        /* One from quarantine may come again. */
        if (j->counters[SHIP_BATCHES] != stats->counters[SHIP_BATCHES]) {
            ship_journal_note_left(stats, j->generation, j->number);
        }
        failpoint(FAIL_SHIP_NOTED);
        for (int i = 0; i < N_SHIP_COUNTERS; i++) {
            /* Of these two the figures are sluiced's. */
            if (i != SHIP_BY_COMMAND && i != SHIP_REPLAYED) {
                stats_set(&stats->counters[i], stats_get(&j->counters[i]));
            }
        }
        failpoint(FAIL_SHIP_COUNTED);
    }
    __atomic_store_n(&j->leaving, 0, __ATOMIC_RELEASE);
}

bool
ship_journal_recover(struct ship_stats *stats, struct spool *spool,
                     const struct spool_queue *queue)
{
    struct ship_journal *j = &stats->journal;
    struct spool_item item;
    bool left = (stats_get(&j->leaving)
                 && spool_find(spool, queue, j->generation, j->number,
                               &item) == ENOENT);

    ship_journal_end(stats, left);
    return left;
}

void
ship_journal_synced(struct ship_stats *stats)
{
    for (int i = 0; i < N_SHIP_COUNTERS; i++) {
        stats_set(&stats->lasting[i], stats_get(&stats->counters[i]));
    }
}

/* Returns true if 'item' is among the latest of 'n' in the ring 'ids', which
 * has room for 'max'. */
static bool
is_among(const struct spool_item *item, const struct ship_batch_id ids[],
         uint64_t n, uint64_t max)
{
    n = MIN(n, max);
    for (uint64_t i = 0; i < n; i++) {
        if (ids[i].number == item->number
            && ids[i].generation == item->generation) {
            return true;
        }
    }
    return false;
}

bool
ship_journal_has_left(const struct ship_stats *stats,
                      const struct spool_item *item)
{
    const struct ship_journal *j = &stats->journal;

    return is_among(item, j->left, stats_get(&j->n_left), SHIP_MAX_LEFT);
}

static bool
comes_after(const struct spool_item *item, uint64_t generation,
            uint64_t number)
{
    return (item->generation != generation ? item->generation > generation
            : item->number > number);
}

void
ship_journal_sending(struct ship_stats *stats, const struct spool_item *item,
                     uint32_t n_lines)
{
    struct ship_journal *j = &stats->journal;
    bool is_newest = (!stats_get(&j->any_sent)
                      || comes_after(item, stats_get(&j->sent_generation),
                                     stats_get(&j->sent_number)));
    uint64_t n = stats_get(&j->n_sent);

    if (!is_newest
        && (is_among(item, j->sent, n, SHIP_MAX_SENT)
            || (stats_get(&j->any_earlier)
                && !comes_after(item, stats_get(&j->earlier_generation),
                                stats_get(&j->earlier_number))))) {
        stats_add(&stats->counters[SHIP_RESENT], n_lines);
        return;
    }
    j->sent[n % SHIP_MAX_SENT] = (struct ship_batch_id) {
        .generation = item->generation,
        .number = item->number,
    };
    __atomic_store_n(&j->n_sent, n + 1, __ATOMIC_RELEASE);
    if (is_newest) {
        stats_set(&j->sent_generation, item->generation);
        stats_set(&j->sent_number, item->number);
        __atomic_store_n(&j->any_sent, 1, __ATOMIC_RELEASE);
    }
}
