/* SPDX-License-Identifier: Apache-2.0
 *
 * The walls around sluice-intake, which reads what hostile guests wrote.  Once
 * inside, whoever takes the process over has the tunnel's sockets or, with memif,
 * what listens on local sockets of packets; no program to run, and no file but
 * those in the named directories.
 *
 * Landlock(7) guards files, TCP, and other processes; seccomp(2) everything
 * else.  Neither needs privileges.
 *
 * Runs in: sluice-intake, when all is open and nothing has been received. */
#ifndef SLUICE_SANDBOX_H
#define SLUICE_SANDBOX_H 1

#include <stdbool.h>
#include <stddef.h>

#include "tunnel-sockets.h"

/* A directory that stays within reach, with all that is in it. */
struct sandbox_dir {
    const char *path;           /* One that is not there is skipped. */
    bool is_writable;
};

enum {
    SANDBOX_MAY_ANSWER = 1 << 0, /* BFD, on the tunnel's sockets. */
    SANDBOX_MAY_CONNECT = 1 << 1, /* To the switch, for memif. */
};

/* Shuts the process in, for good.  'sockets' can be received from, and no other;
 * 'may', of SANDBOX_MAY_*, says what else.
 *
 * A kernel without Landlock, or without some of it, leaves that part out with
 * a warning.  Returns null, or a malloc()ed sentence. */
char *sandbox_enter(const struct sandbox_dir dirs[], size_t n_dirs,
                    const struct tunnel_sockets *sockets, int may);

#endif /* proxy-vm/intake/sandbox.h */
