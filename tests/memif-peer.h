/* SPDX-License-Identifier: Apache-2.0
 *
 * The server's end of memif, as a switch of DPDK has it: for tests and the
 * benchmark.  The real one is in tests/system/test-memif.sh. */
#ifndef SLUICE_MEMIF_PEER_H
#define SLUICE_MEMIF_PEER_H 1

#include "memif.h"

struct memif_peer;

/* Listens at 'path', for a client that offers 'n_to' rings to it and 'n_from'
 * from it: one more of either is refused.  Returns null with errno set. */
struct memif_peer *memif_peer_create(const char *path, unsigned int n_to,
                                     unsigned int n_from);
void memif_peer_destroy(struct memif_peer *);

/* Answers what the client has said so far, without waiting.  Returns whether
 * there is a connection. */
bool memif_peer_run(struct memif_peer *);

/* Ends the connection, as a switch does whose port is taken away. */
void memif_peer_hang_up(struct memif_peer *);

/* How many buffers of that ring the client has given and are not filled. */
uint16_t memif_peer_room(const struct memif_peer *, unsigned int ring);

/* Puts 'frame' into ring 'ring' of those that the client reads, in pieces of
 * 'piece' bytes at most, each in a buffer.  Returns whether there was room. */
bool memif_peer_send(struct memif_peer *, unsigned int ring,
                     struct slice frame, size_t piece);

/* Tells the client of frames, if it wants to hear it.  Returns whether. */
bool memif_peer_interrupt(struct memif_peer *, unsigned int ring);

/* Takes the next frame that the client has sent, up to 'max' bytes.  Returns
 * its size, or 0. */
size_t memif_peer_receive(struct memif_peer *, uint8_t *buffer, size_t max);

/* The memory, to be spoiled; null if there is none. */
uint8_t *memif_peer_memory(const struct memif_peer *, size_t *ret_size);

/* Moves the tail of 'ring' by 'n' descriptors, filled or not. */
void memif_peer_move_tail(struct memif_peer *, unsigned int ring, int n);

#endif /* tests/memif-peer.h */
