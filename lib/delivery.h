/* SPDX-License-Identifier: Apache-2.0
 *
 * The protocol that brings sealed batches to sluice-unseal, and its receipts
 * back, over a byte stream.  docs/batch-format.md describes it.
 *
 *     sender                                  receiver
 *     HELLO: tenant, key, queue       ->
 *                                     <-      WELCOME: window, largest batch
 *     a batch, as its file is         ->
 *     ...                             <-      RECEIPT, one for each, in order
 *                                     <-      FAILED: the session is over
 *
 * A frame is its size, 32 bits, big-endian, and so many bytes.  What the
 * receiver sends begins with a kind.
 *
 * In: bytes from the other end, cut anywhere.
 * Out: messages; bytes to send.
 * Runs in: sluice-ship (sender), sluice-unseal (receiver). */
#ifndef SLUICE_DELIVERY_H
#define SLUICE_DELIVERY_H 1

#include "slice.h"

enum {
    DELIVERY_VERSION = 1,
    DELIVERY_SIZE_SIZE = 4,     /* Of the size before each frame. */
    DELIVERY_MAX_NAME = 64,     /* Bytes of a destination's name... */
    DELIVERY_MAX_NAMES = 32,
    DELIVERY_MAX_TEXT = 255,    /* ...and of a reason. */
    DELIVERY_MAX_SMALL = 4096,  /* Frame that is no batch, size included. */
};

enum delivery_kind {
    DELIVERY_WELCOME = 1,
    DELIVERY_RECEIPT = 2,
    DELIVERY_FAILED = 3,
};

enum delivery_status {
    DELIVERY_STORED = 1,        /* The lines are where they should be. */
    DELIVERY_DUPLICATE = 2,     /* They were before. */
    DELIVERY_REFUSED = 3,       /* They are not, and will not be. */
};

struct delivery_hello {
    uint8_t version;
    uint32_t tenant;
    uint8_t recipient[32];
    struct slice queue;         /* Its name. */
    struct slice elsewhere;     /* Names of the tenant's destinations that are
                                 * not of this queue: lines whose 'route' is
                                 * one of them go there.  Each stands behind
                                 * its size, 8 bits. */
};

struct delivery_welcome {
    uint8_t version;
    uint32_t window;            /* Batches that may wait for their receipt. */
    uint32_t max_batch;         /* Bytes of the largest batch it takes. */
};

struct delivery_receipt {
    enum delivery_status status;
    uint64_t stream;            /* Both as in the batch's header, and zeros if
                                 * it had none. */
    uint64_t number;
    uint32_t n_lines;           /* Lines of it that are there. */
    struct slice reason;        /* What is wrong, or empty. */
};

/* Takes a frame off the front of 'in'.  Returns 0 and what is in it in
 * '*ret'; EAGAIN if it is not all there; EMSGSIZE if it is empty or of more
 * than 'max' bytes. */
int delivery_take_frame(struct slice *in, uint32_t max, struct slice *ret);

/* Reads the content of a frame.  Returns false, and leaves '*ret' untouched,
 * if it is not of that kind or malformed.  Slices point into 'frame'. */
bool delivery_read_hello(struct slice frame, struct delivery_hello *ret);
bool delivery_read_welcome(struct slice frame, struct delivery_welcome *ret);
bool delivery_read_receipt(struct slice frame, struct delivery_receipt *ret);
bool delivery_read_failed(struct slice frame, struct slice *ret_reason);

/* Takes a name off a list of such; false if there is none left. */
bool delivery_take_name(struct slice *names, struct slice *ret);

/* Adds a name, cut to its limit, to the end of a list of 'size' bytes in 'buf'
 * of 'cap' bytes.  Returns the new size; the old one if it has no room. */
size_t delivery_add_name(uint8_t *buf, size_t cap, size_t size,
                         struct slice name);

/* Writes a whole frame, text cut to its limit, and returns its size. */
size_t delivery_put_hello(uint8_t buf[DELIVERY_MAX_SMALL],
                          const struct delivery_hello *);
size_t delivery_put_welcome(uint8_t buf[DELIVERY_MAX_SMALL],
                            const struct delivery_welcome *);
size_t delivery_put_receipt(uint8_t buf[DELIVERY_MAX_SMALL],
                            const struct delivery_receipt *);
size_t delivery_put_failed(uint8_t buf[DELIVERY_MAX_SMALL],
                           struct slice reason);

#endif /* lib/delivery.h */
