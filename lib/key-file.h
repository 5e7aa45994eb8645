/* SPDX-License-Identifier: Apache-2.0
 *
 * The file with the keys of a host, for the AUTH option: one key a line, 32
 * hexadecimal digits; empty lines and lines that begin with '#' are skipped.
 * The first key is the one that the switch uses.  The proxy takes any, so that
 * the old key can stand below the new one until every switch has the latter.
 *
 * In: a file.  Out: keys, or a sentence.  Runs in: ovs-vswitchd and
 * sluice-intake; the only I/O is to read that file.
 *
 * C99 and POSIX, no header of either tree but the one beside it: the files are
 * copied into the Open vSwitch tree as lib/sluice/key-file.[ch]. */

#ifndef SLUICE_KEY_FILE_H
#define SLUICE_KEY_FILE_H 1

#include "siphash.h"

enum { KEY_FILE_MAX_KEYS = 4 };

/* Secret: overwrite it when you are through with it. */
struct key_file {
    uint32_t n_keys;            /* 1 to KEY_FILE_MAX_KEYS. */
    uint8_t keys[KEY_FILE_MAX_KEYS][SIPHASH_KEY_SIZE];
};

/* Reads 'path', which must belong to root or to the user that this process
 * runs as and which nobody else may have access to.  Returns null and '*ret',
 * or a malloc()ed sentence that holds nothing of the file's content, and
 * leaves '*ret' untouched. */
char *key_file_read(const char *path, struct key_file *ret);

/* The same for what is in the file, 'path' being named in sentences only. */
char *key_file_parse(const char *path, const char *text, size_t size,
                     struct key_file *ret);

#endif /* key-file.h */
