/* SPDX-License-Identifier: Apache-2.0
 *
 * Counters in shared memory: each worker maps a file of its own and writes to
 * it, sluiced maps the same files and reads.  A file that is there already, of
 * this layout, is taken over with its figures, so that the books go on when a
 * worker is restarted.
 *
 * One writer, many readers, 64-bit relaxed stores: a reader sees each figure
 * whole, though not all of one instant.
 *
 * Runs in: sluice-intake, sluice-ship (write), sluiced (reads). */
#ifndef SLUICE_STATS_H
#define SLUICE_STATS_H 1

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "drop.h"

enum intake_counter {
#define INTAKE(SYMBOL, NAME, UNIT, TEXT) INTAKE_##SYMBOL,
#include "counters.def"
#undef INTAKE
    N_INTAKE_COUNTERS
};

enum tenant_counter {
#define TENANT(SYMBOL, NAME, UNIT, TEXT) TENANT_##SYMBOL,
#include "counters.def"
#undef TENANT
    N_TENANT_COUNTERS
};

enum ship_counter {
#define SHIP(SYMBOL, NAME, UNIT, TEXT) SHIP_##SYMBOL,
#include "counters.def"
#undef SHIP
    N_SHIP_COUNTERS
};

struct counter_info {
    const char *name;
    const char *unit;
    const char *text;
};
extern const struct counter_info intake_counters[N_INTAKE_COUNTERS];
extern const struct counter_info tenant_counters[N_TENANT_COUNTERS];
extern const struct counter_info ship_counters[N_SHIP_COUNTERS];

enum {
    STATS_MAX_TENANTS = 1024,
    STATS_MAX_SOURCES = 16384,
    STATS_MAX_MAC_SOURCES = 1024, /* Of one tenant, without VM. */
    STATS_HOSTNAME_SIZE = 64,
};

struct stats_header {
    char magic[8];
    uint32_t version;
    uint32_t size;              /* Bytes of the whole file. */
    uint64_t pid;               /* Of the writer. */
};

struct stats_tenant {
    uint64_t tenant;            /* 0: this slot is free. */
    uint64_t counters[N_TENANT_COUNTERS];
    uint64_t drops[SLUICE_N_DROPS];
};

/* A switch port, by sending host, OpenFlow port and VM. */
struct stats_source {
    uint64_t tenant;            /* 0: this slot is free.  Written last. */
    uint8_t vtep[16];           /* IPv4 as ::ffff:a.b.c.d. */
    uint8_t vm[16];             /* Zero where packets have none. */
    uint8_t mac[8];             /* Of the latest line: 6 bytes used. */
    uint64_t ofp_port;
    uint64_t stock;             /* 1: from an unpatched Open vSwitch. */
    uint64_t keyed_by_mac;      /* 1: packets name no VM; 'mac' tells sources
                                 * apart. */
    uint64_t seq_epoch;         /* Of the latest packet. */
    uint64_t seq_highest;       /* Highest number in this epoch. */
    uint64_t before;            /* Numbers the switch used before the first
                                 * that came to a proxy which did not know the
                                 * source: sent to somebody else, or lost. */
    uint64_t sent;              /* By the switch since: over all epochs, each
                                 * one's highest number, less 'before'. */
    uint64_t received;          /* Log packets. */
    uint64_t lost;              /* sent - received, never below 0; numbers
                                 * that may still arrive out of order count. */
    uint64_t announced;         /* Of 'lost': in gap records.  Above 'lost' by
                                 * those that came after all. */
    uint64_t replayed;          /* Dropped as received before. */
    uint64_t bytes;             /* Payload. */
    uint64_t redactions;
    uint64_t tls_streams;       /* TCP streams of TLS. */
    uint64_t last_ns;           /* Unix epoch: latest packet. */
    uint64_t clock_skew_known;  /* 1: the next is known. */
    uint64_t clock_skew_ms;     /* An int64_t: how far ahead of the switch's
                                 * the guest's clock is. */
    uint64_t host_mismatches;   /* Lines whose claimed host is not the VM's
                                 * name. */
    char vm_name[STATS_HOSTNAME_SIZE];    /* From context, "" if pending. */
    char claimed_host[STATS_HOSTNAME_SIZE]; /* Of the latest line. */
};

struct intake_stats {
    struct stats_header header;
    uint64_t counters[N_INTAKE_COUNTERS];
    uint64_t drops[SLUICE_N_DROPS];
    struct stats_tenant tenants[STATS_MAX_TENANTS];
    struct stats_source sources[STATS_MAX_SOURCES];
};

enum ship_state {
    SHIP_STATE_IDLE,            /* Nothing to send, not connected. */
    SHIP_STATE_CONNECTING,
    SHIP_STATE_CONNECTED,
    SHIP_STATE_BACKOFF,         /* Waiting before the next attempt. */
};
const char *ship_state_name(enum ship_state);

/* What ship must know after a kill to keep its books to the unit. */
struct ship_journal {
    /* The newest batch of which anything was sent: sending one up to here is
     * sending it again. */
    uint64_t any_sent;          /* 1: the two below are set. */
    uint64_t sent_generation;
    uint64_t sent_number;

    /* A batch that is about to leave the queue, and the counters as they are
     * once it has.  Whether it has is seen in the spool. */
    uint64_t leaving;           /* 1: the rest is set.  Written last. */
    uint64_t generation;
    uint64_t number;
    uint64_t counters[N_SHIP_COUNTERS];
};

struct ship_stats {
    struct stats_header header;
    uint64_t tenant;
    uint64_t state;             /* enum ship_state. */
    uint64_t since_ns;          /* Unix epoch: when 'state' began. */
    uint64_t counters[N_SHIP_COUNTERS];
    char error[256];            /* Why the latest session failed; empty once
                                 * a batch was taken. */
    struct ship_journal journal;
};

static inline void
stats_add(uint64_t *counter, uint64_t n)
{
    __atomic_store_n(counter, *counter + n, __ATOMIC_RELAXED);
}

static inline void
stats_set(uint64_t *counter, uint64_t n)
{
    __atomic_store_n(counter, n, __ATOMIC_RELAXED);
}

static inline uint64_t
stats_get(const uint64_t *counter)
{
    return __atomic_load_n(counter, __ATOMIC_RELAXED);
}

/* Map the file at 'path' for writing, making it if need be.  Return 0 and the
 * mapping, to be released by stats_unmap(), or a positive errno. */
int intake_stats_map(const char *path, struct intake_stats **ret);
int ship_stats_map(const char *path, uint32_t tenant, struct ship_stats **ret);

/* Map the file at 'path' for reading.  Return 0, or ENOENT if the worker never
 * ran, EINVAL if it has another layout, or another positive errno. */
int intake_stats_map_ro(const char *path, const struct intake_stats **ret);
int ship_stats_map_ro(const char *path, const struct ship_stats **ret);

void stats_unmap(const void *stats);

/* Finds the slot of 'tenant', or takes a free one; null if the table is full.*/
struct stats_tenant *intake_stats_tenant(struct intake_stats *,
                                         uint32_t tenant);

#endif /* proxy-vm/common/stats.h */
