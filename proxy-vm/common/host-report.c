/* SPDX-License-Identifier: Apache-2.0
 *
 * The reports of hypervisors.  See host-report.h. */
#include <config.h>

#include "host-report.h"

#include <stdlib.h>

#include "tlv.h"
#include "util.h"

/* What is left to be allocated while a report is unpacked: a message of a few
 * bytes, repeated, becomes a structure of a hundred each time. */
struct budget {
    size_t left;
};

static void *
allocate(void *budget_, size_t size)
{
    struct budget *budget = budget_;
    /* What malloc() needs for itself, too. */
    size_t cost = size + 2 * sizeof(void *);

    if (cost > budget->left) {
        return NULL;
    }
    budget->left -= cost;
    return malloc(size);
}

static void
release(void *budget OVS_UNUSED, void *p)
{
    free(p);
}

static bool
is_share(const Sluice__HostShare *share)
{
    return !share || share->permille <= 1000;
}

static bool
is_name(const char *name)
{
    return strlen(name) <= HOST_REPORT_MAX_NAME;
}

static const char *
check_port(const Sluice__HostPort *port)
{
    return (!port->name[0] || !is_name(port->name)
            ? "a port has no name, or too long a one"
            : port->mac.len && port->mac.len != 6
            ? "a MAC address has not 6 bytes"
            : port->tenant > SLUICE_TLV_MAX_TENANT
            ? "a tenant has too large a number"
            : NULL);
}

static const char *
check_vm(const Sluice__HostVm *vm)
{
    static const uint8_t nil[16];

    if (vm->vm.len && (vm->vm.len != sizeof nil
                       || !memcmp(vm->vm.data, nil, sizeof nil))) {
        return "a VM's UUID is none";
    } else if (!is_name(vm->name)
               || (vm->owner && !is_name(vm->owner->process))) {
        return "a name is too long";
    } else if (!is_share(vm->cpu) || !is_share(vm->memory)) {
        return "a VM uses more than there is";
    } else if (!vm->n_port || vm->n_port > HOST_REPORT_MAX_PORTS) {
        return "a VM has no port, or too many";
    }
    for (size_t i = 0; i < vm->n_port; i++) {
        const char *why = check_port(vm->port[i]);
        if (why) {
            return why;
        }
    }
    return NULL;
}

static const char *
check(const Sluice__HostReport *report)
{
    if (!report->interval_ms
        || report->interval_ms > HOST_REPORT_MAX_INTERVAL_MS) {
        return "its interval is not an allowed one";
    } else if (report->n_vm > HOST_REPORT_MAX_VMS) {
        return "it has too many VMs";
    } else if (report->host && (!is_share(report->host->cpu)
                                || !is_share(report->host->memory))) {
        return "the host uses more than there is";
    }
    for (size_t i = 0; i < report->n_vm; i++) {
        const char *why = check_vm(report->vm[i]);
        if (why) {
            return why;
        }
    }
    return NULL;
}

Sluice__HostReport *
host_report_unpack(struct slice s, const char **ret_why)
{
    struct budget budget = { .left = HOST_REPORT_MAX_MEMORY };
    ProtobufCAllocator allocator = {
        .alloc = allocate, .free = release, .allocator_data = &budget,
    };
    Sluice__HostReport *report
        = sluice__host_report__unpack(&allocator, s.size, s.data);
    if (!report) {
        *ret_why = "it is not a report, or is too large";
        return NULL;
    }

    const char *why = check(report);
    if (why) {
        host_report_free(report);
        *ret_why = why;
        return NULL;
    }
    return report;
}

void
host_report_free(Sluice__HostReport *report)
{
    if (report) {
        sluice__host_report__free_unpacked(report, NULL);
    }
}
