/* SPDX-License-Identifier: Apache-2.0
 *
 * Reads the small files of /proc and of control groups.
 *
 * Runs in: sluice-hostd. */
#ifndef SLUICE_READ_SMALL_H
#define SLUICE_READ_SMALL_H 1

#include <stddef.h>

enum { READ_SMALL_MAX = 8192 }; /* Room for the text and a null byte. */

/* Reads the beginning of the file 'path' in the directory 'dir' into 'text',
 * and puts a null byte behind it.  Returns its size, 0 if there is nothing or
 * it can't be read. */
size_t read_small(int dir, const char *path, char text[READ_SMALL_MAX]);

#endif /* proxy-vm/hostd/read-small.h */
