/* SPDX-License-Identifier: Apache-2.0
 *
 * Prints a context snapshot.  See dump.h. */
#include <config.h>

#include "dump.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "context-snapshot.h"
#include "context.pb-c.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/json.h"
#include "util.h"

/* The bytes in hexadecimal, a separator before those whose bit in
 * 'separators' is set: bit 0 is the first byte. */
static void
put_hex(struct ds *s, const ProtobufCBinaryData *bytes, uint32_t separators,
        char separator)
{
    for (size_t i = 0; i < bytes->len; i++) {
        if (i < 32 && separators & 1u << i) {
            ds_put_char(s, separator);
        }
        ds_put_format(s, "%02x", bytes->data[i]);
    }
}

static void
put_uuid(struct ds *s, const ProtobufCBinaryData *uuid)
{
    put_hex(s, uuid, 1u << 4 | 1u << 6 | 1u << 8 | 1u << 10, '-');
}

static void
put_value(struct ds *s, const Sluice__ContextValue *value)
{
    char *at = xastrftime_msec("%Y-%m-%dT%H:%M:%SZ",
                               value->fetched_ns / 1000000, true);

    ds_put_cstr(s, "      ");
    json_string_escape(value->key, s);
    ds_put_cstr(s, ": ");
    json_string_escape(value->value, s);
    ds_put_cstr(s, "  # ");
    json_string_escape(value->source, s);
    ds_put_format(s, " %s%s\n", at, value->stale ? " stale" : "");
    free(at);
}

/* Says since when a VM is what it is, and how often it was something else, by
 * the first of its keys. */
static void
put_history(struct ds *s, const struct snapshot *snapshot,
            const Sluice__VmContext *vm)
{
    uint64_t at_ns = UINT64_MAX, since_ns = 0;
    struct snapshot_found found;
    size_t n = 0;

    for (;; n++) {
        if (!snapshot_find_first_at(
                snapshot, slice_of(vm->vtep.data, vm->vtep.len),
                slice_of(vm->vm.data, vm->vm.len),
                vm->n_mac ? slice_of(vm->mac[0].data, vm->mac[0].len)
                : slice_of(NULL, 0), at_ns, &found)) {
            break;
        }
        since_ns = n ? since_ns : found.from_ns;
        if (!found.from_ns || n > SNAPSHOT_MAX_VERSIONS) {
            n++;
            break;
        }
        at_ns = found.from_ns - 1;
    }
    if (since_ns) {
        char *since = xastrftime_msec("%Y-%m-%dT%H:%M:%SZ",
                                      since_ns / 1000000, true);
        ds_put_format(s, "    # since %s; earlier versions: %"PRIuSIZE"\n",
                      since, n - 1);
        free(since);
    }
}

static void
put_vm(struct ds *s, const struct snapshot *snapshot,
       const Sluice__VmContext *vm)
{
    ds_put_cstr(s, "  - name: ");
    json_string_escape(vm->name, s);
    ds_put_char(s, '\n');
    put_history(s, snapshot, vm);
    if (vm->vm.len) {
        ds_put_cstr(s, "    uuid: ");
        put_uuid(s, &vm->vm);
        ds_put_char(s, '\n');
    }
    for (size_t i = 0; i < vm->n_other_vm; i++) {
        ds_put_cstr(s, i ? ", " : "    other-uuids: [ ");
        put_uuid(s, &vm->other_vm[i]);
    }
    if (vm->n_other_vm) {
        ds_put_cstr(s, " ]\n");
    }
    if (vm->n_mac) {
        ds_put_cstr(s, "    macs: [ ");
        for (size_t i = 0; i < vm->n_mac; i++) {
            ds_put_cstr(s, i ? ", \"" : "\"");
            put_hex(s, &vm->mac[i], UINT32_MAX - 1, ':');
            ds_put_char(s, '"');
        }
        ds_put_cstr(s, " ]\n");
    }
    if (vm->tenant) {
        ds_put_format(s, "    tenant: %"PRIu32"\n", vm->tenant);
    }
    if (vm->n_value) {
        ds_put_cstr(s, "    values:\n");
        for (size_t i = 0; i < vm->n_value; i++) {
            put_value(s, vm->value[i]);
        }
    }
}

/* Prints each record.  Returns how many of them can't be read. */
static size_t
put_records(const struct snapshot *snapshot, FILE *stream)
{
    uint64_t position = 0;
    struct slice record;
    size_t n = 0, n_bad = 0;

    while (snapshot_next(snapshot, &position, &record)) {
        struct ds s = DS_EMPTY_INITIALIZER;
        Sluice__VmContext *vm
            = sluice__vm_context__unpack(NULL, record.size, record.data);
        if (vm) {
            put_vm(&s, snapshot, vm);
        } else {
            ds_put_format(&s, "  # Record %"PRIuSIZE" can't be read.\n", n);
            n_bad++;
        }
        fputs(ds_cstr(&s), stream);
        ds_destroy(&s);
        sluice__vm_context__free_unpacked(vm, NULL);
        n++;
    }

    size_t n_vms = snapshot_n_vms(snapshot);
    return n_bad + (n < n_vms ? n_vms - n : 0);
}

char *
dump_snapshot(const char *path, FILE *stream)
{
    struct snapshot *snapshot;
    int error = snapshot_open(path, &snapshot);
    if (error) {
        return xasprintf("%s: %s; name a snapshot that sluice-context wrote.",
                         path, error == EINVAL
                         ? "this is no snapshot of this version"
                         : ovs_strerror(error));
    }

    size_t n_vms = snapshot_n_vms(snapshot);
    fprintf(stream, "# Generation %"PRIu64", %"PRIuSIZE" VMs, %"PRIuSIZE
            " earlier versions.\nvms:%s\n",
            snapshot_generation(snapshot), n_vms,
            snapshot_n_earlier(snapshot), n_vms ? "" : " []");
    size_t n_bad = put_records(snapshot, stream);
    snapshot_close(snapshot);
    return (!n_bad ? NULL
            : xasprintf("%s: %"PRIuSIZE" records can't be read; have "
                        "sluice-context write it anew.", path, n_bad));
}
