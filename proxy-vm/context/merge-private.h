/* SPDX-License-Identifier: Apache-2.0
 *
 * What the parts of merging share: merge.c finds out which entries are of one
 * VM, merge-record.c makes its record of them.  Nobody else includes this. */
#ifndef SLUICE_MERGE_PRIVATE_H
#define SLUICE_MERGE_PRIVATE_H 1

#include "merge.h"
#include "openvswitch/hmap.h"
#include "openvswitch/list.h"

enum {
    UUID_SIZE = 16,
    MAC_SIZE = 6,
    IP_SIZE = 16,
    VTEP_SIZE = 16,
    HOST_UUID_SIZE = VTEP_SIZE + UUID_SIZE, /* Of what a host claims. */
    HOST_MAC_SIZE = VTEP_SIZE + MAC_SIZE,
};

struct source {
    char *name;
    enum source_rank rank;
    bool is_stale;
    struct merge_sums sums;
};

/* What one source says about one VM. */
struct entry {
    struct ovs_list node;       /* In the record's 'entries'. */
    size_t source;              /* Index. */
    struct record *record;      /* Null until it is found. */
    struct vm_facts facts;      /* Ours, all of it. */
};

/* A VM. */
struct record {
    struct ovs_list entries;    /* Of more precedence first. */
    uint8_t (*uuids)[UUID_SIZE]; /* Keys. */
    size_t n_uuids;
    uint8_t (*macs)[MAC_SIZE];
    size_t n_macs;
    uint32_t tenant;            /* 0: none is named. */
    const uint8_t *vtep;        /* Of the host that alone knows it, or null. */
    size_t n_hosts;             /* That know it, too. */
};

/* A UUID or a MAC address, and who claims it.  One that a host claims has its
 * VTEP before it, and is its own. */
struct key {
    struct hmap_node node;
    uint8_t bytes[HOST_UUID_SIZE]; /* Zeros behind it. */
    size_t size;
    struct entry *owners[N_RANKS]; /* Null: nobody of that rank. */
    bool is_ambiguous[N_RANKS];
    struct record *record;      /* That has it. */
};

struct merge {
    struct source *sources;
    size_t n_sources, allocated_sources;
    struct entry **entries;
    size_t n_entries, allocated_entries;
    struct record **records;
    size_t n_records, allocated_records;
    struct hmap keys;
    struct hmap addresses;      /* Of struct address. */
    const struct snapshot *latest; /* Borrowed; may be null, as... */
    const struct shash *vteps;  /* ...this. */
    uint64_t now_ns;
    struct merge_counts counts;
};

/* An IP address of a tenant, and who has it. */
struct address {
    struct hmap_node node;
    uint32_t tenant;
    uint8_t ip[IP_SIZE];
    const struct record *record; /* Null: several have. */
};

/* Finds who has the address 'ip' of 'tenant', or returns null. */
struct address *merge_find_address(const struct merge *, uint32_t tenant,
                                   const uint8_t *ip);

/* Adds the record to 'builder'.  Returns 0 or a positive errno. */
int merge_put_record(struct merge *, const struct record *,
                     struct snapshot_builder *builder);

#endif /* proxy-vm/context/merge-private.h */
