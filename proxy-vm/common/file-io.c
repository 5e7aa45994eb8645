/* SPDX-License-Identifier: Apache-2.0
 *
 * The system calls for durable files.  See file-io.h. */
#include "sluice-config.h"      /* For sync_file_range(). */

#include "file-io.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "sync-many.h"

/* openat() has a variable number of arguments. */
static int
system_openat(int dir_fd, const char *name, int flags, mode_t mode)
{
    return openat(dir_fd, name, flags, mode);
}

static int
system_fstatat(int dir_fd, const char *name, struct stat *st)
{
    return fstatat(dir_fd, name, st, AT_SYMLINK_NOFOLLOW);
}

static int
system_begin_sync(int fd)
{
    return sync_file_range(fd, 0, 0, SYNC_FILE_RANGE_WRITE);
}

static int
system_linkat(int from_fd, const char *from, int to_fd, const char *to)
{
    return linkat(from_fd, from, to_fd, to, 0);
}

static int
system_unlinkat(int dir_fd, const char *name)
{
    return unlinkat(dir_fd, name, 0);
}

static int
system_list(int dir_fd, int (*cb)(const char *name, void *aux), void *aux)
{
    /* A descriptor of its own has a position of its own. */
    int fd = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    struct dirent *entry;
    int result = 0;

    if (!dir) {
        int error = errno;
        if (fd >= 0) {
            close(fd);
        }
        errno = error;
        return -1;
    }
    while (!result && (errno = 0, entry = readdir(dir))) {
        result = cb(entry->d_name, aux);
    }
    int error = result ? 0 : errno;
    closedir(dir);
    errno = error;
    return error ? -1 : result;
}

const struct file_io file_io_system = {
    .openat = system_openat,
    .close = close,
    .read = read,
    .write = write,
    .fstat = fstat,
    .fstatat = system_fstatat,
    .fsync = fsync,
    .sync_many = sync_many,
    .begin_sync = system_begin_sync,
    .mkdirat = mkdirat,
    .renameat = renameat,
    .linkat = system_linkat,
    .unlinkat = system_unlinkat,
    .list = system_list,
};

int
file_io_write_all(const struct file_io *io, int fd, struct slice content)
{
    while (content.size) {
        ssize_t n = io->write(fd, content.data, content.size);
        if (n > 0) {
            content = slice_of(content.data + n, content.size - n);
        } else if (!n) {
            return EIO;
        } else if (errno != EINTR) {
            return errno;
        }
    }
    return 0;
}
