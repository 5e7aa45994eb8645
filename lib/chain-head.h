/* SPDX-License-Identifier: Apache-2.0
 *
 * The writer's end of the chain of sealed batches: what the next batch of one
 * tenant, stream and recipient has in 'previous'.  The reader's is chain.h.
 *
 * In: headers about to be sealed, files that were.
 * Out: 'previous' and SEAL_F_RECOVERED in these headers.
 * Runs in: sluice-intake. */
#ifndef SLUICE_CHAIN_HEAD_H
#define SLUICE_CHAIN_HEAD_H 1

#include "seal.h"

/* All zeros: nothing is in the chain yet. */
struct chain_head {
    bool any;
    uint64_t number;            /* Of the batch that came last... */
    uint8_t digest[SEAL_DIGEST_SIZE]; /* ...and its digest. */
};

/* Links 'header', whose number is set, to the batch that came last.  One that
 * is not behind it is out of turn, because the spool refused it before: it
 * gets SEAL_F_RECOVERED. */
void chain_head_link(const struct chain_head *, struct seal_header *header);

/* A head that was lost with its process: 'header' is a batch of that one's. */
void chain_head_recover(struct seal_header *header);

/* 'file', of which 'header' is the header, is in the spool's hands. */
void chain_head_advance(struct chain_head *, const struct seal_header *header,
                        struct slice file);

#endif /* lib/chain-head.h */
