/* SPDX-License-Identifier: Apache-2.0
 *
 * Stage 6, enrich: finds what was known about the VM when the switch saw the
 * line, in the mapped snapshot, by the VM's UUID, else by its MAC address,
 * else by its IP address.  No line waits for it: one whose VM is not known
 * goes on as pending.
 *
 * In: 'source', 'meta', 'inner', 'switch_ns' of a record.
 * Out: 'context_sets'; 'look', one of the source's, which is found again for each new snapshot
 * and for lines of other times; the VM's name in the source's figures. */
#ifndef SLUICE_ENRICH_H
#define SLUICE_ENRICH_H 1

#include "s3-account.h"

struct context_policy;
struct enrich;

/* 'path' names the snapshot; it need not exist yet.  Null: no context.  Takes
 * 'policy', which says what becomes of it. */
struct enrich *enrich_create(const char *path, struct context_policy *policy,
                             struct intake_stats *stats);
void enrich_destroy(struct enrich *);

/* Maps a newer snapshot, if there is one.  Called before each burst of packets;
 * 'now' is time_msec().  A snapshot that is mapped is good for 100 ms; while
 * there is none, each call looks for the first. */
void enrich_refresh(struct enrich *, long long int now);

void enrich_run(struct enrich *, struct record *rec);

/* Decides which of the values in 'rec''s look its line gets: all that the
 * tenant may see if a client rule asks for them, else those of the policy's
 * sets. */
void enrich_choose(struct record *rec);

/* Goes on with '*policy', which it takes, and sets it to null. */
void enrich_use(struct enrich *, struct context_policy **policy);

/* From now on, a VM of which nothing is known has the name 'name', which is
 * borrowed. */
void enrich_assume(struct enrich *, const char *name);

/* Notes that there is nothing to be known about 'rec''s source, which is no
 * VM. */
void enrich_skip(const struct enrich *, struct record *rec);

#endif /* proxy-vm/intake/s6-enrich.h */
