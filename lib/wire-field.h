/* SPDX-License-Identifier: Apache-2.0
 *
 * Takes the fields of a serialized protobuf message one by one, in place and
 * without memory of its own: for what is read once per line or look-up, where
 * protobuf-c would allocate.
 *
 * In: a cursor at a message, nothing in it trusted.  Out: its fields. */
#ifndef SLUICE_WIRE_FIELD_H
#define SLUICE_WIRE_FIELD_H 1

#include "cursor.h"

/* Wire types that proto3 uses.  Groups (3 and 4) are not among them. */
enum {
    WIRE_VARINT = 0,
    WIRE_FIXED64 = 1,
    WIRE_BYTES = 2,
    WIRE_FIXED32 = 5,
};

#define TAG(FIELD, WIRE) ((FIELD) << 3 | (WIRE))

struct field {
    uint64_t tag;               /* As TAG() makes it. */
    uint64_t number;            /* Value of a varint or a fixed field. */
    struct slice bytes;         /* Value of a WIRE_BYTES field. */
};

/* Takes a varint.  More than ten bytes fail the cursor; bits over 64 are lost,
 * as protobuf has it. */
static inline uint64_t
take_varint(struct cursor *c)
{
    uint64_t value = 0;
    int first = cursor_peek(c);

    if (first >= 0 && first < 0x80) {
        /* Most are. */
        cursor_take(c, 1);
        return first;
    }
    for (unsigned int shift = 0; shift < 70; shift += 7) {
        uint8_t byte = cursor_be(c, 1);
        value |= (uint64_t) (byte & 0x7f) << shift;
        if (byte < 0x80) {
            return value;
        }
    }
    c->failed = true;
    return 0;
}

/* Takes the next field, whatever it is.  Returns false at the end or if the
 * cursor failed. */
static inline __attribute__((always_inline)) bool
take_field(struct cursor *c, struct field *ret)
{
    if (cursor_peek(c) < 0) {
        return false;
    }

    struct field f = { .tag = take_varint(c) };
    /* The number of a field is 1 to 2^29 - 1. */
    if (f.tag >> 3 == 0 || f.tag > UINT32_MAX) {
        c->failed = true;
    }
    switch (f.tag & 7) {
    case WIRE_VARINT:
        f.number = take_varint(c);
        break;
    case WIRE_FIXED64:
        f.number = cursor_le64(c);
        break;
    case WIRE_BYTES:
        f.bytes = cursor_take(c, take_varint(c));
        break;
    case WIRE_FIXED32:
        f.number = cursor_le32(c);
        break;
    default:
        c->failed = true;
    }
    if (c->failed) {
        return false;
    }
    *ret = f;
    return true;
}

#endif /* lib/wire-field.h */
