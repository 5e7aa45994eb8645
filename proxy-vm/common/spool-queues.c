/* SPDX-License-Identifier: Apache-2.0
 *
 * Finds queues, and what a tenant has in all of its own.  See spool.h. */
#include "spool-private.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Finding queues. */

struct queue_list {
    struct spool_queue *queues;
    size_t n, allocated;
};

static int
compare_queues(const void *a_, const void *b_)
{
    const struct spool_queue *a = a_, *b = b_;

    return (a->tenant != b->tenant
            ? (a->tenant > b->tenant) - (a->tenant < b->tenant)
            : strcmp(a->name, b->name));
}

struct queue_search {
    struct spool *spool;
    uint32_t tenant;
    struct queue_list found;
};

static int
add_queue(const char *name, void *search_)
{
    struct queue_search *search = search_;
    struct queue_list *l = &search->found;
    struct spool_queue queue;

    if (!spool_queue_init(&queue, search->tenant, name)) {
        return 0;
    }
    int fd = spool_open_queue(search->spool, &queue, false);
    if (fd < 0) {
        return fd == -ENOTDIR || fd == -ENOENT || fd == -ELOOP ? 0 : -fd;
    }
    search->spool->io->close(fd);
    if (l->n == l->allocated) {
        size_t allocated = l->allocated ? 2 * l->allocated : 16;
        struct spool_queue *queues = reallocarray(l->queues, allocated,
                                                  sizeof *queues);
        if (!queues) {
            return ENOMEM;
        }
        l->queues = queues;
        l->allocated = allocated;
    }
    l->queues[l->n++] = queue;
    return 0;
}

static int
add_tenant(const char *name, void *search_)
{
    struct queue_search *search = search_;

    if (!spool_parse_tenant(name, &search->tenant)) {
        return 0;
    }
    int fd = spool_open_tenant(search->spool, search->tenant, false);
    if (fd == -ENOTDIR || fd == -ENOENT || fd == -ELOOP) {
        return 0;
    }
    if (fd < 0) {
        return -fd;
    }
    int error = search->spool->io->list(fd, add_queue, search);
    if (error < 0) {
        error = errno;
    }
    search->spool->io->close(fd);
    return error;
}

int
spool_queues(struct spool *s, struct spool_queue **ret, size_t *ret_n)
{
    struct queue_search search = { .spool = s };
    int error = s->io->list(s->fd, add_tenant, &search);

    if (error) {
        free(search.found.queues);
        return error < 0 ? errno : error;
    }
    if (search.found.n) {
        qsort(search.found.queues, search.found.n, sizeof *search.found.queues,
              compare_queues);
    }
    *ret = search.found.queues;
    *ret_n = search.found.n;
    return 0;
}

/* Returns true if 'f' is the same file as one in a queue of its tenant that
 * stands before 'known'. */
static bool
counts_before(const struct spool *s, const struct spool_known *known,
              const struct spool_file *f)
{
    for (const struct spool_known *k = s->known; k < known; k++) {
        if (k->queue.tenant == known->queue.tenant) {
            const struct spool_file *a = spool_listing_find(&k->counted, f);
            const struct spool_file *b = spool_listing_find(&k->quarantined,
                                                            f);
            if ((a && a->inode == f->inode) || (b && b->inode == f->inode)) {
                return true;
            }
        }
    }
    return false;
}

static uint64_t
count_once(const struct spool *s, const struct spool_known *known,
           const struct spool_listing *l)
{
    uint64_t n_bytes = 0;

    for (size_t i = 0; i < l->n; i++) {
        if (!counts_before(s, known, &l->files[i])) {
            n_bytes += l->files[i].size;
        }
    }
    return n_bytes;
}

int
spool_usage(struct spool *s, uint32_t tenant, uint64_t *ret)
{
    struct queue_search search = { .spool = s };
    uint64_t n_bytes = 0;
    char name[16];

    snprintf(name, sizeof name, "%"PRIu32, tenant);
    int error = add_tenant(name, &search);
    if (error < 0) {
        error = errno;
    }
    for (size_t i = 0; i < search.found.n && !error; i++) {
        error = (spool_find_known(s, &search.found.queues[i])
                 ? 0 : ENOMEM);
    }
    for (size_t i = 0; i < s->n_known && !error; i++) {
        if (s->known[i].queue.tenant == tenant) {
            error = spool_refresh(s, &s->known[i]);
            error = error == ENOENT ? 0 : error;
        }
    }
    for (size_t i = 0; i < s->n_known && !error; i++) {
        const struct spool_known *known = &s->known[i];
        if (known->queue.tenant == tenant) {
            n_bytes += count_once(s, known, &known->counted);
            n_bytes += count_once(s, known, &known->quarantined);
        }
    }
    free(search.found.queues);
    if (!error) {
        *ret = n_bytes;
    }
    return error;
}

bool
spool_span(struct spool *s, const struct spool_queue *queue,
           struct spool_item *ret_first, struct spool_item *ret_last)
{
    const struct spool_known *known = spool_find_known(s, queue);

    if (!known || !known->counted.n) {
        return false;
    }
    *ret_first = spool_item_of(queue, &known->counted.files[0], false);
    *ret_last = spool_item_of(
        queue, &known->counted.files[known->counted.n - 1], false);
    return true;
}
