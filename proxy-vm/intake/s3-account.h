/* SPDX-License-Identifier: Apache-2.0
 *
 * Stage 3, account: keeps the books of each source, a switch port as seen by
 * the proxy (sending host, OpenFlow port, VM, tenant; by MAC address where a
 * packet names no VM), and finds replays by its sequence numbers.
 *
 * In: 'vtep', 'meta', 'inner' of a record.
 * Out: 'source'; the source's figures in shared memory. */
#ifndef SLUICE_ACCOUNT_H
#define SLUICE_ACCOUNT_H 1

#include "clock-skew.h"
#include "context-policy.h"
#include "gap.h"
#include "openvswitch/hmap.h"
#include "openvswitch/list.h"
#include "record.h"
#include "rules.h"
#include "stats.h"
#include "undo.h"

/* What decides which source a packet belongs to. */
struct source_key {
    uint8_t vtep[16];
    uint8_t vm[16];
    uint8_t mac[6];
    uint8_t pad[2];
    uint32_t tenant;
    uint32_t ofp_port;
};

/* By what key a line's VM was found. */
enum context_match {
    MATCH_NONE,                 /* It was not: pending. */
    MATCH_VM,
    MATCH_MAC,
    MATCH_IP,                   /* The guest's claim. */
    MATCH_SKIPPED,              /* There is none to be found. */
};

/* What is known of a source, for lines of certain times.  What each line reads
 * of it comes first, and is one cache line: with thousands of sources it is in
 * no cache. */
struct source_look {
    /* Stage 6, enrich. */
    uint64_t snapshot_serial;   /* Of the look-up; 0: none yet. */
    uint64_t from_ns, until_ns; /* Switch times of the lines it is for. */
    const struct context_tenant *tenant; /* What the policy says of it. */
    struct slice context;       /* What the tenant may see of it. */

    /* Stage 7, store. */
    uint64_t batch_serial;      /* Batch that has this look already. */
    uint32_t batch_id;          /* Its id there. */

    /* Stage 6 again. */
    uint16_t match;             /* enum context_match. */
    bool has_ip;                /* It is for lines of 'ip' only. */
    uint8_t ip[16];
    const uint8_t *record;      /* Into that snapshot, or null. */
};
BUILD_ASSERT_DECL(offsetof(struct source_look, ip) <= 64);

/* A source has more than one for lines that come late, and where several VMs
 * are behind one port. */
enum { SOURCE_LOOKS = 4 };

struct source {
    /* Stage 6, enrich.  The first is at the beginning of a cache line. */
    struct source_look looks[SOURCE_LOOKS];
    uint64_t snapshot_serial;   /* That 'stats' has the VM's name from; 0:
                                 * none yet. */
    uint32_t next_look;         /* That is given up first. */
    struct source_look unplaced; /* For lines that find no place by IP. */
    long long int ip_since;     /* time_msec() from when on... */
    unsigned int n_ip;          /* ...so many were given up by IP. */

    struct hmap_node node;      /* In account's sources. */
    struct source_key key;
    struct stats_source *stats;     /* Its sequences, too. */

    /* Packets lost on the way that are not announced yet. */
    struct ovs_list gap_node;   /* In account's 'gaps', or empty. */
    uint64_t unsettled;         /* 'lost' at the last look, */
    uint64_t n_late;            /* and how many came after all since then. */
    uint64_t latest_ns;         /* Switch time of the latest packet. */
    uint64_t gap_from_ns;       /* That of the packet before the first hole, */
    uint64_t gap_to_ns;         /* and behind the last. */

    /* Stage 5, claims. */
    struct clock_skew skew;

    /* Stage 6, rules. */
    struct rules_subject subject;
    uint64_t rules_serial;      /* With which it was made; 0: not yet, */
    uint64_t rules_snapshot_serial; /* and the context of then. */
};

struct account;

/* Makes the table from what an earlier process left in 'stats', which it
 * borrows.  Notes in 'undo', which it borrows too, what account_commit() and
 * account_announced() change. */
struct account *account_create(struct intake_stats *stats, struct undo *undo);
void account_destroy(struct account *);

/* Finds or makes 'rec''s source.  Returns SLUICE_DROP_SEQUENCE_REPLAYED if the
 * packet was received before.  Counts nothing yet: a packet is in the books
 * once the later stages are through with it. */
enum sluice_drop account_find(struct account *, struct record *rec);

/* Returns true if 'rec', a part of a frame that was not joined yet, has a
 * number that came before.  (Whose part it is can't be told here if packets
 * name no VM: then the whole one has to show it.) */
bool account_came_before(const struct account *, const struct record *rec);

/* Puts the packet into its source's books; 'drop' is what became of it. */
void account_commit(struct account *, const struct record *rec,
                    enum sluice_drop drop);

/* Calls 'announce' for each source that lost packets on the way: those that
 * were missing the last time, a second ago or more, and still are, since what
 * is overtaken on the way is not lost.  One record per source sums them up.
 * 'now' is time_msec(), INT64_MAX to wait no longer. */
void account_announce(struct account *, long long int now,
                      void (*announce)(struct source *, const struct gap *,
                                       void *aux), void *aux);

/* Enters that gap into the books, once it is announced. */
void account_announced(struct account *, struct source *,
                       uint64_t n_packets);

/* Returns the source of slot 'slot' of the statistics, or null; and the slot of
 * a source. */
struct source *account_source(struct account *, uint32_t slot);

/* Returns a source that stands for 'tenant' as a whole, until the next call: no
 * switch port, no context. */
struct source *account_tenant(struct account *, uint32_t tenant);

/* Returns false for a source beyond the table's size, which is forgotten. */
bool account_keeps(const struct account *, const struct source *);

uint32_t account_slot(const struct account *, const struct source *);

/* Makes '*rec' one of 'source', for a line that no packet brought. */
void account_fill(const struct source *, uint64_t now_ns, struct record *rec);

/* Returns false if 'number' came already, or is too old to tell. */
bool sequence_is_new(const struct sequence *, uint32_t number);

/* Adds 'number', which must be new.  Returns how many numbers the sender is
 * now known to have used that it was not before. */
uint32_t sequence_add(struct sequence *, uint32_t number);

#endif /* proxy-vm/intake/s3-account.h */
