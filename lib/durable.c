/* SPDX-License-Identifier: Apache-2.0
 *
 * See durable.h. */
#include "durable.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Opens the directory that 'path' is in. */
static int
open_directory_of(const char *path, int *ret_fd)
{
    char *copy = strdup(path);
    if (!copy) {
        return ENOMEM;
    }

    int fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int error = fd < 0 ? errno : 0;

    free(copy);
    if (!error) {
        *ret_fd = fd;
    }
    return error;
}

/* Gives 'fd' the group of its directory 'directory', and 'mode'. */
static int
share(int fd, int directory, mode_t mode)
{
    struct stat st;

    if (fstat(directory, &st)
        || (fchown(fd, -1, st.st_gid) && errno != EPERM)
        || fchmod(fd, mode)) {
        return errno;
    }
    return 0;
}

int
durable_create(const char *path, mode_t mode, int *ret_fd)
{
    int directory;
    int error = open_directory_of(path, &directory);
    if (error) {
        return error;
    }

    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
    error = fd < 0 ? errno : share(fd, directory, mode);
    close(directory);
    if (!error) {
        *ret_fd = fd;
    } else if (fd >= 0) {
        close(fd);
        unlink(path);
    }
    return error;
}

int
durable_write(int fd, const void *data, size_t size)
{
    const char *p = data;

    while (size) {
        ssize_t n = write(fd, p, size);
        if (n > 0) {
            p += n;
            size -= n;
        } else if (n < 0 && errno != EINTR) {
            return errno;
        }
    }
    return 0;
}

int
durable_sync_directory_of(const char *path)
{
    int fd;
    int error = open_directory_of(path, &fd);

    if (!error) {
        error = fsync(fd) ? errno : 0;
        close(fd);
    }
    return error;
}

int
durable_publish(int fd, const char *temporary, const char *path, int error)
{
    if (!error && fsync(fd)) {
        error = errno;
    }
    if (close(fd) && !error) {
        error = errno;
    }
    if (!error && rename(temporary, path)) {
        error = errno;
    }
    if (error) {
        unlink(temporary);
        return error;
    }
    return durable_sync_directory_of(path);
}
