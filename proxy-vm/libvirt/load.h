/* SPDX-License-Identifier: Apache-2.0
 *
 * How much of their processors and memory domains and their host use.
 *
 * In: counters of libvirt, some of which are of a time and mean something by
 * what they were before.  Out: reports.
 * Runs in: sluice-libvirt. */
#ifndef SLUICE_LIBVIRT_LOAD_H
#define SLUICE_LIBVIRT_LOAD_H 1

#include <libvirt/libvirt.h>

#include "libvirt.pb-c.h"

struct load;

/* 'conn' is borrowed. */
struct load *load_create(virConnectPtr conn);

/* Reads what domains and host use, and reports it.  Of what is measured by the
 * difference to the reading before, the first one says nothing. */
void load_read(struct load *);

/* Reports the end of an inventory, with what is known of the host. */
void load_report_end(struct load *);

#endif /* proxy-vm/libvirt/load.h */
