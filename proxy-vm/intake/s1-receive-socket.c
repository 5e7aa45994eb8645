/* SPDX-License-Identifier: Apache-2.0
 *
 * Stage 1, receive, from a UDP socket.  See s1-receive.h. */
#include "sluice-config.h"      /* For recvmmsg(). */

#include "s1-receive.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "lasting-memory.h"

enum {
    N_SLOTS = 64,               /* Packets a system call reads. */
    SLOT_SIZE = 10240,          /* A jumbo frame and its encapsulation. */
    COLLECT_NS = 4000000,       /* Between readable and reading. */
};

#define NOT_FILLED UINT32_MAX
#define RX_MAGIC "SLUICERX"
#define RX_VERSION 4

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
    uint64_t settled;           /* N_REFUSED << 32 | N_SETTLED. */
    uint64_t intended_ticket;
    uint32_t intended_line;     /* Lines settled before. */
    struct receive_intent intent;
};

/* The file: survives the process. */
struct rx_file {
    char magic[8];
    uint32_t version;
    uint32_t n_slots;
    uint64_t socket;            /* SO_COOKIE: which one 'lost_seen' is of. */
    uint64_t lost_seen;         /* Latest SO_RXQ_OVFL figure. */
    uint64_t ticket;            /* See above. */
    struct rx_journal journal;
    uint64_t tried_slot;        /* Ticket without its last part: the packet */
    uint32_t n_tries;           /* with which so many processes began. */
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
    int fd;
    struct rx_file *file;
    struct iovec iov[N_SLOTS];
    in_port_t port;             /* That 'fd' is bound to. */
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

int
receive_socket_create(int fd, const char *path, struct receive **ret)
{
    uint64_t cookie;
    socklen_t cookie_size = sizeof cookie;
    struct sockaddr_in6 own;
    socklen_t own_size = sizeof own;
    int on = 1;
    if (setsockopt(fd, SOL_SOCKET, SO_RXQ_OVFL, &on, sizeof on)
        || getsockname(fd, (struct sockaddr *) &own, &own_size)
        || getsockopt(fd, SOL_SOCKET, SO_COOKIE, &cookie, &cookie_size)) {
        return errno;
    }

    struct rx_file *file = NULL;
    int error = rx_file_map(path, &file);
    if (error) {
        return error;
    }

    struct receive *r = calloc(1, sizeof *r);
    if (!r) {
        lasting_memory_unmap(file, sizeof *file);
        return ENOMEM;
    }
    r->fd = fd;
    r->port = own.sin6_port;
    r->file = file;
    if (file->socket != cookie) {
        file->lost_seen = 0;
        file->socket = cookie;
    }
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

int
receive_socket_bind(const struct in6_addr *addr, uint16_t port, uint32_t size,
                    int *ret_fd)
{
    bool v4 = IN6_IS_ADDR_V4MAPPED(addr);
    int fd = socket(v4 ? AF_INET : AF_INET6,
                    SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) {
        return errno;
    }

    struct sockaddr_in sin = {
        .sin_family = AF_INET,
        .sin_port = htons(port),
    };
    memcpy(&sin.sin_addr, &addr->s6_addr[12], sizeof sin.sin_addr);
    struct sockaddr_in6 sin6 = {
        .sin6_family = AF_INET6,
        .sin6_port = htons(port),
        .sin6_addr = *addr,
    };
    int value = size;
    /* Beyond net.core.rmem_max only with CAP_NET_ADMIN. */
    if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &value, sizeof value)) {
        setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &value, sizeof value);
    }
    if (v4 ? bind(fd, (struct sockaddr *) &sin, sizeof sin)
        : bind(fd, (struct sockaddr *) &sin6, sizeof sin6)) {
        int error = errno;
        close(fd);
        return error;
    }
    *ret_fd = fd;
    return 0;
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
        found.n_settled = (uint32_t) j->settled;
        found.n_refused = j->settled >> 32;
    }
    found.intended = (j->intended_ticket == ticket
                      && j->intended_line == found.n_settled);
    found.intent = j->intent;
    if (!found.is_task && !found.n_settled && !found.intended) {
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
    j->intended_line = j->settled_ticket == ticket ? j->settled : 0;
    barrier();
    j->intended_ticket = ticket;
    barrier();
}

void
receive_socket_settle(struct receive *r, bool refused)
{
    struct rx_journal *j = &r->file->journal;
    uint64_t ticket = r->file->ticket;

    barrier();
    if (j->settled_ticket != ticket) {
        j->settled = 0;
        barrier();
        j->settled_ticket = ticket;
    }
    j->settled += (uint64_t) refused << 32 | 1;
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

    for (size_t i = 0; i < N_SLOTS; i++) {
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
count_lost(struct rx_file *file, struct msghdr *header, uint64_t *lost)
{
    for (struct cmsghdr *c = CMSG_FIRSTHDR(header); c;
         c = CMSG_NXTHDR(header, c)) {
        if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SO_RXQ_OVFL) {
            uint32_t now;
            memcpy(&now, CMSG_DATA(c), sizeof now);
            *lost += (uint32_t) (now - file->lost_seen);
            file->lost_seen = now;
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

int
receive_socket_fill(struct receive *r, uint64_t *lost)
{
    struct rx_file *file = r->file;

    file->received_ns = wall_clock_ns();
    prepare_slots(r);
    int n = recvmmsg(r->fd, file->headers, N_SLOTS, MSG_DONTWAIT, NULL);
    if (n < 0) {
        return errno;
    }
    /* The figure only grows: the last packet has the newest. */
    count_lost(file, &file->headers[n - 1].msg_hdr, lost);
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
    return (sendto(r->fd, data, size, MSG_DONTWAIT | MSG_NOSIGNAL,
                   (const struct sockaddr *) &to, to_size) == (ssize_t) size);
}

void
receive_socket_wait(struct receive *r, int timeout_ms)
{
    struct pollfd pfd = { .fd = r->fd, .events = POLLIN };

    if (poll(&pfd, 1, timeout_ms) > 0) {
        struct timespec collect = { .tv_nsec = COLLECT_NS };
        nanosleep(&collect, NULL);
    }
}
