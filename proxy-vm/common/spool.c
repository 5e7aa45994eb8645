/* SPDX-License-Identifier: Apache-2.0
 *
 * The spool: its names, its directories and its generation.  See spool.h. */
#include "spool-private.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "failpoint.h"

/* Names. */

void
spool_format_name(char *buf, size_t size, uint32_t generation, uint64_t number)
{
    snprintf(buf, size, "%0*"PRIu32"-%0*"PRIu64 BATCH_SUFFIX,
             GENERATION_DIGITS, generation, NUMBER_DIGITS, number);
}

void
spool_format_reason(char *buf, size_t size, uint32_t generation,
                    uint64_t number)
{
    snprintf(buf, size, "%0*"PRIu32"-%0*"PRIu64 REASON_SUFFIX,
             GENERATION_DIGITS, generation, NUMBER_DIGITS, number);
}

bool
spool_queue_name_is_valid(const char *name)
{
    size_t n = strspn(name, "abcdefghijklmnopqrstuvwxyz"
                      "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-");

    return n && n < SPOOL_QUEUE_SIZE && !name[n] && *name != '.';
}

bool
spool_queue_init(struct spool_queue *queue, uint32_t tenant, const char *name)
{
    if (!spool_queue_name_is_valid(name)) {
        return false;
    }
    *queue = (struct spool_queue) { .tenant = tenant };
    memcpy(queue->name, name, strlen(name));
    return true;
}

bool
spool_queue_equal(const struct spool_queue *a, const struct spool_queue *b)
{
    return a->tenant == b->tenant && !strcmp(a->name, b->name);
}

bool
spool_parse_tenant(const char *name, uint32_t *ret)
{
    size_t n = strspn(name, "0123456789");

    if (!n || n > 8 || name[n] || *name == '0') {
        return false;
    }
    *ret = strtoul(name, NULL, 10);
    return true;
}

/* Directories. */

static int
make_directory(struct spool *s, int dir_fd, const char *name)
{
    if (s->io->mkdirat(dir_fd, name, 0770)) {
        return errno == EEXIST ? 0 : errno;
    }
    failpoint(FAIL_DIRECTORY_MADE);
    return 0;
}

/* Gives the directory 'fd' to whom the spool belongs to: sluiced may make one
 * in which another user's sluice-intake writes.  Also one that was there: who
 * made it may not have come to this, or have been killed.  A shipper may give
 * it to that user's group alone, and who may not even do that runs all as one
 * user.  The spool's owner, sluice-intake, has nothing to give away. */
static int
give_directory(struct spool *s, int fd)
{
    struct stat spool, st;

    if (s->io->fstat(s->fd, &spool) || s->io->fstat(fd, &st)) {
        return errno;
    }
    return (!spool.st_uid || spool.st_uid == geteuid()
            || st.st_uid == spool.st_uid
            || !fchown(fd, spool.st_uid, spool.st_gid)
            || (errno == EPERM && geteuid()
                && (!fchown(fd, -1, spool.st_gid) || errno == EPERM))
            ? 0 : errno);
}

int
spool_open_directory(struct spool *s, int dir_fd, const char *name,
                     bool create)
{
    int flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
    int fd = s->io->openat(dir_fd, name, flags, 0);

    if (fd < 0 && errno == ENOENT && create) {
        int error = make_directory(s, dir_fd, name);
        if (error) {
            return -error;
        }
        fd = s->io->openat(dir_fd, name, flags, 0);
    }
    if (fd < 0) {
        return -errno;
    }
    if (create) {
        int error = give_directory(s, fd);
        /* Who made it may have been killed before it was synced. */
        if (!error && s->io->fsync(dir_fd)) {
            error = errno;
        }
        if (error) {
            s->io->close(fd);
            return -error;
        }
    }
    return fd;
}

int
spool_open_tenant(struct spool *s, uint32_t tenant, bool create)
{
    char name[16];

    snprintf(name, sizeof name, "%"PRIu32, tenant);
    return spool_open_directory(s, s->fd, name, create);
}

struct spool_known *
spool_find_known(struct spool *s, const struct spool_queue *queue)
{
    for (size_t i = 0; i < s->n_known; i++) {
        if (spool_queue_equal(&s->known[i].queue, queue)) {
            return &s->known[i];
        }
    }

    struct spool_known *all = reallocarray(s->known, s->n_known + 1,
                                           sizeof *all);
    if (!all) {
        return NULL;
    }
    s->known = all;
    struct spool_known *known = &all[s->n_known++];
    *known = (struct spool_known) { .queue = *queue };
    return known;
}

int
spool_open_queue(struct spool *s, const struct spool_queue *queue, bool create)
{
    struct spool_known *known = create ? spool_find_known(s, queue) : NULL;
    bool assure = create && (!known || !known->is_lasting);

    for (;;) {
        int tenant_fd = spool_open_tenant(s, queue->tenant, assure);
        int fd = tenant_fd;
        if (tenant_fd >= 0) {
            fd = spool_open_directory(s, tenant_fd, queue->name, assure);
            s->io->close(tenant_fd);
        }
        if (fd == -ENOENT && create && !assure) {
            /* Somebody removed it. */
            assure = true;
            continue;
        }
        if (fd >= 0 && known) {
            known->is_lasting = true;
        }
        return fd;
    }
}

void
spool_keep_open(struct spool *s, const struct spool_queue *queue)
{
    spool_close_fd(s, s->kept_fd);
    s->kept_fd = -1;
    s->kept = *queue;
}

int
spool_use_queue(struct spool *s, const struct spool_queue *queue, bool anew)
{
    bool keep = spool_queue_equal(&s->kept, queue);

    if (keep && s->kept_fd >= 0 && !anew) {
        return s->kept_fd;
    }
    int fd = spool_open_queue(s, queue, false);
    if (keep) {
        spool_close_fd(s, s->kept_fd);
        s->kept_fd = fd >= 0 ? fd : -1;
    }
    return fd;
}

void
spool_release_queue(struct spool *s, int fd)
{
    if (fd != s->kept_fd) {
        spool_close_fd(s, fd);
    }
}

int
spool_open_io(const char *path, const struct file_io *io, struct spool **ret)
{
    struct spool *s = calloc(1, sizeof *s);
    if (!s) {
        return ENOMEM;
    }
    s->io = io;
    s->kept_fd = -1;

    int error = 0;
    s->path = strdup(path);
    s->fd = io->openat(AT_FDCWD, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
    if (s->fd < 0) {
        error = errno;
    } else if (!s->path) {
        error = ENOMEM;
    }
    if (error) {
        spool_close(s);
        return error;
    }
    *ret = s;
    return 0;
}

int
spool_open(const char *path, struct spool **ret)
{
    return spool_open_io(path, file_io_default(), ret);
}

void
spool_set_process_only(struct spool *s, bool process_only)
{
    s->process_only = process_only;
}

void
spool_close(struct spool *s)
{
    if (s) {
        for (size_t i = 0; i < s->n_known; i++) {
            free(s->known[i].waiting.files);
            free(s->known[i].counted.files);
            free(s->known[i].quarantined.files);
        }
        free(s->known);
        spool_close_fd(s, s->kept_fd);
        spool_close_fd(s, s->fd);
        free(s->path);
        free(s);
    }
}

/* The generation. */

int
spool_read_all(struct spool *s, int fd, uint8_t *buf, size_t size,
               size_t *ret_n)
{
    size_t n = 0;

    while (n < size) {
        ssize_t got = s->io->read(fd, buf + n, size - n);
        if (!got) {
            break;
        } else if (got > 0) {
            n += got;
        } else if (errno != EINTR) {
            return errno;
        }
    }
    *ret_n = n;
    return 0;
}

/* Makes 'name' in the spool a file of 'content': all of it, durably, or
 * none. */
static int
write_file(struct spool *s, const char *name, struct slice content)
{
    char temp[TEMP_NAME_SIZE];

    snprintf(temp, sizeof temp, ".%s" TEMP_SUFFIX, name);
    int fd = spool_write_temp(s, s->fd, temp, content);
    if (fd < 0) {
        return -fd;
    }
    int error = spool_finish_temp(s, fd, true);
    failpoint(FAIL_GENERATION_TEMP);
    if (!error && s->io->renameat(s->fd, temp, s->fd, name)) {
        error = errno;
    }
    if (error) {
        s->io->unlinkat(s->fd, temp);
        return error;
    }
    return s->io->fsync(s->fd) ? errno : 0;
}

/* Writes 'content' over the file 'name', which has this size already, so that
 * no space is needed. */
static int
overwrite(struct spool *s, const char *name, struct slice content)
{
    struct stat st;
    int error = 0;

    int fd = s->io->openat(s->fd, name, O_WRONLY | O_NOFOLLOW | O_CLOEXEC,
                           0);
    if (fd < 0 || s->io->fstat(fd, &st)) {
        error = errno;
    } else if ((size_t) st.st_size != content.size) {
        error = ENOSPC;
    } else {
        error = spool_write_all(s, fd, content);
        if (!error && s->io->fsync(fd)) {
            error = errno;
        }
    }
    spool_close_fd(s, fd);
    return error;
}

int
spool_record_generation(struct spool *s)
{
    char text[16];

    if (!s->unrecorded) {
        return 0;
    }
    int size = snprintf(text, sizeof text, "%0*"PRIu32"\n",
                        GENERATION_DIGITS, s->unrecorded);
    int error = write_file(s, "generation", slice_of(text, size));
    if (error == ENOSPC || error == EDQUOT) {
        /* A full disk still has room for what it has. */
        error = overwrite(s, "generation", slice_of(text, size));
    }
    if (!error) {
        s->unrecorded = 0;
    }
    return error;
}

/* Reads the generation, 0 if there was none yet.  Returns 0 or a positive
 * errno. */
static int
read_generation(struct spool *s, uint32_t *ret)
{
    char text[16];
    size_t n = 0;
    char *end;

    int fd = s->io->openat(s->fd, "generation",
                           O_RDONLY | O_NOFOLLOW | O_CLOEXEC, 0);
    if (fd < 0) {
        if (errno != ENOENT) {
            return errno;
        }
        *ret = 0;
        return 0;
    }
    int error = spool_read_all(s, fd, (uint8_t *) text, sizeof text - 1, &n);
    s->io->close(fd);
    if (error) {
        return error;
    }
    text[n] = '\0';
    errno = 0;
    unsigned long long value = strtoull(text, &end, 10);
    if (text[0] < '0' || text[0] > '9' || *end != '\n' || errno
        || value >= UINT32_MAX) {
        return EINVAL;
    }
    *ret = value;
    return 0;
}

int
spool_next_generation_above(struct spool *s, uint32_t least, uint32_t *ret)
{
    uint32_t latest = 0;
    int error = read_generation(s, &latest);

    if (error) {
        return error;
    }
    latest = latest < least ? least : latest;
    if (latest >= UINT32_MAX) {
        return EINVAL;
    }
    spool_remove_temps(s);
    s->unrecorded = latest + 1;
    failpoint(FAIL_GENERATION_READ);
    spool_record_generation(s);
    failpoint(FAIL_GENERATION_WRITTEN);
    *ret = latest + 1;
    return 0;
}

int
spool_next_generation(struct spool *s, uint32_t *ret)
{
    return spool_next_generation_above(s, 0, ret);
}
