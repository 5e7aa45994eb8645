/* SPDX-License-Identifier: Apache-2.0
 *
 * The spool as an operator sees it.  See spool-admin.h. */
#include "spool-admin.h"
#include "spool-private.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>

struct each {
    bool is_quarantined;
    void (*foreign)(const char *name, bool is_quarantined, void *aux);
    void *aux;
};

static int
each_name(const char *name, void *each_)
{
    struct each *each = each_;

    if (spool_name_is_foreign(name)) {
        each->foreign(name, each->is_quarantined, each->aux);
    }
    return 0;
}

static void
each_entry(const struct spool_known *known, bool is_quarantined,
           void (*cb)(const struct spool_entry *, void *aux), void *aux)
{
    const struct spool_listing *l = (is_quarantined ? &known->quarantined
                                     : &known->counted);

    for (size_t i = 0; i < l->n; i++) {
        const struct spool_entry entry = {
            .item = spool_item_of(&known->queue, &l->files[i],
                                  is_quarantined),
            .n_lines = l->files[i].n_lines,
            .created_ns = l->files[i].created_ns,
        };
        cb(&entry, aux);
    }
}

int
spool_each(struct spool *s, const struct spool_queue *queue,
           void (*entry)(const struct spool_entry *, void *aux),
           void (*foreign)(const char *name, bool is_quarantined, void *aux),
           void *aux)
{
    struct spool_known *known = spool_find_known(s, queue);
    int error = known ? spool_refresh(s, known) : ENOMEM;

    if (error) {
        return error == ENOENT ? 0 : error;
    }
    each_entry(known, false, entry, aux);
    each_entry(known, true, entry, aux);
    for (int i = 0; i < 2 && foreign && !error; i++) {
        const struct spool_item place = {
            .queue = *queue,
            .is_quarantined = i > 0,
        };
        struct each each = {
            .is_quarantined = i > 0,
            .foreign = foreign,
            .aux = aux,
        };
        int fd = spool_open_place(s, &place);
        if (fd < 0) {
            error = fd == -ENOENT ? 0 : -fd;
        } else {
            error = s->io->list(fd, each_name, &each) ? errno : 0;
            s->io->close(fd);
        }
    }
    return error;
}

int
spool_find_anywhere(struct spool *s, const struct spool_queue *queue,
                    uint32_t generation, uint64_t number,
                    struct spool_item *ret)
{
    int error = spool_find(s, queue, generation, number, ret);

    if (error == ENOENT) {
        const struct spool_file f = {
            .generation = generation,
            .number = number,
        };
        struct spool_item item = spool_item_of(queue, &f, true);
        struct stat st;
        int fd = spool_open_place(s, &item);
        error = (fd < 0 ? -fd
                 : s->io->fstatat(fd, item.name, &st) ? errno : 0);
        spool_close_fd(s, fd);
        if (!error) {
            item.size = st.st_size;
            *ret = item;
        }
    }
    return error;
}

void
spool_read_reason(struct spool *s, const struct spool_item *item,
                  char buf[SPOOL_REASON_SIZE])
{
    char name[SPOOL_NAME_SIZE];
    struct stat st;
    size_t n = 0;

    if (!item->is_quarantined) {
        buf[0] = '\0';
        return;
    }
    int dir_fd = spool_open_place(s, item);
    spool_format_reason(name, sizeof name, item->generation, item->number);
    int fd = (dir_fd < 0 ? -1
              : s->io->openat(dir_fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK
                              | O_CLOEXEC, 0));
    if (fd >= 0 && !s->io->fstat(fd, &st) && S_ISREG(st.st_mode)) {
        /* 'n' stays 0 if that fails. */
        spool_read_all(s, fd, (uint8_t *) buf, SPOOL_REASON_SIZE - 1, &n);
    }
    buf[n] = '\0';
    spool_close_fd(s, fd);
    spool_close_fd(s, dir_fd);
}

int
spool_read_header(struct spool *s, const struct spool_item *item,
                  struct seal_header *ret)
{
    uint8_t header[SEAL_HEADER_SIZE];
    struct stat st;
    size_t n = 0;
    int fd = -1;
    int error = 0;

    int dir_fd = spool_open_place(s, item);
    if (dir_fd < 0) {
        return -dir_fd;
    }
    fd = s->io->openat(dir_fd, item->name,
                       O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0);
    if (fd < 0 || s->io->fstat(fd, &st)) {
        error = errno == ELOOP ? EBADMSG : errno;
    } else if (!S_ISREG(st.st_mode)) {
        error = EBADMSG;
    } else {
        error = spool_read_all(s, fd, header, sizeof header, &n);
        if (!error && seal_read_header(slice_of(header, n), ret)) {
            error = EBADMSG;
        }
    }
    spool_close_fd(s, fd);
    s->io->close(dir_fd);
    return error;
}

int
spool_hold(struct spool *s, const struct spool_queue *queue, int *ret_fd)
{
    int fd = spool_open_queue(s, queue, false);

    if (fd < 0) {
        return -fd;
    }
    if (flock(fd, LOCK_EX | LOCK_NB)) {
        int error = errno;
        s->io->close(fd);
        return error == EWOULDBLOCK ? EAGAIN : error;
    }
    *ret_fd = fd;
    return 0;
}

/* Deletes what says why 'item' was set aside, which 'dir_fd' has. */
static void
delete_reason(struct spool *s, int dir_fd, const struct spool_item *item)
{
    char name[SPOOL_NAME_SIZE];

    if (item->is_quarantined) {
        spool_format_reason(name, sizeof name, item->generation,
                            item->number);
        s->io->unlinkat(dir_fd, name);
    }
}

int
spool_put_back(struct spool *s, const struct spool_item *item)
{
    int fd = spool_open_queue(s, &item->queue, false);
    int quarantine_fd = spool_open_place(s, item);
    int error = 0;

    if (fd < 0 || quarantine_fd < 0) {
        error = fd < 0 ? -fd : -quarantine_fd;
    } else if (!item->is_quarantined) {
        error = ENOENT;
    } else if ((s->io->linkat(quarantine_fd, item->name, fd, item->name)
                && errno != EEXIST) || s->io->fsync(fd)) {
        /* The name in the queue lasts before the other goes.  In between it
         * is in both, which is to be in the queue. */
        error = errno;
    } else {
        delete_reason(s, quarantine_fd, item);
        if ((s->io->unlinkat(quarantine_fd, item->name) && errno != ENOENT)
            || s->io->fsync(quarantine_fd)) {
            error = errno;
        }
    }
    spool_close_fd(s, quarantine_fd);
    spool_close_fd(s, fd);
    return error;
}

/* Deletes from quarantine what 'item', which waits, has there as well. */
static int
delete_twin(struct spool *s, const struct spool_item *item)
{
    struct spool_item twin = *item;
    int error = 0;

    twin.is_quarantined = true;
    int fd = spool_open_place(s, &twin);
    if (fd < 0) {
        return fd == -ENOENT ? 0 : -fd;
    }
    delete_reason(s, fd, &twin);
    if (s->io->unlinkat(fd, twin.name)) {
        error = errno == ENOENT ? 0 : errno;
    } else if (s->io->fsync(fd)) {
        error = errno;
    }
    s->io->close(fd);
    return error;
}

int
spool_delete(struct spool *s, const struct spool_item *item)
{
    int fd = spool_open_place(s, item);
    int error = 0;

    if (fd < 0) {
        return -fd;
    }
    if (!item->is_quarantined) {
        /* Who set it aside may have been killed in between. */
        error = delete_twin(s, item);
    }
    if (!error && s->io->unlinkat(fd, item->name)) {
        error = errno;
    } else if (!error) {
        delete_reason(s, fd, item);
        error = s->io->fsync(fd) ? errno : 0;
    }
    s->io->close(fd);
    return error;
}
