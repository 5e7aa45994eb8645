/* SPDX-License-Identifier: Apache-2.0
 *
 * Fuzzes what reads libvirt: the input is the XML of a domain, and a sequence
 * of reports of sluice-libvirt.  Whatever they say, what comes out is within
 * its limits and printable, and names no tenant. */
#include <config.h>

#include <stdlib.h>

#include "context-snapshot.h"
#include "context.pb-c.h"
#include "cursor.h"
#include "libvirt-domain.h"
#include "libvirt-model.h"
#include "printable.h"
#include "util.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
read_xml(struct slice xml)
{
    struct libvirt_domain *d = NULL;
    char *problem = libvirt_domain_parse(xml, &d);

    ovs_assert(!problem != !d);
    if (problem) {
        ovs_assert(is_printable(slice_from_string(problem)));
        free(problem);
        return;
    }
    ovs_assert(strlen(d->name) <= LIBVIRT_MAX_NAME);
    ovs_assert(is_printable(slice_from_string(d->name)));
    ovs_assert(d->n_macs <= LIBVIRT_MAX_MACS);
    for (size_t i = 0; i < N_LIBVIRT_KEYS; i++) {
        ovs_assert(!d->values[i]
                   || (d->values[i][0]
                       && strlen(d->values[i]) <= libvirt_keys[i].max
                       && is_printable(slice_from_string(d->values[i]))));
    }
    libvirt_domain_destroy(d);
}

static void
check_record(struct slice record)
{
    Sluice__VmContext *vm
        = sluice__vm_context__unpack(NULL, record.size, record.data);

    ovs_assert(vm && !vm->tenant);
    ovs_assert(strlen(vm->name) <= LIBVIRT_MAX_NAME);
    ovs_assert(is_printable(slice_from_string(vm->name)));
    for (size_t i = 0; i < vm->n_value; i++) {
        ovs_assert(vm->value[i]->key[0] && vm->value[i]->value[0]);
        ovs_assert(strlen(vm->value[i]->value) <= 512);
        ovs_assert(is_printable(slice_from_string(vm->value[i]->value)));
    }
    sluice__vm_context__free_unpacked(vm, NULL);
}

static void
check_model(const struct libvirt_model *model)
{
    struct snapshot_builder *builder = snapshot_builder_create();
    struct merge *merge = merge_create();
    struct merge_counts counts;
    const char *why;

    ovs_assert(libvirt_model_n_unread(model, &why)
               <= libvirt_model_n_domains(model));
    ovs_assert(!why || is_printable(slice_from_string(why)));
    merge_begin(merge, "libvirt:fuzz", RANK_MANAGER, false);
    libvirt_model_put(model, merge);
    char *sentence = merge_finish(merge, builder, &counts);
    ovs_assert(!sentence && !counts.refused_tenants);
    snapshot_builder_each(builder, check_record);
    merge_destroy(merge);
    snapshot_builder_destroy(builder);
}

/* Each report is behind its size, in 2 bytes that the fuzzer likes better than
 * 4. */
static void
read_reports(struct slice reports)
{
    struct libvirt_model *model = libvirt_model_create(1 << 16);
    struct cursor c = cursor_of(reports);
    uint64_t now_ns = 1;

    while (c.left) {
        struct slice frame = cursor_take(&c, cursor_be(&c, 2));
        Sluice__LibvirtReport *r
            = sluice__libvirt_report__unpack(NULL, frame.size, frame.data);
        if (r) {
            char *problem = libvirt_model_apply(model, r, now_ns++);

            if (problem) {
                ovs_assert(is_printable(slice_from_string(problem)));
                libvirt_model_abandon(model);
                free(problem);
            }
            sluice__libvirt_report__free_unpacked(r, NULL);
        }
    }
    check_model(model);
    libvirt_model_destroy(model);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    read_xml(slice_of(data, size));
    read_reports(slice_of(data, size));
    return 0;
}
