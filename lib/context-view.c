/* SPDX-License-Identifier: Apache-2.0
 *
 * Records of the context snapshot, read in place.  See context-view.h. */
#include "context-view.h"

#include "wire-field.h"

enum {
    VM_TENANT = TAG(5, WIRE_VARINT),
    VM_OTHER_VM = TAG(6, WIRE_BYTES),
    VM_SOURCE = TAG(7, WIRE_BYTES),
    VM_CLAIM = TAG(10, WIRE_BYTES),
    VM_PLACE = TAG(11, WIRE_BYTES),

    VALUE_KEY = TAG(1, WIRE_BYTES),
    VALUE_VALUE = TAG(2, WIRE_BYTES),
    VALUE_SOURCE = TAG(3, WIRE_BYTES),
    VALUE_FETCHED_NS = TAG(4, WIRE_FIXED64),
    VALUE_STALE = TAG(5, WIRE_VARINT),
    VALUE_MEASURED = TAG(6, WIRE_VARINT),
    VALUE_VTEP = TAG(9, WIRE_BYTES),
};

bool
context_view(struct slice record, const uint8_t vm[16],
             struct context_view *ret)
{
    struct cursor c = cursor_of(record);
    struct context_view view = { .tenant = 0 };
    struct field f;

    while (take_field(&c, &f)) {
        switch (f.tag) {
        case CONTEXT_VM_VM:
        case VM_OTHER_VM:
            if (f.tag == CONTEXT_VM_VM && f.bytes.size == 16) {
                view.vm = f.bytes;
            }
            view.names_vm |= f.bytes.size > 0;
            view.has_vm |= vm && slice_equal(f.bytes, slice_of(vm, 16));
            break;
        case CONTEXT_VM_NAME: view.name = f.bytes; break;
        case CONTEXT_VM_VTEP: view.vtep = f.bytes; break;
        case VM_TENANT: view.tenant = f.number; break;
        }
    }
    if (!c.failed) {
        *ret = view;
    }
    return !c.failed;
}

bool
context_has_source(struct slice record, struct slice source)
{
    struct cursor c = cursor_of(record);
    struct field f;

    while (take_field(&c, &f)) {
        if (f.tag == VM_SOURCE && slice_equal(f.bytes, source)) {
            return true;
        }
    }
    return false;
}

static bool
read_value(struct slice message, struct context_value *ret)
{
    struct cursor c = cursor_of(message);
    struct context_value v = { .fetched_ns = 0 };
    struct field f;

    while (take_field(&c, &f)) {
        switch (f.tag) {
        case VALUE_KEY: v.key = f.bytes; break;
        case VALUE_VALUE: v.value = f.bytes; break;
        case VALUE_SOURCE: v.source = f.bytes; break;
        case VALUE_FETCHED_NS: v.fetched_ns = f.number; break;
        case VALUE_STALE: v.is_stale = f.number != 0; break;
        case VALUE_MEASURED: v.is_measured = f.number != 0; break;
        case VALUE_VTEP: v.vtep = f.bytes; break;
        }
    }
    *ret = v;
    return !c.failed;
}

bool
context_next_value(struct slice *rest, struct context_value *ret)
{
    struct cursor c = cursor_of(*rest);
    struct field f;
    bool found = false;

    while (!found && take_field(&c, &f)) {
        found = f.tag == CONTEXT_VM_VALUE && read_value(f.bytes, ret);
    }
    *rest = slice_of(c.p, found ? c.left : 0);
    return found;
}

struct slice
context_value_key(struct slice message)
{
    struct cursor c = cursor_of(message);
    struct slice key = { NULL, 0 };
    struct field f;

    while (take_field(&c, &f)) {
        if (f.tag == VALUE_KEY) {
            key = f.bytes;
            break;
        }
    }
    return key;
}

/* Takes the next field that counts for context_is_same().  What hosts add to
 * what others say does not: one that says something else each time would take
 * the room of what these said. */
static bool
take_lasting(struct cursor *c, struct field *f, struct context_value *value)
{
    static const char stale[] = CONTEXT_STALE_KEY;

    while (take_field(c, f)) {
        if (f->tag == VM_SOURCE || f->tag == VM_CLAIM
            || f->tag == VM_PLACE) {
            continue;
        } else if (f->tag != CONTEXT_VM_VALUE) {
            return true;
        } else if (!read_value(f->bytes, value)) {
            c->failed = true;
        } else if (!value->is_measured && !value->vtep.size
                   && !slice_equal(value->key,
                                   slice_of(stale, sizeof stale - 1))) {
            return true;
        }
    }
    return false;
}

bool
context_is_same(struct slice a, struct slice b)
{
    struct cursor ca = cursor_of(a), cb = cursor_of(b);
    struct context_value va, vb;
    struct field fa, fb;

    if (slice_equal(a, b)) {
        return true;
    }
    for (;;) {
        bool has_a = take_lasting(&ca, &fa, &va);
        bool has_b = take_lasting(&cb, &fb, &vb);

        if (!has_a || !has_b) {
            return has_a == has_b && !ca.failed && !cb.failed;
        } else if (fa.tag != fb.tag
                   || (fa.tag == CONTEXT_VM_VALUE
                       ? (!slice_equal(va.key, vb.key)
                          || !slice_equal(va.value, vb.value))
                       : (fa.number != fb.number
                          || !slice_equal(fa.bytes, fb.bytes)))) {
            return false;
        }
    }
}
