/* SPDX-License-Identifier: Apache-2.0
 *
 * What may reach a terminal: UTF-8 without control characters, and without
 * characters that turn the direction of writing.
 *
 * Runs in: all programs of the proxy. */
#ifndef SLUICE_PRINTABLE_H
#define SLUICE_PRINTABLE_H 1

#include "slice.h"

bool is_printable(struct slice);

/* Returns a malloc()ed copy of 's' up to its first null byte, at most 'size'
 * bytes, in which '?' stands for each byte that is not printable. */
char *make_printable(const char *s, size_t size);

#endif /* proxy-vm/common/printable.h */
