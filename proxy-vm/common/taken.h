/* SPDX-License-Identifier: Apache-2.0
 *
 * How a program tells sluiced which configuration it has taken: by records in
 * a pipe, one for each time it read the configuration.
 *
 * A configuration is known by its stamp, the time of modification of the
 * running one, which sluiced makes rise from each to the next.  A program
 * looks at the stamp before it reads: what it then has is that or newer.
 *
 * Runs in: sluice-context, sluice-intake (write), sluiced (reads). */
#ifndef SLUICE_TAKEN_H
#define SLUICE_TAKEN_H 1

#include <stdbool.h>
#include <stdint.h>

struct taken {
    uint64_t stamp;
    uint64_t refused;           /* 1: it could not be used, and the one before
                                 * stays. */
};

/* Returns the stamp of the configuration at 'path', or 0. */
uint64_t taken_stamp(const char *path);

/* Keeps 'fd' from other programs, and from waiting. */
void taken_init(int fd);

/* Tells whoever reads from 'fd'; nobody, if that is -1. */
void taken_tell(int fd, uint64_t stamp, bool refused);

#endif /* proxy-vm/common/taken.h */
