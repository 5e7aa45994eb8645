/* SPDX-License-Identifier: Apache-2.0
 *
 * The server's end of memif.  See memif-peer.h.  Written against DPDK's server
 * and independent of lib/memif.c, which it is to be held against. */
#include "sluice-config.h"

#include "memif-peer.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { MAX_RINGS = 64 };

struct peer_ring {
    int event_fd;
    uint32_t offset;
    uint8_t log2;
};

struct memif_peer {
    char path[108];
    int listen_fd;
    int fd;                     /* Of the client, or -1. */
    unsigned int max_to, max_from;
    int region_fd;
    uint64_t region_size;
    uint8_t *region;            /* Once connected. */
    struct peer_ring to[MAX_RINGS], from[MAX_RINGS];
    unsigned int n_to, n_from;
    uint16_t received;          /* Position in the first ring to us. */
};

struct memif_peer *
memif_peer_create(const char *path, unsigned int n_to, unsigned int n_from)
{
    struct memif_peer *p = calloc(1, sizeof *p);
    struct sockaddr_un sun = { .sun_family = AF_UNIX };

    if (!p) {
        return NULL;
    }
    snprintf(p->path, sizeof p->path, "%s", path);
    snprintf(sun.sun_path, sizeof sun.sun_path, "%s", path);
    p->fd = p->region_fd = -1;
    p->max_to = n_to;
    p->max_from = n_from;
    p->listen_fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK
                          | SOCK_CLOEXEC, 0);
    unlink(path);
    if (p->listen_fd < 0
        || bind(p->listen_fd, (struct sockaddr *) &sun, sizeof sun)
        || listen(p->listen_fd, 1)) {
        free(p);
        return NULL;
    }
    return p;
}

static void
close_rings(struct peer_ring *rings, unsigned int *n)
{
    while (*n) {
        close(rings[--*n].event_fd);
    }
}

void
memif_peer_hang_up(struct memif_peer *p)
{
    close_rings(p->to, &p->n_to);
    close_rings(p->from, &p->n_from);
    if (p->region) {
        munmap(p->region, p->region_size);
        p->region = NULL;
    }
    if (p->region_fd >= 0) {
        close(p->region_fd);
        p->region_fd = -1;
    }
    if (p->fd >= 0) {
        close(p->fd);
        p->fd = -1;
    }
}

void
memif_peer_destroy(struct memif_peer *p)
{
    if (p) {
        memif_peer_hang_up(p);
        close(p->listen_fd);
        unlink(p->path);
        free(p);
    }
}

static bool
say(struct memif_peer *p, uint16_t type, const void *body, size_t size)
{
    uint8_t message[128] = { 0 };

    memcpy(message, &type, 2);
    if (size) {
        memcpy(message + 2, body, size);
    }
    return send(p->fd, message, sizeof message, MSG_NOSIGNAL) > 0;
}

static bool
refuse(struct memif_peer *p, const char *why)
{
    char body[4 + 96] = { 0 };

    snprintf(body + 4, 96, "%s", why);
    say(p, 8, body, sizeof body);
    return false;
}

static bool
say_hello(struct memif_peer *p)
{
    uint8_t body[32 + 11] = "peer";
    const uint16_t numbers[] = { 0x200, 0x200, 255, 255, 255 };

    memcpy(body + 32, numbers, sizeof numbers);
    body[42] = 14;
    return say(p, 2, body, sizeof body);
}

static bool
add_ring(struct memif_peer *p, const uint8_t *body, int fd)
{
    uint16_t flags, index;
    struct peer_ring ring = { .event_fd = fd, .log2 = body[10] };

    memcpy(&flags, body, 2);
    memcpy(&index, body + 2, 2);
    memcpy(&ring.offset, body + 6, 4);
    unsigned int *n = flags & 1 ? &p->n_to : &p->n_from;
    if (fd < 0 || index != *n
        || index >= (flags & 1 ? p->max_to : p->max_from)) {
        if (fd >= 0) {
            close(fd);
        }
        return refuse(p, "Invalid ring index");
    }
    (flags & 1 ? p->to : p->from)[(*n)++] = ring;
    return say(p, 1, NULL, 0);
}

static uint16_t *
word(const struct memif_peer *p, const struct peer_ring *ring, size_t at)
{
    return (uint16_t *) (p->region + ring->offset + at);
}

/* Where they are in a ring. */
enum { FLAGS = 4, HEAD = 6, TAIL = 64, DESCS = 128 };

static bool
connect_rings(struct memif_peer *p)
{
    p->region = mmap(NULL, p->region_size, PROT_READ | PROT_WRITE, MAP_SHARED,
                     p->region_fd, 0);
    if (p->region == MAP_FAILED) {
        p->region = NULL;
        return refuse(p, "mmap");
    }
    for (unsigned int i = 0; i < p->n_to + p->n_from; i++) {
        struct peer_ring *ring = (i < p->n_to ? &p->to[i]
                                  : &p->from[i - p->n_to]);
        uint32_t cookie;

        memcpy(&cookie, word(p, ring, 0), sizeof cookie);
        if (cookie != 0x3e31f20) {
            return refuse(p, "Wrong ring");
        }
        *word(p, ring, HEAD) = *word(p, ring, TAIL) = 0;
        if (i < p->n_to) {
            *word(p, ring, FLAGS) = 1;
        }
    }
    p->received = 0;
    return say(p, 7, "peer", 5);
}

static bool
take(struct memif_peer *p, const uint8_t *message, int fd)
{
    uint16_t type;

    memcpy(&type, message, 2);
    switch (type) {
    case 1:
        return true;
    case 3:
        return p->region_fd < 0 && say(p, 1, NULL, 0);
    case 4:
        if (fd < 0 || p->region_fd >= 0) {
            return refuse(p, "Invalid region");
        }
        p->region_fd = fd;
        memcpy(&p->region_size, message + 4, 8);
        return say(p, 1, NULL, 0);
    case 5:
        return add_ring(p, message + 2, fd);
    case 6:
        return connect_rings(p);
    default:
        return false;
    }
}

/* Receives a message with a descriptor, if it has one.  Returns its size. */
static ssize_t
hear(int from, uint8_t message[128], int *fd)
{
    union {
        struct cmsghdr header;
        uint8_t bytes[CMSG_SPACE(sizeof(int))];
    } control;
    struct iovec iov = { message, 128 };
    struct msghdr h = {
        .msg_iov = &iov, .msg_iovlen = 1,
        .msg_control = &control, .msg_controllen = sizeof control,
    };
    ssize_t n = recvmsg(from, &h, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    struct cmsghdr *c = n > 0 ? CMSG_FIRSTHDR(&h) : NULL;

    *fd = -1;
    if (c && c->cmsg_type == SCM_RIGHTS) {
        memcpy(fd, CMSG_DATA(c), sizeof *fd);
    }
    return n;
}

bool
memif_peer_run(struct memif_peer *p)
{
    if (p->fd < 0) {
        p->fd = accept4(p->listen_fd, NULL, NULL, SOCK_CLOEXEC);
        if (p->fd < 0 || !say_hello(p)) {
            return false;
        }
    }
    for (;;) {
        uint8_t message[128];
        int fd;
        ssize_t n = hear(p->fd, message, &fd);

        if (n < 0 && errno == EAGAIN) {
            return p->region != NULL;
        }
        if (n != sizeof message || !take(p, message, fd)) {
            memif_peer_hang_up(p);
            return false;
        }
    }
}

static uint8_t *
desc_of(const struct memif_peer *p, const struct peer_ring *ring,
        uint16_t position)
{
    size_t i = position & ((1 << ring->log2) - 1);

    return p->region + ring->offset + DESCS + 16 * i;
}

uint16_t
memif_peer_room(const struct memif_peer *p, unsigned int i)
{
    const struct peer_ring *ring = &p->from[i];

    return (!p->region ? 0
            : __atomic_load_n(word(p, ring, HEAD), __ATOMIC_ACQUIRE)
              - *word(p, ring, TAIL));
}

bool
memif_peer_send(struct memif_peer *p, unsigned int i, struct slice frame,
                size_t piece)
{
    const struct peer_ring *ring = &p->from[i];
    size_t done = 0;

    if ((frame.size + piece - 1) / piece > memif_peer_room(p, i)) {
        return false;
    }
    uint16_t tail = *word(p, ring, TAIL);
    do {
        size_t size = frame.size - done < piece ? frame.size - done : piece;
        uint8_t *desc = desc_of(p, ring, tail++);
        uint32_t offset, length = size;
        uint16_t flags = done + size < frame.size;

        memcpy(&offset, desc + 8, 4);
        memcpy(p->region + offset, frame.data + done, size);
        memcpy(desc + 4, &length, 4);
        memcpy(desc, &flags, 2);
        done += size;
    } while (done < frame.size);
    __atomic_store_n(word(p, ring, TAIL), tail, __ATOMIC_RELEASE);
    return true;
}

bool
memif_peer_interrupt(struct memif_peer *p, unsigned int i)
{
    const uint64_t one = 1;

    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    return (!(*word(p, &p->from[i], FLAGS) & 1)
            && write(p->from[i].event_fd, &one, sizeof one) > 0);
}

size_t
memif_peer_receive(struct memif_peer *p, uint8_t *buffer, size_t max)
{
    const struct peer_ring *ring = &p->to[0];
    uint32_t offset, length;

    if (!p->region || __atomic_load_n(word(p, ring, HEAD), __ATOMIC_ACQUIRE)
                      == p->received) {
        return 0;
    }
    uint8_t *desc = desc_of(p, ring, p->received++);
    memcpy(&length, desc + 4, 4);
    memcpy(&offset, desc + 8, 4);
    length = length < max ? length : max;
    memcpy(buffer, p->region + offset, length);
    __atomic_store_n(word(p, ring, TAIL), p->received, __ATOMIC_RELEASE);
    return length;
}

uint8_t *
memif_peer_memory(const struct memif_peer *p, size_t *ret_size)
{
    *ret_size = p->region_size;
    return p->region;
}

void
memif_peer_move_tail(struct memif_peer *p, unsigned int i, int n)
{
    *word(p, &p->from[i], TAIL) += n;
}
