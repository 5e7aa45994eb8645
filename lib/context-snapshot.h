/* SPDX-License-Identifier: Apache-2.0
 *
 * The context snapshot: one immutable file, mapped read-only, that finds what
 * is known about a VM by its UUID or by a MAC address.  A record is a
 * serialized VmContext (proto/context.proto), which readers copy as it is.
 *
 *     offset  bytes
 *     0       8     magic "SLUICEC" and the format version, 1
 *     8       8     generation (all integers big-endian)
 *     16      8     size of the whole file
 *     24      4     n_records
 *     28      4     zero
 *     32      16    hash key, random, new for each builder
 *     48      8     offset of the UUID table, and end of the records
 *     56      8     n_slots of the UUID table, a power of two
 *     64      8     offset of the MAC table
 *     72      8     n_slots of the MAC table, a power of two
 *     80            records: a 4-byte size and as many bytes each
 *                   UUID table: slots of a UUID and an offset (16 + 8 bytes)
 *                   MAC table: slots of a MAC, 2 zeros, and an offset
 *
 * A table is open-addressed: a key's slot is the first 8 bytes of its
 * SipHash-2-4 modulo n_slots, or one of the SNAPSHOT_MAX_PROBES - 1 that
 * follow it, around the end.  An offset, of a record's size, is never 0, which
 * says that the slot is free and the search over.  At most half of the slots
 * are taken, and the builder doubles the table rather than exceed the probes:
 * whatever the keys, a look-up costs no more than that.
 *
 * Written beside the old one and renamed over it; a reader notices a new
 * generation by the file's identity (device, inode), and may go on with the
 * old one as long as it likes.  A reader trusts nothing in the file: each
 * offset is checked, when the file is opened and at each look-up.  Only a file
 * that is made shorter in place, which no writer of ours does, can hurt it.
 *
 * Runs in: sluice-context (writes), sluice-intake (reads). */
#ifndef SLUICE_CONTEXT_SNAPSHOT_H
#define SLUICE_CONTEXT_SNAPSHOT_H 1

#include "slice.h"

enum {
    SNAPSHOT_MAX_PROBES = 128,      /* Slots that a look-up visits. */
    SNAPSHOT_MAX_RECORD = 64 * 1024, /* Bytes. */
    SNAPSHOT_MAX_MACS = 256,        /* Of one record. */
};

/* Building. */
struct snapshot_builder;

/* Returns an empty builder, which the caller owns, or null if there is no
 * memory or no source of random numbers. */
struct snapshot_builder *snapshot_builder_create(void);
void snapshot_builder_destroy(struct snapshot_builder *);

/* Adds a record, copied.  Returns 0, or EEXIST (the UUID or a MAC is there
 * already) or EINVAL (no key at all, or a record or MACs beyond the limits
 * above) and adds nothing.  'vm' may be null if there is a MAC.  After ENOMEM
 * the builder can only be destroyed: publishing fails too. */
int snapshot_builder_add(struct snapshot_builder *, const uint8_t vm[16],
                         const uint8_t (*macs)[6], size_t n_macs,
                         struct slice record);

/* Writes the snapshot to 'path' by way of PATH.tmp, synced and renamed, for
 * owner and group to read.  Returns 0 when the snapshot would survive a power
 * cut, or a positive errno: then the old one is in place or, if only its
 * directory could not be synced, the new one.  One writer at a time: the
 * caller sees to it. */
int snapshot_builder_publish(struct snapshot_builder *, const char *path,
                             uint64_t generation);

/* Reading. */
struct snapshot;

/* Maps the snapshot at 'path'.  Returns 0 and the snapshot, which the caller
 * owns, or a positive errno (EINVAL: not a snapshot, or of another version).*/
int snapshot_open(const char *path, struct snapshot **ret);

/* The same of bytes in memory, borrowed until the snapshot is closed. */
int snapshot_from_bytes(struct slice bytes, struct snapshot **ret);
void snapshot_close(struct snapshot *);

/* Returns true if 'path' now names another file than 's' (null: none) maps;
 * false if it names none. */
bool snapshot_is_stale(const struct snapshot *s, const char *path);

uint64_t snapshot_generation(const struct snapshot *);
size_t snapshot_n_vms(const struct snapshot *);

/* Takes the records one by one, in the order in which they were added.
 * '*position' is 0 at first and belongs to this function from then on.
 * Returns true and '*ret' (into the mapping), or false at the end. */
bool snapshot_next(const struct snapshot *, uint64_t *position,
                   struct slice *ret);

/* Finds a record: true and '*ret' (into the mapping), or false. */
bool snapshot_find_vm(const struct snapshot *, const uint8_t vm[16],
                      struct slice *ret);
bool snapshot_find_mac(const struct snapshot *, const uint8_t mac[6],
                       struct slice *ret);

#endif /* lib/context-snapshot.h */
