/* SPDX-License-Identifier: Apache-2.0
 *
 * Stage 4, reassemble: makes whole datagrams of IP fragments, and messages of
 * the segments of TCP streams, which it follows without taking part.  What it
 * has to wait for is held in s4-hold.h.
 *
 * In: a record whose inner packet is a fragment or a TCP segment.
 * Out: lines, each with the record that completed it; gaps, of what is missing.
 *
 * What it never does: put two pieces together that have a gap between them. */
#ifndef SLUICE_REASSEMBLE_H
#define SLUICE_REASSEMBLE_H 1

#include "gap.h"
#include "s3-account.h"

struct reassemble_config {
    uint32_t tenant_slots;      /* Datagrams and streams of one tenant. */
    uint32_t tenant_bytes;      /* That it may hold. */
    uint32_t wait_ms;           /* For what is missing. */
    bool multi_line;            /* Lines that begin with a space continue, */
    const struct config *tenants; /* but for tenants of this, which say it for
                                   * themselves.  Borrowed; may be null. */
};
#define REASSEMBLE_DEFAULTS                                             \
    { .tenant_slots = 2048, .tenant_bytes = 4 << 20, .wait_ms = 2000 }

/* What one step did, besides lines and gaps. */
struct reassemble_tally {
    uint32_t counters[N_TENANT_COUNTERS];
    enum sluice_drop drop;      /* What became of the packet, or of a datagram
                                 * that this step gave up. */
};

/* Where a step's results go; 'line' and 'gap' find out what is needed from
 * 'rec', whose 'inner' they may change. */
struct reassemble_sink {
    void (*line)(void *aux, struct record *rec, struct slice message,
                 bool ambiguous);
    void (*gap)(void *aux, struct record *rec, const struct gap *);
    void *aux;
};

struct reassemble;

/* 'path' names the file that outlives the process, or is null; 'ticket' is the
 * step at which the process before this one ended.  Returns 0 and the stage,
 * or a positive errno. */
int reassemble_create(const char *path, uint64_t ticket, struct account *,
                      const struct reassemble_sink *, struct reassemble **ret);
void reassemble_destroy(struct reassemble *);
void reassemble_configure(struct reassemble *,
                          const struct reassemble_config *);

/* Returns the slot that must be given up before 'rec' can be taken, by a step
 * of its own (reassemble_expire()), or false. */
bool reassemble_full(struct reassemble *, const struct record *rec,
                     uint32_t *ret_slot);

/* Takes 'rec''s packet, in step 'ticket', at monotonic time 'now_ms'. */
void reassemble_run(struct reassemble *, struct record *rec, uint64_t ticket,
                    uint64_t now_ms, struct reassemble_tally *ret);

/* Returns a slot for which something is due at 'now_ms', to be looked at by
 * reassemble_look(), or, 'evict' being true, given up.  'now_ms' of UINT64_MAX
 * is the end: nothing more will come. */
bool reassemble_due(struct reassemble *, uint64_t now_ms, uint32_t *ret_slot);

/* Looks at 'slot', or with 'evict' gives it up, in step 'ticket'.  Fills in
 * '*rec', to which what it did belongs; false if there is no such slot.
 * reassemble_abandon() gives a slot up that processes died of: what is in it is
 * not looked at, and with 'announce' a gap tells how much that was. */
bool reassemble_look(struct reassemble *, uint32_t slot, bool evict,
                     uint64_t ticket, uint64_t now_ms, uint64_t now_ns,
                     struct record *rec, struct reassemble_tally *ret);
bool reassemble_abandon(struct reassemble *, uint32_t slot, bool announce,
                        uint64_t ticket, uint64_t now_ms, uint64_t now_ns,
                        struct record *rec, struct reassemble_tally *ret);

/* Returns true if nothing is held: then nothing is due. */
bool reassemble_is_idle(const struct reassemble *);

/* Comes after the step can't be undone any more. */
void reassemble_end(struct reassemble *);

#endif /* proxy-vm/intake/s4-reassemble.h */
