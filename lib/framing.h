/* SPDX-License-Identifier: Apache-2.0
 *
 * How syslog messages stand in a TCP stream (RFC 6587): the small decisions,
 * each on bytes that are there.  Which framing a stream has, its first byte
 * says: a digit that is not 0, octet counting; anything else, a trailer.
 *
 * In: some bytes of a stream.
 * Out: what they are.
 * Runs in: sluice-intake. */
#ifndef SLUICE_FRAMING_H
#define SLUICE_FRAMING_H 1

#include "slice.h"

enum framing_verdict {
    FRAMING_YES,
    FRAMING_NO,
    FRAMING_MORE,               /* Not to be told without more bytes. */
};

/* MSG-LEN has at most this many digits here. */
enum { FRAMING_MAX_DIGITS = 5, FRAMING_MAX_HEADER = FRAMING_MAX_DIGITS + 1 };

/* Reads "MSG-LEN SP" (RFC 6587 section 3.4.1).  On FRAMING_YES '*ret_header'
 * is its size and '*ret_size' that of the message. */
enum framing_verdict framing_count(struct slice bytes, size_t *ret_header,
                                   size_t *ret_size);

/* Whether a stream that begins with 'byte' counts octets. */
static inline bool
framing_counts(uint8_t byte)
{
    return byte >= '1' && byte <= '9';
}

/* Whether a message with a PRI begins here: "<", one to three digits, ">". */
enum framing_verdict framing_pri(struct slice bytes);
enum { FRAMING_MAX_PRI = 5 };

/* Whether a TLS record begins here (RFC 8446 section 5.1). */
enum framing_verdict framing_tls(struct slice bytes);

#endif /* lib/framing.h */
