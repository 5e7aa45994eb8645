/* SPDX-License-Identifier: Apache-2.0
 *
 * What changed of what is known about VMs.  See context-diff.h. */
#include <config.h>

#include "context-diff.h"

#include "context-view.h"
#include "context.pb-c.h"
#include "util.h"

/* Finds the VM of 'record' at 'at_ns' in 's', by the first of its keys.
 * Returns false if it has none, or 's' does not know it. */
static bool
find_again(const struct snapshot *s, struct slice record, uint64_t at_ns,
           struct snapshot_found *ret)
{
    struct context_view view;

    if (!context_view(record, NULL, &view)) {
        return false;
    } else if (view.vm.size == 16) {
        return snapshot_find_first_at(s, view.vtep, view.vm,
                                      slice_of(NULL, 0), at_ns, ret);
    }

    Sluice__VmContext *vm
        = sluice__vm_context__unpack(NULL, record.size, record.data);
    bool found = (vm && vm->n_mac
                  && snapshot_find_first_at(
                      s, view.vtep, view.vm,
                      slice_of(vm->mac[0].data, vm->mac[0].len), at_ns, ret));
    sluice__vm_context__free_unpacked(vm, NULL);
    return found;
}

/* Returns true if 'key' is the first of the keys of 'record': its first UUID,
 * or where it has none its first MAC address. */
static bool
is_first_key(struct slice record, struct slice key)
{
    struct context_view view;

    if (!context_view(record, NULL, &view)) {
        return false;
    } else if (key.size == 16 || view.vm.size == 16) {
        return slice_equal(key, view.vm);
    }
    Sluice__VmContext *vm
        = sluice__vm_context__unpack(NULL, record.size, record.data);
    bool is_first = (vm && vm->n_mac
                     && slice_equal(key, slice_of(vm->mac[0].data,
                                                  vm->mac[0].len)));
    sluice__vm_context__free_unpacked(vm, NULL);
    return is_first;
}

void
context_diff(const struct snapshot *before, const struct snapshot *after,
             context_change_cb *cb, void *aux)
{
    const struct slice none = slice_of(NULL, 0);
    struct snapshot_found found;
    struct slice record;
    uint64_t position = 0;

    while (snapshot_next(after, &position, &record)) {
        bool was_there = find_again(before, record, UINT64_MAX, &found);

        if (!(was_there && context_is_same(found.record, record))
            && !cb(was_there ? found.record : none, record, aux)) {
            return;
        }
    }
    position = 0;
    while (snapshot_next(before, &position, &record)) {
        if (!find_again(after, record, UINT64_MAX, &found)
            && !cb(record, none, aux)) {
            return;
        }
    }
}

void
context_diff_since(const struct snapshot *s, uint64_t since_ns,
                   context_change_cb *cb, void *aux)
{
    struct snapshot_found found;
    struct slice record, key;
    uint64_t position = 0;

    while (snapshot_next(s, &position, &record)) {
        if (find_again(s, record, since_ns, &found)
            && !context_is_same(found.record, record)
            && !cb(found.record, record, aux)) {
            return;
        }
    }
    position = 0;
    while (snapshot_next_gone(s, &position, since_ns, &record, &key)) {
        /* It is there for each of its keys. */
        if (is_first_key(record, key)
            && !cb(record, slice_of(NULL, 0), aux)) {
            return;
        }
    }
}
