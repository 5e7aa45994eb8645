/* SPDX-License-Identifier: Apache-2.0
 *
 * Puts batches into the spool.  See spool.h. */
#include "spool-private.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "failpoint.h"
#include "sync-many.h"

/* Files. */

int
spool_write_all(struct spool *s, int fd, struct slice content)
{
    return file_io_write_all(s->io, fd, content);
}

int
spool_write_temp(struct spool *s, int dir_fd, const char *temp,
                 struct slice content)
{
    if (s->io->unlinkat(dir_fd, temp) && errno != ENOENT) {
        return -errno;
    }
    int fd = s->io->openat(dir_fd, temp, O_WRONLY | O_CREAT | O_EXCL
                           | O_NOFOLLOW | O_CLOEXEC, 0660);
    if (fd < 0) {
        return -errno;
    }
    int error = spool_write_all(s, fd, content);
    if (error) {
        s->io->close(fd);
        s->io->unlinkat(dir_fd, temp);
        return -error;
    }
    return fd;
}

int
spool_sync(struct spool *s, int fd)
{
    return !s->process_only && s->io->fsync(fd) ? errno : 0;
}

int
spool_finish_temp(struct spool *s, int fd, bool sync)
{
    /* A retried fsync() may lie, so nothing here tries again. */
    int error = sync && s->io->fsync(fd) ? errno : 0;

    if (s->io->close(fd) && !error) {
        error = errno;
    }
    return error;
}

/* Temporary files that were left. */

struct temp_removal {
    struct spool *spool;
    int dir_fd;
};

static int
remove_temp(const char *name, void *removal_)
{
    struct temp_removal *removal = removal_;
    size_t length = strlen(name);

    if (*name == '.' && length > sizeof TEMP_SUFFIX
        && !strcmp(name + length - strlen(TEMP_SUFFIX), TEMP_SUFFIX)) {
        removal->spool->io->unlinkat(removal->dir_fd, name);
    }
    return 0;
}

static int
remove_temps_of_tenant(const char *name, void *removal_)
{
    struct temp_removal *removal = removal_;
    struct spool *s = removal->spool;
    uint32_t tenant;

    if (spool_parse_tenant(name, &tenant)) {
        removal->dir_fd = spool_open_tenant(s, tenant, false);
        if (removal->dir_fd >= 0) {
            /* What can't be removed now stays, and does no harm. */
            s->io->list(removal->dir_fd, remove_temp, removal);
            s->io->close(removal->dir_fd);
        }
    }
    return 0;
}

int
spool_remove_temps(struct spool *s)
{
    struct temp_removal removal = { .spool = s };

    return s->io->list(s->fd, remove_temps_of_tenant, &removal) ? errno : 0;
}

/* Pushing. */

/* Finds out which of the queues of 'p' do not have its batch yet.  Returns 0
 * or a positive errno. */
static int
find_missing(struct spool *s, struct spool_pending *p)
{
    struct stat st;

    p->missing = 0;
    for (size_t i = 0; i < p->n_queues; i++) {
        int fd = spool_open_queue(s, &p->queues[i], true);
        if (fd < 0) {
            return -fd;
        }
        int error = s->io->fstatat(fd, p->name, &st) ? errno : 0;
        s->io->close(fd);
        if (error == ENOENT) {
            p->missing |= UINT32_C(1) << i;
        } else if (error) {
            return error;
        }
    }
    return 0;
}

int
spool_begin(struct spool *s, const struct spool_queue queues[],
            size_t n_queues, uint32_t generation, uint64_t number,
            struct slice file)
{
    struct spool_pending *p = &s->pending[s->n_pending];
    char name[SPOOL_NAME_SIZE];

    if (file.size > MAX_FILE_SIZE) {
        return EFBIG;
    } else if (!n_queues || n_queues > SPOOL_MAX_QUEUES) {
        return EINVAL;
    } else if (s->n_pending >= SPOOL_MAX_PENDING) {
        return ENOBUFS;
    }
    memcpy(p->queues, queues, n_queues * sizeof *queues);
    p->n_queues = n_queues;
    spool_format_name(name, sizeof name, generation, number);
    memcpy(p->name, name, sizeof p->name);
    int error = spool_record_generation(s);
    if (!error) {
        error = find_missing(s, p);
    }
    if (error) {
        return error;
    }

    p->dir_fd = spool_open_tenant(s, queues[0].tenant, false);
    if (p->dir_fd < 0) {
        return -p->dir_fd;
    }
    p->fd = -1;
    /* Of a batch that was pushed before, only the last step may be missing. */
    if (p->missing) {
        /* Another file of the same batch is for other queues. */
        snprintf(p->temp, sizeof p->temp, ".%s.%s" TEMP_SUFFIX, name,
                 queues[0].name);
        p->fd = spool_write_temp(s, p->dir_fd, p->temp, file);
        if (p->fd < 0) {
            s->io->close(p->dir_fd);
            return -p->fd;
        }
        failpoint(FAIL_SPOOL_TEMP_WRITTEN);
        /* Let the disk begin, so that the syncs to come find less to do. */
        if (!s->process_only) {
            s->io->begin_sync(p->fd);
        }
    }
    s->n_pending++;
    return 0;
}

/* Links the file of 'p', which is durable, into the queues that miss it.
 * Those that do not have it then stay in 'p->missing'.  Returns 0 or a
 * positive errno. */
static int
link_pending(struct spool *s, struct spool_pending *p)
{
    int error = 0;

    for (size_t i = 0; i < p->n_queues; i++) {
        uint32_t bit = UINT32_C(1) << i;
        if (!(p->missing & bit)) {
            continue;
        }

        int fd = spool_open_queue(s, &p->queues[i], false);
        if (fd < 0) {
            error = error ? error : -fd;
        } else if ((p->missing == bit && i + 1 == p->n_queues
                    ? s->io->renameat(p->dir_fd, p->temp, fd, p->name)
                    : s->io->linkat(p->dir_fd, p->temp, fd, p->name))
                   && errno != EEXIST) {
            error = error ? error : errno;
        } else {
            p->missing &= ~bit;
            failpoint(FAIL_SPOOL_LINKED);
        }
        spool_close_fd(s, fd);
    }
    return error;
}

/* Returns true if a batch of the group before the 'n'th, or a queue of that
 * one before its 'i'th, is in the same queue as this: '*ret' is how syncing
 * its directory ended then. */
static bool
was_synced(const struct spool *s, const int (*errors)[SPOOL_MAX_QUEUES],
           size_t n, size_t i, int *ret)
{
    for (size_t j = n; j-- > 0; ) {
        const struct spool_pending *p = &s->pending[j];
        for (size_t k = 0; k < p->n_queues; k++) {
            if (spool_queue_equal(&p->queues[k], &s->pending[n].queues[i])) {
                *ret = errors[j][k];
                return true;
            }
        }
    }
    return false;
}

/* Files to be synced together.  When there are as many as go at once, or at
 * the end, all are synced and closed. */
struct sync_group {
    struct spool *spool;
    int fds[SYNC_MANY_MAX];
    int *errors[SYNC_MANY_MAX]; /* Where to put what became of each. */
    size_t n;
};

static void
sync_group_finish(struct sync_group *g)
{
    const struct file_io *io = g->spool->io;
    int errors[SYNC_MANY_MAX] = { 0 };

    /* A retried fsync() may lie, so nothing here tries again. */
    if (!g->spool->process_only && io->sync_many) {
        io->sync_many(g->fds, errors, g->n);
    } else if (!g->spool->process_only) {
        for (size_t i = 0; i < g->n; i++) {
            errors[i] = io->fsync(g->fds[i]) ? errno : 0;
        }
    }
    for (size_t i = 0; i < g->n; i++) {
        if (io->close(g->fds[i]) && !errors[i]) {
            errors[i] = errno;
        }
        *g->errors[i] = errors[i];
    }
    g->n = 0;
}

/* Takes 'fd', which may be a negative errno. */
static void
sync_group_add(struct sync_group *g, int fd, int *error)
{
    if (fd < 0) {
        *error = -fd;
        return;
    }
    g->fds[g->n] = fd;
    g->errors[g->n++] = error;
    if (g->n == SYNC_MANY_MAX) {
        sync_group_finish(g);
    }
}

/* Syncs the temporary files of the group. */
static void
sync_temps(struct spool *s, struct spool_result results[])
{
    struct sync_group group = { .spool = s };

    for (size_t i = 0; i < s->n_pending; i++) {
        results[i] = (struct spool_result) { .error = 0 };
        if (s->pending[i].fd >= 0) {
            sync_group_add(&group, s->pending[i].fd, &results[i].error);
        }
    }
    sync_group_finish(&group);
}

/* Syncs the directories of all queues of the group, each once. */
static void
sync_queues(struct spool *s, int (*errors)[SPOOL_MAX_QUEUES])
{
    struct sync_group group = { .spool = s };
    int unused;

    for (size_t i = 0; i < s->n_pending; i++) {
        for (size_t j = 0; j < s->pending[i].n_queues; j++) {
            errors[i][j] = 0;
            if (!was_synced(s, errors, i, j, &unused)) {
                int fd = spool_open_queue(s, &s->pending[i].queues[j], false);
                sync_group_add(&group, fd, &errors[i][j]);
            }
        }
    }
    sync_group_finish(&group);
    for (size_t i = 0; i < s->n_pending; i++) {
        for (size_t j = 0; j < s->pending[i].n_queues; j++) {
            was_synced(s, errors, i, j, &errors[i][j]);
        }
    }
}

void
spool_commit(struct spool *s, struct spool_result results[])
{
    int errors[SPOOL_MAX_PENDING][SPOOL_MAX_QUEUES];

    /* Each step for all batches before the next step: what is synced together
     * costs little more than a single file. */
    sync_temps(s, results);
    failpoint(FAIL_SPOOL_TEMPS_SYNCED);
    for (size_t i = 0; i < s->n_pending; i++) {
        struct spool_pending *p = &s->pending[i];
        if (!results[i].error) {
            results[i].error = link_pending(s, p);
        }
        if (p->fd >= 0) {
            /* Gone already if it was renamed. */
            s->io->unlinkat(p->dir_fd, p->temp);
        }
        s->io->close(p->dir_fd);
    }
    failpoint(FAIL_SPOOL_TEMPS_GONE);
    sync_queues(s, errors);
    failpoint(FAIL_SPOOL_QUEUES_SYNCED);
    for (size_t i = 0; i < s->n_pending; i++) {
        struct spool_pending *p = &s->pending[i];
        for (size_t j = 0; j < p->n_queues; j++) {
            if (p->missing & UINT32_C(1) << j) {
                continue;
            } else if (!errors[i][j]) {
                results[i].done |= UINT32_C(1) << j;
            } else if (!results[i].error) {
                results[i].error = errors[i][j];
            }
        }
    }
    s->n_pending = 0;
}

int
spool_push(struct spool *s, const struct spool_queue queues[],
           size_t n_queues, uint32_t generation, uint64_t number,
           struct slice file)
{
    struct spool_result result;
    int error = spool_begin(s, queues, n_queues, generation, number, file);

    if (!error) {
        spool_commit(s, &result);
        error = result.error;
    }
    return error;
}
