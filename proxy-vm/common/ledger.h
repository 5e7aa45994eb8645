/* SPDX-License-Identifier: Apache-2.0
 *
 * The ledger as a message: from the figures in shared memory, and back into
 * them.
 *
 * In: statistics of intake and ship; or a message of proto/ledger.proto.
 * Out: the other of the two.
 * Runs in: sluiced. */
#ifndef SLUICE_LEDGER_H
#define SLUICE_LEDGER_H 1

#include "ledger.pb-c.h"
#include "stats.h"

/* A ledger while it is made. */
struct ledger_draft;

struct ledger_draft *ledger_draft_create(void);
void ledger_draft_destroy(struct ledger_draft *);

void ledger_put_intake(struct ledger_draft *, const struct intake_stats *);
void ledger_put_queue(struct ledger_draft *, const char *queue,
                      const struct ship_stats *);

/* Returns the message packed, malloc()ed, and its size. */
uint8_t *ledger_draft_pack(const struct ledger_draft *, size_t *ret_size);

/* Fill in statistics that are all zeros but for their headers.  Figures that
 * are not known here, of another version, are passed over; so is what has no
 * place. */
void ledger_get_intake(const Sluice__Ledger *, struct intake_stats *);
void ledger_get_queue(const Sluice__LedgerQueue *, struct ship_stats *);

/* The ways by which lines leave a queue, those of queue-exits.def. */
enum {
#define EXIT(SYMBOL) QUEUE_EXIT_##SYMBOL,
#include "queue-exits.def"
#undef EXIT
    QUEUE_N_EXITS
};
extern const enum ship_counter queue_exits[QUEUE_N_EXITS];

/* Lines that left a queue: by any of queue_exits. */
uint64_t ship_stats_exits(const struct ship_stats *);

#endif /* proxy-vm/common/ledger.h */
