/* SPDX-License-Identifier: Apache-2.0
 *
 * A batch on its way out: takes the seal off, looks at all of it before the
 * first line goes, and renders it frame by frame.
 *
 * In: the content of a spool file, whose it should be, and in what form it is
 * to go out.
 * Out: frames, or what is wrong with the batch.
 * Runs in: sluice-ship, sluice-unseal. */
#ifndef SLUICE_SHIP_BATCH_H
#define SLUICE_SHIP_BATCH_H 1

#include "seal.h"

/* What becomes of a line. */
enum ship_format {
    SHIP_RFC5424,               /* lib/rfc5424.h. */
    SHIP_JSON,                  /* lib/json-line.h. */
    SHIP_RAW,                   /* MSG alone. */
};

/* How one line is told from the next. */
enum ship_framing {
    /* MSG-LEN SP SYSLOG-MSG: RFC 6587 section 3.4.1, RFC 5425. */
    SHIP_OCTET_COUNTED,

    /* The line and LF.  An LF within it is written as "#012". */
    SHIP_LF,

    /* A record: the number of bytes behind it, 32 bits, big-endian; the size
     * of the key, 8 bits; the key; the line.  The key tells which VM the line
     * is of: its UUID, else its switch port as "HOST-VTEP/PORT". */
    SHIP_RECORD,

    /* Not by the line: the whole sealed file, unopened, behind its size, 32
     * bits, big-endian.  The format has no meaning then. */
    SHIP_SEALED,
};

struct ship_form {
    enum ship_format format;
    enum ship_framing framing;

    /* The tenant's destinations that other queues have, borrowed: a line whose
     * route names one of them is left out. */
    char *const *elsewhere;
    size_t n_elsewhere;
};

struct ship_batch;

/* Opens 'file', which must be of 'tenant' and stay so in every source in it,
 * to be rendered in 'form'.  (With SHIP_SEALED only the header is looked at.)
 * Returns 0 and the batch, which the caller owns, in '*ret'; ENOMEM; or
 * EBADMSG with the rest of a sentence in 'reason', "it is not a sealed batch".
 */
int ship_batch_open(struct slice file, uint32_t tenant,
                    const struct seal_key *, const char *sd_id,
                    const struct ship_form *form, struct ship_batch **ret,
                    char *reason, size_t reason_size);

/* The same for a body that seal_open() returned with header 'h': takes '*raw',
 * which it sets to null. */
int ship_batch_from_body(uint8_t **raw, const struct seal_header *h,
                         uint32_t tenant, const char *sd_id,
                         const struct ship_form *form,
                         struct ship_batch **ret,
                         char *reason, size_t reason_size);
void ship_batch_destroy(struct ship_batch *);

/* Renders the next frames, whole ones only (but of a sealed file what fits),
 * to 'buf' of 'cap' bytes.  Returns how many bytes those are, 0 at the end of
 * the batch.  A line whose frame is larger than 'cap' counts as dropped. */
size_t ship_batch_render(struct ship_batch *, uint8_t *buf, size_t cap);

/* All lines that the batch holds, and of those the ones dropped so far, and
 * the ones left out so far because they go elsewhere. */
uint32_t ship_batch_n_lines(const struct ship_batch *);
uint32_t ship_batch_n_dropped(const struct ship_batch *);
uint32_t ship_batch_n_routed(const struct ship_batch *);

#endif /* proxy-vm/ship/ship-batch.h */
