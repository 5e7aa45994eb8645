/* SPDX-License-Identifier: Apache-2.0
 *
 * Makes one record of each VM from what several sources say about it.
 *
 * In: what each source knows, in order of precedence.
 * Out: a record of each VM in a snapshot builder, and counts.
 *
 * Sources are of ranks.  Two VMs of one rank can't have the same UUID or MAC
 * address: the key belongs to neither then, unless the source of one is stale
 * and that of the other is not, which has the key.  A VM of one rank and one
 * of another are the same VM if they have a UUID in common, or, where one of
 * the two has no UUID, a MAC address.  A key that a source of more precedence
 * has for another VM stays with that.  Of the values under one key the one
 * from the source of most precedence is taken.
 *
 * What a host says holds for lines from its VTEP only.  A VM that nobody else
 * knows is found for these only, with the name that the host gives, so that
 * hosts are out of each other's way.  To a VM that others know a host adds
 * values, each of which names the VTEP; no key and no name.
 *
 * Whose lines may have a record is said by the operator alone: the tenant that
 * any other source names does not count.
 *
 * Runs in: sluice-context. */
#ifndef SLUICE_MERGE_H
#define SLUICE_MERGE_H 1

#include "context-snapshot.h"
#include "context-view.h"

enum {
    MERGE_MAX_UUIDS = 4,        /* Of one VM of one source. */
    MERGE_MAX_MACS = 64,        /* Likewise. */
    MERGE_MAX_IPS = 32,         /* Likewise. */
    MERGE_MAX_VALUE_BYTES = 32 * 1024, /* Keys and values of one record. */
    MERGE_MAX_HOSTS = 4,        /* That add to what others say about a VM. */
    MERGE_MAX_HOST_BYTES = 4 * 1024, /* Keys and values of one of these. */
};

/* The key under which a record with stale values names their source. */
#define MERGE_STALE_KEY CONTEXT_STALE_KEY

/* Of more precedence first. */
enum source_rank {
    RANK_OPERATOR,              /* What the operator wrote. */
    RANK_MANAGER,               /* Manages VMs: vCenter, libvirt. */
    RANK_HOST,                  /* Sees them run. */
    N_RANKS
};

struct fact {
    const char *key;            /* An SD-NAME. */
    const char *value;          /* UTF-8 without control characters. */
    uint64_t fetched_ns;        /* Unix epoch. */
    bool is_load;               /* A measurement: worth nothing once old. */
};

/* A port of a VM, as its host says. */
struct vm_port {
    uint8_t mac[6];
    uint32_t ofp_port;
};

/* What one source says about one VM.  Strings and arrays are borrowed. */
struct vm_facts {
    const uint8_t (*uuids)[16]; /* Network byte order, the VM's own first; up
                                 * to MERGE_MAX_UUIDS. */
    size_t n_uuids;
    const uint8_t (*macs)[6];   /* Up to MERGE_MAX_MACS. */
    size_t n_macs;
    const uint8_t (*ips)[16];   /* IPv4 as ::ffff:a.b.c.d, up to MERGE_MAX_IPS:
                                 * keys of a VM whose tenant is known. */
    size_t n_ips;
    const char *name;           /* May be null. */
    uint32_t tenant;            /* 0: not given. */
    const uint8_t *vtep;        /* Of RANK_HOST: from where the lines come for
                                 * which this holds, 16 bytes; else null. */
    const struct vm_port *ports; /* Of RANK_HOST: where lines with these
                                 * addresses come from. */
    size_t n_ports;
    const struct fact *facts;
    size_t n_facts;
};

struct merge_counts {
#define MERGE_COUNT(FIELD, NAME, IS_ALARM, TEXT) size_t FIELD;
#include "merge-counts.def"
#undef MERGE_COUNT
};

/* What the records have of one source. */
struct merge_sums {
    uint64_t vms;               /* Records that it has a part in. */
    uint64_t values;
    uint64_t stale_values;      /* Of these. */
    uint64_t oldest_ns;         /* When the oldest of them was fetched: Unix
                                 * epoch; 0: there is none. */
};

struct merge;
struct shash;

struct merge *merge_create(void);
void merge_destroy(struct merge *);

/* Has what is added from here on come from 'source', which is copied.  Sources
 * begin in order of precedence, so that ranks do not fall.  What a stale one
 * says is marked, and what it measured is left out. */
void merge_begin(struct merge *, const char *source, enum source_rank,
                 bool is_stale);

/* Adds what the source says about one VM, copied.  What is beyond the limits
 * above is left out. */
void merge_add(struct merge *, const struct vm_facts *);

/* Has the records tell where VMs ran of late, by what 'latest' says of them,
 * which is borrowed until merge_finish() returns. */
void merge_remember(struct merge *, const struct snapshot *latest,
                    uint64_t now_ns);

/* Has the records tell at which VTEP VMs run, which 'vteps', borrowed
 * likewise, has of each host by the name that the operator and managers give
 * it: 16 bytes. */
void merge_locate(struct merge *, const struct shash *vteps);

/* Adds the records to 'builder', once.  Returns null and '*ret_counts', or a
 * malloc()ed sentence. */
char *merge_finish(struct merge *, struct snapshot_builder *builder,
                   struct merge_counts *ret_counts);

/* Returns what the records have of source number 'i', in the order of
 * merge_begin(), once merge_finish() was called. */
struct merge_sums merge_sums_of(const struct merge *, size_t i);

#endif /* proxy-vm/context/merge.h */
