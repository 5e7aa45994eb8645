/* SPDX-License-Identifier: Apache-2.0
 *
 * What a source said in an earlier run.  See earlier.h. */
#include <config.h>

#include "earlier.h"

#include <stdlib.h>
#include <string.h>

#include "context-view.h"
#include "context.pb-c.h"
#include "openvswitch/shash.h"
#include "util.h"

/* A VM, and which of its sources is meant. */
struct known {
    const Sluice__VmContext *vm;
    size_t source;
};

/* What a source knew. */
struct memory {
    struct known *known;
    size_t n, allocated;
};

struct earlier {
    struct shash sources;       /* Of struct memory. */
    Sluice__VmContext **vms;    /* That any of them knew. */
    size_t n_vms, allocated_vms;
};

static void
remember(struct earlier *e, Sluice__VmContext *vm)
{
    bool is_known = false;

    for (size_t i = 0; i < vm->n_source; i++) {
        struct memory *m = shash_find_data(&e->sources, vm->source[i]);

        if (m) {
            if (m->n >= m->allocated) {
                m->known = x2nrealloc(m->known, &m->allocated,
                                      sizeof *m->known);
            }
            m->known[m->n++] = (struct known) { vm, i };
            is_known = true;
        }
    }
    if (!is_known) {
        sluice__vm_context__free_unpacked(vm, NULL);
        return;
    }
    if (e->n_vms >= e->allocated_vms) {
        e->vms = x2nrealloc(e->vms, &e->allocated_vms, sizeof *e->vms);
    }
    e->vms[e->n_vms++] = vm;
}

struct earlier *
earlier_read(const struct snapshot *snapshot, const char *const *sources,
             size_t n)
{
    struct earlier *e = xzalloc(sizeof *e);
    uint64_t position = 0;
    struct slice record;

    shash_init(&e->sources);
    for (size_t i = 0; i < n; i++) {
        if (!shash_find(&e->sources, sources[i])) {
            shash_add(&e->sources, sources[i],
                      xzalloc(sizeof(struct memory)));
        }
    }
    while (snapshot_next(snapshot, &position, &record)) {
        Sluice__VmContext *vm
            = sluice__vm_context__unpack(NULL, record.size, record.data);
        if (vm) {
            remember(e, vm);
        }
    }
    return e;
}

void
earlier_destroy(struct earlier *e)
{
    struct shash_node *node;

    if (!e) {
        return;
    }
    SHASH_FOR_EACH (node, &e->sources) {
        struct memory *m = node->data;
        free(m->known);
    }
    shash_destroy_free_data(&e->sources);
    for (size_t i = 0; i < e->n_vms; i++) {
        sluice__vm_context__free_unpacked(e->vms[i], NULL);
    }
    free(e->vms);
    free(e);
}

/* Copies up to 'max' keys of 'size' bytes, which stand in 'bytes' one behind
 * the other, to 'dst'.  Returns how many there are. */
static size_t
copy_claimed(ProtobufCBinaryData bytes, size_t size, uint8_t *dst, size_t max)
{
    size_t n = MIN(bytes.len / size, max);

    if (n) {
        memcpy(dst, bytes.data, n * size);
    }
    return n;
}

/* Copies those of 'n' byte strings that have 'size' bytes to 'dst', which has
 * room for 'max' of them.  Returns how many there are. */
static size_t
copy_keys(const ProtobufCBinaryData *keys, size_t n, size_t size,
          uint8_t *dst, size_t max)
{
    size_t n_copied = 0;

    for (size_t i = 0; i < n && n_copied < max; i++) {
        if (keys[i].len == size) {
            memcpy(dst + n_copied++ * size, keys[i].data, size);
        }
    }
    return n_copied;
}

/* The keys that a source named. */
struct keys {
    uint8_t uuids[MERGE_MAX_UUIDS][16];
    uint8_t macs[MERGE_MAX_MACS][6];
    uint8_t ips[MERGE_MAX_IPS][16];
    size_t n_uuids, n_macs, n_ips;
};

/* Where there are several sources the record says whose keys they are: what
 * one named is not to become another's word. */
static void
get_keys(const struct known *known, struct keys *k)
{
    const Sluice__VmContext *vm = known->vm;

    k->n_uuids = k->n_macs = k->n_ips = 0;
    for (size_t i = 0; i < vm->n_claim; i++) {
        const Sluice__ContextClaim *claim = vm->claim[i];

        if (claim->source == known->source) {
            k->n_uuids = copy_claimed(claim->uuids, 16, k->uuids[0],
                                      MERGE_MAX_UUIDS);
            k->n_macs = copy_claimed(claim->macs, 6, k->macs[0],
                                     MERGE_MAX_MACS);
            k->n_ips = copy_claimed(claim->ips, 16, k->ips[0],
                                    MERGE_MAX_IPS);
            return;
        }
    }
    if (!vm->n_claim) {
        k->n_uuids = copy_keys(&vm->vm, 1, 16, k->uuids[0], 1);
        k->n_uuids += copy_keys(vm->other_vm, vm->n_other_vm, 16,
                                k->uuids[k->n_uuids],
                                MERGE_MAX_UUIDS - k->n_uuids);
        k->n_macs = copy_keys(vm->mac, vm->n_mac, 6, k->macs[0],
                              MERGE_MAX_MACS);
        k->n_ips = copy_keys(vm->ip, vm->n_ip, 16, k->ips[0],
                             MERGE_MAX_IPS);
    }
}

/* Returns the VTEP of the host that is meant, or null if there is none. */
static const uint8_t *
vtep_of(const struct known *known)
{
    const Sluice__VmContext *vm = known->vm;

    if (vm->vtep.len == 16) {
        return vm->vtep.data;
    }
    for (size_t i = 0; i < vm->n_value; i++) {
        if (!strcmp(vm->value[i]->source, vm->source[known->source])
            && vm->value[i]->vtep.len == 16) {
            return vm->value[i]->vtep.data;
        }
    }
    return NULL;
}

static void
put_vm(const struct known *known, const char *source, enum source_rank rank,
       struct merge *merge)
{
    const Sluice__VmContext *vm = known->vm;
    const uint8_t *vtep = rank == RANK_HOST ? vtep_of(known) : NULL;
    struct fact *facts;
    size_t n_facts = 0;
    struct keys k;

    if (rank == RANK_HOST && !vtep) {
        return;                 /* It said nothing. */
    }
    facts = xcalloc(vm->n_value, sizeof *facts);
    for (size_t i = 0; i < vm->n_value; i++) {
        const Sluice__ContextValue *v = vm->value[i];

        if (!strcmp(v->source, source) && strcmp(v->key, MERGE_STALE_KEY)) {
            facts[n_facts++] = (struct fact) {
                .key = v->key, .value = v->value, .fetched_ns = v->fetched_ns,
                .is_load = v->measured,
            };
        }
    }
    get_keys(known, &k);
    merge_add(merge, &(struct vm_facts) {
        .uuids = (const uint8_t (*)[16]) k.uuids,
        .n_uuids = k.n_uuids,
        .macs = (const uint8_t (*)[6]) k.macs,
        .n_macs = k.n_macs,
        .ips = (const uint8_t (*)[16]) k.ips,
        .n_ips = k.n_ips,
        .name = (vm->name[0] && (!vtep || vm->n_source == 1) ? vm->name
                 : NULL),
        .tenant = rank == RANK_OPERATOR ? vm->tenant : 0,
        .vtep = vtep,
        .facts = facts,
        .n_facts = n_facts,
    });
    free(facts);
}

void
earlier_put(const struct earlier *e, const char *source,
            enum source_rank rank, struct merge *merge)
{
    const struct memory *m = shash_find_data(&e->sources, source);

    for (size_t i = 0; m && i < m->n; i++) {
        put_vm(&m->known[i], source, rank, merge);
    }
}
