/* SPDX-License-Identifier: Apache-2.0
 *
 * Loads a configuration and looks into the files that it names, before anything
 * goes by it.
 *
 * In: the path of sluice.yaml.  Out: its text and what is in it, or a sentence.
 * Runs in: sluiced. */
#ifndef SLUICE_CHECK_CONFIG_H
#define SLUICE_CHECK_CONFIG_H 1

#include <stddef.h>

struct config;
struct ds;

/* Returns null, '*ret_text', which is malloc()ed, and '*ret', which the caller
 * owns; or a malloc()ed sentence, which also says of a file that is named where
 * it is named. */
char *check_config(const char *path, char **ret_text, size_t *ret_size,
                   struct config **ret);

/* Files that 'config' names and that are read only later, by other programs,
 * which go on without them: appends to 'out' a line for each that cannot be
 * read.  'path' and 'text' of 'size' bytes are what 'config' was made from. */
void check_config_later_files(const struct config *config, const char *path,
                              const char *text, size_t size, struct ds *out);

#endif /* proxy-vm/master/check-config.h */
