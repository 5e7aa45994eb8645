/* SPDX-License-Identifier: Apache-2.0
 *
 * Writes a line as an RFC 5424 message with our structured-data element in
 * front of the inbound ones, and frames it by octet counting (RFC 6587
 * section 3.4.1).
 *
 * In: a batch's source and line; the source's context, decoded once.
 * Out: the frame's bytes.
 * Runs in: sluice-ship. */
#ifndef SLUICE_RFC5424_H
#define SLUICE_RFC5424_H 1

#include "batch.h"

/* The element's SD-PARAMs are in rfc5424-params.def. */

/* What all lines of a source have in common, rendered once: HOSTNAME (the
 * VM's proven name, else its UUID, else its MAC) and the SD-PARAMs of origin
 * and context. */
struct rfc5424_source;

/* Returns a rendering of 'source' that the caller owns and that borrows
 * nothing, or null if there is no memory.  'sd_id' is our SD-ID
 * ("sluice@32473").  Context that can't be decoded is left out. */
struct rfc5424_source *rfc5424_source_create(const struct batch_source *source,
                                             const char *sd_id);
void rfc5424_source_destroy(struct rfc5424_source *);

/* Appends 'line' to 'buf' of 'cap' bytes as MSG-LEN SP SYSLOG-MSG.  Returns
 * the bytes written or, if it does not fit, 0.  Fields are cut and cleaned to
 * the RFC's limits (section 6); an inbound element with our SD-ID is renamed
 * ("x-" and the SD-ID) and flagged by forged-sd="1" in ours.  The text goes
 * out byte for byte, since octet counting makes any byte safe, and without a
 * BOM, even where it is UTF-8: the guest never promised so. */
size_t rfc5424_put_line(uint8_t *buf, size_t cap,
                        const struct rfc5424_source *,
                        const struct batch_line *line);

/* Appends the SYSLOG-MSG alone, for transports that frame in another way. */
size_t rfc5424_put_message(uint8_t *buf, size_t cap,
                           const struct rfc5424_source *,
                           const struct batch_line *line);

#endif /* lib/rfc5424.h */
