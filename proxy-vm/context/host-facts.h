/* SPDX-License-Identifier: Apache-2.0
 *
 * What a report of a hypervisor says about VMs, as facts.
 *
 * A host is believed about VMs at its own ports: what it says holds for lines
 * that come from its VTEP.  Where the operator says which tenants it may send
 * for, a VM whose port names another one, or none, is refused.  Whose a line
 * is never depends on it.
 *
 * In: a report that was checked.  Out: facts.
 * Runs in: sluice-context. */
#ifndef SLUICE_HOST_FACTS_H
#define SLUICE_HOST_FACTS_H 1

#include "host.pb-c.h"
#include "merge.h"

/* What the operator says about the host. */
struct host_origin {
    const char *name;
    const char *ip;             /* Its VTEP, for people... */
    const uint8_t *vtep;        /* ...and of 16 bytes. */
    const uint32_t *tenants;    /* Those it may send for; none: all. */
    size_t n_tenants;
};

/* Whether the host may speak about the VM. */
bool host_facts_allow(const struct host_origin *, const Sluice__HostVm *);

/* Adds what 'report', which came at 'at_ns' of the Unix epoch, says about the
 * VMs that the host may speak about. */
void host_facts_put(const struct host_origin *,
                    const Sluice__HostReport *report, uint64_t at_ns,
                    struct merge *);

#endif /* proxy-vm/context/host-facts.h */
