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
#define INTAKE(SYMBOL, NAME, KIND, UNIT, TEXT) INTAKE_##SYMBOL,
#include "counters.def"
#undef INTAKE
    N_INTAKE_COUNTERS
};

enum tenant_counter {
#define TENANT(SYMBOL, NAME, KIND, UNIT, TEXT) TENANT_##SYMBOL,
#include "counters.def"
#undef TENANT
    N_TENANT_COUNTERS
};

enum ship_counter {
#define SHIP(SYMBOL, NAME, KIND, UNIT, TEXT) SHIP_##SYMBOL,
#include "counters.def"
#undef SHIP
    N_SHIP_COUNTERS
};

struct counter_info {
    const char *name;
    enum { COUNTER, GAUGE } kind;
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
    STATS_MAX_RULES = 1024,
    STATS_MAX_RULE_DROPS = 16384,
    STATS_RULE_NAME_SIZE = 56,
    STATS_MAX_OUTPUTS = 16,
    STATS_NAME_SIZE = 72,
};

/* Which numbers of one epoch have come: the highest, and which of the
 * SEQUENCE_WINDOW below it. */
enum { SEQUENCE_WINDOW = 1024 };

/* How many epochs of a source are remembered as over. */
enum { MAX_PAST_EPOCHS = 8 };

struct sequence {
    uint32_t started;           /* 1: the rest is set. */
    uint32_t epoch;
    uint32_t base;              /* Numbers up to this one were used before
                                 * this proxy first heard of the source. */
    uint32_t highest;
    uint64_t seen[SEQUENCE_WINDOW / 64];
};

/* When batches were in the spool, by milliseconds since boot; see s7-age.h. */
enum { STATS_MAX_AGES = 64 };

struct stats_age {
    uint64_t generation, number;
    uint64_t boot_ms;
};

struct stats_ages {
    uint64_t n;                 /* Ever; the latest overwrite the first. */
    struct stats_age notes[STATS_MAX_AGES];
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
    uint64_t changes;           /* Odd while 'spooled' and these change: */
    /* The batch that went into the spool latest. */
    uint64_t latest_generation;
    uint64_t latest_number;
    /* Lines that a power cut took, not told to the tenant yet, and when. */
    uint64_t cut_lines;
    uint64_t cut_from_ns, cut_to_ns; /* Unix epoch. */
    /* Lines dropped by command in all of its queues, by sluiced, which writes
     * both at once: the second is the complement of the first, else they are
     * just being written. */
    uint64_t by_command[2];
    struct stats_ages ages;
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
    uint64_t received;          /* Log packets, */
    uint64_t dropped;           /* and of those the ones dropped. */
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
    /* The epoch of the latest packet, and the one before, of which packets
     * may still be on the way. */
    struct sequence current, previous;
    /* The epochs before those, which no switch uses again: packets of theirs
     * are replays.  Not that they are lower would tell, since a switch whose
     * clock was set back begins with a lower one. */
    uint32_t retired[MAX_PAST_EPOCHS];
    uint64_t n_retired;         /* Ever; the latest overwrite the first. */
    char vm_name[STATS_HOSTNAME_SIZE];    /* From context, "" if pending. */
    char claimed_host[STATS_HOSTNAME_SIZE]; /* Of the latest line. */
};

/* A client rule. */
struct stats_rule {
    char name[STATS_RULE_NAME_SIZE]; /* Empty: this slot is free. */
    uint64_t matched;           /* Lines. */
    uint64_t dropped;           /* Of these. */
    uint64_t announced;         /* Of these: in gap records. */
};

/* What a rule dropped of a tenant for one reason, until another process may
 * have to announce it. */
struct stats_rule_drops {
    uint64_t key;               /* Tenant << 32 | reason << 16 | slot of the
                                 * rule + 1; 0: this slot is free. */
    uint64_t dropped;
    uint64_t announced;
    uint64_t from_ns, to_ns;    /* Switch time of the first and the last that
                                 * are not announced. */
};

struct intake_stats {
    struct stats_header header;
    uint64_t counters[N_INTAKE_COUNTERS];
    uint64_t drops[SLUICE_N_DROPS];
    struct stats_tenant tenants[STATS_MAX_TENANTS];
    struct stats_rule rules[STATS_MAX_RULES];
    struct stats_rule_drops rule_drops[STATS_MAX_RULE_DROPS];
    /* Last, so that who reads can leave out what is not in use. */
    struct stats_source sources[STATS_MAX_SOURCES];
};

enum ship_state {
    SHIP_STATE_IDLE,            /* Nothing to send, not connected. */
    SHIP_STATE_CONNECTING,
    SHIP_STATE_CONNECTED,
    SHIP_STATE_BACKOFF,         /* Waiting before the next attempt. */
};
const char *ship_state_name(enum ship_state);

/* Batches that an intake which was killed may put into the spool once more,
 * since it did not come to forget them, are far fewer. */
enum { SHIP_MAX_LEFT = 1024 };

/* More than batches that are in flight at a time. */
enum { SHIP_MAX_SENT = 1536 };

/* Which batch of a queue. */
struct ship_batch_id {
    uint64_t generation;
    uint64_t number;
};

/* What ship must know after a kill to keep its books to the unit. */
struct ship_journal {
    /* The newest batch of which anything was sent.  One that is older need not
     * have been: a killed intake's open batches come late. */
    uint64_t any_sent;          /* 1: the two below are set. */
    uint64_t sent_generation;
    uint64_t sent_number;

    /* The batches of which anything was sent latest: sending one of these is
     * sending it again. */
    uint64_t n_sent;            /* Ever. */
    struct ship_batch_id sent[SHIP_MAX_SENT];

    /* The newest one that was sent before a power cut, in which nothing else
     * is known of what was sent. */
    uint64_t any_earlier;       /* 1: the two below are set. */
    uint64_t earlier_generation;
    uint64_t earlier_number;

    /* A batch that is about to leave the queue, and the counters as they are
     * once it has.  Whether it has is seen in the spool. */
    uint64_t leaving;           /* 1: the rest is set.  Written last. */
    uint64_t generation;
    uint64_t number;
    uint64_t counters[N_SHIP_COUNTERS];

    /* The batches that were shipped latest: one that comes again is one too
     * many. */
    uint64_t n_left;            /* Ever. */
    struct ship_batch_id left[SHIP_MAX_LEFT];
};

/* What sluiced does to a queue by command, and alone writes. */
struct ship_command {
    uint64_t pause_until_ms;    /* time_msec(): the shipper takes nothing in
                                 * hand before. */
    uint64_t n;                 /* Commands done: the shipper then begins
                                 * again with the oldest batch. */

    /* A batch that is about to be dropped, and the counter as it is once it
     * is, for the case of a kill. */
    uint64_t leaving;           /* 1: the rest is set.  Written last. */
    uint64_t generation;
    uint64_t number;
    uint64_t by_command;        /* SHIP_BY_COMMAND. */
};

/* An output of a queue. */
struct ship_output_stats {
    char name[STATS_NAME_SIZE]; /* Of the destination; empty: there is none. */
    uint64_t state;             /* enum ship_state: backoff is an open
                                 * circuit, connecting a half-open one. */
    uint64_t since_ns;          /* Unix epoch: when 'state' began. */
    uint64_t failures;          /* Sessions refused or broken. */
    uint64_t next_ns;           /* Unix epoch: no attempt before; 0: none
                                 * failed of late. */
    char error[256];            /* As below. */
};

struct ship_stats {
    struct stats_header header;
    uint64_t tenant;
    uint64_t state;             /* enum ship_state. */
    uint64_t since_ns;          /* Unix epoch: when 'state' began. */
    uint64_t before;            /* Lines spooled before this queue was there. */
    uint64_t counters[N_SHIP_COUNTERS];
    uint64_t lasting[N_SHIP_COUNTERS]; /* The same, when all batches that had
                                 * left had left for good: what left since, a
                                 * power cut may bring back. */
    char error[256];            /* Why the latest session failed; empty once
                                 * a batch was taken. */
    struct ship_journal journal;
    struct ship_command command;
    struct ship_output_stats outputs[STATS_MAX_OUTPUTS]; /* By preference. */
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

/* What comes between these is to be seen as a whole by whoever looks at
 * 'changes' before and after. */
static inline void
stats_begin_change(struct stats_tenant *t)
{
    stats_set(&t->changes, t->changes | 1);
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
}

static inline void
stats_end_change(struct stats_tenant *t)
{
    __atomic_store_n(&t->changes, t->changes + 1, __ATOMIC_RELEASE);
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

/* Sets 'by_command' of 'tenant' in the file at 'path', which another process
 * has mapped.  Returns 0, ENOENT if it does not have that tenant, or another
 * positive errno. */
int intake_stats_set_by_command(const char *path, uint32_t tenant,
                                uint64_t n_lines);

/* Finds the slot of 'tenant', or takes a free one; null if the table is
 * full. */
struct stats_tenant *intake_stats_tenant(struct intake_stats *,
                                         uint32_t tenant);

#endif /* proxy-vm/common/stats.h */
