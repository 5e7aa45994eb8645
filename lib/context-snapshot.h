/* SPDX-License-Identifier: Apache-2.0
 *
 * The context snapshot: one immutable file, mapped read-only, that finds what
 * is known about a VM by its UUID, by a MAC address or by an IP address of its
 * tenant, now and as of an earlier time.  A record is a serialized VmContext
 * (proto/context.proto), which readers copy as it is.
 *
 *     offset  bytes
 *     0       8     magic "SLUICEC" and the format version, 2
 *     8       8     generation (all integers big-endian)
 *     16      8     size of the whole file
 *     24      4     n_records
 *     28      4     n_earlier
 *     32      16    hash key, random, new for each builder
 *     48      8     offset of the history, and end of the records
 *     56      8     offset of the UUID table
 *     64      8     n_slots of the UUID table, a power of two
 *     72      16    likewise of the MAC table
 *     88      16    likewise of the IP table
 *     104     16    likewise of the hosts' table; 0: there is none
 *     120     8     zeros
 *     128           records: a 4-byte size and as many bytes each, padded to 8
 *                   history: n_earlier such records, among them spans
 *                   (up to a multiple of 64) UUID table: slots of a UUID and
 *                   a span (16 + 16 bytes)
 *                   MAC table: slots of a MAC, 2 zeros, and a span
 *                   IP table: slots of a tenant (4 bytes), an address (16,
 *                   IPv4 as ::ffff:a.b.c.d), 4 zeros, and a span
 *                   hosts' table: slots of a VTEP (16, likewise), a UUID (or a
 *                   MAC and 10 zeros), and a span
 *
 *     span    8     from when on (Unix epoch, ns); 0: as far back as is known
 *             4     offset of the record, in units of 8 bytes; 0: none
 *             4     offset of the span before it, likewise; 0: none
 *
 * What a hypervisor alone says about a VM is found by the key and the VTEP of
 * that, so that hosts are out of each other's way.
 *
 * Each key has a chain of spans, and so its own history: a MAC address that
 * moves from one VM to another is the first one's until then.  The span in the
 * slot is the latest; where it has no record the key is nobody's any more.  A
 * slot without record and without span before it is free.
 *
 * A table is open-addressed: a key's slot is the first 8 bytes of its
 * SipHash-2-4 modulo n_slots, or one of the SNAPSHOT_MAX_PROBES - 1 that
 * follow it, around the end; a free slot ends the search.  At most half of the
 * slots are taken, and the builder doubles the table rather than exceed the
 * probes: whatever the keys, a look-up costs no more than that, and
 * SNAPSHOT_MAX_VERSIONS steps back in time.
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
    SNAPSHOT_MAX_VERSIONS = 8,      /* Earlier spans of one key. */
    SNAPSHOT_MAX_HISTORY = 16 * 1024 * 1024, /* Bytes of all. */
    SNAPSHOT_MAX_HOST_HISTORY = 512 * 1024, /* Of those of one host alone. */
    SNAPSHOT_MAX_BARE = 128 * 1024, /* Keys remembered as somebody's once. */
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

/* Adds a record that is found for lines from 'vtep' only, by its UUID, which
 * may be null, and MACs.  Returns as above. */
int snapshot_builder_add_host(struct snapshot_builder *,
                              const uint8_t vtep[16], const uint8_t vm[16],
                              const uint8_t (*macs)[6], size_t n_macs,
                              struct slice record);

/* Has the record that was added last be found by another UUID as well.
 * Returns as above; EINVAL: there is no record. */
int snapshot_builder_add_uuid(struct snapshot_builder *, const uint8_t vm[16]);

/* The same by an IP address of 'tenant', which is not 0. */
int snapshot_builder_add_ip(struct snapshot_builder *, uint32_t tenant,
                            const uint8_t ip[16]);

struct snapshot;

/* Takes over what 'earlier' knew, as what was so until 'now_ns': of each key
 * whose record is another one now, as context_is_same() has it, or that has
 * none any more.  What ended 'max_age_ns' ago is forgotten, and so is what is
 * beyond the limits above: a key of which this is so is remembered as nobody's
 * all the same.  Nothing can be added afterwards.  Returns 0 and
 * how many keys lost some of theirs for want of room, or a positive errno,
 * after which the builder can only be destroyed. */
int snapshot_builder_inherit(struct snapshot_builder *,
                             const struct snapshot *earlier, uint64_t now_ns,
                             uint64_t max_age_ns, size_t *ret_n_dropped);

/* Calls 'cb' for each record, in the order in which they were added. */
void snapshot_builder_each(const struct snapshot_builder *,
                           void (*cb)(struct slice record));

/* Writes the snapshot to 'path' by way of PATH.tmp, synced and renamed, for
 * owner and group to read.  Returns 0 when the snapshot would survive a power
 * cut, or a positive errno: then the old one is in place or, if only its
 * directory could not be synced, the new one.  One writer at a time: the
 * caller sees to it. */
int snapshot_builder_publish(struct snapshot_builder *, const char *path,
                             uint64_t generation);

/* Reading. */

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

/* How many records there are of what was earlier. */
size_t snapshot_n_earlier(const struct snapshot *);

/* Finds the record that a key has: true and '*ret' (into the mapping), or
 * false. */
bool snapshot_find_vm(const struct snapshot *, const uint8_t vm[16],
                      struct slice *ret);
bool snapshot_find_mac(const struct snapshot *, const uint8_t mac[6],
                       struct slice *ret);

/* What was found, and for which times that is so. */
struct snapshot_found {
    struct slice record;        /* Into the mapping. */
    uint64_t from_ns;           /* Unix epoch; 0: as far back as is known. */
    uint64_t until_ns;          /* Not any more then; UINT64_MAX: it is. */
};

/* Find the record that a key had at 'at_ns' (Unix epoch).  Return true, or
 * false and for which times around 'at_ns' there is none. */
bool snapshot_find_vm_at(const struct snapshot *, const uint8_t vm[16],
                         uint64_t at_ns, struct snapshot_found *ret);
bool snapshot_find_mac_at(const struct snapshot *, const uint8_t mac[6],
                          uint64_t at_ns, struct snapshot_found *ret);
bool snapshot_find_ip_at(const struct snapshot *, uint32_t tenant,
                         const uint8_t ip[16], uint64_t at_ns,
                         struct snapshot_found *ret);

/* The same of what the host at 'vtep' alone says. */
bool snapshot_find_host_vm_at(const struct snapshot *, const uint8_t vtep[16],
                              const uint8_t vm[16], uint64_t at_ns,
                              struct snapshot_found *ret);
bool snapshot_find_host_mac_at(const struct snapshot *,
                               const uint8_t vtep[16], const uint8_t mac[6],
                               uint64_t at_ns, struct snapshot_found *ret);

/* The same of a VM by its first key: its UUID, or where that is empty its MAC;
 * if 'vtep' is not empty, of what the host there alone says. */
bool snapshot_find_first_at(const struct snapshot *, struct slice vtep,
                            struct slice vm, struct slice mac, uint64_t at_ns,
                            struct snapshot_found *ret);

/* Takes the UUIDs and MAC addresses that are nobody's any more one by one,
 * where they had a record at 'at_ns': true, that record and the key (both into
 * the mapping), or false at the end.  '*position' is as above. */
bool snapshot_next_gone(const struct snapshot *, uint64_t *position,
                        uint64_t at_ns, struct slice *ret_record,
                        struct slice *ret_key);

/* Returns false if snapshot_find_ip_at() never finds anything. */
bool snapshot_has_ips(const struct snapshot *);

#endif /* lib/context-snapshot.h */
