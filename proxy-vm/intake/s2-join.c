/* SPDX-License-Identifier: Apache-2.0
 *
 * Stage 2, join.  See s2-join.h. */
#include <config.h>

#include "s2-join.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "lasting-memory.h"
#include "timeval.h"
#include "util.h"

struct parts {
    struct intake_stats *stats;     /* Borrowed. */
    void *memory;
    struct join *join;
};

static void
count_waiting(struct parts *p)
{
    stats_set(&p->stats->counters[INTAKE_PARTS_WAITING],
              join_n_parts(p->join));
}

int
parts_create(const char *path, struct intake_stats *stats,
             join_drop_cb *drop, void *aux, struct parts **ret)
{
    struct parts *p = xzalloc(sizeof *p);
    int error;

    p->stats = stats;
    error = lasting_memory_map(path, join_memory_size(), &p->memory);
    if (!error) {
        p->join = join_create(p->memory, time_msec(), drop, aux);
        error = p->join ? 0 : ENOMEM;
    }
    if (error) {
        parts_destroy(p);
        return error;
    }
    count_waiting(p);
    *ret = p;
    return 0;
}

void
parts_destroy(struct parts *p)
{
    if (p) {
        if (p->join && !join_n_parts(p->join)) {
            memset(p->memory, 0, join_memory_size());
        }
        join_destroy(p->join);
        lasting_memory_unmap(p->memory, join_memory_size());
        free(p);
    }
}

enum sluice_drop
parts_run(struct parts *p, struct record *rec, uint16_t option_class,
          bool again, bool *ret_whole)
{
    struct slice whole;
    enum sluice_drop drop = join_add(p->join, rec->vtep, rec->packet,
                                     &rec->meta, rec->frame, option_class,
                                     time_msec(), again, &whole);

    if (!drop) {
        stats_add(&p->stats->counters[INTAKE_PARTS], 1);
        stats_add(&p->stats->counters[INTAKE_JOINED], whole.size > 0);
        if (whole.size) {
            rec->packet = whole;
        }
    }
    count_waiting(p);
    *ret_whole = whole.size > 0;
    return drop;
}

void
parts_done(struct parts *p)
{
    join_release(p->join);
    count_waiting(p);
}

void
parts_recovered(struct parts *p, enum sluice_drop drop)
{
    join_forget_whole(p->join, drop);
    count_waiting(p);
}

void
parts_tick(struct parts *p, long long int now)
{
    join_expire(p->join, now);
    count_waiting(p);
}

void
parts_flush(struct parts *p)
{
    parts_tick(p, time_msec() + JOIN_MAX_AGE_MS);
}
