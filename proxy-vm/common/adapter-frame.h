/* SPDX-License-Identifier: Apache-2.0
 *
 * What sluice-ship and its adapters, programs that speak to a tenant's server
 * with a library of their own, say to each other on a stream socket.
 *
 * A frame is a 32-bit big-endian size and that many bytes: a kind and what
 * belongs to it.
 *
 *     ship to adapter (requests)
 *         1 MESSAGE    u8 size of the key, key, payload
 *         2 MARK       u64 id: confirm it when the server has acknowledged
 *                      every message before it
 *     adapter to ship (replies)
 *         1 OPEN       the session with the server stands
 *         2 CONFIRMED  u64 id of the mark; u32 messages between it and the
 *                      mark before it that the server's limits forbid to send,
 *                      which are given up
 *         3 FAILED     a sentence; the session is over
 *         4 PROGRESS   the server has acknowledged more since the latest
 *                      reply; about once a second
 *
 * Marks are confirmed in their order.  An adapter that ends is a session that
 * is over.
 *
 * In: bytes as they come.  Out: whole frames.
 * Runs in: sluice-ship, sluice-relp, sluice-kafka. */
#ifndef SLUICE_ADAPTER_FRAME_H
#define SLUICE_ADAPTER_FRAME_H 1

#include "slice.h"

enum {
    ADAPTER_FD = 3,             /* The socket, in the adapter. */
    ADAPTER_HEADER = 4,
    ADAPTER_MAX_KEY = 255,
    ADAPTER_MAX_REQUEST = 1024 * 1024, /* Bytes behind the size. */
    ADAPTER_MAX_REPLY = 512,
    ADAPTER_MARK_SIZE = ADAPTER_HEADER + 1 + 8,
};

enum adapter_request_kind {
    ADAPTER_MESSAGE = 1,
    ADAPTER_MARK = 2,
};

struct adapter_request {
    enum adapter_request_kind kind;
    struct slice key, payload;  /* A message's, borrowed. */
    uint64_t id;                /* A mark's. */
};

enum adapter_reply_kind {
    ADAPTER_OPEN = 1,
    ADAPTER_CONFIRMED = 2,
    ADAPTER_FAILED = 3,
    ADAPTER_PROGRESS = 4,
};

struct adapter_reply {
    enum adapter_reply_kind kind;
    uint64_t id;                /* CONFIRMED. */
    uint32_t n_refused;         /* CONFIRMED. */
    struct slice sentence;      /* FAILED, borrowed. */
};

/* Take a frame from the front of '*in'.  Return 0; EAGAIN if it is not there
 * as a whole, having taken nothing; or EBADMSG if it can't be a frame. */
int adapter_take_request(struct slice *in, struct adapter_request *ret);
int adapter_take_reply(struct slice *in, struct adapter_reply *ret);

/* Put a frame into 'buf' of 'cap' bytes.  Return its size, or 0 if it does
 * not fit there or into a frame. */
size_t adapter_put_message(uint8_t *buf, size_t cap, struct slice key,
                           struct slice payload);
size_t adapter_put_mark(uint8_t *buf, size_t cap, uint64_t id);
size_t adapter_put_open(uint8_t *buf, size_t cap);
size_t adapter_put_progress(uint8_t *buf, size_t cap);
size_t adapter_put_confirmed(uint8_t *buf, size_t cap, uint64_t id,
                             uint32_t n_refused);

/* The same; of a longer sentence, the front. */
size_t adapter_put_failed(uint8_t *buf, size_t cap, const char *sentence);

#endif /* proxy-vm/common/adapter-frame.h */
