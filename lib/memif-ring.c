/* SPDX-License-Identifier: Apache-2.0
 *
 * The rings of memif; see memif.h.  The server may write to all of this memory
 * at any time: what it says is read once, into a variable. */
#include "memif.h"

enum {
    MEMIF_COOKIE = 0x3e31f20,
    RING_NO_INTERRUPTS = 1,     /* Flag of a ring, */
    DESC_NEXT = 1,              /* and of a descriptor: the frame goes on. */
    /* DPDK's server, told by a bsize that is none of ours, may write so far
     * behind the beginning of a buffer. */
    SLACK = UINT16_MAX + 1,
};

struct desc {
    uint16_t flags;
    uint16_t region;
    uint32_t length;
    uint32_t offset;
    uint32_t metadata;
};

struct ring {
    uint32_t cookie;
    uint16_t flags;
    uint16_t head;
    uint8_t pad1[56];
    uint16_t tail;
    uint8_t pad2[62];
    struct desc descs[];
};

uint32_t memif_ring_offset(const struct memif_layout *, unsigned int ring);

static size_t
ring_size(uint8_t log2)
{
    return sizeof(struct ring) + (sizeof(struct desc) << log2);
}

static uint8_t
log2_of(const struct memif_layout *layout, unsigned int ring)
{
    return ring < layout->n_to ? MEMIF_LOG2_TO : layout->log2_from;
}

/* The number of buffers of all rings before 'ring'. */
static size_t
n_buffers_before(const struct memif_layout *layout, unsigned int ring)
{
    unsigned int n_to = ring < layout->n_to ? ring : layout->n_to;

    return (((size_t) n_to << MEMIF_LOG2_TO)
            + ((size_t) (ring - n_to) << layout->log2_from));
}

uint32_t
memif_ring_offset(const struct memif_layout *layout, unsigned int ring)
{
    unsigned int n_to = ring < layout->n_to ? ring : layout->n_to;

    return (n_to * ring_size(MEMIF_LOG2_TO)
            + (ring - n_to) * ring_size(layout->log2_from));
}

/* Where the buffer of descriptor 'i' of 'ring' is. */
static size_t
buffer_offset(const struct memif_layout *layout, unsigned int ring, size_t i)
{
    return (memif_ring_offset(layout, layout->n_to + layout->n_from)
            + (n_buffers_before(layout, ring) + i) * MEMIF_BUFFER_SIZE);
}

bool
memif_layout_is_valid(const struct memif_layout *layout)
{
    return (layout->n_to >= 1 && layout->n_to <= MEMIF_MAX_TO
            && layout->n_from >= 1 && layout->n_from <= MEMIF_MAX_FROM
            && layout->log2_from >= MEMIF_LOG2_MIN
            && layout->log2_from <= MEMIF_LOG2_MAX);
}

/* Less than 2^32, even with a ring to much of each kind. */
size_t
memif_size(const struct memif_layout *layout)
{
    return buffer_offset(layout, layout->n_to + layout->n_from, 0) + SLACK;
}

static struct ring *
ring_at(const struct memif_memory *m, unsigned int ring)
{
    return (struct ring *) (m->base + memif_ring_offset(&m->layout, ring));
}

static void
reset_desc(const struct memif_memory *m, unsigned int ring, size_t i)
{
    struct desc *desc = &ring_at(m, ring)->descs[i];

    __atomic_store_n(&desc->flags, 0, __ATOMIC_RELAXED);
    __atomic_store_n(&desc->region, 0, __ATOMIC_RELAXED);
    __atomic_store_n(&desc->length, MEMIF_BUFFER_SIZE, __ATOMIC_RELAXED);
    __atomic_store_n(&desc->offset, buffer_offset(&m->layout, ring, i),
                     __ATOMIC_RELAXED);
}

void
memif_init(const struct memif_memory *m)
{
    for (unsigned int i = 0; i < m->layout.n_to + m->layout.n_from; i++) {
        struct ring *ring = ring_at(m, i);
        size_t n = (size_t) 1 << log2_of(&m->layout, i);

        ring->cookie = MEMIF_COOKIE;
        ring->flags = RING_NO_INTERRUPTS;
        ring->head = ring->tail = 0;
        for (size_t j = 0; j < n; j++) {
            reset_desc(m, i, j);
        }
    }
}

/* Returns how many descriptors from 'taken' on the server has filled; more
 * than there are if it says so. */
static uint16_t
n_filled(const struct memif_memory *m, unsigned int ring, uint16_t taken)
{
    return __atomic_load_n(&ring_at(m, m->layout.n_to + ring)->tail,
                           __ATOMIC_ACQUIRE) - taken;
}

bool
memif_has_frame(const struct memif_memory *m, unsigned int ring,
                uint16_t taken)
{
    return n_filled(m, ring, taken) != 0;
}

bool
memif_is_half_full(const struct memif_memory *m, unsigned int ring,
                   uint16_t taken)
{
    return n_filled(m, ring, taken) > 1 << m->layout.log2_from >> 1;
}

enum memif_taken
memif_take(const struct memif_memory *m, unsigned int ring, uint16_t taken,
           uint8_t *dst, size_t max, size_t *ret_size, uint16_t *ret_taken)
{
    struct ring *r = ring_at(m, m->layout.n_to + ring);
    size_t n = (size_t) 1 << m->layout.log2_from;
    uint16_t filled = n_filled(m, ring, taken);
    size_t size = 0, n_chain = 0;
    bool is_bad = false, goes_on;

    if (!filled) {
        return MEMIF_EMPTY;
    }
    if (filled > n) {
        return MEMIF_BROKEN;
    }
    do {
        size_t i = (uint16_t) (taken + n_chain++) & (n - 1);
        uint32_t length = __atomic_load_n(&r->descs[i].length,
                                          __ATOMIC_RELAXED);
        uint16_t flags = __atomic_load_n(&r->descs[i].flags, __ATOMIC_RELAXED);

        goes_on = flags & DESC_NEXT;
        if (length > MEMIF_BUFFER_SIZE || length > max - size
            || n_chain > MEMIF_MAX_CHAIN) {
            is_bad = true;
        } else if (!is_bad) {
            memcpy(dst + size, m->base + buffer_offset(&m->layout,
                                                       m->layout.n_to + ring,
                                                       i), length);
            size += length;
        }
    } while (goes_on && n_chain < filled);

    *ret_taken = taken + n_chain;
    if (is_bad || goes_on) {
        return MEMIF_BAD_FRAME;
    }
    *ret_size = size;
    return MEMIF_FRAME;
}

void
memif_give(const struct memif_memory *m, unsigned int ring, uint16_t given,
           uint16_t taken)
{
    unsigned int i = m->layout.n_to + ring;
    size_t n = (size_t) 1 << m->layout.log2_from;

    while (given != taken) {
        reset_desc(m, i, given++ & (n - 1));
    }
    __atomic_store_n(&ring_at(m, i)->head, (uint16_t) (taken + n),
                     __ATOMIC_RELEASE);
}

void
memif_set_interrupts(const struct memif_memory *m, unsigned int ring, bool on)
{
    /* Before the caller looks once more whether there is a frame. */
    __atomic_store_n(&ring_at(m, m->layout.n_to + ring)->flags,
                     on ? 0 : RING_NO_INTERRUPTS, __ATOMIC_SEQ_CST);
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
}

bool
memif_put(const struct memif_memory *m, struct slice frame)
{
    struct ring *r = ring_at(m, 0);
    size_t n = (size_t) 1 << MEMIF_LOG2_TO;
    /* Nobody else should write it, and it is masked. */
    uint16_t head = __atomic_load_n(&r->head, __ATOMIC_RELAXED);
    uint16_t used = head - __atomic_load_n(&r->tail, __ATOMIC_ACQUIRE);
    size_t i = head & (n - 1);

    if (used >= n || frame.size > MEMIF_BUFFER_SIZE) {
        return false;
    }
    reset_desc(m, 0, i);
    memcpy(m->base + buffer_offset(&m->layout, 0, i), frame.data, frame.size);
    __atomic_store_n(&r->descs[i].length, frame.size, __ATOMIC_RELAXED);
    __atomic_store_n(&r->head, (uint16_t) (head + 1), __ATOMIC_RELEASE);
    return true;
}
