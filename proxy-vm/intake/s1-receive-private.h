/* SPDX-License-Identifier: Apache-2.0
 *
 * What is stage 1's own: the file that packets are in once they have left the
 * socket or the ring, and what fills it. */
#ifndef SLUICE_RECEIVE_PRIVATE_H
#define SLUICE_RECEIVE_PRIVATE_H 1

#include "s1-receive.h"

#include <poll.h>
#include <sys/socket.h>

#include "memif.h"

enum {
    N_SLOTS = 64,               /* Packets a system call reads. */
    SLOT_SIZE = 10240,          /* A jumbo frame and its encapsulation. */
    COLLECT_NS = 4000000,       /* Between readable and reading. */
};

#define NOT_FILLED UINT32_MAX
#define NOWHERE UINT16_MAX      /* No ring, no queue. */
#define RX_MAGIC "SLUICERX"
#define RX_VERSION 10

/* Which step is being done: the number of the read from the socket, then that
 * of the slot, then that of the task before it.  It moves in one store, and
 * with it all notes about an earlier step lose their meaning. */
enum { TICKET_FILL_SHIFT = 24, TICKET_DONE_SHIFT = 16 };

/* What is known of a step, each group valid if its ticket is the current one.
 */
struct rx_journal {
    uint64_t task_ticket;
    struct receive_task task;
    uint64_t settled_ticket;
    uint64_t settled_now;       /* Which of the next two counts; the other is
                                 * what it was, or will be. */
    struct receive_settled settled[2];
    uint64_t intended_ticket;
    uint32_t intended_line;     /* Lines settled before. */
    struct receive_intent intent;
};

/* The file: survives the process. */
struct rx_file {
    char magic[8];
    uint32_t version;
    uint32_t n_slots;
    struct rx_socket {
        uint64_t cookie;        /* SO_COOKIE; 0: none. */
        uint64_t lost_seen;     /* Latest SO_RXQ_OVFL figure. */
    } sockets[TUNNEL_N_SOCKETS];
    struct rx_ring_memory {
        struct memif_layout layout; /* No ring from the server: there is no
                                     * memory of rings. */
        uint16_t taken[MEMIF_MAX_FROM]; /* Position in each. */
    } rings;
    uint64_t ticket;            /* See above. */
    struct rx_journal journal;
    struct undo_log undo;       /* Of this step. */
    uint64_t tried_slot;        /* Ticket without its last part: the packet */
    uint32_t n_tries;           /* with which so many processes began. */
    uint32_t n_task_deaths;     /* Of so many processes, in the task of */
    uint64_t deadly_task;       /* this ticket. */
    uint64_t received_ns;       /* Of all packets in the slots. */
    struct mmsghdr headers[N_SLOTS]; /* msg_len is NOT_FILLED until the kernel
                                      * wrote the packet. */
    struct rx_slot {
        struct sockaddr_in6 from;
        /* Of a frame: */
        uint8_t mac[6];         /* Who sent it. */
        uint16_t ring;          /* Where it was, or NOWHERE, */
        uint16_t taken;         /* and the position behind it; */
        uint16_t queue;         /* or in which queue, or NOWHERE, */
        uint64_t queued;        /* and the position behind it there. */
        uint16_t start;         /* Of the packet in 'data'. */
        uint8_t control[64] __attribute__((aligned(sizeof(size_t))));
        uint8_t data[SLOT_SIZE];
    } slots[N_SLOTS];
};

/* What brings packets. */
struct receive_class {
    int (*fill)(struct receive *, uint64_t *lost);
    bool (*answer)(struct receive *, const struct rx_slot *, const void *data,
                   size_t size);
    void (*wait)(struct receive *, int timeout_ms);
    void (*destroy)(struct receive *);
};

struct receive {
    const struct receive_class *class;
    struct rx_file *file;
    struct iovec iov[N_SLOTS];
    unsigned int n_used;        /* Slots that are not prepared. */
    unsigned int turn;          /* The latest socket or ring that was read. */
    in_port_t port;             /* UDP, of the tunnel. */

    /* Of sockets. */
    struct pollfd polled[TUNNEL_N_SOCKETS]; /* Those with events have packets
                                             * that this round has not had. */
    unsigned int n_sockets;

    /* Of memif. */
    struct receive_memif *memif;
};

/* Makes what all receivers have, by way of the file 'path'. */
int receive_create(const struct receive_class *, const char *path,
                   struct receive **ret);

/* Whether a packet is not done. */
bool receive_has_next(const struct receive *);

/* Makes room for packets, all so far being done, and notes when they come. */
void receive_prepare_slots(struct receive *);

#endif /* proxy-vm/intake/s1-receive-private.h */
