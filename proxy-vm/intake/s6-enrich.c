/* SPDX-License-Identifier: Apache-2.0
 *
 * Stage 6, enrich.  See s6-enrich.h. */
#include <config.h>

#include "s6-enrich.h"

#include <errno.h>
#include <stdlib.h>

#include "context-snapshot.h"
#include "context.pb-c.h"
#include "openvswitch/vlog.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(enrich);

enum { REFRESH_MS = 100 };

struct enrich {
    char *path;                     /* Null: no context. */
    struct snapshot *snapshot;      /* Null: none yet. */
    uint64_t serial;                /* Of 'snapshot'; 1: none yet. */
    long long int refresh_due;      /* Look for another; time_msec(). */
    struct intake_stats *stats;     /* Borrowed. */
};

struct enrich *
enrich_create(const char *path, struct intake_stats *stats)
{
    struct enrich *e = xzalloc(sizeof *e);

    e->path = nullable_xstrdup(path);
    e->serial = 1;
    e->stats = stats;
    enrich_refresh(e, 0);
    return e;
}

void
enrich_destroy(struct enrich *e)
{
    if (e) {
        snapshot_close(e->snapshot);
        free(e->path);
        free(e);
    }
}

void
enrich_refresh(struct enrich *e, long long int now)
{
    if (e->snapshot && now < e->refresh_due) {
        return;
    }
    e->refresh_due = now + REFRESH_MS;
    if (!e->path || !snapshot_is_stale(e->snapshot, e->path)) {
        return;
    }

    struct snapshot *snapshot;
    int error = snapshot_open(e->path, &snapshot);
    if (error) {
        static struct vlog_rate_limit rl = VLOG_RATE_LIMIT_INIT(1, 1);
        if (error != ENOENT) {
            VLOG_WARN_RL(&rl, "%s: can't map the context snapshot: %s; "
                         "the one in use stays", e->path,
                         ovs_strerror(error));
        }
        return;
    }
    snapshot_close(e->snapshot);
    e->snapshot = snapshot;
    e->serial++;
    stats_add(&e->stats->counters[INTAKE_SNAPSHOTS], 1);
}

/* What is known about one tenant's VM must not reach another tenant, whose
 * guest may have taken the address of that VM. */
static bool
tenant_fits(const struct record *rec, const Sluice__VmContext *vm)
{
    return !vm->tenant || vm->tenant == rec->meta.vni;
}

/* Decides whether the record found by MAC address, which is the guest's claim,
 * may speak for 'rec': not if the packet names a VM and the record names
 * another. */
static bool
mac_record_fits(const struct record *rec, const Sluice__VmContext *vm)
{
    return (tenant_fits(rec, vm)
            && (!(rec->meta.has & TUNNEL_HAS_VM) || !vm->vm.len));
}

/* Looks 'rec' up.  Returns the record decoded, to be freed by the caller, and
 * as it is in '*ret', or null. */
static Sluice__VmContext *
look_up(const struct enrich *e, const struct record *rec, struct slice *ret)
{
    uint64_t *counters = e->stats->counters;
    Sluice__VmContext *vm;
    struct slice found;

    if (!e->snapshot) {
        return NULL;
    }
    if (rec->meta.has & TUNNEL_HAS_VM
        && snapshot_find_vm(e->snapshot, rec->meta.vm, &found)) {
        vm = sluice__vm_context__unpack(NULL, found.size, found.data);
        if (vm && tenant_fits(rec, vm)) {
            stats_add(&counters[INTAKE_CONTEXT_HIT_VM], 1);
            *ret = found;
            return vm;
        }
        if (vm) {
            sluice__vm_context__free_unpacked(vm, NULL);
        }
    }
    if (snapshot_find_mac(e->snapshot, rec->inner.src_mac, &found)) {
        vm = sluice__vm_context__unpack(NULL, found.size, found.data);
        if (vm && mac_record_fits(rec, vm)) {
            stats_add(&counters[INTAKE_CONTEXT_HIT_MAC], 1);
            *ret = found;
            return vm;
        }
        if (vm) {
            sluice__vm_context__free_unpacked(vm, NULL);
        }
    }
    return NULL;
}

void
enrich_run(struct enrich *e, struct record *rec)
{
    struct source *source = rec->source;

    if (source->snapshot_serial == e->serial) {
        return;
    }

    struct slice context = { NULL, 0 };
    Sluice__VmContext *vm = look_up(e, rec, &context);
    ovs_strlcpy(source->stats->vm_name, vm ? vm->name : "",
                sizeof source->stats->vm_name);
    if (vm) {
        sluice__vm_context__free_unpacked(vm, NULL);
    } else {
        stats_add(&e->stats->counters[INTAKE_CONTEXT_MISS], 1);
    }
    source->snapshot_serial = e->serial;
    source->context = context;
    source->context_pending = !vm;
}
