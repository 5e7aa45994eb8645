/* SPDX-License-Identifier: Apache-2.0
 *
 * Reads small files.  See read-small.h. */
#include <config.h>

#include "read-small.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

size_t
read_small(int dir, const char *path, char text[READ_SMALL_MAX])
{
    size_t size = 0;
    ssize_t n = 1;

    int fd = openat(dir, path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    while (fd >= 0 && n > 0 && size < READ_SMALL_MAX - 1) {
        n = read(fd, text + size, READ_SMALL_MAX - 1 - size);
        size += n > 0 ? n : 0;
    }
    if (fd >= 0) {
        close(fd);
    }
    text[size] = '\0';
    return size;
}
