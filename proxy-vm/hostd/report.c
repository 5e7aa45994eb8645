/* SPDX-License-Identifier: Apache-2.0
 *
 * Makes a report.  See report.h. */
#include <config.h>

#include "report.h"

#include <stdlib.h>

#include "host-channel.h"
#include "timeval.h"
#include "util.h"

/* All that a VM's part of a report is made of. */
struct vm_room {
    Sluice__HostVm vm;
    Sluice__HostShare cpu, memory;
    Sluice__HostOwner owner;
    Sluice__HostPort ports[HOST_REPORT_MAX_PORTS];
    Sluice__HostPort *port_pointers[HOST_REPORT_MAX_PORTS];
};

static void
set_share(Sluice__HostShare *share, bool is_known, uint32_t permille_,
          Sluice__HostShare **pointer)
{
    sluice__host_share__init(share);
    share->permille = permille_;
    *pointer = is_known ? share : NULL;
}

static void
set_port(Sluice__HostPort *p, const struct port *port)
{
    sluice__host_port__init(p);
    p->name = CONST_CAST(char *, port->name);
    if (port->has_mac) {
        p->mac.data = CONST_CAST(uint8_t *, port->mac);
        p->mac.len = sizeof port->mac;
    }
    p->tenant = port->tenant;
    p->ofport = port->ofport;
    p->rx_packets = port->counters.rx_packets;
    p->tx_packets = port->counters.tx_packets;
    p->rx_dropped = port->counters.rx_dropped;
    p->tx_dropped = port->counters.tx_dropped;
    p->rx_errors = port->counters.rx_errors;
    p->tx_errors = port->counters.tx_errors;
}

static void
set_vm(struct vm_room *room, const struct report_input *in,
       const struct port_owner *owner)
{
    Sluice__HostVm *vm = &room->vm;
    struct vm_figures f = { .name = "" };
    const char *name = owner->name;

    sluice__host_vm__init(vm);
    if (owner->has_vm) {
        vm->vm.data = CONST_CAST(uint8_t *, owner->vm);
        vm->vm.len = sizeof owner->vm;
        vm_watch_find(in->vms, owner->vm, &f);
    }
    name = name ? name : f.name;
    if (strlen(name) <= HOST_REPORT_MAX_NAME) {
        vm->name = CONST_CAST(char *, name);
    }
    set_share(&room->cpu, f.has_cpu, f.cpu, &vm->cpu);
    set_share(&room->memory, f.has_memory, f.memory, &vm->memory);
    for (size_t i = 0; i < owner->n_ports; i++) {
        set_port(&room->ports[i], &owner->ports[i]);
        room->port_pointers[i] = &room->ports[i];
    }
    if (owner->has_process) {
        sluice__host_owner__init(&room->owner);
        room->owner.pid = owner->pid;
        room->owner.uid = owner->uid;
        room->owner.process = CONST_CAST(char *, owner->process);
        vm->owner = &room->owner;
    }
    vm->port = room->port_pointers;
    vm->n_port = owner->n_ports;
}

/* Packs 'report', with as many of its VMs as there is room for. */
static uint8_t *
pack(Sluice__HostReport *report, size_t *ret_size)
{
    size_t size = sluice__host_report__get_packed_size(report);

    while (size > HOST_CHANNEL_MAX_MESSAGE && report->n_vm) {
        /* Each is smaller than what there is on average, or there is another
         * round. */
        size_t n = MIN(report->n_vm, report->n_vm / 8 + 1);

        report->n_vm -= n;
        report->omitted_vms += n;
        size = sluice__host_report__get_packed_size(report);
    }

    uint8_t *packed = xmalloc(size);
    *ret_size = sluice__host_report__pack(report, packed);
    return packed;
}

uint8_t *
report_make(const struct report_input *in, size_t *ret_size)
{
    Sluice__HostReport report = SLUICE__HOST_REPORT__INIT;
    Sluice__HostFigures host = SLUICE__HOST_FIGURES__INIT;
    Sluice__HostLoad load = SLUICE__HOST_LOAD__INIT;
    Sluice__HostShare cpu, memory;
    struct vm_room *rooms = xcalloc(in->n_owners, sizeof *rooms);
    Sluice__HostVm **vms = xcalloc(in->n_owners, sizeof *vms);

    report.taken_ns = time_wall_usec() * UINT64_C(1000);
    report.interval_ms = in->interval_ms;
    set_share(&cpu, in->host->has_cpu, in->host->cpu, &host.cpu);
    set_share(&memory, in->host->has_memory, in->host->memory, &host.memory);
    load.hundredths = in->host->load;
    host.load = in->host->has_load ? &load : NULL;
    report.host = &host;
    for (size_t i = 0; i < in->n_owners; i++) {
        set_vm(&rooms[i], in, &in->owners[i]);
        vms[i] = &rooms[i].vm;
    }
    report.vm = vms;
    report.n_vm = in->n_owners;
    report.omitted_vms = in->n_omitted;

    uint8_t *packed = pack(&report, ret_size);
    free(vms);
    free(rooms);
    return packed;
}
