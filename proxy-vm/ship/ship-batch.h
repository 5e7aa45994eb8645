/* SPDX-License-Identifier: Apache-2.0
 *
 * A batch on its way out: takes the seal off, looks at all of it before the
 * first line goes, and renders it frame by frame.
 *
 * In: the content of a spool file, and whose it should be.
 * Out: octet-counted RFC 5424 frames, or what is wrong with the batch.
 * Runs in: sluice-ship. */
#ifndef SLUICE_SHIP_BATCH_H
#define SLUICE_SHIP_BATCH_H 1

#include "seal.h"

struct ship_batch;

/* Opens 'file', which must be of 'tenant' and stay so in every source in it.
 * Returns 0 and the batch, which the caller owns, in '*ret'; ENOMEM; or
 * EBADMSG with the rest of a sentence in 'reason', "it is not a sealed batch".
 */
int ship_batch_open(struct slice file, uint32_t tenant,
                    const struct seal_key *, const char *sd_id,
                    struct ship_batch **ret,
                    char *reason, size_t reason_size);
void ship_batch_destroy(struct ship_batch *);

/* Renders the next frames, whole ones only, to 'buf' of 'cap' bytes.  Returns
 * how many bytes those are, 0 at the end of the batch.  A line whose frame is
 * larger than 'cap' counts as dropped. */
size_t ship_batch_render(struct ship_batch *, uint8_t *buf, size_t cap);

/* All lines that the batch holds, and of those the ones dropped so far. */
uint32_t ship_batch_n_lines(const struct ship_batch *);
uint32_t ship_batch_n_dropped(const struct ship_batch *);

#endif /* proxy-vm/ship/ship-batch.h */
