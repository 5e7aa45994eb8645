/* SPDX-License-Identifier: Apache-2.0
 *
 * What sluice-unseal remembers of one tenant's streams, and how far its output
 * has got, in a file that survives kills and power cuts:
 *
 *     STATE/<tenant>.state
 *         4096 bytes: magic, tenant, recipient
 *         twice CHAIN_STREAMS records of 4096 bytes
 *
 * A stream has two records, of which the one that is older, or damaged because
 * writing it was interrupted, is written next.  In each stands the end of the
 * output after the stream's last batch, so that both change at once.  The file
 * has its full size from the start, and is in the byte order of the machine.
 *
 * In, out: struct chain, struct sink_mark.
 * Runs in: sluice-unseal. */
#ifndef SLUICE_UNSEAL_STATE_H
#define SLUICE_UNSEAL_STATE_H 1

#include "chain.h"
#include "sink.h"

enum {
    STATE_RECORD_SIZE = 4096,
    STATE_FILE_SIZE = STATE_RECORD_SIZE * (1 + 2 * CHAIN_STREAMS),
};

struct state;

/* Opens the state of 'tenant', for batches sealed to 'recipient', in 'dir', or
 * makes it.  Returns null and the state, which the caller owns, or a
 * malloc()ed sentence. */
char *state_open(const char *dir, uint32_t tenant, const uint8_t recipient[32],
                 struct state **ret);
void state_close(struct state *);

/* Fills in '*chain' and '*mark' with what was saved last. */
void state_get(const struct state *, struct chain *chain,
               struct sink_mark *mark);

/* Saves stream number 'i' of 'chain', and 'mark', synced.  Returns 0 or a
 * positive errno.  Then nobody knows what is in the file: it has to be opened
 * anew, and the output made to fit it, before anything else. */
int state_save(struct state *, const struct chain *chain, unsigned int i,
               const struct sink_mark *mark);

/* Saves 'mark' alone. */
int state_save_mark(struct state *, const struct sink_mark *mark);

/* What state_open() makes of a file of STATE_FILE_SIZE bytes.  Pure, for the
 * fuzzer. */
struct state_image {
    uint64_t sequence;          /* Of the last record that was written. */
    unsigned int last;          /* Which stream that was... */
    struct sink_mark mark;      /* ...and what it says. */
    uint8_t copies[CHAIN_STREAMS]; /* Which of two is the newer one. */
    struct chain_stream streams[CHAIN_STREAMS];
};

/* Returns null or the rest of a sentence, "it is ...". */
const char *state_read_image(struct slice file, uint32_t tenant,
                             const uint8_t recipient[32],
                             struct state_image *ret);

#endif /* proxy-vm/unseal/state.h */
