/* SPDX-License-Identifier: Apache-2.0
 *
 * The context snapshot: builds, publishes and searches it.
 *
 * In: keys and serialized VmContexts; or a snapshot's file, nothing in it
 * trusted.
 * Out: the file; or the record of a key.
 * Runs in: sluice-context (writes), sluice-intake (reads). */
#include "context-snapshot.h"

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <sodium.h>

#include "cursor.h"

#define MAGIC "SLUICEC\x01"     /* The last byte is the format version. */

enum {
    MAGIC_SIZE = 8,
    HEADER_SIZE = 80,
    RECORD_HEADER_SIZE = 4,
    OFFSET_SIZE = 8,
    HASH_KEY_SIZE = crypto_shorthash_KEYBYTES,
    VM_SIZE = 16,
    MAC_SIZE = 6,
    MIN_SLOTS = 16,
};

static uint64_t
get_be64(const uint8_t *p)
{
    uint64_t value;

    memcpy(&value, p, sizeof value);
    return be64toh(value);
}

static uint32_t
get_be32(const uint8_t *p)
{
    uint32_t value;

    memcpy(&value, p, sizeof value);
    return be32toh(value);
}

/* Writes 'value' to 'p' and returns the byte behind it. */
static uint8_t *
put_be64(uint8_t *p, uint64_t value)
{
    value = htobe64(value);
    memcpy(p, &value, sizeof value);
    return p + sizeof value;
}

static uint8_t *
put_be32(uint8_t *p, uint32_t value)
{
    value = htobe32(value);
    memcpy(p, &value, sizeof value);
    return p + sizeof value;
}

/* Bytes of a slot: the key, padded, so that the offset is aligned. */
static inline size_t
slot_size(size_t key_size)
{
    return (key_size + 7) / 8 * 8 + OFFSET_SIZE;
}

static inline uint64_t
slot_offset(const uint8_t *slot, size_t key_size)
{
    return get_be64(slot + slot_size(key_size) - OFFSET_SIZE);
}

/* SipHash under a random key: nobody who can choose a UUID or a MAC can make
 * them meet in one slot. */
static inline uint64_t
hash(const uint8_t hash_key[HASH_KEY_SIZE], const uint8_t *key,
     size_t key_size)
{
    uint8_t h[crypto_shorthash_BYTES];

    crypto_shorthash(h, key, key_size, hash_key);
    return get_be64(h);
}

/* Building. */

/* A table as it will be in the file. */
struct table {
    size_t key_size;
    uint8_t *slots;
    size_t n_slots;             /* A power of two, or 0 at first. */
    size_t n_used;
};

struct snapshot_builder {
    int error;                  /* ENOMEM: incomplete, must not be seen. */
    uint8_t hash_key[HASH_KEY_SIZE];
    uint8_t *records;
    size_t records_size;
    size_t records_allocated;
    size_t n_records;
    struct table vms;
    struct table macs;
};

struct snapshot_builder *
snapshot_builder_create(void)
{
    struct snapshot_builder *b
        = sodium_init() < 0 ? NULL : calloc(1, sizeof *b);

    if (b) {
        b->vms.key_size = VM_SIZE;
        b->macs.key_size = MAC_SIZE;
        randombytes_buf(b->hash_key, sizeof b->hash_key);
    }
    return b;
}

void
snapshot_builder_destroy(struct snapshot_builder *b)
{
    if (b) {
        free(b->records);
        free(b->vms.slots);
        free(b->macs.slots);
        free(b);
    }
}

/* Finds the slot of 'key', or the free one where it belongs.  Returns null if
 * it is not within SNAPSHOT_MAX_PROBES. */
static uint8_t *
table_slot(const struct table *t, const uint8_t *hash_key, const uint8_t *key)
{
    if (t->n_slots) {
        uint64_t start = hash(hash_key, key, t->key_size);

        for (size_t i = 0; i < SNAPSHOT_MAX_PROBES; i++) {
            uint8_t *slot = (t->slots + ((start + i) & (t->n_slots - 1))
                             * slot_size(t->key_size));

            if (!slot_offset(slot, t->key_size)
                || !memcmp(slot, key, t->key_size)) {
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

    return slot && slot_offset(slot, t->key_size);
}

/* Puts 'key', which must not be in the table, into its slot.  Returns false if
 * the table is to be made larger first. */
static bool
table_put(struct table *t, const uint8_t *hash_key, const uint8_t *key,
          uint64_t offset)
{
    uint8_t *slot = table_slot(t, hash_key, key);

    if (slot) {
        memcpy(slot, key, t->key_size);
        put_be64(slot + slot_size(t->key_size) - OFFSET_SIZE, offset);
        t->n_used++;
    }
    return slot != NULL;
}

/* Makes the table twice as large, or larger still if not all its keys find a
 * place in that. */
static int
table_grow(struct table *t, const uint8_t *hash_key)
{
    struct table new = { .key_size = t->key_size, .n_slots = t->n_slots };
    bool fits;

    do {
        free(new.slots);
        new.n_slots = new.n_slots ? new.n_slots * 2 : MIN_SLOTS;
        new.n_used = 0;
        new.slots = calloc(new.n_slots, slot_size(new.key_size));
        if (!new.slots) {
            return ENOMEM;
        }

        fits = true;
        for (size_t i = 0; i < t->n_slots && fits; i++) {
            const uint8_t *slot = t->slots + i * slot_size(t->key_size);
            uint64_t offset = slot_offset(slot, t->key_size);

            fits = !offset || table_put(&new, hash_key, slot, offset);
        }
    } while (!fits);

    free(t->slots);
    *t = new;
    return 0;
}

static int
table_add(struct table *t, const uint8_t *hash_key, const uint8_t *key,
          uint64_t offset)
{
    while (t->n_used >= t->n_slots / 2
           || !table_put(t, hash_key, key, offset)) {
        int error = table_grow(t, hash_key);
        if (error) {
            return error;
        }
    }
    return 0;
}

/* Appends 'record' with its size. */
static int
append_record(struct snapshot_builder *b, struct slice record)
{
    size_t size = b->records_size + RECORD_HEADER_SIZE + record.size;

    if (size > b->records_allocated) {
        uint8_t *records = realloc(b->records, size * 2);
        if (!records) {
            return ENOMEM;
        }
        b->records = records;
        b->records_allocated = size * 2;
    }

    uint8_t *p = put_be32(b->records + b->records_size, record.size);
    if (record.size) {
        memcpy(p, record.data, record.size);
    }
    b->records_size = size;
    b->n_records++;
    return 0;
}

int
snapshot_builder_add(struct snapshot_builder *b, const uint8_t vm[16],
                     const uint8_t (*macs)[6], size_t n_macs,
                     struct slice record)
{
    if ((!vm && !n_macs) || n_macs > SNAPSHOT_MAX_MACS
        || record.size > SNAPSHOT_MAX_RECORD) {
        return EINVAL;
    }
    if (vm && table_has(&b->vms, b->hash_key, vm)) {
        return EEXIST;
    }
    for (size_t i = 0; i < n_macs; i++) {
        if (table_has(&b->macs, b->hash_key, macs[i])) {
            return EEXIST;
        }
        for (size_t j = 0; j < i; j++) {
            if (!memcmp(macs[i], macs[j], MAC_SIZE)) {
                return EEXIST;
            }
        }
    }

    uint64_t offset = HEADER_SIZE + b->records_size;
    int error = append_record(b, record);
    if (!error && vm) {
        error = table_add(&b->vms, b->hash_key, vm, offset);
    }
    for (size_t i = 0; i < n_macs && !error; i++) {
        error = table_add(&b->macs, b->hash_key, macs[i], offset);
    }
    if (error) {
        b->error = error;
    }
    return error;
}

static int
write_all(int fd, const void *data, size_t size)
{
    struct slice rest = slice_of(data, size);

    while (rest.size) {
        ssize_t n = write(fd, rest.data, rest.size);
        if (n < 0 && errno != EINTR) {
            return errno;
        }
        if (n > 0) {
            rest = slice_of(rest.data + n, rest.size - n);
        }
    }
    return 0;
}

static int
write_snapshot(const struct snapshot_builder *b, int fd, uint64_t generation)
{
    size_t vms_size = b->vms.n_slots * slot_size(VM_SIZE);
    size_t macs_size = b->macs.n_slots * slot_size(MAC_SIZE);
    uint64_t vms_offset = HEADER_SIZE + b->records_size;
    uint64_t macs_offset = vms_offset + vms_size;
    uint8_t header[HEADER_SIZE];
    uint8_t *p = header;

    memcpy(p, MAGIC, MAGIC_SIZE);
    p = put_be64(p + MAGIC_SIZE, generation);
    p = put_be64(p, macs_offset + macs_size);
    p = put_be32(p, b->n_records);
    p = put_be32(p, 0);
    memcpy(p, b->hash_key, HASH_KEY_SIZE);
    p = put_be64(p + HASH_KEY_SIZE, vms_offset);
    p = put_be64(p, b->vms.n_slots);
    p = put_be64(p, macs_offset);
    put_be64(p, b->macs.n_slots);

    int error = write_all(fd, header, sizeof header);
    if (!error) {
        error = write_all(fd, b->records, b->records_size);
    }
    if (!error) {
        error = write_all(fd, b->vms.slots, vms_size);
    }
    if (!error) {
        error = write_all(fd, b->macs.slots, macs_size);
    }
    return error;
}

/* Syncs the directory that 'path' is in. */
static int
sync_directory_of(const char *path)
{
    char *copy = strdup(path);
    if (!copy) {
        return ENOMEM;
    }

    int error = 0;
    int fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 || fsync(fd)) {
        error = errno;
    }
    if (fd >= 0) {
        close(fd);
    }
    free(copy);
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
    int fd = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0640);
    if (fd < 0) {
        return errno;
    }

    int error = write_snapshot(b, fd, generation);
    if (!error && fsync(fd)) {
        error = errno;
    }
    if (close(fd) && !error) {
        error = errno;
    }
    if (!error && rename(temporary, path)) {
        error = errno;
    }
    if (error) {
        unlink(temporary);
        return error;
    }
    return sync_directory_of(path);
}

/* Reading. */

/* A table in the file, its bounds checked. */
struct table_view {
    uint64_t offset;
    uint64_t mask;              /* n_slots - 1. */
    bool is_empty;              /* No slots at all. */
};

struct snapshot {
    struct slice file;
    bool is_mapped;             /* 'file' is ours to unmap. */
    dev_t dev;                  /* Identity of the mapped file. */
    ino_t ino;

    /* From the header. */
    uint64_t generation;
    uint32_t n_records;
    uint8_t hash_key[HASH_KEY_SIZE];
    struct table_view vms;
    struct table_view macs;
};

/* Returns the 'size' bytes at 'offset', or null if not all are in the file. */
static inline const uint8_t *
bytes_at(const struct snapshot *s, uint64_t offset, uint64_t size)
{
    return (offset <= s->file.size && size <= s->file.size - offset
            ? s->file.data + offset : NULL);
}

static bool
read_table(const struct snapshot *s, struct cursor *header, size_t key_size,
           struct table_view *t)
{
    t->offset = cursor_be(header, 8);
    uint64_t n_slots = cursor_be(header, 8);

    t->is_empty = !n_slots;
    t->mask = n_slots - 1;
    return (t->offset >= HEADER_SIZE
            && !(n_slots & (n_slots - 1))
            && n_slots <= s->file.size / slot_size(key_size)
            && bytes_at(s, t->offset, n_slots * slot_size(key_size)));
}

static bool
read_header(struct snapshot *s)
{
    struct cursor c = cursor_of(s->file);

    bool ok = slice_equal(cursor_take(&c, MAGIC_SIZE),
                          slice_of(MAGIC, MAGIC_SIZE));
    s->generation = cursor_be(&c, 8);
    ok = cursor_be(&c, 8) == s->file.size && ok;
    s->n_records = cursor_be(&c, 4);
    cursor_take(&c, 4);
    cursor_copy(&c, s->hash_key, sizeof s->hash_key);
    ok = read_table(s, &c, VM_SIZE, &s->vms) && ok;
    ok = read_table(s, &c, MAC_SIZE, &s->macs) && ok;
    return ok && !c.failed;
}

int
snapshot_from_bytes(struct slice bytes, struct snapshot **ret)
{
    struct snapshot *s = calloc(1, sizeof *s);
    if (!s) {
        return ENOMEM;
    }

    s->file = bytes;
    if (!read_header(s)) {
        free(s);
        return EINVAL;
    }
    *ret = s;
    return 0;
}

int
snapshot_open(const char *path, struct snapshot **ret)
{
    /* O_NONBLOCK: opening a FIFO must not hang. */
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) {
        return errno;
    }

    int error = 0;
    struct stat st;
    if (fstat(fd, &st)) {
        error = errno;
        goto out;
    }
    if (!S_ISREG(st.st_mode) || st.st_size < HEADER_SIZE) {
        error = EINVAL;
        goto out;
    }

    void *map = mmap(NULL, st.st_size, PROT_READ, MAP_SHARED, fd, 0);
    if (map == MAP_FAILED) {
        error = errno;
        goto out;
    }
    struct snapshot *s;
    error = snapshot_from_bytes(slice_of(map, st.st_size), &s);
    if (error) {
        munmap(map, st.st_size);
        goto out;
    }
    s->is_mapped = true;
    s->dev = st.st_dev;
    s->ino = st.st_ino;
    *ret = s;

out:
    close(fd);
    return error;
}

void
snapshot_close(struct snapshot *s)
{
    if (s) {
        if (s->is_mapped) {
            munmap((void *) s->file.data, s->file.size);
        }
        free(s);
    }
}

bool
snapshot_is_stale(const struct snapshot *s, const char *path)
{
    struct stat st;

    /* As long as 's' is mapped, no other file can have its inode number. */
    return (!stat(path, &st)
            && (!s || st.st_dev != s->dev || st.st_ino != s->ino));
}

uint64_t
snapshot_generation(const struct snapshot *s)
{
    return s->generation;
}

size_t
snapshot_n_vms(const struct snapshot *s)
{
    return s->n_records;
}

static inline bool
record_at(const struct snapshot *s, uint64_t offset, struct slice *ret)
{
    const uint8_t *header = bytes_at(s, offset, RECORD_HEADER_SIZE);
    if (!header) {
        return false;
    }

    uint32_t size = get_be32(header);
    const uint8_t *data = bytes_at(s, offset + RECORD_HEADER_SIZE, size);
    if (!data || size > SNAPSHOT_MAX_RECORD) {
        return false;
    }
    *ret = slice_of(data, size);
    return true;
}

bool
snapshot_next(const struct snapshot *s, uint64_t *position, struct slice *ret)
{
    uint64_t offset = *position ? *position : HEADER_SIZE;

    if (offset >= s->vms.offset || !record_at(s, offset, ret)) {
        return false;
    }
    *position = offset + RECORD_HEADER_SIZE + ret->size;
    return true;
}

/* 'key_size' is a constant wherever this is called, so that the compiler can
 * make one search of each. */
static inline bool
find(const struct snapshot *s, const struct table_view *t, const uint8_t *key,
     size_t key_size, struct slice *ret)
{
    if (t->is_empty) {
        return false;
    }

    uint64_t start = hash(s->hash_key, key, key_size);
    for (size_t i = 0; i < SNAPSHOT_MAX_PROBES; i++) {
        const uint8_t *slot = bytes_at(s, t->offset + ((start + i) & t->mask)
                                       * slot_size(key_size),
                                       slot_size(key_size));
        uint64_t offset = slot ? slot_offset(slot, key_size) : 0;

        if (!offset) {
            return false;
        }
        if (!memcmp(slot, key, key_size)) {
            return record_at(s, offset, ret);
        }
    }
    return false;
}

bool
snapshot_find_vm(const struct snapshot *s, const uint8_t vm[16],
                 struct slice *ret)
{
    return find(s, &s->vms, vm, VM_SIZE, ret);
}

bool
snapshot_find_mac(const struct snapshot *s, const uint8_t mac[6],
                  struct slice *ret)
{
    return find(s, &s->macs, mac, MAC_SIZE, ret);
}
