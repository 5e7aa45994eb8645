/* SPDX-License-Identifier: Apache-2.0
 *
 * Stage 1, receive: where packets come from.
 *
 * In: UDP sockets, memory shared with a switch (memif), or a capture file.
 * Out: for each packet, 'packet', 'vtep' and 'received_ns' of a record.
 *
 * A packet that has left the socket lies in memory that outlives the process
 * (RUN/intake.rx, in tmpfs) until the pipeline is through with it:
 *
 *     received  ......TTTTTTTTTTTTT      T: a packet, by its ticket
 *                     ^done  ^filled
 *
 * A packet is done when its lines are in the open batch, or its drop counted.
 * The pipeline first notes what is about to change (receive_intend()),
 * so that the next process knows whether that was done: exactly once, even
 * after kill -9.  What comes of one packet, or of a task that no packet brings,
 * is a step of that journal.  A step may commit several lines, one after the
 * other:
 *
 *     intend, commit, settle, intend, commit, settle, ..., done */
#ifndef SLUICE_RECEIVE_H
#define SLUICE_RECEIVE_H 1

#include <netinet/in.h>

#include "record.h"
#include "tunnel-sockets.h"
#include "undo.h"

struct receive;

/* Identifies the commit that makes a packet part of an open batch. */
struct receive_intent {
    uint32_t tenant;
    uint32_t generation;        /* Of the open batch, */
    uint64_t number;            /* and its number. */
    uint32_t size;              /* Of the open batch after the commit. */
};

/* What is done between packets, and by whom: see pipeline.c. */
struct receive_task {
    uint32_t kind;
    uint32_t slot;              /* What it is about. */
    uint64_t value;
};

/* Lines of a step that are through, and how many of them were refused, by
 * reason: what decided that may have died with the process.  The reasons are
 * those for which lines are dropped by other than what they say. */
#define RECEIVE_REFUSALS                                                \
    REFUSAL(STORAGE)                                                    \
    REFUSAL(SPOOL_SHED)                                                 \
    REFUSAL(SPOOL_QUOTA)                                                \
    REFUSAL(SPOOL_FAILED)                                               \
    REFUSAL(LINE_TOO_LONG)                                              \
    REFUSAL(RULE_DROP)                                                  \
    REFUSAL(RULE_SAMPLE)                                                \
    REFUSAL(RULE_RATE)                                                  \
    REFUSAL(RULE_DUPLICATE)

enum {
#define REFUSAL(REASON) RECEIVE_REFUSED_##REASON,
    RECEIVE_REFUSALS
#undef REFUSAL
    RECEIVE_N_REFUSALS
};

struct receive_settled {
    uint32_t n_lines;
    uint32_t n_refused[RECEIVE_N_REFUSALS];
};

/* Takes one line off 'settled', which has some.  Returns why it was refused, if
 * it was. */
enum sluice_drop receive_take_settled(struct receive_settled *settled);

/* The step at which a process ended. */
struct receive_interrupted {
    bool is_task;               /* Else it is the packet at 'done'. */
    struct receive_task task;
    struct receive_settled settled;
    bool intended;              /* One more was about to be committed. */
    struct receive_intent intent;   /* Of that, or of the latest before. */
    bool has_intent;            /* 'intent' is of this step. */
};

/* Receives from 'sockets', which it borrows, by way of the file 'path': a number
 * of packets from each that has some, in turn.  Returns 0 and the receiver,
 * which the caller owns, or a positive errno. */
int receive_socket_create(const struct tunnel_sockets *sockets,
                          const char *path, struct receive **ret);

struct receive_memif_options {
    const char *server;         /* Path of the switch's socket. */
    const char *path;           /* File of the rings, */
    const char *queues;         /* and of what waits beside them. */
    struct in6_addr addr;       /* Ours. */
    uint16_t port;              /* UDP, of the tunnel. */
    uint32_t receive_buffer;    /* Bytes of the buffers of a ring. */
    struct intake_stats *stats; /* Borrowed. */
};

/* Receives by memif instead, by way of the file 'path' likewise; all functions
 * below are for both.  The connection is made, and made again, while it is
 * filled and waited for: see memif-control.h. */
int receive_memif_create(const struct receive_memif_options *,
                         const char *path, struct receive **ret);
void receive_destroy(struct receive *);

/* What the process before this one left: true and '*ret' if it had begun a task
 * or begun to commit lines of the packet at 'done'. */
bool receive_interrupted(const struct receive *,
                         struct receive_interrupted *ret);

/* Notes that this process is about to work on the packet at 'done', which
 * another one may have died of.  Returns how many have tried by now, or 0 if
 * there is no packet. */
uint32_t receive_try(struct receive *);

/* Notes that a process died in the task that receive_interrupted() told
 * of.  Returns how many have by now. */
uint32_t receive_died_of_task(struct receive *);

/* Marks the packet at 'done' as done. */
void receive_done(struct receive *);

/* Notes that a line of this step is about to be committed; and that it is
 * through, committed or refused for one of the reasons above, which is only
 * needed if another follows. */
void receive_intend(struct receive *, const struct receive_intent *);
void receive_settle(struct receive *, enum sluice_drop);

/* Names this step: no other has had the number. */
uint64_t receive_ticket(const struct receive *);

/* Begins and ends a task, before the packet at 'done' or while there is none.*/
void receive_begin_task(struct receive *, const struct receive_task *);
void receive_end_task(struct receive *);

/* Has 'undo' look after 'stats' by way of the file, and puts back what a step
 * that did not end had changed. */
void receive_undo(struct receive *, struct undo *undo,
                  struct intake_stats *stats);

/* Reads from a socket or ring if all packets so far are done, without waiting.
 * Returns 0, EAGAIN if nothing is there, or another positive errno.  Adds to
 * '*lost' the packets for which there was no room since the last call. */
int receive_fill(struct receive *, uint64_t *lost);

/* Returns true and the packet at 'done' in '*rec', or false if there is none.
 */
bool receive_next(struct receive *, struct record *rec);

/* Sends 'size' bytes at 'data' to who sent the packet at 'done', to the port
 * that we receive on: GENEVE's sender has a new one for each flow (RFC 8926
 * section 3.3).  Returns whether the kernel took it. */
bool receive_answer(struct receive *, const void *data, size_t size);

/* Waits until there is something to read, a signal arrives, or 'timeout_ms' is
 * over.  Packets are collected for a moment before they are read: a batch
 * takes far longer to fill, so waking for each datagram would buy nothing. */
void receive_wait(struct receive *, int timeout_ms);

/* Reads the capture at 'path' (Ethernet link type), and calls 'cb' for each
 * packet to UDP port 'port'; others are skipped and counted in
 * '*ret_n_skipped'.  Returns null, or a malloc()ed sentence. */
char *receive_pcap(const char *path, uint16_t port,
                   void (*cb)(struct record *, void *aux), void *aux,
                   uint64_t *ret_n_skipped);

#endif /* proxy-vm/intake/s1-receive.h */
