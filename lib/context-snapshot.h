/* SPDX-License-Identifier: Apache-2.0
 *
 * The context snapshot: one immutable file, mapped read-only, that finds what
 * is known about a VM by its UUID or by a MAC address.  A record is a
 * serialized VmContext (proto/context.proto), which readers copy as it is.
 *
 * Written beside the old one and renamed over it; a reader notices a new
 * generation by the file's identity (device, inode).  A reader trusts nothing
 * in the file: each offset is checked.
 *
 * Runs in: sluice-context (writes), sluice-intake (reads). */
#ifndef SLUICE_CONTEXT_SNAPSHOT_H
#define SLUICE_CONTEXT_SNAPSHOT_H 1

#include "slice.h"

/* Building. */
struct snapshot_builder;
struct snapshot_builder *snapshot_builder_create(void);
void snapshot_builder_destroy(struct snapshot_builder *);

/* Adds a record, copied.  Returns 0, or EEXIST (the UUID or a MAC is there
 * already) or EINVAL (no key at all, or a record over 64 KiB) and adds
 * nothing.  'vm' may be null if there is a MAC. */
int snapshot_builder_add(struct snapshot_builder *, const uint8_t vm[16],
                         const uint8_t (*macs)[6], size_t n_macs,
                         struct slice record);

/* Writes the snapshot to 'path' by way of a temporary file, synced and
 * renamed.  Returns 0 or a positive errno. */
int snapshot_builder_publish(struct snapshot_builder *, const char *path,
                             uint64_t generation);

/* Reading. */
struct snapshot;

/* Maps the snapshot at 'path'.  Returns 0 and the snapshot, which the caller
 * owns, or a positive errno (EINVAL: not a snapshot, or of another version).*/
int snapshot_open(const char *path, struct snapshot **ret);
void snapshot_close(struct snapshot *);

/* Returns true if 'path' now names another file than 's' (null: none) maps. */
bool snapshot_is_stale(const struct snapshot *s, const char *path);

uint64_t snapshot_generation(const struct snapshot *);
size_t snapshot_n_vms(const struct snapshot *);

/* Finds a record: true and '*ret' (into the mapping), or false. */
bool snapshot_find_vm(const struct snapshot *, const uint8_t vm[16],
                      struct slice *ret);
bool snapshot_find_mac(const struct snapshot *, const uint8_t mac[6],
                       struct slice *ret);

#endif /* lib/context-snapshot.h */
