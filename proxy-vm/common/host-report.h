/* SPDX-License-Identifier: Apache-2.0
 *
 * The reports of hypervisors, as they are read: bounded in all that a host
 * could make large, so that one that was broken into can't do harm by them.
 *
 * Runs in: sluice-context, which reads them; sluice-hostd, which keeps to the
 * limits. */
#ifndef SLUICE_HOST_REPORT_H
#define SLUICE_HOST_REPORT_H 1

#include "host.pb-c.h"
#include "slice.h"

enum {
    HOST_REPORT_MAX_VMS = 1024,
    HOST_REPORT_MAX_PORTS = 16, /* Of a VM. */
    HOST_REPORT_MAX_NAME = 255, /* Bytes of any name. */
    HOST_REPORT_MAX_INTERVAL_MS = 30000,

    /* What a report takes when it is unpacked. */
    HOST_REPORT_MAX_MEMORY = 8 * 1024 * 1024,
};

/* Unpacks a report and checks it.  Returns it, to be freed by
 * host_report_free(), or null and in '*ret_why' what is wrong, as the rest of
 * a sentence: "it has more than 1024 VMs". */
Sluice__HostReport *host_report_unpack(struct slice, const char **ret_why);
void host_report_free(Sluice__HostReport *);

#endif /* proxy-vm/common/host-report.h */
