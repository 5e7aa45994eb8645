/* SPDX-License-Identifier: Apache-2.0
 *
 * Stage 1, receive, from UDP sockets.  See s1-receive.h. */
#include "sluice-config.h"      /* For recvmmsg(). */

#include "s1-receive.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "failpoint.h"
#include "lasting-memory.h"

enum {
    N_SLOTS = 64,               /* Packets a system call reads. */
    SLOT_SIZE = 10240,          /* A jumbo frame and its encapsulation. */
    COLLECT_NS = 4000000,       /* Between readable and reading. */
};

#define NOT_FILLED UINT32_MAX
#define RX_MAGIC "SLUICERX"
#define RX_VERSION 8

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
        uint8_t control[64] __attribute__((aligned(sizeof(size_t))));
        uint8_t data[SLOT_SIZE];
    } slots[N_SLOTS];
};

struct receive {
    struct pollfd polled[TUNNEL_N_SOCKETS]; /* Those with events have packets
                                             * that this round has not had. */
    unsigned int n_sockets;
    unsigned int turn;          /* The latest that was read. */
    struct rx_file *file;
    struct iovec iov[N_SLOTS];
    unsigned int n_used;        /* Slots that are not prepared. */
    in_port_t port;             /* That the sockets are bound to. */
};

/* Slots before the one that is returned are done. */
static uint32_t
done(const struct rx_file *file)
{
    return file->ticket >> TICKET_DONE_SHIFT & 0xff;
}

static bool
rx_file_is_valid(const struct rx_file *file)
{
    return (!memcmp(file->magic, RX_MAGIC, sizeof file->magic)
            && file->version == RX_VERSION && file->n_slots == N_SLOTS
            && done(file) <= N_SLOTS);
}

static bool
has_next(const struct rx_file *file)
{
    return (done(file) < N_SLOTS
            && file->headers[done(file)].msg_len != NOT_FILLED);
}

static int
rx_file_map(const char *path, struct rx_file **ret)
{
    void *map;
    int error = lasting_memory_map(path, sizeof **ret, &map);
    if (error) {
        return error;
    }

    struct rx_file *file = map;
    if (!rx_file_is_valid(file)) {
        memset(file, 0, sizeof *file);
        file->version = RX_VERSION;
        file->n_slots = N_SLOTS;
        file->ticket = (UINT64_C(1) << TICKET_FILL_SHIFT
                        | N_SLOTS << TICKET_DONE_SHIFT);
        memcpy(file->magic, RX_MAGIC, sizeof file->magic);
    }
    *ret = file;
    return 0;
}

/* What the file says of a socket that was there before goes on to count for
 * it. */
static int
know_sockets(struct rx_file *file, const struct tunnel_sockets *sockets)
{
    struct rx_socket before[TUNNEL_N_SOCKETS];
    int on = 1;

    memcpy(before, file->sockets, sizeof before);
    memset(file->sockets, 0, sizeof file->sockets);
    for (unsigned int i = 0; i < sockets->n; i++) {
        struct rx_socket *now = &file->sockets[i];
        socklen_t size = sizeof now->cookie;

        if (setsockopt(sockets->fds[i], SOL_SOCKET, SO_RXQ_OVFL, &on,
                       sizeof on)
            || getsockopt(sockets->fds[i], SOL_SOCKET, SO_COOKIE,
                          &now->cookie, &size)) {
            return errno;
        }
        for (unsigned int j = 0; j < TUNNEL_N_SOCKETS; j++) {
            if (before[j].cookie == now->cookie) {
                now->lost_seen = before[j].lost_seen;
            }
        }
    }
    return 0;
}

int
receive_socket_create(const struct tunnel_sockets *sockets, const char *path,
                      struct receive **ret)
{
    struct sockaddr_in6 own;
    socklen_t own_size = sizeof own;
    struct rx_file *file = NULL;

    if (getsockname(sockets->fds[0], (struct sockaddr *) &own, &own_size)) {
        return errno;
    }
    int error = rx_file_map(path, &file);
    if (error) {
        return error;
    }

    struct receive *r = NULL;
    error = know_sockets(file, sockets);
    if (!error) {
        r = calloc(1, sizeof *r);
        error = r ? 0 : ENOMEM;
    }
    if (error) {
        lasting_memory_unmap(file, sizeof *file);
        return error;
    }
    r->n_sockets = sockets->n;
    for (unsigned int i = 0; i < r->n_sockets; i++) {
        r->polled[i] = (struct pollfd) {
            .fd = sockets->fds[i],
            .events = POLLIN,
        };
    }
    r->port = own.sin6_port;
    r->file = file;
    r->n_used = N_SLOTS;
    for (size_t i = 0; i < N_SLOTS; i++) {
        r->iov[i].iov_base = file->slots[i].data;
        r->iov[i].iov_len = SLOT_SIZE;
    }
    *ret = r;
    return 0;
}

void
receive_socket_destroy(struct receive *r)
{
    if (r) {
        if (!has_next(r->file)) {
            /* Nobody needs the packets any more, and no redaction was done
             * here. */
            memset(r->file->slots, 0, sizeof r->file->slots);
        }
        lasting_memory_unmap(r->file, sizeof *r->file);
        free(r);
    }
}

bool
receive_socket_interrupted(const struct receive *r,
                           struct receive_interrupted *ret)
{
    const struct rx_journal *j = &r->file->journal;
    uint64_t ticket = r->file->ticket;
    struct receive_interrupted found = {
        .is_task = j->task_ticket == ticket,
        .task = j->task,
    };

    if (!found.is_task && !has_next(r->file)) {
        return false;
    }
    if (j->settled_ticket == ticket) {
        found.settled = j->settled[j->settled_now & 1];
    }
    found.has_intent = j->intended_ticket == ticket;
    found.intended = (found.has_intent
                      && j->intended_line == found.settled.n_lines);
    found.intent = j->intent;
    if (!found.is_task && !found.settled.n_lines && !found.intended) {
        return false;
    }
    *ret = found;
    return true;
}

/* The stores below must reach the file in program order; other processors do
 * not matter, since the only other reader is the next process. */
static void
barrier(void)
{
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
}

void
receive_socket_intend(struct receive *r, const struct receive_intent *intent)
{
    struct rx_journal *j = &r->file->journal;
    uint64_t ticket = r->file->ticket;

    j->intended_ticket = 0;
    barrier();
    j->intent = *intent;
    j->intended_line = (j->settled_ticket == ticket
                        ? j->settled[j->settled_now & 1].n_lines : 0);
    barrier();
    j->intended_ticket = ticket;
    barrier();
}

static const enum sluice_drop refusals[RECEIVE_N_REFUSALS] = {
#define REFUSAL(REASON) SLUICE_DROP_##REASON,
    RECEIVE_REFUSALS
#undef REFUSAL
};

enum sluice_drop
receive_take_settled(struct receive_settled *settled)
{
    settled->n_lines--;
    for (size_t i = 0; i < RECEIVE_N_REFUSALS; i++) {
        if (settled->n_refused[i]) {
            settled->n_refused[i]--;
            return refusals[i];
        }
    }
    return SLUICE_DROP_NONE;
}

void
receive_socket_settle(struct receive *r, enum sluice_drop drop)
{
    struct rx_journal *j = &r->file->journal;
    uint64_t ticket = r->file->ticket;
    bool is_first = j->settled_ticket != ticket;
    uint64_t now = j->settled_now & 1;
    struct receive_settled next = { .n_lines = 0 };

    barrier();
    if (!is_first) {
        next = j->settled[now];
    }
    next.n_lines++;
    for (size_t i = 0; i < RECEIVE_N_REFUSALS; i++) {
        next.n_refused[i] += drop == refusals[i];
    }
    /* One store makes it count: of the ticket, or of which is now. */
    j->settled[now ^ !is_first] = next;
    barrier();
    if (is_first) {
        j->settled_ticket = ticket;
    } else {
        j->settled_now = now ^ 1;
    }
    barrier();
}

uint32_t
receive_socket_try(struct receive *r)
{
    struct rx_file *file = r->file;
    uint64_t slot = file->ticket >> TICKET_DONE_SHIFT;

    if (!has_next(file)) {
        return 0;
    }
    if (file->tried_slot != slot) {
        file->n_tries = 0;
        barrier();
        file->tried_slot = slot;
    }
    return ++file->n_tries;
}

uint32_t
receive_socket_died_of_task(struct receive *r)
{
    struct rx_file *file = r->file;

    if (file->deadly_task != file->ticket) {
        file->n_task_deaths = 0;
        barrier();
        file->deadly_task = file->ticket;
    }
    return ++file->n_task_deaths;
}

void
receive_socket_done(struct receive *r)
{
    /* One step, which makes the journal void as well. */
    barrier();
    r->file->ticket = ((r->file->ticket >> TICKET_DONE_SHIFT) + 1)
                      << TICKET_DONE_SHIFT;
    barrier();
}

uint64_t
receive_socket_ticket(const struct receive *r)
{
    return r->file->ticket;
}

void
receive_socket_undo(struct receive *r, struct undo *undo,
                    struct intake_stats *stats)
{
    undo_open(undo, &r->file->undo, &r->file->ticket, stats);
}

void
receive_socket_begin_task(struct receive *r, const struct receive_task *task)
{
    struct rx_journal *j = &r->file->journal;

    j->task_ticket = 0;
    barrier();
    j->task = *task;
    barrier();
    j->task_ticket = r->file->ticket;
    barrier();
}

void
receive_socket_end_task(struct receive *r)
{
    barrier();
    r->file->ticket++;
    barrier();
}

static void
prepare_slots(struct receive *r)
{
    struct rx_file *file = r->file;

    for (unsigned int i = 0; i < r->n_used; i++) {
        struct rx_slot *slot = &file->slots[i];
        file->headers[i] = (struct mmsghdr) {
            .msg_hdr = {
                .msg_name = &slot->from,
                .msg_namelen = sizeof slot->from,
                .msg_iov = &r->iov[i],
                .msg_iovlen = 1,
                .msg_control = slot->control,
                .msg_controllen = sizeof slot->control,
            },
            .msg_len = NOT_FILLED,
        };
    }
    barrier();
    file->ticket = ((file->ticket >> TICKET_FILL_SHIFT) + 1)
                   << TICKET_FILL_SHIFT;
    barrier();
}

/* Adds to '*lost' what the kernel dropped before packet 'header'. */
static void
count_lost(struct rx_socket *s, struct msghdr *header, uint64_t *lost)
{
    for (struct cmsghdr *c = CMSG_FIRSTHDR(header); c;
         c = CMSG_NXTHDR(header, c)) {
        if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SO_RXQ_OVFL) {
            uint32_t now;
            memcpy(&now, CMSG_DATA(c), sizeof now);
            *lost += (uint32_t) (now - s->lost_seen);
            s->lost_seen = now;
        }
    }
}

static uint64_t
wall_clock_ns(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_REALTIME, &ts);
    return ts.tv_sec * UINT64_C(1000000000) + ts.tv_nsec;
}

/* Chooses the next socket that has packets: each has its turn before one has
 * another.  Returns false if none has any. */
static bool
choose_socket(struct receive *r)
{
    if (r->n_sockets == 1) {
        return true;
    }
    for (int round = 0; round < 2; round++) {
        for (unsigned int i = 0; i < r->n_sockets; i++) {
            r->turn = r->turn + 1 < r->n_sockets ? r->turn + 1 : 0;
            if (r->polled[r->turn].revents) {
                r->polled[r->turn].revents = 0;
                return true;
            }
        }
        if (!round && poll(r->polled, r->n_sockets, 0) <= 0) {
            break;
        }
    }
    return false;
}

int
receive_socket_fill(struct receive *r, uint64_t *lost)
{
    struct rx_file *file = r->file;

    if (!choose_socket(r)) {
        return EAGAIN;
    }
    file->received_ns = wall_clock_ns();
    prepare_slots(r);
    failpoint(FAIL_RECEIVE_READY);
    int n = recvmmsg(r->polled[r->turn].fd, file->headers, N_SLOTS,
                     MSG_DONTWAIT, NULL);
    if (n <= 0) {
        return n ? errno : EAGAIN;
    }
    r->n_used = n;
    failpoint(FAIL_RECEIVE_FILLED);
    /* The figure only grows: the last packet has the newest. */
    count_lost(&file->sockets[r->turn], &file->headers[n - 1].msg_hdr, lost);
    return 0;
}

static void
map_address(const struct sockaddr_in6 *from, uint8_t ret[16])
{
    if (from->sin6_family == AF_INET) {
        const struct sockaddr_in *sin = (const struct sockaddr_in *) from;
        memset(ret, 0, 10);
        memset(ret + 10, 0xff, 2);
        memcpy(ret + 12, &sin->sin_addr, 4);
    } else {
        memcpy(ret, &from->sin6_addr, 16);
    }
}

bool
receive_socket_next(struct receive *r, struct record *rec)
{
    const struct rx_file *file = r->file;
    uint32_t i = done(file);

    if (!has_next(file)) {
        return false;
    }
    /* The file is ours, but a slot's size is still not worth trusting. */
    size_t size = file->headers[i].msg_len;
    rec->packet = slice_of(file->slots[i].data,
                           size < SLOT_SIZE ? size : SLOT_SIZE);
    map_address(&file->slots[i].from, rec->vtep);
    rec->received_ns = file->received_ns;
    return true;
}

bool
receive_socket_answer(struct receive *r, const void *data, size_t size)
{
    const struct rx_file *file = r->file;

    if (!has_next(file)) {
        return false;
    }
    struct sockaddr_in6 to = file->slots[done(file)].from;
    socklen_t to_size = sizeof to;
    if (to.sin6_family == AF_INET) {
        to_size = sizeof(struct sockaddr_in);
    }
    to.sin6_port = r->port;     /* Stands at the same place in both. */
    return (sendto(r->polled[r->turn].fd, data, size, MSG_DONTWAIT | MSG_NOSIGNAL,
                   (const struct sockaddr *) &to, to_size) == (ssize_t) size);
}

void
receive_socket_wait(struct receive *r, int timeout_ms)
{
    if (poll(r->polled, r->n_sockets, timeout_ms) > 0) {
        struct timespec collect = { .tv_nsec = COLLECT_NS };
        nanosleep(&collect, NULL);
    }
}
