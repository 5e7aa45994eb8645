/* SPDX-License-Identifier: Apache-2.0
 *
 * The books after a loss of the run directory.  See ledger-restore.h. */
#include <config.h>

#include "ledger-restore.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ledger-file.h"
#include "ledger-keeper.h"
#include "ledger.h"
#include "open-batch.h"
#include "openvswitch/vlog.h"
#include "proxy-config.h"
#include "spool.h"
#include "timeval.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(ledger_restore);

/* A queue whose shipper counts, or will. */
struct queue {
    struct spool_queue id;
    struct ship_stats *stats;
    bool lost;                  /* Its statistics were not there. */
    bool known;                 /* The ledger has it. */
};

struct restore {
    const struct config *config;
    struct spool *spool;
    Sluice__Ledger *ledger;     /* Null if there is none. */
    uint64_t written_ns;        /* When it was written. */
    struct intake_stats *intake;
    bool intake_lost;
    struct queue *queues;
    size_t n_queues;
};

/* Reads the ledger.  One that can't be read is set aside. */
static char *
read_ledger(struct restore *r)
{
    char *path = config_path_ledger(r->config);
    char *sentence = NULL;
    int error = ledger_file_read(path, &r->written_ns, &r->ledger);

    if (error == EBADMSG) {
        char *bad = xasprintf("%s.bad", path);
        VLOG_WARN("%s can't be read and is set aside as %s; the books begin "
                  "with what is in the spool", path, bad);
        error = rename(path, bad) ? errno : 0;
        free(bad);
    } else if (error == ENOENT) {
        error = 0;
    }
    if (error) {
        sentence = xasprintf("%s can't be read: %s; set its permissions "
                             "right.", path, ovs_strerror(error));
    }
    free(path);
    return sentence;
}

static bool
exists_intake(const struct restore *r)
{
    char *path = config_path_intake_stats(r->config);
    const struct intake_stats *stats;
    bool exists = !intake_stats_map_ro(path, &stats);

    if (exists) {
        stats_unmap(stats);
    }
    free(path);
    return exists;
}

static bool
exists_queue(const struct restore *r, uint32_t tenant, const char *queue)
{
    char *path = config_path_ship_stats(r->config, tenant, queue);
    const struct ship_stats *stats;
    bool exists = !ship_stats_map_ro(path, &stats);

    if (exists) {
        stats_unmap(stats);
    }
    free(path);
    return exists;
}

static char *
open_intake(struct restore *r)
{
    char *path = config_path_intake_stats(r->config);
    char *sentence = NULL;

    r->intake_lost = !exists_intake(r);
    if (r->intake_lost) {
        unlink(path);           /* Of another version, and another's. */
    }
    int error = intake_stats_map(path, &r->intake);
    if (error) {
        sentence = xasprintf("%s can't be mapped: %s; make room in "
                             "paths.run.", path, ovs_strerror(error));
    } else if (r->intake_lost && r->ledger) {
        ledger_get_intake(r->ledger, r->intake);
    }
    free(path);
    return sentence;
}

static struct queue *
find_queue(const struct restore *r, const struct spool_queue *id)
{
    for (size_t i = 0; i < r->n_queues; i++) {
        if (spool_queue_equal(&r->queues[i].id, id)) {
            return &r->queues[i];
        }
    }
    return NULL;
}

static bool
has_lines(const struct restore *r, const struct spool_queue *queue)
{
    struct spool_totals totals;

    return (!spool_totals(r->spool, queue, &totals)
            && (totals.n_batches || totals.n_quarantined_batches));
}

/* Opens the statistics of a queue; where there are none they come from
 * 'ledger', if that is nonnull. */
static char *
open_queue(struct restore *r, uint32_t tenant, const char *name,
           const Sluice__LedgerQueue *ledger)
{
    const struct stats_tenant *t = intake_stats_tenant(r->intake, tenant);
    struct spool_queue id;

    if (!spool_queue_init(&id, tenant, name)
        || find_queue(r, &id)
        || (!ledger && t && !t->counters[TENANT_SPOOLED]
            && !has_lines(r, &id))) {
        return NULL;            /* Nothing was there before it. */
    }

    char *path = config_path_ship_stats(r->config, tenant, name);
    struct queue q = {
        .id = id,
        .known = ledger != NULL,
        .lost = !exists_queue(r, tenant, name),
    };
    char *sentence = NULL;

    int error = ship_stats_map(path, tenant, &q.stats);
    if (error) {
        sentence = xasprintf("%s can't be mapped: %s; make room in "
                             "paths.run.", path, ovs_strerror(error));
    } else {
        if (q.lost && ledger) {
            ledger_get_queue(ledger, q.stats);
        }
        r->queues = xrealloc(r->queues,
                             (r->n_queues + 1) * sizeof *r->queues);
        r->queues[r->n_queues++] = q;
    }
    free(path);
    return sentence;
}

/* Opens the statistics of all queues that are in the ledger, or configured. */
static char *
open_queues(struct restore *r)
{
    char *sentence = NULL;

    for (size_t i = 0; r->ledger && i < r->ledger->n_queues && !sentence;
         i++) {
        const Sluice__LedgerQueue *q = r->ledger->queues[i];
        sentence = open_queue(r, q->tenant, q->queue, q);
    }
    for (size_t i = 0; i < r->config->tenants_count; i++) {
        const struct config_tenant *t = &r->config->tenants[i];
        for (unsigned int j = 0; j < config_n_queues(t) && !sentence; j++) {
            sentence = open_queue(r, t->id, config_queue_name(t, j), NULL);
        }
    }
    return sentence;
}

/* Lines of a tenant that a killed intake left open. */
struct open_lines {
    const struct restore *r;
    uint32_t tenant;
    uint64_t n;
};

static int
count_open(const struct open_batch_info *info, struct slice body OVS_UNUSED,
           void *aux)
{
    struct open_lines *lines = aux;
    const struct restore *r = lines->r;
    bool is_spooled = info->tenant != lines->tenant;

    /* One that is in the spool as well was killed between the two. */
    for (size_t i = 0; i < r->n_queues && !is_spooled; i++) {
        struct spool_item item;
        is_spooled = (r->queues[i].id.tenant == info->tenant
                      && !spool_find(r->spool, &r->queues[i].id,
                                     info->generation, info->number, &item));
    }
    lines->n += is_spooled ? 0 : info->n_lines;
    return EALREADY;            /* Stays. */
}

static uint64_t
open_lines(const struct restore *r, uint32_t tenant)
{
    struct open_lines lines = { .r = r, .tenant = tenant };
    char *run = config_path_intake_run(r->config);
    char *dir = xasprintf("%s/open", run);
    unsigned int n_bad;

    open_batch_recover(dir, count_open, &lines, &n_bad);
    free(dir);
    free(run);
    return lines.n;
}

static void
get_totals(const struct restore *r, const struct queue *q, bool all,
           const struct stats_tenant *t, uint64_t *ret_lines)
{
    struct spool_totals totals;
    int error = (all ? spool_totals(r->spool, &q->id, &totals)
                 : spool_totals_until(r->spool, &q->id,
                                      t->latest_generation, t->latest_number,
                                      &totals));
    *ret_lines = error ? 0 : totals.n_lines + totals.n_quarantined_lines;
}

/* Counts as shipped what left 'q' after the ledger was written; of a queue that
 * is new, as spooled before it.  Returns the lines that were spooled in all. */
static uint64_t
balance_queue(const struct restore *r, const struct queue *q,
              const struct stats_tenant *t)
{
    uint64_t old, all;

    get_totals(r, q, false, t, &old);
    get_totals(r, q, true, t, &all);
    if (q->lost) {
        uint64_t known = q->stats->before + ship_stats_exits(q->stats) + old;
        uint64_t spooled = t->counters[TENANT_SPOOLED];
        stats_add(q->known ? &q->stats->counters[SHIP_SHIPPED]
                  : &q->stats->before, spooled - MIN(spooled, known));
    }
    return q->stats->before + ship_stats_exits(q->stats) + all;
}

/* Sets right what intake counted of 't', of which 'spooled' lines have come to
 * the spool, and 'open' are on their way there. */
static void
balance_tenant(struct restore *r, struct stats_tenant *t, uint64_t spooled,
               uint64_t open)
{
    uint64_t *c = t->counters;
    uint64_t in = c[TENANT_RECEIVED] + c[TENANT_ANNOUNCED];
    uint64_t out = c[TENANT_DROPPED] + spooled + open;

    if (in > out) {
        uint64_t n = in - out;
        stats_add(&c[TENANT_DROPPED], n);
        stats_add(&t->drops[SLUICE_DROP_POWER_CUT], n);
        stats_add(&r->intake->counters[INTAKE_DROPPED], n);
        stats_add(&r->intake->drops[SLUICE_DROP_POWER_CUT], n);
        if (!t->cut_lines) {
            t->cut_from_ns = r->written_ns;
        }
        t->cut_lines += n;
        t->cut_to_ns = time_wall_msec() * UINT64_C(1000000);
        VLOG_WARN("tenant %"PRIu64": %"PRIu64" lines had come but were not "
                  "in the spool yet when this machine stopped: they count as "
                  "dropped, power-cut", t->tenant, n);
    } else if (in < out) {
        stats_add(&c[TENANT_RECEIVED], out - in);
    }
    stats_set(&c[TENANT_OPEN], open);
    stats_set(&c[TENANT_SPOOLED], spooled);
}

/* Brings a tenant's books into line with the spool. */
static void
reconcile(struct restore *r, uint32_t tenant)
{
    struct stats_tenant *t = intake_stats_tenant(r->intake, tenant);
    uint64_t spooled = 0;
    bool lost = r->intake_lost;

    for (size_t i = 0; i < r->n_queues && t; i++) {
        const struct queue *q = &r->queues[i];
        if (q->id.tenant == tenant) {
            lost |= q->lost;
            spooled = MAX(spooled, balance_queue(r, q, t));
        }
    }
    if (t && lost && r->intake_lost) {
        balance_tenant(r, t, spooled, open_lines(r, tenant));
    }
}

static void
destroy(struct restore *r)
{
    for (size_t i = 0; i < r->n_queues; i++) {
        stats_unmap(r->queues[i].stats);
    }
    free(r->queues);
    stats_unmap(r->intake);
    ledger_file_free(r->ledger);
}

static bool
any_lines(const struct restore *r)
{
    struct spool_queue *queues = NULL;
    bool any = false;
    size_t n = 0;

    if (!spool_queues(r->spool, &queues, &n)) {
        for (size_t i = 0; i < n && !any; i++) {
            any = has_lines(r, &queues[i]);
        }
    }
    free(queues);
    return any;
}

/* Returns true if all statistics are there: no more than a kill happened. */
static bool
is_whole(const struct restore *r)
{
    bool whole = exists_intake(r);

    for (size_t i = 0; i < r->config->tenants_count; i++) {
        const struct config_tenant *t = &r->config->tenants[i];
        for (unsigned int j = 0; j < config_n_queues(t) && whole; j++) {
            whole = exists_queue(r, t->id, config_queue_name(t, j));
        }
    }
    return whole;
}

char *
ledger_restore(const struct config *config, struct spool *spool)
{
    struct restore r = { .config = config, .spool = spool };

    if (is_whole(&r)) {
        return NULL;
    }
    char *sentence = read_ledger(&r);
    if (!sentence && !r.ledger && !any_lines(&r)) {
        return NULL;            /* The first start. */
    }
    if (!sentence) {
        sentence = open_intake(&r);
    }
    if (!sentence) {
        sentence = open_queues(&r);
    }
    if (!sentence) {
        for (size_t i = 0; i < r.n_queues; i++) {
            reconcile(&r, r.queues[i].id.tenant);
        }
        if (r.intake_lost && r.ledger) {
            VLOG_INFO("the books go on with the ledger of %zu tenants and "
                      "%zu switch ports", r.ledger->n_tenants - 1,
                      r.ledger->n_sources);
        }
    }
    destroy(&r);
    return sentence;
}
