/* SPDX-License-Identifier: Apache-2.0
 *
 * The context snapshot: builds and publishes it.  See context-snapshot.h.
 *
 * In: keys and serialized VmContexts.  Out: the file.
 * Runs in: sluice-context. */
#include "snapshot-private.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "durable.h"

struct snapshot_builder *
snapshot_builder_create(void)
{
    struct snapshot_builder *b
        = sodium_init() < 0 ? NULL : calloc(1, sizeof *b);

    if (b) {
        for (int kind = 0; kind < N_KEY_KINDS; kind++) {
            b->tables[kind].kind = kind;
        }
        randombytes_buf(b->hash_key, sizeof b->hash_key);
    }
    return b;
}

void
snapshot_builder_destroy(struct snapshot_builder *b)
{
    if (b) {
        for (int kind = 0; kind < N_KEY_KINDS; kind++) {
            free(b->tables[kind].slots);
        }
        free(b->body);
        free(b);
    }
}

uint8_t *
table_slot(const struct table *t, const uint8_t *hash_key, const uint8_t *key)
{
    if (t->n_slots) {
        uint64_t start = snapshot_hash(hash_key, key, key_size(t->kind));

        for (size_t i = 0; i < SNAPSHOT_MAX_PROBES; i++) {
            uint8_t *slot = (t->slots + ((start + i) & (t->n_slots - 1))
                             * slot_size(t->kind));
            struct span span = slot_span(slot, t->kind);

            if (span_is_free(&span)
                || !memcmp(slot, key, key_size(t->kind))) {
                return slot;
            }
        }
    }
    return NULL;
}

static bool
table_has(const struct table *t, const uint8_t *hash_key, const uint8_t *key)
{
    const uint8_t *slot = table_slot(t, hash_key, key);

    if (slot) {
        struct span span = slot_span(slot, t->kind);
        return !span_is_free(&span);
    }
    return false;
}

/* Puts 'key', which must not be in the table, into its slot.  Returns false if
 * the table is to be made larger first. */
static bool
table_put(struct table *t, const uint8_t *hash_key, const uint8_t *key,
          const struct span *span)
{
    uint8_t *slot = table_slot(t, hash_key, key);

    if (slot) {
        memcpy(slot, key, key_size(t->kind));
        put_span(slot_span_at(slot, t->kind), span);
        t->n_used++;
    }
    return slot != NULL;
}

/* Makes the table twice as large, or larger still if not all its keys find a
 * place in that. */
static int
table_grow(struct table *t, const uint8_t *hash_key)
{
    struct table new = { .kind = t->kind, .n_slots = t->n_slots };
    bool fits;

    do {
        free(new.slots);
        new.n_slots = new.n_slots ? new.n_slots * 2 : MIN_SLOTS;
        new.n_used = 0;
        new.slots = calloc(new.n_slots, slot_size(new.kind));
        if (!new.slots) {
            return ENOMEM;
        }

        fits = true;
        for (size_t i = 0; i < t->n_slots && fits; i++) {
            const uint8_t *slot = t->slots + i * slot_size(t->kind);
            struct span span = slot_span(slot, t->kind);

            fits = (span_is_free(&span)
                    || table_put(&new, hash_key, slot, &span));
        }
    } while (!fits);

    free(t->slots);
    *t = new;
    return 0;
}

int
table_add(struct table *t, const uint8_t *hash_key, const uint8_t *key,
          const struct span *span)
{
    while (t->n_used >= t->n_slots / 2
           || !table_put(t, hash_key, key, span)) {
        int error = table_grow(t, hash_key);
        if (error) {
            return error;
        }
    }
    return 0;
}

int
builder_append(struct snapshot_builder *b, const void *header,
               size_t header_size, const void *data, size_t size,
               uint32_t *ret)
{
    size_t used = header_size + size;
    size_t end = b->body_size + (used + UNIT - 1) / UNIT * UNIT;

    if ((HEADER_SIZE + end) / UNIT > UINT32_MAX) {
        return EFBIG;
    }
    if (end > b->body_allocated) {
        uint8_t *body = realloc(b->body, end * 2);
        if (!body) {
            return ENOMEM;
        }
        b->body = body;
        b->body_allocated = end * 2;
    }

    uint8_t *p = b->body + b->body_size;
    memcpy(p, header, header_size);
    if (size) {
        memcpy(p + header_size, data, size);
    }
    memset(p + used, 0, end - b->body_size - used);
    *ret = (HEADER_SIZE + b->body_size) / UNIT;
    b->body_size = end;
    return 0;
}

int
builder_append_record(struct snapshot_builder *b, struct slice record,
                      uint32_t *ret)
{
    uint8_t header[RECORD_HEADER_SIZE];

    put_be32(header, record.size);
    return builder_append(b, header, sizeof header, record.data, record.size,
                          ret);
}

/* Has the record that was added last be found by 'key' as well. */
static int
add_key(struct snapshot_builder *b, enum key_kind kind, const uint8_t *key)
{
    const struct span span = { .record = b->last_record };
    int error = table_add(&b->tables[kind], b->hash_key, key, &span);

    if (error) {
        b->error = error;
    }
    return error;
}

static bool
has_key(const struct snapshot_builder *b, enum key_kind kind,
        const uint8_t *key)
{
    return table_has(&b->tables[kind], b->hash_key, key);
}

int
snapshot_builder_add(struct snapshot_builder *b, const uint8_t vm[16],
                     const uint8_t (*macs)[6], size_t n_macs,
                     struct slice record)
{
    if ((!vm && !n_macs) || n_macs > SNAPSHOT_MAX_MACS
        || record.size > SNAPSHOT_MAX_RECORD || b->has_history) {
        return EINVAL;
    }
    if (vm && has_key(b, KEY_VM, vm)) {
        return EEXIST;
    }
    for (size_t i = 0; i < n_macs; i++) {
        if (has_key(b, KEY_MAC, macs[i])) {
            return EEXIST;
        }
        for (size_t j = 0; j < i; j++) {
            if (!memcmp(macs[i], macs[j], sizeof *macs)) {
                return EEXIST;
            }
        }
    }

    b->last_record = 0;
    int error = builder_append_record(b, record, &b->last_record);
    b->n_records += !error;
    if (!error && vm) {
        error = add_key(b, KEY_VM, vm);
    }
    for (size_t i = 0; i < n_macs && !error; i++) {
        error = add_key(b, KEY_MAC, macs[i]);
    }
    if (error) {
        b->error = error;
    }
    return error;
}

int
snapshot_builder_add_host(struct snapshot_builder *b, const uint8_t vtep[16],
                          const uint8_t vm[16], const uint8_t (*macs)[6],
                          size_t n_macs, struct slice record)
{
    uint8_t keys[1 + SNAPSHOT_MAX_MACS][SNAPSHOT_HOST_KEY];
    size_t n = 0;

    if ((!vm && !n_macs) || n_macs > SNAPSHOT_MAX_MACS
        || record.size > SNAPSHOT_MAX_RECORD || b->has_history) {
        return EINVAL;
    }
    if (vm) {
        snapshot_host_key(keys[n++], vtep, vm, 16);
    }
    for (size_t i = 0; i < n_macs; i++) {
        snapshot_host_key(keys[n++], vtep, macs[i], sizeof macs[i]);
    }
    for (size_t i = 0; i < n; i++) {
        if (has_key(b, KEY_HOST, keys[i])) {
            return EEXIST;
        }
        for (size_t j = 0; j < i; j++) {
            if (!memcmp(keys[i], keys[j], sizeof keys[i])) {
                return EEXIST;
            }
        }
    }

    b->last_record = 0;
    int error = builder_append_record(b, record, &b->last_record);
    b->n_records += !error;
    for (size_t i = 0; i < n && !error; i++) {
        error = add_key(b, KEY_HOST, keys[i]);
    }
    if (error) {
        b->error = error;
    }
    return error;
}

/* Adds a further key to the record that was added last. */
static int
add_other_key(struct snapshot_builder *b, enum key_kind kind,
              const uint8_t *key)
{
    return (!b->last_record || b->has_history ? EINVAL
            : has_key(b, kind, key) ? EEXIST
            : add_key(b, kind, key));
}

int
snapshot_builder_add_uuid(struct snapshot_builder *b, const uint8_t vm[16])
{
    return add_other_key(b, KEY_VM, vm);
}

int
snapshot_builder_add_ip(struct snapshot_builder *b, uint32_t tenant,
                        const uint8_t ip[16])
{
    uint8_t key[20];

    if (!tenant) {
        return EINVAL;
    }
    memcpy(put_be32(key, tenant), ip, 16);
    return add_other_key(b, KEY_IP, key);
}

void
snapshot_builder_each(const struct snapshot_builder *b,
                      void (*cb)(struct slice record))
{
    size_t offset = 0;

    for (size_t i = 0; i < b->n_records; i++) {
        size_t size = get_be32(b->body + offset);

        cb(slice_of(b->body + offset + RECORD_HEADER_SIZE, size));
        offset += (RECORD_HEADER_SIZE + size + UNIT - 1) / UNIT * UNIT;
    }
}

static int
write_snapshot(const struct snapshot_builder *b, int fd, uint64_t generation)
{
    static const uint8_t zeros[TABLE_ALIGN];
    uint64_t records_end
        = HEADER_SIZE + (b->has_history ? b->records_size : b->body_size);
    uint64_t end = HEADER_SIZE + b->body_size;
    size_t padding = -end % TABLE_ALIGN;
    uint8_t header[HEADER_SIZE] = SNAPSHOT_MAGIC;
    uint8_t *p = put_be64(header + MAGIC_SIZE, generation);
    uint8_t *file_size = p;

    p = put_be32(p + 8, b->n_records);
    p = put_be32(p, b->n_earlier);
    memcpy(p, b->hash_key, HASH_KEY_SIZE);
    p = put_be64(p + HASH_KEY_SIZE, records_end);
    end += padding;
    for (int kind = 0; kind < N_KEY_KINDS; kind++) {
        p = put_be64(p, end);
        p = put_be64(p, b->tables[kind].n_slots);
        end += b->tables[kind].n_slots * slot_size(kind);
    }
    put_be64(file_size, end);

    int error = durable_write(fd, header, sizeof header);
    if (!error) {
        error = durable_write(fd, b->body, b->body_size);
    }
    if (!error) {
        error = durable_write(fd, zeros, padding);
    }
    for (int kind = 0; kind < N_KEY_KINDS && !error; kind++) {
        error = durable_write(fd, b->tables[kind].slots,
                              b->tables[kind].n_slots * slot_size(kind));
    }
    return error;
}

int
snapshot_builder_publish(struct snapshot_builder *b, const char *path,
                         uint64_t generation)
{
    if (b->error) {
        return b->error;
    }

    char temporary[PATH_MAX];
    int n = snprintf(temporary, sizeof temporary, "%s.tmp", path);
    if (n < 0 || (size_t) n >= sizeof temporary) {
        return ENAMETOOLONG;
    }
    /* Left by a writer that was killed, if it is there. */
    if (unlink(temporary) && errno != ENOENT) {
        return errno;
    }

    int fd;
    int error = durable_create(temporary, 0640, &fd);
    if (error) {
        return error;
    }
    return durable_publish(fd, temporary, path,
                           write_snapshot(b, fd, generation));
}
