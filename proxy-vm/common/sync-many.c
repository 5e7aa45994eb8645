/* SPDX-License-Identifier: Apache-2.0
 *
 * Syncs many files at once.  See sync-many.h. */
#include "sluice-config.h"      /* For syscall(). */

#include "sync-many.h"

#include <errno.h>
#include <linux/aio_abi.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Of this process; 0: there is none, and with 'is_refused' none can be had. */
static aio_context_t context;
static bool is_refused;

static bool
have_context(void)
{
    if (!context && !is_refused) {
        is_refused = syscall(SYS_io_setup, SYNC_MANY_MAX, &context) != 0;
    }
    return !is_refused;
}

/* Hands the system as many of the 'n' files as it takes, from the first on.
 * Returns how many those are. */
static size_t
submit(const int fds[], size_t n)
{
    struct iocb iocbs[SYNC_MANY_MAX];
    struct iocb *list[SYNC_MANY_MAX];

    memset(iocbs, 0, sizeof iocbs);
    for (size_t i = 0; i < n; i++) {
        iocbs[i].aio_data = i;
        iocbs[i].aio_lio_opcode = IOCB_CMD_FSYNC;
        iocbs[i].aio_fildes = fds[i];
        list[i] = &iocbs[i];
    }
    long int taken = syscall(SYS_io_submit, context, n, list);
    return taken > 0 ? taken : 0;
}

/* Waits for the first 'n' files, which were submitted. */
static void
collect(int errors[], size_t n)
{
    struct io_event events[SYNC_MANY_MAX];
    size_t n_left = n;

    for (size_t i = 0; i < n; i++) {
        errors[i] = EIO;        /* Until it is known better. */
    }
    while (n_left) {
        long int got = syscall(SYS_io_getevents, context, (long int) n_left,
                               (long int) n_left, events, NULL);
        if (got < 0 && errno != EINTR) {
            /* Waits for all, but does not tell how they ended. */
            syscall(SYS_io_destroy, context);
            context = 0;
            is_refused = true;
            return;
        }
        for (long int i = 0; i < got; i++) {
            if (events[i].data < n) {
                int64_t result = events[i].res;
                errors[events[i].data] = result < 0 ? -result : 0;
            }
        }
        n_left -= got > 0 ? got : 0;
    }
}

void
sync_many(const int fds[], int errors[], size_t n)
{
    size_t n_submitted = n > 1 && have_context() ? submit(fds, n) : 0;

    collect(errors, n_submitted);
    for (size_t i = n_submitted; i < n; i++) {
        errors[i] = fsync(fds[i]) ? errno : 0;
    }
}
