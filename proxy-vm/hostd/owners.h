/* SPDX-License-Identifier: Apache-2.0
 *
 * Which process a port belongs to: what external_ids:sluice-owner says, or
 * whose socket it is that external_ids:sluice-socket names.
 *
 * Runs in: sluice-hostd. */
#ifndef SLUICE_OWNERS_H
#define SLUICE_OWNERS_H 1

#include "ports.h"
#include "sockets.h"

/* Fills in pid, user and process of those of 'n' owners that have such a
 * port.  'watch' may be null, 'proc' is a descriptor of /proc. */
void owners_find(struct port_owner owners[], size_t n,
                 struct socket_watch *watch, int proc);

#endif /* proxy-vm/hostd/owners.h */
