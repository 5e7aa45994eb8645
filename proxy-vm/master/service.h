/* SPDX-License-Identifier: Apache-2.0
 *
 * What sluiced and a service manager, systemd, say to each other: the UDP
 * sockets that the manager holds, so that they outlive sluiced and no packet
 * that came to them is lost over a restart; and how sluiced is.  Without a manager all of
 * this does nothing.
 *
 * In: $LISTEN_FDS and what belongs to it, see sd_listen_fds(3).
 * Out: messages to $NOTIFY_SOCKET, see sd_notify(3).
 * Runs in: sluiced. */
#ifndef SLUICE_SERVICE_H
#define SLUICE_SERVICE_H 1

#include "tunnel-sockets.h"

struct config;

/* Sets '*ret' to the sockets that the manager handed over, if they are bound to
 * where 'config' wants the tunnel, or to none.  Sockets of any other kind are
 * closed, with a warning.  To be called once. */
void service_take_sockets(const struct config *config,
                          struct tunnel_sockets *ret);

/* Closes the sockets that the manager handed over, with a warning: packets come
 * by memif. */
void service_refuse_sockets(void);

/* Has the manager keep 'sockets' in place of what it kept before. */
void service_keep_sockets(const struct tunnel_sockets *sockets);

void service_ready(void);
void service_reloading(void);
void service_stopping(void);

/* Tell the manager, as often as it wants to know, that sluiced goes on. */
void service_run(void);
void service_wait(void);

#endif /* proxy-vm/master/service.h */
