/* SPDX-License-Identifier: Apache-2.0
 *
 * Memory of stage 4.  See s4-hold.h. */
#include <config.h>

#include "s4-hold.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "hash.h"
#include "util.h"

#define HOLD_MAGIC "SLUHELD"
enum { HOLD_VERSION = 1 };

struct hold_file {
    char magic[8];
    uint32_t version;
    uint32_t slot_size;
    uint64_t undo_ticket;       /* Step that the copies below are of. */
    uint32_t n_undo;
    uint32_t undo_number[HOLD_MAX_TOUCHED];
    struct hold_slot undo[HOLD_MAX_TOUCHED];
    struct hold_slot slots[HOLD_N_SLOTS];
    uint8_t chunks[HOLD_N_CHUNKS][HOLD_CHUNK];
};

struct hold {
    struct hold_file *file;
    struct hold_limits limits;
    struct hold_index index[HOLD_N_SLOTS];
    struct hmap by_key;
    struct hmap shares[HOLD_OF_ALL];    /* Of struct hold_share. */
    struct hold_share all;
    struct ovs_list due;

    uint32_t free_slots[HOLD_N_SLOTS], n_free_slots;
    uint32_t free_chunks[HOLD_N_CHUNKS], n_free_chunks;

    /* Of this step: to be wiped and given back at its end. */
    uint32_t old_chunks[HOLD_N_CHUNKS], n_old_chunks;
    uint32_t old_slots[HOLD_MAX_TOUCHED], n_old_slots;

    uint8_t scratch[HOLD_WINDOW];
};

/* The stores must reach the file in program order; other processors do not
 * matter, since the only other reader is the next process. */
static void
barrier(void)
{
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
}

static uint32_t
key_hash(const struct hold_key *key)
{
    return hash_bytes(key, sizeof *key, 0);
}

static struct hold_share *
share_find(struct hold *h, int level, uint32_t id)
{
    struct hold_share *share;

    HMAP_FOR_EACH_WITH_HASH (share, node, hash_int(id, 0),
                             &h->shares[level]) {
        if (share->id == id) {
            return share;
        }
    }
    return NULL;
}

static struct hold_share *
share_get(struct hold *h, int level, uint32_t id)
{
    struct hold_share *share = share_find(h, level, id);

    if (!share) {
        share = xzalloc(sizeof *share);
        share->id = id;
        ovs_list_init(&share->slots);
        hmap_insert(&h->shares[level], &share->node, hash_int(id, 0));
    }
    return share;
}

/* Drops the share of nobody, for sources and tenants come and go. */
static void
share_put(struct hold *h, int level, struct hold_share *share)
{
    if (level != HOLD_OF_ALL && !share->n_slots) {
        hmap_remove(&h->shares[level], &share->node);
        free(share);
    }
}

static void
index_insert(struct hold *h, uint32_t number)
{
    const struct hold_slot *slot = &h->file->slots[number];
    struct hold_index *x = &h->index[number];

    hmap_insert(&h->by_key, &x->node, key_hash(&slot->key));
    x->shares[HOLD_OF_SOURCE] = share_get(h, HOLD_OF_SOURCE,
                                          slot->key.source);
    x->shares[HOLD_OF_TENANT] = share_get(h, HOLD_OF_TENANT,
                                          slot->key.tenant);
    x->shares[HOLD_OF_ALL] = &h->all;
    for (int i = 0; i < N_HOLD_SHARES; i++) {
        x->shares[i]->n_slots++;
        x->shares[i]->n_chunks += slot->n_chunks;
        ovs_list_push_back(&x->shares[i]->slots, &x->in_share[i]);
    }
    ovs_list_init(&x->due_node);
}

static void
index_remove(struct hold *h, uint32_t number)
{
    struct hold_index *x = &h->index[number];

    hmap_remove(&h->by_key, &x->node);
    for (int i = 0; i < N_HOLD_SHARES; i++) {
        ovs_list_remove(&x->in_share[i]);
        x->shares[i]->n_slots--;
        x->shares[i]->n_chunks -= h->file->slots[number].n_chunks;
        share_put(h, i, x->shares[i]);
    }
    ovs_list_remove(&x->due_node);
    ovs_list_init(&x->due_node);
}

static void
add_chunks(struct hold *h, struct hold_slot *slot, int n)
{
    struct hold_index *x = &h->index[hold_number(h, slot)];

    slot->n_chunks += n;
    for (int i = 0; i < N_HOLD_SHARES; i++) {
        x->shares[i]->n_chunks += n;
    }
}

static int
compare_age(const void *a_, const void *b_)
{
    const struct hold_slot *const *a = a_, *const *b = b_;

    return ((*a)->latest_ms < (*b)->latest_ms ? -1
            : (*a)->latest_ms > (*b)->latest_ms);
}

/* Finds out what the slots have, and wipes all that they do not, unless it is
 * known to be 'clean'. */
static void
index_all(struct hold *h, bool clean)
{
    static bool used[HOLD_N_CHUNKS];
    const struct hold_slot **order = xmalloc(HOLD_N_SLOTS * sizeof *order);
    size_t n = 0;

    memset(used, 0, sizeof used);
    for (uint32_t i = HOLD_N_SLOTS; i-- > 0; ) {
        struct hold_slot *slot = &h->file->slots[i];

        if (slot->key.kind == HOLD_FREE) {
            h->free_slots[h->n_free_slots++] = i;
            continue;
        }
        order[n++] = slot;
        for (size_t j = 0; j < HOLD_WINDOW_CHUNKS; j++) {
            if (slot->chunks[j] && slot->chunks[j] <= HOLD_N_CHUNKS) {
                used[slot->chunks[j] - 1] = true;
            }
        }
    }
    qsort(order, n, sizeof *order, compare_age);
    for (size_t i = 0; i < n; i++) {
        index_insert(h, hold_number(h, order[i]));
        hold_set_due(h, CONST_CAST(struct hold_slot *, order[i]), true);
    }
    free(order);
    for (uint32_t i = HOLD_N_CHUNKS; i-- > 0; ) {
        if (!used[i]) {
            static const uint8_t zeros[HOLD_CHUNK];
            if (!clean && memcmp(h->file->chunks[i], zeros, HOLD_CHUNK)) {
                memset(h->file->chunks[i], 0, HOLD_CHUNK);
            }
            h->free_chunks[h->n_free_chunks++] = i;
        }
    }
}

static int
map_memory(const char *path, struct hold_file **ret)
{
    size_t size = sizeof(struct hold_file);
    int flags = path ? MAP_SHARED : MAP_PRIVATE | MAP_ANONYMOUS;
    int fd = -1, error = 0;

    if (path) {
        fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
        if (fd < 0) {
            return errno;
        }
        /* All of its memory now: in a full tmpfs, a write would be a SIGBUS.*/
        error = ftruncate(fd, size) ? errno : posix_fallocate(fd, 0, size);
    }
    if (!error) {
        void *map = mmap(NULL, size, PROT_READ | PROT_WRITE, flags, fd, 0);
        if (map == MAP_FAILED) {
            error = errno;
        } else {
            *ret = map;
        }
    }
    if (fd >= 0) {
        close(fd);
    }
    return error;
}

/* Undoes step 'ticket', if it was not finished. */
static void
roll_back(struct hold_file *file, uint64_t ticket)
{
    if (file->undo_ticket == ticket) {
        for (uint32_t i = 0; i < MIN(file->n_undo, HOLD_MAX_TOUCHED); i++) {
            if (file->undo_number[i] < HOLD_N_SLOTS) {
                file->slots[file->undo_number[i]] = file->undo[i];
            }
        }
    }
    barrier();
    file->n_undo = 0;
}

int
hold_open(const char *path, uint64_t ticket, struct hold **ret)
{
    struct hold_file *file = NULL;
    int error = map_memory(path, &file);
    if (error) {
        return error;
    }

    if (memcmp(file->magic, HOLD_MAGIC, sizeof file->magic)
        || file->version != HOLD_VERSION
        || file->slot_size != sizeof(struct hold_slot)) {
        if (path) {
            memset(file, 0, sizeof *file);
        }
        file->version = HOLD_VERSION;
        file->slot_size = sizeof(struct hold_slot);
        memcpy(file->magic, HOLD_MAGIC, sizeof file->magic);
    }
    roll_back(file, ticket);

    struct hold *h = xzalloc(sizeof *h);
    h->file = file;
    h->limits = (struct hold_limits) { HOLD_N_SLOTS, HOLD_N_CHUNKS };
    hmap_init(&h->by_key);
    hmap_init(&h->shares[HOLD_OF_SOURCE]);
    hmap_init(&h->shares[HOLD_OF_TENANT]);
    ovs_list_init(&h->all.slots);
    ovs_list_init(&h->due);
    index_all(h, !path);
    *ret = h;
    return 0;
}

void
hold_close(struct hold *h)
{
    if (h) {
        hmap_destroy(&h->by_key);
        for (int i = 0; i < HOLD_OF_ALL; i++) {
            struct hold_share *share;

            HMAP_FOR_EACH_POP (share, node, &h->shares[i]) {
                free(share);
            }
            hmap_destroy(&h->shares[i]);
        }
        munmap(h->file, sizeof *h->file);
        free(h);
    }
}

void
hold_configure(struct hold *h, const struct hold_limits *limits)
{
    h->limits = *limits;
}

void
hold_begin(struct hold *h, uint64_t ticket)
{
    hold_end(h);
    h->file->n_undo = 0;
    barrier();
    h->file->undo_ticket = ticket;
    barrier();
}

void
hold_end(struct hold *h)
{
    for (; h->n_old_chunks; h->n_old_chunks--) {
        uint32_t chunk = h->old_chunks[h->n_old_chunks - 1];

        memset(h->file->chunks[chunk], 0, HOLD_CHUNK);
        h->free_chunks[h->n_free_chunks++] = chunk;
    }
    for (; h->n_old_slots; h->n_old_slots--) {
        h->free_slots[h->n_free_slots++] = h->old_slots[h->n_old_slots - 1];
    }
}

struct hold_slot *
hold_find(struct hold *h, const struct hold_key *key)
{
    struct hold_index *x;

    HMAP_FOR_EACH_WITH_HASH (x, node, key_hash(key), &h->by_key) {
        struct hold_slot *slot = &h->file->slots[x - h->index];
        if (!memcmp(&slot->key, key, sizeof *key)) {
            return slot;
        }
    }
    return NULL;
}

struct hold_slot *
hold_slot(struct hold *h, uint32_t number)
{
    return (number < HOLD_N_SLOTS
            && h->file->slots[number].key.kind != HOLD_FREE
            ? &h->file->slots[number] : NULL);
}

uint32_t
hold_number(const struct hold *h, const struct hold_slot *slot)
{
    return slot - h->file->slots;
}

static struct hold_slot *
oldest_of(struct hold *h, const struct hold_share *share, int level)
{
    struct hold_index *x;

    if (!share || ovs_list_is_empty(&share->slots)) {
        return NULL;
    }
    switch (level) {
    case HOLD_OF_SOURCE:
        x = CONTAINER_OF(share->slots.next, struct hold_index,
                         in_share[HOLD_OF_SOURCE]);
        break;
    case HOLD_OF_TENANT:
        x = CONTAINER_OF(share->slots.next, struct hold_index,
                         in_share[HOLD_OF_TENANT]);
        break;
    default:
        x = CONTAINER_OF(share->slots.next, struct hold_index,
                         in_share[HOLD_OF_ALL]);
        break;
    }
    return &h->file->slots[x - h->index];
}

struct hold_slot *
hold_victim(struct hold *h, const struct hold_key *key, uint32_t n_chunks)
{
    uint32_t n_slots = hold_find(h, key) ? 0 : 1;
    struct hold_share *s = share_find(h, HOLD_OF_SOURCE, key->source);
    struct hold_share *t = share_find(h, HOLD_OF_TENANT, key->tenant);

    if (s && ((n_slots && s->n_slots >= (h->limits.tenant_slots + 1) / 2)
              || s->n_chunks + n_chunks > (h->limits.tenant_chunks + 1) / 2)) {
        return oldest_of(h, s, HOLD_OF_SOURCE);
    }
    if (t && (t->n_slots + n_slots > h->limits.tenant_slots
              || t->n_chunks + n_chunks > h->limits.tenant_chunks)) {
        return oldest_of(h, t, HOLD_OF_TENANT);
    }
    if (h->n_free_slots >= n_slots && h->n_free_chunks >= n_chunks) {
        return NULL;
    }
    return (t && (t->n_slots > HOLD_N_SLOTS / 8
                  || t->n_chunks > HOLD_N_CHUNKS / 8)
            ? oldest_of(h, t, HOLD_OF_TENANT)
            : oldest_of(h, &h->all, HOLD_OF_ALL));
}

static void
copy_aside(struct hold *h, const struct hold_slot *slot)
{
    struct hold_file *file = h->file;
    uint32_t number = hold_number(h, slot);

    for (uint32_t i = 0; i < file->n_undo; i++) {
        if (file->undo_number[i] == number) {
            return;
        }
    }
    ovs_assert(file->n_undo < HOLD_MAX_TOUCHED);
    file->undo[file->n_undo] = *slot;
    file->undo_number[file->n_undo] = number;
    barrier();
    file->n_undo++;
    barrier();
}

struct hold_slot *
hold_take(struct hold *h, const struct hold_key *key, uint64_t now_ms)
{
    ovs_assert(h->n_free_slots);
    uint32_t number = h->free_slots[--h->n_free_slots];
    struct hold_slot *slot = &h->file->slots[number];

    copy_aside(h, slot);
    memset(slot, 0, sizeof *slot);
    slot->key = *key;
    slot->created_ms = now_ms;
    slot->latest_ms = now_ms;
    index_insert(h, number);
    return slot;
}

void
hold_change(struct hold *h, struct hold_slot *slot)
{
    copy_aside(h, slot);
}

void
hold_touch(struct hold *h, struct hold_slot *slot, uint64_t now_ms)
{
    struct hold_index *x = &h->index[hold_number(h, slot)];

    copy_aside(h, slot);
    slot->latest_ms = now_ms;
    for (int i = 0; i < N_HOLD_SHARES; i++) {
        ovs_list_remove(&x->in_share[i]);
        ovs_list_push_back(&x->shares[i]->slots, &x->in_share[i]);
    }
}

void
hold_set_due(struct hold *h, struct hold_slot *slot, bool due)
{
    struct hold_index *x = &h->index[hold_number(h, slot)];

    if (due == ovs_list_is_empty(&x->due_node)) {
        ovs_list_remove(&x->due_node);
        if (due) {
            ovs_list_push_back(&h->due, &x->due_node);
        } else {
            ovs_list_init(&x->due_node);
        }
    }
}

static void
drop_chunk(struct hold *h, struct hold_slot *slot, size_t i)
{
    if (slot->chunks[i]) {
        h->old_chunks[h->n_old_chunks++] = slot->chunks[i] - 1;
        slot->chunks[i] = 0;
        add_chunks(h, slot, -1);
    }
}

void
hold_release(struct hold *h, struct hold_slot *slot)
{
    uint32_t number = hold_number(h, slot);

    copy_aside(h, slot);
    for (size_t i = 0; i < HOLD_WINDOW_CHUNKS; i++) {
        drop_chunk(h, slot, i);
    }
    index_remove(h, number);
    slot->key.kind = HOLD_FREE;
    h->old_slots[h->n_old_slots++] = number;
}

/* Returns where the bytes at 'offset' are, and in '*ret_n' how many of the
 * next 'n' are there too. */
static uint8_t *
chunk_at(const struct hold *h, const struct hold_slot *slot, uint64_t offset,
         uint64_t n, size_t *ret_n)
{
    size_t i = offset / HOLD_CHUNK % HOLD_WINDOW_CHUNKS;
    size_t within = offset % HOLD_CHUNK;

    ovs_assert(slot->chunks[i] && slot->chunks[i] <= HOLD_N_CHUNKS);
    *ret_n = MIN(n, HOLD_CHUNK - within);
    return &h->file->chunks[slot->chunks[i] - 1][within];
}

bool
hold_put(struct hold *h, struct hold_slot *slot, uint64_t base, uint64_t from,
         struct slice bytes)
{
    uint64_t to = from + bytes.size;
    struct spans spans = slot->spans;

    if (from < base || to > base + HOLD_WINDOW
        || !spans_add(&spans, from, to)) {
        return false;
    }
    uint32_t n_missing = 0;
    for (uint64_t c = from / HOLD_CHUNK; c * HOLD_CHUNK < to; c++) {
        n_missing += !slot->chunks[c % HOLD_WINDOW_CHUNKS];
    }
    if (n_missing > h->n_free_chunks) {
        return false;
    }
    for (uint64_t c = from / HOLD_CHUNK; c * HOLD_CHUNK < to; c++) {
        size_t i = c % HOLD_WINDOW_CHUNKS;
        if (!slot->chunks[i]) {
            slot->chunks[i] = h->free_chunks[--h->n_free_chunks] + 1;
            add_chunks(h, slot, 1);
        }
    }

    size_t done = 0;
    while (done < bytes.size) {
        size_t n;
        uint8_t *p = chunk_at(h, slot, from + done, bytes.size - done, &n);
        memcpy(p, &bytes.data[done], n);
        done += n;
    }
    slot->spans = spans;
    return true;
}

struct slice
hold_get(struct hold *h, const struct hold_slot *slot, uint64_t from,
         uint64_t to)
{
    size_t size = MIN(to - from, HOLD_WINDOW), done = 0, n;

    if (!size) {
        return slice_of(NULL, 0);
    }
    const uint8_t *p = chunk_at(h, slot, from, size, &n);
    if (n == size) {
        return slice_of(p, size);
    }
    while (done < size) {
        p = chunk_at(h, slot, from + done, size - done, &n);
        memcpy(&h->scratch[done], p, n);
        done += n;
    }
    return slice_of(h->scratch, size);
}

uint64_t
hold_search(const struct hold *h, const struct hold_slot *slot, uint64_t from,
            uint64_t to, uint8_t byte)
{
    while (from < to) {
        size_t n;
        const uint8_t *p = chunk_at(h, slot, from, to - from, &n);
        const uint8_t *hit = memchr(p, byte, n);
        if (hit) {
            return from + (hit - p);
        }
        from += n;
    }
    return to;
}

void
hold_forget(struct hold *h, struct hold_slot *slot, uint64_t base)
{
    bool keep[HOLD_WINDOW_CHUNKS] = { false };

    if (!slot->n_chunks) {
        slot->spans.n = 0;
        return;
    }
    spans_forget(&slot->spans, base);
    for (uint32_t i = 0; i < slot->spans.n; i++) {
        const struct span *s = &slot->spans.ranges[i];
        for (uint64_t c = s->from / HOLD_CHUNK; c * HOLD_CHUNK < s->to; c++) {
            keep[c % HOLD_WINDOW_CHUNKS] = true;
        }
    }
    for (size_t i = 0; i < HOLD_WINDOW_CHUNKS; i++) {
        if (!keep[i]) {
            drop_chunk(h, slot, i);
        }
    }
}

struct hold_slot *
hold_oldest(struct hold *h)
{
    return oldest_of(h, &h->all, HOLD_OF_ALL);
}

static struct hold_slot *
due_slot(struct hold *h, struct ovs_list *node)
{
    if (node == &h->due) {
        return NULL;
    }
    struct hold_index *x = CONTAINER_OF(node, struct hold_index, due_node);
    return &h->file->slots[x - h->index];
}

struct hold_slot *
hold_first_due(struct hold *h)
{
    return due_slot(h, h->due.next);
}

struct hold_slot *
hold_next_due(struct hold *h, struct hold_slot *slot)
{
    return due_slot(h, h->index[hold_number(h, slot)].due_node.next);
}

uint32_t
hold_n_slots(const struct hold *h)
{
    return h->all.n_slots;
}
