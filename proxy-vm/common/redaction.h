/* SPDX-License-Identifier: Apache-2.0
 *
 * The redactors of the tenants: the built-in rules, for each tenant with a
 * file of its own changed by that, and the keys of pseudonyms.
 *
 * Runs in: sluice-intake, which redacts with them; sluiced, which refuses a
 * configuration whose files can't be used. */
#ifndef SLUICE_REDACTION_H
#define SLUICE_REDACTION_H 1

#include <sys/types.h>

#include "proxy-config.h"
#include "redact.h"

struct redaction;

/* Reads the redaction files and keys of all tenants of 'config', which may be
 * null and is not used any more afterwards: their copies in the directory
 * 'copies' unless that is null.  Returns null and '*ret', which the caller
 * owns, or a malloc()ed sentence. */
char *redaction_load(const struct config *config, const char *copies,
                     struct redaction **ret);
void redaction_destroy(struct redaction *);

/* Returns the redactor of 'tenant', for the next message of which it is. */
struct redactor *redaction_find(struct redaction *, uint32_t tenant);

/* Like redaction_load(), but only to find out whether it would succeed, and
 * with the examples in the files tried. */
char *redaction_check(const struct config *config);

/* Writes copies of the files into the directory 'copies', which is there, for
 * a sluice-intake that may not read the files themselves: each belongs to user
 * 'uid', who alone may read it.  Returns null or a malloc()ed sentence. */
char *redaction_copy(const struct config *config, const char *copies,
                     uid_t uid);

#endif /* proxy-vm/common/redaction.h */
