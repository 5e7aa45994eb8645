/* SPDX-License-Identifier: Apache-2.0
 *
 * Framing of the control socket (proto/control.proto): a 32-bit big-endian
 * length and that many bytes.
 *
 * In: bytes as they come from a peer.  Out: whole messages.
 * Runs in: sluiced, sluicectl. */
#ifndef SLUICE_CONTROL_FRAME_H
#define SLUICE_CONTROL_FRAME_H 1

#include "control.pb-c.h"
#include "slice.h"

enum {
    CONTROL_FRAME_HEADER = 4,
    CONTROL_FRAME_MAX = 1024 * 1024, /* Bytes of a message. */
};

struct control_reader {
    uint8_t header[CONTROL_FRAME_HEADER];
    size_t n_header;            /* Bytes of 'header' that are there. */
    uint8_t *body;
    size_t n_body;              /* Bytes of 'body' that are there. */
    size_t allocated;           /* Of 'body': grows with what comes, not with
                                 * what the header announces. */
};

enum control_status {
    CONTROL_MORE,               /* All input taken: the message goes on. */
    CONTROL_READY,              /* control_reader_message() is whole. */
    CONTROL_TOO_LARGE,          /* The connection is of no use any more. */
};

void control_reader_init(struct control_reader *);
void control_reader_destroy(struct control_reader *);

/* Takes bytes from the front of '*in', at most to the end of a message. */
enum control_status control_reader_push(struct control_reader *,
                                        struct slice *in);

/* Returns true if not a single byte of a message has come. */
bool control_reader_is_empty(const struct control_reader *);

/* The message, borrowed; after CONTROL_READY. */
struct slice control_reader_message(const struct control_reader *);

/* Gets ready for the next message. */
void control_reader_next(struct control_reader *);

/* Writes the header of a message of 'size' bytes. */
void control_put_header(uint8_t header[CONTROL_FRAME_HEADER], size_t size);

/* Unpack a message; null if it is malformed, or wants more memory than a
 * message of its kind can need. */
Sluice__Request *control_unpack_request(struct slice);
Sluice__Response *control_unpack_response(struct slice);
void control_free_request(Sluice__Request *);
void control_free_response(Sluice__Response *);

#endif /* proxy-vm/common/control-frame.h */
