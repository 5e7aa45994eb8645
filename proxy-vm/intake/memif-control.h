/* SPDX-License-Identifier: Apache-2.0
 *
 * The control channel to a memif server: connects, agrees on rings, notices
 * that the server is gone, and connects again.
 *
 * In: the path of the server's socket; its messages.
 * Out: what is to be done with the memory of rings, and when.
 * Runs in: sluice-intake. */
#ifndef SLUICE_MEMIF_CONTROL_H
#define SLUICE_MEMIF_CONTROL_H 1

#include "memif.h"

struct memif_control;

enum memif_event {
    MEMIF_EVENT_NONE,
    /* The two that memif_control_go_on() or _fail() must follow; until then
     * memif_control_run() returns the same. */
    MEMIF_EVENT_FORGET,         /* The server holds no memory of ours any more.
                                 * Make an empty file for another one, once
                                 * nothing in the former is of use. */
    MEMIF_EVENT_MAKE,           /* Make the rings in it, as
                                 * memif_control_layout() says. */
    MEMIF_EVENT_UP,             /* Give buffers: frames may come. */
    MEMIF_EVENT_DOWN,           /* No more come. */
    MEMIF_EVENT_REFUSED,        /* It did not come to a connection. */
};

/* Makes the client of the server at 'path', which it borrows, with rings of up
 * to 2^'log2' descriptors.  It connects as it is run.  Returns 0 and the
 * client, which the caller owns, or a positive errno. */
int memif_control_create(const char *path, uint8_t log2,
                         struct memif_control **ret);

/* Says good-bye and waits until the server has let go of the memory, for a
 * while.  Returns whether it has, or had not had any. */
bool memif_control_destroy(struct memif_control *);

/* Does what is due at 'now_ms'. */
enum memif_event memif_control_run(struct memif_control *, uint64_t now_ms);

/* Goes on with the memory in the file 'fd', which it borrows. */
void memif_control_go_on(struct memif_control *, int fd);

/* Breaks the connection, if there is one, because of 'why'. */
void memif_control_fail(struct memif_control *, const char *why);

const struct memif_layout *memif_control_layout(const struct memif_control *);

/* Why there is no connection, for people. */
const char *memif_control_why(const struct memif_control *);

/* What to poll(), and for how long at most: the control channel, -1 if there
 * is none, and the eventfd that the server writes to. */
int memif_control_fd(const struct memif_control *);
int memif_control_event_fd(const struct memif_control *);
int memif_control_timeout_ms(const struct memif_control *, uint64_t now_ms);

#endif /* proxy-vm/intake/memif-control.h */
