/* SPDX-License-Identifier: Apache-2.0
 *
 * The shared memory packet interface (memif), version 2.0, as a client speaks
 * it: the messages of the control channel, and rings of packets in memory that
 * the client makes and the server maps.
 *
 * In: messages and what the server writes to the rings, none of it trusted.
 * Out: messages to send; frames, copied.
 * Runs in: sluice-intake.
 *
 * The client makes the memory, so it knows where each ring and each buffer is.
 * Of what the server can write, it reads nothing but how far the server has
 * come, how long a frame is and whether it goes on in the next buffer; each
 * once, and each is bounded before it is used.  What the server writes into
 * offsets and regions of the client's descriptors is never looked at.
 *
 * A ring of frames from the server, of 2^n descriptors, with positions that
 * only grow (modulo 2^16):
 *
 *           taken       tail              head
 *     ........|FFFFFFFFFFF|EEEEEEEEEEEEEEEEE|.....     F: frame, E: empty
 *
 * The client gives empty buffers by moving 'head', which is 'taken' + 2^n; the
 * server fills them and moves 'tail'.  In a ring to the server it is the
 * client that fills buffers and moves 'head', and the server that moves 'tail'
 * behind it.
 *
 * Numbers are in the host's byte order: both ends are on one.  The layout of
 * rings is that of cache lines of 64 bytes, as libmemif has it everywhere and
 * DPDK on processors that have such. */
#ifndef SLUICE_MEMIF_H
#define SLUICE_MEMIF_H 1

#include "slice.h"

enum {
    MEMIF_MESSAGE_SIZE = 128,
    MEMIF_BUFFER_SIZE = 2048,   /* A frame may take several. */
    MEMIF_MAX_TO = 16,          /* Rings to the server, */
    MEMIF_MAX_FROM = 32,        /* and from it. */
    MEMIF_LOG2_TO = 7,          /* Descriptors of a ring to the server. */
    MEMIF_LOG2_MIN = 8,         /* And of one from it. */
    MEMIF_LOG2_MAX = 14,
    MEMIF_MAX_CHAIN = 16,       /* Buffers of a frame. */
};

/* --- The control channel ------------------------------------------------- */

/* What to do next. */
enum memif_action {
    MEMIF_WAIT,                 /* For the server. */
    MEMIF_PREPARE,              /* The server accepts us, so it has let go of
                                 * all that it had of us before: make the
                                 * memory, then memif_prepared(). */
    MEMIF_SEND,                 /* A message, */
    MEMIF_SEND_REGION,          /* with the descriptor of the memory, */
    MEMIF_SEND_RING,            /* with that of an eventfd, */
    MEMIF_SEND_CONNECT,         /* whose rings must be ready now. */
    MEMIF_UP,                   /* The server has set the rings to zero and
                                 * uses them from now on. */
    MEMIF_RETRY,                /* Connect again: it was told how many rings
                                 * the server has. */
    MEMIF_FAIL,                 /* Connect again later. */
};

/* How many rings the server takes it says only by refusing one more.  Who
 * offers fewer than it has queues has it write where no ring is; so we offer
 * more and more until one is refused, and begin again. */
struct memif_limits {
    uint16_t n_to;              /* Rings to offer, */
    uint16_t n_from;
    bool knows_to;              /* and whether one more was refused. */
    bool knows_from;
};

enum memif_phase {
    MEMIF_AWAITS_HELLO,
    MEMIF_AWAITS_INIT_ACK,
    MEMIF_PREPARES,
    MEMIF_AWAITS_REGION_ACK,
    MEMIF_AWAITS_RING_ACK,
    MEMIF_AWAITS_CONNECTED,
    MEMIF_IS_UP,
};

struct memif_layout {
    uint16_t n_to;
    uint16_t n_from;
    uint8_t log2_from;          /* Descriptors of a ring from the server. */
};

/* One connection. */
struct memif_session {
    enum memif_phase phase;
    struct memif_limits limits;
    struct memif_layout layout;
    uint16_t ring;              /* That was offered last. */
    uint8_t message[MEMIF_MESSAGE_SIZE]; /* To send, if it is to. */
    char why[96];               /* Of MEMIF_FAIL, for people: a sentence's
                                 * end, printable. */
};

/* As if nothing were known of the server. */
void memif_limits_init(struct memif_limits *);

/* Begins a connection with rings from the server of up to 2^'log2_from'
 * descriptors. */
void memif_session_init(struct memif_session *, const struct memif_limits *,
                        uint8_t log2_from);

/* Takes a message of the server; empty if it closed the channel. */
enum memif_action memif_receive(struct memif_session *, struct slice message);

/* Goes on after MEMIF_PREPARE. */
enum memif_action memif_prepared(struct memif_session *);

/* Writes the message that says good-bye. */
void memif_put_disconnect(uint8_t ret[MEMIF_MESSAGE_SIZE], const char *why);

/* --- The rings ----------------------------------------------------------- */

struct memif_memory {
    uint8_t *base;              /* Borrowed, aligned to 64 bytes, of
                                 * memif_size(). */
    struct memif_layout layout;
};

/* Whether 'layout' is one that this file makes. */
bool memif_layout_is_valid(const struct memif_layout *layout);
size_t memif_size(const struct memif_layout *);

/* Makes the rings, in memory that is all zeros. */
void memif_init(const struct memif_memory *);

enum memif_taken {
    MEMIF_EMPTY,                /* There is no frame. */
    MEMIF_FRAME,
    MEMIF_BAD_FRAME,            /* It is passed over. */
    MEMIF_BROKEN,               /* The server is ahead of itself: nothing in
                                 * this ring makes sense. */
};

/* Copies the frame at 'taken' in ring 'ring' from the server to 'dst', of
 * 'max' bytes, and its size to '*ret_size'; sets '*ret_taken' to the position
 * behind it, which it does for a bad one as well. */
enum memif_taken memif_take(const struct memif_memory *, unsigned int ring,
                            uint16_t taken, uint8_t *dst, size_t max,
                            size_t *ret_size, uint16_t *ret_taken);

/* Whether memif_take() would return something else than MEMIF_EMPTY. */
bool memif_has_frame(const struct memif_memory *, unsigned int ring,
                     uint16_t taken);

/* Whether the server has filled more than half of the ring. */
bool memif_is_half_full(const struct memif_memory *, unsigned int ring,
                        uint16_t taken);

/* Gives the buffers before 'taken' to the server: those that it has not yet,
 * 'given' being what was the last time, or what 'taken' began with, less all
 * of them. */
void memif_give(const struct memif_memory *, unsigned int ring,
                uint16_t given, uint16_t taken);

/* Asks the server to write to the eventfd, or not to, when it has filled
 * buffers. */
void memif_set_interrupts(const struct memif_memory *, unsigned int ring,
                          bool on);

/* Sends 'frame' by the first ring to the server.  Returns false if there is no
 * room or it is too long for a buffer. */
bool memif_put(const struct memif_memory *, struct slice frame);

#endif /* lib/memif.h */
