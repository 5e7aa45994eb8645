/* SPDX-License-Identifier: Apache-2.0
 *
 * What must be there before the programs start: directories, the lock that
 * keeps a second master away, the shipper's keys, the running configuration,
 * the UDP socket.
 *
 * All functions return null or a malloc()ed sentence, and leave outputs
 * untouched on failure.
 *
 * Runs in: sluiced. */
#ifndef SLUICE_SETUP_H
#define SLUICE_SETUP_H 1

#include <stdbool.h>
#include <stddef.h>

#include "tunnel-sockets.h"

struct child_user;
struct config;

/* Finds out whom sluice-intake shall run as: '*ret_user' if '*ret_is_own', else
 * whom sluiced runs as. */
char *setup_intake_user(const struct config *, bool *ret_is_own,
                        struct child_user *ret_user);

/* Makes the directories, and their parents, that are not there. */
char *setup_directories(const struct config *);

/* Gives the directories that sluice-intake writes to, and what is in them, to
 * 'intake' and to its group, which sluiced must be in if it is not root.  With
 * the lock taken: no other sluice-intake runs there. */
char *setup_ownership(const struct config *, const struct child_user *intake);

/* Warns of what is not as it should be. */
void setup_warn(const struct config *, const struct child_user *intake);

/* Takes the lock of the run directory.  It is held until '*ret_fd' is closed,
 * at the latest when the process ends. */
char *setup_lock(const struct config *, int *ret_fd);

/* Makes the shipper's key pair at the first start; writes the public half
 * into the spool at every start. */
char *setup_keys(const struct config *);

/* Replaces the running configuration, the one that the other programs read,
 * by 'text', as a whole, with a higher stamp (see taken.h); before it, the
 * copies of the hosts' keys that 'intake' may read, unless that is null. */
char *setup_publish(const struct config *, const struct child_user *intake,
                    const char *text, size_t size);

/* Binds sockets for the tunnel.  'old' are the present ones, or null: where
 * the port stays the same, both have it at the same time. */
char *setup_bind(const struct config *, const struct tunnel_sockets *old,
                 struct tunnel_sockets *ret);

/* Sets the size of the sockets' receive buffers; beyond the system's limit if
 * it may. */
void setup_receive_buffer(const struct config *,
                          const struct tunnel_sockets *);

#endif /* proxy-vm/master/setup.h */
