/* SPDX-License-Identifier: Apache-2.0
 *
 * Where a test may have a program die.  See failpoint.h. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE             /* For secure_getenv(). */
#endif
#include "failpoint.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define VARIABLE "SLUICE_FAILPOINTS"

struct failpoint_slot *failpoint_slots;

#ifdef SLUICE_NO_FAILPOINTS
void
failpoints_init(void)
{
    unsetenv(VARIABLE);
}
#else

/* Maps the file that the environment names, or returns null. */
static struct failpoint_slot *
map_slots(void)
{
    const size_t size = N_FAILPOINTS * sizeof *failpoint_slots;
    const char *path = secure_getenv(VARIABLE);
    struct stat st;
    void *map = MAP_FAILED;

    if (!path) {
        return NULL;
    }
    int fd = open(path, O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0) {
        return NULL;
    }
    if (!fstat(fd, &st) && S_ISREG(st.st_mode) && st.st_uid == geteuid()
        && !(st.st_mode & (S_IRWXG | S_IRWXO))
        && (size_t) st.st_size == size) {
        map = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    }
    close(fd);
    return map == MAP_FAILED ? NULL : map;
}

void
failpoints_init(void)
{
    failpoint_slots = map_slots();
    if (failpoint_slots) {
        fprintf(stderr, "%s: failpoints are on, for a test\n",
                program_invocation_short_name);
    } else {
        unsetenv(VARIABLE);
    }
}
#endif

/* Returns true if passes of this program count in 'slot'. */
static bool
counts(const struct failpoint_slot *slot)
{
    return (!slot->program[0]
            || !strncmp(program_invocation_short_name, slot->program,
                        sizeof slot->program));
}

int
failpoint_pass(enum failpoint f)
{
    struct failpoint_slot *slot = &failpoint_slots[f];

    if (!counts(slot)) {
        return 0;
    }
    __atomic_fetch_add(&slot->n_passes, 1, __ATOMIC_RELAXED);
    if (__atomic_load_n(&slot->countdown, __ATOMIC_ACQUIRE) <= 0
        || __atomic_sub_fetch(&slot->countdown, 1, __ATOMIC_ACQ_REL)) {
        return 0;
    }
    int error = slot->error;
    __atomic_fetch_add(&slot->n_acted, 1, __ATOMIC_RELEASE);
    if (!error) {
        raise(SIGKILL);
    }
    return error;
}
