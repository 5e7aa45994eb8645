/* SPDX-License-Identifier: Apache-2.0
 *
 * What sluice-libvirt tells sluice-context: reports at its standard output.
 * See proto/libvirt.proto.
 *
 * Each of these returns when the report is written, which waits for as long as
 * sluice-context takes nothing, and ends the program if that is gone.
 *
 * Runs in: sluice-libvirt. */
#ifndef SLUICE_LIBVIRT_REPORT_H
#define SLUICE_LIBVIRT_REPORT_H 1

#include "libvirt.pb-c.h"
#include "openvswitch/compiler.h"

struct libvirt_domain;

/* A report of that kind that says no more. */
void report_kind(Sluice__LibvirtKind);

/* 'd' may be null: then 'problem' says why. */
void report_domain(const uint8_t uuid[16], const char *name,
                   const struct libvirt_domain *d, const char *problem);
void report_gone(const uint8_t uuid[16]);

/* Of the kind END or LOADS.  'host' is borrowed and may be null, and so may
 * 'loads', which are 'n'. */
void report_loads(Sluice__LibvirtKind, Sluice__LibvirtHost *host,
                  Sluice__LibvirtLoad **loads, size_t n);

/* Says what went wrong, without a full stop, and ends the program. */
OVS_NO_RETURN OVS_PRINTF_FORMAT(1, 2)
void report_problem(const char *format, ...);

#endif /* proxy-vm/libvirt/report.h */
