/* SPDX-License-Identifier: Apache-2.0
 *
 * What the parts of the context snapshot share: context-snapshot-build.c makes
 * one, context-history.c takes over what an earlier one knew,
 * context-snapshot.c searches it.  Nobody else includes this. */
#ifndef SLUICE_SNAPSHOT_PRIVATE_H
#define SLUICE_SNAPSHOT_PRIVATE_H 1

#include <endian.h>
#include <sys/types.h>

#include <sodium.h>

#include "context-snapshot.h"

#define SNAPSHOT_MAGIC "SLUICEC\x02" /* The last byte is the version. */

enum {
    MAGIC_SIZE = 8,
    HEADER_SIZE = 128,
    RECORD_HEADER_SIZE = 4,
    HASH_KEY_SIZE = crypto_shorthash_KEYBYTES,
    UNIT = 8,                   /* Of offsets. */
    TABLE_ALIGN = 64,           /* So that no slot begins in a cache line and
                                 * ends in another. */
    SPAN_SIZE = 16,
    SNAPSHOT_HOST_KEY = 32,
    MIN_SLOTS = 16,
};

/* By what a record is found. */
enum key_kind {
    KEY_VM,                     /* UUID. */
    KEY_MAC,
    KEY_IP,                     /* Tenant, 4 bytes, and address, 16. */
    KEY_HOST,                   /* VTEP, 16 bytes, and UUID, 16, or MAC. */
    N_KEY_KINDS
};

/* Bytes of a key, and of a slot: the key, padded, and a span. */
static inline size_t
key_size(enum key_kind kind)
{
    return (kind == KEY_VM ? 16 : kind == KEY_MAC ? 6 : kind == KEY_IP ? 20
            : SNAPSHOT_HOST_KEY);
}

static inline size_t
slot_size(enum key_kind kind)
{
    return (key_size(kind) + 7) / 8 * 8 + SPAN_SIZE;
}

/* From when on a key has which record. */
struct span {
    uint64_t from_ns;
    uint32_t record;            /* In units; 0: none. */
    uint32_t earlier;           /* What was before: a span, in units; 0. */
};

static inline uint64_t
get_be64(const uint8_t *p)
{
    uint64_t value;

    memcpy(&value, p, sizeof value);
    return be64toh(value);
}

static inline uint32_t
get_be32(const uint8_t *p)
{
    uint32_t value;

    memcpy(&value, p, sizeof value);
    return be32toh(value);
}

/* Writes 'value' to 'p' and returns the byte behind it. */
static inline uint8_t *
put_be64(uint8_t *p, uint64_t value)
{
    value = htobe64(value);
    memcpy(p, &value, sizeof value);
    return p + sizeof value;
}

static inline uint8_t *
put_be32(uint8_t *p, uint32_t value)
{
    value = htobe32(value);
    memcpy(p, &value, sizeof value);
    return p + sizeof value;
}

static inline struct span
get_span(const uint8_t *p)
{
    return (struct span) {
        .from_ns = get_be64(p),
        .record = get_be32(p + 8),
        .earlier = get_be32(p + 12),
    };
}

static inline void
put_span(uint8_t *p, const struct span *span)
{
    put_be32(put_be32(put_be64(p, span->from_ns), span->record),
             span->earlier);
}

/* Where the span of a slot is, and what it says. */
static inline uint8_t *
slot_span_at(uint8_t *slot, enum key_kind kind)
{
    return slot + slot_size(kind) - SPAN_SIZE;
}

static inline struct span
slot_span(const uint8_t *slot, enum key_kind kind)
{
    return get_span(slot + slot_size(kind) - SPAN_SIZE);
}

/* Returns true if no key was ever here. */
static inline bool
span_is_free(const struct span *span)
{
    return !span->record && !span->earlier;
}

/* SipHash under a random key: nobody who can choose a UUID or a MAC can make
 * them meet in one slot. */
static inline uint64_t
snapshot_hash(const uint8_t hash_key[HASH_KEY_SIZE], const uint8_t *key,
              size_t size)
{
    uint8_t h[crypto_shorthash_BYTES];

    crypto_shorthash(h, key, size, hash_key);
    return get_be64(h);
}

/* Makes the key of what the host at 'vtep' alone says about a UUID or MAC of
 * 'size' bytes.  Returns 'key'. */
static inline uint8_t *
snapshot_host_key(uint8_t key[SNAPSHOT_HOST_KEY], const uint8_t vtep[16],
                  const uint8_t *vm_or_mac, size_t size)
{
    memset(key, 0, SNAPSHOT_HOST_KEY);
    memcpy(key, vtep, 16);
    memcpy(key + 16, vm_or_mac, size);
    return key;
}

/* Building. */

/* A table as it will be in the file. */
struct table {
    enum key_kind kind;
    uint8_t *slots;
    size_t n_slots;             /* A power of two, or 0 at first. */
    size_t n_used;
};

struct snapshot_builder {
    int error;                  /* ENOMEM: incomplete, must not be seen. */
    uint8_t hash_key[HASH_KEY_SIZE];
    uint8_t *body;              /* What stands behind the header. */
    size_t body_size;           /* A multiple of UNIT. */
    size_t body_allocated;
    size_t n_records;
    uint32_t last_record;       /* The latest, in units; 0: there is none. */
    bool has_history;           /* Nothing can be added any more. */
    size_t records_size;        /* Of 'body', once it has a history: may be 0,
                                 * where no VM is known any more. */
    size_t n_earlier;           /* Records behind those. */
    struct table tables[N_KEY_KINDS];
};

/* Appends 'size' bytes at 'data' behind 'header_size' at 'header', then zeros
 * up to a unit.  Returns 0 and where they are, in units, or ENOMEM, or EFBIG
 * where units do not reach. */
int builder_append(struct snapshot_builder *, const void *header,
                   size_t header_size, const void *data, size_t size,
                   uint32_t *ret);

/* Appends a record, likewise. */
int builder_append_record(struct snapshot_builder *, struct slice record,
                          uint32_t *ret);

/* Finds the slot of 'key', or the free one where it belongs.  Returns null if
 * it is not within SNAPSHOT_MAX_PROBES. */
uint8_t *table_slot(const struct table *, const uint8_t *hash_key,
                    const uint8_t *key);

/* Adds a key that is not there.  Returns 0 or ENOMEM. */
int table_add(struct table *, const uint8_t *hash_key, const uint8_t *key,
              const struct span *);

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
    uint32_t n_earlier;
    uint8_t hash_key[HASH_KEY_SIZE];
    uint64_t history_offset;    /* End of the records. */
    struct table_view tables[N_KEY_KINDS];
};

/* Returns the 'size' bytes at 'offset', or null if not all are in the file. */
static inline const uint8_t *
snapshot_bytes_at(const struct snapshot *s, uint64_t offset, uint64_t size)
{
    return (offset <= s->file.size && size <= s->file.size - offset
            ? s->file.data + offset : NULL);
}

static inline bool
snapshot_record_at(const struct snapshot *s, uint64_t offset,
                   struct slice *ret)
{
    const uint8_t *header = snapshot_bytes_at(s, offset, RECORD_HEADER_SIZE);
    if (!header) {
        return false;
    }

    uint32_t size = get_be32(header);
    const uint8_t *data = snapshot_bytes_at(s, offset + RECORD_HEADER_SIZE,
                                            size);
    if (!data || size > SNAPSHOT_MAX_RECORD) {
        return false;
    }
    *ret = slice_of(data, size);
    return true;
}

/* Reads the span at 'offset', which is in units. */
static inline bool
snapshot_span_at(const struct snapshot *s, uint32_t offset, struct span *ret)
{
    const uint8_t *p = snapshot_bytes_at(s, (uint64_t) offset * UNIT,
                                         SPAN_SIZE);

    if (p) {
        *ret = get_span(p);
    }
    return p != NULL;
}

#endif /* lib/snapshot-private.h */
