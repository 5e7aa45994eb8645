/* SPDX-License-Identifier: Apache-2.0
 *
 * A file or standard output as the place where lines go.  See sink.h.
 *
 * The file belongs to the sink: what stands behind the end that was remembered
 * is of a batch without a receipt, which will come again, and is cut off.  A
 * file that was renamed meanwhile is found by its inode in the directory. */
#include <config.h>

#include "sink.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "openvswitch/vlog.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(sink_file);

struct sink_file {
    struct sink up;
    char *path;                 /* Null: standard output. */
    int fd;
    bool regular;
};

static struct sink_file *
sink_file_cast(struct sink *sink)
{
    return CONTAINER_OF(sink, struct sink_file, up);
}

static void
file_destroy(struct sink *sink)
{
    struct sink_file *f = sink_file_cast(sink);

    if (f->path && f->fd >= 0) {
        close(f->fd);
    }
    free(f->path);
    free(f->up.name);
    free(f);
}

/* Opens the directory that 'path' is in. */
static int
open_directory_of(const char *path)
{
    char *dir = dir_name(path);
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int error = errno;

    free(dir);
    errno = error;
    return fd;
}

/* Opens 'f->path' in place of what is open. */
static int
open_file(struct sink_file *f)
{
    int error = 0;
    int dir_fd = -1;
    struct stat st;

    int fd = open(f->path, O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW
                  | O_NOCTTY | O_NONBLOCK | O_CLOEXEC, 0640);
    if (fd < 0) {
        return errno;
    }
    if (fstat(fd, &st)) {
        error = errno;
    } else if (!S_ISREG(st.st_mode)) {
        error = EINVAL;
    } else if ((dir_fd = open_directory_of(f->path)) < 0 || fsync(dir_fd)) {
        error = errno;
    }
    if (dir_fd >= 0) {
        close(dir_fd);
    }
    if (error) {
        close(fd);
        return error;
    }
    if (f->fd >= 0) {
        close(f->fd);
    }
    f->fd = fd;
    f->regular = true;
    return 0;
}

static int
file_write(struct sink *sink, const uint8_t *data, size_t size)
{
    struct sink_file *f = sink_file_cast(sink);

    while (size) {
        ssize_t n = write(f->fd, data, size);
        if (n > 0) {
            data += n;
            size -= n;
        } else if (n < 0 && errno != EINTR) {
            return errno;
        }
    }
    return 0;
}

static int
file_sync(struct sink *sink, struct sink_mark *ret)
{
    struct sink_file *f = sink_file_cast(sink);
    struct sink_mark mark = { 0, 0, 0 };
    struct stat st;

    if (f->regular) {
        if (fdatasync(f->fd) || fstat(f->fd, &st)) {
            return errno;
        }
        mark = (struct sink_mark) { st.st_dev, st.st_ino, st.st_size };
    }
    *ret = mark;
    return 0;
}

/* Cuts 'fd' off at 'mark', if it is the file meant and longer. */
static int
cut(int fd, const struct sink_mark *mark, const char *name)
{
    struct stat st;

    if (fstat(fd, &st)) {
        return errno;
    } else if (st.st_ino != mark->inode || st.st_dev != mark->device) {
        return ENOENT;
    } else if (!S_ISREG(st.st_mode)
               || (uint64_t) st.st_size <= mark->offset) {
        return 0;
    }
    VLOG_INFO("%s: taking back %lld bytes of batches that were not confirmed",
              name, (long long int) (st.st_size - mark->offset));
    return ftruncate(fd, mark->offset) || fsync(fd) ? errno : 0;
}

/* Cuts off the file of 'mark', wherever in the directory it is by now. */
static int
cut_renamed(const struct sink_file *f, const struct sink_mark *mark)
{
    int dir_fd = open_directory_of(f->path);
    DIR *dir = dir_fd < 0 ? NULL : fdopendir(dir_fd);
    int error = ENOENT;
    struct dirent *entry;

    if (!dir) {
        error = errno;
        if (dir_fd >= 0) {
            close(dir_fd);
        }
        return error;
    }
    while (error == ENOENT && (entry = readdir(dir))) {
        if (entry->d_ino != mark->inode) {
            continue;
        }
        int fd = openat(dir_fd, entry->d_name, O_WRONLY | O_NOFOLLOW
                        | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
        if (fd >= 0) {
            error = cut(fd, mark, entry->d_name);
            close(fd);
        }
    }
    closedir(dir);
    return error;
}

static int
file_restore(struct sink *sink, const struct sink_mark *mark)
{
    struct sink_file *f = sink_file_cast(sink);

    if (!f->regular || !mark->inode) {
        return 0;
    }
    int error = cut(f->fd, mark, f->up.name);
    if (error == ENOENT && f->path) {
        error = cut_renamed(f, mark);
        if (error == ENOENT) {
            VLOG_WARN("%s: the file that was written last is gone; lines of "
                      "the last batches may be in it and come again",
                      f->up.name);
            error = 0;
        }
    }
    return error;
}

static int
file_reopen(struct sink *sink)
{
    struct sink_file *f = sink_file_cast(sink);

    return f->path ? open_file(f) : 0;
}

static const struct sink_class sink_file_class = {
    .destroy = file_destroy,
    .write = file_write,
    .sync = file_sync,
    .restore = file_restore,
    .reopen = file_reopen,
};

int
sink_file_create(const char *path, struct sink **ret)
{
    struct sink_file *f = xzalloc(sizeof *f);
    struct stat st;
    int error = 0;

    f->up.class = &sink_file_class;
    f->up.framing = SHIP_LF;
    f->up.name = xstrdup(path ? path : "standard output");
    f->path = nullable_xstrdup(path);
    f->fd = -1;
    if (path) {
        error = open_file(f);
    } else {
        f->fd = STDOUT_FILENO;
        f->regular = !fstat(f->fd, &st) && S_ISREG(st.st_mode);
    }
    if (error) {
        file_destroy(&f->up);
        return error;
    }
    *ret = &f->up;
    return 0;
}
