/* SPDX-License-Identifier: Apache-2.0
 *
 * Opens the input as a context snapshot, walks its records, looks up keys and
 * times: those that the input itself holds, wherever a table may be in it; and
 * takes over what it knew. */
#include "context-place.h"
#include "context-snapshot.h"
#include "context-view.h"

#include <errno.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Reads every byte, so that a record beyond the input is noticed. */
static void
read_record(struct slice record)
{
    volatile uint8_t sum = 0;

    if (record.size > SNAPSHOT_MAX_RECORD) {
        abort();
    }
    for (size_t i = 0; i < record.size; i++) {
        sum ^= record.data[i];
    }
    (void) sum;

    struct context_view view;
    struct context_value value;
    if (context_view(record, record.data, &view)
        && view.name.size > record.size) {
        abort();
    }
    for (struct slice rest = record; context_next_value(&rest, &value); ) {
        if (value.key.size + value.value.size > record.size) {
            abort();
        }
    }
    if (!context_is_same(record, record)) {
        abort();
    }
    static const uint8_t zeros[16];
    (void) context_is_at(record, &(struct context_origin) {
        .vtep = zeros, .mac = zeros, .ofp_port = 1 });
}

static void
read_found(bool found, const struct snapshot_found *f)
{
    if (found) {
        read_record(f->record);
    }
}

/* Takes 's' over, and that again. */
static void
inherit(const struct snapshot *s)
{
    struct snapshot_builder *builder = snapshot_builder_create();
    static const uint8_t vm[16] = { 1 };
    size_t n_dropped;

    if (!builder) {
        abort();
    }
    snapshot_builder_add(builder, vm, NULL, 0, slice_of(vm, 3));
    int error = snapshot_builder_inherit(builder, s, UINT64_MAX / 2,
                                         UINT64_MAX, &n_dropped);
    if (error && error != ENOMEM) {
        abort();
    }
    snapshot_builder_destroy(builder);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    enum { MAX_KEYS = 4096 };
    struct snapshot *s;
    struct slice record;
    uint64_t position = 0;

    if (snapshot_from_bytes(slice_of(data, size), &s)) {
        return 0;
    }
    while (snapshot_next(s, &position, &record)) {
        read_record(record);
    }
    position = 0;
    struct slice key;
    while (snapshot_next_gone(s, &position, 1, &record, &key)) {
        read_record(record);
        read_record(key);
    }
    for (size_t i = 0; i + 16 <= size && i < MAX_KEYS; i++) {
        struct snapshot_found f;
        uint64_t at_ns;

        memcpy(&at_ns, data + i, sizeof at_ns);
        for (int j = 0; j < 2; j++) {
            read_found(snapshot_find_vm_at(s, data + i, at_ns, &f), &f);
            read_found(snapshot_find_mac_at(s, data + i, at_ns, &f), &f);
            read_found(snapshot_find_ip_at(s, data[i], data + i, at_ns, &f),
                       &f);
            read_found(snapshot_find_host_vm_at(s, data, data + i, at_ns, &f),
                       &f);
            read_found(snapshot_find_host_mac_at(s, data, data + i, at_ns, &f),
                       &f);
            at_ns = UINT64_MAX;
        }
    }
    inherit(s);
    snapshot_close(s);
    return 0;
}
