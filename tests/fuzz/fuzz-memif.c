/* SPDX-License-Identifier: Apache-2.0
 *
 * Fuzzes what a memif server may do to its client.  The input is a series of
 * steps, each a byte for what it is and what it takes:
 *
 *     even: a message of the control channel, its size in the next byte, or 128
 *           bytes if that is 255;
 *     odd:  writes to the memory of rings, an offset in two bytes and a size in
 *           one, and then takes from all rings.
 *
 * The memory stands in an allocation of its exact size: reads and writes beyond
 * it show. */
#include <stdlib.h>

#include "cursor.h"
#include "memif.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check(bool condition)
{
    if (!condition) {
        abort();
    }
}

struct client {
    struct memif_limits limits;
    struct memif_session session;
    struct memif_memory memory; /* Null: none. */
    size_t size;
    uint16_t taken[MEMIF_MAX_FROM];
    bool is_up;
};

static void
hang_up(struct client *c)
{
    free(c->memory.base);
    c->memory.base = NULL;
    c->is_up = false;
    memif_session_init(&c->session, &c->limits, MEMIF_LOG2_MIN);
}

static void
act(struct client *c, enum memif_action action)
{
    switch (action) {
    case MEMIF_PREPARE:
        act(c, memif_prepared(&c->session));
        break;
    case MEMIF_SEND_CONNECT:
        check(memif_layout_is_valid(&c->session.layout));
        c->size = memif_size(&c->session.layout);
        c->memory.layout = c->session.layout;
        free(c->memory.base);
        c->memory.base = aligned_alloc(64, (c->size + 63) / 64 * 64);
        check(c->memory.base != NULL);
        memset(c->taken, 0, sizeof c->taken);
        memif_init(&c->memory);
        break;
    case MEMIF_UP:
        check(c->memory.base != NULL);
        c->is_up = true;
        for (unsigned int i = 0; i < c->memory.layout.n_from; i++) {
            memif_give(&c->memory, i, 0, 0);
        }
        break;
    case MEMIF_RETRY:
        check(c->session.limits.n_to < c->limits.n_to
              || c->session.limits.n_from < c->limits.n_from);
        check(c->session.limits.n_to && c->session.limits.n_from);
        c->limits = c->session.limits;
        hang_up(c);
        break;
    case MEMIF_FAIL:
        check(strlen(c->session.why) < sizeof c->session.why);
        memif_limits_init(&c->limits);
        hang_up(c);
        break;
    case MEMIF_WAIT:
    case MEMIF_SEND:
    case MEMIF_SEND_REGION:
    case MEMIF_SEND_RING:
    default:
        break;
    }
}

static void
take_all(struct client *c)
{
    static uint8_t frame[4096];
    size_t n = (size_t) 1 << c->memory.layout.log2_from;

    for (unsigned int i = 0; i < c->memory.layout.n_from; i++) {
        for (size_t j = 0; j <= n; j++) {
            uint16_t before = c->taken[i];
            size_t size = 0;
            enum memif_taken taken = memif_take(&c->memory, i, before, frame,
                                                sizeof frame, &size,
                                                &c->taken[i]);

            check((taken != MEMIF_EMPTY)
                  == memif_has_frame(&c->memory, i, before));
            check(taken != MEMIF_EMPTY
                  || !memif_is_half_full(&c->memory, i, before));
            if (taken == MEMIF_BROKEN || taken == MEMIF_EMPTY) {
                check(c->taken[i] == before);
                break;
            }
            check(j < n);
            check(size <= sizeof frame && (uint16_t) (c->taken[i] - before) > 0
                  && (uint16_t) (c->taken[i] - before) <= n);
            memif_give(&c->memory, i, before, c->taken[i]);
        }
        memif_set_interrupts(&c->memory, i, i & 1);
    }
    memif_put(&c->memory, slice_of(frame, 64));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct cursor c = cursor_of(slice_of(data, size));
    struct client client = { .is_up = false };

    memif_limits_init(&client.limits);
    hang_up(&client);
    while (c.left && !c.failed) {
        if (cursor_be(&c, 1) & 1) {
            size_t offset = cursor_be(&c, 2);
            struct slice bytes = cursor_take(&c, cursor_be(&c, 1));

            if (client.is_up && bytes.size
                && offset + bytes.size <= client.size) {
                memcpy(client.memory.base + offset, bytes.data, bytes.size);
                take_all(&client);
            }
        } else {
            size_t n = cursor_be(&c, 1);

            n = n == 255 ? MEMIF_MESSAGE_SIZE : n;
            act(&client, memif_receive(&client.session, cursor_take(&c, n)));
        }
    }
    free(client.memory.base);
    return 0;
}
