/* SPDX-License-Identifier: Apache-2.0
 *
 * Reads batches and takes them out of the spool.  See spool.h. */
#include "spool-private.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "failpoint.h"

int
spool_open_place(struct spool *s, const struct spool_item *item)
{
    int queue_fd = spool_open_queue(s, &item->queue, false);
    int fd = queue_fd;

    if (queue_fd >= 0 && item->is_quarantined) {
        fd = spool_open_directory(s, queue_fd, QUARANTINE, false);
        s->io->close(queue_fd);
    }
    return fd;
}

int
spool_read(struct spool *s, const struct spool_item *item, uint8_t **ret,
           size_t *ret_size)
{
    struct stat st;
    uint8_t *data = NULL;
    size_t size, n = 0;
    int error = 0;
    int fd = -1;

    int dir_fd = (item->is_quarantined ? spool_open_place(s, item)
                  : spool_use_queue(s, &item->queue, false));
    if (dir_fd < 0) {
        return -dir_fd;
    }
    fd = s->io->openat(dir_fd, item->name,
                       O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0);
    if (fd < 0 || s->io->fstat(fd, &st)) {
        error = errno;
        goto out;
    }
    if (!S_ISREG(st.st_mode) || st.st_size > MAX_FILE_SIZE) {
        error = S_ISREG(st.st_mode) ? EFBIG : EINVAL;
        goto out;
    }
    size = st.st_size;
    data = malloc(size ? size : 1);
    error = data ? spool_read_all(s, fd, data, size, &n) : ENOMEM;
    if (!error) {
        *ret = data;
        *ret_size = n;
        data = NULL;
    }

out:
    free(data);
    spool_close_fd(s, fd);
    spool_release_queue(s, dir_fd);
    return error;
}

int
spool_ack(struct spool *s, const struct spool_item *item)
{
    int fd = spool_use_queue(s, &item->queue, false);
    if (fd < 0) {
        return -fd;
    }

    int error = (s->io->unlinkat(fd, item->name) && errno != ENOENT
                 ? errno : 0);
    if (!error) {
        failpoint(FAIL_SPOOL_UNLINKED);
    }
    spool_release_queue(s, fd);
    return error;
}

int
spool_sync_acks(struct spool *s, const struct spool_queue *queue)
{
    int fd = spool_use_queue(s, queue, false);
    if (fd < 0) {
        return -fd;
    }

    int error = spool_sync(s, fd);
    spool_release_queue(s, fd);
    return error;
}

/* Writes why 'item' is in quarantine.  It is for people, so that it need not
 * succeed, nor last. */
static void
write_reason(struct spool *s, int quarantine_fd,
             const struct spool_item *item, const char *reason)
{
    char name[SPOOL_NAME_SIZE];

    spool_format_reason(name, sizeof name, item->generation, item->number);
    int fd = spool_write_temp(s, quarantine_fd, name,
                              slice_from_string(reason));
    spool_close_fd(s, fd);
}

int
spool_quarantine(struct spool *s, const struct spool_item *item,
                 const char *reason)
{
    int fd = spool_open_queue(s, &item->queue, false);
    if (fd < 0) {
        return -fd;
    }

    /* The new name must last before the old one may go.  A rename would leave
     * it to the file system which of the two lasts first. */
    int error = 0;
    int quarantine_fd = spool_open_directory(s, fd, QUARANTINE, true);
    if (quarantine_fd < 0) {
        error = -quarantine_fd;
    } else if (s->io->linkat(fd, item->name, quarantine_fd, item->name)
               && errno != EEXIST) {
        error = errno;
    } else {
        write_reason(s, quarantine_fd, item, reason);
        failpoint(FAIL_QUARANTINE_LINKED);
        error = (s->io->fsync(quarantine_fd)
                 || s->io->unlinkat(fd, item->name) ? errno : 0);
        failpoint(FAIL_QUARANTINE_UNLINKED);
        if (!error && s->io->fsync(fd)) {
            error = errno;
        }
    }
    spool_close_fd(s, quarantine_fd);
    s->io->close(fd);
    return error;
}

struct repair {
    struct spool *spool;
    int queue_fd, quarantine_fd;
};

/* Returns the name of the batch that the reason 'name' is about, or 'name'. */
static const char *
batch_of(const char *name, char *buf, size_t size)
{
    size_t n = strlen(name);
    size_t suffix = strlen(REASON_SUFFIX);

    if (n <= suffix || strcmp(name + n - suffix, REASON_SUFFIX)) {
        return name;
    }
    snprintf(buf, size, "%.*s" BATCH_SUFFIX, (int) (n - suffix), name);
    return buf;
}

static int
repair_one(const char *name, void *repair_)
{
    struct repair *repair = repair_;
    const struct file_io *io = repair->spool->io;
    char buf[NAME_MAX + sizeof BATCH_SUFFIX];
    struct stat st;

    if (*name == '.' || spool_name_is_foreign(name)) {
        return 0;
    } else if (io->fstatat(repair->queue_fd, batch_of(name, buf, sizeof buf),
                           &st)) {
        return errno == ENOENT ? 0 : errno;
    }
    return (io->unlinkat(repair->quarantine_fd, name) && errno != ENOENT
            ? errno : 0);
}

/* Sets a file aside that is no batch.  What can't be set aside stays. */
static int
set_aside_foreign(const char *name, void *repair_)
{
    struct repair *repair = repair_;
    struct spool *s = repair->spool;
    struct stat st;

    if (!spool_name_is_foreign(name)
        || s->io->fstatat(repair->queue_fd, name, &st)
        || !S_ISREG(st.st_mode)) {
        return 0;
    }
    if (repair->quarantine_fd < 0) {
        repair->quarantine_fd = spool_open_directory(s, repair->queue_fd,
                                                     QUARANTINE, true);
    }
    if (repair->quarantine_fd >= 0
        && !s->io->linkat(repair->queue_fd, name, repair->quarantine_fd, name)
        && !s->io->fsync(repair->quarantine_fd)) {
        s->io->unlinkat(repair->queue_fd, name);
    }
    return 0;
}

int
spool_repair(struct spool *s, const struct spool_queue *queue)
{
    struct repair repair = { .spool = s, .quarantine_fd = -1 };
    int error = 0;

    repair.queue_fd = spool_open_queue(s, queue, false);
    if (repair.queue_fd < 0) {
        return repair.queue_fd == -ENOENT ? 0 : -repair.queue_fd;
    }
    repair.quarantine_fd = spool_open_directory(s, repair.queue_fd,
                                                QUARANTINE, false);
    if (repair.quarantine_fd >= 0) {
        /* A name in the queue may be of spool_put_back(), which did not come
         * to sync it: it must last before the other goes. */
        error = (s->io->fsync(repair.queue_fd) ? -1
                 : s->io->list(repair.quarantine_fd, repair_one, &repair));
    } else if (repair.quarantine_fd != -ENOENT) {
        error = -repair.quarantine_fd;
    }
    if (error < 0) {
        error = errno;
    }
    /* Also where nothing changed: what was put back may have been taken out of
     * quarantine, and the sync of that have failed. */
    if (!error && repair.quarantine_fd >= 0
        && s->io->fsync(repair.quarantine_fd)) {
        error = errno;
    }
    if (!error && s->io->list(repair.queue_fd, set_aside_foreign, &repair)) {
        error = errno;
    }
    spool_close_fd(s, repair.quarantine_fd);
    spool_close_fd(s, repair.queue_fd);
    return error;
}
