/* SPDX-License-Identifier: Apache-2.0
 *
 * Writes a line as a JSON object (RFC 8259) on one line, without an end of
 * line.  docs/formats.md says what is in it.  Every string is UTF-8: what is
 * not becomes U+FFFD.
 *
 * In: a batch's source and line.  Out: the object's bytes.
 * Runs in: sluice-ship. */
#ifndef SLUICE_JSON_LINE_H
#define SLUICE_JSON_LINE_H 1

#include "batch.h"

/* What all lines of a source have in common, rendered once. */
struct json_source;

/* Returns a rendering of 'source' that the caller owns and that borrows
 * nothing, or null if there is no memory.  Context that can't be decoded is
 * left out. */
struct json_source *json_source_create(const struct batch_source *source);
void json_source_destroy(struct json_source *);

/* Appends the object for 'line' to 'buf' of 'cap' bytes.  Returns the bytes
 * written or, if it does not fit, 0. */
size_t json_put_line(uint8_t *buf, size_t cap, const struct json_source *,
                     const struct batch_line *line);

#endif /* lib/json-line.h */
