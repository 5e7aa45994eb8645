/* SPDX-License-Identifier: Apache-2.0
 *
 * What a batch says about the VM that its lines came from.
 *
 * In: a source of a batch.  Out: its context, unpacked.
 * Runs in: sluice-ship, once per source and batch. */
#ifndef SLUICE_SOURCE_CONTEXT_H
#define SLUICE_SOURCE_CONTEXT_H 1

#include "batch.h"
#include "context.pb-c.h"
#include "cursor.h"
#include "text-out.h"

/* Returns the context of 'source', or null if it has none that can be read.
 * Sets '*ret_name' to the VM's name in it, or to nothing. */
Sluice__VmContext *source_context_unpack(const struct batch_source *,
                                         struct slice *ret_name);

/* Rendered values of a context, one behind the other: for each 4 bytes with
 * the sets of the policy that have it, 4 with its size, and the text.
 *
 * Begins one, whose text is put next: returns its place, null if there is no
 * room. */
static inline uint8_t *
source_value_begin(struct out *o)
{
    return take_room(o, 8);
}

/* Ends it. */
static inline void
source_value_end(const struct out *o, uint8_t *value, uint32_t sets)
{
    if (value && !o->failed) {
        uint32_t size = o->p - value - 8;

        memcpy(value, &sets, sizeof sets);
        memcpy(value + 4, &size, sizeof size);
    }
}

/* Takes the next value that a line with those 'sets' (0: all) gets.  '*rest'
 * is what was rendered at first and belongs to this function from then on. */
static inline bool
source_value_next(struct slice *rest, uint32_t sets, struct slice *ret)
{
    struct cursor c = cursor_of(*rest);
    bool found = false;

    while (c.left && !found) {
        uint32_t have, size;

        cursor_copy(&c, &have, sizeof have);
        cursor_copy(&c, &size, sizeof size);
        *ret = cursor_take(&c, size);
        found = ret->size && (!sets || sets & have);
    }
    *rest = slice_of(c.p, c.left);
    return found;
}

/* Frees a context, which may be null, and the name with it. */
void source_context_free(Sluice__VmContext *);

#endif /* lib/source-context.h */
