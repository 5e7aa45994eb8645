/* SPDX-License-Identifier: Apache-2.0
 *
 * One connection to libvirt: what it has, and what changes.
 *
 * libvirt says which domains changed, and those are read again; what changed,
 * it is not believed: so there is one way only in which a domain is read.  All
 * are listed when the connection is new, now and then, and when too many
 * changed.
 *
 * In: libvirt.  Out: reports.
 * Runs in: sluice-libvirt. */
#ifndef SLUICE_LIBVIRT_SESSION_H
#define SLUICE_LIBVIRT_SESSION_H 1

#include "openvswitch/compiler.h"

/* Connects to 'uri' and keeps up with it until the connection breaks, which
 * ends the program. */
OVS_NO_RETURN void session_run(const char *uri, unsigned int poll_ms);

#endif /* proxy-vm/libvirt/session.h */
