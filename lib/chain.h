/* SPDX-License-Identifier: Apache-2.0
 *
 * The reader's end of the chain of sealed batches: remembers, in bounded
 * memory, what came of one tenant's streams, and says of the next batch
 * whether it is the next one, came before, or what is wrong.
 *
 * Each process that seals has a stream of its own, with numbers from 0 on, and
 * each batch names the one before it by digest; see seal.h.  Of a stream are
 * remembered the next number, the last digest, the numbers that were passed
 * over and have not come, and the digests of the last CHAIN_WINDOW batches.
 * What is older can't be told from a copy of something else any more, and is
 * refused; so is a stream that was forgotten in favour of later ones.
 *
 * A batch that nothing proves to be here is never skipped, and one that is
 * here is never stored twice.
 *
 * In: headers of batches that opened, and their digests.
 * Out: a verdict, one of chain.def.
 * Runs in: sluice-unseal. */
#ifndef SLUICE_CHAIN_H
#define SLUICE_CHAIN_H 1

#include "seal.h"

enum {
    CHAIN_STREAMS = 64,         /* Remembered. */
    CHAIN_WINDOW = 64,          /* Digests, per stream: what may be on its way
                                 * without a receipt. */
    CHAIN_HOLES = 32,           /* Ranges of numbers that have not come. */
    CHAIN_SHORT_DIGEST = 16,    /* Bytes kept of a digest in the window. */
};

enum chain_verdict {
#define CHAIN_VERDICT(SYMBOL, NAME, DEED, FINE, TEXT) CHAIN_##SYMBOL,
#include "chain.def"
#undef CHAIN_VERDICT
    N_CHAIN_VERDICTS
};

enum chain_deed {
    CHAIN_STORE,                /* Hand it over, then chain_accept(). */
    CHAIN_SKIP,                 /* It is here: confirm it. */
    CHAIN_REFUSE,               /* Neither: a human should look. */
};

/* What is remembered of a stream.  A plain value without pointers or padding,
 * so that it can be written to a file as it is. */
struct chain_stream {
    uint64_t used;              /* When it was changed last; 0: not in use. */
    uint64_t origin;
    uint64_t stream;
    uint64_t next;              /* Above all numbers that came. */
    uint32_t generation;
    uint32_t flags;             /* CHAIN_S_*. */
    uint64_t floor_origin;      /* Of a stream that was forgotten... */
    uint32_t floor_generation;  /* ...for this one; 0: of none. */
    uint32_t n_holes;
    struct chain_range {
        uint64_t first, end;    /* From 'first' to before 'end'. */
    } holes[CHAIN_HOLES];
    uint8_t last[SEAL_DIGEST_SIZE]; /* Of the batch before 'next'. */
    uint8_t window[CHAIN_WINDOW][CHAIN_SHORT_DIGEST]; /* By number modulo
                                                       * CHAIN_WINDOW; zeros:
                                                       * not known. */
};

enum {
    CHAIN_S_ENDED = 1 << 0,     /* SEAL_F_END came. */
    CHAIN_S_RECOVERED = 1 << 1, /* SEAL_F_RECOVERED came, ever... */
    CHAIN_S_LAST_RECOVERED = 1 << 2, /* ...and was the last one. */
    CHAIN_S_ALL = CHAIN_S_ENDED | CHAIN_S_RECOVERED | CHAIN_S_LAST_RECOVERED,
};

struct chain {
    uint32_t tenant;
    uint64_t clock;             /* Counts what was accepted. */
    struct chain_stream streams[CHAIN_STREAMS];
};

struct chain_finding {
    enum chain_verdict verdict;
    uint64_t stream;            /* The one that the finding is about. */
    struct chain_range missing; /* Numbers, for CHAIN_CUT. */
};

void chain_init(struct chain *, uint32_t tenant);

/* Says what a batch is.  Changes nothing. */
struct chain_finding chain_check(const struct chain *,
                                 const struct seal_header *,
                                 const uint8_t digest[SEAL_DIGEST_SIZE]);

/* Remembers a batch for which chain_check() says CHAIN_STORE.  Returns which
 * of 'streams' changed. */
unsigned int chain_accept(struct chain *, const struct seal_header *,
                          const uint8_t digest[SEAL_DIGEST_SIZE]);

/* True if 's', of a file, is one that chain_accept() can have made. */
bool chain_stream_is_valid(const struct chain_stream *s);

const char *chain_verdict_name(enum chain_verdict);
enum chain_deed chain_verdict_deed(enum chain_verdict);
bool chain_verdict_is_fine(enum chain_verdict);

/* Writes the finding in words, of "it", the batch: "batches 5 to 9 of stream
 * 0123456789abcdef are missing before it". */
void chain_describe(const struct chain_finding *, char *buf, size_t size);

#endif /* lib/chain.h */
