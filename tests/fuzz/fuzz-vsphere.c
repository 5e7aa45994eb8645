/* SPDX-License-Identifier: Apache-2.0
 *
 * Fuzzes what reads vCenter's replies: the input is a reply, taken in pieces,
 * its updates are applied to a model, and the model's facts are merged.
 * Whatever a reply says, its facts are within their limits and printable. */
#include <config.h>

#include <stdlib.h>

#include "context-snapshot.h"
#include "context.pb-c.h"
#include "printable.h"
#include "soap-reply.h"
#include "util.h"
#include "vsphere-averages.h"
#include "vsphere-model.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char *
take(const xmlNode *element, void *model)
{
    struct vsphere_update *u = NULL;
    static const struct vsphere_counters counters = { .cpu = 2, .memory = 24 };
    char *problem = (soap_child(element, "entity")
                     ? vsphere_averages_parse(element, &counters, &u)
                     : vsphere_update_parse(element, &u));

    ovs_assert(!problem || !u);
    if (u) {
        ovs_assert(u->type < N_VSPHERE_TYPES);
        for (size_t i = 0; i < u->n_values; i++) {
            ovs_assert(u->values[i].property < N_VSPHERE_PROPERTIES);
        }
        problem = vsphere_model_apply(model, u, 1);
        vsphere_update_destroy(u);
    }
    return problem;
}

static void
check_record(struct slice record)
{
    Sluice__VmContext *vm
        = sluice__vm_context__unpack(NULL, record.size, record.data);

    ovs_assert(vm && !vm->tenant);
    ovs_assert(strlen(vm->name) <= VSPHERE_MAX_NAME);
    ovs_assert(is_printable(slice_from_string(vm->name)));
    for (size_t i = 0; i < vm->n_value; i++) {
        const Sluice__ContextValue *v = vm->value[i];

        ovs_assert(v->key[0] && strlen(v->key) <= 32);
        for (const char *p = v->key; *p; p++) {
            ovs_assert(*p > ' ' && *p <= '~' && !strchr("=]\"", *p));
        }
        ovs_assert(strlen(v->value) <= VSPHERE_MAX_TEXT);
        ovs_assert(is_printable(slice_from_string(v->value)));
    }
    sluice__vm_context__free_unpacked(vm, NULL);
}

/* Merges what is known, and checks the records. */
static void
check_model(const struct vsphere_model *model)
{
    struct snapshot_builder *builder = snapshot_builder_create();
    struct merge *merge = merge_create();
    struct merge_counts counts;

    merge_begin(merge, "vsphere:fuzz", RANK_MANAGER, false);
    vsphere_model_put(model, NULL, merge);
    char *sentence = merge_finish(merge, builder, &counts);
    ovs_assert(!sentence);
    ovs_assert(!counts.contested_keys && !counts.refused_tenants);
    snapshot_builder_each(builder, check_record);
    merge_destroy(merge);
    snapshot_builder_destroy(builder);
}

static void
read_reply(const uint8_t *data, size_t size, const char *name)
{
    struct vsphere_model *model = vsphere_model_create(1 << 16);
    struct soap_reply *r = soap_reply_create(1 << 20, name, take, model);
    struct ds objects = DS_EMPTY_INITIALIZER;

    soap_reply_feed(r, slice_of(data, size / 2));
    soap_reply_feed(r, slice_of(data + size / 2, size - size / 2));
    if (soap_reply_finish(r)) {
        char *text, *fault = soap_reply_fault(r, &text);

        ovs_assert(soap_reply_body(r));
        if (fault) {
            ovs_assert(is_printable(slice_from_string(fault)));
            ovs_assert(is_printable(slice_from_string(text)));
            free(fault);
            free(text);
        }
    } else {
        ovs_assert(soap_reply_problem(r));
        ovs_assert(is_printable(slice_from_string(soap_reply_problem(r))));
    }

    check_model(model);
    while (vsphere_model_take_partial(model, 3, &objects)
           || vsphere_model_take_unasked(model, 3, &objects)
           || vsphere_model_take_unpolled(model, 3, &objects)) {
        ds_clear(&objects);
    }
    vsphere_model_ask_again(model);
    vsphere_model_note_answer(model);
    struct vsphere_model *next = vsphere_model_create(1 << 16);
    vsphere_model_inherit(next, model);
    vsphere_model_destroy(next);
    ds_destroy(&objects);
    soap_reply_destroy(r);
    vsphere_model_destroy(model);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    read_reply(data, size, "objectSet");
    read_reply(data, size, "objects");
    read_reply(data, size, "returnval");
    return 0;
}
