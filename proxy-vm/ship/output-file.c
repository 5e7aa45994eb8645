/* SPDX-License-Identifier: Apache-2.0
 *
 * A file on this host, a line in each of its lines.  What was written counts
 * as delivered once it was synced, at the end of a batch.  A line that a kill
 * or a full disk cut short is taken off again before anything follows it: its
 * batch is written again, so that no torn line stays.
 *
 * The file is made anew when it is gone from its path, as logrotate(8) renames
 * it, without a word to us.
 *
 * In: lines.  Out: a file.
 * Runs in: sluice-ship. */
#include <config.h>

#include "output.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "durable.h"
#include "openvswitch/poll-loop.h"
#include "util.h"

/* The longest line that ship writes is shorter.  What goes on for longer
 * without an LF was not written by ship. */
enum { MAX_LINE = 1024 * 1024 };

struct output_file {
    struct output up;
    int fd;                     /* Or -1. */
    uint64_t marked;            /* End of the latest whole batch. */
};

static struct output_file *
output_file_cast(const struct output *output)
{
    return CONTAINER_OF(output, struct output_file, up);
}

static char *
file_create(const struct output_options *o, struct output **ret)
{
    struct output_file *file = xzalloc(sizeof *file);

    output_init(&file->up, &output_file_class, o);
    file->fd = -1;
    *ret = &file->up;
    return NULL;
}

static void
file_destroy(struct output *output)
{
    free(output_file_cast(output));
}

static void
file_close(struct output *output)
{
    struct output_file *file = output_file_cast(output);

    if (file->fd >= 0) {
        close(file->fd);
        file->fd = -1;
    }
}

/* Finds where the last whole line of the file of 'size' bytes ends.  Returns 0
 * and the offset, or a positive errno. */
static int
find_last_end(int fd, off_t size, off_t *ret)
{
    char buf[4096];
    off_t from = MAX(size - MAX_LINE, 0);

    for (off_t end = size; end > from; ) {
        off_t start = MAX(end - (off_t) sizeof buf, from);
        ssize_t n = pread(fd, buf, end - start, start);
        if (n != end - start) {
            return n < 0 ? errno : EIO;
        }
        const char *lf = memrchr(buf, '\n', n);
        if (lf) {
            *ret = start + (lf - buf) + 1;
            return 0;
        }
        end = start;
    }
    *ret = from ? size : 0;
    return 0;
}

/* Takes off what is not a whole line. */
static int
repair(int fd)
{
    struct stat st;
    off_t end;

    if (fstat(fd, &st)) {
        return errno;
    } else if (!S_ISREG(st.st_mode)) {
        return EINVAL;
    }
    int error = find_last_end(fd, st.st_size, &end);
    return (error ? error
            : end < st.st_size && ftruncate(fd, end) ? errno : 0);
}

/* Opens the file at 'path' and puts it in order.  Returns 0 and the
 * descriptor, or a positive errno. */
static int
open_file(const char *path, int *ret_fd)
{
    /* The group may read it, whatever a unit has for all else. */
    mode_t mask = umask(0);
    /* O_NONBLOCK: for a FIFO, which repair() then refuses. */
    int fd = open(path, O_RDWR | O_APPEND | O_CREAT | O_NOFOLLOW | O_NOCTTY
                  | O_NONBLOCK | O_CLOEXEC, 0640);
    int error = fd < 0 ? errno : 0;

    umask(mask);
    if (error) {
        return error;
    }
    error = repair(fd);
    if (!error) {
        error = durable_sync_directory_of(path);
    }
    if (error) {
        close(fd);
        return error;
    }
    *ret_fd = fd;
    return 0;
}

static void
failed(struct output *output, const char *what, int error)
{
    output_fail(output, "%s can't be %s: %s", output->o->path, what,
                error == EINVAL ? "it is no file"
                : error == ELOOP ? "it is a symbolic link"
                : ovs_strerror(error));
}

static void
file_open(struct output *output)
{
    struct output_file *file = output_file_cast(output);
    int error = open_file(output->o->path, &file->fd);

    file->marked = 0;
    if (error) {
        failed(output, "opened", error);
    } else {
        output_opened(output);
    }
}

/* Has all whole batches on the disk, and counts them as delivered. */
static void
sync_batches(struct output_file *file)
{
    if (file->up.delivered < file->marked) {
        if (fdatasync(file->fd)) {
            failed(&file->up, "synced", errno);
        } else {
            output_delivered(&file->up, file->marked);
        }
    }
}

/* Returns true if the file that is open is the one at its path. */
static bool
is_in_place(const struct output_file *file)
{
    struct stat here, there;

    return (!stat(file->up.o->path, &there) && !fstat(file->fd, &here)
            && here.st_dev == there.st_dev && here.st_ino == there.st_ino);
}

/* Begins a new file if the one that is open was renamed or deleted.  Only
 * whole lines were written up to here. */
static void
follow_rename(struct output_file *file)
{
    if (is_in_place(file)) {
        return;
    }
    int fd;
    int error = fdatasync(file->fd) ? errno : 0;
    if (!error) {
        error = open_file(file->up.o->path, &fd);
    }
    if (error) {
        failed(&file->up, "opened anew", error);
        return;
    }
    close(file->fd);
    file->fd = fd;
}

static void
file_run(struct output *output)
{
    struct output_file *file = output_file_cast(output);

    sync_batches(file);
    if (output->state == OUTPUT_OPEN) {
        follow_rename(file);
    }
}

static void
file_wait(const struct output *output, bool want_send)
{
    if (want_send || output->delivered < output_file_cast(output)->marked) {
        poll_immediate_wake();
    }
}

static size_t
file_send(struct output *output, const uint8_t *data, size_t size)
{
    struct output_file *file = output_file_cast(output);
    size_t n = 0;

    follow_rename(file);
    while (output->state == OUTPUT_OPEN && n < size) {
        ssize_t written = write(file->fd, data + n, size - n);
        if (written > 0) {
            n += written;
        } else if (written < 0 && errno != EINTR) {
            int error = errno;
            repair(file->fd);
            failed(output, "written to", error);
            return 0;
        }
    }
    output_sent(output, n);
    return n;
}

static void
file_mark(struct output *output)
{
    output_file_cast(output)->marked = output->sent;
}

const struct output_class output_file_class = {
    .type = "file",
    .framing = SHIP_LF,
    .confirms = true,
    .create = file_create,
    .destroy = file_destroy,
    .open = file_open,
    .run = file_run,
    .wait = file_wait,
    .send = file_send,
    .mark = file_mark,
    .close = file_close,
};
