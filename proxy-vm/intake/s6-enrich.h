/* SPDX-License-Identifier: Apache-2.0
 *
 * Stage 6, enrich: finds what is known about the VM, in the mapped snapshot,
 * by its UUID, else by its MAC address.  No line waits for it: one whose VM is
 * not known goes on as pending.
 *
 * In: 'source', 'inner' of a record.
 * Out: the source's context, looked up again for each new snapshot. */
#ifndef SLUICE_ENRICH_H
#define SLUICE_ENRICH_H 1

#include "s3-account.h"

struct enrich;

/* 'path' names the snapshot; it need not exist yet.  Null: no context. */
struct enrich *enrich_create(const char *path, struct intake_stats *stats);
void enrich_destroy(struct enrich *);

/* Maps a newer snapshot, if there is one.  Called before each burst of packets;
 * 'now' is time_msec().  A snapshot that is mapped is good for 100 ms; while
 * there is none, each call looks for the first. */
void enrich_refresh(struct enrich *, long long int now);

void enrich_run(struct enrich *, struct record *rec);

#endif /* proxy-vm/intake/s6-enrich.h */
