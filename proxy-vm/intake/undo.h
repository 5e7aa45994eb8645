/* SPDX-License-Identifier: Apache-2.0
 *
 * What the figures in shared memory were before the present step, so that the
 * process after one that was killed in it can put them back and run the step
 * again: each packet is in the books once, whenever the kill comes.
 *
 * The log lies beside the journal of stage 1 and has the same ticket: once the
 * step is done, the log means nothing any more, in the same store.
 *
 * In: words that are about to change.
 * Out: the same words as they were.
 * Runs in: sluice-intake. */
#ifndef SLUICE_UNDO_H
#define SLUICE_UNDO_H 1

#include "stats.h"

enum {
    /* A packet that begins an epoch changes some 80 words; what makes room for
     * parts of frames changes the counters of few tenants, each noted once. */
    UNDO_MAX = 1024,
};

/* In memory that outlives the process. */
struct undo_log {
    uint64_t ticket;            /* Step that the rest is of. */
    uint64_t n;
    struct undo_entry {
        uint64_t word;          /* Its number. */
        uint64_t old;
    } entries[UNDO_MAX];
};

/* All zeros: nothing is noted. */
struct undo {
    struct undo_log *log;       /* Borrowed; null: no process comes after. */
    const uint64_t *ticket;     /* Of the present step; borrowed. */
    uint64_t *words;            /* What is looked after; borrowed. */
    size_t n_words;
};

/* Looks after the figures in 'stats', and puts back what a step that did not
 * end had changed in them.  Returns true if there was such a step. */
bool undo_open(struct undo *, struct undo_log *, const uint64_t *ticket,
               struct intake_stats *stats);

/* Notes '*word', which is about to change. */
void undo_save(struct undo *, const uint64_t *word);

/* Notes the words of the 'size' bytes at 'p', both multiples of 8. */
void undo_save_all(struct undo *, const void *p, size_t size);

static inline void
undo_add(struct undo *u, uint64_t *counter, uint64_t n)
{
    if (n) {
        undo_save(u, counter);
        stats_add(counter, n);
    }
}

static inline void
undo_set(struct undo *u, uint64_t *word, uint64_t value)
{
    if (*word != value) {
        undo_save(u, word);
        stats_set(word, value);
    }
}

#endif /* proxy-vm/intake/undo.h */
