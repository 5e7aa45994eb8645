/* SPDX-License-Identifier: Apache-2.0
 *
 * Makes a report of what the others found out.
 *
 * Runs in: sluice-hostd. */
#ifndef SLUICE_REPORT_H
#define SLUICE_REPORT_H 1

#include "host-figures.h"
#include "ports.h"
#include "vm-figures.h"

struct report_input {
    const struct host_figures *host;
    const struct vm_watch *vms;
    const struct port_owner *owners;
    size_t n_owners;
    size_t n_omitted;
    uint32_t interval_ms;
};

/* Returns a report, packed, malloc()ed; its size in '*ret_size', never more
 * than the channel takes. */
uint8_t *report_make(const struct report_input *, size_t *ret_size);

#endif /* proxy-vm/hostd/report.h */
