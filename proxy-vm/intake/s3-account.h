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
#include "gap.h"
#include "openvswitch/hmap.h"
#include "openvswitch/list.h"
#include "record.h"
#include "stats.h"

/* Which numbers of one epoch have come: the highest, and which of the
 * SEQUENCE_WINDOW below it. */
enum { SEQUENCE_WINDOW = 1024 };

/* How many epochs of a source are remembered as over. */
enum { MAX_PAST_EPOCHS = 8 };

struct sequence {
    bool started;
    uint32_t epoch;
    uint32_t base;              /* Numbers up to this one were used before
                                 * this proxy first heard of the source. */
    uint32_t highest;
    uint64_t seen[SEQUENCE_WINDOW / 64];
};

/* What decides which source a packet belongs to. */
struct source_key {
    uint8_t vtep[16];
    uint8_t vm[16];
    uint8_t mac[6];
    uint8_t pad[2];
    uint32_t tenant;
    uint32_t ofp_port;
};

struct source {
    struct hmap_node node;      /* In account's sources. */
    struct source_key key;
    struct stats_source *stats;
    /* The epoch of the latest packet, and the one before, of which packets
     * may still be on the way. */
    struct sequence current, previous;
    /* The epochs before those, which no switch uses again: packets of theirs
     * are replays.  Not that they are lower would tell, since a switch whose
     * clock was set back begins with a lower one. */
    uint32_t retired[MAX_PAST_EPOCHS];
    uint64_t n_retired;         /* Ever; the latest overwrite the first. */

    /* Packets lost on the way that are not announced yet. */
    struct ovs_list gap_node;   /* In account's 'gaps', or empty. */
    uint64_t unsettled;         /* 'lost' at the last look, */
    uint64_t n_late;            /* and how many came after all since then. */
    uint64_t latest_ns;         /* Switch time of the latest packet. */
    uint64_t gap_from_ns;       /* That of the packet before the first hole, */
    uint64_t gap_to_ns;         /* and behind the last. */

    /* Stage 5, claims. */
    struct clock_skew skew;

    /* Stage 6, enrich. */
    uint64_t snapshot_serial;   /* Of the look-up below; 0: none yet. */
    struct slice context;       /* Into that snapshot. */
    bool context_pending;

    /* Stage 7, store. */
    uint64_t batch_serial;      /* Batch that has this source already. */
    uint32_t batch_id;          /* Its id there. */
    uint64_t batch_snapshot_serial; /* Context it was written with. */
};

struct account;

/* Makes the table from what an earlier process left in 'stats', which it
 * borrows. */
struct account *account_create(struct intake_stats *stats);
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
void account_announced(struct source *, uint64_t n_packets);

/* Returns the source of slot 'slot' of the statistics, or null; and the slot of
 * a source. */
struct source *account_source(struct account *, uint32_t slot);

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
