/* SPDX-License-Identifier: Apache-2.0
 *
 * The writer's end of the chain of sealed batches.  See chain-head.h. */
#include "chain-head.h"

void
chain_head_recover(struct seal_header *header)
{
    header->flags |= SEAL_F_RECOVERED;
    memset(header->previous, 0, sizeof header->previous);
}

void
chain_head_link(const struct chain_head *head, struct seal_header *header)
{
    if (!head->any) {
        memset(header->previous, 0, sizeof header->previous);
    } else if (header->number > head->number) {
        memcpy(header->previous, head->digest, sizeof header->previous);
    } else {
        chain_head_recover(header);
    }
}

void
chain_head_advance(struct chain_head *head, const struct seal_header *header,
                   struct slice file)
{
    if (!(header->flags & SEAL_F_RECOVERED)) {
        head->any = true;
        head->number = header->number;
        seal_digest(file, head->digest);
    }
}
