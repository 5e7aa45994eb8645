/* SPDX-License-Identifier: Apache-2.0
 *
 * Memory that outlives its process.  See lasting-memory.h. */
#include "sluice-config.h"

#include "lasting-memory.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

int
lasting_memory_map(const char *path, size_t size, void **ret)
{
    int flags = path ? MAP_SHARED : MAP_PRIVATE | MAP_ANONYMOUS;
    int fd = -1;
    int error = 0;

    if (path) {
        fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
        if (fd < 0) {
            return errno;
        }
        /* All of it now: in a full tmpfs, a write would be a SIGBUS. */
        error = (ftruncate(fd, size) ? errno : posix_fallocate(fd, 0, size));
    }
    if (!error) {
        void *map = mmap(NULL, size, PROT_READ | PROT_WRITE, flags, fd, 0);
        if (map == MAP_FAILED) {
            error = errno;
        } else {
            *ret = map;
        }
    }
    if (fd >= 0) {
        close(fd);
    }
    return error;
}

void
lasting_memory_unmap(void *memory, size_t size)
{
    if (memory) {
        munmap(memory, size);
    }
}
