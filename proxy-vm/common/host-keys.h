/* SPDX-License-Identifier: Apache-2.0
 *
 * The keys of the configured hosts, read from their files.
 *
 * Runs in: sluice-intake, which verifies packets with them; sluiced, which
 * refuses a configuration whose key files can't be used. */
#ifndef SLUICE_HOST_KEYS_H
#define SLUICE_HOST_KEYS_H 1

#include <sys/types.h>

#include "key-file.h"
#include "proxy-config.h"

struct host_keys;

/* Reads the key files of all hosts of 'config', which '*ret' borrows: their
 * copies in the directory 'copies' unless that is null.  Returns null and
 * '*ret', which the caller owns, or a malloc()ed sentence. */
char *host_keys_load(const struct config *config, const char *copies,
                     struct host_keys **ret);
void host_keys_destroy(struct host_keys *);

/* Returns the keys of 'host', one of those in the configuration, or null if it
 * has no key file. */
const struct key_file *host_keys_find(const struct host_keys *,
                                      const struct config_host *host);

/* Like host_keys_load(), but only to find out whether it would succeed. */
char *host_keys_check(const struct config *config);

/* Writes copies of the key files into the directory 'copies', which is there,
 * for a sluice-intake that may not read the files themselves: each belongs to
 * user 'uid', who alone may read it.  Returns null or a malloc()ed
 * sentence. */
char *host_keys_copy(const struct config *config, const char *copies,
                     uid_t uid);

#endif /* proxy-vm/common/host-keys.h */
