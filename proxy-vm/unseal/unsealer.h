/* SPDX-License-Identifier: Apache-2.0
 *
 * Takes sealed batches of one tenant: opens them, finds out by the chain
 * whether they are the next ones, hands their lines to the sink, and remembers
 * them.
 *
 *     take, take, ... --> lines in the sink --commit--> synced, remembered
 *
 * What was taken may be confirmed to the sender once it is committed, and not
 * before.  If committing fails, what was taken since the last time was not.
 *
 * In: batches, as files.
 * Out: lines in a sink; an answer for each batch.
 * Runs in: sluice-unseal. */
#ifndef SLUICE_UNSEALER_H
#define SLUICE_UNSEALER_H 1

#include "chain.h"
#include "delivery.h"
#include "sink.h"

struct unsealer_options {
    const struct seal_key *key;
    uint8_t recipient[32];      /* Its public half. */
    uint32_t tenant;            /* 0: the one of the first batch. */
    const char *state_dir;      /* Null: remembers in memory only. */
    const char *sd_id;
    enum ship_format format;
    struct sink *sink;          /* Null: only looks whether all is well. */
};

/* What became of a batch. */
struct answer {
    enum delivery_status status;
    bool is_fine;               /* Neither it nor its stream has a fault. */
    const char *name;           /* Of what it is: "next", "cut", "flip"... */
    struct seal_header header;  /* Zeros where it has none. */
    uint32_t n_lines;           /* Of it that the sink has, now or before. */
    char text[256];             /* "cut: batches 5 to 9 of ... are missing
                                 * before it", or empty if all is as usual. */
};

/* Names of destinations that are not ours. */
struct elsewhere {
    size_t n;
    char *names[DELIVERY_MAX_NAMES];
};

struct unsealer;

/* Returns null and the unsealer, which borrows what is in 'options', or a
 * malloc()ed sentence. */
char *unsealer_create(const struct unsealer_options *, struct unsealer **ret);
void unsealer_destroy(struct unsealer *);

/* Takes a batch, of which lines that are for destinations of these names,
 * which may be null, are left out.  Returns 0 and '*ret', or a positive errno
 * if there is no memory, or the sink failed: in the latter case, which is
 * counted, nothing since the last commit was taken. */
int unsealer_take(struct unsealer *, struct slice file,
                  const struct elsewhere *, struct answer *ret);

/* Makes what was taken last.  Returns 0 or a positive errno: then nothing
 * since the last commit was taken. */
int unsealer_commit(struct unsealer *);

/* Counts how often what was taken since the last commit was lost. */
uint64_t unsealer_n_failures(const struct unsealer *);

/* A sentence, if what is remembered can't be saved any more and this process
 * has to end; else null. */
const char *unsealer_broken(const struct unsealer *);

/* Has the sink follow a file that was renamed.  Returns 0 or a positive
 * errno. */
int unsealer_reopen(struct unsealer *);

#endif /* proxy-vm/unseal/unsealer.h */
