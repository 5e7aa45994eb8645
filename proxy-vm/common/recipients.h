/* SPDX-License-Identifier: Apache-2.0
 *
 * To whom the batches of each queue are sealed: the tenant's own key, where
 * its destinations are of type "sealed", and else the shipper's.
 *
 * Runs in: sluice-intake, which seals; sluiced, which refuses a configuration
 * whose keys can't be used. */
#ifndef SLUICE_RECIPIENTS_H
#define SLUICE_RECIPIENTS_H 1

#include "proxy-config.h"

struct recipients;

/* Reads the public keys that 'config', which is not used any more afterwards,
 * names: their copies in the directory 'copies' unless that is null.  Returns
 * null and '*ret', which the caller owns, or a malloc()ed sentence. */
char *recipients_load(const struct config *config, const char *copies,
                      struct recipients **ret);
void recipients_destroy(struct recipients *);

/* Returns the key, of 32 bytes, that the batches of 'queue' are sealed to, or
 * null for the shipper's. */
const uint8_t *recipients_find(const struct recipients *, uint32_t tenant,
                               const char *queue);

/* Returns null if recipients_load() would succeed, or a malloc()ed sentence.
 */
char *recipients_check(const struct config *config);

/* Writes copies of the keys into the directory 'copies', which is there, for a
 * sluice-intake that may not read the files themselves.  Returns null or a
 * malloc()ed sentence. */
char *recipients_copy(const struct config *config, const char *copies);

#endif /* proxy-vm/common/recipients.h */
