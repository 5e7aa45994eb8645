/* SPDX-License-Identifier: Apache-2.0
 *
 * Puts the figures back to what they were before a step.  See undo.h. */
#include <config.h>

#include "undo.h"

#include "util.h"

/* From so many entries on it pays to look whether a word is among them. */
enum { MANY = 128 };

/* Memory is written in program order; only the next process looks. */
static void
barrier(void)
{
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
}

bool
undo_open(struct undo *u, struct undo_log *log, const uint64_t *ticket,
          struct intake_stats *stats)
{
    bool interrupted = log->ticket == *ticket && log->n;

    *u = (struct undo) {
        .log = log,
        .ticket = ticket,
        .words = (uint64_t *) stats,
        .n_words = sizeof *stats / sizeof(uint64_t),
    };
    if (interrupted) {
        /* The oldest last: a word may be there twice.  A process that is
         * killed here leaves all of it to the next. */
        for (uint64_t i = MIN(log->n, UNDO_MAX); i--; ) {
            if (log->entries[i].word < u->n_words) {
                stats_set(&u->words[log->entries[i].word],
                          log->entries[i].old);
            }
        }
    }
    barrier();
    log->n = 0;
    return interrupted;
}

static bool
is_noted(const struct undo_log *log, uint64_t word)
{
    for (uint64_t i = 0; i < log->n; i++) {
        if (log->entries[i].word == word) {
            return true;
        }
    }
    return false;
}

void
undo_save(struct undo *u, const uint64_t *word)
{
    struct undo_log *log = u->log;
    uint64_t i = word - u->words;

    /* What is beyond the table's size has no place in it. */
    if (!log || word < u->words || i >= u->n_words) {
        return;
    }
    if (log->ticket != *u->ticket) {
        log->n = 0;
        barrier();
        log->ticket = *u->ticket;
    }
    if (log->n >= MANY && (is_noted(log, i) || log->n >= UNDO_MAX)) {
        return;
    }
    log->entries[log->n] = (struct undo_entry) { i, *word };
    barrier();
    log->n++;
    barrier();
}

void
undo_save_all(struct undo *u, const void *p, size_t size)
{
    const uint64_t *word = p;

    for (size_t i = 0; i < size / sizeof *word; i++) {
        undo_save(u, &word[i]);
    }
}
