/* SPDX-License-Identifier: Apache-2.0
 *
 * Reads what a look-up needs of a record of the context snapshot (a VmContext
 * of proto/context.proto) in place, without memory of its own.
 *
 * In: a record, nothing in it trusted.  Out: parts of it.
 * Runs in: sluice-intake, sluice-context. */
#ifndef SLUICE_CONTEXT_VIEW_H
#define SLUICE_CONTEXT_VIEW_H 1

#include "wire-field.h"

/* The key under which a record with stale values names their source. */
#define CONTEXT_STALE_KEY "context-stale"

/* Fields of a record, as proto/context.proto numbers them, and one of a
 * value. */
enum {
    CONTEXT_VM_VM = TAG(1, WIRE_BYTES),
    CONTEXT_VM_NAME = TAG(3, WIRE_BYTES),
    CONTEXT_VM_VALUE = TAG(4, WIRE_BYTES),
    CONTEXT_VM_VTEP = TAG(9, WIRE_BYTES),

    CONTEXT_VALUE_SETS = TAG(8, WIRE_VARINT),
};

struct context_view {
    struct slice name;          /* Into the record; may be empty. */
    uint32_t tenant;            /* 0: none is named. */
    struct slice vtep;          /* Of the host that alone knows it, or
                                 * empty. */
    struct slice vm;            /* Its first UUID, 16 bytes, or empty. */
    bool names_vm;              /* It has a UUID. */
    bool has_vm;                /* Among its UUIDs is the one asked for. */
};

/* Returns true and '*ret', or false if the record can't be read.  'vm' is a
 * UUID to look for, or null. */
bool context_view(struct slice record, const uint8_t vm[16],
                  struct context_view *ret);

/* Returns true if 'source' is among those who know the record's VM. */
bool context_has_source(struct slice record, struct slice source);

/* A value of a record. */
struct context_value {
    struct slice key;
    struct slice value;
    struct slice source;
    uint64_t fetched_ns;
    bool is_stale;
    bool is_measured;
    struct slice vtep;          /* For lines from there only, or empty. */
};

/* Takes the values one by one.  '*rest' is the record at first and belongs to
 * this function from then on.  Returns false at the end, or where the record
 * can't be read. */
bool context_next_value(struct slice *rest, struct context_value *ret);

/* Returns the key of a serialized value; empty if it has none. */
struct slice context_value_key(struct slice message);

/* Returns true if two records say the same, but for what was measured, for
 * what hosts add to it, and for who said so, when, and whether he is heard of.
 * That it runs elsewhere is a value. */
bool context_is_same(struct slice a, struct slice b);

#endif /* lib/context-view.h */
