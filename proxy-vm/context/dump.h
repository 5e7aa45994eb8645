/* SPDX-License-Identifier: Apache-2.0
 *
 * Prints a context snapshot for people, as YAML.
 *
 * In: a snapshot, nothing in it trusted.  Out: text.
 * Runs in: sluice-context --dump. */
#ifndef SLUICE_DUMP_H
#define SLUICE_DUMP_H 1

#include <stdio.h>

/* Prints the snapshot at 'path' to 'stream'.  Returns null, or a malloc()ed
 * sentence about what could not be read. */
char *dump_snapshot(const char *path, FILE *stream);

#endif /* proxy-vm/context/dump.h */
