/* SPDX-License-Identifier: Apache-2.0
 *
 * The system calls for durable files, each behind a failpoint: where the n-th
 * of them may fail, or the process end before it.  See file-io.h. */
#include "sluice-config.h"

#include "file-io.h"

#include <errno.h>

#include "failpoint.h"

/* Returns true, and sets errno, if the call behind 'f' is to fail. */
static bool
fails(enum failpoint f)
{
    int error = failpoint(f);

    if (error) {
        errno = error;
    }
    return error != 0;
}

static int
failing_openat(int dir_fd, const char *name, int flags, mode_t mode)
{
    return (fails(FAIL_FILE_OPENAT) ? -1
            : file_io_system.openat(dir_fd, name, flags, mode));
}

static int
failing_close(int fd)
{
    return file_io_system.close(fd);
}

static ssize_t
failing_read(int fd, void *buf, size_t size)
{
    return fails(FAIL_FILE_READ) ? -1 : file_io_system.read(fd, buf, size);
}

/* Writes one half, as a disk that fills may, so that there are files in which
 * the other is missing. */
static ssize_t
failing_write(int fd, const void *buf, size_t size)
{
    ssize_t n = file_io_system.write(fd, buf, size > 1 ? size / 2 : size);

    return fails(FAIL_FILE_WRITE) ? -1 : n;
}

static int
failing_fstat(int fd, struct stat *st)
{
    return file_io_system.fstat(fd, st);
}

static int
failing_fstatat(int dir_fd, const char *name, struct stat *st)
{
    return (fails(FAIL_FILE_FSTATAT) ? -1
            : file_io_system.fstatat(dir_fd, name, st));
}

static int
failing_fsync(int fd)
{
    return fails(FAIL_FILE_FSYNC) ? -1 : file_io_system.fsync(fd);
}

static int
failing_begin_sync(int fd)
{
    return file_io_system.begin_sync(fd);
}

static int
failing_mkdirat(int dir_fd, const char *name, mode_t mode)
{
    return file_io_system.mkdirat(dir_fd, name, mode);
}

static int
failing_renameat(int from_fd, const char *from, int to_fd, const char *to)
{
    return (fails(FAIL_FILE_RENAMEAT) ? -1
            : file_io_system.renameat(from_fd, from, to_fd, to));
}

static int
failing_linkat(int from_fd, const char *from, int to_fd, const char *to)
{
    return (fails(FAIL_FILE_LINKAT) ? -1
            : file_io_system.linkat(from_fd, from, to_fd, to));
}

static int
failing_unlinkat(int dir_fd, const char *name)
{
    return (fails(FAIL_FILE_UNLINKAT) ? -1
            : file_io_system.unlinkat(dir_fd, name));
}

static int
failing_list(int dir_fd, int (*cb)(const char *name, void *aux), void *aux)
{
    return fails(FAIL_FILE_LIST) ? -1 : file_io_system.list(dir_fd, cb, aux);
}

static const struct file_io file_io_failing = {
    .openat = failing_openat,
    .close = failing_close,
    .read = failing_read,
    .write = failing_write,
    .fstat = failing_fstat,
    .fstatat = failing_fstatat,
    .fsync = failing_fsync,
    .begin_sync = failing_begin_sync,
    .mkdirat = failing_mkdirat,
    .renameat = failing_renameat,
    .linkat = failing_linkat,
    .unlinkat = failing_unlinkat,
    .list = failing_list,
};

const struct file_io *
file_io_default(void)
{
    return failpoints_are_on() ? &file_io_failing : &file_io_system;
}
