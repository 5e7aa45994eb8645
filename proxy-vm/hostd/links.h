/* SPDX-License-Identifier: Apache-2.0
 *
 * The kernel's counters of network interfaces, by libnl-route: fresher than
 * those in the switch's database, and with what the kernel dropped.
 *
 * Runs in: sluice-hostd. */
#ifndef SLUICE_LINKS_H
#define SLUICE_LINKS_H 1

#include "ports.h"

struct links;

/* Returns null if the kernel has no netlink, with a warning. */
struct links *links_create(void);
void links_destroy(struct links *);

/* Reads the counters of all interfaces. */
void links_sample(struct links *);

/* Replaces the counters of 'port' by the kernel's, if it knows the interface
 * in our network namespace. */
void links_count(const struct links *, struct port *port);

#endif /* proxy-vm/hostd/links.h */
