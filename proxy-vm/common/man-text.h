/* SPDX-License-Identifier: Apache-2.0
 *
 * Text as mdoc(7) wants it, on standard output.
 *
 * Runs in: the generators of manuals, in the build. */
#ifndef SLUICE_MAN_TEXT_H
#define SLUICE_MAN_TEXT_H 1

#include <stddef.h>

/* Writes a word as roff: nothing in it may be taken for a request. */
void man_put_word(const char *s, size_t n);

/* Writes 's' in short lines, a sentence beginning on a new one. */
void man_put_text(const char *s);

#endif /* proxy-vm/common/man-text.h */
