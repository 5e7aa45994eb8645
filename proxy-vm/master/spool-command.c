/* SPDX-License-Identifier: Apache-2.0
 *
 * What an operator does to batches.  See spool-command.h. */
#include <config.h>

#include "spool-command.h"

#include <errno.h>
#include <unistd.h>

#include "ledger-keeper.h"
#include "master.h"
#include "openvswitch/vlog.h"
#include "proxy-config.h"
#include "ship-journal.h"
#include "spool-admin.h"
#include "timeval.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(spool_command);

/* How long a shipper takes nothing new in hand after it was asked. */
enum { PAUSE_MS = 1000 };

/* Announcing. */

struct sum {
    uint32_t tenant;
    uint64_t n;
};

static void
add_queue(const char *path, uint32_t tenant, const char *name OVS_UNUSED,
          void *sum_)
{
    const struct ship_stats *stats;
    struct sum *sum = sum_;

    if (tenant == sum->tenant && !ship_stats_map_ro(path, &stats)) {
        sum->n += stats_get(&stats->counters[SHIP_BY_COMMAND]);
        stats_unmap(stats);
    }
}

/* Tells intake how many lines of 'tenant' were dropped by command, ever.  A
 * tenant that is not configured, or that intake does not know, has no stream to
 * announce that in. */
static void
publish(const struct config *config, uint32_t tenant)
{
    struct sum sum = { .tenant = tenant };

    if (!config_find_tenant(config, tenant)) {
        return;
    }
    char *path = config_path_intake_stats(config);
    ledger_each_queue(config->paths.run, add_queue, &sum);
    int error = intake_stats_set_by_command(path, tenant, sum.n);
    if (error && error != ENOENT) {
        VLOG_WARN("tenant %"PRIu32": can't have it announced that %"PRIu64" "
                  "lines were dropped by command: %s", tenant, sum.n,
                  ovs_strerror(error));
    }
    free(path);
}

/* After kills. */

/* Ends the drop in the journal: it has left if it is nowhere any more. */
static int
end_drop(struct spool *spool, const struct spool_queue *queue,
         struct ship_stats *stats)
{
    struct ship_command *c = &stats->command;
    struct spool_item item;
    int error = spool_find_anywhere(spool, queue, c->generation, c->number,
                                    &item);

    if (error == ENOENT) {
        /* An intake that was killed may put it there once more. */
        ship_journal_note_left(stats, c->generation, c->number);
        stats_set(&stats->counters[SHIP_BY_COMMAND],
                  stats_get(&c->by_command));
        error = 0;
    } else if (!error) {
        error = EIO;
    }
    __atomic_store_n(&c->leaving, 0, __ATOMIC_RELEASE);
    return error;
}

struct recovery {
    const struct config *config;
    struct spool *spool;
};

static void
recover_queue(const char *path, uint32_t tenant, const char *name,
              void *recovery_)
{
    struct recovery *r = recovery_;
    struct spool_queue queue;
    struct ship_stats *stats;

    if (!spool_queue_init(&queue, tenant, name)
        || ship_stats_map(path, tenant, &stats)) {
        return;
    }
    /* One that was being put back is in both places.  And what was dropped is
     * counted once no power cut brings it back. */
    spool_repair(r->spool, &queue);
    if (stats_get(&stats->command.leaving)) {
        spool_sync_acks(r->spool, &queue);
        end_drop(r->spool, &queue, stats);
    }
    stats_set(&stats->command.pause_until_ms, 0);
    bool any = stats_get(&stats->counters[SHIP_BY_COMMAND]) != 0;
    stats_unmap(stats);
    if (any) {
        publish(r->config, tenant);
    }
}

void
spool_command_recover(const struct config *config, struct spool *spool)
{
    struct recovery r = { .config = config, .spool = spool };

    ledger_each_queue(config->paths.run, recover_queue, &r);
}

/* Commands. */

int
spool_command_begin(struct master *m, const struct spool_queue *queue,
                    struct spool_command *c)
{
    char *path = config_path_ship_stats(m->config, queue->tenant,
                                        queue->name);

    *c = (struct spool_command) { .master = m, .queue = *queue, .fd = -1 };
    int error = ship_stats_map(path, queue->tenant, &c->stats);
    free(path);
    if (error) {
        return error;
    }
    stats_set(&c->stats->command.pause_until_ms, time_msec() + PAUSE_MS);
    error = spool_hold(m->spool, queue, &c->fd);
    if (!error && stats_get(&c->stats->journal.leaving)) {
        /* It was killed, and has not been started again. */
        if (master_has_ship(m, queue->tenant, queue->name)) {
            error = EAGAIN;
        } else {
            ship_journal_recover(c->stats, m->spool, queue);
        }
    }
    if (error) {
        spool_command_end(c);
    }
    return error;
}

void
spool_command_end(struct spool_command *c)
{
    if (c->fd >= 0) {
        stats_add(&c->stats->command.n, 1);
        close(c->fd);
    }
    stats_unmap(c->stats);
}

int
spool_command_drop(struct spool_command *c, const struct spool_item *item,
                   uint32_t n_lines)
{
    struct ship_command *journal = &c->stats->command;

    stats_set(&journal->generation, item->generation);
    stats_set(&journal->number, item->number);
    stats_set(&journal->by_command,
              stats_get(&c->stats->counters[SHIP_BY_COMMAND]) + n_lines);
    __atomic_store_n(&journal->leaving, 1, __ATOMIC_RELEASE);
    int error = spool_delete(c->master->spool, item);
    if (error == ENOENT) {
        __atomic_store_n(&journal->leaving, 0, __ATOMIC_RELEASE);
        return error;
    }
    /* Where only the sync failed, it is gone all the same. */
    int end_error = end_drop(c->master->spool, &c->queue, c->stats);
    if (end_error) {
        return error ? error : end_error;
    }
    VLOG_INFO("tenant %"PRIu32", queue %s: batch %s, %"PRIu32" lines, was "
              "dropped by command", c->queue.tenant, c->queue.name,
              item->name, n_lines);
    publish(c->master->config, c->queue.tenant);
    return 0;
}

int
spool_command_replay(struct spool_command *c, const struct spool_item *item,
                     uint32_t n_lines)
{
    int error = (item->is_quarantined
                 ? spool_put_back(c->master->spool, item) : 0);

    if (!error && item->is_quarantined) {
        stats_add(&c->stats->counters[SHIP_REPLAYED], n_lines);
        VLOG_INFO("tenant %"PRIu32", queue %s: batch %s, %"PRIu32" lines, was "
                  "put back by command", c->queue.tenant, c->queue.name,
                  item->name, n_lines);
    }
    return error;
}
