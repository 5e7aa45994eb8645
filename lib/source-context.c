/* SPDX-License-Identifier: Apache-2.0
 *
 * See source-context.h. */
#include "source-context.h"

/* Returns true if lines of 'source' come from 'vtep', of 16 bytes. */
static bool
is_from(const struct batch_source *source, ProtobufCBinaryData vtep)
{
    static const uint8_t mapped[12] = {
        0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff
    };

    if (vtep.len != 16) {
        return false;
    }
    struct slice v6 = slice_of(vtep.data, 16);
    struct slice v4 = slice_of(vtep.data + sizeof mapped, 4);
    return (slice_equal(source->vtep, v6)
            || (!memcmp(vtep.data, mapped, sizeof mapped)
                && slice_equal(source->vtep, v4)));
}

/* Takes out what hosts said that the lines do not come from. */
static void
drop_foreign(const struct batch_source *source, Sluice__VmContext *context)
{
    size_t n = 0;

    for (size_t i = 0; i < context->n_value; i++) {
        ProtobufCBinaryData vtep = context->value[i]->vtep;

        if (vtep.len && !is_from(source, vtep)) {
            sluice__context_value__free_unpacked(context->value[i], NULL);
        } else {
            context->value[n++] = context->value[i];
        }
    }
    context->n_value = n;
}

Sluice__VmContext *
source_context_unpack(const struct batch_source *source,
                      struct slice *ret_name)
{
    Sluice__VmContext *context = NULL;

    if (source->context.size) {
        context = sluice__vm_context__unpack(NULL, source->context.size,
                                             source->context.data);
    }
    if (context) {
        drop_foreign(source, context);
    }
    *ret_name = (context ? slice_from_string(context->name)
                 : slice_of(NULL, 0));
    return context;
}

void
source_context_free(Sluice__VmContext *context)
{
    if (context) {
        sluice__vm_context__free_unpacked(context, NULL);
    }
}
