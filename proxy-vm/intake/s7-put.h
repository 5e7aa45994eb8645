/* SPDX-License-Identifier: Apache-2.0
 *
 * The part of stage 7 that knows the form of a batch: writes a record as the
 * entries that lib/batch.h names.
 *
 * In: a whole record.
 * Out: bytes to append to an open batch. */
#ifndef SLUICE_S7_PUT_H
#define SLUICE_S7_PUT_H 1

#include "s3-account.h"

/* Write the source of 'rec' under 'id', or its line as one of the source that
 * has this id, into 'buf' of 'room' bytes.  Return how many bytes that took, or
 * 0 if there is no room. */
size_t record_put_source(const struct record *, uint32_t id, uint8_t *buf,
                         size_t room);
size_t record_put_line(const struct record *, uint32_t source, uint8_t *buf,
                       size_t room);

#endif /* proxy-vm/intake/s7-put.h */
