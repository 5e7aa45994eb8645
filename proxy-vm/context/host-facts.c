/* SPDX-License-Identifier: Apache-2.0
 *
 * What hypervisors say about VMs.  See host-facts.h. */
#include <config.h>

#include "host-facts.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "host-report.h"
#include "openvswitch/dynamic-string.h"
#include "printable.h"
#include "util.h"

enum { MAX_FACTS = 24 };

struct facts {
    struct fact facts[MAX_FACTS];
    char *owned[MAX_FACTS];
    size_t n;
    uint64_t at;
};

/* Takes 'value', which may be null. */
static void
add(struct facts *f, const char *key, bool is_load, char *value)
{
    if (!value || !value[0]) {
        free(value);
        return;
    }
    ovs_assert(f->n < MAX_FACTS);
    f->owned[f->n] = value;
    f->facts[f->n++] = (struct fact) {
        .key = key, .value = value, .fetched_ns = f->at, .is_load = is_load,
    };
}

static void
add_share(struct facts *f, const char *key, const Sluice__HostShare *share)
{
    if (share) {
        add(f, key, true, xasprintf("%"PRIu32".%"PRIu32,
                                    share->permille / 10,
                                    share->permille % 10));
    }
}

static void
add_ports(struct facts *f, const Sluice__HostVm *vm)
{
    struct ds names = DS_EMPTY_INITIALIZER;
    uint64_t dropped = 0, errors = 0;

    for (size_t i = 0; i < vm->n_port; i++) {
        const Sluice__HostPort *port = vm->port[i];

        ds_put_format(&names, "%s%s", i ? " " : "", port->name);
        dropped += port->rx_dropped + port->tx_dropped;
        errors += port->rx_errors + port->tx_errors;
    }
    add(f, "switch-port", false, make_printable(
        ds_cstr(&names), HOST_REPORT_MAX_NAME));
    add(f, "port-dropped", true, xasprintf("%"PRIu64, dropped));
    add(f, "port-errors", true, xasprintf("%"PRIu64, errors));
    ds_destroy(&names);
}

static void
add_facts(struct facts *f, const struct host_origin *origin,
          const Sluice__HostFigures *host, const Sluice__HostVm *vm)
{
    add(f, "host", false, xstrdup(origin->name));
    add(f, "host-ip", false, xstrdup(origin->ip));
    add_share(f, "cpu-percent", vm->cpu);
    add_share(f, "memory-percent", vm->memory);
    if (host) {
        add_share(f, "host-cpu-percent", host->cpu);
        add_share(f, "host-memory-percent", host->memory);
        if (host->load) {
            add(f, "host-load", true,
                xasprintf("%"PRIu32".%02"PRIu32,
                          host->load->hundredths / 100,
                          host->load->hundredths % 100));
        }
    }
    add_ports(f, vm);
    if (vm->owner) {
        add(f, "process", false,
            make_printable(vm->owner->process, HOST_REPORT_MAX_NAME));
        if (vm->owner->pid) {
            add(f, "process-pid", false, xasprintf("%"PRIu32, vm->owner->pid));
        }
        add(f, "process-uid", false, xasprintf("%"PRIu32, vm->owner->uid));
    }
}

/* A VM that has a UUID is known by that alone: its switch port says it, and no
 * guest. */
static void
put_vm(const struct host_origin *origin, const Sluice__HostFigures *host,
       const Sluice__HostVm *vm, uint64_t at_ns, struct merge *merge)
{
    uint8_t macs[HOST_REPORT_MAX_PORTS][6];
    struct vm_port ports[HOST_REPORT_MAX_PORTS];
    struct facts f = { .n = 0, .at = at_ns };
    size_t n_macs = 0, n_ports = 0;

    for (size_t i = 0; i < vm->n_port; i++) {
        const Sluice__HostPort *port = vm->port[i];

        if (port->mac.len && !vm->vm.len) {
            memcpy(macs[n_macs++], port->mac.data, 6);
        }
        if (port->mac.len && port->ofport) {
            memcpy(ports[n_ports].mac, port->mac.data, 6);
            ports[n_ports++].ofp_port = port->ofport;
        }
    }
    add_facts(&f, origin, host, vm);
    char *name = vm->name[0] ? make_printable(vm->name, HOST_REPORT_MAX_NAME)
                 : NULL;
    merge_add(merge, &(struct vm_facts) {
        .uuids = (const uint8_t (*)[16]) vm->vm.data,
        .n_uuids = vm->vm.len != 0,
        .macs = (const uint8_t (*)[6]) macs,
        .n_macs = n_macs,
        .name = name,
        .vtep = origin->vtep,
        .ports = ports,
        .n_ports = n_ports,
        .facts = f.facts,
        .n_facts = f.n,
    });
    free(name);
    for (size_t i = 0; i < f.n; i++) {
        free(f.owned[i]);
    }
}

bool
host_facts_allow(const struct host_origin *origin, const Sluice__HostVm *vm)
{
    if (origin->n_tenants && !vm->n_port) {
        return false;
    }
    for (size_t i = 0; origin->n_tenants && i < vm->n_port; i++) {
        bool found = false;

        for (size_t j = 0; !found && j < origin->n_tenants; j++) {
            found = origin->tenants[j] == vm->port[i]->tenant;
        }
        if (!found) {
            return false;
        }
    }
    return true;
}

void
host_facts_put(const struct host_origin *origin,
               const Sluice__HostReport *report, uint64_t at_ns,
               struct merge *merge)
{
    for (size_t i = 0; i < report->n_vm; i++) {
        if (host_facts_allow(origin, report->vm[i])) {
            put_vm(origin, report->host, report->vm[i], at_ns, merge);
        }
    }
}
