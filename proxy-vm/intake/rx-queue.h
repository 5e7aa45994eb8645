/* SPDX-License-Identifier: Apache-2.0
 *
 * Packets that have left a ring of memif because it fills faster than they are
 * worked on: queues, one for each VNI modulo 16, so that who floods fills his
 * own, with as much room as 16 sockets would have.
 *
 * They lie in a file, which survives the process.  A packet is in a ring, here
 * or in a slot of stage 1, or for a moment in two of these; then the later one
 * knows where it was in the earlier one.
 *
 * In: packets, and where in which ring they were.
 * Out: the same, in order for each VNI.
 * Runs in: sluice-intake. */
#ifndef SLUICE_RX_QUEUE_H
#define SLUICE_RX_QUEUE_H 1

#include "slice.h"

enum { RX_N_QUEUES = 16 };

struct rx_queues;

struct rx_queued {
    uint64_t drain;             /* See rx_queues_drain(). */
    uint8_t src_ip[16];
    uint8_t src_mac[6];
    uint16_t ring;              /* Where it was, */
    uint16_t taken;             /* and the position behind it. */
};

/* Opens the queues in the file 'path', each of 'size' bytes, a power of two:
 * those that another process left, if they are of this size.  There is no
 * memory behind them before a packet needs it.  Returns 0 and the queues,
 * which the caller owns, or a positive errno. */
int rx_queues_open(const char *path, size_t size, struct rx_queues **ret);

/* Closes them.  The file stays if a packet is in it. */
void rx_queues_close(struct rx_queues *);

/* Begins another time of emptying rings, and returns its number.  Packets of
 * an earlier one have left their ring for good: what they say of its positions
 * is of no use any more. */
uint64_t rx_queues_begin_drain(struct rx_queues *);

/* The number of the latest one. */
uint64_t rx_queues_drain(const struct rx_queues *);

/* Puts 'packet' behind the others of its VNI.  Returns false if there is no
 * room, or no memory. */
bool rx_queues_put(struct rx_queues *, const struct rx_queued *,
                   struct slice packet);

bool rx_queues_are_empty(const struct rx_queues *);

/* Returns the next queue behind 'turn' that has a packet: there is one. */
unsigned int rx_queues_choose(const struct rx_queues *, unsigned int turn);

/* The position of the first packet of queue 'i'. */
uint64_t rx_queues_begin(const struct rx_queues *, unsigned int i);

/* Copies the packet at '*at' of queue 'i' to 'dst', of 'max' bytes, unless
 * that is null, and moves '*at' behind it.  Returns false at the end. */
bool rx_queues_read(const struct rx_queues *, unsigned int i, uint64_t *at,
                    struct rx_queued *ret, uint8_t *dst, size_t max,
                    size_t *ret_size);

/* Does away with what is before 'at' in queue 'i'. */
void rx_queues_done(struct rx_queues *, unsigned int i, uint64_t at);

/* Gives the memory of the queues, which are empty, back: what was in it is
 * gone. */
void rx_queues_release(struct rx_queues *);

#endif /* proxy-vm/intake/rx-queue.h */
