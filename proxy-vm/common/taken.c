/* SPDX-License-Identifier: Apache-2.0
 *
 * Which configuration a program has taken.  See taken.h. */
#include <config.h>

#include "taken.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "util.h"

uint64_t
taken_stamp(const char *path)
{
    struct stat st;

    return (stat(path, &st) ? 0
            : st.st_mtim.tv_sec * UINT64_C(1000000000) + st.st_mtim.tv_nsec);
}

void
taken_init(int fd)
{
    if (fd >= 0) {
        fcntl(fd, F_SETFD, FD_CLOEXEC);
        fcntl(fd, F_SETFL, O_NONBLOCK);
    }
}

void
taken_tell(int fd, uint64_t stamp, bool refused)
{
    const struct taken taken = { .stamp = stamp, .refused = refused };

    if (fd >= 0) {
        /* So few bytes go as a whole.  Nobody reads: then nobody waits. */
        ignore(write(fd, &taken, sizeof taken));
    }
}
