/* SPDX-License-Identifier: Apache-2.0
 *
 * Makes the record of a VM from what sources say about it.  See merge.h. */
#include <config.h>

#include "merge-private.h"

#include <stdlib.h>
#include <string.h>

#include "context-place.h"
#include "context-view.h"
#include "context.pb-c.h"
#include "migrations.h"
#include "openvswitch/shash.h"
#include "util.h"

/* Appends the UUIDs that entries of 'record' claim, other than 'own', to
 * 'others'.  They are in the record even if they are no keys: a UUID of two
 * VMs and a MAC address of one tell which of them it is. */
static size_t
list_other_uuids(const struct record *record, const uint8_t *own,
                 ProtobufCBinaryData *others)
{
    const struct entry *e;
    size_t n = 0;

    LIST_FOR_EACH (e, node, &record->entries) {
        for (size_t i = 0; i < e->facts.n_uuids; i++) {
            const uint8_t *uuid = e->facts.uuids[i];
            bool is_known = own && !memcmp(own, uuid, UUID_SIZE);

            for (size_t j = 0; j < n && !is_known; j++) {
                is_known = !memcmp(others[j].data, uuid, UUID_SIZE);
            }
            if (!is_known) {
                others[n].data = CONST_CAST(uint8_t *, uuid);
                others[n++].len = UUID_SIZE;
            }
        }
    }
    return n;
}

/* Values of a record as they are collected. */
struct values {
    Sluice__ContextValue *values;
    size_t n;
    size_t n_bytes;             /* Of those that share a limit. */
    const Sluice__ContextValue *first_stale;
};

static void
count_value(struct merge_sums *sums, const struct fact *f, bool is_stale)
{
    sums->values++;
    sums->stale_values += is_stale;
    if (!sums->oldest_ns || f->fetched_ns < sums->oldest_ns) {
        sums->oldest_ns = f->fetched_ns;
    }
}

/* Appends what 'e' says, but for the keys in 'seen' and 'also_seen', and adds
 * its own to 'seen'. */
static void
add_values(struct merge *m, const struct entry *e, bool is_bound,
           const struct shash *also_seen, struct shash *seen,
           struct values *v)
{
    struct source *source = &m->sources[e->source];
    size_t max = is_bound ? MERGE_MAX_HOST_BYTES : MERGE_MAX_VALUE_BYTES;

    for (size_t i = 0; i < e->facts.n_facts; i++) {
        const struct fact *f = &e->facts.facts[i];
        size_t size = strlen(f->key) + strlen(f->value)
                      + strlen(source->name);

        if ((source->is_stale && f->is_load)
            || (also_seen && shash_find(also_seen, f->key))
            || !shash_add_once(seen, f->key, NULL)) {
            continue;
        } else if (v->n_bytes + size > max) {
            m->counts.dropped_values++;
            continue;
        }

        Sluice__ContextValue *value = &v->values[v->n++];
        v->n_bytes += size;
        m->counts.stale_values += source->is_stale;
        count_value(&source->sums, f, source->is_stale);
        sluice__context_value__init(value);
        value->key = CONST_CAST(char *, f->key);
        value->value = CONST_CAST(char *, f->value);
        value->source = source->name;
        value->fetched_ns = f->fetched_ns;
        value->stale = source->is_stale;
        value->measured = f->is_load;
        if (is_bound) {
            value->vtep.data = CONST_CAST(uint8_t *, e->facts.vtep);
            value->vtep.len = VTEP_SIZE;
        }
        if (source->is_stale
            && (!v->first_stale
                || f->fetched_ns < v->first_stale->fetched_ns)) {
            v->first_stale = value;
        }
    }
}

/* If some of the values since the latest mark are stale, has one more say so,
 * naming the source that was not heard of for the longest time. */
static void
mark_stale(struct values *v)
{
    if (v->first_stale) {
        v->values[v->n] = *v->first_stale;
        v->values[v->n].key = CONST_CAST(char *, MERGE_STALE_KEY);
        v->values[v->n++].value = v->first_stale->source;
    }
    v->first_stale = NULL;
    v->n_bytes = 0;
}

/* Collects the values of 'record' in 'values', which has room for one more for
 * each entry than its facts, and returns how many there are.  What a host adds
 * to what others say is for its lines only, so that it is marked by itself. */
static size_t
list_values(struct merge *m, const struct record *record,
            Sluice__ContextValue *values)
{
    struct shash seen = SHASH_INITIALIZER(&seen);
    struct values v = { .values = values };
    const struct entry *e;

    LIST_FOR_EACH (e, node, &record->entries) {
        if (!e->facts.vtep || record->vtep) {
            add_values(m, e, false, NULL, &seen, &v);
        }
    }
    mark_stale(&v);
    LIST_FOR_EACH (e, node, &record->entries) {
        if (e->facts.vtep && !record->vtep) {
            struct shash own = SHASH_INITIALIZER(&own);

            add_values(m, e, true, &seen, &own, &v);
            mark_stale(&v);
            shash_destroy(&own);
        }
    }
    shash_destroy(&seen);
    return v.n;
}

/* Appends the addresses of 'record', each once, to 'ips'. */
static size_t
list_ips(const struct merge *m, const struct record *record,
         ProtobufCBinaryData *ips)
{
    const struct entry *e;
    size_t n = 0;

    LIST_FOR_EACH (e, node, &record->entries) {
        for (size_t i = 0; i < e->facts.n_ips; i++) {
            uint8_t *ip = CONST_CAST(uint8_t *, e->facts.ips[i]);
            const struct address *a = merge_find_address(m, record->tenant, ip);
            bool is_known = a && a->record != record;

            for (size_t j = 0; j < n && !is_known; j++) {
                is_known = !memcmp(ips[j].data, ip, IP_SIZE);
            }
            if (!is_known && n < MERGE_MAX_IPS) {
                ips[n++] = (ProtobufCBinaryData) { IP_SIZE, ip };
            }
        }
    }
    return n;
}

static int
add_packed(const struct record *record, const Sluice__VmContext *vm,
           struct snapshot_builder *builder)
{
    size_t size = sluice__vm_context__get_packed_size(vm);
    uint8_t *packed = xmalloc(size);

    sluice__vm_context__pack(vm, packed);
    const uint8_t *uuid = record->n_uuids ? record->uuids[0] : NULL;
    const uint8_t (*macs)[6] = (const uint8_t (*)[6]) record->macs;
    int error = (record->vtep
                 ? snapshot_builder_add_host(builder, record->vtep, uuid, macs,
                                             record->n_macs,
                                             slice_of(packed, size))
                 : snapshot_builder_add(builder, uuid, macs, record->n_macs,
                                        slice_of(packed, size)));
    for (size_t i = 1; !record->vtep && i < record->n_uuids && !error; i++) {
        error = snapshot_builder_add_uuid(builder, record->uuids[i]);
    }
    for (size_t i = 0; record->tenant && i < vm->n_ip && !error; i++) {
        error = snapshot_builder_add_ip(builder, record->tenant,
                                        vm->ip[i].data);
    }
    free(packed);
    return error;
}

/* Returns the host that the operator or a manager names, or null. */
static const Sluice__ContextValue *
find_host(const Sluice__VmContext *vm, const Sluice__ContextValue *values)
{
    for (size_t i = 0; i < vm->n_value; i++) {
        if (!values[i].vtep.len && !strcmp(values[i].key, "host")) {
            return &values[i];
        }
    }
    return NULL;
}

/* Says in 'vm' where it is: at the VTEP of 'host', which may be null, and at
 * the ports that hosts name.  What is stale says nothing: it may have moved
 * since. */
static void
list_places(const struct merge *m, const struct record *record,
            const Sluice__ContextValue *host, Sluice__VmContext *vm)
{
    uint8_t *vtep = (m->vteps && host && !host->stale && !record->vtep
                     ? shash_find_data(m->vteps, host->value) : NULL);
    const struct entry *e;
    size_t n = vtep != NULL;

    LIST_FOR_EACH (e, node, &record->entries) {
        n += m->sources[e->source].is_stale ? 0 : e->facts.n_ports;
    }
    if (!n) {
        return;
    }
    vm->place = xcalloc(n, sizeof *vm->place);
    if (vtep) {
        vm->place[vm->n_place++] = (ProtobufCBinaryData) {
            CONTEXT_PLACE_HOST, xmemdup(vtep, CONTEXT_PLACE_HOST)
        };
    }
    LIST_FOR_EACH (e, node, &record->entries) {
        for (size_t i = 0; vm->n_place < n && i < e->facts.n_ports
             && !m->sources[e->source].is_stale; i++) {
            uint8_t *place = xmalloc(CONTEXT_PLACE_PORT);

            context_place_put(place, e->facts.vtep, e->facts.ports[i].mac,
                              e->facts.ports[i].ofp_port);
            vm->place[vm->n_place++] = (ProtobufCBinaryData) {
                CONTEXT_PLACE_PORT, place
            };
        }
    }
}

static void
free_places(Sluice__VmContext *vm)
{
    for (size_t i = 0; i < vm->n_place; i++) {
        free(vm->place[i].data);
    }
    free(vm->place);
}

/* Tells whether the record 'earlier', which was found by a key of 'record', is
 * of the same VM, of the same tenant: where another's ran is not for it. */
static bool
is_same_vm(const struct record *record, struct slice earlier)
{
    struct context_view view;

    return (context_view(earlier, NULL, &view)
            && view.tenant == record->tenant
            && (record->n_uuids || !view.names_vm));
}

/* Returns where 'record', which is on 'host' now (null: nobody says where),
 * ran of late, malloc()ed; or null if there is nothing to be told, or a source
 * does so.  What a host says of itself alone tells nothing: that another one
 * says so, too, is no move. */
static char *
tell_migrations(const struct merge *m, const struct record *record,
                const Sluice__VmContext *vm,
                const Sluice__ContextValue *values, const char *host)
{
    struct slice earlier = { NULL, 0 };

    for (size_t i = 0; i < vm->n_value; i++) {
        if (!values[i].vtep.len && !strcmp(values[i].key, MIGRATIONS_KEY)) {
            return NULL;
        }
    }
    if (!m->latest || record->vtep
        || !(record->n_uuids
             ? snapshot_find_vm(m->latest, record->uuids[0], &earlier)
             : snapshot_find_mac(m->latest, record->macs[0], &earlier))
        || !is_same_vm(record, earlier)) {
        return NULL;
    }
    return migrations_tell(earlier, host, m->now_ns);
}

/* Says in 'vm', for the next run, which of its keys each source named. */
static void
list_claims(const struct record *record, Sluice__VmContext *vm)
{
    size_t n = ovs_list_size(&record->entries);
    const struct entry *e;
    uint32_t i = 0;

    vm->claim = n > 1 ? xcalloc(n, sizeof *vm->claim) : NULL;
    vm->n_claim = n > 1 ? n : 0;
    if (!vm->claim) {
        return;
    }
    LIST_FOR_EACH (e, node, &record->entries) {
        const struct vm_facts *f = &e->facts;
        Sluice__ContextClaim *claim = xmalloc(sizeof *claim);

        sluice__context_claim__init(claim);
        claim->source = i;
        claim->uuids.data = (uint8_t *) f->uuids;
        claim->uuids.len = f->n_uuids * UUID_SIZE;
        claim->macs.data = (uint8_t *) f->macs;
        claim->macs.len = f->n_macs * MAC_SIZE;
        claim->ips.data = (uint8_t *) f->ips;
        claim->ips.len = f->n_ips * IP_SIZE;
        vm->claim[i++] = claim;
    }
}

static void
free_claims(Sluice__VmContext *vm)
{
    for (size_t i = 0; i < vm->n_claim; i++) {
        free(vm->claim[i]);
    }
    free(vm->claim);
}

int
merge_put_record(struct merge *m, const struct record *record,
                 struct snapshot_builder *builder)
{
    Sluice__VmContext vm = SLUICE__VM_CONTEXT__INIT;
    const struct entry *e;
    size_t n_entries = ovs_list_size(&record->entries);
    char **names = xcalloc(n_entries, sizeof *names);
    size_t n_facts = 1;         /* MIGRATIONS_KEY. */

    LIST_FOR_EACH (e, node, &record->entries) {
        names[vm.n_source++] = m->sources[e->source].name;
        m->sources[e->source].sums.vms++;
        n_facts += e->facts.n_facts + 1; /* MERGE_STALE_KEY. */
        if (!vm.name[0] && e->facts.name
            && (record->vtep || !e->facts.vtep)) {
            vm.name = CONST_CAST(char *, e->facts.name);
        }
    }
    if (record->vtep) {
        vm.vtep.data = CONST_CAST(uint8_t *, record->vtep);
        vm.vtep.len = VTEP_SIZE;
    }
    vm.tenant = record->tenant;

    ProtobufCBinaryData *others = xcalloc(n_entries * MERGE_MAX_UUIDS,
                                          sizeof *others);
    ProtobufCBinaryData *macs = xcalloc(record->n_macs, sizeof *macs);
    ProtobufCBinaryData *ips = xcalloc(MERGE_MAX_IPS, sizeof *ips);
    Sluice__ContextValue *values = xcalloc(n_facts, sizeof *values);
    Sluice__ContextValue **pointers = xcalloc(n_facts, sizeof *pointers);

    if (record->n_uuids) {
        vm.vm.data = record->uuids[0];
        vm.vm.len = UUID_SIZE;
    }
    vm.source = names;
    vm.other_vm = others;
    vm.n_other_vm = list_other_uuids(record, vm.vm.data, others);
    for (size_t i = 0; i < record->n_macs; i++) {
        macs[i].data = record->macs[i];
        macs[i].len = MAC_SIZE;
    }
    vm.mac = macs;
    vm.n_mac = record->n_macs;
    vm.ip = ips;
    vm.n_ip = list_ips(m, record, ips);
    vm.n_value = list_values(m, record, values);
    const Sluice__ContextValue *host = find_host(&vm, values);
    list_places(m, record, host, &vm);
    char *migrations = tell_migrations(m, record, &vm, values,
                                       host ? host->value : NULL);
    if (migrations) {
        Sluice__ContextValue *v = &values[vm.n_value++];

        sluice__context_value__init(v);
        v->key = CONST_CAST(char *, MIGRATIONS_KEY);
        v->value = migrations;
        v->source = CONST_CAST(char *, MIGRATIONS_SOURCE);
        v->fetched_ns = m->now_ns;
        /* It is no version of the VM: the host is. */
        v->measured = true;
    }
    for (size_t i = 0; i < vm.n_value; i++) {
        pointers[i] = &values[i];
    }
    vm.value = pointers;
    list_claims(record, &vm);

    int error = add_packed(record, &vm, builder);
    free_claims(&vm);
    free_places(&vm);
    free(migrations);
    free(pointers);
    free(values);
    free(ips);
    free(macs);
    free(others);
    free(names);
    return error;
}
