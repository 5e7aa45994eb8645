/* SPDX-License-Identifier: Apache-2.0
 *
 * Joins frames that the switch sent in parts (SPLIT), in whatever order the
 * parts come.
 *
 * In: parts, each a packet that geneve_parse() took and whose sender is
 * proven.  Out: a packet as the switch would have sent it through a larger
 * underlay: the same header and options but SPLIT and AUTH, and the frame.
 * Runs in: sluice-intake.
 *
 * Everything that must outlive the process lies in memory that the caller
 * provides, join_memory_size() bytes: a table of frames, and chunks that hold
 * the bytes of their parts.
 *
 *      frame   key, header | part 0 | part 1 |  -  | part 3 |
 *                              |        |             |
 *      chunks              [c]-[c]     [c]           [c]-[c]
 *
 * A part is there once its last field is written, a frame likewise; what a
 * process was doing when it died is not there for the next one.  A frame that
 * was handed out stays until join_release(), which the caller calls once what
 * it made of the frame is safe.
 *
 * All bounds are fixed: frames, bytes, the share of one sender, and time. */
#ifndef SLUICE_JOIN_H
#define SLUICE_JOIN_H 1

#include "geneve.h"

enum {
    JOIN_MAX_FRAMES = 1024,     /* That wait for parts, */
    JOIN_MAX_CHUNKS = 4096,     /* and chunks with their bytes, */
    JOIN_CHUNK_SIZE = 1500,     /* each of so many. */
    JOIN_MAX_AGE_MS = 1000,     /* From the first part to the last. */

    /* What one sender (host and tenant) may have of that. */
    JOIN_SENDER_FRAMES = JOIN_MAX_FRAMES / 4,
    JOIN_SENDER_CHUNKS = JOIN_MAX_CHUNKS / 2,

    /* An Ethernet frame with two VLAN tags and the largest IPv6 packet. */
    JOIN_MAX_FRAME_SIZE = 22 + 40 + 65535,
};

struct join;

/* Tells that 'n_parts' of 'tenant' that were taken are dropped now: their
 * frame's time is over, or it had to make room. */
typedef void join_drop_cb(void *aux, uint32_t tenant, enum sluice_drop,
                          unsigned int n_parts);

size_t join_memory_size(void);

/* Joins by way of 'memory', which it borrows: all zeros, or what a process
 * before this one left there.  What is not whole in there is forgotten, and
 * frames begin to wait for their parts at 'now_ms': nobody was there to take
 * them.  Returns null if there is no memory left. */
struct join *join_create(void *memory, int64_t now_ms, join_drop_cb *,
                         void *aux);
void join_destroy(struct join *);

/* Adds 'part', with 'meta' and 'frame' as geneve_parse() found them, sent by
 * 'vtep'.  Returns SLUICE_DROP_NONE, or the reason to drop the part.
 *
 * '*ret_packet' becomes the whole packet if this was the part that had been
 * missing, otherwise empty.  It is valid until the next call for 'j'.
 *
 * 'again' says that the process before this one may have added the part
 * already, which then is no reason to drop it. */
enum sluice_drop join_add(struct join *j, const uint8_t vtep[16],
                          struct slice part, const struct tunnel_meta *meta,
                          struct slice frame, uint16_t option_class,
                          int64_t now_ms, bool again,
                          struct slice *ret_packet);

/* Forgets the frame that join_add() handed out last. */
void join_release(struct join *);

/* Forgets frames that are whole.  To be called when the part that a process
 * before this one had not done with has been added: others were handed out,
 * and what was made of them is safe.  If that part is not added, but dropped
 * for the reason 'drop', so are the others of its frame; otherwise 'drop' is
 * SLUICE_DROP_NONE. */
void join_forget_whole(struct join *, enum sluice_drop drop);

/* Drops frames that waited too long at 'now_ms'. */
void join_expire(struct join *, int64_t now_ms);

/* How many parts wait. */
uint32_t join_n_parts(const struct join *);

#endif /* lib/join.h */
