/* SPDX-License-Identifier: Apache-2.0
 *
 * Fuzzes the reader of the static context file.  What it takes is within its
 * limits and no VM stands for another; what it refuses it refuses with a
 * sentence of our own, which names the line. */
#include <config.h>

#include <stdlib.h>

#include "printable.h"
#include "sentence.h"
#include "static-context.h"
#include "util.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Whether 's', which may be null, may stand in a line. */
static bool
is_text(const char *s, size_t max)
{
    return !s || (strlen(s) <= max && is_printable(slice_from_string(s)));
}

static void
check_vm(const struct static_vm *vm)
{
    ovs_assert(vm->has_uuid || vm->n_macs);
    ovs_assert(vm->n_macs <= STATIC_MAX_MACS);
    ovs_assert(vm->tenant <= 0xffffff);
    ovs_assert(is_text(vm->name, STATIC_MAX_NAME));
    ovs_assert(is_text(vm->port, STATIC_MAX_PORT));
    for (size_t i = 0; i < vm->n_values; i++) {
        const struct static_value *v = &vm->values[i];

        ovs_assert(v->key && *v->key && strlen(v->key) <= 32);
        ovs_assert(!strpbrk(v->key, " =]\""));
        for (const char *c = v->key; *c; c++) {
            ovs_assert(*c > ' ' && *c < 0x7f);
        }
        ovs_assert(v->value && is_text(v->value, STATIC_MAX_VALUE));
        for (size_t j = 0; j < i; j++) {
            ovs_assert(strcmp(v->key, vm->values[j].key));
        }
    }
}

/* Whether one of 'a' and 'b' might be taken for the other. */
static bool
is_same(const struct static_vm *a, const struct static_vm *b)
{
    if (a->has_uuid && b->has_uuid && !memcmp(a->uuid, b->uuid, 16)) {
        return true;
    }
    for (size_t i = 0; i < a->n_macs; i++) {
        for (size_t j = 0; j < b->n_macs; j++) {
            if (!memcmp(a->macs[i], b->macs[j], 6)) {
                return true;
            }
        }
    }
    return false;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct static_context *context = NULL;
    char *sentence = static_context_parse("vms.yaml", (const char *) data,
                                          size, &context);

    if (sentence) {
        ovs_assert(!context);
        check_sentence(sentence, "vms.yaml");
        ovs_assert(strncmp(sentence, "vms.yaml: libcyaml", 18));
        free(sentence);
        return 0;
    }
    ovs_assert(context->n_vms <= STATIC_MAX_VMS);
    for (size_t i = 0; i < context->n_vms; i++) {
        check_vm(&context->vms[i]);
        for (size_t j = 0; j < i; j++) {
            ovs_assert(!is_same(&context->vms[i], &context->vms[j]));
        }
    }
    static_context_destroy(context);
    return 0;
}
